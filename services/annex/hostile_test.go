package annex

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/charmap"
)

// TestRowsThatAreNoLines: a sum, however worded, and what a page leaves behind is no line,
// no network and no other total than it says.
func TestRowsThatAreNoLines(t *testing.T) {
	const lines = "Réseau;Label;Établissement;Ville;Responsable\nFoie;CRMR coordonnateur;CHU;Lyon;Dr A. B\nFoie;CCMR;CHU;Lille;Dr C. D\n"
	for printed, want := range map[string]string{
		"Ensemble;2;;;":                 "Ensemble: Label = 2",
		"TOTAL;;2;;":                    "TOTAL: Établissement = 2",
		";TOTAL;2;;":                    "TOTAL: Établissement = 2",
		"Totaux;2;3;;":                  "Totaux: Label = 2, Totaux: Établissement = 3",
		"T O T A L;2;;;":                "T O T A L: Label = 2",
		"Cumul;2;;;":                    "Cumul: Label = 2",
		"dont;1;;;":                     "dont: Label = 1",
		"S/Total : 2;;;;":               "S/Total = 2",
		"603 au total;;;;":              "au total = 603",
		"Nb de centres : 2;;;;":         "Nb de centres = 2",
		"Centres par filière;2;;;":      "? TOTAL_UNREADABLE",
		"Total G2M : 1 CCMR;;;;":        "Total G2M CCMR = 1",
		"22q11 : 3 sites au total;;;;":  "22q11 sites au total = 3",
		"Dont coordonnateurs : 1;;;;":   "? HEADING_UNPLACED",
		"NB : 3 sites sous réserve;;;;": "? FOOTNOTE",
		"Page 2 sur 12;;;;":             "? FOOTNOTE",
		"- 3 -;;;;":                     "? FOOTNOTE",
		"3/12;;;;":                      "? FOOTNOTE",
	} {
		a := read(t, []byte(lines+printed+"\n"))
		var got []string
		for _, total := range a.Totals {
			got = append(got, fmt.Sprintf("%s = %d", total.GetUnit(), total.GetCount()))
		}
		for _, e := range a.Ignored {
			got = append(got, "? "+e.Reason)
		}
		if g := strings.Join(got, ", "); g != want || len(a.Lines) != 2 {
			t.Errorf("%q gives %d lines and %q, want %q", printed, len(a.Lines), g, want)
		}
	}
}

// TestWhatGoesOnOnTheNextPage: a name that is continued is the name, and a mark of a page
// is none.
func TestWhatGoesOnOnTheNextPage(t *testing.T) {
	check(t, show(read(t, []byte("Réseau : Foie;\nHôpital;Ville;Label\nCHU;Lyon;CCMR\nPage 2 sur 12;;\nHôpital;Ville;Label\nCHU;Nice;CCMR\n3/12;;\nRéseau : Foie (suite);;\nCHU;Metz;CCMR\n"))), `
	1 !3 |  | Foie |  | COMPETENCE | CHU | Lyon | 
	2 !6 |  | Foie |  | COMPETENCE | CHU | Nice | 
	3 !9 |  | Foie |  | COMPETENCE | CHU | Metz | 
	ignored !4 FOOTNOTE
	ignored !5 HEADER_REPEATED
	ignored !7 FOOTNOTE
	`)
	check(t, show(read(t, []byte("Filière de santé G2M (suite);;;\nRéseau;Hôpital;Ville;Label\nFoie;CHU;Lyon;CCMR\nFoie (suite);CHU;Nice;CCMR\nFoie – suite et fin;CHU;Nice;CCMR\nLa suite des jours;CHU;Nice;CCMR\n"))), `
	1 !3 | G2M | Foie |  | COMPETENCE | CHU | Lyon | 
	2 !4 | G2M | Foie |  | COMPETENCE | CHU | Nice | 
	3 !5 | G2M | Foie |  | COMPETENCE | CHU | Nice | 
	4 !6 | G2M | La suite des jours |  | COMPETENCE | CHU | Nice | 
	`)
}

// TestTypography: what a word processor leaves in a file of Windows.
func TestTypography(t *testing.T) {
	file, err := charmap.Windows1252.NewEncoder().Bytes([]byte("Réseau;N°\u00a0FINESS;Établissement;Ville;Responsable;Date d’effet;Date de fin;Label\r\n" +
		"Maladies de l’œsophage;210\u00a0780\u00a0581;\"Hôpital \"\"Cœur\"\"\r\nd’Œuilly\";L’Haÿ-les-Roses;\"Pr Œdipe D’Arc\nDr Zoé N’Dour\";1er\u00a0janvier\u00a02024;31/12/2028;CRMR\u00a0coordonnateur\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	a := read(t, file)
	check(t, show(a), `
	1 !2 |  | Maladies de l’œsophage |  | COORDINATOR | Hôpital "Cœur" d’Œuilly | L’Haÿ-les-Roses | Pr Œdipe D’Arc + Dr Zoé N’Dour
	`)
	if l := a.Lines[0]; l.Finess != "210780581" || l.Period.GetStart() != "2024-01-01" || l.Period.GetEnd() != "2029-01-01" {
		t.Errorf("read %s, %v", l.Finess, l.Period)
	}
}

// TestHiddenAndFormulas: what the sheet does not show is told, and what a formula
// without a value shows is not known.
func TestHiddenAndFormulas(t *testing.T) {
	f := excelize.NewFile()
	for i, r := range []row{
		{"Réseau", "Label", "Établissement", "Ville", "Date d'effet", "Date de fin", "Responsable"},
		{"Foie", "CRMR coordonnateur", "CHU", "Lyon", 45289, 47115.5, "Dr A. B"},
		{"Foie", "CCMR", "CHU", "Lille", 45289},
		{"Foie", "CCMR", "CHU", "Nice"},
		{"Rein", "CCMR", "CHU"},
	} {
		if err := f.SetSheetRow("Sheet1", fmt.Sprintf("A%d", i+1), &r); err != nil {
			t.Fatal(err)
		}
	}
	for _, hidden := range []int{3, 4} {
		if err := f.SetRowVisible("Sheet1", hidden, false); err != nil {
			t.Fatal(err)
		}
	}
	for _, hidden := range []string{"C", "G", "I"} { // the last one is empty
		if err := f.SetColVisible("Sheet1", hidden, false); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.SetCellFormula("Sheet1", "D5", `CONCATENATE("Bre","st")`); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		t.Fatal(err)
	}
	a := read(t, b.Bytes())
	check(t, show(a), `
	1 Sheet1!2 |  | Foie |  | COORDINATOR | CHU | Lyon | Dr A. B
	2 Sheet1!3 |  | Foie |  | COMPETENCE | CHU | Lille | 
	3 Sheet1!4 |  | Foie |  | COMPETENCE | CHU | Nice | 
	4 Sheet1!5 |  | Rein |  | COMPETENCE | CHU |  | 
	problem Sheet1!1 C1 COLUMN_HIDDEN
	problem Sheet1!1 G1 COLUMN_HIDDEN
	problem Sheet1!3  ROW_HIDDEN
	problem Sheet1!5 D5 CELL_ERROR
	`)
	if p := a.Lines[0].Period; p.GetStart() != "2023-12-29" || p.GetEnd() != "2028-12-29" {
		t.Errorf("the numbers of days are %v", p)
	}
}

// TestAWholeAnnex: 2,500 lines in a sheet a filière, with merged titles, networks and
// filières, headers again on each page, and sums.
func TestAWholeAnnex(t *testing.T) {
	var sheets []sheet
	lines := 0
	for f := range 23 {
		s := sheet{name: fmt.Sprintf("FIL%c", 'A'+f), merged: []string{"A1:F1", "A2:F2"}}
		s.rows = []row{{"Liste des centres — annexe à l’arrêté du 26\u00a0décembre 2023"}, {"Mise à jour du 1er février 2024"}}
		header := row{"Réseau", "Label", "Établissement", "Ville", "Responsable", "Date d’effet"}
		for page := range 4 {
			s.rows = append(s.rows, header)
			top := len(s.rows) + 1
			for i := range 28 {
				var network any
				if i == 0 {
					network = fmt.Sprintf("Maladies rares n° %c%d", 'a'+f, page)
				}
				label := "Centre de compétence"
				if i == 0 {
					label = "CRMR coordonnateur"
				}
				s.rows = append(s.rows, row{network, label, fmt.Sprintf("CHU n° %d", i), "Ville", "Pr A. B", 45289})
				lines++
			}
			s.merged = append(s.merged, fmt.Sprintf("A%d:A%d", top, len(s.rows)))
			s.rows = append(s.rows, row{fmt.Sprintf("Page %d sur 4", page+1)})
		}
		s.rows = append(s.rows, row{"Total", nil, nil, 112, nil, nil})
		sheets = append(sheets, s)
	}
	a := read(t, xlsx(t, sheets...))
	if len(a.Lines) != lines || len(a.Totals) != len(sheets) {
		t.Fatalf("%d lines of %d, %d totals", len(a.Lines), lines, len(a.Totals))
	}
	for i, l := range a.Lines {
		sheet, within := i/112, i%112
		want := fmt.Sprintf("FIL%c Maladies rares n° %c%d CHU n° %d", 'A'+sheet, 'a'+sheet, within/28, within%28)
		if got := strings.Join([]string{l.Filiere, l.Network, l.Establishment}, " "); got != want || l.Period.GetStart() != "2023-12-29" {
			t.Fatalf("line %d is %s, %v, want %s", i, got, l.Period, want)
		}
	}
	for _, e := range a.Problems {
		if e.Reason != filiereFromSheet {
			t.Errorf("%v", e)
		}
	}
}

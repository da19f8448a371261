package annex

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

// show writes what was read of a file, one thing a row, to be compared whole.
func show(a *Annex) string {
	var b strings.Builder
	for _, l := range a.Lines {
		role := strings.TrimPrefix(l.Role.String(), "ROLE_")
		fmt.Fprintf(&b, "%d %s!%d | %s | %s | %s | %s | %s | %s | %s\n", l.Number, l.Sheet, l.Row, l.Filiere, l.Network, l.Acronym, role, l.Establishment, l.City, strings.Join(l.Heads, " + "))
	}
	for _, t := range a.Totals {
		fmt.Fprintf(&b, "total %s = %d\n", t.GetUnit(), t.GetCount())
	}
	for _, e := range a.Problems {
		fmt.Fprintf(&b, "problem %s!%d %s %s\n", e.Sheet, e.Row, e.Cell, e.Reason)
	}
	for _, e := range a.Ignored {
		fmt.Fprintf(&b, "ignored %s!%d %s\n", e.Sheet, e.Row, e.Reason)
	}
	return b.String()
}

func check(t *testing.T, got, want string) {
	t.Helper()
	want = strings.TrimLeft(strings.ReplaceAll(want, "\t", ""), "\n")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func read(t *testing.T, file []byte) *Annex {
	t.Helper()
	a, err := Read("annexe", bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// sheet is what a test puts in a workbook: rows of cells, and merged ranges.
type sheet struct {
	name   string
	merged []string
	rows   [][]any
}

func xlsx(t testing.TB, sheets ...sheet) []byte {
	t.Helper()
	f := excelize.NewFile()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for i, s := range sheets {
		if i == 0 {
			must(f.SetSheetName("Sheet1", s.name))
		} else {
			_, err := f.NewSheet(s.name)
			must(err)
		}
		for r, row := range s.rows {
			at, err := excelize.CoordinatesToCellName(1, r+1)
			must(err)
			must(f.SetSheetRow(s.name, at, &row))
		}
		for _, m := range s.merged {
			from, to, _ := strings.Cut(m, ":")
			must(f.MergeCell(s.name, from, to))
		}
	}
	var b bytes.Buffer
	must(f.Write(&b))
	return b.Bytes()
}

type row = []any

func TestAnnexOfAnArrete(t *testing.T) {
	file := xlsx(t, sheet{"Annexe", []string{"A1:F1", "A4:F4", "A5:A7", "B5:B7", "C6:C7", "A13:F13"}, []row{
		{"ANNEXE I : centres de référence labellisés"},
		{},
		{"Intitulé du\nréseau", "Acronyme", "TYPE DE LABEL (1)", " Établissement de  santé", "Ville", "Responsable médical*"},
		{"Filière de santé maladies rares RespiFIL"},
		{"Maladies pulmonaires\nrares", "OrphaLung", "CRMR coordonnateur", "HCL", "Lyon", "Pr A. DUPONT / Dr B. Martin"},
		{nil, nil, "CCMR", "CHU de Rennes", "Rennes", "Dr C. Durand ; Dr D. Petit"},
		{nil, nil, nil, "CHU de Nancy", "Nancy", "Dr E. Roux\nDr F. Blanc et Pr G. Noir"},
		{"Sous-total : 3 centres"},
		{},
		{"Intitulé du\nréseau", "Acronyme", "TYPE DE LABEL (1)", " Établissement de  santé", "Ville", "Responsable médical*"},
		{"Hypertension pulmonaire", "PulmoTension", "centre de fantaisie", "AP-HP Bicêtre", "Le Kremlin-Bicêtre", "DUPOND, Marc"},
		{nil, nil, nil, nil, nil, "Dr H. Vert"},
		{"FSMR : SENSGENE"},
		{"Surdités", "", "CRMR", "AP-HP Necker", "Paris", "-"},
		{"Total", nil, 4, "12 sites"},
		{"(1) CRMR : centre de référence maladies rares."},
	}})
	check(t, show(read(t, file)), `
	1 Annexe!5 | RespiFIL | Maladies pulmonaires rares | OrphaLung | COORDINATOR | HCL | Lyon | Pr A. DUPONT + Dr B. Martin
	2 Annexe!6 | RespiFIL | Maladies pulmonaires rares | OrphaLung | COMPETENCE | CHU de Rennes | Rennes | Dr C. Durand + Dr D. Petit
	3 Annexe!7 | RespiFIL | Maladies pulmonaires rares | OrphaLung | COMPETENCE | CHU de Nancy | Nancy | Dr E. Roux + Dr F. Blanc + Pr G. Noir
	4 Annexe!11 | RespiFIL | Hypertension pulmonaire | PulmoTension | UNSPECIFIED | AP-HP Bicêtre | Le Kremlin-Bicêtre | DUPOND, Marc + Dr H. Vert
	5 Annexe!14 | SENSGENE | Surdités |  | REFERENCE | AP-HP Necker | Paris | 
	total Sous-total centres (RespiFIL) = 3
	total Total: TYPE DE LABEL (1) = 4
	total Total: sites = 12
	problem Annexe!11 C11 ROLE_UNKNOWN
	ignored Annexe!1 TITLE_ROW
	ignored Annexe!10 HEADER_REPEATED
	ignored Annexe!16 FOOTNOTE
	`)
}

func TestSheets(t *testing.T) {
	headers := row{"Réseau", "Etablissement", "Ville"}
	for name, c := range map[string]struct {
		sheets []sheet
		want   string
	}{
		"a sheet a filière": {[]sheet{
			{"Notes", nil, []row{{"Version du 26 décembre 2023"}, {"Merci de vérifier", "avant envoi"}}},
			{"RespiFIL", nil, []row{headers, {"A", "CHU", "Lyon"}}},
			{"Filière G2M", nil, []row{headers, {"B", "CHU", "Lille"}}},
			{"Feuil3", nil, []row{headers, {"C", "CHU", "Brest"}}},
		}, `
			1 RespiFIL!2 | RespiFIL | A |  | UNSPECIFIED | CHU | Lyon | 
			2 Filière G2M!2 | G2M | B |  | UNSPECIFIED | CHU | Lille | 
			3 Feuil3!2 |  | C |  | UNSPECIFIED | CHU | Brest | 
			problem RespiFIL!0  FILIERE_FROM_SHEET
			problem Filière G2M!0  FILIERE_FROM_SHEET
			ignored Notes!0 SHEET_WITHOUT_TABLE
			`},
		"a sheet a role": {[]sheet{
			{"Coordonnateurs", nil, []row{headers, {"A", "CHU", "Lyon"}}},
			{"CCMR", nil, []row{headers, {"A", "CHU", "Lille"}}},
		}, `
			1 Coordonnateurs!2 |  | A |  | COORDINATOR | CHU | Lyon | 
			2 CCMR!2 |  | A |  | COMPETENCE | CHU | Lille | 
			`},
		"networks and roles are headings, headers come again": {[]sheet{
			{"Feuil1", []string{"A1:B1"}, []row{
				{"Réseau : Surdités génétiques (SURDI-GENE)"},
				{"Hôpital", "Ville"},
				{"Site coordonnateur"},
				{"Necker", "Paris"},
				{"Sites constitutifs"},
				{"Purpan", "Toulouse"},
				{"Maladies du foie"},
				{"Hôpital", "Ville"},
				{"Beaujon", "Clichy"},
			}},
		}, `
			1 Feuil1!4 |  | Surdités génétiques | SURDI-GENE | COORDINATOR | Necker | Paris | 
			2 Feuil1!6 |  | Surdités génétiques | SURDI-GENE | CONSTITUTIVE | Purpan | Toulouse | 
			3 Feuil1!9 |  | Maladies du foie |  | UNSPECIFIED | Beaujon | Clichy | 
			ignored Feuil1!8 HEADER_REPEATED
			`},
		"a title above blank cells": {[]sheet{
			{"Feuil1", nil, []row{
				{"Réseau", "Type", "Ville"},
				{"A"},
				{nil, "CRMR constitutif", "Lyon"},
				{nil, "CCMR", "Lille"},
				{"B", "CCMR", "Brest"},
				{"C"},
			}},
		}, `
			1 Feuil1!3 |  | A |  | CONSTITUTIVE |  | Lyon | 
			2 Feuil1!4 |  | A |  | COMPETENCE |  | Lille | 
			3 Feuil1!5 |  | B |  | COMPETENCE |  | Brest | 
			ignored Feuil1!6 HEADING_UNPLACED
			`},
		"site beside establishment, unknown columns, first names apart": {[]sheet{
			{"Feuil1", nil, []row{
				{"N°", "CRMR", "Établissement", "Site", "Ville", "Titre", "Nom", "Prénom", "Couleur", "", "Courriel"},
				{7, "A", "AP-HP", "Necker", "Paris", "Pr", "DUPONT", "Anne", "bleu", "x", "a@b.fr"},
				{9, "B", "AP-HP Necker", "Necker", "Paris", nil, "MARTIN", nil, nil, nil, nil},
			}},
		}, `
			7 Feuil1!2 |  | A |  | UNSPECIFIED | AP-HP Necker | Paris | Pr Anne DUPONT
			9 Feuil1!3 |  | B |  | UNSPECIFIED | AP-HP Necker | Paris | MARTIN
			problem Feuil1!1 I1 COLUMN_UNKNOWN
			problem Feuil1!1 J1 COLUMN_UNKNOWN
			`},
		"numbers that begin again with each sheet": {[]sheet{
			{"a", nil, []row{{"N°", "Réseau", "Ville"}, {1, "A", "Lyon"}}},
			{"1", nil, []row{{"N°", "Réseau", "Ville"}, {1, "B", "Lille"}}},
		}, `
			1 a!2 | a | A |  | UNSPECIFIED |  | Lyon | 
			2 1!2 |  | B |  | UNSPECIFIED |  | Lille | 
			problem a!0  FILIERE_FROM_SHEET
			problem 1!2  NUMBER_UNUSABLE
			`},
	} {
		t.Run(name, func(t *testing.T) { check(t, show(read(t, xlsx(t, c.sheets...))), c.want) })
	}
}

func TestCSV(t *testing.T) {
	plain := "Liste des CRMR à jour\r\n\r\nFilière;Réseau;Label;Hôpital;Ville\r\n" +
		"MCGRE;Drépanocytose;coordonnateur;\"CHU\r\nde Bordeaux\";Bordeaux\r\n" +
		";;Centre de compétences;Hôpital « Nord »;Nîmes\r\n\r\n" +
		";Thalassémies;constitutif;'=Hôtel-Dieu;Œuilly\r\n"
	const want = `
	1 !4 | MCGRE | Drépanocytose |  | COORDINATOR | CHU de Bordeaux | Bordeaux | 
	2 !5 | MCGRE | Drépanocytose |  | COMPETENCE | Hôpital « Nord » | Nîmes | 
	3 !7 | MCGRE | Thalassémies |  | CONSTITUTIVE | =Hôtel-Dieu | Œuilly | 
	ignored !1 TITLE_ROW
	`
	encode := func(e interface {
		Bytes(b []byte) ([]byte, error)
	},
	) []byte {
		b, err := e.Bytes([]byte(plain))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, file := range map[string][]byte{
		"UTF-8":         []byte(plain),
		"with a mark":   []byte("\xef\xbb\xbf" + plain),
		"Windows-1252":  encode(charmap.Windows1252.NewEncoder()),
		"Mac Roman":     encode(charmap.Macintosh.NewEncoder()),
		"Mac, its ends": []byte(strings.ReplaceAll(strings.ReplaceAll(string(encode(charmap.Macintosh.NewEncoder())), "\r\n", "\n"), "\n", "\r")),
		"UTF-16 little": encode(unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder()),
		"UTF-16 big":    encode(unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewEncoder()),
		"line feeds":    []byte(strings.ReplaceAll(plain, "\r\n", "\n")),
		"commas":        []byte(strings.ReplaceAll(plain, ";", ",")),
		"tabs":          []byte(strings.ReplaceAll(plain, ";", "\t")),
		"sep=":          []byte("sep=;\r\n" + plain),
	} {
		t.Run(name, func(t *testing.T) { check(t, show(read(t, file)), want) })
	}
}

func TestTotalsAsPrinted(t *testing.T) {
	const lines = "Filière de santé RespiFIL;;\nA;CCMR;Lyon\nA;CCMR;Lille\n"
	for printed, want := range map[string]string{
		"Total : 29 sites, dont 5 constitutifs":                    "Total sites = 29, dont constitutifs = 5",
		"29 sites, dont 5 constitutifs":                            "sites = 29, dont constitutifs = 5",
		"Total sites : 29":                                         "Total sites = 29",
		"Total général 122 réseaux":                                "Total général réseaux = 122",
		"TOTAL GÉNÉRAL : 1 773 CCMR":                               "TOTAL GÉNÉRAL CCMR = 1773",
		"Total CRMR : 387 (109 coordonnateurs, 278 constitutifs)":  "Total CRMR = 387, coordonnateurs = 109, constitutifs = 278",
		"Soit 3 centres de ressources et de compétences et 2 CCMR": "Soit centres de ressources et de compétences = 3, CCMR = 2",
		"Au total, 12 réseaux":                                     "Au total, réseaux = 12",
		"Total;;29 sites, dont 5 constitutifs":                     "Total: sites = 29, Total: dont constitutifs = 5",
		"Total réseaux 2023 : 122":                                 "? TOTAL_UNREADABLE",
		"Total : 29 sites dont 5":                                  "? TOTAL_UNREADABLE",
		"Total":                                                    "? TOTAL_UNREADABLE",
		"22q11 (délétion)":                                         "? HEADING_UNPLACED",
		"3 sites\nFilière de santé BRAIN-TEAM\nB;CCMR;Lyon":        "sites (RespiFIL) = 3",
		"Total : 3 sites\nB;CCMR;Lyon":                             "? TOTAL_UNREADABLE",
		"Total RespiFIL : 3 sites\nB;CCMR;Lyon":                    "Total RespiFIL sites = 3",
	} {
		a := read(t, []byte("Réseau;Label;Ville\n"+lines+printed+"\n"))
		var got []string
		for _, total := range a.Totals {
			got = append(got, fmt.Sprintf("%s = %d", total.GetUnit(), total.GetCount()))
		}
		for _, e := range a.Ignored {
			got = append(got, "? "+e.Reason)
		}
		if g := strings.Join(got, ", "); g != want || len(a.Lines) != 2+strings.Count(printed, "B;") {
			t.Errorf("%q gives %d lines and %q, want %q", printed, len(a.Lines), g, want)
		}
	}
}

func TestAcronymsInTitles(t *testing.T) {
	for printed, want := range map[string]string{
		"Maladies pulmonaires rares (OrphaLung)":                  "Maladies pulmonaires rares|OrphaLung",
		"Malformations cardiaques congénitales - M3C":             "Malformations cardiaques congénitales|M3C",
		"RespiRare – Maladies respiratoires rares":                "Maladies respiratoires rares|RespiRare",
		"CNR-MAT : microangiopathies thrombotiques":               "microangiopathies thrombotiques|CNR-MAT",
		"CRMR - Maladies du foie":                                 "CRMR - Maladies du foie|",
		"MALADIES DU FOIE - ADULTES":                              "MALADIES DU FOIE - ADULTES|",
		"Maladies du foie - enfants":                              "Maladies du foie - enfants|",
		"Maladies auto-immunes systémiques rares d'Île-de-France": "Maladies auto-immunes systémiques rares d'Île-de-France|",
		"Épilepsies rares (pharmaco-résistantes)":                 "Épilepsies rares (pharmaco-résistantes)|",
	} {
		rest, acronym := splitAcronym(printed)
		if got := rest + "|" + acronym; got != want {
			t.Errorf("%q is %q, want %q", printed, got, want)
		}
	}
}

// TestFootnotesAndVacancies: what calls a footnote is of no name, and what names nobody is
// none.
func TestFootnotesAndVacancies(t *testing.T) {
	a := read(t, []byte("Réseau;Label;Établissement;Ville;Responsable\nMaladies du foie (1);CCMR (2);CHU de Nice*;Nice †;en cours de désignation\nMaladies du foie;CRMR;CHU;Lille²;Pr A. B (1) / Dr C. D\n(1) CRMR : centre de référence\n(2) Sous réserve\n* et †\n† transféré\n"))
	check(t, show(a), `
	1 !2 |  | Maladies du foie |  | COMPETENCE | CHU de Nice | Nice | 
	2 !3 |  | Maladies du foie |  | REFERENCE | CHU | Lille² | Pr A. B + Dr C. D
	problem !2 E2 HEAD_NOT_NAMED
	ignored !4 FOOTNOTE
	ignored !5 FOOTNOTE
	ignored !6 FOOTNOTE
	ignored !7 FOOTNOTE
	`)
	if p := a.Lines[0].AsPrinted[0]; p.GetValue() != "Maladies du foie (1)" {
		t.Errorf("as printed: %v", p)
	}
}

// TestLayoutsOfMinistries: headers in other words, filières by their bare names, and a page
// that ends within a network.
func TestLayoutsOfMinistries(t *testing.T) {
	file := xlsx(t, sheet{"Annexe", []string{"A2:F2", "B3:B4", "A8:F8", "B9:B10"}, []row{
		{"N°", "Intitulé du réseau / centre", "Type de centre", "Médecin (nom et prénom)", "Nom de la structure hospitalière", "Commune"},
		{"CARDIOGEN – Filière de santé maladies cardiaques"},
		{1, "Cardiomyopathies", "CRMR coordonnateur", "Pr A. B", "Pitié", "PARIS"},
		{2, nil, "CCMR", "Dr C. D", "CHU", "LILLE"},
		{"N°", "Intitulé du réseau / centre", "Type de centre", "Médecin (nom et prénom)", "Nom de la structure hospitalière", "Commune"},
		{3, nil, "CCMR", "Dr E. F", "CHU", "NICE"},
		{"Cette filière compte 3 centres."},
		{"BRAIN-TEAM"},
		{4, "Leucodystrophies", "Site coordonnateur", "Pr G. H", "Robert-Debré", "PARIS"},
		{5, nil, "CCMR", "Dr K. L", "CHU", "Brest"},
		{"Île-de-France"},
		{6, "Ataxies", "Site coordonnateur", "Pr I. J", "Necker", "PARIS"},
	}})
	check(t, show(read(t, file)), `
	1 Annexe!3 | CARDIOGEN – maladies cardiaques | Cardiomyopathies |  | COORDINATOR | Pitié | PARIS | Pr A. B
	2 Annexe!4 | CARDIOGEN – maladies cardiaques | Cardiomyopathies |  | COMPETENCE | CHU | LILLE | Dr C. D
	3 Annexe!6 | CARDIOGEN – maladies cardiaques | Cardiomyopathies |  | COMPETENCE | CHU | NICE | Dr E. F
	4 Annexe!9 | BRAIN-TEAM | Leucodystrophies |  | COORDINATOR | Robert-Debré | PARIS | Pr G. H
	5 Annexe!10 | BRAIN-TEAM | Leucodystrophies |  | COMPETENCE | CHU | Brest | Dr K. L
	6 Annexe!12 | BRAIN-TEAM | Ataxies |  | COORDINATOR | Necker | PARIS | Pr I. J
	problem Annexe!1 B1 COLUMN_PRESUMED
	problem Annexe!1 D1 COLUMN_PRESUMED
	problem Annexe!1 E1 COLUMN_PRESUMED
	problem Annexe!6 B6 NETWORK_FROM_ABOVE
	problem Annexe!8 A8 FILIERE_PRESUMED
	ignored Annexe!5 HEADER_REPEATED
	ignored Annexe!7 HEADING_UNPLACED
	ignored Annexe!11 HEADING_UNPLACED
	`)
	for heading, want := range map[string]string{
		"CARDIOGEN – Filière de santé maladies cardiaques": "CARDIOGEN – maladies cardiaques", "Maladies cardiaques (filière CARDIOGEN)": "CARDIOGEN", "BRAIN-TEAM (FSMR)": "BRAIN-TEAM",
		"Liste validée par la filière": "", "Centres hors filière": "", "Cette filière compte 3 centres": "",
	} {
		if got := filiereIn(heading); got != want {
			t.Errorf("%q names %q, want %q", heading, got, want)
		}
	}
	for header, want := range map[string]field{
		"Responsable du centre (Pr/Dr)": head, "Intitulé du centre ou du réseau": network, "Établissement support du site": establishment,
		"Courriel du responsable": personal, "Nature du label du centre": role, "FINESS de l'entité juridique": other, "Ville du site": city,
		"Proposition du responsable": unknown, "Couleur": unknown, "Type d'établissement": unknown, "Nombre de sites du réseau": unknown,
	} {
		if got := presumedField(header); got != want {
			t.Errorf("%q is presumed column %d, want %d", header, got, want)
		}
	}
}

func TestRepositorySeedsAreAnAnnex(t *testing.T) {
	f, err := os.Open("../../seeds/centres.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	a, err := Read("centres.csv", f)
	if err != nil {
		t.Fatal(err)
	}
	heads, dated := 0, 0
	for _, l := range a.Lines {
		heads += min(1, len(l.Heads))
		if l.Period != nil {
			dated++
		}
		for _, p := range l.AsPrinted {
			if slices.Contains(l.Heads, p.GetValue()) {
				t.Errorf("line %d: a head stands as printed", l.Number)
			}
		}
	}
	var unread []string // columns that no annex has
	for _, p := range a.Problems {
		unread = append(unread, p.Header)
	}
	if len(a.Lines) < 250 || heads < 50 || dated < 10 || !slices.Equal(unread, []string{"act", "act_evidence"}) || len(a.Ignored)+len(a.Totals) > 0 {
		t.Errorf("%d lines, %d with heads, %d dated; problems %v, ignored %v", len(a.Lines), heads, dated, a.Problems, a.Ignored)
	}
	l := a.Lines[0]
	if l.Filiere != "NeuroSphinx" || l.Acronym != "C-MAVEM" || l.Role != labellingv1.Role_ROLE_COORDINATOR || l.Department != "94" || l.Cycle != "2017-2022" || l.Source == "" {
		t.Errorf("first line is %+v", l)
	}
}

func TestCellsOfALine(t *testing.T) {
	a := read(t, xlsx(t, sheet{"Feuil1", nil, []row{
		{"Réseau", "Acronyme", "FINESS", "Ville", "Département", "Région", "Enfants/Adultes", "Début", "Fin", "Disposition", "Responsable", "Observations"},
		{"A", "ACR", 10007987, "Bourg", 1, "ARA", "Enfants", 45286, "25/12/2028", "renouvelé", "Pr X. Y", "Pr X. Y part"},
		{"B\nb", "Dr Z. T", 750712184, "Paris", "Paris (75)", "IdF", "A/E", "2023", "décembre 2028", "", "", ""},
		{"C", "", "750712185", "Ajaccio", "2a", "", "vieux", "bientôt", "1er janvier 2024", "", "", ""},
		{"E", "", "", "", "", "", "", "1er janvier 2024", "31/12/9999", "", "", ""},
		{"#N/A", "D", "75 07", "Nulle part", "Atlantide", "", "-", "2023-12-26T00:00:00", "-", "", "", ""},
	}}))
	show := func(l Line) string {
		out := fmt.Sprint(l.Network, "|", l.Finess, "|", l.Department, "|", strings.TrimPrefix(l.Population.String(), "POPULATION_"), "|",
			l.Period.GetStart(), "|", l.Period.GetEnd(), "|", l.Effect, "|", l.Heads, "|", l.Note, "\n")
		for _, p := range l.AsPrinted {
			out += fmt.Sprintf("  %s=%q", p.GetField(), p.GetValue())
		}
		return out + "\n"
	}
	var got strings.Builder
	for _, l := range a.Lines {
		got.WriteString(show(l))
	}
	for _, p := range a.Problems {
		got.WriteString(p.Cell + " " + p.Reason + "\n")
	}
	check(t, got.String(), `
	A|010007987|01|CHILD|2023-12-26|2028-12-26|renouvelé|[Pr X. Y]|Pr X. Y part
	  Réseau="A"  Acronyme="ACR"  FINESS="10007987"  Ville="Bourg"  Département="1"  Région="ARA"  Enfants/Adultes="Enfants"  Début="2023-12-26"  Fin="25/12/2028"  Disposition="renouvelé"
	B b|750712184|75|MIXED|2023|2028-12||[]|
	  Réseau="B\nb"  FINESS="750712184"  Ville="Paris"  Département="Paris (75)"  Région="IdF"  Enfants/Adultes="A/E"  Début="2023"  Fin="décembre 2028"
	C|750712185|2A|UNSPECIFIED||2024-01-02||[]|
	  Réseau="C"  FINESS="750712185"  Ville="Ajaccio"  Département="2a"  Enfants/Adultes="vieux"  Début="bientôt"  Fin="1er janvier 2024"
	E|||UNSPECIFIED|2024-01-01|9999-12-31||[]|
	  Réseau="E"  Début="1er janvier 2024"  Fin="31/12/9999"
	|||UNSPECIFIED|2023-12-26|||[]|
	  Acronyme="D"  FINESS="75 07"  Ville="Nulle part"  Département="Atlantide"  Enfants/Adultes="-"  Début="2023-12-26T00:00:00"  Fin="-"
	C2 FINESS_ZERO_LOST
	B3 PERSON_SUSPECTED
	C4 FINESS_BAD_CHECK
	G4 POPULATION_UNKNOWN
	H4 DATE_UNREADABLE
	C6 FINESS_UNREADABLE
	E6 DEPARTMENT_UNKNOWN
	A6 CELL_ERROR
	`)
}

func TestFormulasHaveTheirSavedValue(t *testing.T) {
	cell := regexp.MustCompile(`<c r="B2".*?</c>`)
	file := rezip(t, xlsx(t, sheet{"Sheet1", nil, []row{{"Réseau", "Ville"}, {"A", "Paris"}, {"B", "Lille"}}}), "xl/worksheets/sheet1.xml", func(part string) string {
		return cell.ReplaceAllString(part, `<c r="B2" t="str"><f>CONCATENATE("Ly","on")</f><v>Lyon</v></c>`)
	})
	check(t, show(read(t, file)), `
	1 Sheet1!2 |  | A |  | UNSPECIFIED |  | Lyon | 
	2 Sheet1!3 |  | B |  | UNSPECIFIED |  | Lille | 
	`)
}

func TestRefusedFiles(t *testing.T) {
	const headers = "Réseau;Ville;Début;Fin;Responsable\n"
	for name, c := range map[string]struct {
		file string
		want string
	}{
		"nothing":          {"", "f: No table was recognised: no row holds the headers of one."},
		"a text":           {"Bonjour, voici la liste.\n", "f: No table was recognised: no row holds the headers of one."},
		"headers alone":    {headers, "f: The table holds no line."},
		"PDF":              {"%PDF-1.7\n", "f: The file is neither an XLSX workbook nor CSV."},
		"bytes":            {"\x00\x01\x02", "f: The file is neither an XLSX workbook nor CSV."},
		"a broken archive": {"PK\x03\x04 and no more", "f: The file is neither an XLSX workbook nor CSV."},
		"Excel 97":         {string(ole) + strings.Repeat("\x00", 600), "f: The workbook is in the format of Excel 97 to 2003; save it as XLSX."},
		"a password":       {string(ole) + "\x00" + string(encryptedPackage), "f: The workbook is protected by a password."},
		"too large":        {strings.Repeat("x", maxFile+1), "f: The file is larger than an annex can be."},
		"DOS":              {"R\x82seau;Ville\r\nRein;Lyon\r\n", "f: row 1: byte 2: The CSV file is in no encoding known here, or in two; save it as CSV UTF-8."},
		"two encodings":    {headers + "Épilepsies;Besançon\nReins;N\xeemes\n", "f: row 3: byte 67: The CSV file is in no encoding known here, or in two; save it as CSV UTF-8."},
		"two, with a mark": {"\xef\xbb\xbfRéseau;Ville\r\nReins;N\xeemes\r\n", "f: row 2: byte 26: The CSV file is in no encoding known here, or in two; save it as CSV UTF-8."},
		"no letter":        {"R\xe9seau;Ville;Label\nR\xe9tine;N\x81mes;CCMR\n", "f: row 2: byte 28: The CSV file is in no encoding known here, or in two; save it as CSV UTF-8."},
		"quotes":           {headers + "\nA;\"Lyon\nB;Lille\n", "f: row 3: The quotation marks of the CSV file do not pair from here on."},
		"every line at fault at once": {
			headers + ";Lyon;;;Pr Secret\nA;Lille;2023-01-01;2021;Dr Secret\nB;" + strings.Repeat("é", 2001) + ";;;Mme Secret\nB;Lille;;;\n",
			`f: cell A2: column "Réseau": The line names no network, and no heading above it does.` + "\n" +
				`f: cell D3: column "Fin": The end is not after the start.` + "\n" +
				`f: cell B4: column "Ville": The cell holds more than 2,000 characters.`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := Read("f", strings.NewReader(c.file))
			if err == nil || err.Error() != c.want || a != nil {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Errorf("%T holds no *Error", err)
			}
		})
	}
	broken := errors.New("broken")
	if _, err := Read("f", io.MultiReader(strings.NewReader("x"), errReader{broken})); !errors.Is(err, broken) {
		t.Errorf("a reader that fails gives %v", err)
	}
}

type errReader struct{ error }

func (r errReader) Read([]byte) (int, error) { return 0, r.error }

// rezip alters one part of a workbook.
func rezip(t *testing.T, file []byte, part string, alter func(string) string) []byte {
	t.Helper()
	in, err := zip.NewReader(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	out := zip.NewWriter(&b)
	for _, f := range in.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if f.Name == part {
			altered := alter(string(content))
			if altered == string(content) {
				t.Fatalf("%s is not altered", part)
			}
			content = []byte(altered)
		}
		w, err := out.Create(f.Name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A workbook of a few kilobytes may ask for gigabytes.
func TestSmallFilesThatWouldGrow(t *testing.T) {
	plain := xlsx(t, sheet{"a", []string{"A1:B1", "A2:B2"}, []row{{"Réseau", "Ville"}, {"A", "Lyon"}, {"B", "Lille"}}})
	wide := rezip(t, plain, "xl/worksheets/sheet1.xml", func(part string) string {
		return strings.NewReplacer("A1:B1", "A1:XFD1048576", "A2:B2", "B2:C1048576").Replace(part)
	})
	if a, err := Read("f", bytes.NewReader(wide)); err == nil && len(a.Lines) > 2 {
		t.Errorf("%d lines", len(a.Lines))
	}
	tall := rezip(t, plain, "xl/worksheets/sheet1.xml", func(part string) string {
		var rows strings.Builder
		for r := 4; r < 200; r++ {
			fmt.Fprintf(&rows, `<row r="%d"><c r="XFD%d"><v>1</v></c></row>`, r, r)
		}
		return strings.Replace(part, "</sheetData>", rows.String()+"</sheetData>", 1)
	})
	_, err := Read("f", bytes.NewReader(tall))
	if e, ok := errors.AsType[*Error](err); !ok || e.Reason != tooLarge {
		t.Errorf("a sheet of three million cells gives %v", err)
	}
}

func TestHiddenSheetIsTold(t *testing.T) {
	f, err := excelize.OpenReader(bytes.NewReader(xlsx(t,
		sheet{"a", nil, []row{{"Réseau", "Ville"}, {"A", "Lyon"}}}, sheet{"b", nil, []row{{"Réseau", "Ville"}, {"A", "Lyon"}}})))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.SetSheetVisible("b", false); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		t.Fatal(err)
	}
	check(t, show(read(t, b.Bytes())), `
	1 a!2 |  | A |  | UNSPECIFIED |  | Lyon | 
	ignored b!0 SHEET_HIDDEN
	`)
}

func TestRolesAsPrinted(t *testing.T) {
	for want, printed := range map[labellingv1.Role][]string{
		labellingv1.Role_ROLE_COORDINATOR: {
			"coordonnateur", "Coordonnatrice", "COORDONATEUR", "CRMR coordonnateur", "CRMR - Coordonnateur", "Centre de référence\ncoordonnateur",
			"centre de référence maladies rares (coordonnateur)", "Site coordonnateur", "COORDINATOR", "ROLE_COORDINATOR", "coordinating centre", "Coord.",
		},
		labellingv1.Role_ROLE_CONSTITUTIVE: {"constitutif", "Sites constitutifs", "CRMR constitutif", "Centre de référence constitutif", "CONSTITUTIVE", "constituent site", "Site constitutif 1", "Constitutif n°2", "CRMR multisite - site constitutif", "CR constitutif"},
		labellingv1.Role_ROLE_REFERENCE:    {"CRMR", "centre de référence", "Centres de référence maladies rares", "REFERENCE", "reference centre", "ROLE_REFERENCE"},
		labellingv1.Role_ROLE_COMPETENCE:   {"CCMR", "Centre de compétence", "centres de compétences maladies rares", "COMPETENCE", "ROLE_COMPETENCE", "competence center", "Compétence", "CCMR (1)", "CC"},
		labellingv1.Role_ROLE_RESOURCE_AND_COMPETENCE: {
			"CRC", "CRCM", "CRC-MHC", "CRC SLA", "CRCM adultes", "centre de ressources et de compétences", "Centre de ressource et compétence",
			"centre de ressources et de compétences de la mucoviscidose", "Centre de ressources et compétences de la SLA et autres maladies du neurone moteur", "CRC SLA/MND", "RESOURCE_AND_COMPETENCE", "resources and competence centre",
		},
		labellingv1.Role_ROLE_FSMR:        {"FSMR"},
		labellingv1.Role_ROLE_PEMR:        {"PEMR"},
		labellingv1.Role_ROLE_PCOM:        {"PCOM"},
		labellingv1.Role_ROLE_UNSPECIFIED: {"", "-", "non précisé", "Non renseigné"},
	} {
		for _, p := range printed {
			if got, ok := readRole(p); got != want || !ok {
				t.Errorf("%q is read as %v, %t", p, got, ok)
			}
		}
	}
	for _, p := range []string{
		"COLLABORATOR", "centre collaborateur", "coordonnateur et constitutif", "centre de référence et de compétence", "CCMR constitutif", "Lyon", "Pr Dupont", "centre", "CRC coordonnateur", "Co-coordonnateur", "12", "C",
	} {
		if got, ok := readRole(p); ok || got != 0 {
			t.Errorf("%q is read as %v", p, got)
		}
	}
	a := read(t, []byte("Réseau;Label;Ville\nA;CRCM pédiatrique;Lyon\nA;CRCM enfants et adultes;Lille\n"))
	if a.Lines[0].Population != topologyv1.Population_POPULATION_CHILD || a.Lines[1].Population != topologyv1.Population_POPULATION_MIXED {
		t.Errorf("populations in the role: %v, %v", a.Lines[0].Population, a.Lines[1].Population)
	}
}

func TestHeaders(t *testing.T) {
	for want, texts := range map[field][]string{
		number:        {"N°", "Ligne", "n° d’ordre", "Number"},
		network:       {"Intitulé du réseau", "INTITULE DU RESEAU", "Intitulé\ndu  réseau", "Centre de référence", "CRMR", "Network", "Intitulé du réseau (1)", "Réseaux"},
		acronym:       {"Acronyme", "Sigle"},
		role:          {"Type de label", "Type de centre", "Labellisation", "Role", "Type de label 2", "Type de label (CRMR / CCMR)"},
		establishment: {"Etablissement", "Établissement de santé", "ÉTABLISSEMENTS", "E\u0301tablissement"},
		site:          {"Hôpital", "Site", "Hospital"},
		city:          {"Ville", "Commune", "City"},
		department:    {"Département", "Dépt.", "department_code"},
		head:          {"Responsable médical", "Nom du responsable", "Responsable(s) médical(aux)", "Head", "responsible"},
		population:    {"Enfants/Adultes", "Population", "Enfant / adulte"},
		finess:        {"FINESS", "N° FINESS", "n°FINESS"},
		filiere:       {"Filière", "FSMR"},
		effect:        {"Effet", "Disposition", "Effet/Disposition"},
		region:        {"Région"},
		unknown:       {"", "Couleur", "12"},
	} {
		for _, h := range texts {
			if got := fieldOf(h); got != want {
				t.Errorf("%q is column %d, want %d", h, got, want)
			}
		}
	}
}

func TestHeaderSaysOneThing(t *testing.T) {
	for f, names := range headerNames {
		for name := range strings.SplitSeq(names, "|") {
			if headers[key(name)] != f {
				t.Errorf("%q is column %d and column %d", name, f, headers[key(name)])
			}
		}
	}
}

func TestNamesInOneCell(t *testing.T) {
	for printed, want := range map[string]string{
		"Pr A. DUPONT / Dr B. Martin":           "Pr A. DUPONT|Dr B. Martin",
		"Pr A. DUPONT; Dr B. Martin":            "Pr A. DUPONT|Dr B. Martin",
		"Pr A. DUPONT\r\nDr B. Martin":          "Pr A. DUPONT|Dr B. Martin",
		"Pr A. DUPONT et Dr B. Martin":          "Pr A. DUPONT|Dr B. Martin",
		"Pr A. DUPONT, Dr B. Martin & C. Petit": "Pr A. DUPONT|Dr B. Martin|C. Petit",
		"DUPONT, Anne":                          "DUPONT, Anne",
		"Dr Etienne d'Etang":                    "Dr Etienne d'Etang",
		"Dr Jean-Marie  Le Goff":                "Dr Jean-Marie Le Goff",
		" / ; - ":                               "",
		"en cours de désignation":               "",
		"Poste vacant":                          "",
		"À désigner":                            "",
		"Dr Vacant-Martin":                      "Dr Vacant-Martin",
		"Pr N. Encours":                         "Pr N. Encours",
	} {
		if got := strings.Join(readHeads(printed), "|"); got != want {
			t.Errorf("%q gives %q, want %q", printed, got, want)
		}
	}
}

func TestEveryReasonHasASentence(t *testing.T) {
	for r := range Reasons() {
		if s := (&Error{Reason: r}).Error(); !strings.HasSuffix(s, ".") {
			t.Errorf("%s says %q", r, s)
		}
	}
}

func FuzzReadCSV(f *testing.F) {
	f.Add([]byte("Réseau;Ville;Début\nA;Lyon;2023\n"))
	f.Add([]byte("\xff\xfeR\x00"))
	f.Add([]byte("Filière X\nCRMR,Site\n\"a\nb\",'=c\nTotal,12\n"))
	f.Fuzz(fuzzed)
}

func FuzzReadXLSX(f *testing.F) {
	f.Add(xlsx(f, sheet{"a", []string{"A1:B1", "A3:A4"}, []row{{"Filière X"}, {"Réseau", "Ville"}, {"A", "Lyon"}, {nil, "Lille"}}}))
	f.Fuzz(fuzzed)
}

func fuzzed(t *testing.T, file []byte) {
	a, err := Read("f", bytes.NewReader(file))
	if err != nil {
		if _, ok := errors.AsType[*Error](err); !ok {
			t.Fatalf("%T holds no *Error: %v", err, err)
		}
		return
	}
	for _, l := range a.Lines {
		if l.Number == 0 || l.Row == 0 || l.Network == "" && l.Acronym == "" {
			t.Fatalf("line %+v", l)
		}
	}
	_, _, _ = ReadSuccessions("f", bytes.NewReader(file))
	_, _, _ = ReadResolutions("f", bytes.NewReader(file))
}

func BenchmarkReadXLSX(b *testing.B) {
	rows := []row{{"Intitulé du réseau", "Acronyme", "Type de label", "Établissement", "Ville", "Département", "N° FINESS", "Responsable médical"}}
	for i := range 2500 {
		if i%100 == 0 {
			rows = append(rows, row{fmt.Sprintf("Filière F%d", i/100)})
		}
		rows = append(rows, row{fmt.Sprintf("Maladies rares de l'espèce n° %d", i/12), fmt.Sprintf("ACR%d", i/12), "CCMR", fmt.Sprintf("CHU n° %d", i%70), "Lyon", "69", 750712184, "Pr Jeanne Dupont / Dr Paul Martin"})
	}
	file := xlsx(b, sheet{"Annexe", nil, rows})
	for b.Loop() {
		a, err := Read("f", bytes.NewReader(file))
		if err != nil || len(a.Lines) != 2500 {
			b.Fatal(err)
		}
	}
}

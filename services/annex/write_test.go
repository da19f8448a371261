package annex

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/identifier"
)

// odd draws the texts that spreadsheets and separators mistreat, and any others.
var odd = rapid.OneOf(
	rapid.SampledFrom([]string{
		"=1+1", "+33 1", "-", "-2", "@SUM(A1)", "'=x", "''=x", "'", `"`, `a "b" c`, "a;b", "a,b", "a\tb", "a\nb", "\r\n", "_x0041_", "_x005F_x0041_", "&lt;<b>",
		"Total", "Sous-total", "Filière X", "CRMR", "Réseau", "Note : x", "12", "2023-12-26", "é\u0301", "\u00a0x", "\ufeffx", "\x00x", "\xff", "#", "FALSE", "1E5", "sep=;", "A (BC)", "Dr Schaffner", "😀",
	}),
	rapid.String(),
)

func drawDocument(t *rapid.T) Document {
	line := rapid.Custom(func(t *rapid.T) Line {
		heads := rapid.SliceOfN(rapid.SampledFrom([]string{"Pr A. DUPONT", "Dr Jean-Marie Le Goff", "=Dr É. d'Étang", "MARTIN, Anne"}), 0, 3).Draw(t, "heads")
		return Line{
			Network: odd.Draw(t, "network"), Acronym: odd.Draw(t, "acronym"), Establishment: odd.Draw(t, "establishment"), City: odd.Draw(t, "city"),
			Role: labellingv1.Role(rapid.IntRange(0, 8).Draw(t, "role")), RoleAsPrinted: rapid.SampledFrom([]string{"", "CRCM", "coordonnateur", "autre"}).Draw(t, "printed"),
			Heads: heads,
		}
	}).Filter(func(l Line) bool {
		return (tidy(l.Network) != "" || tidy(l.Acronym) != "") && !formulaError(tidy(l.Network)) && recognised([]string{l.Network, l.Acronym, "CCMR", l.Establishment, l.City}, fieldOf) < 3
	})
	group := rapid.Custom(func(t *rapid.T) Group {
		return Group{Filiere: odd.Draw(t, "filière"), Lines: rapid.SliceOfN(line, 0, 5).Draw(t, "lines")}
	})
	return Document{Title: odd.Draw(t, "title"), Subtitle: odd.Draw(t, "subtitle"), Groups: rapid.SliceOfN(group, 1, 4).Draw(t, "groups")}
}

// What is written reads back as the same lines.
func TestDocumentsReadBack(t *testing.T) {
	for name, write := range map[string]func(io.Writer, Document) error{"CSV": WriteCSV, "XLSX": WriteXLSX} {
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			d := drawDocument(t)
			var want []string
			for _, g := range d.Groups {
				for _, l := range g.Lines {
					want = append(want, fmt.Sprintf("%q %q %q %v %q %q %q", tidy(g.Filiere), cmp.Or(tidy(l.Network), tidy(l.Acronym)), tidy(l.Acronym), l.Role, tidy(l.Establishment), tidy(l.City), l.Heads))
				}
			}
			var b bytes.Buffer
			if err := write(&b, d); err != nil {
				t.Fatal(err)
			}
			a, err := Read("f", &b)
			if len(want) == 0 {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, l := range a.Lines {
				got = append(got, fmt.Sprintf("%q %q %q %v %q %q %q", l.Filiere, l.Network, l.Acronym, l.Role, l.Establishment, l.City, l.Heads))
			}
			if !slices.Equal(got, want) {
				t.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}))
	}
}

func TestWriteCSV(t *testing.T) {
	var b bytes.Buffer
	err := WriteCSV(&b, Document{Title: "Liste", Subtitle: "Arrêté du 26 décembre 2023", Groups: []Group{{Filiere: "RespiFIL", Lines: []Line{
		{Network: "=Poumon", Acronym: "P", Role: labellingv1.Role_ROLE_COMPETENCE, Establishment: `CHU "Nord"`, City: "Lyon", Heads: []string{"Pr A", "Dr B"}},
	}}, {}}})
	if err != nil {
		t.Fatal(err)
	}
	check(t, strings.ReplaceAll(b.String(), "\r\n", "\n"), "\ufeff"+`Liste
	Arrêté du 26 décembre 2023
	Intitulé du réseau;Acronyme;Type de label;Établissement;Ville;Responsable médical
	Filière : RespiFIL
	'=Poumon;P;CCMR;"CHU ""Nord""";Lyon;Pr A / Dr B
	Filière : non précisée
	`)
}

func TestResolutionsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 6).Draw(t, "n")
		var all []Resolution
		for i := range n {
			r := Resolution{
				Place: Place{Sheet: tidy(odd.Draw(t, "sheet")), Row: rapid.IntRange(0, 99).Draw(t, "row")}, Line: uint32(i + 1), Subject: rapid.SampledFrom([]labellingv1.Subject{labellingv1.Subject_SUBJECT_NETWORK, labellingv1.Subject_SUBJECT_CENTRE}).Draw(t, "subject"),
				Printed: tidy(odd.Draw(t, "printed")), Decision: rapid.SampledFrom([]labellingv1.Identity{0, labellingv1.Identity_IDENTITY_SAME, labellingv1.Identity_IDENTITY_NEW, labellingv1.Identity_IDENTITY_SUCCESSOR, labellingv1.Identity_IDENTITY_UNDETERMINED}).Draw(t, "decision"),
			}
			for _, c := range rapid.SliceOfN(odd, 0, 3).Draw(t, "candidates") {
				if c = tidy(c); c != "" {
					r.Candidates = append(r.Candidates, c)
				}
			}
			if r.Decision == labellingv1.Identity_IDENTITY_SAME || r.Decision == labellingv1.Identity_IDENTITY_SUCCESSOR {
				r.ID = identifier.NewID()
			}
			all = append(all, r)
		}
		var losses []Loss
		for range rapid.IntRange(0, 3).Draw(t, "losses") {
			losses = append(losses, Loss{LabelID: identifier.NewID(), Printed: tidy(odd.Draw(t, "lost")), Collaborates: rapid.Bool().Draw(t, "collaborates")})
		}
		var b bytes.Buffer
		if err := WriteResolutions(&b, all, losses); err != nil {
			t.Fatal(err)
		}
		got, lost, err := ReadResolutions("f", &b)
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprintf("%+v %+v", got, lost) != fmt.Sprintf("%+v %+v", all, losses) {
			t.Fatalf("got\n%+v %+v\nwant\n%+v %+v", got, lost, all, losses)
		}
	})
}

func TestResolutionsAsOfficersFillThemIn(t *testing.T) {
	const headers = "ligne;objet;décision;id\n"
	got, lost, err := ReadResolutions("f", strings.NewReader(headers+";Perte;Centre Collaborateur;000000001y\n;perdu;;0000000000\n1;Reseau;IDENTIQUE;000000001y CHU de Lyon\n1;centre;Nouveau;\n2;CENTRE;successor;000000001Y\n3;network;indetermine;\n4;network;;\n"))
	if err != nil {
		t.Fatal(err)
	}
	var shown []string
	for _, r := range got {
		shown = append(shown, fmt.Sprintf("%d %d %d %s", r.Line, r.Subject, r.Decision, r.ID))
	}
	if want := "1 1 1 000000001Y,1 2 2 ,2 2 3 000000001Y,3 1 4 ,4 1 0 "; strings.Join(shown, ",") != want {
		t.Errorf("got %s", strings.Join(shown, ","))
	}
	if want := "[{000000001Y  true} {0000000000  false}]"; fmt.Sprint(lost) != want {
		t.Errorf("lost %v", lost)
	}
	_, _, err = ReadResolutions("f", strings.NewReader(headers+"x;centre;;\n1;ville;;\n2;centre;peut-être;\n3;centre;same;\n4;centre;new;000000001Y\n5;centre;same;0123\n6;centre;;\n6;centre;;\n;perte;identique;0000000000\n;perte;;\n;perte;;x\n;perte;;0000000000\n;perte;;0000000000\n"))
	want := []string{"A2 LINE_UNREADABLE", "B3 SUBJECT_UNKNOWN", "C4 DECISION_UNKNOWN", "D5 ID_MISSING", "D6 ID_SUPERFLUOUS", "D7 ID_UNREADABLE", "A9 DECIDED_TWICE", "C10 DECISION_UNKNOWN", "D11 ID_MISSING", "D12 ID_UNREADABLE", "D14 DECIDED_TWICE"}
	if got := reasons(err); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if _, _, err := ReadResolutions("f", strings.NewReader("a;b\n")); !slices.Equal(reasons(err), []string{" NO_TABLE"}) {
		t.Errorf("got %v", err)
	}
}

func TestSuccessions(t *testing.T) {
	got, told, err := ReadSuccessions("f", strings.NewReader("Lot 2020\nRéseau;Acronyme;Établissement;Ville;Type de centre;Responsable sortant;Nouveau responsable;Date d'effet;Avis du CSL\n"+
		"Poumon;P;CHU;Lyon;CCMR;Pr A. B;Dr C. D / Dr E. F;01/09/2020;Favorable\n;;CHU;Lille;CRMR;Pr G. H;;2020;défavorable\nFoie;;CHU;Brest;;;Dr I. J;bientôt;à revoir\nRein;;CHU;Caen;;;Dr K. L;;-\n"))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, s := range got {
		fmt.Fprintln(&b, s.Row, s.Network, s.Acronym, s.Establishment, s.City, s.RoleAsPrinted, s.Outgoing, s.Incoming, s.Date, s.Opinion)
	}
	for _, e := range told {
		fmt.Fprintln(&b, e.Row, e.Cell, e.Reason)
	}
	check(t, b.String(), `
	3 Poumon P CHU Lyon CCMR [Pr A. B] [Dr C. D Dr E. F] 2020-09-01 1
	4 Poumon P CHU Lille CRMR [Pr G. H] [] 2020 2
	5 Foie  CHU Brest  [] [Dr I. J]  0
	6 Rein  CHU Caen  [] [Dr K. L]  0
	1  TITLE_ROW
	5 H5 DATE_UNREADABLE
	5 I5 OPINION_UNKNOWN
	`)
	_, _, err = ReadSuccessions("f", strings.NewReader("Réseau;Ville;Sortant;Entrant\n;Lyon;A;B\nX;Lille;;\n"))
	if got := reasons(err); !slices.Equal(got, []string{" NETWORK_MISSING", " HEAD_MISSING"}) {
		t.Errorf("got %v", got)
	}
}

func TestSuccessionsAreRecognised(t *testing.T) {
	for headers, want := range map[string]bool{
		"Réseau;Établissement;Ville;Responsable sortant;Responsable entrant;Date": true,
		"Réseau;Ville;Ancien responsable;Nouveau responsable":                     true,
		"Réseau;Ville;Nouveau responsable;Date de prise de fonction":              true,
		"Réseau;Ville;Nouveau responsable;Avis du CSL":                            true,
		"Réseau;Ville;Nouveau responsable":                                        false,
		"Réseau;Type de label;Établissement;Ville;Responsable actuel":             false,
		"Réseau;Type de label;Ville;Responsable médical;Ancien responsable":       false,
		"Réseau;Type de label;Ville;Responsable;Ancien responsable;Entrant;Date":  false,
		"Réseau;Type de label;Établissement;Ville;Responsable médical;Date":       false,
		"Responsable sortant;Responsable entrant;Date":                            false,
	} {
		file := "Lot examiné en 2020\n" + headers + "\n" + strings.Repeat("x;", strings.Count(headers, ";")) + "2020\n"
		if got := AreSuccessions("f", strings.NewReader(file)); got != want {
			t.Errorf("%q: %t", headers, got)
		}
	}
	list := sheet{"a", nil, []row{{"Réseau", "Ville", "Responsable"}, {"A", "Lyon", "Pr B"}}}
	batch := sheet{"b", nil, []row{{"Réseau", "Ville", "Sortant", "Entrant"}, {"A", "Lyon", "Pr B", "Dr C"}}}
	if AreSuccessions("f", bytes.NewReader(xlsx(t, list, batch))) || !AreSuccessions("f", bytes.NewReader(xlsx(t, batch))) || AreSuccessions("f", strings.NewReader("")) {
		t.Error("a list with a batch is one, or a batch alone is none")
	}
}

// TestTheDateOfASuccession: a column "Date" alone is that of the succession; one that says
// so goes before it, and before one of the label.
func TestTheDateOfASuccession(t *testing.T) {
	for headers, want := range map[string]string{
		"Date": "2020", "Date;Date de prise de fonction": "2021", "Date d'effet;Date du changement": "2021", "Date de nomination;Date": "2020", "Date;Date d'effet": "2021",
	} {
		got, _, err := ReadSuccessions("f", strings.NewReader("Réseau;Ville;Sortant;Entrant;"+headers+"\nA;Lyon;B;C;2020;2021\n"))
		if err != nil || got[0].Date != want {
			t.Errorf("%q: %v, %v", headers, got, err)
		}
	}
	a := read(t, []byte("Réseau;Ville;Date;Date de prise de fonction;Date d'effet\nA;Lyon;2020;2021;2022\n"))
	if a.Lines[0].Period.GetStart() != "2022" || len(a.Problems) != 1 || a.Problems[0].Reason != columnUnknown {
		t.Errorf("in a list: %v, %v", a.Lines[0].Period, a.Problems)
	}
}

// reasons are the errors joined in one, each with its cell.
func reasons(err error) (all []string) {
	switch e := err.(type) { //nolint:errorlint // it unwraps by hand, to see every error
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			all = append(all, reasons(one)...)
		}
	case *Error:
		all = append(all, e.Cell+" "+e.Reason)
	}
	return all
}

package annex

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

// tell reads a CSV file and writes its lines in short, or the cells at fault.
func tell(t *testing.T, file []byte) string {
	t.Helper()
	a, err := Read("annexe", bytes.NewReader(file))
	var out []string
	if err != nil {
		for _, e := range faultsOf(err) {
			out = append(out, strings.Join(slices.DeleteFunc([]string{e.Cell, e.Reason}, func(s string) bool { return s == "" }), " "))
		}
		return strings.Join(out, "\n")
	}
	for _, l := range a.Lines {
		out = append(out, strings.Join([]string{
			l.Network, strings.TrimPrefix(l.Role.String(), "ROLE_"), l.Establishment, l.City, strings.Join(l.Heads, "+"),
		}, "|"))
	}
	for _, e := range a.Ignored {
		out = append(out, "ignored "+e.Reason)
	}
	return strings.Join(out, "\n")
}

func faultsOf(err error) (all []*Error) {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range several.Unwrap() {
			all = append(all, faultsOf(e)...)
		}
		return all
	}
	if e, ok := errors.AsType[*Error](err); ok {
		all = append(all, e)
	}
	return all
}

// TestRolesAsColumns: a column headed by a role holds hospitals, persons, crosses or counts:
// its cells tell which.
func TestRolesAsColumns(t *testing.T) {
	const matrix = "Réseau;Coordonnateur;Constitutifs;Compétence\n"
	for name, c := range map[string]struct{ file, want string }{
		"hospitals": {
			matrix + "Foie;CHU de Dijon;\"CHU de Lille; CHU de Nancy\";\"CHU de Nice\nHôpital Necker, Paris\"\nRein;HCL;-;\n",
			"Foie|COORDINATOR|CHU de Dijon||\nFoie|CONSTITUTIVE|CHU de Lille||\nFoie|CONSTITUTIVE|CHU de Nancy||\nFoie|COMPETENCE|CHU de Nice||\n" +
				"Foie|COMPETENCE|Hôpital Necker, Paris||\nRein|COORDINATOR|HCL||",
		},
		"towns": {matrix + "Foie;Dijon;Lille / Nancy;\"Nice, Garches\"\n", "Foie|COORDINATOR||Dijon|\nFoie|CONSTITUTIVE||Lille|\nFoie|CONSTITUTIVE||Nancy|\nFoie|COMPETENCE||Nice|\nFoie|COMPETENCE||Garches|"},
		"a slash between two of a kind": {
			matrix + "Foie;CHU de Dijon;CHU de Lille / CHU de Nancy;CHU de Nice\n",
			"Foie|COORDINATOR|CHU de Dijon||\nFoie|CONSTITUTIVE|CHU de Lille||\nFoie|CONSTITUTIVE|CHU de Nancy||\nFoie|COMPETENCE|CHU de Nice||",
		},
		"a slash between who knows what":  {matrix + "Foie;CHU de Dijon;HCL / Hôpital Femme Mère Enfant;CHU de Nice\n", "C2 CELL_AMBIGUOUS"},
		"other headers":                   {"Intitulé du réseau;Centre coordonnateur;Centres constitutifs;CCMR\nFoie;CHU de Dijon;CHU de Lille;\n", "Foie|COORDINATOR|CHU de Dijon||\nFoie|CONSTITUTIVE|CHU de Lille||"},
		"said by the headers":             {"Réseau;Établissement coordonnateur;Établissements constitutifs\nFoie;Necker;Bichat\n", "Foie|COORDINATOR|Necker||\nFoie|CONSTITUTIVE|Bichat||"},
		"one column":                      {"Réseau;Coordonnateur\nFoie;CHU de Dijon\n", "Foie|COORDINATOR|CHU de Dijon||"},
		"persons":                         {"Réseau;Ville;Coordonnateur\nFoie;Dijon;Dr Anne Martin\nRein;Lille;DUPONT Marc\n", "Foie|UNSPECIFIED||Dijon|Dr Anne Martin\nRein|UNSPECIFIED||Lille|DUPONT Marc"},
		"persons beside the hospital":     {"Réseau;Coordonnateur;Établissement\nFoie;Martin;CHU\n", "Foie|UNSPECIFIED|CHU||Martin"},
		"hospitals beside the hospital":   {"Réseau;Coordonnateur;Établissement\nFoie;CHU de Dijon;CHU de Lille\n", "B1 COLUMN_AMBIGUOUS"},
		"hospitals with persons":          {matrix + "Foie;CHU de Dijon (Dr A. Martin);CHU de Lille;\n", "B1 COLUMN_AMBIGUOUS\nC1 COLUMN_AMBIGUOUS\nD1 COLUMN_AMBIGUOUS"},
		"who knows what":                  {matrix + "Foie;Martin;Durand;\n", "B1 COLUMN_AMBIGUOUS\nC1 COLUMN_AMBIGUOUS\nD1 COLUMN_AMBIGUOUS"},
		"crosses":                         {"Réseau;Établissement;Coordonnateur;Constitutif;Compétence\nFoie;CHU;x;;\nFoie;CH;;;X\nRein;CH;;;\n", "Foie|COORDINATOR|CHU||\nFoie|COMPETENCE|CH||\nRein|UNSPECIFIED|CH||"},
		"counts alone":                    {matrix + "Foie;1;3;12\nRein;1;0;4\n", "NO_TABLE"},
		"headers that come again":         {matrix + "Foie;CHU de Dijon;;\n" + matrix + "Rein;CHU de Nice;;\n", "Foie|COORDINATOR|CHU de Dijon||\nRein|COORDINATOR|CHU de Nice||\nignored HEADER_REPEATED"},
		"a network over several rows":     {matrix + "Foie;CHU de Dijon;CHU de Lille;\n;;CHU de Nice;\nRein;CHU de Metz;;\n", "Foie|COORDINATOR|CHU de Dijon||\nFoie|CONSTITUTIVE|CHU de Lille||\nFoie|CONSTITUTIVE|CHU de Nice||\nRein|COORDINATOR|CHU de Metz||"},
		"a network without hospitals yet": {matrix + "Foie;CHU de Dijon;CHU de Lille;\nRein;-;-;-\n", "Foie|COORDINATOR|CHU de Dijon||\nFoie|CONSTITUTIVE|CHU de Lille||\nignored HEADING_UNPLACED"},
	} {
		if got := tell(t, []byte(c.file)); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, c.want)
		}
	}
}

func TestRolesAsColumnsOfAWorkbook(t *testing.T) {
	file := xlsx(
		t,
		sheet{"Synthèse", nil, []row{{"Réseau", "Coordonnateur", "Constitutifs", "Compétence"}, {"Foie", 1, 1, 2}, {"Total", 1, 1, 2}}},
		sheet{"FILFOIE", []string{"A1:D1", "A3:A4"}, []row{
			{"Réseaux de la filière"},
			{"Réseau", "Coordonnateur", "Constitutifs", "Compétence"},
			{"Foie (FOIE-R)", "CHU de Dijon", "CHU de Lille", "CHU de Nice\nCHU de Metz"},
			{nil, nil, nil, "Hôpital Necker\u00a0; Bichat"},
		}},
	)
	check(t, show(read(t, file)), `
	1 FILFOIE!3 |  | Foie | FOIE-R | COORDINATOR | CHU de Dijon |  | 
	2 FILFOIE!3 |  | Foie | FOIE-R | CONSTITUTIVE | CHU de Lille |  | 
	3 FILFOIE!3 |  | Foie | FOIE-R | COMPETENCE | CHU de Nice |  | 
	4 FILFOIE!3 |  | Foie | FOIE-R | COMPETENCE | CHU de Metz |  | 
	5 FILFOIE!4 |  | Foie | FOIE-R | COMPETENCE | Hôpital Necker |  | 
	6 FILFOIE!4 |  | Foie | FOIE-R | COMPETENCE | Bichat |  | 
	ignored Synthèse!0 SHEET_OF_COUNTS
	ignored FILFOIE!1 TITLE_ROW
	`)
	for _, p := range read(t, file).Lines[2].AsPrinted {
		if strings.Contains(p.GetValue(), "Dijon") {
			t.Errorf("a line keeps the cell of another: %v", p)
		}
	}
}

package labelling

import (
	"fmt"
	"testing"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
)

// TestReadUnit: what is not certain is not counted, as a figure that is wrong is worse than
// none.
func TestReadUnit(t *testing.T) {
	known := FiliereNames{"oscar": "FOSCAR0000", "maladies osseuses": "FOSCAR0000", "g2m": "FG2M000000"}
	const (
		coordinators = "[ROLE_COORDINATOR]"
		reference    = "[ROLE_COORDINATOR ROLE_CONSTITUTIVE ROLE_REFERENCE]"
		competence   = "[ROLE_COMPETENCE]"
		crc          = "[ROLE_RESOURCE_AND_COMPETENCE]"
	)
	for printed, want := range map[string]string{
		"centres de référence":                 reference,
		"sites de référence (CRMR)":            reference,
		"coordonnateurs":                       coordinators,
		"Nombre de CRMR coordonnateurs :":      coordinators,
		"coordonnateurs et constitutifs":       "[ROLE_COORDINATOR ROLE_CONSTITUTIVE]",
		"centres de compétence":                competence,
		"centres de compétence (OSCAR)":        competence + " of FOSCAR0000",
		"CCMR – maladies osseuses":             competence + " of FOSCAR0000",
		"centres de ressources et compétences": crc,
		"CRC":                                  crc,
		"réseaux CRMR":                         "networks",
		"réseaux de la filière G2M":            "networks of FG2M000000",
		"filières de santé":                    "filieres",
		"Total sites":                          "lines",
		"lignes":                               "lines",
		"CRMR":                                 "?",
		"sites CRMR":                           "?",
		"centres":                              "?",
		"centres de référence et CRC":          "?",
		"réseaux et filières":                  "?",
		"sites et réseaux":                     "?",
		"coordonnateurs hors Mayotte":          "?",
		"centres de compétence (AUTRE)":        "?",
		"maladies":                             "?",
		"":                                     "?",
	} {
		u, ok := ReadUnit(printed, known)
		got := "?"
		switch {
		case !ok:
		case u.Networks:
			got = "networks"
		case u.Filieres:
			got = "filieres"
		case u.Lines:
			got = "lines"
		default:
			got = fmt.Sprint(u.Roles)
		}
		if ok && u.FiliereID != "" {
			got += " of " + u.FiliereID
		}
		if got != want {
			t.Errorf("%q counts %s, want %s", printed, got, want)
		}
	}
}

func TestUnitCounts(t *testing.T) {
	crc, fsmr := labellingv1.Role_ROLE_RESOURCE_AND_COMPETENCE, labellingv1.Role_ROLE_FSMR
	for name, c := range map[string]struct {
		unit    Unit
		role    labellingv1.Role
		filiere string
		want    bool
	}{
		"a role of the unit":        {Unit{Roles: ReferenceRoles()}, labellingv1.Role_ROLE_CONSTITUTIVE, "F1", true},
		"a role that is not":        {Unit{Roles: ReferenceRoles()}, crc, "F1", false},
		"of another filière":        {Unit{Roles: ReferenceRoles(), FiliereID: "F2"}, labellingv1.Role_ROLE_CONSTITUTIVE, "F1", false},
		"of no filière":             {Unit{Lines: true, FiliereID: "F2"}, crc, "", false},
		"a line of a site":          {Unit{Lines: true}, crc, "F1", true},
		"a line of unknown role":    {Unit{Lines: true}, labellingv1.Role_ROLE_UNSPECIFIED, "", true},
		"a line of a filière":       {Unit{Lines: true}, fsmr, "F1", false},
		"the network of any line":   {Unit{Networks: true}, crc, "F1", true},
		"a filière's own label too": {Unit{Filieres: true}, fsmr, "F1", true},
	} {
		if got := c.unit.Counts(c.role, c.filiere); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

package labelling

import (
	"slices"
	"strings"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/identifier"
	"maillage/services/topology"
)

// Unit is what a total counts that an act announces of itself: labels of roles, networks,
// filières, or all lines of its list, of the whole list or of one filière.
type Unit struct {
	Networks, Filieres, Lines bool
	Roles                     []labellingv1.Role // sorted
	FiliereID                 string             // empty for all
}

// ReferenceRoles are those of reference sites (sites de référence).
func ReferenceRoles() []labellingv1.Role {
	return []labellingv1.Role{labellingv1.Role_ROLE_REFERENCE, labellingv1.Role_ROLE_COORDINATOR, labellingv1.Role_ROLE_CONSTITUTIVE}
}

// unitWords are the words of a unit that say what is counted, and those that say nothing
// of it.
var unitWords = struct{ coordinating, constitutive, resource, competence, networks, filieres, lines, filler []string }{
	coordinating: []string{"coordonnateur", "coordonnateurs", "coordinateur", "coordinateurs"},
	constitutive: []string{"constitutif", "constitutifs"},
	resource:     []string{"crc", "crcm", "ressource", "ressources"},
	competence:   []string{"competence", "competences", "ccmr"},
	networks:     []string{"reseaux"},
	filieres:     []string{"filieres", "fsmr"},
	lines:        []string{"site", "sites", "ligne", "lignes", "label", "labels"},
	filler: strings.Fields("centre centres crmr reference de des du la le les d l et pour dont en dans au tout soit maladies rares " +
		"labellises labellise filiere sante total nombre general sous"),
}

var understood = slices.Concat(unitWords.coordinating, unitWords.constitutive, unitWords.resource, unitWords.competence,
	unitWords.networks, unitWords.filieres, unitWords.lines, unitWords.filler)

// ReadUnit reads the words of an announced total: sites or lines alone are all of them. It
// is not ok where a word is not understood, or where they do not tell what is counted: CRMR
// alone has three meanings, and of two kinds together nobody can say what one total is of.
func ReadUnit(printed string, known FiliereNames) (u Unit, ok bool) {
	text := identifier.Words(printed)
	name, id := known.within(text)
	if u.FiliereID = id; id != "" {
		text = strings.Replace(" "+text+" ", " "+name+" ", " ", 1)
	}
	words := strings.Fields(text)
	has := func(some ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(some, w) })
	}
	kinds := 0
	if has(unitWords.coordinating...) {
		u.Roles = append(u.Roles, labellingv1.Role_ROLE_COORDINATOR)
	}
	if has(unitWords.constitutive...) {
		u.Roles = append(u.Roles, labellingv1.Role_ROLE_CONSTITUTIVE)
	}
	if len(u.Roles) == 0 && has("reference") {
		u.Roles = ReferenceRoles()
	}
	if len(u.Roles) > 0 {
		kinds++
	}
	if has(unitWords.resource...) {
		kinds++
		u.Roles = append(u.Roles, labellingv1.Role_ROLE_RESOURCE_AND_COMPETENCE)
	} else if has(unitWords.competence...) {
		kinds++
		u.Roles = append(u.Roles, labellingv1.Role_ROLE_COMPETENCE)
	}
	if u.Networks = has(unitWords.networks...); u.Networks {
		kinds++
	}
	if u.Filieres = has(unitWords.filieres...); u.Filieres {
		kinds++
	}
	if all := has(unitWords.lines...); all && kinds == 0 && !has("crmr", "centre", "centres") {
		kinds, u.Lines = 1, true
	} else if all && (u.Networks || u.Filieres) {
		kinds++ // of both, or of those of one
	}
	slices.Sort(u.Roles)
	return u, kinds == 1 && !slices.ContainsFunc(words, func(w string) bool { return !slices.Contains(understood, w) })
}

// Same reports whether two units count the same.
func (u Unit) Same(other Unit) bool {
	return u.Networks == other.Networks && u.Filieres == other.Filieres && u.Lines == other.Lines &&
		u.FiliereID == other.FiliereID && slices.Equal(u.Roles, other.Roles)
}

// Counts reports whether a line of a list counts: one of the filière and of a role of the
// unit or, of those that count lines, networks or filières, one of any role that sites hold.
func (u Unit) Counts(role labellingv1.Role, filiereID string) bool {
	switch {
	case u.FiliereID != "" && filiereID != u.FiliereID:
		return false
	case u.Networks, u.Filieres:
		return true
	case u.Lines:
		switch role {
		case labellingv1.Role_ROLE_FSMR, labellingv1.Role_ROLE_PEMR, labellingv1.Role_ROLE_PCOM:
			return false
		}
		return true
	}
	return slices.Contains(u.Roles, role)
}

// Restates reports whether a line that does so to a label says that the label is held: only
// those count towards what an act announces. One that nobody could identify says it of no
// label.
func Restates(does labellingv1.Disposition) bool {
	switch does {
	case labellingv1.Disposition_DISPOSITION_GRANTED, labellingv1.Disposition_DISPOSITION_RENEWED,
		labellingv1.Disposition_DISPOSITION_CONFIRMED, labellingv1.Disposition_DISPOSITION_AMENDED:
		return true
	}
	return false
}

// FiliereNames are the ids of filières by each acronym and name they have or had, as
// [identifier.Words] writes them.
type FiliereNames map[string]string

// NamesOfFilieres gathers the names of filières as known at a position.
func NamesOfFilieres(topo *topology.State, known uint64) FiliereNames {
	all := FiliereNames{}
	for id := range topo.Filieres.IDs() {
		for _, v := range topo.Filieres.Versions(id, known) {
			for _, name := range []string{v.Value.GetAcronym(), v.Value.GetName()} {
				if folded := identifier.Words(name); folded != "" {
					all[folded] = id
				}
			}
		}
	}
	return all
}

// Of is the filière of a printed name: its own, or one among other words where no other
// filière is named.
func (n FiliereNames) Of(printed string) (id string, ok bool) {
	text := identifier.Words(printed)
	if id, ok := n[text]; ok {
		return id, true
	}
	name, id := n.within(text)
	if id == "" {
		return "", false
	}
	rest := strings.Replace(" "+text+" ", " "+name+" ", " ", 1)
	if _, other := n.within(strings.TrimSpace(rest)); other != "" && other != id {
		return "", false
	}
	return id, true
}

// within returns the filière that a text names as words of its own, the longest name.
func (n FiliereNames) within(text string) (name, id string) {
	for folded, of := range n {
		if strings.Contains(" "+text+" ", " "+folded+" ") && (len(folded) > len(name) || len(folded) == len(name) && folded < name) {
			name, id = folded, of
		}
	}
	return name, id
}

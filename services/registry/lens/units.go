package lens

import (
	"slices"
	"strings"
	"unicode"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/identifier"
)

// referenceRoles are those of reference sites (sites de référence, CRMR).
var referenceRoles = []labellingv1.Role{
	labellingv1.Role_ROLE_COORDINATOR, labellingv1.Role_ROLE_CONSTITUTIVE, labellingv1.Role_ROLE_REFERENCE,
}

// unit is what an act counts of itself, as understood: labels of roles, or networks.
type unit struct {
	roles    []labellingv1.Role // sorted
	networks bool
}

// readUnit understands the words of an announced total: coordonnateur, constitutif,
// compétence, CRC or ressources (CRCM), référence or CRMR, réseau. Words of several
// roles mean all of them. It guesses nothing else.
func readUnit(words string) (unit, bool) {
	folded := strings.FieldsFunc(identifier.Fold(words), func(r rune) bool { return !unicode.IsLetter(r) })
	has := func(stems ...string) bool {
		return slices.ContainsFunc(folded, func(word string) bool {
			return slices.ContainsFunc(stems, func(stem string) bool { return strings.HasPrefix(word, stem) })
		})
	}
	var u unit
	add := func(roles ...labellingv1.Role) { u.roles = append(u.roles, roles...) }
	crc := has("ressource", "crc")
	if has("coordonnateur") {
		add(labellingv1.Role_ROLE_COORDINATOR)
	}
	if has("constitutif") {
		add(labellingv1.Role_ROLE_CONSTITUTIVE)
	}
	if len(u.roles) == 0 && has("reference", "crmr") && !has("reseau") {
		add(referenceRoles...)
	}
	if has("ccmr") || has("competence") && !crc {
		add(labellingv1.Role_ROLE_COMPETENCE)
	}
	if crc {
		add(labellingv1.Role_ROLE_RESOURCE_AND_COMPETENCE)
	}
	slices.Sort(u.roles)
	u.networks = len(u.roles) == 0 && has("reseau")
	return u, u.networks || len(u.roles) > 0
}

package seed

import (
	"regexp"
	"slices"
	"strings"
)

// names takes the names of persons out of free text: those of the columns
// responsible and person, and whatever follows a title. Names are values of the vault and
// must never stand in a basis.
type names struct{ known *strings.Replacer }

const withheld = "[name withheld]"

var (
	// titled is a title and the name after it: Pr Marie-Anne du Pont, Dr R. Bellance.
	titled = regexp.MustCompile(`\b(?:[Pp]rs?|[Dd]rs?|[Pp]rof|[Pp]rofesseure?s?|[Pp]rofessors?|[Dd]octeure?s?|[Dd]octors?|Mme|Mlle|MM?|Mrs?|Ms)(?:\.\s*|\s+)` +
		name + `(?:\s+` + name + `)*`)
	title = regexp.MustCompile(`^(?:Prs?|Drs?|Prof)\.?\s+`)
)

const name = `(?:(?:de la|de|du|des|le|la|von|van|der|d['’])\s*)?\p{Lu}[\p{L}'’.\-]*`

func personsIn(f *files) *names {
	var known []string
	for _, r := range slices.Concat(f.rows["centres.csv"], f.rows["changes.csv"]) {
		for person := range strings.SplitSeq(r.get("responsible")+";"+r.get("person"), ";") {
			person = title.ReplaceAllString(strings.TrimSpace(person), "")
			if strings.Contains(person, " ") { // a bare surname can also be a town or a hospital
				known = append(known, person)
			}
		}
	}
	// The longest first: a name can begin with another.
	slices.SortFunc(known, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, person := range known {
		pairs = append(pairs, person, withheld)
	}
	return &names{known: strings.NewReplacer(pairs...)}
}

func (n *names) removed(s string) string {
	return n.known.Replace(titled.ReplaceAllString(s, withheld))
}

package plan

import (
	"regexp"
	"slices"
	"strings"

	"maillage/services/identifier"
)

// Words that stand before the title of a network in some lists and not in others.
var titleStart = regexp.MustCompile(`^(?:(?:reseau(?: (?:de|des|du))?(?: crmr)?|crmr) )?(?:centres?(?: national| nationaux)?(?: constitutif| coordonnateur)? de reference )?` +
	`(?:(?:relatif aux?|pour|sur|de|du|des|d|les?|la|l) )*`)

// title is a title, or an acronym, in the form in which those of networks are compared:
// "Centre de référence des maladies du sein" and "Maladies du sein" are one.
func (g *register) title(name string) string {
	key := "\x02" + name
	if title, ok := g.folded[key]; ok {
		return title
	}
	words := g.words(name)
	title := words[len(titleStart.FindString(words)):]
	if title == "" {
		title = words
	}
	g.folded[key] = title
	return title
}

// The groups of hospitals as they stand before a hospital's own name, and what stands
// between the two.
var groups = []string{"ap hp ", "ap hm ", "hcl ", "chu ", "chr ", "de la ", "de l ", "des ", "du ", "de ", "d "}

// Names of groups that lists write in several ways, as [register.core] writes them.
var entities = strings.NewReplacer(" aphp ", " ap hp ", " aphm ", " ap hm ", " assistance publique hopitaux de paris ", " ap hp ",
	" assistance publique des hopitaux de paris ", " ap hp ", " assistance publique hopitaux de marseille ", " ap hm ", " hospices civils de lyon ", " hcl ",
	" chru ", " chu ", " centre hospitalier regional et universitaire ", " chu ", " centre hospitalier regional universitaire ", " chu ",
	" centre hospitalier universitaire ", " chu ", " hopitaux universitaires ", " chu ", " centre hospitalier regional ", " chr ")

// words is [identifier.Words], each text once.
func (g *register) words(s string) string {
	key := "\x04" + s
	words, ok := g.folded[key]
	if !ok {
		words = identifier.Words(s)
		g.folded[key] = words
	}
	return words
}

// Words of a hospital's name that lists shorten, and those that they leave out.
var (
	shorter = strings.NewReplacer(" centre hospitalier intercommunal ", " chi ", " centre hospitalier ", " ch ", " groupement hospitalier ", " ",
		" groupe hospitalier ", " ", " gh ", " ", " site ", " ", " hopital ", " ", " hopitaux ", " ", " hop ", " ", " st ", " saint ", " ste ", " sainte ")
	silent = []string{"de", "la", "l", "des", "du", "d", "le", "les", "et", "en"}
)

// core is a name of a hospital without the group it belongs to and without the words that
// lists leave out, in order: "CHU de Dijon" and "CHRU Dijon" have one.
func (g *register) core(name string) string {
	key := "\x00" + name
	if core, ok := g.folded[key]; ok {
		return core
	}
	core := strings.TrimSpace(entities.Replace(" " + g.words(name) + " "))
	for again := true; again; {
		again = false
		for _, group := range groups {
			if rest, ok := strings.CutPrefix(core, group); ok && rest != "" {
				core, again = rest, true
				break
			}
		}
	}
	// Twice: of two words in a row that share a space, one stays.
	words := strings.Fields(shorter.Replace(shorter.Replace(" " + core + " ")))
	words = slices.DeleteFunc(words, func(w string) bool { return slices.Contains(silent, w) })
	if len(words) > 0 {
		slices.Sort(words)
		core = strings.Join(slices.Compact(words), " ")
	}
	g.folded[key] = core
	return core
}

// university reports whether a name is that of a university hospital as a whole, and of
// none of its sites: "CHU Dijon Bourgogne".
func (g *register) university(name string) bool {
	words := strings.Fields(strings.TrimSpace(entities.Replace(" " + g.words(name) + " ")))
	return len(words) > 1 && words[0] == "chu" && !strings.ContainsAny(name, ",–—/(") && !strings.Contains(name, " - ") &&
		!slices.ContainsFunc(words, func(w string) bool { return slices.Contains(ofSites, w) })
}

var ofSites = strings.Fields("hopital hopitaux hotel site clinique groupe gh institut pole")

// A name that says no more than what kind of hospital it is.
var general = regexp.MustCompile(`^(?:ch|chi|chr|chu|chru|centre hospitalier(?: intercommunal| regional| universitaire)*)$`)

// nested reports whether all that one core says the other says too, and more, where that
// is not the name of the town alone: "Bichat" and "Bichat-Claude-Bernard".
func nested(one, other, town string) bool {
	a, b := strings.Fields(one), strings.Fields(other)
	if len(a) > len(b) {
		a, b = b, a
	}
	own := false
	for _, w := range a {
		if !slices.Contains(b, w) {
			return false
		}
		own = own || len(w) > 2 && !slices.Contains(strings.Fields(town), w)
	}
	return own && len(a) < len(b)
}

// Words that stand between the name of a group and that of its town.
var between = strings.NewReplacer(" de ", " ", " d ", " ", " du ", " ", " la ", " ")

// sitesOfOne reports whether one of a printed name and a hospital is called as the other,
// with the name of a site after it: "AP-HM" and "AP-HM Hôpital de la Timone".
func (g *register) sitesOfOne(printed, id string) bool {
	e, _ := g.topo.Establishments.Last(id, g.known)
	a, b := g.entity(printed), g.entity(e.GetName())
	return a != b && len(strings.TrimSpace(a)) > 2 && len(strings.TrimSpace(b)) > 2 && (strings.HasPrefix(a, b) || strings.HasPrefix(b, a))
}

// entity is a name with its group written as [register.core] writes it.
func (g *register) entity(name string) string {
	key := "\x03" + name
	entity, ok := g.folded[key]
	if !ok {
		entity = between.Replace(entities.Replace(" " + g.words(name) + " "))
		g.folded[key] = entity
	}
	return entity
}

package lens

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"maillage/services/fault"
)

// nearest collects the names that someone may have meant who wrote another one.
type nearest struct {
	folder
	filter string
	words  []string // of the filter, folded
	most   int      // letters that may differ
	byName map[string]int
}

func newNearest(f folder, filter string) *nearest {
	folded := f.fold(filter)
	letters := utf8.RuneCountInString(folded)
	return &nearest{f, filter, strings.Fields(folded), min(1+letters/4, letters-1), map[string]int{}}
}

// see takes a name that could have been meant. Each word of the filter is compared with
// the word of the name that is nearest to it.
func (n *nearest) see(name string) {
	if _, seen := n.byName[name]; seen || name == "" {
		return
	}
	words := strings.Fields(n.fold(name))
	if n.fold(name) == "0"+n.fold(n.filter) { // 06 for 6
		n.byName[name] = 0
		return
	}
	differ := 0
	for _, w := range n.words {
		best := utf8.RuneCountInString(w)
		for _, o := range words {
			if strings.HasPrefix(o, w) {
				best = 0
				break
			}
			best = min(best, distance(w, o))
		}
		differ += best
	}
	n.byName[name] = differ
}

// unknown says that nothing bears the name, and up to three names that are near.
func (n *nearest) unknown(kind, field, word string) error {
	names := slices.DeleteFunc(slices.Collect(maps.Keys(n.byName)), func(name string) bool { return n.byName[name] > n.most })
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(n.byName[a]-n.byName[b], len(a)-len(b), strings.Compare(a, b))
	})
	hint := ""
	if len(names) > 0 {
		hint = fmt.Sprintf("; near it: %s", strings.Join(names[:min(3, len(names))], ", "))
	}
	return fault.New(fault.NotFound, kind+"_UNKNOWN", field, "no %s is known as %q%s", word, n.filter, hint)
}

// distance is how many letters must be put in, left out or replaced to make one word
// the other.
func distance(a, b string) int {
	from, to := []rune(a), []rune(b)
	row := make([]int, len(to)+1)
	for j := range row {
		row[j] = j
	}
	for i, r := range from {
		corner := row[0]
		row[0] = i + 1
		for j, s := range to {
			cost := corner
			if r != s {
				cost++
			}
			corner = row[j+1]
			row[j+1] = min(cost, row[j]+1, corner+1)
		}
	}
	return row[len(to)]
}

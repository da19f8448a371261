package lens

import (
	"slices"
	"strings"

	"maillage/services/identifier"
)

// folder folds texts for one query and keeps what it folded: a few thousand entities
// share a few hundred names.
type folder map[string]string

func (f folder) fold(s string) string {
	folded, known := f[s]
	if !known {
		folded = identifier.Fold(s)
		f[s] = folded
	}
	return folded
}

// all folds texts in place.
func (f folder) all(texts []string) []string {
	for i, t := range texts {
		texts[i] = f.fold(t)
	}
	return texts
}

// matches tells whether every word is found in one of the folded texts, or is the id.
// Part of an id is no match: ids are random, and short words are found in some.
func matches(words, texts []string, id string) bool {
	for _, w := range words {
		if w != id && !slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(t, w) }) {
			return false
		}
	}
	return true
}

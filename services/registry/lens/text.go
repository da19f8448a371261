package lens

import (
	"iter"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

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

// search is the words of a text that is looked for. Accents, case, hyphens and apostrophes
// never count: all is folded. A word is found where a text holds it, be it as a part of a
// longer one, or where it is the id. Only a word that nothing in the whole list has,
// whatever the other filters, is taken for a misspelling of what is most like it there.
// So what is written right finds what it found before, and nothing besides.
type search struct {
	words []word
	folder
}

type word struct {
	text  string
	like  float32            // how alike a text is that has what was meant; 0: it must hold the word itself
	alike map[string]float32 // of the texts that were compared
}

const (
	// leastLike is how alike a misspelled word and what was meant must be, by
	// identifier.WordSimilarity. Of 1,514 words made by one slip from those of the seeds'
	// names, what is most like them has the word meant for 93 % with 0.3, 87 % with 0.4,
	// 78 % with 0.45 and 55 % with 0.6; "neker" is like "Necker" by 0.44. Of 291 other
	// words that no name has, 79 %, 46 %, 24 % and 9 % are taken for something.
	leastLike = 0.4
	// leastLetters is how many letters a word must have to be taken for a misspelled one.
	leastLetters = 4
)

func searchFor(text string, f folder) search {
	s := search{folder: f}
	for w := range strings.FieldsSeq(f.fold(text)) {
		s.words = append(s.words, word{text: w})
	}
	return s
}

// finds tells whether every word is found in one of the texts, which it folds in place, or
// is the id. Part of an id is no match: ids are random, and short words are found in some.
func (s *search) finds(texts []string, id string) bool {
	s.all(texts)
	for i := range s.words {
		w := &s.words[i]
		if w.text != id && !slices.ContainsFunc(texts, w.in) {
			return false
		}
	}
	return true
}

// in tells whether a folded text has the word.
func (w *word) in(text string) bool {
	if w.like == 0 {
		return strings.Contains(text, w.text)
	}
	return w.likeness(text) >= w.like
}

// likeness is how alike the word is to what is most like it in a folded text. Codes are
// like nothing: they are right or wrong.
func (w *word) likeness(text string) float32 {
	alike, compared := w.alike[text]
	if !compared {
		if strings.Contains(text, " ") || !strings.ContainsFunc(text, unicode.IsDigit) {
			alike = identifier.WordSimilarity(w.text, text)
		}
		w.alike[text] = alike
	}
	return alike
}

// forgive takes the words for misspelled that no entity of a list has, which is given as
// the ids and texts of all of them. It tells whether to look again: whether every word is
// known or forgiven, and some is.
func (s *search) forgive(list iter.Seq2[string, []string]) bool {
	var doubtful []*word
	for i := range s.words {
		if w := &s.words[i]; w.like == 0 && utf8.RuneCountInString(w.text) >= leastLetters &&
			!strings.ContainsFunc(w.text, func(r rune) bool { return !unicode.IsLetter(r) }) {
			w.alike = map[string]float32{}
			doubtful = append(doubtful, w)
		}
	}
	for id, texts := range list {
		s.all(texts)
		doubtful = slices.DeleteFunc(doubtful, func(w *word) bool {
			return w.text == id || slices.ContainsFunc(texts, func(text string) bool {
				_, compared := w.alike[text]
				if compared {
					return false
				}
				w.likeness(text)
				return strings.Contains(text, w.text)
			})
		})
		if len(doubtful) == 0 {
			return false
		}
	}
	for _, w := range doubtful {
		for _, alike := range w.alike {
			w.like = max(w.like, alike)
		}
		if w.like < leastLike {
			w.like = 0
			return false
		}
	}
	return len(doubtful) > 0
}

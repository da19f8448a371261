package identifier

import (
	"slices"
	"unicode"
)

// WordSimilarity tells how alike a word is to what is most like it in a text, from 0 to 1,
// both folded by [Fold]: 1 where the text has the word, and more than 0.3 or so where it
// has it misspelled. It is the measure word_similarity of PostgreSQL's extension pg_trgm.
// Both are taken for the trigrams of their words, each with two spaces before and one
// after it; what is between words does not count. Of the stretches of the text's trigrams,
// it is the best share of trigrams in common among all different ones.
func WordSimilarity(word, text string) float32 {
	sought := map[trigram]bool{}
	for _, t := range trigrams(word) {
		sought[t] = true
	}
	all := trigrams(text)
	if !slices.ContainsFunc(all, func(t trigram) bool { return sought[t] }) {
		return 0
	}
	share := func(common, different int) float32 { return float32(common) / float32(len(sought)+different-common) }
	// The stretch looked at begins at from and has common and different ones; latest is
	// where each of them stands last. It is widened to the next trigram that is sought,
	// then shortened from its beginning to where it is best.
	latest := make(map[trigram]int, len(all))
	from, common, different := -1, 0, 0
	best := float32(0)
	for i, t := range all {
		if from < 0 {
			if !sought[t] {
				continue
			}
			from = i
		}
		if _, met := latest[t]; !met {
			different++
			if sought[t] {
				common++
			}
		}
		latest[t] = i
		if !sought[t] {
			continue
		}
		here, start, c, d := share(common, different), from, common, different
		for j := from; j <= i; j++ {
			if s := share(c, d); s > here {
				here, start, common, different = s, j, c, d
			}
			if latest[all[j]] == j {
				d--
				if sought[all[j]] {
					c--
				}
			}
		}
		for ; from < start; from++ {
			if latest[all[from]] == from {
				delete(latest, all[from])
			}
		}
		best = max(best, here)
	}
	return best
}

// trigram is three letters of 21 bits each.
type trigram uint64

// then is the trigram that a letter makes with the last two of another one.
func (t trigram) then(letter rune) trigram { return t<<21&(1<<63-1) | trigram(letter) }

// trigrams are those of a text in its order.
func trigrams(s string) []trigram {
	const before = trigram(' '<<21 | ' ')
	all := make([]trigram, 0, len(s)+len(s)/4+2)
	last, inWord := before, false
	for _, r := range s {
		switch is := unicode.IsLetter(r) || unicode.IsDigit(r); {
		case is:
			last, inWord = last.then(r), true
			all = append(all, last)
		case inWord:
			all = append(all, last.then(' '))
			last, inWord = before, false
		}
	}
	if inWord {
		all = append(all, last.then(' '))
	}
	return all
}

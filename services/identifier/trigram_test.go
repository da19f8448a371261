package identifier

import "testing"

// What pg_trgm 1.6 answers; the read model's tests compare many more with its own.
func TestWordSimilarity(t *testing.T) {
	for _, test := range []struct {
		word, text string
		want       float32
	}{
		{"neker", "ap hp hopital necker enfants malades", 0.44444445},
		{"berrard", "centre leon berard", 0.6666667},
		{"duchene", "myopathie de duchenne", 0.75},
		{"word", "two words", 0.8},
		{"lyon", "lyon", 1},
		{"lyon", "centre hospitalier", 0},
		{"saintetienne", "chu de saint etienne", 0.6875},
		{"pitier", "pitie, salpetriere (ap hp)", 0.71428573}, // punctuation parts words
		{"st", "saint", 0.33333334},
		{"a", "a b", 1},
		{"abab", "ab ab abab", 1},
		{"", "a", 0},
		{"a", "", 0},
		{"thalassemie", "β thalassemies", 0.9166667}, // letters are not bytes
	} {
		if got := WordSimilarity(test.word, test.text); got != test.want {
			t.Errorf("WordSimilarity(%q, %q) = %v, want %v", test.word, test.text, got, test.want)
		}
	}
}

func BenchmarkWordSimilarity(b *testing.B) {
	for b.Loop() {
		WordSimilarity("salpetrierre", "ap hp hopital pitie salpetriere, site de la salpetriere")
	}
}

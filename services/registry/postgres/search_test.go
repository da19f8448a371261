package postgres_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"maillage/services/identifier"
	"maillage/services/registry/postgres/postgrestest"
)

// The measure by which memory finds a misspelled word is that of the database, so that an
// index of the database may choose where to look: that of a text is at least that of each
// of the names it is put together of.
func TestWordSimilarityIsThatOfTheDatabase(t *testing.T) {
	db, err := pgx.Connect(t.Context(), postgrestest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(t.Context())
	if _, err := db.Exec(t.Context(), "create extension if not exists pg_trgm"); err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	draw := func(letters string, most int) string {
		b := make([]byte, random.IntN(most))
		for i := range b {
			b[i] = letters[random.IntN(len(letters))]
		}
		return string(b)
	}
	var words, names, others []string
	for range 5_000 { // few letters, so that much is alike
		for _, letters := range []string{"ab", "abc ", "abcd, -12", "abcdefghijklmnopqrstuvwxyz '9_"} {
			words, names, others = append(words, draw(letters, 12)), append(names, draw(letters, 60)), append(others, draw(letters, 20))
		}
	}
	rows, _ := db.Query(t.Context(), `select word_similarity(word, name), word_similarity(word, name || ' ' || other)
		from unnest($1::text[], $2::text[], $3::text[]) with ordinality as drawn (word, name, other, nth) order by nth`, words, names, others)
	i := 0
	var one, joined float32
	_, err = pgx.ForEachRow(rows, []any{&one, &joined}, func() error {
		if got := identifier.WordSimilarity(words[i], names[i]); got != one {
			t.Errorf("seed %d: WordSimilarity(%q, %q) is %v, the database's %v", seed, words[i], names[i], got, one)
		}
		if joined < one && !strings.ContainsAny(words[i], " ") {
			t.Errorf("seed %d: %q is like %q by %v, and like that and %q by %v", seed, words[i], names[i], one, others[i], joined)
		}
		i++
		return nil
	})
	if err != nil || i != len(words) {
		t.Fatalf("%d of %d: %v", i, len(words), err)
	}
}

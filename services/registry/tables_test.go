package registry_test

import (
	"maps"
	"testing"

	"pgregory.net/rapid"

	"maillage/services/bitemporal"
	"maillage/services/registry"
	"maillage/services/registry/registrytest"
)

// Looked at some entities at a time, while the state goes on, the rows of the tables are
// those that changed, and their hashes have the digest of the state.
func TestChangesOfParts(t *testing.T) {
	samples := registrytest.Load(t, "..")
	type key struct {
		table, id string
		knownFrom uint64
		validFrom bitemporal.Date
	}
	rapid.Check(t, func(t *rapid.T) {
		var s registry.State
		samples.Fold(t, &s, rapid.IntRange(1, 60).Draw(t, "facts"))
		to := rapid.Uint64Range(1, s.Position()).Draw(t, "to")
		after := rapid.Uint64Range(0, to-1).Draw(t, "after")
		want, got := map[key]uint64{}, map[key]uint64{}
		keyOf := func(r registry.Row) key {
			return key{r.Table, r.ID, r.Version.KnownFrom, r.Version.Valid.From}
		}
		for r := range s.Changes(after, to).All() {
			want[keyOf(r)] = r.Version.KnownTo
		}
		digest, err := s.Rows(to).Digest()
		if err != nil {
			t.Fatal(err)
		}
		var hashes []registry.Digest
		for table := range registry.Tables() {
			limit := rapid.IntRange(1, 5).Draw(t, "limit")
			for first, more := 0, true; more; more = first > 0 {
				var some registry.Rows
				some, first = s.ChangesOf(table, first, limit, after, to)
				for r := range some.All() {
					if _, twice := got[keyOf(r)]; twice {
						t.Fatalf("%v comes twice", keyOf(r))
					}
					got[keyOf(r)] = r.Version.KnownTo
					h, err := r.Hash()
					if err != nil {
						t.Fatal(err)
					}
					hashes = append(hashes, h)
				}
				if rapid.Bool().Draw(t, "goes on") {
					samples.Fold(t, &s, 1)
				}
			}
		}
		if !maps.Equal(got, want) {
			t.Fatalf("from %d to %d: %v, want %v", after, to, got, want)
		}
		if after == 0 && registry.DigestOf(hashes) != digest {
			t.Fatal("the hashes have another digest than the rows")
		}
	})
}

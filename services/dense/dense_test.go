package dense_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"maillage/services/dense"
)

// Hashes of few values, near both ends of the slots and alike in their low half, so that
// entries pile up, go round the end and cannot be told apart.
var hashes = []uint64{0, 1, 1 << 31, 1<<32 - 2, 1<<32 - 1, 1 << 32, 1<<33 - 1, 0xdead_beef_8000_0000}

// An index is as a plain list of what was entered, whatever is taken back.
func TestIndexIsAsAPlainList(t *testing.T) {
	type entry struct {
		hash  uint64
		place uint32
	}
	rapid.Check(t, func(r *rapid.T) {
		var index dense.Index
		var model []entry
		next := uint32(0)
		for range rapid.IntRange(0, 60).Draw(r, "steps") {
			hash := rapid.SampledFrom(hashes).Draw(r, "hash")
			switch {
			case rapid.IntRange(0, 2).Draw(r, "leave") > 0:
				index.Enter(hash, next)
				model = append(model, entry{hash, next})
				next++
			case len(model) == 0 || rapid.IntRange(0, 9).Draw(r, "strange") == 0:
				index.Leave(hash, next) // never entered
			default:
				i := rapid.IntRange(0, len(model)-1).Draw(r, "left")
				index.Leave(model[i].hash, model[i].place)
				model = slices.Delete(model, i, i+1)
			}
			for _, hash := range hashes {
				var want, got []uint32
				for _, e := range model {
					if uint32(e.hash) == uint32(hash) {
						want = append(want, e.place)
					}
				}
				_, ok := index.Find(hash, func(place uint32) bool { got = append(got, place); return false })
				if ok || !slices.Equal(got, want) {
					r.Fatalf("under %x: %v, %v; want %v", hash, got, ok, want)
				}
				if len(want) == 0 {
					continue
				}
				wanted := rapid.SampledFrom(want).Draw(r, "wanted")
				if place, ok := index.Find(hash, func(place uint32) bool { return place == wanted }); place != wanted || !ok {
					r.Fatalf("under %x: %d, %v; want %d", hash, place, ok, wanted)
				}
			}
		}
	})
}

func TestListIsAsASlice(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var list dense.List[string]
		var model []string
		for range rapid.IntRange(0, 12).Draw(r, "steps") {
			if rapid.Bool().Draw(r, "cut") {
				n := rapid.IntRange(0, 4000).Draw(r, "to")
				list.Cut(n)
				model = model[:min(n, len(model))]
			} else {
				for range rapid.IntRange(1, 1500).Draw(r, "more") {
					v := fmt.Sprint(len(model))
					list.Add(v)
					model = append(model, v)
				}
			}
			if list.Len() != len(model) {
				r.Fatalf("%d elements, want %d", list.Len(), len(model))
			}
			for i, v := range model {
				if got := *list.At(i); got != v {
					r.Fatalf("place %d holds %q, want %q", i, got, v)
				}
			}
		}
	})
}

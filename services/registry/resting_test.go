package registry

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	eventv1 "maillage/proto/gen/maillage/event/v1"
)

// What is taken back is as if it had never been entered, settled or not.
func TestRestingTakenBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var x byAct
		want := map[string][]uint64{}
		var last uint64
		acts := []string{"A", "B", "C"}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0:
				last = rapid.Uint64Range(0, last).Draw(t, "to")
				x.rollback(last)
				for id, all := range want {
					want[id] = slices.DeleteFunc(all, func(p uint64) bool { return p > last })
				}
			case 1:
				x.settle(rapid.Uint64Range(0, last).Draw(t, "settled"))
			default:
				last++
				id := rapid.SampledFrom(acts).Draw(t, "act")
				x.enter(&eventv1.Basis{ActId: id, ActLine: 7}, Resting{Position: last})
				want[id] = append(want[id], last)
			}
			s := State{byAct: x}
			for _, id := range acts {
				known := rapid.Uint64Range(0, last+1).Draw(t, "known")
				var got []uint64
				for _, r := range s.RestingOn(id, known) {
					got = append(got, r.Position)
				}
				if then := slices.DeleteFunc(slices.Clone(want[id]), func(p uint64) bool { return p > known }); !slices.Equal(got, then) {
					t.Fatalf("%s at %d: %v, want %v", id, known, got, then)
				}
			}
		}
	})
}

package registry_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"maillage/services/notice"
	"maillage/services/registry"
	"maillage/services/registry/registrytest"
)

// The notices kept are those of the records folded, in any range of positions, also where
// some were taken back.
func TestNoticesAreThoseFolded(t *testing.T) {
	samples := registrytest.Load(t, "..")
	rapid.Check(t, func(rt *rapid.T) {
		var s registry.State
		records := samples.Fold(rt, &s, rapid.IntRange(1, 40).Draw(rt, "facts"))
		to := rapid.Uint64Range(0, uint64(len(records))).Draw(rt, "taken back to")
		s.Rollback(to)
		records = append(records[:to:to], samples.Fold(rt, &s, 5)...)
		after := rapid.Uint64Range(0, uint64(len(records))).Draw(rt, "after")
		upTo := rapid.Uint64Range(0, uint64(len(records))).Draw(rt, "up to")
		var want []registry.Notice
		for _, r := range records {
			context := strings.Split(r.Subject, ".")[1]
			if kind := notice.Of(context, r.Body); kind != 0 && r.Position > after && r.Position <= upTo {
				want = append(want, registry.Notice{Position: r.Position, Kind: kind})
			}
		}
		if got := s.Notices(after, upTo); !slices.Equal(got, want) {
			rt.Fatalf("after %d up to %d are %v, want %v", after, upTo, got, want)
		}
	})
}

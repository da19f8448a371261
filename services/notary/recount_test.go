package notary_test

import (
	"errors"
	"slices"
	"testing"

	"maillage/services/eventlog"
	"maillage/services/fault"
	"maillage/services/notary"
)

// TestRecount: whatever differs from the tree is found, with its position.
func TestRecount(t *testing.T) {
	s := sign(t, t.TempDir())
	s.grow(40, "a")
	head := s.store.Head()
	var kept []eventlog.Record
	for r, err := range s.store.Read(0) {
		if err != nil {
			t.Fatal(err)
		}
		r.Body = slices.Clone(r.Body)
		kept = append(kept, r)
	}
	for given, tc := range map[string]struct {
		change func([]eventlog.Record) []eventlog.Record
		at     uint64
	}{
		"nothing":      {func(all []eventlog.Record) []eventlog.Record { return all }, 0},
		"more follow":  {func(all []eventlog.Record) []eventlog.Record { return append(all, eventlog.Record{Position: 41}) }, 0},
		"one byte":     {func(all []eventlog.Record) []eventlog.Record { all[17].Body[3] ^= 1; return all }, 18},
		"a subject":    {func(all []eventlog.Record) []eventlog.Record { all[0].Subject += "x"; return all }, 1},
		"one is gone":  {func(all []eventlog.Record) []eventlog.Record { return slices.Delete(all, 5, 6) }, 6},
		"two swapped":  {func(all []eventlog.Record) []eventlog.Record { all[5], all[6] = all[6], all[5]; return all }, 6},
		"the tail cut": {func(all []eventlog.Record) []eventlog.Record { return all[:30] }, 31},
		"none":         {func([]eventlog.Record) []eventlog.Record { return nil }, 1},
	} {
		t.Run(given, func(t *testing.T) {
			all := slices.Clone(kept)
			for i := range all {
				all[i].Body = slices.Clone(all[i].Body)
			}
			all = tc.change(all)
			err := notary.Recount("the store", func(yield func(eventlog.Record, error) bool) {
				for _, r := range all {
					if !yield(r, nil) {
						return
					}
				}
			}, head, s.store)
			own, damaged := errors.AsType[*fault.Error](err)
			if damaged != (tc.at > 0) || damaged && (own.Position != tc.at || own.Reason != "LOG_DAMAGED") || !damaged && err != nil {
				t.Errorf("%v, want position %d", err, tc.at)
			}
		})
	}
}

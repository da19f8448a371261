package main

import (
	"testing"

	"maillage/proto/checkpoint"
)

// TestInEpochOf: a snapshot of a position before an epoch opened is proved by what is signed in
// that epoch; one of the positions that it gave again is not, nor is one of another log.
func TestInEpochOf(t *testing.T) {
	of := func(origin string) checkpoint.Checkpoint { return checkpoint.Checkpoint{Origin: origin, Size: 5} }
	for given, tc := range map[string]struct {
		signed, head string
		epoch        uint64
		extends      bool
	}{
		"the first epoch":         {"a/LOG", "a/LOG", 1, true},
		"the second":              {"a/LOG/2", "a/LOG/2", 2, true},
		"the second on the first": {"a/LOG/2", "a/LOG", 1, true},
		"the third on the second": {"a/LOG/3", "a/LOG/2", 2, true},
		"the first on the second": {"a/LOG", "a/LOG/2", 2, false},
		"the second on the third": {"a/LOG/2", "a/LOG/3", 3, false},
		"another log":             {"a/OTHER/2", "a/LOG", 1, false},
	} {
		signed := of(tc.signed)
		if err := signed.Extends(inEpochOf(signed, of(tc.head), tc.epoch), nil); (err == nil) != tc.extends {
			t.Errorf("%s: %v", given, err)
		}
	}
}

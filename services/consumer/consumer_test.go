package consumer_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	"maillage/services/consumer"
	"maillage/services/fact"
	"maillage/services/fault"
)

func added(name, key string, contexts ...string) *ledgerv1.Event {
	return &ledgerv1.Event{Fact: &ledgerv1.Event_ConsumerAdded{ConsumerAdded: &ledgerv1.ConsumerAdded{Name: name, PublicKey: key, Contexts: contexts}}}
}

func removed(name string) *ledgerv1.Event {
	return &ledgerv1.Event{Fact: &ledgerv1.Event_ConsumerRemoved{ConsumerRemoved: &ledgerv1.ConsumerRemoved{Name: name}}}
}

func fold(t testing.TB, facts ...*ledgerv1.Event) *consumer.State {
	t.Helper()
	s := new(consumer.State)
	for i, e := range facts {
		if err := s.Evolve(uint64(i+1), e); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func reasonOf(err error) string {
	if own, ok := errors.AsType[*fault.Error](err); ok {
		return own.Reason
	}
	return fmt.Sprint(err)
}

func TestAdd(t *testing.T) {
	basis := &eventv1.Basis{Source: "agreement"}
	for name, tc := range map[string]struct {
		given []*ledgerv1.Event
		when  *feedv1.AddConsumerRequest
		then  *ledgerv1.ConsumerAdded
		not   string
	}{
		"the first": {
			when: &feedv1.AddConsumerRequest{Basis: basis, Name: "bndmr", PublicKey: "U1", Contexts: []string{"topology", "labelling"}},
			then: &ledgerv1.ConsumerAdded{Name: "bndmr", PublicKey: "U1", Contexts: []string{"labelling", "topology"}},
		},
		"a second": {
			given: []*ledgerv1.Event{added("bndmr", "U1")},
			when:  &feedv1.AddConsumerRequest{Basis: basis, Name: "orphanet", PublicKey: "U2"},
			then:  &ledgerv1.ConsumerAdded{Name: "orphanet", PublicKey: "U2"},
		},
		"one of CloudEvents": {
			when: &feedv1.AddConsumerRequest{Basis: basis, Name: "bndmr", PublicKey: "U1", CloudEvents: true},
			then: &ledgerv1.ConsumerAdded{Name: "bndmr", PublicKey: "U1", CloudEvents: true},
		},
		"a name that stands": {
			given: []*ledgerv1.Event{added("bndmr", "U1")},
			when:  &feedv1.AddConsumerRequest{Basis: basis, Name: "bndmr", PublicKey: "U2"}, not: "CONSUMER_EXISTS",
		},
		"a key that stands": {
			given: []*ledgerv1.Event{added("bndmr", "U1")},
			when:  &feedv1.AddConsumerRequest{Basis: basis, Name: "orphanet", PublicKey: "U1"}, not: "CONSUMER_KEY_USED",
		},
		"a name that is free again": {
			given: []*ledgerv1.Event{added("bndmr", "U1"), removed("bndmr")},
			when:  &feedv1.AddConsumerRequest{Basis: basis, Name: "bndmr", PublicKey: "U2"},
			then:  &ledgerv1.ConsumerAdded{Name: "bndmr", PublicKey: "U2"},
		},
		"a key that was taken back": {
			given: []*ledgerv1.Event{added("bndmr", "U1"), removed("bndmr")},
			when:  &feedv1.AddConsumerRequest{Basis: basis, Name: "bndmr", PublicKey: "U1"}, not: "CONSUMER_KEY_USED",
		},
		"on nothing": {when: &feedv1.AddConsumerRequest{Name: "bndmr", PublicKey: "U1"}, not: "BASIS_MISSING"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := consumer.Add(fold(t, tc.given...), tc.when)
			if tc.not != "" && reasonOf(err) != tc.not || tc.not == "" && (err != nil || !proto.Equal(got, tc.then)) {
				t.Errorf("%v, %v; want %v %s", got, err, tc.then, tc.not)
			}
		})
	}
}

func TestRemove(t *testing.T) {
	basis := &eventv1.Basis{Source: "agreement"}
	for name, tc := range map[string]struct {
		given []*ledgerv1.Event
		not   string
	}{
		"who stands":             {[]*ledgerv1.Event{added("bndmr", "U1")}, ""},
		"nobody":                 {nil, "CONSUMER_UNKNOWN"},
		"another":                {[]*ledgerv1.Event{added("orphanet", "U1")}, "CONSUMER_UNKNOWN"},
		"who was removed":        {[]*ledgerv1.Event{added("bndmr", "U1"), removed("bndmr")}, "CONSUMER_REMOVED"},
		"who was added again":    {[]*ledgerv1.Event{added("bndmr", "U1"), removed("bndmr"), added("bndmr", "U2")}, ""},
		"who was removed, other": {[]*ledgerv1.Event{added("bndmr", "U1"), added("orphanet", "U2"), removed("orphanet")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := consumer.Remove(fold(t, tc.given...), &feedv1.RemoveConsumerRequest{Basis: basis, Name: "bndmr", Reason: "over"})
			want := &ledgerv1.ConsumerRemoved{Name: "bndmr", Reason: "over"}
			if tc.not != "" && reasonOf(err) != tc.not || tc.not == "" && (err != nil || !proto.Equal(got, want)) {
				t.Errorf("%v, %v; want %q", got, err, tc.not)
			}
		})
	}
}

// Facts that no decision makes are refused, and leave the state as it was.
func TestEvolveRefuses(t *testing.T) {
	s := fold(t, added("bndmr", "U1"))
	for name, e := range map[string]*ledgerv1.Event{
		"a second of a name":  added("bndmr", "U2"),
		"the end of nobody":   removed("orphanet"),
		"another fact":        {Fact: &ledgerv1.Event_LogOpened{LogOpened: &ledgerv1.LogOpened{}}},
		"an unreadable event": {},
	} {
		if err := s.Evolve(2, e); err == nil {
			t.Errorf("%s is folded", name)
		}
	}
	if all := s.All(2); len(all) != 1 || all[0].GetPublicKey() != "U1" {
		t.Errorf("it stands at %v", all)
	}
	if err := s.Fold(2, consumer.Subject("bndmr"), []byte{0xff}); !errors.Is(err, fact.ErrUnreadable) {
		t.Errorf("bytes that are no event: %v", err)
	}
	if err := s.Fold(2, "registry.ledger.log.X", []byte{0xff}); err != nil {
		t.Errorf("what is none of its business: %v", err)
	}
}

// TestCloudEvents folds what was written before anybody could ask for CloudEvents, and after: who
// is handed them now, and whether anybody ever was.
func TestCloudEvents(t *testing.T) {
	s := new(consumer.State)
	for i, sample := range []string{"consumer_added", "consumer_added.2"} {
		body, err := os.ReadFile("../../proto/testdata/events/ledger." + sample + ".binpb")
		if err == nil {
			err = s.Fold(uint64(i+1), consumer.Subject("x"), body)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Evolve(3, removed("orphanet")); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[uint64]string{0: " false", 1: "bndmr:false false", 2: "bndmr:false orphanet:true true", 3: "bndmr:false true"} {
		var got []string
		for _, c := range s.All(at) {
			got = append(got, fmt.Sprint(c.GetName(), ":", c.GetCloudEvents()))
		}
		if told := fmt.Sprint(strings.Join(got, " "), " ", s.AnyCloudEvents(at)); told != want {
			t.Errorf("at %d: %q, want %q", at, told, want)
		}
	}
	if s.Rollback(1); s.AnyCloudEvents(3) {
		t.Error("rolled back it is still so")
	}
}

// The state at any position is that of a fold up to there, also after a rollback and
// another course of things.
func TestAllAsOf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, keys := new(consumer.State), 0
		var at []string // what stands after each position, as a plain list says
		standing := map[string]string{}
		step := func(position uint64) {
			name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name")
			e := removed(name)
			if standing[name] == "" {
				keys++
				e = added(name, fmt.Sprint("U", keys))
				standing[name] = fmt.Sprint("U", keys)
			} else {
				delete(standing, name)
			}
			if err := s.Evolve(position, e); err != nil {
				t.Fatal(err)
			}
			at = append(at, fmt.Sprint(standing))
		}
		check := func() {
			for i, want := range at {
				got := map[string]string{}
				all := s.All(uint64(i + 1))
				for _, c := range all {
					got[c.GetName()] = c.GetPublicKey()
				}
				if fmt.Sprint(got) != want || len(got) != len(all) || !slices.IsSortedFunc(all, func(a, b *feedv1.Consumer) int { return int(a.GetName()[0]) - int(b.GetName()[0]) }) {
					t.Fatalf("at %d: %v, want %s", i+1, all, want)
				}
			}
		}
		n := rapid.IntRange(1, 20).Draw(t, "facts")
		for i := range n {
			step(uint64(i + 1))
		}
		check()
		to := rapid.IntRange(0, n).Draw(t, "rolled back to")
		s.Rollback(uint64(to))
		at, standing = at[:to], map[string]string{}
		for _, c := range s.All(uint64(to)) {
			standing[c.GetName()] = c.GetPublicKey()
		}
		for i := range rapid.IntRange(0, 5).Draw(t, "more") {
			step(uint64(to + i + 1))
		}
		check()
	})
}

package registry_test

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/activity"
	"maillage/services/bitemporal"
	"maillage/services/registry"
	"maillage/services/registry/registrytest"
)

// store keeps rows as a database does: by key, values encoded.
type store struct {
	rows  map[rowKey]storedRow
	facts map[uint64]storedFact
}

type rowKey struct {
	table, id string
	knownFrom uint64
	validFrom bitemporal.Date
}

type storedRow struct {
	validTo bitemporal.Date
	knownTo uint64
	value   string
	since   uint64
}

type storedFact struct {
	act  string
	fact registry.Resting
}

func newStore() *store {
	return &store{rows: map[rowKey]storedRow{}, facts: map[uint64]storedFact{}}
}

func (s *store) apply(t *rapid.T, c registry.Changes) {
	met := map[rowKey]bool{}
	for r := range c.All() {
		k := rowKey{r.Table, r.ID, r.Version.KnownFrom, r.Version.Valid.From}
		value, err := registry.AppendValue(nil, r.Value())
		if err != nil {
			t.Fatal(err)
		}
		row := storedRow{r.Version.Valid.To, r.Version.KnownTo, string(value), r.Since}
		was, there := s.rows[k]
		if was.knownTo = row.knownTo; met[k] || there && was != row {
			t.Fatalf("%+v: %+v comes twice, or changes more than the end of %+v", k, row, was)
		}
		met[k], s.rows[k] = true, row
	}
	for act, fact := range c.Effects() {
		if was, there := s.facts[fact.Position]; there {
			t.Fatalf("%+v comes after %+v", fact, was)
		}
		s.facts[fact.Position] = storedFact{act, fact}
	}
}

// all is the rows read back, in the order of their keys turned about.
func (s *store) all(t *rapid.T, of func(rowKey, storedRow) bool) iter.Seq[registry.Row] {
	return func(yield func(registry.Row) bool) {
		keys := slices.SortedFunc(maps.Keys(s.rows), func(a, b rowKey) int {
			return cmp.Or(-cmp.Compare(a.id, b.id), -cmp.Compare(a.knownFrom, b.knownFrom), -cmp.Compare(a.validFrom, b.validFrom), cmp.Compare(a.table, b.table))
		})
		for _, k := range keys {
			row := s.rows[k]
			value, err := registry.Decode(k.table, []byte(row.value))
			if err != nil {
				t.Fatal(err)
			}
			valid := bitemporal.Interval{From: k.validFrom, To: row.validTo}
			if of(k, row) && !yield(registry.Row{Table: k.table, ID: k.id, Version: bitemporal.Version[any]{
				Valid: valid, KnownFrom: k.knownFrom, KnownTo: row.knownTo, Value: value,
			}}) {
				return
			}
		}
	}
}

func (s *store) effects() iter.Seq2[string, registry.Resting] {
	return func(yield func(string, registry.Resting) bool) {
		for _, f := range s.facts {
			if !yield(f.act, f.fact) {
				return
			}
		}
	}
}

func every(rowKey, storedRow) bool { return true }

func (s *store) digest(t *rapid.T) [32]byte {
	d, err := registry.RowsOf(slices.Collect(s.all(t, every))).Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A store that takes up what changes, while facts are predicted, taken back and settled,
// holds the rows of the state, whether the state holds what it needs to be quick or not.
func TestChangesCarryTheRows(t *testing.T) {
	samples := registrytest.Load(t, "..")
	rapid.Check(t, func(t *rapid.T) {
		var s registry.State
		kept, at, head := newStore(), uint64(0), uint64(0)
		hold := rapid.Bool().Draw(t, "hold")
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0:
				s.Rollback(head)
			case 1:
				head = rapid.Uint64Range(head, s.Position()).Draw(t, "head")
				s.Settle(head)
			case 2:
				kept.apply(t, s.Changes(at, head))
				if at = head; hold {
					s.Hold(at)
				}
				checkStore(t, kept, &s, at)
			default:
				samples.Fold(t, &s, rapid.IntRange(1, 40).Draw(t, "facts"))
			}
		}
		// Any way to come to a position is as good.
		after := rapid.Uint64Range(0, s.Position()).Draw(t, "after")
		to := rapid.Uint64Range(after, s.Position()).Draw(t, "to")
		two := newStore()
		two.apply(t, s.Changes(0, after))
		two.apply(t, s.Changes(after, to))
		checkStore(t, two, &s, to)
	})
}

// What was not made by the state is refused.
func TestRestoreRefuses(t *testing.T) {
	row := func(table string, value any) registry.Row {
		return registry.Row{Table: table, ID: "N000000001", Version: bitemporal.Version[any]{KnownFrom: 2, KnownTo: registry.StillKnown, Value: value}}
	}
	none := func(func(string, registry.Resting) bool) {}
	base, err := registry.Restore(nil, slices.Values([]registry.Row{row("networks", &topologyv1.Network{})}), none, 2)
	if err != nil {
		t.Fatal(err)
	}
	for want, one := range map[string]registry.Row{
		"": row("centres", &topologyv1.Centre{}),
		"row N000000001 of networks: the base holds rows of this table":           row("networks", &topologyv1.Network{}),
		`no table is called "nets"`:                                               row("nets", &topologyv1.Network{}),
		"row N000000001 of centres: a *topologyv1.Network is no value of it":      row("centres", &topologyv1.Network{}),
		"row N000000001 of measures: a *topologyv1.Network is no value of it":     row("measures", &topologyv1.Network{}),
		"row N000000001 of establishments: a activity.Measured is no value of it": row("establishments", activity.Measured{}),
		"row N000000001 of undertakings: a <nil> is no value of it":               row("undertakings", nil),
	} {
		got := ""
		if _, err := registry.Restore(base, slices.Values([]registry.Row{one}), none, 3); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: error %q, want %q", one.Table, got, want)
		}
	}
	for table, value := range map[string]string{"nets": "", "networks": "\xff", "measures": "\xff"} {
		if v, err := registry.Decode(table, []byte(value)); err == nil {
			t.Errorf("%q decodes as %v of %s", value, v, table)
		}
	}
}

func checkStore(t *rapid.T, kept *store, s *registry.State, at uint64) {
	want, err := s.Rows(at).Digest()
	if err != nil {
		t.Fatal(err)
	}
	if got := kept.digest(t); got != want {
		t.Fatalf("at %d the rows kept have the digest %x, those of the state %x", at, got, want)
	}
	whole := newStore()
	whole.apply(t, s.Changes(0, at))
	if !maps.Equal(kept.facts, whole.facts) {
		t.Fatalf("at %d the facts kept are %v, those of the state %v", at, kept.facts, whole.facts)
	}
	first := map[[2]string]uint64{}
	for k := range kept.rows {
		if p, met := first[[2]string{k.table, k.id}]; !met || k.knownFrom < p {
			first[[2]string{k.table, k.id}] = k.knownFrom
		}
	}
	for k, row := range kept.rows {
		if row.since != first[[2]string{k.table, k.id}] {
			t.Fatalf("%+v is said to be since %d", k, row.since)
		}
	}
}

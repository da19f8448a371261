package registry_test

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/eventlog"
	"maillage/services/labelling"
	"maillage/services/registry"
	"maillage/services/registry/query"
	"maillage/services/registry/registrytest"
)

// A state restored from the rows that a store brings, of all tables or of some beside
// others that are shared, answers every question as the state folded does.
func TestRestoredAnswersAll(t *testing.T) {
	samples := registrytest.Load(t, "..")
	rapid.Check(t, func(t *rapid.T) {
		var s registry.State
		records := samples.Fold(t, &s, rapid.IntRange(60, 200).Draw(t, "facts"))
		head := rapid.Uint64Range(s.Position()/2, s.Position()).Draw(t, "head")
		if rapid.Bool().Draw(t, "taken back") { // and others predicted instead
			s.Rollback(head)
			samples.Fold(t, &s, rapid.IntRange(0, 20).Draw(t, "facts predicted"))
		}
		kept := newStore()
		kept.apply(t, s.Changes(0, head))
		base, err := registry.Restore(nil, kept.all(t, inBase), func(func(string, registry.Resting) bool) {}, head)
		if err != nil {
			t.Fatal(err)
		}
		before := fmt.Sprint(base)
		shared, err := registry.Restore(base, kept.all(t, func(k rowKey, r storedRow) bool { return !inBase(k, r) }), kept.effects(), head)
		if err != nil {
			t.Fatal(err)
		}
		if after := fmt.Sprint(base); after != before {
			t.Fatalf("the base was\n%s\nand is\n%s", before, after)
		}
		whole, err := registry.Restore(nil, kept.all(t, every), kept.effects(), head)
		if err != nil {
			t.Fatal(err)
		}
		for _, restored := range []*registry.State{whole, shared} {
			again := newStore()
			again.apply(t, restored.Changes(0, head))
			if !maps.Equal(again.rows, kept.rows) || !maps.Equal(again.facts, kept.facts) {
				t.Fatalf("restored are %v and %v, kept were %v and %v", again.rows, again.facts, kept.rows, kept.facts)
			}
			sameAnswers(t, &s, restored, records[:head], 60)
		}
	})
}

func inBase(k rowKey, _ storedRow) bool {
	switch k.table {
	case "cycles", "acts", "campaigns", "networks", "filieres", "platforms", "plans", "missions", "periods":
		return true
	}
	return false
}

// What was believed at one position, with the first row of each entity, is enough for what
// is asked as known there.
func TestRestoredAsKnown(t *testing.T) {
	samples := registrytest.Load(t, "..")
	rapid.Check(t, func(t *rapid.T) {
		var s registry.State
		records := samples.Fold(t, &s, rapid.IntRange(60, 200).Draw(t, "facts"))
		kept := newStore()
		kept.apply(t, s.Changes(0, s.Position()))
		known := rapid.Uint64Range(s.Position()/2, s.Position()).Draw(t, "known")
		restored, err := registry.Restore(nil, kept.all(t, func(k rowKey, r storedRow) bool {
			return inBase(k, r) || k.knownFrom <= known && (known < r.knownTo || k.knownFrom == r.since)
		}), kept.effects(), s.Position())
		if err != nil {
			t.Fatal(err)
		}
		asked := questions{t, ids(&s), known, known, func(name string) bool {
			switch name { // what is told of the past of an entity needs its rows of then
			case "ListHistory", "GetReport", "ListActEffects", "DiffRegister", "CompareMaps":
				return false
			}
			return true
		}}
		for range 40 {
			asked.once(queriesOf(&s, s.Position(), records), queriesOf(restored, s.Position(), records))
		}
	})
}

func sameAnswers(t *rapid.T, folded, restored *registry.State, records []eventlog.Record, n int) {
	head := uint64(len(records))
	asked := questions{t, ids(folded), head / 2, head, func(string) bool { return true }}
	for range n {
		asked.once(queriesOf(folded, head, records), queriesOf(restored, head, records))
	}
}

// questions are any requests, about ids that are there and moments from one position to
// another.
type questions struct {
	t        *rapid.T
	ids      map[string][]string // by table, "" for all
	from, to uint64
	asked    func(method string) bool
}

func (a *questions) once(q, other *query.Queries) {
	var methods []string
	for m := range reflect.TypeFor[*query.Queries]().Methods() {
		if a.asked(m.Name) {
			methods = append(methods, m.Name)
		}
	}
	name := rapid.SampledFrom(methods).Draw(a.t, "method")
	method := reflect.ValueOf(q).MethodByName(name)
	req := reflect.New(method.Type().In(1).Elem())
	a.fill(req.Interface().(proto.Message).ProtoReflect())
	want, wantErr := answer(a.t, method, req)
	got, gotErr := answer(a.t, reflect.ValueOf(other).MethodByName(name), req)
	if fmt.Sprint(gotErr) != fmt.Sprint(wantErr) || !proto.Equal(got, want) {
		a.t.Fatalf("%s %v: restored\n%v (%v)\nfolded\n%v (%v)", name, req, got, gotErr, want, wantErr)
	}
}

func answer(t *rapid.T, method, req reflect.Value) (proto.Message, error) {
	out := method.Call([]reflect.Value{reflect.ValueOf(t.Context()), req})
	err, _ := reflect.TypeAssert[error](out[1])
	return out[0].Interface().(proto.Message), err
}

func (a *questions) fill(m protoreflect.Message) {
	for i := range m.Descriptor().Fields().Len() {
		f := m.Descriptor().Fields().Get(i)
		switch {
		case f.IsList() || f.Name() == "page_token" || f.Name() == "page_size":
		case f.Message() != nil && f.Message().FullName() == "maillage.registry.v1.AsOf":
			m.Set(f, protoreflect.ValueOfMessage((&registryv1.AsOf{
				ValidAt: rapid.SampledFrom([]string{"2012-01-01", "2018-06-01", "2024-02-01", "2030-01-01"}).Draw(a.t, "day"),
				KnownAt: &registryv1.AsOf_KnownPosition{KnownPosition: rapid.Uint64Range(a.from, a.to).Draw(a.t, "known")},
				Window:  registryv1.Window(rapid.Int32Range(0, 2).Draw(a.t, "window")),
			}).ProtoReflect()))
		case strings.HasSuffix(string(f.Name()), "_id"):
			table, _ := strings.CutSuffix(string(f.Name()), "_id")
			all, kind := a.ids[table+"s"]
			if !kind {
				all = a.ids[""]
			}
			m.Set(f, protoreflect.ValueOfString(rapid.SampledFrom(append(all, "")).Draw(a.t, "id")))
		case f.Name() == "region":
			m.Set(f, protoreflect.ValueOfString(rapid.SampledFrom([]string{"", "11", "988"}).Draw(a.t, "region")))
		case f.Name() == "period":
			m.Set(f, protoreflect.ValueOfString(rapid.SampledFrom(append(a.ids["codes"], "")).Draw(a.t, "period")))
		case f.Name() == "year":
			m.Set(f, protoreflect.ValueOfUint32(rapid.SampledFrom([]uint32{0, 2021, 2024, 2025}).Draw(a.t, "year")))
		case f.Name() == "revision":
			m.Set(f, protoreflect.ValueOfUint32(rapid.Uint32Range(0, 2).Draw(a.t, "revision")))
		case f.Kind() == protoreflect.BoolKind:
			m.Set(f, protoreflect.ValueOfBool(rapid.Bool().Draw(a.t, "switch")))
		}
	}
}

func ids(s *registry.State) map[string][]string {
	all := map[string][]string{}
	for r := range s.Rows(s.Position()).All() {
		all[r.Table], all[""] = append(all[r.Table], r.ID), append(all[""], r.ID)
		switch v := r.Value().(type) {
		case *labellingv1.Label:
			holder := labelling.HolderID(v.GetHolder())
			all["sites"], all[""] = append(all["sites"], holder), append(all[""], holder)
		case *activityv1.Period:
			all["codes"] = append(all["codes"], v.GetCode())
		}
	}
	for table, ids := range all {
		slices.Sort(ids)
		all[table] = slices.Compact(ids)
	}
	return all
}

// queriesOf asks a state of which each record is a commit.
func queriesOf(s *registry.State, head uint64, records []eventlog.Record) *query.Queries {
	day := time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)
	return query.New(query.Source{
		Head: func(context.Context, uint64) (uint64, error) { return head, nil },
		View: func(_ context.Context, _ query.Need, f func(s, latest *registry.State)) error {
			f(s, s)
			return nil
		},
		KnownAt:   func(time.Time) uint64 { return head },
		KnownTime: func(position uint64) time.Time { return day.Add(time.Duration(position) * time.Minute) },
		CommitEnd: func(position uint64) uint64 { return position },
		Record:    func(_ context.Context, position uint64) (eventlog.Record, error) { return records[position-1], nil },
		Records: func(_ context.Context, after, to uint64) iter.Seq2[eventlog.Record, error] {
			return func(yield func(eventlog.Record, error) bool) {
				for _, r := range records[after:to] {
					if !yield(r, nil) {
						return
					}
				}
			}
		},
		Personal: func(_ context.Context, ids []string) ([]string, error) { return ids, nil },
		Now:      func() time.Time { return day },
	})
}

// labelsGranted folds that many labels, each of a platform of its own, which stands for
// any holder. Every tenth was extended since.
func labelsGranted(tb testing.TB, n int) *registry.State {
	tb.Helper()
	s, at := new(registry.State), uint64(0)
	evolve := func(e *labellingv1.Event) {
		e.Meta, at = meta(1), at+1
		if _, err := s.Evolve(encode(tb, at, labelling.Subject(e), e)); err != nil {
			tb.Fatal(err)
		}
		if at%4096 == 0 {
			s.Hold(at)
			s.Settle(at)
		}
	}
	for i := range n * 9 / 10 {
		id := fmt.Sprintf("L%09d", i)
		evolve(&labellingv1.Event{Fact: &labellingv1.Event_LabelGranted{LabelGranted: &labellingv1.LabelGranted{
			LabelId: id, Role: labellingv1.Role_ROLE_PEMR, Period: &eventv1.Period{Start: "2019-01-01", End: "2024-01-01"},
			Holder: &labellingv1.Holder{Holder: &labellingv1.Holder_PlatformId{PlatformId: "P" + id[1:]}},
		}}})
		if i%9 == 0 {
			evolve(&labellingv1.Event{Fact: &labellingv1.Event_LabelExtended{LabelExtended: &labellingv1.LabelExtended{LabelId: id, End: "2025-01-01"}}})
		}
	}
	return s
}

func BenchmarkChanges(b *testing.B) {
	s := labelsGranted(b, 1_000_000)
	for name, after := range map[string]uint64{"one commit": s.Position() - 1, "one not held": 500_000, "all": 0} {
		to := s.Position()
		if after > 0 {
			to = after + 1
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if c := s.Changes(after, to); c.Len() == 0 {
					b.Fatal("nothing changed")
				}
			}
		})
	}
}

func BenchmarkRestore(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		s := labelsGranted(b, n)
		changes := s.Changes(0, s.Position())
		rows := slices.Collect(changes.All())
		b.Run(fmt.Sprintf("in order/%d", n), func(b *testing.B) {
			for b.Loop() {
				if _, err := registry.Restore(nil, slices.Values(rows), changes.Effects(), s.Position()); err != nil {
					b.Fatal(err)
				}
			}
		})
		rand.New(rand.NewPCG(1, 2)).Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		b.Run(fmt.Sprintf("in no order/%d", n), func(b *testing.B) {
			for b.Loop() {
				if _, err := registry.Restore(nil, slices.Values(rows), func(func(string, registry.Resting) bool) {}, s.Position()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

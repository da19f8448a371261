package query_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/eventlog"
	"maillage/services/registry/query"
)

// publishedAct is an act with the days of its publications.
func publishedAct(id string, days ...string) *labellingv1.Event {
	e := act(id, "Acte "+id, "")
	for _, day := range days {
		e.GetActRecorded().Publications = append(e.GetActRecorded().Publications, &labellingv1.Publication{Date: day})
	}
	return e
}

func confirmed(id string) *labellingv1.Event {
	return &labellingv1.Event{Fact: &labellingv1.Event_LabelConfirmed{LabelConfirmed: &labellingv1.LabelConfirmed{LabelId: id}}}
}

func amended(id string, role labellingv1.Role) *labellingv1.Event {
	return &labellingv1.Event{Fact: &labellingv1.Event_LabelAmended{LabelAmended: &labellingv1.LabelAmended{LabelId: id, Role: &role}}}
}

// TestPublishedByLeavesTopologyOut: what an act does to topology stands before the act in
// its commit, and is left out with it.
func TestPublishedByLeavesTopologyOut(t *testing.T) {
	w := newWorld(t)
	w.commit(network("N000000001", "", "Réseau", "RES", ""))
	fresh := network("N000000002", "", "Nouveau", "NOU", "")
	fresh.Meta = &eventv1.Meta{Basis: &eventv1.Basis{ActId: "ALATE00000", ActLine: 1}}
	w.commit(fresh, publishedAct("ALATE00000", "2025-05-05"))
	for by, want := range map[string]uint32{"2025-05-04": 1, "2025-05-05": 2} {
		got, err := w.queries().ListNetworks(t.Context(), &registryv1.ListNetworksRequest{AsOf: &registryv1.AsOf{PublishedBy: by}})
		if err != nil || got.GetTotalSize() != want {
			t.Errorf("by %s: %d networks (%v), want %d", by, got.GetTotalSize(), err, want)
		}
	}
}

// TestPublishedByKnowsTheNamesOfAll: a filter that names what an act left out registered
// finds nothing, and is no mistake.
func TestPublishedByKnowsTheNamesOfAll(t *testing.T) {
	w := newWorld(t)
	w.commit(network("N000000001", "", "Réseau", "RES", ""))
	fresh := network("N000000002", "", "Nouveau", "NOU", "")
	fresh.Meta = &eventv1.Meta{Basis: &eventv1.Basis{ActId: "ALATE00000", ActLine: 1}}
	w.commit(fresh, publishedAct("ALATE00000", "2025-05-05"),
		resting(granted("LFRESH0000", site("S000000001", "C000000001", "N000000002"), competence, "", "2024-01-01", "2029-01-01"), "ALATE00000", 1))
	for _, test := range []struct {
		by, network string
		found       int
		reason      string
	}{
		{"2025-05-05", "NOU", 1, "<nil>"},
		{"2025-05-04", "NOU", 0, "<nil>"},
		{"2025-05-04", "RES", 0, "<nil>"},
		{"2025-05-04", "NONE", 0, "NETWORK_UNKNOWN"},
	} {
		asOf := &registryv1.AsOf{ValidAt: "2025-01-01", PublishedBy: test.by}
		got, err := w.queries().ListLabels(t.Context(), &registryv1.ListLabelsRequest{AsOf: asOf, Network: test.network})
		if len(got.GetEntries()) != test.found || reason(err) != test.reason {
			t.Errorf("%s by %s: %v, %v", test.network, test.by, got.GetEntries(), err)
		}
		at, err := w.queries().GetMap(t.Context(), &registryv1.GetMapRequest{AsOf: asOf, Network: test.network})
		if reason(err) != test.reason {
			t.Errorf("map of %s by %s: %v, %v", test.network, test.by, at, err)
		}
	}
}

// TestPublishedByOfACitedAct: an act that was cited without a day of publication, and then
// listed with one, is kept from that on, with what its list says.
func TestPublishedByOfACitedAct(t *testing.T) {
	w := newWorld(t)
	cited := publishedAct("ACITED0000")
	w.commit(network("N000000001", "", "Réseau", "RES", ""), centre("C000000001"), cited)
	w.commit(resting(granted("LCITED0000", site("S000000001", "C000000001", "N000000001"), competence, "", "2024-01-01", "2029-01-01"), "ACITED0000", 0))
	before := w.head
	list := publishedAct("ACITED0000", "2024-01-10").GetActRecorded()
	list.LineCount = 1
	w.commit(
		&labellingv1.Event{Fact: &labellingv1.Event_ActListed{ActListed: &labellingv1.ActListed{Act: list}}},
		resting(confirmed("LCITED0000"), "ACITED0000", 1),
	)
	for _, c := range []struct {
		by      string
		known   uint64
		labels  uint32
		undated bool
	}{{"2024-01-09", w.head, 0, false}, {"2024-01-10", w.head, 1, false}, {"2024-01-10", before, 0, true}} {
		asOf := at("2024-02-01", c.known)
		asOf.PublishedBy = c.by
		got, err := w.queries().ListLabels(t.Context(), &registryv1.ListLabelsRequest{AsOf: asOf})
		if err != nil || got.GetTotalSize() != c.labels || len(got.GetResolved().GetUndatedActIds()) > 0 != c.undated {
			t.Errorf("by %s at %d: %v, %v", c.by, c.known, got, err)
		}
	}
	act, err := w.queries().GetAct(t.Context(), &registryv1.GetActRequest{ActId: "ACITED0000", AsOf: &registryv1.AsOf{PublishedBy: "2024-01-10"}})
	if err != nil || act.GetAct().GetLineCount() != 1 {
		t.Errorf("act %v, %v", act, err)
	}
	did, err := w.queries().ListActEffects(t.Context(), &registryv1.ListActEffectsRequest{ActId: "ACITED0000"})
	if err != nil || len(did.GetEffects()) != 1 || did.GetEffects()[0].GetLine() != 1 {
		t.Errorf("its list did %v, %v", did, err)
	}
}

func TestPublishedBy(t *testing.T) {
	w := newWorld(t)
	here := func(n int) *labellingv1.Holder { return site(numbered("S", n), numbered("C", n), "N000000001") }
	w.commit(
		network("N000000001", "", "Réseau", "RES", ""), centre("C000000001"), centre("C000000002"),
		publishedAct("AGRANT0000", "2024-01-10"), publishedAct("AERRATUM00", "2024-06"),
		publishedAct("ALATE00000", "2025-05-05"), publishedAct("AUNDATED00"), publishedAct("ATWICE0000", "2025-09-01", "2024-02"),
	)
	w.commit(
		resting(granted("LGRANTED00", here(1), competence, "", "2024-01-01", "2029-01-01"), "AGRANT0000", 1),
		resting(amended("LGRANTED00", constitutive), "AERRATUM00", 1),
		resting(granted("LUNDATED00", here(2), competence, "", "2017-01-01", "2022-01-01"), "AUNDATED00", 1),
		resting(renewed("LUNDATED00", "LRENEWED00", here(2), constitutive, "", "2024-01-01", "2029-01-01"), "ATWICE0000", 1),
		resting(granted("LTWOACTS00", here(3), competence, "", "2024-01-01", "2029-01-01"), "ALATE00000", 2),
		resting(confirmed("LTWOACTS00"), "AGRANT0000", 2),
		resting(confirmed("LGRANTED00"), "ALATE00000", 3),
		resting(granted("LLATE00000", here(4), competence, "", "2024-01-01", "2029-01-01"), "ALATE00000", 4),
	)
	w.commit(repealed("LLATE00000", "2026-01-01"), granted("LNOACT0000", here(5), competence, "", "2024-01-01", "2029-01-01"))
	q := w.queries()
	for name, test := range map[string]struct {
		by   string
		then string // labels and roles
	}{
		"nothing yet but what rests on no act":                {"2023-12-31", "LNOACT0000:4"},
		"the day of publication":                              {"2024-01-10", "LGRANTED00:4 LNOACT0000:4 LTWOACTS00:4"},
		"a month is past on its last day, an erratum not yet": {"2024-02-29", "LGRANTED00:4 LNOACT0000:4 LRENEWED00:2 LTWOACTS00:4"},
		"an erratum printed within a month that is not over":  {"2024-06-29", "LGRANTED00:4 LNOACT0000:4 LRENEWED00:2 LTWOACTS00:4"},
		"the erratum": {"2024-06-30", "LGRANTED00:2 LNOACT0000:4 LRENEWED00:2 LTWOACTS00:4"},
		"all that was published: what it left out stays so":      {"2025-12-31", "LGRANTED00:2 LLATE00000:4 LNOACT0000:4 LRENEWED00:2 LTWOACTS00:4"},
		"everything, by a day long after: an undated act is not": {"2099-01-01", "LGRANTED00:2 LLATE00000:4 LNOACT0000:4 LRENEWED00:2 LTWOACTS00:4"},
	} {
		t.Run(name, func(t *testing.T) {
			asOf := &registryv1.AsOf{ValidAt: "2025-01-01", PublishedBy: test.by}
			got, err := q.ListLabels(t.Context(), &registryv1.ListLabelsRequest{AsOf: asOf})
			if err != nil {
				t.Fatal(err)
			}
			var found []string
			for _, e := range got.GetEntries() {
				found = append(found, e.GetLabel().GetLabelId()+":"+string('0'+rune(e.GetLabel().GetRole())))
			}
			slices.Sort(found)
			if have := strings.Join(found, " "); have != test.then {
				t.Errorf("found %s, want %s", have, test.then)
			}
			if r := got.GetResolved(); !slices.Equal(r.GetUndatedActIds(), []string{"AUNDATED00"}) || r.GetPublishedBy() != test.by {
				t.Errorf("resolved %v", r)
			}
			again, err := q.ListLabels(t.Context(), &registryv1.ListLabelsRequest{AsOf: asOf})
			if err != nil || !proto.Equal(got, again) {
				t.Errorf("asked again: %v, %v", again, err)
			}
		})
	}
	got, err := q.GetLabel(t.Context(), &registryv1.GetLabelRequest{LabelId: "LRENEWED00", AsOf: &registryv1.AsOf{PublishedBy: "2024-03-01"}})
	if l := got.GetEntry().GetLabel(); err != nil || l.GetPredecessorId() != "" || l.GetBasis()[0].GetActId() != "ATWICE0000" {
		t.Errorf("a renewal of what was left out: %v, %v", l, err)
	}
	if _, err = q.GetLabel(t.Context(), &registryv1.GetLabelRequest{LabelId: "LUNDATED00", AsOf: &registryv1.AsOf{PublishedBy: "2024-03-01"}}); reason(err) != "LABEL_UNKNOWN" {
		t.Errorf("a label left out: %v", err)
	}
	if _, err = q.GetLabel(t.Context(), &registryv1.GetLabelRequest{LabelId: "LUNDATED00", AsOf: &registryv1.AsOf{PublishedBy: "2024-02-30"}}); reason(err) != "DATE_INVALID" {
		t.Errorf("no such day: %v", err)
	}
}

// A replay is made once for all who ask meanwhile; one that failed is made again.
func TestReplayIsMadeOnce(t *testing.T) {
	w := fixture(t)
	src := w.source()
	read := src.Records
	var replays atomic.Int32
	failing := errors.New("the log cannot be reached")
	src.Records = func(ctx context.Context, after, to uint64) iter.Seq2[eventlog.Record, error] {
		if replays.Add(1) == 1 {
			return func(yield func(eventlog.Record, error) bool) { yield(eventlog.Record{}, failing) }
		}
		return read(ctx, after, to)
	}
	q := query.New(src)
	ask := func() error {
		_, err := q.CountEntities(t.Context(), &registryv1.CountEntitiesRequest{AsOf: &registryv1.AsOf{PublishedBy: "2024-01-01"}, Unit: registryv1.CountUnit_COUNT_UNIT_LABEL})
		return err
	}
	if err := ask(); !errors.Is(err, failing) {
		t.Fatalf("got %v", err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := ask(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := replays.Load(); n != 2 {
		t.Errorf("%d replays", n)
	}
	src.Records = func(ctx context.Context, after, _ uint64) iter.Seq2[eventlog.Record, error] {
		return read(ctx, after, 3)
	}
	_, err := query.New(src).ListTodo(t.Context(), &registryv1.ListTodoRequest{AsOf: &registryv1.AsOf{PublishedBy: "2024-01-01"}})
	if hole, is := errors.AsType[*eventlog.HoleError](err); !is || hole.Position != 4 {
		t.Errorf("a log that ends early: %v", err)
	}
}

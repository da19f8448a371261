package query_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/activity"
	"maillage/services/eventlog"
	"maillage/services/labelling"
	"maillage/services/registry"
	"maillage/services/registry/postgres"
	"maillage/services/registry/query"
	"maillage/services/topology"
)

// world is a log in memory and the state folded from it: real events, encoded and
// folded as in a process, without a broker.
type world struct {
	tb       testing.TB
	mu       sync.RWMutex
	state    registry.State
	records  []eventlog.Record
	times    []time.Time // known time of each position, from 1
	ends     []uint64    // last position of each commit
	head     uint64
	now      time.Time
	personal map[string]string
	moved    chan struct{}   // closed once there is more to read
	store    *postgres.Store // of its rows, once they are asked for
}

// The days the world lives through: its first commit is at epoch, each later one a
// minute after.
var epoch = time.Date(2026, 1, 10, 8, 0, 0, 0, time.UTC)

func newWorld(tb testing.TB) *world {
	tb.Helper()
	return &world{tb: tb, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), personal: map[string]string{}, moved: make(chan struct{})}
}

// commit folds events as one commit and lets readers see it.
func (w *world) commit(events ...proto.Message) uint64 {
	w.tb.Helper()
	last := w.predict(events...)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.head = last
	close(w.moved)
	w.moved = make(chan struct{})
	return last
}

// predict folds events as one commit that readers may not see yet.
func (w *world) predict(events ...proto.Message) uint64 {
	w.tb.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, e := range events {
		r, at := w.record(e, i, len(events))
		if _, err := w.state.Evolve(r); err != nil {
			w.tb.Fatal(err)
		}
		w.records, w.times = append(w.records, r), append(w.times, at)
	}
	last := uint64(len(w.records))
	w.ends = append(w.ends, last)
	return last
}

// record is the next record, the one at a place in a commit of a size, and its known time.
func (w *world) record(e proto.Message, index, size int) (eventlog.Record, time.Time) {
	at := epoch.Add(time.Duration(len(w.ends)) * time.Minute)
	meta := &eventv1.Meta{
		Schema: 1, RecordTime: timestamppb.New(at),
		CommitIndex: uint32(index), CommitSize: uint32(size),
	}
	r := eventlog.Record{Position: uint64(len(w.records)) + 1}
	switch e := e.(type) {
	case *topologyv1.Event:
		meta.Basis, meta.Corrects = e.GetMeta().GetBasis(), e.GetMeta().GetCorrects()
		e.Meta, r.Subject = meta, topology.Subject(e)
	case *labellingv1.Event:
		meta.Basis, meta.Corrects = e.GetMeta().GetBasis(), e.GetMeta().GetCorrects()
		e.Meta, r.Subject = meta, labelling.Subject(e)
	case *activityv1.Event:
		meta.Basis = e.GetMeta().GetBasis()
		e.Meta, r.Subject = meta, activity.Subject(e)
	}
	if e, of := e.(*labellingv1.Event); of && r.Subject == "" {
		if _, label := labelling.DispositionOf(e); label != "" {
			r.Subject = "registry.labelling.label." + label
		} else {
			r.Subject = "registry.labelling.other.0000000000"
		}
	}
	body, err := proto.Marshal(e)
	if err != nil {
		w.tb.Fatal(err)
	}
	r.Body = body
	return r, at
}

func (w *world) queries() *query.Queries { return query.New(w.source()) }

// source is where the answers come from in this run of the tests.
func (w *world) source() query.Source {
	if onPostgres {
		return w.await(w.stored(w.memory()))
	}
	return w.memory()
}

func (w *world) memory() query.Source {
	return query.Source{
		Head: func(ctx context.Context, minPosition uint64) (uint64, error) {
			w.mu.RLock()
			defer w.mu.RUnlock()
			if minPosition > w.head {
				return 0, context.DeadlineExceeded
			}
			return w.head, ctx.Err()
		},
		View: func(ctx context.Context, need query.Need, f func(s, latest *registry.State)) error {
			w.mu.RLock()
			defer w.mu.RUnlock()
			if slices.Max(need.Known) > w.head {
				return context.DeadlineExceeded
			}
			f(&w.state, &w.state)
			return ctx.Err()
		},
		KnownAt: func(t time.Time) uint64 {
			w.mu.RLock()
			defer w.mu.RUnlock()
			var last uint64
			for i, at := range w.times {
				if !at.After(t) {
					last = uint64(i) + 1
				}
			}
			return last
		},
		KnownTime: func(position uint64) time.Time {
			w.mu.RLock()
			defer w.mu.RUnlock()
			if position == 0 {
				return time.Time{}
			}
			return w.times[position-1]
		},
		CommitEnd: func(position uint64) uint64 {
			w.mu.RLock()
			defer w.mu.RUnlock()
			var last uint64
			for _, end := range w.ends {
				if end <= position {
					last = end
				}
			}
			return last
		},
		Record: func(_ context.Context, position uint64) (eventlog.Record, error) {
			w.mu.RLock()
			defer w.mu.RUnlock()
			if position == 0 || position > uint64(len(w.records)) {
				return eventlog.Record{}, &eventlog.HoleError{Position: position}
			}
			return w.records[position-1], nil
		},
		Records: func(_ context.Context, after, to uint64) iter.Seq2[eventlog.Record, error] {
			return func(yield func(eventlog.Record, error) bool) {
				w.mu.RLock()
				rows := w.records[after:to]
				w.mu.RUnlock()
				for _, r := range rows {
					if !yield(r, nil) {
						return
					}
				}
			}
		},
		Personal: func(_ context.Context, ids []string) ([]string, error) {
			texts := make([]string, len(ids))
			for i, id := range ids {
				texts[i] = w.personal[id]
			}
			return texts, nil
		},
		Now: func() time.Time { return w.now },
	}
}

// Events, with the fields that these tests look at.

func establishment(id, from, name, finess, city, department string) *topologyv1.Event {
	return &topologyv1.Event{Fact: &topologyv1.Event_EstablishmentRegistered{EstablishmentRegistered: &topologyv1.EstablishmentRegistered{
		EstablishmentId: id, ValidFrom: from, Name: name, Finess: finess,
		Place: &topologyv1.Place{City: city, DepartmentCode: department},
	}}}
}

func establishmentRenamed(id, from, name string) *topologyv1.Event {
	return &topologyv1.Event{Fact: &topologyv1.Event_EstablishmentRenamed{EstablishmentRenamed: &topologyv1.EstablishmentRenamed{
		EstablishmentId: id, ValidFrom: from, Name: name,
	}}}
}

func centre(id string, establishmentIDs ...string) *topologyv1.Event {
	return &topologyv1.Event{Fact: &topologyv1.Event_CentreRegistered{CentreRegistered: &topologyv1.CentreRegistered{
		CentreId: id, EstablishmentIds: establishmentIDs,
	}}}
}

func centreInTown(id, city, department string) *topologyv1.Event {
	return centreAt(id, &topologyv1.Place{City: city, DepartmentCode: department})
}

func centreAt(id string, place *topologyv1.Place) *topologyv1.Event {
	return &topologyv1.Event{Fact: &topologyv1.Event_CentreRegistered{CentreRegistered: &topologyv1.CentreRegistered{
		CentreId: id, Place: place,
	}}}
}

func network(id, from, title, acronym, filiereID string) *topologyv1.Event {
	return &topologyv1.Event{Fact: &topologyv1.Event_NetworkRegistered{NetworkRegistered: &topologyv1.NetworkRegistered{
		NetworkId: id, ValidFrom: from, Title: title, Acronym: acronym, FiliereId: filiereID,
	}}}
}

func networkAttached(id, from, filiereID string) *topologyv1.Event {
	return &topologyv1.Event{Fact: &topologyv1.Event_NetworkAttached{NetworkAttached: &topologyv1.NetworkAttached{
		NetworkId: id, ValidFrom: from, FiliereId: filiereID,
	}}}
}

func filiere(id, from, acronym, name, establishmentID string) *topologyv1.Event {
	return &topologyv1.Event{Fact: &topologyv1.Event_FiliereRegistered{FiliereRegistered: &topologyv1.FiliereRegistered{
		FiliereId: id, ValidFrom: from, Acronym: acronym, Name: name, EstablishmentId: establishmentID,
	}}}
}

func platform(id, name, establishmentID string) *topologyv1.Event {
	return &topologyv1.Event{Fact: &topologyv1.Event_PlatformRegistered{PlatformRegistered: &topologyv1.PlatformRegistered{
		PlatformId: id, Name: name, Kind: topologyv1.PlatformKind_PLATFORM_KIND_PEMR, EstablishmentIds: []string{establishmentID},
	}}}
}

func cycle(id, code, start, end string, aliases ...string) *labellingv1.Event {
	return &labellingv1.Event{Fact: &labellingv1.Event_CycleRegistered{CycleRegistered: &labellingv1.CycleRegistered{
		CycleId: id, Code: code, Aliases: aliases, Period: &eventv1.Period{Start: start, End: end},
	}}}
}

func act(id, title, nor string) *labellingv1.Event {
	return &labellingv1.Event{Fact: &labellingv1.Event_ActRecorded{ActRecorded: &labellingv1.ActRecorded{
		ActId: id, Title: title, Nor: nor, Kind: labellingv1.ActKind_ACT_KIND_ARRETE,
	}}}
}

func site(id, centreID, networkID string) *labellingv1.Holder {
	return &labellingv1.Holder{Holder: &labellingv1.Holder_Site{Site: &labellingv1.Site{SiteId: id, CentreId: centreID, NetworkId: networkID}}}
}

func granted(id string, h *labellingv1.Holder, role labellingv1.Role, cycleID, start, end string) *labellingv1.Event {
	return &labellingv1.Event{Fact: &labellingv1.Event_LabelGranted{LabelGranted: &labellingv1.LabelGranted{
		LabelId: id, Holder: h, Role: role, CycleId: cycleID, Period: &eventv1.Period{Start: start, End: end},
	}}}
}

func renewed(id, successor string, h *labellingv1.Holder, role labellingv1.Role, cycleID, start, end string) *labellingv1.Event {
	return &labellingv1.Event{Fact: &labellingv1.Event_LabelRenewed{LabelRenewed: &labellingv1.LabelRenewed{
		LabelId: id, SuccessorId: successor, Holder: h, Role: role, CycleId: cycleID, Period: &eventv1.Period{Start: start, End: end},
	}}}
}

func repealed(id, from string) *labellingv1.Event {
	return &labellingv1.Event{Fact: &labellingv1.Event_LabelRepealed{LabelRepealed: &labellingv1.LabelRepealed{LabelId: id, RepealedFrom: from}}}
}

func correctedRole(id string, position uint64, role labellingv1.Role) *labellingv1.Event {
	return &labellingv1.Event{
		Meta: &eventv1.Meta{Corrects: position},
		Fact: &labellingv1.Event_LabelCorrected{LabelCorrected: &labellingv1.LabelCorrected{LabelId: id, Role: &role}},
	}
}

func assertion(entity, field, value string) *labellingv1.Event {
	return &labellingv1.Event{Fact: &labellingv1.Event_AssertionRecorded{AssertionRecorded: &labellingv1.AssertionRecorded{
		EntityId: entity, Field: field, Value: value,
	}}}
}

// numbered makes ids of 10 characters.
func numbered(prefix string, n int) string { return fmt.Sprintf("%s%0*d", prefix, 10-len(prefix), n) }

// takeBack forgets what is predicted.
func (w *world) takeBack() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state.Rollback(w.head)
	w.records, w.times = w.records[:w.head], w.times[:w.head]
	for w.ends[len(w.ends)-1] > w.head {
		w.ends = w.ends[:len(w.ends)-1]
	}
}

// resting gives an event an act and a line to rest on.
func resting(e *labellingv1.Event, actID string, line int) *labellingv1.Event {
	e.Meta = &eventv1.Meta{Basis: &eventv1.Basis{ActId: actID, ActLine: uint32(line)}}
	return e
}

package memory

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/eventlog"
	"maillage/services/fact"
	"maillage/services/fault"
	"maillage/services/registry"
)

// ListHistory reads back every event that made or changed an entity or a label that it
// held, and what sources said of it, in the order recorded.
func (q *Queries) ListHistory(ctx context.Context, req *registryv1.ListHistoryRequest) (*registryv1.ListHistoryResponse, error) {
	m, err := q.resolve(ctx, req.GetAsOf(), nil)
	if err != nil {
		return nil, err
	}
	var positions []uint64
	err = q.view(ctx, m, func(s *registry.State) error {
		positions = lens{s, m}.touching(req.GetEntityId())
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(positions) == 0 {
		return nil, fault.New(fault.NotFound, "ENTITY_UNKNOWN", "entity_id",
			"nothing with the id %s is known at position %d", req.GetEntityId(), m.known)
	}
	resp := &registryv1.ListHistoryResponse{Resolved: q.resolved(m), Facts: make([]*registryv1.Fact, 0, len(positions))}
	for _, p := range positions {
		r, err := q.src.Record(ctx, p)
		if err != nil {
			return nil, err
		}
		f, err := stored(r)
		if err != nil {
			return nil, err
		}
		resp.Facts = append(resp.Facts, f)
	}
	return resp, nil
}

// stored decodes a record.
func stored(r eventlog.Record) (*registryv1.Fact, error) {
	f := &registryv1.Fact{Position: r.Position}
	var event proto.Message
	switch {
	case strings.HasPrefix(r.Subject, "registry.topology."):
		e := &topologyv1.Event{}
		f.Event, event = &registryv1.Fact_Topology{Topology: e}, e
	case strings.HasPrefix(r.Subject, "registry.labelling."):
		e := &labellingv1.Event{}
		f.Event, event = &registryv1.Fact_Labelling{Labelling: e}, e
	default:
		return nil, fmt.Errorf("position %d: %w: %s is of no entity", r.Position, fact.ErrUnreadable, r.Subject)
	}
	if err := proto.Unmarshal(r.Body, event); err != nil {
		return nil, fmt.Errorf("position %d: %w: %w", r.Position, fact.ErrUnreadable, err)
	}
	return f, nil
}

// touching returns the known positions of the events that concern an entity,
// ascending.
func (l lens) touching(id string) []uint64 {
	topo, lab := &l.s.Topology, &l.s.Labelling
	found := slices.Concat(
		recorded(&topo.Establishments, id), recorded(&topo.Centres, id), recorded(&topo.Networks, id),
		recorded(&topo.Filieres, id), recorded(&topo.Platforms, id),
		recorded(&lab.Cycles, id), recorded(&lab.Acts, id), recorded(&lab.Labels, id),
	)
	about := []string{id}
	for label := range lab.LabelsOf(id, l.m.known) {
		about = append(about, label.GetLabelId())
		found = append(found, recorded(&lab.Labels, label.GetLabelId())...)
	}
	found = append(found, l.asserted(about)...)
	slices.Sort(found)
	found = slices.Compact(found)
	after, _ := slices.BinarySearch(found, l.m.known+1)
	return found[:after]
}

// recorded returns the positions at which something was asserted of an id, or what
// had been asserted was closed.
func recorded[V any](t *bitemporal.Table[V], id string) []uint64 {
	versions := t.History(id)
	positions := make([]uint64, 0, 2*len(versions))
	for _, v := range versions {
		positions = append(positions, v.KnownFrom, v.KnownTo) // Latest is after every head
	}
	return positions
}

// asserted returns the positions of what sources say of entities. Those are looked for
// among all assertions, and so only where there is one to be found.
func (l lens) asserted(ids []string) (positions []uint64) {
	lab := &l.s.Labelling
	none := func(id string) bool { return len(lab.AssertionsAbout(id, l.m.known)) == 0 }
	if ids = slices.DeleteFunc(ids, none); len(ids) == 0 {
		return nil
	}
	for key := range lab.Assertions.IDs() {
		for _, v := range lab.Assertions.History(key) {
			if slices.Contains(ids, v.Value.GetEntityId()) {
				positions = append(positions, v.KnownFrom)
			}
		}
	}
	return positions
}

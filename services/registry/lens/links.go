package lens

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/fault"
)

// Links finds the links that hold on the day, or all of them, that touch an entity or
// any, by kind and the names of their ends: ENTITY_UNKNOWN where nothing that can be the end
// of one has the id.
func (l Lens) Links(req *registryv1.ListLinksRequest) ([]*registryv1.LinkEntry, error) {
	topo := &l.s.Topology
	all := topo.Links.IDs()
	if id := req.GetEntityId(); id != "" {
		if l.lineage(id) == nil {
			return nil, entityUnknown("entity_id", id, l.m)
		}
		all = func(yield func(string) bool) {
			for link := range topo.LinksOf(id, l.m.known) {
				if !yield(link.GetLinkId()) {
					return
				}
			}
		}
	}
	var entries []*registryv1.LinkEntry
	for id := range all {
		e := l.linkEntry(id)
		if e == nil || !e.GetHolds() && !req.GetWithEnded() ||
			len(req.GetKinds()) > 0 && !slices.Contains(req.GetKinds(), e.GetLink().GetKind()) {
			continue
		}
		entries = append(entries, e)
	}
	folds := folder{}
	slices.SortFunc(entries, func(a, b *registryv1.LinkEntry) int {
		return cmp.Or(
			int(a.GetLink().GetKind()-b.GetLink().GetKind()),
			strings.Compare(folds.fold(a.GetFromName()), folds.fold(b.GetFromName())),
			strings.Compare(folds.fold(a.GetToName()), folds.fold(b.GetToName())),
			strings.Compare(a.GetLink().GetLinkId(), b.GetLink().GetLinkId()),
		)
	})
	return entries, nil
}

// linkEntry is a link with its values of the day or, where it does not hold then, those
// it had last; nil where it is unknown.
func (l Lens) linkEntry(id string) *registryv1.LinkEntry {
	link, held := l.s.Topology.Links.At(id, l.m.valid, l.m.known)
	if !held {
		if link, held = l.s.Topology.Links.Last(id, l.m.known); !held {
			return nil
		}
	}
	e := &registryv1.LinkEntry{
		Link: link, FromName: l.called(link.GetFromId()), ToName: link.GetCode(),
		Holds: l.s.Topology.InForce(link, l.m.valid, l.m.known),
	}
	if link.GetToId() != "" {
		e.ToName = l.called(link.GetToId())
	}
	if link.GetNetworkId() != "" {
		e.NetworkAcronym = l.networkName(link.GetNetworkId())
	}
	return e
}

// called is what people call an entity: networks and filières by their acronyms.
func (l Lens) called(id string) string {
	network := near(&l.s.Topology.Networks, id, l.m)
	return cmp.Or(network.GetAcronym(), network.GetTitle(), near(&l.s.Topology.Filieres, id, l.m).GetAcronym(), l.entityName(id))
}

// linkName is the ends of a link, as people call them.
func (l Lens) linkName(link *topologyv1.Link) string {
	e := l.linkEntry(link.GetLinkId())
	return link.GetKind().String() + " " + e.GetFromName() + " – " + e.GetToName()
}

// continuityName is the two that are one, the one to go by first.
func (l Lens) continuityName(one *topologyv1.Continuity) string {
	return fmt.Sprintf("%s (%s) = %s", l.called(one.GetKeptId()), one.GetKeptId(), one.GetOtherId())
}

func entityUnknown(field, id string, m moment) error {
	return fault.New(fault.NotFound, "ENTITY_UNKNOWN", field, "nothing of this kind with the id %s is known at position %d", id, m.known)
}

// lineage is what the entities that can close have in common. Its law: one that is closed
// names all who took its place, who name it.
type lineage interface {
	GetPredecessorIds() []string
	GetSuccessorIds() []string
	GetClosedFrom() string
	GetClosed() bool
}

// Succession is the chain that an entity stands in, in the values known last, earliest
// first, and those that are in its place on the day: ENTITY_UNKNOWN where nothing has the
// id that can close.
func (l Lens) Succession(id string) (*registryv1.GetSuccessionResponse, error) {
	topo := &l.s.Topology
	if l.lineage(id) == nil {
		return nil, entityUnknown("entity_id", id, l.m)
	}
	resp := &registryv1.GetSuccessionResponse{PresentIds: topo.Present(id, l.m.valid, l.m.known)}
	for _, id := range topo.Chain(id, l.m.known) {
		one := l.lineage(id)
		if one == nil {
			continue
		}
		last := l
		last.m.valid = bitemporal.Future - 1
		resp.Nodes = append(resp.Nodes, &registryv1.SuccessionNode{
			EntityId: id, Name: last.called(id), Closed: one.GetClosed(), ClosedFrom: one.GetClosedFrom(),
			PredecessorIds: one.GetPredecessorIds(), SuccessorIds: one.GetSuccessorIds(),
			Continuities: topo.ContinuitiesOf(id, l.m.known),
		})
	}
	return resp, nil
}

// lineage is what is known last of whom an entity came from and who took its place; nil
// for none.
func (l Lens) lineage(id string) lineage {
	topo := &l.s.Topology
	if v, ok := topo.Centres.Last(id, l.m.known); ok {
		return v
	}
	if v, ok := topo.Networks.Last(id, l.m.known); ok {
		return v
	}
	if v, ok := topo.Establishments.Last(id, l.m.known); ok {
		return v
	}
	if v, ok := topo.Filieres.Last(id, l.m.known); ok {
		return v
	}
	if v, ok := topo.Platforms.Last(id, l.m.known); ok {
		return v
	}
	return nil
}

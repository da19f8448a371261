package lens

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/eventlog"
	"maillage/services/fact"
)

// Touching is the positions of the facts that concern an entity, ascending:
// ENTITY_UNKNOWN where there is none.
func (l Lens) Touching(id string) ([]uint64, error) {
	positions := l.touching(id)
	if len(positions) == 0 {
		return nil, entityUnknown("entity_id", id, l.m)
	}
	return positions, nil
}

// Fact reads a record with what it changed; one that concerns several entities, such as
// a merger, shows what it changed of the one asked about.
func (l Lens) Fact(r eventlog.Record, about string) (*registryv1.Fact, error) {
	f, err := stored(r)
	if err != nil {
		return nil, err
	}
	f.Changes = l.factChanges(r.Subject, r.Position, about)
	basis := cmp.Or(f.GetTopology().GetMeta(), f.GetLabelling().GetMeta(), f.GetActivity().GetMeta()).GetBasis()
	act, _ := l.s.Labelling.Acts.At(basis.GetActId(), l.m.valid, l.m.known)
	f.ActTitle = act.GetTitle()
	return f, nil
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
	case strings.HasPrefix(r.Subject, "registry.activity."):
		e := &activityv1.Event{}
		f.Event, event = &registryv1.Fact_Activity{Activity: e}, e
	default:
		return nil, fmt.Errorf("position %d: %w: %s is of no entity", r.Position, fact.ErrUnreadable, r.Subject)
	}
	if err := proto.Unmarshal(r.Body, event); err != nil {
		return nil, fmt.Errorf("position %d: %w: %w", r.Position, fact.ErrUnreadable, err)
	}
	return f, nil
}

// touching returns the known positions of the events that concern an entity,
// ascending: those about it, about the links and continuities at either end of which it
// stands, about the labels and offices it held (a centre by its sites), what sources said
// of any of them or was settled to be about them, the ids that others use for any of them, the outcomes it had where it is a
// network, what it does (a centre by its sites), and all that rests on it where it is an
// act.
func (l Lens) touching(id string) []uint64 {
	topo, lab := &l.s.Topology, &l.s.Labelling
	found := slices.Concat(
		recorded(&topo.Establishments, id), recorded(&topo.Centres, id), recorded(&topo.Networks, id),
		recorded(&topo.Filieres, id), recorded(&topo.Platforms, id),
		recorded(&topo.Links, id), recorded(&topo.Continuities, id), recorded(&topo.Plans, id), recorded(&topo.Aliases, id),
		recorded(&lab.Cycles, id), recorded(&lab.Acts, id), recorded(&lab.Labels, id),
		recorded(&lab.Campaigns, id), recorded(&lab.Offices, id), recorded(&lab.Drafts, id),
	)
	for _, fact := range l.s.RestingOn(id, l.m.known) {
		found = append(found, fact.Position)
	}
	for _, tie := range topo.Ties(id) {
		found = append(append(found, recorded(&topo.Links, tie)...), recorded(&topo.Continuities, tie)...)
	}
	about := []string{id}
	for _, holder := range append(slices.Collect(lab.SitesOf(id, l.m.known)), id) {
		for label := range lab.LabelsOf(holder, l.m.known) {
			about = append(about, label.GetLabelId())
			found = append(found, recorded(&lab.Labels, label.GetLabelId())...)
		}
		for _, alias := range topo.AliasesEver(holder) {
			found = append(found, recorded(&topo.Aliases, alias)...)
		}
		for office := range lab.OfficesOf(holder, l.m.known) {
			about = append(about, office.GetOfficeId())
			found = append(found, recorded(&lab.Offices, office.GetOfficeId())...)
		}
		if holder != id {
			about = append(about, holder)
		}
		found = append(found, l.s.Activity.Touching(holder, l.m.known)...)
	}
	for _, one := range about {
		found = append(found, lab.SettledOf(one)...)
	}
	found = slices.Concat(found, l.asserted(about), l.outcomes(id))
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

// outcomes returns the positions of the outcomes that a network had, in all campaigns:
// each adds one to those of its campaign.
func (l Lens) outcomes(network string) (positions []uint64) {
	campaigns := &l.s.Labelling.Campaigns
	for id := range campaigns.IDs() {
		for _, v := range campaigns.History(id) {
			if all := v.Value.GetOutcomes(); len(all) > 0 && all[len(all)-1].GetNetworkId() == network {
				positions = append(positions, v.KnownFrom)
			}
		}
	}
	return positions
}

// asserted returns the positions of what sources say of entities. Those are looked for
// among all assertions, and so only where there is one to be found.
func (l Lens) asserted(ids []string) (positions []uint64) {
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

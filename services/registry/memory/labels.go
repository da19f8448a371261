package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/labelling"
	"maillage/services/registry"
)

// GetLabel finds a label by its id, with its status on the day asked for.
func (q *Queries) GetLabel(ctx context.Context, req *registryv1.GetLabelRequest) (*registryv1.GetLabelResponse, error) {
	m, err := q.resolve(ctx, req.GetAsOf(), nil)
	if err != nil {
		return nil, err
	}
	var entry *registryv1.LabelEntry
	err = q.view(ctx, m, func(s *registry.State) error {
		l := lens{s, m}
		label, status, known := l.label(req.GetLabelId())
		if !known {
			return unknown("LABEL", req.GetLabelId(), m)
		}
		h := l.holding(label)
		h.status = status
		entry = l.entry(&h)
		return nil
	})
	if err != nil {
		return nil, err
	}
	q.name(entry)
	return &registryv1.GetLabelResponse{Entry: entry, Resolved: q.resolved(m)}, nil
}

// ListLabels finds the labels that match, by filière, network, role and place; those
// without filière come last. In the operational window they are those that work, or
// may, whatever their status, unless statuses are asked for besides. A filter that names nothing known at the head is an error
// (FILIERE_UNKNOWN and the like); one that names what became known after the moment
// asked about finds nothing.
func (q *Queries) ListLabels(ctx context.Context, req *registryv1.ListLabelsRequest) (*registryv1.ListLabelsResponse, error) {
	filter := proto.CloneOf(req)
	filter.AsOf, filter.PageSize, filter.PageToken = nil, 0, ""
	filters, err := proto.MarshalOptions{Deterministic: true}.Marshal(filter)
	if err != nil {
		return nil, fmt.Errorf("digest of the request: %w", err)
	}
	query, err := digest("LABEL", req.GetAsOf(), string(filters))
	if err != nil {
		return nil, err
	}
	page, err := pageOf(req, query)
	if err != nil {
		return nil, err
	}
	m, err := q.resolve(ctx, req.GetAsOf(), page)
	if err != nil {
		return nil, err
	}
	resp := &registryv1.ListLabelsResponse{}
	err = q.view(ctx, m, func(s *registry.State) error {
		l := lens{s, m}
		f, err := l.filterOf(req)
		if err != nil {
			return err
		}
		all := l.find(f)
		var from, to int
		from, to, resp.NextPageToken = span(req, page, query, m, len(all))
		resp.TotalSize = uint32(len(all))
		resp.Entries = make([]*registryv1.LabelEntry, 0, to-from)
		for _, one := range all[from:to] {
			resp.Entries = append(resp.Entries, l.entry(&one.holding))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, e := range resp.GetEntries() {
		q.name(e)
	}
	resp.Resolved = q.resolved(m)
	return resp, nil
}

// name puts the names of persons into an entry, from the vault.
func (q *Queries) name(e *registryv1.LabelEntry) {
	e.HeadName = q.personal(e.GetLabel().GetHead())
	q.nameOffices(e.GetOffices())
}

func (q *Queries) nameOffices(offices []*registryv1.OfficeEntry) {
	for _, o := range offices {
		o.Name = q.personal(o.GetOffice().GetName())
	}
}

func (q *Queries) personal(v *eventv1.PersonalValue) string {
	if id := v.GetValueId(); id != "" {
		return q.src.Personal(id)
	}
	return ""
}

// entry prints a holding, but for the names of persons, which are not in the state.
func (l lens) entry(h *holding) *registryv1.LabelEntry {
	e := &registryv1.LabelEntry{
		Label:          h.label,
		Status:         h.status,
		CycleCode:      near(&l.s.Labelling.Cycles, h.label.GetCycleId(), l.m).GetCode(),
		NetworkTitle:   h.network.GetTitle(),
		NetworkAcronym: h.network.GetAcronym(),
		FiliereId:      h.filiere.GetFiliereId(),
		FiliereAcronym: h.filiere.GetAcronym(),
		City:           h.city(),
		DepartmentCode: h.department(),
		HolderName:     h.holderName,
		Assertions:     l.assertions(h.label),
	}
	for _, o := range h.establishments {
		e.EstablishmentNames = append(e.EstablishmentNames, o.GetName())
	}
	e.RegionCode = h.region()
	e.OperationState, _ = l.s.Labelling.OperationAt(h.label.GetLabelId(), l.m.valid, l.m.known, &l.s.Topology)
	for _, o := range l.offices(labelling.HolderID(h.label.GetHolder())) {
		if heldOn(o.GetPeriod(), l.m.valid) {
			e.Offices = append(e.Offices, &registryv1.OfficeEntry{Office: o})
		}
	}
	return e
}

// found is a label that matches and, folded, what the list is sorted by.
type found struct {
	holding
	byFiliere, byNetwork, byPlace string
}

func (a *found) compare(b *found) int {
	return cmp.Or(
		emptyLast(a.byFiliere, b.byFiliere), strings.Compare(a.byNetwork, b.byNetwork),
		rank(a.label.GetRole())-rank(b.label.GetRole()),
		strings.Compare(a.byPlace, b.byPlace), strings.Compare(a.label.GetLabelId(), b.label.GetLabelId()),
	)
}

// find returns the labels that match, in the order of the list. It looks at every
// label of the register, at the cheapest of its properties first.
func (l lens) find(f *labelFilter) []*found {
	var all []*found
	for id := range l.s.Labelling.Labels.IDs() {
		label, known := l.s.Labelling.Label(id, l.m.known)
		if !known || len(f.roles) > 0 && !slices.Contains(f.roles, label.GetRole()) ||
			!f.cycles.holds(label.GetCycleId()) || !f.networks.holds(networkOf(label)) {
			continue
		}
		status, _ := l.s.Labelling.StatusAt(id, l.m.valid, l.m.known, &l.s.Topology)
		if len(f.statuses) > 0 && !slices.Contains(f.statuses, status) || l.m.operational() && !l.operates(id) {
			continue
		}
		one := &found{holding: l.holding(label)}
		if !f.matches(&one.holding) {
			continue
		}
		one.status = status
		one.byFiliere = f.fold(one.filiere.GetAcronym())
		one.byNetwork = f.fold(cmp.Or(one.network.GetAcronym(), one.network.GetTitle()))
		one.byPlace = f.fold(one.city())
		if len(one.establishments) > 0 {
			one.byPlace = f.fold(one.establishments[0].GetName())
		}
		all = append(all, one)
	}
	slices.SortFunc(all, (*found).compare)
	return all
}

// rank orders roles from the coordinator down; a role not stated is last.
func rank(r labellingv1.Role) int {
	if r == labellingv1.Role_ROLE_UNSPECIFIED {
		return len(labellingv1.Role_name)
	}
	return int(r)
}

func emptyLast(a, b string) int {
	switch {
	case a == b:
		return 0
	case a == "":
		return 1
	case b == "":
		return -1
	}
	return strings.Compare(a, b)
}

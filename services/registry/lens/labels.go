package lens

import (
	"cmp"
	"slices"
	"strings"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
)

// Label finds a label by its id, with its status on the day: LABEL_UNKNOWN.
func (l Lens) Label(id string) (*registryv1.LabelEntry, error) {
	label, status, known := l.label(id)
	if !known {
		return nil, unknown("LABEL", id, l.m)
	}
	return l.entryOf(label, status), nil
}

func (l Lens) entryOf(label *labellingv1.Label, status labellingv1.Status) *registryv1.LabelEntry {
	h := l.holding(label)
	h.status = status
	return l.entry(&h)
}

// FindLabels finds the labels that match, by filière, network, role and place; those
// without filière come last. It prints those that page chooses, which is called once with
// how many there are. In the operational window they are those that work, or may,
// whatever their status, unless statuses are asked for besides. Where there are none,
// Forgive may find what is meant.
func (l Lens) FindLabels(f *LabelFilter, page Pager) []*registryv1.LabelEntry {
	all := l.find(f)
	from, to := page(len(all))
	entries := make([]*registryv1.LabelEntry, 0, to-from)
	for _, one := range all[from:to] {
		one.status = l.status(one.label.GetLabelId())
		entries = append(entries, l.entry(&one.holding))
	}
	return entries
}

// entry prints a holding, but for the names of persons, which are not in the state.
func (l Lens) entry(h *holding) *registryv1.LabelEntry {
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
	e.Offices = l.officesHeld(holderOf(h.label))
	return e
}

// found is a label that matches and, folded, what the list is sorted by.
type found struct {
	holding
	byFiliere, byNetwork, byPlace string
}

// sortBy folds what the list is sorted by.
func (a *found) sortBy(f folder) {
	a.byFiliere = f.fold(a.filiere.GetAcronym())
	a.byNetwork = f.fold(cmp.Or(a.network.GetAcronym(), a.network.GetTitle()))
	a.byPlace = f.fold(a.city())
	if len(a.establishments) > 0 {
		a.byPlace = f.fold(a.establishments[0].GetName())
	}
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
func (l Lens) find(f *LabelFilter) []*found {
	var all []*found
	for id := range l.s.Labelling.Labels.IDs() {
		label, known := l.s.Labelling.Label(id, l.m.known)
		if !known || len(f.roles) > 0 && !slices.Contains(f.roles, label.GetRole()) ||
			!f.cycles.holds(label.GetCycleId()) || !f.networks.holds(networkOf(label)) {
			continue
		}
		one := &found{holding: l.holding(label)}
		if !f.matches(&one.holding) {
			continue
		}
		if len(f.statuses) > 0 && !slices.Contains(f.statuses, l.status(id)) || l.m.operational() && !l.operates(id) {
			continue
		}
		one.sortBy(f.folder)
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

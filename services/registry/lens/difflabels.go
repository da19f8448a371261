package lens

import (
	"cmp"
	"slices"

	"google.golang.org/protobuf/proto"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/identifier"
	"maillage/services/labelling"
)

// held tells whether a label is held on the day, or may be.
func held(s labellingv1.Status) bool {
	switch s {
	case labellingv1.Status_STATUS_IN_FORCE, labellingv1.Status_STATUS_EXTENDED, labellingv1.Status_STATUS_SUSPENDED,
		labellingv1.Status_STATUS_IN_ABEYANCE, labellingv1.Status_STATUS_UNDETERMINED:
		return true
	}
	return false
}

func holderOf(label *labellingv1.Label) string { return labelling.HolderID(label.GetHolder()) }

// labels finds the labels that differ. One that was not known appeared, whatever its
// status; one that is held on one of the days only appeared or disappeared.
func (c comparison) labels(before, after []labelState) []*registryv1.Difference {
	lists := c.lists()
	all := inParts(paired(before, after), partSize, func(pairs []pair) (part []*registryv1.Difference) {
		for _, p := range pairs {
			if *p.before == *p.after {
				continue
			}
			if d := c.label(p.before, p.after, lists); d != nil {
				part = append(part, d)
			}
		}
		return part
	})
	sortByName(all)
	return all
}

// label is how a label differs, nil where it is not asked for or does not.
func (c comparison) label(a, b *labelState, lists []scoped) *registryv1.Difference {
	id := cmp.Or(a.label, b.label).GetLabelId()
	if !c.chosen.holds(id) {
		return nil
	}
	d := &registryv1.Difference{EntityKind: "label", EntityId: id, Changes: c.labelChanges(a, b)}
	switch {
	case len(d.Changes) == 0 && a.label != nil && b.label != nil:
		return nil
	case a.label == nil || b.label == nil:
		d.Kind = differenceKind(a.label != nil, b.label != nil)
	default:
		d.Kind = differenceKind(held(a.status), held(b.status))
	}
	d.Name = c.y.labelName(cmp.Or(b.label, a.label))
	d.Positions, d.ActIds = c.madeLabel(id, a, b, lists)
	return d
}

func (c comparison) labelChanges(a, b *labelState) (changes []*labellingv1.Change) {
	if a.status != b.status {
		change := &labellingv1.Change{Field: "status"}
		if a.label != nil {
			change.Before = a.status.String()
		}
		if b.label != nil {
			change.After = b.status.String()
		}
		changes = append(changes, change)
	}
	if a.label == nil || b.label == nil {
		return changes
	}
	if a.operation != b.operation {
		changes = append(changes, &labellingv1.Change{Field: "operation_state", Before: a.operation.String(), After: b.operation.String()})
	}
	if a.filiere != b.filiere {
		changes = append(changes, &labellingv1.Change{Field: "filiere", Before: c.x.filiereName(a.filiere), After: c.y.filiereName(b.filiere)})
	}
	if a.label != b.label {
		changes = append(changes, c.y.changes(a.label, b.label)...)
	}
	return changes
}

// labelName is what a label is called: its network and where it is, as far as these are
// known, or its holder.
func (l Lens) labelName(label *labellingv1.Label) string {
	var place string
	if site := label.GetHolder().GetSite(); site != nil {
		place = l.seat(site.GetCentreId())
	} else {
		h := l.holding(label)
		if h.holderName != "" {
			return h.holderName
		}
		if place = h.city(); len(h.establishments) > 0 {
			place = h.establishments[0].GetName()
		}
	}
	name := l.networkName(networkOf(label))
	if name == "" || place == "" {
		return cmp.Or(name, place, holderOf(label))
	}
	return name + ", " + place
}

// seat is the first hospital known of a centre, else its town, else its department or
// territory.
func (l Lens) seat(centreID string) string {
	centre := near(&l.s.Topology.Centres, centreID, l.m)
	for _, id := range centre.GetEstablishmentIds() {
		if e := near(&l.s.Topology.Establishments, id, l.m); e != nil {
			return e.GetName()
		}
	}
	department, _ := identifier.Department(departmentOf(centre.GetPlace()))
	return cmp.Or(centre.GetPlace().GetCity(), department.Name, centre.GetPlace().GetTerritory())
}

// holderName is what a holder of labels or offices is called, its id where that is unknown.
func (l Lens) holderName(id string) string {
	for label := range l.s.Labelling.LabelsOf(id, l.m.known) {
		return l.labelName(label)
	}
	return cmp.Or(
		near(&l.s.Topology.Networks, id, l.m).GetTitle(), near(&l.s.Topology.Filieres, id, l.m).GetName(), near(&l.s.Topology.Filieres, id, l.m).GetAcronym(),
		near(&l.s.Topology.Platforms, id, l.m).GetName(), id,
	)
}

// madeLabel returns the facts that made a difference of a label, and the acts they
// rest on: its own, else those of the labels that go on from it, and the lists that
// left it out.
func (c comparison) madeLabel(id string, a, b *labelState, lists []scoped) (positions []uint64, acts []string) {
	own := *a
	if b.label != nil {
		own = *b
	}
	ty := &c.y.s.Labelling.Labels
	add := func(id string) { positions, acts = madeOf(c, ty, id, positions, acts) }
	recorded := c.learned && c.x.s == c.y.s
	same := recorded && proto.Equal(a.label, b.label) // also where it was another one in between
	if !same {
		add(id)
	}
	switch {
	case same:
		for _, other := range c.related(own.label) {
			for v := range ty.Each(other) {
				if c.meanwhile(v.KnownFrom) {
					add(other)
					break
				}
			}
		}
	case !recorded && own.status == labellingv1.Status_STATUS_SUPERSEDED && own.label.GetSuccessorId() != "":
		add(own.label.GetSuccessorId())
	case !recorded && own.status == labellingv1.Status_STATUS_SUPERSEDED:
		for _, other := range c.related(own.label) {
			add(other)
		}
	}
	// Of one day later than another, only what a list made of the label then counts: where
	// the label goes on, that is what made the difference.
	if a.status != b.status && (leftOut(b.status) || c.learned && leftOut(a.status)) && own.label.GetLapsedFrom() == "" {
		for _, l := range lists {
			if c.flips(id, &l) {
				positions, acts = append(positions, l.position), append(acts, l.act)
			}
		}
	}
	return sortedSet(positions), sortedSet(acts)
}

// related is the labels that may take the place of a label.
func (c comparison) related(label *labellingv1.Label) []string {
	related := ids(label.GetSuccessorId())
	for other := range c.y.s.Labelling.LabelsOf(holderOf(label), c.y.m.known) {
		if id := other.GetLabelId(); id != label.GetLabelId() && id != label.GetSuccessorId() {
			related = append(related, id)
		}
	}
	return related
}

// leftOut tells whether a label may have a status by what a list leaves out.
func leftOut(s labellingv1.Status) bool {
	switch s {
	case labellingv1.Status_STATUS_LAPSED, labellingv1.Status_STATUS_EXPIRED,
		labellingv1.Status_STATUS_UNDETERMINED, labellingv1.Status_STATUS_IN_ABEYANCE:
		return true
	}
	return false
}

// scoped is an act with a scope and where it was recorded.
type scoped struct {
	position uint64
	act      string
	roles    []labellingv1.Role
}

// lists is the acts that may have made a difference by what they leave out: those with
// effect by the day after that were recorded meanwhile, or took effect since the day before.
func (c comparison) lists() (lists []scoped) {
	acts := &c.y.s.Labelling.Acts
	for id := range acts.IDs() {
		for _, v := range acts.Versions(id, max(c.x.m.known, c.y.m.known)) {
			day, dated := labelling.EffectOf(v.Value)
			if len(v.Value.GetScope()) == 0 || !dated || day > c.y.m.valid ||
				c.learned && !c.meanwhile(v.KnownFrom) || !c.learned && day <= c.x.m.valid {
				continue
			}
			l := scoped{position: v.KnownFrom, act: id}
			for _, cell := range v.Value.GetScope() {
				l.roles = append(l.roles, cell.GetRole())
			}
			slices.Sort(l.roles)
			l.roles = slices.Compact(l.roles)
			lists = append(lists, l)
		}
	}
	return lists
}

// Listed is the positions that Diff looks at besides those of the moments it compares:
// those at which lists were recorded that took effect from one day to the other, and those
// just before.
func Listed(before, after Lens) (positions []uint64) {
	between := after
	between.m.valid = before.m.valid
	for _, l := range (comparison{x: between, y: after}).lists() {
		positions = append(positions, l.position-1, l.position)
	}
	return positions
}

// mayLeaveOut tells whether a list stands for labels of a role, or may.
func (l *scoped) mayLeaveOut(role labellingv1.Role) bool {
	const unstated = labellingv1.Role_ROLE_UNSPECIFIED
	reference := slices.Contains(referenceRoles, role)
	return slices.ContainsFunc(l.roles, func(listed labellingv1.Role) bool {
		return listed == role || listed == unstated || role == unstated || reference && slices.Contains(referenceRoles, listed)
	})
}

// flips tells whether the record of a list changed the status of a label, as it was known
// then, on the day after.
func (c comparison) flips(id string, l *scoped) bool {
	label, known := c.y.s.Labelling.Label(id, l.position-1)
	return known && l.mayLeaveOut(label.GetRole()) && c.y.s.Labelling.ActTells(label, c.y.m.valid, l.position, &c.y.s.Topology)
}

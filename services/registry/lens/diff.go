package lens

import (
	"cmp"
	"iter"
	"slices"
	"strings"
	"sync"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
)

// Diff compares two moments (V1, K1) and (V2, K2) by way of (V1, K2): what differs up to
// there we learned better, what differs from there on changed in the world. Both lists
// empty, nothing differs. What entities rest on is not compared. Only what belongs to a
// filière and to a network is, where these are named: FILIERE_UNKNOWN, NETWORK_UNKNOWN.
func Diff(before, after Lens, filiere, network string) (learned, world []*registryv1.Difference, err error) {
	folds := folder{}
	filieres, networks, err := eitherNamed(before, after, folds, filiere, network)
	if err != nil {
		return nil, nil, err
	}
	between := after
	between.m.valid = before.m.valid
	isLearned := before.s != after.s || before.m.known != after.m.known
	isWorld := before.m.valid != after.m.valid
	survey := sync.OnceValue(between.survey) // of one position, for both days
	apart := isLearned && !before.isBeside(between)
	var first, middle, last []labelState
	atOnce(
		func() {
			middle = between.snapshotOn(survey)
			if last = middle; isWorld {
				last = after.snapshotOn(survey)
			}
		},
		func() {
			if apart {
				first = before.snapshot()
			}
		},
	)
	switch {
	case !isLearned:
		first = middle
	case !apart:
		first = before.snapshotBeside(between, middle)
	}
	var chosen idSet
	if filieres != nil || networks != nil {
		chosen = idSet{}
		before.choose(first, filieres, networks, chosen)
		between.choose(middle, filieres, networks, chosen)
		after.choose(last, filieres, networks, chosen)
	}
	atOnce(
		func() {
			if isLearned {
				learned = comparison{x: before, y: between, chosen: chosen, learned: true}.differences(first, middle)
			}
		},
		func() {
			if isWorld {
				world = comparison{x: between, y: after, chosen: chosen}.differences(middle, last)
			}
		},
	)
	return learned, world, nil
}

// choose adds what belongs to filières and networks.
func (l Lens) choose(labels []labelState, filieres, networks, chosen idSet) {
	for _, one := range labels {
		network := networkOf(one.label)
		if !filieres.holds(one.filiere) || !networks.holds(network) {
			continue
		}
		centre := one.label.GetHolder().GetSite().GetCentreId()
		chosen[one.label.GetLabelId()], chosen[holderOf(one.label)], chosen[network], chosen[centre] = true, true, true, true
		for _, id := range near(&l.s.Topology.Centres, centre, l.m).GetEstablishmentIds() {
			chosen[id] = true
		}
	}
	for id := range l.s.Topology.Networks.IDs() {
		n, held := l.s.Topology.Networks.At(id, l.m.valid, l.m.known)
		if held && filieres.holds(n.GetFiliereId()) && networks.holds(id) {
			chosen[id] = true
		}
	}
	for id := range filieres {
		chosen[id] = networks == nil || chosen[id]
	}
}

// comparison is of what was at x with what is at y.
type comparison struct {
	x, y    Lens
	chosen  idSet
	learned bool // the day is one, what is known differs; else the other way round
}

func (c comparison) differences(before, after []labelState) []*registryv1.Difference {
	x, y := &c.x.s.Topology, &c.y.s.Topology
	return sideBySide(
		func() []*registryv1.Difference { return c.labels(before, after) },
		func() []*registryv1.Difference {
			return compare(c, "establishment", &x.Establishments, &y.Establishments, (*topologyv1.Establishment).GetName)
		},
		func() []*registryv1.Difference {
			return compare(c, "centre", &x.Centres, &y.Centres, func(v *topologyv1.Centre) string {
				return cmp.Or(v.GetName(), c.y.printPlace(v.GetPlace(), v.GetEstablishmentIds()))
			})
		},
		func() []*registryv1.Difference {
			return compare(c, "network", &x.Networks, &y.Networks, func(v *topologyv1.Network) string {
				return cmp.Or(v.GetAcronym(), v.GetTitle())
			})
		},
		func() []*registryv1.Difference {
			return compare(c, "filiere", &x.Filieres, &y.Filieres, func(v *topologyv1.Filiere) string {
				return cmp.Or(v.GetAcronym(), v.GetName())
			})
		},
		func() []*registryv1.Difference {
			return compare(c, "platform", &x.Platforms, &y.Platforms, (*topologyv1.Platform).GetName)
		},
		c.offices,
		c.links,
		c.continuities,
		c.aliases,
		func() []*registryv1.Difference {
			return compare(c, "plan", &x.Plans, &y.Plans, (*topologyv1.Plan).GetCode)
		},
	)
}

// sideBySide joins what is reckoned at the same time, in order.
func sideBySide[R any](reckon ...func() []R) []R {
	return inParts(reckon, 1, func(one []func() []R) []R { return one[0]() })
}

// entity is what the comparison needs of a value of any table.
type entity interface {
	comparable
	proto.Message
	GetBasis() []*eventv1.Basis
}

// compare finds the entities of a table that differ, by name.
func compare[V entity](c comparison, kind string, tx, ty *bitemporal.Table[V], name func(V) string) []*registryv1.Difference {
	var all []*registryv1.Difference
	for id := range inEither(tx, ty) {
		if !c.chosen.holds(id) {
			continue
		}
		before, was := tx.At(id, c.x.m.valid, c.x.m.known)
		after, is := ty.At(id, c.y.m.valid, c.y.m.known)
		if before == after {
			continue
		}
		d := &registryv1.Difference{EntityKind: kind, EntityId: id, Kind: differenceKind(was, is)}
		last := before
		if is {
			last = after
		}
		if was && is {
			if d.Changes = c.y.changes(before, after); len(d.Changes) == 0 {
				continue
			}
			d.Kind = differenceKind(!closed(before), !closed(after))
		}
		d.Name = cmp.Or(name(last), id)
		d.Positions, d.ActIds = made(c, tx, ty, id)
		all = append(all, d)
	}
	sortByName(all)
	return all
}

// inEither yields the ids of two tables, which are one where two positions of one register
// are compared.
func inEither[V any](tx, ty *bitemporal.Table[V]) iter.Seq[string] {
	return func(yield func(string) bool) {
		for id := range ty.IDs() {
			if !yield(id) {
				return
			}
		}
		if tx == ty {
			return
		}
		for id := range tx.IDs() {
			if len(ty.History(id)) == 0 && !yield(id) {
				return
			}
		}
	}
}

func sortByName(all []*registryv1.Difference) {
	type named struct {
		name string // read once: there are thousands
		d    *registryv1.Difference
	}
	list := make([]named, len(all))
	for i, d := range all {
		list[i] = named{d.GetName(), d}
	}
	slices.SortFunc(list, func(a, b named) int {
		if order := strings.Compare(a.name, b.name); order != 0 {
			return order
		}
		return strings.Compare(a.d.GetEntityId(), b.d.GetEntityId())
	})
	for i, one := range list {
		all[i] = one.d
	}
}

func differenceKind(was, is bool) registryv1.DifferenceKind {
	switch {
	case is && !was:
		return registryv1.DifferenceKind_DIFFERENCE_KIND_APPEARED
	case was && !is:
		return registryv1.DifferenceKind_DIFFERENCE_KIND_DISAPPEARED
	}
	return registryv1.DifferenceKind_DIFFERENCE_KIND_CHANGED
}

// closed tells whether an entity is closed.
func closed(v proto.Message) bool {
	one, can := v.(lineage)
	return can && one.GetClosed()
}

// links finds the links that hold on one of the days only, or otherwise.
func (c comparison) links() []*registryv1.Difference {
	held := func(l Lens, id string) (*topologyv1.Link, bool) {
		link, known := l.s.Topology.Links.At(id, l.m.valid, l.m.known)
		return link, known && l.s.Topology.InForce(link, l.m.valid, l.m.known)
	}
	return tied(c, "link", &c.x.s.Topology.Links, &c.y.s.Topology.Links, held, Lens.linkName, func(link *topologyv1.Link) []string {
		return []string{link.GetFromId(), link.GetToId(), link.GetNetworkId()}
	})
}

// continuities finds the ids that are declared to be one at one of the positions only:
// they have no day, so this is never a change of the world.
func (c comparison) continuities() []*registryv1.Difference {
	declared := func(l Lens, id string) (*topologyv1.Continuity, bool) {
		return l.s.Topology.Continuities.Last(id, l.m.known)
	}
	return tied(c, "continuity", &c.x.s.Topology.Continuities, &c.y.s.Topology.Continuities, declared, Lens.continuityName, func(one *topologyv1.Continuity) []string {
		return []string{one.GetKeptId(), one.GetOtherId()}
	})
}

// aliases finds the ids of other systems that are in use at one of the moments only.
func (c comparison) aliases() []*registryv1.Difference {
	held := func(l Lens, id string) (*topologyv1.Alias, bool) {
		a, known := l.s.Topology.Aliases.Last(id, l.m.known)
		return a, known && l.s.Topology.AliasHolds(a, l.m.valid, l.m.known)
	}
	return tied(c, "alias", &c.x.s.Topology.Aliases, &c.y.s.Topology.Aliases, held, Lens.aliasName, func(a *topologyv1.Alias) []string {
		return []string{a.GetEntityId()}
	})
}

// tied finds the ties between entities that differ, of those that one chosen is an end
// of; find tells which are there.
func tied[V entity](c comparison, kind string, tx, ty *bitemporal.Table[V], find func(Lens, string) (V, bool), name func(Lens, V) string, ends func(V) []string) []*registryv1.Difference {
	var all []*registryv1.Difference
	for id := range inEither(tx, ty) {
		before, was := find(c.x, id)
		after, is := find(c.y, id)
		one, in := before, c.x
		if is {
			one, in = after, c.y
		}
		if !was && !is || was && is && before == after || !slices.ContainsFunc(ends(one), c.chosen.holds) {
			continue
		}
		d := &registryv1.Difference{EntityKind: kind, EntityId: id, Name: name(in, one), Kind: differenceKind(was, is)}
		if d.Changes = c.y.changes(before, after); was && is && len(d.Changes) == 0 {
			continue
		}
		d.Positions, d.ActIds = made(c, tx, ty, id)
		all = append(all, d)
	}
	sortByName(all)
	return all
}

// made returns the facts that made a difference of an entity, and the acts they rest
// on: those recorded meanwhile about the day, else the one the value after rests on.
func made[V entity](c comparison, tx, ty *bitemporal.Table[V], id string) ([]uint64, []string) {
	var positions []uint64
	var acts []string
	take := func(position uint64, basis []*eventv1.Basis) {
		positions = append(positions, position)
		for _, b := range basis {
			if b.GetActId() != "" {
				acts = append(acts, b.GetActId())
			}
		}
	}
	for v := range ty.Each(id) {
		basis := v.Value.GetBasis()
		switch {
		case !c.learned || c.x.s != c.y.s:
			if v.KnownFrom <= c.y.m.known && c.y.m.known < v.KnownTo && v.Valid.Contains(c.y.m.valid) {
				take(v.KnownFrom, basis)
			}
		case !v.Valid.Contains(c.y.m.valid):
		case c.meanwhile(v.KnownFrom):
			take(v.KnownFrom, basis[max(0, len(basis)-1):])
		case c.meanwhile(v.KnownTo):
			take(v.KnownTo, nil)
		}
	}
	if len(positions) == 0 { // it is no more: what it was rests on
		for _, v := range tx.Versions(id, c.x.m.known) {
			if v.Valid.Contains(c.x.m.valid) {
				take(v.KnownFrom, v.Value.GetBasis())
			}
		}
	}
	return sortedSet(positions), sortedSet(acts)
}

// meanwhile tells whether a position lies between the two that are compared.
func (c comparison) meanwhile(position uint64) bool {
	a, b := c.x.m.known, c.y.m.known
	return min(a, b) < position && position <= max(a, b)
}

func sortedSet[E cmp.Ordered](all []E) []E {
	slices.Sort(all)
	return slices.Compact(all)
}

// offices finds the offices that differ, of those held on the day.
func (c comparison) offices() []*registryv1.Difference {
	var all []*registryv1.Difference
	tx, ty := &c.x.s.Labelling.Offices, &c.y.s.Labelling.Offices
	held := func(l Lens, t *bitemporal.Table[*labellingv1.Office], id string) (*labellingv1.Office, bool) {
		o, known := t.Last(id, l.m.known)
		return o, known && heldOn(o.GetPeriod(), l.m.valid)
	}
	for id := range inEither(tx, ty) {
		before, was := held(c.x, tx, id)
		after, is := held(c.y, ty, id)
		office := before
		if is {
			office = after
		}
		if !was && !is || was && is && before == after || !c.chosen.holds(office.GetHolderId()) {
			continue
		}
		d := &registryv1.Difference{EntityKind: "office", EntityId: id, Kind: differenceKind(was, is)}
		if d.Changes = c.y.changes(before, after); was && is && len(d.Changes) == 0 {
			continue
		}
		d.Name = office.GetKind().String() + " " + c.y.holderName(office.GetHolderId())
		positions, acts := madeOf(c, ty, id, nil, nil)
		d.Positions, d.ActIds = sortedSet(positions), sortedSet(acts)
		all = append(all, d)
	}
	sortByName(all)
	return all
}

// madeOf adds what made a difference of an entity that is asked for whatever the day,
// unsorted.
func madeOf[V entity](c comparison, t *bitemporal.Table[V], id string, positions []uint64, acts []string) ([]uint64, []string) {
	take := func(position uint64, basis []*eventv1.Basis) {
		positions = append(positions, position)
		for _, b := range basis {
			if b.GetActId() != "" {
				acts = append(acts, b.GetActId())
			}
		}
	}
	var last bitemporal.Version[V]
	meanwhile := false
	for v := range t.Each(id) {
		switch {
		case c.learned && c.meanwhile(v.KnownFrom):
			basis := v.Value.GetBasis()
			take(v.KnownFrom, basis[max(0, len(basis)-1):])
			meanwhile = true
		case v.KnownFrom <= c.y.m.known && (v.KnownFrom > last.KnownFrom || v.KnownFrom == last.KnownFrom && v.Valid.From > last.Valid.From):
			last = v
		}
	}
	if !meanwhile && last.KnownFrom > 0 {
		take(last.KnownFrom, last.Value.GetBasis())
	}
	return positions, acts
}

package lens

import (
	"cmp"
	"slices"
	"strings"

	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/identifier"
)

// CompareMaps finds the centres that differ between the maps of two moments, by the
// filters of a map: by kind, department, town and id. Ids that are declared to be one, as
// known at the later of the two positions, are one centre here: that we learned better is
// no change on the map. A filière or network is looked for by its names at both moments.
func CompareMaps(before, after Lens, req *registryv1.GetMapRequest) ([]*registryv1.MapChange, error) {
	later := after
	if before.m.known > after.m.known {
		later = before
	}
	f, err := after.mapFilter(&registryv1.GetMapRequest{Roles: req.GetRoles(), Region: req.GetRegion(), Text: req.GetText()})
	if err != nil {
		return nil, err
	}
	if f.filieres, f.networks, err = eitherNamed(before, after, f.folder, req.GetFiliere(), req.GetNetwork()); err != nil {
		return nil, err
	}
	type sides struct{ before, after []*registryv1.MapCentre }
	all := map[string]*sides{}
	at := func(c *registryv1.MapCentre) *sides {
		id := later.s.Topology.Continued(c.GetCentreId(), later.m.known)[0]
		if all[id] == nil {
			all[id] = &sides{}
		}
		return all[id]
	}
	there, here := before.mapCentres(f), after.mapCentres(f)
	if len(there)+len(here) == 0 && f.misspelled(before, after) {
		there, here = before.mapCentres(f), after.mapCentres(f)
	}
	for _, c := range there {
		one := at(c)
		one.before = append(one.before, c)
	}
	for _, c := range here {
		one := at(c)
		one.after = append(one.after, c)
	}
	var changes []*registryv1.MapChange
	for id, one := range all {
		a, b := goneBy(id, one.before), goneBy(id, one.after)
		switch {
		case a == nil:
			changes = append(changes, &registryv1.MapChange{Kind: registryv1.MapChangeKind_MAP_CHANGE_KIND_APPEARED, After: b})
		case b == nil:
			changes = append(changes, &registryv1.MapChange{
				Kind: registryv1.MapChangeKind_MAP_CHANGE_KIND_VANISHED, Before: a, SuccessorIds: after.heirs(a.GetCentreId(), later.m.known),
			})
		case moved(a, b):
			changes = append(changes, &registryv1.MapChange{Kind: registryv1.MapChangeKind_MAP_CHANGE_KIND_MOVED, Before: a, After: b})
		}
	}
	slices.SortFunc(changes, compareMapChanges)
	return changes, nil
}

// goneBy is the one of several ids of a centre that is gone by, else the first of them;
// nil for none.
func goneBy(id string, centres []*registryv1.MapCentre) *registryv1.MapCentre {
	if i := slices.IndexFunc(centres, func(c *registryv1.MapCentre) bool { return c.GetCentreId() == id }); i >= 0 {
		return centres[i]
	}
	if len(centres) == 0 {
		return nil
	}
	return centres[0]
}

// heirs is those that are in the place of a centre on the day and are not that centre.
func (l Lens) heirs(id string, known uint64) []string {
	same := l.s.Topology.Continued(id, known)
	return slices.DeleteFunc(l.s.Topology.Present(id, l.m.valid, known), func(next string) bool { return slices.Contains(same, next) })
}

// moved tells whether a centre works elsewhere: in other hospitals, in another town, or
// at another point where both points are those of its place. A better point for the same
// place is no move.
func moved(a, b *registryv1.MapCentre) bool {
	place := registryv1.PointPrecision_POINT_PRECISION_PLACE
	return !slices.Equal(slices.Sorted(slices.Values(a.GetEstablishmentIds())), slices.Sorted(slices.Values(b.GetEstablishmentIds()))) ||
		a.GetDepartmentCode() != b.GetDepartmentCode() || identifier.Fold(a.GetCity()) != identifier.Fold(b.GetCity()) ||
		a.GetPointPrecision() == place && b.GetPointPrecision() == place &&
			(a.GetLatitude() != b.GetLatitude() || a.GetLongitude() != b.GetLongitude())
}

func compareMapChanges(a, b *registryv1.MapChange) int {
	of := func(c *registryv1.MapChange) *registryv1.MapCentre { return cmp.Or(c.GetAfter(), c.GetBefore()) }
	return cmp.Or(
		int(a.GetKind()-b.GetKind()), emptyLast(of(a).GetDepartmentCode(), of(b).GetDepartmentCode()),
		emptyLast(identifier.Fold(of(a).GetCity()), identifier.Fold(of(b).GetCity())), strings.Compare(of(a).GetCentreId(), of(b).GetCentreId()),
	)
}

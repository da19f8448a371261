package lens

import (
	"cmp"
	"slices"
	"strings"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/fault"
)

// Aliased finds the entities that have a code of another system, or of any, or had it, and
// who is in their place: those that have it on the day first, then the latest. It also
// returns the ids of all that it looked at, found or not. ALIAS_UNKNOWN says that none ever
// had it.
func (l Lens) Aliased(system, value string) (entries []*registryv1.AliasEntry, seen []string, err error) {
	for a := range l.s.Topology.AliasesNamed(system, value, l.m.known) {
		e := l.aliasEntry(a)
		met := map[string]bool{a.GetEntityId(): true}
		if a.GetEntityKind() == topologyv1.EntityKind_ENTITY_KIND_SITE {
			e.PresentIds = l.presentSites(a.GetEntityId(), met)
		} else {
			e.PresentIds = l.present(a.GetEntityId(), met)
		}
		entries = append(entries, e)
		for id := range met {
			seen = append(seen, id)
		}
	}
	if len(entries) == 0 {
		return nil, nil, fault.New(fault.NotFound, "ALIAS_UNKNOWN", "value", "no entity is known to have or to have had the id %q at position %d", value, l.m.known)
	}
	slices.SortFunc(entries, func(a, b *registryv1.AliasEntry) int {
		switch {
		case a.GetHolds() && !b.GetHolds():
			return -1
		case b.GetHolds() && !a.GetHolds():
			return 1
		}
		return cmp.Or(cmp.Compare(startOf(b), startOf(a)), strings.Compare(a.GetAlias().GetAliasId(), b.GetAlias().GetAliasId()))
	})
	return entries, seen, nil
}

// Aliases finds the aliases that are in use on the day, or all of them, of an entity or of
// any, by system, value and first day: ENTITY_UNKNOWN where nothing that can have one has the
// id.
func (l Lens) Aliases(req *registryv1.ListAliasesRequest) ([]*registryv1.AliasEntry, error) {
	topo, system := &l.s.Topology, strings.ToLower(strings.TrimSpace(req.GetSystem()))
	all := func(yield func(*topologyv1.Alias) bool) {
		for _, a := range topo.Aliases.Lasts(l.m.known) {
			if !yield(a) {
				return
			}
		}
	}
	if id := req.GetEntityId(); id != "" {
		if all = topo.AliasesOf(id, l.m.known); l.lineage(id) == nil && l.siteOf(id) == nil {
			return nil, entityUnknown("entity_id", id, l.m)
		}
	}
	var entries []*registryv1.AliasEntry
	for a := range all {
		if system != "" && a.GetSystem() != system || !req.GetWithEnded() && !topo.AliasHolds(a, l.m.valid, l.m.known) {
			continue
		}
		entries = append(entries, l.aliasEntry(a))
	}
	slices.SortFunc(entries, func(a, b *registryv1.AliasEntry) int {
		return cmp.Or(
			strings.Compare(a.GetAlias().GetSystem(), b.GetAlias().GetSystem()), strings.Compare(a.GetAlias().GetValue(), b.GetAlias().GetValue()),
			cmp.Compare(startOf(a), startOf(b)), strings.Compare(a.GetAlias().GetAliasId(), b.GetAlias().GetAliasId()),
		)
	})
	return entries, nil
}

func startOf(e *registryv1.AliasEntry) bitemporal.Date {
	start, _, _ := bitemporal.Span(e.GetAlias().GetPeriod().GetStart()) // dates are checked before they are folded
	return start
}

func (l Lens) aliasEntry(a *topologyv1.Alias) *registryv1.AliasEntry {
	return &registryv1.AliasEntry{
		Alias: a, EntityName: l.called(a.GetEntityId()), Holds: l.s.Topology.AliasHolds(a, l.m.valid, l.m.known), Site: l.siteOf(a.GetEntityId()),
	}
}

// aliasName is an alias as people say it.
func (l Lens) aliasName(a *topologyv1.Alias) string {
	return a.GetSystem() + " " + a.GetValue() + " – " + cmp.Or(l.called(a.GetEntityId()), a.GetEntityId())
}

// siteOf is the team and the network of a site, nil for none.
func (l Lens) siteOf(id string) (site *labellingv1.Site) {
	for label := range l.s.Labelling.LabelsOf(id, l.m.known) {
		if one := label.GetHolder().GetSite(); one != nil {
			site = one
		}
	}
	return site
}

// present is who is in the place of an entity of topology on the day. It notes whom it
// looked at.
func (l Lens) present(id string, met map[string]bool) []string {
	topo := &l.s.Topology
	for _, one := range topo.Chain(id, l.m.known) {
		met[one] = true
	}
	return topo.Present(id, l.m.valid, l.m.known)
}

// presentSites is the sites in the place of one on the day: where its label went on at
// another holder, that one; where its team or its network is another by now, their sites in
// one another.
func (l Lens) presentSites(id string, met map[string]bool) []string {
	var present []string
	looked := map[string]bool{}
	for open := []string{id}; len(open) > 0; open = open[1:] {
		if looked[open[0]] {
			continue
		}
		looked[open[0]], met[open[0]] = true, true
		if next := l.goesOnAt(open[0], met); next != "" {
			open = append(open, next)
			continue
		}
		site := l.siteOf(open[0])
		if site == nil {
			continue
		}
		met[site.GetCentreId()] = true
		centres, networks := l.present(site.GetCentreId(), met), l.present(site.GetNetworkId(), met)
		if slices.Contains(centres, site.GetCentreId()) && slices.Contains(networks, site.GetNetworkId()) {
			present = append(present, open[0])
			continue
		}
		for _, centre := range centres {
			for other := range l.s.Labelling.SitesOf(centre, l.m.known) {
				if there := l.siteOf(other); there.GetCentreId() == centre && slices.Contains(networks, there.GetNetworkId()) && other != open[0] {
					open = append(open, other)
				}
			}
		}
	}
	slices.Sort(present)
	return present
}

// goesOnAt is the site where the last label of a site goes on by the day, empty where it
// goes on there or ends.
func (l Lens) goesOnAt(id string, met map[string]bool) string {
	var last *labellingv1.Label
	for label := range l.s.Labelling.LabelsOf(id, l.m.known) {
		if !label.GetVoided() {
			last = label
		}
	}
	if last.GetSuccessorId() == "" {
		return ""
	}
	met[last.GetSuccessorId()] = true
	next, known := l.s.Labelling.Label(last.GetSuccessorId(), l.m.known)
	site := next.GetHolder().GetSite().GetSiteId()
	if start, _, err := bitemporal.Span(next.GetPeriod().GetStart()); !known || err != nil || start > l.m.valid || site == id {
		return ""
	}
	return site
}

package lens

import (
	"cmp"
	"slices"
	"strings"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/identifier"
)

// Map is the centres that hold a label on the day, as FindLabels finds them where no
// status is asked for, and those that collaborate with a network without one; with their
// links, and how many there are under each role. Who collaborates is in no count of
// labels. A filter that names nothing known at the head is an error (FILIERE_UNKNOWN and
// the like).
func (l Lens) Map(req *registryv1.GetMapRequest) (*registryv1.GetMapResponse, error) {
	f, err := l.mapFilter(req)
	if err != nil {
		return nil, err
	}
	resp := &registryv1.GetMapResponse{Centres: l.searched(f)}
	resp.Counts = mapCounts(resp.GetCentres())
	for _, c := range resp.GetCentres() {
		if c.GetPointPrecision() == registryv1.PointPrecision_POINT_PRECISION_UNSPECIFIED {
			resp.Unplaced++
		}
	}
	if !req.GetWithoutLinks() {
		resp.Links = l.mapLinks(resp.GetCentres())
	}
	return resp, nil
}

func (l Lens) mapFilter(req *registryv1.GetMapRequest) (*LabelFilter, error) {
	return l.LabelFilter(&registryv1.ListLabelsRequest{
		Filiere: req.GetFiliere(), Network: req.GetNetwork(), Roles: req.GetRoles(), Region: req.GetRegion(), Text: req.GetText(),
	})
}

// searched is the same, with misspelled words forgiven.
func (l Lens) searched(f *LabelFilter) []*registryv1.MapCentre {
	centres := l.mapCentres(f)
	if len(centres) == 0 && f.misspelled(l) {
		return l.mapCentres(f)
	}
	return centres
}

// chart collects centres.
type chart struct {
	Lens
	*LabelFilter
	byID  map[string]*registryv1.MapCentre
	towns map[town]*topologyv1.Place // with a point
}

// mapCentres is the centres with the labels and collaborations that match, by
// department, town and id. They must not be changed.
func (l Lens) mapCentres(f *LabelFilter) []*registryv1.MapCentre {
	if len(f.roles)+len(f.words) == 0 && f.filieres == nil && f.networks == nil && f.region == "" {
		return l.kept(func() []*registryv1.MapCentre { return l.chart(f) })
	}
	return l.chart(f)
}

func (l Lens) chart(f *LabelFilter) []*registryv1.MapCentre {
	c := &chart{l, f, map[string]*registryv1.MapCentre{}, nil}
	for _, state := range l.snapshot() {
		if state.label.GetHolder().GetSite() != nil && l.stands(&state) != 0 {
			c.addLabel(&state)
		}
	}
	if len(f.roles) == 0 {
		for link := range l.s.Topology.LinksOn(l.m.valid, l.m.known) {
			if link.GetKind() == topologyv1.LinkKind_LINK_KIND_COLLABORATES && f.networks.holds(link.GetToId()) {
				c.addCollaboration(link)
			}
		}
	}
	type row struct {
		department, town string
		centre           *registryv1.MapCentre
	}
	rows := make([]row, 0, len(c.byID))
	for _, one := range c.byID {
		slices.SortFunc(one.Labels, compareMapLabels)
		slices.SortFunc(one.Collaborations, func(a, b *registryv1.MapCollaboration) int {
			return cmp.Or(strings.Compare(a.GetNetworkAcronym(), b.GetNetworkAcronym()), strings.Compare(a.GetLinkId(), b.GetLinkId()))
		})
		rows = append(rows, row{one.GetDepartmentCode(), f.fold(one.GetCity()), one})
	}
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(emptyLast(a.department, b.department), emptyLast(a.town, b.town), strings.Compare(a.centre.GetCentreId(), b.centre.GetCentreId()))
	})
	centres := make([]*registryv1.MapCentre, len(rows))
	for i, r := range rows {
		centres[i] = r.centre
	}
	return centres
}

func compareMapLabels(a, b *registryv1.MapLabel) int {
	return cmp.Or(rank(a.GetRole())-rank(b.GetRole()), strings.Compare(a.GetNetworkAcronym(), b.GetNetworkAcronym()), strings.Compare(a.GetLabelId(), b.GetLabelId()))
}

func (c *chart) addLabel(one *labelState) {
	label, site := one.label, one.label.GetHolder().GetSite()
	if len(c.roles) > 0 && !slices.Contains(c.roles, label.GetRole()) || !c.networks.holds(site.GetNetworkId()) {
		return
	}
	h := c.holding(label)
	if !c.matches(&h) {
		return
	}
	on := c.centre(site.GetCentreId(), &h)
	on.Labels = append(on.Labels, &registryv1.MapLabel{
		LabelId: label.GetLabelId(), SiteId: site.GetSiteId(), Role: label.GetRole(), Status: one.status,
		NetworkId: site.GetNetworkId(), NetworkAcronym: h.network.GetAcronym(), NetworkTitle: h.network.GetTitle(),
		FiliereId: h.filiere.GetFiliereId(), FiliereAcronym: h.filiere.GetAcronym(),
	})
}

func (c *chart) addCollaboration(link *topologyv1.Link) {
	h := c.collaborating(link)
	if !c.matches(&h) {
		return
	}
	on := c.centre(link.GetFromId(), &h)
	on.Collaborations = append(on.Collaborations, &registryv1.MapCollaboration{
		LinkId: link.GetLinkId(), NetworkId: link.GetToId(), NetworkAcronym: h.network.GetAcronym(), NetworkTitle: h.network.GetTitle(),
		FiliereId: h.filiere.GetFiliereId(), FiliereAcronym: h.filiere.GetAcronym(), Confirmed: link.GetConfirmed(),
	})
}

// collaborating looks up what belongs to a collaboration, as to a label.
func (l Lens) collaborating(link *topologyv1.Link) (h holding) {
	h.inNetwork(l, link.GetToId())
	centre := near(&l.s.Topology.Centres, link.GetFromId(), l.m)
	h.at(l, centre.GetPlace(), centre.GetEstablishmentIds())
	return h
}

// centre is a centre on the map, put there when it is first met; h is at its places.
func (c *chart) centre(id string, h *holding) *registryv1.MapCentre {
	if one, met := c.byID[id]; met {
		return one
	}
	centre := near(&c.s.Topology.Centres, id, c.m)
	one := &registryv1.MapCentre{
		CentreId: id, Name: centre.GetName(), Population: centre.GetPopulation(), Closed: centre.GetClosed(),
		City: h.city(), DepartmentCode: h.department(), RegionCode: h.region(),
	}
	for _, e := range h.establishments {
		one.EstablishmentIds = append(one.EstablishmentIds, e.GetEstablishmentId())
		one.EstablishmentNames = append(one.EstablishmentNames, e.GetName())
	}
	if one.City == "" {
		if i := slices.IndexFunc(h.places, func(p *topologyv1.Place) bool { return p.GetTerritory() != "" }); i >= 0 {
			one.City = h.places[i].GetTerritory()
		}
	}
	one.Latitude, one.Longitude, one.PointPrecision = c.point(h, centre.GetPlace())
	c.byID[id] = one
	return one
}

// point is where a centre is drawn: at the point of one of its hospitals, else at its
// own, else in the town it shares with another hospital that has one, else in the middle
// of its department.
func (c *chart) point(h *holding, own *topologyv1.Place) (latitude, longitude float64, precision registryv1.PointPrecision) {
	for _, e := range h.establishments {
		if p := e.GetPlace(); hasPoint(p) {
			return p.GetLatitude(), p.GetLongitude(), registryv1.PointPrecision_POINT_PRECISION_PLACE
		}
	}
	if hasPoint(own) {
		return own.GetLatitude(), own.GetLongitude(), registryv1.PointPrecision_POINT_PRECISION_PLACE
	}
	for _, p := range h.places {
		if q := c.inTown(p); q != nil {
			return q.GetLatitude(), q.GetLongitude(), registryv1.PointPrecision_POINT_PRECISION_TOWN
		}
	}
	if d, known := identifier.Department(h.department()); known && (d.Latitude != 0 || d.Longitude != 0) {
		return d.Latitude, d.Longitude, registryv1.PointPrecision_POINT_PRECISION_DEPARTMENT
	}
	return 0, 0, registryv1.PointPrecision_POINT_PRECISION_UNSPECIFIED
}

func hasPoint(p *topologyv1.Place) bool { return p.GetLatitude() != 0 || p.GetLongitude() != 0 }

// town is a town as one is named: several departments have a Saint-Denis.
type town struct{ name, department string }

// inTown is the place of a hospital that is in the same town and has a point, the one
// recorded first; nil where none is. A town whose department is not known is no town.
func (c *chart) inTown(p *topologyv1.Place) *topologyv1.Place {
	if c.towns == nil {
		c.towns = map[town]*topologyv1.Place{}
		for id := range c.s.Topology.Establishments.IDs() {
			q := near(&c.s.Topology.Establishments, id, c.m).GetPlace()
			key := town{c.fold(q.GetCity()), departmentOf(q)}
			if hasPoint(q) && key.name != "" && c.towns[key] == nil {
				c.towns[key] = q
			}
		}
	}
	key := town{c.fold(p.GetCity()), departmentOf(p)}
	if key.name == "" || key.department == "" {
		return nil
	}
	return c.towns[key]
}

// mapCounts is how many centres and labels there are under each role, from the
// coordinator down, then how many collaborate with a network they hold no label in.
func mapCounts(centres []*registryv1.MapCentre) []*registryv1.MapCount {
	byRole := map[labellingv1.Role]*registryv1.MapCount{}
	collaborators := &registryv1.MapCount{Collaborators: true}
	for _, c := range centres {
		counted := map[labellingv1.Role]bool{}
		for _, label := range c.GetLabels() {
			role := label.GetRole()
			if byRole[role] == nil {
				byRole[role] = &registryv1.MapCount{Role: role}
			}
			byRole[role].Labels++
			if !counted[role] {
				counted[role] = true
				byRole[role].Centres++
			}
		}
		if slices.ContainsFunc(c.GetCollaborations(), func(with *registryv1.MapCollaboration) bool {
			return !slices.ContainsFunc(c.GetLabels(), func(in *registryv1.MapLabel) bool { return in.GetNetworkId() == with.GetNetworkId() })
		}) {
			collaborators.Centres++
		}
	}
	counts := make([]*registryv1.MapCount, 0, len(byRole)+1)
	for _, n := range byRole {
		counts = append(counts, n)
	}
	slices.SortFunc(counts, func(a, b *registryv1.MapCount) int { return rank(a.GetRole()) - rank(b.GetRole()) })
	if collaborators.Centres > 0 {
		counts = append(counts, collaborators)
	}
	return counts
}

// membership is a centre in a network, by a label or a collaboration.
type membership struct{ centre, network string }

// mapLinks is the links among centres, by their ends.
func (l Lens) mapLinks(centres []*registryv1.MapCentre) []*registryv1.MapLink {
	members := map[membership]bool{}
	coordinators := map[string]string{} // centre, by network: the first of several
	for _, c := range centres {
		for _, label := range c.GetLabels() {
			members[membership{c.GetCentreId(), label.GetNetworkId()}] = true
			if _, has := coordinators[label.GetNetworkId()]; !has && label.GetRole() == labellingv1.Role_ROLE_COORDINATOR {
				coordinators[label.GetNetworkId()] = c.GetCentreId()
			}
		}
		for _, with := range c.GetCollaborations() {
			members[membership{c.GetCentreId(), with.GetNetworkId()}] = true
		}
	}
	var links []*registryv1.MapLink
	line := func(kind topologyv1.LinkKind, from, to, network string) {
		if from != to && to != "" {
			links = append(links, &registryv1.MapLink{Kind: kind, FromCentreId: from, ToCentreId: to, NetworkId: network})
		}
	}
	attached := map[membership]bool{}
	for link := range l.s.Topology.LinksOn(l.m.valid, l.m.known) {
		switch from, network := link.GetFromId(), link.GetNetworkId(); link.GetKind() {
		case topologyv1.LinkKind_LINK_KIND_ATTACHED:
			attached[membership{from, network}] = true
			if members[membership{from, network}] && members[membership{link.GetToId(), network}] {
				line(link.GetKind(), from, link.GetToId(), network)
			}
		case topologyv1.LinkKind_LINK_KIND_COLLABORATES:
			if members[membership{from, link.GetToId()}] {
				line(link.GetKind(), from, coordinators[link.GetToId()], link.GetToId())
			}
		}
	}
	for _, c := range centres {
		for _, label := range c.GetLabels() {
			at := membership{c.GetCentreId(), label.GetNetworkId()}
			if isCompetence(label.GetRole()) && !attached[at] {
				attached[at] = true // one line, though it hold two labels in the network
				line(topologyv1.LinkKind_LINK_KIND_UNSPECIFIED, at.centre, coordinators[at.network], at.network)
			}
		}
	}
	slices.SortFunc(links, func(a, b *registryv1.MapLink) int {
		return cmp.Or(
			strings.Compare(a.GetFromCentreId(), b.GetFromCentreId()), strings.Compare(a.GetToCentreId(), b.GetToCentreId()),
			strings.Compare(a.GetNetworkId(), b.GetNetworkId()), int(a.GetKind()-b.GetKind()),
		)
	})
	return links
}

// isCompetence tells whether a role is one of a centre attached to a reference centre.
func isCompetence(r labellingv1.Role) bool {
	return r == labellingv1.Role_ROLE_COMPETENCE || r == labellingv1.Role_ROLE_RESOURCE_AND_COMPETENCE
}

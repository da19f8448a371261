package lens

import (
	"cmp"
	"slices"
	"strings"

	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/fault"
	"maillage/services/identifier"
)

// territory is what a platform serves: regions as a whole, and departments, by INSEE
// code.
type territory struct {
	regions, departments []string
	inferred             bool // none is stated: that it sits in stands for it
}

// territoryOf is the territory that is stated of a platform or, failing that, the regions
// it sits in.
func (l Lens) territoryOf(p *topologyv1.Platform) territory {
	t := territory{regions: p.GetRegionCodes(), departments: p.GetDepartmentCodes()}
	if t.empty() {
		t.regions = l.regionsOf(p)
		t.inferred = !t.empty()
	}
	return t
}

func (t territory) empty() bool { return len(t.regions)+len(t.departments) == 0 }

func (t territory) holds(p *topologyv1.Place) bool {
	return slices.Contains(t.regions, regionOf(p)) || slices.Contains(t.departments, departmentOf(p))
}

// meets tells whether any part of it is in another one.
func (t territory) meets(other territory) bool {
	for d := range identifier.Departments() {
		if t.serves(d) && other.serves(d) {
			return true
		}
	}
	return false
}

func (t territory) serves(d identifier.Dept) bool {
	return slices.Contains(t.regions, d.RegionCode) || slices.Contains(t.departments, d.Code)
}

func (t territory) names() (names []string) {
	for _, code := range t.regions {
		_, name, _ := identifier.Region(code)
		names = append(names, cmp.Or(name, code))
	}
	for _, code := range t.departments {
		d, _ := identifier.Department(code)
		names = append(names, cmp.Or(d.Name, code))
	}
	return names
}

// territoryNamed is the department of a name or code, or the region of a name; empty for
// an empty one. A code is a department's: regions have codes of their own, which are those
// of others.
func territoryNamed(f folder, filter string) (t territory, err error) {
	if f.fold(filter) == "" {
		return t, nil
	}
	if d, known := department(filter); known {
		return territory{departments: []string{d.Code}}, nil
	}
	if code, _, known := identifier.Region(filter); known {
		return territory{regions: []string{code}}, nil
	}
	near := newNearest(f, filter)
	for d := range identifier.Departments() {
		near.see(d.Name)
		near.see(d.Region)
	}
	return t, near.unknown("TERRITORY", "territory", "territory")
}

// Directory is the platforms that serve any part of a territory, expertise platforms
// first, then by name; the names of those who hold their posts and how they are reached
// are in the vault. A platform without a label on the day is in it while it is open: it
// never had a label, or works on without one. A territory unknown is an error:
// TERRITORY_UNKNOWN.
func (l Lens) Directory(name string) (*registryv1.GetDirectoryResponse, error) {
	within, err := territoryNamed(folder{}, name)
	if err != nil {
		return nil, err
	}
	return l.directory(within), nil
}

func (l Lens) directory(within territory) *registryv1.GetDirectoryResponse {
	resp := &registryv1.GetDirectoryResponse{}
	for id := range l.s.Topology.Platforms.IDs() {
		p, held := l.s.Topology.Platforms.At(id, l.m.valid, l.m.known)
		if !held {
			continue
		}
		e := &registryv1.DirectoryEntry{Platform: p, Website: p.GetContact().GetWebsite()}
		open := l.labelled(e)
		if e.GetLabelId() != "" {
			switch p.GetKind() {
			case topologyv1.PlatformKind_PLATFORM_KIND_PEMR:
				resp.PemrTotal++
			case topologyv1.PlatformKind_PLATFORM_KIND_PCOM:
				resp.PcomTotal++
			}
		}
		serves := l.territoryOf(p)
		if !open || !within.empty() && !serves.meets(within) {
			continue
		}
		e.TerritoryNames, e.TerritoryInferred = serves.names(), serves.inferred
		for _, host := range l.establishments(p.GetEstablishmentIds()) {
			e.HostNames = append(e.HostNames, host.GetName())
		}
		e.Offices = l.officesHeld(id)
		resp.Entries = append(resp.Entries, e)
	}
	slices.SortFunc(resp.Entries, func(a, b *registryv1.DirectoryEntry) int {
		return cmp.Or(
			int(a.GetPlatform().GetKind()-b.GetPlatform().GetKind()),
			strings.Compare(identifier.Fold(a.GetPlatform().GetName()), identifier.Fold(b.GetPlatform().GetName())),
			strings.Compare(a.GetPlatform().GetPlatformId(), b.GetPlatform().GetPlatformId()),
		)
	})
	return resp
}

// labelled says which label a platform holds on the day, and since when it was open; it
// tells whether the platform is open, by a label or without one.
func (l Lens) labelled(e *registryv1.DirectoryEntry) (open bool) {
	best, ever := 0, false
	for label := range l.s.Labelling.LabelsOf(e.GetPlatform().GetPlatformId(), l.m.known) {
		ever = true
		one := l.stateOf(label, map[string]string{})
		if stands := l.stands(&one); stands != 0 && (best == 0 || stands < best) {
			best, open = stands, true
			e.LabelId, e.LabelStatus, e.Since = label.GetLabelId(), one.status, label.GetPeriod().GetStart()
		}
		open = open || l.operates(label.GetLabelId())
		if from := label.GetOperation().GetOpenedFrom(); from != "" && (e.GetOpenedDate() == "" || from < e.GetOpenedDate()) {
			e.OpenedDate = from
		}
	}
	return (open || !ever) && !e.GetPlatform().GetClosed()
}

// regionsOf is the regions that a platform sits in: that of its lead, or those that its
// territory is written with, as Réunion-Mayotte is; else that of its first host. Overseas,
// where one platform serves several, it is those of all its places.
func (l Lens) regionsOf(p *topologyv1.Platform) []string {
	codes := ids(regionOf(p.GetPlace()))
	if len(codes) == 0 {
		codes = regionsWritten(p.GetPlace().GetTerritory())
	}
	var hosts []string
	for _, host := range l.establishments(p.GetEstablishmentIds()) {
		hosts = append(hosts, ids(regionOf(host.GetPlace()))...)
	}
	switch {
	case p.GetKind() == topologyv1.PlatformKind_PLATFORM_KIND_PCOM:
		codes = append(codes, hosts...)
	case len(codes) == 0 && len(hosts) > 0:
		codes = hosts[:1]
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

// regionsWritten is the regions that a territory is written with.
func regionsWritten(territory string) (codes []string) {
	for _, part := range strings.FieldsFunc(territory, func(r rune) bool { return strings.ContainsRune("-–,;/&", r) }) {
		for _, name := range []string{part, "La " + part} {
			if code, _, known := identifier.Region(strings.TrimSpace(name)); known {
				codes = append(codes, code)
			}
		}
	}
	return codes
}

// Region is the centres of a region with how many there are under each role, and the
// platforms that serve it: REGION_UNKNOWN.
func (l Lens) Region(name string) (*registryv1.GetRegionResponse, error) {
	f, err := l.mapFilter(&registryv1.GetMapRequest{Region: name})
	if err != nil {
		return nil, err
	}
	if f.region == "" { // the map of everything is kept for others, and must not be sorted
		return nil, fault.New(fault.NotFound, "REGION_UNKNOWN", "region", "no region is known as %q", name)
	}
	resp := &registryv1.GetRegionResponse{Centres: l.mapCentres(f)}
	_, resp.RegionName, _ = identifier.Region(f.region)
	resp.RegionCode = f.region
	resp.Counts = mapCounts(resp.GetCentres())
	resp.Platforms = l.directory(territory{regions: []string{f.region}}).GetEntries()
	slices.SortStableFunc(resp.Centres, func(a, b *registryv1.MapCentre) int { return firstRank(a) - firstRank(b) })
	return resp, nil
}

// firstRank orders centres by the role of their first label, those that only collaborate
// last.
func firstRank(c *registryv1.MapCentre) int {
	if len(c.GetLabels()) == 0 {
		return rank(0) + 1
	}
	return rank(c.GetLabels()[0].GetRole())
}

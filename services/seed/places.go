package seed

import (
	"fmt"
	"strings"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/identifier"
)

// platformOf is the key of the platform that a row names.
func (p *planner) platformOf(r row) string {
	if !p.needs(r, "platform") {
		return ""
	}
	return p.there(r, "platform", join(platform, key(r.get("platform"))))
}

// hospitalNamed is the key of the hospital that a change is about.
func (p *planner) hospitalNamed(r row) string {
	if !p.needs(r, "establishment") {
		return ""
	}
	return p.there(r, "establishment", p.hospitalOf(r, "establishment"))
}

// stateTerritory plans which regions, and departments besides, a platform serves.
func (p *planner) stateTerritory(r row) {
	k := p.platformOf(r)
	if k == "" || !p.needs(r, "other") {
		return
	}
	regions, departments := pair(r.get("other"))
	req := &topologyv1.StateTerritoryRequest{
		Basis: p.changed(r), ValidFrom: r.get("date"), PlatformId: ref(k), RegionCodes: strings.Fields(regions), DepartmentCodes: strings.Fields(departments),
	}
	if err := knownCodes(req); err != nil {
		p.wrong = append(p.wrong, r.problem("other", WrongValue, "%v", err))
		return
	}
	p.add(territories, join(k, r.get("date")), r, req)
}

// knownCodes refuses a territory with a code that no region or department has.
func knownCodes(req *topologyv1.StateTerritoryRequest) error {
	for _, c := range req.GetRegionCodes() {
		if found, _, ok := identifier.Region(c); !ok || found != c {
			return fmt.Errorf("no region has the code %s", c)
		}
	}
	for _, c := range req.GetDepartmentCodes() {
		if found, ok := identifier.Department(c); !ok || found.Code != c {
			return fmt.Errorf("no department has the code %s", c)
		}
	}
	return nil
}

// addHost plans one more hospital that hosts a platform.
func (p *planner) addHost(r row) {
	k, h := p.platformOf(r), p.hospitalNamed(r)
	if k == "" || h == "" {
		return
	}
	p.add(host, join(k, h), r, &topologyv1.AttachPlatformRequest{
		Basis: p.changed(r), ValidFrom: r.get("date"), PlatformId: ref(k), EstablishmentId: ref(h),
	})
}

// stateWebsite plans where a platform is found.
func (p *planner) stateWebsite(r row) {
	k := p.platformOf(r)
	if k == "" || !p.needs(r, "other") {
		return
	}
	p.add(contact, join(k, r.get("date")), r, &topologyv1.StateContactRequest{
		Basis: p.changed(r), ValidFrom: r.get("date"), EntityId: ref(k), Website: r.get("other"),
	})
}

// renameHospital plans a new name of a hospital, after those that rows before it give. A
// row names it as establishments.csv does, whatever it has become.
func (p *planner) renameHospital(r row) {
	h := p.hospitalNamed(r)
	if h == "" || !p.needs(r, "other") {
		return
	}
	var after []string
	if last := p.renamings[h]; last != "" {
		after = append(after, last)
	}
	p.renamings[h] = p.add(rename, join(h, r.get("date"), key(r.get("other"))), r, &topologyv1.RenameEstablishmentRequest{
		Basis: p.changed(r), ValidFrom: r.get("date"), EstablishmentId: ref(h), Name: r.get("other"),
	}, after...)
}

// changeLegalEntity plans the legal entity that a hospital belongs to from a day on.
func (p *planner) changeLegalEntity(r row) {
	h := p.hospitalNamed(r)
	if h == "" || !p.needs(r, "other") {
		return
	}
	entity := p.there(r, "other", p.destination(r))
	if entity == "" {
		return
	}
	p.add(legalEntity, join(h, r.get("date"), entity), r, &topologyv1.ChangeLegalEntityRequest{
		Basis: p.changed(r), ValidFrom: r.get("date"), EstablishmentId: ref(h), LegalEntityIds: []string{ref(entity)},
	})
}

// serveFiliere plans that a centre serves a filière besides its networks' own.
func (p *planner) serveFiliere(r row) {
	if !p.needs(r, "network", "filiere") {
		return
	}
	f := p.there(r, "filiere", join(filiere, key(r.get("filiere"))))
	found := p.sitesOf(r)
	if f == "" || len(found) == 0 {
		return
	}
	c := join(centre, found[0].key)
	p.add(link, join(c, f), r, &topologyv1.DeclareLinkRequest{
		Basis: p.changed(r), Kind: topologyv1.LinkKind_LINK_KIND_SERVES, FromId: ref(c), ToId: ref(f), Period: since(r.get("date")),
	})
}

// since is the period from a day on, nil where the day is unknown.
func since(day string) *eventv1.Period {
	if day == "" {
		return nil
	}
	return &eventv1.Period{Start: day}
}

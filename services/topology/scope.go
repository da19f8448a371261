package topology

import (
	"cmp"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/fact"
	"maillage/services/fault"
	"maillage/services/identifier"
)

func (s *State) networkScoped(at uint64, f *topologyv1.NetworkScoped, why *eventv1.Basis) error {
	return change(&s.Networks, f.GetNetworkId(), f.GetValidFrom(), at, func(n *topologyv1.Network) {
		n.OrphaRelease, n.OrphaCodes = f.GetRelease(), f.GetOrphaCodes()
		n.Basis = rest(n.GetBasis(), why)
	})
}

func (s *State) territoryStated(at uint64, f *topologyv1.TerritoryStated, why *eventv1.Basis) error {
	return change(&s.Platforms, f.GetPlatformId(), f.GetValidFrom(), at, func(p *topologyv1.Platform) {
		p.RegionCodes, p.DepartmentCodes = f.GetRegionCodes(), f.GetDepartmentCodes()
		p.Basis = rest(p.GetBasis(), why)
	})
}

func (s *State) contactStated(at uint64, f *topologyv1.ContactStated, why *eventv1.Basis) error {
	contact := &topologyv1.Contact{Website: f.GetWebsite(), Email: f.GetEmail(), Phone: f.GetPhone()}
	if known(&s.Platforms, f.GetEntityId()) {
		return change(&s.Platforms, f.GetEntityId(), f.GetValidFrom(), at, func(p *topologyv1.Platform) {
			p.Contact = contact
			p.Basis = rest(p.GetBasis(), why)
		})
	}
	return change(&s.Filieres, f.GetEntityId(), f.GetValidFrom(), at, func(l *topologyv1.Filiere) {
		l.Contact, l.Website = contact, f.GetWebsite()
		l.Basis = rest(l.GetBasis(), why)
	})
}

// ScopeNetwork decides that a network takes care of these diseases from a day on, and no
// longer of those before (SCOPE_UNCHANGED). Codes are those of a yearly release of the
// ORPHA nomenclature; what was read in a later one is not replaced: RELEASE_OLDER.
func ScopeNetwork(s *State, r *topologyv1.ScopeNetworkRequest) ([]*topologyv1.Event, error) {
	err := cmp.Or(dated(r), s.openAs(aNetwork, "network_id", r.GetNetworkId(), r.GetValidFrom()), fact.CheckDate(r.GetRelease(), "release"))
	if err != nil {
		return nil, err
	}
	if changes(&s.Networks, r.GetNetworkId(), r.GetValidFrom(), func(n *topologyv1.Network) bool { return n.GetOrphaRelease() > r.GetRelease() }) {
		return nil, fault.New(fault.Refused, "RELEASE_OLDER", "release", "Its diseases are known by a later release than %s.", r.GetRelease())
	}
	codes := slices.Compact(slices.Sorted(slices.Values(r.GetOrphaCodes())))
	if !changes(&s.Networks, r.GetNetworkId(), r.GetValidFrom(), func(n *topologyv1.Network) bool {
		return n.GetOrphaRelease() != r.GetRelease() || !slices.Equal(n.GetOrphaCodes(), codes)
	}) {
		return nil, fault.New(fault.Refused, "SCOPE_UNCHANGED", "orpha_codes", "It takes care of these diseases from that day on already.")
	}
	return one(r, &topologyv1.Event{Fact: &topologyv1.Event_NetworkScoped{NetworkScoped: &topologyv1.NetworkScoped{
		NetworkId: r.GetNetworkId(), ValidFrom: r.GetValidFrom(), Release: r.GetRelease(), OrphaCodes: codes,
	}}})
}

// StateTerritory decides that a platform serves a territory from a day on, and no longer
// another (TERRITORY_UNCHANGED): whole regions, and departments or overseas
// collectivities besides (REGION_UNKNOWN, DEPARTMENT_UNKNOWN; NAMED_TWICE where a
// department is of a region it serves whole).
func StateTerritory(s *State, r *topologyv1.StateTerritoryRequest) ([]*topologyv1.Event, error) {
	err := cmp.Or(dated(r), s.openAs(aPlatform, "platform_id", r.GetPlatformId(), r.GetValidFrom()),
		checkTerritory(r.GetRegionCodes(), r.GetDepartmentCodes()))
	if err != nil {
		return nil, err
	}
	regions, departments := slices.Sorted(slices.Values(r.GetRegionCodes())), slices.Sorted(slices.Values(r.GetDepartmentCodes()))
	if !changes(&s.Platforms, r.GetPlatformId(), r.GetValidFrom(), func(p *topologyv1.Platform) bool {
		return !slices.Equal(p.GetRegionCodes(), regions) || !slices.Equal(p.GetDepartmentCodes(), departments)
	}) {
		return nil, fault.New(fault.Refused, "TERRITORY_UNCHANGED", "region_codes", "It serves this territory from that day on already.")
	}
	return one(r, &topologyv1.Event{Fact: &topologyv1.Event_TerritoryStated{TerritoryStated: &topologyv1.TerritoryStated{
		PlatformId: r.GetPlatformId(), ValidFrom: r.GetValidFrom(), RegionCodes: regions, DepartmentCodes: departments,
	}}})
}

func checkTerritory(regions, departments []string) error {
	for i, code := range regions {
		if found, _, ok := identifier.Region(code); !ok || found != code {
			return fault.New(fault.Invalid, "REGION_UNKNOWN", fmt.Sprintf("region_codes[%d]", i), "No region has the code %q.", code)
		}
	}
	for i, code := range departments {
		field := fmt.Sprintf("department_codes[%d]", i)
		found, ok := identifier.Department(code)
		if !ok || found.Code != code {
			return fault.New(fault.Invalid, "DEPARTMENT_UNKNOWN", field, "No department or overseas collectivity has the code %q.", code)
		}
		if slices.Contains(regions, found.RegionCode) {
			return fault.New(fault.Invalid, "NAMED_TWICE", field, "The department %s is of the region %s, which it serves whole.", code, found.RegionCode)
		}
	}
	return cmp.Or(distinct("region_codes", regions), distinct("department_codes", departments))
}

// StateContact decides that a platform or a filière is reached in this way from a day on
// (CONTACT_MISPLACED for any other). An address for letters and a telephone number are
// values of the vault, nil for none. CONTACT_UNCHANGED refuses what neither says nor
// takes away anything.
func StateContact(s *State, r *topologyv1.StateContactRequest, email, phone *eventv1.PersonalValue) ([]*topologyv1.Event, error) {
	if err := dated(r); err != nil {
		return nil, err
	}
	switch kind, _ := s.entity(r.GetEntityId(), bitemporal.Latest); kind {
	case none:
		return nil, s.is(aPlatform, "entity_id", r.GetEntityId())
	case aPlatform, aFiliere:
	default:
		return nil, fault.New(fault.Refused, "CONTACT_MISPLACED", "entity_id", "A platform or a filière has a contact, a %s has none.", kinds[kind].name)
	}
	if err := s.open("entity_id", r.GetEntityId(), r.GetValidFrom()); err != nil {
		return nil, err
	}
	contact := &topologyv1.Contact{Website: r.GetWebsite(), Email: email, Phone: phone}
	if !changes(&s.Platforms, r.GetEntityId(), r.GetValidFrom(), func(p *topologyv1.Platform) bool { return !sameContact(p.GetContact(), contact) }) &&
		!changes(&s.Filieres, r.GetEntityId(), r.GetValidFrom(), func(l *topologyv1.Filiere) bool { return !sameContact(l.GetContact(), contact) }) {
		return nil, fault.New(fault.Refused, "CONTACT_UNCHANGED", "website", "It is reached so from that day on already.")
	}
	return one(r, &topologyv1.Event{Fact: &topologyv1.Event_ContactStated{ContactStated: &topologyv1.ContactStated{
		EntityId: r.GetEntityId(), ValidFrom: r.GetValidFrom(), Website: r.GetWebsite(), Email: email, Phone: phone,
	}}})
}

// sameContact compares what can be: a value of the vault is like no other.
func sameContact(a, b *topologyv1.Contact) bool {
	if a == nil {
		a = &topologyv1.Contact{}
	}
	return proto.Equal(a, b)
}

package topology

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/fact"
	"maillage/services/fault"
	"maillage/services/identifier"
)

// Each decision reads the state it will be appended to, changes nothing, and returns
// the events to append, with the basis in their Meta and nothing else there, or a
// *fault.Error. Ids of new entities are minted by the caller.

// RegisterEstablishment decides that a hospital enters the register under id. FINESS
// and SIRET numbers were typed by an officer, so one that fails its check is refused:
// FINESS_INVALID, SIRET_INVALID. So is the FINESS number of an establishment of the same
// kind: FINESS_TAKEN. A site may bear the number of its legal entity, as the annexes of
// acts print some private clinics.
func RegisterEstablishment(s *State, id string, r *topologyv1.RegisterEstablishmentRequest) ([]*topologyv1.Event, error) {
	if err := cmp.Or(s.entering(id, r), checkPlace(r.GetPlace())); err != nil {
		return nil, err
	}
	finess, siret, err := s.numbers(id, r)
	if err != nil {
		return nil, err
	}
	return one(r, &topologyv1.Event{Fact: &topologyv1.Event_EstablishmentRegistered{EstablishmentRegistered: &topologyv1.EstablishmentRegistered{
		EstablishmentId: id,
		ValidFrom:       r.GetValidFrom(),
		Name:            r.GetName(),
		Finess:          finess,
		FinessKind:      r.GetFinessKind(),
		Siret:           siret,
		Place:           r.GetPlace(),
	}}})
}

// RenameEstablishment decides that a hospital has another name from a day on.
func RenameEstablishment(s *State, r *topologyv1.RenameEstablishmentRequest) ([]*topologyv1.Event, error) {
	err := cmp.Or(dated(r), s.openAs(aHospital, "establishment_id", r.GetEstablishmentId(), r.GetValidFrom()))
	if err != nil {
		return nil, err
	}
	if !changes(&s.Establishments, r.GetEstablishmentId(), r.GetValidFrom(), func(e *topologyv1.Establishment) bool {
		return e.GetName() != r.GetName()
	}) {
		return nil, unchanged("name")
	}
	return one(r, &topologyv1.Event{Fact: &topologyv1.Event_EstablishmentRenamed{EstablishmentRenamed: &topologyv1.EstablishmentRenamed{
		EstablishmentId: r.GetEstablishmentId(),
		ValidFrom:       r.GetValidFrom(),
		Name:            r.GetName(),
	}}})
}

// AttachEstablishment decides that a hospital belongs to a legal entity from a day on,
// besides those it already belongs to. It cannot be its own, nor by way of another:
// LEGAL_ENTITY_SELF.
func AttachEstablishment(s *State, r *topologyv1.AttachEstablishmentRequest) ([]*topologyv1.Event, error) {
	err := cmp.Or(dated(r), s.openAs(aHospital, "establishment_id", r.GetEstablishmentId(), r.GetValidFrom()), s.openAs(aHospital, "legal_entity_id", r.GetLegalEntityId(), r.GetValidFrom()))
	if err != nil {
		return nil, err
	}
	from, _, err := bitemporal.Span(r.GetValidFrom())
	if err != nil {
		return nil, err
	}
	if err := s.otherEntity(r.GetEstablishmentId(), r.GetLegalEntityId(), "legal_entity_id", from, nil); err != nil {
		return nil, err
	}
	if !changes(&s.Establishments, r.GetEstablishmentId(), r.GetValidFrom(), func(e *topologyv1.Establishment) bool {
		return !slices.Contains(e.GetLegalEntityIds(), r.GetLegalEntityId())
	}) {
		return nil, already("legal_entity_id")
	}
	return one(r, &topologyv1.Event{Fact: &topologyv1.Event_EstablishmentAttached{EstablishmentAttached: &topologyv1.EstablishmentAttached{
		EstablishmentId: r.GetEstablishmentId(),
		ValidFrom:       r.GetValidFrom(),
		LegalEntityId:   r.GetLegalEntityId(),
	}}})
}

// RegisterCentre decides that a team enters the register under id.
func RegisterCentre(s *State, id string, r *topologyv1.RegisterCentreRequest) ([]*topologyv1.Event, error) {
	err := cmp.Or(s.entering(id, r), s.hospitals(r), checkPlace(r.GetPlace()))
	if err != nil {
		return nil, err
	}
	return one(r, &topologyv1.Event{Fact: &topologyv1.Event_CentreRegistered{CentreRegistered: &topologyv1.CentreRegistered{
		CentreId:         id,
		ValidFrom:        r.GetValidFrom(),
		Name:             r.GetName(),
		Population:       r.GetPopulation(),
		EstablishmentIds: r.GetEstablishmentIds(),
		Place:            r.GetPlace(),
	}}})
}

// RenameCentre decides that a team has another name from a day on.
func RenameCentre(s *State, r *topologyv1.RenameCentreRequest) ([]*topologyv1.Event, error) {
	err := cmp.Or(dated(r), s.openAs(aCentre, "centre_id", r.GetCentreId(), r.GetValidFrom()))
	if err != nil {
		return nil, err
	}
	if !changes(&s.Centres, r.GetCentreId(), r.GetValidFrom(), func(c *topologyv1.Centre) bool {
		return c.GetName() != r.GetName()
	}) {
		return nil, unchanged("name")
	}
	return one(r, &topologyv1.Event{Fact: &topologyv1.Event_CentreRenamed{CentreRenamed: &topologyv1.CentreRenamed{
		CentreId:  r.GetCentreId(),
		ValidFrom: r.GetValidFrom(),
		Name:      r.GetName(),
	}}})
}

// AttachCentre decides that a team works in a hospital from a day on, besides those it
// already works in.
func AttachCentre(s *State, r *topologyv1.AttachCentreRequest) ([]*topologyv1.Event, error) {
	err := cmp.Or(dated(r), s.openAs(aCentre, "centre_id", r.GetCentreId(), r.GetValidFrom()), s.openAs(aHospital, "establishment_id", r.GetEstablishmentId(), r.GetValidFrom()))
	if err != nil {
		return nil, err
	}
	if !changes(&s.Centres, r.GetCentreId(), r.GetValidFrom(), func(c *topologyv1.Centre) bool {
		return !slices.Contains(c.GetEstablishmentIds(), r.GetEstablishmentId())
	}) {
		return nil, already("establishment_id")
	}
	return one(r, &topologyv1.Event{Fact: &topologyv1.Event_CentreAttached{CentreAttached: &topologyv1.CentreAttached{
		CentreId:        r.GetCentreId(),
		ValidFrom:       r.GetValidFrom(),
		EstablishmentId: r.GetEstablishmentId(),
	}}})
}

// RegisterNetwork decides that a network enters the register under id.
func RegisterNetwork(s *State, id string, r *topologyv1.RegisterNetworkRequest) ([]*topologyv1.Event, error) {
	err := s.entering(id, r)
	if r.GetFiliereId() != "" {
		err = cmp.Or(err, s.openAs(aFiliere, "filiere_id", r.GetFiliereId(), r.GetValidFrom()))
	}
	if err != nil {
		return nil, err
	}
	return one(r, &topologyv1.Event{Fact: &topologyv1.Event_NetworkRegistered{NetworkRegistered: &topologyv1.NetworkRegistered{
		NetworkId: id,
		ValidFrom: r.GetValidFrom(),
		Title:     r.GetTitle(),
		Acronym:   r.GetAcronym(),
		FiliereId: r.GetFiliereId(),
	}}})
}

// RenameNetwork decides that a network has another title and acronym from a day on.
func RenameNetwork(s *State, r *topologyv1.RenameNetworkRequest) ([]*topologyv1.Event, error) {
	err := cmp.Or(dated(r), s.openAs(aNetwork, "network_id", r.GetNetworkId(), r.GetValidFrom()))
	if err != nil {
		return nil, err
	}
	if !changes(&s.Networks, r.GetNetworkId(), r.GetValidFrom(), func(n *topologyv1.Network) bool {
		return n.GetTitle() != r.GetTitle() || n.GetAcronym() != r.GetAcronym()
	}) {
		return nil, unchanged("title")
	}
	return one(r, &topologyv1.Event{Fact: &topologyv1.Event_NetworkRenamed{NetworkRenamed: &topologyv1.NetworkRenamed{
		NetworkId: r.GetNetworkId(),
		ValidFrom: r.GetValidFrom(),
		Title:     r.GetTitle(),
		Acronym:   r.GetAcronym(),
	}}})
}

// AttachNetwork decides that a network belongs to a filière from a day on, and no
// longer to another.
func AttachNetwork(s *State, r *topologyv1.AttachNetworkRequest) ([]*topologyv1.Event, error) {
	err := cmp.Or(dated(r), s.openAs(aNetwork, "network_id", r.GetNetworkId(), r.GetValidFrom()), s.openAs(aFiliere, "filiere_id", r.GetFiliereId(), r.GetValidFrom()))
	if err != nil {
		return nil, err
	}
	if !changes(&s.Networks, r.GetNetworkId(), r.GetValidFrom(), func(n *topologyv1.Network) bool {
		return n.GetFiliereId() != r.GetFiliereId()
	}) {
		return nil, already("filiere_id")
	}
	return one(r, &topologyv1.Event{Fact: &topologyv1.Event_NetworkAttached{NetworkAttached: &topologyv1.NetworkAttached{
		NetworkId: r.GetNetworkId(),
		ValidFrom: r.GetValidFrom(),
		FiliereId: r.GetFiliereId(),
	}}})
}

// RegisterFiliere decides that a filière enters the register under id.
func RegisterFiliere(s *State, id string, r *topologyv1.RegisterFiliereRequest) ([]*topologyv1.Event, error) {
	err := s.entering(id, r)
	if r.GetEstablishmentId() != "" {
		err = cmp.Or(err, s.openAs(aHospital, "establishment_id", r.GetEstablishmentId(), r.GetValidFrom()))
	}
	if err != nil {
		return nil, err
	}
	return one(r, &topologyv1.Event{Fact: &topologyv1.Event_FiliereRegistered{FiliereRegistered: &topologyv1.FiliereRegistered{
		FiliereId:       id,
		ValidFrom:       r.GetValidFrom(),
		Acronym:         r.GetAcronym(),
		Name:            r.GetName(),
		EstablishmentId: r.GetEstablishmentId(),
		Website:         r.GetWebsite(),
	}}})
}

// RenameFiliere decides that a filière has another name and acronym from a day on.
func RenameFiliere(s *State, r *topologyv1.RenameFiliereRequest) ([]*topologyv1.Event, error) {
	err := cmp.Or(dated(r), s.openAs(aFiliere, "filiere_id", r.GetFiliereId(), r.GetValidFrom()))
	if err != nil {
		return nil, err
	}
	if !changes(&s.Filieres, r.GetFiliereId(), r.GetValidFrom(), func(l *topologyv1.Filiere) bool {
		return l.GetName() != r.GetName() || l.GetAcronym() != r.GetAcronym()
	}) {
		return nil, unchanged("acronym")
	}
	return one(r, &topologyv1.Event{Fact: &topologyv1.Event_FiliereRenamed{FiliereRenamed: &topologyv1.FiliereRenamed{
		FiliereId: r.GetFiliereId(),
		ValidFrom: r.GetValidFrom(),
		Acronym:   r.GetAcronym(),
		Name:      r.GetName(),
	}}})
}

// AttachFiliere decides that a filière is coordinated from a hospital from a day on,
// and no longer from another.
func AttachFiliere(s *State, r *topologyv1.AttachFiliereRequest) ([]*topologyv1.Event, error) {
	err := cmp.Or(dated(r), s.openAs(aFiliere, "filiere_id", r.GetFiliereId(), r.GetValidFrom()), s.openAs(aHospital, "establishment_id", r.GetEstablishmentId(), r.GetValidFrom()))
	if err != nil {
		return nil, err
	}
	if !changes(&s.Filieres, r.GetFiliereId(), r.GetValidFrom(), func(l *topologyv1.Filiere) bool {
		return l.GetEstablishmentId() != r.GetEstablishmentId()
	}) {
		return nil, already("establishment_id")
	}
	return one(r, &topologyv1.Event{Fact: &topologyv1.Event_FiliereAttached{FiliereAttached: &topologyv1.FiliereAttached{
		FiliereId:       r.GetFiliereId(),
		ValidFrom:       r.GetValidFrom(),
		EstablishmentId: r.GetEstablishmentId(),
	}}})
}

// RegisterPlatform decides that a platform enters the register under id.
func RegisterPlatform(s *State, id string, r *topologyv1.RegisterPlatformRequest) ([]*topologyv1.Event, error) {
	err := cmp.Or(s.entering(id, r), s.hospitals(r), checkPlace(r.GetPlace()))
	if err != nil {
		return nil, err
	}
	return one(r, &topologyv1.Event{Fact: &topologyv1.Event_PlatformRegistered{PlatformRegistered: &topologyv1.PlatformRegistered{
		PlatformId:       id,
		ValidFrom:        r.GetValidFrom(),
		Name:             r.GetName(),
		Kind:             r.GetKind(),
		EstablishmentIds: r.GetEstablishmentIds(),
		Place:            r.GetPlace(),
	}}})
}

// RenamePlatform decides that a platform has another name from a day on.
func RenamePlatform(s *State, r *topologyv1.RenamePlatformRequest) ([]*topologyv1.Event, error) {
	err := cmp.Or(dated(r), s.openAs(aPlatform, "platform_id", r.GetPlatformId(), r.GetValidFrom()))
	if err != nil {
		return nil, err
	}
	if !changes(&s.Platforms, r.GetPlatformId(), r.GetValidFrom(), func(p *topologyv1.Platform) bool {
		return p.GetName() != r.GetName()
	}) {
		return nil, unchanged("name")
	}
	return one(r, &topologyv1.Event{Fact: &topologyv1.Event_PlatformRenamed{PlatformRenamed: &topologyv1.PlatformRenamed{
		PlatformId: r.GetPlatformId(),
		ValidFrom:  r.GetValidFrom(),
		Name:       r.GetName(),
	}}})
}

// AttachPlatform decides that a hospital hosts a platform from a day on, besides those
// that already do.
func AttachPlatform(s *State, r *topologyv1.AttachPlatformRequest) ([]*topologyv1.Event, error) {
	err := cmp.Or(dated(r), s.openAs(aPlatform, "platform_id", r.GetPlatformId(), r.GetValidFrom()), s.openAs(aHospital, "establishment_id", r.GetEstablishmentId(), r.GetValidFrom()))
	if err != nil {
		return nil, err
	}
	if !changes(&s.Platforms, r.GetPlatformId(), r.GetValidFrom(), func(p *topologyv1.Platform) bool {
		return !slices.Contains(p.GetEstablishmentIds(), r.GetEstablishmentId())
	}) {
		return nil, already("establishment_id")
	}
	return one(r, &topologyv1.Event{Fact: &topologyv1.Event_PlatformAttached{PlatformAttached: &topologyv1.PlatformAttached{
		PlatformId:      r.GetPlatformId(),
		ValidFrom:       r.GetValidFrom(),
		EstablishmentId: r.GetEstablishmentId(),
	}}})
}

// request is what every request about a day says, whatever it asks. Its law: a decision
// rests on this basis and holds from this day on.
type request interface {
	GetBasis() *eventv1.Basis
	GetValidFrom() string
}

// dated refuses a request without a basis or with a first day that does not exist. A
// basis may cite any act: acts are labelling's, which topology does not know.
func dated(r request) error {
	return cmp.Or(fact.CheckBasis(r.GetBasis()), fact.CheckDate(r.GetValidFrom(), "valid_from"))
}

func (s *State) entering(id string, r request) error {
	if err := dated(r); err != nil {
		return err
	}
	return s.free(id)
}

func (s *State) free(id string) error {
	if id == "" || s.Knows(id) || len(s.Continuities.History(id)) > 0 || len(s.Aliases.History(id)) > 0 {
		return fault.New(fault.Refused, "ID_TAKEN", "", "The id %q is taken: mint another.", id)
	}
	return nil
}

// checkPlace refuses a department that there is not (DEPARTMENT_UNKNOWN), and a commune
// that its code puts in another (COMMUNE_ELSEWHERE).
func checkPlace(p *topologyv1.Place) error {
	if p.GetDepartmentCode() == "" {
		return nil
	}
	department, ok := identifier.Department(p.GetDepartmentCode())
	if !ok {
		return fault.New(fault.Invalid, "DEPARTMENT_UNKNOWN", "place.department_code", "No department or overseas collectivity has the code %q.", p.GetDepartmentCode())
	}
	if commune := p.GetCommuneCode(); commune != "" && !strings.HasPrefix(commune, department.Code) {
		return fault.New(fault.Invalid, "COMMUNE_ELSEWHERE", "place.commune_code", "The code %s is of no commune in the department %s (%s).", commune, department.Code, department.Name)
	}
	return nil
}

// numbers returns the numbers of an establishment in their printed form, and refuses
// those that fail their check and a FINESS number that another has.
func (s *State) numbers(id string, r interface {
	GetValidFrom() string
	GetFiness() string
	GetFinessKind() topologyv1.FinessKind
	GetSiret() string
},
) (finess, siret string, err error) {
	if r.GetFiness() != "" {
		if finess, err = identifier.FINESS(r.GetFiness()); err != nil {
			return "", "", fault.New(fault.Invalid, "FINESS_INVALID", "finess", "%v", err)
		}
		if err := s.finessFree(id, finess, r.GetFinessKind(), r.GetValidFrom()); err != nil {
			return "", "", err
		}
	}
	if r.GetSiret() != "" {
		if siret, err = identifier.SIRET(r.GetSiret()); err != nil {
			return "", "", fault.New(fault.Invalid, "SIRET_INVALID", "siret", "%v", err)
		}
	}
	return finess, siret, nil
}

// finessFree refuses a FINESS number that another establishment, open still, has on a
// day or later for the same kind (FINESS_TAKEN). One whose kind is not said clashes only
// with another such.
func (s *State) finessFree(own, number string, kind topologyv1.FinessKind, validFrom string) error {
	from, _, err := bitemporal.Span(validFrom)
	if err != nil {
		return err
	}
	for _, id := range s.ByFINESS(number, bitemporal.Latest) {
		for _, v := range s.Establishments.Versions(id, bitemporal.Latest) {
			if id != own && v.Valid.To > from && v.Value.GetFiness() == number && v.Value.GetFinessKind() == kind && !v.Value.GetClosed() {
				return fault.New(fault.Refused, "FINESS_TAKEN", "finess", "Establishment %s (%s) has the FINESS number %s.", id, v.Value.GetName(), number)
			}
		}
	}
	return nil
}

// hospitals refuses a list with one that is unknown or closed.
func (s *State) hospitals(r interface {
	GetEstablishmentIds() []string
	GetValidFrom() string
},
) error {
	return s.all(aHospital, "establishment_ids", r.GetEstablishmentIds(), r.GetValidFrom())
}

// all refuses a list of entities of a kind with one that is unknown or closed from a
// day on.
func (s *State) all(k kind, field string, ids []string, validFrom string) error {
	for i, id := range ids {
		if err := s.openAs(k, fmt.Sprintf("%s[%d]", field, i), id, validFrom); err != nil {
			return err
		}
	}
	return nil
}

// distinct refuses a list that names one twice: NAMED_TWICE.
func distinct(field string, ids []string) error {
	for i, id := range ids {
		if slices.Contains(ids[:i], id) {
			return fault.New(fault.Invalid, "NAMED_TWICE", fmt.Sprintf("%s[%d]", field, i), "%q is named already.", id)
		}
	}
	return nil
}

// changes reports whether a fact that holds from a day on would make a difference to
// what is believed to hold then or later.
func changes[E any](t *bitemporal.Table[E], id, validFrom string, differs func(E) bool) bool {
	from, _, err := bitemporal.Span(validFrom)
	return err == nil && slices.ContainsFunc(t.Versions(id, bitemporal.Latest), func(v bitemporal.Version[E]) bool {
		return v.Valid.To > from && differs(v.Value)
	})
}

func unchanged(field string) error {
	return fault.New(fault.Refused, "NAME_UNCHANGED", field, "It bears this name from that day on already.")
}

func already(field string) error {
	return fault.New(fault.Refused, "ALREADY_ATTACHED", field, "It is attached there from that day on already.")
}

// one is a commit of a single event that rests on what the request rests on.
func one(r request, e *topologyv1.Event) ([]*topologyv1.Event, error) {
	return resting(r.GetBasis(), e), nil
}

// resting is a commit whose events all rest on one basis.
func resting(on *eventv1.Basis, events ...*topologyv1.Event) []*topologyv1.Event {
	for _, e := range events {
		e.Meta = &eventv1.Meta{Basis: on}
	}
	return events
}

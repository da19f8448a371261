package topology

import (
	"cmp"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/fault"
)

func (s *State) establishmentMoved(at uint64, f *topologyv1.EstablishmentMoved, why *eventv1.Basis) error {
	return change(&s.Establishments, f.GetEstablishmentId(), f.GetValidFrom(), at, func(e *topologyv1.Establishment) {
		e.Place = f.GetPlace()
		e.Basis = rest(e.GetBasis(), why)
	})
}

func (s *State) centreMoved(at uint64, f *topologyv1.CentreMoved, why *eventv1.Basis) error {
	return change(&s.Centres, f.GetCentreId(), f.GetValidFrom(), at, func(c *topologyv1.Centre) {
		c.EstablishmentIds, c.Place = f.GetEstablishmentIds(), f.GetPlace()
		c.Basis = rest(c.GetBasis(), why)
	})
}

func (s *State) platformMoved(at uint64, f *topologyv1.PlatformMoved, why *eventv1.Basis) error {
	return change(&s.Platforms, f.GetPlatformId(), f.GetValidFrom(), at, func(p *topologyv1.Platform) {
		p.EstablishmentIds, p.Place = f.GetEstablishmentIds(), f.GetPlace()
		p.Basis = rest(p.GetBasis(), why)
	})
}

func (s *State) legalEntityChanged(at uint64, f *topologyv1.LegalEntityChanged, why *eventv1.Basis) error {
	return change(&s.Establishments, f.GetEstablishmentId(), f.GetValidFrom(), at, func(e *topologyv1.Establishment) {
		e.LegalEntityIds = f.GetLegalEntityIds()
		e.Basis = rest(e.GetBasis(), why)
	})
}

// MoveEstablishment decides that a hospital is elsewhere from a day on, and no longer
// where it was (PLACE_MISSING, PLACE_UNCHANGED).
func MoveEstablishment(s *State, r *topologyv1.MoveEstablishmentRequest) ([]*topologyv1.Event, error) {
	err := cmp.Or(dated(r), s.openAs(aHospital, "establishment_id", r.GetEstablishmentId(), r.GetValidFrom()), checkPlace(r.GetPlace()))
	if err != nil {
		return nil, err
	}
	if proto.Size(r.GetPlace()) == 0 {
		return nil, fault.New(fault.Invalid, "PLACE_MISSING", "place", "Say where it moves.")
	}
	if !changes(&s.Establishments, r.GetEstablishmentId(), r.GetValidFrom(), func(e *topologyv1.Establishment) bool {
		return !proto.Equal(e.GetPlace(), r.GetPlace())
	}) {
		return nil, fault.New(fault.Refused, "PLACE_UNCHANGED", "place", "It is there from that day on already.")
	}
	return one(r, &topologyv1.Event{Fact: &topologyv1.Event_EstablishmentMoved{EstablishmentMoved: &topologyv1.EstablishmentMoved{
		EstablishmentId: r.GetEstablishmentId(),
		ValidFrom:       r.GetValidFrom(),
		Place:           r.GetPlace(),
	}}})
}

// MoveCentre decides that a team works elsewhere from a day on, and no longer where it
// did: in other hospitals, or in a place where none is known (PLACE_MISSING,
// PLACE_UNCHANGED). A closed team moves no more: CENTRE_CLOSED.
func MoveCentre(s *State, r *topologyv1.MoveCentreRequest) ([]*topologyv1.Event, error) {
	err := cmp.Or(dated(r), s.openAs(aCentre, "centre_id", r.GetCentreId(), r.GetValidFrom()),
		s.hospitals(r), distinct("establishment_ids", r.GetEstablishmentIds()), checkPlace(r.GetPlace()))
	if err != nil {
		return nil, err
	}
	if len(r.GetEstablishmentIds()) == 0 && proto.Size(r.GetPlace()) == 0 {
		return nil, fault.New(fault.Invalid, "PLACE_MISSING", "establishment_ids", "Say where it moves: to hospitals, or to a place where none is known.")
	}
	if !changes(&s.Centres, r.GetCentreId(), r.GetValidFrom(), func(c *topologyv1.Centre) bool {
		return !slices.Equal(c.GetEstablishmentIds(), r.GetEstablishmentIds()) || !proto.Equal(c.GetPlace(), r.GetPlace())
	}) {
		return nil, fault.New(fault.Refused, "PLACE_UNCHANGED", "establishment_ids", "It works there from that day on already.")
	}
	return one(r, &topologyv1.Event{Fact: &topologyv1.Event_CentreMoved{CentreMoved: &topologyv1.CentreMoved{
		CentreId:         r.GetCentreId(),
		ValidFrom:        r.GetValidFrom(),
		EstablishmentIds: r.GetEstablishmentIds(),
		Place:            r.GetPlace(),
	}}})
}

// MovePlatform decides that a platform is hosted elsewhere from a day on, and no longer
// where it was, by the rules of [MoveCentre]; the hospital of its lead comes first.
func MovePlatform(s *State, r *topologyv1.MovePlatformRequest) ([]*topologyv1.Event, error) {
	err := cmp.Or(dated(r), s.openAs(aPlatform, "platform_id", r.GetPlatformId(), r.GetValidFrom()),
		s.hospitals(r), distinct("establishment_ids", r.GetEstablishmentIds()), checkPlace(r.GetPlace()))
	if err != nil {
		return nil, err
	}
	if len(r.GetEstablishmentIds()) == 0 && proto.Size(r.GetPlace()) == 0 {
		return nil, fault.New(fault.Invalid, "PLACE_MISSING", "establishment_ids", "Say where it moves: to hospitals, or to a place where none is known.")
	}
	if !changes(&s.Platforms, r.GetPlatformId(), r.GetValidFrom(), func(p *topologyv1.Platform) bool {
		return !slices.Equal(p.GetEstablishmentIds(), r.GetEstablishmentIds()) || !proto.Equal(p.GetPlace(), r.GetPlace())
	}) {
		return nil, fault.New(fault.Refused, "PLACE_UNCHANGED", "establishment_ids", "It is hosted there from that day on already.")
	}
	return one(r, &topologyv1.Event{Fact: &topologyv1.Event_PlatformMoved{PlatformMoved: &topologyv1.PlatformMoved{
		PlatformId:       r.GetPlatformId(),
		ValidFrom:        r.GetValidFrom(),
		EstablishmentIds: r.GetEstablishmentIds(),
		Place:            r.GetPlace(),
	}}})
}

// ChangeLegalEntity decides that a hospital belongs to other legal entities from a day
// on, and no longer to those it belonged to (ALREADY_ATTACHED). It keeps its identity,
// and with it all it holds: that is no merger. It cannot be its own, nor by way of
// another: LEGAL_ENTITY_SELF.
func ChangeLegalEntity(s *State, r *topologyv1.ChangeLegalEntityRequest) ([]*topologyv1.Event, error) {
	err := cmp.Or(dated(r), s.openAs(aHospital, "establishment_id", r.GetEstablishmentId(), r.GetValidFrom()),
		s.all(aHospital, "legal_entity_ids", r.GetLegalEntityIds(), r.GetValidFrom()), distinct("legal_entity_ids", r.GetLegalEntityIds()))
	if err != nil {
		return nil, err
	}
	for i, id := range r.GetLegalEntityIds() {
		if err := s.otherEntity(r.GetEstablishmentId(), id, fmt.Sprintf("legal_entity_ids[%d]", i), nil); err != nil {
			return nil, err
		}
	}
	if !changes(&s.Establishments, r.GetEstablishmentId(), r.GetValidFrom(), func(e *topologyv1.Establishment) bool {
		return !slices.Equal(e.GetLegalEntityIds(), r.GetLegalEntityIds())
	}) {
		return nil, already("legal_entity_ids")
	}
	return one(r, &topologyv1.Event{Fact: &topologyv1.Event_LegalEntityChanged{LegalEntityChanged: &topologyv1.LegalEntityChanged{
		EstablishmentId: r.GetEstablishmentId(),
		ValidFrom:       r.GetValidFrom(),
		LegalEntityIds:  r.GetLegalEntityIds(),
	}}})
}

// otherEntity refuses as the legal entity of a hospital itself, and one that belongs to
// it, all the way along, as those moved in the same commit will.
func (s *State) otherEntity(hospital, entity, field string, moved map[string][]string) error {
	seen := make(map[string]bool)
	for open := []string{entity}; len(open) > 0; {
		id := open[0]
		open = open[1:]
		if id == hospital {
			return fault.New(fault.Invalid, "LEGAL_ENTITY_SELF", field, "A hospital is not registered as its own legal entity.")
		}
		if seen[id] {
			continue
		}
		seen[id] = true
		ids, gone := moved[id]
		if !gone {
			e, _ := s.Establishments.Last(id, bitemporal.Latest)
			ids = e.GetLegalEntityIds()
		}
		open = append(open, ids...)
	}
	return nil
}

func (s *State) establishmentIdentified(at uint64, f *topologyv1.EstablishmentIdentified, why *eventv1.Basis) error {
	err := change(&s.Establishments, f.GetEstablishmentId(), f.GetValidFrom(), at, func(e *topologyv1.Establishment) {
		e.Finess, e.FinessKind, e.Siret = f.GetFiness(), f.GetFinessKind(), f.GetSiret()
		e.Basis = rest(e.GetBasis(), why)
	})
	if err == nil {
		s.indexFINESS(f.GetFiness(), f.GetEstablishmentId())
	}
	return err
}

// IdentifyEstablishment decides that a hospital bears other numbers from a day on, and no
// longer those before, by the rules of [RegisterEstablishment] (NUMBERS_UNCHANGED).
func IdentifyEstablishment(s *State, r *topologyv1.IdentifyEstablishmentRequest) ([]*topologyv1.Event, error) {
	if err := cmp.Or(dated(r), s.openAs(aHospital, "establishment_id", r.GetEstablishmentId(), r.GetValidFrom())); err != nil {
		return nil, err
	}
	finess, siret, err := s.numbers(r.GetEstablishmentId(), r)
	if err != nil {
		return nil, err
	}
	if !changes(&s.Establishments, r.GetEstablishmentId(), r.GetValidFrom(), func(e *topologyv1.Establishment) bool {
		return e.GetFiness() != finess || e.GetFinessKind() != r.GetFinessKind() || e.GetSiret() != siret
	}) {
		return nil, fault.New(fault.Refused, "NUMBERS_UNCHANGED", "finess", "It bears these numbers from that day on already.")
	}
	return one(r, &topologyv1.Event{Fact: &topologyv1.Event_EstablishmentIdentified{EstablishmentIdentified: &topologyv1.EstablishmentIdentified{
		EstablishmentId: r.GetEstablishmentId(),
		ValidFrom:       r.GetValidFrom(),
		Finess:          finess,
		FinessKind:      r.GetFinessKind(),
		Siret:           siret,
	}}})
}

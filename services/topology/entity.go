package topology

import (
	"cmp"

	"google.golang.org/protobuf/proto"

	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/fault"
)

// kind is what an entity is.
type kind uint8

const (
	none kind = iota
	aHospital
	aCentre
	aNetwork
	aFiliere
	aPlatform
)

// kinds has the words of each kind: its name, and the reasons of refusals.
var kinds = [...]struct{ name, unknown, closed string }{
	none:      {"entity", "ENTITY_UNKNOWN", ""},
	aHospital: {"hospital", "ESTABLISHMENT_UNKNOWN", "ESTABLISHMENT_CLOSED"},
	aCentre:   {"centre", "CENTRE_UNKNOWN", "CENTRE_CLOSED"},
	aNetwork:  {"network", "NETWORK_UNKNOWN", "NETWORK_CLOSED"},
	aFiliere:  {"filière", "FILIERE_UNKNOWN", "FILIERE_CLOSED"},
	aPlatform: {"platform", "PLATFORM_UNKNOWN", "PLATFORM_CLOSED"},
}

// entity is what the five kinds of entities have in common. Its law: once closed, one
// stays closed from that day on, and names all who took its place, who name it.
type entity interface {
	proto.Message
	GetPredecessorIds() []string
	GetSuccessorIds() []string
	GetClosedFrom() string
	GetClosed() bool
}

// entity returns what is under an id, in the values believed to hold last as known at a
// position; none and nil where nothing is.
func (s *State) entity(id string, known uint64) (kind, entity) {
	if e, ok := s.Centres.Last(id, known); ok {
		return aCentre, e
	}
	if e, ok := s.Networks.Last(id, known); ok {
		return aNetwork, e
	}
	if e, ok := s.Establishments.Last(id, known); ok {
		return aHospital, e
	}
	if e, ok := s.Filieres.Last(id, known); ok {
		return aFiliere, e
	}
	if e, ok := s.Platforms.Last(id, known); ok {
		return aPlatform, e
	}
	return none, nil
}

// nameOf is what people call an entity, the last name it had, or its id.
func (s *State) nameOf(id string) string {
	switch _, e := s.entity(id, bitemporal.Latest); e := e.(type) {
	case *topologyv1.Establishment:
		return cmp.Or(e.GetName(), id)
	case *topologyv1.Centre:
		return cmp.Or(e.GetName(), id)
	case *topologyv1.Network:
		return cmp.Or(e.GetAcronym(), e.GetTitle(), id)
	case *topologyv1.Filiere:
		return cmp.Or(e.GetAcronym(), e.GetName(), id)
	case *topologyv1.Platform:
		return cmp.Or(e.GetName(), id)
	}
	return id
}

// closedBy reports whether an entity is certainly or possibly closed on a day, as known
// at a position: a first day of reduced precision is the earliest it may be, an unknown
// one is since ever.
func (s *State) closedBy(id string, day bitemporal.Date, known uint64) bool {
	_, e := s.entity(id, known)
	if e == nil || !e.GetClosed() {
		return false
	}
	from, _, err := bitemporal.Span(e.GetClosedFrom())
	return err == nil && from <= day
}

// firstDay is the first day on which an entity is believed to be there: Past where it is
// unknown, Future for nobody.
func (s *State) firstDay(id string) bitemporal.Date {
	first := bitemporal.Future
	switch kind, _ := s.entity(id, bitemporal.Latest); kind {
	case aHospital:
		first = earliest(&s.Establishments, id)
	case aCentre:
		first = earliest(&s.Centres, id)
	case aNetwork:
		first = earliest(&s.Networks, id)
	case aFiliere:
		first = earliest(&s.Filieres, id)
	case aPlatform:
		first = earliest(&s.Platforms, id)
	}
	return first
}

func earliest[E any](t *bitemporal.Table[E], id string) bitemporal.Date {
	if all := t.Versions(id, bitemporal.Latest); len(all) > 0 {
		return all[0].Valid.From
	}
	return bitemporal.Future
}

// is refuses an id under which no entity of a kind is registered: CENTRE_UNKNOWN and
// the like.
func (s *State) is(want kind, field, id string) error {
	if got, _ := s.entity(id, bitemporal.Latest); got != want {
		return fault.New(fault.NotFound, kinds[want].unknown, field, "No %s is registered under %q.", kinds[want].name, id)
	}
	return nil
}

// open refuses a fact that holds from a day on which an entity is certainly closed:
// CENTRE_CLOSED and the like.
func (s *State) open(field, id, validFrom string) error {
	kind, e := s.entity(id, bitemporal.Latest)
	if e == nil || !e.GetClosed() {
		return nil
	}
	from, _, err := bitemporal.Span(validFrom)
	if err != nil {
		return err
	}
	if _, closed, err := bitemporal.Span(e.GetClosedFrom()); err == nil && from >= closed {
		return isClosed(kind, field, id, e)
	}
	return nil
}

// openAs refuses an id under which no entity of a kind is registered, or one that is
// certainly closed from a day on.
func (s *State) openAs(want kind, field, id, validFrom string) error {
	return cmp.Or(s.is(want, field, id), s.open(field, id, validFrom))
}

func isClosed(k kind, field, id string, e entity) error {
	after := "others took its place"
	if len(e.GetSuccessorIds()) == 0 {
		after = "none took its place"
	}
	return fault.New(fault.Refused, kinds[k].closed, field, "%s is closed from %s on: %s.", id, cmp.Or(e.GetClosedFrom(), "an unknown day"), after)
}

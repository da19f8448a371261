package topology

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/fault"
)

// errSuccession says that an event states a succession of nothing, or of one by itself.
var errSuccession = errors.New("a succession is of some by others")

// successive is what centres and networks have in common: they can be succeeded.
// It is a constraint, never a value.
type successive interface {
	proto.Message
	GetSuccessorIds() []string
	GetClosedFrom() string
}

func (s *State) centreMoved(at uint64, f *topologyv1.CentreMoved, why *eventv1.Basis) error {
	return change(&s.Centres, f.GetCentreId(), f.GetValidFrom(), at, func(c *topologyv1.Centre) {
		c.EstablishmentIds, c.Place = f.GetEstablishmentIds(), f.GetPlace()
		c.Basis = rest(c.GetBasis(), why)
	})
}

func (s *State) centreSucceeded(at uint64, f *topologyv1.CentreSucceeded, why *eventv1.Basis) error {
	return succeed(&s.Centres, at, f, func(c *topologyv1.Centre) {
		c.SuccessorIds, c.ClosedFrom = f.GetSuccessorIds(), f.GetValidFrom()
		c.Basis = rest(c.GetBasis(), why)
	}, func(c *topologyv1.Centre) {
		c.PredecessorIds = slices.Concat(c.GetPredecessorIds(), f.GetPredecessorIds())
		c.Basis = rest(c.GetBasis(), why)
	})
}

func (s *State) networkSucceeded(at uint64, f *topologyv1.NetworkSucceeded, why *eventv1.Basis) error {
	return succeed(&s.Networks, at, f, func(n *topologyv1.Network) {
		n.SuccessorIds, n.ClosedFrom = f.GetSuccessorIds(), f.GetValidFrom()
		n.Basis = rest(n.GetBasis(), why)
	}, func(n *topologyv1.Network) {
		n.PredecessorIds = slices.Concat(n.GetPredecessorIds(), f.GetPredecessorIds())
		n.Basis = rest(n.GetBasis(), why)
	})
}

// succeed closes some and lets others take their place, from one day on. Those that
// close keep their id and what was known of them.
func succeed[E successive](t *bitemporal.Table[E], at uint64, f interface {
	GetPredecessorIds() []string
	GetSuccessorIds() []string
	GetValidFrom() string
}, closes, follows func(E),
) error {
	if _, _, err := bitemporal.Span(f.GetValidFrom()); err != nil {
		return err
	}
	if len(f.GetPredecessorIds()) == 0 || len(f.GetSuccessorIds()) == 0 {
		return errSuccession
	}
	for _, id := range slices.Concat(f.GetPredecessorIds(), f.GetSuccessorIds()) {
		if !known(t, id) {
			return fmt.Errorf("%w: %q", errUnknown, id)
		}
	}
	for _, id := range f.GetPredecessorIds() {
		if slices.Contains(f.GetSuccessorIds(), id) {
			return fmt.Errorf("%w: %q", errSuccession, id)
		}
	}
	for _, id := range f.GetPredecessorIds() {
		if err := change(t, id, f.GetValidFrom(), at, closes); err != nil {
			return err
		}
	}
	for _, id := range f.GetSuccessorIds() {
		if err := change(t, id, f.GetValidFrom(), at, follows); err != nil {
			return err
		}
	}
	return nil
}

// MoveCentre decides that a team works elsewhere from a day on, and no longer where it
// did: in other hospitals, or in a place where none is known (PLACE_MISSING,
// PLACE_UNCHANGED). A closed team moves no more: CENTRE_CLOSED.
func MoveCentre(s *State, r *topologyv1.MoveCentreRequest) ([]*topologyv1.Event, error) {
	err := cmp.Or(dated(r), s.centre("centre_id", r.GetCentreId()), s.hospitals(r.GetEstablishmentIds()), checkPlace(r.GetPlace()),
		centreOpen(s, r.GetCentreId(), r.GetValidFrom()))
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

// SucceedCentres decides that teams are closed and others take their place from a day
// on: a merger, a split, n to m. One closes once and takes no place after that
// (CENTRE_CLOSED), and none comes after itself (SUCCEEDS_ITSELF).
func SucceedCentres(s *State, r *topologyv1.SucceedCentresRequest) ([]*topologyv1.Event, error) {
	if err := cmp.Or(dated(r), checkSuccession(&s.Centres, r, "centre", "CENTRE_UNKNOWN", "CENTRE_CLOSED")); err != nil {
		return nil, err
	}
	return one(r, &topologyv1.Event{Fact: &topologyv1.Event_CentreSucceeded{CentreSucceeded: &topologyv1.CentreSucceeded{
		PredecessorIds: r.GetPredecessorIds(),
		SuccessorIds:   r.GetSuccessorIds(),
		ValidFrom:      r.GetValidFrom(),
	}}})
}

// SucceedNetworks decides that networks are closed and others take their place from a
// day on, by the rules of [SucceedCentres]: NETWORK_CLOSED, SUCCEEDS_ITSELF.
func SucceedNetworks(s *State, r *topologyv1.SucceedNetworksRequest) ([]*topologyv1.Event, error) {
	if err := cmp.Or(dated(r), checkSuccession(&s.Networks, r, "network", "NETWORK_UNKNOWN", "NETWORK_CLOSED")); err != nil {
		return nil, err
	}
	return one(r, &topologyv1.Event{Fact: &topologyv1.Event_NetworkSucceeded{NetworkSucceeded: &topologyv1.NetworkSucceeded{
		PredecessorIds: r.GetPredecessorIds(),
		SuccessorIds:   r.GetSuccessorIds(),
		ValidFrom:      r.GetValidFrom(),
	}}})
}

func checkSuccession[E successive](t *bitemporal.Table[E], r interface {
	GetPredecessorIds() []string
	GetSuccessorIds() []string
	GetValidFrom() string
}, kind, unknown, closed string,
) error {
	named := make(map[string]bool)
	for i, id := range r.GetPredecessorIds() {
		field := fmt.Sprintf("predecessor_ids[%d]", i)
		if err := cmp.Or(registered(t, id, unknown, field, kind), once(named, id, field)); err != nil {
			return err
		}
		if last, _ := t.Last(id, bitemporal.Latest); len(last.GetSuccessorIds()) > 0 {
			return isClosed(closed, field, id, last.GetClosedFrom())
		}
	}
	succeeding := make(map[string]bool)
	for i, id := range r.GetSuccessorIds() {
		field := fmt.Sprintf("successor_ids[%d]", i)
		if err := cmp.Or(registered(t, id, unknown, field, kind), once(succeeding, id, field), checkOpen(t, id, r.GetValidFrom(), closed, field)); err != nil {
			return err
		}
		if leads(t, id, named) {
			return fault.New(fault.Refused, "SUCCEEDS_ITSELF", field, "One of those that close would come after itself, by way of %q.", id)
		}
	}
	return nil
}

func once(named map[string]bool, id, field string) error {
	if named[id] {
		return fault.New(fault.Invalid, "NAMED_TWICE", field, "%q is named already.", id)
	}
	named[id] = true
	return nil
}

// leads reports whether one, or any of those that came after it, is in a set.
func leads[E successive](t *bitemporal.Table[E], id string, to map[string]bool) bool {
	seen := make(map[string]bool)
	for open := []string{id}; len(open) > 0; {
		id, open = open[0], open[1:]
		if to[id] {
			return true
		}
		if seen[id] {
			continue
		}
		seen[id] = true
		last, _ := t.Last(id, bitemporal.Latest)
		open = append(open, last.GetSuccessorIds()...)
	}
	return false
}

// checkOpen refuses a fact that holds from a day on which one is certainly closed.
func checkOpen[E successive](t *bitemporal.Table[E], id, validFrom, reason, field string) error {
	last, ok := t.Last(id, bitemporal.Latest)
	if !ok || len(last.GetSuccessorIds()) == 0 {
		return nil
	}
	from, _, err := bitemporal.Span(validFrom)
	if err != nil {
		return err
	}
	if _, closed, err := bitemporal.Span(last.GetClosedFrom()); err == nil && from >= closed {
		return isClosed(reason, field, id, last.GetClosedFrom())
	}
	return nil
}

func centreOpen(s *State, id, validFrom string) error {
	return checkOpen(&s.Centres, id, validFrom, "CENTRE_CLOSED", "centre_id")
}

func networkOpen(s *State, id, validFrom string) error {
	return checkOpen(&s.Networks, id, validFrom, "NETWORK_CLOSED", "network_id")
}

func isClosed(reason, field, id, from string) error {
	return fault.New(fault.Refused, reason, field, "%s is closed from %s on: others took its place.", id, cmp.Or(from, "an unknown day"))
}

package topology

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/fault"
)

// errSuccession says that an event states a succession of nothing, or of one by itself.
var errSuccession = errors.New("a succession is of some by others")

func (s *State) establishmentSucceeded(at uint64, f *topologyv1.EstablishmentSucceeded, why *eventv1.Basis) error {
	return succeed(&s.Establishments, at, f, func(e *topologyv1.Establishment) {
		e.SuccessorIds, e.ClosedFrom, e.Closed = f.GetSuccessorIds(), f.GetValidFrom(), true
		e.Basis = rest(e.GetBasis(), why)
	}, func(e *topologyv1.Establishment) {
		e.PredecessorIds = slices.Concat(e.GetPredecessorIds(), f.GetPredecessorIds())
		e.Basis = rest(e.GetBasis(), why)
	})
}

func (s *State) centreSucceeded(at uint64, f *topologyv1.CentreSucceeded, why *eventv1.Basis) error {
	return succeed(&s.Centres, at, f, func(c *topologyv1.Centre) {
		c.SuccessorIds, c.ClosedFrom, c.Closed = f.GetSuccessorIds(), f.GetValidFrom(), true
		c.Basis = rest(c.GetBasis(), why)
	}, func(c *topologyv1.Centre) {
		c.PredecessorIds = slices.Concat(c.GetPredecessorIds(), f.GetPredecessorIds())
		c.Basis = rest(c.GetBasis(), why)
	})
}

func (s *State) networkSucceeded(at uint64, f *topologyv1.NetworkSucceeded, why *eventv1.Basis) error {
	return succeed(&s.Networks, at, f, func(n *topologyv1.Network) {
		n.SuccessorIds, n.ClosedFrom, n.Closed = f.GetSuccessorIds(), f.GetValidFrom(), true
		n.Basis = rest(n.GetBasis(), why)
	}, func(n *topologyv1.Network) {
		n.PredecessorIds = slices.Concat(n.GetPredecessorIds(), f.GetPredecessorIds())
		n.Basis = rest(n.GetBasis(), why)
	})
}

func (s *State) filiereSucceeded(at uint64, f *topologyv1.FiliereSucceeded, why *eventv1.Basis) error {
	return succeed(&s.Filieres, at, f, func(l *topologyv1.Filiere) {
		l.SuccessorIds, l.ClosedFrom, l.Closed = f.GetSuccessorIds(), f.GetValidFrom(), true
		l.Basis = rest(l.GetBasis(), why)
	}, func(l *topologyv1.Filiere) {
		l.PredecessorIds = slices.Concat(l.GetPredecessorIds(), f.GetPredecessorIds())
		l.Basis = rest(l.GetBasis(), why)
	})
}

func (s *State) platformSucceeded(at uint64, f *topologyv1.PlatformSucceeded, why *eventv1.Basis) error {
	return succeed(&s.Platforms, at, f, func(p *topologyv1.Platform) {
		p.SuccessorIds, p.ClosedFrom, p.Closed = f.GetSuccessorIds(), f.GetValidFrom(), true
		p.Basis = rest(p.GetBasis(), why)
	}, func(p *topologyv1.Platform) {
		p.PredecessorIds = slices.Concat(p.GetPredecessorIds(), f.GetPredecessorIds())
		p.Basis = rest(p.GetBasis(), why)
	})
}

// succeed closes some and lets others take their place, or none, from one day on. Those
// that close keep their id and what was known of them.
func succeed[E entity](t *bitemporal.Table[E], at uint64, f interface {
	GetPredecessorIds() []string
	GetSuccessorIds() []string
	GetValidFrom() string
}, closes, follows func(E),
) error {
	if _, _, err := bitemporal.Span(f.GetValidFrom()); err != nil {
		return err
	}
	if len(f.GetPredecessorIds()) == 0 {
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

// succession is a request to close some and let others take their place. Its law: all
// it names are of one kind, and what it says of dependants is said of all of them.
type succession interface {
	request
	GetPredecessorIds() []string
	GetSuccessorIds() []string
	GetChildren() []*topologyv1.Child
}

// SucceedEstablishments decides that hospitals are closed and others take their place
// from a day on, or none does: a merger, a split, n to m. One closes once and takes no
// place after that (ESTABLISHMENT_CLOSED), and none comes after itself, by any of the ids
// declared to be one (SUCCEEDS_ITSELF).
//
// All that depends on those that close is decided in the same commit: the centres that
// work there, the platforms hosted there, the filières coordinated from there, the
// establishments whose legal entity it is, and links. One that is left out is named
// (CHILD_UNDECIDED), and one that depends on none of them is refused (CHILD_OTHER). It
// moves elsewhere, stays with what is left to it, or closes, with all that depends on
// it in turn; CHILD_DESTINATION refuses what does not say where, or cannot be there.
// mint returns a new id for each link that goes on with others.
func SucceedEstablishments(s *State, mint func() string, r *topologyv1.SucceedEstablishmentsRequest) ([]*topologyv1.Event, error) {
	return s.decideSuccession(aHospital, mint, r)
}

// SucceedCentres decides that teams are closed and others take their place from a day
// on, by the rules of [SucceedEstablishments]. What depends on a team is its links.
func SucceedCentres(s *State, mint func() string, r *topologyv1.SucceedCentresRequest) ([]*topologyv1.Event, error) {
	return s.decideSuccession(aCentre, mint, r)
}

// SucceedNetworks decides that networks are closed and others take their place from a
// day on, by the rules of [SucceedEstablishments]. What depends on a network is its
// links.
func SucceedNetworks(s *State, mint func() string, r *topologyv1.SucceedNetworksRequest) ([]*topologyv1.Event, error) {
	return s.decideSuccession(aNetwork, mint, r)
}

// SucceedFilieres decides that filières are closed and others take their place from a
// day on, by the rules of [SucceedEstablishments]. What depends on a filière is its
// networks and its links.
func SucceedFilieres(s *State, mint func() string, r *topologyv1.SucceedFilieresRequest) ([]*topologyv1.Event, error) {
	return s.decideSuccession(aFiliere, mint, r)
}

// SucceedPlatforms decides that platforms are closed and others take their place from a
// day on, by the rules of [SucceedEstablishments]. What depends on a platform is its
// links.
func SucceedPlatforms(s *State, mint func() string, r *topologyv1.SucceedPlatformsRequest) ([]*topologyv1.Event, error) {
	return s.decideSuccession(aPlatform, mint, r)
}

func (s *State) decideSuccession(k kind, mint func() string, r succession) ([]*topologyv1.Event, error) {
	if err := cmp.Or(dated(r), s.checkSuccession(k, r)); err != nil {
		return nil, err
	}
	c, err := s.closing(r.GetPredecessorIds(), r.GetValidFrom(), mint)
	if err != nil {
		return nil, err
	}
	if err := c.decide(r.GetChildren()); err != nil {
		return nil, err
	}
	for i, id := range r.GetSuccessorIds() {
		if c.closed[id] {
			return nil, fault.New(fault.Refused, "CHILD_DESTINATION", fmt.Sprintf("successor_ids[%d]", i), "%s closes on the same day.", c.name(id))
		}
	}
	events, err := c.settle()
	if err != nil {
		return nil, err
	}
	first := succeeded(k, r.GetPredecessorIds(), r.GetSuccessorIds(), r.GetValidFrom())
	return resting(r.GetBasis(), slices.Insert(events, 0, first)...), nil
}

// succeeded is the fact that some of a kind close and others take their place.
func succeeded(k kind, before, after []string, from string) *topologyv1.Event {
	switch k {
	case aHospital:
		return &topologyv1.Event{Fact: &topologyv1.Event_EstablishmentSucceeded{EstablishmentSucceeded: &topologyv1.EstablishmentSucceeded{
			PredecessorIds: before, SuccessorIds: after, ValidFrom: from,
		}}}
	case aCentre:
		return &topologyv1.Event{Fact: &topologyv1.Event_CentreSucceeded{CentreSucceeded: &topologyv1.CentreSucceeded{
			PredecessorIds: before, SuccessorIds: after, ValidFrom: from,
		}}}
	case aNetwork:
		return &topologyv1.Event{Fact: &topologyv1.Event_NetworkSucceeded{NetworkSucceeded: &topologyv1.NetworkSucceeded{
			PredecessorIds: before, SuccessorIds: after, ValidFrom: from,
		}}}
	case aFiliere:
		return &topologyv1.Event{Fact: &topologyv1.Event_FiliereSucceeded{FiliereSucceeded: &topologyv1.FiliereSucceeded{
			PredecessorIds: before, SuccessorIds: after, ValidFrom: from,
		}}}
	case aPlatform:
		return &topologyv1.Event{Fact: &topologyv1.Event_PlatformSucceeded{PlatformSucceeded: &topologyv1.PlatformSucceeded{
			PredecessorIds: before, SuccessorIds: after, ValidFrom: from,
		}}}
	}
	return nil
}

func (s *State) checkSuccession(k kind, r succession) error {
	named := make(map[string]bool)
	for i, id := range r.GetPredecessorIds() {
		field := fmt.Sprintf("predecessor_ids[%d]", i)
		if err := cmp.Or(s.is(k, field, id), once(named, id, field)); err != nil {
			return err
		}
		if _, e := s.entity(id, bitemporal.Latest); e.GetClosed() {
			return isClosed(k, field, id, e)
		}
	}
	succeeding := make(map[string]bool)
	for i, id := range r.GetSuccessorIds() {
		field := fmt.Sprintf("successor_ids[%d]", i)
		if err := cmp.Or(s.openAs(k, field, id, r.GetValidFrom()), once(succeeding, id, field)); err != nil {
			return err
		}
		if s.leads(id, named) {
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

// leads reports whether one, or any of those that came after it, is in a set: each by all
// the ids that it is declared to have.
func (s *State) leads(id string, to map[string]bool) bool {
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
		open = append(open, s.Continued(id, bitemporal.Latest)...)
		if _, e := s.entity(id, bitemporal.Latest); e != nil {
			open = append(open, e.GetSuccessorIds()...)
		}
	}
	return false
}

// Chain returns everyone in the succession that an entity stands in, as known at a
// position: those that came before and after it, before and after these, and those
// declared to be one with any of them; each before those that took its place, and all
// alike whoever of them is asked. Only the entity itself where nothing is.
func (s *State) Chain(id string, known uint64) []string {
	seen := map[string]bool{id: true}
	all := []string{id}
	for i := 0; i < len(all); i++ {
		_, e := s.entity(all[i], known)
		next := s.Continued(all[i], known)
		if e != nil {
			next = slices.Concat(e.GetPredecessorIds(), e.GetSuccessorIds(), next)
		}
		for _, n := range next {
			if !seen[n] {
				seen[n] = true
				all = append(all, n)
			}
		}
	}
	slices.Sort(all)
	ordered := make([]string, 0, len(all))
	placed := make(map[string]bool)
	var place func(string)
	place = func(id string) {
		if placed[id] {
			return
		}
		placed[id] = true
		if _, e := s.entity(id, known); e != nil {
			for _, before := range e.GetPredecessorIds() {
				place(before)
			}
		}
		ordered = append(ordered, id)
	}
	for _, id := range all {
		place(id)
	}
	return ordered
}

// Present returns the entities that are in the place of one on a day, as known at a
// position: itself while it is open, by the id to go by; none where it closed and none
// took its place.
func (s *State) Present(id string, day bitemporal.Date, known uint64) []string {
	var present []string
	seen := make(map[string]bool)
	for open := []string{id}; len(open) > 0; {
		same := s.Continued(open[0], known)
		open = open[1:]
		if seen[same[0]] {
			continue
		}
		seen[same[0]] = true
		closed := false
		for _, id := range same {
			if s.closedBy(id, day, known) {
				_, e := s.entity(id, known)
				closed, open = true, append(open, e.GetSuccessorIds()...)
			}
		}
		if !closed {
			present = append(present, same[0])
		}
	}
	return present
}

package topology

import (
	"cmp"
	"fmt"
	"slices"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/fact"
	"maillage/services/fault"
)

// always is the days of what has no day: it holds whenever it is known.
var always = bitemporal.Interval{From: bitemporal.Past, To: bitemporal.Future}

func (s *State) continuityDeclared(at uint64, f *topologyv1.ContinuityDeclared, why *eventv1.Basis) error {
	kept, _ := s.entity(f.GetKeptId(), bitemporal.Latest)
	other, _ := s.entity(f.GetOtherId(), bitemporal.Latest)
	if kept == none || kept != other {
		return fmt.Errorf("%w: %q and %q of one kind", errUnknown, f.GetKeptId(), f.GetOtherId())
	}
	c := &topologyv1.Continuity{
		ContinuityId: f.GetContinuityId(), KeptId: f.GetKeptId(), OtherId: f.GetOtherId(), Basis: rest(nil, why),
	}
	if err := register(&s.Continuities, c.GetContinuityId(), "", at, c); err != nil {
		return err
	}
	s.indexContinuity(c)
	return nil
}

func (s *State) continuityRevoked(at uint64, f *topologyv1.ContinuityRevoked) error {
	if !known(&s.Continuities, f.GetContinuityId()) {
		return fmt.Errorf("%w: %q", errUnknown, f.GetContinuityId())
	}
	s.Continuities.Retract(f.GetContinuityId(), always, at)
	return nil
}

// ContinuitiesOf returns the declarations that an entity is one with another, as known
// at a position, in the order declared; those that were revoked are gone.
func (s *State) ContinuitiesOf(id string, known uint64) []*topologyv1.Continuity {
	var all []*topologyv1.Continuity
	for _, continuity := range s.continuities[id] {
		if c, ok := s.Continuities.Last(continuity, known); ok && (c.GetKeptId() == id || c.GetOtherId() == id) {
			all = append(all, c)
		}
	}
	return all
}

// Continued returns the ids that are declared to be one with an id, itself among them, as
// known at a position: the id to go by, then the others in order. All of them resolve.
func (s *State) Continued(id string, known uint64) []string {
	all := []string{id}
	other := make(map[string]bool)
	for i := 0; i < len(all); i++ {
		for _, c := range s.ContinuitiesOf(all[i], known) {
			other[c.GetOtherId()] = true
			all = with(with(all, c.GetKeptId()), c.GetOtherId())
		}
	}
	slices.SortFunc(all, func(a, b string) int {
		switch {
		case other[a] == other[b]:
			return cmp.Compare(a, b)
		case other[b]:
			return -1
		}
		return 1
	})
	return all
}

// DeclareContinuity decides that two ids turn out to be one and the same, under id. They
// are of one kind (CONTINUITY_KINDS) and two (CONTINUITY_SELF), not declared one already
// (CONTINUITY_EXISTS), and nothing says otherwise: the other id is not yet the same as
// some third to go by, and neither took the place of the other, all the way along
// (CONTINUITY_CONTRADICTED). The world did not change: we learned better.
func DeclareContinuity(s *State, id string, r *topologyv1.DeclareContinuityRequest) ([]*topologyv1.Event, error) {
	kind, _ := s.entity(r.GetKeptId(), bitemporal.Latest)
	other, _ := s.entity(r.GetOtherId(), bitemporal.Latest)
	if err := cmp.Or(fact.CheckBasis(r.GetBasis()), s.free(id)); err != nil {
		return nil, err
	}
	switch one := s.Continued(r.GetOtherId(), bitemporal.Latest); {
	case kind == none:
		return nil, s.is(aCentre, "kept_id", r.GetKeptId())
	case other == none:
		return nil, s.is(kind, "other_id", r.GetOtherId())
	case kind != other:
		return nil, fault.New(fault.Refused, "CONTINUITY_KINDS", "other_id", "A %s and a %s are not one.", kinds[kind].name, kinds[other].name)
	case r.GetKeptId() == r.GetOtherId():
		return nil, fault.New(fault.Invalid, "CONTINUITY_SELF", "other_id", "It is itself: name another.")
	case slices.Contains(one, r.GetKeptId()):
		return nil, fault.New(fault.Refused, "CONTINUITY_EXISTS", "other_id", "They are declared to be one already.")
	case one[0] != r.GetOtherId():
		return nil, fault.New(fault.Refused, "CONTINUITY_CONTRADICTED", "other_id", "%s is declared to be the same as %s, the id to go by: declare that one.", r.GetOtherId(), one[0])
	}
	kept, others := s.Continued(r.GetKeptId(), bitemporal.Latest), s.Continued(r.GetOtherId(), bitemporal.Latest)
	if kept[0] != r.GetKeptId() {
		return nil, fault.New(fault.Refused, "CONTINUITY_CONTRADICTED", "kept_id", "%s is declared to be the same as %s, the id to go by: declare that one.", r.GetKeptId(), kept[0])
	}
	for _, a := range kept {
		for _, b := range others {
			if s.leads(a, map[string]bool{b: true}) || s.leads(b, map[string]bool{a: true}) {
				return nil, fault.New(fault.Refused, "CONTINUITY_CONTRADICTED", "other_id", "One took the place of the other: %s and %s are two.", a, b)
			}
		}
	}
	return resting(r.GetBasis(), &topologyv1.Event{Fact: &topologyv1.Event_ContinuityDeclared{ContinuityDeclared: &topologyv1.ContinuityDeclared{
		ContinuityId: id, KeptId: r.GetKeptId(), OtherId: r.GetOtherId(),
	}}}), nil
}

// RevokeContinuity decides that a declaration of continuity was wrong, once:
// CONTINUITY_UNKNOWN, CONTINUITY_REVOKED.
func RevokeContinuity(s *State, r *topologyv1.RevokeContinuityRequest) ([]*topologyv1.Event, error) {
	if err := fact.CheckBasis(r.GetBasis()); err != nil {
		return nil, err
	}
	id := r.GetContinuityId()
	if !known(&s.Continuities, id) {
		if len(s.Continuities.History(id)) > 0 {
			return nil, fault.New(fault.Refused, "CONTINUITY_REVOKED", "continuity_id", "It is revoked already.")
		}
		return nil, fault.New(fault.NotFound, "CONTINUITY_UNKNOWN", "continuity_id", "No continuity is declared under %q.", id)
	}
	return resting(r.GetBasis(), &topologyv1.Event{Fact: &topologyv1.Event_ContinuityRevoked{ContinuityRevoked: &topologyv1.ContinuityRevoked{ContinuityId: id}}}), nil
}

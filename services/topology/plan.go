package topology

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/fact"
	"maillage/services/fault"
	"maillage/services/identifier"
)

func (s *State) planRegistered(at uint64, f *topologyv1.PlanRegistered, why *eventv1.Basis) error {
	if err := dates(f.GetPeriod().GetStart(), f.GetPeriod().GetEnd()); err != nil {
		return err
	}
	return register(&s.Plans, f.GetPlanId(), "", at, &topologyv1.Plan{
		PlanId: f.GetPlanId(), Code: f.GetCode(), Name: f.GetName(), Period: f.GetPeriod(), Axes: f.GetAxes(), Basis: rest(nil, why),
	})
}

func (s *State) planExtended(at uint64, f *topologyv1.PlanExtended, why *eventv1.Basis) error {
	if err := dates(f.GetEnd()); err != nil {
		return err
	}
	return change(&s.Plans, f.GetPlanId(), "", at, func(p *topologyv1.Plan) {
		p.Period = &eventv1.Period{Start: p.GetPeriod().GetStart(), End: f.GetEnd()}
		p.Basis = rest(p.GetBasis(), why)
	})
}

func (s *State) planAxesStated(at uint64, f *topologyv1.PlanAxesStated, why *eventv1.Basis) error {
	return change(&s.Plans, f.GetPlanId(), "", at, func(p *topologyv1.Plan) {
		p.Axes = f.GetAxes()
		p.Basis = rest(p.GetBasis(), why)
	})
}

// RegisterPlan decides that a national plan enters the register under id, with a code
// that no other has: PLAN_CODE_TAKEN.
func RegisterPlan(s *State, id string, r *topologyv1.RegisterPlanRequest) ([]*topologyv1.Event, error) {
	err := cmp.Or(fact.CheckBasis(r.GetBasis()), s.free(id), checkPeriod(r.GetPeriod()), checkAxes(r.GetAxes()))
	if err != nil {
		return nil, err
	}
	code := strings.TrimSpace(r.GetCode())
	for other := range s.Plans.IDs() {
		if p, ok := s.Plans.Last(other, bitemporal.Latest); ok && identifier.Fold(p.GetCode()) == identifier.Fold(code) {
			return nil, fault.New(fault.Refused, "PLAN_CODE_TAKEN", "code", "The plan %s has the code %s.", other, p.GetCode())
		}
	}
	return resting(r.GetBasis(), &topologyv1.Event{Fact: &topologyv1.Event_PlanRegistered{PlanRegistered: &topologyv1.PlanRegistered{
		PlanId: id, Code: code, Name: r.GetName(), Period: r.GetPeriod(), Axes: r.GetAxes(),
	}}}), nil
}

// checkAxes refuses a code that two axes have: NAMED_TWICE.
func checkAxes(axes []*topologyv1.Axis) error {
	named := make(map[string]bool)
	for i, a := range axes {
		if err := once(named, a.GetCode(), fmt.Sprintf("axes[%d].code", i)); err != nil {
			return err
		}
	}
	return nil
}

func (s *State) plan(id string) (*topologyv1.Plan, error) {
	p, ok := s.Plans.Last(id, bitemporal.Latest)
	if !ok {
		return nil, fault.New(fault.NotFound, "PLAN_UNKNOWN", "plan_id", "No plan is registered under %q.", id)
	}
	return p, nil
}

// ExtendPlan decides that a plan goes on for longer, to an end after the one known
// (PLAN_END_NOT_LATER).
func ExtendPlan(s *State, r *topologyv1.ExtendPlanRequest) ([]*topologyv1.Event, error) {
	p, err := s.plan(r.GetPlanId())
	if err := cmp.Or(fact.CheckBasis(r.GetBasis()), fact.CheckDate(r.GetEnd(), "end"), err); err != nil {
		return nil, err
	}
	if r.GetEnd() == "" {
		return nil, fault.New(fault.Invalid, "DATE_MISSING", "end", "Say until when.")
	}
	if err := after(p.GetPeriod().GetStart(), r.GetEnd(), "end"); err != nil {
		return nil, err
	}
	_, to, err := bitemporal.Span(r.GetEnd())
	if _, was, bad := bitemporal.Span(p.GetPeriod().GetEnd()); cmp.Or(err, bad) != nil || p.GetPeriod().GetEnd() != "" && to <= was {
		return nil, fault.New(fault.Refused, "PLAN_END_NOT_LATER", "end", "It goes on until %s already.", p.GetPeriod().GetEnd())
	}
	return resting(r.GetBasis(), &topologyv1.Event{Fact: &topologyv1.Event_PlanExtended{PlanExtended: &topologyv1.PlanExtended{
		PlanId: r.GetPlanId(), End: r.GetEnd(),
	}}}), nil
}

// StatePlanAxes decides that the axes of a plan are these, and no longer those before:
// AXES_UNCHANGED.
func StatePlanAxes(s *State, r *topologyv1.StatePlanAxesRequest) ([]*topologyv1.Event, error) {
	p, err := s.plan(r.GetPlanId())
	if err := cmp.Or(fact.CheckBasis(r.GetBasis()), err, checkAxes(r.GetAxes())); err != nil {
		return nil, err
	}
	if slices.EqualFunc(p.GetAxes(), r.GetAxes(), func(a, b *topologyv1.Axis) bool { return proto.Equal(a, b) }) {
		return nil, fault.New(fault.Refused, "AXES_UNCHANGED", "axes", "These are its axes already.")
	}
	return resting(r.GetBasis(), &topologyv1.Event{Fact: &topologyv1.Event_PlanAxesStated{PlanAxesStated: &topologyv1.PlanAxesStated{
		PlanId: r.GetPlanId(), Axes: r.GetAxes(),
	}}}), nil
}

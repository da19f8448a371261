package labelling

import (
	"cmp"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/bitemporal"
	"maillage/services/fault"
)

// The activity that a cycle asks of its labels is stated, in full.
func (s *State) thresholdsStated(at uint64, f *labellingv1.ThresholdsStated, why *eventv1.Basis) error {
	c, ok := s.Cycles.Last(f.GetCycleId(), bitemporal.Latest)
	if !ok {
		return fmt.Errorf("%w: cycle %q is unknown", errUnfit, f.GetCycleId())
	}
	c = proto.CloneOf(c)
	c.Thresholds, c.Basis = f.GetThresholds(), rest(c.GetBasis(), why)
	s.Cycles.Assert(c.GetCycleId(), always, at, c)
	return nil
}

// StateThresholds decides that a cycle asks activity of its labels, each of a role and in
// a unit, once (THRESHOLD_TWICE), in the place of what it asked of that role in that unit.
// What changes nothing is refused: THRESHOLDS_UNCHANGED.
func StateThresholds(s *State, r *labellingv1.StateThresholdsRequest) ([]*labellingv1.Event, error) {
	err := cmp.Or(s.checkBasis(r.GetBasis()), s.checkCycle(r.GetCycleId(), "cycle_id"), checkThresholds(r.GetThresholds()))
	if err != nil {
		return nil, err
	}
	c, _ := s.Cycles.Last(r.GetCycleId(), bitemporal.Latest)
	all := slices.Clone(c.GetThresholds())
	for _, t := range r.GetThresholds() {
		if i := slices.IndexFunc(all, like(t)); i >= 0 {
			all[i] = t
		} else {
			all = append(all, t)
		}
	}
	if slices.EqualFunc(all, c.GetThresholds(), func(a, b *labellingv1.Threshold) bool { return proto.Equal(a, b) }) {
		return nil, fault.New(fault.Refused, "THRESHOLDS_UNCHANGED", "thresholds", "The cycle asks exactly that already.")
	}
	return one(r.GetBasis(), &labellingv1.Event{Fact: &labellingv1.Event_ThresholdsStated{ThresholdsStated: &labellingv1.ThresholdsStated{
		CycleId: r.GetCycleId(), Thresholds: all,
	}}})
}

func checkThresholds(all []*labellingv1.Threshold) error {
	for i, t := range all {
		if slices.ContainsFunc(all[:i], like(t)) {
			return fault.New(fault.Invalid, "THRESHOLD_TWICE", fmt.Sprintf("thresholds[%d]", i), "Another one before it is of the same role, in the same unit.")
		}
	}
	return nil
}

// like says of thresholds whether they are of the role and in the unit of one.
func like(t *labellingv1.Threshold) func(*labellingv1.Threshold) bool {
	return func(o *labellingv1.Threshold) bool { return o.GetRole() == t.GetRole() && o.GetUnit() == t.GetUnit() }
}

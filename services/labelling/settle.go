package labelling

import (
	"cmp"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/bitemporal"
	"maillage/services/fault"
)

// What a source said beside the record is settled. No label changes, nor anything that
// is counted: what the settlement finds is recorded by facts of its own.
func (s *State) assertionSettled(at uint64, f *labellingv1.AssertionSettled, why *eventv1.Basis) error {
	key := assertionKey(f.GetEntityId(), f.GetPosition())
	a, ok := s.Assertions.At(key, 0, bitemporal.Latest)
	if !ok {
		return fmt.Errorf("%w: no assertion about %q is at position %d", errUnfit, f.GetEntityId(), f.GetPosition())
	}
	a = proto.CloneOf(a)
	a.Settlement, a.SettledLabelId, a.SettledBasis = f.GetOutcome(), f.GetLabelId(), why
	s.Assertions.Assert(key, always, at, a)
	s.indexAssertion(at, key, a)
	return nil
}

func assertionKey(entity string, at uint64) string { return fmt.Sprintf("%s.%d", entity, at) }

// SettledOf returns the positions, known or not, at which an assertion was settled that
// rests on an act, or that was settled to be about a label.
func (s *State) SettledOf(actOrLabel string) (positions []uint64) {
	for key := range s.assertionsByEntity.of(actOrLabel) {
		for _, v := range s.Assertions.History(key) {
			a := v.Value
			if a.GetSettlement() != 0 && (a.GetSettledLabelId() == actOrLabel || a.GetBasis().GetActId() == actOrLabel) {
				positions = append(positions, v.KnownFrom)
			}
		}
	}
	return positions
}

// SettleAssertion decides how an assertion is settled, such as a line of an act that
// stayed undetermined. One that is about a label names it (LABEL_MISSING), any other
// none (LABEL_MISPLACED). It may be settled again, otherwise (ALREADY_SETTLED): the last
// settlement stands.
func SettleAssertion(s *State, r *labellingv1.SettleAssertionRequest) ([]*labellingv1.Event, error) {
	if err := s.checkBasis(r.GetBasis()); err != nil {
		return nil, err
	}
	a, ok := s.assertionAt(r.GetPosition())
	if !ok {
		return nil, fault.New(fault.NotFound, "ASSERTION_UNKNOWN", "position", "The event at position %d records no assertion.", r.GetPosition())
	}
	about := r.GetOutcome() == labellingv1.Settlement_SETTLEMENT_SAME_LABEL || r.GetOutcome() == labellingv1.Settlement_SETTLEMENT_NEW_LABEL
	var err error
	switch {
	case about && r.GetLabelId() == "":
		err = fault.New(fault.Invalid, "LABEL_MISSING", "label_id", "Say which label the assertion is about.")
	case about:
		_, err = s.label(r.GetLabelId(), "label_id")
	case r.GetLabelId() != "":
		err = fault.New(fault.Invalid, "LABEL_MISPLACED", "label_id", "An assertion settled so is about no label.")
	}
	if err = cmp.Or(err, checkSettled(a, r)); err != nil {
		return nil, err
	}
	return one(r.GetBasis(), &labellingv1.Event{Fact: &labellingv1.Event_AssertionSettled{AssertionSettled: &labellingv1.AssertionSettled{
		EntityId: a.GetEntityId(), Position: r.GetPosition(), Outcome: r.GetOutcome(), LabelId: r.GetLabelId(),
	}}})
}

func checkSettled(a *labellingv1.Assertion, r *labellingv1.SettleAssertionRequest) error {
	if a.GetSettlement() != r.GetOutcome() || a.GetSettledLabelId() != r.GetLabelId() {
		return nil
	}
	return fault.New(fault.Refused, "ALREADY_SETTLED", "outcome", "The assertion at position %d is settled so already.", r.GetPosition())
}

// assertionAt returns the assertion that the event at a position records.
func (s *State) assertionAt(position uint64) (*labellingv1.Assertion, bool) {
	end := assertionKey("", position)
	for key := range s.Assertions.IDs() {
		if strings.HasSuffix(key, end) {
			return s.Assertions.At(key, 0, bitemporal.Latest)
		}
	}
	return nil, false
}

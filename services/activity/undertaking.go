package activity

import (
	"fmt"
	"iter"
	"slices"

	"google.golang.org/protobuf/proto"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/bitemporal"
	"maillage/services/fault"
	"maillage/services/labelling"
)

// A project, training or action enters the register.
func (s *State) undertakingRecorded(at uint64, u *activityv1.Undertaking, why *eventv1.Basis) error {
	if u.GetUndertakingId() == "" || isThere(&s.Undertakings, u.GetUndertakingId()) {
		return fmt.Errorf("%w: undertaking %q is there already", errUnfit, u.GetUndertakingId())
	}
	return s.keepUndertaking(at, u, false, rest(nil, why))
}

// It is described otherwise, as a whole.
func (s *State) undertakingRevised(at uint64, u *activityv1.Undertaking, why *eventv1.Basis) error {
	before, ok := s.Undertakings.Last(u.GetUndertakingId(), bitemporal.Latest)
	if !ok {
		return fmt.Errorf("%w: undertaking %q is unknown", errUnfit, u.GetUndertakingId())
	}
	return s.keepUndertaking(at, u, before.GetCancelled(), rest(before.GetBasis(), why))
}

// It came to nothing.
func (s *State) undertakingCancelled(at uint64, f *activityv1.UndertakingCancelled, why *eventv1.Basis) error {
	u, ok := s.Undertakings.Last(f.GetUndertakingId(), bitemporal.Latest)
	if !ok {
		return fmt.Errorf("%w: undertaking %q is unknown", errUnfit, f.GetUndertakingId())
	}
	return s.keepUndertaking(at, u, true, rest(u.GetBasis(), why))
}

func (s *State) keepUndertaking(at uint64, u *activityv1.Undertaking, cancelled bool, on []*eventv1.Basis) error {
	if _, _, err := spanOf(u.GetSpan()); err != nil {
		return err
	}
	u = proto.CloneOf(u)
	u.Cancelled, u.Basis = cancelled, on
	s.Undertakings.Assert(u.GetUndertakingId(), always, at, u)
	s.indexUndertaking(at, u)
	return nil
}

// UndertakingsOf yields the undertakings of a site, network, filière or platform as known
// at a position, those that came to nothing included, in the order they came to it.
func (s *State) UndertakingsOf(holder string, known uint64) iter.Seq[*activityv1.Undertaking] {
	return func(yield func(*activityv1.Undertaking) bool) {
		for id := range s.index.of(key{undertakingsByHolder, holder}, known) {
			u, ok := s.Undertakings.Last(id, known)
			if ok && labelling.HolderID(u.GetHolder()) == holder && !yield(u) {
				return
			}
		}
	}
}

// RecordUndertaking decides that a project, training or action enters the register under
// id. Its holder is recorded (HOLDER_UNKNOWN, SITE_UNKNOWN), the missions it serves are
// those of its holder on a day on which it may begin (MISSION_UNKNOWN), and the axes it
// cites are those of their plans (PLAN_UNKNOWN, AXIS_UNKNOWN), each once (AXIS_TWICE).
func RecordUndertaking(w States, id string, r *activityv1.RecordUndertakingRequest) ([]*activityv1.Event, error) {
	if err := w.checkFree(id); err != nil {
		return nil, err
	}
	u, err := w.undertaking(id, r)
	if err != nil {
		return nil, err
	}
	return one(r.GetBasis(), &activityv1.Event{Fact: &activityv1.Event_UndertakingRecorded{UndertakingRecorded: &activityv1.UndertakingRecorded{Undertaking: u}}})
}

// ReviseUndertaking decides that a project, training or action is described otherwise, as
// a whole, by the rules of [RecordUndertaking]. Something is different
// (UNDERTAKING_UNCHANGED), and it did not come to nothing (UNDERTAKING_CANCELLED).
func ReviseUndertaking(w States, r *activityv1.ReviseUndertakingRequest) ([]*activityv1.Event, error) {
	before, err := w.going(r.GetUndertakingId())
	if err != nil {
		return nil, err
	}
	u, err := w.undertaking(r.GetUndertakingId(), r)
	if err != nil {
		return nil, err
	}
	same := proto.CloneOf(before)
	if same.Basis = nil; proto.Equal(same, u) {
		return nil, fault.New(fault.Refused, "UNDERTAKING_UNCHANGED", "", "Undertaking %s is described so already.", r.GetUndertakingId())
	}
	return one(r.GetBasis(), &activityv1.Event{Fact: &activityv1.Event_UndertakingRevised{UndertakingRevised: &activityv1.UndertakingRevised{Undertaking: u}}})
}

// CancelUndertaking decides that a project, training or action came to nothing, once
// (UNDERTAKING_CANCELLED).
func CancelUndertaking(w States, r *activityv1.CancelUndertakingRequest) ([]*activityv1.Event, error) {
	if err := w.checkBasis(r.GetBasis()); err != nil {
		return nil, err
	}
	if _, err := w.going(r.GetUndertakingId()); err != nil {
		return nil, err
	}
	return one(r.GetBasis(), &activityv1.Event{Fact: &activityv1.Event_UndertakingCancelled{UndertakingCancelled: &activityv1.UndertakingCancelled{
		UndertakingId: r.GetUndertakingId(), Reason: r.GetReason(),
	}}})
}

// undertaking is what a request describes, checked.
func (w States) undertaking(id string, r interface {
	GetBasis() *eventv1.Basis
	GetKind() activityv1.UndertakingKind
	GetTitle() string
	GetHolder() *labellingv1.Holder
	GetSpan() *eventv1.Period
	GetMissionCodes() []string
	GetAxes() []*activityv1.AxisCited
	GetDescription() string
},
) (*activityv1.Undertaking, error) {
	if err := w.checkBasis(r.GetBasis()); err != nil {
		return nil, err
	}
	holder, err := w.holder(r.GetHolder())
	if err != nil {
		return nil, err
	}
	begins, err := checkSpan(r.GetSpan(), "span")
	if err != nil {
		return nil, err
	}
	audience, seen := AudienceOf(holder, w.Topology, bitemporal.Latest), make(map[string]bool)
	for i, code := range r.GetMissionCodes() {
		field := fmt.Sprintf("mission_codes[%d]", i)
		if err := w.Activity.checkMission(audience, code, begins, field); err != nil {
			return nil, err
		}
		if err := codeOnce(seen, code, field); err != nil {
			return nil, err
		}
	}
	if err := w.checkAxes(r.GetAxes()); err != nil {
		return nil, err
	}
	return &activityv1.Undertaking{
		UndertakingId: id, Kind: r.GetKind(), Title: r.GetTitle(), Holder: holder, Span: r.GetSpan(),
		MissionCodes: slices.Clone(r.GetMissionCodes()), Axes: r.GetAxes(), Description: r.GetDescription(),
	}, nil
}

// going returns an undertaking that did not come to nothing.
func (w States) going(id string) (*activityv1.Undertaking, error) {
	u, ok := w.Activity.Undertakings.Last(id, bitemporal.Latest)
	switch {
	case !ok:
		return nil, fault.New(fault.NotFound, "UNDERTAKING_UNKNOWN", "undertaking_id", "No undertaking is recorded under %q.", id)
	case u.GetCancelled():
		return nil, fault.New(fault.Refused, "UNDERTAKING_CANCELLED", "undertaking_id", "Undertaking %s came to nothing.", id)
	}
	return u, nil
}

package labelling

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/bitemporal"
	"maillage/services/fault"
)

// Two people sign off an act: one prepares it, another approves it. In between it is a
// draft, whose text is in the vault: it names persons, and may come to nothing.

// PrepareDraft decides that an act is prepared, with the SHA-256 of its effects as
// reckoned on this state.
func PrepareDraft(s *State, id string, document *eventv1.PersonalValue, effects []byte, basis *eventv1.Basis) ([]*labellingv1.Event, error) {
	if err := s.checkBasis(basis); err != nil {
		return nil, err
	}
	if _, taken := s.draft(id); id == "" || taken {
		return nil, fault.New(fault.Refused, "ID_TAKEN", "", "The id %q is taken: mint another.", id)
	}
	return one(basis, &labellingv1.Event{Fact: &labellingv1.Event_DraftPrepared{DraftPrepared: &labellingv1.DraftPrepared{
		DraftId: id, Annex: document, EffectsSha256: effects,
	}}})
}

// RejectDraft decides that a draft is rejected. It can be prepared anew as another one.
func RejectDraft(s *State, r *labellingv1.RejectActRequest) ([]*labellingv1.Event, error) {
	if _, err := s.waiting(r.GetDraftId()); err != nil {
		return nil, err
	}
	return closing(r.GetDraftId(), &labellingv1.Event{Fact: &labellingv1.Event_DraftRejected{DraftRejected: &labellingv1.DraftRejected{
		DraftId: r.GetDraftId(), Reason: r.GetReason(),
	}}}), nil
}

// ApproveDraft decides that a draft is approved, by another person than the one who
// prepared it; it became an act, or none for a batch of successions of heads. What it does
// goes before, in the same commit.
func ApproveDraft(s *State, draftID, actID string) ([]*labellingv1.Event, error) {
	if _, err := s.waiting(draftID); err != nil {
		return nil, err
	}
	return closing(draftID, &labellingv1.Event{Fact: &labellingv1.Event_DraftApproved{DraftApproved: &labellingv1.DraftApproved{DraftId: draftID, ActId: actID}}}), nil
}

// closing is the end of a draft, which rests on the draft itself.
func closing(draftID string, e *labellingv1.Event) []*labellingv1.Event {
	e.Meta = &eventv1.Meta{Basis: &eventv1.Basis{Evidence: eventv1.Evidence_EVIDENCE_STATED, Source: "draft " + draftID}}
	return []*labellingv1.Event{e}
}

// waiting finds a draft that waits for a second person.
func (s *State) waiting(id string) (*labellingv1.Draft, error) {
	d, ok := s.draft(id)
	if !ok {
		return nil, fault.New(fault.NotFound, "DRAFT_UNKNOWN", "draft_id", "No draft is known under %q.", id)
	}
	switch d.GetState() {
	case labellingv1.DraftState_DRAFT_STATE_APPROVED:
		return nil, fault.New(fault.Refused, "DRAFT_CLOSED", "draft_id", "Draft %s was approved and became act %s.", id, d.GetActId())
	case labellingv1.DraftState_DRAFT_STATE_REJECTED:
		return nil, fault.New(fault.Refused, "DRAFT_CLOSED", "draft_id", "Draft %s was rejected.", id)
	}
	return d, nil
}

func (s *State) draft(id string) (*labellingv1.Draft, bool) {
	return s.Drafts.At(id, 0, bitemporal.Latest)
}

// An act is prepared: its effects were reckoned on the state before this event.
func (s *State) draftPrepared(at uint64, f *labellingv1.DraftPrepared, preparer *eventv1.Actor) error {
	if _, taken := s.draft(f.GetDraftId()); taken || f.GetDraftId() == "" {
		return fmt.Errorf("%w: draft %q is there already", errUnfit, f.GetDraftId())
	}
	s.Drafts.Assert(f.GetDraftId(), always, at, &labellingv1.Draft{
		DraftId:       f.GetDraftId(),
		Annex:         f.GetAnnex(),
		PlannedAt:     at - 1,
		EffectsSha256: f.GetEffectsSha256(),
		Preparer:      preparer,
		State:         labellingv1.DraftState_DRAFT_STATE_PREPARED,
	})
	return nil
}

// A draft comes to its end, one way or the other.
func (s *State) draftClosed(at uint64, id string, state labellingv1.DraftState, reason, actID string) error {
	d, ok := s.draft(id)
	if !ok || d.GetState() != labellingv1.DraftState_DRAFT_STATE_PREPARED {
		return fmt.Errorf("%w: draft %q does not wait for approval", errUnfit, id)
	}
	d = proto.CloneOf(d)
	d.State, d.Reason, d.ActId = state, reason, actID
	s.Drafts.Assert(id, always, at, d)
	return nil
}

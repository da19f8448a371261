package server

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/bitemporal"
	"maillage/services/fact"
	"maillage/services/fault"
	"maillage/services/identifier"
	"maillage/services/labelling"
	"maillage/services/labelling/plan"
	"maillage/services/projection"
	"maillage/services/submit"
)

// draftKind is the type of a prepared act in the vault.
const draftKind = "draft"

// PlanAct reckons what an act would change, and changes nothing.
func (s *Server) PlanAct(ctx context.Context, req *labellingv1.PlanActRequest) (*labellingv1.PlanActResponse, error) {
	out := &labellingv1.PlanActResponse{}
	err := s.desk.Runner.View(ctx, 0, func(head uint64) error {
		out.Plan = s.reckon(req.GetAnnex(), head).Plan
		return nil
	})
	return out, err
}

// reckon reckons an act on the state as known at a position.
func (s *Server) reckon(annex *labellingv1.Annex, known uint64) *plan.Reckoning {
	r := plan.Reckon(s.state, s.topo, known, annex, s.name)
	if known != bitemporal.Latest {
		r.Plan.Position = known
	}
	return r
}

// name reads a personal value; an erased one reads as none.
func (s *Server) name(id string) string {
	text, _, err := s.desk.Vault.Get(id)
	if err != nil {
		return ""
	}
	return text
}

// PrepareAct keeps an act and what it would change, for another person to approve.
func (s *Server) PrepareAct(ctx context.Context, req *labellingv1.PrepareActRequest) (*labellingv1.PrepareActResponse, error) {
	id := identifier.NewID()
	out := &labellingv1.PrepareActResponse{}
	commit, err := s.desk.Submit(ctx, req, s.keepDraft(req.GetAnnex()), func(kept []*eventv1.PersonalValue) ([]projection.Event, error) {
		p := s.reckon(req.GetAnnex(), bitemporal.Latest).Plan
		if err := open(p); err != nil {
			return nil, err
		}
		out.Plan = p
		return events(labelling.PrepareDraft(s.state, id, kept[len(kept)-1], p.GetEffectsSha256(), req.GetAnnex().GetBasis()))
	})
	if err != nil {
		return nil, err
	}
	prepared, err := factsOf(commit)
	if err != nil {
		return nil, err
	}
	out.Position, out.DraftId = commit.Last, prepared[0].GetDraftPrepared().GetDraftId()
	if out.Plan == nil { // prepared before
		err = s.desk.Runner.View(ctx, commit.Last, func(uint64) error {
			out.Plan = s.reckon(req.GetAnnex(), commit.Last-1).Plan
			return nil
		})
	}
	if out.Plan != nil {
		out.Plan.Position = commit.Last - 1
	}
	return out, err
}

// open refuses a plan that leaves something open.
func open(p *labellingv1.Plan) error {
	if r := p.GetRefusals(); len(r) > 0 {
		return fault.New(fault.Refused, r[0].GetReason(), lineField(r[0].GetLine()), "%s (%d refusals in all)", r[0].GetMessage(), len(r))
	}
	if q := p.GetQuestions(); len(q) > 0 {
		return fault.New(fault.Refused, "PLAN_OPEN", lineField(q[0].GetLine()), "%d identities must be answered before, the first on this line", len(q))
	}
	return nil
}

func lineField(line uint32) string {
	if line == 0 {
		return "annex"
	}
	return fmt.Sprintf("annex.lines[%d]", line-1)
}

// keepDraft puts the heads of an act and then the whole of it into the vault.
func (s *Server) keepDraft(annex *labellingv1.Annex) submit.Keep {
	return func(ctx context.Context) ([]*eventv1.PersonalValue, error) {
		heads, err := s.desk.Names(namesIn(annex)...)(ctx)
		if err != nil {
			return heads, err
		}
		doc := &labellingv1.DraftDocument{Annex: annex, Heads: make([]*eventv1.PersonalValue, len(heads))}
		for i, h := range heads {
			doc.Heads[i] = cmp.Or(h, &eventv1.PersonalValue{})
		}
		encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(doc)
		if err != nil {
			return heads, err
		}
		kept, err := s.desk.Vault.Put(ctx, draftKind, base64.StdEncoding.EncodeToString(encoded))
		return append(heads, kept...), err
	}
}

// namesIn is the name that each line, or each succession, gives a label or an office.
func namesIn(annex *labellingv1.Annex) []string {
	var names []string
	for _, l := range annex.GetLines() {
		names = append(names, strings.Join(l.GetHeads(), "; "))
	}
	for _, c := range annex.GetSuccessions() {
		names = append(names, c.GetIncoming())
	}
	return names
}

// document reads a draft back from the vault.
func (s *Server) document(d *labellingv1.Draft) (*labellingv1.DraftDocument, error) {
	text, ok, err := s.desk.Vault.Verify(d.GetAnnex())
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fault.New(fault.NotFound, "DRAFT_ERASED", "draft_id", "What draft %s held is no longer in the vault.", d.GetDraftId())
	}
	encoded, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("draft %s: %w", d.GetDraftId(), err)
	}
	doc := &labellingv1.DraftDocument{}
	if err := proto.Unmarshal(encoded, doc); err != nil {
		return nil, fmt.Errorf("draft %s: %w", d.GetDraftId(), err)
	}
	return doc, nil
}

// draft finds a draft as announced. Another process may have prepared it a moment ago:
// only the latest state can tell that there is none.
func (s *Server) draft(ctx context.Context, id string) (d *labellingv1.Draft, head uint64, err error) {
	d, head, err = s.draftAfter(ctx, 0, id)
	if gone, is := errors.AsType[*fault.Error](err); !is || gone.Kind != fault.NotFound {
		return d, head, err
	}
	latest, err := s.desk.Runner.Latest(ctx)
	if err != nil {
		return nil, 0, err
	}
	return s.draftAfter(ctx, latest, id)
}

func (s *Server) draftAfter(ctx context.Context, least uint64, id string) (d *labellingv1.Draft, head uint64, err error) {
	err = s.desk.Runner.View(ctx, least, func(at uint64) error {
		var ok bool
		if d, ok = s.state.Drafts.At(id, 0, at); !ok {
			return fault.New(fault.NotFound, "DRAFT_UNKNOWN", "draft_id", "No draft is known under %q.", id)
		}
		head = at
		return nil
	})
	return d, head, err
}

// ApproveAct applies a prepared act whole, or not at all.
func (s *Server) ApproveAct(ctx context.Context, req *labellingv1.ApproveActRequest) (*labellingv1.ApproveActResponse, error) {
	d, _, err := s.draft(ctx, req.GetDraftId())
	if err != nil {
		return nil, err
	}
	doc, err := s.document(d)
	if err != nil {
		return nil, err
	}
	heads := func(line int) *eventv1.PersonalValue {
		if h := doc.GetHeads()[line]; h.GetValueId() != "" {
			return h
		}
		return nil
	}
	commit, err := s.desk.SubmitApproved(ctx, d.GetPreparer(), req, func() ([]projection.Event, error) {
		r := s.reckon(doc.GetAnnex(), bitemporal.Latest)
		if err := approved(r.Plan, req); err != nil {
			return nil, err
		}
		facts, err := r.Apply(identifier.NewID, heads)
		if err != nil {
			return nil, err
		}
		closed, err := labelling.ApproveDraft(s.state, req.GetDraftId(), actOf(facts))
		if err != nil {
			return nil, err
		}
		return events(append(facts, closed[0]), nil)
	})
	if err != nil {
		return nil, err
	}
	out := &labellingv1.ApproveActResponse{Position: commit.Last}
	last := &labellingv1.Event{} // the draft's end
	if err := proto.Unmarshal(commit.Records[len(commit.Records)-1].Body, last); err != nil {
		return nil, err
	}
	out.ActId = last.GetDraftApproved().GetActId()
	return out, nil
}

// actOf is the act among the facts of an approval, empty for a batch of successions.
func actOf(facts []fact.Event) string {
	for _, f := range facts {
		if e, is := f.(*labellingv1.Event); is && labelling.ActOf(e) != nil {
			return labelling.ActOf(e).GetActId()
		}
	}
	return ""
}

// approved refuses a plan that is not the one the approver saw, or whose losses the
// approver did not accept.
func approved(p *labellingv1.Plan, req *labellingv1.ApproveActRequest) error {
	if !bytes.Equal(p.GetEffectsSha256(), req.GetEffectsSha256()) {
		return fault.New(fault.Refused, "PLAN_CHANGED", "effects_sha256", "The register moved: an effect is another than the one approved. Look at the difference and approve again.")
	}
	if err := open(p); err != nil {
		return err
	}
	lost := uint32(0)
	for _, e := range p.GetEffects() {
		if d := e.GetDisposition(); d == labellingv1.Disposition_DISPOSITION_LAPSED || d == labellingv1.Disposition_DISPOSITION_EXPIRED {
			lost++
		}
	}
	if lost != req.GetAcceptedLapses() {
		return fault.New(fault.Refused, "LAPSES_NOT_ACCEPTED", "accepted_lapses", "%d labels are lost by absence from the act; %d were accepted.", lost, req.GetAcceptedLapses())
	}
	return nil
}

// RejectAct rejects a prepared act, and erases what the vault kept of it.
func (s *Server) RejectAct(ctx context.Context, req *labellingv1.RejectActRequest) (*labellingv1.RejectActResponse, error) {
	_, position, err := s.do(ctx, req, nil, func([]*eventv1.PersonalValue) ([]*labellingv1.Event, error) {
		return labelling.RejectDraft(s.state, req)
	})
	if err != nil {
		return nil, err
	}
	if d, _, err := s.draft(ctx, req.GetDraftId()); err == nil {
		if doc, err := s.document(d); err == nil {
			s.desk.Forget(ctx, append(doc.GetHeads(), d.GetAnnex()))
		}
	}
	return &labellingv1.RejectActResponse{Position: position}, nil
}

// GetDraft returns a prepared act, what it would change now, and how that differs from
// what it would have changed when it was prepared.
func (s *Server) GetDraft(ctx context.Context, req *labellingv1.GetDraftRequest) (*labellingv1.GetDraftResponse, error) {
	d, head, err := s.draft(ctx, req.GetDraftId())
	if err != nil {
		return nil, err
	}
	if d.GetState() == labellingv1.DraftState_DRAFT_STATE_REJECTED { // what it held was erased with its rejection
		return &labellingv1.GetDraftResponse{Draft: d}, nil
	}
	doc, err := s.document(d)
	if err != nil {
		return nil, err
	}
	if err := submit.Given(ctx, s.desk.Vault, []string{d.GetAnnex().GetValueId()}); err != nil {
		return nil, err
	}
	out := &labellingv1.GetDraftResponse{Draft: d, Annex: doc.GetAnnex()}
	if d.GetState() != labellingv1.DraftState_DRAFT_STATE_PREPARED {
		return out, nil
	}
	err = s.desk.Runner.View(ctx, head, func(head uint64) error {
		out.Plan = s.reckon(doc.GetAnnex(), head).Plan
		added, removed := plan.Difference(s.reckon(doc.GetAnnex(), d.GetPlannedAt()).Plan, out.Plan)
		out.Added, out.Removed = added.GetEffects(), removed.GetEffects()
		out.TopologyAdded, out.TopologyRemoved = added.GetTopology(), removed.GetTopology()
		return nil
	})
	return out, err
}

// ListDrafts returns the prepared acts, latest first.
func (s *Server) ListDrafts(ctx context.Context, req *labellingv1.ListDraftsRequest) (*labellingv1.ListDraftsResponse, error) {
	wanted := req.GetStates()
	if len(wanted) == 0 {
		wanted = []labellingv1.DraftState{labellingv1.DraftState_DRAFT_STATE_PREPARED}
	}
	var found []*labellingv1.Draft
	err := s.desk.Runner.View(ctx, 0, func(head uint64) error {
		for id := range s.state.Drafts.IDs() {
			if d, ok := s.state.Drafts.At(id, 0, head); ok && slices.Contains(wanted, d.GetState()) {
				found = append(found, d)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(found, func(a, b *labellingv1.Draft) int { return cmp.Compare(b.GetPlannedAt(), a.GetPlannedAt()) })
	out := &labellingv1.ListDraftsResponse{}
	var given []string
	for _, d := range found {
		entry := &labellingv1.DraftEntry{Draft: d}
		doc, err := s.document(d)
		if gone, is := errors.AsType[*fault.Error](err); is && gone.Kind == fault.NotFound {
			err = nil
		}
		if err != nil {
			return nil, err
		}
		if doc != nil {
			given = append(given, d.GetAnnex().GetValueId())
		}
		entry.Title = doc.GetAnnex().GetTitle()
		entry.LineCount = uint32(len(doc.GetAnnex().GetLines()) + len(doc.GetAnnex().GetSuccessions()))
		out.Drafts = append(out.Drafts, entry)
	}
	return out, submit.Given(ctx, s.desk.Vault, given)
}

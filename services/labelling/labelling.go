// Package labelling says who holds which label, by which act.
//
// The ministers of health and research label centres of expertise for rare diseases
// (labellisation). A label (label) is a period of a holder under a role.
//
//   - The holder is most often a site: one centre (a team) in one network (réseau
//     CRMR). A team that serves two networks is two sites and holds two labels. A site
//     keeps one id for life. A network, a filière (FSMR) or a platform (PEMR, PCOM) can
//     hold a label too.
//   - The role is what the label makes of the holder: the reference centre that
//     coordinates a network (CRMR coordonnateur) or one of its constitutive ones (CRMR
//     constitutif), a competence centre (CCMR), a resources and competence centre (CRC,
//     printed CRCM for cystic fibrosis), a filière, a platform.
//   - Labels come in rounds, the cycles, nominally of five years. A cycle has several
//     names that contradict each other, so no date is ever derived from a name.
//   - What decides is an act (arrêté, circulaire, result of a call): a text with a list,
//     its annex, that restates thousands of lines at a time. A line grants a label
//     (octroi), renews it (renouvellement: the label ends and a successor goes on, on
//     this holder or another, in this role or another), confirms it (one more act says
//     so, nothing changes) or repeals it (abrogation, for the future only).
//   - An act has a scope: for which filières, roles and cycles its list stands, which it
//     leaves out, and whether we hold that list whole. Being absent from a whole list is
//     how a label is lost: there is hardly ever a text that withdraws one. Absence from a
//     list held in part means nothing, nor does absence from an act that states, line by
//     line, which labels its list leaves out.
//   - What a signed act prints is recorded beside what acts before it did: of two labels
//     of one holder the one that begins later supersedes the other and, where they begin
//     together, the one recorded later.
//   - Who heads a site, or coordinates a network, a filière or a platform, holds an office
//     in fact from a day on; opinions on it and the ministry's approval or refusal are
//     later facts. A campaign leads to labels: its candidates have outcomes.
//   - When the term of a label passes, or the day of what was recorded ahead comes, a fact
//     tells so and changes nothing ([Due]).
//
// Dates are often known to the month or year, or not at all. What follows from that
// is [State.StatusAt]: a label is certainly in force between the latest day it may have
// begun and the earliest day it may have ended, and undetermined around that. A label
// without any date, of no cycle that has one, is undetermined on every day, in 1950 too:
// nothing recorded says that it was not held, and no date is made up. When
// its term is reached and nothing was decided, as from 2022 to the end of 2023 for
// every label of the cycle before, it is in abeyance: not in force, and not lost.
//
// Between its grant and its end a label may meet these fates, each a fact of its own:
//
//   - extended (prorogation): its end moves later, also after the end was reached, and
//     the gap since is bridged, for the extension says so; nothing else bridges one;
//   - suspended, for days within its term, and reinstated;
//   - repealed: it ends early, from a day on; annulled by a court from a day on, where
//     the ruling defers it, ends it the same way;
//   - withdrawn (retrait), or annulled from its start: in law it never was. What its
//     grant had done to others is undone too: the label it went on from has its own end
//     again, and what it superseded is superseded no longer. It takes no further fate;
//   - lapsed: a list that states what it leaves out left it out;
//   - amended: an erratum or a ruling changes what it was, in law and from its start.
//
// A keying fault is no fate. It is corrected, or the label voided where none should have
// been recorded, by a fact without legal effect. What a source says against the record
// is kept beside it, as an assertion; so is a line of an act of which nobody knows whom it
// is about. It waits until a settlement says what it was: a label that is there, a new one,
// or none. A settlement changes no label and no count: what it finds is recorded by facts
// of its own. Nothing is ever overwritten: each fact opens a version known from its
// position in the log.
//
// All that is the legal window, which acts alone move. Beside it stands the operational
// one, [State.OperationAt]: when the holder works under the label. Facts of its own open
// it, else the start of the label does; they close it, and so does whatever undoes or
// replaces the label, or loses it. A term never does: who reaches one goes on working.
// Where a source states that a holder is maintained, it works on whatever becomes of the
// label. These facts have no legal effect.
//
// The package is pure. [State.Evolve] folds facts into a state; a decision, one for
// each command, reads a state and returns the facts to append. A new kind of fact is a
// message in event.proto, a case in Evolve, the decision that returns it, and a row in
// the tests. Acts are decided in act.go, fates in fate.go, offices in office.go, campaigns
// in campaign.go, what two people sign off in draft.go, what comes of an assertion in
// settle.go; status is derived in status.go, windows are reckoned in window.go, absences in
// list.go, and what comes due in clock.go. What an annex would do, line by line, is planned
// in package plan.
package labelling

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/bitemporal"
	"maillage/services/fact"
	"maillage/services/fault"
	"maillage/services/topology"
)

// Schema is the version of the contract that this package writes, and the highest one
// that it reads.
const Schema = 1

// errUnfit says that an event does not fit the events before it: the log was not
// written by these decisions, or not read from its beginning.
var errUnfit = errors.New("event does not fit what came before")

// State is what is known of labelling. The zero value is the state before the first
// fact. The values in the tables are never changed: callers must not change them
// either. Not safe for concurrent use; reads may run together.
type State struct {
	// Cycles and Acts hold on every day: they are texts, not periods.
	Cycles bitemporal.Table[*labellingv1.Cycle]
	Acts   bitemporal.Table[*labellingv1.Act]
	// Labels hold from the earliest day they may begin to the latest they may end, or
	// to the day they were repealed from or superseded.
	Labels bitemporal.Table[*labellingv1.Label]
	// Assertions hold on every day, under keys of their own: see AssertionsAbout.
	Assertions bitemporal.Table[*labellingv1.Assertion]
	// Offices hold on the days they may be held.
	Offices bitemporal.Table[*labellingv1.Office]
	// Campaigns and Drafts hold on every day.
	Campaigns bitemporal.Table[*labellingv1.Campaign]
	Drafts    bitemporal.Table[*labellingv1.Draft]

	indexes
	agenda   fact.Agenda // days stated ahead
	erasures []erasure   // in order of position
}

// Evolve folds the event at a position into the state. Positions must not go back. It
// changes nothing and returns an error where the event was written by a newer binary,
// states a fact unknown here, or does not fit what came before; the caller must then
// halt.
func (s *State) Evolve(position uint64, e *labellingv1.Event) error {
	if err := s.evolve(position, e); err != nil {
		return fmt.Errorf("labelling: position %d: %w", position, err)
	}
	s.lookAhead(position, e)
	return nil
}

func (s *State) evolve(at uint64, e *labellingv1.Event) error {
	if err := fact.Readable(e, Schema); err != nil {
		return err
	}
	why := e.GetMeta().GetBasis()
	switch f := e.GetFact().(type) {
	case *labellingv1.Event_CycleRegistered:
		return s.cycleRegistered(at, f.CycleRegistered, why)
	case *labellingv1.Event_ActRecorded:
		return s.actRecorded(at, f.ActRecorded, why)
	case *labellingv1.Event_LabelGranted:
		return s.labelGranted(at, f.LabelGranted, why)
	case *labellingv1.Event_LabelRenewed:
		return s.labelRenewed(at, f.LabelRenewed, why)
	case *labellingv1.Event_LabelConfirmed:
		return s.labelConfirmed(at, f.LabelConfirmed, why)
	case *labellingv1.Event_LabelRepealed:
		return s.labelRepealed(at, f.LabelRepealed, why)
	case *labellingv1.Event_LabelCorrected:
		return s.labelCorrected(at, f.LabelCorrected, why)
	case *labellingv1.Event_AssertionRecorded:
		return s.assertionRecorded(at, f.AssertionRecorded, why)
	case *labellingv1.Event_LabelExtended:
		return s.labelExtended(at, f.LabelExtended, why)
	case *labellingv1.Event_LabelSuspended:
		return s.labelSuspended(at, f.LabelSuspended, why)
	case *labellingv1.Event_LabelReinstated:
		return s.labelReinstated(at, f.LabelReinstated, why)
	case *labellingv1.Event_LabelWithdrawn:
		return s.labelWithdrawn(at, f.LabelWithdrawn, why)
	case *labellingv1.Event_LabelAnnulled:
		return s.labelAnnulled(at, f.LabelAnnulled, why)
	case *labellingv1.Event_LabelLapsed:
		return s.labelLapsed(at, f.LabelLapsed, why)
	case *labellingv1.Event_LabelAmended:
		return s.labelAmended(at, f.LabelAmended, why)
	case *labellingv1.Event_LabelVoided:
		return s.labelVoided(at, f.LabelVoided, why)
	case *labellingv1.Event_LabelOpened:
		return s.labelOpened(at, f.LabelOpened, why)
	case *labellingv1.Event_LabelMaintained:
		return s.labelMaintained(at, f.LabelMaintained, why)
	case *labellingv1.Event_LabelClosed:
		return s.labelClosed(at, f.LabelClosed, why)
	case *labellingv1.Event_OfficeTaken:
		return s.officeTaken(at, f.OfficeTaken, why)
	case *labellingv1.Event_OfficeLeft:
		return s.officeLeft(at, f.OfficeLeft, why)
	case *labellingv1.Event_OfficeReviewed:
		return s.officeReviewed(at, f.OfficeReviewed, why)
	case *labellingv1.Event_OfficeApproved:
		return s.officeDecided(at, f.OfficeApproved.GetOfficeId(), labellingv1.Approval_APPROVAL_APPROVED, f.OfficeApproved.GetDate(), why)
	case *labellingv1.Event_OfficeRefused:
		return s.officeDecided(at, f.OfficeRefused.GetOfficeId(), labellingv1.Approval_APPROVAL_REFUSED, f.OfficeRefused.GetDate(), why)
	case *labellingv1.Event_CampaignOpened:
		return s.campaignOpened(at, f.CampaignOpened, why)
	case *labellingv1.Event_OutcomeRecorded:
		return s.outcomeRecorded(at, f.OutcomeRecorded, why)
	case *labellingv1.Event_TermReached:
		return s.termReached(at, f.TermReached)
	case *labellingv1.Event_DayReached:
		return s.dayReached(at, f.DayReached)
	case *labellingv1.Event_DraftPrepared:
		return s.draftPrepared(at, f.DraftPrepared, e.GetMeta().GetActor())
	case *labellingv1.Event_DraftRejected:
		return s.draftClosed(at, f.DraftRejected.GetDraftId(), labellingv1.DraftState_DRAFT_STATE_REJECTED, f.DraftRejected.GetReason(), "")
	case *labellingv1.Event_DraftApproved:
		return s.draftClosed(at, f.DraftApproved.GetDraftId(), labellingv1.DraftState_DRAFT_STATE_APPROVED, "", f.DraftApproved.GetActId())
	case *labellingv1.Event_AssertionSettled:
		return s.assertionSettled(at, f.AssertionSettled, why)
	case *labellingv1.Event_ThresholdsStated:
		return s.thresholdsStated(at, f.ThresholdsStated, why)
	case *labellingv1.Event_ActListed:
		return s.actListed(at, f.ActListed.GetAct(), why)
	case *labellingv1.Event_PersonErased:
		return s.personErased(at, f.PersonErased)
	default:
		return fmt.Errorf("%w: its fact is missing or unknown (schema %d wrote it)", fact.ErrUnreadable, e.GetMeta().GetSchema())
	}
}

// A cycle is known.
func (s *State) cycleRegistered(at uint64, f *labellingv1.CycleRegistered, why *eventv1.Basis) error {
	if f.GetCycleId() == "" || s.knowsCycle(f.GetCycleId()) {
		return fmt.Errorf("%w: cycle %q is there already", errUnfit, f.GetCycleId())
	}
	if err := checkDates(f.GetPeriod(), ""); err != nil {
		return err
	}
	c := &labellingv1.Cycle{
		CycleId:    f.GetCycleId(),
		Code:       f.GetCode(),
		Aliases:    f.GetAliases(),
		Period:     f.GetPeriod(),
		Thresholds: f.GetThresholds(),
		Basis:      rest(nil, why),
	}
	s.Cycles.Assert(c.GetCycleId(), always, at, c)
	s.indexCycle(c)
	return nil
}

// An act is recorded. What its lines do follows as facts of their own.
func (s *State) actRecorded(at uint64, f *labellingv1.ActRecorded, why *eventv1.Basis) error {
	if f.GetActId() == "" || s.knowsAct(f.GetActId()) {
		return fmt.Errorf("%w: act %q is there already", errUnfit, f.GetActId())
	}
	return s.keepAct(at, f, rest(nil, why))
}

func (s *State) keepAct(at uint64, f *labellingv1.ActRecorded, basis []*eventv1.Basis) error {
	if err := checkActDates(f); err != nil {
		return err
	}
	act := &labellingv1.Act{
		ActId:           f.GetActId(),
		Kind:            f.GetKind(),
		Title:           f.GetTitle(),
		Nor:             f.GetNor(),
		Authority:       f.GetAuthority(),
		AnnouncedDate:   f.GetAnnouncedDate(),
		SignedDate:      f.GetSignedDate(),
		Publications:    f.GetPublications(),
		EffectiveDate:   f.GetEffectiveDate(),
		CycleId:         f.GetCycleId(),
		Scope:           f.GetScope(),
		AnnouncedTotals: f.GetAnnouncedTotals(),
		LineCount:       f.GetLineCount(),
		FileSha256:      f.GetFileSha256(),
		AmendsActId:     f.GetAmendsActId(),
		AbsencesStated:  f.GetAbsencesStated(),
		Basis:           basis,
	}
	s.Acts.Assert(act.GetActId(), always, at, act)
	s.indexAct(at, act)
	return nil
}

// A label begins. The first label of a centre in a network opens their site.
func (s *State) labelGranted(at uint64, f *labellingv1.LabelGranted, why *eventv1.Basis) error {
	return s.open(at, &labellingv1.Label{
		LabelId:       f.GetLabelId(),
		Holder:        f.GetHolder(),
		Role:          f.GetRole(),
		RoleAsPrinted: f.GetRoleAsPrinted(),
		CycleId:       f.GetCycleId(),
		Period:        f.GetPeriod(),
		Head:          f.GetHead(),
		Basis:         rest(nil, why),
	})
}

// A label ends where its successor begins. The renewal bridges no gap: the old window
// is cut at the successor's start where it would go beyond, and never moved later.
func (s *State) labelRenewed(at uint64, f *labellingv1.LabelRenewed, why *eventv1.Basis) error {
	ended, err := s.edit(f.GetLabelId(), why)
	if err != nil {
		return err
	}
	if ended.GetSuccessorId() != "" || ended.GetLabelId() == f.GetSuccessorId() {
		return fmt.Errorf("%w: label %q has a successor", errUnfit, f.GetLabelId())
	}
	err = s.open(at, &labellingv1.Label{
		LabelId:       f.GetSuccessorId(),
		Holder:        f.GetHolder(),
		Role:          f.GetRole(),
		RoleAsPrinted: f.GetRoleAsPrinted(),
		CycleId:       f.GetCycleId(),
		Period:        f.GetPeriod(),
		Head:          f.GetHead(),
		PredecessorId: f.GetLabelId(),
		Basis:         rest(nil, why),
	})
	if err != nil {
		return err
	}
	ended.SuccessorId = f.GetSuccessorId()
	ended.Period = cut(ended.GetPeriod(), f.GetPeriod().GetStart())
	s.keep(at, ended)
	return nil
}

// A label rests on one more act or source; nothing else about it changes.
func (s *State) labelConfirmed(at uint64, f *labellingv1.LabelConfirmed, why *eventv1.Basis) error {
	label, err := s.edit(f.GetLabelId(), why)
	if err != nil {
		return err
	}
	s.keep(at, label)
	return nil
}

// A label ends early, for the future only: it was held until that day.
func (s *State) labelRepealed(at uint64, f *labellingv1.LabelRepealed, why *eventv1.Basis) error {
	if _, err := bitemporal.ParseDate(f.GetRepealedFrom()); err != nil {
		return err
	}
	label, err := s.edit(f.GetLabelId(), why)
	if err != nil {
		return err
	}
	label.RepealedFrom = f.GetRepealedFrom()
	s.keep(at, label)
	return nil
}

// A label had been keyed wrongly: what was always true is shown from now on, over its
// whole window, and what was shown before stays readable at the positions before.
func (s *State) labelCorrected(at uint64, f *labellingv1.LabelCorrected, why *eventv1.Basis) error {
	if err := checkDates(f.GetPeriod(), ""); err != nil {
		return err
	}
	label, err := s.edit(f.GetLabelId(), why)
	if err != nil {
		return err
	}
	shown := label.GetPeriod().GetStart()
	correct(label, f)
	s.keep(at, label)
	if f.GetPeriod() == nil && f.CycleId == nil {
		return nil
	}
	return s.recut(at, label, shown, why)
}

// correct puts what a correction states, and nothing else, into a label.
func correct(label *labellingv1.Label, f *labellingv1.LabelCorrected) {
	if f.Role != nil {
		label.Role = f.GetRole()
	}
	if f.RoleAsPrinted != nil {
		label.RoleAsPrinted = f.GetRoleAsPrinted()
	}
	if f.CycleId != nil {
		label.CycleId = f.GetCycleId()
	}
	if f.GetPeriod() != nil {
		label.Period = f.GetPeriod()
	}
	if f.GetHead() != nil {
		label.Head = f.GetHead()
	}
}

// A source says something beside the record.
func (s *State) assertionRecorded(at uint64, f *labellingv1.AssertionRecorded, why *eventv1.Basis) error {
	if f.GetEntityId() == "" {
		return fmt.Errorf("%w: the assertion is about nothing", errUnfit)
	}
	key := assertionKey(f.GetEntityId(), at)
	a := &labellingv1.Assertion{
		EntityId: f.GetEntityId(),
		Field:    f.GetField(),
		Value:    f.GetValue(),
		Basis:    why,
		Position: at,
	}
	s.Assertions.Assert(key, always, at, a)
	s.indexAssertion(at, key, a)
	return nil
}

// Each decision reads the state it will be appended to, changes nothing, and returns
// the events to append, with the basis (and what they correct) in their Meta and
// nothing else there, or a *fault.Error. Ids are minted by the caller. Names of persons
// never reach an event: the caller puts them in the vault first and passes what stands
// for them, nil for none.

// IDs are the ids a new label may need.
type IDs struct {
	Label string
	Site  string // used only where the label opens a site
}

// RegisterCycle decides that a cycle is known under id. No other cycle has its code or
// one of its aliases as a name, whatever the case and accents: CYCLE_CODE_TAKEN. It asks
// activity of a role in a unit once: THRESHOLD_TWICE.
func RegisterCycle(s *State, topo *topology.State, id string, r *labellingv1.RegisterCycleRequest) ([]*labellingv1.Event, error) {
	err := cmp.Or(s.checkBasis(r.GetBasis()), s.checkFree(topo, id), checkPeriod(r.GetPeriod(), "period"), s.checkNames(r), checkThresholds(r.GetThresholds()))
	if err != nil {
		return nil, err
	}
	return one(r.GetBasis(), &labellingv1.Event{Fact: &labellingv1.Event_CycleRegistered{CycleRegistered: &labellingv1.CycleRegistered{
		CycleId:    id,
		Code:       r.GetCode(),
		Aliases:    r.GetAliases(),
		Period:     r.GetPeriod(),
		Thresholds: r.GetThresholds(),
	}}})
}

// GrantLabel decides that a label begins. Its certain window cannot overlap that of
// another label of the holder (LABEL_OVERLAPS): what goes on is renewed, what is said
// again is confirmed, what was keyed wrongly is corrected.
func GrantLabel(s *State, topo *topology.State, ids IDs, r *labellingv1.GrantLabelRequest, head *eventv1.PersonalValue) ([]*labellingv1.Event, error) {
	if err := cmp.Or(s.checkBasis(r.GetBasis()), s.checkFree(topo, ids.Label)); err != nil {
		return nil, err
	}
	granted, err := s.read(topo, r.GetGrant(), "grant", func() string { return ids.Site })
	if err != nil {
		return nil, err
	}
	granted.LabelId, granted.Head = ids.Label, head
	if err := s.checkOverlap(granted, "", "grant.period"); err != nil {
		return nil, err
	}
	return one(r.GetBasis(), grant(granted))
}

// RenewLabel decides that a label ends and its successor begins, on this holder or
// another, in this role or another. A label goes on once, and not once it is repealed:
// LABEL_ENDED.
func RenewLabel(s *State, topo *topology.State, ids IDs, r *labellingv1.RenewLabelRequest, head *eventv1.PersonalValue) ([]*labellingv1.Event, error) {
	if err := cmp.Or(s.checkBasis(r.GetBasis()), s.checkFree(topo, ids.Label)); err != nil {
		return nil, err
	}
	granted, err := s.readRenewal(topo, r.GetRenewal(), "renewal", func() string { return ids.Site })
	if err != nil {
		return nil, err
	}
	granted.LabelId, granted.Head = ids.Label, head
	if err := s.checkOverlap(granted, r.GetRenewal().GetLabelId(), "renewal.grant.period"); err != nil {
		return nil, err
	}
	return one(r.GetBasis(), renew(r.GetRenewal().GetLabelId(), granted))
}

// ConfirmLabel decides that a label rests on one more act or source. One that was
// undone from its start cannot: LABEL_ENDED.
func ConfirmLabel(s *State, r *labellingv1.ConfirmLabelRequest) ([]*labellingv1.Event, error) {
	if err := s.checkBasis(r.GetBasis()); err != nil {
		return nil, err
	}
	if _, err := s.standing(r.GetLabelId(), "label_id"); err != nil {
		return nil, err
	}
	return one(r.GetBasis(), confirm(r.GetLabelId()))
}

// RepealLabel decides that a label ends early, from a day within its term on:
// REPEAL_OUTSIDE_TERM.
func RepealLabel(s *State, r *labellingv1.RepealLabelRequest) ([]*labellingv1.Event, error) {
	if err := s.checkBasis(r.GetBasis()); err != nil {
		return nil, err
	}
	if _, err := s.checkRepeal(r.GetLabelId(), "label_id", r.GetRepealedFrom(), "repealed_from"); err != nil {
		return nil, err
	}
	return one(r.GetBasis(), repeal(r.GetLabelId(), r.GetRepealedFrom()))
}

// CorrectLabel decides that a label had been keyed wrongly by the event at a position,
// which must be one of this label: CORRECTS_OTHER. It has no legal effect. head is
// what stands for the right head, nil to leave it.
func CorrectLabel(s *State, topo *topology.State, r *labellingv1.CorrectLabelRequest, head *eventv1.PersonalValue) ([]*labellingv1.Event, error) {
	if err := s.checkBasis(r.GetBasis()); err != nil {
		return nil, err
	}
	label, err := s.label(r.GetLabelId(), "label_id")
	if err != nil {
		return nil, err
	}
	if !s.touched(r.GetLabelId(), r.GetCorrects()) {
		return nil, fault.New(fault.Refused, "CORRECTS_OTHER", "corrects", "The event at position %d is not one of this label.", r.GetCorrects())
	}
	correction := &labellingv1.LabelCorrected{
		LabelId:       r.GetLabelId(),
		Role:          r.Role,
		RoleAsPrinted: r.RoleAsPrinted,
		CycleId:       r.CycleId,
		Period:        r.GetPeriod(),
		Head:          head,
	}
	right := proto.CloneOf(label)
	correct(right, correction)
	err = cmp.Or(s.checkCycle(right.GetCycleId(), "cycle_id"), checkPeriod(r.GetPeriod(), "period"), checkRole(topo, right.GetHolder(), right.GetRole(), "role"))
	if err != nil {
		return nil, err
	}
	if proto.Equal(label, right) {
		return nil, fault.New(fault.Refused, "NOTHING_TO_CORRECT", "", "The label is as the correction says already.")
	}
	events, err := one(r.GetBasis(), &labellingv1.Event{Fact: &labellingv1.Event_LabelCorrected{LabelCorrected: correction}})
	if err != nil {
		return nil, err
	}
	events[0].Meta.Corrects = r.GetCorrects()
	return events, nil
}

// RecordAssertion decides to keep what a source says of an entity of either context.
func RecordAssertion(s *State, topo *topology.State, r *labellingv1.RecordAssertionRequest) ([]*labellingv1.Event, error) {
	if err := s.checkBasis(r.GetBasis()); err != nil {
		return nil, err
	}
	if !s.knows(r.GetEntityId()) && !topo.Knows(r.GetEntityId()) {
		return nil, fault.New(fault.NotFound, "ENTITY_UNKNOWN", "entity_id", "Nothing is recorded under %q.", r.GetEntityId())
	}
	return one(r.GetBasis(), &labellingv1.Event{Fact: &labellingv1.Event_AssertionRecorded{AssertionRecorded: &labellingv1.AssertionRecorded{
		EntityId: r.GetEntityId(),
		Field:    r.GetField(),
		Value:    r.GetValue(),
	}}})
}

// Rollback forgets every fact after position to, as if it had never been.
func (s *State) Rollback(to uint64) {
	s.Cycles.Rollback(to)
	s.Acts.Rollback(to)
	s.Labels.Rollback(to)
	s.Assertions.Rollback(to)
	s.Offices.Rollback(to)
	s.Campaigns.Rollback(to)
	s.Drafts.Rollback(to)
	s.agenda.Rollback(to)
	s.rollbackLists(to)
	s.rollbackErasures(to)
}

// Settle says that facts up to position to will not be rolled back.
func (s *State) Settle(to uint64) {
	s.Cycles.Settle(to)
	s.Acts.Settle(to)
	s.Labels.Settle(to)
	s.Assertions.Settle(to)
	s.Offices.Settle(to)
	s.Campaigns.Settle(to)
	s.Drafts.Settle(to)
}

// Subject is the subject that an event stands under, registry.labelling.<kind>.<id>;
// empty for an event without a known fact. A renewal stands under the label that ends,
// an assertion under what it is about.
func Subject(e *labellingv1.Event) string {
	kind, id := subject(e)
	if id == "" {
		return ""
	}
	return "registry.labelling." + kind + "." + id
}

func subject(e *labellingv1.Event) (kind, id string) {
	switch f := e.GetFact().(type) {
	case *labellingv1.Event_CycleRegistered:
		return "cycle", f.CycleRegistered.GetCycleId()
	case *labellingv1.Event_ActRecorded:
		return "act", f.ActRecorded.GetActId()
	case *labellingv1.Event_LabelGranted:
		return "label", f.LabelGranted.GetLabelId()
	case *labellingv1.Event_LabelRenewed:
		return "label", f.LabelRenewed.GetLabelId()
	case *labellingv1.Event_LabelConfirmed:
		return "label", f.LabelConfirmed.GetLabelId()
	case *labellingv1.Event_LabelRepealed:
		return "label", f.LabelRepealed.GetLabelId()
	case *labellingv1.Event_LabelCorrected:
		return "label", f.LabelCorrected.GetLabelId()
	case *labellingv1.Event_AssertionRecorded:
		return "assertion", f.AssertionRecorded.GetEntityId()
	case *labellingv1.Event_LabelExtended:
		return "label", f.LabelExtended.GetLabelId()
	case *labellingv1.Event_LabelSuspended:
		return "label", f.LabelSuspended.GetLabelId()
	case *labellingv1.Event_LabelReinstated:
		return "label", f.LabelReinstated.GetLabelId()
	case *labellingv1.Event_LabelWithdrawn:
		return "label", f.LabelWithdrawn.GetLabelId()
	case *labellingv1.Event_LabelAnnulled:
		return "label", f.LabelAnnulled.GetLabelId()
	case *labellingv1.Event_LabelLapsed:
		return "label", f.LabelLapsed.GetLabelId()
	case *labellingv1.Event_LabelAmended:
		return "label", f.LabelAmended.GetLabelId()
	case *labellingv1.Event_LabelVoided:
		return "label", f.LabelVoided.GetLabelId()
	case *labellingv1.Event_LabelOpened:
		return "label", f.LabelOpened.GetLabelId()
	case *labellingv1.Event_LabelMaintained:
		return "label", f.LabelMaintained.GetLabelId()
	case *labellingv1.Event_LabelClosed:
		return "label", f.LabelClosed.GetLabelId()
	case *labellingv1.Event_OfficeTaken:
		return "office", f.OfficeTaken.GetOfficeId()
	case *labellingv1.Event_OfficeLeft:
		return "office", f.OfficeLeft.GetOfficeId()
	case *labellingv1.Event_OfficeReviewed:
		return "office", f.OfficeReviewed.GetOfficeId()
	case *labellingv1.Event_OfficeApproved:
		return "office", f.OfficeApproved.GetOfficeId()
	case *labellingv1.Event_OfficeRefused:
		return "office", f.OfficeRefused.GetOfficeId()
	case *labellingv1.Event_CampaignOpened:
		return "campaign", f.CampaignOpened.GetCampaignId()
	case *labellingv1.Event_OutcomeRecorded:
		return "campaign", f.OutcomeRecorded.GetCampaignId()
	case *labellingv1.Event_TermReached:
		return "label", f.TermReached.GetLabelId()
	case *labellingv1.Event_DayReached:
		return "day", f.DayReached.GetEntityId()
	case *labellingv1.Event_DraftPrepared:
		return "draft", f.DraftPrepared.GetDraftId()
	case *labellingv1.Event_DraftRejected:
		return "draft", f.DraftRejected.GetDraftId()
	case *labellingv1.Event_DraftApproved:
		return "draft", f.DraftApproved.GetDraftId()
	case *labellingv1.Event_AssertionSettled:
		return "assertion", f.AssertionSettled.GetEntityId()
	case *labellingv1.Event_ThresholdsStated:
		return "cycle", f.ThresholdsStated.GetCycleId()
	case *labellingv1.Event_ActListed:
		return "act", f.ActListed.GetAct().GetActId()
	case *labellingv1.Event_PersonErased:
		// Under the first of them: a value that was erased is nobody's any more.
		return "person", first(slices.Concat(f.PersonErased.GetValueIds(), f.PersonErased.GetPersonIds()))
	}
	return "", ""
}

package labelling

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/bitemporal"
	"maillage/services/fault"
	"maillage/services/topology"
)

// ExtendLabel decides that the end of a label moves later (prorogation), to a day after
// it: EXTENSION_NOT_LATER. It may have passed: the extension bridges the gap since. An
// end nobody knew is known by it. A label that a decision ended, or a list left out,
// cannot be extended: LABEL_ENDED.
func ExtendLabel(s *State, r *labellingv1.ExtendLabelRequest) ([]*labellingv1.Event, error) {
	e, _, err := s.extend(r.GetLabelId(), r.GetEnd(), "")
	return s.decided(r.GetBasis(), e, err)
}

// SuspendLabel decides that a label is suspended, on days it may be held
// (SUSPENSION_OUTSIDE_TERM) and is not suspended already (SUSPENSION_OVERLAPS).
func SuspendLabel(s *State, r *labellingv1.SuspendLabelRequest) ([]*labellingv1.Event, error) {
	e, _, err := s.suspend(r.GetLabelId(), r.GetSuspendedFrom(), r.GetSuspendedUntil(), "")
	return s.decided(r.GetBasis(), e, err)
}

// ReinstateLabel decides that the last suspension of a label, which had no end, is over
// from a day after its start on: NOT_SUSPENDED, PERIOD_EMPTY.
func ReinstateLabel(s *State, r *labellingv1.ReinstateLabelRequest) ([]*labellingv1.Event, error) {
	e, _, err := s.reinstate(r.GetLabelId(), r.GetReinstatedFrom(), "")
	return s.decided(r.GetBasis(), e, err)
}

// WithdrawLabel decides that a label is withdrawn from its start (retrait), whatever
// became of it since: a decision can be withdrawn once it has had effect.
func WithdrawLabel(s *State, r *labellingv1.WithdrawLabelRequest) ([]*labellingv1.Event, error) {
	e, _, err := s.withdraw(r.GetLabelId(), "label_id")
	return s.decided(r.GetBasis(), e, err)
}

// AnnulLabel decides that a court annulled a label, from its start or, where the ruling
// defers that, from a day it was held on (ANNULMENT_OUTSIDE_TERM).
func AnnulLabel(s *State, r *labellingv1.AnnulLabelRequest) ([]*labellingv1.Event, error) {
	e, _, err := s.annul(r.GetLabelId(), r.GetAnnulledFrom(), "")
	return s.decided(r.GetBasis(), e, err)
}

// VoidLabel decides that a label should never have been recorded. It is a keying fix of
// the event that granted it, without legal effect.
func VoidLabel(s *State, r *labellingv1.VoidLabelRequest) ([]*labellingv1.Event, error) {
	_, err := s.standing(r.GetLabelId(), "label_id")
	events, err := s.decided(r.GetBasis(), &labellingv1.Event{Fact: &labellingv1.Event_LabelVoided{LabelVoided: &labellingv1.LabelVoided{
		LabelId: r.GetLabelId(),
	}}}, err)
	if err != nil {
		return nil, err
	}
	events[0].Meta.Corrects = s.grantedAt(r.GetLabelId())
	return events, nil
}

// OpenLabel decides from when the holder of a label works under it. What is stated of an
// operational window follows one another: opened, maintained, closed
// (OPERATION_OUT_OF_ORDER). Stated again, a day takes the place of the one before.
func OpenLabel(s *State, r *labellingv1.OpenLabelRequest) ([]*labellingv1.Event, error) {
	err := s.checkOperation(r.GetLabelId(), "opened_from", &labellingv1.Operation{OpenedFrom: r.GetOpenedFrom()})
	return s.decided(r.GetBasis(), &labellingv1.Event{Fact: &labellingv1.Event_LabelOpened{LabelOpened: &labellingv1.LabelOpened{
		LabelId: r.GetLabelId(), OpenedFrom: r.GetOpenedFrom(),
	}}}, err)
}

// MaintainLabel decides that the holder of a label goes on working from a day on,
// whatever its term and whatever becomes of the label.
func MaintainLabel(s *State, r *labellingv1.MaintainLabelRequest) ([]*labellingv1.Event, error) {
	err := s.checkOperation(r.GetLabelId(), "maintained_from", &labellingv1.Operation{MaintainedFrom: r.GetMaintainedFrom()})
	return s.decided(r.GetBasis(), &labellingv1.Event{Fact: &labellingv1.Event_LabelMaintained{LabelMaintained: &labellingv1.LabelMaintained{
		LabelId: r.GetLabelId(), MaintainedFrom: r.GetMaintainedFrom(),
	}}}, err)
}

// CloseLabel decides that the holder of a label ceased to work under it.
func CloseLabel(s *State, r *labellingv1.CloseLabelRequest) ([]*labellingv1.Event, error) {
	err := s.checkOperation(r.GetLabelId(), "closed_from", &labellingv1.Operation{ClosedFrom: r.GetClosedFrom()})
	return s.decided(r.GetBasis(), &labellingv1.Event{Fact: &labellingv1.Event_LabelClosed{LabelClosed: &labellingv1.LabelClosed{
		LabelId: r.GetLabelId(), ClosedFrom: r.GetClosedFrom(),
	}}}, err)
}

// decided is the commit of a fate, unless it is refused.
func (s *State) decided(b *eventv1.Basis, e *labellingv1.Event, err error) ([]*labellingv1.Event, error) {
	if err := cmp.Or(s.checkBasis(b), err); err != nil {
		return nil, err
	}
	return one(b, e)
}

// Each fate is decided alike by a command and by a line of an act. It is given the path
// of its fields, ending in a dot, or the field that names the label; and it returns the
// event and the label as it was.

func (s *State) extend(id, end, at string) (*labellingv1.Event, *labellingv1.Label, error) {
	label, err := s.standing(id, at+"label_id")
	if err != nil {
		return nil, nil, err
	}
	if err := checkOpen(label, at+"label_id"); err != nil {
		return nil, nil, err
	}
	if err := s.checkNotLapsed(label, at+"label_id"); err != nil {
		return nil, nil, err
	}
	day, err := fullDate(end, at+"end")
	if err != nil {
		return nil, nil, err
	}
	w := s.window(label, bitemporal.Latest)
	if day <= w.startFrom || w.endBy != bitemporal.Future && day <= w.endBy {
		return nil, nil, fault.New(fault.Refused, "EXTENSION_NOT_LATER", at+"end", "%s is not after the term of label %s, %s to %s.",
			end, id, label.GetPeriod().GetStart(), label.GetPeriod().GetEnd())
	}
	return &labellingv1.Event{Fact: &labellingv1.Event_LabelExtended{LabelExtended: &labellingv1.LabelExtended{LabelId: id, End: end}}}, label, nil
}

func (s *State) suspend(id, from, until, at string) (*labellingv1.Event, *labellingv1.Label, error) {
	label, err := s.standing(id, at+"label_id")
	if err != nil {
		return nil, nil, err
	}
	span, err := suspension(from, until, at)
	if err != nil {
		return nil, nil, err
	}
	held := s.hull(label)
	if !held.Contains(span.From) || span.To != bitemporal.Future && span.To > held.To {
		return nil, nil, fault.New(fault.Refused, "SUSPENSION_OUTSIDE_TERM", at+"suspended_from", "Label %s is held from %v to %v, not on each of these days.", id, held.From, held.To)
	}
	for _, p := range label.GetSuspensions() {
		if other, err := suspension(p.GetStart(), p.GetEnd(), at); err == nil && overlap(span, other) {
			return nil, nil, fault.New(fault.Refused, "SUSPENSION_OVERLAPS", at+"suspended_from", "Label %s is suspended from %s to %s already.", id, p.GetStart(), p.GetEnd())
		}
	}
	return &labellingv1.Event{Fact: &labellingv1.Event_LabelSuspended{LabelSuspended: &labellingv1.LabelSuspended{
		LabelId: id, SuspendedFrom: from, SuspendedUntil: until,
	}}}, label, nil
}

// suspension is the days of a suspension; one without an end lasts.
func suspension(from, until, at string) (days bitemporal.Interval, err error) {
	days.To = bitemporal.Future
	if days.From, err = fullDate(from, at+"suspended_from"); err != nil {
		return days, err
	}
	if until == "" {
		return days, nil
	}
	if days.To, err = fullDate(until, at+"suspended_until"); err != nil {
		return days, err
	}
	if days.To <= days.From {
		return days, fault.New(fault.Invalid, "PERIOD_EMPTY", at+"suspended_until", "The end %s is not after the start %s.", until, from)
	}
	return days, nil
}

func (s *State) reinstate(id, from, at string) (*labellingv1.Event, *labellingv1.Label, error) {
	label, err := s.standing(id, at+"label_id")
	if err != nil {
		return nil, nil, err
	}
	day, err := fullDate(from, at+"reinstated_from")
	if err != nil {
		return nil, nil, err
	}
	lasting := lastingSuspension(label)
	if lasting == nil {
		return nil, nil, fault.New(fault.Refused, "NOT_SUSPENDED", at+"label_id", "Label %s has no suspension without an end.", id)
	}
	if !since(lasting.GetStart(), day-1) {
		return nil, nil, fault.New(fault.Invalid, "PERIOD_EMPTY", at+"reinstated_from", "%s is not after the start of the suspension, %s.", from, lasting.GetStart())
	}
	return &labellingv1.Event{Fact: &labellingv1.Event_LabelReinstated{LabelReinstated: &labellingv1.LabelReinstated{
		LabelId: id, ReinstatedFrom: from,
	}}}, label, nil
}

// lastingSuspension is the suspension without an end, nil if there is none. Nothing
// overlaps it, so it is the last one.
func lastingSuspension(l *labellingv1.Label) *eventv1.Period {
	if all := l.GetSuspensions(); len(all) > 0 && all[len(all)-1].GetEnd() == "" {
		return all[len(all)-1]
	}
	return nil
}

func (s *State) withdraw(id, field string) (*labellingv1.Event, *labellingv1.Label, error) {
	label, err := s.standing(id, field)
	return &labellingv1.Event{Fact: &labellingv1.Event_LabelWithdrawn{LabelWithdrawn: &labellingv1.LabelWithdrawn{LabelId: id}}}, label, err
}

func (s *State) annul(id, from, at string) (*labellingv1.Event, *labellingv1.Label, error) {
	label, err := s.standing(id, at+"label_id")
	if err != nil {
		return nil, nil, err
	}
	if from != "" {
		day, err := fullDate(from, at+"annulled_from")
		if err != nil {
			return nil, nil, err
		}
		if held := s.hull(label); day <= held.From || day >= held.To {
			return nil, nil, fault.New(fault.Refused, "ANNULMENT_OUTSIDE_TERM", at+"annulled_from", "Label %s is held from %v to %v: %s is not a day after the first of these.", id, held.From, held.To, from)
		}
	}
	return &labellingv1.Event{Fact: &labellingv1.Event_LabelAnnulled{LabelAnnulled: &labellingv1.LabelAnnulled{
		LabelId: id, AnnulledFrom: from,
	}}}, label, nil
}

// lapsed is the loss of a label by a list that has effect from a day on. One that
// another decision ended has nothing to lose (LABEL_ENDED), nor has one that did not
// begin before the list (LAPSE_BEFORE_START).
func (s *State) lapsed(id string, act *labellingv1.ActRecorded, field string) (*labellingv1.Event, *labellingv1.Label, error) {
	label, err := s.standing(id, field)
	if err != nil {
		return nil, nil, err
	}
	if err := cmp.Or(checkOpen(label, field), s.checkNotLapsed(label, field)); err != nil {
		return nil, nil, err
	}
	if !act.GetAbsencesStated() {
		return nil, nil, fault.New(fault.Refused, "ABSENCES_UNSTATED", field, "A line says what a list leaves out only where the act says absences_stated.")
	}
	day, dated := effectOf(&labellingv1.Act{EffectiveDate: act.GetEffectiveDate(), Publications: act.GetPublications(), SignedDate: act.GetSignedDate()})
	if !dated {
		return nil, nil, fault.New(fault.Invalid, "DATE_INVALID", "effective_date", "A label is lost from a day on: that of effect, of publication or of signature.")
	}
	if day <= s.window(label, bitemporal.Latest).startFrom {
		return nil, nil, fault.New(fault.Refused, "LAPSE_BEFORE_START", field, "Label %s begins on %s, not before the list of %v.", id, label.GetPeriod().GetStart(), day)
	}
	return &labellingv1.Event{Fact: &labellingv1.Event_LabelLapsed{LabelLapsed: &labellingv1.LabelLapsed{
		LabelId: id, LapsedFrom: day.String(),
	}}}, label, nil
}

// amend is what an erratum or a ruling says of a label. head is what stands for the
// right head, nil to leave it.
func (s *State) amend(topo *topology.State, f *labellingv1.LabelAmended, head *eventv1.PersonalValue, at string) (*labellingv1.Event, *labellingv1.Label, error) {
	label, err := s.standing(f.GetLabelId(), at+"label_id")
	if err != nil {
		return nil, nil, err
	}
	if err := checkPeriod(f.GetPeriod(), at+"period"); err != nil {
		return nil, nil, err
	}
	if f.Role != nil {
		if err := checkRole(topo, label.GetHolder(), f.GetRole(), at+"role"); err != nil {
			return nil, nil, err
		}
	}
	return &labellingv1.Event{Fact: &labellingv1.Event_LabelAmended{LabelAmended: &labellingv1.LabelAmended{
		LabelId: f.GetLabelId(), Role: f.Role, RoleAsPrinted: f.RoleAsPrinted, Period: f.GetPeriod(), Head: head,
	}}}, label, nil
}

// checkOperation refuses what would not follow one another in an operational window.
// One day of it is stated, in the field. Labels that were undone can go on being worked
// under; of one that never should have been recorded there is nothing to say.
func (s *State) checkOperation(id, field string, stated *labellingv1.Operation) error {
	label, err := s.label(id, "label_id")
	if err != nil {
		return err
	}
	if label.GetVoided() {
		return fault.New(fault.Refused, "LABEL_ENDED", "label_id", "Label %s should never have been recorded.", id)
	}
	for _, day := range []string{stated.GetOpenedFrom(), stated.GetMaintainedFrom(), stated.GetClosedFrom()} {
		if _, err := bitemporal.ParseDate(day); err != nil && day != "" {
			return fault.New(fault.Invalid, "DATE_INVALID", field, "The window of a holder at work has full dates (YYYY-MM-DD), not %q.", day)
		}
	}
	all := operate(label, stated)
	opened, maintained, closed := all.GetOpenedFrom(), all.GetMaintainedFrom(), all.GetClosedFrom()
	if opened == "" {
		if from := s.window(label, bitemporal.Latest).startFrom; from != bitemporal.Past {
			opened = from.String()
		}
	}
	if maintained != "" && maintained < opened || closed != "" && (closed <= opened || closed <= maintained) {
		return fault.New(fault.Refused, "OPERATION_OUT_OF_ORDER", field, "Opened from %q, maintained from %q, closed from %q: these do not follow one another.", opened, maintained, closed)
	}
	return nil
}

// standing returns a label, unless it was undone from its start: it takes no further
// fate (LABEL_ENDED).
func (s *State) standing(id, field string) (*labellingv1.Label, error) {
	label, err := s.label(id, field)
	if err != nil {
		return nil, err
	}
	if undone(label) {
		return nil, fault.New(fault.Refused, "LABEL_ENDED", field, "Label %s was undone from its start (%s).", id, undoing(label))
	}
	return label, nil
}

// checkNotLapsed refuses a label that a list is stated to have left out, unless an act
// has named it since.
func (s *State) checkNotLapsed(l *labellingv1.Label, field string) error {
	if s.lapse(l, bitemporal.Future, bitemporal.Latest) == bitemporal.Future {
		return nil
	}
	return fault.New(fault.Refused, "LABEL_ENDED", field, "Label %s was lost from %s on.", l.GetLabelId(), l.GetLapsedFrom())
}

func fullDate(date, field string) (bitemporal.Date, error) {
	day, err := bitemporal.ParseDate(date)
	if err != nil {
		return 0, fault.New(fault.Invalid, "DATE_INVALID", field, "%q is not a full date (YYYY-MM-DD).", date)
	}
	return day, nil
}

// The end of a label moves later. The end before the first extension is kept.
func (s *State) labelExtended(at uint64, f *labellingv1.LabelExtended, why *eventv1.Basis) error {
	if _, err := bitemporal.ParseDate(f.GetEnd()); err != nil {
		return err
	}
	label, err := s.edit(f.GetLabelId(), why)
	if err != nil {
		return err
	}
	if label.GetExtendedFrom() == "" {
		label.ExtendedFrom = label.GetPeriod().GetEnd()
	}
	label.Period = &eventv1.Period{Start: label.GetPeriod().GetStart(), End: f.GetEnd()}
	s.keep(at, label)
	return nil
}

// A label is suspended.
func (s *State) labelSuspended(at uint64, f *labellingv1.LabelSuspended, why *eventv1.Basis) error {
	if _, err := suspension(f.GetSuspendedFrom(), f.GetSuspendedUntil(), ""); err != nil {
		return err
	}
	label, err := s.edit(f.GetLabelId(), why)
	if err != nil {
		return err
	}
	label.Suspensions = append(label.Suspensions, &eventv1.Period{Start: f.GetSuspendedFrom(), End: f.GetSuspendedUntil()})
	slices.SortStableFunc(label.Suspensions, func(a, b *eventv1.Period) int { return strings.Compare(a.GetStart(), b.GetStart()) })
	s.keep(at, label)
	return nil
}

// The last suspension of a label is over.
func (s *State) labelReinstated(at uint64, f *labellingv1.LabelReinstated, why *eventv1.Basis) error {
	if _, err := bitemporal.ParseDate(f.GetReinstatedFrom()); err != nil {
		return err
	}
	label, err := s.edit(f.GetLabelId(), why)
	if err != nil {
		return err
	}
	lasting := lastingSuspension(label)
	if lasting == nil {
		return fmt.Errorf("%w: label %q is not suspended", errUnfit, f.GetLabelId())
	}
	lasting.End = f.GetReinstatedFrom() // of a copy
	s.keep(at, label)
	return nil
}

// In law, a label never was.
func (s *State) labelWithdrawn(at uint64, f *labellingv1.LabelWithdrawn, why *eventv1.Basis) error {
	label, err := s.edit(f.GetLabelId(), why)
	if err != nil {
		return err
	}
	label.Withdrawn = true
	return s.undo(at, label)
}

// By a ruling, a label never was, or is over from a day on.
func (s *State) labelAnnulled(at uint64, f *labellingv1.LabelAnnulled, why *eventv1.Basis) error {
	if _, err := bitemporal.ParseDate(f.GetAnnulledFrom()); err != nil && f.GetAnnulledFrom() != "" {
		return err
	}
	label, err := s.edit(f.GetLabelId(), why)
	if err != nil {
		return err
	}
	label.Annulled, label.AnnulledFrom = true, f.GetAnnulledFrom()
	return s.undo(at, label)
}

// A label should never have been recorded.
func (s *State) labelVoided(at uint64, f *labellingv1.LabelVoided, why *eventv1.Basis) error {
	label, err := s.edit(f.GetLabelId(), why)
	if err != nil {
		return err
	}
	label.Voided = true
	return s.undo(at, label)
}

// undo keeps a label that, if it never was, did nothing to the one before it: that one
// has its own end again, rests no longer on the renewal, and can go on in another.
func (s *State) undo(at uint64, l *labellingv1.Label) error {
	s.keep(at, l)
	if !undone(l) || l.GetPredecessorId() == "" {
		return nil
	}
	before, err := s.edit(l.GetPredecessorId(), nil)
	if err != nil || before.GetSuccessorId() != l.GetLabelId() {
		return err
	}
	s.uncut(before, l.GetPeriod().GetStart())
	before.SuccessorId = ""
	if granted := l.GetBasis(); len(granted) > 0 {
		before.Basis = without(before.GetBasis(), granted[0])
	}
	s.keep(at, before)
	return nil
}

// A list that states what it leaves out left a label out.
func (s *State) labelLapsed(at uint64, f *labellingv1.LabelLapsed, why *eventv1.Basis) error {
	if _, err := bitemporal.ParseDate(f.GetLapsedFrom()); err != nil {
		return err
	}
	label, err := s.edit(f.GetLabelId(), why)
	if err != nil {
		return err
	}
	label.LapsedFrom = f.GetLapsedFrom()
	s.keep(at, label)
	return nil
}

// An erratum or a ruling changes a label in law, over its whole time. It is shown as a
// correction is, and is none: the act says so, not a clerk.
func (s *State) labelAmended(at uint64, f *labellingv1.LabelAmended, why *eventv1.Basis) error {
	return s.labelCorrected(at, &labellingv1.LabelCorrected{
		LabelId: f.GetLabelId(), Role: f.Role, RoleAsPrinted: f.RoleAsPrinted, Period: f.GetPeriod(), Head: f.GetHead(),
	}, why)
}

// The holder of a label began to work under it.
func (s *State) labelOpened(at uint64, f *labellingv1.LabelOpened, _ *eventv1.Basis) error {
	return s.labelOperated(at, f.GetLabelId(), f.GetOpenedFrom(), &labellingv1.Operation{OpenedFrom: f.GetOpenedFrom()})
}

// The holder of a label goes on working.
func (s *State) labelMaintained(at uint64, f *labellingv1.LabelMaintained, _ *eventv1.Basis) error {
	return s.labelOperated(at, f.GetLabelId(), f.GetMaintainedFrom(), &labellingv1.Operation{MaintainedFrom: f.GetMaintainedFrom()})
}

// The holder of a label ceased to work under it.
func (s *State) labelClosed(at uint64, f *labellingv1.LabelClosed, _ *eventv1.Basis) error {
	return s.labelOperated(at, f.GetLabelId(), f.GetClosedFrom(), &labellingv1.Operation{ClosedFrom: f.GetClosedFrom()})
}

// labelOperated keeps what is stated of an operational window. The label rests no more
// on it than before: an act that tells when a platform opened names it in no list.
func (s *State) labelOperated(at uint64, id, day string, stated *labellingv1.Operation) error {
	if _, err := bitemporal.ParseDate(day); err != nil {
		return err
	}
	label, err := s.edit(id, nil)
	if err != nil {
		return err
	}
	label.Operation = operate(label, stated)
	s.keep(at, label)
	return nil
}

// operate is the operational window of a label with what is newly stated of it.
func operate(l *labellingv1.Label, stated *labellingv1.Operation) *labellingv1.Operation {
	all := &labellingv1.Operation{}
	proto.Merge(all, l.GetOperation())
	proto.Merge(all, stated)
	return all
}

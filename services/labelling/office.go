package labelling

import (
	"cmp"
	"errors"
	"fmt"
	"iter"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/bitemporal"
	"maillage/services/fact"
	"maillage/services/fault"
	"maillage/services/identifier"
	"maillage/services/topology"
)

// Offices are held in fact before anyone approves of it: the outgoing head writes, a
// new one begins, and the opinions of the filière, the hospitals and the associations
// and the decision of the ministry (instruction DGOS of 2020, for changes since 2017)
// come up to three years later, or while the label is in abeyance. So nothing is
// refused for being late, and a post may have several holders, or none, on a day.

// A person takes an office. Where it follows another, that one ends on its first day.
func (s *State) officeTaken(at uint64, f *labellingv1.OfficeTaken, why *eventv1.Basis) error {
	if _, taken := s.Offices.Last(f.GetOfficeId(), bitemporal.Latest); taken || f.GetOfficeId() == "" {
		return fmt.Errorf("%w: office %q is there already", errUnfit, f.GetOfficeId())
	}
	if _, _, err := bitemporal.Span(f.GetStart()); err != nil {
		return err
	}
	if before := f.GetPredecessorId(); before != "" {
		if err := s.editOffice(at, before, why, func(o *labellingv1.Office) {
			o.Period = &eventv1.Period{Start: o.GetPeriod().GetStart(), End: f.GetStart()}
		}); err != nil {
			return err
		}
	}
	office := &labellingv1.Office{
		OfficeId: f.GetOfficeId(),
		HolderId: f.GetHolderId(),
		Kind:     f.GetKind(),
		Interim:  f.GetInterim(),
		PersonId: f.GetPersonId(),
		Name:     f.GetName(),
		Period:   &eventv1.Period{Start: f.GetStart()},
		Basis:    rest(nil, why),
	}
	s.Offices.Assert(office.GetOfficeId(), tenure(office).days(), at, office)
	s.indexOffice(office)
	return nil
}

// A person leaves an office.
func (s *State) officeLeft(at uint64, f *labellingv1.OfficeLeft, why *eventv1.Basis) error {
	if _, _, err := bitemporal.Span(f.GetEnd()); err != nil {
		return err
	}
	return s.editOffice(at, f.GetOfficeId(), why, func(o *labellingv1.Office) {
		o.Period = &eventv1.Period{Start: o.GetPeriod().GetStart(), End: f.GetEnd()}
	})
}

// A body gives its opinion.
func (s *State) officeReviewed(at uint64, f *labellingv1.OfficeReviewed, why *eventv1.Basis) error {
	if _, _, err := bitemporal.Span(f.GetDate()); err != nil {
		return err
	}
	return s.editOffice(at, f.GetOfficeId(), why, func(o *labellingv1.Office) {
		o.Opinions = append(o.Opinions, &labellingv1.Opinion{Body: f.GetBody(), Favourable: f.GetFavourable(), Date: f.GetDate()})
	})
}

// The ministry approves or refuses: of several decisions the one recorded last stands,
// and those before it are read as known then.
func (s *State) officeDecided(at uint64, id string, approval labellingv1.Approval, date string, why *eventv1.Basis) error {
	if _, _, err := bitemporal.Span(date); err != nil {
		return err
	}
	return s.editOffice(at, id, why, func(o *labellingv1.Office) { o.Approval, o.ApprovalDate = approval, date })
}

func (s *State) editOffice(at uint64, id string, why *eventv1.Basis, edit func(*labellingv1.Office)) error {
	office, ok := s.Offices.Last(id, bitemporal.Latest)
	if !ok {
		return fmt.Errorf("%w: office %q is unknown", errUnfit, id)
	}
	office = proto.CloneOf(office)
	office.Basis = rest(office.GetBasis(), why)
	edit(office)
	days := tenure(office).days()
	s.Offices.Retract(id, bitemporal.Interval{From: bitemporal.Past, To: days.From}, at)
	s.Offices.Retract(id, bitemporal.Interval{From: days.To, To: bitemporal.Future}, at)
	s.Offices.Assert(id, days, at, office)
	return nil
}

// tenure is the window of an office. Unlike that of a label it is open as long as no
// end is stated.
func tenure(o *labellingv1.Office) window {
	w := windowOf(o.GetPeriod())
	if o.GetPeriod().GetEnd() == "" {
		w.endFrom = bitemporal.Future
	}
	return w
}

// days is the days on which the window may be open: never empty.
func (w window) days() bitemporal.Interval {
	return bitemporal.Interval{From: w.startFrom, To: max(w.endBy, w.startFrom+1)}
}

// OfficesOf yields the offices that a site, network, filière or platform ever had, as
// known at a position, in the order they were taken.
func (s *State) OfficesOf(holder string, known uint64) iter.Seq[*labellingv1.Office] {
	return func(yield func(*labellingv1.Office) bool) {
		for id := range s.officesByHolder.of(holder) {
			o, ok := s.Offices.Last(id, known)
			if ok && o.GetHolderId() == holder && !yield(o) {
				return
			}
		}
	}
}

// VacantSince reports whether a post of a holder is certainly vacant on a day, as known
// at a position: it was held once, and nobody may be in it. since is the end of the
// last office, in its precision. A post that nobody is known to have held is not called
// vacant; one held by an interim is not.
func (s *State) VacantSince(holder string, kind labellingv1.OfficeKind, day bitemporal.Date, known uint64) (since string, vacant bool) {
	last := bitemporal.Past
	for o := range s.OfficesOf(holder, known) {
		w := tenure(o)
		switch {
		case o.GetKind() != kind || day < w.startFrom:
		case day < w.endBy:
			return "", false
		case w.endBy > last:
			since, vacant, last = o.GetPeriod().GetEnd(), true, w.endBy
		}
	}
	return since, vacant
}

// TakeOffice decides that a person takes an office under id. The holder is a site, a
// network, a filière or a platform (HOLDER_UNKNOWN), and the post is one of it
// (OFFICE_HOLDER_MISMATCH). A post may have several holders at once, since successions
// leave gaps and interims; but not the same person twice (OFFICE_TWICE). person is the
// opaque id of who it is, empty where no number tells; a number that is no RPPS number
// at all is refused (RPPS_INVALID), one whose key is wrong is not: it tells nobody.
//
// Where it follows an office, that one must not have ended (OFFICE_ENDED) and is of the
// same post (OFFICE_OTHER_POST); it ends on the first day of the new one, which must be
// stated (DATE_MISSING) and after its own (PERIOD_EMPTY).
func TakeOffice(s *State, topo *topology.State, id string, r *labellingv1.TakeOfficeRequest, person string, name *eventv1.PersonalValue) ([]*labellingv1.Event, error) {
	err := cmp.Or(s.checkBasis(r.GetBasis()), s.checkFree(topo, id), fact.CheckDate(r.GetStart(), "start"),
		s.checkPost(topo, r.GetHolderId(), r.GetKind()), checkRPPS(r.GetRpps()))
	if err != nil {
		return nil, err
	}
	if r.GetPredecessorId() != "" {
		if err := s.checkSuccession(r); err != nil {
			return nil, err
		}
	}
	taken := &labellingv1.OfficeTaken{
		OfficeId: id, HolderId: r.GetHolderId(), Kind: r.GetKind(), Interim: r.GetInterim(),
		PersonId: person, Name: name, Start: r.GetStart(), PredecessorId: r.GetPredecessorId(),
	}
	if err := s.checkTwice(taken); err != nil {
		return nil, err
	}
	return one(r.GetBasis(), &labellingv1.Event{Fact: &labellingv1.Event_OfficeTaken{OfficeTaken: taken}})
}

// LeaveOffice decides that a person leaves an office on a day, of any precision but
// stated (DATE_MISSING), after it began (PERIOD_EMPTY), once (OFFICE_ENDED).
func LeaveOffice(s *State, r *labellingv1.LeaveOfficeRequest) ([]*labellingv1.Event, error) {
	if err := cmp.Or(s.checkBasis(r.GetBasis()), fact.CheckDate(r.GetEnd(), "end")); err != nil {
		return nil, err
	}
	office, err := s.office(r.GetOfficeId(), "office_id")
	if err != nil {
		return nil, err
	}
	if err := checkEnd(office, "office_id", r.GetEnd(), "end"); err != nil {
		return nil, err
	}
	return one(r.GetBasis(), &labellingv1.Event{Fact: &labellingv1.Event_OfficeLeft{OfficeLeft: &labellingv1.OfficeLeft{
		OfficeId: r.GetOfficeId(), End: r.GetEnd(),
	}}})
}

// ReviewOffice decides that a body gave its opinion on who holds an office. It may come
// when the office has long ended.
func ReviewOffice(s *State, r *labellingv1.ReviewOfficeRequest) ([]*labellingv1.Event, error) {
	if err := s.checkLate(r.GetBasis(), r.GetOfficeId(), r.GetDate()); err != nil {
		return nil, err
	}
	return one(r.GetBasis(), &labellingv1.Event{Fact: &labellingv1.Event_OfficeReviewed{OfficeReviewed: &labellingv1.OfficeReviewed{
		OfficeId: r.GetOfficeId(), Body: r.GetBody(), Favourable: r.GetFavourable(), Date: r.GetDate(),
	}}})
}

// ApproveOffice decides that the ministry approved who holds an office, also after a
// refusal and when the office has long ended.
func ApproveOffice(s *State, r *labellingv1.ApproveOfficeRequest) ([]*labellingv1.Event, error) {
	if err := s.checkLate(r.GetBasis(), r.GetOfficeId(), r.GetDate()); err != nil {
		return nil, err
	}
	return one(r.GetBasis(), &labellingv1.Event{Fact: &labellingv1.Event_OfficeApproved{OfficeApproved: &labellingv1.OfficeApproved{
		OfficeId: r.GetOfficeId(), Date: r.GetDate(),
	}}})
}

// RefuseOffice decides that the ministry refused who holds an office. That ends nothing:
// who leaves says so.
func RefuseOffice(s *State, r *labellingv1.RefuseOfficeRequest) ([]*labellingv1.Event, error) {
	if err := s.checkLate(r.GetBasis(), r.GetOfficeId(), r.GetDate()); err != nil {
		return nil, err
	}
	return one(r.GetBasis(), &labellingv1.Event{Fact: &labellingv1.Event_OfficeRefused{OfficeRefused: &labellingv1.OfficeRefused{
		OfficeId: r.GetOfficeId(), Date: r.GetDate(),
	}}})
}

func (s *State) office(id, field string) (*labellingv1.Office, error) {
	o, ok := s.Offices.Last(id, bitemporal.Latest)
	if !ok {
		return nil, fault.New(fault.NotFound, "OFFICE_UNKNOWN", field, "No office is recorded under %q.", id)
	}
	return o, nil
}

// checkPost refuses a holder that is none, and a post that none of its kind has: only
// a site has a head, and only what groups sites a coordinator.
func (s *State) checkPost(topo *topology.State, holder string, kind labellingv1.OfficeKind) error {
	_, isSite := s.Site(holder)
	if !isSite && !isThere(&topo.Networks, holder) && !isThere(&topo.Filieres, holder) && !isThere(&topo.Platforms, holder) {
		return fault.New(fault.NotFound, "HOLDER_UNKNOWN", "holder_id", "No site, network, filière or platform is recorded under %q.", holder)
	}
	if isSite == (kind == labellingv1.OfficeKind_OFFICE_KIND_COORDINATOR) {
		return fault.New(fault.Refused, "OFFICE_HOLDER_MISMATCH", "kind", "No holder of this kind has the post %s.", kind)
	}
	return nil
}

func checkRPPS(number string) error {
	if number == "" {
		return nil
	}
	_, err := identifier.RPPS(number)
	if bad, ok := errors.AsType[*identifier.Error](err); ok && bad.Kind != identifier.BadCheck {
		return fault.New(fault.Invalid, "RPPS_INVALID", "rpps", "An RPPS number is 11 digits.") // without the number: it is personal
	}
	return nil
}

// checkSuccession refuses to end the office that another follows.
func (s *State) checkSuccession(r *labellingv1.TakeOfficeRequest) error {
	before, err := s.office(r.GetPredecessorId(), "predecessor_id")
	if err != nil {
		return err
	}
	if before.GetHolderId() != r.GetHolderId() || before.GetKind() != r.GetKind() {
		return fault.New(fault.Refused, "OFFICE_OTHER_POST", "predecessor_id", "Office %s is one of %s as %s.", before.GetOfficeId(), before.GetHolderId(), before.GetKind())
	}
	return checkEnd(before, "predecessor_id", r.GetStart(), "start")
}

// checkEnd refuses to end an office that ended, or not after its start.
func checkEnd(o *labellingv1.Office, officeField, end, endField string) error {
	if ended := o.GetPeriod().GetEnd(); ended != "" {
		return fault.New(fault.Refused, "OFFICE_ENDED", officeField, "Office %s ended on %s.", o.GetOfficeId(), ended)
	}
	if end == "" {
		return fault.New(fault.Invalid, "DATE_MISSING", endField, "Say when office %s ends: a year is enough.", o.GetOfficeId())
	}
	if w := windowOf(&eventv1.Period{Start: o.GetPeriod().GetStart(), End: end}); w.endBy <= w.startFrom {
		return fault.New(fault.Invalid, "PERIOD_EMPTY", endField, "The end %s is not after the start %s.", end, o.GetPeriod().GetStart())
	}
	return nil
}

// checkTwice refuses a person a post that they certainly hold on the first day of it
// already. What began before may be recorded later, and is: its end follows.
func (s *State) checkTwice(f *labellingv1.OfficeTaken) error {
	if f.GetPersonId() == "" {
		return nil
	}
	from, by, err := bitemporal.Span(f.GetStart())
	if err != nil {
		return err
	}
	for o := range s.OfficesOf(f.GetHolderId(), bitemporal.Latest) {
		if o.GetKind() != f.GetKind() || o.GetPersonId() != f.GetPersonId() || o.GetOfficeId() == f.GetPredecessorId() {
			continue
		}
		held := tenure(o)
		again := o.GetPeriod().GetStart() == f.GetStart() && o.GetPeriod().GetEnd() == ""
		if again || held.startBy <= from && by < held.endFrom {
			return fault.New(fault.Refused, "OFFICE_TWICE", "start", "The same person is in this post on that day already, as office %s.", o.GetOfficeId())
		}
	}
	return nil
}

func (s *State) checkLate(basis *eventv1.Basis, office, date string) error {
	if err := cmp.Or(s.checkBasis(basis), fact.CheckDate(date, "date")); err != nil {
		return err
	}
	_, err := s.office(office, "office_id")
	return err
}

func isThere[E any](t *bitemporal.Table[E], id string) bool {
	_, ok := t.Last(id, bitemporal.Latest)
	return ok
}

package labelling

import (
	"fmt"
	"slices"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/bitemporal"
	"maillage/services/fact"
	"maillage/services/fault"
	"maillage/services/topology"
)

// What a fact says of a day: the fields of the agenda.
const (
	labelEnds      = "end"
	labelStarts    = "start"
	labelRepealed  = "repealed_from"
	labelSuspended = "suspended"
	labelAnnulled  = "annulled_from"
	labelLapsed    = "lapsed_from"
	labelOpened    = "opened_from"
	labelMaintains = "maintained_from"
	labelClosed    = "closed_from"
	officeStarts   = "office start"
	officeEnds     = "office end"
)

// lookAhead notes the days that a fact states ahead: the end of a label in any
// precision, since its term has passed once its month or year is over, and other days
// where they are full dates.
func (s *State) lookAhead(at uint64, e *labellingv1.Event) {
	note := func(entity, field, date string) {
		_, by, err := bitemporal.Span(date)
		if date == "" || err != nil {
			return
		}
		if len(date) < len("2006-01-02") {
			if field != labelEnds {
				return
			}
			by++
		}
		s.agenda.Note(e.GetMeta().GetRecordTime().AsTime(), fact.Day{Entity: entity, Field: field, Date: date, Due: by, Position: at})
	}
	window := func(label string, p *eventv1.Period) {
		note(label, labelStarts, p.GetStart())
		note(label, labelEnds, p.GetEnd())
	}
	switch f := e.GetFact().(type) {
	case *labellingv1.Event_LabelGranted:
		window(f.LabelGranted.GetLabelId(), f.LabelGranted.GetPeriod())
	case *labellingv1.Event_LabelRenewed:
		window(f.LabelRenewed.GetSuccessorId(), f.LabelRenewed.GetPeriod())
	case *labellingv1.Event_LabelCorrected:
		window(f.LabelCorrected.GetLabelId(), f.LabelCorrected.GetPeriod())
	case *labellingv1.Event_LabelAmended:
		window(f.LabelAmended.GetLabelId(), f.LabelAmended.GetPeriod())
	case *labellingv1.Event_LabelExtended:
		note(f.LabelExtended.GetLabelId(), labelEnds, f.LabelExtended.GetEnd())
	case *labellingv1.Event_LabelRepealed:
		note(f.LabelRepealed.GetLabelId(), labelRepealed, f.LabelRepealed.GetRepealedFrom())
	case *labellingv1.Event_LabelSuspended:
		note(f.LabelSuspended.GetLabelId(), labelSuspended, f.LabelSuspended.GetSuspendedFrom())
		note(f.LabelSuspended.GetLabelId(), labelSuspended, f.LabelSuspended.GetSuspendedUntil())
	case *labellingv1.Event_LabelReinstated:
		note(f.LabelReinstated.GetLabelId(), labelSuspended, f.LabelReinstated.GetReinstatedFrom())
	case *labellingv1.Event_LabelAnnulled:
		note(f.LabelAnnulled.GetLabelId(), labelAnnulled, f.LabelAnnulled.GetAnnulledFrom())
	case *labellingv1.Event_LabelLapsed:
		note(f.LabelLapsed.GetLabelId(), labelLapsed, f.LabelLapsed.GetLapsedFrom())
	case *labellingv1.Event_LabelOpened:
		note(f.LabelOpened.GetLabelId(), labelOpened, f.LabelOpened.GetOpenedFrom())
	case *labellingv1.Event_LabelMaintained:
		note(f.LabelMaintained.GetLabelId(), labelMaintains, f.LabelMaintained.GetMaintainedFrom())
	case *labellingv1.Event_LabelClosed:
		note(f.LabelClosed.GetLabelId(), labelClosed, f.LabelClosed.GetClosedFrom())
	case *labellingv1.Event_OfficeTaken:
		note(f.OfficeTaken.GetOfficeId(), officeStarts, f.OfficeTaken.GetStart())
	case *labellingv1.Event_OfficeLeft:
		note(f.OfficeLeft.GetOfficeId(), officeEnds, f.OfficeLeft.GetEnd())
	}
}

// The term of a label has passed: that is told, and nothing changes.
func (s *State) termReached(at uint64, f *labellingv1.TermReached) error {
	if !isThere(&s.Labels, f.GetLabelId()) {
		return fmt.Errorf("%w: label %q is unknown", errUnfit, f.GetLabelId())
	}
	s.agenda.Tell(at, f.GetLabelId(), f.GetEnd(), 0)
	return nil
}

// The day of a fact that was recorded ahead has come: that is told, and nothing changes.
func (s *State) dayReached(at uint64, f *labellingv1.DayReached) error {
	if !isThere(&s.Labels, f.GetEntityId()) && !isThere(&s.Offices, f.GetEntityId()) {
		return fmt.Errorf("%w: nothing is recorded under %q", errUnfit, f.GetEntityId())
	}
	s.agenda.Tell(at, f.GetEntityId(), f.GetDate(), f.GetPosition())
	return nil
}

// Due returns the events that tell what has come by today (Europe/Paris) of what was
// stated ahead, unless they were told: the term of each label that reached the end it
// has now, and the day of each other fact that is still so. What ended otherwise before
// its term never reaches it; what had passed when it was recorded is no news. They have
// no Meta yet: [Tell] decides to append one.
func Due(s *State, topo *topology.State, today bitemporal.Date) []*labellingv1.Event {
	var due []*labellingv1.Event
	seen := make(map[fact.Day]bool)
	for d := range s.agenda.Due(today) {
		d.Position = about(d)
		if seen[d] || !s.isDue(topo, d, today) {
			continue
		}
		seen[d] = true
		if d.Field == labelEnds {
			due = append(due, &labellingv1.Event{Fact: &labellingv1.Event_TermReached{TermReached: &labellingv1.TermReached{LabelId: d.Entity, End: d.Date}}})
			continue
		}
		due = append(due, &labellingv1.Event{Fact: &labellingv1.Event_DayReached{DayReached: &labellingv1.DayReached{EntityId: d.Entity, Date: d.Date, Position: d.Position}}})
	}
	return due
}

// Tell decides that an event of [Due] is appended, if it is still due: DAY_NOT_DUE.
func Tell(s *State, topo *topology.State, today bitemporal.Date, e *labellingv1.Event, basis *eventv1.Basis) ([]*labellingv1.Event, error) {
	var days []fact.Day
	if f := e.GetTermReached(); f != nil {
		if l, ok := s.Label(f.GetLabelId(), bitemporal.Latest); ok {
			days = []fact.Day{{Entity: f.GetLabelId(), Field: labelEnds, Date: f.GetEnd(), Due: windowOf(l.GetPeriod()).endBy}}
		}
	} else {
		days = s.agenda.Of(e.GetDayReached().GetPosition())
	}
	if !slices.ContainsFunc(days, func(d fact.Day) bool {
		f := e.GetDayReached()
		return (f == nil || d.Entity == f.GetEntityId() && d.Date == f.GetDate() && d.Field != labelEnds) && s.isDue(topo, d, today)
	}) {
		return nil, fault.New(fault.Refused, "DAY_NOT_DUE", "", "Nothing is to be told of %q.", Subject(e))
	}
	return []*labellingv1.Event{{Meta: &eventv1.Meta{Basis: basis}, Fact: e.GetFact()}}, nil
}

// about is the position under which a day is told: a term is told once, whichever fact
// stated it.
func about(d fact.Day) uint64 {
	if d.Field == labelEnds {
		return 0
	}
	return d.Position
}

func (s *State) isDue(topo *topology.State, d fact.Day, today bitemporal.Date) bool {
	return d.Due <= today && !s.agenda.Told(d.Entity, d.Date, about(d)) && s.isSo(topo, d)
}

// isSo reports whether what a fact said of a day is still believed.
func (s *State) isSo(topo *topology.State, d fact.Day) bool {
	if d.Field == officeStarts || d.Field == officeEnds {
		o, _ := s.Offices.Last(d.Entity, bitemporal.Latest)
		return d.Field == officeStarts && o.GetPeriod().GetStart() == d.Date || d.Field == officeEnds && o.GetPeriod().GetEnd() == d.Date
	}
	l, ok := s.Label(d.Entity, bitemporal.Latest)
	if !ok || undone(l) {
		return false
	}
	switch d.Field {
	case labelEnds:
		return l.GetPeriod().GetEnd() == d.Date && s.heldUntil(l.GetLabelId(), d.Due, topo)
	case labelStarts:
		return l.GetPeriod().GetStart() == d.Date
	case labelRepealed:
		return l.GetRepealedFrom() == d.Date
	case labelSuspended:
		return slices.ContainsFunc(l.GetSuspensions(), func(p *eventv1.Period) bool { return p.GetStart() == d.Date || p.GetEnd() == d.Date })
	case labelAnnulled:
		return l.GetAnnulledFrom() == d.Date
	case labelLapsed:
		return l.GetLapsedFrom() == d.Date
	case labelOpened:
		return l.GetOperation().GetOpenedFrom() == d.Date
	case labelMaintains:
		return l.GetOperation().GetMaintainedFrom() == d.Date
	case labelClosed:
		return l.GetOperation().GetClosedFrom() == d.Date
	}
	return false
}

// heldUntil reports whether a label had not ended otherwise on the day before its term.
func (s *State) heldUntil(id string, term bitemporal.Date, topo *topology.State) bool {
	status, _ := s.StatusAt(id, term-1, bitemporal.Latest, topo)
	switch status {
	case labellingv1.Status_STATUS_PLANNED, labellingv1.Status_STATUS_REPEALED, labellingv1.Status_STATUS_SUPERSEDED, labellingv1.Status_STATUS_LAPSED,
		labellingv1.Status_STATUS_EXPIRED, labellingv1.Status_STATUS_WITHDRAWN, labellingv1.Status_STATUS_ANNULLED, labellingv1.Status_STATUS_VOIDED:
		return false
	}
	return true
}

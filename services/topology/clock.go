package topology

import (
	"fmt"
	"reflect"
	"slices"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/fact"
	"maillage/services/fault"
)

// What a fact says of a day: the fields of the agenda.
const (
	begins = "valid_from"
	ends   = "end"
)

// lookAhead notes the first day of a fact, and the end of what it lasts for, where those
// are full dates ahead.
func (s *State) lookAhead(at uint64, e *topologyv1.Event) {
	_, id := subject(e)
	note := func(field, date string) {
		if day, err := bitemporal.ParseDate(date); err == nil {
			s.agenda.Note(e.GetMeta().GetRecordTime().AsTime(), fact.Day{Entity: id, Field: field, Date: date, Due: day, Position: at})
		}
	}
	switch f := e.GetFact().(type) {
	case *topologyv1.Event_LinkDeclared:
		note(begins, f.LinkDeclared.GetPeriod().GetStart())
		note(ends, f.LinkDeclared.GetPeriod().GetEnd())
	case *topologyv1.Event_LinkEnded:
		note(ends, f.LinkEnded.GetEnd())
	case *topologyv1.Event_AliasStated:
		note(begins, f.AliasStated.GetPeriod().GetStart())
		note(ends, f.AliasStated.GetPeriod().GetEnd())
	case *topologyv1.Event_AliasEnded:
		note(ends, f.AliasEnded.GetEnd())
	case *topologyv1.Event_PlanRegistered:
		note(begins, f.PlanRegistered.GetPeriod().GetStart())
		note(ends, f.PlanRegistered.GetPeriod().GetEnd())
	case *topologyv1.Event_PlanExtended:
		note(ends, f.PlanExtended.GetEnd())
	default:
		note(begins, validFrom(e))
	}
}

// validFrom is the first day of a fact, empty for one without.
func validFrom(e *topologyv1.Event) string {
	if e.GetFact() == nil {
		return ""
	}
	// What a case of a oneof holds is the one field of its struct.
	f, ok := reflect.TypeAssert[interface{ GetValidFrom() string }](reflect.ValueOf(e.GetFact()).Elem().Field(0))
	if !ok {
		return ""
	}
	return f.GetValidFrom()
}

// The day of a fact that was recorded ahead has come: that is told, and nothing changes.
func (s *State) dayReached(at uint64, f *topologyv1.DayReached) error {
	if !s.Knows(f.GetEntityId()) {
		return fmt.Errorf("%w: %q", errUnknown, f.GetEntityId())
	}
	s.agenda.Tell(at, f.GetEntityId(), f.GetDate(), f.GetPosition())
	return nil
}

// Due returns, for each fact that was recorded ahead of its first day, a full date, and
// whose day has come by today (Europe/Paris), the event that tells so, unless it was
// told. [Tell] decides to append one.
func Due(s *State, today bitemporal.Date) []*topologyv1.Event {
	var due []*topologyv1.Event
	for d := range s.agenda.Due(today) {
		if s.untold(d, today) {
			due = append(due, &topologyv1.Event{Fact: &topologyv1.Event_DayReached{DayReached: &topologyv1.DayReached{
				EntityId: d.Entity, Date: d.Date, Position: d.Position,
			}}})
		}
	}
	return due
}

// Tell decides that an event of [Due] is appended, if it is still due: DAY_NOT_DUE.
func Tell(s *State, today bitemporal.Date, e *topologyv1.Event, basis *eventv1.Basis) ([]*topologyv1.Event, error) {
	f := e.GetDayReached()
	if !slices.ContainsFunc(s.agenda.Of(f.GetPosition()), func(d fact.Day) bool {
		return d.Entity == f.GetEntityId() && d.Date == f.GetDate() && s.untold(d, today)
	}) {
		return nil, fault.New(fault.Refused, "DAY_NOT_DUE", "", "No day is to be told of %q.", f.GetEntityId())
	}
	return []*topologyv1.Event{{Meta: &eventv1.Meta{Basis: basis}, Fact: e.GetFact()}}, nil
}

func (s *State) untold(d fact.Day, today bitemporal.Date) bool {
	return d.Due <= today && !s.agenda.Told(d.Entity, d.Date, d.Position) && s.stands(d)
}

// stands reports whether an end is still the one believed: a link or an alias may have
// ended before, a plan may go on for longer. Of an alias that was voided nothing is.
func (s *State) stands(d fact.Day) bool {
	if len(s.Aliases.History(d.Entity)) > 0 {
		a, believed := s.Aliases.Last(d.Entity, bitemporal.Latest)
		return believed && (d.Field != ends || a.GetPeriod().GetEnd() == d.Date)
	}
	if d.Field != ends {
		return true
	}
	if l, ok := s.Links.Last(d.Entity, bitemporal.Latest); ok {
		return l.GetPeriod().GetEnd() == d.Date
	}
	p, _ := s.Plans.Last(d.Entity, bitemporal.Latest)
	return p.GetPeriod().GetEnd() == d.Date
}

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

// lookAhead notes the first day of a fact, where that is a full date ahead.
func (s *State) lookAhead(at uint64, e *topologyv1.Event) {
	from := validFrom(e)
	if day, err := bitemporal.ParseDate(from); err == nil {
		_, id := subject(e)
		s.agenda.Note(e.GetMeta().GetRecordTime().AsTime(), fact.Day{Entity: id, Field: "valid_from", Date: from, Due: day, Position: at})
	}
}

// validFrom is the first day of a fact: but for those of the clock, all have one.
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
	return d.Due <= today && !s.agenda.Told(d.Entity, d.Date, d.Position)
}

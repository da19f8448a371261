package labelling

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/bitemporal"
	"maillage/services/fact"
	"maillage/services/fault"
)

// always is the valid time of what is no period: a cycle, an act, an assertion.
var always = bitemporal.Interval{From: bitemporal.Past, To: bitemporal.Future}

// window is a legal window with its doubts: it begins on a day from startFrom to
// startBy, and is over from a day from endFrom to endBy on. Where a date is unknown its
// two bounds stand at the ends of time, so that nothing is certain around it.
type window struct{ startFrom, startBy, endFrom, endBy bitemporal.Date }

// windowOf reads a period whose dates were checked.
func windowOf(p *eventv1.Period) window {
	w := window{endFrom: bitemporal.Past, endBy: bitemporal.Future}
	w.startFrom, w.startBy, _ = bitemporal.Span(p.GetStart())
	if p.GetEnd() != "" {
		w.endFrom, w.endBy = overFrom(p.GetEnd())
		w.startBy = min(w.startBy, w.endBy-1)
	}
	return w
}

// overFrom is the days from which what ends on a known day, month or year may be over,
// and is over for sure.
func overFrom(end string) (may, sure bitemporal.Date) {
	may, sure, _ = bitemporal.Span(end)
	if may != sure {
		sure++ // a month or year: over once it is past
	}
	return may, sure
}

// window is the window of a label. One whose start nobody states begins no earlier
// than its cycle; no day by which it has begun follows from that.
func (s *State) window(l *labellingv1.Label, known uint64) window {
	w := windowOf(l.GetPeriod())
	if l.GetPeriod().GetStart() != "" || l.GetCycleId() == "" {
		return w
	}
	if cycle, ok := s.Cycles.At(l.GetCycleId(), 0, known); ok {
		if from, _, err := bitemporal.Span(cycle.GetPeriod().GetStart()); err == nil && from <= w.startBy {
			w.startFrom = from
		}
	}
	return w
}

// certain is the days on which the window is open for sure. A window that opens on a
// known day is open on that day, even where its end is unknown.
func (w window) certain() bitemporal.Interval {
	to := w.endFrom
	if w.startFrom == w.startBy {
		to = max(to, w.startBy+1)
	}
	return bitemporal.Interval{From: w.startBy, To: to}
}

func overlap(a, b bitemporal.Interval) bool {
	return max(a.From, b.From) < min(a.To, b.To)
}

// hull is the days on which a label may be held, its valid time: never empty, so that
// a label once known stays known. One that was undone keeps the days it was granted for.
func (s *State) hull(l *labellingv1.Label) bitemporal.Interval {
	w := s.window(l, bitemporal.Latest)
	to := w.endBy
	for _, day := range [...]string{l.GetRepealedFrom(), l.GetAnnulledFrom()} {
		if from, err := bitemporal.ParseDate(day); err == nil {
			to = min(to, from)
		}
	}
	if next, ok := s.Label(l.GetSuccessorId(), bitemporal.Latest); ok {
		to = min(to, s.window(next, bitemporal.Latest).startBy)
	}
	return bitemporal.Interval{From: w.startFrom, To: max(to, w.startFrom+1)}
}

// open keeps a new label.
func (s *State) open(at uint64, l *labellingv1.Label) error {
	if _, taken := s.Label(l.GetLabelId(), bitemporal.Latest); taken || l.GetLabelId() == "" {
		return fmt.Errorf("%w: label %q is there already", errUnfit, l.GetLabelId())
	}
	if err := checkDates(l.GetPeriod(), ""); err != nil {
		return err
	}
	s.Labels.Assert(l.GetLabelId(), s.hull(l), at, l)
	s.indexLabel(l)
	return nil
}

// edit returns a copy of a label as believed now that rests on one basis more.
func (s *State) edit(id string, why *eventv1.Basis) (*labellingv1.Label, error) {
	label, ok := s.Label(id, bitemporal.Latest)
	if !ok {
		return nil, fmt.Errorf("%w: label %q is unknown", errUnfit, id)
	}
	label = proto.CloneOf(label)
	label.Basis = rest(label.GetBasis(), why)
	return label, nil
}

// keep makes a value what is believed of the label from a position on.
func (s *State) keep(at uint64, l *labellingv1.Label) {
	hull := s.hull(l)
	s.Labels.Retract(l.GetLabelId(), bitemporal.Interval{From: bitemporal.Past, To: hull.From}, at)
	s.Labels.Retract(l.GetLabelId(), bitemporal.Interval{From: hull.To, To: bitemporal.Future}, at)
	s.Labels.Assert(l.GetLabelId(), hull, at, l)
}

// cut ends a period on the day another begins, where it is unknown when it ends, or
// where it certainly ends later.
func cut(p *eventv1.Period, start string) *eventv1.Period {
	if start == "" {
		return p
	}
	_, begun, _ := bitemporal.Span(start)
	if p.GetEnd() != "" && windowOf(p).endFrom <= begun {
		return p
	}
	return &eventv1.Period{Start: p.GetStart(), End: start}
}

// recut mends the window of the label before, which had been cut at the start shown
// until now of the one that goes on from it.
func (s *State) recut(at uint64, next *labellingv1.Label, shown string, why *eventv1.Basis) error {
	if next.GetPredecessorId() == "" {
		return nil
	}
	label, err := s.edit(next.GetPredecessorId(), why)
	if err != nil || label.GetSuccessorId() != next.GetLabelId() {
		return err // or next was undone, and cuts nothing
	}
	s.uncut(label, shown)
	label.Period = cut(label.GetPeriod(), next.GetPeriod().GetStart())
	s.keep(at, label)
	return nil
}

// uncut gives a label that was cut at a day the end back that it had before.
func (s *State) uncut(l *labellingv1.Label, day string) {
	if day != "" && l.GetPeriod().GetEnd() == day {
		l.Period = &eventv1.Period{Start: l.GetPeriod().GetStart(), End: s.endBeforeRenewal(l.GetLabelId())}
	}
}

func (s *State) endBeforeRenewal(id string) (end string) {
	for _, v := range s.Labels.History(id) {
		if v.Value.GetSuccessorId() == "" {
			end = v.Value.GetPeriod().GetEnd()
		}
	}
	return end
}

// without takes the last basis like one given out.
func without(bases []*eventv1.Basis, b *eventv1.Basis) []*eventv1.Basis {
	for i, o := range slices.Backward(bases) {
		if proto.Equal(o, b) {
			return slices.Delete(bases, i, i+1)
		}
	}
	return bases
}

func rest(on []*eventv1.Basis, why *eventv1.Basis) []*eventv1.Basis {
	if why == nil {
		return on
	}
	return append(slices.Clip(on), why)
}

// checkDates refuses a period with a date that no calendar has (DATE_INVALID).
func checkDates(p *eventv1.Period, field string) error {
	if err := fact.CheckDate(p.GetStart(), field+".start"); err != nil {
		return err
	}
	return fact.CheckDate(p.GetEnd(), field+".end")
}

// checkPeriod also refuses an end that is certainly not after the start (PERIOD_EMPTY).
func checkPeriod(p *eventv1.Period, field string) error {
	if err := checkDates(p, field); err != nil {
		return err
	}
	if w := windowOf(p); w.endBy <= w.startFrom {
		return fault.New(fault.Invalid, "PERIOD_EMPTY", field+".end", "The end %s is not after the start %s.", p.GetEnd(), p.GetStart())
	}
	return nil
}

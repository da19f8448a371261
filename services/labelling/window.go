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
	if end := p.GetEnd(); end != "" {
		w.endFrom, w.endBy, _ = bitemporal.Span(end)
		if w.endFrom != w.endBy {
			w.endBy++ // a month or year: over once it is past
		}
		w.startBy = min(w.startBy, w.endBy-1)
	}
	return w
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
// a label once known stays known.
func (s *State) hull(l *labellingv1.Label) bitemporal.Interval {
	w := s.window(l, bitemporal.Latest)
	to := w.endBy
	if day := l.GetRepealedFrom(); day != "" {
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

// recut mends the window of a label that had been cut at its successor's start, once
// that start is corrected.
func (s *State) recut(at uint64, id, keyed, right string, why *eventv1.Basis) error {
	label, err := s.edit(id, why)
	if err != nil {
		return err
	}
	if keyed != "" && label.GetPeriod().GetEnd() == keyed {
		label.Period = &eventv1.Period{Start: label.GetPeriod().GetStart(), End: s.endBeforeRenewal(id)}
	}
	label.Period = cut(label.GetPeriod(), right)
	s.keep(at, label)
	return nil
}

func (s *State) endBeforeRenewal(id string) (end string) {
	for _, v := range s.Labels.History(id) {
		if v.Value.GetSuccessorId() == "" {
			end = v.Value.GetPeriod().GetEnd()
		}
	}
	return end
}

func isRepealed(l *labellingv1.Label, day bitemporal.Date) bool {
	if l.GetRepealedFrom() == "" {
		return false
	}
	from, err := bitemporal.ParseDate(l.GetRepealedFrom())
	return err == nil && day >= from
}

// sequel is how, on a day, other labels go on from a label: its successor and, as
// across acts the later one supersedes, later ones of the same holder.
type sequel struct {
	exists       bool // one does, on some day
	mayHaveBegun bool
	begun        bool // for sure
	unstated     bool // one may have begun whose start nobody states
}

func (s *State) sequel(l *labellingv1.Label, w window, day bitemporal.Date, known uint64) (q sequel) {
	if next, ok := s.Label(l.GetSuccessorId(), known); ok {
		q.add(next, s.window(next, known), day)
	}
	for other := range s.LabelsOf(holderID(l.GetHolder()), known) {
		if other.GetLabelId() == l.GetLabelId() {
			continue
		}
		if v := s.window(other, known); s.supersedes(other, v, l, w) {
			q.add(other, v, day)
		}
	}
	return q
}

// add reckons with a label that goes on within a window. Where nothing is known of its
// start, not even a cycle, it cuts no term short: labels are renewed at their term.
func (q *sequel) add(next *labellingv1.Label, w window, day bitemporal.Date) {
	q.exists = true
	q.begun = q.begun || day >= w.startBy
	if day < w.startFrom {
		return
	}
	q.mayHaveBegun = q.mayHaveBegun || w.startFrom != bitemporal.Past
	q.unstated = q.unstated || next.GetPeriod().GetStart() == ""
}

// supersedes reports whether a label, in its window v, takes the place of another one
// of its holder, in its window w: it certainly begins later or, where by the starts
// stated neither does, it was granted later.
func (s *State) supersedes(later *labellingv1.Label, v window, l *labellingv1.Label, w window) bool {
	if v.beginsAfter(w) {
		return true
	}
	if w.beginsAfter(v) || later.GetPeriod().GetStart() == "" || l.GetPeriod().GetStart() == "" {
		return false
	}
	return s.grantedAt(later.GetLabelId()) > s.grantedAt(l.GetLabelId())
}

func (w window) beginsAfter(before window) bool {
	return w.startFrom > before.startFrom && w.startFrom >= before.startBy
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

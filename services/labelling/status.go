package labelling

import (
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/bitemporal"
	"maillage/services/topology"
)

// StatusAt derives the status of a label on a day, as known at a position: acts,
// renewals and fates recorded after it do not count. topo tells the filière of the
// label's network; without it (nil) that is unknown. ok is false for a label that is
// not known at that position. It takes about a microsecond where a million labels are
// read in order.
//
// Where several would fit a day, the first of these is the status:
//
//   - voided, withdrawn, annulled from its start: on every day, also before the start;
//   - planned, before the earliest day it may begin;
//   - annulled, repealed, from the day stated on;
//   - superseded, once the label that goes on has begun for sure;
//   - lapsed, from the day a whole list left it out for sure inside its term, and expired,
//     past its term, where one did on any day; an act that names the label or its holder
//     says more than the lists before it;
//   - past its term for sure: undetermined where a list held in part may have carried it
//     on, or what goes on from it starts on a day nobody states; else in abeyance, since
//     nothing was decided;
//   - suspended, on the days stated;
//   - in force, between the latest day it may have begun and the earliest it may have
//     ended, and there extended from the end before its first extension on;
//   - undetermined: around a date that is not sure.
func (s *State) StatusAt(labelID string, validAt bitemporal.Date, known uint64, topo *topology.State) (status labellingv1.Status, ok bool) {
	r, ok := s.readingAt(labelID, validAt, known, topo)
	return r.status, ok
}

// OperationAt derives the operational state of a label on a day, as known at a position,
// with topo as in StatusAt. ok is false for a label that is not known at that position.
//
// The first of these holds: closed, where it is voided or stated to have closed; open,
// where it is stated to be maintained, and called maintained once its term has passed or
// the label is undone, replaced or lost; closed, where it is so and nobody states that it
// goes on; planned, before the day it is stated to have opened or, failing that, its
// legal start; else open, whatever its term. Unspecified are the days on which that
// hangs on a legal date that is not sure.
func (s *State) OperationAt(labelID string, day bitemporal.Date, known uint64, topo *topology.State) (state labellingv1.OperationState, ok bool) {
	r, ok := s.readingAt(labelID, day, known, topo)
	if !ok {
		return labellingv1.OperationState_OPERATION_STATE_UNSPECIFIED, false
	}
	op := r.label.GetOperation()
	unsure := r.next.mayHaveBegun || r.next.unstated // or it would be superseded
	switch {
	case r.label.GetVoided() || since(op.GetClosedFrom(), day):
		return labellingv1.OperationState_OPERATION_STATE_CLOSED, true
	case since(op.GetMaintainedFrom(), day):
		switch {
		case r.gone() || day >= r.term.endBy:
			return labellingv1.OperationState_OPERATION_STATE_MAINTAINED, true
		case unsure || day >= r.term.endFrom:
			return labellingv1.OperationState_OPERATION_STATE_UNSPECIFIED, true
		}
		return labellingv1.OperationState_OPERATION_STATE_OPEN, true
	case r.gone():
		return labellingv1.OperationState_OPERATION_STATE_CLOSED, true
	}
	from, by := r.term.startFrom, r.term.startBy
	if opened, err := bitemporal.ParseDate(op.GetOpenedFrom()); err == nil {
		from, by = opened, opened
	}
	switch {
	case day < from:
		return labellingv1.OperationState_OPERATION_STATE_PLANNED, true
	case day < by || unsure:
		return labellingv1.OperationState_OPERATION_STATE_UNSPECIFIED, true
	}
	return labellingv1.OperationState_OPERATION_STATE_OPEN, true
}

// reading is what is known of a label on a day.
type reading struct {
	label  *labellingv1.Label
	term   window
	next   sequel
	lost   bool // by absence from a list, for sure
	status labellingv1.Status
}

func (s *State) readingAt(labelID string, day bitemporal.Date, known uint64, topo *topology.State) (r reading, ok bool) {
	if r.label, ok = s.Label(labelID, known); !ok {
		return r, false
	}
	if r.status = undoing(r.label); r.status != labellingv1.Status_STATUS_UNSPECIFIED {
		return r, true
	}
	r.term = s.window(r.label, known)
	r.next = s.sequel(r.label, r.term, day, known)
	r.status = s.derive(&r, day, known, topo)
	return r, true
}

// derive derives the status of a label that was not undone from its start.
func (s *State) derive(r *reading, day bitemporal.Date, known uint64, topo *topology.State) labellingv1.Status {
	l, term := r.label, r.term
	switch {
	case day < term.startFrom:
		return labellingv1.Status_STATUS_PLANNED
	case since(l.GetAnnulledFrom(), day):
		return labellingv1.Status_STATUS_ANNULLED
	case since(l.GetRepealedFrom(), day):
		return labellingv1.Status_STATUS_REPEALED
	case r.next.begun:
		return labellingv1.Status_STATUS_SUPERSEDED
	}
	// What goes on from it from a day nobody states may have begun already. What nothing
	// goes on from may have been lost, by absence from a later list.
	lost, doubt := bitemporal.Future, r.next.unstated
	if !r.next.exists {
		lost, doubt = s.absence(l, term, day, known, topo)
	}
	stated := s.lapse(l, day, known)
	lost = min(lost, stated)
	r.lost = lost != bitemporal.Future
	ended := day >= term.endBy
	switch {
	case lost < term.endFrom, stated != bitemporal.Future && term.endBy == bitemporal.Future:
		return labellingv1.Status_STATUS_LAPSED
	case ended && r.lost:
		return labellingv1.Status_STATUS_EXPIRED
	case ended && doubt:
		return labellingv1.Status_STATUS_UNDETERMINED
	case ended:
		return labellingv1.Status_STATUS_IN_ABEYANCE
	case suspended(l, day):
		return labellingv1.Status_STATUS_SUSPENDED
	case day < term.startBy || day >= term.endFrom || r.next.mayHaveBegun:
		return labellingv1.Status_STATUS_UNDETERMINED // around a date that is not sure
	}
	if before := l.GetExtendedFrom(); before != "" {
		if _, sure := overFrom(before); day >= sure {
			return labellingv1.Status_STATUS_EXTENDED
		}
	}
	return labellingv1.Status_STATUS_IN_FORCE
}

// gone reports whether the label was undone, replaced or lost on the day.
func (r *reading) gone() bool {
	switch r.status {
	case labellingv1.Status_STATUS_WITHDRAWN, labellingv1.Status_STATUS_ANNULLED,
		labellingv1.Status_STATUS_REPEALED, labellingv1.Status_STATUS_SUPERSEDED:
		return true
	}
	return r.lost
}

// undoing is the status of a label that, in law or in truth, never was; unspecified for
// any other.
func undoing(l *labellingv1.Label) labellingv1.Status {
	switch {
	case l.GetVoided():
		return labellingv1.Status_STATUS_VOIDED
	case l.GetWithdrawn():
		return labellingv1.Status_STATUS_WITHDRAWN
	case l.GetAnnulled() && l.GetAnnulledFrom() == "":
		return labellingv1.Status_STATUS_ANNULLED
	}
	return labellingv1.Status_STATUS_UNSPECIFIED
}

// undone reports whether a label never was: it supersedes nothing, nothing overlaps it.
func undone(l *labellingv1.Label) bool {
	return undoing(l) != labellingv1.Status_STATUS_UNSPECIFIED
}

// since reports whether a day is the one from which something is stated, or after it.
func since(from string, day bitemporal.Date) bool {
	if from == "" {
		return false
	}
	first, err := bitemporal.ParseDate(from)
	return err == nil && day >= first
}

func suspended(l *labellingv1.Label, day bitemporal.Date) bool {
	for _, span := range l.GetSuspensions() {
		if since(span.GetStart(), day) && !since(span.GetEnd(), day) {
			return true
		}
	}
	return false
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
	for other := range s.LabelsOf(HolderID(l.GetHolder()), known) {
		if other.GetLabelId() == l.GetLabelId() || undone(other) {
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

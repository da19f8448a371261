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
	return r.operation(day), true
}

// operation derives the operational state of what is known of a label on the day.
func (r *reading) operation(day bitemporal.Date) labellingv1.OperationState {
	op := r.label.GetOperation()
	unsure := r.next.mayHaveBegun(day) || r.next.unstated(day) // or it would be superseded
	switch {
	case r.label.GetVoided() || since(op.GetClosedFrom(), day):
		return labellingv1.OperationState_OPERATION_STATE_CLOSED
	case since(op.GetMaintainedFrom(), day):
		switch {
		case r.gone() || day >= r.term.endBy:
			return labellingv1.OperationState_OPERATION_STATE_MAINTAINED
		case unsure || day >= r.term.endFrom:
			return labellingv1.OperationState_OPERATION_STATE_UNSPECIFIED
		}
		return labellingv1.OperationState_OPERATION_STATE_OPEN
	case r.gone():
		return labellingv1.OperationState_OPERATION_STATE_CLOSED
	}
	from, by := r.term.startFrom, r.term.startBy
	if opened, err := bitemporal.ParseDate(op.GetOpenedFrom()); err == nil {
		from, by = opened, opened
	}
	switch {
	case day < from:
		return labellingv1.OperationState_OPERATION_STATE_PLANNED
	case day < by || unsure:
		return labellingv1.OperationState_OPERATION_STATE_UNSPECIFIED
	}
	return labellingv1.OperationState_OPERATION_STATE_OPEN
}

// reading is what is known of a label on a day.
type reading struct {
	row
	lost   bool // by absence from a list, for sure
	status labellingv1.Status
}

func (s *State) readingAt(labelID string, day bitemporal.Date, known uint64, topo *topology.State) (r reading, ok bool) {
	l, ok := s.Label(labelID, known)
	if !ok {
		return r, false
	}
	if status := undoing(l); status != labellingv1.Status_STATUS_UNSPECIFIED {
		return reading{row: row{label: l}, status: status}, true
	}
	var few [4]row
	v, i := s.surveyHolder(few[:0], l, known, topo)
	return v.on(i, day), true
}

// ActTells reports whether what an act recorded at a position tells, by the labels its list
// leaves out, changed the status of a label on a day. The label is as known before that.
func (s *State) ActTells(l *labellingv1.Label, day bitemporal.Date, at uint64, topo *topology.State) bool {
	if undone(l) {
		return false
	}
	var few [4]row
	v, i := s.surveyHolder(few[:0], l, at-1, topo)
	before, _ := v.derive(i, day)
	v.known = at // an act changes no label, nor what follows from labels alone
	after, _ := v.derive(i, day)
	return before != after
}

// on derives what is known of a label on a day.
func (v *Survey) on(i int, day bitemporal.Date) reading {
	r := reading{row: v.rows[i]}
	if r.status = undoing(r.label); r.status == labellingv1.Status_STATUS_UNSPECIFIED {
		r.status, r.lost = v.derive(i, day)
	}
	return r
}

// derive derives the status of a label that was not undone from its start, and whether
// absence from a list cost it for sure.
func (v *Survey) derive(i int, day bitemporal.Date) (status labellingv1.Status, isLost bool) {
	r := &v.rows[i]
	l, term := r.label, r.term
	switch {
	case day < term.startFrom:
		return labellingv1.Status_STATUS_PLANNED, false
	case since(l.GetAnnulledFrom(), day):
		return labellingv1.Status_STATUS_ANNULLED, false
	case since(l.GetRepealedFrom(), day):
		return labellingv1.Status_STATUS_REPEALED, false
	case r.next.begun(day):
		return labellingv1.Status_STATUS_SUPERSEDED, false
	}
	// What goes on from it from a day nobody states may have begun already. What nothing
	// goes on from may have been lost, by absence from a later list.
	lost, doubt := bitemporal.Future, r.next.unstated(day)
	if !r.next.exists {
		lost, doubt = v.absence(i, day)
	}
	stated := v.lapse(l, i, day)
	lost = min(lost, stated)
	isLost = lost != bitemporal.Future
	ended := day >= term.endBy
	switch {
	case lost < term.endFrom, stated != bitemporal.Future && term.endBy == bitemporal.Future:
		return labellingv1.Status_STATUS_LAPSED, isLost
	case ended && isLost:
		return labellingv1.Status_STATUS_EXPIRED, isLost
	case ended && doubt:
		return labellingv1.Status_STATUS_UNDETERMINED, isLost
	case ended:
		return labellingv1.Status_STATUS_IN_ABEYANCE, isLost
	case suspended(l, day):
		return labellingv1.Status_STATUS_SUSPENDED, isLost
	case day < term.startBy || day >= term.endFrom || r.next.mayHaveBegun(day):
		return labellingv1.Status_STATUS_UNDETERMINED, isLost // around a date that is not sure
	}
	if before := l.GetExtendedFrom(); before != "" {
		if _, sure := overFrom(before); day >= sure {
			return labellingv1.Status_STATUS_EXTENDED, isLost
		}
	}
	return labellingv1.Status_STATUS_IN_FORCE, isLost
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

// sequel is how other labels go on from a label: its successor and, as across acts the
// later one supersedes, later ones of the same holder. Its days are [bitemporal.Future]
// where there is none.
type sequel struct {
	exists       bool            // one does, on some day
	begunBy      bitemporal.Date // from which one has begun for sure
	mayFrom      bitemporal.Date // from which one may have begun
	unstatedFrom bitemporal.Date // from which one may have begun whose start nobody states
}

func (q *sequel) begun(day bitemporal.Date) bool { return q.exists && day >= q.begunBy }

func (q *sequel) mayHaveBegun(day bitemporal.Date) bool {
	return q.mayFrom != bitemporal.Future && day >= q.mayFrom
}

func (q *sequel) unstated(day bitemporal.Date) bool {
	return q.unstatedFrom != bitemporal.Future && day >= q.unstatedFrom
}

func (v *Survey) sequel(i int) sequel {
	q := sequel{begunBy: bitemporal.Future, mayFrom: bitemporal.Future, unstatedFrom: bitemporal.Future}
	r := &v.rows[i]
	successor := r.label.GetSuccessorId()
	for j := range v.peers(i) {
		other := &v.rows[j]
		switch {
		case j == i:
		case successor != "" && other.label.GetLabelId() == successor:
			q.add(other.label, other.term)
			successor = ""
		case !undone(other.label) && v.s.supersedes(other, r):
			q.add(other.label, other.term)
		}
	}
	if successor == "" {
		return q
	}
	if next, ok := v.s.Label(successor, v.known); ok { // of another holder
		q.add(next, v.s.window(next, v.known))
	}
	return q
}

// add reckons with a label that goes on within a window. Where nothing is known of its
// start, not even a cycle, it cuts no term short: labels are renewed at their term.
func (q *sequel) add(next *labellingv1.Label, w window) {
	q.exists = true
	q.begunBy = min(q.begunBy, w.startBy)
	if w.startFrom != bitemporal.Past {
		q.mayFrom = min(q.mayFrom, w.startFrom)
	}
	if next.GetPeriod().GetStart() == "" {
		q.unstatedFrom = min(q.unstatedFrom, w.startFrom)
	}
}

// supersedes reports whether a label takes the place of another one of its holder: it certainly begins later or, where by the starts
// stated neither does, it was granted later.
func (s *State) supersedes(later, r *row) bool {
	if later.term.beginsAfter(r.term) {
		return true
	}
	if r.term.beginsAfter(later.term) || later.label.GetPeriod().GetStart() == "" || r.label.GetPeriod().GetStart() == "" {
		return false
	}
	return s.grantedAt(later.label.GetLabelId()) > s.grantedAt(r.label.GetLabelId())
}

func (w window) beginsAfter(before window) bool {
	return w.startFrom > before.startFrom && w.startFrom >= before.startBy
}

package plan

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/bitemporal"
	"maillage/services/fact"
	"maillage/services/fault"
	"maillage/services/identifier"
	"maillage/services/labelling"
)

// warn says that something is odd and stands; l is nil for the act as a whole.
func (r *Reckoning) warn(l *line, reason, format string, args ...any) {
	r.Plan.Warnings = append(r.Plan.Warnings, remark(l, reason, format, args...))
}

// refuse says that something can only be a fault of the file.
func (r *Reckoning) refuse(l *line, reason, format string, args ...any) {
	r.Plan.Refusals = append(r.Plan.Refusals, remark(l, reason, format, args...))
}

func remark(l *line, reason, format string, args ...any) *labellingv1.Remark {
	m := &labellingv1.Remark{Reason: reason, Message: fmt.Sprintf(format, args...)}
	if l != nil {
		m.Line, m.Sheet, m.Row = l.at, l.in.GetSheet(), l.in.GetRow()
	}
	return m
}

func (r *Reckoning) refuseFault(err error) {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		r.refuse(nil, f.Reason, "%s", joined(": ", f.Field, f.Message))
	}
}

// checkAct checks all of an act but its lines.
func (r *Reckoning) checkAct() {
	a, s := r.annex, r.reg.s
	r.refuseFault(fact.CheckBasis(a.GetBasis()))
	if id := a.GetBasis().GetActId(); id != "" && !knows(&s.Acts, id, r.reg.known) {
		r.refuse(nil, "BASIS_ACT_UNKNOWN", "No act is recorded under %q.", id)
	}
	r.refuseFault(fact.CheckDate(a.GetAnnouncedDate(), "announced_date"))
	r.refuseFault(fact.CheckDate(a.GetSignedDate(), "signed_date"))
	r.refuseFault(fact.CheckDate(a.GetEffectiveDate(), "effective_date"))
	for i, p := range a.GetPublications() {
		r.refuseFault(fact.CheckDate(p.GetDate(), fmt.Sprintf("publications[%d].date", i)))
		signed, _, err := bitemporal.Span(a.GetSignedDate())
		_, published, err2 := bitemporal.Span(p.GetDate())
		if err == nil && err2 == nil && published < signed {
			r.warn(nil, "PUBLISHED_BEFORE_SIGNED", "It was published on %s, before it was signed on %s.", p.GetDate(), a.GetSignedDate())
		}
	}
	if end := a.GetLabelPeriod().GetEnd(); far(end) {
		r.warn(nil, "DATE_FAR", "No label ends on %q: the end is not known.", end)
	}
	if r.window != nil && r.checkPeriod(nil, r.window) {
		r.checkWindow(nil, r.window)
	}
	if id := a.GetCycleId(); id != "" && !knows(&s.Cycles, id, r.reg.known) {
		r.refuse(nil, "CYCLE_UNKNOWN", "No cycle is registered under %q.", id)
	}
	if id := a.GetAmendsActId(); id != "" && !knows(&s.Acts, id, r.reg.known) {
		r.refuse(nil, "ACT_UNKNOWN", "No act is recorded under %q, which this one would amend.", id)
	}
	if _, err := identifier.NOR(a.GetNor()); a.GetNor() != "" && err != nil {
		r.refuse(nil, "NOR_INVALID", "%v", err)
	}
	r.checkScope()
	for _, answer := range a.GetResolutions() {
		if n := int(answer.GetLine()); n == 0 || n > max(len(a.GetLines()), len(a.GetSuccessions())) {
			r.refuse(nil, "RESOLUTION_UNKNOWN", "The list has no line %d that this would be an answer about.", n)
		}
	}
	if len(a.GetSuccessions()) > 0 {
		if len(a.GetLines()) > 0 {
			r.refuse(nil, "SUCCESSIONS_AND_LINES", "A batch of successions is no act: it has no lines.")
		}
		return
	}
	nor := a.GetNor()
	if n, err := identifier.NOR(nor); err == nil {
		nor = n
	}
	id, listed := s.ActLike(&labellingv1.ActRecorded{
		Kind: a.GetKind(), Title: a.GetTitle(), Nor: nor, SignedDate: a.GetSignedDate(), AmendsActId: a.GetAmendsActId(), LineCount: uint32(len(a.GetLines())),
	}, r.reg.known)
	switch {
	case listed || id != "" && len(a.GetLines()) == 0:
		r.refuse(nil, "ACT_KNOWN", "It is recorded already, as act %s.", id)
	case id != "":
		r.cited = id
		r.warn(nil, "ACT_CITED", "It is recorded without its list, as act %s: this becomes the list of that one.", id)
	}
}

// checkAnswers warns of answers to what was not asked. Of a line with open questions nobody
// can say so yet.
func (r *Reckoning) checkAnswers() {
	open := make(map[uint32]bool)
	for _, l := range r.lines {
		open[l.at] = l.asked
	}
	for _, q := range r.Plan.GetQuestions() {
		open[q.GetLine()] = true
	}
	for _, a := range r.annex.GetResolutions() {
		in := r.printedOn(a.GetLine())
		if in == nil || r.taken[a] || open[a.GetLine()] {
			continue
		}
		r.warn(&line{at: a.GetLine(), in: in}, "RESOLUTION_NOT_ASKED", "Nothing is asked of the line about %s: the answer changes nothing.", a.GetSubject())
	}
}

func (r *Reckoning) checkScope() {
	a := r.annex
	for i, c := range a.GetScope() {
		if id := c.GetFiliereId(); id != "" && !knows(&r.reg.topo.Filieres, id, r.reg.known) {
			r.refuse(nil, "FILIERE_UNKNOWN", "scope[%d]: no filière is registered under %q.", i, id)
		}
		if id := c.GetCycleId(); id != "" && !knows(&r.reg.s.Cycles, id, r.reg.known) {
			r.refuse(nil, "CYCLE_UNKNOWN", "scope[%d]: no cycle is registered under %q.", i, id)
		}
	}
	if a.GetScopeDecision() == labellingv1.ScopeDecision_SCOPE_DECISION_UNSPECIFIED {
		return
	}
	if len(a.GetLines()) > 0 {
		r.refuse(nil, "SCOPE_DECISION_AND_LINES", "What an act does to its whole scope is for an act without a list.")
	}
	if len(a.GetScope()) == 0 {
		r.refuse(nil, "SCOPE_MISSING", "What an act does to its whole scope needs one.")
	}
	_, err := bitemporal.ParseDate(a.GetScopeDate())
	extends := a.GetScopeDecision() == labellingv1.ScopeDecision_SCOPE_DECISION_EXTEND
	if err != nil && (extends || a.GetScopeDate() != "") {
		r.refuse(nil, "SCOPE_DATE_MISSING", "The day is a full date (YYYY-MM-DD), not %q.", a.GetScopeDate())
	}
}

func knows[E any](t *bitemporal.Table[E], id string, known uint64) bool {
	_, ok := t.Last(id, known)
	return ok
}

// checkLine checks what one line prints.
func (r *Reckoning) checkLine(l *line) {
	if n := l.in.GetFiness(); n != "" {
		if _, err := identifier.FINESS(n); err != nil {
			r.warn(l, "FINESS_PRINTED_WRONG", "%q is kept as printed, and names no hospital: %v", n, err)
		}
	}
	if len(l.in.GetHeads()) > 1 {
		r.warn(l, "HEADS_SEVERAL", "%d heads are printed: they are kept together, as the head of the label.", len(l.in.GetHeads()))
	}
	switch l.role {
	case labellingv1.Role_ROLE_UNSPECIFIED:
		r.warn(l, "ROLE_NOT_PRINTED", "No role is printed.")
	case labellingv1.Role_ROLE_REFERENCE:
		r.warn(l, "ROLE_NOT_PRINTED", "A reference centre: whether it coordinates its network is not printed.")
	}
	if p := l.in.GetPeriod(); (p.GetStart() != "" || p.GetEnd() != "") && r.checkPeriod(l, p) {
		switch l.in.GetDisposition() {
		case extended, suspended, annulled: // not the window of a label
		default:
			r.checkWindow(l, p)
		}
	}
}

// checkPeriod refuses an end that is not after the start.
func (r *Reckoning) checkPeriod(l *line, p *eventv1.Period) bool {
	startFrom, _, err := bitemporal.Span(p.GetStart())
	endFrom, endBy, err2 := bitemporal.Span(p.GetEnd())
	if err != nil || err2 != nil {
		r.refuse(l, "DATE_INVALID", "%q to %q: a date of the calendar is YYYY-MM-DD, YYYY-MM or YYYY.", p.GetStart(), p.GetEnd())
		return false
	}
	over := endBy
	if endFrom != endBy && endBy != bitemporal.Future {
		over++
	}
	if over <= startFrom {
		r.refuse(l, "PERIOD_EMPTY", "The end %s is not after the start %s.", p.GetEnd(), p.GetStart())
		return false
	}
	return true
}

// checkWindow warns of a window that does not begin, or not end, with its cycle.
func (r *Reckoning) checkWindow(l *line, p *eventv1.Period) {
	startFrom, startBy, err := bitemporal.Span(p.GetStart())
	endFrom, endBy, err2 := bitemporal.Span(p.GetEnd())
	if err != nil || err2 != nil {
		return
	}
	cycle, ok := r.reg.s.Cycles.Last(r.annex.GetCycleId(), r.reg.known)
	if !ok {
		return
	}
	begins, begun, err := bitemporal.Span(cycle.GetPeriod().GetStart())
	ends, ended, err2 := bitemporal.Span(cycle.GetPeriod().GetEnd())
	if err == nil && (startBy < begins || begun < startFrom) || err2 == nil && (endBy < ends || ended < endFrom) {
		r.warn(l, "WINDOW_OTHER", "The window %s to %s is not that of the cycle, %s to %s.",
			p.GetStart(), p.GetEnd(), cycle.GetPeriod().GetStart(), cycle.GetPeriod().GetEnd())
	}
}

// checkEnds warns once of labels that begin without a stated end: no length is ever
// reckoned, and from the next day on nobody can say that they are in force.
func (r *Reckoning) checkEnds() {
	open := 0
	for _, l := range r.lines {
		if (l.does == granted || l.does == renewed) && l.period.GetEnd() == "" {
			open++
		}
	}
	if open > 0 {
		r.warn(nil, "END_NOT_STATED", "%d labels begin without a stated end.", open)
	}
}

// checkSites refuses two lines about one site, or about one label.
func (r *Reckoning) checkSites() {
	concerned := make(map[string]*line, 2*len(r.lines))
	for _, l := range r.lines {
		var keys []string
		if l.holder != nil {
			keys = append(keys, labelling.HolderID(l.holder))
		}
		if l.label != nil {
			keys = append(keys, l.label.GetLabelId())
		}
		if l.team != nil && l.team.name != "" {
			keys = append(keys, l.team.name+" in "+l.network.name)
		} else if l.label != nil && l.label.site != nil {
			keys = append(keys, l.label.site.key.centre+" in "+l.label.site.key.network)
		}
		for _, key := range keys {
			if first, taken := concerned[key]; taken && first != l {
				r.refuse(l, "LINES_SAME_SITE", "Lines %d and %d of the list are about one site, or go on from one label: an act has one line for it.", first.at, l.at)
				break
			}
			concerned[key] = l
		}
	}
}

// checkClosings refuses a network or a team that one answer closes and another goes on
// with.
func (r *Reckoning) checkClosings() {
	closed := make(map[string]bool)
	for _, n := range r.networks {
		for _, id := range n.succeeds {
			closed[id] = closed[id] || n.used
		}
	}
	for _, h := range r.heirs {
		for _, id := range h.before {
			closed[id] = true
		}
	}
	for _, l := range r.lines {
		if l.network != nil && l.network.used && closed[l.network.id] || l.team != nil && l.team.name != "" && closed[l.team.id] {
			r.refuse(l, "RESOLUTION_CONTRADICTORY", "It goes on here, and closes by what is answered about another line.")
		}
	}
}

// checkNetworks warns of networks that the act leaves with two coordinators or without
// one, and of competence centres that it leaves attached to no reference centre.
func (r *Reckoning) checkNetworks() {
	over := make(map[string]bool)
	for _, e := range r.Plan.GetEffects() {
		if e.GetDisposition() != confirmed && e.GetDisposition() != amended {
			over[e.GetLabelId()] = true
		}
	}
	for _, l := range r.lines {
		if l.label != nil {
			over[l.label.GetLabelId()] = true // counted as its line
		}
	}
	for id := range r.kept {
		over[id] = true // it may be that of a line
	}
	for _, n := range r.networks {
		var coordinators []*line
		var competence *line
		coordinated, referred := false, false
		for _, l := range n.lines {
			switch l.does {
			case withdrawn, repealed, lapsed, expired, annulled:
				continue
			}
			switch l.role {
			case labellingv1.Role_ROLE_COORDINATOR:
				coordinators = append(coordinators, l)
			case labellingv1.Role_ROLE_REFERENCE, labellingv1.Role_ROLE_UNSPECIFIED:
				coordinated, referred = true, true
			case labellingv1.Role_ROLE_CONSTITUTIVE:
				referred = true
			case labellingv1.Role_ROLE_COMPETENCE:
				if competence == nil {
					competence = l
				}
			}
		}
		others := 0
		for _, st := range r.reg.byNetwork[n.id] {
			for _, h := range st.labels {
				if over[h.GetLabelId()] || !h.open() {
					continue
				}
				switch h.GetRole() {
				case labellingv1.Role_ROLE_COORDINATOR:
					others++
				case labellingv1.Role_ROLE_REFERENCE, labellingv1.Role_ROLE_UNSPECIFIED:
					coordinated, referred = true, true
				case labellingv1.Role_ROLE_CONSTITUTIVE:
					referred = true
				}
			}
		}
		switch {
		case len(coordinators) > 0 && len(coordinators)+others > 1:
			r.warn(coordinators[len(coordinators)-1], "COORDINATORS_SEVERAL", "The network would have %d coordinators.", len(coordinators)+others)
		case len(coordinators)+others == 0 && !coordinated:
			r.warn(n.lines[0], "COORDINATOR_MISSING", "The network would have no coordinator.")
		}
		if competence != nil && !referred && len(coordinators)+others == 0 {
			r.warn(competence, "COMPETENCE_UNATTACHED", "The competence centre would be attached to no reference centre in force.")
		}
	}
}

// checkTotals counts what the act announces, where its words were understood: a role, or
// networks, of the whole or of one filière.
func (r *Reckoning) checkTotals() {
	for _, t := range r.annex.GetAnnouncedTotals() {
		check := &labellingv1.TotalCheck{Unit: t.GetUnit(), Announced: t.GetCount()}
		if unit, ok := labelling.ReadUnit(t.GetUnit(), r.reg.filieres); ok {
			n := uint32(r.counted(unit))
			check.Counted = &n
		} else {
			r.warn(nil, "TOTAL_NOT_UNDERSTOOD", "What %q counts is not certain.", t.GetUnit())
		}
		r.Plan.Totals = append(r.Plan.Totals, check)
	}
}

// counted is how many lines, networks or filières of a unit the list restates, as they are
// after the act. Lines that wait for an answer count as printed.
func (r *Reckoning) counted(u labelling.Unit) int {
	seen := make(map[string]bool)
	for _, l := range r.lines {
		role, filiere := l.role, r.filiereAfter(l)
		if l.effect != nil {
			role = l.effect.GetRole()
		}
		if l.does != unstated && !labelling.Restates(l.does) || !u.Counts(role, filiere) {
			continue
		}
		switch {
		case u.Networks:
			if l.network != nil {
				seen[strconv.Itoa(slices.Index(r.networks, l.network))] = true
			}
		case u.Filieres:
			if filiere != "" {
				seen[filiere] = true
			}
		default:
			seen[strconv.Itoa(int(l.at))] = true
		}
	}
	return len(seen)
}

// filiereAfter is the filière that the label of a line is under after the act, as printed
// where none is registered so; empty where nobody can tell.
func (r *Reckoning) filiereAfter(l *line) string {
	if f := l.holder.GetFiliereId(); f != "" {
		return f
	}
	if n := l.network; n != nil {
		now, _ := r.reg.network(n.id)
		if id := cmp.Or(n.filiere, now.GetFiliereId()); id != "" {
			return id
		}
	}
	return r.reg.fold(l.in.GetFiliere())
}

package lens

import (
	"cmp"
	"slices"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/bitemporal"
	"maillage/services/labelling"
	"maillage/services/registry"
)

// Effects finds what an act did: to labels, by the lines of its annex and then those it
// states to be left out, and to topology, by the positions of the facts. It is read from
// the facts that rest on the act; what a list leaves out unsaid is a status, not an
// effect.
func (l Lens) Effects(act *labellingv1.Act) (resp *registryv1.ListActEffectsResponse, topology []uint64) {
	resp = &registryv1.ListActEffectsResponse{Act: act}
	resting := l.s.RestingOn(act.GetActId(), l.m.known)
	printed := idSet{}
	for _, fact := range resting {
		printed[fact.LabelID] = printed[fact.LabelID] || fact.Line > 0
	}
	for _, fact := range resting {
		switch {
		case fact.Topology:
			topology = append(topology, fact.Position)
		case fact.Line == 0 && printed[fact.LabelID]: // of when the act was cited only
		case fact.LabelID != "":
			resp.Effects = append(resp.Effects, l.effect(fact))
		}
	}
	slices.SortStableFunc(resp.Effects, func(a, b *registryv1.ActEffect) int {
		return cmp.Or(lastIfNone(a.GetLine())-lastIfNone(b.GetLine()), cmp.Compare(a.GetPosition(), b.GetPosition()))
	})
	resp.Counts, resp.Totals = countEffects(resp.GetEffects()), l.checkTotals(act, resp.GetEffects())
	resp.Undetermined, resp.ToDecide = l.undetermined(act), l.toDecide(act, resp.GetEffects())
	return resp, topology
}

// undetermined is the lines of an act of which nobody knew the label, by line.
func (l Lens) undetermined(act *labellingv1.Act) (lines []*labellingv1.Assertion) {
	all := &l.s.Labelling.Assertions
	for key := range all.IDs() {
		a, known := all.At(key, l.m.valid, l.m.known)
		if known && a.GetField() == labelling.UndeterminedLine && a.GetBasis().GetActId() == act.GetActId() {
			lines = append(lines, a)
		}
	}
	slices.SortFunc(lines, func(a, b *labellingv1.Assertion) int {
		return cmp.Or(lastIfNone(a.GetBasis().GetActLine())-lastIfNone(b.GetBasis().GetActLine()), cmp.Compare(a.GetPosition(), b.GetPosition()))
	})
	return lines
}

// LeavesToDecide tells whether labels that an act says nothing of may be left to decide on,
// which looks at all labels as they were before it.
func LeavesToDecide(act *labellingv1.Act) bool {
	_, dated := labelling.EffectOf(act)
	return dated && act.GetAbsencesStated() && act.GetAmendsActId() == ""
}

// Before is the last position before the lines of an act and what they refer to, that of
// the lens where it has none.
func (l Lens) Before(act *labellingv1.Act) uint64 {
	before := l.m.known
	for v := range l.s.Labelling.Acts.Each(act.GetActId()) {
		if v.Value.GetLineCount() > 0 {
			before = v.KnownFrom - 1
		}
	}
	for _, fact := range slices.Backward(l.s.RestingOn(act.GetActId(), l.m.known)) {
		if fact.Position == before { // of its commit, what is referred to comes first
			before--
		}
	}
	return before
}

// toDecide is the labels that were held before an act, that it says nothing of, and that
// its list may have left out: it states those that it leaves out for sure.
func (l Lens) toDecide(act *labellingv1.Act, effects []*registryv1.ActEffect) []*registryv1.LabelEntry {
	day, _ := labelling.EffectOf(act)
	if !LeavesToDecide(act) {
		return nil
	}
	before := l
	before.m.valid, before.m.known = day, l.Before(act)
	said, printed := idSet{}, idSet{}
	for _, fact := range l.s.RestingOn(act.GetActId(), l.m.known) {
		said[fact.LabelID] = true
	}
	for _, e := range effects {
		if e.GetLine() > 0 {
			printed[networkOf(e.GetEntry().GetLabel())] = true
		}
	}
	scope, filieres := labelling.ScopeOf(act.GetScope()), map[string]string{}
	var all []*found
	for id := range l.s.Labelling.Labels.IDs() {
		label, known := before.s.Labelling.Label(id, before.m.known)
		if !known || said[id] || label.GetSuccessorId() != "" || networkOf(label) == "" {
			continue
		}
		filiere := l.filiereOf(label, filieres)
		certainly, perhaps := scope.Covers(label, filiere)
		asWhole := certainly && label.GetHolder().GetNetworkId() != "" && printed[networkOf(label)]
		if !asWhole && (certainly || !perhaps || filiere != "") || !held(before.status(id)) || begun(label, day) {
			continue
		}
		one := &found{holding: l.holding(label)}
		one.status = l.status(id)
		one.sortBy(folder{})
		all = append(all, one)
	}
	slices.SortFunc(all, (*found).compare)
	entries := make([]*registryv1.LabelEntry, len(all))
	for i, one := range all {
		entries[i] = l.entry(&one.holding)
	}
	return entries
}

// begun tells whether a label begins no sooner than a day, or may.
func begun(label *labellingv1.Label, day bitemporal.Date) bool {
	_, last, err := bitemporal.Span(label.GetPeriod().GetStart())
	return err == nil && label.GetPeriod().GetStart() != "" && last >= day
}

func lastIfNone(line uint32) int {
	if line == 0 {
		return 1 << 32
	}
	return int(line)
}

// effect is what a fact did to a label; the entry is the label after, or its successor.
func (l Lens) effect(fact registry.Resting) *registryv1.ActEffect {
	e := &registryv1.ActEffect{
		Position:    fact.Position,
		Line:        fact.Line,
		Disposition: fact.Disposition,
		Changes:     l.labelChanges(fact.LabelID, fact.Position),
	}
	id := fact.LabelID
	after, _ := l.s.Labelling.Label(id, fact.Position)
	switch fact.Disposition {
	case labellingv1.Disposition_DISPOSITION_RENEWED:
		id = after.GetSuccessorId()
	case labellingv1.Disposition_DISPOSITION_LAPSED:
		if expired(after) {
			e.Disposition = labellingv1.Disposition_DISPOSITION_EXPIRED
		}
	}
	if label, status, known := l.label(id); known {
		e.Entry = l.entryOf(label, status)
	}
	return e
}

// ofNoLine tells a label that the list leaves out, or that an act without a list is about,
// from one that is printed, on a line whose number may be unknown.
func ofNoLine(e *registryv1.ActEffect) bool {
	switch e.GetDisposition() {
	case labellingv1.Disposition_DISPOSITION_LAPSED, labellingv1.Disposition_DISPOSITION_EXPIRED,
		labellingv1.Disposition_DISPOSITION_EXTENDED, labellingv1.Disposition_DISPOSITION_REPEALED:
		return e.GetLine() == 0
	}
	return false
}

// expired tells whether a label that a list left out had certainly reached its term.
func expired(label *labellingv1.Label) bool {
	lapsed, _, err1 := bitemporal.Span(label.GetLapsedFrom())
	_, ended, err2 := bitemporal.Span(label.GetPeriod().GetEnd())
	return err1 == nil && err2 == nil && label.GetPeriod().GetEnd() != "" && ended <= lapsed
}

// countEffects counts by disposition and role, those of lines apart.
func countEffects(effects []*registryv1.ActEffect) []*labellingv1.EffectCount {
	type key struct {
		disposition labellingv1.Disposition
		role        labellingv1.Role
		ofLines     bool
	}
	labels := map[key]uint32{}
	for _, e := range effects {
		labels[key{e.GetDisposition(), e.GetEntry().GetLabel().GetRole(), !ofNoLine(e)}]++
	}
	counts := make([]*labellingv1.EffectCount, 0, len(labels))
	for k, n := range labels {
		counts = append(counts, &labellingv1.EffectCount{Disposition: k.disposition, Role: k.role, Labels: n, OfLines: k.ofLines})
	}
	slices.SortFunc(counts, func(a, b *labellingv1.EffectCount) int {
		last := func(c *labellingv1.EffectCount) int {
			if c.GetOfLines() {
				return 0
			}
			return 1
		}
		return cmp.Or(last(a)-last(b), int(a.GetDisposition()-b.GetDisposition()), rank(a.GetRole())-rank(b.GetRole()))
	})
	return counts
}

// checkTotals puts what was counted beside what an act announces: the labels that its list
// restates, or the networks or filières these are in.
func (l Lens) checkTotals(act *labellingv1.Act, effects []*registryv1.ActEffect) []*labellingv1.TotalCheck {
	checks := make([]*labellingv1.TotalCheck, 0, len(act.GetAnnouncedTotals()))
	names := labelling.NamesOfFilieres(&l.s.Topology, l.m.known)
	for _, total := range act.GetAnnouncedTotals() {
		check := &labellingv1.TotalCheck{Unit: total.GetUnit(), Announced: total.GetCount()}
		checks = append(checks, check)
		u, understood := labelling.ReadUnit(total.GetUnit(), names)
		if !understood {
			continue
		}
		counted := map[string]bool{}
		for _, e := range effects {
			label := e.GetEntry().GetLabel()
			switch filiere := e.GetEntry().GetFiliereId(); {
			case !labelling.Restates(e.GetDisposition()) || !u.Counts(label.GetRole(), filiere):
			case u.Networks:
				counted[networkOf(label)] = true
			case u.Filieres:
				counted[filiere] = true
			default:
				counted[label.GetLabelId()] = true
			}
		}
		delete(counted, "")
		n := uint32(len(counted))
		check.Counted = &n
	}
	return checks
}

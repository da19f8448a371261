package lens

import (
	"cmp"
	"slices"
	"strings"
	"time"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/bitemporal"
)

// Coverage finds, of the holders who held a label before the day, those who hold none
// for sure on it: their last label, its status and since when they go without. A holder
// whose label goes on at another one is not without. It also finds the labels that end
// within days, and the gaps that an extension may have bridged. Of one filière, where it
// is named: FILIERE_UNKNOWN.
func (l Lens) Coverage(filiere string, withinDays uint32) (*registryv1.GetCoverageResponse, []Bridge, error) {
	filieres, err := filieresNamed(l, folder{}, filiere)
	if err != nil {
		return nil, nil, err
	}
	c := l.coverage(filieres)
	return &registryv1.GetCoverageResponse{
		Covered: uint32(len(c.covered)), Uncovered: c.uncovered(), Ending: c.ending(withinDays),
	}, c.bridges(), nil
}

// covering is the labels of a moment by what they cover.
type covering struct {
	lens    Lens
	labels  []labelState    // known, of the filières asked for
	covered map[string]bool // holders with a label certainly in force
}

func (l Lens) coverage(filieres idSet) *covering {
	c := &covering{lens: l, covered: map[string]bool{}}
	for _, one := range l.snapshot() {
		if !filieres.holds(one.filiere) {
			continue
		}
		c.labels = append(c.labels, one)
		if l.covers(&one) {
			c.covered[holderOf(one.label)] = true
		}
	}
	return c
}

// covers tells whether a label is certainly in force on the day, or at work where the
// operational window is asked for.
func (l Lens) covers(one *labelState) bool {
	if l.m.operational() {
		return one.operation == labellingv1.OperationState_OPERATION_STATE_OPEN ||
			one.operation == labellingv1.OperationState_OPERATION_STATE_MAINTAINED
	}
	return inForce(one.status)
}

func inForce(s labellingv1.Status) bool {
	return s == labellingv1.Status_STATUS_IN_FORCE || s == labellingv1.Status_STATUS_EXTENDED
}

// uncovered is the last label of each holder without, by filière, network and place.
func (c *covering) uncovered() []*registryv1.CoverageEntry {
	last := map[string]*labelState{}
	next := map[string]string{} // first day of the label planned for a holder
	for i := range c.labels {
		one := &c.labels[i]
		holder := holderOf(one.label)
		if c.covered[holder] {
			continue
		}
		start := one.label.GetPeriod().GetStart()
		switch one.status {
		case labellingv1.Status_STATUS_PLANNED:
			if first, planned := next[holder]; !planned || start < first {
				next[holder] = start
			}
			continue
		case labellingv1.Status_STATUS_VOIDED, labellingv1.Status_STATUS_WITHDRAWN:
			continue // never held
		case labellingv1.Status_STATUS_ANNULLED:
			if one.label.GetAnnulledFrom() == "" {
				continue
			}
		}
		if before := last[holder]; before == nil || before.label.GetPeriod().GetStart() <= start {
			last[holder] = one
		}
	}
	var entries []*registryv1.CoverageEntry
	for holder, one := range last {
		if one.status == labellingv1.Status_STATUS_SUPERSEDED {
			continue // it goes on elsewhere
		}
		gap := &eventv1.Period{Start: goneFrom(one), End: next[holder]}
		entries = append(entries, c.entry(one, gap))
	}
	return sortEntries(entries)
}

// goneFrom is the day from which a label no longer holds, as far as it is known.
func goneFrom(one *labelState) string {
	label := one.label
	switch one.status {
	case labellingv1.Status_STATUS_REPEALED:
		return label.GetRepealedFrom()
	case labellingv1.Status_STATUS_ANNULLED:
		return label.GetAnnulledFrom()
	case labellingv1.Status_STATUS_LAPSED:
		return label.GetLapsedFrom()
	case labellingv1.Status_STATUS_SUSPENDED:
		if n := len(label.GetSuspensions()); n > 0 {
			return label.GetSuspensions()[n-1].GetStart()
		}
		return ""
	case labellingv1.Status_STATUS_UNDETERMINED:
		if earliest, _, err := bitemporal.Span(label.GetPeriod().GetEnd()); err != nil || earliest == bitemporal.Past {
			return ""
		}
	}
	if one.operation == labellingv1.OperationState_OPERATION_STATE_CLOSED {
		return label.GetOperation().GetClosedFrom()
	}
	return label.GetPeriod().GetEnd()
}

// ending is the labels in force whose term may come within days, by term.
func (c *covering) ending(within uint32) []*registryv1.CoverageEntry {
	if within == 0 {
		return nil
	}
	day := c.lens.m.valid
	var entries []*registryv1.CoverageEntry
	for i := range c.labels {
		one := &c.labels[i]
		end := one.label.GetPeriod().GetEnd()
		if earliest, _, err := bitemporal.Span(end); !inForce(one.status) || err != nil || end == "" || earliest > day+bitemporal.Date(within) {
			continue
		}
		entries = append(entries, c.entry(one, &eventv1.Period{Start: day.String(), End: end}))
	}
	entries = sortEntries(entries)
	slices.SortStableFunc(entries, func(a, b *registryv1.CoverageEntry) int {
		return strings.Compare(a.GetGap().GetEnd(), b.GetGap().GetEnd())
	})
	return entries
}

// Extended is the labels whose end was moved, of which Coverage looks at every version to
// find when.
func (l Lens) Extended() (labels []string) {
	for id, label := range l.s.Labelling.Labels.Lasts(l.m.known) {
		if label.GetExtendedFrom() != "" {
			labels = append(labels, id)
		}
	}
	return labels
}

// Bridge is a label whose end was moved.
type Bridge struct {
	Recorded uint64 // position

	entry  *registryv1.CoverageEntry
	signed string
}

func (c *covering) bridges() []Bridge {
	var all []Bridge
	labels := &c.lens.s.Labelling.Labels
	for i := range c.labels {
		one := &c.labels[i]
		end, _, err := bitemporal.Span(one.label.GetExtendedFrom())
		if one.label.GetExtendedFrom() == "" || err != nil || end > c.lens.m.valid || one.status == labellingv1.Status_STATUS_VOIDED {
			continue
		}
		for _, v := range labels.History(one.label.GetLabelId()) {
			if v.Value.GetExtendedFrom() == "" {
				continue
			}
			b := Bridge{Recorded: v.KnownFrom}
			if basis := v.Value.GetBasis(); len(basis) > 0 {
				act, _ := c.lens.s.Labelling.Acts.At(basis[len(basis)-1].GetActId(), c.lens.m.valid, c.lens.m.known)
				b.signed = act.GetSignedDate()
			}
			b.entry = c.entry(one, &eventv1.Period{Start: one.label.GetExtendedFrom()})
			all = append(all, b)
			break
		}
	}
	slices.SortFunc(all, func(a, b Bridge) int { return compareEntries(a.entry, b.entry) })
	return all
}

// Entry is the gap between the end and the signature that moved it, or the time of its
// recording where no signature is known; nil where that did not certainly come after the
// end.
func (b Bridge) Entry(recorded time.Time) *registryv1.CoverageEntry {
	until := b.signed
	if until == "" {
		until = bitemporal.Today(recorded).String()
	}
	_, end, err1 := bitemporal.Span(b.entry.GetGap().GetStart())
	signed, _, err2 := bitemporal.Span(until)
	if err1 != nil || err2 != nil || signed <= end {
		return nil
	}
	b.entry.Gap.End = until
	b.entry.Days = daysOf(b.entry.GetGap(), signed)
	return b.entry
}

func (c *covering) entry(one *labelState, gap *eventv1.Period) *registryv1.CoverageEntry {
	return &registryv1.CoverageEntry{Entry: c.lens.entryOf(one.label, one.status), Gap: gap, Days: daysOf(gap, c.lens.m.valid)}
}

// daysOf is the length of a period, to the day given where its end is open; 0 where it
// is unsure.
func daysOf(p *eventv1.Period, day bitemporal.Date) uint32 {
	from, err1 := bitemporal.ParseDate(p.GetStart())
	to, err2 := bitemporal.ParseDate(p.GetEnd())
	if p.GetEnd() == "" {
		to, err2 = day, nil
	}
	if err1 != nil || err2 != nil || to < from {
		return 0
	}
	return uint32(to - from)
}

func sortEntries(entries []*registryv1.CoverageEntry) []*registryv1.CoverageEntry {
	slices.SortFunc(entries, compareEntries)
	return entries
}

func compareEntries(a, b *registryv1.CoverageEntry) int {
	x, y := a.GetEntry(), b.GetEntry()
	return cmp.Or(
		emptyLast(x.GetFiliereAcronym(), y.GetFiliereAcronym()),
		strings.Compare(cmp.Or(x.GetNetworkAcronym(), x.GetNetworkTitle()), cmp.Or(y.GetNetworkAcronym(), y.GetNetworkTitle())),
		rank(x.GetLabel().GetRole())-rank(y.GetLabel().GetRole()),
		strings.Compare(x.GetLabel().GetLabelId(), y.GetLabel().GetLabelId()),
	)
}

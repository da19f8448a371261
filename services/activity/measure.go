package activity

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/bitemporal"
	"maillage/services/fault"
)

// Measured is the activity of a site in a year, counted in a unit. There are as many as
// sites, years and units: it is kept small, and shares its basis with those of its file.
type Measured struct {
	Count uint32
	Basis *eventv1.Basis // nil for none; it must not be changed
}

// measureKey is the key of the measures of a site in a unit, whatever the year.
func measureKey(site string, unit labellingv1.ThresholdUnit) string {
	return site + "." + strconv.Itoa(int(unit))
}

// yearDays is the days of a calendar year.
func yearDays(year uint32) (bitemporal.Interval, error) {
	first, last, err := bitemporal.Span(strconv.Itoa(int(year)))
	return bitemporal.Interval{From: first, To: last + 1}, err
}

// The activity of a site in a year is so much.
func (s *State) measureRecorded(at uint64, m *activityv1.Measure, why *eventv1.Basis) error {
	days, err := yearDays(m.GetYear())
	if err != nil {
		return err
	}
	if m.GetSiteId() == "" || m.GetUnit() == 0 {
		return fmt.Errorf("%w: a measure of nothing", errUnfit)
	}
	if !sameBasis(s.basis, why) {
		s.basis = why
	}
	s.Measures.Assert(measureKey(m.GetSiteId(), m.GetUnit()), days, at, Measured{m.GetCount(), s.basis})
	return nil
}

// Of the activity of a site in a year nothing is known after all.
func (s *State) measureWithdrawn(at uint64, f *activityv1.MeasureWithdrawn) error {
	days, err := yearDays(f.GetYear())
	if err != nil {
		return err
	}
	if len(s.Measures.Retract(measureKey(f.GetSiteId(), f.GetUnit()), days, at)) == 0 {
		return fmt.Errorf("%w: no measure of site %q in %d", errUnfit, f.GetSiteId(), f.GetYear())
	}
	return nil
}

// sameBasis reports whether two bases say the same, and is quick about it. Those that
// print values are taken for different.
func sameBasis(a, b *eventv1.Basis) bool {
	return a != nil && b != nil && len(a.GetAsPrinted())+len(b.GetAsPrinted()) == 0 &&
		a.GetActId() == b.GetActId() && a.GetActLine() == b.GetActLine() && a.GetSource() == b.GetSource() &&
		a.GetEvidence() == b.GetEvidence() && a.GetSeenDate() == b.GetSeenDate() && a.GetNote() == b.GetNote()
}

// MeasureAt returns the activity of a site in a year as known at a position; ok is false
// where it was not measured.
func (s *State) MeasureAt(site string, year uint32, unit labellingv1.ThresholdUnit, known uint64) (m Measured, ok bool) {
	days, err := yearDays(year)
	if err != nil {
		return m, false
	}
	return s.Measures.At(measureKey(site, unit), days.From, known)
}

// MeasuresOf returns all measures of a site as known at a position, by year and unit.
func (s *State) MeasuresOf(site string, known uint64) []*activityv1.Measure {
	var out []*activityv1.Measure
	for unit := range labellingv1.ThresholdUnit_name {
		unit := labellingv1.ThresholdUnit(unit)
		for _, v := range s.Measures.Versions(measureKey(site, unit), known) {
			year, err := strconv.ParseUint(v.Valid.From.String()[:4], 10, 32)
			if err == nil {
				out = append(out, &activityv1.Measure{SiteId: site, Year: uint32(year), Unit: unit, Count: v.Value.Count, Basis: rest(nil, v.Value.Basis)})
			}
		}
	}
	slices.SortFunc(out, func(a, b *activityv1.Measure) int {
		return cmp.Or(cmp.Compare(a.GetYear(), b.GetYear()), cmp.Compare(a.GetUnit(), b.GetUnit()))
	})
	return out
}

// CountMeasures is how many measures of a site, in one year or in all (0), are known at a
// position: the length of MeasuresOf, at less cost.
func (s *State) CountMeasures(site string, year uint32, known uint64) (n int) {
	for unit := range labellingv1.ThresholdUnit_name {
		if year == 0 {
			n += s.Measures.Count(measureKey(site, labellingv1.ThresholdUnit(unit)), known)
		} else if _, ok := s.MeasureAt(site, year, labellingv1.ThresholdUnit(unit), known); ok {
			n++
		}
	}
	return n
}

// MeasuredSites yields the sites that ever had a measure, in the order of their first.
func (s *State) MeasuredSites() iter.Seq[string] {
	return func(yield func(string) bool) {
		seen := make(map[string]bool)
		for k := range s.Measures.IDs() {
			site, _, _ := strings.Cut(k, ".")
			if !seen[site] && !yield(site) {
				return
			}
			seen[site] = true
		}
	}
}

// RecordMeasures decides that the activity of sites in years is so much. Each site is
// recorded (SITE_UNKNOWN) and named once for a year and unit (MEASURE_TWICE). What is
// recorded the same already is left as it is, so that a national file can be sent again;
// where that is all of it, it is refused (MEASURES_UNCHANGED).
func RecordMeasures(w States, r *activityv1.RecordMeasuresRequest) ([]*activityv1.Event, error) {
	if err := w.checkBasis(r.GetBasis()); err != nil {
		return nil, err
	}
	type measure struct {
		site string
		year uint32
		unit labellingv1.ThresholdUnit
	}
	named, sites := make(map[measure]int, len(r.GetMeasures())), make(map[string]bool)
	var events []*activityv1.Event
	for i, m := range r.GetMeasures() {
		field := fmt.Sprintf("measures[%d]", i)
		if !sites[m.GetSiteId()] {
			if _, err := w.site(&labellingv1.Site{SiteId: m.GetSiteId()}, field+".site_id"); err != nil {
				return nil, err
			}
			sites[m.GetSiteId()] = true
		}
		of := measure{m.GetSiteId(), m.GetYear(), m.GetUnit()}
		if before, twice := named[of]; twice {
			return nil, fault.New(fault.Invalid, "MEASURE_TWICE", field, "measures[%d] is of the same site, year and unit.", before)
		}
		named[of] = i
		if now, ok := w.Activity.MeasureAt(of.site, of.year, of.unit, bitemporal.Latest); ok && now.Count == m.GetCount() {
			continue
		}
		events = append(events, &activityv1.Event{
			Meta: &eventv1.Meta{Basis: r.GetBasis()},
			Fact: &activityv1.Event_MeasureRecorded{MeasureRecorded: &activityv1.MeasureRecorded{
				Measure: &activityv1.Measure{SiteId: of.site, Year: of.year, Unit: of.unit, Count: m.GetCount()},
			}},
		})
	}
	if len(events) == 0 {
		return nil, fault.New(fault.Refused, "MEASURES_UNCHANGED", "measures", "All of this is recorded already.")
	}
	return events, nil
}

// WithdrawMeasure decides that a measure is taken back, if there is one
// (MEASURE_UNKNOWN).
func WithdrawMeasure(w States, r *activityv1.WithdrawMeasureRequest) ([]*activityv1.Event, error) {
	if err := w.checkBasis(r.GetBasis()); err != nil {
		return nil, err
	}
	if _, ok := w.Activity.MeasureAt(r.GetSiteId(), r.GetYear(), r.GetUnit(), bitemporal.Latest); !ok {
		return nil, fault.New(fault.NotFound, "MEASURE_UNKNOWN", "site_id", "No such activity of site %q in %d is recorded.", r.GetSiteId(), r.GetYear())
	}
	return one(r.GetBasis(), &activityv1.Event{Fact: &activityv1.Event_MeasureWithdrawn{MeasureWithdrawn: &activityv1.MeasureWithdrawn{
		SiteId: r.GetSiteId(), Year: r.GetYear(), Unit: r.GetUnit(),
	}}})
}

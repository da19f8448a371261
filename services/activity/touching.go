package activity

import (
	"slices"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/bitemporal"
)

// Touching returns the positions of the facts that concern an id, ascending: those of a
// period, report or undertaking, and those of the reports, undertakings and measures of a
// site, network, filière or platform as known at a position. Some may be after it.
func (s *State) Touching(id string, known uint64) []uint64 {
	found := slices.Concat(positions(&s.Periods, id), positions(&s.Reports, id), positions(&s.Undertakings, id))
	for r := range s.ReportsBy(id, known) {
		found = append(found, positions(&s.Reports, r.GetReportId())...)
	}
	for u := range s.UndertakingsOf(id, known) {
		found = append(found, positions(&s.Undertakings, u.GetUndertakingId())...)
	}
	for unit := range labellingv1.ThresholdUnit_name {
		found = append(found, positions(&s.Measures, measureKey(id, labellingv1.ThresholdUnit(unit)))...)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// positions are those at which a version began or ended.
func positions[E any](t *bitemporal.Table[E], id string) []uint64 {
	versions := t.History(id)
	out := make([]uint64, 0, 2*len(versions))
	for _, v := range versions {
		if out = append(out, v.KnownFrom); v.KnownTo != bitemporal.Latest {
			out = append(out, v.KnownTo)
		}
	}
	return out
}

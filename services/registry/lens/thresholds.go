package lens

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/bitemporal"
	"maillage/services/labelling"
)

// How a site stands beside a threshold, in short.
const (
	reached    = registryv1.ThresholdState_THRESHOLD_STATE_REACHED
	under      = registryv1.ThresholdState_THRESHOLD_STATE_UNDER
	unmeasured = registryv1.ThresholdState_THRESHOLD_STATE_UNMEASURED
)

// Thresholds sets the activity of the sites that held a label in a year beside the
// thresholds of its role in its cycle: of several labels, the last one. It prints a page
// of those under theirs, or of all, those under it three years in a row first; FILIERE_UNKNOWN
// where a filière is asked for that is none. A site is warned of and keeps its label.
func (l Lens) Thresholds(req *registryv1.CheckThresholdsRequest, page Pager) (*registryv1.CheckThresholdsResponse, error) {
	filieres, err := filieresNamed(l, folder{}, req.GetFiliere())
	if err != nil {
		return nil, err
	}
	first, last, err := bitemporal.Span(strconv.FormatUint(uint64(req.GetYear()), 10))
	if err != nil {
		return nil, err
	}
	end := l.on(last, l.m.known)
	resp := &registryv1.CheckThresholdsResponse{}
	var found []*registryv1.ThresholdEntry
	for _, label := range end.lastHeld(bitemporal.Interval{From: first, To: last + 1}) {
		entries := end.beside(label, req.GetYear())
		if len(entries) == 0 {
			continue
		}
		if filieres != nil {
			h := end.holding(label)
			if !filieres.holds(h.filiere.GetFiliereId()) {
				continue
			}
		}
		name := end.holderName(labelling.HolderID(label.GetHolder()))
		for _, e := range entries {
			e.SiteName = name
			switch e.GetState() {
			case reached:
				resp.Reached++
			case under:
				resp.Under++
			case unmeasured:
				resp.Unmeasured++
			}
			if req.GetAll() || e.GetState() == under {
				found = append(found, e)
			}
		}
	}
	slices.SortFunc(found, compareThresholds)
	from, to := page(len(found))
	resp.Entries = found[from:to]
	return resp, nil
}

// compareThresholds puts those under three years in a row first, then those under, those
// not measured and those that reach theirs.
func compareThresholds(a, b *registryv1.ThresholdEntry) int {
	order := func(e *registryv1.ThresholdEntry) int {
		switch {
		case e.GetThreeYears():
			return 0
		case e.GetState() == under:
			return 1
		case e.GetState() == unmeasured:
			return 2
		}
		return 3
	}
	return cmp.Or(
		order(a)-order(b), strings.Compare(a.GetSiteName(), b.GetSiteName()),
		strings.Compare(a.GetSiteId(), b.GetSiteId()), int(a.GetUnit()-b.GetUnit()),
	)
}

// lastHeld is, of each site that held a label in a period whose last day is that of the
// lens, the label that begins last.
func (l Lens) lastHeld(days bitemporal.Interval) map[string]*labellingv1.Label {
	held := map[string]*labellingv1.Label{}
	for id := range l.s.Labelling.Labels.IDs() {
		label, known := l.s.Labelling.Label(id, l.m.known)
		site := label.GetHolder().GetSite().GetSiteId()
		if !known || site == "" || !l.heldIn(id, days) {
			continue
		}
		if before := held[site]; before == nil || before.GetPeriod().GetStart() <= label.GetPeriod().GetStart() {
			held[site] = label
		}
	}
	return held
}

// beside sets a site's activity in a year, and in the two before it, beside each threshold
// of its label's role in its cycle.
func (l Lens) beside(label *labellingv1.Label, year uint32) (entries []*registryv1.ThresholdEntry) {
	site := label.GetHolder().GetSite().GetSiteId()
	for _, t := range near(&l.s.Labelling.Cycles, label.GetCycleId(), l.m).GetThresholds() {
		if t.GetRole() != label.GetRole() {
			continue
		}
		e := &registryv1.ThresholdEntry{
			LabelId: label.GetLabelId(), SiteId: site, Role: t.GetRole(), Unit: t.GetUnit(), Minimum: t.GetMinimum(), ThreeYears: true,
		}
		for y := year; y+3 > year; y-- {
			m, known := l.s.Activity.MeasureAt(site, y, t.GetUnit(), l.m.known)
			e.Years = append(e.Years, &registryv1.YearCount{Year: y, Count: m.Count, Known: known})
			e.ThreeYears = e.ThreeYears && known && m.Count < t.GetMinimum()
		}
		switch now := e.GetYears()[0]; {
		case !now.GetKnown():
			e.State = unmeasured
		case now.GetCount() < t.GetMinimum():
			e.State = under
		default:
			e.State = reached
		}
		entries = append(entries, e)
	}
	return entries
}

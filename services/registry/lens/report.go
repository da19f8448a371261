package lens

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/bitemporal"
	"maillage/services/fault"
	"maillage/services/labelling"
)

// Reports finds the reports that match, by period and reporter, and prints those of a
// page. Where one period is asked for it also tells, by name, which platforms labelled in
// it have not reported. A centre reports by its sites. PERIOD_UNKNOWN where there is none.
func (l Lens) Reports(req *registryv1.ListReportsRequest, page Pager) (*registryv1.ListReportsResponse, error) {
	periods := l.Periods()
	if req.GetPeriod() != "" {
		one, err := l.period(req.GetPeriod())
		if err != nil {
			return nil, err
		}
		periods = []*activityv1.Period{one}
	}
	reporters := slices.Collect(l.s.Labelling.SitesOf(req.GetReporterId(), l.m.known))
	reporters = append(reporters, req.GetReporterId())
	wanted := func(h *labellingv1.Holder) bool {
		return req.GetReporterId() == "" || slices.Contains(reporters, labelling.HolderID(h))
	}
	var found []*registryv1.ReportEntry
	for _, p := range periods {
		var of []*registryv1.ReportEntry
		for r := range l.s.Activity.ReportsIn(p.GetPeriodId(), l.m.known) {
			if wanted(r.GetReporter()) && (len(req.GetStates()) == 0 || slices.Contains(req.GetStates(), r.GetState())) {
				of = append(of, l.reportEntry(r, p))
			}
		}
		slices.SortFunc(of, func(a, b *registryv1.ReportEntry) int {
			return cmp.Or(strings.Compare(a.GetReporterName(), b.GetReporterName()), strings.Compare(a.GetReport().GetReportId(), b.GetReport().GetReportId()))
		})
		found = append(found, of...)
	}
	from, to := page(len(found))
	resp := &registryv1.ListReportsResponse{Entries: found[from:to]}
	if req.GetPeriod() == "" || req.GetPageToken() != "" {
		return resp, nil
	}
	missing, err := l.missing(periods[0])
	for _, h := range missing {
		if wanted(h) {
			resp.Missing, resp.MissingNames = append(resp.Missing, h), append(resp.MissingNames, l.holderName(labelling.HolderID(h)))
		}
	}
	return resp, err
}

func (l Lens) reportEntry(r *activityv1.Report, p *activityv1.Period) *registryv1.ReportEntry {
	latest, _ := l.s.Activity.Reports.Last(r.GetReportId(), l.m.known)
	return &registryv1.ReportEntry{
		Report: r, ReporterName: l.holderName(labelling.HolderID(r.GetReporter())), PeriodCode: p.GetCode(), Revisions: latest.GetRevision(),
	}
}

// missing is the platforms that held a label in a period and have not reported, by name.
func (l Lens) missing(p *activityv1.Period) ([]*labellingv1.Holder, error) {
	days, err := periodDays(p)
	if err != nil {
		return nil, err
	}
	end := l.on(days.To-1, l.m.known)
	silent := map[string]*labellingv1.Holder{}
	for id := range l.s.Labelling.Labels.IDs() {
		label, known := l.s.Labelling.Label(id, l.m.known)
		platform := label.GetHolder().GetPlatformId()
		if !known || platform == "" {
			continue
		}
		if _, reported := l.s.Activity.ReportOf(p.GetPeriodId(), platform, l.m.known); !reported && end.heldIn(id, days) {
			silent[platform] = label.GetHolder()
		}
	}
	return slices.SortedFunc(maps.Values(silent), func(a, b *labellingv1.Holder) int {
		return cmp.Or(strings.Compare(l.holderName(labelling.HolderID(a)), l.holderName(labelling.HolderID(b))), strings.Compare(a.GetPlatformId(), b.GetPlatformId()))
	}), nil
}

// Frozen is the position that the revision of a report was frozen at that Report finds:
// REPORT_UNKNOWN, REVISION_UNKNOWN.
func (l Lens) Frozen(req *registryv1.GetReportRequest) (position uint64, err error) {
	r, err := l.revision(req)
	return r.GetFrozenPosition(), err
}

// Report finds a report (REPORT_UNKNOWN) in a revision (REVISION_UNKNOWN), with the labels
// and territory of its period as known when it was frozen and, where that is asked for, as
// known at the moment. Frozen, it is the same for ever.
func (l Lens) Report(req *registryv1.GetReportRequest) (*registryv1.GetReportResponse, error) {
	r, err := l.revision(req)
	if err != nil {
		return nil, err
	}
	period, _ := l.s.Activity.Periods.Last(r.GetPeriodId(), l.m.known)
	days, err := periodDays(period)
	if err != nil {
		return nil, err
	}
	resp := &registryv1.GetReportResponse{Entry: l.reportEntry(r, period), Period: period}
	resp.Frozen = l.on(days.To-1, r.GetFrozenPosition()).context(r.GetReporter(), days)
	if !req.GetRestated() {
		return resp, nil
	}
	resp.Restated = l.on(days.To-1, l.m.known).context(r.GetReporter(), days)
	resp.GainedLabelIds = without(resp.GetRestated(), resp.GetFrozen())
	resp.LostLabelIds = without(resp.GetFrozen(), resp.GetRestated())
	return resp, nil
}

func (l Lens) revision(req *registryv1.GetReportRequest) (*activityv1.Report, error) {
	r, known := l.s.Activity.Reports.Last(req.GetReportId(), l.m.known)
	if !known {
		return nil, unknown("REPORT", req.GetReportId(), l.m)
	}
	if n := req.GetRevision(); n != 0 {
		if r, known = l.s.Activity.Revision(req.GetReportId(), n, l.m.known); !known {
			return nil, fault.New(fault.NotFound, "REVISION_UNKNOWN", "revision", "Report %s has no revision %d at position %d.", req.GetReportId(), n, l.m.known)
		}
	}
	return r, nil
}

// without is the labels of a context that another lacks, in their order.
func without(c, other *registryv1.ReportContext) (labels []string) {
	there := map[string]bool{}
	for _, e := range other.GetLabels() {
		there[e.GetLabel().GetLabelId()] = true
	}
	for _, e := range c.GetLabels() {
		if id := e.GetLabel().GetLabelId(); !there[id] {
			labels = append(labels, id)
		}
	}
	return labels
}

// on looks at another day as known at another position.
func (l Lens) on(day bitemporal.Date, known uint64) Lens {
	l.m.valid, l.m.known = day, known
	return l
}

// periodDays is the days of a period, which states them in full.
func periodDays(p *activityv1.Period) (bitemporal.Interval, error) {
	from, err := bitemporal.ParseDate(p.GetSpan().GetStart())
	if err != nil {
		return bitemporal.Interval{}, err
	}
	to, err := bitemporal.ParseDate(p.GetSpan().GetEnd())
	return bitemporal.Interval{From: from, To: to}, err
}

// context is what a report speaks of, on the last day of its period: the labels of sites
// in the territory of a platform, or of the one site that reports.
func (l Lens) context(reporter *labellingv1.Holder, days bitemporal.Interval) *registryv1.ReportContext {
	c := &registryv1.ReportContext{KnownPosition: l.m.known}
	var within territory
	if platform := reporter.GetPlatformId(); platform != "" {
		within = l.territoryOf(near(&l.s.Topology.Platforms, platform, l.m))
		c.TerritoryNames = within.names()
	}
	var all []*found
	folds := folder{}
	see := func(label *labellingv1.Label) {
		if label.GetHolder().GetSite() == nil || !l.heldIn(label.GetLabelId(), days) {
			return
		}
		one := &found{holding: l.holding(label)}
		if reporter.GetSite() == nil && !slices.ContainsFunc(one.places, within.holds) {
			return
		}
		one.status, _ = l.s.Labelling.StatusAt(label.GetLabelId(), l.m.valid, l.m.known, &l.s.Topology)
		one.sortBy(folds)
		all = append(all, one)
	}
	if site := reporter.GetSite().GetSiteId(); site != "" {
		for label := range l.s.Labelling.LabelsOf(site, l.m.known) {
			see(label)
		}
	} else if !within.empty() {
		for id := range l.s.Labelling.Labels.IDs() {
			if label, known := l.s.Labelling.Label(id, l.m.known); known {
				see(label)
			}
		}
	}
	slices.SortFunc(all, (*found).compare)
	for _, one := range all {
		c.Labels = append(c.Labels, l.entry(&one.holding))
	}
	c.Counts = countRoles(c.GetLabels())
	return c
}

// heldIn tells whether a label was held, or may have been, on any day of a period whose
// last day is that of the lens: in force, extended, in abeyance, suspended or undetermined;
// in the operational window, at work. What begins in the period is looked at on the first
// day on which it may have begun, what began before on its first day.
func (l Lens) heldIn(id string, days bitemporal.Interval) bool {
	versions := l.s.Labelling.Labels.Versions(id, l.m.known)
	if len(versions) == 0 {
		return false
	}
	first := max(days.From, versions[0].Valid.From)
	return first < days.To && (l.holds(id) || l.on(first, l.m.known).holds(id))
}

// holds tells whether a label is held on the day, or may be.
func (l Lens) holds(id string) bool {
	if l.m.operational() {
		return l.operates(id)
	}
	switch status, _ := l.s.Labelling.StatusAt(id, l.m.valid, l.m.known, &l.s.Topology); status {
	case labellingv1.Status_STATUS_IN_FORCE, labellingv1.Status_STATUS_EXTENDED, labellingv1.Status_STATUS_IN_ABEYANCE,
		labellingv1.Status_STATUS_SUSPENDED, labellingv1.Status_STATUS_UNDETERMINED:
		return true
	}
	return false
}

// countRoles counts labels and their centres by role, from the coordinator down.
func countRoles(entries []*registryv1.LabelEntry) (counts []*registryv1.RoleCount) {
	centres := map[labellingv1.Role]map[string]bool{}
	labels := map[labellingv1.Role]uint32{}
	for _, e := range entries {
		role := e.GetLabel().GetRole()
		if centres[role] == nil {
			centres[role] = map[string]bool{}
		}
		centres[role][e.GetLabel().GetHolder().GetSite().GetCentreId()] = true
		labels[role]++
	}
	for _, role := range slices.SortedFunc(maps.Keys(labels), func(a, b labellingv1.Role) int { return rank(a) - rank(b) }) {
		counts = append(counts, &registryv1.RoleCount{Role: role, Labels: labels[role], Centres: uint32(len(centres[role]))})
	}
	return counts
}

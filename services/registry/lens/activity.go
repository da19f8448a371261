package lens

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/activity"
	"maillage/services/bitemporal"
	"maillage/services/fault"
	"maillage/services/identifier"
	"maillage/services/labelling"
)

// A Pager is told how many match and says which of them to print.
type Pager func(total int) (from, to int)

// Missions is the missions of each audience on the day, where any were stated.
func (l Lens) Missions() (sets []*activityv1.MissionSet) {
	for _, audience := range []activityv1.Audience{
		activityv1.Audience_AUDIENCE_PEMR, activityv1.Audience_AUDIENCE_PCOM, activityv1.Audience_AUDIENCE_SITE,
	} {
		if set, stated := l.s.Activity.MissionsAt(audience, l.m.valid, l.m.known); stated {
			sets = append(sets, set)
		}
	}
	return sets
}

// Periods is the reporting periods, latest first.
func (l Lens) Periods() (all []*activityv1.Period) {
	for id := range l.s.Activity.Periods.IDs() {
		if p, known := l.s.Activity.Periods.Last(id, l.m.known); known {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, comparePeriods)
	return all
}

func comparePeriods(a, b *activityv1.Period) int {
	return cmp.Or(strings.Compare(b.GetSpan().GetStart(), a.GetSpan().GetStart()), strings.Compare(b.GetCode(), a.GetCode()))
}

// period is the period of an id or code: PERIOD_UNKNOWN.
func (l Lens) period(name string) (*activityv1.Period, error) {
	if p, known := l.s.Activity.PeriodByCode(name, l.m.known); known {
		return p, nil
	}
	if p, known := l.s.Activity.Periods.Last(name, l.m.known); known {
		return p, nil
	}
	return nil, fault.New(fault.NotFound, "PERIOD_UNKNOWN", "period", "No period is known as %q at position %d.", name, l.m.known)
}

// Undertakings finds the projects, trainings and actions that match, latest first, and
// prints those of a page. An axis of a plan that nobody knows is an error (PLAN_UNKNOWN).
func (l Lens) Undertakings(req *registryv1.ListUndertakingsRequest, page Pager) ([]*registryv1.UndertakingEntry, error) {
	plans, axis, err := l.axisNamed(req.GetAxis())
	if err != nil {
		return nil, err
	}
	sought := searchFor(req.GetText(), folder{})
	found := l.undertakings(req, &sought, plans, axis)
	if len(found) == 0 && sought.forgive(func(yield func(string, []string) bool) {
		for id := range l.s.Activity.Undertakings.IDs() {
			if u, known := l.s.Activity.Undertakings.Last(id, l.m.known); known && !yield("", []string{u.GetTitle()}) {
				return
			}
		}
	}) {
		found = l.undertakings(req, &sought, plans, axis)
	}
	from, to := page(len(found))
	entries := make([]*registryv1.UndertakingEntry, 0, to-from)
	for _, u := range found[from:to] {
		entries = append(entries, l.undertakingEntry(u))
	}
	return entries, nil
}

// undertakings finds those that match, latest first.
func (l Lens) undertakings(req *registryv1.ListUndertakingsRequest, sought *search, plans idSet, axis string) (found []*activityv1.Undertaking) {
	for id := range l.s.Activity.Undertakings.IDs() {
		u, known := l.s.Activity.Undertakings.Last(id, l.m.known)
		serves := func(a *activityv1.AxisCited) bool {
			return plans.holds(a.GetPlanId()) && (axis == "" || a.GetAxisCode() == axis)
		}
		switch {
		case !known, u.GetCancelled() && !req.GetWithCancelled():
		case len(req.GetKinds()) > 0 && !slices.Contains(req.GetKinds(), u.GetKind()):
		case req.GetHolderId() != "" && labelling.HolderID(u.GetHolder()) != req.GetHolderId():
		case req.GetMission() != "" && !slices.Contains(u.GetMissionCodes(), req.GetMission()):
		case plans != nil && !slices.ContainsFunc(u.GetAxes(), serves):
		case req.GetYear() != 0 && !runsIn(u, req.GetYear()), !sought.finds([]string{u.GetTitle()}, ""):
		default:
			found = append(found, u)
		}
	}
	slices.SortFunc(found, func(a, b *activityv1.Undertaking) int {
		return cmp.Or(
			strings.Compare(b.GetSpan().GetStart(), a.GetSpan().GetStart()), strings.Compare(a.GetTitle(), b.GetTitle()),
			strings.Compare(a.GetUndertakingId(), b.GetUndertakingId()),
		)
	})
	return found
}

// axisNamed is the plans of a code or id, and the code of an axis after a slash, where one
// is; nil plans for an empty filter.
func (l Lens) axisNamed(filter string) (plans idSet, axis string, err error) {
	if strings.TrimSpace(filter) == "" {
		return nil, "", nil
	}
	plan, axis, _ := strings.Cut(filter, "/")
	known := false
	plans = idSet{}
	for id := range l.whole.Topology.Plans.IDs() {
		if p, there := l.whole.Topology.Plans.Last(id, l.m.head); there && (id == plan || identifier.Fold(p.GetCode()) == identifier.Fold(plan)) {
			plans[id], known = true, true
		}
	}
	if !known {
		return nil, "", fault.New(fault.NotFound, "PLAN_UNKNOWN", "axis", "No plan is known as %q.", plan)
	}
	return plans, strings.TrimSpace(axis), nil
}

// runsIn tells whether an undertaking may last on a day of a year.
func runsIn(u *activityv1.Undertaking, year uint32) bool {
	first, last, err := bitemporal.Span(strconv.FormatUint(uint64(year), 10))
	from, _, bad := bitemporal.Span(u.GetSpan().GetStart())
	return err == nil && bad == nil && from <= last && (heldOn(u.GetSpan(), first) || from >= first)
}

func (l Lens) undertakingEntry(u *activityv1.Undertaking) *registryv1.UndertakingEntry {
	e := &registryv1.UndertakingEntry{Undertaking: u, HolderName: l.holderName(labelling.HolderID(u.GetHolder()))}
	first, last, err := bitemporal.Span(u.GetSpan().GetStart())
	if err != nil || u.GetSpan().GetStart() == "" {
		first, last = l.m.valid, l.m.valid
	}
	audience := activity.AudienceOf(u.GetHolder(), &l.s.Topology, l.m.known)
	for _, code := range u.GetMissionCodes() {
		e.MissionTitles = append(e.MissionTitles, l.missionTitle(audience, code, first, last))
	}
	for _, a := range u.GetAxes() {
		title := ""
		for _, x := range near(&l.s.Topology.Plans, a.GetPlanId(), l.m).GetAxes() {
			if x.GetCode() == a.GetAxisCode() {
				title = x.GetTitle()
			}
		}
		e.AxisTitles = append(e.AxisTitles, strings.TrimSpace(l.planCode(a.GetPlanId())+"/"+a.GetAxisCode()+" "+title))
	}
	return e
}

// missionTitle is the title of a mission on the first of these days on which it is one; an
// undertaking may begin in the year in which its mission came.
func (l Lens) missionTitle(audience activityv1.Audience, code string, days ...bitemporal.Date) string {
	for _, day := range days {
		set, _ := l.s.Activity.MissionsAt(audience, day, l.m.known)
		for _, m := range set.GetMissions() {
			if m.GetCode() == code {
				return m.GetTitle()
			}
		}
	}
	return code
}

// Measures is the activity of sites by year, of one site or year where they are given, by
// site, year and unit; it prints those of a page.
func (l Lens) Measures(req *registryv1.ListMeasuresRequest, page Pager) []*registryv1.MeasureEntry {
	sites := ids(req.GetSiteId())
	if len(sites) == 0 {
		sites = slices.Sorted(l.s.Activity.MeasuredSites())
	}
	matching := func(site string) []*activityv1.Measure {
		all := l.s.Activity.MeasuresOf(site, l.m.known)
		return slices.DeleteFunc(all, func(m *activityv1.Measure) bool { return req.GetYear() != 0 && m.GetYear() != req.GetYear() })
	}
	counts, total := make([]int, len(sites)), 0
	for i, n := range inParts(sites, partSize, func(part []string) []int {
		out := make([]int, len(part))
		for i, site := range part {
			out[i] = l.s.Activity.CountMeasures(site, req.GetYear(), l.m.known)
		}
		return out
	}) {
		counts[i] = n
		total += n
	}
	from, to := page(total)
	entries := make([]*registryv1.MeasureEntry, 0, to-from)
	for i, first := 0, 0; i < len(sites) && first < to; i++ {
		if first+counts[i] > from {
			name := l.holderName(sites[i])
			for j, m := range matching(sites[i]) {
				if first+j >= from && first+j < to {
					entries = append(entries, &registryv1.MeasureEntry{Measure: m, SiteName: name})
				}
			}
		}
		first += counts[i]
	}
	return entries
}

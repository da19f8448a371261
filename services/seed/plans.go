package seed

import (
	"slices"
	"strconv"
	"strings"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
)

var audiences = map[string]activityv1.Audience{
	"PEMR": activityv1.Audience_AUDIENCE_PEMR,
	"PCOM": activityv1.Audience_AUDIENCE_PCOM,
	"SITE": activityv1.Audience_AUDIENCE_SITE,
}

// plans plans the national plans and their axes, which rest on sources of their own.
func (p *planner) plans() {
	for _, r := range p.files.rows["plans.csv"] {
		p.add(nationalPlan, key(r.get("code")), r, &topologyv1.RegisterPlanRequest{
			Basis: p.basis(r, eventv1.Evidence_EVIDENCE_STATED, "code", "name", "start_year", "end_year"),
			Code:  r.get("code"), Name: r.get("name"), Period: wholeYears(r.get("start_year"), r.get("end_year")),
		})
	}
	for _, rows := range together(p.files.rows["plan_axes.csv"], "plan") {
		k := p.there(rows[0], "plan", join(nationalPlan, key(rows[0].get("plan"))))
		if k == "" {
			continue
		}
		req := &topologyv1.StatePlanAxesRequest{Basis: p.basisOfAll(rows), PlanId: ref(k)}
		for _, r := range rows {
			req.Axes = append(req.Axes, &topologyv1.Axis{Code: r.get("code"), Title: r.get("title")})
		}
		p.add(axes, k, rows[0], req)
	}
}

// wholeYears is the period from the first day of a year to the last of another, nil for
// none: a plan "2018-2022" goes on through 2022.
func wholeYears(first, last string) *eventv1.Period {
	if first == "" && last == "" {
		return nil
	}
	out := &eventv1.Period{Start: first}
	if n, err := strconv.Atoi(last); err == nil {
		out.End = strconv.Itoa(n+1) + "-01-01"
	}
	return out
}

// extendPlan plans that a plan goes on until the first day after it that other gives.
func (p *planner) extendPlan(r row) {
	if !p.needs(r, "other") {
		return
	}
	code, end := pair(r.get("other"))
	if _, _, err := bitemporal.Span(end); end == "" || err != nil {
		p.wrong = append(p.wrong, r.problem("other", WrongValue, "is not plan|first day after it"))
		return
	}
	k := p.there(r, "other", join(nationalPlan, key(code)))
	if k == "" {
		return
	}
	p.add(extension, join(k, end), r, &topologyv1.ExtendPlanRequest{Basis: p.changed(r), PlanId: ref(k), End: end})
}

// missions plans the missions of each audience from each first day on.
func (p *planner) missions() {
	for _, rows := range together(p.files.rows["missions.csv"], "audience", "valid_from") {
		req := &activityv1.StateMissionsRequest{
			Basis: p.basisOfAll(rows), ValidFrom: rows[0].get("valid_from"), Audience: audiences[rows[0].get("audience")],
		}
		for _, r := range rows {
			req.Missions = append(req.Missions, &activityv1.Mission{Code: r.get("code"), Title: r.get("title")})
		}
		p.add(missions, key(rows[0].get("audience"), rows[0].get("valid_from")), rows[0], req)
	}
}

// together is rows by what they have in common in some columns, in the order of the
// first of each.
func together(rows []row, columns ...string) [][]row {
	var out [][]row
	at := map[string]int{}
	for _, r := range rows {
		var parts []string
		for _, c := range columns {
			parts = append(parts, r.get(c))
		}
		k := key(parts...)
		i, there := at[k]
		if !there {
			i = len(out)
			at[k] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], r)
	}
	return out
}

// basisOfAll is what rows that become one fact give as its ground: their sources, each
// once.
func (p *planner) basisOfAll(rows []row) *eventv1.Basis {
	var sources []string
	for _, r := range rows {
		if s := p.names.removed(r.get("source")); !slices.Contains(sources, s) {
			sources = append(sources, s)
		}
	}
	return &eventv1.Basis{Source: strings.Join(sources, "; "), Evidence: eventv1.Evidence_EVIDENCE_STATED}
}

package activity

import (
	"cmp"
	"fmt"
	"slices"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/fact"
	"maillage/services/fault"
	"maillage/services/labelling"
	"maillage/services/topology"
)

// States are the states that a decision reads: that of activity and those of the
// contexts below it. Each decision reads the states it will be appended to, changes
// nothing, and returns the events to append, with the basis in their Meta and nothing
// else there, or a *fault.Error. Ids are minted by the caller.
type States struct {
	Activity  *State
	Labelling *labelling.State
	Topology  *topology.State
}

// AudienceOf is the audience that a holder is of, as known at a position: a platform by its
// kind, a site, and a network by its sites. A filière is of none, and so is a platform of
// unknown kind: unspecified.
func AudienceOf(h *labellingv1.Holder, topo *topology.State, known uint64) activityv1.Audience {
	switch h := h.GetHolder().(type) {
	case *labellingv1.Holder_Site, *labellingv1.Holder_NetworkId:
		return activityv1.Audience_AUDIENCE_SITE
	case *labellingv1.Holder_PlatformId:
		p, _ := topo.Platforms.Last(h.PlatformId, known)
		switch p.GetKind() {
		case topologyv1.PlatformKind_PLATFORM_KIND_PEMR:
			return activityv1.Audience_AUDIENCE_PEMR
		case topologyv1.PlatformKind_PLATFORM_KIND_PCOM:
			return activityv1.Audience_AUDIENCE_PCOM
		}
	}
	return activityv1.Audience_AUDIENCE_UNSPECIFIED
}

// checkBasis also refuses a basis that cites an act unknown here (BASIS_ACT_UNKNOWN).
func (w States) checkBasis(b *eventv1.Basis) error {
	if err := fact.CheckBasis(b); err != nil {
		return err
	}
	if act := b.GetActId(); act != "" && !isThere(&w.Labelling.Acts, act) {
		return fault.New(fault.NotFound, "BASIS_ACT_UNKNOWN", "basis.act_id", "No act is recorded under %q.", act)
	}
	return nil
}

// checkFree refuses an id that names something already, in any context (ID_TAKEN).
func (w States) checkFree(id string) error {
	if id == "" || w.Activity.Knows(id) || w.Labelling.Knows(id) || w.Topology.Knows(id) {
		return fault.New(fault.Refused, "ID_TAKEN", "", "The id %q is taken: mint another.", id)
	}
	return nil
}

// site returns a site as it is recorded. Centre and network need not be said; where they
// are, they are its own.
func (w States) site(s *labellingv1.Site, field string) (*labellingv1.Site, error) {
	known, ok := w.Labelling.Site(s.GetSiteId())
	if !ok || cmp.Or(s.GetCentreId(), known.GetCentreId()) != known.GetCentreId() || cmp.Or(s.GetNetworkId(), known.GetNetworkId()) != known.GetNetworkId() {
		return nil, fault.New(fault.NotFound, "SITE_UNKNOWN", field, "No such site is recorded under %q.", s.GetSiteId())
	}
	return known, nil
}

// reporter returns who reports, as recorded, and its audience. Only platforms and sites
// report (REPORTER_KIND).
func (w States) reporter(h *labellingv1.Holder) (*labellingv1.Holder, activityv1.Audience, error) {
	switch id := h.GetHolder().(type) {
	case *labellingv1.Holder_Site:
		site, err := w.site(id.Site, "reporter.site.site_id")
		if err != nil {
			return nil, 0, err
		}
		return &labellingv1.Holder{Holder: &labellingv1.Holder_Site{Site: site}}, activityv1.Audience_AUDIENCE_SITE, nil
	case *labellingv1.Holder_PlatformId:
		if !isThere(&w.Topology.Platforms, id.PlatformId) {
			return nil, 0, fault.New(fault.NotFound, "PLATFORM_UNKNOWN", "reporter.platform_id", "No platform is registered under %q.", id.PlatformId)
		}
		audience := AudienceOf(h, w.Topology, bitemporal.Latest)
		if audience == activityv1.Audience_AUDIENCE_UNSPECIFIED {
			return nil, 0, fault.New(fault.Refused, "REPORTER_KIND", "reporter.platform_id", "Platform %s is recorded as neither PEMR nor PCOM: nothing is asked of it.", id.PlatformId)
		}
		return h, audience, nil
	}
	return nil, 0, fault.New(fault.Invalid, "REPORTER_KIND", "reporter", "A platform or a site reports, nobody else.")
}

// holder returns who leads an undertaking, as recorded (HOLDER_UNKNOWN).
func (w States) holder(h *labellingv1.Holder) (*labellingv1.Holder, error) {
	there := false
	switch id := h.GetHolder().(type) {
	case *labellingv1.Holder_Site:
		site, err := w.site(id.Site, "holder.site.site_id")
		if err != nil {
			return nil, err
		}
		return &labellingv1.Holder{Holder: &labellingv1.Holder_Site{Site: site}}, nil
	case *labellingv1.Holder_NetworkId:
		there = isThere(&w.Topology.Networks, id.NetworkId)
	case *labellingv1.Holder_FiliereId:
		there = isThere(&w.Topology.Filieres, id.FiliereId)
	case *labellingv1.Holder_PlatformId:
		there = isThere(&w.Topology.Platforms, id.PlatformId)
	}
	if !there {
		return nil, fault.New(fault.NotFound, "HOLDER_UNKNOWN", "holder", "No site, network, filière or platform is recorded under %q.", labelling.HolderID(h))
	}
	return h, nil
}

// checkMission refuses a mission that an audience has on none of some days
// (MISSION_UNKNOWN). An empty code is none.
func (s *State) checkMission(audience activityv1.Audience, code string, days bitemporal.Interval, field string) error {
	if code == "" {
		return nil
	}
	for _, v := range s.Missions.Versions(audienceKey(audience), bitemporal.Latest) {
		if v.Valid.From < days.To && days.From < v.Valid.To && hasMission(v.Value, code) {
			return nil
		}
	}
	return fault.New(fault.NotFound, "MISSION_UNKNOWN", field, "%s has no mission %q then.", audience, code)
}

func hasMission(set *activityv1.MissionSet, code string) bool {
	for _, m := range set.GetMissions() {
		if m.GetCode() == code {
			return true
		}
	}
	return false
}

// checkAxes refuses an axis that its plan does not have (PLAN_UNKNOWN, AXIS_UNKNOWN) and
// one cited twice (AXIS_TWICE).
func (w States) checkAxes(axes []*activityv1.AxisCited) error {
	cited := make(map[[2]string]bool)
	for i, a := range axes {
		field := fmt.Sprintf("axes[%d]", i)
		if err := checkAxis(w.Topology, a, field); err != nil {
			return err
		}
		name := [2]string{a.GetPlanId(), a.GetAxisCode()}
		if cited[name] {
			return fault.New(fault.Invalid, "AXIS_TWICE", field, "Axis %s of plan %s is cited already.", a.GetAxisCode(), a.GetPlanId())
		}
		cited[name] = true
	}
	return nil
}

// checkAxis refuses an axis of a plan that is not registered, or that is none of the axes
// of its plan where these are known.
func checkAxis(topo *topology.State, a *activityv1.AxisCited, field string) error {
	plan, ok := topo.Plans.Last(a.GetPlanId(), bitemporal.Latest)
	if !ok {
		return fault.New(fault.NotFound, "PLAN_UNKNOWN", field+".plan_id", "No plan is registered under %q.", a.GetPlanId())
	}
	has := func(x *topologyv1.Axis) bool { return x.GetCode() == a.GetAxisCode() }
	if len(plan.GetAxes()) > 0 && !slices.ContainsFunc(plan.GetAxes(), has) {
		return fault.New(fault.NotFound, "AXIS_UNKNOWN", field+".axis_code", "Plan %s has no axis %q.", plan.GetCode(), a.GetAxisCode())
	}
	return nil
}

// spanOf is the days that a period may have, from the earliest first day to the latest
// last one, and those on which it may begin.
func spanOf(p *eventv1.Period) (may, begins bitemporal.Interval, err error) {
	from, by, err := bitemporal.Span(p.GetStart())
	if err != nil {
		return may, begins, err
	}
	_, end, err := bitemporal.Span(p.GetEnd())
	if err != nil {
		return may, begins, err
	}
	if by != bitemporal.Future {
		by++
	}
	return bitemporal.Interval{From: from, To: end}, bitemporal.Interval{From: from, To: by}, nil
}

// checkSpan refuses dates that no calendar has (DATE_INVALID) and an end that is
// certainly not after the start (PERIOD_EMPTY), and returns the days on which the period
// may begin.
func checkSpan(p *eventv1.Period, field string) (begins bitemporal.Interval, err error) {
	if err := cmp.Or(fact.CheckDate(p.GetStart(), field+".start"), fact.CheckDate(p.GetEnd(), field+".end")); err != nil {
		return begins, err
	}
	may, begins, err := spanOf(p)
	if err == nil && may.To <= may.From {
		err = fault.New(fault.Invalid, "PERIOD_EMPTY", field+".end", "The end %s is not after the start %s.", p.GetEnd(), p.GetStart())
	}
	return begins, err
}

func fullDate(date, field string) (bitemporal.Date, error) {
	day, err := bitemporal.ParseDate(date)
	if err != nil {
		return 0, fault.New(fault.Invalid, "DATE_INVALID", field, "%q is not a full date (YYYY-MM-DD).", date)
	}
	return day, nil
}

// one is a commit of a single event that rests on what the request rests on.
func one(basis *eventv1.Basis, e *activityv1.Event) ([]*activityv1.Event, error) {
	e.Meta = &eventv1.Meta{Basis: basis}
	return []*activityv1.Event{e}, nil
}

package activity

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	"maillage/services/bitemporal"
	"maillage/services/fact"
	"maillage/services/fault"
)

// audienceKey is the name under which the missions of an audience are kept, such as
// "site"; empty for none.
func audienceKey(a activityv1.Audience) string {
	if a == activityv1.Audience_AUDIENCE_UNSPECIFIED {
		return ""
	}
	return strings.ToLower(strings.TrimPrefix(a.String(), "AUDIENCE_"))
}

// An audience has these missions from a day on, until the next day from which others
// were stated: what was stated of later days stays.
func (s *State) missionsStated(at uint64, f *activityv1.MissionsStated, why *eventv1.Basis) error {
	name := audienceKey(f.GetAudience())
	if name == "" {
		return fmt.Errorf("%w: the missions are nobody's", errUnfit)
	}
	days, err := s.missionDays(f.GetAudience(), f.GetValidFrom())
	if err != nil {
		return err
	}
	s.Missions.Assert(name, days, at, &activityv1.MissionSet{Audience: f.GetAudience(), Missions: f.GetMissions(), Basis: rest(nil, why)})
	return nil
}

// missionDays is the days of which a statement of missions from a day on speaks.
func (s *State) missionDays(audience activityv1.Audience, validFrom string) (bitemporal.Interval, error) {
	from, _, err := bitemporal.Span(validFrom)
	days := bitemporal.Interval{From: from, To: bitemporal.Future}
	if err != nil {
		return days, err
	}
	for _, v := range s.Missions.Versions(audienceKey(audience), bitemporal.Latest) {
		if v.Valid.From > from {
			days.To = min(days.To, v.Valid.From)
		}
	}
	return days, nil
}

// MissionsAt returns the missions of an audience on a day as known at a position, in
// their order; none where none were stated.
func (s *State) MissionsAt(audience activityv1.Audience, day bitemporal.Date, known uint64) (*activityv1.MissionSet, bool) {
	return s.Missions.At(audienceKey(audience), day, known)
}

// A reporting period is open.
func (s *State) periodOpened(at uint64, f *activityv1.PeriodOpened, why *eventv1.Basis) error {
	if f.GetPeriodId() == "" || isThere(&s.Periods, f.GetPeriodId()) {
		return fmt.Errorf("%w: period %q is there already", errUnfit, f.GetPeriodId())
	}
	if _, _, err := spanOf(f.GetSpan()); err != nil {
		return err
	}
	p := &activityv1.Period{
		PeriodId:   f.GetPeriodId(),
		Code:       f.GetCode(),
		Span:       f.GetSpan(),
		DueDate:    f.GetDueDate(),
		Indicators: f.GetIndicators(),
		Open:       true,
		Basis:      rest(nil, why),
	}
	s.Periods.Assert(p.GetPeriodId(), always, at, p)
	s.indexPeriod(at, p)
	return nil
}

func (s *State) indicatorsStated(at uint64, f *activityv1.IndicatorsStated, why *eventv1.Basis) error {
	return s.editPeriod(at, f.GetPeriodId(), why, func(p *activityv1.Period) { p.Indicators = f.GetIndicators() })
}

func (s *State) periodClosed(at uint64, f *activityv1.PeriodClosed, why *eventv1.Basis) error {
	if _, err := bitemporal.ParseDate(f.GetClosedDate()); err != nil {
		return err
	}
	return s.editPeriod(at, f.GetPeriodId(), why, func(p *activityv1.Period) { p.Open, p.ClosedDate = false, f.GetClosedDate() })
}

func (s *State) periodReopened(at uint64, f *activityv1.PeriodReopened, why *eventv1.Basis) error {
	return s.editPeriod(at, f.GetPeriodId(), why, func(p *activityv1.Period) { p.Open, p.ClosedDate = true, "" })
}

func (s *State) editPeriod(at uint64, id string, why *eventv1.Basis, edit func(*activityv1.Period)) error {
	p, ok := s.Periods.Last(id, bitemporal.Latest)
	if !ok {
		return fmt.Errorf("%w: period %q is unknown", errUnfit, id)
	}
	p = proto.CloneOf(p)
	p.Basis = rest(p.GetBasis(), why)
	edit(p)
	s.Periods.Assert(id, always, at, p)
	return nil
}

// PeriodByCode returns the period of a code as known at a position.
func (s *State) PeriodByCode(code string, known uint64) (*activityv1.Period, bool) {
	for id := range s.index.of(key{periodsByCode, code}, known) {
		return s.Periods.Last(id, known)
	}
	return nil, false
}

// StateMissions decides that an audience has these missions from a day on, until the next
// day from which others were stated. No code stands twice (CODE_TWICE), and something is
// different (MISSIONS_UNCHANGED).
func StateMissions(w States, r *activityv1.StateMissionsRequest) ([]*activityv1.Event, error) {
	if err := cmp.Or(w.checkBasis(r.GetBasis()), fact.CheckDate(r.GetValidFrom(), "valid_from")); err != nil {
		return nil, err
	}
	seen := make(map[string]bool)
	for i, m := range r.GetMissions() {
		if err := codeOnce(seen, m.GetCode(), fmt.Sprintf("missions[%d].code", i)); err != nil {
			return nil, err
		}
	}
	days, err := w.Activity.missionDays(r.GetAudience(), r.GetValidFrom())
	if err != nil {
		return nil, err
	}
	stated := &activityv1.MissionSet{Missions: r.GetMissions()}
	now, ok := w.Activity.MissionsAt(r.GetAudience(), days.From, bitemporal.Latest)
	if ok && proto.Equal(stated, &activityv1.MissionSet{Missions: now.GetMissions()}) {
		return nil, fault.New(fault.Refused, "MISSIONS_UNCHANGED", "missions", "%s has these missions from that day on already.", r.GetAudience())
	}
	return one(r.GetBasis(), &activityv1.Event{Fact: &activityv1.Event_MissionsStated{MissionsStated: &activityv1.MissionsStated{
		Audience: r.GetAudience(), ValidFrom: r.GetValidFrom(), Missions: r.GetMissions(),
	}}})
}

// OpenPeriod decides that a reporting period is open under id. Its days are stated in
// full (DATE_INVALID, PERIOD_EMPTY), its code is its own (PERIOD_CODE_TAKEN), reports are
// not due before it begins (DUE_BEFORE_START), each indicator has a code of its own
// (CODE_TWICE), and the mission that one serves is one of each audience it is asked of, on
// a day of the period (MISSION_UNKNOWN).
func OpenPeriod(w States, id string, r *activityv1.OpenPeriodRequest) ([]*activityv1.Event, error) {
	if err := cmp.Or(w.checkBasis(r.GetBasis()), w.checkFree(id)); err != nil {
		return nil, err
	}
	start, err := fullDate(r.GetSpan().GetStart(), "span.start")
	if err != nil {
		return nil, err
	}
	if _, err := fullDate(r.GetSpan().GetEnd(), "span.end"); err != nil {
		return nil, err
	}
	if _, err := checkSpan(r.GetSpan(), "span"); err != nil {
		return nil, err
	}
	if r.GetDueDate() != "" {
		due, err := fullDate(r.GetDueDate(), "due_date")
		if err != nil {
			return nil, err
		}
		if due < start {
			return nil, fault.New(fault.Invalid, "DUE_BEFORE_START", "due_date", "Reports are due on %s, before the period begins.", r.GetDueDate())
		}
	}
	if p, taken := w.Activity.PeriodByCode(r.GetCode(), bitemporal.Latest); taken {
		return nil, fault.New(fault.Refused, "PERIOD_CODE_TAKEN", "code", "Period %s has the code %s.", p.GetPeriodId(), r.GetCode())
	}
	if err := w.checkIndicators(r.GetSpan(), r.GetIndicators()); err != nil {
		return nil, err
	}
	return one(r.GetBasis(), &activityv1.Event{Fact: &activityv1.Event_PeriodOpened{PeriodOpened: &activityv1.PeriodOpened{
		PeriodId: id, Code: r.GetCode(), Span: r.GetSpan(), DueDate: r.GetDueDate(), Indicators: r.GetIndicators(),
	}}})
}

// StateIndicators decides that an open period (PERIOD_CLOSED) asks other things, by the
// rules of [OpenPeriod]. What a report has a value for is still asked of it, in the same
// type and unit (INDICATOR_USED), and something is different (INDICATORS_UNCHANGED).
func StateIndicators(w States, r *activityv1.StateIndicatorsRequest) ([]*activityv1.Event, error) {
	if err := w.checkBasis(r.GetBasis()); err != nil {
		return nil, err
	}
	p, err := w.openPeriod(r.GetPeriodId())
	if err != nil {
		return nil, err
	}
	if err := cmp.Or(w.checkIndicators(p.GetSpan(), r.GetIndicators()), w.checkUsed(p, r.GetIndicators())); err != nil {
		return nil, err
	}
	if proto.Equal(&activityv1.Period{Indicators: p.GetIndicators()}, &activityv1.Period{Indicators: r.GetIndicators()}) {
		return nil, fault.New(fault.Refused, "INDICATORS_UNCHANGED", "indicators", "Period %s asks this already.", p.GetCode())
	}
	return one(r.GetBasis(), &activityv1.Event{Fact: &activityv1.Event_IndicatorsStated{IndicatorsStated: &activityv1.IndicatorsStated{
		PeriodId: r.GetPeriodId(), Indicators: r.GetIndicators(),
	}}})
}

// ClosePeriod decides that an open period (PERIOD_CLOSED) is closed, on a day that is not
// before it begins (CLOSED_BEFORE_START).
func ClosePeriod(w States, r *activityv1.ClosePeriodRequest) ([]*activityv1.Event, error) {
	if err := w.checkBasis(r.GetBasis()); err != nil {
		return nil, err
	}
	closed, err := fullDate(r.GetClosedDate(), "closed_date")
	if err != nil {
		return nil, err
	}
	p, err := w.openPeriod(r.GetPeriodId())
	if err != nil {
		return nil, err
	}
	if start, err := bitemporal.ParseDate(p.GetSpan().GetStart()); err == nil && closed < start {
		return nil, fault.New(fault.Invalid, "CLOSED_BEFORE_START", "closed_date", "Period %s begins on %s.", p.GetCode(), p.GetSpan().GetStart())
	}
	return one(r.GetBasis(), &activityv1.Event{Fact: &activityv1.Event_PeriodClosed{PeriodClosed: &activityv1.PeriodClosed{
		PeriodId: r.GetPeriodId(), ClosedDate: r.GetClosedDate(),
	}}})
}

// ReopenPeriod decides that a closed period (PERIOD_OPEN) takes reports again.
func ReopenPeriod(w States, r *activityv1.ReopenPeriodRequest) ([]*activityv1.Event, error) {
	if err := w.checkBasis(r.GetBasis()); err != nil {
		return nil, err
	}
	p, err := w.period(r.GetPeriodId())
	if err != nil {
		return nil, err
	}
	if p.GetOpen() {
		return nil, fault.New(fault.Refused, "PERIOD_OPEN", "period_id", "Period %s takes reports.", p.GetCode())
	}
	return one(r.GetBasis(), &activityv1.Event{Fact: &activityv1.Event_PeriodReopened{PeriodReopened: &activityv1.PeriodReopened{PeriodId: r.GetPeriodId()}}})
}

func (w States) period(id string) (*activityv1.Period, error) {
	p, ok := w.Activity.Periods.Last(id, bitemporal.Latest)
	if !ok {
		return nil, fault.New(fault.NotFound, "PERIOD_UNKNOWN", "period_id", "No reporting period is recorded under %q.", id)
	}
	return p, nil
}

func (w States) openPeriod(id string) (*activityv1.Period, error) {
	p, err := w.period(id)
	if err == nil && !p.GetOpen() {
		return nil, fault.New(fault.Refused, "PERIOD_CLOSED", "period_id", "Period %s was closed on %s.", p.GetCode(), p.GetClosedDate())
	}
	return p, err
}

func (w States) checkIndicators(span *eventv1.Period, asked []*activityv1.Indicator) error {
	days, _, err := spanOf(span)
	if err != nil {
		return err
	}
	seen := make(map[string]bool)
	for i, x := range asked {
		if err := codeOnce(seen, x.GetCode(), fmt.Sprintf("indicators[%d].code", i)); err != nil {
			return err
		}
		for _, audience := range x.GetAudiences() {
			if err := w.Activity.checkMission(audience, x.GetMissionCode(), days, fmt.Sprintf("indicators[%d].mission_code", i)); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkUsed refuses to change what reports have values for.
func (w States) checkUsed(p *activityv1.Period, asked []*activityv1.Indicator) error {
	before, after := byCode(p.GetIndicators()), byCode(asked)
	for report := range w.Activity.ReportsIn(p.GetPeriodId(), bitemporal.Latest) {
		audience := AudienceOf(report.GetReporter(), w.Topology, bitemporal.Latest)
		for _, v := range report.GetValues() {
			was, is := before[v.GetIndicatorCode()], after[v.GetIndicatorCode()]
			if is.GetType() != was.GetType() || is.GetUnit() != was.GetUnit() || !slices.Contains(is.GetAudiences(), audience) {
				return fault.New(fault.Refused, "INDICATOR_USED", "indicators", "Report %s has a value for %q: it stays asked, in its type and unit.", report.GetReportId(), v.GetIndicatorCode())
			}
		}
	}
	return nil
}

func byCode(asked []*activityv1.Indicator) map[string]*activityv1.Indicator {
	out := make(map[string]*activityv1.Indicator, len(asked))
	for _, x := range asked {
		out[x.GetCode()] = x
	}
	return out
}

func codeOnce(seen map[string]bool, code, field string) error {
	if seen[code] {
		return fault.New(fault.Invalid, "CODE_TWICE", field, "The code %q is given already.", code)
	}
	seen[code] = true
	return nil
}

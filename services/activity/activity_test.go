package activity

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/fault"
	"maillage/services/labelling"
	"maillage/services/topology"
)

var source = &eventv1.Basis{Source: "https://example.org/report", Evidence: eventv1.Evidence_EVIDENCE_STATED}

const (
	pemr     = activityv1.Audience_AUDIENCE_PEMR
	pcom     = activityv1.Audience_AUDIENCE_PCOM
	sites    = activityv1.Audience_AUDIENCE_SITE
	patients = labellingv1.ThresholdUnit_THRESHOLD_UNIT_PATIENTS
	visits   = labellingv1.ThresholdUnit_THRESHOLD_UNIT_VISITS
)

// world has three platforms (PEMR P1, PCOM P2, P3 of unknown kind), the filière F1, the
// network N1 and the sites S1 and S2 of centres in it. PEMR have the mission "training",
// and from 2025 "bndmr" besides; PCOM have "evacuation". The period T1 is 2025 and open,
// T0 is 2024 and closed.
type world struct {
	t testing.TB
	States
	at    uint64
	actor string
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, States: States{new(State), new(labelling.State), new(topology.State)}, actor: "platform"}
	for i, kind := range []topologyv1.PlatformKind{topologyv1.PlatformKind_PLATFORM_KIND_PEMR, topologyv1.PlatformKind_PLATFORM_KIND_PCOM, 0} {
		w.topology(topology.RegisterPlatform(w.Topology, fmt.Sprint("P", i+1), &topologyv1.RegisterPlatformRequest{Basis: source, Name: "P", Kind: kind}))
	}
	w.topology(topology.RegisterPlan(w.Topology, "A", &topologyv1.RegisterPlanRequest{Basis: source, Code: "PNMR4", Name: "Plan", Axes: []*topologyv1.Axis{{Code: "1", Title: "One"}, {Code: "2", Title: "Two"}}}))
	w.topology(topology.RegisterPlan(w.Topology, "B", &topologyv1.RegisterPlanRequest{Basis: source, Code: "PNMR1", Name: "Axes unknown"}))
	w.topology(topology.RegisterFiliere(w.Topology, "F1", &topologyv1.RegisterFiliereRequest{Basis: source, Acronym: "F1"}))
	w.topology(topology.RegisterNetwork(w.Topology, "N1", &topologyv1.RegisterNetworkRequest{Basis: source, Title: "N1"}))
	for i := range 2 {
		centre := fmt.Sprint("C", i+1)
		w.topology(topology.RegisterCentre(w.Topology, centre, &topologyv1.RegisterCentreRequest{Basis: source, Name: centre}))
		w.labelling(labelling.GrantLabel(w.Labelling, w.Topology, labelling.IDs{Label: fmt.Sprint("L", i+1), Site: fmt.Sprint("S", i+1)}, &labellingv1.GrantLabelRequest{
			Basis: source, Grant: &labellingv1.Grant{
				Holder: &labellingv1.Grant_Site{Site: &labellingv1.SiteRef{CentreId: centre, NetworkId: "N1"}},
				Role:   labellingv1.Role_ROLE_COMPETENCE, Period: &eventv1.Period{Start: "2023-12-26"},
			},
		}, nil))
	}
	w.do(missions(pemr, "", "training"))
	w.do(missions(pemr, "2025", "training", "bndmr"))
	w.do(missions(pcom, "2020", "evacuation"))
	w.do(open("T1", "2025", year("2025"), asked()...))
	w.do(open("T0", "2024", year("2024"), asked()...))
	w.do(closing("T0", "2025-06-30"))
	return w
}

func (w *world) topology(events []*topologyv1.Event, err error) {
	w.t.Helper()
	for _, e := range events {
		w.at++
		e.Meta.Schema = 1
		err = errors.Join(err, w.Topology.Evolve(w.at, e))
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) labelling(events []*labellingv1.Event, err error) {
	w.t.Helper()
	for _, e := range events {
		w.at++
		e.Meta.Schema = 1
		err = errors.Join(err, w.Labelling.Evolve(w.at, e))
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// do decides and appends, and returns what was appended.
func (w *world) do(decide decision) []*activityv1.Event {
	w.t.Helper()
	events, err := decide(w.States)
	if err != nil {
		w.t.Fatal(err)
	}
	w.append(events)
	return events
}

func (w *world) append(events []*activityv1.Event) {
	w.t.Helper()
	for i, e := range events {
		w.at++
		e.Meta.Schema, e.Meta.Actor, e.Meta.CommitIndex, e.Meta.CommitSize = 1, &eventv1.Actor{Account: w.actor}, uint32(i), uint32(len(events))
		if err := w.Activity.Evolve(w.at, e); err != nil {
			w.t.Fatal(err)
		}
	}
}

type decision func(States) ([]*activityv1.Event, error)

func mission(codes ...string) (out []*activityv1.Mission) {
	for _, c := range codes {
		out = append(out, &activityv1.Mission{Code: c, Title: "Mission " + c})
	}
	return out
}

func missions(a activityv1.Audience, from string, codes ...string) decision {
	return func(w States) ([]*activityv1.Event, error) {
		return StateMissions(w, &activityv1.StateMissionsRequest{Basis: source, Audience: a, ValidFrom: from, Missions: mission(codes...)})
	}
}

func year(y string) *eventv1.Period {
	next := map[string]string{"2024": "2025-01-01", "2025": "2026-01-01", "2026": "2027-01-01"}
	return &eventv1.Period{Start: y + "-01-01", End: next[y]}
}

func ask(code string, is activityv1.ValueType, of ...activityv1.Audience) *activityv1.Indicator {
	return &activityv1.Indicator{Code: code, Title: "How many " + code, Type: is, Audiences: of}
}

// asked is what the periods of the world ask.
func asked() []*activityv1.Indicator {
	return []*activityv1.Indicator{
		{Code: "trainings", Title: "Trainings held", Type: activityv1.ValueType_VALUE_TYPE_COUNT, Audiences: []activityv1.Audience{pemr}, Required: true, MissionCode: "training"},
		ask("fte", activityv1.ValueType_VALUE_TYPE_QUANTITY, pemr, pcom, sites),
		ask("budget", activityv1.ValueType_VALUE_TYPE_EUROS, pemr, pcom),
		ask("desk", activityv1.ValueType_VALUE_TYPE_FLAG, pemr, pcom),
		ask("events", activityv1.ValueType_VALUE_TYPE_TEXT, pemr, pcom, sites),
	}
}

func open(id, code string, span *eventv1.Period, indicators ...*activityv1.Indicator) decision {
	return func(w States) ([]*activityv1.Event, error) {
		return OpenPeriod(w, id, &activityv1.OpenPeriodRequest{Basis: source, Code: code, Span: span, Indicators: indicators})
	}
}

func due(date string) decision {
	return func(w States) ([]*activityv1.Event, error) {
		return OpenPeriod(w, "X", &activityv1.OpenPeriodRequest{Basis: source, Code: "2026", Span: year("2026"), DueDate: date, Indicators: asked()})
	}
}

func indicators(period string, all ...*activityv1.Indicator) decision {
	return func(w States) ([]*activityv1.Event, error) {
		return StateIndicators(w, &activityv1.StateIndicatorsRequest{Basis: source, PeriodId: period, Indicators: all})
	}
}

func closing(period, day string) decision {
	return func(w States) ([]*activityv1.Event, error) {
		return ClosePeriod(w, &activityv1.ClosePeriodRequest{Basis: source, PeriodId: period, ClosedDate: day})
	}
}

func reopen(period string) decision {
	return func(w States) ([]*activityv1.Event, error) {
		return ReopenPeriod(w, &activityv1.ReopenPeriodRequest{Basis: source, PeriodId: period})
	}
}

func platform(id string) *labellingv1.Holder {
	return &labellingv1.Holder{Holder: &labellingv1.Holder_PlatformId{PlatformId: id}}
}

func site(id string) *labellingv1.Holder {
	return &labellingv1.Holder{Holder: &labellingv1.Holder_Site{Site: &labellingv1.Site{SiteId: id}}}
}

func network(id string) *labellingv1.Holder {
	return &labellingv1.Holder{Holder: &labellingv1.Holder_NetworkId{NetworkId: id}}
}

func filiere(id string) *labellingv1.Holder {
	return &labellingv1.Holder{Holder: &labellingv1.Holder_FiliereId{FiliereId: id}}
}

func count(code string, n uint64) *activityv1.Value {
	return &activityv1.Value{IndicatorCode: code, Value: &activityv1.Value_Count{Count: n}}
}

func text(code, s string) *activityv1.Value {
	return &activityv1.Value{IndicatorCode: code, Value: &activityv1.Value_Text{Text: s}}
}

func submit(id, period string, by *labellingv1.Holder, values ...*activityv1.Value) decision {
	return func(w States) ([]*activityv1.Event, error) {
		return SubmitReport(w, id, &activityv1.SubmitReportRequest{Basis: source, PeriodId: period, Reporter: by, Values: values})
	}
}

func amend(id string, revision uint32, values ...*activityv1.Value) decision {
	return func(w States) ([]*activityv1.Event, error) {
		return AmendReport(w, &activityv1.AmendReportRequest{Basis: source, ReportId: id, Revision: revision, Values: values, Reason: "counted twice"})
	}
}

func validate(id string, revision uint32) decision {
	return func(w States) ([]*activityv1.Event, error) {
		return ValidateReport(w, &activityv1.ValidateReportRequest{Basis: source, ReportId: id, Revision: revision})
	}
}

func sendBack(id string, revision uint32) decision {
	return func(w States) ([]*activityv1.Event, error) {
		return ReturnReport(w, &activityv1.ReturnReportRequest{Basis: source, ReportId: id, Revision: revision, Reason: "no hours"})
	}
}

func record(id string, r *activityv1.RecordUndertakingRequest) decision {
	return func(w States) ([]*activityv1.Event, error) {
		r.Basis, r.Kind, r.Title = source, activityv1.UndertakingKind_UNDERTAKING_KIND_TRAINING, "Study day"
		return RecordUndertaking(w, id, r)
	}
}

func revise(id, title string) decision {
	return func(w States) ([]*activityv1.Event, error) {
		return ReviseUndertaking(w, &activityv1.ReviseUndertakingRequest{
			Basis: source, UndertakingId: id, Kind: activityv1.UndertakingKind_UNDERTAKING_KIND_TRAINING, Title: title, Holder: platform("P1"),
		})
	}
}

func cancel(id string) decision {
	return func(w States) ([]*activityv1.Event, error) {
		return CancelUndertaking(w, &activityv1.CancelUndertakingRequest{Basis: source, UndertakingId: id, Reason: "no hall"})
	}
}

func measure(site string, year uint32, unit labellingv1.ThresholdUnit, n uint32) *activityv1.Measure {
	return &activityv1.Measure{SiteId: site, Year: year, Unit: unit, Count: n}
}

func measures(all ...*activityv1.Measure) decision {
	return func(w States) ([]*activityv1.Event, error) {
		return RecordMeasures(w, &activityv1.RecordMeasuresRequest{Basis: source, Measures: all})
	}
}

func withdraw(site string, year uint32, unit labellingv1.ThresholdUnit) decision {
	return func(w States) ([]*activityv1.Event, error) {
		return WithdrawMeasure(w, &activityv1.WithdrawMeasureRequest{Basis: source, SiteId: site, Year: year, Unit: unit})
	}
}

func unfounded(b *eventv1.Basis) decision {
	return func(w States) ([]*activityv1.Event, error) {
		return ReopenPeriod(w, &activityv1.ReopenPeriodRequest{Basis: b, PeriodId: "T0"})
	}
}

// changed is what is asked with one indicator otherwise.
func changed(code string, edit func(*activityv1.Indicator)) []*activityv1.Indicator {
	all := asked()
	for _, x := range all {
		if x.GetCode() == code {
			edit(x)
		}
	}
	return all
}

func axis(plan, code string) *activityv1.AxisCited {
	return &activityv1.AxisCited{PlanId: plan, AxisCode: code}
}

func TestRefusals(t *testing.T) {
	reported := []decision{submit("R1", "T1", platform("P1"), count("trainings", 12))}
	validated := append(slices.Clone(reported), validate("R1", 1))
	returned := append(slices.Clone(reported), sendBack("R1", 1))
	undertaken := []decision{record("U1", &activityv1.RecordUndertakingRequest{Holder: platform("P1")})}
	measured := []decision{measures(measure("S1", 2025, patients, 30))}
	for _, c := range []struct {
		name  string
		given []decision
		when  decision
		want  string // reason and field
	}{
		{"no basis", nil, unfounded(nil), "BASIS_MISSING basis"},
		{"an act that is not recorded", nil, unfounded(&eventv1.Basis{ActId: "X"}), "BASIS_ACT_UNKNOWN basis.act_id"},
		{"missions from no day", nil, missions(pemr, "2023-02-30", "a"), "DATE_INVALID valid_from"},
		{"a mission twice", nil, missions(pemr, "2023", "a", "b", "a"), "CODE_TWICE missions[2].code"},
		{"the missions it has", nil, missions(pemr, "2025", "training", "bndmr"), "MISSIONS_UNCHANGED missions"},
		{"the missions it has since ever", nil, missions(pemr, "2024-07", "training"), "MISSIONS_UNCHANGED missions"},
		{"a period from a year on", nil, open("X", "2026", &eventv1.Period{Start: "2026", End: "2027-01-01"}, asked()...), "DATE_INVALID span.start"},
		{"a period without end", nil, open("X", "2026", &eventv1.Period{Start: "2026-01-01"}, asked()...), "DATE_INVALID span.end"},
		{"a period that ends as it begins", nil, open("X", "2026", &eventv1.Period{Start: "2026-01-01", End: "2026-01-01"}, asked()...), "PERIOD_EMPTY span.end"},
		{"the code of a closed period", nil, open("X", "2024", year("2024"), asked()...), "PERIOD_CODE_TAKEN code"},
		{"the id of a site", nil, open("S1", "2026", year("2026"), asked()...), "ID_TAKEN"},
		{"the id of a platform", nil, open("P1", "2026", year("2026"), asked()...), "ID_TAKEN"},
		{"due on no day", nil, due("2026-02-30"), "DATE_INVALID due_date"},
		{"due before it begins", nil, due("2025-12-31"), "DUE_BEFORE_START due_date"},
		{"an indicator twice", nil, open("X", "2026", year("2026"), append(asked(), asked()[1])...), "CODE_TWICE indicators[5].code"},
		{
			"an indicator for no mission", nil,
			open("X", "2026", year("2026"), changed("fte", func(x *activityv1.Indicator) { x.MissionCode = "training" })...), "MISSION_UNKNOWN indicators[1].mission_code",
		},
		{
			"an indicator for a mission to come", nil, // PEMR have it from 2025 on
			open("X", "2023", &eventv1.Period{Start: "2024-01-01", End: "2025-01-01"}, changed("trainings", func(x *activityv1.Indicator) { x.MissionCode = "bndmr" })...), "MISSION_UNKNOWN indicators[0].mission_code",
		},
		{"what an unknown period asks", nil, indicators("X", asked()...), "PERIOD_UNKNOWN period_id"},
		{"what a closed period asks", nil, indicators("T0", asked()...), "PERIOD_CLOSED period_id"},
		{"what it asks already", nil, indicators("T1", asked()...), "INDICATORS_UNCHANGED indicators"},
		{"an indicator asked twice", nil, indicators("T1", append(asked(), asked()[0])...), "CODE_TWICE indicators[5].code"},
		{"dropping what is reported", reported, indicators("T1", asked()[1:]...), "INDICATOR_USED indicators"},
		{"another type of what is reported", reported, indicators("T1", changed("trainings", func(x *activityv1.Indicator) { x.Type = activityv1.ValueType_VALUE_TYPE_TEXT })...), "INDICATOR_USED indicators"},
		{"another unit of what is reported", reported, indicators("T1", changed("trainings", func(x *activityv1.Indicator) { x.Unit = "days" })...), "INDICATOR_USED indicators"},
		{
			"not asking who reported", reported,
			indicators("T1", changed("trainings", func(x *activityv1.Indicator) { x.Audiences, x.MissionCode = []activityv1.Audience{pcom}, "" })...), "INDICATOR_USED indicators",
		},
		{"close an unknown period", nil, closing("X", "2026-06-30"), "PERIOD_UNKNOWN period_id"},
		{"close on no day", nil, closing("T1", "2026-02-30"), "DATE_INVALID closed_date"},
		{"close before it begins", nil, closing("T1", "2024-12-31"), "CLOSED_BEFORE_START closed_date"},
		{"close twice", nil, closing("T0", "2026-06-30"), "PERIOD_CLOSED period_id"},
		{"reopen an unknown period", nil, reopen("X"), "PERIOD_UNKNOWN period_id"},
		{"reopen an open period", nil, reopen("T1"), "PERIOD_OPEN period_id"},
		{"report of an unknown period", nil, submit("X", "X", platform("P1")), "PERIOD_UNKNOWN period_id"},
		{"report of a closed period", nil, submit("X", "T0", platform("P1"), count("trainings", 1)), "PERIOD_CLOSED period_id"},
		{"an unknown platform reports", nil, submit("X", "T1", platform("X")), "PLATFORM_UNKNOWN reporter.platform_id"},
		{"a platform of no kind reports", nil, submit("X", "T1", platform("P3")), "REPORTER_KIND reporter.platform_id"},
		{"an unknown site reports", nil, submit("X", "T1", site("X")), "SITE_UNKNOWN reporter.site.site_id"},
		{
			"a site reports as of another centre", nil,
			submit("X", "T1", &labellingv1.Holder{Holder: &labellingv1.Holder_Site{Site: &labellingv1.Site{SiteId: "S1", CentreId: "C2"}}}), "SITE_UNKNOWN reporter.site.site_id",
		},
		{"a network reports", nil, submit("X", "T1", network("N1")), "REPORTER_KIND reporter"},
		{"nobody reports", nil, submit("X", "T1", nil), "REPORTER_KIND reporter"},
		{"report under an id that is taken", nil, submit("T0", "T1", platform("P1"), count("trainings", 1)), "ID_TAKEN"},
		{"report twice", reported, submit("X", "T1", platform("P1"), count("trainings", 13)), "REPORT_PENDING period_id"},
		{"report what is validated", validated, submit("X", "T1", platform("P1"), count("trainings", 13)), "REPORT_VALIDATED period_id"},
		{"a value of no indicator", nil, submit("X", "T1", platform("P1"), count("trainings", 1), count("x", 1)), "INDICATOR_UNKNOWN values[1]"},
		{"a value not asked", nil, submit("X", "T1", site("S1"), count("trainings", 1)), "INDICATOR_NOT_ASKED values[0]"},
		{"a value of another type", nil, submit("X", "T1", platform("P1"), text("trainings", "twelve")), "VALUE_TYPE values[0]"},
		{"no value", nil, submit("X", "T1", platform("P1"), &activityv1.Value{IndicatorCode: "trainings", Note: "later"}), "VALUE_MISSING values[0]"},
		{"an empty text", nil, submit("X", "T1", site("S1"), text("events", "")), "VALUE_MISSING values[0]"},
		{"a value twice", nil, submit("X", "T1", platform("P1"), count("trainings", 1), count("trainings", 1)), "VALUE_TWICE values[1]"},
		{"a required value left out", nil, submit("X", "T1", platform("P1"), text("events", "none")), "INDICATOR_REQUIRED values"},
		{"amend an unknown report", nil, amend("X", 1), "REPORT_UNKNOWN report_id"},
		{"amend what was never validated", returned, amend("R1", 1, count("trainings", 13)), "REPORT_NOT_VALIDATED report_id"},
		{"amend another revision", validated, amend("R1", 2, count("trainings", 13)), "REVISION_STALE revision"},
		{"amend nothing", validated, amend("R1", 1, count("trainings", 12)), "VALUES_UNCHANGED values"},
		{"amend by nothing", validated, amend("R1", 1), "INDICATOR_REQUIRED values"},
		{"amend twice", append(slices.Clone(validated), amend("R1", 1, count("trainings", 13))), amend("R1", 2, count("trainings", 14)), "REPORT_PENDING report_id"},
		{"validate an unknown report", nil, validate("X", 1), "REPORT_UNKNOWN report_id"},
		{"validate twice", validated, validate("R1", 1), "REPORT_VALIDATED report_id"},
		{"validate what was sent back", returned, validate("R1", 1), "REPORT_RETURNED report_id"},
		{"validate an old revision", append(slices.Clone(returned), submit("X", "T1", platform("P1"), count("trainings", 13))), validate("R1", 1), "REVISION_STALE revision"},
		{"send back an old revision", append(slices.Clone(validated), amend("R1", 1, count("trainings", 13))), sendBack("R1", 1), "REVISION_STALE revision"},
		{"send back what is validated", validated, sendBack("R1", 1), "REPORT_VALIDATED report_id"},
		{"an undertaking of nobody", nil, record("X", &activityv1.RecordUndertakingRequest{Holder: &labellingv1.Holder{}}), "HOLDER_UNKNOWN holder"},
		{"an undertaking of an unknown network", nil, record("X", &activityv1.RecordUndertakingRequest{Holder: network("N9")}), "HOLDER_UNKNOWN holder"},
		{"an undertaking of an unknown filière", nil, record("X", &activityv1.RecordUndertakingRequest{Holder: filiere("F9")}), "HOLDER_UNKNOWN holder"},
		{"an undertaking of an unknown site", nil, record("X", &activityv1.RecordUndertakingRequest{Holder: site("S9")}), "SITE_UNKNOWN holder.site.site_id"},
		{"an undertaking on no day", nil, record("X", &activityv1.RecordUndertakingRequest{Holder: site("S1"), Span: &eventv1.Period{Start: "2025-13"}}), "DATE_INVALID span.start"},
		{"an undertaking that ends before", nil, record("X", &activityv1.RecordUndertakingRequest{Holder: site("S1"), Span: &eventv1.Period{Start: "2025", End: "2024"}}), "PERIOD_EMPTY span.end"},
		{"a mission of others", nil, record("X", &activityv1.RecordUndertakingRequest{Holder: platform("P2"), MissionCodes: []string{"training"}}), "MISSION_UNKNOWN mission_codes[0]"},
		{
			"a mission to come", nil,
			record("X", &activityv1.RecordUndertakingRequest{Holder: platform("P1"), Span: &eventv1.Period{Start: "2024-12"}, MissionCodes: []string{"training", "bndmr"}}), "MISSION_UNKNOWN mission_codes[1]",
		},
		{
			"a mission that is past",
			[]decision{missions(pemr, "2026", "bndmr")},
			record("X", &activityv1.RecordUndertakingRequest{Holder: platform("P1"), Span: &eventv1.Period{Start: "2026-01-01"}, MissionCodes: []string{"training"}}), "MISSION_UNKNOWN mission_codes[0]",
		},
		{"a mission of a filière", nil, record("X", &activityv1.RecordUndertakingRequest{Holder: filiere("F1"), MissionCodes: []string{"training"}}), "MISSION_UNKNOWN mission_codes[0]"},
		{"a mission served twice", nil, record("X", &activityv1.RecordUndertakingRequest{Holder: platform("P1"), MissionCodes: []string{"training", "training"}}), "CODE_TWICE mission_codes[1]"},
		{"an axis of no plan", nil, record("X", &activityv1.RecordUndertakingRequest{Holder: site("S1"), Axes: []*activityv1.AxisCited{axis("B", "7"), axis("P1", "1")}}), "PLAN_UNKNOWN axes[1].plan_id"},
		{"an axis that its plan lacks", nil, record("X", &activityv1.RecordUndertakingRequest{Holder: site("S1"), Axes: []*activityv1.AxisCited{axis("A", "3")}}), "AXIS_UNKNOWN axes[0].axis_code"},
		{"an axis twice", nil, record("X", &activityv1.RecordUndertakingRequest{Holder: site("S1"), Axes: []*activityv1.AxisCited{axis("A", "1"), axis("A", "2"), axis("A", "1")}}), "AXIS_TWICE axes[2]"},
		{"an undertaking's id taken", undertaken, record("U1", &activityv1.RecordUndertakingRequest{Holder: site("S1")}), "ID_TAKEN"},
		{"revise an unknown undertaking", nil, revise("X", "x"), "UNDERTAKING_UNKNOWN undertaking_id"},
		{"revise nothing", undertaken, revise("U1", "Study day"), "UNDERTAKING_UNCHANGED"},
		{"revise what came to nothing", append(slices.Clone(undertaken), cancel("U1")), revise("U1", "x"), "UNDERTAKING_CANCELLED undertaking_id"},
		{"cancel an unknown undertaking", nil, cancel("X"), "UNDERTAKING_UNKNOWN undertaking_id"},
		{"cancel twice", append(slices.Clone(undertaken), cancel("U1")), cancel("U1"), "UNDERTAKING_CANCELLED undertaking_id"},
		{"a measure of an unknown site", nil, measures(measure("S1", 2025, patients, 3), measure("X", 2025, patients, 3)), "SITE_UNKNOWN measures[1].site_id"},
		{"a measure twice", nil, measures(measure("S1", 2025, patients, 3), measure("S1", 2025, visits, 3), measure("S1", 2025, patients, 4)), "MEASURE_TWICE measures[2]"},
		{"the measures it has", measured, measures(measure("S1", 2025, patients, 30)), "MEASURES_UNCHANGED measures"},
		{"withdraw what was not measured", measured, withdraw("S1", 2025, visits), "MEASURE_UNKNOWN site_id"},
		{"withdraw twice", append(slices.Clone(measured), withdraw("S1", 2025, patients)), withdraw("S1", 2025, patients), "MEASURE_UNKNOWN site_id"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			for _, d := range c.given {
				w.do(d)
			}
			before := dump(t, w.Activity)
			events, err := c.when(w.States)
			f, is := errors.AsType[*fault.Error](err)
			if !is {
				t.Fatalf("decided %v with error %v, want refusal %s", events, err, c.want)
			}
			if got := strings.TrimSpace(f.Reason + " " + f.Field); got != c.want {
				t.Errorf("refused with %q, want %q", got, c.want)
			}
			if strings.HasPrefix(c.want, "INDICATOR_REQUIRED") && !strings.Contains(f.Message, "trainings") {
				t.Errorf("%q does not name the indicator", f.Message)
			}
			if dump(t, w.Activity) != before {
				t.Error("the decision changed the state")
			}
		})
	}
}

// What was stated of later days stays where earlier ones are stated late.
func TestMissionsAreVersioned(t *testing.T) {
	w := newWorld(t)
	known := w.at
	w.do(missions(pemr, "2020-03-01", "training", "visibility"))
	for day, want := range map[string]string{"2020-02-29": "training", "2020-03-01": "training visibility", "2024-12-31": "training visibility", "2025-01-01": "training bndmr"} {
		set, _ := w.Activity.MissionsAt(pemr, date(t, day), bitemporal.Latest)
		var codes []string
		for _, m := range set.GetMissions() {
			codes = append(codes, m.GetCode())
		}
		if got := strings.Join(codes, " "); got != want {
			t.Errorf("on %s PEMR have %q, want %q", day, got, want)
		}
	}
	if set, _ := w.Activity.MissionsAt(pemr, date(t, "2022-01-01"), known); len(set.GetMissions()) != 1 {
		t.Errorf("as known before, PEMR have %v", set)
	}
	if set, ok := w.Activity.MissionsAt(sites, date(t, "2022-01-01"), bitemporal.Latest); ok {
		t.Errorf("sites have %v", set)
	}
}

func date(t testing.TB, s string) bitemporal.Date {
	t.Helper()
	d, err := bitemporal.ParseDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A report has one id and revisions from 1, each frozen to the position before it.
func TestReportGoesOn(t *testing.T) {
	w := newWorld(t)
	values := []*activityv1.Value{text("events", "open day"), count("trainings", 12)}
	for i, step := range []struct {
		when     decision
		revision uint32
		state    activityv1.ReportState
		reason   string
		frozen   bool // to the position before this step
		value    uint64
	}{
		{submit("R1", "T1", platform("P1"), values...), 1, submitted, "", true, 12},
		{sendBack("R1", 1), 1, returned, "no hours", false, 12},
		{submit("R9", "T1", platform("P1"), count("trainings", 13)), 2, submitted, "", true, 13},
		{validate("R1", 2), 2, validated, "", false, 13},
		{closing("T1", "2026-04-30"), 2, validated, "", false, 13},
		{amend("R1", 2, count("trainings", 14)), 3, submitted, "counted twice", true, 14},
		{sendBack("R1", 3), 3, returned, "no hours", false, 14},
		{amend("R1", 3, count("trainings", 15)), 4, submitted, "counted twice", true, 15},
		{validate("R1", 4), 4, validated, "counted twice", false, 15},
	} {
		before := w.at
		var frozen uint64
		if r, ok := w.Activity.ReportOf("T1", "P1", bitemporal.Latest); ok {
			frozen = r.GetFrozenPosition()
		}
		w.actor = fmt.Sprint("actor", i)
		w.do(step.when)
		if step.frozen {
			frozen = before
		}
		r, ok := w.Activity.ReportOf("T1", "P1", bitemporal.Latest)
		if !ok || r.GetReportId() != "R1" || r.GetRevision() != step.revision || r.GetState() != step.state || r.GetReason() != step.reason || r.GetFrozenPosition() != frozen {
			t.Errorf("after step %d the report is %v, want revision %d, %v, %q, frozen at %d", i, r, step.revision, step.state, step.reason, frozen)
		}
		if got := r.GetValues()[0]; got.GetIndicatorCode() != "trainings" || got.GetCount() != step.value {
			t.Errorf("after step %d the first value is %v, want %d trainings: values stand as they are asked", i, got, step.value)
		}
		if step.frozen && r.GetSubmitter().GetAccount() != w.actor {
			t.Errorf("after step %d the submitter is %v", i, r.GetSubmitter())
		}
	}
	for revision, want := range map[uint32]uint64{1: 12, 2: 13, 3: 14, 4: 15} {
		if r, ok := w.Activity.Revision("R1", revision, bitemporal.Latest); !ok || r.GetRevision() != revision || !slices.ContainsFunc(r.GetValues(), func(v *activityv1.Value) bool { return v.GetCount() == want }) {
			t.Errorf("revision %d is %v", revision, r)
		}
	}
	if r, _ := w.Activity.Revision("R1", 1, bitemporal.Latest); r.GetState() != returned || r.GetSubmitter().GetAccount() != "actor0" {
		t.Errorf("revision 1 stood last as %v", r)
	}
	if _, ok := w.Activity.Revision("R1", 5, bitemporal.Latest); ok {
		t.Error("there is a revision 5")
	}
}

// A site reports under the id of its label's holder, whatever the caller says of it.
func TestSiteReports(t *testing.T) {
	w := newWorld(t)
	events := w.do(submit("R1", "T1", site("S2"), text("events", "open day")))
	want := &labellingv1.Site{SiteId: "S2", CentreId: "C2", NetworkId: "N1"}
	if got := events[0].GetReportSubmitted().GetReporter().GetSite(); !proto.Equal(got, want) {
		t.Errorf("reporter is %v, want %v", got, want)
	}
	w.do(submit("R2", "T1", platform("P1"), count("trainings", 1)))
	var in []string
	for r := range w.Activity.ReportsIn("T1", bitemporal.Latest) {
		in = append(in, r.GetReportId())
	}
	if !slices.Equal(in, []string{"R1", "R2"}) {
		t.Errorf("reports in the period are %q", in)
	}
	if _, ok := w.Activity.ReportOf("T1", "S2", w.at-2); ok {
		t.Error("it is known before it was submitted")
	}
}

// What no report has a value for may change while the period is open; once sent back and
// left out, what had one may go too.
func TestIndicatorsChange(t *testing.T) {
	w := newWorld(t)
	w.do(submit("R1", "T1", platform("P1"), count("trainings", 1), text("events", "x")))
	w.do(indicators("T1", append(asked(), ask("calls", activityv1.ValueType_VALUE_TYPE_COUNT, pemr))...))
	w.do(sendBack("R1", 1))
	w.do(submit("R1", "T1", platform("P1"), count("trainings", 1), count("calls", 7)))
	w.do(indicators("T1", asked()[0], ask("calls", activityv1.ValueType_VALUE_TYPE_COUNT, pemr)))
	p, ok := w.Activity.PeriodByCode("2025", bitemporal.Latest)
	if !ok || len(p.GetIndicators()) != 2 || !p.GetOpen() || len(p.GetBasis()) != 3 {
		t.Errorf("period is %v", p)
	}
	w.do(closing("T1", "2026-03-01"))
	w.do(reopen("T1"))
	if p, _ := w.Activity.PeriodByCode("2025", bitemporal.Latest); !p.GetOpen() || p.GetClosedDate() != "" {
		t.Errorf("reopened it is %v", p)
	}
}

func TestUndertakings(t *testing.T) {
	w := newWorld(t)
	w.do(record("U1", &activityv1.RecordUndertakingRequest{Holder: platform("P1"), Span: &eventv1.Period{Start: "2025"}, MissionCodes: []string{"bndmr"}, Axes: []*activityv1.AxisCited{axis("A", "1")}}))
	w.do(record("U2", &activityv1.RecordUndertakingRequest{Holder: platform("P1"), MissionCodes: []string{"bndmr"}})) // on an unknown day
	w.do(record("U3", &activityv1.RecordUndertakingRequest{Holder: filiere("F1")}))
	known := w.at
	w.do(revise("U1", "Two study days"))
	w.do(cancel("U2"))
	var got []string
	for u := range w.Activity.UndertakingsOf("P1", bitemporal.Latest) {
		got = append(got, fmt.Sprint(u.GetUndertakingId(), u.GetTitle(), u.GetCancelled(), len(u.GetBasis())))
	}
	if want := []string{"U1Two study daysfalse 2", "U2Study daytrue 2"}; !slices.Equal(got, want) {
		t.Errorf("undertakings are %q, want %q", got, want)
	}
	for u := range w.Activity.UndertakingsOf("P1", known) {
		if u.GetTitle() != "Study day" || u.GetCancelled() {
			t.Errorf("as known before, %v", u)
		}
	}
	known = w.at
	w.do(func(w States) ([]*activityv1.Event, error) {
		return ReviseUndertaking(w, &activityv1.ReviseUndertakingRequest{Basis: source, UndertakingId: "U1", Kind: 2, Title: "Study day", Holder: site("S1")})
	})
	holders := func(holder string, known uint64) (n int) {
		for u := range w.Activity.UndertakingsOf(holder, known) {
			if u.GetUndertakingId() == "U1" {
				n++
			}
		}
		return n
	}
	if holders("P1", bitemporal.Latest) != 0 || holders("P1", known) != 1 || holders("S1", bitemporal.Latest) != 1 || holders("S1", known) != 0 {
		t.Error("it is led by another since")
	}
}

// A report is frozen to the position before its commit, not before its event.
func TestFrozenBeforeTheCommit(t *testing.T) {
	w := newWorld(t)
	before := w.at
	var commit []*activityv1.Event
	for id, by := range map[string]decision{"R1": submit("R1", "T1", platform("P1"), count("trainings", 1)), "R2": submit("R2", "T1", site("S1"))} {
		events, err := by(w.States)
		if err != nil {
			t.Fatal(id, err)
		}
		commit = append(commit, events...)
	}
	w.append(commit)
	for r := range w.Activity.ReportsIn("T1", bitemporal.Latest) {
		if r.GetFrozenPosition() != before {
			t.Errorf("report %s is frozen to %d, want %d", r.GetReportId(), r.GetFrozenPosition(), before)
		}
	}
}

// Only what differs is recorded, and what was known before stays readable.
func TestMeasures(t *testing.T) {
	w := newWorld(t)
	file := []*activityv1.Measure{
		measure("S2", 2024, patients, 24), measure("S1", 2025, visits, 150), measure("S1", 2025, patients, 30), measure("S1", 2024, patients, 0),
	}
	w.do(measures(file...))
	known := w.at
	file[2].Count = 31
	events := w.do(measures(file...))
	if len(events) != 1 || events[0].GetMeasureRecorded().GetMeasure().GetCount() != 31 || Subject(events[0]) != "registry.activity.measure.S1" {
		t.Errorf("sent again it records %v", events)
	}
	for _, c := range []struct {
		year  uint32
		unit  labellingv1.ThresholdUnit
		known uint64
		want  uint32
		ok    bool
	}{
		{2025, patients, bitemporal.Latest, 31, true},
		{2025, patients, known, 30, true},
		{2025, visits, bitemporal.Latest, 150, true},
		{2024, patients, bitemporal.Latest, 0, true},
		{2023, patients, bitemporal.Latest, 0, false},
		{2024, visits, bitemporal.Latest, 0, false},
		{2025, patients, known - 4, 0, false},
	} {
		if m, ok := w.Activity.MeasureAt("S1", c.year, c.unit, c.known); ok != c.ok || m.Count != c.want {
			t.Errorf("in %d, %v, known at %d: %d, %v, want %d, %v", c.year, c.unit, c.known, m.Count, ok, c.want, c.ok)
		}
	}
	w.do(withdraw("S1", 2025, visits))
	var got []string
	for _, m := range w.Activity.MeasuresOf("S1", bitemporal.Latest) {
		got = append(got, fmt.Sprint(m.GetYear(), m.GetUnit().Number(), m.GetCount(), len(m.GetBasis())))
	}
	if want := []string{"2024 1 0 1", "2025 1 31 1"}; !slices.Equal(got, want) {
		t.Errorf("measures are %q, want %q", got, want)
	}
	if got := slices.Collect(w.Activity.MeasuredSites()); !slices.Equal(got, []string{"S2", "S1"}) {
		t.Errorf("measured sites are %q", got)
	}
	w.do(measures(measure("S1", 2025, visits, 150))) // known again
}

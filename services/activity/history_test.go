package activity

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/bitemporal"
	"maillage/services/fact"
	"maillage/services/fact/facttest"
	"maillage/services/labelling"
)

// dump writes all that was ever believed, and what the indexes lead to.
func dump(t testing.TB, s *State) string {
	t.Helper()
	all := facttest.Dump{}
	facttest.Rows(t, all, "missions", &s.Missions)
	facttest.Rows(t, all, "periods", &s.Periods)
	facttest.Rows(t, all, "reports", &s.Reports)
	facttest.Rows(t, all, "undertakings", &s.Undertakings)
	for id := range s.Measures.IDs() {
		for _, v := range s.Measures.History(id) {
			all[fmt.Sprintf("measures %s, valid %s to %s, known %d to %d", id, v.Valid.From, v.Valid.To, v.KnownFrom, v.KnownTo)] = v.Value
		}
	}
	for of, lists := range s.index.lists {
		for id, list := range lists {
			if len(*list) > 0 {
				all[fmt.Sprintf("index %d of %s", of, id)] = fmt.Sprint(*list)
			}
		}
	}
	return all.Text(t)
}

// samples has a rich event of every fact, in an order in which they fold. Encoded once
// under proto/testdata/events, an event must fold for ever: one is added, never changed.
func samples() []*activityv1.Event {
	const t1, r1, u1, p1, s1 = "T000000001", "R000000001", "U000000001", "P000000001", "S000000001"
	holder := &labellingv1.Holder{Holder: &labellingv1.Holder_Site{Site: &labellingv1.Site{SiteId: s1, CentreId: "C000000001", NetworkId: "N000000001"}}}
	asked := []*activityv1.Indicator{
		{
			Code: "trainings-hours", Heading: "Formations", Title: "Heures de formation", Definition: "Heures dispensées, sans les préparer.",
			Type: activityv1.ValueType_VALUE_TYPE_QUANTITY, Unit: "heures", MissionCode: "training", Audiences: []activityv1.Audience{pemr, sites}, Required: true,
		},
		{Code: "events", Title: "Événements", Type: activityv1.ValueType_VALUE_TYPE_TEXT, Audiences: []activityv1.Audience{pemr, pcom, sites}},
	}
	values := func(milli uint64) []*activityv1.Value {
		return []*activityv1.Value{
			{IndicatorCode: "trainings-hours", Value: &activityv1.Value_Milli{Milli: milli}, Note: "deux journées"},
			{IndicatorCode: "trainings", Value: &activityv1.Value_Count{Count: 2}},
			{IndicatorCode: "budget", Value: &activityv1.Value_Cents{Cents: 24000000}},
			{IndicatorCode: "desk", Value: &activityv1.Value_Flag{Flag: true}},
			{IndicatorCode: "events", Value: &activityv1.Value_Text{Text: "portes ouvertes"}},
		}
	}
	undertaking := func(title string) *activityv1.Undertaking {
		return &activityv1.Undertaking{
			UndertakingId: u1, Kind: activityv1.UndertakingKind_UNDERTAKING_KIND_TRAINING, Title: title, Holder: platform(p1), Span: &eventv1.Period{Start: "2025-03", End: "2026"},
			MissionCodes: []string{"training"}, Axes: []*activityv1.AxisCited{axis("A000000001", "3.2")}, Description: "Une journée par trimestre.",
		}
	}
	events := []*activityv1.Event{
		{Fact: &activityv1.Event_MissionsStated{MissionsStated: &activityv1.MissionsStated{Audience: pemr, ValidFrom: "2020-01", Missions: mission("training", "bndmr")}}},
		{Fact: &activityv1.Event_MissionsStated{MissionsStated: &activityv1.MissionsStated{Audience: pemr, Missions: mission("training")}}},
		{Fact: &activityv1.Event_PeriodOpened{PeriodOpened: &activityv1.PeriodOpened{PeriodId: t1, Code: "2025", Span: year("2025"), DueDate: "2026-03-31", Indicators: asked[:1]}}},
		{Fact: &activityv1.Event_IndicatorsStated{IndicatorsStated: &activityv1.IndicatorsStated{PeriodId: t1, Indicators: asked}}},
		{Fact: &activityv1.Event_ReportSubmitted{ReportSubmitted: &activityv1.ReportSubmitted{ReportId: r1, PeriodId: t1, Reporter: holder, Revision: 1, Values: values(14500)}}},
		{Fact: &activityv1.Event_ReportReturned{ReportReturned: &activityv1.ReportReturned{ReportId: r1, Revision: 1, Reason: "des heures manquent"}}},
		{Fact: &activityv1.Event_ReportSubmitted{ReportSubmitted: &activityv1.ReportSubmitted{ReportId: r1, PeriodId: t1, Reporter: holder, Revision: 2, Values: values(15000)}}},
		{Fact: &activityv1.Event_ReportValidated{ReportValidated: &activityv1.ReportValidated{ReportId: r1, Revision: 2}}},
		{Fact: &activityv1.Event_PeriodClosed{PeriodClosed: &activityv1.PeriodClosed{PeriodId: t1, ClosedDate: "2026-04-15"}}},
		{Fact: &activityv1.Event_ReportAmended{ReportAmended: &activityv1.ReportAmended{ReportId: r1, Revision: 3, Values: values(15250), Reason: "oubli"}}},
		{Fact: &activityv1.Event_PeriodReopened{PeriodReopened: &activityv1.PeriodReopened{PeriodId: t1}}},
		{Fact: &activityv1.Event_UndertakingRecorded{UndertakingRecorded: &activityv1.UndertakingRecorded{Undertaking: undertaking("Journée")}}},
		{Fact: &activityv1.Event_UndertakingRevised{UndertakingRevised: &activityv1.UndertakingRevised{Undertaking: undertaking("Quatre journées")}}},
		{Fact: &activityv1.Event_UndertakingCancelled{UndertakingCancelled: &activityv1.UndertakingCancelled{UndertakingId: u1, Reason: "pas de salle"}}},
		{Fact: &activityv1.Event_MeasureRecorded{MeasureRecorded: &activityv1.MeasureRecorded{Measure: measure(s1, 2025, patients, 31)}}},
		{Fact: &activityv1.Event_MeasureRecorded{MeasureRecorded: &activityv1.MeasureRecorded{Measure: measure(s1, 2025, patients, 32)}}},
		{Fact: &activityv1.Event_MeasureRecorded{MeasureRecorded: &activityv1.MeasureRecorded{Measure: measure(s1, 2024, visits, 150)}}},
		{Fact: &activityv1.Event_MeasureWithdrawn{MeasureWithdrawn: &activityv1.MeasureWithdrawn{SiteId: s1, Year: 2025, Unit: patients}}},
	}
	for i, e := range events {
		e.Meta = &eventv1.Meta{
			Schema: 1, RecordTime: &timestamppb.Timestamp{Seconds: 1795000000 + int64(i)},
			Actor:     &eventv1.Actor{Account: "account1", Role: "officer", Assurance: eventv1.Assurance_ASSURANCE_DEVELOPMENT},
			RequestId: fmt.Sprintf("request-%d", i), RequestDigest: []byte("digest"), CommitSize: 1,
			Basis: &eventv1.Basis{
				ActId: "ACT0000001", ActLine: uint32(i), Source: "example.org", Evidence: eventv1.Evidence_EVIDENCE_STATED, SeenDate: "2026-11", Note: "page 1",
			},
		}
	}
	events[7].Meta.Approver = &eventv1.Actor{Account: "account2", Role: "officer"}
	return events
}

// Every fact the contract has must have a sample, and every sample ever written must
// fold, to the same state.
func TestSamplesFold(t *testing.T) {
	s := new(State)
	facttest.Fold(t, samples(), s.Evolve, Subject, func() string { return dump(t, s) })
}

// An event this binary cannot read whole, or that does not fit, is refused, and nothing
// changes.
func TestEvolveRefuses(t *testing.T) {
	extra := protowire.AppendVarint(protowire.AppendTag(nil, 4000, protowire.VarintType), 1)
	as := func(sample int, edit func(*activityv1.Event)) func(*activityv1.Event) {
		return func(e *activityv1.Event) {
			e.Fact = samples()[sample].GetFact()
			if edit != nil {
				edit(e)
			}
		}
	}
	for name, edit := range map[string]func(*activityv1.Event){
		"no meta":                  func(e *activityv1.Event) { e.Meta = nil },
		"higher schema":            func(e *activityv1.Event) { e.Meta.Schema = 2 },
		"no fact":                  func(e *activityv1.Event) { e.Fact = nil },
		"unknown fact":             func(e *activityv1.Event) { e.Fact = nil; e.ProtoReflect().SetUnknown(extra) },
		"unknown field of fact":    func(e *activityv1.Event) { e.GetReportSubmitted().ProtoReflect().SetUnknown(extra) },
		"unknown field of value":   func(e *activityv1.Event) { e.GetReportSubmitted().GetValues()[0].ProtoReflect().SetUnknown(extra) },
		"unknown audience":         as(0, func(e *activityv1.Event) { e.GetMissionsStated().Audience = 77 }),
		"unknown unit":             as(14, func(e *activityv1.Event) { e.GetMeasureRecorded().GetMeasure().Unit = 77 }),
		"missions of nobody":       as(0, func(e *activityv1.Event) { e.GetMissionsStated().Audience = 0 }),
		"missions from no day":     as(0, func(e *activityv1.Event) { e.GetMissionsStated().ValidFrom = "x" }),
		"a period that is there":   as(2, nil),
		"a period without an id":   as(2, func(e *activityv1.Event) { e.GetPeriodOpened().PeriodId = "" }),
		"a period on no day":       as(2, func(e *activityv1.Event) { e.GetPeriodOpened().PeriodId, e.GetPeriodOpened().Span.End = "X", "x" }),
		"a period that is not":     as(10, func(e *activityv1.Event) { e.GetPeriodReopened().PeriodId = "X" }),
		"closed on no day":         as(8, func(e *activityv1.Event) { e.GetPeriodClosed().ClosedDate = "2026" }),
		"a report of no period":    func(e *activityv1.Event) { e.GetReportSubmitted().PeriodId = "X" },
		"a report of nobody":       func(e *activityv1.Event) { e.GetReportSubmitted().Reporter = nil },
		"a report without an id":   func(e *activityv1.Event) { e.GetReportSubmitted().ReportId = "" },
		"a first revision of 2":    func(e *activityv1.Event) { e.GetReportSubmitted().Revision = 2 },
		"a report that is not":     as(9, nil),
		"the validation of none":   as(7, nil),
		"an undertaking unnamed":   as(11, func(e *activityv1.Event) { e.GetUndertakingRecorded().Undertaking = nil }),
		"an undertaking on no day": as(11, func(e *activityv1.Event) { e.GetUndertakingRecorded().Undertaking.Span.Start = "x" }),
		"a revision of none":       as(12, nil),
		"the end of none":          as(13, nil),
		"a measure of no site":     as(14, func(e *activityv1.Event) { e.GetMeasureRecorded().Measure.SiteId = "" }),
		"a measure of no unit":     as(14, func(e *activityv1.Event) { e.GetMeasureRecorded().Measure.Unit = 0 }),
		"a measure of no year":     as(14, func(e *activityv1.Event) { e.GetMeasureRecorded().Measure.Year = 0 }),
		"a withdrawal of none":     as(17, nil),
	} {
		t.Run(name, func(t *testing.T) {
			s := new(State)
			for i, e := range samples()[:4] {
				if err := s.Evolve(uint64(i+1), e); err != nil {
					t.Fatal(err)
				}
			}
			before := dump(t, s)
			e := samples()[4]
			edit(e)
			err := s.Evolve(5, e)
			if err == nil {
				t.Fatal("not refused")
			}
			if strings.HasPrefix(name, "unknown") && !errors.Is(err, fact.ErrUnreadable) {
				t.Errorf("error is %v, want one that is ErrUnreadable", err)
			}
			if name == "higher schema" && !strings.Contains(err.Error(), "schema 2") {
				t.Errorf("error %q does not say which schema wrote it", err)
			}
			if dump(t, s) != before {
				t.Error("the state changed")
			}
		})
	}
}

// A platform has one report of a period, whatever id another one has.
func TestEvolveRefusesASecondReport(t *testing.T) {
	s := new(State)
	for i, e := range samples()[:6] {
		if err := s.Evolve(uint64(i+1), e); err != nil {
			t.Fatal(err)
		}
	}
	e := samples()[6]
	e.GetReportSubmitted().ReportId = "R000000002"
	if err := s.Evolve(7, e); !errors.Is(err, errUnfit) {
		t.Errorf("error is %v", err)
	}
}

// The bases of a file are one.
func TestMeasuresShareTheirBasis(t *testing.T) {
	w := newWorld(t)
	for i := range 3 {
		b := proto.CloneOf(source)
		b.Note = fmt.Sprint(i / 2)
		w.append([]*activityv1.Event{{
			Meta: &eventv1.Meta{Basis: b}, Fact: &activityv1.Event_MeasureRecorded{MeasureRecorded: &activityv1.MeasureRecorded{Measure: measure("S1", uint32(2020+i), patients, 1)}},
		}})
	}
	of := func(year uint32) *eventv1.Basis {
		m, _ := w.Activity.MeasureAt("S1", year, patients, bitemporal.Latest)
		return m.Basis
	}
	if of(2020) != of(2021) || of(2022) == of(2021) || of(2022).GetNote() != "1" {
		t.Errorf("bases are %p, %p, %p", of(2020), of(2021), of(2022))
	}
}

// step takes one random decision and appends what it decides, if it is not refused.
func step(rt *rapid.T, w *world) {
	draw := func(from ...string) string { return rapid.SampledFrom(from).Draw(rt, "value") }
	number := func() uint64 { return rapid.Uint64Range(0, 3).Draw(rt, "number") }
	id, period, who, s := draw("R1", "R2", "R3"), draw("T0", "T1", "T2"), platform(draw("P1", "P2")), draw("S1", "S2")
	revision := uint32(rapid.IntRange(1, 3).Draw(rt, "revision"))
	values := []*activityv1.Value{text("events", draw("a", "b"))}
	if labelling.HolderID(who) == "P1" {
		values = append(values, count("trainings", number()))
	}
	decisions := []decision{
		missions(activityv1.Audience(1+number()%3), draw("", "2020", "2022-05", "2025"), draw("training", "bndmr"), "visibility"),
		open("T2", "2026", year("2026"), asked()...), indicators(period, asked()[:2+number()]...), closing(period, "2026-06-30"), reopen(period),
		submit(id, period, who, values...), submit(id, period, who, values...), amend(id, revision, values...), validate(id, revision), sendBack(id, revision),
		record(draw("U1", "U2"), &activityv1.RecordUndertakingRequest{Holder: who}), revise(draw("U1", "U2"), draw("a", "b")), cancel(draw("U1", "U2")),
		measures(measure(s, uint32(2024+number()), patients, uint32(number())), measure(s, 2024, visits, uint32(number()))), withdraw(s, 2024, visits),
	}
	if events, err := rapid.SampledFrom(decisions).Draw(rt, "decision")(w.States); err == nil {
		w.append(events)
	}
}

// answers is what is answered as known at a position.
func answers(s *State, known uint64) string {
	var b strings.Builder
	for _, a := range []activityv1.Audience{pemr, pcom, sites} {
		for _, on := range []bitemporal.Date{15000, 18500, 19500, 20500} {
			set, _ := s.MissionsAt(a, on, known)
			fmt.Fprintln(&b, a, on, set)
		}
	}
	for _, code := range []string{"2024", "2025", "2026"} {
		p, _ := s.PeriodByCode(code, known)
		fmt.Fprintln(&b, p)
		for r := range s.ReportsIn(p.GetPeriodId(), known) {
			for revision := range r.GetRevision() {
				was, _ := s.Revision(r.GetReportId(), revision+1, known)
				fmt.Fprintln(&b, was)
			}
		}
	}
	for u := range s.UndertakingsOf("P1", known) {
		fmt.Fprintln(&b, u)
	}
	fmt.Fprintln(&b, s.MeasuresOf("S1", known), s.MeasuresOf("S2", known))
	return strings.ReplaceAll(b.String(), "  ", " ") // protobuf's text has spaces at random
}

// What was answered as known at a position is answered for ever.
func TestAnswersNeverChange(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		told := map[uint64]string{}
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			step(rt, w)
			told[w.at] = answers(w.Activity, w.at)
		}
		for known, want := range told {
			if got := answers(w.Activity, known); got != want {
				rt.Fatalf("as known at %d:\n%s\nwas\n%s", known, got, want)
			}
		}
	})
}

// Rolled back, the state is as if what followed had never been, and goes on so.
func TestRollback(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(0, 15).Draw(rt, "steps") {
			step(rt, w)
		}
		at, was := w.at, dump(t, w.Activity)
		settle := rapid.IntRange(0, 2).Draw(rt, "settle")
		if settle > 0 {
			w.Activity.Settle(at)
		}
		for range rapid.IntRange(1, 10).Draw(rt, "steps too many") {
			step(rt, w)
		}
		if settle > 1 {
			w.Activity.Settle(w.at)
		}
		w.Activity.Rollback(at)
		w.at = at
		if is := dump(t, w.Activity); is != was {
			rt.Fatalf("rolled back to\n%s\nwant\n%s", is, was)
		}
		step(rt, w)
	})
}

// Whatever bytes the log holds, reading them never panics.
func FuzzEvolve(f *testing.F) {
	for _, e := range samples() {
		encoded, err := proto.Marshal(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(encoded)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e := new(activityv1.Event)
		if err := proto.Unmarshal(body, e); err != nil {
			return
		}
		s := new(State)
		for i, sample := range samples() {
			_ = s.Evolve(uint64(2*i+1), proto.CloneOf(e)) // may be refused; must not panic
			_ = s.Evolve(uint64(2*i+2), sample)           // may be refused after that
		}
		if err := s.Evolve(100, e); err == nil && Subject(e) == "" {
			t.Error("an event that folds has no subject")
		}
	})
}

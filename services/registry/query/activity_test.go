package query_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

const (
	patients = labellingv1.ThresholdUnit_THRESHOLD_UNIT_PATIENTS
	visits   = labellingv1.ThresholdUnit_THRESHOLD_UNIT_VISITS
	crc      = labellingv1.Role_ROLE_RESOURCE_AND_COMPETENCE
)

func periodOpened(id, code string) *activityv1.Event {
	var next int
	_, _ = fmt.Sscan(code, &next)
	return &activityv1.Event{Fact: &activityv1.Event_PeriodOpened{PeriodOpened: &activityv1.PeriodOpened{
		PeriodId: id, Code: code, Span: &eventv1.Period{Start: code + "-01-01", End: fmt.Sprint(next+1) + "-01-01"},
	}}}
}

func ofPlatform(id string) *labellingv1.Holder {
	return &labellingv1.Holder{Holder: &labellingv1.Holder_PlatformId{PlatformId: id}}
}

func trainings(n uint64) []*activityv1.Value {
	return []*activityv1.Value{{IndicatorCode: "trainings", Value: &activityv1.Value_Count{Count: n}}}
}

func submitted(id, period string, by *labellingv1.Holder) *activityv1.Event {
	return &activityv1.Event{Fact: &activityv1.Event_ReportSubmitted{ReportSubmitted: &activityv1.ReportSubmitted{
		ReportId: id, PeriodId: period, Reporter: by, Revision: 1, Values: trainings(12),
	}}}
}

func judged(id string, revision uint32) *activityv1.Event {
	return &activityv1.Event{Fact: &activityv1.Event_ReportValidated{ReportValidated: &activityv1.ReportValidated{ReportId: id, Revision: revision}}}
}

func reportAmended(id string, revision uint32, n uint64) *activityv1.Event {
	return &activityv1.Event{Fact: &activityv1.Event_ReportAmended{ReportAmended: &activityv1.ReportAmended{ReportId: id, Revision: revision, Values: trainings(n), Reason: "one more"}}}
}

func measured(site string, year, count uint32, unit labellingv1.ThresholdUnit) *activityv1.Event {
	return &activityv1.Event{Fact: &activityv1.Event_MeasureRecorded{MeasureRecorded: &activityv1.MeasureRecorded{
		Measure: &activityv1.Measure{SiteId: site, Year: year, Unit: unit, Count: count},
	}}}
}

func missionsStated(audience activityv1.Audience, from string, codes ...string) *activityv1.Event {
	f := &activityv1.MissionsStated{Audience: audience, ValidFrom: from}
	for _, code := range codes {
		f.Missions = append(f.Missions, &activityv1.Mission{Code: code, Title: "Mission " + code + " of " + from})
	}
	return &activityv1.Event{Fact: &activityv1.Event_MissionsStated{MissionsStated: f}}
}

func undertaken(u *activityv1.Undertaking) *activityv1.Event {
	return &activityv1.Event{Fact: &activityv1.Event_UndertakingRecorded{UndertakingRecorded: &activityv1.UndertakingRecorded{Undertaking: u}}}
}

func voided(id string) *labellingv1.Event {
	return &labellingv1.Event{Fact: &labellingv1.Event_LabelVoided{LabelVoided: &labellingv1.LabelVoided{LabelId: id}}}
}

func territoryStated(platform string, regions, departments []string) *topologyv1.Event {
	return &topologyv1.Event{Fact: &topologyv1.Event_TerritoryStated{TerritoryStated: &topologyv1.TerritoryStated{
		PlatformId: platform, RegionCodes: regions, DepartmentCodes: departments,
	}}}
}

func pcom(id, name string, hospitals ...string) *topologyv1.Event {
	e := platform(id, name, "")
	e.GetPlatformRegistered().Kind, e.GetPlatformRegistered().EstablishmentIds = topologyv1.PlatformKind_PLATFORM_KIND_PCOM, hospitals
	return e
}

// contextText is a context as these tests write it.
func contextText(c *registryv1.ReportContext) string {
	var labels []string
	for _, e := range c.GetLabels() {
		text := e.GetLabel().GetLabelId()
		if e.GetStatus() != inForce {
			text += " " + strings.TrimPrefix(e.GetStatus().String(), "STATUS_")
		}
		labels = append(labels, text)
	}
	return strings.Join(c.GetTerritoryNames(), "+") + ": " + strings.Join(labels, ", ")
}

// What a report was frozen against stays; restated, it is what was learned since.
func TestReportContexts(t *testing.T) {
	const base = "Occitanie: LCOMP00000, LORPHAN000"
	here := site("SNEW000000", "CELOI00000", "NSLA000000")
	for given, tc := range map[string]struct {
		later        []proto.Message
		restated     string
		gained, lost string
	}{
		"nothing":                            {nil, base, "[]", "[]"},
		"a label within the period":          {[]proto.Message{granted("LNEW000000", here, competence, "", "2025-12-31", "2030-01-01")}, "Occitanie: LNEW000000, LCOMP00000, LORPHAN000", "[LNEW000000]", "[]"},
		"a label after the period":           {[]proto.Message{granted("LNEW000000", here, competence, "", "2026-01-01", "2030-01-01")}, base, "[]", "[]"},
		"a label that ended before":          {[]proto.Message{granted("LNEW000000", here, competence, "", "2020-01-01", "2030-01-01"), repealed("LNEW000000", "2025-01-01")}, base, "[]", "[]"},
		"a label elsewhere":                  {[]proto.Message{granted("LNEW000000", site("SNEW000000", "CBRON00000", "NSLA000000"), competence, "", "2025-01-01", "2030-01-01")}, base, "[]", "[]"},
		"a label that should not have been":  {[]proto.Message{voided("LCOMP00000")}, "Occitanie: LORPHAN000", "[]", "[LCOMP00000]"},
		"repealed in the period":             {[]proto.Message{repealed("LCOMP00000", "2025-01-02")}, "Occitanie: LCOMP00000 REPEALED, LORPHAN000", "[]", "[]"},
		"repealed before the period":         {[]proto.Message{repealed("LCOMP00000", "2025-01-01")}, "Occitanie: LORPHAN000", "[]", "[LCOMP00000]"},
		"another territory":                  {[]proto.Message{territoryStated("PPLATFORM0", nil, []string{"974"})}, "La Réunion: LREUNION00", "[LREUNION00]", "[LCOMP00000 LORPHAN000]"},
		"regions and departments":            {[]proto.Message{territoryStated("PPLATFORM0", []string{"76"}, []string{"972"})}, "Occitanie+Martinique: LTOWN00000, LCOMP00000, LORPHAN000", "[LTOWN00000]", "[]"},
		"a label in abeyance":                {[]proto.Message{granted("LNEW000000", here, competence, "", "2015-01-01", "2020-01-01")}, "Occitanie: LNEW000000 IN_ABEYANCE, LCOMP00000, LORPHAN000", "[LNEW000000]", "[]"},
		"a label whose start nobody states":  {[]proto.Message{granted("LNEW000000", here, competence, "", "", "2030-01-01")}, "Occitanie: LNEW000000 UNDETERMINED, LCOMP00000, LORPHAN000", "[LNEW000000]", "[]"},
		"a label of the platform is no site": {[]proto.Message{granted("LNEW000000", ofPlatform("PPLATFORM0"), competence, "", "2025-01-01", "2030-01-01")}, base, "[]", "[]"},
	} {
		t.Run(given, func(t *testing.T) {
			w := fixture(t)
			w.commit(periodOpened("T000000001", "2025"))
			w.commit(submitted("R000000001", "T000000001", ofPlatform("PPLATFORM0")))
			if tc.later != nil {
				w.commit(tc.later...)
			}
			got, err := w.queries().GetReport(t.Context(), &registryv1.GetReportRequest{ReportId: "R000000001", Restated: true})
			if err != nil {
				t.Fatal(err)
			}
			if s := contextText(got.GetFrozen()); s != base || got.GetFrozen().GetKnownPosition() != 26 {
				t.Errorf("frozen at %d: %s", got.GetFrozen().GetKnownPosition(), s)
			}
			if s := contextText(got.GetRestated()); s != tc.restated || got.GetRestated().GetKnownPosition() != w.head {
				t.Errorf("restated at %d: %s, want %s", got.GetRestated().GetKnownPosition(), s, tc.restated)
			}
			if s := fmt.Sprint(got.GetGainedLabelIds()); s != tc.gained {
				t.Errorf("gained %s, want %s", s, tc.gained)
			}
			if s := fmt.Sprint(got.GetLostLabelIds()); s != tc.lost {
				t.Errorf("lost %s, want %s", s, tc.lost)
			}
		})
	}
}

func TestGetReport(t *testing.T) {
	w := fixture(t)
	w.commit(
		establishment("EMAYOTTE00", "", "CH de Mayotte", "980000001", "Mamoudzou", "976"),
		pcom("PPCOM00000", "Océan Indien", "EREUNION00", "EMAYOTTE00"), centre("CMAYOTTE00", "EMAYOTTE00"),
	)
	w.commit(
		granted("LMAYOTTE00", site("SMAYOTTE00", "CMAYOTTE00", "NSLA000000"), competence, "YTHIRD0000", "2024-01-01", "2029-01-01"),
		granted("LMAYOTTE01", site("SMAYOTTE01", "CMAYOTTE00", "NOS0000000"), competence, "YTHIRD0000", "2024-01-01", "2029-01-01"),
	)
	w.commit(periodOpened("T000000001", "2025"))
	w.commit(submitted("R000000001", "T000000001", ofPlatform("PPCOM00000")), submitted("R000000002", "T000000001", site("SREUNION00", "CREUNION00", "NSLA000000")))
	w.commit(judged("R000000001", 1), judged("R000000002", 1))
	w.commit(voided("LMAYOTTE01"))
	w.commit(reportAmended("R000000001", 2, 13))
	q := w.queries()
	get := func(id string, revision uint32, asOf *registryv1.AsOf) *registryv1.GetReportResponse {
		t.Helper()
		got, err := q.GetReport(t.Context(), &registryv1.GetReportRequest{ReportId: id, Revision: revision, AsOf: asOf})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	amendment := get("R000000001", 0, nil)
	if e := amendment.GetEntry(); e.GetReport().GetRevision() != 2 || e.GetRevisions() != 2 || e.GetReporterName() != "Océan Indien" || e.GetPeriodCode() != "2025" {
		t.Errorf("the latest revision is %v", e)
	}
	if s := contextText(amendment.GetFrozen()); s != "La Réunion+Mayotte: LREUNION00, LMAYOTTE00" || amendment.GetRestated() != nil {
		t.Errorf("frozen as %s, restated %v", s, amendment.GetRestated())
	}
	first := get("R000000001", 1, nil)
	if s := contextText(first.GetFrozen()); s != "La Réunion+Mayotte: LREUNION00, LMAYOTTE00, LMAYOTTE01" || first.GetEntry().GetReport().GetState() != activityv1.ReportState_REPORT_STATE_VALIDATED {
		t.Errorf("revision 1 was frozen as %s: %v", s, first.GetEntry())
	}
	var counts []string
	for _, c := range first.GetFrozen().GetCounts() {
		counts = append(counts, fmt.Sprint(c.GetRole(), c.GetLabels(), c.GetCentres()))
	}
	if s := strings.Join(counts, " "); s != "ROLE_CONSTITUTIVE11 ROLE_COMPETENCE21" && s != "ROLE_CONSTITUTIVE 1 1 ROLE_COMPETENCE 2 1" {
		t.Errorf("counted %s", s)
	}
	ofSite := get("R000000002", 0, nil)
	if s := contextText(ofSite.GetFrozen()); s != ": LREUNION00" || ofSite.GetEntry().GetReporterName() != "Scléroses latérales, CHU de la Réunion" {
		t.Errorf("of a site: %s, %s", s, ofSite.GetEntry().GetReporterName())
	}
	for want, req := range map[string]*registryv1.GetReportRequest{
		"REPORT_UNKNOWN":   {ReportId: "R000000009"},
		"REVISION_UNKNOWN": {ReportId: "R000000001", Revision: 2, AsOf: at("2026-01-01", w.head-1)},
	} {
		if _, err := q.GetReport(t.Context(), req); reason(err) != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// A report waits for who validates it as long as its latest revision is not judged.
func TestTodoOfReports(t *testing.T) {
	w := fixture(t)
	w.commit(periodOpened("T000000001", "2024"))
	first := w.commit(submitted("R000000001", "T000000001", ofPlatform("PPLATFORM0")))
	validated := w.commit(judged("R000000001", 1))
	amended := w.commit(reportAmended("R000000001", 2, 13))
	for known, want := range map[uint64]string{
		first - 1: "", first: "Revision 1 of the report for 2024", validated: "", amended: "Revision 2 of the report for 2024",
	} {
		got, err := w.queries().ListTodo(t.Context(), &registryv1.ListTodoRequest{AsOf: at("", known)})
		found := ""
		for _, i := range got.GetItems() {
			if i.GetKind() == registryv1.TodoKind_TODO_KIND_REPORT {
				found += i.GetMessage()
				if i.GetEntityId() != "R000000001" || i.GetName() != "Plateforme du Languedoc" || i.GetSince() != "2026-01-10" {
					t.Errorf("known at %d: %v", known, i)
				}
			}
		}
		if err != nil || want == "" && found != "" || want != "" && found != want+" waits for another person to validate it or send it back." {
			t.Errorf("known at %d: %q, %v, want %q", known, found, err, want)
		}
	}
}

func TestListReports(t *testing.T) {
	w := fixture(t)
	w.commit(platform("PPLATFORM1", "Plateforme de Lyon", "EBRON00000"), platform("PPLATFORM2", "Sans label", "EBRON00000"), platform("PPLATFORM3", "À venir", "EBRON00000"))
	w.commit(
		granted("LPEMR00001", ofPlatform("PPLATFORM1"), labellingv1.Role_ROLE_PEMR, "", "2025-12-31", "2029-01-01"),
		granted("LPEMR00003", ofPlatform("PPLATFORM3"), labellingv1.Role_ROLE_PEMR, "", "2026-01-01", "2029-01-01"),
	)
	w.commit(periodOpened("T000000001", "2024"), periodOpened("T000000002", "2025"))
	w.commit(submitted("R000000001", "T000000001", ofPlatform("PPLATFORM0")))
	w.commit(submitted("R000000002", "T000000002", ofPlatform("PPLATFORM1")), submitted("R000000003", "T000000002", site("SREUNION00", "CREUNION00", "NSLA000000")))
	w.commit(judged("R000000001", 1))
	q := w.queries()
	for given, tc := range map[string]struct {
		when *registryv1.ListReportsRequest
		then string
	}{
		"all, the latest period first": {&registryv1.ListReportsRequest{}, "R000000002 R000000003 R000000001 missing []"},
		"a period by code":             {&registryv1.ListReportsRequest{Period: "2025"}, "R000000002 R000000003 missing [Plateforme du Languedoc]"},
		"a period by id":               {&registryv1.ListReportsRequest{Period: "T000000001"}, "R000000001 missing []"},
		"a state":                      {&registryv1.ListReportsRequest{States: []activityv1.ReportState{activityv1.ReportState_REPORT_STATE_VALIDATED}}, "R000000001 missing []"},
		"a platform that has not":      {&registryv1.ListReportsRequest{Period: "2025", ReporterId: "PPLATFORM0"}, " missing [Plateforme du Languedoc]"},
		"a site":                       {&registryv1.ListReportsRequest{ReporterId: "SREUNION00"}, "R000000003 missing []"},
		"a centre, by its site":        {&registryv1.ListReportsRequest{ReporterId: "CREUNION00"}, "R000000003 missing []"},
		"before it reported":           {&registryv1.ListReportsRequest{Period: "2025", AsOf: at("2026-01-01", w.head-3)}, " missing [Plateforme de Lyon Plateforme du Languedoc]"},
	} {
		got, err := q.ListReports(t.Context(), tc.when)
		if err != nil {
			t.Fatal(given, err)
		}
		var found []string
		for _, e := range got.GetEntries() {
			found = append(found, e.GetReport().GetReportId())
		}
		if s := fmt.Sprint(strings.Join(found, " "), " missing ", got.GetMissingNames()); s != tc.then || len(got.GetMissing()) != len(got.GetMissingNames()) || int(got.GetTotalSize()) != len(found) {
			t.Errorf("%s: got %s, want %s", given, s, tc.then)
		}
	}
	first, err := q.ListReports(t.Context(), &registryv1.ListReportsRequest{Period: "2025", PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	second, err := q.ListReports(t.Context(), &registryv1.ListReportsRequest{Period: "2025", PageSize: 1, PageToken: first.GetNextPageToken()})
	if err != nil || len(first.GetMissing()) != 1 || len(second.GetMissing()) != 0 || second.GetEntries()[0].GetReport().GetReportId() != "R000000003" || second.GetNextPageToken() != "" {
		t.Errorf("pages are %v and %v, %v", first, second, err)
	}
	if _, err := q.ListReports(t.Context(), &registryv1.ListReportsRequest{Period: "2024", PageToken: first.GetNextPageToken()}); reason(err) != "PAGE_TOKEN_INVALID" {
		t.Errorf("the token of another request: %v", err)
	}
	if _, err := q.ListReports(t.Context(), &registryv1.ListReportsRequest{Period: "2031"}); reason(err) != "PERIOD_UNKNOWN" {
		t.Errorf("an unknown period: %v", err)
	}
	if got, err := q.ListPeriods(t.Context(), &registryv1.ListPeriodsRequest{}); err != nil || len(got.GetPeriods()) != 2 || got.GetPeriods()[0].GetCode() != "2025" {
		t.Errorf("periods are %v, %v", got, err)
	}
}

func TestListUndertakings(t *testing.T) {
	w := fixture(t)
	pemr, ofSites := activityv1.Audience_AUDIENCE_PEMR, activityv1.Audience_AUDIENCE_SITE
	w.commit(
		&topologyv1.Event{Fact: &topologyv1.Event_PlanRegistered{PlanRegistered: &topologyv1.PlanRegistered{PlanId: "APLAN00000", Code: "PNMR4", Name: "Plan", Axes: []*topologyv1.Axis{{Code: "1", Title: "Parcours"}, {Code: "2", Title: "Données"}}}}},
		missionsStated(pemr, "2020", "training", "bndmr"), missionsStated(pemr, "2025", "training"), missionsStated(ofSites, "2020", "care"),
	)
	axis := func(code string) []*activityv1.AxisCited {
		return []*activityv1.AxisCited{{PlanId: "APLAN00000", AxisCode: code}}
	}
	project, training := activityv1.UndertakingKind_UNDERTAKING_KIND_PROJECT, activityv1.UndertakingKind_UNDERTAKING_KIND_TRAINING
	w.commit(
		undertaken(&activityv1.Undertaking{UndertakingId: "U1", Kind: training, Title: "Journée des centres", Holder: ofPlatform("PPLATFORM0"), Span: &eventv1.Period{Start: "2025-10", End: "2025-11"}, MissionCodes: []string{"training"}, Axes: axis("1")}),
		undertaken(&activityv1.Undertaking{UndertakingId: "U2", Kind: project, Title: "Saisie", Holder: ofPlatform("PPLATFORM0"), Span: &eventv1.Period{Start: "2023-06-01", End: "2025-01-01"}, MissionCodes: []string{"bndmr", "training"}, Axes: axis("2")}),
		undertaken(&activityv1.Undertaking{UndertakingId: "U3", Kind: project, Title: "Parcours", Holder: site("SREUNION00", "CREUNION00", "NSLA000000"), Span: &eventv1.Period{}, MissionCodes: []string{"care"}}),
		undertaken(&activityv1.Undertaking{UndertakingId: "U4", Kind: project, Title: "Rien", Holder: ofPlatform("PPLATFORM0"), Span: &eventv1.Period{Start: "2024"}}),
	)
	w.commit(&activityv1.Event{Fact: &activityv1.Event_UndertakingCancelled{UndertakingCancelled: &activityv1.UndertakingCancelled{UndertakingId: "U4"}}})
	q := w.queries()
	for given, tc := range map[string]struct {
		when *registryv1.ListUndertakingsRequest
		then string
	}{
		"all, the latest first":       {&registryv1.ListUndertakingsRequest{}, "U1 U2 U3"},
		"cancelled too":               {&registryv1.ListUndertakingsRequest{WithCancelled: true}, "U1 U4 U2 U3"},
		"a kind":                      {&registryv1.ListUndertakingsRequest{Kinds: []activityv1.UndertakingKind{training}}, "U1"},
		"a holder":                    {&registryv1.ListUndertakingsRequest{HolderId: "SREUNION00"}, "U3"},
		"a mission":                   {&registryv1.ListUndertakingsRequest{Mission: "training"}, "U1 U2"},
		"an axis":                     {&registryv1.ListUndertakingsRequest{Axis: "pnmr4/2"}, "U2"},
		"a plan":                      {&registryv1.ListUndertakingsRequest{Axis: "PNMR4"}, "U1 U2"},
		"the year it ends before":     {&registryv1.ListUndertakingsRequest{Year: 2025}, "U1 U3"},
		"a year within":               {&registryv1.ListUndertakingsRequest{Year: 2024}, "U2 U3"},
		"a year before":               {&registryv1.ListUndertakingsRequest{Year: 2022}, "U3"},
		"words, without accents":      {&registryv1.ListUndertakingsRequest{Text: "JOURNEE centre"}, "U1"},
		"what was not known then yet": {&registryv1.ListUndertakingsRequest{AsOf: at("2026-01-01", w.head-5)}, ""},
		"not cancelled then yet":      {&registryv1.ListUndertakingsRequest{AsOf: at("2026-01-01", w.head-1), Year: 2024, Kinds: []activityv1.UndertakingKind{project}}, "U4 U2 U3"},
	} {
		got, err := q.ListUndertakings(t.Context(), tc.when)
		if err != nil {
			t.Fatal(given, err)
		}
		var found []string
		for _, e := range got.GetEntries() {
			found = append(found, e.GetUndertaking().GetUndertakingId())
		}
		if s := strings.Join(found, " "); s != tc.then {
			t.Errorf("%s: got %s, want %s", given, s, tc.then)
		}
	}
	if _, err := q.ListUndertakings(t.Context(), &registryv1.ListUndertakingsRequest{Axis: "PNMR9/1"}); reason(err) != "PLAN_UNKNOWN" {
		t.Errorf("an unknown plan: %v", err)
	}
	got, err := q.ListUndertakings(t.Context(), &registryv1.ListUndertakingsRequest{HolderId: "PPLATFORM0", Year: 2024})
	if err != nil {
		t.Fatal(err)
	}
	if e := got.GetEntries()[0]; e.GetHolderName() != "Plateforme du Languedoc" || fmt.Sprint(e.GetMissionTitles()) != "[Mission bndmr of 2020 Mission training of 2020]" || fmt.Sprint(e.GetAxisTitles()) != "[PNMR4/2 Données]" {
		t.Errorf("an entry is %v", e)
	}
	for day, want := range map[string]string{"2019-01-01": "", "2024-12-31": "AUDIENCE_PEMR 2; AUDIENCE_SITE 1", "2025-01-01": "AUDIENCE_PEMR 1; AUDIENCE_SITE 1"} {
		got, err := q.ListMissions(t.Context(), &registryv1.ListMissionsRequest{AsOf: &registryv1.AsOf{ValidAt: day}})
		var sets []string
		for _, set := range got.GetSets() {
			sets = append(sets, fmt.Sprintf("%s %d", set.GetAudience(), len(set.GetMissions())))
		}
		if s := strings.Join(sets, "; "); err != nil || s != want {
			t.Errorf("missions on %s: %s, want %s, %v", day, s, want, err)
		}
	}
}

func TestMeasuresAndThresholds(t *testing.T) {
	w := fixture(t)
	withThresholds := cycle("YTHRESH000", "2024-2029", "2024-01-01", "2029-01-01")
	withThresholds.GetCycleRegistered().Thresholds = []*labellingv1.Threshold{
		{Role: competence, Unit: patients, Minimum: 25}, {Role: crc, Unit: patients, Minimum: 100}, {Role: crc, Unit: visits, Minimum: 150},
	}
	here := func(n int) *labellingv1.Holder { return site(numbered("S", n), numbered("C", n), "NOS0000000") }
	var events []proto.Message
	for n := range 7 {
		events = append(events, centreInTown(numbered("C", n), fmt.Sprint("Ville ", n), "34"))
	}
	w.commit(append(events, withThresholds)...)
	w.commit(
		granted("LALWAYS000", here(0), competence, "YTHRESH000", "2024-01-01", "2029-01-01"),
		granted("LONCE00000", here(1), competence, "YTHRESH000", "2024-01-01", "2029-01-01"),
		granted("LREACHED00", here(2), competence, "YTHRESH000", "2024-01-01", "2029-01-01"),
		granted("LSILENT000", here(3), competence, "YTHRESH000", "2024-01-01", "2029-01-01"),
		granted("LCRC000000", here(4), crc, "YTHRESH000", "2024-01-01", "2029-01-01"),
		granted("LLATER0000", here(5), competence, "YTHRESH000", "2025-01-01", "2029-01-01"),
		granted("LNOCYCLE00", here(6), competence, "", "2024-01-01", "2029-01-01"),
		granted("LBEFORE000", here(2), coordinator, "YSECOND000", "2017-01-01", "2024-01-01"),
	)
	s := func(n int) string { return numbered("S", n) }
	w.commit(
		measured(s(0), 2022, 24, patients), measured(s(0), 2023, 0, patients), measured(s(0), 2024, 24, patients),
		measured(s(1), 2023, 25, patients), measured(s(1), 2024, 24, patients),
		measured(s(2), 2022, 3, patients), measured(s(2), 2023, 3, patients), measured(s(2), 2024, 25, patients), measured(s(2), 2024, 3, visits),
		measured(s(4), 2024, 100, patients), measured(s(4), 2024, 149, visits),
		measured(s(5), 2024, 1, patients), measured(s(6), 2024, 1, patients),
	)
	q := w.queries()
	text := func(entries []*registryv1.ThresholdEntry) string {
		var out []string
		for _, e := range entries {
			state := strings.ToLower(strings.TrimPrefix(e.GetState().String(), "THRESHOLD_STATE_"))
			if e.GetThreeYears() {
				state += " three years"
			}
			var years []string
			for _, y := range e.GetYears() {
				n := "?"
				if y.GetKnown() {
					n = fmt.Sprint(y.GetCount())
				}
				years = append(years, n)
			}
			out = append(out, fmt.Sprintf("%s %s/%d %s", e.GetLabelId(), strings.Join(years, " "), e.GetMinimum(), state))
		}
		return strings.Join(out, "; ")
	}
	for given, tc := range map[string]struct {
		when *registryv1.CheckThresholdsRequest
		then string
	}{
		"those under": {&registryv1.CheckThresholdsRequest{Year: 2024}, "LALWAYS000 24 0 24/25 under three years; LONCE00000 24 25 ?/25 under; LCRC000000 149 ? ?/150 under"},
		"all": {&registryv1.CheckThresholdsRequest{Year: 2024, All: true}, "LALWAYS000 24 0 24/25 under three years; LONCE00000 24 25 ?/25 under; LCRC000000 149 ? ?/150 under; " +
			"LSILENT000 ? ? ?/25 unmeasured; LREACHED00 25 3 3/25 reached; LCRC000000 100 ? ?/100 reached"},
		"a filière":                      {&registryv1.CheckThresholdsRequest{Year: 2024, Filiere: "brain-team"}, ""},
		"a year before":                  {&registryv1.CheckThresholdsRequest{Year: 2023}, ""},
		"the year after, nothing is due": {&registryv1.CheckThresholdsRequest{Year: 2025}, ""},
		"before it was measured":         {&registryv1.CheckThresholdsRequest{Year: 2024, AsOf: at("2025-01-01", w.head-13)}, ""},
	} {
		got, err := q.CheckThresholds(t.Context(), tc.when)
		if err != nil {
			t.Fatal(given, err)
		}
		if s := text(got.GetEntries()); s != tc.then || int(got.GetTotalSize()) != len(got.GetEntries()) {
			t.Errorf("%s: got %s, want %s", given, s, tc.then)
		}
		if given == "all" && (got.GetUnder() != 3 || got.GetUnmeasured() != 1 || got.GetReached() != 2) {
			t.Errorf("counted %d under, %d not measured, %d reached", got.GetUnder(), got.GetUnmeasured(), got.GetReached())
		}
	}
	if _, err := q.CheckThresholds(t.Context(), &registryv1.CheckThresholdsRequest{Year: 2024, Filiere: "oscra"}); reason(err) != "FILIERE_UNKNOWN" {
		t.Errorf("an unknown filière: %v", err)
	}

	var pages []string
	req := &registryv1.ListMeasuresRequest{Year: 2024, PageSize: 3}
	for {
		got, err := q.ListMeasures(t.Context(), req)
		if err != nil || got.GetTotalSize() != 7+1 {
			t.Fatal(got, err)
		}
		var page []string
		for _, e := range got.GetEntries() {
			page = append(page, fmt.Sprintf("%s %d", strings.TrimLeft(e.GetMeasure().GetSiteId(), "S0")+e.GetMeasure().GetUnit().String()[15:16], e.GetMeasure().GetCount()))
		}
		pages = append(pages, strings.Join(page, ", "))
		if req.PageToken = got.GetNextPageToken(); req.PageToken == "" {
			break
		}
	}
	if s := strings.Join(pages, " | "); s != "P 24, 1P 24, 2P 25 | 2V 3, 4P 100, 4V 149 | 5P 1, 6P 1" {
		t.Errorf("pages %s", s)
	}
	got, err := q.ListMeasures(t.Context(), &registryv1.ListMeasuresRequest{SiteId: s(2)})
	if err != nil || got.GetTotalSize() != 4 || got.GetEntries()[0].GetSiteName() != "MOC, Ville 2" || got.GetEntries()[0].GetMeasure().GetYear() != 2022 {
		t.Errorf("of a site: %v, %v", got, err)
	}
}

// The histories of who does something, of what is done and of the act it rests on.
func TestHistoryOfActivity(t *testing.T) {
	w := fixture(t)
	w.commit(act("AACT000000", "Arrêté", ""))
	on := func(e *activityv1.Event) *activityv1.Event {
		e.Meta = &eventv1.Meta{Basis: &eventv1.Basis{ActId: "AACT000000"}}
		return e
	}
	start := w.commit(on(periodOpened("T000000001", "2025"))) // 27
	w.commit(submitted("R000000001", "T000000001", ofPlatform("PPLATFORM0")))
	w.commit(judged("R000000001", 1))
	w.commit(reportAmended("R000000001", 2, 13))
	w.commit(undertaken(&activityv1.Undertaking{UndertakingId: "U000000001", Title: "Journée", Holder: ofPlatform("PPLATFORM0")}))
	w.commit(measured("SREUNION00", 2025, 24, patients))
	w.commit(measured("SREUNION00", 2025, 25, patients))
	q := w.queries()
	for id, want := range map[string][]uint64{
		"T000000001": {start}, "R000000001": {start + 1, start + 2, start + 3}, "U000000001": {start + 4}, "AACT000000": {start - 1, start},
		"PPLATFORM0": {13, 23, start + 1, start + 2, start + 3, start + 4}, "SREUNION00": {20, start + 5, start + 6}, "CREUNION00": {11, 20, start + 5, start + 6},
	} {
		got, err := q.ListHistory(t.Context(), &registryv1.ListHistoryRequest{EntityId: id})
		if err != nil {
			t.Fatal(id, err)
		}
		var positions []uint64
		for _, f := range got.GetFacts() {
			positions = append(positions, f.GetPosition())
			if f.GetPosition() == start && (f.GetActTitle() != "Arrêté" || f.GetActivity().GetPeriodOpened().GetCode() != "2025") {
				t.Errorf("the fact at %d is %v", start, f)
			}
		}
		if !slices.Equal(positions, want) {
			t.Errorf("of %s it is told %d, want %d", id, positions, want)
		}
	}
	changes := func(id string, n int) string {
		got, err := q.ListHistory(t.Context(), &registryv1.ListHistoryRequest{EntityId: id})
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, c := range got.GetFacts()[n].GetChanges() {
			out = append(out, fmt.Sprintf("%s %s>%s", c.GetField(), c.GetBefore(), c.GetAfter()))
		}
		return strings.Join(out, ", ")
	}
	if s := changes("R000000001", 2); s != "state REPORT_STATE_VALIDATED>REPORT_STATE_SUBMITTED, revision 1>2, reason >one more, values.trainings 12>13" {
		t.Errorf("an amendment changed %s", s)
	}
	if s := changes("SREUNION00", 2); s != "count 24>25" {
		t.Errorf("a measure changed %s", s)
	}
}

// Whatever is recorded later, what a report was frozen against is the same; and where it is
// asked for as known when it was frozen, restating it changes nothing.
func TestFrozenNeverChanges(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := fixture(t)
		w.commit(periodOpened("T000000001", "2025"))
		by := rapid.SampledFrom([]*labellingv1.Holder{ofPlatform("PPLATFORM0"), site("SREUNION00", "CREUNION00", "NSLA000000")}).Draw(rt, "by")
		position := w.commit(submitted("R000000001", "T000000001", by))
		get := func(asOf *registryv1.AsOf) *registryv1.GetReportResponse {
			got, err := w.queries().GetReport(t.Context(), &registryv1.GetReportRequest{ReportId: "R000000001", Revision: 1, Restated: true, AsOf: asOf})
			if err != nil {
				rt.Fatal(err)
			}
			return got
		}
		was := get(nil)
		dates := rapid.SampledFrom([]string{"2012-01-01", "2025-01-01", "2025-07-01", "2026-07-01"})
		for step := range rapid.IntRange(1, 8).Draw(rt, "steps") {
			label := rapid.SampledFrom([]string{"LCOORD0000", "LCOMP00000", "LREUNION00", "LORPHAN000"}).Draw(rt, "label")
			from := dates.Draw(rt, "from")
			switch rapid.IntRange(0, 6).Draw(rt, "fact") {
			case 0:
				w.commit(establishmentRenamed("EELOI00000", from, numbered("Nom", step)))
			case 1:
				w.commit(networkAttached("NOS0000000", from, "FBRAIN0000"))
			case 2:
				w.commit(repealed(label, from))
			case 3:
				w.commit(correctedRole(label, 17, rapid.SampledFrom([]labellingv1.Role{coordinator, competence}).Draw(rt, "role")))
			case 4:
				w.commit(complete(numbered("ALIST", step), from))
			case 5:
				w.commit(granted(numbered("LNEW", step), site(numbered("SNEW", step), "CELOI00000", "NSLA000000"), competence, "", from, "2035-01-01"))
			case 6:
				w.commit(territoryStated("PPLATFORM0", []string{rapid.SampledFrom([]string{"76", "84", "04"}).Draw(rt, "region")}, nil))
			}
			now := get(nil)
			if !proto.Equal(now.GetFrozen(), was.GetFrozen()) {
				rt.Fatalf("frozen as\n%v, and now\n%v", was.GetFrozen(), now.GetFrozen())
			}
			if then := get(at("2026-01-01", position)); len(then.GetGainedLabelIds())+len(then.GetLostLabelIds()) > 0 || contextText(then.GetRestated()) != contextText(was.GetFrozen()) {
				rt.Fatalf("restated where nothing changed as\n%v", then)
			}
		}
	})
}

package query_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/labelling"
)

func taken(id, holder string, kind labellingv1.OfficeKind, start, value string) *labellingv1.Event {
	return &labellingv1.Event{Fact: &labellingv1.Event_OfficeTaken{OfficeTaken: &labellingv1.OfficeTaken{
		OfficeId: id, HolderId: holder, Kind: kind, Start: start, Name: &eventv1.PersonalValue{ValueId: value},
	}}}
}

func left(id, end string) *labellingv1.Event {
	return &labellingv1.Event{Fact: &labellingv1.Event_OfficeLeft{OfficeLeft: &labellingv1.OfficeLeft{OfficeId: id, End: end}}}
}

func approved(id, date string) *labellingv1.Event {
	return &labellingv1.Event{Fact: &labellingv1.Event_OfficeApproved{OfficeApproved: &labellingv1.OfficeApproved{OfficeId: id, Date: date}}}
}

func extended(id, end string) *labellingv1.Event {
	return &labellingv1.Event{Fact: &labellingv1.Event_LabelExtended{LabelExtended: &labellingv1.LabelExtended{LabelId: id, End: end}}}
}

func lapsed(id, from string) *labellingv1.Event {
	return &labellingv1.Event{Fact: &labellingv1.Event_LabelLapsed{LabelLapsed: &labellingv1.LabelLapsed{LabelId: id, LapsedFrom: from}}}
}

func closedFrom(id, from string) *labellingv1.Event {
	return &labellingv1.Event{Fact: &labellingv1.Event_LabelClosed{LabelClosed: &labellingv1.LabelClosed{LabelId: id, ClosedFrom: from}}}
}

func maintained(id, from string) *labellingv1.Event {
	return &labellingv1.Event{Fact: &labellingv1.Event_LabelMaintained{LabelMaintained: &labellingv1.LabelMaintained{LabelId: id, MaintainedFrom: from}}}
}

const headOffice = labellingv1.OfficeKind_OFFICE_KIND_HEAD

func TestOperationalWindow(t *testing.T) {
	w := fixture(t)
	w.commit(closedFrom("LCOMP00000", "2025-06-01"), repealed("LCOORD0000", "2025-06-01"), maintained("LCOORD0000", "2025-06-01"))
	q := w.queries()
	asOf := &registryv1.AsOf{Window: registryv1.Window_WINDOW_OPERATIONAL}
	for name, test := range map[string]struct {
		when *registryv1.ListLabelsRequest
		then string
	}{
		"those that work, whatever their status":   {&registryv1.ListLabelsRequest{AsOf: asOf, Filiere: "OSCAR"}, "LFSMR00000 LCOORD0000"},
		"and of these, those of a status":          {&registryv1.ListLabelsRequest{AsOf: asOf, Statuses: []labellingv1.Status{isRepealed}}, "LCOORD0000"},
		"the legal window knows nothing of it":     {&registryv1.ListLabelsRequest{Filiere: "OSCAR"}, "LFSMR00000 LCOMP00000"},
		"not yet open is not at work":              {&registryv1.ListLabelsRequest{AsOf: asOf, Statuses: []labellingv1.Status{planned}}, ""},
		"by the day on which it still was at work": {&registryv1.ListLabelsRequest{AsOf: &registryv1.AsOf{ValidAt: "2025-05-31", Window: 2}, Roles: []labellingv1.Role{competence}, Filiere: "OSCAR"}, "LCOMP00000"},
	} {
		got, err := q.ListLabels(t.Context(), test.when)
		if found := strings.Join(ids(got.GetEntries()), " "); err != nil || found != test.then {
			t.Errorf("%s: found %q, %v, want %q", name, found, err, test.then)
		}
	}
	got, err := q.GetLabel(t.Context(), &registryv1.GetLabelRequest{LabelId: "LCOMP00000", AsOf: asOf})
	if err != nil || got.GetEntry().GetOperationState() != labellingv1.OperationState_OPERATION_STATE_CLOSED || got.GetResolved().GetWindow() != registryv1.Window_WINDOW_OPERATIONAL {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestOfficesAndCampaigns(t *testing.T) {
	w := fixture(t)
	w.personal["VFIRST0000"], w.personal["VSECOND000"] = "Pr Alix TÉMOIN", "Dr Dominique TÉMOIN"
	w.commit(
		taken("OSECOND000", "SELOIOS000", headOffice, "2025-03-01", "VSECOND000"),
		taken("OFIRST0000", "SELOIOS000", headOffice, "2024-01-01", "VFIRST0000"),
		left("OFIRST0000", "2025-03-01"),
		&labellingv1.Event{Fact: &labellingv1.Event_CampaignOpened{CampaignOpened: &labellingv1.CampaignOpened{CampaignId: "K000000001", Name: "Campagne 2022"}}},
	)
	q := w.queries()
	got, err := q.ListOffices(t.Context(), &registryv1.ListOfficesRequest{HolderId: "SELOIOS000"})
	if err != nil || len(got.GetOffices()) != 2 || got.GetOffices()[0].GetName() != "Pr Alix TÉMOIN" || got.GetOffices()[1].GetName() != "Dr Dominique TÉMOIN" {
		t.Errorf("offices %v, %v", got, err)
	}
	if _, err = q.ListOffices(t.Context(), &registryv1.ListOfficesRequest{HolderId: "SNOBODY000"}); reason(err) != "ENTITY_UNKNOWN" {
		t.Errorf("of nobody: %v", err)
	}
	for day, want := range map[string]string{"2023-12-31": "", "2025-02-28": "OFIRST0000", "2025-03-01": "OSECOND000"} {
		got, err := q.GetLabel(t.Context(), &registryv1.GetLabelRequest{LabelId: "LCOMP00000", AsOf: at(day, w.head)})
		var found []string
		for _, o := range got.GetEntry().GetOffices() {
			found = append(found, o.GetOffice().GetOfficeId())
		}
		if err != nil || strings.Join(found, " ") != want {
			t.Errorf("on %s: %v, %v, want %s", day, found, err, want)
		}
	}
	campaign, err := q.GetCampaign(t.Context(), &registryv1.GetCampaignRequest{CampaignId: "K000000001"})
	all, err2 := q.ListCampaigns(t.Context(), &registryv1.ListCampaignsRequest{Text: "2022"})
	if err != nil || err2 != nil || campaign.GetCampaign().GetName() != "Campagne 2022" || all.GetTotalSize() != 1 {
		t.Errorf("campaigns %v %v, %v %v", campaign, all, err, err2)
	}
}

// printChanges writes changes as field:before>after.
func printChanges(changes []*labellingv1.Change) string {
	var out []string
	for _, c := range changes {
		out = append(out, fmt.Sprintf("%s:%s>%s", c.GetField(), c.GetBefore(), c.GetAfter()))
	}
	return strings.Join(out, " ")
}

func TestActEffects(t *testing.T) {
	w := fixture(t) // up to 25
	day := "2026-02-01"
	a := publishedAct("AEFFECTS00", day)
	a.GetActRecorded().EffectiveDate = day
	a.GetActRecorded().AnnouncedTotals = []*labellingv1.AnnouncedTotal{
		{Unit: "Centres de compétence (CCMR)", Count: 3},
		{Unit: "sites constitutifs", Count: 1},
		{Unit: "réseaux CRMR", Count: 2},
		{Unit: "maladies", Count: 7},
	}
	moved := renewed("LCOMP00000", "LNEXT00000", site("SELOIOS000", "CELOI00000", "NOS0000000"), constitutive, "YTHIRD0000", day, "2031-02-01")
	moved.GetLabelRenewed().Head = &eventv1.PersonalValue{ValueId: "VHEAD00000"}
	rename := networkAttached("NSLA000000", day, "FOSCAR0000")
	rename.Meta = &eventv1.Meta{Basis: &eventv1.Basis{ActId: "AEFFECTS00", ActLine: 9}}
	w.commit(a, // 26
		rename, // 27
		resting(lapsed("LREUNION00", day), "AEFFECTS00", 0), // 28
		resting(moved, "AEFFECTS00", 2),                     // 29
		resting(granted("LNEW000000", site("SNEW000000", "CBRON00000", "NORPHAN000"), competence, "", day, "2031-02-01"), "AEFFECTS00", 1), // 30
		resting(confirmed("LTOWN00000"), "AEFFECTS00", 3),              // 31
		resting(extended("LORPHAN000", "2030-01-01"), "AEFFECTS00", 4), // 32
		resting(repealed("LFSMR00000", day), "AEFFECTS00", 5),          // 33
		assertion("LTOWN00000", "role", "?"),
	)
	q := w.queries()
	got, err := q.ListActEffects(t.Context(), &registryv1.ListActEffectsRequest{ActId: "AEFFECTS00"})
	if err != nil {
		t.Fatal(err)
	}
	var effects []string
	for _, e := range got.GetEffects() {
		effects = append(effects, fmt.Sprintf("%d %d %s %s %s", e.GetPosition(), e.GetLine(),
			strings.TrimPrefix(e.GetDisposition().String(), "DISPOSITION_"), e.GetEntry().GetLabel().GetLabelId(), printChanges(e.GetChanges())))
	}
	want := []string{
		"30 1 GRANTED LNEW000000 ",
		"29 2 RENEWED LNEXT00000 role:ROLE_COMPETENCE>ROLE_CONSTITUTIVE head:> period:2024-01-01/2029-01-01>2026-02-01/2031-02-01",
		"31 3 CONFIRMED LTOWN00000 ",
		"32 4 EXTENDED LORPHAN000 period:2024-01-01/2029-01-01>2024-01-01/2030-01-01 extended_from:>2029-01-01",
		"33 5 REPEALED LFSMR00000 repealed_from:>2026-02-01",
		"28 0 LAPSED LREUNION00 lapsed_from:>2026-02-01",
	}
	if !slices.Equal(effects, want) {
		t.Errorf("effects\n%s\nwant\n%s", strings.Join(effects, "\n"), strings.Join(want, "\n"))
	}
	if got.GetResolved().GetValidAt() != day || got.GetEffects()[0].GetEntry().GetStatus() != inForce {
		t.Errorf("as on %s: %v", got.GetResolved().GetValidAt(), got.GetEffects()[0])
	}
	if f := got.GetTopology(); len(f) != 1 || f[0].GetPosition() != 27 || printChanges(f[0].GetChanges()) != "filiere:BRAIN-TEAM>OSCAR" || f[0].GetActTitle() != "Acte AEFFECTS00" {
		t.Errorf("topology %v", f)
	}
	var totals []string
	for _, c := range got.GetTotals() {
		counted := "?"
		if c.Counted != nil {
			counted = fmt.Sprint(c.GetCounted())
		}
		totals = append(totals, fmt.Sprintf("%d/%s", c.GetAnnounced(), counted))
	}
	if s := strings.Join(totals, " "); s != "3/2 1/1 2/3 7/?" {
		t.Errorf("totals %s", s)
	}
	var lines, others uint32
	for _, c := range got.GetCounts() {
		if c.GetOfLines() {
			lines += c.GetLabels()
		} else {
			others += c.GetLabels()
		}
	}
	if lines != 5 || others != 1 {
		t.Errorf("counts %v", got.GetCounts())
	}
	history, err := q.ListHistory(t.Context(), &registryv1.ListHistoryRequest{EntityId: "AEFFECTS00"})
	if err != nil || len(history.GetFacts()) != 8 {
		t.Errorf("history of an act: %d facts, %v", len(history.GetFacts()), err)
	}
	history, err = q.ListHistory(t.Context(), &registryv1.ListHistoryRequest{EntityId: "CELOI00000"})
	if n := len(history.GetFacts()); err != nil || n != 6 || history.GetFacts()[n-1].GetPosition() != 32 || history.GetFacts()[n-1].GetActTitle() != "Acte AEFFECTS00" {
		t.Errorf("history of a centre: %v, %v", history, err)
	}
	if _, err := q.ListActEffects(t.Context(), &registryv1.ListActEffectsRequest{ActId: "ANOBODY000"}); reason(err) != "ACT_UNKNOWN" {
		t.Errorf("no act: %v", err)
	}
}

// TestActEffectsUnsaid: lines of nobody known, and labels that a list may have left out or
// not, are told beside what the act did.
func TestActEffectsUnsaid(t *testing.T) {
	w := fixture(t) // up to 25
	whole := granted("LWHOLE0000", &labellingv1.Holder{Holder: &labellingv1.Holder_NetworkId{NetworkId: "NSLA000000"}}, 0, "", "2024-01-01", "2029-01-01")
	late := granted("LLATE00000", site("SLATE00000", "CTOWN00000", "NORPHAN000"), competence, "", "2026-02-01", "2031-02-01")
	w.commit(whole, late)
	list := complete("AUNSAID000", "2026-02-01")
	list.GetActRecorded().AbsencesStated = true
	list.GetActRecorded().Scope[0].FiliereId = "FBRAIN0000" // which a network without filière may have been in
	line := w.commit(list, resting(confirmed("LTOWN00000"), "AUNSAID000", 1),
		resting(assertion("NSLA000000", labelling.UndeterminedLine, "SLA / Dijon"), "AUNSAID000", 3),
		resting(assertion("NSLA000000", labelling.UndeterminedLine, "SLA / Brest"), "AUNSAID000", 2))
	found := func(known uint64) string {
		got, err := w.queries().ListActEffects(t.Context(), &registryv1.ListActEffectsRequest{ActId: "AUNSAID000", AsOf: at("", known)})
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, a := range got.GetUndetermined() {
			out = append(out, fmt.Sprintf("%d %s %s", a.GetBasis().GetActLine(), a.GetValue(), a.GetSettledLabelId()))
		}
		for _, e := range got.GetToDecide() {
			out = append(out, e.GetLabel().GetLabelId()+" "+e.GetNetworkAcronym()+e.GetNetworkTitle())
		}
		return strings.Join(out, "\n")
	}
	const decide = "\nLWHOLE0000 Scléroses latérales\nLORPHAN000 RSFRéseau sans filière"
	if got := found(line); got != "2 SLA / Brest \n3 SLA / Dijon "+decide {
		t.Errorf("found\n%s", got)
	}
	settled := w.commit(&labellingv1.Event{Fact: &labellingv1.Event_AssertionSettled{AssertionSettled: &labellingv1.AssertionSettled{
		EntityId: "NSLA000000", Position: line, Outcome: labellingv1.Settlement_SETTLEMENT_SAME_LABEL, LabelId: "LTOWN00000",
	}}})
	if got := found(settled); got != "2 SLA / Brest LTOWN00000\n3 SLA / Dijon "+decide {
		t.Errorf("settled\n%s", got)
	}
}

func printDiff(all []*registryv1.Difference) string {
	var out []string
	for _, d := range all {
		out = append(out, fmt.Sprintf("%s %s %s [%s] %v %v", d.GetEntityKind(), d.GetEntityId(),
			strings.TrimPrefix(d.GetKind().String(), "DIFFERENCE_KIND_"), printChanges(d.GetChanges()), d.GetPositions(), d.GetActIds()))
	}
	return strings.Join(out, "\n")
}

func TestDiff(t *testing.T) {
	w := fixture(t) // up to 25
	w.commit(       // 26 to 30
		publishedAct("AACT000000", "2026-02-01"),
		resting(repealed("LCOMP00000", "2026-02-01"), "AACT000000", 1),
		correctedRole("LTOWN00000", 19, constitutive),
		establishmentRenamed("EBRON00000", "2026-02-01", "Hôpital Mère et Enfant"),
		granted("LLATE00000", site("SLATE00000", "CTOWN00000", "NORPHAN000"), competence, "", "2020-01-01", "2025-01-01"),
	)
	w.commit(taken("OHEAD00000", "SELOIOS000", headOffice, "2026-02-15", "V000000001")) // 31
	q := w.queries()
	for name, test := range map[string]struct {
		when           *registryv1.DiffRegisterRequest
		learned, world string
	}{
		"one moment": {&registryv1.DiffRegisterRequest{From: at("2026-01-15", 31), To: at("2026-01-15", 31)}, "", ""},
		"what was recorded of a day": {
			&registryv1.DiffRegisterRequest{From: at("2026-01-15", 25), To: at("2026-01-15", 31)},
			"label LCOMP00000 CHANGED [repealed_from:>2026-02-01] [27] [AACT000000]\n" +
				"label LLATE00000 APPEARED [status:>STATUS_IN_ABEYANCE] [30] []\n" +
				"label LTOWN00000 CHANGED [role:ROLE_COMPETENCE>ROLE_CONSTITUTIVE] [28] []",
			"",
		},
		"what changed between days": {
			&registryv1.DiffRegisterRequest{From: at("2026-01-15", 31), To: at("2026-03-01", 31)},
			"",
			"label LCOMP00000 DISAPPEARED [status:STATUS_IN_FORCE>STATUS_REPEALED] [27] [AACT000000]\n" +
				"establishment EBRON00000 CHANGED [name:Hôpital Femme-Mère-Enfant>Hôpital Mère et Enfant] [29] []\n" +
				"office OHEAD00000 APPEARED [] [31] []",
		},
		"a day as it was seen, and another as it is": {
			&registryv1.DiffRegisterRequest{From: at("2026-01-15", 25), To: at("2026-03-01", 31), Filiere: "OSCAR"},
			"label LCOMP00000 CHANGED [repealed_from:>2026-02-01] [27] [AACT000000]",
			"label LCOMP00000 DISAPPEARED [status:STATUS_IN_FORCE>STATUS_REPEALED] [27] [AACT000000]\n" +
				"establishment EBRON00000 CHANGED [name:Hôpital Femme-Mère-Enfant>Hôpital Mère et Enfant] [29] []\n" +
				"office OHEAD00000 APPEARED [] [31] []",
		},
		"of one network": {
			&registryv1.DiffRegisterRequest{From: at("2026-01-15", 25), To: at("2026-01-15", 31), Network: "NSLA000000"},
			"label LTOWN00000 CHANGED [role:ROLE_COMPETENCE>ROLE_CONSTITUTIVE] [28] []", "",
		},
		"back in time": {
			&registryv1.DiffRegisterRequest{From: at("2026-01-15", 31), To: at("2026-01-15", 25), Network: "NSLA000000"},
			"label LTOWN00000 CHANGED [role:ROLE_CONSTITUTIVE>ROLE_COMPETENCE] [28] []", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := q.DiffRegister(t.Context(), test.when)
			if err != nil {
				t.Fatal(err)
			}
			if learned := printDiff(got.GetLearned()); learned != test.learned {
				t.Errorf("learned\n%s\nwant\n%s", learned, test.learned)
			}
			if world := printDiff(got.GetWorld()); world != test.world {
				t.Errorf("world\n%s\nwant\n%s", world, test.world)
			}
		})
	}
	_, err := q.DiffRegister(t.Context(), &registryv1.DiffRegisterRequest{To: &registryv1.AsOf{Window: registryv1.Window_WINDOW_OPERATIONAL}})
	if reason(err) != "WINDOW_DIFFERS" {
		t.Errorf("two windows: %v", err)
	}
	got, err := q.DiffRegister(t.Context(), &registryv1.DiffRegisterRequest{
		From: &registryv1.AsOf{ValidAt: "2026-03-01", PublishedBy: "2026-01-31"}, To: &registryv1.AsOf{ValidAt: "2026-03-01"},
	})
	if err != nil || printDiff(got.GetLearned()) != "label LCOMP00000 DISAPPEARED [status:STATUS_IN_FORCE>STATUS_REPEALED repealed_from:>2026-02-01] [27] [AACT000000]" {
		t.Errorf("published since: %s, %v", printDiff(got.GetLearned()), err)
	}
}

// A list that leaves a label out is why its status is another.
func TestDiffNamesTheList(t *testing.T) {
	w := fixture(t)
	w.commit(complete("ALIST00000", "2026-02-01")) // 26
	got, err := w.queries().DiffRegister(t.Context(), &registryv1.DiffRegisterRequest{From: at("2026-01-15", 26), To: at("2026-03-01", 26), Network: "NORPHAN000"})
	if want := "label LORPHAN000 DISAPPEARED [status:STATUS_IN_FORCE>STATUS_LAPSED] [21 26] [ALIST00000]"; err != nil || printDiff(got.GetWorld()) != want {
		t.Errorf("world %s, %v", printDiff(got.GetWorld()), err)
	}
	got, err = w.queries().DiffRegister(t.Context(), &registryv1.DiffRegisterRequest{From: at("2026-03-01", 25), To: at("2026-03-01", 26), Network: "NORPHAN000"})
	if want := "label LORPHAN000 DISAPPEARED [status:STATUS_IN_FORCE>STATUS_LAPSED] [26] [ALIST00000]"; err != nil || printDiff(got.GetLearned()) != want {
		t.Errorf("learned %s, %v", printDiff(got.GetLearned()), err)
	}
}

// What goes on in a list is made by what goes on, not by the list: it left nothing out.
func TestDiffOfAbeyanceRenewed(t *testing.T) {
	w := fixture(t)
	holder := site("SLATE00000", "CTOWN00000", "NORPHAN000")
	w.commit(granted("LLATE00000", holder, competence, "", "2020-01-01", "2025-01-01")) // 26
	w.commit(
		complete("ALIST00000", "2026-02-01"),                                                    // 27
		renewed("LLATE00000", "LNEXT00000", holder, competence, "", "2026-02-01", "2031-02-01"), // 28
	)
	got, err := w.queries().DiffRegister(t.Context(), &registryv1.DiffRegisterRequest{From: at("2026-01-15", 28), To: at("2026-03-01", 28), Network: "NORPHAN000"})
	want := "label LLATE00000 DISAPPEARED [status:STATUS_IN_ABEYANCE>STATUS_SUPERSEDED] [28] []"
	if found := printDiff(got.GetWorld()); err != nil || !strings.Contains(found+"\n", want+"\n") {
		t.Errorf("found\n%s\n%v, want among it\n%s", found, err, want)
	}
}

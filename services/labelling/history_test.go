package labelling

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/bitemporal"
	"maillage/services/fact"
	"maillage/services/fact/facttest"
)

// dump writes all that was ever believed.
func dump(t testing.TB, s *State) string {
	t.Helper()
	all := facttest.Dump{}
	facttest.Rows(t, all, "cycles", &s.Cycles)
	facttest.Rows(t, all, "acts", &s.Acts)
	facttest.Rows(t, all, "labels", &s.Labels)
	facttest.Rows(t, all, "assertions", &s.Assertions)
	facttest.Rows(t, all, "offices", &s.Offices)
	facttest.Rows(t, all, "campaigns", &s.Campaigns)
	facttest.Rows(t, all, "drafts", &s.Drafts)
	return all.Text(t)
}

// samples has a rich event of every fact, in an order in which they fold. Encoded once
// under proto/testdata/events, an event must fold for ever: one is added, never changed.
func samples() []*labellingv1.Event {
	basis := &eventv1.Basis{
		Source: "BO Santé 2023/24", Evidence: eventv1.Evidence_EVIDENCE_ACT_READ, SeenDate: "2026-11",
		AsPrinted: []*eventv1.Printed{{Field: "type", Value: "Constitutif"}}, Note: "page 121",
	}
	line := &eventv1.Basis{ActId: "ACT0000001", ActLine: 12, Evidence: eventv1.Evidence_EVIDENCE_ACT_CITED}
	site := &labellingv1.Holder{Holder: &labellingv1.Holder_Site{Site: &labellingv1.Site{SiteId: "S1TE000001", CentreId: centre1, NetworkId: net1}}}
	head := &eventv1.PersonalValue{ValueId: "V000000001", Commitment: []byte(strings.Repeat("c", 32))}
	events := []*labellingv1.Event{
		{Meta: &eventv1.Meta{Basis: basis}, Fact: &labellingv1.Event_CycleRegistered{CycleRegistered: &labellingv1.CycleRegistered{
			CycleId: "CYC1E00001", Code: "2017-2022", Aliases: []string{"PNMR3"}, Period: period("2017", "2022"),
			Thresholds: []*labellingv1.Threshold{{Role: labellingv1.Role_ROLE_COMPETENCE, Unit: labellingv1.ThresholdUnit_THRESHOLD_UNIT_PATIENTS, Minimum: 25}},
		}}},
		{Meta: &eventv1.Meta{Basis: basis}, Fact: &labellingv1.Event_ActRecorded{ActRecorded: &labellingv1.ActRecorded{
			ActId: "ACT0000001", Kind: labellingv1.ActKind_ACT_KIND_ARRETE, Title: "Arrêté d'exemple", Nor: "SSAH2213795D",
			Authority: "Ministres de la santé et de la recherche", AnnouncedDate: "2017-05", SignedDate: "2017-08-08",
			Publications:  []*labellingv1.Publication{{Bulletin: "BO Santé", Number: "2017/8", Pages: "139-142", Date: "2017-09-15"}},
			EffectiveDate: "2017-08-09", CycleId: "CYC1E00001",
			Scope:           []*labellingv1.ScopeCell{{FiliereId: fil1, Role: labellingv1.Role_ROLE_CONSTITUTIVE, Coverage: labellingv1.Coverage_COVERAGE_COMPLETE}},
			AnnouncedTotals: []*labellingv1.AnnouncedTotal{{Unit: "sites", Count: 2130}}, LineCount: 1, FileSha256: []byte(strings.Repeat("f", 32)),
		}}},
		{Meta: &eventv1.Meta{Basis: line}, Fact: &labellingv1.Event_LabelGranted{LabelGranted: &labellingv1.LabelGranted{
			LabelId: "LABE100001", Holder: site, Role: labellingv1.Role_ROLE_CONSTITUTIVE, RoleAsPrinted: "CRMR constitutif",
			CycleId: "CYC1E00001", Period: period("2017-08-09", "2027-01-01"), Head: head,
		}}},
		{Meta: &eventv1.Meta{Basis: basis}, Fact: &labellingv1.Event_LabelConfirmed{LabelConfirmed: &labellingv1.LabelConfirmed{LabelId: "LABE100001"}}},
		{Meta: &eventv1.Meta{Basis: basis, Corrects: 3}, Fact: &labellingv1.Event_LabelCorrected{LabelCorrected: &labellingv1.LabelCorrected{
			LabelId: "LABE100001", Role: labellingv1.Role_ROLE_COORDINATOR.Enum(), RoleAsPrinted: new("CRMR coordonnateur"),
			CycleId: new(""), Period: period("2017-08", "2027"), Head: &eventv1.PersonalValue{ValueId: "V000000002"},
		}}},
		{Meta: &eventv1.Meta{Basis: basis}, Fact: &labellingv1.Event_LabelRenewed{LabelRenewed: &labellingv1.LabelRenewed{
			LabelId: "LABE100001", SuccessorId: "LABE100002", Holder: site, Role: labellingv1.Role_ROLE_COORDINATOR, RoleAsPrinted: "CRMR",
			CycleId: "CYC1E00001", Period: period("2023-12-29", "2028-12-29"), Head: head,
		}}},
		{Meta: &eventv1.Meta{Basis: basis}, Fact: &labellingv1.Event_LabelRepealed{LabelRepealed: &labellingv1.LabelRepealed{LabelId: "LABE100002", RepealedFrom: "2026-03-01"}}},
		{Meta: &eventv1.Meta{Basis: basis}, Fact: &labellingv1.Event_AssertionRecorded{AssertionRecorded: &labellingv1.AssertionRecorded{
			EntityId: "LABE100002", Field: "role", Value: "CCMR",
		}}},
		{Meta: &eventv1.Meta{Basis: basis}, Fact: &labellingv1.Event_OfficeTaken{OfficeTaken: &labellingv1.OfficeTaken{
			OfficeId: "0FF1CE0001", HolderId: "S1TE000001", Kind: labellingv1.OfficeKind_OFFICE_KIND_HEAD, PersonId: "PERS0N0001", Name: head, Start: "2017-09",
		}}},
		{Meta: &eventv1.Meta{Basis: basis}, Fact: &labellingv1.Event_OfficeTaken{OfficeTaken: &labellingv1.OfficeTaken{
			OfficeId: "0FF1CE0002", HolderId: "S1TE000001", Kind: labellingv1.OfficeKind_OFFICE_KIND_HEAD, Interim: true, Start: "2019-03-01", PredecessorId: "0FF1CE0001",
		}}},
		{Meta: &eventv1.Meta{Basis: basis}, Fact: &labellingv1.Event_OfficeLeft{OfficeLeft: &labellingv1.OfficeLeft{OfficeId: "0FF1CE0002", End: "2027-02-01"}}},
		{Meta: &eventv1.Meta{Basis: basis}, Fact: &labellingv1.Event_OfficeReviewed{OfficeReviewed: &labellingv1.OfficeReviewed{
			OfficeId: "0FF1CE0001", Body: "Filière NeuroSphinx", Favourable: true, Date: "2020-05-22",
		}}},
		{Meta: &eventv1.Meta{Basis: basis}, Fact: &labellingv1.Event_OfficeRefused{OfficeRefused: &labellingv1.OfficeRefused{OfficeId: "0FF1CE0001", Date: "2020"}}},
		{Meta: &eventv1.Meta{Basis: basis}, Fact: &labellingv1.Event_OfficeApproved{OfficeApproved: &labellingv1.OfficeApproved{OfficeId: "0FF1CE0001", Date: "2023-02"}}},
		{Meta: &eventv1.Meta{Basis: basis}, Fact: &labellingv1.Event_CampaignOpened{CampaignOpened: &labellingv1.CampaignOpened{
			CampaignId: "CAMP000001", Name: "Campagne 2017", CycleId: "CYC1E00001",
			Calls: []*labellingv1.Call{{Title: "Appel à projets", Reference: "DGOS/R4/2016/11", Date: "2016-10"}},
		}}},
		{Meta: &eventv1.Meta{Basis: basis}, Fact: &labellingv1.Event_OutcomeRecorded{OutcomeRecorded: &labellingv1.OutcomeRecorded{
			OutcomeId: "0VTC0ME001", CampaignId: "CAMP000001", Candidate: "C-MAVEM", NetworkId: net1, Kind: labellingv1.OutcomeKind_OUTCOME_KIND_ADJUSTED, Date: "2017-05-09",
		}}},
		{Meta: &eventv1.Meta{Basis: basis}, Fact: &labellingv1.Event_TermReached{TermReached: &labellingv1.TermReached{LabelId: "LABE100002", End: "2028-12-29"}}},
		{Meta: &eventv1.Meta{Basis: basis}, Fact: &labellingv1.Event_DayReached{DayReached: &labellingv1.DayReached{EntityId: "0FF1CE0002", Date: "2027-02-01", Position: 11}}},
		{Meta: &eventv1.Meta{}, Fact: &labellingv1.Event_DraftPrepared{DraftPrepared: &labellingv1.DraftPrepared{
			DraftId: "DRAFT00001", Annex: &eventv1.PersonalValue{ValueId: "V000000003", Commitment: []byte(strings.Repeat("d", 32))}, EffectsSha256: []byte(strings.Repeat("e", 32)),
		}}},
		{Meta: &eventv1.Meta{}, Fact: &labellingv1.Event_DraftRejected{DraftRejected: &labellingv1.DraftRejected{DraftId: "DRAFT00001", Reason: "Le périmètre manque"}}},
		{Meta: &eventv1.Meta{}, Fact: &labellingv1.Event_DraftPrepared{DraftPrepared: &labellingv1.DraftPrepared{
			DraftId: "DRAFT00002", Annex: &eventv1.PersonalValue{ValueId: "V000000004", Commitment: []byte(strings.Repeat("f", 32))}, EffectsSha256: []byte(strings.Repeat("g", 32)),
		}}},
		{Meta: &eventv1.Meta{}, Fact: &labellingv1.Event_DraftApproved{DraftApproved: &labellingv1.DraftApproved{DraftId: "DRAFT00002", ActId: "ACT0000001"}}},
	}
	events = append(events, fateSamples(basis, head)...)
	events = append(events, &labellingv1.Event{Meta: &eventv1.Meta{Basis: basis}, Fact: &labellingv1.Event_AssertionSettled{AssertionSettled: &labellingv1.AssertionSettled{
		EntityId: "LABE100002", Position: 8, Outcome: labellingv1.Settlement_SETTLEMENT_SAME_LABEL, LabelId: "LABE100001",
	}}}, &labellingv1.Event{Meta: &eventv1.Meta{Basis: basis}, Fact: &labellingv1.Event_ThresholdsStated{ThresholdsStated: &labellingv1.ThresholdsStated{
		CycleId: "CYC1E00001", Thresholds: []*labellingv1.Threshold{
			{Role: labellingv1.Role_ROLE_COMPETENCE, Unit: labellingv1.ThresholdUnit_THRESHOLD_UNIT_PATIENTS, Minimum: 30},
			{Role: labellingv1.Role_ROLE_RESOURCE_AND_COMPETENCE, Unit: labellingv1.ThresholdUnit_THRESHOLD_UNIT_VISITS, Minimum: 150},
		},
	}}})
	cited := &labellingv1.ActRecorded{
		ActId: "ACT0000002", Kind: labellingv1.ActKind_ACT_KIND_ARRETE, Title: "Arrêté cité", SignedDate: "2023-12-26",
		Scope: []*labellingv1.ScopeCell{{Coverage: labellingv1.Coverage_COVERAGE_PARTIAL}},
	}
	listed := proto.CloneOf(cited)
	listed.LineCount, listed.AbsencesStated, listed.Scope[0].Coverage = 2500, true, labellingv1.Coverage_COVERAGE_COMPLETE
	events = append(events,
		&labellingv1.Event{Meta: &eventv1.Meta{Basis: basis}, Fact: &labellingv1.Event_ActRecorded{ActRecorded: cited}},
		&labellingv1.Event{Meta: &eventv1.Meta{Basis: basis}, Fact: &labellingv1.Event_ActListed{ActListed: &labellingv1.ActListed{Act: listed}}},
		&labellingv1.Event{Meta: &eventv1.Meta{Basis: basis}, Fact: &labellingv1.Event_PersonErased{PersonErased: &labellingv1.PersonErased{
			ValueIds: []string{"V000000001", "V000000004"}, PersonIds: []string{"P000000001"}, Reason: labellingv1.ErasureReason_ERASURE_REASON_REQUESTED,
			LabelIds: []string{"LABE100001"}, OfficeIds: []string{"0FF1CE0001"}, EntityIds: []string{"PLAT000001"}, DraftIds: []string{"DRAFT00002"},
		}}})
	for i, e := range events {
		e.Meta.Schema = 1
		e.Meta.RecordTime = &timestamppb.Timestamp{Seconds: 1795000000 + int64(i)}
		e.Meta.Actor = &eventv1.Actor{Account: "account1", Role: "officer", Assurance: eventv1.Assurance_ASSURANCE_DEVELOPMENT}
		e.Meta.Approver = &eventv1.Actor{Account: "account2", Role: "approver", Assurance: eventv1.Assurance_ASSURANCE_OIDC}
		e.Meta.RequestId, e.Meta.RequestDigest, e.Meta.CommitSize = fmt.Sprintf("request-%d", i), []byte("digest"), 1
	}
	return events
}

// Every fact the contract has must have a sample, and every sample ever written must
// fold, to the same state.
func TestSamplesFold(t *testing.T) {
	s := new(State)
	facttest.Fold(t, samples(), s.Evolve, Subject, func() string { return dump(t, s) })
}

// An event this binary cannot read whole is refused, and nothing changes.
func TestEvolveRefuses(t *testing.T) {
	extra := protowire.AppendVarint(protowire.AppendTag(nil, 4000, protowire.VarintType), 1)
	granted := func() *labellingv1.Event { return samples()[2] }
	for name, edit := range map[string]func(*labellingv1.Event){
		"no meta":                 func(e *labellingv1.Event) { e.Meta = nil },
		"higher schema":           func(e *labellingv1.Event) { e.Meta.Schema = 2 },
		"no fact":                 func(e *labellingv1.Event) { e.Fact = nil },
		"nil fact":                func(e *labellingv1.Event) { e.Fact = &labellingv1.Event_LabelGranted{} },
		"unknown fact":            func(e *labellingv1.Event) { e.Fact = nil; e.ProtoReflect().SetUnknown(extra) },
		"unknown field of meta":   func(e *labellingv1.Event) { e.Meta.ProtoReflect().SetUnknown(extra) },
		"unknown field of fact":   func(e *labellingv1.Event) { e.GetLabelGranted().ProtoReflect().SetUnknown(extra) },
		"unknown field of holder": func(e *labellingv1.Event) { e.GetLabelGranted().GetHolder().GetSite().ProtoReflect().SetUnknown(extra) },
		"unknown role":            func(e *labellingv1.Event) { e.GetLabelGranted().Role = -77 },
		"a date no calendar has":  func(e *labellingv1.Event) { e.GetLabelGranted().Period.Start = "2023-02-30" },
		"no id":                   func(e *labellingv1.Event) { e.GetLabelGranted().LabelId = "" },
		"an id that is there":     func(e *labellingv1.Event) { e.GetLabelGranted().LabelId = "LABE100001" },
		"a label that is not":     func(e *labellingv1.Event) { e.Fact = confirm("X").GetFact() },
		"a repeal from no day":    func(e *labellingv1.Event) { e.Fact = repeal("LABE100001", "2023").GetFact() },
		"a renewal into itself": func(e *labellingv1.Event) {
			e.Fact = renew("LABE100001", &labellingv1.LabelGranted{LabelId: "LABE100001"}).GetFact()
		},
		"an act that is there":     func(e *labellingv1.Event) { e.Fact = samples()[1].GetFact() },
		"a cycle that is there":    func(e *labellingv1.Event) { e.Fact = samples()[0].GetFact() },
		"an extension to no day":   func(e *labellingv1.Event) { e.Fact = extendedE("LABE100001", "2023").GetFact() },
		"an extension of no label": func(e *labellingv1.Event) { e.Fact = extendedE("X", "2029-01-01").GetFact() },
		"a suspension before it begins": func(e *labellingv1.Event) {
			e.Fact = &labellingv1.Event_LabelSuspended{LabelSuspended: &labellingv1.LabelSuspended{LabelId: "LABE100001", SuspendedFrom: "2020-01-02", SuspendedUntil: "2020-01-01"}}
		},
		"a reinstatement of what is not suspended": func(e *labellingv1.Event) {
			e.Fact = &labellingv1.Event_LabelReinstated{LabelReinstated: &labellingv1.LabelReinstated{LabelId: "LABE100001", ReinstatedFrom: "2020-01-01"}}
		},
		"an annulment from no day": func(e *labellingv1.Event) {
			e.Fact = &labellingv1.Event_LabelAnnulled{LabelAnnulled: &labellingv1.LabelAnnulled{LabelId: "LABE100001", AnnulledFrom: "2020"}}
		},
		"a loss from no day": func(e *labellingv1.Event) {
			e.Fact = &labellingv1.Event_LabelLapsed{LabelLapsed: &labellingv1.LabelLapsed{LabelId: "LABE100001"}}
		},
		"an opening on no day": func(e *labellingv1.Event) {
			e.Fact = &labellingv1.Event_LabelOpened{LabelOpened: &labellingv1.LabelOpened{LabelId: "LABE100001"}}
		},
		"a withdrawal of no label": func(e *labellingv1.Event) {
			e.Fact = &labellingv1.Event_LabelWithdrawn{LabelWithdrawn: &labellingv1.LabelWithdrawn{LabelId: "X"}}
		},
		"an assertion on nothing": func(e *labellingv1.Event) {
			e.Fact = &labellingv1.Event_AssertionRecorded{AssertionRecorded: &labellingv1.AssertionRecorded{}}
		},
		"a settlement of nothing": func(e *labellingv1.Event) {
			e.Fact = &labellingv1.Event_AssertionSettled{AssertionSettled: &labellingv1.AssertionSettled{EntityId: "LABE100001", Position: 2}}
		},
		"the list of no act": func(e *labellingv1.Event) {
			e.Fact = &labellingv1.Event_ActListed{ActListed: &labellingv1.ActListed{Act: &labellingv1.ActRecorded{ActId: "X", LineCount: 1}}}
		},
		"a second list": func(e *labellingv1.Event) {
			e.Fact = &labellingv1.Event_ActListed{ActListed: &labellingv1.ActListed{Act: &labellingv1.ActRecorded{ActId: "ACT0000001", LineCount: 1}}}
		},
		"thresholds of no cycle": func(e *labellingv1.Event) {
			e.Fact = &labellingv1.Event_ThresholdsStated{ThresholdsStated: &labellingv1.ThresholdsStated{CycleId: "X"}}
		},
		"an office that is not": func(e *labellingv1.Event) {
			e.Fact = &labellingv1.Event_OfficeLeft{OfficeLeft: &labellingv1.OfficeLeft{OfficeId: "X", End: "2020"}}
		},
		"an office after one that is not": func(e *labellingv1.Event) {
			e.Fact = &labellingv1.Event_OfficeTaken{OfficeTaken: &labellingv1.OfficeTaken{OfficeId: "O", PredecessorId: "X", Start: "2020"}}
		},
		"an outcome of no campaign": func(e *labellingv1.Event) {
			e.Fact = &labellingv1.Event_OutcomeRecorded{OutcomeRecorded: &labellingv1.OutcomeRecorded{OutcomeId: "R", CampaignId: "X"}}
		},
		"the term of no label": func(e *labellingv1.Event) {
			e.Fact = &labellingv1.Event_TermReached{TermReached: &labellingv1.TermReached{LabelId: "X", End: "2020"}}
		},
		"a correction of no label": func(e *labellingv1.Event) {
			e.Fact = &labellingv1.Event_LabelCorrected{LabelCorrected: &labellingv1.LabelCorrected{LabelId: "X"}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := new(State)
			for i, e := range samples()[:3] {
				if err := s.Evolve(uint64(i+1), e); err != nil {
					t.Fatal(err)
				}
			}
			before := dump(t, s)
			e := granted()
			e.GetLabelGranted().LabelId = "LABE100009"
			edit(e)
			err := s.Evolve(4, e)
			if err == nil {
				t.Fatal("not refused")
			}
			if strings.HasPrefix(name, "unknown") && !errors.Is(err, fact.ErrUnreadable) {
				t.Errorf("error is %v, want one that is ErrUnreadable", err)
			}
			if name == "higher schema" && !strings.Contains(err.Error(), "schema 2") {
				t.Errorf("error %q does not say which schema wrote it", err)
			}
			if after := dump(t, s); after != before {
				t.Error("the state changed")
			}
		})
	}
}

// step takes one random decision and appends what it decides, if it is not refused.
func step(rt *rapid.T, w *world) {
	labels := slices.Collect(w.s.Labels.IDs())
	dates := []string{"", "2007", "2017", "2017-05-09", "2020-06", "2022", "2022-12-31", "2023-12-29", "2028"}
	date := rapid.SampledFrom(dates)
	anyGrant := func() *labellingv1.Grant {
		g := rapid.SampledFrom([]func() *labellingv1.Grant{
			func() *labellingv1.Grant { return site(centre1, net1) },
			func() *labellingv1.Grant { return site(centre2, net1) },
			func() *labellingv1.Grant { return as(site(centre1, net2), labellingv1.Role_ROLE_COMPETENCE) },
			func() *labellingv1.Grant { return filiere(fil1) },
			func() *labellingv1.Grant { return platform(pemr, labellingv1.Role_ROLE_PEMR) },
		}).Draw(rt, "holder")()
		return during(g, date.Draw(rt, "start"), date.Draw(rt, "end"))
	}
	anyLabel := func() string { return rapid.SampledFrom(append([]string{"none"}, labels...)).Draw(rt, "label") }
	var events []*labellingv1.Event
	var err error
	switch rapid.IntRange(0, 16).Draw(rt, "decision") {
	case 16:
		cycles := append(slices.Collect(w.s.Cycles.IDs()), "none")
		events, err = StateThresholds(w.s, &labellingv1.StateThresholdsRequest{
			Basis: source, CycleId: rapid.SampledFrom(cycles).Draw(rt, "cycle"),
			Thresholds: []*labellingv1.Threshold{asks(labellingv1.Role_ROLE_COMPETENCE, labellingv1.ThresholdUnit_THRESHOLD_UNIT_PATIENTS, rapid.Uint32Range(1, 3).Draw(rt, "minimum"))},
		})
	case 15:
		events, err = SettleAssertion(w.s, &labellingv1.SettleAssertionRequest{
			Basis: source, Position: rapid.Uint64Range(1, w.at).Draw(rt, "assertion"), Outcome: labellingv1.Settlement_SETTLEMENT_SAME_LABEL, LabelId: anyLabel(),
		})
		if err != nil {
			events, err = RecordAssertion(w.s, w.topo, &labellingv1.RecordAssertionRequest{Basis: source, EntityId: net1, Field: UndeterminedLine, Value: "x"})
		}
	case 0:
		events, err = w.registering(w.mint(), &labellingv1.RegisterCycleRequest{Basis: source, Code: rapid.StringMatching("[ab]{2}").Draw(rt, "code")})
	case 1, 2:
		events, err = GrantLabel(w.s, w.topo, IDs{w.mint(), w.mint()}, &labellingv1.GrantLabelRequest{Basis: source, Grant: anyGrant()}, nil)
	case 3:
		events, err = RenewLabel(w.s, w.topo, IDs{w.mint(), w.mint()}, &labellingv1.RenewLabelRequest{Basis: source, Renewal: &labellingv1.Renewal{LabelId: anyLabel(), Grant: anyGrant()}}, nil)
	case 4:
		events, err = w.repealing(anyLabel(), rapid.SampledFrom([]string{"2017-06-01", "2019-01-01", "2024-01-01"}).Draw(rt, "from"))
	case 5:
		id := anyLabel()
		corrects := rapid.Uint64Range(1, w.at).Draw(rt, "corrects")
		if h := w.s.Labels.History(id); len(h) > 0 {
			corrects = h[len(h)-1].KnownFrom
		}
		events, err = w.correcting(id, corrects, func(r *labellingv1.CorrectLabelRequest) {
			r.Period = period(date.Draw(rt, "start"), date.Draw(rt, "end"))
		})
	case 8:
		after := rapid.SampledFrom(append([]string{""}, slices.Collect(w.s.Offices.IDs())...)).Draw(rt, "after")
		events, err = w.taking(taking{
			id: w.mint(), holder: rapid.SampledFrom([]string{net1, fil1}).Draw(rt, "of"), kind: coordinator, start: date.Draw(rt, "start"), after: after,
			person: rapid.SampledFrom([]string{"", alice}).Draw(rt, "person"),
		})
	case 9:
		if offices := slices.Collect(w.s.Offices.IDs()); len(offices) > 0 {
			events, err = w.leaving(rapid.SampledFrom(offices).Draw(rt, "office"), date.Draw(rt, "end"))
		}
	case 10:
		id := w.mint()
		if events, err = w.openingCampaign(id, rapid.StringMatching("[ab]{2}").Draw(rt, "name")); err == nil {
			w.append(events, nil)
			events, err = w.outcome(w.mint(), id, "x", labellingv1.OutcomeKind_OUTCOME_KIND_DEFERRED)
		}
	case 6:
		events, err = w.confirming(anyLabel(), source)
	case 7:
		r := act()
		r.Title = w.mint()
		for range rapid.IntRange(0, 4).Draw(rt, "lines") {
			r.Lines = append(r.Lines, rapid.SampledFrom([]*labellingv1.ActLine{
				granted(anyGrant()), renewed(anyLabel(), anyGrant()), confirmed(anyLabel()), repealed(anyLabel()), anyFate(rt, anyLabel()),
			}).Draw(rt, "line"))
		}
		r.AbsencesStated = rapid.Bool().Draw(rt, "absences stated")
		r.EffectiveDate = rapid.SampledFrom([]string{"", "2017-08-08", "2020-01-01", "2023-12-29"}).Draw(rt, "effective")
		r.Scope = []*labellingv1.ScopeCell{{Coverage: rapid.SampledFrom([]labellingv1.Coverage{complete, partial, labellingv1.Coverage_COVERAGE_EXCLUDED}).Draw(rt, "coverage")}}
		if events, err = w.recording(r); err == nil && len(events) != 1+len(r.GetLines()) {
			rt.Fatalf("%d events for %d lines", len(events), len(r.GetLines()))
		}
	default:
		events, err = w.decidingFate(rt, anyLabel())
	}
	if err == nil {
		w.append(events, nil)
	}
}

var sampledDays = []string{"2000-01-01", "2017-05-09", "2018-01-01", "2020-06-15", "2022-06-01", "2023-06-01", "2024-06-01", "2030-01-01"}

// answers is all that a reader can be told, as known at a position.
func answers(w *world, known uint64) map[string]string {
	out := make(map[string]string)
	for id := range w.s.Labels.IDs() {
		for _, d := range sampledDays {
			status, ok := w.s.StatusAt(id, day(d), known, w.topo)
			if !ok {
				continue
			}
			held, _ := w.s.Labels.At(id, day(d), known)
			l, _ := w.s.Label(id, known)
			operation, _ := w.s.OperationAt(id, day(d), known, w.topo)
			out[id+" "+d] = fmt.Sprintf("%v %v held %t %v %d", status, operation, held != nil, l.GetPeriod(), len(l.GetBasis()))
		}
	}
	for _, holder := range []string{net1, fil1} {
		for _, d := range sampledDays {
			since, vacant := w.s.VacantSince(holder, coordinator, day(d), known)
			out[holder+" "+d] = fmt.Sprint(since, vacant)
		}
		for _, a := range w.s.AssertionsAbout(holder, known) {
			out[assertionKey(holder, a.GetPosition())] = a.GetSettledLabelId()
		}
		for o := range w.s.OfficesOf(holder, known) {
			out[o.GetOfficeId()] = o.GetPeriod().String()
		}
	}
	for id := range w.s.Campaigns.IDs() {
		if c, ok := w.s.Campaigns.Last(id, known); ok {
			out[id] = fmt.Sprint(len(c.GetOutcomes()))
		}
	}
	return out
}

// A survey says of every label what is said of it alone, and is in order of their ids.
func TestSurveySaysWhatIsSaidOfEachAlone(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(1, 30).Draw(rt, "n") {
			step(rt, w)
		}
		known := rapid.Uint64Range(0, w.at).Draw(rt, "known")
		survey := w.s.Survey(known, w.topo)
		alone := map[string]*labellingv1.Label{}
		for id := range w.s.Labels.IDs() {
			if l, ok := w.s.Label(id, known); ok {
				alone[id] = l
			}
		}
		if survey.Len() != len(alone) {
			rt.Fatalf("%d labels, want %d", survey.Len(), len(alone))
		}
		for i := range survey.Len() {
			l := survey.Label(i)
			id := l.GetLabelId()
			if l != alone[id] || i > 0 && survey.Label(i-1).GetLabelId() >= id {
				rt.Fatalf("label %s at place %d is another one, or out of order", id, i)
			}
			for _, d := range sampledDays {
				status, _ := w.s.StatusAt(id, day(d), known, w.topo)
				operation, _ := w.s.OperationAt(id, day(d), known, w.topo)
				if got := survey.Status(i, day(d)); got != status {
					rt.Fatalf("%s on %s: %v, alone %v", id, d, got, status)
				}
				if got := survey.Operation(i, day(d)); got != operation {
					rt.Fatalf("%s on %s: %v, alone %v", id, d, got, operation)
				}
			}
		}
	})
}

// What was answered for a day, as known at a position, is answered for ever.
func TestAnswersNeverChange(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		told := make(map[uint64]map[string]string)
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			step(rt, w)
			told[w.at] = answers(w, w.at)
		}
		for known, want := range told {
			if got := answers(w, known); !maps.Equal(got, want) {
				rt.Fatalf("as known at %d:\n%v\nwas\n%v", known, got, want)
			}
		}
	})
}

// A label once known is known for ever, and one believed version says all about it.
func TestLabelsStayKnown(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			step(rt, w)
		}
		for id := range w.s.Labels.IDs() {
			if v := w.s.Labels.Versions(id, w.at); len(v) != 1 {
				rt.Fatalf("label %s has %d versions at once", id, len(v))
			}
		}
	})
}

// Whatever acts grant, of the labels of one holder whose start is stated at most one is
// in force on a day.
func TestOneLabelInForce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			step(rt, w)
		}
		for _, d := range sampledDays {
			holds := make(map[string]string)
			for id := range w.s.Labels.IDs() {
				l := w.label(id)
				status, _ := w.s.StatusAt(id, day(d), w.at, w.topo)
				if status != inForce && status != extended && status != suspendedS || l.GetPeriod().GetStart() == "" {
					continue
				}
				if other, taken := holds[HolderID(l.GetHolder())]; taken {
					rt.Fatalf("on %s, both %v and %v are in force", d, w.label(other), l)
				}
				holds[HolderID(l.GetHolder())] = id
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
		if rapid.Bool().Draw(rt, "settled") {
			w.s.Settle(w.at)
		}
		at, was, told := w.at, dump(t, w.s), answers(w, w.at)
		for range rapid.IntRange(1, 10).Draw(rt, "steps too many") {
			step(rt, w)
		}
		w.s.Rollback(at)
		w.at = at
		if is := dump(t, w.s); is != was {
			rt.Fatalf("rolled back to\n%s\nwant\n%s", is, was)
		}
		if got := answers(w, bitemporal.Latest); !maps.Equal(got, told) {
			rt.Fatalf("rolled back, it answers\n%v\nwant\n%v", got, told)
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
		e := new(labellingv1.Event)
		if err := proto.Unmarshal(body, e); err != nil {
			return
		}
		s := new(State)
		for i, sample := range samples() {
			_ = s.Evolve(uint64(2*i+1), proto.CloneOf(e)) // may be refused; must not panic
			if err := s.Evolve(uint64(2*i+2), sample); err != nil && s.Labels.Len()+s.Acts.Len()+s.Cycles.Len() == 0 {
				t.Fatal(err)
			}
		}
		for id := range s.Labels.IDs() {
			for _, d := range sampledDays {
				s.StatusAt(id, day(d), bitemporal.Latest, nil)
				s.OperationAt(id, day(d), bitemporal.Latest, nil)
			}
		}
		Subject(e)
	})
}

// A status takes about a microsecond over a million labels and the lists of twenty years.
func BenchmarkStatusAt(b *testing.B) {
	w := newWorld(b)
	for i := range 20 {
		r := act()
		r.Title, r.EffectiveDate = fmt.Sprint("Liste ", i), fmt.Sprint(2004+i)
		r.Scope = []*labellingv1.ScopeCell{{FiliereId: fil2, Coverage: labellingv1.Coverage_COVERAGE_COMPLETE}, {Coverage: labellingv1.Coverage_COVERAGE_PARTIAL}}
		w.append(w.recording(r))
	}
	const labels = 1_000_000
	ids := make([]string, labels)
	for i := range ids {
		ids[i] = w.mint()
		e := grant(&labellingv1.LabelGranted{
			LabelId: ids[i], Role: labellingv1.Role_ROLE_COMPETENCE, Period: period("2017", "2022"),
			Holder: &labellingv1.Holder{Holder: &labellingv1.Holder_Site{Site: &labellingv1.Site{SiteId: w.mint(), CentreId: ids[i], NetworkId: net1}}},
		})
		e.Meta = &eventv1.Meta{Schema: 1, Basis: source}
		w.append([]*labellingv1.Event{e}, nil)
	}
	w.s.Settle(w.at)
	on := []bitemporal.Date{day("2018-01-01"), day("2024-06-01")}
	i := 0
	for b.Loop() {
		w.s.StatusAt(ids[i%labels], on[i%2], w.at, w.topo)
		i++
	}
}

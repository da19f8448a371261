package e2e

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

// What surprises whoever models French rare-disease labels naively, one test each.

func TestSurprise01CRMRHasThreeMeanings(t *testing.T) {
	d := newDesk(t)
	cycle, network := d.cycle("2017-2022", "2017", "2022"), d.network("Maladies respiratoires rares de l'enfant", "RespiRare", d.filiere("RespiFIL"))
	for i, role := range []labellingv1.Role{coordinator, constitutive, constitutive, competence, competence, competence} {
		d.granted(grant(d.centre("", d.hospital("CHU n° "+string(rune('1'+i)), "Ville", "75")), network, role, cycle, "2017-08-08", "2022-08-08"))
	}
	for unit, want := range map[registryv1.CountUnit]uint32{
		registryv1.CountUnit_COUNT_UNIT_NETWORK:        1,
		registryv1.CountUnit_COUNT_UNIT_REFERENCE_SITE: 3,
		registryv1.CountUnit_COUNT_UNIT_LABEL:          6,
	} {
		if got := d.count("2018-01-01", unit, false); got != want {
			t.Errorf("%v: %d, want %d", unit, got, want)
		}
	}
}

func TestSurprise02CycleNamesAreNotDates(t *testing.T) {
	d := newDesk(t)
	cycle, network := d.cycle("2022-2027", "", "", "2023-2027", "2023-2028", "2024-2028"), d.network("Réseau", "R", d.filiere("F"))
	label, _ := d.granted(grant(d.centre("A", d.hospital("CHU", "Paris", "75")), network, coordinator, cycle, "", ""))
	for _, name := range []string{"2022-2027", "2023-2027", "2023-2028", "2024-2028"} {
		found := d.labels(&registryv1.ListLabelsRequest{AsOf: on("2025-01-01"), Cycle: name})
		if len(found) != 1 || found[0].GetLabel().GetLabelId() != label {
			t.Errorf("under %s: %v", name, found)
		}
	}
	if p := d.label(label, "2025-01-01").GetLabel().GetPeriod(); p.GetStart() != "" || p.GetEnd() != "" {
		t.Errorf("dates were made of a name: %v", p)
	}
	d.stands(label, "2025-01-01", labellingv1.Status_STATUS_UNDETERMINED)
	d.stands(label, "2040-01-01", labellingv1.Status_STATUS_UNDETERMINED)
	r, err := d.registry.GetCycle(t.Context(), &registryv1.GetCycleRequest{CycleId: cycle})
	must(t, err)
	if p := r.GetCycle().GetPeriod(); p.GetStart() != "" || p.GetEnd() != "" {
		t.Errorf("dates were made of a name: %v", p)
	}
}

func TestSurprise03FourDatesOfADecision(t *testing.T) {
	d := newDesk(t)
	cycle, network := d.cycle("2023-2028", "2023", "2028"), d.network("Réseau", "R", d.filiere("F"))
	recorded, err := d.labelling.RecordAct(t.Context(), &labellingv1.RecordActRequest{
		Basis: stated, Kind: labellingv1.ActKind_ACT_KIND_ARRETE, Title: "Arrêté du 26 décembre 2023", CycleId: cycle,
		AnnouncedDate: "2023-09", SignedDate: "2023-12-26", EffectiveDate: "2024-01-01",
		Publications: []*labellingv1.Publication{{Bulletin: "BO Santé", Number: "2023/24", Pages: "121-122", Date: "2023-12-29"}},
		Scope:        []*labellingv1.ScopeCell{{Coverage: partial}},
		Lines:        []*labellingv1.ActLine{grants(grant(d.centre("A", d.hospital("CHU", "Paris", "75")), network, coordinator, cycle, "2024-01-01", "2029-01-01"))},
	})
	must(t, err)
	r, err := d.registry.GetAct(t.Context(), &registryv1.GetActRequest{ActId: recorded.GetActId()})
	must(t, err)
	a := r.GetAct()
	if got := []string{a.GetAnnouncedDate(), a.GetSignedDate(), a.GetPublications()[0].GetDate(), a.GetEffectiveDate()}; !slices.Equal(got, []string{"2023-09", "2023-12-26", "2023-12-29", "2024-01-01"}) {
		t.Errorf("announced, signed, published, effective: %v", got)
	}
	_, facts := d.facts(recorded.GetActId())
	if metaOf(facts[0]).GetRecordTime().AsTime().Year() < 2026 {
		t.Errorf("recorded %v", metaOf(facts[0]).GetRecordTime())
	}
	for published, want := range map[string]int{"2023-12-28": 0, "2023-12-29": 1} {
		if got := d.labels(&registryv1.ListLabelsRequest{AsOf: &registryv1.AsOf{ValidAt: "2024-06-01", PublishedBy: published}}); len(got) != want {
			t.Errorf("published by %s: %d labels, want %d", published, len(got), want)
		}
	}
}

func TestSurprise04FiveYearsIsNotExact(t *testing.T) {
	d := newDesk(t)
	filiere := d.filiere("RespiFIL")
	four, err := d.labelling.GrantLabel(t.Context(), &labellingv1.GrantLabelRequest{Basis: stated, Grant: &labellingv1.Grant{
		Holder: &labellingv1.Grant_FiliereId{FiliereId: filiere}, Role: fsmr, CycleId: d.cycle("FSMR 2019-2022", "2019", "2022"), Period: &eventv1.Period{Start: "2019-07-01", End: "2023-07-01"},
	}})
	must(t, err)
	network := d.network("Réseau", "R", filiere)
	five, _ := d.granted(grant(d.centre("A", d.hospital("CHU", "Paris", "75")), network, coordinator, d.cycle("2017-2022", "2017", "2022"), "2018-09-01", "2023-09-01"))
	pnmr1, _ := d.granted(grant(d.centre("B", d.hospital("CHU", "Lyon", "69")), network, reference, "", "2007-07-01", "2017-08-08"))
	for _, tc := range []struct {
		label, day string
		want       labellingv1.Status
	}{
		{four.GetLabelId(), "2023-06-30", inForce},
		{four.GetLabelId(), "2023-07-01", abeyance},
		{five, "2023-08-31", inForce},
		{five, "2023-09-01", abeyance},
		{pnmr1, "2016-01-01", inForce}, // nine years on
	} {
		d.stands(tc.label, tc.day, tc.want)
	}
}

func TestSurprise05PastItsEndWithNoAct(t *testing.T) {
	d := newDesk(t)
	network := d.network("Réseau", "R", d.filiere("F"))
	label, _ := d.granted(grant(d.centre("A", d.hospital("CHU", "Paris", "75")), network, coordinator, d.cycle("2017-2022", "2017", "2022"), "2017-08-08", "2022-08-08"))
	d.stands(label, "2022-08-07", inForce)
	d.stands(label, "2023-06-01", abeyance)
	if got := d.label(label, "2023-06-01").GetOperationState(); got != labellingv1.OperationState_OPERATION_STATE_OPEN {
		t.Errorf("operational state %v after the term, with nothing decided", got)
	}
	if got := d.labels(&registryv1.ListLabelsRequest{AsOf: on("2023-06-01"), Statuses: []labellingv1.Status{inForce}}); len(got) != 0 {
		t.Errorf("in force, legally: %v", got)
	}
	works := &registryv1.AsOf{ValidAt: "2023-06-01", Window: registryv1.Window_WINDOW_OPERATIONAL}
	if got := d.labels(&registryv1.ListLabelsRequest{AsOf: works}); len(got) != 1 {
		t.Errorf("working: %v", got)
	}
	_, err := d.labelling.MaintainLabel(t.Context(), &labellingv1.MaintainLabelRequest{Basis: stated, LabelId: label, MaintainedFrom: "2022-08-08"})
	must(t, err)
	e := d.label(label, "2023-06-01")
	if e.GetStatus() != abeyance || e.GetOperationState() != labellingv1.OperationState_OPERATION_STATE_MAINTAINED {
		t.Errorf("maintained: %v, %v", e.GetStatus(), e.GetOperationState())
	}
}

func TestSurprise06AbsenceIsLoss(t *testing.T) {
	d := newDesk(t)
	filiere, old, cycle := d.filiere("F"), d.cycle("2017-2022", "2017", "2022"), d.cycle("2023-2028", "2023", "2028")
	network := d.network("Réseau un", "R1", filiere)
	kept, _ := d.granted(grant(d.centre("A", d.hospital("CHU de Lille", "Lille", "59")), network, coordinator, old, "2017-08-08", "2022-08-08"))
	past, _ := d.granted(grant(d.centre("B", d.hospital("CHU de Lyon", "Lyon", "69")), network, competence, old, "2017-08-08", "2022-08-08"))
	inside, _ := d.granted(grant(d.centre("C", d.hospital("CHU de Brest", "Brest", "29")), network, competence, old, "2020-01-01", "2025-01-01"))
	annex := act2023(cycle, of(filiere, complete), row("Réseau un", coordinator, "CHU de Lille", "Lille"))
	draft, err := d.labelling.PrepareAct(t.Context(), &labellingv1.PrepareActRequest{Annex: annex})
	must(t, err)
	approve := &labellingv1.ApproveActRequest{DraftId: draft.GetDraftId(), EffectsSha256: draft.GetPlan().GetEffectsSha256(), AcceptedLapses: 1}
	_, err = d.approver.ApproveAct(t.Context(), approve)
	refusedFor(t, err, "LAPSES_NOT_ACCEPTED")
	approve.AcceptedLapses = 2
	_, err = d.approver.ApproveAct(t.Context(), approve)
	must(t, err)
	d.stands(kept, "2024-06-01", superseded)
	d.stands(past, "2024-06-01", expired)
	d.stands(inside, "2023-12-28", inForce)
	d.stands(inside, "2024-06-01", lapsed)
	d.happened(inside, "label granted", "label lapsed") // and never "label withdrawn"
}

func TestSurprise07ActsOverlapAndAbsorb(t *testing.T) {
	d := newDesk(t)
	cycle, network := d.cycle("2017-2022", "2017", "2022"), d.network("Réseau", "R", d.filiere("F"))
	g := grant(d.centre("A", d.hospital("CHU", "Paris", "75")), network, coordinator, cycle, "2017-05-09", "2022-05-09")
	g.HeadName = "Dr TÉMOIN"
	first, labels := d.record("Arrêté du 9 mai 2017", "2017-05-09", "2017-05-31", cycle, grants(g))
	label := labels[0]
	before := d.label(label, "2018-01-01").GetLabel()
	second, _ := d.record("Arrêté du 8 août 2017", "2017-08-08", "2017-09-15", cycle, confirms(label))
	third, _ := d.record("Arrêté du 25 novembre 2017", "2017-11-25", "", cycle, confirms(label))
	after := proto.CloneOf(d.label(label, "2018-01-01").GetLabel())
	var acts []string
	for _, b := range after.GetBasis() {
		acts = append(acts, b.GetActId())
	}
	if !slices.Equal(acts, []string{first, second, third}) {
		t.Errorf("it rests on %v", acts)
	}
	after.Basis = before.GetBasis()
	if !proto.Equal(before, after) {
		t.Errorf("was %v, is %v", before, after)
	}
	_, facts := d.facts(label)
	for _, f := range facts[1:] {
		if len(f.GetChanges()) != 0 {
			t.Errorf("a confirmation changed %v", f.GetChanges())
		}
	}
}

func TestSurprise08CoordinatorsAreNotOneAtEveryInstant(t *testing.T) {
	d := newDesk(t)
	filiere, cycle := d.filiere("F"), d.cycle("2023-2028", "2023", "2028")
	annex := act2023(cycle, of(filiere, partial), row("Réseau", coordinator, "CHU de Lille", "Lille"), row("Réseau", coordinator, "CHU de Lyon", "Lyon"))
	for i := range annex.GetLines() {
		annex.Resolutions = append(annex.Resolutions, resolved(uint32(i+1), labellingv1.Subject_SUBJECT_CENTRE, labellingv1.Identity_IDENTITY_NEW, ""))
	}
	annex.Resolutions = append(annex.Resolutions, resolved(1, labellingv1.Subject_SUBJECT_NETWORK, labellingv1.Identity_IDENTITY_NEW, ""))
	_, plan := d.enact(annex)
	if !slices.ContainsFunc(plan.GetWarnings(), func(w *labellingv1.Remark) bool { return w.GetReason() == "COORDINATORS_SEVERAL" }) {
		t.Errorf("two coordinators, and these warnings: %v", plan.GetWarnings())
	}
	found := d.labels(&registryv1.ListLabelsRequest{AsOf: on("2024-06-01"), Roles: []labellingv1.Role{coordinator}})
	if len(found) != 2 {
		t.Fatalf("%d coordinators recorded", len(found))
	}
	network := found[0].GetLabel().GetHolder().GetSite().GetNetworkId()
	post := labellingv1.OfficeKind_OFFICE_KIND_COORDINATOR
	office := d.office(&labellingv1.TakeOfficeRequest{HolderId: network, Kind: post, Name: "Dr TÉMOIN", Start: "2024-01-01"})
	_, err := d.labelling.LeaveOffice(t.Context(), &labellingv1.LeaveOfficeRequest{Basis: stated, OfficeId: office, End: "2024-09-01"})
	must(t, err)
	d.office(&labellingv1.TakeOfficeRequest{HolderId: network, Kind: post, Name: "Dr INTÉRIM", Start: "2025-01-01", Interim: true})
	for day, vacant := range map[string]bool{"2024-06-01": false, "2024-10-01": true, "2025-02-01": false} {
		if got := d.todo(day, registryv1.TodoKind_TODO_KIND_VACANCY, network); got != vacant {
			t.Errorf("vacant on %s: %v", day, got)
		}
	}
}

func resolved(line uint32, subject labellingv1.Subject, identity labellingv1.Identity, entity string) *labellingv1.Resolution {
	return &labellingv1.Resolution{Line: line, Subject: subject, Identity: identity, EntityId: entity}
}

func TestSurprise09OneTeamInSeveralNetworks(t *testing.T) {
	d := newDesk(t)
	filiere, cycle := d.filiere("FILNEMUS"), d.cycle("2017-2022", "2017", "2022")
	centre := d.centre("Neuromusculaire", d.hospital("CHU de La Réunion", "Saint-Denis", "974"))
	_, one := d.granted(grant(centre, d.network("Réseau un", "R1", filiere), competence, cycle, "2017-08-08", "2022-08-08"))
	_, two := d.granted(grant(centre, d.network("Réseau deux", "R2", filiere), constitutive, cycle, "2017-08-08", "2022-08-08"))
	if one == two {
		t.Error("one site in two networks")
	}
	if labels, centres := d.count("2018-01-01", registryv1.CountUnit_COUNT_UNIT_LABEL, false), d.count("2018-01-01", registryv1.CountUnit_COUNT_UNIT_CENTRE, false); labels != 2 || centres != 1 {
		t.Errorf("%d labels of %d centres", labels, centres)
	}
}

func TestSurprise10PromotionIsNoUpgrade(t *testing.T) {
	d := newDesk(t)
	filiere, cycle := d.filiere("RespiFIL"), d.cycle("2017-2022", "2017", "2022")
	centre, from, to := d.centre("A", d.hospital("CHU", "Lille", "59")), d.network("Réseau un", "R1", filiere), d.network("Réseau deux", "R2", filiere)
	old, site := d.granted(grant(centre, from, competence, cycle, "2017-08-08", "2022-08-08"))
	r, err := d.labelling.RenewLabel(t.Context(), &labellingv1.RenewLabelRequest{Basis: stated, Renewal: &labellingv1.Renewal{
		LabelId: old, Grant: grant(centre, to, constitutive, d.cycle("2023-2028", "2023", "2028"), "2023-12-29", "2028-12-29"),
	}})
	must(t, err)
	d.happened(old, "label granted", "label renewed")
	d.happened(r.GetLabelId(), "label renewed")
	d.stands(old, "2024-06-01", superseded)
	d.stands(r.GetLabelId(), "2024-06-01", inForce)
	was, is := d.label(old, "2018-01-01").GetLabel(), d.label(r.GetLabelId(), "2024-06-01").GetLabel()
	if was.GetRole() != competence || was.GetHolder().GetSite().GetSiteId() != site || was.GetSuccessorId() != is.GetLabelId() {
		t.Errorf("the first label became %v", was)
	}
	if is.GetRole() != constitutive || is.GetPredecessorId() != old || is.GetHolder().GetSite().GetNetworkId() != to || is.GetHolder().GetSite().GetSiteId() == site {
		t.Errorf("the second label is %v", is)
	}
}

func TestSurprise11CRCAreCountedApart(t *testing.T) {
	d := newDesk(t)
	cycle, network := d.cycle("2017-2022", "2017", "2022"), d.network("Mucoviscidose", "", d.filiere("MUCO-CFTR"))
	for i, role := range []labellingv1.Role{coordinator, crc, crc, competence} {
		d.granted(grant(d.centre("", d.hospital("CHU n° "+string(rune('1'+i)), "Ville", "75")), network, role, cycle, "2017-08-08", "2022-08-08"))
	}
	for withCRC, want := range map[bool][2]uint32{false: {1, 2}, true: {3, 4}} {
		if got := d.count("2018-01-01", registryv1.CountUnit_COUNT_UNIT_REFERENCE_SITE, withCRC); got != want[0] {
			t.Errorf("reference sites, with CRC %v: %d, want %d", withCRC, got, want[0])
		}
		if got := d.count("2018-01-01", registryv1.CountUnit_COUNT_UNIT_LABEL, withCRC); got != want[1] {
			t.Errorf("labels, with CRC %v: %d, want %d", withCRC, got, want[1])
		}
	}
}

func TestSurprise12CollaboratorsNeverCount(t *testing.T) {
	d := newDesk(t)
	network := d.network("Réseau", "R", d.filiere("F"))
	d.granted(grant(d.centre("A", d.hospital("CHU", "Paris", "75")), network, coordinator, d.cycle("2017-2022", "2017", "2022"), "2017-08-08", "2022-08-08"))
	collaborator := d.centre("Centre collaborateur", d.hospital("CH", "Quimper", "29"))
	d.assert(collaborator, "collaborates_with", network, "https://example.org/filiere/carte", "2021-03")
	r, err := d.registry.ListCentres(t.Context(), &registryv1.ListCentresRequest{AsOf: on("2018-01-01"), Text: "collaborateur"})
	must(t, err)
	if len(r.GetCentres()) != 1 || r.GetCentres()[0].GetCentreId() != collaborator {
		t.Errorf("found: %v", r.GetCentres())
	}
	for _, unit := range []registryv1.CountUnit{registryv1.CountUnit_COUNT_UNIT_LABEL, registryv1.CountUnit_COUNT_UNIT_CENTRE, registryv1.CountUnit_COUNT_UNIT_ESTABLISHMENT} {
		if got := d.count("2018-01-01", unit, true); got != 1 {
			t.Errorf("%v: %d", unit, got)
		}
	}
	if got := d.labels(&registryv1.ListLabelsRequest{AsOf: on("2018-01-01"), Text: "Quimper"}); len(got) != 0 {
		t.Errorf("labels of the collaborator: %v", got)
	}
	d.happened(collaborator, "centre registered", "assertion recorded")
}

func TestSurprise13PlatformsLiveApart(t *testing.T) {
	d := newDesk(t)
	first, second := d.hospital("CHU de La Réunion", "Saint-Denis", "974"), d.hospital("CH de Mayotte", "Mamoudzou", "976")
	p, err := d.topology.RegisterPlatform(t.Context(), &topologyv1.RegisterPlatformRequest{
		Basis: stated, Name: "RE-MA-RARES", Kind: topologyv1.PlatformKind_PLATFORM_KIND_PCOM, EstablishmentIds: []string{first, second}, Place: &topologyv1.Place{Territory: "Réunion-Mayotte"},
	})
	must(t, err)
	platform := p.GetPlatformId()
	call, err := d.labelling.RecordAct(t.Context(), &labellingv1.RecordActRequest{
		Basis: stated, Kind: labellingv1.ActKind_ACT_KIND_CALL, Title: "Résultats des appels à projets PEMR et PCOM", AnnouncedDate: "2020-01-21", EffectiveDate: "2020-01",
		Lines: []*labellingv1.ActLine{grants(&labellingv1.Grant{
			Holder: &labellingv1.Grant_PlatformId{PlatformId: platform}, Role: labellingv1.Role_ROLE_PCOM, Period: &eventv1.Period{Start: "2020-01-21", End: "2023"},
		})},
	})
	must(t, err)
	label := call.GetLabelIds()[0]
	_, err = d.labelling.OpenLabel(t.Context(), &labellingv1.OpenLabelRequest{Basis: stated, LabelId: label, OpenedFrom: "2021-02-01"})
	must(t, err)
	d.assert(platform, "labelled", "2021", "https://example.org/territoires", "2022-04")
	for day, want := range map[string]labellingv1.OperationState{
		"2020-06-01": labellingv1.OperationState_OPERATION_STATE_PLANNED, "2021-02-01": labellingv1.OperationState_OPERATION_STATE_OPEN,
	} {
		if e := d.label(label, day); e.GetStatus() != inForce || e.GetOperationState() != want {
			t.Errorf("on %s: %v, %v", day, e.GetStatus(), e.GetOperationState())
		}
	}
	got, err := d.registry.GetPlatform(t.Context(), &registryv1.GetPlatformRequest{PlatformId: platform})
	must(t, err)
	if !slices.Equal(got.GetPlatform().GetEstablishmentIds(), []string{first, second}) {
		t.Errorf("hosts %v", got.GetPlatform().GetEstablishmentIds())
	}
	d.happened(platform, "platform registered", "label granted", "label opened", "assertion recorded")
}

func TestSurprise14FINESSAndHosts(t *testing.T) {
	d := newDesk(t)
	register := func(name, finess string, kind topologyv1.FinessKind) (string, error) {
		r, err := d.topology.RegisterEstablishment(t.Context(), &topologyv1.RegisterEstablishmentRequest{Basis: stated, Name: name, Finess: finess, FinessKind: kind})
		return r.GetEstablishmentId(), err
	}
	const site, entity = topologyv1.FinessKind_FINESS_KIND_SITE, topologyv1.FinessKind_FINESS_KIND_LEGAL_ENTITY
	for _, tc := range []struct {
		name, finess string
		kind         topologyv1.FinessKind
	}{{"CH d'Ajaccio", "2A0000014", site}, {"CH de Bastia", "2B0000020", site}, {"Clinique, entité", "330780495", entity}, {"Clinique, site", "330780495", site}} {
		_, err := register(tc.name, tc.finess, tc.kind)
		must(t, err)
	}
	_, err := register("CH fautif", "2A0000015", site)
	refusedFor(t, err, "FINESS_INVALID")

	hospital, err := register("CH de Cayenne", "", site)
	must(t, err)
	before, err := register("Entité du CH de Cayenne", "", entity)
	must(t, err)
	after, err := register("GCS de Guyane", "", entity)
	must(t, err)
	for from, to := range map[string]string{"2000-01-01": before, "2025-01-01": after} {
		_, err := d.topology.AttachEstablishment(t.Context(), &topologyv1.AttachEstablishmentRequest{Basis: stated, EstablishmentId: hospital, LegalEntityId: to, ValidFrom: from})
		must(t, err)
	}
	for day, want := range map[string]string{"2024-12-31": before, "2025-01-01": after} {
		r, err := d.registry.GetEstablishment(t.Context(), &registryv1.GetEstablishmentRequest{EstablishmentId: hospital, AsOf: on(day)})
		must(t, err)
		if e := r.GetEstablishment(); e.GetEstablishmentId() != hospital || e.GetName() != "CH de Cayenne" || !slices.Contains(e.GetLegalEntityIds(), want) || day < "2025" && len(e.GetLegalEntityIds()) != 1 {
			t.Errorf("on %s: %v", day, e)
		}
	}
}

func TestSurprise15TheHeadIsPartOfTheDecision(t *testing.T) {
	d := newDesk(t)
	network := d.network("Réseau", "R", d.filiere("F"))
	label, site := d.granted(grant(d.centre("A", d.hospital("CHU", "Paris", "75")), network, coordinator, d.cycle("2017-2022", "2017", "2022"), "2017-08-08", "2022-08-08"))
	head := labellingv1.OfficeKind_OFFICE_KIND_HEAD
	first := d.office(&labellingv1.TakeOfficeRequest{HolderId: site, Kind: head, Name: "Dr AVANT", Start: "2017-08-08"})
	second := d.office(&labellingv1.TakeOfficeRequest{HolderId: site, Kind: head, Name: "Dr APRÈS", Start: "2019-03", PredecessorId: first})
	if !d.todo("2020-01-01", registryv1.TodoKind_TODO_KIND_APPROVAL, second) {
		t.Error("a succession without approval waits for nobody")
	}
	_, err := d.labelling.ReviewOffice(t.Context(), &labellingv1.ReviewOfficeRequest{Basis: stated, OfficeId: second, Body: "comité de suivi de la labellisation", Favourable: true, Date: "2020-05-22"})
	must(t, err)
	// The label is in abeyance by then.
	_, err = d.labelling.ApproveOffice(t.Context(), &labellingv1.ApproveOfficeRequest{Basis: stated, OfficeId: second, Date: "2022-10-15"})
	must(t, err)
	d.stands(label, "2022-10-15", abeyance)
	for day, want := range map[string]string{"2018-01-01": "Dr AVANT", "2020-01-01": "Dr APRÈS", "2022-10-15": "Dr APRÈS"} {
		if held := d.label(label, day).GetOffices(); len(held) != 1 || held[0].GetName() != want {
			t.Errorf("on %s the heads are %v, want %s", day, held, want)
		}
	}
	r, err := d.registry.ListOffices(t.Context(), &registryv1.ListOfficesRequest{HolderId: site})
	must(t, err)
	o := r.GetOffices()[1].GetOffice()
	if o.GetPeriod().GetStart() != "2019-03" || o.GetApproval() != labellingv1.Approval_APPROVAL_APPROVED || o.GetApprovalDate() != "2022-10-15" || len(o.GetOpinions()) != 1 {
		t.Errorf("the successor: %v", o)
	}
	if d.todo("2020-01-01", registryv1.TodoKind_TODO_KIND_APPROVAL, second) {
		t.Error("approved for its first day on, and still waiting")
	}
	d.happened(label, "label granted") // the label is the same
}

func TestSurprise16SamePersonTwoOffices(t *testing.T) {
	d := newDesk(t)
	network := d.network("Réseau", "R", d.filiere("FILNEMUS"))
	_, site := d.granted(grant(d.centre("A", d.hospital("CHU de Martinique", "Fort-de-France", "972")), network, constitutive, d.cycle("2017-2022", "2017", "2022"), "2017-08-08", "2022-08-08"))
	p, err := d.topology.RegisterPlatform(t.Context(), &topologyv1.RegisterPlatformRequest{Basis: stated, Name: "PCOM Martinique", Kind: topologyv1.PlatformKind_PLATFORM_KIND_PCOM})
	must(t, err)
	const rpps = "10099999996"
	person := func(holder string, kind labellingv1.OfficeKind, name, rpps string) string {
		id := d.office(&labellingv1.TakeOfficeRequest{HolderId: holder, Kind: kind, Name: name, Rpps: rpps, Start: "2020-01-01"})
		r, err := d.registry.ListOffices(t.Context(), &registryv1.ListOfficesRequest{HolderId: holder})
		must(t, err)
		at := slices.IndexFunc(r.GetOffices(), func(o *registryv1.OfficeEntry) bool { return o.GetOffice().GetOfficeId() == id })
		return r.GetOffices()[at].GetOffice().GetPersonId()
	}
	one := person(site, labellingv1.OfficeKind_OFFICE_KIND_HEAD, "Dr TÉMOIN", rpps)
	two := person(p.GetPlatformId(), labellingv1.OfficeKind_OFFICE_KIND_COORDINATOR, "Dr T. TÉMOIN", rpps)
	unknown := person(network, labellingv1.OfficeKind_OFFICE_KIND_COORDINATOR, "Dr TÉMOIN", "")
	if one == "" || one != two || unknown != "" {
		t.Errorf("the persons are %q, %q and, by a name alone, %q", one, two, unknown)
	}
}

func TestSurprise17NamesAreNotKeys(t *testing.T) {
	d := newDesk(t)
	network := d.network("Centre des maladies endocriniennes rares de la croissance et du développement", "CMERCD", d.filiere("FIRENDO"))
	label, _ := d.granted(grant(d.centre("A", d.hospital("CHU", "Paris", "75")), network, coordinator, d.cycle("2017-2022", "2017", "2022"), "2017-08-08", "2022-08-08"))
	_, err := d.topology.RenameNetwork(t.Context(), &topologyv1.RenameNetworkRequest{Basis: stated, NetworkId: network, Title: "Maladies rares de la croissance, obésités rares", Acronym: "CRESCENDO", ValidFrom: "2021-01-01"})
	must(t, err)
	for _, tc := range []struct{ day, name string }{{"2018-01-01", "CMERCD"}, {"2018-01-01", "CRESCENDO"}, {"2022-01-01", "CRESCENDO"}, {"2022-01-01", "CMERCD"}} {
		got := d.labels(&registryv1.ListLabelsRequest{AsOf: on(tc.day), Network: tc.name})
		if len(got) != 1 || got[0].GetLabel().GetLabelId() != label {
			t.Errorf("on %s under %s: %v", tc.day, tc.name, got)
		}
	}
	if was, is := d.label(label, "2020-12-31"), d.label(label, "2021-01-01"); was.GetNetworkAcronym() != "CMERCD" || is.GetNetworkAcronym() != "CRESCENDO" {
		t.Errorf("called %s, then %s", was.GetNetworkAcronym(), is.GetNetworkAcronym())
	}
	_, facts := d.facts(network)
	renamed := facts[slices.IndexFunc(facts, func(f *registryv1.Fact) bool { return f.GetTopology().GetNetworkRenamed() != nil })]
	var fields []string
	for _, c := range renamed.GetChanges() {
		fields = append(fields, c.GetField())
	}
	slices.Sort(fields)
	if !slices.Equal(fields, []string{"acronym", "title"}) {
		t.Errorf("history tells of %v", renamed.GetChanges())
	}
}

func TestSurprise18RegionalDecisionsAndCompositeSites(t *testing.T) {
	d := newDesk(t)
	network := d.network("Maladies neuromusculaires", "", d.filiere("FILNEMUS"))
	centre := d.centre("Site composite", d.hospital("Hôpital de la Côte-de-Nacre", "Caen", "14"), d.hospital("Hôpital Charles-Nicolle", "Rouen", "76"))
	r, err := d.labelling.RecordAct(t.Context(), &labellingv1.RecordActRequest{
		Basis: &eventv1.Basis{Source: "https://example.org/instruction-2016", Evidence: eventv1.Evidence_EVIDENCE_ACT_CITED, SeenDate: "2026-11"},
		Kind:  labellingv1.ActKind_ACT_KIND_DECISION, Title: "Désignation des centres de compétences", Authority: "ARH, après avis du CNCL", SignedDate: "2008",
		Lines: []*labellingv1.ActLine{grants(grant(centre, network, competence, "", "2008", ""))},
	})
	must(t, err)
	act, err := d.registry.GetAct(t.Context(), &registryv1.GetActRequest{ActId: r.GetActId()})
	must(t, err)
	if act.GetAct().GetAuthority() != "ARH, après avis du CNCL" {
		t.Errorf("authority %q", act.GetAct().GetAuthority())
	}
	for _, town := range []string{"Caen", "Rouen"} {
		found := d.labels(&registryv1.ListLabelsRequest{AsOf: on("2010-01-01"), Text: town})
		if len(found) != 1 || found[0].GetLabel().GetLabelId() != r.GetLabelIds()[0] || len(found[0].GetEstablishmentNames()) != 2 {
			t.Errorf("at %s: %v", town, found)
		}
	}
}

func TestSurprise19OtherRecognitionsAreNoLabels(t *testing.T) {
	d := newDesk(t)
	network := d.network("Réseau", "R", d.filiere("F"))
	centre := d.centre("A", d.hospital("CHU", "Paris", "75"))
	label, site := d.granted(grant(centre, network, competence, d.cycle("2017-2022", "2017", "2022"), "2017-08-08", "2022-08-08"))
	unlabelled := d.centre("B", d.hospital("CH", "Lens", "62"))
	d.assert(site, "ern_member", "ERN-LUNG", "https://example.org/ern", "2022-01")
	d.assert(centre, "ars_contract", "M31 F23, en vigueur jusqu'au 2030-01-01", "https://example.org/e-cars", "2023-06")
	d.assert(unlabelled, "ars_contract", "M31 F23", "https://example.org/e-cars", "2023-06")
	d.stands(label, "2018-01-01", inForce)
	d.stands(label, "2023-06-01", abeyance)
	if e := d.label(label, "2018-01-01"); e.GetLabel().GetRole() != competence || len(e.GetAssertions()) != 1 {
		t.Errorf("the label: %v", e)
	}
	if got := d.count("2018-01-01", registryv1.CountUnit_COUNT_UNIT_LABEL, true); got != 1 {
		t.Errorf("%d labels", got)
	}
}

func TestSurprise20SourcesContradict(t *testing.T) {
	d := newDesk(t)
	network := d.network("Leucodystrophies", "", d.filiere("BRAIN-TEAM"))
	label, _ := d.granted(grant(d.centre("A", d.hospital("CHU", "Clermont-Ferrand", "63")), network, competence, d.cycle("2017-2022", "2017", "2022"), "2017-08-08", "2022-08-08"))
	d.assert(label, "role", "constitutif", "https://example.org/association/centres", "2024-02")
	d.assert(label, "role", "compétence", "https://example.org/association/autre", "2025-07-01")
	e := d.label(label, "2018-01-01")
	if e.GetLabel().GetRole() != competence || e.GetStatus() != inForce {
		t.Errorf("the record moved: %v", e)
	}
	var told []string
	for _, a := range e.GetAssertions() {
		told = append(told, a.GetField()+" "+a.GetValue()+", "+a.GetBasis().GetSource()+", "+a.GetBasis().GetSeenDate()+", "+a.GetBasis().GetEvidence().String())
	}
	if want := []string{
		"role constitutif, https://example.org/association/centres, 2024-02, EVIDENCE_STATED",
		"role compétence, https://example.org/association/autre, 2025-07-01, EVIDENCE_STATED",
	}; !slices.Equal(told, want) {
		t.Errorf("told: %q", told)
	}
}

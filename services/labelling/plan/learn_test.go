package plan

import (
	"bytes"
	"testing"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
)

// townOnly is a network of a team of which the town alone is known, and a hospital there.
func townOnly(w *world) {
	w.network("NET", "Maladies du sein", "MDS", "FIL1")
	w.hospital("HD", "CHU de Dijon", "Dijon")
	w.team("CD", "", "Dijon")
	w.label("A", "CD", "NET", coordinator, "")
}

func TestAHospitalIsLearnt(t *testing.T) {
	beside := func(w *world) {
		townOnly(w)
		w.network("NET2", "Maladies du cou", "", "FIL1")
		w.label("K", "CD", "NET2", coordinator, "")
	}
	several := func(w *world) {
		townOnly(w)
		w.hospital("H1", "Clinique", "Dijon")
		w.hospital("H2", "Clinique", "Dijon")
	}
	nowhere := func(w *world) {
		w.network("NET", "Maladies du sein", "MDS", "FIL1")
		w.hospital("HD", "CHU de Dijon", "Dijon")
		w.team("CD", "", "")
		w.label("A", "CD", "NET", coordinator, "")
	}
	const renewedA = `
				1 renewed A000000000 coordinator CD00000000 in NET0000000 place`
	for _, p := range []planned{
		{
			name: "that is registered", given: townOnly, when: act(nil, row("MDS", coordinator, "CHU de Dijon", "DIJON")),
			then: renewedA + `
				attached CD00000000 as CHU de Dijon`,
		},
		{
			name: "that the act registers", given: townOnly, when: act(nil, row("MDS", coordinator, "Hôpital neuf", "Dijon")),
			then: renewedA + `
				created new-establishment-1 as Hôpital neuf
				attached CD00000000 as Hôpital neuf`,
		},
		{
			name: "once, by two lines of two networks", given: beside,
			when: act(nil, row("MDS", coordinator, "CHU de Dijon", "Dijon"), row("Maladies du cou", coordinator, "CHU Dijon", "Dijon")),
			then: renewedA + `
				2 renewed K000000000 coordinator CD00000000 in NET2000000 place
				attached CD00000000 as CHU de Dijon`,
		},
		{
			name: "two lines name two: neither", given: beside,
			when: act(nil, row("MDS", coordinator, "CHU de Dijon", "Dijon"), row("Maladies du cou", coordinator, "Hôpital neuf", "Dijon")),
			then: renewedA + `
				2 renewed K000000000 coordinator CD00000000 in NET2000000 place
				1 warns HOSPITAL_LEARNT
				2 warns HOSPITAL_LEARNT`,
		},
		{
			name: "one of two, nobody knows which", given: several,
			when: answered(act(nil, row("MDS", coordinator, "Clinique", "Dijon")), answer(1, aboutHospital, isUnknown, "")),
			then: renewedA + `
				1 warns HOSPITAL_LEARNT`,
		},
		{
			name: "by a label granted beside", given: townOnly,
			when: answered(act(nil, row("Cou", coordinator, "CHU de Dijon", "Dijon")), answer(1, aboutNetwork, isNew, ""), answer(1, aboutCentre, isSame, "CD")),
			then: `
				1 granted coordinator CD00000000 in new-network-1
				created new-network-1 as Cou
				attached CD00000000 as CHU de Dijon`,
		},
		{
			name: "of a team that is nowhere", given: nowhere,
			when: answered(act(nil, row("MDS", coordinator, "CHU de Dijon", "Dijon")), answer(1, aboutCentre, isSame, "CD")),
			then: renewedA + `
				attached CD00000000 as CHU de Dijon`,
		},
		{
			name: "not by a line that takes a label away", given: townOnly,
			when: act(nil, lineWith(row("MDS", coordinator, "CHU de Dijon", "Dijon"), func(l *labellingv1.AnnexLine) { l.Disposition = withdrawn })),
			then: `
				1 withdrawn A000000000 coordinator CD00000000 in NET0000000
				1 warns COORDINATOR_MISSING`,
		},
		{
			name: "not of a team that is elsewhere", given: townOnly,
			when: answered(act(nil, row("MDS", coordinator, "Hôpital neuf", "Nancy")), answer(1, aboutCentre, isSame, "CD")),
			then: renewedA + `
				1 warns PLACE_OTHER`,
		},
	} {
		t.Run(p.name, p.run)
	}
}

// TestALearntHospitalIsOfTheCommit: after it the team works there, from the day of the
// act on, and the act planned again learns nothing.
func TestALearntHospitalIsOfTheCommit(t *testing.T) {
	for name, printed := range map[string]string{"registered": "CHU de Dijon", "new": "Hôpital neuf"} {
		w := newWorld(t)
		townOnly(w)
		annex := act(nil, row("MDS", coordinator, printed, "Dijon"))
		var learnt *topologyv1.CentreAttached
		for _, e := range w.apply(annex) {
			if e, is := e.(*topologyv1.Event); is && e.GetCentreAttached() != nil {
				learnt = e.GetCentreAttached()
				if b := e.GetMeta().GetBasis(); b.GetActId() == "" || b.GetActLine() != 1 {
					t.Errorf("%s: it rests on %v", name, b)
				}
			}
		}
		if learnt.GetCentreId() != id("CD") || learnt.GetValidFrom() != "2023-12-29" {
			t.Fatalf("%s: learnt is %v", name, learnt)
		}
		h, _ := w.topo.Establishments.Last(learnt.GetEstablishmentId(), bitemporal.Latest)
		if h.GetName() != printed {
			t.Errorf("%s: the hospital is %v", name, h)
		}
		annex.Title = "Arrêté du 2 janvier 2024"
		if got := said(w.reckon(annex).Plan); got != "1 confirmed M000000003 coordinator CD00000000 in NET0000000\n" && name == "registered" {
			t.Errorf("%s: planned again it is\n%s", name, got)
		}
	}
}

// TestAnotherHeadIsAnotherPlan: where the head known before changes meanwhile, so that the
// line changes it no more, the approver is shown so.
func TestAnotherHeadIsAnotherPlan(t *testing.T) {
	w := newWorld(t)
	dijon(w)
	annex := act(nil, row("MDS", coordinator, "CHU de Dijon", "Dijon", "Dr Luc Blanc"))
	before := w.reckon(annex).Plan
	meanwhile := &labellingv1.Annex{Basis: source, Successions: []*labellingv1.Succession{{
		Network: "MDS", Establishment: "CHU de Dijon", Incoming: "Dr Luc Blanc", Date: "2022",
	}}}
	events, err := w.reckon(meanwhile).Apply(w.mint, func(int) *eventv1.PersonalValue { return w.head("BLANC Luc (Dr)") })
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		w.fold(e)
	}
	after := w.reckon(annex).Plan
	if bytes.Equal(before.GetEffectsSha256(), after.GetEffectsSha256()) {
		t.Error("the digest is the same")
	}
	added, removed := Difference(before, after)
	if len(added.GetEffects()) != 1 || len(removed.GetEffects()) != 1 {
		t.Errorf("the difference is +%v -%v", added, removed)
	}
}

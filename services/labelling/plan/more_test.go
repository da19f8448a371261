package plan

import (
	"testing"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/labelling"
	"maillage/services/topology"
)

func (w *world) hold(name string, g *labellingv1.Grant) {
	w.t.Helper()
	w.labelling(labelling.GrantLabel(w.s, w.topo, labelling.IDs{Label: id(name), Site: w.mint()}, &labellingv1.GrantLabelRequest{Basis: source, Grant: g}, nil))
}

func TestOtherHolders(t *testing.T) {
	given := func(w *world) {
		w.topology(topology.RegisterPlatform(w.topo, id("P"), &topologyv1.RegisterPlatformRequest{Basis: source, Name: "PEMR Bretagne", Kind: topologyv1.PlatformKind_PLATFORM_KIND_PEMR}))
		w.topology(topology.RegisterPlatform(w.topo, id("Q"), &topologyv1.RegisterPlatformRequest{Basis: source, Name: "Re-Ma-Rares", Kind: topologyv1.PlatformKind_PLATFORM_KIND_PCOM}))
		w.hold("A", &labellingv1.Grant{Holder: &labellingv1.Grant_PlatformId{PlatformId: id("P")}, Role: labellingv1.Role_ROLE_PEMR, Period: &eventv1.Period{Start: "2020"}})
		w.hold("F", &labellingv1.Grant{Holder: &labellingv1.Grant_FiliereId{FiliereId: id("FIL1")}, Role: labellingv1.Role_ROLE_FSMR, Period: &eventv1.Period{Start: "2019-01-01", End: "2028"}})
		w.network("NET", "Maladies du sein", "", "FIL1")
		w.hold("N", &labellingv1.Grant{Holder: &labellingv1.Grant_NetworkId{NetworkId: id("NET")}, Period: &eventv1.Period{Start: "2019-01-01", End: "2028"}})
	}
	for _, p := range []planned{
		{
			name: "platforms, by name and kind", given: given,
			when: act(nil, row("pemr bretagne", labellingv1.Role_ROLE_PEMR, "", ""), row("Re-Ma-Rares", labellingv1.Role_ROLE_PCOM, "", ""), row("PEMR Bretagne", labellingv1.Role_ROLE_PCOM, "", "")),
			then: `
				1 renewed A000000000 pemr in
				2 granted pcom in
				3 unspecified pcom in
				3 refuses HOLDER_UNKNOWN`,
		},
		{
			name: "one holder on two lines", given: given,
			when: act(nil, row("Re-Ma-Rares", labellingv1.Role_ROLE_PCOM, "", ""), row("re ma rares", labellingv1.Role_ROLE_PCOM, "", "")),
			then: `
				1 granted pcom in
				2 granted pcom in
				2 refuses LINES_SAME_SITE`,
		},
		{
			name: "a list of sites tells nothing of a network, a filière or a platform", given: given,
			when: act(everything(), row("Maladies du sein", coordinator, "CHU de Dijon", "Dijon")),
			then: `
				1 granted coordinator new-centre-1 in NET0000000
				0 to_decide N000000000 unspecified in NET0000000
				created new-establishment-1 as CHU de Dijon
				created new-centre-1 as CHU de Dijon, Dijon`,
		},
		{
			name: "left out, with its network", given: given, when: act([]*labellingv1.ScopeCell{cell("FIL1", 0, "", complete)}),
			then: `
				0 lapsed N000000000 unspecified in NET0000000`,
		},
		{
			name: "left out by a cell that names the role", given: given,
			when: act([]*labellingv1.ScopeCell{cell("", labellingv1.Role_ROLE_FSMR, "", complete), cell("", labellingv1.Role_ROLE_PEMR, "", complete)}),
			then: `
				0 lapsed A000000000 pemr in
				0 lapsed F000000000 fsmr in`,
		},
	} {
		t.Run(p.name, p.run)
	}
}

func TestAnswers(t *testing.T) {
	several := func(w *world) {
		dijon(w)
		w.label("X", "CD", "NET", constitutive, "", "", "", "OLD")
	}
	line := row("MDS", coordinator, "CHU de Dijon", "Dijon")
	homonyms := func(w *world) {
		dijon(w)
		w.network("NET2", "Maladies du cou", "MDS", "FIL2")
	}
	clinics := func(w *world) {
		dijon(w)
		w.hospital("H1", "Clinique", "Dijon")
		w.hospital("H2", "Clinique", "Dijon")
	}
	closed := func(w *world) {
		dijon(w)
		w.network("NET2", "Maladies de la gorge", "", "FIL1")
		w.topology(topology.SucceedNetworks(w.topo, nil, &topologyv1.SucceedNetworksRequest{
			Basis: source, PredecessorIds: []string{id("NET")}, SuccessorIds: []string{id("NET2")}, ValidFrom: "2020",
		}))
	}
	for _, p := range []planned{
		{
			name: "this label", given: several, when: answered(act(nil, line), answer(1, aboutLabel, isSame, "X")),
			then: `
				1 renewed X000000000 coordinator CD00000000 in NET0000000 role
				1 warns COORDINATORS_SEVERAL`,
		},
		{
			name: "a label beside", given: several, when: answered(act(nil, line), answer(1, aboutLabel, isNew, "")),
			then: `
				1 granted coordinator CD00000000 in NET0000000
				1 warns COORDINATORS_SEVERAL`,
		},
		{
			name: "nobody knows which label", given: several, when: answered(act(everything(), line), answer(1, aboutLabel, isUnknown, "")),
			then: `
				1 undetermined coordinator CD00000000 in NET0000000
				0 expired B000000000 competence CB00000000 in NET0000000`,
		},
		{
			name: "no such label", given: dijon, when: answered(act(nil, line), answer(1, aboutLabel, isSame, "Z")),
			then: `
				1 granted coordinator CD00000000 in NET0000000
				1 warns COORDINATORS_SEVERAL
				1 refuses RESOLUTION_UNKNOWN`,
		},
		{
			name: "a line that there is not", given: dijon, when: answered(act(nil, line), answer(2, aboutCentre, isNew, "")),
			then: `
				1 renewed A000000000 coordinator CD00000000 in NET0000000
				0 refuses RESOLUTION_UNKNOWN`,
		},
		{
			name: "two networks of one acronym, the one that keeps its sites first", given: homonyms, when: act(nil, line),
			then: `
				1 unspecified coordinator in
				1 asks network NET0000000 (acronym,sites) NET2000000 (acronym)`,
		},
		{
			name: "two networks of one acronym, answered", given: homonyms, when: answered(act(nil, line), answer(1, aboutNetwork, isSame, "NET2")),
			then: `
				1 granted coordinator new-centre-1 in NET2000000
				created new-centre-1 as CHU de Dijon, Dijon`,
		},
		{
			name: "a network answered in two ways", given: homonyms,
			when: answered(act(nil, line, row("MDS", competence, "", "Metz")), answer(1, aboutNetwork, isSame, "NET2"), answer(2, aboutNetwork, isSame, "NET")),
			then: `
				1 granted coordinator new-centre-1 in NET2000000
				2 granted competence new-centre-2 in NET2000000
				created new-centre-1 as CHU de Dijon, Dijon
				created new-centre-2 as Metz
				2 refuses RESOLUTION_CONTRADICTORY`,
		},
		{
			name: "a successor of what closed before", given: closed,
			when: answered(act(nil, row("Cou", coordinator, "CHU de Dijon", "Dijon")), answer(1, aboutNetwork, isSuccessor, "NET")),
			then: `
				1 unspecified coordinator in
				1 asks network NET2000000 (sites)
				1 refuses NETWORK_CLOSED`,
		},
		{
			name: "a network that closes and goes on", given: dijon,
			when: answered(act(nil, row("Cou", coordinator, "CHU de Dijon", "Dijon"), row("MDS", coordinator, "CHU de Besançon", "Besançon")),
				answer(1, aboutNetwork, isSuccessor, "NET"), answer(2, aboutNetwork, isSame, "NET")),
			then: `
				1 renewed A000000000 coordinator CD00000000 in new-network-1 network
				2 renewed B000000000 coordinator CB00000000 in NET0000000 role
				created new-network-1 as Cou
				succeeded new-network-1 as Cou MDS
				2 refuses RESOLUTION_CONTRADICTORY`,
		},
		{
			name: "a team that closes and goes on", given: dijon,
			when: answered(act(nil, row("MDS", coordinator, "CHU de Dijon", "Dijon"), row("MDS", competence, "CHU de Dijon", "Dijon")),
				answer(1, aboutCentre, isSuccessor, "CD"), answer(2, aboutCentre, isSame, "CD"), answer(2, aboutLabel, isNew, "")),
			then: `
				1 renewed A000000000 coordinator new-centre-1 in NET0000000 holder
				2 granted competence CD00000000 in NET0000000
				created new-centre-1 as CHU de Dijon, Dijon
				succeeded new-centre-1 as CD00000000
				2 refuses RESOLUTION_CONTRADICTORY`,
		},
		{
			name: "one of two hospitals, nobody knows which: perhaps a team of its town", given: clinics,
			when: answered(act(nil, row("MDS", coordinator, "Clinique", "Dijon")), answer(1, aboutHospital, isUnknown, "")),
			then: `
				1 unspecified coordinator in NET0000000
				1 asks centre CD00000000 (role)`,
		},
		{
			name: "a hospital that is new", given: paris,
			when: answered(act(nil, row("Cou", coordinator, "CHU Hôpital Saint-Louis", "")), answer(1, aboutHospital, isNew, "")),
			then: `
				1 granted coordinator new-centre-1 in new-network-1
				created new-establishment-1 as CHU Hôpital Saint-Louis
				created new-network-1 as Cou
				created new-centre-1 as CHU Hôpital Saint-Louis`,
		},
		{
			name: "a hospital nobody knows: the town remains", given: paris,
			when: answered(act(nil, row("Cou", coordinator, "CHU Hôpital Saint-Louis", "")), answer(1, aboutHospital, isUnknown, "")),
			then: `
				1 granted coordinator new-centre-1 in new-network-1
				created new-network-1 as Cou
				created new-centre-1 as CHU Hôpital Saint-Louis`,
		},
	} {
		t.Run(p.name, p.run)
	}
}

// TestWhatEndedTakesNoFate: two people who sign off an act are held to the rules of one.
func TestWhatEndedTakesNoFate(t *testing.T) {
	does := func(d labellingv1.Disposition, until string) *labellingv1.Annex {
		return answered(act(nil, lineWith(row("MDS", competence, "CHU de Besançon", "Besançon"), func(l *labellingv1.AnnexLine) {
			l.Disposition, l.Period = d, &eventv1.Period{End: until}
		})), answer(1, aboutLabel, isSame, "B"))
	}
	withdrawal := func(w *world) {
		dijon(w)
		w.labelling(labelling.WithdrawLabel(w.s, &labellingv1.WithdrawLabelRequest{Basis: source, LabelId: id("B")}))
	}
	repeal := func(w *world) {
		dijon(w)
		w.labelling(labelling.RepealLabel(w.s, &labellingv1.RepealLabelRequest{Basis: source, LabelId: id("B"), RepealedFrom: "2020-01-01"}))
	}
	for _, c := range []struct {
		name  string
		given func(*world)
		does  labellingv1.Disposition
		until string
		want  string
	}{
		{"an extension to the end it has", dijon, extended, "2022-08-08", "EXTENSION_NOT_LATER"},
		{"an extension to before it", dijon, extended, "2020-01-01", "EXTENSION_NOT_LATER"},
		{"an extension", dijon, extended, "2022-08-09", ""},
		{"a suspension that ends before the act has effect", dijon, suspended, "2023-12-29", "PERIOD_EMPTY"},
		{"a suspension from the act on", dijon, suspended, "2023-12-30", ""},
		{"a withdrawn label renewed", withdrawal, unstated, "", "RESOLUTION_UNKNOWN"},
		{"a repealed label renewed", repeal, unstated, "", "LABEL_ENDED"},
		{"a repealed label extended", repeal, extended, "2030-01-01", "LABEL_ENDED"},
		{"a repealed label amended", repeal, amended, "", ""},
	} {
		w := newWorld(t)
		c.given(w)
		refusals := w.reckon(does(c.does, c.until)).Plan.GetRefusals()
		if got := ""; len(refusals) > 0 || c.want != "" {
			if len(refusals) > 0 {
				got = refusals[0].GetReason()
			}
			if got != c.want {
				t.Errorf("%s: got %q, want %q", c.name, got, c.want)
			}
		}
	}
}

// TestAReclassificationBeginsWithItsAct: the label before is not made empty.
func TestAReclassificationBeginsWithItsAct(t *testing.T) {
	w := newWorld(t)
	dijon(w)
	w.label("N", "CD", "NET", constitutive, "", "2023-12-29", "2028-12-29", "NEW")
	annex := act(nil, row("MDS", coordinator, "CHU de Dijon", "Dijon"))
	annex.SignedDate, annex.Publications = "2024-03-01", nil
	e := w.reckon(annex).Plan.GetEffects()[0]
	if e.GetDisposition() != renewed || e.GetPeriod().GetStart() != "2024-03-01" || e.GetPeriod().GetEnd() != "2028-12-29" {
		t.Errorf("the effect is %v", e)
	}
	annex.SignedDate = "2023-12-29"
	p := w.reckon(annex).Plan
	if len(p.GetWarnings()) == 0 || p.GetWarnings()[0].GetReason() != "WINDOW_NOT_AFTER" {
		t.Errorf("the plan is %s", said(p))
	}
}

func TestEffectiveDay(t *testing.T) {
	for want, edit := range map[string]func(*labellingv1.Annex){
		"2023-12-29": func(*labellingv1.Annex) {},
		"2024-01-31": func(a *labellingv1.Annex) { a.EffectiveDate = "2024-01" },
		"2023-12-26": func(a *labellingv1.Annex) { a.Publications = nil },
		"2023-12-27": func(a *labellingv1.Annex) {
			a.Publications = append(a.Publications, &labellingv1.Publication{}, &labellingv1.Publication{Date: "2023-12-27"})
		},
		"": func(a *labellingv1.Annex) { a.Publications, a.SignedDate = nil, "" },
	} {
		w := newWorld(t)
		scattered(w)
		p := w.reckon(edited(act(everything()), edit)).Plan
		if p.GetEffectiveDate() != want {
			t.Errorf("the act has effect from %q, want %q", p.GetEffectiveDate(), want)
		}
		if want == "" && len(p.GetEffects()) > 0 {
			t.Errorf("an act without a day leaves out %v", p.GetEffects())
		}
	}
}

// TestSuccessionsToCome: an act of a day before a succession finds what is still there.
func TestSuccessionsToCome(t *testing.T) {
	planned{
		given: func(w *world) {
			dijon(w)
			w.network("NET2", "Sein et cou", "", "FIL1")
			w.team("CX", "HD", "")
			w.topology(topology.SucceedNetworks(w.topo, nil, &topologyv1.SucceedNetworksRequest{
				Basis: source, PredecessorIds: []string{id("NET")}, SuccessorIds: []string{id("NET2")}, ValidFrom: "2027-01-01",
			}))
			w.topology(topology.SucceedCentres(w.topo, nil, &topologyv1.SucceedCentresRequest{
				Basis: source, PredecessorIds: []string{id("CB")}, SuccessorIds: []string{id("CX")}, ValidFrom: "2027-01",
			}))
		},
		when: act(everything(), row("Maladies du sein", coordinator, "CHU de Dijon", "Dijon"), row("Maladies du sein", competence, "CHU de Besançon", "Besançon")),
		then: `
			1 renewed A000000000 coordinator CD00000000 in NET0000000
			2 renewed B000000000 competence CB00000000 in NET0000000`,
	}.run(t)
}

// TestLineages: networks and teams that others took the place of are found under them.
func TestLineages(t *testing.T) {
	always := bitemporal.Interval{From: bitemporal.Past, To: bitemporal.Future}
	planned{
		given: func(w *world) {
			dijon(w)
			w.network("NET2", "Sein et cou", "", "FIL1")
			w.team("CX", "HD", "")
			before, _ := w.topo.Networks.Last(id("NET"), bitemporal.Latest)
			before, after := proto.CloneOf(before), &topologyv1.Network{NetworkId: id("NET2"), Title: "Sein et cou", FiliereId: id("FIL1"), PredecessorIds: []string{id("NET")}}
			before.SuccessorIds, before.ClosedFrom = []string{id("NET2")}, "2023-01-01"
			w.topo.Networks.Assert(id("NET"), always, w.at, before)
			w.topo.Networks.Assert(id("NET2"), always, w.at, after)
			team, _ := w.topo.Centres.Last(id("CD"), bitemporal.Latest)
			team = proto.CloneOf(team)
			team.SuccessorIds = []string{id("CX")}
			w.topo.Centres.Assert(id("CD"), always, w.at, team)
		},
		when: act(everything(), row("Maladies du sein", coordinator, "CHU de Dijon", "Dijon"), row("Maladies du sein", competence, "CHU de Besançon", "Besançon")),
		then: `
			1 renewed A000000000 coordinator CX00000000 in NET2000000 holder,network
			2 renewed B000000000 competence CB00000000 in NET2000000 network
			renamed NET2000000 as Maladies du sein Sein et cou`,
	}.run(t)
}

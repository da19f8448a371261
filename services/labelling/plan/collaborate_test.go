package plan

import (
	"bytes"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/labelling"
	"maillage/services/topology"
)

// goesOn names labels whose centre goes on as a collaborator.
func goesOn(a *labellingv1.Annex, labels ...string) *labellingv1.Annex {
	for _, l := range labels {
		a.CollaboratorLabelIds = append(a.CollaboratorLabelIds, id(l))
	}
	return a
}

func (w *world) collaborates(name, team, network, start, end string) {
	w.t.Helper()
	w.topology(topology.DeclareLink(w.topo, id(name), &topologyv1.DeclareLinkRequest{
		Basis: source, Kind: topologyv1.LinkKind_LINK_KIND_COLLABORATES, FromId: id(team), ToId: id(network), Period: &eventv1.Period{Start: start, End: end},
	}))
}

func TestCollaborators(t *testing.T) {
	dijonAlone := func() *labellingv1.Annex {
		return act(everything(), row("MDS", coordinator, "CHU de Dijon", "Dijon"))
	}
	const alone = `
				1 renewed A000000000 coordinator CD00000000 in NET0000000
				0 expired B000000000 competence CB00000000 in NET0000000`
	const goes = `
				collaborates CB00000000 as CHU de Besançon, Besançon – MDS B000000000`
	for _, p := range []planned{
		{name: "absent from the list", given: dijon, when: goesOn(dijonAlone(), "B"), then: alone + goes},
		{name: "renewed", given: dijon, when: goesOn(dijonAlone(), "B", "A"), then: alone + goes + `
				0 refuses COLLABORATOR_NOT_LAPSED`},
		{name: "unknown", given: dijon, when: goesOn(dijonAlone(), "X"), then: alone + `
				0 refuses COLLABORATOR_NOT_LAPSED`},
		{
			name: "held by a filière",
			given: func(w *world) {
				dijon(w)
				w.labelling(labelling.GrantLabel(w.s, w.topo, labelling.IDs{Label: id("AF")}, &labellingv1.GrantLabelRequest{Basis: source, Grant: &labellingv1.Grant{
					Holder: &labellingv1.Grant_FiliereId{FiliereId: id("FIL1")}, Role: labellingv1.Role_ROLE_FSMR, Period: &eventv1.Period{Start: "2017", End: "2022"},
				}}, nil))
			},
			when: goesOn(act([]*labellingv1.ScopeCell{cell("", labellingv1.Role_ROLE_FSMR, "", complete)}), "AF"),
			then: `
				0 expired AF00000000 fsmr in
				0 refuses COLLABORATOR_NO_CENTRE`,
		},
		{
			name: "it collaborates already", given: func(w *world) { dijon(w); w.collaborates("K", "CB", "NET", "2019", "") },
			when: goesOn(dijonAlone(), "B"), then: alone + `
				0 warns COLLABORATOR_ALREADY`,
		},
		{
			name: "it collaborated", given: func(w *world) { dijon(w); w.collaborates("K", "CB", "NET", "2010", "2017") },
			when: goesOn(dijonAlone(), "B"), then: alone + goes,
		},
		{
			name: "it keeps another label", when: goesOn(dijonAlone(), "B"),
			given: func(w *world) {
				dijon(w)
				w.label("C", "CB", "NET", constitutive, "", "2024-06-01", "2028-12-29", "NEW")
			},
			then: alone + `
				0 refuses COLLABORATOR_LABELLED`,
		},
		{
			name: "it has a label in another network", when: goesOn(dijonAlone(), "B"),
			given: func(w *world) {
				dijon(w)
				w.network("NET2", "Maladies du cou", "", "FIL2")
				w.label("C", "CB", "NET2", coordinator, "", "2023-12-29", "2028-12-29", "NEW")
			},
			then: alone + goes,
		},
		{
			name: "two labels, in networks that become one",
			when: goesOn(answered(act(everything(), row("Sein", coordinator, "CHU de Dijon", "Dijon")),
				answer(1, aboutNetwork, isSuccessor, "NET"), answer(1, aboutNetwork, isSuccessor, "NET2")), "B", "C"),
			given: func(w *world) {
				dijon(w)
				w.network("NET2", "Maladies du cou", "", "FIL1")
				w.label("C", "CB", "NET2", competence, "")
			},
			then: `
				1 renewed A000000000 coordinator CD00000000 in new-network-1 network
				0 expired B000000000 competence CB00000000 in NET0000000
				0 expired C000000000 competence CB00000000 in NET2000000
				created new-network-1 as Sein
				succeeded new-network-1 as Sein MDS,Maladies du cou
				collaborates CB00000000 as CHU de Besançon, Besançon – Sein B000000000,C000000000`,
		},
		{
			name: "it has a label in the network that both become",
			when: goesOn(answered(act(everything(), row("Sein", coordinator, "CHU de Dijon", "Dijon")),
				answer(1, aboutNetwork, isSuccessor, "NET"), answer(1, aboutNetwork, isSuccessor, "NET2"), answer(1, aboutCentre, isSame, "CD"), answer(1, aboutLabel, isSame, "A")), "C"),
			given: func(w *world) {
				dijon(w)
				w.network("NET2", "Maladies du cou", "", "FIL1")
				w.label("C", "CD", "NET2", competence, "")
			},
			then: `
				1 renewed A000000000 coordinator CD00000000 in new-network-1 network
				0 expired B000000000 competence CB00000000 in NET0000000
				0 expired C000000000 competence CD00000000 in NET2000000
				created new-network-1 as Sein
				succeeded new-network-1 as Sein MDS,Maladies du cou
				0 refuses COLLABORATOR_LABELLED`,
		},
		{
			name: "withdrawn, by its line", given: dijon,
			when: goesOn(act(nil, lineWith(row("MDS", competence, "CHU de Besançon", "Besançon"), func(l *labellingv1.AnnexLine) {
				l.Disposition = labellingv1.Disposition_DISPOSITION_WITHDRAWN
			})), "B"),
			then: `
				1 withdrawn B000000000 competence CB00000000 in NET0000000` + goes,
		},
		{
			name: "another takes the place of the network", given: dijon,
			when: goesOn(answered(act(everything(), row("Sein", coordinator, "CHU de Dijon", "Dijon")), answer(1, aboutNetwork, isSuccessor, "NET")), "B"),
			then: `
				1 renewed A000000000 coordinator CD00000000 in new-network-1 network
				0 expired B000000000 competence CB00000000 in NET0000000
				created new-network-1 as Sein
				succeeded new-network-1 as Sein MDS
				collaborates CB00000000 as CHU de Besançon, Besançon – Sein B000000000`,
		},
		{
			name: "several take the place of the network", when: goesOn(answered(act(everything(),
				row("Sein", coordinator, "CHU de Dijon", "Dijon"), row("Cou", coordinator, "Clinique", "Nancy")),
				answer(1, aboutNetwork, isSuccessor, "NET"), answer(2, aboutNetwork, isSuccessor, "NET")), "B"),
			given: dijon,
			then: `
				1 renewed A000000000 coordinator CD00000000 in new-network-1 network
				2 granted coordinator new-centre-1 in new-network-2
				0 expired B000000000 competence CB00000000 in NET0000000
				created new-establishment-1 as Clinique
				created new-network-1 as Sein
				succeeded new-network-1 as Sein MDS
				created new-network-2 as Cou
				succeeded new-network-2 as Cou MDS
				created new-centre-1 as Clinique, Nancy
				0 refuses COLLABORATOR_CLOSED`,
		},
		{
			name: "what collaborates goes on with the network that comes", when: goesOn(answered(act(everything(), row("Sein", coordinator, "CHU de Dijon", "Dijon")), answer(1, aboutNetwork, isSuccessor, "NET")), "B"),
			given: func(w *world) { dijon(w); w.team("FREE", "", "Nancy"); w.collaborates("K", "FREE", "NET", "2019", "") },
			then: `
				1 renewed A000000000 coordinator CD00000000 in new-network-1 network
				0 expired B000000000 competence CB00000000 in NET0000000
				created new-network-1 as Sein
				succeeded new-network-1 as Sein MDS
				link_moved K000000000 as LINK_KIND_COLLABORATES Nancy – Sein LINK_KIND_COLLABORATES Nancy – MDS
				collaborates CB00000000 as CHU de Besançon, Besançon – Sein B000000000`,
		},
		{
			name: "a network without one heir ends what collaborates", when: answered(act(nil, row("Sein", coordinator, "CHU de Dijon", "Dijon"), row("Cou", coordinator, "CHU de Besançon", "Besançon")),
				answer(1, aboutNetwork, isSuccessor, "NET"), answer(2, aboutNetwork, isSuccessor, "NET")),
			given: func(w *world) { dijon(w); w.team("FREE", "", "Nancy"); w.collaborates("K", "FREE", "NET", "2019", "") },
			then: `
				1 renewed A000000000 coordinator CD00000000 in new-network-1 network
				2 renewed B000000000 coordinator CB00000000 in new-network-2 role,network
				created new-network-1 as Sein
				succeeded new-network-1 as Sein MDS
				created new-network-2 as Cou
				succeeded new-network-2 as Cou MDS
				link_ended K000000000 as LINK_KIND_COLLABORATES Nancy – MDS`,
		},
		{
			name: "a batch of successions takes no label", given: dijon,
			when: goesOn(&labellingv1.Annex{Basis: source, Successions: []*labellingv1.Succession{
				{Network: "MDS", Establishment: "CHU de Dijon", City: "Dijon", Outgoing: "Dr Anne Martin", Incoming: "Dr Claire Petit", Date: "2021"},
			}}, "B"),
			then: `
				1 succeeded A000000000 coordinator CD00000000 in NET0000000 head
				0 refuses COLLABORATOR_NOT_LAPSED`,
		},
	} {
		t.Run(p.name, p.run)
	}
}

// TestACollaboratorStands: from the day of the loss the centre collaborates, by the act,
// and holds no label; that the day has come is told once where it was recorded ahead.
func TestACollaboratorStands(t *testing.T) {
	day := func(text string) bitemporal.Date {
		d, err := bitemporal.ParseDate(text)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for name, c := range map[string]struct {
		annex       *labellingv1.Annex
		before, day string
	}{
		"absent": {act(everything(), row("MDS", coordinator, "CHU de Dijon", "Dijon")), "2023-12-28", "2023-12-29"},
		"repealed with its scope": {edited(act(everything()), func(a *labellingv1.Annex) {
			a.ScopeDecision, a.ScopeDate = labellingv1.ScopeDecision_SCOPE_DECISION_REPEAL, "2025-07-01"
		}), "2025-06-30", "2025-07-01"},
		"with effect later": {edited(act(everything(), row("MDS", coordinator, "CHU de Dijon", "Dijon")), func(a *labellingv1.Annex) {
			a.EffectiveDate = "2026-06-01"
		}), "2026-05-31", "2026-06-01"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			dijon(w)
			w.label("C", "CB", "NET", competence, "", "2023-01-01", "2028-01-01", "NEW")
			events := w.apply(goesOn(c.annex, "C"))
			var declared *topologyv1.Event
			for _, e := range events {
				if e, is := e.(*topologyv1.Event); is && e.GetLinkDeclared() != nil {
					declared = e
				}
			}
			if declared.GetMeta().GetBasis().GetActId() == "" || declared.GetLinkDeclared().GetPeriod().GetStart() != c.day {
				t.Fatalf("declared is %v", declared)
			}
			link := declared.GetLinkDeclared().GetLinkId()
			on := func(at bitemporal.Date) bool {
				return slices.ContainsFunc(slices.Collect(w.topo.LinksOn(at, bitemporal.Latest)), func(l *topologyv1.Link) bool { return l.GetLinkId() == link })
			}
			labelled := func(at string) bool { return len(w.openLabels(at)[id("CB")+"."+id("NET")]) > 0 }
			if on(day(c.before)) || !on(day(c.day)) || !labelled(c.before) || labelled(c.day) {
				t.Errorf("collaborates the day before and on the day: %t, %t; is labelled: %t, %t", on(day(c.before)), on(day(c.day)), labelled(c.before), labelled(c.day))
			}
			due := func(at string) (of []*topologyv1.Event) {
				for _, e := range topology.Due(w.topo, day(at)) {
					if e.GetDayReached().GetEntityId() == link {
						of = append(of, e)
					}
				}
				return of
			}
			told := due(c.day)
			if len(due(c.before)) > 0 || len(told) != 1 {
				t.Fatalf("to be told the day before: %v; on the day: %v", due(c.before), told)
			}
			w.topology(topology.Tell(w.topo, day(c.day), told[0], source))
			if again := due("2030-01-01"); len(again) > 0 || !on(day(c.day)) {
				t.Errorf("told again: %v", again)
			}
		})
	}
}

// TestCollaboratorsChangeNothingElse: whoever of those that lose a label goes on, no effect
// on labels is another and their counts stay; the digest is another just where something
// is declared, and one link holds for each centre and network.
func TestCollaboratorsChangeNothingElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, annex := drawn(t)
		settle(t, w, annex)
		before := w.reckon(annex).Plan
		sites := make(map[string]bool)
		for _, e := range before.GetEffects() {
			if e.GetLine() == 0 && e.GetSiteId() != "" && rapid.Bool().Draw(t, "goes on") {
				annex.CollaboratorLabelIds = append(annex.CollaboratorLabelIds, e.GetLabelId())
				sites[e.GetCentre()+e.GetNetwork()] = true
			}
		}
		after := w.reckon(annex).Plan
		w.checkPlan(annex, after)
		same := proto.Equal(&labellingv1.Plan{Effects: before.GetEffects(), Counts: before.GetCounts()}, &labellingv1.Plan{Effects: after.GetEffects(), Counts: after.GetCounts()})
		if len(after.GetRefusals()) > 0 {
			return
		}
		declared := len(after.GetTopology()) - len(before.GetTopology())
		if !same || declared != len(sites) || (declared == 0) != bytes.Equal(before.GetEffectsSha256(), after.GetEffectsSha256()) {
			t.Errorf("%d go on, %d declared; labels the same: %t\n%s", len(sites), declared, same, said(after))
		}
		links := 0
		for _, e := range w.apply(annex) {
			if e, is := e.(*topologyv1.Event); is && e.GetLinkDeclared() != nil {
				links++
			}
		}
		if links != len(sites) {
			t.Errorf("%d links for %d sites", links, len(sites))
		}
	})
}

// TestLinksAreReckonedAsKnown: a plan as known before a link was declared tells nothing of
// it, so that the approver is shown the difference.
func TestLinksAreReckonedAsKnown(t *testing.T) {
	w := newWorld(t)
	dijon(w)
	w.team("FREE", "", "Nancy")
	known := w.at
	w.collaborates("K", "FREE", "NET", "2019", "")
	annex := answered(act(nil, row("Sein", coordinator, "CHU de Dijon", "Dijon")), answer(1, aboutNetwork, isSuccessor, "NET"))
	before := Reckon(w.s, w.topo, known, annex, func(string) string { return "" }).Plan
	added, removed := Difference(before, w.reckon(annex).Plan)
	if got := said(added) + said(removed); got != "link_moved K000000000 as LINK_KIND_COLLABORATES Nancy – Sein LINK_KIND_COLLABORATES Nancy – MDS\n\n" {
		t.Errorf("the difference is %q", got)
	}
}

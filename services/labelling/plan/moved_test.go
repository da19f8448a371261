package plan

import (
	"strings"
	"testing"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
)

// besideNeck is a network of two sites in two towns, and another one in the second.
func besideNeck(w *world) {
	dijon(w)
	w.network("NECK", "Maladies du cou", "", "FIL2")
	w.team("CN", "HB", "")
	w.label("N", "CN", "NECK", coordinator, "Pr Zoé Petit")
}

// moves is an act that prints the second site of the first network in the other one.
func moves(edit ...func(*labellingv1.AnnexLine)) *labellingv1.Annex {
	l := row("Maladies du cou", constitutive, "CHU de Dijon", "Dijon", "Pr MARTIN Anne")
	for _, e := range edit {
		e(l)
	}
	return act(everything(), l, row("Maladies du cou", coordinator, "CHU de Besançon", "Besançon"), row("MDS", competence, "CHU de Besançon", "Besançon"))
}

func TestATeamOfAnotherNetwork(t *testing.T) {
	const (
		stays = `
				2 renewed N000000000 coordinator CN00000000 in NECK000000
				3 renewed B000000000 competence CB00000000 in NET0000000`
		created = `
				created new-centre-1 as CHU de Dijon, Dijon`
		lost = `
				0 expired A000000000 coordinator CD00000000 in NET0000000`
		unattached = `
				3 warns COORDINATOR_MISSING
				3 warns COMPETENCE_UNATTACHED`
		isNewAndLost = `
				1 granted constitutive new-centre-1 in NECK000000` + stays + lost + created + unattached
		asks = `
				1 unspecified constitutive in NECK000000` + stays + `
				1 asks centre CD00000000 (place,head,other network)` + unattached
	)
	for _, p := range []planned{
		{name: "of its head, at its place: asked", given: besideNeck, when: moves(), then: asks},
		{
			name: "the same", given: besideNeck, when: answered(moves(), answer(1, aboutCentre, isSame, "CD")),
			then: `
				1 renewed A000000000 constitutive CD00000000 in NECK000000 role,network` + stays + unattached,
		},
		{
			name: "the same, of an act that leaves nothing out", given: besideNeck,
			when: edited(answered(moves(), answer(1, aboutCentre, isSame, "CD")), func(a *labellingv1.Annex) { a.Scope = nil }),
			then: `
				1 granted constitutive CD00000000 in NECK000000` + stays,
		},
		{name: "a new one", given: besideNeck, when: answered(moves(), answer(1, aboutCentre, isNew, "")), then: isNewAndLost},
		{
			name: "a successor", given: besideNeck, when: answered(moves(), answer(1, aboutCentre, isSuccessor, "CD")),
			then: `
				1 renewed A000000000 constitutive new-centre-1 in NECK000000 role,holder,network` + stays + created + `
				succeeded new-centre-1 as CD00000000` + unattached,
		},
		{
			name: "nobody knows", given: besideNeck, when: answered(moves(), answer(1, aboutCentre, isUnknown, "")),
			then: `
				1 undetermined constitutive in NECK000000` + stays + unattached,
		},
		{
			name: "the same, and its label there goes on beside", given: besideNeck,
			when: answered(moves(), answer(1, aboutCentre, isSame, "CD"), answer(1, aboutLabel, isNew, "")),
			then: `
				1 granted constitutive CD00000000 in NECK000000` + stays + lost + unattached,
		},
		{name: "of another head", given: besideNeck, when: moves(func(l *labellingv1.AnnexLine) { l.Heads = []string{"Pr Luc Blanc"} }), then: isNewAndLost},
		{name: "no head is printed", given: besideNeck, when: moves(func(l *labellingv1.AnnexLine) { l.Heads = nil }), then: isNewAndLost},
		{
			name: "of another place", given: besideNeck,
			when: moves(func(l *labellingv1.AnnexLine) { l.Establishment, l.City = "CHU de Nancy", "Nancy" }),
			then: `
				1 granted constitutive new-centre-1 in NECK000000` + stays + lost + `
				created new-establishment-1 as CHU de Nancy
				created new-centre-1 as CHU de Nancy, Nancy` + unattached,
		},
		{
			name: "a town alone is its place", given: besideNeck, when: moves(func(l *labellingv1.AnnexLine) { l.Establishment = "" }), then: asks,
		},
		{
			name: "a hospital that the register does not know, in its town", given: besideNeck,
			when: moves(func(l *labellingv1.AnnexLine) { l.Establishment = "Hôpital du Bocage" }),
			then: `
				1 granted constitutive new-centre-1 in NECK000000` + stays + lost + `
				created new-establishment-1 as Hôpital du Bocage
				created new-centre-1 as Hôpital du Bocage, Dijon` + unattached,
		},
		{
			name: "that is another line of the network",
			given: func(w *world) {
				besideNeck(w)
				w.label("K", "CD", "NECK", competence, "Dr Anne Martin")
			},
			when: answered(edited(moves(), func(a *labellingv1.Annex) {
				a.Lines = append(a.Lines, row("Maladies du cou", competence, "CHU de Dijon", "Dijon", "Dr Anne Martin"))
			}), answer(4, aboutCentre, isSame, "CD")),
			then: `
				1 granted constitutive new-centre-1 in NECK000000` + stays + `
				4 renewed K000000000 competence CD00000000 in NECK000000` + lost + created + unattached,
		},
		{
			name: "of another population",
			given: func(w *world) {
				besideNeck(w)
				w.team("CK", "HD", "", child)
				w.label("K", "CK", "NET", competence, "Pr Jean Roy")
			},
			when: moves(func(l *labellingv1.AnnexLine) { l.Heads, l.Population = []string{"Pr Jean Roy"}, adult }),
			then: `
				1 granted constitutive new-centre-1 in NECK000000` + stays + lost + `
				0 expired K000000000 competence CK00000000 in NET0000000` + created + unattached,
		},
		{
			name: "whose label is restated", given: besideNeck,
			when: edited(moves(), func(a *labellingv1.Annex) {
				a.Lines = append(a.Lines, row("MDS", coordinator, "CHU de Dijon", "Dijon", "Pr Luc Blanc"))
			}),
			then: `
				1 granted constitutive new-centre-1 in NECK000000` + stays + `
				4 renewed A000000000 coordinator CD00000000 in NET0000000 head` + created,
		},
		{
			name: "whose label may be that of a line in question", given: besideNeck,
			when: edited(moves(), func(a *labellingv1.Annex) {
				a.Lines = append(a.Lines, row("MDS", coordinator, "Hôpital du Bocage", "Dijon"))
			}),
			then: `
				1 granted constitutive new-centre-1 in NECK000000` + stays + `
				4 unspecified coordinator in NET0000000` + created + `
				4 asks centre CD00000000 (role)`,
		},
		{
			name: "whose label ended",
			given: func(w *world) {
				besideNeck(w)
				w.team("CK", "HD", "")
				w.label("K", "CK", "NET", competence, "Pr Jean Roy")
				w.apply(edited(act([]*labellingv1.ScopeCell{cell("FIL1", competence, "", complete)}, row("MDS", competence, "CHU de Besançon", "Besançon")),
					func(a *labellingv1.Annex) {
						a.Title, a.CycleId, a.LabelPeriod.End = "Arrêté du 1er mai", id("OLD"), "2024-06-30"
					}))
			},
			when: edited(moves(func(l *labellingv1.AnnexLine) { l.Heads = []string{"Pr Jean Roy"} }), func(a *labellingv1.Annex) {
				a.Scope, a.Lines = nil, a.Lines[:1]
			}),
			then: `
				1 granted constitutive new-centre-1 in NECK000000` + created,
		},
		{
			name: "on two lines, asked once it is not taken", given: besideNeck,
			when: answered(edited(moves(), func(a *labellingv1.Annex) {
				a.Lines = append(a.Lines, row("Maladies de la main", coordinator, "CHU de Dijon", "Dijon", "Dr Anne Martin"))
			}), answer(4, aboutCentre, isSame, "CD")),
			then: `
				1 granted constitutive new-centre-1 in NECK000000` + stays + `
				4 renewed A000000000 coordinator CD00000000 in new-network-1 network
				created new-network-1 as Maladies de la main` + created + unattached,
		},
	} {
		t.Run(p.name, p.run)
	}
}

// TestAMovedTeamHasAnotherSite: the label goes on in the other network, of the same team.
func TestAMovedTeamHasAnotherSite(t *testing.T) {
	w := newWorld(t)
	besideNeck(w)
	w.apply(answered(moves(), answer(1, aboutCentre, isSame, "CD")))
	before, _ := w.s.Label(id("A"), bitemporal.Latest)
	after, _ := w.s.Label(before.GetSuccessorId(), bitemporal.Latest)
	was, is := before.GetHolder().GetSite(), after.GetHolder().GetSite()
	if is.GetCentreId() != id("CD") || is.GetNetworkId() != id("NECK") || is.GetSiteId() == "" || is.GetSiteId() == was.GetSiteId() {
		t.Errorf("it was held by %v and is by %v", was, is)
	}
	if c, _ := w.topo.Centres.Last(id("CD"), bitemporal.Latest); c.GetPopulation() != topologyv1.Population_POPULATION_UNSPECIFIED || len(c.GetSuccessorIds()) > 0 {
		t.Errorf("the team is %v", c)
	}
}

// TestTwoLinesForOneMovedLabel: two lines of one act are never one centre, whatever was
// answered, and the refusal names both.
func TestTwoLinesForOneMovedLabel(t *testing.T) {
	for name, second := range map[string]*labellingv1.AnnexLine{
		"of one network": row("Maladies du cou", competence, "CHU de Dijon", "Dijon", "Pr MARTIN Anne"),
		"of another one": row("Maladies du nez", coordinator, "CHU de Dijon", "Dijon", "Pr MARTIN Anne"),
	} {
		w := newWorld(t)
		besideNeck(w)
		annex := answered(edited(moves(), func(a *labellingv1.Annex) { a.Lines = append(a.Lines, second) }),
			answer(1, aboutCentre, isSame, "CD"), answer(4, aboutCentre, isSame, "CD"), answer(4, aboutNetwork, isNew, ""))
		if name != "of another one" {
			annex.Resolutions = annex.Resolutions[:2]
		}
		p := w.reckon(annex).Plan
		refused := p.GetRefusals()
		if len(refused) != 1 || refused[0].GetReason() != "LINES_SAME_SITE" || !strings.Contains(refused[0].GetMessage(), "Lines 1 and 4 ") {
			t.Errorf("%s: refused is %v; the plan is\n%s", name, refused, said(p))
		}
	}
}

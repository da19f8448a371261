package main

import (
	"strings"
	"testing"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

// TestMemoTellsOfTopology: what an act creates, renames, moves and merges stands in its
// memo, under names.
func TestMemoTellsOfTopology(t *testing.T) {
	r := &registryv1.ListActEffectsResponse{Effects: []*registryv1.ActEffect{{
		Disposition: labellingv1.Disposition_DISPOSITION_GRANTED,
		Entry: &registryv1.LabelEntry{
			Label:          &labellingv1.Label{Holder: &labellingv1.Holder{Holder: &labellingv1.Holder_Site{Site: &labellingv1.Site{CentreId: "C", NetworkId: "N"}}}},
			NetworkAcronym: "MDS", EstablishmentNames: []string{"CHU de Dijon"}, City: "Dijon", FiliereId: "F", FiliereAcronym: "FIL",
		},
	}}}
	for _, e := range []*topologyv1.Event{
		{Fact: &topologyv1.Event_EstablishmentRegistered{EstablishmentRegistered: &topologyv1.EstablishmentRegistered{EstablishmentId: "H", Name: "Hôpital neuf", Place: &topologyv1.Place{City: "Nancy"}}}},
		{Fact: &topologyv1.Event_NetworkRegistered{NetworkRegistered: &topologyv1.NetworkRegistered{NetworkId: "N2", Title: "Cou", Acronym: "COU"}}},
		{Fact: &topologyv1.Event_NetworkRenamed{NetworkRenamed: &topologyv1.NetworkRenamed{NetworkId: "N", Title: "Sein", Acronym: "MDS"}}},
		{Fact: &topologyv1.Event_NetworkAttached{NetworkAttached: &topologyv1.NetworkAttached{NetworkId: "N", FiliereId: "F"}}},
		{Fact: &topologyv1.Event_NetworkSucceeded{NetworkSucceeded: &topologyv1.NetworkSucceeded{PredecessorIds: []string{"N", "N9"}, SuccessorIds: []string{"N2"}}}},
		{Fact: &topologyv1.Event_CentreRegistered{CentreRegistered: &topologyv1.CentreRegistered{CentreId: "C2", EstablishmentIds: []string{"H"}}}},
		{Fact: &topologyv1.Event_CentreAttached{CentreAttached: &topologyv1.CentreAttached{CentreId: "C", EstablishmentId: "H"}}},
		{Fact: &topologyv1.Event_CentreMoved{CentreMoved: &topologyv1.CentreMoved{CentreId: "C", EstablishmentIds: []string{"H"}}}},
		{Fact: &topologyv1.Event_CentreSucceeded{CentreSucceeded: &topologyv1.CentreSucceeded{PredecessorIds: []string{"C9"}, SuccessorIds: []string{"C"}}}},
		{Fact: &topologyv1.Event_LinkEnded{LinkEnded: &topologyv1.LinkEnded{LinkId: "K", End: "2023-12-29"}}},
		{Fact: &topologyv1.Event_LinkDeclared{LinkDeclared: &topologyv1.LinkDeclared{
			LinkId: "K2", Kind: topologyv1.LinkKind_LINK_KIND_COLLABORATES, FromId: "C", ToId: "N", Period: &eventv1.Period{Start: "2023-12-29"},
		}}},
		{Fact: &topologyv1.Event_LinkDeclared{LinkDeclared: &topologyv1.LinkDeclared{
			LinkId: "K3", Kind: topologyv1.LinkKind_LINK_KIND_ATTACHED, FromId: "C9", ToId: "C", NetworkId: "N2",
		}}},
	} {
		r.Topology = append(r.Topology, &registryv1.Fact{Event: &registryv1.Fact_Topology{Topology: e}})
	}
	r.Undetermined = []*labellingv1.Assertion{
		{Value: "FIL / Sein / Dijon", Basis: &eventv1.Basis{ActLine: 2}},
		{Value: "FIL / Sein / Brest", Basis: &eventv1.Basis{ActLine: 7}, Settlement: labellingv1.Settlement_SETTLEMENT_SAME_LABEL, SettledLabelId: "L"},
	}
	r.ToDecide = []*registryv1.LabelEntry{{
		Label: &labellingv1.Label{Role: labellingv1.Role_ROLE_COMPETENCE}, NetworkTitle: "Maladies sans filière", City: "Lille", Status: labellingv1.Status_STATUS_IN_FORCE,
	}}
	var out strings.Builder
	if err := writeMemo(&out, r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"## Indéterminé : 2 lignes\n\nNi nouveau, ni perdu : aucun label du registre n'y correspond avec certitude.\n\n- ligne 2 : FIL / Sein / Dijon\n- ligne 7 : FIL / Sein / Brest (réglé : même label L)\n",
		"## Hors filière, à décider : 1 label\n\nL'acte ne les reprend pas, et rien ne dit s'il les écarte.\n\n- Maladies sans filière, Lille, compétence\n",
		"## Topologie : 12 changements", "- lien qui prend fin : K, à compter du 29/12/2023\n",
		"- lien « collaborateur » : CHU de Dijon, Dijon → MDS, à compter du 29/12/2023\n", "- lien « rattaché » : C9 → CHU de Dijon, Dijon (COU - Cou)\n", "- établissement créé : Hôpital neuf, Nancy\n", "- réseau créé : COU - Cou\n", "- réseau renommé : MDS - Sein\n",
		"- réseau qui change de filière : MDS → FIL\n", "- réseau qui prend la suite : MDS et N9 → COU - Cou\n", "- centre créé : Hôpital neuf, Nancy\n",
		"- centre rattaché à un établissement : CHU de Dijon, Dijon → Hôpital neuf, Nancy\n", "- centre déplacé : Hôpital neuf, Nancy\n",
		"- centre qui prend la suite : C9 → CHU de Dijon, Dijon\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

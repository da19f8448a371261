package plan

import (
	"slices"
	"testing"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/topology"
)

// TestLinksGoOn: what collaborates with a network goes on with the one that takes its
// place by an act, and with none of several.
func TestLinksGoOn(t *testing.T) {
	for name, c := range map[string]struct {
		annex *labellingv1.Annex
		want  []string // networks that the team collaborates with on the day of the act
	}{
		"a network becomes another": {answered(act(nil, row("Sein", coordinator, "CHU de Dijon", "Dijon")), answer(1, aboutNetwork, isSuccessor, "NET")), []string{"Sein"}},
		"a network is split": {answered(act(nil, row("Sein", coordinator, "CHU de Dijon", "Dijon"), row("Cou", coordinator, "CHU de Besançon", "Besançon")),
			answer(1, aboutNetwork, isSuccessor, "NET"), answer(2, aboutNetwork, isSuccessor, "NET")), nil},
		"a network goes on": {act(nil, row("Maladies du sein", coordinator, "CHU de Dijon", "Dijon")), []string{"Maladies du sein"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			dijon(w)
			w.team("FREE", "", "Nancy")
			w.topology(topology.DeclareLink(w.topo, id("K"), &topologyv1.DeclareLinkRequest{
				Basis: source, Kind: topologyv1.LinkKind_LINK_KIND_COLLABORATES, FromId: id("FREE"), ToId: id("NET"),
			}))
			events := w.apply(c.annex)
			day, err := bitemporal.ParseDate("2024-06-01")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for l := range w.topo.LinksOn(day, bitemporal.Latest) {
				n, _ := w.topo.Networks.Last(l.GetToId(), bitemporal.Latest)
				got = append(got, n.GetTitle())
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("it collaborates with %q, want %q; the facts are %s", got, c.want, factsOf(events))
			}
		})
	}
}

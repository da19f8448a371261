package e2e

import (
	"fmt"
	"maps"
	"strings"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/fault"
)

func init() { maps.Copy(timelines, closings) }

var closings = map[string]func(*timeline){
	"hospitals-merged": func(tl *timeline) {
		c2017, _ := tl.cycles()
		filiere := tl.filiere("MCGRE")
		network := tl.network("Drépanocytose", "", filiere)
		one, two, whole := tl.hospital("CH Nord", "Lille", "59"), tl.hospital("CH Sud", "Lille", "59"), tl.hospital("CHU", "Lille", "59")
		var all []*topologyv1.Child
		var labels []string
		for i := range 30 {
			team := tl.centre(fmt.Sprintf("Équipe %d", i+1), []string{one, two}[i%2])
			label, _ := tl.granted(in2017(team, network, competence, c2017))
			labels = append(labels, label)
			all = append(all, &topologyv1.Child{ChildId: team, Outcome: topologyv1.ChildOutcome_CHILD_OUTCOME_MOVES, ToIds: []string{whole}})
		}
		first := all[0].GetChildId()
		link, err := tl.topology.DeclareLink(tl.ctx, &topologyv1.DeclareLinkRequest{
			Basis: stated, Kind: topologyv1.LinkKind_LINK_KIND_SERVES, FromId: first, ToId: filiere, Period: &eventv1.Period{Start: "2018"},
		})
		must(tl.t, err)
		merge := &topologyv1.SucceedEstablishmentsRequest{Basis: stated, ValidFrom: "2019-01-01", PredecessorIds: []string{one, two}, SuccessorIds: []string{whole}, Children: all[1:]}
		_, err = tl.topology.SucceedEstablishments(tl.ctx, merge)
		if refusal, _ := fault.FromStatus(err); refusal == nil || refusal.Reason != "CHILD_UNDECIDED" || !strings.Contains(refusal.Message, first) {
			tl.t.Errorf("with a team left out: %v", err)
		}
		merge.Children = all
		r, err := tl.topology.SucceedEstablishments(tl.ctx, merge)
		must(tl.t, err)
		tl.say("facts of the merger: %d\n", r.GetPosition()-link.GetPosition())
		tl.history("establishment", one)
		tl.history("establishment", whole)
		tl.history("centre", first)
		tl.status(labels[0], "2018-12-31", "2019-01-01")
		held := map[string]int{}
		for _, label := range labels {
			held[strings.Join(tl.label(label, "2018-12-31").GetEstablishmentNames(), ", ")]++
			held[strings.Join(tl.label(label, "2019-01-01").GetEstablishmentNames(), ", ")]++
		}
		tl.say("held the day before and the day in %v\n", held)
	},
	"network-merged-with-its-links": func(tl *timeline) {
		filiere := tl.filiere("NeuroSphinx")
		before, after := tl.network("Syringomyélie", "SYR", filiere), tl.network("Chiari", "C-MAVEM", filiere)
		team := tl.centre("Nancy", tl.hospital("CHRU de Nancy", "Nancy", "54"))
		link, err := tl.topology.DeclareLink(tl.ctx, &topologyv1.DeclareLinkRequest{
			Basis: stated, Kind: topologyv1.LinkKind_LINK_KIND_COLLABORATES, FromId: team, ToId: before, Period: &eventv1.Period{Start: "2015"},
		})
		must(tl.t, err)
		_, err = tl.topology.SucceedNetworks(tl.ctx, &topologyv1.SucceedNetworksRequest{
			Basis: stated, ValidFrom: "2017-11-25", PredecessorIds: []string{before}, SuccessorIds: []string{after},
			Children: []*topologyv1.Child{{ChildId: link.GetLinkId(), Outcome: topologyv1.ChildOutcome_CHILD_OUTCOME_MOVES, ToIds: []string{after}}},
		})
		must(tl.t, err)
		_, err = tl.topology.ScopeNetwork(tl.ctx, &topologyv1.ScopeNetworkRequest{Basis: stated, NetworkId: after, ValidFrom: "2017-11-25", Release: "2017-07", OrphaCodes: []uint32{268882, 3280}})
		must(tl.t, err)
		tl.history("centre", team)
		tl.history("network", after)
	},
	"ern-exit": func(tl *timeline) {
		team := tl.centre("Équipe", tl.hospital("CHU", "Lille", "59"))
		link, err := tl.topology.DeclareLink(tl.ctx, &topologyv1.DeclareLinkRequest{
			Basis: stated, Kind: topologyv1.LinkKind_LINK_KIND_ERN, FromId: team, Code: "ERN-LUNG", Period: &eventv1.Period{Start: "2017"},
		})
		must(tl.t, err)
		_, err = tl.topology.EndLink(tl.ctx, &topologyv1.EndLinkRequest{Basis: stated, LinkId: link.GetLinkId(), End: "2021-01-01"})
		must(tl.t, err)
		tl.history("centre", team)
	},
	"orphacode-retired": func(tl *timeline) {
		network := tl.network("Maladies pulmonaires rares", "OrphaLung", tl.filiere("RespiFIL"))
		for _, scope := range []*topologyv1.ScopeNetworkRequest{
			{ValidFrom: "2017-08-08", Release: "2017-07", OrphaCodes: []uint32{586, 2032}},
			{ValidFrom: "2024-07-01", Release: "2024-07", OrphaCodes: []uint32{2032}},
		} {
			scope.Basis, scope.NetworkId = stated, network
			_, err := tl.topology.ScopeNetwork(tl.ctx, scope)
			must(tl.t, err)
		}
		tl.history("network", network)
	},
	"platform-contact": func(tl *timeline) {
		p, err := tl.topology.RegisterPlatform(tl.ctx, &topologyv1.RegisterPlatformRequest{Basis: stated, Name: "PEMR Sud", Kind: topologyv1.PlatformKind_PLATFORM_KIND_PEMR})
		must(tl.t, err)
		id := tl.named(p.GetPlatformId(), "PEMR Sud")
		_, err = tl.topology.StateContact(tl.ctx, &topologyv1.StateContactRequest{Basis: stated, EntityId: id, ValidFrom: "2020", Website: "example.org", Email: "jeanne@example.org", Phone: "04 00 00 00 00"})
		must(tl.t, err)
		_, err = tl.topology.StateTerritory(tl.ctx, &topologyv1.StateTerritoryRequest{Basis: stated, PlatformId: id, ValidFrom: "2020", RegionCodes: []string{"94", "93"}})
		must(tl.t, err)
		tl.history("platform", id)
		got, err := tl.registry.GetPlatform(tl.ctx, &registryv1.GetPlatformRequest{PlatformId: id})
		must(tl.t, err)
		contact := got.GetPlatform().GetContact()
		if strings.Contains(got.String(), "jeanne") || contact.GetEmail().GetValueId() == "" || len(contact.GetPhone().GetCommitment()) != 32 {
			tl.t.Errorf("the contact is %v", contact)
		}
	},
}

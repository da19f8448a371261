package e2e

import (
	"maps"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

func (tl *timeline) campaign(cycle string) string {
	tl.t.Helper()
	r, err := tl.labelling.OpenCampaign(tl.ctx, &labellingv1.OpenCampaignRequest{
		Basis: stated, Name: "Campagne 2016-2017", CycleId: cycle, Calls: []*labellingv1.Call{{Title: "Appel à projets", Reference: "Instruction DGOS/SR/2016/323", Date: "2016-10-25"}},
	})
	must(tl.t, err)
	return tl.named(r.GetCampaignId(), "Campagne 2016-2017")
}

func (tl *timeline) outcome(campaign, candidate, network string, kind labellingv1.OutcomeKind, date string) {
	tl.t.Helper()
	_, err := tl.labelling.RecordOutcome(tl.ctx, &labellingv1.RecordOutcomeRequest{Basis: stated, CampaignId: campaign, Candidate: candidate, NetworkId: network, Kind: kind, Date: date})
	must(tl.t, err)
}

// outcomes tells how many candidates of a campaign had which outcome.
func (tl *timeline) outcomes(campaign string) {
	tl.t.Helper()
	r, err := tl.registry.GetCampaign(tl.ctx, &registryv1.GetCampaignRequest{CampaignId: campaign})
	must(tl.t, err)
	count := map[labellingv1.OutcomeKind]int{}
	for _, o := range r.GetCampaign().GetOutcomes() {
		count[o.GetKind()]++
	}
	for kind := labellingv1.OutcomeKind(1); kind <= labellingv1.OutcomeKind_OUTCOME_KIND_SET_ASIDE; kind++ {
		tl.say("%s: %d\n", kind, count[kind])
	}
}

// amend records an act that changes what another one says.
func (tl *timeline) amend(title, signed, amended string, lines ...*labellingv1.ActLine) string {
	tl.t.Helper()
	r, err := tl.labelling.RecordAct(tl.ctx, &labellingv1.RecordActRequest{
		Basis: stated, Kind: labellingv1.ActKind_ACT_KIND_ARRETE, Title: title, SignedDate: signed, EffectiveDate: signed, AmendsActId: amended, Lines: lines,
	})
	must(tl.t, err)
	return tl.named(r.GetActId(), title)
}

func amends(label string, role labellingv1.Role) *labellingv1.ActLine {
	return &labellingv1.ActLine{Disposition: &labellingv1.ActLine_Amended{Amended: &labellingv1.LabelAmended{LabelId: label, Role: &role}}}
}

func init() { maps.Copy(timelines, more) }

var more = map[string]func(*timeline){
	"coordination-moved": func(tl *timeline) {
		c2017, c2023 := tl.cycles()
		filiere := tl.filiere("RespiFIL")
		network := tl.network("Maladies respiratoires rares", "RespiRare", filiere)
		labels := tl.act2017(c2017, in2017(tl.team("Hôpital Trousseau", "Paris", "75"), network, coordinator, c2017), in2017(tl.team("Hôpital Necker", "Paris", "75"), network, constitutive, c2017))
		act, _ := tl.enact(act2023(c2023, of(filiere, complete), row("RespiRare", coordinator, "Hôpital Necker", "Paris"), row("RespiRare", constitutive, "Hôpital Trousseau", "Paris")))
		tl.effects(act)
		for _, l := range labels {
			tl.history("label", l)
			tl.status(l, "2023-06-01", "2024-01-01")
		}
	},
	"coordinator-replaced-twice": func(tl *timeline) {
		c2017, c2023 := tl.cycles()
		filiere := tl.filiere("FIRENDO")
		network := tl.network("Maladies endocriniennes rares de la croissance", "CRESCENDO", filiere)
		labels := tl.act2017(c2017, in2017(tl.team("Hôpital Robert-Debré", "Paris", "75"), network, coordinator, c2017))
		post := labellingv1.OfficeKind_OFFICE_KIND_COORDINATOR
		one := tl.office(&labellingv1.TakeOfficeRequest{HolderId: network, Kind: post, Name: "Dr TÉMOIN UN", Start: "2017"})
		two := tl.office(&labellingv1.TakeOfficeRequest{HolderId: network, Kind: post, Name: "Dr TÉMOIN DEUX", Start: "2023-04", PredecessorId: one})
		tl.office(&labellingv1.TakeOfficeRequest{HolderId: network, Kind: post, Name: "Dr TÉMOIN TROIS", Start: "2023-08", PredecessorId: two})
		tl.enact(act2023(c2023, of(filiere, complete), row("CRESCENDO", coordinator, "Hôpital Robert-Debré", "Paris", "Dr TÉMOIN TROIS")))
		tl.history("network", network)
		tl.history("label", labels[0])
		tl.status(labels[0], "2023-06-01", "2024-01-01")
	},
	"head-replaced": func(tl *timeline) {
		c2017, _ := tl.cycles()
		network := tl.network("Maladies hémorragiques constitutionnelles", "MHC", tl.filiere("MHEMO"))
		label, site := tl.granted(in2017(tl.team("CHU de Martinique", "Fort-de-France", "972"), network, crc, c2017))
		post := labellingv1.OfficeKind_OFFICE_KIND_HEAD
		one := tl.office(&labellingv1.TakeOfficeRequest{HolderId: site, Kind: post, Name: "Dr TÉMOIN UN", Start: "2017-08-08"})
		two := tl.office(&labellingv1.TakeOfficeRequest{HolderId: site, Kind: post, Name: "Dr TÉMOIN DEUX", Start: "2021", PredecessorId: one})
		_, err := tl.labelling.ApproveOffice(tl.ctx, &labellingv1.ApproveOfficeRequest{Basis: stated, OfficeId: two, Date: "2022-03"})
		must(tl.t, err)
		tl.named(site, "site of Fort-de-France")
		tl.history("label", site)
		tl.status(label, "2021-06-01")
	},
	"renamed": func(tl *timeline) {
		c2017, _ := tl.cycles()
		first, second := tl.network("Syringomyélie", "", tl.filiere("NeuroSphinx")), tl.network("Maladies endocriniennes rares de la croissance et du développement", "CMERCD", tl.filiere("FIRENDO"))
		label := tl.act2017(c2017, in2017(tl.team("Hôpital Bicêtre", "Le Kremlin-Bicêtre", "94"), first, coordinator, c2017))[0]
		for _, r := range []*topologyv1.RenameNetworkRequest{
			{NetworkId: first, Title: "Chiari et malformations vertébrales et médullaires", Acronym: "C-MAVEM", ValidFrom: "2017-11"},
			{NetworkId: second, Title: "Maladies rares de la croissance et du développement", Acronym: "CRESCENDO", ValidFrom: "2023"},
		} {
			r.Basis = stated
			_, err := tl.topology.RenameNetwork(tl.ctx, r)
			must(tl.t, err)
		}
		tl.history("network", first)
		tl.history("network", second)
		for _, day := range []string{"2017-09-01", "2018-01-01"} {
			e := tl.label(label, day)
			tl.say("%s: %s, %q\n", day, e.GetNetworkTitle(), e.GetNetworkAcronym())
		}
	},
	"networks-merged": func(tl *timeline) {
		c2017, _ := tl.cycles()
		filiere := tl.filiere("FILNEMUS")
		one, two := tl.network("Maladies neuromusculaires, Nord", "", filiere), tl.network("Maladies neuromusculaires, Est", "", filiere)
		lille, strasbourg := tl.team("CHU de Lille", "Lille", "59"), tl.team("CHU de Strasbourg", "Strasbourg", "67")
		a, _ := tl.granted(grant(lille, one, coordinator, "", "2007", "2017-08-08"))
		b, _ := tl.granted(grant(strasbourg, two, coordinator, "", "2007", "2017-08-08"))
		both := tl.network("Maladies neuromusculaires, Nord et Est", "", filiere)
		_, err := tl.topology.SucceedNetworks(tl.ctx, &topologyv1.SucceedNetworksRequest{Basis: stated, PredecessorIds: []string{one, two}, SuccessorIds: []string{both}, ValidFrom: "2017-08-08"})
		must(tl.t, err)
		tl.record("Arrêté du 8 août 2017", "2017-08-08", "2017-09-15", c2017, renews(a, in2017(lille, both, coordinator, c2017)), renews(b, in2017(strasbourg, both, constitutive, c2017)))
		for _, n := range []string{one, both} {
			tl.history("network", n)
		}
		tl.history("label", b)
		tl.status(b, "2017-01-01", "2018-01-01")
	},
	"teams-merged-and-split": func(tl *timeline) {
		c2017, _ := tl.cycles()
		network := tl.network("Maladies neuromusculaires", "", tl.filiere("FILNEMUS"))
		hospital, caen, rouen := tl.hospital("CHU de Bordeaux", "Bordeaux", "33"), tl.hospital("CHU de Caen", "Caen", "14"), tl.hospital("CHU de Rouen", "Rouen", "76")
		child, adult, whole := tl.centre("enfants", hospital), tl.centre("adultes", hospital), tl.centre("unique", hospital)
		composite, first, second := tl.centre("Caen-Rouen", caen, rouen), tl.centre("Caen", caen), tl.centre("Rouen", rouen)
		a, _ := tl.granted(grant(child, network, competence, "", "2008", "2017-08-08"))
		b, _ := tl.granted(grant(adult, network, competence, "", "2008", "2017-08-08"))
		c, _ := tl.granted(grant(composite, network, competence, "", "2008", "2017-08-08"))
		for _, r := range []*topologyv1.SucceedCentresRequest{
			{PredecessorIds: []string{child, adult}, SuccessorIds: []string{whole}, ValidFrom: "2017"}, {PredecessorIds: []string{composite}, SuccessorIds: []string{first, second}, ValidFrom: "2017"},
		} {
			r.Basis = stated
			_, err := tl.topology.SucceedCentres(tl.ctx, r)
			must(tl.t, err)
		}
		tl.record("Arrêté du 8 août 2017", "2017-08-08", "2017-09-15", c2017, renews(a, in2017(whole, network, competence, c2017)),
			renews(c, in2017(first, network, competence, c2017)), grants(in2017(second, network, competence, c2017)))
		tl.history("centre", whole)
		tl.history("centre", composite)
		tl.history("label", a)
		tl.status(a, "2018-01-01")
		tl.history("label", b)
		tl.status(b, "2017-08-07", "2018-01-01")
		tl.status(c, "2018-01-01")
	},
	"legal-entity-changed": func(tl *timeline) {
		c2017, _ := tl.cycles()
		group := tl.hospital("GCS de Guyane", "Cayenne", "973")
		var hospitals []string
		hospitals = append(hospitals, tl.hospital("CH de Cayenne", "Cayenne", "973"), tl.hospital("CH de l'Ouest guyanais", "Saint-Laurent-du-Maroni", "973"), tl.hospital("CH de Kourou", "Kourou", "973"))
		network := tl.network("Drépanocytose", "", tl.filiere("MCGRE"))
		label, _ := tl.granted(in2017(tl.centre("Cayenne", hospitals[0]), network, competence, c2017))
		for _, h := range hospitals {
			_, err := tl.topology.AttachEstablishment(tl.ctx, &topologyv1.AttachEstablishmentRequest{Basis: stated, EstablishmentId: h, LegalEntityId: group, ValidFrom: "2025-01-01"})
			must(tl.t, err)
		}
		for _, r := range []*topologyv1.RenameEstablishmentRequest{{Name: "CHR de Guyane", ValidFrom: "2025-05-18"}, {Name: "CHU de Guyane", ValidFrom: "2025-06-16"}} {
			r.Basis, r.EstablishmentId = stated, group
			_, err := tl.topology.RenameEstablishment(tl.ctx, r)
			must(tl.t, err)
		}
		tl.history("establishment", group)
		for _, h := range hospitals {
			tl.history("establishment", h)
		}
		tl.history("label", label)
		tl.say("held in %v\n", tl.label(label, "2025-07-01").GetEstablishmentNames())
	},
	"category-joins": func(tl *timeline) {
		pnmr2 := tl.cycle("PNMR2", "2011", "2017")
		network, centre := tl.network("Mucoviscidose", "", tl.filiere("MUCO-CFTR")), tl.team("CHU de Nantes", "Nantes", "44")
		g := grant(centre, network, crc, "", "2004-06-04", "")
		g.RoleAsPrinted = "CRCM"
		_, labels := tl.record("Arrêté du 4 juin 2004", "2004-06-04", "", "", grants(g))
		next := grant(centre, network, crc, pnmr2, "2011", "2017")
		next.RoleAsPrinted = "CRC"
		_, err := tl.labelling.RenewLabel(tl.ctx, &labellingv1.RenewLabelRequest{
			Basis: &eventv1.Basis{Source: "https://example.org/plans-nationaux", Evidence: eventv1.Evidence_EVIDENCE_INFERRED}, Renewal: &labellingv1.Renewal{LabelId: labels[0], Grant: next},
		})
		must(tl.t, err)
		tl.history("label", labels[0])
		tl.status(labels[0], "2005-01-01", "2012-01-01")
	},
	"filiere-relabelled": func(tl *timeline) {
		one, two := tl.cycle("FSMR 2014-2018", "2014", "2018"), tl.cycle("FSMR 2019-2022", "2019", "2022")
		filiere := tl.filiere("MCGRE")
		held := func(cycle, start, end string) *labellingv1.Grant {
			return &labellingv1.Grant{Holder: &labellingv1.Grant_FiliereId{FiliereId: filiere}, Role: fsmr, CycleId: cycle, Period: &eventv1.Period{Start: start, End: end}}
		}
		label, _ := tl.granted(held(one, "2014", "2019-01-01"))
		_, labels := tl.record("Arrêté de juillet 2019", "2019-07", "", two, renews(label, held(two, "2019", "2023-01-01")))
		tl.history("filiere", filiere)
		tl.status(label, "2016-01-01", "2018-12-31", "2020-01-01")
		tl.status(labels[0], "2019-06-01", "2020-01-01", "2022-12-31", "2023-01-01")
	},
	"platform-opened": func(tl *timeline) {
		p, err := tl.topology.RegisterPlatform(tl.ctx, &topologyv1.RegisterPlatformRequest{
			Basis: stated, Name: "RE-MA-RARES", Kind: topologyv1.PlatformKind_PLATFORM_KIND_PCOM,
			EstablishmentIds: []string{tl.hospital("CHU de La Réunion", "Saint-Denis", "974"), tl.hospital("CH de Mayotte", "Mamoudzou", "976")}, Place: &topologyv1.Place{Territory: "Réunion-Mayotte"},
		})
		must(tl.t, err)
		platform := tl.named(p.GetPlatformId(), "RE-MA-RARES")
		_, labels := tl.record("Résultats des appels à projets", "2020-01", "", "", grants(&labellingv1.Grant{
			Holder: &labellingv1.Grant_PlatformId{PlatformId: platform}, Role: labellingv1.Role_ROLE_PCOM, Period: &eventv1.Period{Start: "2020-01"},
		}))
		_, err = tl.labelling.OpenLabel(tl.ctx, &labellingv1.OpenLabelRequest{Basis: stated, LabelId: labels[0], OpenedFrom: "2021-02-01"})
		must(tl.t, err)
		tl.history("platform", platform)
		tl.status(labels[0], "2020-01-15", "2020-02-01", "2021-01-31", "2021-02-01", "2026-01-01")
	},
}

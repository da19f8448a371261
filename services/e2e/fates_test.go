package e2e

import (
	"maps"
	"strings"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
)

func init() { maps.Copy(timelines, fates) }

// oneLabel is a label of 2017 to 2022 by the arrêté of 8 August 2017.
func (tl *timeline) oneLabel() (label, act string) {
	tl.t.Helper()
	c2017, _ := tl.cycles()
	network := tl.network("Maladies rares", "RÉSEAU", tl.filiere("FIL"))
	act, labels := tl.record("Arrêté du 8 août 2017", "2017-08-08", "2017-09-15", c2017, grants(in2017(tl.team("CHU de Lille", "Lille", "59"), network, coordinator, c2017)))
	return labels[0], act
}

// ruling records a decision of a court.
func (tl *timeline) ruling(title, signed string) string {
	tl.t.Helper()
	r, err := tl.labelling.RecordAct(tl.ctx, &labellingv1.RecordActRequest{Basis: stated, Kind: labellingv1.ActKind_ACT_KIND_RULING, Title: title, SignedDate: signed, EffectiveDate: signed})
	must(tl.t, err)
	return tl.named(r.GetActId(), title)
}

// fates are changes of which no dated example was found, but for the first three: their
// dates are made up.
var fates = map[string]func(*timeline){
	"plan-prolonged": func(tl *timeline) {
		pnmr2 := tl.cycle("PNMR2", "2011", "2014")
		filiere := tl.filiere("RespiFIL")
		network := tl.network("Maladies respiratoires rares", "RespiRare", filiere)
		one, _ := tl.granted(grant(tl.team("Hôpital Trousseau", "Paris", "75"), network, reference, pnmr2, "2011", "2015-01-01"))
		two, _ := tl.granted(grant(tl.team("CHU de Lyon", "Lyon", "69"), network, competence, pnmr2, "2011", "2015-01-01"))
		act, _ := tl.enact(&labellingv1.Annex{
			Basis: stated, Kind: labellingv1.ActKind_ACT_KIND_LETTER, Title: "Prolongation du PNMR2", AnnouncedDate: "2015-01", SignedDate: "2015-01-20",
			Scope:         []*labellingv1.ScopeCell{{Coverage: complete, CycleId: pnmr2}},
			ScopeDecision: labellingv1.ScopeDecision_SCOPE_DECISION_EXTEND, ScopeDate: "2017-01-01",
		})
		tl.effects(act)
		if out, errs, code := tl.cli("act", "effects", act); code != 0 || strings.Contains(out, "absent") || !strings.Contains(out, "portée") {
			tl.t.Errorf("exit code %d, an act on its whole scope leaves something out:\n%s%s", code, out, errs)
		}
		tl.coverage("2015-06-01")
		for _, l := range []string{one, two} {
			tl.history("label", l)
			tl.status(l, "2014-12-31", "2015-01-10", "2016-12-31", "2017-01-01")
		}
	},
	"expired": func(tl *timeline) {
		c2017, c2023 := tl.cycles()
		filiere := tl.filiere("RespiFIL")
		network := tl.network("Maladies pulmonaires rares", "OrphaLung", filiere)
		labels := tl.act2017(c2017, in2017(tl.team("CHU de Lyon", "Lyon", "69"), network, coordinator, c2017), in2017(tl.team("CHU de Brest", "Brest", "29"), network, competence, c2017))
		for _, l := range labels {
			tl.status(l, "2022-08-07", "2022-08-08", "2023-12-28")
		}
		tl.coverage("2023-06-01")
		act, _ := tl.enact(act2023(c2023, of(filiere, complete), row("OrphaLung", coordinator, "CHU de Lyon", "Lyon")))
		tl.effects(act)
		tl.coverage("2024-06-01")
		tl.history("label", labels[1])
		tl.status(labels[1], "2022-08-07", "2023-12-28", "2023-12-29", "2024-06-01")
	},
	"withdrawn": func(tl *timeline) {
		label, _ := tl.oneLabel()
		_, err := tl.labelling.WithdrawLabel(tl.ctx, &labellingv1.WithdrawLabelRequest{Basis: by(tl.ruling("Décision de retrait", "2018-01-05")), LabelId: label})
		must(tl.t, err)
		tl.history("label", label)
		tl.status(label, "2017-10-01", "2018-06-01")
	},
	"repealed": func(tl *timeline) {
		label, _ := tl.oneLabel()
		_, err := tl.labelling.RepealLabel(tl.ctx, &labellingv1.RepealLabelRequest{Basis: by(tl.ruling("Décision d'abrogation", "2018-01-05")), LabelId: label, RepealedFrom: "2018-02-01"})
		must(tl.t, err)
		tl.history("label", label)
		tl.status(label, "2018-01-31", "2018-02-01")
	},
	"suspended-and-reinstated": func(tl *timeline) {
		label, _ := tl.oneLabel()
		_, err := tl.labelling.SuspendLabel(tl.ctx, &labellingv1.SuspendLabelRequest{Basis: by(tl.ruling("Décision de suspension", "2019-03-01")), LabelId: label, SuspendedFrom: "2019-03-01"})
		must(tl.t, err)
		tl.status(label, "2019-03-01", "2020-01-01")
		_, err = tl.labelling.ReinstateLabel(tl.ctx, &labellingv1.ReinstateLabelRequest{Basis: by(tl.ruling("Fin de la suspension", "2019-08-20")), LabelId: label, ReinstatedFrom: "2019-09-01"})
		must(tl.t, err)
		tl.history("label", label)
		tl.status(label, "2019-02-28", "2019-03-01", "2019-08-31", "2019-09-01")
	},
	"annulled-from-its-start": func(tl *timeline) {
		label, _ := tl.oneLabel()
		_, err := tl.labelling.AnnulLabel(tl.ctx, &labellingv1.AnnulLabelRequest{Basis: by(tl.ruling("Jugement du 3 avril 2019", "2019-04-03")), LabelId: label})
		must(tl.t, err)
		tl.history("label", label)
		tl.status(label, "2018-01-01", "2019-04-03")
	},
	"annulled-deferred": func(tl *timeline) {
		label, _ := tl.oneLabel()
		_, err := tl.labelling.AnnulLabel(tl.ctx, &labellingv1.AnnulLabelRequest{Basis: by(tl.ruling("Jugement du 3 avril 2019", "2019-04-03")), LabelId: label, AnnulledFrom: "2020-01-01"})
		must(tl.t, err)
		tl.history("label", label)
		tl.status(label, "2018-01-01", "2019-12-31", "2020-01-01")
	},
	"erratum": func(tl *timeline) {
		_, c2023 := tl.cycles()
		filiere := tl.filiere("RespiFIL")
		network := tl.network("Maladies respiratoires rares", "RespiRare", filiere)
		for _, place := range [][2]string{{"CHU de Lille", "Lille"}, {"CHU de Lyon", "Lyon"}, {"CHU de Brest", "Brest"}, {"CHU de Nice", "Nice"}} {
			tl.team(place[0], place[1], "")
		}
		first := act2023(c2023, of(filiere, complete), row("RespiRare", coordinator, "CHU de Lille", "Lille"), row("RespiRare", competence, "CHU de Lyon", "Lyon"), row("RespiRare", competence, "CHU de Brest", "Brest"))
		amended, _ := tl.enact(tl.answered(first))
		removed, replaced, added := row("RespiRare", competence, "CHU de Lyon", "Lyon"), row("RespiRare", constitutive, "CHU de Brest", "Brest"), row("RespiRare", competence, "CHU de Nice", "Nice")
		removed.Disposition, replaced.Disposition, added.Disposition = labellingv1.Disposition_DISPOSITION_WITHDRAWN, labellingv1.Disposition_DISPOSITION_AMENDED, labellingv1.Disposition_DISPOSITION_GRANTED
		act, _ := tl.enact(tl.answered(&labellingv1.Annex{
			Basis: stated, Kind: labellingv1.ActKind_ACT_KIND_ARRETE, Title: "Rectificatif du 12 janvier 2024", SignedDate: "2024-01-12", AmendsActId: amended, CycleId: c2023,
			LabelPeriod: &eventv1.Period{Start: "2023-12-29", End: "2028-12-29"}, Scope: of(filiere, partial), Lines: []*labellingv1.AnnexLine{added, removed, replaced},
		}))
		tl.effects(act)
		for _, label := range tl.granted2023(network) {
			tl.history("label", label)
			tl.status(label, "2023-12-29", "2024-02-01")
		}
	},
}

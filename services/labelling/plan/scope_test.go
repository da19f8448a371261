package plan

import (
	"strings"
	"testing"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
)

const (
	complete = labellingv1.Coverage_COVERAGE_COMPLETE
	partial  = labellingv1.Coverage_COVERAGE_PARTIAL
	excluded = labellingv1.Coverage_COVERAGE_EXCLUDED
)

func cell(filiere string, role labellingv1.Role, cycle string, coverage labellingv1.Coverage) *labellingv1.ScopeCell {
	c := &labellingv1.ScopeCell{Role: role, Coverage: coverage}
	if filiere != "" {
		c.FiliereId = id(filiere)
	}
	if cycle != "" {
		c.CycleId = id(cycle)
	}
	return c
}

// scattered is a label for each case of absence.
func scattered(w *world) {
	dijon(w)
	w.network("NET2", "Maladies du cou", "", "FIL2")
	w.network("NET3", "Sans filière", "", "")
	w.label("K", "CD", "NET2", coordinator, "", "2021-01-01", "2026-01-01", "OLD") // inside its term
	w.label("M", "CB", "NET2", competence, "", "2021-01-01", "2026-01-01", "NEW")
	w.label("N", "CB", "NET3", coordinator, "", "2006-01-01", "2026-01-01", "OLD")
}

func TestWhatAnActLeavesOut(t *testing.T) {
	restated := []*labellingv1.AnnexLine{row("MDS", coordinator, "CHU de Dijon", "Dijon")}
	const renewedA = `
				1 renewed A000000000 coordinator CD00000000 in NET0000000`
	for _, p := range []planned{
		{
			name: "everything", given: scattered, when: act(everything(), restated...),
			then: renewedA + `
				0 expired B000000000 competence CB00000000 in NET0000000
				0 lapsed K000000000 coordinator CD00000000 in NET2000000
				0 lapsed M000000000 competence CB00000000 in NET2000000
				0 lapsed N000000000 coordinator CB00000000 in NET3000000`,
		},
		{
			name: "a filière and a role, and what is under none", given: scattered,
			when: act([]*labellingv1.ScopeCell{cell("FIL2", coordinator, "", complete)}, restated...),
			then: renewedA + `
				0 lapsed K000000000 coordinator CD00000000 in NET2000000
				0 to_decide N000000000 coordinator CB00000000 in NET3000000`,
		},
		{
			name: "a cycle", given: scattered, when: act([]*labellingv1.ScopeCell{cell("", 0, "OLD", complete)}, restated...),
			then: renewedA + `
				0 expired B000000000 competence CB00000000 in NET0000000
				0 lapsed K000000000 coordinator CD00000000 in NET2000000
				0 lapsed N000000000 coordinator CB00000000 in NET3000000`,
		},
		{
			name: "the special cell over the general one, in whatever order", given: scattered,
			when: act([]*labellingv1.ScopeCell{cell("", competence, "", excluded), cell("", 0, "", complete), cell("FIL1", competence, "", partial)}, restated...),
			then: renewedA + `
				0 lapsed K000000000 coordinator CD00000000 in NET2000000
				0 lapsed N000000000 coordinator CB00000000 in NET3000000`, // whichever filière its network is of
		},
		{
			name: "a cell of one cycle may be about a label of a cycle that nobody knows",
			given: func(w *world) {
				dijon(w)
				w.hold("Z", &labellingv1.Grant{
					Holder: &labellingv1.Grant_Site{Site: &labellingv1.SiteRef{CentreId: id("CB"), NetworkId: id("NET")}},
					Role:   competence, Period: &eventv1.Period{Start: "2022-08-08", End: "2026-01-01"},
				})
			},
			when: act([]*labellingv1.ScopeCell{cell("", 0, "", complete), cell("", 0, "OLD", excluded)}, restated...),
			then: renewedA,
		},
		{
			name: "a partial list leaves nothing out", given: scattered, when: act([]*labellingv1.ScopeCell{cell("", 0, "", partial)}, restated...),
			then: renewedA,
		},
		{
			name: "nor does an act that amends another",
			given: func(w *world) {
				scattered(w)
				w.apply(edited(act(nil), func(a *labellingv1.Annex) { a.Title = "Arrêté du 1er mai" }))
			},
			when: edited(act(everything(), restated...), func(a *labellingv1.Annex) { a.AmendsActId = "M000000006" }),
			then: renewedA,
		},
		{
			name: "a network that the act moves to the filière", given: dijon,
			when: act([]*labellingv1.ScopeCell{cell("FIL2", 0, "", complete)}, lineWith(row("MDS", coordinator, "CHU de Dijon", "Dijon"), func(l *labellingv1.AnnexLine) { l.Filiere = "FIL2" })),
			then: `
				1 renewed A000000000 coordinator CD00000000 in NET0000000 filiere
				0 expired B000000000 competence CB00000000 in NET0000000
				attached NET0000000 as FIL2 FIL1`,
		},
		{
			name: "what begins with the act was not there to be left out",
			given: func(w *world) {
				dijon(w)
				w.label("N", "CD", "NET", coordinator, "", "2023-12-29", "2028", "NEW")
			},
			when: act([]*labellingv1.ScopeCell{cell("", coordinator, "", complete)}),
			then: ``,
		},
	} {
		t.Run(p.name, p.run)
	}
}

// TestAnUndeterminedNetworkLosesNothing: whichever network it is, by name or by its sites,
// nobody says that it was left out.
func TestAnUndeterminedNetworkLosesNothing(t *testing.T) {
	unsure := func(title string) *labellingv1.Annex {
		return answered(act(everything(), row(title, coordinator, "CHU de Dijon", "Dijon"), row(title, competence, "CHU de Besançon", "Besançon")),
			answer(1, aboutNetwork, isUnknown, ""))
	}
	const nobodyKnows = `
				1 undetermined coordinator in
				2 undetermined competence in`
	for _, p := range []planned{
		{name: "of its name", given: dijon, when: unsure("MDS"), then: nobodyKnows},
		{name: "of another name, at its sites", given: dijon, when: unsure("Cancers rares"), then: nobodyKnows},
	} {
		t.Run(p.name, p.run)
	}
}

func TestScopeDecisions(t *testing.T) {
	deciding := func(d labellingv1.ScopeDecision, date string, cells ...*labellingv1.ScopeCell) *labellingv1.Annex {
		return edited(act(cells), func(a *labellingv1.Annex) { a.ScopeDecision, a.ScopeDate = d, date })
	}
	for _, p := range []planned{
		{
			name: "extends", given: scattered,
			when: deciding(labellingv1.ScopeDecision_SCOPE_DECISION_EXTEND, "2025-12-31", everything()...),
			then: `
				0 extended A000000000 coordinator CD00000000 in NET0000000
				0 extended B000000000 competence CB00000000 in NET0000000
				0 warns SCOPE_DATE_OUTSIDE_TERM`,
		},
		{
			name: "extends to the end that is known", given: scattered,
			when: deciding(labellingv1.ScopeDecision_SCOPE_DECISION_EXTEND, "2026-01-01", cell("FIL2", 0, "", complete)),
			then: `
				0 to_decide N000000000 coordinator CB00000000 in NET3000000
				0 warns SCOPE_DATE_OUTSIDE_TERM`,
		},
		{
			name: "extends none", given: scattered,
			when: deciding(labellingv1.ScopeDecision_SCOPE_DECISION_EXTEND, "2022-08-08", cell("", 0, "OLD", complete)),
			then: `
				0 warns SCOPE_DATE_OUTSIDE_TERM
				0 refuses SCOPE_EMPTY`,
		},
		{
			name: "extends a label without an end to before its start",
			given: func(w *world) {
				scattered(w)
				w.label("O", "CD", "NET3", coordinator, "", "2023-01-01", "", "NEW")
			},
			when: deciding(labellingv1.ScopeDecision_SCOPE_DECISION_EXTEND, "2022-12-31", cell("", coordinator, "NEW", complete)),
			then: `
				0 warns SCOPE_DATE_OUTSIDE_TERM
				0 refuses SCOPE_EMPTY`,
		},
		{
			name: "extends what is not there", given: scattered,
			when: deciding(labellingv1.ScopeDecision_SCOPE_DECISION_EXTEND, "2030-01-01", cell("", labellingv1.Role_ROLE_FSMR, "", complete)),
			then: ``,
		},
		{
			name: "repeals from a day before some begin", given: scattered,
			when: deciding(labellingv1.ScopeDecision_SCOPE_DECISION_REPEAL, "2021-01-01", everything()...),
			then: `
				0 repealed A000000000 coordinator CD00000000 in NET0000000
				0 repealed B000000000 competence CB00000000 in NET0000000
				0 repealed N000000000 coordinator CB00000000 in NET3000000
				0 warns SCOPE_DATE_OUTSIDE_TERM`,
		},
		{
			name: "repeals from a day before all begin", given: scattered,
			when: deciding(labellingv1.ScopeDecision_SCOPE_DECISION_REPEAL, "2006-01-01", everything()...),
			then: `
				0 warns SCOPE_DATE_OUTSIDE_TERM
				0 refuses SCOPE_EMPTY`,
		},
		{
			name: "repeals", given: scattered,
			when: deciding(labellingv1.ScopeDecision_SCOPE_DECISION_REPEAL, "", cell("FIL2", competence, "", complete)),
			then: `
				0 repealed M000000000 competence CB00000000 in NET2000000`,
		},
		{
			name: "repeals from a day on which some have ended", given: scattered,
			when: deciding(labellingv1.ScopeDecision_SCOPE_DECISION_REPEAL, "2024-06-01", everything()...),
			then: `
				0 repealed K000000000 coordinator CD00000000 in NET2000000
				0 repealed M000000000 competence CB00000000 in NET2000000
				0 repealed N000000000 coordinator CB00000000 in NET3000000
				0 warns SCOPE_DATE_OUTSIDE_TERM`,
		},
		{
			name: "repeals from the day on which all end", given: scattered,
			when: deciding(labellingv1.ScopeDecision_SCOPE_DECISION_REPEAL, "2026-01-01", everything()...),
			then: `
				0 warns SCOPE_DATE_OUTSIDE_TERM
				0 refuses SCOPE_EMPTY`,
		},
		{
			name: "repeals, from the day of the act, what has not ended", given: scattered,
			when: deciding(labellingv1.ScopeDecision_SCOPE_DECISION_REPEAL, "", everything()...),
			then: `
				0 repealed K000000000 coordinator CD00000000 in NET2000000
				0 repealed M000000000 competence CB00000000 in NET2000000
				0 repealed N000000000 coordinator CB00000000 in NET3000000
				0 warns SCOPE_DATE_OUTSIDE_TERM`,
		},
		{
			name: "until when?", given: scattered,
			when: deciding(labellingv1.ScopeDecision_SCOPE_DECISION_EXTEND, ""),
			then: `
				0 refuses SCOPE_MISSING
				0 refuses SCOPE_DATE_MISSING`,
		},
	} {
		t.Run(p.name, p.run)
	}
}

func TestAmendingActs(t *testing.T) {
	given := func(w *world) {
		dijon(w)
		w.apply(act(nil, row("MDS", coordinator, "CHU de Dijon", "Dijon"), row("MDS", competence, "CHU de Besançon", "Besançon")))
	}
	does := func(d labellingv1.Disposition, l *labellingv1.AnnexLine) *labellingv1.AnnexLine {
		l.Disposition = d
		return l
	}
	planned{
		name:  "adds, removes and replaces",
		given: given,
		when: edited(act(nil,
			does(withdrawn, row("MDS", coordinator, "CHU de Dijon", "Dijon")),
			does(amended, lineWith(row("MDS", constitutive, "CHU de Besançon", "Besançon"), func(l *labellingv1.AnnexLine) {
				l.Period = &eventv1.Period{Start: "2024-01-01", End: "2028-12-29"}
			})),
			does(granted, row("MDS", competence, "CHU de Nancy", "Nancy")),
		), func(a *labellingv1.Annex) {
			a.Title, a.SignedDate, a.AmendsActId = "Rectificatif", "2024-02-01", "M000000003"
		}),
		then: `
				1 withdrawn M000000004 coordinator CD00000000 in NET0000000
				2 amended M000000005 constitutive CB00000000 in NET0000000 role,period
				3 granted competence new-centre-1 in NET0000000
				created new-establishment-1 as CHU de Nancy
				created new-centre-1 as CHU de Nancy, Nancy
				0 warns PUBLISHED_BEFORE_SIGNED
				2 warns WINDOW_OTHER
				1 warns COORDINATOR_MISSING`,
	}.run(t)
}

func TestAScopeDateCountsWhatItLeaves(t *testing.T) {
	w := newWorld(t)
	scattered(w)
	p := w.reckon(edited(act(everything()), func(a *labellingv1.Annex) {
		a.ScopeDecision, a.ScopeDate = labellingv1.ScopeDecision_SCOPE_DECISION_EXTEND, "2025-12-31"
	})).Plan
	if m := p.GetWarnings(); len(m) != 1 || !strings.HasPrefix(m[0].GetMessage(), "3 labels ") {
		t.Errorf("the warnings are %v", m)
	}
}

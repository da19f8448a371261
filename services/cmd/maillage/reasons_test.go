package main

import (
	"testing"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/labelling"
	"maillage/services/labelling/plan"
	"maillage/services/topology"
)

// TestRemarksAreInFrench plans acts that are odd in every way a list can be that does not
// take a whole register, and asks for the French of all that is remarked of them.
func TestRemarksAreInFrench(t *testing.T) {
	source := &eventv1.Basis{Source: "https://example.org/list", Evidence: eventv1.Evidence_EVIDENCE_ACT_READ}
	const filiere, label = "F000000001", "A000000001"
	topo, s := new(topology.State), new(labelling.State)
	registered, err := topology.RegisterFiliere(topo, filiere, &topologyv1.RegisterFiliereRequest{Basis: source, Acronym: "FIL"})
	if err != nil {
		t.Fatal(err)
	}
	registered[0].Meta.Schema = 1
	if err := topo.Evolve(1, registered[0]); err != nil {
		t.Fatal(err)
	}
	granted, err := labelling.GrantLabel(s, topo, labelling.IDs{Label: label}, &labellingv1.GrantLabelRequest{Basis: source, Grant: &labellingv1.Grant{
		Holder: &labellingv1.Grant_FiliereId{FiliereId: filiere}, Role: labellingv1.Role_ROLE_FSMR,
		Period: &eventv1.Period{Start: "2019-01-01", End: "2024-01-01"},
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	granted[0].Meta.Schema = 1
	if err := s.Evolve(2, granted[0]); err != nil {
		t.Fatal(err)
	}

	whole := []*labellingv1.ScopeCell{{Coverage: labellingv1.Coverage_COVERAGE_COMPLETE}}
	filiereLine := func(does labellingv1.Disposition, p *eventv1.Period) *labellingv1.AnnexLine {
		return &labellingv1.AnnexLine{Role: labellingv1.Role_ROLE_FSMR, Filiere: "FIL", Disposition: does, Period: p}
	}
	site := func(role labellingv1.Role, hospital, finess string, heads ...string) *labellingv1.AnnexLine {
		return &labellingv1.AnnexLine{NetworkTitle: "Maladies du sein", Filiere: "AUTRE", Role: role, Establishment: hospital, City: "Dijon", Finess: finess, Heads: heads}
	}
	seen := make(map[string]bool)
	for _, annex := range []*labellingv1.Annex{
		{ScopeDecision: labellingv1.ScopeDecision_SCOPE_DECISION_REPEAL, ScopeDate: "2018-01-01", Scope: whole},
		{ScopeDecision: labellingv1.ScopeDecision_SCOPE_DECISION_EXTEND},
		{ScopeDecision: labellingv1.ScopeDecision_SCOPE_DECISION_EXTEND, Lines: []*labellingv1.AnnexLine{filiereLine(0, nil)}},
		{Lines: []*labellingv1.AnnexLine{filiereLine(labellingv1.Disposition_DISPOSITION_SUSPENDED, &eventv1.Period{Start: "2018-01-01"})}},
		{Lines: []*labellingv1.AnnexLine{filiereLine(labellingv1.Disposition_DISPOSITION_EXTENDED, &eventv1.Period{End: "2023-12-31"})}},
		{Lines: []*labellingv1.AnnexLine{filiereLine(labellingv1.Disposition_DISPOSITION_EXTENDED, nil)}},
		{Lines: []*labellingv1.AnnexLine{filiereLine(labellingv1.Disposition_DISPOSITION_GRANTED, nil), filiereLine(0, nil)}},
		{Lines: []*labellingv1.AnnexLine{filiereLine(labellingv1.Disposition_DISPOSITION_TO_DECIDE, nil)}},
		{Lines: []*labellingv1.AnnexLine{
			site(labellingv1.Role_ROLE_COORDINATOR, "CHU de Dijon", "210780581", "Dr Un", "Dr Deux"), site(0, "Clinique", "210780581"),
			site(labellingv1.Role_ROLE_COORDINATOR, "Hospice", "210780582"),
		}},
		{Lines: []*labellingv1.AnnexLine{site(labellingv1.Role_ROLE_COMPETENCE, "CHU de Dijon", "")}, Nor: "NOR", CycleId: "X", AmendsActId: "X"},
	} {
		annex.Basis, annex.SignedDate = source, "2023-12-26"
		annex.Publications = []*labellingv1.Publication{{Date: "2023-12-25"}}
		p := plan.Reckon(s, topo, bitemporal.Latest, annex, func(string) string { return "" }).Plan
		for _, m := range append(p.GetWarnings(), p.GetRefusals()...) {
			seen[m.GetReason()] = true
			if reasons[m.GetReason()] == "" {
				t.Errorf("%s has no French: %s", m.GetReason(), m.GetMessage())
			}
		}
	}
	for _, reason := range []string{"SCOPE_DATE_OUTSIDE_TERM", "SCOPE_EMPTY", "DAY_OUTSIDE_TERM", "FINESS_PRINTED_TWICE"} {
		if !seen[reason] {
			t.Errorf("nothing was remarked as %s", reason)
		}
	}
}

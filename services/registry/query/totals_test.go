package query_test

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/bitemporal"
	"maillage/services/labelling/plan"
)

// TestTotalsAsPlanned: what an act announces is counted in what it did as in what it was
// planned to do.
func TestTotalsAsPlanned(t *testing.T) {
	w := newWorld(t)
	w.commit(filiere("FONE000000", "", "UN", "Filière une", ""), filiere("FTWO000000", "", "DEUX", "Filière deux", ""),
		network("NTWO000000", "", "Deux", "", "FTWO000000"),
		cycle("YCYCLE0000", "2024-2030", "2024", "2030"))
	reference, crc := labellingv1.Role_ROLE_REFERENCE, labellingv1.Role_ROLE_RESOURCE_AND_COMPETENCE
	line := func(filiere, network string, role labellingv1.Role, town string, does ...labellingv1.Disposition) *labellingv1.AnnexLine {
		l := &labellingv1.AnnexLine{Filiere: filiere, NetworkTitle: network, Role: role, City: town}
		if len(does) > 0 {
			l.Disposition = does[0]
		}
		return l
	}
	act := func(title, day string, lines ...*labellingv1.AnnexLine) *labellingv1.Annex {
		a := &labellingv1.Annex{
			Basis: &eventv1.Basis{Source: "https://example.org/list", Evidence: eventv1.Evidence_EVIDENCE_ACT_READ},
			Kind:  labellingv1.ActKind_ACT_KIND_ARRETE, Title: title, SignedDate: day, Lines: lines,
			LabelPeriod: &eventv1.Period{Start: day, End: "2031-01-01"}, CycleId: "YCYCLE0000",
		}
		for _, unit := range []string{
			"coordonnateurs", "sites de référence", "centres de compétence", "CRC", "réseaux", "filières", "sites", "lignes (UN)",
			"centres de référence de la filière DEUX", "réseaux DEUX", "CRMR", "centres de référence et CRC",
		} {
			a.AnnouncedTotals = append(a.AnnouncedTotals, &labellingv1.AnnouncedTotal{Unit: unit, Count: 9})
		}
		return a
	}
	minted := 0
	for _, step := range []struct {
		when *labellingv1.Annex
		want string
	}{
		{act("Un", "2024-01-01",
			line("UN", "Une", coordinator, "Lyon"), line("UN", "Une", constitutive, "Brest"), line("UN", "Une", competence, "Nancy"),
			line("", "Deux", coordinator, "Metz"), line("", "Deux", crc, "Lille"), line("UN", "Une", competence, "Dijon"),
		), "2 3 2 1 2 2 6 4 1 1 ? ?"},
		{act("Deux", "2024-06-01",
			line("UN", "Une", reference, "Lyon"), // restated, as coordinator
			line("UN", "Une", competence, "Nancy", labellingv1.Disposition_DISPOSITION_REPEALED),
			line("", "Deux", coordinator, "Metz", labellingv1.Disposition_DISPOSITION_UNDETERMINED),
			line("UN", "Une", competence, "Dijon"),
		), "1 1 1 0 1 1 2 2 0 0 ? ?"},
	} {
		r := plan.Reckon(&w.state.Labelling, &w.state.Topology, bitemporal.Latest, step.when, func(string) string { return "" })
		if got := printTotals(r.Plan.GetTotals()); got != step.want {
			t.Errorf("%s planned: %s, want %s", step.when.GetTitle(), got, step.want)
		}
		events, err := r.Apply(func() string { minted++; return fmt.Sprintf("M%09d", minted) }, func(int) *eventv1.PersonalValue { return nil })
		if err != nil {
			t.Fatal(err, r.Plan.GetQuestions(), r.Plan.GetRefusals())
		}
		var all []proto.Message
		for _, e := range events {
			all = append(all, e)
		}
		w.commit(all...)
		for id := range w.state.Labelling.Acts.IDs() {
			if a, _ := w.state.Labelling.Acts.Last(id, bitemporal.Latest); a.GetTitle() != step.when.GetTitle() {
				continue
			}
			done, err := w.queries().ListActEffects(t.Context(), &registryv1.ListActEffectsRequest{ActId: id})
			if got := printTotals(done.GetTotals()); err != nil || got != step.want {
				t.Errorf("%s done: %s, %v, want %s", step.when.GetTitle(), got, err, step.want)
			}
		}
	}
}

func printTotals(all []*labellingv1.TotalCheck) string {
	var out []string
	for _, c := range all {
		if c.Counted == nil {
			out = append(out, "?")
		} else {
			out = append(out, fmt.Sprint(c.GetCounted()))
		}
	}
	return strings.Join(out, " ")
}

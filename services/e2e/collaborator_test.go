package e2e

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

// TestALapsedCentreGoesOnAsCollaborator: an annex leaves a competence centre out; one
// officer writes that it goes on as a collaborator, another one sees it and approves. From
// then on it is a collaborator, by the act, and counts as no label.
func TestALapsedCentreGoesOnAsCollaborator(t *testing.T) {
	d := newDesk(t)
	filiere, c2017 := d.filiere("RespiFIL"), d.cycle("2017-2022", "2017", "2022")
	d.cycle("2023-2028", "2023", "2028")
	network := d.network("Maladies pulmonaires rares", "OrphaLung", filiere)
	d.granted(grant(d.centre("", d.hospital("CHU de Nice", "Nice", "06")), network, coordinator, c2017, "2017-08-08", "2022-08-08"))
	nancy := d.centre("", d.hospital("CHRU de Nancy", "Nancy", "54"))
	lost, _ := d.granted(grant(nancy, network, competence, c2017, "2020-01-01", "2025-01-01"))
	tours, _ := d.granted(grant(d.centre("", d.hospital("CHU de Tours", "Tours", "37")), network, competence, c2017, "2020-01-01", "2025-01-01"))
	annex := filepath.Join(t.TempDir(), "annexe.csv")
	must(t, os.WriteFile(annex, []byte("Intitulé du réseau;Type de label;Établissement;Ville\nMaladies pulmonaires rares;CRMR coordonnateur;CHU de Nice;Nice\n"), 0o600))
	act := func(verb string, more ...string) []string {
		return append([]string{
			"act", verb, annex, "--title", "Arrêté du 26 décembre 2023", "--signed", "2023-12-26", "--published", "BO Santé|2023/24||2023-12-29",
			"--cycle", "2023-2028", "--start", "2023-12-29", "--end", "2028-12-29", "--scope", "RespiFIL||complète", "--source", "https://example.org/bulletin",
		}, more...)
	}

	// It is planned, and then said of one of the two that are lost.
	_, errs, code := d.as("preparer", act("plan")...)
	if code != 0 || !strings.Contains(errs, "2 labels perdus par des centres") {
		t.Fatalf("plan: exit code %d\n%s", code, errs)
	}
	before := told(d.server, &labellingv1.Plan{}, act("plan")...)
	fillIn(t, annex+".identites.csv", func(cell func(column string) *string) {
		if *cell("objet") == "perte" && *cell("id") == lost {
			*cell("décision") = "collaborateur"
		}
	})
	after := told(d.server, &labellingv1.Plan{}, act("plan")...)
	checkCounts(t, after, 1)
	if hex.EncodeToString(before.GetEffectsSha256()) == hex.EncodeToString(after.GetEffectsSha256()) || len(after.GetEffects()) != len(before.GetEffects()) {
		t.Errorf("without: %v\nwith: %v", before, after)
	}
	d.turnedAway("preparer", "COLLABORATOR_NOT_LAPSED", act("prepare", "--collaborator", network)...)
	draft := told(d.server, &labellingv1.PrepareActResponse{}, act("prepare")...).GetDraftId()
	d.turnedAway("preparer", "SAME_PERSON", "act", "approve", draft, "--accept-lapses", "2")
	shown, _, _ := d.as("approver", "act", "drafts", draft)
	if text := strings.Join(strings.Fields(shown), " "); !strings.Contains(text, "devient collaborateur centre CHRU de Nancy, Nancy – OrphaLung label "+lost) {
		t.Errorf("the approver is shown %s", shown)
	}
	if _, errs, code := d.as("approver", "act", "approve", draft, "--accept-lapses", "2"); code != 0 {
		t.Fatalf("approve: exit code %d\n%s", code, errs)
	}
	id := told(d.server, &labellingv1.GetDraftResponse{}, "act", "drafts", draft).GetDraft().GetActId()

	// It collaborates, by the act, from its day, and holds no label.
	_, facts := d.facts(nancy)
	last := facts[len(facts)-1]
	for _, f := range facts {
		if kindOf(f) == "link declared" {
			last = f
		}
	}
	link := last.GetTopology().GetLinkDeclared()
	if metaOf(last).GetBasis().GetActId() != id || metaOf(last).GetApprover() == nil || link.GetKind() != topologyv1.LinkKind_LINK_KIND_COLLABORATES ||
		link.GetFromId() != nancy || link.GetToId() != network || link.GetPeriod().GetStart() != "2023-12-29" || link.GetPeriod().GetEnd() != "" {
		t.Errorf("the history of the centre ends in %v", last)
	}
	d.stands(lost, "2024-06-01", lapsed)
	for day, want := range map[string]uint32{"2023-12-28": 2, "2024-06-01": 1} {
		if got := d.count(day, registryv1.CountUnit_COUNT_UNIT_LABEL, true); got != want {
			t.Errorf("on %s %d labels are in force, want %d", day, got, want)
		}
	}
	if got := d.count("2024-06-01", registryv1.CountUnit_COUNT_UNIT_CENTRE, true); got != 1 {
		t.Errorf("%d centres are labelled", got)
	}
	if kinds, _ := d.facts(d.label(tours, "2022-01-01").GetLabel().GetHolder().GetSite().GetCentreId()); strings.Contains(strings.Join(kinds, " "), "link") {
		t.Errorf("of the other one there is %v", kinds)
	}
	effects, _, _ := d.as("somebody", "act", "effects", id)
	memo, _, _ := d.as("somebody", "act", "annex", id, "--memo", "-")
	if !strings.Contains(effects, "Lien déclaré") || !strings.Contains(memo, "lien « collaborateur » : CHRU de Nancy, Nancy → OrphaLung, à compter du 29/12/2023") {
		t.Errorf("effects:\n%s\nmemo:\n%s", effects, memo)
	}
}

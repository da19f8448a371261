package e2e

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

var update = flag.Bool("update", false, "write the goldens; never again for a version that was released")

// TestFirstVersion opens a data directory that the first version wrote: what it holds
// reads the same for ever.
func TestFirstVersion(t *testing.T) {
	const kept, golden = "testdata/first/data", "testdata/first/answers.txt"
	if *update {
		if err := os.RemoveAll(kept); err != nil {
			t.Fatal(err)
		}
		s := up(t, kept)
		recordSome(t, s)
		if code := s.stop(); code != 0 {
			t.Fatalf("exit code %d", code)
		}
	}
	data := filepath.Join(t.TempDir(), "data")
	copyTree(t, kept, data)
	s := up(t, data)
	var answers strings.Builder
	answers.WriteString(root(t, s) + "\n")
	for _, args := range [][]string{
		{"label", "list", "--valid-at", "2018-01-01", "--known-at", "13", "--json"},
		{"label", "list", "--valid-at", "2024-06-01", "--known-at", "13", "--json"},
		{"label", "list", "--valid-at", "2018-01-01", "--known-at", "5", "--json"},
		{"network", "list", "--valid-at", "2024-06-01", "--known-at", "13", "--json"},
		{"act", "list", "--valid-at", "2024-06-01", "--known-at", "13", "--json"},
	} {
		out, errs, code := s.cli(args...)
		if code != 0 {
			t.Fatalf("%v: exit code %d\n%s", args, code, errs)
		}
		answers.WriteString("# " + strings.Join(args, " ") + "\n" + compact(t, out))
	}
	if *update {
		if err := os.WriteFile(golden, []byte(answers.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if answers.String() != string(want) {
		t.Errorf("got\n%s\nwant\n%s", answers.String(), want)
	}
	fill(t, s, "goes-on-", 2)
	s.stop()
}

// recordSome records a little of everything.
func recordSome(t *testing.T, s *server) {
	t.Helper()
	ctx, conn := t.Context(), s.dial()
	topology, labelling := topologyv1.NewTopologyServiceClient(conn), labellingv1.NewLabellingServiceClient(conn)
	basis := &eventv1.Basis{Source: "https://example.org/first", Evidence: eventv1.Evidence_EVIDENCE_STATED, SeenDate: "2026-11"}
	hospital, err := topology.RegisterEstablishment(ctx, &topologyv1.RegisterEstablishmentRequest{
		Basis: basis, Name: "AP-HM", Finess: "130786049", FinessKind: topologyv1.FinessKind_FINESS_KIND_LEGAL_ENTITY,
		Place: &topologyv1.Place{City: "Marseille", CommuneCode: "13055", DepartmentCode: "13"},
	})
	must(t, err)
	filiere, err := topology.RegisterFiliere(ctx, &topologyv1.RegisterFiliereRequest{Basis: basis, Acronym: "RespiFIL", Name: "Maladies respiratoires rares"})
	must(t, err)
	network, err := topology.RegisterNetwork(ctx, &topologyv1.RegisterNetworkRequest{Basis: basis, Title: "Maladies respiratoires rares de l'enfant", Acronym: "RespiRare", FiliereId: filiere.GetFiliereId()})
	must(t, err)
	centre, err := topology.RegisterCentre(ctx, &topologyv1.RegisterCentreRequest{Basis: basis, EstablishmentIds: []string{hospital.GetEstablishmentId()}, Population: topologyv1.Population_POPULATION_CHILD})
	must(t, err)
	cycle, err := labelling.RegisterCycle(ctx, &labellingv1.RegisterCycleRequest{Basis: basis, Code: "2017-2022", Period: &eventv1.Period{Start: "2017", End: "2022"}})
	must(t, err)
	grant := func(role labellingv1.Role, start, end, head string) *labellingv1.Grant {
		return &labellingv1.Grant{
			Holder: &labellingv1.Grant_Site{Site: &labellingv1.SiteRef{CentreId: centre.GetCentreId(), NetworkId: network.GetNetworkId()}},
			Role:   role, CycleId: cycle.GetCycleId(), Period: &eventv1.Period{Start: start, End: end}, HeadName: head,
		}
	}
	act, err := labelling.RecordAct(ctx, &labellingv1.RecordActRequest{
		Basis: basis, Kind: labellingv1.ActKind_ACT_KIND_ARRETE, Title: "Arrêté du 25 novembre 2017", SignedDate: "2017-11-25",
		Publications: []*labellingv1.Publication{{Bulletin: "BO Santé", Date: "2017-12-15"}},
		Scope:        []*labellingv1.ScopeCell{{Coverage: labellingv1.Coverage_COVERAGE_PARTIAL}},
		Lines: []*labellingv1.ActLine{{
			Disposition: &labellingv1.ActLine_Granted{Granted: grant(labellingv1.Role_ROLE_COMPETENCE, "2017", "2022", "Dr Exemple")},
			AsPrinted:   []*eventv1.Printed{{Field: "ville", Value: "Marseille"}},
		}},
	})
	must(t, err)
	renewed, err := labelling.RenewLabel(ctx, &labellingv1.RenewLabelRequest{
		Basis: basis, Renewal: &labellingv1.Renewal{LabelId: act.GetLabelIds()[0], Grant: grant(labellingv1.Role_ROLE_CONSTITUTIVE, "2023-12-26", "2028-12-26", "")},
	})
	must(t, err)
	_, err = labelling.ConfirmLabel(ctx, &labellingv1.ConfirmLabelRequest{Basis: basis, LabelId: renewed.GetLabelId()})
	must(t, err)
	_, err = topology.RenameNetwork(ctx, &topologyv1.RenameNetworkRequest{Basis: basis, NetworkId: network.GetNetworkId(), Title: "RespiRare, nouveau titre", Acronym: "RespiRare", ValidFrom: "2020-03-01"})
	must(t, err)
	_, err = labelling.RecordAssertion(ctx, &labellingv1.RecordAssertionRequest{Basis: basis, EntityId: renewed.GetLabelId(), Field: "role", Value: "compétence"})
	must(t, err)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

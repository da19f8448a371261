package e2e

import (
	"path/filepath"
	"strings"
	"testing"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

// headed grants a label of a new filière, with a head, and returns it and the head's value.
func (s *server) headed(acronym, head string) (label, value string) {
	s.t.Helper()
	basis := &eventv1.Basis{Source: "un essai"}
	filiere, err := topologyv1.NewTopologyServiceClient(s.dial()).RegisterFiliere(s.t.Context(), &topologyv1.RegisterFiliereRequest{Basis: basis, Acronym: acronym, Name: acronym})
	must(s.t, err)
	granted, err := labellingv1.NewLabellingServiceClient(s.dial()).GrantLabel(s.t.Context(), &labellingv1.GrantLabelRequest{Basis: basis, Grant: &labellingv1.Grant{
		Holder: &labellingv1.Grant_FiliereId{FiliereId: filiere.GetFiliereId()}, Role: labellingv1.Role_ROLE_FSMR,
		Period: &eventv1.Period{Start: "2024-01-01", End: "2029-01-01"}, HeadName: head,
	}})
	must(s.t, err)
	got, err := registryv1.NewRegistryServiceClient(s.dial()).GetLabel(s.t.Context(), &registryv1.GetLabelRequest{LabelId: granted.GetLabelId(), AsOf: &registryv1.AsOf{ValidAt: "2025-01-01", MinPosition: granted.GetPosition()}})
	must(s.t, err)
	if got.GetEntry().GetHeadName() != head {
		s.t.Fatalf("the head is %q", got.GetEntry().GetHeadName())
	}
	return granted.GetLabelId(), got.GetEntry().GetLabel().GetHead().GetValueId()
}

// TestAuditOpenings takes bundles with names in clear: whoever has one sees that they are those
// that the events stand for; of the others it sees that they are withheld, or erased.
func TestAuditOpenings(t *testing.T) {
	data, files := t.TempDir(), t.TempDir()
	s := start(t, data)
	key := func(more ...string) []string { return append(more, "--key", publicKey(t, data)) }
	opened, openedValue := s.headed("F", "Pr Ouverte TÉMOIN")
	closed, closedValue := s.headed("G", "Dr Tu RESTANT")
	explain := func(label, file string) string {
		t.Helper()
		return succeeds(t, key("audit", "explain", label, "--from", file, "--valid-at", "2025-01-01")...)
	}
	one, all, part := filepath.Join(files, "one"), filepath.Join(files, "all"), filepath.Join(files, "part")
	if out := s.succeeds("audit", "bundle", "--out", one, "--open", openedValue+","+openedValue); !strings.Contains(out, "données personnelles") {
		t.Error(out)
	}
	if out := succeeds(t, key("audit", "verify", one)...); !strings.Contains(out, "Valeurs du coffre en clair : 1,") {
		t.Error(out)
	}
	if out := explain(opened, one); strings.Count(out, "Pr Ouverte TÉMOIN") < 2 || !strings.Contains(out, openedValue) || !strings.Contains(out, "engagés") {
		t.Error(out)
	}
	if out := explain(closed, one); strings.Contains(out, "RESTANT") || !strings.Contains(out, "nom non communiqué") {
		t.Error(out)
	}
	offline := []string{"label", "get", opened, "--valid-at", "2025-01-01", "--bundle", one, "--bundle-key", publicKey(t, data)}
	if out := succeeds(t, offline...); !strings.Contains(out, "Pr Ouverte TÉMOIN") {
		t.Error(out)
	}
	offline[2] = closed
	if out := succeeds(t, offline...); !strings.Contains(out, "nom non communiqué") {
		t.Error(out)
	}
	if out := succeeds(t, append(offline, "--json")...); strings.Contains(out, "communiqué") {
		t.Error(out)
	}
	if out := s.succeeds("person", "accesses", "--value", openedValue); !strings.Contains(out, "VaultService/OpenValues") || strings.Contains(out, "TÉMOIN") {
		t.Error(out)
	}
	if out := s.succeeds("person", "accesses", "--value", closedValue, "--json"); strings.Contains(out, "OpenValues") || !strings.Contains(out, "GetLabel") {
		t.Error(out)
	}

	if _, errs, code := s.cli("audit", "bundle", "--out", part, "--label", opened, "--open", closedValue); code != 4 || !strings.Contains(errs, "VALUE_UNKNOWN") {
		t.Errorf("a value of another label: %d %s", code, errs)
	}
	s.succeeds("audit", "bundle", "--out", part, "--label", opened, "--openings")
	if out := succeeds(t, key("audit", "verify", part, "--json")...); lines(t, out)[0]["opened"] != 1.0 {
		t.Error(out)
	}
	if _, errs, code := verb(t, "audit", "bundle", "--out", all, "--openings", "--server", s.grpc); code == 0 || !strings.Contains(errs, "IDENTITY_MISSING") {
		t.Errorf("opened to nobody: %d %s", code, errs)
	}

	s.succeeds("person", "erase", "--value", openedValue, "--reason", "demandé", "--source", "une lettre", "--yes")
	s.succeeds("audit", "bundle", "--out", all, "--openings")
	if out := succeeds(t, key("audit", "verify", all)...); !strings.Contains(out, "Valeurs du coffre en clair : 1,") {
		t.Error(out)
	}
	if out := explain(opened, all); strings.Contains(out, "TÉMOIN") || !strings.Contains(out, "personne effacée") {
		t.Error(out)
	}
	if out := explain(closed, all); !strings.Contains(out, "Dr Tu RESTANT") {
		t.Error(out)
	}
	if out := explain(opened, one); !strings.Contains(out, "Pr Ouverte TÉMOIN") {
		t.Error("a bundle of before", out)
	}
	if _, errs, code := s.cli("audit", "bundle", "--out", part, "--open", openedValue); code != 4 || !strings.Contains(errs, "VALUE_UNKNOWN") {
		t.Errorf("an erased value: %d %s", code, errs)
	}
}

package e2e

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/registry/postgres/postgrestest"
)

// forgotten is a person who will be erased, as typed. Every spelling of the name holds one word
// that nothing else does, and that has no accent: it is found in all cases and normal forms.
var forgotten = struct {
	names         []string
	rpps          []string
	email, phones []string
}{
	names:  []string{"Pr Élodie QUORVZMÉC-Trévidic", "pr elodie Quorvzmec-trevidic", "PR E\u0301LODIE QUORVZME\u0301C-TRE\u0301VIDIC", "Pr Élodie Quorvzméc-Trévidic"},
	rpps:   []string{"10100234565", "101 0023 4565"},
	email:  []string{"elodie.quorvzmec@zmbrqx.example", "Elodie.Quorvzmec@ZMBRQX.example"},
	phones: []string{"+33 2 98 76 54 31", "0298765431"},
}

// traces are what tells of the person wherever it stands: small letters for any, the rest as is.
func tracesOf() (folded, exact []string) {
	folded = []string{"quorvzm", "zmbrqx", "10100234565", "101 0023 4565", "98 76 54 31", "298765431"}
	for _, text := range slices.Concat([]string{"QUORVZM", "Quorvzm", "quorvzm"}, forgotten.rpps, forgotten.phones) {
		folded = append(folded, hex.EncodeToString([]byte(text)))
		for at := range 3 { // how a text stands in base64 depends on where it begins
			shifted := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", at) + text))
			shifted = strings.TrimRight(shifted[[]int{0, 2, 3}[at]:], "=")
			exact = append(exact, shifted[:len(shifted)-1])
		}
	}
	return folded, exact
}

// seeker looks for the person.
type seeker struct{ folded, exact [][]byte }

func newSeeker() (s seeker) {
	folded, exact := tracesOf()
	for _, text := range folded {
		s.folded = append(s.folded, []byte(text))
	}
	for _, text := range exact {
		s.exact = append(s.exact, []byte(text))
	}
	return s
}

// in returns the traces in a content, within whatever it was packed into as well.
func (s seeker) in(content []byte) (found []string) {
	for _, text := range s.exact {
		if bytes.Contains(content, text) {
			found = append(found, string(text))
		}
	}
	small := bytes.Clone(content)
	for i, c := range small {
		if 'A' <= c && c <= 'Z' {
			small[i] = c + 'a' - 'A'
		}
	}
	for _, text := range s.folded {
		if bytes.Contains(small, text) {
			found = append(found, string(text))
		}
	}
	if packed, err := gzip.NewReader(bytes.NewReader(content)); err == nil {
		plain, _ := io.ReadAll(packed) // as far as it goes
		found = append(found, s.in(plain)...)
	}
	if packed, err := zip.NewReader(bytes.NewReader(content), int64(len(content))); err == nil {
		for _, f := range packed.File {
			if r, err := f.Open(); err == nil {
				plain, _ := io.ReadAll(r)
				found = append(found, s.in(plain)...)
			}
		}
	}
	return found
}

// below returns the files below a directory that tell of the person, by content or by name,
// and what of it; those below any of some directories are left out.
func (s seeker) below(t *testing.T, dir string, without ...string) map[string][]string {
	t.Helper()
	all, files := map[string][]string{}, 0
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if slices.Contains(without, path) {
			return filepath.SkipDir
		}
		if os.IsNotExist(err) { // a segment of PostgreSQL that went meanwhile
			return nil
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil
		}
		files++
		if found := slices.Concat(s.in(content), s.in([]byte(path))); len(found) > 0 {
			all[path] = found
		}
		return err
	}))
	if files == 0 {
		t.Errorf("there is nothing below %s", dir)
	}
	return all
}

// TestSeeker: what is looked for is found in whatever it is packed.
func TestSeeker(t *testing.T) {
	s := newSeeker()
	gz := func(b []byte) []byte {
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		_, err := w.Write(b)
		must(t, err)
		must(t, w.Close())
		return out.Bytes()
	}
	zipped := func(b []byte) []byte {
		var out bytes.Buffer
		w := zip.NewWriter(&out)
		f, err := w.Create("within")
		must(t, err)
		_, err = f.Write(b)
		must(t, err)
		must(t, w.Close())
		return out.Bytes()
	}
	for _, text := range slices.Concat(forgotten.names, forgotten.rpps, forgotten.email, forgotten.phones) {
		for name, b := range map[string][]byte{
			"plain": []byte(text), "upper case": []byte(strings.ToUpper(text)), "JSON": fmt.Appendf(nil, "%+q", text), "hex": fmt.Appendf(nil, "\\x%x", text), "gzip": gz([]byte(text)), "zip of gzip": zipped(gz([]byte(text))),
			"base64": []byte(base64.StdEncoding.EncodeToString([]byte(text))), "base64, later": []byte(base64.StdEncoding.EncodeToString([]byte("a" + text + "bc"))), "base64, later still": []byte(base64.URLEncoding.EncodeToString([]byte("ab" + text + "c"))),
		} {
			if len(s.in(b)) == 0 {
				t.Errorf("%q is not found in %s: %q", text, name, b)
			}
		}
	}
	if found := s.in([]byte("Pr Élodie KERVAREC, 10100234573")); len(found) > 0 {
		t.Error(found)
	}
}

// TestEraseLeavesNothing: a person is recorded in every way there is, read in every way, and
// erased. Before, only the vault tells of the person; afterwards nothing does, and everything
// that was proved is proved still.
func TestEraseLeavesNothing(t *testing.T) {
	ownRows(t)
	t.Setenv("OTEL_TRACES_EXPORTER", "console")
	t.Setenv("OTEL_METRICS_EXPORTER", "console")
	t.Setenv("OTEL_LOGS_EXPORTER", "console")
	root := enterable(t)
	data, files, copied := filepath.Join(root, "data"), t.TempDir(), filepath.Join(t.TempDir(), "vault")
	vaultDir, in := filepath.Join(data, "vault"), func(name string) string { return filepath.Join(files, name) }
	s, seek := up(t, data, "--postgres", "local"), newSeeker()
	label, contacts := s.recordForgotten()
	s.readForgotten(label)
	address := "postgres:///maillage?host=" + url.QueryEscape(filepath.Join(data, "postgres", "socket")) + "&user=maillage"
	key := publicKey(t, data)

	s.run("snapshot", "--out", in("snapshot-before"))
	s.run("audit", "bundle", "--out", in("bundle-before"))
	s.run("follow", "--sink", "jsonl:"+in("copy"), "--until-up-to-date")
	sql(t, address, "checkpoint")
	if found := seek.below(t, vaultDir); len(found) < 10 {
		t.Fatalf("before, the vault alone tells of the person: %v", found)
	}
	for dir, found := range map[string]map[string][]string{"the register": seek.below(t, data, vaultDir), "files": seek.below(t, files), "the access record": seek.below(t, filepath.Join(vaultDir, "access"))} {
		if len(found) > 0 {
			t.Errorf("before the erasure %s told of the person already: %v", dir, found)
		}
	}
	if !slices.ContainsFunc(lines(t, s.run("person", "accesses", "--json")), func(a map[string]any) bool {
		return a["account"] == nil && a["method"] == "/maillage.registry.v1.RegistryService/GetLabel" // over HTTP nobody says a name
	}) {
		t.Error("an access over HTTP is not recorded")
	}
	copyTree(t, vaultDir, copied)

	before := s.succeeds("ledger", "status", "--json")
	s.run("person", "erase", "--name", forgotten.names[1], "--with-others", "--reason", "demandé", "--source", "une lettre", "--yes")
	for _, value := range contacts {
		s.run("person", "erase", "--value", value, "--reason", "demandé", "--source", "une lettre", "--yes")
	}
	s.readForgotten(label)
	position := fmt.Sprint(lines(t, before)[0]["head"].(map[string]any)["size"])
	s.run("snapshot", "--out", in("snapshot-after"))
	s.run("snapshot", "--out", in("delta"), "--from", position)
	s.run("opendata", "--out", in("opendata"))
	s.run("follow", "--sink", "jsonl:"+in("copy"), "--until-up-to-date")
	s.run("audit", "bundle", "--out", in("bundle-after"), "--openings")
	for _, bundle := range []string{"bundle-before", "bundle-after"} {
		if out := succeeds(t, "audit", "verify", in(bundle), "--key", key); !strings.Contains(out, "Vérifié") {
			t.Error(bundle, out)
		}
		if out := succeeds(t, "audit", "replay", in(bundle), "--key", key); !strings.Contains(out, "c'est celle que le registre avait annoncée") {
			t.Error(bundle, out)
		}
	}
	if rows := postgrestest.Holding(t, address, "QUORVZM"); rows != 0 {
		t.Errorf("%d rows tell of the person", rows)
	}
	sql(t, address, "checkpoint")
	nowhere := func(when string) {
		t.Helper()
		for _, dir := range []string{data, files} {
			if found := seek.below(t, dir); len(found) > 0 {
				t.Errorf("%s: %v", when, found)
			}
		}
	}
	nowhere("erased")
	s.stop()
	nowhere("stopped")
	told, _ := s.log.get()
	for _, sign := range []string{`"SpanContext"`, `"ScopeMetrics"`, `"Body"`, "maillage.registry.v1.RegistryService/GetLabel", `"Value":"/v1/labels/{label_id}"`, "an RPPS number fails its check"} {
		if !strings.Contains(told, sign) {
			t.Errorf("traces, metrics and logs are not what was looked through: no %s", sign)
		}
	}
	if found := seek.in([]byte(told)); len(found) > 0 {
		for line := range strings.Lines(told) {
			if len(seek.in([]byte(line))) > 0 {
				t.Log(line)
			}
		}
		t.Errorf("traces, metrics or logs tell of the person: %v", found)
	}

	copyTree(t, copied, vaultDir)
	s = up(t, data, "--postgres", "local")
	s.stop()
	nowhere("restored from before")
}

// recordForgotten records the person in every place, and returns a label with the name and the
// values of the addresses.
func (s *server) recordForgotten() (label string, contacts []string) {
	t, ctx, names := s.t, s.t.Context(), forgotten.names
	t.Helper()
	basis := &eventv1.Basis{Source: "un essai"}
	topology, labelling, reads := topologyv1.NewTopologyServiceClient(s.dial()), labellingv1.NewLabellingServiceClient(s.dial()), registryv1.NewRegistryServiceClient(s.dial())
	label, _ = s.headed("F", names[0])
	_, _ = s.headed("G", "Dr Paul RESTANT et "+names[0])
	for i, name := range names {
		acronym := fmt.Sprint("O", i)
		filiere, err := topology.RegisterFiliere(ctx, &topologyv1.RegisterFiliereRequest{Basis: basis, Acronym: acronym, Name: acronym})
		must(t, err)
		s.run("office", "take", filiere.GetFiliereId(), "--kind", "coordonnateur", "--name", name, "--rpps", forgotten.rpps[i%2], "--start", "2024", "--source", "un essai")
		_, err = topology.StateContact(ctx, &topologyv1.StateContactRequest{Basis: basis, EntityId: filiere.GetFiliereId(), Email: forgotten.email[i%2], Phone: forgotten.phones[i%2]})
		must(t, err)
		got, err := reads.GetFiliere(ctx, &registryv1.GetFiliereRequest{FiliereId: filiere.GetFiliereId()})
		must(t, err)
		if i == 0 { // an address that differs in case alone goes with it
			contacts = append(contacts, got.GetFiliere().GetContact().GetEmail().GetValueId())
		}
		if i < 2 { // and so do the same numbers
			contacts = append(contacts, got.GetFiliere().GetContact().GetPhone().GetValueId())
		}
	}
	// A number that is none is told of in the log, and the refusal of what cannot be is sent back.
	_, err := labelling.TakeOffice(ctx, &labellingv1.TakeOfficeRequest{Basis: basis, HolderId: "0000000000", Kind: labellingv1.OfficeKind_OFFICE_KIND_COORDINATOR, Name: names[0], Rpps: "10100234566", Start: "2024"})
	if err == nil {
		t.Fatal("an office of nothing is taken")
	}
	network, err1 := topology.RegisterNetwork(ctx, &topologyv1.RegisterNetworkRequest{Basis: basis, Title: "Réseau"})
	hospital, err2 := topology.RegisterEstablishment(ctx, &topologyv1.RegisterEstablishmentRequest{Basis: basis, Name: "CHU de Brest", Place: &topologyv1.Place{City: "Brest"}})
	centre, err3 := topology.RegisterCentre(ctx, &topologyv1.RegisterCentreRequest{Basis: basis, EstablishmentIds: []string{hospital.GetEstablishmentId()}})
	_, err4 := labelling.RecordAct(ctx, &labellingv1.RecordActRequest{Basis: basis, Kind: labellingv1.ActKind_ACT_KIND_ARRETE, Title: "Arrêté", Lines: []*labellingv1.ActLine{
		{Disposition: &labellingv1.ActLine_Granted{Granted: &labellingv1.Grant{
			Holder: &labellingv1.Grant_Site{Site: &labellingv1.SiteRef{CentreId: centre.GetCentreId(), NetworkId: network.GetNetworkId()}},
			Role:   labellingv1.Role_ROLE_COORDINATOR, Period: &eventv1.Period{Start: "2024-01-01", End: "2029-01-01"}, HeadName: names[2],
		}}},
	}})
	for _, err := range []error{err1, err2, err3, err4} {
		must(t, err)
	}
	for _, approved := range []bool{false, true} {
		draft, err := labelling.PrepareAct(ctx, &labellingv1.PrepareActRequest{Annex: &labellingv1.Annex{Basis: basis, Title: "Succession", Successions: []*labellingv1.Succession{
			{Network: "Réseau", Establishment: "CHU de Brest", City: "Brest", Outgoing: names[2], Incoming: "Dr SUIVANT", Date: "2025-05-01"},
		}}})
		must(t, err)
		second := labellingv1.NewLabellingServiceClient(acting{s.conn, "approver"})
		if approved {
			_, err = second.ApproveAct(ctx, &labellingv1.ApproveActRequest{DraftId: draft.GetDraftId(), EffectsSha256: draft.GetPlan().GetEffectsSha256()})
		} else {
			_, err = second.RejectAct(ctx, &labellingv1.RejectActRequest{DraftId: draft.GetDraftId(), Reason: "non"})
		}
		must(t, err)
	}
	return label, contacts
}

// readForgotten reads the person in every way, over HTTP with the name in the address as well.
func (s *server) readForgotten(label string) {
	t := s.t
	t.Helper()
	s.run("label", "get", label, "--valid-at", "2025-01-01")
	s.run("label", "list", "--valid-at", "2025-01-01", "--text", forgotten.names[0])
	s.run("act", "drafts", "--state", "approuvé")
	_, _, _ = s.cli("person", "erase", "--name", forgotten.names[3], "--reason", "demandé", "--source", "un essai")
	s.run("person", "accesses")
	web := "http://" + field(s.await("msg=ready"), "http=")
	for _, path := range []string{
		"/v1/labels/" + label + "?asOf.validAt=2025-01-01", "/v1/labels?text=" + url.QueryEscape(forgotten.names[0]), "/v1/labels/" + url.PathEscape(forgotten.names[0]), "/quorvzmec/" + url.PathEscape(forgotten.email[0]),
		"/v1/establishments?text=" + url.QueryEscape(forgotten.phones[0]) + "&pageSize=" + forgotten.rpps[0],
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, web+path, http.NoBody)
		must(t, err)
		resp, err := http.DefaultClient.Do(req)
		must(t, err)
		_, err = io.Copy(io.Discard, resp.Body)
		must(t, err)
		must(t, resp.Body.Close())
	}
}

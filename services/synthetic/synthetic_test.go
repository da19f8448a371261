package synthetic

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"buf.build/go/protovalidate"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/identifier"
	"maillage/services/seed"
	"maillage/services/serve"
	"maillage/services/submit"
)

var update = flag.Bool("update", false, "write the golden file")

// begin runs a process within the test and returns its address.
func begin(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	at, failed := make(chan serve.Addresses, 1), make(chan error, 1)
	wg.Go(func() {
		failed <- serve.Run(ctx, serve.Config{Data: t.TempDir(), GRPC: "127.0.0.1:0", HTTP: "off", NATS: "off"}, func(a serve.Addresses) { at <- a })
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	select {
	case a := <-at:
		return a.GRPC
	case err := <-failed:
		t.Fatal(err)
		panic("unreachable")
	}
}

func dial(t *testing.T, addr, as string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)), grpc.WithUnaryInterceptor(submit.Connect(as)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// localIDs names everything in a plan as a server might.
func localIDs(p *plan) *ids {
	out := p.noIDs()
	for letter, of := range map[byte][]string{
		'Y': out.cycles, 'E': out.establishments, 'F': out.filieres, 'P': out.platforms, 'C': out.centres, 'N': out.networks, 'B': out.labels,
	} {
		for i := range of {
			of[i] = fmt.Sprintf("%c%09d", letter, i)
		}
	}
	return out
}

// digest is of all requests of a plan, in order.
func digest(t *testing.T, p *plan) string {
	t.Helper()
	h, known := sha256.New(), localIDs(p)
	for _, stage := range p.stages() {
		for _, s := range stage {
			b, err := proto.MarshalOptions{Deterministic: true}.Marshal(p.request(s, known))
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(h, "%s %d\n%s", s.kind, len(b), b)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// TestSameRequests holds the requests of a seed and size to what they always were:
// under the same request ids, others would be refused.
func TestSameRequests(t *testing.T) {
	var got bytes.Buffer
	for _, of := range []struct {
		seed   uint64
		labels int
	}{{1, 0}, {2, 0}, {1, 600}, {1, 60_000}} {
		p := newPlan(of.seed, of.labels)
		fmt.Fprintf(&got, "seed %d labels %d made %d %s\n", of.seed, of.labels, p.granted, digest(t, p))
	}
	golden := filepath.Join("testdata", "digests.txt")
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("requests changed:\n%swant\n%s", &got, want)
	}
	if digest(t, newPlan(1, 0)) == digest(t, newPlan(3, 0)) {
		t.Error("two seeds gave the same requests")
	}
}

// TestEveryRequestFits holds all requests against the schema, FINESS numbers against
// their check and names against their mark, and what an act may hold to its bounds.
func TestEveryRequestFits(t *testing.T) {
	for _, labels := range []int{500, 0} {
		p := newPlan(7, labels)
		known, finess, depts := localIDs(p), map[string]bool{}, map[string]bool{}
		for _, stage := range p.stages() {
			for _, s := range stage {
				req := p.request(s, known)
				if err := protovalidate.Validate(req); err != nil {
					t.Fatalf("%s %d: %v", s.kind, s.index, err)
				}
				if e, is := req.(*topologyv1.RegisterEstablishmentRequest); is {
					if n, err := identifier.FINESS(e.GetFiness()); err != nil || n != e.GetFiness() || finess[n] {
						t.Errorf("FINESS %s: %v, again: %v", e.GetFiness(), err, finess[n])
					}
					finess[e.GetFiness()], depts[e.GetPlace().GetDepartmentCode()] = true, true
				}
				checkNames(t, req)
			}
		}
		if len(depts) != 101 || !depts["2A"] || !depts["2B"] || !depts["976"] {
			t.Errorf("hospitals in %d departments", len(depts))
		}
	}
}

func checkNames(t *testing.T, req proto.Message) {
	t.Helper()
	if b, is := req.(interface{ GetBasis() *eventv1.Basis }); !is || !strings.HasPrefix(b.GetBasis().GetSource(), "synthetic generator, seed 7") {
		t.Errorf("%v says nothing of the generator", req)
	}
	name := ""
	switch r := req.(type) {
	case interface{ GetName() string }:
		name = r.GetName()
	case interface{ GetTitle() string }:
		name = r.GetTitle()
	case interface{ GetCode() string }:
		name = r.GetCode()
	default:
		return
	}
	if !strings.HasPrefix(name, "SYNTH ") {
		t.Errorf("%q does not say that it is synthetic", name)
	}
}

// TestLargestPlan keeps the largest plan within what an act and a FINESS series hold.
func TestLargestPlan(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	p := newPlan(1, MostLabels)
	if p.granted < MostLabels*97/100 || p.granted > MostLabels*103/100 {
		t.Errorf("%d labels", p.granted)
	}
	for _, acts := range p.waves {
		for _, a := range acts {
			if len(a.lines) > maxLines || len(a.filieres)*len(a.roles) > maxCells {
				t.Errorf("%s %d: %d lines, %d cells", a.title, a.part, len(a.lines), len(a.filieres)*len(a.roles))
			}
		}
	}
	for _, h := range p.hospitals {
		if n := h.finess(); len(n) != 9 {
			t.Fatalf("FINESS %q", n)
		}
	}
}

// TestLoad loads a register into a real server, twice, and counts what is there.
func TestLoad(t *testing.T) {
	labels := 0
	if testing.Short() {
		labels = 600
	}
	addr := begin(t)
	conn := dial(t, addr, "synthetic")
	last := 0
	first, err := Load(t.Context(), conn, Options{Seed: 1, Labels: labels, Progress: func(done, total int) { last = total - done }})
	if err != nil {
		t.Fatal(err)
	}
	if last != 0 {
		t.Errorf("progress ended %d short", last)
	}
	registry := registryv1.NewRegistryServiceClient(conn)
	if labels == 0 {
		checkFigures(t, registry)
	}
	checkChurn(t, registry, first)

	again, err := Load(t.Context(), conn, Options{Seed: 1, Labels: labels})
	if err != nil {
		t.Fatal(err)
	}
	if again.Position != first.Position {
		t.Errorf("position %d after loading twice, %d after loading once", again.Position, first.Position)
	}
	for i, k := range again.Kinds {
		if k.Recorded != 0 || k.Present != first.Kinds[i].Recorded {
			t.Errorf("%s: recorded %d again, %d were there; the first load recorded %d", k.Kind, k.Recorded, k.Present, first.Kinds[i].Recorded)
		}
	}
	if _, err := Load(t.Context(), conn, Options{Seed: 2, Labels: labels}); !errors.Is(err, ErrInUse) {
		t.Errorf("another seed: %v", err)
	}
	if _, err := Load(t.Context(), dial(t, addr, "someone"), Options{Seed: 1, Labels: labels}); !errors.Is(err, ErrOtherAccount) {
		t.Errorf("another account: %v", err)
	}
}

// TestGoesOn ends a load early and takes it up again.
func TestGoesOn(t *testing.T) {
	conn := dial(t, begin(t), "synthetic")
	ctx, cancel := context.WithCancel(t.Context())
	half, err := Load(ctx, conn, Options{Seed: 3, Labels: 500, Progress: func(done, total int) {
		if done > total/2 {
			cancel()
		}
	}})
	if err == nil {
		t.Fatal("the load was not interrupted")
	}
	rest, err := Load(t.Context(), conn, Options{Seed: 3, Labels: 500})
	if err != nil {
		t.Fatal(err)
	}
	p := newPlan(3, 500)
	for i, k := range rest.Kinds {
		if k.Kind == centreStep && (k.Recorded+k.Present != len(p.centres) || k.Present < half.Kinds[i].Recorded) {
			t.Errorf("%d centres recorded before the end, then %d found and %d recorded; the plan has %d", half.Kinds[i].Recorded, k.Present, k.Recorded, len(p.centres))
		}
	}
	n := inForce(t, registryv1.NewRegistryServiceClient(conn), "2024-06-01", labellingv1.Role_ROLE_FSMR)
	if n != 23 {
		t.Errorf("%d filières", n)
	}
}

// TestRefusesRealFacts records nothing beside an establishment of another source.
func TestRefusesRealFacts(t *testing.T) {
	conn := dial(t, begin(t), "synthetic")
	fact, err := topologyv1.NewTopologyServiceClient(conn).RegisterEstablishment(t.Context(), &topologyv1.RegisterEstablishmentRequest{
		Basis: &eventv1.Basis{Source: "finess.esante.gouv.fr"}, Name: "CHU de Dijon",
	})
	if err != nil {
		t.Fatal(err)
	}
	if s, err := Load(t.Context(), conn, Options{Seed: 1, Labels: 500}); !errors.Is(err, ErrInUse) || s.Position > fact.GetPosition() {
		t.Errorf("position %d, %v", s.Position, err)
	}
}

func inForce(t *testing.T, registry registryv1.RegistryServiceClient, day string, roles ...labellingv1.Role) int {
	t.Helper()
	return statuses(t, registry, day, labellingv1.Status_STATUS_IN_FORCE, roles...)
}

func statuses(t *testing.T, registry registryv1.RegistryServiceClient, day string, status labellingv1.Status, roles ...labellingv1.Role) int {
	t.Helper()
	page, err := registry.ListLabels(t.Context(), &registryv1.ListLabelsRequest{
		AsOf: &registryv1.AsOf{ValidAt: day}, Roles: roles, Statuses: []labellingv1.Status{status}, PageSize: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return int(page.GetTotalSize())
}

// checkFigures holds what is in force on a few days to the figures of the real register.
func checkFigures(t *testing.T, registry registryv1.RegistryServiceClient) {
	t.Helper()
	const fsmr, pemr, pcom = labellingv1.Role_ROLE_FSMR, labellingv1.Role_ROLE_PEMR, labellingv1.Role_ROLE_PCOM
	for _, tc := range []struct {
		day   string
		roles []labellingv1.Role
		want  int
	}{
		{"2004-07-01", []labellingv1.Role{resource}, 49},
		{"2005-12-01", []labellingv1.Role{reference}, 67},
		{"2008-01-01", []labellingv1.Role{reference}, 131},
		{"2008-01-01", []labellingv1.Role{competence}, 501},
		{"2017-06-01", []labellingv1.Role{coordinator}, 98},
		{"2017-06-01", []labellingv1.Role{coordinator, constitutive}, 310},
		{"2017-06-01", []labellingv1.Role{competence}, 1648},
		{"2017-10-01", []labellingv1.Role{coordinator}, 104},
		{"2017-10-01", []labellingv1.Role{coordinator, constitutive}, 363},
		{"2017-10-01", []labellingv1.Role{competence}, 1773},
		{"2020-06-01", []labellingv1.Role{coordinator}, 109},
		{"2020-06-01", []labellingv1.Role{coordinator, constitutive}, 387},
		{"2020-06-01", []labellingv1.Role{competence}, 1757},
		{"2020-06-01", []labellingv1.Role{resource}, 83},
		{"2020-06-01", []labellingv1.Role{fsmr}, 23},
		{"2020-06-01", []labellingv1.Role{pemr, pcom}, 14},
		{"2023-06-01", []labellingv1.Role{coordinator, constitutive, competence, resource}, 0}, // in abeyance
		{"2024-06-01", []labellingv1.Role{coordinator}, 122},
		{"2024-06-01", []labellingv1.Role{coordinator, constitutive}, 603},
		{"2024-06-01", []labellingv1.Role{competence}, 1708},
		{"2024-06-01", []labellingv1.Role{resource}, 83},
		{"2024-06-01", []labellingv1.Role{fsmr}, 23},
		{"2024-06-01", []labellingv1.Role{pemr}, 19},
		{"2024-06-01", []labellingv1.Role{pcom}, 4},
	} {
		if got := inForce(t, registry, tc.day, tc.roles...); got != tc.want {
			t.Errorf("%s %v: %d in force, want %d", tc.day, tc.roles, got, tc.want)
		}
	}
}

// checkChurn sees every kind of change in what the register answers.
func checkChurn(t *testing.T, registry registryv1.RegistryServiceClient, loaded seed.Summary) {
	t.Helper()
	seen := map[string]int{}
	for _, k := range loaded.Kinds {
		seen[k.Kind] = k.Recorded
	}
	seen["lapsed"] = statuses(t, registry, "2017-12-01", labellingv1.Status_STATUS_LAPSED)
	seen["expired"] = statuses(t, registry, "2024-06-01", labellingv1.Status_STATUS_EXPIRED)
	seen["in abeyance"] = statuses(t, registry, "2023-06-01", labellingv1.Status_STATUS_IN_ABEYANCE)
	seen["undetermined while a list is partial"] = statuses(t, registry, "2017-06-01", labellingv1.Status_STATUS_UNDETERMINED)
	entries := allLabels(t, registry)
	byID := make(map[string]*registryv1.LabelEntry, len(entries))
	for _, e := range entries {
		byID[e.GetLabel().GetLabelId()] = e
	}
	for _, e := range entries {
		label := e.GetLabel()
		if len(label.GetBasis()) == 0 || !strings.HasPrefix(e.GetHeadName(), "Pr ") && !strings.HasPrefix(e.GetHeadName(), "Dr ") || !strings.Contains(e.GetHeadName(), " SYNTH-") {
			t.Errorf("label %s with head %q on %v", label.GetLabelId(), e.GetHeadName(), label.GetBasis())
		}
		if r := label.GetRole(); r == resource && !strings.Contains("SYNTH MHEMO SYNTH MUCO SYNTH FILSLAN", e.GetFiliereAcronym()) {
			t.Errorf("a CRC in %s", e.GetFiliereAcronym())
		}
		before := byID[label.GetPredecessorId()]
		if before == nil {
			continue
		}
		from, to := before.GetLabel().GetRole(), label.GetRole()
		switch {
		case from == competence && to == constitutive:
			seen["promoted"]++
		case from == constitutive && (to == competence || to == resource):
			seen["reference role lost"]++
		case from == constitutive && to == coordinator:
			seen["coordination moved"]++
		}
		if a, b := before.GetLabel().GetHolder().GetSite(), label.GetHolder().GetSite(); a.GetNetworkId() != b.GetNetworkId() && a.GetCentreId() == b.GetCentreId() {
			seen["merged"]++
		}
		if before.GetHeadName() != e.GetHeadName() {
			seen["head replaced"]++
		}
	}
	for _, kind := range []string{
		grantKind, renewalKind, confirmKind, repealKind, renamingStep, attachmentStep, "lapsed", "expired", "in abeyance", "undetermined while a list is partial",
		"promoted", "reference role lost", "coordination moved", "merged", "head replaced",
	} {
		if seen[kind] == 0 {
			t.Errorf("nothing is %s; %v", kind, seen)
		}
	}
}

func allLabels(t *testing.T, registry registryv1.RegistryServiceClient) []*registryv1.LabelEntry {
	t.Helper()
	req := &registryv1.ListLabelsRequest{AsOf: &registryv1.AsOf{ValidAt: "2024-06-01"}, PageSize: pageSize}
	for n := range labellingv1.Status_name {
		if n != 0 {
			req.Statuses = append(req.Statuses, labellingv1.Status(n))
		}
	}
	var out []*registryv1.LabelEntry
	for {
		page, err := registry.ListLabels(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, page.GetEntries()...)
		if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
			return out
		}
	}
}

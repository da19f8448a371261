package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/seed"
)

const seeds = "../../seeds"

// TestSeeds loads the real facts through the public verbs and asks what an officer
// asks first.
func TestSeeds(t *testing.T) {
	s := start(t, t.TempDir())
	before := root(t, s)
	seedOnce(t, s)
	loaded := root(t, s)
	if loaded == before {
		t.Fatal("the seeds recorded nothing")
	}
	seedOnce(t, s)
	if again := root(t, s); again != loaded {
		t.Errorf("head %s after loading twice, %s after loading once", again, loaded)
	}
	seedAs(t, s, "other")
	if again := root(t, s); again != loaded {
		t.Errorf("head %s after another account loaded it too, %s before", again, loaded)
	}

	list := []string{"label", "list", "--valid-at", "2018-01-01", "--filiere", "RespiFIL", "--json"}
	out, errs, code := s.cli(list...)
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, errs)
	}
	entries := lines(t, out)
	if len(entries) != 36 {
		t.Errorf("%d labels of RespiFIL on 2018-01-01, want the 36 lines known", len(entries))
	}
	for _, e := range entries {
		if !strings.Contains(compactOne(t, e), `"source":"`) {
			t.Errorf("a label without its source: %v", e)
		}
		if e["filiereAcronym"] != "RespiFIL" {
			t.Errorf("a label of another filière: %v", e)
		}
	}
	if out, _, code := s.cli(append(list, "--known-at", "1")...); code != 0 || out != "" {
		t.Errorf("known before anything was recorded: exit code %d, %q", code, out)
	}
	if out, _, code := s.cli("label", "list", "--valid-at", "1990-01-01", "--status", "in_force", "--json"); code != 0 || out != "" {
		t.Errorf("in force in 1990: exit code %d, %q", code, out)
	}
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestSeedsHistory: a load that broke off goes on where it was under any account, and the history that
// changes.csv tells is what the register answers.
func TestSeedsHistory(t *testing.T) {
	s := start(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if _, err := seed.Load(ctx, s.dial(), seeds, func(done, total int) {
		if done > total*9/10 { // amid offices and campaigns
			cancel()
		}
	}); err == nil {
		t.Fatal("the load did not break off")
	}
	seedAs(t, s, "other") // to whom no request_id is known
	whole := start(t, t.TempDir())
	seedOnce(t, whole)
	if broken, once := size(t, s), size(t, whole); broken != once {
		t.Errorf("%d events after a load that broke off, %d after one that did not", broken, once)
	}

	wilson := func(day string) map[string]any {
		t.Helper()
		out, errs, code := s.cli("label", "list", "--valid-at", day, "--network", "Wilson", "--role", "coordinator", "--json")
		if entries := lines(t, out); code == 0 && len(entries) == 1 {
			return entries[0]
		}
		t.Fatalf("one coordinator on %s: exit code %d\n%s%s", day, code, out, errs)
		return nil
	}
	before, after := wilson("2018-01-01"), wilson("2020-01-01")
	if !reflect.DeepEqual(before["label"], after["label"]) {
		t.Errorf("the label changed with the move:\n%v\n%v", before["label"], after["label"])
	}
	for seat, entry := range map[string]map[string]any{"Lariboisière": before, "Rothschild": after} {
		if !strings.Contains(fmt.Sprint(entry["establishmentNames"]), seat) {
			t.Errorf("%v is not %s", entry["establishmentNames"], seat)
		}
	}
	for filter, n := range map[string]int{"fsmr": 23, "pcom": 4, "pemr": 10} {
		out, _, _ := s.cli("label", "list", "--valid-at", "2020-06-01", "--role", filter, "--json")
		if got := len(lines(t, out)); got != n {
			t.Errorf("%d labels of %s in June 2020, want %d", got, filter, n)
		}
	}
	registry := registryv1.NewRegistryServiceClient(s.dial())
	acts, err := registry.ListActs(t.Context(), &registryv1.ListActsRequest{PageSize: 100})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(acts.GetActs(), func(a *labellingv1.Act) bool { return a.GetTitle() == "Arrêté du 9 mai 2017" })
	if i < 0 {
		t.Fatal("the arrêté of 9 May 2017 is not recorded")
	}
	effects, err := registry.ListActEffects(t.Context(), &registryv1.ListActEffectsRequest{ActId: acts.GetActs()[i].GetActId()})
	if err != nil || len(effects.GetEffects()) != 48 {
		t.Errorf("%d effects of the arrêté of 9 May 2017, want the 48 known: %v", len(effects.GetEffects()), err)
	}
}

// TestSeedsPlansAndLinks: the plans end when their prolongation says, the hospital group of
// Guyane is one under its three names, and a second load under another account finds it
// under the last.
func TestSeedsPlansAndLinks(t *testing.T) {
	s := up(t, t.TempDir())
	seedOnce(t, s)
	ctx, registry := t.Context(), registryv1.NewRegistryServiceClient(s.dial())
	for from, audience := range map[string]activityv1.Audience{"": activityv1.Audience_AUDIENCE_PEMR, "2022-05": activityv1.Audience_AUDIENCE_SITE} {
		_, err := activityv1.NewActivityServiceClient(s.dial()).StateMissions(ctx, &activityv1.StateMissionsRequest{
			Basis: &eventv1.Basis{Source: "a letter"}, ValidFrom: from, Audience: audience, Missions: []*activityv1.Mission{{Code: "care", Title: "Soins"}},
		})
		must(t, err)
	}
	before := root(t, s)
	seedAs(t, s, "other")
	if again := root(t, s); again != before {
		t.Errorf("head %s after another account loaded what an officer has stated otherwise, %s before", again, before)
	}
	plans, err := registry.ListPlans(ctx, &registryv1.ListPlansRequest{PageSize: 100})
	must(t, err)
	var told []string
	for _, p := range plans.GetPlans() {
		told = append(told, fmt.Sprintf("%s %s/%s %d", p.GetCode(), p.GetPeriod().GetStart(), p.GetPeriod().GetEnd(), len(p.GetAxes())))
	}
	if got, want := strings.Join(told, ", "), "PNMR1 2005/2009-01-01 10, PNMR2 2011/2017-01-01 3, PNMR3 2018/2023 11, PNMR4 2025/2031-01-01 4"; got != want {
		t.Errorf("plans %s, want %s", got, want)
	}
	for day, name := range map[string]string{
		"2024-12-31": "Groupement de coopération sanitaire préfigurateur du CHU de Guyane",
		"2025-05-20": "Centre hospitalier régional de Guyane", "2025-07-01": "Centre hospitalier universitaire de Guyane",
	} {
		as := &registryv1.AsOf{ValidAt: day}
		found, err := registry.ListEstablishments(ctx, &registryv1.ListEstablishmentsRequest{AsOf: as, Text: "Guyane", PageSize: 10})
		must(t, err)
		if len(found.GetEstablishments()) != 1 || found.GetEstablishments()[0].GetName() != name {
			t.Fatalf("on %s: %v, want %s alone", day, found.GetEstablishments(), name)
		}
		kourou, err := registry.ListEstablishments(ctx, &registryv1.ListEstablishmentsRequest{AsOf: as, Text: "Kourou", PageSize: 10})
		must(t, err)
		belongs := slices.Contains(kourou.GetEstablishments()[0].GetLegalEntityIds(), found.GetEstablishments()[0].GetEstablishmentId())
		if belongs != (day >= "2025") {
			t.Errorf("on %s: Kourou belongs to the group: %t", day, belongs)
		}
	}
	found, err := registry.ListPlatforms(ctx, &registryv1.ListPlatformsRequest{Text: "maladies rares Bretagne", PageSize: 10})
	must(t, err)
	if len(found.GetPlatforms()) != 1 {
		t.Fatalf("%d platforms of Bretagne", len(found.GetPlatforms()))
	}
	if p := found.GetPlatforms()[0]; len(p.GetEstablishmentIds()) != 6 || !slices.Equal(p.GetRegionCodes(), []string{"53"}) || p.GetContact().GetWebsite() != "rares-breizh.fr" {
		t.Errorf("Bretagne is %v, want 6 hosts, region 53 and its site", p)
	}
}

// size is the number of events of the log.
func size(t *testing.T, s *server) uint64 {
	t.Helper()
	resp, err := ledgerv1.NewLedgerServiceClient(s.dial()).GetStatus(t.Context(), &ledgerv1.GetStatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return resp.GetHead().GetSize()
}

func seedOnce(t *testing.T, s *server) {
	t.Helper()
	seedAs(t, s, "officer")
}

func seedAs(t *testing.T, s *server, account string) {
	t.Helper()
	if out, errs, code := s.as(account, "seed", seeds); code != 0 {
		t.Fatalf("seed: exit code %d\n%s%s", code, out, errs)
	}
}

func compactOne(t *testing.T, v map[string]any) string {
	t.Helper()
	return compactAll(t, []map[string]any{v})
}

// TestSeedsBrokenOff loads them in pieces, each broken off and by another account: what is
// there in the end is what one load records.
func TestSeedsBrokenOff(t *testing.T) {
	whole, pieces := start(t, t.TempDir()), start(t, t.TempDir())
	seedOnce(t, whole)
	for i, at := range []string{"150", "330", "600"} {
		load := exec.Command(binary, "seed", seeds, "--server", pieces.grpc, "--as", fmt.Sprint("piece", i))
		if err := load.Start(); err != nil {
			t.Fatal(err)
		}
		if _, errs, code := pieces.cli("cycle", "list", "--min-position", at); code != 0 {
			t.Fatalf("exit code %d\n%s", code, errs)
		}
		_ = load.Process.Kill()
		_ = load.Wait()
	}
	seedOnce(t, pieces)
	size := func(s *server) string { n, _, _ := strings.Cut(root(t, s), " "); return n }
	if got, want := size(pieces), size(whole); got != want {
		t.Errorf("%s events in pieces, %s at once", got, want)
	}
}

// TestBadSeeds refuses files that cannot be read, naming the place, and writes
// nothing.
func TestBadSeeds(t *testing.T) {
	s := start(t, t.TempDir())
	before := root(t, s)
	good, err := os.ReadFile(filepath.Join(seeds, "establishments.csv"))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ content, named string }{
		"not UTF-8":      {string(good) + "H\xf4pital,Paris\n", "establishments.csv"},
		"wrong FINESS":   {strings.Replace(string(good), "130786049", "130786048", 1), "130786048"},
		"unknown column": {strings.Replace(string(good), "name,", "nom,", 1), "nom"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "establishments.csv"), []byte(tc.content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, errs, code := s.cli("seed", dir)
			if code == 0 || !strings.Contains(errs, tc.named) {
				t.Errorf("exit code %d, %q does not name %q", code, errs, tc.named)
			}
		})
	}
	if after := root(t, s); after != before {
		t.Errorf("head %s, was %s: a bad file was written", after, before)
	}
}

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const seeds = "../../seeds"

// TestSeeds loads the real facts through the public verbs and asks what an officer
// asks first.
func TestSeeds(t *testing.T) {
	s := up(t, t.TempDir())
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

	list := []string{"label", "list", "--valid-at", "2018-01-01", "--filiere", "RespiFIL", "--json"}
	out, errs, code := s.cli(list...)
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, errs)
	}
	entries := lines(t, out)
	if len(entries) < 20 {
		t.Errorf("%d labels of RespiFIL on 2018-01-01", len(entries))
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

func seedOnce(t *testing.T, s *server) {
	t.Helper()
	if out, errs, code := s.cli("seed", seeds); code != 0 {
		t.Fatalf("seed: exit code %d\n%s%s", code, out, errs)
	}
}

func compactOne(t *testing.T, v map[string]any) string {
	t.Helper()
	return compactAll(t, []map[string]any{v})
}

// TestBadSeeds refuses files that cannot be read, naming the place, and writes
// nothing.
func TestBadSeeds(t *testing.T) {
	s := up(t, t.TempDir())
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

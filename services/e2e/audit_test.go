package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestAudit takes a bundle of the real register, verifies it with the key alone, and asks it
// offline what the register answers: all is the same, but for names, which are not in the log.
func TestAudit(t *testing.T) {
	data, files := t.TempDir(), t.TempDir()
	s := start(t, data)
	seedOnce(t, s)
	all, kept, key := filepath.Join(files, "all"), filepath.Join(files, "kept"), publicKey(t, data)
	s.succeeds("audit", "bundle", "--out", all)
	if out := succeeds(t, "audit", "verify", all, "--key", key, "--keep", kept); !strings.Contains(out, "Vérifié") {
		t.Error(out)
	}
	then := []string{"--valid-at", "2018-01-01", "--known-at", "700", "--json"}
	replayed := lines(t, succeeds(t, append([]string{"audit", "replay", all, "--key", key}, then...)...))
	if answered := lines(t, s.succeeds(append([]string{"label", "list"}, then...)...)); len(answered) == 0 || !reflect.DeepEqual(nameless(replayed[1:]), nameless(answered)) || fmt.Sprint(replayed[0]["position"]) != "700" {
		t.Errorf("replayed at %v: %d labels, the register answers %d", replayed[0], len(replayed)-1, len(answered))
	}
	if out := succeeds(t, "audit", "replay", all, "--key", key); !strings.Contains(out, "c'est celle que le registre avait annoncée") {
		t.Error(out)
	}
	for _, question := range []string{
		"label list --valid-at 2018-01-01 --filiere RespiFIL", "label list --valid-at 2024-01-01 --known-at 600",
		"network list --valid-at 2012-06-01", "platform list --valid-at 2024-06-01", "coverage --valid-at 2023-06-01",
		"count --unit label --valid-at 2024-01-01", "diff --from 2017-01-01 --to 2024-01-01", "map --valid-at 2019-01-01", "act list",
	} {
		verb := append(strings.Fields(question), "--json")
		online, errs, code := s.cli(verb...)
		if code != 0 || online == "" {
			t.Errorf("%s: %d %s", question, code, errs)
		}
		offline := succeeds(t, append(verb, "--bundle", all, "--bundle-key", key)...)
		if !reflect.DeepEqual(nameless(lines(t, online)), nameless(lines(t, offline))) {
			t.Errorf("%s:\n%s\noffline:\n%s", question, tailOf(online, 2000), tailOf(offline, 2000))
		}
	}
	label := field(strings.ReplaceAll(s.succeeds("label", "list", "--valid-at", "2018-01-01", "--filiere", "RespiFIL", "--json"), ",", " "), `"labelId":`)
	if out := succeeds(t, "audit", "explain", label, "--from", all, "--key", key); !strings.Contains(out, "1. Label accordé") || !strings.Contains(out, "Preuve") {
		t.Error(out)
	}
	if out := succeeds(t, "audit", "explain", label, "--html", "--from", all, "--key", key); !strings.HasPrefix(out, "<!DOCTYPE html>") || !strings.Contains(out, label) {
		t.Error(out)
	}
	one := filepath.Join(files, "one")
	s.succeeds("centre", "register", "--name", "Équipe", "--source", "un essai")
	s.succeeds("audit", "bundle", "--label", label, "--since", kept, "--out", one)
	if out := succeeds(t, "audit", "verify", one, "--key", key, "--kept", kept); !strings.Contains(out, "prolonge") {
		t.Error(out)
	}
	if _, errs, code := verb(t, "audit", "replay", one, "--key", key); code != 5 || !strings.Contains(errs, "BUNDLE_INCOMPLETE") {
		t.Errorf("some records replayed: %d %s", code, errs)
	}
	flipMiddle(t, all)
	if _, errs, code := verb(t, "audit", "verify", all, "--key", key); code != 5 {
		t.Errorf("one byte altered: %d %s", code, errs)
	}
}

// nameless is an answer without the names of persons.
func nameless(v any) any {
	switch v := v.(type) {
	case []map[string]any:
		for _, one := range v {
			nameless(one)
		}
	case []any:
		for _, one := range v {
			nameless(one)
		}
	case map[string]any:
		delete(v, "headName")
		if _, is := v["office"]; is {
			delete(v, "name")
		}
		for _, one := range v {
			nameless(one)
		}
	}
	return v
}

// flipMiddle alters one byte in the middle of a file.
func flipMiddle(t *testing.T, file string) {
	t.Helper()
	b, err := os.ReadFile(file)
	must(t, err)
	b[len(b)/2] ^= 1
	must(t, os.WriteFile(file, b, 0o600))
}

// publicKey is the file with the key of the register whose data are below a directory.
func publicKey(t *testing.T, data string) (file string) {
	t.Helper()
	must(t, filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "checkpoint.pub" {
			file = path
		}
		return err
	}))
	if file == "" {
		t.Fatal("no public key")
	}
	return file
}

// succeeds runs a verb that must, and returns what it says.
func (s *server) succeeds(args ...string) string {
	s.t.Helper()
	out, errs, code := s.cli(args...)
	if code != 0 {
		s.t.Fatalf("maillage %s: %d\n%s", strings.Join(args, " "), code, errs)
	}
	return out
}

func succeeds(t *testing.T, args ...string) string {
	t.Helper()
	out, errs, code := verb(t, args...)
	if code != 0 {
		t.Fatalf("maillage %s: %d\n%s", strings.Join(args, " "), code, errs)
	}
	return out
}

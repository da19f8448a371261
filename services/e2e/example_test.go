package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestExampleFollows kills the register under the example in Python, which goes on at the one
// that comes back and ends with the root that the ledger announces; a copy of which a byte is
// another one it refuses.
func TestExampleFollows(t *testing.T) {
	interpreter, err := exec.LookPath("python3")
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal("python3 is missing: .ci/run installs it")
	}
	if err != nil {
		t.Skip("python3 is not installed: the example in Python is not put to the test")
	}
	data, dir := t.TempDir(), t.TempDir()
	s := up(t, data)
	fill(t, s, "first-", 20)
	ways := map[string][]string{"stream.jsonl": nil, "pages.jsonl": {"--pages"}}
	follow := func(name string) (said string, err error) {
		url := "http://" + field(s.await("msg=ready"), "http=")
		key, err := os.ReadFile(filepath.Join(data, "key", "checkpoint.pub"))
		if err != nil {
			t.Fatal(err)
		}
		args := append([]string{"../../proto/follow/examples/follow.py", "--until-up-to-date", "--key", strings.TrimSpace(string(key)), url, filepath.Join(dir, name)}, ways[name]...)
		cmd := exec.CommandContext(t.Context(), interpreter, args...)
		cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for name := range ways {
		if said, err := follow(name); err != nil || strings.TrimSpace(said) != root(t, s) {
			t.Errorf("%s: %v: %s, not %s", name, err, said, root(t, s))
		}
	}
	s.kill()
	s = up(t, data)
	fill(t, s, "second-", 20)
	for name := range ways {
		if said, err := follow(name); err != nil || strings.TrimSpace(said) != root(t, s) {
			t.Errorf("%s gone on with: %v: %s, not %s", name, err, said, root(t, s))
		}
		file := filepath.Join(dir, name)
		text, err := os.ReadFile(file)
		must(t, err)
		at := bytes.Index(text, []byte("registry.topology.")) + len("registry.topology.")
		text[at] ^= 1
		must(t, os.WriteFile(file, text, 0o600))
		if said, err := follow(name); err == nil || !strings.Contains(said, "STOP: ") {
			t.Errorf("%s altered: %v: %s", name, err, said)
		}
	}
}

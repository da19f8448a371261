package e2e

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
)

const exitDamage = 5

// fill registers so many centres, one after the other.
func fill(t *testing.T, s *server, prefix string, n int) {
	t.Helper()
	conn := s.dial()
	for i := range n {
		if _, err := register(t.Context(), conn, prefix+strconv.Itoa(i)); err != nil {
			t.Fatal(err)
		}
	}
}

// root returns the announced head as text.
func root(t *testing.T, s *server) string {
	t.Helper()
	resp, err := ledgerv1.NewLedgerServiceClient(s.dial()).GetStatus(t.Context(), &ledgerv1.GetStatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return strconv.FormatUint(resp.GetHead().GetSize(), 10) + " " + base64.StdEncoding.EncodeToString(resp.GetHead().GetRoot())
}

// refused starts the process, which must refuse for damage, and returns the
// positions that it names.
func refused(t *testing.T, data string, more ...string) []string {
	t.Helper()
	s := launch(t, append([]string{"up", "--data", data, "--grpc", "127.0.0.1:0", "--http", "off", "--nats", "off"}, more...)...)
	code := s.exit()
	text, _ := s.log.get()
	if code != exitDamage {
		t.Fatalf("exit code %d, want %d for damage:\n%s", code, exitDamage, tailOf(text, 2000))
	}
	positions := regexp.MustCompile(`position (\d+)`).FindAllStringSubmatch(text, -1)
	if len(positions) == 0 {
		t.Fatalf("the refusal names no position:\n%s", tailOf(text, 2000))
	}
	var out []string
	for _, p := range positions {
		out = append(out, p[1])
	}
	return out
}

// middle finds the offset of a value that was stored, in the first file that holds
// it.
func middle(t *testing.T, glob, value string) (file string, offset int64) {
	t.Helper()
	files, err := filepath.Glob(glob)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if i := strings.Index(string(b), value); i >= 0 {
			return f, int64(i)
		}
	}
	t.Fatalf("%q is in none of %v", value, files)
	return "", 0
}

// TestFlippedBit flips one bit in one of the two stores, at rest. The next start
// refuses and names the position; a restore from the other store brings back the
// same tree.
func TestFlippedBit(t *testing.T) {
	const broker, entries = "nats/jetstream/$G/streams/REGISTRY/msgs/*.blk", "ledger/entries/*"
	for name, tc := range map[string]struct {
		glob    string
		kill    bool
		restore string
	}{
		"broker, stopped": {broker, false, "--stream"},
		"broker, killed":  {broker, true, "--stream"},
		"ledger, stopped": {entries, false, "--ledger"},
		"ledger, killed":  {entries, true, "--ledger"},
	} {
		t.Run(name, func(t *testing.T) {
			data := t.TempDir()
			s := up(t, data)
			fill(t, s, "centre-", 30)
			before := root(t, s)
			if tc.kill {
				s.kill()
			} else {
				s.stop()
			}
			file, at := middle(t, filepath.Join(data, tc.glob), "centre-17")
			flip(t, file, at)
			// LogOpened is position 1, VaultBound 2, centre-0 position 3.
			if named := refused(t, data); !slices.Contains(named, "20") {
				t.Errorf("the refusal names positions %v, not 20", named)
			}
			if out, errs, code := verb(t, "restore", tc.restore, "--data", data); code != 0 {
				t.Fatalf("restore: exit code %d\n%s%s", code, out, errs)
			}
			s = up(t, data)
			if after := root(t, s); after != before {
				t.Errorf("head %s after the restore, %s before", after, before)
			}
			fill(t, s, "after-", 3)
			s.stop()
		})
	}
}

// TestLostStore loses one store whole.
func TestLostStore(t *testing.T) {
	for name, tc := range map[string]struct{ dir, restore string }{
		"stream": {"nats", "--stream"},
		"ledger": {"ledger", "--ledger"},
	} {
		t.Run(name, func(t *testing.T) {
			data := t.TempDir()
			copied := filepath.Join(t.TempDir(), "head")
			s := up(t, data, "--head-copy", copied)
			fill(t, s, "centre-", 12)
			before := root(t, s)
			s.stop()
			if err := os.RemoveAll(filepath.Join(data, tc.dir)); err != nil {
				t.Fatal(err)
			}
			refused(t, data, "--head-copy", copied)
			if out, errs, code := verb(t, "restore", tc.restore, "--data", data, "--head-copy", copied); code != 0 {
				t.Fatalf("restore: exit code %d\n%s%s", code, out, errs)
			}
			s = up(t, data, "--head-copy", copied)
			if after := root(t, s); after != before {
				t.Errorf("head %s after the restore, %s before", after, before)
			}
			s.stop()
		})
	}
}

// TestStreamRolledBack brings the stream alone back from an older backup. The ledger is not rebuilt
// without what only it holds, and the operator is told what to do instead.
func TestStreamRolledBack(t *testing.T) {
	data, backup := t.TempDir(), t.TempDir()
	s := up(t, data)
	fill(t, s, "kept-", 5)
	s.stop()
	copyTree(t, filepath.Join(data, "nats"), backup)
	s = up(t, data)
	fill(t, s, "lost-", 5)
	before := root(t, s)
	s.stop()
	copyTree(t, backup, filepath.Join(data, "nats"))
	if named := refused(t, data); !slices.Contains(named, "8") {
		t.Errorf("the refusal names positions %v, not 8, the first that the stream lacks", named)
	}
	_, errs, code := verb(t, "restore", "--ledger", "--data", data)
	if code != exitDamage {
		t.Errorf("restore --ledger: exit code %d, want %d", code, exitDamage)
	}
	for _, said := range []string{"12 positions que le journal n'a pas", "« maillage restore --stream »", "position 8", "LOG_DAMAGED"} {
		if !strings.Contains(errs, said) {
			t.Errorf("restore --ledger says %q, without %q", errs, said)
		}
	}
	succeeds(t, "restore", "--stream", "--data", data)
	s = up(t, data)
	if after := root(t, s); after != before {
		t.Errorf("head %s after the restore, %s before", after, before)
	}
	s.stop()
}

// TestBothRolledBack brings both stores back from an older backup. Only the copy of
// the head knows, and only a new epoch starts.
func TestBothRolledBack(t *testing.T) {
	data, backup := t.TempDir(), t.TempDir()
	copied := filepath.Join(t.TempDir(), "head")
	s := up(t, data, "--head-copy", copied)
	fill(t, s, "kept-", 5)
	s.stop()
	copyTree(t, data, backup)
	s = up(t, data, "--head-copy", copied)
	fill(t, s, "lost-", 5)
	s.stop()
	copyTree(t, backup, data)
	if named := refused(t, data, "--head-copy", copied); !slices.Contains(named, "12") {
		t.Errorf("the refusal names positions %v, not 12, the last announced", named)
	}
	if _, _, code := verb(t, "restore", "--stream", "--data", data, "--head-copy", copied); code == 0 {
		t.Error("a stream was restored from a ledger that is behind what it announced")
	}
	if out, errs, code := verb(t, "restore", "--new-epoch", "--reason", "drill", "--data", data, "--head-copy", copied); code != 0 {
		t.Fatalf("new epoch: exit code %d\n%s%s", code, out, errs)
	}
	s = up(t, data, "--head-copy", copied)
	resp, err := ledgerv1.NewLedgerServiceClient(s.dial()).GetStatus(t.Context(), &ledgerv1.GetStatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if resp.GetHead().GetEpoch() != 2 || resp.GetHead().GetSize() != 8 {
		t.Errorf("epoch %d at size %d, want epoch 2 at 8", resp.GetHead().GetEpoch(), resp.GetHead().GetSize())
	}
	s.stop()
}

// TestLostVault refuses a vault that is not the log's until an operator binds it.
func TestLostVault(t *testing.T) {
	data := t.TempDir()
	s := up(t, data)
	fill(t, s, "centre-", 2)
	s.stop()
	if err := os.RemoveAll(filepath.Join(data, "vault")); err != nil {
		t.Fatal(err)
	}
	other := launch(t, "up", "--data", data, "--grpc", "127.0.0.1:0", "--http", "off", "--nats", "off")
	if code := other.exit(); code != 3 {
		t.Errorf("exit code %d, want 3: the vault is not the log's", code)
	}
	if out, errs, code := verb(t, "restore", "--new-vault", "--reason", "drill", "--data", data); code != 0 {
		t.Fatalf("new vault: exit code %d\n%s%s", code, out, errs)
	}
	s = up(t, data)
	fill(t, s, "after-", 2)
	s.stop()
}

// TestRestoreFromNothing refuses to restore from a store that is not there.
func TestRestoreFromNothing(t *testing.T) {
	for _, what := range []string{"--stream", "--ledger"} {
		if _, _, code := verb(t, "restore", what, "--data", filepath.Join(t.TempDir(), "typo")); code != 4 {
			t.Errorf("restore %s: exit code %d, want 4", what, code)
		}
	}
}

package e2e

import (
	"bytes"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"maillage/services/eventlog"
	"maillage/services/eventlog/jetstream"
	"maillage/services/ledger"
)

// rewritings are what somebody with access to a store makes of the events in it, as the program
// would have written them: every checksum, hash and root is right. Event 20 registers centre-17.
var rewritings = map[string]func([]eventlog.Record) []eventlog.Record{
	"one byte of one event": func(all []eventlog.Record) []eventlog.Record {
		all[19].Body = bytes.Replace(all[19].Body, []byte("centre-17"), []byte("centre-x7"), 1)
		return all
	},
	"an event removed": func(all []eventlog.Record) []eventlog.Record { return slices.Delete(all, 19, 20) },
	"two swapped": func(all []eventlog.Record) []eventlog.Record {
		all[19], all[20] = all[20], all[19]
		return all
	},
	"the tail cut": func(all []eventlog.Record) []eventlog.Record { return all[:25] },
}

// TestRewritten: whatever was rewritten in one store the other contradicts at the next start;
// what was rewritten in both alike, tree and all, the checkpoint that was signed last does; and
// where that was taken away as well, whoever kept one.
func TestRewritten(t *testing.T) {
	alone(t)
	base, files := t.TempDir(), t.TempDir()
	s := up(t, base, "--postgres", "off")
	fill(t, s, "centre-", 30)
	was := root(t, s)
	s.succeeds("audit", "bundle", "--out", filepath.Join(files, "all"))
	key, kept := publicKey(t, base), filepath.Join(files, "kept")
	succeeds(t, "audit", "verify", filepath.Join(files, "all"), "--key", key, "--keep", kept)
	s.stop()
	records := recordsIn(t, filepath.Join(base, "ledger"))
	for attack, rewrite := range rewritings {
		rewritten := rewrite(slices.Clone(records))
		for i := range rewritten {
			rewritten[i].Position = uint64(i + 1)
		}
		for _, where := range []string{"stream", "ledger", "both", "both and the last checkpoint"} {
			t.Run(attack+" in "+where, func(t *testing.T) {
				t.Parallel()
				data := t.TempDir()
				copyTree(t, base, data)
				must(t, os.Chmod(filepath.Join(data, "key", "checkpoint"), 0o600))
				if where != "ledger" {
					writeStream(t, data, rewritten)
				}
				if where != "stream" {
					_, err := ledger.RebuildFrom(each(rewritten), filepath.Join(data, "ledger"))
					must(t, err)
				}
				switch {
				case where == "ledger" && attack == "the tail cut": // it is a ledger that missed them, and is refilled
					s := up(t, data, "--postgres", "off")
					if now := root(t, s); now != was {
						t.Errorf("refilled, the head is %s, was %s", now, was)
					}
				case where == "both":
					s := launch(t, "up", "--data", data, "--grpc", "127.0.0.1:0", "--http", "off", "--nats", "off")
					code := s.exit()
					if text, _ := s.log.get(); code != exitDamage || !strings.Contains(text, "CHECKPOINT_CONFLICT") {
						t.Errorf("exit code %d: %s", code, tailOf(text, 1000))
					}
					goesOnAfterCut(t, data, len(rewritten) < len(records))
				case where == "both and the last checkpoint":
					must(t, os.Remove(filepath.Join(data, "key", "checkpoint.last")))
					must(t, os.RemoveAll(filepath.Join(data, "ledger", "signed"))) // where the rewriting left it
					s := up(t, data, "--postgres", "off")                          // nothing here knows better
					fill(t, s, "more-", 10)
					forged := filepath.Join(t.TempDir(), "forged")
					s.succeeds("audit", "bundle", "--out", forged)
					succeeds(t, "audit", "verify", forged, "--key", key) // to whoever has kept nothing
					if _, errs, code := verb(t, "audit", "verify", forged, "--key", key, "--kept", kept); code != exitDamage || !strings.Contains(errs, "LOG_FORKED") {
						t.Errorf("exit code %d: %s", code, errs)
					}
				default:
					refused(t, data)
				}
			})
		}
	}
}

// goesOnAfterCut opens a new epoch, which an operator may where positions are missing, and not
// where others stand in their place.
func goesOnAfterCut(t *testing.T, data string, cut bool) {
	t.Helper()
	_, errs, code := verb(t, "restore", "--new-epoch", "--reason", "essai", "--data", data)
	if !cut {
		if code == 0 || !strings.Contains(errs, "NOT_ROLLED_BACK") {
			t.Errorf("a new epoch: exit code %d, %s", code, errs)
		}
		return
	}
	if code != 0 {
		t.Fatalf("a new epoch: exit code %d, %s", code, errs)
	}
	s := up(t, data, "--postgres", "off")
	fill(t, s, "more-", 2)
	s.succeeds("audit", "bundle", "--out", filepath.Join(t.TempDir(), "epoch"))
}

// recordsIn are those of a ledger that no process has open.
func recordsIn(t *testing.T, dir string) (all []eventlog.Record) {
	t.Helper()
	store, err := ledger.Open(dir, "")
	must(t, err)
	defer store.Close()
	for r, err := range store.Read(0) {
		must(t, err)
		r.Body = slices.Clone(r.Body)
		all = append(all, r)
	}
	return all
}

func each(all []eventlog.Record) iter.Seq2[eventlog.Record, error] {
	return func(yield func(eventlog.Record, error) bool) {
		for _, r := range all {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// writeStream puts records in the place of the stream of a directory of data.
func writeStream(t *testing.T, data string, records []eventlog.Record) {
	t.Helper()
	dir := filepath.Join(data, "nats")
	must(t, os.RemoveAll(filepath.Join(dir, "jetstream")))
	broker, err := jetstream.StartServer(t.Context(), jetstream.Options{Dir: dir})
	must(t, err)
	defer broker.Shutdown()
	log, err := broker.Open(t.Context())
	must(t, err)
	defer log.Close()
	if err := log.Append(t.Context(), 0, slices.Clone(records)); err != nil {
		t.Fatal(fmt.Errorf("the rewritten stream: %w", err))
	}
}

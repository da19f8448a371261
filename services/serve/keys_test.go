package serve_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"maillage/proto/checkpoint"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	"maillage/services/fault"
	"maillage/services/notary"
	"maillage/services/serve"
)

// TestKeyMissing: a log that was signed goes on with its key, or with one that was made
// expressly and that the log tells of; never with another one unsaid.
func TestKeyMissing(t *testing.T) {
	dir := t.TempDir()
	config := serve.Config{Data: dir, GRPC: "127.0.0.1:0", HTTP: "off", NATS: "off"}
	key := filepath.Join(dir, "key", "checkpoint")
	at, stop := beginAgain(t, config)
	conn := dialAs(t, at.GRPC)
	first, old := signedAt(t, ledgerv1.NewProofServiceClient(conn), registerCentre(t, conn, "Équipe")), trusted(t, dir)
	if bound, _ := keysBound(t, feedv1.NewFeedServiceClient(conn)); !slices.Equal(bound, []string{public(t, key)}) {
		t.Errorf("the log binds %q, and %q is told", bound, public(t, key))
	}
	stop()

	for n, lost := range []string{key, filepath.Dir(key), filepath.Dir(key)} {
		if n == 2 { // the log alone remembers
			if err := os.Remove(filepath.Join(dir, "ledger", "signed")); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Rename(lost, filepath.Join(dir, "aside")); err != nil {
			t.Fatal(err)
		}
		err := serve.Run(t.Context(), config, func(serve.Addresses) { t.Errorf("it goes on without %s", lost) })
		if own, is := errors.AsType[*fault.Error](err); !is || own.Reason != "KEY_MISSING" {
			t.Errorf("without %s: %v", lost, err)
		}
		if err := os.Rename(filepath.Join(dir, "aside"), lost); err != nil {
			t.Fatalf("something took its place: %v", err)
		}
	}

	if err := os.RemoveAll(filepath.Join(dir, "key")); err != nil {
		t.Fatal(err)
	}
	made, err := serve.NewKey(filepath.Join(dir, "ledger"), key)
	if err != nil || len(made) != 1 || made[0].Name() != old.Name() {
		t.Fatalf("%v, %v", made, err)
	}
	for range 2 { // the second time there is nothing to tell
		at, stop = beginAgain(t, config)
		conn = dialAs(t, at.GRPC)
		if bound, facts := keysBound(t, feedv1.NewFeedServiceClient(conn)); !slices.Equal(bound, made.Public()) || facts != 2 {
			t.Errorf("the log binds %q, not %q, in %d facts", bound, made.Public(), facts)
		}
		proofs := ledgerv1.NewProofServiceClient(conn)
		signed := signedAt(t, proofs, registerCentre(t, conn, "Équipe encore"))
		now, _, err := checkpoint.Open(signed, trusted(t, dir))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := checkpoint.Open(signed, old); err == nil {
			t.Error("the key that is lost signed")
		}
		before, _, err := checkpoint.Open(first, old)
		if err != nil {
			t.Fatal(err)
		}
		p, err := proofs.GetConsistencyProof(t.Context(), &ledgerv1.GetConsistencyProofRequest{OldSize: before.Size, TreeSize: now.Size})
		if err != nil || now.Extends(before, hashesOf(p.GetHashes())) != nil {
			t.Errorf("%+v does not extend %+v: %v", now, before, err)
		}
		stop()
	}
}

// TestKeyOfAnotherLog: it signs nothing here, and the log is not told of it; all else goes on.
func TestKeyOfAnotherLog(t *testing.T) {
	dir := t.TempDir()
	config := serve.Config{Data: dir, GRPC: "127.0.0.1:0", HTTP: "off", NATS: "off"}
	key := filepath.Join(dir, "key", "checkpoint")
	_, stop := beginAgain(t, config)
	bound := public(t, key)
	stop()
	if err := os.RemoveAll(filepath.Dir(key)); err != nil {
		t.Fatal(err)
	}
	if _, err := notary.NewKey(key, "another/log"); err != nil {
		t.Fatal(err)
	}
	conn := dialAs(t, begin(t, config).GRPC)
	head := registerCentre(t, conn, "Équipe")
	_, err := ledgerv1.NewProofServiceClient(conn).GetCheckpoint(t.Context(), &ledgerv1.GetCheckpointRequest{MinSize: head})
	if own, is := fault.FromStatus(err); !is || own.Reason != "KEY_MISSING" {
		t.Errorf("a checkpoint: %v", err)
	}
	if got, facts := keysBound(t, feedv1.NewFeedServiceClient(conn)); facts != 1 || !slices.Equal(got, []string{bound}) {
		t.Errorf("the log binds %q, not %q, in %d facts", got, bound, facts)
	}
}

// TestOldLogIsBound: a log that was opened before logs told of keys is opened as it is, and
// told of the key once that has signed it.
func TestOldLogIsBound(t *testing.T) {
	dir := t.TempDir()
	config := serve.Config{Data: dir, GRPC: "127.0.0.1:0", HTTP: "off", NATS: "off"}
	key := filepath.Join(dir, "key", "checkpoint")
	if err := errors.Join(os.MkdirAll(filepath.Dir(key), 0o711), os.WriteFile(key, nil, 0o600)); err != nil { // so that it is opened without
		t.Fatal(err)
	}
	_, stop := beginAgain(t, config)
	stop()
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	for _, bound := range []int{0, 1, 1} {
		at, stop := beginAgain(t, config)
		conn := dialAs(t, at.GRPC)
		if got, facts := keysBound(t, feedv1.NewFeedServiceClient(conn)); facts != bound || bound > 0 && !slices.Equal(got, []string{public(t, key)}) {
			t.Errorf("the log binds %q, in %d facts", got, facts)
		}
		signedAt(t, ledgerv1.NewProofServiceClient(conn), 2)
		stop()
	}
}

// TestLastIsKeptTwice: what was signed last is known as long as either place that keeps it is
// there.
func TestLastIsKeptTwice(t *testing.T) {
	dir := t.TempDir()
	config := serve.Config{Data: dir, GRPC: "127.0.0.1:0", HTTP: "off", NATS: "off"}
	files := []string{filepath.Join(dir, "key", "checkpoint.last"), filepath.Join(dir, "ledger", "signed")}
	at, stop := beginAgain(t, config)
	conn := dialAs(t, at.GRPC)
	signed := signedAt(t, ledgerv1.NewProofServiceClient(conn), registerCentre(t, conn, "Équipe"))
	stop()
	for _, lost := range files {
		if err := os.Remove(lost); err != nil {
			t.Fatal(err)
		}
		_, stop := beginAgain(t, config)
		stop()
		if again, err := os.ReadFile(lost); err != nil || string(again) != string(signed) {
			t.Errorf("%s is %q, not %q: %v", lost, again, signed, err)
		}
	}
}

func signedAt(t *testing.T, proofs ledgerv1.ProofServiceClient, size uint64) []byte {
	t.Helper()
	r, err := proofs.GetCheckpoint(t.Context(), &ledgerv1.GetCheckpointRequest{MinSize: size})
	if err != nil {
		t.Fatal(err)
	}
	return r.GetCheckpoint()
}

func public(t *testing.T, key string) string {
	t.Helper()
	told, err := os.ReadFile(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(told))
}

// keysBound are the keys that a log says sign its checkpoints, and in how many facts it has
// said so.
func keysBound(t *testing.T, feed feedv1.FeedServiceClient) (keys []string, facts int) {
	t.Helper()
	all, err := feed.ListEvents(t.Context(), &feedv1.ListEventsRequest{PageSize: 1000, Filter: &feedv1.Filter{Contexts: []string{"ledger"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, commit := range all.GetCommits() {
		for _, r := range commit.GetRecords() {
			var e ledgerv1.Event
			if err := proto.Unmarshal(r.GetBody(), &e); err != nil {
				t.Fatal(err)
			}
			for _, said := range [][]string{e.GetLogOpened().GetCheckpointKeys(), e.GetCheckpointKeysBound().GetKeys()} {
				if len(said) > 0 {
					keys, facts = said, facts+1
				}
			}
		}
	}
	return keys, facts
}

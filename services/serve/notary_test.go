package serve_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"maillage/proto/checkpoint"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/proto/merkle"
	"maillage/services/fault"
	"maillage/services/serve"
	"maillage/services/submit"
)

// TestProofs: whatever a process hands on, it proves to be under what it signed; started
// again it signs what extends that, and says so where it cannot.
func TestProofs(t *testing.T) {
	dir := t.TempDir()
	config := serve.Config{Data: dir, GRPC: "127.0.0.1:0", HTTP: "127.0.0.1:0", NATS: "off"}
	var before checkpoint.Checkpoint
	for _, name := range []string{"Équipe une", "Équipe deux"} {
		at, stop := beginAgain(t, config)
		conn := dialAs(t, at.GRPC)
		head := registerCentre(t, conn, name)
		key := trusted(t, dir)
		proofs := ledgerv1.NewProofServiceClient(conn)
		r, err := proofs.GetCheckpoint(t.Context(), &ledgerv1.GetCheckpointRequest{MinSize: head})
		if err != nil {
			t.Fatal(err)
		}
		c, _, err := checkpoint.Open(r.GetCheckpoint(), key)
		if err != nil || c.Size < head || !strings.HasPrefix(c.Origin, "maillage/") {
			t.Fatalf("%+v, %v", c, err)
		}
		all, err := feedv1.NewFeedServiceClient(conn).ListEvents(t.Context(), &feedv1.ListEventsRequest{PageSize: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for _, commit := range all.GetCommits() {
			for _, one := range commit.GetRecords() {
				p, err := proofs.GetInclusionProof(t.Context(), &ledgerv1.GetInclusionProofRequest{Position: one.GetPosition()})
				if err != nil {
					t.Fatal(err)
				}
				under, _, err := checkpoint.Open(p.GetCheckpoint(), key)
				if err != nil {
					t.Fatal(err)
				}
				leaf := tlog.RecordHash(merkle.AppendLeaf(nil, one.GetPosition(), one.GetSubject(), one.GetBody()))
				if err := under.Contains(one.GetPosition(), leaf, hashesOf(p.GetHashes())); err != nil {
					t.Error(err)
				}
			}
		}
		p, err := proofs.GetConsistencyProof(t.Context(), &ledgerv1.GetConsistencyProofRequest{OldSize: before.Size})
		if err != nil {
			t.Fatal(err)
		}
		if later, _, err := checkpoint.Open(p.GetCheckpoint(), key); err != nil || before.Size > 0 && later.Extends(before, hashesOf(p.GetHashes())) != nil {
			t.Errorf("%+v does not extend %+v: %v", later, before, err)
		}
		before = c
		if got := fetched(t, "http://"+at.HTTP+"/checkpoint"); !strings.HasPrefix(got, c.Origin+"\n") {
			t.Errorf("/checkpoint: %q", got)
		}
		if got := fetched(t, "http://"+at.HTTP+"/tile/0/000.p/1"); len(got) != tlog.HashSize {
			t.Errorf("a tile of %d bytes", len(got))
		}
		if r, err := proofs.RecountLog(t.Context(), &ledgerv1.RecountLogRequest{}); err != nil || r.GetHead().GetSize() < head {
			t.Errorf("recount: %v, %v", r, err)
		}
		stop()
	}
	last := filepath.Join(dir, "key", "checkpoint.last")
	text, err := os.ReadFile(last)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitN(string(text), "\n", 4)
	keep := func(lines ...string) {
		t.Helper()
		if err := os.WriteFile(last, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	more, err := strconv.Atoi(lines[1])
	if err != nil {
		t.Fatal(err)
	}
	for given, c := range map[string][]string{
		"another root was signed": {lines[0], lines[1], "AAAA" + lines[2][4:], lines[3]},
		"more was signed":         {lines[0], strconv.Itoa(more + 1), lines[2], lines[3]},
	} {
		keep(c...)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		err := serve.Run(ctx, config, func(serve.Addresses) { cancel() })
		cancel()
		if own, is := errors.AsType[*fault.Error](err); !is || own.Reason != "CHECKPOINT_CONFLICT" || own.Kind != fault.Damaged || own.Position == 0 {
			t.Errorf("%s: %v", given, err)
		}
	}
	keep("maillage/0000000000", lines[1], lines[2], lines[3]) // of another log: nothing of this one contradicts it
	at, _ := beginAgain(t, config)
	conn := dialAs(t, at.GRPC)
	head := registerCentre(t, conn, "Équipe trois")
	_, err = ledgerv1.NewProofServiceClient(conn).GetCheckpoint(t.Context(), &ledgerv1.GetCheckpointRequest{MinSize: head})
	if own, is := fault.FromStatus(err); !is || own.Reason != "CHECKPOINT_CONFLICT" {
		t.Errorf("of another log a checkpoint was signed before: %v", err)
	}
}

// TestKeyExposed: with a key that others can read nothing is signed, and all else goes on.
func TestKeyExposed(t *testing.T) {
	dir := t.TempDir()
	config := serve.Config{Data: dir, GRPC: "127.0.0.1:0", HTTP: "off", NATS: "off"}
	_, stop := beginAgain(t, config)
	stop()
	if err := os.Chmod(filepath.Join(dir, "key", "checkpoint"), 0o644); err != nil {
		t.Fatal(err)
	}
	conn := dialAs(t, begin(t, config).GRPC)
	registerCentre(t, conn, "Équipe")
	_, err := ledgerv1.NewProofServiceClient(conn).GetCheckpoint(t.Context(), &ledgerv1.GetCheckpointRequest{})
	if own, is := fault.FromStatus(err); !is || own.Reason != "KEY_EXPOSED" {
		t.Errorf("a checkpoint: %v", err)
	}
}

// TestSignsLater: what keeps a checkpoint from being kept, such as a full disk, ends the
// signing no longer than it lasts.
func TestSignsLater(t *testing.T) {
	dir := t.TempDir()
	inTheWay := filepath.Join(dir, "key", "checkpoint.last.next")
	if err := os.MkdirAll(inTheWay, 0o755); err != nil {
		t.Fatal(err)
	}
	at := begin(t, serve.Config{Data: dir, GRPC: "127.0.0.1:0", HTTP: "off", NATS: "off"})
	proofs := ledgerv1.NewProofServiceClient(dialAs(t, at.GRPC))
	soon, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := proofs.GetCheckpoint(soon, &ledgerv1.GetCheckpointRequest{MinSize: 1})
	if c := status.Code(err); c != codes.Unavailable && c != codes.DeadlineExceeded {
		t.Errorf("while it cannot be kept: %v", err)
	}
	if err := os.Remove(inTheWay); err != nil {
		t.Fatal(err)
	}
	if _, err := proofs.GetCheckpoint(t.Context(), &ledgerv1.GetCheckpointRequest{MinSize: 1}); err != nil {
		t.Errorf("once it can: %v", err)
	}
}

// TestRecountFindsDamage: a byte of the ledger that changes while it is served is found.
func TestRecountFindsDamage(t *testing.T) {
	dir := t.TempDir()
	at := begin(t, serve.Config{Data: dir, GRPC: "127.0.0.1:0", HTTP: "off", NATS: "off"})
	conn := dialAs(t, at.GRPC)
	registerCentre(t, conn, "Équipe")
	files, err := filepath.Glob(filepath.Join(dir, "ledger", "entries", "*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	f, err := os.OpenFile(files[0], os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{0xee}, 30); err != nil {
		t.Fatal(err)
	}
	_, err = ledgerv1.NewProofServiceClient(conn).RecountLog(t.Context(), &ledgerv1.RecountLogRequest{})
	if status.Code(err) != codes.DataLoss || !strings.Contains(err.Error(), "the ledger") {
		t.Errorf("damage: %v", err)
	}
}

func hashesOf(all [][]byte) (hashes []tlog.Hash) {
	for _, h := range all {
		hashes = append(hashes, tlog.Hash(h))
	}
	return hashes
}

func trusted(t *testing.T, dir string) note.Verifier {
	t.Helper()
	public, err := os.ReadFile(filepath.Join(dir, "key", "checkpoint.pub"))
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(strings.TrimSpace(string(public)))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func dialAs(t *testing.T, addr string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithUnaryInterceptor(submit.Connect("officer")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func registerCentre(t *testing.T, conn *grpc.ClientConn, name string) uint64 {
	t.Helper()
	r, err := topologyv1.NewTopologyServiceClient(conn).RegisterCentre(t.Context(), &topologyv1.RegisterCentreRequest{
		Basis: because, Name: name,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r.GetPosition()
}

func fetched(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", url, resp.Status, err)
	}
	return string(b)
}

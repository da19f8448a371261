package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"maillage/proto/conformance"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	"maillage/services/eventlog"
	"maillage/services/eventlog/jetstream"
)

// keeps is what a process says of the ledger in its files.
func keeps(t *testing.T, s *server) *ledgerv1.KeptLedger {
	t.Helper()
	resp, err := ledgerv1.NewLedgerServiceClient(s.dial()).GetStatus(t.Context(), &ledgerv1.GetStatusRequest{})
	must(t, err)
	if resp.GetKept() == nil {
		t.Fatal("it keeps no ledger")
	}
	return resp.GetKept()
}

// copied waits until a ledger that follows holds so many positions.
func copied(t *testing.T, s *server, size uint64) string {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		kept := keeps(t, s)
		if !kept.GetFollows() {
			t.Fatal("it does not follow")
		}
		if kept.GetHead().GetSize() >= size && kept.GetLag() == 0 {
			return strconv.FormatUint(kept.GetHead().GetSize(), 10) + " " + base64.StdEncoding.EncodeToString(kept.GetHead().GetRoot())
		}
		if time.Now().After(deadline) {
			t.Fatalf("it stands at %v", kept)
		}
	}
}

// TestSecondLedger runs two ledgers on one log, kills each, and promotes the second one
// after the loss of the first with its disk.
func TestSecondLedger(t *testing.T) {
	broker := startBroker(t, filepath.Join(t.TempDir(), "nats"), "127.0.0.1:0")
	defer broker.Shutdown()
	url, one, two := broker.URL(), t.TempDir(), t.TempDir()
	first := part(t, url, "ledger", "--data", one)
	second := part(t, url, "ledger", "--follow", "--data", two)
	writer := part(t, url, "topology", "registry", "--data", t.TempDir())
	fill(t, writer, "both-", 10)
	if got, want := copied(t, second, 12), root(t, first); got != want {
		t.Errorf("the second ledger holds %s, %s was announced", got, want)
	}
	out, _, code := second.cli("ledger", "status")
	if code != 0 || !strings.Contains(out, "suit celui qui fait foi : position 12 sur son disque, retard 0") {
		t.Errorf("ledger status: exit code %d\n%s", code, out)
	}

	second.kill()
	fill(t, writer, "without-", 10) // nobody waits for a ledger that follows
	second = part(t, url, "ledger", "--follow", "--data", two)
	before := copied(t, second, 22)

	first.kill()
	second.stop()
	keyless := launch(t, "serve", "ledger", "--nats", url, "--data", two, "--grpc", "127.0.0.1:0", "--http", "off")
	if code := keyless.exit(); code != 3 {
		t.Errorf("without the key of the log: exit code %d, want 3", code)
	}
	if text, _ := keyless.log.get(); !strings.Contains(text, "(KEY_MISSING)") || !strings.Contains(text, "maillage ledger key --new") {
		t.Errorf("without the key of the log:\n%s", tailOf(text, 2000))
	}
	must(t, os.CopyFS(filepath.Join(two, "key"), os.DirFS(filepath.Join(one, "key"))))
	must(t, os.Chmod(filepath.Join(two, "key", "checkpoint"), 0o600))
	promoted := part(t, url, "ledger", "--data", two)
	if got := root(t, promoted); got != before {
		t.Errorf("promoted, it announces %s, it held %s", got, before)
	}
	fill(t, writer, "after-", 5)
	late := launch(t, "serve", "ledger", "--nats", url, "--data", one, "--grpc", "127.0.0.1:0", "--http", "off")
	if code := late.exit(); code != 3 {
		t.Errorf("the first ledger comes back and gates too: exit code %d, want 3", code)
	}
	first = part(t, url, "ledger", "--follow", "--data", one)
	if got, want := copied(t, first, 27), root(t, promoted); got != want {
		t.Errorf("the first ledger, which follows now, holds %s, %s was announced", got, want)
	}
	for _, s := range []*server{first, promoted, writer} {
		if code := s.stop(); code != 0 {
			t.Errorf("exit code %d", code)
		}
	}
}

// TestSecondLedgerDiverges alters a record behind the back of a ledger that follows: in
// the history that it is to follow, and then in what is announced while it runs.
func TestSecondLedgerDiverges(t *testing.T) {
	const altered = 7
	dir := t.TempDir()
	broker := startBroker(t, filepath.Join(dir, "nats"), "127.0.0.1:0")
	one, two := t.TempDir(), t.TempDir()
	first := part(t, broker.URL(), "ledger", "--data", one)
	second := part(t, broker.URL(), "ledger", "--follow", "--data", two)
	writer := part(t, broker.URL(), "topology", "--data", t.TempDir())
	fill(t, writer, "centre-", 10)
	copied(t, second, 12)
	for _, s := range []*server{writer, second, first} {
		s.stop()
	}
	records := recordsOf(t, broker.URL())
	broker.Shutdown()

	other := startBroker(t, filepath.Join(dir, "other"), "127.0.0.1:0")
	defer other.Shutdown()
	was := slices.Clone(records[altered-1].Body)
	records[altered-1].Body = bytes.Replace(was, []byte("centre-4"), []byte("centre-X"), 2)
	if bytes.Equal(was, records[altered-1].Body) {
		t.Fatalf("record %d is another one: %q", altered, was)
	}
	refill(t, other.URL(), records)
	forged := t.TempDir()
	if out, errs, code := verb(t, "restore", "--ledger", "--data", forged, "--nats", other.URL()); code != 0 {
		t.Fatalf("restore: exit code %d\n%s%s", code, out, errs)
	}
	first = part(t, other.URL(), "ledger", "--data", forged, "--key", filepath.Join(one, "key", "checkpoint"))
	second = launch(t, "serve", "ledger", "--follow", "--nats", other.URL(), "--data", two, "--grpc", "127.0.0.1:0", "--http", "off")
	if code := second.exit(); code != exitDamage {
		t.Errorf("exit code %d, want %d", code, exitDamage)
	}
	if text, _ := second.log.get(); !strings.Contains(text, "LEDGER_DIVERGED") || !strings.Contains(text, "position "+strconv.Itoa(altered)) {
		t.Errorf("it does not name the position:\n%s", tailOf(text, 2000))
	}

	third := part(t, other.URL(), "ledger", "--follow", "--data", t.TempDir())
	copied(t, third, 12)
	announceOther(t, other.URL(), first)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	awaitHalt(ctx, t, third)
	if code := third.stop(); code != exitDamage {
		t.Errorf("exit code %d, want %d", code, exitDamage)
	}
	if text, _ := third.log.get(); !strings.Contains(text, "LEDGER_DIVERGED") || !strings.Contains(text, "position 12") {
		t.Errorf("it does not name the position:\n%s", tailOf(text, 2000))
	}
}

func connect(t *testing.T, url string, existing bool) *jetstream.Log {
	t.Helper()
	log, err := jetstream.Connect(t.Context(), url, jetstream.ConnectOptions{Name: "test", Existing: existing})
	must(t, err)
	return log
}

func recordsOf(t *testing.T, url string) (all []eventlog.Record) {
	t.Helper()
	log := connect(t, url, true)
	defer log.Close()
	for r, err := range log.Read(t.Context(), 0) {
		must(t, err)
		all = append(all, eventlog.Record{Subject: r.Subject, Body: slices.Clone(r.Body)})
	}
	return all
}

func refill(t *testing.T, url string, records []eventlog.Record) {
	t.Helper()
	log := connect(t, url, false)
	defer log.Close()
	for i, r := range records {
		must(t, log.Append(t.Context(), uint64(i), []eventlog.Record{r}))
	}
}

// announceOther announces another root than a ledger's, as one would that holds another record.
func announceOther(t *testing.T, url string, of *server) {
	t.Helper()
	resp, err := ledgerv1.NewLedgerServiceClient(of.dial()).GetStatus(t.Context(), &ledgerv1.GetStatusRequest{})
	must(t, err)
	head := resp.GetHead()
	head.Root[0] ^= 1
	log := connect(t, url, true)
	defer log.Close()
	b, err := proto.Marshal(head)
	must(t, err)
	must(t, log.AnnounceHead(b))
}

// TestFollowConforms: the reference passes what every consumer is put to.
func TestFollowConforms(t *testing.T) {
	follow := `printf "%s\n" "$MAILLAGE_KEY" > "$MAILLAGE_COPY.pub"; exec ` + binary + ` follow --key "$MAILLAGE_COPY.pub" --heartbeat 1s --sink "jsonl:$MAILLAGE_COPY"`
	out, errs, code := verb(t, "conformance", "--", "sh", "-c", follow)
	if code != 0 || strings.Contains(out, "ÉCHOUÉE") || strings.Count(out, "passée") != len(conformance.Scenarios()) {
		t.Errorf("%d\n%s%s", code, out, errs)
	}
	if _, errs, code := verb(t, "conformance", "--", "./there-is-no-such-consumer"); code != 2 || !strings.Contains(errs, "ne se lance pas") {
		t.Errorf("no consumer: %d %s", code, errs)
	}
	if out, _, code := verb(t, "conformance", "--only", "whole", "--", "true"); code == 0 || !strings.Contains(out, "ÉCHOUÉE  whole") {
		t.Errorf("who does nothing: %d\n%s", code, out)
	}
}

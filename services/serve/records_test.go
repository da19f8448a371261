package serve

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/eventlog"
	"maillage/services/eventlog/jetstream"
	"maillage/services/ledger"
)

// Records are the same wherever they are read: from the ledger, from the stream where that
// does not have them yet, or cannot give them.
func TestRecords(t *testing.T) {
	const stored = 3 * manyRecords
	var all []eventlog.Record
	for p := range stored {
		body, err := proto.Marshal(&topologyv1.Event{Meta: &eventv1.Meta{Schema: 1, CommitSize: 1, RecordTime: timestamppb.Now()}, Fact: &topologyv1.Event_CentreRegistered{
			CentreRegistered: &topologyv1.CentreRegistered{CentreId: "C", Name: fmt.Sprintf("body %d", p+1)},
		}})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, eventlog.Record{Position: uint64(p + 1), Subject: "registry.topology.centre.C", Body: body})
	}
	broker, err := jetstream.StartServer(t.Context(), jetstream.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Shutdown)
	log, err := broker.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(log.Close)
	for at := 0; at < stored; at += 1000 {
		if err := log.Append(t.Context(), uint64(at), all[at:at+1000]); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	store, err := ledger.Open(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	if _, err := store.Append(all[:stored-500]); err != nil {
		t.Fatal(err)
	}
	p := &process{log: log, store: store}
	same := func(after, to uint64) {
		t.Helper()
		at := after
		for r, err := range p.records(t.Context(), after, to) {
			if err != nil {
				t.Fatalf("after %d to %d, at %d: %v", after, to, at, err)
			}
			if at++; r.Position != at || !bytes.Equal(r.Body, all[at-1].Body) {
				t.Fatalf("after %d to %d: position %d holds %q where %q is next", after, to, r.Position, r.Body, all[at-1].Body)
			}
		}
		if at != to {
			t.Fatalf("after %d to %d it ended at %d", after, to, at)
		}
	}
	each := func() {
		t.Helper()
		same(0, 10)
		same(17, manyRecords+17)
		same(100, stored-500)
		same(100, stored)
	}
	each()
	files, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	hit := false
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		if i := bytes.Index(b, []byte("body 1500")); i >= 0 {
			b[i]++
			hit = true
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !hit {
		t.Fatal("no file of the ledger holds what is to be damaged")
	}
	each()
}

package registry_test

import (
	"bytes"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	"maillage/services/eventlog"
	"maillage/services/registry"
)

var update = flag.Bool("update", false, "write the samples that are missing")

// TestSamplesFold folds an encoded sample of every fact about the log itself: what
// was once written is read for ever. Each fact of the oneof needs one.
func TestSamplesFold(t *testing.T) {
	epoch := epochOpened(2)
	epoch.GetEpochOpened().OldSize, epoch.GetEpochOpened().OldRoot, epoch.GetEpochOpened().Reason = 7, make([]byte, 32), "drill"
	bound := &ledgerv1.Event{Meta: meta(1), Fact: &ledgerv1.Event_VaultBound{VaultBound: &ledgerv1.VaultBound{Check: bytes.Repeat([]byte{7}, 32), Reason: "drill"}}}
	added := &ledgerv1.Event{Meta: meta(1), Fact: &ledgerv1.Event_ConsumerAdded{ConsumerAdded: &ledgerv1.ConsumerAdded{Name: "bndmr", PublicKey: "U" + strings.Repeat("A", 55), Contexts: []string{"labelling", "topology"}}}}
	removed := &ledgerv1.Event{Meta: meta(1), Fact: &ledgerv1.Event_ConsumerRemoved{ConsumerRemoved: &ledgerv1.ConsumerRemoved{Name: "bndmr", Reason: "drill"}}}
	samples := map[string]*ledgerv1.Event{
		"log_opened": opened(), "epoch_opened": epoch, "vault_bound": bound, "consumer_added": added, "consumer_removed": removed,
	}
	fields := (&ledgerv1.Event{}).ProtoReflect().Descriptor().Oneofs().ByName("fact").Fields()
	var s registry.State
	for i := range fields.Len() {
		name := string(fields.Get(i).Name())
		path := filepath.Join("..", "..", "proto", "testdata", "events", "ledger."+name+".binpb")
		encoded, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) && *update {
			encoded = write(t, path, samples[name], fields.Get(i))
		} else if err != nil {
			t.Fatalf("fact %s has no sample: %v", name, err)
		}
		if _, err := s.Evolve(eventlog.Record{Position: uint64(i + 1), Subject: "registry.ledger.log.LOG0000001", Body: encoded}); err != nil {
			t.Errorf("fact %s has no fold: %v", name, err)
		}
	}
	if got, want := s.Identity(), (registry.Identity{LogID: "LOG0000001", Origin: "maillage.test/log", Epoch: 2, Vault: [32]byte(bytes.Repeat([]byte{7}, 32))}); got != want {
		t.Errorf("identity %+v, want %+v", got, want)
	}
}

func write(t *testing.T, path string, e *ledgerv1.Event, field protoreflect.FieldDescriptor) []byte {
	t.Helper()
	if e == nil || !e.ProtoReflect().Has(field) {
		t.Fatalf("no sample of %s to write", field.Name())
	}
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return b
}

package registry_test

import (
	"bytes"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
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
	keys := &ledgerv1.Event{Meta: meta(1), Fact: &ledgerv1.Event_CheckpointKeysBound{CheckpointKeysBound: &ledgerv1.CheckpointKeysBound{Keys: []string{"maillage.test/log/LOG0000001+00000000+AQ=="}}}}
	samples := map[string]*ledgerv1.Event{
		"log_opened": opened(), "epoch_opened": epoch, "vault_bound": bound, "consumer_added": added, "consumer_removed": removed, "checkpoint_keys_bound": keys,
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

// TestCheckpointKeys: the last word on the keys counts, and what is rolled back was not said.
func TestCheckpointKeys(t *testing.T) {
	first := opened()
	first.GetLogOpened().CheckpointKeys = []string{"one"}
	bound := func(keys ...string) *ledgerv1.Event {
		return &ledgerv1.Event{Meta: meta(1), Fact: &ledgerv1.Event_CheckpointKeysBound{CheckpointKeysBound: &ledgerv1.CheckpointKeysBound{Keys: keys}}}
	}
	var s registry.State
	evolve := func(position uint64, e *ledgerv1.Event) error {
		body, err := proto.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Evolve(eventlog.Record{Position: position, Subject: "registry.ledger.log.LOG0000001", Body: body})
		return err
	}
	want := func(position uint64, keys ...string) {
		t.Helper()
		if got, at := s.CheckpointKeys(); at != position || !slices.Equal(got, keys) {
			t.Errorf("%q since %d, want %q since %d", got, at, keys, position)
		}
	}
	want(0)
	for n, e := range []*ledgerv1.Event{first, bound("one", "two"), bound("two")} {
		if err := evolve(uint64(n+1), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := evolve(4, bound()); err == nil {
		t.Error("no key is bound")
	}
	want(3, "two")
	s.Rollback(2)
	want(2, "one", "two")
	s.Rollback(0)
	want(0)
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

package follow_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

var update = flag.Bool("update", false, "write the JSON of the events that have none yet")

const golden = "../testdata/events"

var contexts = map[string]proto.Message{
	"topology": &topologyv1.Event{}, "labelling": &labellingv1.Event{}, "activity": &activityv1.Event{}, "ledger": &ledgerv1.Event{},
}

// Every fact has an event in bytes and in JSON, which say the same, for ever: a reader in
// another language is right where it reads both alike.
func TestGoldenEvents(t *testing.T) {
	missing := map[string]bool{}
	for context, e := range contexts {
		facts := e.ProtoReflect().Descriptor().Oneofs().ByName("fact").Fields()
		for i := range facts.Len() {
			missing[context+"."+string(facts.Get(i).Name())] = true
		}
	}
	encoded, err := filepath.Glob(filepath.Join(golden, "*.binpb"))
	if err != nil {
		t.Fatal(err)
	}
	written, err := filepath.Glob(filepath.Join(golden, "*.json"))
	if err != nil || len(written) != len(encoded) && !*update {
		t.Errorf("%d events in bytes, %d in JSON, %v", len(encoded), len(written), err)
	}
	for _, file := range encoded {
		name := strings.TrimSuffix(filepath.Base(file), ".binpb")
		context, fact, _ := strings.Cut(name, ".")
		fact, _, _ = strings.Cut(fact, ".")
		if contexts[context] == nil {
			t.Errorf("%s is of no context", file)
			continue
		}
		delete(missing, context+"."+fact)
		e := read(t, file, contexts[context])
		if of := e.ProtoReflect().WhichOneof(e.ProtoReflect().Descriptor().Oneofs().ByName("fact")); of == nil || string(of.Name()) != fact {
			t.Errorf("%s holds another fact: %v", name, e)
		}
		got, path := indented(t, e), filepath.Join(golden, name+".json")
		want, err := os.ReadFile(path)
		if os.IsNotExist(err) && *update {
			want, err = got, os.WriteFile(path, got, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is in JSON\n%s\nit was\n%s", name, got, want)
		}
		again := contexts[context].ProtoReflect().New().Interface()
		if err := protojson.Unmarshal(want, again); err != nil || !proto.Equal(again, e) {
			t.Errorf("%s is read from JSON as %v, %v, and from bytes as %v", name, again, err, e)
		}
	}
	for name := range missing {
		t.Errorf("no event of %s", name)
	}
}

func read(t *testing.T, file string, of proto.Message) proto.Message {
	t.Helper()
	encoded, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	e := of.ProtoReflect().New().Interface()
	if err := proto.Unmarshal(encoded, e); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if unknown := e.ProtoReflect().GetUnknown(); len(unknown) > 0 {
		t.Errorf("%s has bytes that nothing is known of", file)
	}
	return e
}

// indented is the JSON of a message, without the spaces that protojson puts at random.
func indented(t *testing.T, m proto.Message) []byte {
	t.Helper()
	raw, err := protojson.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", "  "); err != nil {
		t.Fatal(err)
	}
	out.WriteByte('\n')
	return out.Bytes()
}

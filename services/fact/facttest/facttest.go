// Package facttest holds the facts of a context to the promise that what was once
// written folds for ever, to the same state. An encoded sample of each fact stands in the
// contract, for consumers to test with too.
package facttest

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"maillage/services/bitemporal"
)

var (
	// events are the samples, as seen from the package of a context, and state is what they
	// fold to there.
	events = filepath.Join("..", "..", "proto", "testdata", "events")
	state  = filepath.Join("testdata", "state.json")
)

var update = flag.Bool("update", false, "write the samples that are missing and the state they fold to")

// Fold tests that every fact of the oneof has a sample, and that the samples as they
// were once written, CONTEXT.NAME.binpb of the contract, fold in this order to
// testdata/state.json.
func Fold[E proto.Message](t *testing.T, samples []E, evolve func(position uint64, e E) error, subject func(E) string, dump func() string) {
	t.Helper()
	var none E
	context := strings.Split(string(none.ProtoReflect().Descriptor().FullName()), ".")[1] // maillage.CONTEXT.v1.Event
	encoding := func(sample string) string { return filepath.Join(events, context+"."+sample+".binpb") }
	var order []string
	count := make(map[string]int)
	for _, e := range samples {
		sample := name(e)
		if count[sample]++; count[sample] > 1 {
			sample = fmt.Sprintf("%s.%d", sample, count[sample])
		}
		order = append(order, sample)
		if path := encoding(sample); *update && !exists(path) {
			encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(e)
			write(t, path, encoded, err)
		}
	}
	facts := none.ProtoReflect().Descriptor().Oneofs().ByName("fact").Fields()
	for i := range facts.Len() {
		if name := string(facts.Get(i).Name()); !slices.Contains(order, name) {
			t.Errorf("no sample of %s", name)
		}
	}
	for i, want := range order {
		encoded, err := os.ReadFile(encoding(want))
		if err != nil {
			t.Fatal(err)
		}
		e := none.ProtoReflect().New().Interface().(E)
		if err := proto.Unmarshal(encoded, e); err != nil {
			t.Fatal(err)
		}
		if got, _, _ := strings.Cut(want, "."); name(e) != got {
			t.Errorf("the sample of %s is one of %q", want, name(e))
		}
		if err := evolve(uint64(i+1), e); err != nil {
			t.Errorf("%s: %v", want, err)
		}
		if subject(e) == "" {
			t.Errorf("%s has no subject", want)
		}
	}
	got := dump()
	if *update {
		write(t, state, []byte(got), nil)
	}
	want, err := os.ReadFile(state)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the samples fold to\n%s\nwant\n%s", got, want)
	}
}

// Dump is all that was ever believed, for comparison.
type Dump map[string]any

// Rows adds a table.
func Rows[E proto.Message](t testing.TB, d Dump, table string, rows *bitemporal.Table[E]) {
	t.Helper()
	for id := range rows.IDs() {
		for _, v := range rows.History(id) {
			encoded, err := protojson.Marshal(v.Value)
			if err != nil {
				t.Fatal(err)
			}
			var value any
			if err := json.Unmarshal(encoded, &value); err != nil {
				t.Fatal(err)
			}
			known := fmt.Sprintf("known %d on", v.KnownFrom)
			if v.KnownTo != bitemporal.Latest {
				known = fmt.Sprintf("known %d to %d", v.KnownFrom, v.KnownTo)
			}
			d[fmt.Sprintf("%s %s, valid %s to %s, %s", table, id, v.Valid.From, v.Valid.To, known)] = value
		}
	}
}

// Text is the dump as JSON, in an order that is always the same.
func (d Dump) Text(t testing.TB) string {
	t.Helper()
	out, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out) + "\n"
}

// name is the name of the fact that an event holds.
func name(e proto.Message) string {
	m := e.ProtoReflect()
	if fact := m.WhichOneof(m.Descriptor().Oneofs().ByName("fact")); fact != nil {
		return string(fact.Name())
	}
	return ""
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func write(t *testing.T, path string, content []byte, err error) {
	t.Helper()
	if err == nil {
		err = os.WriteFile(path, content, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

package cloudevent_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	"maillage/proto/cloudevent"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
)

// samples is a commit of each event that there is a sample of, every kind of fact among them.
func samples(t *testing.T) (all []*feedv1.Commit) {
	t.Helper()
	files, err := filepath.Glob("../testdata/events/*.binpb")
	if err != nil || len(files) < 100 {
		t.Fatalf("%d samples, %v", len(files), err)
	}
	for i, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		context, _, _ := strings.Cut(filepath.Base(file), ".")
		all = append(all, &feedv1.Commit{
			Records:   []*feedv1.Record{{Position: uint64(i + 1), Subject: "registry." + context + ".kind.0000000001", Body: body}},
			KnownTime: timestamppb.New(known), Cursor: fmt.Sprint("CURSOR", i),
		})
	}
	return all
}

// attributes are those of an event in JSON as texts, as the binary mode writes them.
func attributes(t *testing.T, e *cloudevent.Event) map[string]string {
	t.Helper()
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	read, out := map[string]json.RawMessage{}, map[string]string{}
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	for name, value := range read {
		out[name] = strings.Trim(string(value), `"`)
	}
	return out
}

// In binary mode an event of any kind has the attributes that it has in JSON, but for those that
// say what the data is: there they are the stored bytes.
func TestBinaryIsTheSame(t *testing.T) {
	kinds := map[string]bool{}
	for _, c := range append(samples(t), commit(t)) {
		structured, err := register.Events(c)
		if err != nil {
			t.Fatal(err)
		}
		binary, err := register.Binary(c)
		if err != nil || len(binary) != len(structured) {
			t.Fatalf("%d events, %v", len(binary), err)
		}
		for i, e := range binary {
			want := attributes(t, structured[i])
			delete(want, "data")
			delete(want, "stored")
			want["datacontenttype"] = "application/protobuf"
			kinds[want["type"]] = true
			got := map[string]string{}
			for name, values := range e.Header() {
				name, ours := strings.CutPrefix(name, "ce-")
				if !ours || len(values) != 1 {
					t.Errorf("header %s: %q", name, values)
				}
				got[name] = values[0] // none of these needs an escape
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s is told as\n%v\nand in JSON\n%v", e.Type, got, want)
			}
			if body := c.GetRecords()[i].GetBody(); !bytes.Equal(e.Stored, body) {
				t.Errorf("%s: its body is %x, stored is %x", e.Type, e.Stored, body)
			}
			if again, err := cloudevent.Read(e.Header(), e.Stored); err != nil || !reflect.DeepEqual(again, e) {
				t.Errorf("%s is read as %+v, %v", e.Type, again, err)
			}
			delete(kinds, "")
		}
	}
	if len(kinds) < 90 {
		t.Errorf("%d kinds of facts were compared", len(kinds))
	}
}

// What consumers are sent stays as it is.
func TestGoldenHeaders(t *testing.T) {
	events, err := register.Binary(commit(t))
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	e := json.NewEncoder(&got)
	e.SetIndent("", "  ")
	for _, event := range events {
		if err := e.Encode(event.Header()); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join("testdata", "headers.json")
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(file); err != nil || !bytes.Equal(got.Bytes(), want) {
		t.Errorf("it is now, %v\n%s", err, got.Bytes())
	}
}

// Values are percent-encoded as the binding says, its own example among them.
func TestEscapes(t *testing.T) {
	for text, header := range map[string]string{
		"registry.labelling.label.0000000002": "registry.labelling.label.0000000002",
		"Euro € 😀":                            "Euro%20%E2%82%AC%20%F0%9F%98%80",
		`"quoted" 100%`:                       "%22quoted%22%20100%25",
		"a\r\nce-id: 7":                       "a%0D%0Ace-id:%207",
		"~!+;=":                               "~!+;=",
	} {
		e := &cloudevent.Event{SpecVersion: "1.0", ID: "1", Source: "s", Type: "t", Subject: text}
		if got := e.Header()["ce-subject"]; len(got) != 1 || got[0] != header {
			t.Errorf("%q is written %q", text, got)
		}
		if again, err := cloudevent.Read(e.Header(), nil); err != nil || again.Subject != text {
			t.Errorf("%q is read as %+v, %v", text, again, err)
		}
	}
	least := func(more ...string) map[string][]string {
		h := map[string][]string{"Ce-SpecVersion": {"1.0"}, "CE-ID": {"%31"}, "ce-source": {"s"}, "ce-type": {"t"}, "Nats-Expected-Last-Sequence": {"0"}, "ce-other": {"x"}}
		for i := 0; i < len(more); i += 2 {
			h[more[i]] = []string{more[i+1]}
		}
		return h
	}
	for header, want := range map[string]string{`"a \"b\" %c3%a9"`: `a "b" é`, "%e2%82%ac": "€", `"`: `"`} {
		if e, err := cloudevent.Read(least("ce-subject", header), nil); err != nil || e.Subject != want || e.ID != "1" {
			t.Errorf("%q is read as %+v, %v", header, e, err)
		}
	}
	for _, bad := range [][]string{{"ce-subject", "%C0%A0"}, {"ce-subject", "%4"}, {"ce-subject", "%zz"}, {"ce-commitsize", "-1"}, {"ce-commitindex", "x"}, {"ce-specversion", "0.3"}, {"ce-type", ""}} {
		h := least(bad...)
		if bad[0] == "ce-specversion" {
			delete(h, "Ce-SpecVersion")
		}
		if e, err := cloudevent.Read(h, nil); err == nil {
			t.Errorf("%q is read as %+v", bad, e)
		}
	}
	if e, err := cloudevent.Read(nil, nil); err == nil {
		t.Errorf("without headers it is read as %+v", e)
	}
}

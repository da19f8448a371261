package cloudevent_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	contract "maillage/proto"
	"maillage/proto/cloudevent"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
)

var update = flag.Bool("update", false, "write the golden files")

var (
	register = cloudevent.Register{LogID: "0123456789", Schemas: "https://registre.example.org/schemas"}
	known    = time.Date(2026, 3, 1, 9, 30, 0, 123456000, time.UTC)
)

func meta(index, size uint32) *eventv1.Meta {
	return &eventv1.Meta{
		Schema: 1, RecordTime: timestamppb.New(known), Actor: &eventv1.Actor{Account: "0000000001", Role: "officer"},
		RequestId: "r-1", RequestDigest: []byte{1, 2, 3}, CommitIndex: index, CommitSize: size,
		Basis: &eventv1.Basis{Source: "BO Santé <2026/3> & suite", Evidence: eventv1.Evidence_EVIDENCE_ACT_READ},
	}
}

func body(t *testing.T, e proto.Message, more ...byte) []byte {
	t.Helper()
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return append(b, more...)
}

// unknown is a fact that no reader knows, field 500 of an event.
func unknown() []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, 500, protowire.BytesType), []byte("new"))
}

// commit is of two facts, the second of which is newer than the reader.
func commit(t *testing.T) *feedv1.Commit {
	t.Helper()
	granted := &labellingv1.Event{Meta: meta(0, 2), Fact: &labellingv1.Event_LabelGranted{LabelGranted: &labellingv1.LabelGranted{
		LabelId: "0000000002", Role: labellingv1.Role_ROLE_COORDINATOR, Period: &eventv1.Period{Start: "2024-01-01", End: "2029-01-01"},
	}}}
	return &feedv1.Commit{
		Records: []*feedv1.Record{
			{Position: 41, Subject: "registry.labelling.label.0000000002", Body: body(t, granted)},
			{Position: 42, Subject: "registry.labelling.label.0000000002", Body: body(t, &labellingv1.Event{Meta: meta(1, 2)}, unknown()...)},
		},
		KnownTime: timestamppb.New(known), Cursor: "CURSOR",
	}
}

// What consumers are sent stays as it is.
func TestGolden(t *testing.T) {
	events, err := register.Events(commit(t))
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	e := json.NewEncoder(&got)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(events); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", "events.json")
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("it is now\n%s", got.Bytes())
	}
}

// The records come back as they were, byte for byte.
func TestRecord(t *testing.T) {
	c := commit(t)
	events, err := register.Events(c)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range events {
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var read cloudevent.Event
		if err := json.Unmarshal(text, &read); err != nil {
			t.Fatal(err)
		}
		if r, err := read.Record(); err != nil || !proto.Equal(r, c.GetRecords()[i]) {
			t.Errorf("%v, %v, not %v", r, err, c.GetRecords()[i])
		}
	}
	for _, id := range []string{"", "0", "-1", "x", "18446744073709551616"} {
		if r, err := (&cloudevent.Event{ID: id}).Record(); err == nil {
			t.Errorf("the id %q is of %v", id, r)
		}
	}
}

func TestEvents(t *testing.T) {
	ofLedger := body(t, &ledgerv1.Event{Meta: meta(1, 3), Fact: &ledgerv1.Event_VaultBound{VaultBound: &ledgerv1.VaultBound{Check: []byte{1}}}})
	for name, tc := range map[string]struct {
		subject string
		body    []byte
		typ     string
		index   uint32
		data    bool
		fails   bool
	}{
		"a known fact":        {subject: "registry.ledger.log.X", body: ofLedger, typ: "maillage.ledger.v1.VaultBound", index: 1, data: true},
		"an unknown context":  {subject: "registry.weather.day.X", body: body(t, &ledgerv1.Event{Meta: meta(2, 3)}, unknown()...), typ: "maillage.weather.v1.Unknown", index: 2},
		"meta comes later":    {subject: "registry.weather.day.X", body: append(unknown(), body(t, &ledgerv1.Event{Meta: meta(2, 3)})...), typ: "maillage.weather.v1.Unknown", index: 2},
		"no event":            {subject: "registry.ledger.log.X", body: []byte("\xff"), fails: true},
		"no event, elsewhere": {subject: "registry.weather.day.X", body: []byte("\x0a\xff"), fails: true},
		"nothing":             {subject: "registry.weather.day.X", fails: true},
		"no subject":          {subject: "registry", body: ofLedger, fails: true},
	} {
		events, err := register.Events(&feedv1.Commit{Records: []*feedv1.Record{{Position: 7, Subject: tc.subject, Body: tc.body}}, Cursor: "C", KnownTime: timestamppb.New(known)})
		if tc.fails {
			if err == nil || !strings.Contains(err.Error(), "position 7") {
				t.Errorf("%s: %v, %v", name, events, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		e := events[0]
		if e.Type != tc.typ || e.CommitIndex != tc.index || e.CommitSize != 3 || (e.Data != nil) != tc.data || (e.DataContentType != "") != tc.data || e.Cursor != "C" || !bytes.Equal(e.Stored, tc.body) {
			t.Errorf("%s: %+v", name, e)
		}
		if !tc.data {
			continue
		}
		file := strings.TrimPrefix(e.DataSchema, register.Schemas+"/")
		if _, err := fs.Stat(contract.Sources, file); err != nil {
			t.Errorf("%s: its schema %s is not to be had: %v", name, e.DataSchema, err)
		}
	}
	if bare, err := (cloudevent.Register{}).Events(commit(t)); err != nil || bare[0].DataSchema != "" {
		t.Errorf("without an address: %v, %v", bare, err)
	}
	if none, err := register.Events(&feedv1.Commit{Cursor: "C"}); len(none) > 0 || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of an empty commit: %v, %v", none, err)
	}
}

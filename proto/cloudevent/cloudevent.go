// Package cloudevent writes the records of a register's log as CloudEvents 1.0, in JSON
// (structured mode) or as a message of NATS (binary mode), and reads the records back from
// them.
//
// In JSON the attribute data is the event as protocol buffers write it there: to read, not to
// verify. What the log holds and hashes is the attribute stored, byte for byte. In binary mode
// that is the data.
package cloudevent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

// Event is a record of the log as a CloudEvent. Encoded by encoding/json it is the
// structured mode; its attributes have the names of their keys.
type Event struct {
	SpecVersion string `json:"specversion"` // "1.0"
	// ID is the position, in digits: unique within Source.
	ID string `json:"id"`
	// Source is urn:maillage:log: and the id of the log.
	Source string `json:"source"`
	// Type is the full name of the fact's message, maillage.labelling.v1.LabelGranted; one
	// that ends in .Unknown is newer than whoever wrote the CloudEvent.
	Type string `json:"type"`
	// Subject is that of the record, registry.CONTEXT.KIND.ID.
	Subject string `json:"subject"`
	// Time is the known time of the commit, UTC, as RFC 3339.
	Time            string `json:"time"`
	DataContentType string `json:"datacontenttype,omitempty"`
	// DataSchema is where the schema of Data can be had.
	DataSchema string `json:"dataschema,omitempty"`
	// CommitIndex is the place of the event in its commit, from 0, and CommitSize the
	// number of events in that, whether they are handed on or not.
	CommitIndex uint32 `json:"commitindex"`
	CommitSize  uint32 `json:"commitsize"`
	// Cursor is where to go on after the commit. Only the last event of a commit has one:
	// to go on inside a commit would be to miss the rest of it.
	Cursor string `json:"cursor,omitempty"`
	// Stored is the bytes that the log holds: with Subject and the position, the leaf.
	Stored []byte `json:"stored"`
	// TlogProof proves that the event is under a signed checkpoint, where that was asked for:
	// the text of a C2SP tlog-proof.
	TlogProof string `json:"tlogproof,omitempty"`
	// Data is the stored Event of the context's package, absent where it is unknown.
	Data json.RawMessage `json:"data,omitempty"`
}

// Register is what the events of a register have in common.
type Register struct {
	// LogID is the opaque id of its log.
	LogID string
	// Schemas is the address below which the .proto files are served, without a slash at
	// its end; empty leaves DataSchema out.
	Schemas string
}

// Events are the records of a commit, the last of them with its cursor. A body that is not
// the encoding of an event is an error that names the position.
func (r Register) Events(c *feedv1.Commit) ([]*Event, error) { return r.events(c, inJSON) }

// Binary is Events for the binary mode: their data is what is stored, and no JSON is made of it.
// All else is the same. See [Event.Header].
func (r Register) Binary(c *feedv1.Commit) ([]*Event, error) { return r.events(c, asStored) }

func (r Register) events(c *feedv1.Commit, data func(*Event, event) error) ([]*Event, error) {
	events := make([]*Event, 0, len(c.GetRecords()))
	known := c.GetKnownTime().AsTime().Format(time.RFC3339Nano)
	for _, record := range c.GetRecords() {
		e, err := r.event(record, data)
		if err != nil {
			return nil, fmt.Errorf("position %d: %w", record.GetPosition(), err)
		}
		e.Time = known
		events = append(events, e)
	}
	if n := len(events); n > 0 {
		events[n-1].Cursor = c.GetCursor()
	}
	return events, nil
}

// inJSON puts a fact that is known into the data, as JSON.
func inJSON(e *Event, stored event) error {
	if stored == nil {
		return nil
	}
	data, err := protojson.Marshal(stored)
	if err != nil {
		return fmt.Errorf("write it as JSON: %w", err)
	}
	var compact bytes.Buffer // protojson varies its spaces from build to build
	if err := json.Compact(&compact, data); err != nil {
		return fmt.Errorf("write it as JSON: %w", err)
	}
	e.Data, e.DataContentType = compact.Bytes(), "application/json"
	return nil
}

// asStored says that the data is what is stored, which is there whether it is known or not.
func asStored(e *Event, _ event) error {
	e.DataContentType = "application/protobuf"
	return nil
}

// event is a record as an event, its data put there by a function that is handed the fact,
// nil for one that is not known.
func (r Register) event(record *feedv1.Record, data func(*Event, event) error) (*Event, error) {
	e := &Event{
		SpecVersion: "1.0",
		ID:          strconv.FormatUint(record.GetPosition(), 10),
		Source:      "urn:maillage:log:" + r.LogID,
		Subject:     record.GetSubject(),
		Stored:      record.GetBody(),
	}
	parts := strings.Split(e.Subject, ".")
	if len(parts) < 2 {
		return nil, fmt.Errorf("its subject is %q", e.Subject)
	}
	e.Type = "maillage." + parts[1] + ".v1.Unknown"
	stored := eventOf(parts[1])
	if stored == nil {
		meta, err := metaOf(record.GetBody())
		if err != nil {
			return nil, err
		}
		e.CommitIndex, e.CommitSize = meta.GetCommitIndex(), meta.GetCommitSize()
		return e, data(e, nil)
	}
	if err := proto.Unmarshal(record.GetBody(), stored); err != nil {
		return nil, fmt.Errorf("it holds no event: %w", err)
	}
	e.CommitIndex, e.CommitSize = stored.GetMeta().GetCommitIndex(), stored.GetMeta().GetCommitSize()
	m := stored.ProtoReflect()
	fact := m.WhichOneof(m.Descriptor().Oneofs().ByName("fact"))
	if fact == nil {
		return e, data(e, nil)
	}
	e.Type = string(fact.Message().FullName())
	if r.Schemas != "" {
		e.DataSchema = r.Schemas + "/" + m.Descriptor().ParentFile().Path()
	}
	return e, data(e, stored)
}

// event is an Event of any context.
type event = interface {
	proto.Message
	GetMeta() *eventv1.Meta
}

// eventOf is an empty Event of a context, nil for one that is not known.
func eventOf(context string) event {
	switch context {
	case "topology":
		return &topologyv1.Event{}
	case "labelling":
		return &labellingv1.Event{}
	case "activity":
		return &activityv1.Event{}
	case "ledger":
		return &ledgerv1.Event{}
	}
	return nil
}

// metaOf is the meta of an event of a context that is not known: it is the first field in
// the events of all of them.
func metaOf(body []byte) (*eventv1.Meta, error) {
	for len(body) > 0 {
		number, kind, n := protowire.ConsumeTag(body)
		if n < 0 {
			return nil, fmt.Errorf("it holds no event: %w", protowire.ParseError(n))
		}
		body = body[n:]
		if number == 1 && kind == protowire.BytesType {
			value, n := protowire.ConsumeBytes(body)
			if n < 0 {
				return nil, fmt.Errorf("it holds no event: %w", protowire.ParseError(n))
			}
			meta := &eventv1.Meta{}
			return meta, proto.Unmarshal(value, meta)
		}
		if n = protowire.ConsumeFieldValue(number, kind, body); n < 0 {
			return nil, fmt.Errorf("it holds no event: %w", protowire.ParseError(n))
		}
		body = body[n:]
	}
	return nil, errors.New("it holds no event")
}

// Record is the record that the event was made of. It must have a position.
func (e *Event) Record() (*feedv1.Record, error) {
	position, err := strconv.ParseUint(e.ID, 10, 64)
	if err != nil || position == 0 {
		return nil, fmt.Errorf("the id %q is no position", e.ID)
	}
	return &feedv1.Record{Position: position, Subject: e.Subject, Body: e.Stored}, nil
}

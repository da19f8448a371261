package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"iter"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/eventlog"
	"maillage/services/vault"
)

// Commitments are the personal values that a record stands for without holding them: each with
// its id and what commits to it. A record that a newer register wrote and that cannot be read
// here has none.
func Commitments(r eventlog.Record) []*eventv1.PersonalValue {
	var event proto.Message
	switch {
	case strings.HasPrefix(r.Subject, "registry.labelling."):
		event = &labellingv1.Event{}
	case strings.HasPrefix(r.Subject, "registry.topology."):
		event = &topologyv1.Event{}
	default:
		return nil
	}
	if proto.Unmarshal(r.Body, event) != nil {
		return nil
	}
	return personal(nil, event.ProtoReflect())
}

// personal appends the personal values within a message.
func personal(all []*eventv1.PersonalValue, m protoreflect.Message) []*eventv1.PersonalValue {
	if v, is := m.Interface().(*eventv1.PersonalValue); is {
		return append(all, v)
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Message() == nil || f.IsMap():
		case f.IsList():
			for i := range v.List().Len() {
				all = personal(all, v.List().Get(i).Message())
			}
		default:
			all = personal(all, v.Message())
		}
		return true
	})
	return all
}

// writeOpenings writes JSON, one opening a line.
func writeOpenings(w io.Writer, openings iter.Seq2[vault.Opening, error]) error {
	buffered := bufio.NewWriter(w)
	lines := json.NewEncoder(buffered)
	lines.SetEscapeHTML(false)
	for o, err := range openings {
		if err == nil {
			err = lines.Encode(o)
		}
		if err != nil {
			return err
		}
	}
	return buffered.Flush()
}

// verifyOpenings checks that every opening is of a value that the records, which were
// verified, commit to, and keeps their texts.
func (b *Bundle) verifyOpenings() error {
	content, err := b.parts.Open(openingsPart)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return unreadable("part %s: %v", openingsPart, err)
	}
	defer content.Close()
	var openings []vault.Opening
	for lines := json.NewDecoder(content); ; {
		var o vault.Opening
		if err := lines.Decode(&o); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return unreadable("part %s: %v", openingsPart, err)
		}
		openings = append(openings, o)
	}
	committed := make(map[string][]byte)
	for leaf, err := range b.leaves() {
		if err != nil {
			return err
		}
		r, err := recordOf(leaf)
		if err != nil {
			return err
		}
		for _, v := range Commitments(r) {
			if before, again := committed[v.GetValueId()]; again && !bytes.Equal(before, v.GetCommitment()) {
				return bad("OPENING_ALTERED", r.Position, "the records commit to two texts of the value %s", v.GetValueId())
			}
			committed[v.GetValueId()] = v.GetCommitment()
		}
	}
	opened := make(map[string]string, len(openings))
	for _, o := range openings {
		commitment, known := committed[o.ID]
		_, twice := opened[o.ID]
		switch {
		case !known:
			return bad("OPENING_ALTERED", 0, "no record of the bundle commits to the value %q", o.ID)
		case twice:
			return bad("OPENING_ALTERED", 0, "the value %s is opened twice", o.ID)
		case !o.Opens(commitment):
			return bad("OPENING_ALTERED", 0, "what is given for the value %s is not what the records commit to", o.ID)
		}
		opened[o.ID] = o.Text
	}
	b.opened = opened
	return nil
}

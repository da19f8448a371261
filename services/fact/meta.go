package fact

import (
	"bytes"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	eventv1 "maillage/proto/gen/maillage/event/v1"
)

// MetaReader reads the Meta of events in their order. Mostly those of a commit, and of
// the commits of an import, have the same actor, time and basis: what has the bytes of
// the one before is not read again, but is the same message, which nobody may change.
// The zero value is ready. It is not for concurrent use.
type MetaReader struct {
	recorded last[timestamppb.Timestamp, *timestamppb.Timestamp]
	actor    last[eventv1.Actor, *eventv1.Actor]
	approver last[eventv1.Actor, *eventv1.Actor]
	basis    last[eventv1.Basis, *eventv1.Basis]
}

// Split reads the Meta that an encoded event begins with, and returns what follows it, to
// be merged into an event of that Meta: the event is then what proto.Unmarshal makes of
// the whole. Where the bytes are not what every writer of this contract made of a Meta,
// it does not judge them: meta is nil, and rest is all of body.
func (r *MetaReader) Split(body []byte) (meta *eventv1.Meta, rest []byte) {
	number, kind, tag := protowire.ConsumeTag(body)
	if tag < 0 || number != 1 || kind != protowire.BytesType {
		return nil, body
	}
	encoded, n := protowire.ConsumeBytes(body[tag:])
	if n < 0 || !without(body[tag+n:], 1) {
		return nil, body
	}
	meta = &eventv1.Meta{}
	if !r.read(encoded, meta) {
		return nil, body
	}
	return meta, body[tag+n:]
}

// without reports whether the fields of a message can be told apart and none of them has
// the number: one that comes twice would be merged into what is shared.
func without(b []byte, number protowire.Number) bool {
	for len(b) > 0 {
		found, _, n := protowire.ConsumeField(b)
		if n < 0 || found == number {
			return false
		}
		b = b[n:]
	}
	return true
}

// read reads fields that are known, well-formed and in order, each once.
func (r *MetaReader) read(b []byte, m *eventv1.Meta) bool {
	for before := protowire.Number(0); len(b) > 0; {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 || number <= before {
			return false
		}
		b, before = b[n:], number
		switch kind {
		case protowire.VarintType:
			v, n := protowire.ConsumeVarint(b)
			if n < 0 || !setNumber(m, number, v) {
				return false
			}
			b = b[n:]
		case protowire.BytesType:
			v, n := protowire.ConsumeBytes(b)
			if n < 0 || !r.setBytes(m, number, v) {
				return false
			}
			b = b[n:]
		default:
			return false
		}
	}
	return true
}

func setNumber(m *eventv1.Meta, number protowire.Number, v uint64) bool {
	switch number {
	case 1:
		m.Schema = uint32(v)
	case 7:
		m.CommitIndex = uint32(v)
	case 8:
		m.CommitSize = uint32(v)
	case 10:
		m.Corrects = v
	default:
		return false
	}
	return true
}

func (r *MetaReader) setBytes(m *eventv1.Meta, number protowire.Number, v []byte) (ok bool) {
	switch number {
	case 2:
		m.RecordTime, ok = r.recorded.read(v)
	case 3:
		m.Actor, ok = r.actor.read(v)
	case 4:
		m.Approver, ok = r.approver.read(v)
	case 5:
		m.RequestId, ok = string(v), utf8.Valid(v)
	case 6:
		m.RequestDigest, ok = append([]byte{}, v...), true
	case 9:
		m.Basis, ok = r.basis.read(v)
	}
	return ok
}

// last is the message read last, and its bytes.
type last[T any, M interface {
	*T
	proto.Message
}] struct {
	encoded []byte
	message M
}

func (l *last[T, M]) read(encoded []byte) (M, bool) {
	if l.message == nil || !bytes.Equal(l.encoded, encoded) {
		m := M(new(T))
		if proto.Unmarshal(encoded, m) != nil {
			return nil, false
		}
		l.encoded, l.message = bytes.Clone(encoded), m
	}
	return l.message, true
}

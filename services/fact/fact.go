// Package fact is what the facts of every context share: what a reader refuses to
// read, and what a command must say for a fact to be recorded at all.
package fact

import (
	"errors"
	"fmt"
	"reflect"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	"maillage/services/bitemporal"
	"maillage/services/fault"
)

// ErrUnreadable is in the chain of every error about an event that this binary
// cannot read whole. A reader that meets it must halt: to go on would be to guess.
var ErrUnreadable = errors.New("event not readable")

// Event is an event of any context.
type Event interface {
	proto.Message
	GetMeta() *eventv1.Meta
}

// Readable refuses an event that a newer binary wrote: one of a higher schema, or
// with a field or an enumerated value that this binary does not know, at any depth. A
// fact it does not know is such a field.
func Readable(e Event, schema uint32) error {
	meta := e.GetMeta()
	if meta == nil {
		return fmt.Errorf("%w: it has no meta", ErrUnreadable)
	}
	if meta.GetSchema() > schema {
		return fmt.Errorf("%w: schema %d wrote it, this binary reads up to %d", ErrUnreadable, meta.GetSchema(), schema)
	}
	if v := reflect.ValueOf(e).Elem(); shapeOf(v.Type()).whole(v) {
		return nil
	}
	if where := unknown(e.ProtoReflect()); where != "" {
		return fmt.Errorf("%w: a field or value of %s is unknown to this binary (schema %d wrote it)", ErrUnreadable, where, meta.GetSchema())
	}
	return nil
}

// unknown returns the name of a message within m, or m, that carries an unknown field
// or an unknown value of an enumeration; empty where all is known.
func unknown(m protoreflect.Message) (where string) {
	if len(m.GetUnknown()) > 0 {
		return string(m.Descriptor().FullName())
	}
	m.Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case field.Enum() != nil && !field.IsList():
			if field.Enum().Values().ByNumber(v.Enum()) == nil {
				where = string(field.FullName())
			}
		case field.Message() == nil || field.IsMap():
		case field.IsList():
			for i := range v.List().Len() {
				if where = unknown(v.List().Get(i).Message()); where != "" {
					break
				}
			}
		default:
			where = unknown(v.Message())
		}
		return where == ""
	})
	return where
}

// CheckBasis refuses a basis that names neither an act nor a source
// (BASIS_MISSING), or a day that does not exist (DATE_INVALID).
func CheckBasis(b *eventv1.Basis) error {
	if b.GetActId() == "" && b.GetSource() == "" {
		return fault.New(fault.Invalid, "BASIS_MISSING", "basis", "A fact rests on an act or on a source: name one.")
	}
	return CheckDate(b.GetSeenDate(), "basis.seen_date")
}

// CheckDate refuses a date, of any precision, that no calendar has (DATE_INVALID).
// An empty one is unknown, which is allowed.
func CheckDate(date, field string) error {
	if _, _, err := bitemporal.Span(date); err != nil {
		return fault.New(fault.Invalid, "DATE_INVALID", field, "%q is no date of the calendar: write YYYY-MM-DD, YYYY-MM or YYYY.", date)
	}
	return nil
}

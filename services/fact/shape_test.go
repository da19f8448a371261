package fact

import (
	"reflect"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

// Every fact of every context with all its fields set is whole, and is not with any
// one thing unknown anywhere in it: the shape sees what the walk sees.
func TestShapeSeesAsTheWalk(t *testing.T) {
	for _, empty := range []Event{&labellingv1.Event{}, &topologyv1.Event{}, &ledgerv1.Event{}} {
		fields := empty.ProtoReflect().Descriptor().Oneofs().ByName("fact").Fields()
		for i := range fields.Len() {
			name := fields.Get(i).Name()
			e := proto.Clone(empty)
			fill(e.ProtoReflect(), name)
			if !whole(e) {
				t.Errorf("%s is not seen to be whole", name)
			}
			places := 0
			spoil(e.ProtoReflect(), func(where protoreflect.FullName) {
				places++
				if whole(e) || unknown(e.ProtoReflect()) == "" {
					t.Errorf("%s with something unknown in %s: whole %v, the walk finds %q", name, where, whole(e), unknown(e.ProtoReflect()))
				}
			})
			if places < 8 || !whole(e) {
				t.Errorf("%s: %d places spoilt, whole again: %v", name, places, whole(e))
			}
		}
	}
}

func whole(m proto.Message) bool {
	v := reflect.ValueOf(m).Elem()
	return shapeOf(v.Type()).whole(v)
}

// fill sets every field of m at every depth; of its oneofs the case named, or the last.
func fill(m protoreflect.Message, named protoreflect.Name) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		one := f.ContainingOneof()
		if one != nil && !one.IsSynthetic() && one.Name() == "fact" && f.Name() != named {
			continue
		}
		switch {
		case f.IsList() && f.Message() != nil:
			for range 2 {
				fill(m.Mutable(f).List().AppendMutable().Message(), named)
			}
		case f.IsList():
			m.Mutable(f).List().Append(value(f))
		case f.Message() != nil:
			fill(m.Mutable(f).Message(), named)
		default:
			m.Set(f, value(f))
		}
	}
}

func value(f protoreflect.FieldDescriptor) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(f.Enum().Values().Get(f.Enum().Values().Len() - 1).Number())
	case protoreflect.StringKind:
		return protoreflect.ValueOfString("x")
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte("x"))
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(7)
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(7)
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(7)
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(7)
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(7)
	}
	return protoreflect.ValueOfBool(true)
}

// spoil makes one thing in m unknown at a time, calls seen, and undoes it.
func spoil(m protoreflect.Message, seen func(protoreflect.FullName)) {
	m.SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 4000, protowire.VarintType), 1))
	seen(m.Descriptor().FullName())
	m.SetUnknown(nil)
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Enum() != nil && !f.IsList():
			for _, n := range []protoreflect.EnumNumber{-1, 60, 63, 64, 1 << 30} {
				m.Set(f, protoreflect.ValueOfEnum(n))
				seen(f.FullName())
			}
			m.Set(f, v)
		case f.Message() == nil:
		case f.IsList():
			for i := range v.List().Len() {
				spoil(v.List().Get(i).Message(), seen)
			}
		default:
			spoil(v.Message(), seen)
		}
		return true
	})
}

package fact

import (
	"reflect"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// A shape is where the Go struct of a message, or of one case of a oneof, can hold
// something unknown. With it an event that is whole, as nearly all are, is seen to be
// so in a sixth of the time that it takes to decode it. What the shape does not
// understand counts as not whole: [unknown] then decides, and names what it found.
type shape struct {
	strange  []int // struct fields that must be empty
	enums    []enumField
	messages []messageField
	oneofs   []int
}

type enumField struct {
	index int
	known uint64 // the bits of the numbers known, from 0 to 63
}

type messageField struct {
	index int
	list  bool
	shape *shape
}

// shapes holds the *shape of each struct by its reflect.Type.
var shapes sync.Map

func shapeOf(t reflect.Type) *shape {
	if s, ok := shapes.Load(t); ok {
		return s.(*shape)
	}
	s, _ := shapes.LoadOrStore(t, newShape(t, map[reflect.Type]*shape{}))
	return s.(*shape)
}

// newShape looks at a struct; above holds the shapes being made, which it may contain.
func newShape(t reflect.Type, above map[reflect.Type]*shape) *shape {
	if s, ok := above[t]; ok {
		return s
	}
	s := &shape{}
	above[t] = s
	for i := range t.NumField() {
		f := t.Field(i)
		_, oneof := f.Tag.Lookup("protobuf_oneof")
		_, tagged := f.Tag.Lookup("protobuf")
		switch {
		case f.Name == "state", f.Name == "sizeCache":
		case oneof && f.Type.Kind() == reflect.Interface:
			s.oneofs = append(s.oneofs, i)
		case tagged && isEnum(f.Type):
			s.enums = append(s.enums, enumField{i, numbers(f.Type)})
		case tagged && isMessage(f.Type):
			s.messages = append(s.messages, messageField{i, false, newShape(f.Type.Elem(), above)})
		case tagged && f.Type.Kind() == reflect.Slice && isMessage(f.Type.Elem()):
			s.messages = append(s.messages, messageField{i, true, newShape(f.Type.Elem().Elem(), above)})
		case tagged && isScalar(f.Type):
		default: // the unknown fields, too
			s.strange = append(s.strange, i)
		}
	}
	return s
}

var (
	enumType    = reflect.TypeFor[protoreflect.Enum]()
	messageType = reflect.TypeFor[proto.Message]()
)

// isEnum says whether a type is that of an enumerated value, or of an optional one.
func isEnum(t reflect.Type) bool {
	return (t.Kind() == reflect.Int32 || t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Int32) && t.Implements(enumType)
}

func isMessage(t reflect.Type) bool {
	return t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Struct && t.Implements(messageType)
}

// isScalar says whether no value of a type can be unknown.
func isScalar(t reflect.Type) bool {
	if k := t.Kind(); k == reflect.Pointer || k == reflect.Slice {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Bool, reflect.Int32, reflect.Int64, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64, reflect.String, reflect.Uint8:
		return !t.Implements(enumType)
	}
	return false
}

func numbers(enum reflect.Type) (known uint64) {
	if enum.Kind() == reflect.Pointer {
		enum = enum.Elem()
	}
	values := reflect.Zero(enum).Interface().(protoreflect.Enum).Descriptor().Values()
	for i := range values.Len() {
		if n := values.Get(i).Number(); 0 <= n && n < 64 {
			known |= 1 << n
		}
	}
	return known
}

// whole reports whether all that the struct v holds, at any depth, is known. False
// says only that it is not sure.
func (s *shape) whole(v reflect.Value) bool {
	for _, i := range s.strange {
		if !v.Field(i).IsZero() {
			return false
		}
	}
	for _, f := range s.enums {
		e := v.Field(f.index)
		if e.Kind() == reflect.Pointer {
			if e.IsNil() {
				continue
			}
			e = e.Elem()
		}
		if n := e.Int(); n < 0 || n > 63 || f.known>>n&1 == 0 {
			return false
		}
	}
	for _, f := range s.messages {
		m := v.Field(f.index)
		if !f.list {
			if !m.IsNil() && !f.shape.whole(m.Elem()) {
				return false
			}
			continue
		}
		for i := range m.Len() {
			if e := m.Index(i); e.IsNil() || !f.shape.whole(e.Elem()) {
				return false
			}
		}
	}
	for _, i := range s.oneofs {
		set := v.Field(i)
		if set.IsNil() {
			continue
		}
		if set = set.Elem(); set.Kind() != reflect.Pointer || set.IsNil() || !shapeOf(set.Type().Elem()).whole(set.Elem()) {
			return false
		}
	}
	return true
}

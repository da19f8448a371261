package fact

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

// words are few, so that events in a row often say the same.
var words = rapid.SampledFrom([]string{"", "a", "réseau"})

func drawMeta(t *rapid.T) *eventv1.Meta {
	some := func(what string) bool { return rapid.Bool().Draw(t, what) }
	actor := func() *eventv1.Actor {
		return &eventv1.Actor{Account: words.Draw(t, "account"), Assurance: eventv1.Assurance(rapid.Int32Range(-1, 3).Draw(t, "assurance"))}
	}
	m := &eventv1.Meta{
		Schema: rapid.Uint32().Draw(t, "schema"), CommitIndex: rapid.Uint32Range(0, 1).Draw(t, "index"), CommitSize: rapid.Uint32().Draw(t, "size"),
		RequestId: words.Draw(t, "request"), RequestDigest: rapid.SliceOfN(rapid.Byte(), 0, 2).Draw(t, "digest"), Corrects: rapid.Uint64().Draw(t, "corrects"),
	}
	if some("time") {
		m.RecordTime = &timestamppb.Timestamp{Seconds: rapid.Int64Range(-1, 1).Draw(t, "seconds")}
	}
	if some("actor") {
		m.Actor = actor()
	}
	if some("approver") {
		m.Approver = actor()
	}
	if some("basis") {
		m.Basis = &eventv1.Basis{Source: words.Draw(t, "source"), AsPrinted: []*eventv1.Printed{{Field: words.Draw(t, "field")}}}
	}
	return m
}

// mangled is a message's encoding, or what another writer or a broken disk might leave.
func mangled(t *rapid.T, b []byte) []byte {
	at := rapid.IntRange(0, len(b)).Draw(t, "at")
	switch rapid.SampledFrom([]string{"as it is", "as it is", "cut", "a byte", "a field behind", "a field before", "twice"}).Draw(t, "encoding") {
	case "cut":
		return b[:at]
	case "a byte":
		if at < len(b) {
			b[at] = rapid.Byte().Draw(t, "byte")
		}
	case "a field behind":
		return append(b, drawField(t)...)
	case "a field before":
		return append(drawField(t), b...)
	case "twice":
		return append(b, b...)
	}
	return b
}

func drawField(t *rapid.T) []byte {
	number := protowire.Number(rapid.SampledFrom([]int{1, 3, 5, 9, 12}).Draw(t, "number"))
	if rapid.Bool().Draw(t, "bytes") {
		text := rapid.SampledFrom([]string{"", "\xff", "\x08\x01", "\xba\x3e\x01x"}).Draw(t, "text") // the last: field 999
		return protowire.AppendString(protowire.AppendTag(nil, number, protowire.BytesType), text)
	}
	return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), rapid.Uint64().Draw(t, "varint"))
}

func encoded(t *rapid.T, m proto.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestSplitReadsWhatUnmarshalReads holds the reader against proto.Unmarshal, on events in
// a row and on bytes that are none, and asks that no event changes as the next are read.
func TestSplitReadsWhatUnmarshalReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r MetaReader
		var read, want []*topologyv1.Event
		for range rapid.IntRange(1, 6).Draw(t, "events") {
			meta := mangled(t, encoded(t, drawMeta(t)))
			body := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), meta)
			body = append(body, encoded(t, &topologyv1.Event{Fact: &topologyv1.Event_CentreRenamed{CentreRenamed: &topologyv1.CentreRenamed{CentreId: "C"}}})...)
			body = mangled(t, body)
			given := slices.Clone(body)

			whole := &topologyv1.Event{}
			wantErr := proto.Unmarshal(body, whole)
			m, rest := r.Split(body)
			e := &topologyv1.Event{Meta: m}
			err := proto.UnmarshalOptions{Merge: true}.Unmarshal(rest, e)
			if (err == nil) != (wantErr == nil) {
				t.Fatalf("error is %v, and that of proto.Unmarshal %v", err, wantErr)
			}
			if !slices.Equal(body, given) {
				t.Fatal("the bytes were changed")
			}
			if err == nil {
				read, want = append(read, e), append(want, whole)
			}
		}
		for i := range read {
			if !proto.Equal(read[i], want[i]) {
				t.Fatalf("event %d was read as\n%v\nand proto.Unmarshal reads\n%v", i, read[i], want[i])
			}
		}
	})
}

// TestSplitLeaves names what is not for the reader to judge, beside what is.
func TestSplitLeaves(t *testing.T) {
	text := func(number protowire.Number, s string) []byte {
		return protowire.AppendString(protowire.AppendTag(nil, number, protowire.BytesType), s)
	}
	number := func(number protowire.Number, v uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), v)
	}
	join := func(parts ...[]byte) string { return string(slices.Concat(parts...)) }
	for name, c := range map[string]struct {
		body string
		read bool
	}{
		"as written":           {join(text(1, join(number(1, 1), text(5, "r"), number(8, 1))), text(20, "")), true},
		"no meta":              {join(text(20, "")), false},
		"meta behind the fact": {join(text(20, ""), text(1, "")), false},
		"meta twice":           {join(text(1, ""), text(1, "")), false},
		"bytes behind it":      {join(text(1, ""), []byte{0xff}), false},
		"a field twice":        {join(text(1, join(text(9, ""), text(9, "")))), false},
		"out of order":         {join(text(1, join(number(8, 1), number(7, 0)))), false},
		"an unknown number":    {join(text(1, join(number(11, 1)))), false},
		"an unknown text":      {join(text(1, join(text(11, "x")))), false},
		"another type":         {join(text(1, join(number(5, 1)))), false},
		"no UTF-8":             {join(text(1, join(text(5, "\xff")))), false},
		"no UTF-8 within":      {join(text(1, join(text(9, join(text(3, "\xff")))))), false},
		"cut short":            {join(text(1, join(text(5, "r")[:2]))), false},
	} {
		var r MetaReader
		m, rest := r.Split([]byte(c.body))
		if (m != nil) != c.read || m == nil && string(rest) != c.body {
			t.Errorf("%s: %v, and %q of %q left", name, m, rest, c.body)
		}
	}
}

// TestSplitReadsOnce asks that what is written as all events are is read here, and shared.
func TestSplitReadsOnce(t *testing.T) {
	var r MetaReader
	var metas []*eventv1.Meta
	for _, request := range []string{"r1", "r2"} {
		body, err := proto.Marshal(&topologyv1.Event{Meta: &eventv1.Meta{
			Schema: 1, RecordTime: timestamppb.Now(), Actor: &eventv1.Actor{Account: "a"}, Approver: &eventv1.Actor{Account: "b"},
			RequestId: request, RequestDigest: []byte("d"), CommitSize: 1, Basis: &eventv1.Basis{Source: "s"}, Corrects: 1,
		}})
		if err != nil {
			t.Fatal(err)
		}
		m, rest := r.Split(body)
		if m == nil || len(rest) > 0 {
			t.Fatalf("%v, and %d bytes left", m, len(rest))
		}
		metas = append(metas, m)
	}
	if a, b := metas[0], metas[1]; a.Actor != b.Actor || a.Approver != b.Approver || a.Basis != b.Basis || a.RequestId == b.RequestId {
		t.Errorf("%v and %v share other than what they have in common", a, b)
	}
}

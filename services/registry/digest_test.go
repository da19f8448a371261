package registry_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/eventlog"
	"maillage/services/registry"
)

func digest(tb testing.TB, s *registry.State, position uint64) string {
	tb.Helper()
	d, err := s.Rows(position).Digest()
	if err != nil {
		tb.Fatal(err)
	}
	return hex.EncodeToString(d[:])
}

// told is a small history: a network, two other names of it, a cycle.
func told(tb testing.TB) []eventlog.Record {
	renamed := func(title, from string) *topologyv1.Event {
		return &topologyv1.Event{Meta: meta(1), Fact: &topologyv1.Event_NetworkRenamed{NetworkRenamed: &topologyv1.NetworkRenamed{NetworkId: "N000000001", Title: title, ValidFrom: from}}}
	}
	return []eventlog.Record{
		encode(tb, 1, "registry.ledger.log.LOG0000001", opened()),
		encode(tb, 2, "registry.topology.network.N000000001", networkRegistered("N000000001")),
		encode(tb, 3, "registry.topology.network.N000000001", renamed("Deuxième", "2017-03-01")),
		encode(tb, 4, "registry.labelling.cycle.C000000001", cycleRegistered("C000000001")),
		encode(tb, 5, "registry.topology.network.N000000001", renamed("Troisième", "2020")),
	}
}

// TestDigestIsAsWritten computes the digest of a few rows by hand, from what the contract
// says of it.
func TestDigestIsAsWritten(t *testing.T) {
	var s registry.State
	for _, r := range told(t)[:3] {
		if _, err := s.Evolve(r); err != nil {
			t.Fatal(err)
		}
	}
	basis := &eventv1.Basis{ActId: "A000000001", ActLine: 12, Evidence: eventv1.Evidence_EVIDENCE_ACT_READ}
	value := func(title string, bases int) string {
		n := &topologyv1.Network{NetworkId: "N000000001", Title: title}
		for range bases {
			n.Basis = append(n.Basis, basis)
		}
		b, err := registry.AppendValue(nil, n)
		if err != nil {
			t.Fatal(err)
		}
		return hex.EncodeToString(b)
	}
	const past, future, open = "80000000", "7fffffff", "7fffffffffffffff"
	const march2017 = "0000434a" // 17,226 days after 1970-01-01
	row := func(from, to, knownFrom, knownTo, value string) string {
		return "00000008" + hex.EncodeToString([]byte("networks")) + "0000000a" + hex.EncodeToString([]byte("N000000001")) +
			from + to + knownFrom + knownTo + fmt.Sprintf("%08x", len(value)/2) + value
	}
	var hashes []string
	for _, r := range []string{
		row(past, future, "0000000000000002", "0000000000000003", value("T", 1)),
		row(past, march2017, "0000000000000003", open, value("T", 1)),
		row(march2017, future, "0000000000000003", open, value("Deuxième", 2)),
	} {
		b, err := hex.DecodeString(r)
		if err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, fmt.Sprintf("%x", sha256.Sum256(b)))
	}
	slices.Sort(hashes)
	b, err := hex.DecodeString(strings.Join(hashes, ""))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := digest(t, &s, 3), fmt.Sprintf("%x", sha256.Sum256(b)); got != want {
		t.Errorf("digest %s, by hand %s", got, want)
	}
}

// TestDigestAtAPosition: whatever is folded later or taken back, the digest at a position
// stays, and each fact changes it.
func TestDigestAtAPosition(t *testing.T) {
	var s registry.State
	history := told(t)
	at := map[uint64]string{}
	seen := map[string]uint64{}
	for _, r := range history {
		if _, err := s.Evolve(r); err != nil {
			t.Fatal(err)
		}
		at[r.Position] = digest(t, &s, r.Position)
		if other, twice := seen[at[r.Position]]; twice {
			t.Errorf("positions %d and %d have one digest", other, r.Position)
		}
		seen[at[r.Position]] = r.Position
	}
	for position, want := range at {
		if got := digest(t, &s, position); got != want {
			t.Errorf("digest at %d is %s after %d, was %s", position, got, len(history), want)
		}
	}
	s.Rollback(3)
	if got := digest(t, &s, 3); got != at[3] {
		t.Errorf("digest at 3 is %s after a rollback, was %s", got, at[3])
	}
}

// TestDigestsAgree asks for digests of positions in any order while the state goes on, and
// is rolled back beyond them: each is the one computed from all rows.
func TestDigestsAgree(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var s registry.State
		var d registry.Digests
		settled := uint64(0)
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			last := s.Position()
			switch step := rapid.IntRange(0, 9).Draw(rt, "step"); {
			case step < 4:
				next := encode(t, last+1, "registry.topology.network.N", networkRegistered(fmt.Sprintf("N%09d", last)))
				if last == 0 {
					next = encode(t, 1, "registry.ledger.log.LOG0000001", opened())
				} else if last > 2 && step > 0 {
					id := fmt.Sprintf("N%09d", rapid.Uint64Range(1, last-1).Draw(rt, "network"))
					from := rapid.SampledFrom([]string{"", "2017", "2017-03-01", "2020", "2024-05"}).Draw(rt, "from")
					next = encode(t, last+1, "registry.topology.network."+id, &topologyv1.Event{Meta: meta(1), Fact: &topologyv1.Event_NetworkRenamed{
						NetworkRenamed: &topologyv1.NetworkRenamed{NetworkId: id, Title: fmt.Sprint(last), ValidFrom: from},
					}})
				}
				if _, err := s.Evolve(next); err != nil && last > 0 { // of a network that a rollback forgot
					s.Rollback(last)
				}
			case step < 5:
				s.Rollback(rapid.Uint64Range(settled, last).Draw(rt, "to"))
			case last > 0:
				at := rapid.Uint64Range(1, last).Draw(rt, "at")
				settled = max(settled, at)
				got, rows, err := d.Of(at, func(f func(*registry.State)) error { f(&s); return nil })
				if err != nil {
					rt.Fatal(err)
				}
				if want := digest(t, &s, at); hex.EncodeToString(got[:]) != want || rows != s.Rows(at).Len() {
					rt.Fatalf("digest %x of %d rows at %d, want %s of %d", got, rows, at, want, s.Rows(at).Len())
				}
			}
		}
	})
}

// TestEveryTableIsInTheDigest counts the tables of the state: one that is forgotten would
// let two registers differ in it unseen.
func TestEveryTableIsInTheDigest(t *testing.T) {
	names := map[string]bool{}
	for name := range registry.Tables() {
		names[name] = true
	}
	if n := tables(reflect.TypeFor[registry.State](), map[reflect.Type]bool{}); n != len(names) {
		t.Errorf("the state has %d two-time tables, the digest %d: %v", n, len(names), names)
	}
}

func tables(of reflect.Type, above map[reflect.Type]bool) (n int) {
	if strings.HasPrefix(of.Name(), "Table[") && strings.HasSuffix(of.PkgPath(), "/bitemporal") {
		return 1
	}
	if of.Kind() != reflect.Struct || above[of] {
		return 0
	}
	above[of] = true
	defer delete(above, of)
	for f := range of.Fields() {
		n += tables(f.Type, above)
	}
	return n
}

// TestValuesAreInOrder encodes every kind of value with all fields set: fields stand in
// ascending order, those of a oneof after the others, as the contract says.
func TestValuesAreInOrder(t *testing.T) {
	for _, empty := range []proto.Message{
		&topologyv1.Establishment{}, &topologyv1.Centre{}, &topologyv1.Network{}, &topologyv1.Filiere{}, &topologyv1.Platform{},
		&labellingv1.Cycle{}, &labellingv1.Act{}, &labellingv1.Label{}, &labellingv1.Assertion{}, &labellingv1.Office{},
		&labellingv1.Campaign{}, &labellingv1.Draft{}, &topologyv1.Link{}, &topologyv1.Continuity{}, &topologyv1.Plan{},
		&activityv1.MissionSet{}, &activityv1.Period{}, &activityv1.Report{}, &activityv1.Undertaking{}, &activityv1.Measure{},
	} {
		m := empty.ProtoReflect()
		fill(m, 0)
		b, err := registry.AppendValue(nil, empty)
		if err != nil {
			t.Fatal(err)
		}
		if err := ordered(m.Descriptor(), b); err != nil {
			t.Errorf("%s: %v", m.Descriptor().Name(), err)
		}
	}
}

// fill sets every field of m, of a oneof the first.
func fill(m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if one := f.ContainingOneof(); one != nil && !one.IsSynthetic() && one.Fields().Get(0) != f || depth > 4 {
			continue
		}
		switch {
		case f.IsMap():
		case f.IsList() && f.Message() != nil:
			fill(m.Mutable(f).List().AppendMutable().Message(), depth+1)
		case f.IsList():
			m.Mutable(f).List().Append(some(f))
		case f.Message() != nil:
			fill(m.Mutable(f).Message(), depth+1)
		default:
			m.Set(f, some(f))
		}
	}
}

func some(f protoreflect.FieldDescriptor) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(1)
	case protoreflect.StringKind:
		return protoreflect.ValueOfString("x")
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte("x"))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(7)
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(7)
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(7)
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(7)
	}
	return protoreflect.ValueOfUint64(7)
}

// ordered checks the order of the fields in an encoded message, at every depth.
func ordered(d protoreflect.MessageDescriptor, b []byte) error {
	last := -1
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		f := d.Fields().ByNumber(number)
		place := int(number)
		if one := f.ContainingOneof(); one != nil && !one.IsSynthetic() {
			place += 1 << 30
		}
		if place < last {
			return fmt.Errorf("field %s comes too late", f.Name())
		}
		last = place
		b = b[n:]
		if n = protowire.ConsumeFieldValue(number, kind, b); n < 0 {
			return protowire.ParseError(n)
		}
		if f.Message() != nil {
			inner, _ := protowire.ConsumeBytes(b)
			if err := ordered(f.Message(), inner); err != nil {
				return fmt.Errorf("%s: %w", f.Name(), err)
			}
		}
		b = b[n:]
	}
	return nil
}

func BenchmarkDigest(b *testing.B) {
	const labels = 1_000_000
	var s registry.State
	for i := range labels {
		id := fmt.Sprintf("L%09d", i)
		e := &labellingv1.Event{Meta: meta(1), Fact: &labellingv1.Event_LabelGranted{LabelGranted: &labellingv1.LabelGranted{
			LabelId: id, Role: labellingv1.Role_ROLE_PEMR, Period: &eventv1.Period{Start: "2019-01-01", End: "2024-01-01"},
			Holder: &labellingv1.Holder{Holder: &labellingv1.Holder_PlatformId{PlatformId: id}},
		}}}
		if err := s.Labelling.Evolve(uint64(i+1), e); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("rows", func(b *testing.B) {
		for b.Loop() {
			s.Rows(labels)
		}
	})
	b.Run("after a change", func(b *testing.B) {
		var d registry.Digests
		view := func(f func(*registry.State)) error { f(&s); return nil }
		at := uint64(labels)
		if _, _, err := d.Of(at, view); err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			at++
			e := &labellingv1.Event{Meta: meta(1), Fact: &labellingv1.Event_LabelExtended{LabelExtended: &labellingv1.LabelExtended{LabelId: fmt.Sprintf("L%09d", at%labels), End: "2025-01-01"}}}
			if err := s.Labelling.Evolve(at, e); err != nil {
				b.Fatal(err)
			}
			if _, _, err := d.Of(at, view); err != nil {
				b.Fatal(err)
			}
		}
	})
	rows := s.Rows(labels)
	b.Run("digest", func(b *testing.B) {
		for b.Loop() {
			if _, err := rows.Digest(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

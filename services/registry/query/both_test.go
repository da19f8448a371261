package query_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/registry/query"
)

// Whatever was recorded, memory and PostgreSQL answer every question alike and have one
// digest. The history grows from one try to the next: to make a database for each would
// take longer than to fill it.
func TestBothAnswerAlike(t *testing.T) {
	if !onPostgres {
		t.Skip("it asks both")
	}
	w := linked(t)
	memory, stored := query.New(w.memory()), w.queries()
	accepted := map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		d := &drawer{T: rt, head: w.head}
		for range rapid.IntRange(1, 100).Draw(rt, "facts") {
			if e := d.event(); w.fits(e) {
				accepted[string(factOf(e))]++
				d.head = uint64(len(w.records))
			}
		}
		w.show()
		for range 40 {
			name, req := d.question()
			for range 3 { // pages
				want, wantErr := ask(t.Context(), memory, name, req)
				got, gotErr := ask(t.Context(), stored, name, req)
				if fmt.Sprint(gotErr) != fmt.Sprint(wantErr) || !proto.Equal(got, want) {
					rt.Fatalf("%s of %v at head %d: memory answers\n%s%v\nPostgreSQL\n%s%v",
						name, req, w.head, beside(want, got), wantErr, beside(got, want), gotErr)
				}
				if !turn(req, want) {
					break
				}
			}
		}
		want, err := w.state.Rows(w.head).Digest()
		if err != nil {
			rt.Fatal(err)
		}
		if got, _, err := w.store.Digest(t.Context(), w.head); err != nil || got != want {
			rt.Fatalf("at position %d the digest is %x, %v, want %x", w.head, got, err, want)
		}
	})
	for _, of := range contexts {
		for _, f := range factsOf(of) {
			t.Logf("%s: %d", f.Name(), accepted[string(f.Name())])
		}
	}
}

// fits folds an event that fits what came before; one that does not leaves nothing.
func (w *world) fits(e proto.Message) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	r, at := w.record(e, 0, 1)
	if _, err := w.state.Evolve(r); err != nil {
		return false
	}
	w.records, w.times = append(w.records, r), append(w.times, at)
	w.ends = append(w.ends, r.Position)
	return true
}

// show lets readers see all that was folded.
func (w *world) show() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.head = uint64(len(w.records))
	close(w.moved)
	w.moved = make(chan struct{})
}

// ask asks a question by its name.
func ask(ctx context.Context, q *query.Queries, name string, req proto.Message) (proto.Message, error) {
	out := reflect.ValueOf(q).MethodByName(name).Call([]reflect.Value{reflect.ValueOf(ctx), reflect.ValueOf(req)})
	if err, failed := reflect.TypeAssert[error](out[1]); failed {
		return nil, err
	}
	resp, _ := reflect.TypeAssert[proto.Message](out[0])
	return resp, nil
}

// beside is an answer from shortly before where it differs from another one.
func beside(one, other proto.Message) string {
	a, b := strings.Split(prototext.Format(one), "\n"), strings.Split(prototext.Format(other), "\n")
	same := 0
	for same < min(len(a), len(b)) && strings.Join(strings.Fields(a[same]), " ") == strings.Join(strings.Fields(b[same]), " ") {
		same++
	}
	return strings.Join(a[max(0, same-12):min(len(a), same+12)], "\n")
}

// turn turns to the next page, if there is one.
func turn(req, resp proto.Message) bool {
	if resp == nil {
		return false
	}
	next := resp.ProtoReflect().Descriptor().Fields().ByName("next_page_token")
	if next == nil || resp.ProtoReflect().Get(next).String() == "" {
		return false
	}
	token := req.ProtoReflect().Descriptor().Fields().ByName("page_token")
	req.ProtoReflect().Set(token, resp.ProtoReflect().Get(next))
	return true
}

// drawer makes up events and questions, field by field: what a field holds follows from
// its name. Most events fit nothing.
type drawer struct {
	*rapid.T
	head uint64
}

var contexts = []proto.Message{&topologyv1.Event{}, &labellingv1.Event{}, &activityv1.Event{}}

func factsOf(event proto.Message) (facts []protoreflect.FieldDescriptor) {
	all := event.ProtoReflect().Descriptor().Oneofs().ByName("fact").Fields()
	for i := range all.Len() {
		facts = append(facts, all.Get(i))
	}
	return facts
}

func factOf(event proto.Message) protoreflect.Name {
	m := event.ProtoReflect()
	return m.WhichOneof(m.Descriptor().Oneofs().ByName("fact")).Name()
}

func (d *drawer) event() proto.Message {
	context := rapid.SampledFrom(contexts).Draw(d.T, "context")
	event := context.ProtoReflect().New()
	fact := rapid.SampledFrom(factsOf(context)).Draw(d.T, "fact")
	if renewed := event.Descriptor().Fields().ByName("label_renewed"); renewed != nil && d.one(4) {
		fact = renewed
	}
	d.fill(event.Mutable(fact).Message())
	basis := &eventv1.Basis{Source: "a source"}
	if d.one(2) {
		basis.ActId, basis.ActLine = d.id("act_id"), uint32(rapid.IntRange(0, 4).Draw(d.T, "line"))
	}
	meta := event.Descriptor().Fields().ByName("meta")
	event.Set(meta, protoreflect.ValueOfMessage((&eventv1.Meta{Basis: basis}).ProtoReflect()))
	return event.Interface()
}

var questions = func() (names []string) {
	for m := range reflect.TypeFor[*query.Queries]().Methods() {
		names = append(names, m.Name)
	}
	return names
}()

func (d *drawer) question() (name string, req proto.Message) {
	name = rapid.SampledFrom(questions).Draw(d.T, "question")
	m, _ := reflect.TypeFor[*query.Queries]().MethodByName(name)
	req = reflect.New(m.Type.In(2).Elem()).Interface().(proto.Message)
	d.fill(req.ProtoReflect())
	return name, req
}

func (d *drawer) fill(m protoreflect.Message) {
	if asOf, is := m.Interface().(*registryv1.AsOf); is {
		d.asOf(asOf)
		return
	}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		of := f.ContainingOneof()
		if of != nil && !of.IsSynthetic() && m.WhichOneof(of) != nil || f.Name() == "page_token" || f.Name() == "basis" || f.Name() == "meta" {
			continue
		}
		request := strings.HasSuffix(string(m.Descriptor().Name()), "Request")
		optional := f.HasOptionalKeyword() || request && f.Name() != "as_of" && !strings.HasSuffix(string(f.Name()), "_id") && f.Kind() != protoreflect.EnumKind
		if optional && !d.one(3) || of != nil && !of.IsSynthetic() && i < fields.Len()-1 && !d.one(2) {
			continue
		}
		switch {
		case f.IsList():
			list := m.Mutable(f).List()
			for range rapid.IntRange(0, 2).Draw(d.T, "many") {
				if f.Message() != nil {
					d.fill(list.AppendMutable().Message())
				} else {
					list.Append(d.value(f))
				}
			}
		case f.Message() != nil:
			d.fill(m.Mutable(f).Message())
		default:
			m.Set(f, d.value(f))
		}
	}
	if s, is := m.Interface().(*labellingv1.Site); is { // of one centre in one network
		s.SiteId = "S" + s.GetCentreId()[1:5] + s.GetNetworkId()[1:6]
	}
}

func (d *drawer) asOf(a *registryv1.AsOf) {
	if d.one(2) {
		a.ValidAt = rapid.SampledFrom(dates[:8]).Draw(d.T, "valid")
	}
	if d.one(2) {
		a.KnownAt = &registryv1.AsOf_KnownPosition{KnownPosition: rapid.Uint64Range(0, d.head).Draw(d.T, "known")}
	}
	if d.one(4) {
		a.Window = registryv1.Window_WINDOW_OPERATIONAL
	}
	if d.one(12) {
		a.PublishedBy = rapid.SampledFrom(dates[:8]).Draw(d.T, "by")
	}
}

// one is true one time in n.
func (d *drawer) one(n int) bool { return rapid.IntRange(1, n).Draw(d.T, "one") == 1 }

var (
	dates = []string{
		"2012-01-01", "2017-12-01", "2023-05-05", "2025-01-01", "2026-01-15", "2026-02-01", "2026-07-01", "2030-01-01",
		"2024", "2026-02", "",
	}
	words = []string{"Montpellier", "OSCAR", "filière neuve", "34", "Occitanie", "MOC", "NSLA000000", "Saint-Éloi", "BRAIN-TEAM", "2023-2028", "2025", "hopital", "PNMR", "Bron"}
	known = map[byte][]string{
		'E': {"EREUNION00", "EELOI00000", "EBRON00000", "EPOINT0000"}, 'F': {"FOSCAR0000", "FBRAIN0000"},
		'N': {"NOS0000000", "NSLA000000", "NORPHAN000"}, 'C': {"CBRON00000", "CELOI00000", "CREUNION00", "CTOWN00000", "CCOLL00000"},
		'P': {"PPLATFORM0"}, 'Y': {"YSECOND000", "YTHIRD0000"},
		'L': {"LCOORD0000", "LCOMP00000", "LTOWN00000", "LREUNION00", "LORPHAN000", "LFSMR00000", "LPEMR00000", "LPLANNED00", "LUNSURE000"},
		'S': {"SBRONOS000", "SELOIOS000", "STOWNSLA00", "SREUNION00", "SORPHAN000"}, 'K': {"KCOLL00000", "KBOTH00000", "KTOWN00000", "KATTACHED0"},
	}
	// kinds are the first letters of the ids that a field may hold.
	kinds = map[protoreflect.Name]string{
		"establishment_id": "E", "establishment_ids": "E", "legal_entity_id": "E", "centre_id": "C", "network_id": "N", "filiere_id": "F",
		"platform_id": "P", "cycle_id": "Y", "act_id": "A", "amends_act_id": "A", "label_id": "L", "site_id": "S", "office_id": "O",
		"campaign_id": "G", "outcome_id": "U", "draft_id": "D", "link_id": "K", "continuity_id": "I", "plan_id": "Z", "period_id": "T",
		"report_id": "R", "undertaking_id": "X", "alias_id": "B", "person_id": "V", "value_id": "V", "holder_id": "SNFP", "reporter_id": "PS",
		"entity_id": "ECNFPLSSOAKB", "from_id": "C", "to_id": "NCFP", "kept_id": "CENF", "other_id": "CENF",
		"predecessor_ids": "CENFP", "successor_ids": "CENFP", "successor_id": "L", "predecessor_id": "O",
	}
)

// id draws one of the first ids, which are there, or of a few others.
func (d *drawer) id(name protoreflect.Name) string {
	letters := kinds[name]
	if letters == "" {
		return "V000000001"
	}
	letter := rapid.SampledFrom([]byte(letters)).Draw(d.T, "kind")
	all := slices.Clone(known[letter])
	others := 8
	if name == "successor_id" { // one that goes on is new each time
		all, others = nil, 40
	}
	for i := range others {
		all = append(all, numbered(string(letter), i))
	}
	return rapid.SampledFrom(all).Draw(d.T, "id")
}

func (d *drawer) value(f protoreflect.FieldDescriptor) protoreflect.Value {
	name := string(f.Name())
	switch f.Kind() {
	case protoreflect.StringKind:
		text := func() string {
			switch {
			case strings.HasSuffix(name, "_id"), strings.HasSuffix(name, "_ids"):
				return d.id(f.Name())
			case slices.Contains([]string{"start", "end", "date"}, name), strings.HasSuffix(name, "_date"), strings.HasSuffix(name, "_from"), strings.HasSuffix(name, "_until"):
				return rapid.SampledFrom(dates).Draw(d.T, name)
			case name == "department_code" || name == "near" || name == "department":
				return rapid.SampledFrom([]string{"34", "69", "972", "974"}).Draw(d.T, name)
			case name == "system":
				return rapid.SampledFrom([]string{"bamara", "orphanet", ""}).Draw(d.T, name)
			case name == "field":
				return rapid.SampledFrom([]string{"line", "role"}).Draw(d.T, name)
			}
			return rapid.SampledFrom(words).Draw(d.T, name)
		}
		return protoreflect.ValueOfString(text())
	case protoreflect.EnumKind:
		all := f.Enum().Values()
		return protoreflect.ValueOfEnum(all.Get(rapid.IntRange(0, all.Len()-1).Draw(d.T, name)).Number())
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(d.one(2))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte("bytes"))
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(rapid.Uint64Range(1, max(d.head, 1)).Draw(d.T, name))
	case protoreflect.Uint32Kind:
		switch name {
		case "year":
			return protoreflect.ValueOfUint32(uint32(rapid.IntRange(2023, 2026).Draw(d.T, name)))
		case "page_size":
			return protoreflect.ValueOfUint32(uint32(rapid.IntRange(1, 4).Draw(d.T, name)))
		}
		return protoreflect.ValueOfUint32(uint32(rapid.IntRange(0, 2).Draw(d.T, name)))
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(int64(rapid.IntRange(0, 9).Draw(d.T, name)))
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(float64(rapid.IntRange(0, 9).Draw(d.T, name)))
	}
	return f.Default()
}

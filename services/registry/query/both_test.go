package query_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/labelling"
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
		d := &drawer{T: rt, head: w.head, accepted: accepted}
		d.ids, d.said = w.there()
		for range rapid.IntRange(10, 100).Draw(rt, "facts") {
			events := []proto.Message{d.event()}
			for rapid.IntRange(1, 4).Draw(rt, "more") == 1 { // in its commit
				events = append(events, d.event())
			}
			if kept := w.fit(events); len(kept) > 0 {
				for _, e := range kept {
					accepted[string(factOf(e))]++
				}
				d.head = uint64(len(w.records))
				d.ids, d.said = w.there()
			}
		}
		w.show()
		d.head = w.head
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

// fit folds those events that fit what came before, as one commit; the others leave nothing.
func (w *world) fit(events []proto.Message) (kept []proto.Message) {
	w.mu.Lock()
	before := w.state.Position()
	for _, e := range events {
		r, _ := w.record(e, 0, 1)
		r.Position = w.state.Position() + 1
		if _, err := w.state.Evolve(r); err == nil {
			kept = append(kept, e)
		}
	}
	w.state.Rollback(before)
	w.mu.Unlock()
	if len(kept) > 0 {
		w.predict(kept...)
	}
	return kept
}

// there is the ids of what is there, by their first letter, and the assertions.
func (w *world) there() (all map[byte][]string, said []*labellingv1.Assertion) {
	all = map[byte][]string{}
	enter := func(ids ...string) {
		for _, id := range ids {
			if id != "" && !slices.Contains(all[id[0]], id) {
				all[id[0]] = append(all[id[0]], id)
			}
		}
	}
	for r := range w.state.Rows(bitemporal.Latest).All() {
		switch v := r.Value().(type) {
		case *labellingv1.Assertion:
			said = append(said, v)
		case *activityv1.Measure, *activityv1.MissionSet:
		case *labellingv1.Label:
			enter(r.ID, labelling.HolderID(v.GetHolder()))
		default:
			enter(r.ID)
		}
	}
	return all, said
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
	head     uint64
	accepted map[string]int
	ids      map[byte][]string // that are there
	said     []*labellingv1.Assertion
	of       byte // the only kind of ids that stand at the ends of an event, 0 for any
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
	facts := factsOf(context)
	fact := rapid.SampledFrom(facts).Draw(d.T, "fact")
	switch renewed := event.Descriptor().Fields().ByName("label_renewed"); {
	case renewed != nil && d.one(8):
		fact = renewed
	case d.one(2): // one that was met least
		slices.SortStableFunc(facts, func(a, b protoreflect.FieldDescriptor) int {
			return d.accepted[string(a.Name())] - d.accepted[string(b.Name())]
		})
		fact = rapid.SampledFrom(facts[:4]).Draw(d.T, "rare fact")
	}
	d.of = 0
	if name := string(fact.Name()); strings.HasSuffix(name, "_succeeded") {
		d.of = strings.ToUpper(name)[0]
	} else if name == "continuity_declared" {
		d.of = rapid.SampledFrom([]byte("CENF")).Draw(d.T, "of")
	}
	d.fill(event.Mutable(fact).Message())
	d.of = 0
	if settled, is := event.Mutable(fact).Message().Interface().(*labellingv1.AssertionSettled); is && len(d.said) > 0 {
		about := rapid.SampledFrom(d.said).Draw(d.T, "assertion")
		settled.EntityId, settled.Position = about.GetEntityId(), about.GetPosition()
	}
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
		optional = optional || f.Name() == "predecessor_id" || f.Name() == "amends_act_id"
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
	if d.one(6) {
		at := epoch.Add(time.Duration(rapid.IntRange(-1, int(d.head)).Draw(d.T, "minutes")) * time.Minute)
		a.KnownAt = &registryv1.AsOf_KnownTime{KnownTime: timestamppb.New(at)}
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
	// filters are what texts with a name of their own are drawn from, most of the time.
	filters = map[string][]string{
		"department_code": {"34", "69", "972", "974"}, "department": {"34", "Hérault", "rhône", "972"}, "near": {"34", "69", "972", "974"},
		"field": {"line", "role"}, "filiere": {"OSCAR", "brain team", "FOSCAR0000", "BRAIN-TEAM", "filière neuve"},
		"network": {"MOC", "Scléroses latérales", "NSLA000000", "RSF", "OSCAR", "PNMR"}, "cycle": {"2023-2028", "troisième cycle", "2022-2027", "2025", "YSECOND000"},
		"establishment": {"hopital", "saint eloi", "340000001", "EBRON00000", "Montpellier", "Bron"}, "region": {"Occitanie", "La Réunion", "84", "76"},
		"territory": {"34", "Occitanie", "974", "Hérault"}, "text": {"montpelier", "oscra", "Lapeyronie", "Bron", "hopital", "MOC"},
		"system": {"bamara", "orphanet", ""},
		"axis":   {"PNMR", "OSCAR/1", "Z000000001", "2025/MOC"}, "period": {"2025", "T000000000", "T000000001"}, "mission": {"MOC", "34", "2025"},
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
	if d.of != 0 && strings.IndexByte(letters, d.of) >= 0 {
		letter = d.of
	}
	if there := d.ids[letter]; name != "successor_id" && len(there) > 0 && !d.one(3) { // one that goes on is new each time
		return rapid.SampledFrom(there).Draw(d.T, "id")
	}
	return numbered(string(letter), rapid.IntRange(0, 40).Draw(d.T, "number"))
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
			case filters[name] != nil && !d.one(4):
				return rapid.SampledFrom(filters[name]).Draw(d.T, name)
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

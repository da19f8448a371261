package topology

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/fault"
)

func by[R any](decide func(*State, R) ([]*topologyv1.Event, error), r R) decision {
	return func(s *State) ([]*topologyv1.Event, error) { return decide(s, r) }
}

func under[R any](id string, decide func(*State, string, R) ([]*topologyv1.Event, error), r R) decision {
	return func(s *State) ([]*topologyv1.Event, error) { return decide(s, id, r) }
}

func closed[R any](decide func(*State, func() string, R) ([]*topologyv1.Event, error), r R) decision {
	return func(s *State) ([]*topologyv1.Event, error) { return decide(s, minting(s), r) }
}

// said prints a fact: its name and what it says, in the order of the schema.
func said(e *topologyv1.Event) string {
	m := e.ProtoReflect()
	fact := m.WhichOneof(m.Descriptor().Oneofs().ByName("fact"))
	return strings.Join(append([]string{string(fact.Name())}, printed(m.Get(fact).Message())...), " ")
}

func printed(m protoreflect.Message) (words []string) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		switch {
		case !m.Has(f):
		case f.IsList():
			var all []string
			for j := range m.Get(f).List().Len() {
				if f.Message() != nil {
					all = append(all, strings.Join(printed(m.Get(f).List().Get(j).Message()), ":"))
					continue
				}
				all = append(all, m.Get(f).List().Get(j).String())
			}
			words = append(words, strings.Join(all, ","))
		case f.Enum() != nil:
			name := string(f.Enum().Values().ByNumber(m.Get(f).Enum()).Name())
			words = append(words, name[strings.LastIndex(name, "_")+1:])
		case f.Message() != nil && f.Message().Name() == "Period":
			p := m.Get(f).Message().Interface().(*eventv1.Period)
			words = append(words, p.GetStart()+"/"+p.GetEnd())
		case f.Message() != nil:
			words = append(words, strings.Join(printed(m.Get(f).Message()), ":"))
		default:
			words = append(words, m.Get(f).String())
		}
	}
	return words
}

// child decides about one: "C1 moves E3 E4", "C1 stays", "C1 closes".
func children(decisions ...string) []*topologyv1.Child {
	var all []*topologyv1.Child
	for _, d := range decisions {
		words := strings.Fields(d)
		all = append(all, &topologyv1.Child{
			ChildId: words[0], ToIds: words[2:],
			Outcome: map[string]topologyv1.ChildOutcome{"moves": moves, "stays": stays, "closes": closes}[words[1]],
		})
	}
	return all
}

func sucE(from, before, after string, decisions ...string) decision {
	return closed(SucceedEstablishments, &topologyv1.SucceedEstablishmentsRequest{
		Basis: source, ValidFrom: from, PredecessorIds: strings.Fields(before), SuccessorIds: strings.Fields(after), Children: children(decisions...),
	})
}

func sucL(from, before, after string, decisions ...string) decision {
	return closed(SucceedFilieres, &topologyv1.SucceedFilieresRequest{
		Basis: source, ValidFrom: from, PredecessorIds: strings.Fields(before), SuccessorIds: strings.Fields(after), Children: children(decisions...),
	})
}

func sucP(from, before, after string, decisions ...string) decision {
	return closed(SucceedPlatforms, &topologyv1.SucceedPlatformsRequest{
		Basis: source, ValidFrom: from, PredecessorIds: strings.Fields(before), SuccessorIds: strings.Fields(after), Children: children(decisions...),
	})
}

func sucCC(from, before, after string, decisions ...string) decision {
	return closed(SucceedCentres, &topologyv1.SucceedCentresRequest{
		Basis: source, ValidFrom: from, PredecessorIds: strings.Fields(before), SuccessorIds: strings.Fields(after), Children: children(decisions...),
	})
}

func sucNN(from, before, after string, decisions ...string) decision {
	return closed(SucceedNetworks, &topologyv1.SucceedNetworksRequest{
		Basis: source, ValidFrom: from, PredecessorIds: strings.Fields(before), SuccessorIds: strings.Fields(after), Children: children(decisions...),
	})
}

// declare declares a link: kind, its ends and its period.
func declare(id string, kind topologyv1.LinkKind, from, to, network, period string) decision {
	start, end, _ := strings.Cut(period, "/")
	r := &topologyv1.DeclareLinkRequest{Basis: source, Kind: kind, FromId: from, NetworkId: network, Period: &eventv1.Period{Start: start, End: end}}
	if kind == ern {
		r.Code = to
	} else {
		r.ToId = to
	}
	return under(id, DeclareLink, r)
}

const (
	collaborates = topologyv1.LinkKind_LINK_KIND_COLLABORATES
	serves       = topologyv1.LinkKind_LINK_KIND_SERVES
	hosted       = topologyv1.LinkKind_LINK_KIND_HOSTED
	attached     = topologyv1.LinkKind_LINK_KIND_ATTACHED
	ern          = topologyv1.LinkKind_LINK_KIND_ERN
)

// newCity has a hospital E1 on which everything depends: the teams C1 and C2 (which also
// works in E2) and C3 (from 2030 on), the platform P1, the filières L1 and L2, and the
// clinic E3. L1 has the network N1. C1 collaborates with N1, is hosted by P1, and C2 is
// attached to it in N1. E4 is elsewhere, L3 empty; C8, C9, N2, and P2 are free.
// E5 is closed, E6 comes in 2028 and L4 in 2027.
func newCity(t testing.TB) *world {
	w := newWorld(t)
	for _, d := range []decision{
		regE("E3", &topologyv1.RegisterEstablishmentRequest{Basis: source, Name: "Clinique"}), attE("E3", "2010", "E1"),
		regE("E4", &topologyv1.RegisterEstablishmentRequest{Basis: source, Name: "Ailleurs"}),
		regC("C2", "E2", "E1"), regC("C3", "E4"), attC("C3", "2030-05-01", "E1"), regL("L3", ""), regN("N2", ""), regC("C8", "E4"), regC("C9", "E4"), regP("P2", "E4"),
		regE("E5", &topologyv1.RegisterEstablishmentRequest{Basis: source}), sucE("2020", "E5", ""), regE("E6", &topologyv1.RegisterEstablishmentRequest{Basis: source, ValidFrom: "2028"}),
		under("L4", RegisterFiliere, &topologyv1.RegisterFiliereRequest{Basis: source, ValidFrom: "2027-03"}),
		declare("K1", collaborates, "C1", "N1", "", "2018"), declare("K2", hosted, "C1", "P1", "", "2020/2032"), declare("K3", attached, "C2", "C1", "N1", ""),
	} {
		w.append(d(w.s))
	}
	return w
}

func TestClosing(t *testing.T) {
	all := []string{"C1 moves E4", "C2 stays", "C3 stays", "P1 moves E2 E4", "L1 moves E2", "L2 stays", "E3 moves E4"}
	less := func(i int) []string { return slices.Delete(slices.Clone(all), i, i+1) }
	instead := func(i int, d ...string) []string { return slices.Concat(all[:i], d, all[i+1:]) }
	for _, c := range []struct {
		name string
		when decision
		then string // facts, or a reason and a field
	}{
		{"everything is decided", sucE("2027", "E1", "E4", all...), `
			establishment_succeeded E1 E4 2027
			centre_moved C1 2027 E4
			centre_moved C2 2027 E2
			centre_moved C3 2030-05-01 E4
			platform_moved P1 2027 E2,E4
			filiere_attached L1 2027 E2
			filiere_attached L2 2027
			legal_entity_changed E3 2027 E4`},
		{"none takes its place", sucE("2027", "E1", "", all...), `
			establishment_succeeded E1 2027
			centre_moved C1 2027 E4
			centre_moved C2 2027 E2
			centre_moved C3 2030-05-01 E4
			platform_moved P1 2027 E2,E4
			filiere_attached L1 2027 E2
			filiere_attached L2 2027
			legal_entity_changed E3 2027 E4`},
		{"to one that closes as well", sucE("2027", "E1 E2", "E4", all...), "CHILD_DESTINATION children[3].to_ids[0]"},
		{"a team is not decided", sucE("2027", "E1", "E4", less(0)...), "CHILD_UNDECIDED children"},
		{"the clinic is not decided", sucE("2027", "E1", "E4", less(6)...), "CHILD_UNDECIDED children"},
		{"nothing is decided", sucE("2027", "E1", "E4"), "CHILD_UNDECIDED children"},
		{"one that is no child", sucE("2027", "E1", "E4", append(slices.Clone(all), "C8 stays")...), "CHILD_OTHER children[7].child_id"},
		{"one that is nobody", sucE("2027", "E1", "E4", append(slices.Clone(all), "X stays")...), "CHILD_OTHER children[7].child_id"},
		{"one that closes itself", sucE("2027", "E1", "E4", append(slices.Clone(all), "E1 closes")...), "CHILD_OTHER children[7].child_id"},
		{"the link of a team that moves is none of its children", sucE("2027", "E1", "E4", append(slices.Clone(all), "K1 closes")...), "CHILD_OTHER children[7].child_id"},
		{"the same twice", sucE("2027", "E1", "E4", append(slices.Clone(all), "C1 stays")...), "NAMED_TWICE children[7].child_id"},
		{"to nowhere", sucE("2027", "E1", "E4", instead(0, "C1 moves")...), "CHILD_DESTINATION children[0].to_ids"},
		{"to nobody", sucE("2027", "E1", "E4", instead(0, "C1 moves E9")...), "ESTABLISHMENT_UNKNOWN children[0].to_ids[0]"},
		{"to a network", sucE("2027", "E1", "E4", instead(0, "C1 moves E2 N1")...), "ESTABLISHMENT_UNKNOWN children[0].to_ids[1]"},
		{"to what closes", sucE("2027", "E1", "E4", instead(0, "C1 moves E1")...), "CHILD_DESTINATION children[0].to_ids[0]"},
		{"to one that closed", sucE("2027", "E1", "", instead(0, "C1 moves E5")...), "ESTABLISHMENT_CLOSED children[0].to_ids[0]"},
		{"to one that is to come", sucE("2027", "E1", "E4", instead(0, "C1 moves E6")...), "CHILD_DESTINATION children[0].to_ids[0]"},
		{"to one that comes in that year", sucL("2027", "L1", "", "N1 moves L4"), "filiere_succeeded L1 2027\n network_attached N1 2027 L4"},
		{"to one twice", sucE("2027", "E1", "E4", instead(0, "C1 moves E4 E4")...), "NAMED_TWICE children[0].to_ids[1]"},
		{"it stays elsewhere", sucE("2027", "E1", "E4", instead(0, "C1 stays E4")...), "CHILD_DESTINATION children[0].to_ids"},
		{"a filière in two hospitals", sucE("2027", "E1", "E4", instead(4, "L1 moves E2 E4")...), "CHILD_DESTINATION children[4].to_ids"},
		{"its own legal entity", sucE("2027", "E1", "E4", instead(6, "E3 moves E3")...), "LEGAL_ENTITY_SELF children[6].to_ids[0]"},
		{"a team that closes leaves its links", sucE("2027", "E1", "E4", instead(0, "C1 closes")...), "CHILD_UNDECIDED children"},
		{"a team closes with its links", sucE("2027", "E1", "E4", append(instead(0, "C1 closes"), "K1 closes", "K2 moves C8", "K3 moves C9")...), `
			establishment_succeeded E1 E4 2027
			centre_succeeded C1 2027
			centre_moved C2 2027 E2
			centre_moved C3 2030-05-01 E4
			platform_moved P1 2027 E2,E4
			filiere_attached L1 2027 E2
			filiere_attached L2 2027
			legal_entity_changed E3 2027 E4
			link_ended K1 2027
			link_ended K2 2027
			link_declared K4 HOSTED C8 P1 2027/2032
			link_ended K3 2027
			link_declared K5 ATTACHED C2 C9 N1 2027/`},
		{"a filière closes with its network and the network's links", sucE("2027", "E1", "E4", append(instead(4, "L1 closes"), "N1 closes", "K1 moves N2", "K3 closes")...), `
			establishment_succeeded E1 E4 2027
			centre_moved C1 2027 E4
			centre_moved C2 2027 E2
			centre_moved C3 2030-05-01 E4
			platform_moved P1 2027 E2,E4
			filiere_succeeded L1 2027
			filiere_attached L2 2027
			legal_entity_changed E3 2027 E4
			network_succeeded N1 2027
			link_ended K1 2027
			link_declared K4 COLLABORATES C1 N2 2027/
			link_ended K3 2027`},
		{"a filière becomes another", sucL("2026", "L1", "L3", "N1 moves L3"), "filiere_succeeded L1 L3 2026\n network_attached N1 2026 L3"},
		{"a filière ends, its network belongs to none", sucL("2026", "L1", "", "N1 stays"), "filiere_succeeded L1 2026\n network_attached N1 2026"},
		{"a network in two filières", sucL("2026", "L1", "L3", "N1 moves L2 L3"), "CHILD_DESTINATION children[0].to_ids"},
		{"a network in a hospital", sucL("2026", "L1", "L3", "N1 moves E1"), "FILIERE_UNKNOWN children[0].to_ids[0]"},
		{"a filière without its network", sucL("2026", "L1", "L3"), "CHILD_UNDECIDED children"},
		{"a platform becomes another", sucP("2026-02", "P1", "P2", "K2 moves P2"), "platform_succeeded P1 P2 2026-02\n link_ended K2 2026-02\n link_declared K4 HOSTED C1 P2 2026-02/2032"},
		{"a platform closes after its link ended", sucP("2032", "P1", ""), "platform_succeeded P1 2032"},
		{"a platform closes before its link begins", sucP("2019", "P1", "", "K2 closes"), "platform_succeeded P1 2019\n link_ended K2 2020-01-01"},
		{"a platform closes in the year its link begins", sucP("2020", "P1", "", "K2 closes"), "platform_succeeded P1 2020\n link_ended K2 2020-01-01"},
		{"a hospital closes with its clinic", sucE("2027", "E1 E3", "E4", all[:6]...), `
			establishment_succeeded E1,E3 E4 2027
			centre_moved C1 2027 E4
			centre_moved C2 2027 E2
			centre_moved C3 2030-05-01 E4
			platform_moved P1 2027 E2,E4
			filiere_attached L1 2027 E2
			filiere_attached L2 2027`},
		{"a hospital closes with its clinic, which is decided apart", sucE("2027", "E1 E3", "E4", all...), "CHILD_OTHER children[6].child_id"},
		{"a platform becomes another before its link begins", sucP("2019", "P1", "P2", "K2 moves P2"), "platform_succeeded P1 P2 2019\n link_ended K2 2020-01-01\n link_declared K4 HOSTED C1 P2 2020/2032"},
		{"a link of a platform moves to a team", sucP("2026", "P1", "P2", "K2 moves C8"), "PLATFORM_UNKNOWN children[0].to_ids[0]"},
		{"a link stays with what is closed", sucP("2026", "P1", "P2", "K2 stays"), "CHILD_DESTINATION children[0].outcome"},
		{"a link to two platforms", sucP("2026", "P1", "P2", "K2 moves P2 P9"), "PLATFORM_UNKNOWN children[0].to_ids[1]"},
		{"both ends of a link close in one", sucCC("2026", "C1 C2", "C9", "K1 closes", "K2 closes", "K3 moves C9"), "CHILD_DESTINATION children[2].to_ids"},
		{"both ends of a link close in two", sucCC("2026", "C1 C2", "C8 C9", "K1 moves C8 C9", "K2 closes", "K3 moves C8 C9"), `
			centre_succeeded C1,C2 C8,C9 2026
			link_ended K1 2026
			link_declared K4 COLLABORATES C8 N1 2026/
			link_declared K5 COLLABORATES C9 N1 2026/
			link_ended K2 2026
			link_ended K3 2026
			link_declared K6 ATTACHED C8 C9 N1 2026/
			link_declared K7 ATTACHED C9 C8 N1 2026/`},
		{"a network becomes another", sucNN("2026", "N1", "N2", "K1 moves N2", "K3 moves N2"), `
			network_succeeded N1 N2 2026
			link_ended K1 2026
			link_declared K4 COLLABORATES C1 N2 2026/
			link_ended K3 2026
			link_declared K5 ATTACHED C2 C1 N2 2026/`},
		{"a network without its links", sucNN("2026", "N1", "N2", "K1 moves N2"), "CHILD_UNDECIDED children"},
		{"a hospital takes its own place", sucE("2027", "E1", "E1", all...), "SUCCEEDS_ITSELF successor_ids[0]"},
		{"a team takes the place of a hospital", sucE("2027", "E1", "C1", all...), "ESTABLISHMENT_UNKNOWN successor_ids[0]"},
		{"on no day", sucE("2027-02-30", "E1", "E4", all...), "DATE_INVALID valid_from"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newCity(t)
			before := dump(t, w.s)
			events, err := c.when(w.s)
			if dump(t, w.s) != before {
				t.Error("the decision changed the state")
			}
			var got []string
			for _, e := range events {
				got = append(got, said(e))
			}
			if f, ok := errors.AsType[*fault.Error](err); ok {
				got = []string{f.Reason + " " + f.Field}
			}
			var want []string
			for line := range strings.Lines(c.then) {
				if line = strings.TrimSpace(line); line != "" {
					want = append(want, line)
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("decided\n%s\nwant\n%s\n(%v)", strings.Join(got, "\n"), strings.Join(want, "\n"), err)
			}
			w.append(events, nil)
		})
	}
}

// The refusal names the first that is undecided, and lists the others.
func TestUndecidedIsNamed(t *testing.T) {
	w := newCity(t)
	_, err := sucE("2027", "E1", "E4", "C2 stays")(w.s)
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || !strings.Contains(f.Message, "centre C1, which") || !strings.Contains(f.Message, " 5 more are undecided: C3, P1, L1, L2, E3.") {
		t.Errorf("refused with %v", err)
	}
	_, err = sucNN("2027", "N1", "N2")(w.s)
	if f, ok = errors.AsType[*fault.Error](err); !ok || !strings.Contains(f.Message, "link K1 (") || !strings.Contains(f.Message, `"C1" with "Syringomyélie"`) {
		t.Errorf("refused with %v", err)
	}
}

// Links that become one and the same are declared once, for the days nobody else says so.
func TestLinksThatMeet(t *testing.T) {
	w := newCity(t)
	for _, d := range []decision{
		declare("K4", hosted, "C2", "P1", "", "2021"), declare("K5", hosted, "C9", "P1", "", "2028/2030"),
	} {
		w.append(d(w.s))
	}
	events, err := sucCC("2026", "C1 C2", "C9", "K1 closes", "K2 moves C9", "K3 closes", "K4 moves C9")(w.s)
	w.append(events, err)
	var got []string
	for l := range w.s.LinksOf("C9", bitemporal.Latest) {
		got = append(got, fmt.Sprint(l.GetLinkId(), " ", spanOf(l)))
	}
	want := []string{"K5 {2028-01-01 2030-01-01}", "K6 {2026-01-01 2028-01-01}", "K7 {2030-01-01 2032-01-01}", "K8 {2032-01-01 infinity}"}
	if !slices.Equal(got, want) {
		t.Errorf("links\n%q\nwant\n%q", got, want)
	}
}

// The Guyane of 2025: a legal entity takes over three hospitals, which keep their
// identity and all they hold; history says both.
func TestLegalEntityChangesWithoutMerger(t *testing.T) {
	w := &world{t: t, s: new(State)}
	for _, id := range []string{"CHC", "CHOG", "CHK", "CHC-EJ", "GCS"} {
		w.append(regE(id, &topologyv1.RegisterEstablishmentRequest{Basis: source, Name: id})(w.s))
	}
	w.append(regC("C1", "CHC")(w.s))
	w.append(attE("CHC", "", "CHC-EJ")(w.s))
	before := w.at
	for _, h := range []string{"CHC", "CHOG", "CHK"} {
		w.append(by(ChangeLegalEntity, &topologyv1.ChangeLegalEntityRequest{Basis: source, ValidFrom: "2025-01-01", EstablishmentId: h, LegalEntityIds: []string{"GCS"}})(w.s))
	}
	w.append(by(RenameEstablishment, &topologyv1.RenameEstablishmentRequest{Basis: source, ValidFrom: "2025-05-18", EstablishmentId: "GCS", Name: "CHR de Guyane"})(w.s))
	for _, c := range []struct {
		on    string
		known uint64
		want  string
	}{
		{"2024-12-31", w.at, "CHC-EJ"}, {"2025-01-01", w.at, "GCS"}, {"2025-01-01", before, "CHC-EJ"},
	} {
		e, _ := w.s.Establishments.At("CHC", day(c.on), c.known)
		if got := strings.Join(e.GetLegalEntityIds(), ","); got != c.want || e.GetClosed() {
			t.Errorf("on %s as known at %d: of %q, want %q", c.on, c.known, got, c.want)
		}
	}
	if team, _ := w.s.Centres.At("C1", day("2025-06-01"), w.at); !slices.Equal(team.GetEstablishmentIds(), []string{"CHC"}) || len(team.GetBasis()) != 1 {
		t.Errorf("its team changed: %v", team)
	}
	if got := w.s.Chain("CHC", w.at); !slices.Equal(got, []string{"CHC"}) {
		t.Errorf("a succession %q", got)
	}
}

// Two hospitals that hold thirty teams between them become one: one command, one commit.
func TestMergerOfThirty(t *testing.T) {
	w := newWorld(t)
	w.append(regE("E3", &topologyv1.RegisterEstablishmentRequest{Basis: source, Name: "GHU"})(w.s))
	decisions := []string{"C1 moves E3", "L1 moves E3", "L2 moves E3", "P1 moves E3"}
	for i := range 29 {
		id := fmt.Sprintf("D%02d", i)
		w.append(regC(id, []string{"E1", "E2"}[i%2])(w.s))
		decisions = append(decisions, id+" moves E3")
	}
	before := w.at
	events, err := sucE("2026-01-01", "E1 E2", "E3", decisions...)(w.s)
	if err != nil || len(events) != 34 {
		t.Fatalf("%d facts, %v", len(events), err)
	}
	w.append(events, nil)
	for i := range 29 {
		id := fmt.Sprintf("D%02d", i)
		was, _ := w.s.Centres.At(id, day("2025-12-31"), w.at)
		is, _ := w.s.Centres.At(id, day("2026-01-01"), w.at)
		then, _ := w.s.Centres.At(id, day("2026-01-01"), before)
		if was.GetEstablishmentIds()[0] == "E3" || !slices.Equal(is.GetEstablishmentIds(), []string{"E3"}) || then.GetEstablishmentIds()[0] == "E3" {
			t.Errorf("%s was in %v, is in %v, as known before %v", id, was.GetEstablishmentIds(), is.GetEstablishmentIds(), then.GetEstablishmentIds())
		}
	}
	if got := w.s.Present("E2", day("2026-01-01"), w.at); !slices.Equal(got, []string{"E3"}) {
		t.Errorf("in the place of E2: %q", got)
	}
	if _, err := attC("C1", "2026", "E1")(w.s); err == nil {
		t.Error("a team was attached to a closed hospital")
	}
}

// Whatever closes, nothing that is open depends on it from that day on.
func TestNobodyIsLeftBehind(t *testing.T) {
	cities, closings := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		w := newCity(t)
		cities++
		for range rapid.IntRange(1, 6).Draw(rt, "closings") {
			from := rapid.SampledFrom([]string{"", "2019", "2024-06-01", "2031"}).Draw(rt, "from")
			id := rapid.SampledFrom([]string{"E1", "E2", "E4", "L1", "L3", "P1", "P2", "C1", "C2", "N1"}).Draw(rt, "id")
			after := rapid.SliceOfN(rapid.SampledFrom([]string{"E2", "E4", "L2", "L3", "P2", "C8", "C9", "N2"}), 0, 2).Draw(rt, "after")
			after = slices.DeleteFunc(after, func(other string) bool { return other[0] != id[0] })
			events, err := closeWhole(rt, w, from, id, after)
			if err != nil {
				continue
			}
			closings++
			w.append(events, nil)
			c, err := w.s.closing([]string{id}, from, nil)
			if err != nil {
				rt.Fatal(err)
			}
			if left := c.dependants(id); len(left) > 0 {
				rt.Fatalf("%s closed from %q on, and left %v", id, from, left)
			}
		}
	})
	if closings*2 < cities {
		t.Errorf("only %d closings in %d cities", closings, cities)
	}
}

// closeWhole closes one, and decides at random of whatever it is told to.
func closeWhole(rt *rapid.T, w *world, from, id string, after []string) ([]*topologyv1.Event, error) {
	r := &topologyv1.SucceedEstablishmentsRequest{Basis: source, ValidFrom: from, PredecessorIds: []string{id}, SuccessorIds: after}
	kind, _ := w.s.entity(id, bitemporal.Latest)
	for {
		events, err := w.s.decideSuccession(kind, minting(w.s), r)
		f, ok := errors.AsType[*fault.Error](err)
		if !ok || f.Reason != "CHILD_UNDECIDED" {
			return events, err
		}
		words := strings.Fields(f.Message)
		child := words[slices.Index(words, "the")+2]
		outcome := rapid.SampledFrom([]topologyv1.ChildOutcome{moves, stays, closes}).Draw(rt, "outcome of "+child)
		d := &topologyv1.Child{ChildId: child, Outcome: outcome}
		if outcome == moves {
			to := after
			if len(to) == 0 {
				to = []string{rapid.SampledFrom([]string{"E2", "E4", "L3", "P2", "C8", "N2"}).Draw(rt, "to")}
			}
			d.ToIds = to[:1]
		}
		r.Children = append(r.Children, d)
	}
}

package topology

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/fact"
	"maillage/services/fact/facttest"
)

// dump writes all that was ever believed.
func dump(t testing.TB, s *State) string {
	t.Helper()
	all := facttest.Dump{}
	facttest.Rows(t, all, "establishments", &s.Establishments)
	facttest.Rows(t, all, "centres", &s.Centres)
	facttest.Rows(t, all, "networks", &s.Networks)
	facttest.Rows(t, all, "filieres", &s.Filieres)
	facttest.Rows(t, all, "platforms", &s.Platforms)
	return all.Text(t)
}

// samples has a rich event of every fact, in an order in which they fold. Encoded once
// under testdata, an event must fold for ever: a sample is added, never changed.
func samples() []*topologyv1.Event {
	const e1, e2, c1, c2, n1, n2, l1, p1 = "E000000001", "E000000002", "C000000001", "C000000002", "N000000001", "N000000002", "F000000001", "P000000001"
	place := &topologyv1.Place{
		City: "Le Kremlin-Bicêtre", CommuneCode: "94043", DepartmentCode: "94", Territory: "Paris-Saclay",
		Latitude: 48.81, Longitude: 2.3611, PointSource: "centroid of the commune",
	}
	events := []*topologyv1.Event{
		{Fact: &topologyv1.Event_EstablishmentRegistered{EstablishmentRegistered: &topologyv1.EstablishmentRegistered{
			EstablishmentId: e1, ValidFrom: "2000", Name: "AP-HP Hôpital Bicêtre", Finess: "940100043",
			FinessKind: topologyv1.FinessKind_FINESS_KIND_SITE, Siret: "26750045200011", Place: place,
		}}},
		{Fact: &topologyv1.Event_EstablishmentRenamed{EstablishmentRenamed: &topologyv1.EstablishmentRenamed{EstablishmentId: e1, ValidFrom: "2010-02", Name: "Bicêtre"}}},
		{Fact: &topologyv1.Event_EstablishmentAttached{EstablishmentAttached: &topologyv1.EstablishmentAttached{EstablishmentId: e1, ValidFrom: "2012-03-04", LegalEntityId: e2}}},
		{Fact: &topologyv1.Event_CentreRegistered{CentreRegistered: &topologyv1.CentreRegistered{
			CentreId: c1, ValidFrom: "2007-07", Name: "Équipe", Population: topologyv1.Population_POPULATION_MIXED, EstablishmentIds: []string{e1}, Place: place,
		}}},
		{Fact: &topologyv1.Event_CentreRenamed{CentreRenamed: &topologyv1.CentreRenamed{CentreId: c1, ValidFrom: "2010", Name: "Neurochirurgie"}}},
		{Fact: &topologyv1.Event_CentreAttached{CentreAttached: &topologyv1.CentreAttached{CentreId: c1, ValidFrom: "2005", EstablishmentId: e2}}},
		{Fact: &topologyv1.Event_FiliereRegistered{FiliereRegistered: &topologyv1.FiliereRegistered{
			FiliereId: l1, ValidFrom: "2014", Acronym: "NeuroSphinx", Name: "Malformations pelviennes et médullaires", EstablishmentId: e1, Website: "neurosphinx.com",
		}}},
		{Fact: &topologyv1.Event_FiliereRenamed{FiliereRenamed: &topologyv1.FiliereRenamed{FiliereId: l1, ValidFrom: "2019", Acronym: "NS", Name: "NeuroSphinx"}}},
		{Fact: &topologyv1.Event_FiliereAttached{FiliereAttached: &topologyv1.FiliereAttached{FiliereId: l1, ValidFrom: "2020", EstablishmentId: e2}}},
		{Fact: &topologyv1.Event_NetworkRegistered{NetworkRegistered: &topologyv1.NetworkRegistered{NetworkId: n1, ValidFrom: "", Title: "Syringomyélie", Acronym: "SYR", FiliereId: ""}}},
		{Fact: &topologyv1.Event_NetworkRenamed{NetworkRenamed: &topologyv1.NetworkRenamed{NetworkId: n1, ValidFrom: "2017-11", Title: "Chiari", Acronym: "C-MAVEM"}}},
		{Fact: &topologyv1.Event_NetworkAttached{NetworkAttached: &topologyv1.NetworkAttached{NetworkId: n1, ValidFrom: "2014", FiliereId: l1}}},
		{Fact: &topologyv1.Event_PlatformRegistered{PlatformRegistered: &topologyv1.PlatformRegistered{
			PlatformId: p1, ValidFrom: "2020-01", Name: "Paris-Saclay", Kind: topologyv1.PlatformKind_PLATFORM_KIND_PEMR, EstablishmentIds: []string{e1}, Place: place,
		}}},
		{Fact: &topologyv1.Event_PlatformRenamed{PlatformRenamed: &topologyv1.PlatformRenamed{PlatformId: p1, ValidFrom: "2021", Name: "Plateforme Paris-Saclay"}}},
		{Fact: &topologyv1.Event_PlatformAttached{PlatformAttached: &topologyv1.PlatformAttached{PlatformId: p1, ValidFrom: "2021", EstablishmentId: e2}}},
		{Fact: &topologyv1.Event_CentreMoved{CentreMoved: &topologyv1.CentreMoved{CentreId: c1, ValidFrom: "2015-09-01", EstablishmentIds: []string{e2}, Place: place}}},
		{Fact: &topologyv1.Event_CentreRegistered{CentreRegistered: &topologyv1.CentreRegistered{CentreId: c2, ValidFrom: "2019"}}},
		{Fact: &topologyv1.Event_CentreSucceeded{CentreSucceeded: &topologyv1.CentreSucceeded{PredecessorIds: []string{c1}, SuccessorIds: []string{c2}, ValidFrom: "2019-01"}}},
		{Fact: &topologyv1.Event_NetworkRegistered{NetworkRegistered: &topologyv1.NetworkRegistered{NetworkId: n2, ValidFrom: "2023", Title: "Moelle et Chiari"}}},
		{Fact: &topologyv1.Event_NetworkSucceeded{NetworkSucceeded: &topologyv1.NetworkSucceeded{PredecessorIds: []string{n1}, SuccessorIds: []string{n2}, ValidFrom: "2027-01-01"}}},
		{Fact: &topologyv1.Event_DayReached{DayReached: &topologyv1.DayReached{EntityId: n1, Date: "2027-01-01", Position: 20}}},
	}
	for i, e := range events {
		e.Meta = &eventv1.Meta{
			Schema: 1, RecordTime: &timestamppb.Timestamp{Seconds: 1795000000 + int64(i)},
			Actor:     &eventv1.Actor{Account: "account1", Role: "officer", Assurance: eventv1.Assurance_ASSURANCE_DEVELOPMENT},
			RequestId: fmt.Sprintf("request-%d", i), RequestDigest: []byte("digest"), CommitSize: 1,
			Basis: &eventv1.Basis{
				ActId: "ACT0000001", ActLine: uint32(i), Source: "example.org", Evidence: eventv1.Evidence_EVIDENCE_STATED, SeenDate: "2026-11",
				AsPrinted: []*eventv1.Printed{{Field: "ville", Value: "Paris"}}, Note: "page 1",
			},
		}
	}
	return events
}

// Every fact the contract has must have a sample, and every sample ever written must
// fold, to the same state.
func TestSamplesFold(t *testing.T) {
	s := new(State)
	facttest.Fold(t, samples(), s.Evolve, Subject, func() string { return dump(t, s) })
}

// An event this binary cannot read whole is refused, and nothing changes.
func TestEvolveRefuses(t *testing.T) {
	extra := protowire.AppendVarint(protowire.AppendTag(nil, 4000, protowire.VarintType), 1)
	for name, edit := range map[string]func(*topologyv1.Event){
		"no meta":                func(e *topologyv1.Event) { e.Meta = nil },
		"higher schema":          func(e *topologyv1.Event) { e.Meta.Schema = 2 },
		"no fact":                func(e *topologyv1.Event) { e.Fact = nil },
		"unknown fact":           func(e *topologyv1.Event) { e.Fact = nil; e.ProtoReflect().SetUnknown(extra) },
		"unknown field of meta":  func(e *topologyv1.Event) { e.Meta.GetActor().ProtoReflect().SetUnknown(extra) },
		"unknown field of basis": func(e *topologyv1.Event) { e.Meta.GetBasis().GetAsPrinted()[0].ProtoReflect().SetUnknown(extra) },
		"unknown field of fact":  func(e *topologyv1.Event) { e.GetCentreRegistered().ProtoReflect().SetUnknown(extra) },
		"unknown field of place": func(e *topologyv1.Event) { e.GetCentreRegistered().GetPlace().ProtoReflect().SetUnknown(extra) },
		"unknown population":     func(e *topologyv1.Event) { e.GetCentreRegistered().Population = 77 },
		"a date no calendar has": func(e *topologyv1.Event) { e.GetCentreRegistered().ValidFrom = "2023-02-30" },
		"a succession by itself": func(e *topologyv1.Event) {
			e.Fact = &topologyv1.Event_CentreSucceeded{CentreSucceeded: &topologyv1.CentreSucceeded{PredecessorIds: []string{"E"}, SuccessorIds: []string{"E"}}}
		},
		"a succession of nothing": func(e *topologyv1.Event) {
			e.Fact = &topologyv1.Event_NetworkSucceeded{NetworkSucceeded: &topologyv1.NetworkSucceeded{}}
		},
		"the day of nothing": func(e *topologyv1.Event) {
			e.Fact = &topologyv1.Event_DayReached{DayReached: &topologyv1.DayReached{EntityId: "X"}}
		},
		"no id":                 func(e *topologyv1.Event) { e.GetCentreRegistered().CentreId = "" },
		"an id that is there":   func(e *topologyv1.Event) { e.Fact = samples()[0].GetFact() },
		"an entity that is not": func(e *topologyv1.Event) { e.Fact = samples()[4].GetFact() },
		"a renaming from no day": func(e *topologyv1.Event) {
			e.Fact = samples()[1].GetFact()
			e.GetEstablishmentRenamed().ValidFrom = "x"
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := new(State)
			if err := s.Evolve(1, samples()[0]); err != nil {
				t.Fatal(err)
			}
			before := dump(t, s)
			e := samples()[3]
			edit(e)
			err := s.Evolve(2, e)
			if err == nil {
				t.Fatal("not refused")
			}
			if strings.HasPrefix(name, "unknown") && !errors.Is(err, fact.ErrUnreadable) {
				t.Errorf("error is %v, want one that is ErrUnreadable", err)
			}
			if name == "higher schema" && !strings.Contains(err.Error(), "schema 2") {
				t.Errorf("error %q does not say which schema wrote it", err)
			}
			if dump(t, s) != before {
				t.Error("the state changed")
			}
		})
	}
}

// step takes one random decision and appends what it decides, if it is not refused.
func step(rt *rapid.T, w *world) {
	draw := func(from ...string) string { return rapid.SampledFrom(from).Draw(rt, "value") }
	establishment, from := draw("E1", "E2", "E3"), draw("", "2005", "2010-06", "2017-01-01", "2023")
	name := draw("a", "b", "c")
	decisions := []decision{
		regE(establishment, &topologyv1.RegisterEstablishmentRequest{Basis: source, Name: name, ValidFrom: from, Finess: draw("", "750712184"), FinessKind: topologyv1.FinessKind(rapid.Int32Range(0, 2).Draw(rt, "kind"))}),
		renE(establishment, from, name), attE(establishment, from, draw("E1", "E2", "E3")),
		regC(draw("C1", "C2"), establishment), renC(draw("C1", "C2"), from, name), attC(draw("C1", "C2"), from, establishment),
		regN(draw("N1", "N2"), "L1"), renN(draw("N1", "N2"), from, name, name), attN(draw("N1", "N2"), from, draw("L1", "L2")),
		renL("L1", from, name, name), attL("L2", from, establishment), renP("P1", from, name), attP("P1", from, establishment),
		movC("C1", from, establishment), sucC(from, []string{draw("C1", "C2")}, draw("C1", "C2", "C3")), sucN(from, []string{draw("N1", "N2")}, draw("N1", "N2")),
	}
	if events, err := rapid.SampledFrom(decisions).Draw(rt, "decision")(w.s); err == nil {
		w.append(events, nil)
	}
}

func answers(s *State, known uint64) string {
	var b strings.Builder
	for _, id := range []string{"E1", "E2", "E3", "C1", "C2", "N1", "N2", "L1", "L2", "P1"} {
		for _, on := range []string{"2000-01-01", "2005-06-01", "2012-01-01", "2018-01-01", "2024-01-01"} {
			fmt.Fprintf(&b, "%s %s %q\n", id, on, facts(s, id, day(on), known))
		}
	}
	return b.String()
}

// What was answered for a day, as known at a position, is answered for ever.
func TestAnswersNeverChange(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		told := map[uint64]string{}
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			step(rt, w)
			told[w.at] = answers(w.s, w.at)
		}
		for known, want := range told {
			if got := answers(w.s, known); got != want {
				rt.Fatalf("as known at %d:\n%s\nwas\n%s", known, got, want)
			}
		}
	})
}

// Rolled back, the state is as if what followed had never been, and goes on so.
func TestRollback(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(0, 15).Draw(rt, "steps") {
			step(rt, w)
		}
		if rapid.Bool().Draw(rt, "settled") {
			w.s.Settle(w.at)
		}
		at, was := w.at, dump(t, w.s)
		for range rapid.IntRange(1, 10).Draw(rt, "steps too many") {
			step(rt, w)
		}
		w.s.Rollback(at)
		w.at = at
		if is := dump(t, w.s); is != was {
			rt.Fatalf("rolled back to\n%s\nwant\n%s", is, was)
		}
		step(rt, w)
	})
}

// Whatever bytes the log holds, reading them never panics.
func FuzzEvolve(f *testing.F) {
	for _, e := range samples() {
		encoded, err := proto.Marshal(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(encoded)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e := new(topologyv1.Event)
		if err := proto.Unmarshal(body, e); err != nil {
			return
		}
		s := new(State)
		for i, sample := range samples() {
			_ = s.Evolve(uint64(2*i+1), proto.CloneOf(e)) // may be refused; must not panic
			_ = s.Evolve(uint64(2*i+2), sample)           // may be refused after that
		}
		if err := s.Evolve(100, e); err == nil && Subject(e) == "" {
			t.Error("an event that folds has no subject")
		}
	})
}

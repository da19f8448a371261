package topology

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
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
	facttest.Rows(t, all, "links", &s.Links)
	facttest.Rows(t, all, "continuities", &s.Continuities)
	facttest.Rows(t, all, "plans", &s.Plans)
	facttest.Rows(t, all, "aliases", &s.Aliases)
	return all.Text(t)
}

// samples has a rich event of every fact, in an order in which they fold. Encoded once
// under proto/testdata/events, an event must fold for ever: one is added, never changed.
func samples() []*topologyv1.Event {
	const e1, e2, c1, c2, n1, n2, l1, l2, p1, p2 = "E000000001", "E000000002", "C000000001", "C000000002", "N000000001", "N000000002", "F000000001", "F000000002", "P000000001", "P000000002"
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
		{Fact: &topologyv1.Event_EstablishmentRegistered{EstablishmentRegistered: &topologyv1.EstablishmentRegistered{EstablishmentId: e2, Name: "GHU"}}},
		{Fact: &topologyv1.Event_FiliereRegistered{FiliereRegistered: &topologyv1.FiliereRegistered{FiliereId: l2, Acronym: "NSF"}}},
		{Fact: &topologyv1.Event_PlatformRegistered{PlatformRegistered: &topologyv1.PlatformRegistered{PlatformId: p2, Name: "Sud"}}},
		{Fact: &topologyv1.Event_EstablishmentMoved{EstablishmentMoved: &topologyv1.EstablishmentMoved{EstablishmentId: e1, ValidFrom: "2024-09", Place: &topologyv1.Place{City: "Villejuif", DepartmentCode: "94"}}}},
		{Fact: &topologyv1.Event_LegalEntityChanged{LegalEntityChanged: &topologyv1.LegalEntityChanged{EstablishmentId: e1, ValidFrom: "2025-01-01", LegalEntityIds: []string{e2}}}},
		{Fact: &topologyv1.Event_EstablishmentIdentified{EstablishmentIdentified: &topologyv1.EstablishmentIdentified{
			EstablishmentId: e1, ValidFrom: "2025-06-16", Finess: "750712184", FinessKind: topologyv1.FinessKind_FINESS_KIND_LEGAL_ENTITY, Siret: "26750045200011",
		}}},
		{Fact: &topologyv1.Event_LinkDeclared{LinkDeclared: &topologyv1.LinkDeclared{
			LinkId: "K000000001", Kind: topologyv1.LinkKind_LINK_KIND_ATTACHED, FromId: c1, ToId: c2, NetworkId: n1, Period: &eventv1.Period{Start: "2017-11", End: "2030"},
		}}},
		{Fact: &topologyv1.Event_LinkDeclared{LinkDeclared: &topologyv1.LinkDeclared{
			LinkId: "K000000002", Kind: topologyv1.LinkKind_LINK_KIND_ERN, FromId: l1, Code: "ERN ITHACA", Period: &eventv1.Period{Start: "2017-03"},
		}}},
		{Fact: &topologyv1.Event_LinkConfirmed{LinkConfirmed: &topologyv1.LinkConfirmed{LinkId: "K000000001", Date: "2018-02"}}},
		{Fact: &topologyv1.Event_LinkEnded{LinkEnded: &topologyv1.LinkEnded{LinkId: "K000000001", End: "2019-01"}}},
		{Fact: &topologyv1.Event_ContinuityDeclared{ContinuityDeclared: &topologyv1.ContinuityDeclared{ContinuityId: "Y000000001", KeptId: p1, OtherId: p2}}},
		{Fact: &topologyv1.Event_ContinuityRevoked{ContinuityRevoked: &topologyv1.ContinuityRevoked{ContinuityId: "Y000000001"}}},
		{Fact: &topologyv1.Event_NetworkScoped{NetworkScoped: &topologyv1.NetworkScoped{NetworkId: n2, ValidFrom: "2023", Release: "2023-07", OrphaCodes: []uint32{3280, 268882}}}},
		{Fact: &topologyv1.Event_TerritoryStated{TerritoryStated: &topologyv1.TerritoryStated{PlatformId: p1, ValidFrom: "2021", RegionCodes: []string{"11"}, DepartmentCodes: []string{"2A", "28"}}}},
		{Fact: &topologyv1.Event_ContactStated{ContactStated: &topologyv1.ContactStated{
			EntityId: p1, ValidFrom: "2021", Website: "example.org", Email: &eventv1.PersonalValue{ValueId: "value1", Commitment: []byte("commitment")},
			Phone: &eventv1.PersonalValue{ValueId: "value2", Commitment: []byte("another")},
		}}},
		{Fact: &topologyv1.Event_ContactStated{ContactStated: &topologyv1.ContactStated{EntityId: l1, Website: "neurosphinx.org"}}},
		{Fact: &topologyv1.Event_PlatformMoved{PlatformMoved: &topologyv1.PlatformMoved{PlatformId: p1, ValidFrom: "2024-09", EstablishmentIds: []string{e2, e1}, Place: place}}},
		{Fact: &topologyv1.Event_EstablishmentSucceeded{EstablishmentSucceeded: &topologyv1.EstablishmentSucceeded{PredecessorIds: []string{e1}, SuccessorIds: []string{e2}, ValidFrom: "2028"}}},
		{Fact: &topologyv1.Event_FiliereSucceeded{FiliereSucceeded: &topologyv1.FiliereSucceeded{PredecessorIds: []string{l1}, SuccessorIds: []string{l2}, ValidFrom: "2028-01"}}},
		{Fact: &topologyv1.Event_PlatformSucceeded{PlatformSucceeded: &topologyv1.PlatformSucceeded{PredecessorIds: []string{p1}, ValidFrom: "2028-01-01"}}},
		{Fact: &topologyv1.Event_PlanRegistered{PlanRegistered: &topologyv1.PlanRegistered{
			PlanId: "W000000001", Code: "PNMR3", Name: "Troisième plan", Period: &eventv1.Period{Start: "2018", End: "2023"}, Axes: []*topologyv1.Axis{{Code: "1", Title: "Réduire l'errance"}},
		}}},
		{Fact: &topologyv1.Event_PlanExtended{PlanExtended: &topologyv1.PlanExtended{PlanId: "W000000001", End: "2025-02-25"}}},
		{Fact: &topologyv1.Event_PlanAxesStated{PlanAxesStated: &topologyv1.PlanAxesStated{PlanId: "W000000001", Axes: []*topologyv1.Axis{{Code: "1.1", Title: "Diagnostic"}, {Code: "2", Title: "Parcours"}}}}},
		{Fact: &topologyv1.Event_AliasStated{AliasStated: &topologyv1.AliasStated{
			AliasId: "A000000001", EntityId: "S000000001", EntityKind: topologyv1.EntityKind_ENTITY_KIND_SITE, System: "bamara", Value: "1042-b",
			Period: &eventv1.Period{Start: "2018-03", End: "2030"}, Shared: true,
		}}},
		{Fact: &topologyv1.Event_AliasStated{AliasStated: &topologyv1.AliasStated{
			AliasId: "A000000002", EntityId: e2, EntityKind: topologyv1.EntityKind_ENTITY_KIND_ESTABLISHMENT, System: "orphanet", Value: "77",
		}}},
		{Fact: &topologyv1.Event_AliasEnded{AliasEnded: &topologyv1.AliasEnded{AliasId: "A000000001", EntityId: "S000000001", End: "2024-01-01"}}},
		{Fact: &topologyv1.Event_AliasVoided{AliasVoided: &topologyv1.AliasVoided{AliasId: "A000000002", EntityId: e2}}},
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
		"a link with nobody": func(e *topologyv1.Event) {
			e.Fact = &topologyv1.Event_LinkDeclared{LinkDeclared: &topologyv1.LinkDeclared{LinkId: "K", FromId: "E000000001", ToId: "X"}}
		},
		"a link that ends on no day": func(e *topologyv1.Event) {
			e.Fact = &topologyv1.Event_LinkDeclared{LinkDeclared: &topologyv1.LinkDeclared{LinkId: "K", FromId: "E000000001", Period: &eventv1.Period{End: "x"}}}
		},
		"the end of no link": func(e *topologyv1.Event) {
			e.Fact = &topologyv1.Event_LinkEnded{LinkEnded: &topologyv1.LinkEnded{LinkId: "E000000001"}}
		},
		"one that is nobody": func(e *topologyv1.Event) {
			e.Fact = &topologyv1.Event_ContinuityDeclared{ContinuityDeclared: &topologyv1.ContinuityDeclared{ContinuityId: "Y", KeptId: "E000000001", OtherId: "X"}}
		},
		"no continuity to revoke": func(e *topologyv1.Event) {
			e.Fact = &topologyv1.Event_ContinuityRevoked{ContinuityRevoked: &topologyv1.ContinuityRevoked{ContinuityId: "E000000001"}}
		},
		"a plan until no day": func(e *topologyv1.Event) {
			e.Fact = &topologyv1.Event_PlanRegistered{PlanRegistered: &topologyv1.PlanRegistered{PlanId: "W", Period: &eventv1.Period{End: "x"}}}
		},
		"the contact of a hospital": func(e *topologyv1.Event) {
			e.Fact = &topologyv1.Event_ContactStated{ContactStated: &topologyv1.ContactStated{EntityId: "E000000001"}}
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
	decisions = append(decisions, ties(rt, w, draw, from)...)
	if events, err := rapid.SampledFrom(decisions).Draw(rt, "decision")(w.s); err == nil {
		w.append(events, nil)
	}
}

// ties are random decisions about links, continuities and plans, about what entities
// say of themselves, and about closings with all that depends on them.
func ties(rt *rapid.T, w *world, draw func(...string) string, from string) []decision {
	kind := topologyv1.LinkKind(rapid.Int32Range(1, 5).Draw(rt, "kind of link"))
	to := map[topologyv1.LinkKind]string{collaborates: draw("N1", "N2"), serves: draw("L1", "L2"), hosted: "P1", attached: draw("C1", "C2"), ern: "ERN"}[kind]
	network := ""
	if kind == attached {
		network = draw("N1", "N2")
	}
	link, end := draw("K1", "K2", "K3"), draw("", "2011", "2018-03-01", "2025")
	id, after := draw("E1", "E2", "L1", "P1", "C1", "N1"), draw("E2", "E3", "L2", "C2", "N2", "")
	return []decision{
		alias(draw("A1", "A2"), draw("C1", "S1", "N1"), "bamara "+draw("1", "2"), from+"/"+end), endA(draw("A1", "A2"), end), voidA(draw("A1", "A2")),
		declare(link, kind, draw("C1", "C2"), to, network, from+"/"+end), declare(link, kind, draw("C1", "C2"), to, network, from),
		endK(link, end), confirm(link, from), same(draw("Y1", "Y2"), draw("C1", "C2"), draw("C1", "C2", "C3")), revoke(draw("Y1", "Y2")),
		regW("W1", "PNMR", "2018/2022", "1"), extend("W1", draw("2023", "2024")), axes("W1", draw("1", "2")),
		scope("N1", from, draw("2019-07", "2023-07"), 7, 8), territory("P1", from, draw("", "93"), draw("988", "2A")), contact(draw("P1", "L1"), from, draw("", "example.org"), draw("", "value")),
		identify(draw("E1", "E2"), from, draw("", "750712184", "940100043"), site, ""), movE("E1", from, draw("a", "b"), "75"), movP("P1", from, draw("E1", "E2")), legal(draw("E1", "E2"), from, draw("E3", "E2")),
		func(*State) ([]*topologyv1.Event, error) {
			if after == "" || after[0] != id[0] {
				return closeWhole(rt, w, from, id, nil)
			}
			return closeWhole(rt, w, from, id, []string{after})
		},
	}
}

// whole is all that is known of an entity on a day.
func whole(s *State, id string, on bitemporal.Date, known uint64) []string {
	if e, ok := s.Establishments.At(id, on, known); ok {
		return printed(e.ProtoReflect())
	}
	if c, ok := s.Centres.At(id, on, known); ok {
		return printed(c.ProtoReflect())
	}
	if n, ok := s.Networks.At(id, on, known); ok {
		return printed(n.ProtoReflect())
	}
	if l, ok := s.Filieres.At(id, on, known); ok {
		return printed(l.ProtoReflect())
	}
	p, _ := s.Platforms.At(id, on, known)
	return printed(p.ProtoReflect())
}

func answers(s *State, known uint64) string {
	var b strings.Builder
	for _, id := range []string{"E1", "E2", "E3", "C1", "C2", "N1", "N2", "L1", "L2", "P1"} {
		for _, on := range []string{"2000-01-01", "2005-06-01", "2012-01-01", "2018-01-01", "2024-01-01"} {
			fmt.Fprintf(&b, "%s %s %q, in its place %q\n", id, on, whole(s, id, day(on), known), s.Present(id, day(on), known))
		}
		fmt.Fprintf(&b, "%s is one with %q, in %q\n", id, s.Continued(id, known), s.Chain(id, known))
		for l := range s.LinksOf(id, known) {
			fmt.Fprintf(&b, "%s has %s\n", id, printed(l.ProtoReflect()))
		}
		for a := range s.AliasesOf(id, known) {
			fmt.Fprintf(&b, "%s is called %s\n", id, printed(a.ProtoReflect()))
		}
	}
	for _, on := range []string{"2000-01-01", "2012-01-01", "2018-01-01", "2024-01-01"} {
		for l := range s.LinksOn(day(on), known) {
			fmt.Fprintf(&b, "%s %s\n", on, printed(l.ProtoReflect()))
		}
		for a := range s.AliasesNamed("bamara", "1", known) {
			fmt.Fprintf(&b, "%s %s %t\n", on, printed(a.ProtoReflect()), s.AliasHolds(a, day(on), known))
		}
		p, _ := s.Plans.At("W1", day(on), known)
		fmt.Fprintf(&b, "%s %s %q\n", on, printed(p.ProtoReflect()), s.ByFINESS("750712184", known))
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
		for range rapid.IntRange(1, 5).Draw(rt, "steps instead") {
			step(rt, w)
		}
		read := new(State)
		for i, e := range w.log[:w.at] {
			if err := read.Evolve(uint64(i+1), e); err != nil {
				rt.Fatal(err)
			}
		}
		if is, want := answers(w.s, w.at), answers(read, w.at); is != want {
			rt.Fatalf("rolled back and gone on, answers\n%s\nread from the log\n%s", is, want)
		}
	})
}

// ownEntity walks on one day from a hospital to its legal entities and theirs.
func ownEntity(s *State, hospital string, on bitemporal.Date) bool {
	var open []string
	seen := map[string]bool{}
	for id := hospital; ; {
		if e, ok := s.Establishments.At(id, on, bitemporal.Latest); ok && !seen[id] {
			open = append(open, e.GetLegalEntityIds()...)
		}
		seen[id] = true
		if len(open) == 0 {
			return false
		}
		if id, open = open[0], open[1:]; id == hospital {
			return true
		}
	}
}

// Those that closed and those that took their place name each other, and nobody comes
// after itself, by whichever id.
func TestSuccessionsHoldTogether(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			step(rt, w)
		}
		for _, id := range []string{"E1", "E2", "E3", "C1", "C2", "N1", "N2", "L1", "L2", "P1"} {
			_, e := w.s.entity(id, bitemporal.Latest)
			if e == nil {
				continue
			}
			for _, after := range e.GetSuccessorIds() {
				if _, next := w.s.entity(after, bitemporal.Latest); !slices.Contains(next.GetPredecessorIds(), id) {
					rt.Fatalf("%s took the place of %s and does not name it", after, id)
				}
				if w.s.leads(after, map[string]bool{id: true}) {
					rt.Fatalf("%s comes after itself, by way of %s", id, after)
				}
			}
			for _, before := range e.GetPredecessorIds() {
				if _, was := w.s.entity(before, bitemporal.Latest); !slices.Contains(was.GetSuccessorIds(), id) {
					rt.Fatalf("%s took the place of %s, which does not name it", id, before)
				}
			}
			if _, ok := e.(*topologyv1.Establishment); ok {
				for _, v := range w.s.Establishments.Versions(id, bitemporal.Latest) {
					if ownEntity(w.s, id, v.Valid.From) { // who belongs to whom changes on such days alone
						rt.Fatalf("%s belongs to itself on %s", id, v.Valid.From)
					}
				}
			}
		}
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

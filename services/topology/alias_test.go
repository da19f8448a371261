package topology

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/fault"
)

// isSite knows the sites that labelling would.
func isSite(id string) bool { return strings.HasPrefix(id, "S") }

func alias(id, entity, code, period string, says ...string) decision {
	system, value, _ := strings.Cut(code, " ")
	start, end, _ := strings.Cut(period, "/")
	r := &topologyv1.StateAliasRequest{
		Basis: source, EntityId: entity, System: system, Value: value, Period: &eventv1.Period{Start: start, End: end},
		Shared: slices.Contains(says, "shared"), NewSystem: slices.Contains(says, "new system"),
	}
	return func(s *State) ([]*topologyv1.Event, error) { return StateAlias(s, id, isSite, r) }
}

func endA(id, end string) decision {
	return by(EndAlias, &topologyv1.EndAliasRequest{Basis: source, AliasId: id, End: end})
}

func voidA(id string) decision {
	return by(VoidAlias, &topologyv1.VoidAliasRequest{Basis: source, AliasId: id})
}

// Each decision on aliases after others: the fact, or the reason of the refusal and the
// field.
func TestAliases(t *testing.T) {
	one := alias("A1", "S1", "bamara 1042", "2018")
	for _, c := range []struct {
		name  string
		given []decision
		when  decision
		then  string
	}{
		{"of a site", nil, one, "alias_stated A1 S1 SITE bamara 1042 2018/"},
		{"of a hospital", nil, alias("A1", "E1", "orphanet 7", ""), "alias_stated A1 E1 ESTABLISHMENT orphanet 7 /"},
		{"of a network, its system in capitals", nil, alias("A1", "N1", "e-CARS  7 ", "2020-02/2021-05-06"), "alias_stated A1 N1 NETWORK e-cars 7 2020-02/2021-05-06"},
		{"of a filière and of a platform", []decision{alias("A1", "L1", "orphanet 7", "")}, alias("A2", "P1", "orphanet 7", ""), "alias_stated A2 P1 PLATFORM orphanet 7 /"},
		{"of nobody", nil, alias("A1", "X9", "bamara 1", ""), "ENTITY_UNKNOWN entity_id"},
		{"in a system mistyped", nil, alias("A1", "S1", "bamra 1", ""), "ALIAS_SYSTEM_NEW system"},
		{"in a system that is new", nil, alias("A1", "S1", "cedrmr 1", "", "new system"), "alias_stated A1 S1 SITE cedrmr 1 /"},
		{"in a system that was new", []decision{alias("A1", "S1", "cedrmr 1", "", "new system")}, alias("A2", "C1", "CEDRMR 1", ""), "alias_stated A2 C1 CENTRE cedrmr 1 /"},
		{"in what is no system", nil, alias("A1", "S1", "ba_mara 1", "", "new system"), "ALIAS_SYSTEM_INVALID system"},
		{"an address", nil, alias("A1", "S1", "bamara jeanne.martin@chu.fr", ""), "ALIAS_VALUE_INVALID value"},
		{"a name", nil, alias("A1", "S1", "bamara Jeanne Martin", ""), "ALIAS_VALUE_INVALID value"},
		{"an accent", nil, alias("A1", "S1", "bamara é1", ""), "ALIAS_VALUE_INVALID value"},
		{"the same again", []decision{one}, alias("A2", "S1", "bamara 1042", "2019"), "ALIAS_EXISTS period"},
		{"the same before", []decision{one}, alias("A2", "S1", "bamara 1042", "2016/2018"), "alias_stated A2 S1 SITE bamara 1042 2016/2018"},
		{"another one", []decision{one}, alias("A2", "S1", "bamara 1043", "2019"), "alias_stated A2 S1 SITE bamara 1043 2019/"},
		{"that of another", []decision{one}, alias("A2", "S2", "bamara 1042", "2020/2021"), "ALIAS_TAKEN value"},
		{"that of another, in capitals", []decision{alias("A1", "S1", "bamara x7", "")}, alias("A2", "S2", "bamara X7", ""), "ALIAS_TAKEN value"},
		{"shared with another", []decision{one}, alias("A2", "S2", "bamara 1042", "2020/2021", "shared"), "alias_stated A2 S2 SITE bamara 1042 2020/2021 true"},
		{"that of another before", []decision{one, endA("A1", "2020-03-01")}, alias("A2", "S2", "bamara 1042", "2020-03-01"), "alias_stated A2 S2 SITE bamara 1042 2020-03-01/"},
		{"that of another of another kind", []decision{one}, alias("A2", "C1", "bamara 1042", ""), "alias_stated A2 C1 CENTRE bamara 1042 /"},
		{"that of one that is the same", []decision{alias("A1", "C1", "bamara 7", ""), same("Y1", "C1", "C2")}, alias("A2", "C2", "bamara 7", ""), "alias_stated A2 C2 CENTRE bamara 7 /"},
		{"that of one that is closed, for who comes after", []decision{alias("A1", "C3", "bamara 7", "2010"), sucCC("2026", "C3", "C9")}, alias("A2", "C9", "bamara 7", "2026"), "alias_stated A2 C9 CENTRE bamara 7 2026/"},
		{"that of one that closes later", []decision{alias("A1", "C3", "bamara 7", "2010"), sucCC("2026", "C3", "C9")}, alias("A2", "C9", "bamara 7", "2025"), "ALIAS_TAKEN value"},
		{"of what is closed", []decision{sucCC("2026", "C3", "C9")}, alias("A1", "C3", "bamara 7", "2027"), "CENTRE_CLOSED entity_id"},
		{"one voided is free", []decision{one, voidA("A1")}, alias("A2", "S2", "bamara 1042", "2020"), "alias_stated A2 S2 SITE bamara 1042 2020/"},
		{"an id of one voided", []decision{one, voidA("A1")}, alias("A1", "S1", "bamara 9", ""), "ID_TAKEN"},
		{"an id that is taken", []decision{one}, alias("A1", "S1", "bamara 9", ""), "ID_TAKEN"},
		{"an end before the start", nil, alias("A1", "S1", "bamara 9", "2020/2019"), "PERIOD_EMPTY period.end"},
		{"from no day", nil, alias("A1", "S1", "bamara 9", "2020-13"), "DATE_INVALID period.start"},
		{"on no basis", nil, func(s *State) ([]*topologyv1.Event, error) {
			return StateAlias(s, "A1", isSite, &topologyv1.StateAliasRequest{EntityId: "S1", System: "bamara", Value: "1"})
		}, "BASIS_MISSING basis"},

		{"one ends", []decision{one}, endA("A1", "2024-02"), "alias_ended A1 S1 2024-02"},
		{"one ends on an unknown day", []decision{one}, endA("A1", ""), "alias_ended A1 S1"},
		{"one ends twice", []decision{one, endA("A1", "2024")}, endA("A1", "2023"), "ALIAS_ENDED end"},
		{"one ends sooner than stated", []decision{alias("A1", "S1", "bamara 1", "2018/2024")}, endA("A1", "2023"), "alias_ended A1 S1 2023"},
		{"one ends as stated", []decision{alias("A1", "S1", "bamara 1", "2018/2024")}, endA("A1", "2024"), "ALIAS_ENDED end"},
		{"one ends before it begins", []decision{one}, endA("A1", "2017"), "PERIOD_EMPTY end"},
		{"an unknown one ends", nil, endA("A1", "2017"), "ALIAS_UNKNOWN alias_id"},
		{"one voided ends", []decision{one, voidA("A1")}, endA("A1", "2020"), "ALIAS_VOIDED alias_id"},
		{"one ends on no day", []decision{one}, endA("A1", "2020-00"), "DATE_INVALID end"},
		{"one is voided", []decision{one}, voidA("A1"), "alias_voided A1 S1"},
		{"one is voided twice", []decision{one, voidA("A1")}, voidA("A1"), "ALIAS_VOIDED alias_id"},
		{"an unknown one is voided", nil, voidA("A1"), "ALIAS_UNKNOWN alias_id"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newCity(t)
			for _, d := range c.given {
				w.append(d(w.s))
			}
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
				got = []string{strings.TrimSpace(f.Reason + " " + f.Field)}
			}
			if !slices.Equal(got, []string{c.then}) {
				t.Fatalf("decided %q, want %q (%v)", got, c.then, err)
			}
			if v := events; len(v) > 0 && v[0].GetAliasVoided() != nil && v[0].GetMeta().GetCorrects() != w.at {
				t.Errorf("it corrects %d, not %d", v[0].GetMeta().GetCorrects(), w.at)
			}
			w.append(events, nil)
		})
	}
}

// Whatever is stated, ended and closed of aliases, in whichever order: one that is not
// voided leads to its entity for ever, whatever its case, and it is never in use for two
// entities of a kind at once that nobody says share it, or are the same.
func TestPastAliasesAreFound(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newCity(t)
		draw := func(from ...string) string { return rapid.SampledFrom(from).Draw(rt, "value") }
		stated := map[string]*topologyv1.AliasStated{}
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			id := draw("A1", "A2", "A3", "A4", "A5", "A6")
			from := draw("", "2005", "2010-06", "2017-01-01", "2023")
			decide := rapid.SampledFrom([]decision{
				alias(id, draw("S1", "S2", "C1", "C3", "C9", "N1", "E1"), draw("bamara 1a", "bamara 2", "orphanet 1A"), from+"/"+draw("", "2012", "2024")),
				alias(id, draw("S1", "S2", "C1", "C3"), draw("bamara 1A", "e-cars 1a"), from, "shared"),
				endA(id, from), voidA(id), sucCC(from, draw("C1", "C3"), "C9"), same("Y1", draw("C1", "C2"), draw("C1", "C2", "C3")),
			}).Draw(rt, "decision")
			before := w.at
			if events, err := decide(w.s); err == nil {
				w.append(events, nil)
				for _, e := range events {
					if f := e.GetAliasStated(); f != nil {
						stated[f.GetAliasId()] = f
					}
					delete(stated, e.GetAliasVoided().GetAliasId())
				}
			}
			if rapid.IntRange(1, 5).Draw(rt, "taken back") == 1 {
				for _, e := range w.log[before:w.at] {
					delete(stated, e.GetAliasStated().GetAliasId())
				}
				voided := slices.ContainsFunc(w.log[before:w.at], func(e *topologyv1.Event) bool { return e.GetAliasVoided() != nil })
				if !voided {
					w.s.Rollback(before)
					w.at = before
				}
			}
		}
		for id, f := range stated {
			found := func(a *topologyv1.Alias) bool { return a.GetAliasId() == id && a.GetEntityId() == f.GetEntityId() }
			for _, value := range []string{f.GetValue(), strings.ToUpper(f.GetValue()), " " + strings.ToLower(f.GetValue())} {
				if !slices.ContainsFunc(slices.Collect(w.s.AliasesNamed(f.GetSystem(), value, bitemporal.Latest)), found) ||
					!slices.ContainsFunc(slices.Collect(w.s.AliasesNamed("", value, w.at)), found) {
					rt.Fatalf("%s %q does not lead to %s any more", f.GetSystem(), value, f.GetEntityId())
				}
			}
			if !slices.ContainsFunc(slices.Collect(w.s.AliasesOf(f.GetEntityId(), w.at)), found) {
				rt.Fatalf("%s is not among the aliases of %s", id, f.GetEntityId())
			}
			for _, on := range []string{"2004-01-01", "2011-01-01", "2018-01-01", "2025-01-01"} {
				w.onlyOne(rt, id, day(on))
			}
		}
	})
}

// onlyOne looks for another entity of the kind that an alias is in use for on a day.
func (w *world) onlyOne(rt *rapid.T, id string, on bitemporal.Date) {
	a, _ := w.s.Aliases.Last(id, w.at)
	if a.GetShared() || !w.s.AliasHolds(a, on, w.at) {
		return
	}
	for other := range w.s.AliasesNamed(a.GetSystem(), a.GetValue(), w.at) {
		if other.GetEntityId() != a.GetEntityId() && other.GetEntityKind() == a.GetEntityKind() && !other.GetShared() && w.s.AliasHolds(other, on, w.at) &&
			!slices.Contains(w.s.Continued(a.GetEntityId(), w.at), other.GetEntityId()) && len(w.s.ContinuitiesOf(a.GetEntityId(), w.at)) == 0 {
			rt.Fatalf("on %s %s is in use for %s and %s", on, a.GetValue(), a.GetEntityId(), other.GetEntityId())
		}
	}
}

// An alias stated ahead is told of on its day, unless it was voided; its end, unless it
// ended on another.
func TestAliasesAhead(t *testing.T) {
	w := newCity(t)
	recorded := timestamppb.New(time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC))
	record := func(d decision) {
		t.Helper()
		events, err := d(w.s)
		if err == nil {
			events[0].Meta.RecordTime = recorded
		}
		w.append(events, err)
	}
	record(alias("A1", "S1", "bamara 1", "2027-01-01/2028-01-01"))
	record(alias("A2", "S1", "bamara 2", "2027-01-01/2029-01-01"))
	record(alias("A3", "S1", "bamara 3", "2027-01-01"))
	record(endA("A2", "2028-02-01"))
	record(voidA("A3"))
	var got []string
	for _, e := range Due(w.s, day("2030-01-01")) {
		got = append(got, fmt.Sprint(e.GetDayReached().GetEntityId(), " ", e.GetDayReached().GetDate()))
	}
	slices.Sort(got)
	if want := []string{"A1 2027-01-01", "A1 2028-01-01", "A2 2027-01-01", "A2 2028-02-01"}; !slices.Equal(got, want) {
		t.Errorf("due are %q, want %q", got, want)
	}
}

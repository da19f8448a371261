package query_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

func alias(id, entity string, kind topologyv1.EntityKind, system, value, start, end string) *topologyv1.Event {
	return &topologyv1.Event{Fact: &topologyv1.Event_AliasStated{AliasStated: &topologyv1.AliasStated{
		AliasId: id, EntityId: entity, EntityKind: kind, System: system, Value: value, Period: &eventv1.Period{Start: start, End: end},
	}}}
}

func aliasEnded(id, entity, end string) *topologyv1.Event {
	return &topologyv1.Event{Fact: &topologyv1.Event_AliasEnded{AliasEnded: &topologyv1.AliasEnded{AliasId: id, EntityId: entity, End: end}}}
}

func aliasVoided(id, entity string) *topologyv1.Event {
	return &topologyv1.Event{Fact: &topologyv1.Event_AliasVoided{AliasVoided: &topologyv1.AliasVoided{AliasId: id, EntityId: entity}}}
}

const (
	aSite    = topologyv1.EntityKind_ENTITY_KIND_SITE
	aCentre  = topologyv1.EntityKind_ENTITY_KIND_CENTRE
	aFiliere = topologyv1.EntityKind_ENTITY_KIND_FILIERE
)

// aliased is the fixture with aliases, a site whose label goes on at another one, one whose
// team is succeeded, and a team that is closed.
func aliased(tb testing.TB) (w *world, stated, told uint64) {
	w = linked(tb)
	stated = w.commit(
		alias("B000000001", "SBRONOS000", aSite, "bamara", "1042", "2018", ""),
		alias("B000000002", "SELOIOS000", aSite, "bamara", "1043", "2018-03-01", ""),
		alias("B000000003", "FOSCAR0000", aFiliere, "orphanet", "1042", "2014", "2026-02-01"),
		alias("B000000004", "CTOWN00000", aCentre, "e-cars", "X-7/a", "", ""),
		alias("B000000005", "SREUNION00", aSite, "bamara", "1044", "2018", ""),
		alias("B000000006", "STOWNSLA00", aSite, "bamara", "9999", "2018", ""),
	)
	w.commit(
		renewed("LCOMP00000", "LMOVED0000", site("SMOVED0000", "CCOLL00000", "NOS0000000"), competence, "YTHIRD0000", "2026-02-01", "2029-01-01"),
		granted("LSUCC00000", site("SSUCC00000", "CNOWHERE00", "NOS0000000"), coordinator, "YTHIRD0000", "2026-02-15", "2029-01-01"),
		centreSucceeded("2026-02-15", "CBRON00000", "CNOWHERE00"),
		centreSucceeded("2026-02-15", "CTOWN00000"),
	)
	told = w.commit(
		aliasEnded("B000000002", "SELOIOS000", "2026-02-01"),
		alias("B000000007", "SMOVED0000", aSite, "bamara", "1043", "2026-02-01", ""),
		aliasVoided("B000000005", "SREUNION00"),
	)
	return w, stated, told
}

func TestResolveAlias(t *testing.T) {
	w, stated, told := aliased(t)
	q := w.queries()
	for name, test := range map[string]struct {
		when *registryv1.ResolveAliasRequest
		want string // alias, entity, name, whether it holds, who is in its place
	}{
		"in two systems": {
			&registryv1.ResolveAliasRequest{Value: "1042"},
			"B000000001 SBRONOS000 MOC, Hôpital Femme-Mère-Enfant true [SSUCC00000]; B000000003 FOSCAR0000 OSCAR false [FOSCAR0000]",
		},
		"in one": {
			&registryv1.ResolveAliasRequest{System: "Orphanet", Value: "1042", AsOf: at("2026-01-31", told)},
			"B000000003 FOSCAR0000 OSCAR true [FOSCAR0000]",
		},
		"before the team was succeeded": {
			&registryv1.ResolveAliasRequest{System: "bamara", Value: "1042", AsOf: at("2026-02-14", told)},
			"B000000001 SBRONOS000 MOC, Hôpital Femme-Mère-Enfant true [SBRONOS000]",
		},
		"used again by who comes after": {
			&registryv1.ResolveAliasRequest{System: "bamara", Value: "1043"},
			"B000000007 SMOVED0000 MOC, Montpellier true [SMOVED0000]; B000000002 SELOIOS000 MOC, Hôpital Saint-Éloi false [SMOVED0000]",
		},
		"before it was used again": {
			&registryv1.ResolveAliasRequest{System: "bamara", Value: "1043", AsOf: at("2026-01-31", told)},
			"B000000002 SELOIOS000 MOC, Hôpital Saint-Éloi true [SELOIOS000]; B000000007 SMOVED0000 MOC, Montpellier false [SMOVED0000]",
		},
		"before that was known": {
			&registryv1.ResolveAliasRequest{System: "bamara", Value: "1043", AsOf: at("2026-03-01", stated)},
			"B000000002 SELOIOS000 MOC, Hôpital Saint-Éloi true [SELOIOS000]",
		},
		"of a team that is closed": {
			&registryv1.ResolveAliasRequest{Value: "x-7/A"},
			"B000000004 CTOWN00000 Fort-de-France, 972 false []",
		},
		"voided since": {
			&registryv1.ResolveAliasRequest{Value: "1044", AsOf: at("2026-03-01", stated)},
			"B000000005 SREUNION00 Scléroses latérales, CHU de la Réunion true [SREUNION00]",
		},
		"voided":          {&registryv1.ResolveAliasRequest{Value: "1044"}, "ALIAS_UNKNOWN"},
		"of nobody":       {&registryv1.ResolveAliasRequest{Value: "104"}, "ALIAS_UNKNOWN"},
		"in another":      {&registryv1.ResolveAliasRequest{System: "e-cars", Value: "1042"}, "ALIAS_UNKNOWN"},
		"before any was ": {&registryv1.ResolveAliasRequest{Value: "1042", AsOf: at("2026-03-01", stated-6)}, "ALIAS_UNKNOWN"},
	} {
		got, err := q.ResolveAlias(t.Context(), test.when)
		text := printAliases(got.GetEntries())
		if err != nil {
			text = reason(err)
		}
		if text != test.want {
			t.Errorf("%s: %v, %s, want %s", name, err, text, test.want)
		}
	}
}

func printAliases(entries []*registryv1.AliasEntry) string {
	var out []string
	for _, e := range entries {
		out = append(out, fmt.Sprint(e.GetAlias().GetAliasId(), " ", e.GetAlias().GetEntityId(), " ", e.GetEntityName(), " ", e.GetHolds(), " ", e.GetPresentIds()))
	}
	return strings.Join(out, "; ")
}

func TestListAliases(t *testing.T) {
	w, stated, told := aliased(t)
	q := w.queries()
	list := func(req *registryv1.ListAliasesRequest) []string {
		t.Helper()
		var ids []string
		for {
			r, err := q.ListAliases(t.Context(), req)
			if err != nil {
				return []string{err.Error()}
			}
			for _, e := range r.GetEntries() {
				ids = append(ids, e.GetAlias().GetAliasId()[9:])
			}
			if req.PageToken = r.GetNextPageToken(); req.PageToken == "" {
				return ids
			}
		}
	}
	for name, test := range map[string]struct {
		when *registryv1.ListAliasesRequest
		want string
	}{
		"in use":              {&registryv1.ListAliasesRequest{PageSize: 1}, "1 7 6"},
		"all":                 {&registryv1.ListAliasesRequest{WithEnded: true, PageSize: 2}, "1 2 7 6 4 3"},
		"of a system":         {&registryv1.ListAliasesRequest{System: "BaMaRa", AsOf: at("2026-01-31", told)}, "1 2 6"},
		"of a site":           {&registryv1.ListAliasesRequest{EntityId: "SELOIOS000", WithEnded: true}, "2"},
		"of a site, in use":   {&registryv1.ListAliasesRequest{EntityId: "SELOIOS000"}, ""},
		"as known before":     {&registryv1.ListAliasesRequest{EntityId: "SREUNION00", AsOf: at("2026-03-01", stated)}, "5"},
		"of a site with none": {&registryv1.ListAliasesRequest{EntityId: "SORPHAN000"}, ""},
	} {
		if got := strings.Join(list(test.when), " "); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
	_, err := q.ListAliases(t.Context(), &registryv1.ListAliasesRequest{EntityId: "S000000000"})
	if reason(err) != "ENTITY_UNKNOWN" {
		t.Errorf("of nobody: %v", err)
	}
}

// An alias is found by the text of a list, stands in the history of its entity and of the
// team of its site, and in what differs between two moments.
func TestAliasesElsewhere(t *testing.T) {
	w, stated, told := aliased(t)
	q := w.queries()
	found, err := q.ListFilieres(t.Context(), &registryv1.ListFilieresRequest{Text: " 1042"})
	if err != nil || len(found.GetFilieres()) != 1 || found.GetFilieres()[0].GetFiliereId() != "FOSCAR0000" {
		t.Errorf("by its alias is found %v, %v", found.GetFilieres(), err)
	}
	for _, entity := range []string{"SREUNION00", "CREUNION00", "B000000005"} {
		history, err := q.ListHistory(t.Context(), &registryv1.ListHistoryRequest{EntityId: entity})
		if err != nil {
			t.Fatal(err)
		}
		var positions []uint64
		for _, f := range history.GetFacts() {
			positions = append(positions, f.GetPosition())
		}
		if !slices.Contains(positions, stated-1) || !slices.Contains(positions, told) {
			t.Errorf("the history of %s has %d, not %d and %d", entity, positions, stated-1, told)
		}
	}
	diff, err := q.DiffRegister(t.Context(), &registryv1.DiffRegisterRequest{From: at("2026-01-31", stated), To: at("2026-03-01", told)})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i, part := range [][]*registryv1.Difference{diff.GetLearned(), diff.GetWorld()} {
		for _, d := range part {
			if d.GetEntityKind() == "alias" {
				got = append(got, fmt.Sprint(i, " ", d.GetEntityId(), " ", d.GetKind()))
			}
		}
	}
	slices.Sort(got)
	want := []string{
		"0 B000000002 DIFFERENCE_KIND_CHANGED", "0 B000000005 DIFFERENCE_KIND_DISAPPEARED", "1 B000000002 DIFFERENCE_KIND_DISAPPEARED",
		"1 B000000003 DIFFERENCE_KIND_DISAPPEARED", "1 B000000004 DIFFERENCE_KIND_DISAPPEARED", "1 B000000007 DIFFERENCE_KIND_APPEARED",
	}
	if !slices.Equal(got, want) {
		t.Errorf("what differs of aliases is %q, want %q", got, want)
	}
}

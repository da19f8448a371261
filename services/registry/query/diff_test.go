package query_test

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/registry/query"
)

// list is an act with a scope.
type list struct {
	act, day string
	position uint64
}

// What a comparison says of a label is what plain questions about it answer, before and
// after: its status, its name, and of each list whether recording it made the difference.
func TestDiffSaysWhatPlainQuestionsAnswer(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := fixture(t)
		roles := rapid.SampledFrom([]labellingv1.Role{0, coordinator, constitutive, competence, labellingv1.Role_ROLE_REFERENCE, labellingv1.Role_ROLE_PEMR})
		days := rapid.SampledFrom([]string{"2012-01-01", "2023-05-05", "2025-01-01", "2026-07-01", "2030-01-01"})
		asked := rapid.SampledFrom([]string{"2012-01-01", "2023-05-05", "2025-01-01", "2026-07-01", "2030-01-01", "2036-01-01"})
		seats := rapid.SampledFrom([]string{"CBRON00000", "CREUNION00", "CTOWN00000"})
		var lists []list
		for step := range rapid.IntRange(1, 8).Draw(rt, "steps") {
			day := days.Draw(rt, "from")
			switch rapid.IntRange(0, 4).Draw(rt, "fact") {
			case 0:
				w.commit(establishmentRenamed("EBRON00000", day, numbered("Nom", step)))
			case 1:
				w.commit(granted(numbered("LNEW", step), site(numbered("SNEW", step), seats.Draw(rt, "seat"), "NOS0000000"), roles.Draw(rt, "role"), "", day, "2035-01-01"))
			case 2:
				w.commit(correctedRole(rapid.SampledFrom([]string{"LTOWN00000", "LUNSURE000"}).Draw(rt, "label"), 19, roles.Draw(rt, "role")))
			default:
				act := complete(numbered("ALIST", step), day)
				act.GetActRecorded().GetScope()[0].Role = roles.Draw(rt, "listed")
				if rapid.Bool().Draw(rt, "in part") {
					act.GetActRecorded().GetScope()[0].Coverage = labellingv1.Coverage_COVERAGE_PARTIAL
				}
				lists = append(lists, list{act.GetActRecorded().GetActId(), day, w.commit(act)})
			}
		}
		v1, k1 := asked.Draw(rt, "v1"), rapid.Uint64Range(25, w.head).Draw(rt, "k1")
		v2, k2 := asked.Draw(rt, "v2"), rapid.Uint64Range(25, w.head).Draw(rt, "k2")
		q := w.queries()
		got, err := q.DiffRegister(t.Context(), &registryv1.DiffRegisterRequest{From: at(v1, k1), To: at(v2, k2)})
		if err != nil {
			rt.Fatal(err)
		}
		checkLabels(rt, q, got.GetLearned(), at(v1, k1), at(v1, k2), slices.DeleteFunc(slices.Clone(lists), func(l list) bool {
			return l.position <= min(k1, k2) || l.position > max(k1, k2)
		}))
		checkLabels(rt, q, got.GetWorld(), at(v1, k2), at(v2, k2), slices.DeleteFunc(slices.Clone(lists), func(l list) bool {
			return l.position > k2 || l.day <= v1 || l.day > v2
		}))
	})
}

// byAbsence is the statuses that a label may have because a list leaves it out.
var byAbsence = map[labellingv1.Status]bool{
	inAbeyance: true, undetermined: true, labellingv1.Status_STATUS_LAPSED: true, labellingv1.Status_STATUS_EXPIRED: true,
}

// checkLabels compares differences of labels with the answers about each; lists are those
// that may have made them.
func checkLabels(rt *rapid.T, q *query.Queries, found []*registryv1.Difference, before, after *registryv1.AsOf, lists []list) {
	entry := func(id string, asOf *registryv1.AsOf) *registryv1.LabelEntry {
		got, _ := q.GetLabel(rt.Context(), &registryv1.GetLabelRequest{LabelId: id, AsOf: asOf}) // nil: not known
		return got.GetEntry()
	}
	for _, d := range found {
		if d.GetEntityKind() != "label" {
			continue
		}
		a, b := entry(d.GetEntityId(), before), entry(d.GetEntityId(), after)
		differs := a.GetStatus() != b.GetStatus() &&
			(byAbsence[b.GetStatus()] || byAbsence[a.GetStatus()] && before.GetKnownPosition() != after.GetKnownPosition())
		var made []string
		for _, l := range lists {
			was := entry(d.GetEntityId(), at(after.GetValidAt(), l.position-1))
			is := entry(d.GetEntityId(), at(after.GetValidAt(), l.position))
			if differs && was != nil && was.GetStatus() != is.GetStatus() {
				made = append(made, l.act)
			}
		}
		named := slices.DeleteFunc(slices.Clone(d.GetActIds()), func(id string) bool { return !strings.HasPrefix(id, "ALIST") })
		if slices.Sort(made); !slices.Equal(named, made) {
			rt.Fatalf("%v\nfrom %v %v\nto %v %v\nwas made by %v", d, before, a, after, b, made)
		}
		if b == nil || after.GetKnownPosition() == before.GetKnownPosition() && a.GetLabel() == nil {
			continue
		}
		name := cmp.Or(b.GetHolderName(), cmp.Or(b.GetNetworkAcronym(), b.GetNetworkTitle())+", "+cmp.Or(append(b.GetEstablishmentNames(), b.GetCity())...))
		if d.GetName() != name {
			rt.Fatalf("%v is called %q", d, name)
		}
		if i := slices.IndexFunc(d.GetChanges(), func(c *labellingv1.Change) bool { return c.GetField() == "status" }); i >= 0 != (a.GetStatus() != b.GetStatus()) ||
			i >= 0 && d.GetChanges()[i].GetAfter() != b.GetStatus().String() {
			rt.Fatalf("%v\nfrom %v\nto %v", d, a, b)
		}
	}
}

// TestDiffNamesAll: whatever differs has a name, its id where nothing better is known.
func TestDiffNamesAll(t *testing.T) {
	w := newWorld(t)
	before := w.commit(filiere("FACRONYM00", "", "SIGLE", "", ""))
	fsmr := &labellingv1.Holder{Holder: &labellingv1.Holder_FiliereId{FiliereId: "FACRONYM00"}}
	period := &eventv1.Period{Start: "2024-01-01", End: "2029-01-01"}
	w.commit(
		filiere("FNAME00000", "", "", "Nom", ""), network("NTITLE0000", "", "Réseau", "", ""), centre("CNOWHERE00"),
		&topologyv1.Event{Fact: &topologyv1.Event_CentreRegistered{CentreRegistered: &topologyv1.CentreRegistered{CentreId: "CTERRITORY", Place: &topologyv1.Place{DepartmentCode: "34"}}}},
		&labellingv1.Event{Fact: &labellingv1.Event_LabelGranted{LabelGranted: &labellingv1.LabelGranted{
			LabelId: "LFSMR00000", Holder: fsmr, Role: labellingv1.Role_ROLE_FSMR, Period: period,
		}}},
		granted("LNOWHERE00", site("SNOWHERE00", "CNOWHERE00", "NTITLE0000"), competence, "", "2024-01-01", "2029-01-01"),
		granted("LTERRITORY", site("STERRITORY", "CTERRITORY", "NTITLE0000"), competence, "", "2024-01-01", "2029-01-01"),
	)
	got, err := w.queries().DiffRegister(t.Context(), &registryv1.DiffRegisterRequest{From: at("2026-01-01", before), To: at("2026-01-01", w.head)})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range got.GetLearned() {
		names = append(names, d.GetEntityKind()+" "+d.GetName())
	}
	want := "label Réseau, label Réseau, Hérault, label SIGLE, centre 34, centre CNOWHERE00, network Réseau, filiere Nom"
	if s := strings.Join(names, ", "); s != want {
		t.Errorf("named %s, want %s", s, want)
	}
}

package query_test

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/labelling"
)

func TestCoverage(t *testing.T) {
	w := newWorld(t)
	here := func(n int) *labellingv1.Holder { return site(numbered("S", n), numbered("C", n), "N000000001") }
	signed := publishedAct("ASIGNED000")
	signed.GetActRecorded().SignedDate = "2022-06-15"
	unsigned := publishedAct("AUNSIGNED0")
	early := publishedAct("AEARLY0000")
	early.GetActRecorded().SignedDate = "2021-12-01"
	w.commit(filiere("F000000001", "", "OSCAR", "", ""), network("N000000001", "", "Réseau", "RES", "F000000001"), signed, unsigned, early)
	w.commit(
		granted("LABEYANCE0", here(1), competence, "", "2020-01-01", "2025-01-01"),
		granted("LREPEALED0", here(2), competence, "", "2020-01-01", "2028-01-01"), repealed("LREPEALED0", "2025-12-01"),
		granted("LEARLIER00", here(3), competence, "", "2015-01-01", "2020-01-01"), // its site holds another
		granted("LINFORCE00", here(3), competence, "", "2024-01-01", "2026-03-01"),
		granted("LGAP000000", here(4), competence, "", "2020-01-01", "2025-01-01"),
		granted("LPLANNED00", here(4), competence, "", "2027-01-01", "2032-01-01"),
		granted("LNEVER0000", here(5), competence, "", "2027-01-01", "2032-01-01"), // held none before
		granted("LMOVED0000", here(6), competence, "", "2015-01-01", "2025-01-01"),
		renewed("LMOVED0000", "LMOVEDTO00", here(7), competence, "", "2025-01-01", "2030-01-01"),
		granted("LUNSURE000", here(8), competence, "", "2020-01-01", "2026"),
		granted("LBRIDGED00", here(9), competence, "", "2017-01-01", "2022-01-01"), resting(extended("LBRIDGED00", "2030-01-01"), "ASIGNED000", 1),
		granted("LRECORDED0", here(10), competence, "", "2017-01-01", "2025-12-31"), resting(extended("LRECORDED0", "2030-01-01"), "AUNSIGNED0", 1),
		granted("LINTIME000", here(11), competence, "", "2017-01-01", "2022-01-01"), resting(extended("LINTIME000", "2030-01-01"), "AEARLY0000", 1),
	)
	q := w.queries()
	show := func(entries []*registryv1.CoverageEntry) string {
		var out []string
		for _, e := range entries {
			out = append(out, fmt.Sprintf("%s %s/%s %d", e.GetEntry().GetLabel().GetLabelId(), e.GetGap().GetStart(), e.GetGap().GetEnd(), e.GetDays()))
		}
		return strings.Join(out, "; ")
	}
	got, err := q.GetCoverage(t.Context(), &registryv1.GetCoverageRequest{AsOf: at("2026-01-31", w.head), WithinDays: 29, Filiere: "oscar"})
	if err != nil {
		t.Fatal(err)
	}
	if s := show(got.GetUncovered()); s != "LABEYANCE0 2025-01-01/ 395; LGAP000000 2025-01-01/2027-01-01 730; LREPEALED0 2025-12-01/ 61; LUNSURE000 2026/ 0" {
		t.Errorf("uncovered %s", s)
	}
	if s := show(got.GetEnding()); s != "LINFORCE00 2026-01-31/2026-03-01 29" {
		t.Errorf("ending %s", s)
	}
	if s := show(got.GetBridged()); s != "LBRIDGED00 2022-01-01/2022-06-15 165; LRECORDED0 2025-12-31/2026-01-10 10" {
		t.Errorf("bridged %s", s)
	}
	if got.GetCovered() != 5 {
		t.Errorf("%d covered", got.GetCovered())
	}
	if got, err = q.GetCoverage(t.Context(), &registryv1.GetCoverageRequest{AsOf: at("2026-01-31", w.head), WithinDays: 28}); err != nil || len(got.GetEnding()) != 0 {
		t.Errorf("a day less: %s, %v", show(got.GetEnding()), err)
	}
}

func TestCount(t *testing.T) {
	w := newWorld(t)
	totals := publishedAct("ATOTALS000", "2024-01-01")
	totals.GetActRecorded().AnnouncedTotals = []*labellingv1.AnnouncedTotal{
		{Unit: "coordonnateurs", Count: 2},
		{Unit: "réseaux", Count: 9},
		{Unit: "sites de référence (CRMR)", Count: 4},
		{Unit: "CRC", Count: 1},
		{Unit: "centres de compétence (UN)", Count: 5},
		{Unit: "CRMR", Count: 6},
		{Unit: "réseaux de la filière DEUX", Count: 7},
	}
	w.commit(
		establishment("E000000034", "", "CHU", "", "Montpellier", "34"), establishment("E000000069", "", "HCL", "", "Lyon", "69"),
		filiere("F000000001", "", "UN", "", ""), filiere("F000000002", "", "DEUX", "", ""),
		network("N000000001", "", "Un", "N1", "F000000001"), network("N000000002", "", "Deux", "N2", "F000000002"), network("N000000003", "", "Trois", "N3", ""),
		centre("C000000001", "E000000034", "E000000069"), centre("C000000002", "E000000069"), centre("C000000003"),
		totals,
	)
	crc := labellingv1.Role_ROLE_RESOURCE_AND_COMPETENCE
	w.commit(
		granted("L000000001", site("S000000001", "C000000001", "N000000001"), coordinator, "", "2024-01-01", "2029-01-01"),
		granted("L000000002", site("S000000002", "C000000001", "N000000002"), competence, "", "2024-01-01", "2029-01-01"), // the same team
		granted("L000000003", site("S000000003", "C000000002", "N000000001"), constitutive, "", "2019-01-01", "2025-01-01"),
		granted("L000000004", site("S000000004", "C000000002", "N000000002"), crc, "", "2024-01-01", "2029-01-01"),
		granted("L000000005", site("S000000005", "C000000003", "N000000003"), competence, "", "2019-01-01", "2026"),
		granted("L000000006", site("S000000006", "C000000003", "N000000001"), competence, "", "2027-01-01", "2032-01-01"), // planned
	)
	q := w.queries()
	const (
		unitNetwork   = registryv1.CountUnit_COUNT_UNIT_NETWORK
		unitReference = registryv1.CountUnit_COUNT_UNIT_REFERENCE_SITE
		unitLabel     = registryv1.CountUnit_COUNT_UNIT_LABEL
		unitCentre    = registryv1.CountUnit_COUNT_UNIT_CENTRE
		unitHospital  = registryv1.CountUnit_COUNT_UNIT_ESTABLISHMENT
		byRole        = registryv1.CountBy_COUNT_BY_ROLE
		byFiliere     = registryv1.CountBy_COUNT_BY_FILIERE
		byDepartment  = registryv1.CountBy_COUNT_BY_DEPARTMENT
	)
	for name, test := range map[string]struct {
		when *registryv1.CountEntitiesRequest
		then string // key in force, in abeyance, undetermined and announced; the total first
	}{
		"networks":                     {&registryv1.CountEntitiesRequest{Unit: unitNetwork}, " 2 0 1 9"},
		"reference sites":              {&registryv1.CountEntitiesRequest{Unit: unitReference}, " 1 1 0 4"},
		"reference sites, as with CRC": {&registryv1.CountEntitiesRequest{Unit: unitReference, WithCrc: true}, " 2 1 0 -"},
		"labels":                       {&registryv1.CountEntitiesRequest{Unit: unitLabel}, " 2 1 1 -"},
		"labels with CRC":              {&registryv1.CountEntitiesRequest{Unit: unitLabel, WithCrc: true}, " 3 1 1 -"},
		"a team once":                  {&registryv1.CountEntitiesRequest{Unit: unitCentre}, " 1 1 1 -"},
		"a team in force by its CRC":   {&registryv1.CountEntitiesRequest{Unit: unitCentre, WithCrc: true}, " 2 0 1 -"},
		"hospitals":                    {&registryv1.CountEntitiesRequest{Unit: unitHospital}, " 2 0 0 -"},
		"teams by filière, under both": {&registryv1.CountEntitiesRequest{Unit: unitCentre, By: byFiliere}, " 1 1 1 -; F000000002 1 0 0 -; F000000001 1 1 0 -;  0 0 1 -"},
		"teams by department, in each": {&registryv1.CountEntitiesRequest{Unit: unitCentre, By: byDepartment}, " 1 1 1 -; 34 1 0 0 -; 69 1 1 0 -;  0 0 1 -"},
		"hospitals where they are":     {&registryv1.CountEntitiesRequest{Unit: unitHospital, By: byDepartment}, " 2 0 0 -; 34 1 0 0 -; 69 1 0 0 -"},
		"by role, beside what is announced": {
			&registryv1.CountEntitiesRequest{Unit: unitLabel, By: byRole, WithCrc: true},
			" 3 1 1 -; ROLE_COORDINATOR 1 0 0 2; ROLE_CONSTITUTIVE 0 1 0 -; ROLE_COMPETENCE 1 0 1 -; ROLE_RESOURCE_AND_COMPETENCE 1 0 0 1",
		},
		"before the act has effect": {&registryv1.CountEntitiesRequest{Unit: unitNetwork, AsOf: at("2023-12-31", 17)}, " 2 0 0 -"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := q.CountEntities(t.Context(), test.when)
			if err != nil {
				t.Fatal(err)
			}
			var out []string
			for _, r := range append([]*registryv1.CountRow{got.GetTotal()}, got.GetRows()...) {
				announced := "-"
				if r.Announced != nil {
					announced = fmt.Sprint(r.GetAnnounced())
				}
				out = append(out, fmt.Sprintf("%s %d %d %d %s", r.GetKey(), r.GetInForce(), r.GetInAbeyance(), r.GetUndetermined(), announced))
			}
			if s := strings.Join(out, "; "); s != test.then {
				t.Errorf("got  %s\nwant %s", s, test.then)
			}
		})
	}
}

func TestTodo(t *testing.T) {
	w := fixture(t)
	odd := resting(confirmed("LCOMP00000"), "ASEAT00000", 4)
	odd.GetMeta().GetBasis().AsPrinted = []*eventv1.Printed{{Field: "Établissement", Value: "Hôpital Lapeyronie"}}
	right := resting(confirmed("LCOORD0000"), "ASEAT00000", 5)
	right.GetMeta().GetBasis().AsPrinted = []*eventv1.Printed{{Field: "Établissement", Value: "FEMME MERE ENFANT"}}
	unknown := resting(assertion("NSLA000000", labelling.UndeterminedLine, "ligne 12"), "ASEAT00000", 12)
	line := w.head + 4
	w.commit(
		publishedAct("ASEAT00000"), odd, right, unknown,
		centre("CNOWHERE00"), granted("LNOWHERE00", site("SNOWHERE00", "CNOWHERE00", "NOS0000000"), competence, "", "2020-01-01", "2025-01-01"),
		taken("OHEAD00000", "SBRONOS000", headOffice, "2025-01-01", ""),
		taken("OAPPROVED0", "SELOIOS000", headOffice, "2024-01-01", ""), approved("OAPPROVED0", "2024-06-01"),
		taken("OGONE00000", "NSLA000000", labellingv1.OfficeKind_OFFICE_KIND_COORDINATOR, "2024-01-01", ""), left("OGONE00000", "2025-05-01"),
		granted("LENDED0000", site("SENDED0000", "CTOWN00000", "NOS0000000"), competence, "", "2020-01-01", "2025-01-01"),
		&labellingv1.Event{Fact: &labellingv1.Event_DraftPrepared{DraftPrepared: &labellingv1.DraftPrepared{DraftId: "D000000001"}}},
	)
	got, err := w.queries().ListTodo(t.Context(), &registryv1.ListTodoRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var items []string
	for _, i := range got.GetItems() {
		if at := i.GetPosition(); (at == line) != (i.GetKind() == registryv1.TodoKind_TODO_KIND_IDENTITY) || at != 0 && at != line {
			t.Errorf("%v is of position %d", i, at)
		}
		items = append(items, fmt.Sprintf("%s %s (%s) %s %s", strings.TrimPrefix(i.GetKind().String(), "TODO_KIND_"), i.GetEntityId(), i.GetName(), i.GetSince(), i.GetActId()))
	}
	want := `IDENTITY NSLA000000 (Scléroses latérales)  ASEAT00000
VACANCY NSLA000000 (Scléroses latérales) 2025-05-01 
APPROVAL OHEAD00000 (MOC, Hôpital Femme-Mère-Enfant) 2025-01-01 
SEAT LCOMP00000 (MOC, Hôpital Saint-Éloi)  ASEAT00000
DRAFT D000000001 (D000000001) 2026-01-10 
ABEYANCE LNOWHERE00 (MOC) 2025-01-01 
ABEYANCE LENDED0000 (MOC, Fort-de-France) 2025-01-01 `
	if s := strings.Join(items, "\n"); s != want {
		t.Errorf("got\n%s\nwant\n%s", s, want)
	}
}

// A line that nobody could identify waits until it is settled; as known before, it waits
// still. The settlement is told of the line's entity, its act and the label, and is
// counted nowhere.
func TestSettledLineWaitsForNobody(t *testing.T) {
	w := fixture(t)
	line := w.head + 2
	w.commit(publishedAct("ASEAT00000"), resting(assertion("NSLA000000", labelling.UndeterminedLine, "ligne 12"), "ASEAT00000", 12))
	count := func() string {
		got, err := w.queries().CountEntities(t.Context(), &registryv1.CountEntitiesRequest{Unit: registryv1.CountUnit_COUNT_UNIT_LABEL, WithCrc: true})
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(got.GetTotal(), got.GetRows())
	}
	before := count()
	w.commit(&labellingv1.Event{Fact: &labellingv1.Event_AssertionSettled{AssertionSettled: &labellingv1.AssertionSettled{
		EntityId: "NSLA000000", Position: line, Outcome: labellingv1.Settlement_SETTLEMENT_SAME_LABEL, LabelId: "LCOMP00000",
	}}})
	if after := count(); after != before {
		t.Errorf("counted %s, before the settlement %s", after, before)
	}
	for known, want := range map[uint64]string{line: fmt.Sprintf("The line stayed undetermined: ligne 12 at %d", line), w.head: ""} {
		got, err := w.queries().ListTodo(t.Context(), &registryv1.ListTodoRequest{AsOf: at("", known)})
		if err != nil {
			t.Fatal(err)
		}
		message := ""
		for _, i := range got.GetItems() {
			if i.GetKind() == registryv1.TodoKind_TODO_KIND_IDENTITY {
				message += fmt.Sprintf("%s at %d", i.GetMessage(), i.GetPosition())
			}
		}
		if message != want {
			t.Errorf("known at %d, %q waits, want %q", known, message, want)
		}
	}
	for _, id := range []string{"NSLA000000", "ASEAT00000", "LCOMP00000"} {
		got, err := w.queries().ListHistory(t.Context(), &registryv1.ListHistoryRequest{EntityId: id})
		if err != nil {
			t.Fatal(err)
		}
		if facts := got.GetFacts(); len(facts) == 0 || facts[len(facts)-1].GetPosition() != w.head {
			t.Errorf("of %s the last that is told is %v, want the settlement", id, facts[len(facts)-1])
		}
	}
}

// What is compared, counted and covered at a moment is so for ever, whatever is recorded
// later; and two moments without a difference answer alike.
func TestComparisonsNeverChange(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := fixture(t)
		labels := []string{"LCOORD0000", "LCOMP00000", "LTOWN00000", "LREUNION00", "LORPHAN000"}
		dates := rapid.SampledFrom([]string{"2012-01-01", "2023-05-05", "2025-01-01", "2026-07-01", "2030-01-01"})
		type asked struct {
			from *registryv1.AsOf
			to   *registryv1.AsOf
			was  []proto.Message
		}
		answers := func(from, to *registryv1.AsOf) []proto.Message {
			q := w.queries() // with nothing kept from before
			diff, err1 := q.DiffRegister(t.Context(), &registryv1.DiffRegisterRequest{From: from, To: to})
			count, err2 := q.CountEntities(t.Context(), &registryv1.CountEntitiesRequest{AsOf: to, Unit: registryv1.CountUnit_COUNT_UNIT_CENTRE, By: registryv1.CountBy_COUNT_BY_FILIERE})
			coverage, err3 := q.GetCoverage(t.Context(), &registryv1.GetCoverageRequest{AsOf: to, WithinDays: 1000})
			if err1 != nil || err2 != nil || err3 != nil {
				rt.Fatal(err1, err2, err3)
			}
			diff.From.HeadPosition, diff.To.HeadPosition, count.Resolved.HeadPosition, coverage.Resolved.HeadPosition = 0, 0, 0, 0
			return []proto.Message{diff, count, proto.CloneOf(coverage)}
		}
		var all []asked
		for step := range rapid.IntRange(1, 10).Draw(rt, "steps") {
			label := rapid.SampledFrom(labels).Draw(rt, "label")
			from := dates.Draw(rt, "from")
			switch rapid.IntRange(0, 5).Draw(rt, "fact") {
			case 0:
				w.commit(establishmentRenamed("EELOI00000", from, numbered("Nom", step)))
			case 1:
				w.commit(networkAttached("NOS0000000", from, "FBRAIN0000"))
			case 2:
				w.commit(repealed(label, from))
			case 3:
				w.commit(correctedRole(label, 17, rapid.SampledFrom([]labellingv1.Role{coordinator, competence}).Draw(rt, "role")))
			case 4:
				w.commit(complete(numbered("ALIST", step), from))
			case 5:
				w.commit(granted(numbered("LNEW", step), site("SBRONOS000", "CBRON00000", "NOS0000000"), competence, "", from, "2035-01-01"))
			}
			a := asked{
				from: at(dates.Draw(rt, "v1"), rapid.Uint64Range(w.head-3, w.head).Draw(rt, "k1")),
				to:   at(dates.Draw(rt, "v2"), rapid.Uint64Range(w.head-3, w.head).Draw(rt, "k2")),
			}
			a.was = answers(a.from, a.to)
			all = append(all, a)
			mid := &registryv1.AsOf{ValidAt: a.from.GetValidAt(), KnownAt: a.to.GetKnownAt()}
			d := a.was[0].(*registryv1.DiffRegisterResponse)
			sameDifferences(rt, "learned", d.GetLearned(), state(rt, w, a.from), state(rt, w, mid))
			sameDifferences(rt, "world", d.GetWorld(), state(rt, w, mid), state(rt, w, a.to))
		}
		for _, a := range all {
			for i, now := range answers(a.from, a.to) {
				if !proto.Equal(now, a.was[i]) {
					rt.Fatalf("%v to %v was\n%v, and is now\n%v", a.from, a.to, a.was[i], now)
				}
			}
		}
	})
}

// sameDifferences looks whether what is found to differ is what does.
func sameDifferences(rt *rapid.T, what string, found []*registryv1.Difference, before, after map[string]string) {
	differ := map[string]bool{}
	for id := range before {
		differ[id] = before[id] != after[id]
	}
	for id := range after {
		differ[id] = before[id] != after[id]
	}
	for _, d := range found {
		if !differ[d.GetEntityId()] {
			rt.Fatalf("%s: %v does not differ", what, d)
		}
		delete(differ, d.GetEntityId())
	}
	for id, does := range differ {
		if does {
			rt.Fatalf("%s: %s is missing: %s, then %s", what, id, before[id], after[id])
		}
	}
}

// state prints, by other queries, what a comparison compares in these tests.
func state(rt *rapid.T, w *world, asOf *registryv1.AsOf) map[string]string {
	q := w.queries()
	var every []labellingv1.Status
	for s := range labellingv1.Status_name {
		every = append(every, labellingv1.Status(s))
	}
	labels, err1 := q.ListLabels(rt.Context(), &registryv1.ListLabelsRequest{AsOf: asOf, Statuses: every, PageSize: 1000})
	hospitals, err2 := q.ListEstablishments(rt.Context(), &registryv1.ListEstablishmentsRequest{AsOf: asOf})
	nets, err3 := q.ListNetworks(rt.Context(), &registryv1.ListNetworksRequest{AsOf: asOf})
	filieres, err4 := q.ListFilieres(rt.Context(), &registryv1.ListFilieresRequest{AsOf: asOf})
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil {
		rt.Fatal(err1, err2, err3, err4)
	}
	out := map[string]string{}
	for _, e := range labels.GetEntries() {
		l := e.GetLabel()
		out[l.GetLabelId()] = fmt.Sprint(e.GetStatus(), l.GetRole(), l.GetPeriod(), l.GetRepealedFrom(), e.GetFiliereId())
	}
	for _, e := range hospitals.GetEstablishments() {
		out[e.GetEstablishmentId()] = e.GetName()
	}
	for _, n := range nets.GetNetworks() {
		out[n.GetNetworkId()] = n.GetTitle() + n.GetFiliereId()
	}
	for _, f := range filieres.GetFilieres() {
		out[f.GetFiliereId()] = f.GetName()
	}
	return out
}

// A centre that others took the place of is no more, and its labels are odd.
func TestClosedCentre(t *testing.T) {
	w := fixture(t)
	before := w.head
	position := w.commit(centreSucceeded("2026-02-01", "CBRON00000", "CELOI00000"))
	q := w.queries()
	diff, err := q.DiffRegister(t.Context(), &registryv1.DiffRegisterRequest{From: at("2026-01-31", position), To: at("2026-02-01", position)})
	if want := "centre CBRON00000 DISAPPEARED [successor:>CELOI00000 closed_from:>2026-02-01] [26] []\ncentre CELOI00000 CHANGED [predecessor:>CBRON00000] [26] []"; err != nil || printDiff(diff.GetWorld()) != want {
		t.Errorf("world %s, %v", printDiff(diff.GetWorld()), err)
	}
	for _, asOf := range []*registryv1.AsOf{at("2026-01-31", position), at("2026-02-01", before), at("2026-02-01", position)} {
		todo, err := q.ListTodo(t.Context(), &registryv1.ListTodoRequest{AsOf: asOf})
		var found []string
		for _, i := range todo.GetItems() {
			if i.GetKind() == registryv1.TodoKind_TODO_KIND_CLOSED {
				found = append(found, i.GetEntityId()+" "+i.GetSince())
			}
		}
		want := ""
		if asOf.GetValidAt() == "2026-02-01" && asOf.GetKnownPosition() == position {
			want = "LCOORD0000 2026-02-01, LUNSURE000 2026-02-01"
		}
		if err != nil || strings.Join(found, ", ") != want {
			t.Errorf("%v: %v, %v", asOf, found, err)
		}
	}
}

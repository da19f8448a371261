package query_test

import (
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
)

// grown is a register of n labels in the proportions of the real one: 23 filières,
// one network for 10 labels or so, 200 hospitals, a centre and a site for each label.
func grown(b *testing.B, n int) *world {
	b.Helper()
	w := newWorld(b)
	var events []proto.Message
	for i := range 23 {
		events = append(events, filiere(numbered("F", i), "2014-01-01", fmt.Sprintf("FILIÈRE %d", i), "", ""))
	}
	for i := range 200 {
		events = append(events, establishment(numbered("E", i), "", fmt.Sprintf("Hôpital Sainte-Thérèse n° %d", i), "", "Saint-Étienne", "42"))
	}
	networks := max(n/10, 1)
	for i := range networks {
		events = append(events, network(numbered("N", i), "", fmt.Sprintf("Anomalies héréditaires de la %de espèce", i), fmt.Sprintf("AHE%d", i), numbered("F", i%23)))
	}
	events = append(events, cycle("Y000000000", "2023-2028", "2024-01-01", "2029-01-01"))
	for i := range n {
		events = append(
			events, centre(numbered("C", i), numbered("E", i%200)),
			granted(numbered("L", i), site(numbered("S", i), numbered("C", i), numbered("N", i%networks)),
				labellingv1.Role(i%5+1), "Y000000000", "2024-01-01", "2029-01-01"),
		)
	}
	w.commit(events...)
	w.records = nil // only their number counts from here on
	return w
}

func BenchmarkGetLabel(b *testing.B) {
	for _, n := range []int{2_500, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			q := grown(b, n).queries()
			i := 0
			for b.Loop() {
				i = (i + 7919) % n
				if _, err := q.GetLabel(b.Context(), &registryv1.GetLabelRequest{LabelId: numbered("L", i)}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Labels are read as fast where a million facts of activity stand beside them.
func BenchmarkLabelsBesideActivity(b *testing.B) {
	for _, measures := range []int{0, 1_000_000} {
		w := grown(b, 2_500)
		why := &eventv1.Basis{Source: "a national file"}
		for i := range measures {
			if err := w.state.Activity.Evolve(uint64(i+1), &activityv1.Event{
				Meta: &eventv1.Meta{Schema: 1, Basis: why},
				Fact: &activityv1.Event_MeasureRecorded{MeasureRecorded: &activityv1.MeasureRecorded{Measure: &activityv1.Measure{
					SiteId: numbered("S", i/200), Year: uint32(1990 + i/2%100), Unit: labellingv1.ThresholdUnit(i%2 + 1), Count: uint32(i),
				}}},
			}); err != nil {
				b.Fatal(err)
			}
		}
		w.state.Activity.Settle(uint64(measures))
		q := w.queries()
		b.Run(fmt.Sprintf("get/%d", measures), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				if _, err := q.GetLabel(b.Context(), &registryv1.GetLabelRequest{LabelId: numbered("L", i*7919%2_500)}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("list/%d", measures), func(b *testing.B) {
			for b.Loop() {
				if _, err := q.ListLabels(b.Context(), &registryv1.ListLabelsRequest{Filiere: "filiere 7"}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkListLabels(b *testing.B) {
	q := grown(b, 2_500).queries()
	for name, req := range map[string]*registryv1.ListLabelsRequest{
		"first100":  {},
		"first1000": {PageSize: 1000},
		"filiere":   {Filiere: "filiere 7"},
		"text":      {Text: "therese 17"},
		"misspelt":  {Text: "theresse 17"},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := q.ListLabels(b.Context(), req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkListCentres(b *testing.B) {
	q := grown(b, 2_500).queries()
	for b.Loop() {
		if _, err := q.ListCentres(b.Context(), &registryv1.ListCentresRequest{Text: "therese 17"}); err != nil {
			b.Fatal(err)
		}
	}
}

// national is a register with the history of the real one: three cycles, each closed by a
// complete list of every filière, 2,500 sites renewed from one to the next, and the
// platforms left out. It has 7,500 labels, and 2,500 more of sites that were lost.
func national(b *testing.B) *world {
	b.Helper()
	w := newWorld(b)
	const sites, lost = 2_500, 1_250
	var events []proto.Message
	for i := range 23 {
		events = append(events, filiere(numbered("F", i), "", fmt.Sprintf("FILIÈRE %d", i), "", ""))
	}
	for i := range 200 {
		events = append(events, establishment(numbered("E", i), "", fmt.Sprintf("Hôpital Sainte-Thérèse n° %d", i), "", "Saint-Étienne", "42"))
	}
	for i := range sites / 10 {
		events = append(events, network(numbered("N", i), "", fmt.Sprintf("Anomalies de la %de espèce", i), fmt.Sprintf("AHE%d", i), numbered("F", i%23)))
	}
	for i := range sites + 2*lost {
		events = append(events, centre(numbered("C", i), numbered("E", i%200)))
	}
	w.commit(events...)
	terms := []string{"2012-01-01", "2017-10-01", "2024-01-01", "2029-01-01"}
	for c := range 3 {
		id, actID := numbered("Y", c), numbered("A", c)
		events = []proto.Message{cycle(id, fmt.Sprint("cycle ", c), terms[c], terms[c+1]), complete(actID, terms[c])}
		for i := range sites {
			h := site(numbered("S", i), numbered("C", i), numbered("N", i%(sites/10)))
			role := labellingv1.Role(i%5 + 1)
			if c == 0 {
				events = append(events, resting(granted(numbered("L0", i), h, role, id, terms[c], terms[c+1]), actID, i+1))
				continue
			}
			events = append(events, resting(renewed(numbered(fmt.Sprint("L", c-1), i), numbered(fmt.Sprint("L", c), i), h, role, id, terms[c], terms[c+1]), actID, i+1))
		}
		for i := range lost {
			if c < 2 {
				n := sites + c*lost + i
				h := site(numbered("S", n), numbered("C", n), numbered("N", i%(sites/10)))
				events = append(events, resting(granted(numbered("M", n), h, competence, id, terms[c], terms[c+1]), actID, n+1))
			}
		}
		w.commit(events...)
	}
	for i := range 100 {
		w.commit(correctedRole(numbered("L2", i), w.head, competence))
	}
	return w
}

// complete is an act whose list is whole.
func complete(id, day string) *labellingv1.Event {
	e := act(id, "Arrêté "+day, "")
	e.GetActRecorded().EffectiveDate = day
	e.GetActRecorded().Publications = []*labellingv1.Publication{{Date: day}}
	e.GetActRecorded().Scope = []*labellingv1.ScopeCell{{Coverage: labellingv1.Coverage_COVERAGE_COMPLETE}}
	e.GetActRecorded().AnnouncedTotals = []*labellingv1.AnnouncedTotal{{Unit: "centres de compétence", Count: 500}}
	return e
}

// cpu is the processor time this process has used: on a machine that others use too it
// tells more than the clock does.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkNational reports the slowest of the fastest 99 in 100 answers.
func BenchmarkNational(b *testing.B) {
	w := national(b)
	q := w.queries()
	ctx := b.Context()
	head := w.head
	// Cold is with nothing kept from before.
	for name, ask := range map[string]func() error{
		"GetLabel": func() error {
			_, err := q.GetLabel(ctx, &registryv1.GetLabelRequest{LabelId: numbered("L1", 1234)})
			return err
		},
		"DiffYears": func() error {
			_, err := q.DiffRegister(ctx, &registryv1.DiffRegisterRequest{From: at("2025-01-01", head-100), To: at("2026-01-01", head)})
			return err
		},
		"DiffCycles": func() error {
			_, err := q.DiffRegister(ctx, &registryv1.DiffRegisterRequest{From: at("2020-01-01", head-100), To: at("2026-01-01", head)})
			return err
		},
		"DiffCyclesCold": func() error {
			_, err := w.queries().DiffRegister(ctx, &registryv1.DiffRegisterRequest{From: at("2020-01-01", head-100), To: at("2026-01-01", head)})
			return err
		},
		"CoverageCold": func() error {
			_, err := w.queries().GetCoverage(ctx, &registryv1.GetCoverageRequest{AsOf: at("2026-01-01", head), WithinDays: 365})
			return err
		},
		"CountCold": func() error {
			_, err := w.queries().CountEntities(ctx, &registryv1.CountEntitiesRequest{Unit: registryv1.CountUnit_COUNT_UNIT_LABEL})
			return err
		},
		"Coverage": func() error {
			_, err := q.GetCoverage(ctx, &registryv1.GetCoverageRequest{AsOf: at("2026-01-01", head), WithinDays: 365})
			return err
		},
		"CoverageInAbeyance": func() error {
			_, err := q.GetCoverage(ctx, &registryv1.GetCoverageRequest{AsOf: at("2030-01-01", head), WithinDays: 365})
			return err
		},
		"CountByRegion": func() error {
			_, err := q.CountEntities(ctx, &registryv1.CountEntitiesRequest{Unit: registryv1.CountUnit_COUNT_UNIT_CENTRE, By: registryv1.CountBy_COUNT_BY_REGION})
			return err
		},
		"CountByRole": func() error {
			_, err := q.CountEntities(ctx, &registryv1.CountEntitiesRequest{Unit: registryv1.CountUnit_COUNT_UNIT_LABEL, By: registryv1.CountBy_COUNT_BY_ROLE})
			return err
		},
		"Effects": func() error {
			_, err := q.ListActEffects(ctx, &registryv1.ListActEffectsRequest{ActId: numbered("A", 2)})
			return err
		},
		"Todo": func() error {
			_, err := q.ListTodo(ctx, &registryv1.ListTodoRequest{})
			return err
		},
		"PublishedByFirst": func() error {
			_, err := w.queries().GetLabel(ctx, &registryv1.GetLabelRequest{LabelId: numbered("L1", 1), AsOf: &registryv1.AsOf{PublishedBy: "2020-01-01"}})
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			var used, took []time.Duration
			for b.Loop() {
				before, start := cpu(b), time.Now()
				if err := ask(); err != nil {
					b.Fatal(err)
				}
				used, took = append(used, cpu(b)-before), append(took, time.Since(start))
			}
			for unit, all := range map[string][]time.Duration{"p99-cpu-ms": used, "p99-ms": took} {
				slices.Sort(all)
				b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, unit)
			}
		})
	}
}

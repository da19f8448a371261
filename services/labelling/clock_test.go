package labelling

import (
	"maps"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
)

// recordedAt appends what was decided as recorded at an instant.
func (w *world) recordedAt(at time.Time, events []*labellingv1.Event, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range events {
		e.Meta.RecordTime = timestamppb.New(at)
	}
	w.append(events, nil)
}

// told writes what is due.
func told(w *world, today string) (out []string) {
	for _, e := range Due(w.s, w.topo, day(today)) {
		if f := e.GetTermReached(); f != nil {
			out = append(out, "term "+f.GetLabelId()+" "+f.GetEnd())
		}
		if f := e.GetDayReached(); f != nil {
			out = append(out, "day "+f.GetEntityId()+" "+f.GetDate())
		}
	}
	return out
}

func TestDue(t *testing.T) {
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	grant := func(id string, g *labellingv1.Grant) func(*world) {
		return func(w *world) {
			events, err := w.granting(id, g)
			w.recordedAt(now, events, err)
		}
	}
	then := func(steps ...func(*world)) func(*world) {
		return func(w *world) {
			for _, step := range steps {
				step(w)
			}
		}
	}
	renew := func(id, successor string, g *labellingv1.Grant) func(*world) {
		return func(w *world) {
			events, err := w.renewing(id, successor, g)
			w.recordedAt(now, events, err)
		}
	}
	repeal := func(id, from string) func(*world) {
		return func(w *world) {
			events, err := w.repealing(id, from)
			w.recordedAt(now, events, err)
		}
	}
	held := grant("A", during(site(centre1, net1), "2023-12-29", "2028-12-29"))
	for _, c := range []struct {
		name  string
		given func(*world)
		today string
		want  []string
	}{
		{"not before its end", held, "2028-12-28", nil},
		{"on its end", held, "2028-12-29", []string{"term A 2028-12-29"}},
		{"after it", held, "2029-06-01", []string{"term A 2028-12-29"}},
		{"an end long past when it was recorded", grant("A", during(site(centre1, net1), "2017", "2022")), "2029-01-01", nil},
		{"an end on the very day", grant("A", during(site(centre1, net1), "2017", "2026-11-22")), "2029-01-01", nil},
		{"the end of a year, within it", grant("A", during(site(centre1, net1), "2023", "2027")), "2027-12-31", nil},
		{"the end of a year, once it is over", grant("A", during(site(centre1, net1), "2023", "2027")), "2028-01-01", []string{"term A 2027"}},
		{"no end", grant("A", during(site(centre1, net1), "2023", "")), "2040-01-01", nil},
		{"a planned label", grant("A", during(site(centre1, net1), "2027-01-01", "2031-12-31")), "2027-01-01", []string{"day A 2027-01-01"}},
		{
			"a planned label that a court annulled", then(grant("A", during(site(centre1, net1), "2027-01-01", "2031-12-31")), func(w *world) {
				events, err := AnnulLabel(w.s, &labellingv1.AnnulLabelRequest{Basis: source, LabelId: "A"})
				w.recordedAt(now, events, err)
			}), "2027-01-01", nil,
		},
		{"a start of no known day", grant("A", during(site(centre1, net1), "2027", "2031")), "2029-01-01", nil},
		{"repealed before its end", then(held, repeal("A", "2027-06-01")), "2029-01-01", []string{"day A 2027-06-01"}},
		{
			"renewed before its end, which is cut", then(held, renew("A", "B", during(site(centre1, net1), "2027-06-01", "2032-06-01"))),
			"2029-01-01",
			[]string{"day B 2027-06-01"},
		},
		{
			"renewed at its end", then(held, renew("A", "B", during(site(centre1, net1), "2028-12-29", "2033-12-29"))),
			"2029-01-01",
			[]string{"term A 2028-12-29", "day B 2028-12-29"},
		},
		{
			"corrected since", then(held, func(w *world) {
				events, err := w.correcting("A", w.at, func(r *labellingv1.CorrectLabelRequest) { r.Period = period("2023-12-29", "2029-12-29") })
				w.recordedAt(now, events, err)
			}), "2029-12-29", []string{"term A 2029-12-29"},
		},
		{
			"corrected and back again", then(held, func(w *world) {
				at := w.at
				for _, end := range []string{"2029-12-29", "2028-12-29"} {
					events, err := w.correcting("A", at, func(r *labellingv1.CorrectLabelRequest) { r.Period = period("2023-12-29", end) })
					w.recordedAt(now, events, err)
				}
			}), "2029-12-29", []string{"term A 2028-12-29"},
		},
		{
			"an office", func(w *world) {
				events, err := w.taking(taking{id: "O", holder: net1, kind: coordinator, start: "2026-12-01"})
				w.recordedAt(now, events, err)
				events, err = w.leaving("O", "2027-02-01")
				w.recordedAt(now, events, err)
			}, "2027-02-01", []string{"day O 2026-12-01", "day O 2027-02-01"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			c.given(w)
			if got := told(w, c.today); !slices.Equal(got, c.want) {
				t.Errorf("due are %q, want %q", got, c.want)
			}
		})
	}
}

// What tells that a day has come changes no answer, is told once, and is due again
// where it was rolled back.
func TestTell(t *testing.T) {
	w := newWorld(t)
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	events, err := w.granting("A", during(site(centre1, net1), "2027-01-01", "2028-12-29"))
	w.recordedAt(now, events, err)
	today := day("2028-12-29")
	due := Due(w.s, w.topo, today)
	if len(due) != 2 {
		t.Fatalf("due are %v", due)
	}
	rows, said := dump(t, w.s), answers(w, w.at)
	at := w.at
	for _, e := range due {
		if _, err := Tell(w.s, w.topo, day("2026-12-31"), e, source); err == nil {
			t.Errorf("%v is told before its day", e)
		}
		events, err := Tell(w.s, w.topo, today, e, source)
		w.recordedAt(now, events, err)
		if _, err := Tell(w.s, w.topo, today, e, source); err == nil {
			t.Errorf("%v is told twice", e)
		}
	}
	if got := dump(t, w.s); got != rows {
		t.Errorf("telling it changed what is known:\n%s\nwas\n%s", got, rows)
	}
	if got := answers(w, w.at); !maps.Equal(got, said) {
		t.Errorf("telling it changed an answer:\n%v\nwas\n%v", got, said)
	}
	if got := told(w, "2030-01-01"); got != nil {
		t.Errorf("due again: %q", got)
	}
	w.s.Rollback(at)
	if got := told(w, "2030-01-01"); len(got) != 2 {
		t.Errorf("what told it was rolled back, and due are %q", got)
	}
}

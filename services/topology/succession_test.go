package topology

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"maillage/services/fault"
)

// newSuccession also has C2 and C3, and N2 and N3; C1 closed in 2020 and C2 took its
// place, and so did N2 that of N1 on 1 March 2020.
func newSuccession(t *testing.T) *world {
	w := newWorld(t)
	for _, id := range []string{"2", "3"} {
		w.append(regC("C"+id, "E1")(w.s))
		w.append(regN("N"+id, "L1")(w.s))
	}
	w.append(sucC("2020", []string{"C1"}, "C2")(w.s))
	w.append(sucN("2020-03-01", []string{"N1"}, "N2")(w.s))
	return w
}

func TestClosed(t *testing.T) {
	for _, c := range []struct {
		name string
		when decision
		want string // reason and field, empty where it is decided
	}{
		{"closes again", sucC("2024", []string{"C1"}, "C3"), "CENTRE_CLOSED predecessor_ids[0]"},
		{"closes again, before", sucC("2010", []string{"C1"}, "C3"), "CENTRE_CLOSED predecessor_ids[0]"},
		{"a network closes again", sucN("2024", []string{"N1"}, "N3"), "NETWORK_CLOSED predecessor_ids[0]"},
		{"a closed one takes a place", sucC("2024", []string{"C3"}, "C1"), "CENTRE_CLOSED successor_ids[0]"},
		{"one that closes later took a place", sucC("2015", []string{"C3"}, "C1"), ""},
		{"would come after itself", sucC("2015", []string{"C2"}, "C1"), "SUCCEEDS_ITSELF successor_ids[0]"},
		{"renamed once closed", renC("C1", "2021", "n"), "CENTRE_CLOSED centre_id"},
		{"renamed before", renC("C1", "2019", "n"), ""},
		{"renamed in the year it closes", renC("C1", "2020", "n"), ""},
		{"moved once closed", movC("C1", "2021", "E2"), "CENTRE_CLOSED centre_id"},
		{"attached once closed", attC("C1", "2021", "E2"), "CENTRE_CLOSED centre_id"},
		{"a network renamed on its closing day", renN("N1", "2020-03-01", "n", ""), "NETWORK_CLOSED network_id"},
		{"a network renamed the day before", renN("N1", "2020-02-29", "n", ""), ""},
		{"a network attached once closed", attN("N1", "2021", "L2"), "NETWORK_CLOSED network_id"},
		{"its successor renamed", renN("N2", "2021", "n", ""), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newSuccession(t)
			events, err := c.when(w.s)
			if c.want == "" {
				w.append(events, err)
				return
			}
			var f *fault.Error
			if !errors.As(err, &f) || f.Reason+" "+f.Field != c.want {
				t.Errorf("decided %v, %v; want %s", events, err, c.want)
			}
		})
	}
}

// A predecessor keeps its id and stays readable on every day; each says who came
// before and after it from that day on, and as known before the fact nothing of it.
func TestSuccession(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"C2", "C3", "C4"} {
		w.append(regC(id, "E1")(w.s))
	}
	before := w.at
	w.append(sucC("2020-03-01", []string{"C1", "C2"}, "C3", "C4")(w.s))
	if got := w.at - before; got != 1 {
		t.Errorf("%d facts", got)
	}
	is := func(id, on string, known uint64) string {
		c, ok := w.s.Centres.At(id, day(on), known)
		if !ok {
			return "unknown"
		}
		return strings.Join([]string{c.GetName(), strings.Join(c.GetPredecessorIds(), " "), strings.Join(c.GetSuccessorIds(), " "), c.GetClosedFrom()}, ";")
	}
	for _, c := range []struct{ id, on, want string }{
		{"C1", "2020-02-29", "C1;;;"},
		{"C1", "2020-03-01", "C1;;C3 C4;2020-03-01"},
		{"C1", "2040-01-01", "C1;;C3 C4;2020-03-01"},
		{"C2", "2020-03-01", ";;C3 C4;2020-03-01"},
		{"C3", "2020-02-29", ";;;"},
		{"C3", "2020-03-01", ";C1 C2;;"},
		{"C4", "2020-03-01", ";C1 C2;;"},
	} {
		if got := is(c.id, c.on, w.at); got != c.want {
			t.Errorf("%s on %s is %q, want %q", c.id, c.on, got, c.want)
		}
		if got := is(c.id, c.on, before); strings.Count(got, ";") != 3 || strings.Trim(got, ";C1") != "" {
			t.Errorf("%s on %s, as known before, is %q", c.id, c.on, got)
		}
	}
}

func TestMove(t *testing.T) {
	w := newWorld(t)
	w.append(movC("C1", "2015-09-01", "E2")(w.s))
	for on, want := range map[string][]string{"2015-08-31": {"C1", "1", "E1"}, "2015-09-01": {"C1", "2", "E2"}} {
		if got := facts(w.s, "C1", day(on), w.at); !slices.Equal(got, want) {
			t.Errorf("on %s: %q, want %q", on, got, want)
		}
	}
}

// A first day that lay ahead when its fact was recorded is told once it has come, once,
// and nothing else is. What tells it changes no answer.
func TestDue(t *testing.T) {
	w := newWorld(t)
	// 23:30 UTC on 30 June is 1 July in Paris.
	recorded := timestamppb.New(time.Date(2026, 6, 30, 23, 30, 0, 0, time.UTC))
	record := func(d decision) {
		events, err := d(w.s)
		for _, e := range events {
			e.Meta.RecordTime = recorded
		}
		w.append(events, err)
	}
	record(renC("C1", "2026-07-01", "today"))
	record(renC("C1", "2019-07-01", "past"))
	record(renC("C1", "2027", "some day of a year"))
	record(renC("C1", "2026-07-02", "tomorrow"))
	tomorrow := w.at
	record(attN("N1", "2027-01-01", "L2"))
	due := func(today string) (days []string) {
		for _, e := range Due(w.s, day(today)) {
			f := e.GetDayReached()
			days = append(days, f.GetEntityId()+" "+f.GetDate())
		}
		return days
	}
	if got := due("2026-07-01"); got != nil {
		t.Errorf("due on the day: %q", got)
	}
	if got := due("2027-03-01"); !slices.Equal(got, []string{"C1 2026-07-02", "N1 2027-01-01"}) {
		t.Errorf("due later: %q", got)
	}
	e := Due(w.s, day("2026-07-02"))[0]
	if e.GetDayReached().GetPosition() != tomorrow {
		t.Errorf("it tells of position %d, want %d", e.GetDayReached().GetPosition(), tomorrow)
	}
	if _, err := Tell(w.s, day("2026-07-01"), e, source); err == nil {
		t.Error("told before the day")
	}
	was := dump(t, w.s)
	events, err := Tell(w.s, day("2026-07-02"), e, source)
	if err != nil || Subject(events[0]) != "registry.topology.day.C1" {
		t.Fatal(events, err)
	}
	w.append(events, nil)
	if is := dump(t, w.s); is != was {
		t.Errorf("it changed what is known:\n%s\nwas\n%s", is, was)
	}
	if _, err := Tell(w.s, day("2026-07-02"), e, source); err == nil {
		t.Error("told twice")
	}
	if got := due("2026-07-02"); got != nil {
		t.Errorf("told, and due again: %q", got)
	}
	w.s.Rollback(w.at - 1)
	if got := due("2026-07-02"); !slices.Equal(got, []string{"C1 2026-07-02"}) {
		t.Errorf("what told it was rolled back, and due is %q", got)
	}
	w.s.Rollback(tomorrow - 1)
	if got := due("2030-01-01"); got != nil {
		t.Errorf("its fact was rolled back, and due is %q", got)
	}
}

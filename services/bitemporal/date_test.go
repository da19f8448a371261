package bitemporal

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestSpan(t *testing.T) {
	for _, c := range []struct{ in, earliest, latest string }{
		{"", "-infinity", "infinity"},
		{"2022", "2022-01-01", "2022-12-31"},
		{"2022-11", "2022-11-01", "2022-11-30"},
		{"2022-12", "2022-12-01", "2022-12-31"},
		{"2023-02", "2023-02-01", "2023-02-28"},
		{"2024-02", "2024-02-01", "2024-02-29"},
		{"1900-02", "1900-02-01", "1900-02-28"},
		{"2000-02", "2000-02-01", "2000-02-29"},
		{"2023-12-29", "2023-12-29", "2023-12-29"},
		{"1970-01-01", "1970-01-01", "1970-01-01"},
		{"1969-12-31", "1969-12-31", "1969-12-31"},
		{"0001", "0001-01-01", "0001-12-31"},
		{"9999", "9999-01-01", "9999-12-31"},
		{"9999-12-31", "9999-12-31", "9999-12-31"},
	} {
		earliest, latest, err := Span(c.in)
		if err != nil || earliest.String() != c.earliest || latest.String() != c.latest {
			t.Errorf("Span(%q) = %v, %v, %v; want %v, %v", c.in, earliest, latest, err, c.earliest, c.latest)
		}
	}
}

func TestNoDate(t *testing.T) {
	for _, in := range []string{
		"2023-02-30", "2023-02-29", "1900-02-29", "2023-04-31", "2023-13-01", "2023-00-10", "2023-01-00", "2023-01-32",
		"20230101", "2023-1-1", "2023-01-1", "0000", "0000-01-01", "0000-12",
		" 2023-01-01", "2023-01-01 ", "2023 01 01", " ", "    ", "2023/01/01", "01-01-2023", "01/01/2023",
		"2023-01-01T00:00:00Z", "-2023-01-1", "+2023", "-001", "2023-", "2023-0", "23", "12023", "2023-01-", "2023-1a",
		"abcd", "2O23", "٢٠٢٣", "2023‐01‐01", "2023-01-0\x00", "\xff\xfe\xfd\xfc",
	} {
		if a, b, err := Span(in); !errors.Is(err, ErrDate) {
			t.Errorf("Span(%q) = %v, %v, %v; want ErrDate", in, a, b, err)
		}
		if d, err := ParseDate(in); !errors.Is(err, ErrDate) {
			t.Errorf("ParseDate(%q) = %v, %v; want ErrDate", in, d, err)
		}
	}
	for _, in := range []string{"", "2023", "2023-01"} {
		if d, err := ParseDate(in); !errors.Is(err, ErrDate) {
			t.Errorf("ParseDate(%q) = %v, %v; want ErrDate: not a full date", in, d, err)
		}
	}
}

func TestDatesAreDaysSince1970(t *testing.T) {
	for in, want := range map[string]Date{"1970-01-01": 0, "1970-01-02": 1, "1969-12-31": -1, "2000-03-01": 11017, "0001-01-01": -719162} {
		if d, err := ParseDate(in); err != nil || d != want {
			t.Errorf("ParseDate(%q) = %d, %v; want %d", in, d, err, want)
		}
	}
}

func TestDateRoundTrip(t *testing.T) {
	first, last := date(t, "0001-01-01"), date(t, "9999-12-31")
	rapid.Check(t, func(r *rapid.T) {
		d := Date(rapid.Int32Range(int32(first), int32(last)).Draw(r, "day"))
		back, err := ParseDate(d.String())
		if err != nil || back != d {
			r.Fatalf("%d prints %v, reads %d, %v", d, d, back, err)
		}
		for _, n := range []int{4, 7} {
			earliest, latest, err := Span(d.String()[:n])
			before, after := (earliest - 1).String(), (latest + 1).String()
			if err != nil || d < earliest || d > latest || before[:n] == d.String()[:n] || after[:n] == d.String()[:n] {
				r.Fatalf("Span(%q) = %v, %v, %v", d.String()[:n], earliest, latest, err)
			}
		}
	})
}

func FuzzSpan(f *testing.F) {
	for _, s := range []string{"", "2023", "2023-02", "2023-02-28", "2023-02-30", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		earliest, latest, err := Span(s)
		if err == nil && s != "" && (earliest > latest || earliest.String()[:len(s)] != s || latest.String()[:len(s)] != s) {
			t.Errorf("Span(%q) = %v, %v", s, earliest, latest)
		}
	})
}

func TestToday(t *testing.T) {
	for _, c := range []struct{ given, instant, want string }{
		{"winter, the last second of the day", "2023-12-29T22:59:59Z", "2023-12-29"},
		{"winter, midnight in Paris", "2023-12-29T23:00:00Z", "2023-12-30"},
		{"winter, midnight in Greenwich", "2023-12-30T00:00:00Z", "2023-12-30"},
		{"summer, the last second of the day", "2023-07-13T21:59:59.999999999Z", "2023-07-13"},
		{"summer, midnight in Paris", "2023-07-13T22:00:00Z", "2023-07-14"},
		{"the night clocks go forward, before", "2024-03-30T22:59:59Z", "2024-03-30"},
		{"the night clocks go forward, midnight is of winter time", "2024-03-30T23:00:00Z", "2024-03-31"},
		{"the instant clocks go forward", "2024-03-31T01:00:00Z", "2024-03-31"},
		{"the day clocks went forward, its end is of summer time", "2024-03-31T21:59:59Z", "2024-03-31"},
		{"the day after clocks went forward", "2024-03-31T22:00:00Z", "2024-04-01"},
		{"the night clocks go back, midnight is of summer time", "2024-10-26T22:00:00Z", "2024-10-27"},
		{"the instant clocks go back", "2024-10-27T01:00:00Z", "2024-10-27"},
		{"the day clocks went back, 22:30 is not yet tomorrow", "2024-10-27T22:30:00Z", "2024-10-27"},
		{"the day after clocks went back", "2024-10-27T23:00:00Z", "2024-10-28"},
		{"given in a zone far east", "2024-01-01T05:00:00+12:00", "2023-12-31"},
		{"new year", "2023-12-31T23:00:00Z", "2024-01-01"},
	} {
		instant, err := time.Parse(time.RFC3339Nano, c.instant)
		if err != nil {
			t.Fatal(err)
		}
		if got := Today(instant).String(); got != c.want {
			t.Errorf("%s: Today(%s) = %s, want %s", c.given, c.instant, got, c.want)
		}
	}
}

func TestContains(t *testing.T) {
	i := Interval{date(t, "2017-11-25"), date(t, "2022-11-25")}
	for in, want := range map[string]bool{"2017-11-24": false, "2017-11-25": true, "2022-11-24": true, "2022-11-25": false} {
		if i.Contains(date(t, in)) != want {
			t.Errorf("%s: want %v", in, want)
		}
	}
	if (Interval{5, 5}).Contains(5) || (Interval{6, 5}).Contains(5) {
		t.Error("an empty interval contains a day")
	}
	if !(Interval{Past, Future}).Contains(Past) || !(Interval{Past, Future}).Contains(0) {
		t.Error("the whole of time misses a day")
	}
}

func date(t testing.TB, s string) Date {
	t.Helper()
	d, err := ParseDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

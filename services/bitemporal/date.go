package bitemporal

import (
	"errors"
	"fmt"
	"math"
	"time"
	_ "time/tzdata" // Europe/Paris must be known on a machine without zone files
)

// Date is a civil date in Europe/Paris, in days since 1970-01-01. It has no time of
// day and no zone of its own. The zero value is 1970-01-01.
type Date int32

// The open ends of time. Past is before and Future after every date that can be
// written; in an [Interval] they mean "no start known" and "no end known".
const (
	Past   Date = math.MinInt32
	Future Date = math.MaxInt32
)

// ErrDate is returned, wrapped with the text at fault, for what is no date.
var ErrDate = errors.New("not a date")

// Cannot fail, since tzdata is linked in; TestToday would show it.
var paris, _ = time.LoadLocation("Europe/Paris")

const secondsPerDay = 24 * 60 * 60

// ParseDate reads a full calendar date, exactly YYYY-MM-DD, of the years 0001 to
// 9999 in the Gregorian calendar. Anything else is [ErrDate], days that do not exist
// (2023-02-30) and dates of reduced precision ([Span] reads these) included.
func ParseDate(s string) (Date, error) {
	if len(s) != len("2006-01-02") {
		return 0, fmt.Errorf("%w: %q is not YYYY-MM-DD", ErrDate, s)
	}
	first, _, err := Span(s)
	return first, err
}

// Span reads a date of reduced precision, YYYY-MM-DD, YYYY-MM or YYYY, and returns the
// first and the last day it may be, both included: "2022" is 2022-01-01 to 2022-12-31.
// The empty string is an unknown date, Past to Future. Anything else is [ErrDate].
func Span(s string) (earliest, latest Date, err error) {
	if s == "" {
		return Past, Future, nil
	}
	year, month, day := 0, 1, 1
	ok := true
	switch len(s) {
	case 10:
		day, ok = digits(s[8:])
		ok = ok && s[7] == '-'
		fallthrough
	case 7:
		var good bool
		month, good = digits(s[5:7])
		ok = ok && good && s[4] == '-'
		fallthrough
	case 4:
		var good bool
		year, good = digits(s[:4])
		ok = ok && good
	default:
		ok = false
	}
	if !ok {
		return 0, 0, fmt.Errorf("%w: %q is not YYYY-MM-DD, YYYY-MM or YYYY", ErrDate, s)
	}
	// A day or month out of range would be carried over by the calendar.
	if year == 0 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return 0, 0, fmt.Errorf("%w: %q is not in the calendar", ErrDate, s)
	}
	first := civil(year, month, day)
	switch len(s) {
	case 4:
		return first, civil(year+1, 1, 1) - 1, nil
	case 7:
		return first, civil(year, month+1, 1) - 1, nil
	}
	return first, first, nil
}

// String writes the date as YYYY-MM-DD, and Past and Future as -infinity and infinity,
// as PostgreSQL does.
func (d Date) String() string {
	switch d {
	case Past:
		return "-infinity"
	case Future:
		return "infinity"
	}
	return time.Unix(int64(d)*secondsPerDay, 0).UTC().Format(time.DateOnly)
}

// Today is the date in Europe/Paris at the instant now, whatever zone now is in.
func Today(now time.Time) Date {
	y, m, d := now.In(paris).Date()
	return civil(y, int(m), d)
}

// Begin is the instant at which the day begins in Europe/Paris, which is midnight there
// also on the two days of the year that have 23 and 25 hours.
func (d Date) Begin() time.Time {
	y, m, day := time.Unix(int64(d)*secondsPerDay, 0).UTC().Date()
	return time.Date(y, m, day, 0, 0, 0, 0, paris)
}

func civil(year, month, day int) Date {
	return Date(time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC).Unix() / secondsPerDay)
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

func digits(s string) (int, bool) {
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}

// Interval is the days from From up to but not including To. Past and Future stand
// for ends that are open or unknown; a To not after From makes it empty.
type Interval struct{ From, To Date }

// Contains reports whether d is a day of the interval.
func (i Interval) Contains(d Date) bool { return i.From <= d && d < i.To }

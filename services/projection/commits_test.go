package projection

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	eventv1 "maillage/proto/gen/maillage/event/v1"
)

// What is known of commits is what a walk through all of them tells, the first of those
// with one request included, whatever was rolled back.
func TestCommitsAreAsAWalk(t *testing.T) {
	type one struct {
		first, last uint64
		request     string
	}
	rapid.Check(t, func(r *rapid.T) {
		var c commits
		var model []one
		end := uint64(0)
		for range rapid.IntRange(0, 30).Draw(r, "steps") {
			if rapid.IntRange(0, 3).Draw(r, "rollback") == 0 {
				n := rapid.IntRange(0, len(model)).Draw(r, "kept")
				if model = model[:n]; n == 0 {
					end = 0
				} else {
					end = model[n-1].last
				}
				c.rollback(end)
			} else {
				next := one{end + 1, end + rapid.Uint64Range(1, 3).Draw(r, "events"), rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(r, "request")}
				end = next.last
				model = append(model, next)
				c.add(end, &eventv1.Meta{
					Actor: &eventv1.Actor{Account: "preparer"}, Approver: &eventv1.Actor{Account: "account"},
					RequestId: next.request, RecordTime: timestamppb.New(time.Unix(int64(end), 0)),
				})
			}
			for _, request := range []string{"", "a", "b", "c"} {
				want := "no answer"
				for _, m := range model {
					if m.request == request {
						want = fmt.Sprint(m.first, m.last)
						break
					}
				}
				got := "no answer"
				if a, known := c.answer(keyOf("account", request)); known {
					got = fmt.Sprint(a.first, a.last)
				}
				if got != want {
					r.Fatalf("request %q: %s, want %s of %v", request, got, want, model)
				}
			}
			for position := uint64(1); position <= end; position++ {
				var before, of uint64
				for _, m := range model {
					if m.last <= position {
						before = m.last
					}
					if m.first <= position && position <= m.last {
						of = m.last
					}
				}
				if got := c.end(position); got != before {
					r.Fatalf("the last commit by %d ends at %d, want %d", position, got, before)
				}
				if got := c.time(position); got.Unix() != int64(of) {
					r.Fatalf("position %d is known from %v, want %d s", position, got, of)
				}
				if got := c.at(time.Unix(int64(position), 0)); got != before {
					r.Fatalf("known at %d s is %d, want %d", position, got, before)
				}
			}
		}
	})
}

// Nothing is known in the past of the log, however long ago: the years that nanoseconds
// in 64 bits reach are 1678 to 2262.
func TestNothingWasKnownBefore(t *testing.T) {
	var c commits
	c.add(1, &eventv1.Meta{RecordTime: timestamppb.New(time.Date(2026, 1, 10, 0, 0, 0, 0, time.UTC))})
	for year, want := range map[int]uint64{1: 0, 1000: 0, 1500: 0, 1600: 0, 1700: 0, 2025: 0, 2027: 1, 2300: 1, 9999: 1} {
		if got := c.at(time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)); got != want {
			t.Errorf("in %d %d was known, want %d", year, got, want)
		}
	}
}

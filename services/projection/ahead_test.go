package projection

import (
	"errors"
	"iter"
	"math"
	"runtime/debug"
	"testing"
)

func numbers(n int, then error, ended chan<- bool) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		defer close(ended)
		for i := range n {
			if !yield(i, nil) {
				return
			}
		}
		if then != nil {
			yield(0, then)
		}
	}
}

func TestReadAheadKeepsTheOrder(t *testing.T) {
	broken := errors.New("broken")
	for _, n := range []int{0, 1, batchRecords - 1, batchRecords, batchRecords + 1, 20 * batchRecords} {
		for _, then := range []error{nil, broken} {
			a := readAhead(numbers(n, then, make(chan bool)))
			for i := range n {
				if got, ok, err := a.next(); got != i || !ok || err != nil {
					t.Fatalf("of %d, element %d is %d, %v, %v", n, i, got, ok, err)
				}
			}
			if _, ok, err := a.next(); ok || !errors.Is(err, then) {
				t.Errorf("after %d: %v, %v, want %v", n, ok, err, then)
			}
			a.close()
		}
	}
}

func TestReadAheadEndsWhenClosed(t *testing.T) {
	for _, taken := range []int{0, 1, 3 * batchRecords} {
		ended := make(chan bool)
		a := readAhead(numbers(math.MaxInt, nil, ended))
		for range taken {
			if _, ok, err := a.next(); !ok || err != nil {
				t.Fatal(ok, err)
			}
		}
		a.close()
		<-ended
	}
}

// TestCollectorHeedsTheOperator: off stays off, rarer stays as rare, and what is often
// is relaxed, more so during a replay.
func TestCollectorHeedsTheOperator(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	now := func() int {
		percent := debug.SetGCPercent(100)
		debug.SetGCPercent(percent)
		return percent
	}
	for _, percent := range []int{-1, 30, 1_000_000} {
		debug.SetGCPercent(percent)
		var c collector
		first, second := c.relax(), c.relax()
		first()
		during := now()
		second()
		after := now()
		c.follow()
		switch {
		case percent != 30 && (during != percent || after != percent):
			t.Errorf("it is %d during a replay and %d after, the operator set %d", during, after, percent)
		case percent == 30 && (after <= percent || during <= after):
			t.Errorf("it is %d during a replay and %d after: not relaxed", during, after)
		}
	}
}

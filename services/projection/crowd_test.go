package projection_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"maillage/services/projection"
)

// crowd is a writer and a ledger whose appends take 3 ms, on the clock of a bubble.
func crowd(t *testing.T) (w *replica, appended *atomic.Int32) {
	var log slow
	log.Log, log.appended, log.lost = opened(t), new(atomic.Int32), new(atomic.Int32)
	w = startWith(t, projection.Config{Log: log, Ledger: newStore(t, t.TempDir())})
	if err := w.View(t.Context(), 1, func(uint64) error { return nil }); err != nil {
		t.Fatal(err)
	}
	return w, log.appended
}

// ask has callers do rounds of commands; each thinks, on the clock of the bubble, a little
// longer than the one before it.
func ask(t *testing.T, w *replica, callers, rounds int, name string) {
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for round := range rounds {
				time.Sleep(time.Duration(caller) * 40 * time.Microsecond)
				id := fmt.Sprint(name, caller, "-", round)
				if _, err := w.Do(t.Context(), w.take("a", id, id)); err != nil {
					t.Errorf("%s: %v", id, err)
				}
			}
		})
	}
	wg.Wait()
}

// TestCrowd: callers who were answered together are waited for, so that each of their
// rounds is one append.
func TestCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, appended := crowd(t)
		const rounds = 20
		ask(t, w, 32, rounds, "")
		if n := appended.Load(); n > rounds+3 { // until the first ones have come together
			t.Errorf("%d appends for %d rounds", n, rounds)
		}
	})
}

// TestCrowdGone: once a crowd has gone, a caller waits for it once and not long; where that
// was a while ago, not at all; and a few callers wait for nobody.
func TestCrowdGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := crowd(t)
		lone := func(name string) time.Duration {
			begun := time.Now()
			ask(t, w, 1, 1, name)
			return time.Since(begun)
		}
		const alone = 3 * time.Millisecond // what the append takes
		ask(t, w, 32, 3, "")
		if first, second := lone("a"), lone("b"); first > 2*alone || second != alone {
			t.Errorf("after a crowd commands take %v and %v", first, second)
		}
		ask(t, w, 32, 3, "later")
		time.Sleep(100 * time.Millisecond) // of the bubble's clock
		if d := lone("c"); d != alone {
			t.Errorf("long after a crowd a command takes %v", d)
		}
		ask(t, w, 3, 3, "few")
		if d := lone("d"); d != alone {
			t.Errorf("after a few a command takes %v", d)
		}
	})
}

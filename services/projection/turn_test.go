package projection_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"maillage/services/eventlog"
	"maillage/services/ledger"
	"maillage/services/projection"
)

// slow is a log whose appends take time, and which counts those that lost a race.
type slow struct {
	eventlog.Log
	appended, lost *atomic.Int32
}

func (l slow) Append(ctx context.Context, expected uint64, records []eventlog.Record) error {
	time.Sleep(3 * time.Millisecond) // of the bubble's clock
	err := l.Log.Append(ctx, expected, records)
	l.appended.Add(1)
	if errors.Is(err, eventlog.ErrMoved) {
		l.lost.Add(1)
	}
	return err
}

// contention is three writers and a ledger on one log, on the clock of a bubble.
type contention struct {
	log            slow
	writers        []*replica
	appended, lost atomic.Int32
}

func contend(t *testing.T, tell func(c *contention, b []byte)) *contention {
	c := &contention{}
	c.log = slow{opened(t), &c.appended, &c.lost}
	var told func([]byte)
	if tell != nil {
		told = func(b []byte) { tell(c, b) }
	}
	for range 3 {
		c.writers = append(c.writers, startWith(t, projection.Config{Log: c.log, Tell: told}))
	}
	start(t, c.log, newStore(t, t.TempDir()), func(h ledger.Head) {
		for _, w := range c.writers {
			w.Announced(h)
		}
	})
	for _, w := range c.writers {
		if err := w.View(t.Context(), 1, func(uint64) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// work lets callers of every writer do commands, and returns how long the longest took.
func (c *contention) work(t *testing.T, callers, commands int) time.Duration {
	var mu sync.Mutex
	var longest time.Duration
	var wg sync.WaitGroup
	for i, w := range c.writers {
		for caller := range callers {
			wg.Go(func() {
				for n := range commands {
					id := fmt.Sprint(i, "-", caller, "-", n)
					begun := time.Now()
					if _, err := w.Do(t.Context(), w.take("a", id, id)); err != nil {
						t.Errorf("%s: %v", id, err)
						return
					}
					mu.Lock()
					longest = max(longest, time.Since(begun))
					mu.Unlock()
				}
			})
		}
	}
	wg.Wait()
	return longest
}

func toAll(c *contention, b []byte) {
	for _, w := range c.writers {
		w.Told(b)
	}
}

// TestTurns: writers that hear of each other's turns hardly ever lose an append.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := contend(t, toAll)
		c.work(t, 12, 80) // some are lost before anyone has heard of anyone
		if lost, all := c.lost.Load(), c.appended.Load(); lost*20 > all {
			t.Errorf("%d of %d appends were lost", lost, all)
		}
	})
}

// TestTurnOfTheDead: who asked for a turn and died is waited for, once and not long; nor
// are many of them.
func TestTurnOfTheDead(t *testing.T) {
	for name, tc := range map[string]struct {
		dead  int
		waits []time.Duration // of one command after the other
	}{
		"one":  {1, []time.Duration{50 * time.Millisecond, 0}},
		"many": {100, []time.Duration{250 * time.Millisecond}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := contend(t, toAll)
				for n := range tc.dead {
					toAll(c, fmt.Appendf(nil, "ask dead%d 0", n))
				}
				synctest.Wait()
				w := c.writers[0]
				for i, wait := range tc.waits {
					begun := time.Now()
					if _, err := w.Do(t.Context(), w.take("a", fmt.Sprint(i), fmt.Sprint(i))); err != nil {
						t.Fatal(err)
					}
					if took := time.Since(begun); took < wait || took > wait+10*time.Millisecond {
						t.Errorf("command %d took %v, want %v", i, took, wait)
					}
				}
			})
		})
	}
}

// TestTurnsAreAdvice: whatever is told, every command is done, and soon: a process whose
// turn never comes goes on by itself.
func TestTurnsAreAdvice(t *testing.T) {
	words := rapid.SliceOfN(rapid.OneOf(
		rapid.Map(rapid.IntRange(0, 99), func(n int) string { return fmt.Sprintf("ask dead%d 0", n) }),
		rapid.Map(rapid.Uint64(), func(n uint64) string { return fmt.Sprintf("pass dead %d", n) }),
		rapid.Just("ask"), rapid.Just("\xff 1 2"), rapid.Just("again"), rapid.Just("lost"),
	), 1, 20)
	rapid.Check(t, func(rt *rapid.T) {
		said := words.Draw(rt, "words")
		synctest.Test(t, func(t *testing.T) {
			var n atomic.Int32
			c := contend(t, func(c *contention, b []byte) {
				for range 5 { // more are told than could ever have their turn
					switch word := said[int(n.Add(1))%len(said)]; word {
					case "lost":
						return
					case "again":
						toAll(c, b)
					default:
						toAll(c, []byte(word))
					}
				}
				toAll(c, b)
			})
			if longest := c.work(t, 1, 3); longest > time.Second {
				rt.Errorf("a command took %v", longest)
			}
		})
	})
}

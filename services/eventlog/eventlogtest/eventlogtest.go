// Package eventlogtest holds what every implementation of eventlog.Log must do.
package eventlogtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"maillage/services/eventlog"
)

// Harness is an empty log and the accidents that can be made to happen to it.
type Harness struct {
	// Log is the handle the faults below act on.
	Log eventlog.Log
	// Open returns another handle on the same log.
	Open func(t *testing.T) eventlog.Log
	// LoseWrite makes the next append of Log not reach the log.
	LoseWrite func()
	// LoseAnswer makes the answer to the next append of Log, which is stored, not
	// come back.
	LoseAnswer func()
	// Break breaks the connection after so many bytes of the next append of Log.
	Break func(after int)
	// Disconnect breaks the connections of Log now; nil where there are none.
	Disconnect func()
	// Mark remembers the log as it stands. Rollback brings it back to the mark: the
	// tail is lost and its positions will be used again.
	Mark, Rollback func()
}

const patience = 20 * time.Second

// Run checks the law of eventlog.Log. open returns a new empty log each time.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, *suite)
	}{
		{"append and read", appendAndRead},
		{"expectation not met", expectationNotMet},
		{"too large", tooLarge},
		{"malformed", malformed},
		{"follow live", followLive},
		{"follower beyond the end", followerBeyondTheEnd},
		{"tail cut while the follower is away", tailCutAway},
		{"tail cut under the follower", tailCutLive},
		{"write lost", writeLost},
		{"answer lost", answerLost},
		{"connection breaks within a batch", brokenBatch},
		{"follower outlasts a disconnection", disconnected},
		{"two writers", twoWriters},
		{"a pipeline of expectations is not safe", pipeline},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := open(t)
			c.run(t, &suite{Harness: h, t: t})
		})
	}
}

type suite struct {
	Harness
	t *testing.T
}

// Records returns n records whose bodies begin with a tag.
func Records(tag string, n int) []eventlog.Record {
	out := make([]eventlog.Record, n)
	for i := range out {
		out[i] = eventlog.Record{
			Subject: fmt.Sprintf("registry.test.thing.%s%d", tag, i),
			Body:    fmt.Appendf(nil, "%s %d", tag, i),
		}
	}
	return out
}

func (s *suite) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	s.t.Cleanup(cancel)
	return ctx
}

// append appends to a log that can soon be reached, as the law demands: after an
// unknown outcome it reads first.
func (s *suite) append(l eventlog.Log, expected uint64, records []eventlog.Record) {
	s.t.Helper()
	for {
		err := s.reach(func() error { return l.Append(s.ctx(), expected, records) })
		if err == nil {
			return
		}
		if !errors.Is(err, eventlog.ErrUnknown) {
			s.t.Fatalf("append of %d at %d: %v", len(records), expected, err)
		}
		if s.head(l) > expected {
			s.same(s.read(l, expected), records, expected)
			return
		}
	}
}

// reach tries again while the log cannot be reached.
func (s *suite) reach(f func() error) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		err := f()
		if !errors.Is(err, eventlog.ErrUnavailable) || time.Now().After(deadline) {
			return err
		}
	}
}

func (s *suite) head(l eventlog.Log) uint64 {
	s.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		n, now, err := l.Head(s.ctx())
		if err == nil {
			if d := time.Since(now).Abs(); d > time.Minute {
				s.t.Errorf("the log's clock is off by %s", d)
			}
			return n
		}
		if time.Now().After(deadline) {
			s.t.Fatal(err)
		}
	}
}

// read returns the records after a position and checks that they are dense.
func (s *suite) read(l eventlog.Log, after uint64) []eventlog.Record {
	s.t.Helper()
	s.head(l) // waits until it can be reached
	// Patience is with a log that says nothing; a long one may take its time.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	silence := time.AfterFunc(patience, cancel)
	var out []eventlog.Record
	for r, err := range l.Read(ctx, after) {
		if err != nil {
			s.t.Fatalf("read after %d: %v", after, err)
		}
		silence.Reset(patience)
		out = append(out, r)
		if r.Position != after+uint64(len(out)) {
			s.t.Fatalf("read after %d: record %d has position %d", after, len(out), r.Position)
		}
	}
	return out
}

func (s *suite) same(got, want []eventlog.Record, after uint64) {
	s.t.Helper()
	if len(got) != len(want) {
		s.t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i, r := range got {
		w := want[i]
		w.Position = after + uint64(i) + 1
		if eventlog.LeafHash(r) != eventlog.LeafHash(w) {
			s.t.Fatalf("position %d is %s %q, want %s %q", r.Position, r.Subject, r.Body, w.Subject, w.Body)
		}
	}
}

// follower is a running Follow.
type follower struct {
	records chan eventlog.Record
	err     chan error
	stop    context.CancelFunc
}

func (s *suite) follow(l eventlog.Log, from eventlog.Cursor) *follower {
	ctx, cancel := context.WithCancel(context.Background())
	f := &follower{make(chan eventlog.Record), make(chan error, 1), cancel}
	done := make(chan struct{})
	s.t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		for r, err := range l.Follow(ctx, from) {
			if err != nil {
				f.err <- err
				continue
			}
			select {
			case f.records <- r:
			case <-ctx.Done():
			}
		}
	}()
	return f
}

func (s *suite) next(f *follower, n int) []eventlog.Record {
	s.t.Helper()
	var out []eventlog.Record
	for len(out) < n {
		select {
		case r := <-f.records:
			out = append(out, r)
		case err := <-f.err:
			s.t.Fatalf("follower, after %d of %d records: %v", len(out), n, err)
		case <-time.After(patience):
			s.t.Fatalf("follower: %d of %d records came", len(out), n)
		}
	}
	return out
}

// forked waits until the follower says that a position is forked, and yields nothing
// before.
func (s *suite) forked(f *follower, position uint64) {
	s.t.Helper()
	select {
	case r := <-f.records:
		s.t.Fatalf("the follower yields position %d (%q) of a forked log", r.Position, r.Body)
	case err := <-f.err:
		var fork *eventlog.ForkError
		if !errors.As(err, &fork) || fork.Position != position {
			s.t.Fatalf("the follower ends with %v, want a fork at %d", err, position)
		}
	case <-time.After(patience):
		s.t.Fatal("the follower does not notice the fork")
	}
}

func cursor(r eventlog.Record) eventlog.Cursor {
	return eventlog.Cursor{Position: r.Position, Leaf: eventlog.LeafHash(r)}
}

func appendAndRead(t *testing.T, s *suite) {
	if n := s.head(s.Log); n != 0 {
		t.Fatalf("an empty log stands at %d", n)
	}
	if got := s.read(s.Log, 0); len(got) != 0 {
		t.Fatalf("an empty log holds %d records", len(got))
	}
	var want []eventlog.Record
	for _, n := range []int{1, 1, 2, 7, 1, 300} {
		rs := Records(fmt.Sprintf("n%d-", n), n)
		rs[0].Body = append(rs[0].Body, 0, 1, 0xff, '\r', '\n')
		rs[0].Header = map[string][]string{"traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}}
		s.append(s.Log, uint64(len(want)), rs)
		want = append(want, rs...)
		if h := s.head(s.Log); h != uint64(len(want)) {
			t.Fatalf("head %d, want %d", h, len(want))
		}
	}
	other := s.Open(t)
	for _, after := range []uint64{0, 1, 3, 11, uint64(len(want)) - 1, uint64(len(want)), uint64(len(want)) + 5} {
		rest := want[min(after, uint64(len(want))):]
		s.same(s.read(other, after), rest, after)
	}
	for r, err := range s.Log.Read(s.ctx(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Header["traceparent"]; len(got) != 1 || !strings.HasPrefix(got[0], "00-0af7651916cd43dd8448eb211c80319c-") {
			t.Errorf("header of position %d: %v", r.Position, r.Header)
		}
		break
	}
}

func expectationNotMet(t *testing.T, s *suite) {
	s.append(s.Log, 0, Records("a", 3))
	for _, expected := range []uint64{0, 2, 4, 1000} {
		for _, n := range []int{1, 5} {
			if err := s.Log.Append(s.ctx(), expected, Records("b", n)); !errors.Is(err, eventlog.ErrMoved) {
				t.Errorf("append of %d at %d of 3: %v, want ErrMoved", n, expected, err)
			}
		}
	}
	s.same(s.read(s.Log, 0), Records("a", 3), 0)
}

func tooLarge(t *testing.T, s *suite) {
	largest := Records("a", 1)
	largest[0].Body = make([]byte, eventlog.MaxLeaf-11-len(largest[0].Subject))
	s.append(s.Log, 0, largest)
	over := Records("a", 1)
	over[0].Body = make([]byte, len(largest[0].Body)+1)
	for name, records := range map[string][]eventlog.Record{
		"leaf":          over,
		"leaf in many":  append(Records("b", 2), over...),
		"commit":        Records("c", eventlog.MaxCommit+1),
		"huge record":   {{Subject: "registry.test.thing.x", Body: make([]byte, 4<<20)}},
		"several leafs": append(over, over...),
	} {
		if err := s.Log.Append(s.ctx(), 1, records); !errors.Is(err, eventlog.ErrTooLarge) {
			t.Errorf("%s: %v, want ErrTooLarge", name, err)
		}
	}
	if n := s.head(s.Log); n != 1 {
		t.Fatalf("head %d after refused appends, want 1", n)
	}
	s.append(s.Log, 1, Records("d", eventlog.MaxCommit))
	s.same(s.read(s.Log, 1), Records("d", eventlog.MaxCommit), 1)
}

func malformed(t *testing.T, s *suite) {
	for _, subject := range []string{
		"", "registry", "registry.a.b", "registry.a.b.c.d", "registry..b.c", "registry.a.b.",
		"registry.a.*.c", "registry.a.b.>", "registry.a.b.c d", "ledger.a.b.c", "registry.a.b.c\r\nPUB x 0",
	} {
		if err := s.Log.Append(s.ctx(), 0, []eventlog.Record{{Subject: subject}}); err == nil {
			t.Errorf("subject %q is taken", subject)
		}
	}
	if err := s.Log.Append(s.ctx(), 0, nil); err == nil {
		t.Error("an append of no records is taken")
	}
	if n := s.head(s.Log); n != 0 {
		t.Fatalf("head %d, want 0", n)
	}
}

func followLive(t *testing.T, s *suite) {
	early := s.follow(s.Open(t), eventlog.Cursor{})
	s.append(s.Log, 0, Records("a", 1))
	s.same(s.next(early, 1), Records("a", 1), 0)
	s.append(s.Log, 1, Records("b", 40))
	s.same(s.next(early, 40), Records("b", 40), 1)
	all := s.read(s.Log, 0)
	late := s.follow(s.Log, cursor(all[9]))
	s.same(s.next(late, 31), all[10:], 10)
	bare := s.follow(s.Log, eventlog.Cursor{Position: 40})
	s.same(s.next(bare, 1), all[40:], 40)
	s.append(s.Log, 41, Records("c", 1))
	for _, f := range []*follower{early, late, bare} {
		s.same(s.next(f, 1), Records("c", 1), 41)
		f.stop()
		select {
		case err := <-f.err:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("a stopped follower ends with %v", err)
			}
		case <-time.After(patience):
			t.Error("a stopped follower does not end")
		}
	}
}

func followerBeyondTheEnd(_ *testing.T, s *suite) {
	s.append(s.Log, 0, Records("a", 3))
	for _, c := range []eventlog.Cursor{
		{Position: 4},
		{Position: 100, Leaf: eventlog.LeafHash(eventlog.Record{Position: 100})},
		{Position: 3, Leaf: eventlog.LeafHash(eventlog.Record{Position: 3})},
	} {
		s.forked(s.follow(s.Log, c), c.Position)
	}
}

func tailCutAway(t *testing.T, s *suite) {
	s.append(s.Log, 0, Records("a", 10))
	s.Mark()
	s.append(s.Log, 10, Records("b", 5))
	all := s.read(s.Log, 0)
	s.Rollback()
	if n := s.head(s.Log); n != 10 {
		t.Fatalf("the log came back at %d, want 10", n)
	}
	s.forked(s.follow(s.Log, cursor(all[12])), 13) // the position is gone
	s.append(s.Log, 10, Records("c", 5))
	s.forked(s.follow(s.Log, cursor(all[12])), 13) // it is used again
	s.forked(s.follow(s.Log, cursor(all[14])), 15)
	s.same(s.next(s.follow(s.Log, cursor(all[9])), 5), Records("c", 5), 10)
}

func tailCutLive(t *testing.T, s *suite) {
	s.append(s.Log, 0, Records("a", 10))
	s.Mark()
	f := s.follow(s.Open(t), eventlog.Cursor{})
	s.next(f, 10)
	s.append(s.Log, 10, Records("b", 5))
	s.next(f, 5)
	s.Rollback()
	s.append(s.Log, 10, Records("c", 8))
	s.forked(f, 15)
}

func writeLost(t *testing.T, s *suite) {
	s.append(s.Log, 0, Records("a", 2))
	s.LoseWrite()
	err := s.Log.Append(s.ctx(), 2, Records("b", 1))
	if !errors.Is(err, eventlog.ErrUnknown) && !errors.Is(err, eventlog.ErrUnavailable) {
		t.Fatalf("lost write: %v, want ErrUnknown", err)
	}
	s.append(s.Log, 2, Records("c", 1))
	s.same(s.read(s.Log, 2), Records("c", 1), 2)
}

func answerLost(t *testing.T, s *suite) {
	s.append(s.Log, 0, Records("a", 2))
	for _, n := range []int{1, 20} {
		before := s.head(s.Log)
		s.LoseAnswer()
		if err := s.Log.Append(s.ctx(), before, Records("b", n)); !errors.Is(err, eventlog.ErrUnknown) {
			t.Fatalf("answer lost: %v, want ErrUnknown", err)
		}
		s.same(s.read(s.Open(t), before), Records("b", n), before)
		err := eventlog.ErrUnknown
		for errors.Is(err, eventlog.ErrUnknown) { // the loss may show late
			err = s.reach(func() error { return s.Log.Append(s.ctx(), before, Records("b", n)) })
		}
		if !errors.Is(err, eventlog.ErrMoved) {
			t.Fatalf("append again: %v, want ErrMoved", err)
		}
	}
}

func brokenBatch(t *testing.T, s *suite) {
	const n = 500 // some 60 bytes and headers each
	for _, after := range []int{1, 300, 10_000, 40_000, 60_000, 63_000, 66_000, 69_000, 80_000} {
		tag := fmt.Sprintf("b%d-", after)
		before := s.head(s.Log)
		s.Break(after)
		err := s.Log.Append(s.ctx(), before, Records(tag, n))
		// A record of our own after whatever came of it settles the outcome.
		mark := Records("mark"+tag, 1)
		at := s.settle(mark)
		if at != before && at != before+n {
			t.Fatalf("broken after %d bytes (%v): %d records of the batch are stored", after, err, at-before)
		}
		t.Logf("broken after %d bytes: stored %v, the answer is %v", after, at != before, err)
		switch stored := at != before; {
		case err == nil && !stored:
			t.Fatalf("broken after %d bytes: acknowledged, not stored", after)
		case errors.Is(err, eventlog.ErrUnavailable) && stored:
			t.Fatalf("broken after %d bytes: stored, though the answer is %v", after, err)
		case stored:
			s.same(s.read(s.Log, before), append(Records(tag, n), mark...), before)
		default:
			s.same(s.read(s.Log, before), mark, before)
		}
	}
}

// settle appends a record wherever the log stands and returns after which position.
func (s *suite) settle(mark []eventlog.Record) uint64 {
	s.t.Helper()
	other := s.Open(s.t)
	for {
		head := s.head(other)
		err := other.Append(s.ctx(), head, mark)
		if err == nil {
			return head
		}
		if !errors.Is(err, eventlog.ErrMoved) {
			s.t.Fatal(err)
		}
	}
}

func disconnected(t *testing.T, s *suite) {
	if s.Disconnect == nil {
		t.Skip("the log has no connections")
	}
	f := s.follow(s.Log, eventlog.Cursor{})
	writer := s.Open(t)
	position := uint64(0)
	for range 5 {
		s.append(writer, position, Records("a", 3))
		s.same(s.next(f, 3), Records("a", 3), position)
		position += 3
		s.Disconnect()
	}
}

// twoWriters races two handles for each position. MAILLAGE_RACE_SECONDS makes it
// last longer than its 500 appends each.
func twoWriters(t *testing.T, s *suite) {
	var until time.Time
	if n, err := strconv.Atoi(os.Getenv("MAILLAGE_RACE_SECONDS")); err == nil {
		until = time.Now().Add(time.Duration(n) * time.Second)
	}
	type stored struct {
		position uint64
		body     string
	}
	var wg sync.WaitGroup
	acked := make([][]stored, 2)
	logs := []eventlog.Log{s.Log, s.Open(t)}
	lost := make([]int, 2)
	for w := range logs {
		wg.Go(func() {
			at := uint64(0)
			for i := 0; i < 500 || time.Now().Before(until); i++ {
				n := 1
				if rand.IntN(25) == 0 {
					n = 2 + rand.IntN(20)
				}
				rs := Records(fmt.Sprintf("w%d-%d-", w, i), n)
				for {
					ctx, cancel := context.WithTimeout(context.Background(), patience)
					err := logs[w].Append(ctx, at, rs)
					if errors.Is(err, eventlog.ErrMoved) {
						lost[w]++
						at, _, err = logs[w].Head(ctx)
						cancel()
						if err != nil {
							t.Error(err)
							return
						}
						continue
					}
					cancel()
					if err != nil {
						t.Error(err)
						return
					}
					break
				}
				for _, r := range rs {
					at++
					acked[w] = append(acked[w], stored{at, string(r.Body)})
				}
			}
		})
	}
	wg.Wait()
	all := s.read(s.Log, 0)
	if len(all) != len(acked[0])+len(acked[1]) {
		t.Errorf("%d records stand, %d were acknowledged", len(all), len(acked[0])+len(acked[1]))
	}
	for _, a := range append(acked[0], acked[1]...) {
		if a.position > uint64(len(all)) || string(all[a.position-1].Body) != a.body {
			t.Fatalf("position %d does not hold %q, which was acknowledged there", a.position, a.body)
		}
	}
	t.Logf("%d records, races lost: %d", len(all), lost)
}

// pipeline shows why a process may have only one append in flight: an expectation is
// about a position, not about who took it.
func pipeline(t *testing.T, s *suite) {
	foreign := s.Open(t)
	s.append(foreign, 0, Records("foreign", 1))
	// Two appends as a pipeline would have sent them, the second building on the first:
	first := s.Log.Append(s.ctx(), 0, Records("first", 1))
	second := s.Log.Append(s.ctx(), 1, Records("second", 1))
	if !errors.Is(first, eventlog.ErrMoved) {
		t.Fatalf("the first: %v, want ErrMoved", first)
	}
	if second != nil {
		t.Fatalf("the second: %v; the law promises no more than its position", second)
	}
	got := s.read(s.Log, 0)
	s.same(got, append(Records("foreign", 1), Records("second", 1)...), 0)
}

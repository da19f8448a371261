package feed

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	feedv1 "maillage/proto/gen/maillage/feed/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/eventlog"
	"maillage/services/fault"
	"maillage/services/ledger"
	"maillage/services/registry"
)

// world is a log whose head the test announces.
type world struct {
	t      *testing.T
	log    *eventlog.Memory
	mu     sync.Mutex
	ends   []uint64 // of commits
	gate   uint64
	moved  chan struct{}
	epochs []registry.Epoch
	cut    int // how often the tail was lost
}

func newWorld(t *testing.T) *world {
	return &world{t: t, log: eventlog.NewMemory(), moved: make(chan struct{})}
}

func (w *world) source() Source {
	return Source{
		Await: w.await, Get: w.log.Get, Follow: w.log.Follow,
		Records: func(ctx context.Context, after, to uint64) iter.Seq2[eventlog.Record, error] {
			return func(yield func(eventlog.Record, error) bool) {
				for r, err := range w.log.Read(ctx, after) {
					if err == nil && r.Position > to || !yield(r, err) {
						return
					}
				}
			}
		},
		CommitEnd: func(position uint64) uint64 {
			w.mu.Lock()
			defer w.mu.Unlock()
			end := uint64(0)
			for _, e := range w.ends {
				if e <= position {
					end = e
				}
			}
			return end
		},
		KnownTime: func(position uint64) time.Time { return time.Unix(int64(position), 0) },
		Epochs:    func() []registry.Epoch { return w.epochs },
		Now:       time.Now,
	}
}

func (w *world) await(ctx context.Context, size uint64) (ledger.Head, error) {
	for {
		w.mu.Lock()
		gate, moved := w.gate, w.moved
		w.mu.Unlock()
		if gate >= size {
			return ledger.Head{Epoch: 1, Size: gate}, nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ledger.Head{}, fault.New(fault.Unavailable, "POSITION_NOT_REACHED", "", "position %d", size)
		}
	}
}

// append stores commits of the sizes given and announces them, unless it is told not to.
func (w *world) append(sizes ...int) {
	w.t.Helper()
	w.store(sizes...)
	w.announce()
}

func (w *world) store(sizes ...int) {
	w.t.Helper()
	for _, n := range sizes {
		w.mu.Lock()
		at := uint64(0)
		if len(w.ends) > 0 {
			at = w.ends[len(w.ends)-1]
		}
		w.ends = append(w.ends, at+uint64(n))
		w.mu.Unlock()
		records := make([]eventlog.Record, n)
		for i := range records {
			p := at + uint64(i) + 1
			records[i] = eventlog.Record{Subject: fmt.Sprintf("registry.labelling.label.L%d", p), Body: fmt.Appendf(nil, "body %d of %d", p, w.cut)}
		}
		if err := w.log.Append(w.t.Context(), at, records); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) announce() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gate = w.ends[len(w.ends)-1]
	close(w.moved)
	w.moved = make(chan struct{})
}

// follower collects what a watch sends.
type follower struct {
	mu     sync.Mutex
	got    []uint64
	cursor string
	beats  int
	took   chan struct{} // one for each message
	end    chan error
	stop   context.CancelFunc
}

// follow starts a watch. hold, unless it is nil, is called before each message is taken.
func (w *world) follow(f *Feed, req *feedv1.WatchRequest, hold func()) *follower {
	ctx, stop := context.WithCancel(w.t.Context())
	o := &follower{took: make(chan struct{}, 1<<16), end: make(chan error, 1), stop: stop}
	go func() {
		o.end <- f.Watch(ctx, req, func(m *feedv1.WatchResponse) error {
			if hold != nil {
				hold()
			}
			b, err := proto.Marshal(m)
			if err != nil {
				return err
			}
			m = &feedv1.WatchResponse{}
			if err := proto.Unmarshal(b, m); err != nil {
				return err
			}
			o.mu.Lock()
			defer o.mu.Unlock()
			for _, c := range m.GetCommits() {
				for _, r := range c.GetRecords() {
					o.got = append(o.got, r.GetPosition())
				}
				o.cursor = c.GetCursor()
			}
			if m.GetHeartbeat() != nil {
				o.beats++
				o.cursor = m.GetHeartbeat().GetCursor()
			}
			o.took <- struct{}{}
			return nil
		})
	}()
	return o
}

// until waits until a follower has a position.
func (o *follower) until(t *testing.T, position uint64) {
	t.Helper()
	for {
		o.mu.Lock()
		n := len(o.got)
		done := n > 0 && o.got[n-1] >= position
		o.mu.Unlock()
		if done {
			return
		}
		select {
		case <-o.took:
		case err := <-o.end:
			t.Fatalf("the watch ended before position %d: %v", position, err)
		case <-time.After(10 * time.Second):
			t.Fatalf("position %d did not come", position)
		}
	}
}

// leave ends the watch.
func (o *follower) leave(t *testing.T) {
	t.Helper()
	o.stop()
	if err := <-o.end; !errors.Is(err, context.Canceled) {
		t.Errorf("a watch that was ended says %v", err)
	}
}

func span(from, to uint64) (all []uint64) {
	for p := from; p <= to; p++ {
		all = append(all, p)
	}
	return all
}

func (o *follower) check(t *testing.T, want []uint64) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if !slices.Equal(o.got, want) {
		t.Errorf("got %v, want %v", o.got, want)
	}
}

// refused checks the reason and the position of an error.
func refused(t *testing.T, err error, reason string, position uint64) {
	t.Helper()
	own, ok := errors.AsType[*fault.Error](err)
	if !ok || own.Reason != reason || own.Position != position {
		t.Errorf("got %v, want %s at %d", err, reason, position)
	}
}

func TestWatchFromAnywhere(t *testing.T) {
	for name, tc := range map[string]struct {
		req  *feedv1.WatchRequest
		from uint64
	}{
		"nothing said":    {&feedv1.WatchRequest{}, 1},
		"earliest":        {&feedv1.WatchRequest{From: &feedv1.WatchRequest_Start{Start: feedv1.Start_START_EARLIEST}}, 1},
		"now":             {&feedv1.WatchRequest{From: &feedv1.WatchRequest_Start{Start: feedv1.Start_START_NOW}}, 8},
		"after a commit":  {&feedv1.WatchRequest{From: &feedv1.WatchRequest_After{After: 4}}, 5},
		"inside a commit": {&feedv1.WatchRequest{From: &feedv1.WatchRequest_After{After: 3}}, 2},
		"after the head":  {&feedv1.WatchRequest{From: &feedv1.WatchRequest_After{After: 7}}, 8},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.append(1, 3, 1, 2)
				f := New(w.source(), Limits{})
				o := w.follow(f, tc.req, nil)
				defer o.stop()
				synctest.Wait()
				w.append(2, 1)
				w.store(4) // not announced: not shown
				o.until(t, 10)
				synctest.Wait()
				o.check(t, span(tc.from, 10))
				w.announce()
				o.until(t, 14)
				o.check(t, span(tc.from, 14))
			})
		})
	}
}

// A reader that goes on from any cursor it was given misses nothing and gets nothing twice.
func TestCursors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.append(1, 3, 1, 2)
		f := New(w.source(), Limits{})
		cursor := ""
		var got []uint64
		for {
			page, err := f.List(t.Context(), &feedv1.ListEventsRequest{From: &feedv1.ListEventsRequest_Cursor{Cursor: cursor}, PageSize: 2})
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range page.GetCommits() {
				for _, r := range c.GetRecords() {
					got = append(got, r.GetPosition())
				}
				if again, err := f.List(t.Context(), &feedv1.ListEventsRequest{From: &feedv1.ListEventsRequest_Cursor{Cursor: c.GetCursor()}}); err != nil || again.GetHeadPosition() != 7 {
					t.Fatalf("from the cursor after %d: %v", c.GetRecords()[0].GetPosition(), err)
				}
			}
			if page.GetMore() != (page.GetNextAfter() < 7) {
				t.Errorf("more is %v after %d", page.GetMore(), page.GetNextAfter())
			}
			if cursor = page.GetNextCursor(); !page.GetMore() {
				break
			}
		}
		if !slices.Equal(got, span(1, 7)) {
			t.Errorf("pages hold %v", got)
		}
		o := w.follow(f, &feedv1.WatchRequest{From: &feedv1.WatchRequest_Cursor{Cursor: cursor}}, nil)
		defer o.stop()
		w.append(1)
		o.until(t, 8)
		o.check(t, span(8, 8))
	})
}

func TestForks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.append(1, 3, 1, 2)
		f := New(w.source(), Limits{})
		page, err := f.List(t.Context(), &feedv1.ListEventsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		from := &feedv1.WatchRequest{From: &feedv1.WatchRequest_Cursor{Cursor: page.GetNextCursor()}}
		live := w.follow(f, from, nil)
		synctest.Wait()

		w.log.Truncate(4)
		w.mu.Lock()
		w.ends, w.gate, w.cut = w.ends[:2], 4, 1
		w.mu.Unlock()
		w.append(4) // positions 5 to 7 are others now
		refused(t, <-live.end, "LOG_FORKED", 0)
		refused(t, f.Watch(t.Context(), from, nil), "LOG_FORKED", 0)

		w.epochs = []registry.Epoch{{Position: 5, Number: 2}}
		refused(t, f.Watch(t.Context(), from, nil), "LOG_FORKED", 4)
		refused(t, f.Watch(t.Context(), &feedv1.WatchRequest{From: &feedv1.WatchRequest_Cursor{Cursor: "x"}}, nil), "CURSOR_INVALID", 0)
		refused(t, f.Watch(t.Context(), &feedv1.WatchRequest{From: &feedv1.WatchRequest_After{After: 99}}, nil), "POSITION_NOT_REACHED", 99)
	})
}

func TestHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.append(1, 3)
		o := w.follow(New(w.source(), Limits{}), &feedv1.WatchRequest{Filter: &feedv1.Filter{Kinds: []string{"centre"}}}, nil)
		time.Sleep(17 * time.Second) // of the bubble's clock
		synctest.Wait()
		o.check(t, nil)
		if o.beats != 4 { // as it caught up, and every 5 s
			t.Errorf("%d heartbeats in 17 s", o.beats)
		}
		if at, err := parseCursor(o.cursor); err != nil || at.Position != 4 {
			t.Errorf("the heartbeat's cursor is at %d: %v", at.Position, err)
		}
		o.leave(t)
	})
}

// A reader of which the filter leaves nothing hears how far that is while the log is read,
// and is told when the process stops.
func TestHeartbeatsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.append(slices.Repeat([]int{1}, 100)...)
		source := w.source()
		records := source.Records
		source.Records = func(ctx context.Context, after, to uint64) iter.Seq2[eventlog.Record, error] {
			return func(yield func(eventlog.Record, error) bool) {
				for r, err := range records(ctx, after, to) {
					if r.Position == 2 {
						r.Subject = "registry.topology.network.N2"
					}
					if time.Sleep(time.Second); !yield(r, err) {
						return
					}
				}
			}
		}
		f := New(source, Limits{})
		few := w.follow(f, &feedv1.WatchRequest{Filter: &feedv1.Filter{Kinds: []string{"network"}}}, nil)
		o := w.follow(f, &feedv1.WatchRequest{Filter: &feedv1.Filter{Kinds: []string{"centre"}}}, nil)
		time.Sleep(17*time.Second + time.Second/2) // of the bubble's clock
		synctest.Wait()
		few.check(t, []uint64{2})
		few.leave(t)
		o.check(t, nil)
		if at, err := parseCursor(o.cursor); o.beats != 3 || err != nil || at.Position != 15 {
			t.Errorf("%d heartbeats in 17 s, the last one at %d: %v", o.beats, at.Position, err)
		}
		f.Close()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		select {
		case err := <-o.end:
			refused(t, err, "STOPPING", 0)
		default:
			t.Error("it reads on while the process stops")
			o.leave(t)
		}
	})
}

// One reader that stops taking is closed with its last position; the others go on.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.append(1)
		f := New(w.source(), Limits{Ring: 4 << 10})
		block, blocked := make(chan struct{}), make(chan struct{})
		var once sync.Once
		stalled := w.follow(f, &feedv1.WatchRequest{From: &feedv1.WatchRequest_After{After: 1}}, func() {
			w.mu.Lock()
			stall := w.gate > 1
			w.mu.Unlock()
			if stall {
				once.Do(func() { close(blocked) })
				<-block
			}
		})
		behind := w.follow(f, &feedv1.WatchRequest{From: &feedv1.WatchRequest_After{After: 1}}, func() { time.Sleep(100 * time.Millisecond) })
		quick := w.follow(f, &feedv1.WatchRequest{}, nil)
		synctest.Wait()
		w.append(1)
		<-blocked
		for p := uint64(3); p < 200; p++ {
			w.append(1)
			quick.until(t, p)
		}
		quick.check(t, span(1, 199))
		refused(t, <-stalled.end, "READER_TOO_SLOW", 1)
		close(block)
		refused(t, <-behind.end, "READER_TOO_SLOW", 1)
		quick.leave(t)
	})
}

func TestFilters(t *testing.T) {
	event := &labellingv1.Event{Fact: &labellingv1.Event_LabelGranted{LabelGranted: &labellingv1.LabelGranted{
		LabelId: "L2", Holder: &labellingv1.Holder{Holder: &labellingv1.Holder_Site{Site: &labellingv1.Site{SiteId: "S1", CentreId: "C1", NetworkId: "N1"}}},
	}}}
	body, err := proto.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	granted := eventlog.Record{Position: 2, Subject: "registry.labelling.label.L2", Body: body}
	for name, tc := range map[string]struct {
		filter *feedv1.Filter
		want   bool
	}{
		"nothing":               {nil, true},
		"its context":           {&feedv1.Filter{Contexts: []string{"topology", "labelling"}}, true},
		"another context":       {&feedv1.Filter{Contexts: []string{"topology"}}, false},
		"its kind":              {&feedv1.Filter{Kinds: []string{"label"}}, true},
		"another kind":          {&feedv1.Filter{Kinds: []string{"act"}}, false},
		"the id of its subject": {&feedv1.Filter{Ids: []string{"L2"}}, true},
		"an id that it touches": {&feedv1.Filter{Ids: []string{"C1"}}, true},
		"another id":            {&feedv1.Filter{Ids: []string{"C2"}}, false},
		"its id, another kind":  {&feedv1.Filter{Ids: []string{"C1"}, Kinds: []string{"act"}}, false},
	} {
		if got, err := filterOf(tc.filter).takes(granted); err != nil || got != tc.want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if _, err := filterOf(&feedv1.Filter{Kinds: []string{"label"}}).takes(eventlog.Record{Position: 3, Subject: "registry.x"}); err == nil {
		t.Error("a subject that cannot be read passes a filter")
	}
}

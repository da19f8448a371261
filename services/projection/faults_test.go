package projection_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/eventlog"
	"maillage/services/fault"
	"maillage/services/ledger"
	"maillage/services/projection"
)

// The tests of this file run on the clock of a bubble, which moves only while
// everybody waits: the replica's own patience costs them no time.

// appendFunc is an append of a log, the n-th that a replica makes.
type appendFunc func(ctx context.Context, n int, expected uint64, records []eventlog.Record) error

// faulty is a log with the accidents that a test wants; what is nil works.
type faulty struct {
	*eventlog.Memory
	append  appendFunc
	appends int
	reading <-chan struct{} // reads wait until it is closed
	follow  <-chan struct{} // so do deliveries
	mute    bool            // no record is returned by its position
}

func (f *faulty) Append(ctx context.Context, expected uint64, records []eventlog.Record) error {
	f.appends++
	if f.append == nil {
		return f.Memory.Append(ctx, expected, records)
	}
	return f.append(ctx, f.appends, expected, records)
}

func (f *faulty) Read(ctx context.Context, after uint64) iter.Seq2[eventlog.Record, error] {
	return once(ctx, f.reading, f.Memory.Read(ctx, after))
}

func (f *faulty) Follow(ctx context.Context, from eventlog.Cursor) iter.Seq2[eventlog.Record, error] {
	return once(ctx, f.follow, f.Memory.Follow(ctx, from))
}

func (f *faulty) Get(ctx context.Context, position uint64) (eventlog.Record, error) {
	if f.mute {
		<-ctx.Done()
		return eventlog.Record{}, ctx.Err()
	}
	return f.Memory.Get(ctx, position)
}

// once begins a sequence when a channel is closed; at once where it is nil.
func once(ctx context.Context, open <-chan struct{}, seq iter.Seq2[eventlog.Record, error]) iter.Seq2[eventlog.Record, error] {
	return func(yield func(eventlog.Record, error) bool) {
		if open != nil {
			select {
			case <-open:
			case <-ctx.Done():
			}
		}
		seq(yield)
	}
}

// foreign appends the events from one index on of another process's commit of a size.
func foreign(t *testing.T, log *eventlog.Memory, index, size int, names ...string) {
	t.Helper()
	var records []eventlog.Record
	for i, n := range names {
		body, err := proto.Marshal(&topologyv1.Event{
			Meta: &eventv1.Meta{CommitIndex: uint32(index + i), CommitSize: uint32(size), RequestId: "foreign"},
			Fact: &topologyv1.Event_FiliereRegistered{FiliereRegistered: &topologyv1.FiliereRegistered{Name: n}},
		})
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, eventlog.Record{Subject: "registry.topology.filiere.X", Body: body})
	}
	if err := log.Append(t.Context(), end(log), records); err != nil {
		t.Fatal(err)
	}
}

// end is the last position of a log.
func end(log *eventlog.Memory) uint64 {
	position, _, _ := log.Head(context.Background())
	return position
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// reason is the reason of a refusal, empty where there is none.
func reason(err error) string {
	if e, ok := errors.AsType[*fault.Error](err); ok {
		return e.Reason
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func answered(t *testing.T, err error, want string) {
	t.Helper()
	if got := reason(err); got != want {
		t.Fatalf("got %q (%v), want %q", got, err, want)
	}
}

// shown waits until a replica shows a position.
func shown(t *testing.T, r *replica, position uint64) {
	t.Helper()
	if err := r.View(within(t, time.Minute), position, func(uint64) error { return nil }); err != nil {
		t.Fatal(err)
	}
}

// TestRefusedAppend has the log refuse one append for certain: the replica goes on.
func TestRefusedAppend(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"moved, and nothing follows": {eventlog.ErrMoved, ""},
		"out of reach for a moment":  {eventlog.ErrUnavailable, ""},
		"more than the log takes":    {eventlog.ErrTooLarge, "TOO_LARGE"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := opened(t)
				r := start(t, &faulty{Memory: log, append: func(ctx context.Context, n int, expected uint64, records []eventlog.Record) error {
					if n == 1 {
						return fmt.Errorf("the broker: %w", tc.err)
					}
					return log.Append(ctx, expected, records)
				}}, newStore(t, t.TempDir()), nil)
				_, err := r.Do(within(t, time.Minute), r.take("a", "1", "x"))
				answered(t, err, tc.want)
				_, err = r.Do(within(t, time.Minute), r.take("a", "2", "y"))
				answered(t, err, "")
			})
		})
	}
}

// TestOutcomeOpen: a command that was in an append of unknown outcome is never refused,
// whatever comes after. Repeated, it is found.
func TestOutcomeOpen(t *testing.T) {
	for name, tc := range map[string]struct {
		then  error         // of every later append
		after time.Duration // until the first append ends
		alone bool          // the ledger falls silent
	}{
		"then the broker is away":   {then: eventlog.ErrUnavailable},
		"then moved, by itself":     {then: eventlog.ErrMoved},
		"then the ledger is silent": {then: eventlog.ErrUnavailable, after: 6 * time.Second, alone: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log, deliver := opened(t), make(chan struct{})
				var store *ledger.Store
				if !tc.alone {
					store = newStore(t, t.TempDir())
				}
				r := start(t, &faulty{Memory: log, follow: deliver, append: func(ctx context.Context, n int, expected uint64, records []eventlog.Record) error {
					if n > 1 {
						return tc.then
					}
					if err := log.Append(ctx, expected, records); err != nil {
						return err
					}
					<-time.After(tc.after)
					return fmt.Errorf("%w: the connection was lost", eventlog.ErrUnknown)
				}}, store, nil)
				if tc.alone {
					r.Announced(tree(t, log))
				}
				shown(t, r, 1)
				_, err := r.Do(within(t, time.Hour), r.take("a", "1", "x"))
				answered(t, err, "OUTCOME_OPEN")

				close(deliver)
				synctest.Wait()
				if tc.alone {
					r.Announced(tree(t, log))
				}
				shown(t, r, 2)
				c, err := r.Do(within(t, time.Minute), r.take("a", "1", "x"))
				answered(t, err, "")
				if c.First != 2 || end(log) != 2 {
					t.Errorf("repeated, it stands at %d of %d, want 2 of 2", c.First, end(log))
				}
			})
		})
	}
}

// TestDoneTellsNoPrediction: what is predicted may be taken back, so it is not done.
func TestDoneTellsNoPrediction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, lose := opened(t), make(chan struct{})
		r := start(t, &faulty{Memory: log, append: func(ctx context.Context, n int, expected uint64, records []eventlog.Record) error {
			if n == 1 {
				<-lose
				return fmt.Errorf("%w: the write was lost", eventlog.ErrUnknown)
			}
			return log.Append(ctx, expected, records)
		}}, newStore(t, t.TempDir()), nil)
		answer := make(chan error, 1)
		go func() {
			_, err := r.Do(within(t, time.Minute), r.take("a", "1", "x"))
			answer <- err
		}()
		synctest.Wait()
		if r.Progress().Folded != 2 || r.Done("a", "1") {
			t.Errorf("folded %d, done %v; want 2, predicted, and not done", r.Progress().Folded, r.Done("a", "1"))
		}
		close(lose)
		answered(t, <-answer, "")
		if !r.Done("a", "1") {
			t.Error("it is answered and not done")
		}
	})
}

// TestAheadHeadDecidesNot: what the ledger announced was in the stream, so a stream that
// ends before it has lost its tail, or is late. Nothing is put in the place of the rest.
func TestAheadHeadDecidesNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, whole := opened(t), opened(t)
		foreign(t, whole, 0, 2, "p", "q")
		r := start(t, log, nil, nil)
		r.Announced(tree(t, log))
		shown(t, r, 1)
		r.Announced(tree(t, whole))
		_, err := r.Do(within(t, time.Minute), r.take("a", "1", "x"))
		answered(t, err, "STREAM_BEHIND")
		if end(log) != 1 {
			t.Fatalf("the log stands at %d, want 1", end(log))
		}

		foreign(t, log, 0, 2, "p", "q")
		synctest.Wait()
		r.Announced(tree(t, whole))
		answer := make(chan error, 1)
		go func() {
			_, err := r.Do(within(t, time.Minute), r.take("a", "1", "x"))
			answer <- err
		}()
		synctest.Wait()
		r.Announced(tree(t, log))
		answered(t, <-answer, "")
	})
}

// TestLedgerThatOnlyBeats: a ledger whose head no longer moves with the stream is as bad
// as one that is silent.
func TestLedgerThatOnlyBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := opened(t)
		r, head := start(t, log, nil, nil), tree(t, log)
		r.Announced(head)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			for beat := time.NewTicker(time.Second); ; {
				select {
				case <-beat.C:
					r.Announced(head)
				case <-ctx.Done():
					return
				}
			}
		}()
		_, err := r.Do(within(t, 6*time.Second), r.take("a", "1", "x"))
		answered(t, err, "OUTCOME_OPEN")
		_, err = r.Do(within(t, 6*time.Second), r.take("a", "2", "y"))
		answered(t, err, "LEDGER_BEHIND")
		if end(log) != 2 {
			t.Errorf("the log stands at %d, want 2", end(log))
		}
	})
}

// TestWaitingForTheLedgerFolds: a replica that waits for the ledger folds what comes,
// since the head it waits for may stand on it.
func TestWaitingForTheLedgerFolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := opened(t)
		r := start(t, log, nil, nil)
		r.Announced(tree(t, log))
		answers := make(chan error, 2)
		do := func(request string, names ...string) {
			_, err := r.Do(within(t, time.Minute), r.take("a", request, names...))
			answers <- err
		}
		var names []string
		for n := range 1100 {
			names = append(names, fmt.Sprint("n", n))
		}
		go do("1", names...)
		synctest.Wait()
		go do("2", "y")
		synctest.Wait()
		if end(log) != 1101 {
			t.Fatalf("the log stands at %d, want 1101: the ledger is far behind", end(log))
		}
		foreign(t, log, 0, 1, "foreign")
		r.Announced(tree(t, log))
		synctest.Wait()
		if end(log) != 1103 {
			t.Fatalf("the log stands at %d, want 1103: the ledger has caught up", end(log))
		}
		r.Announced(tree(t, log))
		for range 2 {
			answered(t, <-answers, "")
		}
	})
}

// TestOpenCommitAtTheEnd: nothing is appended within another's commit.
func TestOpenCommitAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := opened(t)
		foreign(t, log, 0, 3, "p")
		r := start(t, log, newStore(t, t.TempDir()), nil)
		_, err := r.Do(within(t, time.Minute), r.take("a", "1", "x"))
		answered(t, err, "COMMIT_OPEN")
		if e, _ := errors.AsType[*fault.Error](err); e.Position != 3 {
			t.Errorf("position %d is missing, want 3", e.Position)
		}
		foreign(t, log, 1, 3, "q", "r")
		shown(t, r, 4)
		c, err := r.Do(within(t, time.Minute), r.take("a", "1", "x"))
		answered(t, err, "")
		if c.First != 5 {
			t.Errorf("it stands at %d, want 5", c.First)
		}
	})
}

// TestReadBackInTime: a caller's own deadline is no damage.
func TestReadBackInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, &faulty{Memory: opened(t), mute: true}, newStore(t, t.TempDir()), nil)
		_, err := r.Do(within(t, time.Minute), r.take("a", "1", "x"))
		answered(t, err, "")
		_, err = r.Do(within(t, time.Second), r.take("a", "1", "x"))
		if e, ok := errors.AsType[*fault.Error](err); !ok || e.Kind != fault.Unavailable {
			t.Errorf("got %v, want it unavailable", err)
		}
		answered(t, r.Ready(), "")
	})
}

// TestReplaying: a replica that replays says so to everyone, at once or in their time.
func TestReplaying(t *testing.T) {
	read := make(chan struct{})
	r := start(t, &faulty{Memory: opened(t), reading: read}, newStore(t, t.TempDir()), nil)
	answered(t, r.Ready(), "REPLAYING")
	answered(t, r.View(within(t, time.Millisecond), 1, func(uint64) error { return nil }), "REPLAYING")
	if p := r.Progress(); p.Folded != 0 || r.Done("a", "1") {
		t.Errorf("folded %d", p.Folded)
	}
	close(read)
	shown(t, r, 1)
	answered(t, r.Ready(), "")
}

// stall is a ledger that hangs in its flushes, once it is on and until it is released:
// it is where their spans begin.
type stall struct {
	on      atomic.Bool
	release chan struct{}
}

func (s *stall) OnStart(_ context.Context, span sdktrace.ReadWriteSpan) {
	if s.on.Load() && strings.HasPrefix(span.Name(), "ledger ") {
		<-s.release
	}
}

func (s *stall) OnEnd(sdktrace.ReadOnlySpan)      {}
func (s *stall) Shutdown(context.Context) error   { return nil }
func (s *stall) ForceFlush(context.Context) error { return nil }

// hanging starts a replica whose ledger hangs.
func hanging(t *testing.T, log eventlog.Log, store *ledger.Store) (*replica, *stall) {
	t.Helper()
	s := &stall{release: make(chan struct{})}
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(s)))
	t.Cleanup(func() { otel.SetTracerProvider(noop.NewTracerProvider()) })
	r := start(t, log, store, nil)
	shown(t, r, 1)
	s.on.Store(true)
	return r, s
}

// TestTakenBackLate: the stream did not take what a ledger that hung wrote ahead of it. Before
// the command is refused for certain, that is taken back: a start does not record it.
func TestTakenBackLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, dir, beats := opened(t), t.TempDir(), make(chan ledger.Head, 100)
		hang := &stall{release: make(chan struct{})}
		otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(hang)))
		defer otel.SetTracerProvider(noop.NewTracerProvider())
		r := start(t, &faulty{Memory: log, append: func(ctx context.Context, n int, expected uint64, records []eventlog.Record) error {
			if n == 1 {
				return eventlog.ErrUnavailable
			}
			return log.Append(ctx, expected, records)
		}}, newStore(t, dir), func(h ledger.Head) { beats <- h })
		shown(t, r, 1)
		synctest.Wait() // until the ledger has nothing to do
		hang.on.Store(true)
		_, err := r.Do(within(t, time.Minute), r.take("a", "1", "x"))
		answered(t, err, "OUTCOME_OPEN")
		hang.on.Store(false)
		close(hang.release)
		for len(beats) > 0 {
			<-beats
		}
		<-beats         // the ledger is back
		synctest.Wait() // until the gate has heard it

		again := r.take("a", "1", "x")
		again.Decide = func() ([]projection.Event, error) { return nil, errTaken }
		_, err = r.Do(within(t, time.Minute), again)
		answered(t, err, "NAME_TAKEN")
		killed := t.TempDir()
		if err := os.CopyFS(killed, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		shown(t, start(t, log, newStore(t, killed), nil), 1)
		if end(log) != 1 {
			t.Errorf("the log stands at %d: what was refused is recorded", end(log))
		}
	})
}

// TestStoppedInAnAppend: the process stops while a command is being appended. What is ahead
// in the ledger, or stands in the stream alone, is recorded by the next start: the caller is
// not told that it is not, and repeated, the command is found.
func TestStoppedInAnAppend(t *testing.T) {
	for name, tc := range map[string]struct {
		stored bool  // the stream has it
		err    error // of the append
		alone  bool  // another process keeps the ledger
	}{
		"nothing sent":              {false, eventlog.ErrUnavailable, false},
		"lost":                      {false, eventlog.ErrUnknown, false},
		"stored, unacknowledged":    {true, eventlog.ErrUnknown, false},
		"stored, of no known error": {true, errors.New("no such error"), true},
		"stored, and not gated":     {true, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log, store, sent := opened(t), newStore(t, t.TempDir()), make(chan struct{})
				own := store
				if tc.alone {
					own = nil
				}
				r := start(t, &faulty{Memory: log, append: func(ctx context.Context, _ int, expected uint64, records []eventlog.Record) error {
					close(sent)
					<-ctx.Done()
					if tc.stored {
						return errors.Join(log.Append(t.Context(), expected, records), tc.err)
					}
					return tc.err
				}}, own, nil)
				if tc.alone {
					r.Announced(tree(t, log))
				}
				shown(t, r, 1)
				synctest.Wait() // until the ledger has nothing to do
				told := make(chan error, 1)
				go func() {
					_, err := r.Do(within(t, time.Minute), r.take("a", "1", "x"))
					told <- err
				}()
				<-sent
				r.stop()
				answered(t, <-told, "OUTCOME_OPEN")
				if err := <-r.ended; err != nil {
					t.Fatal(err)
				}

				r = start(t, log, store, nil)
				shown(t, r, 2)
				c, err := r.Do(within(t, time.Minute), r.take("a", "1", "x"))
				answered(t, err, "")
				if c.First != 2 || end(log) != 2 {
					t.Errorf("repeated, it stands at %d of %d, want 2 of 2", c.First, end(log))
				}
			})
		})
	}
}

// TestRefusedBesideAnOpenOne: a command is decided with another, whose append has not ended
// when the process stops. It was refused: nothing of it can be recorded.
func TestRefusedBesideAnOpenOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, goOn := opened(t), make(chan struct{})
		r := start(t, &faulty{Memory: log, append: func(ctx context.Context, n int, expected uint64, records []eventlog.Record) error {
			if n == 1 {
				<-goOn
				return log.Append(ctx, expected, records)
			}
			<-ctx.Done()
			return eventlog.ErrUnknown
		}}, newStore(t, t.TempDir()), nil)
		shown(t, r, 1)
		var told [3]error
		var callers sync.WaitGroup
		for i := range told {
			cmd := r.take("a", fmt.Sprint(i), fmt.Sprint(i))
			if i == 2 {
				cmd.Decide = func() ([]projection.Event, error) { return nil, errTaken }
			}
			callers.Go(func() { _, told[i] = r.Do(within(t, time.Minute), cmd) })
			synctest.Wait()
		}
		close(goOn)
		synctest.Wait()
		r.stop()
		callers.Wait()
		for i, want := range []string{"", "OUTCOME_OPEN", "STOPPING"} {
			answered(t, told[i], want)
		}
	})
}

// TestAheadAlone: the ledger writes ahead where this process alone appends, and not for a
// while after another has.
func TestAheadAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, spans := opened(t), tracetest.NewSpanRecorder()
		otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)))
		defer otel.SetTracerProvider(noop.NewTracerProvider())
		r := start(t, log, newStore(t, t.TempDir()), nil)
		shown(t, r, 1)
		ahead := func() (n int) {
			for _, s := range spans.Ended() {
				if s.Name() == "ledger write ahead" {
					n++
				}
			}
			return n
		}
		for i, want := range []int{1, 1, 2} {
			switch i {
			case 1:
				foreign(t, log, 0, 1, "other")
				shown(t, r, end(log))
			case 2:
				<-time.After(time.Second)
			}
			synctest.Wait()
			_, err := r.Do(within(t, time.Minute), r.take("a", fmt.Sprint(i), fmt.Sprint(i)))
			answered(t, err, "")
			if got := ahead(); got != want {
				t.Fatalf("command %d: the ledger wrote ahead %d times, want %d", i, got, want)
			}
		}
	})
}

// TestBroughtAtTheStart: two commits are ahead in the ledger when a replica starts. What the
// log takes stands; what it never takes is taken back; where that is not known, the start
// ends, and both are ahead still, for the next one to compare with the log.
func TestBroughtAtTheStart(t *testing.T) {
	for name, tc := range map[string]struct {
		second func(store func() error) error // how the second append ends
		end    uint64                         // of the log
		ahead  int                            // commits that are still ahead
		halts  bool
	}{
		"taken":                      {func(store func() error) error { return store() }, 3, 0, false},
		"too large":                  {func(func() error) error { return eventlog.ErrTooLarge }, 2, 0, false},
		"taken a moment before":      {func(store func() error) error { return errors.Join(store(), eventlog.ErrMoved) }, 3, 0, false},
		"moved, and nothing follows": {func(func() error) error { return eventlog.ErrMoved }, 2, 1, true},
		"unknown":                    {func(store func() error) error { return errors.Join(store(), eventlog.ErrUnknown) }, 3, 2, true},
		"out of reach":               {func(func() error) error { return eventlog.ErrUnavailable }, 2, 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				other := opened(t)
				foreign(t, other, 0, 1, "x")
				foreign(t, other, 0, 1, "y")
				var ahead []eventlog.Record
				for rec, err := range other.Read(t.Context(), 1) {
					if err != nil {
						t.Fatal(err)
					}
					ahead = append(ahead, rec)
				}
				log, store := opened(t), newStore(t, t.TempDir())
				first, err := log.Get(t.Context(), 1)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := store.Append([]eventlog.Record{first}); err != nil {
					t.Fatal(err)
				}
				if err := store.WriteAhead(ahead); err != nil {
					t.Fatal(err)
				}
				r := start(t, &faulty{Memory: log, append: func(ctx context.Context, _ int, expected uint64, records []eventlog.Record) error {
					store := func() error { return log.Append(ctx, expected, records) }
					if expected == 2 {
						return tc.second(store)
					}
					return store()
				}}, store, nil)
				synctest.Wait()
				if halted := r.Progress().Halted; (halted != nil) != tc.halts {
					t.Errorf("halted: %v", halted)
				}
				if end(log) != tc.end || len(store.Ahead()) != tc.ahead {
					t.Errorf("the log ends at %d with %d ahead, want %d with %d", end(log), len(store.Ahead()), tc.end, tc.ahead)
				}
			})
		})
	}
}

// TestForkWhileTheLedgerHangs: the replica halts without waiting for its ledger.
func TestForkWhileTheLedgerHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := opened(t)
		r, hang := hanging(t, log, newStore(t, t.TempDir()))
		defer close(hang.release)
		answer := make(chan error, 1)
		go func() {
			_, err := r.Do(within(t, time.Minute), r.take("a", "1", "x"))
			answer <- err
		}()
		synctest.Wait() // until the stream has delivered it
		if end(log) != 2 {
			t.Fatalf("the log stands at %d, want 2", end(log))
		}
		log.Truncate(1)
		synctest.Wait()
		answered(t, r.View(t.Context(), 1, func(uint64) error { return nil }), "LOG_FORKED")
		answered(t, r.Ready(), "LOG_FORKED")
		err := <-answer // the stream had it: what becomes of it is not settled
		answered(t, err, "OUTCOME_OPEN")
		if !strings.Contains(err.Error(), "LOG_FORKED") {
			t.Errorf("it does not say why: %v", err)
		}
	})
}

// TestLedgerBreaksWhileMuchWaits: the replica halts though it is held up handing commits
// to the ledger when that breaks.
func TestLedgerBreaksWhileMuchWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, store := opened(t), newStore(t, t.TempDir())
		r, hang := hanging(t, log, store)
		for n := range 1500 {
			foreign(t, log, 0, 1, fmt.Sprint("f", n))
		}
		synctest.Wait()
		if folded := r.Progress().Folded; folded >= 1501 {
			t.Fatalf("folded %d: nothing waits", folded)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		close(hang.release)
		synctest.Wait()
		answered(t, r.Ready(), "HALTED")
		_, err := r.Do(within(t, time.Minute), r.take("a", "1", "x"))
		answered(t, err, "HALTED")
	})
}

// TestLongTraceStaysBehind: what a caller's trace carries must not cost the event its
// place in a message.
func TestLongTraceStaysBehind(t *testing.T) {
	defer otel.SetTextMapPropagator(otel.GetTextMapPropagator())
	otel.SetTextMapPropagator(propagation.Baggage{})
	for _, tc := range []struct {
		length  int
		travels bool
	}{{100, true}, {3000, false}} {
		synctest.Test(t, func(t *testing.T) {
			log := opened(t)
			r := start(t, log, newStore(t, t.TempDir()), nil)
			member, err := baggage.NewMember("k", strings.Repeat("v", tc.length))
			if err != nil {
				t.Fatal(err)
			}
			bag, err := baggage.New(member)
			if err != nil {
				t.Fatal(err)
			}
			_, err = r.Do(baggage.ContextWithBaggage(within(t, time.Minute), bag), r.take("a", "1", "x"))
			answered(t, err, "")
			for rec, err := range log.Read(t.Context(), 1) {
				if err != nil || len(rec.Header) > 0 != tc.travels {
					t.Errorf("%d bytes: %d headers, %v", tc.length, len(rec.Header), err)
				}
			}
		})
	}
}

// TestRefusedByTheLatest: a command that rests on what another process recorded is not
// refused because that has not come here yet.
func TestRefusedByTheLatest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, come := opened(t), make(chan struct{})
		r := start(t, &faulty{Memory: log, follow: come}, newStore(t, t.TempDir()), nil)
		shown(t, r, 1)
		foreign(t, log, 0, 1, "theirs")
		cmd := r.take("a", "1", "mine")
		take := cmd.Decide
		cmd.Decide = func() ([]projection.Event, error) {
			if _, known := r.names["theirs"]; !known {
				return nil, fault.New(fault.NotFound, "NAME_UNKNOWN", "name", "the name is unknown")
			}
			return take()
		}
		time.AfterFunc(time.Second, func() { close(come) })
		_, err := r.Do(within(t, time.Minute), cmd)
		answered(t, err, "")
	})
}

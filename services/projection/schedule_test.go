package projection_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"maillage/services/eventlog"
	"maillage/services/fault"
	"maillage/services/ledger"
	"maillage/services/projection"
)

// TestSchedules lets three writers and a ledger, which is started anew now and then, go
// through random accidents: writes and answers are lost, writes land late, heads are
// delayed, words of turns come late or never, callers lose their patience and ask elsewhere. Whatever happens, what was
// acknowledged stands once where it was said to, what was refused stands nowhere, and
// all folds and both stores are the same. MAILLAGE_RACE_SECONDS makes it go through more
// than its 12 schedules.
func TestSchedules(t *testing.T) {
	schedules(t, func(t *testing.T, seed uint64) { newSchedule(t, seed).run() })
}

// TestSchedulesAlone does the same to one process that decides, appends and keeps the
// ledger, which it writes ahead: it is killed now and then, and the power is cut.
func TestSchedulesAlone(t *testing.T) {
	schedules(t, func(t *testing.T, seed uint64) { newLonely(t, seed).run() })
}

func schedules(t *testing.T, run func(t *testing.T, seed uint64)) {
	seeds := 12
	if testing.Short() {
		seeds = 4
	}
	until := raceUntil()
	for seed := 0; seed < seeds || time.Now().Before(until); seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { run(t, uint64(seed)) })
		})
	}
}

// raceUntil is when the races end that MAILLAGE_RACE_SECONDS makes last longer; in the
// past where it is not set.
func raceUntil() (t time.Time) {
	if n, err := strconv.Atoi(os.Getenv("MAILLAGE_RACE_SECONDS")); err == nil {
		t = time.Now().Add(time.Duration(n) * time.Second)
	}
	return t
}

// schedule is one random run, on the clock of a bubble.
type schedule struct {
	t     *testing.T
	log   *eventlog.Memory
	dir   string // of the ledger
	sides int    // of the die that troubles appends
	slow  int    // milliseconds that the way to the log takes, and the way back, at most
	ctx   context.Context

	late sync.WaitGroup // writes on their way

	mu      sync.Mutex
	rng     *rand.Rand
	cuts    int // times that the power was cut
	writers []*replica
	stands  map[string]projection.Commit // acknowledged, by request
	refused map[string]bool
}

func newSchedule(t *testing.T, seed uint64) *schedule {
	s := newLonely(t, seed)
	s.sides, s.slow = 12, 0
	var writers []*replica
	for range 3 {
		writers = append(writers, startWith(t, projection.Config{Log: &trouble{s.log, s}, Tell: s.tell}))
	}
	s.writers = writers
	return s
}

// newLonely returns a schedule without other writers than the process that keeps the ledger.
func newLonely(t *testing.T, seed uint64) *schedule {
	return &schedule{
		t: t, sides: 36, slow: 6, log: opened(t), dir: t.TempDir(), ctx: within(t, 10*time.Minute),
		rng: rand.New(rand.NewPCG(seed, 7)), stands: map[string]projection.Commit{}, refused: map[string]bool{},
	}
}

// writer returns any process that takes commands.
func (s *schedule) writer() *replica {
	n := s.dice(3)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writers[n%len(s.writers)]
}

// dice throws a die of n sides.
func (s *schedule) dice(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rng.IntN(n)
}

// within returns a random time below a number of milliseconds.
func (s *schedule) within(ms int) time.Duration { return time.Duration(s.dice(ms)) * time.Millisecond }

// trouble is the log over a bad connection.
type trouble struct {
	eventlog.Log
	schedule *schedule
}

func (l *trouble) Append(ctx context.Context, expected uint64, records []eventlog.Record) error {
	if l.schedule.slow > 0 {
		l.schedule.travel(ctx)
		defer l.schedule.travel(ctx)
	}
	switch l.schedule.dice(l.schedule.sides) {
	case 0:
		return fmt.Errorf("%w: the write is lost", eventlog.ErrUnknown)
	case 1:
		_ = l.Log.Append(ctx, expected, records) // the answer is lost, whatever it is
		return fmt.Errorf("%w: the answer is lost", eventlog.ErrUnknown)
	case 2:
		l.schedule.mu.Lock()
		defer l.schedule.mu.Unlock()
		cuts := l.schedule.cuts
		l.schedule.late.Add(1)
		time.AfterFunc(time.Duration(l.schedule.rng.IntN(300))*time.Millisecond, func() {
			defer l.schedule.late.Done()
			l.schedule.mu.Lock()
			defer l.schedule.mu.Unlock()
			if cuts == l.schedule.cuts { // what is on its way does not outlive the broker
				_ = l.Log.Append(context.WithoutCancel(ctx), expected, records)
			}
		})
		return fmt.Errorf("%w: the write is late", eventlog.ErrUnknown)
	case 3:
		return eventlog.ErrUnavailable
	}
	return l.Log.Append(ctx, expected, records)
}

// travel takes a while, or until the context ends.
func (s *schedule) travel(ctx context.Context) {
	select {
	case <-time.After(s.within(s.slow)):
	case <-ctx.Done():
	}
}

// tell brings a word of a turn to each writer, unless it is lost.
func (s *schedule) tell(b []byte) {
	for _, w := range s.writers {
		if s.dice(6) > 0 {
			time.AfterFunc(s.within(10), func() { w.Told(b) })
		}
	}
}

func (s *schedule) run() {
	const callers = 12
	stop, stopLedger := context.WithCancel(s.ctx)
	var keeper, working sync.WaitGroup
	if s.writers == nil {
		born := make(chan struct{})
		keeper.Go(func() { s.live(stop, born) })
		<-born
	} else {
		keeper.Go(func() { s.keepLedger(stop) })
	}
	for caller := range callers {
		working.Go(func() {
			for n := range 25 {
				s.command(fmt.Sprint(caller, "-", n), s.names())
			}
		})
	}
	working.Wait()
	s.late.Wait()
	stopLedger()
	keeper.Wait()
	store, writers := newStore(s.t, s.dir), s.writers
	if len(writers) == 1 {
		writers = nil // it was killed
	}
	last := startWith(s.t, projection.Config{Log: s.log, Ledger: store, Announce: func(h ledger.Head) {
		for _, w := range writers {
			w.Announced(h)
		}
	}})
	shown(s.t, last, 1)
	head, all := end(s.log), append(slices.Clip(writers), last)
	for i, w := range all {
		if err := w.View(s.ctx, head, func(uint64) error { return nil }); err != nil {
			s.t.Fatalf("writer %d does not come to %d: %v", i, head, err)
		}
	}
	if got, want := store.Head(), tree(s.t, s.log); got != want {
		s.t.Errorf("the ledger stands at %v, the log at %v", got, want)
	}
	s.check(head, all)
}

// names draws one to three different names, of which many callers want the same.
func (s *schedule) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, n := range s.rng.Perm(s.sides * 25)[:1+s.rng.IntN(3)] {
		names = append(names, fmt.Sprint("n", n))
	}
	return names
}

// keepLedger runs the process that keeps the ledger, again and again.
func (s *schedule) keepLedger(ctx context.Context) {
	announce := func(h ledger.Head) {
		for _, w := range s.writers {
			time.AfterFunc(s.within(5), func() { w.Announced(h) })
		}
	}
	for ctx.Err() == nil {
		store, err := ledger.Open(s.dir, "")
		if err != nil {
			s.t.Error(err)
			return
		}
		life, cancel := context.WithTimeout(ctx, 300*time.Millisecond+s.within(500))
		state := &tally{names: map[string]uint64{}}
		err = projection.NewRunner(projection.Config{Log: s.log, Fold: state.fold(), Ledger: store, Announce: announce}).Run(life)
		cancel()
		if err := errors.Join(err, store.Close()); err != nil {
			s.t.Errorf("the ledger: %v", err)
			return
		}
		pause := s.within(50)
		if s.dice(8) == 0 {
			pause = 6 * time.Second // long enough for the writers to refuse commands
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// live runs the process that does everything, again and again. born is closed once there is
// one.
func (s *schedule) live(ctx context.Context, born chan<- struct{}) {
	for lives := 0; ctx.Err() == nil; lives++ {
		store, err := ledger.Open(s.dir, "")
		if err != nil {
			s.t.Error(err)
			return
		}
		old, err := os.ReadFile(filepath.Join(s.dir, "head"))
		if err != nil {
			s.t.Error(err)
		}
		life, cancel := context.WithTimeout(ctx, 100*time.Millisecond+s.within(900))
		state := &tally{names: map[string]uint64{}}
		w := &replica{tally: state, Runner: projection.NewRunner(projection.Config{Log: &trouble{s.log, s}, Fold: state.fold(), Ledger: store})}
		s.mu.Lock()
		s.writers = []*replica{w}
		s.mu.Unlock()
		if lives == 0 {
			close(born)
		}
		err = w.Run(life)
		cancel()
		if err != nil && !errors.Is(err, eventlog.ErrUnavailable) && !errors.Is(err, eventlog.ErrUnknown) {
			s.t.Errorf("it halted: %v", err)
			return
		}
		s.leave(store, old)
	}
}

// leave ends a life: in order, or leaving the files as a kill does, or, with an old head,
// as a power cut does, which here takes from the stream what the ledger wrote last.
func (s *schedule) leave(store *ledger.Store, old []byte) {
	files, how := s.t.TempDir(), s.dice(4)
	err := os.CopyFS(files, os.DirFS(s.dir))
	if err := errors.Join(err, store.Close()); err != nil {
		s.t.Error(err)
	}
	if how < 3 {
		s.dir = files
	}
	if how > 0 {
		return
	}
	if err := os.WriteFile(filepath.Join(files, "head"), old, 0o600); err != nil {
		s.t.Error(err)
	}
	store = newStore(s.t, files)
	if ahead := store.Ahead(); len(ahead) > 0 && ahead[0][0].Position <= end(s.log) {
		s.mu.Lock()
		s.log.Truncate(ahead[0][0].Position - 1)
		s.cuts++
		s.mu.Unlock()
	}
	if err := store.Close(); err != nil {
		s.t.Error(err)
	}
}

// command repeats a request, at any writer, until it is answered for certain.
func (s *schedule) command(request string, names []string) {
	for {
		w := s.writer()
		call, cancel := context.WithTimeout(s.ctx, 20*time.Millisecond+s.within(400))
		c, err := w.Do(call, w.take("a", request, names...))
		cancel()
		e, _ := errors.AsType[*fault.Error](err)
		switch {
		case err == nil:
			if gate := w.Progress().Gate.Size; gate < c.Last {
				s.t.Errorf("%s is acknowledged at %d, and the ledger stands at %d", request, c.Last, gate)
			}
			s.mu.Lock()
			s.stands[request] = c
			s.mu.Unlock()
			if s.dice(3) == 0 {
				s.again(request, names, c)
			}
			return
		case e == nil || e.Kind != fault.Refused && e.Kind != fault.Unavailable:
			s.t.Errorf("%s: %v", request, err)
			return
		case e.Kind == fault.Refused:
			s.mu.Lock()
			s.refused[request] = true
			s.mu.Unlock()
			return
		}
		select {
		case <-time.After(time.Millisecond + s.within(50)):
		case <-s.ctx.Done():
			s.t.Errorf("%s is never answered: %v", request, err)
			return
		}
	}
}

// again asks any writer for what was acknowledged: it says the same, or is busy.
func (s *schedule) again(request string, names []string, first projection.Commit) {
	w := s.writer()
	call, cancel := context.WithTimeout(s.ctx, 3*time.Second)
	defer cancel()
	c, err := w.Do(call, w.take("a", request, names...))
	if e, _ := errors.AsType[*fault.Error](err); e != nil && e.Kind == fault.Unavailable {
		return
	}
	if err != nil || c.First != first.First || c.Last != first.Last {
		s.t.Errorf("%s was acknowledged at %d to %d, then: %d to %d, %v", request, first.First, first.Last, c.First, c.Last, err)
	}
}

// check compares everything that was said with the log.
func (s *schedule) check(head uint64, writers []*replica) {
	truth := &tally{names: map[string]uint64{}}
	fold := truth.fold()
	stands := map[string][2]uint64{}
	for rec, err := range s.log.Read(s.t.Context(), 0) {
		if err != nil {
			s.t.Fatal(err)
		}
		meta, err := fold.Evolve(rec)
		if err != nil {
			s.t.Fatal(err)
		}
		if name := truth.positions[rec.Position-1]; truth.names[name] != rec.Position {
			s.t.Errorf("name %s stands at %d and at %d", name, truth.names[name], rec.Position)
		}
		if meta.GetCommitIndex() > 0 {
			continue
		}
		if at, twice := stands[meta.GetRequestId()]; twice {
			s.t.Errorf("request %s stands at %d and at %d", meta.GetRequestId(), at, rec.Position)
		}
		stands[meta.GetRequestId()] = [2]uint64{rec.Position, rec.Position + uint64(meta.GetCommitSize()) - 1}
	}
	for request, c := range s.stands {
		if stands[request] != [2]uint64{c.First, c.Last} {
			s.t.Errorf("%s was acknowledged at %d to %d and stands at %d", request, c.First, c.Last, stands[request])
		}
	}
	for request := range s.refused {
		if at, there := stands[request]; there {
			s.t.Errorf("%s was refused and stands at %d", request, at)
		}
	}
	if len(s.stands) == 0 || len(s.refused) == 0 {
		s.t.Errorf("%d acknowledged, %d refused: the schedule shows nothing", len(s.stands), len(s.refused))
	}
	s.compare(head, truth, writers)
}

// compare compares the writers' states and the ledger with the log.
func (s *schedule) compare(head uint64, truth *tally, writers []*replica) {
	for i, w := range writers {
		if got := w.CommitEnd(head); got != head {
			s.t.Errorf("writer %d: the commit of %d ends at %d", i, head, got)
		}
		if err := w.View(s.t.Context(), head, func(uint64) error {
			if len(w.names) != len(truth.names) {
				s.t.Errorf("writer %d has %d names, the log %d", i, len(w.names), len(truth.names))
			}
			for name, at := range truth.names {
				if w.names[name] != at {
					s.t.Errorf("writer %d has %s at %d, the log at %d", i, name, w.names[name], at)
				}
			}
			return nil
		}); err != nil {
			s.t.Error(err)
		}
	}
}

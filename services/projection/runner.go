// Package projection keeps a process's replica of the log: it follows the stream,
// folds whole commits, stays behind the ledger's fence, and is the one place where
// the process's commands are decided and appended.
//
// Three positions matter. Folded is the last one in the state, perhaps predicted.
// Seen is the last one the stream itself has delivered. The gate is the last one
// that the ledger has announced with the root of what was folded here: it bounds
// everything a reader is shown and everything a caller is told. On a hole, a fork
// or an event that cannot be folded the replica halts: nothing is skipped.
package projection

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	"maillage/proto/merkle"
	"maillage/services/eventlog"
	"maillage/services/fault"
	"maillage/services/ledger"
)

// Limits of the fence.
const (
	maxBehind     = 1000             // positions that the ledger may be behind before commands are refused
	maxSilence    = 5 * time.Second  // without an announcement before commands are refused
	maxSkew       = 2 * time.Second  // between this process's clock and the broker's
	clockInterval = 10 * time.Second // between two looks at the broker's clock
)

// Fold is the state that a replica keeps, as three functions over it. They are
// never called at the same time as each other or as the function of a View.
type Fold struct {
	// Evolve folds one record and returns its Meta.
	Evolve func(eventlog.Record) (*eventv1.Meta, error)
	// Rollback forgets everything folded after a position.
	Rollback func(to uint64)
	// Settle says that positions up to one will never be rolled back.
	Settle func(to uint64)
}

// Config is what a replica is made of.
type Config struct {
	Log  eventlog.Log
	Fold Fold
	// Ledger, where one runs in this process: the replica feeds it and is gated by
	// it. Nil where another process announces heads through Announced.
	Ledger *ledger.Store
	// Follow says that Ledger gates nothing: the replica is gated by what another process
	// announces, feeds the ledger all the same, and halts with LEDGER_DIVERGED where it
	// does not contain what was announced.
	Follow bool
	// Announce tells other processes of each flushed head. May be nil.
	Announce func(ledger.Head)
	// Tell brings to the Told of every process what this one says of its turns, this one
	// included, or loses it. It must not block. Nil where no other process appends.
	Tell func([]byte)
	// Now is the clock; time.Now where nil.
	Now func() time.Time
	// Logger; slog.Default where nil.
	Logger *slog.Logger
}

// Runner is a replica of the log.
type Runner struct {
	log      eventlog.Log
	fold     Fold
	store    *ledger.Store
	follows  bool // store does not gate
	announce func(ledger.Head)
	tell     func([]byte)
	now      func() time.Time
	logger   *slog.Logger

	queue   chan *pending          // commands to decide
	tail    chan eventlog.Record   // what the stream delivers
	told    chan []byte            // what processes tell of their turns
	broken  chan error             // why the stream stopped delivering
	flushes chan []eventlog.Record // whole commits for the ledger of this process
	asks    chan ask               // what that ledger is to write ahead; taken only where it waits
	heard   chan ledger.Head       // announced, for a ledger that follows

	mu      sync.RWMutex
	state   status
	commits commits

	partial []eventlog.Record // of a foreign commit that is not yet whole
	turn    turn              // the loop's own
	crowd   int               // commands that were in the last append or queued at its end
	crowded time.Time         // that end; both the loop's own
	asked   bool              // the ledger was asked to write ahead what the stream has not taken; the loop's own
	waiting []*pending        // decided, waiting for the gate, by position
	moved   chan struct{}     // closed and replaced whenever the gate moves or the replica halts
	live    chan struct{}     // closed once the log is replayed; until then mu is held
	stopped chan struct{}     // closed when it halts
	halted  error
}

// status is how far the replica has come.
type status struct {
	folded   uint64
	stored   uint64 // up to here folded is what the stream holds; beyond it is predicted
	seen     uint64
	whole    bool // folded stands at the end of a commit
	open     *eventv1.Meta
	gate     ledger.Head
	gateTree merkle.Tree
	leaves   []tlog.Hash // of positions from first on
	first    uint64
	ahead    *ledger.Head // announced, but beyond what was folded
	heard    time.Time    // last announcement
	since    time.Time    // when the gate last moved, or the stream went beyond it
	skew     time.Duration
	cursor   eventlog.Cursor
}

// NewRunner returns a replica that Run brings to life.
func NewRunner(c Config) *Runner {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	r := &Runner{
		log: c.Log, fold: c.Fold, store: c.Ledger, follows: c.Follow, announce: c.Announce, now: c.Now, logger: c.Logger,
		queue:   make(chan *pending, 4096),
		tail:    make(chan eventlog.Record, 4096),
		broken:  make(chan error, 1),
		flushes: make(chan []eventlog.Record, 256),
		asks:    make(chan ask),
		heard:   make(chan ledger.Head, 1),
		moved:   make(chan struct{}),
		stopped: make(chan struct{}),
		live:    make(chan struct{}),
		tell:    c.Tell,
		told:    make(chan []byte, 256),
		turn:    turn{name: rand.Text()},
	}
	r.state.whole = true
	r.state.first = 1
	return r
}

// Run replays the log, compares it with the ledger where one runs here, then
// follows, decides and appends until the context ends or the replica halts. It
// returns nil at the context's end and otherwise why it halted.
func (r *Runner) Run(ctx context.Context) error {
	defer observe(r)()
	var workers sync.WaitGroup
	working, cancel := context.WithCancel(ctx)
	err := r.replay(ctx)
	if err == nil {
		close(r.live)
		workers.Go(func() { r.follow(working) })
		switch {
		case r.store == nil:
		case r.follows:
			workers.Go(func() { r.keepCopy(working) })
		default:
			workers.Go(func() { r.keepLedger(working) })
		}
		err = r.loop(working)
	}
	cancel()
	if ctx.Err() != nil {
		r.halt(fault.New(fault.Unavailable, "STOPPING", "", "the process is stopping"))
		err = nil
	} else {
		r.halt(err) // before the workers end: one of them may hang on a disk
	}
	workers.Wait()
	return damage(err)
}

// Announced takes a head announced by the ledger of another process.
func (r *Runner) Announced(h ledger.Head) {
	if r.follows {
		r.hear(h)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.advance(h)
}

// View runs f on the folded state, which does not change meanwhile. head is the
// last position that f may show; what the state knows beyond it is predicted or
// not yet in both stores. It first waits until head is at least minPosition.
func (r *Runner) View(ctx context.Context, minPosition uint64, f func(head uint64) error) error {
	select {
	case <-r.live:
	case <-r.stopped:
	case <-ctx.Done():
		return errReplaying
	}
	var waiting context.Context
	for {
		r.mu.RLock()
		err, gate, moved := r.halted, r.state.gate.Size, r.moved
		if err == nil && gate >= max(minPosition, 1) {
			defer r.mu.RUnlock()
			return f(gate)
		}
		r.mu.RUnlock()
		if err != nil {
			return err
		}
		if waiting == nil {
			var cancel context.CancelFunc
			waiting, cancel = Early(ctx)
			defer cancel()
		}
		select {
		case <-moved:
		case <-waiting.Done():
			late := fault.New(fault.Unavailable, "POSITION_NOT_REACHED", "as_of.min_position",
				"position %d cannot be read yet, the last one that can is %d", minPosition, gate)
			late.Position = minPosition
			return late
		}
	}
}

// Early ends a moment before a context does, so that whoever waited in vain hears why before
// he gives up.
func Early(ctx context.Context) (context.Context, context.CancelFunc) {
	by, ends := ctx.Deadline()
	if !ends {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, by.Add(-min(time.Until(by)/10, time.Second/2)))
}

// Latest returns the last position of the log, whether it has come here or not: what a
// View that must miss nothing waits for.
func (r *Runner) Latest(ctx context.Context) (uint64, error) {
	head, _, err := r.log.Head(ctx)
	if err != nil {
		return 0, fault.New(fault.Unavailable, "LOG_UNREACHABLE", "", "where the log ends cannot be told now: %v", err)
	}
	return head, nil
}

// Progress says how far a replica has come.
type Progress struct {
	Folded    uint64      // last position in the state
	Gate      ledger.Head // last announced head, verified here
	Announced uint64      // size of the last announced head, verified here or not yet
	Halted    error       // why it halted, nil while it runs
}

// Progress returns how far the replica has come; nothing while it replays the log.
func (r *Runner) Progress() Progress {
	if r.replaying() {
		return Progress{}
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	return Progress{Folded: r.state.folded, Gate: r.state.gate, Announced: r.announced().Size, Halted: r.halted}
}

// Ready returns nil while the replica answers and takes commands, and otherwise what
// it waits for.
func (r *Runner) Ready() error {
	if r.replaying() {
		return errReplaying
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.refusal()
}

var errReplaying = fault.New(fault.Unavailable, "REPLAYING", "", "the process is replaying the log")

func (r *Runner) replaying() bool {
	select {
	case <-r.live:
	case <-r.stopped:
	default:
		return true
	}
	return false
}

// KnownAt returns the last position whose known time is at or before t. Like the
// two below, it is not to be called by the function of a View.
func (r *Runner) KnownAt(t time.Time) uint64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return min(r.commits.at(t), r.state.gate.Size)
}

// KnownTime returns the known time of a position, UTC.
func (r *Runner) KnownTime(position uint64) time.Time {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.commits.time(position)
}

// CommitEnd returns the last position of the last whole commit at or before a
// position.
func (r *Runner) CommitEnd(position uint64) uint64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.commits.end(position)
}

// replay folds the log from its beginning and, where the ledger runs here,
// compares the two record by record and fills the ledger up.
func (r *Runner) replay(ctx context.Context) error {
	if err := r.lookAtLog(ctx); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	defer gc.relax()()
	started := r.now()
	var err error
	if r.store != nil {
		err = r.replayBoth(ctx)
	} else {
		err = r.replayStream(ctx)
	}
	if err != nil {
		return damage(err)
	}
	if r.state.ahead != nil {
		r.advance(*r.state.ahead)
	}
	r.logger.InfoContext(ctx, "replayed", "position", r.state.folded, "seconds", r.now().Sub(started).Seconds())
	return nil
}

func (r *Runner) replayStream(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	stream := readAhead(withLeaves(r.log.Read(ctx, 0), nil, nil))
	defer stream.close()
	defer cancel()
	var last hashed
	for {
		rec, ok, err := stream.next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if err := r.take(rec.Record, rec.leaf); err != nil {
			return err
		}
		r.replayed(rec.Position)
		last = rec
	}
	r.standAt(last)
	return nil
}

// replayBoth reads the stream beside the ledger: any difference stops it. What the ledger
// wrote ahead when the process ended, and the stream does not hold, is brought there.
func (r *Runner) replayBoth(ctx context.Context) error {
	size := r.store.Head().Size
	kept := r.store.Reader()
	defer kept.Close()
	for attempt := 0; ; attempt++ {
		if err := r.readBoth(ctx, kept, size); err != nil {
			return err
		}
		if r.state.folded < size {
			return fmt.Errorf("the ledger holds %d positions and the stream only %d: %w", size, r.state.folded,
				&eventlog.HoleError{Position: r.state.folded + 1})
		}
		more, err := r.bringAhead(ctx)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if attempt == maxAttempts {
			return givenUp(eventlog.ErrMoved)
		}
	}
	if r.follows {
		return nil // the gating ledger's next head opens the gate
	}
	return r.gateAtLedger()
}

// readBoth reads on from what is folded to the stream's end, comparing what the ledger
// holds, up to a size, and filling it up.
func (r *Runner) readBoth(ctx context.Context, kept *ledger.Reader, size uint64) error {
	ctx, cancel := context.WithCancel(ctx)
	stream := readAhead(withLeaves(r.log.Read(ctx, r.state.folded), kept, r.differ))
	defer stream.close()
	defer cancel()
	var last hashed
	commit := r.partial
	for {
		rec, ok, err := stream.next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if rec.Position > size {
			commit = append(commit, rec.Record)
		}
		if err := r.take(rec.Record, rec.leaf); err != nil {
			return err
		}
		r.replayed(rec.Position)
		if r.state.whole {
			if len(commit) > 0 {
				if _, err := r.store.Append(commit); err != nil {
					return err
				}
				commit = nil
			}
			if !r.follows {
				r.growTree(rec.Position)
			}
		}
		last = rec
	}
	r.partial = commit
	r.standAt(last)
	return nil
}

// bringAhead brings what the ledger was writing ahead when the process ended to the stream.
// It returns false where there is nothing to read on for. A ledger that follows leaves that
// to the one that gates.
func (r *Runner) bringAhead(ctx context.Context) (more bool, err error) {
	if r.follows || !r.state.whole {
		return false, nil
	}
	brought, err := BringAhead(ctx, r.log, r.store)
	if len(brought) > 0 {
		r.logger.WarnContext(ctx, "the ledger was ahead of the stream", "positions", len(brought), "after", r.state.folded)
	}
	if errors.Is(err, eventlog.ErrMoved) {
		return true, nil
	}
	return len(brought) > 0, err
}

// BringAhead appends to a log, which must stand where its ledger does, what the ledger was
// writing ahead when its process ended, and returns that: it was decided on exactly this
// state, and whether its callers were answered cannot be told any more. What is too large
// for the log never was in it, and is taken back with what rests on it.
func BringAhead(ctx context.Context, log eventlog.Log, store *ledger.Store) (brought []eventlog.Record, err error) {
	for _, commit := range store.Ahead() {
		timed, cancel := context.WithTimeout(ctx, appendTimeout)
		err := log.Append(timed, commit[0].Position-1, commit)
		cancel()
		if errors.Is(err, eventlog.ErrTooLarge) {
			return brought, store.Withdraw()
		}
		if err != nil {
			return brought, err
		}
		brought = append(brought, commit...)
	}
	return brought, nil
}

// gateAtLedger opens the gate at the ledger's head, whose root must be that of
// what was folded.
func (r *Runner) gateAtLedger() error {
	head := r.store.Head()
	if head.Size == 0 {
		return nil
	}
	if root := r.state.gateTree.Root(); root != head.Root {
		return fmt.Errorf("the ledger's root at size %d is %v and the log's is %v: %w", head.Size, head.Root, root,
			&eventlog.ForkError{Position: head.Size})
	}
	if kept, back := r.store.RolledBack(); back {
		return fmt.Errorf("both stores contradict the head kept in the third place: %w", &eventlog.ForkError{Position: kept.Size})
	}
	r.state.gate = head
	r.state.heard, r.state.since = r.now(), r.now()
	r.fold.Settle(head.Size)
	if r.announce != nil {
		r.announce(head)
	}
	r.wake()
	return nil
}

// replayed notes that a record came from the stream and stands for good.
func (r *Runner) replayed(position uint64) {
	r.state.seen, r.state.stored = position, position
	if position%4096 == 0 {
		r.fold.Settle(position)
	}
	if position%65536 == 0 {
		gc.follow()
	}
}

// standAt starts the following of the stream after what was replayed.
func (r *Runner) standAt(last hashed) {
	if last.Position > 0 {
		r.state.cursor = eventlog.Cursor{Position: last.Position, Leaf: last.leaf}
	}
}

// take folds one record whose place in the log is right. The caller holds the
// lock.
func (r *Runner) take(rec eventlog.Record, leaf tlog.Hash) error {
	if rec.Position != r.state.folded+1 {
		return &eventlog.HoleError{Position: r.state.folded + 1}
	}
	meta, err := r.fold.Evolve(rec)
	if err != nil {
		return &unfoldable{rec.Position, err}
	}
	if err := r.inCommit(rec.Position, meta); err != nil {
		return err
	}
	r.state.folded = rec.Position
	r.state.leaves = append(r.state.leaves, leaf)
	return nil
}

// inCommit checks that an event continues the commit it says it belongs to, and
// notes the commit where the event ends it.
func (r *Runner) inCommit(position uint64, meta *eventv1.Meta) error {
	s := &r.state
	size, index := meta.GetCommitSize(), meta.GetCommitIndex()
	switch {
	case size == 0 || index >= size:
		return fmt.Errorf("position %d is event %d of a commit of %d: %w", position, index, size, &eventlog.HoleError{Position: position})
	case s.whole && index != 0,
		!s.whole && (index != s.open.GetCommitIndex()+1 || size != s.open.GetCommitSize() || meta.GetRequestId() != s.open.GetRequestId()):
		return fmt.Errorf("position %d does not continue the commit before it: %w", position, &eventlog.HoleError{Position: position})
	}
	s.open, s.whole = meta, index+1 == size
	if s.whole {
		s.open = nil
		r.commits.add(position, meta)
	}
	return nil
}

// differ says that the two stores do not hold the same at a position.
func (r *Runner) differ(position uint64) error {
	if r.follows {
		return diverged(position, "the stream and the ledger of this process differ at position %d", position)
	}
	return fmt.Errorf("the stream and the ledger differ: %w", &eventlog.ForkError{Position: position})
}

// diverged says that the ledger of this process, which follows, does not hold what the
// register does from a position on.
func diverged(position uint64, format string, args ...any) error {
	e := fault.New(fault.Damaged, "LEDGER_DIVERGED", "", format, args...)
	e.Position = position
	return e
}

// unfoldable says that an event is not understood: a newer binary wrote it, or it is no
// event.
type unfoldable struct {
	position uint64
	err      error
}

func (u *unfoldable) Error() string {
	return fmt.Sprintf("position %d cannot be folded: %v", u.position, u.err)
}

func (u *unfoldable) Unwrap() error { return u.err }

// damage turns what the stores say against each other or themselves into the error
// that callers get. Any other error stays.
func damage(err error) error {
	if err == nil {
		return nil
	}
	e := fault.New(fault.Damaged, "LOG_DAMAGED", "", "%v; compare the stores and see: maillage restore --help", err)
	if own, ok := errors.AsType[*fault.Error](err); ok {
		return own
	}
	if hole, ok := errors.AsType[*eventlog.HoleError](err); ok {
		e.Position = hole.Position
		return e
	}
	if bad, ok := errors.AsType[*ledger.DamageError](err); ok {
		e.Position = bad.Position
		return e
	}
	if fork, ok := errors.AsType[*eventlog.ForkError](err); ok {
		e.Reason, e.Position = "LOG_FORKED", fork.Position
		return e
	}
	if event, ok := errors.AsType[*unfoldable](err); ok {
		e = fault.New(fault.Damaged, "EVENT_UNREADABLE", "", "%v; a binary that can read it goes on from there; if none wrote it, see: maillage restore --help", event)
		e.Position = event.position
		return e
	}
	return err
}

// halt stops the replica for good: every caller and reader gets the reason.
func (r *Runner) halt(err error) {
	if err == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.halted != nil {
		return
	}
	r.halted = damage(err)
	if _, ok := errors.AsType[*fault.Error](r.halted); !ok {
		r.halted = fault.New(fault.Unavailable, "HALTED", "", "the process halted and must be started again: %v", err)
	}
	for _, p := range r.waiting {
		p.finish(Commit{}, p.unanswered(r.halted))
	}
	r.waiting = nil
	close(r.stopped)
	r.wake()
}

// wake tells everyone who waits that the gate moved or the replica halted. The
// caller holds the lock.
func (r *Runner) wake() {
	close(r.moved)
	r.moved = make(chan struct{})
}

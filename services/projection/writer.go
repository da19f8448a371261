package projection

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	"maillage/services/eventlog"
	"maillage/services/fault"
)

// Schema is the version of the contract that this binary writes.
const Schema = 1

const (
	maxAttempts   = 60                    // decisions of one command before it is aborted
	maxTogether   = 1024                  // commands decided together
	batchFrom     = 8                     // commits from which one atomic batch beats publishing in turn
	largeBatch    = 128                   // commits from which a batch is not worth waiting for more
	lingerTime    = 3 * time.Millisecond  // for which a batch waits for those who asked a moment ago
	crowdMemory   = 25 * time.Millisecond // after which they are not waited for
	maxHeader     = 2048                  // bytes of trace context that travel with a record
	appendTimeout = 10 * time.Second      // before the outcome of an append counts as unknown
)

// Event is one fact to append: its subject and its message, whose Meta the writer
// completes (everything but basis and corrects).
type Event struct {
	Subject string
	Message proto.Message
	Meta    *eventv1.Meta // the Meta of Message
}

// Command is what a caller wants done.
type Command struct {
	// Actor makes the request.
	Actor *eventv1.Actor
	// Preparer is who recorded what the actor approves, where two people sign off: the
	// events then name the preparer as their actor and the actor as their approver.
	// Nil where one person does both.
	Preparer  *eventv1.Actor
	RequestID string // unique for ever within the actor's account
	Digest    []byte // keyed digest of the request
	// Rights are those of the part that the command is of.
	Rights Rights
	// Decide returns the events, decided on the state as it stands when it is
	// called. It may be called several times and must only read the state.
	Decide func() ([]Event, error)
}

// Commit is what a command appended: positions First to Last, whole.
type Commit struct {
	First, Last uint64
	Records     []eventlog.Record
}

type outcome struct {
	commit Commit
	err    error
}

// pending is a command on its way.
type pending struct {
	ctx  context.Context // the caller's trace and patience travel with the command
	cmd  Command
	done chan outcome

	commit Commit // as decided
	err    error  // refusal
	after  uint64 // the answer rests on the state up to here
	open   bool   // it may be recorded: it was in an append that is not known to have stored nothing

	attempts int // that failed
}

func (p *pending) finish(c Commit, err error) {
	if err != nil {
		c = Commit{}
	}
	p.done <- outcome{c, err}
}

// unanswered is what a command is told that got no answer, for a reason: one that may be
// recorded is not told that it is not.
func (p *pending) unanswered(why error) error {
	if !p.open {
		return why
	}
	return fault.New(fault.Unavailable, "OUTCOME_OPEN", "", "the command may or may not be recorded; repeat it with the same request_id (%v)", why)
}

// Do decides a command and appends what it decides. It returns once the events are
// in both stores, and the first answer again where the request was done before.
// An error of the context's end leaves the outcome open: repeat the request.
func (r *Runner) Do(ctx context.Context, cmd Command) (Commit, error) {
	p := &pending{ctx: ctx, cmd: cmd, done: make(chan outcome, 1)}
	select {
	case r.queue <- p:
	case <-r.stopped:
		return Commit{}, r.Progress().Halted
	case <-ctx.Done():
		return Commit{}, fault.New(fault.Unavailable, "OUTCOME_OPEN", "", "the command was not taken in time; repeat it with the same request_id")
	}
	var out outcome
	select {
	case out = <-p.done:
	case <-r.stopped:
		select {
		case out = <-p.done:
		default:
			return Commit{}, p.unanswered(r.Progress().Halted)
		}
	case <-ctx.Done():
		return Commit{}, fault.New(fault.Unavailable, "OUTCOME_OPEN", "", "no answer in time: the command may or may not be recorded; repeat it with the same request_id")
	}
	if out.err != nil || out.commit.Records != nil {
		return out.commit, out.err
	}
	return r.readBack(ctx, out.commit)
}

// readBack fetches the records of a commit done before.
func (r *Runner) readBack(ctx context.Context, c Commit) (Commit, error) {
	for p := c.First; p <= c.Last; p++ {
		rec, err := r.log.Get(ctx, p)
		if err != nil {
			if known, ok := errors.AsType[*fault.Error](damage(err)); ok {
				return Commit{}, known
			}
			return Commit{}, fault.New(fault.Unavailable, "LOG_UNREACHABLE", "", "the request is recorded at position %d; its answer cannot be read back: %v", c.Last, err)
		}
		c.Records = append(c.Records, rec)
	}
	return c, nil
}

// loop is the only place where the state changes.
func (r *Runner) loop(ctx context.Context) error {
	clock := time.NewTicker(clockInterval)
	defer clock.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err = <-r.broken:
		case rec := <-r.tail:
			err = r.arrive(ctx, rec)
		case b := <-r.told:
			r.turn.hear(b)
		case p := <-r.queue:
			err = r.work(ctx, r.together(p))
		case <-clock.C:
			gc.follow()
			err = r.check(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// check is lookAtLog for a loop that goes on while the broker is away.
func (r *Runner) check(ctx context.Context) error {
	err := r.lookAtLog(ctx)
	if _, fork := errors.AsType[*eventlog.ForkError](err); fork {
		return err
	}
	if err != nil {
		r.logger.WarnContext(ctx, "the broker does not answer", "err", err)
	}
	return nil
}

// together takes the commands that queued up behind the first. An atomic batch costs
// the broker about 3 ms whatever its size: where so many commands as make one worth it
// were on their way a moment ago, their callers are about to ask again, and are waited for.
func (r *Runner) together(first *pending) []*pending {
	batch := r.queued([]*pending{first})
	want := min(r.crowd, largeBatch)
	if want < batchFrom || len(batch) >= want || time.Since(r.crowded) > crowdMemory {
		return batch
	}
	linger := time.NewTimer(lingerTime)
	defer linger.Stop()
	for len(batch) < want {
		select {
		case p := <-r.queue:
			batch = append(batch, p)
		case <-linger.C:
			return batch
		}
	}
	return r.queued(batch)
}

// queued adds what waits in the queue.
func (r *Runner) queued(batch []*pending) []*pending {
	for len(batch) < maxTogether {
		select {
		case p := <-r.queue:
			batch = append(batch, p)
		default:
			return batch
		}
	}
	return batch
}

// work decides commands on exactly the state they are appended to, until all are
// stored or refused. One append is in flight at a time: were two, a foreign event
// could take the place of the first and satisfy the expectation of the second.
func (r *Runner) work(ctx context.Context, batch []*pending) error {
	defer r.pass()
	for attempt := 1; len(batch) > 0; attempt++ {
		if err := r.giveWay(ctx); err != nil {
			return err
		}
		batch = r.queued(batch)
		refused, err := r.catchUp(ctx)
		if err != nil {
			return err
		}
		if refused == nil && !r.takeBack(ctx) {
			refused = fault.New(fault.Unavailable, "LEDGER_BEHIND", "", "the ledger does not take back what the stream refused")
		}
		if refused != nil {
			r.refuse(batch, refused)
			return nil
		}
		decided := r.decide(batch)
		n, err := r.append(ctx, batch[:decided])
		r.crowd, r.crowded = n+len(r.queue), time.Now()
		r.confirm(batch[:n])
		tried := batch[n:decided]
		if err == nil {
			r.asked = false
		} else if back := r.takeBack(ctx); !back || !storedNothing(err) {
			leaveOpen(tried)
		}
		batch = batch[n:]
		switch {
		case err == nil:
			r.pass()
			attempt = 0
			continue
		case errors.Is(err, eventlog.ErrTooLarge):
			r.refuse(batch[:1], fault.New(fault.Invalid, "TOO_LARGE", "", "the log does not take the command: %v", err))
			batch = batch[1:]
			continue
		case errors.Is(err, eventlog.ErrMoved):
			if err := r.check(ctx); err != nil {
				return err
			}
		case errors.Is(err, eventlog.ErrUnknown), errors.Is(err, eventlog.ErrUnavailable):
			r.logger.WarnContext(ctx, "append", "err", err, "attempt", attempt)
		default:
			return err
		}
		if batch = r.giveUp(batch, err); len(batch) == 0 {
			return nil
		}
		if err := r.standBack(ctx, attempt, err); err != nil {
			return err
		}
	}
	return nil
}

// storedNothing says whether the outcome of a failed append is certain.
func storedNothing(err error) bool {
	return errors.Is(err, eventlog.ErrMoved) || errors.Is(err, eventlog.ErrTooLarge) || errors.Is(err, eventlog.ErrUnavailable)
}

// leaveOpen notes that commands may be recorded, but for those that were refused.
func leaveOpen(tried []*pending) {
	for _, p := range tried {
		p.open = p.open || p.err == nil
	}
}

// giveUp refuses the commands whose last attempt it was, and returns the others: those
// that came in between have been tried less often.
func (r *Runner) giveUp(batch []*pending, cause error) []*pending {
	return slices.DeleteFunc(batch, func(p *pending) bool {
		p.attempts++
		if p.attempts < maxAttempts {
			return false
		}
		r.refuse([]*pending{p}, givenUp(cause))
		return true
	})
}

// givenUp says why commands were not stored in all attempts.
func givenUp(cause error) error {
	if errors.Is(cause, eventlog.ErrMoved) {
		return fault.New(fault.Conflict, "LOG_MOVED", "", "the log kept moving in %d attempts; repeat the request", maxAttempts)
	}
	return fault.New(fault.Unavailable, "LOG_UNREACHABLE", "", "the broker cannot be reached; nothing was recorded")
}

// refuse answers commands that were not stored, as far as is known: one that was in
// an append of unknown outcome may be stored yet, and only being decided again, or
// found in the log, tells.
func (r *Runner) refuse(batch []*pending, err error) {
	for _, p := range batch {
		p.finish(Commit{}, p.unanswered(err))
	}
}

// decide decides commands in turn, each on the state predicted by those before it.
// It returns how many were decided: a commit that no longer fits the batch waits.
func (r *Runner) decide(batch []*pending) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	base := r.state.folded
	for i, p := range batch {
		start := r.state.folded
		p.commit, p.err = Commit{}, nil
		switch done, known := r.commits.answer(p.key()); {
		case known && done.digest != sha256.Sum256(p.cmd.Digest):
			p.err = fault.New(fault.Refused, "REQUEST_ID_REUSED", "request_id", "request_id %q was used before with another body", p.cmd.RequestID)
		case known:
			p.commit = Commit{First: done.first, Last: done.last}
		default:
			p.commit, p.err = r.predict(p)
		}
		if p.err != nil {
			r.rollback(start)
		}
		if r.state.folded-base > eventlog.MaxCommit && i > 0 {
			r.rollback(start)
			return i
		}
		p.after = max(r.state.folded, p.commit.Last)
	}
	return len(batch)
}

func (p *pending) key() requestKey {
	return keyOf(p.cmd.Actor.GetAccount(), p.cmd.RequestID)
}

// predict decides one command and folds its events as if they were stored.
func (r *Runner) predict(p *pending) (c Commit, err error) {
	defer func() {
		if v := recover(); v != nil {
			r.logger.ErrorContext(p.ctx, "panic in a decision", "panic", v, "stack", string(debug.Stack()))
			err = fmt.Errorf("internal error in the decision")
		}
	}()
	events, err := p.cmd.Decide()
	if err != nil {
		return Commit{}, err
	}
	if err := p.cmd.Rights.check(events); err != nil {
		r.logger.ErrorContext(p.ctx, "rights", "err", err)
		return Commit{}, err
	}
	if len(events) == 0 || len(events) > eventlog.MaxCommit {
		return Commit{}, fault.New(fault.Invalid, "TOO_LARGE", "", "%d events in one command; at most %d are taken", len(events), eventlog.MaxCommit)
	}
	now := r.now().UTC()
	if last := r.commits.last(); now.Before(last) {
		now = last
	}
	header := map[string][]string{}
	otel.GetTextMapPropagator().Inject(p.ctx, propagation.HeaderCarrier(header))
	if tooLong(header) {
		header = nil
	}
	defer foldSpan(p.ctx, eventlog.Record{Position: r.state.folded + 1}).End()
	c = Commit{First: r.state.folded + 1, Last: r.state.folded + uint64(len(events)), Records: make([]eventlog.Record, len(events))}
	for i, e := range events {
		e.Meta.Schema = Schema
		e.Meta.RecordTime = timestamppb.New(now)
		e.Meta.Actor = p.cmd.Actor
		if p.cmd.Preparer != nil {
			e.Meta.Actor, e.Meta.Approver = p.cmd.Preparer, p.cmd.Actor
		}
		e.Meta.RequestId = p.cmd.RequestID
		e.Meta.RequestDigest = p.cmd.Digest
		e.Meta.CommitIndex = uint32(i)
		e.Meta.CommitSize = uint32(len(events))
		body, err := proto.Marshal(e.Message)
		if err != nil {
			return Commit{}, fmt.Errorf("encode %s: %w", e.Subject, err)
		}
		rec := eventlog.Record{Position: r.state.folded + 1, Subject: e.Subject, Body: body, Header: header}
		if size := len(eventlog.Leaf(rec)); size > eventlog.MaxLeaf {
			return Commit{}, fault.New(fault.Invalid, "TOO_LARGE", "", "an event of %d bytes; at most %d are taken", size, eventlog.MaxLeaf)
		}
		if err := r.take(rec, eventlog.LeafHash(rec)); err != nil {
			return Commit{}, err
		}
		c.Records[i] = rec
	}
	return c, nil
}

// tooLong says whether trace context is more than should travel with a record: the
// broker takes so much for a message, and that is for the event.
func tooLong(header map[string][]string) bool {
	length := 0
	for k, v := range header {
		length += len(k) + len(v[0])
	}
	return length > maxHeader
}

// rollback forgets what was predicted after a position. The caller holds the lock.
func (r *Runner) rollback(to uint64) {
	s := &r.state
	r.fold.Rollback(to)
	r.commits.rollback(to)
	s.leaves = s.leaves[:to+1-s.first]
	s.folded, s.whole, s.open = to, true, nil
}

// append stores the predicted commits of decided commands: one atomic batch where
// they are many, one publish after the other where they are few. It returns how
// many of the commands stand, those without a commit of their own included.
func (r *Runner) append(ctx context.Context, batch []*pending) (int, error) {
	var fresh []int // indexes of commands with records
	for i, p := range batch {
		if len(p.commit.Records) > 0 {
			fresh = append(fresh, i)
		}
	}
	if len(fresh) == 0 {
		if err := r.current(ctx, batch); err != nil {
			return 0, err
		}
		return len(batch), nil
	}
	all := batch[fresh[0]].commit.Records
	if len(fresh) > 1 {
		all = slices.Clip(all)
		for _, i := range fresh[1:] {
			all = append(all, batch[i].commit.Records...)
		}
	}
	r.askAhead(all)
	if len(fresh) >= batchFrom {
		err := r.publish(ctx, batch[fresh[0]].ctx, all)
		if err == nil {
			return len(batch), nil
		}
		if !errors.Is(err, eventlog.ErrTooLarge) {
			return fresh[0], err
		}
	}
	for _, i := range fresh {
		if err := r.publish(ctx, batch[i].ctx, batch[i].commit.Records); err != nil {
			return i, err
		}
	}
	return len(batch), nil
}

// current is what an append is to a commit, for refusals: they count only if the log
// stands where they were decided. What another process acknowledged a moment ago may not
// have come here, and a command that rests on it is not to be refused for that.
func (r *Runner) current(ctx context.Context, batch []*pending) error {
	if !slices.ContainsFunc(batch, func(p *pending) bool { return p.err != nil }) {
		return nil
	}
	timed, cancel := context.WithTimeout(ctx, appendTimeout)
	defer cancel()
	head, _, err := r.log.Head(timed)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", eventlog.ErrUnavailable, err)
	case head > r.Progress().Folded:
		return fmt.Errorf("%w to %d", eventlog.ErrMoved, head)
	}
	return nil
}

// publish makes the one append in flight.
func (r *Runner) publish(ctx, caller context.Context, records []eventlog.Record) error {
	timed, cancel := context.WithTimeout(withTrace(ctx, caller), appendTimeout)
	defer cancel()
	if err := r.log.Append(timed, records[0].Position-1, records); err != nil {
		return err
	}
	r.mu.Lock()
	r.stands(records[len(records)-1].Position)
	r.mu.Unlock()
	r.hand(ctx, records)
	return nil
}

// confirm lets the commands that stand wait for the gate, and forgets what was
// predicted after them.
func (r *Runner) confirm(stand []*pending) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rollback(r.state.stored)
	leaveOpen(stand)
	r.waiting = append(r.waiting, stand...)
	if r.state.ahead != nil {
		r.advance(*r.state.ahead)
	}
	r.release()
}

// standBack waits until the log shows why an append failed, and a little longer
// with every attempt, so that several processes do not run in step.
func (r *Runner) standBack(ctx context.Context, attempt int, cause error) error {
	base := r.Progress().Folded
	pause := time.Duration(rand.Int64N(int64(min(attempt, 20)) * int64(time.Millisecond)))
	if !errors.Is(cause, eventlog.ErrMoved) {
		pause += 100 * time.Millisecond
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for waited := 0; ; {
		if waited > 1 || waited > 0 && (r.Progress().Folded > base || !errors.Is(cause, eventlog.ErrMoved)) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-r.broken:
			return err
		case rec := <-r.tail:
			if err := r.arrive(ctx, rec); err != nil {
				return err
			}
		case <-timer.C:
			waited++
			timer.Reset(time.Second) // nothing may come: the append that was in the way can have failed
		}
	}
}

// catchUp folds what the stream has delivered and goes on, within the limit of
// silence, to the end of a commit that is not yet whole, to the head that the ledger
// announced, and until the ledger is not far behind. refused says why no command can
// be taken now.
func (r *Runner) catchUp(ctx context.Context) (refused, err error) {
	patience := time.NewTimer(maxSilence)
	defer patience.Stop()
	for {
		select {
		case err := <-r.broken:
			return nil, err
		case rec := <-r.tail:
			if err := r.arrive(ctx, rec); err != nil {
				return nil, err
			}
			continue
		default:
		}
		r.mu.RLock()
		refused, wait, moved := r.refusal(), r.unready(), r.moved
		r.mu.RUnlock()
		if refused != nil || wait == nil {
			return refused, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case err := <-r.broken:
			return nil, err
		case rec := <-r.tail:
			if err := r.arrive(ctx, rec); err != nil {
				return nil, err
			}
		case <-moved:
		case <-patience.C:
			return wait, nil
		}
	}
}

// unready says what commands have to wait for, nil for nothing. The caller holds the
// lock.
func (r *Runner) unready() error {
	s := &r.state
	var e *fault.Error
	switch {
	case !s.whole:
		e = fault.New(fault.Unavailable, "COMMIT_OPEN", "", "the commit that position %d belongs to is not whole in the stream", s.folded)
		e.Position = s.folded + 1
	case s.ahead != nil:
		e = fault.New(fault.Unavailable, "STREAM_BEHIND", "", "the ledger announced position %d and the stream has delivered %d", s.ahead.Size, s.stored)
		e.Position = s.stored + 1
	case s.stored-s.gate.Size > maxBehind:
		e = fault.New(fault.Unavailable, "LEDGER_BEHIND", "", "the ledger is %d positions behind", s.stored-s.gate.Size)
	default:
		return nil
	}
	return e
}

// Done says whether a request has been decided before; its answer may still be on
// its way.
func (r *Runner) Done(account, requestID string) bool {
	if r.replaying() {
		return false
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	done, known := r.commits.answer(keyOf(account, requestID))
	return known && done.last <= r.state.stored // a prediction may be taken back
}

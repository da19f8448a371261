package projection

import (
	"context"
	"fmt"
	"time"

	"maillage/services/eventlog"
	"maillage/services/fault"
	"maillage/services/ledger"
)

// advance moves the gate to an announced head, once everything up to it is folded
// from the stream and has the announced root. The caller holds the lock.
func (r *Runner) advance(h ledger.Head) {
	s := &r.state
	if r.halted != nil {
		return
	}
	if h.Epoch < s.gate.Epoch || h.Size < s.gate.Size {
		return // late, or a ledger that lost its tail: it counts as silent
	}
	s.heard = r.now()
	if h.Size > s.stored || (h.Size == s.folded && !s.whole) {
		s.ahead = &h
		return
	}
	s.ahead = nil
	grown := h.Size > s.gate.Size
	r.growTree(h.Size)
	if root := s.gateTree.Root(); root != h.Root {
		if r.follows {
			first := min(s.gate.Size+1, h.Size)
			r.breakOff(diverged(first, "the gating ledger announces root %v at position %d and this one has %v: they differ from position %d on, or later up to there",
				h.Root, h.Size, root, first))
			return
		}
		r.breakOff(fmt.Errorf("the ledger announces root %v at size %d and this process folded %v: %w",
			h.Root, h.Size, root, &eventlog.ForkError{Position: h.Size}))
		return
	}
	s.gate = h
	if !grown {
		return
	}
	s.since = r.now()
	r.fold.Settle(h.Size)
	r.release()
	r.wake()
}

// stands notes that the stream holds what was folded up to a position. The caller
// holds the lock.
func (r *Runner) stands(position uint64) {
	s := &r.state
	if s.stored <= s.gate.Size {
		s.since = r.now()
	}
	s.stored = position
}

// growTree appends the leaves up to a position to the tree of the gate and drops
// those that nothing needs any more. The caller holds the lock.
func (r *Runner) growTree(to uint64) {
	s := &r.state
	for p := s.gateTree.Size() + 1; p <= to; p++ {
		s.gateTree.Append(s.leaves[p-s.first])
	}
	r.trim()
}

// trim drops the leaves that are both in the tree of the gate and seen in the
// stream.
func (r *Runner) trim() {
	s := &r.state
	done := min(s.gateTree.Size(), s.seen)
	if done < s.first {
		return
	}
	rest := s.leaves[done-s.first+1:]
	if len(rest) == 0 {
		rest = s.leaves[:0] // its memory is used again
	}
	s.leaves, s.first = rest, done+1
}

// release answers the commands whose commits the gate has passed. The caller holds
// the lock.
func (r *Runner) release() {
	n := 0
	for n < len(r.waiting) && r.waiting[n].after <= r.state.gate.Size {
		r.waiting[n].finish(r.waiting[n].commit, r.waiting[n].err)
		n++
	}
	r.waiting = r.waiting[n:]
}

// breakOff makes the loop end with an error, the first one it is told.
func (r *Runner) breakOff(err error) {
	select {
	case r.broken <- err:
	default:
	}
}

// refusal says why no command can be taken now, nil where one can. The caller holds
// the lock.
func (r *Runner) refusal() error {
	s := &r.state
	switch silence := r.now().Sub(s.heard); {
	case r.halted != nil:
		return r.halted
	case s.gate.Size == 0:
		return fault.New(fault.Unavailable, "LEDGER_BEHIND", "", "no ledger has announced anything yet")
	case silence > maxSilence:
		return fault.New(fault.Unavailable, "LEDGER_BEHIND", "", "the ledger has announced nothing for %v; the last head is at %d", silence.Round(time.Millisecond), s.gate.Size)
	case s.whole && s.stored > s.gate.Size && r.now().Sub(s.since) > maxSilence:
		return fault.New(fault.Unavailable, "LEDGER_BEHIND", "", "the ledger stands at %d and the stream at %d since %v", s.gate.Size, s.stored, r.now().Sub(s.since).Round(time.Millisecond))
	case s.skew > maxSkew || s.skew < -maxSkew:
		return fault.New(fault.Unavailable, "CLOCK_SKEWED", "", "this process's clock is %v from the broker's; at most %v is allowed", s.skew, maxSkew)
	}
	return nil
}

// keepLedger flushes whole commits into the ledger of this process, and announces its head
// every second.
func (r *Runner) keepLedger(ctx context.Context) {
	heartbeat := time.NewTicker(time.Second)
	defer heartbeat.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-heartbeat.C:
			if head := r.store.Head(); head.Size > 0 {
				r.standsAt(head)
			}
		case a := <-r.asks:
			err = r.writeAhead(ctx, a)
		case commits := <-r.flushes:
			var head ledger.Head
			if head, err = r.flush(ctx, r.gather(commits)); err == nil {
				r.standsAt(head)
			}
		}
		if err != nil {
			r.breakOff(fmt.Errorf("the ledger cannot be written: %w", err))
			r.drain(ctx)
			return
		}
	}
}

// standsAt announces a head of the ledger of this process and moves the gate there, last:
// who is woken last goes on first, and callers wait for the gate.
func (r *Runner) standsAt(head ledger.Head) {
	if r.announce != nil {
		r.announce(head)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.advance(head)
}

// ask is what the ledger of this process is to write ahead of the stream's answer, or,
// without records, to take back.
type ask struct {
	records []eventlog.Record
	back    chan struct{} // closed once they are taken back
}

// writeAhead does what is asked.
func (r *Runner) writeAhead(ctx context.Context, a ask) (err error) {
	if len(a.records) == 0 {
		if err = r.store.Withdraw(); err == nil {
			close(a.back)
		}
		return err
	}
	defer flushSpan(ctx, "ledger write ahead", a.records, &err)()
	return r.store.WriteAhead(a.records)
}

// askAhead has the ledger write records while the stream is being asked to take them, so
// that a command waits for the two stores at once. It does so where the ledger runs here and
// has nothing else to do, and no other process appends: what the stream then refuses was
// written in vain.
func (r *Runner) askAhead(records []eventlog.Record) {
	if r.store == nil || r.follows || time.Since(r.turn.other) < turnMemory {
		return
	}
	select {
	case r.asks <- ask{records: records}:
		r.asked = true
	default:
	}
}

// takeBack has the ledger take back what the stream did not take, before anyone is told
// that it was not recorded: what is ahead in the ledger is brought to the stream at the
// next start. It returns false where the ledger does not do so in time, and is then to be
// called again before anything is decided.
func (r *Runner) takeBack(ctx context.Context) bool {
	if !r.asked {
		return true
	}
	patience := time.NewTimer(maxSilence)
	defer patience.Stop()
	asks, back := r.asks, make(chan struct{})
	for {
		select {
		case asks <- ask{back: back}:
			asks = nil
		case <-back:
			r.asked = false
			return true
		case <-patience.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// keepCopy flushes whole commits into the ledger of this process, which follows: it keeps
// what the gating one announces, compares itself with it, and announces nothing.
func (r *Runner) keepCopy(ctx context.Context) {
	var same ledger.Head
	for {
		r.mu.RLock()
		gate, moved := r.state.gate, r.moved
		r.mu.RUnlock()
		err := r.compare(gate, &same)
		if err == nil {
			select {
			case <-ctx.Done():
				return
			case <-moved:
			case h := <-r.heard:
				err = r.store.Heard(h)
			case commits := <-r.flushes:
				_, err = r.flush(ctx, r.gather(commits))
			}
		}
		if err != nil {
			r.breakOff(fmt.Errorf("the ledger that follows: %w", err))
			r.drain(ctx)
			return
		}
	}
}

// hear hands an announced head to keepCopy, in place of one that it has not taken yet.
func (r *Runner) hear(h ledger.Head) {
	for {
		select {
		case r.heard <- h:
			return
		case old := <-r.heard:
			if old.Epoch > h.Epoch || old.Epoch == h.Epoch && old.Size > h.Size {
				h = old
			}
		}
	}
}

// compare compares the ledger with the gate once it is that long, same being the last that
// was found equal.
func (r *Runner) compare(gate ledger.Head, same *ledger.Head) error {
	if gate == *same || gate.Size > r.store.Head().Size {
		return nil
	}
	here, err := r.store.Contains(gate)
	if err == nil && !here {
		err = diverged(same.Size+1, "the gating ledger announces root %v at position %d and the files of this one have another: they differ from position %d on, or later up to there",
			gate.Root, gate.Size, same.Size+1)
	}
	if err == nil {
		*same = gate
	}
	return err
}

// announced is the last head announced, verified here or not. The caller holds the lock.
func (r *Runner) announced() ledger.Head {
	if r.state.ahead != nil {
		return *r.state.ahead
	}
	return r.state.gate
}

// drain takes what can no longer be flushed, so that the loop gets to its end.
func (r *Runner) drain(ctx context.Context) {
	for {
		select {
		case <-r.flushes:
		case <-r.asks: // whoever waits for it loses patience
		case <-ctx.Done():
			return
		}
	}
}

// gather joins what else waits to be flushed: one flush serves them all.
func (r *Runner) gather(records []eventlog.Record) []eventlog.Record {
	for {
		select {
		case more := <-r.flushes:
			records = append(records, more...)
		default:
			return records
		}
	}
}

// lookAtLog compares this process's clock with the broker's, and the stream's end
// with what it acknowledged to this process: a stream that is shorter lost its tail.
// An error that is no *eventlog.ForkError says only that the broker did not answer.
func (r *Runner) lookAtLog(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r.mu.RLock()
	stored := r.state.stored
	r.mu.RUnlock()
	before := r.now()
	head, broker, err := r.log.Head(ctx)
	if err != nil {
		return err
	}
	after := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.skew = before.Add(after.Sub(before) / 2).Sub(broker)
	if head < stored {
		return &eventlog.ForkError{Position: head + 1}
	}
	return nil
}

// follow hands what the stream delivers to the loop.
func (r *Runner) follow(ctx context.Context) {
	for rec, err := range r.log.Follow(ctx, r.state.cursor) {
		if err != nil {
			if ctx.Err() == nil {
				r.breakOff(err)
			}
			return
		}
		select {
		case r.tail <- rec:
		case <-ctx.Done():
			return
		}
	}
}

// arrive takes one record from the stream: one of this process's own, which must
// be what it appended, or a foreign one, which is folded.
func (r *Runner) arrive(ctx context.Context, rec eventlog.Record) error {
	foreign, err := r.receive(ctx, rec)
	if err != nil {
		return err
	}
	r.hand(ctx, foreign)
	return nil
}

// receive is arrive under the lock; it returns the foreign commit that the record
// made whole.
func (r *Runner) receive(ctx context.Context, rec eventlog.Record) ([]eventlog.Record, error) {
	hash := eventlog.LeafHash(rec)
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.state
	if rec.Position != s.seen+1 {
		return nil, &eventlog.HoleError{Position: s.seen + 1}
	}
	s.seen = rec.Position
	if rec.Position <= s.folded {
		if s.leaves[rec.Position-s.first] != hash {
			return nil, &eventlog.ForkError{Position: rec.Position}
		}
		r.trim()
		return nil, nil
	}
	span := foldSpan(ctx, rec)
	err := r.take(rec, hash)
	span.End()
	if err != nil {
		return nil, err
	}
	r.stands(rec.Position)
	r.partial = append(r.partial, rec)
	if !s.whole {
		return nil, nil
	}
	commit := r.partial
	r.partial = nil
	r.turn.other = time.Now()
	if s.ahead != nil {
		r.advance(*s.ahead)
	}
	return commit, nil
}

// hand gives whole commits to the ledger where it runs here.
func (r *Runner) hand(ctx context.Context, records []eventlog.Record) {
	if r.store == nil || len(records) == 0 {
		return
	}
	select {
	case r.flushes <- records:
	case <-ctx.Done():
	}
}

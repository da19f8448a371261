package serve

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	"maillage/services/bitemporal"
	"maillage/services/eventlog"
	"maillage/services/fault"
	"maillage/services/ledger"
	"maillage/services/notary"
)

// recountAt is when every record is hashed again each night, by the clock of Paris.
const recountAt = 3 * time.Hour

// recount hashes every record of both stores again, and compares it with the tree.
func (p *process) recount(ctx context.Context) (ledger.Head, error) {
	p.recounting.Lock()
	defer p.recounting.Unlock()
	head := p.runner.Progress().Gate
	err := notary.Recount("the ledger", within(ctx, p.store.Read(0)), head, p.store)
	if err == nil {
		err = notary.Recount("the stream", within(ctx, p.log.Read(ctx, 0)), head, p.store)
	}
	return head, err
}

// within ends the reading of records with a context.
func within(ctx context.Context, records iter.Seq2[eventlog.Record, error]) iter.Seq2[eventlog.Record, error] {
	return func(yield func(eventlog.Record, error) bool) {
		for r, err := range records {
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// startRecount recounts each night, where the gating ledger is kept here; stop ends that.
// Damage is told by readiness until a recount finds none.
func (p *process) startRecount(running context.Context) (stop func()) {
	if p.store == nil || p.config.Follow {
		return func() {}
	}
	ctx, cancel := context.WithCancel(running)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			timer := time.NewTimer(untilRecount(time.Now()))
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return
			}
			p.tellRecount(ctx)
		}
	}()
	return func() { cancel(); <-done }
}

// untilRecount is how long to wait for the next night's.
func untilRecount(now time.Time) time.Duration {
	day := bitemporal.Today(now)
	next := day.Begin().Add(recountAt)
	if !next.After(now) {
		next = (day + 1).Begin().Add(recountAt)
	}
	return next.Sub(now)
}

func (p *process) tellRecount(ctx context.Context) {
	began := time.Now()
	head, err := p.recount(ctx)
	own, is := errors.AsType[*fault.Error](err)
	switch {
	case ctx.Err() != nil:
	case is && own.Kind == fault.Damaged:
		slog.ErrorContext(ctx, "a record is not what it was", "size", head.Size, "err", err)
		p.tellDamage(fault.New(fault.Unavailable, recountDamage, "", "the recount of the night: %v", err))
	case err != nil: // such as a broker that is away: it says nothing of the records
		slog.WarnContext(ctx, "the records could not be hashed again", "size", head.Size, "err", err)
	default:
		p.tellDamage(nil)
		slog.InfoContext(ctx, "every record was hashed again, and is what it was", "size", head.Size, "root", head.Root.String(), "seconds", time.Since(began).Seconds())
	}
}

// recountDamage is the reason of what readiness says of damage that a recount found.
const recountDamage = "LOG_DAMAGED"

// tellDamage has readiness say what a recount found; nil where it found none.
func (p *process) tellDamage(found *fault.Error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if found != nil || p.unprepared != nil && p.unprepared.Reason == recountDamage {
		p.unprepared = found
	}
}

// RecountLog implements the RPC of that name.
func (s *proofs) RecountLog(ctx context.Context, _ *ledgerv1.RecountLogRequest) (*ledgerv1.RecountLogResponse, error) {
	if _, err := s.log(); err != nil {
		return nil, err
	}
	began := time.Now()
	head, err := s.p.recount(ctx)
	if err != nil {
		return nil, err
	}
	s.p.tellDamage(nil)
	return &ledgerv1.RecountLogResponse{Head: head.Proto(), Took: durationpb.New(time.Since(began))}, nil
}

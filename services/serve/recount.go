package serve

import (
	"context"
	"log/slog"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	"maillage/services/bitemporal"
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
	err := notary.Recount("the ledger", p.store.Read(0), head, p.store)
	if err == nil {
		err = notary.Recount("the stream", p.log.Read(ctx, 0), head, p.store)
	}
	return head, err
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
	switch {
	case ctx.Err() != nil:
	case err != nil:
		slog.ErrorContext(ctx, "a record is not what it was", "size", head.Size, "err", err)
		p.unready(fault.New(fault.Unavailable, "LOG_DAMAGED", "", "the recount of the night: %v", err))
	default:
		slog.InfoContext(ctx, "every record was hashed again, and is what it was", "size", head.Size, "root", head.Root.String(), "seconds", time.Since(began).Seconds())
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
	return &ledgerv1.RecountLogResponse{Head: head.Proto(), Took: durationpb.New(time.Since(began))}, nil
}

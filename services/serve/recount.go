package serve

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"google.golang.org/protobuf/types/known/durationpb"

	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	"maillage/services/bitemporal"
	"maillage/services/eventlog"
	"maillage/services/fault"
	"maillage/services/ledger"
	"maillage/services/notary"
)

// scope names what this package measures.
const scope = "maillage/services/serve"

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
	stopMetrics, done := p.observeDamage(), make(chan struct{})
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
			_, _ = p.tellRecount(ctx) // it is told of
		}
	}()
	return func() { cancel(); <-done; stopMetrics() }
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

// tellRecount recounts, and tells of what it finds in the log, to readiness and in a metric,
// until another recount finds nothing.
func (p *process) tellRecount(ctx context.Context) (*ledgerv1.RecountLogResponse, error) {
	began := time.Now()
	head, err := p.recount(ctx)
	took := time.Since(began)
	own, is := errors.AsType[*fault.Error](err)
	switch {
	case ctx.Err() != nil:
	case is && own.Kind == fault.Damaged:
		slog.ErrorContext(ctx, "a record is not what it was", "size", head.Size, "position", own.Position, "err", err)
		p.damage.Store(own)
	case err != nil: // such as a broker that is away: it says nothing of the records
		slog.WarnContext(ctx, "the records could not be hashed again", "size", head.Size, "err", err)
	default:
		p.damage.Store(nil)
		slog.InfoContext(ctx, "every record was hashed again, and is what it was", "size", head.Size, "root", head.Root.String(), "seconds", took.Seconds())
	}
	return &ledgerv1.RecountLogResponse{Head: head.Proto(), Took: durationpb.New(took)}, err
}

// damaged is what readiness says of damage that the last recount found, nil for none.
func (p *process) damaged() error {
	found := p.damage.Load()
	if found == nil {
		return nil
	}
	e := fault.New(fault.Unavailable, found.Reason, "", "a recount found it: %s", found.Message)
	e.Position = found.Position
	return e
}

// observeDamage measures what the last recount found, until the function returned is called.
func (p *process) observeDamage() (end func()) {
	meter := otel.Meter(scope)
	// An error leaves a no-op instrument: measuring must not stop the register.
	position, _ := meter.Int64ObservableGauge("maillage.recount.damage", metric.WithUnit("{position}"),
		metric.WithDescription("First position that the last recount found damaged, 0 for none"))
	registration, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		var at uint64
		if found := p.damage.Load(); found != nil {
			at = found.Position
		}
		o.ObserveInt64(position, int64(at))
		return nil
	}, position)
	if err != nil {
		return func() {}
	}
	return func() { _ = registration.Unregister() }
}

// RecountLog implements the RPC of that name.
func (s *proofs) RecountLog(ctx context.Context, _ *ledgerv1.RecountLogRequest) (*ledgerv1.RecountLogResponse, error) {
	if !s.p.config.gates() {
		return nil, errNoLedger
	}
	found, err := s.p.tellRecount(ctx)
	if err != nil {
		return nil, err
	}
	return found, nil
}

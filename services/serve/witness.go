package serve

import (
	"context"
	"log/slog"
	"os"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"

	"maillage/proto/checkpoint"
	"maillage/services/notary"
)

const (
	witnessPause = 10 * time.Second // that witnesses may take together
	witnessRetry = 2 * time.Second  // until those who did not cosign are asked again; twice as long each time
	witnessLimit = 5 * time.Minute  // and no longer than that
)

// keepCosigned shows each checkpoint to the witnesses, and again to those who did not cosign it,
// until all did or there is another: one that was away is asked again though nothing happens.
func (p *process) keepCosigned(ctx context.Context, log *notary.Log, witnesses *notary.Witnesses) {
	var shown, enough checkpoint.Checkpoint
	wait, said, first := time.Duration(0), "", true
	for {
		moved := *p.signing.moved.Load()
		last, signed, ok := log.Signer.Last()
		if last != shown {
			shown, wait = last, 0
		}
		if p.signing.told.Load() != nil { // of a conflict: no witness is to be shown that
			return
		}
		var again <-chan time.Time
		if ok && witnesses != nil && len(witnesses.Missing(signed)) > 0 {
			var err error
			if signed, err = p.cosign(ctx, log, witnesses, last, signed); ctx.Err() != nil {
				return
			}
			if err == nil {
				said = ""
			} else if said != err.Error() {
				said = err.Error()
				slog.WarnContext(ctx, "not every witness cosigned", "size", last.Size, "enough", witnesses.Satisfied(signed), "err", err)
			}
			moved = *p.signing.moved.Load()
			if now, _, _ := log.Signer.Last(); now != last {
				continue
			}
			wait = min(max(2*wait, witnessRetry), witnessLimit)
			again = time.After(wait)
		}
		if ok && last != enough && (witnesses == nil || witnesses.Satisfied(signed)) {
			enough = last
			p.signing.enough(first, p.signedFiles()[0])
		}
		first = false
		select {
		case <-moved:
		case <-again:
		case <-ctx.Done():
			return
		}
	}
}

// cosign asks those who did not cosign the last checkpoint, and keeps what they give.
func (p *process) cosign(ctx context.Context, log *notary.Log, witnesses *notary.Witnesses, last checkpoint.Checkpoint, signed []byte) ([]byte, error) {
	cosigned, err := witnesses.Cosign(ctx, log, last, signed)
	if len(cosigned) == len(signed) || ctx.Err() != nil {
		return signed, err
	}
	if failed := log.Signer.Keep(cosigned); failed != nil { // another one was signed meanwhile, or the disk is full
		slog.DebugContext(ctx, "a cosigned checkpoint is not kept", "size", last.Size, "err", failed)
		return signed, err
	}
	p.signing.wake()
	return cosigned, err
}

// enough notes that the last checkpoint satisfies the policy: since now or, of one that was
// found, since its file was written.
func (s *signing) enough(found bool, file string) {
	at := time.Now()
	if info, err := os.Stat(file); found && err == nil {
		at = info.ModTime()
	}
	s.satisfied.Store(&at)
}

// missing names the witnesses who did not cosign the last checkpoint.
func (s *signing) missing() []string {
	log, witnesses := s.log.Load(), s.witnesses.Load()
	if log == nil || witnesses == nil {
		return nil
	}
	_, signed, ok := log.Signer.Last()
	if !ok {
		return nil
	}
	return witnesses.Missing(signed)
}

// observe measures what is signed and cosigned, until the function returned is called.
func (s *signing) observe() (end func()) {
	meter := otel.Meter(scope)
	// An error leaves a no-op instrument: measuring must not stop the register.
	age, _ := meter.Float64ObservableGauge("maillage.checkpoint.age", metric.WithUnit("s"),
		metric.WithDescription("Time since the last checkpoint that satisfies the policy of witnesses was signed and cosigned"))
	missing, _ := meter.Int64ObservableGauge("maillage.checkpoint.missing", metric.WithUnit("{witness}"),
		metric.WithDescription("Witnesses who did not cosign the last checkpoint yet"))
	registration, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		o.ObserveInt64(missing, int64(len(s.missing())))
		if at := s.satisfied.Load(); at != nil {
			o.ObserveFloat64(age, time.Since(*at).Seconds())
		}
		return nil
	}, age, missing)
	if err != nil {
		return func() {}
	}
	return func() { _ = registration.Unregister() }
}

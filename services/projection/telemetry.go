package projection

import (
	"context"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"maillage/services/eventlog"
	"maillage/services/ledger"
)

const scope = "maillage/services/projection"

// observe registers what an operator watches: the head and the lag behind it. The
// log itself measures appends and conflicts.
func observe(r *Runner) {
	meter := otel.Meter(scope)
	_, _ = meter.Int64ObservableGauge("maillage.position", metric.WithDescription("last position folded, seen in the stream, announced by the ledger"),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			if r.replaying() {
				return nil
			}
			r.mu.RLock()
			defer r.mu.RUnlock()
			o.Observe(int64(r.state.folded), metric.WithAttributes(attribute.String("of", "folded")))
			o.Observe(int64(r.state.seen), metric.WithAttributes(attribute.String("of", "stream")))
			o.Observe(int64(r.state.gate.Size), metric.WithAttributes(attribute.String("of", "ledger")))
			return nil
		}))
	_, _ = meter.Int64ObservableGauge("maillage.lag", metric.WithDescription("positions by which a follower is behind what was folded"),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			if r.replaying() {
				return nil
			}
			r.mu.RLock()
			defer r.mu.RUnlock()
			o.Observe(int64(r.state.folded-r.state.seen), metric.WithAttributes(attribute.String("follower", "stream")))
			o.Observe(int64(r.state.folded-r.state.gate.Size), metric.WithAttributes(attribute.String("follower", "ledger")))
			return nil
		}))
}

// withTrace returns ctx with the trace of a caller.
func withTrace(ctx, caller context.Context) context.Context {
	return trace.ContextWithSpanContext(ctx, trace.SpanContextFromContext(caller))
}

// foldSpan begins the part of a trace in which a record is folded; for a foreign
// record the trace came with its headers.
func foldSpan(ctx context.Context, rec eventlog.Record) trace.Span {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		if len(rec.Header) == 0 {
			return trace.SpanFromContext(ctx)
		}
		ctx = otel.GetTextMapPropagator().Extract(ctx, propagation.HeaderCarrier(rec.Header))
	}
	_, span := otel.Tracer(scope).Start(ctx, "fold", trace.WithAttributes(attribute.Int64("maillage.position", int64(rec.Position))))
	return span
}

// flush writes records into the ledger, as part of the trace of the first command
// and linked to those of the others.
func (r *Runner) flush(ctx context.Context, records []eventlog.Record) (ledger.Head, error) {
	parent := otel.GetTextMapPropagator().Extract(ctx, propagation.HeaderCarrier(records[0].Header))
	_, span := otel.Tracer(scope).Start(parent, "ledger flush",
		trace.WithAttributes(attribute.Int("maillage.records", len(records)), attribute.Int64("maillage.position", int64(records[0].Position))))
	defer span.End()
	head, err := r.store.Append(records)
	if err != nil {
		span.RecordError(err)
	}
	return head, err
}

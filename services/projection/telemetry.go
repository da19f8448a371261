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

// observe registers what an operator watches, the head and the lag behind it, until the
// function returned is called. The log itself measures appends and conflicts.
func observe(r *Runner) (end func()) {
	meter := otel.Meter(scope)
	// An error leaves a no-op instrument: measuring must not stop the register.
	position, _ := meter.Int64ObservableGauge("maillage.position", metric.WithUnit("{position}"),
		metric.WithDescription("Last position folded, seen in the stream, announced by the ledger, kept by one that follows"))
	lag, _ := meter.Int64ObservableGauge("maillage.lag", metric.WithUnit("{position}"),
		metric.WithDescription("Positions by which a follower is behind what was folded"))
	registration, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		if r.replaying() {
			return nil
		}
		r.mu.RLock()
		defer r.mu.RUnlock()
		s := &r.state
		of := map[string]uint64{"folded": s.folded, "stream": s.seen, "ledger": s.gate.Size}
		if r.follows {
			of["copy"] = r.store.Head().Size
		}
		for of, p := range of {
			o.ObserveInt64(position, int64(p), metric.WithAttributes(attribute.String("of", of)))
		}
		delete(of, "folded")
		for follower, p := range of {
			o.ObserveInt64(lag, int64(s.folded)-int64(p), metric.WithAttributes(attribute.String("follower", follower)))
		}
		return nil
	}, position, lag)
	if err != nil {
		return func() {}
	}
	return func() { _ = registration.Unregister() }
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

// flush appends records to the ledger.
func (r *Runner) flush(ctx context.Context, records []eventlog.Record) (head ledger.Head, err error) {
	defer flushSpan(ctx, "ledger append", records, &err)()
	return r.store.Append(records)
}

// flushSpan begins a part of the trace of the first of some records' commands, and ends it
// with an error, if any.
func flushSpan(ctx context.Context, name string, records []eventlog.Record, err *error) (end func()) {
	parent := otel.GetTextMapPropagator().Extract(ctx, propagation.HeaderCarrier(records[0].Header))
	_, span := otel.Tracer(scope).Start(parent, name,
		trace.WithAttributes(attribute.Int("maillage.records", len(records)), attribute.Int64("maillage.position", int64(records[0].Position))))
	return func() {
		if *err != nil {
			span.RecordError(*err)
		}
		span.End()
	}
}

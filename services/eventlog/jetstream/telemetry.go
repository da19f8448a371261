package jetstream

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"maillage/services/eventlog"
)

const scope = "maillage/services/eventlog/jetstream"

var (
	tracer   = otel.Tracer(scope)
	instr    instruments
	instrOne sync.Once
)

type instruments struct {
	latency   metric.Float64Histogram
	size      metric.Int64Histogram
	conflicts metric.Int64Counter
}

func measures() *instruments {
	instrOne.Do(func() {
		m := otel.Meter(scope)
		// An error leaves a no-op instrument: measuring must not stop the register.
		instr.latency, _ = m.Float64Histogram("maillage.log.append.duration", metric.WithUnit("s"),
			metric.WithDescription("Time from sending an append to its answer"),
			metric.WithExplicitBucketBoundaries(.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1, 5))
		instr.size, _ = m.Int64Histogram("maillage.log.append.records", metric.WithUnit("{record}"),
			metric.WithDescription("Records in an append"),
			metric.WithExplicitBucketBoundaries(1, 2, 8, 32, 128, 512, 2500, 10001))
		instr.conflicts, _ = m.Int64Counter("maillage.log.append.conflicts", metric.WithUnit("{append}"),
			metric.WithDescription("Appends refused because the log had moved"))
	})
	return &instr
}

// startAppend begins the span of an append; the function returned ends it.
func startAppend(ctx context.Context, expected uint64, n int) (context.Context, func(error)) {
	start := time.Now()
	ctx, span := tracer.Start(ctx, "append", trace.WithSpanKind(trace.SpanKindProducer))
	if span.IsRecording() {
		span.SetAttributes(
			attribute.String("messaging.system", "nats"),
			attribute.String("messaging.destination.name", streamName),
			attribute.Int("messaging.batch.message_count", n),
			attribute.Int64("maillage.log.expected", int64(expected)))
	}
	return ctx, func(err error) {
		m := measures()
		m.latency.Record(ctx, time.Since(start).Seconds())
		m.size.Record(ctx, int64(n))
		if errors.Is(err, eventlog.ErrMoved) {
			m.conflicts.Add(ctx, 1)
		}
		if err != nil && span.IsRecording() {
			span.RecordError(err)
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
	}
}

// traceHeaders is the trace context to send with the records; nil where none is set.
func traceHeaders(ctx context.Context) map[string]string {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return nil
	}
	c := propagation.MapCarrier{}
	otel.GetTextMapPropagator().Inject(ctx, c)
	return c
}

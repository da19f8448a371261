package serve

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"time"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// startTelemetry sets up what the standard environment variables ask for
// (OTEL_TRACES_EXPORTER, OTEL_METRICS_EXPORTER, OTEL_LOGS_EXPORTER and those of the
// exporters); nothing is exported by default. Trace context is always passed on.
func startTelemetry(ctx context.Context) (end func(), err error) {
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}))
	var ends []func(context.Context) error
	handlers := []slog.Handler{traced{slog.NewTextHandler(os.Stderr, nil)}}
	if os.Getenv("OTEL_TRACES_EXPORTER") != "" {
		exporter, err := autoexport.NewSpanExporter(ctx)
		if err != nil {
			return nil, err
		}
		provider := trace.NewTracerProvider(trace.WithBatcher(exporter))
		otel.SetTracerProvider(provider)
		ends = append(ends, provider.Shutdown)
	}
	if os.Getenv("OTEL_METRICS_EXPORTER") != "" {
		reader, err := autoexport.NewMetricReader(ctx)
		if err != nil {
			return nil, err
		}
		provider := metric.NewMeterProvider(metric.WithReader(reader))
		otel.SetMeterProvider(provider)
		ends = append(ends, provider.Shutdown)
	}
	if os.Getenv("OTEL_LOGS_EXPORTER") != "" {
		exporter, err := autoexport.NewLogExporter(ctx)
		if err != nil {
			return nil, err
		}
		provider := log.NewLoggerProvider(log.WithProcessor(log.NewBatchProcessor(exporter)))
		otel.SetLoggerProvider(provider)
		handlers = append(handlers, otelslog.NewHandler("maillage"))
		ends = append(ends, provider.Shutdown)
	}
	slog.SetDefault(slog.New(slog.NewMultiHandler(handlers...)))
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		var errs []error
		for _, f := range ends {
			errs = append(errs, f(ctx))
		}
		if err := errors.Join(errs...); err != nil {
			slog.Warn("telemetry", "err", err)
		}
	}, nil
}

// traced adds the trace and span of the context to each line of the log.
type traced struct{ slog.Handler }

func (h traced) Handle(ctx context.Context, r slog.Record) error {
	if sc := oteltrace.SpanContextFromContext(ctx); sc.IsValid() {
		r.AddAttrs(slog.String("trace_id", sc.TraceID().String()), slog.String("span_id", sc.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

func (h traced) WithAttrs(a []slog.Attr) slog.Handler { return traced{h.Handler.WithAttrs(a)} }
func (h traced) WithGroup(name string) slog.Handler   { return traced{h.Handler.WithGroup(name)} }

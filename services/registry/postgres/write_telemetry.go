package postgres

import (
	"context"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"maillage/services/registry"
)

// observe registers what an operator watches, the position and the lag behind the head,
// until the function returned is called. The lag goes on counting while it is halted.
func observe(s *Store) (end func()) {
	meter := otel.Meter("maillage/services/registry/postgres")
	// An error leaves a no-op instrument: measuring must not stop the register.
	position, _ := meter.Int64ObservableGauge("maillage.position", metric.WithUnit("{position}"),
		metric.WithDescription("Last position in the rows of PostgreSQL"))
	lag, _ := meter.Int64ObservableGauge("maillage.lag", metric.WithUnit("{position}"),
		metric.WithDescription("Positions by which a follower is behind what was folded"))
	registration, err := meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		n, _ := s.now()
		o.ObserveInt64(position, int64(n.position), metric.WithAttributes(attribute.String("of", "postgres")))
		return s.register.View(ctx, 0, func(_ *registry.State, head uint64) {
			o.ObserveInt64(lag, int64(head)-int64(n.position), metric.WithAttributes(attribute.String("follower", "postgres")))
		})
	}, position, lag)
	if err != nil {
		return func() {}
	}
	return func() { _ = registration.Unregister() }
}

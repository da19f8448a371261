package projection_test

import (
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// Instruments stay with the first provider that is set, so that there is one for all
// runs.
var measuring = sync.OnceValue(func() *metric.ManualReader {
	reader := metric.NewManualReader()
	otel.SetMeterProvider(metric.NewMeterProvider(metric.WithReader(reader)))
	return reader
})

// gauges reads what an operator sees of the replicas that run.
func gauges(t *testing.T, reader *metric.ManualReader) map[string]int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, scope := range all.ScopeMetrics {
		if scope.Scope.Name != "maillage/services/projection" {
			continue
		}
		for _, m := range scope.Metrics {
			gauge, is := m.Data.(metricdata.Gauge[int64])
			if !is || m.Unit != "{position}" || m.Description == "" {
				t.Errorf("%s is a %T in %q: %q", m.Name, m.Data, m.Unit, m.Description)
			}
			for _, p := range gauge.DataPoints {
				name := m.Name
				for _, a := range p.Attributes.ToSlice() {
					name += " " + string(a.Key) + "=" + a.Value.AsString()
				}
				got[name] = p.Value
			}
		}
	}
	return got
}

// TestGauges has a command wait for each of the followers of what is folded, and looks
// at what an operator is told meanwhile.
func TestGauges(t *testing.T) {
	reader := measuring()
	synctest.Test(t, func(t *testing.T) {
		log, deliver := opened(t), make(chan struct{})
		expect := func(when string, folded, stream, ledger int64) {
			t.Helper()
			synctest.Wait()
			want := map[string]int64{
				"maillage.position of=folded": folded, "maillage.position of=stream": stream, "maillage.position of=ledger": ledger,
				"maillage.lag follower=stream": folded - stream, "maillage.lag follower=ledger": folded - ledger,
			}
			if got := gauges(t, reader); !maps.Equal(got, want) {
				t.Errorf("%s: %v, want %v", when, got, want)
			}
		}
		r := start(t, &faulty{Memory: log, follow: deliver}, nil, nil)
		r.Announced(tree(t, log))
		expect("replayed", 1, 1, 1)
		answer := make(chan error, 1)
		go func() {
			_, err := r.Do(within(t, time.Minute), r.take("a", "1", "x", "y", "z"))
			answer <- err
		}()
		expect("appended", 4, 1, 1)
		close(deliver)
		expect("delivered", 4, 4, 1)
		r.Announced(tree(t, log))
		answered(t, <-answer, "")
		expect("announced", 4, 4, 4)
		foreign(t, log, 0, 2, "p", "q")
		expect("another process wrote", 6, 6, 4)
	})
	if got := gauges(t, reader); len(got) > 0 {
		t.Errorf("a replica that ended is still measured: %v", got)
	}
}

// TestNoGaugesWhileReplaying: nothing is told of a state that is half read.
func TestNoGaugesWhileReplaying(t *testing.T) {
	reader := measuring()
	synctest.Test(t, func(t *testing.T) {
		read := make(chan struct{})
		r := start(t, &faulty{Memory: opened(t), reading: read}, newStore(t, t.TempDir()), nil)
		synctest.Wait()
		if got := gauges(t, reader); len(got) > 0 {
			t.Errorf("while it replays: %v", got)
		}
		close(read)
		shown(t, r, 1)
		if got := gauges(t, reader); got["maillage.position of=ledger"] != 1 {
			t.Errorf("then: %v", got)
		}
	})
}

package jetstream

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"maillage/services/eventlog"
	"maillage/services/eventlog/eventlogtest"
)

// Instruments stay with the first provider that is set, so that there is one for all
// runs, and what is measured is the growth.
var measuring = sync.OnceValue(func() *metric.ManualReader {
	reader := metric.NewManualReader()
	otel.SetMeterProvider(metric.NewMeterProvider(metric.WithReader(reader)))
	return reader
})

// measured is what the instruments say of all appends so far.
type measured struct {
	appends, sized, records, conflicts int64
	seconds                            float64
	buckets                            []uint64 // of the records
}

// measure reads the instruments by their names, kinds and units.
func measure(t *testing.T) measured {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := measuring().Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	var got measured
	for _, s := range all.ScopeMetrics {
		if s.Scope.Name != "maillage/services/eventlog/jetstream" {
			continue
		}
		for _, m := range s.Metrics {
			if m.Description == "" {
				t.Errorf("%s has no description", m.Name)
			}
			switch data := m.Data.(type) {
			case metricdata.Histogram[float64]:
				if m.Name != "maillage.log.append.duration" || m.Unit != "s" || len(data.DataPoints) != 1 {
					t.Errorf("%s in %q: %+v", m.Name, m.Unit, data)
				}
				got.appends, got.seconds = int64(data.DataPoints[0].Count), data.DataPoints[0].Sum
			case metricdata.Histogram[int64]:
				if m.Name != "maillage.log.append.records" || m.Unit != "{record}" || len(data.DataPoints) != 1 {
					t.Errorf("%s in %q: %+v", m.Name, m.Unit, data)
				}
				got.sized, got.records, got.buckets = int64(data.DataPoints[0].Count), data.DataPoints[0].Sum, data.DataPoints[0].BucketCounts
			case metricdata.Sum[int64]:
				if m.Name != "maillage.log.append.conflicts" || m.Unit != "{append}" || !data.IsMonotonic || len(data.DataPoints) != 1 {
					t.Errorf("%s in %q: %+v", m.Name, m.Unit, data)
				}
				got.conflicts = data.DataPoints[0].Value
			default:
				t.Errorf("%s is a %T", m.Name, data)
			}
		}
	}
	return got
}

// TestInstruments appends a record, a batch, and twice where the log is no more.
func TestInstruments(t *testing.T) {
	l := newBroker(t).connect(ConnectOptions{})
	before, started := measure(t), time.Now()
	for _, a := range []struct {
		expected uint64
		n        int
		moved    bool
	}{{0, 1, false}, {1, 5, false}, {1, 3, true}, {0, 1, true}} {
		err := l.Append(t.Context(), a.expected, eventlogtest.Records("a", a.n))
		if errors.Is(err, eventlog.ErrMoved) != a.moved || err != nil && !a.moved {
			t.Fatalf("append of %d at %d: %v", a.n, a.expected, err)
		}
	}
	after, elapsed := measure(t), time.Since(started)
	if n := after.appends - before.appends; n != 4 {
		t.Errorf("%d durations, want 4", n)
	}
	if s := after.seconds - before.seconds; s <= 0 || s > elapsed.Seconds() {
		t.Errorf("4 appends took %v s of %v", s, elapsed)
	}
	if n, records := after.sized-before.sized, after.records-before.records; n != 4 || records != 10 {
		t.Errorf("%d appends of %d records, want 4 of 10", n, records)
	}
	grown := slices.Clone(after.buckets)
	for i, n := range before.buckets {
		grown[i] -= n
	}
	if want := []uint64{2, 0, 2}; !slices.Equal(grown[:min(3, len(grown))], want) { // to 1, to 2, to 8
		t.Errorf("buckets of sizes grew by %v, want %v first", grown, want)
	}
	if n := after.conflicts - before.conflicts; n != 2 {
		t.Errorf("%d conflicts, want 2", n)
	}
}

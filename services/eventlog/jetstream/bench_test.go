package jetstream

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"maillage/services/eventlog"
)

func benchmarkLog(b *testing.B) *Log {
	s, err := StartServer(b.Context(), Options{Dir: filepath.Join(b.TempDir(), "store")})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Shutdown)
	l, err := s.Open(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(l.Close)
	return l
}

func benchmarkRecords(at uint64, n int) []eventlog.Record {
	out := make([]eventlog.Record, n)
	for i := range out {
		out[i] = eventlog.Record{
			Subject: fmt.Sprintf("registry.labelling.label.%d", (at+uint64(i))%100_000),
			Body:    make([]byte, 260),
		}
	}
	return out
}

func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{1, 2, 8, 32, 256, 2501} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			l, at := benchmarkLog(b), uint64(0)
			var took []time.Duration
			for b.Loop() {
				records, start := benchmarkRecords(at, n), time.Now()
				if err := l.Append(b.Context(), at, records); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(start))
				at += uint64(n)
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "µs-p50")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "µs-p99")
		})
	}
}

func BenchmarkRead(b *testing.B) {
	const n = 200_000
	l := benchmarkLog(b)
	for at := uint64(0); at < n; at += 10_000 {
		if err := l.Append(b.Context(), at, benchmarkRecords(at, 10_000)); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		read := 0
		for _, err := range l.Read(b.Context(), 0) {
			if err != nil {
				b.Fatal(err)
			}
			read++
		}
		if read != n {
			b.Fatalf("%d records read", read)
		}
	}
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkFollow measures from the start of an append to the record's arrival at a
// follower.
func BenchmarkFollow(b *testing.B) {
	l, at := benchmarkLog(b), uint64(0)
	came := make(chan error)
	go func() {
		for _, err := range l.Follow(b.Context(), eventlog.Cursor{}) {
			select {
			case came <- err:
			case <-b.Context().Done():
			}
		}
	}()
	var took []time.Duration
	for b.Loop() {
		records, start := benchmarkRecords(at, 1), time.Now()
		if err := l.Append(b.Context(), at, records); err != nil {
			b.Fatal(err)
		}
		if err := <-came; err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
		at++
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "µs-p50")
}

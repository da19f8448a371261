package bitemporal

import (
	"runtime"
	"strconv"
	"testing"
)

func names(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = "0000" + strconv.Itoa(100_000+i)
	}
	return out
}

// One operation is a million assertions; the figures named are of one.
func BenchmarkAssertMillionNew(b *testing.B) {
	const million = 1_000_000
	all, value := names(million), new(int)
	var before, after runtime.MemStats
	for b.Loop() {
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&before)
		b.StartTimer()
		var t Table[*int]
		for i, id := range all {
			at := uint64(i + 1)
			t.Assert(id, Interval{Date(i % 10_000), Future}, at, value)
			if i%1000 == 0 {
				t.Settle(at)
			}
		}
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/million, "B/entity")
		runtime.KeepAlive(&t)
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/million, "ns/assert")
}

func BenchmarkAt(b *testing.B) {
	all := names(100_000)
	var t Table[int]
	for i, id := range all {
		t.Assert(id, Interval{0, Future}, uint64(i+1), i)
	}
	for i, id := range all {
		t.Assert(id, Interval{5000, 6000}, uint64(len(all)+i+1), i)
	}
	for _, c := range []struct {
		name  string
		known uint64
	}{{"latest", Latest}, {"earlier", uint64(len(all))}} {
		b.Run(c.name, func(b *testing.B) {
			i := 0
			for b.Loop() {
				if _, ok := t.At(all[i%len(all)], 5500, c.known); !ok {
					b.Fatal("missing")
				}
				i += 7919
			}
		})
	}
}

// One entity corrected again and again, so that a long history is no trap.
func BenchmarkCorrectOne(b *testing.B) {
	var t Table[int]
	i := 0
	for b.Loop() {
		t.Assert("A", Interval{Date(i % 500), Date(i%500 + 3)}, uint64(i+1), i)
		t.Settle(uint64(i + 1))
		i++
	}
}

func BenchmarkRollbackOne(b *testing.B) {
	var t Table[int]
	for i, id := range names(100_000) {
		t.Assert(id, Interval{0, Future}, 1, i)
	}
	t.Settle(1)
	for b.Loop() {
		t.Assert("0000100500", Interval{5, 9}, 2, 1)
		t.Rollback(1)
	}
}

// What one commit changed, of a million entities.
func BenchmarkChanged(b *testing.B) {
	var t Table[int]
	all := names(1_000_000)
	t.Hold(0)
	for i, id := range all {
		t.Assert(id, Interval{0, Future}, uint64(i+1), i)
		if i%4096 == 0 {
			t.Hold(uint64(i))
			t.Settle(uint64(i))
		}
	}
	for b.Loop() {
		for range t.Changed(999_990, 999_991) {
		}
	}
}

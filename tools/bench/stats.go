package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"
)

// sample is what one repetition of one load measured.
type sample struct {
	rate     float64 // operations acknowledged a second
	p50, p99 time.Duration
}

// spread is the median of repetitions, and their least and greatest.
type spread struct{ median, low, high float64 }

func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{math.NaN(), math.NaN(), math.NaN()}
	}
	v := slices.Sorted(slices.Values(values))
	m := v[len(v)/2]
	if len(v)%2 == 0 {
		m = (v[len(v)/2-1] + m) / 2
	}
	return spread{m, v[0], v[len(v)-1]}
}

// percentile returns the nearest-rank percentile of sorted durations, q in (0,1].
func percentile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}

// operation does one thing and waits until it is acknowledged. The caller is
// numbered from 0; n counts its operations.
type operation func(ctx context.Context, caller, n int) error

// load runs op by so many concurrent callers, each in a closed loop, for a time.
// Operations begun before the end are waited for and counted, and so is the time
// they take.
func load(ctx context.Context, callers int, d time.Duration, op operation) (sample, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	took := make([][]time.Duration, callers)
	start := time.Now()
	end := start.Add(d)
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				t := time.Now()
				if t.After(end) {
					return
				}
				if err := op(ctx, c, n); err != nil {
					cancel(err)
					return
				}
				took[c] = append(took[c], time.Since(t))
			}
		})
	}
	wg.Wait()
	elapsed := time.Since(start)
	if err := context.Cause(ctx); err != nil {
		return sample{}, err
	}
	all := slices.Concat(took...)
	slices.Sort(all)
	return sample{float64(len(all)) / elapsed.Seconds(), percentile(all, 0.50), percentile(all, 0.99)}, nil
}

// series is the samples of one contender under one load.
type series []sample

func (s series) of(f func(sample) float64) spread {
	v := make([]float64, len(s))
	for i, x := range s {
		v[i] = f(x)
	}
	return spreadOf(v)
}

func rateOf(s sample) float64 { return s.rate }
func p50Of(s sample) float64  { return s.p50.Seconds() }
func p99Of(s sample) float64  { return s.p99.Seconds() }

// ratios divides two series repetition by repetition: what the machine did in
// that second touched both.
func ratios(a, b series) spread {
	var v []float64
	for i := range min(len(a), len(b)) {
		v = append(v, a[i].rate/b[i].rate)
	}
	return spreadOf(v)
}

func (s spread) rates() string {
	return fmt.Sprintf("%.0f\t[%.0f..%.0f]", s.median, s.low, s.high)
}

func (s spread) times() string {
	return fmt.Sprintf("%s\t[%s..%s]", short(s.median), short(s.low), short(s.high))
}

// short prints seconds with three digits.
func short(seconds float64) string {
	switch {
	case math.IsNaN(seconds):
		return "-"
	case seconds < 1e-3:
		return fmt.Sprintf("%.0f µs", seconds*1e6)
	case seconds < 1:
		return fmt.Sprintf("%.3g ms", seconds*1e3)
	}
	return fmt.Sprintf("%.3g s", seconds)
}

package main

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestPercentile(t *testing.T) {
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(i+1))
	}
	for _, c := range []struct {
		name   string
		sorted []time.Duration
		q      float64
		want   time.Duration
	}{
		{"none", nil, 0.5, 0},
		{"one", []time.Duration{7}, 0.99, 7},
		{"two, the lower is the half", []time.Duration{1, 2}, 0.5, 1},
		{"hundred, half", hundred, 0.5, 50},
		{"hundred, 99", hundred, 0.99, 99},
		{"hundred, all", hundred, 1, 100},
	} {
		if got := percentile(c.sorted, c.q); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestSpreadOf(t *testing.T) {
	if got, want := spreadOf([]float64{3, 1, 2}), (spread{2, 1, 3}); got != want {
		t.Errorf("odd: %v, want %v", got, want)
	}
	if got, want := spreadOf([]float64{4, 1, 2, 3}), (spread{2.5, 1, 4}); got != want {
		t.Errorf("even: %v, want %v", got, want)
	}
}

func TestLoad(t *testing.T) {
	s, err := load(t.Context(), 4, 50*time.Millisecond, func(context.Context, int, int) error {
		time.Sleep(time.Millisecond)
		return nil
	})
	if err != nil || s.p50 < time.Millisecond || s.p99 < s.p50 || s.rate <= 0 || s.rate > 4000 {
		t.Errorf("%+v, %v", s, err)
	}
	broken := errors.New("broken")
	if _, err := load(t.Context(), 2, time.Minute, func(_ context.Context, caller, n int) error {
		if caller == 1 && n == 3 {
			return broken
		}
		return nil
	}); !errors.Is(err, broken) {
		t.Errorf("an operation failed and load said %v", err)
	}
}

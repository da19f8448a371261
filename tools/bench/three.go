package main

import (
	"context"
	"fmt"
	"sync"
)

// threeServices measures two services of topology and one of labelling, as
// processes of their own over one NATS. All three decide against the one log and so
// contend for its next position. In each repetition the first of them is measured
// alone before: what three keep of the rate of one is the price of their contention.
func (b *bench) threeServices(ctx context.Context) error {
	dir, err := b.below("three")
	if err != nil {
		return err
	}
	js, err := startBroker(ctx, dir+"/nats")
	if err != nil {
		return err
	}
	defer js.Close()
	services, stop, err := startThree(ctx, b.binary, js.url, dir, b.connection)
	defer stop()
	if err != nil {
		return err
	}
	ops := []operation{services[0].registerCentre, services[1].registerCentre, services[2].registerCycle}
	for _, n := range []int{1, 32} {
		if err := b.contending(ctx, n, ops); err != nil {
			return err
		}
	}
	return nil
}

// contending measures services with n callers each.
func (b *bench) contending(ctx context.Context, n int, ops []operation) error {
	got := make([]series, len(ops))
	var one series
	var total, kept []float64
	for turn := range b.repeat + 1 {
		alone, err := load(ctx, n, b.each, ops[0])
		if err != nil {
			return fmt.Errorf("one service of three: %w", err)
		}
		samples, errs := make([]sample, len(ops)), make([]error, len(ops))
		var wg sync.WaitGroup
		for i, op := range ops {
			wg.Go(func() { samples[i], errs[i] = load(ctx, n, b.each, op) })
		}
		wg.Wait()
		var sum float64
		for i := range ops {
			if errs[i] != nil {
				return fmt.Errorf("service %d of three: %w", i+1, errs[i])
			}
			sum += samples[i].rate
			if turn > 0 {
				got[i] = append(got[i], samples[i])
			}
		}
		if turn > 0 {
			one, total, kept = append(one, alone), append(total, sum), append(kept, sum/alone.rate)
		}
	}
	line := func(name string, s series) {
		fmt.Fprintf(b.out, "  %s\t%s a second\tp50 %s\tp99 %s\n", name, s.of(rateOf).rates(), s.of(p50Of).times(), s.of(p99Of).times())
	}
	fmt.Fprintf(b.out, "\nthree services over one NATS, %d at once each: together %s a second\n", n, spreadOf(total).rates())
	line("1 alone", one)
	for i, s := range got {
		line(fmt.Sprint(i+1), s)
	}
	share := spreadOf(kept)
	fmt.Fprintf(b.out, "  three keep %.2f [%.2f..%.2f] of the rate of one", share.median, share.low, share.high)
	if n > 1 {
		fmt.Fprintf(b.out, ", goal ≥ 0.5: %s", verdict(share.median >= 0.5))
	}
	fmt.Fprintln(b.out)
	return nil
}

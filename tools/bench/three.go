package main

import (
	"context"
	"fmt"
	"sync"
)

// threeServices measures two services of topology and one of labelling, as
// processes of their own over one NATS, with 32 callers each. All three decide
// against the one log and so contend for its next position.
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
	got := make([]series, len(ops))
	var total []float64
	for turn := range b.repeat + 1 {
		samples, errs := make([]sample, len(ops)), make([]error, len(ops))
		var wg sync.WaitGroup
		for i, op := range ops {
			wg.Go(func() { samples[i], errs[i] = load(ctx, 32, b.each, op) })
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
			total = append(total, sum)
		}
	}
	fmt.Fprintf(b.out, "\nthree services over one NATS, 32 at once each: together %s a second\n", spreadOf(total).rates())
	for i, s := range got {
		fmt.Fprintf(b.out, "  %d\t%s a second\tp50 %s\tp99 %s\n", i+1, s.of(rateOf).rates(), s.of(p50Of).times(), s.of(p99Of).times())
	}
	return nil
}

package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
)

// measuresOfCommit is how many measures a command records at most.
const measuresOfCommit = 10_000

// Questions to a register that holds activity.
const (
	measuresPage = "ListMeasures, 100 of all"
	thresholds   = "CheckThresholds of a year"
)

// activity measures reads of labels beside the same of a register without activity, in
// turns, then reads of activity.
func (b *bench) activity(ctx context.Context) error {
	bare, err := b.startCountry(ctx, "bare")
	if err != nil {
		return fmt.Errorf("register without activity: %w", err)
	}
	defer bare.Close()
	busy, err := b.startCountry(ctx, "busy")
	if err != nil {
		return fmt.Errorf("register with activity: %w", err)
	}
	defer busy.Close()
	start := time.Now()
	if err := busy.measured(ctx, b.measures); err != nil {
		return fmt.Errorf("measures: %w", err)
	}
	took := time.Since(start)
	fmt.Fprintf(b.out, "\nactivity: %d labels, beside them %d measures recorded %d a commit, %.0f a second; load average %s\n",
		len(busy.labels), b.measures, measuresOfCommit, float64(b.measures)/took.Seconds(), loadAverage())
	var all []*contender
	add := func(name string, op operation) {
		all = append(all, &contender{name, op, []int{1}, map[int]series{}})
	}
	add(readOne, bare.readLabel)
	add(readOne+" beside measures", busy.readLabel)
	add(listOne, bare.listFiliere)
	add(listOne+" beside measures", busy.listFiliere)
	add(measuresPage, busy.pageOfMeasures)
	add(thresholds, busy.checkThresholds)
	if err := b.measure(ctx, all); err != nil {
		return err
	}
	w := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tp50\t\tp99\t\t")
	for i, q := range all {
		fmt.Fprintf(w, "  %s\t%s\t%s\t", q.name, q.got[1].of(p50Of).times(), q.got[1].of(p99Of).times())
		if i == 1 || i == 3 {
			r := ratios(all[i-1].got[1], q.got[1]) // of rates: the time of one to that of the other
			fmt.Fprintf(w, "%.2f × without [%.2f..%.2f], goal ≤ 1.1: %s", r.median, r.low, r.high, verdict(r.median <= 1.1))
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

// measured records so many measures of the sites of the labels, each of its own site, year
// and unit, one commit after the other.
func (c *country) measured(ctx context.Context, n int) error {
	var sites []string
	for _, e := range c.labels {
		if id := e.GetLabel().GetHolder().GetSite().GetSiteId(); id != "" {
			sites = append(sites, id)
		}
	}
	slices.Sort(sites)
	sites = slices.Compact(sites)
	const first, years, units = 1990, 200, 2
	if n > len(sites)*years*units {
		return fmt.Errorf("%d sites have no %d measures", len(sites), n)
	}
	var batch []*activityv1.Measure
	for i := range n {
		at := i / len(sites)
		batch = append(batch, &activityv1.Measure{
			SiteId: sites[i%len(sites)], Year: first + uint32(at/units), Unit: labellingv1.ThresholdUnit(1 + at%units), Count: uint32(i % 300),
		})
		if len(batch) < measuresOfCommit && i < n-1 {
			continue
		}
		_, err := activityv1.NewActivityServiceClient(c.conns[0]).RecordMeasures(as(ctx), &activityv1.RecordMeasuresRequest{
			RequestId: rand.Text(), Basis: basis, Measures: batch,
		})
		if err != nil {
			return err
		}
		batch = batch[:0]
	}
	return nil
}

func (c *country) pageOfMeasures(ctx context.Context, _, _ int) error {
	_, err := registryv1.NewActivityQueryServiceClient(c.conns[0]).ListMeasures(as(ctx), &registryv1.ListMeasuresRequest{})
	return err
}

func (c *country) checkThresholds(ctx context.Context, _, _ int) error {
	_, err := registryv1.NewActivityQueryServiceClient(c.conns[0]).CheckThresholds(as(ctx), &registryv1.CheckThresholdsRequest{Year: 2024})
	return err
}

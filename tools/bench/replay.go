package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/eventlog"
	"maillage/services/eventlog/jetstream"
	"maillage/services/ledger"
	"maillage/services/projection"
	"maillage/services/registry"
)

// replay measures how long a register takes to stand again on a log of so many
// events, each a centre of its own: with both stores read and compared record by
// record, the root recomputed and every event folded, as at every start; beside the fold
// alone, from the ledger, and the stream's reader alone.
func (b *bench) replay(ctx context.Context) error {
	if b.events == 0 {
		return nil
	}
	streamDir, err := b.below("replayed-stream")
	if err != nil {
		return err
	}
	ledgerDir, err := b.below("replayed-ledger")
	if err != nil {
		return err
	}
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	server, err := jetstream.StartServer(ctx, jetstream.Options{Dir: streamDir, Logger: quiet})
	if err != nil {
		return err
	}
	defer server.Shutdown()
	log, err := server.Open(ctx)
	if err != nil {
		return err
	}
	defer log.Close()
	store, err := ledger.Open(ledgerDir, "")
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	start := time.Now()
	if err := fill(ctx, log, store, 0, b.events, centreOf); err != nil {
		return fmt.Errorf("before the replay: %w", err)
	}
	fmt.Fprintf(b.out, "\nreplay of %d events (both stores filled in %.3g s)\n", b.events, time.Since(start).Seconds())

	start = time.Now()
	var alone registry.State
	for r, err := range store.Read(0) {
		if err != nil {
			return err
		}
		if _, err := alone.Evolve(r); err != nil {
			return err
		}
	}
	alone.Settle(alone.Position())
	took := time.Since(start).Seconds()
	fmt.Fprintf(b.out, "  fold alone, from the ledger   %.3g s  %.0f a second  heap %d MiB\n", took, float64(b.events)/took, heap(&alone))
	alone = registry.State{}
	var reads, starts, ratios []float64
	var size uint64              // MiB
	for range min(b.repeat, 3) { // side by side: what else the machine does touches both
		read, err := b.read(ctx, log)
		if err != nil {
			return err
		}
		started, kept, err := b.start(ctx, log, store, quiet)
		if err != nil {
			return err
		}
		reads, starts, ratios = append(reads, read), append(starts, started), append(ratios, read/started)
		size = kept
	}
	fmt.Fprintf(b.out, "  stream read, nothing folded   %s\n", b.replayed(reads))
	fmt.Fprintf(b.out, "  ready, both stores compared   %s  heap %d MiB\n", b.replayed(starts), size)
	r := spreadOf(ratios)
	fmt.Fprintf(b.out, "  %.2f × the rate of the stream read [%.2f..%.2f], goal ≥ 0.5: %s\n", r.median, r.low, r.high, verdict(r.median >= 0.5))
	return nil
}

// replayed prints the seconds of each repetition and the rate.
func (b *bench) replayed(took []float64) string {
	s := spreadOf(took)
	return fmt.Sprintf("%s [%s..%s]  %.0f a second", short(s.median), short(s.low), short(s.high), float64(b.events)/s.median)
}

// read takes every record from the stream's consumer and does nothing with it: the raw
// rate. It returns the seconds that took.
func (b *bench) read(ctx context.Context, log eventlog.Log) (took float64, err error) {
	runtime.GC()
	start := time.Now()
	for _, err := range log.Read(ctx, 0) {
		if err != nil {
			return 0, err
		}
	}
	return time.Since(start).Seconds(), nil
}

// start replays as a process does that starts, and asks it whether it can answer. It
// returns the seconds until it can, and the MiB that it then keeps.
func (b *bench) start(ctx context.Context, log eventlog.Log, store *ledger.Store, quiet *slog.Logger) (took float64, kept uint64, err error) {
	var state registry.State
	r := projection.NewRunner(projection.Config{
		Log: log, Ledger: store, Logger: quiet,
		Fold: projection.Fold{Evolve: state.Evolve, Rollback: state.Rollback, Settle: state.Settle},
	})
	runtime.GC()
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	start := time.Now()
	go func() { ended <- r.Run(running) }()
	for took == 0 {
		select {
		case err := <-ended:
			return 0, 0, fmt.Errorf("the replica halted: %w", err)
		case <-time.After(5 * time.Millisecond):
			if r.Ready() == nil && r.Progress().Gate.Size == uint64(b.events) {
				took = time.Since(start).Seconds()
			}
		}
	}
	kept = heap(r)
	stop()
	return took, kept, <-ended
}

// heap is what is reachable, in MiB, while keep is.
func heap(keep any) uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	runtime.KeepAlive(keep)
	return m.HeapAlloc >> 20
}

// fill appends events to both stores, one a commit, from after a position up to another:
// the opening first, and then what fact says that each position holds.
func fill(ctx context.Context, log eventlog.Log, store *ledger.Store, after, to int, fact func(p int, meta *eventv1.Meta) (subject string, m proto.Message)) error {
	const together = 5000
	now := timestamppb.Now()
	batch := make([]eventlog.Record, 0, together)
	for p := after + 1; p <= to; p++ {
		meta := &eventv1.Meta{
			Schema: 1, RecordTime: now, CommitSize: 1, Basis: basis, RequestId: rand.Text(), RequestDigest: payload[:32],
			Actor: &eventv1.Actor{Account: account, Role: "developer", Assurance: eventv1.Assurance_ASSURANCE_DEVELOPMENT},
		}
		subject, m := "ledger.log.bench", proto.Message(&ledgerv1.Event{Meta: meta, Fact: &ledgerv1.Event_LogOpened{LogOpened: &ledgerv1.LogOpened{LogId: "bench", Origin: "bench"}}})
		if p > 1 {
			subject, m = fact(p, meta)
		}
		body, err := proto.Marshal(m)
		if err != nil {
			return err
		}
		batch = append(batch, eventlog.Record{Position: uint64(p), Subject: "registry." + subject, Body: body})
		if len(batch) < together && p < to {
			continue
		}
		if err := log.Append(ctx, uint64(p-len(batch)), batch); err != nil {
			return err
		}
		if _, err := store.Append(batch); err != nil {
			return err
		}
		batch = batch[:0]
	}
	return nil
}

// centreOf is a centre of its own for each position.
func centreOf(p int, meta *eventv1.Meta) (subject string, m proto.Message) {
	id := fmt.Sprintf("%010d", p)
	return "topology.centre." + id, &topologyv1.Event{Meta: meta, Fact: &topologyv1.Event_CentreRegistered{CentreRegistered: &topologyv1.CentreRegistered{
		CentreId: id, ValidFrom: "2023-01-01", Name: "Centre " + id, Population: topologyv1.Population_POPULATION_CHILD,
		Place: &topologyv1.Place{City: "Lyon", DepartmentCode: "69"},
	}}}
}

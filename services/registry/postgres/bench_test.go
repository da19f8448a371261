package postgres

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/eventlog"
	"maillage/services/registry"
	"maillage/services/registry/postgres/postgrestest"
)

// MAILLAGE_EVENTS is how many events the benchmarks bring in, MAILLAGE_POSTGRES an empty
// database to bring them into.

func size(b *testing.B) int {
	n, err := strconv.Atoi(os.Getenv("MAILLAGE_EVENTS"))
	if err != nil {
		return 20_000
	}
	return n
}

func database(b *testing.B) string {
	if url := os.Getenv("MAILLAGE_POSTGRES"); url != "" {
		return url
	}
	return postgrestest.Database(b)
}

// minted is an id of a kind as the register mints them, apart from others.
func mintedID(kind byte, n int) string {
	const factor = 0x9e3779b97f4a7c15
	x := uint64(n+1) * factor
	id := []byte{kind}
	for range 9 {
		id = append(id, crockford[x>>59])
		x <<= 5
	}
	return string(id)
}

// grown is records of so many events: centres, each with a label, and a third of the
// labels renewed.
func grown(b *testing.B, from, events int) []eventlog.Record {
	b.Helper()
	all := make([]eventlog.Record, 0, events)
	add := func(subject string, e proto.Message) {
		body, err := proto.Marshal(e)
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, eventlog.Record{Position: uint64(from + len(all) + 1), Subject: "registry." + subject, Body: body})
	}
	for i := from; len(all) < events; i++ {
		meta := &eventv1.Meta{
			Schema: 1, RecordTime: timestamppb.New(time.Unix(1_780_000_000+int64(i), 0)), CommitSize: 1, RequestId: mintedID('R', i),
			Actor: &eventv1.Actor{Account: "ACC0000001", Role: "preparer"},
			Basis: &eventv1.Basis{ActId: mintedID('A', i/1000), ActLine: uint32(i%1000 + 1), Evidence: eventv1.Evidence_EVIDENCE_ACT_READ, AsPrinted: []*eventv1.Printed{{Field: "Centre hospitalier", Value: "CHU de Saint-Étienne"}}},
		}
		centre, label := mintedID('C', i), mintedID('B', i)
		holder := &labellingv1.Holder{Holder: &labellingv1.Holder_Site{Site: &labellingv1.Site{SiteId: mintedID('S', i), CentreId: centre, NetworkId: mintedID('N', i%2000)}}}
		period := &eventv1.Period{Start: fmt.Sprint(2005 + i%20), End: fmt.Sprintf("%d-11-25", 2010+i%20)}
		add("topology.centre."+centre, &topologyv1.Event{Meta: meta, Fact: &topologyv1.Event_CentreRegistered{CentreRegistered: &topologyv1.CentreRegistered{CentreId: centre, Name: "Service de génétique médicale", EstablishmentIds: []string{mintedID('E', i%300)}, Place: &topologyv1.Place{City: "Saint-Étienne", DepartmentCode: "42"}}}})
		add("labelling.label."+label, &labellingv1.Event{Meta: meta, Fact: &labellingv1.Event_LabelGranted{LabelGranted: &labellingv1.LabelGranted{LabelId: label, Holder: holder, Role: labellingv1.Role(i%5 + 1), CycleId: mintedID('Y', 1), Period: period}}})
		if i%3 == 0 {
			add("labelling.label."+label, &labellingv1.Event{Meta: meta, Fact: &labellingv1.Event_LabelRepealed{LabelRepealed: &labellingv1.LabelRepealed{LabelId: label, RepealedFrom: "2024-05-01"}}})
		}
	}
	return all[:events]
}

// BenchmarkRebuild fills a schema, up to the takeover, and beside it has COPY write the
// same rows, encoded before, and the same indexes made after.
func BenchmarkRebuild(b *testing.B) {
	w, events := newWorld(), size(b)
	w.commit(b, 1, grown(b, 0, events)...)
	url := database(b)
	s := open(b, url, w)
	for b.Loop() {
		began := time.Now()
		stop := run(b, s)
		if p := until(b, s, "anything", func(p Progress) bool { return p.Schema != "" || p.Rebuild != nil }); p.Rebuild == nil {
			if err := s.Rebuild(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		phase, since := "", began
		deadline := time.Now().Add(5 * time.Minute)
		for {
			_, moved := s.now()
			p := s.Progress()
			if p.Halted != nil || p.Rebuild != nil && p.Rebuild.Failed != nil || time.Now().After(deadline) {
				b.Fatalf("%+v %v", p, p.Halted)
			}
			if p.Rebuild != nil && p.Rebuild.Phase != phase {
				b.Logf("%s after %v", p.Rebuild.Phase, time.Since(since).Round(time.Millisecond))
				phase = p.Rebuild.Phase
			}
			if p.Schema != "" && p.Rebuild == nil && phase != "" {
				break
			}
			<-moved
		}
		rebuilt := time.Since(began)
		stop()
		copied, indexed := raw(b, s, w)
		b.ReportMetric(float64(events)/rebuilt.Seconds(), "events/s")
		b.ReportMetric(float64(events)/(copied+indexed).Seconds(), "raw-events/s")
		b.ReportMetric(100*(copied+indexed).Seconds()/rebuilt.Seconds(), "%of-raw")
		b.Logf("rebuilt in %v; raw: copied in %v, indexed in %v", rebuilt, copied, indexed)
	}
}

// raw writes what a rebuild does with as many connections, without anything else.
func raw(b *testing.B, s *Store, w *world) (copied, indexed time.Duration) {
	b.Helper()
	ctx := context.Background()
	changes := w.state.Changes(0, w.head)
	rows := slices.Collect(changes.All())
	slices.SortStableFunc(rows, func(a, b2 registry.Row) int { return rank[a.Table] - rank[b2.Table] })
	var parts [2][]load
	var all drained
	all.opened, all.effects = rows, effectsOf(changes)
	if err := all.packRows(); err != nil {
		b.Fatal(err)
	}
	all.packEffects()
	parts[0] = all.loads
	var records drained
	if err := s.packRecords(ctx, &records, 0, w.head); err != nil {
		b.Fatal(err)
	}
	parts[1] = records.loads
	var conns [2]*pgx.Conn
	for i := range conns {
		conn, err := s.connect(ctx)
		if err != nil {
			b.Fatal(err)
		}
		defer hangUp(conn)
		if _, err := conn.Exec(ctx, "set synchronous_commit = off; set maintenance_work_mem = '"+indexMemory+"'"); err != nil {
			b.Fatal(err)
		}
		conns[i] = conn
	}
	schema := fmt.Sprintf("raw_%d", time.Now().UnixNano())
	if _, err := conns[0].Exec(ctx, creation(schema)); err != nil {
		b.Fatal(err)
	}
	defer func() { _, _ = conns[0].Exec(ctx, "drop schema "+schema+" cascade") }()
	began := time.Now()
	var both errgroup.Group
	for i, conn := range conns {
		both.Go(func() error {
			return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return copyAll(ctx, tx, schema, parts[i]) })
		})
	}
	if err := both.Wait(); err != nil {
		b.Fatal(err)
	}
	copied = time.Since(began)
	began = time.Now()
	count := map[string]int{}
	for _, r := range rows {
		count[r.Table]++
	}
	steps := indexings(schema, count)
	var next atomic.Int64
	each := map[string]time.Duration{}
	var indexers errgroup.Group
	for _, conn := range conns {
		indexers.Go(func() error {
			for i := next.Add(1) - 1; i < int64(len(steps)); i = next.Add(1) - 1 {
				at := time.Now()
				if _, err := conn.Exec(ctx, steps[i].do); err != nil {
					return err
				}
				if took := time.Since(at); took > time.Second && steps[i].constraint != "" {
					w.mu.Lock()
					each[steps[i].constraint] = took
					w.mu.Unlock()
				}
			}
			return nil
		})
	}
	if err := indexers.Wait(); err != nil {
		b.Fatal(err)
	}
	b.Log(each)
	return copied, time.Since(began)
}

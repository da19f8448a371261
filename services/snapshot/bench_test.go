package snapshot_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/eventlog"
	"maillage/services/registry"
	"maillage/services/snapshot"
)

// heap is the bytes of the objects that the last collection found alive.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

func settled() uint64 {
	runtime.GC()
	debug.FreeOSMemory()
	return heap()
}

// national folds so many events: centres, each with a label, a third of which is repealed.
func national(b testing.TB, events int) *world {
	b.Helper()
	w := newWorld()
	minted := func(kind string, i int) string { return fmt.Sprintf("%s%09d", kind, i) }
	add := func(subject string, e proto.Message) {
		body, err := proto.Marshal(e)
		must(b, err)
		r := eventlog.Record{Position: uint64(len(w.records)) + 1, Subject: "registry." + subject, Body: body}
		_, err = w.state.Evolve(r)
		must(b, err)
		w.state.Settle(r.Position)
		w.records, w.ends = append(w.records, r), append(w.ends, r.Position)
	}
	for i := 0; len(w.records) < events; i++ {
		meta := &eventv1.Meta{
			Schema: 1, RecordTime: timestamppb.New(time.Unix(1_780_000_000+int64(i), 0)), CommitSize: 1, RequestId: minted("R", i),
			Actor: &eventv1.Actor{Account: "ACC0000001", Role: "preparer"},
			Basis: &eventv1.Basis{ActId: minted("A", i/1000), ActLine: uint32(i%1000 + 1), Evidence: eventv1.Evidence_EVIDENCE_ACT_READ, AsPrinted: []*eventv1.Printed{{Field: "Centre hospitalier", Value: "CHU de Saint-Étienne"}}},
		}
		centre, label := minted("C", i), minted("B", i)
		holder := &labellingv1.Holder{Holder: &labellingv1.Holder_Site{Site: &labellingv1.Site{SiteId: minted("S", i), CentreId: centre, NetworkId: minted("N", i%2000)}}}
		period := &eventv1.Period{Start: fmt.Sprint(2005 + i%20), End: fmt.Sprintf("%d-11-25", 2010+i%20)}
		add("topology.centre."+centre, &topologyv1.Event{Meta: meta, Fact: &topologyv1.Event_CentreRegistered{CentreRegistered: &topologyv1.CentreRegistered{CentreId: centre, Name: "Service de génétique médicale", EstablishmentIds: []string{minted("E", i%300)}, Place: &topologyv1.Place{City: "Saint-Étienne", DepartmentCode: "42"}}}})
		add("labelling.label."+label, &labellingv1.Event{Meta: meta, Fact: &labellingv1.Event_LabelGranted{LabelGranted: &labellingv1.LabelGranted{LabelId: label, Holder: holder, Role: labellingv1.Role(i%5 + 1), CycleId: minted("Y", 1), Period: period}}})
		if i%3 == 0 {
			add("labelling.label."+label, &labellingv1.Event{Meta: meta, Fact: &labellingv1.Event_LabelRepealed{LabelRepealed: &labellingv1.LabelRepealed{LabelId: label, RepealedFrom: "2024-05-01"}}})
		}
	}
	return w
}

// BenchmarkSets makes each kind of set of MAILLAGE_EVENTS events (20,000), and says how
// long that took, how large it is, how much more memory was in use at most than before,
// beside the state's own, and how long the state was held at most.
func BenchmarkSets(b *testing.B) {
	events, err := strconv.Atoi(os.Getenv("MAILLAGE_EVENTS"))
	if err != nil {
		events = 20_000
	}
	before := settled()
	w := national(b, events)
	own := settled() - before
	for _, r := range w.records {
		own -= uint64(len(r.Body)+len(r.Subject)) + 64
	}
	head := w.ends[len(w.ends)-1]
	for _, kind := range []struct {
		name string
		make func(*snapshot.Store) (*feedv1.Manifest, error)
	}{
		{"snapshot", func(s *snapshot.Store) (*feedv1.Manifest, error) { return patiently(b, s.Snapshot, head) }},
		{"delta", func(s *snapshot.Store) (*feedv1.Manifest, error) {
			return patiently(b, func(ctx context.Context, p uint64) (*feedv1.Manifest, error) { return s.Delta(ctx, head-head/100, p) }, head)
		}},
		{"opendata", func(s *snapshot.Store) (*feedv1.Manifest, error) {
			return patiently(b, func(ctx context.Context, p uint64) (*feedv1.Manifest, error) {
				return s.OpenData(ctx, p, "2016-01-01")
			}, head)
		}},
	} {
		b.Run(kind.name, func(b *testing.B) {
			var longest time.Duration
			src := w.source()
			view := src.View
			src.View = func(ctx context.Context, least uint64, f func(*registry.State, uint64)) error {
				return view(ctx, least, func(s *registry.State, head uint64) {
					began := time.Now()
					f(s, head)
					longest = max(longest, time.Since(began))
				})
			}
			for b.Loop() {
				w.digests = registry.Digests{}
				from := settled()
				most, done := make(chan uint64), make(chan struct{})
				go func() {
					peak, tick := from, time.NewTicker(5*time.Millisecond)
					defer tick.Stop()
					for {
						select {
						case <-tick.C:
							peak = max(peak, heap())
						case <-done:
							most <- peak
							return
						}
					}
				}()
				s := snapshot.New(src, b.TempDir())
				m, err := kind.make(s)
				must(b, err)
				close(done)
				size := uint64(0)
				for _, f := range m.GetFiles() {
					size += f.GetBytes()
				}
				b.ReportMetric(float64(size)/1e6, "MB")
				b.ReportMetric(float64(<-most-from)/1e6, "MB-more")
				b.ReportMetric(float64(own)/1e6, "MB-state")
				b.ReportMetric(float64(longest.Microseconds())/1e3, "ms-held")
				must(b, s.Close())
			}
		})
	}
}

// patiently asks until a set is made.
func patiently(b *testing.B, ask func(context.Context, uint64) (*feedv1.Manifest, error), position uint64) (*feedv1.Manifest, error) {
	for {
		m, err := ask(b.Context(), position)
		if !making(err) {
			return m, err
		}
	}
}

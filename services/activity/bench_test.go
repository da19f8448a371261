package activity

import (
	"fmt"
	"runtime"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/bitemporal"
)

const benchSites, benchYears = 20_000, 25 // with two units, a million measures

func measureRecord(tb testing.TB, i int) []byte {
	tb.Helper()
	file := i / 10_000
	e := &activityv1.Event{
		Meta: &eventv1.Meta{
			Schema: 1, RecordTime: &timestamppb.Timestamp{Seconds: 1795000000 + int64(file)}, CommitIndex: uint32(i % 10_000), CommitSize: 10_000,
			Actor:     &eventv1.Actor{Account: "A000000001", Role: "officer", Assurance: eventv1.Assurance_ASSURANCE_OIDC},
			RequestId: fmt.Sprintf("0195f3a0-0000-7000-8000-%012d", file), RequestDigest: make([]byte, 32),
			Basis: &eventv1.Basis{Source: fmt.Sprintf("BNDMR, extraction nationale %d", file), Evidence: eventv1.Evidence_EVIDENCE_STATED},
		},
		Fact: &activityv1.Event_MeasureRecorded{MeasureRecorded: &activityv1.MeasureRecorded{Measure: measure(
			fmt.Sprintf("S%09d", i/2%benchSites), uint32(2000+i/2/benchSites%benchYears), labellingv1.ThresholdUnit(i%2+1), uint32(i),
		)}},
	}
	body, err := proto.Marshal(e)
	if err != nil {
		tb.Fatal(err)
	}
	return body
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Decodes and folds a million measures: the time and the memory that each takes.
func BenchmarkMillionMeasures(b *testing.B) {
	const n = 2 * benchSites * benchYears
	bodies := make([][]byte, n)
	for i := range bodies {
		bodies[i] = measureRecord(b, i)
	}
	for b.Loop() {
		b.StopTimer()
		before, s := heap(), new(State)
		b.StartTimer()
		for i, body := range bodies {
			e := &activityv1.Event{}
			if err := proto.Unmarshal(body, e); err != nil {
				b.Fatal(err)
			}
			if err := s.Evolve(uint64(i+1), e); err != nil {
				b.Fatal(err)
			}
			if i%4096 == 0 {
				s.Settle(uint64(i))
			}
		}
		b.StopTimer()
		s.Settle(n)
		b.ReportMetric(float64(heap()-before)/n, "B/fact")
		b.ReportMetric(float64(len(bodies[0])), "B/event")
		runtime.KeepAlive(s)
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/fact")
}

func BenchmarkMeasureAt(b *testing.B) {
	s := new(State)
	for i := range 2 * benchSites * benchYears {
		e := &activityv1.Event{}
		if err := proto.Unmarshal(measureRecord(b, i), e); err != nil {
			b.Fatal(err)
		}
		if err := s.Evolve(uint64(i+1), e); err != nil {
			b.Fatal(err)
		}
	}
	names := make([]string, benchSites)
	for i := range names {
		names[i] = fmt.Sprintf("S%09d", i)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i = (i + 7919) % benchSites
		if _, ok := s.MeasureAt(names[i], 2012, patients, bitemporal.Latest); !ok {
			b.Fatal("not measured")
		}
	}
}

package feed

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	feedv1 "maillage/proto/gen/maillage/feed/v1"
	"maillage/services/eventlog"
	"maillage/services/ledger"
	"maillage/services/registry"
)

// BenchmarkReplay hands a log of commits of one event of 400 bytes to a reader from the
// beginning, encoded as the transport does.
func BenchmarkReplay(b *testing.B) {
	body := make([]byte, 400)
	var mu sync.RWMutex
	f := New(Source{
		Await: func(context.Context, uint64) (ledger.Head, error) {
			return ledger.Head{Epoch: 1, Size: uint64(b.N)}, nil
		},
		Records: func(_ context.Context, after, to uint64) iter.Seq2[eventlog.Record, error] {
			return func(yield func(eventlog.Record, error) bool) {
				for p := after + 1; p <= to; p++ {
					if !yield(eventlog.Record{Position: p, Subject: "registry.labelling.label." + strconv.FormatUint(p, 10), Body: body}, nil) {
						return
					}
				}
			}
		},
		Follow: func(ctx context.Context, _ eventlog.Cursor) iter.Seq2[eventlog.Record, error] {
			return func(func(eventlog.Record, error) bool) { <-ctx.Done() }
		},
		Get: func(_ context.Context, p uint64) (eventlog.Record, error) { return eventlog.Record{Position: p}, nil },
		CommitEnd: func(p uint64) uint64 {
			mu.RLock()
			defer mu.RUnlock()
			return p
		},
		KnownTime: func(uint64) time.Time {
			mu.RLock()
			defer mu.RUnlock()
			return time.Time{}
		},
		Epochs: func() []registry.Epoch {
			mu.RLock()
			defer mu.RUnlock()
			return nil
		},
		Now: time.Now,
	}, Limits{})
	done := errors.New("all came")
	b.ReportAllocs()
	err := f.Watch(b.Context(), &feedv1.WatchRequest{}, func(m *feedv1.WatchResponse) error {
		if m.GetHeartbeat() != nil {
			return done
		}
		_, err := proto.Marshal(m)
		return err
	})
	if !errors.Is(err, done) {
		b.Fatal(err)
	}
}

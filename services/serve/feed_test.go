package serve_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/fault"
	"maillage/services/serve"
	"maillage/services/submit"
)

// A reader sees what is recorded while it reads, goes on from its cursor, and is told
// when the process stops.
func TestFeed(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	ready, failed := make(chan serve.Addresses, 1), make(chan error, 1)
	running.Go(func() {
		failed <- serve.Run(ctx, serve.Config{Data: t.TempDir(), NATS: "off", GRPC: "127.0.0.1:0", HTTP: "off"}, func(a serve.Addresses) { ready <- a })
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	var at serve.Addresses
	select {
	case at = <-ready:
	case err := <-failed:
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(at.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	client := feedv1.NewFeedServiceClient(conn)

	watch := func(req *feedv1.WatchRequest) grpc.ServerStreamingClient[feedv1.WatchResponse] {
		t.Helper()
		stream, err := client.Watch(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		return stream
	}
	next := func(stream grpc.ServerStreamingClient[feedv1.WatchResponse]) *feedv1.WatchResponse {
		t.Helper()
		m, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	record := func(name string) uint64 {
		t.Helper()
		r, err := topologyv1.NewTopologyServiceClient(conn).RegisterFiliere(metadata.AppendToOutgoingContext(t.Context(), submit.IdentityKey, "officer"), &topologyv1.RegisterFiliereRequest{
			Basis: &eventv1.Basis{Source: "test"}, Acronym: name, Name: "Filière " + name,
		})
		if err != nil {
			t.Fatal(err)
		}
		return r.GetPosition()
	}

	stream := watch(&feedv1.WatchRequest{})
	first := next(stream)
	if got := first.GetCommits()[0].GetRecords()[0]; got.GetPosition() != 1 {
		t.Fatalf("the feed begins at %d", got.GetPosition())
	}
	for first.GetHeartbeat() == nil {
		first = next(stream)
	}
	caughtUp := first.GetHeartbeat()
	one := record("ONE")
	if c := next(stream).GetCommits(); len(c) != 1 || c[0].GetRecords()[0].GetPosition() != one || one != caughtUp.GetHead().GetSize()+1 {
		t.Errorf("what was recorded at %d after %d came as %v", one, caughtUp.GetHead().GetSize(), c)
	}
	two := record("TWO")
	again := watch(&feedv1.WatchRequest{From: &feedv1.WatchRequest_Cursor{Cursor: caughtUp.GetCursor()}})
	var got []uint64
	for len(got) < 2 {
		for _, c := range next(again).GetCommits() {
			for _, r := range c.GetRecords() {
				got = append(got, r.GetPosition())
			}
		}
	}
	if len(got) != 2 || got[0] != one || got[1] != two {
		t.Errorf("from the cursor of the heartbeat came %v, not %d and %d", got, one, two)
	}

	_, err = watch(&feedv1.WatchRequest{Filter: &feedv1.Filter{Contexts: []string{"weather"}}}).Recv()
	if f, ok := fault.FromStatus(err); !ok || f.Reason != "REQUEST_INVALID" || f.Field != "filter.contexts[0]" {
		t.Errorf("an unknown context: %v", err)
	}
	stopped := time.Now()
	cancel()
	for err = nil; err == nil; {
		_, err = again.Recv()
	}
	if f, ok := fault.FromStatus(err); !ok || f.Reason != "STOPPING" || status.Code(err) != codes.Unavailable {
		t.Errorf("when the process stops a reader is told %v", err)
	}
	running.Wait()
	if d := time.Since(stopped); d > 5*time.Second {
		t.Errorf("readers held the process up for %v", d)
	}
}

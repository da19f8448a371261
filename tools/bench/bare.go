package main

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
)

// barePeers starts what is asked of both, by one caller.
func (b *bench) barePeers(ctx context.Context) (peers []*contender, err error) {
	for _, p := range []struct{ name, mode string }{{barely, "serve-bare"}, {followed, "serve-following"}} {
		dir, err := b.below(p.mode)
		if err != nil {
			return nil, err
		}
		server, err := startCalls(ctx, p.name, p.mode, dir)
		if err != nil {
			return nil, err
		}
		b.closes = append(b.closes, server.Close)
		peers = append(peers, &contender{p.name, server.call, []int{1}, map[int]series{}})
	}
	return peers, nil
}

// serveBare is the body of a child process that does what any register with two stores must
// for a command, and nothing else: it takes the call, publishes to the broker that it embeds,
// appends to a file, flushes that and answers. It decides nothing, encodes nothing and hashes
// nothing. What it needs above the sum of the three is what they cost each other.
func serveBare(addr, dir string) error { return serveBarely(addr, dir, false) }

// serveFollowing is the same beside a consumer that is given every record, as the fold of a
// register that is more than one process must be.
func serveFollowing(addr, dir string) error { return serveBarely(addr, dir, true) }

func serveBarely(addr, dir string, follows bool) error {
	at, err := freeAddr()
	if err != nil {
		return err
	}
	ended := make(chan error, 2)
	go func() { ended <- serveJetStream(at, filepath.Join(dir, "nats")) }()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	b := &broker{url: "nats://" + at}
	for b.answers(ctx) != nil {
		select {
		case err := <-ended:
			return err
		case <-ctx.Done():
			return errors.New("the broker does not answer")
		case <-time.After(10 * time.Millisecond):
		}
	}
	if err := b.open(ctx, 1); err != nil {
		return err
	}
	if follows {
		c, err := b.conns[0].OrderedConsumer(ctx, "REGISTRY", jetstream.OrderedConsumerConfig{})
		if err != nil {
			return err
		}
		if _, err := c.Consume(func(jetstream.Msg) {}); err != nil {
			return err
		}
	}
	d, err := openDisk(dir)
	if err != nil {
		return err
	}
	go func() { ended <- serveCalls(addr, &bare{broker: b, disk: d}) }()
	return <-ended
}

// bare answers an empty call once its payload is in both stores, one after the other.
type bare struct {
	healthv1.UnimplementedHealthServer
	broker *broker
	disk   *disk

	mu sync.Mutex
	n  int
}

// Check implements healthv1.HealthServer.
func (s *bare) Check(ctx context.Context, _ *healthv1.HealthCheckRequest) (*healthv1.HealthCheckResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	if err := s.broker.publish(ctx, 0, s.n); err != nil {
		return nil, err
	}
	return &healthv1.HealthCheckResponse{Status: healthv1.HealthCheckResponse_SERVING}, s.disk.flush(ctx, 0, 0)
}

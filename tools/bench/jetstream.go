package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// serveJetStream is the body of the child process: a NATS server that flushes on
// every write, as the register's own.
func serveJetStream(addr, dir string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	s, err := server.NewServer(&server.Options{
		Host: host, Port: n, JetStream: true, StoreDir: dir, SyncAlways: true, NoSigs: true,
		JetStreamLimits: server.JSLimitOpts{MaxBatchSize: 10001},
	})
	if err != nil {
		return err
	}
	s.Start()
	defer func() { s.Shutdown(); s.WaitForShutdown() }()
	select {}
}

// broker is a raw JetStream with one stream, set as the register sets its own.
type broker struct {
	*child
	url   string
	conns []jetstream.JetStream
	nc    []*nats.Conn
}

func startBroker(ctx context.Context, dir string) (*broker, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c, err := start("the JetStream server", self, []string{"serve-jetstream", addr, dir}, nil)
	if err != nil {
		return nil, err
	}
	b := &broker{child: c, url: "nats://" + addr}
	if err := c.ready(ctx, 20*time.Second, b.answers); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// answers returns nil once streams can be made.
func (b *broker) answers(ctx context.Context) error {
	nc, err := nats.Connect(b.url, nats.Timeout(time.Second))
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	_, err = js.AccountInfo(ctx)
	return err
}

// open creates the stream and the connections of the publishers.
func (b *broker) open(ctx context.Context, connections int) error {
	for range connections {
		nc, err := nats.Connect(b.url)
		if err != nil {
			return err
		}
		js, err := jetstream.New(nc)
		if err != nil {
			return err
		}
		b.nc, b.conns = append(b.nc, nc), append(b.conns, js)
	}
	_, err := b.conns[0].CreateStream(ctx, jetstream.StreamConfig{
		Name: "REGISTRY", Subjects: []string{"registry.>"}, Storage: jetstream.FileStorage, Replicas: 1,
		Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardNew, MaxMsgSize: 80 << 10,
		DenyDelete: true, DenyPurge: true, AllowDirect: true, AllowAtomicPublish: true,
	})
	return err
}

// publish stores one message and waits for its acknowledgement.
func (b *broker) publish(ctx context.Context, caller, n int) error {
	_, err := b.publishAt(ctx, caller, n)
	return err
}

func (b *broker) publishAt(ctx context.Context, caller, n int) (position uint64, err error) {
	ack, err := b.conns[caller%len(b.conns)].Publish(ctx, subject(caller, n), payload)
	if err != nil {
		return 0, err
	}
	if ack.Sequence == 0 {
		return 0, fmt.Errorf("no sequence in %+v", ack)
	}
	return ack.Sequence, nil
}

func (b *broker) Close() {
	for _, nc := range b.nc {
		nc.Close()
	}
	b.stop(syscall.SIGTERM)
}

// consumer is the body of the child process that takes so many messages of a stream and does
// nothing with them. It prints the seconds that took.
func consumer(addr, key, messages string) error {
	want, err := strconv.Atoi(messages)
	if err != nil {
		return err
	}
	ctx := context.Background()
	proof, err := nats.NkeyOptionFromSeed(key)
	if err != nil {
		return err
	}
	nc, err := nats.Connect("nats://"+addr, proof)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	c, err := js.OrderedConsumer(ctx, "REGISTRY", jetstream.OrderedConsumerConfig{})
	if err != nil {
		return err
	}
	start := time.Now()
	all, err := c.Messages(jetstream.PullMaxMessages(5000))
	if err != nil {
		return err
	}
	defer all.Stop()
	for range want {
		if _, err := all.Next(); err != nil {
			return err
		}
	}
	_, err = fmt.Println(time.Since(start).Seconds())
	return err
}

// consume measures that in a process of its own.
func consume(ctx context.Context, addr, data string, messages int) (took float64, err error) {
	return timed(ctx, "consume", addr, filepath.Join(data, "nats", "service.nk"), strconv.Itoa(messages))
}

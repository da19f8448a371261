package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"

	"maillage/proto/follow"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
)

// What the part feed promises, and what it measures.
const (
	goalReplay   = 0.5 // of a raw consumer
	goalDelivery = 100 * time.Millisecond

	watchers         = 1000
	watchConnections = 20
	feedRate         = 200 // events a second
)

// feed measures the feed of a running register: to one follower from the beginning, and to
// many that have caught up.
func (b *bench) feed(ctx context.Context) error {
	dir, err := b.below("feed")
	if err != nil {
		return err
	}
	if err := grow(ctx, dir, b.events); err != nil {
		return err
	}
	var addrs [3]string
	for i := range addrs {
		if addrs[i], err = freeAddr(); err != nil {
			return err
		}
	}
	r, err := startRegister(ctx, b.binary, addrs[0], 8, "up", "--data", dir, "--grpc", addrs[0], "--http", addrs[1], "--nats", addrs[2])
	if err != nil {
		return err
	}
	defer r.Close()
	fmt.Fprintf(b.out, "\nthe feed: %d events; load average %s\n", b.events, loadAverage())
	if err := b.followed(ctx, addrs[0], addrs[2], dir); err != nil {
		return fmt.Errorf("replay to a follower: %w", err)
	}
	return b.watched(ctx, r, addrs[0])
}

// followed measures one follower that computes the tree of all that it is handed, beside a
// raw consumer of the same stream, each in a process of its own, in turns.
func (b *bench) followed(ctx context.Context, addr, broker, data string) error {
	var ours, theirs, share []float64
	for range min(b.repeat, 3) {
		took, err := timed(ctx, "follow", addr, strconv.Itoa(b.events))
		if err != nil {
			return err
		}
		consuming, err := consume(ctx, broker, data, b.events)
		if err != nil {
			return err
		}
		ours, theirs, share = append(ours, float64(b.events)/took), append(theirs, float64(b.events)/consuming), append(share, consuming/took)
	}
	fmt.Fprintf(b.out, "  replay to one follower, proved  %s events a second; load average %s\n", flat(spreadOf(ours).rates()), loadAverage())
	fmt.Fprintf(b.out, "  raw JetStream consumer          %s\n", flat(spreadOf(theirs).rates()))
	s := spreadOf(share)
	fmt.Fprintf(b.out, "  %.2f × the raw consumer [%.2f..%.2f], goal ≥ %.1f: %s\n", s.median, s.low, s.high, goalReplay, verdict(s.median >= goalReplay))
	return nil
}

// follower is the body of the child process that follows a register from the beginning to a
// position. It prints the seconds that took.
func follower(addr, position string) error {
	want, err := strconv.ParseUint(position, 10, 64)
	if err != nil {
		return err
	}
	conn, err := dial(addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	done := errors.New("done")
	f := follow.Follower{Client: feedv1.NewFeedServiceClient(conn)}
	start := time.Now()
	err = f.Run(as(context.Background()), follow.Place{}, func(_ context.Context, b follow.Batch) error {
		if b.After.Position >= want {
			return done
		}
		return nil
	})
	if !errors.Is(err, done) {
		return err
	}
	_, err = fmt.Println(time.Since(start).Seconds())
	return err
}

// watched measures how long after its acknowledgement an event is delivered to each of many
// watchers, one of which takes nothing; beside the same bytes sent to as many by a gRPC
// server that does nothing else, and beside as many raw subscribers, in turns.
func (b *bench) watched(ctx context.Context, r *register, addr string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	plain, err := freeAddr()
	if err != nil {
		return err
	}
	server, err := start("the plain streams", self, []string{"serve-streams", plain, strconv.Itoa(feedRate)}, nil)
	if err != nil {
		return err
	}
	defer server.stop(os.Kill)
	dir, err := b.below("subscribed")
	if err != nil {
		return err
	}
	js, err := startBroker(ctx, dir)
	if err != nil {
		return err
	}
	defer js.Close()
	if err := js.open(ctx, b.connection); err != nil {
		return err
	}
	publish := func(ctx context.Context, n int) (uint64, error) { return js.publishAt(ctx, n, n) }
	before := resident(r.child)
	var during int
	names := []string{"the feed", "a plain gRPC stream", "raw JetStream subscribers"}
	p50s, p99s := map[string][]float64{}, map[string][]float64{}
	for range min(b.repeat, 3) {
		for i, c := range []struct {
			args    []string
			command func(context.Context, int) (uint64, error)
		}{{[]string{"watch", addr}, r.centreAt}, {[]string{"streams", plain}, r.centreAt}, {[]string{"subscribe", js.url}, publish}} {
			delays, err := delivered(ctx, self, 2*b.each+2*time.Second, c.command, func() { during = max(during, resident(r.child)) }, c.args...)
			if err != nil {
				return fmt.Errorf("%s: %w", names[i], err)
			}
			p50s[names[i]] = append(p50s[names[i]], percentile(delays, 0.5).Seconds())
			p99s[names[i]] = append(p99s[names[i]], percentile(delays, 0.99).Seconds())
		}
	}
	fmt.Fprintf(b.out, "  %d watchers over %d connections, one stalled, %d events a second: from acknowledgement to delivery; load average %s\n", watchers, watchConnections, feedRate, loadAverage())
	for i, name := range names {
		p99 := spreadOf(p99s[name])
		fmt.Fprintf(b.out, "  %-31s p50 %s p99 %s", name, flat(spreadOf(p50s[name]).times()), flat(p99.times()))
		if i == 0 {
			fmt.Fprintf(b.out, ", goal p99 < %s: %s; the process holds %d MiB, %d before", short(goalDelivery.Seconds()), verdict(p99.median < goalDelivery.Seconds()), during, before)
		}
		fmt.Fprintln(b.out)
	}
	return nil
}

// resident is the memory that a process holds, in MiB.
func resident(c *child) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kib, _ := strconv.Atoi(fields[0])
	return kib >> 10
}

// delivered has a child receive what commands record for a time, and returns the delays of
// all deliveries, sorted. It calls look while all still watch.
func delivered(ctx context.Context, self string, d time.Duration, command func(context.Context, int) (uint64, error), look func(), args ...string) ([]time.Duration, error) {
	c := exec.CommandContext(ctx, self, args...)
	var said tail
	c.Stderr = &said
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	in, err := c.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewReader(out)
	if _, err := lines.ReadString('\n'); err != nil { // all watch
		return nil, fmt.Errorf("%w\n%s", errors.Join(err, c.Wait()), &said)
	}
	all, _, err := steadily(ctx, feedRate, d, command, func(context.Context, func() uint64) error { return nil })
	look()
	time.Sleep(goalDelivery)
	_ = in.Close()
	report, readErr := io.ReadAll(lines)
	if err := errors.Join(err, readErr, c.Wait()); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, &said)
	}
	return delaysOf(all, report, args[0] == "streams")
}

// delaysOf compares when positions were acknowledged with when they were delivered. What a
// plain stream sends says itself when that was, in place of a position.
func delaysOf(all []acknowledgement, report []byte, dated bool) (delays []time.Duration, err error) {
	at := map[uint64]int64{}
	for _, a := range all {
		at[a.position] = a.at.UnixNano()
	}
	for ; len(report) >= 16; report = report[16:] {
		what, when := binary.LittleEndian.Uint64(report), int64(binary.LittleEndian.Uint64(report[8:]))
		sent, is := at[what]
		if dated {
			sent, is = int64(what), true
		}
		if is {
			delays = append(delays, time.Duration(max(0, when-sent)))
		}
	}
	if len(delays) == 0 {
		return nil, errors.New("nothing was delivered")
	}
	slices.Sort(delays)
	return delays, nil
}

// receipts is what one watcher received, 16 bytes for each event: its position, and when.
type receipts struct{ b []byte }

func (r *receipts) add(what uint64, now int64) {
	r.b = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(r.b, what), uint64(now))
}

// receive is the body of the child processes that watch. Each watcher calls ready once it has
// caught up. What all received is printed once nobody writes to standard input any longer.
func receive(watch func(n int, got *receipts, ready func()) error) error {
	var all [watchers]receipts
	var waiting sync.WaitGroup
	waiting.Add(watchers)
	failed := make(chan error, watchers)
	for n := range watchers {
		go func() {
			if err := watch(n, &all[n], sync.OnceFunc(waiting.Done)); err != nil {
				failed <- err
			}
		}()
	}
	ready, ended := make(chan struct{}), make(chan struct{})
	go func() { waiting.Wait(); close(ready) }()
	select {
	case <-ready:
	case err := <-failed:
		return err
	}
	fmt.Println("ready")
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); close(ended) }()
	select {
	case <-ended:
	case err := <-failed:
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	for n := range all {
		if _, err := out.Write(all[n].b); err != nil {
			return err
		}
	}
	return out.Flush()
}

// asItIs leaves messages the bytes they are: a client that decodes nothing.
type asItIs struct{}

func (asItIs) Name() string { return "proto" }

func (asItIs) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}

func (asItIs) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.MaterializeToBuffer(mem.DefaultBufferPool()).ReadOnlyData()
	return nil
}

var _ encoding.CodecV2 = asItIs{}

// streams is the body of the child that watches over gRPC: the feed, or plain streams. The
// first watcher takes one message and no other.
func streams(addr, method string, note func(m []byte, got *receipts, now int64) (ready bool)) error {
	var conns [watchConnections]*grpc.ClientConn
	for i := range conns {
		var err error
		if conns[i], err = dial(addr); err != nil {
			return err
		}
	}
	request := []byte{0x18, byte(feedv1.Start_START_NOW)}
	return receive(func(n int, got *receipts, ready func()) error {
		ctx := as(context.Background())
		stream, err := conns[n%len(conns)].NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, method, grpc.ForceCodecV2(asItIs{}), grpc.WaitForReady(true))
		if err != nil {
			return err
		}
		if err := errors.Join(stream.SendMsg(&request), stream.CloseSend()); err != nil {
			return err
		}
		for {
			var m []byte
			if err := stream.RecvMsg(&m); err != nil {
				return err
			}
			if note(m, got, time.Now().UnixNano()) {
				ready()
				if n == 0 {
					select {}
				}
			}
		}
	})
}

// watchFeed notes the position of each commit's last record; the first heartbeat says that a
// watcher has caught up.
func watchFeed(addr string) error {
	return streams(addr, feedv1.FeedService_Watch_FullMethodName, func(m []byte, got *receipts, now int64) (ready bool) {
		fields(m, func(number protowire.Number, commit []byte) {
			ready = ready || number == 2
			var last uint64
			if number == 1 {
				fields(commit, func(number protowire.Number, record []byte) {
					if _, kind, n := protowire.ConsumeTag(record); number == 1 && n > 0 && kind == protowire.VarintType {
						last, _ = protowire.ConsumeVarint(record[n:])
					}
				})
				got.add(last, now)
			}
		})
		return ready
	})
}

// fields calls f for each field of a message that has a length.
func fields(m []byte, f func(protowire.Number, []byte)) {
	for len(m) > 0 {
		number, kind, n := protowire.ConsumeTag(m)
		if n < 0 {
			return
		}
		if kind == protowire.BytesType {
			value, _ := protowire.ConsumeBytes(m[n:])
			f(number, value)
		}
		size := protowire.ConsumeFieldValue(number, kind, m[n:])
		if size < 0 {
			return
		}
		m = m[n+size:]
	}
}

const plainStream = "/bench.Plain/Watch"

// watchPlain notes what each message says of when it was sent.
func watchPlain(addr string) error {
	return streams(addr, plainStream, func(m []byte, got *receipts, now int64) bool {
		if sent := binary.LittleEndian.Uint64(m); sent != 0 {
			got.add(sent, now)
			return false
		}
		return true
	})
}

// commitBytes is about what a commit of one centre takes in the feed.
const commitBytes = 600

// serveStreams is the body of the child process that sends as many bytes to all who ask, so
// many times a second.
func serveStreams(addr, rate string) error {
	perSecond, err := strconv.Atoi(rate)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", addr) //nolint:noctx // lives as long as the process
	if err != nil {
		return err
	}
	type tick struct {
		m    []byte
		next chan struct{}
	}
	var now atomic.Pointer[tick]
	now.Store(&tick{next: make(chan struct{})})
	go func() {
		for range time.Tick(time.Second / time.Duration(perSecond)) {
			m := make([]byte, commitBytes)
			binary.LittleEndian.PutUint64(m, uint64(time.Now().UnixNano()))
			before := now.Swap(&tick{m, make(chan struct{})})
			close(before.next)
		}
	}()
	s := grpc.NewServer(grpc.ForceServerCodecV2(asItIs{}))
	s.RegisterService(&grpc.ServiceDesc{ServiceName: "bench.Plain", HandlerType: (*any)(nil), Streams: []grpc.StreamDesc{{
		StreamName: "Watch", ServerStreams: true,
		Handler: func(_ any, stream grpc.ServerStream) error {
			var request []byte
			if err := stream.RecvMsg(&request); err != nil {
				return err
			}
			caughtUp := make([]byte, 8)
			if err := stream.SendMsg(&caughtUp); err != nil {
				return err
			}
			for at := now.Load(); ; {
				select {
				case <-at.next:
				case <-stream.Context().Done():
					return stream.Context().Err()
				}
				at = now.Load()
				if err := stream.SendMsg(&at.m); err != nil {
					return err
				}
			}
		},
	}}}, struct{}{})
	return s.Serve(l)
}

// subscribe is the body of the child whose watchers are consumers of the stream itself. The
// first takes nothing.
func subscribe(addr string) error {
	var conns [watchConnections]nats.JetStreamContext
	for i := range conns {
		nc, err := nats.Connect(addr)
		if err != nil {
			return err
		}
		if conns[i], err = nc.JetStream(nats.MaxWait(30 * time.Second)); err != nil {
			return err
		}
	}
	return receive(func(n int, got *receipts, ready func()) error {
		s, err := conns[n%len(conns)].SubscribeSync("registry.>", nats.OrderedConsumer(), nats.DeliverNew())
		if err != nil {
			return err
		}
		ready()
		if n == 0 {
			select {}
		}
		for {
			m, err := s.NextMsgWithContext(context.Background())
			if err != nil {
				return err
			}
			now := time.Now().UnixNano()
			of, err := m.Metadata()
			if err != nil {
				return err
			}
			got.add(of.Sequence.Stream, now)
		}
	})
}

package jetstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"maillage/services/eventlog"
	"maillage/services/eventlog/eventlogtest"
)

// broker is a server that can be stopped, damaged and started at the same address.
type broker struct {
	t    *testing.T
	dir  string
	addr string
	s    *Server
}

func newBroker(t *testing.T) *broker {
	b := &broker{t: t, dir: filepath.Join(t.TempDir(), "deep", "store"), addr: "127.0.0.1:0"}
	b.start()
	b.addr = strings.TrimPrefix(b.s.URL(), "nats://")
	t.Cleanup(func() { b.s.Shutdown() })
	return b
}

func (b *broker) start() {
	b.t.Helper()
	s, err := StartServer(b.t.Context(), Options{Dir: b.dir, Addr: b.addr, Anyone: true})
	if err != nil {
		b.t.Fatal(err)
	}
	b.s = s
}

// restart stops the server, does something to its store and starts it again.
func (b *broker) restart(meanwhile func()) {
	b.t.Helper()
	b.s.Shutdown()
	meanwhile()
	b.start()
}

func (b *broker) copy(from, to string) {
	b.t.Helper()
	if err := os.RemoveAll(to); err != nil {
		b.t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *broker) connect(o ConnectOptions) *Log {
	b.t.Helper()
	l, err := Connect(b.t.Context(), b.s.URL(), o)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(l.Close)
	return l
}

func TestConformance(t *testing.T) {
	eventlogtest.Run(t, func(t *testing.T) eventlogtest.Harness {
		b := newBroker(t)
		w := newWire()
		mark := filepath.Join(t.TempDir(), "mark")
		return eventlogtest.Harness{
			Log:        b.connect(ConnectOptions{Dial: w.dial}),
			Open:       func(*testing.T) eventlog.Log { return b.connect(ConnectOptions{}) },
			LoseWrite:  w.loseWrite,
			LoseAnswer: w.loseAnswer,
			Break:      w.breakAfter,
			Disconnect: w.disconnect,
			Mark:       func() { b.restart(func() { b.copy(b.dir, mark) }) },
			Rollback:   func() { b.restart(func() { b.copy(mark, b.dir) }) },
		}
	})
}

func (b *broker) fill(l *Log, n int) []eventlog.Record {
	b.t.Helper()
	head, _, err := l.Head(b.t.Context())
	if err == nil {
		err = l.Append(b.t.Context(), head, eventlogtest.Records(fmt.Sprintf("f%d-", head), n))
	}
	var out []eventlog.Record
	for r, rerr := range l.Read(b.t.Context(), head) {
		err = errors.Join(err, rerr)
		out = append(out, r)
	}
	if err != nil || len(out) != n {
		b.t.Fatalf("%d of %d records filled: %v", len(out), n, err)
	}
	return out
}

// flip flips one bit of the store's block files, at an offset from where a pattern
// stands last.
func flip(t *testing.T, dir string, pattern []byte, offset int) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", streamName, "msgs", "*.blk"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if i := bytes.LastIndex(b, pattern); i >= 0 {
			b[i+offset] ^= 0x10
			if err := os.WriteFile(f, b, 0o600); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("%q is in no block of %d", pattern, len(files))
}

// TestDamage flips a bit of a stored record while the broker is stopped. The broker
// starts, claims all records and says nothing: the readers must.
func TestDamage(t *testing.T) {
	for _, c := range []struct {
		name     string
		position uint64
	}{{"first", 1}, {"middle", 25}, {"last", 50}} {
		t.Run(c.name, func(t *testing.T) {
			b := newBroker(t)
			l := b.connect(ConnectOptions{})
			all := b.fill(l, 50)
			body := all[c.position-1].Body
			b.restart(func() { flip(t, b.dir, body, 1) })
			l = b.connect(ConnectOptions{})
			read := l.Read(t.Context(), 0)
			if c.position > 1 { // started beside the hole, too
				read = l.Read(t.Context(), c.position-1)
			}
			for r, err := range read {
				var hole *eventlog.HoleError
				if errors.As(err, &hole) && hole.Position == c.position {
					break
				}
				t.Fatalf("position %d (%v), want a hole at %d", r.Position, err, c.position)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			from := eventlog.Cursor{Position: c.position, Leaf: eventlog.LeafHash(all[c.position-1])}
			for r, err := range l.Follow(ctx, from) {
				var fork *eventlog.ForkError
				if errors.As(err, &fork) && fork.Position == c.position {
					break
				}
				t.Fatalf("follower yields position %d (%v), want a fork at %d", r.Position, err, c.position)
			}
			for _, err := range l.Follow(ctx, eventlog.Cursor{}) {
				if err == nil {
					continue
				}
				var hole *eventlog.HoleError
				if !errors.As(err, &hole) || hole.Position != c.position {
					t.Fatalf("follower from the start ends with %v, want a hole at %d", err, c.position)
				}
				break
			}
		})
	}
}

// TestEndlessStart flips a bit of a sequence field: the broker then fills a gap of
// 2^k numbers in memory. It cannot be stopped, so it runs in a process of its own.
func TestEndlessStart(t *testing.T) {
	if dir := os.Getenv("MAILLAGE_DAMAGED_DIR"); dir != "" {
		_, err := StartServer(context.Background(), Options{Dir: dir, Ready: 20 * time.Second, Memory: 200 << 20})
		fmt.Println(err)
		if errors.Is(err, ErrDamaged) {
			os.Exit(3)
		}
		os.Exit(0)
	}
	b := newBroker(t)
	all := b.fill(b.connect(ConnectOptions{}), 50)
	b.s.Shutdown()
	// A record is length 4, sequence 8, time 8, subject length 2, subject, ...
	flip(t, b.dir, []byte(all[24].Subject), -18+5)
	cmd := exec.Command(os.Args[0], "-test.run=^TestEndlessStart$")
	cmd.Env = append(os.Environ(), "MAILLAGE_DAMAGED_DIR="+b.dir, "GOMEMLIMIT=1GiB")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 3 || !bytes.Contains(out, []byte("restore --stream")) {
		t.Fatalf("%v\n%s", err, out)
	}
	b.s, err = StartServer(t.Context(), Options{Dir: t.TempDir()}) // for the clean-up
	if err != nil {
		t.Fatal(err)
	}
}

func TestSettings(t *testing.T) {
	if err := checkSettings(streamConfig(3), streamConfig(1)); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*jetstream.StreamConfig){
		"max_age":     func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour },
		"discard":     func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardOld },
		"deny_purge":  func(c *jetstream.StreamConfig) { c.DenyPurge = false },
		"deny_delete": func(c *jetstream.StreamConfig) { c.DenyDelete = false },
		"subjects":    func(c *jetstream.StreamConfig) { c.Subjects = []string{"registry.a.*.*"} },
		"storage":     func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBroker(t) // its own: a stream deleted a moment ago cannot always be made again
			nc, err := nats.Connect(b.s.URL())
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			js, err := jetstream.New(nc)
			if err != nil {
				t.Fatal(err)
			}
			c := streamConfig(1)
			change(&c)
			if _, err := js.CreateStream(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			if _, err := Connect(t.Context(), b.s.URL(), ConnectOptions{}); !errors.Is(err, ErrSettings) || !strings.Contains(err.Error(), name) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestHeads(t *testing.T) {
	b := newBroker(t)
	ledger, other := b.connect(ConnectOptions{}), b.connect(ConnectOptions{})
	if _, err := other.LastHead(t.Context()); !errors.Is(err, eventlog.ErrUnavailable) {
		t.Fatalf("nobody announces: %v", err)
	}
	if err := ledger.AnnounceHead([]byte("one")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var got []string
	err := other.Heads(ctx, func(h []byte) {
		got = append(got, string(h))
		switch string(h) {
		case "one":
			if err := ledger.AnnounceHead([]byte("two")); err != nil {
				t.Error(err)
			}
		case "two":
			cancel()
		}
	})
	// A head may come twice: as the last one and as announced.
	if !errors.Is(err, context.Canceled) || got[0] != "one" || !slices.Contains(got, "two") {
		t.Fatalf("%v: %v", got, err)
	}
	if h, err := other.LastHead(t.Context()); err != nil || string(h) != "two" {
		t.Fatalf("last head %q: %v", h, err)
	}
}

// TestTurns: every process that listens hears of turns in one order, who tells too.
func TestTurns(t *testing.T) {
	b := newBroker(t)
	teller := b.connect(ConnectOptions{})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	heard := make(chan string, 1024)
	var ended sync.WaitGroup
	for _, l := range []*Log{teller, b.connect(ConnectOptions{})} {
		listening := make(chan struct{})
		var once sync.Once
		ended.Go(func() {
			if err := l.Turns(ctx, func(m []byte) {
				once.Do(func() { close(listening) })
				if string(m) != "hello" {
					heard <- string(m)
				}
			}); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		for silent := true; silent; {
			if err := teller.TellTurn([]byte("hello")); err != nil {
				t.Fatal(err)
			}
			select {
			case <-listening:
				silent = false
			case <-time.After(time.Millisecond):
			}
		}
	}
	for _, m := range []string{"ask a 0", "pass a 7"} {
		if err := teller.TellTurn([]byte(m)); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			select {
			case got := <-heard:
				if got != m {
					t.Errorf("heard %q, want %q", got, m)
				}
			case <-ctx.Done():
				t.Fatalf("%q is not heard by both", m)
			}
		}
	}
	cancel()
	ended.Wait()
}

func TestUnavailable(t *testing.T) {
	b := newBroker(t)
	l := b.connect(ConnectOptions{})
	lost := l.write.StatusChanged(nats.RECONNECTING)
	b.s.Shutdown()
	<-lost
	if err := l.Append(t.Context(), 0, eventlogtest.Records("a", 2)); !errors.Is(err, eventlog.ErrUnavailable) {
		t.Fatalf("%v, want ErrUnavailable", err)
	}
	if _, err := Connect(t.Context(), b.s.URL(), ConnectOptions{}); err == nil {
		t.Fatal("connected to nothing")
	}
	b.start()
}

func TestOneServerPerDirectory(t *testing.T) {
	b := newBroker(t)
	if s, err := StartServer(t.Context(), Options{Dir: b.dir}); err == nil {
		s.Shutdown()
		t.Fatal("two servers in one directory")
	}
}

// TestNothingLeaks ends readers in every way and looks for what they leave behind.
func TestNothingLeaks(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	s, err := StartServer(t.Context(), Options{Dir: filepath.Join(t.TempDir(), "store")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown()
	l, err := s.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	told, err := l.write.SubscribeSync("$JS.EVENT.ADVISORY.CONSUMER.*." + streamName + ".>")
	if err != nil {
		t.Fatal(err)
	}
	within, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	b := &broker{t: t, s: s}
	b.fill(l, 20)
	for n := range 20 {
		for r, err := range l.Read(t.Context(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			if r.Position > uint64(n) {
				break
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		for r, err := range l.Follow(ctx, eventlog.Cursor{}) {
			if r.Position == 20 {
				cancel()
			}
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}
		cancel()
	}
	// The broker tells of each consumer it makes and forgets.
	made, forgotten := 0, 0
	for made < 1+20+20 || forgotten < made {
		m, err := told.NextMsgWithContext(within)
		if err != nil {
			t.Fatalf("%d consumers were made and %d forgotten: %v", made, forgotten, err)
		}
		if strings.Contains(m.Subject, ".CREATED.") {
			made++
		} else {
			forgotten++
		}
	}
}

func TestTraceContext(t *testing.T) {
	otel.SetTextMapPropagator(propagation.TraceContext{})
	b := newBroker(t)
	l := b.connect(ConnectOptions{})
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1, 2}, SpanID: trace.SpanID{3}})
	ctx := trace.ContextWithSpanContext(t.Context(), span)
	if err := l.Append(ctx, 0, eventlogtest.Records("a", 3)); err != nil {
		t.Fatal(err)
	}
	for r, err := range l.Read(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Header) != 1 || !strings.Contains(fmt.Sprint(r.Header["traceparent"]), span.TraceID().String()) {
			t.Errorf("position %d: %v", r.Position, r.Header)
		}
	}
}

func TestParseReply(t *testing.T) {
	for _, c := range []struct {
		reply             string
		sequence, pending uint64
		ok                bool
	}{
		{"$JS.ACK.REGISTRY.c.1.17.3.1700000000.5", 17, 5, true},
		{"$JS.ACK.dom.hash.REGISTRY.c.1.17.3.1700000000.5", 17, 5, true},
		{"$JS.ACK.dom.hash.REGISTRY.c.1.17.3.1700000000.5.rnd", 17, 5, true},
		{"$JS.ACK.REGISTRY.c.1.x.3.1700000000.5", 0, 0, false},
		{"", 0, 0, false},
	} {
		sequence, pending, ok := parseReply(c.reply)
		if sequence != c.sequence || pending != c.pending || ok != c.ok {
			t.Errorf("%q: %d %d %v", c.reply, sequence, pending, ok)
		}
	}
}

func TestWanted(t *testing.T) {
	long := time.Hour
	for _, c := range []struct {
		name                       string
		end, known, position, sent uint64
		outstanding                int
		foreign, asked             time.Duration // ago
		want                       int
		pauses                     bool
	}{
		{name: "a read to an end", end: 9, position: 3, sent: 9, want: pullMessages},
		{name: "what is known to stand", known: 10, position: 3, sent: 10, outstanding: 2, want: 5},
		{name: "all there is of a long log", known: 1e6, position: 3, want: pullMessages},
		{name: "nothing was appended here", position: 3, foreign: long, asked: long, want: fewMessages},
		{name: "another appended just now", position: 3, sent: 9, foreign: -long, asked: long, want: fewMessages},
		{name: "its own have all come", position: 9, sent: 9, foreign: long, asked: -long, want: 1},
		{name: "one is waited for", position: 3, sent: 9, outstanding: 1, foreign: long, asked: long, want: 1},
		{name: "its own stand, asked just now", position: 3, sent: 9, foreign: long, asked: -long, pauses: true},
		{name: "its own stand, asked long ago", position: 3, sent: 9, foreign: long, asked: long, want: 6},
	} {
		l := &Log{}
		l.sent.Store(c.sent)
		now := time.Now()
		follower := &tail{l: l, end: c.end, known: c.known, position: c.position, foreign: now.Add(-c.foreign)}
		n, pause := follower.wanted(&consumer{outstanding: c.outstanding, asked: now.Add(-c.asked)})
		if n != c.want || (pause > 0) != c.pauses {
			t.Errorf("%s: %d after %v, want %d", c.name, n, pause, c.want)
		}
	}
}

// TestFollowerAsksForItsOwnTogether: what the process appends itself comes whole and in
// order, in one request for all that stands meanwhile, and what another appends comes among
// it.
func TestFollowerAsksForItsOwnTogether(t *testing.T) {
	b := newBroker(t)
	own, other := b.connect(ConnectOptions{}), b.connect(ConnectOptions{})
	watch, err := nats.Connect(b.s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close()
	seen, err := watch.SubscribeSync("$JS.API.CONSUMER.MSG.NEXT.>")
	if err != nil {
		t.Fatal(err)
	}
	requests := func() int {
		t.Helper()
		if err := watch.Flush(); err != nil {
			t.Fatal(err)
		}
		n, _, err := seen.Pending()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	requests()
	came := make(chan eventlog.Record) // the follower goes on when the test has taken one
	go func() {
		for r, err := range own.Follow(t.Context(), eventlog.Cursor{}) {
			if err != nil {
				return
			}
			select {
			case came <- r:
			case <-t.Context().Done():
				return
			}
		}
	}()
	next := func(want uint64) {
		t.Helper()
		select {
		case r := <-came:
			if r.Position != want {
				t.Fatalf("position %d came where %d was due", r.Position, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("position %d does not come", want)
		}
	}
	const first, many = fewMessages, 1000
	for at := range uint64(first) { // what was asked for before it appended
		b.append(own, at)
	}
	for p := range uint64(first) {
		next(p + 1)
	}
	before := requests()
	for at := range uint64(many) {
		b.append(own, first+at)
	}
	for p := range uint64(many) {
		next(first + p + 1)
	}
	// One was waiting for the first of them, one brings the others, one waits for more.
	if asked := requests() - before; asked > 3 {
		t.Errorf("%d requests for %d records, want at most 3", asked, many)
	}
	b.append(other, first+many)
	next(first + many + 1)
	if err := own.Append(t.Context(), first+many, eventlogtest.Records("late", 1)); !errors.Is(err, eventlog.ErrMoved) {
		t.Errorf("an append behind the other's: %v", err)
	}
	b.append(other, first+many+1)
	next(first + many + 2)
}

func (b *broker) append(l *Log, at uint64) {
	b.t.Helper()
	if err := l.Append(b.t.Context(), at, eventlogtest.Records(fmt.Sprintf("a%d-", at), 1)); err != nil {
		b.t.Fatal(err)
	}
}

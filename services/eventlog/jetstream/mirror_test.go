package jetstream

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"maillage/services/eventlog"
)

// TestMirror: what is put into the mirror stands there at its position, with its header, after
// a restart too; and only where the mirror ends at what is expected.
func TestMirror(t *testing.T) {
	b := newBroker(t)
	l := b.connect(ConnectOptions{})
	records := withIDs(b.fill(l, 5))
	if end, err := l.MirrorEnd(t.Context()); err != nil || end.Position != 0 {
		t.Errorf("without a mirror it ends at %+v, %v", end, err)
	}
	if err := l.AppendMirror(t.Context(), 0, records[:2]); !errors.Is(err, eventlog.ErrUnavailable) {
		t.Errorf("into none: %v", err)
	}
	if err := errors.Join(l.DropMirror(t.Context()), l.KeepDurables(t.Context(), []Account{{Name: "bndmr", Mirror: true}})); err != nil {
		t.Fatal(err)
	}
	for at := range 2 { // a batch, then one alone
		if err := l.AppendMirror(t.Context(), uint64(3*at), records[3*at:3+at]); err != nil {
			t.Fatal(err)
		}
	}
	for _, expected := range []uint64{0, 3, 5} {
		if err := l.AppendMirror(t.Context(), expected, records[4:]); !errors.Is(err, eventlog.ErrMoved) {
			t.Errorf("expecting %d: %v", expected, err)
		}
	}
	b.restart(func() {})
	l = b.connect(ConnectOptions{})
	end, err := l.MirrorEnd(t.Context())
	if err != nil || eventlog.LeafHash(end) != eventlog.LeafHash(records[3]) || fmt.Sprint(end.Header) != "map[ce-id:[4]]" {
		t.Errorf("it ends with %+v, %v; want %+v", end, err, records[3])
	}
	if head, _, err := l.Head(t.Context()); err != nil || head != 5 {
		t.Errorf("the log ends at %d, %v", head, err)
	}
	if err := errors.Join(l.DropMirror(t.Context()), l.DropMirror(t.Context())); err != nil {
		t.Error(err)
	}
	if end, err := l.MirrorEnd(t.Context()); err != nil || end.Position != 0 {
		t.Errorf("once dropped it ends at %+v, %v", end, err)
	}
}

// TestMirrorIsNotGoneOnWith: a mirror of which something is missing, or which somebody set up
// otherwise, is not gone on with.
func TestMirrorIsNotGoneOnWith(t *testing.T) {
	b := newBroker(t)
	l := b.connect(ConnectOptions{})
	records := withIDs(b.fill(l, 5))
	filled := func(change func(*jetstream.StreamConfig)) jetstream.Stream {
		t.Helper()
		if err := l.DropMirror(t.Context()); err != nil {
			t.Fatal(err)
		}
		c := mirrorConfig(1)
		c.DenyDelete, c.DenyPurge = false, false
		change(&c)
		s, err := l.js.CreateStream(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		// Under load a broker may let the stream that was dropped answer, too, and refuse.
		if err := l.AppendMirror(t.Context(), 0, records); err != nil && !errors.Is(err, eventlog.ErrMoved) {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(10 * time.Second); ; {
			info, err := s.Info(t.Context())
			if err == nil && info.State.LastSeq == uint64(len(records)) {
				return s
			}
			if time.Now().After(deadline) {
				t.Fatalf("it is at %+v, %v", info, err)
			}
		}
	}
	refused := func(what string) {
		t.Helper()
		if end, err := l.MirrorEnd(t.Context()); !errors.Is(err, ErrMirror) {
			t.Errorf("%s: it ends at %d, %v", what, end.Position, err)
		}
	}
	protected := func(c *jetstream.StreamConfig) { c.DenyDelete, c.DenyPurge = true, true }
	filled(protected)
	if end, err := l.MirrorEnd(t.Context()); err != nil || end.Position != 5 {
		t.Fatalf("as it should be it ends at %d, %v", end.Position, err)
	}
	filled(func(*jetstream.StreamConfig) {})
	refused("one that may be purged")
	filled(func(c *jetstream.StreamConfig) { protected(c); c.MaxAge = time.Hour })
	refused("one that forgets")
	for position, what := range map[uint64]string{1: "the first is missing", 3: "one is missing", 5: "the last is missing"} {
		s := filled(func(*jetstream.StreamConfig) {})
		if err := s.DeleteMsg(t.Context(), position); err != nil {
			t.Fatal(err)
		}
		c := s.CachedInfo().Config
		protected(&c)
		if _, err := l.js.UpdateStream(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		refused(what)
	}
}

// TestHalfMadeAccount cuts the making of an account short, after each thing that it borrows:
// made again it has all of it, and before it is whole nobody is admitted.
func TestHalfMadeAccount(t *testing.T) {
	seed, public, err := NewSeed()
	if err != nil {
		t.Fatal(err)
	}
	own, service, err := NewSeed()
	if err != nil {
		t.Fatal(err)
	}
	a := Account{Name: "bndmr", Key: public}
	for cut := range len(a.borrowed()) + 1 {
		t.Run(fmt.Sprint(cut), func(t *testing.T) {
			g := newGate(service)
			ns, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, CustomClientAuthentication: g, AlwaysEnableNonce: true, StoreDir: filepath.Join(t.TempDir(), "s")})
			if err != nil {
				t.Fatal(err)
			}
			g.ns = ns
			go ns.Start()
			defer ns.WaitForShutdown()
			defer ns.Shutdown()
			defer g.end()
			if !ns.ReadyForConnections(10 * time.Second) {
				t.Fatal("the broker is not ready")
			}
			for _, s := range a.borrowed()[:cut] { // the register's account lends no more yet
				if err := ns.GlobalAccount().AddServiceExport(s[1], nil); err != nil {
					t.Fatal(err)
				}
			}
			if err := g.admit([]Account{a}); err == nil || len(g.admitted) > 0 {
				t.Fatalf("half made it is admitted: %v", err)
			}
			if err := lend(ns); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := g.admit([]Account{a}); err != nil {
					t.Fatal(err)
				}
			}
			answersTo(t, ns, own, seed, a)
		})
	}
}

// answersTo checks that all that an account borrows is joined to the register's.
func answersTo(t *testing.T, ns *server.Server, own, seed string, a Account) {
	t.Helper()
	connect := func(seed string) *nats.Conn {
		proof, err := withSeed(seed)
		if err != nil {
			t.Fatal(err)
		}
		nc, err := nats.Connect(ns.ClientURL(), proof)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		return nc
	}
	register, outside := connect(own), connect(seed)
	heads, err := outside.SubscribeSync(headSubject)
	if err != nil || outside.Flush() != nil {
		t.Fatal(err)
	}
	for _, s := range a.borrowed() {
		if _, err := register.Subscribe(s[1], func(m *nats.Msg) { _ = m.Respond([]byte(m.Subject)) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(register.Publish(headSubject, []byte("head")), register.Flush()); err != nil {
		t.Fatal(err)
	}
	if m, err := heads.NextMsg(5 * time.Second); err != nil || string(m.Data) != "head" {
		t.Errorf("no head is heard: %v", err)
	}
	if m, err := heads.NextMsg(50 * time.Millisecond); err == nil {
		t.Errorf("the head is heard twice: %s", m.Data)
	}
	for _, s := range a.borrowed() {
		ask, asked := strings.ReplaceAll(s[0], ">", "1.1.1.1.0"), strings.ReplaceAll(s[1], ">", "1.1.1.1.0")
		if m, err := outside.Request(ask, nil, 5*time.Second); err != nil || string(m.Data) != asked {
			t.Errorf("asked at %s: %v", ask, err)
		}
	}
}

// BenchmarkMirror is how many records are put into the mirror a second, with headers as long
// as those of CloudEvents.
func BenchmarkMirror(b *testing.B) {
	for _, n := range []int{1, 100, 700, 2_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			l, at := benchmarkLog(b), uint64(0)
			if err := l.KeepDurables(b.Context(), []Account{{Name: "bndmr", Mirror: true}}); err != nil {
				b.Fatal(err)
			}
			header := map[string][]string{}
			for _, name := range []string{"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "commitindex", "commitsize", "cursor"} {
				header["ce-"+name] = []string{strings.Repeat("x", 30)}
			}
			for b.Loop() {
				records := benchmarkRecords(at, n)
				for i := range records {
					records[i].Header = header
				}
				if err := l.AppendMirror(b.Context(), at, records); err != nil {
					b.Fatal(err)
				}
				at += uint64(n)
			}
			b.ReportMetric(float64(at)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// The settings of an outside broker name what each account is handed, and no other stream.
func TestSettingsOfMirror(t *testing.T) {
	both := Settings([]Account{{Name: "bndmr", Key: "U1"}, {Name: "orphanet", Key: "U2", Mirror: true}})
	first, second, _ := strings.Cut(both, mirrorPrefix+"orphanet {")
	if strings.Contains(first, MirrorName) || !strings.Contains(first, accountPrefix+"bndmr {") || strings.Contains(second, StreamName+".") || strings.Count(second, MirrorName) != 3*4 {
		t.Errorf("they are\n%s", both)
	}
	if slices.Equal((Account{Name: "a"}).publish(), (Account{Name: "a", Mirror: true}).publish()) {
		t.Error("both may publish the same")
	}
}

package restore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/eventlog"
	"maillage/services/eventlog/jetstream"
	"maillage/services/fault"
	"maillage/services/ledger"
	"maillage/services/projection"
	"maillage/services/restore"
	"maillage/services/serve"
	"maillage/services/vault"
)

// register is a register that its operator starts and stops, and whose stores a test
// takes back to what they were.
type register struct {
	t   *testing.T
	dir string
	// commitSize is what the events that grow appends say of their commit; 0 for 1.
	commitSize uint32
}

// newRegister returns a register that was started once, so that its log is open and its
// vault bound, at position 2.
func newRegister(t *testing.T) *register {
	t.Helper()
	r := &register{t: t, dir: t.TempDir()}
	r.serves(2)
	return r
}

func (r *register) broker() string { return serve.BrokerDir(filepath.Join(r.dir, "data")) }
func (r *register) ledger() string { return filepath.Join(r.dir, "ledger") }
func (r *register) copy() string   { return filepath.Join(r.dir, "copy") }

func (r *register) stores() restore.Stores {
	return restore.Stores{Broker: r.broker(), Ledger: r.ledger(), HeadCopy: r.copy()}
}

// start runs the register until it is ready, and returns its error if it is not.
func (r *register) start() error {
	ctx, cancel := context.WithTimeout(r.t.Context(), 20*time.Second)
	defer cancel()
	ready := false
	err := serve.Run(ctx, serve.Config{
		Data: filepath.Join(r.dir, "data"), Vault: filepath.Join(r.dir, "vault"), Ledger: r.ledger(), HeadCopy: r.copy(),
		NATS: "off", GRPC: "127.0.0.1:0", HTTP: "off",
	}, func(serve.Addresses) { ready = true; cancel() })
	if err == nil && !ready {
		return errors.New("it does not get ready")
	}
	return err
}

// serves starts the register and wants it to hold a number of positions in both stores.
func (r *register) serves(positions uint64) {
	r.t.Helper()
	if err := r.start(); err != nil {
		r.t.Fatal(err)
	}
	if got := r.announced().Size; got != positions {
		r.t.Fatalf("it serves %d positions, want %d", got, positions)
	}
}

// refuses starts the register and wants it to say why not.
func (r *register) refuses(reason string) {
	r.t.Helper()
	r.says(r.start(), reason)
}

func (r *register) says(err error, reason string) {
	r.t.Helper()
	if e, ok := errors.AsType[*fault.Error](err); !ok || e.Reason != reason {
		r.t.Fatalf("got %v, want %s", err, reason)
	}
}

// announced is the head that the copy in the third place keeps.
func (r *register) announced() ledger.Head {
	r.t.Helper()
	heads := ledger.Heads("", r.copy())
	if len(heads) != 1 {
		r.t.Fatalf("the copy keeps %v", heads)
	}
	return heads[0]
}

// grow appends to the stream alone, up to a position.
func (r *register) grow(to uint64, name string) {
	r.t.Helper()
	broker, err := jetstream.StartServer(r.t.Context(), jetstream.Options{Dir: r.broker()})
	if err != nil {
		r.t.Fatal(err)
	}
	defer broker.Shutdown()
	log, err := broker.Open(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	defer log.Close()
	head, _, err := log.Head(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	for p := head + 1; p <= to; p++ {
		if err := log.Append(r.t.Context(), p-1, []eventlog.Record{filiere(r.t, p, name, r.commitSize)}); err != nil {
			r.t.Fatal(err)
		}
	}
}

// filiere is the first event of a command of some size.
func filiere(t *testing.T, position uint64, name string, commitSize uint32) eventlog.Record {
	t.Helper()
	id := fmt.Sprintf("%010d", position)
	body, err := proto.Marshal(&topologyv1.Event{
		Meta: &eventv1.Meta{
			Schema: projection.Schema, RecordTime: timestamppb.Now(), CommitSize: max(commitSize, 1),
			RequestId: name + id, Actor: &eventv1.Actor{Account: "a"},
		},
		Fact: &topologyv1.Event_FiliereRegistered{FiliereRegistered: &topologyv1.FiliereRegistered{FiliereId: id, Acronym: name, Name: name}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return eventlog.Record{Subject: "registry.topology.filiere." + id, Body: body}
}

// keep copies stores aside; the returned call puts them back.
func (r *register) keep(stores ...string) (putBack func()) {
	r.t.Helper()
	aside := r.t.TempDir()
	for i, s := range stores {
		r.copyAll(s, filepath.Join(aside, fmt.Sprint(i)))
	}
	return func() {
		r.t.Helper()
		for i, s := range stores {
			r.copyAll(filepath.Join(aside, fmt.Sprint(i)), s)
		}
	}
}

// copyAll makes a file or directory what another is.
func (r *register) copyAll(from, to string) {
	r.t.Helper()
	if err := os.RemoveAll(to); err != nil {
		r.t.Fatal(err)
	}
	info, err := os.Stat(from)
	if err != nil {
		r.t.Fatal(err)
	}
	if info.IsDir() {
		err = os.CopyFS(to, os.DirFS(from))
	} else {
		var b []byte
		if b, err = os.ReadFile(from); err == nil {
			err = os.WriteFile(to, b, 0o600)
		}
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// TestNothingIsRestoredFromLess: a ledger that is not there, is empty or is older than
// what was announced replaces no stream.
func TestNothingIsRestoredFromLess(t *testing.T) {
	r := newRegister(t)
	old := r.keep(r.ledger())
	r.grow(8, "kept")
	r.serves(8)
	for _, tc := range []struct {
		name   string
		damage func(*restore.Stores)
		reason string
	}{
		{"no directory", func(s *restore.Stores) { s.Ledger = filepath.Join(t.TempDir(), "elsewhere") }, "STORE_MISSING"},
		{"an empty directory", func(s *restore.Stores) { s.Ledger, s.HeadCopy = t.TempDir(), "" }, "LEDGER_EMPTY"},
		{"an empty directory beside the copy", func(s *restore.Stores) { s.Ledger = t.TempDir() }, "LEDGER_BEHIND"},
		{"an older ledger", func(*restore.Stores) { old() }, "LEDGER_BEHIND"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := r.stores()
			tc.damage(&s)
			_, err := restore.Stream(t.Context(), s, nil)
			r.says(err, tc.reason)
		})
	}
	if _, err := restore.Ledger(t.Context(), r.stores()); err != nil {
		t.Fatal(err)
	}
	r.serves(8)
}

// TestLedgerMissing: a register does not begin a new ledger beside a stream that has one
// somewhere.
func TestLedgerMissing(t *testing.T) {
	r := newRegister(t)
	if err := errors.Join(os.RemoveAll(r.ledger()), os.RemoveAll(r.copy())); err != nil {
		t.Fatal(err)
	}
	r.refuses("LEDGER_MISSING")
	if res, err := restore.Ledger(t.Context(), r.stores()); err != nil || res.Head.Size != 2 {
		t.Fatal(res, err)
	}
	r.serves(2)
}

// TestBothStoresRestored: each store is rebuilt from the other, at the same head.
func TestBothStoresRestored(t *testing.T) {
	r := newRegister(t)
	r.grow(8, "kept")
	r.serves(8)
	head := r.announced()
	for name, rebuild := range map[string]func() (restore.Result, error){
		"stream": func() (restore.Result, error) { return restore.Stream(t.Context(), r.stores(), nil) },
		"ledger": func() (restore.Result, error) { return restore.Ledger(t.Context(), r.stores()) },
	} {
		res, err := rebuild()
		if err != nil || res.Head != head {
			t.Fatalf("%s: %v, %v; want head %v", name, res, err, head)
		}
		if _, err := os.Stat(res.Aside); err != nil {
			t.Errorf("%s: what was replaced is gone: %v", name, err)
		}
		r.serves(8)
	}
}

// TestCopyContradictsBoth: both stores were rolled back and have grown again, otherwise,
// beyond what the third place keeps. Nobody is served, and the copy still bears witness.
func TestCopyContradictsBoth(t *testing.T) {
	r := newRegister(t)
	rollBack := r.keep(r.broker(), r.ledger())
	r.grow(6, "lost")
	r.serves(6)
	head := r.announced()
	rollBack()
	r.grow(8, "other")
	for range 2 {
		r.refuses("LOG_FORKED")
	}
	if got := r.announced(); got != head {
		t.Errorf("the copy says %v, it said %v", got, head)
	}
}

// TestNewEpoch lets a log go on whose stores are both behind what was announced.
func TestNewEpoch(t *testing.T) {
	for name, tc := range map[string]struct {
		rollBack func(*register, func()) // both stores are at 2, 6 was announced
		head     uint64                  // of the new epoch, EpochOpened included
	}{
		"both at one position": {func(*register, func()) {}, 3},
		"the stream lost less": {func(r *register, _ func()) { r.grow(4, "lost") }, 5},
		"interrupted between the two stores": {func(r *register, older func()) {
			if _, err := restore.NewEpoch(r.t.Context(), r.stores(), "first"); err != nil {
				r.t.Fatal(err)
			}
			older() // the stream has the event, the ledger and the copy have not
		}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRegister(t)
			rollBack := r.keep(r.broker(), r.ledger())
			r.grow(6, "lost")
			r.serves(6)
			rollBack()
			tc.rollBack(r, r.keep(r.ledger(), r.copy()))
			r.refuses("LOG_ROLLED_BACK")

			res, err := restore.NewEpoch(t.Context(), r.stores(), "drill")
			if err != nil {
				t.Fatal(err)
			}
			if want := (ledger.Head{Epoch: 2, Size: tc.head, Root: res.Head.Root}); res.Head != want || r.announced() != want {
				t.Errorf("head %v, announced %v; want epoch 2 at %d", res.Head, r.announced(), tc.head)
			}
			_, err = restore.NewEpoch(t.Context(), r.stores(), "repeated")
			r.says(err, "NOT_ROLLED_BACK")
			r.serves(tc.head)
		})
	}
}

// TestNewEpochAfterAnother: both stores were rolled back to before an epoch for which a
// checkpoint was signed. The next one is another than that.
func TestNewEpochAfterAnother(t *testing.T) {
	r := newRegister(t)
	r.grow(4, "kept")
	r.serves(4)
	stores := r.stores()
	stores.Signed = ledger.Head{Epoch: 2, Size: 3}
	res, err := restore.NewEpoch(t.Context(), stores, "drill")
	if err != nil || res.Head.Epoch != 3 {
		t.Fatalf("%+v, %v", res, err)
	}
	_, err = restore.NewEpoch(t.Context(), stores, "repeated")
	r.says(err, "NOT_ROLLED_BACK")
}

// TestOpenCommitLeft: a stream that was rolled back into the middle of a commit, further
// than the ledger, is rebuilt from it; then a new epoch lets the log go on.
func TestOpenCommitLeft(t *testing.T) {
	r := newRegister(t)
	rollBack := r.keep(r.broker(), r.ledger())
	r.grow(6, "lost")
	r.serves(6)
	rollBack()
	r.grow(3, "lost")
	r.commitSize = 3
	r.grow(4, "open")
	if _, err := restore.NewEpoch(t.Context(), r.stores(), "drill"); err == nil {
		t.Fatal("a new epoch began after half a commit")
	}
	res, err := restore.Stream(t.Context(), r.stores(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.Head.Size != 2 || res.Aside == "" {
		t.Errorf("the stream was rebuilt up to %d, the old one is kept in %q", res.Head.Size, res.Aside)
	}
	if _, err := restore.NewEpoch(t.Context(), r.stores(), "drill"); err != nil {
		t.Fatal(err)
	}
	r.serves(3)
}

// TestAheadIsNotLost: what the ledger was writing ahead when the process ended stands after
// whatever an operator does, whether the stream had taken it or not: its caller may have been
// answered.
func TestAheadIsNotLost(t *testing.T) {
	newVault := func(r *register) error {
		v, err := vault.Open(filepath.Join(r.dir, "vault"))
		if err == nil {
			_, err = restore.NewVault(r.t.Context(), r.stores(), v, "drill")
		}
		return err
	}
	stream := func(r *register) error {
		_, err := restore.Stream(r.t.Context(), r.stores(), nil)
		return err
	}
	rebuilt := func(r *register) error {
		_, err := restore.Ledger(r.t.Context(), r.stores())
		return err
	}
	lost := func(r *register) error { return os.RemoveAll(r.broker()) }
	newEpoch := func(r *register) error {
		stores := r.stores()
		stores.Signed = ledger.Head{Epoch: 1, Size: 4}
		_, err := restore.NewEpoch(r.t.Context(), stores, "drill")
		return err
	}
	for name, tc := range map[string]struct {
		steps []func(*register) error
		size  uint64 // of both stores in the end
	}{
		"a start":                          {nil, 4},
		"another vault":                    {[]func(*register) error{newVault}, 5},
		"the stream rebuilt":               {[]func(*register) error{stream}, 4},
		"the ledger rebuilt":               {[]func(*register) error{rebuilt}, 4},
		"both rebuilt, another vault":      {[]func(*register) error{rebuilt, stream, newVault}, 5},
		"rebuilt, another vault":           {[]func(*register) error{stream, newVault}, 5},
		"lost, rebuilt, and another vault": {[]func(*register) error{lost, stream, newVault}, 5},
		"nothing signed is missing":        {[]func(*register) error{newEpoch}, 4},
	} {
		for _, taken := range []int{0, 1, 2} {
			t.Run(fmt.Sprint(name, ", taken ", taken), func(t *testing.T) {
				r := newRegister(t)
				ahead := []eventlog.Record{filiere(t, 3, "ahead", 1), filiere(t, 4, "ahead", 1)}
				r.ahead(ahead, taken)
				for _, step := range tc.steps {
					if err := step(r); err != nil {
						t.Fatal(err)
					}
				}
				r.serves(tc.size)
				r.holds(ahead)
			})
		}
	}
}

// TestLedgerHoldsMore: the heads lag behind the ledger's entries, and the stream lost what is
// only there. The ledger is not rebuilt without it, and the copy of the head says what it said.
func TestLedgerHoldsMore(t *testing.T) {
	r := newRegister(t)
	lag := r.keep(r.broker(), filepath.Join(r.ledger(), "head"), r.copy())
	r.grow(4, "lost")
	r.serves(4)
	lag()
	copied, err := os.ReadFile(r.copy())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		var hole *eventlog.HoleError
		if _, err := restore.Ledger(t.Context(), r.stores()); !errors.As(err, &hole) || hole.Position != 3 {
			t.Fatalf("got %v, want a hole at 3", err)
		}
		if now, err := os.ReadFile(r.copy()); err != nil || !bytes.Equal(now, copied) {
			t.Errorf("the copy of the head says %v now, %v", r.announced(), err)
		}
	}
	if _, err := restore.Stream(t.Context(), r.stores(), nil); err != nil {
		t.Fatal(err)
	}
	r.serves(4)
}

// TestAheadOfAnother rebuilds the ledger from a stream that holds something else, or half of
// something, where the old one was ahead: the stream stands, and the ledger is set aside.
func TestAheadOfAnother(t *testing.T) {
	for name, tc := range map[string]struct {
		commitSize uint32
		end        uint64 // of the stream
		size       uint64 // of the new ledger
	}{
		"something else": {1, 3, 3}, "more than was ahead": {1, 6, 6}, "half a commit": {3, 3, 2},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRegister(t)
			r.ahead([]eventlog.Record{filiere(t, 3, "ahead", 1), filiere(t, 4, "ahead", 1)}, 0)
			r.commitSize = tc.commitSize
			r.grow(tc.end, "other")
			res, err := restore.Ledger(t.Context(), r.stores())
			if err != nil || res.Head.Size != tc.size {
				t.Fatalf("%+v, %v, want %d positions", res, err, tc.size)
			}
			old, err := ledger.Open(res.Aside, "")
			if err != nil {
				t.Fatal(err)
			}
			defer old.Close()
			if got := len(old.Ahead()); got != 2 {
				t.Errorf("the old ledger has %d commits ahead, want 2", got)
			}
		})
	}
}

// ahead leaves records, each a commit, ahead in the ledger, of which the stream took some.
func (r *register) ahead(records []eventlog.Record, taken int) {
	r.t.Helper()
	store, err := ledger.Open(r.ledger(), r.copy())
	if err != nil {
		r.t.Fatal(err)
	}
	for i := range records {
		records[i].Position = store.Head().Size + 1 + uint64(i)
	}
	if err := errors.Join(store.WriteAhead(records), store.Close()); err != nil {
		r.t.Fatal(err)
	}
	broker, err := jetstream.StartServer(r.t.Context(), jetstream.Options{Dir: r.broker()})
	if err != nil {
		r.t.Fatal(err)
	}
	defer broker.Shutdown()
	log, err := broker.Open(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	defer log.Close()
	for _, rec := range records[:taken] {
		if err := log.Append(r.t.Context(), rec.Position-1, []eventlog.Record{rec}); err != nil {
			r.t.Fatal(err)
		}
	}
}

// holds wants records in the ledger.
func (r *register) holds(records []eventlog.Record) {
	r.t.Helper()
	store, err := ledger.Open(r.ledger(), r.copy())
	if err != nil {
		r.t.Fatal(err)
	}
	defer store.Close()
	want := records
	for rec, err := range store.Read(records[0].Position - 1) {
		if err != nil {
			r.t.Fatal(err)
		}
		if len(want) > 0 && bytes.Equal(eventlog.Leaf(rec), eventlog.Leaf(want[0])) {
			want = want[1:]
		}
	}
	if len(want) > 0 {
		r.t.Errorf("%d of %d records are gone", len(want), len(records))
	}
}

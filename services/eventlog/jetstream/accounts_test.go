package jetstream

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"maillage/services/eventlog"
)

// house is an embedded broker that admits accounts.
type house struct {
	*broker
	log    *Log
	seeds  map[string]string // by name of the account
	all    []Account
	stream string // that they are handed
}

// onBoth runs a test with accounts that are handed the log's records, and with such that are
// handed the mirror's.
func onBoth(t *testing.T, test func(t *testing.T, stream string)) {
	for _, stream := range []string{StreamName, MirrorName} {
		t.Run(stream, func(t *testing.T) { test(t, stream) })
	}
}

func newHouse(t *testing.T, names ...string) *house { return newHouseOf(t, StreamName, names...) }

func newHouseOf(t *testing.T, stream string, names ...string) *house {
	h := &house{broker: &broker{t: t, dir: filepath.Join(t.TempDir(), "store"), addr: "127.0.0.1:0"}, seeds: map[string]string{}, stream: stream}
	t.Cleanup(func() { h.stop() })
	for i, name := range names {
		seed, public, err := NewSeed()
		if err != nil {
			t.Fatal(err)
		}
		h.seeds[name] = seed
		h.all = append(h.all, Account{Name: name, Key: public, Added: uint64(i + 1), Mirror: stream == MirrorName})
	}
	h.begin()
	h.addr = strings.TrimPrefix(h.s.URL(), "nats://")
	return h
}

// begin starts the broker and has it go by the accounts.
func (h *house) begin() {
	h.t.Helper()
	h.open()
	h.admit(h.all)
}

func (h *house) open() {
	h.t.Helper()
	var err error
	if h.s, err = StartServer(h.t.Context(), Options{Dir: h.dir, Addr: h.addr}); err != nil {
		h.t.Fatal(err)
	}
	if h.log, err = h.s.Open(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) admit(all []Account) {
	h.t.Helper()
	if err := errors.Join(h.s.Admit(all), h.log.KeepDurables(h.t.Context(), all)); err != nil {
		h.t.Fatal(err)
	}
}

// grow puts n records into the log and, where that is what is handed on, into the mirror.
func (h *house) grow(n int) {
	h.t.Helper()
	records := h.fill(h.log, n)
	if h.stream != MirrorName {
		return
	}
	if err := h.log.AppendMirror(h.t.Context(), records[0].Position-1, withIDs(records)); err != nil {
		h.t.Fatal(err)
	}
}

// read reads the first n records of the log.
func (h *house) read(n uint64) iter.Seq[eventlog.Record] {
	return func(yield func(eventlog.Record) bool) {
		for r, err := range h.log.Read(h.t.Context(), 0) {
			if err != nil {
				h.t.Fatal(err)
			}
			if r.Position > n || !yield(r) {
				return
			}
		}
	}
}

// withIDs are records with a header that numbers them.
func withIDs(records []eventlog.Record) []eventlog.Record {
	for i := range records {
		records[i].Header = map[string][]string{"ce-id": {fmt.Sprint(records[i].Position)}}
	}
	return records
}

func (h *house) stop() {
	h.log.Close()
	h.s.Shutdown()
}

// as connects as an account.
func (h *house) as(name string, opts ...nats.Option) (*nats.Conn, error) {
	file := filepath.Join(h.t.TempDir(), name+".nk")
	if err := os.WriteFile(file, []byte(h.seeds[name]), 0o600); err != nil {
		return nil, err
	}
	proof, err := nats.NkeyOptionFromSeed(file)
	if err != nil {
		return nil, err
	}
	return nats.Connect(h.s.URL(), append(opts, proof)...)
}

func (h *house) must(name string, opts ...nats.Option) *nats.Conn {
	h.t.Helper()
	nc, err := h.as(name, opts...)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(nc.Close)
	return nc
}

// take takes n records through an account's durable and acknowledges the last.
func (h *house) take(nc *nats.Conn, name string, n int) (positions []uint64) {
	h.t.Helper()
	js, err := jetstream.NewWithAPIPrefix(nc, APIPrefix)
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(h.t.Context(), 10*time.Second)
	defer cancel()
	c, err := js.Consumer(ctx, h.stream, name)
	if err != nil {
		h.t.Fatal(err)
	}
	root := logRoot
	if h.stream == MirrorName {
		root = mirrorRoot
	}
	for len(positions) < n {
		m, err := c.Next(jetstream.FetchContext(ctx))
		if err != nil {
			h.t.Fatalf("after %v: %v", positions, err)
		}
		meta, err := m.Metadata()
		if err != nil {
			h.t.Fatal(err)
		}
		if !strings.HasPrefix(m.Subject(), root) || len(m.Data()) == 0 || root == mirrorRoot && m.Headers().Get("ce-id") != fmt.Sprint(meta.Sequence.Stream) {
			h.t.Errorf("position %d comes as %q with %d bytes", meta.Sequence.Stream, m.Subject(), len(m.Data()))
		}
		positions = append(positions, meta.Sequence.Stream)
		if len(positions) == n {
			if err := m.DoubleAck(ctx); err != nil {
				h.t.Fatal(err)
			}
		}
	}
	return positions
}

// TestAccountFollows: an account takes every record through its durable, is heard where it
// has come, goes on there after the broker was stopped, and can go back by itself.
func TestAccountFollows(t *testing.T) { onBoth(t, accountFollows) }

func accountFollows(t *testing.T, stream string) {
	h := newHouseOf(t, stream, "bndmr", "orphanet")
	h.grow(30)
	nc := h.must("bndmr", nats.ReconnectWait(10*time.Millisecond), nats.MaxReconnects(-1))
	if got := h.take(nc, "bndmr", 20); got[0] != 1 || got[19] != 20 {
		t.Fatalf("it was handed %v", got)
	}
	if reached, err := h.log.Acknowledged(t.Context(), h.all); err != nil || reached["bndmr"] != 20 || reached["orphanet"] != 0 {
		t.Errorf("acknowledged: %v, %v", reached, err)
	}
	h.stop()
	h.open() // those who come now wait
	back := h.must("bndmr", nats.Timeout(100*time.Millisecond), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))
	h.admit(h.all)
	if err := back.FlushTimeout(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	if got := h.take(back, "bndmr", 10); got[0] != 21 || got[9] != 30 {
		t.Errorf("after the restart it was handed %v", got)
	}
	js, err := jetstream.NewWithAPIPrefix(back, APIPrefix)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.ResetConsumerToSequence(t.Context(), stream, "bndmr", 6); err != nil {
		t.Fatal(err)
	}
	if got := h.take(back, "bndmr", 25); got[0] != 6 || got[24] != 30 {
		t.Errorf("set back to 6 it was handed %v", got)
	}
}

// TestAccountHearsHeads: what is announced reaches an account, asked for or not.
func TestAccountHearsHeads(t *testing.T) {
	h := newHouse(t, "bndmr")
	nc := h.must("bndmr")
	heads, err := nc.SubscribeSync(HeadSubject)
	if err != nil || nc.Flush() != nil {
		t.Fatal(err)
	}
	if err := h.log.AnnounceHead([]byte("head")); err != nil {
		t.Fatal(err)
	}
	if m, err := heads.NextMsg(5 * time.Second); err != nil || string(m.Data) != "head" {
		t.Errorf("heard %v, %v", m, err)
	}
	if m, err := nc.Request(HeadGetSubject, nil, 5*time.Second); err != nil || string(m.Data) != "head" {
		t.Errorf("asked and got %v, %v", m, err)
	}
}

// TestAccountContexts: of an account for some contexts the durable hands on their records
// alone, at their positions, and it stays as it is when it is looked at again.
func TestAccountContexts(t *testing.T) { onBoth(t, accountContexts) }

func accountContexts(t *testing.T, stream string) {
	h := newHouseOf(t, stream, "map", "acts")
	h.all[0].Contexts, h.all[1].Contexts = []string{"labelling", "topology"}, []string{"labelling"}
	h.admit(h.all) // another durable than the one made
	var records []eventlog.Record
	for i, context := range []string{"ledger", "topology", "activity", "labelling", "topology", "ledger"} {
		records = append(records, eventlog.Record{Subject: fmt.Sprintf("registry.%s.kind.%d", context, i), Body: []byte("body"), Header: map[string][]string{"ce-id": {fmt.Sprint(i + 1)}}})
	}
	appended := h.log.Append(t.Context(), 0, records)
	if stream == MirrorName {
		appended = errors.Join(appended, h.log.AppendMirror(t.Context(), 0, records))
	}
	if appended != nil {
		t.Fatal(appended)
	}
	for range 2 {
		if got := h.take(h.must("map"), "map", 3); !slices.Equal(got, []uint64{2, 4, 5}) {
			t.Errorf("it was handed %v", got)
		}
		if got := h.take(h.must("acts"), "acts", 1); !slices.Equal(got, []uint64{4}) {
			t.Errorf("the other was handed %v", got)
		}
		h.stop()
		h.begin()
		if reached, err := h.log.Acknowledged(t.Context(), h.all); err != nil || reached["map"] != 5 || reached["acts"] != 4 {
			t.Errorf("acknowledged: %v, %v", reached, err)
		}
		for i := range h.all { // of accounts added another time there are other durables
			h.all[i].Added += 10
		}
		h.admit(h.all)
	}
}

// forbidden are subjects that an account which is handed a stream may not publish, and those
// that it may not subscribe to: all that it may not on its own stream, and that and more on the
// other.
func forbidden(own string) (publish, subscribe []string) {
	publish, subscribe = forbiddenOn(own)
	other := map[string]string{StreamName: MirrorName, MirrorName: StreamName}[own]
	more, hear := forbiddenOn(other)
	publish, subscribe = append(publish, more...), append(subscribe, hear...)
	for _, s := range lent(other) {
		for _, subject := range []string{s.as + "bndmr", s.before + "bndmr"} {
			publish = append(publish, subject+strings.ReplaceAll(s.after, ">", "1.1.1.1.0"))
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(publish))), slices.Compact(slices.Sorted(slices.Values(subscribe)))
}

func forbiddenOn(stream string) (publish, subscribe []string) {
	publish = []string{
		"cloudevents.topology.centre.C000000001", "cloudevents.ledger.log.L000000001", "cloudevents.x",
		"registry.topology.centre.C000000001", "registry.labelling.label.L000000001", "registry.activity.report.R000000001",
		"registry.ledger.log.L000000001", "registry.ledger.consumer.bndmr", "registry.x",
		"ledger.head", "ledger.turn", "ledger.bind",
		"$JS.API.CONSUMER.MSG.NEXT.REGISTRY.orphanet", "$JS.API.CONSUMER.INFO.REGISTRY.orphanet", "$JS.API.CONSUMER.RESET.REGISTRY.orphanet",
		"$JS.API.CONSUMER.MSG.NEXT.REGISTRY.bndmr", "$JS.API.CONSUMER.INFO.REGISTRY.bndmr", "$JS.API.CONSUMER.RESET.REGISTRY.bndmr",
		"maillage.api.CONSUMER.MSG.NEXT.REGISTRY.orphanet", "maillage.api.CONSUMER.INFO.REGISTRY.orphanet", "maillage.api.CONSUMER.RESET.REGISTRY.orphanet",
		"maillage.api.STREAM.DELETE.REGISTRY", "maillage.api.CONSUMER.CREATE.REGISTRY", "maillage.api.CONSUMER.DELETE.REGISTRY.bndmr",
		"$JS.API.CONSUMER.MSG.NEXT.OTHER.bndmr", "$JS.ACK.REGISTRY.orphanet.1.1.1.1.0", "$JS.ACK.OTHER.bndmr.1.1.1.1.0", "$JS.ACK._.hash.REGISTRY.bndmr.1.1.1.1.0",
		"$JS.API.CONSUMER.CREATE.REGISTRY", "$JS.API.CONSUMER.CREATE.REGISTRY.bndmr", "$JS.API.CONSUMER.CREATE.REGISTRY.mine", "$JS.API.CONSUMER.CREATE.REGISTRY.mine.registry.>",
		"$JS.API.CONSUMER.DURABLE.CREATE.REGISTRY.bndmr", "$JS.API.CONSUMER.DURABLE.CREATE.REGISTRY.mine",
		"$JS.API.CONSUMER.DELETE.REGISTRY.bndmr", "$JS.API.CONSUMER.PAUSE.REGISTRY.bndmr", "$JS.API.CONSUMER.UNPIN.REGISTRY.bndmr",
		"$JS.API.CONSUMER.LEADER.STEPDOWN.REGISTRY.bndmr", "$JS.API.CONSUMER.LIST.REGISTRY", "$JS.API.CONSUMER.NAMES.REGISTRY",
		"$JS.API.STREAM.CREATE.REGISTRY", "$JS.API.STREAM.CREATE.MINE", "$JS.API.STREAM.UPDATE.REGISTRY", "$JS.API.STREAM.DELETE.REGISTRY",
		"$JS.API.STREAM.PURGE.REGISTRY", "$JS.API.STREAM.INFO.REGISTRY", "$JS.API.STREAM.LIST", "$JS.API.STREAM.NAMES",
		"$JS.API.STREAM.MSG.GET.REGISTRY", "$JS.API.STREAM.MSG.DELETE.REGISTRY", "$JS.API.DIRECT.GET.REGISTRY", "$JS.API.DIRECT.GET.REGISTRY.registry.topology.centre.C",
		"$JS.API.STREAM.SNAPSHOT.REGISTRY", "$JS.API.STREAM.RESTORE.REGISTRY", "$JS.API.STREAM.PEER.REMOVE.REGISTRY", "$JS.API.STREAM.LEADER.STEPDOWN.REGISTRY",
		"$JS.API.STREAM.TEMPLATE.CREATE.REGISTRY", "$JS.API.INFO", "$JS.API.META.LEADER.STEPDOWN", "$JS.API.SERVER.REMOVE", "$JS.API.ACCOUNT.PURGE.$G",
		"$JS.FC.REGISTRY.bndmr.1", "$JS.EVENT.ADVISORY.X", "$KV.bucket.key", "$O.bucket.C.x", "$SYS.REQ.SERVER.PING", "$SYS.REQ.ACCOUNT.PING.CONNZ", "$SYS.REQ.USER.INFO",
		"$SYS.REQ.SERVER.PING.KICK", "$NRG.V.X", "_INBOX.somebody.1", "_R_.x", "anything", ">",
	}
	subscribe = []string{
		">", "*", "registry.>", "registry.*.*.*", "registry.topology.centre.C000000001", "ledger.>", "ledger.turn", "ledger.bind", "ledger.head.get", "*.head",
		"_INBOX_orphanet.>", "_R_.>", "$JS.>", "$JS.API.>", "$JS.API.CONSUMER.MSG.NEXT.REGISTRY.bndmr", "$JS.ACK.>", "$JS.EVENT.>", "$JS.EVENT.ADVISORY.>",
		"$SYS.>", "$SYS.ACCOUNT.>", "$KV.>", "$O.>", "$NRG.>", "anything", "cloudevents.>", "cloudevents.*.*.*", "cloudevents.topology.centre.C000000001",
	}
	for _, all := range [][]string{publish, subscribe} {
		for i := range all {
			all[i] = strings.ReplaceAll(all[i], StreamName, stream)
		}
	}
	return publish, subscribe
}

// TestAccountIsHeldToItsDurable tries everything that an account must not do: each is
// refused, and the log and its settings are as they were.
func TestAccountIsHeldToItsDurable(t *testing.T) { onBoth(t, accountIsHeldToItsDurable) }

func accountIsHeldToItsDurable(t *testing.T, stream string) {
	h := newHouseOf(t, stream, "bndmr", "orphanet")
	h.grow(10)
	before := h.whole()
	told := make(chan error, 16)
	nc := h.must("bndmr", nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { told <- err }))
	refused := func(what string) {
		t.Helper()
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-told:
			if !errors.Is(err, nats.ErrPermissionViolation) {
				t.Errorf("%s: %v", what, err)
			}
		case <-time.After(5 * time.Second):
			t.Errorf("%s is not refused", what)
		}
	}
	publish, subscribe := forbidden(stream)
	for _, subject := range publish {
		if err := nc.PublishRequest(subject, nc.NewInbox(), nil); err != nil {
			t.Fatalf("%s: %v", subject, err)
		}
		refused("publish " + subject)
	}
	for _, subject := range subscribe {
		if _, err := nc.SubscribeSync(subject); err != nil {
			t.Fatalf("%s: %v", subject, err)
		}
		refused("subscribe " + subject)
		if _, err := nc.QueueSubscribeSync(subject, "workers"); err != nil {
			t.Fatalf("%s: %v", subject, err)
		}
		refused("subscribe in a queue " + subject)
	}
	if after := h.whole(); after != before {
		t.Errorf("the stream was\n%s\nand is\n%s", before, after)
	}
	if got := h.take(nc, "bndmr", 10); got[9] != 10 {
		t.Errorf("and it was handed %v", got)
	}
}

// whole is all that the broker says of the streams and their consumers. It waits for the end of
// those that the register itself read with.
func (h *house) whole() string {
	h.t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; {
		all, passing := h.look()
		if !passing || time.Now().After(deadline) {
			return all
		}
	}
}

func (h *house) look() (_ string, passing bool) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 5*time.Second)
	defer cancel()
	var all strings.Builder
	for _, name := range slices.Compact([]string{StreamName, h.stream}) {
		s, err := h.log.js.Stream(ctx, name)
		if err != nil {
			h.t.Fatalf("the stream is gone: %v", err)
		}
		info := s.CachedInfo()
		var durables []string
		list := s.ListConsumers(ctx)
		for c := range list.Info() {
			passing = passing || c.Config.Durable == ""
			durables = append(durables, fmt.Sprintf("%s %+v", c.Name, c.Config))
		}
		slices.Sort(durables)
		fmt.Fprintf(&all, "%d to %d, %d messages\n%+v\n%s\n", info.State.FirstSeq, info.State.LastSeq, info.State.Msgs, info.Config, strings.Join(durables, "\n"))
	}
	return all.String(), passing
}

// TestAnswersStayWithWhoAsked has the broker answer an account at subjects of the register:
// a broker answers wherever it is asked to, and an empty answer at the right subject deletes
// the stream. In an account of its own nothing of it reaches the register, or another.
func TestAnswersStayWithWhoAsked(t *testing.T) { onBoth(t, answersStayWithWhoAsked) }

func answersStayWithWhoAsked(t *testing.T, stream string) {
	h := newHouseOf(t, stream, "bndmr", "orphanet")
	h.grow(5)
	before := h.whole()
	other := h.must("orphanet")
	inbox := other.NewInbox()
	theirs, err := other.SubscribeSync(inbox)
	if err != nil || other.Flush() != nil {
		t.Fatal(err)
	}
	ours, err := h.log.write.SubscribeSync("stolen.>")
	if err != nil || h.log.write.Flush() != nil {
		t.Fatal(err)
	}
	told := make(chan error, 100)
	nc := h.must("bndmr", nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { told <- err }))
	for _, at := range []string{
		"$JS.API.STREAM.DELETE.CLOUDEVENTS", "$JS.API.STREAM.PURGE.CLOUDEVENTS", "$JS.API.CONSUMER.DELETE.CLOUDEVENTS.orphanet", "cloudevents.topology.centre.C000000001",
		"$JS.API.STREAM.DELETE.REGISTRY", "$JS.API.STREAM.PURGE.REGISTRY", "$JS.API.CONSUMER.DELETE.REGISTRY.orphanet",
		"registry.topology.centre.C000000001", "stolen.answer", inbox,
	} {
		for subject, body := range map[string]string{
			"maillage.api.CONSUMER.MSG.NEXT." + stream + ".bndmr": `{"batch":7,"no_wait":true}`,
			"maillage.api.CONSUMER.INFO." + stream + ".bndmr":     "",
			"maillage.api.CONSUMER.RESET." + stream + ".bndmr":    "",
			"$JS.ACK." + stream + ".bndmr.1.1.1.1.0":              "+NXT",
			"$JS.ACK." + stream + ".bndmr.1.2.2.1.0":              "",
			headGetSubject:                                        "",
		} {
			if err := nc.PublishRequest(subject, at, []byte(body)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, at := range []string{"$JS.ACK.REGISTRY.orphanet.1.1.1.1.0", "_R_.x.y", "_GR_.x.y"} { // are refused as answers at all
		if err := nc.PublishRequest("maillage.api.CONSUMER.MSG.NEXT."+stream+".bndmr", at, []byte(`{"batch":1,"no_wait":true}`)); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	h.take(nc, "bndmr", 1) // whatever was asked before is done
	if after := h.whole(); after != before {
		t.Errorf("the stream was\n%s\nand is\n%s", before, after)
	}
	for what, s := range map[string]*nats.Subscription{"another account": theirs, "the register": ours} {
		if m, err := s.NextMsg(50 * time.Millisecond); err == nil {
			t.Errorf("an answer reached %s at %s: %v %q", what, m.Subject, m.Header, m.Data)
		}
	}
}

// The same question, asked within the register's account, deletes the stream: what the test
// before this one tries is not in vain.
func TestAnswerDeletesStream(t *testing.T) {
	h := newHouse(t, "bndmr")
	if err := h.log.write.PublishRequest("$JS.API.CONSUMER.MSG.NEXT.REGISTRY.bndmr", "$JS.API.STREAM.DELETE.REGISTRY", []byte(`{"batch":1,"no_wait":true}`)); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Second); ; {
		_, err := h.log.js.Stream(t.Context(), StreamName)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the stream stands: %v", err)
		}
	}
}

// TestRemovedIsCut: an account that is no longer admitted is cut within a second, cannot
// come back, and its durable is gone; the others stay.
func TestRemovedIsCut(t *testing.T) { onBoth(t, removedIsCut) }

func removedIsCut(t *testing.T, stream string) {
	h := newHouseOf(t, stream, "bndmr", "orphanet")
	h.grow(3)
	cut := make(chan struct{})
	nc := h.must("bndmr", nats.NoReconnect(), nats.ClosedHandler(func(*nats.Conn) { close(cut) }))
	stays := h.must("orphanet", nats.NoReconnect())
	h.take(nc, "bndmr", 3)
	h.admit(h.all[1:])
	select {
	case <-cut:
	case <-time.After(time.Second):
		t.Error("it is connected a second later")
	}
	if _, err := h.as("bndmr"); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("it connects again: %v", err)
	}
	if got := h.take(stays, "orphanet", 3); got[2] != 3 {
		t.Errorf("the other was handed %v", got)
	}
	if _, err := h.log.js.Consumer(t.Context(), stream, "bndmr"); !errors.Is(err, jetstream.ErrConsumerNotFound) {
		t.Errorf("its durable: %v", err)
	}
	// The name may be given again, with another key: from the beginning.
	seed, public, err := NewSeed()
	if err != nil {
		t.Fatal(err)
	}
	h.seeds["bndmr"] = seed
	h.admit([]Account{h.all[1], {Name: "bndmr", Key: public, Added: 9, Mirror: stream == MirrorName}})
	if got := h.take(h.must("bndmr"), "bndmr", 3); got[0] != 1 {
		t.Errorf("under the new key it was handed %v", got)
	}
}

// TestAddedForTheOther: a name that was removed and is given again, for the other stream, may
// there what the first might, and nothing any longer of what that was handed.
func TestAddedForTheOther(t *testing.T) {
	h := newHouse(t, "bndmr")
	h.grow(3)
	h.take(h.must("bndmr"), "bndmr", 3)
	seed, public, err := NewSeed()
	if err != nil {
		t.Fatal(err)
	}
	h.seeds["bndmr"], h.stream = seed, MirrorName
	h.admit([]Account{{Name: "bndmr", Key: public, Added: 9, Mirror: true}})
	if err := h.log.AppendMirror(t.Context(), 0, withIDs(slices.Collect(h.read(3)))); err != nil {
		t.Fatal(err)
	}
	nc := h.must("bndmr")
	if got := h.take(nc, "bndmr", 3); got[2] != 3 {
		t.Errorf("it was handed %v", got)
	}
	if m, err := nc.Request(APIPrefix+".CONSUMER.INFO.REGISTRY.bndmr", nil, 200*time.Millisecond); err == nil {
		t.Errorf("it is told of the log: %s", m.Data)
	}
	if _, err := h.log.js.Consumer(t.Context(), StreamName, "bndmr"); !errors.Is(err, jetstream.ErrConsumerNotFound) {
		t.Errorf("its durable of the log: %v", err)
	}
}

// TestConnectionsAreBounded: a key opens a few connections, and another once one is closed.
func TestConnectionsAreBounded(t *testing.T) {
	h := newHouse(t, "bndmr")
	var last *nats.Conn
	for range maxConns {
		last = h.must("bndmr")
	}
	if _, err := h.as("bndmr"); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("one more: %v", err)
	}
	last.Close()
	for deadline := time.Now().Add(5 * time.Second); ; {
		nc, err := h.as("bndmr") // the broker hears of the end in its own time
		if err == nil {
			nc.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after one was closed: %v", err)
		}
	}
}

// TestStrangersAreRefused: nobody connects without a key that was let in.
func TestStrangersAreRefused(t *testing.T) {
	h := newHouse(t, "bndmr")
	stranger, _, err := NewSeed()
	if err != nil {
		t.Fatal(err)
	}
	h.seeds["stranger"] = stranger
	if _, err := h.as("stranger"); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("an unknown key: %v", err)
	}
	for name, opt := range map[string]nats.Option{
		"nobody":             nats.Name("nobody"),
		"a password":         nats.UserInfo("maillage", "maillage"),
		"a token":            nats.Token("x"),
		"another's key":      nats.Nkey(h.all[0].Key, func([]byte) ([]byte, error) { return make([]byte, 64), nil }),
		"the register's key": nats.Nkey(h.s.gate.service, func(nonce []byte) ([]byte, error) { return nonce, nil }),
	} {
		if nc, err := nats.Connect(h.s.URL(), opt); !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("%s: %v", name, err)
			if err == nil {
				nc.Close()
			}
		}
	}
	info, err := os.Stat(filepath.Join(h.dir, ServiceKey))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the register's key is kept as %v, %v", info.Mode(), err)
	}
	l, err := Connect(t.Context(), h.s.URL(), ConnectOptions{Credentials: filepath.Join(h.dir, ServiceKey)})
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

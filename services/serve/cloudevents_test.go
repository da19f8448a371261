package serve_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"                  //nolint:depguard // it follows as a consumer does
	natsjs "github.com/nats-io/nats.go/jetstream" //nolint:depguard // and meddles with the broker
	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"maillage/proto/cloudevent"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/proto/merkle"
	"maillage/services/eventlog"
	"maillage/services/eventlog/jetstream"
	"maillage/services/identifier"
	"maillage/services/ledger"
	"maillage/services/serve"
	"maillage/services/submit"
)

// grown puts a log of commits of three facts each into a broker and into a ledger, as many
// positions as are asked for, more or less.
func grown(t testing.TB, log *jetstream.Log, dir string, positions int) {
	t.Helper()
	store, err := ledger.Open(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	id, now, at := identifier.NewID(), time.Now().UTC(), uint64(0)
	put := func(records ...eventlog.Record) {
		for i := range records {
			records[i].Position = at + uint64(i) + 1
		}
		err := log.Append(t.Context(), at, records)
		if err == nil {
			_, err = store.Append(records)
		}
		if err != nil {
			t.Fatal(err)
		}
		at += uint64(len(records))
	}
	meta := func(request string, index, size int) *eventv1.Meta {
		return &eventv1.Meta{
			Schema: 1, RecordTime: timestamppb.New(now), Actor: &eventv1.Actor{Account: "A000000001", Role: "officer"}, RequestId: request,
			RequestDigest: make([]byte, 32), CommitIndex: uint32(index), CommitSize: uint32(size),
			Basis: &eventv1.Basis{Source: "test", Evidence: eventv1.Evidence_EVIDENCE_STATED},
		}
	}
	encoded := func(subject string, m proto.Message) eventlog.Record {
		body, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return eventlog.Record{Subject: subject, Body: body}
	}
	put(encoded("registry.ledger.log."+id, &ledgerv1.Event{Meta: meta("", 0, 1), Fact: &ledgerv1.Event_LogOpened{LogOpened: &ledgerv1.LogOpened{LogId: id, Origin: "test"}}}))
	var some []eventlog.Record
	for n := range positions / 3 {
		for i := range 3 {
			centre := identifier.NewID()
			some = append(some, encoded("registry.topology.centre."+centre, &topologyv1.Event{
				Meta: meta(fmt.Sprint("r", n), i, 3),
				Fact: &topologyv1.Event_CentreRegistered{CentreRegistered: &topologyv1.CentreRegistered{CentreId: centre, Name: fmt.Sprint("Centre ", n, " € ", i)}},
			}))
		}
		if len(some) >= 9_000 || n == positions/3-1 {
			put(some...)
			some = some[:0]
		}
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
}

// outside is a broker beside the register, which lets anyone do anything, and what a test
// looks at and meddles with there.
type outside struct {
	t   testing.TB
	url string
	log *jetstream.Log
	js  natsjs.JetStream
}

func newOutside(t testing.TB) *outside {
	t.Helper()
	broker, err := jetstream.StartServer(t.Context(), jetstream.Options{Dir: filepath.Join(t.TempDir(), "nats"), Addr: "127.0.0.1:0", Anyone: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Shutdown)
	o := &outside{t: t, url: broker.URL()}
	if o.log, err = jetstream.Connect(t.Context(), o.url, jetstream.ConnectOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.log.Close)
	nc, err := nats.Connect(o.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if o.js, err = natsjs.New(nc); err != nil {
		t.Fatal(err)
	}
	return o
}

// reaches waits until the stream of CloudEvents ends where the log does, and returns that.
func (o *outside) reaches(least uint64) uint64 {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), 60*time.Second)
	defer cancel()
	for look := time.NewTicker(2 * time.Millisecond); ; <-look.C {
		head, _, err := o.log.Head(ctx)
		if err != nil {
			o.t.Fatal(err)
		}
		end, err := o.log.MirrorEnd(ctx)
		if err == nil && end.Position == head && head >= least {
			return head
		}
		if ctx.Err() != nil {
			o.t.Fatalf("the log is at %d, the stream of CloudEvents at %d, %v", head, end.Position, err)
		}
	}
}

// all reads a stream of CloudEvents, and checks that its sequence is the position.
func (o *outside) all(head uint64) []*cloudevent.Event {
	o.t.Helper()
	s, err := o.js.Stream(o.t.Context(), "CLOUDEVENTS")
	if err != nil {
		o.t.Fatal(err)
	}
	c, err := s.OrderedConsumer(o.t.Context(), natsjs.OrderedConsumerConfig{})
	if err != nil {
		o.t.Fatal(err)
	}
	return taken(o.t, c, 1, head)
}

// taken are the events from a position to another that a consumer is handed: dense, at the
// sequence of their position, under their subject.
func taken(t testing.TB, c natsjs.Consumer, from, to uint64) (all []*cloudevent.Event) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	var last natsjs.Msg
	for at := from; at <= to; {
		batch, err := c.Fetch(int(to-at+1), natsjs.FetchMaxWait(5*time.Second))
		if err != nil {
			t.Fatalf("position %d: %v", at, err)
		}
		for last = range batch.Messages() {
			of, err := last.Metadata()
			if err != nil {
				t.Fatal(err)
			}
			e, err := cloudevent.Read(last.Headers(), last.Data())
			if err != nil {
				t.Fatalf("position %d: %v", at, err)
			}
			if of.Sequence.Stream != at || e.ID != fmt.Sprint(at) || last.Subject() != "cloudevents."+strings.TrimPrefix(e.Subject, "registry.") {
				t.Fatalf("after %d comes %s %s at %d under %s", at-1, e.ID, e.Subject, of.Sequence.Stream, last.Subject())
			}
			all = append(all, e)
			at++
		}
		if at <= to && time.Now().After(deadline) {
			t.Fatalf("position %d does not come: %v", at, batch.Error())
		}
	}
	if c.CachedInfo().Config.AckPolicy != natsjs.AckNonePolicy {
		if err := last.DoubleAck(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// rootOf is the root of the log that events are of.
func rootOf(events []*cloudevent.Event) tlog.Hash {
	var tree merkle.Tree
	for i, e := range events {
		tree.Append(tlog.RecordHash(merkle.AppendLeaf(nil, uint64(i+1), e.Subject, e.Stored)))
	}
	return tree.Root()
}

// register is a process with its clients.
type register struct {
	consumers feedv1.ConsumerServiceClient
	topology  topologyv1.TopologyServiceClient
	ledger    ledgerv1.LedgerServiceClient
	at        serve.Addresses
}

func asked(t testing.TB, at serve.Addresses) register {
	t.Helper()
	conn, err := grpc.NewClient(at.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithUnaryInterceptor(submit.Connect("officer")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return register{feedv1.NewConsumerServiceClient(conn), topologyv1.NewTopologyServiceClient(conn), ledgerv1.NewLedgerServiceClient(conn), at}
}

// record records a fact.
func (r register) record(t testing.TB, acronym string) {
	t.Helper()
	if _, err := r.topology.RegisterFiliere(t.Context(), &topologyv1.RegisterFiliereRequest{Basis: agreement, Acronym: acronym}); err != nil {
		t.Fatal(err)
	}
}

// add lets a consumer in who asks for CloudEvents, or not, and returns his seed and where he is
// told to connect.
func (r register) add(t testing.TB, name string, cloudEvents bool) (seed string, at *feedv1.Access) {
	t.Helper()
	seed, public, err := jetstream.NewSeed()
	if err != nil {
		t.Fatal(err)
	}
	answer, err := r.consumers.AddConsumer(t.Context(), &feedv1.AddConsumerRequest{Basis: agreement, Name: name, PublicKey: public, CloudEvents: cloudEvents})
	if err != nil {
		t.Fatal(err)
	}
	return seed, answer.GetAccess()
}

func (r register) remove(t testing.TB, name string) {
	t.Helper()
	if _, err := r.consumers.RemoveConsumer(t.Context(), &feedv1.RemoveConsumerRequest{Basis: agreement, Name: name}); err != nil {
		t.Fatal(err)
	}
}

// TestCloudEventsAreThoseOfHTTP: through his account a consumer is handed, in binary mode, the
// events that HTTP has at the same positions, and their root is the one announced. What is
// recorded meanwhile comes too; and after him the stream is gone.
func TestCloudEventsAreThoseOfHTTP(t *testing.T) {
	data := t.TempDir()
	r := asked(t, begin(t, serve.Config{Data: data, GRPC: "127.0.0.1:0", HTTP: "127.0.0.1:0", NATS: "127.0.0.1:0", PublicURL: "https://registre.example.org"}))
	for n := range 5 {
		r.record(t, fmt.Sprint("F", n))
	}
	log, err := jetstream.Connect(t.Context(), r.at.NATS, jetstream.ConnectOptions{Credentials: serviceKey(data), Existing: true})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	r.add(t, "plain", false)
	if end, err := log.MirrorEnd(t.Context()); err != nil || end.Position != 0 {
		t.Errorf("nobody asks, and it ends at %d, %v", end.Position, err)
	}
	seed, access := r.add(t, "bndmr", true)
	if access.GetStream() != "CLOUDEVENTS" || access.GetDurable() != "bndmr" {
		t.Errorf("he is told %v", access)
	}
	key := filepath.Join(t.TempDir(), "bndmr.nk")
	if err := os.WriteFile(key, []byte(seed), 0o600); err != nil {
		t.Fatal(err)
	}
	proof, err := nats.NkeyOptionFromSeed(key)
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(access.GetUrl(), proof)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := natsjs.NewWithAPIPrefix(nc, access.GetApiPrefix())
	if err != nil {
		t.Fatal(err)
	}
	c, err := js.Consumer(t.Context(), access.GetStream(), access.GetDurable())
	if err != nil {
		t.Fatal(err)
	}
	events := taken(t, c, 1, 9)
	r.record(t, "Neuro-Maillage")
	events = append(events, taken(t, c, 10, 10)...)
	status, err := r.ledger.GetStatus(t.Context(), &ledgerv1.GetStatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if root := rootOf(events); status.GetHead().GetSize() != 10 || string(root[:]) != string(status.GetHead().GetRoot()) {
		t.Errorf("their root is %v; announced is %v", root, status.GetHead())
	}
	for _, e := range events {
		want := overHTTP(t, r.at.HTTP, e.ID)
		if e.DataContentType != "application/protobuf" || want.DataContentType != "application/json" || !strings.HasPrefix(e.DataSchema, "https://registre.example.org/schemas/") {
			t.Errorf("%s: the data is %s of %s", e.ID, e.DataContentType, e.DataSchema)
		}
		want.Data, want.DataContentType = nil, e.DataContentType
		if !reflect.DeepEqual(e, want) {
			t.Errorf("over NATS\n%+v\nover HTTP\n%+v", e, want)
		}
	}
	all, err := r.consumers.ListConsumers(t.Context(), &feedv1.ListConsumersRequest{})
	if err != nil || len(all.GetConsumers()) != 2 || !all.GetConsumers()[0].GetCloudEvents() || all.GetConsumers()[0].GetAcknowledgedPosition() != 10 || all.GetConsumers()[1].GetCloudEvents() {
		t.Errorf("listed are %v, %v", all, err)
	}
	r.remove(t, "bndmr")
	if err := nc.Flush(); err == nil {
		t.Error("he is connected after he was removed")
	}
	if end, err := log.MirrorEnd(t.Context()); err != nil || end.Position != 0 {
		t.Errorf("the last one is removed, and it ends at %d, %v", end.Position, err)
	}
}

func overHTTP(t *testing.T, at, id string) *cloudevent.Event {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+at+"/v1/events/"+id, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var e cloudevent.Event
	if err := json.NewDecoder(resp.Body).Decode(&e); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", id, resp.Status, err)
	}
	return &e
}

// TestCloudEventsGoOn: a stream of CloudEvents that holds the beginning of the log is gone on
// with, also from inside a commit; one that differs is made anew. Either way it is the log's, and
// who is handed it finds his durable.
func TestCloudEventsGoOn(t *testing.T) {
	o, data := newOutside(t), t.TempDir()
	grown(t, o.log, filepath.Join(data, "ledger"), 1_500)
	config := serve.Config{Data: data, URL: o.url, GRPC: "127.0.0.1:0", HTTP: "off"}
	at, stop := beginAgain(t, config)
	asked(t, at).add(t, "bndmr", true)
	head := o.reaches(1_500)
	first := o.all(head)
	stop()
	created := func(t *testing.T) time.Time {
		t.Helper()
		s, err := o.js.Stream(t.Context(), "CLOUDEVENTS")
		if err == nil {
			_, err = s.Consumer(t.Context(), "bndmr")
		}
		if err != nil {
			t.Fatal(err)
		}
		return s.CachedInfo().Created
	}
	// isAnew waits until another stream stands in the place of one.
	isAnew := func(t *testing.T, before time.Time) {
		t.Helper()
		for look := time.NewTicker(2 * time.Millisecond); ; <-look.C {
			s, err := o.js.Stream(t.Context(), "CLOUDEVENTS")
			if err == nil && !s.CachedInfo().Created.Equal(before) {
				return
			}
			if err != nil && !errors.Is(err, natsjs.ErrStreamNotFound) {
				t.Fatal(err)
			}
		}
	}
	same := func(t *testing.T, anew bool, before time.Time) {
		t.Helper()
		if got := o.all(head); !reflect.DeepEqual(got, first) || created(t).Equal(before) == anew {
			t.Errorf("%d events, made anew: %v", len(got), !created(t).Equal(before))
		}
	}
	// holding puts a part of what was there in place of the stream.
	holding := func(t *testing.T, n int, change func(*eventlog.Record)) time.Time {
		t.Helper()
		err := o.log.DropMirror(t.Context())
		if err == nil {
			err = o.log.KeepDurables(t.Context(), []jetstream.Account{{Name: "bndmr", Mirror: true}})
		}
		if err != nil {
			t.Fatal(err)
		}
		for from := 0; from < n; from += 500 {
			var some []eventlog.Record
			for i := from; i < min(n, from+500); i++ {
				e := first[i]
				some = append(some, eventlog.Record{Position: uint64(i + 1), Subject: e.Subject, Body: e.Stored, Header: e.Header()})
			}
			if change != nil && from+500 >= n {
				change(&some[len(some)-1])
			}
			if err := o.log.AppendMirror(t.Context(), uint64(from), some); err != nil {
				t.Fatal(err)
			}
		}
		return created(t)
	}
	for _, tc := range []struct {
		what   string
		holds  int
		change func(*eventlog.Record)
		anew   bool
	}{
		{"the beginning of a commit", 1 + 3*300 + 2, nil, false},
		{"another body last", 900, func(r *eventlog.Record) { r.Body = append(r.Body, 8, 1) }, true},
		{"another epoch", 1, func(r *eventlog.Record) { r.Header["ce-cursor"] = []string{"AQAAAAAAAAAC"} }, true},
	} {
		t.Run(tc.what, func(t *testing.T) {
			before := holding(t, tc.holds, tc.change)
			_, stop := beginAgain(t, config)
			defer stop()
			if tc.anew {
				isAnew(t, before)
			}
			o.reaches(head)
			same(t, tc.anew, before)
		})
	}
	t.Run("more than the log", func(t *testing.T) {
		before := holding(t, len(first), nil)
		more := eventlog.Record{Subject: "registry.ledger.log.X", Body: []byte{}, Header: first[0].Header()}
		if err := o.log.AppendMirror(t.Context(), head, []eventlog.Record{more}); err != nil {
			t.Fatal(err)
		}
		_, stop := beginAgain(t, config)
		defer stop()
		isAnew(t, before)
		o.reaches(head)
		same(t, true, before)
	})
	t.Run("another public address", func(t *testing.T) {
		before := holding(t, len(first), nil)
		moved := config
		moved.PublicURL = "https://registre.example.org/"
		_, stop := beginAgain(t, moved)
		defer stop()
		isAnew(t, before)
		if e := o.all(o.reaches(head))[5]; e.DataSchema != "https://registre.example.org/schemas/maillage/topology/v1/event.proto" {
			t.Errorf("the schema of %s is at %q", e.ID, e.DataSchema)
		}
	})
}

// TestCloudEventsComeBack: a stream of CloudEvents that an outside broker lost while the register
// runs is filled again, and the durable is there again.
func TestCloudEventsComeBack(t *testing.T) {
	o, data := newOutside(t), t.TempDir()
	r := asked(t, begin(t, serve.Config{Data: data, URL: o.url, GRPC: "127.0.0.1:0", HTTP: "off"}))
	r.add(t, "bndmr", true)
	for n := range 3 {
		r.record(t, fmt.Sprint("F", n))
		head := o.reaches(uint64(4 + n))
		if err := o.js.DeleteStream(t.Context(), "CLOUDEVENTS"); err != nil {
			t.Fatal(err)
		}
		r.record(t, fmt.Sprint("G", n))
		if again := o.reaches(head + 1); len(o.all(again)) != int(again) {
			t.Error("it is not whole")
		}
		s, err := o.js.Stream(t.Context(), "CLOUDEVENTS")
		if err == nil {
			_, err = s.Consumer(t.Context(), "bndmr")
		}
		if err != nil {
			t.Error(err)
		}
	}
	head := o.reaches(0)
	if err := o.js.DeleteStream(t.Context(), "CLOUDEVENTS"); err != nil {
		t.Fatal(err)
	}
	if again := o.reaches(0); again != head { // though nothing is recorded
		t.Errorf("it ends at %d", again)
	}
}

// BenchmarkCloudEvents is the first filling of a stream of 100,000 CloudEvents.
func BenchmarkCloudEvents(b *testing.B) {
	o, data := newOutside(b), b.TempDir()
	grown(b, o.log, filepath.Join(data, "ledger"), 100_000)
	ctx, cancel := context.WithCancel(context.Background())
	at, ended := make(chan serve.Addresses, 1), make(chan error, 1)
	go func() {
		ended <- serve.Run(ctx, serve.Config{Data: data, URL: o.url, GRPC: "127.0.0.1:0", HTTP: "off"}, func(a serve.Addresses) { at <- a })
	}()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	}()
	r := asked(b, <-at)
	filled := uint64(0)
	for b.Loop() {
		r.add(b, "bndmr", true)
		filled += o.reaches(100_000)
		r.remove(b, "bndmr")
	}
	b.ReportMetric(float64(filled)/b.Elapsed().Seconds(), "events/s")
}

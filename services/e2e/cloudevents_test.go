package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"maillage/proto/cloudevent"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/eventlog"
	maillagejs "maillage/services/eventlog/jetstream"
	"maillage/services/identifier"
	"maillage/services/ledger"
)

// madeUp makes a data directory whose two stores hold n facts, one a commit.
func madeUp(t *testing.T, n int) (data string) {
	t.Helper()
	data = t.TempDir()
	broker := startBroker(t, filepath.Join(data, "nats"), "127.0.0.1:0")
	defer broker.Shutdown()
	log, err := maillagejs.Connect(t.Context(), broker.URL(), maillagejs.ConnectOptions{})
	must(t, err)
	defer log.Close()
	store, err := ledger.Open(filepath.Join(data, "ledger"), "")
	must(t, err)
	defer func() { must(t, store.Close()) }()
	id, now := identifier.NewID(), timestamppb.Now()
	meta := func(request string) *eventv1.Meta {
		return &eventv1.Meta{Schema: 1, RecordTime: now, CommitSize: 1, RequestId: request, RequestDigest: make([]byte, 32), Basis: &eventv1.Basis{Source: "test", Evidence: eventv1.Evidence_EVIDENCE_STATED}}
	}
	subject, fact := "registry.ledger.log."+id, proto.Message(&ledgerv1.Event{Meta: meta(""), Fact: &ledgerv1.Event_LogOpened{LogOpened: &ledgerv1.LogOpened{LogId: id, Origin: "test"}}})
	var some []eventlog.Record
	for at := range n {
		body, err := proto.Marshal(fact)
		must(t, err)
		some = append(some, eventlog.Record{Position: uint64(at + 1), Subject: subject, Body: body})
		if len(some) == 10_000 || at == n-1 {
			must(t, log.Append(t.Context(), some[0].Position-1, some))
			_, err := store.Append(some)
			must(t, err)
			some = nil
		}
		centre := identifier.NewID()
		subject, fact = "registry.topology.centre."+centre, &topologyv1.Event{
			Meta: meta(fmt.Sprint("r", at)),
			Fact: &topologyv1.Event_CentreRegistered{CentreRegistered: &topologyv1.CentreRegistered{CentreId: centre, Name: fmt.Sprint("Centre ", at)}},
		}
	}
	return data
}

// TestCloudEventsKilled kills the process while it fills the stream of CloudEvents: it goes on
// where it was, and the consumer is handed each position once, with the root of the ledger.
// Removed, he is cut within a second.
func TestCloudEventsKilled(t *testing.T) {
	const n = 15_000
	data, key := madeUp(t, n), filepath.Join(t.TempDir(), "bndmr.nk")
	s := up(t, data)
	answer := added(t, s, "bndmr", key, "--cloudevents")
	access, _ := answer["access"].(map[string]any)
	if access["stream"] != "CLOUDEVENTS" || access["durable"] != "bndmr" {
		t.Errorf("it is told %v", access)
	}
	o := ofCloudEvents(t, "bndmr", s.nats, key)
	js, err := jetstream.NewWithAPIPrefix(o.nc, "maillage.api")
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, err := js.Consumer(ctx, "CLOUDEVENTS", "bndmr")
	must(t, err)
	_, err = c.Next(jetstream.FetchContext(ctx)) // it has begun
	must(t, err)
	s.kill()

	broker := startBroker(t, filepath.Join(data, "nats"), "127.0.0.1:0")
	log, err := maillagejs.Connect(t.Context(), broker.URL(), maillagejs.ConnectOptions{})
	must(t, err)
	end, err := log.MirrorEnd(t.Context())
	if err != nil || end.Position == 0 || end.Position >= n {
		t.Fatalf("killed in the middle it ends at %d, %v", end.Position, err)
	}
	t.Logf("killed at %d of %d", end.Position, n)
	log.Close()
	broker.Shutdown()

	s = up(t, data, "--nats", strings.TrimPrefix(s.nats, "nats://"))
	fill(t, s, "after-", 3)
	o.follow()
	if o.tree.Size() != size(t, s) {
		t.Errorf("it was handed %d positions", o.tree.Size())
	}
	if text, _ := s.log.get(); strings.Contains(text, "made anew") {
		t.Error("it is not gone on with")
	}
	if out, errs, code := s.cli("consumer", "list"); code != 0 || !strings.Contains(out, "CLOUDEVENTS") {
		t.Errorf("the list: %d %s%s", code, out, errs)
	}
	select {
	case <-o.lost: // by the kill
	default:
	}
	removing := time.Now()
	if out, errs, code := s.cli("consumer", "remove", "bndmr"); code != 0 {
		t.Fatalf("consumer remove: %d %s%s", code, out, errs)
	}
	select {
	case <-o.lost:
	case <-time.After(time.Until(removing.Add(time.Second))):
		t.Error("it is not cut a second after it was removed")
	}
	s.stop()
}

// TestCloudEventsNewEpoch brings both stores back from a backup and lets them go on in a new
// epoch, but for the stream of CloudEvents, which holds the tail that was lost: it is made anew.
// A consumer who looks at the last event that he holds, as he is told to, sees it.
func TestCloudEventsNewEpoch(t *testing.T) {
	data, backup, tail := t.TempDir(), t.TempDir(), t.TempDir()
	copied, key := filepath.Join(t.TempDir(), "head"), filepath.Join(t.TempDir(), "bndmr.nk")
	s := up(t, data, "--head-copy", copied, "--public-url", "https://registre.example.org")
	added(t, s, "bndmr", key, "--cloudevents")
	fill(t, s, "kept-", 3)
	s.stop()
	copyTree(t, data, backup)
	s = up(t, data, "--head-copy", copied, "--public-url", "https://registre.example.org")
	fill(t, s, "lost-", 5)
	o := ofCloudEvents(t, "bndmr", s.nats, key)
	o.follow()
	held := o.held
	s.stop()
	stream := filepath.Join("nats", "jetstream", "$G", "streams", "CLOUDEVENTS")
	copyTree(t, filepath.Join(data, stream), tail)
	copyTree(t, backup, data)
	copyTree(t, tail, filepath.Join(data, stream))
	if out, errs, code := verb(t, "restore", "--new-epoch", "--reason", "drill", "--data", data, "--head-copy", copied); code != 0 {
		t.Fatalf("new epoch: exit code %d\n%s%s", code, out, errs)
	}
	s = up(t, data, "--head-copy", copied, "--public-url", "https://registre.example.org")
	fill(t, s, "again-", 6)
	s.await("made anew")
	again := ofCloudEvents(t, "bndmr", s.nats, key)
	again.follow() // from position 1, to the root of the ledger
	if at := eventOver(t, s, again.held.ID); !reflect.DeepEqual(at, again.held) {
		t.Errorf("over NATS\n%+v\nover HTTP\n%+v", again.held, at)
	}
	js, err := jetstream.NewWithAPIPrefix(again.nc, "maillage.api")
	must(t, err)
	var position uint64
	_, err = fmt.Sscan(held.ID, &position)
	must(t, err)
	_, err = js.ResetConsumerToSequence(t.Context(), "CLOUDEVENTS", "bndmr", position)
	must(t, err)
	c, err := js.Consumer(t.Context(), "CLOUDEVENTS", "bndmr")
	must(t, err)
	m, err := c.Next()
	must(t, err)
	now, err := cloudevent.Read(m.Headers(), m.Data())
	must(t, err)
	if now.ID != held.ID || now.Cursor == held.Cursor || now.Cursor == "" || now.Source != held.Source {
		t.Errorf("at %s he held %s and is handed %s at %s", held.ID, held.Cursor, now.Cursor, now.ID)
	}
	s.stop()
}

// eventOver is an event over HTTP, as it would be in binary mode.
func eventOver(t *testing.T, s *server, id string) *cloudevent.Event {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+field(s.await("msg=ready"), "http=")+"/v1/events/"+id, http.NoBody)
	must(t, err)
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	defer resp.Body.Close()
	e := &cloudevent.Event{}
	must(t, json.NewDecoder(resp.Body).Decode(e))
	e.Data, e.DataContentType = nil, "application/protobuf"
	return e
}

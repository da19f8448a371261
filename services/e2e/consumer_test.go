package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/protobuf/proto"

	"maillage/proto/cloudevent"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	"maillage/proto/merkle"
	"maillage/services/serve"
)

// outsider follows at the broker with a file of credentials, nats.go and the documents.
type outsider struct {
	t      *testing.T
	name   string
	stream string
	nc     *nats.Conn
	tree   merkle.Tree       // of what it was handed
	held   *cloudevent.Event // the last one, where these are CloudEvents
	lost   chan struct{}
}

// follower connects with the key in a file.
func follower(t *testing.T, name, url, key string) *outsider {
	t.Helper()
	o := &outsider{t: t, name: name, stream: "REGISTRY", lost: make(chan struct{}, 1)}
	proof, err := nats.NkeyOptionFromSeed(key)
	must(t, err)
	o.nc, err = nats.Connect(url, proof, nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond), nats.Timeout(500*time.Millisecond),
		nats.DisconnectErrHandler(func(*nats.Conn, error) {
			select {
			case o.lost <- struct{}{}:
			default:
			}
		}))
	must(t, err)
	t.Cleanup(o.nc.Close)
	return o
}

// ofCloudEvents connects with the key in a file, to be handed CloudEvents.
func ofCloudEvents(t *testing.T, name, url, key string) *outsider {
	t.Helper()
	o := follower(t, name, url, key)
	o.stream = "CLOUDEVENTS"
	return o
}

// follow sets the durable to what it holds, takes what it is handed until it holds the head
// that is announced, and compares the root.
func (o *outsider) follow() {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), 20*time.Second)
	defer cancel()
	head := o.head(ctx)
	js, err := jetstream.NewWithAPIPrefix(o.nc, "maillage.api")
	must(o.t, err)
	c, err := js.Consumer(ctx, o.stream, o.name)
	must(o.t, err)
	_, err = js.ResetConsumerToSequence(ctx, o.stream, o.name, o.tree.Size()+1)
	must(o.t, err)
	for o.tree.Size() < head.GetSize() {
		m, err := c.Next(jetstream.FetchContext(ctx))
		must(o.t, err)
		of, err := m.Metadata()
		must(o.t, err)
		if at := of.Sequence.Stream; at != o.tree.Size()+1 {
			o.t.Fatalf("it was handed position %d after %d", at, o.tree.Size())
		}
		subject := m.Subject()
		if o.stream == "CLOUDEVENTS" {
			o.held, err = cloudevent.Read(m.Headers(), m.Data())
			must(o.t, err)
			if subject = o.held.Subject; o.held.ID != fmt.Sprint(o.tree.Size()+1) || m.Subject() != "cloudevents."+strings.TrimPrefix(subject, "registry.") {
				o.t.Fatalf("after %d comes %s under %s", o.tree.Size(), o.held.ID, m.Subject())
			}
		}
		o.tree.Append(tlog.RecordHash(merkle.AppendLeaf(nil, o.tree.Size()+1, subject, m.Data())))
		must(o.t, m.DoubleAck(ctx))
	}
	if got := o.tree.Root(); !bytes.Equal(got[:], head.GetRoot()) {
		o.t.Errorf("at %d its root is %v, and %v was announced", o.tree.Size(), got, head)
	}
}

// head asks for the head announced last.
func (o *outsider) head(ctx context.Context) *ledgerv1.Head {
	o.t.Helper()
	for {
		m, err := o.nc.RequestWithContext(ctx, "ledger.head.get", nil)
		if errors.Is(err, nats.ErrNoResponders) || errors.Is(err, nats.ErrDisconnected) {
			continue // the register starts
		}
		must(o.t, err)
		h := &ledgerv1.Head{}
		must(o.t, proto.Unmarshal(m.Data, h))
		return h
	}
}

// added adds a consumer through the binary.
func added(t *testing.T, s *server, name, key string, more ...string) map[string]any {
	t.Helper()
	out, errs, code := s.cli(append([]string{"consumer", "add", name, "--key", key, "--json"}, more...)...)
	if code != 0 {
		t.Fatalf("consumer add: %d %s", code, errs)
	}
	return lines(t, out)[0]
}

// TestConsumer lets somebody follow at the broker: with the file it was given it follows to
// the root of the ledger, through a kill, and is cut within a second when it is removed.
func TestConsumer(t *testing.T) {
	data, key := t.TempDir(), filepath.Join(t.TempDir(), "bndmr.nk")
	s := up(t, data)
	fill(t, s, "first-", 5)
	answer := added(t, s, "bndmr", key)
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key is kept as %v, %v", info.Mode(), err)
	}
	access, _ := answer["access"].(map[string]any)
	url := fmt.Sprint(access["url"])
	if url != s.nats || access["stream"] != "REGISTRY" || access["durable"] != "bndmr" {
		t.Errorf("it is told %v, and the broker is at %s", access, s.nats)
	}
	o := follower(t, "bndmr", url, key)
	o.follow()
	s.kill()
	s = up(t, data, "--nats", strings.TrimPrefix(url, "nats://"))
	fill(t, s, "second-", 3)
	o.follow() // over the same connection

	out, _, _ := s.cli("consumer", "list", "--json")
	if one := lines(t, out)[0]; one["name"] != "bndmr" || one["acknowledgedPosition"] != fmt.Sprint(o.tree.Size()) {
		t.Errorf("it is listed as %v", one)
	}
	if out, errs, code := s.cli("consumer", "list"); code != 0 || !strings.Contains(out, "bndmr") {
		t.Errorf("the list: %d %s%s", code, out, errs)
	}
	if nc, err := nats.Connect(url); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("somebody without a key connects: %v", err)
		nc.Close()
	}
	// Whatever was lost on the way before.
	select {
	case <-o.lost:
	default:
	}
	removing := time.Now()
	if out, errs, code := s.cli("consumer", "remove", "bndmr", "--reason", "fin de la convention"); code != 0 || !strings.Contains(out, "fermé") {
		t.Fatalf("consumer remove: %d %s%s", code, out, errs)
	}
	select {
	case <-o.lost:
		t.Logf("cut %v after the verb was called", time.Since(removing))
	case <-time.After(time.Until(removing.Add(time.Second))):
		t.Error("it is not cut a second after it was removed")
	}
	proof, err := nats.NkeyOptionFromSeed(key)
	must(t, err)
	if _, err := nats.Connect(url, proof); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("it connects again: %v", err)
	}
	s.stop()
	s = up(t, data, "--nats", strings.TrimPrefix(url, "nats://"))
	if _, err := nats.Connect(url, proof); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("it connects again to another process: %v", err)
	}
	s.stop()
}

// TestConsumerVerbs: what the verbs refuse, in French, with nothing left behind.
func TestConsumerVerbs(t *testing.T) {
	s, dir := start(t, t.TempDir()), t.TempDir()
	fill(t, s, "centre-", 1)
	key := func(name string) string { return filepath.Join(dir, name) }
	first := added(t, s, "bndmr", key("1.nk"), "--request-id", "r1", "--context", "labelling,topology")
	if again := added(t, s, "bndmr", key("1.nk"), "--request-id", "r1", "--context", "labelling,topology"); again["position"] != first["position"] {
		t.Errorf("repeated it is recorded at %v, and was at %v", again["position"], first["position"])
	}
	must(t, os.WriteFile(key("note.txt"), []byte("no key"), 0o600))
	for name, tc := range map[string]struct {
		args []string
		code int
		says string
	}{
		"a name twice":      {[]string{"add", "bndmr", "--key", key("2.nk")}, 3, "CONSUMER_EXISTS"},
		"a key twice":       {[]string{"add", "orphanet", "--key", key("1.nk")}, 3, "CONSUMER_KEY_USED"},
		"a name with a dot": {[]string{"add", "bn.dmr", "--key", key("2.nk")}, 2, "s'écrit en minuscules"},
		"a wildcard":        {[]string{"add", "*", "--key", key("2.nk")}, 2, "s'écrit en minuscules"},
		"a long name":       {[]string{"add", strings.Repeat("a", 33), "--key", key("2.nk")}, 2, "s'écrit en minuscules"},
		"another context":   {[]string{"add", "orphanet", "--key", key("2.nk"), "--context", "vault"}, 2, ""},
		"a file of another": {[]string{"add", "orphanet", "--key", key("note.txt")}, 2, "n'est pas une clé"},
		"removing nobody":   {[]string{"remove", "orphanet"}, 4, "CONSUMER_UNKNOWN"},
	} {
		t.Run(name, func(t *testing.T) {
			out, errs, code := s.cli(append([]string{"consumer"}, tc.args...)...)
			if code != tc.code || !strings.Contains(errs, tc.says) {
				t.Errorf("exit code %d, want %d %s\n%s%s", code, tc.code, tc.says, out, errs)
			}
			if _, err := os.Stat(key("2.nk")); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a key is left behind: %v", err)
				must(t, os.Remove(key("2.nk")))
			}
		})
	}
	if _, errs, code := s.cli("consumer", "remove", "bndmr"); code != 0 {
		t.Errorf("removing: %d %s", code, errs)
	}
	if _, errs, code := s.cli("consumer", "remove", "bndmr"); code != 3 || !strings.Contains(errs, "CONSUMER_REMOVED") {
		t.Errorf("removing again: %d %s", code, errs)
	}
	r, err := feedv1.NewConsumerServiceClient(s.dial()).ListConsumers(t.Context(), &feedv1.ListConsumersRequest{})
	if err != nil || len(r.GetConsumers()) != 0 {
		t.Errorf("listed: %v, %v", r, err)
	}
}

// TestConsumerAfterRestore rebuilds the stream from the ledger: the key is still good, and
// the durable, made again, begins at the beginning of the same log.
func TestConsumerAfterRestore(t *testing.T) {
	data, dir := t.TempDir(), t.TempDir()
	s := up(t, data)
	added(t, s, "bndmr", filepath.Join(dir, "1.nk"))
	added(t, s, "orphanet", filepath.Join(dir, "2.nk"))
	added(t, s, "filnemus", filepath.Join(dir, "3.nk"), "--cloudevents")
	fill(t, s, "centre-", 3)
	follower(t, "bndmr", s.nats, filepath.Join(dir, "1.nk")).follow()
	ofCloudEvents(t, "filnemus", s.nats, filepath.Join(dir, "3.nk")).follow()
	if _, errs, code := s.cli("consumer", "remove", "orphanet"); code != 0 {
		t.Fatal(errs)
	}
	s.stop()
	must(t, os.RemoveAll(filepath.Join(data, "nats")))
	if out, errs, code := verb(t, "restore", "--stream", "--data", data); code != 0 {
		t.Fatalf("restore: exit code %d\n%s%s", code, out, errs)
	}
	broker := startBroker(t, filepath.Join(data, "nats"), "127.0.0.1:0") // before any process of the register
	nc, err := nats.Connect(broker.URL())
	must(t, err)
	js, err := jetstream.New(nc)
	must(t, err)
	if _, err := js.Consumer(t.Context(), "REGISTRY", "bndmr"); err != nil {
		t.Errorf("the durable after the restore: %v", err)
	}
	if _, err := js.Consumer(t.Context(), "CLOUDEVENTS", "filnemus"); err != nil {
		t.Errorf("the durable of CloudEvents after the restore: %v", err)
	}
	if _, err := js.Consumer(t.Context(), "REGISTRY", "orphanet"); !errors.Is(err, jetstream.ErrConsumerNotFound) {
		t.Errorf("the durable that was removed before: %v", err)
	}
	nc.Close()
	broker.Shutdown()
	s = up(t, data)
	o := follower(t, "bndmr", s.nats, filepath.Join(dir, "1.nk"))
	o.follow()
	ofCloudEvents(t, "filnemus", s.nats, filepath.Join(dir, "3.nk")).follow()
	if o.tree.Size() != 2+3+3+1 {
		t.Errorf("it was handed %d positions", o.tree.Size())
	}
	s.stop()
}

// TestConsumerAtOutsideBroker lets somebody follow at a broker that is not the register's,
// with the settings in deploy/nats: the key is good once the broker was told what the verb
// says, nothing comes any more from the moment of the removal, and the connection ends when
// the broker is told again.
func TestConsumerAtOutsideBroker(t *testing.T) {
	alone(t)
	for _, p := range serve.Parts {
		t.Setenv("MAILLAGE_"+strings.ToUpper(string(p))+"_PASSWORD", "pass-of-"+string(p))
	}
	dir, store := t.TempDir(), t.TempDir()
	copyTree(t, "../../deploy/nats", dir)
	settings := func() *natsserver.Options {
		options, err := natsserver.ProcessConfigFile(filepath.Join(dir, "registry.conf"))
		must(t, err)
		options.Port, options.StoreDir, options.NoSigs, options.NoLog = natsserver.RANDOM_PORT, store, true, true
		return options
	}
	broker, err := natsserver.NewServer(settings())
	must(t, err)
	go broker.Start()
	defer broker.WaitForShutdown()
	defer broker.Shutdown()
	if !broker.ReadyForConnections(10 * time.Second) {
		t.Fatal("the broker is not ready")
	}
	at := "nats://" + broker.Addr().String()
	s := eachAlone(t, t.TempDir(), func(p serve.Part) string { return fmt.Sprintf("nats://%s:pass-of-%s@%s", p, p, broker.Addr()) })
	fill(t, s, "centre-", 3)

	key := filepath.Join(t.TempDir(), "bndmr.nk")
	answer := added(t, s, "bndmr", key)
	if access, _ := answer["access"].(map[string]any); access["url"] != at {
		t.Errorf("it is told %v, and the broker is at %s", access, at)
	}
	out, _, _ := s.cli("consumer", "list", "--broker-settings")
	if out != answer["brokerSettings"] {
		t.Errorf("the settings are\n%s\nand were\n%s", out, answer["brokerSettings"])
	}
	tell := func(text string) {
		must(t, os.WriteFile(filepath.Join(dir, "consumers.conf"), []byte(text), 0o600))
		must(t, broker.ReloadOptions(settings()))
	}
	tell(out)
	tell(out) // what a new account imports is joined to it by the second reload only
	o := follower(t, "bndmr", at, key)
	o.follow()

	ceKey := filepath.Join(t.TempDir(), "orphanet.nk")
	both, _ := added(t, s, "orphanet", ceKey, "--cloudevents")["brokerSettings"].(string)
	tell(both)
	tell(both)
	ce := ofCloudEvents(t, "orphanet", at, ceKey)
	ce.follow()
	fill(t, s, "meanwhile-", 2)
	ce.follow()
	for _, subject := range []string{"cloudevents.topology.centre.C000000001", "$JS.API.STREAM.DELETE.CLOUDEVENTS", "maillage.api.CONSUMER.INFO.REGISTRY.orphanet", "maillage.api.CONSUMER.INFO.CLOUDEVENTS.bndmr"} {
		must(t, ce.nc.Publish(subject, nil))
		must(t, ce.nc.Flush())
		if err := ce.nc.LastError(); !errors.Is(err, nats.ErrPermissionViolation) {
			t.Errorf("it published %s: %v", subject, err)
		}
	}
	if out, errs, code := s.cli("consumer", "remove", "orphanet"); code != 0 {
		t.Fatalf("%s%s", out, errs)
	}
	if m, err := ce.nc.Request("maillage.api.CONSUMER.MSG.NEXT.CLOUDEVENTS.orphanet", []byte(`{"batch":1,"expires":100000000}`), 200*time.Millisecond); err == nil && len(m.Data) > 0 {
		t.Errorf("after its removal it was handed %s", m.Subject)
	}

	for _, subject := range []string{"registry.topology.centre.C000000001", "$JS.API.STREAM.DELETE.REGISTRY", "$JS.API.CONSUMER.INFO.REGISTRY.bndmr", "ledger.head", "$JS.API.CONSUMER.CREATE.REGISTRY"} {
		must(t, o.nc.Publish(subject, nil))
		must(t, o.nc.Flush())
		if err := o.nc.LastError(); !errors.Is(err, nats.ErrPermissionViolation) {
			t.Errorf("it published %s: %v", subject, err)
		}
	}
	must(t, o.nc.PublishRequest("maillage.api.CONSUMER.MSG.NEXT.REGISTRY.bndmr", "$JS.API.STREAM.DELETE.REGISTRY", []byte(`{"batch":1,"no_wait":true}`)))
	must(t, o.nc.Flush())

	out, errs, code := s.cli("consumer", "remove", "bndmr", "--json")
	if code != 0 {
		t.Fatal(errs)
	}
	fill(t, s, "later-", 1) // the stream is there
	if m, err := o.nc.Request("maillage.api.CONSUMER.MSG.NEXT.REGISTRY.bndmr", []byte(`{"batch":1,"expires":100000000}`), 200*time.Millisecond); err == nil && len(m.Data) > 0 {
		t.Errorf("after its removal it was handed %s", m.Subject)
	}
	left, _ := lines(t, out)[0]["brokerSettings"].(string)
	if strings.Contains(left, "bndmr") {
		t.Errorf("the settings that remain: %s", left)
	}
	tell(left)
	select {
	case <-o.lost:
	case <-time.After(time.Second):
		t.Error("it is connected a second after the broker was told")
	}
	for _, p := range s.services {
		if text, _ := p.log.get(); strings.Contains(text, "ermissions") {
			t.Errorf("a service was not permitted something:\n%s", text)
		}
	}
}

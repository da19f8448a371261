package serve_test

import (
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	"maillage/services/eventlog/jetstream"
	"maillage/services/fault"
	"maillage/services/serve"
	"maillage/services/submit"
)

// consumersOf asks a process as an officer.
func consumersOf(t *testing.T, c serve.Config) feedv1.ConsumerServiceClient {
	t.Helper()
	c.GRPC, c.HTTP = "127.0.0.1:0", "off"
	conn, err := grpc.NewClient(begin(t, c).GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithUnaryInterceptor(submit.Connect("officer")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return feedv1.NewConsumerServiceClient(conn)
}

func newKey(t *testing.T) string {
	t.Helper()
	_, public, err := jetstream.NewSeed()
	if err != nil {
		t.Fatal(err)
	}
	return public
}

var agreement = &eventv1.Basis{Source: "agreement", Evidence: eventv1.Evidence_EVIDENCE_STATED}

// TestConsumerRequests: what is refused for its form is recorded nowhere, and a request that
// is repeated is done once.
func TestConsumerRequests(t *testing.T) {
	client := consumersOf(t, serve.Config{Data: t.TempDir(), NATS: "127.0.0.1:0"})
	key := newKey(t)
	other := "A"
	if key[20] == 'A' {
		other = "B"
	}
	mistyped := key[:20] + other + key[21:] // its check fails
	for name, tc := range map[string]struct {
		when *feedv1.AddConsumerRequest
		not  string
	}{
		"no basis":            {&feedv1.AddConsumerRequest{Name: "bndmr", PublicKey: key}, "REQUEST_INVALID basis"},
		"a basis of nothing":  {&feedv1.AddConsumerRequest{Basis: &eventv1.Basis{}, Name: "bndmr", PublicKey: key}, "BASIS_MISSING basis"},
		"no name":             {&feedv1.AddConsumerRequest{Basis: agreement, PublicKey: key}, "REQUEST_INVALID name"},
		"two tokens":          {&feedv1.AddConsumerRequest{Basis: agreement, Name: "bn.dmr", PublicKey: key}, "REQUEST_INVALID name"},
		"a wildcard":          {&feedv1.AddConsumerRequest{Basis: agreement, Name: "*", PublicKey: key}, "REQUEST_INVALID name"},
		"all that follows":    {&feedv1.AddConsumerRequest{Basis: agreement, Name: ">", PublicKey: key}, "REQUEST_INVALID name"},
		"a space":             {&feedv1.AddConsumerRequest{Basis: agreement, Name: "bn dmr", PublicKey: key}, "REQUEST_INVALID name"},
		"a line":              {&feedv1.AddConsumerRequest{Basis: agreement, Name: "bndmr\n", PublicKey: key}, "REQUEST_INVALID name"},
		"a path":              {&feedv1.AddConsumerRequest{Basis: agreement, Name: "../bndmr", PublicKey: key}, "REQUEST_INVALID name"},
		"capitals":            {&feedv1.AddConsumerRequest{Basis: agreement, Name: "BNDMR", PublicKey: key}, "REQUEST_INVALID name"},
		"too long":            {&feedv1.AddConsumerRequest{Basis: agreement, Name: strings.Repeat("a", 33), PublicKey: key}, "REQUEST_INVALID name"},
		"a secret key":        {&feedv1.AddConsumerRequest{Basis: agreement, Name: "bndmr", PublicKey: "S" + key}, "REQUEST_INVALID public_key"},
		"an account's key":    {&feedv1.AddConsumerRequest{Basis: agreement, Name: "bndmr", PublicKey: "A" + key[1:]}, "REQUEST_INVALID public_key"},
		"a mistyped key":      {&feedv1.AddConsumerRequest{Basis: agreement, Name: "bndmr", PublicKey: mistyped}, "CONSUMER_KEY_INVALID public_key"},
		"an unknown context":  {&feedv1.AddConsumerRequest{Basis: agreement, Name: "bndmr", PublicKey: key, Contexts: []string{"vault"}}, "REQUEST_INVALID contexts[0]"},
		"one context twice":   {&feedv1.AddConsumerRequest{Basis: agreement, Name: "bndmr", PublicKey: key, Contexts: []string{"ledger", "ledger"}}, "REQUEST_INVALID contexts"},
		"a context of a star": {&feedv1.AddConsumerRequest{Basis: agreement, Name: "bndmr", PublicKey: key, Contexts: []string{"*"}}, "REQUEST_INVALID contexts[0]"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := client.AddConsumer(t.Context(), tc.when)
			own, _ := fault.FromStatus(err)
			if own == nil || own.Reason+" "+own.Field != tc.not {
				t.Errorf("answered %v, %v; want %s", r, err, tc.not)
			}
		})
	}
	before, err := client.ListConsumers(t.Context(), &feedv1.ListConsumersRequest{})
	if err != nil || len(before.GetConsumers()) > 0 || before.GetPosition() != 2 {
		t.Fatalf("listed %v, %v", before, err)
	}
	req := &feedv1.AddConsumerRequest{RequestId: "r1", Basis: agreement, Name: "bndmr", PublicKey: key}
	for range 2 {
		if r, err := client.AddConsumer(t.Context(), req); err != nil || r.GetPosition() != 3 || r.GetBrokerSettings() != "" {
			t.Errorf("answered %v, %v", r, err)
		}
	}
	end := &feedv1.RemoveConsumerRequest{RequestId: "r2", Basis: agreement, Name: "bndmr"}
	for range 2 {
		if r, err := client.RemoveConsumer(t.Context(), end); err != nil || r.GetPosition() != 4 {
			t.Errorf("answered %v, %v", r, err)
		}
	}
	req.PublicKey = newKey(t)
	if _, err := client.AddConsumer(t.Context(), req); err == nil || !strings.Contains(err.Error(), "request_id") {
		t.Errorf("the same request id for another key: %v", err)
	}
}

// TestNobodyFollowsAtAClosedBroker: where the broker has no address there is nothing to
// let anybody in to.
func TestNobodyFollowsAtAClosedBroker(t *testing.T) {
	client := consumersOf(t, serve.Config{Data: t.TempDir(), NATS: "off"})
	_, err := client.AddConsumer(t.Context(), &feedv1.AddConsumerRequest{Basis: agreement, Name: "bndmr", PublicKey: newKey(t)})
	if own, _ := fault.FromStatus(err); own == nil || own.Reason != "BROKER_CLOSED" {
		t.Errorf("answered %v", err)
	}
}

// TestConsumersAreOfTheLogsVault: a process that keeps the ledger beside another vault than
// the log's would take its officers for other people, and lets nobody in.
func TestConsumersAreOfTheLogsVault(t *testing.T) {
	broker, err := jetstream.StartServer(t.Context(), jetstream.Options{Dir: filepath.Join(t.TempDir(), "nats"), Addr: "127.0.0.1:0", Anyone: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Shutdown)
	dir := t.TempDir()
	client := consumersOf(t, serve.Config{Parts: []serve.Part{serve.Ledger}, Data: filepath.Join(dir, "1"), URL: broker.URL()})
	add := &feedv1.AddConsumerRequest{Basis: agreement, Name: "bndmr", PublicKey: newKey(t)}
	for range 2 { // before a vault is bound, and once another is
		_, err = client.AddConsumer(t.Context(), add)
		if own, _ := fault.FromStatus(err); own == nil || own.Reason != "VAULT_OTHER" {
			t.Errorf("answered %v", err)
		}
		begin(t, serve.Config{Parts: []serve.Part{serve.Topology}, Data: filepath.Join(dir, "2"), URL: broker.URL(), GRPC: "127.0.0.1:0", HTTP: "off"})
	}
}

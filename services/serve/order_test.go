package serve_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/eventlog/jetstream"
	"maillage/services/fault"
	"maillage/services/registry/postgres/postgrestest"
	"maillage/services/serve"
	"maillage/services/submit"
)

// free is an address that nothing listens on.
func free(t *testing.T) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	return lis.Addr().String()
}

// waiting polls until the readiness of a process says something, or is ready for "".
func waiting(t *testing.T, http string, says string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for last := ""; ; {
		code, body := get(http)
		if last = body; code == 200 && says == "" || says != "" && code == 503 && strings.Contains(body, says) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("readiness says %q, want %q", last, says)
		}
	}
}

func get(at string) (code int, body string) {
	resp, err := http.Get("http://" + at + "/readyz")
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

// TestAnyOrder starts the services before the broker, and the ledger last of all. Each
// waits, says for what, and refuses calls as unavailable meanwhile.
func TestAnyOrder(t *testing.T) {
	broker, dir := free(t), t.TempDir()
	var https []string
	var configs []serve.Config
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 8)
	start := func(parts ...serve.Part) {
		c := serve.Config{
			Parts: parts, URL: "nats://" + broker, Data: filepath.Join(dir, string(parts[0])), Vault: filepath.Join(dir, "vault"),
			GRPC: free(t), HTTP: free(t),
		}
		https, configs = append(https, c.HTTP), append(configs, c)
		go func() { ended <- serve.Run(ctx, c, nil) }()
	}
	t.Cleanup(func() {
		cancel()
		for range configs {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
	start(serve.Registry)
	start(serve.Labelling)
	start(serve.Topology)
	for _, http := range https {
		waiting(t, http, "LOG_UNREACHABLE")
	}
	conn, err := grpc.NewClient(configs[0].GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = registryv1.NewRegistryServiceClient(conn).ListCycles(t.Context(), &registryv1.ListCyclesRequest{})
	if own, ok := fault.FromStatus(err); !ok || status.Code(err) != codes.Unavailable || own.Reason != "LOG_UNREACHABLE" {
		t.Errorf("a read before there is a broker: %v", err)
	}
	health, err := healthv1.NewHealthClient(conn).Check(t.Context(), &healthv1.HealthCheckRequest{Service: "maillage.registry.v1.RegistryService"})
	if err != nil || health.GetStatus() != healthv1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("health before there is a broker: %v, %v", health, err)
	}

	nats, err := jetstream.StartServer(t.Context(), jetstream.Options{Dir: filepath.Join(dir, "nats"), Addr: broker, Anyone: true})
	if err != nil {
		t.Fatal(err)
	}
	defer nats.Shutdown()
	defer cancel() // the services end before their broker
	for _, http := range https {
		waiting(t, http, "LOG_UNOPENED")
	}
	start(serve.Ledger)
	for _, http := range https {
		waiting(t, http, "")
	}
	if _, err := registryv1.NewRegistryServiceClient(conn).ListCycles(t.Context(), &registryv1.ListCyclesRequest{}); err != nil {
		t.Errorf("a read once all is there: %v", err)
	}
}

// TestPrepared: a process is ready once it was prepared, which it is while it can be asked;
// one that could not be says why not.
func TestPrepared(t *testing.T) {
	for name, fails := range map[string]error{"": nil, "NOT_PREPARED": errors.New("the file is torn")} {
		ctx, cancel := context.WithCancel(context.Background())
		ended, ready := make(chan error, 1), make(chan serve.Addresses, 1)
		c := serve.Config{Data: t.TempDir(), NATS: "off", GRPC: "127.0.0.1:0", HTTP: free(t)}
		preparing, prepared := make(chan serve.Addresses, 1), make(chan struct{})
		c.Prepare = func(at serve.Addresses) error {
			preparing <- at
			<-prepared
			return fails
		}
		go func() { ended <- serve.Run(ctx, c, func(a serve.Addresses) { ready <- a }) }()
		at := <-preparing
		waiting(t, c.HTTP, "PREPARING")
		conn, err := grpc.NewClient(at.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := registryv1.NewRegistryServiceClient(conn).ListCycles(ctx, &registryv1.ListCyclesRequest{}); err != nil {
			t.Errorf("a call while it is prepared: %v", err)
		}
		_ = conn.Close()
		close(prepared)
		<-ready
		waiting(t, c.HTTP, name)
		if code, body := get(c.HTTP); fails != nil && !strings.Contains(body, fails.Error()) {
			t.Errorf("readiness says %d %s", code, body)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// TestPreparedWithRows: a process that answers from rows is prepared once they are there;
// until then it takes commands.
func TestPreparedWithRows(t *testing.T) {
	nowhere := "postgres://" + free(t) + "/none"
	for name, url := range map[string]string{"": postgrestest.Database(t), "READ_MODEL_UNAVAILABLE": nowhere} {
		ctx, cancel := context.WithCancel(context.Background())
		ended, prepared := make(chan error, 1), make(chan struct{})
		c := serve.Config{Data: t.TempDir(), NATS: "off", GRPC: free(t), HTTP: free(t), Postgres: url}
		c.Prepare = func(serve.Addresses) error { close(prepared); return nil }
		go func() { ended <- serve.Run(ctx, c, nil) }()
		waiting(t, c.HTTP, name)
		if name == "" {
			<-prepared
		}
		conn, err := grpc.NewClient(c.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		_, err = topologyv1.NewTopologyServiceClient(conn).RegisterFiliere(metadata.AppendToOutgoingContext(t.Context(), submit.IdentityKey, "officer"), &topologyv1.RegisterFiliereRequest{
			Basis: &eventv1.Basis{Source: "test"}, Acronym: "F", Name: "Filière F",
		})
		if err != nil {
			t.Errorf("a command with %q: %v", name, err)
		}
		_ = conn.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// TestOneLedger: of processes that come to keep the ledger at once, one does. The others
// are refused.
func TestOneLedger(t *testing.T) {
	dir := t.TempDir()
	nats, err := jetstream.StartServer(t.Context(), jetstream.Options{Dir: filepath.Join(dir, "nats"), Addr: "127.0.0.1:0", Anyone: true})
	if err != nil {
		t.Fatal(err)
	}
	defer nats.Shutdown()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	const all = 3
	ended, ready := make(chan error, all), make(chan serve.Addresses, all)
	for i := range all {
		c := serve.Config{Parts: []serve.Part{serve.Ledger}, URL: nats.URL(), Data: filepath.Join(dir, strconv.Itoa(i)), GRPC: "127.0.0.1:0", HTTP: "off"}
		go func() { ended <- serve.Run(ctx, c, func(a serve.Addresses) { ready <- a }) }()
	}
	<-ready
	for range all - 1 {
		select {
		case err := <-ended:
			if own, ok := errors.AsType[*fault.Error](err); !ok || own.Reason != "LEDGER_TAKEN" {
				t.Errorf("it ended with %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("two keep the ledger")
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("the one that kept it: %v", err)
	}
}

package e2e

import (
	"context"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/eventlog/jetstream"
	"maillage/services/fault"
)

// part starts parts of the register as a process of their own on an outside broker.
func part(t *testing.T, url string, more ...string) *server {
	t.Helper()
	alone(t)
	s := launch(t, append(append([]string{"serve"}, more...), "--nats", url, "--grpc", "127.0.0.1:0", "--http", "off")...)
	s.awaitReady()
	return s
}

func startBroker(t *testing.T, dir, addr string) *jetstream.Server {
	t.Helper()
	broker, err := jetstream.StartServer(t.Context(), jetstream.Options{Dir: dir, Addr: addr, Anyone: true})
	if err != nil {
		t.Fatal(err)
	}
	return broker
}

// TestTailCutWhileRunning brings the broker back without its tail while every process
// runs. Nothing is acknowledged on the fork: the processes say where it is.
func TestTailCutWhileRunning(t *testing.T) {
	dir, older := filepath.Join(t.TempDir(), "nats"), filepath.Join(t.TempDir(), "older")
	broker := startBroker(t, dir, "127.0.0.1:0")
	url := broker.URL()
	data, vault := t.TempDir(), t.TempDir()
	ledger := part(t, url, "ledger", "--data", data)
	second := launch(t, "serve", "ledger", "--nats", url, "--data", t.TempDir(), "--grpc", "127.0.0.1:0", "--http", "off")
	if code := second.exit(); code != 3 {
		t.Errorf("a second ledger: exit code %d, want 3", code)
	}
	writer := launch(t, "serve", "topology", "registry", "--nats", url, "--data", vault, "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0")
	writer.awaitReady()
	web := "http://" + field(writer.await("msg=ready"), "http=")
	fill(t, writer, "kept-", 5)

	broker.Shutdown()
	copyTree(t, dir, older)
	broker = startBroker(t, dir, strings.TrimPrefix(url, "nats://"))
	fill(t, writer, "lost-", 5)
	head := root(t, writer)

	broker.Shutdown()
	copyTree(t, older, dir)
	broker = startBroker(t, dir, strings.TrimPrefix(url, "nats://"))
	defer broker.Shutdown()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for n := 0; ; n++ {
		call, done := context.WithTimeout(ctx, 2*time.Second)
		_, err := register(call, writer.dial(), "fork-"+strconv.Itoa(n))
		done()
		if err == nil {
			t.Fatal("a command was acknowledged on the fork")
		}
		if e, ok := fault.FromStatus(err); ok && e.Kind == fault.Damaged {
			if e.Reason != "LOG_FORKED" {
				t.Errorf("reason %s: %v", e.Reason, err)
			}
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("the fork was not noticed in 30 s: %v", err)
		}
	}
	if _, err := registryv1.NewRegistryServiceClient(writer.dial()).ListCentres(ctx, &registryv1.ListCentresRequest{}); status.Code(err) != codes.DataLoss {
		t.Errorf("a read on the fork: %v", err)
	}
	for _, s := range []*server{writer, ledger} {
		awaitHalt(ctx, t, s)
	}
	if got := root(t, ledger); got != head {
		t.Errorf("the ledger stands at %s, want %s", got, head)
	}
	for _, path := range []string{"/v1/centres", "/v1/events"} { // it is not said that nothing changed
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, web+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("If-None-Match", "*")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode < 400 {
			t.Errorf("%s on the fork: %s", path, resp.Status)
		}
	}
}

// awaitHalt waits until a process halts, and asks whether its status says why.
func awaitHalt(ctx context.Context, t *testing.T, s *server) {
	t.Helper()
	s.await("msg=\"halted: ")
	resp, err := ledgerv1.NewLedgerServiceClient(s.dial()).GetStatus(ctx, &ledgerv1.GetStatusRequest{})
	if err != nil || resp.GetHalted() == "" {
		t.Fatalf("a process that halted says %v, %v", resp, err)
	}
}

// TestServicesShareOneLog runs three writers on one broker: each sees what the others
// acknowledge, and all end at one root.
func TestServicesShareOneLog(t *testing.T) {
	broker := startBroker(t, filepath.Join(t.TempDir(), "nats"), "127.0.0.1:0")
	defer broker.Shutdown()
	vault := t.TempDir()
	part(t, broker.URL(), "ledger", "--data", t.TempDir())
	var writers []*server
	for range 3 {
		writers = append(writers, part(t, broker.URL(), "topology", "registry", "--data", vault))
	}
	const each = 60
	var wg sync.WaitGroup
	for i, s := range writers {
		conn := s.dial()
		for caller := range 4 {
			wg.Go(func() {
				for n := range each / 4 {
					request := strconv.Itoa(i) + "-" + strconv.Itoa(caller) + "-" + strconv.Itoa(n)
					resp, err := register(t.Context(), conn, request)
					if err != nil {
						t.Error(err)
						return
					}
					other := registryv1.NewRegistryServiceClient(writers[(i+1)%3].dial())
					if _, err := other.GetCentre(t.Context(), &registryv1.GetCentreRequest{
						CentreId: resp.GetCentreId(), AsOf: &registryv1.AsOf{MinPosition: resp.GetPosition()},
					}); err != nil {
						t.Errorf("another process, asked for position %d: %v", resp.GetPosition(), err)
					}
				}
			})
		}
	}
	wg.Wait()
	want := ""
	for _, s := range writers {
		if _, err := registryv1.NewRegistryServiceClient(s.dial()).ListCentres(t.Context(), &registryv1.ListCentresRequest{AsOf: &registryv1.AsOf{MinPosition: 3*each + 2}}); err != nil {
			t.Fatal(err)
		}
		if got := root(t, s); want == "" {
			want = got
		} else if got != want {
			t.Errorf("head %s, another has %s", got, want)
		}
	}
}

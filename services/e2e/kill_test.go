package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/sink"
)

// book is what the callers were told, over all rounds.
type book struct {
	mu    sync.Mutex
	asked map[string]bool   // request ids ever sent
	acked map[string]string // request id: centre id
	at    map[string]uint64 // request id: position
	seen  uint64            // greatest head that a reader was shown
	copy  string            // kept by a follower that is killed with the process
}

func register(ctx context.Context, conn grpc.ClientConnInterface, request string) (*topologyv1.RegisterCentreResponse, error) {
	return topologyv1.NewTopologyServiceClient(conn).RegisterCentre(ctx, &topologyv1.RegisterCentreRequest{
		RequestId: request, Basis: &eventv1.Basis{Source: "kill test", Evidence: eventv1.Evidence_EVIDENCE_STATED}, Name: request,
	})
}

// TestKill kills the process under load, again and again. No acknowledged command is
// lost, none is applied twice, and nothing once seen is ever gone. A follower that is
// killed beside it ends with a copy of all of it, root and all.
func TestKill(t *testing.T) {
	rounds := 10
	if testing.Short() {
		rounds = 3
	}
	if n, err := strconv.Atoi(os.Getenv("MAILLAGE_FAULT_ROUNDS")); err == nil {
		rounds = n
	}
	data := t.TempDir()
	b := &book{asked: map[string]bool{}, acked: map[string]string{}, at: map[string]uint64{}, copy: filepath.Join(t.TempDir(), "copy.jsonl")}
	for round := range rounds {
		s := up(t, data)
		b.settle(t, s)
		b.load(t, s, round)
	}
	s := up(t, data)
	b.settle(t, s)
	b.check(t, s)
	b.followed(t, s)
	t.Logf("%d rounds, %d commands acknowledged", rounds, len(b.acked))
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// load lets callers register centres and readers look, kills the process once some
// were acknowledged, and waits until everyone noticed.
func (b *book) load(t *testing.T, s *server, round int) {
	conn := s.dial()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	follower := exec.CommandContext(t.Context(), binary, "follow", "--sink", "jsonl:"+b.copy, "--server", s.grpc)
	if err := follower.Start(); err != nil {
		t.Fatal(err)
	}
	enough := make(chan struct{})
	var once sync.Once
	var wg sync.WaitGroup
	acked := 0
	for caller := range 16 {
		wg.Go(func() {
			for n := 0; ; n++ {
				request := fmt.Sprintf("r%d-c%d-n%d", round, caller, n)
				b.mu.Lock()
				b.asked[request] = true
				b.mu.Unlock()
				resp, err := register(ctx, conn, request)
				if err != nil {
					return
				}
				b.mu.Lock()
				b.acked[request], b.at[request] = resp.GetCentreId(), resp.GetPosition()
				if acked++; acked > 40+7*(round%11) {
					once.Do(func() { close(enough) })
				}
				b.mu.Unlock()
			}
		})
	}
	wg.Go(func() {
		for {
			resp, err := registryv1.NewRegistryServiceClient(conn).ListCentres(ctx, &registryv1.ListCentresRequest{PageSize: 1})
			if err != nil {
				return
			}
			b.mu.Lock()
			b.seen = max(b.seen, resp.GetResolved().GetHeadPosition())
			b.mu.Unlock()
		}
	})
	select {
	case <-enough:
	case <-ctx.Done():
		t.Error("too few commands were acknowledged in 30 s")
	}
	if round%2 == 0 {
		_ = follower.Process.Kill()
	}
	s.kill()
	wg.Wait()
	_ = follower.Process.Kill()
	_ = follower.Wait()
}

// followed brings the copy up to date and compares its root with that of the ledger.
func (b *book) followed(t *testing.T, s *server) {
	if _, stderr, code := s.cli("follow", "--sink", "jsonl:"+b.copy, "--until-up-to-date"); code != 0 {
		t.Fatalf("the copy does not go on: %d: %s", code, stderr)
	}
	kept, err := sink.Open(t.Context(), "jsonl:"+b.copy)
	if err != nil {
		t.Fatal(err)
	}
	place, err := kept.Place(t.Context())
	if err := errors.Join(err, kept.Close()); err != nil {
		t.Fatal(err)
	}
	own, _ := place.Root()
	if got, want := fmt.Sprintf("%d %v", place.Position, own), root(t, s); got != want {
		t.Errorf("the copy is at %s, the ledger at %s", got, want)
	}
}

// settle asks again for whatever has no answer: it must now get the one answer.
func (b *book) settle(t *testing.T, s *server) {
	conn := s.dial()
	for request := range maps.Clone(b.asked) {
		if _, done := b.acked[request]; done {
			continue
		}
		resp, err := register(t.Context(), conn, request)
		if err != nil {
			t.Fatalf("%s asked again: %v", request, err)
		}
		b.acked[request], b.at[request] = resp.GetCentreId(), resp.GetPosition()
	}
}

// check compares the register with what the callers were told.
func (b *book) check(t *testing.T, s *server) {
	client := registryv1.NewRegistryServiceClient(s.dial())
	held := map[string]string{}
	var head uint64
	for token := ""; ; {
		resp, err := client.ListCentres(t.Context(), &registryv1.ListCentresRequest{PageSize: 1000, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range resp.GetCentres() {
			if other, twice := held[c.GetName()]; twice {
				t.Errorf("%s was applied twice: %s and %s", c.GetName(), other, c.GetCentreId())
			}
			held[c.GetName()] = c.GetCentreId()
		}
		head = resp.GetResolved().GetHeadPosition()
		if token = resp.GetNextPageToken(); token == "" {
			break
		}
	}
	for request, id := range b.acked {
		if held[request] != id {
			t.Errorf("%s was acknowledged as %s at %d and is %q", request, id, b.at[request], held[request])
		}
	}
	if len(held) != len(b.acked) {
		t.Errorf("%d centres for %d commands", len(held), len(b.acked))
	}
	if head < b.seen {
		t.Errorf("a reader was shown position %d and the head is %d", b.seen, head)
	}
}

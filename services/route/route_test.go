package route_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/fault"
	"maillage/services/route"
	"maillage/services/submit"
)

// process serves a few calls, writes down what it was asked, and refuses while down.
type process struct {
	topologyv1.UnimplementedTopologyServiceServer
	registryv1.UnimplementedRegistryServiceServer
	ledgerv1.UnimplementedLedgerServiceServer
	server  *grpc.Server
	address string

	mu    sync.Mutex
	down  bool
	asked []string
}

func (p *process) note(ctx context.Context, what string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	after := strings.Join(metadata.ValueFromIncomingContext(ctx, submit.AfterKey), "")
	p.asked = append(p.asked, strings.Trim(what+" "+after, " "))
	if p.down {
		return fault.New(fault.Unavailable, "LEDGER_BEHIND", "", "down").GRPCStatus().Err()
	}
	return nil
}

func (p *process) take() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	asked := strings.Join(p.asked, ", ")
	p.asked = nil
	return asked
}

func (p *process) RegisterCentre(ctx context.Context, req *topologyv1.RegisterCentreRequest) (*topologyv1.RegisterCentreResponse, error) {
	return &topologyv1.RegisterCentreResponse{Position: 7}, p.note(ctx, req.GetRequestId())
}

func (p *process) ListCentres(ctx context.Context, _ *registryv1.ListCentresRequest) (*registryv1.ListCentresResponse, error) {
	return &registryv1.ListCentresResponse{Resolved: &registryv1.Resolved{HeadPosition: 9}}, p.note(ctx, "list")
}

func (p *process) DiffRegister(ctx context.Context, _ *registryv1.DiffRegisterRequest) (*registryv1.DiffRegisterResponse, error) {
	at := func(head uint64) *registryv1.Resolved { return &registryv1.Resolved{HeadPosition: head} }
	return &registryv1.DiffRegisterResponse{From: at(11), To: at(12)}, p.note(ctx, "diff")
}

func (p *process) GetStatus(ctx context.Context, _ *ledgerv1.GetStatusRequest) (*ledgerv1.GetStatusResponse, error) {
	return &ledgerv1.GetStatusResponse{}, p.note(ctx, "status")
}

func start(t *testing.T) *process {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &process{server: grpc.NewServer(), address: lis.Addr().String()}
	topologyv1.RegisterTopologyServiceServer(p.server, p)
	registryv1.RegisterRegistryServiceServer(p.server, p)
	ledgerv1.RegisterLedgerServiceServer(p.server, p)
	go func() { _ = p.server.Serve(lis) }()
	t.Cleanup(p.server.Stop)
	return p
}

var parts = []string{"topology", "labelling", "registry", "ledger"}

func dial(t *testing.T, addresses string) *route.Conn {
	t.Helper()
	conn, err := route.Dial(addresses, parts, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func register(t *testing.T, conn *route.Conn, id string) error {
	t.Helper()
	_, err := topologyv1.NewTopologyServiceClient(conn).RegisterCentre(t.Context(), &topologyv1.RegisterCentreRequest{RequestId: id})
	return err
}

func list(t *testing.T, conn *route.Conn) error {
	t.Helper()
	_, err := registryv1.NewRegistryServiceClient(conn).ListCentres(t.Context(), &registryv1.ListCentresRequest{})
	return err
}

// Each call goes to its part, a part not named to the first, and states the last position
// that the client was told of.
func TestParts(t *testing.T) {
	first, registry := start(t), start(t)
	conn := dial(t, "topology="+first.address+",registry="+registry.address)
	for _, err := range []error{register(t, conn, "a"), list(t, conn), register(t, conn, "b")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ledgerv1.NewLedgerServiceClient(conn).GetStatus(t.Context(), &ledgerv1.GetStatusRequest{}); err != nil {
		t.Fatal(err)
	}
	if got, want := first.take(), "a, b 9, status"; got != want {
		t.Errorf("the first was asked %q, want %q", got, want)
	}
	if got, want := registry.take(), "list 7"; got != want {
		t.Errorf("the registry was asked %q, want %q", got, want)
	}
}

// An answer about two moments tells where the log stood, as one about a single moment does.
func TestToldOfTwoMoments(t *testing.T) {
	one, two := start(t), start(t)
	conn := dial(t, "registry="+one.address+",topology="+two.address)
	if _, err := registryv1.NewRegistryServiceClient(conn).DiffRegister(t.Context(), &registryv1.DiffRegisterRequest{}); err != nil {
		t.Fatal(err)
	}
	if err := register(t, conn, "a"); err != nil || two.take() != "a 12" {
		t.Errorf("what a difference told is not stated: %v", err)
	}
}

// A replica that is unavailable, or gone, is passed over: the other gets the same request,
// and is asked first from then on. A refusal is final.
func TestReplicas(t *testing.T) {
	one, two := start(t), start(t)
	conn := dial(t, "topology="+one.address+",topology="+two.address)
	one.down = true
	if err := register(t, conn, ""); err != nil {
		t.Fatal(err)
	}
	a, b := one.take(), two.take()
	if a == "" || a != b {
		t.Errorf("the replicas were asked %q and %q, want one request id", a, b)
	}
	if err := register(t, conn, "x"); err != nil || one.take() != "" || two.take() != "x 7" {
		t.Errorf("the replica that answered is not asked first: %v", err)
	}
	two.server.Stop()
	one.mu.Lock()
	one.down = false
	one.mu.Unlock()
	if err := register(t, conn, "y"); err != nil || one.take() != "y 7" {
		t.Errorf("with one replica gone: %v", err)
	}
}

// Who cannot be reached at all is named with its part.
func TestUnreachable(t *testing.T) {
	p := start(t)
	conn := dial(t, p.address+",registry=127.0.0.1:1")
	if err := register(t, conn, "a"); err != nil {
		t.Error(err)
	}
	err := list(t, conn)
	if u, ok := errors.AsType[*route.Unreachable](err); !ok || u.Part != "registry" || u.Addresses != "127.0.0.1:1" || status.Code(err) != codes.Unavailable {
		t.Errorf("got %v", err)
	}
}

func TestBadAddresses(t *testing.T) {
	for _, bad := range []string{"", "topology=", "journal=127.0.0.1:1", "127.0.0.1:1,"} {
		if _, err := route.Dial(bad, parts, grpc.WithTransportCredentials(insecure.NewCredentials())); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

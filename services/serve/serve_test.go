package serve_test

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/serve"
	"maillage/services/submit"
)

// begin runs a process within the test and returns where it is.
func begin(t *testing.T, c serve.Config) serve.Addresses {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	at, failed := make(chan serve.Addresses, 1), make(chan error, 1)
	wg.Go(func() { failed <- serve.Run(ctx, c, func(a serve.Addresses) { at <- a }) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	select {
	case a := <-at:
		return a
	case err := <-failed:
		t.Fatal(err)
		panic("unreachable")
	}
}

// Tracers stay with the first provider that is set, so that there is one for all runs.
var (
	spans    = tracetest.NewInMemoryExporter()
	provider = sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
)

// TestOneTrace follows one command from its caller through gRPC, the broker's headers
// and the ledger into the fold of another process.
func TestOneTrace(t *testing.T) {
	otel.SetTracerProvider(provider)
	otel.SetTextMapPropagator(propagation.TraceContext{})

	dir := t.TempDir()
	first := begin(t, serve.Config{Data: filepath.Join(dir, "1"), GRPC: "127.0.0.1:0", HTTP: "off", NATS: "127.0.0.1:0"})
	second := begin(t, serve.Config{Parts: []serve.Part{serve.Topology}, Data: filepath.Join(dir, "2"), Vault: filepath.Join(dir, "1", "vault"), GRPC: "127.0.0.1:0", HTTP: "off", URL: first.NATS})

	conn, err := grpc.NewClient(first.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUnaryInterceptor(submit.Connect("officer")), grpc.WithStatsHandler(otelgrpc.NewClientHandler()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, root := provider.Tracer("test").Start(t.Context(), "officer")
	resp, err := topologyv1.NewTopologyServiceClient(conn).RegisterFiliere(ctx, &topologyv1.RegisterFiliereRequest{
		Basis: &eventv1.Basis{Source: "test"}, Acronym: "RespiFIL",
	})
	root.End()
	if err != nil {
		t.Fatal(err)
	}
	// The second process has folded the event once it takes a command that needs it.
	other, err := grpc.NewClient(second.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithUnaryInterceptor(submit.Connect("officer")))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := topologyv1.NewTopologyServiceClient(other).RegisterNetwork(t.Context(), &topologyv1.RegisterNetworkRequest{
		Basis: &eventv1.Basis{Source: "test"}, Title: "t", FiliereId: resp.GetFiliereId(),
	}); err != nil {
		t.Fatal(err)
	}

	names := map[string]int{}
	for _, s := range spans.GetSpans() {
		if s.SpanContext.TraceID() == root.SpanContext().TraceID() {
			names[s.Name]++
		}
	}
	for name, least := range map[string]int{"officer": 1, "append": 1, "ledger flush": 1, "fold": 2, "maillage.topology.v1.TopologyService/RegisterFiliere": 2} {
		if names[name] < least {
			t.Errorf("%d spans %q in the trace, want %d; it has %v", names[name], name, least, slices.Sorted(maps.Keys(names)))
		}
	}
}

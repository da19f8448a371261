package serve_test

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protowire"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/eventlog/jetstream"
	"maillage/services/fault"
	"maillage/services/identifier"
	"maillage/services/serve"
	"maillage/services/submit"
)

// begin runs a process within the test and returns where it is.
func begin(t *testing.T, c serve.Config) serve.Addresses {
	t.Helper()
	at, _ := beginAgain(t, c)
	return at
}

// beginAgain is begin of a process that can be stopped before the test ends.
func beginAgain(t *testing.T, c serve.Config) (_ serve.Addresses, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	at, failed := make(chan serve.Addresses, 1), make(chan error, 1)
	wg.Go(func() { failed <- serve.Run(ctx, c, func(a serve.Addresses) { at <- a }) })
	stop = func() { cancel(); wg.Wait() }
	t.Cleanup(stop)
	select {
	case a := <-at:
		return a, stop
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

// serviceKey is the file of the key that the broker of a process takes from the register's
// own.
func serviceKey(data string) string {
	return filepath.Join(serve.BrokerDir(data), jetstream.ServiceKey)
}

// TestOneTrace follows one command from its caller through gRPC, the broker's headers
// and the ledger into the fold of another process.
func TestOneTrace(t *testing.T) {
	otel.SetTracerProvider(provider)
	otel.SetTextMapPropagator(propagation.TraceContext{})

	dir := t.TempDir()
	first := begin(t, serve.Config{Data: filepath.Join(dir, "1"), GRPC: "127.0.0.1:0", HTTP: "off", NATS: "127.0.0.1:0"})
	second := begin(t, serve.Config{Parts: []serve.Part{serve.Topology}, Data: filepath.Join(dir, "2"), Vault: filepath.Join(dir, "1", "vault"), GRPC: "127.0.0.1:0", HTTP: "off", URL: first.NATS, Credentials: serviceKey(filepath.Join(dir, "1"))})

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
	for name, least := range map[string]int{"officer": 1, "append": 1, "ledger append": 1, "fold": 2, "maillage.topology.v1.TopologyService/RegisterFiliere": 2} {
		if names[name] < least {
			t.Errorf("%d spans %q in the trace, want %d; it has %v", names[name], name, least, slices.Sorted(maps.Keys(names)))
		}
	}
}

// TestUnprintable sends text that no page prints, wherever a request has a string: it is
// refused with the path of the field, and nothing is written.
func TestUnprintable(t *testing.T) {
	at := begin(t, serve.Config{Data: t.TempDir(), GRPC: "127.0.0.1:0", HTTP: "off", NATS: "127.0.0.1:0"})
	conn, err := grpc.NewClient(at.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithUnaryInterceptor(submit.Connect("officer")))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	topology, labelling := topologyv1.NewTopologyServiceClient(conn), labellingv1.NewLabellingServiceClient(conn)
	basis := func(note string, printed ...*eventv1.Printed) *eventv1.Basis {
		return &eventv1.Basis{Source: "test", Note: note, AsPrinted: printed}
	}
	filiere := func(acronym string, b *eventv1.Basis) error {
		_, err := topology.RegisterFiliere(t.Context(), &topologyv1.RegisterFiliereRequest{Basis: b, Acronym: acronym})
		return err
	}
	cycle := func(aliases ...string) error {
		_, err := labelling.RegisterCycle(t.Context(), &labellingv1.RegisterCycleRequest{Basis: basis(""), Code: "C", Aliases: aliases})
		return err
	}
	head := func() uint64 {
		t.Helper()
		resp, err := ledgerv1.NewLedgerServiceClient(conn).GetStatus(t.Context(), &ledgerv1.GetStatusRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return resp.GetFoldedPosition()
	}
	if err := filiere("Filière « élan »\u00a0", basis("first line\n\tsecond line")); err != nil {
		t.Errorf("a note of two lines: %v", err)
	}
	before := head()
	for name, tc := range map[string]struct {
		err   error
		field string
	}{
		"an escape":              {filiere("A\x1b[31m", basis("")), "acronym"},
		"NUL":                    {filiere("A\x00", basis("")), "acronym"},
		"a line in a name":       {filiere("A\nB", basis("")), "acronym"},
		"DEL":                    {filiere("A\x7f", basis("")), "acronym"},
		"a C1 control":           {filiere("A\u009b31m", basis("")), "acronym"},
		"a bell in a note":       {filiere("A", basis("note\a")), "basis.note"},
		"a carriage return":      {filiere("A", basis("note\rother")), "basis.note"},
		"in a list of messages":  {filiere("A", basis("", &eventv1.Printed{Field: "a"}, &eventv1.Printed{Field: "b", Value: "\v"})), "basis.as_printed[1].value"},
		"in a list of strings":   {cycle("one", "two\t"), "aliases[1]"},
		"in a read":              {search(t, conn, "\x1b"), "text"},
		"in the name of a head":  {act(t, labelling, "Pr A\x08B"), "lines[1].granted.head_name"},
		"the first field of two": {filiere("A\x00", basis("\x00")), "basis.note"},
	} {
		e, _ := fault.FromStatus(tc.err)
		if e == nil || e.Reason != "CONTROL_CHARACTER" || e.Kind != fault.Invalid || e.Field != tc.field {
			t.Errorf("%s: %v, want CONTROL_CHARACTER at %s", name, tc.err, tc.field)
		}
	}
	if after := head(); after != before {
		t.Errorf("the log stands at %d, was at %d", after, before)
	}
}

func search(t *testing.T, conn *grpc.ClientConn, text string) error {
	t.Helper()
	_, err := registryv1.NewRegistryServiceClient(conn).ListCentres(t.Context(), &registryv1.ListCentresRequest{Text: text})
	return err
}

// act sends an act that names a head in its second line.
func act(t *testing.T, labelling labellingv1.LabellingServiceClient, head string) error {
	t.Helper()
	id := identifier.NewID()
	_, err := labelling.RecordAct(t.Context(), &labellingv1.RecordActRequest{
		Basis: &eventv1.Basis{Source: "test"}, Kind: labellingv1.ActKind_ACT_KIND_ARRETE, Title: "t",
		Lines: []*labellingv1.ActLine{
			{Disposition: &labellingv1.ActLine_ConfirmedLabelId{ConfirmedLabelId: id}},
			{Disposition: &labellingv1.ActLine_Granted{Granted: &labellingv1.Grant{
				Holder: &labellingv1.Grant_FiliereId{FiliereId: id}, Role: labellingv1.Role_ROLE_FSMR, HeadName: head,
			}}},
		},
	})
	return err
}

// TestNotUTF8 sends bytes that are no text: they are refused before they are a request.
func TestNotUTF8(t *testing.T) {
	at := begin(t, serve.Config{Data: t.TempDir(), GRPC: "127.0.0.1:0", HTTP: "off", NATS: "127.0.0.1:0"})
	conn, err := grpc.NewClient(at.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithUnaryInterceptor(submit.Connect("officer")))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// A field that no reader knows is sent as it is: here one that the server does know.
	req := &topologyv1.RegisterFiliereRequest{Basis: &eventv1.Basis{Source: "test"}}
	acronym := req.ProtoReflect().Descriptor().Fields().ByName("acronym").Number()
	req.ProtoReflect().SetUnknown(protowire.AppendString(protowire.AppendTag(nil, acronym, protowire.BytesType), "Fili\xe8re"))
	if _, err := topologyv1.NewTopologyServiceClient(conn).RegisterFiliere(t.Context(), req); err == nil || !strings.Contains(err.Error(), "UTF-8") {
		t.Errorf("Latin-1 is answered with %v", err)
	}
}

package serve_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go" //nolint:depguard // it writes past the log, to damage it
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/registry/postgres/postgrestest"
	"maillage/services/serve"
)

// TestUnreadableEndsReads: before an event that nobody here understands the replica halts.
// Rows go on to answer for what was recorded before, and say why not for more.
func TestUnreadableEndsReads(t *testing.T) {
	for name, tc := range map[string]struct{ postgres, now, later string }{
		"memory": {serve.PostgresOff, "EVENT_UNREADABLE", "EVENT_UNREADABLE"},
		"rows":   {postgrestest.Database(t), "", "EVENT_UNREADABLE"},
	} {
		t.Run(name, func(t *testing.T) {
			data := t.TempDir()
			at := begin(t, serve.Config{Data: data, GRPC: "127.0.0.1:0", HTTP: "off", NATS: "127.0.0.1:0", Postgres: tc.postgres})
			conn, err := grpc.NewClient(at.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			answersWith(t, conn, 0, "")
			proof, err := nats.NkeyOptionFromSeed(serviceKey(data))
			if err != nil {
				t.Fatal(err)
			}
			nc, err := nats.Connect(at.NATS, proof)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			if err := nc.Publish("registry.topology.centre.C000000000", []byte("no event")); err != nil {
				t.Fatal(err)
			}
			answersWith(t, conn, 10, tc.later)
			answersWith(t, conn, 0, tc.now)
		})
	}
}

// answersWith waits until a read of a position is answered with a reason, none where it
// succeeds.
func answersWith(t *testing.T, conn *grpc.ClientConn, least uint64, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		_, err := registryv1.NewRegistryServiceClient(conn).ListCentres(ctx, &registryv1.ListCentresRequest{AsOf: &registryv1.AsOf{MinPosition: least}})
		reason := ""
		for _, d := range status.Convert(err).Details() {
			if info, is := d.(*errdetails.ErrorInfo); is {
				reason = info.GetReason()
			}
		}
		if reason == want && (err == nil) == (want == "") {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("it answers with %v, want %q", err, want)
		}
	}
}

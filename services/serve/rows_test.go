package serve_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"    //nolint:depguard // it writes past the rows, as another process does
	"github.com/nats-io/nats.go" //nolint:depguard // it writes past the log, to damage it
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

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

// TestRowsAhead: what another process brought into the rows is shown once this one knows of
// it too, which tells when that became known and where a commit ends.
func TestRowsAhead(t *testing.T) {
	url := postgrestest.Database(t)
	at := begin(t, serve.Config{Data: t.TempDir(), GRPC: "127.0.0.1:0", HTTP: "off", NATS: "off", Postgres: url})
	conn, err := grpc.NewClient(at.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	db, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(t.Context())
	if _, err := db.Exec(t.Context(), "update maillage.model set position = 1000 where state = 'LIVE'; notify maillage"); err != nil {
		t.Fatal(err)
	}
	for model := registryv1.NewReadModelServiceClient(conn); ; {
		got, err := model.GetReadModel(t.Context(), &registryv1.GetReadModelRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if got.GetPosition() == 1000 {
			break
		}
	}
	long := timestamppb.New(time.Now().Add(-time.Hour))
	for name, asOf := range map[string]*registryv1.AsOf{"now": {}, "before": {KnownAt: &registryv1.AsOf_KnownTime{KnownTime: long}}} {
		got, err := registryv1.NewRegistryServiceClient(conn).ListCentres(t.Context(), &registryv1.ListCentresRequest{AsOf: asOf})
		if err != nil {
			t.Fatal(err)
		}
		r := got.GetResolved()
		if r.GetHeadPosition() >= 1000 || r.GetProvisional() || (r.GetKnownTime() == nil) != (name == "before") || (r.GetKnownPosition() == 0) != (name == "before") {
			t.Errorf("%s: %v", name, r)
		}
	}
}

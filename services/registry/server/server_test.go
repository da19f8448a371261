package server_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/eventlog"
	"maillage/services/fault"
	"maillage/services/registry"
	"maillage/services/registry/query"
	"maillage/services/registry/server"
)

func TestErrorsReachTheCaller(t *testing.T) {
	defer goleak.VerifyNone(t)
	tests := map[string]struct {
		given  error // of the view
		code   codes.Code
		reason string
	}{
		"unknown":        {nil, codes.NotFound, "LABEL_UNKNOWN"},
		"a fault":        {fault.New(fault.Unavailable, "HALTED", "", "halted"), codes.Unavailable, "HALTED"},
		"a wrapped one":  {errors.Join(errors.New("view"), fault.New(fault.Damaged, "LOG_FORKED", "", "forked")), codes.DataLoss, "LOG_FORKED"},
		"out of time":    {context.DeadlineExceeded, codes.DeadlineExceeded, ""},
		"cancelled":      {context.Canceled, codes.Canceled, ""},
		"a hole":         {&eventlog.HoleError{Position: 3}, codes.DataLoss, "LOG_DAMAGED"},
		"anything other": {errors.New("disk on fire"), codes.Internal, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			client := dial(t, test.given)
			_, err := client.GetLabel(t.Context(), &registryv1.GetLabelRequest{LabelId: "L000000001"})
			if status.Code(err) != test.code {
				t.Fatalf("got %v, want %v", err, test.code)
			}
			if f, is := fault.FromStatus(err); is != (test.reason != "") || is && f.Reason != test.reason {
				t.Errorf("got %v, want reason %q", err, test.reason)
			}
		})
	}
}

// Every RPC asks the queries.
func TestEveryRPCIsServed(t *testing.T) {
	queries := query.New(query.Source{
		Head: func(context.Context, uint64) (uint64, error) { return 0, context.Canceled },
	})
	for _, service := range []struct {
		server any
		rpcs   []grpc.MethodDesc
	}{
		{server.New(queries), registryv1.RegistryService_ServiceDesc.Methods},
		{server.NewMap(queries), registryv1.MapService_ServiceDesc.Methods},
		{server.NewActivity(queries), registryv1.ActivityQueryService_ServiceDesc.Methods},
	} {
		for _, rpc := range service.rpcs {
			if _, err := rpc.Handler(service.server, t.Context(), func(any) error { return nil }, nil); status.Code(err) != codes.Canceled {
				t.Errorf("%s: %v", rpc.MethodName, err)
			}
		}
	}
}

// dial serves an empty register whose view fails with an error.
func dial(t *testing.T, failure error) registryv1.RegistryServiceClient {
	t.Helper()
	var empty registry.State
	queries := query.New(query.Source{
		Head: func(context.Context, uint64) (uint64, error) { return 0, nil },
		View: func(_ context.Context, _ query.Need, f func(s, latest *registry.State)) error {
			f(&empty, &empty)
			return failure
		},
		KnownAt:   func(time.Time) uint64 { return 0 },
		KnownTime: func(uint64) time.Time { return time.Time{} },
		CommitEnd: func(uint64) uint64 { return 0 },
		Record: func(_ context.Context, p uint64) (eventlog.Record, error) {
			return eventlog.Record{}, &eventlog.HoleError{Position: p}
		},
		Personal: func(_ context.Context, ids []string) ([]string, error) { return make([]string, len(ids)), nil },
		Now:      time.Now,
	})
	listener := bufconn.Listen(1 << 16)
	s := grpc.NewServer()
	registryv1.RegisterRegistryServiceServer(s, server.New(queries))
	done := make(chan error, 1)
	go func() { done <- s.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///registry", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return listener.Dial() }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		s.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return registryv1.NewRegistryServiceClient(conn)
}

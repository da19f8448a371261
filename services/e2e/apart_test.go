package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	"maillage/services/serve"
)

// apart says that the tests run against services that are processes of their own, and not
// against one process that is all of them. What depends on neither runs with the latter.
// It is asked within tests, so that the cache of tests knows of it.
func apart() bool { return os.Getenv("MAILLAGE_APART") != "" }

func alone(t *testing.T) {
	t.Helper()
	if apart() {
		t.Skip("it starts its own processes")
	}
}

// start starts a register: one process or, with MAILLAGE_APART, each service on its own.
func start(t *testing.T, data string) *server {
	t.Helper()
	if !apart() {
		return up(t, data)
	}
	broker := startBroker(t, filepath.Join(data, "nats"), "127.0.0.1:0")
	t.Cleanup(broker.Shutdown)
	return eachAlone(t, data, func(serve.Part) string { return broker.URL() })
}

// eachAlone starts each service as a process of its own, at the broker that url names.
func eachAlone(t *testing.T, data string, url func(serve.Part) string) *server {
	t.Helper()
	s := &server{t: t}
	for _, p := range serve.Parts {
		args := []string{"serve", string(p), "--data", data, "--nats", url(p), "--grpc", "127.0.0.1:0", "--http", "off"}
		if p == serve.Registry {
			args = append(args, fromRows(t, data, nil)...)
		}
		s.services = append(s.services, launch(t, args...))
	}
	var addresses []string
	for i, one := range s.services {
		one.awaitReady()
		addresses = append(addresses, string(serve.Parts[i])+"="+one.grpc)
	}
	s.reachAt(strings.Join(addresses, ","))
	return s
}

// even waits until every process of a register shows what the ledger announced.
func (s *server) even() {
	s.t.Helper()
	if len(s.services) == 0 {
		return
	}
	head, err := ledgerv1.NewLedgerServiceClient(s.dial()).GetStatus(s.t.Context(), &ledgerv1.GetStatusRequest{})
	must(s.t, err)
	for _, one := range s.services {
		_, err := ledgerv1.NewLedgerServiceClient(one.dial()).GetStateDigest(s.t.Context(), &ledgerv1.GetStateDigestRequest{Position: 1, MinPosition: head.GetHead().GetSize()})
		must(s.t, err)
	}
}

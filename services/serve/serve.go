// Package serve is the frame of a process: its parts, its settings, telemetry,
// gRPC and health, start and shutdown.
package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/eventlog/jetstream"
	labellingserver "maillage/services/labelling/server"
	"maillage/services/ledger"
	"maillage/services/projection"
	"maillage/services/registry"
	"maillage/services/registry/memory"
	registryserver "maillage/services/registry/server"
	"maillage/services/submit"
	topologyserver "maillage/services/topology/server"
	"maillage/services/vault"
)

// Part is one service that a process can offer.
type Part string

// The parts.
const (
	Topology  Part = "topology"
	Labelling Part = "labelling"
	Registry  Part = "registry"
	Ledger    Part = "ledger" // exactly one process of a register keeps the ledger
)

// Parts are all of them: what one process offers alone.
var Parts = []Part{Topology, Labelling, Registry, Ledger}

// Config is the manual of a process. The zero value of each field is its default.
type Config struct {
	// Parts that this process offers; all of them where empty.
	Parts []Part
	// Data is the directory of the broker's store, the vault and, unless Ledger
	// says otherwise, the ledger; "data" where empty.
	Data string
	// Ledger is the ledger's directory; DATA/ledger where empty. On another disk it
	// is a second store; on the same one it is only a second copy.
	Ledger string
	// Vault is the directory of the personal values; DATA/vault where empty. Every
	// process that records must share the one that belongs to the log.
	Vault string
	// HeadCopy is a file in a third place that keeps the last announced head.
	HeadCopy string
	// NATS is host:port for the embedded broker to listen on, or "off" to listen on
	// a port of this process alone. Not used where URL is given.
	NATS string
	// URL is an outside broker, nats://host:port, several separated by commas.
	URL string
	// Credentials is a file with the credentials for the outside broker.
	Credentials string
	// GRPC and HTTP are host:port; "off" offers no HTTP.
	GRPC, HTTP string
	// Origin names who keeps the log, when a new log is opened.
	Origin string
}

func (c Config) withDefaults() Config {
	if len(c.Parts) == 0 {
		c.Parts = Parts
	}
	if c.Data == "" {
		c.Data = "data"
	}
	if c.Ledger == "" {
		c.Ledger = filepath.Join(c.Data, "ledger")
	}
	if c.Vault == "" {
		c.Vault = filepath.Join(c.Data, "vault")
	}
	if c.NATS == "" {
		c.NATS = "127.0.0.1:4222"
	}
	if c.GRPC == "" {
		c.GRPC = "127.0.0.1:9090"
	}
	if c.HTTP == "" {
		c.HTTP = "127.0.0.1:8080"
	}
	if c.Origin == "" {
		c.Origin = "maillage"
	}
	return c
}

func (c Config) has(p Part) bool { return slices.Contains(c.Parts, p) }

// Addresses are where a process can be reached.
type Addresses struct {
	GRPC string // host:port
	HTTP string // host:port, empty where off
	NATS string // URL
}

// process is what Run builds and tears down.
type process struct {
	config Config
	broker *jetstream.Server // nil where the broker is outside
	log    *jetstream.Log
	store  *ledger.Store // nil where another process keeps the ledger
	vault  *vault.Vault
	state  registry.State
	runner *projection.Runner
	health *health.Server
	halt   chan error // why the replica ended
}

// Run offers the parts until the context ends, then shuts down in order. ready is
// called once everything can be asked. It returns nil at the context's end. A store
// that is damaged at the start is an error of kind fault.Damaged; damage found later
// keeps the process up, answering every call with that error.
func Run(ctx context.Context, c Config, ready func(Addresses)) error {
	p := &process{config: c.withDefaults(), health: health.NewServer(), halt: make(chan error, 1)}
	telemetryEnd, err := startTelemetry(ctx)
	if err != nil {
		return err
	}
	defer telemetryEnd()
	defer p.close()
	if err := p.open(ctx); err != nil {
		return err
	}

	running, stopRunner := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRunner()
	go func() { p.halt <- p.runner.Run(running) }()
	go p.hearTurns(running)
	if !p.config.has(Ledger) {
		go p.hearLedger(running)
	}

	lis, err := (&net.ListenConfig{}).Listen(ctx, "tcp", p.config.GRPC)
	if err != nil {
		return fmt.Errorf("gRPC: %w", err)
	}
	server, err := p.server()
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(lis) }()
	defer server.Stop()
	addresses := Addresses{GRPC: lis.Addr().String(), NATS: p.brokerURL()}
	stopHTTP, err := p.serveHealth(ctx, &addresses)
	if err != nil {
		return err
	}
	defer stopHTTP()

	if err := p.awaitReady(ctx); err != nil {
		return err
	}
	if p.config.has(Topology) || p.config.has(Labelling) {
		if err := p.bindVault(ctx); err != nil {
			return err
		}
		stopClock, err := p.startClock(running)
		if err != nil {
			return err
		}
		defer stopClock()
	}
	p.tellHealth(server)
	slog.InfoContext(ctx, "ready", "grpc", addresses.GRPC, "http", addresses.HTTP, "nats", addresses.NATS, "position", p.runner.Progress().Gate.Size)
	if ready != nil {
		ready(addresses)
	}
	halted, err := p.stand(ctx, server, served)
	p.health.Shutdown()
	stopGracefully(server)
	stopRunner()
	if !halted {
		err = errors.Join(err, <-p.halt)
	}
	return err
}

// stand waits for the end: the context's, or that of the gRPC server. A replica that
// halts leaves the process up to say why; its error is returned at the end.
func (p *process) stand(ctx context.Context, server *grpc.Server, served chan error) (halted bool, err error) {
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		halt := p.halt
		if halted {
			halt = nil
		}
		select {
		case <-ctx.Done():
			return halted, err
		case <-look.C:
			p.tellHealth(server)
		case end := <-served:
			return halted, errors.Join(err, fmt.Errorf("gRPC: %w", end))
		case err = <-halt:
			halted = true
			p.tellHealth(server)
			slog.ErrorContext(ctx, "halted: no command is taken and nothing is answered", "err", err)
		}
	}
}

// tellHealth says of every service of the process whether it can be asked.
func (p *process) tellHealth(server *grpc.Server) {
	state := healthv1.HealthCheckResponse_SERVING
	if p.runner.Ready() != nil {
		state = healthv1.HealthCheckResponse_NOT_SERVING
	}
	p.health.SetServingStatus("", state)
	for name := range server.GetServiceInfo() {
		p.health.SetServingStatus(name, state)
	}
}

func stopGracefully(s *grpc.Server) {
	done := make(chan struct{})
	go func() { s.GracefulStop(); close(done) }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		s.Stop()
	}
}

// awaitReady waits until the replica can answer. Before that, damage ends the
// process: nothing has been offered yet.
func (p *process) awaitReady(ctx context.Context) error {
	answers := make(chan error, 1)
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { answers <- p.runner.View(waiting, 1, func(uint64) error { return nil }) }()
	select {
	case err := <-p.halt:
		return errors.Join(err, errors.New("the replica ended before it was ready"))
	case err := <-answers:
		return err
	}
}

// server builds the gRPC server with the parts of the process.
func (p *process) server() (*grpc.Server, error) {
	s, err := newServer()
	if err != nil {
		return nil, err
	}
	desk := &submit.Desk{Runner: p.runner, Vault: p.vault}
	if p.config.has(Topology) {
		topologyv1.RegisterTopologyServiceServer(s, topologyserver.New(desk, &p.state.Topology))
	}
	if p.config.has(Labelling) {
		labellingv1.RegisterLabellingServiceServer(s, labellingserver.New(desk, &p.state.Labelling, &p.state.Topology))
	}
	if p.config.has(Registry) {
		registryv1.RegisterRegistryServiceServer(s, registryserver.New(memory.New(p.source())))
	}
	ledgerv1.RegisterLedgerServiceServer(s, &statusServer{p: p})
	healthv1.RegisterHealthServer(s, p.health)
	p.health.SetServingStatus("", healthv1.HealthCheckResponse_NOT_SERVING)
	reflection.Register(s)
	return s, nil
}

func (p *process) brokerURL() string {
	if p.broker == nil {
		return p.config.URL
	}
	return p.broker.URL()
}

// close releases everything, last opened first.
func (p *process) close() {
	if p.log != nil {
		p.log.Close()
	}
	if p.broker != nil {
		p.broker.Shutdown()
	}
	if p.store != nil {
		if err := p.store.Close(); err != nil {
			slog.Error("close the ledger", "err", err)
		}
	}
}

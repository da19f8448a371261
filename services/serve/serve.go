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
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/activity"
	activityserver "maillage/services/activity/server"
	"maillage/services/eventlog/jetstream"
	"maillage/services/fault"
	"maillage/services/feed"
	feedserver "maillage/services/feed/server"
	labellingserver "maillage/services/labelling/server"
	"maillage/services/ledger"
	"maillage/services/projection"
	"maillage/services/registry"
	"maillage/services/registry/query"
	registryserver "maillage/services/registry/server"
	"maillage/services/snapshot"
	snapshotserver "maillage/services/snapshot/server"
	"maillage/services/submit"
	topologyserver "maillage/services/topology/server"
	"maillage/services/vault"
)

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
	// Follow keeps a ledger beside the one that gates: it is fed from the stream, verifies
	// itself against each head announced, and stops on another. It is asked for, never
	// assumed where another process gates: which ledger gates is the operator's word, not
	// the outcome of who came first. HeadCopy is not touched meanwhile.
	Follow bool
	// NATS is host:port for the embedded broker to listen on, or "off" to listen on
	// a port of this process alone. Not used where URL is given.
	NATS string
	// URL is an outside broker, nats://host:port, several separated by commas.
	URL string
	// Credentials is a file with the credentials for the outside broker.
	Credentials string
	// GRPC and HTTP are host:port; "off" offers no HTTP.
	GRPC, HTTP string
	// PublicURL is where others reach HTTP, https://host without a path, for the addresses
	// in its answers; where it is empty each request says so by its Host.
	PublicURL string
	// Postgres is the database whose rows answer the reads: its URL, or "local" for a
	// private server in DATA/postgres, which starts and ends with the process. "off" or
	// empty: reads are answered from memory.
	Postgres string
	// Key is the file with the keys that sign checkpoints; it is made where it is missing.
	Key string
	// Witnesses is a file with the policy of those who are shown every checkpoint; empty for
	// none.
	Witnesses string
	// Origin names who keeps the log, when a new log is opened.
	Origin string
	// Prepare is called once everything can be asked, to load what must be there first.
	// The process is ready when it returns nil; where it fails it serves all the same, and
	// its readiness says why it is not ready. May be nil.
	Prepare func(Addresses) error

	orphanAge time.Duration // another one than the constant; a test's
}

func (c Config) withDefaults() Config {
	if len(c.Parts) == 0 {
		c.Parts = Parts
	}
	c.Follow = c.Follow && c.has(Ledger)
	if c.Data == "" {
		c.Data = "data"
	}
	if c.Ledger == "" {
		c.Ledger = filepath.Join(c.Data, "ledger")
	}
	if c.Vault == "" {
		c.Vault = filepath.Join(c.Data, "vault")
	}
	if c.Key == "" {
		c.Key = filepath.Join(c.Data, "key", "checkpoint")
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
	store  *ledger.Store     // nil where none is kept here
	vault  *vault.Vault
	health *health.Server
	feed   *feed.Feed      // nil where the registry is elsewhere
	files  *snapshot.Store // nil where the registry is elsewhere
	desks  []*submit.Desk
	model  *readModel // nil where reads are answered from memory
	reads  query.Source

	// What follows is of the log joined, and made anew for each attempt to join it.
	log   *jetstream.Log
	state registry.State
	ended chan struct{} // closed when the replica ended
	end   error         // why, once it has

	rival  chan struct{} // another process came to keep the ledger at the same moment, and goes on
	joined atomic.Bool   // all of the above stands, and can be asked
	mu     sync.Mutex
	runner *projection.Runner
	waits  error // what the process waits for before it has a runner

	digests  registry.Digests // of the log joined
	signing  signing
	unsigned error // why nothing of it can be signed, nil where it can

	recounting sync.Mutex                  // one at a time
	damage     atomic.Pointer[fault.Error] // what the last one found; nil for none

	consumers consumers // what the broker was told of those who follow there

	unprepared *fault.Error // why it is not ready though it can be asked; nil where it is
}

// Run offers the parts until the context ends, then shuts down in order. It listens at
// once and then waits for what it needs, the broker, the log, the ledger, in whichever
// order they come; until then calls are unavailable, and readiness says what it waits for.
// ready is called once everything can be asked and is prepared. It returns nil at the context's end. A
// store that is damaged at the start is an error of kind fault.Damaged; damage found
// later keeps the process up, answering every call with that error.
func Run(ctx context.Context, c Config, ready func(Addresses)) error {
	p := &process{config: c.withDefaults(), health: health.NewServer(), waits: errStarting, rival: make(chan struct{}, 1)}
	telemetryEnd, err := startTelemetry(ctx)
	if err != nil {
		return err
	}
	defer telemetryEnd()
	defer p.close()
	if err := p.open(ctx); err != nil {
		return err
	}
	server, err := p.server()
	if err != nil {
		return err
	}
	addresses, served, stop, err := p.listen(ctx, server)
	if err != nil {
		return err
	}
	defer stop()

	running, stopRunner := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRunner()
	if err := p.join(ctx, running); err != nil {
		if ctx.Err() != nil {
			return nil // it was ended while it waited
		}
		return err
	}
	if p.config.records() {
		stopClock, err := p.startClock(running)
		if err != nil {
			return err
		}
		defer stopClock()
	}
	stopSweep := p.startSweep(running)
	defer stopSweep()
	defer p.startNotary(running)()
	defer p.startRecount(running)()
	stopConsumers := p.startConsumers(running)
	defer stopConsumers()
	if p.model != nil {
		p.model.keep(running)
	}
	p.tellHealth(server)
	ask := p.awaitReadModel(ctx)
	if ask {
		p.prepare(ctx, addresses)
	}
	p.tellHealth(server)
	if p.config.Follow {
		slog.InfoContext(ctx, "this ledger follows another", "position", p.store.Head().Size, "root", p.store.Head().Root.String(), "announced", p.runner.Progress().Announced)
	}
	if ask {
		slog.InfoContext(ctx, "ready", "grpc", addresses.GRPC, "http", addresses.HTTP, "nats", addresses.NATS, "position", p.runner.Progress().Gate.Size)
		if ready != nil {
			ready(addresses)
		}
	}
	halted, err := p.stand(ctx, server, served)
	p.health.Shutdown()
	if p.feed != nil {
		p.feed.Close() // its streams would never end
	}
	p.signing.end()
	if p.files != nil {
		p.files.Stop()
	}
	stopGracefully(server)
	stopRunner()
	if !halted {
		<-p.ended
		err = errors.Join(err, p.end)
	}
	return err
}

// prepare lets the process be prepared. Where that fails it is not ready.
func (p *process) prepare(ctx context.Context, at Addresses) {
	if p.config.Prepare == nil {
		return
	}
	if err := p.config.Prepare(at); err != nil {
		slog.ErrorContext(ctx, "not ready", "err", err)
		p.unready(fault.New(fault.Unavailable, "NOT_PREPARED", "", "what the process was started with is not loaded: %v", err))
		return
	}
	p.unready(nil)
}

// listen serves gRPC and HTTP. stop ends both.
func (p *process) listen(ctx context.Context, server *grpc.Server) (a Addresses, served chan error, stop func(), err error) {
	lis, err := (&net.ListenConfig{}).Listen(ctx, "tcp", p.config.GRPC)
	if err != nil {
		return a, nil, nil, fmt.Errorf("gRPC: %w", err)
	}
	a = Addresses{GRPC: lis.Addr().String(), NATS: p.brokerURL()}
	stopHTTP, err := p.serveHTTP(ctx, &a)
	if err != nil {
		_ = lis.Close()
		return a, nil, nil, err
	}
	p.tellHealth(server)
	served = make(chan error, 1)
	go func() { served <- server.Serve(lis) }()
	slog.InfoContext(ctx, "listening", "grpc", a.GRPC, "http", a.HTTP)
	return a, served, func() { server.Stop(); stopHTTP() }, nil
}

// stand waits for the end: the context's, or that of the gRPC server. A replica that
// halts leaves the process up to say why; its error is returned at the end.
func (p *process) stand(ctx context.Context, server *grpc.Server, served chan error) (halted bool, err error) {
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		ended := p.ended
		if halted {
			ended = nil
		}
		select {
		case <-ctx.Done():
			return halted, err
		case <-p.rival:
			return halted, errors.Join(err, errTaken)
		case <-look.C:
			p.tellHealth(server)
		case end := <-served:
			return halted, errors.Join(err, fmt.Errorf("gRPC: %w", end))
		case <-ended:
			halted, err = true, p.end
			p.tellHealth(server)
			slog.ErrorContext(ctx, "halted: no command is taken and nothing is answered", "err", err)
		}
	}
}

// tellHealth says of every service of the process whether it can be asked.
func (p *process) tellHealth(server *grpc.Server) {
	state := func(err error) healthv1.HealthCheckResponse_ServingStatus {
		if err != nil {
			return healthv1.HealthCheckResponse_NOT_SERVING
		}
		return healthv1.HealthCheckResponse_SERVING
	}
	all, follows := state(p.ready()), state(p.follows())
	p.health.SetServingStatus("", all)
	for name := range server.GetServiceInfo() {
		if strings.HasPrefix(name, readsPrefix) {
			p.health.SetServingStatus(name, all)
		} else {
			p.health.SetServingStatus(name, follows)
		}
	}
}

// readsPrefix is what the names of the services that answer reads begin with.
const readsPrefix = "maillage.registry.v1."

func stopGracefully(s *grpc.Server) {
	done := make(chan struct{})
	go func() { s.GracefulStop(); close(done) }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		s.Stop()
	}
}

// server builds the gRPC server with the parts of the process.
func (p *process) server() (*grpc.Server, error) {
	s, err := NewServer(p.admit)
	if err != nil {
		return nil, err
	}
	if p.config.has(Topology) {
		topologyv1.RegisterTopologyServiceServer(s, topologyserver.New(p.desk(Topology), &p.state.Topology, p.isSite))
	}
	if p.config.has(Labelling) {
		desk := p.desk(Labelling)
		labellingv1.RegisterLabellingServiceServer(s, labellingserver.New(desk, &p.state.Labelling, &p.state.Topology))
		labellingv1.RegisterVaultServiceServer(s, labellingserver.NewVault(desk, &p.state.Labelling))
	}
	if p.config.has(Activity) {
		activityv1.RegisterActivityServiceServer(s, activityserver.New(p.desk(Activity), activity.States{
			Activity: &p.state.Activity, Labelling: &p.state.Labelling, Topology: &p.state.Topology,
		}))
	}
	if p.config.has(Registry) {
		p.reads = p.source()
		queries := query.New(p.reads)
		registryv1.RegisterRegistryServiceServer(s, registryserver.New(queries))
		registryv1.RegisterMapServiceServer(s, registryserver.NewMap(queries))
		registryv1.RegisterActivityQueryServiceServer(s, registryserver.NewActivity(queries))
		registryv1.RegisterAliasServiceServer(s, registryserver.NewAliases(queries))
		p.feed = feed.New(p.feedSource(), feed.Limits{})
		feedv1.RegisterFeedServiceServer(s, feedserver.New(p.feed))
		feedv1.RegisterNoticeServiceServer(s, feedserver.NewNotices(p.feed))
		feedv1.RegisterSnapshotServiceServer(s, snapshotserver.New(p.openFiles()))
		registryv1.RegisterReadModelServiceServer(s, registryserver.NewReadModel(p.rows, func() uint64 { return p.runner.Progress().Gate.Size }))
	}
	if p.config.gates() {
		feedv1.RegisterConsumerServiceServer(s, &consumerServer{p: p, desk: p.desk(Ledger)})
	}
	ledgerv1.RegisterLedgerServiceServer(s, &statusServer{p: p})
	ledgerv1.RegisterProofServiceServer(s, &proofs{p: p})
	healthv1.RegisterHealthServer(s, p.health)
	reflection.Register(s)
	return s, nil
}

// isSite tells whether an id is that of a site, in the state that is decided on.
func (p *process) isSite(id string) bool {
	_, known := p.state.Labelling.Site(id)
	return known
}

func (p *process) brokerURL() string {
	if p.broker == nil {
		return jetstream.Redacted(p.config.URL)
	}
	return p.broker.URL()
}

// close releases everything, last opened first.
func (p *process) close() {
	if p.files != nil {
		if err := p.files.Close(); err != nil {
			slog.Warn("remove the files handed out", "err", err)
		}
	}
	if p.model != nil {
		p.model.close()
	}
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

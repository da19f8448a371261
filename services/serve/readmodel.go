package serve

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"maillage/services/fault"
	"maillage/services/registry"
	"maillage/services/registry/postgres"
	"maillage/services/registry/postgres/private"
	"maillage/services/registry/query"
)

// Where Config.Postgres is no URL: reads are answered from memory, or from the rows in a
// private server that this process starts.
const (
	PostgresOff   = "off"
	PostgresLocal = "local"
)

// patience is how long rows may lag behind a position before the process is unready.
const patience = 5 * time.Second

const reopenPause = time.Second // between two attempts to open the database

// readModel is the rows in PostgreSQL that reads are answered from.
type readModel struct {
	p      *process
	url    string
	server *private.Server // nil where somebody else runs it
	ended  chan struct{}   // closed when nothing is written any longer; nil before it began
	end    func()          // of what is measured

	mu     sync.Mutex
	store  *postgres.Store
	fault  error // why there is no store, or why it is kept no longer
	mark   uint64
	marked time.Time // when the rows were last where the register had come to
}

// openReadModel starts a private server, where one is asked for. The database itself is
// opened once there is a log to fill it from.
func (p *process) openReadModel(ctx context.Context) error {
	c := p.config
	if c.Postgres == "" || c.Postgres == PostgresOff {
		return nil
	}
	if !c.has(Registry) {
		return fault.New(fault.Invalid, "READ_MODEL_MISPLACED", "", "this process answers no reads: only the part %s keeps rows in PostgreSQL", Registry)
	}
	m := &readModel{p: p, url: c.Postgres, fault: errStarting, end: func() {}}
	if c.Postgres == PostgresLocal {
		server, err := private.Start(ctx, private.Options{Dir: filepath.Join(c.Data, "postgres")})
		if err != nil {
			return err
		}
		m.server, m.url = server, server.URL(private.Database)
	}
	p.model = m
	return nil
}

// keep opens the database, as soon as it can be reached, and keeps its rows equal to the
// register until the context ends.
func (m *readModel) keep(ctx context.Context) {
	m.ended, m.end = make(chan struct{}), m.observe()
	go func() {
		defer close(m.ended)
		store := m.open(ctx)
		if store == nil {
			return
		}
		err := store.Run(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		m.set(store, fault.New(fault.Unavailable, "READ_MODEL_HALTED", "", "the rows go on no longer: %v", err))
		slog.ErrorContext(ctx, "the rows in PostgreSQL go on no longer; commands do, and reads of what there is", "err", err)
	}()
}

// open opens the database, nil once the context has ended.
func (m *readModel) open(ctx context.Context) *postgres.Store {
	said := ""
	for ctx.Err() == nil {
		store, err := postgres.Open(ctx, m.url, m.register(), slog.Default())
		if err == nil {
			m.set(store, nil)
			return store
		}
		if text := err.Error(); text != said && ctx.Err() == nil {
			said = text
			slog.WarnContext(ctx, "waiting for the database", "err", err)
		}
		m.set(nil, unavailable(err))
		select {
		case <-time.After(reopenPause):
		case <-ctx.Done():
		}
	}
	return nil
}

func unavailable(err error) error {
	return fault.New(fault.Unavailable, "READ_MODEL_UNAVAILABLE", "", "the database that reads are answered from cannot be used: %v", err)
}

func (m *readModel) set(s *postgres.Store, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.store, m.fault = s, err
}

// register is what the rows are of.
func (m *readModel) register() postgres.Register {
	p := m.p
	return postgres.Register{
		View: func(ctx context.Context, least uint64, f func(*registry.State, uint64)) error {
			return p.runner.View(ctx, least, func(head uint64) error {
				f(&p.state, head)
				return nil
			})
		},
		Records:   p.records,
		CommitEnd: p.runner.CommitEnd,
		KnownTime: p.runner.KnownTime,
	}
}

// opened is the store, or why there is none. Safe on nil: reads are answered from memory.
func (m *readModel) opened() (*postgres.Store, error) {
	if m == nil {
		return nil, fault.New(fault.Refused, "READ_MODEL_OFF", "", "this process answers reads from memory: it was started without a database")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.store == nil {
		return nil, m.fault
	}
	return m.store, nil
}

// ready returns nil while the rows are where the register is, and otherwise why they are
// not. A process that waits to take over is ready while the rows of the other one are.
func (m *readModel) ready() error {
	store, err := m.opened()
	if err != nil {
		return err
	}
	head, at := m.p.runner.Progress().Gate.Size, store.Progress()
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.fault != nil:
		return m.fault
	case at.Halted != nil:
		return fault.New(fault.Unavailable, "READ_MODEL_HALTED", "", "the rows go on no longer: %v", at.Halted)
	case at.Schema == "" && at.Rebuild != nil:
		return fault.New(fault.Unavailable, "READ_MODEL_FILLING", "", "the rows are made for the first time: %d of %d (%s)", at.Rebuild.Done, at.Rebuild.Total, at.Rebuild.Phase)
	case at.Schema == "":
		return fault.New(fault.Unavailable, "READ_MODEL_FILLING", "", "there are no rows yet")
	}
	now := time.Now()
	if at.Position >= m.mark || m.marked.IsZero() {
		m.mark, m.marked = head, now
	}
	if at.Position < m.mark && now.Sub(m.marked) > patience {
		return fault.New(fault.Unavailable, "READ_MODEL_BEHIND", "", "the rows are at position %d, the register is at %d", at.Position, head)
	}
	return nil
}

// observe measures the position of the rows and how far they are behind, also while they
// go on no longer, until the function returned is called.
func (m *readModel) observe() (end func()) {
	meter := otel.Meter("maillage/services/serve")
	// An error leaves a no-op instrument: measuring must not stop the register.
	position, _ := meter.Int64ObservableGauge("maillage.readmodel.position", metric.WithUnit("{position}"),
		metric.WithDescription("Last position in the rows that PostgreSQL keeps"))
	lag, _ := meter.Int64ObservableGauge("maillage.readmodel.lag", metric.WithUnit("{position}"),
		metric.WithDescription("Positions by which those rows are behind what may be shown"))
	registration, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		head, at := m.p.runner.Progress().Gate.Size, uint64(0)
		if store, err := m.opened(); err == nil {
			at = store.Progress().Position
		}
		o.ObserveInt64(position, int64(at), metric.WithAttributes(attribute.Bool("halted", m.halted())))
		o.ObserveInt64(lag, max(0, int64(head)-int64(at)))
		return nil
	}, position, lag)
	if err != nil {
		return func() {}
	}
	return func() { _ = registration.Unregister() }
}

func (m *readModel) halted() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.store != nil && m.fault != nil
}

// close ends it, once its context has ended.
func (m *readModel) close() {
	if m.ended != nil {
		<-m.ended
	}
	m.end()
	if store, err := m.opened(); err == nil {
		store.Close()
	}
	if m.server != nil {
		m.server.Close()
	}
}

// awaitReadModel waits until the rows are where the register is, and says whether the
// process goes on.
func (p *process) awaitReadModel(ctx context.Context) bool {
	said := ""
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for p.model != nil {
		err := p.ready()
		if err == nil {
			return true
		}
		if text, _, _ := strings.Cut(err.Error(), ":"); text != said {
			said = text
			slog.WarnContext(ctx, "waiting", "for", err)
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return false
		case <-p.ended:
			return false
		case <-p.rival:
			p.giveUp()
			return false
		}
	}
	return true
}

// answersFrom is where reads look: the replica in memory, or the rows.
func (p *process) head(ctx context.Context, least uint64) (head uint64, err error) {
	if p.model == nil {
		err = p.runner.View(ctx, least, func(at uint64) error {
			head = at
			return nil
		})
		return head, err
	}
	store, err := p.model.opened()
	if err != nil {
		return 0, err
	}
	return store.Progress().Position, nil
}

func (p *process) view(ctx context.Context, need query.Need, f func(*registry.State)) error {
	if p.model != nil {
		if _, err := p.model.opened(); err != nil {
			return err
		}
	}
	return p.runner.View(ctx, slices.Max(need.Known), func(uint64) error {
		f(&p.state)
		return nil
	})
}

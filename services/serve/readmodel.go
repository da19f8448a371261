package serve

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"maillage/services/fault"
	"maillage/services/registry"
	"maillage/services/registry/postgres"
	"maillage/services/registry/postgres/private"
)

// Where Config.Postgres is no URL: reads are answered from memory, or from the rows in a
// private server that this process starts.
const (
	PostgresOff   = "off"
	PostgresLocal = "local"
)

// patience is how long the rows may lag behind a position before the process is unready.
const patience = 5 * time.Second

// readModel is the rows in PostgreSQL that reads are answered from.
type readModel struct {
	*postgres.Store

	server *private.Server // nil where somebody else runs it
	ended  chan struct{}   // closed when nothing is written any longer; nil before it began

	mu     sync.Mutex
	mark   uint64    // where the register was when the rows had last come to the mark of before
	marked time.Time // when that was
}

// openReadModel starts a private server, where one is asked for, and opens the database,
// which may not be there yet.
func (p *process) openReadModel(ctx context.Context) error {
	c := p.config
	if c.Postgres == "" || c.Postgres == PostgresOff {
		return nil
	}
	if !c.has(Registry) {
		return fault.New(fault.Invalid, "READ_MODEL_MISPLACED", "", "this process answers no reads: only the part %s keeps rows in PostgreSQL", Registry)
	}
	m, url := &readModel{}, c.Postgres
	if c.Postgres == PostgresLocal {
		server, err := private.Start(ctx, private.Options{Dir: filepath.Join(c.Data, "postgres")})
		if err != nil {
			return err
		}
		m.server, url = server, server.URL(private.Database)
	}
	p.model = m // to be closed
	store, err := postgres.Open(ctx, url, p.register(), slog.Default())
	if err != nil {
		return err
	}
	m.Store = store
	return nil
}

// register is what the rows are of: the replica, once there is one.
func (p *process) register() postgres.Register {
	return postgres.Register{
		View: func(ctx context.Context, least uint64, f func(*registry.State, uint64)) error {
			return p.runner.View(ctx, least, func(head uint64) error {
				f(&p.state, head)
				return nil
			})
		},
		Records:   p.records,
		CommitEnd: func(position uint64) uint64 { return p.runner.CommitEnd(position) },
		KnownTime: func(position uint64) time.Time { return p.runner.KnownTime(position) },
	}
}

// keep keeps the rows equal to the register until the context ends.
func (m *readModel) keep(ctx context.Context) {
	m.ended = make(chan struct{})
	go func() {
		defer close(m.ended)
		if err := m.Run(ctx); err != nil && ctx.Err() == nil {
			slog.ErrorContext(ctx, "the rows in PostgreSQL go on no longer; commands do, and reads of what there is", "err", err)
		}
	}()
}

// close ends it, once its context has ended.
func (m *readModel) close() {
	if m.ended != nil {
		<-m.ended
	}
	if m.Store != nil {
		m.Close()
	}
	if m.server != nil {
		m.server.Close()
	}
}

// ready returns nil while the rows are where the register is, at its head, and otherwise
// why they are not. A process that waits to take over is ready while the rows of the other
// one are.
func (m *readModel) ready(head uint64) error {
	at := m.Progress()
	switch {
	case at.Lost != nil:
		return fault.New(fault.Unavailable, "READ_MODEL_UNAVAILABLE", "", "the database that reads are answered from cannot be used: %s", strings.Join(strings.Fields(at.Lost.Error()), " "))
	case at.Halted != nil:
		return fault.New(fault.Unavailable, "READ_MODEL_HALTED", "", "the rows go on no longer: %v", at.Halted)
	case at.Schema == "" && at.Rebuild != nil && at.Rebuild.Failed != nil:
		return fault.New(fault.Unavailable, "READ_MODEL_HALTED", "", "there are no rows that can be read: %v", at.Rebuild.Failed)
	case at.Schema == "" && at.Rebuild != nil:
		return fault.New(fault.Unavailable, "READ_MODEL_FILLING", "", "the rows are made for the first time: %d of %d (%s)", at.Rebuild.Done, at.Rebuild.Total, at.Rebuild.Phase)
	case at.Schema == "":
		return fault.New(fault.Unavailable, "READ_MODEL_FILLING", "", "there are no rows yet")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	switch {
	case m.marked.IsZero(): // at the start there is nothing to be patient with
		m.mark, m.marked = head, now.Add(-2*patience)
	case at.Position >= m.mark:
		m.mark, m.marked = head, now
	}
	if at.Position < m.mark && now.Sub(m.marked) > patience {
		return fault.New(fault.Unavailable, "READ_MODEL_BEHIND", "", "the rows are at position %d, the register is at %d", at.Position, head)
	}
	return nil
}

// awaitReadModel waits until the rows are where the register is, and says whether the
// process goes on. It can be asked meanwhile, also for what sets the rows right.
func (p *process) awaitReadModel(ctx context.Context) bool {
	said := ""
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for p.model != nil {
		err := p.model.ready(p.runner.Progress().Gate.Size)
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

// rows is the store of the rows.
func (p *process) rows() (*postgres.Store, error) {
	if p.model == nil {
		return nil, fault.New(fault.Refused, "READ_MODEL_OFF", "", "this process answers reads from memory: it was started without a database")
	}
	return p.model.Store, nil
}

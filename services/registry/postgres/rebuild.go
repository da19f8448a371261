package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sync/errgroup"

	"maillage/services/eventlog"
	"maillage/services/fault"
	"maillage/services/registry"
)

// Phases of a rebuild.
const (
	copying    = "COPYING"
	indexes    = "INDEXING"
	catchingUp = "CATCHING_UP"
	comparing  = "COMPARING"
)

const (
	chunkRows    = 20_000 // in one transaction
	chunkRecords = 20_000
	indexers     = 2     // at once
	nearHead     = 1_000 // positions behind at which digests are compared
	indexMemory  = "256MB"
)

var errStopped = errors.New("the rebuild was stopped")

// rebuilds fills schemas as they are asked for, until the database or the register is lost.
func (p *projector) rebuilds(ctx context.Context) error {
	for {
		n, moved := p.now()
		i := slices.IndexFunc(n.models, func(m model) bool { return m.State == filling })
		if i < 0 {
			select {
			case <-moved:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		err := p.fill(ctx, n.models[i].Schema)
		p.held.release()
		switch {
		case err == nil || errors.Is(err, errStopped):
			p.logger.InfoContext(ctx, "a rebuild ended", "schema", n.models[i].Schema, "error", err)
		case ctx.Err() != nil || lost(err):
			return err
		default:
			p.logger.ErrorContext(ctx, "a rebuild failed", "schema", n.models[i].Schema, "error", err)
			if err := p.spoil(ctx, n.models[i].Schema, err); err != nil {
				return err
			}
		}
		if err := p.reload(ctx); err != nil {
			return err
		}
	}
}

// reload looks at once, so that what was just done is not done again.
func (p *projector) reload(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	models, rebuild, err := look(ctx, p.conn)
	if err == nil {
		p.saw(models, rebuild)
	}
	return err
}

// spoil keeps why a rebuild failed.
func (p *projector) spoil(ctx context.Context, schema string, why error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	told := why.Error()
	if _, ours := errors.AsType[*fault.Error](why); !ours {
		told = "READ_MODEL_HALTED: " + told
	}
	if _, err := p.conn.Exec(ctx, "update maillage.model set state = 'STOPPED', failed = $2 where schema = $1", schema, told); err != nil {
		return fmt.Errorf("keep why a rebuild failed: %w", err)
	}
	return nil
}

func (h *held) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.filling = share{}
}

// filler fills one schema.
type filler struct {
	*projector
	model
	conns   []*pgx.Conn
	rows    []registry.Row // as known at the target, in order
	effects []effect
	at      cursor // from the target on
}

// fill fills a schema from where it was left, and has it read.
func (p *projector) fill(ctx context.Context, schema string) (err error) {
	f := &filler{projector: p}
	defer func() {
		for _, c := range f.conns {
			hangUp(c)
		}
	}()
	for range indexers {
		conn, err := p.connect(ctx)
		if err != nil {
			return err
		}
		f.conns = append(f.conns, conn)
		if _, err := conn.Exec(ctx, "set synchronous_commit = off; set maintenance_work_mem = '"+indexMemory+"'"); err != nil {
			return fmt.Errorf("set up a connection: %w", err)
		}
	}
	working, end := context.WithCancelCause(ctx)
	defer end(nil)
	go p.heed(working, schema, end)
	err = f.run(working, schema)
	if err != nil && errors.Is(context.Cause(working), errStopped) && ctx.Err() == nil {
		return errStopped
	}
	return err
}

// heed ends a rebuild that somebody stops.
func (p *projector) heed(ctx context.Context, schema string, end context.CancelCauseFunc) {
	for {
		n, moved := p.now()
		i := slices.IndexFunc(n.models, func(m model) bool { return m.Schema == schema })
		switch {
		case i >= 0 && n.models[i].State == live: // the takeover is heard of before it has returned
			return
		case i < 0 || n.models[i].State != filling:
			end(errStopped)
			return
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return
		}
	}
}

// run goes through the phases. Each may have been done before, in whole or in part.
func (f *filler) run(ctx context.Context, schema string) error {
	if err := f.start(ctx, schema); err != nil {
		return err
	}
	f.at = cursor{schema, uint64(f.Position)}
	for _, phase := range f.phases() {
		if err := f.enter(ctx, phase.name); err != nil {
			return err
		}
		if err := phase.do(ctx); err != nil {
			return err
		}
	}
	return f.takeOver(ctx)
}

type phase struct {
	name string
	do   func(context.Context) error
}

func (f *filler) phases() []phase {
	return []phase{
		{copying, f.copy},
		{indexes, f.index},
		{catchingUp, func(ctx context.Context) error { return f.catchUp(ctx, nearHead) }},
		{comparing, f.compare},
	}
}

// start takes up a schema where it was left; one that was not begun, or not from this log,
// is begun.
func (f *filler) start(ctx context.Context, schema string) error {
	models, _, err := look(ctx, f.conns[0])
	if err != nil {
		return err
	}
	i := slices.IndexFunc(models, func(m model) bool { return m.Schema == schema && m.State == filling })
	if i < 0 {
		return errStopped
	}
	f.model = models[i]
	if f.Phase != "" {
		target := f.model
		if f.Phase == copying || f.Phase == indexes {
			target.Position = target.Target
		}
		switch _, err := f.ours(ctx, target); {
		case err == nil:
			_, _, err := f.view(ctx, uint64(f.Target))
			return err
		case lost(err):
			return err
		}
		if _, err := f.conns[0].Exec(ctx, "drop schema if exists "+schema+" cascade; delete from maillage.filled where schema = '"+schema+"'"); err != nil {
			return fmt.Errorf("begin anew: %w", err)
		}
	}
	return f.make(ctx)
}

// view takes the rows as known at a position, 0 for the head, in an order that they always
// have: that of the log, by which an interrupted copy goes on.
func (f *filler) view(ctx context.Context, position uint64) (logID string, target uint64, err error) {
	err = f.register.View(ctx, position, func(s *registry.State, head uint64) {
		logID, target = s.Identity().LogID, cmp.Or(position, head)
		f.held.within(s, &f.held.filling, target, func() {
			changes := s.Changes(0, target)
			f.rows, f.effects = slices.Collect(changes.All()), effectsOf(changes)
		})
	})
	if err != nil {
		return "", 0, fmt.Errorf("%w: %w", errUnviewed, err)
	}
	slices.SortFunc(f.rows, func(a, b registry.Row) int {
		return cmp.Or(
			cmp.Compare(rank[a.Table], rank[b.Table]),
			cmp.Compare(a.Version.KnownFrom, b.Version.KnownFrom),
			cmp.Compare(a.ID, b.ID),
			cmp.Compare(a.Version.Valid.From, b.Version.Valid.From),
		)
	})
	slices.SortFunc(f.effects, func(a, b effect) int { return cmp.Compare(a.Position, b.Position) })
	return logID, target, nil
}

// make makes the tables of a schema and settles at which position it is filled.
func (f *filler) make(ctx context.Context) error {
	logID, target, err := f.view(ctx, 0)
	if err != nil {
		return err
	}
	var leaf tlog.Hash
	for r, err := range f.register.Records(ctx, max(target, 1)-1, target) {
		if err != nil {
			return fmt.Errorf("read position %d: %w", target, err)
		}
		leaf = eventlog.LeafHash(r)
	}
	return pgx.BeginFunc(ctx, f.conns[0], func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, creation(f.Schema)); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, `update maillage.model set version = $2, log_id = $3, position = $4, target = $4, leaf = $5, phase = $6
			where schema = $1 and state = 'FILLING' returning position, target`, f.Schema, schemaVersion, logID, int64(target), leaf[:], copying).
			Scan(&f.Position, &f.Target)
		if errors.Is(err, pgx.ErrNoRows) {
			return errStopped
		}
		if err != nil {
			return err
		}
		for part, total := range map[string]int{"rows": len(f.rows) + len(f.effects), "records": int(target), "indexes": len(indexings(f.Schema, nil))} {
			if _, err := tx.Exec(ctx, "insert into maillage.filled (schema, part, total) values ($1, $2, $3)", f.Schema, part, total); err != nil {
				return err
			}
		}
		return nil
	})
}

// enter begins a phase.
func (f *filler) enter(ctx context.Context, phase string) error {
	done, err := f.conns[0].Exec(ctx, "update maillage.model set phase = $2 where schema = $1 and state = 'FILLING'", f.Schema, phase)
	if err != nil {
		return fmt.Errorf("begin the phase %s: %w", phase, err)
	}
	if done.RowsAffected() == 0 {
		return errStopped
	}
	f.logger.InfoContext(ctx, "rebuilding the read model", "schema", f.Schema, "phase", phase)
	return nil
}

// copy brings in the rows and the records, each through a connection.
func (f *filler) copy(ctx context.Context) error {
	var both *errgroup.Group
	both, ctx = errgroup.WithContext(ctx)
	both.Go(func() error {
		return f.lane(ctx, f.conns[0], "rows", chunkRows, func(d *drained, from, to int) error {
			n := len(f.rows)
			d.opened = f.rows[min(from, n):min(to, n)]
			d.effects = f.effects[max(from-n, 0):max(to-n, 0)]
			d.packEffects()
			return d.packRows()
		})
	})
	both.Go(func() error {
		return f.lane(ctx, f.conns[1], "records", chunkRecords, func(d *drained, from, to int) error {
			return f.packRecords(ctx, d, uint64(from), uint64(to))
		})
	})
	return both.Wait()
}

// lane brings in one part, a chunk in each transaction with how far that is. The next
// chunk is encoded meanwhile.
func (f *filler) lane(ctx context.Context, conn *pgx.Conn, part string, size int, pack func(d *drained, from, to int) error) error {
	var done, total int
	if err := conn.QueryRow(ctx, "select done, total from maillage.filled where schema = $1 and part = $2", f.Schema, part).Scan(&done, &total); err != nil {
		return fmt.Errorf("read how far the %s are: %w", part, err)
	}
	type chunk struct {
		drained
		from, to int
	}
	chunks := make(chan chunk, 1)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(chunks)
		for from := done; from < total; from += size {
			c := chunk{from: from, to: min(from+size, total)}
			if err := pack(&c.drained, c.from, c.to); err != nil {
				return err
			}
			select {
			case chunks <- c:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	group.Go(func() error {
		for c := range chunks {
			err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
				if err := f.mark(ctx, tx, part, c.from, c.to); err != nil {
					return err
				}
				return copyAll(ctx, tx, f.Schema, c.loads)
			})
			if err != nil {
				return fmt.Errorf("copy %s %d to %d: %w", part, c.from, c.to, err)
			}
		}
		return nil
	})
	return group.Wait()
}

// mark says how far a part is, which keeps everybody else from doing the same.
func (f *filler) mark(ctx context.Context, tx pgx.Tx, part string, from, to int) error {
	marked, err := tx.Exec(ctx, `update maillage.filled set done = $4 where schema = $1 and part = $2 and done = $3
		and exists (select from maillage.model m where m.schema = $1 and m.state = 'FILLING')`, f.Schema, part, from, to)
	if err != nil {
		return err
	}
	if marked.RowsAffected() == 0 {
		return errTaken
	}
	return nil
}

// index makes the indexes and constraints that are missing.
func (f *filler) index(ctx context.Context) error {
	var next atomic.Int64
	count := make(map[string]int)
	for i := range f.rows {
		count[f.rows[i].Table]++
	}
	steps := indexings(f.Schema, count)
	group, within := errgroup.WithContext(ctx)
	for _, conn := range f.conns {
		group.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(steps) {
					return nil
				}
				if err := f.indexOne(within, conn, steps[i]); err != nil {
					return err
				}
			}
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i := range tables {
		if _, err := f.conns[0].Exec(ctx, "analyze "+f.Schema+"."+tables[i].name); err != nil {
			return fmt.Errorf("analyze: %w", err)
		}
	}
	if _, err := f.conns[0].Exec(ctx, "analyze "+f.Schema+".event; analyze "+f.Schema+".act_effect"); err != nil {
		return fmt.Errorf("analyze: %w", err)
	}
	return nil
}

func (f *filler) indexOne(ctx context.Context, conn *pgx.Conn, step indexing) error {
	if step.constraint != "" {
		var there bool
		if err := conn.QueryRow(ctx, "select to_regclass($1) is not null", f.Schema+"."+step.constraint).Scan(&there); err != nil {
			return fmt.Errorf("look for %s: %w", step.constraint, err)
		}
		if there {
			return nil
		}
	}
	_, err := conn.Exec(ctx, step.do)
	if c := code(err); c == duplicateTable || c == duplicateObject { // by a process that was killed meanwhile
		return nil
	}
	if err != nil {
		return fmt.Errorf("make an index of %s: %w", step.table, err)
	}
	_, err = conn.Exec(ctx, "update maillage.filled set done = done + 1 where schema = $1 and part = 'indexes'", f.Schema)
	return err
}

// catchUp brings in what was recorded meanwhile, until little is missing.
func (f *filler) catchUp(ctx context.Context, near uint64) error {
	f.rows, f.effects = nil, nil
	for {
		next, err := f.drain(ctx, f.conns[0], f.at, drainSize, &f.held.filling)
		if err != nil {
			return err
		}
		gained := next.position - f.at.position
		if f.at = next; gained < near {
			return nil
		}
	}
}

package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"maillage/services/bitemporal"
	"maillage/services/eventlog"
	"maillage/services/fault"
	"maillage/services/registry"
)

const (
	theLock   = 0x6d61696c6c616765     // advisory, of the one process that keeps the rows
	lockRetry = 300 * time.Millisecond // of those that wait for it
	heartbeat = 2 * time.Second        // between two looks whether the connection stands
	drainSize = 20_000                 // positions in one transaction, or one commit
	cheaper   = 100_000                // positions behind from which a rebuild may be quicker
	nap       = 200 * time.Millisecond // where a replica cannot be viewed
)

// cursor is how far a schema is.
type cursor struct {
	schema   string
	position uint64
}

// projector keeps the rows, in the one process that holds the lock. What it writes to the
// schema that is read goes through the connection that holds it: without the lock nothing
// can be written.
type projector struct {
	*Store
	conn *pgx.Conn

	mu   sync.Mutex // held while live is written to, or another takes its place
	live *cursor    // nil while there is none, or none that can be gone on with
	held held
}

// held is what is held for the schema that is read and for the one that is filled.
type held struct {
	mu            sync.Mutex
	live, filling share
}

// share is what is held for one schema.
type share struct {
	after *uint64 // changes after this position must be kept; none, where nil
	ready *bundle // what follows, made ready while the last was written; of who writes it alone
}

// bundle is the commits after a cursor up to another, ready to be written.
type bundle struct {
	drained
	from, to cursor
	limit    uint64 // that it was made for
	more     bool   // commits that follow it are there
}

// project keeps the rows until the database is lost.
func (s *Store) project(ctx context.Context) error {
	conn, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	if err := s.lead(ctx, conn); err != nil {
		return err
	}
	p := &projector{Store: s, conn: conn}
	s.update(func(n *seen) { n.projects, n.halted = true, nil })
	defer s.update(func(n *seen) { n.projects = false })
	s.logger.InfoContext(ctx, "keeping the read model")
	if err := p.begin(ctx); err != nil {
		return err
	}
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() error { return p.keep(ctx) })
	both.Go(func() error { return p.rebuilds(ctx) })
	return both.Wait()
}

// lead waits for the lock and makes what is missing in the database.
func (s *Store) lead(ctx context.Context, conn *pgx.Conn) error {
	for idle := false; ; idle = true {
		var got bool
		if err := conn.QueryRow(ctx, "select pg_try_advisory_lock($1)", int64(theLock)).Scan(&got); err != nil {
			return fmt.Errorf("take the lock: %w", err)
		}
		if got {
			break
		}
		if !idle { // what another process brings in need not be kept here, and goes on
			s.update(func(n *seen) { n.halted = nil })
			if err := s.register.View(ctx, 0, func(state *registry.State, _ uint64) { state.Hold(bitemporal.Latest) }); err != nil {
				return fmt.Errorf("%w: %w", errUnviewed, err)
			}
		}
		if pause(ctx, lockRetry); ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if _, err := conn.Exec(ctx, "set "+durable+";"+modelDDL); err != nil {
		return fmt.Errorf("make what is missing: %w", err)
	}
	return nil
}

// begin finds out what there is: the schema to go on with, or that one is to be filled.
func (p *projector) begin(ctx context.Context) error {
	models, err := p.tidy(ctx)
	if err != nil {
		return err
	}
	fill, halfway := true, slices.ContainsFunc(models, func(m model) bool { return m.State == stopped })
	for _, m := range models {
		switch {
		case m.State == filling || m.State == stopped:
			fill = false
		case m.State == live && m.Version == schemaVersion:
			c := cursor{m.Schema, uint64(m.Position)}
			switch head, err := p.ours(ctx, m); {
			case err != nil && lost(err):
				return err
			case err != nil:
				p.halt(ctx, err)
			case head-c.position > max(cheaper, c.position) && !halfway:
				p.logger.InfoContext(ctx, "the read model is so far behind that it is filled anew", "position", c.position, "head", head)
				continue
			default:
				p.live = &c
			}
			models, fill = nil, false
		}
		if models == nil {
			break
		}
	}
	if fill {
		err = pgx.BeginFunc(ctx, p.conn, func(tx pgx.Tx) error { return register(ctx, tx) })
		if err != nil {
			return fmt.Errorf("begin a schema: %w", err)
		}
	}
	return p.reload(ctx)
}

// tidy forgets schemas that somebody dropped, or a table of, and fillings of other versions,
// and returns the others.
func (p *projector) tidy(ctx context.Context) (models []model, err error) {
	all, _, err := look(ctx, p.conn)
	if err != nil {
		return nil, err
	}
	for _, m := range all {
		var there bool
		var parts []string // of another version nobody here knows them
		if m.Version == schemaVersion {
			parts = tableNames()
		}
		err := p.conn.QueryRow(ctx, "select to_regnamespace($1) is not null and not exists (select from unnest($2::text[]) part where to_regclass($1 || '.' || part) is null)", m.Schema, parts).Scan(&there)
		if err != nil {
			return nil, fmt.Errorf("look for a schema: %w", err)
		}
		unfilled := m.State == filling || m.State == stopped
		if there && (!unfilled || m.Version == schemaVersion) || !there && unfilled && m.Phase == "" && m.Version == schemaVersion {
			models = append(models, m)
			continue
		}
		if err := forget(ctx, p.conn, m.Schema); err != nil {
			return nil, err
		}
	}
	return models, nil
}

func forget(ctx context.Context, conn *pgx.Conn, schema string) error {
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "delete from maillage.model where schema = $1", schema); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "drop schema if exists "+schema+" cascade")
		return err
	})
	if err != nil {
		return fmt.Errorf("forget schema %s: %w", schema, err)
	}
	return nil
}

// ours says whether a schema was filled from this log, and returns the head of the log.
func (s *Store) ours(ctx context.Context, m model) (head uint64, err error) {
	position := uint64(m.Position)
	var id string
	show := func(state *registry.State, at uint64) { id, head = state.Identity().LogID, at }
	if err := s.register.View(ctx, 0, show); err != nil { // it may replay for long
		return 0, fmt.Errorf("%w: %w", errUnviewed, err)
	}
	waiting, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	if err := s.register.View(waiting, position, show); err != nil {
		if waiting.Err() == nil || ctx.Err() != nil {
			return 0, fmt.Errorf("%w: %w", errUnviewed, err)
		}
		return 0, forked(position, "The read model is at position %d, the log ends at %d.", position, head)
	}
	if position == 0 {
		return head, nil
	}
	if id != m.LogID {
		return 0, forked(position, "The read model comes from log %s, not from %s.", m.LogID, id)
	}
	for r, err := range s.register.Records(ctx, position-1, position) {
		if err != nil {
			return 0, fmt.Errorf("read position %d: %w", position, err)
		}
		if leaf := eventlog.LeafHash(r); string(leaf[:]) != string(m.Leaf) {
			return 0, forked(position, "Position %d of the log is not the one that the read model was made from.", position)
		}
	}
	return head, nil
}

func forked(position uint64, format string, args ...any) error {
	f := fault.New(fault.Damaged, "READ_MODEL_FORKED", "", format, args...)
	f.Position = position
	return f
}

func isForked(err error) bool {
	f, ours := errors.AsType[*fault.Error](err)
	return ours && f.Reason == "READ_MODEL_FORKED"
}

// halt stops the keeping of the schema that is read. Only a rebuild or another process
// brings it back.
func (p *projector) halt(ctx context.Context, err error) {
	p.live = nil
	if err := p.register.View(ctx, 0, func(s *registry.State, _ uint64) { p.held.drop(s) }); err != nil {
		p.logger.WarnContext(ctx, "what changes is still held for the read model", "error", err)
	}
	p.logger.ErrorContext(ctx, "the read model is halted", "error", err)
	p.update(func(n *seen) { n.halted = err })
}

// keep brings every commit into the schema that is read.
func (p *projector) keep(ctx context.Context) error {
	limit := uint64(drainSize)
	for {
		_, moved := p.now()
		p.mu.Lock()
		at := p.live
		p.mu.Unlock()
		if at == nil {
			select {
			case <-moved:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err := p.await(ctx, at.position+1); err != nil {
			return err
		}
		if err := p.step(ctx, &limit); err != nil {
			return err
		}
	}
}

// await waits for a position, and makes sure meanwhile that the connection stands.
func (p *projector) await(ctx context.Context, position uint64) error {
	for {
		waiting, cancel := context.WithTimeout(ctx, heartbeat)
		err := p.register.View(waiting, position, func(*registry.State, uint64) {})
		early := waiting.Err() == nil
		cancel()
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		if early {
			pause(ctx, nap)
		}
		p.mu.Lock()
		err = p.conn.Ping(ctx)
		p.mu.Unlock()
		if err != nil {
			return fmt.Errorf("the connection that holds the lock: %w", err)
		}
	}
}

// step brings what follows into the schema that is read. What the database refuses is
// tried again in smaller parts, down to the commit at fault, which halts it.
func (p *projector) step(ctx context.Context, limit *uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.live == nil {
		return nil
	}
	from := p.live.position
	next, err := p.drain(ctx, p.conn, *p.live, *limit, &p.held.live)
	switch {
	case err == nil:
		p.live = &next
		*limit = min(2**limit, drainSize)
		p.update(func(n *seen) {
			if n.live == next.schema {
				n.position = max(n.position, next.position)
			}
		})
		return nil
	case ctx.Err() != nil || lost(err):
		return err
	case *limit > 1:
		*limit = max(1, min(*limit, next.position-from)/2)
		return nil
	}
	f := fault.New(fault.Damaged, "READ_MODEL_HALTED", "", "What was recorded at positions %d to %d cannot be brought into the read model: %v", from+1, next.position, err)
	f.Position = from + 1
	p.halt(ctx, f)
	return nil
}

// drain brings the commits after a cursor into its schema, in one transaction: at most as
// many positions as the limit, but one commit at least. While the database writes them, those
// that follow are made ready. With an error it returns how far it would have come.
func (p *projector) drain(ctx context.Context, conn *pgx.Conn, c cursor, limit uint64, mine *share) (next cursor, err error) {
	now := mine.ready
	mine.ready = nil
	if now == nil || now.from != c || now.limit > limit {
		if now, err = p.prepare(ctx, c, limit, mine); err != nil || now.to == c {
			return now.to, err
		}
	}
	if !now.more {
		return now.to, now.apply(ctx, conn, now.from, now.to)
	}
	made := make(chan *bundle, 1)
	go func() {
		following, err := p.prepare(ctx, now.to, limit, mine)
		if err != nil || following.to == now.to {
			following = nil // what is wrong shows when it is its turn
		}
		made <- following
	}()
	err = now.apply(ctx, conn, now.from, now.to)
	if following := <-made; err == nil {
		mine.ready = following
	}
	return now.to, err
}

// prepare takes and encodes the commits after a cursor; it ends there, where there are none.
// With an error too it says how far it would have come.
func (p *projector) prepare(ctx context.Context, c cursor, limit uint64, mine *share) (*bundle, error) {
	b := &bundle{from: c, to: c, limit: limit}
	var head uint64
	if err := p.register.View(ctx, 0, func(_ *registry.State, at uint64) { head = at }); err != nil {
		return b, fmt.Errorf("%w: %w", errUnviewed, err)
	}
	if head <= c.position {
		return b, nil
	}
	b.to.position = p.register.CommitEnd(min(head, c.position+limit))
	if b.to.position <= c.position {
		b.to.position = p.commitOf(c.position + 1)
	}
	b.more = b.to.position < head
	err := p.register.View(ctx, 0, func(s *registry.State, _ uint64) {
		p.held.within(s, mine, c.position, func() { b.take(s, c.position, b.to.position) })
	})
	if err != nil {
		return b, fmt.Errorf("%w: %w", errUnviewed, err)
	}
	return b, p.pack(ctx, &b.drained, c.position, b.to.position)
}

// commitOf is the last position of the commit that a position is part of.
func (s *Store) commitOf(position uint64) uint64 {
	end := position
	for s.register.CommitEnd(end) < position {
		end++
	}
	return end
}

// drop keeps nothing any longer for the schema that was read.
func (h *held) drop(s *registry.State) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.live = share{}
	least := bitemporal.Latest
	if h.filling.after != nil {
		least = *h.filling.after
	}
	s.Hold(least)
}

// within calls f, and has the state keep what changes after the least of the positions that
// still need it. Whoever else views the state meanwhile is not concerned by either.
func (h *held) within(s *registry.State, mine *share, position uint64, f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
	mine.after = &position
	least := position
	for _, other := range []*uint64{h.live.after, h.filling.after} {
		if other != nil {
			least = min(least, *other)
		}
	}
	s.Hold(least)
}

var errTaken = errors.New("another process keeps the read model")

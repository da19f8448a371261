// Package postgres keeps the rows of the register in PostgreSQL and answers from them. It
// interprets no event: what it stores are the row changes of the folds, with the records
// of the log as they are beside them, and what it answers is what package lens answers
// over the rows that it brings. All it holds can be rebuilt from the log at will.
package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"maillage/services/eventlog"
	"maillage/services/fault"
	"maillage/services/registry"
)

// channel is what is told of every commit: the schema and its position.
const channel = "maillage"

const (
	glance       = time.Second            // between two looks at what the database says of itself
	firstBackoff = 100 * time.Millisecond // until a database that is gone is tried again
	lastBackoff  = 5 * time.Second
	setup        = 10 * time.Second // until a connection is given up
)

// Register is the register that is kept in rows: a replica of the log, in this process.
// All functions are required and safe for concurrent use; none but the one given to View
// is called while View runs.
type Register struct {
	// View runs f while the state cannot change; head is the last position that may be
	// shown, the end of a commit. It waits for head to reach minPosition, within ctx.
	View func(ctx context.Context, minPosition uint64, f func(s *registry.State, head uint64)) error
	// Records reads the stored records after a position up to another, in order.
	Records func(ctx context.Context, after, to uint64) iter.Seq2[eventlog.Record, error]
	// CommitEnd is the last position of the last whole commit at or before a position.
	CommitEnd func(position uint64) uint64
	// KnownTime is the known time of a position, UTC.
	KnownTime func(position uint64) time.Time
}

// Progress says how far a store has come.
type Progress struct {
	Schema   string   // that is read, empty before the first
	Position uint64   // up to which the rows that are read are complete
	Projects bool     // this process keeps the rows; else it waits to take over
	Lost     error    // why the database cannot be used, nil while it can
	Halted   error    // why it keeps them no longer, nil while it does
	Rebuild  *Rebuild // the one under way or stopped, nil where there is none
	Kept     []string // older schemas, kept until told
}

// Rebuild is how far the filling of a new schema has come.
type Rebuild struct {
	Schema      string
	Target      uint64        // position it is filled at; it catches up from there
	Done, Total uint64        // rows and records copied, and to be copied
	Rate        float64       // of them a second
	Left        time.Duration // estimated; negative while unknown
	Phase       string        // COPYING, INDEXING, CATCHING_UP, COMPARING, STOPPED
	Failed      error         // why it stopped, such as a digest that differs
}

// Store is a database that keeps the rows. It may be gone for a while.
type Store struct {
	register Register
	logger   *slog.Logger
	pool     *pgxpool.Pool // for reads
	patience time.Duration // until a position that the log does not have is one that it lost

	small  smallCache
	wholes wholeCache

	mu    sync.Mutex
	seen  seen
	moved chan struct{} // closed and replaced whenever seen changes
}

// seen is what was last heard of the database, and what this process does with it.
type seen struct {
	models   []model
	live     string // of this version; empty while there is none
	position uint64
	logID    string // that these rows come from
	rebuild  *Rebuild
	projects bool
	halted   error
	lost     error // why the database is not heard, nil while it is
}

// model is a row of maillage.model.
type model struct {
	Schema   string
	Version  int
	State    string
	LogID    string
	Position int64
	Leaf     []byte
	Target   int64
	Phase    string
	Failed   *string
}

// States of a model.
const (
	live    = "LIVE"
	filling = "FILLING"
	stopped = "STOPPED"
	kept    = "KEPT"
)

// Open names the database of a URL; Run makes what is missing in it. A database that
// cannot be reached is no error: it may come.
func Open(ctx context.Context, url string, register Register, logger *slog.Logger) (*Store, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fault.New(fault.Invalid, "POSTGRES_URL", "postgres", "The address of the PostgreSQL database cannot be read: %v", err)
	}
	config.ConnConfig.Tracer = otelpgx.NewTracer()
	config.ConnConfig.ConnectTimeout = cmp.Or(config.ConnConfig.ConnectTimeout, setup)
	config.ConnConfig.RuntimeParams["application_name"] = "maillage"
	config.AfterConnect = prepareReads
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open the read model: %w", err)
	}
	return &Store{register: register, logger: logger, pool: pool, patience: 10 * time.Second, moved: make(chan struct{})}, nil
}

// Close ends all connections.
func (s *Store) Close() { s.pool.Close() }

// Run keeps the rows equal to the register until the context ends, and returns nil then.
// One process at a time does so; another one waits and takes over. A database that cannot
// be reached is waited for. What cannot be applied halts it, which Progress says: nothing
// is skipped, and a rebuild or another binary gets it going again.
func (s *Store) Run(ctx context.Context) error {
	defer observe(s)()
	var workers errgroup.Group
	workers.Go(func() error { s.again(ctx, "watch the read model", s.hear); return nil })
	workers.Go(func() error { s.again(ctx, "keep the read model", s.project); return nil })
	return workers.Wait()
}

// again calls f until the context ends, ever less often while it fails.
func (s *Store) again(ctx context.Context, what string, f func(context.Context) error) {
	wait := firstBackoff
	for ctx.Err() == nil {
		began := time.Now()
		err := f(ctx)
		if ctx.Err() != nil {
			return
		}
		if wait = min(2*wait, lastBackoff); time.Since(began) > glance {
			wait = firstBackoff
		}
		s.logger.WarnContext(ctx, "the database or the register is lost, trying again", "doing", what, "error", err, "wait", wait)
		pause(ctx, wait)
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// connect opens a connection of its own.
func (s *Store) connect(ctx context.Context) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, s.pool.Config().ConnConfig)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return conn, nil
}

func hangUp(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // nothing is left to be lost
}

// hear watches and, once that ends, notes why.
func (s *Store) hear(ctx context.Context) error {
	err := s.watch(ctx)
	s.update(func(n *seen) { n.lost = err })
	return err
}

// watch follows what the database says of itself, so that every process knows how far the
// rows are, whoever writes them.
func (s *Store) watch(ctx context.Context) error {
	conn, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	if _, err := conn.Exec(ctx, "listen "+channel); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	var pace pace
	for {
		models, rebuild, err := look(ctx, conn)
		if err != nil {
			return err
		}
		pace.set(rebuild)
		s.saw(models, rebuild)
		for next := time.Now().Add(glance); ; {
			waiting, cancel := context.WithDeadline(ctx, next)
			told, err := conn.WaitForNotification(waiting)
			cancel()
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil && conn.IsClosed() {
				return fmt.Errorf("listen: %w", err)
			}
			if err != nil || !s.reached(told.Payload) {
				break
			}
		}
	}
}

// look reads what the database says of itself: nothing, where it is empty.
func look(ctx context.Context, conn *pgx.Conn) ([]model, *Rebuild, error) {
	rows, _ := conn.Query(ctx, "select schema, version, state, log_id, position, leaf, target, phase, failed from maillage.model order by schema")
	models, err := pgx.CollectRows(rows, pgx.RowToStructByPos[model])
	if code(err) == undefinedTable {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read which schemas there are: %w", err)
	}
	for _, m := range models {
		if m.State != filling && m.State != stopped {
			continue
		}
		r := &Rebuild{Schema: m.Schema, Target: uint64(m.Target), Phase: m.Phase}
		if m.State == stopped {
			r.Phase = stopped
		}
		if m.Failed != nil {
			reason, message, _ := strings.Cut(*m.Failed, ": ")
			r.Failed = fault.New(fault.Damaged, reason, "", "%s", message)
		}
		err := conn.QueryRow(ctx, "select coalesce(sum(done), 0)::bigint, coalesce(sum(total), 0)::bigint from maillage.filled where schema = $1 and part <> 'indexes'", m.Schema).
			Scan(&r.Done, &r.Total)
		if err != nil {
			return nil, nil, fmt.Errorf("read how far a rebuild is: %w", err)
		}
		return models, r, nil
	}
	return models, nil, nil
}

// pace reckons the rate of a rebuild since it was first seen, or gone on with.
type pace struct {
	schema string
	since  time.Time
	done   uint64
}

func (p *pace) set(r *Rebuild) {
	if r == nil || r.Phase == stopped || r.Schema != p.schema {
		*p = pace{}
	}
	if r == nil {
		return
	}
	if p.schema == "" {
		*p = pace{r.Schema, time.Now(), r.Done}
	}
	if took := time.Since(p.since).Seconds(); took > 0 {
		r.Rate = float64(r.Done-p.done) / took
	}
	r.Left = -1
	if r.Phase == copying && r.Rate > 0 {
		r.Left = time.Duration(float64(r.Total-r.Done) / r.Rate * float64(time.Second))
	}
}

func (s *Store) saw(models []model, rebuild *Rebuild) {
	s.update(func(n *seen) {
		was, told := n.live, n.position
		n.models, n.rebuild, n.live, n.position, n.lost = models, rebuild, "", 0, nil
		for _, m := range models {
			if m.State == live && m.Version == schemaVersion {
				n.live, n.position, n.logID = m.Schema, uint64(m.Position), m.LogID
			}
		}
		if n.live == was { // a commit may have been told of since this was read
			n.position = max(n.position, told)
		}
	})
}

// reached takes what was told of a commit; false where that needs a look.
func (s *Store) reached(payload string) bool {
	var schema string
	var position uint64
	if _, err := fmt.Sscan(payload, &schema, &position); err != nil {
		return false
	}
	same := false
	s.update(func(n *seen) {
		if same = schema == n.live; same {
			n.position = max(n.position, position)
		}
	})
	return same
}

func (s *Store) update(f func(*seen)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.seen)
	close(s.moved)
	s.moved = make(chan struct{})
}

// now is what was last heard, and a channel that is closed once there is more.
func (s *Store) now() (seen, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen, s.moved
}

// Progress says how far it has come.
func (s *Store) Progress() Progress {
	n, _ := s.now()
	p := Progress{Schema: n.live, Position: n.position, Projects: n.projects, Lost: n.lost, Halted: n.halted, Rebuild: n.rebuild}
	for _, m := range n.models {
		if m.State == kept {
			p.Kept = append(p.Kept, m.Schema)
		}
	}
	return p
}

// Rebuild begins to fill a new schema beside the one that is read, or goes on with the one
// that was stopped; one that failed is begun anew. It returns at once: the process that
// keeps the rows does it.
func (s *Store) Rebuild(ctx context.Context) error {
	return s.order(ctx, func(tx pgx.Tx) error {
		var schema string
		err := tx.QueryRow(ctx, "delete from maillage.model where state = 'STOPPED' and (failed is not null or version <> $1) returning schema", schemaVersion).Scan(&schema)
		if err == nil {
			_, err = tx.Exec(ctx, "drop schema if exists "+schema+" cascade")
		}
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		going, err := tx.Exec(ctx, "update maillage.model set state = 'FILLING' where state in ('FILLING', 'STOPPED')")
		if err != nil || going.RowsAffected() > 0 {
			return err
		}
		return register(ctx, tx)
	})
}

// register says that a new schema is to be filled.
func register(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "insert into maillage.model (schema, version, state) values ('maillage_' || nextval('maillage.number'), $1, 'FILLING')", schemaVersion)
	if err == nil {
		_, err = tx.Exec(ctx, "select pg_notify($1, '')", channel)
	}
	return err
}

// Stop stops a rebuild, to be gone on with: NOT_REBUILDING where there is none.
func (s *Store) Stop(ctx context.Context) error {
	return s.order(ctx, func(tx pgx.Tx) error {
		stopped, err := tx.Exec(ctx, "update maillage.model set state = 'STOPPED' where state in ('FILLING', 'STOPPED')")
		if err == nil && stopped.RowsAffected() == 0 {
			err = fault.New(fault.Refused, "NOT_REBUILDING", "", "No rebuild is under way.")
		}
		return err
	})
}

// Drop removes a schema that is kept but not read, or a rebuild that was stopped: NOT_KEPT.
func (s *Store) Drop(ctx context.Context, schema string) error {
	return s.order(ctx, func(tx pgx.Tx) error {
		gone, err := tx.Exec(ctx, "delete from maillage.model where schema = $1 and state in ('KEPT', 'STOPPED')", schema)
		if err != nil {
			return err
		}
		if gone.RowsAffected() == 0 {
			return fault.New(fault.NotFound, "NOT_KEPT", "schema", "No schema %q is kept beside the one that is read.", schema)
		}
		_, err = tx.Exec(ctx, "drop schema if exists "+pgx.Identifier{schema}.Sanitize()+" cascade")
		return err
	})
}

// order changes, in one transaction, what is to be done, and wakes who does it.
func (s *Store) order(ctx context.Context, f func(pgx.Tx) error) error {
	conn, err := s.pool.Acquire(ctx)
	if err == nil && conn.Ping(ctx) != nil { // the database was started again since
		conn.Release()
		s.pool.Reset()
		conn, err = s.pool.Acquire(ctx)
	}
	if err == nil {
		defer conn.Release()
		err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if err := f(tx); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "set local "+durable+"; notify "+channel+", ''")
			return err
		})
	}
	if refused, ok := errors.AsType[*fault.Error](err); ok {
		return refused
	}
	if err != nil {
		return unusable(err)
	}
	return nil
}

const (
	undefinedTable   = "42P01"
	duplicateTable   = "42P07"
	duplicateObject  = "42710"
	lockNotAvailable = "55P03"
)

// durable makes what is told of a commit true for ever, whatever the database is set to: a
// position that was shown never goes back. What is being filled does without.
const durable = "synchronous_commit = on"

// code is the SQLSTATE of what the database answered, empty where it did not.
func code(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// errUnfit is of what cannot be brought into a database that works.
var errUnfit = errors.New("the rows do not fit")

// errUnviewed is of a register that cannot be viewed, as it halted: the rows have no part in it.
var errUnviewed = errors.New("the register cannot be viewed")

// lost says that the database went away or is not what it was, or the register, so that it is
// best to begin again by looking at what it says of itself; else what it was given is at fault.
func lost(err error) bool {
	if errors.Is(err, errUnviewed) {
		return true
	}
	_, ours := errors.AsType[*fault.Error](err)
	_, hole := errors.AsType[*eventlog.HoleError](err)
	if ours || hole || errors.Is(err, errUnfit) {
		return false
	}
	c := code(err)
	if c == "" || c == undefinedTable {
		return true
	}
	switch c[:2] {
	case "08", "3D", "3F", "40", "53", "55", "57", "58":
		return true
	}
	return false
}

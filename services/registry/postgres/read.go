package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"

	"maillage/services/eventlog"
	"maillage/services/fault"
	"maillage/services/registry"
	"maillage/services/registry/query"
)

const attempts = 4 // at a read whose schema went away

// prepareReads has what is asked of a connection planned once: to plan it each time takes
// as long as to answer it.
func prepareReads(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, "set plan_cache_mode = force_generic_plan")
	return err
}

// Source answers queries from the rows; what is not of rows, such as when a position came
// to be known, is told by another source, that of the register kept in this process.
func (s *Store) Source(local query.Source) query.Source {
	local.Head = func(ctx context.Context, least uint64) (uint64, error) {
		at, err := s.reach(ctx, least)
		if err == nil {
			err = s.foreign(ctx)
		}
		return at.position, err
	}
	local.View = s.view
	local.Record, local.Recorded, local.Records = s.record, s.recorded, s.records
	return local
}

// reach waits for the rows that are read to be complete up to a position, and returns what
// is read: READ_MODEL_UNAVAILABLE while nothing can be, POSITION_NOT_REACHED where it does
// not come so far within ctx, or while the read model is halted before it.
func (s *Store) reach(ctx context.Context, least uint64) (cursor, error) {
	for {
		n, moved := s.now()
		at := cursor{n.live, n.position}
		switch {
		case at.schema == "" && n.rebuild != nil:
			return at, unavailable(fmt.Errorf("it is being filled: %s, %d of %d", n.rebuild.Phase, n.rebuild.Done, n.rebuild.Total))
		case isForked(n.halted):
			return at, n.halted
		case at.schema == "":
			return at, unavailable(cmp.Or(n.lost, errNothing))
		case at.position >= least:
			return at, nil
		case n.halted != nil:
			return at, notReached(least, at.position, fmt.Sprintf("the read model halted: %v", n.halted))
		}
		select {
		case <-moved:
		case <-ctx.Done():
			switch {
			case errors.Is(ctx.Err(), context.Canceled):
				return at, ctx.Err()
			case n.lost != nil:
				return at, unavailable(n.lost)
			}
			return at, notReached(least, at.position, "it did not come within the deadline")
		}
	}
}

// foreign is an error where the rows that are read come from another log than the register,
// which only the process that keeps them finds out at once: READ_MODEL_FORKED.
func (s *Store) foreign(ctx context.Context) error {
	n, _ := s.now()
	if n.logID == "" {
		return nil
	}
	same := true // a register that cannot be viewed says so itself
	var id string
	_ = s.register.View(ctx, 0, func(state *registry.State, _ uint64) {
		id = state.Identity().LogID
		same = n.logID == id
	})
	if same {
		return nil
	}
	return forked(n.position, "The read model comes from log %s, not from %s.", n.logID, id)
}

func notReached(least, position uint64, why string) error {
	err := fault.New(fault.Unavailable, "POSITION_NOT_REACHED", "as_of.min_position",
		"Position %d cannot be read yet, the last one that can is %d: %s.", least, position, why)
	err.Position = least
	return err
}

func unavailable(err error) error {
	return fault.New(fault.Unavailable, "READ_MODEL_UNAVAILABLE", "", "The PostgreSQL read model cannot be read: %v.", err)
}

var errNothing = errors.New("nothing is filled yet")

// gone tells that a schema is no longer there: another one took its place.
func gone(err error) bool { return code(err) == undefinedTable || code(err) == "3F000" }

// overSchema runs a read of the schema that is read at a position or a later one, again
// while that is taken away meanwhile.
func (s *Store) overSchema(ctx context.Context, least uint64, read func(at cursor) error) error {
	for attempt := 1; ; attempt++ {
		at, err := s.reach(ctx, least)
		if err != nil {
			return err
		}
		err = read(at)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case !gone(err) || attempt == attempts:
			return unavailable(err)
		}
		s.moves(ctx, at.schema)
	}
}

// moves waits a moment for another schema to be told of.
func (s *Store) moves(ctx context.Context, from string) {
	ctx, cancel := context.WithTimeout(ctx, glance)
	defer cancel()
	for {
		n, moved := s.now()
		if n.live != from {
			return
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return
		}
	}
}

// view runs f over what is needed. What f is given may be shared and is not to be changed.
func (s *Store) view(ctx context.Context, need query.Need, f func(state, latest *registry.State)) error {
	var state, latest *registry.State
	err := s.overSchema(ctx, max(slices.Max(need.Known), need.To), func(at cursor) (err error) {
		if state, err = s.bring(ctx, at, need); err == nil {
			latest, err = s.base(ctx, at)
		}
		return err
	})
	if err == nil {
		f(state, latest)
	}
	return err
}

// bring restores the part of the register that is needed.
func (s *Store) bring(ctx context.Context, at cursor, need query.Need) (*registry.State, error) {
	if need.Part == nil {
		return s.wholes.get(ctx, wholeKey(at.schema, need), func(ctx context.Context) (*registry.State, int, error) {
			return s.slice(ctx, at, need)
		})
	}
	state, _, err := s.slice(ctx, at, need)
	return state, err
}

// slice brings what is needed beside the small tables, whose changes it looks for at the
// same time. It also returns how many rows that is.
func (s *Store) slice(ctx context.Context, at cursor, need query.Need) (*registry.State, int, error) {
	part := newSlice(at.schema, need)
	base, unsure := s.small.at(at)
	err := part.rounds(ctx, func(ctx context.Context, statements ...statement) error {
		if unsure {
			unsure = false
			statements = append(statements, part.changedSince(base.position))
		}
		return s.ask(ctx, statements)
	})
	if err != nil {
		return nil, 0, err
	}
	if base, err = s.small.current(base, part.stale, at, func(all []statement) error { return s.ask(ctx, all) }); err != nil {
		return nil, 0, err
	}
	state, err := registry.Restore(base.state, part.all(), part.resting(), at.position)
	return state, len(part.rows), err
}

// base is the small tables as they are at a position, which a register that is kept may have
// as they were before.
func (s *Store) base(ctx context.Context, at cursor) (*registry.State, error) {
	base, unsure := s.small.at(at)
	looked := newSlice(at.schema, query.Need{Known: []uint64{at.position}})
	if unsure {
		if err := s.ask(ctx, []statement{looked.changedSince(base.position)}); err != nil {
			return nil, err
		}
	}
	base, err := s.small.current(base, looked.stale, at, func(all []statement) error { return s.ask(ctx, all) })
	return base.state, err
}

// record reads one record back.
func (s *Store) record(ctx context.Context, position uint64) (r eventlog.Record, err error) {
	all, err := s.recorded(ctx, []uint64{position})
	if err != nil {
		return r, err
	}
	return all[0], nil
}

// recorded reads the records at positions that ascend.
func (s *Store) recorded(ctx context.Context, positions []uint64) (all []eventlog.Record, err error) {
	if len(positions) == 0 {
		return nil, nil
	}
	wanted := make([]int64, len(positions))
	for i, position := range positions {
		wanted[i] = int64(position)
	}
	err = s.overSchema(ctx, slices.Max(positions), func(at cursor) error {
		rows, err := s.pool.Query(ctx, "select position, subject, body from "+at.schema+".event where position = any($1) order by position", wanted)
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, scanRecord)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i, position := range positions {
		if i == len(all) || all[i].Position != position {
			return nil, &eventlog.HoleError{Position: position}
		}
	}
	return all, nil
}

func scanRecord(row pgx.CollectableRow) (r eventlog.Record, err error) {
	var position int64
	err = row.Scan(&position, &r.Subject, &r.Body)
	r.Position = uint64(position)
	return r, err
}

// records reads records back from after a position up to another, in order. While they are
// handed on, which may take long, no connection is kept from other reads.
func (s *Store) records(ctx context.Context, after, to uint64) iter.Seq2[eventlog.Record, error] {
	return func(yield func(eventlog.Record, error) bool) {
		for after < to {
			var part []eventlog.Record
			err := s.overSchema(ctx, to, func(at cursor) error {
				rows, err := s.pool.Query(ctx, "select position, subject, body from "+at.schema+".event where position between $1 and $2 order by position",
					int64(after+1), int64(min(after+manyRecords, to)))
				if err == nil {
					part, err = pgx.CollectRows(rows, scanRecord)
				}
				return err
			})
			if err == nil && len(part) == 0 {
				err = &eventlog.HoleError{Position: after + 1}
			}
			for _, r := range part {
				if after++; r.Position != after {
					err = &eventlog.HoleError{Position: after}
					break
				}
				if !yield(r, nil) {
					return
				}
			}
			if err != nil {
				yield(eventlog.Record{}, err)
				return
			}
		}
	}
}

const manyRecords = 1_000 // read at once

// ask sends statements together and takes what they bring.
func (s *Store) ask(ctx context.Context, statements []statement) error {
	if len(statements) == 0 {
		return nil
	}
	var batch pgx.Batch
	for _, one := range statements {
		batch.Queue(one.sql, one.args...).Query(func(rows pgx.Rows) error {
			defer rows.Close()
			for rows.Next() {
				if err := one.take(rows); err != nil {
					return err
				}
			}
			return rows.Err()
		})
	}
	return s.pool.SendBatch(ctx, &batch).Close()
}

var seed = maphash.MakeSeed()

func hashOf(b []byte) uint64 { return maphash.Bytes(seed, b) }

// smallCache keeps the small tables as they were at a position.
type smallCache struct {
	mu      sync.Mutex
	kept    small
	loading sync.Mutex
}

type small struct {
	schema   string
	position uint64 // up to which nothing changed
	state    *registry.State
}

// at is the small tables that are kept of a schema; unsure that something may have changed.
func (c *smallCache) at(at cursor) (base small, unsure bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept.schema != at.schema {
		return small{}, false
	}
	return c.kept, c.kept.position < at.position
}

// current is what was kept where nothing changed since, and else what is loaded.
func (c *smallCache) current(base small, stale bool, at cursor, ask func([]statement) error) (small, error) {
	if base.state == nil || stale {
		return c.load(at, ask)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept.state == base.state {
		c.kept.position = max(c.kept.position, at.position)
	}
	return base, nil
}

// load reads the small tables, once for all who wait for them.
func (c *smallCache) load(at cursor, ask func([]statement) error) (small, error) {
	c.loading.Lock()
	defer c.loading.Unlock()
	if base, unsure := c.at(at); base.state != nil && !unsure {
		return base, nil
	}
	s := newSlice(at.schema, query.Need{Known: []uint64{at.position}})
	var all []statement
	for _, table := range smallTables {
		all = append(all, s.ever(table, "true"))
	}
	if err := ask(all); err != nil {
		return small{}, err
	}
	state, err := registry.Restore(nil, s.all(), s.resting(), at.position)
	if err != nil {
		return small{}, err
	}
	base := small{at.schema, at.position, state}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = base
	return base, nil
}

// changedSince asks whether anything was recorded of a small table after a position.
func (s *slice) changedSince(position uint64) statement {
	var sql strings.Builder
	sql.WriteString("select false")
	for _, table := range smallTables {
		fmt.Fprintf(&sql, ` or exists (select from $S.%s where lower(known) > $1) or exists (select from $S.%[1]s where not upper_inf(known) and upper(known) > $1)`, table)
	}
	return statement{s.in(sql.String()), []any{int64(position)}, func(rows pgx.Rows) error { return rows.Scan(&s.stale) }}
}

// wholeCache keeps the registers last asked for as a whole, which are read from beginning
// to end: those of some moments, and no more rows than maxRows but for the last.
type wholeCache struct {
	mu     sync.Mutex
	recent []*whole // the latest asked for last
}

const (
	maxWholes = 4
	maxRows   = 2_000_000
)

type whole struct {
	key   string
	ready chan struct{} // closed once what follows may be read
	state *registry.State
	rows  int
	err   error
}

func wholeKey(schema string, need query.Need) string {
	known := slices.Sorted(slices.Values(need.Known))
	past := slices.Sorted(slices.Values(need.Past))
	return fmt.Sprint(schema, slices.Compact(known), need.From, need.To, need.Activity, slices.Compact(past), need.Act)
}

// get returns a register, which is brought once for all who ask for it meanwhile.
func (c *wholeCache) get(ctx context.Context, key string, bring func(context.Context) (*registry.State, int, error)) (*registry.State, error) {
	c.mu.Lock()
	i := slices.IndexFunc(c.recent, func(w *whole) bool { return w.key == key })
	if i >= 0 {
		one := c.recent[i]
		c.recent = append(slices.Delete(c.recent, i, i+1), one)
		c.mu.Unlock()
		select {
		case <-one.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if one.err == nil || !errors.Is(one.err, context.Canceled) && !errors.Is(one.err, context.DeadlineExceeded) {
			return one.state, one.err
		}
		state, _, err := bring(ctx) // whoever asked first left too soon
		return state, err
	}
	one := &whole{key: key, ready: make(chan struct{})}
	c.recent = append(c.recent, one)
	c.mu.Unlock()
	one.state, one.rows, one.err = bring(ctx)
	close(one.ready)
	c.mu.Lock()
	defer c.mu.Unlock()
	if one.err != nil {
		c.recent = slices.DeleteFunc(c.recent, func(w *whole) bool { return w == one })
	}
	c.trim()
	return one.state, one.err
}

// trim forgets those asked for longest ago.
func (c *wholeCache) trim() {
	rows, from := 0, len(c.recent)
	for from > 0 && len(c.recent)-from < maxWholes {
		select {
		case <-c.recent[from-1].ready:
			rows += c.recent[from-1].rows
		default:
		}
		if rows > maxRows && from < len(c.recent) {
			break
		}
		from--
	}
	c.recent = slices.Delete(c.recent, 0, from)
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/registry/postgres/private"
)

// What the part postgres promises.
const (
	goalRebuild = 0.6    // of the slower of what it is beside
	goalCatchUp = 20_000 // events a second
	goalLag     = 50 * time.Millisecond
	goalLabel   = 2 * time.Millisecond

	lagRate = 500 // commands a second

	readStored = "GetLabel from rows, any position"
)

// stored is a register that reads from PostgreSQL, and the way to its broker and database.
type stored struct {
	*register
	dir, grpc, http, nats, url string
	events                     int
}

// run starts the register, after whatever its log gained meanwhile, and returns when it
// answers from rows that are where its log is.
func (s *stored) run(ctx context.Context, binary string) (err error) {
	r, err := startRegister(ctx, binary, s.grpc, 8, "up", "--data", s.dir, "--http", s.http, "--grpc", s.grpc, "--nats", s.nats, "--postgres", s.url)
	if err == nil { // else the one that ended stays, to be closed once more
		s.register = r
	}
	return err
}

func (s *stored) model() registryv1.ReadModelServiceClient {
	return registryv1.NewReadModelServiceClient(s.conns[0])
}

// readModel measures the rows that PostgreSQL keeps, through a running register and a private
// server, set as `up --postgres local` sets its own.
func (b *bench) readModel(ctx context.Context) error {
	dir, err := b.below("rows")
	if err != nil {
		return err
	}
	s := &stored{dir: dir, events: b.events}
	for _, addr := range []*string{&s.grpc, &s.http, &s.nats} {
		if *addr, err = freeAddr(); err != nil {
			return err
		}
	}
	server, err := private.Start(ctx, private.Options{Dir: dir + "/postgres", Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		fmt.Fprintf(b.out, "\nrows in PostgreSQL: not measured: %v\n", err)
		return nil
	}
	defer server.Close()
	s.url = server.URL(private.Database)
	for _, to := range []int{firstGroup - own, s.events} { // what it writes when it first runs comes between
		if s.register != nil {
			s.Close()
		}
		if err := grow(ctx, dir, to); err != nil {
			return err
		}
		if err := s.run(ctx, b.binary); err != nil {
			return err
		}
	}
	defer func() { s.Close() }()
	fmt.Fprintf(b.out, "\nrows in PostgreSQL: %d events, of %d labels; load average %s\n", s.events, labelsUpTo(s.events), loadAverage())
	if err := b.rebuilds(ctx, s); err != nil {
		return fmt.Errorf("rebuild: %w", err)
	}
	if err := b.catchesUp(ctx, s); err != nil { // before commands depart from what the log is made up of
		return fmt.Errorf("catch-up: %w", err)
	}
	if err := b.storedReads(ctx, s); err != nil {
		return err
	}
	if err := b.lag(ctx, s); err != nil {
		return fmt.Errorf("lag: %w", err)
	}
	return nil
}

// rebuilds measures rebuilds beside the same rows copied without anything else, and beside a
// consumer of the same stream, in turns.
func (b *bench) rebuilds(ctx context.Context, s *stored) error {
	var ours, copied, consumed, share []float64
	for range min(b.repeat, 3) {
		took, err := s.rebuild(ctx)
		if err != nil {
			return err
		}
		plain, err := s.copyPlainly(ctx)
		if err != nil {
			return fmt.Errorf("rows copied plainly: %w", err)
		}
		consuming, err := consume(ctx, s.nats, s.dir, s.events)
		if err != nil {
			return err
		}
		rate := func(took float64) float64 { return float64(s.events) / took }
		ours, copied, consumed = append(ours, rate(took)), append(copied, rate(plain)), append(consumed, rate(consuming))
		share = append(share, max(plain, consuming)/took)
	}
	fmt.Fprintf(b.out, "  rebuild, up to the takeover        %s events a second; load average %s\n", flat(spreadOf(ours).rates()), loadAverage())
	fmt.Fprintf(b.out, "  the same rows copied, then indexed %s\n", flat(spreadOf(copied).rates()))
	fmt.Fprintf(b.out, "  raw JetStream consumer             %s\n", flat(spreadOf(consumed).rates()))
	r := spreadOf(share)
	fmt.Fprintf(b.out, "  %.2f × the slower of both [%.2f..%.2f], goal ≥ %.1f: %s\n", r.median, r.low, r.high, goalRebuild, verdict(r.median >= goalRebuild))
	return nil
}

// flat takes the tabs out of what a table would align.
func flat(cells string) string { return strings.ReplaceAll(cells, "\t", " ") }

// rebuild has the rows made anew, and returns the seconds until they are read. What was read
// before is dropped.
func (s *stored) rebuild(ctx context.Context) (took float64, err error) {
	before, err := s.model().GetReadModel(as(ctx), &registryv1.GetReadModelRequest{})
	if err != nil {
		return 0, err
	}
	start := time.Now()
	if _, err := s.model().StartRebuild(as(ctx), &registryv1.StartRebuildRequest{}); err != nil {
		return 0, err
	}
	for {
		now, err := s.model().GetReadModel(as(ctx), &registryv1.GetReadModelRequest{})
		switch {
		case err != nil:
			return 0, err
		case now.GetRebuild().GetFailed() != nil:
			return 0, errors.New(now.GetRebuild().GetFailed().GetMessage())
		case now.GetSchema() == before.GetSchema():
			time.Sleep(10 * time.Millisecond)
			continue
		}
		took = time.Since(start).Seconds()
		_, err = s.model().DropReadModel(as(ctx), &registryv1.DropReadModelRequest{Schema: before.GetSchema()})
		return took, err
	}
}

// copyPlainly copies the rows that are read into tables without indexes, as a rebuild does by
// two connections, and then makes the same indexes. It returns the seconds that took; the rows
// are brought into memory before.
func (s *stored) copyPlainly(ctx context.Context) (took float64, err error) {
	var conns [2]*pgx.Conn
	for i := range conns {
		if conns[i], err = pgx.Connect(ctx, s.url); err != nil {
			return 0, err
		}
		defer conns[i].Close(context.WithoutCancel(ctx))
		if _, err := conns[i].Exec(ctx, "set synchronous_commit = off; set maintenance_work_mem = '256MB'"); err != nil {
			return 0, err
		}
	}
	const target = "plain"
	if _, err := conns[0].Exec(ctx, "drop schema if exists "+target+" cascade; create schema "+target); err != nil {
		return 0, err
	}
	from, work, err := s.plan(ctx, conns[0], target)
	if err != nil {
		return 0, err
	}
	bodies := map[string][]byte{}
	for _, t := range work.tables {
		var b bytes.Buffer
		if _, err := conns[0].PgConn().CopyTo(ctx, &b, "copy "+from+"."+t+" to stdout (format binary)"); err != nil {
			return 0, err
		}
		bodies[t] = b.Bytes()
		if _, err := conns[0].Exec(ctx, "create table "+target+"."+t+" (like "+from+"."+t+")"); err != nil {
			return 0, err
		}
	}
	start := time.Now()
	err = inTurns(conns[:], work.tables, func(conn *pgx.Conn, t string) error {
		_, err := conn.PgConn().CopyFrom(ctx, bytes.NewReader(bodies[t]), "copy "+target+"."+t+" from stdin (format binary)")
		return err
	})
	if err != nil {
		return 0, err
	}
	err = inTurns(conns[:], work.indexes, func(conn *pgx.Conn, do string) error {
		_, err := conn.Exec(ctx, do)
		return err
	})
	took = time.Since(start).Seconds()
	if err == nil {
		_, err = conns[0].Exec(ctx, "drop schema "+target+" cascade")
	}
	return took, err
}

// plainWork is what is copied, the largest first, and what makes its indexes.
type plainWork struct{ tables, indexes []string }

func (s *stored) plan(ctx context.Context, conn *pgx.Conn, target string) (from string, w plainWork, err error) {
	if err := conn.QueryRow(ctx, "select schema from maillage.model where state = 'LIVE'").Scan(&from); err != nil {
		return "", w, err
	}
	texts := func(query string) (all []string) {
		if err == nil {
			rows, _ := conn.Query(ctx, query, from, target)
			all, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		return all
	}
	const ofSchema = " from pg_class c join pg_namespace n on n.oid = c.relnamespace and n.nspname = $1 "
	w.tables = texts("select c.relname::text" + ofSchema + "where c.relkind = 'r' and $2 <> '' order by pg_table_size(c.oid) desc")
	w.indexes = texts("select 'alter table ' || $2 || '.' || c.relname || ' add constraint ' || k.conname || ' ' || pg_get_constraintdef(k.oid)" +
		ofSchema + "join pg_constraint k on k.conrelid = c.oid and k.contype = 'x' order by pg_table_size(c.oid) desc, k.conname")
	w.indexes = append(w.indexes, texts("select replace(pg_get_indexdef(i.indexrelid), ' ON ' || $1 || '.', ' ON ' || $2 || '.')"+
		ofSchema+"join pg_index i on i.indrelid = c.oid where not i.indisexclusion and c.relkind = 'r' order by pg_table_size(c.oid) desc")...)
	return from, w, err
}

// inTurns does each piece of work with whichever connection is free.
func inTurns(conns []*pgx.Conn, work []string, do func(*pgx.Conn, string) error) error {
	var next atomic.Int64
	errs := make([]error, len(conns))
	var wg sync.WaitGroup
	for i, conn := range conns {
		wg.Go(func() {
			for errs[i] == nil {
				n := int(next.Add(1)) - 1
				if n >= len(work) {
					return
				}
				errs[i] = do(conn, work[n])
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// storedReads measures reads of one label as of any position, beside an empty call.
func (b *bench) storedReads(ctx context.Context, s *stored) error {
	var versions int
	conn, err := pgx.Connect(ctx, s.url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var live string
	if err := conn.QueryRow(ctx, "select schema from maillage.model where state = 'LIVE'").Scan(&live); err != nil {
		return err
	}
	if err := conn.QueryRow(ctx, "select count(*) from "+live+".labels where lower(known) <= $1", s.events).Scan(&versions); err != nil {
		return err
	}
	c := &country{register: s.register, head: uint64(s.events)}
	labels := labelsUpTo(s.events)
	read := func(ctx context.Context, _, _ int) error {
		n := rand.IntN(labels)
		_, err := c.reads().GetLabel(as(ctx), &registryv1.GetLabelRequest{LabelId: mint('B', n), AsOf: c.moment(grantOf(n))})
		return err
	}
	one := []int{1}
	all := []*contender{{calling, c.empty, one, map[int]series{}}, {readStored, read, one, map[int]series{}}}
	if err := b.measure(ctx, all); err != nil {
		return fmt.Errorf("%s: %w", readStored, err)
	}
	for _, q := range all {
		fmt.Fprintf(b.out, "  %-34s p50 %s p99 %s", q.name, flat(q.got[1].of(p50Of).times()), flat(q.got[1].of(p99Of).times()))
		if q.name == readStored {
			p99 := q.got[1].of(p99Of).median
			fmt.Fprintf(b.out, " of %d versions, goal p99 < %s: %s; load average %s", versions, short(goalLabel.Seconds()), verdict(p99 < goalLabel.Seconds()), loadAverage())
		}
		fmt.Fprintln(b.out)
	}
	return nil
}

// lag measures how long after the acknowledgement of a command its rows can be read by
// everybody, which the database tells all who listen.
func (b *bench) lag(ctx context.Context, s *stored) error {
	var p50s, p99s, rates []float64
	for range min(b.repeat, 3) {
		lags, rate, err := s.lagging(ctx, lagRate, 2*b.each)
		if err != nil {
			return err
		}
		p50s, p99s, rates = append(p50s, percentile(lags, 0.5).Seconds()), append(p99s, percentile(lags, 0.99).Seconds()), append(rates, rate)
	}
	p99 := spreadOf(p99s)
	fmt.Fprintf(b.out, "  lag at %s commands a second: p50 %s p99 %s, goal p99 < %s: %s; load average %s\n", flat(spreadOf(rates).rates()),
		flat(spreadOf(p50s).times()), flat(p99.times()), short(goalLag.Seconds()), verdict(p99.median < goalLag.Seconds()), loadAverage())
	return nil
}

func (s *stored) lagging(ctx context.Context, rate int, d time.Duration) (lags []time.Duration, achieved float64, err error) {
	conn, err := pgx.Connect(ctx, s.url)
	if err != nil {
		return nil, 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "listen maillage"); err != nil {
		return nil, 0, err
	}
	type shown struct {
		position uint64
		at       time.Time
	}
	var told []shown
	acknowledged, took, err := steadily(ctx, rate, d, s.centreAt, func(listening context.Context, last func() uint64) error {
		for {
			n, err := conn.WaitForNotification(listening)
			if err != nil {
				return err
			}
			var schema string
			var position uint64
			if _, err := fmt.Sscan(n.Payload, &schema, &position); err != nil {
				continue
			}
			told = append(told, shown{position, time.Now()})
			if end := last(); end > 0 && position >= end {
				return nil
			}
		}
	})
	if err != nil {
		return nil, 0, err
	}
	for _, a := range acknowledged {
		i, _ := slices.BinarySearchFunc(told, a.position, func(t shown, p uint64) int { return int(int64(t.position) - int64(p)) })
		lags = append(lags, max(0, told[i].at.Sub(a.at)))
	}
	slices.Sort(lags)
	return lags, float64(len(acknowledged)) / took.Seconds(), nil
}

// acknowledgement is when a command was answered with its position.
type acknowledgement struct {
	position uint64
	at       time.Time
}

// steadily sends so many commands a second, whether or not they are answered, and one last
// once all are. It returns their acknowledgements when listen does, which is told the last
// position, 0 before that is known.
func steadily(ctx context.Context, rate int, d time.Duration, command func(ctx context.Context, n int) (position uint64, err error), listen func(ctx context.Context, last func() uint64) error) (all []acknowledgement, took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, d+30*time.Second)
	defer cancel()
	var last atomic.Uint64
	listened := make(chan error, 1)
	go func() { listened <- listen(ctx, last.Load) }()
	var mu sync.Mutex
	var failed error
	send := func(n int) (uint64, error) {
		position, err := command(ctx, n)
		at := time.Now()
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			all = append(all, acknowledgement{position, at})
		}
		failed = errors.Join(failed, err)
		return position, err
	}
	var wg sync.WaitGroup
	start := time.Now()
	for n := range int(d.Seconds() * float64(rate)) {
		time.Sleep(time.Until(start.Add(time.Duration(n) * time.Second / time.Duration(rate))))
		wg.Go(func() { _, _ = send(n) })
	}
	wg.Wait()
	took = time.Since(start)
	if failed != nil {
		return nil, 0, failed
	}
	position, err := send(0) // what listens may have heard all before
	if err != nil {
		return nil, 0, err
	}
	last.Store(position)
	if _, err := send(0); err != nil {
		return nil, 0, err
	}
	err = <-listened
	return slices.DeleteFunc(all, func(a acknowledgement) bool { return a.position > position }), took, err
}

// catchesUp measures how fast rows come to where the log is that a process finds when it
// starts: from the first transaction that shows to the last.
func (b *bench) catchesUp(ctx context.Context, s *stored) error {
	conn, err := pgx.Connect(ctx, s.url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	position := func() (at int, err error) {
		err = conn.QueryRow(ctx, "select position from maillage.model where state = 'LIVE'").Scan(&at)
		return at, err
	}
	const more = 100_000
	var rates []float64
	for range min(b.repeat, 3) {
		s.Close()
		from, err := position()
		if err != nil {
			return err
		}
		to := from + more
		if err := grow(ctx, s.dir, to); err != nil {
			return err
		}
		started := make(chan error, 1)
		go func() { started <- s.run(ctx, b.binary) }()
		var first, at int
		var since time.Time
		for at < to {
			select {
			case err := <-started:
				if err != nil {
					return err
				}
				started <- nil
			default:
			}
			if at, err = position(); err != nil {
				return err
			}
			if first == 0 && at > from {
				first, since = at, time.Now()
			}
			time.Sleep(time.Millisecond)
		}
		s.events = to
		rates = append(rates, float64(to-first)/time.Since(since).Seconds())
		if err := <-started; err != nil {
			return err
		}
	}
	r := spreadOf(rates)
	fmt.Fprintf(b.out, "  catch-up                           %s events a second, goal ≥ %d: %s; load average %s\n", flat(r.rates()), goalCatchUp, verdict(r.median >= goalCatchUp), loadAverage())
	return nil
}

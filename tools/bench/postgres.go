package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
)

var errNoPostgres = errors.New("PostgreSQL is not installed (apt-get install postgresql)")

// database is a private PostgreSQL, durable, and what is inserted into it.
type database struct {
	*child
	url  string
	pool *pgxpool.Pool
	rows chan row // to the coalescing writer
	stop context.CancelFunc
}

// postgresConnections is the pool its callers share.
const postgresConnections = 64

const schema = `
create table free (position bigserial primary key, subject text not null, body bytea not null);
create table dense (position bigint primary key, subject text not null, body bytea not null);
create table batched (position bigint primary key, subject text not null, body bytea not null);
create table head (name text primary key, position bigint not null);
insert into head values ('dense', 0), ('batched', 0);`

// serverPrograms is the directory of the newest installed server.
func serverPrograms() (string, error) {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	version := func(d string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(d)))
		return n
	}
	slices.SortFunc(dirs, func(a, b string) int { return version(b) - version(a) })
	for _, d := range dirs {
		if _, err := os.Stat(filepath.Join(d, "initdb")); err == nil {
			return d, nil
		}
	}
	if p, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(p), nil
	}
	return "", errNoPostgres
}

// unprivileged is the account to drop to: PostgreSQL refuses to run as root.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil // no credential: stay who we are
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("running as root, and no account postgres or nobody to drop to")
}

func startDatabase(ctx context.Context, dir string, connections int) (*database, error) {
	bin, err := serverPrograms()
	if err != nil {
		return nil, err
	}
	cred, err := unprivileged()
	if err != nil {
		return nil, err
	}
	if cred != nil {
		if err := os.Chown(dir, int(cred.Uid), int(cred.Gid)); err != nil {
			return nil, err
		}
	}
	data := filepath.Join(dir, "data")
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-instructions")
	initdb.Dir, initdb.SysProcAttr = dir, &syscall.SysProcAttr{Credential: cred}
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	c, err := start("PostgreSQL", filepath.Join(bin, "postgres"), []string{
		"-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "max_connections=" + strconv.Itoa(connections+10),
		"-c", "fsync=on", "-c", "synchronous_commit=on", "-c", "shared_buffers=256MB", "-c", "max_wal_size=4GB",
	}, &syscall.SysProcAttr{Credential: cred, Setpgid: true})
	if err != nil {
		return nil, err
	}
	url := fmt.Sprintf("host=%s user=bench dbname=postgres pool_max_conns=%d pool_min_conns=%d", dir, connections, connections)
	d := &database{child: c, url: url, rows: make(chan row, 1024)}
	err = c.ready(ctx, 20*time.Second, func(ctx context.Context) error {
		if d.pool == nil {
			if d.pool, err = pgxpool.New(context.WithoutCancel(ctx), url); err != nil {
				return err
			}
		}
		return d.pool.Ping(ctx)
	})
	if err == nil {
		_, err = d.pool.Exec(ctx, schema)
	}
	writing, cancel := context.WithCancel(ctx)
	d.stop = cancel
	if err != nil {
		d.Close()
		return nil, err
	}
	go d.write(writing)
	return d, nil
}

// insertFree gives no order that a reader could follow: numbers are handed out at
// insert and become visible at commit.
func (d *database) insertFree(ctx context.Context, caller, n int) error {
	var position int64
	return d.pool.QueryRow(ctx, `insert into free (subject, body) values ($1, $2) returning position`, subject(caller, n), payload).Scan(&position)
}

// insertDense gives dense positions in commit order: the row of the head is
// locked until the commit is flushed.
func (d *database) insertDense(ctx context.Context, caller, n int) error {
	var position int64
	return d.pool.QueryRow(ctx, `
		with h as (update head set position = position + 1 where name = 'dense' returning position)
		insert into dense (position, subject, body) select position, $1, $2 from h returning position`,
		subject(caller, n), payload).Scan(&position)
}

type row struct {
	subject string
	done    chan error
}

// insertBatched is insertDense through one writer that coalesces what waits.
func (d *database) insertBatched(ctx context.Context, caller, n int) error {
	r := row{subject(caller, n), make(chan error, 1)}
	select {
	case d.rows <- r:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// serveInserts is the body of the child process that answers a gRPC call by insertBatched,
// in the database of a connection string: a service in front of it, as ours is one.
func serveInserts(addr, url string) error {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return err
	}
	config.MinConns, config.MaxConns = 1, 1 // the writer's
	ctx := context.Background()
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return err
	}
	d := &database{pool: pool, rows: make(chan row, 1024)}
	go d.write(ctx)
	return serveCalls(addr, &inserts{d: d})
}

// inserts answers an empty call by an insert.
type inserts struct {
	healthv1.UnimplementedHealthServer
	d *database
}

// Check implements healthv1.HealthServer.
func (i *inserts) Check(ctx context.Context, _ *healthv1.HealthCheckRequest) (*healthv1.HealthCheckResponse, error) {
	return &healthv1.HealthCheckResponse{Status: healthv1.HealthCheckResponse_SERVING}, i.d.insertBatched(ctx, 0, 0)
}

func (d *database) write(ctx context.Context) {
	for {
		var batch []row
		select {
		case r := <-d.rows:
			batch = append(batch, r)
		case <-ctx.Done():
			return
		}
		for len(batch) < 1000 {
			select {
			case r := <-d.rows:
				batch = append(batch, r)
				continue
			default:
			}
			break
		}
		subjects, bodies := make([]string, len(batch)), make([][]byte, len(batch))
		for i, r := range batch {
			subjects[i], bodies[i] = r.subject, payload
		}
		tag, err := d.pool.Exec(ctx, `
			with h as (update head set position = position + $3 where name = 'batched' returning position)
			insert into batched (position, subject, body)
			select h.position - $3 + u.n, u.s, u.b from h, unnest($1::text[], $2::bytea[]) with ordinality as u(s, b, n)`,
			subjects, bodies, len(batch))
		if err == nil && tag.RowsAffected() != int64(len(batch)) {
			err = fmt.Errorf("%d rows of %d", tag.RowsAffected(), len(batch))
		}
		for _, r := range batch {
			r.done <- err
		}
	}
}

// check fails where the dense tables have holes: their figures would mean nothing.
func (d *database) check(ctx context.Context) error {
	for _, table := range []string{"dense", "batched"} {
		var count, last int64
		err := d.pool.QueryRow(ctx, `select count(*), coalesce(max(position), 0) from `+pgx.Identifier{table}.Sanitize()).Scan(&count, &last)
		if err != nil {
			return err
		}
		if count != last {
			return fmt.Errorf("table %s holds %d rows up to position %d", table, count, last)
		}
	}
	return nil
}

func (d *database) Close() {
	if d.stop != nil {
		d.stop()
	}
	if d.pool != nil {
		d.pool.Close()
	}
	d.child.stop(syscall.SIGINT)
}

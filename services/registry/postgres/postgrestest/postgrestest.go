// Package postgrestest gives tests databases of their own.
package postgrestest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"maillage/services/registry/postgres/private"
)

var (
	server = sync.OnceValues(start)
	made   atomic.Int64

	mu   sync.Mutex
	free = map[string][]string{} // databases that no test uses any longer, by how they are emptied
)

// Database is the URL of an empty database for one test. All tests of a binary share one
// server, started for the first of them; it ends, and its directory goes, with the binary.
func Database(tb testing.TB) string {
	tb.Helper()
	return Reused(tb, `do $$ declare n name; begin
		for n in select nspname from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema' loop
			execute format('drop schema %I cascade', n);
		end loop;
		create schema public;
	end $$`)
}

// Reused is the URL of a database as another test of the binary left it, emptied by a
// statement, or of a new one: to make one, or what is in it, takes longer than most tests.
// No test has one at the same time, and whoever uses it has gone when the test ends.
func Reused(tb testing.TB, empty string) string {
	tb.Helper()
	s, err := server()
	if err != nil {
		tb.Fatal(err)
	}
	name := left(empty)
	if name == "" || do(tb, s, name, gone+empty) != nil { // a test may have dropped it
		name = fmt.Sprintf("test_%d", made.Add(1))
		if err := do(tb, s, "postgres", "CREATE DATABASE "+name); err != nil {
			tb.Fatal(err)
		}
	}
	tb.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		free[empty] = append(free[empty], name)
	})
	return s.URL(name)
}

// left is a database that is emptied by a statement, "" where none is left.
func left(empty string) (name string) {
	mu.Lock()
	defer mu.Unlock()
	if all := free[empty]; len(all) > 0 {
		name, free[empty] = all[len(all)-1], all[:len(all)-1]
	}
	return name
}

// gone waits for the sessions of before to have ended, with the locks that they held.
const gone = `do $$ begin
	while exists (select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend') loop
		perform pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend';
		perform pg_sleep(0.001), pg_stat_clear_snapshot();
	end loop;
end $$;
`

func start() (*private.Server, error) {
	dir, err := os.MkdirTemp("", "maillage-test-")
	if err != nil {
		return nil, err
	}
	s, err := private.Start(context.Background(), private.Options{Dir: dir, Throwaway: true})
	if err != nil {
		_ = os.RemoveAll(dir)
	}
	return s, err
}

func do(tb testing.TB, s *private.Server, database, statement string) error {
	c, err := pgx.Connect(tb.Context(), s.URL(database))
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(tb.Context()))
	_, err = c.Exec(tb.Context(), statement)
	return err
}

// Holding is how many rows of the tables of a register hold a text, or the bytes of it.
func Holding(tb testing.TB, url, text string) (n int) {
	tb.Helper()
	ctx := tb.Context()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	rows, err := conn.Query(ctx, "select quote_ident(table_schema) || '.' || quote_ident(table_name) from information_schema.tables where table_type = 'BASE TABLE' and table_schema like 'maillage%'")
	if err != nil {
		tb.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(tables) == 0 {
		tb.Fatalf("%d tables, %v", len(tables), err)
	}
	for _, table := range tables {
		var found int
		if err := conn.QueryRow(ctx, "select count(*) from "+table+" t where t::text like any($1)", []string{"%" + text + "%", fmt.Sprintf("%%%x%%", text)}).Scan(&found); err != nil {
			tb.Fatal(err)
		}
		n += found
	}
	return n
}

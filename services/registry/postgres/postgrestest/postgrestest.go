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
	free   = make(chan string, 100) // databases of Reused that no test uses
)

// Database is the URL of an empty database for one test, dropped after it. All tests of a
// binary share one server, started for the first of them; it ends, and its directory goes,
// with the binary.
func Database(tb testing.TB) string {
	tb.Helper()
	s, name := fresh(tb)
	tb.Cleanup(func() { do(tb, s, "postgres", "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)") })
	return s.URL(name)
}

// Reused is the URL of a database as other tests of the binary left it, emptied by a
// statement, or of one where there is nothing to be emptied yet: to make what is in one
// takes longer than most tests. Whoever uses it has gone when the test ends.
func Reused(tb testing.TB, empty string) string {
	tb.Helper()
	var name string
	s, err := server()
	if err != nil {
		tb.Fatal(err)
	}
	select {
	case name = <-free:
		do(tb, s, name, gone+empty)
	default:
		_, name = fresh(tb)
	}
	tb.Cleanup(func() {
		select {
		case free <- name:
		default:
		}
	})
	return s.URL(name)
}

// gone waits for the sessions of before to have ended, with the locks that they held.
const gone = `do $$ begin
	while exists (select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend') loop
		perform pg_sleep(0.001), pg_stat_clear_snapshot();
	end loop;
end $$;
`

// fresh makes an empty database.
func fresh(tb testing.TB) (*private.Server, string) {
	tb.Helper()
	s, err := server()
	if err != nil {
		tb.Fatal(err)
	}
	name := fmt.Sprintf("test_%d", made.Add(1))
	do(tb, s, "postgres", "CREATE DATABASE "+name)
	return s, name
}

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

func do(tb testing.TB, s *private.Server, database, statement string) {
	tb.Helper()
	ctx := context.WithoutCancel(tb.Context()) // it also cleans up
	c, err := pgx.Connect(ctx, s.URL(database))
	if err != nil {
		tb.Error(err)
		return
	}
	defer c.Close(ctx)
	if _, err := c.Exec(ctx, statement); err != nil {
		tb.Errorf("%s: %v", statement, err)
	}
}

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
)

// Database is the URL of an empty database for one test, dropped after it. All tests of a
// binary share one server, started for the first of them; it ends, and its directory goes,
// with the binary.
func Database(tb testing.TB) string {
	tb.Helper()
	s, err := server()
	if err != nil {
		tb.Fatal(err)
	}
	name := fmt.Sprintf("test_%d", made.Add(1))
	do(tb, s, "CREATE DATABASE "+name)
	tb.Cleanup(func() { do(tb, s, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)") })
	return s.URL(name)
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

func do(tb testing.TB, s *private.Server, statement string) {
	tb.Helper()
	ctx := context.WithoutCancel(tb.Context()) // it also cleans up
	c, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		tb.Error(err)
		return
	}
	defer c.Close(ctx)
	if _, err := c.Exec(ctx, statement); err != nil {
		tb.Errorf("%s: %v", statement, err)
	}
}

// Package postgres keeps the rows of the register in PostgreSQL and answers from them. It
// interprets no event: what it stores are the row changes of the folds, with the records
// of the log as they are beside them, and what it answers is what package lens answers
// over the rows that it brings. All it holds can be rebuilt from the log at will.
package postgres

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"time"

	"maillage/services/eventlog"
	"maillage/services/registry"
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

// Store is a database that keeps the rows.
type Store struct {
	register Register
	logger   *slog.Logger
}

// Progress says how far a store has come.
type Progress struct {
	Schema   string   // that is read, empty before the first
	Position uint64   // up to which the rows that are read are complete
	Projects bool     // this process keeps the rows; else it waits to take over
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

var errStub = errors.New("not built")

// Open connects to the database of a URL and makes what is missing in it.
func Open(_ context.Context, _ string, _ Register, _ *slog.Logger) (*Store, error) {
	return nil, errStub
}

// Close ends all connections.
func (s *Store) Close() {}

// Run keeps the rows equal to the register until the context ends, and returns nil then.
// One process at a time does so; another one waits and takes over. A database that cannot
// be reached is waited for. What cannot be applied halts it: nothing is skipped.
func (s *Store) Run(context.Context) error { return errStub }

// Progress says how far it has come.
func (s *Store) Progress() Progress { return Progress{} }

// Rebuild begins to fill a new schema beside the one that is read, or goes on with the one
// that was stopped. It returns at once.
func (s *Store) Rebuild(context.Context) error { return errStub }

// Stop stops a rebuild, to be gone on with.
func (s *Store) Stop(context.Context) error { return errStub }

// Drop removes a schema that is kept but not read: NOT_KEPT.
func (s *Store) Drop(_ context.Context, _ string) error { return errStub }

// Digest computes the digest d1 from the columns, as known at a position.
func (s *Store) Digest(_ context.Context, _ uint64) (digest [32]byte, rows uint64, err error) {
	return digest, 0, errStub
}

// Package query answers every read of the register from a registry.State: the one that
// another goroutine folds, or a part of one that was restored from rows. Nothing it
// answers was recorded after the moment asked for, so an answer at a date and a position
// is the same for ever (but for persons erased since).
package query

import (
	"context"
	"iter"
	"time"

	"maillage/services/eventlog"
	"maillage/services/registry"
	"maillage/services/registry/lens"
)

// Source is where the answers come from. All functions but Recorded are required, all are
// safe for concurrent use. None but the one given to View is called while View runs.
type Source struct {
	// Head is the last position that may be shown, always the end of a commit. It waits
	// for that to reach minPosition, within ctx.
	Head func(ctx context.Context, minPosition uint64) (uint64, error)
	// View runs f over a state that holds at least what is needed, while it cannot
	// change; it may hold more, and rows of later positions. It waits for the head to
	// reach the positions of the need, within ctx. What is named by a filter is looked for
	// in latest too, which holds the small tables as they are at the head.
	View func(ctx context.Context, need Need, f func(s, latest *registry.State)) error
	// KnownAt is the last position whose known time is at or before t, 0 for none.
	KnownAt func(t time.Time) uint64
	// KnownTime is the known time of a position, UTC; zero for position 0.
	KnownTime func(position uint64) time.Time
	// CommitEnd is the last position of the last whole commit at or before a position
	// that is not after the head, 0 for none.
	CommitEnd func(position uint64) uint64
	// Record reads one stored record back.
	Record func(ctx context.Context, position uint64) (eventlog.Record, error)
	// Recorded reads the stored records at ascending positions back at once, all of them;
	// nil where Record and Records are as good.
	Recorded func(ctx context.Context, positions []uint64) ([]eventlog.Record, error)
	// Records reads the stored records after a position up to another one, which is not
	// after the head, in order.
	Records func(ctx context.Context, after, to uint64) iter.Seq2[eventlog.Record, error]
	// Personal gives out values of the vault by their ids, which are not empty: "" for one
	// that is unknown, erased or cannot be read. It records that the caller of ctx is given
	// them, and is an error where it cannot.
	Personal func(ctx context.Context, ids []string) ([]string, error)
	// Now is the time; only its civil date in Europe/Paris counts.
	Now func() time.Time
}

// Queries answers the reads of registryv1.RegistryService. The resources in its
// answers are those of the state and must not be altered. Its errors are
// *fault.Error or those of Source.
type Queries struct {
	src       Source
	replays   replays
	snapshots lens.Snapshots
}

// New returns the queries over a source.
func New(src Source) *Queries { return &Queries{src: src} }

// Package sink keeps what a follower of the register is handed, beside how far it has come.
package sink

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"maillage/proto/follow"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
)

// Sink is where a follower keeps its copy. It has two implementations, a file of JSON lines
// and a table of PostgreSQL. Its law:
//
//   - A batch taken is kept with the place after it, both or none: after a crash at any
//     moment the copy ends where its place says, and taking goes on from there.
//   - Place returns that place, the beginning for an empty copy. A copy of the whole log
//     whose records were altered since they were taken is refused, and any copy of which
//     some are missing.
type Sink interface {
	Place(ctx context.Context) (follow.Place, error)
	Take(ctx context.Context, b follow.Batch) error
	Close() error
}

// ErrAltered says that a copy is not what was taken.
var ErrAltered = errors.New("the copy was altered since it was made")

// ErrTaken says that another follower writes to a copy.
var ErrTaken = errors.New("a copy has one follower")

// ErrName says that a name is not that of a sink.
var ErrName = errors.New("jsonl:FILE or postgres:URL")

// Open opens a sink by its name, jsonl:FILE or postgres:URL, where URL is what follows
// "postgres:" of a postgres://... address, or the address itself.
func Open(ctx context.Context, name string) (Sink, error) {
	kind, where, _ := strings.Cut(name, ":")
	switch {
	case kind == "jsonl" && where != "":
		return openLines(where)
	case kind == "postgres" && strings.HasPrefix(where, "//"):
		return openTable(ctx, name)
	case kind == "postgres" && where != "":
		return openTable(ctx, where)
	}
	return nil, fmt.Errorf("%q is no sink: %w", name, ErrName)
}

// lastOf is the position of the last record of a commit.
func lastOf(c *feedv1.Commit) uint64 {
	records := c.GetRecords()
	return records[len(records)-1].GetPosition()
}

// check reads what is kept up to a place: there are as many records as were taken, each
// position is after the one before it, the last is that of the place and, of the whole log,
// the root of all is that of the place.
func check(place follow.Place, taken int, kept iter.Seq2[*feedv1.Commit, error]) error {
	var last uint64
	found := 0
	inOrder := func(yield func(*feedv1.Commit, error) bool) {
		for c, err := range kept {
			for _, r := range c.GetRecords() {
				if err == nil && r.GetPosition() <= last {
					err = fmt.Errorf("%w: position %d comes after %d", ErrAltered, r.GetPosition(), last)
				}
				last = r.GetPosition()
				found++
			}
			if !yield(c, err) || err != nil {
				return
			}
		}
	}
	root, proved := place.Root()
	if proved {
		again, err := follow.Resume(inOrder)
		if gap, ok := errors.AsType[*follow.GapError](err); ok {
			return fmt.Errorf("%w: %w", ErrAltered, gap)
		}
		if err != nil {
			return err
		}
		if now, _ := again.Root(); now != root {
			return fmt.Errorf("%w: the root of all up to position %d is %v, not %v", ErrAltered, last, now, root)
		}
		return nil
	}
	for _, err := range inOrder {
		if err != nil {
			return err
		}
	}
	if found != taken {
		return fmt.Errorf("%w: %d records are there, %d were taken", ErrAltered, found, taken)
	}
	if last != place.Position && last != 0 { // a copy that began later may be empty yet
		return fmt.Errorf("%w: it ends at position %d, not %d", ErrAltered, last, place.Position)
	}
	return nil
}

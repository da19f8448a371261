// Package feed hands the log on to those who follow it: whole commits in order, each
// record with the bytes stored, nothing before it is announced. A reader that has caught
// up is served from a ring of the latest commits, which all readers share; one that is
// behind reads the log itself. Nothing is kept for any one reader, so that one who stops
// reading costs the others nothing.
package feed

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	feedv1 "maillage/proto/gen/maillage/feed/v1"
	"maillage/proto/merkle"
	"maillage/services/eventlog"
	"maillage/services/fault"
	"maillage/services/ledger"
	"maillage/services/registry"
)

// Source is the log that is handed on, and the replica of this process that says how far.
// All fields but Checkpoint are required, and safe for concurrent use.
type Source struct {
	// Await waits, within ctx, until the announced head is at least a size, and returns it.
	// Its error says why that cannot be, such as damage found.
	Await func(ctx context.Context, size uint64) (ledger.Head, error)
	// Records reads the records after a position up to another, in order.
	Records func(ctx context.Context, after, to uint64) iter.Seq2[eventlog.Record, error]
	// Follow yields the records after a cursor, for ever, announced or not.
	Follow func(ctx context.Context, from eventlog.Cursor) iter.Seq2[eventlog.Record, error]
	// Get reads one record.
	Get func(ctx context.Context, position uint64) (eventlog.Record, error)
	// CommitEnd is the last position of the last whole commit at or before a position.
	CommitEnd func(position uint64) uint64
	// KnownTime is the known time of a position, UTC.
	KnownTime func(position uint64) time.Time
	// Epochs are those of the log after the first, in order.
	Epochs func() []registry.Epoch
	// Checkpoint is the last one signed, nil while none is known; nil for never.
	Checkpoint func() []byte
	// View runs f over the state folded so far, or further, while it cannot change.
	View func(ctx context.Context, f func(*registry.State)) error
	// Now is the clock.
	Now func() time.Time
}

// Limits of a feed. The zero value of each is its default.
type Limits struct {
	// Ring is how many bytes of commits are kept for readers that have caught up: one that
	// falls behind them is closed. 16 MiB.
	Ring int
	// Patience is how long a reader may leave what is sent to it untaken. 30 s.
	Patience time.Duration
}

// Feed serves any number of readers.
type Feed struct {
	src    Source
	limits Limits
	ring   ring

	readers atomic.Int64
	mu      sync.Mutex // held while the first reader joins and the last one leaves
	stop    func()     // ends the tail, which runs while there are readers
	closing chan struct{}
}

// New returns the feed of a source.
func New(src Source, limits Limits) *Feed {
	if limits.Ring == 0 {
		limits.Ring = 16 << 20
	}
	if limits.Patience == 0 {
		limits.Patience = 30 * time.Second
	}
	return &Feed{src: src, limits: limits, closing: make(chan struct{}), ring: ring{limit: limits.Ring, moved: make(chan struct{})}}
}

// Close ends every Watch, with STOPPING. It must be called once only.
func (f *Feed) Close() { close(f.closing) }

// begin is where a reader starts: the end of a commit, whose record is the one it has.
func (f *Feed) begin(ctx context.Context, cursor string, after uint64) (eventlog.Cursor, error) {
	if cursor == "" {
		if err := f.reached(ctx, after, "after"); err != nil {
			return eventlog.Cursor{}, err
		}
		return eventlog.Cursor{Position: f.src.CommitEnd(after)}, nil
	}
	at, err := parseCursor(cursor)
	if err != nil {
		return at, err
	}
	for _, e := range f.src.Epochs() {
		if e.Number > at.Epoch && e.Position <= at.Position {
			return at, forked(e.Position-1, "positions from %d on were given out again by epoch %d", e.Position, e.Number)
		}
	}
	at.Epoch = 0 // the log says which one it is
	if err := f.reached(ctx, at.Position, "cursor"); err != nil || at.Position == 0 {
		return at, err
	}
	switch r, err := f.src.Get(ctx, at.Position); {
	case err != nil:
		return at, err
	case eventlog.LeafHash(r) != at.Leaf:
		return at, forked(0, "the record at position %d is another one than that of the cursor", at.Position)
	case f.src.CommitEnd(at.Position) != at.Position:
		return at, fault.New(fault.Invalid, "CURSOR_INVALID", "cursor", "position %d does not end a commit", at.Position)
	}
	return at, nil
}

// forked says where the log is the same for the last time, 0 where that cannot be told.
func forked(common uint64, format string, args ...any) error {
	err := fault.New(fault.Damaged, "LOG_FORKED", "cursor", format, args...)
	err.Position = common
	return err
}

// reach is how long a position may be away: another process may have answered with it.
const reach = 2 * time.Second

// reached waits for a position that another process may have shown already.
func (f *Feed) reached(ctx context.Context, position uint64, field string) error {
	ctx, cancel := context.WithTimeout(ctx, reach)
	defer cancel()
	_, err := f.await(ctx, position, field)
	return err
}

// await waits, within ctx, until the head is at least a position, which a field asks for.
func (f *Feed) await(ctx context.Context, position uint64, field string) (ledger.Head, error) {
	head, err := f.src.Await(ctx, position)
	if own, ok := errors.AsType[*fault.Error](err); ok && own.Reason == "POSITION_NOT_REACHED" {
		late := fault.New(own.Kind, own.Reason, field, "%s", own.Message)
		late.Position = position
		return head, late
	}
	return head, err
}

// cursorAt is a place as a token; its epoch and leaf are looked up where they are not known.
func (f *Feed) cursorAt(ctx context.Context, at eventlog.Cursor) (string, error) {
	if at.Epoch == 0 {
		at.Epoch = epochOf(f.src.Epochs(), at.Position)
	}
	if at.Position > 0 && at.Leaf == (tlog.Hash{}) {
		r, err := f.src.Get(ctx, at.Position)
		if err != nil {
			return "", err
		}
		at.Leaf = eventlog.LeafHash(r)
	}
	return formatCursor(at), nil
}

func epochOf(later []registry.Epoch, position uint64) uint64 {
	number := uint64(1)
	for _, e := range later {
		if e.Position <= position {
			number = e.Number
		}
	}
	return number
}

// commit is a whole commit as it is handed on.
type commit struct {
	end     eventlog.Cursor // its last record
	records []eventlog.Record
	known   time.Time
}

// commits parts records into whole commits, which end where the replica says.
func (f *Feed) commits(records iter.Seq2[eventlog.Record, error]) iter.Seq2[commit, error] {
	return func(yield func(commit, error) bool) {
		var open []eventlog.Record
		var leaf []byte // to be used again
		epochs := f.src.Epochs()
		for r, err := range records {
			if err == nil && len(open) > 0 && r.Position != open[len(open)-1].Position+1 {
				err = &eventlog.HoleError{Position: open[len(open)-1].Position + 1}
			}
			if err != nil {
				yield(commit{}, err)
				return
			}
			open = append(open, r)
			if f.src.CommitEnd(r.Position) != r.Position {
				continue
			}
			leaf = merkle.AppendLeaf(leaf[:0], r.Position, r.Subject, r.Body)
			end := eventlog.Cursor{Epoch: epochOf(epochs, r.Position), Position: r.Position, Leaf: tlog.RecordHash(leaf)}
			whole := commit{end, open, f.src.KnownTime(r.Position)}
			if !yield(whole, nil) {
				return
			}
			open = nil
		}
	}
}

// message is a commit as it crosses the wire; only some of its records where a filter
// says so. None left, there is no message.
func (f *Feed) message(ctx context.Context, c commit, keep filter) (*feedv1.Commit, error) {
	m := &feedv1.Commit{Records: make([]*feedv1.Record, 0, len(c.records))}
	for _, r := range c.records {
		if kept, err := keep.takes(r); err != nil {
			return nil, err
		} else if kept {
			m.Records = append(m.Records, &feedv1.Record{Position: r.Position, Subject: r.Subject, Body: r.Body})
		}
	}
	if len(m.GetRecords()) == 0 {
		return nil, nil
	}
	m.KnownTime = timestamppb.New(c.known)
	var err error
	m.Cursor, err = f.cursorAt(ctx, c.end)
	return m, err
}

// List finds a page of whole commits.
func (f *Feed) List(ctx context.Context, req *feedv1.ListEventsRequest) (*feedv1.ListEventsResponse, error) {
	if err := check(req.GetFilter()); err != nil {
		return nil, err
	}
	head, err := f.await(ctx, req.GetMinPosition(), "min_position")
	if err != nil {
		return nil, err
	}
	at, err := f.begin(ctx, req.GetCursor(), req.GetAfter())
	if err != nil {
		return nil, err
	}
	head.Size = max(head.Size, at.Position)
	keep, size := filterOf(req.GetFilter()), int(req.GetPageSize())
	if size == 0 {
		size = 100
	}
	resp, listed, bytes := &feedv1.ListEventsResponse{HeadPosition: head.Size}, 0, 0
	for c, err := range f.commits(f.src.Records(ctx, at.Position, head.Size)) {
		if err != nil {
			return nil, err
		}
		m, err := f.message(ctx, c, keep)
		if err != nil {
			return nil, err
		}
		if m != nil {
			if listed += len(m.GetRecords()); listed > size && len(resp.GetCommits()) > 0 {
				break
			}
			if bytes += proto.Size(m); bytes > maxPage && len(resp.GetCommits()) > 0 {
				break
			}
			resp.Commits = append(resp.Commits, m)
		}
		at = c.end
	}
	resp.NextAfter, resp.More = at.Position, at.Position < head.Size
	resp.NextCursor, err = f.cursorAt(ctx, at)
	return resp, err
}

// maxPage bounds a page in bytes, but for a single commit: clients take messages of 4 MiB
// unless they say otherwise.
const maxPage = 3 << 20

// broken makes what ends the tail an error that a reader can act on.
func broken(err error) error {
	if fork, ok := errors.AsType[*eventlog.ForkError](err); ok {
		return forked(0, "%v", fork)
	}
	if hole, ok := errors.AsType[*eventlog.HoleError](err); ok {
		lost := fault.New(fault.Damaged, "LOG_DAMAGED", "", "%v", hole)
		lost.Position = hole.Position
		return lost
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	return fmt.Errorf("follow the log: %w", err)
}

package eventlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// Check says whether records may go into one append: at least one, at most
// MaxCommit, no leaf longer than MaxLeaf (else an error that wraps ErrTooLarge), and
// every subject registry.<context>.<kind>.<id>. Nothing that it refuses is sent.
func Check(records []Record) error {
	if len(records) == 0 {
		return errors.New("an append of no records")
	}
	if len(records) > MaxCommit {
		return fmt.Errorf("%w: %d records, at most %d", ErrTooLarge, len(records), MaxCommit)
	}
	for i := range records {
		r := &records[i]
		if n := 11 + len(r.Subject) + len(r.Body); n > MaxLeaf {
			return fmt.Errorf("%w: record %d is a leaf of %d bytes, at most %d", ErrTooLarge, i, n, MaxLeaf)
		}
		if !validSubject(r.Subject) {
			return fmt.Errorf("record %d: subject %q is not registry.<context>.<kind>.<id>", i, r.Subject)
		}
	}
	return nil
}

func validSubject(s string) bool {
	rest, ok := strings.CutPrefix(s, "registry.")
	if !ok || strings.ContainsAny(s, " \t\r\n*>\x00") || strings.Count(rest, ".") != 2 {
		return false
	}
	return rest[0] != '.' && rest[len(rest)-1] != '.' && !strings.Contains(rest, "..")
}

// Memory is a Log in memory, for tests and demonstrations. It also plays the
// accidents of a broker: see FailNext and Truncate.
type Memory struct {
	mu      sync.Mutex
	records []Record
	cuts    int           // number of Truncate calls
	changed chan struct{} // closed and replaced at every change
	faults  []fault
}

type fault struct{ stored bool }

// NewMemory returns an empty log.
func NewMemory() *Memory { return &Memory{changed: make(chan struct{})} }

// Append implements Log.
func (m *Memory) Append(ctx context.Context, expected uint64, records []Record) error {
	if err := Check(records); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var f *fault
	if len(m.faults) > 0 {
		f, m.faults = &m.faults[0], m.faults[1:]
	}
	if f != nil && !f.stored {
		return fmt.Errorf("%w: the write was lost", ErrUnknown)
	}
	if head := uint64(len(m.records)); head != expected {
		if f != nil {
			return fmt.Errorf("%w: the answer was lost", ErrUnknown)
		}
		return fmt.Errorf("%w: it stands at %d, not at %d", ErrMoved, head, expected)
	}
	for i, r := range records {
		r.Position = expected + uint64(i) + 1
		r.Body = bytes.Clone(r.Body)
		r.Header = maps.Clone(r.Header)
		m.records = append(m.records, r)
	}
	m.notify()
	if f != nil {
		return fmt.Errorf("%w: the answer was lost", ErrUnknown)
	}
	return nil
}

func (m *Memory) notify() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// Head implements Log; the clock is the process's.
func (m *Memory) Head(ctx context.Context) (uint64, time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return uint64(len(m.records)), time.Now(), ctx.Err()
}

// Read implements Log.
func (m *Memory) Read(ctx context.Context, after uint64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		records, _, _ := m.since(after)
		for _, r := range records {
			if err := ctx.Err(); err != nil {
				yield(Record{}, err)
				return
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

// Get implements Log.
func (m *Memory) Get(ctx context.Context, position uint64) (Record, error) {
	if err := ctx.Err(); err != nil {
		return Record{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if position == 0 || position > uint64(len(m.records)) {
		return Record{}, &HoleError{Position: position}
	}
	return m.records[position-1], nil
}

// since returns the records after a position, the number of cuts so far and a
// channel closed at the next change. Stored records are never overwritten in place,
// so the slice may be read without the lock.
func (m *Memory) since(after uint64) (records []Record, cuts int, changed <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := uint64(len(m.records)); after < n {
		records = m.records[after:n:n]
	}
	return records, m.cuts, m.changed
}

// stands says whether the record at a position still has a leaf hash.
func (m *Memory) stands(position uint64, leaf tlog.Hash) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if position > uint64(len(m.records)) {
		return false
	}
	return position == 0 || leaf == tlog.Hash{} || LeafHash(m.records[position-1]) == leaf
}

// Follow implements Log. It looks for a fork at its start and after every Truncate.
func (m *Memory) Follow(ctx context.Context, from Cursor) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		position, leaf, seen := from.Position, from.Leaf, -1
		var last Record
		for {
			records, cuts, changed := m.since(position)
			if cuts != seen {
				if last.Position != 0 {
					leaf = LeafHash(last)
				}
				if !m.stands(position, leaf) {
					yield(Record{}, &ForkError{Position: position})
					return
				}
				seen = cuts
				continue // what was read above may be older than the check
			}
			for _, r := range records {
				if ctx.Err() != nil {
					break
				}
				if !yield(r, nil) {
					return
				}
				last, position = r, r.Position
			}
			if len(records) > 0 && ctx.Err() == nil {
				continue
			}
			select {
			case <-ctx.Done():
				yield(Record{}, ctx.Err())
				return
			case <-changed:
			}
		}
	}
}

// FailNext makes the next Append end in ErrUnknown, with its records stored (the
// answer was lost) or not (the write was lost).
func (m *Memory) FailNext(stored bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults = append(m.faults, fault{stored})
}

// Truncate cuts the log's tail after a position, as a damaged broker does. The
// positions cut will be used again.
func (m *Memory) Truncate(position uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if position < uint64(len(m.records)) {
		m.records = append([]Record(nil), m.records[:position]...)
	}
	m.cuts++
	m.notify()
}

// Package ledger is the second store of the log: an append-only Merkle log in
// plain files. Nothing is acknowledged before it is flushed here, and the root it
// announces is what every process compares its own fold with.
//
// A ledger directory holds
//
//	entries/<first position>  segments of about 64 MiB: the leaves, framed; the only file flushed before an answer
//	hashes                    tlog's stored hashes, 32 bytes each; derived, rebuilt where it does not fit
//	head                      the last head, overwritten in place
//	announced                 the last head that the gating ledger announced while this one followed it
//	signed                    the last signed checkpoint again, of whoever signs this ledger; not read here
//	lock                      held while a process has the ledger open
//	quarantine/               frames that Open found ahead and the stream did not all take, a file each time
//
// What counts as damage: a bad end of the last segment beyond the size that head
// (or its copy elsewhere) says was written is an append that a power cut
// interrupted. It was never acknowledged; Open cuts it back to the last whole
// commit, and the stream refills it. It is recognised by a frame that the end of
// the file cuts short or that spans a disk sector of zeros. Every other frame that
// cannot be read, or does not stand at its position, is a *DamageError, and so
// are fewer entries than head says.
//
// Entries may end with commits that are not in the tree: those of one write that was made
// while the stream was being asked to take them, see [Store.WriteAhead] and [Store.Ahead].
package ledger

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sys/unix"

	"maillage/proto/merkle"
	"maillage/services/eventlog"
)

const (
	markEvery  = 512 // frames between two known offsets
	keepBuffer = 4 << 20
	fillBytes  = 1 << 20 // zeros written ahead of the frames
	headFlush  = time.Second
)

var (
	// ErrLocked says that another process has the ledger open.
	ErrLocked = errors.New("the ledger is open in another process")
	// ErrNotNext says that records to append are not the next whole commits.
	ErrNotNext = errors.New("not the next whole commits of the ledger")
	// ErrClosed says that the ledger is closed.
	ErrClosed = errors.New("the ledger is closed")
)

// DamageError says that the ledger does not hold what it acknowledged. Position
// is the first one that cannot be trusted.
type DamageError struct {
	Position uint64
	Where    string // file and, where known, byte offset
	Err      error
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("the ledger is damaged at position %d (%s): %v", e.Position, e.Where, e.Err)
}

func (e *DamageError) Unwrap() error { return e.Err }

type mark struct {
	position uint64
	offset   int64
}

// segment is a file of entries. Its marks are offsets of some of its positions.
type segment struct {
	first uint64
	marks []mark
}

// Store is a ledger directory, open. One goroutine appends at a time; the others
// may read meanwhile.
type Store struct {
	dir    string
	lock   *os.File
	hashes *os.File
	// announced is for Heard, which flushed it at announcedAt.
	announced   *os.File
	announcedAt time.Time
	// segmentBytes is the length from which the next append begins a new segment.
	segmentBytes int64

	writing sync.Mutex  // held through an append; guards the fields up to mu
	last    *os.File    // the last segment
	end     int64       // where the frames up to the head end
	ahead   []unsettled // whole commits, whose frames follow
	found   bool        // ahead is what Open found
	filled  int64       // up to here it is filled with zeros, beyond the frames; 0 for nowhere
	tree    merkle.Tree
	frames  []byte // buffers kept between appends
	stored  []byte
	broken  error // after a failed write only reopening tells what is on disk

	mu       sync.Mutex // guards the fields below
	head     Head
	heard    Head // what the gating ledger announced last while this one followed
	segments []segment
	announce announcer
}

// Open opens or creates the ledger of a directory, locks it, and finds its end:
// it reads the last segment and whatever follows the last flushed head, and
// everything where hashes or head are lost. It does not read the older segments:
// whoever starts from the ledger reads it all, and compares the root of what it
// read with Head. headCopy is a file elsewhere that holds the last head again, ""
// for none.
func Open(dir, headCopy string) (_ *Store, err error) {
	s := &Store{dir: dir, segmentBytes: 64 << 20}
	defer func() {
		if err != nil {
			_ = s.release() // err says why
		}
	}()
	if err := os.MkdirAll(filepath.Join(dir, "entries"), 0o700); err != nil {
		return nil, err
	}
	if s.lock, err = lockDir(dir); err != nil {
		return nil, err
	}
	if s.hashes, err = os.OpenFile(filepath.Join(dir, "hashes"), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, err
	}
	recorded, err := readHead(filepath.Join(dir, "head"))
	if errors.Is(err, errHeadFile) {
		slog.Warn("the ledger's head file is unreadable; all entries are read instead", "error", err)
		recorded, err = headRecord{}, nil
	}
	if err != nil {
		return nil, err
	}
	if err := s.announce.open(dir, headCopy); err != nil {
		return nil, err
	}
	if err := s.load(recorded); err != nil {
		return nil, err
	}
	if err := s.announce.settle(s); err != nil {
		return nil, err
	}
	heard, err := readHead(announcedFile(dir))
	if err != nil {
		return nil, err
	}
	s.heard = heard.Head
	if s.announced, err = os.OpenFile(announcedFile(dir), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, err
	}
	return s, nil
}

// Head returns the last head: what is flushed here.
func (s *Store) Head() Head {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.head
}

// RolledBack returns a head that was announced, kept in the third place or by Heard,
// where this ledger is behind it, or does not contain it: positions were announced that
// are not here. It clears once they are refilled with an equal root, or a new epoch is
// opened. Until then this ledger must not gate, and the copy keeps what it says.
func (s *Store) RolledBack() (announced Head, rolledBack bool) {
	s.mu.Lock()
	seen, behind, heard := s.announce.seen, s.announce.behind, s.heard
	s.mu.Unlock()
	if behind || heard.Size == 0 {
		return seen, behind
	}
	here, err := s.Contains(heard)
	return heard, err != nil || !here
}

// Contains says whether a head is this ledger's own at its size, or of an earlier epoch.
func (s *Store) Contains(h Head) (bool, error) { return contains(s, s.Head(), h) }

// Heard keeps a head that another ledger, the gating one, announced, unless a later one is
// kept: before this one gates it must contain it, see RolledBack. It survives the end of the process; to survive a power
// cut too it is flushed, but no more than about once a second. It is called by one goroutine.
func (s *Store) Heard(h Head) error {
	s.mu.Lock()
	late := h.Epoch < s.heard.Epoch || h.Epoch == s.heard.Epoch && h.Size < s.heard.Size
	if !late {
		s.heard = h
	}
	s.mu.Unlock()
	if late {
		return nil
	}
	_, err := s.announced.WriteAt(headRecord{Head: h}.encode(), 0)
	if now := time.Now(); err == nil && now.Sub(s.announcedAt) > headFlush {
		s.announcedAt = now
		err = s.announced.Sync()
	}
	if err != nil {
		return fmt.Errorf("what the gating ledger announced: %w", err)
	}
	return nil
}

// Read yields the records after a position, up to the head at the start of the
// reading. A frame that cannot be read or does not stand at its position ends it
// with a *DamageError. Bodies share memory with their neighbours: clone what is to
// be kept long.
func (s *Store) Read(after uint64) iter.Seq2[eventlog.Record, error] {
	return func(yield func(eventlog.Record, error) bool) {
		r := s.reader(after, false)
		defer r.Close()
		if after > r.size {
			yield(eventlog.Record{}, fmt.Errorf("position %d is beyond the ledger's %d", after, r.size))
			return
		}
		for {
			leaf, err := r.next()
			if errors.Is(err, io.EOF) {
				return
			}
			var rec eventlog.Record
			if err == nil {
				rec, err = r.parse(leaf)
			}
			if !yield(rec, err) || err != nil {
				return
			}
		}
	}
}

// recordAt parses a leaf that must stand at a position.
func recordAt(leaf []byte, position uint64) (eventlog.Record, error) {
	r, err := eventlog.ParseLeaf(leaf)
	if err != nil {
		return r, err
	}
	if r.Position != position {
		return r, fmt.Errorf("the entry says it is position %d", r.Position)
	}
	return r, nil
}

// ReadHashes makes the store a tlog.HashReader, to prove records and trees with.
func (s *Store) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		if _, err := s.hashes.ReadAt(hashes[i][:], index*tlog.HashSize); err != nil {
			return nil, fmt.Errorf("hash %d of the ledger: %w", index, err)
		}
	}
	return hashes, nil
}

// Close flushes and releases the ledger.
func (s *Store) Close() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if errors.Is(s.broken, ErrClosed) {
		return nil
	}
	err := errors.Join(s.cutFill(), s.announce.close(s))
	s.broken = ErrClosed
	return errors.Join(err, s.release())
}

func (s *Store) release() error {
	var errs []error
	for _, f := range []*os.File{s.last, s.hashes, s.announced, s.announce.head, s.announce.copy, s.lock} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

func (s *Store) segmentFile(first uint64) string {
	return filepath.Join(s.dir, "entries", fmt.Sprintf("%020d", first))
}

// listSegments returns the first positions of a ledger's segments, in order.
func listSegments(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(filepath.Join(dir, "entries"))
	if err != nil {
		return nil, err
	}
	var firsts []uint64
	for _, e := range entries {
		first, err := strconv.ParseUint(e.Name(), 10, 64)
		if err != nil || len(e.Name()) != 20 {
			return nil, fmt.Errorf("%s is no segment of a ledger", filepath.Join(dir, "entries", e.Name()))
		}
		firsts = append(firsts, first)
	}
	return firsts, nil
}

func hashesLength(size uint64) int64 { return tlog.StoredHashCount(int64(size)) * tlog.HashSize }

func where(name string, offset int64) string { return fmt.Sprintf("%s, byte %d", name, offset) }

func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %s: %w", ErrLocked, dir, err), f.Close())
	}
	return f, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

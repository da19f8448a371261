package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sys/unix"

	"maillage/services/eventlog"
)

// unsettled is a record that is flushed and not in the tree.
type unsettled struct {
	eventlog.Record
	leaf tlog.Hash
	end  int64 // of its frame, in the last segment
}

// Append takes records that the stream holds, which must be whole commits at the next
// positions, into the tree. It returns once they are flushed, at once where WriteAhead has
// flushed the same, with the head to announce. What else was written ahead follows them
// still, or is dropped where it is not what the stream holds at its position. After an
// error other than ErrNotNext the store must be opened anew: only the disk knows the outcome.
func (s *Store) Append(records []eventlog.Record) (Head, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.broken != nil || len(records) == 0 {
		return s.head, s.broken
	}
	if err := s.next(records); err != nil {
		return s.head, err
	}
	same := s.sameAhead(records)
	if same < len(records) && same < len(s.ahead) {
		if err := s.drop(); err != nil {
			return s.head, err
		}
		same = 0
	}
	if err := s.settle(same); err != nil {
		return s.head, err
	}
	if records = records[same:]; len(records) > 0 {
		if err := s.write(records, beginsHeld); err != nil {
			return s.head, err
		}
		if err := s.settle(len(records)); err != nil {
			return s.head, err
		}
	}
	return s.head, s.announceHead()
}

// WriteAhead flushes records while the stream is being asked to take them, so that the two
// stores are waited for once. They must be whole commits at the next positions. They are in
// no tree and nobody is shown them before Append has taken them; they stay beyond the end
// of the process, see Ahead, and take the place of others that were written ahead: who
// writes must know that the stream does not hold those, nor ever will at these positions.
// Errors are those of Append.
func (s *Store) WriteAhead(records []eventlog.Record) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.broken != nil || len(records) == 0 {
		return s.broken
	}
	if err := s.next(records); err != nil {
		return err
	}
	if err := s.drop(); err != nil {
		return err
	}
	return s.write(records, beginsAhead)
}

// Withdraw takes back what was written ahead and Append has not taken: the stream has
// refused it.
func (s *Store) Withdraw() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.broken != nil {
		return s.broken
	}
	return s.drop()
}

// Ahead returns, commit by commit, what was written ahead and Append has not taken. After a
// start it is what the stream was being asked to take when the process ended. If the stream
// does not hold it, and nothing in its place, then only bringing it there is sure to lose
// nothing.
func (s *Store) Ahead() (whole [][]eventlog.Record) {
	s.writing.Lock()
	defer s.writing.Unlock()
	var run commits
	var open []eventlog.Record
	for _, u := range s.ahead {
		open = append(open, u.Record)
		if ends, err := run.next(u.Body); err == nil && ends {
			whole, open = append(whole, open), nil
		}
	}
	return whole
}

// next refuses records that are not the next whole commits.
func (s *Store) next(records []eventlog.Record) error {
	var run commits
	epoch, whole := s.head.Epoch, true
	for i, r := range records {
		if want := s.tree.Size() + 1 + uint64(i); r.Position != want {
			return fmt.Errorf("%w: position %d where %d is next", ErrNotNext, r.Position, want)
		}
		if n := minLeaf + len(r.Subject) + len(r.Body); n > eventlog.MaxLeaf {
			return fmt.Errorf("%w: position %d: leaf of %d bytes, at most %d", ErrNotNext, r.Position, n, eventlog.MaxLeaf)
		}
		var err error
		if whole, err = run.next(r.Body); err != nil {
			return fmt.Errorf("%w: position %d: %w", ErrNotNext, r.Position, err)
		}
		if epoch, err = epochAfter(epoch, r); err != nil {
			return fmt.Errorf("%w: position %d: %w", ErrNotNext, r.Position, err)
		}
	}
	if !whole {
		return fmt.Errorf("%w: position %d leaves its commit open", ErrNotNext, records[len(records)-1].Position)
	}
	return nil
}

// sameAhead counts the records that are what was written ahead at their positions.
func (s *Store) sameAhead(records []eventlog.Record) int {
	for i, u := range s.ahead {
		if i == len(records) || u.Subject != records[i].Subject || !bytes.Equal(u.Body, records[i].Body) {
			return i
		}
	}
	return len(s.ahead)
}

// settle takes the first n of what was written ahead into the tree.
func (s *Store) settle(n int) error {
	if n == 0 {
		return nil
	}
	tree, epoch, at := s.tree, s.head.Epoch, s.end
	var marks []mark
	s.stored = s.stored[:0]
	for _, u := range s.ahead[:n] {
		var err error
		if epoch, err = epochAfter(epoch, u.Record); err != nil {
			return s.fails("epoch", err)
		}
		if u.Position%markEvery == 0 {
			marks = append(marks, mark{u.Position, at})
		}
		s.stored = tree.AppendStored(s.stored, u.leaf)
		at = u.end
	}
	if _, err := s.hashes.WriteAt(s.stored, hashesLength(tree.Size())-int64(len(s.stored))); err != nil {
		return s.fails("hashes", err)
	}
	s.tree, s.end, s.ahead = tree, at, s.ahead[n:]
	s.mu.Lock()
	defer s.mu.Unlock()
	last := &s.segments[len(s.segments)-1]
	last.marks = append(last.marks, marks...)
	s.head = Head{Epoch: epoch, Size: tree.Size(), Root: tree.Root()}
	return nil
}

// announceHead writes the head file.
func (s *Store) announceHead() error {
	if err := s.announce.write(s, s.head); err != nil {
		return s.fails("head", err)
	}
	if cap(s.frames) > keepBuffer {
		s.frames, s.stored = nil, nil
	}
	return nil
}

// fails notes that a write failed: only the disk knows how far it came.
func (s *Store) fails(what string, err error) error {
	s.broken = fmt.Errorf("%s of the ledger: %w", what, err)
	return s.broken
}

// drop takes what was written ahead back. Zeros that are flushed stand where it stood, so
// that no power cut leaves a part of it between the frames that take its place.
func (s *Store) drop() error {
	if len(s.ahead) == 0 {
		return nil
	}
	if err := s.quarantine(); err != nil {
		return s.fails("quarantine", err)
	}
	end := s.frameEnd()
	_, err := s.last.WriteAt(make([]byte, end-s.end), s.end)
	if err = errors.Join(err, fdatasync(s.last)); err != nil {
		return s.fails("entries", err)
	}
	s.ahead, s.filled = nil, max(s.filled, end)
	return nil
}

// quarantine keeps what Open found ahead and is about to be taken back, for the stream does
// not hold it all: if a caller was answered, which nobody can tell any more, it lost that.
func (s *Store) quarantine() error {
	if !s.found {
		return nil
	}
	dir := filepath.Join(s.dir, "quarantine")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, fmt.Sprintf("%020d-*", s.ahead[0].Position))
	if err != nil {
		return err
	}
	var frames []byte
	for _, u := range s.ahead {
		frames = appendFrame(frames, u.Record, 0)
	}
	_, err = f.Write(frames)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	slog.Warn("the stream does not hold all that the ledger was writing ahead when its process ended: it is set aside",
		"position", s.ahead[0].Position, "positions", len(s.ahead), "file", f.Name())
	s.found = false
	return errors.Join(syncDir(dir), syncDir(s.dir))
}

// frameEnd is where the last frame ends.
func (s *Store) frameEnd() int64 {
	if n := len(s.ahead); n > 0 {
		return s.ahead[n-1].end
	}
	return s.end
}

// write writes records to the last segment, or to a new one, and flushes them.
func (s *Store) write(records []eventlog.Record, bits uint32) error {
	if s.last == nil || s.end >= s.segmentBytes {
		if err := s.roll(records[0].Position); err != nil {
			return s.fails("entries", err)
		}
	}
	s.frames, s.ahead, s.found = s.frames[:0], make([]unsettled, len(records)), false
	for i, r := range records {
		at := len(s.frames)
		s.frames = appendFrame(s.frames, r, bits)
		s.ahead[i] = unsettled{r, tlog.RecordHash(s.frames[at+frameHeader:]), s.end + int64(len(s.frames))}
		bits = 0
	}
	if err := s.fillAhead(s.end + int64(len(s.frames))); err != nil {
		return s.fails("entries", err)
	}
	_, err := s.last.WriteAt(s.frames, s.end)
	if err == nil {
		err = fdatasync(s.last)
	}
	if err != nil {
		return s.fails("entries", err)
	}
	return nil
}

// fillAhead writes zeros where the frames up to an offset and those after them will
// stand: a flush that changes no file's size waits for no journal of the file system
// (measured: 0.6 of the time). Open takes zeros after the last frame for its end.
func (s *Store) fillAhead(to int64) error {
	if to <= s.filled {
		return nil
	}
	from := max(s.filled, s.end)
	if _, err := s.last.WriteAt(make([]byte, to+fillBytes-from), from); err != nil {
		return err
	}
	s.filled = to + fillBytes
	return nil
}

// cutFill ends the last segment after its last frame.
func (s *Store) cutFill() error {
	if s.last == nil || s.filled <= s.frameEnd() {
		return nil
	}
	s.filled = 0
	return errors.Join(s.last.Truncate(s.frameEnd()), s.last.Sync())
}

func (s *Store) roll(first uint64) error {
	if err := s.cutFill(); err != nil {
		return err
	}
	f, err := os.OpenFile(s.segmentFile(first), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), syncDir(filepath.Join(s.dir, "entries"))); err != nil {
		return errors.Join(err, f.Close())
	}
	if s.last != nil {
		if err := s.last.Close(); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	s.last, s.end = f, 0
	s.mu.Lock()
	defer s.mu.Unlock()
	s.segments = append(s.segments, segment{first: first})
	return nil
}

func fdatasync(f *os.File) error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); err != unix.EINTR {
			return err
		}
	}
}

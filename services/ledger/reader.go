package ledger

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"

	"maillage/services/eventlog"
)

// Reader reads the leaves of a store in order. It belongs to one goroutine.
type Reader struct {
	s        *Store
	segments []segment // from the one that is read
	size     uint64    // last position to read
	position uint64    // of the leaf read last

	open segmentReader
	end  uint64 // last position of the segment that is open
	name string
	at   int64 // offset of the frame read last
}

// Reader returns a reader of the leaves from position 1, up to the head as it is now.
func (s *Store) Reader() *Reader { return s.reader(0, true) }

// reader reads after a position. again says that a leaf is wanted only until the next.
func (s *Store) reader(after uint64, again bool) *Reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &Reader{
		s: s, segments: slices.Clone(s.segments), size: s.head.Size, position: after,
		open: segmentReader{again: again},
	}
}

// Same compares a leaf ([eventlog.AppendLeaf]) with the next one kept: false where they
// differ. It returns io.EOF after the last one, and a *DamageError for a frame that cannot
// be read or does not stand at its position.
func (r *Reader) Same(leaf []byte) (bool, error) {
	kept, err := r.next()
	if err != nil {
		return false, err
	}
	if bytes.Equal(kept, leaf) {
		return true, nil
	}
	_, err = r.parse(kept)
	return false, err
}

// Close lets go of the file that is open.
func (r *Reader) Close() {
	if r.open.f != nil {
		_ = r.open.f.Close() // it was read only
		r.open.f = nil
	}
}

// next returns the next leaf.
func (r *Reader) next() (leaf []byte, err error) {
	if r.position >= r.size {
		return nil, io.EOF
	}
	r.position++
	for r.open.f == nil || r.position > r.end {
		if err := r.openNext(); err != nil {
			return nil, err
		}
	}
	if leaf, r.at, err = r.open.next(); err != nil {
		return nil, r.damage(err)
	}
	return leaf, nil
}

// openNext opens the next segment, at the frame of position if that is in it.
func (r *Reader) openNext() error {
	r.Close()
	if len(r.segments) == 0 {
		return &DamageError{r.position, r.name, errors.New("no segment holds it")}
	}
	seg := r.segments[0]
	r.segments = r.segments[1:]
	r.end = r.size
	if len(r.segments) > 0 {
		r.end = min(r.end, r.segments[0].first-1)
	}
	if r.end < r.position {
		return nil
	}
	r.name = r.s.segmentFile(seg.first)
	f, err := os.Open(r.name)
	if err != nil {
		return &DamageError{r.position, r.name, err}
	}
	from := mark{position: seg.first}
	for _, m := range seg.marks {
		if m.position <= r.position {
			from = m
		}
	}
	r.open = segmentReader{f: f, chunk: r.open.chunk, at: from.offset, again: r.open.again}
	for p := from.position; p < r.position; p++ {
		leaf, at, err := r.open.next()
		if err == nil {
			_, err = recordAt(leaf, p)
		}
		if err != nil {
			return &DamageError{p, where(r.name, at), err}
		}
	}
	return nil
}

// parse reads the leaf that next returned last.
func (r *Reader) parse(leaf []byte) (eventlog.Record, error) {
	rec, err := recordAt(leaf, r.position)
	if err != nil {
		return eventlog.Record{}, r.damage(err)
	}
	return rec, nil
}

func (r *Reader) damage(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // io.EOF is for the end that the head says
	}
	return &DamageError{r.position, where(r.name, r.at), err}
}

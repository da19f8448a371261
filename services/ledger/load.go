package ledger

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"maillage/proto/merkle"
)

// errHashes says that the hashes file does not belong to the entries.
var errHashes = errors.New("the stored hashes do not fit the entries")

// scan reads segments at Open, from the one that holds the first position whose
// hashes are not known to be flushed.
type scan struct {
	s        *Store
	recorded headRecord
	atLeast  uint64 // up to here nothing is cut: it was once flushed
	from     uint64 // the tree begins here, with what hashes say

	tree    merkle.Tree
	epoch   uint64
	stored  []byte // hashes not yet written
	run     commits
	pending []unsettled // the open commit
	whole   uint64      // last position of the last whole commit
	end     int64       // offset of that commit's end
	doubt   bool        // the last write began before it was known whether the stream takes it
	ahead   []unsettled // its whole commits that no head is known of
	settled int64       // offset where they begin
}

// load finds the end of the ledger.
func (s *Store) load(recorded headRecord) error {
	firsts, err := listSegments(s.dir)
	if err != nil {
		return err
	}
	if len(firsts) > 0 && firsts[0] != 1 {
		return &DamageError{1, s.segmentFile(1), errors.New("the first segment is missing")}
	}
	for _, first := range firsts {
		s.segments = append(s.segments, segment{first: first})
	}
	if len(firsts) > 0 {
		if s.last, err = os.OpenFile(s.segmentFile(firsts[len(firsts)-1]), os.O_RDWR, 0); err != nil {
			return err
		}
	}
	sc, err := s.scanFrom(recorded, recorded.flushed)
	rebuilt := recorded.flushed == 0
	if errors.Is(err, errHashes) {
		rebuilt = true
		sc, err = s.scanFrom(recorded, 0)
	}
	if err != nil {
		return err
	}
	if sc.whole < recorded.Size {
		return &DamageError{
			sc.whole + 1, filepath.Join(s.dir, "entries"),
			fmt.Errorf("the entries end here, and head records %d of them", recorded.Size),
		}
	}
	if err := s.hashes.Truncate(hashesLength(sc.tree.Size())); err != nil {
		return err
	}
	s.announce.last.flushed = sc.from
	if rebuilt {
		if err := s.hashes.Sync(); err != nil {
			return err
		}
		s.announce.last.flushed = sc.tree.Size()
	}
	if n := len(s.segments); n > 0 {
		last := &s.segments[n-1]
		last.marks = slices.DeleteFunc(last.marks, func(m mark) bool { return m.position > sc.tree.Size() })
	}
	s.tree, s.end, s.ahead, s.found = sc.tree, sc.settled, sc.ahead, len(sc.ahead) > 0
	s.head = Head{Epoch: sc.epoch, Size: sc.tree.Size(), Root: sc.tree.Root()}
	return nil
}

// scanFrom scans with the stored hashes of the first from leaves trusted; where
// they do not lead to the recorded root it returns errHashes.
func (s *Store) scanFrom(recorded headRecord, from uint64) (*scan, error) {
	sc := &scan{s: s, recorded: recorded, from: from, epoch: 1}
	sc.atLeast = max(recorded.Size, s.announce.seen.Size)
	if from > 0 {
		var err error
		if sc.tree, err = merkle.Load(from, s); err != nil {
			return nil, errHashes
		}
		sc.epoch = recorded.Epoch
	}
	if err := sc.checkRoot(); err != nil {
		return nil, err
	}
	start := 0
	for i := range s.segments {
		s.segments[i].marks = nil
		if s.segments[i].first <= from+1 {
			start = i
		}
	}
	if len(s.segments) > 0 {
		next := s.segments[start].first
		sc.whole = next - 1
		for i := start; i < len(s.segments); i++ {
			var err error
			if next, err = sc.segment(i, next); err != nil {
				return nil, err
			}
		}
	}
	return sc, sc.writeHashes()
}

// segment scans one segment, whose first position must be next, and returns the
// position after its last.
func (sc *scan) segment(i int, next uint64) (uint64, error) {
	seg := &sc.s.segments[i]
	name := sc.s.segmentFile(seg.first)
	if seg.first != next {
		return 0, &DamageError{next, name, fmt.Errorf("this segment begins at position %d", seg.first)}
	}
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	last := i == len(sc.s.segments)-1
	if err := sc.settle(); err != nil {
		return 0, err
	}
	r := segmentReader{f: f}
	sc.end, sc.settled = 0, 0
	for {
		leaf, at, err := r.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = sc.record(leaf, next, &r)
		}
		if errors.Is(err, errHashes) {
			return 0, err
		}
		if err != nil {
			if last && next > sc.atLeast && sc.isTorn(&r, at, err) {
				break
			}
			return 0, &DamageError{next, where(name, at), err}
		}
		if next%markEvery == 0 {
			seg.marks = append(seg.marks, mark{next, at})
		}
		next++
	}
	return next, sc.endSegment(seg, last, next, r.at)
}

// endSegment cuts the last segment back to its last whole commit where something
// follows that commit.
func (sc *scan) endSegment(seg *segment, last bool, next uint64, read int64) error {
	name := sc.s.segmentFile(seg.first)
	if !last {
		if len(sc.pending) > 0 || sc.run.open.size != 0 {
			return &DamageError{next, where(name, read), errors.New("the segment ends within a commit")}
		}
		return nil
	}
	info, err := sc.s.last.Stat()
	if err != nil {
		return err
	}
	if info.Size() == sc.end {
		return nil
	}
	if sc.whole < sc.atLeast {
		return &DamageError{next, where(name, read), fmt.Errorf("the entries end here, and %d of them were recorded", sc.atLeast)}
	}
	return errors.Join(sc.s.last.Truncate(sc.end), sc.s.last.Sync())
}

func (sc *scan) isTorn(r *segmentReader, at int64, bad error) bool {
	if !errors.Is(bad, errShort) && !errors.Is(bad, errLength) && !errors.Is(bad, errCRC) {
		return false
	}
	rest, err := r.rest()
	return err == nil && torn(rest, at, bad)
}

// record takes the leaf that was read last, which must stand at a position.
func (sc *scan) record(leaf []byte, position uint64, in *segmentReader) error {
	r, err := recordAt(leaf, position)
	if err != nil {
		return err
	}
	if in.bits != 0 {
		if err := sc.settle(); err != nil {
			return err
		}
		sc.doubt = in.bits&beginsAhead != 0
	}
	whole, err := sc.run.next(r.Body)
	if err != nil {
		return err
	}
	if position > sc.from {
		sc.pending = append(sc.pending, unsettled{r, tlog.RecordHash(leaf), in.at})
	}
	if !whole {
		return nil
	}
	sc.whole, sc.end = position, in.at
	sc.ahead, sc.pending = append(sc.ahead, sc.pending...), sc.pending[:0]
	if known := sc.recorded.found || sc.atLeast > 0; sc.doubt && known && position > sc.atLeast {
		return nil
	}
	return sc.settle()
}

// settle takes the whole commits read into the tree.
func (sc *scan) settle() (err error) {
	for _, u := range sc.ahead {
		if sc.from == 0 || u.Position > sc.recorded.Size {
			if sc.epoch, err = epochAfter(sc.epoch, u.Record); err != nil {
				return err
			}
		}
		sc.stored = sc.tree.AppendStored(sc.stored, u.leaf)
		if err := sc.checkRoot(); err != nil {
			return err
		}
	}
	sc.ahead, sc.settled = sc.ahead[:0], sc.end
	if len(sc.stored) >= chunkSize {
		return sc.writeHashes()
	}
	return nil
}

// checkRoot compares the tree with the recorded head where it has its size.
func (sc *scan) checkRoot() error {
	if sc.recorded.Size == 0 || sc.tree.Size() != sc.recorded.Size || sc.tree.Root() == sc.recorded.Root {
		return nil
	}
	if sc.from > 0 {
		return errHashes
	}
	return errors.New("the root of the entries up to here is not the one that head records")
}

func (sc *scan) writeHashes() error {
	_, err := sc.s.hashes.WriteAt(sc.stored, hashesLength(sc.tree.Size())-int64(len(sc.stored)))
	sc.stored = sc.stored[:0]
	return err
}

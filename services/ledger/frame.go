package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	"maillage/services/eventlog"
)

// A frame is the length of a leaf (4 bytes, big-endian), the CRC-32C of the leaf
// (4 bytes), and the leaf. In the frame that a write begins with, one of the two highest
// bits of the length is set, and the checksum begins with them: one of the two says that
// the stream held what was written, the other that it was being asked to. The frames
// before either are in the stream. Ledgers older than these bits have neither.
const (
	frameHeader = 8
	beginsHeld  = 1 << 30
	beginsAhead = 1 << 31
	begins      = beginsHeld | beginsAhead
	minLeaf     = 11
	maxFrame    = frameHeader + eventlog.MaxLeaf
	sectorSize  = 512
	chunkSize   = 512 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var (
	errShort  = errors.New("the frame ends before its leaf does")
	errLength = errors.New("the frame has an impossible length")
	errCRC    = errors.New("the frame's checksum differs from its leaf's")
)

// appendFrame appends the frame of a record to b, with the bits of a write that begins
// there, or 0.
func appendFrame(b []byte, r eventlog.Record, bits uint32) []byte {
	at := len(b)
	b = append(b, make([]byte, frameHeader)...)
	b = eventlog.AppendLeaf(b, r)
	leaf := b[at+frameHeader:]
	binary.BigEndian.PutUint32(b[at:], bits|uint32(len(leaf)))
	binary.BigEndian.PutUint32(b[at+4:], crc32.Update(bits, castagnoli, leaf))
	return b
}

// header reads how long the leaf is of the frame that b begins with, four bytes at least,
// and the bits beside it.
func header(b []byte) (length int64, bits uint32) {
	n := binary.BigEndian.Uint32(b)
	return int64(n &^ begins), n & begins
}

// parseFrame returns the leaf of the frame that b begins with; it aliases b.
func parseFrame(b []byte) (leaf []byte, err error) {
	if len(b) < frameHeader {
		return nil, errShort
	}
	n, bits := header(b)
	if n < minLeaf || n > eventlog.MaxLeaf {
		return nil, errLength
	}
	if int64(len(b)) < frameHeader+n {
		return nil, errShort
	}
	leaf = b[frameHeader : frameHeader+n : frameHeader+n]
	if crc32.Update(bits, castagnoli, leaf) != binary.BigEndian.Uint32(b[4:]) {
		return nil, errCRC
	}
	return leaf, nil
}

// torn says whether the bad frame at offset at, of which b holds all bytes up to
// the end of the file (or the greatest frame's worth), looks like a write that a
// power cut interrupted: sectors that never reached the disk read as zeros, the
// frame runs into zeros where another should follow, or the file ends early. A frame
// whose checksum holds over fewer bytes than its length says is whole: its length was
// altered. One that another write follows was flushed before that began.
func torn(b []byte, at int64, bad error) bool {
	if writeBehind(b) {
		return false
	}
	if zeroSector(b, at) || runsIntoZeros(b) || headerLost(b, at) {
		return true
	}
	if !errors.Is(bad, errShort) {
		return false
	}
	if len(b) < frameHeader {
		return true
	}
	want := binary.BigEndian.Uint32(b[4:])
	_, crc := header(b)
	for i := frameHeader; i < len(b); i++ {
		crc = crc32.Update(crc, castagnoli, b[i:i+1])
		if crc == want && i+1-frameHeader >= minLeaf {
			return false
		}
	}
	return true
}

// writeBehind says whether a write begins after the frame that b begins with. Where that
// frame ends its bad header may not tell, so every offset is tried.
func writeBehind(b []byte) bool {
	for at := 1; at+frameHeader <= len(b); at++ {
		if _, bits := header(b[at:]); bits != beginsHeld && bits != beginsAhead {
			continue
		}
		if _, err := parseFrame(b[at:]); err == nil {
			return true
		}
	}
	return false
}

// zeroSector says whether the frame at offset at begins in, or spans, a disk
// sector that holds nothing.
func zeroSector(b []byte, at int64) bool {
	frame := maxFrame
	if len(b) >= 4 {
		if n, _ := header(b); n >= minLeaf && n <= eventlog.MaxLeaf {
			frame = frameHeader + int(n)
		}
	}
	first := int(sectorSize - at%sectorSize)
	// The first two bytes of most lengths are zero: fewer than four bytes prove nothing.
	if first = min(first, len(b)); first >= 4 && zero(b[:first]) {
		return true
	}
	if first == 3 && zero(b[:first]) {
		frame = maxFrame // one byte is left of its length
	}
	for from := first; from < min(frame, len(b)); from += sectorSize {
		if sector := b[from:min(from+sectorSize, len(b))]; len(sector) >= 4 && zero(sector) {
			return true
		}
	}
	return false
}

// headerLost says whether the frame at offset at begins with a disk sector's last bytes,
// fewer than make a length, and is whole but for these, which are zero: the bits of a write
// that begins there are among them, and its length can be.
func headerLost(b []byte, at int64) bool {
	lost := int(sectorSize - at%sectorSize)
	if lost >= 4 || len(b) < frameHeader || !zero(b[:lost]) {
		return false
	}
	n, want := uint32(b[2])<<8|uint32(b[3]), binary.BigEndian.Uint32(b[4:])
	for ; n <= eventlog.MaxLeaf && int(n) <= len(b)-frameHeader; n += 1 << 8 {
		leaf := b[frameHeader : frameHeader+n]
		for _, bits := range []uint32{0, beginsHeld, beginsAhead} {
			if n >= minLeaf && crc32.Update(bits, castagnoli, leaf) == want {
				return true
			}
		}
		if lost < 3 {
			break
		}
	}
	return false
}

// runsIntoZeros says whether the frame ends with a zero and more zeros follow it
// than any frame begins with.
func runsIntoZeros(b []byte) bool {
	if len(b) < frameHeader {
		return false
	}
	n, _ := header(b)
	end := frameHeader + n
	return int64(len(b)) >= end+32 && b[end-1] == 0 && zero(b[end:end+32])
}

func zero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// segmentReader reads the frames of one segment in order. The leaves it returns
// stay valid, unless it may use its memory again.
type segmentReader struct {
	f     *os.File
	chunk []byte // that buf is of
	buf   []byte // read and not yet returned
	at    int64  // offset of buf in the file
	eof   bool
	again bool   // a leaf is good until the next one is read
	bits  uint32 // of the frame returned last
}

// next returns the next leaf and the offset of its frame; io.EOF at the end of
// the last whole frame.
func (r *segmentReader) next() (leaf []byte, at int64, err error) {
	for {
		leaf, err = parseFrame(r.buf)
		if !errors.Is(err, errShort) || r.eof {
			break
		}
		if err := r.fill(); err != nil {
			return nil, r.at, err
		}
	}
	at = r.at
	if err != nil {
		if len(r.buf) == 0 {
			err = io.EOF
		}
		return nil, at, err
	}
	n := frameHeader + len(leaf)
	_, r.bits = header(r.buf)
	r.buf, r.at = r.buf[n:], r.at+int64(n)
	return leaf, at, nil
}

// rest returns what the file still holds from the next frame on, the greatest
// frame's worth and a sector at least.
func (r *segmentReader) rest() ([]byte, error) {
	for !r.eof && len(r.buf) < maxFrame+sectorSize {
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
	return r.buf, nil
}

func (r *segmentReader) fill() error {
	kept := r.buf
	if !r.again || len(r.chunk) < 2*len(kept) || len(r.chunk) == 0 {
		r.chunk = make([]byte, max(chunkSize, 2*len(kept)))
	}
	read := copy(r.chunk, kept)
	n, err := r.f.ReadAt(r.chunk[read:], r.at+int64(read))
	if err != nil && err != io.EOF {
		return err
	}
	r.eof = err == io.EOF
	r.buf = r.chunk[:read+n]
	return nil
}

// place is the place of a record in its commit.
type place struct{ index, size uint32 }

// commitPlace reads from an event's bytes its place in its commit: fields 7 and 8
// of its Meta, field 1 of every event. An event without them is its own commit.
func commitPlace(body []byte) (place, error) {
	var p place
	for len(body) > 0 {
		num, typ, n := protowire.ConsumeTag(body)
		if n < 0 {
			return p, fmt.Errorf("not an event: %w", protowire.ParseError(n))
		}
		body = body[n:]
		if num != 1 || typ != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(num, typ, body); n < 0 {
				return p, fmt.Errorf("not an event: %w", protowire.ParseError(n))
			}
			body = body[n:]
			continue
		}
		meta, n := protowire.ConsumeBytes(body)
		if n < 0 {
			return p, fmt.Errorf("not an event: %w", protowire.ParseError(n))
		}
		if err := p.read(meta); err != nil {
			return p, err
		}
		body = body[n:]
	}
	if p.size == 0 {
		p.size = 1
	}
	if p.index >= p.size {
		return p, fmt.Errorf("event %d of a commit of %d", p.index, p.size)
	}
	return p, nil
}

func (p *place) read(meta []byte) error {
	for len(meta) > 0 {
		num, typ, n := protowire.ConsumeTag(meta)
		if n < 0 {
			return fmt.Errorf("event without a readable meta: %w", protowire.ParseError(n))
		}
		meta = meta[n:]
		if n = protowire.ConsumeFieldValue(num, typ, meta); n < 0 {
			return fmt.Errorf("event without a readable meta: %w", protowire.ParseError(n))
		}
		if typ == protowire.VarintType && (num == 7 || num == 8) {
			v, _ := protowire.ConsumeVarint(meta)
			if num == 7 {
				p.index = uint32(v)
			} else {
				p.size = uint32(v)
			}
		}
		meta = meta[n:]
	}
	return nil
}

// commits follows the commits of a log and says where they end.
type commits struct{ open place } // open.size == 0 between commits

// next takes the next record and says whether it ends its commit.
func (c *commits) next(body []byte) (whole bool, err error) {
	p, err := commitPlace(body)
	if err != nil {
		return false, err
	}
	want := place{0, p.size}
	if c.open.size != 0 {
		want = place{c.open.index + 1, c.open.size}
	}
	if p != want {
		return false, fmt.Errorf("event %d of a commit of %d where event %d of %d was due", p.index, p.size, want.index, want.size)
	}
	if p.index+1 == p.size {
		c.open = place{}
		return true, nil
	}
	c.open = p
	return false, nil
}

const logSubject = "registry.ledger.log."

// epochAfter returns the epoch of the log after a record, given the one before.
func epochAfter(epoch uint64, r eventlog.Record) (uint64, error) {
	if !strings.HasPrefix(r.Subject, logSubject) {
		return epoch, nil
	}
	var e ledgerv1.Event
	if err := proto.Unmarshal(r.Body, &e); err != nil {
		return 0, fmt.Errorf("not a ledger event: %w", err)
	}
	opened := e.GetEpochOpened()
	if opened == nil {
		return epoch, nil
	}
	if opened.GetEpoch() <= epoch {
		return 0, fmt.Errorf("epoch %d opened in epoch %d", opened.GetEpoch(), epoch)
	}
	return opened.GetEpoch(), nil
}

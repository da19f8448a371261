package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	headMagic = "mledger1"
	headBytes = 8 + 8 + 8 + 32 + 8 + 4
)

// headRecord is the content of the head file: the last head, and up to which
// position the hashes file is flushed.
type headRecord struct {
	Head
	flushed uint64
	found   bool // there is a file
}

func (r headRecord) encode() []byte {
	b := make([]byte, 0, headBytes)
	b = append(b, headMagic...)
	b = binary.BigEndian.AppendUint64(b, r.Epoch)
	b = binary.BigEndian.AppendUint64(b, r.Size)
	b = append(b, r.Root[:]...)
	b = binary.BigEndian.AppendUint64(b, r.flushed)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

var errHeadFile = errors.New("not a whole head file")

// readHead reads a head file. One that does not exist is the zero record; one
// that cannot be understood is an error: it may be what says that the rest is gone.
func readHead(file string) (r headRecord, err error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(b) == 0 {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	if len(b) != headBytes || string(b[:8]) != headMagic ||
		crc32.Checksum(b[:headBytes-4], castagnoli) != binary.BigEndian.Uint32(b[headBytes-4:]) {
		return r, fmt.Errorf("%s: %w", file, errHeadFile)
	}
	r.Epoch = binary.BigEndian.Uint64(b[8:])
	r.Size = binary.BigEndian.Uint64(b[16:])
	copy(r.Root[:], b[24:])
	r.flushed = binary.BigEndian.Uint64(b[56:])
	r.found = true
	return r, nil
}

func announcedFile(dir string) string { return filepath.Join(dir, "announced") }

// Heads returns the heads that a ledger directory and the copy elsewhere say were
// announced, by it or by the one it followed, without opening the ledger; those that cannot be read are left out.
func Heads(dir, headCopy string) (heads []Head) {
	for _, file := range []string{filepath.Join(dir, "head"), announcedFile(dir), headCopy} {
		if r, err := readHead(file); err == nil && r.Size > 0 {
			heads = append(heads, r.Head)
		}
	}
	return heads
}

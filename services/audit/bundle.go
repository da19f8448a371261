// Package audit checks a register from a file, with nothing but a key: that its records are
// those that were signed, that the log extends one that was signed before, and what they add
// up to on any day, as known at any moment, by the same fold.
package audit

import (
	"archive/zip"
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"maillage/proto/merkle"
	"maillage/services/eventlog"
	"maillage/services/fault"
	"maillage/services/vault"
)

// Manifest says what a bundle is of. It is signed by nobody: what it claims is checked.
type Manifest struct {
	// Format is 1.
	Format int `json:"format"`
	// Scope is "all", or the id of the label or act that the records name.
	Scope string `json:"scope"`
	// Made is when, by the clock of who made it, UTC.
	Made time.Time `json:"made"`
	// Digest is what the register itself said the records add up to, where Scope is "all".
	Digest *Digest `json:"digest,omitempty"`
}

// Digest is the state digest d1 at a position.
type Digest struct {
	Position uint64 `json:"position"`
	D1       []byte `json:"d1"`
	Rows     uint64 `json:"rows"`
}

// Whole is the scope of a bundle with all records.
const Whole = "all"

// Entry is a record, and the proof that it is in the log where the bundle has not all.
type Entry struct {
	eventlog.Record

	Proof tlog.RecordProof
}

// Contents are what is put into a bundle.
type Contents struct {
	Manifest
	// Checkpoint is signed; the log that it is of holds all entries.
	Checkpoint []byte
	// Entries are in ascending order of their positions.
	Entries iter.Seq2[Entry, error]
	// Older is a checkpoint, signed, that Consistency proves the other to extend; nil for
	// none. A bundle with all records needs none.
	Older       []byte
	Consistency tlog.TreeProof
	// Openings are of values that entries commit to, each once; nil for none. They are asked
	// for after all entries.
	Openings iter.Seq2[vault.Opening, error]
}

// Parts of a bundle: a ZIP file whose parts are stored, not compressed. Entries are leaves
// (see maillage/proto/merkle), each after its length in two bytes, big-endian, as in the
// entry bundles of C2SP tlog-tiles; proofs, one for each entry, are a number of hashes (two
// bytes, big-endian) and the hashes, and so is the proof of consistency. Openings, where
// there are any, are JSON, one a line: value_id, kind, salt (base64), text.
const (
	manifestPart    = "bundle.json"
	checkpointPart  = "checkpoint"
	entriesPart     = "entries"
	proofsPart      = "proofs"
	olderPart       = "older-checkpoint"
	consistencyPart = "consistency"
	openingsPart    = "openings"
)

// Write writes a bundle.
func Write(w io.Writer, c Contents) error {
	out := zip.NewWriter(w)
	part := func(name string, content []byte) error {
		to, err := out.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err == nil {
			_, err = to.Write(content)
		}
		return err
	}
	manifest, err := json.MarshalIndent(c.Manifest, "", "  ")
	if err != nil {
		return err
	}
	if err := errors.Join(part(manifestPart, manifest), part(checkpointPart, c.Checkpoint)); err != nil {
		return err
	}
	if c.Older != nil {
		if err := errors.Join(part(olderPart, c.Older), part(consistencyPart, appendHashes(nil, c.Consistency))); err != nil {
			return err
		}
	}
	to, err := out.CreateHeader(&zip.FileHeader{Name: entriesPart, Method: zip.Store})
	if err != nil {
		return err
	}
	var proofs, b []byte
	buffered := bufio.NewWriterSize(to, 1<<20)
	for e, err := range c.Entries {
		if err != nil {
			return err
		}
		b = merkle.AppendLeaf(append(b[:0], 0, 0), e.Position, e.Subject, e.Body)
		binary.BigEndian.PutUint16(b, uint16(len(b)-2))
		if _, err := buffered.Write(b); err != nil {
			return err
		}
		if c.Scope != Whole {
			proofs = appendHashes(proofs, e.Proof)
		}
	}
	if err := buffered.Flush(); err != nil {
		return err
	}
	if c.Scope != Whole {
		if err := part(proofsPart, proofs); err != nil {
			return err
		}
	}
	if c.Openings != nil {
		to, err := out.CreateHeader(&zip.FileHeader{Name: openingsPart, Method: zip.Store})
		if err != nil {
			return err
		}
		if err := writeOpenings(to, c.Openings); err != nil {
			return err
		}
	}
	return out.Close()
}

func appendHashes[P ~[]tlog.Hash](b []byte, proof P) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(proof)))
	for _, h := range proof {
		b = append(b, h[:]...)
	}
	return b
}

func readHashes(r io.Reader) (proof []tlog.Hash, err error) {
	var n [2]byte
	if _, err := io.ReadFull(r, n[:]); err != nil {
		return nil, err
	}
	proof = make([]tlog.Hash, binary.BigEndian.Uint16(n[:]))
	for i := range proof {
		if _, err := io.ReadFull(r, proof[i][:]); err != nil {
			return nil, err
		}
	}
	return proof, nil
}

// Bundle is one that is read. Nothing in it is to be believed before [Bundle.Verify].
type Bundle struct {
	Manifest

	checkpoint  []byte
	older       []byte
	consistency tlog.TreeProof
	opened      map[string]string // texts by the ids of their values, verified
	parts       *zip.ReadCloser
}

// unreadable says that a file is no bundle, or one that was damaged.
func unreadable(format string, args ...any) error {
	return fault.New(fault.Damaged, "BUNDLE_UNREADABLE", "", format, args...)
}

const maxSmall = 1 << 20 // bytes of what is read into memory whole

// Open opens a bundle: BUNDLE_UNREADABLE where it is none.
func Open(file string) (*Bundle, error) {
	parts, err := zip.OpenReader(file)
	if errors.Is(err, zip.ErrFormat) {
		return nil, unreadable("%s is no bundle: %v", file, err)
	}
	if err != nil {
		return nil, err
	}
	b := &Bundle{parts: parts}
	if err := b.open(); err != nil {
		_ = parts.Close()
		return nil, err
	}
	return b, nil
}

func (b *Bundle) open() error {
	manifest, err := b.small(manifestPart)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(manifest, &b.Manifest); err != nil || b.Format != 1 {
		return unreadable("its format is %d, which this binary does not read: %v", b.Format, err)
	}
	if b.checkpoint, err = b.small(checkpointPart); err != nil {
		return err
	}
	if b.older, err = b.small(olderPart); err != nil {
		return nil
	}
	r, err := b.part(consistencyPart)
	if err != nil {
		return err
	}
	defer r.Close()
	hashes, err := readHashes(r)
	if err != nil {
		return unreadable("part %s: %v", consistencyPart, err)
	}
	b.consistency = hashes
	return nil
}

func (b *Bundle) part(name string) (io.ReadCloser, error) {
	r, err := b.parts.Open(name)
	if err != nil {
		return nil, unreadable("part %s: %v", name, err)
	}
	return r, nil
}

func (b *Bundle) small(name string) ([]byte, error) {
	r, err := b.part(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	content, err := io.ReadAll(io.LimitReader(r, maxSmall))
	if err != nil {
		return nil, unreadable("part %s: %v", name, err)
	}
	return content, nil
}

// Checkpoint is the signed checkpoint of the bundle.
func (b *Bundle) Checkpoint() []byte { return b.checkpoint }

// Close closes the file.
func (b *Bundle) Close() error { return b.parts.Close() }

// leaves yields the leaves as they are stored; each is good until the next.
func (b *Bundle) leaves() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		r, err := b.part(entriesPart)
		if err != nil {
			yield(nil, err)
			return
		}
		defer r.Close()
		in, leaf := bufio.NewReaderSize(r, 1<<20), make([]byte, 1<<16)
		for {
			var n [2]byte
			switch _, err := io.ReadFull(in, n[:]); {
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				yield(nil, unreadable("entries: %v", err))
				return
			}
			one := leaf[:binary.BigEndian.Uint16(n[:])]
			if _, err := io.ReadFull(in, one); err != nil {
				yield(nil, unreadable("entries: %v", err))
				return
			}
			if !yield(one, nil) {
				return
			}
		}
	}
}

// recordOf is the record of a leaf, which it does not share.
func recordOf(leaf []byte) (eventlog.Record, error) {
	position, subject, body, err := merkle.ParseLeaf(leaf)
	if err != nil {
		return eventlog.Record{}, fault.New(fault.Damaged, "ENTRY_ALTERED", "", "an entry is no leaf: %v", err)
	}
	return eventlog.Record{Position: position, Subject: subject, Body: append([]byte(nil), body...)}, nil
}

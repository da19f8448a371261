// Package eventlog says what the log of the register is: one dense sequence of
// records, appended to at an expected position, read and followed in order. It
// has two implementations, Memory here and the stream of package jetstream, and
// one conformance suite for both in package eventlogtest.
package eventlog

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"maillage/proto/merkle"
)

// MaxLeaf is the greatest size of a leaf in bytes: tiles length-prefix their
// entries with 16 bits.
const MaxLeaf = 65535

// MaxCommit is the greatest number of records in one append: an act and 10,000
// lines.
const MaxCommit = 10001

// Record is one event of the log as it is stored.
type Record struct {
	// Position is its place in the log, from 1, dense, never reused.
	Position uint64
	// Subject is registry.<context>.<kind>.<id>.
	Subject string
	// Body is the encoded event. The bytes stored are the bytes hashed.
	Body []byte
	// Header carries trace context. It is not part of the leaf and does not
	// survive a restore.
	Header map[string][]string
}

// Log is the register's log. Its law:
//
//   - Positions are dense from 1. A record once acknowledged stays at its position,
//     unaltered. Whoever meets a position that is missing gets a *HoleError, never
//     the record after it.
//   - Append stores its records at expected+1 and on, all of them or none, and
//     only while the log stands at expected.
//   - An append that returns nil is flushed to disk. One that returns ErrMoved,
//     ErrTooLarge or ErrUnavailable stored nothing. Any other error, ErrUnknown
//     included, says nothing of the outcome: read the log to learn it.
//   - Read and Follow yield records in order and may show a prefix of an append
//     that is not yet whole; package projection hands on whole commits only.
type Log interface {
	// Append stores records after position expected. Their Position is ignored.
	Append(ctx context.Context, expected uint64, records []Record) error
	// Head returns the last position, 0 for an empty log, and the log's clock.
	Head(ctx context.Context) (position uint64, now time.Time, err error)
	// Read yields the records after a position up to the head at the time of the
	// call, then ends.
	Read(ctx context.Context, after uint64) iter.Seq2[Record, error]
	// Get returns the record at one position, without its header; one that is missing
	// is a *HoleError.
	Get(ctx context.Context, position uint64) (Record, error)
	// Follow yields the records after the cursor, for ever. At its start, after
	// every reconnect and every few idle seconds it looks whether the record at
	// the last position it yielded (or of the cursor) still stands, unaltered:
	// absent or different is a *ForkError. It ends with the context's error.
	Follow(ctx context.Context, from Cursor) iter.Seq2[Record, error]
}

// Errors of Append whose outcome is certain: nothing was stored.
var (
	// ErrMoved says that the log does not stand at the expected position.
	ErrMoved = errors.New("the log has moved")
	// ErrTooLarge says that a record or the commit exceeds what the log takes.
	ErrTooLarge = errors.New("record or commit too large")
	// ErrUnavailable says that the log cannot be reached and nothing was sent.
	ErrUnavailable = errors.New("the log cannot be reached")
)

// ErrUnknown says that an append may or may not have been stored.
var ErrUnknown = errors.New("outcome of the append unknown")

// HoleError says that a position is missing or cannot be read.
type HoleError struct {
	Position uint64
	Err      error // cause, may be nil
}

func (e *HoleError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("position %d of the log cannot be read: %v", e.Position, e.Err)
	}
	return fmt.Sprintf("position %d of the log is missing", e.Position)
}

func (e *HoleError) Unwrap() error { return e.Err }

// ForkError says that a position no longer holds what it held.
type ForkError struct {
	Position uint64 // the position that differs or is gone
}

func (e *ForkError) Error() string {
	return fmt.Sprintf("the log is forked: position %d no longer holds the record it held", e.Position)
}

// Cursor is a place in the log that notices a fork. The zero Cursor is the
// beginning. A cursor with a zero Leaf is a bare position and protects from
// nothing.
type Cursor struct {
	Epoch    uint64
	Position uint64
	Leaf     tlog.Hash // leaf hash of the record at Position
}

// Leaf returns the canonical bytes of a record: a version byte, the position (8
// bytes, big-endian), the subject's length (2 bytes), the subject, the body.
func Leaf(r Record) []byte {
	b := make([]byte, 0, 11+len(r.Subject)+len(r.Body))
	return AppendLeaf(b, r)
}

// AppendLeaf appends the canonical bytes of a record to b.
func AppendLeaf(b []byte, r Record) []byte {
	return merkle.AppendLeaf(b, r.Position, r.Subject, r.Body)
}

// ParseLeaf is the inverse of Leaf. The record's body aliases b.
func ParseLeaf(b []byte) (Record, error) {
	position, subject, body, err := merkle.ParseLeaf(b)
	return Record{Position: position, Subject: subject, Body: body}, err
}

// LeafHash returns the RFC 6962 hash of the record's leaf.
func LeafHash(r Record) tlog.Hash { return tlog.RecordHash(Leaf(r)) }

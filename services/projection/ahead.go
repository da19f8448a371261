package projection

import (
	"errors"
	"io"
	"iter"

	"golang.org/x/mod/sumdb/tlog"

	"maillage/services/eventlog"
	"maillage/services/ledger"
)

// How far a replay reads ahead of its fold: enough to keep both busy, and little
// memory.
const (
	batchRecords = 256
	batchesAhead = 4
)

// ahead reads a sequence in a goroutine of its own, so that a replay reads and
// hashes the next records while it folds the last. The order stays that of the
// sequence, and its error comes where it stood.
type ahead[E any] struct {
	batches chan batch[E] // closed when the goroutine has ended
	enough  chan struct{} // closed when no more is wanted
	batch   batch[E]      // what next has not returned yet
}

type batch[E any] struct {
	all  []E
	err  error // follows them
	last bool  // nothing follows
}

func readAhead[E any](seq iter.Seq2[E, error]) *ahead[E] {
	a := &ahead[E]{batches: make(chan batch[E], batchesAhead), enough: make(chan struct{})}
	go func() {
		defer close(a.batches)
		b := batch[E]{last: true}
		for e, err := range seq {
			if err != nil {
				b.err = err
				break
			}
			if b.all = append(b.all, e); len(b.all) < batchRecords {
				continue
			}
			select {
			case a.batches <- batch[E]{all: b.all}:
			case <-a.enough:
				return
			}
			b.all = make([]E, 0, batchRecords)
		}
		select {
		case a.batches <- b:
		case <-a.enough:
		}
	}()
	return a
}

// next returns the next element, false at the end of the sequence, or its error. It is
// not to be called again after either.
func (a *ahead[E]) next() (e E, ok bool, err error) {
	for len(a.batch.all) == 0 {
		if a.batch.last {
			return e, false, a.batch.err
		}
		a.batch = <-a.batches
	}
	e = a.batch.all[0]
	a.batch.all = a.batch.all[1:]
	return e, true, nil
}

// close ends the reading. What the sequence waits for must have been cancelled.
func (a *ahead[E]) close() {
	close(a.enough)
	for range a.batches { // until the goroutine has ended
	}
}

// hashed is a record with the hash of its leaf.
type hashed struct {
	eventlog.Record
	leaf tlog.Hash
}

// withLeaves hashes each record of a sequence, and compares those that a ledger holds,
// nil for none, with what is kept there: any difference ends it with the error of differ.
func withLeaves(seq iter.Seq2[eventlog.Record, error], kept *ledger.Reader, differ func(position uint64) error) iter.Seq2[hashed, error] {
	return func(yield func(hashed, error) bool) {
		var leaf []byte
		for rec, err := range seq {
			h := hashed{Record: rec}
			if err == nil {
				leaf = eventlog.AppendLeaf(leaf[:0], rec)
				h.leaf = tlog.RecordHash(leaf)
				if same, bad := sameAs(kept, leaf); bad != nil {
					err = bad
				} else if !same {
					err = differ(rec.Position)
				}
			}
			if !yield(h, err) {
				return
			}
		}
	}
}

// sameAs compares a leaf with the ledger's next, if it has one.
func sameAs(kept *ledger.Reader, leaf []byte) (bool, error) {
	if kept == nil {
		return true, nil
	}
	same, err := kept.Same(leaf)
	if errors.Is(err, io.EOF) {
		return true, nil // the stream goes on alone
	}
	return same, err
}

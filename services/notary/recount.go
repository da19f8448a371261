package notary

import (
	"errors"
	"fmt"
	"iter"

	"golang.org/x/mod/sumdb/tlog"

	"maillage/proto/merkle"
	"maillage/services/eventlog"
	"maillage/services/fault"
	"maillage/services/ledger"
)

// Recount hashes every record of a store again, from the bytes that it holds, up to a head,
// and compares what they add up to: LOG_DAMAGED at the first position that is not what the
// tree says, or is not there. A proof that a checkpoint extends another says nothing of the
// entries below it, one bit of which may have flipped since.
func Recount(store string, records iter.Seq2[eventlog.Record, error], head ledger.Head, hashes tlog.HashReader) error {
	damaged := func(position uint64, format string, args ...any) error {
		e := fault.New(fault.Damaged, "LOG_DAMAGED", "", "%s: %s; compare the stores and see: maillage restore --help", store, fmt.Sprintf(format, args...))
		e.Position = position
		return e
	}
	var tree merkle.Tree
	next := uint64(1)
	for r, err := range records {
		if hole, is := errors.AsType[*eventlog.HoleError](err); is {
			return damaged(hole.Position, "%v", err)
		}
		if bad, is := errors.AsType[*ledger.DamageError](err); is {
			return damaged(bad.Position, "%v", err)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", store, err)
		}
		if r.Position != next {
			return damaged(next, "position %d comes where %d is next", r.Position, next)
		}
		leaf := eventlog.LeafHash(r)
		kept, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, int64(next-1))})
		if err != nil {
			return err
		}
		if kept[0] != leaf {
			return damaged(next, "position %d has hash %v, and %v in the tree", next, leaf, kept[0])
		}
		if tree.Append(leaf); next == head.Size {
			break
		}
		next++
	}
	if tree.Size() != head.Size {
		return damaged(tree.Size()+1, "it ends at position %d of %d", tree.Size(), head.Size)
	}
	if root := tree.Root(); root != head.Root {
		return damaged(head.Size, "its %d records have root %v, and %v was announced", head.Size, root, head.Root)
	}
	return nil
}

package ledger

import (
	"crypto/sha256"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
)

// Head is what the ledger announces: the log up to Size is in both stores, in
// this epoch, and Root is the RFC 6962 root of its leaves.
type Head struct {
	Epoch uint64 // from 1
	Size  uint64 // number of positions, also the last position
	Root  tlog.Hash
}

// Proto returns the head as it is announced.
func (h Head) Proto() *ledgerv1.Head {
	return &ledgerv1.Head{Epoch: h.Epoch, Size: h.Size, Root: h.Root[:]}
}

// ParseHead reads an announced head.
func ParseHead(p *ledgerv1.Head) (Head, error) {
	h := Head{Epoch: p.GetEpoch(), Size: p.GetSize()}
	if len(p.GetRoot()) != tlog.HashSize {
		return Head{}, fmt.Errorf("root of a head has %d bytes, not %d", len(p.GetRoot()), tlog.HashSize)
	}
	if h.Epoch == 0 {
		return Head{}, fmt.Errorf("head of size %d has no epoch", h.Size)
	}
	copy(h.Root[:], p.GetRoot())
	return h, nil
}

// Tree is the RFC 6962 tree of a log that only grows, of which the right edge
// alone is kept. The zero Tree is empty. Copying the value copies the tree, so
// that a fold can be predicted and rolled back.
type Tree struct {
	size uint64
	edge [64]tlog.Hash // edge[l] is a full subtree of 2^l leaves where bit l of size is set
}

// Append adds the hash of the next leaf (eventlog.LeafHash).
func (t *Tree) Append(leaf tlog.Hash) {
	h, level := leaf, 0
	for ; t.size>>level&1 == 1; level++ {
		h = tlog.NodeHash(t.edge[level], h)
	}
	t.edge[level] = h
	t.size++
}

// appendStored is Append that also appends to b the hashes this leaf completes,
// in the layout of tlog's stored hashes.
func (t *Tree) appendStored(b []byte, leaf tlog.Hash) []byte {
	b = append(b, leaf[:]...)
	h := leaf
	for level := 0; t.size>>level&1 == 1; level++ {
		h = tlog.NodeHash(t.edge[level], h)
		b = append(b, h[:]...)
	}
	t.Append(leaf)
	return b
}

// Size returns the number of leaves.
func (t *Tree) Size() uint64 { return t.size }

// Root returns the RFC 6962 root; that of the empty tree is the hash of nothing.
func (t *Tree) Root() tlog.Hash {
	if t.size == 0 {
		return sha256.Sum256(nil)
	}
	level := 0
	for t.size>>level&1 == 0 {
		level++
	}
	h := t.edge[level]
	for level++; t.size>>level != 0; level++ {
		if t.size>>level&1 == 1 {
			h = tlog.NodeHash(t.edge[level], h)
		}
	}
	return h
}

// loadTree reads the right edge of the tree of a size from stored hashes.
func loadTree(size uint64, r tlog.HashReader) (Tree, error) {
	t := Tree{size: size}
	var indexes []int64
	var levels []int
	for level := range 63 {
		if size>>level&1 == 1 {
			indexes = append(indexes, tlog.StoredHashIndex(level, int64(size>>level-1)))
			levels = append(levels, level)
		}
	}
	hashes, err := r.ReadHashes(indexes)
	if err != nil {
		return Tree{}, err
	}
	for i, level := range levels {
		t.edge[level] = hashes[i]
	}
	return t, nil
}

// Package merkle is the tree of a register's log: what its leaves are, and the root of all
// of them (RFC 6962). Whoever holds the records can compute both.
package merkle

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

const leafVersion = 1

// AppendLeaf appends the leaf of a record to b: a version byte, the position (8 bytes,
// big-endian), the subject's length (2 bytes), the subject, the body.
func AppendLeaf(b []byte, position uint64, subject string, body []byte) []byte {
	b = append(b, leafVersion)
	b = binary.BigEndian.AppendUint64(b, position)
	b = binary.BigEndian.AppendUint16(b, uint16(len(subject)))
	b = append(b, subject...)
	return append(b, body...)
}

// ParseLeaf is the inverse of AppendLeaf. The body aliases b.
func ParseLeaf(b []byte) (position uint64, subject string, body []byte, err error) {
	if len(b) < 11 || b[0] != leafVersion {
		return 0, "", nil, errors.New("not a leaf of version 1")
	}
	n := int(binary.BigEndian.Uint16(b[9:]))
	if len(b) < 11+n {
		return 0, "", nil, errors.New("leaf shorter than its subject")
	}
	return binary.BigEndian.Uint64(b[1:]), string(b[11 : 11+n]), b[11+n:], nil
}

// Tree is the RFC 6962 tree of a log that only grows, of which the right edge
// alone is kept. The zero Tree is empty. Copying the value copies the tree, so
// that a fold can be predicted and rolled back.
type Tree struct {
	size uint64
	edge [64]tlog.Hash // edge[l] is a full subtree of 2^l leaves where bit l of size is set
}

// Append adds the hash of the next leaf.
func (t *Tree) Append(leaf tlog.Hash) {
	h, level := leaf, 0
	for ; t.size>>level&1 == 1; level++ {
		h = tlog.NodeHash(t.edge[level], h)
	}
	t.edge[level] = h
	t.size++
}

// AppendStored is Append that also appends to b the hashes this leaf completes,
// in the layout of tlog's stored hashes.
func (t *Tree) AppendStored(b []byte, leaf tlog.Hash) []byte {
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

// Load reads the tree of a size from stored hashes.
func Load(size uint64, r tlog.HashReader) (Tree, error) {
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

// MarshalBinary encodes a tree: its size (8 bytes, big-endian) and its edge, from the
// greatest subtree down.
func (t *Tree) MarshalBinary() ([]byte, error) {
	b := binary.BigEndian.AppendUint64(nil, t.size)
	for level := len(t.edge) - 1; level >= 0; level-- {
		if t.size>>level&1 == 1 {
			b = append(b, t.edge[level][:]...)
		}
	}
	return b, nil
}

// UnmarshalBinary is the inverse of MarshalBinary.
func (t *Tree) UnmarshalBinary(b []byte) error {
	*t = Tree{}
	if len(b) < 8 {
		return errTree
	}
	size := binary.BigEndian.Uint64(b)
	if b = b[8:]; len(b) != bits.OnesCount64(size)*tlog.HashSize {
		return errTree
	}
	t.size = size
	for level := len(t.edge) - 1; level >= 0; level-- {
		if size>>level&1 == 1 {
			t.edge[level] = tlog.Hash(b[:tlog.HashSize])
			b = b[tlog.HashSize:]
		}
	}
	return nil
}

var errTree = errors.New("not an encoded tree")

package follow

import (
	"encoding/binary"
	"errors"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"

	feedv1 "maillage/proto/gen/maillage/feed/v1"
)

// LeafHash is the RFC 6962 hash of a record's leaf: a byte 1, the position (8 bytes,
// big-endian), the length of the subject (2 bytes), the subject, the body.
func LeafHash(r *feedv1.Record) tlog.Hash {
	b := make([]byte, 0, 11+len(r.GetSubject())+len(r.GetBody()))
	b = append(b, 1)
	b = binary.BigEndian.AppendUint64(b, r.GetPosition())
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.GetSubject())))
	b = append(b, r.GetSubject()...)
	return tlog.RecordHash(append(b, r.GetBody()...))
}

// Tree is the RFC 6962 tree of a log, of which the right edge alone is kept: enough to go
// on and to know the root. The zero Tree is empty; a copy of the value is a copy.
type Tree struct {
	size uint64
	edge [64]tlog.Hash // edge[l] is a full subtree of 2^l leaves where bit l of size is set
}

// Append adds the hash of the next leaf.
func (t *Tree) Append(leaf tlog.Hash) {
	level := 0
	for ; t.size>>level&1 == 1; level++ {
		leaf = tlog.NodeHash(t.edge[level], leaf)
	}
	t.edge[level] = leaf
	t.size++
}

// Size is the number of leaves.
func (t *Tree) Size() uint64 { return t.size }

// Root is the root; that of the empty tree means nothing.
func (t *Tree) Root() (root tlog.Hash) {
	begun := false
	for level := range t.edge {
		switch {
		case t.size>>level&1 == 0:
		case begun:
			root = tlog.NodeHash(t.edge[level], root)
		default:
			root, begun = t.edge[level], true
		}
	}
	return root
}

// bytes are the size (8 bytes, big-endian) and the edge, from its greatest subtree down.
func (t *Tree) bytes() []byte {
	b := binary.BigEndian.AppendUint64(nil, t.size)
	for level := len(t.edge) - 1; level >= 0; level-- {
		if t.size>>level&1 == 1 {
			b = append(b, t.edge[level][:]...)
		}
	}
	return b
}

var errTree = errors.New("not the tree of a place")

func parseTree(b []byte) (t Tree, err error) {
	if len(b) < 8 {
		return t, errTree
	}
	t.size = binary.BigEndian.Uint64(b)
	if b = b[8:]; len(b) != bits.OnesCount64(t.size)*tlog.HashSize {
		return Tree{}, errTree
	}
	for level := len(t.edge) - 1; level >= 0; level-- {
		if t.size>>level&1 == 1 {
			t.edge[level] = tlog.Hash(b[:tlog.HashSize])
			b = b[tlog.HashSize:]
		}
	}
	return t, nil
}

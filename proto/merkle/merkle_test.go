package merkle_test

import (
	"bytes"
	"fmt"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"maillage/proto/merkle"
)

// The edge has the root that tlog computes from all hashes, goes on from what was stored or
// encoded, and completes the same hashes.
func TestTree(t *testing.T) {
	var stored []tlog.Hash
	read := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, at := range indexes {
			out[i] = stored[at]
		}
		return out, nil
	})
	var tree merkle.Tree
	for n := range int64(70) {
		leaf := merkle.AppendLeaf(nil, uint64(n+1), "registry.x.y.z", fmt.Append(nil, n))
		more, err := tlog.StoredHashes(n, leaf, read)
		if err != nil {
			t.Fatal(err)
		}
		if n%2 == 0 {
			tree.Append(tlog.RecordHash(leaf))
		} else {
			var want []byte
			for _, h := range more {
				want = append(want, h[:]...)
			}
			if got := tree.AppendStored(nil, tlog.RecordHash(leaf)); !bytes.Equal(got, want) {
				t.Fatalf("leaf %d completes %x, not %x", n, got, want)
			}
		}
		stored = append(stored, more...)
		want, err := tlog.TreeHash(n+1, read)
		if err != nil {
			t.Fatal(err)
		}
		loaded, err := merkle.Load(uint64(n+1), read)
		if err != nil {
			t.Fatal(err)
		}
		b, err := tree.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var decoded merkle.Tree
		if err := decoded.UnmarshalBinary(b); err != nil {
			t.Fatal(err)
		}
		if tree.Root() != want || loaded.Root() != want || decoded.Root() != want || tree.Size() != uint64(n+1) {
			t.Fatalf("at size %d: %v, %v, %v; want %v", n+1, tree.Root(), loaded.Root(), decoded.Root(), want)
		}
		tree = []merkle.Tree{tree, loaded, decoded}[n%3] // each goes on as well as the others
		if decoded.UnmarshalBinary(b[1:]) == nil || decoded.UnmarshalBinary(append(b, 0)) == nil {
			t.Fatal("a cut tree is decoded")
		}
	}
}

func TestLeaf(t *testing.T) {
	leaf := merkle.AppendLeaf(nil, 258, "registry.x.y.z", []byte("body"))
	if want := "\x01\x00\x00\x00\x00\x00\x00\x01\x02\x00\x0eregistry.x.y.zbody"; string(leaf) != want {
		t.Errorf("the leaf is %q, not %q", leaf, want)
	}
	position, subject, body, err := merkle.ParseLeaf(leaf)
	if err != nil || position != 258 || subject != "registry.x.y.z" || string(body) != "body" {
		t.Errorf("read back as %d %q %q: %v", position, subject, body, err)
	}
	for _, bad := range [][]byte{nil, leaf[:12], append([]byte{2}, leaf[1:]...)} {
		if _, _, _, err := merkle.ParseLeaf(bad); err == nil {
			t.Errorf("%q is a leaf", bad)
		}
	}
}

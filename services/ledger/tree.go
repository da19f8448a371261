package ledger

import (
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

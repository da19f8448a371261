package registry

import (
	"fmt"
	"sync"
)

// maxDigests is how many digests are kept, by position.
const maxDigests = 1024

// Digests computes the digests of a state at positions that will not be rolled back, each
// once. It keeps the hashes of the rows at the latest one (32 bytes each), from which that
// of a later position takes but what changed since. The zero value is ready, safe for
// concurrent use: one digest is computed at a time.
type Digests struct {
	mu    sync.Mutex
	known map[uint64]kept
	order []uint64 // positions, the oldest answer first

	position uint64   // of hashes
	hashes   []Digest // in order
}

type kept struct {
	digest Digest
	rows   int
}

// Of returns the digest at a position and how many rows are in it. view runs a function on
// the state, which does not change meanwhile; the rows are hashed after that.
func (d *Digests) Of(position uint64, view func(func(*State)) error) (Digest, int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if k, ok := d.known[position]; ok {
		return k.digest, k.rows, nil
	}
	from, before := d.position, d.hashes
	if from > position {
		from, before = 0, nil
	}
	var gone, fresh Rows
	if err := view(func(s *State) { gone, fresh = s.changes(from, position) }); err != nil {
		return Digest{}, 0, err
	}
	lost, err := gone.hashes()
	if err != nil {
		return Digest{}, 0, err
	}
	found, err := fresh.hashes()
	if err != nil {
		return Digest{}, 0, err
	}
	hashes, ok := replaced(before, lost, found)
	if !ok {
		return Digest{}, 0, fmt.Errorf("the rows known at position %d are not those that had been known there", from)
	}
	if position >= d.position {
		d.position, d.hashes = position, hashes
	}
	k := kept{sum(hashes), len(hashes)}
	d.keep(position, k)
	return k.digest, k.rows, nil
}

func (d *Digests) keep(position uint64, k kept) {
	if d.known == nil {
		d.known = make(map[uint64]kept)
	}
	if len(d.order) == maxDigests {
		delete(d.known, d.order[0])
		d.order = d.order[1:]
	}
	d.known[position], d.order = k, append(d.order, position)
}

// replaced returns hashes without some and with others, all in order; ok is false where
// one that is to go is not there.
func replaced(hashes, lost, found []Digest) (out []Digest, ok bool) {
	if len(hashes) == 0 {
		return found, len(lost) == 0
	}
	if len(lost)+len(found) == 0 {
		return hashes, true
	}
	out = make([]Digest, 0, len(hashes)+len(found)-min(len(lost), len(hashes)))
	for _, h := range hashes {
		if len(lost) > 0 && lost[0] == h {
			lost = lost[1:]
			continue
		}
		for len(found) > 0 && compareDigests(found[0], h) < 0 {
			out, found = append(out, found[0]), found[1:]
		}
		out = append(out, h)
	}
	return append(out, found...), len(lost) == 0
}

package registry

import (
	"crypto/sha256"
	"slices"
)

// ChangesOf is the rows of [State.Changes] of one table, but for what is told of the first.
// A large state is so looked at a part at a time: its rows as known at a position stay the
// same while it goes on. No table of that name has none.
func (s *State) ChangesOf(name string, after, to uint64) Rows {
	tables := s.tables()
	i := slices.IndexFunc(tables, func(t table) bool { return t.name == name })
	if i < 0 {
		return Rows{}
	}
	var room []Row
	if after == 0 {
		room = roomFor(tables[i : i+1])
	}
	return Rows{tables[i].add(room, after, to)}
}

// Hash is the SHA-256 of a row as the digest takes it.
func (r Row) Hash() (Digest, error) {
	b, err := r.append(nil)
	return sha256.Sum256(b), err
}

// DigestOf is the digest of rows by their hashes, which it sorts.
func DigestOf(hashes []Digest) Digest {
	slices.SortFunc(hashes, compareDigests)
	return sum(hashes)
}

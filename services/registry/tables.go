package registry

import (
	"crypto/sha256"
	"slices"
)

// ChangesOf is the rows of [State.Changes] of some entities of one table, but for their
// Since: of as many as the limit, from the one with a number on, which is 0 at
// first and then next, until that is 0 again. A large state is so looked at a part at a
// time: its rows as known at a position stay the same, each where it is, while it goes on.
// No table of that name has none.
func (s *State) ChangesOf(name string, first, limit int, after, to uint64) (rows Rows, next int) {
	tables := s.tables()
	i := slices.IndexFunc(tables, func(t table) bool { return t.name == name })
	if i < 0 {
		return rows, 0
	}
	all, entities := tables[i].among(first, first+limit, after, to)
	if next = first + limit; next >= entities {
		next = 0
	}
	return Rows{all}, next
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

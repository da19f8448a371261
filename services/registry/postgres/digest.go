package postgres

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"maillage/services/bitemporal"
	"maillage/services/fault"
	"maillage/services/registry"
)

// What a row is in the digest, but for the name of its table.
const (
	knownTo = "case when upper(known) <= $1 then upper(known) else 9223372036854775807 end"
	encoded = `int4send(octet_length(id)) || convert_to(id, 'UTF8')
		|| case when lower_inf(valid) then '\x80000000' else int4send(lower(valid) - date '1970-01-01') end
		|| case when upper_inf(valid) then '\x7fffffff' else int4send(upper(valid) - date '1970-01-01') end
		|| int8send(lower(known)) || int8send(` + knownTo + `)
		|| int4send(octet_length(value)) || value`
)

// Digest computes the digest d1 from the columns, as known at a position: READ_MODEL_BEHIND
// where the rows are not that far.
func (s *Store) Digest(ctx context.Context, position uint64) (digest [32]byte, rows uint64, err error) {
	n, _ := s.now()
	if n.live == "" || position > n.position {
		return digest, 0, fault.New(fault.Unavailable, "READ_MODEL_BEHIND", "position", "The read model is at position %d, not yet at %d.", n.position, position)
	}
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return digest, 0, unusable(err)
	}
	defer conn.Release()
	if digest, rows, err = digestOf(ctx, []*pgx.Conn{conn.Conn()}, n.live, position); err != nil {
		return digest, 0, unusable(err)
	}
	return digest, rows, nil
}

func unusable(err error) error {
	return fault.New(fault.Unavailable, "READ_MODEL_UNAVAILABLE", "", "The database of the read model cannot be used: %v", err)
}

// digestOf computes the digest of a schema over connections, which share the tables.
func digestOf(ctx context.Context, conns []*pgx.Conn, schema string, position uint64) (digest [32]byte, rows uint64, err error) {
	var mu sync.Mutex
	var hashes [][sha256.Size]byte
	names := make(chan string, len(tables))
	for i := range tables {
		names <- tables[i].name
	}
	close(names)
	group, ctx := errgroup.WithContext(ctx)
	for _, conn := range conns {
		group.Go(func() error {
			for name := range names {
				part, err := hashesOf(ctx, conn, schema, name, position)
				if err != nil {
					return fmt.Errorf("digest of %s: %w", name, err)
				}
				mu.Lock()
				hashes = append(hashes, part...)
				mu.Unlock()
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return digest, 0, err
	}
	slices.SortFunc(hashes, func(a, b [sha256.Size]byte) int { return bytes.Compare(a[:], b[:]) })
	all := sha256.New()
	for i := range hashes {
		all.Write(hashes[i][:])
	}
	return [32]byte(all.Sum(nil)), uint64(len(hashes)), nil
}

func hashesOf(ctx context.Context, conn *pgx.Conn, schema, name string, position uint64) (hashes [][sha256.Size]byte, err error) {
	rows, err := conn.Query(ctx, fmt.Sprintf("select sha256(int4send(%d) || '%s'::bytea || %s) from %s.%s where lower(known) <= $1", len(name), name, encoded, schema, name), int64(position))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		raw := rows.RawValues()[0]
		if len(raw) != sha256.Size {
			return nil, fmt.Errorf("%w: a row has a digest of %d bytes", errUnfit, len(raw))
		}
		hashes = append(hashes, [sha256.Size]byte(raw))
	}
	return hashes, rows.Err()
}

// compare compares the digest of a schema with that of the fold: READ_MODEL_DIFFERS names
// the first entity that differs.
func (f *filler) compare(ctx context.Context) error {
	at := f.at
	var rows registry.Rows
	err := f.register.View(ctx, at.position, func(s *registry.State, _ uint64) { rows = s.Rows(at.position) })
	if err != nil {
		return fmt.Errorf("%w: %w", errUnviewed, err)
	}
	var both errgroup.Group
	var own, theirs [32]byte
	var n uint64
	both.Go(func() (err error) { own, err = rows.Digest(); return err })
	both.Go(func() (err error) { theirs, n, err = digestOf(ctx, f.conns, at.schema, at.position); return err })
	if err := both.Wait(); err != nil || own == theirs {
		return err
	}
	where, err := f.firstDifference(ctx, rows, at)
	if err != nil {
		return err
	}
	differs := fault.New(fault.Damaged, "READ_MODEL_DIFFERS", "", "At position %d the digest of the %d rows in %s is %x, that of the %d rows folded is %x; %s.", at.position, n, at.schema, theirs, rows.Len(), own, where)
	differs.Position = at.position
	return differs
}

// firstDifference names the first table, and in it the first id, whose rows differ.
func (f *filler) firstDifference(ctx context.Context, rows registry.Rows, at cursor) (string, error) {
	folded := map[string][][]byte{} // of a table, its rows encoded, by id
	for r := range rows.All() {
		value, err := registry.AppendValue(nil, r.Value())
		if err != nil {
			return "", err
		}
		folded[r.Table] = append(folded[r.Table], encodedRow(r.ID, r.Version, value))
	}
	for i := range tables {
		name := tables[i].name
		stored, err := f.stored(ctx, at, name)
		if err != nil {
			return "", err
		}
		if id, differs := difference(folded[name], stored); differs {
			return fmt.Sprintf("the first that differs is %s of %s", id, name), nil
		}
	}
	return "no row differs", nil
}

// encodedRow begins with the id and a 0, which no id holds, so that rows sort by it.
func encodedRow(id string, v bitemporal.Version[any], value []byte) []byte {
	b := append([]byte(id), 0)
	b = appendInt4(appendInt4(b, int32(v.Valid.From)), int32(v.Valid.To))
	b = appendInt8(appendInt8(b, int64(v.KnownFrom)), int64(v.KnownTo))
	return append(b, value...)
}

func (f *filler) stored(ctx context.Context, at cursor, name string) (all [][]byte, err error) {
	rows, err := f.conns[0].Query(ctx, fmt.Sprintf(`select id, coalesce(lower(valid) - date '1970-01-01', -2147483648), coalesce(upper(valid) - date '1970-01-01', 2147483647),
		lower(known), %s, value from %s.%s where lower(known) <= $1`, knownTo, at.schema, name), int64(at.position))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	var (
		id          string
		first, last int32
		from, to    int64
		value       []byte
	)
	_, err = pgx.ForEachRow(rows, []any{&id, &first, &last, &from, &to, &value}, func() error {
		v := bitemporal.Version[any]{Valid: bitemporal.Interval{From: bitemporal.Date(first), To: bitemporal.Date(last)}, KnownFrom: uint64(from), KnownTo: uint64(to)}
		all = append(all, encodedRow(id, v, value))
		return nil
	})
	return all, err
}

// difference is the first id of which only one of two lists has a row.
func difference(a, b [][]byte) (id string, differs bool) {
	slices.SortFunc(a, bytes.Compare)
	slices.SortFunc(b, bytes.Compare)
	i := 0
	for i < len(a) && i < len(b) && bytes.Equal(a[i], b[i]) {
		i++
	}
	var least []byte
	switch {
	case i == len(a) && i == len(b):
		return "", false
	case i == len(a), i < len(b) && bytes.Compare(b[i], a[i]) < 0:
		least = b[i]
	default:
		least = a[i]
	}
	head, _, _ := bytes.Cut(least, []byte{0})
	return string(head), true
}

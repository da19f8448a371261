package registry

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	"maillage/services/activity"
	"maillage/services/bitemporal"
)

// table is a table of the state under the name it has in the digest, for ever.
type table struct {
	name    string
	none    any // value, of the type of its values
	len     int
	add     func(rows []Row, after, to uint64) []Row // those opened or closed in between, as known then
	among   func(first, end int, after, to uint64) (rows []Row, entities int)
	first   func(id string) uint64 // position at which the first row of an id was opened
	hold    func(position uint64)
	restore func(rows []Row) error // into a table that is empty
}

// tables are all two-time tables of the state.
func (s *State) tables() []table {
	return []table{
		of("establishments", &s.Topology.Establishments),
		of("centres", &s.Topology.Centres),
		of("networks", &s.Topology.Networks),
		of("filieres", &s.Topology.Filieres),
		of("platforms", &s.Topology.Platforms),
		of("links", &s.Topology.Links),
		of("continuities", &s.Topology.Continuities),
		of("plans", &s.Topology.Plans),
		of("aliases", &s.Topology.Aliases),
		of("cycles", &s.Labelling.Cycles),
		of("acts", &s.Labelling.Acts),
		of("labels", &s.Labelling.Labels),
		of("assertions", &s.Labelling.Assertions),
		of("offices", &s.Labelling.Offices),
		of("campaigns", &s.Labelling.Campaigns),
		of("drafts", &s.Labelling.Drafts),
		of("missions", &s.Activity.Missions),
		of("periods", &s.Activity.Periods),
		of("reports", &s.Activity.Reports),
		of("undertakings", &s.Activity.Undertakings),
		of("measures", &s.Activity.Measures),
	}
}

func of[V any](name string, t *bitemporal.Table[V]) table {
	var none V
	return table{
		name: name, none: none, len: t.Len(), hold: t.Hold,
		add: func(rows []Row, after, to uint64) []Row {
			for id, v := range t.Changed(after, to) {
				rows = append(rows, rowOf(name, id, v, to))
			}
			return rows
		},
		among: func(first, end int, after, to uint64) (rows []Row, entities int) {
			changed, entities := t.ChangedAmong(first, end, after, to)
			for id, v := range changed {
				rows = append(rows, rowOf(name, id, v, to))
			}
			return rows, entities
		},
		first: func(id string) uint64 {
			v, _ := t.First(id)
			return v.KnownFrom
		},
		restore: func(rows []Row) error { return restore(t, rows) },
	}
}

// rowOf is a version as known at a position.
func rowOf[V any](table, id string, v bitemporal.Version[V], to uint64) Row {
	if v.KnownTo > to {
		v.KnownTo = StillKnown
	}
	known := bitemporal.Version[any]{Valid: v.Valid, KnownFrom: v.KnownFrom, KnownTo: v.KnownTo, Value: v.Value}
	return Row{Table: table, ID: id, Version: known}
}

// Rows returns the rows as known at a position, which must not be beyond the one folded.
// It copies no values, so that what is done with them need not hold up the fold.
func (s *State) Rows(position uint64) Rows {
	_, rows := s.changes(0, position)
	return rows
}

// changes returns the rows known at a position and not, or not so, at an earlier one, and
// those known there and not, or not so, any more.
func (s *State) changes(from, to uint64) (gone, fresh Rows) {
	tables := s.tables()
	if from == 0 {
		fresh.rows = roomFor(tables)
	}
	for _, t := range tables {
		fresh.rows = t.add(fresh.rows, from, to)
	}
	for _, r := range fresh.rows {
		if r.Version.KnownFrom <= from { // it was closed since
			r.Version.KnownTo = StillKnown
			gone.rows = append(gone.rows, r)
		}
	}
	return gone, fresh
}

// roomFor is room for the rows of tables, and for a few more versions than entities.
func roomFor(tables []table) []Row {
	n := 0
	for _, t := range tables {
		n += t.len
	}
	return make([]Row, 0, n+n/4)
}

// Len is the number of rows.
func (r Rows) Len() int { return len(r.rows) }

// Digest is the digest d1 of the rows: the SHA-256 over the SHA-256s of all rows, in
// ascending order. How a row is encoded is written where the digest is offered,
// maillage.ledger.v1.GetStateDigestResponse. A store of rows that keeps each value in that
// encoding computes the same; in SQL a row is
//
//	int4send(octet_length(t)) || convert_to(t, 'UTF8') || ... || int4send(valid_from -
//	DATE '1970-01-01') || ... || int8send(known_from) || ... || int4send(octet_length(value)) || value
func (r Rows) Digest() (Digest, error) {
	hashes, err := r.hashes()
	return sum(hashes), err
}

// Digest is the digest of rows.
type Digest [sha256.Size]byte

// hashes is the SHA-256s of the rows, in ascending order.
func (r Rows) hashes() ([]Digest, error) {
	hashes := make([]Digest, len(r.rows))
	var group errgroup.Group
	const chunk = 4096
	group.SetLimit(runtime.GOMAXPROCS(0))
	for from := 0; from < len(r.rows); from += chunk {
		to := min(from+chunk, len(r.rows))
		group.Go(func() (err error) {
			var b []byte
			for i := from; i < to; i++ {
				if b, err = r.rows[i].append(b[:0]); err != nil {
					return err
				}
				hashes[i] = sha256.Sum256(b)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	slices.SortFunc(hashes, compareDigests)
	return hashes, nil
}

func compareDigests(a, b Digest) int { return bytes.Compare(a[:], b[:]) }

// sum is the digest of rows of which the hashes are in order.
func sum(hashes []Digest) Digest {
	all := sha256.New()
	for i := range hashes {
		all.Write(hashes[i][:])
	}
	return Digest(all.Sum(nil))
}

// append appends the encoding of a row.
func (r Row) append(b []byte) ([]byte, error) {
	b = appendText(b, r.Table)
	b = appendText(b, r.ID)
	b = binary.BigEndian.AppendUint32(b, uint32(r.Version.Valid.From))
	b = binary.BigEndian.AppendUint32(b, uint32(r.Version.Valid.To))
	b = binary.BigEndian.AppendUint64(b, r.Version.KnownFrom)
	b = binary.BigEndian.AppendUint64(b, r.Version.KnownTo)
	length := len(b)
	b, err := AppendValue(append(b, 0, 0, 0, 0), message(r.Version.Value))
	if err != nil {
		return nil, fmt.Errorf("row %s of %s: %w", r.ID, r.Table, err)
	}
	binary.BigEndian.PutUint32(b[length:], uint32(len(b)-length-4))
	return b, nil
}

// message is the message that a value stands for. A measure is kept smaller than its own:
// its site, unit and year are the id and the days of its row.
func message(value any) proto.Message {
	switch v := value.(type) {
	case proto.Message:
		return v
	case activity.Measured:
		m := &activityv1.Measure{Count: v.Count}
		if v.Basis != nil {
			m.Basis = []*eventv1.Basis{v.Basis}
		}
		return m
	}
	return nil
}

func appendText(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}

// AppendValue appends the encoding of a value, as it stands in the row that is hashed and
// in any store that is to agree on the digest.
func AppendValue(b []byte, value proto.Message) ([]byte, error) {
	return proto.MarshalOptions{Deterministic: true}.MarshalAppend(b, value)
}

package registry

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	"maillage/services/activity"
	"maillage/services/bitemporal"
)

// Rows are what the tables of a state hold as known at a position: what was believed there
// and everything believed before. They stay as they are while the state goes on.
type Rows struct{ rows []row }

type row struct {
	table, id string
	version   bitemporal.Version[any] // a message, or what is kept in place of one
}

// stillKnown stands for the position at which what is still believed ceases to be.
const stillKnown = math.MaxInt64

// table is a table of the state under the name it has in the digest, for ever.
type table struct {
	name    string
	len     int
	changes func(gone, fresh []row, name string, from, to uint64) ([]row, []row)
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
	return table{name, t.Len(), func(gone, fresh []row, name string, from, to uint64) ([]row, []row) {
		knownTo := func(v bitemporal.Version[V], position uint64) uint64 {
			if v.KnownTo > position {
				return stillKnown
			}
			return v.KnownTo
		}
		for id, v := range t.All() {
			now, before := knownTo(v, to), knownTo(v, from)
			if v.KnownFrom > to || v.KnownFrom <= from && now == before {
				continue
			}
			as := func(knownTo uint64) row {
				return row{name, id, bitemporal.Version[any]{Valid: v.Valid, KnownFrom: v.KnownFrom, KnownTo: knownTo, Value: v.Value}}
			}
			if v.KnownFrom <= from {
				gone = append(gone, as(before))
			}
			fresh = append(fresh, as(now))
		}
		return gone, fresh
	}}
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
	tables, n := s.tables(), 0
	for _, t := range tables {
		n += t.len
	}
	if from == 0 {
		fresh.rows = make([]row, 0, n+n/4)
	}
	for _, t := range tables {
		gone.rows, fresh.rows = t.changes(gone.rows, fresh.rows, t.name, from, to)
	}
	return gone, fresh
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
func (r row) append(b []byte) ([]byte, error) {
	b = appendText(b, r.table)
	b = appendText(b, r.id)
	b = binary.BigEndian.AppendUint32(b, uint32(r.version.Valid.From))
	b = binary.BigEndian.AppendUint32(b, uint32(r.version.Valid.To))
	b = binary.BigEndian.AppendUint64(b, r.version.KnownFrom)
	b = binary.BigEndian.AppendUint64(b, r.version.KnownTo)
	length := len(b)
	b, err := AppendValue(append(b, 0, 0, 0, 0), message(r.version.Value))
	if err != nil {
		return nil, fmt.Errorf("row %s of %s: %w", r.id, r.table, err)
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

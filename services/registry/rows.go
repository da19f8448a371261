package registry

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	"maillage/services/activity"
	"maillage/services/bitemporal"
)

// StillKnown stands, in a row, for the position at which what is still believed ceases
// to be: the greatest that a database holds.
const StillKnown = math.MaxInt64

// Row is a version of an entity in one of the tables of a state, which has the name that
// it has in the digest, for ever.
type Row struct {
	Table, ID string
	Version   bitemporal.Version[any] // a message, or what is kept in place of one
	Since     uint64                  // KnownFrom of the first row of its id; told by Changes only
}

// Value is what the row says, a resource. It must not be changed.
func (r Row) Value() proto.Message { return message(r.Version.Value) }

// Rows are what the tables of a state hold as known at a position: what was believed there
// and everything believed before. They stay as they are while the state goes on.
type Rows struct{ rows []Row }

// All yields the rows.
func (r Rows) All() iter.Seq[Row] {
	return func(yield func(Row) bool) {
		for _, one := range r.rows {
			if !yield(one) {
				return
			}
		}
	}
}

// Changes are what a range of positions changes in a store of the rows of a state and of the
// facts that rest on acts. They stay as they are while the state goes on.
type Changes struct {
	Rows
	effects []effect
}

type effect struct {
	actID string
	fact  Resting
}

// Effects yields the facts, each with the id of the act that it rests on. No two have one
// position.
func (c Changes) Effects() iter.Seq2[string, Resting] {
	return func(yield func(string, Resting) bool) {
		for _, e := range c.effects {
			if !yield(e.actID, e.fact) {
				return
			}
		}
	}
}

// Changes returns what the positions after one up to another change. Its law: a store that
// holds the rows known at after and takes those changed in place of the ones with the same
// table, id, KnownFrom and Valid.From, holds the rows known at to; nothing ever leaves it.
// What was folded beyond to is not seen. After 0 it is all rows and facts.
//
// It costs as much as what was changed from the position held on (see [State.Hold]), and
// else a look at everything.
func (s *State) Changes(after, to uint64) Changes {
	c, tables := Changes{effects: s.byAct.changed(after, to)}, s.tables()
	if after == 0 {
		c.rows = roomFor(tables)
	}
	for _, t := range tables {
		known := len(c.rows)
		c.rows = t.add(c.rows, after, to)
		for rows := c.rows[known:]; len(rows) > 0; {
			rows = rows[since(rows, after, t.first):]
		}
	}
	return c
}

// since says, of the rows of the first id, since when it has any, and returns how many they
// are. After 0 they are all there are, and no other need be looked for.
func since(rows []Row, after uint64, of func(id string) uint64) (n int) {
	first := rows[0].Version.KnownFrom
	for n < len(rows) && rows[n].ID == rows[0].ID {
		first = min(first, rows[n].Version.KnownFrom)
		n++
	}
	if after > 0 {
		first = of(rows[0].ID)
	}
	for i := range rows[:n] {
		rows[i].Since = first
	}
	return n
}

// noneOf is, by table, a value of the type of its values.
var noneOf = func() map[string]any {
	all := make(map[string]any)
	for _, t := range new(State).tables() {
		all[t.name] = t.none
	}
	return all
}()

// Tables yields the names of all tables, sorted.
func Tables() iter.Seq[string] { return slices.Values(slices.Sorted(maps.Keys(noneOf))) }

// Decode returns what the Version of a row has as its Value from what [AppendValue] made of
// [Row.Value]. An error says that it was not made so, or that no table has the name.
func Decode(table string, value []byte) (any, error) {
	none, known := noneOf[table]
	if !known {
		return nil, errNoTable(table)
	}
	if m, plain := none.(proto.Message); plain {
		m = m.ProtoReflect().New().Interface()
		return m, proto.Unmarshal(value, m)
	}
	var m activityv1.Measure
	if err := proto.Unmarshal(value, &m); err != nil {
		return nil, err
	}
	measured := activity.Measured{Count: m.GetCount()}
	if len(m.GetBasis()) > 0 {
		measured.Basis = m.GetBasis()[0]
	}
	return measured, nil
}

func errNoTable(name string) error { return fmt.Errorf("no table is called %q", name) }

// Restore returns a state that answers whatever the log can be asked, but when what was
// stated ahead comes due and what the log says of itself, as one folded up to a position
// does, from rows and facts of it in any order. It is only read: no record is ever folded
// into it.
//
// Of what is given in part the state answers only what hangs on no other row. Of an
// entity given in part one of its first rows must be among them: entities are ordered by
// when they came, and of two labels the later one supersedes.
//
// A base that is not nil is a state restored from other tables, whole. They and what was
// made of them are shared with it, and not written to: it may be shared by many at once. An
// error says that a row is of a table that the base has, or of none, or has no value of it.
func Restore(base *State, rows iter.Seq[Row], effects iter.Seq2[string, Resting], position uint64) (*State, error) {
	s := new(State)
	if base != nil {
		*s = *base
	}
	s.position = position
	given := make(map[string][]Row)
	for r := range rows {
		if _, known := noneOf[r.Table]; !known {
			return nil, errNoTable(r.Table)
		}
		given[r.Table] = append(given[r.Table], r)
	}
	for _, t := range s.tables() {
		if err := t.restore(given[t.name]); err != nil {
			return nil, err
		}
	}
	s.Topology.Reindex()
	s.Labelling.Reindex()
	s.Activity.Reindex()
	s.byAct.restore(effects)
	return s, nil
}

var errTaken = errors.New("the base holds rows of this table")

func restore[V any](t *bitemporal.Table[V], rows []Row) (err error) {
	if len(rows) == 0 {
		return nil
	}
	if t.Len() > 0 {
		return fmt.Errorf("row %s of %s: %w", rows[0].ID, rows[0].Table, errTaken)
	}
	t.Restore(func(yield func(string, bitemporal.Version[V]) bool) {
		for _, r := range rows {
			value, fits := r.Version.Value.(V)
			if !fits {
				err = fmt.Errorf("row %s of %s: a %T is no value of it", r.ID, r.Table, r.Version.Value)
				return
			}
			v := bitemporal.Version[V]{Valid: r.Version.Valid, KnownFrom: r.Version.KnownFrom, KnownTo: r.Version.KnownTo, Value: value}
			if v.KnownTo >= StillKnown {
				v.KnownTo = bitemporal.Latest
			}
			if !yield(r.ID, v) {
				return
			}
		}
	})
	return err
}

package registry

import (
	"iter"
	"math"

	"google.golang.org/protobuf/proto"

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

// Package bitemporal keeps what is believed to hold on each day, and what was
// believed of it at each position of the log.
//
// Two times are kept apart. Valid time is civil dates: when a fact holds in the world.
// Known time is positions of the log: since when, and until when, it was believed. A
// correction closes what was believed and opens something else; what an earlier reader
// was told stays readable by naming the position read at.
//
// A [Table] holds versions of values by entity id. Two versions of one entity never
// overlap in both times. Values are stored as given and never changed: a caller that
// stores pointers must not write through them.
package bitemporal

import (
	"cmp"
	"hash/maphash"
	"iter"
	"math"
	"slices"
	"sort"

	"maillage/services/dense"
)

// Latest is the end of known time of a version still believed, and, as the position to
// read at, the state after everything asserted so far.
const Latest uint64 = math.MaxUint64

// Version is a value that held over Valid and was believed by readers at the positions
// from KnownFrom up to but not including KnownTo; KnownTo is [Latest] while it is believed.
type Version[V any] struct {
	Valid              Interval
	KnownFrom, KnownTo uint64
	Value              V
}

// Op is what a [Change] does to a row.
type Op uint8

// The three changes. Applied in the order returned, they keep a row store equal to the
// table. A row is named by its id, Valid.From and KnownFrom.
const (
	Opened  Op = iota + 1 // a new row
	Closed                // a row believed until now gets its KnownTo
	Dropped               // a row opened at this same position is removed: nobody read it
)

// Change is one row change made by an assertion or a retraction.
type Change[V any] struct {
	Op      Op
	ID      string
	Version Version[V] // as it stands after the change; KnownTo equals KnownFrom if dropped
}

// Table holds the versions of many entities. The zero value is empty and ready.
//
// It is not safe for concurrent use. Reads change nothing, so they may run together
// under a read lock.
type Table[V any] struct {
	index    dense.Index           // of the ids
	entities dense.List[entity[V]] // in order of first assertion; the last one is never bare
	bare     int                   // entities without any version
	last     uint64                // highest position asserted

	// What Rollback and Changed look at: every touch after the position since, by
	// position. held is one more than the position that since may not pass, so that
	// the zero value holds nothing.
	journal     []touch
	since, held uint64
}

// longJournal is how many touches a replay may leave behind for those that follow.
const longJournal = 8192

var (
	seed     = maphash.MakeSeed()
	hashMask = uint64(math.MaxUint64) // tests narrow it, as no two ids have one hash by chance
)

func hashOf(id string) uint64 { return maphash.String(seed, id) & hashMask }

type touch struct {
	at     uint64
	entity uint32
}

// Most entities have one version for ever: it is kept in place, without more.
type entity[V any] struct {
	id   string
	only [1]Version[V] // used while more is nil; KnownTo 0 says there is none
	more *versions[V]
}

type versions[V any] struct {
	live []Version[V] // believed, by Valid.From, disjoint
	past []Version[V] // closed, by KnownTo
}

// Assert states that v holds for id over valid, known from position at. What was
// believed over that span is closed at that position, and the parts of it outside the
// span are asserted again with the same value. It returns the row changes: those
// closed or dropped first, then those opened, each by Valid.From.
//
// Positions must not go back: one below an earlier one is taken as that one. Of two
// assertions at one position the later wins. An empty valid asserts nothing.
func (t *Table[V]) Assert(id string, valid Interval, at uint64, v V) []Change[V] {
	if valid.From >= valid.To {
		return nil
	}
	at = max(at, t.last)
	opened := Version[V]{Valid: valid, KnownFrom: at, KnownTo: Latest, Value: v}
	if t.Enter(id, valid, at, v) {
		return []Change[V]{{Opened, id, opened}}
	}
	t.last = at
	place, _ := t.find(id)
	t.touched(at, place)
	return t.entity(place).replace(valid, at, &opened)
}

// Enter is [Table.Assert] for an id of which nothing is believed yet, at the cost of one
// look for it. It asserts nothing, and returns false, where something is or valid is empty.
func (t *Table[V]) Enter(id string, valid Interval, at uint64, v V) bool {
	place, known := t.find(id)
	if valid.From >= valid.To || known && len(t.entity(place).live()) > 0 {
		return false
	}
	at = max(at, t.last)
	t.last = at
	opened := Version[V]{Valid: valid, KnownFrom: at, KnownTo: Latest, Value: v}
	if !known {
		place = t.add(id, opened)
	} else {
		e := t.entity(place)
		if e.bare() {
			t.bare--
		}
		e.put([]Version[V]{opened}, e.past())
	}
	t.touched(at, place)
	return true
}

// Retract states that nothing is known to hold for id over valid, from position at. It
// closes and re-asserts as [Table.Assert] does, and returns the row changes.
func (t *Table[V]) Retract(id string, valid Interval, at uint64) []Change[V] {
	at = max(at, t.last)
	place, known := t.find(id)
	if !known || valid.From >= valid.To {
		return nil
	}
	e := t.entity(place)
	changes := e.replace(valid, at, nil)
	if len(changes) == 0 {
		return nil
	}
	t.last = at
	t.touched(at, place)
	if e.bare() {
		t.bare++
		t.trim()
	}
	return changes
}

// At returns the value that held for id on day d as a reader at position known saw it.
func (t *Table[V]) At(id string, d Date, known uint64) (v V, ok bool) {
	place, found := t.find(id)
	if !found {
		return v, false
	}
	e := t.entity(place)
	live := e.live()
	if i := firstEndingAfter(live, d); i < len(live) && live[i].Valid.From <= d && live[i].KnownFrom <= known {
		return live[i].Value, true
	}
	for _, o := range e.closedAfter(known) {
		if o.KnownFrom <= known && o.Valid.Contains(d) {
			return o.Value, true
		}
	}
	return v, false
}

// Last returns the value that a reader at position known believed to hold for id last,
// whenever that is: of [Table.Versions], the one with the latest Valid.From.
func (t *Table[V]) Last(id string, known uint64) (v V, ok bool) {
	place, found := t.find(id)
	if !found {
		return v, false
	}
	return t.entity(place).last(known)
}

// Lasts yields what [Table.Last] returns for every id for which it returns anything, in
// order of first assertion. The table must not be written to meanwhile.
func (t *Table[V]) Lasts(known uint64) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for place := range t.entities.Len() {
			e := t.entities.At(place)
			if v, ok := e.last(known); ok && !yield(e.id, v) {
				return
			}
		}
	}
}

// Versions returns what a reader at position known believed of id, by Valid.From.
func (t *Table[V]) Versions(id string, known uint64) []Version[V] {
	place, found := t.find(id)
	if !found {
		return nil
	}
	e := t.entity(place)
	var out []Version[V]
	for _, v := range e.live() {
		if v.KnownFrom <= known {
			out = append(out, v)
		}
	}
	for _, v := range e.closedAfter(known) {
		if v.KnownFrom <= known {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, byValid)
	return out
}

// Count is the number of versions that [Table.Versions] returns, at less cost.
func (t *Table[V]) Count(id string, known uint64) (n int) {
	place, found := t.find(id)
	if !found {
		return 0
	}
	e := t.entity(place)
	for _, part := range [...][]Version[V]{e.live(), e.closedAfter(known)} {
		for i := range part {
			if part[i].KnownFrom <= known {
				n++
			}
		}
	}
	return n
}

// First returns the version of id that was recorded first: of [Table.History], the first.
func (t *Table[V]) First(id string) (v Version[V], ok bool) {
	place, found := t.find(id)
	if !found {
		return v, false
	}
	e := t.entity(place)
	for _, part := range [...][]Version[V]{e.past(), e.live()} {
		for i := range part {
			if !ok || byRecording(part[i], v) < 0 {
				v, ok = part[i], true
			}
		}
	}
	return v, ok
}

// History returns all versions of id, closed ones included, in order of recording: by
// KnownFrom, then Valid.From.
func (t *Table[V]) History(id string) []Version[V] {
	place, found := t.find(id)
	if !found {
		return nil
	}
	e := t.entity(place)
	out := slices.Concat(e.past(), e.live())
	slices.SortFunc(out, byRecording)
	return out
}

// Each yields what [Table.History] returns, in an order that means nothing and at less
// cost. The table must not be written to meanwhile.
func (t *Table[V]) Each(id string) iter.Seq[Version[V]] {
	return func(yield func(Version[V]) bool) {
		place, found := t.find(id)
		if !found {
			return
		}
		e := t.entity(place)
		for _, part := range [...][]Version[V]{e.past(), e.live()} {
			for i := range part {
				if !yield(part[i]) {
					return
				}
			}
		}
	}
}

// IDs yields every id that has a version, closed or not, in order of first assertion.
// The table must not be written to meanwhile.
func (t *Table[V]) IDs() iter.Seq[string] {
	return func(yield func(string) bool) {
		for place := range t.entities.Len() {
			if e := t.entities.At(place); !e.bare() && !yield(e.id) {
				return
			}
		}
	}
}

// All yields every version of every id, closed ones included: the ids in order of first
// assertion, the versions of each in an order that means nothing. The table must not be
// written to meanwhile.
func (t *Table[V]) All() iter.Seq2[string, Version[V]] {
	return func(yield func(string, Version[V]) bool) {
		for place := range t.entities.Len() {
			e := t.entities.At(place)
			for _, versions := range [2][]Version[V]{e.past(), e.live()} {
				for _, v := range versions {
					if !yield(e.id, v) {
						return
					}
				}
			}
		}
	}
}

// Len is the number of ids that [Table.IDs] yields.
func (t *Table[V]) Len() int { return t.entities.Len() - t.bare }

// Rollback forgets everything asserted and retracted after position to: the table is
// as if it had never been. It costs as much as what is forgotten, except below the
// position settled, where it looks at every entity.
func (t *Table[V]) Rollback(to uint64) {
	if to < t.since {
		for place := range t.entities.Len() {
			t.rollbackEntity(uint32(place), to)
		}
		t.journal = t.journal[:0]
	}
	for len(t.journal) > 0 && t.journal[len(t.journal)-1].at > to {
		if place := t.journal[len(t.journal)-1].entity; int(place) < t.entities.Len() {
			t.rollbackEntity(place, to)
		}
		t.journal = t.journal[:len(t.journal)-1]
	}
	t.last = min(t.last, to)
	t.since = min(t.since, to)
	t.trim()
}

// Settle says that positions up to and including to will not be rolled back, and drops
// the bookkeeping kept for them, but for what is held.
func (t *Table[V]) Settle(to uint64) {
	t.since = max(t.since, min(to, t.held-1))
	kept := t.touchedAfter(t.since)
	switch {
	case kept == 0:
	case kept == len(t.journal) && cap(t.journal) > longJournal:
		t.journal = nil // a replay leaves a long one behind
	default:
		t.journal = slices.Delete(t.journal, 0, kept)
	}
}

// Hold keeps the bookkeeping of positions after one, though they are settled, so that
// [Table.Changed] is quick from there on; what was dropped before stays so. It takes
// the place of an earlier Hold; from [Latest] on, nothing is held, as at first.
func (t *Table[V]) Hold(position uint64) { t.held = position + 1 }

// Changed yields the versions that were opened or closed at a position after one, up to
// and including another, each once, those of an id together, in an order that means
// nothing. A KnownTo may be beyond. It costs as much as what was touched in between where that is still kept (see
// [Table.Hold]); else it looks at every version. The table must not be written to
// meanwhile.
func (t *Table[V]) Changed(after, to uint64) iter.Seq2[string, Version[V]] {
	return func(yield func(string, Version[V]) bool) {
		for place := range t.touchedBetween(after, to) {
			if !t.entity(place).changed(after, to, yield) {
				return
			}
		}
	}
}

// ChangedAmong yields what [Table.Changed] yields of a part of the entities, which are
// numbered from 0 in order of first assertion, and how many there are. It looks at every
// version of that part. The number of an entity is the same for ever, but where it was
// taken back.
func (t *Table[V]) ChangedAmong(first, end int, after, to uint64) (changed iter.Seq2[string, Version[V]], entities int) {
	n := t.entities.Len()
	return func(yield func(string, Version[V]) bool) {
		for place := first; place < min(end, n); place++ {
			if !t.entities.At(place).changed(after, to, yield) {
				return
			}
		}
	}, n
}

// changed yields the versions of an entity that were opened or closed after a position up
// to another; false where no more are wanted.
func (e *entity[V]) changed(after, to uint64, yield func(string, Version[V]) bool) bool {
	for _, part := range [...][]Version[V]{e.closedAfter(after), e.live()} {
		for i := range part {
			v := &part[i]
			closed := v.KnownTo <= to && v.KnownTo != Latest
			if v.KnownFrom <= to && (v.KnownFrom > after || closed) && !yield(e.id, *v) {
				return false
			}
		}
	}
	return true
}

// touchedBetween yields the places at which something was touched at these positions, and
// maybe others, each once.
func (t *Table[V]) touchedBetween(after, to uint64) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		n := uint32(t.entities.Len())
		var touches []touch
		if after >= t.since {
			touches = t.journal[t.touchedAfter(after):max(t.touchedAfter(to), t.touchedAfter(after))]
		}
		if after < t.since || len(touches) >= int(n) {
			for place := range n {
				if !yield(place) {
					return
				}
			}
			return
		}
		places := make([]uint32, len(touches))
		for i := range touches {
			places[i] = touches[i].entity
		}
		slices.Sort(places)
		for _, place := range slices.Compact(places) {
			if place >= n || !yield(place) { // what was trimmed is forgotten
				return
			}
		}
	}
}

// touchedAfter is where the touches after a position begin in the journal.
func (t *Table[V]) touchedAfter(position uint64) int {
	return sort.Search(len(t.journal), func(i int) bool { return t.journal[i].at > position })
}

func (t *Table[V]) entity(place uint32) *entity[V] { return t.entities.At(int(place)) }

func (t *Table[V]) find(id string) (place uint32, ok bool) {
	return t.index.Find(hashOf(id), func(place uint32) bool { return t.entity(place).id == id })
}

func (t *Table[V]) add(id string, v Version[V]) uint32 {
	place := uint32(t.entities.Len()) // more than 32 bits of them would not fit in memory
	t.entities.Add(entity[V]{id: id, only: [1]Version[V]{v}})
	t.index.Enter(hashOf(id), place)
	return place
}

// trim removes the bare entities at the end, so that order does not depend on what was
// taken back. Bare ones further up keep their place.
func (t *Table[V]) trim() {
	for n := t.entities.Len(); n > 0 && t.entities.At(n-1).bare(); n-- {
		t.index.Leave(hashOf(t.entities.At(n-1).id), uint32(n-1))
		t.entities.Cut(n - 1)
		t.bare--
	}
}

func (t *Table[V]) touched(at uint64, place uint32) {
	if n := len(t.journal); at <= t.since || n > 0 && t.journal[n-1] == (touch{at, place}) {
		return
	}
	t.journal = append(t.journal, touch{at, place})
}

func (t *Table[V]) rollbackEntity(place uint32, to uint64) {
	e := t.entity(place)
	if e.bare() {
		return
	}
	if e.rollback(to); e.bare() {
		t.bare++
	}
}

func (e *entity[V]) live() []Version[V] {
	switch {
	case e.more != nil:
		return e.more.live
	case e.only[0].KnownTo == 0:
		return nil
	}
	return e.only[:]
}

func (e *entity[V]) past() []Version[V] {
	if e.more == nil {
		return nil
	}
	return e.more.past
}

// closedAfter returns the versions closed at a position after known.
func (e *entity[V]) closedAfter(known uint64) []Version[V] {
	past := e.past()
	return past[sort.Search(len(past), func(i int) bool { return past[i].KnownTo > known }):]
}

func (e *entity[V]) last(known uint64) (v V, ok bool) {
	from := Past
	for _, part := range [...][]Version[V]{e.live(), e.closedAfter(known)} {
		for i := range part {
			if o := &part[i]; o.KnownFrom <= known && o.Valid.From >= from {
				v, ok, from = o.Value, true, o.Valid.From
			}
		}
	}
	return v, ok
}

func (e *entity[V]) bare() bool { return len(e.live()) == 0 && len(e.past()) == 0 }

func (e *entity[V]) put(live, past []Version[V]) {
	switch {
	case len(live) > 1 || len(past) > 0:
		if e.more == nil {
			e.more = new(versions[V])
		}
		e.more.live, e.more.past = live, past
		e.only[0] = Version[V]{}
	case len(live) == 1:
		e.only[0] = live[0]
		e.more = nil
	default:
		e.only[0] = Version[V]{}
		e.more = nil
	}
}

// replace closes what is believed over valid, puts opened there unless it is nil, and
// asserts the remainders again.
func (e *entity[V]) replace(valid Interval, at uint64, opened *Version[V]) []Change[V] {
	live, past := e.live(), e.past()
	lo := firstEndingAfter(live, valid.From)
	hi := lo
	for hi < len(live) && live[hi].Valid.From < valid.To {
		hi++
	}
	if lo == hi && opened == nil {
		return nil
	}
	changes := make([]Change[V], 0, hi-lo+3)
	var scratch [3]Version[V]
	open := scratch[:0]
	if lo < hi && live[lo].Valid.From < valid.From {
		open = append(open, Version[V]{Interval{live[lo].Valid.From, valid.From}, at, Latest, live[lo].Value})
	}
	if opened != nil {
		open = append(open, *opened)
	}
	if lo < hi && live[hi-1].Valid.To > valid.To {
		open = append(open, Version[V]{Interval{valid.To, live[hi-1].Valid.To}, at, Latest, live[hi-1].Value})
	}
	for _, v := range live[lo:hi] {
		op := Dropped
		v.KnownTo = at
		if v.KnownFrom < at {
			op = Closed
			past = append(past, v)
		}
		changes = append(changes, Change[V]{op, e.id, v})
	}
	for _, v := range open {
		changes = append(changes, Change[V]{Opened, e.id, v})
	}
	if e.more == nil {
		live = append(make([]Version[V], 0, len(open)+1), live...) // only is about to be cleared
	}
	e.put(slices.Replace(live, lo, hi, open...), past)
	return changes
}

// rollback needs no record of what was split: a remainder bears the position of the
// assertion that left it, and what that closed is in past.
func (e *entity[V]) rollback(to uint64) {
	var live []Version[V]
	for _, v := range e.live() {
		if v.KnownFrom <= to {
			live = append(live, v)
		}
	}
	past, reopened := e.past(), e.closedAfter(to)
	for _, v := range reopened {
		if v.KnownFrom <= to {
			v.KnownTo = Latest
			live = append(live, v)
		}
	}
	clear(reopened) // lets go of the values
	slices.SortFunc(live, byValid)
	e.put(live, past[:len(past)-len(reopened)])
}

// firstEndingAfter finds, in disjoint versions by Valid.From, the first one that ends
// after d. Most slices have one or two, for which a search costs more than a look.
func firstEndingAfter[V any](live []Version[V], d Date) int {
	if len(live) == 1 {
		if live[0].Valid.To > d {
			return 0
		}
		return 1
	}
	return sort.Search(len(live), func(i int) bool { return live[i].Valid.To > d })
}

func byRecording[V any](a, b Version[V]) int {
	return cmp.Or(cmp.Compare(a.KnownFrom, b.KnownFrom), byValid(a, b))
}

func byValid[V any](a, b Version[V]) int { return cmp.Compare(a.Valid.From, b.Valid.From) }

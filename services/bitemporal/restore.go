package bitemporal

import (
	"cmp"
	"iter"
	"slices"
	"strings"
)

// Restore fills an empty table with versions that another one had, given in any order. Ids
// stand in the order of the first KnownFrom given of each and, where that is one, of
// themselves. What is answered is what the other table answers of these versions: of an
// id whose versions are given in part, that it had no others.
func (t *Table[V]) Restore(versions iter.Seq2[string, Version[V]]) {
	var met Table[V] // by the order they come in
	for id, v := range versions {
		place, known := met.find(id)
		if !known {
			met.add(id, v)
		} else {
			met.entity(place).restore(v)
		}
		if met.last = max(met.last, v.KnownFrom); v.KnownTo != Latest {
			met.last = max(met.last, v.KnownTo)
		}
	}
	type first struct {
		known uint64
		place uint32
	}
	order := make([]first, met.entities.Len())
	for i := range order {
		order[i] = first{met.entities.At(i).sort(), uint32(i)}
	}
	inOrder := func(a, b first) int {
		return cmp.Or(cmp.Compare(a.known, b.known), strings.Compare(met.entity(a.place).id, met.entity(b.place).id))
	}
	if slices.IsSortedFunc(order, inOrder) {
		*t = met
	} else {
		slices.SortFunc(order, inOrder)
		*t = Table[V]{last: met.last}
		for i, o := range order {
			e := met.entity(o.place)
			t.entities.Add(*e)
			t.index.Enter(hashOf(e.id), uint32(i))
		}
	}
	t.since = t.last
}

// restore adds a version to those of an entity, which are not in their order then.
func (e *entity[V]) restore(v Version[V]) {
	if e.more == nil {
		first := e.only[0]
		e.more, e.only[0] = new(versions[V]), Version[V]{}
		e.restore(first)
	}
	if v.KnownTo == Latest {
		e.more.live = append(e.more.live, v)
	} else {
		e.more.past = append(e.more.past, v)
	}
}

// sort puts the versions of an entity in their order, and returns the first KnownFrom.
func (e *entity[V]) sort() (first uint64) {
	if e.more == nil {
		if v := e.only[0]; v.KnownTo != Latest {
			e.put(nil, []Version[V]{v})
			return v.KnownFrom
		}
		return e.only[0].KnownFrom
	}
	slices.SortFunc(e.more.live, byValid)
	slices.SortFunc(e.more.past, func(a, b Version[V]) int {
		return cmp.Or(cmp.Compare(a.KnownTo, b.KnownTo), byRecording(a, b))
	})
	first = Latest
	for _, part := range [...][]Version[V]{e.more.past, e.more.live} {
		for i := range part {
			first = min(first, part[i].KnownFrom)
		}
	}
	return first
}

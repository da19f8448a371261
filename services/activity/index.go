package activity

import (
	"iter"
	"slices"
	"sort"
)

// An index leads from a key to the ids entered under it, by position. Unlike a table it
// has no valid time. What is journalled can be taken back at the cost of what is
// forgotten.
type index struct {
	lists   map[key]*[]entry
	journal []touched // by position, those settled dropped
	settled uint64
}

// key is what is looked for. Holders and reporters are ids of one namespace.
type key struct {
	of kind
	id string
}

type kind uint8

const (
	periodsByCode kind = iota
	reportsByPeriod
	reportsByReporter
	undertakingsByHolder
)

type entry struct {
	at uint64
	id string
}

type touched struct {
	at   uint64
	list *[]entry
}

// enter enters an id. Who enters it knows that it is not there.
func (x *index) enter(at uint64, k key, id string) {
	list := x.lists[k]
	if list == nil {
		if x.lists == nil {
			x.lists = make(map[key]*[]entry)
		}
		list = new([]entry)
		x.lists[k] = list
	}
	*list = append(*list, entry{at, id})
	if at > x.settled {
		x.journal = append(x.journal, touched{at, list})
	}
}

// of yields the ids entered under a key up to a position, in their order.
func (x *index) of(k key, known uint64) iter.Seq[string] {
	return func(yield func(string) bool) {
		list := x.lists[k]
		if list == nil {
			return
		}
		for _, e := range *list {
			if e.at > known || !yield(e.id) {
				return
			}
		}
	}
}

func (x *index) rollback(to uint64) {
	if to < x.settled {
		for _, list := range x.lists {
			cut(list, to)
		}
	}
	for n := len(x.journal); n > 0 && x.journal[n-1].at > to; n-- {
		cut(x.journal[n-1].list, to)
		x.journal = x.journal[:n-1]
	}
	x.settled = min(x.settled, to)
}

func cut(list *[]entry, to uint64) {
	for n := len(*list); n > 0 && (*list)[n-1].at > to; n-- {
		*list = (*list)[:n-1]
	}
}

func (x *index) settle(to uint64) {
	x.settled = max(x.settled, to)
	kept := sort.Search(len(x.journal), func(i int) bool { return x.journal[i].at > to })
	if kept == len(x.journal) {
		x.journal = nil // a replay leaves a long one behind
		return
	}
	x.journal = slices.Delete(x.journal, 0, kept)
}

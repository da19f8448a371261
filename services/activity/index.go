package activity

import (
	"cmp"
	"iter"
	"slices"
	"sort"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	"maillage/services/bitemporal"
	"maillage/services/labelling"
)

// An index leads from a key to the ids entered under it, by position. Unlike a table it
// has no valid time. What is journalled can be taken back at the cost of what is
// forgotten.
type index struct {
	lists   [kinds]map[string]*[]entry // by id, nil while there is none
	journal []touched                  // by position, those settled dropped
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
	kinds
)

type entry struct {
	at uint64
	id string
}

type touched struct {
	at   uint64
	list *[]entry
}

// Reindex enters in its indexes what the tables hold, for those tables of which nothing is
// entered yet: where rows were put into tables of a state, or of a copy of one that shares
// the other tables and their indexes with it.
func (s *State) Reindex() {
	s.index.settled = bitemporal.Latest
	if s.index.lists[periodsByCode] == nil {
		for id := range s.Periods.IDs() {
			first, _ := s.Periods.First(id)
			s.indexPeriod(first.KnownFrom, first.Value)
		}
	}
	if s.index.lists[reportsByPeriod] == nil {
		for id := range s.Reports.IDs() {
			first, _ := s.Reports.First(id)
			s.indexReport(first.KnownFrom, first.Value)
		}
	}
	if s.index.lists[undertakingsByHolder] == nil {
		for _, v := range s.Undertakings.All() {
			s.indexUndertaking(v.KnownFrom, v.Value)
		}
		for _, list := range s.index.lists[undertakingsByHolder] {
			slices.SortStableFunc(*list, func(a, b entry) int { return cmp.Compare(a.at, b.at) })
		}
	}
}

func (s *State) indexPeriod(at uint64, p *activityv1.Period) {
	s.index.enter(at, key{periodsByCode, p.GetCode()}, p.GetPeriodId())
}

// indexReport enters a report that is new. It stays that of its reporter and period.
func (s *State) indexReport(at uint64, r *activityv1.Report) {
	s.index.enter(at, key{reportsByPeriod, r.GetPeriodId()}, r.GetReportId())
	s.index.enter(at, key{reportsByReporter, labelling.HolderID(r.GetReporter())}, r.GetReportId())
}

// indexUndertaking enters an undertaking under its holder, unless it is there: it came from
// another, or was revised.
func (s *State) indexUndertaking(at uint64, u *activityv1.Undertaking) {
	k := key{undertakingsByHolder, labelling.HolderID(u.GetHolder())}
	for id := range s.index.of(k, bitemporal.Latest) {
		if id == u.GetUndertakingId() {
			return
		}
	}
	s.index.enter(at, k, u.GetUndertakingId())
}

// enter enters an id. Who enters it knows that it is not there.
func (x *index) enter(at uint64, k key, id string) {
	list := x.lists[k.of][k.id]
	if list == nil {
		if x.lists[k.of] == nil {
			x.lists[k.of] = make(map[string]*[]entry)
		}
		list = new([]entry)
		x.lists[k.of][k.id] = list
	}
	*list = append(*list, entry{at, id})
	if at > x.settled {
		x.journal = append(x.journal, touched{at, list})
	}
}

// of yields the ids entered under a key up to a position, in their order.
func (x *index) of(k key, known uint64) iter.Seq[string] {
	return func(yield func(string) bool) {
		list := x.lists[k.of][k.id]
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
		for _, lists := range x.lists {
			for _, list := range lists {
				cut(list, to)
			}
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

package registry

import (
	"slices"
	"sort"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
)

// Resting is a fact that rests on an act.
type Resting struct {
	Position    uint64
	Line        uint32 // of its annex, 0 for none
	Topology    bool   // of topology, or
	Activity    bool   // of activity; else of labelling
	Disposition labellingv1.Disposition
	LabelID     string // what the disposition is done to; empty where there is none
}

// byAct leads from an act to the facts that rest on it, by position. What is journalled
// can be taken back at the cost of what is forgotten.
type byAct struct {
	facts   map[string]*[]Resting
	journal []entered // by position, those settled dropped
	settled uint64
}

type entered struct {
	at    uint64
	facts *[]Resting
}

// RestingOn is the facts up to a position that rest on an act, by position. They must
// not be changed.
func (s *State) RestingOn(actID string, known uint64) []Resting {
	facts := s.byAct.facts[actID]
	if facts == nil {
		return nil
	}
	return (*facts)[:sort.Search(len(*facts), func(i int) bool { return (*facts)[i].Position > known })]
}

func (x *byAct) enter(basis *eventv1.Basis, r Resting) {
	if basis.GetActId() == "" {
		return
	}
	if x.facts == nil {
		x.facts = make(map[string]*[]Resting)
	}
	facts := x.facts[basis.GetActId()]
	if facts == nil {
		facts = new([]Resting)
		x.facts[basis.GetActId()] = facts
	}
	r.Line = basis.GetActLine()
	*facts = append(*facts, r)
	if r.Position > x.settled {
		x.journal = append(x.journal, entered{r.Position, facts})
	}
}

func (x *byAct) rollback(to uint64) {
	if to < x.settled {
		for _, facts := range x.facts {
			cut(facts, to)
		}
	}
	for n := len(x.journal); n > 0 && x.journal[n-1].at > to; n-- {
		cut(x.journal[n-1].facts, to)
		x.journal = x.journal[:n-1]
	}
	x.settled = min(x.settled, to)
}

func cut(facts *[]Resting, to uint64) {
	for n := len(*facts); n > 0 && (*facts)[n-1].Position > to; n-- {
		*facts = (*facts)[:n-1]
	}
}

func (x *byAct) settle(to uint64) {
	x.settled = max(x.settled, to)
	kept := sort.Search(len(x.journal), func(i int) bool { return x.journal[i].at > to })
	if kept == len(x.journal) {
		x.journal = nil // a replay leaves a long one behind
		return
	}
	x.journal = slices.Delete(x.journal, 0, kept)
}

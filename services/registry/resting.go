package registry

import (
	"cmp"
	"iter"
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
// can be taken back at the cost of what is forgotten, and told without looking at the rest.
type byAct struct {
	acts        map[string]*onAct
	journal     []entered // by position, all those after since
	since, held uint64    // held is one more than the position that since may not pass
}

type onAct struct {
	id    string
	facts []Resting
}

type entered struct {
	at uint64
	on *onAct
}

// RestingOn is the facts up to a position that rest on an act, by position. They must
// not be changed.
func (s *State) RestingOn(actID string, known uint64) []Resting {
	on := s.byAct.acts[actID]
	if on == nil {
		return nil
	}
	return on.between(0, known)
}

// between is the facts after a position up to another.
func (o *onAct) between(after, to uint64) []Resting {
	last := sort.Search(len(o.facts), func(i int) bool { return o.facts[i].Position > to })
	first := sort.Search(last, func(i int) bool { return o.facts[i].Position > after })
	return o.facts[first:last]
}

func (x *byAct) enter(basis *eventv1.Basis, r Resting) {
	if basis.GetActId() == "" {
		return
	}
	r.Line = basis.GetActLine()
	on := x.on(basis.GetActId())
	on.facts = append(on.facts, r)
	if r.Position > x.since {
		x.journal = append(x.journal, entered{r.Position, on})
	}
}

func (x *byAct) on(actID string) *onAct {
	on := x.acts[actID]
	if on == nil {
		if x.acts == nil {
			x.acts = make(map[string]*onAct)
		}
		on = &onAct{id: actID}
		x.acts[actID] = on
	}
	return on
}

// changed is the facts after a position up to another, by act in an order that means
// nothing.
func (x *byAct) changed(after, to uint64) (facts []effect) {
	if after < x.since {
		for id, on := range x.acts {
			for _, r := range on.between(after, to) {
				facts = append(facts, effect{id, r})
			}
		}
		return facts
	}
	for _, e := range x.journal[x.after(after):] {
		if e.at > to {
			break
		}
		for _, r := range e.on.between(e.at-1, e.at) {
			facts = append(facts, effect{e.on.id, r})
		}
	}
	return facts
}

// restore takes facts in any order.
func (x *byAct) restore(facts iter.Seq2[string, Resting]) {
	*x = byAct{}
	for id, r := range facts {
		on := x.on(id)
		on.facts = append(on.facts, r)
		x.since = max(x.since, r.Position)
	}
	for _, on := range x.acts {
		slices.SortFunc(on.facts, func(a, b Resting) int { return cmp.Compare(a.Position, b.Position) })
	}
}

func (x *byAct) rollback(to uint64) {
	if to < x.since {
		for _, on := range x.acts {
			on.cut(to)
		}
	}
	for n := len(x.journal); n > 0 && x.journal[n-1].at > to; n-- {
		x.journal[n-1].on.cut(to)
		x.journal = x.journal[:n-1]
	}
	x.since = min(x.since, to)
}

func (o *onAct) cut(to uint64) {
	for n := len(o.facts); n > 0 && o.facts[n-1].Position > to; n-- {
		o.facts = o.facts[:n-1]
	}
}

func (x *byAct) settle(to uint64) {
	x.since = max(x.since, min(to, x.held-1))
	kept := x.after(x.since)
	if kept == len(x.journal) {
		x.journal = nil // a replay leaves a long one behind
		return
	}
	x.journal = slices.Delete(x.journal, 0, kept)
}

// after is where the journal begins to tell of positions after one.
func (x *byAct) after(position uint64) int {
	return sort.Search(len(x.journal), func(i int) bool { return x.journal[i].at > position })
}

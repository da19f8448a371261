package fact

import (
	"iter"
	"sort"
	"time"

	"maillage/services/bitemporal"
)

// Agenda is the days that facts stated ahead of the day on which they were recorded,
// and which of them were told since. It holds what was stated, not what is still true:
// that is for who reads it to say. The zero value is empty.
type Agenda struct {
	days []Day // in order of position
	told map[told]bool
	log  []toldAt // in order of position, those that can be rolled back
}

// Day is a day that a fact stated ahead.
type Day struct {
	Entity   string          // whom the fact is about
	Field    string          // what happens then, in the words of who noted it
	Date     string          // as stated
	Due      bitemporal.Date // first day on which it has certainly come
	Position uint64          // of the fact
}

// told names what was told. A day that is told once for all the facts that state it
// has no position.
type told struct {
	entity, date string
	position     uint64
}

type toldAt struct {
	told
	at uint64
}

// Note keeps a day if it lies after the civil date (Europe/Paris) of the instant at
// which its fact was recorded: what was past when it was recorded is no news.
func (a *Agenda) Note(recorded time.Time, d Day) {
	if d.Due != bitemporal.Future && d.Due > bitemporal.Today(recorded) {
		a.days = append(a.days, d)
	}
}

// Tell says that the event at a position told the day of an entity that the fact at
// about stated; about 0 stands for whatever fact did.
func (a *Agenda) Tell(at uint64, entity, date string, about uint64) {
	key := told{entity, date, about}
	if a.told[key] {
		return
	}
	if a.told == nil {
		a.told = make(map[told]bool)
	}
	a.told[key] = true
	a.log = append(a.log, toldAt{key, at})
}

// Told reports whether a day was told, by the key it was told under.
func (a *Agenda) Told(entity, date string, about uint64) bool {
	return a.told[told{entity, date, about}]
}

// Due yields the days noted that have come by today, told or not, in the order noted.
func (a *Agenda) Due(today bitemporal.Date) iter.Seq[Day] {
	return func(yield func(Day) bool) {
		for i := range a.days {
			if a.days[i].Due <= today && !yield(a.days[i]) {
				return
			}
		}
	}
}

// Of returns the days that the fact at a position stated ahead.
func (a *Agenda) Of(position uint64) []Day {
	from := sort.Search(len(a.days), func(i int) bool { return a.days[i].Position >= position })
	to := from
	for to < len(a.days) && a.days[to].Position == position {
		to++
	}
	return a.days[from:to]
}

// Rollback forgets what was noted and told after position to.
func (a *Agenda) Rollback(to uint64) {
	for len(a.days) > 0 && a.days[len(a.days)-1].Position > to {
		a.days = a.days[:len(a.days)-1]
	}
	for len(a.log) > 0 && a.log[len(a.log)-1].at > to {
		delete(a.told, a.log[len(a.log)-1].told)
		a.log = a.log[:len(a.log)-1]
	}
}

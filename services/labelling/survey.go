package labelling

import (
	"cmp"
	"encoding/binary"
	"iter"
	"slices"
	"strings"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/bitemporal"
	"maillage/services/topology"
)

// Survey is every label known at a position, by id, read once for whatever day: to
// derive the status of them all costs a fraction of what as many calls to
// [State.StatusAt] do. It is good as long as the state does not change, and may be read
// by many at a time.
type Survey struct {
	s     *State
	known uint64
	topo  *topology.State
	rows  []row
	acts  map[string]effect // nil where the table is asked instead
}

// row is what is known of a label, whatever the day.
type row struct {
	label *labellingv1.Label
	term  window
	next  sequel
	peer  int32 // another row of the same holder, round to this one; alone where nobody holds it
}

// alone is the peer of a label that no holder leads to, not even to itself.
const alone int32 = -1

// effect is from when an act certainly has effect, and whether it states the labels that
// its list leaves out.
type effect struct {
	day      bitemporal.Date
	absences bool
}

// Survey reads every label known at a position, with topo as in [State.StatusAt].
func (s *State) Survey(known uint64, topo *topology.State) *Survey {
	v := &Survey{s: s, known: known, topo: topo, acts: make(map[string]effect)}
	for id, act := range s.Acts.Lasts(known) {
		if day, ok := effectOf(act); ok {
			v.acts[id] = effect{day, act.GetAbsencesStated()}
		}
	}
	labels := make([]keyed, 0, s.Labels.Len())
	for id, l := range s.Labels.Lasts(known) {
		labels = append(labels, keyed{keyOf(id), l})
	}
	slices.SortFunc(labels, func(a, b keyed) int {
		if a.key != b.key {
			return cmp.Compare(a.key, b.key)
		}
		return strings.Compare(a.label.GetLabelId(), b.label.GetLabelId())
	})
	v.rows = make([]row, len(labels))
	for i, l := range labels {
		v.rows[i] = row{label: l.label, term: s.window(l.label, known), peer: alone}
	}
	first := make(map[string]int32, len(v.rows))
	for i := range v.rows {
		holder := HolderID(v.rows[i].label.GetHolder())
		if holder == "" {
			continue
		}
		if at, met := first[holder]; met {
			v.rows[i].peer, v.rows[at].peer = v.rows[at].peer, int32(i)
		} else {
			v.rows[i].peer, first[holder] = int32(i), int32(i)
		}
	}
	for i := range v.rows {
		v.rows[i].next = v.sequel(i)
	}
	return v
}

// keyed is a label with the beginning of its id as a number, in the same order: to compare
// strings is to read them, wherever they are.
type keyed struct {
	key   uint64
	label *labellingv1.Label
}

func keyOf(id string) uint64 {
	var first [8]byte
	copy(first[:], id)
	return binary.BigEndian.Uint64(first[:])
}

// Len is the number of labels.
func (v *Survey) Len() int { return len(v.rows) }

// Label is the label at a place, from 0. It must not be changed.
func (v *Survey) Label(place int) *labellingv1.Label { return v.rows[place].label }

// Status derives the status of the label at a place on a day, as [State.StatusAt] does.
func (v *Survey) Status(place int, day bitemporal.Date) labellingv1.Status {
	r := v.on(place, day)
	return r.status
}

// Operation derives the operational state of the label at a place on a day, as
// [State.OperationAt] does.
func (v *Survey) Operation(place int, day bitemporal.Date) labellingv1.OperationState {
	r := v.on(place, day)
	return r.operation(day)
}

// surveyHolder reads the labels of the holder of one, in rows, and what goes on from it at
// the place returned only.
func (s *State) surveyHolder(rows []row, l *labellingv1.Label, known uint64, topo *topology.State) (v Survey, place int) {
	v = Survey{s: s, known: known, topo: topo}
	v.rows, place = s.readHolder(rows, l, known)
	v.rows[place].next = v.sequel(place)
	return v, place
}

// readHolder adds to rows a label and those of its holder, and returns its place.
func (s *State) readHolder(rows []row, l *labellingv1.Label, known uint64) (all []row, place int) {
	place = -1
	for held := range s.LabelsOf(HolderID(l.GetHolder()), known) {
		if held.GetLabelId() == l.GetLabelId() {
			place = len(rows)
		}
		rows = append(rows, row{label: held, term: s.window(held, known)})
	}
	for i := range rows {
		rows[i].peer = int32((i + 1) % len(rows))
	}
	if place < 0 {
		place = len(rows)
		rows = append(rows, row{label: l, term: s.window(l, known), peer: alone})
	}
	return rows, place
}

// peers yields the places of the labels of one holder, from that of one of them on.
func (v *Survey) peers(of int) iter.Seq[int] {
	return func(yield func(int) bool) {
		if v.rows[of].peer == alone {
			return
		}
		for i := of; yield(i); {
			if i = int(v.rows[i].peer); i == of {
				return
			}
		}
	}
}

func (v *Survey) effect(actID string) (e effect, ok bool) {
	if v.acts != nil {
		e, ok = v.acts[actID]
		return e, ok
	}
	act, ok := v.s.Acts.At(actID, 0, v.known)
	if !ok {
		return e, false
	}
	e.day, ok = effectOf(act)
	e.absences = act.GetAbsencesStated()
	return e, ok
}

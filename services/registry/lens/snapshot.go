package lens

import (
	"cmp"
	"runtime"
	"slices"
	"strings"
	"sync"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/bitemporal"
	"maillage/services/labelling"
	"maillage/services/registry"
)

// labelState is what is reckoned of a label on a day; label is nil where none is known.
type labelState struct {
	label     *labellingv1.Label
	status    labellingv1.Status
	operation labellingv1.OperationState // derived in the operational window only
	filiere   string                     // the one it is counted under
}

// maxSnapshots is how many moments are kept, at some 50 bytes a label each, and 1 KB a
// centre where its map is asked for.
const maxSnapshots = 8

// Snapshots keeps the states of all labels at the moments asked about last. An answer
// at a moment never changes, so they are never stale. The zero value is empty and
// ready, safe for concurrent use.
type Snapshots struct {
	mu     sync.Mutex
	recent []snapshot // the latest asked for last
}

type snapshot struct {
	state       *registry.State
	valid       bitemporal.Date
	known       uint64
	operational bool
	labels      []labelState
	centres     []*registryv1.MapCentre // on the map without filters; nil until it is asked for
}

// snapshotOf tells whether a snapshot is that of the moment.
func (l Lens) snapshotOf(s snapshot) bool {
	return s.state == l.s && s.valid == l.m.valid && s.known == l.m.known && s.operational == l.m.operational()
}

// snapshot is the state of every label known at the moment, by id. It must not be
// changed.
func (l Lens) snapshot() []labelState { return l.snapshotOn(l.survey) }

// survey reads the labels as known at the position, for whatever day.
func (l Lens) survey() *labelling.Survey {
	return l.s.Labelling.Survey(l.m.known, &l.s.Topology)
}

// snapshotOn is the snapshot where the survey of its position may be there already.
func (l Lens) snapshotOn(survey func() *labelling.Survey) []labelState {
	all := l.m.snapshots
	all.mu.Lock()
	if i := slices.IndexFunc(all.recent, l.snapshotOf); i >= 0 {
		one := all.recent[i]
		all.recent = append(slices.Delete(all.recent, i, i+1), one)
		all.mu.Unlock()
		return one.labels
	}
	all.mu.Unlock()
	one := snapshot{l.s, l.m.valid, l.m.known, l.m.operational(), l.reckon(survey()), nil}
	all.mu.Lock()
	defer all.mu.Unlock()
	if !slices.ContainsFunc(all.recent, l.snapshotOf) {
		if len(all.recent) == maxSnapshots {
			all.recent = slices.Delete(all.recent, 0, 1)
		}
		all.recent = append(all.recent, one)
	}
	return one.labels
}

// kept is the centres on the map without filters, reckoned once for a snapshot. Neither
// they nor the list must be changed.
func (l Lens) kept(reckon func() []*registryv1.MapCentre) []*registryv1.MapCentre {
	all := l.m.snapshots
	find := func() *snapshot {
		if i := slices.IndexFunc(all.recent, l.snapshotOf); i >= 0 {
			return &all.recent[i]
		}
		return &snapshot{}
	}
	all.mu.Lock()
	centres := find().centres
	all.mu.Unlock()
	if centres == nil {
		centres = reckon()
		all.mu.Lock()
		find().centres = centres
		all.mu.Unlock()
	}
	return centres
}

// reckon reckons the state of every label of a survey, by id.
func (l Lens) reckon(survey *labelling.Survey) []labelState {
	places := make([]int, survey.Len())
	for i := range places {
		places[i] = i
	}
	return inParts(places, partSize, func(places []int) []labelState {
		part := make([]labelState, 0, len(places))
		filieres := map[string]string{} // of networks, on the day
		for _, i := range places {
			one := labelState{label: survey.Label(i), status: survey.Status(i, l.m.valid)}
			if l.m.operational() {
				one.operation = survey.Operation(i, l.m.valid)
			}
			one.filiere = l.filiereOf(one.label, filieres)
			part = append(part, one)
		}
		return part
	})
}

// partSize is how many labels are read in a row: to read many is to wait for memory, so
// that parts are read side by side.
const partSize = 512

// inParts takes a list in parts of a size, side by side, and joins what they give in order.
func inParts[E, R any](list []E, size int, read func(part []E) []R) []R {
	parts := make([][]R, (len(list)+size-1)/size)
	var all sync.WaitGroup
	limit := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := range parts {
		limit <- struct{}{}
		all.Go(func() {
			defer func() { <-limit }()
			parts[i] = read(list[i*size : min(len(list), (i+1)*size)])
		})
	}
	all.Wait()
	return slices.Concat(parts...)
}

// atOnce runs what does not depend on each other.
func atOnce(all ...func()) {
	var running sync.WaitGroup
	for _, one := range all {
		running.Go(one)
	}
	running.Wait()
}

// stateOf reckons one label; filieres keeps those of networks met before.
func (l Lens) stateOf(label *labellingv1.Label, filieres map[string]string) labelState {
	one := labelState{label: label}
	one.status, _ = l.s.Labelling.StatusAt(label.GetLabelId(), l.m.valid, l.m.known, &l.s.Topology)
	if l.m.operational() {
		one.operation, _ = l.s.Labelling.OperationAt(label.GetLabelId(), l.m.valid, l.m.known, &l.s.Topology)
	}
	one.filiere = l.filiereOf(label, filieres)
	return one
}

// filiereOf is the filière a label is counted under on the day.
func (l Lens) filiereOf(label *labellingv1.Label, filieres map[string]string) string {
	network := networkOf(label)
	filiere, seen := filieres[network]
	if !seen {
		n, _ := l.s.Topology.Networks.At(network, l.m.valid, l.m.known)
		filiere = n.GetFiliereId()
		filieres[network] = filiere
	}
	return cmp.Or(label.GetHolder().GetFiliereId(), filiere)
}

// isBeside tells whether no act, network or cycle came between a lens and another that
// differs in the position known only.
func (l Lens) isBeside(other Lens) bool {
	lo, hi := min(l.m.known, other.m.known), max(l.m.known, other.m.known)
	return l.s == other.s && !changedBetween(&l.s.Labelling.Acts, lo, hi) &&
		!changedBetween(&l.s.Labelling.Cycles, lo, hi) && !changedBetween(&l.s.Topology.Networks, lo, hi)
}

// snapshotBeside is the snapshot of a lens that is beside another, whose snapshot is
// given: the status of a label is another one only if a label of its holder, or one that
// goes on from it, is another one, and nothing else is reckoned again.
func (l Lens) snapshotBeside(other Lens, labels []labelState) []labelState {
	at := make(map[string]*labellingv1.Label, len(labels)) // as known here, where it differs
	dirty := map[string]bool{}                             // labels and holders
	for id := range l.s.Labelling.Labels.IDs() {
		here, _ := l.s.Labelling.Label(id, l.m.known)
		there, _ := l.s.Labelling.Label(id, other.m.known)
		if here == there {
			continue
		}
		at[id] = here
		for _, label := range []*labellingv1.Label{here, there} {
			dirty[label.GetLabelId()], dirty[label.GetPredecessorId()], dirty[holderOf(label)] = true, true, true
		}
	}
	delete(dirty, "")
	filieres := map[string]string{}
	mine := make([]labelState, 0, len(labels))
	seen := func(was labelState) {
		label, differs := at[was.label.GetLabelId()]
		switch {
		case differs && label == nil:
		case differs:
			mine = append(mine, l.stateOf(label, filieres))
		case dirty[was.label.GetLabelId()] || dirty[holderOf(was.label)] || dirty[was.label.GetSuccessorId()]:
			mine = append(mine, l.stateOf(was.label, filieres))
		default:
			mine = append(mine, was)
		}
		delete(at, was.label.GetLabelId())
	}
	for _, was := range labels {
		seen(was)
	}
	for _, label := range at { // known here only
		if label != nil {
			mine = append(mine, l.stateOf(label, filieres))
		}
	}
	slices.SortFunc(mine, func(a, b labelState) int { return strings.Compare(a.label.GetLabelId(), b.label.GetLabelId()) })
	return mine
}

// changedBetween tells whether anything was recorded of a table after a position, up to
// another.
func changedBetween[V any](t *bitemporal.Table[V], after, to uint64) bool {
	for id := range t.IDs() {
		for v := range t.Each(id) {
			if after < v.KnownFrom && v.KnownFrom <= to || after < v.KnownTo && v.KnownTo <= to {
				return true
			}
		}
	}
	return false
}

// pair is the states of one label in two snapshots, empty where it is in one only.
type pair struct{ before, after *labelState }

// paired is the labels of two snapshots.
func paired(before, after []labelState) []pair {
	pairs, none := make([]pair, 0, max(len(before), len(after))), &labelState{}
	for i, j := 0, 0; i < len(before) || j < len(after); {
		p := pair{none, none}
		order := 0
		switch {
		case i == len(before):
			order = 1
		case j == len(after):
			order = -1
		case before[i].label != after[j].label:
			order = strings.Compare(before[i].label.GetLabelId(), after[j].label.GetLabelId())
		}
		if order <= 0 {
			p.before, i = &before[i], i+1
		}
		if order >= 0 {
			p.after, j = &after[j], j+1
		}
		pairs = append(pairs, p)
	}
	return pairs
}

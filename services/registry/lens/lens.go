// Package lens looks at the register as it was known at a moment. Each answer is a pure
// function of a state, a day and a position: wherever a read model keeps its rows, it
// answers the same. Names of persons are not in the state, and so in no answer.
package lens

import (
	"cmp"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/registry"
)

// Lens sees a state as it was known at a moment. It is good as long as the state does
// not change, and what it answers must not be altered: resources are those of the state.
type Lens struct {
	s     *registry.State
	whole *registry.State
	m     moment
}

// moment is a day in the world and a position of the log.
type moment struct {
	valid     bitemporal.Date
	known     uint64
	head      uint64
	window    registryv1.Window
	snapshots *Snapshots
}

// At looks at a day (Europe/Paris) as known at a position, the end of a commit, with
// labels in the window given. The head is the last position that may be read: a name that
// is known there only, in the whole register of which s may hold a part, is no mistake.
// Snapshots are kept in those given.
func At(s, whole *registry.State, day bitemporal.Date, known, head uint64, window registryv1.Window, kept *Snapshots) Lens {
	return Lens{s, whole, moment{day, known, head, window, kept}}
}

// operational tells whether labels are looked for in their operational window.
func (m moment) operational() bool { return m.window == registryv1.Window_WINDOW_OPERATIONAL }

// near finds the version that holds on the day or, where an entity was registered
// only from a later day on, the nearest one: a label of 2010 at a hospital known
// from 2017 on still has to be printed.
func near[V any](t *bitemporal.Table[V], id string, m moment) (v V) {
	if id == "" {
		return v
	}
	if v, held := t.At(id, m.valid, m.known); held {
		return v
	}
	for _, o := range t.Versions(id, m.known) {
		if o.Valid.From > m.valid {
			return o.Value
		}
		v = o.Value
	}
	return v
}

func (l Lens) establishments(ids []string) []*topologyv1.Establishment {
	found := make([]*topologyv1.Establishment, 0, len(ids))
	for _, id := range ids {
		if e := near(&l.s.Topology.Establishments, id, l.m); e != nil {
			found = append(found, e)
		}
	}
	return found
}

// hospitals is the words by which a team is found that is in a place of its own or in
// establishments.
func (l Lens) hospitals(ids []string, own *topologyv1.Place) []string {
	words := placeWords(own)
	for _, e := range l.establishments(ids) {
		words = append(words, e.GetName(), e.GetFiness(), e.GetPlace().GetCity())
	}
	return words
}

// holding is a label with all it is found, sorted and printed by.
type holding struct {
	label          *labellingv1.Label
	status         labellingv1.Status
	network        *topologyv1.Network // nil where none is concerned
	filiere        *topologyv1.Filiere // the one it is counted under
	establishments []*topologyv1.Establishment
	places         []*topologyv1.Place // the holder's own, then its establishments'
	holderName     string              // where it is no site
}

// holding looks up what belongs to a label. Its network counts under the filière it
// belonged to on that very day; names may be those of the nearest day.
func (l Lens) holding(label *labellingv1.Label) holding {
	h := holding{label: label}
	topo := &l.s.Topology
	switch holder := label.GetHolder().GetHolder().(type) {
	case *labellingv1.Holder_Site:
		h.inNetwork(l, holder.Site.GetNetworkId())
		centre := near(&topo.Centres, holder.Site.GetCentreId(), l.m)
		h.at(l, centre.GetPlace(), centre.GetEstablishmentIds())
	case *labellingv1.Holder_NetworkId:
		h.inNetwork(l, holder.NetworkId)
		h.holderName = h.network.GetTitle()
	case *labellingv1.Holder_FiliereId:
		h.filiere = near(&topo.Filieres, holder.FiliereId, l.m)
		h.holderName = cmp.Or(h.filiere.GetName(), h.filiere.GetAcronym())
		h.at(l, nil, []string{h.filiere.GetEstablishmentId()})
	case *labellingv1.Holder_PlatformId:
		platform := near(&topo.Platforms, holder.PlatformId, l.m)
		h.holderName = platform.GetName()
		h.at(l, platform.GetPlace(), platform.GetEstablishmentIds())
	}
	return h
}

func (h *holding) inNetwork(l Lens, id string) {
	n, held := l.s.Topology.Networks.At(id, l.m.valid, l.m.known)
	if !held {
		h.network = near(&l.s.Topology.Networks, id, l.m)
		return
	}
	h.network = n
	h.filiere = near(&l.s.Topology.Filieres, n.GetFiliereId(), l.m)
}

func (h *holding) at(l Lens, own *topologyv1.Place, establishmentIDs []string) {
	h.establishments = l.establishments(establishmentIDs)
	h.places = make([]*topologyv1.Place, 0, len(h.establishments)+1)
	if own != nil {
		h.places = append(h.places, own)
	}
	for _, e := range h.establishments {
		if e.GetPlace() != nil {
			h.places = append(h.places, e.GetPlace())
		}
	}
}

// city is the first town known of it.
func (h *holding) city() string {
	for _, p := range h.places {
		if p.GetCity() != "" {
			return p.GetCity()
		}
	}
	return ""
}

// department is the first department known of it, as an INSEE code.
func (h *holding) department() string {
	for _, p := range h.places {
		if code := departmentOf(p); code != "" {
			return code
		}
	}
	return ""
}

// region is the first region known of it, as an INSEE code.
func (h *holding) region() string {
	for _, p := range h.places {
		if code := regionOf(p); code != "" {
			return code
		}
	}
	return ""
}

// label finds a label by its id, with its status on the day.
func (l Lens) label(id string) (*labellingv1.Label, labellingv1.Status, bool) {
	label, known := l.s.Labelling.Label(id, l.m.known)
	if !known {
		return nil, labellingv1.Status_STATUS_UNSPECIFIED, false
	}
	return label, l.status(id), true
}

// status is that of a label that is known, on the day.
func (l Lens) status(id string) labellingv1.Status {
	status, _ := l.s.Labelling.StatusAt(id, l.m.valid, l.m.known, &l.s.Topology)
	return status
}

// operates tells whether a label is open in fact on the day, or may be.
func (l Lens) operates(id string) bool {
	switch state, _ := l.s.Labelling.OperationAt(id, l.m.valid, l.m.known, &l.s.Topology); state {
	case labellingv1.OperationState_OPERATION_STATE_PLANNED, labellingv1.OperationState_OPERATION_STATE_CLOSED:
		return false
	}
	return true
}

// assertions is what sources say of a label and of its site.
func (l Lens) assertions(label *labellingv1.Label) []*labellingv1.Assertion {
	about := l.s.Labelling.AssertionsAbout(label.GetLabelId(), l.m.known)
	if site := label.GetHolder().GetSite().GetSiteId(); site != "" {
		about = append(about, l.s.Labelling.AssertionsAbout(site, l.m.known)...)
	}
	return about
}

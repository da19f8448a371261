package plan

import (
	"slices"
	"strings"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/identifier"
	"maillage/services/labelling"
	"maillage/services/topology"
)

// register is the register as one plan needs it: built once, each text folded once.
type register struct {
	s     *labelling.State
	topo  *topology.State
	known uint64
	day   bitemporal.Date

	held      []*held            // every label, in the order granted
	byHolder  map[string][]*held // by filière or platform
	byID      map[string]*held
	byNetwork map[string][]*site // sites by network
	sites     map[siteKey]*site
	present   map[string][]*site  // sites by network with something that may still be decided
	networks  map[string][]naming // by title or acronym of any time, as [register.title] writes it
	filieres  labelling.FiliereNames
	platforms map[string][]string
	hospitals map[string][]string // by folded name
	cores     map[string][]string // by name without its group
	places    map[string]*whereabouts
	towns     map[string]bool // once they are asked for
	folded    map[string]string
}

type siteKey struct{ centre, network string }

// site is a site with all its labels.
type site struct {
	id     string
	key    siteKey
	labels []*held
}

// held is a label.
type held struct {
	*labellingv1.Label
	site   *site // nil where no site holds it
	reg    *register
	status labellingv1.Status
	asked  bool // status was derived
	heads  []string
	headed bool // heads were read
}

// naming is a network that has or had a name.
type naming struct{ network, reason string }

// The reasons for which something is a candidate, in words that are stable.
const (
	byTitle      = "title"
	byAcronym    = "acronym"
	byFormerName = "former name"
	bySites      = "sites"
	byPlace      = "place"
	byPopulation = "population"
	byHead       = "head"
	byGroup      = "group"
	byName       = "name"
	byFINESS     = "finess"
	byRole       = "role"

	byOtherNetwork = "other network" // it had a label there, and no line restates it
)

func readRegister(s *labelling.State, topo *topology.State, known uint64, day bitemporal.Date) *register {
	g := &register{
		s: s, topo: topo, known: known, day: day,
		held:      make([]*held, 0, s.Labels.Len()),
		byHolder:  make(map[string][]*held),
		byID:      make(map[string]*held, s.Labels.Len()),
		byNetwork: make(map[string][]*site),
		sites:     make(map[siteKey]*site),
		present:   make(map[string][]*site),
		networks:  make(map[string][]naming),
		filieres:  labelling.NamesOfFilieres(topo, known),
		platforms: make(map[string][]string),
		hospitals: make(map[string][]string),
		cores:     make(map[string][]string),
		places:    make(map[string]*whereabouts),
		folded:    make(map[string]string),
	}
	g.readLabels()
	g.readNames()
	return g
}

func (g *register) readLabels() {
	for id := range g.s.Labels.IDs() {
		l, ok := g.s.Label(id, g.known)
		if !ok {
			continue
		}
		h := &held{Label: l, reg: g}
		g.held = append(g.held, h)
		g.byID[id] = h
		printed := l.GetHolder().GetSite()
		if printed == nil {
			holder := labelling.HolderID(l.GetHolder())
			g.byHolder[holder] = append(g.byHolder[holder], h)
			continue
		}
		key := siteKey{printed.GetCentreId(), printed.GetNetworkId()}
		st, ok := g.sites[key]
		if !ok {
			st = &site{id: printed.GetSiteId(), key: key}
			g.sites[key] = st
			g.byNetwork[key.network] = append(g.byNetwork[key.network], st)
		}
		h.site = st
		st.labels = append(st.labels, h)
	}
}

func (g *register) readNames() {
	for id := range g.topo.Networks.IDs() {
		now, _ := g.network(id)
		for _, v := range g.topo.Networks.Versions(id, g.known) {
			g.named(v.Value.GetTitle(), id, byTitle, now.GetTitle())
			g.named(v.Value.GetAcronym(), id, byAcronym, now.GetAcronym())
		}
	}
	for id := range g.topo.Platforms.IDs() {
		for _, v := range g.topo.Platforms.Versions(id, g.known) {
			enter(g.platforms, g.fold(v.Value.GetName()), id)
		}
	}
	for id := range g.topo.Establishments.IDs() {
		for _, v := range g.topo.Establishments.Versions(id, g.known) {
			name := v.Value.GetName()
			enter(g.hospitals, g.fold(name), id)
			enter(g.cores, g.core(name), id)
			if _, part, ok := strings.Cut(name, ","); ok {
				enter(g.cores, g.core(part), id)
			}
		}
	}
}

// named enters a name of a network, the present one or a former one.
func (g *register) named(name, id, reason, present string) {
	folded := g.title(name)
	if folded == "" {
		return
	}
	if folded != g.title(present) {
		reason = byFormerName
	}
	n := naming{id, reason}
	if !slices.Contains(g.networks[folded], n) {
		g.networks[folded] = append(g.networks[folded], n)
	}
}

func enter(index map[string][]string, key, id string) {
	if key != "" && !slices.Contains(index[key], id) {
		index[key] = append(index[key], id)
	}
}

func (g *register) fold(s string) string {
	if s == "" {
		return ""
	}
	folded, ok := g.folded[s]
	if !ok {
		folded = identifier.Fold(s)
		g.folded[s] = folded
	}
	return folded
}

// network is a network as it is on the day of the act or, where it is not there yet or
// the act has no day, as it is known last.
func (g *register) network(id string) (*topologyv1.Network, bool) {
	if n, ok := g.topo.Networks.At(id, g.day, g.known); ok {
		return n, true
	}
	return g.topo.Networks.Last(id, g.known)
}

func (g *register) filiereName(id string) string {
	f, _ := g.topo.Filieres.Last(id, g.known)
	if f.GetAcronym() != "" {
		return f.GetAcronym()
	}
	return f.GetName()
}

func (g *register) networkName(id string) string {
	n, _ := g.network(id)
	if n.GetAcronym() != "" {
		return n.GetAcronym()
	}
	return n.GetTitle()
}

// presentSites are the sites of a network that something may still be decided of.
func (g *register) presentSites(id string) []*site {
	sites, ok := g.present[id]
	if !ok {
		for _, st := range g.byNetwork[id] {
			if slices.ContainsFunc(st.labels, (*held).open) {
				sites = append(sites, st)
			}
		}
		g.present[id] = sites
	}
	return sites
}

// lineage is networks and those whose place they took, all the way back.
func (g *register) lineage(ids ...string) []string {
	var all []string
	for len(ids) > 0 {
		id := ids[0]
		ids = ids[1:]
		if slices.Contains(all, id) {
			continue
		}
		all = append(all, id)
		if n, ok := g.topo.Networks.Last(id, g.known); ok {
			ids = append(ids, n.GetPredecessorIds()...)
		}
	}
	return all
}

// heirs are those that are there on the day of the act in the place of an entity:
// itself, unless it was succeeded.
func heirs(id string, successors func(string) []string) []string {
	if len(successors(id)) == 0 {
		return []string{id}
	}
	var present []string
	seen := map[string]bool{}
	for todo := []string{id}; len(todo) > 0; {
		id, todo = todo[0], todo[1:]
		if seen[id] {
			continue
		}
		seen[id] = true
		if next := successors(id); len(next) > 0 {
			todo = append(todo, next...)
		} else {
			present = append(present, id)
		}
	}
	return present
}

func (g *register) networkSuccessors(id string) []string {
	n, _ := g.topo.Networks.Last(id, g.known)
	return g.inPlace(n.GetClosedFrom(), n.GetSuccessorIds())
}

func (g *register) centreSuccessors(id string) []string {
	c, _ := g.topo.Centres.Last(id, g.known)
	return g.inPlace(c.GetClosedFrom(), c.GetSuccessorIds())
}

// inPlace are the successors that took a place by the day of the act: none of something
// that closes later, which the act still finds there.
func (g *register) inPlace(closedFrom string, successors []string) []string {
	if first, _, err := bitemporal.Span(closedFrom); err == nil && first > g.day {
		return nil
	}
	return successors
}

// statusAt is the status on the day of the act.
func (h *held) statusAt() labellingv1.Status {
	if !h.asked {
		h.asked = true
		h.status, _ = h.reg.s.StatusAt(h.GetLabelId(), min(h.reg.day, bitemporal.Future-1), h.reg.known, h.reg.topo)
	}
	return h.status
}

// open reports whether something may still be decided of a label: nothing goes on from
// it, no decision ended it, and on the day of the act it is in force, in abeyance, or
// nobody knows.
func (h *held) open() bool {
	if h.GetSuccessorId() != "" || h.GetRepealedFrom() != "" || h.GetVoided() || h.GetWithdrawn() || h.GetAnnulled() || h.GetLapsedFrom() != "" {
		return false
	}
	switch h.statusAt() {
	case labellingv1.Status_STATUS_IN_FORCE, labellingv1.Status_STATUS_EXTENDED, labellingv1.Status_STATUS_SUSPENDED,
		labellingv1.Status_STATUS_IN_ABEYANCE, labellingv1.Status_STATUS_UNDETERMINED, labellingv1.Status_STATUS_PLANNED:
		return true
	}
	return false
}

// undone reports whether a label never was: nothing more can be done to it.
func (h *held) undone() bool {
	return h.GetVoided() || h.GetWithdrawn() || h.GetAnnulled() && h.GetAnnulledFrom() == ""
}

// pastTerm reports whether the term of a label is certainly reached on the day.
func (h *held) pastTerm() bool {
	end := h.term().To
	return end != bitemporal.Future && h.reg.day >= end
}

// term is the days on which a label may be in its term.
func (h *held) term() bitemporal.Interval {
	term := bitemporal.Interval{From: bitemporal.Past, To: bitemporal.Future}
	if first, _, err := bitemporal.Span(h.GetPeriod().GetStart()); err == nil {
		term.From = first
	}
	if first, last, err := bitemporal.Span(h.GetPeriod().GetEnd()); err == nil && last != bitemporal.Future {
		if first != last {
			last++ // a month or year: over once it is past
		}
		term.To = last
	}
	return term
}

// networkID is the network of whoever holds a label, empty for filières and platforms.
func (h *held) networkID() string {
	if h.site != nil {
		return h.site.key.network
	}
	return h.GetHolder().GetNetworkId()
}

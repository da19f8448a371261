package plan

import (
	"cmp"
	"slices"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/topology"
)

// closing is entities that close, and those that take their place.
type closing struct {
	before, after []string
	line          *line // the first one that says so
}

// closings are the networks and the teams that the act closes. What is split closes once,
// for all that come after it. called is the id or the name of one that comes after.
func (r *Reckoning) closings(called func(name, minted string) string) (networks, teams []closing) {
	for _, n := range r.networks {
		if n.used && len(n.succeeds) > 0 {
			networks = together(networks, closing{n.succeeds, []string{called(n.name, n.minted)}, n.lines[0]})
		}
	}
	for _, h := range r.heirs {
		teams = together(teams, closing{h.before, []string{called(h.after.name, h.after.minted)}, h.after.line})
	}
	return networks, teams
}

func named(name, _ string) string    { return name }
func minted(_, minted string) string { return minted }

// together adds a closing to others, as one with those that close any of the same.
func together(all []closing, one closing) []closing {
	var apart []closing
	for _, c := range all {
		if !slices.ContainsFunc(c.before, func(id string) bool { return slices.Contains(one.before, id) }) {
			apart = append(apart, c)
			continue
		}
		before := slices.Clone(c.before)
		for _, id := range one.before {
			if !slices.Contains(before, id) {
				before = append(before, id)
			}
		}
		one = closing{before, slices.Concat(c.after, one.after), c.line}
	}
	return append(apart, one)
}

// heirsOf leads from each of those that close to those that take its place.
func heirsOf(closings ...closing) map[string][]string {
	after := make(map[string][]string)
	for _, c := range closings {
		for _, id := range c.before {
			after[id] = c.after
		}
	}
	return after
}

// instead is who goes on in the place of one: itself, unless it closes.
func instead(after map[string][]string, id string) []string {
	if next, closes := after[id]; closes {
		return next
	}
	return []string{id}
}

// collaborator is a centre that loses its label in a network and goes on as a
// collaborator of it, both as they are before the act.
type collaborator struct {
	centre, network string
	from            string
	line            *line    // that takes the first label; nil for one that is left out
	labels          []string // that it loses
}

// link is what a collaborator holds by, once others took the place of what the act closes.
func (c *collaborator) link(after map[string][]string) *topologyv1.Link {
	return &topologyv1.Link{
		Kind:   topologyv1.LinkKind_LINK_KIND_COLLABORATES,
		FromId: instead(after, c.centre)[0], ToId: instead(after, c.network)[0],
		Period: &eventv1.Period{Start: c.from},
	}
}

// carryLinks are the facts of the links that the act moves and ends, and those of the
// links of its collaborators.
func (r *Reckoning) carryLinks(mint func() string, after map[string][]string) (carried, declared []*topologyv1.Event) {
	beside := make([]*topologyv1.Link, len(r.collaborators))
	for i, c := range r.collaborators {
		beside[i] = c.link(after)
	}
	return topology.CarryLinks(r.reg.topo, r.reg.known, mint, after, r.Plan.GetEffectiveDate(), beside...)
}

// linkEffects finds the centres that go on as collaborators, and writes what the act does
// to links.
func (r *Reckoning) linkEffects() {
	networks, teams := r.closings(named)
	after := heirsOf(slices.Concat(networks, teams)...)
	r.readCollaborators(after)
	carried, declared := r.carryLinks(func() string { return r.freshName("link") }, after)
	for i, e := range carried {
		if e.GetLinkEnded() == nil {
			continue
		}
		l, _ := r.reg.topo.Links.Last(e.GetLinkEnded().GetLinkId(), r.reg.known)
		var becomes []string
		for _, next := range carried[i+1:] {
			if next.GetLinkEnded() != nil {
				break
			}
			f := next.GetLinkDeclared()
			becomes = append(becomes, r.linkText(&topologyv1.Link{
				Kind: f.GetKind(), FromId: f.GetFromId(), ToId: f.GetToId(), Code: f.GetCode(), NetworkId: f.GetNetworkId(),
			}))
		}
		effect := &labellingv1.TopologyEffect{
			Kind: labellingv1.TopologyEffectKind_TOPOLOGY_EFFECT_KIND_LINK_ENDED, EntityKind: "link", Entity: l.GetLinkId(), Name: r.linkText(l),
		}
		if len(becomes) > 0 {
			effect.Kind = labellingv1.TopologyEffectKind_TOPOLOGY_EFFECT_KIND_LINK_MOVED
			effect.Before, effect.Name = []string{effect.Name}, joined(", ", slices.Compact(becomes)...)
		}
		r.Plan.Topology = append(r.Plan.Topology, effect)
	}
	for _, c := range r.collaborators {
		l := c.link(after)
		name := joined(" – ", r.calledOf(l.GetFromId()), r.calledOf(l.GetToId()))
		if !slices.ContainsFunc(declared, func(e *topologyv1.Event) bool { return says(e, l) }) {
			r.warn(c.line, "COLLABORATOR_ALREADY", "It collaborates already, and nothing is declared: %q.", name)
			continue
		}
		effect := &labellingv1.TopologyEffect{
			Kind:       labellingv1.TopologyEffectKind_TOPOLOGY_EFFECT_KIND_COLLABORATES,
			EntityKind: "centre", Entity: l.GetFromId(), Name: name, Before: c.labels,
		}
		if c.line != nil {
			effect.Line = c.line.at
		}
		r.Plan.Topology = append(r.Plan.Topology, effect)
	}
}

// says reports whether a link is declared with the ends of another.
func says(e *topologyv1.Event, l *topologyv1.Link) bool {
	f := e.GetLinkDeclared()
	return f.GetFromId() == l.GetFromId() && f.GetToId() == l.GetToId()
}

// readCollaborators finds the centres that go on as collaborators. A label is named that
// the act takes from a centre; in the same network the centre keeps none, and both are
// there after the act, or one in their place.
func (r *Reckoning) readCollaborators(after map[string][]string) {
	lost := make(map[string]*labellingv1.Effect)
	for _, e := range r.Plan.GetEffects() {
		switch e.GetDisposition() {
		case lapsed, expired, withdrawn, repealed:
			lost[e.GetLabelId()] = e
		}
	}
	var keeps map[siteKey]bool
	for _, id := range r.annex.GetCollaboratorLabelIds() {
		e, h := lost[id], r.reg.byID[id]
		switch {
		case e == nil && h != nil && r.kept[id] && len(r.Plan.GetQuestions()) > 0:
			continue // the answers will tell
		case e == nil:
			r.refuse(nil, "COLLABORATOR_NOT_LAPSED", "The act takes no label %q from a centre, which could go on as a collaborator.", id)
			continue
		case h.site == nil:
			r.refuse(nil, "COLLABORATOR_NO_CENTRE", "It is not a centre that holds label %q: only one can collaborate with a network.", id)
			continue
		}
		c := r.collaborator(h, e)
		if keeps == nil {
			keeps = r.keptSites(after)
		}
		switch {
		case c == nil || len(instead(after, c.centre)) != 1 || len(instead(after, c.network)) != 1:
			r.refuse(nil, "COLLABORATOR_CLOSED", "The centre of label %q or its network closes, and none or several take its place: declare who collaborates with whom.", id)
		case keeps[siteKey{instead(after, c.centre)[0], instead(after, c.network)[0]}]:
			r.refuse(nil, "COLLABORATOR_LABELLED", "The centre of label %q keeps a label in the same network, where a collaborator has none.", id)
		default:
			r.collaborate(c, after)
		}
	}
}

// collaborator is the centre that loses a label, with its network, as they are before the
// act; nil where one of them is closed by then.
func (r *Reckoning) collaborator(h *held, e *labellingv1.Effect) *collaborator {
	c := &collaborator{from: r.Plan.GetEffectiveDate(), labels: []string{h.GetLabelId()}}
	if e.GetLine() != 0 {
		c.line = r.lines[e.GetLine()-1]
	} else if e.GetDisposition() == repealed {
		c.from = cmp.Or(r.annex.GetScopeDate(), c.from)
	}
	centres, networks := heirs(h.site.key.centre, r.reg.centreSuccessors), heirs(h.site.key.network, r.reg.networkSuccessors)
	if len(centres) != 1 || len(networks) != 1 {
		return nil
	}
	c.centre, c.network = centres[0], networks[0]
	day, _, err := bitemporal.Span(c.from)
	if err != nil || !r.reg.topo.InForce(c.link(nil), min(max(day, r.reg.day), bitemporal.Future-1), r.reg.known) {
		return nil
	}
	return c
}

// collaborate enters a collaborator, once for all labels that it loses in the network.
func (r *Reckoning) collaborate(c *collaborator, after map[string][]string) {
	for _, other := range r.collaborators {
		if a, b := other.link(after), c.link(after); a.GetFromId() == b.GetFromId() && a.GetToId() == b.GetToId() {
			other.labels = append(other.labels, c.labels...)
			return
		}
	}
	r.collaborators = append(r.collaborators, c)
}

// keptSites are the centres with the networks that they have a label in after the act,
// certainly or perhaps.
func (r *Reckoning) keptSites(after map[string][]string) map[siteKey]bool {
	keeps := make(map[siteKey]bool)
	over := make(map[string]bool)
	for _, e := range r.Plan.GetEffects() {
		switch e.GetDisposition() {
		case lapsed, expired, withdrawn, repealed, annulled, renewed:
			over[e.GetLabelId()] = true
		}
	}
	for _, h := range r.reg.held {
		if h.site == nil || over[h.GetLabelId()] || !h.open() {
			continue
		}
		for _, centre := range heirs(h.site.key.centre, r.reg.centreSuccessors) {
			for _, network := range heirs(h.site.key.network, r.reg.networkSuccessors) {
				for _, c := range instead(after, centre) {
					for _, n := range instead(after, network) {
						keeps[siteKey{c, n}] = true
					}
				}
			}
		}
	}
	for _, l := range r.lines {
		if l.does != granted && l.does != renewed {
			continue
		}
		if l.team != nil && l.network != nil {
			keeps[siteKey{l.team.name, l.network.name}] = true
		} else if l.label != nil && l.label.site != nil {
			keeps[l.label.site.key] = true
		}
	}
	return keeps
}

// linkText is a link for reading: its kind, and what it holds together.
func (r *Reckoning) linkText(l *topologyv1.Link) string {
	ends := []string{r.calledOf(l.GetFromId()), cmp.Or(l.GetCode(), r.calledOf(l.GetToId()))}
	if id := l.GetNetworkId(); id != "" {
		ends = append(ends, r.calledOf(id))
	}
	return joined(" ", l.GetKind().String(), joined(" – ", ends...))
}

// calledOf is what an entity is called, for reading: one that the act creates as its
// line prints it.
func (r *Reckoning) calledOf(id string) string {
	for _, l := range r.lines {
		switch {
		case l.network != nil && l.network.id == "" && l.network.name == id:
			return cmp.Or(l.network.acronym, l.network.title, id)
		case l.team != nil && l.team.id == "" && l.team.name == id:
			return cmp.Or(joined(", ", l.in.GetEstablishment(), l.in.GetCity()), id)
		}
	}
	topo, known := r.reg.topo, r.reg.known
	if _, is := topo.Networks.Last(id, known); is {
		return cmp.Or(r.reg.networkName(id), id)
	}
	if _, is := topo.Filieres.Last(id, known); is {
		return cmp.Or(r.reg.filiereName(id), id)
	}
	if p, is := topo.Platforms.Last(id, known); is {
		return cmp.Or(p.GetName(), id)
	}
	if e, is := topo.Establishments.Last(id, known); is {
		return cmp.Or(e.GetName(), id)
	}
	establishment, city := r.reg.placeName(id)
	return cmp.Or(joined(", ", establishment, city), id)
}

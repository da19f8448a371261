package plan

import (
	"slices"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
)

// identifyMoved looks beyond the network of a line for its team. One that heads the same
// person at the same place, and whose label in another network no line restates, may have
// moved with the line, or the person may head a new team: that is asked. What the officer
// answered of such a team goes on from its label there.
func (r *Reckoning) identifyMoved() {
	var open []*line
	var gone map[string][]*candidate
	for _, l := range r.lines {
		if l.network == nil || l.known == labellingv1.Identity_IDENTITY_UNSPECIFIED || l.known == labellingv1.Identity_IDENTITY_PRESUMED {
			continue
		}
		if gone == nil { // before any answer takes one
			gone = r.goneByHead()
		}
		switch {
		case len(l.labels) > 0: // it goes on from one of its network
		case l.known != labellingv1.Identity_IDENTITY_NEW:
			r.goOnFrom(l, r.movedTo(l, gone))
		case len(r.answer(l, labellingv1.Subject_SUBJECT_CENTRE)) == 0:
			open = append(open, l)
		}
	}
	for _, l := range open {
		if edges := slices.DeleteFunc(r.movedTo(l, gone), func(e *edge) bool { return e.c.taken }); len(edges) > 0 {
			l.team, l.known = nil, labellingv1.Identity_IDENTITY_UNSPECIFIED
			r.askTeam(l, edges)
		}
	}
}

// goneByHead are the teams with labels that no line restates and that something may
// still be decided of, by their heads.
func (r *Reckoning) goneByHead() map[string][]*candidate {
	restated := make(map[string]bool)
	for _, l := range r.lines {
		for _, h := range l.labels {
			restated[h.GetLabelId()] = true
		}
	}
	for _, a := range r.annex.GetResolutions() {
		if a.GetSubject() == labellingv1.Subject_SUBJECT_LABEL {
			restated[a.GetEntityId()] = true
		}
	}
	gone, teams := make(map[string][]*candidate), make(map[siteKey]*candidate)
	for _, h := range r.reg.held {
		if h.site == nil || restated[h.GetLabelId()] || r.kept[h.GetLabelId()] || !h.open() {
			continue
		}
		heads := r.headsOf(h)
		if len(heads) == 0 {
			continue
		}
		for _, centre := range heirs(h.site.key.centre, r.reg.centreSuccessors) {
			key := siteKey{centre, h.site.key.network}
			c := teams[key]
			if c == nil {
				c = &candidate{centre: centre, elsewhere: key.network}
				teams[key] = c
			}
			c.labels = append(c.labels, h)
			for _, head := range heads {
				if !slices.Contains(gone[head], c) {
					gone[head] = append(gone[head], c)
				}
			}
		}
	}
	return gone
}

// movedTo are the teams of other networks that a line may be: those of its head, surely
// at its place, and not of another population. One that another line of its network is
// already is not among them.
func (r *Reckoning) movedTo(l *line, gone map[string][]*candidate) []*edge {
	var edges []*edge
	for _, head := range r.reg.people(l.in.GetHeads()...) {
		for _, c := range gone[head] {
			there := slices.ContainsFunc(l.network.lines, func(o *line) bool { return o != l && o.team != nil && o.team.id == c.centre })
			known := slices.ContainsFunc(edges, func(e *edge) bool { return e.c == c })
			if there || known || slices.Contains(l.network.lineage, c.elsewhere) {
				continue
			}
			if e := r.edge(l, c); e != nil && e.sure {
				edges = append(edges, e)
			}
		}
	}
	return edges
}

// goOnFrom lets a line go on from the labels, in other networks, of the team that the
// officer answered. One that the act does not leave out stays beside: a team can hold
// labels in several networks. Where nobody knows the team, none of them is lost.
func (r *Reckoning) goOnFrom(l *line, edges []*edge) {
	sc := readScope(r.annex)
	for _, e := range edges {
		switch {
		case l.unsure:
			r.keep(e.c.labels)
		case l.team != nil && slices.Contains(l.team.succeeds, e.c.centre):
			e.c.taken = true
			l.labels = append(l.labels, e.c.labels...)
		case l.team != nil && l.team.id == e.c.centre:
			e.c.taken = true
			for _, h := range e.c.labels {
				if r.leftOut(h, sc, nil) != unstated {
					l.labels = append(l.labels, h)
				}
			}
		}
	}
}

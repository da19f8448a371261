package plan

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/identifier"
)

// team is the centre of a line: one that is registered, or one that would be.
type team struct {
	id       string
	name     string // in the effects
	minted   string // once it is applied
	line     *line
	succeeds []string // centres whose place it takes
}

// succession is a team that takes the place of others.
type succession struct {
	before []string
	after  *team
}

// candidate is a team that a line may be.
type candidate struct {
	centre    string
	elsewhere string // the network of its labels, where it is not that of the line
	labels    []*held
	edges     []*edge
	taken     bool
}

// edge says that a line may be a team.
type edge struct {
	l       *line
	c       *candidate
	sure    bool // of the place
	head    bool // heads bear one name
	dropped bool
}

// identifyTeams finds the team of each line among those of the lineage of its network,
// and asks where it may be one of another network.
func (r *Reckoning) identifyTeams() {
	for _, n := range r.networks {
		candidates := r.teamsOf(n)
		if n.identity == labellingv1.Identity_IDENTITY_UNSPECIFIED || n.identity == labellingv1.Identity_IDENTITY_UNDETERMINED {
			continue
		}
		var open []*line
		for _, l := range n.lines {
			if len(l.spot.candidates) > 0 {
				r.askHospital(l, candidates)
			} else if !r.answerTeam(l, candidates) {
				open = append(open, l)
			}
		}
		edges := make(map[*line][]*edge, len(open))
		for _, l := range open {
			edges[l] = r.edgesOf(l, candidates)
		}
		r.match(open, edges)
		for _, l := range open {
			if l.team == nil {
				edges[l] = append(live(edges[l]), r.kin(l, candidates)...)
			}
		}
		for _, l := range open {
			r.concludeTeam(l, edges[l])
		}
	}
	r.identifyMoved()
}

// teamsOf are the teams that ever had a label in the lineage of a network or, where
// others took their place, those.
func (r *Reckoning) teamsOf(n *network) []*candidate {
	var all []*candidate
	byCentre := make(map[string]*candidate)
	for _, id := range n.lineage {
		for _, st := range r.reg.byNetwork[id] {
			for _, centre := range heirs(st.key.centre, r.reg.centreSuccessors) {
				c, ok := byCentre[centre]
				if !ok {
					c = &candidate{centre: centre}
					byCentre[centre] = c
					all = append(all, c)
				}
				c.labels = append(c.labels, st.labels...)
			}
		}
	}
	return all
}

// askHospital asks which of several hospitals is printed, once for all lines that print
// it.
func (r *Reckoning) askHospital(l *line, candidates []*candidate) {
	l.asked = true
	for _, c := range candidates {
		for _, id := range l.spot.candidates {
			there := &spot{hospital: id, town: l.spot.town, seat: r.reg.townOf(id)}
			if sure, _ := r.reg.whereaboutsOf(c.centre).at(there); sure {
				r.keep(c.labels)
			}
		}
	}
	if l.spot.asked {
		return
	}
	l.spot.asked = true
	named := make([]*labellingv1.Candidate, 0, len(l.spot.candidates))
	for _, id := range l.spot.candidates {
		e, _ := r.reg.topo.Establishments.Last(id, r.reg.known)
		reason := byName
		if e.GetFiness() != "" && e.GetFiness() == l.in.GetFiness() {
			reason = byFINESS
		}
		named = append(named, &labellingv1.Candidate{
			EntityId: id, Label: joined(", ", e.GetName(), e.GetPlace().GetCity()), Reasons: []string{reason},
		})
	}
	r.ask(l, labellingv1.Subject_SUBJECT_ESTABLISHMENT, named)
}

// answerTeam takes what the officer answered about the team of a line.
func (r *Reckoning) answerTeam(l *line, candidates []*candidate) bool {
	answered := false
	for _, a := range r.answer(l, labellingv1.Subject_SUBJECT_CENTRE) {
		known := false
		if a.GetEntityId() != "" {
			_, known = r.reg.topo.Centres.Last(a.GetEntityId(), r.reg.known)
		}
		identity := a.GetIdentity()
		switch {
		case answered && (identity != l.known || identity != labellingv1.Identity_IDENTITY_SUCCESSOR):
			r.refuse(l, "RESOLUTION_CONTRADICTORY", "The line has two answers about its centre.")
			continue
		case identity == labellingv1.Identity_IDENTITY_NEW:
			l.team = &team{line: l}
		case identity == labellingv1.Identity_IDENTITY_UNDETERMINED:
			l.unsure = true
			for _, c := range candidates {
				if e := r.edge(l, c); e != nil || l.spot.nowhere() {
					r.keep(c.labels)
				}
			}
		case !known:
			r.refuse(l, "RESOLUTION_UNKNOWN", "The answer names no centre: %q.", a.GetEntityId())
			continue
		case identity == labellingv1.Identity_IDENTITY_SUCCESSOR && len(r.reg.centreSuccessors(a.GetEntityId())) > 0:
			r.refuse(l, "CENTRE_CLOSED", "Others took the place of centre %s already.", a.GetEntityId())
			continue
		case identity == labellingv1.Identity_IDENTITY_SUCCESSOR:
			if l.team == nil {
				l.team = &team{line: l}
			}
			l.team.succeeds = append(l.team.succeeds, a.GetEntityId())
		default:
			identity = labellingv1.Identity_IDENTITY_SAME
			l.team = &team{id: a.GetEntityId(), line: l}
		}
		answered, l.known = true, identity
		for _, c := range candidates {
			if c.centre == a.GetEntityId() {
				c.taken = true
				l.labels = append(l.labels, c.labels...)
			}
		}
	}
	return answered
}

// edgesOf are the teams that a line may be: at its place, and not of another population.
// A line without any place may be each.
func (r *Reckoning) edgesOf(l *line, candidates []*candidate) []*edge {
	var edges []*edge
	for _, c := range candidates {
		if c.taken {
			continue
		}
		if e := r.edge(l, c); e != nil {
			edges = append(edges, e)
			c.edges = append(c.edges, e)
		}
	}
	return edges
}

func (r *Reckoning) edge(l *line, c *candidate) *edge {
	w := r.reg.whereaboutsOf(c.centre)
	sure, perhaps := w.at(l.spot)
	if !sure && !perhaps && !l.spot.nowhere() || contradict(l.in.GetPopulation(), w.population) {
		return nil
	}
	return &edge{l: l, c: c, sure: sure}
}

// contradict reports whether a team that follows the one cannot be one that follows the
// other.
func contradict(a, b topologyv1.Population) bool {
	child, adult := topologyv1.Population_POPULATION_CHILD, topologyv1.Population_POPULATION_ADULT
	return a == child && b == adult || a == adult && b == child
}

// match presumes what is one to one, then what heads tell apart, and again what is left.
func (r *Reckoning) match(lines []*line, edges map[*line][]*edge) {
	for again := true; again; {
		again = false
		for _, l := range lines {
			if left := live(edges[l]); l.team == nil && len(left) == 1 && left[0].sure && len(live(left[0].c.edges)) == 1 {
				r.presume(left[0], edges)
				again = true
			}
		}
		if again {
			continue
		}
		for _, l := range lines {
			if l.team != nil || len(edges[l]) == 0 {
				continue
			}
			if e := r.byHead(l, edges); e != nil {
				r.presume(e, edges)
				again = true
			}
		}
	}
}

func live(edges []*edge) []*edge {
	return slices.DeleteFunc(slices.Clone(edges), func(e *edge) bool { return e.dropped })
}

// byHead returns the one team whose head bears the name of the line's, where that is so
// for no other line.
func (r *Reckoning) byHead(l *line, edges map[*line][]*edge) (only *edge) {
	for _, e := range live(edges[l]) {
		e.head = r.sameHead(l, e.c)
		if e.head && only != nil {
			return nil
		}
		if e.head {
			only = e
		}
	}
	if only == nil || !only.sure {
		return nil
	}
	for _, e := range live(only.c.edges) {
		if e != only && r.sameHead(e.l, only.c) {
			return nil
		}
	}
	return only
}

func (r *Reckoning) presume(e *edge, edges map[*line][]*edge) {
	e.l.team = &team{id: e.c.centre, line: e.l}
	e.l.known = labellingv1.Identity_IDENTITY_PRESUMED
	e.l.labels = e.c.labels
	e.c.taken = true
	for _, other := range edges[e.l] {
		other.dropped = true
	}
	for _, other := range e.c.edges {
		other.dropped = true
	}
}

// kin are the teams of its network that a line may be though its place is another one, and
// no line is: one whose head it prints, or that is at the group of its hospital, or at a
// hospital of its group, or of which the department alone is known.
func (r *Reckoning) kin(l *line, candidates []*candidate) []*edge {
	var edges []*edge
	for _, c := range candidates {
		gone := !c.taken && len(live(c.edges)) == 0 && slices.ContainsFunc(c.labels, (*held).open)
		if !gone || contradict(l.in.GetPopulation(), r.reg.whereaboutsOf(c.centre).population) {
			continue
		}
		if r.ofOneGroup(l, c) || r.sameHead(l, c) || r.sameDepartment(l, c) {
			edges = append(edges, &edge{l: l, c: c})
		}
	}
	return edges
}

// ofOneGroup reports whether one of a line and a team is at a hospital, and the other at
// the legal entity or the group that this belongs to, as the register has it or as the
// names tell.
func (r *Reckoning) ofOneGroup(l *line, c *candidate) bool {
	printed := []string{l.spot.hospital}
	if l.spot.fresh != nil { // its number may be that of its legal entity
		if n, err := identifier.FINESS(l.in.GetFiness()); err == nil {
			printed = r.reg.topo.ByFINESS(n, r.reg.known)
		}
	}
	return slices.ContainsFunc(r.reg.whereaboutsOf(c.centre).hospitals, func(id string) bool {
		return r.reg.sitesOfOne(l.in.GetEstablishment(), id) || slices.ContainsFunc(printed, func(one string) bool {
			return one == id || r.reg.belongs(one, id) || r.reg.belongs(id, one)
		})
	})
}

// sameDepartment reports whether a line is in the department of a team of which no more is
// known.
func (r *Reckoning) sameDepartment(l *line, c *candidate) bool {
	w := r.reg.whereaboutsOf(c.centre)
	printed := l.in.GetDepartmentCode()
	if printed == "" {
		e, _ := r.reg.topo.Establishments.Last(l.spot.hospital, r.reg.known)
		printed = e.GetPlace().GetDepartmentCode()
	}
	return len(w.hospitals) == 0 && printed != "" && slices.Contains(w.towns, r.reg.town("", printed))
}

// concludeTeam takes a line that may be no team of its network as a new one, and asks
// about any that may be one and was not presumed.
func (r *Reckoning) concludeTeam(l *line, edges []*edge) {
	if l.team != nil {
		return
	}
	left := live(edges)
	if len(left) == 0 {
		l.team, l.known = &team{line: l}, labellingv1.Identity_IDENTITY_NEW
		return
	}
	r.askTeam(l, left)
}

// askTeam asks which team a line is.
func (r *Reckoning) askTeam(l *line, edges []*edge) {
	candidates := make([]*labellingv1.Candidate, 0, len(edges))
	for _, e := range edges {
		r.keep(e.c.labels)
		candidates = append(candidates, r.candidate(l, e))
	}
	slices.SortStableFunc(candidates, func(a, b *labellingv1.Candidate) int {
		return cmp.Compare(len(b.GetReasons()), len(a.GetReasons()))
	})
	r.ask(l, labellingv1.Subject_SUBJECT_CENTRE, candidates)
}

func (r *Reckoning) candidate(l *line, e *edge) *labellingv1.Candidate {
	var reasons []string
	add := func(holds bool, reason string) {
		if holds {
			reasons = append(reasons, reason)
		}
	}
	w := r.reg.whereaboutsOf(e.c.centre)
	last := e.c.labels[len(e.c.labels)-1]
	add(e.sure, byPlace)
	add(w.population != topologyv1.Population_POPULATION_UNSPECIFIED && w.population == l.in.GetPopulation(), byPopulation)
	add(r.sameHead(l, e.c), byHead)
	add(r.ofOneGroup(l, e.c) && !e.sure, byGroup)
	add(last.GetRole() == l.role, byRole)
	add(e.c.elsewhere != "", byOtherNetwork)
	centre, _ := r.reg.topo.Centres.Last(e.c.centre, r.reg.known)
	establishment, city := r.reg.placeName(e.c.centre)
	return &labellingv1.Candidate{
		EntityId: e.c.centre,
		Label:    joined(", ", centre.GetName(), r.reg.networkName(e.c.elsewhere), establishment, city, last.GetRole().String(), last.GetPeriod().GetStart()),
		Reasons:  reasons,
	}
}

// sameHead reports whether a head printed on a line bears the name of one that a label
// of the team had.
func (r *Reckoning) sameHead(l *line, c *candidate) bool {
	if len(l.in.GetHeads()) == 0 {
		return false
	}
	printed := r.reg.people(l.in.GetHeads()...)
	return slices.ContainsFunc(c.labels, func(h *held) bool { return share(printed, r.headsOf(h)) })
}

func share(some, others []string) bool {
	return slices.ContainsFunc(some, func(name string) bool { return slices.Contains(others, name) })
}

// headsOf are the heads of a label's site: who holds that office now or, where nobody is
// known to, whom the label names; none where that is unknown.
func (r *Reckoning) headsOf(h *held) []string {
	if !h.headed {
		h.headed, h.heads = true, r.readHeads(h)
	}
	return h.heads
}

func (r *Reckoning) readHeads(h *held) []string {
	name := h.GetHead()
	if o := r.headOffice(h.GetHolder().GetSite().GetSiteId()); o.GetName() != nil {
		name = o.GetName()
	}
	if name.GetValueId() == "" {
		return nil
	}
	return r.reg.people(r.name(name.GetValueId()))
}

// people are the names of heads in the form in which they are compared, in order: an
// office, or a label, may name several.
func (g *register) people(names ...string) []string {
	var all []string
	for _, printed := range names {
		parts := []string{printed}
		if mayBeApart(printed) {
			parts = apart.Split(printed, -1)
		}
		for _, name := range parts {
			if p := g.person(name); p != "" && !slices.Contains(all, p) {
				all = append(all, p)
			}
		}
	}
	slices.Sort(all)
	return all
}

var apart = regexp.MustCompile(`[;/&\n]|\set\s`)

// mayBeApart tells, at little cost, whether a text may name several: few do.
func mayBeApart(printed string) bool {
	return strings.ContainsAny(printed, ";/&\n") || strings.Contains(printed, "et")
}

var titles = []string{"pr", "dr", "prof", "professeur", "professeure", "docteur", "docteure", "mme", "madame", "monsieur", "mr", "m", "interim"}

// person is a name in the form in which heads are compared: without titles, whatever
// stands first, the given name or the family's.
func (g *register) person(name string) string {
	key := "\x01" + name
	if person, ok := g.folded[key]; ok {
		return person
	}
	words := strings.Fields(g.words(name))
	words = slices.DeleteFunc(words, func(w string) bool { return slices.Contains(titles, w) })
	slices.Sort(words)
	person := strings.Join(words, " ")
	g.folded[key] = person
	return person
}

// useTeam says that a line does something to a label of its team.
func (r *Reckoning) useTeam(l *line) {
	t := l.team
	if t == nil || t.name != "" {
		return
	}
	if t.name = t.id; t.id != "" {
		return
	}
	t.name = r.freshName("centre")
	if h := l.spot.fresh; h != nil && h.name == "" {
		h.name = r.freshName("establishment")
	}
	if len(t.succeeds) > 0 {
		r.heirs = append(r.heirs, succession{t.succeeds, t})
	}
}

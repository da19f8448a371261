package plan

import (
	"cmp"
	"slices"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
)

// The dispositions, by their short names.
const (
	unstated     = labellingv1.Disposition_DISPOSITION_UNSPECIFIED
	granted      = labellingv1.Disposition_DISPOSITION_GRANTED
	renewed      = labellingv1.Disposition_DISPOSITION_RENEWED
	confirmed    = labellingv1.Disposition_DISPOSITION_CONFIRMED
	lapsed       = labellingv1.Disposition_DISPOSITION_LAPSED
	expired      = labellingv1.Disposition_DISPOSITION_EXPIRED
	repealed     = labellingv1.Disposition_DISPOSITION_REPEALED
	extended     = labellingv1.Disposition_DISPOSITION_EXTENDED
	withdrawn    = labellingv1.Disposition_DISPOSITION_WITHDRAWN
	amended      = labellingv1.Disposition_DISPOSITION_AMENDED
	undetermined = labellingv1.Disposition_DISPOSITION_UNDETERMINED
	toDecide     = labellingv1.Disposition_DISPOSITION_TO_DECIDE
	succeeded    = labellingv1.Disposition_DISPOSITION_SUCCEEDED
	suspended    = labellingv1.Disposition_DISPOSITION_SUSPENDED
	annulled     = labellingv1.Disposition_DISPOSITION_ANNULLED
)

// dispose says what a line does, and to which label.
func (r *Reckoning) dispose(l *line) {
	if !l.site() {
		r.findHolder(l)
	}
	beside := false
	if !l.asked && !l.unsure {
		l.label, beside = r.pick(l)
	}
	switch {
	case l.asked:
		l.does = unstated
	case l.unsure:
		l.does = undetermined
	default:
		l.does = r.disposition(l, beside)
		r.checkFate(l)
	}
	if l.asked || l.does == undetermined {
		r.keep(l.labels)
	}
	if l.label != nil {
		r.kept[l.label.GetLabelId()] = true
	}
	switch l.does {
	case granted, renewed:
		r.use(l.network)
		r.useTeam(l)
		l.period = r.windowOf(l)
	case confirmed, amended:
		r.use(l.network)
		r.useTeam(l)
	}
	r.effect(l)
}

// findHolder finds the filière or platform of a line that is about no site.
func (r *Reckoning) findHolder(l *line) {
	if l.role == labellingv1.Role_ROLE_FSMR {
		for _, printed := range []string{l.in.GetFiliere(), l.in.GetNetworkAcronym(), l.in.GetNetworkTitle()} {
			if id, ok := r.reg.filieres.Of(printed); ok {
				l.holder = &labellingv1.Holder{Holder: &labellingv1.Holder_FiliereId{FiliereId: id}}
				l.labels = r.reg.byHolder[id]
				return
			}
		}
	} else {
		kind := topologyv1.PlatformKind_PLATFORM_KIND_PEMR
		if l.role == labellingv1.Role_ROLE_PCOM {
			kind = topologyv1.PlatformKind_PLATFORM_KIND_PCOM
		}
		for _, printed := range []string{l.in.GetNetworkTitle(), l.in.GetNetworkAcronym(), l.in.GetEstablishment()} {
			ids := slices.DeleteFunc(slices.Clone(r.reg.platforms[r.reg.fold(printed)]), func(id string) bool {
				p, _ := r.reg.topo.Platforms.Last(id, r.reg.known)
				return p.GetKind() != kind
			})
			if len(ids) == 1 {
				l.holder = &labellingv1.Holder{Holder: &labellingv1.Holder_PlatformId{PlatformId: ids[0]}}
				l.labels = r.reg.byHolder[ids[0]]
				return
			}
		}
	}
	l.asked = true
	r.refuse(l, "HOLDER_UNKNOWN", "No filière or platform of this name is registered: register it first.")
}

// pick finds the label that a line goes on from, nil where there is none. beside says
// that the officer answered so.
func (r *Reckoning) pick(l *line) (label *held, beside bool) {
	if answers := r.answer(l, labellingv1.Subject_SUBJECT_LABEL); len(answers) > 0 {
		a := answers[len(answers)-1]
		switch a.GetIdentity() {
		case labellingv1.Identity_IDENTITY_NEW:
			return nil, true
		case labellingv1.Identity_IDENTITY_UNDETERMINED:
			l.unsure = true
			return nil, false
		}
		h, ok := r.reg.byID[a.GetEntityId()]
		if !ok || h.GetSuccessorId() != "" || h.undone() {
			r.refuse(l, "RESOLUTION_UNKNOWN", "The answer names no label that something can go on from: %q.", a.GetEntityId())
			return nil, false
		}
		return h, false
	}
	if act := r.annex.GetAmendsActId(); act != "" {
		for _, h := range slices.Backward(l.labels) {
			rests := slices.ContainsFunc(h.GetBasis(), func(b *eventv1.Basis) bool { return b.GetActId() == act })
			if rests && !h.undone() {
				return h, false
			}
		}
	}
	var open []*held
	for _, h := range l.labels {
		if h.open() {
			open = append(open, h)
		}
	}
	if len(open) <= 1 {
		if len(open) == 1 {
			return open[0], false
		}
		return nil, false
	}
	candidates := make([]*labellingv1.Candidate, 0, len(open))
	for _, h := range open {
		c := &labellingv1.Candidate{
			EntityId: h.GetLabelId(),
			Label:    joined(", ", h.GetRole().String(), h.GetPeriod().GetStart(), h.GetPeriod().GetEnd()),
		}
		if h.GetRole() == l.role {
			c.Reasons = append(c.Reasons, byRole)
		}
		candidates = append(candidates, c)
	}
	slices.SortStableFunc(candidates, func(a, b *labellingv1.Candidate) int {
		return cmp.Compare(len(b.GetReasons()), len(a.GetReasons()))
	})
	r.ask(l, labellingv1.Subject_SUBJECT_LABEL, candidates)
	return nil, false
}

// disposition is what a line does to the label found. What the line says itself wins,
// where it can be done.
func (r *Reckoning) disposition(l *line, beside bool) labellingv1.Disposition {
	found := granted
	switch {
	case l.label != nil && r.sameCampaign(l):
		found = confirmed
	case l.label != nil:
		found = renewed
	}
	stated := l.in.GetDisposition()
	switch stated {
	case unstated:
		return found
	case undetermined:
		return undetermined
	case toDecide, succeeded:
		r.refuse(l, "DISPOSITION_MISPLACED", "A line cannot do that to a label.")
		return undetermined
	case granted:
		if l.label != nil && !beside {
			r.warn(l, "DISPOSITION_OTHER", "The line grants a label where label %s goes on: it is granted beside.", l.label.GetLabelId())
			r.keep([]*held{l.label})
			l.label = nil
		}
		return granted
	case renewed, confirmed:
		if l.label == nil {
			r.warn(l, "DISPOSITION_OTHER", "The line goes on from a label, and none is known: it is granted.")
			return granted
		}
		if stated == renewed && l.label.GetSuccessorId() != "" {
			r.warn(l, "DISPOSITION_OTHER", "Label %s goes on already: it is confirmed.", l.label.GetLabelId())
			return confirmed
		}
		return stated
	}
	if l.label == nil {
		r.warn(l, "LABEL_NOT_FOUND", "No label is known that this could be done to: the line is kept as it is.")
		return undetermined
	}
	r.checkDays(l, stated)
	return stated
}

// checkFate refuses what cannot be done to a label that a decision ended, and an
// extension that moves no end later.
func (r *Reckoning) checkFate(l *line) {
	h := l.label
	if h == nil {
		return
	}
	switch l.does {
	case renewed, extended, repealed, lapsed, expired:
		if from := cmp.Or(h.GetRepealedFrom(), h.GetAnnulledFrom()); from != "" || h.GetSuccessorId() != "" {
			r.refuse(l, "LABEL_ENDED", "Label %s ended by a decision, or goes on in another.", h.GetLabelId())
		}
	}
	if l.does != extended {
		return
	}
	_, last, err := bitemporal.Span(h.GetPeriod().GetEnd())
	if until, err2 := bitemporal.ParseDate(l.in.GetPeriod().GetEnd()); err == nil && err2 == nil && last != bitemporal.Future && until <= last {
		r.refuse(l, "EXTENSION_NOT_LATER", "%s is not after the end of label %s, %s.", until, h.GetLabelId(), h.GetPeriod().GetEnd())
	}
}

// checkDays refuses an extension, a suspension or an annulment whose days are not full
// dates: from months no status follows.
func (r *Reckoning) checkDays(l *line, does labellingv1.Disposition) {
	p := l.in.GetPeriod()
	var days []string
	switch does {
	case extended:
		if p.GetEnd() == "" {
			r.refuse(l, "END_MISSING", "An extension says until when.")
		}
		days = []string{p.GetEnd()}
	case suspended:
		days = []string{p.GetStart(), p.GetEnd()}
		if p.GetStart() == "" && r.Plan.GetEffectiveDate() != "" { // else the line was checked
			r.checkPeriod(l, &eventv1.Period{Start: r.Plan.GetEffectiveDate(), End: p.GetEnd()})
		}
	case annulled:
		days = []string{p.GetEnd()}
	}
	for _, day := range days {
		if _, err := bitemporal.ParseDate(day); err != nil && day != "" {
			r.refuse(l, "DATE_INVALID", "%q is not a full date (YYYY-MM-DD).", day)
		}
	}
	r.checkTerm(l, does)
}

// checkTerm warns of a suspension, an annulment or a repeal on days that are not of the
// term of its label.
func (r *Reckoning) checkTerm(l *line, does labellingv1.Disposition) {
	p, term := l.in.GetPeriod(), l.label.term()
	outside := false
	switch does {
	case suspended:
		from, err := bitemporal.ParseDate(cmp.Or(p.GetStart(), r.Plan.GetEffectiveDate()))
		until, err2 := bitemporal.ParseDate(p.GetEnd())
		outside = err == nil && !term.Contains(from) || err2 == nil && until > term.To
	case annulled:
		from, err := bitemporal.ParseDate(p.GetEnd())
		outside = err == nil && (from <= term.From || from >= term.To)
	case repealed:
		outside = r.day != bitemporal.Future && (r.day <= term.From || r.day > term.To)
	}
	if outside {
		r.warn(l, "DAY_OUTSIDE_TERM", "It is done as printed, on days that are not of the term of label %s, %s to %s.",
			l.label.GetLabelId(), l.label.GetPeriod().GetStart(), l.label.GetPeriod().GetEnd())
	}
}

// sameCampaign reports whether a line restates its label, in the same cycle and role:
// the act of August says what that of May said.
func (r *Reckoning) sameCampaign(l *line) bool {
	if l.label.GetSuccessorId() != "" {
		return true // it rests on the act that is amended, and went on since
	}
	cycle := r.annex.GetCycleId()
	if cycle == "" || l.label.GetCycleId() != cycle || l.label.pastTerm() {
		return false
	}
	if site := l.label.site; site != nil && (l.team == nil || l.team.id != site.key.centre || l.network == nil || l.network.id != site.key.network) {
		return false
	}
	return agree(l.role, l.label.GetRole())
}

// agree reports whether a label of a role is what a line prints: the same or, where the
// line states less, one of those it may mean.
func agree(printed, role labellingv1.Role) bool {
	return printed == role || printed == labellingv1.Role_ROLE_UNSPECIFIED ||
		printed == labellingv1.Role_ROLE_REFERENCE && (role == labellingv1.Role_ROLE_COORDINATOR || role == labellingv1.Role_ROLE_CONSTITUTIVE)
}

// windowOf is that of the label a line begins: its own, else the act's. Where the label
// before it began no earlier, as when an act reclassifies what another one of the same
// campaign granted, it begins with the act.
func (r *Reckoning) windowOf(l *line) *eventv1.Period {
	p := l.in.GetPeriod()
	if p.GetStart() == "" && p.GetEnd() == "" {
		p = r.window
	}
	if p == nil || l.label == nil || l.does != renewed || p.GetStart() == "" {
		return p
	}
	before, _, err := bitemporal.Span(l.label.GetPeriod().GetStart())
	_, begins, err2 := bitemporal.Span(p.GetStart())
	if err != nil || err2 != nil || begins > before {
		return p
	}
	if r.day == bitemporal.Future || r.day <= before {
		r.warn(l, "WINDOW_NOT_AFTER", "The label begins no later than the one it goes on from, label %s.", l.label.GetLabelId())
		return p
	}
	return &eventv1.Period{Start: r.day.String(), End: p.GetEnd()}
}

// effect writes what a line does.
func (r *Reckoning) effect(l *line) {
	e := &labellingv1.Effect{
		Line: l.at, Sheet: l.in.GetSheet(), Row: l.in.GetRow(),
		Disposition:    l.does,
		Role:           l.role,
		Period:         l.period,
		CentreIdentity: l.known,
		Filiere:        l.in.GetFiliere(),
		NetworkTitle:   cmp.Or(l.in.GetNetworkAcronym(), l.in.GetNetworkTitle()),
		Establishment:  l.in.GetEstablishment(),
		City:           l.in.GetCity(),
	}
	if n := l.network; n != nil {
		e.Network, e.NetworkIdentity = cmp.Or(n.name, n.id), n.identity
	}
	if l.team != nil {
		e.Centre = cmp.Or(l.team.name, l.team.id)
		if e.GetEstablishment() == "" && l.team.id != "" {
			establishment, city := r.reg.placeName(l.team.id)
			e.Establishment, e.City = establishment, cmp.Or(e.GetCity(), city)
		}
	}
	if st, ok := r.siteOf(l); ok {
		e.SiteId = st.id
	}
	if h := l.label; h != nil {
		e.LabelId = h.GetLabelId()
		switch l.does {
		case renewed:
			e.Changes = r.changes(l)
		case confirmed:
			e.Changes, e.Role, e.Period = r.changes(l), h.GetRole(), h.GetPeriod()
		case amended:
			e.Changes, e.Period = r.changes(l), h.GetPeriod()
			if p := l.in.GetPeriod(); p != nil && (p.GetStart() != "" || p.GetEnd() != "") {
				e.Period = p
			}
			if l.role == labellingv1.Role_ROLE_UNSPECIFIED {
				e.Role = h.GetRole()
			}
		case extended:
			e.Role, e.Period = h.GetRole(), &eventv1.Period{Start: h.GetPeriod().GetStart(), End: l.in.GetPeriod().GetEnd()}
		default:
			e.Role, e.Period = h.GetRole(), h.GetPeriod()
		}
		if l.does != renewed && h.site != nil {
			e.SiteId = h.site.id
		}
	}
	l.effect = e
	r.Plan.Effects = append(r.Plan.Effects, e)
}

// siteOf is the site of a line, where a label opened it.
func (r *Reckoning) siteOf(l *line) (*site, bool) {
	if l.team == nil || l.network == nil || l.team.id == "" || l.network.id == "" {
		return nil, false
	}
	st, ok := r.reg.sites[siteKey{l.team.id, l.network.id}]
	return st, ok
}

// changes is what differs between a label and what a line prints of it.
func (r *Reckoning) changes(l *line) []*labellingv1.Change {
	var all []*labellingv1.Change
	add := func(field, before, after string) {
		if before != after {
			all = append(all, &labellingv1.Change{Field: field, Before: before, After: after})
		}
	}
	h := l.label
	says := l.does != amended || l.role != labellingv1.Role_ROLE_UNSPECIFIED
	if l.does == confirmed {
		says = !agree(l.role, h.GetRole())
	}
	if says {
		add("role", h.GetRole().String(), l.role.String())
	}
	if p := l.in.GetPeriod(); l.does == amended && p != nil && (p.GetStart() != "" || p.GetEnd() != "") {
		add("period", h.GetPeriod().GetStart()+"/"+h.GetPeriod().GetEnd(), p.GetStart()+"/"+p.GetEnd())
	}
	before, after := r.headsOf(h), r.reg.people(l.in.GetHeads()...)
	if len(before) > 0 && len(after) > 0 && !slices.Equal(before, after) {
		all = append(all, &labellingv1.Change{Field: "head"})
	}
	if h.site != nil && l.team != nil && l.network != nil {
		r.siteChanges(l, add)
	}
	return all
}

func (r *Reckoning) siteChanges(l *line, add func(field, before, after string)) {
	n, key := l.network, l.label.site.key
	if l.team.id != key.centre {
		add("holder", key.centre, l.team.name)
	}
	was, _ := r.reg.network(key.network)
	if n.id != key.network {
		add("network", r.reg.networkName(key.network), cmp.Or(n.acronym, n.title))
	} else if title, acronym := r.retitled(n); title != was.GetTitle() || acronym != was.GetAcronym() {
		add("title", joined(" - ", was.GetAcronym(), was.GetTitle()), joined(" - ", acronym, title))
	}
	if n.filiere != "" && n.filiere != was.GetFiliereId() {
		add("filiere", r.reg.filiereName(was.GetFiliereId()), r.reg.filiereName(n.filiere))
	}
	if l.team.id == "" {
		return
	}
	w := r.reg.whereaboutsOf(l.team.id)
	learns := w.learns(l)
	elsewhere := false
	if sure, _ := w.at(l.spot); !learns && !sure && !l.spot.nowhere() {
		elsewhere = true
		r.warn(l, "PLACE_OTHER", "The centre is registered elsewhere: where it moved is recorded apart.")
	}
	if elsewhere || learns {
		establishment, city := r.reg.placeName(l.team.id)
		add("place", joined(", ", establishment, city), joined(", ", l.in.GetEstablishment(), l.in.GetCity()))
	}
	if p := l.in.GetPopulation(); p != topologyv1.Population_POPULATION_UNSPECIFIED && w.population != topologyv1.Population_POPULATION_UNSPECIFIED {
		add("population", w.population.String(), p.String())
	}
}

// retitled is the title and acronym of a network that is registered, as they are after
// the act: as printed, where what is printed is another name and not another spelling,
// or the acronym where the title should be.
func (r *Reckoning) retitled(n *network) (title, acronym string) {
	now, _ := r.reg.network(n.id)
	title, acronym = now.GetTitle(), now.GetAcronym()
	known := []string{"", r.reg.title(title), r.reg.title(acronym)}
	if !slices.Contains(known, r.reg.title(n.title)) {
		title = n.title
	}
	if !slices.Contains(known, r.reg.title(n.acronym)) {
		acronym = n.acronym
	}
	return title, acronym
}

// topologyEffects writes what the act does to networks, centres and hospitals.
func (r *Reckoning) topologyEffects() {
	add := func(kind labellingv1.TopologyEffectKind, entityKind, entity, name string, before []string, l *line) {
		r.Plan.Topology = append(r.Plan.Topology, &labellingv1.TopologyEffect{
			Kind: kind, EntityKind: entityKind, Entity: entity, Name: name, Before: before, Line: l.at,
		})
	}
	for _, h := range r.newHospitals() {
		add(labellingv1.TopologyEffectKind_TOPOLOGY_EFFECT_KIND_CREATED, "establishment", h.name, h.printed, nil, h.line)
	}
	for _, n := range r.networks {
		switch {
		case !n.used:
		case n.id == "":
			add(labellingv1.TopologyEffectKind_TOPOLOGY_EFFECT_KIND_CREATED, "network", n.name, joined(" - ", n.acronym, n.title), nil, n.lines[0])
			if len(n.succeeds) > 0 {
				var before []string
				for _, id := range n.succeeds {
					before = append(before, r.reg.networkName(id))
				}
				add(labellingv1.TopologyEffectKind_TOPOLOGY_EFFECT_KIND_SUCCEEDED, "network", n.name, joined(" - ", n.acronym, n.title), before, n.lines[0])
			}
		default:
			now, _ := r.reg.network(n.id)
			if title, acronym := r.retitled(n); title != now.GetTitle() || acronym != now.GetAcronym() {
				add(labellingv1.TopologyEffectKind_TOPOLOGY_EFFECT_KIND_RENAMED, "network", n.id, joined(" - ", acronym, title),
					[]string{joined(" - ", now.GetAcronym(), now.GetTitle())}, n.lines[0])
			}
			if n.filiere != "" && n.filiere != now.GetFiliereId() {
				add(labellingv1.TopologyEffectKind_TOPOLOGY_EFFECT_KIND_ATTACHED, "network", n.id, r.reg.filiereName(n.filiere),
					nonEmpty(r.reg.filiereName(now.GetFiliereId())), n.lines[0])
			}
		}
	}
	for _, l := range r.lines {
		if t := l.team; t != nil && t.id == "" && t.name != "" {
			add(labellingv1.TopologyEffectKind_TOPOLOGY_EFFECT_KIND_CREATED, "centre", t.name, joined(", ", l.in.GetEstablishment(), l.in.GetCity()), nil, l)
		}
	}
	for _, l := range r.learnt {
		name := l.in.GetEstablishment()
		if l.spot.hospital != "" {
			e, _ := r.reg.topo.Establishments.Last(l.spot.hospital, r.reg.known)
			name = e.GetName()
		}
		add(labellingv1.TopologyEffectKind_TOPOLOGY_EFFECT_KIND_ATTACHED, "centre", l.team.id, name, nil, l)
	}
	for _, h := range r.heirs {
		add(labellingv1.TopologyEffectKind_TOPOLOGY_EFFECT_KIND_SUCCEEDED, "centre", h.after.name, "", h.before, h.after.line)
	}
}

// newHospitals are the hospitals that would be registered, by first line.
func (r *Reckoning) newHospitals() []*hospital {
	var all []*hospital
	for _, h := range r.hosts {
		if h.name != "" {
			all = append(all, h)
		}
	}
	slices.SortFunc(all, func(a, b *hospital) int {
		return cmp.Or(cmp.Compare(a.line.at, b.line.at), cmp.Compare(a.name, b.name))
	})
	return all
}

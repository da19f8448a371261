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

// spotKey is a place as printed.
type spotKey struct{ finess, name, city, department string }

// spot is a place as printed, and as found.
type spot struct {
	hospital   string    // its id
	fresh      *hospital // that would be registered
	candidates []string  // several hospitals that it may be
	town       string    // folded; empty where unknown
	seat       string    // town of the hospital, as registered
	asked      bool      // which of the candidates it is
	unsure     bool      // answered: nobody knows which hospital it is
}

// hospital is one that would be registered.
type hospital struct {
	name       string // in the effects, once it is used
	id         string // once it is minted
	printed    string
	finess     string
	city, dept string
	line       *line
}

// nowhere reports whether no place at all is printed.
func (s *spot) nowhere() bool { return s.hospital == "" && s.fresh == nil && s.town == "" }

// spotOf finds the hospital of a line: by its FINESS number, else by name within the
// town. A name that nobody knows is a new hospital; a town is not a hospital.
func (r *Reckoning) spotOf(l *line) *spot {
	key := r.spotKeyOf(l.in)
	if s, ok := r.spots[key]; ok {
		return s
	}
	s := &spot{town: r.reg.town(key.city, key.department)}
	r.spots[key] = s
	finess, valid := key.finess, false
	if finess != "" {
		n, err := identifier.FINESS(finess)
		finess, valid = n, err == nil
	}
	answer := r.hospitalAnswer(key)
	switch {
	case answer != nil:
		r.answerHospital(l, s, key, finess, valid, answer)
		return s
	case key.name == "" && !valid:
		return s
	}
	ids := r.reg.hospitalsNamed(key)
	if valid {
		ids = r.reg.hospitalsNumbered(finess, key.name, ids)
	}
	near := ids
	if len(ids) == 0 {
		near = r.reg.hospitalsNear(key)
	}
	switch {
	case len(ids) == 1:
		s.hospital = ids[0]
	case len(near) > 0: // several, or one that is named with more words, or with fewer
		s.candidates = near
	case key.name != "":
		s.fresh = r.newHospital(l, key, finess, valid)
	}
	r.seat(s)
	return s
}

// spotKeyOf is a place as printed. Where no column has the town, it may stand at the end of
// the hospital's name, or in its place: it does if the register knows it as one.
func (r *Reckoning) spotKeyOf(in *labellingv1.AnnexLine) spotKey {
	key := spotKey{in.GetFiness(), in.GetEstablishment(), in.GetCity(), in.GetDepartmentCode()}
	if key.city != "" || key.name == "" {
		return key
	}
	if m := townLast.FindStringSubmatch(key.name); m != nil && r.reg.knowsTown(m[2]) {
		key.name, key.city = m[1], m[2]
	} else if r.reg.knowsTown(key.name) {
		key.name, key.city = "", key.name
	}
	return key
}

var townLast = regexp.MustCompile(`^(.*\S)(?:,\s*|\s+[-–—]\s+|\s*\()([^,()–—]+?)\)?$`)

// knowsTown reports whether something of the register is in a town.
func (g *register) knowsTown(name string) bool {
	if g.towns == nil {
		g.towns = make(map[string]bool)
		for id := range g.topo.Establishments.IDs() {
			g.towns[g.townOf(id)] = true
		}
		for id := range g.topo.Centres.IDs() {
			c, _ := g.topo.Centres.Last(id, g.known)
			g.towns[g.town(c.GetPlace().GetCity(), "")] = true
		}
		delete(g.towns, "")
	}
	return g.towns[g.town(name, "")]
}

// seat notes the town of a hospital, which may be another one than that of a line: Nancy's
// stands in Vandœuvre.
func (r *Reckoning) seat(s *spot) {
	if s.hospital != "" {
		s.seat = r.reg.townOf(s.hospital)
		s.town = cmp.Or(s.town, s.seat)
	}
}

// hospitalAnswer is the first answer about any line that prints the place, nil for none.
func (r *Reckoning) hospitalAnswer(key spotKey) *labellingv1.Resolution {
	if r.hospitals == nil {
		r.hospitals = make(map[spotKey]*labellingv1.Resolution)
		for _, a := range r.annex.GetResolutions() {
			in := r.printedOn(a.GetLine())
			if a.GetSubject() != labellingv1.Subject_SUBJECT_ESTABLISHMENT || in == nil {
				continue
			}
			at := r.spotKeyOf(in)
			first, answered := r.hospitals[at]
			if !answered {
				r.hospitals[at] = a
			}
			if !answered || first.GetIdentity() == a.GetIdentity() && first.GetEntityId() == a.GetEntityId() {
				r.taken[a] = true
			}
		}
	}
	return r.hospitals[key]
}

// printedOn is a line of the list, or of the batch of successions, as far as both print the
// same; nil where there is none.
func (r *Reckoning) printedOn(line uint32) *labellingv1.AnnexLine {
	i := int(line) - 1
	switch lines, passed := r.annex.GetLines(), r.annex.GetSuccessions(); {
	case i < 0:
		return nil
	case i < len(lines):
		return lines[i]
	case i < len(passed):
		return lineOf(passed[i])
	}
	return nil
}

func (r *Reckoning) answerHospital(l *line, s *spot, key spotKey, finess string, valid bool, a *labellingv1.Resolution) {
	switch a.GetIdentity() {
	case labellingv1.Identity_IDENTITY_SAME, labellingv1.Identity_IDENTITY_PRESUMED:
		if _, ok := r.reg.topo.Establishments.Last(a.GetEntityId(), r.reg.known); !ok {
			r.refuse(l, "RESOLUTION_UNKNOWN", "The answer names no hospital: %q.", a.GetEntityId())
			return
		}
		s.hospital = a.GetEntityId()
		r.seat(s)
	case labellingv1.Identity_IDENTITY_NEW, labellingv1.Identity_IDENTITY_SUCCESSOR:
		s.fresh = r.newHospital(l, key, finess, valid)
	case labellingv1.Identity_IDENTITY_UNDETERMINED:
		s.unsure = true
	}
}

// newHospital is the hospital that would be registered for a place: one for all lines
// that name it alike in one town.
func (r *Reckoning) newHospital(l *line, key spotKey, finess string, valid bool) *hospital {
	name := r.reg.core(key.name) + "\x00" + r.reg.town(key.city, key.department)
	h, ok := r.hosts[name]
	if !ok {
		h = &hospital{printed: key.name, city: key.city, dept: key.department, line: l}
		r.hosts[name] = h
	}
	// The number of a hospital that is registered is that of its legal entity.
	if valid && h.finess == "" && len(r.reg.topo.ByFINESS(finess, r.reg.known)) == 0 && !r.numbered(l, finess) {
		h.finess = finess
	}
	return h
}

// numbered reports whether another hospital that would be registered has a number: that
// of their legal entity, most often. It is warned of, and stays with the first.
func (r *Reckoning) numbered(l *line, finess string) bool {
	for _, h := range r.hosts {
		if h.finess == finess {
			r.warn(l, "FINESS_PRINTED_TWICE", "%s is printed of another new hospital too: it is registered with that one.", finess)
			return true
		}
	}
	return false
}

// place is where a line says it is, for a team or hospital that would be registered.
func placeOf(city, department string) *topologyv1.Place {
	if city == "" && department == "" {
		return nil
	}
	p := &topologyv1.Place{City: city}
	if d, ok := identifier.Department(department); ok {
		p.DepartmentCode = d.Code
	} else {
		p.Territory = department
	}
	return p
}

// hospitalsNumbered are the hospitals of a FINESS number. A number can stand for a
// legal entity and several of its sites: then the name tells.
func (g *register) hospitalsNumbered(finess, name string, named []string) []string {
	numbered := g.topo.ByFINESS(finess, g.known)
	if len(numbered) == 0 {
		return named
	}
	both := slices.DeleteFunc(slices.Clone(numbered), func(id string) bool { return !slices.Contains(named, id) })
	if len(both) > 0 {
		return both
	}
	if len(numbered) == 1 && len(named) < 2 && name != "" && !g.university(name) {
		if e, _ := g.topo.Establishments.Last(numbered[0], g.known); e.GetFinessKind() == topologyv1.FinessKind_FINESS_KIND_LEGAL_ENTITY {
			return named // a site printed with the number of its legal entity
		}
	}
	return numbered
}

// hospitalsNamed are the hospitals of a name in a town, where it is printed: those of
// the whole name, else those of the name without its group.
func (g *register) hospitalsNamed(key spotKey) []string {
	town := g.town(key.city, key.department)
	whole := g.within(g.hospitals[g.fold(key.name)], town)
	if len(whole) > 0 {
		return whole
	}
	core := g.core(key.name)
	if general.MatchString(g.words(key.name)) { // "CHU", of its town
		core = g.core(key.name + " " + key.city)
	}
	if core != "" {
		return g.within(g.cores[core], town)
	}
	return nil
}

// hospitalsNear are the hospitals of a town whose name says more than what is printed, or
// less. A university hospital is known by the town in its name, whichever town its line is
// in: Grenoble's stands in La Tronche.
func (g *register) hospitalsNear(key spotKey) []string {
	core, town := g.core(key.name), g.town(key.city, key.department)
	if key.name == "" {
		return nil
	}
	university := g.university(key.name)
	var all []string
	for named, ids := range g.cores {
		var near []string
		if town != "" && nested(core, named, town) {
			near = slices.Clone(g.within(ids, town))
		}
		if university && (core == named || nested(core, named, "")) {
			for _, id := range ids {
				if e, _ := g.topo.Establishments.Last(id, g.known); g.university(e.GetName()) {
					near = append(near, id)
				}
			}
		}
		for _, id := range near {
			if !slices.Contains(all, id) {
				all = append(all, id)
			}
		}
	}
	slices.Sort(all)
	return all
}

// within keeps the hospitals of a town, else those whose town nobody knows.
func (g *register) within(ids []string, town string) []string {
	if town == "" || len(ids) == 0 {
		return ids
	}
	var there, anywhere []string
	for _, id := range ids {
		switch g.townOf(id) {
		case town:
			there = append(there, id)
		case "":
			anywhere = append(anywhere, id)
		}
	}
	if len(there) > 0 {
		return there
	}
	return anywhere
}

func (g *register) townOf(establishment string) string {
	e, _ := g.topo.Establishments.Last(establishment, g.known)
	return g.town(e.GetPlace().GetCity(), e.GetPlace().GetDepartmentCode())
}

var townEnd = regexp.MustCompile(`(?: cedex.*| ?\(.*| \d+(?: ?(?:er|e|eme))?(?: arr.*)?)$`)

// town is a town in the form in which towns are compared, without a post office's
// CEDEX, a district or what stands in brackets; where none is known, its department.
func (g *register) town(city, department string) string {
	key := "\x02" + city
	folded, ok := g.folded[key]
	if !ok && city != "" {
		folded = strings.TrimSpace(saints.Replace(" " + townEnd.ReplaceAllString(g.fold(city), "") + " "))
		g.folded[key] = folded
	}
	if folded == "" && department != "" {
		return "department " + g.fold(department)
	}
	return folded
}

var saints = strings.NewReplacer(" st ", " saint ", " ste ", " sainte ")

// belongs reports whether a hospital belongs to a legal entity, or to one that does.
func (g *register) belongs(hospital, entity string) bool {
	if hospital == "" || entity == "" {
		return false
	}
	seen := map[string]bool{}
	for todo := []string{hospital}; len(todo) > 0; {
		id := todo[0]
		todo = todo[1:]
		if seen[id] {
			continue
		}
		seen[id] = true
		e, ok := g.topo.Establishments.At(id, g.day, g.known)
		if !ok {
			e, _ = g.topo.Establishments.Last(id, g.known)
		}
		if slices.Contains(e.GetLegalEntityIds(), entity) {
			return true
		}
		todo = append(todo, e.GetLegalEntityIds()...)
	}
	return false
}

// whereabouts is where a team works, and whom it follows.
type whereabouts struct {
	hospitals  []string
	towns      []string
	population topologyv1.Population
}

func (g *register) whereaboutsOf(centre string) *whereabouts {
	if w, ok := g.places[centre]; ok {
		return w
	}
	c, ok := g.topo.Centres.At(centre, g.day, g.known)
	if !ok {
		c, _ = g.topo.Centres.Last(centre, g.known)
	}
	w := &whereabouts{hospitals: c.GetEstablishmentIds(), population: c.GetPopulation()}
	if t := g.town(c.GetPlace().GetCity(), c.GetPlace().GetDepartmentCode()); t != "" {
		w.towns = append(w.towns, t)
	}
	for _, id := range w.hospitals {
		if t := g.townOf(id); t != "" {
			w.towns = append(w.towns, t)
		}
	}
	g.places[centre] = w
	return w
}

// at reports whether a team works at a place: at the same hospital or, where only the
// town of one of both is known, in the same town. perhaps says that it cannot be
// excluded: nobody knows the hospital printed, or the team's place.
func (w *whereabouts) at(s *spot) (sure, perhaps bool) {
	sameTown := s.town != "" && slices.Contains(w.towns, s.town) || s.seat != "" && slices.Contains(w.towns, s.seat)
	switch {
	case len(w.hospitals) == 0 && len(w.towns) == 0:
		return false, true
	case (s.fresh != nil || s.unsure) && len(w.hospitals) > 0:
		return false, sameTown
	case s.hospital != "" && len(w.hospitals) > 0:
		return slices.Contains(w.hospitals, s.hospital), false
	}
	return sameTown, false
}

// learns reports whether a line prints the hospital of a team of which at most the town
// is known, and that one.
func (w *whereabouts) learns(l *line) bool {
	if len(w.hospitals) > 0 || l.spot.hospital == "" && l.in.GetEstablishment() == "" {
		return false
	}
	sure, _ := w.at(l.spot)
	return sure || len(w.towns) == 0
}

// learnHospitals attaches teams without a hospital to the one that the lines print which
// go on with them. Where they print several, or nobody knows which one, it is warned of.
func (r *Reckoning) learnHospitals() {
	of := make(map[string][]*line)
	for _, l := range r.lines {
		if t := l.team; t != nil && t.id != "" && t.name != "" && r.reg.whereaboutsOf(t.id).learns(l) {
			of[t.id] = append(of[t.id], l)
		}
	}
	for _, l := range r.lines {
		if l.team == nil || len(of[l.team.id]) == 0 {
			continue
		}
		first := of[l.team.id][0]
		one := first.spot.hospital != "" || first.spot.fresh != nil
		for _, other := range of[l.team.id] {
			one = one && other.spot.hospital == first.spot.hospital && other.spot.fresh == first.spot.fresh
		}
		switch {
		case !slices.Contains(of[l.team.id], l):
		case !one:
			r.warn(l, "HOSPITAL_LEARNT", "The centre is registered without a hospital: that of the line is not certain, and is recorded apart.")
		case l == first:
			r.learnt = append(r.learnt, l)
			if h := l.spot.fresh; h != nil && h.name == "" {
				h.name = r.freshName("establishment")
			}
		}
	}
}

// placeName is where a team is, for reading.
func (g *register) placeName(centre string) (establishment, city string) {
	c, _ := g.topo.Centres.Last(centre, g.known)
	city = c.GetPlace().GetCity()
	for _, id := range c.GetEstablishmentIds() {
		e, _ := g.topo.Establishments.Last(id, g.known)
		return e.GetName(), cmp.Or(city, e.GetPlace().GetCity())
	}
	return "", city
}

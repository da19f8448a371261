package labelling

import (
	"maps"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/bitemporal"
)

// list is an act as the whole or partial list it is: what absence from it means.
type list struct {
	act      string
	position uint64
	until    uint64          // the position from which another one is the list of its act, 0 for none
	day      bitemporal.Date // from which it certainly has effect
	cycle    string
	Scope
}

// Scope is what an act decides about. Of the cells that concern a role of a filière in a
// cycle the most special counts: a filière is more special than a role, and a role than a
// cycle; of two alike the later one.
type Scope struct {
	grid    grid             // for labels of a cycle that no cell names
	byCycle map[string]*grid // for those of a cycle that one does, and under "" of an unknown one
}

// ScopeOf reads the cells of a scope.
func ScopeOf(cells []*labellingv1.ScopeCell) *Scope {
	s := scopeOf(cells, false)
	return &s
}

// Covers reports whether the scope is complete for a label under a filière, whichever role
// the label may be of and, where the filière is not known, whichever filière it may be
// under. perhaps reports whether it is so for one of them.
func (s *Scope) Covers(l *labellingv1.Label, filiere string) (certainly, perhaps bool) {
	may, platform := rolesOf(l.GetRole(), unstated(l.GetHolder())), l.GetHolder().GetPlatformId() != ""
	g := s.of(l.GetCycleId())
	some := g.anywhere.whole
	switch own, known := g.byFiliere[filiere]; {
	case platform:
	case filiere == "":
		some = g.somewhere.whole
	case known:
		some = own.whole
	}
	return may&^g.cell(filiere, !platform).whole == 0, may&some != 0
}

// of is what the scope says of labels of a cycle.
func (s *Scope) of(cycle string) *grid {
	if own, ok := s.byCycle[cycle]; ok {
		return own
	}
	return &s.grid
}

// otherCycles stands for every cycle that no cell of a list names. It is no id.
const otherCycles = "-"

// grid is what the list says by filière.
type grid struct {
	anywhere  cell            // for holders under no filière, and those without cells of their own
	byFiliere map[string]cell // for those under a filière with cells of its own
	unplaced  cell            // for holders under a filière nobody knows
	somewhere cell            // for any holder: what it may say at most
}

// cell says for which roles the list stands, and for which of them it is held whole.
type cell struct{ listed, whole roles }

// roles is a set of roles, one bit each.
type roles uint16

const (
	referenceRoles = roles(1<<labellingv1.Role_ROLE_COORDINATOR | 1<<labellingv1.Role_ROLE_CONSTITUTIVE)
	siteRoles      = referenceRoles | roles(1<<labellingv1.Role_ROLE_COMPETENCE|1<<labellingv1.Role_ROLE_RESOURCE_AND_COMPETENCE)
	platformRoles  = roles(1<<labellingv1.Role_ROLE_PEMR | 1<<labellingv1.Role_ROLE_PCOM)
	allRoles       = siteRoles | platformRoles | roles(1<<labellingv1.Role_ROLE_FSMR)
)

// rolesOf is what a role may be: a reference centre is a coordinator or a constitutive
// one, and a role that is not stated any of those given.
func rolesOf(role labellingv1.Role, unstated roles) roles {
	switch role {
	case labellingv1.Role_ROLE_UNSPECIFIED:
		return unstated
	case labellingv1.Role_ROLE_REFERENCE:
		return referenceRoles
	}
	return allRoles & (1 << role)
}

// listOf reads the scope of an act. An act without a scope, or without any date, is no
// list: absence from it means nothing.
func listOf(at uint64, act *labellingv1.Act) (list, bool) {
	day, dated := effectOf(act)
	if len(act.GetScope()) == 0 || !dated {
		return list{}, false
	}
	return list{act: act.GetActId(), position: at, day: day, cycle: act.GetCycleId(), Scope: scopeOf(act.GetScope(), act.GetAbsencesStated())}, true
}

// scopeOf reads the cells of an act, which may state the labels that it leaves out.
func scopeOf(cells []*labellingv1.ScopeCell, absencesStated bool) Scope {
	s := Scope{grid: *gridOf(cells, absencesStated, otherCycles)}
	for _, c := range cells {
		if c.GetCycleId() == "" {
			continue
		}
		if s.byCycle == nil {
			s.byCycle = map[string]*grid{"": gridOf(cells, absencesStated, "")}
		}
		if _, ok := s.byCycle[c.GetCycleId()]; !ok {
			s.byCycle[c.GetCycleId()] = gridOf(cells, absencesStated, c.GetCycleId())
		}
	}
	return s
}

// gridOf is what the cells of a scope say of labels of a cycle. For those whose cycle
// nobody knows, a cell of one cycle may stand or not.
func gridOf(cells []*labellingv1.ScopeCell, absencesStated bool, cycle string) *grid {
	g := &grid{byFiliere: make(map[string]cell)}
	// From the general to the special, since the special cell says more: first by
	// filière, then by role, then by cycle.
	each := func(filiere bool, put func(*labellingv1.ScopeCell)) {
		for special := range 4 {
			for _, c := range cells {
				byRole, byCycle := c.GetRole() != labellingv1.Role_ROLE_UNSPECIFIED, c.GetCycleId() != ""
				if (c.GetFiliereId() != "") == filiere && byRole == (special&2 != 0) && byCycle == (special&1 != 0) &&
					(!byCycle || cycle == "" || c.GetCycleId() == cycle) {
					put(c)
				}
			}
		}
	}
	each(false, func(c *labellingv1.ScopeCell) { g.anywhere = g.anywhere.with(c, absencesStated, cycle) })
	each(true, func(c *labellingv1.ScopeCell) {
		own, ok := g.byFiliere[c.GetFiliereId()]
		if !ok {
			own = g.anywhere
		}
		g.byFiliere[c.GetFiliereId()] = own.with(c, absencesStated, cycle)
	})
	g.unplaced, g.somewhere = g.anywhere, g.anywhere
	for own := range maps.Values(g.byFiliere) {
		g.unplaced.listed |= own.listed
		g.unplaced.whole &= own.whole
		g.somewhere.listed |= own.listed
		g.somewhere.whole |= own.whole
	}
	return g
}

// with is what a cell says, after what more general ones do. An act that states the
// labels its list leaves out says nothing more by leaving one out.
func (c cell) with(s *labellingv1.ScopeCell, absencesStated bool, cycle string) cell {
	r := rolesOf(s.GetRole(), allRoles)
	if s.GetCycleId() != "" && cycle == "" { // may not be about the label
		switch s.GetCoverage() {
		case labellingv1.Coverage_COVERAGE_EXCLUDED:
			c.whole &^= r
		case labellingv1.Coverage_COVERAGE_COMPLETE:
			c.listed |= r // held whole where it was so anyway
		default:
			c.listed, c.whole = c.listed|r, c.whole&^r
		}
		return c
	}
	c.listed, c.whole = c.listed|r, c.whole&^r
	switch {
	case s.GetCoverage() == labellingv1.Coverage_COVERAGE_EXCLUDED:
		c.listed &^= r
	case s.GetCoverage() == labellingv1.Coverage_COVERAGE_COMPLETE && !absencesStated:
		c.whole |= r
	}
	return c
}

// effectOf is the day from which an act certainly has effect: that it states or,
// failing that, the first it was published, or that it was signed.
func effectOf(act *labellingv1.Act) (day bitemporal.Date, ok bool) {
	if _, day, err := bitemporal.Span(act.GetEffectiveDate()); err == nil && day != bitemporal.Future {
		return day, true
	}
	day = bitemporal.Future
	for _, p := range act.GetPublications() {
		if _, published, err := bitemporal.Span(p.GetDate()); err == nil {
			day = min(day, published)
		}
	}
	if day != bitemporal.Future {
		return day, true
	}
	_, day, err := bitemporal.Span(act.GetSignedDate())
	return day, err == nil && day != bitemporal.Future
}

// absence is what the lists that took effect after a label began, up to a day, mean
// for a label they do not name. lost is the first day on which a whole list left it
// out, Future if none did; doubt says that a partial list may have carried it on, or
// not.
func (v *Survey) absence(i int, day bitemporal.Date) (lost bitemporal.Date, doubt bool) {
	r := &v.rows[i]
	lost, doubt = v.missing(r.label, r.term.startBy, day)
	if lost == bitemporal.Future && !doubt {
		return lost, doubt
	}
	// An act that names it, or its holder, says more than the lists before that act.
	if named := v.lastNamed(i, day); named > r.term.startBy {
		return v.missing(r.label, named, day)
	}
	return lost, doubt
}

func (v *Survey) missing(l *labellingv1.Label, after, day bitemporal.Date) (lost bitemporal.Date, doubt bool) {
	lost = bitemporal.Future
	may := rolesOf(l.GetRole(), unstated(l.GetHolder()))
	for i := range v.s.lists {
		list := &v.s.lists[i]
		if list.position > v.known {
			break
		}
		if list.day <= after || list.day > day || list.until > 0 && list.until <= v.known {
			continue
		}
		g := list.of(l.GetCycleId())
		if may&g.somewhere.listed == 0 {
			continue
		}
		if doubt && may&^g.somewhere.whole != 0 {
			continue // it can say no more
		}
		c := g.anywhere
		if len(g.byFiliere) > 0 {
			c = g.cell(filiereOf(l.GetHolder(), v.topo, list.day, v.known))
		}
		switch {
		case may&^c.whole == 0:
			lost = min(lost, list.day)
		case may&c.listed != 0 && (list.cycle == "" || list.cycle != l.GetCycleId()):
			doubt = true // a list of its own cycle cannot carry it beyond
		}
	}
	return lost, doubt
}

// cell is what the list says to holders under a filière, empty where it is unknown.
func (g *grid) cell(filiere string, placed bool) cell {
	if !placed {
		return g.anywhere
	}
	if filiere == "" {
		return g.unplaced
	}
	if own, ok := g.byFiliere[filiere]; ok {
		return own
	}
	return g.anywhere
}

// lapse is the day from which a list is stated to have left a label out; Future if none
// is, on or before a day, or if an act that took effect after it names the label or its
// holder.
func (s *State) lapse(l *labellingv1.Label, day bitemporal.Date, known uint64) bitemporal.Date {
	if l.GetLapsedFrom() == "" {
		return bitemporal.Future
	}
	rows, _ := s.readHolder(nil, l, known)
	v := Survey{s: s, known: known, rows: rows}
	return v.lapse(l, 0, day)
}

func (v *Survey) lapse(l *labellingv1.Label, i int, day bitemporal.Date) bitemporal.Date {
	if l.GetLapsedFrom() == "" {
		return bitemporal.Future
	}
	from, err := bitemporal.ParseDate(l.GetLapsedFrom())
	if err != nil || from > day || v.lastNamed(i, day) > from {
		return bitemporal.Future
	}
	return from
}

// lastNamed is the last day, up to the one given, on which an act took effect that the
// labels of the holder rest on; Past if there is none. A label that never was does not
// count, nor does the list that a label rests on for having been left out.
func (v *Survey) lastNamed(i int, day bitemporal.Date) bitemporal.Date {
	last := bitemporal.Past
	for j := range v.peers(i) {
		held := v.rows[j].label
		if undone(held) {
			continue
		}
		for _, b := range held.GetBasis() {
			act, ok := v.effect(b.GetActId())
			if ok && last < act.day && act.day <= day && (!act.absences || held.GetLapsedFrom() != act.day.String()) {
				last = act.day
			}
		}
	}
	return last
}

func unstated(h *labellingv1.Holder) roles {
	switch {
	case h.GetFiliereId() != "":
		return rolesOf(labellingv1.Role_ROLE_FSMR, 0)
	case h.GetPlatformId() != "":
		return platformRoles
	}
	return siteRoles
}

package labelling

import (
	"maps"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/bitemporal"
	"maillage/services/topology"
)

// list is an act as the whole or partial list it is: what absence from it means.
type list struct {
	position  uint64
	day       bitemporal.Date // from which it certainly has effect
	cycle     string
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
	l := list{position: at, day: day, cycle: act.GetCycleId(), byFiliere: make(map[string]cell)}
	// From the general to the special, since the special cell says more.
	for _, special := range []bool{false, true} {
		for _, c := range act.GetScope() {
			if c.GetFiliereId() == "" && (c.GetRole() != labellingv1.Role_ROLE_UNSPECIFIED) == special {
				l.anywhere = l.anywhere.with(c)
			}
		}
	}
	for _, special := range []bool{false, true} {
		for _, c := range act.GetScope() {
			if c.GetFiliereId() == "" || (c.GetRole() != labellingv1.Role_ROLE_UNSPECIFIED) != special {
				continue
			}
			own, ok := l.byFiliere[c.GetFiliereId()]
			if !ok {
				own = l.anywhere
			}
			l.byFiliere[c.GetFiliereId()] = own.with(c)
		}
	}
	l.unplaced, l.somewhere = l.anywhere, l.anywhere
	for own := range maps.Values(l.byFiliere) {
		l.unplaced.listed |= own.listed
		l.unplaced.whole &= own.whole
		l.somewhere.listed |= own.listed
		l.somewhere.whole |= own.whole
	}
	return l, true
}

func (c cell) with(s *labellingv1.ScopeCell) cell {
	r := rolesOf(s.GetRole(), allRoles)
	c.listed |= r
	c.whole &^= r
	if s.GetCoverage() == labellingv1.Coverage_COVERAGE_COMPLETE {
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
func (s *State) absence(l *labellingv1.Label, w window, day bitemporal.Date, known uint64, topo *topology.State) (lost bitemporal.Date, doubt bool) {
	lost, doubt = s.missing(l, w.startBy, day, known, topo)
	if lost == bitemporal.Future && !doubt {
		return lost, doubt
	}
	// An act that names it, or its holder, says more than the lists before that act.
	if named := s.lastNamed(l, day, known); named > w.startBy {
		return s.missing(l, named, day, known, topo)
	}
	return lost, doubt
}

func (s *State) missing(l *labellingv1.Label, after, day bitemporal.Date, known uint64, topo *topology.State) (lost bitemporal.Date, doubt bool) {
	lost = bitemporal.Future
	may := rolesOf(l.GetRole(), unstated(l.GetHolder()))
	for i := range s.lists {
		list := &s.lists[i]
		if list.position > known {
			break
		}
		if list.day <= after || list.day > day || may&list.somewhere.listed == 0 {
			continue
		}
		if doubt && may&^list.somewhere.whole != 0 {
			continue // it can say no more
		}
		c := list.anywhere
		if len(list.byFiliere) > 0 {
			c = list.cell(filiereOf(l.GetHolder(), topo, list.day, known))
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
func (l *list) cell(filiere string, placed bool) cell {
	if !placed {
		return l.anywhere
	}
	if filiere == "" {
		return l.unplaced
	}
	if own, ok := l.byFiliere[filiere]; ok {
		return own
	}
	return l.anywhere
}

// lastNamed is the last day, up to the one given, on which an act took effect that the
// labels of the holder rest on; Past if there is none.
func (s *State) lastNamed(l *labellingv1.Label, day bitemporal.Date, known uint64) bitemporal.Date {
	last := bitemporal.Past
	for held := range s.LabelsOf(holderID(l.GetHolder()), known) {
		for _, b := range held.GetBasis() {
			act, ok := s.Acts.At(b.GetActId(), 0, known)
			if !ok {
				continue
			}
			if effect, ok := effectOf(act); ok && effect <= day {
				last = max(last, effect)
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

package seed

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strconv"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

// printed is the columns of centres.csv that stand in a basis as printed: all but
// the person, the note and the source.
var printed = []string{
	"network", "acronym", "fsmr", "fsmr_evidence", "cycle", "cycle_evidence", "start", "end",
	"role", "establishment", "city", "department_code",
}

var territoryNote = regexp.MustCompile(`\bterritory:\s*([^;,]+)`)

// evidence is how well a row knows its cycle.
func evidence(r row) eventv1.Evidence {
	if r.get("cycle_evidence") == "inferred from page" {
		return eventv1.Evidence_EVIDENCE_INFERRED
	}
	return eventv1.Evidence_EVIDENCE_STATED
}

func territory(r row) string {
	if m := territoryNote.FindStringSubmatch(r.get("note")); m != nil {
		return tidy(m[1])
	}
	return ""
}

// site is one centre in one network, and the rows about it in the order of the
// file.
type site struct {
	key  string
	spot string
	rows []row
}

// origin is the row by which a site's centre is registered: the first one that places
// it where it was before it moved, else the first.
func (p *planner) origin(s *site) row {
	for _, r := range s.rows {
		if p.printedSpot(r) == s.spot {
			return r
		}
	}
	return s.rows[0]
}

// siteID is the key of the id of a site, which its first label makes known.
func siteID(s *site) string { return join("site", s.key) }

func (s *site) had(role string) bool {
	return slices.ContainsFunc(s.rows, func(r row) bool { return r.get("role") == role })
}

// spot is where a row places a centre of a network, before any move of its team.
func (p *planner) spot(r row) string {
	s := p.printedSpot(r)
	for range p.moved {
		from, moved := p.moved[s]
		if !moved {
			break
		}
		s = from
	}
	return s
}

// printedSpot is the hospital of a row or, without one, its town and department. A row
// that says neither is a spot of its own.
func (p *planner) printedSpot(r row) string {
	where := r.get("city") + r.get("department_code") + territory(r)
	n := p.files.network(r)
	switch {
	case r.get("establishment") != "":
		return join(n, p.hospitalOf(r, "establishment"))
	case where != "":
		return join(n, key("", r.get("city"), r.get("department_code"), territory(r)))
	default:
		return join(n, key("?", r.get("source"), r.get("cycle")))
	}
}

// sites groups the rows of centres.csv by centre, as the package comment says. The
// rows of one spot, source and cycle are a list and all different centres.
func (p *planner) allSites() []*site {
	type list struct{ spot, source, cycle string }
	var order []list
	rowsOf := map[list][]row{}
	for _, r := range p.files.rows["centres.csv"] {
		l := list{p.spot(r), r.get("source"), p.cycleOf(r.get("cycle"))}
		if rowsOf[l] == nil {
			order = append(order, l)
		}
		rowsOf[l] = append(rowsOf[l], r)
	}
	var all []*site
	bySpot := map[string][]*site{}
	for _, l := range order {
		for i, s := range match(rowsOf[l], bySpot[l.spot]) {
			if s == nil {
				s = &site{key: join(l.spot, strconv.Itoa(len(bySpot[l.spot]))), spot: l.spot}
				bySpot[l.spot] = append(bySpot[l.spot], s)
				all = append(all, s)
			}
			s.rows = append(s.rows, rowsOf[l][i])
		}
	}
	return all
}

// match gives each row one of the sites known at its spot: first those that had
// its role, then the others in turn; nil for a new one.
func match(rows []row, known []*site) []*site {
	out := make([]*site, len(rows))
	take := func(i int, fits func(*site) bool) {
		for _, s := range known {
			if out[i] == nil && !slices.Contains(out, s) && fits(s) {
				out[i] = s
			}
		}
	}
	for i, r := range rows {
		if r.get("role") != "" {
			take(i, func(s *site) bool { return s.had(r.get("role")) })
		}
	}
	for i := range rows {
		take(i, func(*site) bool { return true })
	}
	return out
}

func (p *planner) centres() {
	p.readMoves()
	p.sites = p.allSites()
	for _, s := range p.sites {
		r := p.origin(s)
		req := &topologyv1.RegisterCentreRequest{
			Basis: p.basis(r, eventv1.Evidence_EVIDENCE_STATED, "network", "acronym", "establishment", "city", "department_code"),
		}
		if h := p.hospitalRef(r, "establishment"); h != "" {
			req.EstablishmentIds = []string{h}
		} else {
			req.Place = placeOf(r.get("city"), r.get("department_code"), territory(r))
		}
		// After its network, so that a load that broke off is known again by networks.
		p.add(centre, s.key, r, req, join(network, p.files.network(r)))
	}
	for _, s := range p.sites {
		p.labels(s)
	}
}

// labels plans the labels of a site, cycle by cycle. Each cycle's confirmations and
// assertions come before the next cycle's renewal, which ends the label they are
// about.
func (p *planner) labels(s *site) {
	var cycles []string
	rowsOf := map[string][]row{}
	for _, r := range s.rows {
		if r.get("role") == collaborator {
			value := cmp.Or(r.get("acronym"), r.get("network"))
			p.assert(join(centre, s.key), "collaborates_with", value, r, p.basis(r, evidence(r), printed...))
			continue
		}
		c := p.cycleOf(r.get("cycle"))
		if rowsOf[c] == nil {
			cycles = append(cycles, c)
		}
		rowsOf[c] = append(rowsOf[c], r)
	}
	slices.SortStableFunc(cycles, p.byStart)
	if len(cycles) > 1 && cycles[0] == "" {
		p.undated(rowsOf, cycles)
		cycles = cycles[1:]
	}
	var before *labelled
	for _, c := range cycles {
		before = p.labelOf(s, c, rowsOf[c], before)
	}
}

// labelled is the label of a site in a cycle.
type labelled struct {
	key   string
	role  string   // as the row it is granted by states it
	about []string // keys of the confirmations and assertions beside it
}

// family is the roles among which a label is presumed to go on: a competence centre
// that becomes a reference centre got a new label. Empty for a role not stated.
func family(role string) string {
	switch role {
	case "COORDINATOR", "CONSTITUTIVE":
		return "REFERENCE"
	}
	return role
}

// period is a row's own start and end, else its cycle's years where both are known.
// A year of the cycle that its own date contradicts says nothing of it.
func (p *planner) period(r row, cycleKey string) *eventv1.Period {
	start, end := r.get("start"), r.get("end")
	if sp := p.spans[cycleKey]; sp.GetStart() != "" && sp.GetEnd() != "" {
		if start == "" && !emptyPeriod(sp.GetStart(), end) {
			start = sp.GetStart()
		}
		if end == "" && !emptyPeriod(start, sp.GetEnd()) {
			end = sp.GetEnd()
		}
	}
	if start == "" && end == "" {
		return nil
	}
	return &eventv1.Period{Start: start, End: end}
}

// byStart orders cycles by their first year, those without one by code; no cycle
// comes first.
func (p *planner) byStart(a, b string) int {
	switch {
	case a == "" || b == "":
		return cmp.Compare(a, b)
	default:
		return cmp.Or(cmp.Compare(p.spans[a].GetStart(), p.spans[b].GetStart()), cmp.Compare(a, b))
	}
}

// undated gives each row without cycle to the latest cycle that has its role, else
// to the latest, as inferred.
func (p *planner) undated(rowsOf map[string][]row, cycles []string) {
	for _, r := range rowsOf[""] {
		to := cycles[len(cycles)-1]
		for _, c := range cycles[1:] {
			if r.get("role") != "" && slices.ContainsFunc(rowsOf[c], func(o row) bool { return o.get("role") == r.get("role") }) {
				to = c
			}
		}
		r.cells = maps.Clone(r.cells)
		r.cells["cycle_evidence"] = "inferred from page"
		rowsOf[to] = append(rowsOf[to], r)
	}
	delete(rowsOf, "")
}

// labelOf plans the label of a site in a cycle: a renewal of the one before where its
// role is stated and of the same family, else a grant.
func (p *planner) labelOf(s *site, cycleKey string, rows []row, before *labelled) *labelled {
	best := granted(rows)
	r := rows[best]
	label := &labellingv1.Grant{
		Holder: &labellingv1.Grant_Site{Site: &labellingv1.SiteRef{
			CentreId: ref(join(centre, s.key)), NetworkId: ref(join(network, p.files.network(r))),
		}},
		Role: roles[r.get("role")], HeadName: r.get("responsible"), Period: p.period(r, cycleKey),
	}
	if cycleKey != "" {
		label.CycleId = ref(cycleKey)
	}
	out := &labelled{role: r.get("role")}
	var after []string
	if before != nil {
		after = append(before.about, before.key)
	}
	if before != nil && out.role != "" && family(out.role) == family(before.role) {
		out.key = p.add(renewal, join(s.key, cycleKey), r, &labellingv1.RenewLabelRequest{
			Basis:   p.cite(p.basis(r, eventv1.Evidence_EVIDENCE_INFERRED, printed...), r),
			Renewal: &labellingv1.Renewal{LabelId: ref(before.key), Grant: label},
		}, after...)
	} else {
		b := p.cite(p.basis(r, evidence(r), printed...), r)
		out.key = p.add(grant, join(s.key, cycleKey), r, &labellingv1.GrantLabelRequest{Basis: b, Grant: label}, after...)
	}
	if before == nil {
		p.alias(siteID(s), out.key)
	}
	for i, o := range rows {
		if i != best {
			out.about = append(out.about, p.beside(out.key, r, o))
		}
	}
	return out
}

// granted is the row whose values the label takes: one with a role rather than
// without, then one that states its cycle, then the first.
func granted(rows []row) int {
	best := 0
	rank := func(r row) int {
		n := 0
		if r.get("role") != "" {
			n += 2
		}
		if r.get("cycle_evidence") == "stated" {
			n++
		}
		return n
	}
	for i, r := range rows {
		if rank(r) > rank(rows[best]) {
			best = i
		}
	}
	return best
}

// beside plans what another row adds to a label, and returns that step's key.
func (p *planner) beside(label string, held, other row) string {
	b := p.cite(p.basis(other, evidence(other), printed...), other)
	if role := other.get("role"); role != "" && role != held.get("role") {
		return p.assert(label, "role", role, other, b)
	}
	return p.add(confirmation, join(label, other.get("cycle"), other.get("source")), other,
		&labellingv1.ConfirmLabelRequest{Basis: b, LabelId: ref(label)})
}

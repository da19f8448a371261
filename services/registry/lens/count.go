package lens

import (
	"cmp"
	"slices"
	"strings"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/identifier"
	"maillage/services/labelling"
)

// Count counts one unit, as a whole and by one property. A row counts what FindLabels
// finds by the same filter, each unit once; so rows may add up to more than the total,
// which counts each once as well. CRC (resources and competence centres) are neither
// reference nor competence centres: they count only where they are asked for.
func (l Lens) Count(req *registryv1.CountEntitiesRequest) (total *registryv1.CountRow, rows []*registryv1.CountRow) {
	c := &count{lens: l, req: req, total: tally{}, rows: map[string]tally{}}
	c.countLabels()
	total = c.total.row("", "")
	if roles := c.roles(); roles != nil || req.GetUnit() == registryv1.CountUnit_COUNT_UNIT_NETWORK {
		total.Announced = c.announced(labelling.Unit{Networks: roles == nil, Roles: roles})
	}
	return total, c.sorted()
}

// referenceRoles are those of reference sites.
var referenceRoles = labelling.ReferenceRoles()

// How a unit stands, the best first: by one of its labels it is in force, in abeyance
// by no better one, undetermined by no better one.
const (
	standsInForce = iota + 1
	standsInAbeyance
	standsUndetermined
)

// tally is how each unit counted stands, by its id.
type tally map[string]int

func (t tally) add(id string, stands int) {
	if was, counted := t[id]; !counted || stands < was {
		t[id] = stands
	}
}

func (t tally) row(key, name string) *registryv1.CountRow {
	row := &registryv1.CountRow{Key: key, Name: name}
	for _, stands := range t {
		switch stands {
		case standsInForce:
			row.InForce++
		case standsInAbeyance:
			row.InAbeyance++
		case standsUndetermined:
			row.Undetermined++
		}
	}
	return row
}

type count struct {
	lens  Lens
	req   *registryv1.CountEntitiesRequest
	total tally
	rows  map[string]tally
}

// roles is those counted, nil for all but CRC, or all.
func (c *count) roles() []labellingv1.Role {
	if c.req.GetUnit() != registryv1.CountUnit_COUNT_UNIT_REFERENCE_SITE {
		return nil
	}
	if c.req.GetWithCrc() {
		return append(slices.Clone(referenceRoles), labellingv1.Role_ROLE_RESOURCE_AND_COMPETENCE)
	}
	return referenceRoles
}

func (c *count) countLabels() {
	roles := c.roles()
	for _, state := range c.lens.snapshot() {
		label := state.label
		if roles != nil && !slices.Contains(roles, label.GetRole()) ||
			!c.req.GetWithCrc() && label.GetRole() == labellingv1.Role_ROLE_RESOURCE_AND_COMPETENCE {
			continue
		}
		stands := c.lens.stands(&state)
		if stands == 0 {
			continue
		}
		if c.req.GetUnit() == registryv1.CountUnit_COUNT_UNIT_ESTABLISHMENT {
			c.countHospitals(&state, stands)
			continue
		}
		one := c.unitOf(label)
		if one == "" {
			continue
		}
		c.total.add(one, stands)
		for _, key := range c.keys(&state) {
			c.row(key).add(one, stands)
		}
	}
}

// stands tells how a label stands on the day, 0 where it does not count.
func (l Lens) stands(one *labelState) int {
	if l.m.operational() {
		switch one.operation {
		case labellingv1.OperationState_OPERATION_STATE_OPEN, labellingv1.OperationState_OPERATION_STATE_MAINTAINED:
			return standsInForce
		case labellingv1.OperationState_OPERATION_STATE_UNSPECIFIED:
			return standsUndetermined
		}
		return 0
	}
	switch one.status {
	case labellingv1.Status_STATUS_IN_FORCE, labellingv1.Status_STATUS_EXTENDED:
		return standsInForce
	case labellingv1.Status_STATUS_IN_ABEYANCE:
		return standsInAbeyance
	case labellingv1.Status_STATUS_UNDETERMINED:
		return standsUndetermined
	}
	return 0
}

func (c *count) row(key string) tally {
	row := c.rows[key]
	if row == nil {
		row = tally{}
		c.rows[key] = row
	}
	return row
}

// unitOf is the one unit that a label makes count, empty for none.
func (c *count) unitOf(label *labellingv1.Label) string {
	switch c.req.GetUnit() {
	case registryv1.CountUnit_COUNT_UNIT_NETWORK:
		return networkOf(label)
	case registryv1.CountUnit_COUNT_UNIT_CENTRE:
		return label.GetHolder().GetSite().GetCentreId()
	case registryv1.CountUnit_COUNT_UNIT_REFERENCE_SITE:
		return holderOf(label)
	}
	return label.GetLabelId()
}

// countHospitals counts those that a label's centre is in, each in its own place.
func (c *count) countHospitals(one *labelState, stands int) {
	centre := near(&c.lens.s.Topology.Centres, one.label.GetHolder().GetSite().GetCentreId(), c.lens.m)
	for _, hospital := range c.lens.establishments(centre.GetEstablishmentIds()) {
		c.total.add(hospital.GetEstablishmentId(), stands)
		for _, key := range c.keysAt(one, []*topologyv1.Place{hospital.GetPlace()}) {
			c.row(key).add(hospital.GetEstablishmentId(), stands)
		}
	}
}

// keys is the rows that a label counts in.
func (c *count) keys(one *labelState) []string {
	var places []*topologyv1.Place
	switch c.req.GetBy() {
	case registryv1.CountBy_COUNT_BY_REGION, registryv1.CountBy_COUNT_BY_DEPARTMENT:
		h := c.lens.holding(one.label)
		places = h.places
	}
	return c.keysAt(one, places)
}

func (c *count) keysAt(one *labelState, places []*topologyv1.Place) []string {
	var code func(*topologyv1.Place) string
	switch c.req.GetBy() {
	case registryv1.CountBy_COUNT_BY_ROLE:
		return []string{one.label.GetRole().String()}
	case registryv1.CountBy_COUNT_BY_CYCLE:
		return []string{one.label.GetCycleId()}
	case registryv1.CountBy_COUNT_BY_FILIERE:
		return []string{one.filiere}
	case registryv1.CountBy_COUNT_BY_REGION:
		code = regionOf
	case registryv1.CountBy_COUNT_BY_DEPARTMENT:
		code = departmentOf
	default:
		return nil
	}
	var keys []string
	for _, p := range places {
		if key := code(p); key != "" && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return []string{""}
	}
	return keys
}

// sorted prints the rows, roles by rank and all others by name, the unknown last.
func (c *count) sorted() []*registryv1.CountRow {
	rows := make([]*registryv1.CountRow, 0, len(c.rows))
	for key, t := range c.rows {
		rows = append(rows, t.row(key, c.name(key)))
	}
	if c.req.GetBy() == registryv1.CountBy_COUNT_BY_ROLE {
		role := func(r *registryv1.CountRow) labellingv1.Role {
			return labellingv1.Role(labellingv1.Role_value[r.GetKey()])
		}
		for _, r := range rows {
			if c.req.GetUnit() == registryv1.CountUnit_COUNT_UNIT_LABEL || c.req.GetUnit() == registryv1.CountUnit_COUNT_UNIT_REFERENCE_SITE {
				r.Announced = c.announced(labelling.Unit{Roles: []labellingv1.Role{role(r)}})
			}
		}
		slices.SortFunc(rows, func(a, b *registryv1.CountRow) int { return rank(role(a)) - rank(role(b)) })
		return rows
	}
	slices.SortFunc(rows, func(a, b *registryv1.CountRow) int {
		return cmp.Or(emptyLast(a.GetKey(), b.GetKey())*empty(a, b), strings.Compare(identifier.Fold(a.GetName()), identifier.Fold(b.GetName())),
			strings.Compare(a.GetKey(), b.GetKey()))
	})
	return rows
}

// empty is 1 where one of two rows is that of the unknown, else 0.
func empty(a, b *registryv1.CountRow) int {
	if a.GetKey() == "" || b.GetKey() == "" {
		return 1
	}
	return 0
}

func (c *count) name(key string) string {
	switch c.req.GetBy() {
	case registryv1.CountBy_COUNT_BY_FILIERE:
		return c.lens.filiereName(key)
	case registryv1.CountBy_COUNT_BY_CYCLE:
		return c.lens.cycleName(key)
	case registryv1.CountBy_COUNT_BY_REGION:
		_, name, _ := identifier.Region(key)
		return name
	case registryv1.CountBy_COUNT_BY_DEPARTMENT:
		d, _ := identifier.Department(key)
		return d.Name
	}
	return key
}

// announced is what the latest act in effect on the day announces of a unit as a whole, nil
// where none does. Totals that an act states twice are not added up: the last one counts.
func (c *count) announced(u labelling.Unit) (total *uint32) {
	slices.Sort(u.Roles)
	latest := bitemporal.Past
	l := c.lens
	names := labelling.NamesOfFilieres(&l.s.Topology, l.m.known)
	for id := range l.s.Labelling.Acts.IDs() {
		act, known := l.s.Labelling.Acts.At(id, l.m.valid, l.m.known)
		day, dated := labelling.EffectOf(act)
		if !known || !dated || day > l.m.valid || day < latest {
			continue
		}
		for _, t := range act.GetAnnouncedTotals() {
			if read, understood := labelling.ReadUnit(t.GetUnit(), names); understood && read.Same(u) {
				n := t.GetCount()
				total, latest = &n, day
			}
		}
	}
	return total
}

package topology

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/fault"
)

const (
	moves  = topologyv1.ChildOutcome_CHILD_OUTCOME_MOVES
	stays  = topologyv1.ChildOutcome_CHILD_OUTCOME_STAYS
	closes = topologyv1.ChildOutcome_CHILD_OUTCOME_CLOSES
)

// closing is all that closes on one day, and what becomes of what depends on it.
type closing struct {
	s        *State
	known    uint64 // position at which links are known
	mint     func() string
	from     string          // first day, as stated
	day      bitemporal.Date // the earliest it may be
	closed   map[string]bool
	children []child
	declared []*topologyv1.Link  // by the events decided so far
	belongs  map[string][]string // legal entities of the hospitals that moved so far
}

// child depends on something that closes.
type child struct {
	id      string
	kind    kind // none for a link
	outcome topologyv1.ChildOutcome
	to      []string
	field   string // where its decision stands
}

func (s *State) closing(ids []string, from string, mint func() string) (*closing, error) {
	day, _, err := bitemporal.Span(from)
	if err != nil {
		return nil, err
	}
	c := &closing{s: s, known: bitemporal.Latest, mint: mint, from: from, day: day, closed: make(map[string]bool), belongs: make(map[string][]string)}
	for _, id := range ids {
		c.closed[id] = true
	}
	return c, nil
}

// decide matches what is decided with what depends on those that close and, where one of
// these closes as well, on it.
func (c *closing) decide(decisions []*topologyv1.Child) error {
	at := make(map[string]int)
	for i, d := range decisions {
		if _, twice := at[d.GetChildId()]; twice {
			return fault.New(fault.Invalid, "NAMED_TWICE", fmt.Sprintf("children[%d].child_id", i), "%q is named already.", d.GetChildId())
		}
		at[d.GetChildId()] = i
	}
	var undecided []child
	found := make(map[string]bool)
	look := sorted(c.closed)
	for len(look) > 0 {
		id := look[0]
		look = look[1:]
		for _, one := range c.dependants(id) {
			if found[one.id] || c.closed[one.id] {
				continue
			}
			found[one.id] = true
			i, named := at[one.id]
			if !named || decisions[i].GetOutcome() == 0 {
				undecided = append(undecided, one)
				continue
			}
			one.outcome, one.to, one.field = decisions[i].GetOutcome(), decisions[i].GetToIds(), fmt.Sprintf("children[%d]", i)
			c.children = append(c.children, one)
			if one.outcome == closes && one.kind != none {
				c.closed[one.id] = true
				look = append(look, one.id)
			}
		}
	}
	for i, d := range decisions {
		if !found[d.GetChildId()] {
			return fault.New(fault.Refused, "CHILD_OTHER", fmt.Sprintf("children[%d].child_id", i), "%s depends on nothing that closes.", c.name(d.GetChildId()))
		}
	}
	if len(undecided) > 0 {
		return fault.New(fault.Refused, "CHILD_UNDECIDED", "children",
			"Say what becomes of %s, which depends on what closes: it moves, stays or closes. %d more are undecided%s.", c.name(undecided[0].id), len(undecided)-1, others(undecided[1:]))
	}
	return nil
}

// others is the ids of the rest, as many as a message takes.
func others(rest []child) string {
	var ids []string
	for _, one := range rest {
		if len(ids) == 50 {
			ids = append(ids, "...")
			break
		}
		ids = append(ids, one.id)
	}
	if ids == nil {
		return ""
	}
	return ": " + strings.Join(ids, ", ")
}

// name is the kind, the id and the name of one, if it has a name.
func (c *closing) name(id string) string {
	if l, ok := c.s.Links.Last(id, bitemporal.Latest); ok {
		return fmt.Sprintf("the link %s (%s of %q with %q)", id, l.GetKind(), c.s.nameOf(l.GetFromId()), cmp.Or(l.GetCode(), c.s.nameOf(l.GetToId())))
	}
	kind, _ := c.s.entity(id, bitemporal.Latest)
	name := c.s.nameOf(id)
	if name == id {
		return fmt.Sprintf("the %s %s", kinds[kind].name, id)
	}
	return fmt.Sprintf("the %s %s (%q)", kinds[kind].name, id, name)
}

// dependants are those that depend on one on the day of the closing or later: by kind,
// in the order registered.
func (c *closing) dependants(id string) []child {
	var all []child
	s := c.s
	switch kind, _ := s.entity(id, bitemporal.Latest); kind {
	case aHospital:
		all = slices.Concat(
			dependants(c, &s.Centres, aCentre, func(v *topologyv1.Centre) bool { return slices.Contains(v.GetEstablishmentIds(), id) }),
			dependants(c, &s.Platforms, aPlatform, func(v *topologyv1.Platform) bool { return slices.Contains(v.GetEstablishmentIds(), id) }),
			dependants(c, &s.Filieres, aFiliere, func(v *topologyv1.Filiere) bool { return v.GetEstablishmentId() == id }),
			dependants(c, &s.Establishments, aHospital, func(v *topologyv1.Establishment) bool { return slices.Contains(v.GetLegalEntityIds(), id) }),
		)
	case aFiliere:
		all = dependants(c, &s.Networks, aNetwork, func(v *topologyv1.Network) bool { return v.GetFiliereId() == id })
	}
	for l := range s.LinksOf(id, bitemporal.Latest) {
		if c.holds(l) {
			all = append(all, child{id: l.GetLinkId()})
		}
	}
	return all
}

func dependants[E entity](c *closing, t *bitemporal.Table[E], k kind, depends func(E) bool) []child {
	var all []child
	for id := range t.IDs() {
		if slices.ContainsFunc(t.Versions(id, bitemporal.Latest), func(v bitemporal.Version[E]) bool {
			return v.Valid.To > c.day && !v.Value.GetClosed() && depends(v.Value)
		}) {
			all = append(all, child{id: id, kind: k})
		}
	}
	return all
}

// holds reports whether a link holds on the day of the closing or later, but for what
// closes then.
func (c *closing) holds(l *topologyv1.Link) bool {
	span := spanOf(l)
	return span.To > max(c.day, span.From) && !slices.ContainsFunc(endsOf(l), func(id string) bool {
		return !c.closed[id] && c.s.closedBy(id, max(c.day, span.From), c.known)
	})
}

// settle returns the facts by which each child goes where it is decided to.
func (c *closing) settle() ([]*topologyv1.Event, error) {
	var events []*topologyv1.Event
	for _, one := range c.children {
		if err := c.check(one); err != nil {
			return nil, err
		}
		facts, err := c.child(one)
		if err != nil {
			return nil, err
		}
		events = append(events, facts...)
		if one.kind == aHospital && one.outcome == moves {
			e, _ := c.s.Establishments.Last(one.id, bitemporal.Latest)
			c.belongs[one.id] = c.instead(e.GetLegalEntityIds(), one.to)
		}
	}
	return events, nil
}

// check refuses a decision that says where one goes that goes nowhere, or not where
// another goes, or where it cannot be (CHILD_DESTINATION), one that goes where nobody is
// on the day, or something is closed, and one that closes a second time: who took its
// place then would be forgotten.
func (c *closing) check(one child) error {
	if _, e := c.s.entity(one.id, bitemporal.Latest); one.outcome == closes && one.kind != none && e.GetClosed() {
		return isClosed(one.kind, one.field+".outcome", one.id, e)
	}
	wrong := func(sentence string) error {
		return fault.New(fault.Refused, "CHILD_DESTINATION", one.field+".to_ids", "%s: %s", c.name(one.id), sentence)
	}
	switch {
	case one.outcome == stays && one.kind == none:
		return fault.New(fault.Refused, "CHILD_DESTINATION", one.field+".outcome", "%s: a link whose end closes moves to another or ends.", c.name(one.id))
	case one.outcome != moves && len(one.to) > 0:
		return wrong("only what moves goes elsewhere.")
	case one.outcome == moves && len(one.to) == 0:
		return wrong("say where it moves.")
	case one.outcome == moves && len(one.to) > 1 && (one.kind == aNetwork || one.kind == aFiliere):
		return wrong("it moves to one alone.")
	}
	field := one.field + ".to_ids"
	if err := distinct(field, one.to); err != nil {
		return err
	}
	for i, id := range one.to {
		at := fmt.Sprintf("%s[%d]", field, i)
		if c.closed[id] {
			return fault.New(fault.Refused, "CHILD_DESTINATION", at, "%s closes on the same day.", c.name(id))
		}
		if want, fits := c.destination(one, id); !fits {
			return c.s.is(want, at, id)
		}
		if err := c.s.open(at, id, c.from); err != nil {
			return err
		}
		if one.kind == aHospital {
			if err := c.s.otherEntity(one.id, id, at, c.day, c.belongs); err != nil {
				return err
			}
		}
		if _, last, err := bitemporal.Span(c.from); err != nil || c.s.firstDay(id) > last {
			return fault.New(fault.Refused, "CHILD_DESTINATION", at, "%s is there from %s on only.", c.name(id), c.s.firstDay(id))
		}
	}
	return nil
}

// destination is the kind of what a child can move to, and whether an id is of it.
func (c *closing) destination(one child, id string) (want kind, fits bool) {
	got, _ := c.s.entity(id, bitemporal.Latest)
	switch one.kind {
	case none:
		l, _ := c.s.Links.Last(one.id, bitemporal.Latest)
		for _, end := range endsOf(l) {
			if c.closed[end] {
				want, _ = c.s.entity(end, bitemporal.Latest)
				if want == got {
					return want, true
				}
			}
		}
		return want, false
	case aNetwork:
		return aFiliere, got == aFiliere
	}
	return aHospital, got == aHospital
}

// child is the facts by which one goes where it is decided to.
func (c *closing) child(one child) ([]*topologyv1.Event, error) {
	s := c.s
	switch {
	case one.kind == none:
		return c.link(one)
	case one.outcome == closes:
		return []*topologyv1.Event{succeeded(one.kind, []string{one.id}, nil, c.from)}, nil
	}
	switch one.kind {
	case aCentre:
		return goOn(c, &s.Centres, one, (*topologyv1.Centre).GetEstablishmentIds, func(v *topologyv1.Centre, ids []string, from string) *topologyv1.Event {
			return &topologyv1.Event{Fact: &topologyv1.Event_CentreMoved{CentreMoved: &topologyv1.CentreMoved{
				CentreId: one.id, ValidFrom: from, EstablishmentIds: ids, Place: v.GetPlace(),
			}}}
		}), nil
	case aPlatform:
		return goOn(c, &s.Platforms, one, (*topologyv1.Platform).GetEstablishmentIds, func(v *topologyv1.Platform, ids []string, from string) *topologyv1.Event {
			return &topologyv1.Event{Fact: &topologyv1.Event_PlatformMoved{PlatformMoved: &topologyv1.PlatformMoved{
				PlatformId: one.id, ValidFrom: from, EstablishmentIds: ids, Place: v.GetPlace(),
			}}}
		}), nil
	case aHospital:
		return goOn(c, &s.Establishments, one, (*topologyv1.Establishment).GetLegalEntityIds, func(_ *topologyv1.Establishment, ids []string, from string) *topologyv1.Event {
			return &topologyv1.Event{Fact: &topologyv1.Event_LegalEntityChanged{LegalEntityChanged: &topologyv1.LegalEntityChanged{
				EstablishmentId: one.id, ValidFrom: from, LegalEntityIds: ids,
			}}}
		}), nil
	case aFiliere:
		return goOn(c, &s.Filieres, one, func(v *topologyv1.Filiere) []string { return []string{v.GetEstablishmentId()} }, func(_ *topologyv1.Filiere, ids []string, from string) *topologyv1.Event {
			return &topologyv1.Event{Fact: &topologyv1.Event_FiliereAttached{FiliereAttached: &topologyv1.FiliereAttached{
				FiliereId: one.id, ValidFrom: from, EstablishmentId: first(ids),
			}}}
		}), nil
	}
	return goOn(c, &s.Networks, one, func(v *topologyv1.Network) []string { return []string{v.GetFiliereId()} }, func(_ *topologyv1.Network, ids []string, from string) *topologyv1.Event {
		return &topologyv1.Event{Fact: &topologyv1.Event_NetworkAttached{NetworkAttached: &topologyv1.NetworkAttached{
			NetworkId: one.id, ValidFrom: from, FiliereId: first(ids),
		}}}
	}), nil
}

// goOn is the facts by which one goes on without what closes, and with those it moves to
// in their place. A fact holds for good, so there is one for each change that is known
// of later: usually one in all.
func goOn[E entity](c *closing, t *bitemporal.Table[E], one child, of func(E) []string, fact func(v E, ids []string, from string) *topologyv1.Event) []*topologyv1.Event {
	var events []*topologyv1.Event
	var last *topologyv1.Event
	for _, v := range t.Versions(one.id, bitemporal.Latest) {
		if v.Valid.To <= c.day || v.Value.GetClosed() {
			continue
		}
		was := of(v.Value)
		ids := c.instead(was, one.to)
		says := fact(v.Value, ids, "")
		if last == nil && slices.Equal(ids, was) || last != nil && proto.Equal(says, last) {
			continue
		}
		from := c.from
		if v.Valid.From > c.day {
			from = v.Valid.From.String()
		}
		events, last = append(events, fact(v.Value, ids, from)), says
	}
	return events
}

// instead is a list without what closes, with others in the place of the first of it.
func (c *closing) instead(ids, others []string) []string {
	var out []string
	for _, id := range ids {
		if !c.closed[id] {
			out = with(out, id)
			continue
		}
		for _, other := range others {
			out = with(out, other)
		}
	}
	return out
}

func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }

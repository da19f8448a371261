package topology

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/fact"
	"maillage/services/fault"
	"maillage/services/identifier"
)

// joins has, for each kind of link, who may stand at its ends.
var joins = map[topologyv1.LinkKind]struct {
	from   []kind
	to     kind // none where it is named by a code
	within kind // none where it holds in no network
}{
	topologyv1.LinkKind_LINK_KIND_COLLABORATES: {[]kind{aCentre}, aNetwork, none},
	topologyv1.LinkKind_LINK_KIND_SERVES:       {[]kind{aCentre}, aFiliere, none},
	topologyv1.LinkKind_LINK_KIND_HOSTED:       {[]kind{aCentre}, aPlatform, none},
	topologyv1.LinkKind_LINK_KIND_ATTACHED:     {[]kind{aCentre}, aCentre, aNetwork},
	topologyv1.LinkKind_LINK_KIND_ERN:          {[]kind{aCentre, aHospital, aFiliere}, none, none},
}

func (s *State) linkDeclared(at uint64, f *topologyv1.LinkDeclared, why *eventv1.Basis) error {
	if err := dates(f.GetPeriod().GetEnd()); err != nil {
		return err
	}
	l := &topologyv1.Link{
		LinkId: f.GetLinkId(), Kind: f.GetKind(), FromId: f.GetFromId(), ToId: f.GetToId(), Code: f.GetCode(), NetworkId: f.GetNetworkId(),
		Period: f.GetPeriod(),
		Basis:  rest(nil, why),
	}
	for _, id := range endsOf(l) {
		if kind, _ := s.entity(id, bitemporal.Latest); kind == none {
			return fmt.Errorf("%w: %q", errUnknown, id)
		}
	}
	if err := register(&s.Links, l.GetLinkId(), l.GetPeriod().GetStart(), at, l); err != nil {
		return err
	}
	s.indexLink(l)
	return nil
}

func (s *State) linkConfirmed(at uint64, f *topologyv1.LinkConfirmed, why *eventv1.Basis) error {
	return change(&s.Links, f.GetLinkId(), f.GetDate(), at, func(l *topologyv1.Link) {
		l.Confirmed = true
		l.Basis = rest(l.GetBasis(), why)
	})
}

func (s *State) linkEnded(at uint64, f *topologyv1.LinkEnded, why *eventv1.Basis) error {
	if err := dates(f.GetEnd()); err != nil {
		return err
	}
	return change(&s.Links, f.GetLinkId(), "", at, func(l *topologyv1.Link) {
		l.Period = &eventv1.Period{Start: l.GetPeriod().GetStart(), End: f.GetEnd()}
		l.Ended = true
		l.Basis = rest(l.GetBasis(), why)
	})
}

// endsOf are the entities that a link touches: its ends, and the network it holds in.
func endsOf(l *topologyv1.Link) []string {
	return slices.DeleteFunc([]string{l.GetFromId(), l.GetToId(), l.GetNetworkId()}, func(id string) bool { return id == "" })
}

// spanOf is the days on which a link holds.
func spanOf(l *topologyv1.Link) bitemporal.Interval { return days(l.GetPeriod(), l.GetEnded()) }

// days are those of a period. Days of reduced precision are the earliest they may be, but
// for an end that would not come after the start. What was ended on an unknown day holds on
// none; what has no end stated holds until it has.
func days(p *eventv1.Period, ended bool) bitemporal.Interval {
	start, _, _ := bitemporal.Span(p.GetStart()) // dates are checked before they are folded
	if p.GetEnd() == "" {
		if ended {
			return bitemporal.Interval{From: start, To: start}
		}
		return bitemporal.Interval{From: start, To: bitemporal.Future}
	}
	end, latest, _ := bitemporal.Span(p.GetEnd())
	if end <= start {
		end = max(latest, start)
	}
	return bitemporal.Interval{From: start, To: end}
}

// InForce reports whether a link holds on a day (civil date, Europe/Paris), as known at a
// position: it is a day of its period, and nothing it touches is closed.
func (s *State) InForce(l *topologyv1.Link, day bitemporal.Date, known uint64) bool {
	if !spanOf(l).Contains(day) {
		return false
	}
	for _, id := range [...]string{l.GetFromId(), l.GetToId(), l.GetNetworkId()} {
		if id != "" && s.closedBy(id, day, known) {
			return false
		}
	}
	return true
}

// LinksOf yields the links that touch an entity, at either end or as the network of an
// attachment, as known at a position, in the order declared, those that do not hold
// included: [State.InForce] tells.
func (s *State) LinksOf(id string, known uint64) iter.Seq[*topologyv1.Link] {
	return func(yield func(*topologyv1.Link) bool) {
		for _, link := range s.links[id] {
			l, ok := s.Links.Last(link, known)
			if ok && (l.GetFromId() == id || l.GetToId() == id || l.GetNetworkId() == id) && !yield(l) {
				return
			}
		}
	}
}

// LinksOn yields every link that holds on a day, as known at a position, in the order
// declared, with its values of that day.
func (s *State) LinksOn(day bitemporal.Date, known uint64) iter.Seq[*topologyv1.Link] {
	return func(yield func(*topologyv1.Link) bool) {
		for id := range s.Links.IDs() {
			if l, ok := s.Links.At(id, day, known); ok && s.InForce(l, day, known) && !yield(l) {
				return
			}
		}
	}
}

// Ties returns the ids of the links and continuities that ever touched an entity,
// whatever became of them.
func (s *State) Ties(id string) []string { return slices.Concat(s.links[id], s.continuities[id]) }

// DeclareLink decides that two hold together for a while, under id. Who may stand at its
// ends depends on its kind: a centre collaborates with a network, serves a filière, is
// hosted by a platform, or is attached to another centre within a network; a hospital, a
// centre or a filière is a member of a European reference network, which is named by a
// code (LINK_ENDS, LINK_SELF). The same link twice at one time is refused: LINK_EXISTS.
func DeclareLink(s *State, id string, r *topologyv1.DeclareLinkRequest) ([]*topologyv1.Event, error) {
	start := r.GetPeriod().GetStart()
	f := &topologyv1.LinkDeclared{
		LinkId: id, Kind: r.GetKind(), FromId: r.GetFromId(), ToId: r.GetToId(), Code: strings.TrimSpace(r.GetCode()), NetworkId: r.GetNetworkId(),
		Period: r.GetPeriod(),
	}
	err := cmp.Or(fact.CheckBasis(r.GetBasis()), checkPeriod(r.GetPeriod()), s.free(id), s.joins(f))
	if err != nil {
		return nil, err
	}
	for _, end := range [...]struct{ field, id string }{{"from_id", f.GetFromId()}, {"to_id", f.GetToId()}, {"network_id", f.GetNetworkId()}} {
		if err := s.open(end.field, end.id, start); err != nil {
			return nil, err
		}
	}
	if same := s.overlapping(linkOf(f), nil, bitemporal.Latest); same != nil {
		return nil, fault.New(fault.Refused, "LINK_EXISTS", "period", "The link %s says so already, from %s to %s.", same.GetLinkId(),
			cmp.Or(same.GetPeriod().GetStart(), "an unknown day"), cmp.Or(same.GetPeriod().GetEnd(), "an unknown day"))
	}
	return resting(r.GetBasis(), &topologyv1.Event{Fact: &topologyv1.Event_LinkDeclared{LinkDeclared: f}}), nil
}

// checkPeriod refuses a day that does not exist (DATE_INVALID), and an end that is not
// after the start (PERIOD_EMPTY).
func checkPeriod(p *eventv1.Period) error {
	if err := cmp.Or(fact.CheckDate(p.GetStart(), "period.start"), fact.CheckDate(p.GetEnd(), "period.end")); err != nil {
		return err
	}
	return after(p.GetStart(), p.GetEnd(), "period.end")
}

// after refuses an end that is certainly not after a start.
func after(start, end, field string) error {
	from, _, err := bitemporal.Span(start)
	if err != nil {
		return err
	}
	if _, to, err := bitemporal.Span(end); err != nil || to <= from {
		return fault.New(fault.Invalid, "PERIOD_EMPTY", field, "The end %s is not after the start %s.", end, start)
	}
	return nil
}

// joins refuses a link whose ends are not those of its kind.
func (s *State) joins(f *topologyv1.LinkDeclared) error {
	rule, ok := joins[f.GetKind()]
	if !ok {
		return fault.New(fault.Invalid, "LINK_ENDS", "kind", "There is no such kind of link.")
	}
	got, _ := s.entity(f.GetFromId(), bitemporal.Latest)
	if got == none {
		return s.is(rule.from[0], "from_id", f.GetFromId())
	}
	if !slices.Contains(rule.from, got) {
		return fault.New(fault.Refused, "LINK_ENDS", "from_id", "No %s stands there in a link of this kind.", kinds[got].name)
	}
	for _, end := range [...]struct {
		field, id string
		want      kind
	}{{"to_id", f.GetToId(), rule.to}, {"network_id", f.GetNetworkId(), rule.within}} {
		got, _ := s.entity(end.id, bitemporal.Latest)
		switch {
		case got == end.want && (got == none) == (end.id == ""):
		case end.id != "" && got == none && end.want != none:
			return s.is(end.want, end.field, end.id)
		case end.want == none:
			return fault.New(fault.Refused, "LINK_ENDS", end.field, "A link of this kind has none.")
		default:
			return fault.New(fault.Refused, "LINK_ENDS", end.field, "In a link of this kind, a %s stands there.", kinds[end.want].name)
		}
	}
	if f.GetFromId() == f.GetToId() {
		return fault.New(fault.Refused, "LINK_SELF", "to_id", "A centre is not attached to itself.")
	}
	if (f.GetCode() != "") != (f.GetKind() == topologyv1.LinkKind_LINK_KIND_ERN) {
		return fault.New(fault.Refused, "LINK_ENDS", "code", "A European reference network is named by its code, and nothing else is.")
	}
	return nil
}

func linkOf(f *topologyv1.LinkDeclared) *topologyv1.Link {
	return &topologyv1.Link{Kind: f.GetKind(), FromId: f.GetFromId(), ToId: f.GetToId(), Code: f.GetCode(), NetworkId: f.GetNetworkId(), Period: f.GetPeriod()}
}

// overlapping returns a link that says the same as one for some of its days, among those
// of the register, as known at a position, and others; nil for none.
func (s *State) overlapping(one *topologyv1.Link, others []*topologyv1.Link, known uint64) *topologyv1.Link {
	days := spanOf(one)
	same := func(l *topologyv1.Link) bool {
		span := spanOf(l)
		return l.GetKind() == one.GetKind() && l.GetFromId() == one.GetFromId() && l.GetToId() == one.GetToId() && l.GetNetworkId() == one.GetNetworkId() &&
			identifier.Fold(l.GetCode()) == identifier.Fold(one.GetCode()) && max(span.From, days.From) < min(span.To, days.To)
	}
	for l := range s.LinksOf(one.GetFromId(), known) {
		if same(l) {
			return l
		}
	}
	if i := slices.IndexFunc(others, same); i >= 0 {
		return others[i]
	}
	return nil
}

// link returns a registered link: LINK_UNKNOWN.
func (s *State) link(id string) (*topologyv1.Link, error) {
	l, ok := s.Links.Last(id, bitemporal.Latest)
	if !ok {
		return nil, fault.New(fault.NotFound, "LINK_UNKNOWN", "link_id", "No link is registered under %q.", id)
	}
	return l, nil
}

// ConfirmLink decides that both sides of a link say so, once (LINK_CONFIRMED), on a day
// on which it has not certainly ended (LINK_ENDED).
func ConfirmLink(s *State, r *topologyv1.ConfirmLinkRequest) ([]*topologyv1.Event, error) {
	l, err := s.link(r.GetLinkId())
	if err := cmp.Or(fact.CheckBasis(r.GetBasis()), fact.CheckDate(r.GetDate(), "date"), err); err != nil {
		return nil, err
	}
	if l.GetConfirmed() {
		return nil, fault.New(fault.Refused, "LINK_CONFIRMED", "link_id", "It is confirmed already.")
	}
	if from, _, err := bitemporal.Span(r.GetDate()); err != nil || from >= spanOf(l).To && from > bitemporal.Past {
		return nil, linkEnded(l, "date")
	}
	return resting(r.GetBasis(), &topologyv1.Event{Fact: &topologyv1.Event_LinkConfirmed{LinkConfirmed: &topologyv1.LinkConfirmed{
		LinkId: r.GetLinkId(), Date: r.GetDate(),
	}}}), nil
}

// EndLink decides that a link holds no longer from a day on, after its start
// (PERIOD_EMPTY) and, where its end was stated when it was declared, before that. One
// that was ended is ended for good: LINK_ENDED.
func EndLink(s *State, r *topologyv1.EndLinkRequest) ([]*topologyv1.Event, error) {
	l, err := s.link(r.GetLinkId())
	if err := cmp.Or(fact.CheckBasis(r.GetBasis()), fact.CheckDate(r.GetEnd(), "end"), err); err != nil {
		return nil, err
	}
	if err := after(l.GetPeriod().GetStart(), r.GetEnd(), "end"); err != nil {
		return nil, err
	}
	if from, _, err := bitemporal.Span(r.GetEnd()); err != nil || l.GetEnded() || from >= spanOf(l).To {
		return nil, linkEnded(l, "end")
	}
	return resting(r.GetBasis(), ended(r.GetLinkId(), r.GetEnd())), nil
}

func linkEnded(l *topologyv1.Link, field string) error {
	return fault.New(fault.Refused, "LINK_ENDED", field, "It ends on %s already.", cmp.Or(l.GetPeriod().GetEnd(), "an unknown day"))
}

func ended(id, end string) *topologyv1.Event {
	return &topologyv1.Event{Fact: &topologyv1.Event_LinkEnded{LinkEnded: &topologyv1.LinkEnded{LinkId: id, End: end}}}
}

// link is the facts by which a link with something that closes goes on with others, or
// ends.
func (c *closing) link(one child) ([]*topologyv1.Event, error) {
	l, _ := c.s.Links.Last(one.id, bitemporal.Latest)
	if one.outcome == closes {
		return []*topologyv1.Event{c.end(l)}, nil
	}
	fresh := c.relink(l, func(end string) []string {
		want, _ := c.s.entity(end, bitemporal.Latest)
		return slices.DeleteFunc(slices.Clone(one.to), func(id string) bool {
			got, _ := c.s.entity(id, bitemporal.Latest)
			return got != want
		})
	})
	if len(fresh) == 0 {
		return nil, fault.New(fault.Refused, "CHILD_DESTINATION", one.field+".to_ids", "%s: say what takes the place of each end that closes; two of its ends cannot be one.", c.name(one.id))
	}
	return c.carry(l, fresh), nil
}

// relink is what a link becomes as others take the place of each of its ends that closes:
// none where an end has nobody.
func (c *closing) relink(l *topologyv1.Link, instead func(end string) []string) []*topologyv1.Link {
	options := func(end string) []string {
		if end != "" && c.closed[end] {
			return instead(end)
		}
		return []string{end}
	}
	start := c.from
	if spanOf(l).From > c.day {
		start = l.GetPeriod().GetStart()
	}
	var fresh []*topologyv1.Link
	for _, from := range options(l.GetFromId()) {
		for _, to := range options(l.GetToId()) {
			for _, network := range options(l.GetNetworkId()) {
				if from == to {
					continue
				}
				next := proto.CloneOf(l)
				next.FromId, next.ToId, next.NetworkId = from, to, network
				next.Period = &eventv1.Period{Start: start, End: l.GetPeriod().GetEnd()}
				next.Ended = false
				fresh = append(fresh, next)
			}
		}
	}
	return fresh
}

// carry ends a link and declares those it becomes.
func (c *closing) carry(l *topologyv1.Link, fresh []*topologyv1.Link) []*topologyv1.Event {
	return append([]*topologyv1.Event{c.end(l)}, c.declare(fresh)...)
}

// declare declares links, on the days on which no other says the same already.
func (c *closing) declare(fresh []*topologyv1.Link) []*topologyv1.Event {
	var events []*topologyv1.Event
	for _, next := range fresh {
		for _, next := range c.gaps(next) {
			next.LinkId = c.mint()
			c.declared = append(c.declared, next)
			events = append(events, &topologyv1.Event{Fact: &topologyv1.Event_LinkDeclared{LinkDeclared: &topologyv1.LinkDeclared{
				LinkId: next.GetLinkId(), Kind: next.GetKind(), FromId: next.GetFromId(), ToId: next.GetToId(), Code: next.GetCode(), NetworkId: next.GetNetworkId(),
				Period: next.GetPeriod(),
			}}})
		}
	}
	return events
}

// gaps are the parts of a link that no other says already.
func (c *closing) gaps(one *topologyv1.Link) []*topologyv1.Link {
	other := c.s.overlapping(one, c.declared, c.known)
	if other == nil {
		return []*topologyv1.Link{one}
	}
	taken, days := spanOf(other), spanOf(one)
	var parts []*topologyv1.Link
	if days.From < taken.From {
		before := proto.CloneOf(one)
		before.Period.End = taken.From.String()
		parts = c.gaps(before)
	}
	if taken.To < days.To {
		after := proto.CloneOf(one)
		after.Period.Start = taken.To.String()
		parts = append(parts, c.gaps(after)...)
	}
	return parts
}

// CarryLinks returns the facts, without a basis yet, by which the links of those that
// close on a day, as known at a position, go on with the one that takes its place, and
// end where none or several do: none from a day that does not exist. heirs leads from
// each that closes to those that take its place, which need not be registered yet; mint
// returns a new id for each link that goes on.
//
// Links of the same occasion are declared beside, on the days on which neither the
// register nor a link that goes on says the same.
func CarryLinks(s *State, known uint64, mint func() string, heirs map[string][]string, from string, beside ...*topologyv1.Link) (carried, declared []*topologyv1.Event) {
	c, err := s.closing(slices.Sorted(maps.Keys(heirs)), from, mint)
	if err != nil {
		return nil, nil
	}
	c.known = known
	seen := make(map[string]bool)
	for _, id := range sorted(c.closed) {
		for l := range s.LinksOf(id, known) {
			if seen[l.GetLinkId()] || !c.holds(l) {
				continue
			}
			seen[l.GetLinkId()] = true
			carried = append(carried, c.carry(l, c.relink(l, func(end string) []string {
				if next := heirs[end]; len(next) == 1 {
					return next
				}
				return nil
			}))...)
		}
	}
	return carried, c.declare(beside)
}

// end ends a link on the day of the closing; one that does not start before never holds.
func (c *closing) end(l *topologyv1.Link) *topologyv1.Event {
	if start := spanOf(l).From; start >= c.day && start > bitemporal.Past {
		return ended(l.GetLinkId(), start.String())
	}
	return ended(l.GetLinkId(), c.from)
}

package topology

import (
	"cmp"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/fact"
	"maillage/services/fault"
	"maillage/services/identifier"
)

// systems are those whose ids are known to be stated here: the data bank's application,
// the directory of services for rare diseases, and the agencies' register of authorised
// activities. Another one is named by whoever states its first alias.
var systems = []string{"bamara", "orphanet", "e-cars"}

var (
	systemShape = regexp.MustCompile(`^[a-z][a-z0-9-]{0,19}$`)
	// valueShape is what a code looks like: visible ASCII, a letter or a digit first. Neither
	// a space nor an @ is in it, so that neither a full name nor an electronic address is
	// taken for one: what an event holds cannot be erased.
	valueShape = regexp.MustCompile(`^[0-9A-Za-z][!-?A-~]{0,63}$`)
)

// entityKinds is what an alias says of the kind of its entity. A site is no entity of
// topology: whoever knows of labels knows of sites.
var entityKinds = [...]topologyv1.EntityKind{
	aHospital: topologyv1.EntityKind_ENTITY_KIND_ESTABLISHMENT,
	aCentre:   topologyv1.EntityKind_ENTITY_KIND_CENTRE,
	aNetwork:  topologyv1.EntityKind_ENTITY_KIND_NETWORK,
	aFiliere:  topologyv1.EntityKind_ENTITY_KIND_FILIERE,
	aPlatform: topologyv1.EntityKind_ENTITY_KIND_PLATFORM,
}

const aSite = topologyv1.EntityKind_ENTITY_KIND_SITE

func (s *State) aliasStated(at uint64, f *topologyv1.AliasStated, why *eventv1.Basis) error {
	if err := dates(f.GetPeriod().GetEnd()); err != nil {
		return err
	}
	k, _ := s.entity(f.GetEntityId(), bitemporal.Latest)
	if want := entityKinds[k]; f.GetEntityId() == "" || f.GetEntityKind() != cmp.Or(want, aSite) {
		return fmt.Errorf("%w: %q as a %s", errUnknown, f.GetEntityId(), f.GetEntityKind())
	}
	if len(s.Aliases.History(f.GetAliasId())) > 0 {
		return fmt.Errorf("%w: %q", errTaken, f.GetAliasId())
	}
	a := &topologyv1.Alias{
		AliasId: f.GetAliasId(), EntityId: f.GetEntityId(), EntityKind: f.GetEntityKind(), System: f.GetSystem(), Value: f.GetValue(),
		Period: f.GetPeriod(), Shared: f.GetShared(), Basis: rest(nil, why),
	}
	if err := register(&s.Aliases, a.GetAliasId(), a.GetPeriod().GetStart(), at, a); err != nil {
		return err
	}
	s.indexAlias(a)
	return nil
}

func (s *State) aliasEnded(at uint64, f *topologyv1.AliasEnded, why *eventv1.Basis) error {
	if err := dates(f.GetEnd()); err != nil {
		return err
	}
	return change(&s.Aliases, f.GetAliasId(), "", at, func(a *topologyv1.Alias) {
		a.Period = &eventv1.Period{Start: a.GetPeriod().GetStart(), End: f.GetEnd()}
		a.Ended = true
		a.Basis = rest(a.GetBasis(), why)
	})
}

func (s *State) aliasVoided(at uint64, f *topologyv1.AliasVoided) error {
	if !known(&s.Aliases, f.GetAliasId()) {
		return fmt.Errorf("%w: %q", errUnknown, f.GetAliasId())
	}
	s.Aliases.Retract(f.GetAliasId(), always, at)
	return nil
}

func (s *State) indexAlias(a *topologyv1.Alias) {
	s.aliases.enter(a.GetEntityId(), a.GetAliasId())
	s.aliasValues.enter(identifier.Fold(a.GetValue()), a.GetAliasId())
	// One that was ever stated is enough to know a system by.
	if !s.knowsSystem(a.GetSystem()) {
		s.aliasSystems.enter(a.GetSystem(), a.GetAliasId())
	}
}

// knowsSystem reports whether an alias was ever stated in a system.
func (s *State) knowsSystem(system string) bool {
	return slices.ContainsFunc(s.aliasSystems[system], func(id string) bool {
		first, there := s.Aliases.First(id)
		return there && first.Value.GetSystem() == system
	})
}

// AliasHolds reports whether an alias is in use on a day (civil date, Europe/Paris), as
// known at a position: it is a day of its period, and its entity is not closed.
func (s *State) AliasHolds(a *topologyv1.Alias, day bitemporal.Date, known uint64) bool {
	return days(a.GetPeriod(), a.GetEnded()).Contains(day) && !s.closedBy(a.GetEntityId(), day, known)
}

// AliasesOf yields the aliases that an entity ever had, a site among them, as known at a
// position, in the order stated. Those voided by then are gone.
func (s *State) AliasesOf(entityID string, known uint64) iter.Seq[*topologyv1.Alias] {
	return func(yield func(*topologyv1.Alias) bool) {
		for _, id := range s.aliases[entityID] {
			if a, ok := s.Aliases.Last(id, known); ok && a.GetEntityId() == entityID && !yield(a) {
				return
			}
		}
	}
}

// AliasesNamed yields the aliases of a value, folded as names are, in a system or in any
// where that is empty, as known at a position, in the order stated.
func (s *State) AliasesNamed(system, value string, known uint64) iter.Seq[*topologyv1.Alias] {
	system, value = strings.ToLower(strings.TrimSpace(system)), identifier.Fold(value)
	return func(yield func(*topologyv1.Alias) bool) {
		for _, id := range s.aliasValues[value] {
			a, ok := s.Aliases.Last(id, known)
			if ok && identifier.Fold(a.GetValue()) == value && (system == "" || a.GetSystem() == system) && !yield(a) {
				return
			}
		}
	}
}

// AliasesEver returns the ids of the aliases that were ever stated of an entity, whatever
// became of them.
func (s *State) AliasesEver(entityID string) []string { return s.aliases[entityID] }

// spanOfAlias is the days on which an alias is in use: those of its period before its
// entity closes.
func (s *State) spanOfAlias(a *topologyv1.Alias) bitemporal.Interval {
	span := days(a.GetPeriod(), a.GetEnded())
	if _, e := s.entity(a.GetEntityId(), bitemporal.Latest); e != nil && e.GetClosed() {
		closed, _, _ := bitemporal.Span(e.GetClosedFrom()) // dates are checked before they are folded
		span.To = max(span.From, min(span.To, closed))
	}
	return span
}

// StateAlias decides that another system uses an id for an entity of topology, or for one
// that isSite knows, while a period lasts. It is refused where it can only be a typing
// fault: a system that nobody named before (ALIAS_SYSTEM_NEW) and the like of it
// (ALIAS_SYSTEM_INVALID), what looks like no code (ALIAS_VALUE_INVALID), what is stated of
// the entity for some of these days already (ALIAS_EXISTS), and what is stated of another
// one of the kind that is not the same, unless the system is said to use it for both
// (ALIAS_TAKEN). What another one had before is free: systems hand ids on to successors.
func StateAlias(s *State, id string, isSite func(id string) bool, r *topologyv1.StateAliasRequest) ([]*topologyv1.Event, error) {
	err := cmp.Or(fact.CheckBasis(r.GetBasis()), checkPeriod(r.GetPeriod()), s.free(id), s.checkCode(r),
		s.open("entity_id", r.GetEntityId(), r.GetPeriod().GetStart()))
	if err != nil {
		return nil, err
	}
	k, _ := s.entity(r.GetEntityId(), bitemporal.Latest)
	if k == none && !isSite(r.GetEntityId()) {
		return nil, fault.New(fault.NotFound, "ENTITY_UNKNOWN", "entity_id", "No establishment, centre, network, filière, platform or site is known under %q.", r.GetEntityId())
	}
	f := &topologyv1.AliasStated{
		AliasId: id, EntityId: r.GetEntityId(), EntityKind: cmp.Or(entityKinds[k], aSite), System: strings.ToLower(strings.TrimSpace(r.GetSystem())),
		Value: strings.TrimSpace(r.GetValue()), Period: r.GetPeriod(), Shared: r.GetShared(),
	}
	if err := s.aliasFree(f); err != nil {
		return nil, err
	}
	return resting(r.GetBasis(), &topologyv1.Event{Fact: &topologyv1.Event_AliasStated{AliasStated: f}}), nil
}

// checkCode refuses a system or a value that is none.
func (s *State) checkCode(r *topologyv1.StateAliasRequest) error {
	system := strings.ToLower(strings.TrimSpace(r.GetSystem()))
	switch {
	case !systemShape.MatchString(system):
		return fault.New(fault.Invalid, "ALIAS_SYSTEM_INVALID", "system", "%q is no code of a system: letters, digits and hyphens.", r.GetSystem())
	case !r.GetNewSystem() && !slices.Contains(systems, system) && !s.knowsSystem(system):
		return fault.New(fault.Refused, "ALIAS_SYSTEM_NEW", "system", "No alias was stated in %q before, nor is it one of %s: say that it is new.", system, strings.Join(systems, ", "))
	case !valueShape.MatchString(strings.TrimSpace(r.GetValue())):
		return fault.New(fault.Invalid, "ALIAS_VALUE_INVALID", "value", "A code has neither spaces nor accents nor @: a name or an address of a person cannot stand in an event.")
	}
	return nil
}

// aliasFree refuses what is in use on some of the same days.
func (s *State) aliasFree(f *topologyv1.AliasStated) error {
	span := s.spanOfAlias(&topologyv1.Alias{EntityId: f.GetEntityId(), Period: f.GetPeriod()})
	same := s.Continued(f.GetEntityId(), bitemporal.Latest)
	for a := range s.AliasesNamed(f.GetSystem(), f.GetValue(), bitemporal.Latest) {
		other := s.spanOfAlias(a)
		switch {
		case max(span.From, other.From) >= min(span.To, other.To) || a.GetEntityKind() != f.GetEntityKind():
		case a.GetEntityId() == f.GetEntityId():
			return fault.New(fault.Refused, "ALIAS_EXISTS", "period", "The alias %s says so already, from %s to %s.", a.GetAliasId(),
				cmp.Or(a.GetPeriod().GetStart(), "an unknown day"), cmp.Or(a.GetPeriod().GetEnd(), "an unknown day"))
		case !f.GetShared() && !slices.Contains(same, a.GetEntityId()):
			return fault.New(fault.Refused, "ALIAS_TAKEN", "value", "%s has it at that time, by the alias %s: end that one, or say that both share it.", a.GetEntityId(), a.GetAliasId())
		}
	}
	return nil
}

// alias returns an alias that is believed: ALIAS_UNKNOWN, ALIAS_VOIDED.
func (s *State) alias(id string) (*topologyv1.Alias, error) {
	a, ok := s.Aliases.Last(id, bitemporal.Latest)
	if ok {
		return a, nil
	}
	if len(s.Aliases.History(id)) > 0 {
		return nil, fault.New(fault.Refused, "ALIAS_VOIDED", "alias_id", "It was stated by mistake, and is voided.")
	}
	return nil, fault.New(fault.NotFound, "ALIAS_UNKNOWN", "alias_id", "No alias is stated under %q.", id)
}

// EndAlias decides that an alias is used no longer from a day on, after its start
// (PERIOD_EMPTY) and before an end stated with it. One that was ended is ended for good:
// ALIAS_ENDED.
func EndAlias(s *State, r *topologyv1.EndAliasRequest) ([]*topologyv1.Event, error) {
	a, err := s.alias(r.GetAliasId())
	if err := cmp.Or(fact.CheckBasis(r.GetBasis()), fact.CheckDate(r.GetEnd(), "end"), err); err != nil {
		return nil, err
	}
	if err := after(a.GetPeriod().GetStart(), r.GetEnd(), "end"); err != nil {
		return nil, err
	}
	from, _, err := bitemporal.Span(r.GetEnd())
	if err != nil || a.GetEnded() || from >= days(a.GetPeriod(), false).To {
		return nil, fault.New(fault.Refused, "ALIAS_ENDED", "end", "It ends on %s already.", cmp.Or(a.GetPeriod().GetEnd(), "an unknown day"))
	}
	return resting(r.GetBasis(), &topologyv1.Event{Fact: &topologyv1.Event_AliasEnded{AliasEnded: &topologyv1.AliasEnded{
		AliasId: r.GetAliasId(), EntityId: a.GetEntityId(), End: r.GetEnd(),
	}}}), nil
}

// VoidAlias decides that an alias was stated by mistake, once. It never was so, and is
// found no more but by who looks at what was known before. To correct one, void it and
// state the right one.
func VoidAlias(s *State, r *topologyv1.VoidAliasRequest) ([]*topologyv1.Event, error) {
	a, err := s.alias(r.GetAliasId())
	if err := cmp.Or(fact.CheckBasis(r.GetBasis()), err); err != nil {
		return nil, err
	}
	events := resting(r.GetBasis(), &topologyv1.Event{Fact: &topologyv1.Event_AliasVoided{AliasVoided: &topologyv1.AliasVoided{
		AliasId: r.GetAliasId(), EntityId: a.GetEntityId(),
	}}})
	first, _ := s.Aliases.First(r.GetAliasId())
	events[0].Meta.Corrects = first.KnownFrom
	return events, nil
}

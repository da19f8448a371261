// Package topology says who exists in the world of rare diseases, and how they hold
// together. It knows nothing of labels: those are package labelling's.
//
//   - An establishment (établissement de santé) is a hospital: a FINESS site, or the
//     legal entity (entité juridique) it belongs to. FINESS and SIRET numbers are
//     attributes that can be searched for. They are no keys: most are unknown, and one
//     number can stand for a site and for its legal entity.
//
//   - A centre is a team, in one hospital or several, or in a town where no hospital is
//     named. Annexes of acts name no team, so many centres have no name.
//
//   - A network (réseau CRMR) is one coordinating reference centre and the centres
//     around it. It changes title and acronym at once, and keeps its id. Its scope is the
//     diseases it takes care of, by their codes in one release of the ORPHA nomenclature.
//
//   - A filière (FSMR) groups networks by kind of disease. Networks are older than
//     filières: before 2014 they belong to none.
//
//   - A platform (PEMR, or PCOM overseas) helps the labelled centres of a territory,
//     whatever their filière, from one hospital or several. Its territory is
//     regions as a whole, and departments besides, where it is stated; how it is reached is kept in
//     the vault, but for its website.
//
//   - A link holds two of them together for a while: a centre collaborates with a network
//     that gave it no label (centre collaborateur), serves a filière besides those of its
//     networks, is helped by a platform that hosts it, or is attached to a reference
//     centre within a network; a hospital, centre or filière is a member of a European
//     reference network (ERN), which is known by its name alone. Its days may be unknown;
//     that both sides say so is a fact of its own.
//
//   - A continuity says that two ids of one kind turn out to be one from the start, and
//     which to go by. Both stay valid, no fact moves from one to the other, and it can be
//     revoked.
//
//   - An alias is an id that another system uses for one of them, or for a site, while a
//     period lasts: BaMaRa, Orphanet, e-CARS, or another one by a short code. It is searched
//     by and is no key: an id that one had before can be another's now, and leads to both.
//
//   - A plan (plan national maladies rares, PNMR) is reference data: the years it spans,
//     prolongations included, and its axes, for undertakings to cite.
//
// An entity is registered, renamed, attached and moved, and is closed as others take its
// place or none does: each time a fact with a first day in the world (valid time) and a
// position in the log (known time). A fact that comes late is recorded late and read at
// its day; nothing is overwritten. A first day that lies ahead is told once it has come
// ([Due]). What closes leaves nobody behind: what becomes of each that depends on it is
// decided in the same commit.
//
// The package is pure. [State.Evolve] folds facts into a state; a decision, one for
// each command, reads a state and returns the facts to append. A new kind of fact is a
// message in event.proto, a case in Evolve, the decision that returns it, and a row in
// the tests.
package topology

import (
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/fact"
)

// Schema is the version of the contract that this package writes, and the highest one
// that it reads.
const Schema = 1

// errUnknown and errTaken say that an event does not fit the events before it: the log
// was not written by these decisions, or not read from its beginning.
var (
	errUnknown = errors.New("nothing is registered under the id")
	errTaken   = errors.New("the id is empty or already registered")
)

// State is what is known of topology: for each entity, what held on which day as known
// at which position. The zero value is the state before the first fact. The values in
// the tables are never changed: callers must not change them either. Not safe for
// concurrent use; reads may run together.
type State struct {
	Establishments bitemporal.Table[*topologyv1.Establishment]
	Centres        bitemporal.Table[*topologyv1.Centre]
	Networks       bitemporal.Table[*topologyv1.Network]
	Filieres       bitemporal.Table[*topologyv1.Filiere]
	Platforms      bitemporal.Table[*topologyv1.Platform]

	Links        bitemporal.Table[*topologyv1.Link]
	Continuities bitemporal.Table[*topologyv1.Continuity]
	Plans        bitemporal.Table[*topologyv1.Plan]
	Aliases      bitemporal.Table[*topologyv1.Alias]

	// finess leads from a number to the establishments that ever bore it, links and
	// continuities from an entity to those that ever touched it, and so do aliases; the
	// others lead to aliases from values and systems. They only grow: readers ask the
	// tables whether it is still so, which is why Rollback need not undo them.
	finess, links, continuities        index
	aliases, aliasValues, aliasSystems index

	agenda fact.Agenda // days stated ahead
}

// index leads from one key to several ids, in the order they were entered last: one that
// was rolled back may be entered again after others.
type index map[string][]string

func (x *index) enter(key, id string) {
	if *x == nil {
		*x = make(index)
	}
	ids := (*x)[key]
	if i := slices.Index(ids, id); i >= 0 {
		ids = slices.Delete(slices.Clone(ids), i, i+1)
	}
	(*x)[key] = append(ids, id)
}

// Reindex enters in its indexes what the tables hold, for those tables of which nothing is
// entered yet: where rows were put into tables of a state, or of a copy of one that shares
// the other tables and their indexes with it.
func (s *State) Reindex() {
	if s.finess == nil {
		for id, v := range s.Establishments.All() {
			s.indexFINESS(v.Value.GetFiness(), id)
		}
	}
	if s.links == nil {
		for _, v := range s.Links.All() {
			s.indexLink(v.Value)
		}
	}
	if s.continuities == nil {
		for _, v := range s.Continuities.All() {
			s.indexContinuity(v.Value)
		}
	}
	if s.aliases == nil {
		for _, v := range s.Aliases.All() {
			s.indexAlias(v.Value)
		}
	}
}

func (s *State) indexFINESS(number, id string) {
	if number != "" {
		s.finess.enter(number, id)
	}
}

func (s *State) indexLink(l *topologyv1.Link) {
	for _, id := range endsOf(l) {
		s.links.enter(id, l.GetLinkId())
	}
}

func (s *State) indexContinuity(c *topologyv1.Continuity) {
	s.continuities.enter(c.GetKeptId(), c.GetContinuityId())
	s.continuities.enter(c.GetOtherId(), c.GetContinuityId())
}

// Evolve folds the event at a position into the state. Positions must not go back. It
// changes nothing and returns an error where the event was written by a newer binary,
// states a fact unknown here, or does not fit what came before; the caller must then
// halt.
func (s *State) Evolve(position uint64, e *topologyv1.Event) error {
	if err := s.evolve(position, e); err != nil {
		return fmt.Errorf("topology: position %d: %w", position, err)
	}
	s.lookAhead(position, e)
	return nil
}

func (s *State) evolve(at uint64, e *topologyv1.Event) error {
	if err := fact.Readable(e, Schema); err != nil {
		return err
	}
	why := e.GetMeta().GetBasis()
	switch f := e.GetFact().(type) {
	case *topologyv1.Event_EstablishmentRegistered:
		return s.establishmentRegistered(at, f.EstablishmentRegistered, why)
	case *topologyv1.Event_EstablishmentRenamed:
		return s.establishmentRenamed(at, f.EstablishmentRenamed, why)
	case *topologyv1.Event_EstablishmentAttached:
		return s.establishmentAttached(at, f.EstablishmentAttached, why)
	case *topologyv1.Event_CentreRegistered:
		return s.centreRegistered(at, f.CentreRegistered, why)
	case *topologyv1.Event_CentreRenamed:
		return s.centreRenamed(at, f.CentreRenamed, why)
	case *topologyv1.Event_CentreAttached:
		return s.centreAttached(at, f.CentreAttached, why)
	case *topologyv1.Event_NetworkRegistered:
		return s.networkRegistered(at, f.NetworkRegistered, why)
	case *topologyv1.Event_NetworkRenamed:
		return s.networkRenamed(at, f.NetworkRenamed, why)
	case *topologyv1.Event_NetworkAttached:
		return s.networkAttached(at, f.NetworkAttached, why)
	case *topologyv1.Event_FiliereRegistered:
		return s.filiereRegistered(at, f.FiliereRegistered, why)
	case *topologyv1.Event_FiliereRenamed:
		return s.filiereRenamed(at, f.FiliereRenamed, why)
	case *topologyv1.Event_FiliereAttached:
		return s.filiereAttached(at, f.FiliereAttached, why)
	case *topologyv1.Event_PlatformRegistered:
		return s.platformRegistered(at, f.PlatformRegistered, why)
	case *topologyv1.Event_PlatformRenamed:
		return s.platformRenamed(at, f.PlatformRenamed, why)
	case *topologyv1.Event_PlatformAttached:
		return s.platformAttached(at, f.PlatformAttached, why)
	case *topologyv1.Event_CentreMoved:
		return s.centreMoved(at, f.CentreMoved, why)
	case *topologyv1.Event_CentreSucceeded:
		return s.centreSucceeded(at, f.CentreSucceeded, why)
	case *topologyv1.Event_NetworkSucceeded:
		return s.networkSucceeded(at, f.NetworkSucceeded, why)
	case *topologyv1.Event_DayReached:
		return s.dayReached(at, f.DayReached)
	case *topologyv1.Event_EstablishmentMoved:
		return s.establishmentMoved(at, f.EstablishmentMoved, why)
	case *topologyv1.Event_LegalEntityChanged:
		return s.legalEntityChanged(at, f.LegalEntityChanged, why)
	case *topologyv1.Event_EstablishmentIdentified:
		return s.establishmentIdentified(at, f.EstablishmentIdentified, why)
	case *topologyv1.Event_EstablishmentSucceeded:
		return s.establishmentSucceeded(at, f.EstablishmentSucceeded, why)
	case *topologyv1.Event_FiliereSucceeded:
		return s.filiereSucceeded(at, f.FiliereSucceeded, why)
	case *topologyv1.Event_PlatformMoved:
		return s.platformMoved(at, f.PlatformMoved, why)
	case *topologyv1.Event_PlatformSucceeded:
		return s.platformSucceeded(at, f.PlatformSucceeded, why)
	case *topologyv1.Event_TerritoryStated:
		return s.territoryStated(at, f.TerritoryStated, why)
	case *topologyv1.Event_ContactStated:
		return s.contactStated(at, f.ContactStated, why)
	case *topologyv1.Event_LinkDeclared:
		return s.linkDeclared(at, f.LinkDeclared, why)
	case *topologyv1.Event_LinkConfirmed:
		return s.linkConfirmed(at, f.LinkConfirmed, why)
	case *topologyv1.Event_LinkEnded:
		return s.linkEnded(at, f.LinkEnded, why)
	case *topologyv1.Event_ContinuityDeclared:
		return s.continuityDeclared(at, f.ContinuityDeclared, why)
	case *topologyv1.Event_ContinuityRevoked:
		return s.continuityRevoked(at, f.ContinuityRevoked)
	case *topologyv1.Event_NetworkScoped:
		return s.networkScoped(at, f.NetworkScoped, why)
	case *topologyv1.Event_PlanRegistered:
		return s.planRegistered(at, f.PlanRegistered, why)
	case *topologyv1.Event_PlanExtended:
		return s.planExtended(at, f.PlanExtended, why)
	case *topologyv1.Event_PlanAxesStated:
		return s.planAxesStated(at, f.PlanAxesStated, why)
	case *topologyv1.Event_AliasStated:
		return s.aliasStated(at, f.AliasStated, why)
	case *topologyv1.Event_AliasEnded:
		return s.aliasEnded(at, f.AliasEnded, why)
	case *topologyv1.Event_AliasVoided:
		return s.aliasVoided(at, f.AliasVoided)
	default:
		return fmt.Errorf("%w: its fact is missing or unknown (schema %d wrote it)", fact.ErrUnreadable, e.GetMeta().GetSchema())
	}
}

func (s *State) establishmentRegistered(at uint64, f *topologyv1.EstablishmentRegistered, why *eventv1.Basis) error {
	err := register(&s.Establishments, f.GetEstablishmentId(), f.GetValidFrom(), at, &topologyv1.Establishment{
		EstablishmentId: f.GetEstablishmentId(),
		Name:            f.GetName(),
		Finess:          f.GetFiness(),
		FinessKind:      f.GetFinessKind(),
		Siret:           f.GetSiret(),
		Place:           f.GetPlace(),
		Basis:           rest(nil, why),
	})
	if err == nil {
		s.indexFINESS(f.GetFiness(), f.GetEstablishmentId())
	}
	return err
}

func (s *State) establishmentRenamed(at uint64, f *topologyv1.EstablishmentRenamed, why *eventv1.Basis) error {
	return change(&s.Establishments, f.GetEstablishmentId(), f.GetValidFrom(), at, func(e *topologyv1.Establishment) {
		e.Name = f.GetName()
		e.Basis = rest(e.GetBasis(), why)
	})
}

func (s *State) establishmentAttached(at uint64, f *topologyv1.EstablishmentAttached, why *eventv1.Basis) error {
	return change(&s.Establishments, f.GetEstablishmentId(), f.GetValidFrom(), at, func(e *topologyv1.Establishment) {
		e.LegalEntityIds = with(e.GetLegalEntityIds(), f.GetLegalEntityId())
		e.Basis = rest(e.GetBasis(), why)
	})
}

func (s *State) centreRegistered(at uint64, f *topologyv1.CentreRegistered, why *eventv1.Basis) error {
	return register(&s.Centres, f.GetCentreId(), f.GetValidFrom(), at, &topologyv1.Centre{
		CentreId:         f.GetCentreId(),
		Name:             f.GetName(),
		Population:       f.GetPopulation(),
		EstablishmentIds: f.GetEstablishmentIds(),
		Place:            f.GetPlace(),
		Basis:            rest(nil, why),
	})
}

func (s *State) centreRenamed(at uint64, f *topologyv1.CentreRenamed, why *eventv1.Basis) error {
	return change(&s.Centres, f.GetCentreId(), f.GetValidFrom(), at, func(c *topologyv1.Centre) {
		c.Name = f.GetName()
		c.Basis = rest(c.GetBasis(), why)
	})
}

func (s *State) centreAttached(at uint64, f *topologyv1.CentreAttached, why *eventv1.Basis) error {
	return change(&s.Centres, f.GetCentreId(), f.GetValidFrom(), at, func(c *topologyv1.Centre) {
		c.EstablishmentIds = with(c.GetEstablishmentIds(), f.GetEstablishmentId())
		c.Basis = rest(c.GetBasis(), why)
	})
}

func (s *State) networkRegistered(at uint64, f *topologyv1.NetworkRegistered, why *eventv1.Basis) error {
	return register(&s.Networks, f.GetNetworkId(), f.GetValidFrom(), at, &topologyv1.Network{
		NetworkId: f.GetNetworkId(),
		Title:     f.GetTitle(),
		Acronym:   f.GetAcronym(),
		FiliereId: f.GetFiliereId(),
		Basis:     rest(nil, why),
	})
}

func (s *State) networkRenamed(at uint64, f *topologyv1.NetworkRenamed, why *eventv1.Basis) error {
	return change(&s.Networks, f.GetNetworkId(), f.GetValidFrom(), at, func(n *topologyv1.Network) {
		n.Title, n.Acronym = f.GetTitle(), f.GetAcronym()
		n.Basis = rest(n.GetBasis(), why)
	})
}

func (s *State) networkAttached(at uint64, f *topologyv1.NetworkAttached, why *eventv1.Basis) error {
	return change(&s.Networks, f.GetNetworkId(), f.GetValidFrom(), at, func(n *topologyv1.Network) {
		n.FiliereId = f.GetFiliereId() // one filière at a time
		n.Basis = rest(n.GetBasis(), why)
	})
}

func (s *State) filiereRegistered(at uint64, f *topologyv1.FiliereRegistered, why *eventv1.Basis) error {
	return register(&s.Filieres, f.GetFiliereId(), f.GetValidFrom(), at, &topologyv1.Filiere{
		FiliereId:       f.GetFiliereId(),
		Acronym:         f.GetAcronym(),
		Name:            f.GetName(),
		EstablishmentId: f.GetEstablishmentId(),
		Website:         f.GetWebsite(),
		Basis:           rest(nil, why),
	})
}

func (s *State) filiereRenamed(at uint64, f *topologyv1.FiliereRenamed, why *eventv1.Basis) error {
	return change(&s.Filieres, f.GetFiliereId(), f.GetValidFrom(), at, func(l *topologyv1.Filiere) {
		l.Acronym, l.Name = f.GetAcronym(), f.GetName()
		l.Basis = rest(l.GetBasis(), why)
	})
}

func (s *State) filiereAttached(at uint64, f *topologyv1.FiliereAttached, why *eventv1.Basis) error {
	return change(&s.Filieres, f.GetFiliereId(), f.GetValidFrom(), at, func(l *topologyv1.Filiere) {
		l.EstablishmentId = f.GetEstablishmentId() // one coordinating hospital at a time
		l.Basis = rest(l.GetBasis(), why)
	})
}

func (s *State) platformRegistered(at uint64, f *topologyv1.PlatformRegistered, why *eventv1.Basis) error {
	return register(&s.Platforms, f.GetPlatformId(), f.GetValidFrom(), at, &topologyv1.Platform{
		PlatformId:       f.GetPlatformId(),
		Name:             f.GetName(),
		Kind:             f.GetKind(),
		EstablishmentIds: f.GetEstablishmentIds(),
		Place:            f.GetPlace(),
		Basis:            rest(nil, why),
	})
}

func (s *State) platformRenamed(at uint64, f *topologyv1.PlatformRenamed, why *eventv1.Basis) error {
	return change(&s.Platforms, f.GetPlatformId(), f.GetValidFrom(), at, func(p *topologyv1.Platform) {
		p.Name = f.GetName()
		p.Basis = rest(p.GetBasis(), why)
	})
}

func (s *State) platformAttached(at uint64, f *topologyv1.PlatformAttached, why *eventv1.Basis) error {
	return change(&s.Platforms, f.GetPlatformId(), f.GetValidFrom(), at, func(p *topologyv1.Platform) {
		p.EstablishmentIds = with(p.GetEstablishmentIds(), f.GetEstablishmentId())
		p.Basis = rest(p.GetBasis(), why)
	})
}

// register asserts a new entity from its first day on. A first day of reduced precision
// is the earliest it may be; an unknown one is since ever.
func register[E any](t *bitemporal.Table[E], id, validFrom string, at uint64, v E) error {
	from, _, err := bitemporal.Span(validFrom)
	if err != nil {
		return err
	}
	if id == "" || !t.Enter(id, bitemporal.Interval{From: from, To: bitemporal.Future}, at, v) {
		return fmt.Errorf("%w: %q", errTaken, id)
	}
	return nil
}

// dates refuses a date that no calendar has.
func dates(all ...string) error {
	for _, date := range all {
		if _, _, err := bitemporal.Span(date); err != nil {
			return err
		}
	}
	return nil
}

// change edits every value that is believed to hold on the first day or later, each on
// a copy: what was believed before this position stays readable.
func change[E proto.Message](t *bitemporal.Table[E], id, validFrom string, at uint64, edit func(E)) error {
	from, _, err := bitemporal.Span(validFrom)
	if err != nil {
		return err
	}
	if !known(t, id) {
		return fmt.Errorf("%w: %q", errUnknown, id)
	}
	for _, v := range t.Versions(id, bitemporal.Latest) {
		if v.Valid.To <= from {
			continue
		}
		v.Valid.From = max(v.Valid.From, from)
		v.Value = proto.CloneOf(v.Value)
		edit(v.Value)
		t.Assert(id, v.Valid, at, v.Value)
	}
	return nil
}

// Rollback forgets every fact after position to, as if it had never been.
func (s *State) Rollback(to uint64) {
	s.Establishments.Rollback(to)
	s.Centres.Rollback(to)
	s.Networks.Rollback(to)
	s.Filieres.Rollback(to)
	s.Platforms.Rollback(to)
	s.Links.Rollback(to)
	s.Continuities.Rollback(to)
	s.Plans.Rollback(to)
	s.Aliases.Rollback(to)
	s.agenda.Rollback(to)
}

// Settle says that facts up to position to will not be rolled back.
func (s *State) Settle(to uint64) {
	s.Establishments.Settle(to)
	s.Centres.Settle(to)
	s.Networks.Settle(to)
	s.Filieres.Settle(to)
	s.Platforms.Settle(to)
	s.Links.Settle(to)
	s.Continuities.Settle(to)
	s.Plans.Settle(to)
	s.Aliases.Settle(to)
}

// Knows reports whether an entity of any kind, a link, a continuity, a plan or an alias is
// registered under the id.
func (s *State) Knows(id string) bool {
	kind, _ := s.entity(id, bitemporal.Latest)
	return kind != none || known(&s.Links, id) || known(&s.Continuities, id) || known(&s.Plans, id) || known(&s.Aliases, id)
}

// ByFINESS returns the ids of the establishments that ever bore a FINESS number in its
// printed form, as known at a position, in the order of ids: none, one, or several, as a
// number can stand for a site and for its legal entity.
func (s *State) ByFINESS(number string, known uint64) []string {
	return slices.DeleteFunc(slices.Sorted(slices.Values(s.finess[number])), func(id string) bool {
		return !slices.ContainsFunc(s.Establishments.Versions(id, known), func(v bitemporal.Version[*topologyv1.Establishment]) bool {
			return v.Value.GetFiness() == number
		})
	})
}

// Subject is the subject that an event stands under, registry.topology.<kind>.<id>;
// empty for an event without a known fact. A succession stands under the first of those
// that close.
func Subject(e *topologyv1.Event) string {
	kind, id := subject(e)
	if id == "" {
		return ""
	}
	return "registry.topology." + kind + "." + id
}

func subject(e *topologyv1.Event) (kind, id string) {
	switch f := e.GetFact().(type) {
	case *topologyv1.Event_EstablishmentRegistered:
		return "establishment", f.EstablishmentRegistered.GetEstablishmentId()
	case *topologyv1.Event_EstablishmentRenamed:
		return "establishment", f.EstablishmentRenamed.GetEstablishmentId()
	case *topologyv1.Event_EstablishmentAttached:
		return "establishment", f.EstablishmentAttached.GetEstablishmentId()
	case *topologyv1.Event_CentreRegistered:
		return "centre", f.CentreRegistered.GetCentreId()
	case *topologyv1.Event_CentreRenamed:
		return "centre", f.CentreRenamed.GetCentreId()
	case *topologyv1.Event_CentreAttached:
		return "centre", f.CentreAttached.GetCentreId()
	case *topologyv1.Event_NetworkRegistered:
		return "network", f.NetworkRegistered.GetNetworkId()
	case *topologyv1.Event_NetworkRenamed:
		return "network", f.NetworkRenamed.GetNetworkId()
	case *topologyv1.Event_NetworkAttached:
		return "network", f.NetworkAttached.GetNetworkId()
	case *topologyv1.Event_FiliereRegistered:
		return "filiere", f.FiliereRegistered.GetFiliereId()
	case *topologyv1.Event_FiliereRenamed:
		return "filiere", f.FiliereRenamed.GetFiliereId()
	case *topologyv1.Event_FiliereAttached:
		return "filiere", f.FiliereAttached.GetFiliereId()
	case *topologyv1.Event_PlatformRegistered:
		return "platform", f.PlatformRegistered.GetPlatformId()
	case *topologyv1.Event_PlatformRenamed:
		return "platform", f.PlatformRenamed.GetPlatformId()
	case *topologyv1.Event_PlatformAttached:
		return "platform", f.PlatformAttached.GetPlatformId()
	case *topologyv1.Event_CentreMoved:
		return "centre", f.CentreMoved.GetCentreId()
	case *topologyv1.Event_CentreSucceeded:
		return "centre", first(f.CentreSucceeded.GetPredecessorIds())
	case *topologyv1.Event_NetworkSucceeded:
		return "network", first(f.NetworkSucceeded.GetPredecessorIds())
	case *topologyv1.Event_DayReached:
		return "day", f.DayReached.GetEntityId()
	case *topologyv1.Event_EstablishmentMoved:
		return "establishment", f.EstablishmentMoved.GetEstablishmentId()
	case *topologyv1.Event_LegalEntityChanged:
		return "establishment", f.LegalEntityChanged.GetEstablishmentId()
	case *topologyv1.Event_EstablishmentIdentified:
		return "establishment", f.EstablishmentIdentified.GetEstablishmentId()
	case *topologyv1.Event_EstablishmentSucceeded:
		return "establishment", first(f.EstablishmentSucceeded.GetPredecessorIds())
	case *topologyv1.Event_FiliereSucceeded:
		return "filiere", first(f.FiliereSucceeded.GetPredecessorIds())
	case *topologyv1.Event_PlatformMoved:
		return "platform", f.PlatformMoved.GetPlatformId()
	case *topologyv1.Event_PlatformSucceeded:
		return "platform", first(f.PlatformSucceeded.GetPredecessorIds())
	case *topologyv1.Event_TerritoryStated:
		return "platform", f.TerritoryStated.GetPlatformId()
	case *topologyv1.Event_ContactStated:
		return "contact", f.ContactStated.GetEntityId() // of a platform or a filière
	case *topologyv1.Event_LinkDeclared:
		return "link", f.LinkDeclared.GetLinkId()
	case *topologyv1.Event_LinkConfirmed:
		return "link", f.LinkConfirmed.GetLinkId()
	case *topologyv1.Event_LinkEnded:
		return "link", f.LinkEnded.GetLinkId()
	case *topologyv1.Event_ContinuityDeclared:
		return "continuity", f.ContinuityDeclared.GetContinuityId()
	case *topologyv1.Event_ContinuityRevoked:
		return "continuity", f.ContinuityRevoked.GetContinuityId()
	case *topologyv1.Event_NetworkScoped:
		return "network", f.NetworkScoped.GetNetworkId()
	case *topologyv1.Event_PlanRegistered:
		return "plan", f.PlanRegistered.GetPlanId()
	case *topologyv1.Event_PlanExtended:
		return "plan", f.PlanExtended.GetPlanId()
	case *topologyv1.Event_PlanAxesStated:
		return "plan", f.PlanAxesStated.GetPlanId()
	case *topologyv1.Event_AliasStated:
		return "alias", f.AliasStated.GetAliasId()
	case *topologyv1.Event_AliasEnded:
		return "alias", f.AliasEnded.GetAliasId()
	case *topologyv1.Event_AliasVoided:
		return "alias", f.AliasVoided.GetAliasId()
	}
	return "", ""
}

func first(ids []string) string {
	if len(ids) == 0 {
		return ""
	}
	return ids[0]
}

func known[E any](t *bitemporal.Table[E], id string) bool {
	_, ok := t.Last(id, bitemporal.Latest)
	return ok
}

// rest returns the bases with one more, which is the latest and stands last.
func rest(on []*eventv1.Basis, why *eventv1.Basis) []*eventv1.Basis {
	if why == nil {
		return on
	}
	return append(slices.Clip(on), why)
}

func with(ids []string, id string) []string {
	if slices.Contains(ids, id) {
		return ids
	}
	return append(slices.Clip(ids), id)
}

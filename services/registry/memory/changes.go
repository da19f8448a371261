package memory

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/labelling"
)

// property is one thing that can differ, printed to be compared and read. What stands
// for a person is compared and never shown.
type property struct {
	field, value string
	personal     bool
}

// changes is what differs between two values of one kind; nothing where one is missing.
func (l lens) changes(before, after proto.Message) []*labellingv1.Change {
	a, b := l.properties(before), l.properties(after)
	if len(a) != len(b) {
		return nil
	}
	return differ(a, b)
}

func differ(before, after []property) (changes []*labellingv1.Change) {
	for i, a := range before {
		b := after[i]
		switch {
		case a.value == b.value:
		case a.personal:
			changes = append(changes, &labellingv1.Change{Field: a.field})
		default:
			changes = append(changes, &labellingv1.Change{Field: a.field, Before: a.value, After: b.value})
		}
	}
	return changes
}

// properties prints a value, always the same properties of a kind in the same order;
// none of nil. What it rests on is no property of it.
func (l lens) properties(v proto.Message) []property {
	if v == nil || !v.ProtoReflect().IsValid() {
		return nil
	}
	switch v := v.(type) {
	case *labellingv1.Label:
		return append(l.granted(v), fate(v)...)
	case *labellingv1.Office:
		return []property{
			{field: "holder", value: v.GetHolderId()},
			{field: "kind", value: v.GetKind().String()},
			{field: "interim", value: strconv.FormatBool(v.GetInterim())},
			{field: "person", value: v.GetPersonId()},
			head(v.GetName()),
			{field: "period", value: printPeriod(v.GetPeriod())},
			{field: "opinions", value: printAll(v.GetOpinions(), func(o *labellingv1.Opinion) string {
				return fmt.Sprintf("%s %s %t", o.GetBody(), o.GetDate(), o.GetFavourable())
			})},
			{field: "approval", value: v.GetApproval().String()},
			{field: "approval_date", value: v.GetApprovalDate()},
		}
	case *labellingv1.Cycle:
		return []property{
			{field: "code", value: v.GetCode()},
			{field: "aliases", value: strings.Join(v.GetAliases(), ", ")},
			{field: "period", value: printPeriod(v.GetPeriod())},
			{field: "thresholds", value: printAll(v.GetThresholds(), func(t *labellingv1.Threshold) string {
				return fmt.Sprintf("%s %s %d", t.GetRole(), t.GetUnit(), t.GetMinimum())
			})},
		}
	case *labellingv1.Campaign:
		return []property{
			{field: "name", value: v.GetName()},
			{field: "cycle", value: l.cycleName(v.GetCycleId())}, // outcomes are added one by one: the fact tells each
		}
	case *labellingv1.Draft:
		return []property{
			{field: "state", value: v.GetState().String()},
			{field: "reason", value: v.GetReason()},
			{field: "act", value: v.GetActId()},
		}
	}
	return l.topology(v)
}

func (l lens) topology(v proto.Message) []property {
	switch v := v.(type) {
	case *topologyv1.Establishment:
		return []property{
			{field: "name", value: v.GetName()},
			{field: "finess", value: v.GetFiness()},
			{field: "finess_kind", value: v.GetFinessKind().String()},
			{field: "siret", value: v.GetSiret()},
			{field: "place", value: l.printPlace(v.GetPlace(), nil)},
			{field: "legal_entities", value: l.printPlace(nil, v.GetLegalEntityIds())},
		}
	case *topologyv1.Centre:
		return []property{
			{field: "name", value: v.GetName()},
			{field: "population", value: v.GetPopulation().String()},
			{field: "place", value: l.printPlace(v.GetPlace(), v.GetEstablishmentIds())},
			{field: "predecessor", value: strings.Join(v.GetPredecessorIds(), ", ")},
			{field: "successor", value: strings.Join(v.GetSuccessorIds(), ", ")},
			{field: "closed_from", value: v.GetClosedFrom()},
		}
	case *topologyv1.Network:
		return []property{
			{field: "title", value: v.GetTitle()},
			{field: "acronym", value: v.GetAcronym()},
			{field: "filiere", value: l.filiereName(v.GetFiliereId())},
			{field: "predecessor", value: strings.Join(v.GetPredecessorIds(), ", ")},
			{field: "successor", value: strings.Join(v.GetSuccessorIds(), ", ")},
			{field: "closed_from", value: v.GetClosedFrom()},
		}
	case *topologyv1.Filiere:
		return []property{
			{field: "acronym", value: v.GetAcronym()},
			{field: "name", value: v.GetName()},
			{field: "place", value: l.printPlace(nil, ids(v.GetEstablishmentId()))},
			{field: "website", value: v.GetWebsite()},
		}
	case *topologyv1.Platform:
		return []property{
			{field: "name", value: v.GetName()},
			{field: "kind", value: v.GetKind().String()},
			{field: "place", value: l.printPlace(v.GetPlace(), v.GetEstablishmentIds())},
		}
	}
	return nil
}

// granted is what a label is granted with.
func (l lens) granted(v *labellingv1.Label) []property {
	return []property{
		{field: "role", value: v.GetRole().String()},
		{field: "role_as_printed", value: v.GetRoleAsPrinted()},
		{field: "holder", value: labelling.HolderID(v.GetHolder())},
		{field: "centre", value: v.GetHolder().GetSite().GetCentreId()},
		{field: "network", value: l.networkName(networkOf(v))},
		head(v.GetHead()),
		{field: "cycle", value: l.cycleName(v.GetCycleId())},
		{field: "period", value: printPeriod(v.GetPeriod())},
	}
}

// fate is what happened to a label since.
func fate(v *labellingv1.Label) []property {
	return []property{
		{field: "predecessor", value: v.GetPredecessorId()},
		{field: "successor", value: v.GetSuccessorId()},
		{field: "repealed_from", value: v.GetRepealedFrom()},
		{field: "extended_from", value: v.GetExtendedFrom()},
		{field: "suspensions", value: printAll(v.GetSuspensions(), printPeriod)},
		{field: "withdrawn", value: strconv.FormatBool(v.GetWithdrawn())},
		{field: "annulled", value: strconv.FormatBool(v.GetAnnulled())},
		{field: "annulled_from", value: v.GetAnnulledFrom()},
		{field: "lapsed_from", value: v.GetLapsedFrom()},
		{field: "voided", value: strconv.FormatBool(v.GetVoided())},
		{field: "operation", value: printOperation(v.GetOperation())},
	}
}

func head(v *eventv1.PersonalValue) property {
	return property{field: "head", value: v.GetValueId(), personal: true}
}

// printPeriod writes a period as ISO 8601 does an interval, unknown ends left empty.
func printPeriod(p *eventv1.Period) string {
	if p.GetStart() == "" && p.GetEnd() == "" {
		return ""
	}
	return p.GetStart() + "/" + p.GetEnd()
}

func printOperation(o *labellingv1.Operation) string {
	if o == nil {
		return ""
	}
	return fmt.Sprintf("opened %s, maintained %s, closed %s",
		cmp.Or(o.GetOpenedFrom(), "-"), cmp.Or(o.GetMaintainedFrom(), "-"), cmp.Or(o.GetClosedFrom(), "-"))
}

func printAll[V any](all []V, one func(V) string) string {
	texts := make([]string, len(all))
	for i, v := range all {
		texts[i] = one(v)
	}
	return strings.Join(texts, ", ")
}

// printPlace names hospitals and, where there are none, the place.
func (l lens) printPlace(p *topologyv1.Place, establishmentIDs []string) string {
	var names []string
	for _, id := range establishmentIDs {
		names = append(names, cmp.Or(near(&l.s.Topology.Establishments, id, l.m).GetName(), id))
	}
	for _, word := range []string{p.GetCity(), p.GetCommuneCode(), p.GetDepartmentCode(), p.GetTerritory()} {
		if word != "" {
			names = append(names, word)
		}
	}
	if p.GetLatitude() != 0 || p.GetLongitude() != 0 {
		names = append(names, fmt.Sprintf("%g %g", p.GetLatitude(), p.GetLongitude()))
	}
	return strings.Join(names, ", ")
}

// ids is a list of one id, or of none where it is empty.
func ids(id string) []string {
	if id == "" {
		return nil
	}
	return []string{id}
}

func (l lens) networkName(id string) string {
	n := near(&l.s.Topology.Networks, id, l.m)
	return cmp.Or(n.GetAcronym(), n.GetTitle(), id)
}

func (l lens) filiereName(id string) string {
	return cmp.Or(near(&l.s.Topology.Filieres, id, l.m).GetAcronym(), id)
}

func (l lens) cycleName(id string) string {
	return cmp.Or(near(&l.s.Labelling.Cycles, id, l.m).GetCode(), id)
}

// changedAt is what the fact at a position changed of an entity, in whatever it said of
// any day: each property once, as changed on the first of those days, and named as on it.
func changedAt[V proto.Message](l lens, t *bitemporal.Table[V], id string, position uint64) (changes []*labellingv1.Change) {
	for _, v := range t.History(id) {
		if v.KnownFrom != position {
			continue
		}
		before, known := t.At(id, v.Valid.From, position-1)
		if !known {
			if before, known = t.Last(id, position-1); !known {
				continue
			}
		}
		if proto.Message(before) == proto.Message(v.Value) {
			continue // a remainder, asserted again as it was
		}
		day := l
		if v.Valid.From != bitemporal.Past {
			day.m.valid = v.Valid.From
		}
		for _, c := range day.changes(before, v.Value) {
			if !slices.ContainsFunc(changes, func(o *labellingv1.Change) bool { return o.GetField() == c.GetField() }) {
				changes = append(changes, c)
			}
		}
	}
	return changes
}

// factChanges is what the fact at a position, which stands under a subject, changed. A
// renewal shows how the successor differs from the label that ends, a succession what it
// changed of the team or network asked about.
func (l lens) factChanges(subject string, position uint64, about string) []*labellingv1.Change {
	parts := strings.Split(subject, ".")
	if len(parts) != 4 {
		return nil
	}
	id, topo, lab := parts[3], &l.s.Topology, &l.s.Labelling
	if own := append(changedAt(l, &topo.Centres, about, position), changedAt(l, &topo.Networks, about, position)...); len(own) > 0 {
		return own
	}
	switch parts[2] {
	case "establishment":
		return changedAt(l, &topo.Establishments, id, position)
	case "centre":
		return changedAt(l, &topo.Centres, id, position)
	case "network":
		return changedAt(l, &topo.Networks, id, position)
	case "filiere":
		return changedAt(l, &topo.Filieres, id, position)
	case "platform":
		return changedAt(l, &topo.Platforms, id, position)
	case "cycle":
		return changedAt(l, &lab.Cycles, id, position)
	case "campaign":
		return changedAt(l, &lab.Campaigns, id, position)
	case "office":
		return changedAt(l, &lab.Offices, id, position)
	case "draft":
		return changedAt(l, &lab.Drafts, id, position)
	case "label":
		return l.labelChanges(id, position)
	}
	return nil
}

func (l lens) labelChanges(id string, position uint64) []*labellingv1.Change {
	lab := &l.s.Labelling
	before, known := lab.Label(id, position-1)
	after, now := lab.Label(id, position)
	if !known || !now {
		return nil
	}
	if next, renewed := lab.Label(after.GetSuccessorId(), position); renewed && before.GetSuccessorId() == "" {
		return differ(l.granted(before), l.granted(next))
	}
	return l.changes(before, after)
}

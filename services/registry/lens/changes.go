package lens

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
)

// property is one thing of a value that can differ. What stands for a person is compared
// and never shown.
type property[V any] struct {
	field    string
	value    func(Lens, V) string
	name     func(Lens, string) string // of a value that is an id; nil for others
	personal bool
}

// differ compares properties, in their order.
func differ[V any](l Lens, all []property[V], before, after V) (changes []*labellingv1.Change) {
	for _, p := range all {
		a, b := p.value(l, before), p.value(l, after)
		if a != b && p.name != nil {
			a, b = p.name(l, a), p.name(l, b)
		}
		switch {
		case a == b:
		case p.personal:
			changes = append(changes, &labellingv1.Change{Field: p.field})
		default:
			changes = append(changes, &labellingv1.Change{Field: p.field, Before: a, After: b})
		}
	}
	return changes
}

// changes is what differs between two values of one kind; nothing where one is missing.
// What they rest on is no property of theirs.
func (l Lens) changes(before, after proto.Message) []*labellingv1.Change {
	if before == nil || after == nil || !before.ProtoReflect().IsValid() || !after.ProtoReflect().IsValid() {
		return nil
	}
	switch a := before.(type) {
	case *labellingv1.Label:
		return differ(l, labelProperties, a, after.(*labellingv1.Label))
	case *labellingv1.Office:
		return differ(l, officeProperties, a, after.(*labellingv1.Office))
	case *labellingv1.Cycle:
		return differ(l, cycleProperties, a, after.(*labellingv1.Cycle))
	case *labellingv1.Campaign:
		return differ(l, campaignProperties, a, after.(*labellingv1.Campaign))
	case *labellingv1.Draft:
		return differ(l, draftProperties, a, after.(*labellingv1.Draft))
	case *topologyv1.Establishment:
		return differ(l, establishmentProperties, a, after.(*topologyv1.Establishment))
	case *topologyv1.Centre:
		return differ(l, centreProperties, a, after.(*topologyv1.Centre))
	case *topologyv1.Network:
		return differ(l, networkProperties, a, after.(*topologyv1.Network))
	case *topologyv1.Filiere:
		return differ(l, filiereProperties, a, after.(*topologyv1.Filiere))
	case *topologyv1.Platform:
		return differ(l, platformProperties, a, after.(*topologyv1.Platform))
	case *topologyv1.Link:
		return differ(l, linkProperties, a, after.(*topologyv1.Link))
	case *topologyv1.Plan:
		return differ(l, planProperties, a, after.(*topologyv1.Plan))
	case *topologyv1.Alias:
		return differ(l, aliasProperties, a, after.(*topologyv1.Alias))
	}
	return l.activityChanges(before, after)
}

// plain is a property that is printed as it is.
func plain[V any](field string, value func(V) string) property[V] {
	return property[V]{field: field, value: func(_ Lens, v V) string { return value(v) }}
}

// namedBy is a property that is an id, printed as what that is called.
func namedBy[V any](field string, id func(V) string, name func(Lens, string) string) property[V] {
	return property[V]{field: field, value: func(_ Lens, v V) string { return id(v) }, name: name}
}

// placed is a property that is printed with names of hospitals.
func placed[V any](field string, place func(V) (*topologyv1.Place, []string)) property[V] {
	return property[V]{field: field, value: func(l Lens, v V) string { return l.printPlace(place(v)) }}
}

func printed[V any, E fmt.Stringer](field string, value func(V) E) property[V] {
	return plain(field, func(v V) string { return value(v).String() })
}

func flag[V any](field string, value func(V) bool) property[V] {
	return plain(field, func(v V) string { return strconv.FormatBool(value(v)) })
}

func several[V any](field string, values func(V) []string) property[V] {
	return plain(field, func(v V) string { return strings.Join(values(v), ", ") })
}

func period[V any](value func(V) *eventv1.Period) property[V] {
	return plain("period", func(v V) string { return printPeriod(value(v)) })
}

func person[V any](field string, value func(V) *eventv1.PersonalValue) property[V] {
	p := plain(field, func(v V) string { return value(v).GetValueId() })
	p.personal = true
	return p
}

var (
	labelProperties = append(slices.Clone(grantedProperties),
		plain("predecessor", (*labellingv1.Label).GetPredecessorId),
		plain("successor", (*labellingv1.Label).GetSuccessorId),
		plain("repealed_from", (*labellingv1.Label).GetRepealedFrom),
		plain("extended_from", (*labellingv1.Label).GetExtendedFrom),
		plain("suspensions", func(v *labellingv1.Label) string { return printAll(v.GetSuspensions(), printPeriod) }),
		flag("withdrawn", (*labellingv1.Label).GetWithdrawn),
		flag("annulled", (*labellingv1.Label).GetAnnulled),
		plain("annulled_from", (*labellingv1.Label).GetAnnulledFrom),
		plain("lapsed_from", (*labellingv1.Label).GetLapsedFrom),
		flag("voided", (*labellingv1.Label).GetVoided),
		plain("operation", func(v *labellingv1.Label) string { return printOperation(v.GetOperation()) }),
	)
	// grantedProperties is what a label is granted with; the others are what happened to it since.
	grantedProperties = []property[*labellingv1.Label]{
		printed("role", (*labellingv1.Label).GetRole),
		plain("role_as_printed", (*labellingv1.Label).GetRoleAsPrinted),
		plain("holder", holderOf),
		plain("centre", func(v *labellingv1.Label) string { return v.GetHolder().GetSite().GetCentreId() }),
		namedBy("network", networkOf, Lens.networkName),
		person("head", (*labellingv1.Label).GetHead),
		namedBy("cycle", (*labellingv1.Label).GetCycleId, Lens.cycleName),
		period((*labellingv1.Label).GetPeriod),
	}
	officeProperties = []property[*labellingv1.Office]{
		plain("holder", (*labellingv1.Office).GetHolderId),
		printed("kind", (*labellingv1.Office).GetKind),
		flag("interim", (*labellingv1.Office).GetInterim),
		plain("person", (*labellingv1.Office).GetPersonId),
		person("head", (*labellingv1.Office).GetName),
		period((*labellingv1.Office).GetPeriod),
		plain("opinions", func(v *labellingv1.Office) string {
			return printAll(v.GetOpinions(), func(o *labellingv1.Opinion) string {
				return fmt.Sprintf("%s %s %t", o.GetBody(), o.GetDate(), o.GetFavourable())
			})
		}),
		printed("approval", (*labellingv1.Office).GetApproval),
		plain("approval_date", (*labellingv1.Office).GetApprovalDate),
	}
	cycleProperties = []property[*labellingv1.Cycle]{
		plain("code", (*labellingv1.Cycle).GetCode),
		several("aliases", (*labellingv1.Cycle).GetAliases),
		period((*labellingv1.Cycle).GetPeriod),
		plain("thresholds", func(v *labellingv1.Cycle) string {
			return printAll(v.GetThresholds(), func(t *labellingv1.Threshold) string {
				return fmt.Sprintf("%s %s %d", t.GetRole(), t.GetUnit(), t.GetMinimum())
			})
		}),
	}
	campaignProperties = []property[*labellingv1.Campaign]{ // outcomes are added one by one: the fact tells each
		plain("name", (*labellingv1.Campaign).GetName),
		namedBy("cycle", (*labellingv1.Campaign).GetCycleId, Lens.cycleName),
	}
	draftProperties = []property[*labellingv1.Draft]{
		printed("state", (*labellingv1.Draft).GetState),
		plain("reason", (*labellingv1.Draft).GetReason),
		plain("act", (*labellingv1.Draft).GetActId),
	}
	establishmentProperties = append([]property[*topologyv1.Establishment]{
		plain("name", (*topologyv1.Establishment).GetName),
		plain("finess", (*topologyv1.Establishment).GetFiness),
		printed("finess_kind", (*topologyv1.Establishment).GetFinessKind),
		plain("siret", (*topologyv1.Establishment).GetSiret),
		placed("place", func(v *topologyv1.Establishment) (*topologyv1.Place, []string) { return v.GetPlace(), nil }),
		placed("legal_entities", func(v *topologyv1.Establishment) (*topologyv1.Place, []string) { return nil, v.GetLegalEntityIds() }),
	}, lineageOf[*topologyv1.Establishment]()...)
	centreProperties = append([]property[*topologyv1.Centre]{
		plain("name", (*topologyv1.Centre).GetName),
		printed("population", (*topologyv1.Centre).GetPopulation),
		placed("place", func(v *topologyv1.Centre) (*topologyv1.Place, []string) {
			return v.GetPlace(), v.GetEstablishmentIds()
		}),
	}, lineageOf[*topologyv1.Centre]()...)
	networkProperties = append([]property[*topologyv1.Network]{
		plain("title", (*topologyv1.Network).GetTitle),
		plain("acronym", (*topologyv1.Network).GetAcronym),
		namedBy("filiere", (*topologyv1.Network).GetFiliereId, Lens.filiereName),
		plain("orpha_release", (*topologyv1.Network).GetOrphaRelease),
		plain("orpha_codes", func(v *topologyv1.Network) string {
			return printAll(v.GetOrphaCodes(), func(code uint32) string { return strconv.FormatUint(uint64(code), 10) })
		}),
	}, lineageOf[*topologyv1.Network]()...)
	filiereProperties = append([]property[*topologyv1.Filiere]{
		plain("acronym", (*topologyv1.Filiere).GetAcronym),
		plain("name", (*topologyv1.Filiere).GetName),
		placed("place", func(v *topologyv1.Filiere) (*topologyv1.Place, []string) { return nil, ids(v.GetEstablishmentId()) }),
		plain("website", (*topologyv1.Filiere).GetWebsite),
		person("email", func(v *topologyv1.Filiere) *eventv1.PersonalValue { return v.GetContact().GetEmail() }),
		person("phone", func(v *topologyv1.Filiere) *eventv1.PersonalValue { return v.GetContact().GetPhone() }),
	}, lineageOf[*topologyv1.Filiere]()...)
	platformProperties = append([]property[*topologyv1.Platform]{
		plain("name", (*topologyv1.Platform).GetName),
		printed("kind", (*topologyv1.Platform).GetKind),
		placed("place", func(v *topologyv1.Platform) (*topologyv1.Place, []string) {
			return v.GetPlace(), v.GetEstablishmentIds()
		}),
		several("territory", func(v *topologyv1.Platform) []string {
			return slices.Concat(v.GetRegionCodes(), v.GetDepartmentCodes())
		}),
		plain("website", func(v *topologyv1.Platform) string { return v.GetContact().GetWebsite() }),
		person("email", func(v *topologyv1.Platform) *eventv1.PersonalValue { return v.GetContact().GetEmail() }),
		person("phone", func(v *topologyv1.Platform) *eventv1.PersonalValue { return v.GetContact().GetPhone() }),
	}, lineageOf[*topologyv1.Platform]()...)
	linkProperties = []property[*topologyv1.Link]{
		period((*topologyv1.Link).GetPeriod),
		flag("confirmed", (*topologyv1.Link).GetConfirmed),
		flag("ended", func(v *topologyv1.Link) bool { return v.GetEnded() && v.GetPeriod().GetEnd() == "" }),
	}
	aliasProperties = []property[*topologyv1.Alias]{
		period((*topologyv1.Alias).GetPeriod),
		flag("ended", func(v *topologyv1.Alias) bool { return v.GetEnded() && v.GetPeriod().GetEnd() == "" }),
	}
	planProperties = []property[*topologyv1.Plan]{
		period((*topologyv1.Plan).GetPeriod),
		plain("axes", func(v *topologyv1.Plan) string {
			return printAll(v.GetAxes(), func(a *topologyv1.Axis) string { return strings.TrimSpace(a.GetCode() + " " + a.GetTitle()) })
		}),
	}
)

// lineageOf is the properties of what can close.
func lineageOf[V lineage]() []property[V] {
	return []property[V]{
		several("predecessor", V.GetPredecessorIds), several("successor", V.GetSuccessorIds),
		plain("closed_from", func(v V) string {
			if v.GetClosed() {
				return cmp.Or(v.GetClosedFrom(), "?")
			}
			return v.GetClosedFrom()
		}),
	}
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
func (l Lens) printPlace(p *topologyv1.Place, establishmentIDs []string) string {
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

func (l Lens) networkName(id string) string {
	n := near(&l.s.Topology.Networks, id, l.m)
	return cmp.Or(n.GetAcronym(), n.GetTitle(), id)
}

func (l Lens) filiereName(id string) string {
	return cmp.Or(near(&l.s.Topology.Filieres, id, l.m).GetAcronym(), id)
}

func (l Lens) cycleName(id string) string {
	return cmp.Or(near(&l.s.Labelling.Cycles, id, l.m).GetCode(), id)
}

// changedAt is what the fact at a position changed of an entity, in whatever it said of
// any day: each property once, as changed on the first of those days, and named as on it.
func changedAt[V proto.Message](l Lens, t *bitemporal.Table[V], id string, position uint64) (changes []*labellingv1.Change) {
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
// changed of the one asked about.
func (l Lens) factChanges(subject string, position uint64, about string) []*labellingv1.Change {
	parts := strings.Split(subject, ".")
	if len(parts) != 4 {
		return nil
	}
	id, topo, lab := parts[3], &l.s.Topology, &l.s.Labelling
	own := slices.Concat(
		changedAt(l, &topo.Centres, about, position), changedAt(l, &topo.Networks, about, position),
		changedAt(l, &topo.Establishments, about, position), changedAt(l, &topo.Filieres, about, position), changedAt(l, &topo.Platforms, about, position),
	)
	if len(own) > 0 {
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
	case "link":
		return changedAt(l, &topo.Links, id, position)
	case "alias":
		return changedAt(l, &topo.Aliases, id, position)
	case "plan":
		return changedAt(l, &topo.Plans, id, position)
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
	case "period":
		return changedAt(l, &l.s.Activity.Periods, id, position)
	case "report":
		return changedAt(l, &l.s.Activity.Reports, id, position)
	case "undertaking":
		return changedAt(l, &l.s.Activity.Undertakings, id, position)
	case "measure":
		return l.measureChanges(id, position)
	}
	return nil
}

func (l Lens) labelChanges(id string, position uint64) []*labellingv1.Change {
	lab := &l.s.Labelling
	before, known := lab.Label(id, position-1)
	after, now := lab.Label(id, position)
	if !known || !now {
		return nil
	}
	if next, renewed := lab.Label(after.GetSuccessorId(), position); renewed && before.GetSuccessorId() == "" {
		return differ(l, grantedProperties, before, next)
	}
	return l.changes(before, after)
}

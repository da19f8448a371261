package lens

import (
	"cmp"
	"slices"
	"strings"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/fault"
	"maillage/services/registry"
)

// Kind is a kind of entity that is found by its id and by words.
type Kind[V any] struct {
	name   string // begins the reasons of its errors
	table  func(*registry.State) *bitemporal.Table[V]
	sorted func(V) string         // what a list is sorted by, before the id
	words  func(Lens, V) []string // what words are looked for in; an id must be given whole
}

// The kinds of entities.
var (
	Establishments = Kind[*topologyv1.Establishment]{
		"ESTABLISHMENT",
		func(s *registry.State) *bitemporal.Table[*topologyv1.Establishment] {
			return &s.Topology.Establishments
		},
		(*topologyv1.Establishment).GetName,
		func(_ Lens, e *topologyv1.Establishment) []string {
			return append(placeWords(e.GetPlace()), e.GetName(), e.GetFiness(), e.GetSiret())
		},
	}
	Centres = Kind[*topologyv1.Centre]{
		"CENTRE",
		func(s *registry.State) *bitemporal.Table[*topologyv1.Centre] { return &s.Topology.Centres },
		func(c *topologyv1.Centre) string { return cmp.Or(c.GetName(), c.GetPlace().GetCity()) },
		func(l Lens, c *topologyv1.Centre) []string {
			return append(l.hospitals(c.GetEstablishmentIds(), c.GetPlace()), c.GetName())
		},
	}
	Networks = Kind[*topologyv1.Network]{
		"NETWORK",
		func(s *registry.State) *bitemporal.Table[*topologyv1.Network] { return &s.Topology.Networks },
		func(n *topologyv1.Network) string { return cmp.Or(n.GetAcronym(), n.GetTitle()) },
		func(_ Lens, n *topologyv1.Network) []string { return []string{n.GetAcronym(), n.GetTitle()} },
	}
	Filieres = Kind[*topologyv1.Filiere]{
		"FILIERE",
		func(s *registry.State) *bitemporal.Table[*topologyv1.Filiere] { return &s.Topology.Filieres },
		(*topologyv1.Filiere).GetAcronym,
		func(_ Lens, f *topologyv1.Filiere) []string {
			return []string{f.GetAcronym(), f.GetName(), f.GetWebsite()}
		},
	}
	Platforms = Kind[*topologyv1.Platform]{
		"PLATFORM",
		func(s *registry.State) *bitemporal.Table[*topologyv1.Platform] { return &s.Topology.Platforms },
		(*topologyv1.Platform).GetName,
		func(l Lens, p *topologyv1.Platform) []string {
			return append(l.hospitals(p.GetEstablishmentIds(), p.GetPlace()), p.GetName())
		},
	}
	Cycles = Kind[*labellingv1.Cycle]{
		"CYCLE",
		func(s *registry.State) *bitemporal.Table[*labellingv1.Cycle] { return &s.Labelling.Cycles },
		(*labellingv1.Cycle).GetCode,
		func(_ Lens, c *labellingv1.Cycle) []string { return append(slices.Clone(c.GetAliases()), c.GetCode()) },
	}
	Acts = Kind[*labellingv1.Act]{
		"ACT",
		func(s *registry.State) *bitemporal.Table[*labellingv1.Act] { return &s.Labelling.Acts },
		(*labellingv1.Act).GetTitle,
		func(_ Lens, a *labellingv1.Act) []string { return []string{a.GetTitle(), a.GetNor(), a.GetAuthority()} },
	}
	Plans = Kind[*topologyv1.Plan]{
		"PLAN",
		func(s *registry.State) *bitemporal.Table[*topologyv1.Plan] { return &s.Topology.Plans },
		(*topologyv1.Plan).GetCode,
		func(_ Lens, p *topologyv1.Plan) []string { return []string{p.GetCode(), p.GetName()} },
	}
	Campaigns = Kind[*labellingv1.Campaign]{
		"CAMPAIGN",
		func(s *registry.State) *bitemporal.Table[*labellingv1.Campaign] { return &s.Labelling.Campaigns },
		(*labellingv1.Campaign).GetName,
		func(_ Lens, c *labellingv1.Campaign) []string { return []string{c.GetName()} },
	}
)

func placeWords(p *topologyv1.Place) []string {
	return []string{p.GetCity(), p.GetTerritory(), p.GetCommuneCode(), p.GetDepartmentCode()}
}

// unknown says that no entity of the kind has that id, as far as known.
func unknown(kind, id string, m moment) error {
	return fault.New(fault.NotFound, kind+"_UNKNOWN", strings.ToLower(kind)+"_id",
		"no %s %s is known at position %d", strings.ToLower(kind), id, m.known)
}

// String is the name of the kind, in capitals.
func (k Kind[V]) String() string { return k.name }

// Get finds an entity by its id. One that is known but holds only from a later day on is
// not found either (reasons like CENTRE_UNKNOWN), and the error says from when.
func (k Kind[V]) Get(l Lens, id string) (v V, err error) {
	t := k.table(l.s)
	v, held := t.At(id, l.m.valid, l.m.known)
	if held {
		return v, nil
	}
	versions := t.Versions(id, l.m.known)
	if len(versions) == 0 {
		return v, unknown(k.name, id, l.m)
	}
	name := strings.ToLower(k.name)
	if i := slices.IndexFunc(versions, func(o bitemporal.Version[V]) bool { return o.Valid.From > l.m.valid }); i >= 0 {
		return v, fault.New(fault.NotFound, k.name+"_NOT_YET", "as_of.valid_at",
			"%s %s is known from %s on, not on %s", name, id, versions[i].Valid.From, l.m.valid)
	}
	return v, fault.New(fault.NotFound, k.name+"_NO_LONGER", "as_of.valid_at",
		"%s %s is known until %s, not on %s", name, id, versions[len(versions)-1].Valid.To, l.m.valid)
}

// Find finds the entities that hold on the day and in whose words every word of a text is
// found, by their sort key and id, and those that have or had the text as an alias. A word of four letters or more that none of them has is
// taken for a misspelling of what is most like it among their words.
func (k Kind[V]) Find(l Lens, text string) []V {
	type row struct {
		key, id string
		value   V
	}
	var rows []row
	sought, t := searchFor(text, folder{}), k.table(l.s)
	borne := map[string]bool{} // the text is a code that other systems use for these
	for a := range l.s.Topology.AliasesNamed("", text, l.m.known) {
		borne[a.GetEntityId()] = true
	}
	held := func(yield func(string, V) bool) {
		for id := range t.IDs() {
			if v, held := t.At(id, l.m.valid, l.m.known); held && !yield(id, v) {
				return
			}
		}
	}
	find := func() {
		for id, v := range held {
			if borne[id] || sought.finds(k.words(l, v), sought.fold(id)) {
				rows = append(rows, row{sought.fold(k.sorted(v)), id, v})
			}
		}
	}
	if find(); len(rows) == 0 && sought.forgive(func(yield func(string, []string) bool) {
		for id, v := range held {
			if !yield(sought.fold(id), k.words(l, v)) {
				return
			}
		}
	}) {
		find()
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Or(strings.Compare(a.key, b.key), strings.Compare(a.id, b.id)) })
	found := make([]V, len(rows))
	for i, r := range rows {
		found[i] = r.value
	}
	return found
}

package lens

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/identifier"
)

// idSet is the ids that a filter names, nil where the filter is left empty.
type idSet map[string]bool

func (s idSet) holds(id string) bool { return s == nil || s[id] }

// LabelFilter is the filters of a ListLabelsRequest, resolved. It is for one goroutine.
type LabelFilter struct {
	roles    []labellingv1.Role
	statuses []labellingv1.Status

	cycles, filieres, networks, establishments idSet

	region, department string // INSEE codes, empty for any

	search
}

// LabelFilter resolves the filters against what was known at the moment, so that an answer
// stays the same for ever. A name that was not known then is a mistake only where it is
// unknown at the head too (FILIERE_UNKNOWN and the like).
func (l Lens) LabelFilter(req *registryv1.ListLabelsRequest) (*LabelFilter, error) {
	f := &LabelFilter{
		roles:    req.GetRoles(),
		statuses: req.GetStatuses(),
		search:   searchFor(req.GetText(), folder{}),
	}
	if len(f.statuses) == 0 && !l.m.operational() {
		f.statuses = []labellingv1.Status{
			labellingv1.Status_STATUS_IN_FORCE,
			labellingv1.Status_STATUS_EXTENDED, // in force, beyond its first term
			labellingv1.Status_STATUS_IN_ABEYANCE,
			labellingv1.Status_STATUS_UNDETERMINED,
		}
	}
	var err [6]error
	f.filieres, err[0] = filieresNamed(l, f.folder, req.GetFiliere())
	f.networks, err[1] = networksNamed(l, f.folder, req.GetNetwork())
	f.cycles, err[2] = named(l, f.folder, Cycles, "cycle", req.GetCycle(),
		func(c *labellingv1.Cycle) []string { return append(slices.Clone(c.GetAliases()), c.GetCode()) }, nil)
	hospital := req.GetEstablishment()
	if finess, e := identifier.FINESS(hospital); e == nil {
		hospital = finess
	}
	f.establishments, err[3] = named(l, f.folder, Establishments, "establishment", hospital,
		func(e *topologyv1.Establishment) []string { return []string{e.GetName()} },
		func(e *topologyv1.Establishment) string { return e.GetFiness() })
	f.region, err[4] = regionNamed(f.folder, req.GetRegion())
	f.department, err[5] = departmentNamed(f.folder, req.GetDepartment())
	return f, cmp.Or(err[0], err[1], err[2], err[3], err[4], err[5])
}

// Bounds is what the labels that match a filter have in common, as far as it can be told
// without looking at them: one of the networks, holders or establishments, in any version
// known at the moment, and one of the cycles and of the roles, where any are named.
type Bounds struct {
	Networks       []string
	Holders        []string // filières, networks and platforms
	Establishments []string // of the centres that hold
	Cycles         []string // nil for any
	Roles          []labellingv1.Role
}

// Bounds is those of a filter at the moment; nil where it does not say in which networks
// or hospitals to look.
func (l Lens) Bounds(f *LabelFilter) *Bounds {
	b := &Bounds{Cycles: slices.Collect(maps.Keys(f.cycles)), Roles: f.roles}
	topo := &l.s.Topology
	switch {
	case f.networks != nil:
		b.Networks = slices.Collect(maps.Keys(f.networks))
		b.Holders = b.Networks
	case f.filieres != nil:
		for id := range topo.Networks.IDs() {
			if n, held := topo.Networks.At(id, l.m.valid, l.m.known); held && f.filieres[n.GetFiliereId()] {
				b.Networks = append(b.Networks, id)
			}
		}
		b.Holders = slices.Concat(b.Networks, slices.Collect(maps.Keys(f.filieres)))
	case f.establishments != nil:
		b.Establishments = slices.Collect(maps.Keys(f.establishments))
		for id := range topo.Filieres.IDs() {
			if f.establishments[near(&topo.Filieres, id, l.m).GetEstablishmentId()] {
				b.Holders = append(b.Holders, id)
			}
		}
		for id := range topo.Platforms.IDs() {
			if slices.ContainsFunc(near(&topo.Platforms, id, l.m).GetEstablishmentIds(), f.establishments.holds) {
				b.Holders = append(b.Holders, id)
			}
		}
	default:
		return nil
	}
	return b
}

func filieresNamed(l Lens, f folder, filter string) (idSet, error) {
	return named(l, f, Filieres, "filière", filter, func(x *topologyv1.Filiere) []string { return []string{x.GetAcronym()} }, nil)
}

func networksNamed(l Lens, f folder, filter string) (idSet, error) {
	return named(l, f, Networks, "network", filter,
		func(n *topologyv1.Network) []string { return []string{n.GetAcronym(), n.GetTitle()} }, nil)
}

// eitherNamed is the filières and networks that filters name at one of two moments that are
// compared, by the names they have there.
func eitherNamed(before, after Lens, f folder, filiere, network string) (filieres, networks idSet, err error) {
	x, errX := filieresNamed(before, f, filiere)
	y, errY := filieresNamed(after, f, filiere)
	filieres, err1 := ofEither(x, y, errX, errY)
	x, errX = networksNamed(before, f, network)
	y, errY = networksNamed(after, f, network)
	networks, err2 := ofEither(x, y, errX, errY)
	return filieres, networks, cmp.Or(err1, err2)
}

// ofEither is what a filter names in two registers that are compared. It is a mistake only
// where both find it to be one: what one of them knows is nothing in the other.
func ofEither(x, y idSet, errX, errY error) (idSet, error) {
	if errX != nil && errY != nil || x == nil && y == nil {
		return nil, cmp.Or(errY, errX)
	}
	either := idSet{}
	maps.Copy(either, x)
	maps.Copy(either, y)
	return either, nil
}

// named returns the ids of the entities of a kind that a filter names, by the names they
// have on any day: by id or by one of their names. Those that have a code are also found
// by it, and by words that their name contains.
func named[V any](l Lens, f folder, k Kind[V], word, filter string, names func(V) []string, code func(V) string) (idSet, error) {
	sought := identifier.Fold(filter)
	if sought == "" {
		return nil, nil
	}
	words := searchFor(filter, f)
	t, whole := k.table(l.s), k.table(l.whole)
	find := func(t *bitemporal.Table[V], known uint64) idSet {
		found := idSet{}
		for id := range t.IDs() {
			for _, version := range t.Versions(id, known) {
				called := f.all(names(version.Value))
				switch {
				case f.fold(id) == sought, slices.Contains(called, sought),
					code != nil && (f.fold(code(version.Value)) == sought || words.finds(called, "")):
					found[id] = true
				}
			}
		}
		return found
	}
	found := find(t, l.m.known)
	if len(found) > 0 || len(find(whole, l.m.head)) > 0 {
		return found, nil
	}
	near := newNearest(f, filter)
	for id := range whole.IDs() {
		for _, version := range whole.Versions(id, l.m.head) {
			for _, name := range names(version.Value) {
				near.see(name)
			}
		}
	}
	return nil, near.unknown(k.name, strings.ToLower(k.name), word)
}

// regionNamed returns the INSEE code of the region of a code or name.
func regionNamed(f folder, filter string) (string, error) {
	if identifier.Fold(filter) == "" {
		return "", nil
	}
	if code, _, known := identifier.Region(filter); known {
		return code, nil
	}
	near := newNearest(f, filter)
	for d := range identifier.Departments() {
		near.see(d.Region)
	}
	return "", near.unknown("REGION", "region", "region")
}

// departmentNamed returns the INSEE code of the department of a code or name.
func departmentNamed(f folder, filter string) (string, error) {
	if identifier.Fold(filter) == "" {
		return "", nil
	}
	if d, known := department(filter); known {
		return d.Code, nil
	}
	near := newNearest(f, filter)
	if d, known := identifier.Department("0" + filter); known {
		near.see(d.Code)
	}
	for d := range identifier.Departments() {
		near.see(d.Name)
	}
	return "", near.unknown("DEPARTMENT", "department", "department")
}

// byName is the departments by folded name.
var byName = func() map[string]identifier.Dept {
	all := map[string]identifier.Dept{}
	for d := range identifier.Departments() {
		all[identifier.Fold(d.Name)] = d
	}
	return all
}()

// department finds a department by its code or name.
func department(codeOrName string) (identifier.Dept, bool) {
	if d, known := identifier.Department(codeOrName); known {
		return d, true
	}
	d, known := byName[identifier.Fold(codeOrName)]
	return d, known
}

// networkOf is the network that a label is held in or by, empty for none.
func networkOf(label *labellingv1.Label) string {
	return cmp.Or(label.GetHolder().GetSite().GetNetworkId(), label.GetHolder().GetNetworkId())
}

// departmentOf is the department of a place: that of its code or, of a place known only
// as a territory, the one of that name.
func departmentOf(p *topologyv1.Place) string {
	if code := p.GetDepartmentCode(); code != "" || p.GetTerritory() == "" {
		return code
	}
	d := byName[identifier.Fold(p.GetTerritory())]
	return d.Code
}

// regionOf is the same for the region.
func regionOf(p *topologyv1.Place) string {
	if d, known := identifier.Department(departmentOf(p)); known {
		return d.RegionCode
	}
	code, _, _ := identifier.Region(p.GetTerritory())
	return code
}

// matches tells whether a label with its surroundings passes all filters but those of
// role, cycle, network and status, which need none of them.
func (f *LabelFilter) matches(h *holding) bool {
	return f.filieres.holds(h.filiere.GetFiliereId()) &&
		(f.establishments == nil || slices.ContainsFunc(h.establishments, func(e *topologyv1.Establishment) bool {
			return f.establishments[e.GetEstablishmentId()]
		})) &&
		(f.department == "" || slices.ContainsFunc(h.places, func(p *topologyv1.Place) bool { return departmentOf(p) == f.department })) &&
		(f.region == "" || slices.ContainsFunc(h.places, func(p *topologyv1.Place) bool { return regionOf(p) == f.region })) &&
		(len(f.words) == 0 || f.finds(h.texts(), ""))
}

// texts is what words are looked for in.
func (h *holding) texts() []string {
	texts := make([]string, 0, 3+len(h.establishments)+len(h.places))
	texts = append(texts, h.network.GetTitle(), h.network.GetAcronym(), h.holderName)
	for _, e := range h.establishments {
		texts = append(texts, e.GetName())
	}
	for _, p := range h.places {
		texts = append(texts, p.GetCity())
	}
	return texts
}

// Forgive takes the words of a filter for misspelled that nothing in the whole register
// has, and tells whether to look again. It needs all labels and links.
func (l Lens) Forgive(f *LabelFilter) bool { return f.misspelled(l) }

// HasText tells whether words are looked for.
func (f *LabelFilter) HasText() bool { return len(f.words) > 0 }

// misspelled forgives the words that nothing has that labels and collaborations are found
// by, at any of the moments: of every label known there, and of those who collaborate on
// the day.
func (f *LabelFilter) misspelled(moments ...Lens) bool {
	return len(f.words) > 0 && f.forgive(func(yield func(string, []string) bool) {
		for _, l := range moments {
			for id := range l.s.Labelling.Labels.IDs() {
				label, known := l.s.Labelling.Label(id, l.m.known)
				if h := l.holding(label); known && !yield("", h.texts()) {
					return
				}
			}
			for link := range l.s.Topology.LinksOn(l.m.valid, l.m.known) {
				if link.GetKind() != topologyv1.LinkKind_LINK_KIND_COLLABORATES {
					continue
				}
				if h := l.collaborating(link); !yield("", h.texts()) {
					return
				}
			}
		}
	})
}

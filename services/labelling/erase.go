package labelling

import (
	"fmt"
	"iter"
	"slices"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/fault"
	"maillage/services/topology"
)

// Held is what the vault was found to hold of a person. What it holds is for whoever has the
// vault to say: here its values are ids.
type Held struct {
	Values  []string // names and the like, and texts of drafts that name the person
	Persons []string // opaque ids made from RPPS numbers
}

// erasure is the values that a PersonErased names.
type erasure struct {
	position uint64
	values   []string
}

// A person is erased: what the vault held, and nothing that is recorded.
func (s *State) personErased(at uint64, f *labellingv1.PersonErased) error {
	values := slices.Concat(f.GetValueIds(), f.GetPersonIds())
	if len(values) == 0 || slices.Contains(values, "") {
		return fmt.Errorf("%w: it erases nothing", errUnfit)
	}
	s.erasures = append(s.erasures, erasure{at, values})
	return nil
}

// Erased yields the ids of the values of the vault that were erased by a position. One who
// has a vault unlinks them, again where it was restored from an older copy.
func (s *State) Erased(known uint64) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, e := range s.erasures {
			for _, id := range e.values {
				if e.position > known || !yield(id) {
					return
				}
			}
		}
	}
}

func (s *State) rollbackErasures(to uint64) {
	for len(s.erasures) > 0 && s.erasures[len(s.erasures)-1].position > to {
		s.erasures = s.erasures[:len(s.erasures)-1]
	}
}

// PersonsNamed returns the opaque ids of persons that offices have beside any of some values,
// and the values that they have beside any of some opaque ids, in whichever version.
func (s *State) PersonsNamed(values, persons []string) (ids, names []string) {
	for _, v := range s.Offices.All() {
		name, person := v.Value.GetName().GetValueId(), v.Value.GetPersonId()
		if person != "" && slices.Contains(values, name) && !slices.Contains(ids, person) {
			ids = append(ids, person)
		}
		if name != "" && slices.Contains(persons, person) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return ids, names
}

// ErasePerson decides that what the vault holds of a person is erased: PERSON_UNKNOWN where
// that is nothing, as after the erasure. A draft that waits for its approval and names the
// person is decided on before: DRAFT_NAMES_PERSON.
func ErasePerson(s *State, topo *topology.State, held Held, r *labellingv1.ErasePersonRequest) ([]*labellingv1.Event, error) {
	if err := s.checkBasis(r.GetBasis()); err != nil {
		return nil, err
	}
	gone := make(map[string]bool)
	for id := range s.Erased(bitemporal.Latest) {
		gone[id] = true
	}
	known := func(id string) bool { return gone[id] }
	f := &labellingv1.PersonErased{
		ValueIds: slices.DeleteFunc(slices.Clone(held.Values), known), PersonIds: slices.DeleteFunc(slices.Clone(held.Persons), known), Reason: r.GetReason(),
	}
	if len(f.GetValueIds())+len(f.GetPersonIds()) == 0 {
		return nil, fault.New(fault.NotFound, "PERSON_UNKNOWN", "", "The vault holds nothing of such a person.")
	}
	erased := make(map[string]bool, len(f.GetValueIds()))
	for _, id := range slices.Concat(f.GetValueIds(), f.GetPersonIds()) {
		erased[id] = true
	}
	for id := range s.Drafts.IDs() {
		d, _ := s.draft(id)
		switch {
		case !erased[d.GetAnnex().GetValueId()]:
		case d.GetState() == labellingv1.DraftState_DRAFT_STATE_PREPARED:
			return nil, fault.New(fault.Refused, "DRAFT_NAMES_PERSON", "", "Draft %s names the person and waits for its approval: approve or reject it before.", id)
		default:
			f.DraftIds = append(f.DraftIds, id)
		}
	}
	f.LabelIds = naming(&s.Labels, func(l *labellingv1.Label) bool { return erased[l.GetHead().GetValueId()] })
	f.OfficeIds = naming(&s.Offices, func(o *labellingv1.Office) bool { return erased[o.GetName().GetValueId()] || erased[o.GetPersonId()] })
	reached := func(c *topologyv1.Contact) bool {
		return erased[c.GetEmail().GetValueId()] || erased[c.GetPhone().GetValueId()]
	}
	f.EntityIds = append(
		naming(&topo.Filieres, func(l *topologyv1.Filiere) bool { return reached(l.GetContact()) }),
		naming(&topo.Platforms, func(p *topologyv1.Platform) bool { return reached(p.GetContact()) })...,
	)
	return []*labellingv1.Event{{Meta: &eventv1.Meta{Basis: r.GetBasis()}, Fact: &labellingv1.Event_PersonErased{PersonErased: f}}}, nil
}

func first(ids []string) string {
	if len(ids) == 0 {
		return ""
	}
	return ids[0]
}

// naming is the entities of which any version says something.
func naming[V any](t *bitemporal.Table[V], says func(V) bool) (ids []string) {
	for id, v := range t.All() {
		if says(v.Value) && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

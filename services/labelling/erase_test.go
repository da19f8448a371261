package labelling

import (
	"errors"
	"slices"
	"testing"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/fault"
	"maillage/services/topology"
)

// What the vault holds of a person is erased once, with all that it was said of; a draft that
// waits comes before.
func TestErasePerson(t *testing.T) {
	basis := &eventv1.Basis{Source: "test"}
	value := func(id string) *eventv1.PersonalValue { return &eventv1.PersonalValue{ValueId: id} }
	s, topo, at := new(State), new(topology.State), uint64(0)
	fold := func(facts ...*labellingv1.Event) {
		t.Helper()
		for _, e := range facts {
			at++
			if e.Meta == nil {
				e.Meta = &eventv1.Meta{Basis: basis}
			}
			e.Meta.Schema = 1
			if err := s.Evolve(at, e); err != nil {
				t.Fatal(err)
			}
		}
	}
	filiere := &labellingv1.Holder{Holder: &labellingv1.Holder_FiliereId{FiliereId: "F000000001"}}
	head := value("V2")
	fold(
		&labellingv1.Event{Fact: &labellingv1.Event_LabelGranted{LabelGranted: &labellingv1.LabelGranted{LabelId: "L1", Holder: filiere, Role: labellingv1.Role_ROLE_FSMR, Head: value("V1")}}},
		&labellingv1.Event{Fact: &labellingv1.Event_LabelCorrected{LabelCorrected: &labellingv1.LabelCorrected{LabelId: "L1", Head: head}}},
		&labellingv1.Event{Fact: &labellingv1.Event_OfficeTaken{OfficeTaken: &labellingv1.OfficeTaken{OfficeId: "O1", HolderId: "F000000001", Kind: labellingv1.OfficeKind_OFFICE_KIND_COORDINATOR, PersonId: "P1", Name: value("V3")}}},
		&labellingv1.Event{Fact: &labellingv1.Event_DraftPrepared{DraftPrepared: &labellingv1.DraftPrepared{DraftId: "D1", Annex: value("V4")}}},
	)
	if persons, names := s.PersonsNamed([]string{"V3"}, []string{"P1"}); !slices.Equal(persons, []string{"P1"}) || !slices.Equal(names, []string{"V3"}) {
		t.Errorf("V3 and P1 lead to %q and %q", persons, names)
	}
	erase := func(held Held, on *eventv1.Basis) (*labellingv1.PersonErased, string) {
		facts, err := ErasePerson(s, topo, held, &labellingv1.ErasePersonRequest{Basis: on, Reason: labellingv1.ErasureReason_ERASURE_REASON_ORDERED})
		if f, refused := errors.AsType[*fault.Error](err); refused {
			return nil, f.Reason
		}
		fold(facts...)
		return facts[0].GetPersonErased(), Subject(facts[0])
	}
	for _, c := range []struct {
		held Held
		on   *eventv1.Basis
		want string
	}{
		{Held{}, basis, "PERSON_UNKNOWN"},
		{Held{Values: []string{"V1"}}, nil, "BASIS_MISSING"},
		{Held{Values: []string{"V1", "V4"}}, basis, "DRAFT_NAMES_PERSON"},
	} {
		if _, got := erase(c.held, c.on); got != c.want {
			t.Errorf("%v is answered %s, want %s", c.held, got, c.want)
		}
	}
	fold(&labellingv1.Event{Fact: &labellingv1.Event_DraftApproved{DraftApproved: &labellingv1.DraftApproved{DraftId: "D1"}}})
	before := at
	f, subject := erase(Held{Values: []string{"V1", "V3", "V4"}, Persons: []string{"P1"}}, basis)
	if subject != "registry.labelling.person.V1" || !slices.Equal(f.GetLabelIds(), []string{"L1"}) || !slices.Equal(f.GetOfficeIds(), []string{"O1"}) || !slices.Equal(f.GetDraftIds(), []string{"D1"}) {
		t.Errorf("%s: %v", subject, f)
	}
	if got := slices.Collect(s.Erased(before)); got != nil {
		t.Errorf("before it %q are erased", got)
	}
	if got := slices.Collect(s.Erased(at)); !slices.Equal(got, []string{"V1", "V3", "V4", "P1"}) {
		t.Errorf("%q are erased", got)
	}
	if _, got := erase(Held{Values: []string{"V1"}}, basis); got != "PERSON_UNKNOWN" {
		t.Errorf("again: %s", got)
	}
	if f, _ := erase(Held{Values: []string{"V1", "V2"}}, basis); !slices.Equal(f.GetValueIds(), []string{"V2"}) {
		t.Errorf("with another one: %v", f)
	}
	s.Rollback(before)
	if got := slices.Collect(s.Erased(at)); got != nil {
		t.Errorf("taken back, %q are erased", got)
	}
}

func TestErasedNothing(t *testing.T) {
	for _, f := range []*labellingv1.PersonErased{{}, {ValueIds: []string{""}}} {
		e := &labellingv1.Event{Meta: &eventv1.Meta{Schema: 1}, Fact: &labellingv1.Event_PersonErased{PersonErased: f}}
		if err := new(State).Evolve(1, e); !errors.Is(err, errUnfit) {
			t.Errorf("%v: %v", f, err)
		}
	}
}

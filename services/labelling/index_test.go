package labelling

import (
	"testing"

	"maillage/services/bitemporal"
)

// Every key leads to the ids of all the others: what is read is the same.
func TestKeysOfOneHash(t *testing.T) {
	defer func(mask uint64) { hashMask = mask }(hashMask)
	hashMask = 0
	for name, test := range map[string]func(*testing.T){
		"cycles":     TestRegisterCycle,
		"grants":     TestGrantLabel,
		"refusals":   TestGrantLabelRefuses,
		"acts":       TestRecordAct,
		"assertions": TestRecordAssertion,
		"status":     TestStatusOfWhatWentOn,
		"rollback":   TestRollback,
	} {
		t.Run(name, test)
	}
}

func TestIndexKeepsTheOrder(t *testing.T) {
	var x index
	for _, id := range []string{"1", "2", "1", "3", "2"} {
		x.enter("A", id)
	}
	x.enter("B", "4")
	for key, want := range map[string]string{"A": "123", "B": "4", "C": ""} {
		got := ""
		for id := range x.of(key) {
			got += id
		}
		if got != want {
			t.Errorf("%s leads to %q, want %q", key, got, want)
		}
	}
}

// TestAPredictionTakenBackHasNoPlace: what is decided again, after what others recorded
// meanwhile, stands where the log has it.
func TestAPredictionTakenBackHasNoPlace(t *testing.T) {
	w := newWorld(t)
	givenHead(w)
	before := w.at
	take := func(id string) {
		w.append(w.taking(taking{id: id, holder: "SA", kind: head, start: "2019"}))
	}
	take("O2")
	take("O3")
	w.s.Rollback(before)
	w.at = before
	take("O4")
	take("O3")
	take("O2")
	got := ""
	for o := range w.s.OfficesOf("SA", bitemporal.Latest) {
		got += o.GetOfficeId()
	}
	if got != "O1O4O3O2" {
		t.Errorf("the offices stand as %s", got)
	}
}

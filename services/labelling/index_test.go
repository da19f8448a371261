package labelling

import "testing"

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

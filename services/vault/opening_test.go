package vault

import (
	"bytes"
	"testing"
)

// An opening opens the commitment of its value, and nothing else does.
func TestOpening(t *testing.T) {
	v := open(t, t.TempDir())
	values := put(t, v, "head", "Pr Jeanne MORVAN", "a\x00b")
	opening := func(i int) Opening {
		o, ok, err := v.Opening(values[i].GetValueId())
		if !ok || err != nil || o.ID != values[i].GetValueId() || o.Kind != "head" || len(o.Salt) != 32 {
			t.Fatal(o, ok, err)
		}
		return o
	}
	commitment := values[0].GetCommitment()
	if !opening(0).Opens(commitment) || !opening(1).Opens(values[1].GetCommitment()) {
		t.Fatal("an opening does not open its commitment")
	}
	for name, alter := range map[string]func(o *Opening){
		"text":           func(o *Opening) { o.Text = "Pr Jeanne MORVAM" },
		"kind":           func(o *Opening) { o.Kind = "rpps" },
		"salt":           func(o *Opening) { o.Salt[31] ^= 1 },
		"longer salt":    func(o *Opening) { o.Salt = append(o.Salt, 0) },
		"no salt":        func(o *Opening) { o.Salt = nil },
		"of another one": func(o *Opening) { *o = opening(1) },
	} {
		o := opening(0)
		o.Salt = bytes.Clone(o.Salt)
		if alter(&o); o.Opens(commitment) {
			t.Errorf("it opens with %s altered", name)
		}
	}
	moved := opening(1) // "head\0a\0b" has two places where its text may begin
	moved.Kind, moved.Text = "head\x00a", "b"
	if moved.Opens(values[1].GetCommitment()) {
		t.Error("the end of the text was made the text")
	}
	if o := opening(0); o.Opens(nil) || o.Opens(commitment[:31]) {
		t.Error("a part of a commitment is opened")
	}
	if err := v.Erase(values[0].GetValueId()); err != nil {
		t.Fatal(err)
	}
	if o, ok, err := v.Opening(values[0].GetValueId()); ok || err != nil || o.Text != "" {
		t.Error("an erased value is opened", o, ok, err)
	}
}

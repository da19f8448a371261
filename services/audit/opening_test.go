package audit_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/audit"
	"maillage/services/eventlog"
	"maillage/services/vault"
)

// headed is a register of three platforms with a label each, whose heads are in a vault.
func headed(t *testing.T) (r *register, v *vault.Vault, values []*eventv1.PersonalValue) {
	t.Helper()
	v, err := vault.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if values, err = v.Put(t.Context(), "head", "Pr Un", "Dr Deux", "Mme Trois"); err != nil {
		t.Fatal(err)
	}
	r = newRegister(t, 5)
	add := func(subject string, e proto.Message) {
		body, err := proto.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		r.records = append(r.records, eventlog.Record{Position: uint64(len(r.records) + 1), Subject: subject, Body: body})
	}
	meta := &eventv1.Meta{Schema: 1, CommitSize: 1}
	for i, head := range values {
		platform, label := fmt.Sprintf("P%09d", i), fmt.Sprintf("L%09d", i)
		add("registry.topology.platform."+platform, &topologyv1.Event{Meta: meta, Fact: &topologyv1.Event_PlatformRegistered{
			PlatformRegistered: &topologyv1.PlatformRegistered{PlatformId: platform, Name: "Plateforme"},
		}})
		add("registry.labelling.label."+label, &labellingv1.Event{Meta: meta, Fact: &labellingv1.Event_LabelGranted{LabelGranted: &labellingv1.LabelGranted{
			LabelId: label, Role: labellingv1.Role_ROLE_PEMR, Head: head, Period: &eventv1.Period{Start: "2024-01-01", End: "2029-01-01"},
			Holder: &labellingv1.Holder{Holder: &labellingv1.Holder_PlatformId{PlatformId: platform}},
		}}})
	}
	return r, v, values
}

// TestOpenings: what a bundle says in clear is what its records commit to, whatever is done.
func TestOpenings(t *testing.T) {
	r, v, values := headed(t)
	size := len(r.records)
	give := func(values ...*eventv1.PersonalValue) func(func(vault.Opening, error) bool) {
		return func(yield func(vault.Opening, error) bool) {
			for _, one := range values {
				if o, _, err := v.Opening(one.GetValueId()); !yield(o, err) {
					return
				}
			}
		}
	}
	whole := func(opened ...*eventv1.PersonalValue) audit.Contents {
		c := r.whole(size)
		c.Openings = give(opened...)
		return c
	}
	part := func(opened ...*eventv1.PersonalValue) audit.Contents {
		c := r.part(size, 7, 9) // the labels of the first two
		c.Openings = give(opened...)
		return c
	}
	altered := func(change func(all []vault.Opening) []vault.Opening) string {
		return rewritten(t, written(t, whole(values[0], values[1])), "openings", func(b []byte) []byte {
			var all []vault.Opening
			for line := range bytes.Lines(b) {
				var o vault.Opening
				if err := json.Unmarshal(line, &o); err != nil {
					t.Fatal(err)
				}
				all = append(all, o)
			}
			var out []byte
			for _, o := range change(all) {
				line, err := json.Marshal(o)
				if err != nil {
					t.Fatal(err)
				}
				out = append(append(out, line...), '\n')
			}
			return out
		})
	}
	for attack, tc := range map[string]struct {
		file   string
		opened int
		want   string
		named  string // a value that the error must name
	}{
		"none, nothing opened":    {written(t, r.whole(size)), 0, "<nil>", ""},
		"none, all records":       {written(t, whole(values...)), 3, "<nil>", ""},
		"none, some records":      {written(t, part(values[:2]...)), 2, "<nil>", ""},
		"altered by nobody":       {altered(func(all []vault.Opening) []vault.Opening { return all }), 2, "<nil>", ""},
		"not in the bundle":       {written(t, part(values...)), 0, "OPENING_ALTERED", values[2].GetValueId()},
		"the text altered":        {altered(func(all []vault.Opening) []vault.Opening { all[1].Text = "Dr Deus"; return all }), 0, "OPENING_ALTERED", values[1].GetValueId()},
		"the type altered":        {altered(func(all []vault.Opening) []vault.Opening { all[0].Kind = "rpps"; return all }), 0, "OPENING_ALTERED", values[0].GetValueId()},
		"the salt altered":        {altered(func(all []vault.Opening) []vault.Opening { all[0].Salt[0] ^= 1; return all }), 0, "OPENING_ALTERED", values[0].GetValueId()},
		"the id of another value": {altered(func(all []vault.Opening) []vault.Opening { all[0].ID = values[2].GetValueId(); return all }), 0, "OPENING_ALTERED", values[2].GetValueId()},
		"two exchanged": {altered(func(all []vault.Opening) []vault.Opening {
			all[0].ID, all[1].ID = all[1].ID, all[0].ID
			return all
		}), 0, "OPENING_ALTERED", values[1].GetValueId()},
		"no value at all": {altered(func(all []vault.Opening) []vault.Opening { all[0].ID = ""; return all }), 0, "OPENING_ALTERED", ""},
		"twice":           {altered(func(all []vault.Opening) []vault.Opening { return append(all, all[0]) }), 0, "OPENING_ALTERED", values[0].GetValueId()},
		"no JSON": {rewritten(t, written(t, whole(values[0])), "openings", func(b []byte) []byte {
			return b[:len(b)-4]
		}), 0, "BUNDLE_UNREADABLE", ""},
	} {
		t.Run(attack, func(t *testing.T) {
			report, err := verify(t, tc.file, audit.Trust{Keys: []note.Verifier{r.key}})
			if reason(err) != tc.want || report.Opened != tc.opened || err != nil && !strings.Contains(err.Error(), tc.named) {
				t.Errorf("%v, want %s of %s (%+v)", err, tc.want, tc.named, report)
			}
		})
	}
	// The records may not say otherwise of one value either.
	r.records[6].Body = bytes.Replace(r.records[6].Body, []byte(values[0].GetValueId()), []byte(values[2].GetValueId()), 1)
	if _, err := verify(t, written(t, whole(values[2])), audit.Trust{Keys: []note.Verifier{r.key}}); reason(err) != "OPENING_ALTERED" {
		t.Errorf("two commitments of one value: %v", err)
	}
}

// TestReplicaNames: a replay knows the names that were opened and verified, and of the others
// whether the log says that they were erased.
func TestReplicaNames(t *testing.T) {
	r, v, values := headed(t)
	body, err := proto.Marshal(&labellingv1.Event{Meta: &eventv1.Meta{Schema: 1, CommitSize: 1}, Fact: &labellingv1.Event_PersonErased{
		PersonErased: &labellingv1.PersonErased{ValueIds: []string{values[1].GetValueId()}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	r.records = append(r.records, eventlog.Record{Position: uint64(len(r.records) + 1), Subject: "registry.labelling.person." + values[1].GetValueId(), Body: body})
	c := r.whole(len(r.records))
	c.Openings = func(yield func(vault.Opening, error) bool) {
		o, _, err := v.Opening(values[0].GetValueId())
		yield(o, err)
	}
	b, err := audit.Open(written(t, c))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	names := func() (all []string) {
		replica, err := b.Replay()
		if err != nil {
			t.Fatal(err)
		}
		replica.Unnamed = func(erased bool) string { return fmt.Sprint("erased=", erased) }
		for _, one := range append(values, &eventv1.PersonalValue{ValueId: "OTHER00000"}) {
			all = append(all, replica.Name(one.GetValueId()))
		}
		return all
	}
	if got, want := names(), []string{"erased=false", "erased=true", "erased=false", ""}; !slices.Equal(got, want) {
		t.Errorf("before it is verified the names are %q, want %q", got, want)
	}
	if _, err := b.Verify(audit.Trust{Keys: []note.Verifier{r.key}}); err != nil {
		t.Fatal(err)
	}
	if got, want := names(), []string{"Pr Un", "erased=true", "erased=false", ""}; !slices.Equal(got, want) {
		t.Errorf("the names are %q, want %q", got, want)
	}
}

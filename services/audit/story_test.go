package audit_test

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/audit"
	"maillage/services/eventlog"
	"maillage/services/labelling"
	"maillage/services/topology"
)

const (
	scope, later, other = "L000000001", "L000000002", "L000000009"
	site, sisterSite    = "S000000001", "S000000002"
)

// storyLog is a log with a label, what makes its story, and as much that does not.
func storyLog(t *testing.T) (all []eventlog.Record, part map[uint64]bool) {
	t.Helper()
	part = map[uint64]bool{}
	add := func(in bool, subject string, m proto.Message) {
		body, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		r := eventlog.Record{Position: uint64(len(all) + 1), Subject: subject, Body: body}
		if all = append(all, r); in {
			part[r.Position] = true
		}
	}
	meta := &eventv1.Meta{Schema: 1, CommitSize: 1}
	topo := func(in bool, e *topologyv1.Event) { e.Meta = meta; add(in, topology.Subject(e), e) }
	lab := func(in bool, e *labellingv1.Event) { e.Meta = meta; add(in, labelling.Subject(e), e) }
	held := func(site, centre string) *labellingv1.Holder {
		return &labellingv1.Holder{Holder: &labellingv1.Holder_Site{Site: &labellingv1.Site{SiteId: site, CentreId: centre, NetworkId: "N000000001"}}}
	}
	for i, in := range []bool{true, true, false} { // where the team is, where it goes, elsewhere
		topo(in, &topologyv1.Event{Fact: &topologyv1.Event_EstablishmentRegistered{EstablishmentRegistered: &topologyv1.EstablishmentRegistered{EstablishmentId: fmt.Sprintf("E00000000%d", i+1), Name: "Hôpital"}}})
	}
	topo(true, &topologyv1.Event{Fact: &topologyv1.Event_FiliereRegistered{FiliereRegistered: &topologyv1.FiliereRegistered{FiliereId: "F000000001", Acronym: "FIL"}}})
	topo(true, &topologyv1.Event{Fact: &topologyv1.Event_NetworkRegistered{NetworkRegistered: &topologyv1.NetworkRegistered{NetworkId: "N000000001", Title: "Réseau", FiliereId: "F000000001"}}})
	topo(true, &topologyv1.Event{Fact: &topologyv1.Event_CentreRegistered{CentreRegistered: &topologyv1.CentreRegistered{CentreId: "C000000001", EstablishmentIds: []string{"E000000001"}}}})
	topo(false, &topologyv1.Event{Fact: &topologyv1.Event_CentreRegistered{CentreRegistered: &topologyv1.CentreRegistered{CentreId: "C000000002", EstablishmentIds: []string{"E000000003"}}}})
	lab(true, &labellingv1.Event{Fact: &labellingv1.Event_CycleRegistered{CycleRegistered: &labellingv1.CycleRegistered{CycleId: "Y000000001", Code: "2017"}}})
	lab(true, &labellingv1.Event{Fact: &labellingv1.Event_LabelGranted{LabelGranted: &labellingv1.LabelGranted{LabelId: scope, Holder: held(site, "C000000001"), Role: labellingv1.Role_ROLE_COMPETENCE}}})
	lab(false, &labellingv1.Event{Fact: &labellingv1.Event_LabelGranted{LabelGranted: &labellingv1.LabelGranted{LabelId: other, Holder: held(sisterSite, "C000000002"), Role: labellingv1.Role_ROLE_COMPETENCE}}})
	lab(true, &labellingv1.Event{Fact: &labellingv1.Event_LabelRenewed{LabelRenewed: &labellingv1.LabelRenewed{LabelId: scope, SuccessorId: later, Holder: held(site, "C000000001"), Role: labellingv1.Role_ROLE_COMPETENCE}}})
	lab(true, &labellingv1.Event{Fact: &labellingv1.Event_LabelRepealed{LabelRepealed: &labellingv1.LabelRepealed{LabelId: later, RepealedFrom: "2024-01-01"}}})
	topo(true, &topologyv1.Event{Fact: &topologyv1.Event_CentreMoved{CentreMoved: &topologyv1.CentreMoved{CentreId: "C000000001", ValidFrom: "2020-01-01", EstablishmentIds: []string{"E000000002"}}}})
	topo(false, &topologyv1.Event{Fact: &topologyv1.Event_EstablishmentRenamed{EstablishmentRenamed: &topologyv1.EstablishmentRenamed{EstablishmentId: "E000000003", Name: "Autre"}}})
	lab(true, &labellingv1.Event{Fact: &labellingv1.Event_AssertionRecorded{AssertionRecorded: &labellingv1.AssertionRecorded{EntityId: "X000000001", Field: "line"}}})
	lab(false, &labellingv1.Event{Fact: &labellingv1.Event_AssertionRecorded{AssertionRecorded: &labellingv1.AssertionRecorded{EntityId: other, Field: "role"}}})
	lab(true, &labellingv1.Event{Fact: &labellingv1.Event_AssertionSettled{AssertionSettled: &labellingv1.AssertionSettled{EntityId: "X000000001", Position: uint64(len(all) - 1), LabelId: scope, Outcome: labellingv1.Settlement_SETTLEMENT_SAME_LABEL}}})
	lab(true, &labellingv1.Event{Fact: &labellingv1.Event_OfficeTaken{OfficeTaken: &labellingv1.OfficeTaken{OfficeId: "O000000001", HolderId: site, Kind: labellingv1.OfficeKind_OFFICE_KIND_HEAD}}})
	lab(true, &labellingv1.Event{Fact: &labellingv1.Event_OfficeLeft{OfficeLeft: &labellingv1.OfficeLeft{OfficeId: "O000000001", End: "2021"}}})
	lab(false, &labellingv1.Event{Fact: &labellingv1.Event_OfficeTaken{OfficeTaken: &labellingv1.OfficeTaken{OfficeId: "O000000002", HolderId: sisterSite, Kind: labellingv1.OfficeKind_OFFICE_KIND_HEAD}}})
	lab(true, &labellingv1.Event{Fact: &labellingv1.Event_PersonErased{PersonErased: &labellingv1.PersonErased{ValueIds: []string{"V000000001"}, LabelIds: []string{scope, other}}}})
	return all, part
}

// TestStory: what makes the story of a label is chosen, and nothing about its neighbours.
func TestStory(t *testing.T) {
	all, want := storyLog(t)
	got, err := audit.Story(scope, func() iter.Seq2[eventlog.Record, error] {
		return func(yield func(eventlog.Record, error) bool) {
			for _, r := range all {
				if !yield(r, nil) {
					return
				}
			}
		}
	})
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("chosen %v, want %v: %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)), err)
	}
}

// TestReplayPart: a part is folded at its positions; one that lacks what a label follows is not
// told as if it were whole.
func TestReplayPart(t *testing.T) {
	r := newRegister(t, 0)
	all, part := storyLog(t)
	r.records = all
	for given, tc := range map[string]struct {
		without uint64 // a position left out
		want    string
	}{
		"whole": {0, "<nil>"}, "without the grant": {9, "BUNDLE_INCOMPLETE"}, "without the hospital": {1, "<nil>"},
	} {
		t.Run(given, func(t *testing.T) {
			var positions []uint64
			for _, p := range slices.Sorted(maps.Keys(part)) {
				if p != tc.without {
					positions = append(positions, p)
				}
			}
			b, err := audit.Open(written(t, r.part(len(all), positions...)))
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			replica, err := b.ReplayPart()
			if reason(err) != tc.want {
				t.Fatalf("%v, want %s", err, tc.want)
			}
			if err != nil {
				return
			}
			if replica.Head() != uint64(len(all)) || replica.Leaf(9) != eventlog.LeafHash(all[8]) || replica.Erased("V000000001") != uint64(len(all)) || replica.Erased("V000000002") != 0 {
				t.Errorf("head %d, leaf %v, erased at %d", replica.Head(), replica.Leaf(9), replica.Erased("V000000001"))
			}
			if err := replica.Tells(scope); err != nil {
				t.Error(err)
			}
			if err := replica.Tells(other); reason(err) != "BUNDLE_INCOMPLETE" {
				t.Errorf("of another label: %v", err)
			}
			if _, err := b.Replay(); reason(err) != "BUNDLE_INCOMPLETE" {
				t.Errorf("as if it were whole: %v", err)
			}
		})
	}
}

package registry_test

import (
	"iter"
	"testing"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/bitemporal"
	"maillage/services/eventlog"
	"maillage/services/registry"
)

// What is known of activity by an act that was not published yet is left out.
func TestPublishedLeavesActivityOut(t *testing.T) {
	stated := missionsStated("training")
	stated.Meta.Basis = &eventv1.Basis{Source: "example.org"}
	late := missionsStated("bndmr")
	late.GetMissionsStated().ValidFrom = "2025"
	act := &labellingv1.Event{Meta: meta(1), Fact: &labellingv1.Event_ActRecorded{ActRecorded: &labellingv1.ActRecorded{
		ActId: "A000000001", Publications: []*labellingv1.Publication{{Date: "2025-05-05"}},
	}}}
	log := []eventlog.Record{
		encode(t, 1, "registry.ledger.log.LOG0000001", opened()), encode(t, 2, "registry.labelling.act.A000000001", act),
		encode(t, 3, "registry.activity.missions.pemr", stated), encode(t, 4, "registry.activity.missions.pemr", late),
	}
	records := func() iter.Seq2[eventlog.Record, error] {
		return func(yield func(eventlog.Record, error) bool) {
			for _, r := range log {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
	for by, want := range map[string]string{"2025-05-04": "training", "2025-05-05": "bndmr"} {
		day, err := bitemporal.ParseDate(by)
		if err != nil {
			t.Fatal(err)
		}
		s, _, err := registry.Published(records(), day)
		if err != nil {
			t.Fatal(err)
		}
		set, _ := s.Activity.MissionsAt(activityv1.Audience_AUDIENCE_PEMR, day, bitemporal.Latest)
		if got := set.GetMissions()[0].GetCode(); got != want || s.Position() != 4 {
			t.Errorf("by %s: mission %s at position %d, want %s", by, got, s.Position(), want)
		}
	}
}

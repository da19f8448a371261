package registry_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/eventlog"
	"maillage/services/fact"
	"maillage/services/registry"
)

func encode(tb testing.TB, position uint64, subject string, e proto.Message) eventlog.Record {
	tb.Helper()
	body, err := proto.Marshal(e)
	if err != nil {
		tb.Fatal(err)
	}
	return eventlog.Record{Position: position, Subject: subject, Body: body}
}

func meta(schema uint32) *eventv1.Meta {
	return &eventv1.Meta{
		Schema: schema, RecordTime: timestamppb.New(time.Date(2026, 1, 10, 8, 0, 0, 0, time.UTC)), CommitSize: 1,
		Actor: &eventv1.Actor{Account: "A000000001", Role: "officer", Assurance: eventv1.Assurance_ASSURANCE_OIDC}, RequestId: "r1",
		RequestDigest: make([]byte, 32),
		Basis:         &eventv1.Basis{ActId: "A000000001", ActLine: 12, Evidence: eventv1.Evidence_EVIDENCE_ACT_READ},
	}
}

func opened() *ledgerv1.Event {
	return &ledgerv1.Event{Meta: meta(1), Fact: &ledgerv1.Event_LogOpened{LogOpened: &ledgerv1.LogOpened{LogId: "LOG0000001", Origin: "maillage.test/log"}}}
}

func epochOpened(n uint64) *ledgerv1.Event {
	return &ledgerv1.Event{Meta: meta(1), Fact: &ledgerv1.Event_EpochOpened{EpochOpened: &ledgerv1.EpochOpened{Epoch: n}}}
}

func networkRegistered(id string) *topologyv1.Event {
	return &topologyv1.Event{Meta: meta(1), Fact: &topologyv1.Event_NetworkRegistered{NetworkRegistered: &topologyv1.NetworkRegistered{NetworkId: id, Title: "T"}}}
}

func cycleRegistered(id string) *labellingv1.Event {
	return &labellingv1.Event{Meta: meta(1), Fact: &labellingv1.Event_CycleRegistered{CycleRegistered: &labellingv1.CycleRegistered{CycleId: id, Code: id}}}
}

func missionsStated(code string) *activityv1.Event {
	return &activityv1.Event{Meta: meta(1), Fact: &activityv1.Event_MissionsStated{MissionsStated: &activityv1.MissionsStated{
		Audience: activityv1.Audience_AUDIENCE_PEMR, Missions: []*activityv1.Mission{{Code: code, Title: code}},
	}}}
}

func TestEvolveComposes(t *testing.T) {
	var s registry.State
	for _, r := range []eventlog.Record{
		encode(t, 1, "registry.ledger.log.LOG0000001", opened()),
		encode(t, 2, "registry.topology.network.N000000001", networkRegistered("N000000001")),
		encode(t, 3, "registry.labelling.cycle.Y000000001", cycleRegistered("Y000000001")),
		encode(t, 4, "registry.ledger.log.LOG0000001", epochOpened(2)),
		encode(t, 5, "registry.activity.missions.pemr", missionsStated("training")),
	} {
		m, err := s.Evolve(r)
		if err != nil {
			t.Fatal(err)
		}
		if m.GetRequestId() != "r1" {
			t.Errorf("position %d: meta %v", r.Position, m)
		}
	}
	check := func(position, epoch uint64, networks, cycles, missions int) {
		t.Helper()
		want := registry.Identity{LogID: "LOG0000001", Origin: "maillage.test/log", Epoch: epoch}
		if s.Position() != position || s.Identity() != want || s.Topology.Networks.Len() != networks || s.Labelling.Cycles.Len() != cycles || s.Activity.Missions.Len() != missions {
			t.Errorf("position %d, %+v, %d networks, %d cycles, missions of %d", s.Position(), s.Identity(), s.Topology.Networks.Len(), s.Labelling.Cycles.Len(), s.Activity.Missions.Len())
		}
	}
	check(5, 2, 1, 1, 1)
	s.Rollback(4)
	check(4, 2, 1, 1, 0)
	s.Settle(1)
	s.Rollback(3)
	check(3, 1, 1, 1, 0)
	s.Rollback(2)
	check(2, 1, 1, 0, 0)
	s.Rollback(0)
	if s.Identity() != (registry.Identity{}) || s.Topology.Networks.Len() != 0 {
		t.Errorf("after all was rolled back: %+v", s.Identity())
	}
}

func TestEvolveRefuses(t *testing.T) {
	newer := networkRegistered("N000000002")
	newer.Meta.Schema = 99
	newerLedger := epochOpened(2)
	newerLedger.Meta.Schema = 99
	unknownFact := encode(t, 2, "registry.labelling.label.L000000001", &labellingv1.Event{Meta: meta(1)})
	unknownFact.Body = protowire.AppendTag(unknownFact.Body, 4000, protowire.BytesType)
	unknownFact.Body = protowire.AppendBytes(unknownFact.Body, []byte("x"))
	unknownEpochField := encode(t, 2, "registry.ledger.log.LOG0000001", epochOpened(2))
	unknownEpochField.Body = protowire.AppendTag(unknownEpochField.Body, 4000, protowire.VarintType)
	unknownEpochField.Body = protowire.AppendVarint(unknownEpochField.Body, 1)
	tests := map[string]struct {
		given eventlog.Record
		hole  bool
		unfit bool // not unreadable, but not what can come here
	}{
		"a position left out":     {given: encode(t, 3, "registry.topology.network.N000000002", networkRegistered("N000000002")), hole: true},
		"a position again":        {given: encode(t, 1, "registry.topology.network.N000000002", networkRegistered("N000000002")), hole: true},
		"an unknown context":      {given: encode(t, 2, "registry.commerce.report.R000000001", networkRegistered("N000000002"))},
		"a foreign subject":       {given: encode(t, 2, "orders.topology.network.N000000002", networkRegistered("N000000002"))},
		"a subject cut short":     {given: encode(t, 2, "registry.topology", networkRegistered("N000000002"))},
		"no event":                {given: eventlog.Record{Position: 2, Subject: "registry.topology.network.N000000002", Body: []byte{0xff}}},
		"a newer schema":          {given: encode(t, 2, "registry.topology.network.N000000002", newer)},
		"a newer ledger schema":   {given: encode(t, 2, "registry.ledger.log.LOG0000001", newerLedger)},
		"an unknown fact":         {given: unknownFact},
		"an unknown ledger field": {given: unknownEpochField},
		"a second opening":        {given: encode(t, 2, "registry.ledger.log.LOG0000001", opened()), unfit: true},
		"an epoch that is past":   {given: encode(t, 2, "registry.ledger.log.LOG0000001", epochOpened(1)), unfit: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var s registry.State
			if _, err := s.Evolve(encode(t, 1, "registry.ledger.log.LOG0000001", opened())); err != nil {
				t.Fatal(err)
			}
			_, err := s.Evolve(test.given)
			_, hole := errors.AsType[*eventlog.HoleError](err)
			if err == nil || hole != test.hole || errors.Is(err, fact.ErrUnreadable) == (test.hole || test.unfit) {
				t.Fatalf("got %v", err)
			}
			if s.Position() != 1 || s.Identity().Epoch != 1 {
				t.Errorf("it moved the state to %d, %+v", s.Position(), s.Identity())
			}
			if _, err := s.Evolve(encode(t, 2, "registry.topology.network.N000000002", networkRegistered("N000000002"))); err != nil {
				t.Errorf("the right record is refused afterwards: %v", err)
			}
		})
	}
}

// Decodes and folds grants as large as real ones, one after the other.
func BenchmarkEvolve(b *testing.B) {
	const n = 100_000
	records := make([]eventlog.Record, n)
	for i := range records {
		centre, id := fmt.Sprintf("C%09d", i), fmt.Sprintf("L%09d", i)
		records[i] = encode(b, uint64(i)+1, "registry.labelling.label."+id, &labellingv1.Event{
			Meta: meta(1),
			Fact: &labellingv1.Event_LabelGranted{LabelGranted: &labellingv1.LabelGranted{
				LabelId: id,
				Holder: &labellingv1.Holder{Holder: &labellingv1.Holder_Site{Site: &labellingv1.Site{
					SiteId: fmt.Sprintf("S%09d", i), CentreId: centre, NetworkId: fmt.Sprintf("N%09d", i%450),
				}}},
				Role: labellingv1.Role_ROLE_COMPETENCE, CycleId: "Y000000001",
				Period: &eventv1.Period{Start: "2024-01-01", End: "2029-01-01"},
			}},
		})
	}
	b.ReportAllocs()
	b.ResetTimer()
	var s registry.State
	i := 0
	for b.Loop() {
		if i == n {
			s, i = registry.State{}, 0
		}
		if _, err := s.Evolve(records[i]); err != nil {
			b.Fatal(err)
		}
		if i%4096 == 0 {
			s.Settle(uint64(i))
		}
		i++
	}
}

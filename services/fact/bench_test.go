package fact_test

import (
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/fact"
)

func BenchmarkReadable(b *testing.B) {
	e := &labellingv1.Event{
		Meta: &eventv1.Meta{
			Schema: 1, RecordTime: timestamppb.Now(), CommitSize: 1, RequestId: "r1",
			Actor: &eventv1.Actor{Account: "A000000001", Role: "officer", Assurance: eventv1.Assurance_ASSURANCE_OIDC},
			Basis: &eventv1.Basis{ActId: "A000000001", ActLine: 12, Evidence: eventv1.Evidence_EVIDENCE_ACT_READ},
		},
		Fact: &labellingv1.Event_LabelGranted{LabelGranted: &labellingv1.LabelGranted{
			LabelId: "L000000001",
			Holder: &labellingv1.Holder{Holder: &labellingv1.Holder_Site{Site: &labellingv1.Site{
				SiteId: "S000000001", CentreId: "C000000001", NetworkId: "N000000001",
			}}},
			Role: labellingv1.Role_ROLE_COMPETENCE, Period: &eventv1.Period{Start: "2024-01-01", End: "2029-01-01"},
		}},
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := fact.Readable(e, 1); err != nil {
			b.Fatal(err)
		}
	}
}

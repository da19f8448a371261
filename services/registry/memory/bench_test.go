package memory_test

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
)

// grown is a register of n labels in the proportions of the real one: 23 filières,
// one network for 10 labels or so, 200 hospitals, a centre and a site for each label.
func grown(b *testing.B, n int) *world {
	b.Helper()
	w := newWorld(b)
	var events []proto.Message
	for i := range 23 {
		events = append(events, filiere(numbered("F", i), "2014-01-01", fmt.Sprintf("FILIÈRE %d", i), "", ""))
	}
	for i := range 200 {
		events = append(events, establishment(numbered("E", i), "", fmt.Sprintf("Hôpital Sainte-Thérèse n° %d", i), "", "Saint-Étienne", "42"))
	}
	networks := max(n/10, 1)
	for i := range networks {
		events = append(events, network(numbered("N", i), "", fmt.Sprintf("Anomalies héréditaires de la %de espèce", i), fmt.Sprintf("AHE%d", i), numbered("F", i%23)))
	}
	events = append(events, cycle("Y000000000", "2023-2028", "2024-01-01", "2029-01-01"))
	for i := range n {
		events = append(
			events, centre(numbered("C", i), numbered("E", i%200)),
			granted(numbered("L", i), site(numbered("S", i), numbered("C", i), numbered("N", i%networks)),
				labellingv1.Role(i%5+1), "Y000000000", "2024-01-01", "2029-01-01"),
		)
	}
	w.commit(events...)
	w.records = nil // only their number counts from here on
	return w
}

func BenchmarkGetLabel(b *testing.B) {
	for _, n := range []int{2_500, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			q := grown(b, n).queries()
			i := 0
			for b.Loop() {
				i = (i + 7919) % n
				if _, err := q.GetLabel(b.Context(), &registryv1.GetLabelRequest{LabelId: numbered("L", i)}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkListLabels(b *testing.B) {
	q := grown(b, 2_500).queries()
	for name, req := range map[string]*registryv1.ListLabelsRequest{
		"first100":  {},
		"first1000": {PageSize: 1000},
		"filiere":   {Filiere: "filiere 7"},
		"text":      {Text: "therese 17"},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := q.ListLabels(b.Context(), req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkListCentres(b *testing.B) {
	q := grown(b, 2_500).queries()
	for b.Loop() {
		if _, err := q.ListCentres(b.Context(), &registryv1.ListCentresRequest{Text: "therese 17"}); err != nil {
			b.Fatal(err)
		}
	}
}

package snapshot_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/atlas"
	"maillage/services/bitemporal"
	"maillage/services/registry/lens"
)

// The map and the list are those that whoever asks is answered.
func TestOpenDataIsWhatIsAnswered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := draw(t, rapid.IntRange(1, 80).Draw(t, "facts"))
		s := open(w, temp(t))
		defer s.Close()
		at := rapid.SampledFrom(w.ends).Draw(t, "at")
		day := rapid.SampledFrom([]string{"2006-03-04", "2018-01-01", "2023-06-01", "2024-06-01", "2028-01-02", "2031-01-01"}).Draw(t, "day")
		m, err := s.OpenData(context.Background(), at, day)
		must(t, err)
		files := contents(t, s, m)

		valid, err := bitemporal.ParseDate(day)
		must(t, err)
		l := lens.At(&w.state, &w.state, valid, at, at, registryv1.Window_WINDOW_LEGAL, &lens.Snapshots{})
		chart, err := l.Map(&registryv1.GetMapRequest{})
		must(t, err)
		chart.Resolved = &registryv1.Resolved{ValidAt: day, KnownPosition: at, Window: registryv1.Window_WINDOW_LEGAL}
		if want := atlas.GeoJSON(chart); !bytes.Equal(files["map.geojson"], want) {
			t.Fatalf("the map is\n%s and not\n%s", files["map.geojson"], want)
		}
		filter, err := l.LabelFilter(&registryv1.ListLabelsRequest{})
		must(t, err)
		var got, want []string
		for _, e := range l.FindLabels(filter, func(n int) (int, int) { return 0, n }) {
			want = append(want, e.GetLabel().GetLabelId()+" "+strings.ToLower(strings.TrimPrefix(e.GetStatus().String(), "STATUS_")))
		}
		lines, err := csv.NewReader(bytes.NewReader(files["labels_current.csv"])).ReadAll()
		must(t, err)
		id, status := slices.Index(lines[0], "label_id"), slices.Index(lines[0], "status")
		for _, line := range lines[1:] {
			got = append(got, line[id]+" "+line[status])
		}
		if !slices.Equal(got, want) {
			t.Fatalf("the list is %q and not %q", got, want)
		}
	})
}

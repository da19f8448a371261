package atlas

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Places whose Lambert-93 is published by EPSG (the centre of the area of use of 2154,
// and its origin) or computed by PROJ 9 for EPSG:2154.
func TestLambert93(t *testing.T) {
	for _, c := range []struct {
		name                  string
		lon, lat, east, north float64
	}{
		{"EPSG:2154, origin", 3, 46.5, 700000, 6600000},
		{"EPSG:2154, centre of the area of use", 2.38, 46.225, 652213.05, 6569647.91},
		{"Paris, Notre-Dame", 2.3499, 48.8530, 652296.973, 6861636.359},
		{"Brest", -4.4861, 48.3904, 146632.979, 6836262.327},
		{"Nice", 7.2620, 43.7102, 1043410.160, 6299400.043},
		{"Bastia", 9.4500, 42.7028, 1228520.635, 6199731.027},
		{"Lille", 3.0573, 50.6292, 704061.146, 7059136.589},
		{"beyond", -5, 41, 25690.115, 6022753.441},
	} {
		if east, north := lambert93(c.lon, c.lat); math.Hypot(east-c.east, north-c.north) > 0.01 {
			t.Errorf("%s: %.3f %.3f, want %.3f %.3f", c.name, east, north, c.east, c.north)
		}
	}
}

// The middle of each department, by another source, lies within its outline.
func TestOutlines(t *testing.T) {
	if n := len(outlines()); n != 107 {
		t.Fatalf("%d outlines, want those of 101 departments and 6 collectivities", n)
	}
	found := 0
	for _, r := range rows(t, "departments.csv") {
		lon, lat := number(r["longitude"]), number(r["latitude"])
		if lon == 0 {
			continue
		}
		found++
		within := false
		for _, ring := range outlines()[r["insee_code"]] {
			if crossings(ring, lon, lat)%2 == 1 {
				within = !within
			}
		}
		// That of Guadeloupe is between its two halves, that of Hauts-de-Seine, a
		// crescent, at the edge of Paris.
		if !within && r["insee_code"] != "971" && r["insee_code"] != "92" {
			t.Errorf("the middle of %s %s is not within its outline", r["insee_code"], r["name"])
		}
	}
	if found != 101 {
		t.Errorf("%d middles of departments", found)
	}
	if len(departements) > 80_000 {
		t.Errorf("the outlines take %d bytes", len(departements))
	}
}

func number(s string) float64 {
	x, _ := strconv.ParseFloat(s, 64)
	return x
}

// crossings is how often a ring crosses the line from a point to the east.
func crossings(ring []position, lon, lat float64) int {
	n := 0
	for i, p := range ring {
		q := ring[(i+1)%len(ring)]
		if (p[1] > lat) != (q[1] > lat) && lon < p[0]+(lat-p[1])/(q[1]-p[1])*(q[0]-p[0]) {
			n++
		}
	}
	return n
}

// Insets, title, legend and notes lie beside the land and beside one another.
func TestPageCoversNothing(t *testing.T) {
	frames := standing()
	all := map[string]rect{"title": titleBox, "legend": legendBox, "elsewhere": elsewhereBox}
	for _, f := range frames[paris:] {
		all[f.label] = f.box
	}
	for name, b := range all {
		for other, o := range all {
			if name < other && b.meets(o) {
				t.Errorf("%s covers %s", name, other)
			}
		}
		for _, code := range frames[france].codes {
			for _, p := range slices.Concat(outlines()[code]...) {
				if v := frames[france].at(p[0], p[1]); b.meets(around(v, 0)) {
					t.Fatalf("%s covers %s at %v", name, code, p)
				}
			}
		}
	}
	for _, b := range boxes {
		for name, o := range all {
			if b.meets(o) && (o.x < b.x || o.y < b.y || o.x+o.w > b.x+b.w || o.y+o.h > b.y+b.h) {
				t.Errorf("%s sticks out of what is kept free for it", name)
			}
		}
	}
	for _, f := range frames[paris+1:] {
		for _, p := range slices.Concat(outlines()[f.codes[0]]...) {
			if v := f.at(p[0], p[1]); !f.body.holds(v, 0) {
				t.Fatalf("%s: %v lies outside of its box", f.label, p)
			}
		}
	}
}

// Each colour stands out from land and sea by 3:1 (WCAG 2.1, 1.4.11), text by 4.5:1,
// and no two roles share a shape.
func TestLegible(t *testing.T) {
	for _, s := range append(slices.Clone(styles), collaborator) {
		for _, ground := range []string{land, sea} {
			if c := contrast(s.colour, ground); c < 3 {
				t.Errorf("%s: contrast %.1f on %s", s.words, c, ground)
			}
		}
		for _, v := range s.shape {
			if math.Hypot(v.x, v.y) > 1+1e-9 {
				t.Errorf("%s: %v lies outside of the circle", s.words, v)
			}
		}
	}
	for i, s := range styles {
		for _, o := range styles[:i] {
			if slices.Equal(s.shape, o.shape) && (s.shape == nil) == (o.shape == nil) || s.colour == o.colour {
				t.Errorf("%s is drawn as %s", s.words, o.words)
			}
		}
	}
	for _, text := range []string{ink, softInk} {
		if c := contrast(text, sea); c < 4.5 {
			t.Errorf("text: contrast %.1f", c)
		}
	}
}

func contrast(a, b string) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// luminance is the relative luminance of WCAG 2.1.
func luminance(colour string) float64 {
	var out float64
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, _ := strconv.ParseUint(colour[1+2*i:3+2*i], 16, 8)
		c := float64(n) / 255
		if c <= 0.04045 {
			out += weight * c / 12.92
			continue
		}
		out += weight * math.Pow((c+0.055)/1.055, 2.4)
	}
	return out
}

// few is a small map with one of everything.
func few() *registryv1.GetMapResponse {
	label := func(role labellingv1.Role, network string) *registryv1.MapLabel {
		return &registryv1.MapLabel{
			LabelId: "lbl-" + network, SiteId: "sit-" + network, Role: role, Status: labellingv1.Status_STATUS_IN_FORCE,
			NetworkId: "net-" + network, NetworkAcronym: network, NetworkTitle: "Réseau " + network, FiliereId: "fil-1", FiliereAcronym: "RespiFIL",
		}
	}
	place := registryv1.PointPrecision_POINT_PRECISION_PLACE
	m := &registryv1.GetMapResponse{
		Centres: []*registryv1.MapCentre{
			{CentreId: "ctr-nice", City: "Nice", DepartmentCode: "06", RegionCode: "93", Latitude: 43.710173, Longitude: 7.261953, PointPrecision: place, Labels: []*registryv1.MapLabel{label(labellingv1.Role_ROLE_COMPETENCE, "HTAP")}},
			{CentreId: "ctr-two", City: "Nice", DepartmentCode: "06", RegionCode: "93", Latitude: 43.710173, Longitude: 7.261953, PointPrecision: place, Labels: []*registryv1.MapLabel{label(labellingv1.Role_ROLE_RESOURCE_AND_COMPETENCE, "MUCO")}, Closed: true},
			{CentreId: "ctr-loz", City: "Lozère", DepartmentCode: "48", RegionCode: "76", Latitude: 44.5172, Longitude: 3.5002, PointPrecision: registryv1.PointPrecision_POINT_PRECISION_DEPARTMENT, Labels: []*registryv1.MapLabel{label(labellingv1.Role_ROLE_UNSPECIFIED, "HTAP")}},
			{
				CentreId: "ctr-paris", Name: "Centre <national> & « hôte »", Population: topologyv1.Population_POPULATION_ADULT, City: "Paris", DepartmentCode: "75", RegionCode: "11", Latitude: 48.8566, Longitude: 2.3522, PointPrecision: place,
				EstablishmentIds: []string{"est-1", "est-2"}, EstablishmentNames: []string{"Hôpital Bicêtre", "Hôpital Cochin"},
				Labels: []*registryv1.MapLabel{label(labellingv1.Role_ROLE_CONSTITUTIVE, "MUCO"), label(labellingv1.Role_ROLE_COORDINATOR, "HTAP")},
			},
			{CentreId: "ctr-reu", City: "Saint-Pierre", DepartmentCode: "974", RegionCode: "04", Latitude: -21.3407, Longitude: 55.4717, PointPrecision: registryv1.PointPrecision_POINT_PRECISION_TOWN, Collaborations: []*registryv1.MapCollaboration{{LinkId: "lnk-1", NetworkId: "net-HTAP", NetworkAcronym: "HTAP", FiliereAcronym: "RespiFIL", Confirmed: true}}},
			{CentreId: "ctr-lost", Labels: []*registryv1.MapLabel{label(labellingv1.Role_ROLE_REFERENCE, "HTAP")}},
		},
		Links: []*registryv1.MapLink{
			{Kind: topologyv1.LinkKind_LINK_KIND_ATTACHED, FromCentreId: "ctr-nice", ToCentreId: "ctr-paris", NetworkId: "net-HTAP"},
			{Kind: topologyv1.LinkKind_LINK_KIND_COLLABORATES, FromCentreId: "ctr-reu", ToCentreId: "ctr-paris", NetworkId: "net-HTAP"},
			{FromCentreId: "ctr-lost", ToCentreId: "ctr-paris", NetworkId: "net-HTAP"},
		},
		Resolved: &registryv1.Resolved{ValidAt: "2024-01-01", KnownPosition: 1234, Provisional: true, Window: registryv1.Window_WINDOW_LEGAL},
	}
	count(m)
	return m
}

func TestGolden(t *testing.T) {
	for name, got := range map[string][]byte{
		"testdata/few.geojson": GeoJSON(few()),
		"testdata/few.svg":     withoutGround(SVG(few(), Options{Filter: "Filière : RespiFIL"})),
		"testdata/none.svg":    withoutGround(SVG(&registryv1.GetMapResponse{}, Options{Title: "Personne"})),
	} {
		if *update {
			if err := os.WriteFile(name, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs; if the change is meant, run with -update and look at it", name)
		}
	}
}

// Who holds no label in force for sure is pale, but where what works is looked for.
func TestUnsureIsPale(t *testing.T) {
	m := few()
	pale := paleInk("#0b6e69", 1)[:len(`fill="#b5d3d1"`)]
	if sure := string(SVG(m, Options{})); strings.Contains(sure, "pâle") || strings.Contains(sure, pale) {
		t.Error("labels in force are pale")
	}
	m.Centres[0].Labels[0].Status = labellingv1.Status_STATUS_IN_ABEYANCE
	unsure := string(SVG(m, Options{}))
	for _, want := range []string{pale, "pâle : label en suspens", "HTAP (en suspens)", "1 a un label en suspens"} {
		if !strings.Contains(unsure, want) {
			t.Errorf("a label in abeyance: no %q", want)
		}
	}
	m.Resolved.Window = registryv1.Window_WINDOW_OPERATIONAL
	if works := string(SVG(m, Options{})); strings.Contains(works, pale) {
		t.Error("who works is pale")
	}
}

// withoutGround leaves the outlines out, which have tests of their own.
func withoutGround(svg []byte) []byte {
	svg = bytes.Replace(svg, []byte(ground()), []byte("<!-- outlines -->\n"), 1)
	return bytes.Replace(svg, []byte(parisGround()), []byte("<!-- outlines -->\n"), 1)
}

// arbitrary is any map: on the spots where many are, anywhere, nowhere.
func arbitrary(t *rapid.T) *registryv1.GetMapResponse {
	spots := []position{{2.3522, 48.8566}, {2.36, 48.86}, {4.9, 45.74}, {-1.77, 43.37}, {7.26, 43.71}, {55.47, -21.34}, {166.46, -22.28}, {-176.18, -13.28}, {0, 0}, {70, -49}, {-4.49, 48.39}, {9.45, 42.7}}
	m := &registryv1.GetMapResponse{Resolved: &registryv1.Resolved{ValidAt: rapid.SampledFrom([]string{"2024-02-01", ""}).Draw(t, "day")}}
	for i := range rapid.IntRange(0, 220).Draw(t, "centres") {
		at := rapid.SampledFrom(spots).Draw(t, "spot")
		switch rapid.IntRange(0, 9).Draw(t, "where") {
		case 0:
			at = position{rapid.Float64Range(-6, 10).Draw(t, "lon"), rapid.Float64Range(41, 52).Draw(t, "lat")}
		case 1:
			at = position{rapid.Float64Range(-200, 200).Draw(t, "far lon"), rapid.Float64Range(-100, 100).Draw(t, "far lat")}
		case 2:
			at = position{math.NaN(), math.Inf(1)}
		}
		c := &registryv1.MapCentre{
			CentreId: fmt.Sprint("ctr-", i), Name: rapid.StringN(0, 8, 20).Draw(t, "name"), City: rapid.SampledFrom([]string{"", "Lyon", "Le <Port>"}).Draw(t, "city"),
			Longitude: at[0], Latitude: at[1], Closed: rapid.Bool().Draw(t, "closed"),
		}
		for range rapid.IntRange(0, 2).Draw(t, "labels") {
			c.Labels = append(c.Labels, &registryv1.MapLabel{Role: labellingv1.Role(rapid.IntRange(0, 9).Draw(t, "role")), NetworkAcronym: "A&B"})
		}
		m.Centres = append(m.Centres, c)
	}
	for range rapid.IntRange(0, 20).Draw(t, "links") {
		end := func() string { return fmt.Sprint("ctr-", rapid.IntRange(0, 230).Draw(t, "end")) }
		m.Links = append(m.Links, &registryv1.MapLink{Kind: topologyv1.LinkKind(rapid.IntRange(0, 5).Draw(t, "kind")), FromCentreId: end(), ToCentreId: end()})
	}
	count(m)
	return m
}

// placed is how many centres of a map have a point on the globe.
func placed(m *registryv1.GetMapResponse) int {
	n := 0
	for _, c := range m.GetCentres() {
		if x, y := c.GetLongitude(), c.GetLatitude(); (x != 0 || y != 0) && x >= -180 && x <= 180 && y >= -90 && y <= 90 {
			n++
		}
	}
	return n
}

// checkSheet says what is wrong with where the markers are.
func checkSheet(m *registryv1.GetMapResponse, s *sheet) error {
	if len(s.markers) != placed(m) {
		return fmt.Errorf("%d markers for %d centres with a point", len(s.markers), placed(m))
	}
	seen := map[string]bool{}
	for i, a := range s.markers {
		if seen[a.centre.GetCentreId()] {
			return fmt.Errorf("%s is there twice", a.centre.GetCentreId())
		}
		seen[a.centre.GetCentreId()] = true
		if !s.frames[a.frame].body.holds(a.at, s.radius) {
			return fmt.Errorf("%s leaves its frame at %v", a.centre.GetCentreId(), a.at)
		}
		for _, r := range reserved() {
			if a.frame == france && around(a.at, s.radius).meets(r) {
				return fmt.Errorf("%s lies on %v", a.centre.GetCentreId(), r)
			}
		}
		for _, b := range s.markers[:i] {
			if d := math.Hypot(a.at.x-b.at.x, a.at.y-b.at.y); d < 2*s.radius {
				return fmt.Errorf("%s and %s overlap: %.2f apart, radius %.2f", a.centre.GetCentreId(), b.centre.GetCentreId(), d, s.radius)
			}
		}
	}
	return nil
}

func TestMarkersDoNotOverlap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := arbitrary(t)
		s := laidOut(m)
		if err := checkSheet(m, s); err != nil {
			t.Fatal(err)
		}
		if s.radius < 1.2 { // the narrow box of other places
			t.Fatalf("markers of radius %.1f for %d centres", s.radius, len(s.markers))
		}
	})
	m := national(t, 2500, 0)
	s := laidOut(m)
	if err := checkSheet(m, s); err != nil {
		t.Error(err)
	}
	if s.radius < 2.5 {
		t.Errorf("markers of radius %.1f on the national map", s.radius)
	}
	t.Logf("radius %.2f for %d centres", s.radius, len(s.markers))
}

// A centre alone at its point is drawn there, however many are near.
func TestLoneCentreStaysOnItsPoint(t *testing.T) {
	m := national(t, 800, 0)
	m.Centres = append(m.Centres, &registryv1.MapCentre{CentreId: "alone", Longitude: 3.5, Latitude: 46.5})
	s := laidOut(m)
	last := s.markers[len(s.markers)-1]
	if last.at != s.frames[france].at(3.5, 46.5) {
		t.Errorf("drawn at %v, lies at %v", last.at, last.anchor)
	}
}

// More than find room anywhere are still all drawn, one upon the other.
func TestTooManyForTheirBox(t *testing.T) {
	m := &registryv1.GetMapResponse{}
	for i := range 6000 {
		m.Centres = append(m.Centres, &registryv1.MapCentre{CentreId: fmt.Sprint(i), Longitude: -62.85, Latitude: 17.9})
	}
	if n := strings.Count(string(SVG(m, Options{})), "<title>"); n != 6001 {
		t.Errorf("%d titles", n)
	}
}

var fontSize = regexp.MustCompile(`font-size="([0-9.]+)"`)

func TestSVG(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := arbitrary(t)
		o := Options{Title: rapid.String().Draw(t, "title")}
		svg := SVG(m, o)
		if !bytes.Equal(svg, SVG(m, o)) {
			t.Fatal("not the same twice")
		}
		titles, err := parse(svg)
		if err != nil {
			t.Fatal(err)
		}
		if titles != placed(m)+1 {
			t.Fatalf("%d titles for %d centres and the map", titles, placed(m))
		}
		if lost := len(m.GetCentres()) - placed(m); (lost > 0) != bytes.Contains(svg, []byte("sans lieu connu : voir la liste</text>")) {
			t.Fatalf("%d centres without a point, and the note does not say so", lost)
		}
		for _, size := range fontSize.FindAllSubmatch(svg, -1) {
			if number(string(size[1])) < 9 {
				t.Fatalf("text of %s px", size[1])
			}
		}
	})
}

// parse reads the picture as XML and counts its titles.
func parse(svg []byte) (titles int, err error) {
	d := xml.NewDecoder(bytes.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return titles, nil
		}
		if err != nil {
			return 0, err
		}
		if start, is := token.(xml.StartElement); is && start.Name.Local == "title" {
			titles++
		}
	}
}

func TestGeoJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := arbitrary(t)
		raw := GeoJSON(m)
		var got struct {
			BBox          []json.Number
			Unplaced      int
			UnplacedLinks int `json:"unplaced_links"`
			Features      []struct {
				ID       string
				Geometry struct {
					Type        string
					Coordinates json.RawMessage
				}
			}
		}
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		if err := d.Decode(&got); err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		lines := 0
		box := []float64{180, 90, -180, -90}
		for _, f := range got.Features {
			var points [][]json.Number
			switch f.Geometry.Type {
			case "Point":
				if seen[f.ID] {
					t.Fatalf("%s twice", f.ID)
				}
				seen[f.ID] = true
				points = make([][]json.Number, 1)
				if err := json.Unmarshal(f.Geometry.Coordinates, &points[0]); err != nil {
					t.Fatal(err)
				}
			case "LineString":
				lines++
				if err := json.Unmarshal(f.Geometry.Coordinates, &points); err != nil || len(points) != 2 {
					t.Fatal(len(points), err)
				}
			}
			for _, p := range points {
				lon, lat := decimals(t, p[0]), decimals(t, p[1])
				if math.Abs(lon) > 180 || math.Abs(lat) > 90 {
					t.Fatalf("%v is on no globe", p)
				}
				box = []float64{min(box[0], lon), min(box[1], lat), max(box[2], lon), max(box[3], lat)}
			}
		}
		if len(seen) != placed(m) || got.Unplaced != len(m.GetCentres())-placed(m) || lines+got.UnplacedLinks != len(m.GetLinks()) {
			t.Fatalf("%d points and %d left out of %d centres; %d lines and %d left out of %d links",
				len(seen), got.Unplaced, len(m.GetCentres()), lines, got.UnplacedLinks, len(m.GetLinks()))
		}
		if (len(got.BBox) == 0) != (len(seen) == 0) {
			t.Fatalf("bbox %v for %d points", got.BBox, len(seen))
		}
		for i, x := range got.BBox {
			if decimals(t, x) != box[i] {
				t.Fatalf("bbox %v, points within %v", got.BBox, box)
			}
		}
	})
}

// decimals is a coordinate, of five decimals at most.
func decimals(t *rapid.T, n json.Number) float64 {
	if _, after, _ := strings.Cut(n.String(), "."); len(after) > 5 || strings.ContainsAny(n.String(), "eE") {
		t.Fatalf("%s has more than five decimals", n)
	}
	x, err := n.Float64()
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func BenchmarkSVG(b *testing.B) {
	m := national(b, 2500, 3000)
	SVG(m, Options{})
	b.ReportAllocs()
	for b.Loop() {
		b.SetBytes(int64(len(SVG(m, Options{}))))
	}
}

func BenchmarkGeoJSON(b *testing.B) {
	m := national(b, 2500, 3000)
	b.ReportAllocs()
	for b.Loop() {
		b.SetBytes(int64(len(GeoJSON(m))))
	}
}

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
)

func mapAnswer() *registryv1.GetMapResponse {
	return &registryv1.GetMapResponse{
		Centres: []*registryv1.MapCentre{
			{
				CentreId: "AAAAAAAAAA", City: "Paris", DepartmentCode: "75", EstablishmentNames: []string{"Hôpital Cochin"}, Longitude: 2.35, Latitude: 48.85,
				PointPrecision: registryv1.PointPrecision_POINT_PRECISION_PLACE, Closed: true,
				Labels:         []*registryv1.MapLabel{{Role: labellingv1.Role_ROLE_COORDINATOR, Status: labellingv1.Status_STATUS_EXTENDED, NetworkAcronym: "HTAP", FiliereAcronym: "RespiFIL"}},
				Collaborations: []*registryv1.MapCollaboration{{NetworkTitle: "Muco", FiliereAcronym: "MUCO", Confirmed: true}},
			},
			{CentreId: "BBBBBBBBBB", Labels: []*registryv1.MapLabel{{NetworkId: "net"}}},
		},
		Counts: []*registryv1.MapCount{
			{Role: labellingv1.Role_ROLE_COORDINATOR, Centres: 1, Labels: 1},
			{Centres: 2},
			{Collaborators: true, Centres: 1},
		},
		Unplaced: 1,
		Resolved: &registryv1.Resolved{ValidAt: "2024-02-01", KnownPosition: 7},
	}
}

func TestMapAsTable(t *testing.T) {
	const want = `Dép.  Ville  Hôpital         Centre      Rôle           Statut                            Réseau  Filière   Point
75    Paris  Hôpital Cochin  AAAAAAAAAA  coordonnateur  prorogé, centre fermé             HTAP    RespiFIL  lieu
75    Paris  Hôpital Cochin  AAAAAAAAAA  collaborateur  dit des deux côtés, centre fermé  Muco    MUCO      lieu
                             BBBBBBBBBB  non précisé                                      net               aucun
1 centre – coordonnateur
2 centres – non précisé
1 centre – collaborateur, sans label dans le réseau
2 centres, dont 1 sans lieu connu. Valable au 01/02/2024, connu à la position 7.
`
	var out bytes.Buffer
	a := &app{ctx: t.Context(), stdout: &out, stderr: io.Discard}
	if err := a.printMap(mapAnswer()); err != nil || out.String() != want {
		t.Errorf("%v, %s, want %s", err, out.String(), want)
	}
}

func TestMapIsWritten(t *testing.T) {
	var out, errs bytes.Buffer
	a := &app{ctx: t.Context(), stdout: &out, stderr: &errs}
	picture := filepath.Join(t.TempDir(), "carte.svg")
	c := &MapCmd{SVG: picture, GeoJSON: "-", Filiere: "RespiFIL", Role: []roleFlag{1, 2}}
	if err := c.draw(a, mapAnswer()); err != nil {
		t.Fatal(err)
	}
	var got struct{ Features []any }
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || len(got.Features) != 1 {
		t.Errorf("%v, %d features: %s", err, len(got.Features), out.String())
	}
	svg, err := os.ReadFile(picture)
	if err != nil || !bytes.Contains(svg, []byte("filière : RespiFIL ; rôle : coordonnateur ou constitutif</text>")) {
		t.Errorf("%v, %s", err, svg)
	}
	if want := picture + " : 2 centres, dont 1 sans lieu connu. Valable au 01/02/2024, connu à la position 7.\n"; errs.String() != want {
		t.Errorf("%q, want %q", errs.String(), want)
	}
	c = &MapCmd{SVG: t.TempDir()}
	if err := c.draw(a, mapAnswer()); err == nil || !strings.Contains(err.Error(), "ne peut pas être écrit") {
		t.Errorf("a directory for a file: %v", err)
	}
}

func TestMapChanges(t *testing.T) {
	was := mapAnswer().GetCentres()[0]
	is := mapAnswer().GetCentres()[0]
	is.City, is.DepartmentCode, is.EstablishmentNames = "Créteil", "94", nil
	r := &registryv1.CompareMapsResponse{
		Changes: []*registryv1.MapChange{
			{Kind: registryv1.MapChangeKind_MAP_CHANGE_KIND_APPEARED, After: mapAnswer().GetCentres()[1]},
			{Kind: registryv1.MapChangeKind_MAP_CHANGE_KIND_MOVED, Before: was, After: is},
			{Kind: registryv1.MapChangeKind_MAP_CHANGE_KIND_VANISHED, Before: was, SuccessorIds: []string{"CCCCCCCCCC"}},
		},
		From: &registryv1.Resolved{ValidAt: "2018-01-01", KnownPosition: 7}, To: &registryv1.Resolved{ValidAt: "2024-02-01", KnownPosition: 7},
	}
	const want = `Changement  Dép.     Ville            Hôpital             Centre      Rôles et réseaux                        Suite
apparu                                                    BBBBBBBBBB  non précisé net
déplacé     75 → 94  Paris → Créteil  Hôpital Cochin → ∅  AAAAAAAAAA  coordonnateur HTAP, collaborateur Muco
disparu     75       Paris            Hôpital Cochin      AAAAAAAAAA  coordonnateur HTAP, collaborateur Muco  CCCCCCCCCC
1 centre apparu, 1 déplacé, 1 disparu.
De : Valable au 01/01/2018, connu à la position 7.
À : Valable au 01/02/2024, connu à la position 7.
`
	var out bytes.Buffer
	a := &app{ctx: t.Context(), stdout: &out, stderr: io.Discard}
	if err := a.printMapChanges(r); err != nil || out.String() != want {
		t.Errorf("%v, %s, want %s", err, out.String(), want)
	}
	out.Reset()
	a.json = true
	if err := a.printMapChanges(r); err != nil || strings.Count(out.String(), "\n") != 3 || !strings.Contains(out.String(), `"kind":"MAP_CHANGE_KIND_MOVED"`) {
		t.Errorf("%v, %s", err, out.String())
	}
}

func TestMapFlags(t *testing.T) {
	for _, tc := range []struct {
		args []string
		code int
		say  string
	}{
		{[]string{"--svg", "-", "--geojson", "-"}, exitUsage, "donnez un fichier à l'un"},
		{[]string{"--svg", "x.svg", "--from", "2018-01-01"}, exitUsage, "--from liste ce qui a changé"},
		{[]string{"--json", "--geojson", "-"}, exitUsage, "--json imprime un centre par ligne"},
		{[]string{"--from", "2018"}, exitUsage, "AAAA-MM-JJ"},
		{[]string{"--role", "chef"}, exitUsage, "coordonnateur"},
		{[]string{"--role", "crc", "--text", "x", "--window", "légale"}, exitFailed, "maillage up"},
	} {
		if _, errs, code := drive(t, "", append([]string{"map", "--server", nobody}, tc.args...)...); code != tc.code || !strings.Contains(errs, tc.say) {
			t.Errorf("%v: %d, %s", tc.args, code, errs)
		}
	}
	c := &MapCmd{From: "2018-01-01", Moment: Moment{ValidAt: "2024-02-01", PublishedBy: "2024-01-01", KnownAt: knownAt{set: true, position: 7}}}
	r := c.comparison()
	if r.GetFrom().GetValidAt() != "2018-01-01" || r.GetTo().GetValidAt() != "2024-02-01" || r.GetFrom().GetKnownPosition() != 7 || r.GetFrom().GetPublishedBy() != "2024-01-01" {
		t.Errorf("%v", r)
	}
	for n := range registryv1.PointPrecision_name {
		if inFrench(precisionWords, registryv1.PointPrecision(n)) == "" {
			t.Errorf("no word for precision %d", n)
		}
	}
}

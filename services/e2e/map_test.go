package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

// The map of the seeds on three days: as a list, as a picture and for a GIS, with as many
// centres as the register counts.
func TestMapOfTheSeeds(t *testing.T) {
	s := up(t, t.TempDir())
	seedOnce(t, s)
	dir := t.TempDir()
	registry, maps := registryv1.NewRegistryServiceClient(s.dial()), registryv1.NewMapServiceClient(s.dial())
	last := 0
	for _, day := range []string{"2007-07-01", "2018-01-01", "2024-02-01"} {
		picture, features := filepath.Join(dir, day+".svg"), filepath.Join(dir, day+".geojson")
		if _, errs, code := s.cli("map", "--valid-at", day, "--svg", picture, "--geojson", features); code != 0 {
			t.Fatalf("%s: exit code %d\n%s", day, code, errs)
		}
		count, err := registry.CountEntities(t.Context(), &registryv1.CountEntitiesRequest{AsOf: on(day), Unit: registryv1.CountUnit_COUNT_UNIT_CENTRE, WithCrc: true})
		must(t, err)
		centres := int(count.GetTotal().GetInForce() + count.GetTotal().GetInAbeyance() + count.GetTotal().GetUndetermined())
		out, _, _ := s.cli("map", "--valid-at", day, "--json")
		if listed := len(lines(t, out)); listed != centres || centres <= last {
			t.Errorf("%s: %d centres listed, %d counted, %d on the day before", day, listed, centres, last)
		}
		last = centres
		r, err := maps.GetMap(t.Context(), &registryv1.GetMapRequest{AsOf: on(day)})
		must(t, err)
		if points := pointsOf(t, features); points != centres-int(r.GetUnplaced()) {
			t.Errorf("%s: %d points, %d centres, %d of them without a place", day, points, centres, r.GetUnplaced())
		}
		drawn, err := os.ReadFile(picture)
		must(t, err)
		if !strings.HasPrefix(string(drawn), "<svg") && !strings.HasPrefix(string(drawn), "<?xml") || !strings.Contains(string(drawn), "</svg>") {
			t.Errorf("%s: no picture: %.80s", day, drawn)
		}
	}
	out, errs, code := s.cli("map", "--from", "2018-01-01", "--valid-at", "2024-02-01", "--json")
	moved := 0
	for _, c := range lines(t, out) {
		if c["kind"] == "MAP_CHANGE_KIND_MOVED" { // Wilson's, to the Fondation Rothschild in 2019
			moved++
		}
	}
	if code != 0 || moved != 1 {
		t.Errorf("%d moved, exit code %d\n%s", moved, code, errs)
	}
	for _, verb := range [][]string{{"directory", "--territory", "974", "--json"}, {"region", "Bretagne", "--json"}, {"centre", "list", "--near", "35", "--json"}} {
		if out, errs, code := s.cli(verb...); code != 0 || out == "" {
			t.Errorf("%v: exit code %d, %q\n%s", verb, code, out, errs)
		}
	}
}

// pointsOf is how many features of a file are points.
func pointsOf(t *testing.T, file string) int {
	t.Helper()
	raw, err := os.ReadFile(file)
	must(t, err)
	var features struct {
		Features []struct {
			Geometry struct {
				Type string `json:"type"`
			} `json:"geometry"`
		} `json:"features"`
	}
	must(t, json.Unmarshal(raw, &features))
	n := 0
	for _, f := range features.Features {
		if f.Geometry.Type == "Point" {
			n++
		}
	}
	return n
}

// mapDesk is a desk with what the map answers.
type mapDesk struct {
	*desk
	maps registryv1.MapServiceClient
}

func (d mapDesk) at(day string) *registryv1.GetMapResponse {
	d.t.Helper()
	r, err := d.maps.GetMap(d.ctx, &registryv1.GetMapRequest{AsOf: on(day)})
	must(d.t, err)
	return r
}

// changes is how many centres appeared, moved and vanished.
func (d mapDesk) changes(from, to string) string {
	d.t.Helper()
	r, err := d.maps.CompareMaps(d.ctx, &registryv1.CompareMapsRequest{From: on(from), To: on(to)})
	must(d.t, err)
	var n [4]int
	for _, c := range r.GetChanges() {
		n[c.GetKind()]++
	}
	return fmt.Sprint(n[1:])
}

// closedLabels is what waits because something is closed.
func (d mapDesk) closedLabels(day string) (messages []string) {
	d.t.Helper()
	r, err := d.registry.ListTodo(d.ctx, &registryv1.ListTodoRequest{AsOf: on(day)})
	must(d.t, err)
	for _, i := range r.GetItems() {
		if i.GetKind() == registryv1.TodoKind_TODO_KIND_CLOSED {
			messages = append(messages, i.GetMessage())
		}
	}
	return messages
}

// Two hospitals with 30 labels merge: teams move, labels stay, and who stays without a
// hospital is on the list and on no picture. A legal entity that changes moves nobody.
func TestMapThroughMergers(t *testing.T) {
	desk := newDesk(t)
	d := mapDesk{desk, registryv1.NewMapServiceClient(desk.dial())}
	hospital := func(name string, latitude, longitude float64) string {
		r, err := d.topology.RegisterEstablishment(d.ctx, &topologyv1.RegisterEstablishmentRequest{
			Basis: stated, Name: name, Place: &topologyv1.Place{City: "Nantes", DepartmentCode: "44", Latitude: latitude, Longitude: longitude},
		})
		must(d.t, err)
		return r.GetEstablishmentId()
	}
	old := []string{hospital("Hôpital Laennec", 47.26, -1.60), hospital("Hôtel-Dieu", 47.21, -1.55)}
	merged, group := hospital("Grand hôpital", 47.20, -1.54), hospital("Groupement", 47.20, -1.54)
	network := d.network("Maladies de l'os", "MOC", d.filiere("OSCAR"))
	cycle := d.cycle("2023-2028", "2024-01-01", "2029-01-01")
	var children []*topologyv1.Child
	var labels []string
	for i := range 30 {
		role := competence
		if i == 0 {
			role = coordinator
		}
		team := d.centre(fmt.Sprint("équipe ", i), old[i%2])
		label, _ := d.granted(grant(team, network, role, cycle, "2024-01-01", "2029-01-01"))
		labels = append(labels, label)
		child := &topologyv1.Child{ChildId: team, Outcome: topologyv1.ChildOutcome_CHILD_OUTCOME_MOVES, ToIds: []string{merged}}
		if i == 29 {
			child.Outcome, child.ToIds = topologyv1.ChildOutcome_CHILD_OUTCOME_STAYS, nil
		}
		children = append(children, child)
	}
	_, err := d.topology.ChangeLegalEntity(d.ctx, &topologyv1.ChangeLegalEntityRequest{
		Basis: stated, EstablishmentId: old[0], ValidFrom: "2025-05-18", LegalEntityIds: []string{group},
	})
	must(t, err)
	if got := d.changes("2025-05-17", "2025-05-18"); got != "[0 0 0]" {
		t.Errorf("the legal entity of a hospital changes: %s", got)
	}
	_, err = d.topology.SucceedEstablishments(d.ctx, &topologyv1.SucceedEstablishmentsRequest{
		Basis: stated, ValidFrom: "2026-01-01", PredecessorIds: old, SuccessorIds: []string{merged}, Children: children,
	})
	must(t, err)
	if got := d.changes("2025-12-31", "2026-01-01"); got != "[0 30 0]" {
		t.Errorf("two hospitals merge: %s", got)
	}
	for _, day := range []string{"2025-12-31", "2026-01-01"} {
		if m := d.at(day); len(m.GetCentres()) != 30 || len(m.GetLinks()) != 29 {
			t.Errorf("%s: %d centres, %d links", day, len(m.GetCentres()), len(m.GetLinks()))
		}
		for _, label := range labels {
			d.stands(label, day, inForce)
		}
	}
	if n, got := d.at("2026-01-01").GetUnplaced(), d.closedLabels("2026-01-01"); n != 1 || len(got) != 0 {
		t.Errorf("%d stayed without a place, %v", n, got)
	}
	chain, _, code := d.cli("chain", old[0], "--valid-at", "2026-01-01")
	if code != 0 || !strings.Contains(chain, "Hôtel-Dieu") || !strings.Contains(chain, "ce jour-là : "+merged) {
		t.Errorf("the chain: exit code %d\n%s", code, chain)
	}

	d.closedCentre(children[1].GetChildId(), children[2].GetChildId(), network)
}

// closedCentre closes a team for another that collaborates: its label is struck through on
// the picture and waits for an officer, who collaborates counts nowhere.
func (d mapDesk) closedCentre(closing, heir, network string) {
	d.t.Helper()
	helper := d.centre("équipe voisine", d.hospital("Clinique", "Saint-Herblain", "44"))
	before := d.count("2026-06-01", registryv1.CountUnit_COUNT_UNIT_CENTRE, true)
	_, err := d.topology.DeclareLink(d.ctx, &topologyv1.DeclareLinkRequest{
		Basis: stated, Kind: topologyv1.LinkKind_LINK_KIND_COLLABORATES, FromId: helper, ToId: network, Period: &eventv1.Period{Start: "2026-02-01"},
	})
	must(d.t, err)
	_, err = d.topology.SucceedCentres(d.ctx, &topologyv1.SucceedCentresRequest{
		Basis: stated, ValidFrom: "2026-06-01", PredecessorIds: []string{closing}, SuccessorIds: []string{heir},
	})
	must(d.t, err)
	closed, collaborators := 0, uint32(0)
	m := d.at("2026-06-01")
	for _, c := range m.GetCentres() {
		if c.GetClosed() {
			closed++
		}
	}
	for _, n := range m.GetCounts() {
		if n.GetCollaborators() {
			collaborators += n.GetCentres()
		}
	}
	if after := d.count("2026-06-01", registryv1.CountUnit_COUNT_UNIT_CENTRE, true); after != before || after != 30 || len(m.GetCentres()) != 31 || closed != 1 || collaborators != 1 {
		d.t.Errorf("%d centres on the map, %d counted, %d closed, %d collaborate", len(m.GetCentres()), after, closed, collaborators)
	}
	if got := d.closedLabels("2026-06-01"); len(got) != 1 || got[0] != "The label stands and its centre is closed." {
		d.t.Errorf("what is closed waits: %v", got)
	}
	links, _, code := d.cli("link", "list", helper, "--valid-at", "2026-06-01")
	if code != 0 || !strings.Contains(links, "collaborateur") || !strings.Contains(links, "MOC") {
		d.t.Errorf("links: exit code %d\n%s", code, links)
	}
	picture, _, code := d.cli("map", "--valid-at", "2026-06-01", "--svg", "-")
	if code != 0 || !strings.Contains(picture, "fermé") {
		d.t.Errorf("the picture says of nobody that it is closed: exit code %d, %d bytes", code, len(picture))
	}
	_, err = d.labelling.RepealLabel(d.ctx, &labellingv1.RepealLabelRequest{Basis: stated, LabelId: d.labelOf(closing), RepealedFrom: "2026-06-01"})
	must(d.t, err)
	if got := d.closedLabels("2026-06-01"); len(got) != 0 {
		d.t.Errorf("once repealed: %v", got)
	}
	if got := d.changes("2026-05-31", "2026-06-01"); got != "[0 0 1]" {
		d.t.Errorf("and gone from the map: %s", got)
	}
}

// labelOf is the label of a centre.
func (d mapDesk) labelOf(centre string) string {
	d.t.Helper()
	for _, e := range d.labels(&registryv1.ListLabelsRequest{AsOf: on("2026-06-01"), PageSize: 1000}) {
		if e.GetLabel().GetHolder().GetSite().GetCentreId() == centre {
			return e.GetLabel().GetLabelId()
		}
	}
	d.t.Fatalf("centre %s has no label", centre)
	return ""
}

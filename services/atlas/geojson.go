package atlas

import (
	"encoding/json"
	"math"
	"strings"

	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

// GeoJSON is the map as a FeatureCollection of RFC 7946: a Point for each centre that
// has one, in the order of the answer, then a LineString for each link both of whose
// ends are drawn. Coordinates are WGS 84, longitude first, with five decimals at most
// (a metre). The foreign members say for which moment it speaks and how many centres
// are left out for want of a point.
//
// Of each centre the lists roles, statuses, networks and filieres go together: the i-th
// of each is of its i-th label. Values are those of the contract without their prefix,
// in lower case.
func GeoJSON(m *registryv1.GetMapResponse) []byte {
	r := m.GetResolved()
	out := collection{
		Type: "FeatureCollection", ValidAt: r.GetValidAt(), KnownPosition: r.GetKnownPosition(),
		PublishedBy: r.GetPublishedBy(), Provisional: r.GetProvisional(), Window: short(r.GetWindow().String(), "WINDOW_"),
		Features: []feature{},
	}
	points := make(map[string]position, len(m.GetCentres()))
	for _, c := range m.GetCentres() {
		if !hasPoint(c) {
			out.Unplaced++
			continue
		}
		at := position{rounded(c.GetLongitude()), rounded(c.GetLatitude())}
		points[c.GetCentreId()] = at
		out.BBox = widened(out.BBox, at)
		out.Features = append(out.Features, feature{
			Type: "Feature", ID: c.GetCentreId(), Geometry: geometry{"Point", at}, Properties: propertiesOf(c),
		})
	}
	for _, l := range m.GetLinks() {
		from, drawn := points[l.GetFromCentreId()]
		to, also := points[l.GetToCentreId()]
		if !drawn || !also {
			out.UnplacedLinks++
			continue
		}
		out.Features = append(out.Features, feature{
			Type: "Feature", Geometry: geometry{"LineString", []position{from, to}},
			Properties: link{linkKind(l.GetKind()), l.GetFromCentreId(), l.GetToCentreId(), l.GetNetworkId()},
		})
	}
	// What is marshalled is numbers on a globe and valid text: it cannot fail.
	raw, _ := json.Marshal(out)
	return append(raw, '\n')
}

// position is longitude and latitude.
type position [2]float64

type collection struct {
	Type          string    `json:"type"`
	BBox          []float64 `json:"bbox,omitempty"`
	ValidAt       string    `json:"valid_at,omitempty"`
	KnownPosition uint64    `json:"known_position"`
	PublishedBy   string    `json:"published_by,omitempty"`
	Provisional   bool      `json:"provisional,omitempty"`
	Window        string    `json:"window,omitempty"`
	Unplaced      int       `json:"unplaced"`
	UnplacedLinks int       `json:"unplaced_links"`
	Features      []feature `json:"features"`
}

type feature struct {
	Type       string   `json:"type"`
	ID         string   `json:"id,omitempty"`
	Geometry   geometry `json:"geometry"`
	Properties any      `json:"properties"`
}

type geometry struct {
	Type        string `json:"type"`
	Coordinates any    `json:"coordinates"`
}

type centre struct {
	Kind             string   `json:"kind"`
	ID               string   `json:"id"`
	Name             string   `json:"name"`
	Population       string   `json:"population"`
	Roles            []string `json:"roles"`
	Statuses         []string `json:"statuses"`
	Networks         []string `json:"networks"`
	Filieres         []string `json:"filieres"`
	Collaborator     bool     `json:"collaborator"`
	CollaboratesWith []string `json:"collaborates_with"`
	Hospitals        []string `json:"hospitals"`
	City             string   `json:"city"`
	Department       string   `json:"department"`
	Region           string   `json:"region"`
	Precision        string   `json:"precision"`
	Closed           bool     `json:"closed"`
}

type link struct {
	Kind    string `json:"kind"`
	From    string `json:"from"`
	To      string `json:"to"`
	Network string `json:"network"`
}

func propertiesOf(c *registryv1.MapCentre) centre {
	out := centre{
		Kind: "centre", ID: c.GetCentreId(), Name: c.GetName(), Population: short(c.GetPopulation().String(), "POPULATION_"),
		Roles: []string{}, Statuses: []string{}, Networks: []string{}, Filieres: []string{}, CollaboratesWith: []string{},
		Collaborator: collaborates(c), Hospitals: append([]string{}, c.GetEstablishmentNames()...), City: c.GetCity(),
		Department: c.GetDepartmentCode(), Region: c.GetRegionCode(),
		Precision: short(c.GetPointPrecision().String(), "POINT_PRECISION_"), Closed: c.GetClosed(),
	}
	for _, l := range c.GetLabels() {
		out.Roles = append(out.Roles, short(l.GetRole().String(), "ROLE_"))
		out.Statuses = append(out.Statuses, short(l.GetStatus().String(), "STATUS_"))
		out.Networks = append(out.Networks, networkName(l.GetNetworkAcronym(), l.GetNetworkTitle(), l.GetNetworkId()))
		out.Filieres = append(out.Filieres, networkName(l.GetFiliereAcronym(), "", l.GetFiliereId()))
	}
	for _, l := range c.GetCollaborations() {
		out.CollaboratesWith = append(out.CollaboratesWith, networkName(l.GetNetworkAcronym(), l.GetNetworkTitle(), l.GetNetworkId()))
	}
	return out
}

// short is a word of the contract without the name of its enum.
func short(word, prefix string) string { return strings.ToLower(strings.TrimPrefix(word, prefix)) }

// linkKind is the word for a link; one that is not stated joins a site and the
// coordinator of its network.
func linkKind(k topologyv1.LinkKind) string {
	if k == topologyv1.LinkKind_LINK_KIND_UNSPECIFIED {
		return "network"
	}
	return short(k.String(), "LINK_KIND_")
}

func rounded(degrees float64) float64 { return math.Round(degrees*1e5) / 1e5 }

// widened is a box, west, south, east, north, with a position in it.
func widened(box []float64, at position) []float64 {
	if box == nil {
		return []float64{at[0], at[1], at[0], at[1]}
	}
	return []float64{min(box[0], at[0]), min(box[1], at[1]), max(box[2], at[0]), max(box[3], at[1])}
}

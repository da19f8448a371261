// Package atlas draws the map of centres: the answer of MapService.GetMap as GeoJSON
// for a GIS, and as a picture. It computes from the message alone; nothing is read,
// nothing is asked.
package atlas

import (
	"cmp"
	"math"
	"slices"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
)

// hasPoint tells whether a centre can be placed: the contract writes both coordinates
// as zero where it cannot, and what is on no globe is on no map.
func hasPoint(c *registryv1.MapCentre) bool {
	lon, lat := c.GetLongitude(), c.GetLatitude()
	return (lon != 0 || lat != 0) && math.Abs(lon) <= 180 && math.Abs(lat) <= 90
}

// collaborates tells a centre that is on the map as a collaborator alone.
func collaborates(c *registryv1.MapCentre) bool { return len(c.GetLabels()) == 0 }

// style is how centres of a role are drawn and called.
type style struct {
	role   labellingv1.Role
	words  string
	colour string
	// shape is a polygon around the point, within a circle of radius 1; nil for that
	// circle itself.
	shape []vertex
}

type vertex struct{ x, y float64 }

// styles are the roles, the first of a centre's being the one it is drawn under. Each
// colour stands out from land and from water by 3:1 or more (WCAG 2.1, 1.4.11), and no
// two roles have the same shape, so that nothing hangs on telling colours apart.
var styles = []style{
	{labellingv1.Role_ROLE_COORDINATOR, "référence, coordonnateur", "#0b3c8c", polygon(4, 45)},
	{labellingv1.Role_ROLE_CONSTITUTIVE, "référence, constitutif", "#b8420b", polygon(3, -90)},
	{labellingv1.Role_ROLE_REFERENCE, "référence, sans autre précision", "#7a5c00", polygon(3, 90)},
	{labellingv1.Role_ROLE_RESOURCE_AND_COMPETENCE, "ressources et compétences", "#7b2d8b", polygon(4, 0)},
	{labellingv1.Role_ROLE_COMPETENCE, "compétence", "#0b6e69", nil},
	{labellingv1.Role_ROLE_UNSPECIFIED, "rôle non précisé", "#4a4a4a", cross()},
}

// collaborator is how a centre is drawn that collaborates and holds no label: hollow.
var collaborator = style{words: "collaborateur, sans label", colour: "#4a4a4a"}

// polygon is n points on the unit circle, the first at an angle in degrees.
func polygon(n int, from float64) []vertex {
	out := make([]vertex, n)
	for i := range out {
		y, x := math.Sincos((from + 360*float64(i)/float64(n)) * math.Pi / 180)
		out[i] = vertex{x, y}
	}
	return out
}

// cross is a plus sign.
func cross() []vertex {
	const arm, half = 0.92, 0.36
	return []vertex{
		{-half, -arm},
		{half, -arm},
		{half, -half},
		{arm, -half},
		{arm, half},
		{half, half},
		{half, arm},
		{-half, arm},
		{-half, half},
		{-arm, half},
		{-arm, -half},
		{-half, -half},
	}
}

// rank is the place of a role in styles; a role that no centre holds is drawn as one
// that is not stated.
func rank(r labellingv1.Role) int {
	i := slices.IndexFunc(styles, func(s style) bool { return s.role == r })
	if i < 0 {
		return len(styles) - 1
	}
	return i
}

// rankOf is the rank of a centre: that of its first role, after all of them for a
// collaborator.
func rankOf(c *registryv1.MapCentre) int {
	out := len(styles)
	for _, l := range c.GetLabels() {
		out = min(out, rank(l.GetRole()))
	}
	return out
}

func styleOf(rank int) style {
	if rank < len(styles) {
		return styles[rank]
	}
	return collaborator
}

// networkName is what a network is called in few letters.
func networkName(acronym, title, id string) string { return cmp.Or(acronym, title, id) }

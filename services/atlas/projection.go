package atlas

import (
	_ "embed"
	"encoding/json"
	"math"
	"sync"
)

// Constants of Lambert-93 as the Institut géographique national publishes them (note
// NT/G 71; ellipsoid GRS 80, parallels 44° and 49°, meridian 3° east of Greenwich).
const (
	lambertN  = 0.7256077650
	lambertC  = 11754255.426
	lambertXs = 700000.0
	lambertYs = 12655612.050
	grs80E    = 0.0818191910428
)

// lambert93 projects degrees to metres east and north, the legal projection of
// metropolitan France (décret n° 2000-1276).
func lambert93(lon, lat float64) (east, north float64) {
	sin := math.Sin(lat * math.Pi / 180)
	isometric := math.Atanh(sin) - grs80E*math.Atanh(grs80E*sin)
	radius := lambertC * math.Exp(-lambertN*isometric)
	s, c := math.Sincos(lambertN * (lon - 3) * math.Pi / 180)
	return lambertXs + radius*s, lambertYs - radius*c
}

// metresPerDegree is the length of a degree of latitude.
const metresPerDegree = 111195.0

// plate projects degrees to metres with the true scale at one latitude: an island is
// small enough for that.
func plate(latitude float64) func(lon, lat float64) (east, north float64) {
	shrink := math.Cos(latitude * math.Pi / 180)
	return func(lon, lat float64) (float64, float64) {
		return lon * metresPerDegree * shrink, lat * metresPerDegree
	}
}

// departements.json is written by tools/contours; its README says whence and how.
//
//go:embed departements.json
var departements []byte

// outlines are the rings of each department and collectivity, by INSEE code, in
// degrees. What is embedded is what the tests have read.
var outlines = sync.OnceValue(func() map[string][][]position {
	var file struct {
		Transform struct{ Scale, Translate position }
		Objects   struct {
			Territories struct {
				Geometries []struct {
					ID   string
					Arcs [][][]int
				}
			}
		}
		Arcs [][]position
	}
	if err := json.Unmarshal(departements, &file); err != nil {
		return nil
	}
	scale, origin := file.Transform.Scale, file.Transform.Translate
	for _, arc := range file.Arcs {
		var x, y float64
		for i, step := range arc {
			x, y = x+step[0], y+step[1]
			arc[i] = position{origin[0] + x*scale[0], origin[1] + y*scale[1]}
		}
	}
	out := map[string][][]position{}
	for _, g := range file.Objects.Territories.Geometries {
		for _, rings := range g.Arcs {
			for _, ring := range rings {
				out[g.ID] = append(out[g.ID], joined(file.Arcs, ring))
			}
		}
	}
	return out
})

// joined is the ring that arcs make, one after the other; ~i is arc i backwards. The
// first point of an arc is the last of the one before.
func joined(arcs [][]position, ring []int) []position {
	var out []position
	for _, i := range ring {
		if i >= 0 {
			out = append(out, arcs[i][:len(arcs[i])-1]...)
			continue
		}
		for arc := arcs[^i]; len(arc) > 1; arc = arc[:len(arc)-1] {
			out = append(out, arc[len(arc)-1])
		}
	}
	return out
}

package atlas

import (
	"math"
	"slices"
	"sync"
)

// The page, in units of the picture: pixels where it is shown a thousand wide.
const (
	pageWidth  = 1000.0
	pageHeight = 1216.0
	margin     = 17.0
)

// rect is a rectangle of the page.
type rect struct{ x, y, w, h float64 }

func (r rect) inset(by float64) rect { return rect{r.x + by, r.y + by, r.w - 2*by, r.h - 2*by} }

// holds tells whether a disc lies in the rectangle.
func (r rect) holds(p vertex, radius float64) bool {
	return p.x-radius >= r.x && p.x+radius <= r.x+r.w && p.y-radius >= r.y && p.y+radius <= r.y+r.h
}

func (r rect) meets(o rect) bool {
	return r.x < o.x+o.w && o.x < r.x+r.w && r.y < o.y+o.h && o.y < r.y+r.h
}

// around is the square around a disc.
func around(p vertex, radius float64) rect {
	return rect{p.x - radius, p.y - radius, 2 * radius, 2 * radius}
}

// frame is a part of the page with a territory, at a scale of its own.
type frame struct {
	label string
	// box is what is drawn around an inset, its label in the first line; body is where
	// the territory and its centres are.
	box, body rect
	// extent is the territory: west, south, east, north, in degrees.
	extent [4]float64
	// codes are the departments whose outlines are drawn.
	codes   []string
	project func(lon, lat float64) (east, north float64)
	// Pixels per metre, and the point of the page where east and north are zero.
	scale, left, bottom float64
}

// at is the point of the page for a place.
func (f *frame) at(lon, lat float64) vertex {
	east, north := f.project(lon, lat)
	return vertex{f.left + east*f.scale, f.bottom - north*f.scale}
}

func (f *frame) covers(lon, lat float64) bool {
	return lon >= f.extent[0] && lat >= f.extent[1] && lon <= f.extent[2] && lat <= f.extent[3]
}

// fitted is the frame with the largest scale at which places fit into its body, in the
// middle of it.
func (f frame) fitted(places []position) *frame {
	low, high := vertex{math.Inf(1), math.Inf(1)}, vertex{math.Inf(-1), math.Inf(-1)}
	for _, p := range places {
		x, y := f.project(p[0], p[1])
		low, high = vertex{min(low.x, x), min(low.y, y)}, vertex{max(high.x, x), max(high.y, y)}
	}
	f.scale = min(f.body.w/max(high.x-low.x, 1), f.body.h/max(high.y-low.y, 1))
	f.left = f.body.x + f.body.w/2 - (low.x+high.x)/2*f.scale
	f.bottom = f.body.y + f.body.h/2 + (low.y+high.y)/2*f.scale
	return &f
}

func corners(e [4]float64) []position {
	return []position{{e[0], e[1]}, {e[2], e[1]}, {e[2], e[3]}, {e[0], e[3]}}
}

// bodyOf is what an inset leaves for its territory: a line above for the label, one
// below for the scale.
func bodyOf(box rect) rect { return rect{box.x + 3, box.y + 17, box.w - 6, box.h - 30} }

// Where the frames are on the page. The insets lie on the sea and abroad.
var (
	franceBody   = rect{margin, 178, pageWidth - 2*margin, 906}
	parisBox     = rect{668, 18, 315, 296}
	elsewhereBox = rect{892, 1086, 91, 60}
)

// overseas are the departments and collectivities in insets: five at the foot of the
// page, six in the Atlantic.
var overseas = []struct {
	code, label string
	extent      [4]float64
}{
	{"971", "Guadeloupe", [4]float64{-61.95, 15.75, -60.95, 16.60}},
	{"972", "Martinique", [4]float64{-61.30, 14.35, -60.75, 14.92}},
	{"973", "Guyane", [4]float64{-54.70, 2.00, -51.50, 5.90}},
	{"974", "La Réunion", [4]float64{55.15, -21.45, 55.90, -20.82}},
	{"976", "Mayotte", [4]float64{44.95, -13.05, 45.35, -12.60}},
	{"975", "Saint-Pierre-et-Miquelon", [4]float64{-56.55, 46.70, -56.05, 47.17}},
	{"978", "Saint-Martin", [4]float64{-63.20, 17.98, -62.92, 18.16}},
	{"977", "Saint-Barthélemy", [4]float64{-62.91, 17.84, -62.74, 17.98}},
	{"988", "Nouvelle-Calédonie", [4]float64{163.40, -22.80, 168.30, -19.40}},
	{"987", "Polynésie française", [4]float64{-154.80, -28.00, -134.30, -7.80}},
	{"986", "Wallis et Futuna", [4]float64{-178.30, -14.50, -175.90, -13.10}},
}

const (
	footTop, footWide, footHigh, footGap = 1008.0, 166.0, 124.0, 9.0
	sideTop, sideHigh, sideGap           = 618.0, 58.0, 6.0
)

func overseasBox(i int) rect {
	if i < 5 {
		return rect{margin + float64(i)*(footWide+footGap), footTop, footWide, footHigh}
	}
	return rect{margin, sideTop + float64(i-5)*(sideHigh+sideGap), footWide, sideHigh}
}

// standing are the frames that are on every map: metropolitan France first, then Paris
// with the departments around it, then overseas.
var standing = sync.OnceValue(func() []*frame {
	var metropolis []string
	var places []position
	for code, rings := range outlines() {
		if len(code) == 2 {
			metropolis = append(metropolis, code)
			places = append(places, slices.Concat(rings...)...)
		}
	}
	slices.Sort(metropolis)
	out := []*frame{
		frame{
			body: franceBody, extent: [4]float64{-5.6, 41.2, 9.8, 51.3}, codes: metropolis, project: lambert93,
		}.fitted(places),
	}
	paris := frame{
		label: "Paris et petite couronne", box: parisBox, body: bodyOf(parisBox), extent: [4]float64{2.14, 48.68, 2.62, 49.02},
		codes: []string{"75", "77", "78", "91", "92", "93", "94", "95"}, project: lambert93,
	}
	out = append(out, paris.fitted(corners(paris.extent)))
	for i, o := range overseas {
		box := overseasBox(i)
		f := frame{
			label: o.label, box: box, body: bodyOf(box), extent: o.extent, codes: []string{o.code},
			project: plate((o.extent[1] + o.extent[3]) / 2),
		}
		out = append(out, f.fitted(corners(o.extent)))
	}
	return out
})

const (
	france = 0
	paris  = 1
)

// boxes are what lies upon the map of France: the title, the legend and the insets,
// those overseas as one along the foot of the page and one along its left side.
var boxes = []rect{
	titleBox, legendBox, parisBox, elsewhereBox,
	{margin, footTop, 5*footWide + 4*footGap, footHigh},
	{margin, sideTop, footWide, footTop - sideTop},
}

// frameOf is the index of the frame that a place is drawn in, -1 for none. What the
// inset of Paris covers is drawn there and not on the map of France; nor is what lies
// under a box there, or off the page.
func frameOf(frames []*frame, lon, lat float64) int {
	if frames[paris].covers(lon, lat) {
		return paris
	}
	if f := frames[france]; f.covers(lon, lat) {
		at := f.at(lon, lat)
		if f.body.holds(at, 0) && !slices.ContainsFunc(boxes, around(at, 0).meets) {
			return france
		}
	}
	for i := paris + 1; i < len(frames); i++ {
		if frames[i].covers(lon, lat) {
			return i
		}
	}
	return -1
}

// window is the ground of the inset of Paris on the map of France.
func window() rect {
	frames := standing()
	b := frames[paris].extent
	nw, se := frames[france].at(b[0], b[3]), frames[france].at(b[2], b[1])
	return rect{nw.x, nw.y, se.x - nw.x, se.y - nw.y}
}

// reserved is what markers and names of the map of France keep off.
var reserved = sync.OnceValue(func() []rect {
	out := []rect{window()}
	for _, b := range boxes {
		out = append(out, b.inset(-2))
	}
	return out
})

// elsewhere is a frame for places that no other covers.
func elsewhere(places []position) *frame {
	e := [4]float64{180, 90, -180, -90}
	for _, p := range places {
		e = [4]float64{min(e[0], p[0]), min(e[1], p[1]), max(e[2], p[0]), max(e[3], p[1])}
	}
	// A single place still needs some ground around it.
	e = [4]float64{e[0] - 1, e[1] - 1, e[2] + 1, e[3] + 1}
	f := frame{label: "Autres lieux", box: elsewhereBox, body: bodyOf(elsewhereBox), extent: e, project: plate(0)}
	return f.fitted(corners(e))
}

package atlas

import (
	"cmp"
	"math"
	"slices"
	"sync"

	registryv1 "maillage/proto/gen/maillage/registry/v1"
)

// marker is a centre on the page.
type marker struct {
	centre *registryv1.MapCentre
	rank   int
	frame  int
	// anchor is where its point lies, at where it is drawn.
	anchor, at vertex
}

// town is the centres of one point, the first roles first.
type town struct {
	frame   int
	anchor  vertex
	markers []*marker
	tried   int // places around the point that were taken or are
}

// sheet is the page with all markers on it.
type sheet struct {
	frames  []*frame
	markers []*marker
	towns   []*town
	// radius is that of the circle around a marker's shape.
	radius float64
}

const (
	// largest is the radius of a marker where there is room, smallest the one below
	// which nothing is gained: what finds no room then lies on top of others.
	largest, smallest = 5.0, 0.8
	// farthest a marker goes from its point on the map of France.
	farthest = 56.0
	// gap between the circles of two markers, in radii.
	gap = 0.3
)

// laidOut puts every centre that has a point on the page, at its point or, where
// several share it, around it, as large as all find room. The same answer always gives
// the same page.
func laidOut(m *registryv1.GetMapResponse) *sheet {
	s := &sheet{frames: standing()}
	var strays []position
	for _, c := range m.GetCentres() {
		if hasPoint(c) && frameOf(s.frames, c.GetLongitude(), c.GetLatitude()) < 0 {
			strays = append(strays, position{c.GetLongitude(), c.GetLatitude()})
		}
	}
	if len(strays) > 0 {
		s.frames = append(slices.Clone(s.frames), elsewhere(strays))
	}
	byPoint := map[[3]float64]*town{}
	for _, c := range m.GetCentres() {
		if !hasPoint(c) {
			continue
		}
		lon, lat := c.GetLongitude(), c.GetLatitude()
		in := frameOf(s.frames, lon, lat)
		key := [3]float64{float64(in), rounded(lon), rounded(lat)}
		t := byPoint[key]
		if t == nil {
			t = &town{frame: in, anchor: s.frames[in].at(lon, lat)}
			byPoint[key] = t
			s.towns = append(s.towns, t)
		}
		k := &marker{centre: c, rank: rankOf(c), frame: in, anchor: t.anchor}
		t.markers = append(t.markers, k)
		s.markers = append(s.markers, k)
	}
	for _, t := range s.towns {
		slices.SortStableFunc(t.markers, func(a, b *marker) int { return cmp.Compare(a.rank, b.rank) })
	}
	for s.radius = largest; !s.fanOut() && s.radius > smallest; {
		s.radius *= 0.92
	}
	return s
}

// fanOut gives every marker the free place nearest its point: the first of each town,
// then the second of each, so that a large town does not push a small one off its
// point. It reports whether all found one.
func (s *sheet) fanOut() bool {
	apart := s.radius * (2 + gap)
	taken := newGrid(apart)
	for _, t := range s.towns {
		t.tried = 0
		for _, k := range t.markers {
			k.at = t.anchor
		}
	}
	for turn, left := 0, len(s.markers); left > 0; turn++ {
		for _, t := range s.towns {
			if turn >= len(t.markers) {
				continue
			}
			left--
			k := t.markers[turn]
			if !s.settle(t, k, apart, taken) {
				return false
			}
		}
	}
	return true
}

// settle puts a marker on the next free place around its point. What was taken once
// stays taken, so a town goes through the places once.
func (s *sheet) settle(t *town, k *marker, apart float64, taken *grid) bool {
	body, steps := s.frames[t.frame].body, honeycomb()
	for ; t.tried < len(steps); t.tried++ {
		step := steps[t.tried]
		p := vertex{t.anchor.x + step.x*apart, t.anchor.y + step.y*apart}
		switch {
		case t.frame == france && math.Hypot(step.x, step.y)*apart > farthest:
			return false
		case !body.holds(p, s.radius), taken.near(p):
			continue
		case t.frame == france && slices.ContainsFunc(reserved(), around(p, s.radius).meets):
			continue
		}
		k.at = p
		taken.add(p)
		t.tried++
		return true
	}
	return false
}

// honeycomb is the points of a hexagonal lattice of unit distance that lie within 64 of
// the origin, some 15,000: the nearest first, then clockwise.
var honeycomb = sync.OnceValue(func() []vertex {
	const reach = 64
	type point struct {
		vertex
		square int // of the distance
		angle  float64
	}
	var all []point
	for j := -2 * reach; j <= 2*reach; j++ {
		for i := -2 * reach; i <= 2*reach; i++ {
			if square := i*i + i*j + j*j; square <= reach*reach {
				v := vertex{float64(i) + float64(j)/2, float64(j) * math.Sqrt(3) / 2}
				all = append(all, point{v, square, math.Atan2(v.x, -v.y)})
			}
		}
	}
	slices.SortFunc(all, func(a, b point) int {
		return cmp.Or(cmp.Compare(a.square, b.square), cmp.Compare(a.angle, b.angle))
	})
	out := make([]vertex, len(all))
	for i, p := range all {
		out[i] = p.vertex
	}
	return out
})

// grid finds whether a point is nearer than a distance to one added before. No two
// points that far apart fall into one of its cells.
type grid struct {
	apart, cell float64
	columns     int
	cells       []int32 // one more than the index in points, 0 where empty
	points      []vertex
}

func newGrid(apart float64) *grid {
	cell := apart / math.Sqrt2
	columns := int(pageWidth/cell) + 5
	return &grid{apart: apart, cell: cell, columns: columns, cells: make([]int32, columns*(int(pageHeight/cell)+5))}
}

// index is a point's cell, two in from the edge, so that those around it exist.
func (g *grid) index(p vertex) int {
	return (int(p.y/g.cell)+2)*g.columns + int(p.x/g.cell) + 2
}

func (g *grid) add(p vertex) {
	g.points = append(g.points, p)
	g.cells[g.index(p)] = int32(len(g.points))
}

func (g *grid) near(p vertex) bool {
	least := g.apart * g.apart * (1 - 1e-9) // neighbours on the lattice are exactly apart
	at := g.index(p)
	for row := -2; row <= 2; row++ {
		for _, i := range g.cells[at+row*g.columns-2 : at+row*g.columns+3] {
			if i == 0 {
				continue
			}
			if q := g.points[i-1]; (p.x-q.x)*(p.x-q.x)+(p.y-q.y)*(p.y-q.y) < least {
				return true
			}
		}
	}
	return false
}

package atlas

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

// Options is what the picture says beside the answer.
type Options struct {
	// Title is above the map, in French; empty for a general one. The day is added.
	Title string
	// Filter says in words, in French, what was asked for; empty for everything.
	Filter string
}

const (
	land    = "#f4f1ea"
	sea     = "#ffffff"
	border  = "#c4bcab"
	ink     = "#222222"
	softInk = "#555555"
	linkInk = "#6b7785"
	// halo keeps a text legible over lines.
	halo     = `stroke="` + sea + `" stroke-width="2.5" stroke-linejoin="round" stroke-opacity=".8" paint-order="stroke"`
	fontList = "Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
)

var (
	titleBox  = rect{margin, 14, 640, 74}
	legendBox = rect{margin, 92, 376, 176}
)

// SVG is the map as a picture of a page: metropolitan France in Lambert-93, Paris with
// the departments around it and each overseas department and collectivity in an inset
// with a scale of its own. Every centre that has a point is drawn once; centres of one
// point are set around it without overlapping, up to some thousand of them. The
// picture needs no style sheet, font or script, says in a title, a description and a
// legend what it shows, and is the same for the same answer.
func SVG(m *registryv1.GetMapResponse, o Options) []byte {
	d := &drawing{sheet: laidOut(m), answer: m}
	d.printf(`<svg xmlns="http://www.w3.org/2000/svg" width="%g" height="%g" viewBox="0 0 %g %g" role="img" lang="fr" xml:lang="fr" font-family="%s" fill="%s">`+"\n",
		pageWidth, pageHeight, pageWidth, pageHeight, fontList, ink)
	title := cmp.Or(o.Title, "Centres maladies rares")
	if day := m.GetResolved().GetValidAt(); day != "" {
		title += " au " + longDate(day)
	}
	d.printf("<title>%s</title>\n<desc>%s</desc>\n", escaped(title), escaped(d.description(o)))
	d.printf(`<rect width="%g" height="%g" fill="%s"/>`+"\n", pageWidth, pageHeight, sea)
	d.put(ground())
	for _, f := range d.frames[paris+1:] {
		d.frameBox(f)
	}
	d.window()
	d.links()
	d.frameBox(d.frames[paris])
	d.innerLinks()
	d.leaders()
	d.markersByStyle()
	d.townNames()
	d.heading(title, o)
	d.legend()
	d.notes()
	d.put("</svg>\n")
	return d.buf.Bytes()
}

// drawing is the picture as far as it is written.
type drawing struct {
	buf bytes.Buffer
	*sheet
	answer *registryv1.GetMapResponse
}

func (d *drawing) printf(format string, args ...any) { fmt.Fprintf(&d.buf, format, args...) }

func (d *drawing) put(s string) { d.buf.WriteString(s) }

// text writes a line of text; attributes may be empty.
func (d *drawing) text(x, y, size float64, attributes, s string) {
	d.printf(`<text x="%.1f" y="%.1f" font-size="%g"%s>%s</text>`+"\n", x, y, size, spaced(attributes), escaped(s))
}

func spaced(attributes string) string {
	if attributes == "" {
		return ""
	}
	return " " + attributes
}

func escaped(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}

// ground is the outlines of every standing frame, the same on every map. They are
// written in tenths of a pixel.
var ground = sync.OnceValue(func() string {
	d := &drawing{}
	frames := standing()
	d.printf(`<g fill="%s" stroke="%s" stroke-width="6" stroke-linejoin="round" fill-rule="evenodd" transform="scale(.1)">`+"\n", land, border)
	for i, f := range frames {
		if i != paris {
			d.outlines(f)
		}
	}
	d.put("</g>\n")
	return d.buf.String()
})

// parisGround is the outlines of the inset of Paris, cut off at its edges.
var parisGround = sync.OnceValue(func() string {
	d := &drawing{}
	f := standing()[paris]
	b := f.box
	d.printf(`<svg x="%g" y="%g" width="%g" height="%g" viewBox="%g %g %g %g">`, b.x, b.y, b.w, b.h, b.x*10, b.y*10, b.w*10, b.h*10)
	d.printf(`<g fill="%s" stroke="%s" stroke-width="8" stroke-linejoin="round" fill-rule="evenodd">`+"\n", land, border)
	d.outlines(f)
	d.put("</g></svg>\n")
	return d.buf.String()
})

// outlines writes a path for each department of a frame, point after point as steps.
func (d *drawing) outlines(f *frame) {
	for _, code := range f.codes {
		d.put(`<path d="`)
		for _, ring := range outlines()[code] {
			var x, y int
			for i, p := range ring {
				v := f.at(p[0], p[1])
				nx, ny := int(math.Round(v.x*10)), int(math.Round(v.y*10))
				switch {
				case i == 0:
					d.printf("M%d %d", nx, ny)
				case nx != x || ny != y:
					d.printf("l%d %d", nx-x, ny-y)
				}
				x, y = nx, ny
			}
			d.put("z")
		}
		d.put("\"/>\n")
	}
}

// frameBox writes the box of an inset, its label and its scale.
func (d *drawing) frameBox(f *frame) {
	b := f.box
	if f == d.frames[paris] {
		d.printf(`<rect x="%g" y="%g" width="%g" height="%g" fill="%s"/>`+"\n", b.x, b.y, b.w, b.h, sea)
		d.put(parisGround())
		d.printf(`<rect x="%g" y="%g" width="%g" height="16" fill="%s" fill-opacity=".85"/>`+"\n", b.x, b.y, b.w, sea)
	}
	d.printf(`<rect x="%g" y="%g" width="%g" height="%g" fill="none" stroke="%s" stroke-width=".8"/>`+"\n", b.x, b.y, b.w, b.h, softInk)
	d.text(b.x+5, b.y+12, 10.5, `font-weight="bold" `+halo, f.label)
	length, words := scaleBar(f.scale, b.w*0.3)
	x, y := b.x+b.w-6-length, b.y+b.h-5
	d.printf(`<path d="M%.1f %.1fv3h%.1fv-3" fill="none" stroke="%s"/>`+"\n", x, y-3, length, softInk)
	d.text(x-4, y, 9, `text-anchor="end" fill="`+softInk+`" `+halo, words)
}

// scaleBar is the length on the page of a round number of kilometres, and its words.
func scaleBar(scale, most float64) (length float64, words string) {
	km := math.Pow(10, math.Floor(math.Log10(most/scale/1000)))
	for _, times := range []float64{5, 2} {
		if km*times*1000*scale <= most {
			km *= times
			break
		}
	}
	return km * 1000 * scale, grouped(uint32(km)) + " km"
}

// window writes the ground of the inset of Paris on the map of France, and a line from
// it to the inset.
func (d *drawing) window() {
	w, box := window(), d.frames[paris].box
	d.printf(`<path d="M%.1f %.1fL%.1f %.1f" stroke="%s" stroke-width=".8" stroke-dasharray="2 1.5"/>`+"\n", w.x+w.w, w.y, box.x, box.y+box.h, softInk)
	d.printf(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s" stroke="%s" stroke-dasharray="2 1.5"/>`+"\n", w.x, w.y, w.w, w.h, sea, softInk)
}

// linkStyles are how links are drawn, by what holds the two centres together.
var linkStyles = []struct {
	kind  topologyv1.LinkKind
	words string
	dash  string
}{
	{topologyv1.LinkKind_LINK_KIND_ATTACHED, "rattachement", ""},
	{topologyv1.LinkKind_LINK_KIND_UNSPECIFIED, "même réseau", ` stroke-dasharray="3 2"`},
	{topologyv1.LinkKind_LINK_KIND_COLLABORATES, "collaboration", ` stroke-dasharray="1 2"`},
}

// links writes the links on the map of France and to the insets; one to the inset of
// Paris ends where Paris is on the map of France.
func (d *drawing) links() {
	d.linkPaths(func(a, b *marker) (vertex, vertex, bool) {
		return d.onFrance(a), d.onFrance(b), a.frame != paris || b.frame != paris
	})
}

// innerLinks writes those within the inset of Paris.
func (d *drawing) innerLinks() {
	d.linkPaths(func(a, b *marker) (vertex, vertex, bool) {
		return a.at, b.at, a.frame == paris && b.frame == paris
	})
}

func (d *drawing) onFrance(k *marker) vertex {
	if k.frame == paris {
		return d.frames[france].at(k.centre.GetLongitude(), k.centre.GetLatitude())
	}
	return k.at
}

// linkPaths writes one path for each kind of link, so that many of them on top of one
// another are no darker than one.
func (d *drawing) linkPaths(ends func(a, b *marker) (from, to vertex, drawn bool)) {
	byID := make(map[string]*marker, len(d.markers))
	for _, k := range d.markers {
		byID[k.centre.GetCentreId()] = k
	}
	// Many lines are drawn paler and thinner than few.
	many := math.Sqrt(120 / float64(max(120, len(d.answer.GetLinks()))))
	for _, style := range linkStyles {
		var path []byte
		for _, l := range d.answer.GetLinks() {
			a, b := byID[l.GetFromCentreId()], byID[l.GetToCentreId()]
			if a == nil || b == nil || l.GetKind() != style.kind {
				continue
			}
			if from, to, drawn := ends(a, b); drawn {
				path = fmt.Appendf(path, "M%.1f %.1fL%.1f %.1f", from.x, from.y, to.x, to.y)
			}
		}
		if len(path) > 0 {
			d.printf(`<path d="%s" fill="none" stroke="%s" stroke-width="%.2f" stroke-opacity="%.2f"%s/>`+"\n",
				path, linkInk, 0.4+0.5*many, 0.12+0.7*many, style.dash)
		}
	}
}

// leaders writes a line from its point to each marker that went well farther than the
// crowd of its own town explains.
func (d *drawing) leaders() {
	var path []byte
	for _, t := range d.towns {
		explained := d.radius * (2 + gap) * (4 + math.Sqrt(float64(len(t.markers))*math.Sqrt(3)/(2*math.Pi)))
		for _, k := range t.markers {
			if math.Hypot(k.at.x-k.anchor.x, k.at.y-k.anchor.y) > explained {
				path = fmt.Appendf(path, "M%.1f %.1fL%.1f %.1f", k.anchor.x, k.anchor.y, k.at.x, k.at.y)
			}
		}
	}
	if len(path) > 0 {
		d.printf(`<path d="%s" fill="none" stroke="%s" stroke-width=".4"/>`+"\n", path, softInk)
	}
}

// markersByStyle writes every centre once, those of one role together, each with what
// a pointer shows over it.
func (d *drawing) markersByStyle() {
	for i := range len(styles) + 1 {
		st := styleOf(i)
		shape := pathOf(st.shape, d.radius)
		for _, pale := range []bool{false, true} {
			var inner bytes.Buffer
			for _, k := range d.markers {
				if k.rank == i && d.unsure(k.centre) == pale {
					fmt.Fprintf(&inner, `<path d="M%.1f %.1f%s"><title>%s</title></path>`+"\n", k.at.x, k.at.y, shape, escaped(tooltip(k.centre)))
				}
			}
			if inner.Len() > 0 {
				d.printf("<g %s>\n%s</g>\n", paint(i, d.radius, pale), inner.Bytes())
			}
		}
	}
	var closed []byte
	for _, k := range d.markers {
		if k.centre.GetClosed() {
			closed = append(closed, strike(k.at, d.radius)...)
		}
	}
	if len(closed) > 0 {
		d.printf(strikeFormat, closed, d.radius*0.4)
	}
}

// unsure tells whether none of a centre's labels is in force for sure: they are in
// abeyance or undetermined. Of who works on in fact no label need be in force.
func (d *drawing) unsure(c *registryv1.MapCentre) bool {
	return len(c.GetLabels()) > 0 && d.answer.GetResolved().GetWindow() != registryv1.Window_WINDOW_OPERATIONAL &&
		!slices.ContainsFunc(c.GetLabels(), func(l *registryv1.MapLabel) bool {
			return l.GetStatus() != labellingv1.Status_STATUS_IN_ABEYANCE && l.GetStatus() != labellingv1.Status_STATUS_UNDETERMINED
		})
}

// paint is the attributes of a marker: full for a label, pale for one that is not in force
// for sure, hollow for a collaborator.
func paint(rank int, radius float64, pale bool) string {
	switch {
	case rank < len(styles) && pale:
		return paleInk(styles[rank].colour, radius)
	case rank < len(styles):
		return fmt.Sprintf(`fill="%s"`, styles[rank].colour)
	}
	return fmt.Sprintf(`fill="%s" stroke="%s" stroke-width="%.2f"`, sea, collaborator.colour, radius*0.3)
}

// paleInk fills with a tint of a colour and rims with the colour.
func paleInk(colour string, radius float64) string {
	var rgb [3]uint64
	for i := range rgb {
		n, _ := strconv.ParseUint(colour[1+2*i:3+2*i], 16, 8) // colours are ours
		rgb[i] = 255 - (255-n)*3/10
	}
	return fmt.Sprintf(`fill="#%02x%02x%02x" stroke="%s" stroke-width="%.2f"`, rgb[0], rgb[1], rgb[2], colour, radius*0.2)
}

// A closed centre is struck through.
const strikeFormat = `<path d="%s" fill="none" stroke="` + sea + `" stroke-width="%.2f"/>` + "\n"

func strike(at vertex, radius float64) string {
	return fmt.Sprintf("M%.1f %.1fl%.1f %.1f", at.x-radius, at.y+radius, 2*radius, -2*radius)
}

// pathOf is a shape as steps from its middle.
func pathOf(shape []vertex, radius float64) string {
	r := radius * 0.97
	if shape == nil {
		return fmt.Sprintf("m%.2f 0a%.2f %.2f 0 1 0 %.2f 0a%.2f %.2f 0 1 0 %.2f 0z", -r, r, r, 2*r, r, r, -2*r)
	}
	var b strings.Builder
	var last vertex
	for i, v := range shape {
		op := "l"
		if i == 0 {
			op = "m"
		}
		fmt.Fprintf(&b, "%s%.2f %.2f", op, (v.x-last.x)*r, (v.y-last.y)*r)
		last = v
	}
	return b.String() + "z"
}

// tooltip is what a centre is, in one line.
func tooltip(c *registryv1.MapCentre) string {
	place := strings.Join(c.GetEstablishmentNames(), ", ")
	town := c.GetCity()
	if c.GetDepartmentCode() != "" {
		town = strings.TrimSpace(town + " (" + c.GetDepartmentCode() + ")")
	}
	parts := []string{c.GetName(), place, town}
	for _, l := range c.GetLabels() {
		parts = append(parts, styleOf(rank(l.GetRole())).words+" : "+networkName(l.GetNetworkAcronym(), l.GetNetworkTitle(), l.GetNetworkId())+unsureWords[l.GetStatus()])
	}
	for _, l := range c.GetCollaborations() {
		parts = append(parts, "collaborateur : "+networkName(l.GetNetworkAcronym(), l.GetNetworkTitle(), l.GetNetworkId()))
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), " – ")
}

var unsureWords = map[labellingv1.Status]string{
	labellingv1.Status_STATUS_IN_ABEYANCE: " (en suspens)", labellingv1.Status_STATUS_UNDETERMINED: " (indéterminé)",
}

// townNames writes the names of the towns with the most centres, each beside its
// crowd, where it covers neither a marker nor another name nor an inset.
func (d *drawing) townNames() {
	const size, most = 10, 44
	towns := slices.DeleteFunc(slices.Clone(d.towns), func(t *town) bool {
		return t.frame > paris || t.markers[0].centre.GetCity() == "" || t.markers[0].centre.GetPointPrecision() == registryv1.PointPrecision_POINT_PRECISION_DEPARTMENT
	})
	slices.SortStableFunc(towns, func(a, b *town) int { return cmp.Compare(len(b.markers), len(a.markers)) })
	written := slices.Clone(reserved())
	seen := map[string]bool{}
	for _, t := range towns {
		name := t.markers[0].centre.GetCity()
		if len(seen) == most || seen[name] {
			continue
		}
		for _, spot := range d.besides(t, textWidth(name, size), size) {
			if d.covers(t.frame, spot, written) {
				continue
			}
			d.text(spot.x, spot.y+size*0.8, size, halo, name)
			written = append(written, spot)
			seen[name] = true
			break
		}
	}
}

// besides are the places for the name of a town: above its crowd, below, right, left.
func (d *drawing) besides(t *town, wide, high float64) []rect {
	low, top := t.anchor, t.anchor
	for _, k := range t.markers {
		low = vertex{max(low.x, k.at.x+d.radius), max(low.y, k.at.y+d.radius)}
		top = vertex{min(top.x, k.at.x-d.radius), min(top.y, k.at.y-d.radius)}
	}
	midX, midY := (low.x+top.x)/2, (low.y+top.y)/2
	return []rect{
		{midX - wide/2, top.y - high - 1, wide, high},
		{midX - wide/2, low.y + 1, wide, high},
		{low.x + 2, midY - high/2, wide, high},
		{top.x - wide - 2, midY - high/2, wide, high},
	}
}

func (d *drawing) covers(frame int, spot rect, written []rect) bool {
	body := d.frames[frame].body
	if spot.x < body.x || spot.y < body.y || spot.x+spot.w > body.x+body.w || spot.y+spot.h > body.y+body.h {
		return true
	}
	for _, o := range written {
		if (frame == france || o != d.frames[paris].box.inset(-2)) && spot.meets(o) {
			return true
		}
	}
	return slices.ContainsFunc(d.markers, func(k *marker) bool { return spot.meets(around(k.at, d.radius)) })
}

package atlas

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	registryv1 "maillage/proto/gen/maillage/registry/v1"
)

// heading writes the title and for what and when the map speaks.
func (d *drawing) heading(title string, o Options) {
	d.fittedText(titleBox.y+24, 21, `font-weight="bold"`, title)
	y := titleBox.y + 42
	for _, line := range append([]string{o.Filter}, knowledge(d.answer.GetResolved())...) {
		if line != "" {
			d.fittedText(y, 11, `fill="`+softInk+`"`, line)
			y += 14
		}
	}
}

// fittedText writes a line of the heading smaller where it is too long, and cuts it
// where that is not enough.
func (d *drawing) fittedText(y, size float64, attributes, s string) {
	const least = 9
	size = math.Floor(2*max(least, min(size, size*titleBox.w/textWidth(s, size)))) / 2
	if most := int(titleBox.w / textWidth("m", size)); utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most-1]) + "…"
	}
	d.text(titleBox.x, y, size, attributes, s)
}

// textWidth is about how wide a text is.
func textWidth(s string, size float64) float64 {
	return float64(utf8.RuneCountInString(s)) * size * 0.56
}

// knowledge says in one line or two with what knowledge the map speaks.
func knowledge(r *registryv1.Resolved) []string {
	out := []string{fmt.Sprintf("Tel que connu à la position %d du registre", r.GetKnownPosition())}
	if r.GetWindow() == registryv1.Window_WINDOW_OPERATIONAL {
		out[0] += ", fenêtre opérationnelle"
	}
	if r.GetProvisional() {
		out[0] += ", à titre provisoire"
	}
	if r.GetPublishedBy() != "" {
		line := "D'après les seuls actes publiés au " + longDate(r.GetPublishedBy())
		if n := uint32(len(r.GetUndatedActIds())); n > 0 {
			line += fmt.Sprintf(", sans %s %s dont la publication n'est pas datée", grouped(n), plural(n, "acte", "actes"))
		}
		out = append(out, line)
	}
	return out
}

// tally is a line of the legend.
type tally struct {
	rank    int
	words   string
	centres uint32
}

// tallies are the counts of the answer in the order of the styles. The words of a role
// that no centre has are those of the contract.
func tallies(counts []*registryv1.MapCount) []tally {
	var out []tally
	for i := range len(styles) + 1 {
		for _, c := range counts {
			r := rank(c.GetRole())
			if c.GetCollaborators() {
				r = len(styles)
			}
			if r != i {
				continue
			}
			words := styleOf(i).words
			if !c.GetCollaborators() && styleOf(i).role != c.GetRole() {
				words = short(c.GetRole().String(), "ROLE_")
			}
			out = append(out, tally{i, words, c.GetCentres()})
		}
	}
	return out
}

// legend writes the roles with their counts, and what the lines are.
func (d *drawing) legend() {
	const line, radius = 17.0, 5.0
	x, y := legendBox.x, legendBox.y+10
	for _, t := range tallies(d.answer.GetCounts()) {
		d.printf(`<path d="M%.1f %.1f%s" %s/>`+"\n", x+radius+1, y, pathOf(styleOf(t.rank).shape, radius), paint(t.rank, radius, false))
		d.text(x+66, y+4, 11.5, `text-anchor="end" font-weight="bold"`, grouped(t.centres))
		d.text(x+71, y+4, 11.5, "", plural(t.centres, "centre", "centres")+" – "+t.words)
		y += line
	}
	if n := d.pale(); n > 0 {
		d.printf(`<path d="M%.1f %.1f%s" %s/>`+"\n", x+radius+1, y, pathOf(collaborator.shape, radius), paleInk(softInk, radius))
		d.text(x+66, y+4, 11.5, `text-anchor="end" font-weight="bold"`, grouped(n))
		d.text(x+71, y+4, 11.5, "", "pâle : label en suspens ou indéterminé, aucun en vigueur")
		y += line
	}
	if d.anyClosed() {
		d.printf(`<path d="M%.1f %.1f%s" %s/>`+"\n", x+radius+1, y, pathOf(collaborator.shape, radius), `fill="`+softInk+`"`)
		d.printf(strikeFormat, strike(vertex{x + radius + 1, y}, radius), radius*0.4)
		d.text(x+71, y+4, 11.5, "", "barré : fermé, label encore tenu")
		y += line
	}
	drawn := map[string]bool{}
	for _, l := range d.answer.GetLinks() {
		drawn[l.GetKind().String()] = true
	}
	y += 2
	for _, st := range linkStyles {
		if drawn[st.kind.String()] {
			d.printf(`<path d="M%.1f %.1fh28" stroke="%s" stroke-width="1.2"%s/>`+"\n", x, y, linkInk, st.dash)
			d.text(x+33, y+4, 10.5, "", st.words)
			x += 33 + textWidth(st.words, 10.5) + 14
		}
	}
}

// pale is how many centres of the answer have no label in force for sure.
func (d *drawing) pale() (n uint32) {
	for _, c := range d.answer.GetCentres() {
		if d.unsure(c) {
			n++
		}
	}
	return n
}

func (d *drawing) anyClosed() bool {
	for _, k := range d.markers {
		if k.centre.GetClosed() {
			return true
		}
	}
	return false
}

// notes writes at the foot what the picture does not show, and whence its ground is.
func (d *drawing) notes() {
	y := footTop + footHigh + 19
	if lost := unplaced(d.answer); lost > 0 {
		d.text(margin, y, 11.5, `font-weight="bold"`, lostNote(lost))
	}
	notes := []string{
		"Les centres d'un même lieu sont disposés autour de lui, un signe par centre. Un centre de plusieurs rôles est dessiné sous le premier de la légende et compté sous chacun.",
		"Fond : Natural Earth (domaine public). France métropolitaine en projection Lambert-93 ; chaque encart a son échelle.",
	}
	if n := roughly(d.markers); n > 0 {
		notes = append([]string{fmt.Sprintf("%s %s au milieu de %s département, faute d'un lieu plus précis.",
			grouped(uint32(n)), plural(uint32(n), "centre est placé", "centres sont placés"), plural(uint32(n), "son", "leur"))}, notes...)
	}
	for _, note := range notes {
		y += 15
		d.text(margin, y, 10, `fill="`+softInk+`"`, note)
	}
}

// roughly is how many markers stand for no more than a department.
func roughly(markers []*marker) int {
	n := 0
	for _, k := range markers {
		if k.centre.GetPointPrecision() == registryv1.PointPrecision_POINT_PRECISION_DEPARTMENT {
			n++
		}
	}
	return n
}

// unplaced is how many centres of the answer are on no picture.
func unplaced(m *registryv1.GetMapResponse) int {
	n := 0
	for _, c := range m.GetCentres() {
		if !hasPoint(c) {
			n++
		}
	}
	return n
}

func lostNote(n int) string {
	return fmt.Sprintf("%s %s sans lieu connu : voir la liste", grouped(uint32(n)), plural(uint32(n), "centre", "centres"))
}

// description says in words what the picture shows, for who does not see it.
func (d *drawing) description(o Options) string {
	parts := []string{fmt.Sprintf("Carte de France, métropole et outre-mer : %s %s, %s %s.",
		grouped(uint32(len(d.markers))), plural(uint32(len(d.markers)), "centre placé", "centres placés"),
		grouped(uint32(len(d.answer.GetLinks()))), plural(uint32(len(d.answer.GetLinks())), "lien", "liens"))}
	if o.Filter != "" {
		parts = append(parts, o.Filter+".")
	}
	for _, t := range tallies(d.answer.GetCounts()) {
		parts = append(parts, fmt.Sprintf("%s %s : %s.", grouped(t.centres), plural(t.centres, "centre", "centres"), t.words))
	}
	if n := d.pale(); n > 0 {
		parts = append(parts, fmt.Sprintf("%s %s, sans aucun en vigueur.", grouped(n), plural(n, "a un label en suspens ou indéterminé", "ont un label en suspens ou indéterminé")))
	}
	if lost := unplaced(d.answer); lost > 0 {
		parts = append(parts, lostNote(lost)+".")
	}
	return strings.Join(append(parts, strings.Join(knowledge(d.answer.GetResolved()), ". ")+"."), " ")
}

func plural(n uint32, one, many string) string {
	if n < 2 {
		return one
	}
	return many
}

// grouped is a number with its thousands apart, as French prints it.
func grouped(n uint32) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s\u202f%03d", grouped(n/1000), n%1000)
}

var months = [...]string{"janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"}

// longDate is a civil date in words: 1er mai 2022. What is no date stays as it is.
func longDate(s string) string {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return s
	}
	day := fmt.Sprint(t.Day())
	if t.Day() == 1 {
		day = "1er"
	}
	return fmt.Sprintf("%s %s %d", day, months[t.Month()-1], t.Year())
}

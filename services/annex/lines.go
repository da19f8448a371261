package annex

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/identifier"
)

// maxPrinted is how long a verbatim value may be (eventv1.Printed).
const maxPrinted = 2000

// reader gathers an annex.
type reader struct {
	Annex
	refused []*Error
}

// sheetReader reads one sheet into the annex.
type sheetReader struct {
	*reader
	table
	filiere, network, acronym string           // of the headings in force
	role                      string           // of the heading in force
	roleUnder                 level            // which heading that one stands under
	headings                  map[level]string // verbatim
	last                      Line             // the line before, under the same filière's heading
	above                     *Line            // the line right above
	title                     int              // the last row of one cell above the headers, from 1
	counts                    bool             // the table counts centres and lists none
	broken                    bool             // the headers came again, and no network since
}

// level is how deep a heading stands.
type level uint8

const (
	ofSheet level = iota
	ofFiliere
	ofNetwork
	ofRole
)

var (
	filiereHeading = regexp.MustCompile(`^(?i:fili[eè]re|fsmr)\b(?i:\s+(?:nationale\s+)?de\s+sant[eé](?:\s+maladies\s+rares)?)?(?:\s+\(?(?i:fsmr)\)?)?\s*[:\x{2013}\x{2014}-]?\s*`)
	filiereWithin  = regexp.MustCompile(`(?i)(?:^|[\s(:\x{2013}\x{2014}-])(?:fili[eè]re(?:\s+(?:nationale\s+)?de\s+sant[eé](?:\s+maladies\s+rares)?)?|fsmr)(?:\s|\)|:|$)`)
	filiereName    = regexp.MustCompile(`^[\pL\d²]*\p{Lu}[\pL\d²]*(?:-?[\pL\d²]*[\p{Lu}\d²][\pL\d²]*)+(?:\s*[:(\x{2013}\x{2014}]\s*.*|\s+-\s+.*)?$`)
	networkHeading = regexp.MustCompile(`^(?i:r[eé]seau(?:\s+crmr)?|crmr|centre\s+de\s+r[eé]f[eé]rence|intitul[eé](?:\s+du\s+r[eé]seau)?)\s*:\s*`)
	acronymFirst   = regexp.MustCompile(`^(?:CRMR\s*[:\x{2013}\x{2014}-]\s*)?([\pL\pN-]*\p{Lu}[\pL\pN-]*\p{Lu}[\pL\pN-]*)(?:\s*[:\x{2013}\x{2014}]|\s+-)\s+(.*\p{Ll}{3}.*)$`)
	acronymAfter   = regexp.MustCompile(`^(.*\p{Ll}{3}.*\S)\s+[-\x{2013}\x{2014}]\s+([\pL\pN-]*\p{Lu}[\pL\pN-]*\p{Lu}[\pL\pN-]*)$`)
	acronymLast    = regexp.MustCompile(`^(.*\S)\s*\(([\pL\pN-]*\p{Lu}[\pL\pN-]*\p{Lu}[\pL\pN-]*)\)$`)
	footnoteStart  = regexp.MustCompile(`^(?:[*†‡¹²³⁴]|\(?\d{1,2}\)\s|(?i:nb|n\.b\.|notes?|sources?|l[eé]gende|remarques?)\s*[:.])`)
	pageMark       = regexp.MustCompile(`^(?i:(?:[-\x{2013}\x{2014}] ?)?(?:p\.|page)? ?\d+(?: ?(?:/|sur|de) ?\d+)?(?: ?[-\x{2013}\x{2014}])?)$`)
	plainSheet     = regexp.MustCompile(`^(?:(?:feuil|feuille|sheet|tableau|table|tab|page|annexe?|liste|list|donnee|data|export|arrete|bo|crmr|centre|labellisation)(?: .*|\d*)|[\d ]*|.*\d{4}.*)$`)
	numeric        = regexp.MustCompile(`^\d+(?:[ \x{00a0}\x{202f}]\d{3})*$`)
)

// annexHeaders says that columns are those of a list of centres.
func annexHeaders(columns []column) bool {
	return holds(columns, network, acronym, establishment, site, city)
}

// readSheet reads a sheet, and says whether it holds a table.
func (a *reader) readSheet(g *grid) bool {
	if g.hidden {
		a.Ignored = append(a.Ignored, &Error{Place: Place{Sheet: g.sheet}, Reason: sheetHidden})
		return false
	}
	s := &sheetReader{reader: a, headings: map[level]string{}}
	s.table = table{grid: g, head: -1, enough: annexHeaders, tell: func(e *Error) { a.Problems = append(a.Problems, e) }}
	before := len(a.Ignored)
	for row := range g.rows {
		if s.empty(row) {
			s.above = nil
			continue
		}
		if row < len(g.unshown) && g.unshown[row] && (row == 0 || !g.unshown[row-1]) {
			s.problem(row, -1, rowHidden)
		}
		s.row(row)
	}
	if s.counts {
		a.Ignored = append(a.Ignored[:before], &Error{Place: Place{Sheet: g.sheet}, Reason: sheetOfCounts})
		return false
	}
	if s.head >= 0 {
		return true
	}
	a.Ignored = append(a.Ignored[:before], &Error{Place: Place{Sheet: g.sheet}, Reason: sheetWithoutTable})
	return false
}

func (s *sheetReader) row(row int) {
	above := s.above
	s.above = nil
	if columns := s.columnsOf(row); columns != nil {
		s.header(row, columns)
		return
	}
	_, first := s.own(row)
	text := s.at(row, first).text
	switch {
	case s.counts:
	case s.total(row):
	case s.single(row) && s.heading(row, text):
	case s.head < 0:
		if s.single(row) {
			s.title = row + 1
		}
		s.ignore(row, titleRow)
	case s.single(row) && first < len(s.columns) && s.columns[first].field == head && above != nil:
		above.Heads = append(above.Heads, s.heads(row, head)...) // a name went to the next row
		s.above = above
	case s.single(row) && s.headingColumn(row, first):
		if !s.linesFollow(row) {
			if s.namesFiliere(row, tidy(text)) {
				s.problem(row, first, filierePresumed)
				s.underFiliere(row, tidy(text), text)
				return
			}
			s.ignore(row, headingUnplaced)
			return
		}
		s.networkHeading(row, text)
	case s.figures(row):
		s.ignore(row, totalUnreadable)
	default:
		s.line(row)
	}
}

// header begins a table, or goes on with it.
func (s *sheetReader) header(row int, columns []column) {
	first := s.head < 0
	s.broken = false
	if !first {
		s.ignore(row, headerRepeated)
		s.broken = s.sameHeaders(columns)
	}
	if s.judge(row, columns) {
		s.counts = true
	}
	s.open(row, columns)
	if s.has(role) {
		s.endRole() // what stood above the headers was a title
	}
	if first && s.title > 0 && s.network == "" && !s.has(network) && !s.has(acronym) {
		s.Ignored = slices.DeleteFunc(s.Ignored, func(e *Error) bool { return e.Place == s.place(s.title-1) })
		s.networkHeading(s.title-1, s.firstText(s.title-1))
	}
}

// namesFiliere says that a heading looks like the name of a filière, and stands right above
// lines with networks of their own.
func (s *sheetReader) namesFiliere(row int, text string) bool {
	if s.has(filiere) || !filiereName.MatchString(text) {
		return false
	}
	if _, _, region := identifier.Region(text); region {
		return false
	}
	for next := row + 1; next < len(s.rows); next++ {
		if !s.empty(next) && s.columnsOf(next) == nil {
			return !s.single(next) && cmp.Or(s.text(next, network), s.text(next, acronym)) != ""
		}
	}
	return false
}

func (s *sheetReader) endRole() {
	s.role = ""
	delete(s.headings, ofRole)
}

func (s *sheetReader) ignore(row int, reason string) {
	s.Ignored = append(s.Ignored, s.fault(row, -1, reason))
}

// heading takes a row of one cell for the heading of a filière or of a role, or for a
// note.
func (s *sheetReader) heading(row int, text string) bool {
	plain := tidy(text)
	if m := filiereHeading.FindString(plain); m != "" {
		name := plain[len(m):]
		if k := key(name); k == "non precisee" || k == "not stated" {
			name = ""
		}
		s.underFiliere(row, name, text)
		return true
	}
	if s.head >= 0 && (footnoteStart.MatchString(plain) || pageMark.MatchString(plain)) {
		s.ignore(row, footnote)
		return true
	}
	if name := filiereIn(plain); s.head >= 0 && name != "" && !networkHeading.MatchString(plain) {
		s.underFiliere(row, name, text)
		return true
	}
	if r, ok := readRole(plain); ok && r != labellingv1.Role_ROLE_UNSPECIFIED && s.roleHeading(row) {
		s.role, s.roleUnder = plain, ofSheet
		for _, l := range []level{ofFiliere, ofNetwork} {
			if s.headings[l] != "" {
				s.roleUnder = l
			}
		}
		s.under(row, ofRole, text)
		return true
	}
	return false
}

// filiereIn is the filière that a heading names before or after that word; empty for a
// sentence about one.
func filiereIn(text string) string {
	at := filiereWithin.FindStringIndex(text)
	if at == nil || len(text) > 150 {
		return ""
	}
	if rest := tidy(strings.Trim(text[:at[0]]+" "+text[at[1]:], " –—:-()")); filiereName.MatchString(rest) {
		return rest
	}
	if after := tidy(strings.Trim(text[at[1]:], " –—:-()")); filiereName.MatchString(after) {
		return after
	}
	return ""
}

// underFiliere takes a row for the heading of a filière.
func (s *sheetReader) underFiliere(row int, name, text string) {
	s.filiere, s.network, s.acronym, s.last, s.broken = withoutSequel(name), "", "", Line{}, false
	s.under(row, ofFiliere, text)
}

// roleHeading tells a heading from a line of which the role alone is printed.
func (s *sheetReader) roleHeading(row int) bool {
	_, first := s.own(row)
	return s.head < 0 || s.headingColumn(row, first)
}

// headingColumn says that a cell that stands alone stands where headings do.
func (s *sheetReader) headingColumn(row, col int) bool {
	if col == 0 || s.at(row, col).wide || col >= len(s.columns) {
		return true
	}
	switch s.columns[col].field {
	case network, acronym, filiere, number, unknown:
		return true
	}
	return false
}

// under notes a heading, which ends those below it.
func (s *sheetReader) under(row int, l level, verbatim string) {
	if l < ofRole {
		if s.roleUnder >= l {
			s.endRole()
		}
		if l < ofNetwork {
			delete(s.headings, ofNetwork)
		}
	}
	delete(s.headings, l)
	if person.MatchString(verbatim) {
		s.problem(row, -1, personSuspected)
		verbatim = ""
	}
	s.headings[l] = s.verbatim(row, -1, verbatim)
}

// linesFollow says that lines without a network of their own follow a row, after
// headers or the heading of a role.
func (s *sheetReader) linesFollow(row int) bool {
	for next := row + 1; next < len(s.rows); next++ {
		if s.empty(next) || s.columnsOf(next) != nil {
			continue
		}
		if s.single(next) {
			if r, ok := readRole(s.firstText(next)); ok && r != labellingv1.Role_ROLE_UNSPECIFIED {
				continue
			}
			return false
		}
		return s.text(next, network) == ""
	}
	return false
}

// networkHeading takes a row for the title of the network of the lines that follow.
func (s *sheetReader) networkHeading(row int, text string) {
	title := withoutSequel(tidy(text))
	s.network, s.acronym = splitAcronym(title[len(networkHeading.FindString(title)):])
	s.under(row, ofNetwork, text)
}

func (s *sheetReader) firstText(row int) string {
	_, first := s.own(row)
	return s.at(row, first).text
}

var sequel = regexp.MustCompile(`(?i)\s*(?:\(|[-\x{2013}\x{2014}]\s?)\s*(?:suite(?: et fin)?|fin)\s*\)?$`)

// withoutSequel takes off a name that a page goes on with what says so.
func withoutSequel(name string) string { return sequel.ReplaceAllString(name, "") }

// splitAcronym takes off an acronym at the end of a title, in brackets or after a dash, or
// before it.
func splitAcronym(title string) (rest, acronym string) {
	if m := acronymLast.FindStringSubmatch(title); m != nil {
		return m[1], m[2]
	}
	rest, acronym = title, ""
	if m := acronymAfter.FindStringSubmatch(title); m != nil {
		rest, acronym = m[1], m[2]
	} else if m := acronymFirst.FindStringSubmatch(title); m != nil {
		rest, acronym = m[2], m[1]
	}
	if r, ok := readRole(acronym); acronym == "" || ok && r != labellingv1.Role_ROLE_UNSPECIFIED {
		return title, "" // "CRMR : ..." says what it is
	}
	return rest, acronym
}

// line reads a row as a line.
func (s *sheetReader) line(row int) {
	l := Line{
		Place: s.place(row), Cycle: s.text(row, cycle), Effect: s.text(row, effect), Region: s.text(row, region),
		City: s.text(row, city), Note: s.text(row, note), Source: s.text(row, source),
	}
	if n, err := strconv.ParseUint(s.text(row, number), 10, 32); err == nil {
		l.Number = uint32(n)
	}
	s.belong(row, &l)
	if s.has(seats) {
		s.windowOf(row, &l)
		s.seatsOf(row, l)
		return
	}
	s.roleOf(row, &l)
	l.Establishment = withSite(s.text(row, establishment), s.text(row, site))
	var reason string
	if l.Finess, reason = readFiness(s.text(row, finess)); reason != "" {
		s.doubt(row, finess, reason)
	}
	var ok bool
	if l.Department, ok = readDepartment(s.text(row, department)); !ok {
		s.doubt(row, department, departmentUnknown)
	}
	if s.has(population) {
		if l.Population, ok = readPopulation(s.text(row, population)); !ok {
			s.doubt(row, population, populationUnknown)
		}
	}
	if l.Heads = s.heads(row, head); len(l.Heads) == 0 && s.text(row, head) != "" && !dash(s.text(row, head)) {
		s.doubt(row, head, headNotNamed)
	}
	s.windowOf(row, &l)
	s.print(row, -1, &l)
	s.last = l
	s.Lines = append(s.Lines, l)
	s.above = &s.Lines[len(s.Lines)-1]
}

// belong finds the network and the filière of a line: its own, those of a heading, or
// those of the line above where the columns print them once.
func (s *sheetReader) belong(row int, l *Line) {
	l.Filiere, l.Network, l.Acronym = s.text(row, filiere), s.text(row, network), s.text(row, acronym)
	if !s.has(acronym) {
		l.Network, l.Acronym = splitAcronym(l.Network)
	}
	switch {
	case l.Network != "":
		s.broken = false
		s.network, s.acronym = "", "" // the heading's lines are over
		delete(s.headings, ofNetwork)
	case s.network != "" && (l.Acronym == "" || s.acronym == "" || l.Acronym == s.acronym):
		l.Network, l.Acronym = s.network, cmp.Or(l.Acronym, s.acronym)
	case l.Acronym != "":
		if l.Acronym == s.last.Acronym && s.goesDown(network) {
			l.Network = s.last.Network
		}
	case s.goesDown(network), !s.has(network) && s.goesDown(acronym):
		l.Network, l.Acronym = s.last.Network, s.last.Acronym
		l.Filiere = cmp.Or(l.Filiere, s.last.Filiere)
	case s.broken: // a page ends within a network
		l.Network, l.Acronym = s.last.Network, s.last.Acronym
		l.Filiere = cmp.Or(l.Filiere, s.last.Filiere)
		s.doubt(row, network, networkFromAbove)
	}
	if l.Network == "" && l.Acronym == "" {
		_, col := s.get(row, network)
		s.refused = append(s.refused, s.fault(row, col, networkMissing))
	}
	l.Filiere = cmp.Or(l.Filiere, s.filiere)
	if l.Filiere == "" && s.goesDown(filiere) {
		l.Filiere = s.last.Filiere
	}
	if m := filiereHeading.FindString(l.Filiere); s.text(row, filiere) != "" && m != "" {
		l.Filiere = l.Filiere[len(m):]
	}
}

func (s *sheetReader) roleOf(row int, l *Line) {
	l.RoleAsPrinted = s.text(row, role)
	if s.has(crosses) {
		l.RoleAsPrinted = s.crossed(row)
	}
	l.RoleAsPrinted = cmp.Or(l.RoleAsPrinted, s.role)
	if l.RoleAsPrinted == "" {
		if r, ok := readRole(s.sheet); ok && r != labellingv1.Role_ROLE_UNSPECIFIED {
			l.RoleAsPrinted = tidy(s.sheet)
		}
	}
	var ok bool
	if l.Role, ok = readRole(l.RoleAsPrinted); !ok {
		s.doubt(row, role, roleUnknown)
	}
	// "CRCM pédiatrique" says two things.
	for w := range strings.FieldsSeq(key(l.RoleAsPrinted)) {
		if p, ok := readPopulation(w); ok && len(w) > 3 && !s.has(population) && l.Role != labellingv1.Role_ROLE_UNSPECIFIED {
			if l.Population != topologyv1.Population_POPULATION_UNSPECIFIED && l.Population != p {
				p = topologyv1.Population_POPULATION_MIXED
			}
			l.Population = cmp.Or(p, l.Population)
		}
	}
}

func (s *sheetReader) windowOf(row int, l *Line) {
	ends := s.dated(row, end)
	if last := s.dated(row, lastDay); ends == "" {
		ends = dayAfter(last)
	}
	l.Period = period(s.dated(row, start), ends)
	if reversed(l.Period) {
		f := end
		if s.text(row, end) == "" {
			f = lastDay
		}
		_, col := s.get(row, f)
		s.refused = append(s.refused, s.fault(row, col, periodReversed))
	}
}

// print keeps the cells of a line verbatim, and the headings above it; of columns of seats
// its own alone.
func (s *sheetReader) print(row, seat int, l *Line) {
	for _, at := range []level{ofFiliere, ofNetwork, ofRole} {
		if v := s.headings[at]; v != "" {
			l.AsPrinted = append(l.AsPrinted, &eventv1.Printed{Field: "heading", Value: v})
		}
	}
	for i, c := range s.columns {
		v := clean(s.at(row, i).text)
		switch {
		case formulaError(s.at(row, i).text):
			s.problem(row, i, cellError)
		case tidy(v) == "", c.field == seats && i != seat:
		case c.field.named(), c.field == unknown, c.field == note, c.field == source:
		case person.MatchString(v):
			s.problem(row, i, personSuspected)
		case slices.Contains([]field{start, end, lastDay, date, tenure}, c.field) && numeric.MatchString(v):
			iso, _ := readDate(v, s.date1904) // what the sheet shows is a date
			l.AsPrinted = append(l.AsPrinted, &eventv1.Printed{Field: c.header, Value: cmp.Or(iso, v)})
		default:
			l.AsPrinted = append(l.AsPrinted, &eventv1.Printed{Field: c.header, Value: s.verbatim(row, i, v)})
		}
	}
}

// verbatim refuses what is too long to be kept.
func (s *sheetReader) verbatim(row, col int, v string) string {
	v = clean(v)
	if len([]rune(v)) > maxPrinted {
		s.refused = append(s.refused, s.fault(row, col, cellTooLong))
		return ""
	}
	return v
}

// numberLines keeps the printed numbers where they tell the lines apart.
func (a *reader) numberLines() {
	seen := map[uint32]bool{}
	printed := false
	var bad *Line
	for i := range a.Lines {
		l := &a.Lines[i]
		printed = printed || l.Number != 0
		if bad == nil && (l.Number == 0 || seen[l.Number]) {
			bad = l
		}
		seen[l.Number] = true
	}
	if bad == nil {
		return
	}
	if printed {
		a.Problems = append(a.Problems, &Error{Place: bad.Place, Reason: numberUnusable})
	}
	for i := range a.Lines {
		a.Lines[i].Number = uint32(i + 1)
	}
}

// nameSheets takes a sheet's name for the filière of its lines, where several sheets
// hold tables, none of the sheet's lines has a filière, and the name is no general one.
func (a *reader) nameSheets() {
	for lines := a.Lines; len(lines) > 0; {
		sheet := lines[0].Sheet
		n := slices.IndexFunc(lines, func(l Line) bool { return l.Sheet != sheet })
		if n < 0 {
			n = len(lines)
		}
		of := lines[:n]
		lines = lines[n:]
		name := tidy(sheet)
		r, ok := readRole(name)
		if plainSheet.MatchString(key(name)) || ok && r != labellingv1.Role_ROLE_UNSPECIFIED ||
			slices.ContainsFunc(of, func(l Line) bool { return l.Filiere != "" }) {
			continue
		}
		a.Problems = append(a.Problems, &Error{Place: Place{Sheet: sheet}, Reason: filiereFromSheet})
		for i := range of {
			of[i].Filiere = name[len(filiereHeading.FindString(name)):]
		}
	}
}

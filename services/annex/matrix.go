package annex

import (
	"regexp"
	"slices"
	"strings"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/identifier"
)

// Some lists have one row per network and a column per role, with hospitals in the cells,
// and some a row per centre with a cross under its role. "Coordonnateur" heads such a column
// as well as one of names of persons: which it is, its cells tell.

// saysPlaces says that a header names places, and what else it says.
func saysPlaces(header string) (rest string, places bool) {
	words := strings.Fields(key(brackets.ReplaceAllString(header, " ")))
	other := slices.DeleteFunc(slices.Clone(words), func(w string) bool {
		return slices.Contains([]string{"etablissement", "hopital", "hopitaux", "hospitalier", "ville"}, w)
	})
	return strings.Join(other, " "), len(other) < len(words)
}

// roleOfHeader is the role that a header names, unspecified for any other.
func roleOfHeader(header string) labellingv1.Role {
	header, _ = saysPlaces(header)
	switch r, _ := readRole(header); r {
	case labellingv1.Role_ROLE_COORDINATOR, labellingv1.Role_ROLE_CONSTITUTIVE,
		labellingv1.Role_ROLE_COMPETENCE, labellingv1.Role_ROLE_RESOURCE_AND_COMPETENCE:
		return r
	}
	return labellingv1.Role_ROLE_UNSPECIFIED
}

// severalRoles says that headers name two roles or more, which no line does.
func severalRoles(texts []string) bool {
	var first labellingv1.Role
	for _, text := range texts {
		r := roleOfHeader(text)
		if r == labellingv1.Role_ROLE_UNSPECIFIED {
			continue
		}
		if first != labellingv1.Role_ROLE_UNSPECIFIED && r != first {
			return true
		}
		first = r
	}
	return false
}

// contents counts what the cells under headers of roles hold.
type contents struct{ all, persons, places, marks, numbers int }

// judge decides by what is below what columns are that headers of roles name: of hospitals,
// of crosses, or of persons and others as their headers say. What is not certain is refused.
// counts says that the table counts centres and lists none.
func (s *sheetReader) judge(row int, columns []column) (counts bool) {
	if s.head >= 0 && s.sameHeaders(columns) {
		for i := range columns {
			columns[i].field = s.columns[i].field
		}
		return false
	}
	var of []int
	headers := make([]string, len(columns))
	for i, c := range columns {
		headers[i] = c.header
		if roleOfHeader(c.header) != labellingv1.Role_ROLE_UNSPECIFIED && (c.field == seats || c.field == head || c.field == unknown) {
			of = append(of, i)
		}
	}
	found, several := s.contentsOf(row, columns, of), severalRoles(headers)
	placed := holds(columns, establishment, site, city)
	said := !slices.ContainsFunc(of, func(i int) bool { _, places := saysPlaces(headers[i]); return !places })
	persons := slices.ContainsFunc(of, func(i int) bool { return columns[i].field == head })
	listed := found.persons == 0 && !placed && !holds(columns, role) && (found.places > 0 && 2*found.places >= found.all || said && several)
	become := func(f field) {
		for _, i := range of {
			columns[i].field, columns[i].again, columns[i].byWord = f, false, false
		}
	}
	switch {
	case several && placed && found.all > 0 && found.marks == found.all:
		become(crosses)
	case several && found.all > 0 && found.numbers == found.all:
		return true
	case listed:
		become(seats)
		return false
	case several && found.all > 0 && (found.places > 0 || found.persons == 0),
		persons && !several && found.places > 0 && (!placed || 2*found.places >= found.all):
		for _, i := range of {
			s.refused = append(s.refused, s.headed(row, i, columns, columnAmbiguous))
		}
	}
	for _, i := range of {
		if columns[i].field == seats {
			columns[i].field = unknown
		}
	}
	return false
}

// headed is the fault of a column that is not in force yet.
func (s *sheetReader) headed(row, col int, columns []column, reason string) *Error {
	e := s.fault(row, col, reason)
	e.Header = columns[col].header
	return e
}

// contentsOf counts what the cells of some columns hold, down to other headers.
func (s *sheetReader) contentsOf(row int, columns []column, of []int) (found contents) {
	for next := row + 1; next < len(s.rows) && len(of) > 0; next++ {
		texts := make([]string, len(s.rows[next]))
		for i, c := range s.rows[next] {
			texts[i] = c.text
		}
		again := !slices.ContainsFunc(of, func(i int) bool { return tidy(s.at(next, i).text) != columns[i].header })
		switch {
		case again:
			continue
		case recognised(texts, s.fieldOf) > 2:
			return found
		}
		for _, i := range of {
			if c := s.at(next, i); !c.filled && !s.single(next) {
				found.add(c.text)
			}
		}
	}
	return found
}

func (c *contents) add(cell string) {
	parts, _ := split(cell)
	for _, part := range parts {
		c.all++
		switch k := key(part); {
		case person.MatchString(part):
			c.persons++
		case named(part) || knownTown(part):
			c.places++
		case numeric.MatchString(part):
			c.numbers++
			if part == "1" {
				c.marks++
			}
		case k == "x" || k == "oui" || strings.Trim(part, "✓✔●•×☒") == "":
			c.marks++
		}
	}
}

// hospitalWords are words that a name of a hospital has and that of a person has not.
var hospitalWords = regexp.MustCompile(`(?:^| )(?:chu|chru|chr|chi|ch|ghu|gh|ghi|hcl|ap h[pm]|aph[pm]|hopital|hopitaux|hop|hospitali(?:er|ere)|hospices|clinique|institut|fondation|hotel dieu|etablissement)(?: |$)`)

// named says that a text is a hospital's name by its words.
func named(text string) bool { return hospitalWords.MatchString(identifier.Words(text)) }

// towns are those of university hospitals and others that lists print alone.
var towns = strings.Split("amiens|angers|avignon|besancon|bordeaux|bondy|boulogne billancourt|brest|bron|caen|chambery|clermont ferrand|clichy|creteil|dijon|"+
	"fort de france|garches|grenoble|ivry sur seine|la reunion|la rochelle|la tronche|le kremlin bicetre|le mans|lille|limoges|lyon|marseille|metz|montpellier|"+
	"mulhouse|nancy|nantes|nice|nimes|orleans|paris|pau|perpignan|pointe a pitre|poitiers|reims|rennes|rouen|saint denis|saint etienne|saint pierre|"+
	"strasbourg|suresnes|toulouse|tours|troyes|vandoeuvre les nancy|villejuif|villeurbanne", "|")

// knownTown says that a text is the name of a town and no more.
func knownTown(text string) bool {
	_, department := departmentByName[identifier.Fold(text)]
	return department || slices.Contains(towns, identifier.Words(text))
}

// split divides a cell into the hospitals or towns that it names. Those on lines of their
// own or with semicolons between them are several. Another sign divides them where what
// stands on both sides begins with the same word, or is a town: a slash that does not leaves
// open whether they are one or several.
func split(cell string) (parts []string, certain bool) {
	certain = true
	for part := range strings.FieldsFuncSeq(clean(cell), func(r rune) bool { return r == ';' || r == '\n' || r == '\r' }) {
		part = strings.TrimLeft(tidy(part), "-–—•* ")
		if dash(part) {
			continue
		}
		if several := alike(part); several != nil {
			parts = append(parts, several...)
			continue
		}
		certain = certain && !strings.Contains(part, "/")
		parts = append(parts, part)
	}
	return parts, certain
}

var besideOneAnother = regexp.MustCompile(`\s*[/,+]\s*|\s+(?:et|and)\s+`)

// alike divides a text into places that are named alike, nil where they are not.
func alike(text string) []string {
	parts := besideOneAnother.Split(text, -1)
	kind := func(part string) string {
		if knownTown(part) {
			return "town"
		}
		first, _, _ := strings.Cut(identifier.Words(part), " ")
		if !hospitalWords.MatchString(first) {
			return ""
		}
		return first
	}
	first := kind(parts[0])
	if len(parts) == 1 || first == "" || slices.ContainsFunc(parts, func(p string) bool { return kind(p) != first || key(p) == first }) {
		return nil
	}
	return parts
}

// seatsOf reads a row of a network as a line for each hospital or town in its cells.
func (s *sheetReader) seatsOf(row int, of Line) {
	before := len(s.Lines)
	for i, c := range s.columns {
		cell := s.at(row, i)
		if c.field != seats || cell.filled {
			continue
		}
		parts, certain := split(cell.text)
		if !certain {
			s.refused = append(s.refused, s.fault(row, i, cellAmbiguous))
		}
		for _, part := range parts {
			l := of
			l.Number, l.RoleAsPrinted, l.Role = 0, s.withoutCall(c.header), roleOfHeader(c.header)
			if part = s.withoutCall(part); knownTown(part) {
				l.City = part
			} else {
				l.Establishment = part
			}
			s.print(row, i, &l)
			s.Lines = append(s.Lines, l)
		}
	}
	if s.last = of; len(s.Lines) == before {
		s.ignore(row, headingUnplaced)
	}
}

// crossed is the header of the one column of roles that has a cross in a row.
func (s *sheetReader) crossed(row int) (header string) {
	for i, c := range s.columns {
		if text := tidy(s.at(row, i).text); c.field != crosses || dash(text) {
			continue
		}
		if header != "" {
			s.problem(row, i, roleUnknown)
			return ""
		}
		header = c.header
	}
	return header
}

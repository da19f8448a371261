package annex

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/xuri/excelize/v2"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/identifier"
)

// column is one of a table's.
type column struct {
	field  field
	header string // as printed, on one line
	again  bool   // another column before it says the same
	byWord bool   // the header is none of those known: its words say what the column is
	down   bool   // an empty cell means the one above
}

// table walks the rows of a sheet: what stands above the table, then its rows, its
// headings, and its headers again where a page broke.
type table struct {
	*grid
	columns []column
	head    int // row of the headers in force, from 0; -1 above the table
	enough  func([]column) bool
	tell    func(*Error)
	fields  map[string]field // of texts already looked at: most come again and again
	calls   []string         // of the footnotes of the sheet, as texts end with them; nil before it is looked through
}

func (t *table) fieldOf(text string) field {
	f, known := t.fields[text]
	if !known {
		if t.fields == nil {
			t.fields = map[string]field{}
		}
		f = fieldOf(text)
		t.fields[text] = f
	}
	return f
}

// columnsOf reads a row as headers, or returns nil if it is none.
func (t *table) columnsOf(row int) []column {
	texts := make([]string, len(t.rows[row]))
	for i, c := range t.rows[row] {
		texts[i] = c.text
	}
	fieldOf := t.fieldOf
	if (t.head < 0 || t.has(seats) || t.has(crosses)) && severalRoles(texts) {
		fieldOf = func(text string) field {
			if f := t.fieldOf(text); f != unknown || roleOfHeader(text) == labellingv1.Role_ROLE_UNSPECIFIED {
				return f
			}
			return seats
		}
	}
	known, presume := recognised(texts, fieldOf), false
	if known == 0 && t.head < 0 && len(t.rows[row]) > 2 { // then every one of its headers must say something
		known = recognised(texts, presumedField)
		presume = known > 2 && !slices.ContainsFunc(texts, func(s string) bool { return !blank(s) && presumedField(s) == unknown })
	}
	if known == 0 || !presume && recognised(texts, fieldOf) == 0 {
		return nil
	}
	columns := make([]column, len(texts))
	filled := 0
	for i, text := range texts {
		columns[i] = column{header: cut(tidy(text), 100)}
		if columns[i].header == "" {
			continue
		}
		filled++
		columns[i].field = fieldOf(text)
		if f := presumedField(text); columns[i].field == unknown && f != unknown &&
			!slices.ContainsFunc(texts, func(s string) bool { return fieldOf(s) == f }) {
			columns[i].field, columns[i].byWord = f, true
		}
		columns[i].again = columns[i].field != other && columns[i].field != seats && !columns[i].field.named() && slices.ContainsFunc(columns[:i], func(c column) bool {
			return c.field == columns[i].field && c.field != unknown
		})
	}
	if !t.enough(columns) {
		return nil
	}
	// Within the table a line may hold a word or two that are headers elsewhere.
	if t.head >= 0 && (known < 3 || known < filled) && !t.sameHeaders(columns) {
		return nil
	}
	return columns
}

func (t *table) sameHeaders(columns []column) bool {
	return slices.EqualFunc(columns, t.columns, func(a, b column) bool { return a.header == b.header })
}

// cut shortens a text to so many characters.
func cut(s string, length int) string {
	r := []rune(s)
	return string(r[:min(len(r), length)])
}

// open takes a row for the headers of what follows, and tells what is odd about them.
func (t *table) open(row int, columns []column) {
	again := t.head >= 0 && t.sameHeaders(columns)
	t.head, t.columns = row, columns
	for i := range columns {
		columns[i].down = t.printedOnce(row, i)
		if !again && t.hides(i) && (columns[i].header != "" || t.used(row, i)) {
			t.problem(row, i, columnHidden)
		}
		switch c := columns[i]; {
		case again:
		case (c.field == unknown || c.field == date && !holds(columns, outgoing, incoming)) && (c.header != "" || t.used(row, i)):
			t.problem(row, i, columnUnknown)
		case c.again:
			t.problem(row, i, columnRepeated)
		case c.byWord:
			t.problem(row, i, columnPresumed)
		}
	}
}

// used says that a column without header holds something below.
func (t *table) used(row, col int) bool {
	for r := row + 1; r < len(t.rows); r++ {
		if c := t.at(r, col); c.text != "" && !c.filled && !t.single(r) {
			return true
		}
	}
	return false
}

// printedOnce says that a column prints a value on the first of its lines alone, as if
// its cells were merged: it has empty cells, no merged ones, and no value twice running.
func (t *table) printedOnce(row, col int) bool {
	if f := t.columns[col].field; f != network && f != acronym && f != filiere {
		return false
	}
	empty, above := false, ""
	for r := row + 1; r < len(t.rows); r++ {
		c := t.at(r, col)
		text := tidy(c.text)
		if c.filled || text != "" && text == above {
			return false
		}
		empty = empty || text == "" && !t.empty(r)
		above = text
	}
	return empty
}

// own counts the cells that a row has of its own, and finds the first.
func (t *table) own(row int) (count, first int) {
	for i, c := range slices.Backward(t.rows[row]) {
		if !c.filled && !blank(c.text) {
			count, first = count+1, i
		}
	}
	return count, first
}

func (t *table) empty(row int) bool {
	n, _ := t.own(row)
	return n == 0
}

// single says that a row holds one cell and stands under no merged one: a heading, most
// often.
func (t *table) single(row int) bool {
	n, _ := t.own(row)
	return n == 1 && !slices.ContainsFunc(t.rows[row], func(c cell) bool { return c.filled })
}

// get is the cell of a field in a row, and its column, -1 if it has none.
func (t *table) get(row int, f field) (cell, int) {
	for i, c := range t.columns {
		if c.field == f && !c.again {
			return t.at(row, i), i
		}
	}
	return cell{}, -1
}

// text is a cell's without the call of a footnote at its end.
func (t *table) text(row int, f field) string {
	c, _ := t.get(row, f)
	text := tidy(clean(c.text))
	if f == filiere || f == network {
		text = withoutSequel(text)
	}
	switch f {
	case filiere, network, acronym, role, establishment, site, city:
		text = t.withoutCall(text)
	}
	return text
}

var (
	footnoteSign = regexp.MustCompile(`^(?:\(?(\d{1,2})\)|([*†‡¹²³⁴]+))`)
	calling      = regexp.MustCompile(`\s*(?:\(\d{1,2}\)|[*†‡¹²³⁴]+)$`)
)

// withoutCall takes off the end of a text what calls a footnote of the sheet.
func (t *table) withoutCall(text string) string {
	if !calling.MatchString(text) {
		return text
	}
	if t.calls == nil {
		t.calls = []string{}
		for row := t.head + 1; row < len(t.rows); row++ {
			if n, first := t.own(row); n == 1 {
				if m := footnoteSign.FindStringSubmatch(tidy(t.at(row, first).text)); m != nil {
					t.calls = append(t.calls, cmp.Or(m[2], "("+m[1]+")"))
				}
			}
		}
	}
	for again := true; again; {
		again = false
		for _, call := range t.calls {
			if rest, ok := strings.CutSuffix(text, call); ok && strings.TrimSpace(rest) != "" {
				text, again = strings.TrimSpace(rest), true
			}
		}
	}
	return text
}

func (t *table) has(f field) bool { return holds(t.columns, f) }

func holds(columns []column, of ...field) bool {
	return slices.ContainsFunc(columns, func(c column) bool { return slices.Contains(of, c.field) })
}

func (t *table) place(row int) Place { return Place{Sheet: t.sheet, Row: row + 1} }

// fault names a cell; col is -1 for the row as a whole.
func (t *table) fault(row, col int, reason string) *Error {
	e := &Error{Place: t.place(row), Reason: reason}
	if col >= 0 {
		e.Cell, _ = excelize.CoordinatesToCellName(col+1, row+1)
		if col < len(t.columns) {
			e.Header = t.columns[col].header
		}
	}
	return e
}

func (t *table) problem(row, col int, reason string) { t.tell(t.fault(row, col, reason)) }

// doubt tells of the cell of a field.
func (t *table) doubt(row int, f field, reason string) {
	_, col := t.get(row, f)
	t.problem(row, col, reason)
}

// heads are the persons that a row names in the columns of a field, a title and a first
// name of columns of their own included.
func (t *table) heads(row int, f field) (heads []string) {
	for i, c := range t.columns {
		if c.field == f {
			heads = append(heads, readHeads(clean(t.at(row, i).text))...)
		}
	}
	for i := range heads {
		heads[i] = t.withoutCall(heads[i])
	}
	if f == head && len(heads) == 1 {
		heads[0] = tidy(t.text(row, headTitle) + " " + t.text(row, headFirst) + " " + heads[0])
	}
	return heads
}

// dated reads a date; an oddity is told.
func (t *table) dated(row int, f field) string {
	text := t.text(row, f)
	iso, ok := readDate(text, t.date1904)
	if !ok {
		t.doubt(row, f, dateUnreadable)
	}
	return iso
}

// since is the date of the first of some fields that has a column.
func (t *table) since(row int, fields ...field) string {
	for _, f := range fields {
		if t.has(f) {
			return t.dated(row, f)
		}
	}
	return ""
}

// goesDown says that an empty cell of a field means the one above.
func (t *table) goesDown(f field) bool {
	_, col := t.get(t.head, f)
	return col >= 0 && t.columns[col].down
}

// withSite names an establishment by the columns of a legal entity and of its site.
func withSite(establishment, site string) string {
	if strings.Contains(identifier.Fold(establishment), identifier.Fold(site)) {
		return establishment
	}
	return tidy(establishment + " " + site)
}

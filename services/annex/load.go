package annex

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"io"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"
)

// What is far beyond any annex: that of 2023 has some 2,500 lines.
const (
	maxFile     = 20 << 20  // bytes
	maxUnzipped = 100 << 20 // bytes
	maxCells    = 1 << 20   // of a file, merged ones counted over
	maxRows     = 100_000   // of a sheet
	maxSheets   = 300
	maxHidden   = 1000 // spans of columns of a sheet
)

// grid is the cells of a sheet. Rows may differ in length.
type grid struct {
	sheet    string
	hidden   bool
	date1904 bool
	rows     [][]cell
	unshown  []bool // rows that the sheet hides, if any
	folded   []span // columns that it hides
}

// span is columns from one to another, from 1.
type span struct{ from, to int }

// hides says that the sheet hides a column, from 0.
func (g *grid) hides(col int) bool {
	return slices.ContainsFunc(g.folded, func(s span) bool { return s.from <= col+1 && col+1 <= s.to })
}

type cell struct {
	text   string
	filled bool // the text stands in the cell that this one was merged with, above or beside
	wide   bool // merged with cells to its right
}

func (g *grid) at(row, col int) cell {
	if row < 0 || row >= len(g.rows) || col >= len(g.rows[row]) {
		return cell{}
	}
	return g.rows[row][col]
}

// ole begins every file of Microsoft's compound format: workbooks before 2007, and
// later ones under a password.
var ole = []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")

// encryptedPackage is the stream of a compound file that holds a workbook under a
// password, as its directory names it.
var encryptedPackage = []byte("E\x00n\x00c\x00r\x00y\x00p\x00t\x00e\x00d\x00P\x00a\x00c\x00k\x00a\x00g\x00e\x00")

// load reads a file into its sheets.
func load(name string, r io.Reader) (raw []byte, grids []*grid, err error) {
	refuse := func(reason string) (b []byte, g []*grid, e error) {
		return nil, nil, &Error{File: name, Reason: reason}
	}
	raw, err = io.ReadAll(io.LimitReader(r, maxFile+1))
	switch {
	case err != nil:
		return nil, nil, errors.Join(&Error{File: name, Reason: notReadable}, err)
	case len(raw) > maxFile:
		return refuse(tooLarge)
	case bytes.HasPrefix(raw, ole) && bytes.Contains(raw, encryptedPackage):
		return refuse(encrypted)
	case bytes.HasPrefix(raw, ole):
		return refuse(oldFormat)
	case bytes.HasPrefix(raw, []byte("PK\x03\x04")):
		grids, err = workbook(raw)
	case bytes.HasPrefix(raw, []byte("%PDF")), bytes.HasPrefix(raw, []byte(`{\rtf`)):
		return refuse(notASpreadsheet)
	default:
		grids, err = text(raw)
	}
	if e, ok := errors.AsType[*Error](err); ok {
		e.File = name
		return nil, nil, e
	}
	return raw, grids, err
}

// workbook reads an XLSX workbook, with the values its formulas had when it was saved.
func workbook(raw []byte) (grids []*grid, err error) {
	// The library is fed hostile files here and indexes what they promise.
	defer func() {
		if recover() != nil {
			grids, err = nil, &Error{Reason: notASpreadsheet}
		}
	}()
	archive, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		return nil, &Error{Reason: notASpreadsheet}
	}
	size := uint64(0)
	for _, f := range archive.File {
		// Reading fails where a file unzips to more than it says here.
		if f.UncompressedSize64 > maxUnzipped || size+f.UncompressedSize64 > maxUnzipped {
			return nil, &Error{Reason: tooLarge}
		}
		size += f.UncompressedSize64
	}
	f, err := excelize.OpenReader(bytes.NewReader(raw), excelize.Options{
		RawCellValue:      true, // formats are the reader's locale, and hide digits
		UnzipSizeLimit:    maxUnzipped,
		UnzipXMLSizeLimit: maxUnzipped, // nothing is unzipped to disk
	})
	if err != nil {
		return nil, &Error{Reason: notASpreadsheet}
	}
	defer func() { _ = f.Close() }() // nothing is on disk
	names := f.GetSheetList()
	if len(names) == 0 {
		return nil, &Error{Reason: notASpreadsheet}
	}
	if len(names) > maxSheets {
		return nil, &Error{Reason: tooLarge}
	}
	props, err := f.GetWorkbookProps()
	if err != nil {
		return nil, &Error{Reason: notASpreadsheet}
	}
	budget := maxCells
	for _, name := range names {
		g := &grid{sheet: name, date1904: props.Date1904 != nil && *props.Date1904}
		visible, err := f.GetSheetVisible(name)
		g.hidden = err == nil && !visible
		if !g.hidden {
			if err := g.fill(f, &budget); err != nil {
				return nil, err
			}
		}
		grids = append(grids, g)
	}
	return grids, nil
}

func (g *grid) fill(f *excelize.File, budget *int) error {
	rows, err := f.Rows(g.sheet)
	if err != nil {
		return nil //nolint:nilerr // a chart or dialogue sheet: it has no cells
	}
	for rows.Next() {
		texts, err := rows.Columns()
		if err != nil {
			return &Error{Place: Place{Sheet: g.sheet, Row: len(g.rows) + 1}, Reason: notASpreadsheet}
		}
		if *budget -= len(texts); *budget < 0 || len(g.rows) >= maxRows {
			return &Error{Place: Place{Sheet: g.sheet}, Reason: tooLarge}
		}
		row := make([]cell, len(texts))
		for i, t := range texts {
			row[i].text = t
		}
		g.rows = append(g.rows, row)
		g.unshown = append(g.unshown, rows.GetRowOpts().Hidden)
	}
	if rows.Error() != nil || rows.Close() != nil {
		return &Error{Place: Place{Sheet: g.sheet}, Reason: notASpreadsheet}
	}
	part := sheetPart(f, g.sheet)
	g.blameFormulas(part)
	g.folded = hiddenColumns(part)
	for _, m := range mergedCells(part) {
		if err := g.merge(m, budget); err != nil {
			return err
		}
	}
	return nil
}

// unsaved is the cell of a formula without the value it has.
var unsaved = regexp.MustCompile(`<c r="([A-Z]{1,3}\d{1,7})"[^>]*><f(?:[^>]*/>|[^>]*>[^<]*</f>)(?:<v/>|<v></v>)?</c>`)

// blameFormulas writes the error of a formula where a program other than a spreadsheet
// wrote a formula and no value: what the sheet shows is not known.
func (g *grid) blameFormulas(part []byte) {
	for _, m := range unsaved.FindAllSubmatch(part, -1) {
		col, row, err := excelize.CellNameToCoordinates(string(m[1]))
		if err != nil || row > len(g.rows) {
			continue
		}
		if of := &g.rows[row-1]; col <= len(*of) && (*of)[col-1].text == "" {
			(*of)[col-1].text = "#N/A"
		} else if col == len(*of)+1 {
			*of = append(*of, cell{text: "#N/A"})
		}
	}
}

// hiddenColumns are the columns that a sheet hides: it says so before its rows.
func hiddenColumns(part []byte) (hidden []span) {
	head, _, _ := bytes.Cut(part, []byte("sheetData"))
	d := xml.NewDecoder(bytes.NewReader(head))
	for {
		token, err := d.RawToken()
		if err != nil || len(hidden) == maxHidden {
			return hidden
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "col" {
			continue
		}
		var s span
		var is bool
		for _, a := range start.Attr {
			switch a.Name.Local {
			case "min":
				s.from, _ = strconv.Atoi(a.Value)
			case "max":
				s.to, _ = strconv.Atoi(a.Value)
			case "hidden":
				is, _ = strconv.ParseBool(a.Value)
			}
		}
		if is {
			hidden = append(hidden, s)
		}
	}
}

// mergedCells are the ranges of merged cells of a sheet, as B2:B14. The library can tell
// them too, but takes gigabytes to do so where a file of a few kilobytes asks for it.
func mergedCells(part []byte) (ranges []string) {
	// What follows the rows is short.
	end := bytes.LastIndex(part, []byte("sheetData>"))
	if end < 0 {
		return nil
	}
	d := xml.NewDecoder(bytes.NewReader(part[end+len("sheetData>"):]))
	for {
		token, err := d.RawToken()
		if err != nil {
			return ranges
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "mergeCell" {
			continue
		}
		for _, a := range start.Attr {
			if a.Name.Local == "ref" {
				ranges = append(ranges, a.Value)
			}
		}
	}
}

// sheetPart is the XML of a sheet, found by way of the workbook's relations.
func sheetPart(f *excelize.File, sheet string) (part []byte) {
	id := ""
	for _, s := range f.WorkBook.Sheets.Sheet {
		if s.Name == sheet {
			id = s.ID
		}
	}
	f.Pkg.Range(func(name, value any) bool {
		rels, ok := name.(string)
		if !ok || !strings.HasSuffix(rels, "_rels/workbook.xml.rels") {
			return true
		}
		var relations struct {
			Relationship []struct {
				ID     string `xml:"Id,attr"`
				Target string `xml:"Target,attr"`
			}
		}
		if b, ok := value.([]byte); !ok || xml.Unmarshal(b, &relations) != nil {
			return true
		}
		for _, r := range relations.Relationship {
			if r.ID != id {
				continue
			}
			target := r.Target
			if !strings.HasPrefix(target, "/") {
				target = path.Join(path.Dir(path.Dir(rels)), target)
			}
			if v, ok := f.Pkg.Load(strings.TrimPrefix(target, "/")); ok {
				part, _ = v.([]byte)
			}
		}
		return false
	})
	return part
}

// merge repeats a merged cell's text down its first column, and marks it as wide where
// it is so.
func (g *grid) merge(ref string, budget *int) error {
	first, last, _ := strings.Cut(ref, ":")
	left, top, err1 := excelize.CellNameToCoordinates(first)
	right, bottom, err2 := excelize.CellNameToCoordinates(last)
	if err1 != nil || err2 != nil {
		return nil //nolint:nilerr // no range: nothing is merged
	}
	if *budget--; *budget < 0 {
		return &Error{Place: Place{Sheet: g.sheet}, Reason: tooLarge}
	}
	if top > len(g.rows) || left > len(g.rows[top-1]) {
		return nil
	}
	origin := &g.rows[top-1][left-1]
	origin.wide = right > left
	if origin.text == "" {
		return nil
	}
	c := cell{text: origin.text, filled: true, wide: origin.wide}
	for r := top; r < min(bottom, len(g.rows)); r++ {
		if *budget -= left; *budget < 0 {
			return &Error{Place: Place{Sheet: g.sheet}, Reason: tooLarge}
		}
		for len(g.rows[r]) < left {
			g.rows[r] = append(g.rows[r], cell{})
		}
		if g.rows[r][left-1].text == "" {
			g.rows[r][left-1] = c
		}
	}
	return nil
}

// text reads a CSV file.
func text(raw []byte) ([]*grid, error) {
	if bytes.IndexByte(raw, 0) >= 0 && !bytes.HasPrefix(raw, []byte("\xff\xfe")) && !bytes.HasPrefix(raw, []byte("\xfe\xff")) {
		return nil, &Error{Reason: notASpreadsheet}
	}
	decoded, err := decode(raw)
	if e, ok := errors.AsType[*Error](err); ok {
		return nil, e
	}
	if err != nil || !utf8.Valid(decoded) || bytes.IndexByte(decoded, 0) >= 0 {
		return nil, &Error{Reason: notASpreadsheet}
	}
	if bytes.IndexByte(decoded, '\n') < 0 {
		decoded = bytes.ReplaceAll(decoded, []byte("\r"), []byte("\n"))
	}
	comma, decoded := separator(decoded)
	g := &grid{}
	return []*grid{g}, g.parse(decoded, comma)
}

// separator tells the separator by which a row looks most like the headers of a table.
// A first line "sep=;" is for the spreadsheet program, which does not show it.
func separator(decoded []byte) (comma rune, rest []byte) {
	hint, after, _ := bytes.Cut(decoded, []byte("\n"))
	if h := bytes.TrimRight(hint, "\r"); len(h) == len("sep=;") && strings.EqualFold(string(h[:4]), "sep=") && bytes.IndexByte([]byte(",;\t"), h[4]) >= 0 {
		return rune(h[4]), after
	}
	const rows = 100 // titles above the headers are fewer
	comma, best, most := ',', 0, 0
	for _, c := range []rune{',', ';', '\t'} {
		r := csvReader(decoded, c)
		known, cells := 0, 0
		for range rows {
			texts, err := r.Read()
			if err != nil {
				break
			}
			known, cells = max(known, recognised(texts, fieldOf)), max(cells, len(texts))
		}
		if known > best || known == best && cells > most {
			comma, best, most = c, known, cells
		}
	}
	return comma, decoded
}

func csvReader(decoded []byte, comma rune) *csv.Reader {
	r := csv.NewReader(bytes.NewReader(decoded))
	r.Comma, r.FieldsPerRecord = comma, -1
	return r
}

// parse numbers rows as a spreadsheet program does: an empty line is a row, and a cell of
// several lines makes no more of them.
func (g *grid) parse(decoded []byte, comma rune) error {
	r := csvReader(decoded, comma)
	next, cells := 1, 0 // the line of the file where the next row begins unless lines are empty
	for {
		texts, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			row := len(g.rows) + 1
			if p, ok := errors.AsType[*csv.ParseError](err); ok {
				row += p.StartLine - next
			}
			return &Error{Place: Place{Row: row}, Reason: badQuotes}
		}
		line, _ := r.FieldPos(0)
		for ; next < line; next++ {
			g.rows = append(g.rows, nil)
		}
		row := make([]cell, len(texts))
		for i, t := range texts {
			next += strings.Count(t, "\n")
			row[i].text = unescape(t)
		}
		next++
		g.rows = append(g.rows, row)
		if cells += len(row) + 1; cells > maxCells || len(g.rows) > maxRows {
			return &Error{Reason: tooLarge}
		}
	}
}

// escape keeps a spreadsheet program from taking a text of a CSV file for a formula; it
// is undone by [unescape].
func escape(s string) string {
	if looksFormula(s) {
		return "'" + s
	}
	return s
}

func unescape(s string) string {
	if strings.HasPrefix(s, "'") && looksFormula(s) {
		return s[1:]
	}
	return s
}

func looksFormula(s string) bool {
	s = strings.TrimLeft(s, "'")
	return s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0]))
}

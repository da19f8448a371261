package seed

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"maillage/services/identifier"
)

// table is a file of a directory and its columns.
type table struct {
	file     string
	columns  []string
	optional []string // columns that a file may do without
}

// layout is the files of a directory.
var layout = []table{
	{"establishments.csv", []string{"name", "city", "insee_commune", "department_code", "region", "finess", "finess_kind", "finess_source", "latitude", "longitude", "coordinates_source", "source"}, []string{"valid_from"}},
	{"fsmr.csv", []string{"acronym", "name", "coordinating_establishment", "city", "website", "european_reference_network", "created_year", "note", "source"}, nil},
	{"cycles.csv", []string{"cycle", "label", "start_year", "end_year", "legal_kind", "legal_title", "nor", "signed", "published", "note", "source"}, []string{"authority", "evidence"}},
	{"centres.csv", []string{"network", "acronym", "fsmr", "fsmr_evidence", "cycle", "cycle_evidence", "role", "establishment", "city", "department_code", "responsible", "note", "source"}, []string{"start", "end", "act", "act_evidence"}},
	{"platforms.csv", []string{"name", "kind", "host_establishment", "city", "region", "wave_year", "note", "source"}, nil},
	{"changes.csv", []string{"change", "date", "network", "acronym", "filiere", "platform", "cycle", "role", "establishment", "city", "department_code", "other", "person", "act", "evidence", "note", "source"}, nil},
	{"plans.csv", []string{"code", "name", "start_year", "end_year", "note", "source"}, nil},
	{"plan_axes.csv", []string{"plan", "code", "title", "source"}, nil},
	{"missions.csv", []string{"audience", "code", "title", "valid_from", "source"}, nil},
	{"indicators.csv", []string{"code", "heading", "title", "definition", "type", "unit", "mission", "audiences", "required", "source"}, []string{"value", "note"}},
	{"figures.csv", []string{"year", "kind", "scope", "count", "note", "source"}, nil},
	{"regions.csv", []string{"insee_code", "name", "overseas", "zone", "latitude", "longitude", "source"}, nil},
	{"departments.csv", []string{"insee_code", "name", "region_code", "region", "overseas", "zone", "latitude", "longitude", "source"}, nil},
}

// Fault is what is wrong with a value, row or file.
type Fault string

// The faults of files.
const (
	NotUTF8       Fault = "not UTF-8"
	NotCSV        Fault = "not CSV"
	UnknownColumn Fault = "unknown column"
	MissingColumn Fault = "missing column"
	MissingValue  Fault = "missing value"
	WrongValue    Fault = "wrong value"
	Duplicate     Fault = "duplicate"
	NoMatch       Fault = "names nothing in these files"
	SeveralMatch  Fault = "names several things in these files"
	NoFiles       Fault = "none of the files of the layout"
)

// Problem is one fault and where it stands.
type Problem struct {
	File   string
	Row    int    // as a spreadsheet counts: the header is row 1; 0 where not known
	Line   int    // line of the file, from 1; 0 where Row says it
	Column string // may be empty
	Value  string // the value at fault, may be empty
	Fault  Fault
	Why    string // detail, in English, may be empty
}

func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ", line %d", p.Line)
	}
	if p.Row > 0 {
		fmt.Fprintf(&b, ", row %d", p.Row)
	}
	if p.Column != "" {
		fmt.Fprintf(&b, ", column %s", p.Column)
	}
	fmt.Fprintf(&b, ": %s", p.Fault)
	if p.Value != "" {
		fmt.Fprintf(&b, " %q", p.Value)
	}
	if p.Why != "" {
		fmt.Fprintf(&b, ": %s", p.Why)
	}
	return b.String()
}

// Problems is everything that is wrong with a directory. Nothing of it was
// written.
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// row is one record of a file, by column.
type row struct {
	file  string
	num   int // as a spreadsheet counts
	cells map[string]string
}

func (r row) get(column string) string { return r.cells[column] }

func (r row) problem(column string, f Fault, format string, args ...any) Problem {
	return Problem{File: r.file, Row: r.num, Column: column, Value: r.get(column), Fault: f, Why: fmt.Sprintf(format, args...)}
}

// files is a directory as read and checked.
type files struct {
	rows     map[string][]row  // by file
	ignored  []string          // CSV files that are not of the layout
	acronyms map[string]string // the only acronym of a title in centres.csv, both folded
	renamed  map[string]string // what a network's natural key became, by changes.csv
}

// read reads and checks a directory. Its error is Problems where the files are at
// fault.
func read(dir fs.FS) (*files, error) {
	out := &files{rows: map[string][]row{}}
	entries, err := fs.ReadDir(dir, ".")
	if err != nil {
		return nil, err
	}
	var problems Problems
	known := 0
	for _, l := range layout {
		data, err := fs.ReadFile(dir, l.file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		known++
		rows, ps := readTable(l, data)
		out.rows[l.file] = rows
		problems = append(problems, ps...)
	}
	if known == 0 {
		return nil, Problems{{File: ".", Fault: NoFiles}}
	}
	for _, e := range entries {
		ours := slices.ContainsFunc(layout, func(l table) bool { return l.file == e.Name() })
		if strings.HasSuffix(e.Name(), ".csv") && !ours {
			out.ignored = append(out.ignored, e.Name())
		}
	}
	if len(problems) == 0 {
		problems = check(out)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	out.acronyms = onlyAcronyms(out.rows["centres.csv"])
	out.renamed = out.renamings()
	return out, nil
}

// onlyAcronyms returns, by title, the acronym of the titles that have exactly one.
func onlyAcronyms(rows []row) map[string]string {
	only, several := map[string]string{}, map[string]bool{}
	for _, r := range rows {
		t, a := identifier.Fold(r.get("network")), identifier.Fold(r.get("acronym"))
		if a == "" {
			continue
		}
		if other, there := only[t]; there && other != a {
			several[t] = true
		}
		only[t] = a
	}
	maps.DeleteFunc(only, func(t, _ string) bool { return several[t] })
	return only
}

// network is the natural key of the network a row is about: its title and its
// acronym or, where the row has none, the only one that the directory gives that
// title; those of today where it was renamed.
func (f *files) network(r row) string { return f.networkNamed(r.get("network"), r.get("acronym")) }

func (f *files) networkNamed(title, acronym string) string {
	title, acronym = identifier.Fold(title), identifier.Fold(acronym)
	return f.today(join(title, cmp.Or(acronym, f.acronyms[title])))
}

// today follows the renamings of a network, each once: a name can come back.
func (f *files) today(k string) string {
	for range f.renamed {
		to, was := f.renamed[k]
		if !was {
			break
		}
		k = to
	}
	return k
}

// renamings returns what each network's natural key became.
func (f *files) renamings() map[string]string {
	out := map[string]string{}
	for _, r := range f.rows["changes.csv"] {
		if r.get("change") == renamed {
			title, acronym := pair(r.get("other"))
			out[f.network(r)] = key(title, acronym)
		}
	}
	return out
}

// pair splits a cell that names a thing by two of its values: title|acronym, or
// hospital|town.
func pair(cell string) (first, second string) {
	first, second, _ = strings.Cut(cell, "|")
	return tidy(first), tidy(second)
}

// readTable parses one file. A byte order mark is dropped, values are trimmed and
// brought to NFC, and a row without any value is passed over.
func readTable(t table, data []byte) ([]row, Problems) {
	file := t.file
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if line := badUTF8(data); line > 0 {
		return nil, Problems{{File: file, Line: line, Fault: NotUTF8}}
	}
	r := csv.NewReader(bytes.NewReader(data))
	header, err := r.Read()
	if err != nil {
		return nil, Problems{notCSV(file, err)}
	}
	for i := range header {
		header[i] = tidy(header[i])
	}
	if ps := checkHeader(t, header); len(ps) > 0 {
		return nil, ps
	}
	var rows []row
	var problems Problems
	for num := 2; ; num++ {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, problems
		}
		if err != nil {
			return nil, append(problems, notCSV(file, err))
		}
		line := row{file: file, num: num, cells: make(map[string]string, len(header))}
		empty := true
		for i, value := range record {
			value = tidy(value)
			line.cells[header[i]] = value
			empty = empty && value == ""
			if hasControl(header[i], value) {
				problems = append(problems, line.problem(header[i], WrongValue, "holds a control character"))
			}
		}
		if !empty {
			rows = append(rows, line)
		}
	}
}

func checkHeader(t table, header []string) Problems {
	columns := slices.Concat(t.columns, t.optional)
	var problems Problems
	seen := map[string]bool{}
	for _, c := range header {
		switch {
		case seen[c]:
			problems = append(problems, Problem{File: t.file, Row: 1, Column: c, Fault: Duplicate, Why: "the column stands twice"})
		case !slices.Contains(columns, c):
			problems = append(problems, Problem{File: t.file, Row: 1, Column: c, Fault: UnknownColumn, Why: "columns are " + strings.Join(columns, ", ")})
		}
		seen[c] = true
	}
	for _, c := range t.columns {
		if !seen[c] {
			problems = append(problems, Problem{File: t.file, Row: 1, Column: c, Fault: MissingColumn})
		}
	}
	return problems
}

func notCSV(file string, err error) Problem {
	p := Problem{File: file, Line: 1, Fault: NotCSV, Why: err.Error()}
	if bad, ok := errors.AsType[*csv.ParseError](err); ok {
		p.Line, p.Why = bad.Line, bad.Err.Error()
	} else if errors.Is(err, io.EOF) {
		p.Why = "the file is empty"
	}
	return p
}

// badUTF8 returns the line of the first byte that is not UTF-8, 0 for none.
func badUTF8(data []byte) int {
	line := 1
	for len(data) > 0 {
		r, n := utf8.DecodeRune(data)
		if r == utf8.RuneError && n == 1 {
			return line
		}
		if r == '\n' {
			line++
		}
		data = data[n:]
	}
	return 0
}

func tidy(s string) string { return strings.TrimSpace(norm.NFC.String(s)) }

// hasControl reports whether a value holds what no page prints, as the register would
// refuse it: only a note may have lines. References between steps begin with such a
// character, so no value can be taken for one.
func hasControl(column, value string) bool {
	return strings.ContainsFunc(value, func(r rune) bool {
		return unicode.IsControl(r) && (column != "note" || r != '\n' && r != '\t')
	})
}

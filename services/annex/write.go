package annex

import (
	"cmp"
	"io"
	"strings"

	"github.com/xuri/excelize/v2"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
)

// Document is a list of centres in the layout of an arrêté's annex.
type Document struct {
	Title    string
	Subtitle string // such as the act and its dates
	Groups   []Group
}

// Group is the lines of one filière, under its heading.
type Group struct {
	Filiere string // empty where not stated
	Lines   []Line
}

var columnTitles = []string{"Intitulé du réseau", "Acronyme", "Type de label", "Établissement", "Ville", "Responsable médical"}

// labels are the roles as the calls for projects word them.
var labels = map[labellingv1.Role]string{
	labellingv1.Role_ROLE_COORDINATOR:             "CRMR coordonnateur",
	labellingv1.Role_ROLE_CONSTITUTIVE:            "CRMR constitutif",
	labellingv1.Role_ROLE_REFERENCE:               "CRMR",
	labellingv1.Role_ROLE_COMPETENCE:              "CCMR",
	labellingv1.Role_ROLE_RESOURCE_AND_COMPETENCE: "CRC",
	labellingv1.Role_ROLE_FSMR:                    "FSMR",
	labellingv1.Role_ROLE_PEMR:                    "PEMR",
	labellingv1.Role_ROLE_PCOM:                    "PCOM",
}

// layout is what stands on a row of a document.
type layout uint8

const (
	title layout = iota
	columnHeaders
	heading
	line
)

// rows lays a document out. A line without title has its acronym for one.
func (d Document) rows() (rows [][]string, kinds []layout) {
	add := func(kind layout, cells ...string) { rows, kinds = append(rows, cells), append(kinds, kind) }
	for _, t := range []string{d.Title, d.Subtitle} {
		if t = tidy(t); t != "" {
			add(title, t)
		}
	}
	add(columnHeaders, columnTitles...)
	for _, g := range d.Groups {
		add(heading, "Filière : "+cmp.Or(tidy(g.Filiere), "non précisée"))
		for _, l := range g.Lines {
			heads := make([]string, len(l.Heads))
			for i, h := range l.Heads {
				heads[i] = tidy(h)
			}
			add(line, cmp.Or(tidy(l.Network), tidy(l.Acronym)), tidy(l.Acronym), labelOf(l),
				tidy(l.Establishment), tidy(l.City), strings.Join(heads, " / "))
		}
	}
	return rows, kinds
}

// labelOf is a role as printed, if that says the role, and else its usual name.
func labelOf(l Line) string {
	printed := tidy(l.RoleAsPrinted)
	if r, ok := readRole(printed); ok && r == l.Role && printed != "" {
		return printed
	}
	return cmp.Or(labels[l.Role], "non précisé")
}

// WriteCSV writes a document as a CSV file that a French spreadsheet program opens:
// UTF-8 with a byte order mark and semicolons. [Read] reads its lines back with what the
// layout shows of them. A text that such a program would take for a formula gets an
// apostrophe before it, which Read takes off.
func WriteCSV(w io.Writer, d Document) error {
	rows, _ := d.rows()
	return writeCSV(w, rows)
}

// WriteXLSX writes a document as a workbook of one sheet. Every cell is text, never a
// formula. [Read] reads its lines back with what the layout shows of them.
func WriteXLSX(w io.Writer, d Document) error {
	const sheet = "Annexe"
	f := excelize.NewFile()
	defer func() { _ = f.Close() }() // nothing is on disk
	if err := f.SetSheetName("Sheet1", sheet); err != nil {
		return err
	}
	bold, err := f.NewStyle(&excelize.Style{Font: &excelize.Font{Bold: true}, Alignment: &excelize.Alignment{WrapText: true, Vertical: "top"}})
	if err != nil {
		return err
	}
	plain, err := f.NewStyle(&excelize.Style{Alignment: &excelize.Alignment{WrapText: true, Vertical: "top"}})
	if err != nil {
		return err
	}
	s, err := f.NewStreamWriter(sheet)
	if err != nil {
		return err
	}
	for i, width := range []float64{60, 16, 22, 45, 22, 35} {
		if err := s.SetColWidth(i+1, i+1, width); err != nil {
			return err
		}
	}
	rows, kinds := d.rows()
	for i, row := range rows {
		left, err := excelize.CoordinatesToCellName(1, i+1)
		if err != nil {
			return err
		}
		right, err := excelize.CoordinatesToCellName(len(columnTitles), i+1)
		if err != nil {
			return err
		}
		style := bold
		if kinds[i] == line {
			style = plain
		}
		cells := make([]any, len(row))
		for c, text := range row {
			cells[c] = excelize.Cell{StyleID: style, Value: text}
		}
		if err := s.SetRow(left, cells); err != nil {
			return err
		}
		if kinds[i] == title || kinds[i] == heading {
			if err := s.MergeCell(left, right); err != nil {
				return err
			}
		}
	}
	if err := s.Flush(); err != nil {
		return err
	}
	return f.Write(w)
}

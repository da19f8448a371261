// Package annex reads and writes the annex of a labelling act as the staff of a ministry
// or of a filière hold it: a CSV file or an XLSX workbook laid out for people, with
// titles, headings, merged cells and totals among the lines.
//
// Nothing is matched against the register here, and nothing is guessed in silence: what
// was understood stands in the fields of a [Line] beside what is printed, what was not
// read is listed, and what is odd is told with its cell. The layouts it knows come from
// descriptions of the annexes of 2017 and 2023 and from lists that filières publish; the
// annexes themselves could not be had.
//
// Names of persons stand in [Line.Heads] and in the heads of a [Succession], nowhere
// else: no error and no verbatim cell holds one that was recognised.
package annex

import (
	"crypto/sha256"
	"errors"
	"io"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

// Place is a row of a file, as a spreadsheet program numbers it.
type Place struct {
	Sheet string // name of the sheet; empty for CSV
	Row   int    // from 1; 0 for the sheet as a whole
}

// Annex is what a file holds.
type Annex struct {
	Lines    []Line
	Totals   []*labellingv1.AnnouncedTotal
	Problems []*Error // what is odd but was read: to be shown, and refused by nobody
	Ignored  []*Error // rows and sheets that are not lines, each with why
	SHA256   []byte   // of the file's bytes
}

// Line is one line of an annex: one centre in one network. Texts have their white space
// run together; AsPrinted has them verbatim.
type Line struct {
	Place
	Number        uint32 // as printed, if every line has one and no two the same; else its rank from 1
	Filiere       string
	Network       string // title
	Acronym       string
	Role          labellingv1.Role // unspecified where not stated or not understood
	RoleAsPrinted string
	Establishment string // with its site, where the file has a column for each
	Finess        string // canonical; empty where it cannot be read
	City          string
	Department    string // INSEE code; empty where it cannot be told
	Region        string
	Population    topologyv1.Population
	Heads         []string        // personal
	Period        *eventv1.Period // nil without a date
	Cycle         string
	Effect        string // what the act does to it, where the file has a column for it
	Note          string // free text: may be personal
	Source        string
	// Every cell of the line and the headings above it, verbatim, without the columns
	// of persons, notes and sources, those of unknown header, and any cell that looks as
	// if it named a person.
	AsPrinted []*eventv1.Printed
}

// Read reads an annex from an XLSX workbook or a CSV file: separated by commas,
// semicolons or tabs, in UTF-8, in UTF-16 with a byte order mark, or else in Windows-1252
// or Mac Roman, whichever makes more of it French. The kind of file is told from its bytes. The name is that by which errors
// call the file.
//
// The error joins an [*Error] for each reason why the file is refused; there is no annex
// then.
func Read(name string, r io.Reader) (*Annex, error) {
	raw, grids, err := load(name, r)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(raw)
	a := &reader{Annex: Annex{SHA256: sum[:]}}
	tables := 0
	for _, g := range grids {
		if a.readSheet(g) {
			tables++
		}
	}
	if tables == 0 {
		return nil, &Error{File: name, Reason: noTable}
	}
	if tables > 1 {
		a.nameSheets()
	}
	a.numberLines()
	if len(a.Lines) == 0 && len(a.refused) == 0 {
		a.refused = append(a.refused, &Error{Reason: noLine})
	}
	if len(a.refused) > 0 {
		return nil, joined(name, a.refused)
	}
	return &a.Annex, nil
}

func joined(name string, refused []*Error) error {
	all := make([]error, len(refused))
	for i, e := range refused {
		e.File = name
		all[i] = e
	}
	return errors.Join(all...)
}

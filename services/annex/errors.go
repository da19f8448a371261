package annex

import (
	"fmt"
	"iter"
	"maps"
	"strings"
)

// Error says what is wrong, odd or not read, and where. It never holds what a cell says,
// which may be a name.
type Error struct {
	File   string // as the caller named it; empty in an [Annex]
	Place         // the zero value for the file as a whole
	Cell   string // such as D14; empty for the row as a whole
	Byte   int    // of a CSV file, from 1, that stands for no letter; 0 for every other reason
	Header string // of the cell's column, as printed
	Reason string // why, in capitals: one of [Reasons], a key by which to translate
}

// Error is the place and an English sentence.
func (e *Error) Error() string {
	var at []string
	if e.File != "" {
		at = append(at, e.File)
	}
	if e.Sheet != "" {
		at = append(at, fmt.Sprintf("sheet %q", e.Sheet))
	}
	switch {
	case e.Cell != "":
		at = append(at, "cell "+e.Cell)
	case e.Row > 0:
		at = append(at, fmt.Sprintf("row %d", e.Row))
	}
	if e.Byte > 0 {
		at = append(at, fmt.Sprintf("byte %d", e.Byte))
	}
	if e.Header != "" {
		at = append(at, fmt.Sprintf("column %q", e.Header))
	}
	return strings.Join(append(at, sentences[e.Reason]), ": ")
}

// Reasons yields every reason an [Error] may give, in no order.
func Reasons() iter.Seq[string] { return maps.Keys(sentences) }

const (
	// The file cannot be read.
	notReadable     = "NOT_READABLE"
	tooLarge        = "TOO_LARGE"
	encrypted       = "ENCRYPTED"
	oldFormat       = "OLD_FORMAT"
	notASpreadsheet = "NOT_A_SPREADSHEET"
	badQuotes       = "BAD_QUOTES"
	encodingUnknown = "ENCODING_UNKNOWN"
	noTable         = "NO_TABLE"
	noLine          = "NO_LINE"

	// A line is refused.
	networkMissing  = "NETWORK_MISSING"
	periodReversed  = "PERIOD_REVERSED"
	cellTooLong     = "CELL_TOO_LONG"
	cellAmbiguous   = "CELL_AMBIGUOUS"
	columnAmbiguous = "COLUMN_AMBIGUOUS"
	headMissing     = "HEAD_MISSING"
	lineUnreadable  = "LINE_UNREADABLE"
	subjectUnknown  = "SUBJECT_UNKNOWN"
	decisionUnknown = "DECISION_UNKNOWN"
	decidedTwice    = "DECIDED_TWICE"
	idMissing       = "ID_MISSING"
	idSuperfluous   = "ID_SUPERFLUOUS"
	idUnreadable    = "ID_UNREADABLE"

	// A line is odd.
	roleUnknown       = "ROLE_UNKNOWN"
	dateUnreadable    = "DATE_UNREADABLE"
	populationUnknown = "POPULATION_UNKNOWN"
	departmentUnknown = "DEPARTMENT_UNKNOWN"
	opinionUnknown    = "OPINION_UNKNOWN"
	finessZeroLost    = "FINESS_ZERO_LOST"
	finessBadCheck    = "FINESS_BAD_CHECK"
	finessUnreadable  = "FINESS_UNREADABLE"
	numberUnusable    = "NUMBER_UNUSABLE"
	cellError         = "CELL_ERROR"
	columnUnknown     = "COLUMN_UNKNOWN"
	columnRepeated    = "COLUMN_REPEATED"
	columnPresumed    = "COLUMN_PRESUMED"
	personSuspected   = "PERSON_SUSPECTED"
	filiereFromSheet  = "FILIERE_FROM_SHEET"
	rowHidden         = "ROW_HIDDEN"
	columnHidden      = "COLUMN_HIDDEN"
	headNotNamed      = "HEAD_NOT_NAMED"
	networkFromAbove  = "NETWORK_FROM_ABOVE"
	filierePresumed   = "FILIERE_PRESUMED"

	// A row or sheet holds no line.
	sheetHidden       = "SHEET_HIDDEN"
	sheetWithoutTable = "SHEET_WITHOUT_TABLE"
	sheetOfCounts     = "SHEET_OF_COUNTS"
	titleRow          = "TITLE_ROW"
	headerRepeated    = "HEADER_REPEATED"
	footnote          = "FOOTNOTE"
	totalUnreadable   = "TOTAL_UNREADABLE"
	headingUnplaced   = "HEADING_UNPLACED"
)

var sentences = map[string]string{
	notReadable:     "The file cannot be read.",
	tooLarge:        "The file is larger than an annex can be.",
	encrypted:       "The workbook is protected by a password.",
	oldFormat:       "The workbook is in the format of Excel 97 to 2003; save it as XLSX.",
	notASpreadsheet: "The file is neither an XLSX workbook nor CSV.",
	encodingUnknown: "The CSV file is in no encoding known here, or in two; save it as CSV UTF-8.",
	badQuotes:       "The quotation marks of the CSV file do not pair from here on.",
	noTable:         "No table was recognised: no row holds the headers of one.",
	noLine:          "The table holds no line.",

	networkMissing:  "The line names no network, and no heading above it does.",
	periodReversed:  "The end is not after the start.",
	cellTooLong:     "The cell holds more than 2,000 characters.",
	cellAmbiguous:   "The cell may name one hospital or several: put each on a line of its own, or a semicolon between them.",
	columnAmbiguous: "The column is headed by a role, and it is not certain whether its cells name hospitals or persons: say so in its header.",
	headMissing:     "The succession names neither who leaves nor who comes.",
	lineUnreadable:  "The line is not a number from 1.",
	subjectUnknown:  "The subject is none of network, centre, label, establishment, loss.",
	decisionUnknown: "The decision is none of same, new, successor, undetermined or, of a loss, collaborator.",
	decidedTwice:    "The line's subject, or the loss of the label, is already decided above.",
	idMissing:       "The decision needs the id of an entity.",
	idSuperfluous:   "The decision goes with no id.",
	idUnreadable:    "The id is none that the register mints.",

	roleUnknown:       "The kind of label is not known; it is left unspecified.",
	dateUnreadable:    "The date is not understood; it is left unknown.",
	populationUnknown: "The population is not understood; it is left unspecified.",
	departmentUnknown: "The department is not known; it is left empty.",
	opinionUnknown:    "The opinion is not understood; it is left unspecified.",
	finessZeroLost:    "The FINESS number has lost its leading zero, which is put back.",
	finessBadCheck:    "The FINESS number does not check.",
	finessUnreadable:  "The FINESS number cannot be read; it is left empty.",
	numberUnusable:    "The printed number is missing or repeated; lines are numbered by their rank.",
	cellError:         "The cell holds an error of a formula; it is read as empty.",
	columnUnknown:     "The column is not known; its cells are not read.",
	columnRepeated:    "Another column before it says the same; its cells are kept as printed only.",
	columnPresumed:    "The header is not one of those known; the column is read by its words.",
	rowHidden:         "The sheet hides rows from here on; they are read like the others.",
	columnHidden:      "The sheet hides the column; it is read like the others.",
	headNotNamed:      "The cell names nobody; the head is left unknown.",
	networkFromAbove:  "No network is printed after a page break; it is taken for that of the line above.",
	filierePresumed:   "The heading is taken for the name of a filière.",
	personSuspected:   "The cell looks as if it named a person; it is not kept as printed.",
	filiereFromSheet:  "No filière is printed; the sheet's name is taken for it.",

	sheetHidden:       "The sheet is hidden and not read.",
	sheetWithoutTable: "The sheet holds no table.",
	sheetOfCounts:     "The sheet counts centres and lists none.",
	titleRow:          "The row stands above the table.",
	headerRepeated:    "The row repeats the headers.",
	footnote:          "The row is a note.",
	totalUnreadable:   "The row announces a total that cannot be read with certainty: it is not counted.",
	headingUnplaced:   "The row is a heading without lines, or a line with one cell.",
}

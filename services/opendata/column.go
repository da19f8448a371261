package opendata

import (
	"encoding/csv"
	"io"
	"iter"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	eventv1 "maillage/proto/gen/maillage/event/v1"
)

// column declares a column of a CSV file of Ts: from it come the header, the cells and the
// field of the Table Schema.
type column[T any] struct {
	name         string
	title, about string // in French
	holds        content
	cell         func(T) string
}

// content is what the cells of a column may be, as Table Schema says it.
type content struct {
	kind     string // type of Table Schema
	pattern  string // of the whole cell
	words    []string
	required bool
	unique   bool
}

const (
	oneID  = "[0-9A-HJKMNP-TV-Z]{10}"
	joiner = "|" // between several values in a cell
)

// The contents. A cell that is empty is a missing value.
var (
	text     = content{kind: "string"}
	anID     = content{kind: "string", pattern: oneID}
	someIDs  = several(oneID)
	aDay     = content{kind: "date"}
	date     = content{kind: "string", pattern: `[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?`}
	instant  = content{kind: "datetime"}
	integer  = content{kind: "integer"}
	degrees  = content{kind: "number"}
	yesNo    = content{kind: "boolean"}
	aFINESS  = content{kind: "string", pattern: "[0-9A-Z]{9}"}
	dept     = content{kind: "string", pattern: "[0-9][0-9AB][0-9]?"}
	region   = content{kind: "string", pattern: "[0-9]{2,3}"}
	commune  = content{kind: "string", pattern: "[0-9][0-9AB][0-9]{3}"}
	hexadec  = content{kind: "string", pattern: "[0-9a-f]{64}"}
	aNOR     = content{kind: "string", pattern: "[0-9A-Z]{12}"}
	evidence = oneOf(eventv1.Evidence(0))
)

func several(one string) content {
	return content{kind: "string", pattern: "(" + one + `)(\|(` + one + "))*"}
}

func (c content) always() content { c.required = true; return c }
func (c content) once() content   { c.required, c.unique = true, true; return c }

// oneOf is the words of an enum, in the form that word gives them.
func oneOf(e protoreflect.Enum) content {
	c := content{kind: "string"}
	values := e.Descriptor().Values()
	for i := range values.Len() {
		if w := word(e.Type().New(values.Get(i).Number())); w != "" {
			c.words = append(c.words, w)
		}
	}
	return c
}

// word is a value of the contract without the name of its enum, in lower case; empty for
// one that is not stated.
func word(e protoreflect.Enum) string {
	v := e.Descriptor().Values().ByNumber(e.Number())
	if v == nil || e.Number() == 0 {
		return ""
	}
	none := string(e.Descriptor().Values().ByNumber(0).Name())
	return strings.ToLower(strings.TrimPrefix(string(v.Name()), strings.TrimSuffix(none, "UNSPECIFIED")))
}

func joined(values []string) string { return strings.Join(values, joiner) }

func flag(is bool) string { return strconv.FormatBool(is) }

// about is what is said of a CSV file.
type about struct {
	name        string // of the file, without .csv
	title, text string // in French
	key         string // the column that tells lines apart
	foreign     []foreign
}

// foreign says that the values of a column are among those of a column of another file.
type foreign struct{ column, file, of string }

// writeCSV writes lines as RFC 4180 has them, after a header, and returns how many. A
// line feed within a cell would come out as two characters: no cell has one.
func writeCSV[T any](w io.Writer, columns []column[T], lines iter.Seq[T]) (n int, err error) {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	cells := make([]string, len(columns))
	for i, c := range columns {
		cells[i] = c.name
	}
	err = out.Write(cells)
	for line := range lines {
		if err != nil {
			return n, err
		}
		for i, c := range columns {
			cells[i] = c.cell(line)
		}
		err = out.Write(cells)
		n++
	}
	out.Flush()
	if err == nil {
		err = out.Error()
	}
	return n, err
}

func fieldsOf[T any](columns []column[T]) []field {
	all := make([]field, len(columns))
	for i, c := range columns {
		all[i] = fieldOf(c.name, c.title, c.about, c.holds)
	}
	return all
}

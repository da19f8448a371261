package annex

import (
	"encoding/csv"
	"io"
	"slices"
	"strconv"
	"strings"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/identifier"
)

// Words of the file: the first of each is written, all are read. A decision left empty
// is not yet taken.
var (
	subjectWords = map[labellingv1.Subject][]string{
		labellingv1.Subject_SUBJECT_NETWORK:       {"réseau", "network"},
		labellingv1.Subject_SUBJECT_CENTRE:        {"centre", "center"},
		labellingv1.Subject_SUBJECT_LABEL:         {"label"},
		labellingv1.Subject_SUBJECT_ESTABLISHMENT: {"établissement", "establishment", "hospital"},
	}
	decisionWords = map[labellingv1.Identity][]string{
		labellingv1.Identity_IDENTITY_UNSPECIFIED:  {""},
		labellingv1.Identity_IDENTITY_SAME:         {"identique", "même", "same"},
		labellingv1.Identity_IDENTITY_NEW:          {"nouveau", "nouvelle", "new"},
		labellingv1.Identity_IDENTITY_SUCCESSOR:    {"successeur de", "successeur", "successor", "successor of"},
		labellingv1.Identity_IDENTITY_UNDETERMINED: {"indéterminé", "indéterminée", "undetermined"},
	}
)

// Resolution is one question about the identity behind a line of an annex, and the
// officer's answer.
type Resolution struct {
	Place             // of the line in the annex's file
	Line       uint32 // number of the line in the annex
	Subject    labellingv1.Subject
	Printed    string               // what the annex prints of it
	Candidates []string             // what the register holds that it may be: an id and words for people
	Decision   labellingv1.Identity // unspecified: not yet decided
	ID         string               // of the entity, where the decision is the same or a successor
}

// Loss is a label that an act takes from a centre, and whether the officer says that the
// centre goes on as a collaborator of its network (centre collaborateur).
type Loss struct {
	LabelID      string
	Printed      string // network, hospital, town and role, for people
	Collaborates bool
}

// Words of the rows of losses.
var (
	lossWords         = []string{"perte", "perdu", "loss"}
	collaboratorWords = []string{"collaborateur", "centre collaborateur", "collaborator"}
)

// WriteResolutions writes questions and answers, and then losses, as a CSV file that a
// French spreadsheet program opens and saves: UTF-8 with a byte order mark, semicolons,
// one question or loss a row. A text that such a program would take for a formula gets an
// apostrophe before it.
func WriteResolutions(w io.Writer, all []Resolution, losses []Loss) error {
	rows := [][]string{{"ligne", "feuille", "rangée", "objet", "imprimé", "candidats", "décision", "id"}}
	for _, r := range all {
		var list []string
		for _, c := range r.Candidates {
			if c = tidy(c); c != "" {
				list = append(list, c)
			}
		}
		at := ""
		if r.Row > 0 {
			at = strconv.Itoa(r.Row)
		}
		rows = append(rows, []string{
			strconv.FormatUint(uint64(r.Line), 10), tidy(r.Sheet), at, first(subjectWords[r.Subject]), tidy(r.Printed),
			strings.Join(list, "\n"), first(decisionWords[r.Decision]), tidy(r.ID),
		})
	}
	for _, l := range losses {
		says := ""
		if l.Collaborates {
			says = first(collaboratorWords)
		}
		rows = append(rows, []string{"", "", "", first(lossWords), tidy(l.Printed), "", says, tidy(l.LabelID)})
	}
	return writeCSV(w, rows)
}

func first(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return words[0]
}

func writeCSV(w io.Writer, rows [][]string) error {
	if _, err := io.WriteString(w, "\ufeff"); err != nil {
		return err
	}
	c := csv.NewWriter(w)
	c.Comma, c.UseCRLF = ';', true
	for _, row := range rows {
		escaped := make([]string, len(row))
		for i, t := range row {
			escaped[i] = escape(t)
		}
		if err := c.Write(escaped); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

// ReadResolutions reads what [WriteResolutions] wrote and an officer filled in, saved as
// any kind of file that [Read] takes. Decisions are read in French and English, without
// regard to case and accents; an id may be followed by the candidate's words. An id is
// canonical when returned; whether it is in the register is not looked up. The error
// joins an [*Error] for each cell at fault.
func ReadResolutions(name string, r io.Reader) (all []Resolution, losses []Loss, err error) {
	_, grids, err := load(name, r)
	if err != nil {
		return nil, nil, err
	}
	var refused []*Error
	tables := 0
	for _, g := range grids {
		t := &table{grid: g, head: -1, tell: func(*Error) {}, enough: func(columns []column) bool {
			return holds(columns, number) && holds(columns, subject) && holds(columns, decision) && holds(columns, id)
		}}
		for row := range g.rows {
			if t.empty(row) {
				continue
			}
			if columns := t.columnsOf(row); columns != nil {
				t.open(row, columns)
				tables++
				continue
			}
			if t.head < 0 {
				continue
			}
			var f field
			var reason string
			if isOne(lossWords, t.text(row, subject)) {
				var l Loss
				l, f, reason = t.loss(row)
				if reason == "" && slices.ContainsFunc(losses, func(o Loss) bool { return o.LabelID == l.LabelID }) {
					f, reason = id, decidedTwice
				}
				losses = append(losses, l)
			} else {
				var r Resolution
				r, f, reason = t.resolution(row)
				if reason == "" && slices.ContainsFunc(all, func(o Resolution) bool { return o.Line == r.Line && o.Subject == r.Subject }) {
					f, reason = number, decidedTwice
				}
				all = append(all, r)
			}
			if reason != "" {
				_, col := t.get(row, f)
				refused = append(refused, t.fault(row, col, reason))
			}
		}
	}
	switch {
	case tables == 0:
		return nil, nil, &Error{File: name, Reason: noTable}
	case len(refused) > 0:
		return nil, nil, joined(name, refused)
	}
	return all, losses, nil
}

// loss reads a row of a label that is lost; a reason says what is wrong with which of its
// cells.
func (t *table) loss(row int) (l Loss, at field, reason string) {
	l.Printed = t.text(row, printed)
	says := t.text(row, decision)
	if l.Collaborates = isOne(collaboratorWords, says); !l.Collaborates && says != "" {
		return l, decision, decisionUnknown
	}
	label, _, _ := strings.Cut(t.text(row, id), " ")
	if label == "" {
		return l, id, idMissing
	}
	var err error
	if l.LabelID, err = identifier.ParseID(label); err != nil {
		return l, id, idUnreadable
	}
	return l, unknown, ""
}

func isOne(words []string, text string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return key(w) == key(text) })
}

// resolution reads a row; a reason says what is wrong with which of its cells.
func (t *table) resolution(row int) (r Resolution, at field, reason string) {
	line, err := strconv.ParseUint(t.text(row, number), 10, 32)
	if err != nil || line == 0 {
		return r, number, lineUnreadable
	}
	inSheet, _ := strconv.Atoi(t.text(row, rowNumber))
	r = Resolution{Place: Place{Sheet: t.text(row, sheetName), Row: inSheet}, Line: uint32(line), Printed: t.text(row, printed)}
	c, _ := t.get(row, candidates)
	for one := range strings.SplitSeq(clean(c.text), "\n") {
		if one = tidy(one); one != "" {
			r.Candidates = append(r.Candidates, one)
		}
	}
	var ok bool
	if r.Subject, ok = wordOf(subjectWords, t.text(row, subject)); !ok {
		return r, subject, subjectUnknown
	}
	if r.Decision, ok = wordOf(decisionWords, t.text(row, decision)); !ok {
		return r, decision, decisionUnknown
	}
	entity, _, _ := strings.Cut(t.text(row, id), " ")
	needed := r.Decision == labellingv1.Identity_IDENTITY_SAME || r.Decision == labellingv1.Identity_IDENTITY_SUCCESSOR
	switch {
	case needed && entity == "":
		return r, id, idMissing
	case !needed && entity != "":
		return r, id, idSuperfluous
	case needed:
		if r.ID, err = identifier.ParseID(entity); err != nil {
			return r, id, idUnreadable
		}
	}
	return r, unknown, ""
}

func wordOf[T comparable](words map[T][]string, text string) (T, bool) {
	for v, all := range words {
		if isOne(all, text) {
			return v, true
		}
	}
	var none T
	return none, false
}

package annex

import (
	"io"
)

// Opinion is what the committee that follows the labelling says of a succession.
type Opinion uint8

// The opinions; none is given where the cell is empty or a dash.
const (
	NoOpinion Opinion = iota
	Favourable
	Unfavourable
)

// Succession is one line of a batch of successions of heads. Dates are civil, of reduced
// precision (YYYY-MM-DD, YYYY-MM, YYYY or empty).
type Succession struct {
	Place
	Network, Acronym    string
	Establishment, City string
	RoleAsPrinted       string
	Outgoing, Incoming  []string // personal
	Date                string   // from which the successor heads the centre
	Opinion             Opinion
	Note                string // free text: may be personal
}

// ReadSuccessions reads a batch of successions of heads from a file of the kinds that
// [Read] takes. A succession names who leaves, who comes or both. Besides it returns what
// is odd or was not read; the error joins an [*Error] for each reason why the file is
// refused.
func ReadSuccessions(name string, r io.Reader) ([]Succession, []*Error, error) {
	_, grids, err := load(name, r)
	if err != nil {
		return nil, nil, err
	}
	var all []Succession
	var told, refused []*Error
	tables := 0
	for _, g := range grids {
		t := &table{grid: g, head: -1, tell: func(e *Error) { told = append(told, e) }, enough: successionHeaders}
		for row := range g.rows {
			columns := t.columnsOf(row)
			switch {
			case t.empty(row):
			case columns != nil && t.head >= 0:
				t.problem(row, -1, headerRepeated)
				t.open(row, columns)
			case columns != nil:
				t.open(row, columns)
			case t.head < 0:
				t.problem(row, -1, titleRow)
			case t.single(row):
				t.problem(row, -1, headingUnplaced)
			default:
				s, e := t.succession(row, all)
				all = append(all, s)
				refused = append(refused, e...)
			}
		}
		switch {
		case g.hidden:
			told = append(told, &Error{Place: Place{Sheet: g.sheet}, Reason: sheetHidden})
		case t.head < 0:
			told = append(told, &Error{Place: Place{Sheet: g.sheet}, Reason: sheetWithoutTable})
		default:
			tables++
		}
	}
	switch {
	case tables == 0:
		return nil, nil, &Error{File: name, Reason: noTable}
	case len(refused) > 0:
		return nil, nil, joined(name, refused)
	case len(all) == 0:
		return nil, nil, &Error{File: name, Reason: noLine}
	}
	return all, told, nil
}

// successionHeaders says that columns are those of a batch of successions.
func successionHeaders(columns []column) bool {
	return holds(columns, incoming, outgoing) && annexHeaders(columns)
}

// AreSuccessions says whether a file is certainly a batch of successions of heads, and no
// list of centres: the first headers of each of its tables say who comes, with who leaves,
// from when or with which opinion, and none says who heads a centre.
func AreSuccessions(name string, r io.Reader) bool {
	_, grids, err := load(name, r)
	if err != nil {
		return false // [Read] says why
	}
	batches := 0
	for _, g := range grids {
		t := &table{grid: g, head: -1, enough: annexHeaders}
		for row := range g.rows {
			if g.hidden {
				break
			}
			columns := t.columnsOf(row)
			if columns == nil {
				continue
			}
			if !holds(columns, incoming) || !holds(columns, outgoing, tenure, start, date, opinion) || holds(columns, head) {
				return false
			}
			batches++
			break
		}
	}
	return batches > 0
}

func (t *table) succession(row int, above []Succession) (s Succession, refused []*Error) {
	s = Succession{
		Place: t.place(row), Network: t.text(row, network), Acronym: t.text(row, acronym),
		Establishment: t.text(row, establishment), City: t.text(row, city), RoleAsPrinted: t.text(row, role),
		Outgoing: t.heads(row, outgoing), Incoming: t.heads(row, incoming),
		Date: t.since(row, tenure, start, date), Note: t.text(row, note),
	}
	s.Establishment = withSite(s.Establishment, t.text(row, site))
	if n := len(above); s.Network == "" && s.Acronym == "" && n > 0 && above[n-1].Sheet == s.Sheet && t.goesDown(network) {
		s.Network, s.Acronym = above[n-1].Network, above[n-1].Acronym
	}
	if s.Network == "" && s.Acronym == "" {
		refused = append(refused, t.fault(row, -1, networkMissing))
	}
	if len(s.Outgoing)+len(s.Incoming) == 0 {
		refused = append(refused, t.fault(row, -1, headMissing))
	}
	switch text := t.text(row, opinion); key(text) {
	case "", "aucun", "sans", "san", "neant", "en attente", "none", "no opinion", "san avis":
	case "favorable", "avis favorable", "favourable":
		s.Opinion = Favourable
	case "defavorable", "avis defavorable", "unfavourable", "unfavorable":
		s.Opinion = Unfavourable
	default:
		t.doubt(row, opinion, opinionUnknown)
	}
	return s, refused
}

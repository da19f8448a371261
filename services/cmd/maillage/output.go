package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/term"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	registryv1 "maillage/proto/gen/maillage/registry/v1"
)

// column is one column of a table of Ts.
type column[T any] struct {
	title string
	cut   cutting
	cell  func(T) string
}

// cutting says whether a cell may be cut to fit a terminal.
type cutting bool

const (
	whole cutting = false // ids, dates and numbers: a part of one is another one, or none
	texts cutting = true
)

// table is how a list of Ts is shown.
type table[T any] struct {
	columns []column[T]
	// names gets what the cells need besides the items; nil where they need nothing.
	names func(ctx context.Context, conn grpc.ClientConnInterface, at *registryv1.Resolved) error
	order func(a, b T) int // nil for the order of the answers
}

// page is one page of a list.
type page[T any] struct {
	items    []T
	next     string
	resolved *registryv1.Resolved
}

const pageSize = 1000

// list asks for every page and prints all items: one JSON object a line, or a table
// and the moment it speaks for.
func list[T proto.Message](a *app, t table[T], fetch func(ctx context.Context, conn grpc.ClientConnInterface, token string) (page[T], error)) error {
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		var all []T
		var last page[T]
		for more := true; more; more = last.next != "" {
			var err error
			if last, err = fetch(ctx, conn, last.next); err != nil {
				return err
			}
			if !a.json || t.order != nil {
				all = append(all, last.items...)
				continue
			}
			if err := printEach(a, last); err != nil {
				return err
			}
		}
		if t.order != nil {
			slices.SortStableFunc(all, t.order)
		}
		if a.json {
			return printEach(a, page[T]{items: all, resolved: last.resolved})
		}
		if t.names != nil && len(all) > 0 {
			if err := t.names(ctx, conn, last.resolved); err != nil {
				return err
			}
		}
		rows, cut := t.rows(all)
		return a.printTable(rows, cut, fmt.Sprintf("%s, %s.", moment(last.resolved), counted(len(all), "ligne(s)")))
	})
}

// show prints one item: one JSON object, or its fields with their names in French,
// and the moment it speaks for.
func (a *app) show(item proto.Message, resolved *registryv1.Resolved) error {
	if a.json {
		return a.printItem(item, resolved)
	}
	fields := details(item.ProtoReflect())
	width := 0
	for _, f := range fields {
		width = max(width, displayWidth(f.name))
	}
	var b strings.Builder
	for _, f := range fields {
		fmt.Fprintf(&b, "%s  %s\n", pad(f.name, width), strings.ReplaceAll(harmless(f.value), "\n", "\n"+strings.Repeat(" ", width+2)))
	}
	if resolved != nil { // a draft is shown as it is now
		fmt.Fprintf(&b, "%s.\n", moment(resolved))
	}
	_, err := io.WriteString(a.stdout, b.String())
	return err
}

// recorded prints the answer of a command.
func (a *app) recorded(answer interface {
	proto.Message
	GetPosition() uint64
}, what, id string,
) error {
	if a.json {
		return a.printJSON(answer)
	}
	_, err := fmt.Fprintf(a.stdout, "%s%s (position %d).\n", what, prefixed(" ", id), answer.GetPosition())
	return err
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

// printJSON prints a message as one line.
func (a *app) printJSON(m proto.Message) error {
	line, err := compactJSON(m)
	if err != nil {
		return err
	}
	_, err = a.stdout.Write(append(line, '\n'))
	return err
}

// printItem prints a message as one line, with the moment that the answer speaks
// for under the key "resolved".
func (a *app) printItem(m proto.Message, resolved *registryv1.Resolved) error {
	line, err := compactJSON(m)
	if err != nil {
		return err
	}
	if resolved != nil {
		at, err := compactJSON(resolved)
		if err != nil {
			return err
		}
		line = bytes.TrimSuffix(line, []byte("}"))
		if len(line) > len("{") {
			line = append(line, ',')
		}
		line = append(append(append(line, `"resolved":`...), at...), '}')
	}
	_, err = a.stdout.Write(append(line, '\n'))
	return err
}

func printEach[T proto.Message](a *app, p page[T]) error {
	for _, item := range p.items {
		if err := a.printItem(item, p.resolved); err != nil {
			return err
		}
	}
	return nil
}

// compactJSON is a message in JSON. Protobuf's JSON puts spaces at random on purpose;
// they are taken out.
func compactJSON(m proto.Message) ([]byte, error) {
	raw, err := protojson.Marshal(m)
	if err != nil {
		return nil, err
	}
	var line bytes.Buffer
	err = json.Compact(&line, raw)
	return line.Bytes(), err
}

// rows are a table's cells, titles first, and which columns may be cut.
func (t table[T]) rows(items []T) (rows [][]string, cut []cutting) {
	head := make([]string, len(t.columns))
	for i, c := range t.columns {
		head[i] = c.title
		cut = append(cut, c.cut)
	}
	rows = append(rows, head)
	for _, item := range items {
		row := make([]string, len(t.columns))
		for i, c := range t.columns {
			row[i] = harmless(strings.ReplaceAll(c.cell(item), "\n", " "))
		}
		rows = append(rows, row)
	}
	return rows, cut
}

// harmless replaces what would move a terminal's cursor, colour it or turn its text
// around; line ends stay.
func harmless(s string) string {
	return strings.Map(func(r rune) rune {
		turns := r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
		if r != '\n' && (unicode.IsControl(r) || turns) {
			return '·'
		}
		return r
	}, s)
}

// printTable prints rows and a footer.
func (a *app) printTable(rows [][]string, cut []cutting, footer string) error {
	if err := a.printRows(rows, cut); err != nil {
		return err
	}
	_, err := io.WriteString(a.stdout, footer+"\n")
	return err
}

// chapter prints a title, how many there are, and their rows where there are any.
func chapter[T any](a *app, title string, items []T, columns []column[T]) error {
	if _, err := fmt.Fprintf(a.stdout, "%s : %s\n", title, counted(len(items), "ligne(s)")); err != nil {
		return err
	}
	if len(items) == 0 {
		return nil
	}
	rows, cut := table[T]{columns: columns}.rows(items)
	return a.printRows(rows, cut)
}

// printRows prints rows aligned. Where stdout is a terminal too narrow for them, the
// columns that may be are cut; where that is not enough, none is.
func (a *app) printRows(rows [][]string, cut []cutting) error {
	widths := columnWidths(rows)
	if most := terminalWidth(a.stdout); most > 0 {
		widths = narrow(widths, cut, most)
	}
	var b strings.Builder
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(pad(shortened(cell, widths[i]), widths[i]))
			line.WriteString("  ")
		}
		b.WriteString(strings.TrimRight(line.String(), " "))
		b.WriteByte('\n')
	}
	_, err := io.WriteString(a.stdout, b.String())
	return err
}

func columnWidths(rows [][]string) []int {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], displayWidth(cell))
		}
	}
	return widths
}

// leastWidth is the width below which no column is cut.
const leastWidth = 6

// narrow takes width off the widest columns of texts until a row fits. Where it
// cannot, it leaves the widths as they are.
func narrow(widths []int, cut []cutting, most int) []int {
	out := slices.Clone(widths)
	for {
		sum, widest := -2, -1
		for i, w := range out {
			sum += w + 2
			if i < len(cut) && cut[i] == texts && w > leastWidth && (widest < 0 || w > out[widest]) {
				widest = i
			}
		}
		switch {
		case sum <= most:
			return out
		case widest < 0:
			return widths
		}
		out[widest]--
	}
}

// displayWidth is how many columns a text takes: combining marks take none.
func displayWidth(s string) int {
	n := 0
	for _, r := range s {
		if !unicode.Is(unicode.Mn, r) {
			n++
		}
	}
	return n
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-displayWidth(s)))
}

func shortened(s string, width int) string {
	if displayWidth(s) <= width {
		return s
	}
	n := 0
	for i, r := range s {
		if unicode.Is(unicode.Mn, r) {
			continue
		}
		if n++; n == width {
			return s[:i] + "…"
		}
	}
	return s
}

// terminalWidth is the width of the terminal that w is, 0 where it is none.
func terminalWidth(w io.Writer) int {
	f, is := w.(*os.File)
	if !is || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

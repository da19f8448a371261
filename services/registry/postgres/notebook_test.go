package postgres_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
)

var update = flag.Bool("update", false, "write the answers of the notebook")

// statement is one of the notebook, with the answer that is printed after it, where one is.
var statement = regexp.MustCompile("(?s)```sql\n(.*?)```\n(?:\n```text\n(.*?)```\n)?")

// notebook runs what README.md asks and holds it to what it answers; -update writes that.
func notebook(t *testing.T, p *past) {
	db, _ := p.stored(t)
	written, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	got := statement.ReplaceAllStringFunc(string(written), func(cell string) string {
		asked++
		part := statement.FindStringSubmatch(cell)
		answer, err := ask(t, db, part[1])
		if err != nil {
			t.Errorf("%s: %v", part[1], err)
			return cell
		}
		if part[2] == "" || part[2] == answer {
			return cell
		}
		if !*update {
			t.Errorf("%sanswers\n%s", part[1], answer)
		}
		return "```sql\n" + part[1] + "```\n\n```text\n" + answer + "```\n"
	})
	if asked < 10 {
		t.Errorf("%d statements", asked)
	}
	if *update && got != string(written) {
		if err := os.WriteFile("README.md", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// ask prints what a statement answers, as the reader is answered.
func ask(t *testing.T, db *pgx.Conn, sql string) (string, error) {
	var lines [][]string
	err := pgx.BeginFunc(t.Context(), db, func(tx pgx.Tx) error {
		if !strings.Contains(sql, "maillage_1.") {
			if _, err := tx.Exec(t.Context(), "set local role maillage_reader"); err != nil {
				return err
			}
		}
		rows, err := tx.Query(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			return err
		}
		defer rows.Close()
		var names []string
		for _, f := range rows.FieldDescriptions() {
			names = append(names, f.Name)
		}
		lines = append(lines, names)
		for rows.Next() {
			var line []string
			for _, v := range rows.RawValues() {
				line = append(line, string(v))
			}
			lines = append(lines, line)
		}
		return rows.Err()
	})
	return table(lines), err
}

// table prints lines of cells under one another, below a rule after the first.
func table(lines [][]string) string {
	if len(lines) == 0 {
		return ""
	}
	width := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for n, line := range lines {
		var padded, rule []string
		for i, cell := range line {
			padded = append(padded, cell+strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell)))
			rule = append(rule, strings.Repeat("-", width[i]))
		}
		fmt.Fprintln(&b, strings.TrimRight(strings.Join(padded, " | "), " "))
		if n == 0 {
			fmt.Fprintln(&b, strings.Join(rule, "-+-"))
		}
	}
	fmt.Fprintf(&b, "(%d rows)\n", len(lines)-1)
	return b.String()
}

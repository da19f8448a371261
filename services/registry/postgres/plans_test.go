package postgres

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/activity"
	"maillage/services/bitemporal"
	"maillage/services/registry"
	"maillage/services/registry/lens"
	"maillage/services/registry/postgres/postgrestest"
	"maillage/services/registry/query"
)

// update says to write the golden files.
var update = os.Getenv("UPDATE") != ""

// scan is a plan that reads a large table from beginning to end.
var scan = regexp.MustCompile(`Seq Scan on (centres|links|aliases|labels|assertions|offices|drafts|reports|undertakings|measures|act_effect|event)\b`)

// What is asked about a few ids is looked up, whatever the size: with the values that are
// asked for and, as PostgreSQL plans what is asked often, without them.
func TestPlans(t *testing.T) {
	conn := filled(t, 1_000, 20)
	s := newSlice("maillage_1", query.Need{Known: []uint64{10_000, 20_000}, Part: &query.Part{}})
	ids, within := []string{numbered("B", 7)}, &lens.Bounds{Networks: []string{numbered("N", 3)}, Holders: []string{numbered("N", 3)}, Establishments: []string{numbered("E", 3)}}
	labels := s.labels(ids)
	bring(t, conn, s, labels)
	for name, statements := range map[string][]statement{
		"labels": {labels}, "beside": s.beside(), "entities": s.entities(ids), "past": s.past(ids), "about": s.about(ids),
		"said": s.said(), "held": s.held(ids), "matching": s.matching(within), "called": s.called("1042"), "effects": {s.effectsOf(ids[0])},
		"changed": {s.changedSince(20_000)},
	} {
		t.Run(name, func(t *testing.T) {
			var all strings.Builder
			for i, one := range statements {
				for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
					plan := explain(t, conn, mode, one)
					if scan.MatchString(plan) {
						t.Errorf("%s of %s reads a large table from beginning to end:\n%s", mode, one.sql, plan)
					}
					if mode == "force_generic_plan" {
						fmt.Fprintf(&all, "-- %d\n%s\n", i+1, plan)
					}
				}
			}
			golden(t, name, all.String())
		})
	}
}

func golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", "plans", name+".txt")
	if update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != text {
		t.Errorf("the plan is not that of %s (UPDATE=1 writes it): %v\n%s", path, err, text)
	}
}

// explain is the plan of a statement as it is prepared, which names no values.
func explain(t *testing.T, conn *pgx.Conn, mode string, one statement) string {
	t.Helper()
	ctx := t.Context()
	if _, err := conn.Exec(ctx, "set plan_cache_mode = "+mode); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(ctx, "deallocate all"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(ctx, "prepare asked as "+one.sql); err != nil {
		t.Fatalf("%s: %v", one.sql, err)
	}
	var args []string
	for _, a := range one.args {
		args = append(args, literal(a))
	}
	sql := "explain (costs off) execute asked"
	if len(args) > 0 {
		sql += "(" + strings.Join(args, ", ") + ")"
	}
	rows, err := conn.Query(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	lines, err2 := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || err2 != nil {
		t.Fatalf("%s: %v, %v", sql, err, err2)
	}
	return strings.Join(lines, "\n")
}

func literal(a any) string {
	switch a := a.(type) {
	case []string:
		if a == nil {
			return "null"
		}
		return "'{" + strings.Join(a, ",") + "}'"
	case []int64:
		return "'{" + strings.Trim(strings.ReplaceAll(fmt.Sprint(a), " ", ","), "[]") + "}'"
	case string:
		return "'" + a + "'"
	}
	return fmt.Sprint(a)
}

// bring takes what a statement brings.
func bring(t *testing.T, conn *pgx.Conn, s *slice, one statement) {
	t.Helper()
	rows, err := conn.Query(t.Context(), one.sql, one.args...)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		if err := one.take(rows); err != nil {
			t.Fatal(err)
		}
	}
	if rows.Err() != nil || len(s.rows) == 0 {
		t.Fatalf("%d rows, %v", len(s.rows), rows.Err())
	}
}

// numbered makes ids such as are minted.
func numbered(prefix string, n int) string { return fmt.Sprintf("%s%09d", prefix, n) }

// filled is a schema with labels of centres in networks of ten, each label with as many
// versions.
func filled(t *testing.T, labels, each int) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), postgrestest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hangUp(conn) })
	for _, sql := range []string{modelDDL, creation("maillage_1")} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	rows := map[string][]registry.Row{}
	put := func(table, id string, from, to uint64, value any) {
		rows[table] = append(rows[table], registry.Row{Table: table, ID: id, Version: bitemporal.Version[any]{
			Valid: bitemporal.Interval{From: 19_723, To: 21_550}, KnownFrom: from, KnownTo: to, Value: value,
		}})
	}
	for i := range labels {
		holder := &labellingv1.Holder{Holder: &labellingv1.Holder_Site{Site: &labellingv1.Site{
			SiteId: numbered("S", i), CentreId: numbered("C", i), NetworkId: numbered("N", i/10),
		}}}
		for v := range each {
			at := uint64(v*labels + i + 1)
			to := at + uint64(labels)
			if v == each-1 {
				to = registry.StillKnown
			}
			put("labels", numbered("B", i), at, to, &labellingv1.Label{LabelId: numbered("B", i), Holder: holder, Role: labellingv1.Role(v%5 + 1)})
		}
		for n := range 10 {
			at := uint64(n*labels + i + 1)
			put("centres", numbered("C", i*10+n), at, registry.StillKnown, &topologyv1.Centre{EstablishmentIds: []string{numbered("E", i%50)}})
			put("offices", numbered("G", i*10+n), at, registry.StillKnown, &labellingv1.Office{HolderId: numbered("S", i*10+n)})
			put("assertions", fmt.Sprintf("%s.%d", numbered("B", i), at), at, registry.StillKnown, &labellingv1.Assertion{
				EntityId: numbered("B", i), SettledLabelId: numbered("B", i), Basis: &eventv1.Basis{ActId: numbered("A", i)},
			})
			put("links", numbered("K", i*10+n), at, registry.StillKnown, &topologyv1.Link{FromId: numbered("C", i), ToId: numbered("N", i), NetworkId: numbered("N", n)})
			put("aliases", numbered("Y", i*10+n), at, registry.StillKnown, &topologyv1.Alias{EntityId: numbered("S", i), System: "bamara", Value: numbered("", i*10+n)})
			put("drafts", numbered("D", i*10+n), at, registry.StillKnown, &labellingv1.Draft{})
			put("reports", numbered("R", i*10+n), at, registry.StillKnown, &activityv1.Report{Reporter: holder})
			put("undertakings", numbered("X", i*10+n), at, registry.StillKnown, &activityv1.Undertaking{Holder: holder})
			put("measures", fmt.Sprintf("%s.%d", numbered("S", i*10+n), 1), at, registry.StillKnown, activity.Measured{})
		}
	}
	for table, rows := range rows {
		data := []byte(copyHeader)
		for i := range rows {
			if data, err = appendRow(data, &rows[i]); err != nil {
				t.Fatal(err)
			}
		}
		sql := fmt.Sprintf("copy maillage_1.%s (%s) from stdin (format binary)", table, byName[table].list())
		if _, err := conn.PgConn().CopyFrom(t.Context(), bytes.NewReader(append(data, copyTrailer...)), sql); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range indexings("maillage_1", nil) {
		if _, err := conn.Exec(t.Context(), step.do); err != nil {
			t.Fatalf("%s: %v", step.do, err)
		}
	}
	const effects = `insert into maillage_1.act_effect (act_id, position, line, context) select 'A' || lpad((n % 50)::text, 9, '0'), n, 0, 'labelling' from generate_series(1, 20000) n`
	if _, err := conn.Exec(t.Context(), effects+"; analyze"); err != nil {
		t.Fatal(err)
	}
	return conn
}

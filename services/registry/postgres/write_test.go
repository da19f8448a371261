package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	"maillage/services/eventlog"
	"maillage/services/fault"
	"maillage/services/registry"
	"maillage/services/registry/postgres/postgrestest"
	"maillage/services/registry/query"
)

func contains(err error, part string) bool { return strings.Contains(err.Error(), part) }

// retry calls f until it succeeds.
func retry(t *testing.T, f func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for err := f(); err != nil; err = f() {
		if pause(ctx, 20*time.Millisecond); ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

// TestTwoProjectors: one keeps the rows, the other knows how far they are and takes over.
func TestTwoProjectors(t *testing.T) {
	w, url, records := newWorld(), postgrestest.Database(t), history(t, 200, 10)
	w.commit(t, 2, records[:100]...)
	one, other := open(t, url, w), open(t, url, w)
	stop := run(t, one)
	reaches(t, one, 100)
	run(t, other)
	w.commit(t, 2, records[100:150]...)
	reaches(t, one, 150)
	if p := reaches(t, other, 150); p.Projects || !one.Progress().Projects {
		t.Errorf("both keep the rows: %+v", p)
	}
	if err := other.Rebuild(t.Context()); err != nil { // asked of the one that waits
		t.Fatal(err)
	}
	until(t, other, "the takeover", func(p Progress) bool { return p.Schema == "maillage_2" })
	stop()
	w.commit(t, 2, records[150:]...)
	if p := reaches(t, other, w.head); !p.Projects {
		t.Errorf("%+v", p)
	}
	same(t, other, w, w.head, 120)
}

// TestHaltedIsOver: who halted and lost the lock to another process is not halted any more:
// that one keeps the rows.
func TestHaltedIsOver(t *testing.T) {
	w, url := newWorld(), postgrestest.Database(t)
	w.commit(t, 1, history(t, 60, 12)...)
	s := open(t, url, w)
	run(t, s)
	reaches(t, s, w.head)
	s.update(func(n *seen) { n.halted = errUnfit })
	other, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hangUp(other) })
	const take = `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and pid <> pg_backend_pid(); select pg_advisory_lock(%d)`
	if _, err := other.Exec(t.Context(), fmt.Sprintf(take, int64(theLock))); err != nil {
		t.Fatal(err)
	}
	until(t, s, "the other process", func(p Progress) bool { return !p.Projects && p.Halted == nil })
}

// TestHalts breaks rows behind its back: the commit that meets them halts it, all before are
// in, and nothing is skipped. A rebuild gets it going.
func TestHalts(t *testing.T) {
	const (
		ends = "update %[1]s.%[2]s set known = int8range(lower(known), 100) where id = '%[3]s' and upper_inf(known)"
		is   = `create temp table other as select * from %[1]s.%[2]s limit 1; update other set id = '%[3]s', key = %[4]s, valid = '(,)', known = '[100,)';
			insert into %[1]s.%[2]s select * from other`
	)
	for name, c := range map[string]struct {
		sql, says string
		met       func(registry.Row) (at uint64, ok bool)
	}{
		"a row that is to end is not as it was": {ends, "are not in", func(r registry.Row) (uint64, bool) {
			return r.Version.KnownTo, r.Version.KnownFrom <= 100 && r.Version.KnownTo > 100 && r.Version.KnownTo != registry.StillKnown
		}},
		"a row stands where another is to be": {is, "exclusion constraint", func(r registry.Row) (uint64, bool) {
			return r.Version.KnownFrom, r.Since == r.Version.KnownFrom && r.Since > 100
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w, url, records := newWorld(), postgrestest.Database(t), history(t, 200, 11)
			w.commit(t, 1, records[:100]...)
			s := open(t, url, w)
			run(t, s)
			schema := reaches(t, s, w.head).Schema
			var whole registry.State
			for _, r := range records {
				if _, err := whole.Evolve(r); err != nil {
					t.Fatal(err)
				}
			}
			var broken registry.Row
			at := uint64(math.MaxUint64)
			filled := map[string]bool{}
			for i := range tables {
				filled[tables[i].name] = selected(t, url, fmt.Sprintf("select count(*)::text from %s.%s", schema, tables[i].name))[0] != "0"
			}
			for r := range whole.Changes(0, whole.Position()).All() {
				if met, ok := c.met(r); ok && met < at && filled[r.Table] {
					broken, at = r, met
				}
			}
			key := "null"
			if k, ok := keyOf(broken.ID); ok {
				key = fmt.Sprint(k)
			}
			exec(t, url, fmt.Sprintf(c.sql, schema, broken.Table, broken.ID, key))
			w.commit(t, 1, records[100:]...)
			p := until(t, s, "a halt", func(p Progress) bool { return p.Halted != nil })
			f, _ := errors.AsType[*fault.Error](p.Halted)
			if f == nil || f.Reason != "READ_MODEL_HALTED" || f.Position != at || !contains(f, c.says) {
				t.Errorf("halted at %d by %v", at, p.Halted)
			}
			until(t, s, "what was before", func(p Progress) bool { return p.Position == at-1 })
			same(t, s, w, 99)
			if err := s.Rebuild(t.Context()); err != nil {
				t.Fatal(err)
			}
			until(t, s, "the rebuild", func(p Progress) bool { return p.Schema != schema && p.Position == w.head && p.Halted == nil })
			same(t, s, w, w.head)
		})
	}
}

// TestForked: a database that was filled from another log, or further than the log goes, is
// left alone until somebody says what is to be done.
func TestForked(t *testing.T) {
	records := history(t, 120, 12)
	for name, other := range map[string]func() *world{
		"the log ends before": func() *world {
			w := newWorld()
			w.commit(t, 1, records[:50]...)
			return w
		},
		"the log says something else there": func() *world {
			w := newWorld()
			w.commit(t, 1, history(t, 120, 13)...)
			return w
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, url := newWorld(), postgrestest.Database(t)
			w.commit(t, 1, records[:100]...)
			s := open(t, url, w)
			stop := run(t, s)
			reaches(t, s, 100)
			stop()
			w = other()
			s = open(t, url, w)
			s.patience = 50 * time.Millisecond
			run(t, s)
			p := until(t, s, "a halt", func(p Progress) bool { return p.Halted != nil })
			f, _ := errors.AsType[*fault.Error](p.Halted)
			if f == nil || f.Reason != "READ_MODEL_FORKED" || f.Position != 100 {
				t.Errorf("halted by %v", p.Halted)
			}
			if _, err := s.Source(query.Source{}).Head(t.Context(), 0); reason(err) != "READ_MODEL_FORKED" {
				t.Errorf("they are read: %v", err)
			}
			if err := s.Rebuild(t.Context()); err != nil {
				t.Fatal(err)
			}
			until(t, s, "the rebuild", func(p Progress) bool { return p.Schema == "maillage_2" && p.Halted == nil && p.Position == w.head })
			same(t, s, w, w.head)
		})
	}
}

// TestRegisterHalts: a register that halted before anything was filled is no fault of the
// rows. A binary that goes on fills them, and nobody need tell it to.
func TestRegisterHalts(t *testing.T) {
	w, url := newWorld(), postgrestest.Database(t)
	w.commit(t, 1, history(t, 60, 12)...)
	register := w.register()
	asked := make(chan struct{}, 100)
	register.View = func(context.Context, uint64, func(*registry.State, uint64)) error {
		select {
		case asked <- struct{}{}:
		default:
		}
		return fault.New(fault.Unavailable, "EVENT_UNREADABLE", "", "An event is not understood.")
	}
	halted, err := Open(t.Context(), url, register, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer halted.Close()
	stop := run(t, halted)
	for range 3 { // it goes on asking
		select {
		case <-asked:
		case <-time.After(10 * time.Second):
			t.Fatal("it gave up")
		}
	}
	stop()
	s := open(t, url, w)
	run(t, s)
	reaches(t, s, w.head)
	same(t, s, w, w.head)
}

// TestForeign: rows that another process keeps of another log are not read.
func TestForeign(t *testing.T) {
	url := postgrestest.Database(t)
	for i, want := range []string{"<nil>", "READ_MODEL_FORKED"} {
		body, err := proto.Marshal(&ledgerv1.Event{Meta: &eventv1.Meta{Schema: 1}, Fact: &ledgerv1.Event_LogOpened{LogOpened: &ledgerv1.LogOpened{LogId: fmt.Sprint("LOG000000", i)}}})
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld()
		w.commit(t, 1, eventlog.Record{Position: 1, Subject: fmt.Sprint("registry.ledger.log.LOG000000", i), Body: body})
		s := open(t, url, w)
		run(t, s)
		reaches(t, s, 1)
		if _, err := s.Source(query.Source{}).Head(t.Context(), 0); reason(err) != want {
			t.Errorf("%d: %v, want %s", i, err, want)
		}
	}
}

// TestDropped takes the database away under way, empties it, and takes schemas and a table
// away.
func TestDropped(t *testing.T) {
	w, url, records := newWorld(), postgrestest.Database(t), history(t, 200, 14)
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	postgres := strings.Replace(url, "/"+config.Database+"?", "/postgres?", 1)
	w.commit(t, 2, records[:100]...)
	s := open(t, url, w)
	run(t, s)
	reaches(t, s, w.head)

	exec(t, postgres, "drop database "+config.Database+" with (force)")
	w.commit(t, 2, records[100:150]...)
	if _, _, err := s.Digest(t.Context(), 100); reason(err) != "READ_MODEL_UNAVAILABLE" {
		t.Errorf("it answers %v", err)
	}
	exec(t, postgres, "create database "+config.Database)
	reaches(t, s, 150)
	same(t, s, w, 150, 100)

	exec(t, url, "drop schema maillage_1 cascade")
	w.commit(t, 2, records[150:180]...)
	until(t, s, "another schema", func(p Progress) bool { return p.Schema == "maillage_2" && p.Position == w.head })
	same(t, s, w, w.head)

	exec(t, url, "drop table maillage_2.event cascade")
	w.commit(t, 2, records[180:]...)
	until(t, s, "another schema", func(p Progress) bool { return p.Schema == "maillage_3" && p.Position == w.head })
	same(t, s, w, w.head)
}

// TestGuards: the database itself refuses two versions of an entity that overlap, however they
// do, and one that holds or is believed nowhere.
func TestGuards(t *testing.T) {
	conn, err := pgx.Connect(t.Context(), postgrestest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer hangUp(conn)
	put := func(key any, id, valid, known string) error {
		_, err := conn.Exec(t.Context(), "insert into maillage_1.plans (id, key, valid, known, since, value) values ($1, $2, $3::text::daterange, $4::text::int8range, 5, '')", id, key, valid, known)
		return err
	}
	made := modelDDL + creation("maillage_1")
	for _, step := range indexings("maillage_1", nil) {
		made += ";" + step.do
	}
	if _, err := conn.Exec(t.Context(), made); err != nil {
		t.Fatal(err)
	}
	for id, key := range map[string]any{"W000000001": 16, "not minted": nil} {
		if err := put(key, id, "[2024-01-01,2025-01-01)", "[5,9)"); err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct{ valid, known, want string }{
			"the same again":         {"[2024-01-01,2025-01-01)", "[5,9)", "23P01"},
			"it begins as one does":  {"[2024-01-01,2024-02-01)", "[5,)", "23P01"},
			"one day, one position":  {"[2024-12-31,)", "[8,)", "23P01"},
			"no day":                 {"[2024-01-01,2024-01-01)", "[5,9)", "23514"},
			"no position":            {"[2024-01-01,2025-01-01)", "[5,5)", "23514"},
			"the days that follow":   {"[2025-01-01,)", "[5,9)", ""},
			"believed in its place":  {"[2024-01-01,)", "[9,)", ""},
			"the days before, later": {"(,2024-01-01)", "[20,)", ""},
		} {
			if err := put(key, id, c.valid, c.known); code(err) != c.want || (err == nil) != (c.want == "") {
				t.Errorf("%s of %s: %v", name, id, err)
			}
		}
	}
}

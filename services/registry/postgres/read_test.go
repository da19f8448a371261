package postgres

import (
	"context"
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"maillage/services/registry"
	"maillage/services/registry/postgres/postgrestest"
	"maillage/services/registry/query"
)

// What cannot be read says why.
func TestReadsSayWhyTheyFail(t *testing.T) {
	for given, test := range map[string]struct {
		seen  seen
		least uint64
		then  string
		says  string
	}{
		"nothing yet":      {seen{}, 0, "READ_MODEL_UNAVAILABLE", "nothing is filled yet"},
		"being filled":     {seen{rebuild: &Rebuild{Phase: "COPYING", Done: 3, Total: 8}}, 0, "READ_MODEL_UNAVAILABLE", "COPYING, 3 of 8"},
		"reached":          {seen{live: "maillage_1", position: 5}, 5, "<nil>", ""},
		"not in time":      {seen{live: "maillage_1", position: 5}, 6, "POSITION_NOT_REACHED", "within the deadline"},
		"not heard":        {seen{live: "maillage_1", position: 5, lost: errors.New("connection refused")}, 6, "READ_MODEL_UNAVAILABLE", "connection refused"},
		"halted before it": {seen{live: "maillage_1", position: 5, halted: errors.New("position 6 is unfit")}, 6, "POSITION_NOT_REACHED", "position 6 is unfit"},
		"halted after it":  {seen{live: "maillage_1", position: 5, halted: errors.New("position 6 is unfit")}, 5, "<nil>", ""},
	} {
		t.Run(given, func(t *testing.T) {
			s := &Store{seen: test.seen, moved: make(chan struct{})}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			_, err := s.Source(query.Source{}).Head(ctx, test.least)
			if reason(err) != test.then || err != nil && !contains(err, test.says) {
				t.Errorf("got %v, want %s %q", err, test.then, test.says)
			}
		})
	}
}

// A read waits for what is about to be there; one without a database fails at once, and
// goes on where that comes back.
func TestReadsFollow(t *testing.T) {
	w, url, records := newWorld(), postgrestest.Database(t), history(t, 60, 12)
	w.commit(t, 1, records[:30]...)
	s := open(t, url, w)
	run(t, s)
	reaches(t, s, 30)
	source := s.Source(query.Source{})
	view := func() error {
		return source.View(t.Context(), query.Need{Known: []uint64{30}, Part: &query.Part{Labels: []string{"B"}}}, func(_, _ *registry.State) {})
	}
	if err := view(); err != nil {
		t.Fatal(err)
	}
	waited := make(chan error, 1)
	go func() {
		_, err := source.Head(t.Context(), 60)
		waited <- err
	}()
	w.commit(t, 1, records[30:]...)
	if err := <-waited; err != nil {
		t.Error(err)
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	name := config.Database
	config.Database = "postgres"
	admin, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hangUp(admin) })
	if _, err := admin.Exec(t.Context(), "drop database "+name+" with (force)"); err != nil {
		t.Fatal(err)
	}
	if err := view(); reason(err) != "READ_MODEL_UNAVAILABLE" {
		t.Errorf("without a database: %v", err)
	}
	if _, err := admin.Exec(t.Context(), "create database "+name); err != nil {
		t.Fatal(err)
	}
	retry(t, view)
}

// Whoever takes records slowly keeps nobody else from reading.
func TestRecordsHoldNoConnection(t *testing.T) {
	w, url := newWorld(), postgrestest.Database(t)
	w.commit(t, 1, history(t, 60, 12)...)
	s := open(t, url, w)
	run(t, s)
	reaches(t, s, w.head)
	source := s.Source(query.Source{})
	for range s.pool.Config().MaxConns {
		next, stop := iter.Pull2(source.Records(t.Context(), 0, w.head))
		t.Cleanup(stop)
		for want := range uint64(3) {
			if r, err, _ := next(); err != nil || r.Position != want+1 {
				t.Fatal(r, err)
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := source.Record(ctx, 1); err != nil {
		t.Error(err)
	}
}

// What a question is brought is what was known at its positions, whatever is recorded between
// two statements of it: a version is not brought beside the one whose place it took since.
func TestSlicesAreOfTheirPositions(t *testing.T) {
	w, url := newWorld(), postgrestest.Database(t)
	w.commit(t, 1, history(t, 300, 15)...)
	s := open(t, url, w)
	run(t, s)
	at := cursor{reaches(t, s, w.head).Schema, w.head}
	const known = 150
	folded := map[rowKey]registry.Row{}
	var about []string
	for r := range w.state.Rows(known).All() {
		folded[rowKey{entityKey{r.Table, r.ID}, r.Version.Valid.From, r.Version.KnownFrom}] = r
		about = append(about, r.ID)
	}
	part := newSlice(at.schema, query.Need{Known: []uint64{known}, Past: about, Part: &query.Part{About: about}})
	err := part.rounds(t.Context(), func(ctx context.Context, all ...statement) error { return s.ask(ctx, all) })
	if err != nil || len(part.rows) == 0 {
		t.Fatal(len(part.rows), err)
	}
	for key, got := range part.rows {
		if want, there := folded[key]; !there || got.Version.KnownTo != want.Version.KnownTo {
			t.Errorf("%v: brought as known until %d, folded until %d", key, got.Version.KnownTo, want.Version.KnownTo)
		}
	}
}

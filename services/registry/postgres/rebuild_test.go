package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"strconv"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"maillage/services/eventlog"
	"maillage/services/registry/postgres/postgrestest"
	"maillage/services/registry/postgres/private"
)

// partly fills a schema up to a phase and leaves it, as a process that is killed does.
func partly(t *testing.T, s *Store, phases int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	conn, err := s.connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer hangUp(conn)
	if err := s.lead(ctx, conn); err != nil {
		t.Fatal(err)
	}
	p := &projector{Store: s, conn: conn}
	if err := p.begin(ctx); err != nil {
		t.Fatal(err)
	}
	f := &filler{projector: p}
	for range indexers {
		conn, err := s.connect(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer hangUp(conn)
		f.conns = append(f.conns, conn)
	}
	n, _ := s.now()
	if err := f.start(ctx, n.models[len(n.models)-1].Schema); err != nil {
		t.Fatal(err)
	}
	f.at = cursor{f.Schema, uint64(f.Position)}
	for _, phase := range f.phases()[:phases] {
		if err := f.enter(ctx, phase.name); err != nil {
			t.Fatal(err)
		}
		if err := phase.do(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRebuildGoesOn leaves a rebuild after each phase, has more recorded, and has another
// process go on.
func TestRebuildGoesOn(t *testing.T) {
	records := history(t, 200, 4)
	for phases := range 5 {
		t.Run(fmt.Sprint("after phase ", phases), func(t *testing.T) {
			w, url := newWorld(), postgrestest.Database(t)
			w.commit(t, 2, records[:100]...)
			s := open(t, url, w)
			partly(t, s, phases)
			w.commit(t, 2, records[100:150]...)
			run(t, s)
			w.commit(t, 2, records[150:]...)
			if p := reaches(t, s, w.head); p.Schema != "maillage_1" {
				t.Errorf("%s was filled", p.Schema)
			}
			same(t, s, w, w.head, 100, 120)
		})
	}
}

// TestRebuildBeside fills a schema while another is read; that one is kept until told.
func TestRebuildBeside(t *testing.T) {
	w, url, records := newWorld(), postgrestest.Database(t), history(t, 200, 5)
	w.commit(t, 2, records[:100]...)
	s := open(t, url, w)
	run(t, s)
	reaches(t, s, w.head)
	if err := s.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, r := range records[100:] {
		w.commit(t, 1, r)
		if i%10 == 0 {
			same(t, s, w, 100) // readers go on
		}
	}
	p := until(t, s, "the takeover", func(p Progress) bool { return p.Schema == "maillage_2" && len(p.Kept) == 1 && p.Position == w.head })
	same(t, s, w, w.head)
	if p.Rebuild != nil || p.Kept[0] != "maillage_1" {
		t.Errorf("%+v", p)
	}
	for _, schema := range []string{"maillage_2", "maillage_9", "public"} {
		if err := s.Drop(t.Context(), schema); reason(err) != "NOT_KEPT" {
			t.Errorf("dropping %s: %v", schema, err)
		}
	}
	if err := s.Drop(t.Context(), "maillage_1"); err != nil {
		t.Fatal(err)
	}
	until(t, s, "the drop", func(p Progress) bool { return len(p.Kept) == 0 })
	if got := selected(t, url, "select nspname::text from pg_namespace where nspname like 'maillage_%'"); len(got) != 1 || got[0] != "maillage_2" {
		t.Errorf("schemas %v", got)
	}
}

// TestStop stops a rebuild that cannot end, has it go on, and gives one up.
func TestStop(t *testing.T) {
	w, url := newWorld(), postgrestest.Database(t)
	w.commit(t, 2, history(t, 100, 6)...)
	s := open(t, url, w)
	read, open := s.register.Records, make(chan struct{})
	s.register.Records = func(ctx context.Context, after, to uint64) iter.Seq2[eventlog.Record, error] {
		return func(yield func(eventlog.Record, error) bool) {
			if after == 0 {
				select {
				case <-open:
				case <-ctx.Done():
					yield(eventlog.Record{}, ctx.Err())
					return
				}
			}
			read(ctx, after, to)(yield)
		}
	}
	run(t, s)
	until(t, s, "a rebuild", func(p Progress) bool { return p.Rebuild != nil && p.Rebuild.Phase == copying })
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, s, "the stop", func(p Progress) bool { return p.Rebuild != nil && p.Rebuild.Phase == stopped && p.Projects })
	close(open)
	if err := s.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	reaches(t, s, w.head)
	same(t, s, w, w.head)
	if err := s.Stop(t.Context()); reason(err) != "NOT_REBUILDING" {
		t.Errorf("what does not run stops with %v", err)
	}
}

// TestTakeoverLetsBy: a takeover waits for who reads the views, and holds up neither rows
// nor readers meanwhile.
func TestTakeoverLetsBy(t *testing.T) {
	w, url, records := newWorld(), postgrestest.Database(t), history(t, 200, 15)
	w.commit(t, 2, records[:100]...)
	s := open(t, url, w)
	run(t, s)
	reaches(t, s, w.head)
	analyst, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer analyst.Close(context.Background())
	reading, err := analyst.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reading.Exec(t.Context(), "select count(*) from register.current_label"); err != nil {
		t.Fatal(err)
	}
	if err := s.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, s, "the takeover", func(p Progress) bool { return p.Rebuild != nil && p.Rebuild.Phase == comparing })
	for i := 100; i < 200; i += 2 {
		w.commit(t, 2, records[i:i+2]...)
		until(t, s, "the rows", func(p Progress) bool { return p.Schema == "maillage_1" && p.Position == w.head })
	}
	exec(t, url, "select count(*) from register.current_label")
	if err := reading.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, s, "the schema taken over", func(p Progress) bool { return p.Schema == "maillage_2" && p.Position == w.head })
	same(t, s, w, w.head)
}

// TestOtherVersion: what a binary of another version left is read by it no longer, and kept.
func TestOtherVersion(t *testing.T) {
	w, url := newWorld(), postgrestest.Database(t)
	w.commit(t, 2, history(t, 100, 7)...)
	s := open(t, url, w)
	stop := run(t, s)
	reaches(t, s, w.head)
	stop()
	exec(t, url, "update maillage.model set version = 0")
	again := open(t, url, w)
	run(t, again)
	p := reaches(t, again, w.head)
	same(t, again, w, w.head)
	if p.Schema != "maillage_2" || len(p.Kept) != 1 {
		t.Errorf("%+v", p)
	}
}

// TestDifference alters a row in a schema that is filled: it is not taken over, and the
// entity is named. A rebuild begins anew then.
func TestDifference(t *testing.T) {
	w, url := newWorld(), postgrestest.Database(t)
	w.commit(t, 2, history(t, 200, 8)...)
	s := open(t, url, w)
	partly(t, s, 2)
	id := selected(t, url, "update maillage_1.labels set value = value || '\\x00' where ctid = (select max(ctid) from maillage_1.labels) returning id")[0]
	run(t, s)
	p := until(t, s, "the difference", func(p Progress) bool { return p.Rebuild != nil && p.Rebuild.Failed != nil })
	if want := fmt.Sprintf("the first that differs is %s of labels.", id); reason(p.Rebuild.Failed) != "READ_MODEL_DIFFERS" || p.Schema != "" || !contains(p.Rebuild.Failed, want) {
		t.Errorf("%+v, want %s", p, want)
	}
	if err := s.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, s, "another", func(p Progress) bool { return p.Schema == "maillage_2" && p.Position == w.head })
	same(t, s, w, w.head)
}

// TestKilledInRebuilds kills the server in the middle of rebuilds, 50 times where
// MAILLAGE_KILLS says so: each ends, and the digest is equal.
func TestKilledInRebuilds(t *testing.T) {
	kills := 3
	if n, err := strconv.Atoi(os.Getenv("MAILLAGE_KILLS")); err == nil {
		kills = n
	} else if testing.Short() {
		kills = 1
	}
	server, err := private.Start(t.Context(), private.Options{Dir: t.TempDir(), Throwaway: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	w := newWorld()
	w.commit(t, 2, history(t, 400, 9)...)
	s := open(t, server.URL(private.Database), w)
	run(t, s)
	last := reaches(t, s, w.head).Schema
	for i := range kills {
		if err := s.Rebuild(t.Context()); err != nil {
			t.Fatal(err)
		}
		indexed := i * 37 % len(indexings("", nil)) // anywhere in it; 0 is sooner
		for now := "0"; now != "" && now < fmt.Sprintf("%09d", indexed); {
			now = selected(t, server.URL(private.Database), `select coalesce(max(coalesce(lpad(f.done::text, 9, '0'), '0')), '') from maillage.model m
				left join maillage.filled f on f.schema = m.schema and f.part = 'indexes' where m.state = 'FILLING'`)[0]
		}
		pid := server.PID()
		if err := syscall.Kill(pid, syscall.SIGQUIT); err != nil { // as pg_ctl stop -m immediate does
			t.Fatal(err)
		}
		p := until(t, s, "the takeover", func(p Progress) bool {
			if p.Rebuild != nil && p.Rebuild.Failed != nil {
				t.Fatal(p.Rebuild.Failed)
			}
			return p.Schema != "" && p.Schema != last && p.Rebuild == nil
		})
		last = p.Schema
		retry(t, func() error { _, _, err := s.Digest(t.Context(), w.head); return err })
		same(t, s, w, w.head)
	}
}

// TestHeeded: a rebuild that was taken over has not been stopped, though it may not know yet.
func TestHeeded(t *testing.T) {
	for state, want := range map[string]error{live: nil, stopped: errStopped, kept: errStopped, "": errStopped} {
		s := open(t, postgrestest.Database(t), newWorld())
		s.update(func(n *seen) {
			if state != "" {
				n.models = []model{{Schema: "maillage_1", State: state}}
			}
		})
		ctx, end := context.WithCancelCause(t.Context())
		(&projector{Store: s}).heed(ctx, "maillage_1", end)
		if got := context.Cause(ctx); !errors.Is(got, want) {
			t.Errorf("%q: %v, want %v", state, got, want)
		}
		end(nil)
	}
}

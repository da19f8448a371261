package postgres_test

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/eventlog"
	"maillage/services/eventlog/jetstream"
	"maillage/services/identifier"
	"maillage/services/labelling"
	"maillage/services/registry"
	"maillage/services/registry/postgres"
	"maillage/services/registry/postgres/postgrestest"
	"maillage/services/seed"
	"maillage/services/serve"
	"maillage/services/submit"
)

const seeds = "../../../seeds"

// past is a log that is over, and the state folded from it.
type past struct {
	state   registry.State
	records []eventlog.Record
	times   []time.Time // of each position, from 1
	ends    []uint64    // of the commit of each
}

func (p *past) head() uint64 { return uint64(len(p.records)) }

// seeded is the log of a register into which the seeds were loaded, and the same with some
// collaborations besides.
func seeded(t *testing.T) (bare, more *past) {
	t.Helper()
	data := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	at, failed := make(chan serve.Addresses, 1), make(chan error, 1)
	alone := uint64(0)
	running.Go(func() {
		failed <- serve.Run(ctx, serve.Config{Data: data, GRPC: "127.0.0.1:0", HTTP: "off", NATS: "off"}, func(a serve.Addresses) { at <- a })
	})
	select {
	case a := <-at:
		conn, err := grpc.NewClient(a.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithUnaryInterceptor(submit.Connect("officer")))
		if err == nil {
			var loaded seed.Summary
			if loaded, err = seed.Load(ctx, conn, seeds, nil); err == nil {
				err = collaborate(ctx, conn)
			}
			alone = loaded.Position
			conn.Close()
		}
		if err != nil {
			t.Error(err)
		}
	case err := <-failed:
		t.Error(err)
	}
	cancel()
	if running.Wait(); t.Failed() {
		t.FailNow()
	}
	more, bare = read(t, data), &past{}
	for _, r := range more.records[:alone] {
		bare.add(t, r)
	}
	return bare, more
}

// collaborate has centres collaborate with networks before, on and after the day of the
// test: the seeds know of none.
func collaborate(ctx context.Context, conn grpc.ClientConnInterface) error {
	registry := registryv1.NewRegistryServiceClient(conn)
	centres, err := registry.ListCentres(ctx, &registryv1.ListCentresRequest{Text: "necker", PageSize: 20})
	if err != nil {
		return err
	}
	networks, err := registry.ListNetworks(ctx, &registryv1.ListNetworksRequest{PageSize: 20})
	if err != nil {
		return err
	}
	for i, period := range []*eventv1.Period{
		{Start: "2019-01-01"}, {Start: "2019", End: "2022-01-01"}, {Start: "2019-01-01", End: "2999"}, {Start: "2998-01-01"}, {},
	} {
		if _, err := topologyv1.NewTopologyServiceClient(conn).DeclareLink(ctx, &topologyv1.DeclareLinkRequest{
			Basis: &eventv1.Basis{Source: "a test"}, Kind: topologyv1.LinkKind_LINK_KIND_COLLABORATES,
			FromId: centres.GetCentres()[i%len(centres.GetCentres())].GetCentreId(), ToId: networks.GetNetworks()[i].GetNetworkId(), Period: period,
		}); err != nil {
			return err
		}
	}
	return nil
}

// read folds the log of a data directory.
func read(t *testing.T, data string) *past {
	t.Helper()
	broker, err := jetstream.StartServer(t.Context(), jetstream.Options{Dir: serve.BrokerDir(data)})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Shutdown()
	log, err := broker.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p := &past{}
	for r, err := range log.Read(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		p.add(t, r)
	}
	return p
}

func (p *past) add(t *testing.T, r eventlog.Record) {
	t.Helper()
	meta, err := p.state.Evolve(r)
	if err != nil {
		t.Fatal(err)
	}
	p.records, p.times = append(p.records, r), append(p.times, meta.GetRecordTime().AsTime())
	p.ends = append(p.ends, r.Position-uint64(meta.GetCommitIndex())+uint64(max(meta.GetCommitSize(), 1))-1)
}

// stored keeps a log in a database and returns a connection to it.
func (p *past) stored(t *testing.T) (*pgx.Conn, *postgres.Store) {
	t.Helper()
	p.state.Settle(p.head())
	url := postgrestest.Database(t)
	store, err := postgres.Open(t.Context(), url, postgres.Register{
		View: func(_ context.Context, _ uint64, f func(*registry.State, uint64)) error {
			f(&p.state, p.head())
			return nil
		},
		Records: func(_ context.Context, after, to uint64) iter.Seq2[eventlog.Record, error] {
			return func(yield func(eventlog.Record, error) bool) {
				for _, r := range p.records[after:to] {
					if !yield(r, nil) {
						return
					}
				}
			}
		},
		CommitEnd: func(position uint64) uint64 {
			for position > 0 && p.ends[position-1] != position {
				position--
			}
			return position
		},
		KnownTime: func(position uint64) time.Time { return p.times[position-1] },
	}, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = store.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait(); store.Close() })
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) })
	if _, err := conn.Exec(t.Context(), "listen maillage"); err != nil {
		t.Fatal(err)
	}
	late := time.Now().Add(time.Minute)
	for n := store.Progress(); n.Position < p.head(); n = store.Progress() {
		if n.Halted != nil || n.Rebuild != nil && n.Rebuild.Failed != nil || time.Now().After(late) {
			t.Fatal("the rows did not come: ", n.Halted, n.Rebuild)
		}
		waiting, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond) // it may have been told before
		_, _ = conn.WaitForNotification(waiting)
		cancel()
	}
	return conn, store
}

// TestViews shows the seeds to an analyst.
func TestViews(t *testing.T) {
	bare, p := seeded(t)
	t.Run("the notebook", func(t *testing.T) { notebook(t, bare) })
	db, store := p.stored(t)
	t.Run("everything has a comment", func(t *testing.T) { commented(t, db) })
	t.Run("label_at is what memory holds", func(t *testing.T) { p.labelsAt(t, db) })
	t.Run("collaborations are those of memory", func(t *testing.T) { p.collaborations(t, db) })
	t.Run("position_at", func(t *testing.T) { p.positions(t, db) })
	t.Run("departments", func(t *testing.T) { departments(t, db) })
	t.Run("no person is named", func(t *testing.T) { unnamed(t, db) })
	t.Run("the reader may read and nothing else", func(t *testing.T) { rights(t, db) })
	t.Run("they move with the tables", func(t *testing.T) { moved(t, db, store) })
}

// texts is the rows of a query of one column, in order.
func texts(t *testing.T, db *pgx.Conn, sql string, args ...any) []string {
	t.Helper()
	rows, _ := db.Query(t.Context(), sql, args...)
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	slices.Sort(all)
	return all
}

// No view, column or function lacks a comment, and there are those that analysts are told of.
func commented(t *testing.T, db *pgx.Conn) {
	const all = `select c.relname || coalesce('.' || a.attname, '') from pg_class c left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
			where c.relnamespace = 'register'::regnamespace and coalesce(col_description(c.oid, a.attnum), '') %[1]s
		union all select c.relname from pg_class c where c.relnamespace = 'register'::regnamespace and coalesce(obj_description(c.oid, 'pg_class'), '') %[1]s
		union all select p.proname from pg_proc p where p.pronamespace = 'register'::regnamespace and coalesce(obj_description(p.oid, 'pg_proc'), '') %[1]s`
	for _, bare := range texts(t, db, fmt.Sprintf(all, "= ''")) {
		t.Errorf("%s has no comment", bare)
	}
	told := texts(t, db, fmt.Sprintf(all, "<> ''"))
	for _, name := range []string{"current_label", "label_at", "label_history", "act_effect", "collaborator_map", "establishment", "centre", "network", "act.title", "head.position"} {
		if !slices.Contains(told, name) {
			t.Errorf("there is no %s", name)
		}
	}
}

// On every day and at every position label_at has the labels, with their roles, that the
// fold holds on that day as known there, but for those that never were; and everything
// that is in force, extended or suspended is among them.
func (p *past) labelsAt(t *testing.T, db *pgx.Conn) {
	days := []string{"1990-01-01", "2006-06-01", "2012-01-01", "2017-10-01", "2018-01-01", "2022-12-31", "2023-01-01", "2024-06-01", "2026-11-22", "2040-01-01"}
	positions := []uint64{0, 1, p.head() / 3, p.head() / 2, p.head() * 9 / 10, p.head()}
	most := 0
	for _, day := range days {
		v, err := bitemporal.ParseDate(day)
		if err != nil {
			t.Fatal(err)
		}
		for _, known := range positions {
			want, inForce := []string{}, 0
			for id := range p.state.Labelling.Labels.IDs() {
				status, _ := p.state.Labelling.StatusAt(id, v, known, &p.state.Topology)
				standing := status == labellingv1.Status_STATUS_IN_FORCE || status == labellingv1.Status_STATUS_EXTENDED || status == labellingv1.Status_STATUS_SUSPENDED
				l, held := p.state.Labelling.Labels.At(id, v, known)
				if !held || l.GetVoided() || l.GetWithdrawn() || l.GetAnnulled() && l.GetAnnulledFrom() == "" {
					if standing {
						t.Errorf("on %s as known at %d, %s is %s and not held", day, known, id, status)
					}
					continue
				}
				if standing {
					inForce++
				}
				want = append(want, id+" "+strings.TrimPrefix(l.GetRole().String(), "ROLE_")+" "+labelling.HolderID(l.GetHolder()))
			}
			slices.Sort(want)
			most = max(most, inForce)
			got := texts(t, db, "select concat_ws(' ', label_id, coalesce(role, 'UNSPECIFIED'), holder_id) from register.label_at($1::text::date, $2)", day, int64(known))
			if !slices.Equal(got, want) {
				t.Errorf("label_at(%s, %d) is %d labels, memory holds %d", day, known, len(got), len(want))
			}
		}
	}
	if most < 100 {
		t.Errorf("at most %d labels are in force: there is little to compare", most)
	}
	same := texts(t, db, `select l::text from register.current_label l except select l::text from register.label_at((now() at time zone 'Europe/Paris')::date, (select position from register.head)) l`)
	if len(same) > 0 {
		t.Errorf("%d labels of current_label are not in label_at(today, head), such as %s", len(same), same[0])
	}
}

func (p *past) collaborations(t *testing.T, db *pgx.Conn) {
	want := []string{}
	for l := range p.state.Topology.LinksOn(bitemporal.Today(time.Now()), p.head()) {
		if l.GetKind() == topologyv1.LinkKind_LINK_KIND_COLLABORATES {
			want = append(want, l.GetLinkId()+" "+l.GetFromId()+" "+l.GetToId())
		}
	}
	slices.Sort(want)
	got := texts(t, db, `select concat_ws(' ', link_id, centre_id, network_id) from register.collaborator_map where not centre_closed and not network_closed`)
	if !slices.Equal(got, want) || len(want) != 3 {
		t.Errorf("%d collaborations, memory has %d", len(got), len(want))
	}
}

func (p *past) positions(t *testing.T, db *pgx.Conn) {
	for _, i := range []int{0, len(p.times) / 2, len(p.times) - 1} {
		want := uint64(0)
		for j, at := range p.times {
			if !at.After(p.times[i]) && p.ends[j] == uint64(j+1) {
				want = uint64(j + 1)
			}
		}
		var got int64
		if err := db.QueryRow(t.Context(), "select register.position_at($1)", p.times[i]).Scan(&got); err != nil || uint64(got) != want {
			t.Errorf("position_at(%v) is %d, %v; want %d", p.times[i], got, err, want)
		}
	}
	if got := texts(t, db, "select register.position_at('2000-01-01')::text"); got[0] != "0" {
		t.Errorf("position %s was known in 2000", got)
	}
}

func departments(t *testing.T, db *pgx.Conn) {
	want := []string{}
	for d := range identifier.Departments() {
		want = append(want, strings.Join([]string{d.Code, d.Name, d.RegionCode, d.Region}, "|"))
	}
	if got := texts(t, db, "select concat_ws('|', department_code, department_name, region_code, region_name) from register.department"); !slices.Equal(got, want) {
		t.Errorf("departments are %q", got)
	}
}

// What the seeds name persons by is found nowhere.
func unnamed(t *testing.T, db *pgx.Conn) {
	file, err := os.ReadFile(seeds + "/centres.csv")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Fabrice Parker", "Zerah"} {
		if !strings.Contains(string(file), name) {
			t.Fatalf("the seeds name no %s", name)
		}
		for _, view := range texts(t, db, "select relname::text from pg_class where relnamespace = 'register'::regnamespace and relkind = 'v'") {
			if rows := texts(t, db, "select v::text from register."+view+" v where v::text ilike '%' || $1 || '%'", name); len(rows) > 0 {
				t.Errorf("%s names %s: %s", view, name, rows[0])
			}
		}
	}
}

func rights(t *testing.T, db *pgx.Conn) {
	schema := texts(t, db, "select schema from register.head")[0]
	err := pgx.BeginFunc(t.Context(), db, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "set local role maillage_reader"); err != nil {
			return err
		}
		for _, view := range texts(t, db, "select relname::text from pg_class where relnamespace = 'register'::regnamespace and relkind = 'v'") {
			if _, err := tx.Exec(t.Context(), "select * from register."+view+" limit 1"); err != nil {
				t.Errorf("read %s: %v", view, err)
				return err
			}
		}
		_, err := tx.Exec(t.Context(), "select * from register.label_at('2024-06-01', register.position_at(now())) limit 1")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, forbidden := range []string{
		"select * from " + schema + ".labels", "select * from " + schema + ".event", "select * from maillage.model",
		"delete from register.label_history", "create table register.mine ()", "create view register.mine as select 1",
	} {
		err := pgx.BeginFunc(t.Context(), db, func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), "set local role maillage_reader"); err != nil {
				t.Error(err)
			}
			_, err := tx.Exec(t.Context(), forbidden)
			return err
		})
		if err == nil || !strings.Contains(err.Error(), "42501") {
			t.Errorf("%s: %v, want permission denied", forbidden, err)
		}
	}
}

// A rebuild turns the views to the new schema, and leaves those that are built upon them.
func moved(t *testing.T, db *pgx.Conn, store *postgres.Store) {
	if _, err := db.Exec(t.Context(), "create schema mine; create view mine.roles as select role, count(*) from register.label_history group by role"); err != nil {
		t.Fatal(err)
	}
	before := texts(t, db, "select r::text from mine.roles r")
	if err := store.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	for late := time.Now().Add(time.Minute); store.Progress().Schema != "maillage_2"; {
		if time.Now().After(late) {
			t.Fatal("the rebuild does not end: ", store.Progress())
		}
		waiting, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		_, _ = db.WaitForNotification(waiting)
		cancel()
	}
	if err := store.Drop(t.Context(), "maillage_1"); err != nil {
		t.Error(err)
	}
	if got := texts(t, db, "select schema from register.head"); got[0] != "maillage_2" {
		t.Errorf("register.head shows %s", got)
	}
	if after := texts(t, db, "select r::text from mine.roles r"); !slices.Equal(before, after) {
		t.Errorf("labels by role were %q, are %q", before, after)
	}
	if _, err := db.Exec(t.Context(), "select * from register.label_at('2024-06-01', 100), register.act_effect limit 1"); err != nil {
		t.Error(err)
	}
}

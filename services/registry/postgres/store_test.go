package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/eventlog"
	"maillage/services/fault"
	"maillage/services/registry"
	"maillage/services/registry/postgres/postgrestest"
	"maillage/services/registry/registrytest"
)

// world is a log and the state folded from it, as a process has them.
type world struct {
	mu      sync.RWMutex
	state   registry.State
	records []eventlog.Record
	ends    []uint64
	head    uint64
	moved   chan struct{}
}

func newWorld() *world { return &world{moved: make(chan struct{})} }

// history is records that a state takes.
func history(tb testing.TB, facts, seed int) []eventlog.Record {
	samples := registrytest.Load(tb, "../..")
	return rapid.Custom(func(t *rapid.T) []eventlog.Record {
		var s registry.State
		return samples.Fold(t, &s, facts)
	}).Example(seed)
}

// predict folds records as one commit that is not shown yet.
func (w *world) predict(tb testing.TB, records ...eventlog.Record) {
	tb.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range records {
		if _, err := w.state.Evolve(r); err != nil {
			tb.Fatal(err)
		}
	}
	w.records = append(w.records, records...)
	w.ends = append(w.ends, uint64(len(w.records)))
}

// show shows what was predicted; it is settled then.
func (w *world) show() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.head = uint64(len(w.records))
	w.state.Settle(w.head)
	close(w.moved)
	w.moved = make(chan struct{})
}

func (w *world) takeBack() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state.Rollback(w.head)
	w.records = w.records[:w.head]
	for len(w.ends) > 0 && w.ends[len(w.ends)-1] > w.head {
		w.ends = w.ends[:len(w.ends)-1]
	}
}

// commit folds records in commits of a size and shows them.
func (w *world) commit(tb testing.TB, size int, records ...eventlog.Record) {
	tb.Helper()
	for part := range slices.Chunk(records, size) {
		w.predict(tb, part...)
	}
	w.show()
}

func (w *world) register() Register {
	return Register{
		View: func(ctx context.Context, least uint64, f func(*registry.State, uint64)) error {
			for {
				w.mu.Lock() // several stores share the state here, of which one may hold
				if w.head >= least {
					defer w.mu.Unlock()
					f(&w.state, w.head)
					return nil
				}
				moved := w.moved
				w.mu.Unlock()
				select {
				case <-moved:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		},
		Records: func(_ context.Context, after, to uint64) iter.Seq2[eventlog.Record, error] {
			return func(yield func(eventlog.Record, error) bool) {
				w.mu.RLock()
				all := w.records[after:to]
				w.mu.RUnlock()
				for _, r := range all {
					if !yield(r, nil) {
						return
					}
				}
			}
		},
		CommitEnd: func(position uint64) uint64 {
			w.mu.RLock()
			defer w.mu.RUnlock()
			i, found := slices.BinarySearch(w.ends, position)
			if found {
				return position
			}
			if i == 0 {
				return 0
			}
			return w.ends[i-1]
		},
		KnownTime: func(position uint64) time.Time { return time.Unix(1_780_000_000+int64(position), 0).UTC() },
	}
}

func (w *world) digest(tb testing.TB, position uint64) [32]byte {
	tb.Helper()
	w.mu.RLock()
	defer w.mu.RUnlock()
	d, err := w.state.Rows(position).Digest()
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// open opens a store of the database; it is closed after the test.
func open(tb testing.TB, url string, w *world) *Store {
	tb.Helper()
	logger := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		logger = slog.New(slog.NewTextHandler(tb.Output(), nil))
	}
	s, err := Open(context.Background(), url, w.register(), logger)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Close)
	return s
}

// run has a store run until the test ends, or the function returned is called.
func run(tb testing.TB, s *Store) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			tb.Error(err)
		}
	})
	tb.Cleanup(stop)
	return stop
}

// until waits until what a store says of itself is so.
func until(tb testing.TB, s *Store, what string, so func(Progress) bool) Progress {
	tb.Helper()
	late := time.After(time.Minute)
	for {
		_, moved := s.now()
		p := s.Progress()
		if so(p) {
			return p
		}
		select {
		case <-moved:
		case <-late:
			tb.Fatalf("waited for %s: %+v", what, p)
		}
	}
}

func reaches(tb testing.TB, s *Store, position uint64) Progress {
	tb.Helper()
	return until(tb, s, fmt.Sprint("position ", position), func(p Progress) bool {
		if p.Halted != nil || p.Rebuild != nil && p.Rebuild.Failed != nil {
			tb.Fatalf("halted %v, rebuild %+v", p.Halted, p.Rebuild)
		}
		return p.Schema != "" && p.Position >= position
	})
}

// same compares the digests at positions.
func same(tb testing.TB, s *Store, w *world, positions ...uint64) {
	tb.Helper()
	for _, position := range positions {
		got, _, err := s.Digest(context.Background(), position)
		if err != nil {
			tb.Fatal(err)
		}
		if want := w.digest(tb, position); got != want {
			tb.Errorf("digest at %d is %x, of the fold %x", position, got, want)
		}
	}
}

func reason(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Reason
	}
	return fmt.Sprint(err)
}

// selected runs a statement and returns the first column, as text.
func selected(tb testing.TB, url, sql string, args ...any) []string {
	tb.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(ctx)
	rows, _ := conn.Query(ctx, sql, args...)
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
	return all
}

// exec runs statements.
func exec(tb testing.TB, url, sql string) {
	tb.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql); err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
}

// TestRowsFollowTheFold brings histories in, by a rebuild and commit by commit, with
// predictions that are taken back: the digest is that of the fold, at every position.
func TestRowsFollowTheFold(t *testing.T) {
	for seed := range 3 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			records, w := history(t, 300, seed), newWorld()
			url := postgrestest.Database(t)
			first := len(records) * seed / 3
			w.commit(t, 3, records[:first]...)
			s := open(t, url, w)
			run(t, s)
			reaches(t, s, uint64(first))
			for rest := records[first:]; len(rest) > 0; {
				n := min(len(rest), 1+len(rest)%7)
				if n%2 == 0 {
					w.predict(t, rest[:n]...)
					w.takeBack()
				}
				w.commit(t, 1+n%3, rest[:n]...)
				rest = rest[n:]
				if n == 5 {
					reaches(t, s, w.head)
				}
			}
			p := reaches(t, s, w.head)
			same(t, s, w, w.head, w.head/2, 1, 0)
			if got := selected(t, url, fmt.Sprintf("select count(*)::text from %s.event where known_time = to_timestamp(1780000000 + commit_end)", p.Schema)); got[0] != fmt.Sprint(len(records)) {
				t.Errorf("%s records of %d", got[0], len(records))
			}
			effects := len(effectsOf(w.state.Changes(0, w.head)))
			if got := selected(t, url, fmt.Sprintf("select count(*)::text from %s.act_effect", p.Schema)); got[0] != fmt.Sprint(effects) || effects == 0 {
				t.Errorf("%s effects of %d", got[0], effects)
			}
		})
	}
}

// TestNumbersOfIDs: no two ids have one number.
func TestNumbersOfIDs(t *testing.T) {
	for id, want := range map[string]bool{
		"0000000000": true, "ZZZZZZZZZZ": true, "ZZZZZZZZZZ.9": true, "0000000000.0": true,
		"000000000": false, "00000000000": false, "0000000000.10": false, "0000000000:1": false, "000000000L": false, "000000000z": false, "": false,
	} {
		if _, ok := keyOf(id); ok != want {
			t.Errorf("%q has a number: %v", id, ok)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.StringMatching(`[0-9A-HJKMNP-TV-Z]{10}(\.[0-9])?`)
		a, b := ids.Draw(t, "a"), ids.Draw(t, "b")
		ka, _ := keyOf(a)
		kb, ok := keyOf(b)
		if !ok || (ka == kb) != (a == b) {
			t.Fatalf("%s is %d, %s is %d", a, ka, b, kb)
		}
	})
}

// TestTextsNoColumnHolds: what PostgreSQL has no text for is kept all the same.
func TestTextsNoColumnHolds(t *testing.T) {
	cycle, err := proto.Marshal(&labellingv1.Event{Meta: &eventv1.Meta{Schema: 1}, Fact: &labellingv1.Event_CycleRegistered{CycleRegistered: &labellingv1.CycleRegistered{
		CycleId: "Y000000001", Code: "a\x00b", Aliases: []string{"\x00"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, first := range map[string]int{"a commit": 0, "a rebuild": 1} {
		t.Run(name, func(t *testing.T) {
			w, url := newWorld(), postgrestest.Database(t)
			s := open(t, url, w)
			record := eventlog.Record{Position: 1, Subject: "registry.labelling.cycle.Y000000001", Body: cycle}
			if first == 1 {
				w.commit(t, 1, record)
			}
			run(t, s)
			schema := reaches(t, s, uint64(first)).Schema
			if first == 0 {
				w.commit(t, 1, record)
				reaches(t, s, 1)
			}
			same(t, s, w, 1)
			if got := selected(t, url, "select code || array_to_string(aliases, ',') from "+schema+".cycles"); !slices.Equal(got, []string{"a\uFFFDb\uFFFD"}) {
				t.Errorf("%q", got)
			}
		})
	}
}

// TestColumns reads back what COPY was given, with what the server makes of it.
func TestColumns(t *testing.T) {
	w, url := newWorld(), postgrestest.Database(t)
	w.commit(t, 10, history(t, 400, 1)...)
	s := open(t, url, w)
	run(t, s)
	schema := reaches(t, s, w.head).Schema
	for i := range tables {
		if selected(t, url, fmt.Sprintf("select count(*)::text from %s.%s", schema, tables[i].name))[0] == "0" {
			t.Errorf("no history has a row of %s", tables[i].name)
		}
	}
	if got := selected(t, url, fmt.Sprintf("select count(*)::text from %s.labels where holder_id is null or role is null or role like 'ROLE%%' or network_id is null and filiere_id is null and platform_id is null", schema)); got[0] != "0" {
		t.Errorf("%s labels without holder or role", got[0])
	}
	undocumented := selected(t, url, `select c.table_name || '.' || c.column_name from information_schema.columns c
		where c.table_schema in ('maillage', $1) and col_description((c.table_schema || '.' || c.table_name)::regclass, c.ordinal_position) is null`, schema)
	if len(undocumented) > 0 {
		t.Errorf("columns without a comment: %s", strings.Join(undocumented, ", "))
	}
}

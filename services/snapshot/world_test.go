package snapshot_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"iter"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	feedv1 "maillage/proto/gen/maillage/feed/v1"
	"maillage/proto/merkle"
	"maillage/services/eventlog"
	"maillage/services/fault"
	"maillage/services/feed"
	"maillage/services/ledger"
	"maillage/services/registry"
	"maillage/services/registry/registrytest"
	"maillage/services/snapshot"
)

// world is a log in memory, the state folded from it, and who hands it on.
type world struct {
	mu      sync.RWMutex
	state   registry.State
	records []eventlog.Record
	ends    []uint64 // of commits
	now     time.Time
	digests registry.Digests
	feed    *feed.Feed

	growing sync.Mutex
	tree    merkle.Tree // of some records
}

var samples = sync.OnceValue(func() registrytest.Samples {
	return registrytest.Load(new(testing.T), "..")
})

// draw folds so many facts of every kind, in commits of some.
func draw(t *rapid.T, facts int) *world {
	w := newWorld()
	w.grow(t, facts)
	return w
}

func newWorld() *world {
	w := &world{now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	w.feed = feed.New(feed.Source{
		Await:   func(context.Context, uint64) (ledger.Head, error) { return w.head(), nil },
		Records: w.read, CommitEnd: w.commitEnd, KnownTime: w.knownTime,
		Get:    func(_ context.Context, p uint64) (eventlog.Record, error) { return w.records[p-1], nil },
		Epochs: func() []registry.Epoch { return nil },
		Now:    func() time.Time { return w.now },
	}, feed.Limits{})
	return w
}

// grow folds more.
func (w *world) grow(t *rapid.T, facts int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.records = append(w.records, samples().Fold(t, &w.state, facts)...)
	at := uint64(0)
	if len(w.ends) > 0 {
		at = w.ends[len(w.ends)-1]
	}
	for at < uint64(len(w.records)) {
		at = min(at+rapid.Uint64Range(1, 4).Draw(t, "commit"), uint64(len(w.records)))
		w.ends = append(w.ends, at)
	}
}

func (w *world) head() ledger.Head {
	w.growing.Lock()
	defer w.growing.Unlock()
	if w.tree.Size() > uint64(len(w.records)) {
		w.tree = merkle.Tree{}
	}
	for _, r := range w.records[w.tree.Size():] {
		w.tree.Append(eventlog.LeafHash(r))
	}
	return ledger.Head{Epoch: 1, Size: w.tree.Size(), Root: w.tree.Root()}
}

func (w *world) commitEnd(position uint64) uint64 {
	i, exact := slices.BinarySearch(w.ends, position)
	switch {
	case exact:
		return position
	case i == 0:
		return 0
	}
	return w.ends[i-1]
}

func (w *world) knownTime(position uint64) time.Time {
	return time.Unix(int64(w.commitEnd(position)), 500).UTC()
}

func (w *world) read(_ context.Context, after, to uint64) iter.Seq2[eventlog.Record, error] {
	return func(yield func(eventlog.Record, error) bool) {
		for _, r := range w.records[after:to] {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (w *world) source() snapshot.Source {
	view := func(_ context.Context, least uint64, f func(*registry.State, uint64)) error {
		w.mu.RLock()
		defer w.mu.RUnlock()
		if head := uint64(len(w.records)); least > head {
			return fault.New(fault.Unavailable, "POSITION_NOT_REACHED", "as_of.min_position", "position %d", least)
		}
		f(&w.state, uint64(len(w.records)))
		return nil
	}
	return snapshot.Source{
		View: view, Commits: w.feed.Commits, Records: w.read, CommitEnd: w.commitEnd, KnownTime: w.knownTime,
		Digest: func(ctx context.Context, position uint64) (registry.Digest, int, error) {
			return w.digests.Of(position, func(f func(*registry.State)) error {
				return view(ctx, position, func(s *registry.State, _ uint64) { f(s) })
			})
		},
		Head: w.head, Now: func() time.Time { return w.now },
	}
}

// Each draw makes some sets of thirty files: fewer of them do.
func init() { _ = flag.Set("rapid.checks", "30") }

// place is what a test is in, drawn or not.
type place interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func open(w *world, dir string) *snapshot.Store { return snapshot.New(w.source(), dir) }

func must(t place, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// contents reads all files of a set, what is compressed as it was before.
func contents(t place, s *snapshot.Store, m *feedv1.Manifest) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, is := range m.GetFiles() {
		f, _, err := s.Open(context.Background(), m.GetSet(), is.GetName())
		must(t, err)
		all[is.GetName()] = unzipped(t, f, is)
		must(t, f.Close())
	}
	return all
}

func unzipped(t place, f *os.File, is *feedv1.File) []byte {
	t.Helper()
	in := io.Reader(f)
	if is.GetMediaType() == "application/gzip" {
		zip, err := gzip.NewReader(f)
		must(t, err)
		in = zip
	}
	content, err := io.ReadAll(in)
	must(t, err)
	return content
}

// row is a line of a file of rows, as a stranger reads it.
type row struct {
	Table   string
	ID      string
	Valid   [2]*string
	Known   [2]*uint64
	Value   json.RawMessage
	Encoded []byte
	line    string
}

func (r row) key() string {
	from := ""
	if r.Valid[0] != nil {
		from = *r.Valid[0]
	}
	known, _ := json.Marshal(r.Known[0])
	return r.Table + " " + r.ID + " " + string(known) + " " + from
}

// rowsOf reads the files of rows of a set.
func rowsOf(t place, files map[string][]byte) (rows []row) {
	t.Helper()
	for _, table := range slices.Sorted(registry.Tables()) {
		text, there := files["rows."+table+".jsonl.gz"]
		if !there {
			t.Fatalf("no rows of %s", table)
		}
		for _, line := range lines(text) {
			r := row{line: line}
			must(t, json.Unmarshal([]byte(line), &r))
			rows = append(rows, r)
		}
	}
	return rows
}

func lines(text []byte) (all []string) {
	in := bufio.NewReader(&reader{text})
	for {
		line, err := in.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return all
		}
		all = append(all, line)
	}
}

type reader struct{ rest []byte }

func (r *reader) Read(p []byte) (int, error) {
	n := copy(p, r.rest)
	if r.rest = r.rest[n:]; n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

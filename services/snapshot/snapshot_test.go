package snapshot_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"maillage/proto/follow"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	"maillage/proto/merkle"
	"maillage/services/fault"
	"maillage/services/snapshot"
)

// temp is a directory that a draw has for itself.
func temp(t *rapid.T) string {
	dir, err := os.MkdirTemp("", "sets-")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// digest is the state digest of rows, computed as its documentation says from the lines
// alone.
func digest(rows []row) string {
	hashes := make([][]byte, len(rows))
	for i, r := range rows {
		var b []byte
		number := func(n int) { b = binary.BigEndian.AppendUint32(b, uint32(int32(n))) }
		put := func(s string) { number(len(s)); b = append(b, s...) }
		day := func(s *string, none int) {
			if s == nil {
				number(none)
				return
			}
			at, _ := time.Parse(time.DateOnly, *s)
			number(int(at.Unix() / 86400))
		}
		put(r.Table)
		put(r.ID)
		day(r.Valid[0], math.MinInt32)
		day(r.Valid[1], math.MaxInt32)
		b = binary.BigEndian.AppendUint64(b, *r.Known[0])
		to := uint64(math.MaxInt64)
		if r.Known[1] != nil {
			to = *r.Known[1]
		}
		b = binary.BigEndian.AppendUint64(b, to)
		put(string(r.Encoded))
		sum := sha256.Sum256(b)
		hashes[i] = sum[:]
	}
	slices.SortFunc(hashes, bytes.Compare)
	sum := sha256.Sum256(bytes.Join(hashes, nil))
	return hex.EncodeToString(sum[:])
}

// rootOf is the last but one line of a checkpoint.
func rootOf(m *feedv1.Manifest) string { return strings.Split(m.GetCheckpoint(), "\n")[2] }

// From the files alone follow the root of the log and the digest of the state.
func TestFilesProveThemselves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := draw(t, rapid.IntRange(1, 60).Draw(t, "facts"))
		s := open(w, temp(t))
		defer s.Close()
		at := rapid.SampledFrom(w.ends).Draw(t, "at")
		m, err := s.Snapshot(context.Background(), at)
		must(t, err)
		files := contents(t, s, m)
		rows := rowsOf(t, files)
		if got := digest(rows); got != m.GetStateDigest() || uint64(len(rows)) != m.GetStateRows() {
			t.Fatalf("%d rows hash to %s, stated are %d and %s", len(rows), got, m.GetStateRows(), m.GetStateDigest())
		}
		if stated, n, err := w.source().Digest(context.Background(), at); err != nil || hex.EncodeToString(stated[:]) != m.GetStateDigest() || n != len(rows) {
			t.Fatalf("the state hashes to %x: %v", stated, err)
		}
		place, err := follow.Resume(follow.ReadLines(bytes.NewReader(files["events.jsonl.gz"])))
		must(t, err)
		root, _ := place.Root()
		if place.Position != at || base64.StdEncoding.EncodeToString(root[:]) != rootOf(m) || place.Cursor != m.GetCursor() {
			t.Fatalf("the records end at %v, the checkpoint is %q", place, m.GetCheckpoint())
		}
		for _, f := range m.GetFiles() {
			sum := sha256.Sum256(files[f.GetName()])
			if n := bytes.Count(files[f.GetName()], []byte("\n")); hex.EncodeToString(sum[:]) != f.GetContentSha256() || uint64(len(files[f.GetName()])) != f.GetContentBytes() ||
				strings.Contains(f.GetName(), "jsonl") && uint64(n) != f.GetRows() {
				t.Fatalf("%s is not what is stated: %v", f.GetName(), f)
			}
		}
	})
}

// A delta applied to one snapshot is the other, and proves its records beside it.
func TestDelta(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := draw(t, rapid.IntRange(2, 60).Draw(t, "facts"))
		if rapid.Bool().Draw(t, "settled") { // what changed is then looked for everywhere
			w.state.Settle(rapid.Uint64Range(0, uint64(len(w.records))).Draw(t, "to"))
		}
		s := open(w, temp(t))
		defer s.Close()
		from := rapid.SampledFrom(append([]uint64{0}, w.ends[:len(w.ends)-1]...)).Draw(t, "from")
		i := slices.IndexFunc(w.ends, func(e uint64) bool { return e > from })
		to := rapid.SampledFrom(w.ends[i:]).Draw(t, "to")

		after, err := s.Snapshot(context.Background(), to)
		must(t, err)
		delta, err := s.Delta(context.Background(), from, to)
		must(t, err)
		change, want := contents(t, s, delta), contents(t, s, after)
		held := map[string]row{}
		events := []byte(nil)
		if from > 0 {
			before, err := s.Snapshot(context.Background(), from)
			must(t, err)
			base := contents(t, s, before)
			for _, r := range rowsOf(t, base) {
				held[r.key()] = r
			}
			events = base["events.jsonl.gz"]

			var tree merkle.Tree
			must(t, tree.UnmarshalBinary(delta.GetTreeAfter()))
			if root := tree.Root(); base64.StdEncoding.EncodeToString(root[:]) != rootOf(before) {
				t.Fatal("the tree of the delta does not begin where the snapshot ends")
			}
		}
		for _, r := range rowsOf(t, change) {
			if !slices.ContainsFunc([]uint64{*r.Known[0]}, func(p uint64) bool { return p > from }) && (r.Known[1] == nil || *r.Known[1] <= from) {
				t.Fatalf("from %d to %d this did not change: %s", from, to, r.line)
			}
			held[r.key()] = r
		}
		var got, there []string
		for _, r := range held {
			got = append(got, r.line)
		}
		for _, r := range rowsOf(t, want) {
			there = append(there, r.line)
		}
		slices.Sort(got)
		slices.Sort(there)
		if !slices.Equal(got, there) {
			t.Fatalf("from %d to %d: %d rows, want %d", from, to, len(got), len(there))
		}
		if !bytes.Equal(append(slices.Clone(events), change["events.jsonl.gz"]...), want["events.jsonl.gz"]) {
			t.Fatal("the records of the snapshot and of the delta are not those of the later snapshot")
		}
		if delta.GetStateDigest() != after.GetStateDigest() || delta.GetCheckpoint() != after.GetCheckpoint() || delta.GetCursor() != after.GetCursor() {
			t.Fatal("the delta does not lead where the snapshot is")
		}
	})
}

// What is made again, elsewhere, and after more came, is the same to the byte.
func TestSameForEver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := draw(t, rapid.IntRange(1, 40).Draw(t, "facts"))
		at := rapid.SampledFrom(w.ends).Draw(t, "at")
		first := open(w, temp(t))
		defer first.Close()
		var before []*feedv1.Manifest
		ask := func() (all []*feedv1.Manifest) {
			s := open(w, temp(t))
			defer s.Close()
			m, err := s.Snapshot(context.Background(), at)
			must(t, err)
			d, err := s.Delta(context.Background(), at/2, at)
			if own, is := errors.AsType[*fault.Error](err); !is || own.Reason != "RANGE_EMPTY" {
				must(t, err)
			}
			o, err := s.OpenData(context.Background(), at, "2024-06-01")
			must(t, err)
			return []*feedv1.Manifest{m, d, o}
		}
		before = ask()
		w.grow(t, 10)
		for i, m := range ask() {
			if !proto.Equal(m, before[i]) {
				t.Fatalf("%s is not what it was", m.GetSet())
			}
		}
	})
}

// Another number of the format goes with other bytes. If this fails because the files are
// meant to differ, or because they are compressed otherwise, give them another one.
func TestBytesOfTheFormat(t *testing.T) {
	w := national(t, 70)
	s := open(w, t.TempDir())
	defer s.Close()
	var all []string
	m, err := s.Snapshot(t.Context(), 0)
	must(t, err)
	o, err := s.OpenData(t.Context(), 0, "2016-06-01")
	must(t, err)
	for _, f := range slices.Concat(m.GetFiles(), o.GetFiles()) {
		all = append(all, f.GetName()+" "+f.GetSha256())
	}
	got := fmt.Sprintf("format %d\n%s\n", m.GetFormat(), strings.Join(all, "\n"))
	golden := filepath.Join("testdata", "bytes.txt")
	if os.Getenv("UPDATE") != "" {
		must(t, os.WriteFile(golden, []byte(got), 0o644))
	}
	want, err := os.ReadFile(golden)
	must(t, err)
	if got != string(want) {
		t.Errorf("the bytes of the files are others:\n%s", got)
	}
}

// Positions that stand for others, and those that stand for none.
func TestPositions(t *testing.T) {
	w := rapid.Custom(func(t *rapid.T) *world { return draw(t, 30) }).Example(3)
	s := open(w, t.TempDir())
	defer s.Close()
	head := uint64(len(w.records))
	if m, err := s.Snapshot(t.Context(), 0); err != nil || m.GetPosition() != head || m.GetSet() != fmt.Sprintf("snapshots/%d", head) {
		t.Errorf("the head: %v, %v", m, err)
	}
	inside := uint64(0)
	for p := uint64(2); p < head; p++ {
		if !slices.Contains(w.ends, p) && w.commitEnd(p) > 0 {
			inside = p
			break
		}
	}
	if inside == 0 {
		t.Fatal("every commit has one record")
	}
	if m, err := s.Snapshot(t.Context(), inside); err != nil || m.GetPosition() != w.commitEnd(inside) {
		t.Errorf("inside a commit: %v, %v", m, err)
	}
	for _, c := range []struct {
		what   string
		err    func() error
		reason string
		field  string
	}{
		{"beyond the head", func() error { _, err := s.Snapshot(t.Context(), head+1); return err }, "POSITION_NOT_REACHED", "position"},
		{"a delta from beyond", func() error { _, err := s.Delta(t.Context(), head+1, head); return err }, "POSITION_NOT_REACHED", "after"},
		{"a delta of nothing", func() error { _, err := s.Delta(t.Context(), head, 0); return err }, "RANGE_EMPTY", "after"},
		{"a delta backwards", func() error { _, err := s.Delta(t.Context(), head, 1); return err }, "RANGE_EMPTY", "after"},
		{"no day", func() error { _, err := s.OpenData(t.Context(), 0, "2024-02-30"); return err }, "DATE_INVALID", "valid_at"},
		{"no set", func() error { _, _, err := s.Open(t.Context(), "snapshots/x", "a"); return err }, "FILE_UNKNOWN", "set"},
		{"a set written otherwise", func() error { _, _, err := s.Open(t.Context(), "snapshots/01", "a"); return err }, "FILE_UNKNOWN", "set"},
		{"a set inside a commit", func() error {
			_, _, err := s.Open(t.Context(), fmt.Sprintf("snapshots/%d", inside), "events.jsonl.gz")
			return err
		}, "FILE_UNKNOWN", "set"},
		{"a set beyond", func() error {
			_, _, err := s.Open(t.Context(), fmt.Sprintf("snapshots/%d", head+9), "events.jsonl.gz")
			return err
		}, "POSITION_NOT_REACHED", "set"},
		{"no file", func() error { _, _, err := s.Open(t.Context(), fmt.Sprintf("snapshots/%d", head), "../x"); return err }, "FILE_UNKNOWN", "name"},
	} {
		own, is := errors.AsType[*fault.Error](c.err())
		if !is || own.Reason != c.reason || own.Field != c.field {
			t.Errorf("%s: %v, want %s of %s", c.what, own, c.reason, c.field)
		}
	}
}

// Sets that nobody asked for lately are removed and made again; who reads goes on.
func TestFewSetsAreKept(t *testing.T) {
	w := rapid.Custom(func(t *rapid.T) *world { return draw(t, 60) }).Example(5)
	dir := t.TempDir()
	s := open(w, dir)
	first, err := s.Snapshot(t.Context(), w.ends[0])
	must(t, err)
	f, is, err := s.Open(t.Context(), first.GetSet(), "events.jsonl.gz")
	must(t, err)
	defer f.Close()
	if len(w.ends) < 12 {
		t.Fatalf("%d commits", len(w.ends))
	}
	for _, at := range w.ends[1:12] {
		_, err := s.Snapshot(t.Context(), at)
		must(t, err)
	}
	kept, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	must(t, err)
	if len(kept) > 7 {
		t.Errorf("%d sets are kept", len(kept))
	}
	if got := unzipped(t, f, is); len(got) == 0 {
		t.Error("the file was lost to who read it")
	}
	again, err := s.Snapshot(t.Context(), w.ends[0])
	must(t, err)
	if !proto.Equal(first, again) {
		t.Error("made again it is another one")
	}

	// What a process left that did not end well is removed by the next one.
	second := open(w, dir)
	_, err = second.Snapshot(t.Context(), 0)
	must(t, err)
	if all, _ := os.ReadDir(dir); len(all) != 2 {
		t.Errorf("%d processes have a directory", len(all))
	}
	must(t, s.Close())
	must(t, os.Mkdir(filepath.Join(dir, "process-gone"), 0o755))
	third := open(w, dir)
	_, err = third.Snapshot(t.Context(), 0)
	must(t, err)
	if all, _ := os.ReadDir(dir); len(all) != 2 {
		t.Errorf("%d directories, want those of two processes", len(all))
	}
	must(t, second.Close())
	must(t, third.Close())
	if all, _ := os.ReadDir(dir); len(all) != 0 {
		t.Errorf("%d directories are left", len(all))
	}
}

// Many who ask at once get one set.
func TestMadeOnce(t *testing.T) {
	w := rapid.Custom(func(t *rapid.T) *world { return draw(t, 30) }).Example(5)
	dir := t.TempDir()
	s := open(w, dir)
	defer s.Close()
	got := make(chan *feedv1.Manifest, 8)
	for range cap(got) {
		go func() {
			m, _ := s.Snapshot(context.Background(), 0)
			got <- m
		}()
	}
	first := <-got
	for range cap(got) - 1 {
		if m := <-got; m != first {
			t.Error("another one was made")
		}
	}
	if all, _ := filepath.Glob(filepath.Join(dir, "*", "*")); len(all) != 1 {
		t.Errorf("%d sets", len(all))
	}
}

// While one set is made, a few others are waited for, and no more.
func TestFewWait(t *testing.T) {
	w := rapid.Custom(func(t *rapid.T) *world { return draw(t, 80) }).Example(5)
	src, hold := w.source(), make(chan struct{})
	commits := src.Commits
	src.Commits = func(ctx context.Context, after, to uint64) iter.Seq2[*feedv1.Commit, error] {
		<-hold
		return commits(ctx, after, to)
	}
	s := snapshot.New(src, t.TempDir())
	defer s.Close()
	ends := w.ends[:17]
	refused := make(chan uint64, len(ends))
	var asking sync.WaitGroup
	for _, at := range ends {
		asking.Go(func() {
			if _, err := s.Snapshot(context.Background(), at); making(err) {
				refused <- at
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	again := <-refused // one of them; the others go on
	close(hold)
	asking.Wait()
	if len(refused) > 0 {
		t.Errorf("%d more were refused", len(refused))
	}
	if _, err := s.Snapshot(t.Context(), again); err != nil {
		t.Errorf("once there is room: %v", err)
	}
}

// The manifest is a file of its set.
func TestManifestIsItsFile(t *testing.T) {
	w := rapid.Custom(func(t *rapid.T) *world { return draw(t, 10) }).Example(1)
	s := open(w, t.TempDir())
	defer s.Close()
	m, err := s.Snapshot(t.Context(), 0)
	must(t, err)
	f, is, err := s.Open(t.Context(), m.GetSet(), "snapshot.json")
	must(t, err)
	defer f.Close()
	text := unzipped(t, f, is)
	read := &feedv1.Manifest{}
	must(t, protojson.Unmarshal(text, read))
	sum := sha256.Sum256(text)
	if !proto.Equal(m, read) || is.GetSha256() != hex.EncodeToString(sum[:]) {
		t.Errorf("the file says %s", text)
	}
}

// making says whether a set takes long.
func making(err error) bool {
	own, is := errors.AsType[*fault.Error](err)
	return is && own.Reason == "SNAPSHOT_MAKING"
}

// A store that is stopped makes nothing any more, and hands on what it has.
func TestStop(t *testing.T) {
	w := rapid.Custom(func(t *rapid.T) *world { return draw(t, 20) }).Example(1)
	s := open(w, t.TempDir())
	defer s.Close()
	_, err := s.Snapshot(t.Context(), 0)
	must(t, err)
	s.Stop()
	if _, err := s.Snapshot(t.Context(), 0); err != nil {
		t.Errorf("what is made: %v", err)
	}
	if _, err := s.Snapshot(t.Context(), w.ends[1]); reason(err) != "STOPPING" {
		t.Errorf("what is not: %v", err)
	}
}

package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	"maillage/proto/merkle"
	"maillage/services/eventlog"
)

// commit returns a commit of n events after a position, with bodies of about size
// bytes that vary with seed.
func commit(tb testing.TB, after uint64, n, size int, seed byte) []eventlog.Record {
	tb.Helper()
	records := make([]eventlog.Record, n)
	for i := range records {
		e := &ledgerv1.Event{Meta: &eventv1.Meta{
			Schema: 1, RequestId: string(bytes.Repeat([]byte{'a' + seed%26}, size)),
			CommitIndex: uint32(i), CommitSize: uint32(n),
		}}
		body, err := proto.Marshal(e)
		if err != nil {
			tb.Fatal(err)
		}
		records[i] = eventlog.Record{Position: after + 1 + uint64(i), Subject: fmt.Sprintf("registry.labelling.label.%d", i), Body: body}
	}
	return records
}

func epochOpened(tb testing.TB, position, epoch uint64) []eventlog.Record {
	tb.Helper()
	body, err := proto.Marshal(&ledgerv1.Event{
		Meta: &eventv1.Meta{Schema: 1, CommitSize: 1},
		Fact: &ledgerv1.Event_EpochOpened{EpochOpened: &ledgerv1.EpochOpened{Epoch: epoch, Reason: "test"}},
	})
	if err != nil {
		tb.Fatal(err)
	}
	return []eventlog.Record{{Position: position, Subject: "registry.ledger.log.0000000000", Body: body}}
}

func open(tb testing.TB, dir, headCopy string) *Store {
	tb.Helper()
	s, err := Open(dir, headCopy)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

func mustAppend(tb testing.TB, s *Store, records []eventlog.Record) Head {
	tb.Helper()
	h, err := s.Append(records)
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

// fillDir makes a closed ledger of commits of the given sizes, and returns its
// records and the heads after each commit.
func fillDir(tb testing.TB, dir, headCopy string, sizes ...int) (all []eventlog.Record, heads []Head) {
	tb.Helper()
	s := open(tb, dir, headCopy)
	for i, n := range sizes {
		c := commit(tb, uint64(len(all)), n, 20+i, byte(i))
		heads = append(heads, mustAppend(tb, s, c))
		all = append(all, c...)
	}
	if err := s.Close(); err != nil {
		tb.Fatal(err)
	}
	return all, heads
}

// readAll reads a ledger as a follower would: it folds the root and compares it.
func readAll(s *Store, after uint64) (records []eventlog.Record, err error) {
	var tree merkle.Tree
	for r, err := range s.Read(after) {
		if err != nil {
			return records, err
		}
		tree.Append(eventlog.LeafHash(r))
		records = append(records, r)
	}
	if after == 0 && tree.Root() != s.Head().Root {
		return records, errors.New("root of what was read differs from the head's")
	}
	return records, nil
}

func equal(t *testing.T, got, want []eventlog.Record) {
	t.Helper()
	if !slices.EqualFunc(got, want, func(a, b eventlog.Record) bool {
		return bytes.Equal(eventlog.Leaf(a), eventlog.Leaf(b))
	}) {
		t.Fatalf("got %d records that differ from the %d wanted", len(got), len(want))
	}
}

func damageAt(t *testing.T, err error, position uint64) {
	t.Helper()
	d, ok := errors.AsType[*DamageError](err)
	if !ok || d.Position != position {
		t.Fatalf("got %v, want damage at position %d", err, position)
	}
}

func TestTreeIsTheTreeOfRFC6962(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var tree merkle.Tree
		var stored []byte
		var hashes []tlog.Hash
		reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
			out := make([]tlog.Hash, len(indexes))
			for i, x := range indexes {
				out[i] = hashes[x]
			}
			return out, nil
		})
		n := rapid.IntRange(0, 300).Draw(t, "leaves")
		for i := range n {
			leaf := tlog.RecordHash([]byte(fmt.Sprint(i)))
			add, err := tlog.StoredHashesForRecordHash(int64(i), leaf, reader)
			if err != nil {
				t.Fatal(err)
			}
			hashes = append(hashes, add...)
			other := tree
			other.Append(leaf)
			stored = tree.AppendStored(stored, leaf)
			if other.Root() != tree.Root() || other.Size() != uint64(i+1) {
				t.Fatalf("a copied tree differs after %d leaves", i+1)
			}
		}
		want, err := tlog.TreeHash(int64(n), reader)
		if err != nil {
			t.Fatal(err)
		}
		if tree.Root() != want {
			t.Fatalf("root of %d leaves: %v, want %v", n, tree.Root(), want)
		}
		for i, h := range hashes {
			if !bytes.Equal(stored[32*i:32*i+32], h[:]) {
				t.Fatalf("stored hash %d of %d leaves differs", i, n)
			}
		}
		loaded, err := merkle.Load(uint64(n), reader)
		if err != nil || loaded.Root() != want {
			t.Fatalf("loaded tree of %d leaves: %v %v", n, loaded.Root(), err)
		}
	})
}

func TestTreeAppendDoesNotAllocate(t *testing.T) {
	var tree merkle.Tree
	if n := testing.AllocsPerRun(1000, func() { tree.Append(tlog.Hash{1}) }); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func TestHeadRoundTrip(t *testing.T) {
	h := Head{Epoch: 3, Size: 7, Root: tlog.Hash{1, 2}}
	got, err := ParseHead(h.Proto())
	if err != nil || got != h {
		t.Fatal(got, err)
	}
	for _, bad := range []*ledgerv1.Head{nil, {Epoch: 1, Root: []byte{1}}, {Root: h.Root[:]}} {
		if _, err := ParseHead(bad); err == nil {
			t.Fatalf("accepted %v", bad)
		}
	}
}

func TestStoreRoundTrip(t *testing.T) {
	dir := t.TempDir()
	all, heads := fillDir(t, dir, "", 1, 1, 700, 3, 2500, 1)
	s := open(t, dir, "")
	if s.Head() != heads[len(heads)-1] {
		t.Fatalf("head %v, want %v", s.Head(), heads[len(heads)-1])
	}
	for _, after := range []uint64{0, 1, 511, 512, 513, 1024, 3000, s.Head().Size} {
		got, err := readAll(s, after)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, got, all[after:])
	}
	for _, err := range s.Read(s.Head().Size + 1) {
		if err == nil {
			t.Fatal("read beyond the end")
		}
	}
	if _, err := tlog.ProveRecord(int64(s.Head().Size), 17, s); err != nil {
		t.Fatal(err)
	}
}

func TestAppendRefuses(t *testing.T) {
	s := open(t, t.TempDir(), "")
	mustAppend(t, s, commit(t, 0, 2, 9, 0))
	before := s.Head()
	big := commit(t, 2, 1, 9, 0)
	big[0].Body = append(big[0].Body, make([]byte, eventlog.MaxLeaf)...)
	for name, records := range map[string][]eventlog.Record{
		"gap":          commit(t, 3, 1, 9, 0),
		"again":        commit(t, 1, 1, 9, 0),
		"open commit":  commit(t, 2, 3, 9, 0)[:2],
		"commit's end": {{Position: 3, Subject: "s", Body: commit(t, 0, 2, 9, 0)[1].Body}},
		"no event":     {{Position: 3, Subject: "s", Body: []byte{0xff}}},
		"too large":    big,
		"old epoch":    epochOpened(t, 3, 1),
	} {
		if _, err := s.Append(records); !errors.Is(err, ErrNotNext) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s.Head() != before {
		t.Fatal("a refused append moved the head")
	}
	mustAppend(t, s, commit(t, 2, 1, 9, 0))
	if _, err := readAll(s, 0); err != nil {
		t.Fatal(err)
	}
}

func TestOneProcessOnly(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, "")
	if _, err := Open(dir, ""); !errors.Is(err, ErrLocked) {
		t.Fatal(err)
	}
	if _, err := RebuildFrom(s.Read(0), dir); !errors.Is(err, ErrLocked) {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(commit(t, 0, 1, 1, 0)); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	open(t, dir, "")
}

func TestEpochIsWhatTheEntriesSay(t *testing.T) {
	for _, lost := range []string{"", "head", "hashes"} {
		dir := t.TempDir()
		s := open(t, dir, "")
		mustAppend(t, s, commit(t, 0, 2, 9, 0))
		want := mustAppend(t, s, epochOpened(t, 3, 2))
		if want.Epoch != 2 {
			t.Fatalf("epoch %d", want.Epoch)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if lost != "" {
			remove(t, filepath.Join(dir, lost))
		}
		if got := open(t, dir, "").Head(); got != want {
			t.Fatalf("without %q: %v, want %v", lost, got, want)
		}
	}
}

func remove(t *testing.T, file string) {
	t.Helper()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
}

func TestDerivedFilesLostOrAltered(t *testing.T) {
	for name, harm := range map[string]func(dir string) error{
		"hashes lost":     func(d string) error { return os.Remove(filepath.Join(d, "hashes")) },
		"hashes short":    func(d string) error { return os.Truncate(filepath.Join(d, "hashes"), 100) },
		"hashes zero":     func(d string) error { return os.WriteFile(filepath.Join(d, "hashes"), make([]byte, 1<<16), 0o600) },
		"head lost":       func(d string) error { return os.Remove(filepath.Join(d, "head")) },
		"head unreadable": func(d string) error { return os.WriteFile(filepath.Join(d, "head"), []byte("?"), 0o600) },
		"both lost":       func(d string) error { return errors.Join(os.Remove(d+"/head"), os.Remove(d+"/hashes")) },
		"an empty segment": func(d string) error {
			return os.WriteFile(filepath.Join(d, "entries/00000000000000000029"), nil, 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			all, heads := fillDir(t, dir, "", 1, 7, 20)
			if err := harm(dir); err != nil {
				t.Fatal(err)
			}
			s := open(t, dir, "")
			if s.Head() != heads[2] {
				t.Fatalf("head %v, want %v", s.Head(), heads[2])
			}
			mustAppend(t, s, commit(t, 28, 3, 5, 9))
			got, err := readAll(s, 0)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, got[:28], all)
			root, err := tlog.TreeHash(31, s)
			if err != nil || root != s.Head().Root {
				t.Fatal("stored hashes differ", err)
			}
		})
	}
}

// headAt replaces the head file by one that knows only an earlier head, as after a
// power cut.
func headAt(tb testing.TB, dir string, h Head) {
	tb.Helper()
	replace(tb, filepath.Join(dir, "head"), headRecord{Head: h, flushed: h.Size}.encode())
}

// replace writes a file anew; writing over the old one would wait for the disk.
func replace(tb testing.TB, file string, content []byte) {
	tb.Helper()
	if err := errors.Join(os.Remove(file), os.WriteFile(file, content, 0o600)); err != nil {
		tb.Fatal(err)
	}
}

func copyLedger(tb testing.TB, from string) string {
	tb.Helper()
	to := tb.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		tb.Fatal(err)
	}
	return to
}

func TestTornAtEveryByte(t *testing.T) {
	dir := t.TempDir()
	all, heads := fillDir(t, dir, "", 1, 4, 1, 3)
	entries := filepath.Join(dir, "entries", "00000000000000000001")
	content, err := os.ReadFile(entries)
	if err != nil {
		t.Fatal(err)
	}
	frames := frameOffsets(t, content)
	for _, fillZeros := range []bool{false, true} {
		for cut := int(frames[6]); cut <= len(content); cut++ {
			if fillZeros && cut%3 != 0 {
				continue
			}
			torn := slices.Clone(content[:cut])
			if fillZeros { // a file longer than what was written into it
				torn = append(torn, make([]byte, 3*sectorSize)...)
			}
			replace(t, entries, torn)
			headAt(t, dir, heads[2])
			s, err := Open(dir, "")
			if err != nil {
				t.Fatalf("cut at %d of %d: %v", cut, len(content), err)
			}
			want := heads[2]
			if cut == len(content) {
				want = heads[3]
			}
			if s.Head() != want {
				t.Fatalf("cut at %d of %d: head %d, want %d", cut, len(content), s.Head().Size, want.Size)
			}
			mustAppend(t, s, all[want.Size:])
			got, err := readAll(s, 0)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, got, all)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			// What head records was flushed: the same cut is damage then.
			replace(t, entries, torn)
			headAt(t, dir, heads[3])
			s, err = Open(dir, "")
			if cut == len(content) && err == nil {
				_ = s.Close()
				continue
			}
			at := uint64(1)
			for at < uint64(len(frames)) && int(frames[at]) <= cut {
				at++
			}
			damageAt(t, err, at)
		}
	}
}

// frameOffsets returns the offset of every frame's end, by position, with 0 first.
func frameOffsets(tb testing.TB, content []byte) []int64 {
	tb.Helper()
	offsets := []int64{0}
	for at := 0; at < len(content); {
		leaf, err := parseFrame(content[at:])
		if err != nil {
			tb.Fatal(err)
		}
		at += frameHeader + len(leaf)
		offsets = append(offsets, int64(at))
	}
	return offsets
}

func TestFlippedBit(t *testing.T) {
	origin := t.TempDir()
	all, heads := fillDir(t, origin, "", 1, 4, 1, 5, 1)
	s := open(t, origin, "")
	if err := errors.Join(s.WriteAhead(commit(t, uint64(len(all)), 2, 30, 9)), s.Close()); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join("entries", "00000000000000000001")
	content, err := os.ReadFile(filepath.Join(origin, name))
	if err != nil {
		t.Fatal(err)
	}
	frames := frameOffsets(t, content)
	for _, recorded := range []Head{heads[4], heads[1], {}} {
		dir := copyLedger(t, origin)
		for at := range content {
			flipped := slices.Clone(content)
			flipped[at] ^= 1 << (at % 8)
			replace(t, filepath.Join(dir, name), flipped)
			headAt(t, dir, recorded)
			_, err := Open(dir, "")
			position, _ := slices.BinarySearch(frames, int64(at)+1)
			damageAt(t, err, uint64(position))
		}
	}
}

func TestFlippedBitWhileOpen(t *testing.T) {
	dir := t.TempDir()
	fillDir(t, dir, "", 1, 600)
	s := open(t, dir, "")
	name := filepath.Join(dir, "entries", "00000000000000000001")
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	at := frameOffsets(t, content)[299] + 30
	content[at] ^= 4
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := readAll(s, 0)
	damageAt(t, err, 300)
	if len(got) != 299 {
		t.Fatalf("%d records before the damage", len(got))
	}
	_, err = readAll(s, 250)
	damageAt(t, err, 300)
}

func TestSegments(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, "")
	s.segmentBytes = 1 << 20
	var size uint64
	for size = 0; size < 4096; size += 64 {
		mustAppend(t, s, commit(t, size, 64, 1000, byte(size)))
	}
	if len(s.segments) < 3 {
		t.Fatalf("%d segments", len(s.segments))
	}
	head, middle := s.Head(), s.segments[1].first
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, "")
	if s.Head() != head {
		t.Fatal("head differs after reopening")
	}
	if _, err := readAll(s, 0); err != nil {
		t.Fatal(err)
	}
	if got, err := readAll(s, middle-2); err != nil || uint64(len(got)) != size-middle+2 || got[0].Position != middle-1 {
		t.Fatal(len(got), err)
	}
	remove(t, s.segmentFile(middle))
	_, err := readAll(s, 0)
	damageAt(t, err, middle)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, "") // the older segments are read by whoever starts from them
	_, err = readAll(s, 0)
	damageAt(t, err, middle)
}

func TestEntriesLost(t *testing.T) {
	dir := t.TempDir()
	fillDir(t, dir, "", 1, 4)
	if err := os.RemoveAll(filepath.Join(dir, "entries")); err != nil {
		t.Fatal(err)
	}
	_, err := Open(dir, "")
	damageAt(t, err, 1)
}

func TestHeadCopy(t *testing.T) {
	third := filepath.Join(t.TempDir(), "head-copy")
	dir := t.TempDir()
	all, heads := fillDir(t, dir, third, 1, 4)
	old := copyLedger(t, dir)
	s := open(t, dir, third)
	if _, back := s.RolledBack(); back {
		t.Fatal("a ledger equal to its copy is no rollback")
	}
	last := mustAppend(t, s, commit(t, 5, 2, 9, 5))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	t.Run("refilled from the stream", func(t *testing.T) {
		s := open(t, copyLedger(t, old), keep(t, third))
		if seen, back := s.RolledBack(); !back || seen != last || s.Head() != heads[1] {
			t.Fatal(seen, back)
		}
		if h := mustAppend(t, s, commit(t, 5, 2, 9, 5)); h != last {
			t.Fatal(h)
		}
		if _, back := s.RolledBack(); back {
			t.Fatal("still rolled back")
		}
	})
	t.Run("lost whole", func(t *testing.T) {
		s := open(t, t.TempDir(), keep(t, third))
		if _, back := s.RolledBack(); !back {
			t.Fatal("not rolled back")
		}
		mustAppend(t, s, all)
		if _, back := s.RolledBack(); !back {
			t.Fatal("not rolled back while two positions are missing")
		}
	})
	t.Run("positions used again", func(t *testing.T) {
		copied := keep(t, third)
		dir := copyLedger(t, old)
		s := open(t, dir, copied)
		mustAppend(t, s, commit(t, 5, 3, 9, 6))
		if seen, back := s.RolledBack(); !back || seen != last {
			t.Fatal("other events at the same positions are no refill")
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, dir, copied)
		if seen, back := s.RolledBack(); !back || seen != last {
			t.Fatal("forgotten at reopening")
		}
		mustAppend(t, s, epochOpened(t, 9, 2))
		if _, back := s.RolledBack(); back {
			t.Fatal("a new epoch settles it")
		}
		if r, err := readHead(copied); err != nil || r.Head != s.Head() {
			t.Fatal(r, err)
		}
	})
	t.Run("a torn tail that the copy knows is damage", func(t *testing.T) {
		dir := copyLedger(t, dir)
		headAt(t, dir, heads[1])
		name := filepath.Join(dir, "entries", "00000000000000000001")
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(name, info.Size()-1); err != nil {
			t.Fatal(err)
		}
		_, err = Open(dir, keep(t, third))
		damageAt(t, err, 7)
	})
}

func keep(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return to
}

// The head is written at once and flushed when its time has come, on the clock of a
// bubble.
// A ledger that follows another keeps what that one announced, and must contain it before
// it gates itself.
func TestHeard(t *testing.T) {
	dir := t.TempDir()
	all, heads := fillDir(t, t.TempDir(), "", 1, 1, 1)
	_, forked := fillDir(t, t.TempDir(), "", 3)
	for _, tc := range []struct {
		name  string
		heard Head
		grow  uint64
		want  bool // it may not gate
	}{
		{"nothing was heard", Head{}, 1, false},
		{"what it holds", heads[0], 0, false},
		{"more than it holds", heads[2], 0, true},
		{"more than it holds, still", Head{}, 1, true},
		{"refilled", Head{}, 1, false},
		{"another root", forked[0], 0, true},
		{"an older one, which changes nothing", heads[1], 0, true},
		{"its own", heads[2], 0, false},
	} {
		s := open(t, dir, "")
		if tc.heard.Size > 0 {
			if err := s.Heard(tc.heard); err != nil {
				t.Fatal(err)
			}
		}
		for range tc.grow {
			mustAppend(t, s, all[s.Head().Size:s.Head().Size+1])
		}
		for _, when := range []string{"while open", "reopened"} {
			if seen, back := s.RolledBack(); back != tc.want || back && tc.heard.Size == 3 && seen != tc.heard {
				t.Errorf("%s, %s: %v, %v", tc.name, when, seen, back)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, dir, "")
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := Heads(dir, ""); len(got) != 2 || got[1] != heads[2] {
		t.Errorf("heads %v", got)
	}
}

func TestHeadIsFlushedInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, dir, "")
		h := mustAppend(t, s, commit(t, 0, 3, 9, 0))
		for _, want := range []uint64{0, 3} {
			r, err := readHead(filepath.Join(dir, "head"))
			if err != nil || r.Head != h || r.flushed != want {
				t.Errorf("the file says %+v, %v; want head %v, flushed to %d", r, err, h, want)
			}
			<-time.After(headFlush)
			synctest.Wait()
		}
	})
}

func TestRebuild(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ledger")
	all, _ := fillDir(t, dir, "", 1, 4, 6000, 3)
	stream := func(records []eventlog.Record, last error) func(func(eventlog.Record, error) bool) {
		return func(yield func(eventlog.Record, error) bool) {
			for _, r := range records {
				if !yield(r, nil) {
					return
				}
			}
			if last != nil {
				yield(eventlog.Record{}, last)
			}
		}
	}
	hole := &eventlog.HoleError{Position: 9}
	if _, err := RebuildFrom(stream(all[:8], hole), dir); !errors.Is(err, hole) {
		t.Fatal(err)
	}
	beside, err := os.ReadDir(filepath.Dir(dir))
	if err != nil || len(beside) != 1 {
		t.Fatal("a failed rebuild leaves nothing behind", beside, err)
	}
	if _, err := RebuildFrom(stream(all[:len(all)-1], nil), dir); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir, "")
	got, err := readAll(s, 0)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, got, all[:6005])
	aside, err := filepath.Glob(dir + ".aside-*")
	if err != nil || len(aside) != 1 {
		t.Fatal(aside, err)
	}
	if h := open(t, aside[0], "").Head(); h.Size != 6008 {
		t.Fatal(h)
	}
	if _, err := RebuildFrom(stream(all, nil), filepath.Join(t.TempDir(), "new")); err != nil {
		t.Fatal(err)
	}
}

func FuzzFrame(f *testing.F) {
	for _, r := range commit(f, 0, 3, 9, 0) {
		f.Add(appendFrame(nil, r, 0))
		f.Add(appendFrame(nil, r, beginsHeld))
		f.Add(appendFrame(nil, r, beginsAhead))
	}
	f.Add([]byte{0, 0, 0, 11, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = torn(b, int64(len(b)), errShort)
		leaf, err := parseFrame(b)
		if err != nil {
			return
		}
		r, err := eventlog.ParseLeaf(leaf)
		if err != nil {
			return
		}
		_, bits := header(b)
		if again := appendFrame(nil, r, bits); !bytes.Equal(again, b[:len(again)]) {
			t.Fatal("a frame that was read does not write itself")
		}
		_, _ = commitPlace(r.Body)
	})
}

func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{1, 32, 2500} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := open(b, b.TempDir(), "")
			records := commit(b, 0, n, 250, 0)
			for b.Loop() {
				for i := range records {
					records[i].Position = s.head.Size + 1 + uint64(i)
				}
				mustAppend(b, s, records)
			}
		})
	}
}

func BenchmarkMillion(b *testing.B) {
	dir := b.TempDir()
	s := open(b, dir, "")
	records := commit(b, 0, 2500, 250, 0)
	for s.head.Size < 1_000_000 {
		for i := range records {
			records[i].Position = s.head.Size + 1 + uint64(i)
		}
		mustAppend(b, s, records)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			s, err := Open(dir, "")
			if err != nil {
				b.Fatal(err)
			}
			_ = s.Close()
		}
	})
	b.Run("open without hashes", func(b *testing.B) {
		for b.Loop() {
			_ = os.Remove(filepath.Join(dir, "hashes"))
			s, err := Open(dir, "")
			if err != nil {
				b.Fatal(err)
			}
			_ = s.Close()
		}
	})
	s = open(b, dir, "")
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			n := 0
			for _, err := range s.Read(0) {
				if err != nil {
					b.Fatal(err)
				}
				n++
			}
			if n != 1_000_000 {
				b.Fatal(n)
			}
		}
	})
	b.Run("read and fold the root", func(b *testing.B) {
		for b.Loop() {
			if _, err := readAll(s, 0); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// Given an append of several commits, when it is torn anywhere, then the ledger
// opens at the last commit that is whole, and takes the rest again.
func TestTornBetweenCommits(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		s := open(t, dir, "")
		first := mustAppend(t, s, commit(t, 0, 2, 9, 0))
		var records []eventlog.Record
		ends := []uint64{2}
		for _, n := range rapid.SliceOfN(rapid.IntRange(1, 4), 1, 5).Draw(rt, "commits") {
			records = append(records, commit(t, ends[len(ends)-1], n, rapid.IntRange(0, 900).Draw(rt, "size"), 1)...)
			ends = append(ends, uint64(2+len(records)))
		}
		start := s.end
		last := mustAppend(t, s, records)
		cut := rapid.Int64Range(start, s.end).Draw(rt, "cut")
		if err := errors.Join(s.Close(), os.Truncate(s.segmentFile(1), cut)); err != nil {
			t.Fatal(err)
		}
		headAt(t, dir, first)
		content, err := os.ReadFile(s.segmentFile(1))
		if err != nil {
			t.Fatal(err)
		}
		var want uint64
		for whole := wholeFrames(content); len(ends) > 0 && ends[0] <= whole; ends = ends[1:] {
			want = ends[0]
		}
		s = open(t, dir, "")
		if s.Head().Size != want {
			rt.Fatalf("opened at %d, want %d", s.Head().Size, want)
		}
		if got := mustAppend(t, s, records[want-2:]); got != last && want < last.Size {
			rt.Fatalf("refilled to %v, want %v", got, last)
		}
		if _, err := readAll(s, 0); err != nil {
			rt.Fatal(err)
		}
		_ = s.Close()
	})
}

func wholeFrames(content []byte) (n uint64) {
	for {
		leaf, err := parseFrame(content)
		if err != nil {
			return n
		}
		content = content[frameHeader+len(leaf):]
		n++
	}
}

func TestReadWhileAppending(t *testing.T) {
	s := open(t, t.TempDir(), "")
	s.segmentBytes = 1 << 14
	done := make(chan error)
	go func() {
		defer close(done)
		for size := uint64(0); size < 2000; size += 10 {
			if _, err := s.Append(commit(t, size, 10, 50, 0)); err != nil {
				done <- err
				return
			}
		}
	}()
	for reading := true; reading; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			reading = false
		default:
		}
		after, last := s.Head().Size/2, uint64(0)
		for r, err := range s.Read(after) {
			if err != nil {
				t.Fatal(err)
			}
			last = r.Position
		}
		if last < after {
			t.Fatalf("read to %d from %d", last, after)
		}
	}
	if _, err := readAll(s, 0); err != nil {
		t.Fatal(err)
	}
}

// A reader finds every leaf as it is kept, over all segments, and what differs; an end
// that comes too early is damage and no end.
func TestReaderCompares(t *testing.T) {
	s := open(t, t.TempDir(), "")
	s.segmentBytes = 200
	var all []eventlog.Record
	for i := range 20 {
		c := commit(t, uint64(len(all)), 1+i%3, 50, byte(i))
		mustAppend(t, s, c)
		all = append(all, c...)
	}
	whole := s.Reader()
	defer whole.Close()
	for _, r := range all {
		if same, err := whole.Same(eventlog.Leaf(r)); !same || err != nil {
			t.Fatalf("position %d: %v, %v", r.Position, same, err)
		}
	}
	if _, err := whole.Same(nil); !errors.Is(err, io.EOF) {
		t.Errorf("after the last one: %v", err)
	}
	other := s.Reader()
	defer other.Close()
	for _, r := range all {
		altered := r
		if r.Position == 7 {
			altered.Subject += "x"
		}
		if same, err := other.Same(eventlog.Leaf(altered)); same != (r.Position != 7) || err != nil {
			t.Fatalf("position %d altered at 7: %v, %v", r.Position, same, err)
		}
	}
	if len(s.segments) < 5 {
		t.Fatalf("%d segments", len(s.segments))
	}
	third := s.segments[2]
	if err := os.Truncate(s.segmentFile(third.first), 0); err != nil {
		t.Fatal(err)
	}
	cut := s.Reader()
	defer cut.Close()
	var err error
	for _, r := range all {
		if _, err = cut.Same(eventlog.Leaf(r)); err != nil {
			break
		}
	}
	if damageAt(t, err, third.first); errors.Is(err, io.EOF) {
		t.Error("damage that looks like the end")
	}
}

package notary_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"

	"maillage/proto/checkpoint"
	"maillage/proto/merkle"
	"maillage/services/eventlog"
	"maillage/services/fault"
	"maillage/services/ledger"
	"maillage/services/notary"
)

const name = "maillage/TESTLOG000"

// signing is a ledger whose heads are signed.
type signing struct {
	tb    testing.TB
	dir   string
	store *ledger.Store
	keys  notary.Keys
	notary.Log
}

func sign(tb testing.TB, dir string) *signing {
	tb.Helper()
	store, err := ledger.Open(filepath.Join(dir, "ledger"), "")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = store.Close() })
	keys, err := notary.ReadKeys(filepath.Join(dir, "key"))
	if reason(err) == "KEY_MISSING" {
		keys, err = notary.NewKey(filepath.Join(dir, "key"), name)
	}
	if err != nil {
		tb.Fatal(err)
	}
	s := &signing{tb: tb, dir: dir, store: store, keys: keys, Log: notary.Log{Hashes: store, Read: store.Read}}
	s.again()
	return s
}

// again signs on from what is kept, as a process that was started again.
func (s *signing) again(copies ...string) {
	s.tb.Helper()
	s.closeSigner()
	var err error
	if s.Signer, err = notary.NewSigner(filepath.Join(s.dir, "checkpoint"), name, s.keys, s.store, copies...); err != nil {
		s.tb.Fatal(err)
	}
	s.tb.Cleanup(s.closeSigner)
}

func (s *signing) closeSigner() {
	if s.Signer != nil {
		_ = s.Signer.Close() // which may be closed already
	}
}

// grow appends events, each a commit, and signs the head.
func (s *signing) grow(events int, text string) {
	s.tb.Helper()
	for range events {
		s.append(&ledgerv1.Event{Meta: &eventv1.Meta{Schema: 1, CommitSize: 1, RequestId: text}})
	}
	if _, err := s.Signer.Sign(s.store.Head()); err != nil {
		s.tb.Fatal(err)
	}
}

func (s *signing) append(e *ledgerv1.Event) {
	s.tb.Helper()
	body, err := proto.Marshal(e)
	if err != nil {
		s.tb.Fatal(err)
	}
	r := eventlog.Record{Position: s.store.Head().Size + 1, Subject: "registry.ledger.log.TESTLOG000", Body: body}
	if _, err := s.store.Append([]eventlog.Record{r}); err != nil {
		s.tb.Fatal(err)
	}
}

func (s *signing) verifier() note.Verifier {
	s.tb.Helper()
	public, err := os.ReadFile(filepath.Join(s.dir, "key.pub"))
	if err != nil {
		s.tb.Fatal(err)
	}
	v, err := note.NewVerifier(strings.TrimSpace(string(public)))
	if err != nil {
		s.tb.Fatal(err)
	}
	return v
}

func reason(err error) string {
	own, _ := errors.AsType[*fault.Error](err)
	if own == nil {
		return ""
	}
	return own.Reason
}

// served is a client of tiles, as generic tools are: it knows the key and the paths.
type served struct {
	tb  testing.TB
	url string
}

func (c served) get(path string) []byte {
	c.tb.Helper()
	resp, err := http.Get(c.url + path)
	if err != nil {
		c.tb.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		c.tb.Fatalf("%s: %s %v", path, resp.Status, err)
	}
	return b
}

// Height implements tlog.TileReader.
func (c served) Height() int { return 8 }

// ReadTiles implements tlog.TileReader.
func (c served) ReadTiles(tiles []tlog.Tile) (all [][]byte, err error) {
	for _, t := range tiles {
		all = append(all, c.get("/"+strings.Replace(t.Path(), "tile/8/", "tile/", 1)))
	}
	return all, nil
}

// SaveTiles implements tlog.TileReader.
func (c served) SaveTiles([]tlog.Tile, [][]byte) {}

// TestTilesVerify mirrors a log from its tiles with the reader of the Go checksum database,
// and checks every proof with a verifier that shares no code with what made it.
func TestTilesVerify(t *testing.T) {
	for _, size := range []int{1, 2, 255, 256, 257, 700} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			s := sign(t, t.TempDir())
			s.grow(size, "a")
			server := httptest.NewServer(s.Handler(fails))
			defer server.Close()
			client := served{t, server.URL}
			c, _, err := checkpoint.Open(client.get("/checkpoint"), s.verifier())
			if err != nil || c.Size != uint64(size) || c.Origin != name {
				t.Fatalf("%+v, %v", c, err)
			}
			mirror := tlog.TileHashReader(tlog.Tree{N: int64(c.Size), Hash: c.Root}, client)
			var leaves [][]byte
			for n := 0; n < size; n += 256 {
				path := fmt.Sprintf("/tile/entries/%03d", n/256)
				if size-n < 256 {
					path += fmt.Sprintf(".p/%d", size-n)
				}
				for b := client.get(path); len(b) > 0; {
					length := int(binary.BigEndian.Uint16(b))
					leaves = append(leaves, b[2:2+length])
					b = b[2+length:]
				}
			}
			if len(leaves) != size {
				t.Fatalf("%d entries", len(leaves))
			}
			for i, leaf := range leaves {
				position, _, _, err := merkle.ParseLeaf(leaf)
				if err != nil || position != uint64(i+1) {
					t.Fatalf("entry %d is position %d, %v", i, position, err)
				}
				theirs, err := tlog.ProveRecord(int64(size), int64(i), mirror)
				if err != nil {
					t.Fatal(err)
				}
				ours, err := s.ProveInclusion(position, c.Size)
				if err != nil || fmt.Sprint(ours) != fmt.Sprint(theirs) {
					t.Fatalf("proof of %d: %v, %v", position, ours, err)
				}
				if err := c.Contains(position, tlog.RecordHash(leaf), ours); err != nil {
					t.Error(err)
				}
				if err := proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(i), c.Size, rfc6962.DefaultHasher.HashLeaf(leaf), bytesOf(ours), c.Root[:]); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func bytesOf[P ~[]tlog.Hash](p P) (all [][]byte) {
	for _, h := range p {
		all = append(all, h[:])
	}
	return all
}

// TestConsistency: of any two checkpoints of one log, the later extends the earlier.
func TestConsistency(t *testing.T) {
	s := sign(t, t.TempDir())
	var all []checkpoint.Checkpoint
	for _, more := range []int{1, 1, 2, 3, 5, 100, 255, 3} {
		s.grow(more, "a")
		c, signed, _ := s.Signer.Last()
		if got, _, err := checkpoint.Open(signed, s.verifier()); err != nil || got != c {
			t.Fatalf("%+v, %v", got, err)
		}
		all = append(all, c)
	}
	for i, old := range all {
		for _, c := range all[i:] {
			p, err := s.ProveConsistency(old.Size, c.Size)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Extends(old, p); err != nil {
				t.Error(err)
			}
			if err := proof.VerifyConsistency(rfc6962.DefaultHasher, old.Size, c.Size, bytesOf(p), old.Root[:], c.Root[:]); err != nil {
				t.Error(err)
			}
			other := old
			other.Root[5] ^= 1
			if err := c.Extends(other, p); err == nil {
				t.Errorf("size %d extends another log of size %d", c.Size, old.Size)
			}
		}
	}
}

// TestNeverTwoRoots: whatever becomes of the ledger, no two roots are signed for one size.
func TestNeverTwoRoots(t *testing.T) {
	for given, tc := range map[string]struct {
		then func(t *testing.T, s *signing) error // after 20 events were signed
		want string
	}{
		"more events": {func(_ *testing.T, s *signing) error {
			s.grow(3, "a")
			return nil
		}, ""},
		"the same head": {func(t *testing.T, s *signing) error {
			_, before, _ := s.Signer.Last()
			again, err := s.Signer.Sign(s.store.Head())
			if string(again) != string(before) {
				t.Error("it signed another one")
			}
			return err
		}, ""},
		"another root announced": {func(_ *testing.T, s *signing) error {
			head := s.store.Head()
			head.Root[3] ^= 1
			_, err := s.Signer.Sign(head)
			return err
		}, "CHECKPOINT_CONFLICT"},
		"an older ledger": {func(t *testing.T, s *signing) error { return s.instead(t, 12, "a", 0) }, "CHECKPOINT_CONFLICT"},
		"another tail":    {func(t *testing.T, s *signing) error { return s.instead(t, 12, "b", 0) }, "CHECKPOINT_CONFLICT"},
		"a longer one":    {func(t *testing.T, s *signing) error { return s.instead(t, 30, "b", 0) }, "CHECKPOINT_CONFLICT"},
		"a new epoch":     {func(t *testing.T, s *signing) error { return s.instead(t, 12, "a", 2) }, ""},
		"the epoch before again": {func(t *testing.T, s *signing) error {
			if err := s.instead(t, 12, "a", 2); err != nil {
				t.Fatal(err)
			}
			return s.instead(t, 40, "a", 0)
		}, "CHECKPOINT_CONFLICT"},
	} {
		t.Run(given, func(t *testing.T) {
			s := sign(t, t.TempDir())
			s.grow(20, "a")
			if err := tc.then(t, s); reason(err) != tc.want || (err == nil) != (tc.want == "") {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
}

// instead signs the head of another ledger, with so many events and maybe a new epoch,
// beside what was signed of this one.
func (s *signing) instead(t *testing.T, events int, text string, epoch uint64) error {
	s.closeSigner()
	other := &signing{tb: t}
	var err error
	if other.store, err = ledger.Open(filepath.Join(t.TempDir(), "ledger"), ""); err != nil {
		t.Fatal(err)
	}
	defer other.store.Close()
	for range events {
		other.append(&ledgerv1.Event{Meta: &eventv1.Meta{Schema: 1, CommitSize: 1, RequestId: text}})
	}
	if epoch > 0 {
		other.append(&ledgerv1.Event{Meta: &eventv1.Meta{Schema: 1, CommitSize: 1}, Fact: &ledgerv1.Event_EpochOpened{EpochOpened: &ledgerv1.EpochOpened{Epoch: epoch}}})
	}
	signer, err := notary.NewSigner(filepath.Join(s.dir, "checkpoint"), name, s.keys, other.store)
	if err != nil {
		t.Fatal(err)
	}
	defer signer.Close()
	_, err = signer.Sign(other.store.Head())
	return err
}

// TestHoldsAllCopies: each place that keeps the last checkpoint binds the ledger, also where
// another one keeps a longer one of another line; and it goes on to do so.
func TestHoldsAllCopies(t *testing.T) {
	s := sign(t, t.TempDir())
	s.grow(12, "a")
	s.closeSigner()
	other, second := beside(t, 30, "b"), filepath.Join(s.dir, "copy")
	signer, err := notary.NewSigner(second, name, s.keys, other.store)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := signer.Sign(other.store.Head()); err != nil {
		t.Fatal(err)
	}
	_ = signer.Close()
	for _, keys := range []notary.Keys{nil, s.keys, nil} {
		signer, err := notary.NewSigner(filepath.Join(s.dir, "checkpoint"), name, keys, other.store, second)
		if err != nil {
			t.Fatal(err)
		}
		if err := signer.Holds(other.store.Head()); reason(err) != "CHECKPOINT_CONFLICT" {
			t.Errorf("with %d keys: %v", len(keys), err)
		}
		_ = signer.Close()
	}
}

// TestHoldsEpoch: a ledger that was rolled back to before the epoch that was signed for is
// not the one that was signed.
func TestHoldsEpoch(t *testing.T) {
	s := sign(t, t.TempDir())
	s.grow(12, "a")
	s.append(&ledgerv1.Event{Meta: &eventv1.Meta{Schema: 1, CommitSize: 1}, Fact: &ledgerv1.Event_EpochOpened{EpochOpened: &ledgerv1.EpochOpened{Epoch: 2}}})
	s.grow(2, "a")
	s.again()
	for _, events := range []int{12, 40} {
		err := s.Signer.Holds(beside(t, events, "a").store.Head())
		if own, is := errors.AsType[*fault.Error](err); !is || own.Reason != "CHECKPOINT_CONFLICT" || own.Position == 0 {
			t.Errorf("%d events of the epoch before: %v", events, err)
		}
	}
	if err := s.Signer.Holds(s.store.Head()); err != nil {
		t.Error(err)
	}
}

// beside is another ledger, with so many events.
func beside(t *testing.T, events int, text string) *signing {
	t.Helper()
	other := &signing{tb: t}
	var err error
	if other.store, err = ledger.Open(filepath.Join(t.TempDir(), "ledger"), ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.store.Close() })
	for range events {
		other.append(&ledgerv1.Event{Meta: &eventv1.Meta{Schema: 1, CommitSize: 1, RequestId: text}})
	}
	return other
}

// TestKeys: a second key signs beside the first, then alone; what the first signed still
// binds.
func TestKeys(t *testing.T) {
	s := sign(t, t.TempDir())
	s.grow(5, "a")
	first, file := s.verifier(), filepath.Join(s.dir, "key")
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(file), os.WriteFile(file+".next", nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	if _, err := notary.ReadKeys(file); reason(err) != "KEY_MISSING" {
		t.Fatalf("a key that is not there: %v", err)
	}
	made, err := notary.NewKey(file, name)
	if err != nil {
		t.Fatal(err)
	}
	second, fresh := s.verifier(), read(t, file)
	if told := read(t, file+".pub"); told != made[0].Public+"\n" {
		t.Errorf("the public half is told as %q", told)
	}
	for _, tc := range []struct {
		keys    string
		trusted []note.Verifier
	}{
		{string(old) + "# on its way in\n" + fresh, []note.Verifier{first, second}},
		{fresh, []note.Verifier{second}},
	} {
		if err := os.WriteFile(file, []byte(tc.keys), 0o600); err != nil {
			t.Fatal(err)
		}
		if s.keys, err = notary.ReadKeys(file); err != nil {
			t.Fatal(err)
		}
		s.again()
		for _, when := range []string{"nothing came since", "something came"} {
			_, signed, _ := s.Signer.Last()
			for _, v := range tc.trusted {
				if _, _, err := checkpoint.Open(signed, v); err != nil {
					t.Errorf("%s: %v", when, err)
				}
			}
			if kept := read(t, filepath.Join(s.dir, "checkpoint")); kept != string(signed) {
				t.Errorf("%s: another one is kept: %q", when, kept)
			}
			s.grow(1, "a")
		}
	}
	_, signed, _ := s.Signer.Last()
	if _, _, err := checkpoint.Open(signed, first); err == nil {
		t.Error("the key that is gone signed")
	}
	for given, want := range map[string]string{
		"": "KEY_UNREADABLE", "PRIVATE+KEY+x": "KEY_UNREADABLE", fresh + strings.Repeat("#", 1<<17) + "\n" + string(old): "KEY_UNREADABLE",
	} {
		if err := os.WriteFile(file, []byte(given), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := notary.ReadKeys(file); reason(err) != want {
			t.Errorf("%.200q: %v", given, err)
		}
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := notary.ReadKeys(file); reason(err) != "KEY_EXPOSED" {
		t.Errorf("a key that others can read: %v", err)
	}
}

// TestNewKey: a new key comes after those that are there, which stay as they are; all of them
// are told, also where the file was written by hand.
func TestNewKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys", "checkpoint")
	var all []string
	for n := range 3 {
		keys, err := notary.NewKey(file, name)
		if err != nil || len(keys) != n+1 || !slices.Equal(keys.Public()[:n], all) {
			t.Fatalf("%v, after %v: %v", keys.Public(), all, err)
		}
		all = keys.Public()
		for i, key := range keys {
			if v, err := note.NewVerifier(all[i]); err != nil || v.KeyHash() != key.KeyHash() || v.Name() != name {
				t.Errorf("%s is not the public half: %v", all[i], err)
			}
		}
		if told := read(t, file+".pub"); told != strings.Join(all, "\n")+"\n" {
			t.Errorf("told is %q", told)
		}
	}
	lines := strings.SplitAfter(read(t, file), "\n")
	if err := os.WriteFile(file, []byte("# the last of them\n"+lines[2]), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := notary.ReadKeys(file)
	if err := errors.Join(err, keys.Publish(file)); err != nil || read(t, file+".pub") != all[2]+"\n" {
		t.Errorf("told is %q: %v", read(t, file+".pub"), err)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := notary.NewKey(file, name); reason(err) != "KEY_EXPOSED" {
		t.Errorf("beside a key that others can read: %v", err)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// fails answers with an error as a server of ours would, by its kind.
func fails(w http.ResponseWriter, _ *http.Request, err error) {
	code := http.StatusInternalServerError
	if own, ok := errors.AsType[*fault.Error](err); ok && own.Kind == fault.NotFound {
		code = http.StatusNotFound
	}
	http.Error(w, err.Error(), code)
}

// TestTilesNotFound: nothing is served that no checkpoint covers, nor what is no tile.
func TestTilesNotFound(t *testing.T) {
	s := sign(t, t.TempDir())
	server := httptest.NewServer(s.Handler(fails))
	defer server.Close()
	status := func(path string) int {
		resp, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	if got := status("/checkpoint"); got != http.StatusNotFound {
		t.Errorf("before the first checkpoint: %d", got)
	}
	s.grow(300, "a")
	s.append(&ledgerv1.Event{Meta: &eventv1.Meta{Schema: 1, CommitSize: 1}}) // not signed
	for path, want := range map[string]int{
		"/tile/0/000": 200, "/tile/0/001.p/44": 200, "/tile/0/001.p/7": 200, "/tile/1/000.p/1": 200, "/tile/entries/001.p/44": 200,
		"/tile/0/001.p/45": 404, "/tile/0/001": 404, "/tile/1/000.p/2": 404, "/tile/entries/001.p/45": 404, "/tile/entries/002.p/1": 404,
		"/tile/0/1": 404, "/tile/64/000": 404, "/tile/x": 404, "/tile/0/000.p/256": 404, "/tile/0/000.p/0": 404, "/tile/0/-01": 404, "/tile/": 404,
		// 2^56 tiles of 2^8 are as many as none.
		"/tile/0/x072/x057/x594/x037/x927/936": 404, "/tile/entries/x072/x057/x594/x037/x927/936": 404,
	} {
		if got := status(path); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
}

package notary_test

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"maillage/proto/checkpoint"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	"maillage/services/ledger"
	"maillage/services/notary"
)

// signHere is a variable of the environment: the directory that a process of this test signs
// from until it is killed.
const signHere = "MAILLAGE_TEST_SIGN"

// TestMain signs where it is asked to, as a process of its own that can be killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(signHere); dir != "" {
		if err := signUntilKilled(dir); err != nil {
			fmt.Println("error", reason(err), err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// signUntilKilled signs one head after the other of a ledger and prints each checkpoint that
// it is given back.
func signUntilKilled(dir string) error {
	store, err := ledger.Open(filepath.Join(dir, fmt.Sprint("ledger-", os.Getpid())), "")
	if err != nil {
		return err
	}
	keys, err := notary.ReadKeys(filepath.Join(dir, "key"))
	if err != nil {
		return err
	}
	// The same log each time, from its beginning: it holds what was signed before as soon as it
	// is as long.
	s := &signing{tb: fatal{}, dir: dir, store: store, keys: keys}
	signer, err := notary.NewSigner(filepath.Join(dir, "checkpoint"), name, keys, store, filepath.Join(dir, "copy"))
	if err != nil {
		return err
	}
	last, _, _ := signer.Last()
	for {
		s.append(&ledgerv1.Event{Meta: &eventv1.Meta{Schema: 1, CommitSize: 1, RequestId: "a"}})
		if store.Head().Size <= last.Size {
			continue
		}
		signed, err := signer.Sign(store.Head())
		if err != nil {
			return err
		}
		fmt.Printf("%q\n", signed)
	}
}

// fatal is for a process that is no test.
type fatal struct{ testing.TB }

func (fatal) Helper()           {}
func (fatal) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

// TestKilledSigner kills a signer between any two of its steps, again and again: what it gave
// out it keeps, and what it keeps is of one log, of which each signer extends the one before.
// While it lives no other one signs from its directory.
func TestKilledSigner(t *testing.T) {
	s := sign(t, t.TempDir())
	s.closeSigner()
	roots, most := make(map[uint64]checkpoint.Checkpoint), checkpoint.Checkpoint{}
	for range 6 {
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), signHere+"="+s.dir)
		out, err := child.StdoutPipe()
		if err := errors.Join(err, child.Start()); err != nil {
			t.Fatal(err)
		}
		left, lines := 1+rand.IntN(60), bufio.NewScanner(out)
		for lines.Scan() {
			var signed string
			if _, err := fmt.Sscanf(lines.Text(), "%q", &signed); err != nil {
				t.Fatalf("it says %s", lines.Text())
			}
			c, _, err := checkpoint.Open([]byte(signed), s.verifier())
			if err != nil {
				t.Fatal(err)
			}
			if before, was := roots[c.Size]; was || c.Size <= most.Size {
				t.Fatalf("%+v was given out after %+v, %+v", c, most, before)
			}
			roots[c.Size], most = c, c
			if left--; left == 0 {
				if _, err := notary.NewSigner(filepath.Join(s.dir, "checkpoint"), name, s.keys, s.store); reason(err) != "KEY_TAKEN" {
					t.Errorf("another signs beside it: %v", err)
				}
				_ = child.Process.Kill()
			}
		}
		_ = child.Wait() // it was killed
		for _, file := range []string{"checkpoint", "copy"} {
			kept, _, err := checkpoint.Open([]byte(read(t, filepath.Join(s.dir, file))), s.verifier())
			if err != nil || kept.Size < most.Size && file == "checkpoint" {
				t.Fatalf("%s keeps %+v, and %+v was given out: %v", file, kept, most, err)
			}
			if before, was := roots[kept.Size]; was && before != kept {
				t.Fatalf("%s keeps %+v, and %+v was given out", file, kept, before)
			}
			if kept.Size > most.Size { // kept, and killed before it was given out: it binds all the same
				roots[kept.Size], most = kept, kept
			}
		}
	}
	for s.store.Head().Size <= most.Size { // another log, longer than what was signed
		s.append(&ledgerv1.Event{Meta: &eventv1.Meta{Schema: 1, CommitSize: 1, RequestId: "b"}})
	}
	s.again(filepath.Join(s.dir, "copy"))
	if _, err := s.Signer.Sign(s.store.Head()); reason(err) != "CHECKPOINT_CONFLICT" {
		t.Errorf("another log is signed: %v", err)
	}
}

// TestSignedOnce draws what becomes of a signer, of what it keeps and of its ledger: whatever
// does, what is signed is of one log, each the next of the one before, as long as a place that
// keeps the last is left.
func TestSignedOnce(t *testing.T) {
	store := func(t *rapid.T, dir, text string, size int) *ledger.Store {
		s, err := ledger.Open(dir, "")
		if err != nil {
			t.Fatal(err)
		}
		g := &signing{tb: fatal{}, store: s}
		for int(s.Head().Size) < size {
			g.append(&ledgerv1.Event{Meta: &eventv1.Meta{Schema: 1, CommitSize: 1, RequestId: text}})
		}
		return s
	}
	if err := flag.Set("rapid.checks", "30"); err != nil { // each step flushes several files
		t.Fatal(err)
	}
	rapid.Check(t, func(r *rapid.T) {
		dir := t.TempDir()
		key := filepath.Join(dir, "key")
		keys, err := notary.NewKey(key, name)
		if err != nil {
			r.Fatal(err)
		}
		verifier, err := note.NewVerifier(keys[0].Public)
		if err != nil {
			r.Fatal(err)
		}
		ledgers := []*ledger.Store{store(r, filepath.Join(dir, "a"), "a", 2), store(r, filepath.Join(dir, "b"), "a", 2)} // of one beginning
		defer func() {
			for _, one := range ledgers {
				_ = one.Close()
			}
		}()
		files := []string{filepath.Join(dir, "last"), filepath.Join(dir, "copy")}
		var signer *notary.Signer
		begin := func(of *ledger.Store) {
			if signer != nil {
				_ = signer.Close()
			}
			if signer, err = notary.NewSigner(files[0], name, keys, of, files[1]); err != nil {
				r.Fatal(err)
			}
		}
		at := ledgers[0]
		begin(at)
		defer func() { _ = signer.Close() }()
		var mu sync.Mutex
		signed := make(map[uint64]checkpoint.Checkpoint)
		attempt := func(head ledger.Head) error {
			text, err := signer.Sign(head)
			if err != nil {
				return nil // it may refuse
			}
			c, _, err := checkpoint.Open(text, verifier)
			mu.Lock()
			defer mu.Unlock()
			if before, was := signed[c.Size]; err != nil || was && before != c {
				return fmt.Errorf("%+v was signed after %+v: %w", c, before, err)
			} else if was {
				return nil // what was given out is given again
			}
			signed[c.Size] = c
			for size, before := range signed {
				if root, err := tlog.TreeHash(int64(min(size, c.Size)), at); err != nil || size <= c.Size && root != before.Root {
					return fmt.Errorf("%+v does not extend %+v: %w", c, before, err)
				}
			}
			return nil
		}
		must := func(err error) {
			if err != nil {
				r.Fatal(err)
			}
		}
		r.Repeat(map[string]func(*rapid.T){
			"sign": func(*rapid.T) { must(attempt(at.Head())) },
			"grow and sign": func(r *rapid.T) {
				g := &signing{tb: fatal{}, store: at}
				g.append(&ledgerv1.Event{Meta: &eventv1.Meta{Schema: 1, CommitSize: 1, RequestId: rapid.SampledFrom([]string{"b", "c"}).Draw(r, "text")}})
				must(attempt(at.Head()))
			},
			"sign at once": func(*rapid.T) {
				heads := []ledger.Head{at.Head(), ledgers[0].Head(), ledgers[1].Head()}
				failed := make([]error, len(heads))
				var all sync.WaitGroup
				for i, head := range heads {
					all.Go(func() { failed[i] = attempt(head) })
				}
				all.Wait()
				must(errors.Join(failed...))
			},
			"end and begin again": func(*rapid.T) { begin(at) },
			"another ledger":      func(r *rapid.T) { at = rapid.SampledFrom(ledgers).Draw(r, "ledger"); begin(at) },
			"one of the two that keep it is lost": func(r *rapid.T) {
				if err := os.Remove(rapid.SampledFrom(files).Draw(r, "file")); err != nil && len(signed) > 0 {
					r.Fatal(err)
				}
				begin(at) // before the other one is
			},
			"one of the two comes back from an older copy": func(r *rapid.T) {
				n := rapid.IntRange(0, 1).Draw(r, "file")
				if len(signed) == 0 {
					r.Skip("nothing is signed")
				}
				c := signed[rapid.SampledFrom(slices.Sorted(maps.Keys(signed))).Draw(r, "size")]
				older, err := note.Sign(&note.Note{Text: c.String()}, keys[0])
				if err == nil {
					err = os.WriteFile(files[n], older, 0o600)
				}
				if err != nil {
					r.Fatal(err)
				}
				begin(at)
			},
		})
	})
}

// TestOneSigner: of two signers from one file the second is refused, until the first is closed.
func TestOneSigner(t *testing.T) {
	s := sign(t, t.TempDir())
	file := filepath.Join(s.dir, "checkpoint")
	if _, err := notary.NewSigner(file, name, s.keys, s.store); reason(err) != "KEY_TAKEN" || !strings.Contains(err.Error(), file) {
		t.Errorf("beside another: %v", err)
	}
	if err := s.Signer.Close(); err != nil {
		t.Fatal(err)
	}
	s.again()
}

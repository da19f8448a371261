package projection_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"maillage/services/eventlog"
	"maillage/services/fault"
	"maillage/services/ledger"
	"maillage/services/projection"
)

// pair is a log with two ledgers: one gates, the other follows what it announces.
type pair struct {
	log          *eventlog.Memory
	gate, copied *replica
	kept         *ledger.Store
	dir          string
}

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{log: opened(t), dir: t.TempDir()}
	p.kept = newStore(t, p.dir)
	p.copied = startWith(t, projection.Config{Log: p.log, Ledger: p.kept, Follow: true, Announce: func(ledger.Head) { t.Error("a ledger that follows announces") }})
	p.gate = start(t, p.log, newStore(t, t.TempDir()), func(h ledger.Head) { p.copied.Announced(h) })
	return p
}

func (p *pair) take(t *testing.T, names ...string) {
	t.Helper()
	if _, err := p.gate.Do(t.Context(), p.gate.take("a", names[0], names...)); err != nil {
		t.Fatal(err)
	}
}

// caughtUp waits until the files of the follower hold what is in the log.
func (p *pair) caughtUp(t *testing.T) {
	t.Helper()
	shown(t, p.gate, end(p.log))
	for deadline := time.Now().Add(10 * time.Second); p.kept.Head() != p.gate.Progress().Gate; {
		if time.Now().After(deadline) {
			t.Fatalf("the copy stands at %v, the gate at %v", p.kept.Head(), p.gate.Progress().Gate)
		}
		shown(t, p.copied, p.gate.Progress().Gate.Size)
	}
}

// halts waits until a replica halts and returns why.
func halts(t *testing.T, r *replica) *fault.Error {
	t.Helper()
	select {
	case err := <-r.ended:
		e, _ := fault.FromStatus(err)
		if e == nil {
			t.Fatalf("it halted with %v", err)
		}
		return e
	case <-time.After(10 * time.Second):
		t.Fatal("it did not halt")
		return nil
	}
}

func TestFollowingLedgerTakesOver(t *testing.T) {
	p := newPair(t)
	p.take(t, "x", "y")
	p.take(t, "z")
	p.caughtUp(t)
	if _, err := p.copied.Do(t.Context(), p.copied.take("b", "1", "x")); reason(err) != "NAME_TAKEN" {
		t.Errorf("a command that the follower's process refuses: %v", err)
	}
	if _, err := p.copied.Do(t.Context(), p.copied.take("b", "2", "new")); err != nil {
		t.Errorf("a command that the follower's process takes: %v", err)
	}
	p.caughtUp(t)
	head := p.kept.Head()
	if err := p.kept.Close(); err != nil {
		t.Fatal(err)
	}
	promoted := start(t, p.log, newStore(t, p.dir), nil)
	shown(t, promoted, head.Size)
	if got := promoted.Progress().Gate; got != head {
		t.Errorf("promoted, it gates at %v, not %v", got, head)
	}
	if _, err := promoted.Do(t.Context(), promoted.take("a", "after", "after")); err != nil {
		t.Error(err)
	}
}

func TestFollowingLedgerStopsOnAnotherRoot(t *testing.T) {
	p := newPair(t)
	p.take(t, "x", "y")
	p.caughtUp(t)
	head := p.gate.Progress().Gate
	foreign(t, p.log, 0, 1, "z")
	shown(t, p.gate, head.Size+1)
	p.caughtUp(t)
	other := p.gate.Progress().Gate
	other.Root[0] ^= 1
	p.copied.Announced(other)
	if e := halts(t, p.copied); e.Reason != "LEDGER_DIVERGED" || e.Kind != fault.Damaged || e.Position != other.Size {
		t.Errorf("it halted with %v, position %d", e, e.Position)
	}
	if _, err := p.copied.Do(t.Context(), p.copied.take("b", "1", "new")); reason(err) != "LEDGER_DIVERGED" {
		t.Errorf("a command after that: %v", err)
	}
}

// What stands in its files counts, not what its process folded.
func TestFollowingLedgerComparesItsFiles(t *testing.T) {
	p := newPair(t)
	p.take(t, "w", "x", "y") // with the first one a full subtree, which the next root is made of
	p.caughtUp(t)
	hashes := filepath.Join(p.dir, "hashes")
	b, err := os.ReadFile(hashes)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b {
		b[i] ^= 1
	}
	f, err := os.OpenFile(hashes, os.O_WRONLY, 0) // in place: the ledger reads it meanwhile
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(b, 0)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	p.take(t, "z")
	if e := halts(t, p.copied); e.Reason != "LEDGER_DIVERGED" || e.Position < 1 || e.Position > 5 {
		t.Errorf("it halted with %v, position %d", e, e.Position)
	}
}

func TestFollowingLedgerOfAnotherHistory(t *testing.T) {
	theirs, ours := opened(t), opened(t)
	for i := range 5 {
		foreign(t, theirs, 0, 1, strconv.Itoa(i))
		name := strconv.Itoa(i)
		if i == 3 {
			name = "altered"
		}
		foreign(t, ours, 0, 1, name)
	}
	dir := t.TempDir()
	store := newStore(t, dir)
	shown(t, start(t, ours, store, nil), 6)
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	r := startWith(t, projection.Config{Log: theirs, Ledger: newStore(t, dir), Follow: true})
	if e := halts(t, r); e.Reason != "LEDGER_DIVERGED" || e.Position != 5 {
		t.Errorf("it halted with %v, position %d, not 5", e, e.Position)
	}
}

// A ledger that heard of more than both stores hold does not gate.
func TestPromotedLedgerHoldsWhatWasAnnounced(t *testing.T) {
	p := newPair(t)
	p.take(t, "x", "y")
	p.caughtUp(t)
	head := p.gate.Progress().Gate
	head.Size += 2
	p.copied.Announced(head) // announced, and then the log lost it
	for deadline := time.Now().Add(10 * time.Second); ; {
		if heard, back := p.kept.RolledBack(); back && heard == head {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("what was announced is kept as %v", heard)
		}
	}
	if err := p.kept.Close(); err != nil {
		t.Fatal(err)
	}
	if e := halts(t, start(t, p.log, newStore(t, p.dir), nil)); e.Kind != fault.Damaged || e.Position != head.Size {
		t.Errorf("promoted, it halted with %v, position %d", e, e.Position)
	}
}

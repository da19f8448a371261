package serve

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/grpc/health"

	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	"maillage/services/fault"
)

// joined is a process that can be asked, as far as it is needed to recount.
func joined(t *testing.T, c Config) *process {
	t.Helper()
	p := &process{config: c.withDefaults(), health: health.NewServer(), rival: make(chan struct{}, 1)}
	t.Cleanup(p.close)
	if err := p.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := p.server(); err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(context.Background())
	t.Cleanup(func() { stop(); <-p.ended })
	if err := p.join(t.Context(), running); err != nil {
		stop()
		t.Fatal(err)
	}
	return p
}

// TestTellRecount: readiness tells of damage until a recount finds none, and of no damage
// where the records could not be read at all.
func TestTellRecount(t *testing.T) {
	dir := t.TempDir()
	p := joined(t, Config{Data: dir, NATS: natsOff})
	files, err := filepath.Glob(filepath.Join(dir, "ledger", "entries", "*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	f, err := os.OpenFile(files[0], os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	kept := make([]byte, 1)
	if _, err := f.ReadAt(kept, 30); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		does    string
		do      func() error
		damaged bool
	}{
		{"nothing", func() error { return nil }, false},
		{"a byte is altered", func() error { _, err := f.WriteAt([]byte{^kept[0]}, 30); return err }, true},
		{"it is mended", func() error { _, err := f.WriteAt(kept, 30); return err }, false},
		{"the broker is gone", func() error { p.log.Close(); return nil }, false},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		p.tellRecount(t.Context())
		if p.unprepared != nil != step.damaged {
			t.Errorf("%s: readiness says %v", step.does, p.unprepared)
		}
	}
	p.unready(errPreparing)
	p.tellDamage(nil)
	if p.unprepared != errPreparing {
		t.Errorf("a recount ends what else is waited for: %v", p.unprepared)
	}
}

// TestRecountEnds: a recount of however many records ends with its context.
func TestRecountEnds(t *testing.T) {
	p := joined(t, Config{Data: t.TempDir(), NATS: natsOff})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range within(ctx, p.store.Read(0)) {
		if err == nil {
			t.Fatal("it reads on")
		}
	}
	if _, err := p.recount(ctx); err == nil {
		t.Error("it is counted")
	}
}

// TestStopsWhoeverWaits: a process that stops waits for nobody who waits for a checkpoint.
func TestStopsWhoeverWaits(t *testing.T) {
	p := joined(t, Config{Data: t.TempDir(), NATS: natsOff})
	defer p.startNotary(t.Context())()
	waits := make(chan error, 1)
	go func() {
		_, err := (&proofs{p: p}).GetCheckpoint(context.Background(), &ledgerv1.GetCheckpointRequest{MinSize: 1 << 40})
		waits <- err
	}()
	p.signing.end()
	if own, is := errors.AsType[*fault.Error](<-waits); !is || own.Reason != "STOPPING" {
		t.Error(own)
	}
}

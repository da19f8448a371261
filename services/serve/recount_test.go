package serve

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.opentelemetry.io/otel"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
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

// TestTellRecount: readiness and a metric tell of damage, whoever asked for the recount, until
// one finds none; a recount that could not read the records says nothing of them.
func TestTellRecount(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	otel.SetMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))
	dir := t.TempDir()
	p := joined(t, Config{Data: dir, NATS: natsOff})
	defer p.startRecount(t.Context())()
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
	altered := func() error { _, err := f.WriteAt([]byte{^kept[0]}, 30); return err }
	nothing := func() error { return nil }
	nightly := func() error { _, err := p.tellRecount(t.Context()); return err }
	asked := func() error {
		_, err := (&proofs{p: p}).RecountLog(t.Context(), &ledgerv1.RecountLogRequest{})
		return err
	}
	for _, step := range []struct {
		does    string
		do      func() error
		recount func() error
		fails   bool
		damaged uint64
	}{
		{"nothing", nothing, asked, false, 0},
		{"a byte is altered", altered, asked, true, 1},
		{"it is asked again", nothing, asked, true, 1},
		{"it is prepared", func() error { p.unready(nil); return nil }, nothing, false, 1},
		{"it is mended", func() error { _, err := f.WriteAt(kept, 30); return err }, nightly, false, 0},
		{"it is altered again", altered, nightly, true, 1},
		{"it is mended again", func() error { _, err := f.WriteAt(kept, 30); return err }, asked, false, 0},
		{"the broker is gone", func() error { p.log.Close(); return nil }, nightly, true, 0},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		if err := step.recount(); (err != nil) != step.fails {
			t.Errorf("%s: %v", step.does, err)
		}
		ready, is := errors.AsType[*fault.Error](p.damaged())
		if is != (step.damaged > 0) || is && (ready.Position != step.damaged || ready.Reason != "LOG_DAMAGED" || ready.Kind != fault.Unavailable) {
			t.Errorf("%s: readiness says %v", step.does, ready)
		}
		if got := measured(t, reader, "maillage.recount.damage"); got != float64(step.damaged) {
			t.Errorf("%s: measured is %v", step.does, got)
		}
	}
}

// TestDamageIsNotReady: a process whose recount found damage is not ready, and is once another
// one finds none.
func TestDamageIsNotReady(t *testing.T) {
	p := joined(t, Config{Data: t.TempDir(), NATS: natsOff})
	if err := p.ready(); err != nil {
		t.Fatal(err)
	}
	found := fault.New(fault.Damaged, "LOG_DAMAGED", "", "a bit flipped")
	found.Position = 7
	p.damage.Store(found)
	if own, is := errors.AsType[*fault.Error](p.ready()); !is || own.Position != 7 {
		t.Errorf("readiness says %v", own)
	}
	if _, err := p.tellRecount(t.Context()); err != nil || p.ready() != nil {
		t.Errorf("after a clean one: %v, %v", err, p.ready())
	}
}

// measured is the value of a gauge, -1 where it has none.
func measured(t *testing.T, reader sdkmetric.Reader, name string) float64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	for _, of := range all.ScopeMetrics {
		for _, m := range of.Metrics {
			if m.Name != name {
				continue
			}
			switch data := m.Data.(type) {
			case metricdata.Gauge[int64]:
				return float64(data.DataPoints[0].Value)
			case metricdata.Gauge[float64]:
				return data.DataPoints[0].Value
			}
		}
	}
	return -1
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

package serve

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	fnote "github.com/transparency-dev/formats/note"
	"go.opentelemetry.io/otel"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"golang.org/x/mod/sumdb/note"

	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	"maillage/services/fault"
	"maillage/services/notary"
)

// TestWitnessComesBack: one that was away while the last checkpoint was signed is asked again
// though nothing happens, and what it gives is kept and handed out everywhere.
func TestWitnessComesBack(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	otel.SetMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))
	var asked atomic.Int32
	away := make(chan struct{})
	private, public, err := note.GenerateKey(rand.Reader, "w.example")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := fnote.NewSignerForCosignatureV1(private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := fnote.VKeyToCosignatureV1(public)
	if err != nil {
		t.Fatal(err)
	}
	witness := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 {
			http.Error(w, "away", http.StatusServiceUnavailable)
			close(away)
			return
		}
		body, _ := io.ReadAll(r.Body)
		_, signed, _ := strings.Cut(string(body), "\n\n")
		text, _, _ := strings.Cut(signed, "\n\n")
		cosigned, err := note.Sign(&note.Note{Text: text + "\n"}, signer)
		if err != nil {
			t.Error(err)
		}
		_, line, _ := strings.Cut(string(cosigned), "\n\n")
		_, _ = io.WriteString(w, line)
	}))
	defer witness.Close()

	dir := t.TempDir()
	policy := filepath.Join(dir, "policy")
	if err := os.WriteFile(policy, fmt.Appendf(nil, "witness w %s %s\nquorum w\n", key, witness.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	p := joined(t, Config{Data: dir, NATS: natsOff, Witnesses: policy})
	stop := p.startNotary(t.Context())
	status := func() []string {
		r, err := (&statusServer{p: p}).GetStatus(t.Context(), &ledgerv1.GetStatusRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return r.GetMissingWitnesses()
	}
	<-away
	if got := status(); !slices.Equal(got, []string{"w.example"}) {
		t.Errorf("missing are %q", got)
	}
	if missing, age := measured(t, reader, "maillage.checkpoint.missing"), measured(t, reader, "maillage.checkpoint.age"); missing != 1 || age != -1 {
		t.Errorf("measured is %v missing, age %v", missing, age)
	}
	for {
		moved := *p.signing.moved.Load()
		if len(status()) == 0 {
			break
		}
		<-moved
	}
	given, err := (&proofs{p: p}).GetCheckpoint(t.Context(), &ledgerv1.GetCheckpointRequest{})
	if err != nil {
		t.Fatal(err)
	}
	tiles := httptest.NewRecorder()
	p.serveTiles(tiles, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/checkpoint", nil))
	for where, signed := range map[string][]byte{"the RPC": given.GetCheckpoint(), "a heartbeat": p.checkpoint(), "HTTP": tiles.Body.Bytes(), "the file": fileOf(t, p.signedFiles()[0])} {
		if strings.Count(string(signed), "— w.example ") != 1 {
			t.Errorf("%s gives\n%s", where, signed)
		}
	}
	stop()
	if missing, age := measured(t, reader, "maillage.checkpoint.missing"), measured(t, reader, "maillage.checkpoint.age"); missing != -1 || age != -1 {
		t.Errorf("it stopped, and measured is %v, %v", missing, age)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stop = p.startNotary(ctx) // which has nobody to ask
	if got := status(); len(got) > 0 || asked.Load() != 2 {
		t.Errorf("started again, it was asked %d times, and missing are %q", asked.Load(), got)
	}
	stop()
}

// TestSignsOnceTheOtherIsGone: a process that comes while another one still signs from the same
// key says so, and signs once that one is gone.
func TestSignsOnceTheOtherIsGone(t *testing.T) {
	dir := t.TempDir()
	p := joined(t, Config{Data: dir, NATS: natsOff})
	keys, err := notary.ReadKeys(p.config.Key)
	if err != nil {
		t.Fatal(err)
	}
	other, err := notary.NewSigner(p.signedFiles()[0], "another", keys, p.store)
	if err != nil {
		t.Fatal(err)
	}
	defer p.startNotary(t.Context())()
	ask := func() (string, error) {
		_, err := (&proofs{p: p}).GetCheckpoint(t.Context(), &ledgerv1.GetCheckpointRequest{MinSize: 1})
		own, _ := fault.FromStatus(err)
		if own == nil {
			return "", err
		}
		return own.Reason, nil
	}
	if reason, err := ask(); reason != "KEY_TAKEN" {
		t.Errorf("while another signs: %q, %v", reason, err)
	}
	p.signing.wake()
	opened := *p.signing.moved.Load()
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	<-opened
	for p.signing.log.Load() == nil {
		runtime.Gosched()
	}
	if reason, err := ask(); reason != "" || err != nil {
		t.Errorf("once it is gone: %q, %v", reason, err)
	}
}

func fileOf(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

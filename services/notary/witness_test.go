package notary_test

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	fnote "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"

	"maillage/proto/checkpoint"
	"maillage/services/notary"
)

// witnessing is a witness that does what C2SP tlog-witness says, with other code than ours.
type witnessing struct {
	*httptest.Server

	log    note.Verifier
	signer note.Signer
	key    string // its verifier key
	refuse bool

	mu    sync.Mutex
	last  checkpoint.Checkpoint
	asked int
}

func newWitness(t *testing.T, name string, log note.Verifier) *witnessing {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	w := &witnessing{log: log}
	if w.signer, err = fnote.NewSignerForCosignatureV1(private); err != nil {
		t.Fatal(err)
	}
	if w.key, err = fnote.VKeyToCosignatureV1(public); err != nil {
		t.Fatal(err)
	}
	w.Server = httptest.NewServer(http.HandlerFunc(w.cosign))
	t.Cleanup(w.Close)
	return w
}

func (w *witnessing) cosign(out http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	body, _ := io.ReadAll(r.Body)
	head, signed, _ := strings.Cut(string(body), "\n\n")
	var old uint64
	lines := strings.Split(head, "\n")
	_, _ = fmt.Sscanf(lines[0], "old %d", &old)
	var hashes [][]byte
	for _, line := range lines[1:] {
		h, _ := base64.StdEncoding.DecodeString(line)
		hashes = append(hashes, h)
	}
	c, n, err := checkpoint.Open([]byte(signed), w.log)
	switch {
	case r.URL.Path != "/add-checkpoint" || r.Method != http.MethodPost:
		out.WriteHeader(http.StatusNotFound)
	case err != nil || w.refuse:
		out.WriteHeader(http.StatusForbidden)
	case old != w.last.Size:
		out.WriteHeader(http.StatusConflict)
		fmt.Fprintf(out, "%d\n", w.last.Size)
	case old > 0 && proof.VerifyConsistency(rfc6962.DefaultHasher, old, c.Size, hashes, w.last.Root[:], c.Root[:]) != nil:
		out.WriteHeader(http.StatusUnprocessableEntity)
	default:
		w.last = c
		cosigned, err := note.Sign(&note.Note{Text: n.Text}, w.signer)
		if err != nil {
			panic(err)
		}
		_, line, _ := strings.Cut(string(cosigned), "\n\n")
		_, _ = io.WriteString(out, line)
	}
}

// TestWitnesses shows checkpoints to two witnesses, one of whom is away, begins anew, or does
// not sign.
func TestWitnesses(t *testing.T) {
	s := sign(t, t.TempDir())
	s.grow(3, "a")
	one, two := newWitness(t, "one.example", s.verifier()), newWitness(t, "two.example", s.verifier())
	policy := fmt.Sprintf("witness one %s %s\nwitness two %s %s\ngroup both all one two\nquorum both\n", one.key, one.URL, two.key, two.URL)
	w, err := notary.NewWitnesses([]byte(policy), http.DefaultClient)
	if err != nil {
		t.Fatal(err)
	}
	cosign := func(w *notary.Witnesses) ([]byte, error) {
		c, signed, _ := s.Signer.Last()
		return w.Cosign(t.Context(), &s.Log, c, signed)
	}
	for range 3 {
		cosigned, err := cosign(w)
		if err != nil || !w.Satisfied(cosigned) {
			t.Fatalf("%v\n%s", err, cosigned)
		}
		if c, n, err := checkpoint.Open(cosigned, s.verifier()); err != nil || c.Size != s.store.Head().Size || len(n.UnverifiedSigs) != 2 {
			t.Errorf("%+v, %v", c, err)
		}
		s.grow(40, "a")
	}
	again, err := notary.NewWitnesses([]byte(policy), http.DefaultClient) // that knows of nothing: it is told
	if err != nil {
		t.Fatal(err)
	}
	if cosigned, err := cosign(again); err != nil || !again.Satisfied(cosigned) {
		t.Errorf("begun anew: %v", err)
	}
	two.refuse = true
	s.grow(1, "a")
	if cosigned, err := cosign(w); err == nil || !strings.Contains(err.Error(), "two.example") || w.Satisfied(cosigned) || !strings.Contains(string(cosigned), "— one.example ") {
		t.Errorf("one does not sign: %v\n%s", err, cosigned)
	}
	two.Close()
	s.grow(1, "a")
	if _, err := cosign(w); err == nil {
		t.Error("one that is away cosigned")
	}
}

// TestAskedAgain: a witness that was away is asked again for the same checkpoint, and those who
// gave theirs are not.
func TestAskedAgain(t *testing.T) {
	s := sign(t, t.TempDir())
	s.grow(3, "a")
	one, two := newWitness(t, "one.example", s.verifier()), newWitness(t, "two.example", s.verifier())
	policy := fmt.Sprintf("witness one %s %s\nwitness two %s %s\ngroup both all one two\nquorum both\n", one.key, one.URL, two.key, two.URL)
	w, err := notary.NewWitnesses([]byte(policy), http.DefaultClient)
	if err != nil {
		t.Fatal(err)
	}
	c, signed, _ := s.Signer.Last()
	if got := w.Missing(signed); !slices.Equal(got, []string{"one.example", "two.example"}) {
		t.Errorf("nobody was asked, and %q are missing", got)
	}
	two.refuse = true
	for n, missing := range [][]string{{"two.example"}, {"two.example"}, nil, nil} {
		two.refuse = n < 2
		if signed, err = w.Cosign(t.Context(), &s.Log, c, signed); err == nil != (missing == nil) {
			t.Errorf("call %d: %v", n, err)
		}
		if err := s.Signer.Keep(signed); err != nil {
			t.Fatal(err)
		}
		if got := w.Missing(signed); !slices.Equal(got, missing) || w.Satisfied(signed) != (missing == nil) {
			t.Errorf("call %d: %q are missing", n, got)
		}
	}
	if one.asked != 1 || two.asked != 3 {
		t.Errorf("they were asked %d and %d times", one.asked, two.asked)
	}
	s.again()
	if _, kept, _ := s.Signer.Last(); string(kept) != string(signed) || strings.Count(string(kept), "— ") != 3 {
		t.Errorf("kept is\n%s", kept)
	}
}

// TestForkIsNotCosigned: a log that does not extend what a witness was shown gets nothing.
func TestForkIsNotCosigned(t *testing.T) {
	s, fork := sign(t, t.TempDir()), sign(t, t.TempDir())
	fork.keys = s.keys
	s.grow(5, "a")
	one := newWitness(t, "one.example", s.verifier())
	policy := fmt.Appendf(nil, "witness one %s %s\nquorum one\n", one.key, one.URL)
	w, err := notary.NewWitnesses(policy, http.DefaultClient)
	if err != nil {
		t.Fatal(err)
	}
	c, signed, _ := s.Signer.Last()
	if _, err := w.Cosign(t.Context(), &s.Log, c, signed); err != nil {
		t.Fatal(err)
	}
	if fork.Signer, err = notary.NewSigner(t.TempDir()+"/checkpoint", name, s.keys, fork.store); err != nil {
		t.Fatal(err)
	}
	fork.grow(9, "b")
	c, signed, _ = fork.Signer.Last()
	if cosigned, err := w.Cosign(t.Context(), &fork.Log, c, signed); err == nil || w.Satisfied(cosigned) {
		t.Errorf("the fork was cosigned: %v", err)
	}
	if _, err := notary.NewWitnesses([]byte("witness one x\n"), http.DefaultClient); err == nil {
		t.Error("a bad policy is taken")
	}
}

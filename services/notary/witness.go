package notary

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/transparency-dev/formats/witness"
	"golang.org/x/mod/sumdb/note"

	"maillage/proto/checkpoint"
)

// Witnesses are those who are shown every checkpoint (C2SP tlog-witness). A witness checks
// that it extends the last one it was shown and cosigns it, so that no reader can be shown a
// log of its own.
type Witnesses struct {
	policy witness.Group
	client *http.Client

	mu    sync.Mutex
	sizes map[string]uint64 // by address: the size that the witness saw last, as far as known
}

// NewWitnesses reads a policy: who the witnesses are, and how many of them must have cosigned
// (the policy format of Sigsum, its keys those of C2SP cosignatures).
func NewWitnesses(policy []byte, client *http.Client) (*Witnesses, error) {
	group, err := witness.ParsePolicy(policy)
	if err != nil {
		return nil, fmt.Errorf("policy of witnesses: %w", err)
	}
	return &Witnesses{policy: group, client: client, sizes: make(map[string]uint64)}, nil
}

// Satisfied reports whether enough of them cosigned a checkpoint.
func (w *Witnesses) Satisfied(signed []byte) bool { return w.policy.Satisfied(signed) }

// Missing names the witnesses whose cosignature a signed checkpoint does not carry, in order.
func (w *Witnesses) Missing(signed []byte) (names []string) {
	for _, key := range w.policy.Endpoints() {
		if !cosigned(signed, key) {
			names = append(names, key.Name())
		}
	}
	slices.Sort(names)
	return names
}

// cosigned reports whether a checkpoint carries a signature of a key, and no bad one.
func cosigned(signed []byte, key note.Verifier) bool {
	_, err := note.Open(signed, note.VerifierList(key))
	return err == nil
}

// Cosign shows a signed checkpoint of a log to those of them whose cosignature it does not
// carry, and returns it with the cosignatures of those who gave theirs; the error says who did
// not, and why. They need not all be there: whether those who are suffice is for Satisfied to
// say.
func (w *Witnesses) Cosign(ctx context.Context, l *Log, c checkpoint.Checkpoint, signed []byte) ([]byte, error) {
	var (
		mu    sync.Mutex
		lines []string
		fails []error
		all   sync.WaitGroup
	)
	for url, key := range w.policy.Endpoints() {
		if cosigned(signed, key) {
			continue
		}
		all.Go(func() {
			line, err := w.ask(ctx, url, key, l, c, signed)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				fails = append(fails, fmt.Errorf("witness %s: %w", key.Name(), err))
				return
			}
			lines = append(lines, line)
		})
	}
	all.Wait()
	slices.Sort(lines)
	return append(bytes.Clone(signed), strings.Join(lines, "")...), errors.Join(fails...)
}

// ask returns the line with the cosignature of one witness, verified.
func (w *Witnesses) ask(ctx context.Context, url string, key note.Verifier, l *Log, c checkpoint.Checkpoint, signed []byte) (string, error) {
	w.mu.Lock()
	old := w.sizes[url]
	w.mu.Unlock()
	for range 2 { // again from where the witness says it is
		status, answer, err := w.post(ctx, url, old, l, c, signed)
		switch {
		case err != nil:
			return "", err
		case status == http.StatusConflict:
			if old, err = strconv.ParseUint(strings.TrimSpace(answer), 10, 63); err != nil || old > c.Size {
				return "", fmt.Errorf("it says that it was shown size %q", answer)
			}
			continue
		case status != http.StatusOK:
			return "", fmt.Errorf("it answers %d: %q", status, answer)
		}
		line := answer[:strings.IndexByte(answer+"\n", '\n')] + "\n"
		if _, err := note.Open(append(bytes.Clone(signed), line...), note.VerifierList(key)); err != nil {
			return "", fmt.Errorf("what it gives is not its cosignature: %w", err)
		}
		w.mu.Lock()
		w.sizes[url] = c.Size
		w.mu.Unlock()
		return line, nil
	}
	return "", errors.New("it contradicts itself about what it was shown")
}

const maxAnswer = 64 << 10 // bytes

func (w *Witnesses) post(ctx context.Context, url string, old uint64, l *Log, c checkpoint.Checkpoint, signed []byte) (status int, answer string, err error) {
	proof, err := l.ProveConsistency(old, c.Size)
	if err != nil {
		return 0, "", err
	}
	var body bytes.Buffer
	fmt.Fprintf(&body, "old %d\n", old)
	for _, h := range proof {
		fmt.Fprintln(&body, base64.StdEncoding.EncodeToString(h[:]))
	}
	body.WriteByte('\n')
	body.Write(signed)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, &body)
	if err != nil {
		return 0, "", err
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return resp.StatusCode, string(b), err
}

package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"

	"maillage/proto/merkle"
	"maillage/services/audit"
	"maillage/services/ledger"
	"maillage/services/notary"
)

// What the part proofs promises.
const (
	goalVerify    = 0.3                    // of the rate at which one core hashes the same bytes
	goalInclusion = 100 * time.Microsecond // for a proof
)

// proofs measures an audit from scratch, beside the hashing of the same bytes on one core, and
// the proof that a record is in the log.
func (b *bench) proofs(ctx context.Context) error {
	dir, err := b.below("proofs")
	if err != nil {
		return err
	}
	if err := grow(ctx, dir, b.events); err != nil {
		return err
	}
	store, err := ledger.Open(filepath.Join(dir, "ledger"), "")
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	key := filepath.Join(dir, "key")
	keys, err := notary.NewKey(key, "maillage/bench")
	if err != nil {
		return err
	}
	signer, err := notary.NewSigner(key+".last", "maillage/bench", keys, store)
	if err != nil {
		return err
	}
	signed, err := signer.Sign(store.Head())
	if err != nil {
		return err
	}
	log := &notary.Log{Signer: signer, Hashes: store, Read: store.Read}
	fmt.Fprintf(b.out, "\nproofs over %d events; load average %s\n", b.events, loadAverage())
	if err := b.verifies(dir, key, log, signed); err != nil {
		return err
	}
	return b.includes(log)
}

func (b *bench) verifies(dir, key string, log *notary.Log, signed []byte) error {
	file := filepath.Join(dir, "bundle")
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	var leaves [][]byte
	err = audit.Write(f, audit.Contents{
		Manifest: audit.Manifest{Format: 1, Scope: audit.Whole}, Checkpoint: signed,
		Entries: func(yield func(audit.Entry, error) bool) {
			for r, err := range log.Read(0) {
				if err == nil {
					leaves = append(leaves, merkle.AppendLeaf(nil, r.Position, r.Subject, r.Body))
				}
				if !yield(audit.Entry{Record: r}, err) {
					return
				}
			}
		},
	})
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		return err
	}
	verifier, err := note.NewVerifier(string(public[:len(public)-1]))
	if err != nil {
		return err
	}
	before := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(before)
	var ours, plain, share []float64
	for range b.repeat {
		start := time.Now()
		var last [sha256.Size]byte
		for _, leaf := range leaves {
			last = sha256.Sum256(leaf)
		}
		runtime.KeepAlive(last)
		hashed := float64(len(leaves)) / time.Since(start).Seconds()
		bundle, err := audit.Open(file)
		if err != nil {
			return err
		}
		start = time.Now()
		_, err = bundle.Verify(audit.Trust{Keys: []note.Verifier{verifier}})
		verified := float64(len(leaves)) / time.Since(start).Seconds()
		if err := bundle.Close(); err != nil {
			return err
		}
		if err != nil {
			return err
		}
		ours, plain, share = append(ours, verified), append(plain, hashed), append(share, verified/hashed)
	}
	fmt.Fprintf(b.out, "  SHA-256 of each record, one core   %s a second\n", flat(spreadOf(plain).rates()))
	fmt.Fprintf(b.out, "  a bundle verified from scratch     %s a second\n", flat(spreadOf(ours).rates()))
	r := spreadOf(share)
	fmt.Fprintf(b.out, "  %.2f × the rate of SHA-256 [%.2f..%.2f], goal ≥ %.1f: %s\n", r.median, r.low, r.high, goalVerify, verdict(r.median >= goalVerify))
	return nil
}

func (b *bench) includes(log *notary.Log) error {
	c, _, _ := log.Signer.Last()
	var took []time.Duration
	for range 20_000 {
		position := 1 + rand.Uint64N(c.Size)
		start := time.Now()
		if _, err := log.ProveInclusion(position, c.Size); err != nil {
			return err
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	p50, p99 := took[len(took)/2], took[len(took)*99/100]
	fmt.Fprintf(b.out, "  inclusion proof                    p50 %v p99 %v, goal p50 < %v: %s\n", p50, p99, goalInclusion, verdict(p50 < goalInclusion))
	return nil
}

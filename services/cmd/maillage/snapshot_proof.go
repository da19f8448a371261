package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/grpc"

	"maillage/proto/checkpoint"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	"maillage/services/fault"
	"maillage/services/snapshot"
)

// Names of the files beside those of a set: a signed checkpoint, and the hashes that prove
// that its log extends the one of the set, in base64, one a line (RFC 6962, 2.1.2). They are
// of the moment, and so no part of the set.
const (
	signedName      = "checkpoint"
	consistencyName = "checkpoint.proof"
)

// unsigned are the reasons of a register that signs nothing, and goes on without.
var unsigned = []string{"NO_LEDGER_HERE", "NO_CHECKPOINT", "KEY_MISSING", "KEY_EXPOSED", "KEY_UNREADABLE"}

// sign puts beside the files of a set the checkpoint that proves them. Where nothing is signed,
// and no key was given that could be asked for, there is none.
func (a *app) sign(dir string, keys []note.Verifier) error {
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		m, err := snapshot.Load(dir)
		if err != nil {
			return err
		}
		head, err := checkpoint.Parse(m.GetCheckpoint())
		if err != nil {
			return differs(err)
		}
		client := ledgerv1.NewProofServiceClient(conn)
		_, err = client.GetCheckpoint(ctx, &ledgerv1.GetCheckpointRequest{MinSize: head.Size})
		var proof *ledgerv1.GetConsistencyProofResponse
		if err == nil {
			proof, err = client.GetConsistencyProof(ctx, &ledgerv1.GetConsistencyProofRequest{OldSize: head.Size})
		}
		if own, is := fault.FromStatus(err); is && len(keys) == 0 && slices.Contains(unsigned, own.Reason) {
			fmt.Fprintln(a.stderr, "maillage : ce serveur ne signe pas : les fichiers ne sont prouvés que par leur empreinte.")
			return nil
		}
		if err != nil {
			return err
		}
		return a.keepSigned(dir, head, m.GetEpoch(), proof, keys)
	})
}

// inEpochOf is a head of an epoch as one of the epoch that a checkpoint was signed in, where
// that is a later one of the same log: what stood before it opened stands in both.
func inEpochOf(signed, head checkpoint.Checkpoint, epoch uint64) checkpoint.Checkpoint {
	log := head.Origin
	if epoch > 1 {
		log = strings.TrimSuffix(log, "/"+strconv.FormatUint(epoch, 10))
	}
	number, ours := strings.CutPrefix(signed.Origin, log+"/")
	if later, err := strconv.ParseUint(number, 10, 64); ours && err == nil && later > max(epoch, 1) {
		head.Origin = signed.Origin
	}
	return head
}

// keepSigned checks a signed checkpoint against the head of a set, and writes it.
func (a *app) keepSigned(dir string, head checkpoint.Checkpoint, epoch uint64, proof *ledgerv1.GetConsistencyProofResponse, keys []note.Verifier) error {
	signed, err := checkpoint.Parse(string(proof.GetCheckpoint()))
	if len(keys) > 0 {
		signed, _, err = checkpoint.Open(proof.GetCheckpoint(), keys...)
	}
	if err != nil {
		return fault.New(fault.Damaged, "SIGNATURE_UNKNOWN", "", "none of the keys that are trusted signed the checkpoint: %v", err)
	}
	var lines strings.Builder
	var hashes tlog.TreeProof
	for _, h := range proof.GetHashes() {
		if len(h) != tlog.HashSize {
			return fault.New(fault.Damaged, "LOG_FORKED", "", "a hash of the proof has %d bytes", len(h))
		}
		hashes = append(hashes, tlog.Hash(h))
		fmt.Fprintln(&lines, base64.StdEncoding.EncodeToString(h))
	}
	if err := signed.Extends(inEpochOf(signed, head, epoch), hashes); err != nil {
		e := fault.New(fault.Damaged, "LOG_FORKED", "", "the signed checkpoint does not extend the files: %v", err)
		e.Position = head.Size
		return e
	}
	for name, content := range map[string][]byte{signedName: bytes.Clone(proof.GetCheckpoint()), consistencyName: []byte(lines.String())} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return unwritten(dir, err)
		}
	}
	if a.json {
		return nil
	}
	by := "signature non vérifiée, sans --key"
	if len(keys) > 0 {
		by = "signature vérifiée"
	}
	_, err = fmt.Fprintf(a.stdout, "Point de contrôle signé de taille %d, qui les prolonge (%s) : %s.\n", signed.Size, by, filepath.Join(dir, signedName))
	return err
}

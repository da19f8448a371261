// Package notary signs what a ledger holds and proves it: signed checkpoints, proofs of
// inclusion and consistency, and the tiles from which anyone can make them.
package notary

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sys/unix"

	"maillage/proto/checkpoint"
	"maillage/services/fault"
	"maillage/services/ledger"
)

// replace puts a file in the place of one, whole or not at all, and flushes it.
func replace(name string, content []byte, mode fs.FileMode) error {
	next := name + ".next"
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	if err = f.Chmod(mode); err == nil { // one that a kill left may have another
		_, err = f.Write(content)
	}
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(next, name); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Signer signs the heads of one ledger. It never signs two roots of one size, nor a head that
// does not extend the last one it signed, which it keeps. While it is open no other one signs
// from the same file.
type Signer struct {
	files  []string // that keep the last checkpoint, each the same
	lock   *os.File
	log    string
	keys   Keys
	hashes tlog.HashReader

	mu     sync.Mutex
	last   checkpoint.Checkpoint
	older  []checkpoint.Checkpoint // of the epoch of last, that other copies hold: they bind too
	epoch  uint64                  // of last
	signed []byte                  // the last; nil before the first
}

// NewSigner signs for a log that has a name, and goes on from the checkpoint that a file
// holds or, where that is lost or older, one of its copies elsewhere; where there is none,
// from nothing. Without keys it only looks, and writes no copy but one that is lost.
// KEY_TAKEN: another process signs from this file.
func NewSigner(file, log string, keys Keys, hashes tlog.HashReader, copies ...string) (_ *Signer, err error) {
	s := &Signer{files: append([]string{file}, copies...), log: log, keys: keys, hashes: hashes}
	if s.lock, err = lock(file + ".lock"); err != nil {
		return nil, err
	}
	var last *note.Note
	for _, one := range s.files {
		if last, err = s.resume(one, last); err != nil {
			break
		}
	}
	if err == nil && last != nil {
		err = s.vouch(last)
	}
	if err != nil {
		return nil, errors.Join(err, s.lock.Close())
	}
	return s, nil
}

// Close lets another one sign. Nothing more is to be signed by this one.
func (s *Signer) Close() error { return s.lock.Close() }

// lock holds a file for this process alone, as long as it is open.
func lock(file string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o711); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock of the checkpoints: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		taken := fault.New(fault.Unavailable, "KEY_TAKEN", "", "another process signs from %s: %v", strings.TrimSuffix(file, ".lock"), err)
		return nil, errors.Join(taken, f.Close())
	}
	return f, nil
}

// resume takes the checkpoint that a file holds for the last one, unless a later one is
// already; it returns the note of the last.
func (s *Signer) resume(file string, last *note.Note) (*note.Note, error) {
	signed, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return last, nil
	}
	if err != nil {
		return nil, fmt.Errorf("last checkpoint: %w", err)
	}
	n, err := note.Open(signed, anyone{})
	if unknown, is := errors.AsType[*note.UnverifiedNoteError](err); is { // of a key that is gone: what it signed still binds
		n, err = unknown.Note, nil
	}
	var c checkpoint.Checkpoint
	if err == nil {
		c, err = checkpoint.Parse(n.Text)
	}
	var epoch uint64
	if err == nil {
		epoch, err = s.epochOf(c.Origin)
	}
	switch {
	case err != nil:
		return nil, conflict("the last checkpoint, in %s, cannot be gone on from: %v", file, err)
	case last == nil, epoch > s.epoch:
		s.last, s.epoch, s.signed, s.older = c, epoch, signed, nil
		return n, nil
	case epoch < s.epoch: // that it ended an event of the log says
	case c.Size > s.last.Size:
		s.older = append(s.older, s.last)
		s.last, s.signed = c, signed
		return n, nil
	case c.Size < s.last.Size:
		s.older = append(s.older, c)
	case c.Root != s.last.Root:
		err := conflict("two roots were signed at size %d: %v, and %v in %s", c.Size, s.last.Root, c.Root, file)
		err.Position = c.Size
		return nil, err
	}
	return last, nil
}

// keep writes the last checkpoint wherever it is kept, flushed.
func (s *Signer) keep(signed []byte) error {
	for _, file := range s.files {
		if err := replace(file, signed, 0o644); err != nil {
			return fmt.Errorf("keep a checkpoint: %w", err)
		}
	}
	return nil
}

// vouch has the last checkpoint signed by the keys that were not there when it was: whoever
// trusts a new one alone needs not wait for a commit. One that the ledger does not hold is
// left as it is, for Sign to refuse what comes after.
func (s *Signer) vouch(last *note.Note) error {
	all := slices.Concat(last.Sigs, last.UnverifiedSigs)
	missing := slices.DeleteFunc(slices.Clone(s.keys), func(key Key) bool {
		return slices.ContainsFunc(all, func(had note.Signature) bool { return had.Name == key.Name() && had.Hash == key.KeyHash() })
	})
	if len(missing) == 0 || s.parted() {
		return s.mend()
	}
	if root, err := tlog.TreeHash(int64(s.last.Size), s.hashes); err != nil || root != s.last.Root {
		return s.mend()
	}
	signed, err := note.Sign(last, missing.signers()...)
	if err != nil {
		return fmt.Errorf("sign a checkpoint: %w", err)
	}
	if err := s.keep(signed); err != nil {
		return err
	}
	s.signed = signed
	return nil
}

// mend writes the last checkpoint where it is lost or older. An older one that the ledger
// contradicts stays: it is what tells that history was rewritten.
func (s *Signer) mend() error {
	lostOnly := len(s.keys) == 0 || s.parted()
	for _, file := range s.files {
		kept, err := os.ReadFile(file)
		if err == nil && (lostOnly || bytes.Equal(kept, s.signed)) {
			continue
		}
		if err := replace(file, s.signed, 0o644); err != nil {
			return fmt.Errorf("keep a checkpoint: %w", err)
		}
	}
	return nil
}

// parted says that the ledger is certain not to hold what another copy says was signed.
func (s *Signer) parted() bool {
	return slices.ContainsFunc(s.older, func(c checkpoint.Checkpoint) bool {
		root, err := tlog.TreeHash(int64(c.Size), s.hashes)
		return err == nil && root != c.Root
	})
}

// epochOf is the epoch that a checkpoint of this log was signed in.
func (s *Signer) epochOf(origin string) (uint64, error) {
	text, ours := strings.CutPrefix(origin, s.log)
	if ours && text == "" {
		return 1, nil
	}
	epoch, err := strconv.ParseUint(strings.TrimPrefix(text, "/"), 10, 64)
	if !ours || err != nil || checkpoint.Origin(s.log, epoch) != origin {
		return 0, fmt.Errorf("it is of %s, not of %s", origin, s.log)
	}
	return epoch, nil
}

// anyone trusts nobody: what it opens is not verified.
type anyone struct{}

func (anyone) Verifier(name string, hash uint32) (note.Verifier, error) {
	return nil, &note.UnknownVerifierError{Name: name, KeyHash: hash}
}

// conflict says that what was signed before is not what the ledger holds now.
func conflict(format string, args ...any) *fault.Error {
	return fault.New(fault.Damaged, "CHECKPOINT_CONFLICT", "", format, args...)
}

// Sign returns the signed checkpoint of a head. It is kept, flushed, before it is returned.
// CHECKPOINT_CONFLICT: the ledger does not extend what was signed before; then nothing is
// signed, ever, until an operator has looked.
func (s *Signer) Sign(head ledger.Head) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := checkpoint.Checkpoint{Origin: checkpoint.Origin(s.log, head.Epoch), Size: head.Size, Root: head.Root}
	if s.signed != nil && now == s.last {
		return s.signed, nil
	}
	if err := s.extends(now, head.Epoch); err != nil {
		return nil, err
	}
	signed, err := note.Sign(&note.Note{Text: now.String()}, s.keys.signers()...)
	if err != nil {
		return nil, fmt.Errorf("sign a checkpoint: %w", err)
	}
	if err := s.keep(signed); err != nil {
		return nil, err
	}
	s.last, s.epoch, s.signed, s.older = now, head.Epoch, signed, nil
	return signed, nil
}

// extends checks, from the hashes of the ledger, that a checkpoint is that of what it holds
// and of what was signed last.
func (s *Signer) extends(now checkpoint.Checkpoint, epoch uint64) error {
	root, err := tlog.TreeHash(int64(now.Size), s.hashes)
	if err != nil {
		return fmt.Errorf("root of size %d: %w", now.Size, err)
	}
	if root != now.Root {
		return conflict("the hashes of the ledger have root %v at size %d, and %v is to be signed", root, now.Size, now.Root)
	}
	switch {
	case s.signed == nil, s.epoch < epoch: // that one opened an event of the log says
		return nil
	case s.epoch > epoch:
		return conflict("epoch %d was signed for, and the ledger is in epoch %d", s.epoch, epoch)
	}
	if now.Size <= s.last.Size {
		return conflict("a checkpoint of size %d and root %v was signed, and one of size %d and root %v is to be", s.last.Size, s.last.Root, now.Size, now.Root)
	}
	return s.holds()
}

// holds checks that the ledger has, at the size signed last and at those that other copies
// hold, the roots that were signed.
func (s *Signer) holds() error {
	for _, signed := range append(slices.Clone(s.older), s.last) {
		root, err := tlog.TreeHash(int64(signed.Size), s.hashes)
		if err != nil {
			return fmt.Errorf("root of size %d: %w", signed.Size, err)
		}
		if root != signed.Root {
			e := conflict("root %v was signed at size %d, and the ledger has %v there", signed.Root, signed.Size, root)
			e.Position = signed.Size
			return e
		}
	}
	return nil
}

// Holds refuses a ledger that is in an epoch before the one signed for last or, in that one,
// ends before what was signed or has another root there: CHECKPOINT_CONFLICT. Both stores agree
// on what it holds, so that nothing else tells that history was cut or rewritten.
func (s *Signer) Holds(head ledger.Head) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.signed == nil, s.epoch < head.Epoch:
		return nil
	case s.epoch > head.Epoch:
		e := conflict("epoch %d was signed for, and the ledger is in epoch %d", s.epoch, head.Epoch)
		e.Position = head.Size + 1
		return e
	case s.last.Size > head.Size:
		e := conflict("a checkpoint of size %d was signed, and the ledger ends at position %d", s.last.Size, head.Size)
		e.Position = head.Size + 1
		return e
	}
	return s.holds()
}

// LastSigned is the head of the last checkpoint that a file keeps, as NewSigner goes on from
// it, whatever log it is of; ok is false where there is none that can be read.
func LastSigned(file string) (head ledger.Head, log string, ok bool) {
	signed, err := os.ReadFile(file)
	if err != nil {
		return head, "", false
	}
	c, err := checkpoint.Parse(string(signed))
	if err != nil {
		return head, "", false
	}
	head, log = ledger.Head{Epoch: 1, Size: c.Size, Root: c.Root}, c.Origin
	last := log[strings.LastIndexByte(log, '/')+1:]
	if epoch, err := strconv.ParseUint(last, 10, 64); err == nil && len(last) < len("0000000000") { // else it is the id of the log
		head.Epoch, log = epoch, strings.TrimSuffix(log, "/"+last)
	}
	return head, log, true
}

// Last is the last checkpoint, signed; ok is false before the first.
func (s *Signer) Last() (c checkpoint.Checkpoint, signed []byte, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last, s.signed, s.signed != nil
}

// Epoch is that of the last checkpoint, 0 before the first.
func (s *Signer) Epoch() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.epoch
}

// Keep keeps the last checkpoint with cosignatures added to it.
func (s *Signer) Keep(cosigned []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !bytes.HasPrefix(cosigned, s.signed) {
		return errors.New("another checkpoint than the last")
	}
	if err := s.keep(cosigned); err != nil {
		return err
	}
	s.signed = cosigned
	return nil
}

// Package checkpoint is what a register signs: how many records its log had and the root of
// their tree, as a C2SP tlog-checkpoint in a signed note. Whoever holds one, and the key it
// was signed with, can refuse any log that does not extend it.
package checkpoint

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint is what is signed.
type Checkpoint struct {
	// Origin names the log, see [Origin].
	Origin string
	// Size is the number of records, and the last position.
	Size uint64
	// Root is the root of the tree of that size (RFC 6962).
	Root tlog.Hash
}

// Origin is the origin of the checkpoints of a log in an epoch: the name of the log, and the
// epoch from the second on. An epoch that opens gives positions again, so that two roots of
// one size are possible: to whoever checks them it is another log.
func Origin(log string, epoch uint64) string {
	if epoch > 1 {
		return log + "/" + strconv.FormatUint(epoch, 10)
	}
	return log
}

// String is the text of a checkpoint, as it is signed.
func (c Checkpoint) String() string {
	return fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, base64.StdEncoding.EncodeToString(c.Root[:]))
}

// Parse reads the text of a checkpoint. Lines that follow the root are let be.
func Parse(text string) (c Checkpoint, err error) {
	lines := strings.SplitN(text, "\n", 4)
	if len(lines) < 4 || lines[0] == "" {
		return c, errors.New("a checkpoint has three lines")
	}
	c.Origin = lines[0]
	if c.Size, err = strconv.ParseUint(lines[1], 10, 63); err != nil || strconv.FormatUint(c.Size, 10) != lines[1] {
		return c, fmt.Errorf("size of a checkpoint: %q", lines[1])
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return c, fmt.Errorf("root of a checkpoint: %q", lines[2])
	}
	copy(c.Root[:], root)
	return c, nil
}

// Open reads a signed checkpoint, which must bear the signature of one of the keys that are
// trusted and no bad one of any of them. It also returns the note, with all signatures.
func Open(signed []byte, trusted ...note.Verifier) (Checkpoint, *note.Note, error) {
	n, err := note.Open(signed, note.VerifierList(trusted...))
	if err != nil {
		return Checkpoint{}, nil, fmt.Errorf("checkpoint: %w", err)
	}
	c, err := Parse(n.Text)
	return c, n, err
}

// Extends checks that the log of a checkpoint is that of an older one, gone on with: the
// proof is that of package tlog between the two sizes.
func (c Checkpoint) Extends(old Checkpoint, proof tlog.TreeProof) error {
	switch {
	case c.Origin != old.Origin:
		return fmt.Errorf("a checkpoint of %s cannot extend one of %s", c.Origin, old.Origin)
	case c.Size < old.Size:
		return fmt.Errorf("the log had %d records, and has %d", old.Size, c.Size)
	case old.Size == 0:
		return nil
	case c.Size == old.Size && c.Root != old.Root:
		return fmt.Errorf("two roots at size %d", c.Size)
	case c.Size == old.Size:
		return nil
	}
	if err := tlog.CheckTree(proof, int64(c.Size), c.Root, int64(old.Size), old.Root); err != nil {
		return fmt.Errorf("the log of size %d does not extend that of size %d: %w", c.Size, old.Size, err)
	}
	return nil
}

// Contains checks that a record is in the log of a checkpoint: leaf is the hash of its leaf.
func (c Checkpoint) Contains(position uint64, leaf tlog.Hash, proof tlog.RecordProof) error {
	if position == 0 || position > c.Size {
		return fmt.Errorf("position %d is not among %d", position, c.Size)
	}
	if err := tlog.CheckRecord(proof, int64(c.Size), c.Root, int64(position-1), leaf); err != nil {
		return fmt.Errorf("position %d is not in the log of size %d: %w", position, c.Size, err)
	}
	return nil
}

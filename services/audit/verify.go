package audit

import (
	"bufio"
	"errors"
	"io"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"maillage/proto/checkpoint"
	"maillage/proto/merkle"
	"maillage/services/fault"
)

// Trust is what an auditor brings along.
type Trust struct {
	// Keys are those of the register; one of them must have signed. At least one.
	Keys []note.Verifier
	// Satisfied says whether enough witnesses cosigned a signed checkpoint; nil asks for none.
	Satisfied func(signed []byte) bool
	// Kept is the checkpoint, signed, that the auditor saw last; nil for none. A log that does
	// not extend it is refused.
	Kept []byte
}

// Report is what was verified.
type Report struct {
	Checkpoint checkpoint.Checkpoint
	SignedBy   []string // names of the keys that are trusted
	Signatures int      // of keys that nobody vouches for here, such as of witnesses
	Records    uint64
	Kept       *checkpoint.Checkpoint // that it extends
	Opened     int                    // personal values, each the one that records commit to
}

// Verify checks all that a bundle claims but what the records add up to. Its errors are of
// kind fault.Damaged: SIGNATURE_UNKNOWN, WITNESSES_MISSING, KEPT_UNREADABLE (the
// checkpoint kept is none, or signed by nobody who is trusted), CHECKPOINT_OLD (it is older than
// the one kept), LOG_FORKED (it does not extend that), ENTRY_MISSING (a position that is not
// the next), ENTRY_ALTERED (a record that was not signed, with its position where that can be
// told), OPENING_ALTERED (a personal value that no record of the bundle commits to, or given
// twice), BUNDLE_UNREADABLE, BUNDLE_INCOMPLETE (nothing in it shows what is asked).
func (b *Bundle) Verify(t Trust) (Report, error) {
	c, signers, err := open(b.checkpoint, t.Keys)
	if err != nil {
		return Report{}, err
	}
	r := Report{Checkpoint: c, Signatures: len(signers.UnverifiedSigs)}
	for _, s := range signers.Sigs {
		r.SignedBy = append(r.SignedBy, s.Name)
	}
	if t.Satisfied != nil && !t.Satisfied(b.checkpoint) {
		return r, bad("WITNESSES_MISSING", 0, "not enough of the witnesses cosigned the checkpoint of size %d", c.Size)
	}
	if t.Kept != nil {
		kept, _, err := open(t.Kept, t.Keys)
		if err != nil {
			return r, bad("KEPT_UNREADABLE", 0, "the checkpoint that was kept, not the bundle: %v", err)
		}
		r.Kept = &kept
	}
	if b.Scope == Whole {
		r.Records, err = b.recompute(c, r.Kept)
	} else if err = b.extends(c, r.Kept, t.Keys); err == nil {
		r.Records, err = b.included(c)
	}
	if err == nil {
		err = b.verifyOpenings()
	}
	r.Opened = len(b.opened)
	return r, err
}

// bad says what is wrong, and where.
func bad(reason string, position uint64, format string, args ...any) error {
	e := fault.New(fault.Damaged, reason, "", format, args...)
	e.Position = position
	return e
}

func open(signed []byte, keys []note.Verifier) (checkpoint.Checkpoint, *note.Note, error) {
	c, n, err := checkpoint.Open(signed, keys...)
	if err != nil {
		return c, nil, bad("SIGNATURE_UNKNOWN", 0, "none of the keys that are trusted signed this: %v", err)
	}
	return c, n, nil
}

// older refuses a log that cannot extend the one kept.
func older(c checkpoint.Checkpoint, kept *checkpoint.Checkpoint) error {
	switch {
	case kept == nil:
		return nil
	case c.Origin != kept.Origin:
		return bad("LOG_FORKED", 0, "this is the log %s, the one seen before is %s", c.Origin, kept.Origin)
	case c.Size < kept.Size:
		return bad("CHECKPOINT_OLD", c.Size, "a checkpoint of size %d was seen, and this is one of size %d", kept.Size, c.Size)
	}
	return nil
}

// recompute reads all records, and makes the tree of them anew.
func (b *Bundle) recompute(c checkpoint.Checkpoint, kept *checkpoint.Checkpoint) (records uint64, err error) {
	if err := older(c, kept); err != nil {
		return 0, err
	}
	var tree merkle.Tree
	for leaf, err := range b.leaves() {
		if err != nil {
			return records, err
		}
		position, _, _, err := merkle.ParseLeaf(leaf)
		if err != nil {
			return records, bad("ENTRY_ALTERED", records+1, "entry %d is no leaf: %v", records+1, err)
		}
		if records++; position != records {
			return records, bad("ENTRY_MISSING", records, "position %d comes where %d is next", position, records)
		}
		tree.Append(tlog.RecordHash(leaf))
		if kept != nil && kept.Size == records && tree.Root() != kept.Root {
			return records, bad("LOG_FORKED", records, "at position %d these records have root %v, and %v was signed and kept", records, tree.Root(), kept.Root)
		}
	}
	if records != c.Size {
		return records, bad("ENTRY_MISSING", records+1, "there are %d records, and %d were signed", records, c.Size)
	}
	if root := tree.Root(); root != c.Root {
		return records, bad("ENTRY_ALTERED", 0, "these %d records have root %v, and %v was signed", records, root, c.Root)
	}
	return records, nil
}

// extends checks the proof, within a bundle of some records, that the log extends one kept.
func (b *Bundle) extends(c checkpoint.Checkpoint, kept *checkpoint.Checkpoint, keys []note.Verifier) error {
	if err := older(c, kept); kept == nil || err != nil {
		return err
	}
	if kept.Size == c.Size && kept.Root == c.Root {
		return nil
	}
	if b.older == nil {
		return bad("BUNDLE_INCOMPLETE", 0, "nothing in the bundle shows that its log extends the one of size %d seen before", kept.Size)
	}
	proved, _, err := open(b.older, keys)
	if err != nil {
		return err
	}
	if proved.Size != kept.Size {
		return bad("BUNDLE_INCOMPLETE", 0, "the bundle shows that its log extends the one of size %d, not of size %d", proved.Size, kept.Size)
	}
	if err := c.Extends(*kept, b.consistency); err != nil {
		return bad("LOG_FORKED", kept.Size, "%v", err)
	}
	return nil
}

// included checks the proof of each record.
func (b *Bundle) included(c checkpoint.Checkpoint) (records uint64, err error) {
	file, err := b.part(proofsPart)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	proofs, before := bufio.NewReader(file), uint64(0)
	for leaf, err := range b.leaves() {
		if err != nil {
			return records, err
		}
		position, _, _, err := merkle.ParseLeaf(leaf)
		if err != nil {
			return records, bad("ENTRY_ALTERED", 0, "entry %d is no leaf: %v", records+1, err)
		}
		if position <= before {
			return records, bad("ENTRY_MISSING", position, "position %d comes after %d", position, before)
		}
		proof, err := readHashes(proofs)
		if err != nil {
			return records, unreadable("the proof of position %d: %v", position, err)
		}
		if err := c.Contains(position, tlog.RecordHash(leaf), proof); err != nil {
			return records, bad("ENTRY_ALTERED", position, "%v", err)
		}
		before = position
		records++
	}
	if _, err := proofs.ReadByte(); !errors.Is(err, io.EOF) {
		return records, bad("ENTRY_MISSING", 0, "there are more proofs than records")
	}
	return records, nil
}

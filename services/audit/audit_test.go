package audit_test

import (
	"archive/zip"
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/protobuf/proto"

	"maillage/proto/checkpoint"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/proto/merkle"
	"maillage/services/audit"
	"maillage/services/eventlog"
	"maillage/services/fault"
)

// register is a log with a key, from which bundles are made.
type register struct {
	tb      testing.TB
	records []eventlog.Record
	signer  note.Signer
	key     note.Verifier
}

func newRegister(tb testing.TB, events int) *register {
	tb.Helper()
	r := &register{tb: tb}
	r.signer, r.key = keys(tb, "maillage/LOG0000000")
	for i := range events {
		body, err := proto.Marshal(&topologyv1.Event{
			Meta: &eventv1.Meta{Schema: 1, CommitSize: 1},
			Fact: &topologyv1.Event_CentreRegistered{CentreRegistered: &topologyv1.CentreRegistered{CentreId: fmt.Sprintf("C%09d", i), Name: "Équipe"}},
		})
		if err != nil {
			tb.Fatal(err)
		}
		r.records = append(r.records, eventlog.Record{Position: uint64(i + 1), Subject: fmt.Sprintf("registry.topology.centre.C%09d", i), Body: body})
	}
	return r
}

func keys(tb testing.TB, name string) (note.Signer, note.Verifier) {
	tb.Helper()
	private, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		tb.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		tb.Fatal(err)
	}
	key, err := note.NewVerifier(public)
	if err != nil {
		tb.Fatal(err)
	}
	return signer, key
}

// clone is the same log, to be altered.
func (r *register) clone() *register {
	out := *r
	out.records = slices.Clone(r.records)
	return &out
}

func (r *register) hashes(size int) tlog.HashReader {
	var tree merkle.Tree
	var stored []byte
	for _, one := range r.records[:size] {
		stored = tree.AppendStored(stored, eventlog.LeafHash(one))
	}
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		all := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			copy(all[i][:], stored[index*tlog.HashSize:])
		}
		return all, nil
	})
}

// signed is the checkpoint of a size.
func (r *register) signed(size int) []byte {
	r.tb.Helper()
	root, err := tlog.TreeHash(int64(size), r.hashes(size))
	if err != nil {
		r.tb.Fatal(err)
	}
	c := checkpoint.Checkpoint{Origin: "maillage/LOG0000000", Size: uint64(size), Root: root}
	signed, err := note.Sign(&note.Note{Text: c.String()}, r.signer)
	if err != nil {
		r.tb.Fatal(err)
	}
	return signed
}

// entries are the records at positions, with their proofs in the log of a size.
func (r *register) entries(size int, positions ...uint64) []audit.Entry {
	r.tb.Helper()
	var all []audit.Entry
	for _, position := range positions {
		p, err := tlog.ProveRecord(int64(size), int64(position-1), r.hashes(size))
		if err != nil {
			r.tb.Fatal(err)
		}
		all = append(all, audit.Entry{Record: r.records[position-1], Proof: p})
	}
	return all
}

func (r *register) whole(size int) audit.Contents {
	var all []audit.Entry
	for _, one := range r.records[:size] {
		all = append(all, audit.Entry{Record: one})
	}
	return audit.Contents{Manifest: audit.Manifest{Format: 1, Scope: audit.Whole}, Checkpoint: r.signed(size), Entries: each(all)}
}

func (r *register) part(size int, positions ...uint64) audit.Contents {
	return audit.Contents{Manifest: audit.Manifest{Format: 1, Scope: "L000000001"}, Checkpoint: r.signed(size), Entries: each(r.entries(size, positions...))}
}

func each(all []audit.Entry) func(func(audit.Entry, error) bool) {
	return func(yield func(audit.Entry, error) bool) {
		for _, e := range all {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func written(tb testing.TB, c audit.Contents) string {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "bundle")
	f, err := os.Create(file)
	if err != nil {
		tb.Fatal(err)
	}
	if err := errors.Join(audit.Write(f, c), f.Close()); err != nil {
		tb.Fatal(err)
	}
	return file
}

func verify(tb testing.TB, file string, trust audit.Trust) (audit.Report, error) {
	tb.Helper()
	b, err := audit.Open(file)
	if err != nil {
		return audit.Report{}, err
	}
	defer b.Close()
	return b.Verify(trust)
}

func reason(err error) string {
	if own, is := errors.AsType[*fault.Error](err); is {
		return own.Reason
	}
	return fmt.Sprint(err)
}

// rewritten is a bundle with the bytes of one part changed.
func rewritten(tb testing.TB, file, part string, change func([]byte) []byte) string {
	tb.Helper()
	in, err := zip.OpenReader(file)
	if err != nil {
		tb.Fatal(err)
	}
	defer in.Close()
	var b bytes.Buffer
	out := zip.NewWriter(&b)
	for _, f := range in.File {
		r, err := f.Open()
		if err != nil {
			tb.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			tb.Fatal(err)
		}
		if f.Name == part {
			content = change(content)
		}
		to, err := out.CreateHeader(&zip.FileHeader{Name: f.Name, Method: zip.Store})
		if err != nil {
			tb.Fatal(err)
		}
		if _, err := to.Write(content); err != nil {
			tb.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		tb.Fatal(err)
	}
	altered := filepath.Join(tb.TempDir(), "altered")
	if err := os.WriteFile(altered, b.Bytes(), 0o600); err != nil {
		tb.Fatal(err)
	}
	return altered
}

// leavesOf are the leaves of the part with the entries, and their inverse.
func leavesOf(b []byte) (all [][]byte) {
	for len(b) > 0 {
		n := 2 + int(binary.BigEndian.Uint16(b))
		all = append(all, b[:n])
		b = b[n:]
	}
	return all
}

func leaves(change func([][]byte) [][]byte) func([]byte) []byte {
	return func(b []byte) []byte { return bytes.Join(change(leavesOf(b)), nil) }
}

// TestAttacks: whatever is done to a history, a verifier with the key finds it.
func TestAttacks(t *testing.T) {
	r := newRegister(t, 60)
	other := r.clone()
	other.records[30].Body = append(slices.Clone(other.records[30].Body), 0)
	_, stranger := keys(t, "maillage/LOG0000000")
	entries := func(change func([][]byte) [][]byte) func(*testing.T) (string, audit.Trust) {
		return func(t *testing.T) (string, audit.Trust) {
			return rewritten(t, written(t, r.whole(50)), "entries", leaves(change)), audit.Trust{}
		}
	}
	for attack, tc := range map[string]struct {
		do   func(t *testing.T) (file string, trust audit.Trust)
		want string
	}{
		"none, all records":  {func(t *testing.T) (string, audit.Trust) { return written(t, r.whole(50)), audit.Trust{} }, "<nil>"},
		"none, some records": {func(t *testing.T) (string, audit.Trust) { return written(t, r.part(50, 3, 7, 50)), audit.Trust{} }, "<nil>"},
		"none, extended": {func(t *testing.T) (string, audit.Trust) {
			return written(t, r.whole(50)), audit.Trust{Kept: r.signed(20)}
		}, "<nil>"},
		"one byte of an event": {entries(func(all [][]byte) [][]byte {
			all[20][len(all[20])-1] ^= 1
			return all
		}), "ENTRY_ALTERED"},
		"one byte of a subject": {entries(func(all [][]byte) [][]byte {
			all[20][20] ^= 1
			return all
		}), "ENTRY_ALTERED"},
		"an event removed": {entries(func(all [][]byte) [][]byte { return slices.Delete(all, 10, 11) }), "ENTRY_MISSING"},
		"two swapped": {entries(func(all [][]byte) [][]byte {
			all[10], all[11] = all[11], all[10]
			return all
		}), "ENTRY_MISSING"},
		"two swapped, with their positions": {entries(func(all [][]byte) [][]byte {
			one, two := slices.Clone(all[10]), slices.Clone(all[11])
			copy(one[3:11], all[11][3:11])
			copy(two[3:11], all[10][3:11])
			all[10], all[11] = two, one
			return all
		}), "ENTRY_ALTERED"},
		"the tail cut":  {entries(func(all [][]byte) [][]byte { return all[:40] }), "ENTRY_MISSING"},
		"an event more": {entries(func(all [][]byte) [][]byte { return append(all, all[49]) }), "ENTRY_MISSING"},
		"altered, and the tree recomputed": {func(t *testing.T) (string, audit.Trust) {
			forged := other.clone()
			forged.signer, _ = keys(t, "maillage/LOG0000000") // who has not the key
			return written(t, forged.whole(50)), audit.Trust{}
		}, "SIGNATURE_UNKNOWN"},
		"altered, and signed by the register itself": {func(t *testing.T) (string, audit.Trust) {
			return written(t, other.whole(50)), audit.Trust{Kept: r.signed(40)}
		}, "LOG_FORKED"},
		"the same, some records": {func(t *testing.T) (string, audit.Trust) {
			c := other.part(50, 3, 31)
			c.Older = other.signed(40)
			var err error
			if c.Consistency, err = tlog.ProveTree(50, 40, other.hashes(50)); err != nil {
				t.Fatal(err)
			}
			return written(t, c), audit.Trust{Kept: r.signed(40)}
		}, "LOG_FORKED"},
		"a checkpoint replayed": {func(t *testing.T) (string, audit.Trust) {
			return written(t, r.whole(30)), audit.Trust{Kept: r.signed(40)}
		}, "CHECKPOINT_OLD"},
		"a checkpoint replayed, some records": {func(t *testing.T) (string, audit.Trust) {
			return written(t, r.part(30, 3)), audit.Trust{Kept: r.signed(40)}
		}, "CHECKPOINT_OLD"},
		"an unknown key": {func(t *testing.T) (string, audit.Trust) {
			return written(t, r.whole(50)), audit.Trust{Keys: []note.Verifier{stranger}}
		}, "SIGNATURE_UNKNOWN"},
		"the text of a checkpoint changed": {func(t *testing.T) (string, audit.Trust) {
			return rewritten(t, written(t, r.whole(50)), "checkpoint", func(b []byte) []byte { return bytes.Replace(b, []byte("\n50\n"), []byte("\n51\n"), 1) }), audit.Trust{}
		}, "SIGNATURE_UNKNOWN"},
		"a proof of another event": {func(t *testing.T) (string, audit.Trust) {
			c := r.part(50, 3, 7)
			all := r.entries(50, 3, 7)
			all[0].Proof = all[1].Proof
			c.Entries = each(all)
			return written(t, c), audit.Trust{}
		}, "ENTRY_ALTERED"},
		"an event that was never in the log": {func(t *testing.T) (string, audit.Trust) {
			c := r.part(50, 3)
			all := r.entries(50, 3, 31)
			all[1].Record = other.records[30]
			c.Entries = each(all)
			return written(t, c), audit.Trust{}
		}, "ENTRY_ALTERED"},
		"a position beyond": {func(t *testing.T) (string, audit.Trust) {
			c := r.part(50, 3)
			all := r.entries(50, 3)
			all = append(all, audit.Entry{Record: r.records[55], Proof: all[0].Proof})
			c.Entries = each(all)
			return written(t, c), audit.Trust{}
		}, "ENTRY_ALTERED"},
		"no proof that it extends": {func(t *testing.T) (string, audit.Trust) {
			return written(t, r.part(50, 3)), audit.Trust{Kept: r.signed(40)}
		}, "BUNDLE_INCOMPLETE"},
		"a checkpoint kept that is none": {func(t *testing.T) (string, audit.Trust) {
			return written(t, r.whole(50)), audit.Trust{Kept: []byte("kept")}
		}, "KEPT_UNREADABLE"},
		"too few witnesses": {func(t *testing.T) (string, audit.Trust) {
			return written(t, r.whole(50)), audit.Trust{Satisfied: func([]byte) bool { return false }}
		}, "WITNESSES_MISSING"},
		"a bundle cut": {func(t *testing.T) (string, audit.Trust) {
			file := written(t, r.whole(50))
			if err := os.Truncate(file, 3000); err != nil {
				t.Fatal(err)
			}
			return file, audit.Trust{}
		}, "BUNDLE_UNREADABLE"},
		"an entry cut": {func(t *testing.T) (string, audit.Trust) {
			return rewritten(t, written(t, r.whole(50)), "entries", func(b []byte) []byte { return b[:len(b)-3] }), audit.Trust{}
		}, "BUNDLE_UNREADABLE"},
	} {
		t.Run(attack, func(t *testing.T) {
			file, trust := tc.do(t)
			if trust.Keys == nil {
				trust.Keys = []note.Verifier{r.key}
			}
			if report, err := verify(t, file, trust); reason(err) != tc.want {
				t.Errorf("%v, want %s (%+v)", err, tc.want, report)
			}
		})
	}
}

// TestExtends: a bundle of some records proves that its log extends the one kept.
func TestExtends(t *testing.T) {
	r := newRegister(t, 60)
	for _, old := range []int{1, 7, 32, 49, 50} {
		c := r.part(50, 3, 9)
		c.Older = r.signed(old)
		if old < 50 {
			var err error
			if c.Consistency, err = tlog.ProveTree(50, int64(old), r.hashes(50)); err != nil {
				t.Fatal(err)
			}
		}
		report, err := verify(t, written(t, c), audit.Trust{Keys: []note.Verifier{r.key}, Kept: r.signed(old)})
		if err != nil || report.Kept.Size != uint64(old) || report.Records != 2 {
			t.Errorf("%d: %+v, %v", old, report, err)
		}
	}
}

// BenchmarkVerify verifies a log beside the hashing of the same bytes.
func BenchmarkVerify(b *testing.B) {
	r := newRegister(b, 100_000)
	for i := range r.records {
		r.records[i].Body = append(r.records[i].Body, bytes.Repeat([]byte{0x7a}, 250)...)
	}
	file := written(b, r.whole(len(r.records)))
	b.ResetTimer()
	for b.Loop() {
		if _, err := verify(b, file, audit.Trust{Keys: []note.Verifier{r.key}}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(r.records)*b.N)/b.Elapsed().Seconds(), "events/s")
}

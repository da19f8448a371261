package snapshot

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/protobuf/encoding/protojson"

	"maillage/proto/follow"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	"maillage/proto/merkle"
	"maillage/services/bitemporal"
	"maillage/services/fault"
	"maillage/services/registry"
)

// differs says that a file is not what its manifest says: FILES_DIFFER.
func differs(name, format string, args ...any) error {
	return fault.New(fault.Damaged, "FILES_DIFFER", name, format, args...)
}

// Verify proves the files of a set in a directory against its manifest: each has its hash,
// the records have the root of the checkpoint and, of a whole snapshot, the rows have the
// state digest. What is not so is FILES_DIFFER, and names the file.
func Verify(dir string, m *feedv1.Manifest) error {
	var hashes []registry.Digest
	var events bool
	for _, is := range m.GetFiles() {
		events = events || is.GetName() == EventsName
		rows := strings.HasPrefix(is.GetName(), "rows.")
		err := verifyFile(dir, is, func(content io.Reader) error {
			switch {
			case is.GetName() == EventsName:
				return verifyEvents(m, content)
			case rows && m.GetAfter() == 0:
				return eachRow(is.GetName(), content, func(r registry.Row) error {
					h, err := r.Hash()
					hashes = append(hashes, h)
					return err
				})
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	switch {
	case m.GetValidAt() != "": // open data has neither records nor rows
		return nil
	case !events:
		return differs(ManifestName, "it names no %s: nothing would prove what it states", EventsName)
	case m.GetAfter() > 0: // not all rows are there
		return nil
	}
	rows := len(hashes)
	if digest := registry.DigestOf(hashes); hex.EncodeToString(digest[:]) != m.GetStateDigest() || uint64(rows) != m.GetStateRows() {
		return differs("", "%d rows have the state digest %x; %d and %s are stated", rows, digest, m.GetStateRows(), m.GetStateDigest())
	}
	return nil
}

// verifyFile reads a file and what is in it.
func verifyFile(dir string, is *feedv1.File, look func(content io.Reader) error) error {
	f, err := os.Open(filepath.Join(dir, is.GetName()))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	outer := &counted{to: io.Discard, sum: sha256.New()}
	whole := io.TeeReader(bufio.NewReaderSize(f, 1<<16), outer)
	inner, content := outer, whole
	if is.GetMediaType() == gzipped {
		zip, err := gzip.NewReader(whole)
		if err != nil {
			return differs(is.GetName(), "%v", err)
		}
		inner = &counted{to: io.Discard, sum: sha256.New()}
		content = io.TeeReader(zip, inner)
	}
	if err := look(content); err != nil {
		return err
	}
	for _, rest := range [...]io.Reader{content, whole} { // what nobody looked at
		if _, err := io.Copy(io.Discard, rest); err != nil {
			return differs(is.GetName(), "%v", err)
		}
	}
	if outer.n != is.GetBytes() || outer.hex() != is.GetSha256() || inner.n != is.GetContentBytes() || inner.hex() != is.GetContentSha256() {
		return differs(is.GetName(), "it has %d bytes with the hash %s, and not the %d with %s that are stated", outer.n, outer.hex(), is.GetBytes(), is.GetSha256())
	}
	return nil
}

// verifyEvents proves records, from the tree of those before them on.
func verifyEvents(m *feedv1.Manifest, content io.Reader) error {
	var tree merkle.Tree
	if m.GetAfter() > 0 {
		if err := tree.UnmarshalBinary(m.GetTreeAfter()); err != nil || tree.Size() != m.GetAfter() {
			return differs(ManifestName, "its tree is not that of position %d", m.GetAfter())
		}
	}
	var leaf []byte
	for c, err := range follow.ReadLines(content) {
		if err != nil {
			return differs(EventsName, "%v", err)
		}
		for _, r := range c.GetRecords() {
			if r.GetPosition() != tree.Size()+1 {
				return differs(EventsName, "position %d comes where %d is next", r.GetPosition(), tree.Size()+1)
			}
			leaf = merkle.AppendLeaf(leaf[:0], r.GetPosition(), r.GetSubject(), r.GetBody())
			tree.Append(tlog.RecordHash(leaf))
		}
	}
	want, err := Root(m)
	if err != nil {
		return err
	}
	if tree.Size() != m.GetPosition() || tree.Root() != want {
		return differs(EventsName, "the root of the records up to position %d is %v, that of the checkpoint is %v", tree.Size(), tree.Root(), want)
	}
	return nil
}

// Root is the root of the log that the checkpoint of a manifest states.
func Root(m *feedv1.Manifest) (root tlog.Hash, err error) {
	lines := strings.Split(m.GetCheckpoint(), "\n")
	if len(lines) == 4 && lines[1] == fmt.Sprint(m.GetPosition()) {
		if sum, err := base64.StdEncoding.DecodeString(lines[2]); err == nil && len(sum) == len(root) {
			return tlog.Hash(sum), nil
		}
	}
	return root, differs(ManifestName, "its checkpoint is none of position %d", m.GetPosition())
}

// eachRow reads rows as they are in a file. The value that is read is the one hashed.
func eachRow(name string, content io.Reader, take func(registry.Row) error) error {
	in := bufio.NewReaderSize(content, 1<<16)
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil
		}
		if err != nil {
			return differs(name, "line %d: %v", n, err)
		}
		r, err := parseRow(line)
		if err == nil {
			err = take(r)
		}
		if err != nil {
			return differs(name, "line %d: %v", n, err)
		}
	}
}

// parseRow is the inverse of appendRow.
func parseRow(line []byte) (r registry.Row, err error) {
	var in struct {
		Table   string
		ID      string
		Valid   [2]*string
		Known   [2]*uint64
		Value   json.RawMessage
		Encoded []byte
	}
	if err := json.Unmarshal(line, &in); err != nil {
		return r, err
	}
	if in.Known[0] == nil {
		return r, errors.New("it is known from no position")
	}
	r = registry.Row{Table: in.Table, ID: in.ID}
	v := &r.Version
	v.KnownFrom, v.KnownTo, v.Valid = *in.Known[0], registry.StillKnown, bitemporal.Interval{From: bitemporal.Past, To: bitemporal.Future}
	if in.Known[1] != nil {
		v.KnownTo = *in.Known[1]
	}
	for i, day := range [...]*bitemporal.Date{&v.Valid.From, &v.Valid.To} {
		if in.Valid[i] == nil {
			continue
		}
		if *day, err = bitemporal.ParseDate(*in.Valid[i]); err != nil {
			return r, err
		}
	}
	if v.Value, err = registry.Decode(in.Table, in.Encoded); err != nil {
		return r, err
	}
	text, err := protojson.Marshal(r.Value())
	if err != nil {
		return r, err
	}
	var same bytes.Buffer
	if err := json.Compact(&same, text); err != nil {
		return r, err
	}
	if !bytes.Equal(same.Bytes(), in.Value) {
		return r, errors.New("its value is not the one encoded")
	}
	return r, nil
}

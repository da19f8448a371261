package snapshot

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/timestamppb"

	"maillage/proto/checkpoint"
	"maillage/proto/follow"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	"maillage/proto/merkle"
	"maillage/services/eventlog"
	"maillage/services/fault"
	"maillage/services/opendata"
	"maillage/services/registry"
)

// Media types of the files, besides those of the open data.
const gzipped = "application/gzip"

// EventsName and RowsName are the names of the files of records and of the rows of a table.
const EventsName = "events.jsonl.gz"

// RowsName is the name of the file of the rows of a table.
func RowsName(table string) string { return "rows." + table + ".jsonl.gz" }

// builder makes one set.
type builder struct {
	src    Source
	dir    string
	zip    *gzip.Writer
	m      *feedv1.Manifest
	name   string            // of the log
	hashes []registry.Digest // of the rows of a whole snapshot
}

// build makes the files of a set in a directory.
func (s *Store) build(ctx context.Context, one *set, dir string) error {
	b := &builder{src: s.src, dir: dir, zip: s.zip, m: &feedv1.Manifest{
		Format: Format, Set: one.key.String(), After: one.key.after, Position: one.key.position,
		KnownTime: timestamppb.New(s.src.KnownTime(one.key.position)),
	}}
	steps := []func(context.Context) error{b.identify, b.events, b.tables, b.digest}
	if one.key.kind == openData {
		b.m.ValidAt = one.key.day.String()
		steps = []func(context.Context) error{
			b.identify, b.cursor, func(ctx context.Context) error { return b.edition(ctx, one.key) }, b.digest,
		}
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return fmt.Errorf("make %s: %w", one.key, err)
		}
	}
	text, err := manifestText(b.m)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	one.manifest, one.self = b.m, &feedv1.File{
		Name: ManifestName, MediaType: opendata.JSON, Bytes: uint64(len(text)), Sha256: hex.EncodeToString(sum[:]),
	}
	return os.WriteFile(filepath.Join(dir, ManifestName), text, 0o644)
}

// manifestText is a manifest as a file. Protobuf's JSON puts spaces at random on purpose;
// they are taken out.
func manifestText(m *feedv1.Manifest) ([]byte, error) {
	raw, err := protojson.Marshal(m)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", "  "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// identify says which log it is of.
func (b *builder) identify(ctx context.Context) error {
	return b.src.View(ctx, b.m.GetPosition(), func(s *registry.State, _ uint64) {
		is := s.Identity()
		b.m.LogId, b.m.Epoch, b.name = is.LogID, 1, is.Name()
		for _, e := range s.Epochs() {
			if e.Position <= b.m.GetPosition() {
				b.m.Epoch = e.Number
			}
		}
	})
}

// events writes the records, and says what the tree of the log is.
func (b *builder) events(ctx context.Context) error {
	after, to := b.m.GetAfter(), b.m.GetPosition()
	var tree merkle.Tree
	for r, err := range b.src.Records(ctx, 0, after) {
		if err != nil {
			return err
		}
		tree.Append(eventlog.LeafHash(r))
	}
	if tree.Size() != after {
		return &eventlog.HoleError{Position: tree.Size() + 1}
	}
	if after > 0 {
		edge, err := tree.MarshalBinary()
		if err != nil {
			return err
		}
		b.m.TreeAfter = edge
	}
	err := b.write(EventsName, gzipped, func(w io.Writer) (rows int, err error) {
		var line, leaf []byte
		for c, err := range b.src.Commits(ctx, after, to) {
			if err != nil {
				return rows, err
			}
			for _, r := range c.GetRecords() {
				if r.GetPosition() != tree.Size()+1 {
					return rows, &eventlog.HoleError{Position: tree.Size() + 1}
				}
				leaf = merkle.AppendLeaf(leaf[:0], r.GetPosition(), r.GetSubject(), r.GetBody())
				tree.Append(tlog.RecordHash(leaf))
			}
			if line, err = follow.AppendLine(line[:0], c); err != nil {
				return rows, err
			}
			if _, err := w.Write(line); err != nil {
				return rows, err
			}
			b.m.Cursor = c.GetCursor()
			rows++
		}
		return rows, nil
	})
	if err != nil {
		return err
	}
	if tree.Size() != to {
		return &eventlog.HoleError{Position: tree.Size() + 1}
	}
	return b.checkpoint(tree.Root())
}

// checkpoint says what the head at the position is, which is the announced one where that
// is there.
func (b *builder) checkpoint(root tlog.Hash) error {
	if head := b.src.Head(); head.Size == b.m.GetPosition() && head.Root != root {
		err := fault.New(fault.Damaged, "LOG_DAMAGED", "", "the root of the records up to position %d is %v, and %v was announced", head.Size, root, head.Root)
		err.Position = head.Size
		return err
	}
	b.m.Checkpoint = checkpoint.Checkpoint{Origin: checkpoint.Origin(b.name, b.m.GetEpoch()), Size: b.m.GetPosition(), Root: root}.String()
	return nil
}

// cursor says where to follow on from where no events are written.
func (b *builder) cursor(ctx context.Context) error {
	from := uint64(0)
	if b.m.GetPosition() > 1 {
		from = b.src.CommitEnd(b.m.GetPosition() - 1)
	}
	for c, err := range b.src.Commits(ctx, from, b.m.GetPosition()) {
		if err != nil {
			return err
		}
		b.m.Cursor = c.GetCursor()
	}
	return nil
}

// lookAt is how many entities are looked at while the state is held: some milliseconds.
const lookAt = 8192

// rows lists the rows of a table that are known at the position and not, or not so, at the
// one before, in the order of the files: by id, then as they were recorded.
func (b *builder) rows(ctx context.Context, table string) ([]registry.Row, error) {
	var rows []registry.Row
	for from, more := 0, true; more; more = from > 0 {
		var some registry.Rows
		err := b.src.View(ctx, b.m.GetPosition(), func(s *registry.State, _ uint64) {
			some, from = s.ChangesOf(table, from, lookAt, b.m.GetAfter(), b.m.GetPosition())
		})
		if err != nil {
			return nil, err
		}
		rows = slices.AppendSeq(rows, some.All())
	}
	slices.SortFunc(rows, func(x, y registry.Row) int {
		return cmp.Or(
			cmp.Compare(x.ID, y.ID),
			cmp.Compare(x.Version.KnownFrom, y.Version.KnownFrom),
			cmp.Compare(x.Version.Valid.From, y.Version.Valid.From),
		)
	})
	return rows, nil
}

// tables writes the rows of every table as JSON lines, and of those of entities as CSV.
func (b *builder) tables(ctx context.Context) error {
	for table := range registry.Tables() {
		rows, err := b.rows(ctx, table)
		if err != nil {
			return err
		}
		err = b.write(RowsName(table), gzipped, func(w io.Writer) (int, error) {
			var line []byte
			for i := range rows {
				if i%1024 == 0 && ctx.Err() != nil {
					return i, ctx.Err()
				}
				if line, err = appendRow(line[:0], rows[i]); err != nil {
					return i, err
				}
				if b.m.GetAfter() == 0 {
					h, err := rows[i].Hash()
					if err != nil {
						return i, err
					}
					b.hashes = append(b.hashes, h)
				}
				if _, err := w.Write(line); err != nil {
					return i, err
				}
			}
			return len(rows), nil
		})
		if err != nil {
			return err
		}
		history, has := opendata.HistoryOf(table)
		if !has {
			continue
		}
		err = b.write(history.Name()+".csv.gz", gzipped, func(w io.Writer) (int, error) {
			return history.Write(w, slices.Values(rows), b.src.KnownTime)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// digest says what all rows at the position hash to.
func (b *builder) digest(ctx context.Context) error {
	digest, rows := registry.DigestOf(b.hashes), len(b.hashes)
	if b.m.GetAfter() > 0 || b.m.GetValidAt() != "" { // not all rows were written
		var err error
		if digest, rows, err = b.src.Digest(ctx, b.m.GetPosition()); err != nil {
			return err
		}
	}
	b.m.StateDigest, b.m.StateRows = hex.EncodeToString(digest[:]), uint64(rows)
	return nil
}

// edition writes the open data.
func (b *builder) edition(ctx context.Context, k key) error {
	e := opendata.New(opendata.Register{
		View: func(f func(*registry.State)) error {
			return b.src.View(ctx, k.position, func(s *registry.State, _ uint64) { f(s) })
		},
		Rows:      func(table string) ([]registry.Row, error) { return b.rows(ctx, table) },
		KnownTime: b.src.KnownTime,
	}, k.position, k.day)
	for _, f := range e.Files() {
		if err := cmp.Or(ctx.Err(), b.write(f.Name, f.MediaType, f.Write)); err != nil {
			return err
		}
	}
	written := make([]opendata.Written, len(b.m.GetFiles()))
	for i, f := range b.m.GetFiles() {
		written[i] = opendata.Written{Name: f.GetName(), Bytes: int64(f.GetBytes()), SHA256: f.GetSha256()}
	}
	return b.write(opendata.PackageName, opendata.JSON, func(w io.Writer) (int, error) { return 0, e.Package(w, written) })
}

// write writes a file, compressed where its media type says so, and describes it.
func (b *builder) write(name, mediaType string, content func(io.Writer) (rows int, err error)) error {
	f, err := os.Create(filepath.Join(b.dir, name))
	if err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(f, 1<<16)
	out := &counted{to: buffered, sum: sha256.New()}
	in := out
	if mediaType == gzipped {
		b.zip.Reset(out) // no name, no time: the bytes are those of the content
		in = &counted{to: b.zip, sum: sha256.New()}
	}
	plain := bufio.NewWriterSize(in, 1<<16)
	rows, err := content(plain)
	if err == nil {
		err = plain.Flush()
	}
	if in != out {
		err = cmp.Or(err, b.zip.Close())
	}
	if err := errors.Join(cmp.Or(err, buffered.Flush()), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	b.m.Files = append(b.m.Files, &feedv1.File{
		Name: name, MediaType: mediaType, Rows: uint64(rows), Bytes: out.n, Sha256: out.hex(),
		ContentBytes: in.n, ContentSha256: in.hex(),
	})
	return nil
}

// counted counts and hashes what is written on.
type counted struct {
	to  io.Writer
	sum hash.Hash
	n   uint64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.n += uint64(n)
	c.sum.Write(p[:n])
	return n, err
}

func (c *counted) hex() string { return hex.EncodeToString(c.sum.Sum(nil)) }

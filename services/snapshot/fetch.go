package snapshot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"

	feedv1 "maillage/proto/gen/maillage/feed/v1"
)

// Fetch brings the files of a set into a directory, and the manifest once all are there. It
// goes on where an earlier one was interrupted: what is there already is not asked for
// again, and a file that was begun is NAME.HASH.part until it is whole; until all are, the
// manifest is [Pending]. A file that is not what the manifest says is FILES_DIFFER, and is
// not left there.
func Fetch(ctx context.Context, from feedv1.SnapshotServiceClient, m *feedv1.Manifest, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	text, err := manifestText(m)
	if err != nil {
		return err
	}
	name := filepath.Join(dir, ManifestName)
	if err := os.WriteFile(name+pending, text, 0o644); err != nil {
		return err
	}
	// One that stands there may be of other files, which go now.
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, is := range m.GetFiles() {
		if name := is.GetName(); filepath.Base(name) != name || !filepath.IsLocal(name) || name == "." || strings.HasPrefix(name, ManifestName) {
			return differs(ManifestName, "it names the file %q", is.GetName())
		}
		if err := fetch(ctx, from, m.GetSet(), is, dir); err != nil {
			return err
		}
	}
	return os.Rename(name+pending, name)
}

const pending = ".part" // ends the names of what is not whole

// Pending is the manifest of the set that an interrupted Fetch was to bring into a
// directory; nil where none was interrupted.
func Pending(dir string) *feedv1.Manifest {
	m, err := load(filepath.Join(dir, ManifestName+pending))
	if err != nil {
		return nil
	}
	return m
}

func fetch(ctx context.Context, from feedv1.SnapshotServiceClient, set string, is *feedv1.File, dir string) (err error) {
	name := filepath.Join(dir, is.GetName())
	if sum, err := sumOf(name); err == nil && sum == is.GetSha256() {
		return nil
	}
	if sum, err := hex.DecodeString(is.GetSha256()); err != nil || len(sum) != sha256.Size { // it is a part of a name below
		return differs(ManifestName, "it states no hash of %s", is.GetName())
	}
	part := name + "." + is.GetSha256()[:8] + ".part"                       // another file of that name begins anew
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644) //nolint:gosec // G302: what is published is for everyone to read
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	held, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if uint64(held) > is.GetBytes() {
		if held, err = 0, f.Truncate(0); err != nil {
			return err
		}
	}
	if uint64(held) < is.GetBytes() {
		if err := receive(ctx, from, &feedv1.ReadFileRequest{Set: set, Name: is.GetName(), Offset: uint64(held)}, f); err != nil {
			return err
		}
	}
	if err := f.Sync(); err != nil {
		return err
	}
	sum, err := sumOf(part)
	if err != nil {
		return err
	}
	if sum != is.GetSha256() {
		return errors.Join(differs(is.GetName(), "it arrived with the hash %s, and %s is stated", sum, is.GetSha256()), os.Remove(part))
	}
	return os.Rename(part, name)
}

func receive(ctx context.Context, from feedv1.SnapshotServiceClient, req *feedv1.ReadFileRequest, to io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := from.ReadFile(ctx, req)
	if err != nil {
		return err
	}
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := to.Write(part.GetData()); err != nil {
			return err
		}
	}
}

func sumOf(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	return hex.EncodeToString(sum.Sum(nil)), err
}

// Load reads the manifest of the set that Fetch brought into a directory.
func Load(dir string) (*feedv1.Manifest, error) { return load(filepath.Join(dir, ManifestName)) }

func load(name string) (*feedv1.Manifest, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	m := &feedv1.Manifest{}
	if err := protojson.Unmarshal(text, m); err != nil {
		return nil, differs(ManifestName, "%v", err)
	}
	if m.GetFormat() != Format {
		return nil, differs(ManifestName, "its format is %d, and %d is known", m.GetFormat(), Format)
	}
	return m, nil
}

package snapshot_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	feedv1 "maillage/proto/gen/maillage/feed/v1"
	"maillage/services/fault"
	"maillage/services/snapshot"
	"maillage/services/snapshot/server"
)

// served is a client of a store, whose streams break after some messages while they are
// to; it counts the bytes that came.
func served(t *testing.T, s *snapshot.Store, breaks, came *atomic.Int64) feedv1.SnapshotServiceClient {
	t.Helper()
	lis := bufconn.Listen(1 << 20)
	at := grpc.NewServer()
	feedv1.RegisterSnapshotServiceServer(at, server.New(s))
	go func() { _ = at.Serve(lis) }()
	t.Cleanup(at.Stop)
	conn, err := grpc.NewClient("passthrough:x", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }),
		grpc.WithStreamInterceptor(func(ctx context.Context, d *grpc.StreamDesc, c *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			stream, err := streamer(ctx, d, c, method, opts...)
			return &breaking{ClientStream: stream, breaks: breaks, came: came}, err
		}))
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return feedv1.NewSnapshotServiceClient(conn)
}

type breaking struct {
	grpc.ClientStream
	breaks, came *atomic.Int64
	broken       bool
}

func (b *breaking) RecvMsg(m any) error {
	if b.broken {
		return status.Error(codes.Unavailable, "cut off")
	}
	if err := b.ClientStream.RecvMsg(m); err != nil {
		return err
	}
	part := m.(*feedv1.ReadFileResponse)
	if len(part.GetData()) > 40 && b.breaks.Add(-1) >= 0 { // half of a message comes
		part.Data, b.broken = part.GetData()[:len(part.GetData())/2], true
	}
	b.came.Add(int64(len(part.GetData())))
	return nil
}

// brought is a snapshot in a directory, and its manifest.
func brought(t *testing.T) (string, *feedv1.Manifest) {
	t.Helper()
	w := rapid.Custom(func(t *rapid.T) *world { return draw(t, 60) }).Example(9)
	s := open(w, t.TempDir())
	t.Cleanup(func() { _ = s.Close() })
	client := served(t, s, new(atomic.Int64), new(atomic.Int64))
	r, err := client.GetSnapshot(t.Context(), &feedv1.GetSnapshotRequest{})
	must(t, err)
	dir := t.TempDir()
	must(t, snapshot.Fetch(t.Context(), client, r.GetManifest(), dir))
	return dir, r.GetManifest()
}

func TestFetch(t *testing.T) {
	w := rapid.Custom(func(t *rapid.T) *world { return draw(t, 60) }).Example(9)
	s := open(w, t.TempDir())
	defer s.Close()
	var breaks, came atomic.Int64
	client := served(t, s, &breaks, &came)
	r, err := client.GetDelta(t.Context(), &feedv1.GetDeltaRequest{After: w.ends[2]})
	must(t, err)
	m, dir := r.GetManifest(), t.TempDir()
	breaks.Store(3)
	cuts := 0
	for ; ; cuts++ {
		if err = snapshot.Fetch(t.Context(), client, m, dir); err == nil {
			break
		}
		if own, is := errors.AsType[*fault.Error](err); is {
			t.Fatal(own)
		}
		if _, err := snapshot.Load(dir); err == nil {
			t.Fatal("the manifest is there before the files")
		}
		if !proto.Equal(snapshot.Pending(dir), m) {
			t.Fatal("nothing says what is being brought")
		}
		if cuts > 10 {
			t.Fatal(err)
		}
	}
	if cuts == 0 {
		t.Error("nothing was cut off")
	}
	total := int64(0)
	for _, f := range m.GetFiles() {
		total += int64(f.GetBytes())
	}
	if came.Load() != total {
		t.Errorf("%d bytes came, the files have %d", came.Load(), total)
	}
	must(t, snapshot.Verify(dir, m))
	if kept, err := snapshot.Load(dir); err != nil || !proto.Equal(kept, m) {
		t.Errorf("the manifest is %v, %v", kept, err)
	}
	must(t, snapshot.Fetch(t.Context(), client, m, dir))
	if came.Load() != total {
		t.Error("what is there was asked for again")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.part")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}

	for _, alter := range []func(*feedv1.File){
		func(f *feedv1.File) { f.Name = "../x" },
		func(f *feedv1.File) { f.Name = ".." },
		func(f *feedv1.File) { f.Name = "." },
		func(f *feedv1.File) { f.Name = snapshot.ManifestName + ".part" },
		func(f *feedv1.File) { f.Sha256 = "/../../x" + f.GetSha256()[8:] },
	} {
		bad := proto.CloneOf(m)
		alter(bad.GetFiles()[0])
		if err := snapshot.Fetch(t.Context(), client, bad, filepath.Join(dir, "other")); reason(err) != "FILES_DIFFER" {
			t.Errorf("a file elsewhere: %v: %v", bad.GetFiles()[0], err)
		}
	}
	stream, err := client.ReadFile(t.Context(), &feedv1.ReadFileRequest{Set: m.GetSet(), Name: m.GetFiles()[0].GetName(), Offset: m.GetFiles()[0].GetBytes() + 1})
	must(t, err)
	if _, err := stream.Recv(); err == nil || !strings.Contains(err.Error(), "bytes, not") {
		t.Errorf("from beyond the end: %v", err)
	}
}

func reason(err error) string {
	if own, is := errors.AsType[*fault.Error](err); is {
		return own.Reason
	}
	return ""
}

// Whatever is altered is found, also by who alters the hashes of the files with it.
func TestVerify(t *testing.T) {
	dir, m := brought(t)
	must(t, snapshot.Verify(dir, m))
	alter := func(name string, with func(text []byte) []byte) func(*feedv1.Manifest, string) {
		return func(m *feedv1.Manifest, dir string) {
			for _, is := range m.GetFiles() {
				if is.GetName() != name {
					continue
				}
				f, err := os.Open(filepath.Join(dir, name))
				must(t, err)
				before := unzipped(t, f, is)
				must(t, f.Close())
				text := with(bytes.Clone(before))
				if bytes.Equal(text, before) {
					t.Fatalf("%s was not altered", name)
				}
				var out bytes.Buffer
				zip := gzip.NewWriter(&out)
				_, err = zip.Write(text)
				must(t, err)
				must(t, zip.Close())
				must(t, os.WriteFile(filepath.Join(dir, name), out.Bytes(), 0o644))
				inner, outer := sha256.Sum256(text), sha256.Sum256(out.Bytes())
				is.Bytes, is.Sha256 = uint64(out.Len()), hex.EncodeToString(outer[:])
				is.ContentBytes, is.ContentSha256 = uint64(len(text)), hex.EncodeToString(inner[:])
			}
		}
	}
	rows := snapshot.RowsName("centres")
	for what, c := range map[string]struct {
		do   func(*feedv1.Manifest, string)
		says string
	}{
		"a byte of a file": {func(_ *feedv1.Manifest, dir string) {
			name := filepath.Join(dir, rows)
			b, err := os.ReadFile(name)
			must(t, err)
			b[len(b)/2] ^= 1
			must(t, os.WriteFile(name, b, 0o644))
		}, ""},
		"a record":        {alter(snapshot.EventsName, func(b []byte) []byte { return bytes.Replace(b, []byte(`"body":"C`), []byte(`"body":"D`), 1) }), "the root of the records"},
		"no last commit":  {alter(snapshot.EventsName, func(b []byte) []byte { return b[:bytes.LastIndexByte(b[:len(b)-1], '\n')+1] }), "the root of the records"},
		"no first commit": {alter(snapshot.EventsName, func(b []byte) []byte { return b[bytes.IndexByte(b, '\n')+1:] }), "where 1 is next"},
		"a value":         {alter(rows, func(b []byte) []byte { return bytes.Replace(b, []byte(`"centreId":"C`), []byte(`"centreId":"X`), 1) }), "not the one encoded"},
		"a day": {alter(rows, func(b []byte) []byte {
			return bytes.Replace(b, []byte(`"valid":["2`), []byte(`"valid":["1`), 1)
		}), "state digest"},
		"a row is left out": {alter(rows, func(b []byte) []byte { return b[bytes.IndexByte(b, '\n')+1:] }), "state digest"},
		"a row comes twice": {alter(rows, func(b []byte) []byte { return append(b, b[:bytes.IndexByte(b, '\n')+1]...) }), "state digest"},
		"the checkpoint":    {func(m *feedv1.Manifest, _ string) { m.Checkpoint = strings.Replace(m.GetCheckpoint(), "\n", "\n1", 1) }, "checkpoint"},
		"no file of records": {func(m *feedv1.Manifest, _ string) {
			m.Files = slices.DeleteFunc(m.GetFiles(), func(is *feedv1.File) bool { return is.GetName() == snapshot.EventsName })
		}, "names no " + snapshot.EventsName},
		"no file of rows": {func(m *feedv1.Manifest, _ string) {
			m.Files = slices.DeleteFunc(m.GetFiles(), func(is *feedv1.File) bool { return strings.HasPrefix(is.GetName(), "rows.") })
		}, "state digest"},
		"the state digest": {func(m *feedv1.Manifest, _ string) { m.StateDigest = strings.Repeat("0", 64) }, "state digest"},
	} {
		t.Run(what, func(t *testing.T) {
			other, m := t.TempDir(), proto.CloneOf(m)
			must(t, os.CopyFS(other, os.DirFS(dir)))
			c.do(m, other)
			if err := snapshot.Verify(other, m); reason(err) != "FILES_DIFFER" || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v", err)
			}
		})
	}
}

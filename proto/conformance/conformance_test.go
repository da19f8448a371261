package conformance_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protojson"

	"maillage/proto/conformance"
	"maillage/proto/follow"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
)

// TestMain is also the consumers that are tested: a process of its own each.
func TestMain(m *testing.M) {
	consumers := map[string]func(feedv1.FeedServiceClient, *os.File) error{"good": careful, "bad": careless}
	if be := consumers[os.Args[len(os.Args)-1]]; be != nil {
		err := consume(be)
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func consume(be func(feedv1.FeedServiceClient, *os.File) error) error {
	conn, err := grpc.NewClient(os.Getenv("MAILLAGE_SERVER"), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		return err
	}
	f, err := os.OpenFile(os.Getenv("MAILLAGE_COPY"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	return be(feedv1.NewFeedServiceClient(conn), f)
}

// careful is the reference follower, whose copy is all it keeps.
func careful(client feedv1.FeedServiceClient, f *os.File) error {
	var size int64
	place, err := follow.Resume(func(yield func(*feedv1.Commit, error) bool) {
		for in := bufio.NewReader(f); ; {
			line, err := in.ReadBytes('\n')
			if errors.Is(err, io.EOF) {
				return
			}
			c := &feedv1.Commit{}
			if err == nil {
				err = protojson.Unmarshal(line, c)
			}
			size += int64(len(line))
			if !yield(c, err) {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	if err := f.Truncate(size); err != nil { // a line that was being written
		return err
	}
	if _, err := f.Seek(size, io.SeekStart); err != nil {
		return err
	}
	key, err := note.NewVerifier(os.Getenv("MAILLAGE_KEY"))
	if err != nil {
		return err
	}
	follower := &follow.Follower{Client: client, Heartbeat: time.Second, Keys: []note.Verifier{key}}
	return follower.Run(context.Background(), place, func(_ context.Context, b follow.Batch) error {
		for _, c := range b.Commits {
			line, err := protojson.Marshal(c)
			if err != nil {
				return err
			}
			if _, err := f.Write(append(line, '\n')); err != nil {
				return err
			}
		}
		return nil
	})
}

// careless checks nothing, keeps no cursor, and calls again whatever happens.
func careless(client feedv1.FeedServiceClient, f *os.File) error {
	if _, err := f.Seek(0, io.SeekEnd); err != nil {
		return err
	}
	cursor := ""
	for {
		req := &feedv1.WatchRequest{}
		if cursor != "" {
			req.From = &feedv1.WatchRequest_Cursor{Cursor: cursor}
		}
		stream, err := client.Watch(context.Background(), req)
		for err == nil {
			var m *feedv1.WatchResponse
			if m, err = stream.Recv(); err != nil {
				break
			}
			for _, c := range m.GetCommits() {
				cursor = c.GetCursor()
				for _, r := range c.GetRecords() {
					line, _ := json.Marshal(map[string]any{"position": r.GetPosition(), "subject": r.GetSubject(), "body": r.GetBody()})
					if _, err := f.Write(append(line, '\n')); err != nil {
						return err
					}
				}
			}
		}
	}
}

// TestFollower: the reference passes all.
func TestFollower(t *testing.T) {
	for _, s := range conformance.Scenarios() {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			if err := s.Run(t.Context(), t.TempDir(), os.Args[0], "good"); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestCareless: one that is careless is found out, on every day that asks for care.
func TestCareless(t *testing.T) {
	for name, want := range map[string]string{
		"whole":    "",
		"too-slow": "",
		"killed":   "position 1 follows",
		"gap":      "follows 5",
		"repeated": "position 13 follows 13",
		"forked":   "it goes on where it must stop",
		"reused":   "it goes on where it must stop",
		"cut":      "it goes on where it must stop",
		"root":     "it goes on where it must stop",
		"stranger": "it goes on where it must stop",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, ok := conformance.Find(name)
			if !ok {
				t.Fatal("no such scenario")
			}
			ctx := t.Context()
			if strings.Contains(want, "goes on") {
				short, cancel := context.WithTimeout(ctx, 2*time.Second)
				defer cancel()
				ctx = short
			}
			err := s.Run(ctx, t.TempDir(), os.Args[0], "bad")
			if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
		})
	}
}

// TestEndsEarly: a consumer that ends, or ends as if all were well, has failed.
func TestEndsEarly(t *testing.T) {
	for name, command := range map[string][]string{"whole": {"true"}, "gap": {"true"}, "killed": {"false"}, "large": {"false"}} {
		s, _ := conformance.Find(name)
		if err := s.Run(t.Context(), t.TempDir(), command...); err == nil {
			t.Errorf("%s: %v passes", name, command)
		}
	}
}

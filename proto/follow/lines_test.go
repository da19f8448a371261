package follow_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	"maillage/proto/follow"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
)

// kept draws dense commits.
func kept(t *rapid.T) (commits []*feedv1.Commit) {
	at := uint64(0)
	for range rapid.IntRange(1, 20).Draw(t, "commits") {
		c := &feedv1.Commit{
			KnownTime: &timestamppb.Timestamp{Seconds: rapid.Int64Range(0, 4e9).Draw(t, "s"), Nanos: rapid.SampledFrom([]int32{0, 5e8, 120_000, 7}).Draw(t, "ns")},
			Cursor:    rapid.StringMatching(`[A-Za-z0-9_-]{1,66}`).Draw(t, "cursor"),
		}
		for range rapid.IntRange(1, 3).Draw(t, "records") {
			at++
			c.Records = append(c.Records, &feedv1.Record{
				Position: at, Subject: "registry.labelling.label." + rapid.StringMatching(`[0-9A-Z]{10}`).Draw(t, "id"),
				Body: rapid.SliceOfN(rapid.Byte(), 1, 50).Draw(t, "body"),
			})
		}
		commits = append(commits, c)
	}
	return commits
}

// A line is the JSON of the commit without spaces, and is read back as it.
func TestLines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		commits := kept(t)
		var file []byte
		for _, c := range commits {
			line, err := follow.AppendLine(nil, c)
			if err != nil {
				t.Fatal(err)
			}
			text, err := protojson.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			var want bytes.Buffer
			if err := json.Compact(&want, text); err != nil {
				t.Fatal(err)
			}
			if string(line) != want.String()+"\n" {
				t.Fatalf("the line is\n%s and not\n%s", line, want.String())
			}
			file = append(file, line...)
		}
		i := 0
		for c, err := range follow.ReadLines(bytes.NewReader(append(file, `{"records":[`...))) { // was being written
			if err != nil || !proto.Equal(c, commits[i]) {
				t.Fatalf("read as %v, %v", c, err)
			}
			i++
		}
		if i != len(commits) {
			t.Fatalf("%d are read of %d", i, len(commits))
		}
	})
}

// What is handed on again ends at the place that resuming gives, each batch at one that
// goes on; a gap is not passed over.
func TestReplay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		commits := kept(t)
		var last follow.Place
		n := 0
		all := func(yield func(*feedv1.Commit, error) bool) {
			for _, c := range commits {
				if !yield(c, nil) {
					return
				}
			}
		}
		for b, err := range follow.Replay(all) {
			if err != nil || len(b.Commits) == 0 {
				t.Fatal(b, err)
			}
			n, last = n+len(b.Commits), b.After
		}
		want, err := follow.Resume(all)
		if err != nil {
			t.Fatal(err)
		}
		a, _ := last.MarshalText()
		b, _ := want.MarshalText()
		if n != len(commits) || string(a) != string(b) {
			t.Fatalf("%d commits lead to %s, want %d to %s", n, a, len(commits), b)
		}
		if len(commits) < 2 {
			return
		}
		commits = slices.Delete(commits, 0, 1)
		if gap, is := errors.AsType[*follow.GapError](endOf(follow.Replay(all))); !is || gap.Want != 1 {
			t.Fatalf("without the first: %v", gap)
		}
	})
}

// A large copy comes in batches, each with a place to go on from.
func TestReplayInBatches(t *testing.T) {
	var ends []uint64
	at := uint64(0)
	for b, err := range follow.Replay(func(yield func(*feedv1.Commit, error) bool) {
		for range 4 {
			c := &feedv1.Commit{}
			for range 2500 {
				at++
				c.Records = append(c.Records, &feedv1.Record{Position: at, Subject: "s", Body: []byte("b")})
			}
			if !yield(c, nil) {
				return
			}
		}
	}) {
		if err != nil || !b.After.Proved() {
			t.Fatal(b, err)
		}
		ends = append(ends, b.After.Position)
	}
	if !slices.Equal(ends, []uint64{5000, 10000}) {
		t.Errorf("batches end at %d", ends)
	}
}

// Lines that are no commits are refused, and where they are is told.
func TestBadLines(t *testing.T) {
	for _, text := range []string{"x\n", "{}\n", `{"records":[]}` + "\n", `{"records":[{"position":"1"}],"more":1}` + "\n"} {
		err := endOf(follow.ReadLines(strings.NewReader(text)))
		if err == nil || !strings.Contains(err.Error(), "byte 0") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// endOf is the error that something ends with.
func endOf[T any](all iter.Seq2[T, error]) (last error) {
	for _, err := range all {
		last = err
	}
	return last
}

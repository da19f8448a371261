package feed

import (
	"context"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/eventlog"
	"maillage/services/notice"
	"maillage/services/registry"
	"maillage/services/registry/registrytest"
)

// Whatever is recorded and whatever the pages, the notices are the records that are so, each
// once and in order, as the filter of the feed finds them.
func TestNotices(t *testing.T) {
	samples := registrytest.Load(t, "..")
	rapid.Check(t, func(rt *rapid.T) {
		w, s := newWorld(t), &registry.State{}
		records := samples.Fold(rt, s, rapid.IntRange(1, 60).Draw(rt, "facts"))
		if len(records) == 0 {
			rt.Skip("nothing fits")
		}
		for i, r := range records {
			if err := w.log.Append(t.Context(), uint64(i), []eventlog.Record{r}); err != nil {
				rt.Fatal(err)
			}
			w.ends = append(w.ends, r.Position)
		}
		w.announce()
		source := w.source()
		source.View = func(_ context.Context, f func(*registry.State)) error {
			f(s)
			return nil
		}
		f := New(source, Limits{})
		after, kinds := rapid.Uint64Range(0, uint64(len(records))).Draw(rt, "after"), drawKinds(rt)
		var want []uint64
		for _, r := range records[after:] {
			for _, context := range []string{"topology", "labelling"} {
				kind := notice.Of(context, r.Body)
				if r.Subject[:len("registry.")+len(context)] == "registry."+context && kind != 0 && (len(kinds) == 0 || slices.Contains(kinds, kind)) {
					want = append(want, r.Position)
				}
			}
		}
		req := &feedv1.ListNoticesRequest{From: &feedv1.ListNoticesRequest_After{After: after}, Kinds: kinds, PageSize: uint32(rapid.IntRange(0, 3).Draw(rt, "page"))}
		var got []uint64
		for more := true; more; {
			page, err := f.Notices(t.Context(), req)
			if err != nil {
				rt.Fatal(err)
			}
			for _, n := range page.GetNotices() {
				got = append(got, n.GetPosition())
				if n.GetAction() == 0 || n.GetAdvice() == "" || n.GetFact() == "" || n.GetCursor() == "" || len(n.GetConcerned()) == 0 || n.GetAboutPosition() >= n.GetPosition() {
					rt.Fatalf("a notice is %v", n)
				}
			}
			more = page.GetMore()
			if req.From = (&feedv1.ListNoticesRequest_Cursor{Cursor: page.GetNextCursor()}); !more && page.GetNextAfter() != uint64(len(records)) {
				rt.Fatalf("the last page ends at %d of %d", page.GetNextAfter(), len(records))
			}
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("notices at %d, want %d", got, want)
		}
		if len(kinds) > 0 {
			return
		}
		listed, err := f.List(t.Context(), &feedv1.ListEventsRequest{From: &feedv1.ListEventsRequest_After{After: after}, Filter: &feedv1.Filter{Notices: true}, PageSize: 10000})
		if err != nil {
			rt.Fatal(err)
		}
		got = nil
		for _, c := range listed.GetCommits() {
			got = append(got, c.GetRecords()[0].GetPosition())
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("the feed has notices at %d, want %d", got, want)
		}
	})
}

func drawKinds(rt *rapid.T) (kinds []feedv1.NoticeKind) {
	for range rapid.IntRange(0, 2).Draw(rt, "kinds") {
		kinds = append(kinds, feedv1.NoticeKind(rapid.IntRange(1, 9).Draw(rt, "kind")))
	}
	return kinds
}

// The notices of a commit come together: with those before where there is room for all of
// them, else alone.
func TestNoticesOfACommitStayTogether(t *testing.T) {
	w, marks := newWorld(t), []registry.Notice{}
	for _, size := range []int{1, 3, 1} {
		first := uint64(0)
		if len(w.ends) > 0 {
			first = w.ends[len(w.ends)-1]
		}
		var records []eventlog.Record
		for i := range size {
			records = append(records, eventlog.Record{Subject: "registry.labelling.label.L", Body: voided(t, i, size)})
			marks = append(marks, registry.Notice{Position: first + uint64(i) + 1, Kind: feedv1.NoticeKind_NOTICE_KIND_VOIDED})
		}
		if err := w.log.Append(t.Context(), first, records); err != nil {
			t.Fatal(err)
		}
		w.ends = append(w.ends, first+uint64(size))
	}
	f := New(w.source(), Limits{})
	for _, c := range []struct{ after, size, want int }{{0, 1, 1}, {0, 2, 1}, {0, 3, 1}, {0, 4, 4}, {0, 5, 5}, {1, 1, 3}, {1, 3, 3}, {1, 4, 4}} {
		found, err := f.noticed(t.Context(), marks[c.after:], c.size)
		if err != nil || len(found) != c.want {
			t.Errorf("after %d a page of %d has %d notices, %v, want %d", c.after, c.size, len(found), err, c.want)
		}
	}
}

func voided(t *testing.T, index, size int) []byte {
	t.Helper()
	body, err := proto.Marshal(&labellingv1.Event{
		Meta: &eventv1.Meta{CommitIndex: uint32(index), CommitSize: uint32(size)},
		Fact: &labellingv1.Event_LabelVoided{LabelVoided: &labellingv1.LabelVoided{LabelId: "L"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

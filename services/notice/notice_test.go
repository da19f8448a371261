package notice_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/notice"
)

// The page for consumers calls notices what is listed as such, and nothing else.
func TestThePageNamesTheNotices(t *testing.T) {
	page, err := os.ReadFile("../../proto/follow/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "<!-- facts -->")
	table, _, _ = strings.Cut(table, "<!-- /facts -->")
	var said []string
	for _, m := range regexp.MustCompile(`(?m)^\| (\w+\.\w+) \| notice \|`).FindAllStringSubmatch(table, -1) {
		said = append(said, m[1])
	}
	slices.Sort(said)
	if listed := slices.Sorted(maps.Keys(notice.Facts)); !slices.Equal(said, listed) {
		t.Errorf("the page calls notices\n%q\nlisted are\n%q", said, listed)
	}
}

// Every kind of notice is that of a fact, and says what to do.
func TestEveryKindHasAdvice(t *testing.T) {
	for number, name := range feedv1.NoticeKind_name {
		kind := feedv1.NoticeKind(number)
		action, advice := notice.Advice(kind)
		if stated := number != 0; stated != (action != 0) || stated != (advice != "") || stated != slices.Contains(slices.Collect(maps.Values(notice.Facts)), kind) {
			t.Errorf("%s: %v, %q", name, action, advice)
		}
	}
}

func TestOf(t *testing.T) {
	meta := &eventv1.Meta{Schema: 1, RequestId: "r"}
	for want, e := range map[feedv1.NoticeKind]*labellingv1.Event{
		feedv1.NoticeKind_NOTICE_KIND_VOIDED:      {Meta: meta, Fact: &labellingv1.Event_LabelVoided{LabelVoided: &labellingv1.LabelVoided{LabelId: "L"}}},
		feedv1.NoticeKind_NOTICE_KIND_UNSPECIFIED: {Meta: meta, Fact: &labellingv1.Event_LabelGranted{LabelGranted: &labellingv1.LabelGranted{LabelId: "L"}}},
	} {
		body, err := proto.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if got := notice.Of("labelling", body); got != want {
			t.Errorf("%v is %v", e, got)
		}
		if got := notice.Of("topology", body); got != 0 {
			t.Errorf("as of another context it is %v", got)
		}
	}
	if got := notice.Of("labelling", []byte{0xff, 0xff}); got != 0 {
		t.Errorf("what is no event is %v", got)
	}
}

package feed

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/activity"
	"maillage/services/consumer"
	"maillage/services/fault"
	"maillage/services/labelling"
	"maillage/services/topology"
)

// A filter by kind knows the kind of every fact there is, and no other.
func TestKindsAreThoseOfFacts(t *testing.T) {
	files, err := filepath.Glob("../../proto/testdata/events/*.binpb")
	if err != nil || len(files) < 90 {
		t.Fatalf("%d samples, %v", len(files), err)
	}
	subjects := []string{"registry.ledger.log.X", consumer.Subject("x")} // the ledger has no fold of its own
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var subject string
		switch context, _, _ := strings.Cut(filepath.Base(file), "."); context {
		case "topology":
			e := &topologyv1.Event{}
			err = proto.Unmarshal(body, e)
			subject = topology.Subject(e)
		case "labelling":
			e := &labellingv1.Event{}
			err = proto.Unmarshal(body, e)
			subject = labelling.Subject(e)
		case "activity":
			e := &activityv1.Event{}
			err = proto.Unmarshal(body, e)
			subject = activity.Subject(e)
		default:
			continue
		}
		if err != nil || subject == "" {
			t.Fatalf("%s: %q, %v", file, subject, err)
		}
		subjects = append(subjects, subject)
	}
	var there []string
	for _, subject := range subjects {
		there = append(there, strings.Split(subject, ".")[2])
	}
	slices.Sort(there)
	if there = slices.Compact(there); !slices.Equal(there, kinds) {
		t.Errorf("the kinds of all facts are %q", there)
	}
}

// A kind that is mistyped would find nothing for ever: it is refused, with those there are.
func TestUnknownKind(t *testing.T) {
	f := New(newWorld(t).source(), Limits{})
	filter := &feedv1.Filter{Kinds: []string{"label", "labels"}}
	_, listed := f.List(t.Context(), &feedv1.ListEventsRequest{Filter: filter})
	watched := f.Watch(t.Context(), &feedv1.WatchRequest{Filter: filter}, func(*feedv1.WatchResponse) error { return nil })
	for _, err := range []error{listed, watched} {
		own, ok := errors.AsType[*fault.Error](err)
		if !ok || own.Kind != fault.Invalid || own.Reason != "KIND_UNKNOWN" || own.Field != "filter.kinds" || !strings.Contains(own.Message, `"labels"`) || !strings.Contains(own.Message, "centre") {
			t.Errorf("it is told %v", err)
		}
	}
}

package feed

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/eventlog"
	"maillage/services/fact"
	"maillage/services/fault"
	"maillage/services/notice"
)

// filter chooses records; the zero value takes all.
type filter struct {
	contexts, kinds, ids []string
	notices              bool // no others
}

// kinds are what a record can be about: the third part of a subject.
var kinds = []string{
	"act", "alias", "assertion", "campaign", "centre", "consumer", "contact", "continuity", "cycle", "day", "draft", "establishment",
	"filiere", "label", "link", "log", "measure", "missions", "network", "office", "period", "person", "plan", "platform",
	"report", "undertaking",
}

// check refuses a filter that would find nothing for ever, as a kind that is mistyped does.
func check(f *feedv1.Filter) error {
	for _, kind := range f.GetKinds() {
		if !slices.Contains(kinds, kind) {
			return fault.New(fault.Invalid, "KIND_UNKNOWN", "filter.kinds", "%q is no kind of entity; those are %s", kind, strings.Join(kinds, ", "))
		}
	}
	return nil
}

func filterOf(f *feedv1.Filter) filter {
	return filter{f.GetContexts(), f.GetKinds(), f.GetIds(), f.GetNotices()}
}

func (f filter) takesAll() bool { return len(f.contexts)+len(f.kinds)+len(f.ids) == 0 && !f.notices }

// takes tells whether a record is chosen.
func (f filter) takes(r eventlog.Record) (bool, error) {
	if f.takesAll() {
		return true, nil
	}
	parts := strings.SplitN(r.Subject, ".", 4) // registry.<context>.<kind>.<id>
	if len(parts) < 4 {
		return false, fmt.Errorf("position %d: %w: its subject is %q", r.Position, fact.ErrUnreadable, r.Subject)
	}
	if len(f.contexts) > 0 && !slices.Contains(f.contexts, parts[1]) || len(f.kinds) > 0 && !slices.Contains(f.kinds, parts[2]) ||
		f.notices && notice.Of(parts[1], r.Body) == 0 {
		return false, nil
	}
	if len(f.ids) == 0 || slices.Contains(f.ids, parts[3]) {
		return true, nil
	}
	var e proto.Message
	switch parts[1] {
	case "topology":
		e = &topologyv1.Event{}
	case "labelling":
		e = &labellingv1.Event{}
	case "activity":
		e = &activityv1.Event{}
	default:
		return false, nil
	}
	if err := proto.Unmarshal(r.Body, e); err != nil {
		return false, fmt.Errorf("position %d: %w: %w", r.Position, fact.ErrUnreadable, err)
	}
	return f.concerns(e.ProtoReflect()), nil
}

// concerns tells whether a message names one of the ids, in a field called so. What an
// event rests on and who recorded it are its Meta, and not what it is about.
func (f filter) concerns(m protoreflect.Message) (found bool) {
	m.Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case field.IsMap() || field.Name() == "meta":
		case field.Message() != nil && field.IsList():
			for i := range v.List().Len() {
				found = found || f.concerns(v.List().Get(i).Message())
			}
		case field.Message() != nil:
			found = f.concerns(v.Message())
		case field.Kind() != protoreflect.StringKind:
		case field.IsList() && strings.HasSuffix(string(field.Name()), "_ids"):
			for i := range v.List().Len() {
				found = found || slices.Contains(f.ids, v.List().Get(i).String())
			}
		case !field.IsList() && strings.HasSuffix(string(field.Name()), "_id"):
			found = slices.Contains(f.ids, v.String())
		}
		return !found
	})
	return found
}

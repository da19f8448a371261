package follow_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

// The page says of every fact, and of nothing else, what to do.
func TestEveryFactHasAnAction(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "<!-- facts -->")
	table, _, _ = strings.Cut(table, "<!-- /facts -->")
	said := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\| (\w+\.\w+) \| (\w+) \|`).FindAllStringSubmatch(table, -1) {
		if said[m[1]] != "" {
			t.Errorf("%s is there twice", m[1])
		}
		if !regexp.MustCompile(`^(open|close|move|rename|reattribute|update|notice|nothing)$`).MatchString(m[2]) {
			t.Errorf("%s: %q is none of the words of the table", m[1], m[2])
		}
		said[m[1]] = m[2]
	}
	for context, event := range map[string]proto.Message{
		"topology": &topologyv1.Event{}, "labelling": &labellingv1.Event{}, "activity": &activityv1.Event{}, "ledger": &ledgerv1.Event{},
	} {
		facts := event.ProtoReflect().Descriptor().Oneofs().ByName("fact").Fields()
		for i := range facts.Len() {
			name := context + "." + string(facts.Get(i).Name())
			if said[name] == "" {
				t.Errorf("the page does not say what to do on %s", name)
			}
			delete(said, name)
		}
	}
	for name := range said {
		t.Errorf("%s is no fact", name)
	}
}

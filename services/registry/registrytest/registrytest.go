// Package registrytest draws histories of a register, of facts of every kind.
package registrytest

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/activity"
	"maillage/services/eventlog"
	"maillage/services/labelling"
	"maillage/services/registry"
	"maillage/services/topology"
)

// Samples are an encoded event of each fact of the contexts, and more of some.
type Samples []sample

type sample struct {
	context string
	body    string
}

// Load reads the samples from where the contract keeps them, beside the directory of the
// services.
func Load(tb testing.TB, services string) (all Samples) {
	tb.Helper()
	for _, context := range []string{"topology", "labelling", "activity"} {
		paths, err := filepath.Glob(filepath.Join(services, "..", "proto", "testdata", "events", context+".*.binpb"))
		if err != nil || len(paths) == 0 {
			tb.Fatalf("samples of %s: %d, %v", context, len(paths), err)
		}
		for _, path := range paths {
			body, err := os.ReadFile(path)
			if err != nil {
				tb.Fatal(err)
			}
			all = append(all, sample{context, known.Replace(string(body))})
		}
	}
	return all
}

var (
	id   = regexp.MustCompile(`\n[0-9A-Z]{9}\d`) // after its length
	year = regexp.MustCompile(`20[012]\d`)
	// The contexts name the same in other ways.
	known = strings.NewReplacer("CENTRE000", "C00000000", "NETW00000", "N00000000", "S1TE00000", "S00000000")
)

// Fold draws facts until the state takes that many, and returns their records. They are
// samples that say the same of other ids and years, each a commit of its own.
func (all Samples) Fold(t *rapid.T, s *registry.State, facts int) (records []eventlog.Record) {
	order := rapid.Permutation(all).Draw(t, "samples") // again and again: most rest on others
	for tries := 0; len(records) < facts && tries < 30*facts; tries++ {
		one := order[tries%len(order)]
		other, years := rapid.SampledFrom([]byte{0, 0, 0, 1, 2}).Draw(t, "id"), rapid.SampledFrom([]byte{0, 0, 1, 5}).Draw(t, "years")
		// What takes another's place in the text is as long: the encoding stays one.
		body := id.ReplaceAllStringFunc(one.body, func(id string) string { return id[:10] + string('0'+(id[10]-'0'+other)%10) })
		body = year.ReplaceAllStringFunc(body, func(year string) string { return year[:3] + string('0'+(year[3]-'0'+years)%10) })
		r, readable := record(t, s, one.context, []byte(body))
		if !readable {
			continue
		}
		if _, err := s.Evolve(r); err == nil {
			records = append(records, r)
		}
	}
	return records
}

func record(t *rapid.T, s *registry.State, context string, body []byte) (r eventlog.Record, ok bool) {
	r = eventlog.Record{Position: s.Position() + 1, Body: body}
	var err error
	switch context {
	case "topology":
		e := &topologyv1.Event{}
		err = proto.Unmarshal(body, e)
		r.Subject = topology.Subject(e)
	case "activity":
		e := &activityv1.Event{}
		err = proto.Unmarshal(body, e)
		r.Subject = activity.Subject(e)
	default:
		e := &labellingv1.Event{}
		err = proto.Unmarshal(body, e)
		if settled := e.GetAssertionSettled(); settled != nil && err == nil {
			settle(t, s, settled)
			r.Body, err = proto.Marshal(e)
		}
		r.Subject = labelling.Subject(e)
	}
	return r, err == nil && strings.Count(r.Subject, ".") == 3
}

// settle has a settlement be about an assertion that is there, if any is.
func settle(t *rapid.T, s *registry.State, f *labellingv1.AssertionSettled) {
	all := slices.Collect(s.Labelling.Assertions.IDs())
	if len(all) == 0 {
		return
	}
	first, _ := s.Labelling.Assertions.First(rapid.SampledFrom(all).Draw(t, "settled"))
	f.EntityId, f.Position = first.Value.GetEntityId(), first.KnownFrom
}

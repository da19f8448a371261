package e2e

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the goldens, but for those of a version that was released")

// TestFirstVersion opens a data directory that the first version wrote: what it holds
// reads the same for ever. Answers may have grown fields since, and lost none.
func TestFirstVersion(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	copyTree(t, "testdata/first/data", data)
	s := up(t, data)
	answers := []string{root(t, s)}
	for _, args := range [][]string{
		{"label", "list", "--valid-at", "2018-01-01", "--known-at", "13", "--json"},
		{"label", "list", "--valid-at", "2024-06-01", "--known-at", "13", "--json"},
		{"label", "list", "--valid-at", "2018-01-01", "--known-at", "5", "--json"},
		{"network", "list", "--valid-at", "2024-06-01", "--known-at", "13", "--json"},
		{"act", "list", "--valid-at", "2024-06-01", "--known-at", "13", "--json"},
	} {
		out, errs, code := s.cli(args...)
		if code != 0 {
			t.Fatalf("%v: exit code %d\n%s", args, code, errs)
		}
		answers = append(answers, "# "+strings.Join(args, " "))
		answers = append(answers, strings.Split(strings.TrimSuffix(compact(t, out), "\n"), "\n")...)
	}
	kept, err := os.ReadFile("testdata/first/answers.txt")
	if err != nil {
		t.Fatal(err)
	}
	golden := strings.Split(strings.TrimSuffix(string(kept), "\n"), "\n")
	answers = nonEmpty(answers)
	if len(answers) != len(golden) {
		t.Fatalf("got\n%s\nwant\n%s", strings.Join(answers, "\n"), kept)
	}
	for i, want := range golden {
		got := answers[i]
		if same := got == want || json.Valid([]byte(want)) && holds(parsed(t, got), parsed(t, want), grown); !same {
			t.Errorf("line %d: got\n%s\nwant\n%s", i+1, got, want)
		}
	}
	fill(t, s, "goes-on-", 2)
	s.stop()
}

func nonEmpty(texts []string) (out []string) {
	for _, s := range texts {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

func parsed(t *testing.T, text string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// grown is the fields that answers have now and had not in the first version.
var grown = map[string]bool{"operationState": true, "window": true, "position": true}

// holds reports whether a JSON value says what another one says, and nothing besides but
// in the fields that have grown since.
func holds(got, want any, grown map[string]bool) bool {
	switch want := want.(type) {
	case map[string]any:
		object, is := got.(map[string]any)
		for k, v := range want {
			if !is || !holds(object[k], v, grown) {
				return false
			}
		}
		for k := range object {
			if _, there := want[k]; !there && !grown[k] {
				return false
			}
		}
		return is
	case []any:
		list, is := got.([]any)
		if !is || len(list) != len(want) {
			return false
		}
		for i, v := range want {
			if !holds(list[i], v, grown) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(got, want)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

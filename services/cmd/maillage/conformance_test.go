package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"maillage/proto/cloudevent"
	"maillage/proto/conformance"
)

// TestMain is also a consumer that is careless: a process of its own.
func TestMain(m *testing.M) {
	if os.Args[len(os.Args)-1] == "careless" {
		fmt.Fprintln(os.Stderr, careless(os.Getenv("MAILLAGE_HTTP"), os.Getenv("MAILLAGE_COPY")))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// careless writes down whatever a page holds, keeps no place, and asks again whatever happens.
func careless(url, name string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	for cursor := ""; ; {
		resp, err := http.Get(url + "/v1/events?wait=1&cursor=" + cursor)
		if err != nil {
			return err
		}
		var page struct {
			Events     []*cloudevent.Event `json:"events"`
			NextCursor string              `json:"nextCursor"`
		}
		err = json.NewDecoder(resp.Body).Decode(&page)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			continue
		}
		cursor = page.NextCursor
		for _, e := range page.Events {
			line, _ := json.Marshal(map[string]any{"position": e.ID, "subject": e.Subject, "body": e.Stored})
			if _, err := f.Write(append(line, '\n')); err != nil {
				return err
			}
		}
	}
}

// play plays a day over HTTP to a command.
func play(t *testing.T, day *conformance.Scenario, command ...string) error {
	t.Helper()
	day.Front = front
	return day.Run(t.Context(), t.TempDir(), command...)
}

// TestCarelessOverHTTP: over HTTP too one that checks nothing passes where nothing happens
// alone.
func TestCarelessOverHTTP(t *testing.T) {
	for name, want := range map[string]string{
		"whole": "", "large": "", "interrupted": "", "too-slow": "",
		"killed": "position 1 follows", "gap": "follows 5", "repeated": "position 13 follows 13",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			day, ok := conformance.Find(name)
			if !ok {
				t.Fatal("no such scenario")
			}
			if err := play(t, day, os.Args[0], "careless"); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
		})
	}
}

// python is the interpreter that the example in Python is run with.
func python(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("python3")
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal("python3 is missing: .ci/run installs it")
	}
	if err != nil {
		t.Skip("python3 is not installed: the example in Python is not put to the test")
	}
	return path
}

// TestExampleConforms: the example in another language, which was written from the documents
// alone, passes what every consumer is put to, by each of its two ways.
func TestExampleConforms(t *testing.T) {
	interpreter := python(t)
	example, err := filepath.Abs("../../../proto/follow/examples/follow.py")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PYTHONDONTWRITEBYTECODE", "1")
	for way, command := range map[string][]string{"stream": {interpreter, example, "--heartbeat=3"}, "pages": {interpreter, example, "--heartbeat=3", "--pages"}} {
		for _, day := range conformance.Scenarios() {
			t.Run(way+"/"+day.Name, func(t *testing.T) {
				t.Parallel()
				if err := play(t, day, command...); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

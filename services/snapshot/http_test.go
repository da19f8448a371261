package snapshot_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"pgregory.net/rapid"

	feedv1 "maillage/proto/gen/maillage/feed/v1"
	"maillage/services/fault"
)

// reply is an answer over HTTP.
type reply struct {
	status int
	header http.Header
	body   []byte
	at     string // where it was found
}

func ask(t *testing.T, base, path string, header ...string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+path, nil)
	must(t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	r, err := http.DefaultClient.Do(req)
	must(t, err)
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	must(t, err)
	return reply{r.StatusCode, r.Header, body, r.Request.URL.Path}
}

func TestHandler(t *testing.T) {
	w := rapid.Custom(func(t *rapid.T) *world { return draw(t, 40) }).Example(3)
	s := open(w, t.TempDir())
	defer s.Close()
	handler := s.Handler(func(w http.ResponseWriter, _ *http.Request, err error) {
		own, is := errors.AsType[*fault.Error](err)
		if !is {
			t.Errorf("not one to act on: %v", err)
			own = &fault.Error{}
		}
		http.Error(w, own.Reason, http.StatusTeapot)
	})
	site := httptest.NewServer(http.StripPrefix("/under", handler)) // behind a proxy that adds a path
	defer site.Close()
	base := site.URL + "/under"
	head, before := uint64(len(w.records)), w.ends[len(w.ends)/2]

	m := &feedv1.Manifest{}
	r := ask(t, base, "/v1/snapshots/latest")
	must(t, protojson.Unmarshal(r.body, m))
	if r.at != fmt.Sprintf("/under/v1/snapshots/%d/snapshot.json", head) || m.GetPosition() != head || r.header.Get("Content-Type") != "application/json" {
		t.Errorf("the latest is found at %s: %v", r.at, m)
	}
	events := m.GetFiles()[0]
	path := "/v1/" + m.GetSet() + "/" + events.GetName()
	whole := ask(t, base, path)
	sum, err := hex.DecodeString(events.GetSha256())
	must(t, err)
	tag := `"` + events.GetSha256() + `"`
	if whole.status != http.StatusOK || uint64(len(whole.body)) != events.GetBytes() || whole.header.Get("Etag") != tag || whole.header.Get("Content-Encoding") != "" ||
		whole.header.Get("Content-Type") != "application/gzip" || whole.header.Get("Repr-Digest") != "sha-256=:"+base64.StdEncoding.EncodeToString(sum)+":" {
		t.Errorf("%d, %d bytes, %v", whole.status, len(whole.body), whole.header)
	}
	if r := ask(t, base, path, "If-None-Match", tag); r.status != http.StatusNotModified {
		t.Errorf("a file that is held is sent again: %d", r.status)
	}
	rest := ask(t, base, path, "Range", "bytes=100-", "If-Range", tag)
	if rest.status != http.StatusPartialContent || !bytes.Equal(append(whole.body[:100:100], rest.body...), whole.body) {
		t.Errorf("from the middle on: %d, %d bytes", rest.status, len(rest.body))
	}
	if r := ask(t, base, path, "Range", "bytes=100-", "If-Range", `"another"`); r.status != http.StatusOK || !bytes.Equal(r.body, whole.body) {
		t.Errorf("a part of another file is gone on with: %d, %d bytes", r.status, len(r.body))
	}

	for asked, found := range map[string]string{
		"/v1/snapshots/latest/events.jsonl.gz":        path,
		fmt.Sprintf("/v1/snapshots/%d", before):       fmt.Sprintf("/v1/snapshots/%d/snapshot.json", before),
		fmt.Sprintf("/v1/deltas/%d/%d", before, head): fmt.Sprintf("/v1/deltas/%d/%d/snapshot.json", before, head),
		fmt.Sprintf("/v1/deltas/%d/latest", before):   fmt.Sprintf("/v1/deltas/%d/%d/snapshot.json", before, head),
		"/opendata/":                                   fmt.Sprintf("/opendata/%d-2026-11-22/datapackage.json", head),
		"/opendata/labels_current.csv":                 fmt.Sprintf("/opendata/%d-2026-11-22/labels_current.csv", head),
		"/opendata/map.geojson?validAt=2019-01-01":     fmt.Sprintf("/opendata/%d-2019-01-01/map.geojson", head),
		"/opendata/map.geojson?valid_at=2019-01-01":    fmt.Sprintf("/opendata/%d-2019-01-01/map.geojson", head),
		fmt.Sprintf("/opendata/%d-2019-01-01", before): fmt.Sprintf("/opendata/%d-2019-01-01/datapackage.json", before),
		"/opendata/schema_labels_current.json":         fmt.Sprintf("/opendata/%d-2026-11-22/schema_labels_current.json", head),
	} {
		if r := ask(t, base, asked); r.status != http.StatusOK || r.at != "/under"+found {
			t.Errorf("%s is found at %s: %d %s", asked, r.at, r.status, r.body)
		}
	}
	for asked, reason := range map[string]string{
		fmt.Sprintf("/v1/snapshots/%d", head+1):              "POSITION_NOT_REACHED",
		"/v1/snapshots/x":                                    "REQUEST_INVALID",
		fmt.Sprintf("/v1/deltas/%d/%d", head, before):        "RANGE_EMPTY",
		fmt.Sprintf("/v1/snapshots/%d/x", head):              "FILE_UNKNOWN",
		"/opendata/x":                                        "FILE_UNKNOWN",
		"/opendata/labels_current.csv?validAt=2019":          "DATE_INVALID",
		"/opendata/labels_current.csv?valid=2019-01-01":      "REQUEST_INVALID",
		fmt.Sprintf("/opendata/%d-2019-01-01/a.csv", head+1): "POSITION_NOT_REACHED",
	} {
		if r := ask(t, base, asked); string(bytes.TrimSpace(r.body)) != reason {
			t.Errorf("%s: %d %s, want %s", asked, r.status, r.body, reason)
		}
	}

	// The latest is as old as a minute at most.
	w.ends = w.ends[:len(w.ends)-1]
	w.records = w.records[:w.ends[len(w.ends)-1]]
	if r := ask(t, base, "/v1/snapshots/latest"); r.at != fmt.Sprintf("/under/v1/snapshots/%d/snapshot.json", head) {
		t.Errorf("within a minute the latest is another one: %s", r.at)
	}
	w.now = w.now.Add(61 * time.Second)
	if r := ask(t, base, "/v1/snapshots/latest"); r.at != fmt.Sprintf("/under/v1/snapshots/%d/snapshot.json", len(w.records)) {
		t.Errorf("after a minute the latest is an old one: %s", r.at)
	}
}

// A file comes whole, however long that takes beside what a server gives any other answer.
func TestSlowReader(t *testing.T) {
	w := rapid.Custom(func(t *rapid.T) *world { return draw(t, 40) }).Example(3)
	s := open(w, t.TempDir())
	defer s.Close()
	m, err := s.Snapshot(t.Context(), 0)
	must(t, err)
	site := httptest.NewUnstartedServer(s.Handler(func(http.ResponseWriter, *http.Request, error) {}))
	site.Config.WriteTimeout = time.Nanosecond
	site.Start()
	defer site.Close()
	is := m.GetFiles()[0]
	if r := ask(t, site.URL, "/v1/"+m.GetSet()+"/"+is.GetName()); r.status != http.StatusOK || uint64(len(r.body)) != is.GetBytes() {
		t.Errorf("%d with %d bytes of %d", r.status, len(r.body), is.GetBytes())
	}
}

package web_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/transparency-dev/formats/proof"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/protobuf/proto"

	"maillage/proto/checkpoint"
	"maillage/proto/cloudevent"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/proto/merkle"
	"maillage/services/serve"
	"maillage/services/web"
)

// page is a page of the feed as a consumer reads it.
type page struct {
	Events       []*cloudevent.Event
	HeadPosition uint64 `json:",string"`
	NextAfter    uint64 `json:",string"`
	NextCursor   string
	More         bool
	Filtered     bool
}

func (r *register) page(query string) (p page) {
	r.t.Helper()
	resp := r.get("/v1/events" + query)
	if err := json.Unmarshal(resp.body, &p); err != nil || resp.StatusCode != http.StatusOK {
		r.t.Fatalf("%s: %s %s: %v", query, resp.Status, resp.body, err)
	}
	return p
}

// ids are the positions of events.
func ids(events []*cloudevent.Event) (all []string) {
	for _, e := range events {
		all = append(all, e.ID)
	}
	return all
}

// Pages over HTTP are those of gRPC, byte for byte, and what leads from one to the next
// leads to the same.
func TestPages(t *testing.T) {
	r := run(t, serve.Config{Data: t.TempDir()}).fill()
	whole, err := feedv1.NewFeedServiceClient(r.conn).ListEvents(t.Context(), &feedv1.ListEventsRequest{PageSize: 1000})
	if err != nil {
		t.Fatal(err)
	}
	var want []*feedv1.Record
	ends := map[uint64]string{}
	for _, c := range whole.GetCommits() {
		want = append(want, c.GetRecords()...)
		ends[want[len(want)-1].GetPosition()] = c.GetCursor()
	}
	var byAfter, byCursor, byLink []*cloudevent.Event
	p := page{More: true}
	for p.More {
		p = r.page(fmt.Sprintf("?after=%d&page_size=1", p.NextAfter))
		byAfter = append(byAfter, p.Events...)
	}
	if p.HeadPosition != whole.GetHeadPosition() || p.NextAfter != p.HeadPosition || p.NextCursor != whole.GetNextCursor() || p.Filtered {
		t.Errorf("the last page is %+v", p)
	}
	for p = (page{More: true}); p.More; {
		p = r.page("?pageSize=2&cursor=" + p.NextCursor)
		byCursor = append(byCursor, p.Events...)
	}
	for next := "/v1/events?pageSize=3"; ; {
		resp := r.get(next, "Accept", "application/cloudevents-batch+json")
		var batch []*cloudevent.Event
		if err := json.Unmarshal(resp.body, &batch); err != nil || resp.Header.Get("Content-Type") != "application/cloudevents-batch+json" {
			t.Fatalf("%s: %v: %s", next, resp.Header, resp.body)
		}
		if len(batch) == 0 {
			break
		}
		byLink = append(byLink, batch...)
		target, rel, _ := strings.Cut(strings.TrimPrefix(resp.Header.Get("Link"), "<"), ">; ")
		if next = target; rel != `rel="next"` {
			t.Fatalf("no link to the next page: %v", resp.Header)
		}
	}
	for name, events := range map[string][]*cloudevent.Event{"positions": byAfter, "cursors": byCursor, "links": byLink} {
		if len(events) != len(want) {
			t.Errorf("by %s come %v of %d", name, ids(events), len(want))
			continue
		}
		for i, e := range events {
			record, err := e.Record()
			if err != nil || !proto.Equal(record, want[i]) {
				t.Errorf("by %s: %v, %v, not %v", name, record, err, want[i])
			}
			if e.Cursor != ends[want[i].GetPosition()] {
				t.Errorf("by %s: the cursor after %s is %q", name, e.ID, e.Cursor)
			}
			one := r.get("/v1/events/"+e.ID, "Accept", "application/cloudevents+json")
			var again cloudevent.Event
			if err := json.Unmarshal(one.body, &again); err != nil || fmt.Sprint(again) != fmt.Sprint(*e) || one.Header.Get("Content-Type") != "application/cloudevents+json" {
				t.Errorf("event %s alone: %s: %v", e.ID, one.body, err)
			}
			schema := do(t, http.MethodGet, e.DataSchema)
			if schema.StatusCode != http.StatusOK || !strings.Contains(string(schema.body), "message Event {") {
				t.Errorf("the schema %s: %s", e.DataSchema, schema.Status)
			}
		}
	}
	behind, err := web.New(web.Config{
		GRPC: r.at.GRPC, URL: "https://registre.example.org/",
		More: map[string]http.HandlerFunc{"/files/": func(w http.ResponseWriter, q *http.Request) { fmt.Fprint(w, q.URL.Path) }},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer behind.Close()
	answered := httptest.NewRecorder()
	behind.ServeHTTP(answered, httptest.NewRequest(http.MethodGet, "/v1/events/1", http.NoBody))
	if !strings.Contains(answered.Body.String(), `"https://registre.example.org/schemas/maillage/ledger/v1/event.proto"`) {
		t.Errorf("behind another address an event is %s", answered.Body)
	}
	for method, want := range map[string]string{http.MethodGet: "/files/a", http.MethodPost: "METHOD_NOT_ALLOWED"} {
		answered := httptest.NewRecorder()
		behind.ServeHTTP(answered, httptest.NewRequest(method, "/files/a", http.NoBody))
		if !strings.Contains(answered.Body.String(), want) || answered.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s of a file: %s", method, answered.Body)
		}
	}
}

// A filter chooses, and the page says that it proves nothing; where there is nothing to list
// a call waits for it.
func TestFilterAndWait(t *testing.T) {
	r := run(t, serve.Config{Data: t.TempDir()}).fill()
	for query, want := range map[string]int{
		"?contexts=labelling":                       1,
		"?kinds=network,centre":                     2,
		"?kinds=network&kinds=centre":               2,
		"?kinds=centre&contexts=labelling":          0,
		"?ids=" + r.centre:                          2, // and its label, which names it
		"?ids=" + r.filiere + "&contexts=labelling": 0,
	} {
		p := r.page(query)
		if len(p.Events) != want || !p.Filtered || p.More || p.NextAfter != p.HeadPosition {
			t.Errorf("%s: %v of %+v", query, ids(p.Events), p)
		}
	}
	end := r.page("")
	came := make(chan page, 1)
	go func() {
		defer close(came)
		resp, err := http.Get("http://" + r.at.HTTP + "/v1/events?wait=30&kinds=filiere&cursor=" + end.NextCursor)
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		var p page
		if err := json.NewDecoder(resp.Body).Decode(&p); err != nil {
			t.Error(err)
		}
		came <- p
	}()
	establishment, err := topologyv1.NewTopologyServiceClient(r.conn).RegisterEstablishment(t.Context(), &topologyv1.RegisterEstablishmentRequest{
		Basis: &eventv1.Basis{Source: "test"}, Name: "CHU de Brest", Place: &topologyv1.Place{City: "Brest"},
	})
	if err != nil {
		t.Fatal(err)
	}
	position := r.record("WAITED")
	if p := <-came; len(p.Events) != 1 || p.Events[0].ID != strconv.FormatUint(position, 10) || position != establishment.GetPosition()+1 {
		t.Errorf("who waited got %v, not %d", ids(p.Events), position)
	}
	if p := r.page("?wait=1&after=" + strconv.FormatUint(position, 10)); len(p.Events) > 0 || p.NextAfter != position {
		t.Errorf("who waited in vain got %+v", p)
	}
	if p := r.page(fmt.Sprintf("?minPosition=%d", position)); p.HeadPosition < position {
		t.Errorf("the head is %d", p.HeadPosition)
	}
	// One who waits does not hold up a process that stops.
	stopping := make(chan struct{})
	handler, err := web.New(web.Config{GRPC: r.at.GRPC, Stopping: stopping})
	if err != nil {
		t.Fatal(err)
	}
	defer handler.Close()
	answered := httptest.NewRecorder()
	close(stopping)
	begun := time.Now()
	handler.ServeHTTP(answered, httptest.NewRequest(http.MethodGet, fmt.Sprintf("/v1/events?wait=60&after=%d", position), http.NoBody))
	if d := time.Since(begun); d > 30*time.Second || answered.Code != http.StatusOK {
		t.Errorf("it took %v to stop: %d", d, answered.Code)
	}
}

// message is one of a stream.
type message struct{ event, id, data string }

// follow follows a stream until f has had enough of it.
func follow(t *testing.T, url, last string, f func(message) (more bool)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s: %s %v", url, resp.Status, resp.Header)
	}
	var m message
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "event":
			m.event = value
		case "id":
			m.id = value
		case "data":
			m.data = value
		case "":
			if m.data != "" && !f(m) {
				return
			}
			m = message{}
		}
	}
	f(message{event: "end"})
}

// A reader of the stream gets every event once, also those recorded while it reads and
// while the process is away, and is told when that stops.
func TestStream(t *testing.T) {
	data := t.TempDir()
	r := run(t, serve.Config{Data: data}).fill()
	url := func() string { return "http://" + r.at.HTTP + "/v1/events" }
	var got []string
	var last, cursor string
	var told uint64
	read := func(until uint64) func(message) bool {
		return func(m message) bool {
			switch m.event {
			case "":
				var e cloudevent.Event
				if err := json.Unmarshal([]byte(m.data), &e); err != nil {
					t.Error(err)
				}
				got = append(got, e.ID)
				if (m.id != "") != (e.CommitIndex+1 == e.CommitSize) || (m.id != "") != (e.Cursor != "") {
					t.Errorf("event %d of %d has the id %q and the cursor %q", e.CommitIndex, e.CommitSize, m.id, e.Cursor)
				}
				if m.id != "" {
					last, cursor = m.id, e.Cursor
				}
				return e.ID != strconv.FormatUint(until, 10)
			case "heartbeat":
				var b struct {
					HeadPosition uint64 `json:",string"`
					Root         []byte
					Cursor       string
					Checkpoint   string
				}
				if err := json.Unmarshal([]byte(m.data), &b); err != nil || len(b.Root) != 32 || b.Cursor == "" {
					t.Errorf("a heartbeat is %s: %v", m.data, err)
				}
				if told == 0 && !strings.HasPrefix(b.Checkpoint, "maillage/") {
					t.Errorf("a heartbeat has the checkpoint %q", b.Checkpoint)
				}
				if told == 0 {
					told = b.HeadPosition
					r.record("WHILE")
				}
			default:
				t.Errorf("it ended with %+v", m)
				return false
			}
			return true
		}
	}
	r.get("/v1/checkpoint?minSize=1")    // it waits for one
	follow(t, url(), "", read(r.last+1)) // what is recorded once it has caught up comes as well
	if told != r.last {
		t.Errorf("it was told of %d, not %d", told, r.last)
	}
	r.record("AWAY")
	// One that is reading when the process stops is told so.
	stopped := make(chan struct{})
	var end message
	follow(t, url()+":stream?start=now", "", func(m message) bool {
		if m.event == "heartbeat" {
			go func() { r.stop(); close(stopped) }()
			return true
		}
		end = m
		return false
	})
	if end.event != "error" || !strings.Contains(end.data, `"STOPPING"`) {
		t.Errorf("when the process stops a reader is told %+v", end)
	}
	<-stopped
	away := r.last + 2
	r = run(t, serve.Config{Data: data})
	then := r.record("BACK")
	if then != away+1 {
		t.Fatalf("recorded at %d after %d", then, away)
	}
	told = 1
	before := cursor
	follow(t, url()+"?after=1", last, read(then)) // the header stands before what was asked at first
	var want []string
	for i := range then {
		want = append(want, strconv.FormatUint(i+1, 10))
	}
	if !slices.Equal(got, want) {
		t.Errorf("it got %v, not 1 to %d", got, then)
	}
	got = nil
	follow(t, url()+":stream?cursor="+before, "", read(then))
	if !slices.Equal(got, want[away-1:]) {
		t.Errorf("from the cursor it got %v, not %v", got, want[away-1:])
	}
	got = nil
	follow(t, url()+":stream?kinds=filiere&ids=x,"+entityAt(r, then), "", read(then))
	if !slices.Equal(got, want[then-1:]) {
		t.Errorf("with a filter it got %v, not %v", got, want[then-1:])
	}
}

// entityAt is the id of the entity that the event at a position is about.
func entityAt(r *register, position uint64) string {
	subject, _ := r.get("/v1/events/" + strconv.FormatUint(position, 10)).json(r.t)["subject"].(string)
	return subject[strings.LastIndex(subject, ".")+1:]
}

// Commits of several events: only the last one has an id, and who goes on from inside one
// gets it whole.
func TestStreamKeepsCommitsWhole(t *testing.T) {
	r := run(t, serve.Config{Data: t.TempDir()}).fill()
	topology := topologyv1.NewTopologyServiceClient(r.conn)
	other, err := topology.RegisterEstablishment(t.Context(), &topologyv1.RegisterEstablishmentRequest{
		Basis: &eventv1.Basis{Source: "test"}, Name: "CHU de Brest", Place: &topologyv1.Place{City: "Brest"},
	})
	if err != nil {
		t.Fatal(err)
	}
	merged, err := topology.SucceedEstablishments(t.Context(), &topologyv1.SucceedEstablishmentsRequest{
		Basis: &eventv1.Basis{Source: "test"}, PredecessorIds: []string{r.establishment}, SuccessorIds: []string{other.GetEstablishmentId()}, ValidFrom: "2026-01-01",
		Children: []*topologyv1.Child{{ChildId: r.centre, Outcome: topologyv1.ChildOutcome_CHILD_OUTCOME_MOVES, ToIds: []string{other.GetEstablishmentId()}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	first := other.GetPosition() + 1
	for _, after := range []uint64{first - 1, first} {
		var got, withID []string
		follow(t, fmt.Sprintf("http://%s/v1/events:stream?after=%d", r.at.HTTP, after), "", func(m message) bool {
			if m.event == "" {
				var e cloudevent.Event
				if err := json.Unmarshal([]byte(m.data), &e); err != nil {
					t.Error(err)
				}
				got = append(got, e.ID)
				if m.id != "" {
					withID = append(withID, m.id)
				}
			}
			return m.event == ""
		})
		end := strconv.FormatUint(merged.GetPosition(), 10)
		if merged.GetPosition() <= first || len(got) != int(merged.GetPosition()-first+1) || !slices.Equal(withID, []string{end}) {
			t.Errorf("after %d came %v, with an id %v; the commit is %d to %s", after, got, withID, first, end)
		}
	}
}

// narrow are connections that hold little in the system.
type narrow struct{ net.Listener }

func (l narrow) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		err = c.(*net.TCPConn).SetWriteBuffer(4 << 10)
	}
	return c, err
}

// A reader that takes nothing is dropped, and costs another one nothing.
func TestSlowReader(t *testing.T) {
	r := run(t, serve.Config{Data: t.TempDir()})
	note := strings.Repeat("a remark that takes its room ", 60)
	var last uint64
	for i := range 300 {
		f, err := topologyv1.NewTopologyServiceClient(r.conn).RegisterFiliere(t.Context(), &topologyv1.RegisterFiliereRequest{
			Basis: &eventv1.Basis{Source: "test", Note: note}, Acronym: "F" + strconv.Itoa(i), Name: "F" + strconv.Itoa(i),
		})
		if err != nil {
			t.Fatal(err)
		}
		last = f.GetPosition()
	}
	handler, err := web.New(web.Config{GRPC: r.at.GRPC, Patience: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer handler.Close()
	left := make(chan struct{}, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		handler.ServeHTTP(w, q)
		left <- struct{}{}
	}))
	server.Listener = narrow{server.Listener}
	server.Start()
	defer server.Close()

	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("GET /v1/events:stream HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	seen := 0
	follow(t, "http://"+r.at.HTTP+"/v1/events:stream", "", func(m message) bool {
		if m.event == "" {
			seen++
		}
		return m.id != strconv.FormatUint(last, 10)
	})
	if seen != int(last) {
		t.Errorf("the other reader saw %d of %d", seen, last)
	}
	select {
	case <-left:
	case <-time.After(20 * time.Second):
		t.Fatal("a reader that takes nothing is still there")
	}
	beats := 0 // further apart than its patience, and it stays
	follow(t, server.URL+"/v1/events:stream?start=now&heartbeat=1", "", func(m message) bool {
		if m.event != "heartbeat" {
			t.Errorf("where nothing happens comes %+v", m)
			return false
		}
		beats++
		return beats < 2
	})
}

// The page for consumers shows calls that are answered.
func TestPageOfExamples(t *testing.T) {
	r := run(t, serve.Config{Data: t.TempDir()}).fill()
	text, err := os.ReadFile("../../proto/follow/README.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile(`(?m)^    curl (-N )?((?:-H '[^']*' )*)'http://127\.0\.0\.1:8080(/[^']*)'`).FindAllStringSubmatch(string(text), -1)
	for _, e := range examples {
		if e[1] != "" {
			last := regexp.MustCompile(`Last-Event-ID: (\d+)`).FindStringSubmatch(e[2])
			follow(t, "http://"+r.at.HTTP+e[3], strings.Join(last[min(1, len(last)):], ""), func(m message) bool {
				if m.event == "end" || m.event == "error" {
					t.Errorf("%s: %+v", e[0], m)
				}
				return m.event == ""
			})
			continue
		}
		var headers []string
		for _, h := range regexp.MustCompile(`-H '([^:]*): ([^']*)'`).FindAllStringSubmatch(e[2], -1) {
			headers = append(headers, h[1], h[2])
		}
		path := strings.Replace(e[3], "after=100&wait=30", fmt.Sprintf("after=%d&wait=1", r.last), 1)
		if resp := r.get(path, headers...); resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s %s", e[0], resp.Status, resp.body)
		}
	}
	if shown := strings.Count(string(text), "\n    curl "); len(examples) != shown || shown < 10 {
		t.Errorf("%d examples of %d were tried", len(examples), shown)
	}
}

// TestProofs: with proof=1 an event comes with what leads from its leaf to a signed checkpoint.
func TestProofs(t *testing.T) {
	data := t.TempDir()
	r := run(t, serve.Config{Data: data}).fill()
	public, err := os.ReadFile(filepath.Join(data, "key", "checkpoint.pub"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := note.NewVerifier(strings.TrimSpace(string(public)))
	if err != nil {
		t.Fatal(err)
	}
	all := r.page("?pageSize=1000")
	r.get(fmt.Sprintf("/v1/checkpoint?minSize=%d", all.HeadPosition))
	proved := r.page("?pageSize=1000&proof=1").Events
	var one cloudevent.Event
	if err := json.Unmarshal(r.get("/v1/events/2?proof=1").body, &one); err != nil {
		t.Fatal(err)
	}
	if len(proved) != len(all.Events) || one.TlogProof == "" || all.Events[0].TlogProof != "" {
		t.Fatalf("%d of %d, %q", len(proved), len(all.Events), one.TlogProof)
	}
	for _, e := range append(proved, &one) {
		record, err := e.Record()
		if err != nil {
			t.Fatal(err)
		}
		var p proof.TLogProof
		if err := p.Unmarshal([]byte(e.TlogProof)); err != nil {
			t.Fatal(err)
		}
		c, _, err := checkpoint.Open(p.Checkpoint, key)
		if err != nil {
			t.Fatal(err)
		}
		var hashes tlog.RecordProof
		for _, h := range p.Hashes {
			hashes = append(hashes, h)
		}
		leaf := tlog.RecordHash(merkle.AppendLeaf(nil, record.GetPosition(), record.GetSubject(), record.GetBody()))
		if err := c.Contains(p.Index+1, leaf, hashes); err != nil || p.Index+1 != record.GetPosition() {
			t.Errorf("position %s: %v", e.ID, err)
		}
	}
	if resp := r.get("/v1/events/2?proof=2"); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("proof=2: %s", resp.Status)
	}
}

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"maillage/proto/cloudevent"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/proto/merkle"
)

// browser follows the stream of events as a browser does: it calls again with the id of the
// last message that had one.
type browser struct {
	t    *testing.T
	tree merkle.Tree
	last string
	open []*cloudevent.Event // of a commit whose end has not come
}

// follow reads the stream until it has n events and stands at a head it was told of, or the
// stream ends. While it reads it must be shown the same tree as the register has.
func (b *browser) follow(url string, n int64) error {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream")
	if b.last != "" {
		req.Header.Set("Last-Event-ID", b.last)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b.open = nil
	var event, id string
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "event":
			event = value
		case "id":
			id = value
		case "data":
			switch event {
			case "heartbeat":
				if b.agrees(value) && b.tree.Size() >= uint64(n) {
					return nil
				}
			case "":
				b.take(value, id)
			}
		case "":
			event, id = "", ""
		}
	}
	return errors.Join(lines.Err(), errors.New("the stream ended"))
}

// take takes an event; those of a commit count once all of them are there.
func (b *browser) take(data, id string) {
	b.t.Helper()
	e := &cloudevent.Event{}
	if err := json.Unmarshal([]byte(data), e); err != nil {
		b.t.Error(err)
	}
	b.open = append(b.open, e)
	if id == "" {
		return
	}
	for _, e := range b.open {
		if want := strconv.FormatUint(b.tree.Size()+1, 10); e.ID != want {
			b.t.Fatalf("event %s came, not %s", e.ID, want)
		}
		b.tree.Append(tlog.RecordHash(merkle.AppendLeaf(nil, b.tree.Size()+1, e.Subject, e.Stored)))
	}
	b.last, b.open = id, nil
}

// agrees compares with a heartbeat; it is false where the browser stands elsewhere.
func (b *browser) agrees(data string) bool {
	b.t.Helper()
	var beat struct {
		HeadPosition uint64 `json:",string"`
		Root         []byte
	}
	if err := json.Unmarshal([]byte(data), &beat); err != nil {
		b.t.Error(err)
	}
	if beat.HeadPosition != b.tree.Size() {
		return false
	}
	if root := b.tree.Root(); !bytes.Equal(beat.Root, root[:]) {
		b.t.Fatalf("at %d the root is %x, not %x", beat.HeadPosition, beat.Root, root)
	}
	return true
}

// A browser that follows over HTTP misses nothing through kills of the process, and ends
// with the register's own root.
func TestStreamOverHTTPThroughKill(t *testing.T) {
	data := t.TempDir()
	b := &browser{t: t}
	recorded := int64(0)
	for round := range 3 {
		s := up(t, data)
		for i := range 20 {
			f, err := topologyv1.NewTopologyServiceClient(s.dial()).RegisterFiliere(t.Context(), &topologyv1.RegisterFiliereRequest{
				Basis: &eventv1.Basis{Source: "test"}, Acronym: "F" + strconv.Itoa(100*round+i), Name: "F",
			})
			if err != nil {
				t.Fatal(err)
			}
			recorded = int64(f.GetPosition())
		}
		url := "http://" + field(s.await("msg=ready"), "http=") + "/v1/events"
		if err := b.follow(url, recorded); err != nil { // all so far
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- b.follow(url, 1<<62) }() // and on, until it is killed
		if round < 2 {
			s.kill()
		} else {
			s.stop()
		}
		if err := <-ended; err == nil {
			t.Error("the stream of a process that ended goes on")
		}
	}
	if b.tree.Size() < uint64(recorded) {
		t.Errorf("it has %d events of %d", b.tree.Size(), recorded)
	}
}

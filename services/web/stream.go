package web

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	"maillage/proto/cloudevent"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	"maillage/services/fault"
)

// retry is after how many milliseconds a browser calls again.
const retry = 3000

// beat is a heartbeat of the stream.
type beat struct {
	HeadPosition uint64 `json:"headPosition,string,omitempty"`
	Root         []byte `json:"root,omitempty"` // of the tree of that size
	Epoch        uint64 `json:"epoch,string,omitempty"`
	Cursor       string `json:"cursor"`
	Checkpoint   string `json:"checkpoint,omitempty"` // the last one signed
	Time         string `json:"time"`
}

// stream sends the events after a place and those to come as server-sent events: each in a
// message of its own, of which the last of a commit alone has an id, the position at which
// the commit ends. So who goes on from the last id it got misses nothing of a commit.
func (h *Handler) stream(w http.ResponseWriter, r *http.Request) {
	req, err := watchRequest(r)
	if err != nil {
		problemOf(err).write(w)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	at, err := h.ledger.GetStatus(ctx, &ledgerv1.GetStatusRequest{})
	if err != nil {
		problemOf(err).write(w)
		return
	}
	w.Header().Add("Vary", "Accept")
	if onlyHead(r) {
		w.Header().Set("Content-Type", "text/event-stream")
		return
	}
	watch, err := h.feed.Watch(ctx, req)
	if err != nil {
		problemOf(err).write(w)
		return
	}
	first, err := watch.Recv()
	if err != nil { // nothing was sent: it can be said with a status
		problemOf(err).write(w)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // a proxy is to hand on each message at once
	s := &sender{w: w, control: http.NewResponseController(w), patience: h.config.Patience}
	s.printf("retry: %d\n\n", retry)
	if req.GetFilter() != nil {
		s.printf(": filtered: what is left out cannot be proved\n\n")
	}
	s.run(watch, first, cloudevent.Register{LogID: at.GetLogId(), Schemas: h.base(r) + "/schemas"})
}

// watchRequest reads what is asked of the stream. Last-Event-ID is sent by browsers that
// call again, and stands before the place they began at.
func watchRequest(r *http.Request) (*feedv1.WatchRequest, error) {
	values, err := parameters(r, []string{"after", "cursor", "start", "heartbeat"}, filters)
	if err != nil {
		return nil, err
	}
	req := &feedv1.WatchRequest{Filter: filterOf(values)}
	seconds, err := number(values, "heartbeat", 60)
	if err != nil {
		return nil, err
	}
	if seconds > 0 {
		req.HeartbeatInterval = durationpb.New(time.Duration(seconds) * time.Second)
	}
	after, err := number(values, "after", noLimit)
	if err != nil {
		return nil, err
	}
	last := r.Header.Get("Last-Event-ID")
	switch start := values.Get("start"); {
	case last != "":
		if after, err = strconv.ParseUint(last, 10, 64); err != nil {
			return nil, fault.New(fault.Invalid, "REQUEST_INVALID", "Last-Event-ID", "%q is no position", last)
		}
		req.From = &feedv1.WatchRequest_After{After: after}
	case start != "" && (values.Has("after") || values.Has("cursor")):
		return nil, fault.New(fault.Invalid, "REQUEST_INVALID", "start", "a place is a start, a cursor or a position, one of them")
	case start == "now":
		req.From = &feedv1.WatchRequest_Start{Start: feedv1.Start_START_NOW}
	case start != "" && start != "earliest":
		return nil, fault.New(fault.Invalid, "REQUEST_INVALID", "start", "%q is neither earliest nor now", start)
	case values.Get("cursor") != "":
		req.From = &feedv1.WatchRequest_Cursor{Cursor: values.Get("cursor")}
	default:
		req.From = &feedv1.WatchRequest_After{After: after}
	}
	return req, nil
}

// sender writes to one reader. It keeps nothing: a reader that takes nothing for the
// patience is dropped, and what waits for it meanwhile is bounded by the window of its call.
type sender struct {
	w        http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration
	text     strings.Builder
	err      error // once the reader has left
}

func (s *sender) printf(format string, args ...any) { fmt.Fprintf(&s.text, format, args...) }

// flush sends what was printed.
func (s *sender) flush() {
	if s.err == nil {
		s.err = s.control.SetWriteDeadline(time.Now().Add(s.patience))
	}
	if s.err == nil {
		_, s.err = s.w.Write([]byte(s.text.String()))
	}
	if s.err == nil {
		s.err = s.control.Flush()
	}
	s.text.Reset()
}

// run sends all until the reader leaves or the feed ends, and why that does.
func (s *sender) run(watch grpc.ServerStreamingClient[feedv1.WatchResponse], m *feedv1.WatchResponse, register cloudevent.Register) {
	var err error
	for s.err == nil && err == nil {
		for _, c := range m.GetCommits() {
			if err = s.commit(c, register); err != nil {
				break
			}
			s.flush()
		}
		if b := m.GetHeartbeat(); b != nil && err == nil {
			err = s.message("heartbeat", "", beat{
				HeadPosition: b.GetHead().GetSize(), Root: b.GetHead().GetRoot(), Epoch: b.GetHead().GetEpoch(),
				Cursor: b.GetCursor(), Checkpoint: string(b.GetCheckpoint()), Time: b.GetTime().AsTime().Format(time.RFC3339Nano),
			})
			s.flush()
		}
		if err == nil && s.err == nil {
			m, err = watch.Recv()
		}
	}
	if s.err == nil {
		s.text.Reset()
		_ = s.message("error", "", problemOf(err))
		s.flush()
	}
}

// commit prints the events of a commit.
func (s *sender) commit(c *feedv1.Commit, register cloudevent.Register) error {
	events, err := register.Events(c)
	if err != nil {
		return err
	}
	for i, e := range events {
		id := ""
		if e.Cursor != "" { // the end of the commit, also where a filter left that out
			end := c.GetRecords()[i].GetPosition() + uint64(max(e.CommitSize, 1)-1-e.CommitIndex)
			id = strconv.FormatUint(end, 10)
		}
		if err := s.message("", id, e); err != nil {
			return err
		}
	}
	return nil
}

// message prints one message; without a kind it is an event of the log.
func (s *sender) message(kind, id string, data any) error {
	line, err := encode(data)
	if err != nil {
		return err
	}
	if kind != "" {
		s.printf("event: %s\n", kind)
	}
	if id != "" {
		s.printf("id: %s\n", id)
	}
	s.printf("data: %s\n", line) // which ends with a line's end
	return nil
}

package web

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/transparency-dev/formats/proof"
	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"maillage/proto/cloudevent"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	"maillage/proto/merkle"
	"maillage/services/fault"
)

const (
	batchType  = "application/cloudevents-batch+json"
	singleType = "application/cloudevents+json"
	maxWait    = 60 // seconds
	maxSize    = 10_000
)

// page is a page of the feed.
type page struct {
	Events []*cloudevent.Event `json:"events"`
	// HeadPosition is the last position that can be read.
	HeadPosition uint64 `json:"headPosition,string"`
	// NextAfter is the position to go on after, NextCursor the same as a cursor.
	NextAfter  uint64 `json:"nextAfter,string"`
	NextCursor string `json:"nextCursor"`
	More       bool   `json:"more"`
	// Filtered says that a filter chose the events: what it left out cannot be proved.
	Filtered bool `json:"filtered"`
}

// parameters are those of a request, all of them known ones, given once where they are not
// lists. The names of the schemas, page_size, stand for those of JSON, pageSize.
func parameters(r *http.Request, single, lists []string) (url.Values, error) {
	given, err := queryOf(r)
	if err != nil {
		return nil, err
	}
	values := url.Values{}
	for given, texts := range given {
		name := jsonPath(given)
		switch {
		case slices.Contains(lists, name):
			for _, text := range texts {
				values[name] = append(values[name], strings.Split(text, ",")...)
			}
		case !slices.Contains(single, name):
			return nil, fault.New(fault.Invalid, "REQUEST_INVALID", given, "the feed has no such parameter: see /openapi.json")
		case len(texts) > 1 || values.Has(name):
			return nil, fault.New(fault.Invalid, "REQUEST_INVALID", given, "it is given twice")
		default:
			values[name] = texts
		}
	}
	if values.Get("after") != "" && values.Get("cursor") != "" {
		return nil, fault.New(fault.Invalid, "REQUEST_INVALID", "cursor", "a place is a cursor or a position, not both")
	}
	return values, nil
}

var filters = []string{"contexts", "kinds", "ids"}

// filterOf is the filter that parameters ask for, nil for none.
func filterOf(values url.Values) *feedv1.Filter {
	f := &feedv1.Filter{Contexts: values["contexts"], Kinds: values["kinds"], Ids: values["ids"]}
	if len(f.GetContexts())+len(f.GetKinds())+len(f.GetIds()) == 0 {
		return nil
	}
	return f
}

// number is a parameter that is a whole number up to a limit, 0 where it is left out.
func number(values url.Values, name string, limit uint64) (uint64, error) {
	text := values.Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n > limit {
		return 0, fault.New(fault.Invalid, "REQUEST_INVALID", name, "%q is no whole number up to %d", text, limit)
	}
	return n, nil
}

const noLimit = 1<<64 - 1

// listRequest reads what page is asked for, and for how long to wait for it.
func listRequest(values url.Values) (req *feedv1.ListEventsRequest, wait time.Duration, err error) {
	after, err1 := number(values, "after", noLimit)
	size, err2 := number(values, "pageSize", maxSize)
	least, err3 := number(values, "minPosition", noLimit)
	seconds, err4 := number(values, "wait", maxWait)
	if err := cmp.Or(err1, err2, err3, err4); err != nil {
		return nil, 0, err
	}
	req = &feedv1.ListEventsRequest{
		From: &feedv1.ListEventsRequest_After{After: after}, Filter: filterOf(values), PageSize: uint32(size), MinPosition: least,
	}
	if c := values.Get("cursor"); c != "" {
		req.From = &feedv1.ListEventsRequest_Cursor{Cursor: c}
	}
	return req, time.Duration(seconds) * time.Second, nil
}

// listEvents answers with a page of the feed.
func (h *Handler) listEvents(w http.ResponseWriter, r *http.Request) {
	var req *feedv1.ListEventsRequest
	var wait time.Duration
	values, err := parameters(r, []string{"after", "cursor", "pageSize", "minPosition", "wait", "proof"}, filters)
	if err == nil {
		req, wait, err = listRequest(values)
	}
	if err != nil {
		problemOf(err).write(w)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), deadline+max(wait, patienceOf(r)))
	defer cancel()
	at, err := h.ledger.GetStatus(ctx, &ledgerv1.GetStatusRequest{})
	if err != nil {
		problemOf(err).write(w)
		return
	}
	media := "application/json"
	if accepts(r, batchType) {
		media = batchType
	}
	w.Header().Add("Vary", "Accept")
	base := h.base(r)
	tag := func(head uint64) string {
		return fmt.Sprintf(`W/"%d-%s"`, head, digest(contractTag, base, media, values.Encode(), strconv.FormatUint(at.GetHead().GetEpoch(), 10)))
	}
	if wait == 0 && at.GetHalted() == "" && matches(r, tag(at.GetHead().GetSize())) {
		tellPage(w, at.GetHead().GetSize(), tag)
		w.WriteHeader(http.StatusNotModified)
		return
	}
	patience := patienceOf(r)
	if values.Has("wait") {
		patience = wait
	}
	var resp *feedv1.ListEventsResponse
	if err = h.await(ctx, at, values, patience); err == nil {
		resp, err = h.page(ctx, req, wait)
	}
	if err != nil {
		problemOf(err).write(w)
		return
	}
	events := []*cloudevent.Event{} // of none the list is empty, not absent
	register := cloudevent.Register{LogID: at.GetLogId(), Schemas: base + "/schemas"}
	for _, c := range resp.GetCommits() {
		some, err := register.Events(c)
		if err != nil {
			unwritable(w, r, err)
			return
		}
		events = append(events, some...)
	}
	if err := h.prove(ctx, values, events...); err != nil {
		problemOf(err).write(w)
		return
	}
	tellPage(w, resp.GetHeadPosition(), tag)
	values.Del("after")
	values.Del("minPosition")
	values.Set("cursor", resp.GetNextCursor())
	w.Header().Set("Link", "<"+r.URL.Path+"?"+values.Encode()+`>; rel="next"`)
	if media == batchType {
		writeJSON(w, media, events)
		return
	}
	writeJSON(w, media, page{
		Events: events, HeadPosition: resp.GetHeadPosition(), NextAfter: resp.GetNextAfter(),
		NextCursor: resp.GetNextCursor(), More: resp.GetMore(), Filtered: req.GetFilter() != nil,
	})
}

func tellPage(w http.ResponseWriter, head uint64, tag func(uint64) string) {
	w.Header().Set(positionHeader, strconv.FormatUint(head, 10))
	w.Header().Set("Cache-Control", "public, no-cache")
	w.Header().Set("ETag", tag(head))
}

// page asks for a page; while there is nothing to list it waits.
func (h *Handler) page(ctx context.Context, req *feedv1.ListEventsRequest, wait time.Duration) (*feedv1.ListEventsResponse, error) {
	resp, err := h.feed.ListEvents(ctx, req)
	if err != nil || wait == 0 {
		return resp, err
	}
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	defer h.untilStop(cancel)()
	for len(resp.GetCommits()) == 0 {
		if !resp.GetMore() {
			req.MinPosition = resp.GetNextAfter() + 1
		}
		req.From = &feedv1.ListEventsRequest_Cursor{Cursor: resp.GetNextCursor()}
		next, err := h.feed.ListEvents(waiting, req)
		if err != nil {
			if own, ok := fault.FromStatus(err); waiting.Err() != nil || ok && own.Reason == "POSITION_NOT_REACHED" || status.Code(err) == codes.DeadlineExceeded {
				return resp, nil // nothing came
			}
			return nil, err
		}
		resp = next
	}
	return resp, nil
}

// untilStop calls f when the process begins to stop, unless the result is called before.
func (h *Handler) untilStop(f func()) (forget func()) {
	done := make(chan struct{})
	go func() {
		select {
		case <-h.config.Stopping:
			f()
		case <-done:
		}
	}()
	return func() { close(done) }
}

// getEvent answers with one event.
func (h *Handler) getEvent(w http.ResponseWriter, r *http.Request) {
	values, err := parameters(r, []string{"minPosition", "proof"}, nil)
	var position, least uint64
	if err == nil {
		position, err = number(url.Values{"position": {r.PathValue("position")}}, "position", noLimit)
	}
	if err == nil {
		least, err = number(values, "minPosition", noLimit)
	}
	if err != nil {
		problemOf(err).write(w)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), deadline+patienceOf(r))
	defer cancel()
	at, err := h.ledger.GetStatus(ctx, &ledgerv1.GetStatusRequest{})
	if err != nil {
		problemOf(err).write(w)
		return
	}
	if err := h.await(ctx, at, values, patienceOf(r)); err != nil {
		problemOf(err).write(w)
		return
	}
	if head := max(at.GetHead().GetSize(), least); position == 0 || position > head {
		unknown := newProblem(http.StatusNotFound, "EVENT_UNKNOWN", "position", fmt.Sprintf("positions are 1 to %d", at.GetHead().GetSize()))
		unknown.Position = at.GetHead().GetSize()
		unknown.write(w)
		return
	}
	resp, err := h.feed.ListEvents(ctx, &feedv1.ListEventsRequest{
		From: &feedv1.ListEventsRequest_After{After: position - 1}, PageSize: 1, MinPosition: least,
	})
	if err != nil {
		problemOf(err).write(w)
		return
	}
	register := cloudevent.Register{LogID: at.GetLogId(), Schemas: h.base(r) + "/schemas"}
	for _, c := range resp.GetCommits() {
		events, err := register.Events(c)
		if err != nil {
			unwritable(w, r, err)
			return
		}
		for i, record := range c.GetRecords() {
			if record.GetPosition() != position {
				continue
			}
			if err := h.prove(ctx, values, events[i]); err != nil {
				problemOf(err).write(w)
				return
			}
			writeEvent(w, r, record, events[i])
			return
		}
	}
	newProblem(http.StatusNotFound, "EVENT_UNKNOWN", "position", "no such event").write(w)
}

// prove puts into events the proof that they are in the log, where the parameter proof is 1.
// A proof is good for ever, though later ones lead to later checkpoints.
func (h *Handler) prove(ctx context.Context, values url.Values, events ...*cloudevent.Event) error {
	asked, err := number(values, "proof", 1)
	if err != nil || asked == 0 {
		return err
	}
	for _, e := range events {
		position, err := strconv.ParseUint(e.ID, 10, 64)
		if err != nil {
			return err
		}
		r, err := h.proofs.GetInclusionProof(ctx, &ledgerv1.GetInclusionProofRequest{Position: position})
		if err != nil {
			return err
		}
		p := proof.TLogProof{Index: r.GetLeafIndex(), Checkpoint: r.GetCheckpoint()}
		for _, hash := range r.GetHashes() {
			p.Hashes = append(p.Hashes, tlog.Hash(hash))
		}
		e.TlogProof = string(p.Marshal())
	}
	return nil
}

// writeEvent answers with an event, which never changes.
func writeEvent(w http.ResponseWriter, r *http.Request, record *feedv1.Record, e *cloudevent.Event) {
	leaf := tlog.RecordHash(merkle.AppendLeaf(nil, record.GetPosition(), record.GetSubject(), record.GetBody()))
	tag := `W/"` + digest(contractTag, leaf.String(), e.DataSchema, e.Cursor, strconv.FormatBool(e.TlogProof != "")) + `"`
	w.Header().Set(positionHeader, e.ID)
	w.Header().Set("Cache-Control", "public, max-age=3600")
	w.Header().Set("ETag", tag)
	if matches(r, tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	writeJSON(w, singleType, e)
}

// unwritable is for a record that is no event, which no process of ours writes.
func unwritable(w http.ResponseWriter, r *http.Request, err error) {
	slog.ErrorContext(r.Context(), "an event cannot be written as JSON", "err", err)
	problemOf(err).write(w)
}

// writeJSON answers with v, whose text is as it is: no character of it is escaped for HTML.
func writeJSON(w http.ResponseWriter, media string, v any) {
	body, err := encode(v)
	if err != nil {
		problemOf(err).write(w)
		return
	}
	w.Header().Set("Content-Type", media)
	_, _ = w.Write(body) // who asked has left
}

// encode is v as JSON in one line.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

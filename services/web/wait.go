package web

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	feedv1 "maillage/proto/gen/maillage/feed/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	"maillage/services/fault"
)

// shortly is how long a position that cannot be read yet is waited for, unless the caller
// says otherwise: another process may have answered with it a moment ago.
const shortly = 2 * time.Second

// patienceOf is how long a caller waits for a position: as his header Prefer says (RFC 7240,
// wait=SECONDS), of which 60 are the most.
func patienceOf(r *http.Request) time.Duration {
	for _, line := range r.Header.Values("Prefer") {
		for one := range strings.FieldsFuncSeq(line, func(c rune) bool { return c == ',' || c == ';' }) {
			name, value, _ := strings.Cut(strings.TrimSpace(one), "=")
			seconds, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 32)
			if err == nil && strings.EqualFold(strings.TrimSpace(name), "wait") {
				return time.Duration(min(seconds, maxWait)) * time.Second
			}
		}
	}
	return shortly
}

// awaited is the latest position that parameters wait for, and which of them does.
func awaited(values url.Values) (position uint64, field string) {
	for name, texts := range values {
		last := jsonPath(name[strings.LastIndexByte(name, '.')+1:])
		if last != "minPosition" && last != "after" {
			continue
		}
		if n, err := strconv.ParseUint(texts[0], 10, 64); err == nil && n > position {
			position, field = n, name
		}
	}
	return position, field
}

// await waits for a position that is beyond the head, and no longer than a caller wants.
func (h *Handler) await(ctx context.Context, at *ledgerv1.GetStatusResponse, values url.Values, patience time.Duration) error {
	head := at.GetHead().GetSize()
	position, field := awaited(values)
	if position <= head || at.GetHalted() != "" { // why it halted the answer itself says
		return nil
	}
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	defer h.untilStop(cancel)()
	_, err := h.feed.ListEvents(waiting, &feedv1.ListEventsRequest{From: &feedv1.ListEventsRequest_After{After: head}, PageSize: 1, MinPosition: position})
	own, ok := fault.FromStatus(err)
	switch {
	case err == nil, ctx.Err() != nil:
		return err
	case ok && own.Reason == "POSITION_NOT_REACHED", waiting.Err() != nil, status.Code(err) == codes.DeadlineExceeded:
		late := fault.New(fault.Unavailable, "POSITION_NOT_REACHED", field, "position %d cannot be read yet, the last one that can is %d", position, head)
		late.Position = position
		return late
	}
	return err
}

package web

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"maillage/services/fault"
)

// problem is an error as RFC 9457 has it, with our own members.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	// Reason is stable, in capitals. It is also the end of Type.
	Reason string `json:"reason"`
	// Field is the parameter or field at fault, with the names of JSON.
	Field string `json:"field,omitempty"`
	// Position is that of the log which is concerned.
	Position uint64 `json:"position,omitempty,string"`
}

func newProblem(code int, reason, field, detail string) *problem {
	return &problem{
		Type: "urn:maillage:problem:" + reason, Title: http.StatusText(code), Status: code,
		Detail: detail, Reason: reason, Field: jsonPath(field),
	}
}

// Problem answers with an error as RFC 9457 has it; what is not one of ours says nothing of
// itself.
func Problem(w http.ResponseWriter, err error) { problemOf(err).write(w) }

// problemOf is the problem that an error of a call is.
func problemOf(err error) *problem {
	own, ok := fault.FromStatus(err)
	if ok {
		p := newProblem(statusOf(codes.Code(own.Kind), own.Reason), own.Reason, own.Field, own.Message)
		p.Position = own.Position
		return p
	}
	st := status.Convert(err)
	code, reason, detail := statusOf(st.Code(), ""), "INTERNAL", "internal error"
	switch st.Code() {
	case codes.InvalidArgument: // of the gateway, whose words are about its code
		reason, detail = "REQUEST_INVALID", "a parameter cannot be read, or two of them exclude each other: see /openapi.json"
	case codes.Unimplemented:
		reason, detail = "NOT_OFFERED", "this process does not offer it: ask one that offers the registry"
	case codes.DeadlineExceeded:
		reason, detail = "DEADLINE_EXCEEDED", "it took too long"
	case codes.Unavailable:
		reason, detail = "UNAVAILABLE", "the process cannot be asked now"
	case codes.Canceled:
		reason, detail = "CANCELED", "the call was ended"
	}
	return newProblem(code, reason, "", detail)
}

// statusOf is the status of HTTP for an error.
func statusOf(code codes.Code, reason string) int {
	switch {
	case reason == "LOG_FORKED": // what the cursor stands for is no more
		return http.StatusGone
	case reason == "RANGE_INVALID":
		return http.StatusRequestedRangeNotSatisfiable
	case code == codes.FailedPrecondition:
		return http.StatusConflict
	}
	return runtime.HTTPStatusFromCode(code)
}

// jsonPath is the path of a field with the names of JSON. The filter of a feed has no name
// of its own among parameters.
func jsonPath(field string) string {
	field = strings.TrimPrefix(field, "filter.")
	var b strings.Builder
	upper := false
	for _, r := range field {
		switch {
		case r == '_':
			upper = true
		case upper:
			b.WriteString(strings.ToUpper(string(r)))
			upper = false
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// write answers with the problem.
func (p *problem) write(w http.ResponseWriter) {
	body, err := json.Marshal(p)
	if err != nil { // text and numbers: it cannot fail
		http.Error(w, p.Title, p.Status)
		return
	}
	h := w.Header()
	h.Del("ETag")
	h.Del("Content-Length")
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	if p.Status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "1")
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n')) // who asked has left
}

// Package fault is the one error type that crosses a service's edge: a kind, a
// stable reason in capitals, the field or position at fault, and a sentence.
package fault

import (
	"errors"
	"fmt"
	"strconv"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Domain is the domain of every reason (google.rpc.ErrorInfo.domain).
const Domain = "maillage"

// Kind says who must act on an error.
type Kind codes.Code

// The kinds, each one gRPC code.
const (
	Invalid     = Kind(codes.InvalidArgument)    // the request is malformed
	NotFound    = Kind(codes.NotFound)           // an id is unknown
	Refused     = Kind(codes.FailedPrecondition) // a rule refuses it
	Conflict    = Kind(codes.Aborted)            // the log kept moving: try again
	Unavailable = Kind(codes.Unavailable)        // a part is not ready: try again
	Damaged     = Kind(codes.DataLoss)           // history is missing or altered
)

// Error is a refusal or failure that a caller can act on.
type Error struct {
	Kind     Kind
	Reason   string // stable, in capitals: ESTABLISHMENT_UNKNOWN
	Field    string // path of the field at fault, as lines[3].granted.role; may be empty
	Position uint64 // position of the log concerned; 0 for none
	Message  string // English sentence
}

// New returns an error about a field; field may be empty.
func New(kind Kind, reason, field, format string, args ...any) *Error {
	return &Error{Kind: kind, Reason: reason, Field: field, Message: fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string {
	if e.Field != "" {
		return e.Reason + ": " + e.Field + ": " + e.Message
	}
	return e.Reason + ": " + e.Message
}

// GRPCStatus makes the error a gRPC status with an ErrorInfo and, where a field is
// at fault, a BadRequest.
func (e *Error) GRPCStatus() *status.Status {
	info := &errdetails.ErrorInfo{Reason: e.Reason, Domain: Domain, Metadata: map[string]string{}}
	if e.Field != "" {
		info.Metadata["field"] = e.Field
	}
	if e.Position != 0 {
		info.Metadata["position"] = strconv.FormatUint(e.Position, 10)
	}
	st := status.New(codes.Code(e.Kind), e.Message)
	with, err := st.WithDetails(info)
	if err != nil {
		return st
	}
	if e.Field == "" {
		return with
	}
	bad := &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
		{Field: e.Field, Description: e.Message, Reason: e.Reason},
	}}
	if both, err := with.WithDetails(bad); err == nil {
		return both
	}
	return with
}

// FromStatus reads an Error back from what a gRPC call returned; ok is false
// where the error carries no reason of ours.
func FromStatus(err error) (e *Error, ok bool) {
	if own, is := errors.AsType[*Error](err); is {
		return own, true
	}
	st, is := status.FromError(err)
	if !is {
		return nil, false
	}
	for _, d := range st.Details() {
		if info, is := d.(*errdetails.ErrorInfo); is && info.GetDomain() == Domain {
			p, _ := strconv.ParseUint(info.GetMetadata()["position"], 10, 64)
			return &Error{Kind: Kind(st.Code()), Reason: info.GetReason(), Field: info.GetMetadata()["field"], Position: p, Message: st.Message()}, true
		}
	}
	return nil, false
}

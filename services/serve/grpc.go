package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"buf.build/go/protovalidate"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protopath"
	"google.golang.org/protobuf/reflect/protorange"
	"google.golang.org/protobuf/reflect/protoreflect"

	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	"maillage/services/fault"
	"maillage/services/projection"
	"maillage/services/registry"
)

// maxRequest is the greatest request that is read, in bytes: an act of 10,000 lines
// takes about half.
const maxRequest = 16 << 20

// streamWorkers is how many goroutines take calls one after the other: a new one for each
// call would grow its stack each time. Calls beyond that get one of their own.
const streamWorkers = 64

// NewServer returns a gRPC server that traces, recovers, validates by the rules in
// the schema, and gives every error its status. admit comes before the rules; nil lets
// everybody in.
func NewServer(admit grpc.UnaryServerInterceptor) (*grpc.Server, error) {
	validator, err := protovalidate.New()
	if err != nil {
		return nil, fmt.Errorf("validation rules: %w", err)
	}
	valid := validate(validator)
	if admit == nil {
		admit = func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			return next(ctx, req)
		}
	}
	return grpc.NewServer(
		grpc.MaxRecvMsgSize(maxRequest),
		grpc.NumStreamWorkers(streamWorkers),
		grpc.StatsHandler(otelgrpc.NewServerHandler()),
		grpc.ChainUnaryInterceptor(edge, admit, valid),
		grpc.StreamInterceptor(eachStream(edge, admit, valid)),
	), nil
}

// eachStream applies to the one request of a stream of answers, which is the only kind
// there is, what is applied to a call; the stream is the rest of that call.
func eachStream(steps ...grpc.UnaryServerInterceptor) grpc.StreamServerInterceptor {
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
		if info.IsClientStream { // reflection: nothing of ours
			return next(srv, stream)
		}
		call := &grpc.UnaryServerInfo{Server: srv, FullMethod: info.FullMethod}
		checked := &checkedStream{ServerStream: stream}
		_, err := steps[0](stream.Context(), nil, call, func(ctx context.Context, _ any) (any, error) {
			checked.check = func(req any) error {
				last := grpc.UnaryHandler(func(context.Context, any) (any, error) { return nil, nil })
				for _, step := range slices.Backward(steps[1:]) {
					after := last
					last = func(ctx context.Context, req any) (any, error) { return step(ctx, req, call, after) }
				}
				_, err := last(ctx, req)
				return err
			}
			return nil, next(srv, checked)
		})
		return err
	}
}

// checkedStream checks the request as it is read.
type checkedStream struct {
	grpc.ServerStream
	check func(req any) error
}

// RecvMsg reads the request.
func (s *checkedStream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	return s.check(m)
}

// edge turns a panic into an internal error and every error into a status. What is
// not one of ours is logged and not shown.
func edge(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (resp any, err error) {
	defer func() {
		if v := recover(); v != nil {
			slog.ErrorContext(ctx, "panic", "method", info.FullMethod, "panic", v, "stack", string(debug.Stack()))
			resp, err = nil, status.Error(codes.Internal, "internal error")
		}
	}()
	resp, err = next(ctx, req)
	if err == nil {
		return resp, nil
	}
	if own, ok := errors.AsType[*fault.Error](err); ok {
		return nil, own.GRPCStatus().Err()
	}
	if st, ok := status.FromError(err); ok {
		return nil, st.Err()
	}
	if ctx.Err() != nil {
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	slog.ErrorContext(ctx, "internal error", "method", info.FullMethod, "err", err)
	return nil, status.Error(codes.Internal, "internal error")
}

// validate refuses a request that breaks a rule of its schema, or holds what no page
// prints, naming the first field at fault.
func validate(v protovalidate.Validator) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		m, ok := req.(proto.Message)
		if !ok {
			return next(ctx, req)
		}
		err := v.Validate(m)
		if err == nil {
			if err := printable(m); err != nil {
				return nil, err
			}
			return next(ctx, req)
		}
		bad, ok := errors.AsType[*protovalidate.ValidationError](err)
		if !ok || len(bad.Violations) == 0 {
			return nil, err
		}
		first := bad.Violations[0].Proto
		return nil, fault.New(fault.Invalid, "REQUEST_INVALID", protovalidate.FieldPathString(first.GetField()), "%s", first.GetMessage())
	}
}

// freeNote is the one field whose text may have lines and columns.
const freeNote = protoreflect.FullName("maillage.event.v1.Basis.note")

// printable refuses a request with a control character in a string: CONTROL_CHARACTER.
// None is part of a name, a number or a title, and written down for ever it would move
// the cursor of every terminal that shows it. Strings that are not UTF-8 do not come
// here: they are refused when the request is decoded.
func printable(m proto.Message) error {
	if isPlain(m.ProtoReflect()) {
		return nil
	}
	return protorange.Options{Stable: true}.Range(m.ProtoReflect(), func(p protopath.Values) error {
		text, ok := p.Index(-1).Value.Interface().(string)
		if !ok {
			return nil
		}
		at := strings.IndexFunc(text, unicode.IsControl)
		if at >= 0 && fieldOf(p.Path) == freeNote {
			at = strings.IndexFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' })
		}
		if at < 0 {
			return nil
		}
		char, _ := utf8.DecodeRuneInString(text[at:])
		path := strings.TrimPrefix(p.Path[1:].String(), ".")
		return fault.New(fault.Invalid, "CONTROL_CHARACTER", path, "It holds the control character %U, %d bytes from its start.", char, at)
	}, nil)
}

// isPlain reports whether no string within a message has a control character, as in
// nearly all requests: that takes less than half the time of naming the field that has one.
// False says only that it is not sure.
func isPlain(m protoreflect.Message) bool {
	plain := true
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		one := func(v protoreflect.Value) bool {
			if f.Message() != nil {
				return isPlain(v.Message())
			}
			return strings.IndexFunc(v.String(), unicode.IsControl) < 0
		}
		switch {
		case f.IsMap():
			plain = false
		case f.Message() == nil && f.Kind() != protoreflect.StringKind:
		case f.IsList():
			for i := 0; plain && i < v.List().Len(); i++ {
				plain = one(v.List().Get(i))
			}
		default:
			plain = one(v)
		}
		return plain
	})
	return plain
}

// fieldOf is the field that a path leads to, or into.
func fieldOf(p protopath.Path) protoreflect.FullName {
	for _, step := range slices.Backward(p) {
		if step.Kind() == protopath.FieldAccessStep {
			return step.FieldDescriptor().FullName()
		}
	}
	return ""
}

// statusServer implements ledgerv1.LedgerServiceServer.
type statusServer struct {
	ledgerv1.UnsafeLedgerServiceServer
	p *process
}

// GetStatus implements ledgerv1.LedgerServiceServer. It answers also when the
// process is halted: it says why.
func (s *statusServer) GetStatus(context.Context, *ledgerv1.GetStatusRequest) (*ledgerv1.GetStatusResponse, error) {
	progress := s.p.runner.Progress()
	out := &ledgerv1.GetStatusResponse{Head: progress.Gate.Proto(), FoldedPosition: progress.Folded, LogId: s.p.logID()}
	if progress.Halted != nil {
		out.Halted = progress.Halted.Error()
	}
	out.Kept = s.p.kept(s.p.runner)
	out.MissingWitnesses = s.p.signing.missing()
	return out, nil
}

// kept is the ledger of this process, nil where it keeps none.
func (p *process) kept(runner *projection.Runner) *ledgerv1.KeptLedger {
	if p.store == nil {
		return nil
	}
	head := p.store.Head()
	announced := runner.Progress().Announced
	return &ledgerv1.KeptLedger{Head: head.Proto(), Follows: p.config.Follow, Lag: announced - min(announced, head.Size)}
}

// GetStateDigest implements ledgerv1.LedgerServiceServer.
func (s *statusServer) GetStateDigest(ctx context.Context, req *ledgerv1.GetStateDigestRequest) (*ledgerv1.GetStateDigestResponse, error) {
	runner, at := s.p.runner, req.GetPosition()
	if at > 0 { // a position that can be read is the same commit's end for ever
		if err := runner.View(ctx, at, func(uint64) error { return nil }); err != nil {
			return nil, err
		}
		at = runner.CommitEnd(at)
	}
	err := runner.View(ctx, max(req.GetMinPosition(), 1), func(head uint64) error {
		if req.GetPosition() == 0 {
			at = head
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	digest, rows, err := s.p.digests.Of(at, func(f func(*registry.State)) error {
		return runner.View(ctx, at, func(uint64) error {
			f(&s.p.state)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return &ledgerv1.GetStateDigestResponse{Position: at, Digest: digest[:], RowCount: uint64(rows)}, nil
}

// logID is the identity of the log, empty while the process cannot be read.
func (p *process) logID() string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	id, err := p.identify(ctx)
	if err != nil {
		return ""
	}
	return id
}

// identify is the identity of the log.
func (p *process) identify(ctx context.Context) (id string, err error) {
	err = p.runner.View(ctx, 0, func(uint64) error {
		id = p.state.Identity().LogID
		return nil
	})
	if err == nil && id == "" {
		err = errors.New("the log has no identity yet")
	}
	return id, err
}

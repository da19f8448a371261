// Package route leads a client's calls to the processes that serve the parts of the
// register, wherever each runs, and on to another that serves the same part when one
// cannot answer.
package route

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"maillage/services/fault"
	"maillage/services/submit"
)

// redial is the longest time between two attempts to reach a process.
const redial = time.Second

// Conn is one connection to all parts of a register. It is a grpc.ClientConnInterface,
// safe for concurrent use.
//
// What it has been told of at a position, by whichever process, every later call sees:
// the call waits there until that position can be read.
type Conn struct {
	parts    map[string]*replicas
	rest     *replicas // of the parts not named
	conns    []*grpc.ClientConn
	position atomic.Uint64 // the last that it was told of
}

var _ grpc.ClientConnInterface = (*Conn)(nil)

// replicas are the processes that serve a part, in the order given.
type replicas struct {
	conns []*grpc.ClientConn
	turn  atomic.Int64 // index of the one to ask first
}

// Unreachable says that no process of a part could be reached.
type Unreachable struct {
	Part      string
	Addresses string // host:port, separated by commas
	err       error
}

func (e *Unreachable) Error() string {
	return fmt.Sprintf("%s at %s: %v", e.Part, e.Addresses, e.err)
}

func (e *Unreachable) Unwrap() error { return e.err }

// GRPCStatus is the status of the last attempt.
func (e *Unreachable) GRPCStatus() *status.Status { return status.Convert(e.err) }

// Dial returns a connection to addresses, which are reached when they are first used:
// HOST:PORT for everything, or PART=HOST:PORT, several separated by commas. A part not
// named is at the addresses without a part, or at the first where there are none; one
// named twice has two replicas. A part that is none of parts is an error.
func Dial(addresses string, parts []string, opts ...grpc.DialOption) (*Conn, error) {
	c := &Conn{parts: map[string]*replicas{}}
	opts = append(slices.Clip(opts), grpc.WithConnectParams(grpc.ConnectParams{
		Backoff: backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: redial}, MinConnectTimeout: 5 * time.Second,
	}))
	byAddress := map[string]*grpc.ClientConn{}
	for entry := range strings.SplitSeq(addresses, ",") {
		part, address, named := strings.Cut(strings.TrimSpace(entry), "=")
		if !named {
			part, address = "", part
		} else if !slices.Contains(parts, part) {
			return nil, errors.Join(fmt.Errorf("%q is no part; parts are %s", part, strings.Join(parts, ", ")), c.Close())
		}
		conn := byAddress[address]
		if conn == nil {
			if address == "" {
				return nil, errors.Join(errors.New("an address is empty"), c.Close())
			}
			var err error
			if conn, err = grpc.NewClient(address, opts...); err != nil {
				return nil, errors.Join(fmt.Errorf("address %q: %w", address, err), c.Close())
			}
			byAddress[address] = conn
			c.conns = append(c.conns, conn)
		}
		if c.parts[part] == nil {
			c.parts[part] = &replicas{}
		}
		c.parts[part].conns = append(c.parts[part].conns, conn)
	}
	if c.rest = c.parts[""]; c.rest == nil {
		c.rest = &replicas{conns: c.conns[:1]}
	}
	return c, nil
}

// Close ends the connections.
func (c *Conn) Close() error {
	var errs []error
	for _, conn := range c.conns {
		errs = append(errs, conn.Close())
	}
	return errors.Join(errs...)
}

// Invoke implements grpc.ClientConnInterface. Where a process is unavailable the others of
// its part are asked, each once. A command is then the same one to all of them, under one
// request id, which is minted here where it has none.
func (c *Conn) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	part := partOf(method)
	r := c.of(part)
	if len(r.conns) > 1 {
		args = identified(args)
	}
	var err error
	for range r.conns {
		at := r.turn.Load()
		err = r.conns[at].Invoke(c.after(ctx, part), method, args, reply, opts...)
		if err == nil {
			c.told(reply)
		}
		if status.Code(err) != codes.Unavailable {
			return err
		}
		r.turn.CompareAndSwap(at, (at+1)%int64(len(r.conns)))
		if ctx.Err() != nil {
			break
		}
	}
	if _, reasoned := fault.FromStatus(err); reasoned {
		return err
	}
	return &Unreachable{Part: part, Addresses: r.addresses(), err: err}
}

// NewStream implements grpc.ClientConnInterface; the stream stays with one process.
func (c *Conn) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	r := c.of(partOf(method))
	return r.conns[r.turn.Load()].NewStream(ctx, desc, method, opts...)
}

// partOf is the part that serves a method, /maillage.<part>.v1.<service>/<rpc>. The feed is
// served with the registry.
func partOf(method string) string {
	part, _, _ := strings.Cut(strings.TrimPrefix(method, "/maillage."), ".")
	switch {
	case strings.HasPrefix(method, "/maillage.feed.v1.ConsumerService/"):
		return "ledger"
	case part == "feed":
		return "registry"
	}
	return part
}

func (c *Conn) of(part string) *replicas {
	if r := c.parts[part]; r != nil {
		return r
	}
	return c.rest
}

func (r *replicas) addresses() string {
	var all []string
	for _, conn := range r.conns {
		all = append(all, conn.Target())
	}
	return strings.Join(all, ",")
}

// after states the last position known here. The one process of a register knows it, and
// the ledger's answers for its own process alone.
func (c *Conn) after(ctx context.Context, part string) context.Context {
	if position := c.position.Load(); position > 0 && len(c.conns) > 1 && part != "ledger" {
		return metadata.AppendToOutgoingContext(ctx, submit.AfterKey, strconv.FormatUint(position, 10))
	}
	return ctx
}

// told takes the position of an answer.
func (c *Conn) told(reply any) {
	m, ok := reply.(proto.Message)
	if !ok {
		return
	}
	position := uintOf(m.ProtoReflect(), "position")
	for _, moment := range [...]protoreflect.Name{"resolved", "from", "to"} {
		if f := m.ProtoReflect().Descriptor().Fields().ByName(moment); f != nil && f.Message() != nil && !f.IsList() {
			position = max(position, uintOf(m.ProtoReflect().Get(f).Message(), "head_position"))
		}
	}
	for known := c.position.Load(); position > known && !c.position.CompareAndSwap(known, position); {
		known = c.position.Load()
	}
}

func uintOf(m protoreflect.Message, field protoreflect.Name) uint64 {
	if f := m.Descriptor().Fields().ByName(field); f != nil && f.Kind() == protoreflect.Uint64Kind && !f.IsList() {
		return m.Get(f).Uint()
	}
	return 0
}

// identified is a request that has a request id if its kind has one.
func identified(args any) any {
	m, ok := args.(proto.Message)
	if !ok {
		return args
	}
	f := m.ProtoReflect().Descriptor().Fields().ByName("request_id")
	if f == nil || f.Kind() != protoreflect.StringKind || m.ProtoReflect().Get(f).String() != "" {
		return args
	}
	m = proto.Clone(m)
	m.ProtoReflect().Set(f, protoreflect.ValueOfString(uuid.Must(uuid.NewV7()).String()))
	return m
}

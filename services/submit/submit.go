// Package submit turns a request of a command service into a command: who asks,
// under which request id, with which digest and which personal values. It is what
// the servers of every context share.
package submit

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	"maillage/services/fault"
	"maillage/services/projection"
	"maillage/services/vault"
)

// IdentityKey is the gRPC metadata key under which a development client states
// whom it acts as. It is not verified.
const IdentityKey = "maillage-as"

// headKind is the type of a head of site (responsable médical) in the vault.
const headKind = "head"

// Desk takes the commands of a process.
type Desk struct {
	Runner *projection.Runner
	Vault  *vault.Vault

	accounts sync.Map // identity: account, as the vault has it
}

// request is any request of a command service.
type request interface {
	proto.Message
	GetRequestId() string
}

// Submit has a command decided and appended, and returns its commit. Names are
// those the request gives: they are in the vault before the command is decided,
// and are erased again where it is refused. decide gets them in the same order and
// returns the events; an empty name is a nil value.
func (d *Desk) Submit(ctx context.Context, req request, names []string,
	decide func(heads []*eventv1.PersonalValue) ([]projection.Event, error),
) (projection.Commit, error) {
	actor, err := d.actor(ctx)
	if err != nil {
		return projection.Commit{}, err
	}
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(req)
	if err != nil {
		return projection.Commit{}, err
	}
	cmd := projection.Command{Actor: actor, RequestID: req.GetRequestId(), Digest: d.Vault.Digest(append([]byte(string(proto.MessageName(req))+"\x00"), body...))}
	if cmd.RequestID == "" {
		cmd.RequestID = uuid.Must(uuid.NewV7()).String()
	}
	heads := make([]*eventv1.PersonalValue, len(names))
	if !d.Runner.Done(actor.GetAccount(), cmd.RequestID) {
		if heads, err = d.keep(ctx, names); err != nil {
			return projection.Commit{}, err
		}
	}
	cmd.Decide = func() ([]projection.Event, error) { return decide(heads) }
	commit, err := d.Runner.Do(ctx, cmd)
	if refused(err) {
		d.forget(ctx, heads)
	}
	return commit, err
}

// keep writes the names that are given to the vault.
func (d *Desk) keep(ctx context.Context, names []string) ([]*eventv1.PersonalValue, error) {
	heads := make([]*eventv1.PersonalValue, len(names))
	var given []string
	for _, n := range names {
		if n != "" {
			given = append(given, n)
		}
	}
	if len(given) == 0 {
		return heads, nil
	}
	kept, err := d.Vault.Put(ctx, headKind, given...)
	if err != nil {
		return nil, err
	}
	next := 0
	for i, n := range names {
		if n != "" {
			heads[i] = kept[next]
			next++
		}
	}
	return heads, nil
}

// forget erases the names of a command that was refused: nothing refers to them.
func (d *Desk) forget(ctx context.Context, heads []*eventv1.PersonalValue) {
	for _, h := range heads {
		if h == nil {
			continue
		}
		if err := d.Vault.Erase(h.GetValueId()); err != nil {
			slog.WarnContext(ctx, "a value of a refused command stays in the vault", "value", h.GetValueId(), "err", err)
		}
	}
}

// refused says whether it is certain that nothing was recorded.
func refused(err error) bool {
	e, ok := errors.AsType[*fault.Error](err)
	return ok && (e.Kind == fault.Invalid || e.Kind == fault.NotFound || e.Kind == fault.Refused || e.Kind == fault.Conflict)
}

// actor is the account behind a call.
func (d *Desk) actor(ctx context.Context) (*eventv1.Actor, error) {
	as := metadata.ValueFromIncomingContext(ctx, IdentityKey)
	if len(as) != 1 || as[0] == "" || len(as[0]) > 200 {
		return nil, fault.New(fault.Invalid, "IDENTITY_MISSING", "", "say who records the fact: one value of at most 200 bytes under the metadata key %s", IdentityKey)
	}
	account, known := d.accounts.Load(as[0])
	if !known {
		fresh, err := d.Vault.Account("development", as[0])
		if err != nil {
			return nil, err
		}
		account, _ = d.accounts.LoadOrStore(as[0], fresh)
	}
	return &eventv1.Actor{Account: account.(string), Role: "officer", Assurance: eventv1.Assurance_ASSURANCE_DEVELOPMENT}, nil
}

// Connect returns an interceptor that states whom a development client acts as.
func Connect(as string) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, next grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		if as != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, IdentityKey, as)
		}
		return next(ctx, method, req, reply, cc, opts...)
	}
}

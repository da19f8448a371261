// Package submit turns a request of a command service into a command: who asks,
// under which request id, with which digest and which personal values. It is what
// the servers of every context share.
package submit

import (
	"bytes"
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

// AfterKey is the gRPC metadata key under which a client states the last position that
// it was told of, by whichever process: the call waits until that can be read.
const AfterKey = "maillage-after"

// headKind is the type of a head of site (responsable médical) in the vault.
const headKind = "head"

// Desk takes the commands of one part of a process.
type Desk struct {
	Runner *projection.Runner
	Vault  *vault.Vault
	Rights projection.Rights // of the part

	accounts sync.Map // identity: account, as the vault has it
}

// Request is any request of a command service. Its law: the request id that an account
// once used names that request for good; another one under it is refused.
type Request interface {
	proto.Message
	GetRequestId() string
}

// Keep puts the personal values of a command into the vault. On an error it returns
// those that were put before it.
type Keep func(ctx context.Context) ([]*eventv1.PersonalValue, error)

// Value is a text that belongs to a person, and its type in the vault.
type Value struct{ Kind, Text string }

// Names is [Desk.Values] for names of heads as printed.
func (d *Desk) Names(names ...string) Keep {
	values := make([]Value, len(names))
	for i, n := range names {
		values[i] = Value{headKind, n}
	}
	return d.Values(values...)
}

// Values is the Keep of texts: what stands for each of them, in their order, nil for an
// empty one.
func (d *Desk) Values(values ...Value) Keep {
	return func(ctx context.Context) ([]*eventv1.PersonalValue, error) {
		kept := make([]*eventv1.PersonalValue, len(values))
		texts, places := make(map[string][]string), make(map[string][]int)
		var kinds []string
		for i, v := range values {
			if v.Text == "" {
				continue
			}
			if texts[v.Kind] == nil {
				kinds = append(kinds, v.Kind)
			}
			texts[v.Kind], places[v.Kind] = append(texts[v.Kind], v.Text), append(places[v.Kind], i)
		}
		for _, kind := range kinds {
			put, err := d.Vault.Put(ctx, kind, texts[kind]...)
			if err != nil {
				return kept, err
			}
			for n, i := range places[kind] {
				kept[i] = put[n]
			}
		}
		return kept, nil
	}
}

// Submit has a command decided and appended, and returns its commit. What keep puts,
// nil for nothing, is in the vault before the command is decided, and is erased again
// where it is refused.
func (d *Desk) Submit(ctx context.Context, req Request, keep Keep,
	decide func(kept []*eventv1.PersonalValue) ([]projection.Event, error),
) (projection.Commit, error) {
	cmd, err := d.command(ctx, req)
	if err != nil {
		return projection.Commit{}, err
	}
	var kept []*eventv1.PersonalValue
	if keep != nil && !d.Runner.Done(cmd.Actor.GetAccount(), cmd.RequestID) {
		if kept, err = keep(ctx); err != nil {
			d.Forget(ctx, kept)
			return projection.Commit{}, err
		}
	}
	cmd.Decide = func() ([]projection.Event, error) { return decide(kept) }
	commit, err := d.Runner.Do(ctx, cmd)
	if refused(err) || err == nil && !names(commit, kept) { // or the same request was done meanwhile, perhaps elsewhere
		d.Forget(ctx, kept)
	}
	return commit, err
}

// names says whether a commit refers to any of the values.
func names(c projection.Commit, kept []*eventv1.PersonalValue) bool {
	for _, rec := range c.Records {
		for _, h := range kept {
			if id := h.GetValueId(); id != "" && bytes.Contains(rec.Body, []byte(id)) {
				return true
			}
		}
	}
	return false
}

// SubmitApproved is Submit for a caller who approves what another account prepared: its
// events name both. The two must differ: SAME_PERSON. Personal values were kept when it
// was prepared.
func (d *Desk) SubmitApproved(ctx context.Context, preparer *eventv1.Actor, req Request, decide func() ([]projection.Event, error)) (projection.Commit, error) {
	cmd, err := d.command(ctx, req)
	if err != nil {
		return projection.Commit{}, err
	}
	if preparer.GetAccount() == cmd.Actor.GetAccount() {
		return projection.Commit{}, fault.New(fault.Refused, "SAME_PERSON", "", "Whoever prepared it cannot approve it: another person must.")
	}
	cmd.Preparer, cmd.Decide = preparer, decide
	return d.Runner.Do(ctx, cmd)
}

// command is a request as a command, undecided.
func (d *Desk) command(ctx context.Context, req Request) (projection.Command, error) {
	actor, err := d.Actor(ctx)
	if err != nil {
		return projection.Command{}, err
	}
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(req)
	if err != nil {
		return projection.Command{}, err
	}
	cmd := projection.Command{Actor: actor, RequestID: req.GetRequestId(), Rights: d.Rights, Digest: d.Vault.Digest(append([]byte(string(proto.MessageName(req))+"\x00"), body...))}
	if cmd.RequestID == "" {
		cmd.RequestID = uuid.Must(uuid.NewV7()).String()
	}
	return cmd, nil
}

// Forget erases values of the vault: those of a command that was refused, to which
// nothing refers, or of one that came to nothing.
func (d *Desk) Forget(ctx context.Context, kept []*eventv1.PersonalValue) {
	for _, h := range kept {
		if h.GetValueId() == "" {
			continue
		}
		if err := d.Vault.Erase(h.GetValueId()); err != nil {
			slog.WarnContext(ctx, "a value stays in the vault", "value", h.GetValueId(), "err", err)
		}
	}
}

// refused says whether it is certain that nothing was recorded.
func refused(err error) bool {
	e, ok := errors.AsType[*fault.Error](err)
	return ok && (e.Kind == fault.Invalid || e.Kind == fault.NotFound || e.Kind == fault.Refused || e.Kind == fault.Conflict)
}

// Actor is the account behind a call: IDENTITY_MISSING where that says no name.
func (d *Desk) Actor(ctx context.Context) (*eventv1.Actor, error) {
	as, err := identity(ctx)
	if err != nil {
		return nil, err
	}
	if as == "" {
		return nil, errUnnamed
	}
	account, known := d.accounts.Load(as)
	if !known {
		fresh, err := accountOf(d.Vault, as)
		if err != nil {
			return nil, err
		}
		account, _ = d.accounts.LoadOrStore(as, fresh)
	}
	return &eventv1.Actor{Account: account.(string), Role: "officer", Assurance: eventv1.Assurance_ASSURANCE_DEVELOPMENT}, nil
}

var errUnnamed = fault.New(fault.Invalid, "IDENTITY_MISSING", "", "say who records the fact: one value of at most 200 bytes under the metadata key %s", IdentityKey)

// identity is whom the caller acts as; "" where it says no name.
func identity(ctx context.Context) (string, error) {
	switch as := metadata.ValueFromIncomingContext(ctx, IdentityKey); {
	case len(as) == 0:
		return "", nil
	case len(as) != 1 || len(as[0]) > 200:
		return "", errUnnamed
	default:
		return as[0], nil
	}
}

// accountOf is the account of an identity that nobody verified.
func accountOf(v *vault.Vault, as string) (string, error) { return v.Account("development", as) }

// Connect returns an interceptor that states whom a development client acts as.
func Connect(as string) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, next grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		if as != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, IdentityKey, as)
		}
		return next(ctx, method, req, reply, cc, opts...)
	}
}

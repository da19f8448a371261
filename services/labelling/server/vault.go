package server

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"google.golang.org/protobuf/types/known/timestamppb"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/fault"
	"maillage/services/labelling"
	"maillage/services/submit"
	"maillage/services/vault"
)

const (
	accessPage = 1000
	// maxLooked bounds what a page of accesses looks through, so that it comes in time.
	maxLooked = 200_000
	// maxOpened is about how many bytes of texts an answer holds.
	maxOpened = 16 << 20
)

// Vault implements labellingv1.VaultServiceServer.
type Vault struct {
	labellingv1.UnsafeVaultServiceServer
	desk  *submit.Desk
	state *labelling.State
}

var _ labellingv1.VaultServiceServer = (*Vault)(nil)

// NewVault returns a server about the vault of a desk.
func NewVault(desk *submit.Desk, state *labelling.State) *Vault {
	return &Vault{desk: desk, state: state}
}

// ListAccesses lists who was given which values, by ids alone.
func (s *Vault) ListAccesses(ctx context.Context, req *labellingv1.ListAccessesRequest) (*labellingv1.ListAccessesResponse, error) {
	if _, err := s.desk.Actor(ctx); err != nil {
		return nil, err
	}
	wanted := slices.Clone(req.GetValueIds())
	if person := req.GetPersonId(); person != "" {
		err := s.desk.Runner.View(ctx, 0, func(uint64) error {
			_, names := s.state.PersonsNamed(nil, []string{person})
			wanted = append(append(wanted, person), names...)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	size, looked := int(req.GetPageSize()), 0
	if size == 0 {
		size = accessPage
	}
	out := &labellingv1.ListAccessesResponse{}
	for a, err := range s.desk.Vault.Accesses(req.GetSince().AsTime(), req.GetPageToken()) {
		switch {
		case errors.Is(err, vault.ErrText):
			return nil, fault.New(fault.Invalid, "PAGE_TOKEN_INVALID", "page_token", "This is not the token of a page.")
		case errors.Is(err, vault.ErrAltered):
			slog.WarnContext(ctx, "a line of the record of accesses cannot be read", "err", err)
			out.Damaged++
		case err != nil:
			return nil, err
		default:
			if one := about(a, wanted); one != nil {
				out.Accesses = append(out.Accesses, one)
			}
		}
		if looked++; looked == maxLooked || len(out.GetAccesses()) == size {
			out.NextPageToken = a.Place
			break
		}
		if looked%1000 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return out, nil
}

// about is an access as far as it is to some values, all where there are none; nil where it is
// to none of them.
func about(a vault.Access, wanted []string) *labellingv1.Access {
	values := a.Values
	if len(wanted) > 0 {
		values = slices.DeleteFunc(slices.Clone(values), func(id string) bool { return !slices.Contains(wanted, id) })
		if len(values) == 0 {
			return nil
		}
	}
	return &labellingv1.Access{Time: timestamppb.New(a.Time), Call: a.Call, Account: a.Account, Method: a.Method, ValueIds: values}
}

// OpenValues gives out values with their salts, but for those that stand for accounts and
// persons, to which nothing commits.
func (s *Vault) OpenValues(ctx context.Context, req *labellingv1.OpenValuesRequest) (*labellingv1.OpenValuesResponse, error) {
	if _, err := s.desk.Actor(ctx); err != nil {
		return nil, err
	}
	out, given, size := &labellingv1.OpenValuesResponse{}, []string(nil), 0
	for _, id := range req.GetValueIds() {
		if size >= maxOpened {
			break
		}
		out.LookedUp++
		o, ok, err := s.desk.Vault.Opening(id)
		if err != nil {
			slog.WarnContext(ctx, "a personal value cannot be read", "value", id, "err", err)
		}
		if !ok || o.Kind == accountKind {
			continue
		}
		out.Openings = append(out.Openings, &labellingv1.Opening{ValueId: o.ID, Kind: o.Kind, Salt: o.Salt, Text: o.Text})
		given, size = append(given, id), size+len(o.Text)
	}
	if err := submit.Given(ctx, s.desk.Vault, given); err != nil {
		return nil, err
	}
	return out, nil
}

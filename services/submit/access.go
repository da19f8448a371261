package submit

import (
	"context"
	"log/slog"
	"slices"

	"google.golang.org/grpc"

	"maillage/services/fault"
	"maillage/services/vault"
)

// Given writes down that the caller of ctx is given values of a vault, before that is done. On
// an error, ACCESS_UNRECORDED or IDENTITY_MISSING where the identity is none, it must not be.
func Given(ctx context.Context, v *vault.Vault, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	as, err := identity(ctx)
	if err != nil {
		return err
	}
	account := ""
	if as != "" {
		account, err = accountOf(v, as)
	}
	if err == nil {
		method, _ := grpc.Method(ctx)
		err = v.Record(vault.Access{Account: account, Method: method, Values: slices.Compact(slices.Sorted(slices.Values(ids)))})
	}
	if err != nil {
		slog.ErrorContext(ctx, "an access to personal values cannot be recorded: the call is refused", "err", err)
		return fault.New(fault.Unavailable, "ACCESS_UNRECORDED", "", "The access to the names in this answer cannot be recorded, so it is not given.")
	}
	return nil
}

package server

import (
	"context"

	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/registry/query"
)

// Aliases is the AliasService over queries.
type Aliases struct {
	registryv1.UnsafeAliasServiceServer

	queries *query.Queries
}

var _ registryv1.AliasServiceServer = (*Aliases)(nil)

// NewAliases returns the service over queries.
func NewAliases(queries *query.Queries) *Aliases { return &Aliases{queries: queries} }

// ResolveAlias implements the RPC of that name.
func (s *Aliases) ResolveAlias(ctx context.Context, req *registryv1.ResolveAliasRequest) (*registryv1.ResolveAliasResponse, error) {
	return answer(s.queries.ResolveAlias(ctx, req))
}

// ListAliases implements the RPC of that name.
func (s *Aliases) ListAliases(ctx context.Context, req *registryv1.ListAliasesRequest) (*registryv1.ListAliasesResponse, error) {
	return answer(s.queries.ListAliases(ctx, req))
}

package server

import (
	"context"

	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/registry/query"
)

// Map is the MapService over the queries in memory.
type Map struct {
	registryv1.UnsafeMapServiceServer

	queries *query.Queries
}

var _ registryv1.MapServiceServer = (*Map)(nil)

// NewMap returns the service over queries.
func NewMap(queries *query.Queries) *Map { return &Map{queries: queries} }

// GetMap implements the RPC of that name.
func (s *Map) GetMap(ctx context.Context, req *registryv1.GetMapRequest) (*registryv1.GetMapResponse, error) {
	return answer(s.queries.GetMap(ctx, req))
}

// CompareMaps implements the RPC of that name.
func (s *Map) CompareMaps(ctx context.Context, req *registryv1.CompareMapsRequest) (*registryv1.CompareMapsResponse, error) {
	return answer(s.queries.CompareMaps(ctx, req))
}

// GetDirectory implements the RPC of that name.
func (s *Map) GetDirectory(ctx context.Context, req *registryv1.GetDirectoryRequest) (*registryv1.GetDirectoryResponse, error) {
	return answer(s.queries.GetDirectory(ctx, req))
}

// FindCentres implements the RPC of that name.
func (s *Map) FindCentres(ctx context.Context, req *registryv1.FindCentresRequest) (*registryv1.FindCentresResponse, error) {
	return answer(s.queries.FindCentres(ctx, req))
}

// GetRegion implements the RPC of that name.
func (s *Map) GetRegion(ctx context.Context, req *registryv1.GetRegionRequest) (*registryv1.GetRegionResponse, error) {
	return answer(s.queries.GetRegion(ctx, req))
}

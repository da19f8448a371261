package server

import (
	"context"

	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/registry/query"
)

// ActivityServer is the ActivityQueryService over the queries in memory.
type ActivityServer struct {
	registryv1.UnimplementedActivityQueryServiceServer

	queries *query.Queries
}

var _ registryv1.ActivityQueryServiceServer = (*ActivityServer)(nil)

// NewActivity returns the service over queries.
func NewActivity(queries *query.Queries) *ActivityServer { return &ActivityServer{queries: queries} }

// ListMissions implements the RPC of that name.
func (s *ActivityServer) ListMissions(ctx context.Context, req *registryv1.ListMissionsRequest) (*registryv1.ListMissionsResponse, error) {
	return answer(s.queries.ListMissions(ctx, req))
}

// ListPeriods implements the RPC of that name.
func (s *ActivityServer) ListPeriods(ctx context.Context, req *registryv1.ListPeriodsRequest) (*registryv1.ListPeriodsResponse, error) {
	return answer(s.queries.ListPeriods(ctx, req))
}

// ListReports implements the RPC of that name.
func (s *ActivityServer) ListReports(ctx context.Context, req *registryv1.ListReportsRequest) (*registryv1.ListReportsResponse, error) {
	return answer(s.queries.ListReports(ctx, req))
}

// GetReport implements the RPC of that name.
func (s *ActivityServer) GetReport(ctx context.Context, req *registryv1.GetReportRequest) (*registryv1.GetReportResponse, error) {
	return answer(s.queries.GetReport(ctx, req))
}

// ListUndertakings implements the RPC of that name.
func (s *ActivityServer) ListUndertakings(ctx context.Context, req *registryv1.ListUndertakingsRequest) (*registryv1.ListUndertakingsResponse, error) {
	return answer(s.queries.ListUndertakings(ctx, req))
}

// ListMeasures implements the RPC of that name.
func (s *ActivityServer) ListMeasures(ctx context.Context, req *registryv1.ListMeasuresRequest) (*registryv1.ListMeasuresResponse, error) {
	return answer(s.queries.ListMeasures(ctx, req))
}

// CheckThresholds implements the RPC of that name.
func (s *ActivityServer) CheckThresholds(ctx context.Context, req *registryv1.CheckThresholdsRequest) (*registryv1.CheckThresholdsResponse, error) {
	return answer(s.queries.CheckThresholds(ctx, req))
}

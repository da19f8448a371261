// Package server serves the reads of the register over gRPC.
package server

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/eventlog"
	"maillage/services/fault"
	"maillage/services/registry/query"
)

// Server is the RegistryService over the queries in memory.
type Server struct {
	registryv1.UnsafeRegistryServiceServer

	queries *query.Queries
}

var _ registryv1.RegistryServiceServer = (*Server)(nil)

// New returns the service over queries.
func New(queries *query.Queries) *Server { return &Server{queries: queries} }

// answer makes an error one that gRPC understands: a fault is its own status, an end
// of the context is its code, what the log lost is lost data, anything else is
// internal.
func answer[R any](r *R, err error) (*R, error) {
	if err == nil {
		return r, nil
	}
	if f, is := errors.AsType[*fault.Error](err); is {
		return nil, f
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil, status.FromContextError(err).Err()
	}
	if h, is := errors.AsType[*eventlog.HoleError](err); is {
		lost := fault.New(fault.Damaged, "LOG_DAMAGED", "", "%v", h)
		lost.Position = h.Position
		return nil, lost
	}
	return nil, status.Error(codes.Internal, err.Error())
}

// GetLabel implements the RPC of that name.
func (s *Server) GetLabel(ctx context.Context, req *registryv1.GetLabelRequest) (*registryv1.GetLabelResponse, error) {
	return answer(s.queries.GetLabel(ctx, req))
}

// ListLabels implements the RPC of that name.
func (s *Server) ListLabels(ctx context.Context, req *registryv1.ListLabelsRequest) (*registryv1.ListLabelsResponse, error) {
	return answer(s.queries.ListLabels(ctx, req))
}

// GetEstablishment implements the RPC of that name.
func (s *Server) GetEstablishment(ctx context.Context, req *registryv1.GetEstablishmentRequest) (*registryv1.GetEstablishmentResponse, error) {
	return answer(s.queries.GetEstablishment(ctx, req))
}

// ListEstablishments implements the RPC of that name.
func (s *Server) ListEstablishments(ctx context.Context, req *registryv1.ListEstablishmentsRequest) (*registryv1.ListEstablishmentsResponse, error) {
	return answer(s.queries.ListEstablishments(ctx, req))
}

// GetCentre implements the RPC of that name.
func (s *Server) GetCentre(ctx context.Context, req *registryv1.GetCentreRequest) (*registryv1.GetCentreResponse, error) {
	return answer(s.queries.GetCentre(ctx, req))
}

// ListCentres implements the RPC of that name.
func (s *Server) ListCentres(ctx context.Context, req *registryv1.ListCentresRequest) (*registryv1.ListCentresResponse, error) {
	return answer(s.queries.ListCentres(ctx, req))
}

// GetNetwork implements the RPC of that name.
func (s *Server) GetNetwork(ctx context.Context, req *registryv1.GetNetworkRequest) (*registryv1.GetNetworkResponse, error) {
	return answer(s.queries.GetNetwork(ctx, req))
}

// ListNetworks implements the RPC of that name.
func (s *Server) ListNetworks(ctx context.Context, req *registryv1.ListNetworksRequest) (*registryv1.ListNetworksResponse, error) {
	return answer(s.queries.ListNetworks(ctx, req))
}

// GetFiliere implements the RPC of that name.
func (s *Server) GetFiliere(ctx context.Context, req *registryv1.GetFiliereRequest) (*registryv1.GetFiliereResponse, error) {
	return answer(s.queries.GetFiliere(ctx, req))
}

// ListFilieres implements the RPC of that name.
func (s *Server) ListFilieres(ctx context.Context, req *registryv1.ListFilieresRequest) (*registryv1.ListFilieresResponse, error) {
	return answer(s.queries.ListFilieres(ctx, req))
}

// GetPlatform implements the RPC of that name.
func (s *Server) GetPlatform(ctx context.Context, req *registryv1.GetPlatformRequest) (*registryv1.GetPlatformResponse, error) {
	return answer(s.queries.GetPlatform(ctx, req))
}

// ListPlatforms implements the RPC of that name.
func (s *Server) ListPlatforms(ctx context.Context, req *registryv1.ListPlatformsRequest) (*registryv1.ListPlatformsResponse, error) {
	return answer(s.queries.ListPlatforms(ctx, req))
}

// GetCycle implements the RPC of that name.
func (s *Server) GetCycle(ctx context.Context, req *registryv1.GetCycleRequest) (*registryv1.GetCycleResponse, error) {
	return answer(s.queries.GetCycle(ctx, req))
}

// ListCycles implements the RPC of that name.
func (s *Server) ListCycles(ctx context.Context, req *registryv1.ListCyclesRequest) (*registryv1.ListCyclesResponse, error) {
	return answer(s.queries.ListCycles(ctx, req))
}

// GetAct implements the RPC of that name.
func (s *Server) GetAct(ctx context.Context, req *registryv1.GetActRequest) (*registryv1.GetActResponse, error) {
	return answer(s.queries.GetAct(ctx, req))
}

// ListActs implements the RPC of that name.
func (s *Server) ListActs(ctx context.Context, req *registryv1.ListActsRequest) (*registryv1.ListActsResponse, error) {
	return answer(s.queries.ListActs(ctx, req))
}

// ListHistory implements the RPC of that name.
func (s *Server) ListHistory(ctx context.Context, req *registryv1.ListHistoryRequest) (*registryv1.ListHistoryResponse, error) {
	return answer(s.queries.ListHistory(ctx, req))
}

// GetCampaign implements the RPC of that name.
func (s *Server) GetCampaign(ctx context.Context, req *registryv1.GetCampaignRequest) (*registryv1.GetCampaignResponse, error) {
	return answer(s.queries.GetCampaign(ctx, req))
}

// ListCampaigns implements the RPC of that name.
func (s *Server) ListCampaigns(ctx context.Context, req *registryv1.ListCampaignsRequest) (*registryv1.ListCampaignsResponse, error) {
	return answer(s.queries.ListCampaigns(ctx, req))
}

// ListOffices implements the RPC of that name.
func (s *Server) ListOffices(ctx context.Context, req *registryv1.ListOfficesRequest) (*registryv1.ListOfficesResponse, error) {
	return answer(s.queries.ListOffices(ctx, req))
}

// ListActEffects implements the RPC of that name.
func (s *Server) ListActEffects(ctx context.Context, req *registryv1.ListActEffectsRequest) (*registryv1.ListActEffectsResponse, error) {
	return answer(s.queries.ListActEffects(ctx, req))
}

// DiffRegister implements the RPC of that name.
func (s *Server) DiffRegister(ctx context.Context, req *registryv1.DiffRegisterRequest) (*registryv1.DiffRegisterResponse, error) {
	return answer(s.queries.DiffRegister(ctx, req))
}

// GetCoverage implements the RPC of that name.
func (s *Server) GetCoverage(ctx context.Context, req *registryv1.GetCoverageRequest) (*registryv1.GetCoverageResponse, error) {
	return answer(s.queries.GetCoverage(ctx, req))
}

// CountEntities implements the RPC of that name.
func (s *Server) CountEntities(ctx context.Context, req *registryv1.CountEntitiesRequest) (*registryv1.CountEntitiesResponse, error) {
	return answer(s.queries.CountEntities(ctx, req))
}

// ListTodo implements the RPC of that name.
func (s *Server) ListTodo(ctx context.Context, req *registryv1.ListTodoRequest) (*registryv1.ListTodoResponse, error) {
	return answer(s.queries.ListTodo(ctx, req))
}

// ListLinks implements the RPC of that name.
func (s *Server) ListLinks(ctx context.Context, req *registryv1.ListLinksRequest) (*registryv1.ListLinksResponse, error) {
	return answer(s.queries.ListLinks(ctx, req))
}

// GetSuccession implements the RPC of that name.
func (s *Server) GetSuccession(ctx context.Context, req *registryv1.GetSuccessionRequest) (*registryv1.GetSuccessionResponse, error) {
	return answer(s.queries.GetSuccession(ctx, req))
}

// GetPlan implements the RPC of that name.
func (s *Server) GetPlan(ctx context.Context, req *registryv1.GetPlanRequest) (*registryv1.GetPlanResponse, error) {
	return answer(s.queries.GetPlan(ctx, req))
}

// ListPlans implements the RPC of that name.
func (s *Server) ListPlans(ctx context.Context, req *registryv1.ListPlansRequest) (*registryv1.ListPlansResponse, error) {
	return answer(s.queries.ListPlans(ctx, req))
}

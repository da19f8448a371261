package server

import (
	"context"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/identifier"
	"maillage/services/submit"
	"maillage/services/topology"
)

// Types of the values of the vault that lead to a platform or a filière, and may lead to
// a person.
const (
	emailKind = "contact_email"
	phoneKind = "contact_phone"
)

// MoveEstablishment records that a hospital is elsewhere from a day on.
func (s *Server) MoveEstablishment(ctx context.Context, req *topologyv1.MoveEstablishmentRequest) (*topologyv1.MoveEstablishmentResponse, error) {
	_, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) { return topology.MoveEstablishment(s.state, req) })
	if err != nil {
		return nil, err
	}
	return &topologyv1.MoveEstablishmentResponse{Position: position}, nil
}

// ChangeLegalEntity records that a hospital belongs to other legal entities from a day
// on, and keeps its identity.
func (s *Server) ChangeLegalEntity(ctx context.Context, req *topologyv1.ChangeLegalEntityRequest) (*topologyv1.ChangeLegalEntityResponse, error) {
	_, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) { return topology.ChangeLegalEntity(s.state, req) })
	if err != nil {
		return nil, err
	}
	return &topologyv1.ChangeLegalEntityResponse{Position: position}, nil
}

// IdentifyEstablishment records that a hospital bears other numbers from a day on.
func (s *Server) IdentifyEstablishment(ctx context.Context, req *topologyv1.IdentifyEstablishmentRequest) (*topologyv1.IdentifyEstablishmentResponse, error) {
	_, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) { return topology.IdentifyEstablishment(s.state, req) })
	if err != nil {
		return nil, err
	}
	return &topologyv1.IdentifyEstablishmentResponse{Position: position}, nil
}

// SucceedEstablishments records that hospitals are closed and others take their place, with
// what becomes of all that depends on them.
func (s *Server) SucceedEstablishments(ctx context.Context, req *topologyv1.SucceedEstablishmentsRequest) (*topologyv1.SucceedEstablishmentsResponse, error) {
	_, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) {
		return topology.SucceedEstablishments(s.state, identifier.NewID, req)
	})
	if err != nil {
		return nil, err
	}
	return &topologyv1.SucceedEstablishmentsResponse{Position: position}, nil
}

// SucceedFilieres records that filières are closed and others take their place.
func (s *Server) SucceedFilieres(ctx context.Context, req *topologyv1.SucceedFilieresRequest) (*topologyv1.SucceedFilieresResponse, error) {
	_, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) { return topology.SucceedFilieres(s.state, identifier.NewID, req) })
	if err != nil {
		return nil, err
	}
	return &topologyv1.SucceedFilieresResponse{Position: position}, nil
}

// MovePlatform records that a platform is hosted elsewhere from a day on.
func (s *Server) MovePlatform(ctx context.Context, req *topologyv1.MovePlatformRequest) (*topologyv1.MovePlatformResponse, error) {
	_, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) { return topology.MovePlatform(s.state, req) })
	if err != nil {
		return nil, err
	}
	return &topologyv1.MovePlatformResponse{Position: position}, nil
}

// SucceedPlatforms records that platforms are closed and others take their place.
func (s *Server) SucceedPlatforms(ctx context.Context, req *topologyv1.SucceedPlatformsRequest) (*topologyv1.SucceedPlatformsResponse, error) {
	_, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) { return topology.SucceedPlatforms(s.state, identifier.NewID, req) })
	if err != nil {
		return nil, err
	}
	return &topologyv1.SucceedPlatformsResponse{Position: position}, nil
}

// StateTerritory records which territory a platform serves from a day on.
func (s *Server) StateTerritory(ctx context.Context, req *topologyv1.StateTerritoryRequest) (*topologyv1.StateTerritoryResponse, error) {
	_, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) { return topology.StateTerritory(s.state, req) })
	if err != nil {
		return nil, err
	}
	return &topologyv1.StateTerritoryResponse{Position: position}, nil
}

// StateContact records how a platform or a filière is reached from a day on. What may
// lead to a person goes to the vault.
func (s *Server) StateContact(ctx context.Context, req *topologyv1.StateContactRequest) (*topologyv1.StateContactResponse, error) {
	values := s.desk.Values(submit.Value{Kind: emailKind, Text: req.GetEmail()}, submit.Value{Kind: phoneKind, Text: req.GetPhone()})
	_, position, err := s.keep(ctx, req, values, func(kept []*eventv1.PersonalValue) ([]*topologyv1.Event, error) {
		return topology.StateContact(s.state, req, kept[0], kept[1])
	})
	if err != nil {
		return nil, err
	}
	return &topologyv1.StateContactResponse{Position: position}, nil
}

// DeclareLink records that two hold together, for a while.
func (s *Server) DeclareLink(ctx context.Context, req *topologyv1.DeclareLinkRequest) (*topologyv1.DeclareLinkResponse, error) {
	id := identifier.NewID()
	e, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) { return topology.DeclareLink(s.state, id, req) })
	if err != nil {
		return nil, err
	}
	return &topologyv1.DeclareLinkResponse{Position: position, LinkId: e.GetLinkDeclared().GetLinkId()}, nil
}

// ConfirmLink records that both sides of a link say so.
func (s *Server) ConfirmLink(ctx context.Context, req *topologyv1.ConfirmLinkRequest) (*topologyv1.ConfirmLinkResponse, error) {
	_, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) { return topology.ConfirmLink(s.state, req) })
	if err != nil {
		return nil, err
	}
	return &topologyv1.ConfirmLinkResponse{Position: position}, nil
}

// EndLink records that a link holds no longer from a day on.
func (s *Server) EndLink(ctx context.Context, req *topologyv1.EndLinkRequest) (*topologyv1.EndLinkResponse, error) {
	_, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) { return topology.EndLink(s.state, req) })
	if err != nil {
		return nil, err
	}
	return &topologyv1.EndLinkResponse{Position: position}, nil
}

// DeclareContinuity declares that two ids turn out to be one and the same.
func (s *Server) DeclareContinuity(ctx context.Context, req *topologyv1.DeclareContinuityRequest) (*topologyv1.DeclareContinuityResponse, error) {
	id := identifier.NewID()
	e, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) { return topology.DeclareContinuity(s.state, id, req) })
	if err != nil {
		return nil, err
	}
	return &topologyv1.DeclareContinuityResponse{Position: position, ContinuityId: e.GetContinuityDeclared().GetContinuityId()}, nil
}

// RevokeContinuity revokes a declaration of continuity.
func (s *Server) RevokeContinuity(ctx context.Context, req *topologyv1.RevokeContinuityRequest) (*topologyv1.RevokeContinuityResponse, error) {
	_, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) { return topology.RevokeContinuity(s.state, req) })
	if err != nil {
		return nil, err
	}
	return &topologyv1.RevokeContinuityResponse{Position: position}, nil
}

// ScopeNetwork records which diseases a network takes care of from a day on.
func (s *Server) ScopeNetwork(ctx context.Context, req *topologyv1.ScopeNetworkRequest) (*topologyv1.ScopeNetworkResponse, error) {
	_, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) { return topology.ScopeNetwork(s.state, req) })
	if err != nil {
		return nil, err
	}
	return &topologyv1.ScopeNetworkResponse{Position: position}, nil
}

// RegisterPlan registers a national plan.
func (s *Server) RegisterPlan(ctx context.Context, req *topologyv1.RegisterPlanRequest) (*topologyv1.RegisterPlanResponse, error) {
	id := identifier.NewID()
	e, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) { return topology.RegisterPlan(s.state, id, req) })
	if err != nil {
		return nil, err
	}
	return &topologyv1.RegisterPlanResponse{Position: position, PlanId: e.GetPlanRegistered().GetPlanId()}, nil
}

// ExtendPlan records that a plan goes on for longer.
func (s *Server) ExtendPlan(ctx context.Context, req *topologyv1.ExtendPlanRequest) (*topologyv1.ExtendPlanResponse, error) {
	_, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) { return topology.ExtendPlan(s.state, req) })
	if err != nil {
		return nil, err
	}
	return &topologyv1.ExtendPlanResponse{Position: position}, nil
}

// StatePlanAxes records the axes of a plan.
func (s *Server) StatePlanAxes(ctx context.Context, req *topologyv1.StatePlanAxesRequest) (*topologyv1.StatePlanAxesResponse, error) {
	_, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) { return topology.StatePlanAxes(s.state, req) })
	if err != nil {
		return nil, err
	}
	return &topologyv1.StatePlanAxesResponse{Position: position}, nil
}

// StateAlias records that another system uses an id for an entity.
func (s *Server) StateAlias(ctx context.Context, req *topologyv1.StateAliasRequest) (*topologyv1.StateAliasResponse, error) {
	id := identifier.NewID()
	e, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) { return topology.StateAlias(s.state, id, s.isSite, req) })
	if err != nil {
		return nil, err
	}
	return &topologyv1.StateAliasResponse{Position: position, AliasId: e.GetAliasStated().GetAliasId()}, nil
}

// EndAlias records that it uses the id no longer from a day on.
func (s *Server) EndAlias(ctx context.Context, req *topologyv1.EndAliasRequest) (*topologyv1.EndAliasResponse, error) {
	_, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) { return topology.EndAlias(s.state, req) })
	if err != nil {
		return nil, err
	}
	return &topologyv1.EndAliasResponse{Position: position}, nil
}

// VoidAlias records that an alias was stated by mistake.
func (s *Server) VoidAlias(ctx context.Context, req *topologyv1.VoidAliasRequest) (*topologyv1.VoidAliasResponse, error) {
	_, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) { return topology.VoidAlias(s.state, req) })
	if err != nil {
		return nil, err
	}
	return &topologyv1.VoidAliasResponse{Position: position}, nil
}

// Package server serves the commands of topology over gRPC.
package server

import (
	"context"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/identifier"
	"maillage/services/projection"
	"maillage/services/submit"
	"maillage/services/topology"
)

// Server implements topologyv1.TopologyServiceServer.
type Server struct {
	topologyv1.UnsafeTopologyServiceServer
	desk   *submit.Desk
	state  *topology.State
	isSite func(id string) bool
}

var _ topologyv1.TopologyServiceServer = (*Server)(nil)

// New returns a server that decides on a state which only the desk's runner changes. isSite
// tells whether an id is that of a site, as of the same position: sites are labelling's.
func New(desk *submit.Desk, state *topology.State, isSite func(id string) bool) *Server {
	return &Server{desk: desk, state: state, isSite: isSite}
}

// do has a command decided and appended, and returns its first event and its
// position.
func (s *Server) do(ctx context.Context, req submit.Request, decide func() ([]*topologyv1.Event, error)) (*topologyv1.Event, uint64, error) {
	return s.keep(ctx, req, nil, func([]*eventv1.PersonalValue) ([]*topologyv1.Event, error) { return decide() })
}

// keep is do for a command with personal values, which are in the vault when it is
// decided.
func (s *Server) keep(ctx context.Context, req submit.Request, keep submit.Keep, decide func(kept []*eventv1.PersonalValue) ([]*topologyv1.Event, error)) (*topologyv1.Event, uint64, error) {
	commit, err := s.desk.Submit(ctx, req, keep, func(kept []*eventv1.PersonalValue) ([]projection.Event, error) {
		facts, err := decide(kept)
		if err != nil {
			return nil, err
		}
		events := make([]projection.Event, len(facts))
		for i, f := range facts {
			events[i] = projection.Event{Subject: topology.Subject(f), Message: f, Meta: f.GetMeta()}
		}
		return events, nil
	})
	if err != nil {
		return nil, 0, err
	}
	first := &topologyv1.Event{}
	if err := proto.Unmarshal(commit.Records[0].Body, first); err != nil {
		return nil, 0, err
	}
	return first, commit.Last, nil
}

// RegisterEstablishment registers a hospital.
func (s *Server) RegisterEstablishment(ctx context.Context, req *topologyv1.RegisterEstablishmentRequest) (*topologyv1.RegisterEstablishmentResponse, error) {
	id := identifier.NewID()
	e, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) { return topology.RegisterEstablishment(s.state, id, req) })
	if err != nil {
		return nil, err
	}
	return &topologyv1.RegisterEstablishmentResponse{Position: position, EstablishmentId: e.GetEstablishmentRegistered().GetEstablishmentId()}, nil
}

// RenameEstablishment gives a hospital another name from a day on.
func (s *Server) RenameEstablishment(ctx context.Context, req *topologyv1.RenameEstablishmentRequest) (*topologyv1.RenameEstablishmentResponse, error) {
	e, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) { return topology.RenameEstablishment(s.state, req) })
	if err != nil {
		return nil, err
	}
	return &topologyv1.RenameEstablishmentResponse{Position: position, EstablishmentId: e.GetEstablishmentRenamed().GetEstablishmentId()}, nil
}

// AttachEstablishment attaches a hospital to a legal entity from a day on.
func (s *Server) AttachEstablishment(ctx context.Context, req *topologyv1.AttachEstablishmentRequest) (*topologyv1.AttachEstablishmentResponse, error) {
	e, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) { return topology.AttachEstablishment(s.state, req) })
	if err != nil {
		return nil, err
	}
	return &topologyv1.AttachEstablishmentResponse{Position: position, EstablishmentId: e.GetEstablishmentAttached().GetEstablishmentId()}, nil
}

// RegisterCentre registers a team.
func (s *Server) RegisterCentre(ctx context.Context, req *topologyv1.RegisterCentreRequest) (*topologyv1.RegisterCentreResponse, error) {
	id := identifier.NewID()
	e, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) { return topology.RegisterCentre(s.state, id, req) })
	if err != nil {
		return nil, err
	}
	return &topologyv1.RegisterCentreResponse{Position: position, CentreId: e.GetCentreRegistered().GetCentreId()}, nil
}

// RenameCentre gives a team another name from a day on.
func (s *Server) RenameCentre(ctx context.Context, req *topologyv1.RenameCentreRequest) (*topologyv1.RenameCentreResponse, error) {
	e, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) { return topology.RenameCentre(s.state, req) })
	if err != nil {
		return nil, err
	}
	return &topologyv1.RenameCentreResponse{Position: position, CentreId: e.GetCentreRenamed().GetCentreId()}, nil
}

// AttachCentre adds a hospital to those a team works in.
func (s *Server) AttachCentre(ctx context.Context, req *topologyv1.AttachCentreRequest) (*topologyv1.AttachCentreResponse, error) {
	e, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) { return topology.AttachCentre(s.state, req) })
	if err != nil {
		return nil, err
	}
	return &topologyv1.AttachCentreResponse{Position: position, CentreId: e.GetCentreAttached().GetCentreId()}, nil
}

// RegisterNetwork registers a network (réseau CRMR).
func (s *Server) RegisterNetwork(ctx context.Context, req *topologyv1.RegisterNetworkRequest) (*topologyv1.RegisterNetworkResponse, error) {
	id := identifier.NewID()
	e, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) { return topology.RegisterNetwork(s.state, id, req) })
	if err != nil {
		return nil, err
	}
	return &topologyv1.RegisterNetworkResponse{Position: position, NetworkId: e.GetNetworkRegistered().GetNetworkId()}, nil
}

// RenameNetwork gives a network another title and acronym from a day on.
func (s *Server) RenameNetwork(ctx context.Context, req *topologyv1.RenameNetworkRequest) (*topologyv1.RenameNetworkResponse, error) {
	e, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) { return topology.RenameNetwork(s.state, req) })
	if err != nil {
		return nil, err
	}
	return &topologyv1.RenameNetworkResponse{Position: position, NetworkId: e.GetNetworkRenamed().GetNetworkId()}, nil
}

// AttachNetwork attaches a network to a filière from a day on.
func (s *Server) AttachNetwork(ctx context.Context, req *topologyv1.AttachNetworkRequest) (*topologyv1.AttachNetworkResponse, error) {
	e, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) { return topology.AttachNetwork(s.state, req) })
	if err != nil {
		return nil, err
	}
	return &topologyv1.AttachNetworkResponse{Position: position, NetworkId: e.GetNetworkAttached().GetNetworkId()}, nil
}

// RegisterFiliere registers a filière.
func (s *Server) RegisterFiliere(ctx context.Context, req *topologyv1.RegisterFiliereRequest) (*topologyv1.RegisterFiliereResponse, error) {
	id := identifier.NewID()
	e, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) { return topology.RegisterFiliere(s.state, id, req) })
	if err != nil {
		return nil, err
	}
	return &topologyv1.RegisterFiliereResponse{Position: position, FiliereId: e.GetFiliereRegistered().GetFiliereId()}, nil
}

// RenameFiliere gives a filière another name and acronym from a day on.
func (s *Server) RenameFiliere(ctx context.Context, req *topologyv1.RenameFiliereRequest) (*topologyv1.RenameFiliereResponse, error) {
	e, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) { return topology.RenameFiliere(s.state, req) })
	if err != nil {
		return nil, err
	}
	return &topologyv1.RenameFiliereResponse{Position: position, FiliereId: e.GetFiliereRenamed().GetFiliereId()}, nil
}

// AttachFiliere moves the coordination of a filière to a hospital.
func (s *Server) AttachFiliere(ctx context.Context, req *topologyv1.AttachFiliereRequest) (*topologyv1.AttachFiliereResponse, error) {
	e, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) { return topology.AttachFiliere(s.state, req) })
	if err != nil {
		return nil, err
	}
	return &topologyv1.AttachFiliereResponse{Position: position, FiliereId: e.GetFiliereAttached().GetFiliereId()}, nil
}

// RegisterPlatform registers a platform.
func (s *Server) RegisterPlatform(ctx context.Context, req *topologyv1.RegisterPlatformRequest) (*topologyv1.RegisterPlatformResponse, error) {
	id := identifier.NewID()
	e, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) { return topology.RegisterPlatform(s.state, id, req) })
	if err != nil {
		return nil, err
	}
	return &topologyv1.RegisterPlatformResponse{Position: position, PlatformId: e.GetPlatformRegistered().GetPlatformId()}, nil
}

// RenamePlatform gives a platform another name from a day on.
func (s *Server) RenamePlatform(ctx context.Context, req *topologyv1.RenamePlatformRequest) (*topologyv1.RenamePlatformResponse, error) {
	e, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) { return topology.RenamePlatform(s.state, req) })
	if err != nil {
		return nil, err
	}
	return &topologyv1.RenamePlatformResponse{Position: position, PlatformId: e.GetPlatformRenamed().GetPlatformId()}, nil
}

// AttachPlatform adds a hospital to those that host a platform.
func (s *Server) AttachPlatform(ctx context.Context, req *topologyv1.AttachPlatformRequest) (*topologyv1.AttachPlatformResponse, error) {
	e, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) { return topology.AttachPlatform(s.state, req) })
	if err != nil {
		return nil, err
	}
	return &topologyv1.AttachPlatformResponse{Position: position, PlatformId: e.GetPlatformAttached().GetPlatformId()}, nil
}

// MoveCentre records that a team works elsewhere from a day on.
func (s *Server) MoveCentre(ctx context.Context, req *topologyv1.MoveCentreRequest) (*topologyv1.MoveCentreResponse, error) {
	_, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) { return topology.MoveCentre(s.state, req) })
	if err != nil {
		return nil, err
	}
	return &topologyv1.MoveCentreResponse{Position: position}, nil
}

// SucceedCentres records that teams are closed and others take their place.
func (s *Server) SucceedCentres(ctx context.Context, req *topologyv1.SucceedCentresRequest) (*topologyv1.SucceedCentresResponse, error) {
	_, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) { return topology.SucceedCentres(s.state, identifier.NewID, req) })
	if err != nil {
		return nil, err
	}
	return &topologyv1.SucceedCentresResponse{Position: position}, nil
}

// SucceedNetworks records that networks are closed and others take their place.
func (s *Server) SucceedNetworks(ctx context.Context, req *topologyv1.SucceedNetworksRequest) (*topologyv1.SucceedNetworksResponse, error) {
	_, position, err := s.do(ctx, req, func() ([]*topologyv1.Event, error) { return topology.SucceedNetworks(s.state, identifier.NewID, req) })
	if err != nil {
		return nil, err
	}
	return &topologyv1.SucceedNetworksResponse{Position: position}, nil
}

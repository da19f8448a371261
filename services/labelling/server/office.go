package server

import (
	"context"
	"log/slog"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/identifier"
	"maillage/services/labelling"
)

// personIssuer is under whose name the vault keeps who a person is.
const personIssuer = "rpps"

// TakeOffice records that a person takes an office. Who it is, is told by an RPPS
// number whose key is right; one whose key is wrong is warned of and tells nobody.
func (s *Server) TakeOffice(ctx context.Context, req *labellingv1.TakeOfficeRequest) (*labellingv1.TakeOfficeResponse, error) {
	id, number := identifier.NewID(), ""
	if req.GetRpps() != "" {
		n, err := identifier.RPPS(req.GetRpps())
		if err != nil {
			slog.WarnContext(ctx, "an RPPS number fails its check: the person stays unknown", "office", id)
		} else {
			number = n
		}
	}
	facts, position, err := s.do(ctx, req, []string{req.GetName()}, func(names []*eventv1.PersonalValue) ([]*labellingv1.Event, error) {
		decided, err := labelling.TakeOffice(s.state, s.topo, id, req, "", names[0])
		if err != nil || number == "" {
			return decided, err
		}
		// Only now is the number kept: a refusal leaves nothing behind. Who holds the
		// office already is in the vault.
		person, err := s.desk.Vault.Account(personIssuer, number)
		if err != nil {
			return nil, err
		}
		return labelling.TakeOffice(s.state, s.topo, id, req, person, names[0])
	})
	if err != nil {
		return nil, err
	}
	return &labellingv1.TakeOfficeResponse{Position: position, OfficeId: facts[0].GetOfficeTaken().GetOfficeId()}, nil
}

// LeaveOffice records that a person leaves an office.
func (s *Server) LeaveOffice(ctx context.Context, req *labellingv1.LeaveOfficeRequest) (*labellingv1.LeaveOfficeResponse, error) {
	_, position, err := s.do(ctx, req, nil, func([]*eventv1.PersonalValue) ([]*labellingv1.Event, error) {
		return labelling.LeaveOffice(s.state, req)
	})
	if err != nil {
		return nil, err
	}
	return &labellingv1.LeaveOfficeResponse{Position: position}, nil
}

// ReviewOffice records the opinion of a body on who holds an office.
func (s *Server) ReviewOffice(ctx context.Context, req *labellingv1.ReviewOfficeRequest) (*labellingv1.ReviewOfficeResponse, error) {
	_, position, err := s.do(ctx, req, nil, func([]*eventv1.PersonalValue) ([]*labellingv1.Event, error) {
		return labelling.ReviewOffice(s.state, req)
	})
	if err != nil {
		return nil, err
	}
	return &labellingv1.ReviewOfficeResponse{Position: position}, nil
}

// ApproveOffice records that the ministry approves who holds an office.
func (s *Server) ApproveOffice(ctx context.Context, req *labellingv1.ApproveOfficeRequest) (*labellingv1.ApproveOfficeResponse, error) {
	_, position, err := s.do(ctx, req, nil, func([]*eventv1.PersonalValue) ([]*labellingv1.Event, error) {
		return labelling.ApproveOffice(s.state, req)
	})
	if err != nil {
		return nil, err
	}
	return &labellingv1.ApproveOfficeResponse{Position: position}, nil
}

// RefuseOffice records that the ministry refuses who holds an office.
func (s *Server) RefuseOffice(ctx context.Context, req *labellingv1.RefuseOfficeRequest) (*labellingv1.RefuseOfficeResponse, error) {
	_, position, err := s.do(ctx, req, nil, func([]*eventv1.PersonalValue) ([]*labellingv1.Event, error) {
		return labelling.RefuseOffice(s.state, req)
	})
	if err != nil {
		return nil, err
	}
	return &labellingv1.RefuseOfficeResponse{Position: position}, nil
}

// OpenCampaign records that a campaign of labelling is open.
func (s *Server) OpenCampaign(ctx context.Context, req *labellingv1.OpenCampaignRequest) (*labellingv1.OpenCampaignResponse, error) {
	id := identifier.NewID()
	facts, position, err := s.do(ctx, req, nil, func([]*eventv1.PersonalValue) ([]*labellingv1.Event, error) {
		return labelling.OpenCampaign(s.state, s.topo, id, req)
	})
	if err != nil {
		return nil, err
	}
	return &labellingv1.OpenCampaignResponse{Position: position, CampaignId: facts[0].GetCampaignOpened().GetCampaignId()}, nil
}

// RecordOutcome records the outcome of a candidate of a campaign.
func (s *Server) RecordOutcome(ctx context.Context, req *labellingv1.RecordOutcomeRequest) (*labellingv1.RecordOutcomeResponse, error) {
	id := identifier.NewID()
	facts, position, err := s.do(ctx, req, nil, func([]*eventv1.PersonalValue) ([]*labellingv1.Event, error) {
		return labelling.RecordOutcome(s.state, s.topo, id, req)
	})
	if err != nil {
		return nil, err
	}
	return &labellingv1.RecordOutcomeResponse{Position: position, OutcomeId: facts[0].GetOutcomeRecorded().GetOutcomeId()}, nil
}

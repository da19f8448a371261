// Package server serves the commands of labelling over gRPC.
package server

import (
	"context"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/identifier"
	"maillage/services/labelling"
	"maillage/services/projection"
	"maillage/services/submit"
	"maillage/services/topology"
)

// Server implements labellingv1.LabellingServiceServer.
type Server struct {
	labellingv1.UnsafeLabellingServiceServer
	desk  *submit.Desk
	state *labelling.State
	topo  *topology.State
}

var _ labellingv1.LabellingServiceServer = (*Server)(nil)

// New returns a server that decides on states which only the desk's runner changes.
func New(desk *submit.Desk, state *labelling.State, topo *topology.State) *Server {
	return &Server{desk: desk, state: state, topo: topo}
}

// command is any request of the service.
type command interface {
	proto.Message
	GetRequestId() string
}

// decision returns the events of a command, given what stands for the heads it names.
type decision func(heads []*eventv1.PersonalValue) ([]*labellingv1.Event, error)

// do has a command decided and appended, and returns its events and its position.
func (s *Server) do(ctx context.Context, req command, names []string, decide decision) ([]*labellingv1.Event, uint64, error) {
	commit, err := s.desk.Submit(ctx, req, names, func(heads []*eventv1.PersonalValue) ([]projection.Event, error) {
		facts, err := decide(heads)
		if err != nil {
			return nil, err
		}
		events := make([]projection.Event, len(facts))
		for i, f := range facts {
			events[i] = projection.Event{Subject: labelling.Subject(f), Message: f, Meta: f.GetMeta()}
		}
		return events, nil
	})
	if err != nil {
		return nil, 0, err
	}
	facts := make([]*labellingv1.Event, len(commit.Records))
	for i, rec := range commit.Records {
		facts[i] = &labellingv1.Event{}
		if err := proto.Unmarshal(rec.Body, facts[i]); err != nil {
			return nil, 0, err
		}
	}
	return facts, commit.Last, nil
}

func mintLabel() labelling.IDs {
	return labelling.IDs{Label: identifier.NewID(), Site: identifier.NewID()}
}

// RegisterCycle registers a cycle.
func (s *Server) RegisterCycle(ctx context.Context, req *labellingv1.RegisterCycleRequest) (*labellingv1.RegisterCycleResponse, error) {
	id := identifier.NewID()
	facts, position, err := s.do(ctx, req, nil, func([]*eventv1.PersonalValue) ([]*labellingv1.Event, error) {
		return labelling.RegisterCycle(s.state, s.topo, id, req)
	})
	if err != nil {
		return nil, err
	}
	return &labellingv1.RegisterCycleResponse{Position: position, CycleId: facts[0].GetCycleRegistered().GetCycleId()}, nil
}

// RecordAct records an act and what each of its lines does, whole or not at all.
func (s *Server) RecordAct(ctx context.Context, req *labellingv1.RecordActRequest) (*labellingv1.RecordActResponse, error) {
	names := make([]string, len(req.GetLines()))
	for i, l := range req.GetLines() {
		switch d := l.GetDisposition().(type) {
		case *labellingv1.ActLine_Granted:
			names[i] = d.Granted.GetHeadName()
		case *labellingv1.ActLine_Renewed:
			names[i] = d.Renewed.GetGrant().GetHeadName()
		}
	}
	facts, position, err := s.do(ctx, req, names, func(heads []*eventv1.PersonalValue) ([]*labellingv1.Event, error) {
		return labelling.RecordAct(s.state, s.topo, identifier.NewID, req, func(line int) *eventv1.PersonalValue { return heads[line] })
	})
	if err != nil {
		return nil, err
	}
	out := &labellingv1.RecordActResponse{Position: position, ActId: facts[0].GetActRecorded().GetActId()}
	for _, f := range facts[1:] {
		out.LabelIds = append(out.LabelIds, labelOf(f))
	}
	return out, nil
}

// labelOf is the label that a line's fact leaves in being, or ended.
func labelOf(e *labellingv1.Event) string {
	switch f := e.GetFact().(type) {
	case *labellingv1.Event_LabelGranted:
		return f.LabelGranted.GetLabelId()
	case *labellingv1.Event_LabelRenewed:
		return f.LabelRenewed.GetSuccessorId()
	case *labellingv1.Event_LabelConfirmed:
		return f.LabelConfirmed.GetLabelId()
	case *labellingv1.Event_LabelRepealed:
		return f.LabelRepealed.GetLabelId()
	}
	return ""
}

// GrantLabel grants a label.
func (s *Server) GrantLabel(ctx context.Context, req *labellingv1.GrantLabelRequest) (*labellingv1.GrantLabelResponse, error) {
	ids := mintLabel()
	facts, position, err := s.do(ctx, req, []string{req.GetGrant().GetHeadName()}, func(heads []*eventv1.PersonalValue) ([]*labellingv1.Event, error) {
		return labelling.GrantLabel(s.state, s.topo, ids, req, heads[0])
	})
	if err != nil {
		return nil, err
	}
	granted := facts[0].GetLabelGranted()
	return &labellingv1.GrantLabelResponse{Position: position, LabelId: granted.GetLabelId(), SiteId: granted.GetHolder().GetSite().GetSiteId()}, nil
}

// RenewLabel ends a label and grants its successor.
func (s *Server) RenewLabel(ctx context.Context, req *labellingv1.RenewLabelRequest) (*labellingv1.RenewLabelResponse, error) {
	ids := mintLabel()
	facts, position, err := s.do(ctx, req, []string{req.GetRenewal().GetGrant().GetHeadName()}, func(heads []*eventv1.PersonalValue) ([]*labellingv1.Event, error) {
		return labelling.RenewLabel(s.state, s.topo, ids, req, heads[0])
	})
	if err != nil {
		return nil, err
	}
	return &labellingv1.RenewLabelResponse{Position: position, LabelId: facts[0].GetLabelRenewed().GetSuccessorId()}, nil
}

// ConfirmLabel adds a basis to a label.
func (s *Server) ConfirmLabel(ctx context.Context, req *labellingv1.ConfirmLabelRequest) (*labellingv1.ConfirmLabelResponse, error) {
	_, position, err := s.do(ctx, req, nil, func([]*eventv1.PersonalValue) ([]*labellingv1.Event, error) {
		return labelling.ConfirmLabel(s.state, req)
	})
	if err != nil {
		return nil, err
	}
	return &labellingv1.ConfirmLabelResponse{Position: position}, nil
}

// RepealLabel ends a label early (abrogation).
func (s *Server) RepealLabel(ctx context.Context, req *labellingv1.RepealLabelRequest) (*labellingv1.RepealLabelResponse, error) {
	_, position, err := s.do(ctx, req, nil, func([]*eventv1.PersonalValue) ([]*labellingv1.Event, error) {
		return labelling.RepealLabel(s.state, req)
	})
	if err != nil {
		return nil, err
	}
	return &labellingv1.RepealLabelResponse{Position: position}, nil
}

// CorrectLabel mends what was keyed wrongly; it has no legal effect.
func (s *Server) CorrectLabel(ctx context.Context, req *labellingv1.CorrectLabelRequest) (*labellingv1.CorrectLabelResponse, error) {
	_, position, err := s.do(ctx, req, []string{req.GetHeadName()}, func(heads []*eventv1.PersonalValue) ([]*labellingv1.Event, error) {
		return labelling.CorrectLabel(s.state, s.topo, req, heads[0])
	})
	if err != nil {
		return nil, err
	}
	return &labellingv1.CorrectLabelResponse{Position: position}, nil
}

// RecordAssertion keeps what a source says beside the record.
func (s *Server) RecordAssertion(ctx context.Context, req *labellingv1.RecordAssertionRequest) (*labellingv1.RecordAssertionResponse, error) {
	_, position, err := s.do(ctx, req, nil, func([]*eventv1.PersonalValue) ([]*labellingv1.Event, error) {
		return labelling.RecordAssertion(s.state, s.topo, req)
	})
	if err != nil {
		return nil, err
	}
	return &labellingv1.RecordAssertionResponse{Position: position}, nil
}

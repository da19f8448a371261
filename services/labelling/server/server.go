// Package server serves the commands of labelling over gRPC.
package server

import (
	"context"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/fact"
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

// decision returns the events of a command, given what stands for the heads it names.
type decision func(heads []*eventv1.PersonalValue) ([]*labellingv1.Event, error)

// do has a command decided and appended, and returns its events and its position.
func (s *Server) do(ctx context.Context, req submit.Request, names []string, decide decision) ([]*labellingv1.Event, uint64, error) {
	commit, err := s.desk.Submit(ctx, req, s.desk.Names(names...), func(heads []*eventv1.PersonalValue) ([]projection.Event, error) {
		return events(decide(heads))
	})
	if err != nil {
		return nil, 0, err
	}
	facts, err := factsOf(commit)
	return facts, commit.Last, err
}

// events are facts of either context as the writer takes them.
func events[E fact.Event](facts []E, err error) ([]projection.Event, error) {
	if err != nil {
		return nil, err
	}
	out := make([]projection.Event, len(facts))
	for i, f := range facts {
		out[i] = projection.Event{Subject: subject(f), Message: f, Meta: f.GetMeta()}
	}
	return out, nil
}

func subject(f fact.Event) string {
	switch e := f.(type) {
	case *topologyv1.Event:
		return topology.Subject(e)
	case *labellingv1.Event:
		return labelling.Subject(e)
	}
	return ""
}

// factsOf decodes a commit of this context alone.
func factsOf(commit projection.Commit) ([]*labellingv1.Event, error) {
	facts := make([]*labellingv1.Event, len(commit.Records))
	for i, rec := range commit.Records {
		facts[i] = &labellingv1.Event{}
		if err := proto.Unmarshal(rec.Body, facts[i]); err != nil {
			return nil, err
		}
	}
	return facts, nil
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

// StateThresholds states activity that a cycle asks of its labels.
func (s *Server) StateThresholds(ctx context.Context, req *labellingv1.StateThresholdsRequest) (*labellingv1.StateThresholdsResponse, error) {
	_, position, err := s.do(ctx, req, nil, func([]*eventv1.PersonalValue) ([]*labellingv1.Event, error) {
		return labelling.StateThresholds(s.state, req)
	})
	if err != nil {
		return nil, err
	}
	return &labellingv1.StateThresholdsResponse{Position: position}, nil
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
		case *labellingv1.ActLine_Amended:
			names[i] = l.GetHeadName()
		}
	}
	facts, position, err := s.do(ctx, req, names, func(heads []*eventv1.PersonalValue) ([]*labellingv1.Event, error) {
		return labelling.RecordAct(s.state, s.topo, identifier.NewID, req, func(line int) *eventv1.PersonalValue { return heads[line] })
	})
	if err != nil {
		return nil, err
	}
	out := &labellingv1.RecordActResponse{Position: position, ActId: labelling.ActOf(facts[0]).GetActId()}
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
	case *labellingv1.Event_LabelExtended:
		return f.LabelExtended.GetLabelId()
	case *labellingv1.Event_LabelSuspended:
		return f.LabelSuspended.GetLabelId()
	case *labellingv1.Event_LabelReinstated:
		return f.LabelReinstated.GetLabelId()
	case *labellingv1.Event_LabelWithdrawn:
		return f.LabelWithdrawn.GetLabelId()
	case *labellingv1.Event_LabelAnnulled:
		return f.LabelAnnulled.GetLabelId()
	case *labellingv1.Event_LabelLapsed:
		return f.LabelLapsed.GetLabelId()
	case *labellingv1.Event_LabelAmended:
		return f.LabelAmended.GetLabelId()
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

// ExtendLabel moves the end of a label later (prorogation).
func (s *Server) ExtendLabel(ctx context.Context, req *labellingv1.ExtendLabelRequest) (*labellingv1.ExtendLabelResponse, error) {
	_, position, err := s.do(ctx, req, nil, func([]*eventv1.PersonalValue) ([]*labellingv1.Event, error) {
		return labelling.ExtendLabel(s.state, req)
	})
	if err != nil {
		return nil, err
	}
	return &labellingv1.ExtendLabelResponse{Position: position}, nil
}

// SuspendLabel suspends a label.
func (s *Server) SuspendLabel(ctx context.Context, req *labellingv1.SuspendLabelRequest) (*labellingv1.SuspendLabelResponse, error) {
	_, position, err := s.do(ctx, req, nil, func([]*eventv1.PersonalValue) ([]*labellingv1.Event, error) {
		return labelling.SuspendLabel(s.state, req)
	})
	if err != nil {
		return nil, err
	}
	return &labellingv1.SuspendLabelResponse{Position: position}, nil
}

// ReinstateLabel ends the suspension of a label.
func (s *Server) ReinstateLabel(ctx context.Context, req *labellingv1.ReinstateLabelRequest) (*labellingv1.ReinstateLabelResponse, error) {
	_, position, err := s.do(ctx, req, nil, func([]*eventv1.PersonalValue) ([]*labellingv1.Event, error) {
		return labelling.ReinstateLabel(s.state, req)
	})
	if err != nil {
		return nil, err
	}
	return &labellingv1.ReinstateLabelResponse{Position: position}, nil
}

// WithdrawLabel withdraws a label from its start (retrait).
func (s *Server) WithdrawLabel(ctx context.Context, req *labellingv1.WithdrawLabelRequest) (*labellingv1.WithdrawLabelResponse, error) {
	_, position, err := s.do(ctx, req, nil, func([]*eventv1.PersonalValue) ([]*labellingv1.Event, error) {
		return labelling.WithdrawLabel(s.state, req)
	})
	if err != nil {
		return nil, err
	}
	return &labellingv1.WithdrawLabelResponse{Position: position}, nil
}

// AnnulLabel records that a court annulled a label.
func (s *Server) AnnulLabel(ctx context.Context, req *labellingv1.AnnulLabelRequest) (*labellingv1.AnnulLabelResponse, error) {
	_, position, err := s.do(ctx, req, nil, func([]*eventv1.PersonalValue) ([]*labellingv1.Event, error) {
		return labelling.AnnulLabel(s.state, req)
	})
	if err != nil {
		return nil, err
	}
	return &labellingv1.AnnulLabelResponse{Position: position}, nil
}

// VoidLabel records that a label should never have been recorded.
func (s *Server) VoidLabel(ctx context.Context, req *labellingv1.VoidLabelRequest) (*labellingv1.VoidLabelResponse, error) {
	_, position, err := s.do(ctx, req, nil, func([]*eventv1.PersonalValue) ([]*labellingv1.Event, error) {
		return labelling.VoidLabel(s.state, req)
	})
	if err != nil {
		return nil, err
	}
	return &labellingv1.VoidLabelResponse{Position: position}, nil
}

// OpenLabel records from when the holder of a label works under it.
func (s *Server) OpenLabel(ctx context.Context, req *labellingv1.OpenLabelRequest) (*labellingv1.OpenLabelResponse, error) {
	_, position, err := s.do(ctx, req, nil, func([]*eventv1.PersonalValue) ([]*labellingv1.Event, error) {
		return labelling.OpenLabel(s.state, req)
	})
	if err != nil {
		return nil, err
	}
	return &labellingv1.OpenLabelResponse{Position: position}, nil
}

// MaintainLabel records that the holder of a label goes on working, whatever its term.
func (s *Server) MaintainLabel(ctx context.Context, req *labellingv1.MaintainLabelRequest) (*labellingv1.MaintainLabelResponse, error) {
	_, position, err := s.do(ctx, req, nil, func([]*eventv1.PersonalValue) ([]*labellingv1.Event, error) {
		return labelling.MaintainLabel(s.state, req)
	})
	if err != nil {
		return nil, err
	}
	return &labellingv1.MaintainLabelResponse{Position: position}, nil
}

// CloseLabel records that the holder of a label ceased to work under it.
func (s *Server) CloseLabel(ctx context.Context, req *labellingv1.CloseLabelRequest) (*labellingv1.CloseLabelResponse, error) {
	_, position, err := s.do(ctx, req, nil, func([]*eventv1.PersonalValue) ([]*labellingv1.Event, error) {
		return labelling.CloseLabel(s.state, req)
	})
	if err != nil {
		return nil, err
	}
	return &labellingv1.CloseLabelResponse{Position: position}, nil
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

// SettleAssertion says what came of an assertion.
func (s *Server) SettleAssertion(ctx context.Context, req *labellingv1.SettleAssertionRequest) (*labellingv1.SettleAssertionResponse, error) {
	_, position, err := s.do(ctx, req, nil, func([]*eventv1.PersonalValue) ([]*labellingv1.Event, error) {
		return labelling.SettleAssertion(s.state, req)
	})
	if err != nil {
		return nil, err
	}
	return &labellingv1.SettleAssertionResponse{Position: position}, nil
}

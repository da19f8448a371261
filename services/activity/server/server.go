// Package server serves the commands of activity over gRPC.
package server

import (
	"context"

	"google.golang.org/protobuf/proto"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	"maillage/services/activity"
	"maillage/services/fault"
	"maillage/services/identifier"
	"maillage/services/projection"
	"maillage/services/submit"
)

// Server implements activityv1.ActivityServiceServer.
type Server struct {
	activityv1.UnsafeActivityServiceServer
	desk   *submit.Desk
	states activity.States
}

var _ activityv1.ActivityServiceServer = (*Server)(nil)

// New returns a server that decides on states which only the desk's runner changes.
func New(desk *submit.Desk, states activity.States) *Server {
	return &Server{desk: desk, states: states}
}

// do has a command decided and appended, and returns its commit.
func (s *Server) do(ctx context.Context, req submit.Request, decide func() ([]*activityv1.Event, error)) (projection.Commit, error) {
	return s.desk.Submit(ctx, req, nil, func([]*eventv1.PersonalValue) ([]projection.Event, error) { return events(decide()) })
}

// events are facts as the writer takes them.
func events(facts []*activityv1.Event, err error) ([]projection.Event, error) {
	if err != nil {
		return nil, err
	}
	out := make([]projection.Event, len(facts))
	for i, f := range facts {
		out[i] = projection.Event{Subject: activity.Subject(f), Message: f, Meta: f.GetMeta()}
	}
	return out, nil
}

// first decodes the first event of a commit.
func first(c projection.Commit) (*activityv1.Event, error) {
	e := &activityv1.Event{}
	return e, proto.Unmarshal(c.Records[0].Body, e)
}

// StateMissions records which missions an audience has from a day on.
func (s *Server) StateMissions(ctx context.Context, req *activityv1.StateMissionsRequest) (*activityv1.StateMissionsResponse, error) {
	c, err := s.do(ctx, req, func() ([]*activityv1.Event, error) { return activity.StateMissions(s.states, req) })
	if err != nil {
		return nil, err
	}
	return &activityv1.StateMissionsResponse{Position: c.Last}, nil
}

// OpenPeriod opens a reporting period with what it asks.
func (s *Server) OpenPeriod(ctx context.Context, req *activityv1.OpenPeriodRequest) (*activityv1.OpenPeriodResponse, error) {
	id := identifier.NewID()
	c, err := s.do(ctx, req, func() ([]*activityv1.Event, error) { return activity.OpenPeriod(s.states, id, req) })
	if err != nil {
		return nil, err
	}
	e, err := first(c)
	if err != nil {
		return nil, err
	}
	return &activityv1.OpenPeriodResponse{Position: c.Last, PeriodId: e.GetPeriodOpened().GetPeriodId()}, nil
}

// StateIndicators changes what an open period asks.
func (s *Server) StateIndicators(ctx context.Context, req *activityv1.StateIndicatorsRequest) (*activityv1.StateIndicatorsResponse, error) {
	c, err := s.do(ctx, req, func() ([]*activityv1.Event, error) { return activity.StateIndicators(s.states, req) })
	if err != nil {
		return nil, err
	}
	return &activityv1.StateIndicatorsResponse{Position: c.Last}, nil
}

// ClosePeriod closes a reporting period.
func (s *Server) ClosePeriod(ctx context.Context, req *activityv1.ClosePeriodRequest) (*activityv1.ClosePeriodResponse, error) {
	c, err := s.do(ctx, req, func() ([]*activityv1.Event, error) { return activity.ClosePeriod(s.states, req) })
	if err != nil {
		return nil, err
	}
	return &activityv1.ClosePeriodResponse{Position: c.Last}, nil
}

// ReopenPeriod opens a closed reporting period again.
func (s *Server) ReopenPeriod(ctx context.Context, req *activityv1.ReopenPeriodRequest) (*activityv1.ReopenPeriodResponse, error) {
	c, err := s.do(ctx, req, func() ([]*activityv1.Event, error) { return activity.ReopenPeriod(s.states, req) })
	if err != nil {
		return nil, err
	}
	return &activityv1.ReopenPeriodResponse{Position: c.Last}, nil
}

// SubmitReport submits a report, for the first time or after it was sent back.
func (s *Server) SubmitReport(ctx context.Context, req *activityv1.SubmitReportRequest) (*activityv1.SubmitReportResponse, error) {
	id := identifier.NewID()
	c, err := s.do(ctx, req, func() ([]*activityv1.Event, error) { return activity.SubmitReport(s.states, id, req) })
	if err != nil {
		return nil, err
	}
	e, err := first(c)
	if err != nil {
		return nil, err
	}
	f := e.GetReportSubmitted()
	return &activityv1.SubmitReportResponse{Position: c.Last, ReportId: f.GetReportId(), Revision: f.GetRevision()}, nil
}

// AmendReport replaces a report that was validated by another revision.
func (s *Server) AmendReport(ctx context.Context, req *activityv1.AmendReportRequest) (*activityv1.AmendReportResponse, error) {
	c, err := s.do(ctx, req, func() ([]*activityv1.Event, error) { return activity.AmendReport(s.states, req) })
	if err != nil {
		return nil, err
	}
	e, err := first(c)
	if err != nil {
		return nil, err
	}
	return &activityv1.AmendReportResponse{Position: c.Last, Revision: e.GetReportAmended().GetRevision()}, nil
}

// ValidateReport validates a report: two people sign off. Who submitted a revision that
// may be shown never changes, so it is looked up before the command is decided.
func (s *Server) ValidateReport(ctx context.Context, req *activityv1.ValidateReportRequest) (*activityv1.ValidateReportResponse, error) {
	submitter, err := s.submitter(ctx, req)
	if err != nil {
		return nil, err
	}
	c, err := s.desk.SubmitApproved(ctx, submitter, req, func() ([]projection.Event, error) {
		return events(activity.ValidateReport(s.states, req))
	})
	if err != nil {
		return nil, err
	}
	return &activityv1.ValidateReportResponse{Position: c.Last}, nil
}

// submitter is who submitted the revision that a request names.
func (s *Server) submitter(ctx context.Context, req *activityv1.ValidateReportRequest) (by *eventv1.Actor, err error) {
	err = s.desk.Runner.View(ctx, 0, func(head uint64) error {
		if r, ok := s.states.Activity.Revision(req.GetReportId(), req.GetRevision(), head); ok {
			by = r.GetSubmitter()
			return nil
		}
		if _, err := activity.ValidateReport(s.states, req); err != nil {
			return err
		}
		return fault.New(fault.Conflict, "LOG_MOVED", "", "Revision %d is not yet in both stores; repeat the request.", req.GetRevision())
	})
	return by, err
}

// ReturnReport sends a report back to whoever submitted it.
func (s *Server) ReturnReport(ctx context.Context, req *activityv1.ReturnReportRequest) (*activityv1.ReturnReportResponse, error) {
	c, err := s.do(ctx, req, func() ([]*activityv1.Event, error) { return activity.ReturnReport(s.states, req) })
	if err != nil {
		return nil, err
	}
	return &activityv1.ReturnReportResponse{Position: c.Last}, nil
}

// RecordUndertaking records a project, training or action.
func (s *Server) RecordUndertaking(ctx context.Context, req *activityv1.RecordUndertakingRequest) (*activityv1.RecordUndertakingResponse, error) {
	id := identifier.NewID()
	c, err := s.do(ctx, req, func() ([]*activityv1.Event, error) { return activity.RecordUndertaking(s.states, id, req) })
	if err != nil {
		return nil, err
	}
	e, err := first(c)
	if err != nil {
		return nil, err
	}
	return &activityv1.RecordUndertakingResponse{Position: c.Last, UndertakingId: e.GetUndertakingRecorded().GetUndertaking().GetUndertakingId()}, nil
}

// ReviseUndertaking describes a project, training or action otherwise.
func (s *Server) ReviseUndertaking(ctx context.Context, req *activityv1.ReviseUndertakingRequest) (*activityv1.ReviseUndertakingResponse, error) {
	c, err := s.do(ctx, req, func() ([]*activityv1.Event, error) { return activity.ReviseUndertaking(s.states, req) })
	if err != nil {
		return nil, err
	}
	return &activityv1.ReviseUndertakingResponse{Position: c.Last}, nil
}

// CancelUndertaking records that a project, training or action came to nothing.
func (s *Server) CancelUndertaking(ctx context.Context, req *activityv1.CancelUndertakingRequest) (*activityv1.CancelUndertakingResponse, error) {
	c, err := s.do(ctx, req, func() ([]*activityv1.Event, error) { return activity.CancelUndertaking(s.states, req) })
	if err != nil {
		return nil, err
	}
	return &activityv1.CancelUndertakingResponse{Position: c.Last}, nil
}

// RecordMeasures records the activity of sites in years, and leaves what is the same as
// it is.
func (s *Server) RecordMeasures(ctx context.Context, req *activityv1.RecordMeasuresRequest) (*activityv1.RecordMeasuresResponse, error) {
	c, err := s.do(ctx, req, func() ([]*activityv1.Event, error) { return activity.RecordMeasures(s.states, req) })
	if err != nil {
		return nil, err
	}
	recorded := uint32(len(c.Records))
	return &activityv1.RecordMeasuresResponse{Position: c.Last, Recorded: recorded, Unchanged: uint32(len(req.GetMeasures())) - recorded}, nil
}

// WithdrawMeasure takes a measure back.
func (s *Server) WithdrawMeasure(ctx context.Context, req *activityv1.WithdrawMeasureRequest) (*activityv1.WithdrawMeasureResponse, error) {
	c, err := s.do(ctx, req, func() ([]*activityv1.Event, error) { return activity.WithdrawMeasure(s.states, req) })
	if err != nil {
		return nil, err
	}
	return &activityv1.WithdrawMeasureResponse{Position: c.Last}, nil
}

package server

import (
	"context"
	"errors"

	"google.golang.org/protobuf/types/known/durationpb"

	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/fault"
	"maillage/services/registry/postgres"
)

// ReadModel is the ReadModelService over a store of rows.
type ReadModel struct {
	registryv1.UnsafeReadModelServiceServer

	store func() (*postgres.Store, error)
	head  func() uint64
}

var _ registryv1.ReadModelServiceServer = (*ReadModel)(nil)

// NewReadModel returns the service. store is the store, or why there is none;
// head the last position that the process may show.
func NewReadModel(store func() (*postgres.Store, error), head func() uint64) *ReadModel {
	return &ReadModel{store: store, head: head}
}

// GetReadModel implements the RPC of that name.
func (s *ReadModel) GetReadModel(context.Context, *registryv1.GetReadModelRequest) (*registryv1.GetReadModelResponse, error) {
	store, err := s.store()
	if err != nil {
		return nil, err
	}
	head := s.head() // before the rows: they are never said to be ahead of what was asked first
	p := store.Progress()
	return &registryv1.GetReadModelResponse{
		Schema: p.Schema, Position: p.Position, HeadPosition: max(head, p.Position), Projects: p.Projects,
		Halted: why(p.Halted), Rebuild: rebuild(p.Rebuild), KeptSchemas: p.Kept,
	}, nil
}

// StartRebuild implements the RPC of that name.
func (s *ReadModel) StartRebuild(ctx context.Context, _ *registryv1.StartRebuildRequest) (*registryv1.StartRebuildResponse, error) {
	store, err := s.store()
	if err == nil {
		err = store.Rebuild(ctx)
	}
	return answer(&registryv1.StartRebuildResponse{}, err)
}

// StopRebuild implements the RPC of that name.
func (s *ReadModel) StopRebuild(ctx context.Context, _ *registryv1.StopRebuildRequest) (*registryv1.StopRebuildResponse, error) {
	store, err := s.store()
	if err == nil {
		err = store.Stop(ctx)
	}
	return answer(&registryv1.StopRebuildResponse{}, err)
}

// DropReadModel implements the RPC of that name.
func (s *ReadModel) DropReadModel(ctx context.Context, req *registryv1.DropReadModelRequest) (*registryv1.DropReadModelResponse, error) {
	store, err := s.store()
	if err == nil {
		err = store.Drop(ctx, req.GetSchema())
	}
	return answer(&registryv1.DropReadModelResponse{}, err)
}

// why is an error as it is told.
func why(err error) *registryv1.ReadModelFault {
	if err == nil {
		return nil
	}
	if own, is := errors.AsType[*fault.Error](err); is {
		return &registryv1.ReadModelFault{Reason: own.Reason, Message: own.Message, Position: own.Position}
	}
	return &registryv1.ReadModelFault{Message: err.Error()}
}

// rebuild is one as it is told.
func rebuild(r *postgres.Rebuild) *registryv1.Rebuild {
	if r == nil {
		return nil
	}
	out := &registryv1.Rebuild{
		Schema: r.Schema, TargetPosition: r.Target, DoneCount: r.Done, TotalCount: r.Total, Rate: r.Rate, Failed: why(r.Failed),
		Phase: registryv1.RebuildPhase(registryv1.RebuildPhase_value["REBUILD_PHASE_"+r.Phase]),
	}
	if r.Left >= 0 {
		out.Left = durationpb.New(r.Left)
	}
	return out
}

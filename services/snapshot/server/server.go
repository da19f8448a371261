// Package server serves sets of files over gRPC.
package server

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	feedv1 "maillage/proto/gen/maillage/feed/v1"
	"maillage/services/fault"
	"maillage/services/snapshot"
)

// part is how many bytes go in a message.
const part = 256 << 10

// Server implements feedv1.SnapshotServiceServer.
type Server struct {
	feedv1.UnsafeSnapshotServiceServer
	store *snapshot.Store
}

var _ feedv1.SnapshotServiceServer = (*Server)(nil)

// New returns the service over a store.
func New(s *snapshot.Store) *Server { return &Server{store: s} }

// GetSnapshot implements the RPC of that name.
func (s *Server) GetSnapshot(ctx context.Context, req *feedv1.GetSnapshotRequest) (*feedv1.GetSnapshotResponse, error) {
	m, err := s.store.Snapshot(ctx, req.GetPosition())
	return &feedv1.GetSnapshotResponse{Manifest: m}, err
}

// GetDelta implements the RPC of that name.
func (s *Server) GetDelta(ctx context.Context, req *feedv1.GetDeltaRequest) (*feedv1.GetDeltaResponse, error) {
	m, err := s.store.Delta(ctx, req.GetAfter(), req.GetPosition())
	return &feedv1.GetDeltaResponse{Manifest: m}, err
}

// GetOpenData implements the RPC of that name.
func (s *Server) GetOpenData(ctx context.Context, req *feedv1.GetOpenDataRequest) (*feedv1.GetOpenDataResponse, error) {
	m, err := s.store.OpenData(ctx, req.GetPosition(), req.GetValidAt())
	return &feedv1.GetOpenDataResponse{Manifest: m}, err
}

// ReadFile implements the RPC of that name.
func (s *Server) ReadFile(req *feedv1.ReadFileRequest, stream grpc.ServerStreamingServer[feedv1.ReadFileResponse]) error {
	f, is, err := s.store.Open(stream.Context(), req.GetSet(), req.GetName())
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if req.GetOffset() > is.GetBytes() {
		return fault.New(fault.Invalid, "OFFSET_BEYOND", "offset", "%s has %d bytes, not %d", is.GetName(), is.GetBytes(), req.GetOffset())
	}
	if _, err := f.Seek(int64(req.GetOffset()), io.SeekStart); err != nil {
		return err
	}
	for b := make([]byte, part); ; {
		n, err := io.ReadFull(f, b)
		if n > 0 {
			if err := stream.Send(&feedv1.ReadFileResponse{Data: b[:n]}); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return err
		}
	}
}

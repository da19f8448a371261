// Package server serves the feed over gRPC.
package server

import (
	"context"

	"google.golang.org/grpc"

	feedv1 "maillage/proto/gen/maillage/feed/v1"
	"maillage/services/feed"
)

// Server implements feedv1.FeedServiceServer.
type Server struct {
	feedv1.UnsafeFeedServiceServer
	feed *feed.Feed
}

var _ feedv1.FeedServiceServer = (*Server)(nil)

// New returns the service over a feed.
func New(f *feed.Feed) *Server { return &Server{feed: f} }

// Watch implements the RPC of that name.
func (s *Server) Watch(req *feedv1.WatchRequest, stream grpc.ServerStreamingServer[feedv1.WatchResponse]) error {
	return s.feed.Watch(stream.Context(), req, stream.Send)
}

// ListEvents implements the RPC of that name.
func (s *Server) ListEvents(ctx context.Context, req *feedv1.ListEventsRequest) (*feedv1.ListEventsResponse, error) {
	return s.feed.List(ctx, req)
}

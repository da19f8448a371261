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

// Notices implements feedv1.NoticeServiceServer.
type Notices struct {
	feedv1.UnsafeNoticeServiceServer
	feed *feed.Feed
}

var _ feedv1.NoticeServiceServer = (*Notices)(nil)

// NewNotices returns the service over a feed.
func NewNotices(f *feed.Feed) *Notices { return &Notices{feed: f} }

// ListNotices implements the RPC of that name.
func (s *Notices) ListNotices(ctx context.Context, req *feedv1.ListNoticesRequest) (*feedv1.ListNoticesResponse, error) {
	return s.feed.Notices(ctx, req)
}

// ListEvents implements the RPC of that name.
func (s *Server) ListEvents(ctx context.Context, req *feedv1.ListEventsRequest) (*feedv1.ListEventsResponse, error) {
	return s.feed.List(ctx, req)
}

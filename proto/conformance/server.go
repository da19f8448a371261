package conformance

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"maillage/proto/checkpoint"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	"maillage/proto/merkle"
)

// turn is how the register behaves during one call of Watch, or during calls of ListEvents up
// to the one that ends as the turn does.
type turn struct {
	log      []*feedv1.Commit                      // that it holds
	common   uint64                                // the last position at which it is the log of the turn before, where it is another one
	gullible bool                                  // it takes any cursor for one of its own
	until    uint64                                // nothing is handed on after this position; 0 for no such end
	ends     error                                 // how the call ends then; nil leaves it open
	silent   bool                                  // it says nothing any longer then, not even a heartbeat
	alter    func(*feedv1.Commit) []*feedv1.Commit // what is handed on in place of a commit
	head     func(*ledgerv1.Head) *ledgerv1.Head   // what is announced in place of the head
	stranger bool                                  // somebody else signs the checkpoints
	signed   func(*ledgerv1.Head) *ledgerv1.Head   // what is signed in place of the head
}

// server plays turns: the feed, and as much of the ledger as whoever reads it in pages needs to
// check what it got.
type server struct {
	feedv1.UnimplementedFeedServiceServer
	ledgerv1.UnimplementedLedgerServiceServer
	ledgerv1.UnimplementedProofServiceServer

	key, stranger note.Signer
	public        string // of key

	mu    sync.Mutex
	turns []turn
	paged bool                     // pages of the first of the turns were asked for
	far   map[uint64]chan struct{} // closed once the position was handed on
}

func newServer(turns []turn) (*server, error) {
	s := &server{turns: turns, far: make(map[uint64]chan struct{})}
	for _, signer := range []*note.Signer{&s.stranger, &s.key} {
		private, public, err := note.GenerateKey(rand.Reader, origin)
		if err != nil {
			return nil, err
		}
		if *signer, err = note.NewSigner(private); err != nil {
			return nil, err
		}
		s.public = public
	}
	return s, nil
}

// origin is that of the checkpoints of all logs here.
const origin = "maillage/conformance"

// sign is the checkpoint of a head.
func (s *server) sign(t *turn, head *ledgerv1.Head) ([]byte, error) {
	key := s.key
	if t.stranger {
		key = s.stranger
	}
	if t.signed != nil {
		head = t.signed(head)
	}
	c := checkpoint.Checkpoint{Origin: origin, Size: head.GetSize(), Root: tlog.Hash(head.GetRoot())}
	return note.Sign(&note.Note{Text: c.String()}, key)
}

// serve answers until it is stopped.
func (s *server) serve(lis net.Listener) (stop func()) {
	server := grpc.NewServer()
	feedv1.RegisterFeedServiceServer(server, s)
	ledgerv1.RegisterLedgerServiceServer(server, s)
	ledgerv1.RegisterProofServiceServer(server, s)
	go server.Serve(lis) //nolint:errcheck // it ends when it is stopped
	return server.Stop
}

// handed is closed once a position was handed on.
func (s *server) handed(position uint64) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mark(position)
}

func (s *server) mark(position uint64) chan struct{} {
	if s.far[position] == nil {
		s.far[position] = make(chan struct{})
	}
	return s.far[position]
}

func (s *server) passed(c *feedv1.Commit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range c.GetRecords() {
		select {
		case <-s.mark(r.GetPosition()):
		default:
			close(s.mark(r.GetPosition()))
		}
	}
}

// next is the turn of a call of Watch that has just come.
func (s *server) next() turn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pass()
}

// page is the turn that a page is of.
func (s *server) page() turn {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paged = true
	return s.turns[0]
}

// now is the turn that a call other than those of the feed is answered from.
func (s *server) now() turn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.turns[0]
}

// over is told that the consumer was killed: the turn that its pages were of is over.
func (s *server) over() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.paged {
		s.pass()
	}
}

// pass goes on to the turn after the first, where there is one, and returns that.
func (s *server) pass() turn {
	t := s.turns[0]
	if len(s.turns) > 1 {
		s.turns = s.turns[1:]
	}
	s.paged = false
	return t
}

var errFiltered = refuse(codes.InvalidArgument, "REQUEST_INVALID", 0, "follow the whole register: only that can be judged")

// Watch implements feedv1.FeedServiceServer.
func (s *server) Watch(req *feedv1.WatchRequest, stream grpc.ServerStreamingServer[feedv1.WatchResponse]) error {
	if proto.Size(req.GetFilter()) > 0 {
		return errFiltered
	}
	t := s.next()
	after, err := t.from(req.GetCursor(), req.GetAfter())
	if err != nil {
		return err
	}
	if req.GetStart() == feedv1.Start_START_NOW {
		after = t.end()
	}
	for i, c := range t.log {
		last := lastOf(c)
		if last <= after {
			continue
		}
		if t.until > 0 && last > t.until {
			t.log = t.log[:i] // what is announced is what was handed on
			break
		}
		handed := []*feedv1.Commit{c}
		if t.alter != nil {
			handed = t.alter(c)
		}
		if err := stream.Send(&feedv1.WatchResponse{Commits: handed}); err != nil {
			return err
		}
		s.passed(c)
	}
	switch {
	case t.ends != nil:
		return t.ends
	case t.silent:
		<-stream.Context().Done()
		return nil
	}
	return s.beat(&t, req, stream)
}

// beat sends heartbeats until the caller ends it.
func (s *server) beat(t *turn, req *feedv1.WatchRequest, stream grpc.ServerStreamingServer[feedv1.WatchResponse]) error {
	interval := req.GetHeartbeatInterval().AsDuration()
	if req.GetHeartbeatInterval() == nil {
		interval = 5 * time.Second
	}
	often := time.NewTicker(interval)
	defer often.Stop()
	for {
		head := headOf(t.log)
		if t.head != nil {
			head = t.head(head)
		}
		signed, err := s.sign(t, head)
		if err != nil {
			return err
		}
		beat := &feedv1.Heartbeat{Head: head, Cursor: cursorAt(t.log, head.GetSize()), Time: timestamppb.Now(), Checkpoint: signed}
		if err := stream.Send(&feedv1.WatchResponse{Heartbeat: beat}); err != nil {
			return err
		}
		select {
		case <-often.C:
		case <-stream.Context().Done():
			return nil
		}
	}
}

// ListEvents implements feedv1.FeedServiceServer.
func (s *server) ListEvents(ctx context.Context, req *feedv1.ListEventsRequest) (*feedv1.ListEventsResponse, error) {
	if proto.Size(req.GetFilter()) > 0 {
		return nil, errFiltered
	}
	t := s.page()
	after, err := t.from(req.GetCursor(), req.GetAfter())
	if err != nil {
		return nil, err
	}
	head := t.announced().GetSize()
	if req.GetMinPosition() > head {
		<-ctx.Done()
		return nil, refuse(codes.Unavailable, "POSITION_NOT_REACHED", head, "the log has not come so far")
	}
	page, listed := &feedv1.ListEventsResponse{HeadPosition: head, NextAfter: after, NextCursor: req.GetCursor()}, 0
	for _, c := range t.log {
		last := lastOf(c)
		if last <= after {
			continue
		}
		if listed += len(c.GetRecords()); t.until > 0 && last > t.until || listed > pageSize(req) && page.GetNextAfter() > after {
			break
		}
		if t.alter == nil {
			page.Commits = append(page.Commits, c)
		} else {
			page.Commits = append(page.Commits, t.alter(c)...)
		}
		page.NextAfter, page.NextCursor = last, c.GetCursor()
		s.passed(c)
	}
	page.More = page.GetNextAfter() < head
	if page.GetNextAfter() > after || t.ends == nil && !t.silent {
		return page, nil
	}
	s.over()
	if t.silent {
		<-ctx.Done()
	}
	return nil, t.ends
}

func pageSize(req *feedv1.ListEventsRequest) int {
	if n := req.GetPageSize(); n > 0 {
		return int(n)
	}
	return 100
}

// GetStatus implements ledgerv1.LedgerServiceServer.
func (s *server) GetStatus(context.Context, *ledgerv1.GetStatusRequest) (*ledgerv1.GetStatusResponse, error) {
	t := s.now()
	subject := t.log[0].GetRecords()[0].GetSubject()
	head := t.announced()
	return &ledgerv1.GetStatusResponse{LogId: subject[strings.LastIndexByte(subject, '.')+1:], Head: head, FoldedPosition: head.GetSize()}, nil
}

// GetCheckpoint implements ledgerv1.ProofServiceServer.
func (s *server) GetCheckpoint(context.Context, *ledgerv1.GetCheckpointRequest) (*ledgerv1.GetCheckpointResponse, error) {
	t := s.now()
	signed, err := s.sign(&t, t.announced())
	return &ledgerv1.GetCheckpointResponse{Checkpoint: signed}, err
}

// announced is the head that is told of outside of heartbeats: where the turn stays open, that
// of what is handed on.
func (t turn) announced() *ledgerv1.Head {
	log := t.log
	if t.until > 0 && t.ends == nil && !t.silent {
		log = slices.DeleteFunc(slices.Clone(log), func(c *feedv1.Commit) bool { return lastOf(c) > t.until })
	}
	head := headOf(log)
	if t.head != nil {
		head = t.head(head)
	}
	return head
}

// end is the last position of the log.
func (t turn) end() uint64 { return lastOf(t.log[len(t.log)-1]) }

// from is the position after which a call begins.
func (t turn) from(cursor string, after uint64) (uint64, error) {
	if cursor == "" {
		return after, nil
	}
	position, err := positionOf(cursor)
	if err != nil {
		return 0, refuse(codes.InvalidArgument, "CURSOR_INVALID", 0, err.Error())
	}
	if t.gullible || cursorAt(t.log, position) == cursor {
		return position, nil
	}
	return 0, refuse(codes.DataLoss, "LOG_FORKED", t.common, "the record at your cursor is gone or is another one")
}

// refuse is an error as the register gives it.
func refuse(code codes.Code, reason string, position uint64, text string) error {
	info := &errdetails.ErrorInfo{Reason: reason, Domain: "maillage"}
	if position > 0 {
		info.Metadata = map[string]string{"position": strconv.FormatUint(position, 10)}
	}
	st, err := status.New(code, text).WithDetails(info)
	if err != nil {
		return err
	}
	return st.Err()
}

func lastOf(c *feedv1.Commit) uint64 {
	records := c.GetRecords()
	return records[len(records)-1].GetPosition()
}

// headOf is the head of a log.
func headOf(log []*feedv1.Commit) *ledgerv1.Head {
	var tree merkle.Tree
	for _, r := range recordsOf(log) {
		tree.Append(leafOf(r))
	}
	root := tree.Root()
	return &ledgerv1.Head{Epoch: 1, Size: tree.Size(), Root: root[:]}
}

func leafOf(r *feedv1.Record) tlog.Hash {
	return tlog.RecordHash(merkle.AppendLeaf(nil, r.GetPosition(), r.GetSubject(), r.GetBody()))
}

// cursorAt is the cursor of a position of a log, empty where it has none.
func cursorAt(log []*feedv1.Commit, position uint64) string {
	records := recordsOf(log)
	if position == 0 || position > uint64(len(records)) {
		return ""
	}
	leaf := leafOf(records[position-1])
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %x", position, leaf[:8]))
}

func positionOf(cursor string) (uint64, error) {
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return 0, err
	}
	number, _, ok := strings.Cut(string(b), " ")
	if !ok {
		return 0, errors.New("not a cursor of this service")
	}
	return strconv.ParseUint(number, 10, 64)
}

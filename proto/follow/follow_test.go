package follow_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"maillage/proto/checkpoint"
	"maillage/proto/follow"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
)

// recorded plays one list of answers after the other, one for each Watch. It notes from
// where it was asked.
type recorded struct {
	feedv1.UnimplementedFeedServiceServer
	watches []play

	mu   sync.Mutex
	asks []*feedv1.WatchRequest
}

func (r *recorded) asked() []*feedv1.WatchRequest {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.asks)
}

// play is what a Watch yields, and how it ends; a nil end leaves it open.
type play struct {
	answers []*feedv1.WatchResponse
	end     error
}

func (r *recorded) Watch(req *feedv1.WatchRequest, stream grpc.ServerStreamingServer[feedv1.WatchResponse]) error {
	r.mu.Lock()
	n := len(r.asks)
	r.asks = append(r.asks, req)
	r.mu.Unlock()
	if n >= len(r.watches) {
		return status.Error(codes.OutOfRange, "the recording ended")
	}
	for _, m := range r.watches[n].answers {
		if err := stream.Send(m); err != nil {
			return err
		}
	}
	if r.watches[n].end != nil {
		return r.watches[n].end
	}
	<-stream.Context().Done()
	return stream.Context().Err()
}

func (r *recorded) client(t *testing.T) feedv1.FeedServiceClient {
	t.Helper()
	return feedv1.NewFeedServiceClient(dial(t, func(s *grpc.Server) { feedv1.RegisterFeedServiceServer(s, r) }))
}

// dial connects to a server within the test.
func dial(t *testing.T, register func(*grpc.Server)) *grpc.ClientConn {
	t.Helper()
	lis := bufconn.Listen(1 << 20)
	server := grpc.NewServer()
	register(server)
	go func() { _ = server.Serve(lis) }()
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient("passthrough:///recorded", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func record(position uint64) *feedv1.Record {
	return &feedv1.Record{Position: position, Subject: "registry.labelling.label.X", Body: fmt.Appendf(nil, "body %d", position)}
}

// commit is one of the records from a position to another.
func commit(from, to uint64) *feedv1.WatchResponse {
	c := &feedv1.Commit{Cursor: fmt.Sprintf("c%d", to)}
	for p := from; p <= to; p++ {
		c.Records = append(c.Records, record(p))
	}
	return &feedv1.WatchResponse{Commits: []*feedv1.Commit{c}}
}

// beat is a heartbeat at a size, with the root that the log has there.
func beat(size uint64) *feedv1.WatchResponse {
	root, _ := tlog.TreeHash(int64(size), tree(size))
	return &feedv1.WatchResponse{Heartbeat: &feedv1.Heartbeat{
		Head: &ledgerv1.Head{Epoch: 1, Size: size, Root: root[:]}, Cursor: fmt.Sprintf("c%d", size),
	}}
}

// tree is the hashes of the log up to a size.
func tree(size uint64) tlog.HashReader {
	hashes := map[int64]tlog.Hash{}
	read := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, at := range indexes {
			out[i] = hashes[at]
		}
		return out, nil
	})
	for p := uint64(1); p <= size; p++ {
		r := record(p)
		leaf := append([]byte{1, 0, 0, 0, 0, 0, 0, 0, byte(p), 0, byte(len(r.GetSubject()))}, r.GetSubject()...)
		stored, _ := tlog.StoredHashes(int64(p-1), append(leaf, r.GetBody()...), read)
		for i, h := range stored {
			hashes[tlog.StoredHashIndex(0, int64(p-1))+int64(i)] = h
		}
	}
	return read
}

func forkedAt(common string) error {
	st, err := status.New(codes.DataLoss, "another record").WithDetails(&errdetails.ErrorInfo{
		Reason: "LOG_FORKED", Domain: "maillage", Metadata: map[string]string{"position": common},
	})
	if err != nil {
		return err
	}
	return st.Err()
}

var errGone = status.Error(codes.Unavailable, "gone")

func TestFollow(t *testing.T) {
	other := commit(3, 4)
	other.Commits[0].Records[1].Body = []byte("another body")
	answers := func(m ...*feedv1.WatchResponse) []*feedv1.WatchResponse { return m }
	for name, tc := range map[string]struct {
		filter *feedv1.Filter
		plays  []play
		want   []uint64 // positions handed on
		asked  []string // cursors
		proved bool
		err    func(error) bool
	}{
		"the whole of it": {
			plays: []play{{answers: answers(commit(1, 1), commit(2, 4), beat(4), commit(5, 5), beat(5))}},
			want:  []uint64{1, 2, 3, 4, 5}, asked: []string{""}, proved: true,
		},
		"a head announced before it is reached": {
			plays: []play{{answers: answers(commit(1, 1), beat(4), commit(2, 4))}},
			want:  []uint64{1, 2, 3, 4}, asked: []string{""}, proved: true,
		},
		"through a process that ends": {
			plays: []play{{answers(commit(1, 1)), errGone}, {nil, errGone}, {answers: answers(commit(2, 4), beat(4))}},
			want:  []uint64{1, 2, 3, 4}, asked: []string{"", "c1", "c1"}, proved: true,
		},
		"through an end that says nothing": {
			plays: []play{{answers(commit(1, 1)), status.Error(codes.Unknown, "?")}, {answers: answers(commit(2, 4))}},
			want:  []uint64{1, 2, 3, 4}, asked: []string{"", "c1"}, proved: true,
		},
		"a position is missing": {
			plays: []play{{answers: answers(commit(1, 1), commit(3, 4))}},
			want:  []uint64{1}, asked: []string{""},
			err: func(err error) bool {
				g, ok := errors.AsType[*follow.GapError](err)
				return ok && g.Want == 2 && g.Got == 3
			},
		},
		"a position is missing within a commit": {
			plays: []play{{answers: answers(&feedv1.WatchResponse{Commits: []*feedv1.Commit{{Records: []*feedv1.Record{record(1), record(3)}}}})}},
			asked: []string{""},
			err:   func(err error) bool { g, ok := errors.AsType[*follow.GapError](err); return ok && g.Want == 2 },
		},
		"a position comes twice": {
			plays: []play{{answers: answers(commit(1, 2), commit(2, 3))}},
			want:  []uint64{1, 2}, asked: []string{""},
			err: func(err error) bool { g, ok := errors.AsType[*follow.GapError](err); return ok && g.Got == 2 },
		},
		"one byte differs": {
			plays: []play{{answers: answers(commit(1, 2), other, beat(4))}},
			want:  []uint64{1, 2, 3, 4}, asked: []string{""},
			err: func(err error) bool { _, ok := errors.AsType[*follow.ForkError](err); return ok },
		},
		"one byte differs from what was announced before": {
			plays: []play{{answers: answers(commit(1, 2), beat(4), other)}},
			want:  []uint64{1, 2}, asked: []string{""},
			err: func(err error) bool { _, ok := errors.AsType[*follow.ForkError](err); return ok },
		},
		"the tail was lost": {
			plays: []play{{answers(commit(1, 4)), errGone}, {nil, forkedAt("2")}},
			want:  []uint64{1, 2, 3, 4}, asked: []string{"", "c4"},
			err: func(err error) bool { f, ok := errors.AsType[*follow.ForkError](err); return ok && f.Common == 2 },
		},
		"the head goes back": {
			plays: []play{{answers: answers(commit(1, 4), beat(2))}},
			want:  []uint64{1, 2, 3, 4}, asked: []string{""},
			err: func(err error) bool { f, ok := errors.AsType[*follow.ForkError](err); return ok && f.Common == 2 },
		},
		"damage": {
			plays: []play{{answers(commit(1, 1)), status.Error(codes.DataLoss, "damaged")}},
			want:  []uint64{1}, asked: []string{""},
			err: func(err error) bool { return status.Code(err) == codes.DataLoss },
		},
		"a filter": {
			filter: &feedv1.Filter{Kinds: []string{"label"}},
			plays:  []play{{answers(commit(2, 2), beat(5)), errGone}, {answers: answers(commit(7, 7))}},
			want:   []uint64{2, 7}, asked: []string{"", "c5"},
		},
		"a filter of which little is chosen": {
			filter: &feedv1.Filter{Kinds: []string{"label"}},
			plays: []play{
				{answers(commit(2, 2), &feedv1.WatchResponse{Heartbeat: &feedv1.Heartbeat{Cursor: "c5"}}), errGone},
				{answers: answers(commit(7, 7))},
			},
			want: []uint64{2, 7}, asked: []string{"", "c5"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := &recorded{watches: tc.plays}
			ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
			defer stop()
			var got []uint64
			var place follow.Place
			f := &follow.Follower{Client: server.client(t), Filter: tc.filter}
			last := tc.plays[len(tc.plays)-1]
			left := len(last.answers)
			err := f.Run(ctx, follow.Place{}, func(_ context.Context, b follow.Batch) error {
				for _, c := range b.Commits {
					for _, r := range c.GetRecords() {
						got = append(got, r.GetPosition())
					}
				}
				text, err := b.After.MarshalText()
				if err != nil {
					return err
				}
				if err := place.UnmarshalText(text); err != nil { // as one that is kept
					return err
				}
				if again, _ := place.MarshalText(); string(again) != string(text) {
					t.Errorf("a place kept as %s is read as %s", text, again)
				}
				if len(server.asked()) == len(tc.plays) {
					if left--; left == 0 && tc.err == nil {
						stop()
					}
				}
				return nil
			})
			if !slices.Equal(got, tc.want) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
			var asked []string
			for _, r := range server.asked() {
				asked = append(asked, r.GetCursor())
			}
			if !slices.Equal(asked, tc.asked) {
				t.Errorf("asked from %q, want %q", asked, tc.asked)
			}
			switch {
			case tc.err == nil && !errors.Is(err, context.Canceled), tc.err != nil && !tc.err(err):
				t.Errorf("it ended with %v", err)
			case tc.err == nil && place.Proved() != tc.proved:
				t.Errorf("proved is %v", place.Proved())
			}
		})
	}
}

// Of two checkpoints the later one binds. An older one may come from a process that has not
// heard of it yet; another root at a size that was signed, or that is known, is a fork, also
// to a follower that went on from a place it kept.
func TestCheckpoints(t *testing.T) {
	private, public, err := note.GenerateKey(rand.Reader, "log")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	right := func(size uint64) tlog.Hash { return tlog.Hash(beat(size).GetHeartbeat().GetHead().GetRoot()) }
	signed := func(head uint64, c checkpoint.Checkpoint) *feedv1.WatchResponse {
		t.Helper()
		m := beat(head)
		if m.Heartbeat.Checkpoint, err = note.Sign(&note.Note{Text: c.String()}, signer); err != nil {
			t.Fatal(err)
		}
		return m
	}
	begun := []*feedv1.WatchResponse{commit(1, 1), commit(2, 2), commit(3, 3), signed(3, checkpoint.Checkpoint{Origin: "log", Size: 3, Root: right(3)}), commit(4, 4)}
	for name, tc := range map[string]struct {
		then   checkpoint.Checkpoint
		kept   uint64 // size of the checkpoint that is kept
		forked bool
	}{
		"a later one":                           {checkpoint.Checkpoint{Origin: "log", Size: 5, Root: right(5)}, 5, false},
		"an older one":                          {checkpoint.Checkpoint{Origin: "log", Size: 2, Root: right(2)}, 3, false},
		"another root at the size last signed":  {checkpoint.Checkpoint{Origin: "log", Size: 3, Root: right(2)}, 0, true},
		"another root at an older size":         {checkpoint.Checkpoint{Origin: "log", Size: 2, Root: right(3)}, 0, true},
		"another root at a later size":          {checkpoint.Checkpoint{Origin: "log", Size: 5, Root: right(3)}, 0, true},
		"of another log, and as right as it is": {checkpoint.Checkpoint{Origin: "log/2", Size: 5, Root: right(5)}, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, again := range []bool{false, true} {
				if again && name == "another root at an older size" {
					continue // nobody knows that root any longer
				}
				more := []*feedv1.WatchResponse{commit(5, 5), signed(5, tc.then)}
				server := &recorded{watches: []play{{answers: append(slices.Clone(begun), more...)}}}
				if again {
					server.watches = []play{{begun, errGone}, {answers: more}}
				}
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				var place follow.Place
				err := (&follow.Follower{Client: server.client(t), Keys: []note.Verifier{key}}).Run(ctx, place, func(_ context.Context, b follow.Batch) error {
					if place = b.After; b.Head.GetSize() == 5 {
						stop()
					}
					return nil
				})
				if _, forked := errors.AsType[*follow.ForkError](err); forked != tc.forked {
					t.Fatalf("called again: %v; it ended with %v", again, err)
				}
				if tc.forked {
					continue
				}
				if kept, _, err := checkpoint.Open(place.Checkpoint(), key); err != nil || kept.Size != tc.kept {
					t.Errorf("called again: %v; %+v is kept, %v", again, kept, err)
				}
			}
		})
	}
}

// prover proves of the log what it is asked for, or answers what it is told to, first one and
// then the other.
type prover struct {
	ledgerv1.UnimplementedProofServiceServer

	sign func(size uint64) []byte
	away int // how often it is, of inclusion proofs

	mu      sync.Mutex
	answers []func() (*ledgerv1.GetConsistencyProofResponse, error)
	asked   []string
}

func (p *prover) GetCheckpoint(_ context.Context, req *ledgerv1.GetCheckpointRequest) (*ledgerv1.GetCheckpointResponse, error) {
	return &ledgerv1.GetCheckpointResponse{Checkpoint: p.sign(req.GetMinSize())}, nil
}

func (p *prover) GetInclusionProof(_ context.Context, req *ledgerv1.GetInclusionProofRequest) (*ledgerv1.GetInclusionProofResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, fmt.Sprintf("%d of %d", req.GetPosition(), req.GetTreeSize()))
	if p.away--; p.away >= 0 {
		return nil, errGone
	}
	proof, err := tlog.ProveRecord(int64(req.GetTreeSize()), int64(req.GetPosition()-1), tree(req.GetTreeSize()))
	out := &ledgerv1.GetInclusionProofResponse{}
	for _, h := range proof {
		out.Hashes = append(out.Hashes, h[:])
	}
	return out, err
}

func (p *prover) GetConsistencyProof(_ context.Context, req *ledgerv1.GetConsistencyProofRequest) (*ledgerv1.GetConsistencyProofResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, fmt.Sprintf("%d in %d", req.GetOldSize(), req.GetTreeSize()))
	if len(p.answers) > 0 {
		answer := p.answers[0]
		p.answers = p.answers[1:]
		return answer()
	}
	proof, err := tlog.ProveTree(int64(req.GetTreeSize()), int64(req.GetOldSize()), tree(req.GetTreeSize()))
	out := &ledgerv1.GetConsistencyProofResponse{}
	for _, h := range proof {
		out.Hashes = append(out.Hashes, h[:])
	}
	return out, err
}

// Who is not handed all of the log still verifies that each checkpoint is signed by a key he
// trusts and extends the last one, by a proof; also one that is older than that.
func TestCheckpointsUnderFilter(t *testing.T) {
	private, public, err := note.GenerateKey(rand.Reader, "log")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	otherPrivate, _, err := note.GenerateKey(rand.Reader, "log")
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := note.NewSigner(otherPrivate)
	if err != nil {
		t.Fatal(err)
	}
	key, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	at := func(size, root uint64) checkpoint.Checkpoint {
		return checkpoint.Checkpoint{Origin: "log", Size: size, Root: tlog.Hash(beat(root).GetHeartbeat().GetHead().GetRoot())}
	}
	signed := func(c checkpoint.Checkpoint, by note.Signer) *feedv1.WatchResponse {
		m := beat(max(c.Size, 7))
		if m.Heartbeat.Checkpoint, err = note.Sign(&note.Note{Text: c.String()}, by); err != nil {
			t.Fatal(err)
		}
		return m
	}
	answer := func(r *ledgerv1.GetConsistencyProofResponse, err error) func() (*ledgerv1.GetConsistencyProofResponse, error) {
		return func() (*ledgerv1.GetConsistencyProofResponse, error) { return r, err }
	}
	short := answer(&ledgerv1.GetConsistencyProofResponse{Hashes: [][]byte{{1, 2, 3}}}, nil)
	away, refused := answer(nil, errGone), answer(nil, status.Error(codes.FailedPrecondition, "no ledger here"))
	other := at(7, 7)
	other.Origin = "log/2"
	labels := &feedv1.Filter{Kinds: []string{"label"}}
	for name, tc := range map[string]struct {
		then    *feedv1.WatchResponse
		answers []func() (*ledgerv1.GetConsistencyProofResponse, error)
		asked   []string
		kept    uint64 // size of the checkpoint that is kept
		ends    codes.Code
	}{
		"a later one":                          {then: signed(at(7, 7), signer), asked: []string{"4 in 7"}, kept: 7},
		"an older one":                         {then: signed(at(2, 2), signer), asked: []string{"2 in 4"}, kept: 4},
		"the same":                             {then: signed(at(4, 4), signer), kept: 4},
		"another root later":                   {then: signed(at(7, 6), signer), asked: []string{"4 in 7"}},
		"another root earlier":                 {then: signed(at(2, 3), signer), asked: []string{"2 in 4"}},
		"another root at the same size":        {then: signed(at(4, 3), signer)},
		"another log":                          {then: signed(other, signer)},
		"of a key that is not trusted":         {then: signed(at(7, 7), stranger)},
		"a proof that is none":                 {then: signed(at(7, 7), signer), answers: []func() (*ledgerv1.GetConsistencyProofResponse, error){short}, asked: []string{"4 in 7"}},
		"proofs that cannot be had for a time": {then: signed(at(7, 7), signer), answers: []func() (*ledgerv1.GetConsistencyProofResponse, error){away, away}, asked: []string{"4 in 7", "4 in 7", "4 in 7"}, kept: 7},
		"proofs that are not to be had":        {then: signed(at(7, 7), signer), answers: []func() (*ledgerv1.GetConsistencyProofResponse, error){refused}, asked: []string{"4 in 7"}, ends: codes.FailedPrecondition},
	} {
		for _, filter := range []*feedv1.Filter{labels, nil} {
			t.Run(fmt.Sprintf("%s, filter %v", name, filter != nil), func(t *testing.T) {
				from, err := follow.From(2, "c2", filter)
				if err != nil {
					t.Fatal(err)
				}
				first := []*feedv1.WatchResponse{commit(3, 3), signed(at(4, 4), signer)}
				proofs := &prover{answers: tc.answers}
				server := &recorded{watches: []play{{answers: append(slices.Clone(first), tc.then)}, {answers: []*feedv1.WatchResponse{tc.then}}, {answers: []*feedv1.WatchResponse{tc.then}}}}
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				f := &follow.Follower{Client: server.client(t), Filter: filter, Keys: []note.Verifier{key}}
				if err := f.Run(ctx, from, nil); !errors.Is(err, follow.ErrProofs) {
					t.Fatalf("with nobody to prove anything: %v", err)
				}
				f.Proofs = ledgerv1.NewProofServiceClient(dial(t, func(s *grpc.Server) { ledgerv1.RegisterProofServiceServer(s, proofs) }))
				beats, place := 0, follow.Place{}
				err = f.Run(ctx, from, func(_ context.Context, b follow.Batch) error {
					if text, err := b.After.MarshalText(); err != nil || place.UnmarshalText(text) != nil { // as one that is kept
						t.Errorf("%s: %v", text, err)
					}
					if b.Head != nil {
						beats++
					}
					if beats == 2 {
						stop()
					}
					return nil
				})
				_, forked := errors.AsType[*follow.ForkError](err)
				switch {
				case tc.ends != 0 && status.Code(err) != tc.ends, tc.ends == 0 && forked != (tc.kept == 0):
					t.Errorf("it ended with %v", err)
				case !slices.Equal(proofs.asked, tc.asked):
					t.Errorf("proofs were asked for %q, not %q", proofs.asked, tc.asked)
				}
				kept, _, err := checkpoint.Open(place.Checkpoint(), key)
				if want := max(tc.kept, 4); err != nil || kept.Size != want {
					t.Errorf("%+v is kept, not of %d: %v", kept, want, err)
				}
			})
		}
	}
}

// Who asks for it is handed no record under a filter that is not proved to be in the log of a
// signed checkpoint.
func TestProve(t *testing.T) {
	private, public, err := note.GenerateKey(rand.Reader, "log")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	altered := commit(5, 6)
	altered.Commits[0].Records[1].Body = []byte("another body")
	moved := commit(5, 5)
	moved.Commits[0].Records[0].Position = 6
	labels := &feedv1.Filter{Kinds: []string{"label"}}
	for name, tc := range map[string]struct {
		filter *feedv1.Filter
		then   *feedv1.WatchResponse
		away   int
		asked  []string
		forked bool
	}{
		"in the log":               {filter: labels, then: commit(5, 6), asked: []string{"2 of 2", "2 in 6", "5 of 6", "6 of 6"}},
		"altered":                  {filter: labels, then: altered, asked: []string{"2 of 2", "2 in 6", "5 of 6", "6 of 6"}, forked: true},
		"at another position":      {filter: labels, then: moved, asked: []string{"2 of 2", "2 in 6", "6 of 6"}, forked: true},
		"proofs away for a moment": {filter: labels, then: commit(5, 6), away: 1, asked: []string{"2 of 2", "2 of 2", "2 in 6", "5 of 6", "6 of 6"}},
		"all is handed on":         {then: commit(3, 6)},
	} {
		t.Run(name, func(t *testing.T) {
			proofs := &prover{away: tc.away, sign: func(size uint64) []byte {
				c := checkpoint.Checkpoint{Origin: "log", Size: size, Root: tlog.Hash(beat(size).GetHeartbeat().GetHead().GetRoot())}
				text, err := note.Sign(&note.Note{Text: c.String()}, signer)
				if err != nil {
					t.Error(err)
				}
				return text
			}}
			first := commit(2, 2)
			if tc.filter == nil {
				first = commit(1, 2)
			}
			server := &recorded{watches: []play{{answers: []*feedv1.WatchResponse{first, tc.then}}}}
			if tc.away > 0 { // asked again from the beginning, of which nothing was handed on
				server.watches = append(server.watches, server.watches[0])
			}
			f := &follow.Follower{Client: server.client(t), Filter: tc.filter, Prove: true}
			if tc.filter != nil {
				if err := f.Run(t.Context(), follow.Place{}, nil); !errors.Is(err, follow.ErrProofs) {
					t.Fatalf("without keys: %v", err)
				}
			}
			f.Keys, f.Proofs = []note.Verifier{key}, ledgerv1.NewProofServiceClient(dial(t, func(s *grpc.Server) { ledgerv1.RegisterProofServiceServer(s, proofs) }))
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			handed := uint64(0)
			err := f.Run(ctx, follow.Place{}, func(_ context.Context, b follow.Batch) error {
				if handed = b.After.Position; handed == 6 {
					stop()
				}
				return nil
			})
			if _, forked := errors.AsType[*follow.ForkError](err); forked != tc.forked || forked && handed != 2 {
				t.Errorf("%d was handed on, and it ended with %v", handed, err)
			}
			if !slices.Equal(proofs.asked, tc.asked) {
				t.Errorf("asked for %q, not %q", proofs.asked, tc.asked)
			}
		})
	}
}

// A place is that of one filter.
func TestFilterChanges(t *testing.T) {
	labels := &feedv1.Filter{Kinds: []string{"label"}}
	server := &recorded{watches: []play{{answers: []*feedv1.WatchResponse{commit(5, 5)}}}}
	client := server.client(t)
	at, err := follow.From(4, "c4", labels)
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range []*feedv1.Filter{nil, {Kinds: []string{"act"}}} {
		if err := (&follow.Follower{Client: client, Filter: other}).Run(t.Context(), at, nil); !errors.Is(err, follow.ErrFilter) {
			t.Errorf("a place under %v goes on under %v: %v", labels, other, err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	err = (&follow.Follower{Client: client, Filter: labels}).Run(ctx, at, func(context.Context, follow.Batch) error { stop(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("under its own filter: %v", err)
	}
}

// What the handler refuses is not gone past, and not tried again.
func TestHandlerFails(t *testing.T) {
	server := &recorded{watches: []play{{answers: []*feedv1.WatchResponse{commit(1, 1), commit(2, 2)}}}}
	full := status.Error(codes.Unavailable, "the disk is full")
	n := 0
	err := (&follow.Follower{Client: server.client(t)}).Run(t.Context(), follow.Place{}, func(context.Context, follow.Batch) error {
		n++
		return full
	})
	if !errors.Is(err, full) || n != 1 || len(server.asked()) != 1 {
		t.Errorf("%d batches in %d watches, then %v", n, len(server.asked()), err)
	}
}

// A register that says nothing is asked again.
func TestSilence(t *testing.T) {
	server := &recorded{watches: []play{{answers: []*feedv1.WatchResponse{commit(1, 1)}}, {answers: []*feedv1.WatchResponse{commit(2, 2)}}}}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	f := &follow.Follower{Client: server.client(t), Heartbeat: 100 * time.Millisecond}
	var first context.Context
	err := f.Run(ctx, follow.Place{}, func(ctx context.Context, b follow.Batch) error {
		if first == nil {
			first = ctx
		}
		if first.Err() != nil {
			t.Error("the silence ended what the handler does")
		}
		if b.After.Position == 2 {
			stop()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || len(server.asked()) != 2 {
		t.Errorf("%d watches, then %v", len(server.asked()), err)
	}
}

func TestResume(t *testing.T) {
	kept := func(yield func(*feedv1.Commit, error) bool) {
		for _, m := range []*feedv1.WatchResponse{commit(1, 1), commit(2, 4)} {
			if !yield(m.GetCommits()[0], nil) {
				return
			}
		}
	}
	place, err := follow.Resume(kept)
	if err != nil || place.Position != 4 || place.Cursor != "c4" || !place.Proved() {
		t.Fatalf("resumed at %+v: %v", place, err)
	}
	server := &recorded{watches: []play{{answers: []*feedv1.WatchResponse{commit(5, 5), beat(5)}}}}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	err = (&follow.Follower{Client: server.client(t)}).Run(ctx, place, func(_ context.Context, b follow.Batch) error {
		if b.Head != nil {
			stop()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("going on from what was kept: %v", err)
	}
	if _, err := follow.Resume(func(yield func(*feedv1.Commit, error) bool) { yield(commit(2, 2).GetCommits()[0], nil) }); err == nil {
		t.Error("a copy without its beginning is resumed")
	}
}

func TestPlaceRefusesNonsense(t *testing.T) {
	for _, text := range []string{"x", `{"position":3,"tree":"AA=="}`, `{"position":3,"tree":"AAAAAAAAAAA="}`, `{"position":0,"tree":"?"}`} {
		var p follow.Place
		if err := json.Unmarshal(fmt.Appendf(nil, "%q", text), &p); err == nil {
			t.Errorf("%s is a place: %+v", text, p)
		}
	}
}

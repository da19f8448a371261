// Package follow follows a register and misses nothing: it hands on every commit of the
// log in order, from any place, for ever, checks that no position is missing and that the
// log still is the one it has seen, and goes on after whatever crash.
//
// What it gives and what it asks for:
//
//   - Commits come whole, in the order of the log, each position once in a run.
//   - Each commit is handed on at least once: again after a crash, unless the handler keeps
//     the [Place] it is given in one transaction with what it makes of the commits. Then
//     each has its effect exactly once.
//   - Without a filter, positions are dense and the root of the tree of all that was handed
//     on is compared with every head that the register announces at that size. A follower
//     that began at the beginning has then proved its copy right.
//   - What a filter leaves out is not proved. A follower that has the register's keys still
//     checks that every checkpoint it is shown is signed by one of them and extends the one
//     before.
package follow

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"maillage/proto/checkpoint"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	"maillage/proto/merkle"
)

// Place is how far a follower has come. The zero Place is the beginning. It is kept as
// JSON or text, whose form may gain fields.
type Place struct {
	// Position is that of the last record handed on.
	Position uint64
	// Cursor is where the register goes on.
	Cursor string
	// filter is the encoded filter that it is a place under: with another one, what was
	// left out before it would be taken for seen.
	filter []byte
	// tree is of all records so far; nil where the follower did not begin at the
	// beginning, or filters.
	tree *merkle.Tree
	// signed is the last checkpoint that was verified, nil for none.
	signed []byte
}

// Proved reports whether all up to the place can be compared with the log's root.
func (p Place) Proved() bool { return p.tree != nil || p.Position == 0 }

// Checkpoint is the last checkpoint that was verified, a signed note; nil for none. Where the
// place is Proved, all up to the place was verified against it, else that it extends those
// before it.
func (p Place) Checkpoint() []byte { return p.signed }

type placeJSON struct {
	Position   uint64 `json:"position"`
	Cursor     string `json:"cursor"`
	Filter     []byte `json:"filter,omitempty"`
	Tree       []byte `json:"tree,omitempty"`
	Checkpoint []byte `json:"checkpoint,omitempty"`
}

// MarshalText encodes a place for whoever keeps it.
func (p Place) MarshalText() ([]byte, error) {
	out := placeJSON{Position: p.Position, Cursor: p.Cursor, Filter: p.filter, Checkpoint: p.signed}
	if p.tree != nil {
		var err error
		if out.Tree, err = p.tree.MarshalBinary(); err != nil {
			return nil, err
		}
	}
	return json.Marshal(out)
}

// UnmarshalText decodes a place; nothing at all is the beginning.
func (p *Place) UnmarshalText(b []byte) error {
	*p = Place{}
	if len(b) == 0 {
		return nil
	}
	var in placeJSON
	if err := json.Unmarshal(b, &in); err != nil {
		return fmt.Errorf("place of a follower: %w", err)
	}
	p.Position, p.Cursor, p.filter, p.signed = in.Position, in.Cursor, in.Filter, in.Checkpoint
	if len(in.Tree) == 0 {
		return nil
	}
	p.tree = &merkle.Tree{}
	err := p.tree.UnmarshalBinary(in.Tree)
	if err == nil && p.tree.Size() != in.Position {
		err = fmt.Errorf("its tree has %d leaves", p.tree.Size())
	}
	if err != nil {
		return fmt.Errorf("place of a follower: %w", err)
	}
	return nil
}

// Batch is some commits, in order, and the place after them; none in a heartbeat, which
// may move the place of a follower with a filter.
type Batch struct {
	Commits []*feedv1.Commit
	After   Place
	// Head is the announced head, where this batch comes with one.
	Head *ledgerv1.Head
}

// From is the place after a position, which need not be the beginning: what comes from
// there on is in order and without gaps, but cannot be compared with the log's root. A
// cursor, where there is one, at least shows that the log is the same up to there.
func From(position uint64, cursor string, filter *feedv1.Filter) (Place, error) {
	kept, err := proto.MarshalOptions{Deterministic: true}.Marshal(filter)
	return Place{Position: position, Cursor: cursor, filter: kept}, err
}

// Root is the root of the tree of all up to the place, if it is Proved.
func (p Place) Root() (root tlog.Hash, ok bool) {
	if p.tree == nil {
		return root, false
	}
	return p.tree.Root(), true
}

// Resume is the place after commits that were kept, from the first of the log on: their
// positions must be dense. It is how a copy that keeps the commits alone is checked again,
// and gone on with.
func Resume(commits iter.Seq2[*feedv1.Commit, error]) (Place, error) {
	c := check{whole: true, place: Place{tree: &merkle.Tree{}}}
	for one, err := range commits {
		if err == nil {
			err = c.commit(one)
		}
		if err != nil {
			return Place{}, err
		}
	}
	return c.place, nil
}

// Handler takes batches one after the other. Its error ends the run. It may get again what
// it has got before, if the place it kept is an earlier one: see the package.
type Handler func(ctx context.Context, b Batch) error

// Follower follows one register.
type Follower struct {
	Client feedv1.FeedServiceClient
	// Filter chooses records; nil chooses all.
	Filter *feedv1.Filter
	// Heartbeat is the longest silence asked for; 5 s where zero. A register that says
	// nothing for three times as long is asked again.
	Heartbeat time.Duration
	// Keys are those that the register signs with: where there are any, a checkpoint that none
	// of them signed, or that is not of what was handed on, ends the run.
	Keys []note.Verifier
	// Proofs proves, under a filter or from a place that is not proved, that a checkpoint
	// extends the last one kept: one that does not ends the run. Needed there with Keys.
	Proofs ledgerv1.ProofServiceClient
	// Prove has each record proved, under a filter or from a place that is not proved, to be
	// in the log of a signed checkpoint before it is handed on; one that is not ends the run.
	// It asks for a proof of each, and waits for the next checkpoint, some seconds at most. It
	// needs Keys. Where all is handed on it is not needed, and asks for nothing.
	Prove bool
	// Retry is told of what interrupts a run, which goes on after the delay. May be nil.
	Retry func(err error, delay time.Duration)
}

// ForkError says that the log is not the one that was followed: stop, and keep nothing of
// what is after the last common position.
type ForkError struct {
	Common uint64 // the last position that is the same, 0 where that is not known
	Err    error
}

func (e *ForkError) Error() string {
	if e.Common == 0 {
		return fmt.Sprintf("LOG_FORKED: %v", e.Err)
	}
	return fmt.Sprintf("LOG_FORKED after position %d: %v", e.Common, e.Err)
}

func (e *ForkError) Unwrap() error { return e.Err }

// GapError says that a register handed on another record than the next one.
type GapError struct{ Want, Got uint64 }

func (e *GapError) Error() string {
	return fmt.Sprintf("position %d came where %d is next", e.Got, e.Want)
}

// ErrProofs says that a follower who is not handed all of the log has keys and nobody to ask for
// proofs, or asks for proofs and has no keys.
var ErrProofs = errors.New("checkpoints cannot be verified: no proofs to be had")

// ErrFilter says that a place was kept under another filter.
var ErrFilter = errors.New("the place was kept under another filter: begin again")

// Run hands on what comes after a place until the context ends, whose error it returns, or
// the handler fails. Lost connections and processes that stop are outlasted. A *ForkError,
// a *GapError and what the register refuses end it: nothing is skipped.
func (f *Follower) Run(ctx context.Context, from Place, handle Handler) error {
	at, delay := from, time.Duration(0)
	filter, err := proto.MarshalOptions{Deterministic: true}.Marshal(f.Filter)
	if err != nil {
		return fmt.Errorf("filter: %w", err)
	}
	if (at.Position > 0 || at.Cursor != "") && !bytes.Equal(at.filter, filter) {
		return ErrFilter
	}
	at.filter = filter
	if parted := len(filter) > 0 || !at.Proved(); parted && (len(f.Keys) > 0 && f.Proofs == nil || len(f.Keys) == 0 && f.Prove) {
		return ErrProofs
	}
	for {
		before := at.Position
		err := f.watch(ctx, &at, handle)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !passes(err) {
			return err
		}
		if at.Position > before {
			delay = 0
		}
		delay = min(max(2*delay, 50*time.Millisecond), 5*time.Second)
		wait := delay/2 + rand.N(delay/2+1)
		if f.Retry != nil {
			f.Retry(err, wait)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// handled is an error of the handler.
type handled struct{ error }

func (h handled) Unwrap() error { return h.error }

// passes reports whether an error is of a connection or a process that may come back.
func passes(err error) bool {
	if errors.Is(err, io.EOF) {
		return true
	}
	st, ok := status.FromError(err)
	if _, own := errors.AsType[handled](err); own || !ok {
		return false
	}
	switch st.Code() {
	case codes.Unavailable, codes.Canceled, codes.DeadlineExceeded, codes.Internal, codes.Unknown:
		return true
	}
	return false
}

// errSilent says that no heartbeat came.
var errSilent = status.Error(codes.Unavailable, "nothing was heard for three heartbeats")

func (f *Follower) watch(ctx context.Context, at *Place, handle Handler) error {
	outer := ctx // a silence ends the call, never what the handler does
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	interval := f.Heartbeat
	if interval == 0 {
		interval = 5 * time.Second
	}
	req := &feedv1.WatchRequest{Filter: f.Filter, HeartbeatInterval: durationpb.New(interval)}
	switch {
	case at.Cursor != "":
		req.From = &feedv1.WatchRequest_Cursor{Cursor: at.Cursor}
	case at.Position > 0:
		req.From = &feedv1.WatchRequest_After{After: at.Position}
	}
	silence := time.AfterFunc(3*interval, func() { cancel(errSilent) })
	defer silence.Stop()
	stream, err := f.Client.Watch(ctx, req)
	if err != nil {
		return refusal(err)
	}
	c := check{whole: proto.Size(f.Filter) == 0, place: *at, keys: f.Keys, prove: func(old, size uint64) (tlog.TreeProof, error) {
		ctx, cancel := context.WithTimeout(outer, proofTime)
		defer cancel()
		return f.consistency(ctx, old, size)
	}}
	if root, ok := at.Root(); ok {
		c.roots = append(c.roots, rooted{at.Position, root})
	}
	for {
		m, err := stream.Recv()
		if cause := context.Cause(ctx); err != nil && errors.Is(cause, errSilent) {
			return errSilent
		}
		if err != nil {
			return refusal(err)
		}
		silence.Stop() // not while the handler works
		if err := c.take(m); err != nil {
			return err
		}
		if f.Prove && c.place.tree == nil && len(m.GetCommits()) > 0 {
			if err := f.included(outer, &c, m.GetCommits()); err != nil {
				return err
			}
		}
		if err := handle(outer, Batch{Commits: m.GetCommits(), After: c.kept(), Head: m.GetHeartbeat().GetHead()}); err != nil {
			return handled{err}
		}
		*at = c.kept()
		silence.Reset(3 * interval)
	}
}

// consistency asks for the proof that the log of a size extends that of an older one.
func (f *Follower) consistency(ctx context.Context, old, size uint64) (proof tlog.TreeProof, err error) {
	r, err := f.Proofs.GetConsistencyProof(ctx, &ledgerv1.GetConsistencyProofRequest{OldSize: old, TreeSize: size})
	if err != nil {
		return nil, refusal(err)
	}
	return hashesOf(r.GetHashes())
}

// proofTime is how long a proof, or the checkpoint that it is under, may take.
const proofTime = 30 * time.Second

// included checks that the records of commits are in the log of a checkpoint that extends the
// last one kept, which is asked for where that ends before them.
func (f *Follower) included(ctx context.Context, c *check, commits []*feedv1.Commit) error {
	under, _, err := checkpoint.Open(c.place.signed, c.keys...)
	if err != nil || under.Size < c.place.Position {
		timed, cancel := context.WithTimeout(ctx, proofTime)
		r, err := f.Proofs.GetCheckpoint(timed, &ledgerv1.GetCheckpointRequest{MinSize: c.place.Position})
		cancel()
		if err != nil {
			return refusal(err)
		}
		if err := c.hear(r.GetCheckpoint()); err != nil {
			return err
		}
		if under, _, err = checkpoint.Open(c.place.signed, c.keys...); err != nil {
			return &ForkError{Err: err}
		}
	}
	for _, commit := range commits {
		for _, one := range commit.GetRecords() {
			if err := f.includes(ctx, under, one); err != nil {
				return err
			}
		}
	}
	return nil
}

// includes checks that a record is in the log of a checkpoint.
func (f *Follower) includes(ctx context.Context, under checkpoint.Checkpoint, one *feedv1.Record) error {
	ctx, cancel := context.WithTimeout(ctx, proofTime)
	defer cancel()
	r, err := f.Proofs.GetInclusionProof(ctx, &ledgerv1.GetInclusionProofRequest{Position: one.GetPosition(), TreeSize: under.Size})
	if err != nil {
		return refusal(err)
	}
	proof, err := hashesOf(r.GetHashes())
	if err != nil {
		return err
	}
	leaf := merkle.AppendLeaf(nil, one.GetPosition(), one.GetSubject(), one.GetBody())
	if err := under.Contains(one.GetPosition(), tlog.RecordHash(leaf), proof); err != nil {
		return &ForkError{Err: err}
	}
	return nil
}

// hashesOf are the hashes of a proof.
func hashesOf(proof [][]byte) (all []tlog.Hash, err error) {
	for _, h := range proof {
		if len(h) != tlog.HashSize {
			return nil, &ForkError{Err: fmt.Errorf("a hash of %d bytes in a proof", len(h))}
		}
		all = append(all, tlog.Hash(h))
	}
	return all, nil
}

// refusal makes LOG_FORKED what it is.
func refusal(err error) error {
	st, _ := status.FromError(err)
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && info.GetReason() == "LOG_FORKED" {
			common, _ := strconv.ParseUint(info.GetMetadata()["position"], 10, 64)
			return &ForkError{Common: common, Err: errors.New(st.Message())}
		}
	}
	return err
}

// check compares what comes with what came.
type check struct {
	whole bool // nothing is filtered out
	place Place
	head  *ledgerv1.Head // announced, not yet reached
	leaf  []byte         // to be used again

	keys  []note.Verifier
	prove func(old, size uint64) (tlog.TreeProof, error)
	roots []rooted // of the tree after the latest commits, in order
	last  *signed  // checkpoint that is not reached yet
}

// rooted is the root of a size.
type rooted struct {
	size uint64
	root tlog.Hash
}

// signed is a checkpoint with the note that it came in.
type signed struct {
	checkpoint.Checkpoint

	note []byte
}

// maxRoots is how many roots are kept to compare checkpoints with, which come a few seconds
// after the commits that they cover. One that is older is passed over: the next one covers it.
const maxRoots = 8192

// kept is the place as it is now, which later ones do not alter.
func (c *check) kept() Place {
	p := c.place
	if p.tree != nil {
		tree := *p.tree
		p.tree = &tree
	}
	return p
}

func (c *check) take(m *feedv1.WatchResponse) error {
	if c.place.tree == nil && c.place.Position == 0 && c.whole {
		c.place.tree = &merkle.Tree{}
	} else if c.place.tree != nil {
		c.place.tree = c.kept().tree
	}
	for _, commit := range m.GetCommits() {
		if err := c.commit(commit); err != nil {
			return err
		}
	}
	beat := m.GetHeartbeat()
	if beat == nil {
		return nil
	}
	if beat.GetHead() == nil { // much was filtered out, and there is more
		c.place.Cursor = beat.GetCursor()
		return nil
	}
	if beat.GetHead().GetSize() < c.place.Position {
		return &ForkError{Common: beat.GetHead().GetSize(), Err: fmt.Errorf("the head is announced at %d, and %d was handed on", beat.GetHead().GetSize(), c.place.Position)}
	}
	c.head = beat.GetHead()
	c.place.Cursor = beat.GetCursor()
	if err := c.hear(beat.GetCheckpoint()); err != nil {
		return err
	}
	return c.compare()
}

// hear takes a checkpoint, to be compared once its size is reached or, where not all is handed
// on, with the one before by a proof.
func (c *check) hear(text []byte) error {
	if len(c.keys) == 0 || len(text) == 0 || bytes.Equal(text, c.place.signed) {
		return nil
	}
	now, _, err := checkpoint.Open(text, c.keys...)
	if err != nil {
		return &ForkError{Err: err}
	}
	before, _, err := checkpoint.Open(c.place.signed, c.keys...)
	first := err != nil // or the last one was signed by a key that is trusted no longer
	switch {
	case first:
	case before.Origin != now.Origin:
		return &ForkError{Err: fmt.Errorf("a checkpoint of %s, size %d, comes after one of %s, size %d", now.Origin, now.Size, before.Origin, before.Size)}
	case before.Size == now.Size && before.Root != now.Root:
		return &ForkError{Err: fmt.Errorf("two roots were signed at size %d: %v, and now %v", now.Size, before.Root, now.Root)}
	}
	if c.place.tree == nil {
		return c.extends(before, now, first, text)
	}
	if !first && before.Size > now.Size { // told by a process that has not heard of the later one yet
		_, err := c.agrees(now)
		return err
	}
	c.last = &signed{now, bytes.Clone(text)}
	return c.certify()
}

// extends takes a checkpoint if, by a proof, the one of it and the last that is of more records
// extends the other; the later is kept. The first is taken as it is.
func (c *check) extends(before, now checkpoint.Checkpoint, first bool, text []byte) error {
	if !first && before.Size != now.Size {
		older, newer := before, now
		if now.Size < before.Size { // told by a process that has not heard of the later one yet
			older, newer = now, before
		}
		proof, err := c.prove(older.Size, newer.Size)
		if err != nil {
			return err
		}
		if err := newer.Extends(older, proof); err != nil {
			return &ForkError{Err: err}
		}
	}
	if first || now.Size >= before.Size {
		c.place.signed = bytes.Clone(text)
	}
	return nil
}

// agrees compares a checkpoint with the root at its size, if that is known still.
func (c *check) agrees(now checkpoint.Checkpoint) (known bool, err error) {
	i, known := slices.BinarySearchFunc(c.roots, now.Size, func(r rooted, size uint64) int { return cmp.Compare(r.size, size) })
	if known && c.roots[i].root != now.Root {
		return true, &ForkError{Err: fmt.Errorf("the root of what was handed on up to %d is %v, and %v was signed", now.Size, c.roots[i].root, now.Root)}
	}
	return known, nil
}

// certify compares the checkpoint that was heard with the root at its size, where that is
// reached and not too long ago.
func (c *check) certify() error {
	if c.last == nil || c.last.Size > c.place.Position {
		return nil
	}
	known, err := c.agrees(c.last.Checkpoint)
	if err != nil {
		return err
	}
	if known {
		c.place.signed = c.last.note
	}
	c.last = nil
	return nil
}

func (c *check) commit(commit *feedv1.Commit) error {
	for _, r := range commit.GetRecords() {
		if next := c.place.Position + 1; r.GetPosition() < next || c.whole && r.GetPosition() != next {
			return &GapError{Want: next, Got: r.GetPosition()}
		}
		c.place.Position = r.GetPosition()
		if c.place.tree != nil {
			c.leaf = merkle.AppendLeaf(c.leaf[:0], r.GetPosition(), r.GetSubject(), r.GetBody())
			c.place.tree.Append(tlog.RecordHash(c.leaf))
		}
	}
	c.place.Cursor = commit.GetCursor()
	if len(c.keys) > 0 && c.place.tree != nil {
		if len(c.roots) == maxRoots {
			c.roots = slices.Delete(c.roots, 0, maxRoots/2)
		}
		c.roots = append(c.roots, rooted{c.place.Position, c.place.tree.Root()})
		if err := c.certify(); err != nil {
			return err
		}
	}
	return c.compare()
}

// compare compares the root with that announced, where the head is reached.
func (c *check) compare() error {
	if c.head == nil || c.place.tree == nil || c.head.GetSize() != c.place.Position || c.place.Position == 0 {
		return nil
	}
	if root := c.place.tree.Root(); string(root[:]) != string(c.head.GetRoot()) {
		return &ForkError{Err: fmt.Errorf("the root of what was handed on up to %d is %v, and %x is announced", c.place.Position, root, c.head.GetRoot())}
	}
	return nil
}

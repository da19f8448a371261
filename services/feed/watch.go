package feed

import (
	"context"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	feedv1 "maillage/proto/gen/maillage/feed/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	"maillage/services/eventlog"
	"maillage/services/fault"
)

const (
	defaultHeartbeat = 5 * time.Second
	commitsField     = 1         // of WatchResponse
	maxSend          = 256 << 10 // bytes of commits in one message, but for a single commit
)

// reader is one call of Watch.
type reader struct {
	f         *Feed
	keep      filter
	send      func(*feedv1.WatchResponse) error
	heartbeat time.Duration

	at   eventlog.Cursor // all up to here was sent or filtered out
	live bool            // it has caught up once
	sent time.Time       // when the last message was taken
}

// Watch sends the commits after a place and those to come until the context ends, whose
// error it returns. send may hang: after the patience of the feed Watch gives up, and
// send must fail once it has returned.
func (f *Feed) Watch(ctx context.Context, req *feedv1.WatchRequest, send func(*feedv1.WatchResponse) error) error {
	if err := check(req.GetFilter()); err != nil {
		return err
	}
	f.join(ctx)
	defer f.leave()
	r := &reader{f: f, keep: filterOf(req.GetFilter()), send: send, heartbeat: defaultHeartbeat, sent: time.Now()}
	if d := req.GetHeartbeatInterval(); d != nil {
		r.heartbeat = d.AsDuration()
	}
	after := req.GetAfter()
	if req.GetStart() == feedv1.Start_START_NOW {
		head, err := f.src.Await(ctx, 0)
		if err != nil {
			return err
		}
		after = head.Size
	}
	var err error
	if r.at, err = f.begin(ctx, req.GetCursor(), after); err != nil {
		return err
	}
	return r.run(ctx)
}

func (r *reader) run(ctx context.Context) error {
	idle := time.NewTimer(r.heartbeat)
	defer idle.Stop()
	for {
		v := r.f.ring.after(r.at.Position)
		var err error
		switch {
		case v.err != nil:
			return broken(v.err)
		case !v.reaches && r.live:
			return r.slow("commits came faster than they were taken")
		case !v.reaches:
			err = r.catchUp(ctx)
		case len(v.batches) > 0:
			err = r.forward(ctx, v.batches)
		case !r.live:
			r.live = true
			err = r.beat(ctx)
		default:
			select {
			case <-v.moved:
				continue
			case <-ctx.Done():
				return ctx.Err()
			case <-r.f.closing:
				err = stopping()
			case <-idle.C:
				err = r.beat(ctx)
			}
		}
		if err != nil {
			return err
		}
		idle.Reset(r.heartbeat)
	}
}

func stopping() error {
	return fault.New(fault.Unavailable, "STOPPING", "", "the process is stopping; go on from the last cursor, here or at another one")
}

// stops tells whether the feed is being closed.
func (f *Feed) stops() bool {
	select {
	case <-f.closing:
		return true
	default:
		return false
	}
}

// catchUp sends what the log holds up to the head, or to where the ring begins meanwhile.
// While a message is taken the next one is made.
func (r *reader) catchUp(ctx context.Context) error {
	head, err := r.f.src.Await(ctx, 0)
	if err != nil {
		return err
	}
	if head.Size <= r.at.Position { // the tail is about to begin
		return r.pause(ctx)
	}
	at, handed := r.at, r.at // all up to there is made ready, and is in the hands of send
	var frames []byte
	var taken <-chan error // of what is
	flush := func() error {
		if err := r.await(ctx, taken); err != nil {
			return err
		}
		r.at = handed
		taken, handed = r.begin(encoded(frames)), at
		frames = make([]byte, 0, len(frames))
		return nil
	}
	for c, err := range r.f.commits(r.f.src.Records(ctx, r.at.Position, head.Size)) {
		if err != nil {
			return broken(err)
		}
		if r.f.stops() {
			return stopping()
		}
		one, err := r.f.message(ctx, c, r.keep)
		if err != nil {
			return err
		}
		if more := proto.Size(one); one != nil {
			if len(frames) > 0 && len(frames)+more > maxSend {
				if err := flush(); err != nil {
					return err
				}
			}
			frames = protowire.AppendTag(frames, commitsField, protowire.BytesType)
			frames = protowire.AppendVarint(frames, uint64(more))
			if frames, err = (proto.MarshalOptions{UseCachedSize: true}).MarshalAppend(frames, one); err != nil {
				return err
			}
		}
		at = c.end
		if time.Since(r.sent) < r.heartbeat {
			continue
		}
		if len(frames) > 0 { // little of much is chosen: it does not wait for more
			err = flush()
		} else if err = r.await(ctx, taken); err == nil {
			taken, handed, r.at = nil, at, at
			err = r.tell(ctx, nil)
		}
		if err != nil {
			return err
		}
	}
	if len(frames) > 0 {
		if err := flush(); err != nil {
			return err
		}
	}
	if err := r.await(ctx, taken); err != nil {
		return err
	}
	r.at = at
	return nil
}

// pause waits for the tail to begin.
func (r *reader) pause(ctx context.Context) error {
	v := r.f.ring.after(r.at.Position)
	if v.reaches {
		return nil
	}
	if v.err != nil {
		return broken(v.err)
	}
	select {
	case <-v.moved:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-r.f.closing:
		return stopping()
	}
}

// forward sends batches of the ring. All readers without a filter that stand at the same
// place get the very same message.
func (r *reader) forward(ctx context.Context, batches []*batch) error {
	for len(batches) > 0 {
		n, size := 1, len(batches[0].frames)
		for n < len(batches) && size+len(batches[n].frames) <= maxSend {
			size += len(batches[n].frames)
			n++
		}
		some := batches[:n]
		batches = batches[n:]
		m, err := r.gather(ctx, some, size)
		if err != nil {
			return err
		}
		if m != nil {
			if err := r.hand(ctx, m); err != nil {
				return err
			}
		}
		r.at = some[n-1].end
	}
	return nil
}

// gather makes one message of batches, nil where the filter leaves nothing.
func (r *reader) gather(ctx context.Context, batches []*batch, size int) (*feedv1.WatchResponse, error) {
	m := &feedv1.WatchResponse{}
	switch {
	case batches[0].after < r.at.Position || !r.keep.takesAll():
		for _, b := range batches {
			for _, c := range b.commits {
				if c.end.Position <= r.at.Position {
					continue
				}
				one, err := r.f.message(ctx, c, r.keep)
				if err != nil {
					return nil, err
				}
				if one != nil {
					m.Commits = append(m.Commits, one)
				}
			}
		}
		if len(m.GetCommits()) == 0 {
			return nil, nil
		}
	case len(batches) == 1:
		m = batches[0].whole
	default:
		frames := make([]byte, 0, size)
		for _, b := range batches {
			frames = append(frames, b.frames...)
		}
		m = encoded(frames)
	}
	return m, nil
}

// encoded is the message of bytes that need not be encoded again for each reader: they
// go out as they are.
func encoded(frames []byte) *feedv1.WatchResponse {
	m := &feedv1.WatchResponse{}
	m.ProtoReflect().SetUnknown(frames)
	return m
}

func (r *reader) beat(ctx context.Context) error {
	head, err := r.f.src.Await(ctx, 0)
	if err != nil {
		return err
	}
	return r.tell(ctx, head.Proto())
}

// tell sends a heartbeat, without a head to a reader that has not caught up.
func (r *reader) tell(ctx context.Context, head *ledgerv1.Head) error {
	if r.at.Leaf == ([32]byte{}) {
		r.at.Leaf = r.f.ring.leafOf(r.at.Position)
	}
	cursor, err := r.f.cursorAt(ctx, r.at)
	if err != nil {
		return err
	}
	beat := &feedv1.Heartbeat{Head: head, Cursor: cursor, Time: timestamppb.New(r.f.src.Now())}
	if r.f.src.Checkpoint != nil {
		beat.Checkpoint = r.f.src.Checkpoint()
	}
	return r.hand(ctx, &feedv1.WatchResponse{Heartbeat: beat})
}

// hand sends a message, and gives up on a reader that does not take it.
func (r *reader) hand(ctx context.Context, m *feedv1.WatchResponse) error {
	return r.await(ctx, r.begin(m))
}

func (r *reader) begin(m *feedv1.WatchResponse) (taken <-chan error) {
	done := make(chan error, 1)
	go func() { done <- r.send(m) }()
	return done
}

// await waits for what was sent, if anything, to be taken.
func (r *reader) await(ctx context.Context, taken <-chan error) error {
	if taken == nil {
		return nil
	}
	patience := time.NewTimer(r.f.limits.Patience)
	defer patience.Stop()
	select {
	case err := <-taken:
		r.sent = time.Now()
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-patience.C:
		return r.slow("nothing was taken for " + r.f.limits.Patience.String())
	}
}

// slow closes a reader. The position is the last one that was sent for sure.
func (r *reader) slow(why string) error {
	err := fault.New(fault.Unavailable, "READER_TOO_SLOW", "",
		"%s; all up to position %d was sent: go on from the last cursor that arrived", why, r.at.Position)
	err.Position = r.at.Position
	return err
}

// join counts a reader; the first one brings the tail to life.
func (f *Feed) join(ctx context.Context) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.readers.Add(1) > 1 {
		return
	}
	tail, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err := f.tail(tail)
		if tail.Err() != nil {
			err = nil
		}
		f.ring.end(err)
	}()
	f.stop = func() {
		stop()
		<-ended
	}
}

func (f *Feed) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.readers.Add(-1) == 0 {
		f.stop()
	}
}

// tail fills the ring with what is announced from now on.
func (f *Feed) tail(ctx context.Context) error {
	head, err := f.src.Await(ctx, 0)
	if err != nil {
		return err
	}
	from := eventlog.Cursor{Position: head.Size}
	if from.Position > 0 {
		last, err := f.src.Get(ctx, from.Position)
		if err != nil {
			return err
		}
		from.Leaf = eventlog.LeafHash(last)
	}
	following, stop := context.WithCancel(ctx)
	defer stop()
	coming := make(chan eventlog.Record, 1024)
	ended := make(chan error, 1)
	go func() {
		defer close(coming)
		for r, err := range f.src.Follow(following, from) {
			if err != nil {
				ended <- err
				return
			}
			select {
			case coming <- r:
			case <-following.Done():
				return
			}
		}
	}()
	f.ring.begin(from.Position)
	var open []eventlog.Record
	for at := from.Position; ; {
		r, ok := <-coming
		if !ok {
			break
		}
		open = append(open, r)
		head, err := f.src.Await(ctx, r.Position)
		if err != nil {
			return err
		}
		f.linger(ctx)
		for more := true; more && open[len(open)-1].Position < head.Size; {
			select {
			case r, more = <-coming:
				if more {
					open = append(open, r)
				}
			default:
				more = false
			}
		}
		b, rest, err := f.batch(ctx, at, open, head.Size)
		if err != nil {
			return err
		}
		if b != nil {
			f.ring.push(b)
			at = b.end.Position
		}
		open = rest
	}
	select {
	case err := <-ended:
		return err
	default:
		return context.Cause(ctx)
	}
}

// Each message to each reader costs some microseconds: with many of them, what comes
// within a moment goes out at once.
const (
	lingerEach = 20 * time.Microsecond
	lingerMost = 25 * time.Millisecond
)

func (f *Feed) linger(ctx context.Context) {
	wait := min(time.Duration(f.readers.Load())*lingerEach, lingerMost)
	if wait < time.Millisecond {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// batch makes one of the whole commits among records, which are announced up to a size;
// the rest is of a commit that is still to come.
func (f *Feed) batch(ctx context.Context, after uint64, records []eventlog.Record, size uint64) (b *batch, rest []eventlog.Record, err error) {
	b = &batch{after: after}
	m := &feedv1.WatchResponse{}
	upTo := func(yield func(eventlog.Record, error) bool) {
		for i, r := range records {
			if r.Position > size || !yield(r, nil) {
				rest = records[i:]
				return
			}
		}
	}
	for c, err := range f.commits(upTo) {
		if err != nil {
			return nil, nil, err
		}
		one, err := f.message(ctx, c, filter{})
		if err != nil {
			return nil, nil, err
		}
		m.Commits = append(m.Commits, one)
		b.commits, b.end = append(b.commits, c), c.end
	}
	if len(b.commits) == 0 {
		return nil, records, nil
	}
	if i := int(b.end.Position - records[0].Position + 1); i < len(records) {
		rest = records[i:]
	}
	if b.frames, err = proto.Marshal(m); err != nil {
		return nil, nil, err
	}
	b.whole = encoded(b.frames)
	return b, rest, nil
}

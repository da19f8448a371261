package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/mod/sumdb/tlog"

	"maillage/services/eventlog"
)

// pullMessages is how many records a request asks for. Up to half as many again wait in
// memory for a caller who is slower than the broker, as the fold of a replay is: with 10,000
// a replay takes 6 % longer. With 2,000 the broker comes to wait for the next request.
const (
	pullMessages = 4_000
	pullBytes    = 32 << 20
	pullExpires  = 30 * time.Second

	tick      = 250 * time.Millisecond
	idleTicks = 8 // a follower idle for 2 s looks whether its last record stands

	patience = 5 // times that a record which is there may fail to come

	// A follower takes from the broker what its own process appends, too, and it is compared
	// with what was appended. That may wait a little: one by one it would be delivered on
	// the processors that the next append needs.
	ownPace       = 5 * time.Millisecond   // between two requests for the process's own records
	foreignMemory = 200 * time.Millisecond // for which those of others may not wait for that
	fewMessages   = 256                    // asked for then
)

// errAgain asks for a new consumer: the connection or the consumer was lost, or a
// record that stands in the stream did not come.
var errAgain = errors.New("reading begins anew")

// errNotStored says that the stream holds no record at a position.
var errNotStored = errors.New("no record there")

// errEnough says that the caller wants no more records.
var errEnough = errors.New("enough")

// Read implements eventlog.Log. It does not outlast the loss of the connection for
// more than a few seconds.
func (l *Log) Read(ctx context.Context, after uint64) iter.Seq2[eventlog.Record, error] {
	return func(yield func(eventlog.Record, error) bool) {
		head, _, err := l.Head(ctx)
		if err != nil {
			yield(eventlog.Record{}, err)
			return
		}
		if head > after {
			t := &tail{l: l, position: after, end: head, yield: yield}
			t.run(ctx)
		}
	}
}

// Get implements eventlog.Log.
func (l *Log) Get(ctx context.Context, position uint64) (eventlog.Record, error) {
	r, err := l.get(ctx, position)
	if errors.Is(err, errNotStored) {
		return eventlog.Record{}, &eventlog.HoleError{Position: position}
	}
	return r, err
}

// Follow implements eventlog.Log. It outlasts lost connections; only a fork, a hole
// and the context end it.
func (l *Log) Follow(ctx context.Context, from eventlog.Cursor) iter.Seq2[eventlog.Record, error] {
	return func(yield func(eventlog.Record, error) bool) {
		t := &tail{l: l, position: from.Position, leaf: from.Leaf, yield: yield}
		t.run(ctx)
	}
}

// tail reads the stream in order from a position.
type tail struct {
	l        *Log
	yield    func(eventlog.Record, error) bool
	end      uint64          // last position wanted, 0 for no end
	position uint64          // last position yielded
	known    uint64          // the head when last looked at
	leaf     tlog.Hash       // of the record at position, where last is not it
	last     eventlog.Record // last record yielded

	foreign    time.Time // when another process was last noticed to append
	stuck      uint64    // position that did not come though it stands
	stuckTimes int
}

func (t *tail) run(ctx context.Context) {
	failures := 0
	for {
		before := t.position
		err := t.session(ctx)
		if err == nil || errors.Is(err, errEnough) {
			return
		}
		if ctx.Err() != nil {
			t.yield(eventlog.Record{}, ctx.Err())
			return
		}
		var hole *eventlog.HoleError
		var fork *eventlog.ForkError
		if errors.As(err, &hole) || errors.As(err, &fork) {
			t.yield(eventlog.Record{}, err)
			return
		}
		if t.position > before {
			failures = 0
		}
		failures++
		if t.end > 0 && failures > 20 || t.l.read.IsClosed() {
			t.yield(eventlog.Record{}, err)
			return
		}
		if failures > 1 || !errors.Is(err, errAgain) {
			t.l.log.DebugContext(ctx, "the log is read anew", "position", t.position, "error", err)
			sleep(ctx, min(time.Duration(failures)*20*time.Millisecond, tick))
		}
	}
}

// session reads with one consumer until the end is reached (nil) or something is
// amiss.
func (t *tail) session(ctx context.Context) error {
	dials := t.l.dials.Load()
	head, err := t.verify(ctx)
	if err != nil {
		return err
	}
	c, err := t.l.newConsumer(ctx, t.position+1)
	if err != nil {
		return err
	}
	defer c.close()
	if c.pending == 0 && head > t.position {
		return t.missing(ctx, t.position+1)
	}
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	idle, seen := 0, t.position
	for t.end == 0 || t.position < t.end {
		wanted, pause := t.wanted(c)
		if err := c.pull(wanted); err != nil {
			return err
		}
		var m *nats.Msg
		select {
		case m = <-c.ch: // no other case is worth looking at while records come
		default:
			var paused <-chan time.Time
			if pause > 0 {
				paused = time.After(pause)
			}
			select {
			case m = <-c.ch:
			case <-ctx.Done():
				return ctx.Err()
			case <-t.l.moved:
				t.foreign = time.Now()
				continue
			case <-paused:
				continue
			case <-ticker.C:
			}
		}
		if t.l.dials.Load() != dials {
			return errAgain // what comes may be of another broker: look first
		}
		if m != nil {
			if err := t.take(ctx, c, m); err != nil {
				return err
			}
			continue
		}
		if idle++; t.position != seen {
			idle, seen = 0, t.position
		}
		if t.position < t.known && idle > 0 || idle >= idleTicks {
			idle = 0
			if err := t.idle(ctx, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// wanted is how many records to have asked for now. Where it is none, all that is known to
// come is the process's own, and may wait for the pause.
func (t *tail) wanted(c *consumer) (n int, pause time.Duration) {
	sent := t.l.sent.Load()
	switch {
	case t.end > 0:
		return pullMessages, 0
	case t.position < t.known:
		return min(pullMessages, int(t.known-t.position)-c.outstanding), 0
	case sent == 0 || time.Since(t.foreign) < foreignMemory:
		return fewMessages, 0
	case sent <= t.position || c.outstanding > 0:
		return 1, 0
	}
	if pause = ownPace - time.Since(c.asked); pause > 0 {
		return 0, pause
	}
	return int(min(sent-t.position, pullMessages)), 0
}

// take yields the record of a message, or follows a message of the consumer.
func (t *tail) take(ctx context.Context, c *consumer, m *nats.Msg) error {
	if m.Subject == c.inbox {
		return c.status(m)
	}
	c.outstanding--
	position, pending, ok := parseReply(m.Reply)
	if !ok {
		return fmt.Errorf("message with the reply subject %q: %w", m.Reply, errAgain)
	}
	if position <= t.position {
		return nil
	}
	if position > t.position+1 {
		return t.missing(ctx, t.position+1)
	}
	t.last = eventlog.Record{Position: position, Subject: m.Subject, Body: m.Data, Header: headers(m.Header)}
	t.position = position
	if position > t.l.sent.Load() {
		t.foreign = time.Now()
	}
	if !t.yield(t.last, nil) {
		return errEnough
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if pending == 0 && position < t.known {
		return t.missing(ctx, position+1)
	}
	return nil
}

// idle looks, when nothing came for a while, whether the log still is what it was
// and whether something should have come.
func (t *tail) idle(ctx context.Context, c *consumer) error {
	head, err := t.verify(ctx)
	if err != nil {
		return err
	}
	if head > t.position && len(c.ch) == 0 {
		return t.missing(ctx, t.position+1)
	}
	return nil
}

// verify returns the head, having looked whether the log begins at 1 and the record
// at the last position still stands, unaltered.
func (t *tail) verify(ctx context.Context) (head uint64, err error) {
	info, err := t.l.info(ctx)
	if errors.Is(err, jetstream.ErrStreamNotFound) && t.position > 0 {
		return 0, &eventlog.ForkError{Position: t.position}
	}
	if err != nil {
		return 0, err
	}
	if s := info.State; s.LastSeq > 0 && s.FirstSeq != 1 {
		return 0, &eventlog.HoleError{Position: 1}
	}
	head = info.State.LastSeq
	t.known = head
	if head < t.position {
		return 0, &eventlog.ForkError{Position: t.position}
	}
	if t.last.Position != 0 {
		t.leaf = eventlog.LeafHash(t.last)
	}
	if t.position == 0 || t.leaf == (tlog.Hash{}) {
		return head, nil
	}
	r, err := t.l.get(ctx, t.position)
	if errors.Is(err, errNotStored) || err == nil && eventlog.LeafHash(r) != t.leaf {
		return 0, &eventlog.ForkError{Position: t.position}
	}
	return head, err
}

// missing says why a position does not come: a hole, or a fault on the way, which a
// new consumer mends. What goes on not coming though it stands is fetched by itself.
func (t *tail) missing(ctx context.Context, position uint64) error {
	r, err := t.l.get(ctx, position)
	if errors.Is(err, errNotStored) {
		return &eventlog.HoleError{Position: position}
	}
	if err != nil {
		return err
	}
	if t.stuck != position {
		t.stuck, t.stuckTimes = position, 0
	}
	if t.stuckTimes++; t.stuckTimes > patience {
		t.last, t.position = r, position
		if !t.yield(r, nil) {
			return errEnough
		}
	}
	return errAgain
}

// get returns a record from the stream's leader.
func (l *Log) get(ctx context.Context, position uint64) (eventlog.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	m, err := l.write.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+streamName,
		[]byte(`{"seq":`+strconv.FormatUint(position, 10)+`}`))
	if err != nil {
		return eventlog.Record{}, fmt.Errorf("looking at position %d: %w", position, err)
	}
	var a struct {
		Message struct {
			Subject string `json:"subject"`
			Seq     uint64 `json:"seq"`
			Data    []byte `json:"data"`
		} `json:"message"`
		Error *struct {
			Code        int    `json:"code"`
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &a); err != nil {
		return eventlog.Record{}, fmt.Errorf("looking at position %d: %w", position, err)
	}
	switch {
	case a.Error != nil && a.Error.Code == 404:
		return eventlog.Record{}, fmt.Errorf("position %d: %w", position, errNotStored)
	case a.Error != nil:
		return eventlog.Record{}, fmt.Errorf("looking at position %d: %s", position, a.Error.Description)
	}
	return eventlog.Record{Position: a.Message.Seq, Subject: a.Message.Subject, Body: a.Message.Data}, nil
}

// headers are the record's own; the broker's are left out.
func headers(h nats.Header) map[string][]string {
	own := 0
	for k := range h {
		if !ownHeader(k) {
			own++
		}
	}
	if own == 0 {
		return nil
	}
	out := make(map[string][]string, own)
	for k, v := range h {
		if !ownHeader(k) {
			out[k] = v
		}
	}
	return out
}

// consumer is an ephemeral pull consumer without acknowledgements. Messages go from
// the connection's reader straight into ch.
type consumer struct {
	l           *Log
	name        string
	inbox       string
	next        string
	sub         *nats.Subscription
	ch          chan *nats.Msg
	asked       time.Time
	outstanding int    // messages asked for that have not come
	pending     uint64 // records there when it was made
}

func (l *Log) newConsumer(ctx context.Context, start uint64) (*consumer, error) {
	made, err := l.js.CreateConsumer(ctx, streamName, jetstream.ConsumerConfig{
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       start,
		AckPolicy:         jetstream.AckNonePolicy,
		MemoryStorage:     true,
		Replicas:          1,
		InactiveThreshold: 2 * pullExpires,
	})
	if err != nil {
		return nil, fmt.Errorf("making a consumer from position %d: %w", start, err)
	}
	info := made.CachedInfo()
	c := &consumer{
		l:       l,
		name:    info.Name,
		inbox:   l.read.NewInbox(),
		next:    "$JS.API.CONSUMER.MSG.NEXT." + streamName + "." + info.Name,
		ch:      make(chan *nats.Msg, 2*pullMessages),
		pending: info.NumPending,
	}
	if c.sub, err = l.read.ChanSubscribe(c.inbox, c.ch); err != nil {
		return nil, fmt.Errorf("reading from position %d: %w", start, err)
	}
	return c, nil
}

// pull asks for n records where no more than half as many are asked for. ch can hold all
// that is. An idle reader asks each time a request expires; one that did not was held up
// by its caller, for so long that the broker may have dropped the consumer.
func (c *consumer) pull(n int) error {
	if n <= 0 || c.outstanding > n/2 {
		return nil
	}
	now := time.Now()
	if !c.asked.IsZero() && now.Sub(c.asked) > pullExpires*3/2 {
		return errAgain
	}
	c.asked = now
	c.outstanding += n
	req := fmt.Sprintf(`{"batch":%d,"max_bytes":%d,"expires":%d}`, n, pullBytes, pullExpires)
	if err := c.l.read.PublishRequest(c.next, c.inbox, []byte(req)); err != nil {
		return fmt.Errorf("asking for records: %w", err)
	}
	return nil
}

// status follows a message of the broker about a request: it ends one that expired
// or was full, and asks for a new consumer where this one is gone.
func (c *consumer) status(m *nats.Msg) error {
	code := m.Header.Get("Status")
	left, err := strconv.Atoi(m.Header.Get("Nats-Pending-Messages"))
	if code == "100" {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the consumer ended (%s %s): %w", code, m.Header.Get("Description"), errAgain)
	}
	c.outstanding -= left
	return nil
}

func (c *consumer) close() {
	_ = c.sub.Unsubscribe()
	// Nobody waits for the answer: the broker forgets it in time all the same.
	_ = c.l.write.Publish("$JS.API.CONSUMER.DELETE."+streamName+"."+c.name, nil)
}

// parseReply takes the stream sequence and the number of records after it from the
// reply subject of a delivered message: $JS.ACK.<stream>.<consumer>.<delivered>.
// <stream sequence>.<consumer sequence>.<time>.<pending>, with domain and account
// after ACK in the newer form.
func parseReply(s string) (sequence, pending uint64, ok bool) {
	var ends [16]int
	n := 0
	for i := 0; i < len(s) && n < len(ends); i++ {
		if s[i] == '.' {
			ends[n] = i
			n++
		}
	}
	first := 5 // dots before the stream sequence
	if n >= 10 {
		first = 7
	} else if n != 8 {
		return 0, 0, false
	}
	end := len(s)
	if n > first+3 {
		end = ends[first+3]
	}
	sequence, ok = digits(s[ends[first-1]+1 : ends[first]])
	if !ok {
		return 0, 0, false
	}
	pending, ok = digits(s[ends[first+2]+1 : end])
	return sequence, pending, ok
}

func digits(s string) (n uint64, ok bool) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + uint64(s[i]-'0')
	}
	return n, s != ""
}

package jetstream

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"maillage/services/eventlog"
)

// Headers and error codes of the broker (nats-server, ADR-50).
const (
	headerExpected      = "Nats-Expected-Last-Sequence"
	headerBatch         = "Nats-Batch-Id"
	headerBatchSequence = "Nats-Batch-Sequence"
	headerBatchCommit   = "Nats-Batch-Commit"

	codeWrongLastSequence = 10071
	codeInFlight          = 10164
	codeMessageTooLarge   = 10054
	codeBatchTooLarge     = 10199
	codeBatchIncomplete   = 10176
	codeTooManyBatches    = 10210
)

// ackWait bounds the wait for an acknowledgement where the context does not.
const ackWait = 15 * time.Second

// errInFlight says that another append is being stored. Nothing of this one was.
var errInFlight = errors.New("another append is in flight")

// Append implements eventlog.Log. One record is one message; several are one atomic
// batch, staged by the broker and stored as a whole.
func (l *Log) Append(ctx context.Context, expected uint64, records []eventlog.Record) error {
	if err := eventlog.Check(records); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", eventlog.ErrUnavailable, err)
	}
	ctx, done := startAppend(ctx, expected, len(records))
	msgs := messages(ctx, expected, records)
	l.sent.Store(expected + uint64(len(records)))
	err := l.store(ctx, streamName, expected, msgs, l.hurry)
	done(err)
	return err
}

// store sends the messages of one append to a stream until it is not in the way of another.
// failed is told of every attempt that fails.
func (l *Log) store(ctx context.Context, stream string, expected uint64, msgs []*nats.Msg, failed func()) error {
	for wait := time.Millisecond; ; wait *= 2 {
		err := l.send(ctx, stream, expected, msgs)
		if err != nil {
			failed()
		}
		if !errors.Is(err, errInFlight) {
			return err
		}
		if wait > 100*time.Millisecond || !sleep(ctx, wait) {
			return fmt.Errorf("%w: %w", eventlog.ErrMoved, err)
		}
	}
}

// hurry tells a follower that what comes may be of another process.
func (l *Log) hurry() {
	select {
	case l.moved <- struct{}{}:
	default:
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// messages makes the messages of one append, without their reply subjects. Only the
// first carries the expectation: the broker checks it when the batch is whole.
func messages(ctx context.Context, expected uint64, records []eventlog.Record) []*nats.Msg {
	trace := traceHeaders(ctx)
	batch := ""
	if len(records) > 1 {
		batch = rand.Text()
	}
	msgs := make([]*nats.Msg, len(records))
	for i, r := range records {
		h := make(nats.Header, len(trace)+len(r.Header)+3)
		for k, v := range trace {
			h[k] = []string{v}
		}
		for k, v := range r.Header {
			if !ownHeader(k) {
				h[k] = v
			}
		}
		if i == 0 {
			h[headerExpected] = []string{strconv.FormatUint(expected, 10)}
		}
		if batch != "" {
			h[headerBatch] = []string{batch}
			h[headerBatchSequence] = []string{strconv.Itoa(i + 1)}
			if i == len(records)-1 {
				h[headerBatchCommit] = []string{"1"}
			}
		}
		msgs[i] = &nats.Msg{Subject: r.Subject, Data: r.Body, Header: h}
	}
	return msgs
}

// ownHeader says whether a header belongs to the broker, not to the record.
func ownHeader(name string) bool {
	return len(name) >= 5 && strings.EqualFold(name[:5], "nats-")
}

// send publishes the messages of one append once and waits for the answer.
func (l *Log) send(ctx context.Context, stream string, expected uint64, msgs []*nats.Msg) error {
	ln, err := l.lane()
	if err != nil {
		return fmt.Errorf("%w: %w", eventlog.ErrUnavailable, err)
	}
	defer l.release(ln)
	ln.forget()
	if !l.write.IsConnected() {
		return fmt.Errorf("%w: not connected", eventlog.ErrUnavailable)
	}
	ln.count++
	reply := ln.inbox + "." + strconv.FormatUint(ln.count, 10)
	last := len(msgs) - 1
	msgs[0].Reply = reply // tells at once of a stream that takes no batch
	msgs[last].Reply = reply
	for i, m := range msgs {
		if err := l.write.PublishMsg(m); err != nil {
			// A batch without its last message is never stored.
			if i < last || notSent(err) {
				return sendError(err)
			}
			return fmt.Errorf("%w: %w", eventlog.ErrUnknown, err)
		}
	}
	return ln.await(ctx, reply, stream, expected, len(msgs))
}

func notSent(err error) bool {
	for _, e := range []error{
		nats.ErrReconnectBufExceeded, nats.ErrConnectionClosed, nats.ErrConnectionDraining,
		nats.ErrMaxPayload, nats.ErrBadSubject,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func sendError(err error) error {
	if errors.Is(err, nats.ErrMaxPayload) {
		return fmt.Errorf("%w: %w", eventlog.ErrTooLarge, err)
	}
	return fmt.Errorf("%w: %w", eventlog.ErrUnavailable, err)
}

// lane is a reply subject of its own for one append at a time: answers come straight
// from the connection's reader, without the detour of the client's request handler.
type lane struct {
	inbox   string
	answers chan *nats.Msg
	down    chan nats.Status // told, before anything else is sent, of a lost connection
	count   uint64
}

// forget drops what is left of earlier appends.
func (ln *lane) forget() {
	for {
		select {
		case <-ln.down:
		case <-ln.answers:
		default:
			return
		}
	}
}

func (l *Log) lane() (*lane, error) {
	l.lanesMu.Lock()
	if n := len(l.lanes); n > 0 {
		ln := l.lanes[n-1]
		l.lanes = l.lanes[:n-1]
		l.lanesMu.Unlock()
		return ln, nil
	}
	l.lanesMu.Unlock()
	ln := &lane{inbox: l.write.NewInbox(), answers: make(chan *nats.Msg, 16)}
	ln.down = l.write.StatusChanged(nats.RECONNECTING, nats.DISCONNECTED, nats.CLOSED)
	_, err := l.write.ChanSubscribe(ln.inbox+".*", ln.answers)
	return ln, err
}

func (l *Log) release(ln *lane) {
	l.lanesMu.Lock()
	l.lanes = append(l.lanes, ln)
	l.lanesMu.Unlock()
}

// await waits for the answer to the last message. Answers to earlier appends, which
// were given up, are passed over.
func (ln *lane) await(ctx context.Context, reply, stream string, expected uint64, n int) error {
	timeout := time.NewTimer(ackWait)
	defer timeout.Stop()
	for {
		select {
		case m := <-ln.answers:
			if m.Subject != reply || len(m.Data) == 0 && m.Header.Get("Status") == "" {
				continue // the latter: the first message of a batch is staged
			}
			return answer(m, stream, expected, n)
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", eventlog.ErrUnknown, ctx.Err())
		case <-ln.down:
			return fmt.Errorf("%w: the connection was lost", eventlog.ErrUnknown)
		case <-timeout.C:
			return fmt.Errorf("%w: no answer within %s", eventlog.ErrUnknown, ackWait)
		}
	}
}

// answer makes an error of the broker's answer. What it does not know for certain to
// have stored nothing is ErrUnknown.
func answer(m *nats.Msg, stream string, expected uint64, n int) error {
	if m.Header.Get("Status") == "503" {
		return fmt.Errorf("%w: no stream takes the subject", eventlog.ErrUnavailable)
	}
	var a struct {
		Stream string `json:"stream"`
		Seq    uint64 `json:"seq"`
		Error  *struct {
			Code        int    `json:"err_code"`
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &a); err != nil {
		return fmt.Errorf("%w: unreadable answer: %w", eventlog.ErrUnknown, err)
	}
	if a.Error == nil {
		if want := expected + uint64(n); a.Stream != stream || a.Seq != want {
			return fmt.Errorf("stored by stream %q at %d: %w", a.Stream, a.Seq, &eventlog.ForkError{Position: want})
		}
		return nil
	}
	kind, hint := eventlog.ErrUnknown, ""
	switch a.Error.Code {
	case codeWrongLastSequence:
		kind = eventlog.ErrMoved
	case codeInFlight:
		kind = errInFlight
	case codeMessageTooLarge:
		kind = eventlog.ErrTooLarge
	case codeBatchTooLarge:
		kind, hint = eventlog.ErrTooLarge, "; set jetstream { limits { batch { max_msgs: 10001 } } }"
	case codeBatchIncomplete, codeTooManyBatches:
		kind = eventlog.ErrUnavailable
	}
	return fmt.Errorf("%w: the broker said: %s (%d)%s", kind, a.Error.Description, a.Error.Code, hint)
}

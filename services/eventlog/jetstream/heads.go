package jetstream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"maillage/services/eventlog"
)

// Heads of the ledger travel outside the stream: the last one is all that counts.
const (
	headSubject    = "ledger.head"
	headGetSubject = "ledger.head.get"
	ledgerHeader   = "Maillage-Ledger" // who announces
)

// headServer answers who asks for the last head announced.
type headServer struct {
	mu   sync.Mutex
	last []byte
	sub  *nats.Subscription
}

// AnnounceHead tells all processes of the ledger's head, and keeps it for those that
// ask with LastHead. Only the process of the gating ledger announces.
func (l *Log) AnnounceHead(b []byte) error {
	l.head.mu.Lock()
	l.head.last = append([]byte(nil), b...)
	var err error
	if l.head.sub == nil {
		l.head.sub, err = l.write.Subscribe(headGetSubject, func(m *nats.Msg) {
			l.head.mu.Lock()
			last := l.head.last
			l.head.mu.Unlock()
			_ = m.Respond(last)
		})
		if err == nil { // whoever hears this head and asks is to find somebody who answers
			_ = l.write.FlushTimeout(time.Second)
		}
	}
	l.head.mu.Unlock()
	if err == nil {
		err = l.read.PublishMsg(&nats.Msg{Subject: headSubject, Data: b, Header: nats.Header{ledgerHeader: {l.name}}})
	}
	if err != nil {
		return fmt.Errorf("announcing the ledger's head: %w", err)
	}
	return nil
}

// Rivals calls f whenever another process announces heads too and comes before this one in
// an order that all of them know, until the context ends: of several that began at once
// one goes on.
func (l *Log) Rivals(ctx context.Context, f func()) error {
	sub, err := l.read.Subscribe(headSubject, func(m *nats.Msg) { // its own do not come back here
		if m.Header.Get(ledgerHeader) < l.name {
			f()
		}
	})
	if err != nil {
		return fmt.Errorf("other ledgers: %w", err)
	}
	context.AfterFunc(ctx, func() { _ = sub.Unsubscribe() })
	return nil
}

// LastHead asks for the head last announced. An error that wraps
// eventlog.ErrUnavailable says that no process announces.
func (l *Log) LastHead(ctx context.Context) ([]byte, error) {
	m, err := l.write.RequestWithContext(ctx, headGetSubject, nil)
	if errors.Is(err, nats.ErrNoResponders) {
		return nil, fmt.Errorf("%w: no ledger announces its head", eventlog.ErrUnavailable)
	}
	if err != nil {
		return nil, fmt.Errorf("asking for the ledger's head: %w", err)
	}
	return m.Data, nil
}

// Heads calls f with the last head announced, if a process announces, then with each
// that follows, until the context ends; it returns the context's error. A head may
// come twice and after a newer one; those announced while disconnected are lost.
func (l *Log) Heads(ctx context.Context, f func([]byte)) error {
	ch := make(chan *nats.Msg, 1024)
	sub, err := l.write.ChanSubscribe(headSubject, ch)
	if err != nil {
		return fmt.Errorf("ledger's heads: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	ask, cancel := context.WithTimeout(ctx, 2*time.Second)
	last, err := l.LastHead(ask) // on the same connection, so the subscription stands
	cancel()
	if err == nil {
		f(last)
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case m := <-ch:
			f(m.Data)
		}
	}
}

// turnSubject is where processes say whose turn it is to append.
const turnSubject = "ledger.turn"

// TellTurn tells every process that listens with Turns, this one included, of a turn.
// What is told while disconnected is lost.
func (l *Log) TellTurn(b []byte) error {
	if err := l.write.Publish(turnSubject, b); err != nil {
		return fmt.Errorf("telling of a turn: %w", err)
	}
	return nil
}

// Turns calls f with what processes tell of their turns, in the order in which the broker
// heard it, until the context ends; it returns the context's error.
func (l *Log) Turns(ctx context.Context, f func([]byte)) error {
	sub, err := l.write.Subscribe(turnSubject, func(m *nats.Msg) { f(m.Data) })
	if err != nil {
		return fmt.Errorf("turns: %w", err)
	}
	<-ctx.Done()
	_ = sub.Unsubscribe()
	return ctx.Err()
}

// bindSubject is where the process of the gating ledger is asked to bind a vault.
const bindSubject = "ledger.bind"

// AskBinding hands the check of a vault to the process of the gating ledger and returns
// its answer. An error that wraps eventlog.ErrUnavailable says that there is none.
func (l *Log) AskBinding(ctx context.Context, check []byte) ([]byte, error) {
	m, err := l.write.RequestWithContext(ctx, bindSubject, check)
	if errors.Is(err, nats.ErrNoResponders) {
		return nil, fmt.Errorf("%w: no ledger binds vaults", eventlog.ErrUnavailable)
	}
	if err != nil {
		return nil, fmt.Errorf("asking the ledger to bind a vault: %w", err)
	}
	return m.Data, nil
}

// AnswerBindings answers with f whoever asks for a binding, one after the other, until
// the context ends.
func (l *Log) AnswerBindings(ctx context.Context, f func(check []byte) []byte) error {
	sub, err := l.write.Subscribe(bindSubject, func(m *nats.Msg) { _ = m.Respond(f(m.Data)) })
	if err != nil {
		return fmt.Errorf("bindings of vaults: %w", err)
	}
	context.AfterFunc(ctx, func() { _ = sub.Unsubscribe() })
	return nil
}

// checkpointSubject is where the process of the gating ledger tells what it signed.
const checkpointSubject = "ledger.checkpoint"

// TellCheckpoint tells every process that listens with Checkpoints of a signed checkpoint.
func (l *Log) TellCheckpoint(signed []byte) error {
	if err := l.write.Publish(checkpointSubject, signed); err != nil {
		return fmt.Errorf("telling of a checkpoint: %w", err)
	}
	return nil
}

// Checkpoints calls f with the checkpoints told of until the context ends, whose error it
// returns.
func (l *Log) Checkpoints(ctx context.Context, f func(signed []byte)) error {
	sub, err := l.read.Subscribe(checkpointSubject, func(m *nats.Msg) { f(m.Data) })
	if err != nil {
		return fmt.Errorf("checkpoints: %w", err)
	}
	<-ctx.Done()
	_ = sub.Unsubscribe()
	return ctx.Err()
}

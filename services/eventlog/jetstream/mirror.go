package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"maillage/services/eventlog"
)

// MirrorName is the stream that the log is copied to for those who are handed its records with
// headers, under subjects that begin with cloudevents in place of registry. The headers of the
// log's own stream would be a cost to all who replay it. A record has the sequence there that
// its position is. Nothing rests on the mirror: it is dropped and filled again.
const MirrorName = "CLOUDEVENTS"

const (
	logRoot    = "registry."
	mirrorRoot = "cloudevents."
)

// ErrMirror says that the mirror cannot be gone on with: it must be dropped.
var ErrMirror = errors.New("the stream " + MirrorName + " is not what it was filled with")

func mirrorConfig(replicas int) jetstream.StreamConfig {
	c := streamConfig(replicas)
	c.Name, c.Subjects = MirrorName, []string{mirrorRoot + "*.*.*"}
	c.AllowDirect = false // what is read of it is its leader's
	return c
}

// ensureMirror is the mirror; an empty one is made where there is none.
func (l *Log) ensureMirror(ctx context.Context, replicas int) (jetstream.Stream, error) {
	s, err := l.js.Stream(ctx, MirrorName)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		s, err = l.js.CreateStream(ctx, mirrorConfig(max(replicas, 1)))
	}
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", MirrorName, err)
	}
	return s, nil
}

// MirrorEnd is the last record of the mirror, with its header: the zero Record where it is
// empty or not there. An error that wraps ErrMirror says that its settings are not those it
// was made with, that it does not begin at 1, or that a record is missing.
func (l *Log) MirrorEnd(ctx context.Context) (eventlog.Record, error) {
	s, err := l.js.Stream(ctx, MirrorName)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return eventlog.Record{}, nil
	}
	if err != nil {
		return eventlog.Record{}, fmt.Errorf("stream %s: %w", MirrorName, err)
	}
	info := s.CachedInfo()
	if err := checkSettings(info.Config, mirrorConfig(1)); err != nil {
		return eventlog.Record{}, fmt.Errorf("%w: %w", ErrMirror, err)
	}
	last := info.State.LastSeq
	if last == 0 {
		return eventlog.Record{}, nil
	}
	if info.State.FirstSeq != 1 || info.State.Msgs != last {
		return eventlog.Record{}, fmt.Errorf("%w: from %d to %d it holds %d records", ErrMirror, info.State.FirstSeq, last, info.State.Msgs)
	}
	m, err := s.GetMsg(ctx, last)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return eventlog.Record{}, fmt.Errorf("%w: its last record, %d, is missing", ErrMirror, last)
	}
	if err != nil {
		return eventlog.Record{}, fmt.Errorf("stream %s at %d: %w", MirrorName, last, err)
	}
	return eventlog.Record{
		Position: m.Sequence, Subject: logRoot + strings.TrimPrefix(m.Subject, mirrorRoot), Body: m.Data, Header: headers(m.Header),
	}, nil
}

// AppendMirror is Append for the mirror. The headers of the records are stored with them.
func (l *Log) AppendMirror(ctx context.Context, expected uint64, records []eventlog.Record) error {
	if err := eventlog.Check(records); err != nil {
		return err
	}
	msgs := messages(ctx, expected, records)
	for _, m := range msgs {
		m.Subject = mirrorRoot + strings.TrimPrefix(m.Subject, logRoot)
	}
	return l.store(ctx, MirrorName, expected, msgs, func() {})
}

// DropMirror deletes the mirror, with the durables of those who are handed it. There need be
// none.
func (l *Log) DropMirror(ctx context.Context) error {
	if err := l.js.DeleteStream(ctx, MirrorName); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("dropping stream %s: %w", MirrorName, err)
	}
	return nil
}

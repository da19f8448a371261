package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"maillage/proto/cloudevent"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	"maillage/services/eventlog"
	"maillage/services/eventlog/jetstream"
	"maillage/services/fault"
	"maillage/services/feed"
)

// mirrorTime is how long comparing the stream of CloudEvents may take before others are let in
// without.
const mirrorTime = 3 * time.Second

// mirrorBatch is how many records are put into the stream of CloudEvents at once, where so many
// are to be: a broker flushes some five times for each append, however long.
const mirrorBatch = 4_000

// mirrorLook is how often it is looked, while nothing happens, whether the stream is still there.
const mirrorLook = 2 * time.Second

// cloudEvents reports whether any of these is handed CloudEvents.
func cloudEvents(all []*feedv1.Consumer) bool {
	return slices.ContainsFunc(all, (*feedv1.Consumer).GetCloudEvents)
}

// openMirror compares the stream of CloudEvents with the log, and drops it where it cannot be
// gone on with: it is then filled from the beginning. There is no other state of it than the
// stream itself.
func (p *process) openMirror(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, mirrorTime)
	defer cancel()
	end, err := p.log.MirrorEnd(ctx)
	if err == nil && end.Position > 0 {
		err = p.stillMirrors(ctx, end)
	}
	if !errors.Is(err, jetstream.ErrMirror) {
		return err
	}
	slog.WarnContext(ctx, "the stream of CloudEvents is made anew, from position 1", "why", err)
	return p.log.DropMirror(ctx)
}

// stillMirrors compares the last record of the mirror with what would be put there now: its
// bytes, and with its header the id of the log, the epoch and the leaf of its cursor, and all
// else that is told of it. Each epoch begins with a record of its own, so that no two logs
// that part are the same again.
func (p *process) stillMirrors(ctx context.Context, end eventlog.Record) error {
	if head := p.runner.Progress().Gate.Size; end.Position > head {
		return fmt.Errorf("%w: it ends at %d, beyond the log's %d", jetstream.ErrMirror, end.Position, head)
	}
	register, err := p.cloudRegister(ctx)
	if err != nil {
		return err
	}
	page, err := p.mirrorFeed().List(ctx, &feedv1.ListEventsRequest{From: &feedv1.ListEventsRequest_After{After: end.Position - 1}, PageSize: 1})
	if err != nil {
		return err
	}
	records, err := mirrored(register, page.GetCommits())
	if err != nil {
		return err
	}
	for _, r := range records {
		if r.Position == end.Position && eventlog.LeafHash(r) == eventlog.LeafHash(end) && maps.EqualFunc(r.Header, end.Header, slices.Equal) {
			return nil
		}
	}
	return fmt.Errorf("%w: at %d it holds another record than the log, or is told otherwise of it", jetstream.ErrMirror, end.Position)
}

// cloudRegister is what the CloudEvents of the log have in common. Without a public address
// no schema is told: the address of a request is not known here.
func (p *process) cloudRegister(ctx context.Context) (r cloudevent.Register, err error) {
	if p.config.PublicURL != "" {
		r.Schemas = strings.TrimSuffix(p.config.PublicURL, "/") + "/schemas"
	}
	r.LogID, err = p.identify(ctx)
	return r, err
}

// mirrorFeed is the feed that the mirror is filled from: only what is in both stores is in it.
func (p *process) mirrorFeed() *feed.Feed {
	if p.feed != nil {
		return p.feed
	}
	p.consumers.once.Do(func() { p.consumers.feed = feed.New(p.feedSource(), feed.Limits{}) })
	return p.consumers.feed
}

// mirrored are the records of commits as they stand in the mirror.
func mirrored(register cloudevent.Register, commits []*feedv1.Commit) (all []eventlog.Record, err error) {
	for _, c := range commits {
		events, err := register.Binary(c)
		if err != nil {
			return nil, err
		}
		for i, e := range events {
			all = append(all, eventlog.Record{Position: c.GetRecords()[i].GetPosition(), Subject: e.Subject, Body: e.Stored, Header: e.Header()})
		}
	}
	return all, nil
}

// fillMirror copies the log to the stream of CloudEvents, from where that ends, as a reader of
// the feed does who keeps his place with his data: each append expects the stream to end where
// it begins. It goes on until the context ends, or something is amiss.
func (p *process) fillMirror(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // an append that is still under way then fails
	register, err := p.cloudRegister(ctx)
	if err != nil {
		return err
	}
	end, err := p.log.MirrorEnd(ctx)
	if err != nil {
		return err
	}
	at := end.Position
	from := &feedv1.WatchRequest{From: &feedv1.WatchRequest_After{After: at}, HeartbeatInterval: durationpb.New(mirrorLook)}
	var waiting []eventlog.Record // while there is more to come at once
	caughtUp := false
	return p.mirrorFeed().Watch(ctx, from, func(m *feedv1.WatchResponse) error {
		more, err := mirroredAfter(at+uint64(len(waiting)), register, m)
		if err != nil {
			return err
		}
		waiting = append(waiting, more...)
		caughtUp = caughtUp || m.GetHeartbeat().GetHead() != nil
		for len(waiting) >= mirrorBatch || caughtUp && len(waiting) > 0 {
			n := min(len(waiting), eventlog.MaxCommit)
			if err := p.log.AppendMirror(ctx, at, waiting[:n]); err != nil {
				return err
			}
			at += uint64(n)
			waiting = slices.Delete(waiting, 0, n)
		}
		if m.GetHeartbeat() != nil {
			return p.mirrorEndsAt(ctx, at)
		}
		return nil
	})
}

// mirrorEndsAt looks whether the mirror still is what it was filled with: an outside broker
// may have come back without it, or without a part of it.
func (p *process) mirrorEndsAt(ctx context.Context, at uint64) error {
	end, err := p.log.MirrorEnd(ctx)
	if err == nil && end.Position != at {
		err = fmt.Errorf("%w: it ends at %d and was filled up to %d", jetstream.ErrMirror, end.Position, at)
	}
	return err
}

// mirroredAfter are the records of a message of the feed that come after a position. A commit
// comes whole, also where the mirror holds its beginning.
func mirroredAfter(at uint64, register cloudevent.Register, m *feedv1.WatchResponse) ([]eventlog.Record, error) {
	encoded, err := proto.Marshal(m) // what many readers are sent is encoded once for all
	if err != nil {
		return nil, err
	}
	var read feedv1.WatchResponse
	if err := proto.Unmarshal(encoded, &read); err != nil {
		return nil, err
	}
	records, err := mirrored(register, read.GetCommits())
	if err != nil {
		return nil, err
	}
	for len(records) > 0 && records[0].Position <= at {
		records = records[1:]
	}
	if len(records) > 0 && records[0].Position != at+1 {
		return nil, &eventlog.HoleError{Position: at + 1}
	}
	return records, nil
}

// keepMirror fills the stream of CloudEvents while somebody is handed it, until the context
// ends.
func (p *process) keepMirror(ctx context.Context) {
	look := time.NewTicker(consumersLook)
	defer look.Stop()
	said := ""
	for {
		if filling, ok := p.consumers.beginFilling(ctx); ok {
			err := p.fillMirror(filling)
			own, _ := errors.AsType[*fault.Error](err)
			switch stopped := p.consumers.endFilling(filling); {
			case stopped, own != nil && own.Reason == "STOPPING":
				said = ""
			case said != fmt.Sprint(err):
				said = fmt.Sprint(err)
				slog.WarnContext(ctx, "the stream of CloudEvents is not filled", "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

// beginFilling says whether the mirror is to be filled now, until the context returned ends.
func (c *consumers) beginFilling(ctx context.Context) (context.Context, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.current || !c.opened {
		return nil, false
	}
	ctx, c.stopFilling = context.WithCancel(ctx)
	return ctx, true
}

// endFilling takes down that nothing fills the mirror. Unless it was told to stop, it is to be
// compared again.
func (c *consumers) endFilling(ctx context.Context) (stopped bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	stopped = ctx.Err() != nil
	c.stopFilling()
	c.stopFilling = nil
	if !stopped {
		c.opened, c.current = false, false
	}
	return stopped
}

// dropMirror drops the stream of CloudEvents, which nobody is handed any longer.
func (p *process) dropMirror(ctx context.Context) error {
	ever := false
	err := p.runner.View(ctx, 0, func(head uint64) error {
		ever = p.state.Consumers.AnyCloudEvents(head)
		return nil
	})
	if err != nil || !ever {
		return err
	}
	if p.consumers.stopFilling != nil {
		p.consumers.stopFilling()
	}
	p.consumers.opened = false
	return p.log.DropMirror(ctx)
}

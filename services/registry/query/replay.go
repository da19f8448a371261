package query

import (
	"context"
	"slices"
	"sync"
	"time"

	"maillage/services/bitemporal"
	"maillage/services/eventlog"
	"maillage/services/registry"
)

// maxReplays is how many registers of published acts are kept: each is a state of its
// own, of the size of the register.
const maxReplays = 4

// maxReplay bounds a replay, which outlives the caller who asked for it first: a log that
// cannot be reached must not be waited for without end.
const maxReplay = 10 * time.Minute

// replays keeps the registers of the acts published by a day, the latest asked for last.
// The zero value is empty and ready, safe for concurrent use.
type replays struct {
	mu     sync.Mutex
	recent []*replay
}

// replay is the register at a position of the acts published by a day. What it found
// may be read once done is closed, and nobody alters it then.
type replay struct {
	known uint64
	by    bitemporal.Date
	done  chan struct{}

	state   *registry.State
	undated []string // acts left out for want of a day of publication
	err     error
}

// of returns a replay, which is made once for all who ask for it meanwhile and goes on
// when the first of them leaves.
func (all *replays) of(ctx context.Context, src *Source, known uint64, by bitemporal.Date) (*replay, error) {
	one := all.find(known, by, func(r *replay) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxReplay)
		defer cancel()
		r.state, r.undated, r.err = registry.Published(src.Records(ctx, 0, known), by)
		if r.err == nil && r.state.Position() != known {
			r.err = &eventlog.HoleError{Position: r.state.Position() + 1}
		}
		if r.err != nil {
			all.forget(r)
		}
		close(r.done)
	})
	select {
	case <-one.done:
		return one, one.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (all *replays) find(known uint64, by bitemporal.Date, run func(*replay)) *replay {
	all.mu.Lock()
	defer all.mu.Unlock()
	i := slices.IndexFunc(all.recent, func(r *replay) bool { return r.known == known && r.by == by })
	if i >= 0 {
		one := all.recent[i]
		all.recent = append(slices.Delete(all.recent, i, i+1), one)
		return one
	}
	one := &replay{known: known, by: by, done: make(chan struct{})}
	if len(all.recent) == maxReplays {
		all.recent = slices.Delete(all.recent, 0, 1)
	}
	all.recent = append(all.recent, one)
	go run(one)
	return one
}

func (all *replays) forget(one *replay) {
	all.mu.Lock()
	defer all.mu.Unlock()
	all.recent = slices.DeleteFunc(all.recent, func(r *replay) bool { return r == one })
}

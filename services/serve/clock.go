package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/fault"
	"maillage/services/labelling"
	"maillage/services/projection"
	"maillage/services/registry"
	"maillage/services/topology"
	"maillage/services/vault"
)

const (
	clockLook    = time.Hour   // between two looks at what is due, at most
	clockRetry   = time.Minute // after a look that failed
	clockCallers = 64          // commands under way at once: the terms of a cycle pass on one day
)

// clock tells what has come of what was stated ahead, when a day begins in Europe/Paris
// and when the process starts. It decides nothing: what is due is decided by the folds,
// and what was told, by whichever process, is found under its request id.
type clock struct {
	runner  *projection.Runner
	state   *registry.State
	vault   *vault.Vault
	account string // opaque, the same for every process that shares the vault
	has     func(Part) bool
	now     func() time.Time
}

// startClock starts the clock of the process; stop waits until it has ended.
func (p *process) startClock(ctx context.Context) (stop func(), err error) {
	account, err := p.vault.Account("maillage", "clock")
	if err != nil {
		return nil, err
	}
	c := &clock{runner: p.runner, state: &p.state, vault: p.vault, account: account, has: p.config.has, now: time.Now}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { c.run(ctx) })
	return func() { cancel(); wg.Wait() }, nil
}

// run tells what is due at once, and then whenever a day begins, until the context ends.
// It looks every hour besides, since a machine can be asleep at midnight.
func (c *clock) run(ctx context.Context) {
	for ctx.Err() == nil {
		wait := untilLook(c.now())
		if err := c.tell(ctx); err != nil && ctx.Err() == nil {
			slog.WarnContext(ctx, "the clock could not tell what is due", "err", err)
			wait = min(wait, clockRetry)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// untilLook is how long to wait for the next look: until the next day begins in
// Europe/Paris, or an hour.
func untilLook(now time.Time) time.Duration {
	return min((bitemporal.Today(now) + 1).Begin().Sub(now), clockLook)
}

// tell tells what is due, each as a command of its own, so that what one process told
// another does not tell again.
func (c *clock) tell(ctx context.Context) error {
	today := bitemporal.Today(c.now())
	var due []projection.Command
	err := c.runner.View(ctx, 0, func(uint64) (err error) { due, err = c.due(today); return err })
	if err != nil || len(due) == 0 {
		return err
	}
	var wg sync.WaitGroup
	failed := make([]error, len(due))
	slots := make(chan struct{}, clockCallers)
	for i, cmd := range due {
		slots <- struct{}{}
		wg.Go(func() {
			_, failed[i] = c.runner.Do(ctx, cmd)
			<-slots
		})
	}
	wg.Wait()
	told := 0
	for i, err := range failed {
		if refusal, ok := errors.AsType[*fault.Error](err); ok && refusal.Kind == fault.Refused {
			failed[i] = nil // it was told meanwhile, or is true no more
			continue
		}
		if err == nil {
			told++
		}
	}
	slog.InfoContext(ctx, "told what is due", "day", today.String(), "facts", told)
	return errors.Join(failed...)
}

// due returns the commands that tell what is due. The replica's state is not to change
// meanwhile.
func (c *clock) due(today bitemporal.Date) ([]projection.Command, error) {
	basis := &eventv1.Basis{Source: "the register's clock", Evidence: eventv1.Evidence_EVIDENCE_INFERRED}
	s := c.state
	var commands []projection.Command
	var failed error
	add := func(of Part, id string, e proto.Message, decide func() ([]projection.Event, error)) {
		body, err := proto.MarshalOptions{Deterministic: true}.Marshal(e)
		failed = errors.Join(failed, err)
		commands = append(commands, projection.Command{
			Actor:     &eventv1.Actor{Account: c.account, Role: "clock"},
			RequestID: id,
			Digest:    c.vault.Digest(append([]byte(string(proto.MessageName(e))+"\x00"), body...)),
			Rights:    of.rights(),
			Decide:    decide,
		})
	}
	if c.has(Topology) {
		for _, e := range topology.Due(&s.Topology, today) {
			add(Topology, requestOf(e.GetDayReached()), e, func() ([]projection.Event, error) {
				facts, err := topology.Tell(&s.Topology, today, e, basis)
				return topologyEvents(facts), err
			})
		}
	}
	if c.has(Labelling) {
		for _, e := range labelling.Due(&s.Labelling, &s.Topology, today) {
			id := requestOf(e.GetDayReached())
			if term := e.GetTermReached(); term != nil {
				id = fmt.Sprintf("term-%s-%s", term.GetLabelId(), term.GetEnd())
			}
			add(Labelling, id, e, func() ([]projection.Event, error) {
				facts, err := labelling.Tell(&s.Labelling, &s.Topology, today, e, basis)
				return labellingEvents(facts), err
			})
		}
	}
	return commands, failed
}

// requestOf is the request id under which a day is told.
func requestOf(f interface {
	GetEntityId() string
	GetDate() string
	GetPosition() uint64
},
) string {
	return fmt.Sprintf("day-%s-%s-%d", f.GetEntityId(), f.GetDate(), f.GetPosition())
}

func topologyEvents(facts []*topologyv1.Event) (events []projection.Event) {
	for _, f := range facts {
		events = append(events, projection.Event{Subject: topology.Subject(f), Message: f, Meta: f.GetMeta()})
	}
	return events
}

func labellingEvents(facts []*labellingv1.Event) (events []projection.Event) {
	for _, f := range facts {
		events = append(events, projection.Event{Subject: labelling.Subject(f), Message: f, Meta: f.GetMeta()})
	}
	return events
}

package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	"maillage/services/eventlog"
	"maillage/services/eventlog/jetstream"
	"maillage/services/fault"
	"maillage/services/ledger"
	"maillage/services/projection"
	"maillage/services/registry"
	"maillage/services/submit"
)

const (
	joinPause = 100 * time.Millisecond // between two attempts to join the log
	maxLag    = 1000                   // positions that a ledger which follows may be behind and be ready
)

var (
	errStarting  = fault.New(fault.Unavailable, "STARTING", "", "the process is starting")
	errPreparing = fault.New(fault.Unavailable, "PREPARING", "", "the process loads what it was started with")
)

// join connects to the log, replays it, and waits until this process can be asked. While
// the broker, the log or the ledger is not there it tries again: services start in any
// order. An error is one that waiting does not mend.
func (p *process) join(ctx, running context.Context) error {
	said := ""
	for {
		err := p.joinOnce(ctx, running)
		if err == nil {
			if p.config.Prepare != nil {
				p.unready(errPreparing)
			}
			p.joined.Store(true)
			return nil
		}
		if ctx.Err() != nil || !p.passes(err) {
			return err
		}
		p.waitFor(err)
		if said != err.Error() {
			said = err.Error()
			slog.WarnContext(ctx, "waiting", "for", said)
		}
		select {
		case <-time.After(joinPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// passes says whether to wait for the end of what an attempt to join failed for.
func (p *process) passes(err error) bool {
	if own, ok := errors.AsType[*fault.Error](err); ok {
		return own.Kind == fault.Unavailable || own.Kind == fault.Conflict
	}
	if errors.Is(err, jetstream.ErrDamaged) || errors.Is(err, jetstream.ErrSettings) {
		return false
	}
	return p.broker == nil // of an outside one nothing is certain
}

// joinOnce is one attempt. After an error nothing of it is left.
func (p *process) joinOnce(ctx, running context.Context) (err error) {
	running, stop := context.WithCancel(running)
	started := false
	defer func() {
		if err == nil {
			context.AfterFunc(running, stop)
			return
		}
		stop()
		if started {
			<-p.ended
		}
		p.setRunner(nil)
		if p.log != nil {
			p.log.Close()
			p.log = nil
		}
	}()
	if err := p.openLog(ctx); err != nil {
		return Damaged(err)
	}
	if p.config.gates() {
		if err := p.alone(ctx); err != nil {
			return err
		}
		if err := p.keyThere(); err != nil {
			return Damaged(err)
		}
		if err := p.firstRecord(ctx); err != nil {
			return Damaged(err)
		}
	}
	p.replicate(running)
	started = true
	if err := p.awaitReady(ctx); err != nil {
		return err
	}
	if p.config.gates() {
		if err := p.contradicted(ctx); err != nil {
			return err
		}
		if err := p.bindKeys(ctx); err != nil {
			return err
		}
		if err := p.answerBinding(running); err != nil {
			return err
		}
		if err := p.log.Rivals(running, p.giveUp); err != nil {
			return err
		}
	}
	if p.config.records() {
		if err := p.bindVault(ctx); err != nil {
			return err
		}
	}
	return p.eraseAgain(ctx)
}

// replicate makes the replica and lets it run until the context ends.
func (p *process) replicate(running context.Context) {
	p.state = registry.State{}
	config := projection.Config{
		Log:    p.log,
		Fold:   projection.Fold{Evolve: p.state.Evolve, Rollback: p.state.Rollback, Settle: p.state.Settle},
		Ledger: p.store,
		Follow: p.config.Follow,
		Tell:   p.tellTurn,
	}
	if p.config.gates() {
		config.Announce = p.announce
	}
	runner, ended := projection.NewRunner(config), make(chan struct{})
	p.ended, p.end = ended, nil
	p.setRunner(runner)
	for _, d := range p.desks {
		d.Runner = runner
	}
	go func() {
		p.end = runner.Run(running)
		close(ended)
	}()
	go p.hearTurns(running, p.log, runner)
	go p.hearCheckpoints(running, p.log)
	if !p.config.gates() {
		go p.hearLedger(running, p.log, runner)
	}
}

// awaitReady waits until the replica can answer. Before that, damage ends the process:
// nothing has been offered yet.
func (p *process) awaitReady(ctx context.Context) error {
	answers, runner := make(chan error, 1), p.runner // a join that fails takes the runner away
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { answers <- runner.View(waiting, 1, func(uint64) error { return nil }) }()
	select {
	case <-p.ended:
		return errors.Join(p.end, errors.New("the replica ended before it was ready"))
	case err := <-answers:
		return err
	}
}

func (p *process) openLog(ctx context.Context) (err error) {
	c := p.config
	if p.broker != nil {
		p.log, err = p.broker.Open(ctx)
		return err
	}
	p.log, err = jetstream.Connect(ctx, c.URL, jetstream.ConnectOptions{
		Name: fmt.Sprint("maillage ", c.Parts), Credentials: c.Credentials, Existing: !c.gates(),
	})
	switch {
	case errors.Is(err, eventlog.ErrUnavailable):
		return fault.New(fault.Unavailable, "LOG_UNOPENED", "", "the broker keeps no log yet: the process that keeps the ledger opens it")
	case err != nil && !errors.Is(err, jetstream.ErrSettings):
		return fault.New(fault.Unavailable, "LOG_UNREACHABLE", "", "%v", err)
	}
	return err
}

var errTaken = fault.New(fault.Refused, "LEDGER_TAKEN", "", "another process keeps the ledger of this log; a second one follows it (serve ledger --follow)")

// alone refuses to gate beside another: exactly one ledger does.
func (p *process) alone(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	switch _, err := p.log.LastHead(ctx); {
	case err == nil:
		return errTaken
	case !errors.Is(err, eventlog.ErrUnavailable):
		return fault.New(fault.Unavailable, "LOG_UNREACHABLE", "", "whether another process keeps the ledger is not known yet: %v", err)
	}
	return nil
}

// giveUp ends the process for another that keeps the ledger.
func (p *process) giveUp() {
	select {
	case p.rival <- struct{}{}:
	default:
	}
}

func (p *process) setRunner(r *projection.Runner) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.runner, p.waits = r, nil
	if r == nil {
		p.waits = errStarting
	}
}

func (p *process) waitFor(err error) {
	own, ok := errors.AsType[*fault.Error](err)
	if !ok {
		own = fault.New(fault.Unavailable, "STARTING", "", "%v", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waits = own
}

// ready returns nil once the process answers and takes commands, and otherwise what it
// waits for.
func (p *process) ready() error {
	err := p.follows()
	if p.model == nil || err != nil && !errors.Is(err, errPreparing) {
		return err
	}
	if late := p.model.ready(p.runner.Progress().Gate.Size); late != nil {
		return late // which the preparing waits for as well
	}
	return err
}

// unready says why the process is not ready though it can be asked; nil where it is.
func (p *process) unready(err *fault.Error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unprepared = err
}

// follows returns nil once the process takes commands, whatever becomes of the rows that
// reads are answered from.
func (p *process) follows() error {
	p.mu.Lock()
	runner, waits, unprepared := p.runner, p.waits, p.unprepared
	p.mu.Unlock()
	if runner == nil {
		return waits
	}
	if err := runner.Ready(); err != nil {
		return err
	}
	if kept := p.kept(runner); kept.GetFollows() && kept.GetLag() > maxLag {
		return fault.New(fault.Unavailable, "LEDGER_BEHIND", "", "the ledger of this process stands at %d, %d positions behind the one it follows", kept.GetHead().GetSize(), kept.GetLag())
	}
	switch {
	case !p.joined.Load():
		return errStarting
	case unprepared != nil:
		return unprepared
	}
	return p.damaged()
}

// admit lets calls in once the log is joined, and the position that the caller has been
// told elsewhere can be read here.
func (p *process) admit(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if strings.HasPrefix(info.FullMethod, "/grpc.health.") {
		return next(ctx, req)
	}
	if !p.joined.Load() {
		if err := p.follows(); err != nil {
			return nil, err
		}
		return nil, errStarting
	}
	if after := metadata.ValueFromIncomingContext(ctx, submit.AfterKey); len(after) > 0 {
		position, err := strconv.ParseUint(after[0], 10, 64)
		if err != nil {
			return nil, fault.New(fault.Invalid, "REQUEST_INVALID", submit.AfterKey, "%q is no position", after[0])
		}
		if err := p.reach(ctx, position, info.FullMethod); err != nil {
			return nil, err
		}
	}
	return next(ctx, req)
}

// reach waits until a method can tell of a position.
func (p *process) reach(ctx context.Context, position uint64, method string) error {
	if p.model != nil && strings.HasPrefix(method, "/"+readsPrefix) && !strings.Contains(method, "ReadModelService") {
		_, err := p.reads.Head(ctx, position)
		return err
	}
	return p.runner.View(ctx, position, func(uint64) error { return nil })
}

// announce tells other processes of a flushed head.
func (p *process) announce(h ledger.Head) {
	b, err := proto.Marshal(h.Proto())
	if err == nil {
		err = p.log.AnnounceHead(b)
	}
	if err != nil {
		slog.Warn("announce the head", "err", err)
	}
}

// tellTurn tells other processes of a turn of this one.
func (p *process) tellTurn(b []byte) {
	if err := p.log.TellTurn(b); err != nil {
		slog.Debug("telling of a turn", "err", err) // nothing rests on it
	}
}

// hearTurns hands what processes tell of their turns to the replica.
func (p *process) hearTurns(ctx context.Context, log *jetstream.Log, runner *projection.Runner) {
	if err := log.Turns(ctx, runner.Told); err != nil && ctx.Err() == nil {
		slog.Warn("no turns are heard of", "err", err)
	}
}

// hearLedger hands the heads that another process announces to the replica.
func (p *process) hearLedger(ctx context.Context, log *jetstream.Log, runner *projection.Runner) {
	take := func(b []byte) {
		var m ledgerv1.Head
		err := proto.Unmarshal(b, &m)
		var h ledger.Head
		if err == nil {
			h, err = ledger.ParseHead(&m)
		}
		if err != nil {
			slog.Warn("an announcement cannot be read", "err", err)
			return
		}
		runner.Announced(h)
	}
	for ctx.Err() == nil {
		if err := log.Heads(ctx, take); err != nil && ctx.Err() == nil {
			slog.Warn("announcements of the ledger", "err", err)
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
		}
	}
}

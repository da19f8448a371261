package serve

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	"maillage/services/eventlog"
	"maillage/services/eventlog/jetstream"
	"maillage/services/fault"
	"maillage/services/feed"
	"maillage/services/identifier"
	"maillage/services/ledger"
	"maillage/services/notary"
	"maillage/services/projection"
	"maillage/services/registry"
	"maillage/services/registry/query"
	"maillage/services/submit"
	"maillage/services/vault"
)

// BrokerDir is where the embedded broker keeps its store within a data directory.
func BrokerDir(data string) string { return filepath.Join(data, "nats") }

// natsOff closes the embedded broker to all but its process.
const natsOff = "off"

// open opens what is the process's own: the vault, the ledger, a private database, a
// broker of its own.
func (p *process) open(ctx context.Context) (err error) {
	c := p.config
	if err := os.MkdirAll(c.Data, 0o711); err != nil {
		return err
	}
	if p.vault, err = vault.Open(c.Vault); err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	if c.has(Ledger) {
		headCopy := c.HeadCopy
		if c.Follow {
			headCopy = "" // it is the gating one's
		}
		if p.store, err = ledger.Open(c.Ledger, headCopy); err != nil {
			return Damaged(err)
		}
	}
	if err := p.openReadModel(ctx); err != nil {
		return err
	}
	if c.URL != "" {
		return nil
	}
	addr := c.NATS
	if addr == natsOff {
		addr = ""
	}
	p.broker, err = jetstream.StartServer(ctx, jetstream.Options{Dir: BrokerDir(c.Data), Addr: addr})
	return Damaged(err)
}

// firstRecord opens a log where neither store has one, and refuses to start where
// both are behind a head that was announced.
func (p *process) firstRecord(ctx context.Context) error {
	head, now, err := p.log.Head(ctx)
	if err != nil {
		return err
	}
	if err := p.lostBoth(head); err != nil {
		return err
	}
	if kept, back := p.store.RolledBack(); back && head < kept.Size {
		e := fault.New(fault.Damaged, "LOG_ROLLED_BACK", "",
			"position %d was announced, the stream ends at %d and the ledger at %d: both were rolled back; if nothing newer can be had, see: maillage restore --new-epoch",
			kept.Size, head, p.store.Head().Size)
		e.Position = min(head, p.store.Head().Size) + 1
		return e
	}
	if size := p.store.Head().Size; head > 1 && size == 0 {
		e := fault.New(fault.Damaged, "LEDGER_MISSING", "", "the stream holds %d positions and there is no ledger in %s: position 1 is missing there", head, p.config.Ledger)
		e.Position = 1
		return e
	} else if head != 0 || size != 0 {
		return nil
	}
	id := identifier.NewID()
	public, err := p.firstKeys(logName(p.config.Origin, id))
	if err != nil {
		return err
	}
	body, err := proto.Marshal(&ledgerv1.Event{
		Meta: &eventv1.Meta{Schema: projection.Schema, RecordTime: timestamppb.New(now.UTC()), CommitSize: 1, Basis: &eventv1.Basis{Source: p.config.Origin, Evidence: eventv1.Evidence_EVIDENCE_STATED}},
		Fact: &ledgerv1.Event_LogOpened{LogOpened: &ledgerv1.LogOpened{LogId: id, Origin: p.config.Origin, CheckpointKeys: public}},
	})
	if err != nil {
		return err
	}
	return p.log.Append(ctx, 0, []eventlog.Record{{Subject: "registry.ledger.log." + id, Body: body}})
}

// lostBoth refuses to open a log where both stores are empty, and the copy of the head or the
// last checkpoint, which stand elsewhere, say that there was one.
func (p *process) lostBoth(head uint64) error {
	if head > 0 || p.store.Head().Size > 0 {
		return nil
	}
	was, _ := p.store.RolledBack()
	if signed, _, ok := notary.LastSigned(p.config.Key + ".last"); ok && signed.Size > was.Size {
		was = signed
	}
	if was.Size == 0 {
		return nil
	}
	e := fault.New(fault.Damaged, "LOG_LOST", "",
		"%d positions were announced, and both the stream and the ledger, in %s, are empty: bring one of them back from a copy and restore the other from it; "+
			"rows in PostgreSQL are not restored from, since nothing is flushed for their sake; a register begins anew with another --data", was.Size, p.config.Ledger)
	e.Position = 1
	return e
}

// Damaged gives what cannot be opened the kind of error that says what to do.
func Damaged(err error) error {
	if own, ok := errors.AsType[*fault.Error](err); ok {
		return own
	}
	e := fault.New(fault.Damaged, "LOG_DAMAGED", "", "%v", err)
	if bad, ok := errors.AsType[*ledger.DamageError](err); ok {
		e.Message += "; rebuild the ledger from the stream with: maillage restore --ledger"
		e.Position = bad.Position
		return e
	}
	if hole, ok := errors.AsType[*eventlog.HoleError](err); ok {
		e.Position = hole.Position
		return e
	}
	if fork, ok := errors.AsType[*eventlog.ForkError](err); ok {
		e.Reason, e.Position = "LOG_FORKED", fork.Position
		return e
	}
	if errors.Is(err, jetstream.ErrDamaged) {
		return e
	}
	return err
}

// source lets queries read the replica, or its rows.
func (p *process) source() query.Source {
	replica := query.Source{
		Head: func(ctx context.Context, least uint64) (head uint64, err error) {
			err = p.runner.View(ctx, least, func(at uint64) error {
				head = at
				return nil
			})
			return head, err
		},
		View: func(ctx context.Context, need query.Need, f func(s, latest *registry.State)) error {
			return p.runner.View(ctx, slices.Max(need.Known), func(uint64) error {
				f(&p.state, &p.state)
				return nil
			})
		},
		KnownAt:   func(t time.Time) uint64 { return p.runner.KnownAt(t) },
		KnownTime: func(position uint64) time.Time { return p.runner.KnownTime(position) },
		CommitEnd: func(position uint64) uint64 { return p.runner.CommitEnd(position) },
		Record:    func(ctx context.Context, position uint64) (eventlog.Record, error) { return p.log.Get(ctx, position) },
		Records:   p.records,
		Personal:  p.personal,
		Now:       time.Now,
	}
	if p.model == nil {
		return replica
	}
	rows := p.model.Source(replica)
	head := rows.Head
	rows.Head = func(ctx context.Context, least uint64) (uint64, error) { return p.rowsHead(ctx, least, head) }
	return rows
}

// rowsHead is how far the rows are, where another process keeps them as far as this one is:
// which positions end a commit, and when they became known, it can tell of no others.
func (p *process) rowsHead(ctx context.Context, least uint64, head func(context.Context, uint64) (uint64, error)) (uint64, error) {
	at, err := p.awaitRows(ctx, least, head)
	if err != nil {
		return at, err
	}
	var own uint64
	err = p.runner.View(ctx, least, func(gate uint64) error {
		own = gate
		return nil
	})
	if err != nil && p.runner.Progress().Halted != nil { // what it folded it can tell of
		if own = p.runner.CommitEnd(at); own >= least {
			err = nil
		}
	}
	return min(at, own), err
}

// awaitRows waits for the rows to come to a position, and no longer than they can: a replica
// that halted brings them nothing more, and why that is is told to who asks for it.
func (p *process) awaitRows(ctx context.Context, least uint64, head func(context.Context, uint64) (uint64, error)) (uint64, error) {
	if p.runner.Progress().Halted == nil {
		own, cancel := context.WithTimeout(ctx, freshness)
		at, err := head(own, max(least, p.runner.Progress().Gate.Size))
		cancel()
		if err == nil {
			return at, nil
		}
		waiting, cancel := projection.Early(ctx)
		defer cancel()
		go func() {
			_ = p.runner.View(waiting, math.MaxUint64, nil) // until it halts
			if p.runner.Progress().Halted != nil {
				cancel()
			}
		}()
		if at, err = head(waiting, least); err == nil || ctx.Err() != nil || p.runner.Progress().Halted == nil {
			return at, err
		}
	}
	halted := p.runner.Progress().Halted
	if broken, is := errors.AsType[*fault.Error](halted); is && broken.Kind == fault.Damaged && broken.Reason != "EVENT_UNREADABLE" {
		return 0, halted // the rows may come from what was lost
	}
	at, err := head(ctx, 0)
	if err == nil && at < least {
		err = halted
	}
	return at, err
}

// freshness is how long a read of the rows waits for what this process has answered for, so
// that whoever recorded something here is shown it, as from memory. Rows that are further
// behind are shown as they are, with their position.
const freshness = 250 * time.Millisecond

// feedSource lets the feed hand on what the replica shows.
func (p *process) feedSource() feed.Source {
	return feed.Source{
		Await: func(ctx context.Context, size uint64) (ledger.Head, error) {
			if err := p.runner.View(ctx, size, func(uint64) error { return nil }); err != nil {
				return ledger.Head{}, err
			}
			return p.runner.Progress().Gate, nil
		},
		Records: p.records,
		Follow: func(ctx context.Context, from eventlog.Cursor) iter.Seq2[eventlog.Record, error] {
			return p.log.Follow(ctx, from)
		},
		Get:       func(ctx context.Context, position uint64) (eventlog.Record, error) { return p.log.Get(ctx, position) },
		CommitEnd: func(position uint64) uint64 { return p.runner.CommitEnd(position) },
		KnownTime: func(position uint64) time.Time { return p.runner.KnownTime(position) },
		Epochs:    p.epochs,
		View: func(ctx context.Context, f func(*registry.State)) error {
			return p.runner.View(ctx, 0, func(uint64) error {
				f(&p.state)
				return nil
			})
		},
		Checkpoint: p.checkpoint,
		Now:        time.Now,
	}
}

// epochs are those of the log after the first.
func (p *process) epochs() (all []registry.Epoch) {
	_ = p.runner.View(context.Background(), 0, func(uint64) error {
		all = p.state.Epochs()
		return nil
	})
	return all
}

// manyRecords is from how many on a ledger of this process is read in place of the stream: it
// looks for where to begin at about the cost of so many.
const manyRecords = 2_000

// records reads the log back from after a position up to another. Many are read from the
// ledger, where it is here and has them: both hold the same bytes, and it takes a fraction of
// the work. What it cannot give the stream gives; the sweep tells of the damage.
func (p *process) records(ctx context.Context, after, to uint64) iter.Seq2[eventlog.Record, error] {
	return func(yield func(eventlog.Record, error) bool) {
		if p.store != nil && after+manyRecords <= to && to <= p.store.Head().Size {
			for r, err := range p.store.Read(after) {
				if err != nil || ctx.Err() != nil {
					break
				}
				if after = r.Position; !yield(r, nil) {
					return
				}
				if after == to {
					break
				}
			}
		}
		if after >= to {
			return
		}
		for r, err := range p.log.Read(ctx, after) {
			if !yield(r, err) || err != nil || r.Position >= to {
				return
			}
		}
	}
}

// personal gives out values of the vault, and records that it does.
func (p *process) personal(ctx context.Context, ids []string) ([]string, error) {
	texts, given := make([]string, len(ids)), make([]string, 0, len(ids))
	for i, id := range ids {
		text, kept, err := p.vault.Get(id)
		if err != nil {
			slog.WarnContext(ctx, "a personal value cannot be read", "value", id, "err", err)
		}
		if kept {
			texts[i], given = text, append(given, id)
		}
	}
	return texts, submit.Given(ctx, p.vault, given)
}

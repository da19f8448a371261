package serve

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	"maillage/services/eventlog"
	"maillage/services/eventlog/jetstream"
	"maillage/services/fault"
	"maillage/services/identifier"
	"maillage/services/ledger"
	"maillage/services/projection"
	"maillage/services/registry"
	"maillage/services/registry/memory"
	"maillage/services/vault"
)

// BrokerDir is where the embedded broker keeps its store within a data directory.
func BrokerDir(data string) string { return filepath.Join(data, "nats") }

// open opens the stores and makes the replica.
func (p *process) open(ctx context.Context) (err error) {
	c := p.config
	if err := os.MkdirAll(c.Data, 0o711); err != nil {
		return err
	}
	if p.vault, err = vault.Open(c.Vault); err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	if c.has(Ledger) {
		if p.store, err = ledger.Open(c.Ledger, c.HeadCopy); err != nil {
			return Damaged(err)
		}
	}
	if err := p.openLog(ctx); err != nil {
		return Damaged(err)
	}
	if p.store != nil {
		if err := p.alone(ctx); err != nil {
			return err
		}
		if err := p.firstRecord(ctx); err != nil {
			return Damaged(err)
		}
	}
	config := projection.Config{
		Log:    p.log,
		Fold:   projection.Fold{Evolve: p.state.Evolve, Rollback: p.state.Rollback, Settle: p.state.Settle},
		Ledger: p.store,
		Tell:   p.tellTurn,
	}
	if p.store != nil {
		config.Announce = p.announce
	}
	p.runner = projection.NewRunner(config)
	return nil
}

func (p *process) openLog(ctx context.Context) (err error) {
	c := p.config
	if c.URL != "" {
		p.log, err = jetstream.Connect(ctx, c.URL, jetstream.ConnectOptions{Name: "maillage", Credentials: c.Credentials, Wait: true})
		return err
	}
	addr := c.NATS
	if addr == "off" {
		addr = ""
	}
	if p.broker, err = jetstream.StartServer(ctx, jetstream.Options{Dir: BrokerDir(c.Data), Addr: addr}); err != nil {
		return err
	}
	p.log, err = p.broker.Open(ctx)
	return err
}

// alone refuses to keep a second ledger: exactly one gates.
func (p *process) alone(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if _, err := p.log.LastHead(ctx); err == nil {
		return fault.New(fault.Refused, "LEDGER_TAKEN", "", "another process keeps the ledger of this log")
	}
	return nil
}

// firstRecord opens a log where neither store has one, and refuses to start where
// both are behind a head that was announced.
func (p *process) firstRecord(ctx context.Context) error {
	head, now, err := p.log.Head(ctx)
	if err != nil {
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
	body, err := proto.Marshal(&ledgerv1.Event{
		Meta: &eventv1.Meta{Schema: projection.Schema, RecordTime: timestamppb.New(now.UTC()), CommitSize: 1, Basis: &eventv1.Basis{Source: p.config.Origin, Evidence: eventv1.Evidence_EVIDENCE_STATED}},
		Fact: &ledgerv1.Event_LogOpened{LogOpened: &ledgerv1.LogOpened{LogId: id, Origin: p.config.Origin}},
	})
	if err != nil {
		return err
	}
	return p.log.Append(ctx, 0, []eventlog.Record{{Subject: "registry.ledger.log." + id, Body: body}})
}

// Damaged gives what cannot be opened the kind of error that says what to do.
func Damaged(err error) error {
	if own, ok := errors.AsType[*fault.Error](err); ok {
		return own
	}
	bad, inLedger := errors.AsType[*ledger.DamageError](err)
	switch {
	case inLedger:
		e := fault.New(fault.Damaged, "LOG_DAMAGED", "", "%v; rebuild the ledger from the stream with: maillage restore --ledger", err)
		e.Position = bad.Position
		return e
	case errors.Is(err, jetstream.ErrDamaged):
		return fault.New(fault.Damaged, "LOG_DAMAGED", "", "%v", err)
	}
	return err
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
func (p *process) hearTurns(ctx context.Context) {
	if err := p.log.Turns(ctx, p.runner.Told); err != nil && ctx.Err() == nil {
		slog.Warn("no turns are heard of", "err", err)
	}
}

// hearLedger hands the heads that another process announces to the replica.
func (p *process) hearLedger(ctx context.Context) {
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
		p.runner.Announced(h)
	}
	for ctx.Err() == nil {
		if err := p.log.Heads(ctx, take); err != nil && ctx.Err() == nil {
			slog.Warn("announcements of the ledger", "err", err)
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
		}
	}
}

// source lets queries read the replica.
func (p *process) source() memory.Source {
	return memory.Source{
		View: func(ctx context.Context, least uint64, f func(*registry.State, uint64)) error {
			return p.runner.View(ctx, least, func(head uint64) error {
				f(&p.state, head)
				return nil
			})
		},
		KnownAt:   p.runner.KnownAt,
		KnownTime: p.runner.KnownTime,
		CommitEnd: p.runner.CommitEnd,
		Record:    p.log.Get,
		Records:   p.records,
		Personal:  p.personal,
		Now:       time.Now,
	}
}

// records reads the log back from after a position up to another.
func (p *process) records(ctx context.Context, after, to uint64) iter.Seq2[eventlog.Record, error] {
	return func(yield func(eventlog.Record, error) bool) {
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

func (p *process) personal(id string) string {
	text, _, err := p.vault.Get(id)
	if err != nil {
		slog.Warn("a personal value cannot be read", "value", id, "err", err)
		return ""
	}
	return text
}

// bindVault sees to it that the vault of a process that records is the log's: it
// binds the first one, and refuses any other.
func (p *process) bindVault(ctx context.Context) error {
	check := p.vault.Check(p.logID())
	cmd := projection.Command{
		Actor:     &eventv1.Actor{Role: "system"},
		RequestID: "vault-" + hex.EncodeToString(check[:8]),
		Digest:    check[:],
		Decide: func() ([]projection.Event, error) {
			switch bound := p.state.Identity(); bound.Vault {
			case check:
				return nil, errBound
			case [32]byte{}:
				m := &ledgerv1.Event{
					Meta: &eventv1.Meta{Basis: &eventv1.Basis{Source: p.config.Origin, Evidence: eventv1.Evidence_EVIDENCE_STATED}},
					Fact: &ledgerv1.Event_VaultBound{VaultBound: &ledgerv1.VaultBound{Check: check[:]}},
				}
				return []projection.Event{{Subject: "registry.ledger.log." + bound.LogID, Message: m, Meta: m.GetMeta()}}, nil
			}
			return nil, fault.New(fault.Refused, "VAULT_OTHER", "", "the vault in %s is not the one that belongs to this log", p.config.Vault)
		},
	}
	if _, err := p.runner.Do(ctx, cmd); err != nil && !errors.Is(err, errBound) {
		return err
	}
	return nil
}

var errBound = errors.New("the vault is bound already")

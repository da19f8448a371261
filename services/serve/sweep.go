package serve

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	"maillage/services/bitemporal"
	"maillage/services/eventlog"
	"maillage/services/vault"
)

// orphanAge is how old a value of the vault is before it can be an orphan: a value stands
// there before its commit does, and no command is under way for so long.
const orphanAge = 24 * time.Hour

// eraseAgain unlinks what the log says was erased: a vault restored from an older copy has it
// again, and so has one of a process that was killed between the fact and the erasure.
func (p *process) eraseAgain(ctx context.Context) error {
	var ids []string
	err := p.runner.View(ctx, 0, func(head uint64) error {
		ids = slices.Collect(p.state.Labelling.Erased(head))
		return nil
	})
	if err != nil {
		return err
	}
	erased := 0
	for _, id := range ids {
		if _, kept, err := p.vault.Get(id); err == nil && !kept {
			continue
		}
		if err := p.vault.Erase(id); err != nil {
			return fmt.Errorf("erase a value of the vault again: %w", err)
		}
		erased++
	}
	if erased > 0 {
		slog.WarnContext(ctx, "the vault held what was erased, and forgot it again", "values", erased)
	}
	return nil
}

// startSweep sweeps the vault once, where the part that puts most names into it runs here;
// stop ends that.
func (p *process) startSweep(running context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(running)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if !p.config.has(Labelling) {
			return
		}
		age := orphanAge
		if p.config.orphanAge > 0 {
			age = p.config.orphanAge
		}
		switch erased, err := p.sweep(ctx, time.Now().Add(-age)); {
		case err != nil && ctx.Err() == nil:
			slog.WarnContext(ctx, "the vault is not swept", "erased", erased, "err", err)
		case erased > 0:
			slog.InfoContext(ctx, "the vault is swept: no event refers to what a process left there when it was killed", "erased", erased)
		}
	}()
	return func() { cancel(); <-done }
}

// sweep erases the values put into the vault before a time that nothing refers to, and
// returns how many. It leaves all as it is where another log uses the vault too.
func (p *process) sweep(ctx context.Context, before time.Time) (erased int, err error) {
	id, err := p.identify(ctx) // a process that ends has none, and would enrol for no log
	if err != nil {
		return 0, err
	}
	check := p.vault.Check(id)
	if alone, err := p.vault.Enrol(check); err != nil || !alone {
		return 0, err
	}
	o := orphans{check: check}
	if o.values, err = p.vault.PutBefore(before); err != nil || len(o.values) == 0 {
		return 0, err
	}
	// From here on the values are listed: the log is read up to where it ends now, after.
	head, err := p.runner.Latest(ctx)
	if err != nil {
		return 0, err
	}
	var drafts []string
	err = p.runner.View(ctx, head, func(uint64) error {
		all := &p.state.Labelling.Drafts
		for id := range all.IDs() {
			if d, known := all.Last(id, bitemporal.Latest); known {
				drafts = append(drafts, d.GetAnnex().GetValueId())
			}
		}
		return nil
	})
	if err == nil {
		err = o.keepRecorded(p.records(ctx, 0, head), head)
	}
	if err == nil {
		err = o.keepDrafted(p.vault, drafts)
	}
	if err != nil {
		return 0, err
	}
	for id := range o.values {
		if err := p.vault.Erase(id); err != nil {
			return erased, err
		}
		erased++
	}
	return erased, nil
}

// orphans are the values of a vault that nothing was found to refer to yet, by id, and when
// each was put.
type orphans struct {
	values map[string]time.Time
	check  [32]byte // of the vault, for the log
}

// keepRecorded keeps what is referred to in any record of a log that must end at a head,
// and what stood in the vault before it was the log's.
func (o *orphans) keepRecorded(records iter.Seq2[eventlog.Record, error], head uint64) error {
	var bound time.Time
	last := uint64(0)
	for rec, err := range records {
		if err != nil {
			return err
		}
		last = rec.Position
		o.keepIn(rec.Body)
		if !bound.IsZero() || !strings.HasPrefix(rec.Subject, Ledger.rights().Own) {
			continue
		}
		var e ledgerv1.Event
		if err := proto.Unmarshal(rec.Body, &e); err != nil {
			return fmt.Errorf("position %d: %w", rec.Position, err)
		}
		if string(e.GetVaultBound().GetCheck()) == string(o.check[:]) {
			bound = e.GetMeta().GetRecordTime().AsTime()
		}
	}
	switch {
	case last != head:
		return &eventlog.HoleError{Position: last + 1}
	case bound.IsZero():
		return errors.New("the log does not say that the vault is its own")
	}
	for id, put := range o.values {
		if put.Before(bound) {
			delete(o.values, id)
		}
	}
	return nil
}

// keepDrafted keeps what is referred to in the documents of drafts, which are values of the
// vault themselves.
func (o *orphans) keepDrafted(v *vault.Vault, documents []string) error {
	for _, id := range documents {
		text, kept, err := v.Get(id)
		if err != nil {
			return err
		}
		if !kept {
			continue // it was erased when the draft was rejected
		}
		encoded, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return fmt.Errorf("the document of a draft: %w", err)
		}
		o.keepIn(encoded)
	}
	return nil
}

// keepIn keeps every value whose id stands anywhere in some bytes, whatever they mean.
func (o *orphans) keepIn(b []byte) {
	const length = 10 // of an id, which is of capitals and digits
	run := 0
	for i, c := range b {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') {
			run = 0
			continue
		}
		if run++; run >= length {
			delete(o.values, string(b[i+1-length:i+1]))
		}
	}
}

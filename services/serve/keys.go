package serve

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	"maillage/services/fault"
	"maillage/services/ledger"
	"maillage/services/notary"
	"maillage/services/projection"
)

// keyMissing says whether an error is that there is no key.
func keyMissing(err error) bool {
	own, is := errors.AsType[*fault.Error](err)
	return is && own.Reason == "KEY_MISSING"
}

// firstKeys are the public halves of the keys of a log that is opened here: one that was made
// before, or a new one. None where what there is cannot be used, which is told of later: the
// log goes on without.
func (p *process) firstKeys(name string) ([]string, error) {
	keys, err := notary.ReadKeys(p.config.Key)
	if keyMissing(err) {
		return p.newKey(name)
	}
	if err != nil {
		return nil, nil //nolint:nilerr // see openNotary
	}
	return keys.Public(), nil
}

// newKey makes the first key of a log, unless checkpoints were signed before: then it is not
// new.
func (p *process) newKey(name string) ([]string, error) {
	if signed, err := p.wasSigned(); signed || err != nil {
		return nil, errors.Join(err, p.errKeyMissing())
	}
	keys, err := notary.NewKey(p.config.Key, name)
	return keys.Public(), err
}

// wasSigned says whether a checkpoint is kept that was signed before.
func (p *process) wasSigned() (bool, error) {
	for _, signed := range p.signedFiles() {
		if _, err := os.Stat(signed); !errors.Is(err, fs.ErrNotExist) {
			return err == nil, err
		}
	}
	return false, nil
}

// signedFiles are where the last checkpoint is kept: beside the key, and in the ledger, so that
// what was signed is known as long as either is there.
func (p *process) signedFiles() []string {
	return []string{p.config.Key + lastSuffix, filepath.Join(p.config.Ledger, "signed")}
}

func (p *process) errKeyMissing() error {
	return fault.New(fault.Refused, "KEY_MISSING", "", "checkpoints of this log were signed, and there is no key in %s; bring it back from its backup, or make a new one: maillage ledger key --new", p.config.Key)
}

// NewKey adds a new key for the log of a ledger to a file of keys, which is made where it is
// missing, and returns all. No process must serve from the ledger.
func NewKey(dir, file string) (keys notary.Keys, err error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, fault.New(fault.NotFound, "STORE_MISSING", "", "there is no store in %s: %v", dir, err)
	}
	store, err := ledger.Open(dir, "")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	first, err := opening(store)
	if err != nil {
		return nil, err
	}
	if first == nil {
		return nil, fault.New(fault.Refused, "LEDGER_EMPTY", "", "the ledger in %s is empty: it has no name yet", dir)
	}
	return notary.NewKey(file, logName(first.GetOrigin(), first.GetLogId()))
}

// opening is the first fact of a ledger, nil where it is empty.
func opening(store *ledger.Store) (*ledgerv1.LogOpened, error) {
	for first, err := range store.Read(0) {
		if err != nil {
			return nil, err
		}
		var e ledgerv1.Event
		if err := proto.Unmarshal(first.Body, &e); err != nil {
			return nil, fmt.Errorf("position 1: %w", err)
		}
		return e.GetLogOpened(), nil
	}
	return nil, nil
}

// keyThere refuses to keep the ledger of a log that was signed where there is no key: whoever
// trusts the old one would be shown another unsaid. KEY_MISSING: the key is to be brought back,
// or a new one made expressly.
func (p *process) keyThere() error {
	if _, err := notary.ReadKeys(p.config.Key); !keyMissing(err) {
		return nil // what else there is to say of it openNotary does
	}
	signed, err := p.wasSigned()
	if err != nil {
		return err
	}
	first, err := opening(p.store)
	if err != nil {
		return err
	}
	if signed || len(first.GetCheckpointKeys()) > 0 {
		return p.errKeyMissing()
	}
	return nil
}

// bindKeys sees to it that the log says which keys sign its checkpoints. Keys that were made for
// another log, such as one that was opened at the same moment and is none, do not sign this one.
func (p *process) bindKeys(ctx context.Context) error {
	var bound []string
	var since uint64
	var name, id string
	err := p.runner.View(ctx, 1, func(uint64) error {
		bound, since = p.state.CheckpointKeys()
		of := p.state.Identity()
		name, id = logName(of.Origin, of.LogID), of.LogID
		return nil
	})
	if err != nil {
		return err
	}
	p.unsigned = nil
	keys, err := notary.ReadKeys(p.config.Key)
	public := keys.Public()
	own := slices.ContainsFunc(keys, func(k notary.Key) bool { return k.Name() == name || slices.Contains(bound, k.Public) })
	switch {
	case len(bound) > 0 && (keyMissing(err) || err == nil && !own):
		p.unsigned = p.errKeyMissing()
		return nil
	case keyMissing(err):
		_, err := p.newKey(name)
		return err
	case err != nil:
		return nil //nolint:nilerr // the register goes on without: see openNotary
	case slices.Equal(public, bound):
		return nil
	case len(bound) == 0: // it was opened before logs told of keys: it is told of one that signed
		if signed, err := p.wasSigned(); !signed {
			return err
		}
	}
	digest := sha256.Sum256([]byte(strings.Join(public, "\n")))
	_, err = p.runner.Do(ctx, projection.Command{
		Actor:     &eventv1.Actor{Role: "system"},
		RequestID: fmt.Sprintf("keys-%d-%x", since, digest[:8]),
		Digest:    digest[:],
		Rights:    Ledger.rights(),
		Decide: func() ([]projection.Event, error) {
			m := &ledgerv1.Event{
				Meta: &eventv1.Meta{Basis: &eventv1.Basis{Source: p.config.Origin, Evidence: eventv1.Evidence_EVIDENCE_STATED}},
				Fact: &ledgerv1.Event_CheckpointKeysBound{CheckpointKeysBound: &ledgerv1.CheckpointKeysBound{Keys: public}},
			}
			return []projection.Event{{Subject: "registry.ledger.log." + id, Message: m, Meta: m.GetMeta()}}, nil
		},
	})
	if err == nil {
		slog.InfoContext(ctx, "other keys sign the checkpoints", "keys", public, "before", bound)
	}
	return err
}

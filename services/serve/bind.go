package serve

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"time"

	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	"maillage/services/fault"
	"maillage/services/projection"
)

// bindTime is how long a binding may take before it is asked for again.
const bindTime = 10 * time.Second

// bindVault sees to it that the vault of a process that records is the log's: the first
// one is bound, any other refused. That a vault is bound is a fact of the ledger, so the
// process that keeps the ledger is asked.
func (p *process) bindVault(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, bindTime)
	defer cancel()
	id, err := p.identify(ctx)
	if err != nil {
		return err
	}
	check := p.vault.Check(id)
	if p.config.gates() {
		err = p.bind(ctx, check)
	} else {
		var answer []byte
		if answer, err = p.log.AskBinding(ctx, check[:]); err == nil {
			err = readStatus(answer)
		}
	}
	if err == nil {
		_, err = p.vault.Enrol(check) // it is this log's
		return err
	}
	own, ok := fault.FromStatus(err)
	switch {
	case ok && own.Reason == "VAULT_OTHER":
		return fault.New(own.Kind, own.Reason, "", "the vault in %s is not the one that belongs to this log", p.config.Vault)
	case ok:
		return own
	}
	return fault.New(fault.Unavailable, "LEDGER_BEHIND", "", "the process that keeps the ledger does not answer: %v", err)
}

// readStatus is the error in an encoded status.
func readStatus(b []byte) error {
	var s statuspb.Status
	if err := proto.Unmarshal(b, &s); err != nil {
		return err
	}
	return status.FromProto(&s).Err()
}

// answerBinding binds vaults for processes that ask, until the context ends.
func (p *process) answerBinding(running context.Context) error {
	return p.log.AnswerBindings(running, func(check []byte) []byte {
		ctx, cancel := context.WithTimeout(running, bindTime)
		defer cancel()
		var err error = fault.New(fault.Invalid, "REQUEST_INVALID", "", "the check of a vault has 32 bytes, not %d", len(check))
		if len(check) == 32 {
			err = p.bind(ctx, [32]byte(check))
		}
		s := status.Convert(err)
		if own, ok := errors.AsType[*fault.Error](err); ok {
			s = own.GRPCStatus()
		}
		b, err := proto.Marshal(s.Proto())
		if err != nil {
			slog.WarnContext(ctx, "answer to a binding", "err", err)
		}
		return b
	})
}

// bind binds the vault with a check, unless it is bound already. Another one that is
// bound is VAULT_OTHER.
func (p *process) bind(ctx context.Context, check [32]byte) error {
	_, err := p.runner.Do(ctx, projection.Command{
		Actor:     &eventv1.Actor{Role: "system"},
		RequestID: "vault-" + hex.EncodeToString(check[:8]),
		Digest:    check[:],
		Rights:    Ledger.rights(),
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
			return nil, fault.New(fault.Refused, "VAULT_OTHER", "", "another vault belongs to this log")
		},
	})
	if errors.Is(err, errBound) {
		return nil
	}
	return err
}

var errBound = errors.New("the vault is bound already")

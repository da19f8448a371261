package serve

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	"maillage/services/eventlog/jetstream"
	"maillage/services/fault"
	"maillage/services/notary"
	"maillage/services/registry"
)

const (
	signPause  = 2 * time.Second // between two checkpoints, while something changes
	lastSuffix = ".last"         // of the file with the last one, beside the key
)

// signing is what signs the heads of the ledger that gates, once the log is known.
type signing struct {
	log   atomic.Pointer[notary.Log]
	moved atomic.Pointer[chan struct{}] // closed once there is another checkpoint
	told  atomic.Pointer[error]         // why none is signed any longer, nil while they are
	heard atomic.Pointer[[]byte]        // the last one that another process told of

	witnesses atomic.Pointer[notary.Witnesses] // nil where there are none
	satisfied atomic.Pointer[time.Time]        // when the last one that satisfies the policy did so, nil for not known
}

func (s *signing) wake() {
	next := make(chan struct{})
	if before := s.moved.Swap(&next); before != nil {
		close(*before)
	}
}

// end lets go of those who wait for a checkpoint, as the process stops.
func (s *signing) end() {
	var stopping error = fault.New(fault.Unavailable, "STOPPING", "", "the process is stopping")
	s.told.CompareAndSwap(nil, &stopping)
	s.wake()
}

// startNotary signs checkpoints of what is in both stores, where the gating ledger is kept
// here; stop ends that. Where it cannot, such as with a key that others can read, the register
// goes on without, and says so to whoever asks for a checkpoint.
func (p *process) startNotary(running context.Context) (stop func()) {
	if !p.config.gates() {
		return func() {}
	}
	log, witnesses, err := p.openNotary()
	if err != nil {
		slog.ErrorContext(running, "no checkpoint is signed", "err", err)
		p.signing.told.Store(&err)
		if own, is := errors.AsType[*fault.Error](err); !is || own.Kind != fault.Unavailable {
			return func() {}
		}
	} else {
		p.signing.offer(log, witnesses)
	}
	ctx, cancel := context.WithCancel(running)
	stopMetrics, done := p.signing.observe(), make(chan struct{})
	go func() {
		defer close(done)
		if err != nil {
			if log, witnesses = p.awaitNotary(ctx, &err); log == nil {
				return
			}
		}
		p.notarise(ctx, log, witnesses)
	}()
	return func() { cancel(); <-done; stopMetrics() }
}

// offer lets what is signed be asked for.
func (s *signing) offer(log *notary.Log, witnesses *notary.Witnesses) {
	s.witnesses.Store(witnesses)
	s.log.Store(log)
}

// awaitNotary waits until the process that signs from the same key is gone, as it stops. told
// is what was said of it.
func (p *process) awaitNotary(ctx context.Context, told *error) (*notary.Log, *notary.Witnesses) {
	for {
		select {
		case <-time.After(signPause):
		case <-ctx.Done():
			return nil, nil
		}
		log, witnesses, err := p.openNotary()
		if err == nil {
			p.signing.offer(log, witnesses)
			p.signing.told.CompareAndSwap(told, nil)
			slog.InfoContext(ctx, "checkpoints are signed")
			return log, witnesses
		}
		if own, is := errors.AsType[*fault.Error](err); !is || own.Kind != fault.Unavailable {
			slog.ErrorContext(ctx, "no checkpoint is signed", "err", err)
			p.signing.told.CompareAndSwap(told, &err)
			return nil, nil
		}
	}
}

// notarise signs what is announced, and has it cosigned, until the context ends.
func (p *process) notarise(ctx context.Context, log *notary.Log, witnesses *notary.Witnesses) {
	var cosigning sync.WaitGroup
	cosigning.Go(func() { p.keepCosigned(ctx, log, witnesses) })
	defer func() {
		cosigning.Wait()
		if err := log.Signer.Close(); err != nil {
			slog.WarnContext(ctx, "close the signer", "err", err)
		}
	}()
	often, said := time.NewTicker(signPause), ""
	defer often.Stop()
	for {
		err := p.sign(log)
		switch {
		case err == nil:
			said = ""
		case ctx.Err() != nil:
		case conflicts(err):
			slog.ErrorContext(ctx, "no checkpoint is signed any longer", "err", err)
			p.signing.told.Store(&err)
			p.signing.wake()
			return
		case said != err.Error(): // such as of a full disk, which passes
			said = err.Error()
			slog.WarnContext(ctx, "no checkpoint is signed yet", "err", err)
		}
		if _, signed, ok := log.Signer.Last(); ok { // again: others may have come since
			if err := p.log.TellCheckpoint(signed); err != nil {
				slog.DebugContext(ctx, "telling of a checkpoint", "err", err) // there will be another
			}
		}
		select {
		case <-often.C:
		case <-ctx.Done():
			return
		}
	}
}

// conflicts says that what was signed is not what the ledger holds, which no waiting mends.
func conflicts(err error) bool {
	own, is := errors.AsType[*fault.Error](err)
	return is && own.Kind == fault.Damaged
}

// contradicted refuses to gate with a history that is not the one that was signed. A last
// checkpoint that cannot be read, or is of another log, contradicts nothing: no other is
// signed beside it.
func (p *process) contradicted(ctx context.Context) error {
	name, err := p.named()
	if err != nil {
		return err
	}
	files := p.signedFiles()
	signer, err := notary.NewSigner(files[0], name, nil, p.store, files[1:]...)
	if own, is := errors.AsType[*fault.Error](err); is && own.Kind == fault.Damaged && own.Position > 0 {
		return err // the copies contradict each other, and so one of them the history
	}
	if err != nil {
		return nil // startNotary says so
	}
	defer func() { _ = signer.Close() }()
	head, _, err := p.log.Head(ctx)
	if err != nil {
		return err
	}
	if last, _, _ := signer.Last(); last.Size <= head { // the ledger may yet be refilled
		if err := p.runner.View(ctx, last.Size, func(uint64) error { return nil }); err != nil {
			return err
		}
	}
	return signer.Holds(p.store.Head())
}

// named is the name that the checkpoints of the log bear.
func (p *process) named() (name string, err error) {
	err = p.runner.View(context.Background(), 1, func(uint64) error {
		id := p.state.Identity()
		name = logName(id.Origin, id.LogID)
		return nil
	})
	return name, err
}

func (p *process) openNotary() (*notary.Log, *notary.Witnesses, error) {
	name, err := p.named()
	if err != nil {
		return nil, nil, err
	}
	if p.unsigned != nil {
		return nil, nil, p.unsigned
	}
	keys, err := notary.ReadKeys(p.config.Key)
	if err != nil {
		return nil, nil, err
	}
	if err := keys.Publish(p.config.Key); err != nil {
		slog.Warn("the public key is not beside the key", "err", err)
	}
	var witnesses *notary.Witnesses
	if p.config.Witnesses != "" {
		policy, err := os.ReadFile(p.config.Witnesses)
		if err != nil {
			return nil, nil, err
		}
		if witnesses, err = notary.NewWitnesses(policy, &http.Client{Timeout: witnessPause}); err != nil {
			return nil, nil, err
		}
	}
	files := p.signedFiles()
	signer, err := notary.NewSigner(files[0], name, keys, p.store, files[1:]...)
	if err != nil {
		return nil, nil, err
	}
	p.signing.wake()
	return &notary.Log{Signer: signer, Hashes: p.store, Read: p.store.Read}, witnesses, nil
}

// logName is the name that a log's checkpoints bear.
func logName(origin, id string) string {
	return registry.Identity{Origin: origin, LogID: id}.Name()
}

// sign signs the head that is announced, if it is another one than before.
func (p *process) sign(log *notary.Log) error {
	head := p.runner.Progress().Gate
	before, _, ok := log.Signer.Last()
	if head.Size == 0 || ok && before.Size == head.Size && before.Root == head.Root && head.Epoch == log.Signer.Epoch() {
		return nil
	}
	if _, err := log.Signer.Sign(head); err != nil {
		return err
	}
	p.signing.wake()
	return nil
}

// checkpoint is the last one that was signed, as far as it is known here; nil for none. Who
// gets it verifies it.
func (p *process) checkpoint() []byte {
	if log := p.signing.log.Load(); log != nil {
		_, signed, _ := log.Signer.Last()
		return signed
	}
	if heard := p.signing.heard.Load(); heard != nil {
		return *heard
	}
	return nil
}

// hearCheckpoints keeps the last checkpoint that the process of the gating ledger tells of.
func (p *process) hearCheckpoints(ctx context.Context, log *jetstream.Log) {
	for ctx.Err() == nil {
		err := log.Checkpoints(ctx, func(signed []byte) { p.signing.heard.Store(&signed) })
		if err == nil || ctx.Err() != nil {
			return
		}
		slog.WarnContext(ctx, "no checkpoints are heard of, trying again", "err", err)
		select {
		case <-time.After(signPause):
		case <-ctx.Done():
		}
	}
}

var errNoLedger = fault.New(fault.Refused, "NO_LEDGER_HERE", "", "this process keeps no gating ledger, which alone proves what it holds")

// proofs implements ledgerv1.ProofServiceServer.
type proofs struct {
	ledgerv1.UnsafeProofServiceServer

	p *process
}

// log is what can be proved here.
func (s *proofs) log() (*notary.Log, error) {
	log := s.p.signing.log.Load()
	if told := s.p.signing.told.Load(); log == nil && told != nil {
		return nil, *told
	}
	if log == nil {
		return nil, errNoLedger
	}
	return log, nil
}

// GetCheckpoint implements the RPC of that name.
func (s *proofs) GetCheckpoint(ctx context.Context, req *ledgerv1.GetCheckpointRequest) (*ledgerv1.GetCheckpointResponse, error) {
	log, err := s.log()
	if err != nil {
		return nil, err
	}
	for {
		moved := *s.p.signing.moved.Load()
		c, signed, ok := log.Signer.Last()
		if ok && c.Size >= req.GetMinSize() {
			return &ledgerv1.GetCheckpointResponse{Checkpoint: signed}, nil
		}
		if told := s.p.signing.told.Load(); told != nil {
			return nil, *told
		}
		if !ok && req.GetMinSize() == 0 {
			return nil, fault.New(fault.NotFound, "NO_CHECKPOINT", "", "nothing is signed yet; the first checkpoint comes within %v", signPause)
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return nil, fault.New(fault.Unavailable, "NOT_YET_SIGNED", "min_size", "the last checkpoint is of size %d", c.Size)
		}
	}
}

// under is the log, its last checkpoint, and the size to prove something in: at least one,
// and at most what is signed.
func (s *proofs) under(size, least uint64, field string) (log *notary.Log, signed []byte, at uint64, err error) {
	if log, err = s.log(); err != nil {
		return nil, nil, 0, err
	}
	c, signed, _ := log.Signer.Last()
	at = cmp.Or(size, c.Size)
	switch {
	case max(at, least) > c.Size:
		e := fault.New(fault.Unavailable, "NOT_YET_SIGNED", field, "the last checkpoint is of size %d; the next comes within %v of a commit", c.Size, signPause)
		e.Position = max(at, least)
		return nil, nil, 0, e
	case at < least:
		return nil, nil, 0, fault.New(fault.Invalid, "TREE_TOO_SMALL", "tree_size", "a log of size %d does not go as far as %d", at, least)
	}
	return log, signed, at, nil
}

// GetInclusionProof implements the RPC of that name.
func (s *proofs) GetInclusionProof(_ context.Context, req *ledgerv1.GetInclusionProofRequest) (*ledgerv1.GetInclusionProofResponse, error) {
	log, signed, size, err := s.under(req.GetTreeSize(), req.GetPosition(), "position")
	if err != nil {
		return nil, err
	}
	index := int64(req.GetPosition() - 1)
	leaf, err := log.Hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
	if err != nil {
		return nil, err
	}
	proof, err := log.ProveInclusion(req.GetPosition(), size)
	if err != nil {
		return nil, err
	}
	return &ledgerv1.GetInclusionProofResponse{Checkpoint: signed, LeafIndex: uint64(index), LeafHash: leaf[0][:], Hashes: bytesOf(proof)}, nil
}

// GetConsistencyProof implements the RPC of that name.
func (s *proofs) GetConsistencyProof(_ context.Context, req *ledgerv1.GetConsistencyProofRequest) (*ledgerv1.GetConsistencyProofResponse, error) {
	log, signed, size, err := s.under(req.GetTreeSize(), req.GetOldSize(), "old_size")
	if err != nil {
		return nil, err
	}
	proof, err := log.ProveConsistency(req.GetOldSize(), size)
	if err != nil {
		return nil, err
	}
	return &ledgerv1.GetConsistencyProofResponse{Checkpoint: signed, Hashes: bytesOf(proof)}, nil
}

func bytesOf[P ~[]tlog.Hash](proof P) (all [][]byte) {
	for _, h := range proof {
		all = append(all, h[:])
	}
	return all
}

// serveTiles serves the tiles of the log, where they are kept here.
func (p *process) serveTiles(w http.ResponseWriter, r *http.Request) {
	log := p.signing.log.Load()
	if log == nil {
		problem(w, r, fault.New(fault.NotFound, "NO_LEDGER_HERE", "", "another process keeps the ledger: ask that one"))
		return
	}
	log.Handler(problem).ServeHTTP(w, r)
}

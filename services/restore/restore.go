// Package restore rebuilds one store of the log from the other, with the same
// positions and the same tree, while no process serves. It never deletes: what it
// replaces is set aside whole.
package restore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	"maillage/proto/merkle"
	"maillage/services/consumer"
	"maillage/services/eventlog"
	"maillage/services/eventlog/jetstream"
	"maillage/services/fault"
	"maillage/services/ledger"
	"maillage/services/projection"
	"maillage/services/vault"
)

// chunk is how many records go into one append while a stream is rebuilt.
const chunk = 1000

// Stores are the places of the two stores, and of the copy of the head.
type Stores struct {
	Broker   string // directory of the embedded broker's store
	URL      string // an outside broker instead; its stream must be empty to be rebuilt
	Ledger   string // directory of the ledger
	HeadCopy string // the third place; may be empty
	// Signed is the head of the last checkpoint that was signed, zero for none: a third place
	// too, for NewEpoch.
	Signed ledger.Head
}

// Result says what a restore left behind.
type Result struct {
	Head  ledger.Head // of both stores
	Aside string      // where the replaced store is kept; empty where there was none
}

// Progress is told how far a restore has come.
type Progress func(done, total uint64)

// Stream rebuilds the stream from the ledger: every leaf is read and hashed, the
// broker's store is set aside, the records are published in order, each expecting
// its predecessor, the durables of those who follow at the broker are made again, from
// the beginning, and the new stream is read back and compared.
func Stream(ctx context.Context, s Stores, progress Progress) (r Result, err error) {
	if err := exists(s.Ledger); err != nil {
		return r, err
	}
	store, err := ledger.Open(s.Ledger, s.HeadCopy)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if kept, back := store.RolledBack(); back {
		if err := s.bothBehind(ctx, store.Head(), kept); err != nil {
			return r, err
		}
	}
	r.Head = store.Head()
	if r.Head.Size == 0 {
		return r, s.ledgerEmpty()
	}
	if err := matches(store.Read(0), r.Head); err != nil {
		return r, fmt.Errorf("the ledger cannot be restored from: %w", err)
	}
	if s.URL == "" {
		if r.Aside, err = setAside(s.Broker); err != nil {
			return r, err
		}
	}
	log, closeLog, err := s.open(ctx)
	if err != nil {
		return r, err
	}
	defer closeLog()
	var following consumer.State
	if err := publish(ctx, log, store, r.Head.Size, &following, progress); err != nil {
		return r, err
	}
	if err := bring(ctx, log, store); err != nil {
		return r, err
	}
	r.Head = store.Head()
	if err := log.KeepDurables(ctx, accounts(following.All(r.Head.Size))); err != nil {
		return r, err
	}
	if err := matches(log.Read(ctx, 0), r.Head); err != nil {
		return r, fmt.Errorf("the rebuilt stream differs: %w", err)
	}
	return r, nil
}

func (s Stores) ledgerEmpty() error {
	return fault.New(fault.Refused, "LEDGER_EMPTY", "", "the ledger in %s is empty: there is nothing to restore from", s.Ledger)
}

// bothBehind lets the stream be rebuilt from a ledger that is behind what was
// announced only where the stream is behind too, by another length: a new epoch needs
// them equal. A stream that holds more is what the ledger is to be rebuilt from.
func (s Stores) bothBehind(ctx context.Context, head, kept ledger.Head) error {
	log, closeLog, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer closeLog()
	last, _, err := log.Head(ctx)
	switch {
	case err != nil:
		return err
	case last == 0 && head.Size == 0:
		return s.ledgerEmpty()
	case last >= kept.Size:
		return fault.New(fault.Damaged, "LEDGER_BEHIND", "", "the ledger ends at %d and the stream at %d: rebuild the ledger from the stream (restore --ledger)", head.Size, last)
	case last == head.Size:
		return fault.New(fault.Damaged, "LOG_ROLLED_BACK", "", "position %d was announced and both stores end at %d: nothing is gained from restoring one from the other (restore --new-epoch)", kept.Size, last)
	}
	return nil
}

// Ledger rebuilds the ledger from the stream and compares it with the last head
// that is kept anywhere: what was announced must be there, with the same root. What the
// ledger was writing ahead is brought to the stream first, as far as it can be read.
func Ledger(ctx context.Context, s Stores) (r Result, err error) {
	if s.URL == "" {
		if err := exists(s.Broker); err != nil {
			return r, err
		}
	}
	log, closeLog, err := s.open(ctx)
	if err != nil {
		return r, err
	}
	defer closeLog()
	last, _, err := log.Head(ctx)
	if err != nil {
		return r, err
	}
	if last == 0 {
		return r, fault.New(fault.Refused, "STREAM_EMPTY", "", "the stream is empty: there is nothing to restore from")
	}
	for _, h := range ledger.Heads(s.Ledger, s.HeadCopy) {
		if err := holds(ctx, log, h); err != nil {
			return r, err
		}
	}
	if err := s.bringFirst(ctx, log); err != nil {
		return r, err
	}
	if r.Aside, err = ledger.RebuildFrom(log.Read(ctx, 0), s.Ledger); err != nil {
		return r, err
	}
	store, err := ledger.Open(s.Ledger, s.HeadCopy)
	if err != nil {
		return r, err
	}
	r.Head = store.Head()
	return r, store.Close()
}

// bringFirst brings what the ledger that is to be replaced was writing ahead to the stream,
// which must hold what is in that ledger's tree. One that cannot be opened is replaced all
// the same, and where the stream holds something else, that stands. The ledger keeps what it
// holds, and the copy of the head what it says.
func (s Stores) bringFirst(ctx context.Context, log *jetstream.Log) error {
	if _, err := os.Stat(s.Ledger); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	store, err := ledger.Open(s.Ledger, "")
	if err != nil {
		slog.WarnContext(ctx, "what the ledger was writing ahead cannot be read", "err", err)
		return nil
	}
	if err = holds(ctx, log, store.Head()); err == nil {
		err = bringCommits(ctx, log, store.Ahead())
	}
	return errors.Join(err, store.Close())
}

// bringCommits appends commits to a stream that holds what is before them, and may hold some
// of them, or something else.
func bringCommits(ctx context.Context, log *jetstream.Log, commits [][]eventlog.Record) error {
	last, _, err := log.Head(ctx)
	if err != nil {
		return err
	}
	for _, commit := range commits {
		there := 0
		for ; there < len(commit) && commit[there].Position <= last; there++ {
			rec, err := log.Get(ctx, commit[there].Position)
			if err != nil {
				return err
			}
			if eventlog.LeafHash(rec) != eventlog.LeafHash(commit[there]) {
				slog.WarnContext(ctx, "the stream holds something else than the ledger was writing ahead", "position", rec.Position)
				return nil
			}
		}
		if there == len(commit) {
			continue
		}
		err := log.Append(ctx, last, commit[there:])
		if errors.Is(err, eventlog.ErrTooLarge) {
			slog.WarnContext(ctx, "what the ledger was writing ahead is too large for the stream", "position", last+1)
			return nil
		}
		if err != nil {
			return fmt.Errorf("what the ledger was writing ahead: %w", err)
		}
		last = commit[len(commit)-1].Position
	}
	return nil
}

// NewEpoch lets a log go on whose two stores are both behind what was announced. It
// appends EpochOpened to both; cursors of the older epoch are forked from then on.
func NewEpoch(ctx context.Context, s Stores, reason string) (r Result, err error) {
	store, err := ledger.Open(s.Ledger, s.HeadCopy)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	lost, back := s.rolledBack(store)
	if !back {
		return r, fault.New(fault.Refused, "NOT_ROLLED_BACK", "", "nothing announced is missing: the ledger holds %d positions", store.Head().Size)
	}
	log, closeLog, err := s.open(ctx)
	if err != nil {
		return r, err
	}
	defer closeLog()
	if err := even(ctx, log, store); err != nil {
		return r, err
	}
	if store.Head().Size == 0 {
		return r, fault.New(fault.Damaged, "LOG_EMPTY", "", "%d positions were announced, and the stream and the ledger are empty: no epoch goes on from nothing", lost.Size)
	}
	if _, back := s.rolledBack(store); !back { // an earlier call was interrupted
		r.Head = store.Head()
		return r, nil
	}
	return s.goOn(ctx, log, store, &ledgerv1.Event{Fact: &ledgerv1.Event_EpochOpened{EpochOpened: &ledgerv1.EpochOpened{
		Epoch: lost.Epoch + 1, OldSize: lost.Size, OldRoot: lost.Root[:], Reason: reason,
	}}})
}

// rolledBack is the greatest head that was announced, where the ledger is behind it.
func (s Stores) rolledBack(store *ledger.Store) (lost ledger.Head, back bool) {
	later := func(a, b ledger.Head) bool { return a.Epoch > b.Epoch || a.Epoch == b.Epoch && a.Size > b.Size }
	lost, back = store.RolledBack()
	head := store.Head()
	head.Epoch = max(head.Epoch, 1)
	if later(s.Signed, head) && (!back || later(s.Signed, lost)) {
		return s.Signed, true
	}
	return lost, back
}

// NewVault binds another vault to a log whose vault was lost, and with it the names,
// the accounts and the means to know a repeated request again.
func NewVault(ctx context.Context, s Stores, v *vault.Vault, reason string) (r Result, err error) {
	if err := exists(s.Ledger); err != nil {
		return r, err
	}
	store, err := ledger.Open(s.Ledger, s.HeadCopy)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	log, closeLog, err := s.open(ctx)
	if err != nil {
		return r, err
	}
	defer closeLog()
	if err := even(ctx, log, store); err != nil {
		return r, err
	}
	first, err := log.Get(ctx, 1)
	if err != nil {
		return r, err
	}
	check := v.Check(first.Subject[strings.LastIndexByte(first.Subject, '.')+1:])
	return s.goOn(ctx, log, store, &ledgerv1.Event{Fact: &ledgerv1.Event_VaultBound{VaultBound: &ledgerv1.VaultBound{Check: check[:], Reason: reason}}})
}

// goOn appends a fact about the log itself to both stores, which must be equal.
func (s Stores) goOn(ctx context.Context, log *jetstream.Log, store *ledger.Store, e *ledgerv1.Event) (r Result, err error) {
	last, now, err := log.Head(ctx)
	if err != nil {
		return r, err
	}
	if last != store.Head().Size {
		return r, fault.New(fault.Refused, "STORES_DIFFER", "", "the stream ends at %d and the ledger at %d: restore one from the other first", last, store.Head().Size)
	}
	if err := matches(log.Read(ctx, 0), store.Head()); err != nil {
		return r, err
	}
	first, err := log.Get(ctx, 1)
	if err != nil {
		return r, err
	}
	e.Meta = &eventv1.Meta{
		Schema: projection.Schema, RecordTime: timestamppb.New(now.UTC()), CommitSize: 1,
		Basis: &eventv1.Basis{Source: "maillage restore", Evidence: eventv1.Evidence_EVIDENCE_STATED},
	}
	body, err := proto.Marshal(e)
	if err != nil {
		return r, err
	}
	rec := eventlog.Record{Position: last + 1, Subject: first.Subject, Body: body}
	if err := log.Append(ctx, last, []eventlog.Record{rec}); err != nil {
		return r, err
	}
	r.Head, err = store.Append([]eventlog.Record{rec})
	return r, err
}

// even appends to each store the whole commits that only the other holds, where the stream
// begins with what is in the ledger's tree: to the ledger what the stream goes on with, and
// to the stream what the ledger was writing ahead, which may have been answered.
func even(ctx context.Context, log *jetstream.Log, store *ledger.Store) error {
	var own merkle.Tree
	var more []eventlog.Record
	head := store.Head()
	for rec, err := range log.Read(ctx, 0) {
		if err != nil {
			return err
		}
		if own.Size() < head.Size {
			own.Append(eventlog.LeafHash(rec))
			continue
		}
		more = append(more, rec)
	}
	if own.Size() != head.Size || head.Size > 0 && own.Root() != head.Root {
		return nil // the checks that follow say so
	}
	if _, err := store.Append(more); err != nil {
		return err
	}
	return bring(ctx, log, store)
}

// bring brings what a ledger was writing ahead to a stream that stands where it does, and
// into its tree.
func bring(ctx context.Context, log *jetstream.Log, store *ledger.Store) error {
	ahead, err := projection.BringAhead(ctx, log, store)
	if err != nil {
		return fmt.Errorf("what the ledger was writing ahead: %w", err)
	}
	_, err = store.Append(ahead)
	return err
}

// open opens the stream.
func (s Stores) open(ctx context.Context) (log *jetstream.Log, closeLog func(), err error) {
	if s.URL != "" {
		log, err = jetstream.Connect(ctx, s.URL, jetstream.ConnectOptions{Name: "maillage restore"})
		if err != nil {
			return nil, nil, err
		}
		return log, log.Close, nil
	}
	broker, err := jetstream.StartServer(ctx, jetstream.Options{Dir: s.Broker})
	if err != nil {
		return nil, nil, err
	}
	if log, err = broker.Open(ctx); err != nil {
		broker.Shutdown()
		return nil, nil, err
	}
	return log, func() { log.Close(); broker.Shutdown() }, nil
}

// accounts are consumers as the broker knows them.
func accounts(all []*feedv1.Consumer) []jetstream.Account {
	out := make([]jetstream.Account, len(all))
	for i, c := range all {
		out[i] = jetstream.Account{Name: c.GetName(), Key: c.GetPublicKey(), Contexts: c.GetContexts(), Added: c.GetPosition(), Mirror: c.GetCloudEvents()}
	}
	return out
}

// publish appends what the ledger holds to an empty stream, and folds what it says of
// consumers.
func publish(ctx context.Context, log *jetstream.Log, store *ledger.Store, total uint64, following *consumer.State, progress Progress) error {
	var batch []eventlog.Record
	var done uint64
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		if err := log.Append(ctx, done, batch); err != nil {
			return fmt.Errorf("publish position %d: %w", done+1, err)
		}
		done += uint64(len(batch))
		batch = batch[:0]
		if progress != nil {
			progress(done, total)
		}
		return nil
	}
	for rec, err := range store.Read(0) {
		if err != nil {
			return err
		}
		if err := following.Fold(rec.Position, rec.Subject, rec.Body); err != nil {
			return err
		}
		if batch = append(batch, rec); len(batch) == chunk {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// matches reads a whole store and compares its tree with a head.
func matches(records iter.Seq2[eventlog.Record, error], head ledger.Head) error {
	var tree merkle.Tree
	for rec, err := range records {
		if err != nil {
			return err
		}
		if rec.Position != tree.Size()+1 {
			return &eventlog.HoleError{Position: tree.Size() + 1}
		}
		tree.Append(eventlog.LeafHash(rec))
	}
	if tree.Size() != head.Size || tree.Root() != head.Root {
		return fmt.Errorf("%d positions with root %v, not %d with root %v: %w", tree.Size(), tree.Root(), head.Size, head.Root,
			&eventlog.ForkError{Position: min(tree.Size(), head.Size)})
	}
	return nil
}

// holds refuses a stream that lacks, or holds otherwise, what is below a head: a ledger
// rebuilt from it would lose that.
func holds(ctx context.Context, log *jetstream.Log, head ledger.Head) error {
	if head.Size == 0 {
		return nil
	}
	var tree merkle.Tree
	for rec, err := range log.Read(ctx, 0) {
		if err != nil {
			return err
		}
		if tree.Size() == head.Size {
			break
		}
		tree.Append(eventlog.LeafHash(rec))
	}
	var err error
	switch {
	case tree.Size() < head.Size:
		err = &eventlog.HoleError{Position: tree.Size() + 1}
	case tree.Root() != head.Root:
		err = &eventlog.ForkError{Position: head.Size}
	default:
		return nil
	}
	return fmt.Errorf("the ledger holds or announced %d positions that the stream does not hold so: refill the stream from it (maillage restore --stream): %w", head.Size, err)
}

// exists refuses to restore from a store that is not there.
func exists(dir string) error {
	if _, err := os.Stat(dir); err != nil {
		return fault.New(fault.NotFound, "STORE_MISSING", "", "there is no store in %s: %v", dir, err)
	}
	return nil
}

// setAside renames a directory, so that nothing is lost.
func setAside(dir string) (aside string, err error) {
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	aside = filepath.Clean(dir) + ".aside-" + time.Now().UTC().Format("20060102T150405.000000000")
	return aside, os.Rename(dir, aside)
}

// Package registry composes the folds of the contexts into the one state that the
// log describes, and the log's own identity with it.
package registry

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/activity"
	"maillage/services/consumer"
	"maillage/services/eventlog"
	"maillage/services/fact"
	"maillage/services/labelling"
	"maillage/services/notice"
	"maillage/services/topology"
)

// ledgerSchema is the highest version of ledger events known here.
const ledgerSchema = 1

// State is everything the log says up to a position. The zero value is the state
// before position 1. It is not safe for concurrent use.
type State struct {
	Topology  topology.State
	Labelling labelling.State
	Activity  activity.State
	Consumers consumer.State // who may follow at the broker

	position uint64
	identity Identity
	epochs   []Epoch  // those after the first, in order of position
	vaults   []bound  // in order of position
	keys     []keys   // in order of position
	notices  []Notice // in order of position
	byAct    byAct
	metas    fact.MetaReader
}

// Identity is what the log says of itself.
type Identity struct {
	LogID  string   // opaque id; empty before position 1
	Origin string   // who keeps it
	Epoch  uint64   // from 1; 0 before position 1
	Vault  [32]byte // check of the vault that belongs to it; zero while none does
}

// Name is the name of the log that its checkpoints bear, apart from the epoch: names of keys
// have no blanks nor plus.
func (i Identity) Name() string {
	return strings.NewReplacer(" ", "-", "+", "-").Replace(strings.Join(strings.Fields(i.Origin), " ")) + "/" + i.LogID
}

// Epoch is a part of the log that begins where positions were lost: see EpochOpened.
type Epoch struct{ Position, Number uint64 }

// Notice is a position at which a consumer must look: see package notice.
type Notice struct {
	Position uint64
	Kind     feedv1.NoticeKind
}

type bound struct {
	position uint64
	check    [32]byte
}

// keys are those that sign the checkpoints from a position on.
type keys struct {
	position uint64
	public   []string
}

// Position is the last position folded, 0 for none.
func (s *State) Position() uint64 { return s.position }

// Identity is what the records folded so far say of the log itself.
func (s *State) Identity() Identity {
	id := s.identity
	if n := len(s.epochs); n > 0 {
		id.Epoch = s.epochs[n-1].Number
	}
	if n := len(s.vaults); n > 0 {
		id.Vault = s.vaults[n-1].check
	}
	return id
}

// CheckpointKeys are the public halves of the keys that sign the checkpoints, and the position
// that says so; none where nothing does. They must not be changed.
func (s *State) CheckpointKeys() (public []string, position uint64) {
	if n := len(s.keys); n > 0 {
		return s.keys[n-1].public, s.keys[n-1].position
	}
	return nil, 0
}

// Epochs are those of the log after the first, in order. They must not be changed.
func (s *State) Epochs() []Epoch { return s.epochs }

// Notices are those after a position up to another, in order. They are good while the state
// does not change, and must not be changed.
func (s *State) Notices(after, to uint64) []Notice {
	at := func(position uint64) int {
		i, _ := slices.BinarySearchFunc(s.notices, position, func(n Notice, p uint64) int { return cmp.Compare(n.Position, p+1) })
		return i
	}
	return s.notices[at(after):max(at(after), at(to))]
}

// Evolve folds the next record of the log and returns the Meta of its event. A
// record that is not the next one is an *eventlog.HoleError; one that this binary
// cannot read is an error that wraps fact.ErrUnreadable. Every error names the
// position and, where it is known, the schema that wrote it, and leaves the state as
// it was.
func (s *State) Evolve(r eventlog.Record) (*eventv1.Meta, error) {
	if r.Position != s.position+1 {
		return nil, &eventlog.HoleError{
			Position: s.position + 1,
			Err:      fmt.Errorf("the record that follows %d is %d", s.position, r.Position),
		}
	}
	meta, err := s.evolve(r)
	if err != nil {
		s.Rollback(s.position) // of whatever the event did before it was refused
		return nil, fmt.Errorf("position %d (%s, schema %d): %w", r.Position, r.Subject, meta.GetSchema(), err)
	}
	s.position = r.Position
	if context, err := contextOf(r.Subject); err == nil {
		if kind := notice.Of(context, r.Body); kind != 0 {
			s.notices = append(s.notices, Notice{r.Position, kind})
		}
	}
	return meta, nil
}

// Pass goes on to a position without the records up to it, where only a part of the log is at
// hand: what they say is not known.
func (s *State) Pass(to uint64) { s.position = max(s.position, to) }

func (s *State) evolve(r eventlog.Record) (*eventv1.Meta, error) {
	context, err := contextOf(r.Subject)
	if err != nil {
		return nil, err
	}
	meta, rest := s.metas.Split(r.Body)
	switch context {
	case "labelling":
		e := &labellingv1.Event{Meta: meta}
		if err := decode(rest, e); err != nil {
			return nil, err
		}
		if err := s.Labelling.Evolve(r.Position, e); err != nil {
			return e.GetMeta(), err
		}
		disposition, label := labelling.DispositionOf(e)
		s.byAct.enter(e.GetMeta().GetBasis(), Resting{Position: r.Position, Disposition: disposition, LabelID: label})
		return e.GetMeta(), nil
	case "topology":
		e := &topologyv1.Event{Meta: meta}
		if err := decode(rest, e); err != nil {
			return nil, err
		}
		if err := s.Topology.Evolve(r.Position, e); err != nil {
			return e.GetMeta(), err
		}
		s.byAct.enter(e.GetMeta().GetBasis(), Resting{Position: r.Position, Topology: true})
		return e.GetMeta(), nil
	case "activity":
		e := &activityv1.Event{Meta: meta}
		if err := decode(rest, e); err != nil {
			return nil, err
		}
		if err := s.Activity.Evolve(r.Position, e); err != nil {
			return e.GetMeta(), err
		}
		s.byAct.enter(e.GetMeta().GetBasis(), Resting{Position: r.Position, Activity: true})
		return e.GetMeta(), nil
	case "ledger":
		e := &ledgerv1.Event{Meta: meta}
		if err := decode(rest, e); err != nil {
			return nil, err
		}
		return e.GetMeta(), s.evolveLedger(r.Position, e)
	}
	return nil, fmt.Errorf("%w: context %q is unknown to this binary", fact.ErrUnreadable, context)
}

// decode reads bytes into a new event, or into one of which they are the rest.
func decode(body []byte, e fact.Event) error {
	if err := (proto.UnmarshalOptions{Merge: true}).Unmarshal(body, e); err != nil {
		return fmt.Errorf("%w: %w", fact.ErrUnreadable, err)
	}
	return nil
}

// contextOf returns the second token of a subject registry.<context>.<kind>.<id>.
func contextOf(subject string) (string, error) {
	rest, ours := strings.CutPrefix(subject, "registry.")
	context, _, whole := strings.Cut(rest, ".")
	if !ours || !whole {
		return "", fmt.Errorf("%w: its subject is not registry.<context>.<kind>.<id>", fact.ErrUnreadable)
	}
	return context, nil
}

func (s *State) evolveLedger(position uint64, e *ledgerv1.Event) error {
	if err := fact.Readable(e, ledgerSchema); err != nil {
		return err
	}
	switch f := e.GetFact().(type) {
	case *ledgerv1.Event_LogOpened:
		if position != 1 {
			return errors.New("a log opens at position 1 only")
		}
		s.identity = Identity{LogID: f.LogOpened.GetLogId(), Origin: f.LogOpened.GetOrigin(), Epoch: 1}
		if public := f.LogOpened.GetCheckpointKeys(); len(public) > 0 {
			s.keys = append(s.keys, keys{position, public})
		}
	case *ledgerv1.Event_EpochOpened:
		if now := s.Identity().Epoch; f.EpochOpened.GetEpoch() <= now {
			return fmt.Errorf("epoch %d does not follow epoch %d", f.EpochOpened.GetEpoch(), now)
		}
		s.epochs = append(s.epochs, Epoch{position, f.EpochOpened.GetEpoch()})
	case *ledgerv1.Event_VaultBound:
		if len(f.VaultBound.GetCheck()) != 32 {
			return fmt.Errorf("the check of a vault has %d bytes, not 32", len(f.VaultBound.GetCheck()))
		}
		s.vaults = append(s.vaults, bound{position, [32]byte(f.VaultBound.GetCheck())})
	case *ledgerv1.Event_CheckpointKeysBound:
		if len(f.CheckpointKeysBound.GetKeys()) == 0 {
			return errors.New("no key is bound")
		}
		s.keys = append(s.keys, keys{position, f.CheckpointKeysBound.GetKeys()})
	case *ledgerv1.Event_ConsumerAdded, *ledgerv1.Event_ConsumerRemoved:
		return s.Consumers.Evolve(position, e)
	default:
		return fmt.Errorf("%w: its fact is missing or unknown", fact.ErrUnreadable)
	}
	return nil
}

// Rollback forgets every record after position to.
func (s *State) Rollback(to uint64) {
	s.Topology.Rollback(to)
	s.Labelling.Rollback(to)
	s.Activity.Rollback(to)
	s.Consumers.Rollback(to)
	s.byAct.rollback(to)
	for n := len(s.epochs); n > 0 && s.epochs[n-1].Position > to; n-- {
		s.epochs = s.epochs[:n-1]
	}
	for n := len(s.vaults); n > 0 && s.vaults[n-1].position > to; n-- {
		s.vaults = s.vaults[:n-1]
	}
	for n := len(s.keys); n > 0 && s.keys[n-1].position > to; n-- {
		s.keys = s.keys[:n-1]
	}
	for n := len(s.notices); n > 0 && s.notices[n-1].Position > to; n-- {
		s.notices = s.notices[:n-1]
	}
	if to == 0 {
		s.identity = Identity{}
	}
	s.position = min(s.position, to)
}

// Settle says that no record up to position to will be rolled back, so that the
// means to do so can be dropped.
func (s *State) Settle(to uint64) {
	s.Topology.Settle(to)
	s.Labelling.Settle(to)
	s.Activity.Settle(to)
	s.byAct.settle(to)
}

// Hold keeps what is known of the changes after a position, though they are settled, so
// that [State.Changes] is quick from there on. It takes the place of an earlier Hold and
// costs a few bytes a change; Hold([bitemporal.Latest]) holds nothing, as at first. It
// touches nothing that is read: of those that read the state together, one may hold.
func (s *State) Hold(position uint64) {
	for _, t := range s.tables() {
		t.hold(position)
	}
	s.byAct.held = position + 1
}

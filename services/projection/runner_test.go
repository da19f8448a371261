package projection_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/proto/merkle"
	"maillage/services/eventlog"
	"maillage/services/fault"
	"maillage/services/ledger"
	"maillage/services/projection"
)

// tally is a state whose rule is easy to check: each name is taken once.
type tally struct {
	names     map[string]uint64 // position at which a name was taken
	positions []string          // name by position-1
}

func (s *tally) fold() projection.Fold {
	return projection.Fold{
		Evolve: func(r eventlog.Record) (*eventv1.Meta, error) {
			var e topologyv1.Event
			if err := proto.Unmarshal(r.Body, &e); err != nil {
				return nil, err
			}
			name := e.GetFiliereRegistered().GetName()
			s.positions = append(s.positions, name)
			if _, twice := s.names[name]; !twice {
				s.names[name] = r.Position
			}
			return e.GetMeta(), nil
		},
		Rollback: func(to uint64) {
			for uint64(len(s.positions)) > to {
				last := len(s.positions)
				name := s.positions[last-1]
				s.positions = s.positions[:last-1]
				if s.names[name] == uint64(last) {
					delete(s.names, name)
				}
			}
		},
		Settle: func(uint64) {},
	}
}

var errTaken = fault.New(fault.Refused, "NAME_TAKEN", "name", "the name is taken")

// take is a command that takes names, all of them or none.
func (s *tally) take(account, request string, names ...string) projection.Command {
	return projection.Command{
		Actor: &eventv1.Actor{Account: account}, RequestID: request, Digest: fmt.Append(nil, names), Rights: projection.Rights{Own: "registry.topology."},
		Decide: func() ([]projection.Event, error) {
			var events []projection.Event
			for _, n := range names {
				if _, taken := s.names[n]; taken {
					return nil, errTaken
				}
				m := &topologyv1.Event{Meta: &eventv1.Meta{}, Fact: &topologyv1.Event_FiliereRegistered{FiliereRegistered: &topologyv1.FiliereRegistered{Name: n}}}
				events = append(events, projection.Event{Subject: "registry.topology.filiere.X", Message: m, Meta: m.Meta})
			}
			return events, nil
		},
	}
}

// opened returns a log that holds its first record.
func opened(t *testing.T) *eventlog.Memory {
	t.Helper()
	log := eventlog.NewMemory()
	body, err := proto.Marshal(&topologyv1.Event{
		Meta: &eventv1.Meta{CommitSize: 1},
		Fact: &topologyv1.Event_FiliereRegistered{FiliereRegistered: &topologyv1.FiliereRegistered{Name: "first"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Append(t.Context(), 0, []eventlog.Record{{Subject: "registry.ledger.log.X", Body: body}}); err != nil {
		t.Fatal(err)
	}
	return log
}

// replica is a runner with its state, running until the test ends.
type replica struct {
	*tally
	*projection.Runner
	ended chan error
	stop  func()
}

func start(t *testing.T, log eventlog.Log, store *ledger.Store, announce func(ledger.Head)) *replica {
	t.Helper()
	return startWith(t, projection.Config{Log: log, Ledger: store, Announce: announce})
}

// startWith starts a replica of a configuration that lacks only the fold.
func startWith(t *testing.T, c projection.Config) *replica {
	t.Helper()
	s := &tally{names: map[string]uint64{}}
	c.Fold = s.fold()
	r := &replica{tally: s, Runner: projection.NewRunner(c), ended: make(chan error, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	var wg sync.WaitGroup
	wg.Go(func() { r.ended <- r.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return r
}

func newStore(t *testing.T, dir string) *ledger.Store {
	t.Helper()
	store, err := ledger.Open(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

func TestDoAcknowledgesWhatIsInBothStores(t *testing.T) {
	log, store := opened(t), newStore(t, t.TempDir())
	r := start(t, log, store, nil)
	c, err := r.Do(t.Context(), r.take("a", "1", "x", "y", "z"))
	if err != nil {
		t.Fatal(err)
	}
	if c.First != 2 || c.Last != 4 || len(c.Records) != 3 {
		t.Errorf("commit %d to %d with %d records", c.First, c.Last, len(c.Records))
	}
	if got := store.Head().Size; got != 4 {
		t.Errorf("acknowledged with %d positions in the ledger", got)
	}
	var head uint64
	if err := r.View(t.Context(), 4, func(h uint64) error { head = h; return nil }); err != nil {
		t.Fatal(err)
	}
	if head != 4 || r.CommitEnd(3) != 1 || r.CommitEnd(4) != 4 {
		t.Errorf("head %d, commit end of 3 is %d", head, r.CommitEnd(3))
	}
}

func TestDoRefusesAndRepeats(t *testing.T) {
	log, store := opened(t), newStore(t, t.TempDir())
	r := start(t, log, store, nil)
	first, err := r.Do(t.Context(), r.take("a", "1", "x"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Do(t.Context(), r.take("a", "2", "new", "x")); !errors.Is(err, errTaken) {
		t.Errorf("a name taken twice: %v", err)
	}
	again, err := r.Do(t.Context(), r.take("a", "1", "x"))
	if err != nil || again.First != first.First || len(again.Records) != 1 || string(again.Records[0].Body) != string(first.Records[0].Body) {
		t.Errorf("the repeated request: %+v, %v", again, err)
	}
	var e *fault.Error
	if _, err := r.Do(t.Context(), r.take("a", "1", "other")); !errors.As(err, &e) || e.Reason != "REQUEST_ID_REUSED" {
		t.Errorf("another body under the same id: %v", err)
	}
	if _, err := r.Do(t.Context(), r.take("b", "1", "other")); err != nil {
		t.Errorf("the same id of another account: %v", err)
	}
	if got := r.Progress().Folded; got != 3 {
		t.Errorf("folded %d, want 3: a refusal appends nothing", got)
	}
}

// A request is that of whoever made it, the approver where two people sign off, also for
// a process that reads it in the log.
func TestApproved(t *testing.T) {
	log, dir := opened(t), t.TempDir()
	approve := func(r *replica, approver string, names ...string) projection.Command {
		cmd := r.take(approver, "1", names...)
		cmd.Preparer = &eventv1.Actor{Account: "preparer"}
		return cmd
	}
	check := func(r *replica) {
		t.Helper()
		c, err := r.Do(t.Context(), approve(r, "approver", "x"))
		if err != nil || c.First != 2 {
			t.Fatalf("position %d, %v", c.First, err)
		}
		var e topologyv1.Event
		if err := proto.Unmarshal(c.Records[0].Body, &e); err != nil {
			t.Fatal(err)
		}
		if m := e.GetMeta(); m.GetActor().GetAccount() != "preparer" || m.GetApprover().GetAccount() != "approver" {
			t.Errorf("actor %v, approver %v", m.GetActor(), m.GetApprover())
		}
		if alone, err := r.Do(t.Context(), r.take("preparer", "1", "y")); err != nil || alone.First != 3 {
			t.Errorf("the preparer's own request of that id: position %d, %v", alone.First, err)
		}
		if !r.Done("approver", "1") || !r.Done("preparer", "1") {
			t.Error("a request is not known as done")
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	store, err := ledger.Open(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	s := &tally{names: map[string]uint64{}}
	first := &replica{tally: s, Runner: projection.NewRunner(projection.Config{Log: log, Fold: s.fold(), Ledger: store})}
	ended := make(chan error, 1)
	go func() { ended <- first.Run(ctx) }()
	check(first)
	cancel()
	if err := errors.Join(<-ended, store.Close()); err != nil {
		t.Fatal(err)
	}
	check(start(t, log, newStore(t, dir), nil))
}

// TestReplicasRace lets three processes race for the same names and one position.
// Every name is taken exactly once, whoever asks, and all folds agree.
// MAILLAGE_RACE_SECONDS makes it last for more than its 150 names.
func TestReplicasRace(t *testing.T) {
	const names, replicas = 150, 3
	log, store := opened(t), newStore(t, t.TempDir())
	var all []*replica
	announce := func(h ledger.Head) {
		for _, r := range all[1:] {
			r.Announced(h)
		}
	}
	ready := make(chan struct{})
	all = append(all, start(t, log, store, func(h ledger.Head) { <-ready; announce(h) }))
	for range replicas - 1 {
		all = append(all, start(t, log, nil, nil))
	}
	close(ready)
	for _, r := range all {
		if err := r.View(t.Context(), 1, func(uint64) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	until, taken := raceUntil(), uint64(1)
	for round := 0; round == 0 || time.Now().Before(until) && !t.Failed(); round++ {
		raceForNames(t, all, fmt.Sprint(round, "-"), names)
		taken += names
	}
	for i, r := range all {
		if err := r.View(t.Context(), taken, func(head uint64) error {
			if head != taken || uint64(len(r.names)) != taken {
				t.Errorf("replica %d: head %d, %d names", i, head, len(r.names))
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
}

// raceForNames has every replica ask for a number of names.
func raceForNames(t *testing.T, all []*replica, prefix string, names int) {
	t.Helper()
	won := make([]atomic.Int32, names)
	var wg sync.WaitGroup
	for i, r := range all {
		for worker := range 8 {
			wg.Go(func() {
				for n := worker; n < names; n += 8 {
					name := prefix + fmt.Sprint(n)
					_, err := r.Do(t.Context(), r.take(fmt.Sprint(i), name, name))
					switch {
					case err == nil:
						won[n].Add(1)
					case !errors.Is(err, errTaken):
						t.Errorf("replica %d, name %s: %v", i, name, err)
					}
				}
			})
		}
	}
	wg.Wait()
	for n := range won {
		if won[n].Load() != 1 {
			t.Errorf("name %s%d was acknowledged %d times", prefix, n, won[n].Load())
		}
	}
}

// TestDamageStops alters the second store in ways the next start must refuse.
func TestDamageStops(t *testing.T) {
	dir := t.TempDir()
	log := opened(t)
	store, err := ledger.Open(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	func() {
		r := start(t, log, store, nil)
		if _, err := r.Do(t.Context(), r.take("a", "1", "x", "y")); err != nil {
			t.Fatal(err)
		}
	}()
	other := opened(t)
	s := &tally{names: map[string]uint64{}}
	for name, tc := range map[string]struct {
		log      eventlog.Log
		position uint64
	}{
		"stream without its tail": {other, 2},
	} {
		t.Run(name, func(t *testing.T) {
			err := projection.NewRunner(projection.Config{Log: tc.log, Fold: s.fold(), Ledger: store}).Run(t.Context())
			var e *fault.Error
			if !errors.As(err, &e) || e.Kind != fault.Damaged || e.Position != tc.position {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestGateFencesForks announces a head whose root is not what was folded.
func TestGateFencesForks(t *testing.T) {
	log := opened(t)
	r := start(t, log, nil, nil)
	r.Announced(ledger.Head{Epoch: 1, Size: 1})
	select {
	case err := <-r.ended:
		var e *fault.Error
		if !errors.As(err, &e) || e.Reason != "LOG_FORKED" || e.Position != 1 {
			t.Errorf("got %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("a wrong root did not stop the replica")
	}
	if _, err := r.Do(t.Context(), r.take("a", "1", "x")); err == nil {
		t.Error("a command was taken on a fork")
	}
}

// TestUnknownOutcome loses the write, or the broker's answer to it: the command is
// applied exactly once and its caller gets the one answer.
func TestUnknownOutcome(t *testing.T) {
	for name, stored := range map[string]bool{"the write is lost": false, "the answer is lost": true} {
		t.Run(name, func(t *testing.T) {
			log, store := opened(t), newStore(t, t.TempDir())
			r := start(t, log, store, nil)
			log.FailNext(stored)
			c, err := r.Do(t.Context(), r.take("a", "1", "x", "y"))
			if err != nil {
				t.Fatal(err)
			}
			if c.First != 2 || c.Last != 3 || len(c.Records) != 2 {
				t.Errorf("commit %d to %d with %d records", c.First, c.Last, len(c.Records))
			}
			if head, _, err := log.Head(t.Context()); err != nil || head != 3 {
				t.Errorf("the log stands at %d, %v; want 3", head, err)
			}
		})
	}
}

// TestSilentLedger refuses commands once the ledger has announced nothing for too
// long, and takes them again when it is back.
func TestSilentLedger(t *testing.T) {
	log := opened(t)
	var clock atomic.Int64
	s := &tally{names: map[string]uint64{}}
	started := time.Now()
	r := &replica{tally: s, Runner: projection.NewRunner(projection.Config{
		Log: log, Fold: s.fold(), Now: func() time.Time { return started.Add(time.Duration(clock.Load())) },
	}), ended: make(chan error, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { r.ended <- r.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })

	first := tree(t, log)
	r.Announced(first)
	if err := r.View(t.Context(), 1, func(uint64) error { return nil }); err != nil {
		t.Fatal(err)
	}
	clock.Store(int64(6 * time.Second))
	var e *fault.Error
	if _, err := r.Do(t.Context(), r.take("a", "1", "x")); !errors.As(err, &e) || e.Reason != "LEDGER_BEHIND" {
		t.Errorf("got %v", err)
	}
	r.Announced(first)
	done := make(chan error, 1)
	go func() {
		_, err := r.Do(t.Context(), r.take("a", "1", "x"))
		done <- err
	}()
	var cursor eventlog.Cursor
	for rec, err := range log.Follow(t.Context(), cursor) {
		if err != nil {
			t.Fatal(err)
		}
		if rec.Position == 2 {
			break
		}
	}
	select {
	case err := <-done:
		t.Fatalf("answered before the ledger announced the commit: %v", err)
	default:
	}
	r.Announced(tree(t, log))
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// tree is the head that a ledger of the log would announce.
func tree(t *testing.T, log eventlog.Log) ledger.Head {
	t.Helper()
	var tree merkle.Tree
	for rec, err := range log.Read(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		tree.Append(eventlog.LeafHash(rec))
	}
	return ledger.Head{Epoch: 1, Size: tree.Size(), Root: tree.Root()}
}

// altered is a log whose followers are shown another body at one position than was
// appended there.
type altered struct {
	eventlog.Log
	position uint64
}

func (l altered) Follow(ctx context.Context, from eventlog.Cursor) iter.Seq2[eventlog.Record, error] {
	return func(yield func(eventlog.Record, error) bool) {
		for rec, err := range l.Log.Follow(ctx, from) {
			if err == nil && rec.Position == l.position {
				rec.Body = append([]byte{}, rec.Body...)
				rec.Body[len(rec.Body)-1] ^= 1
			}
			if !yield(rec, err) {
				return
			}
		}
	}
}

// TestOwnRecordAltered: what the stream shows of this process's own records is compared
// with what it appended and gave to the ledger; a difference stops it.
func TestOwnRecordAltered(t *testing.T) {
	log, store := opened(t), newStore(t, t.TempDir())
	r := start(t, altered{log, 2}, store, nil)
	_, _ = r.Do(t.Context(), r.take("a", "1", "x")) // it may be answered before the stream shows it
	select {
	case err := <-r.ended:
		var e *fault.Error
		if !errors.As(err, &e) || e.Reason != "LOG_FORKED" || e.Position != 2 {
			t.Errorf("got %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("an altered record did not stop the replica")
	}
	if err := r.View(t.Context(), 0, func(uint64) error { return nil }); err == nil {
		t.Error("a read was answered on an altered log")
	}
}

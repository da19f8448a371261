// Package consumer is who may follow the log at the broker itself: the fold of the facts
// that say so, and the decisions that make them.
package consumer

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	feedv1 "maillage/proto/gen/maillage/feed/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	"maillage/services/fact"
	"maillage/services/fault"
)

// State is what the log says of consumers up to a position. The zero value is none. It is
// not safe for concurrent use.
type State struct {
	changes []change // in order of position
}

// change is a consumer added or, by its name alone, removed.
type change struct {
	position uint64
	name     string
	added    *feedv1.Consumer
}

// Evolve folds a fact about consumers at the next position. One that contradicts what was
// folded is an error, as none was ever decided so.
func (s *State) Evolve(position uint64, e *ledgerv1.Event) error {
	switch f := e.GetFact().(type) {
	case *ledgerv1.Event_ConsumerAdded:
		c := f.ConsumerAdded
		if s.find(c.GetName()).stands() {
			return fmt.Errorf("consumer %q is added a second time", c.GetName())
		}
		s.changes = append(s.changes, change{position, c.GetName(), &feedv1.Consumer{
			Name: c.GetName(), PublicKey: c.GetPublicKey(), Contexts: c.GetContexts(),
			Position: position, RecordTime: e.GetMeta().GetRecordTime(), CloudEvents: c.GetCloudEvents(),
		}})
	case *ledgerv1.Event_ConsumerRemoved:
		name := f.ConsumerRemoved.GetName()
		if !s.find(name).stands() {
			return fmt.Errorf("consumer %q is removed and was not there", name)
		}
		s.changes = append(s.changes, change{position: position, name: name})
	default:
		return fmt.Errorf("%w: it says nothing of consumers", fact.ErrUnreadable)
	}
	return nil
}

// Rollback forgets every fact after position to.
func (s *State) Rollback(to uint64) {
	for n := len(s.changes); n > 0 && s.changes[n-1].position > to; n-- {
		s.changes = s.changes[:n-1]
	}
}

// find is the last change of a name.
func (s *State) find(name string) change {
	for _, c := range slices.Backward(s.changes) {
		if c.name == name {
			return c
		}
	}
	return change{}
}

func (c change) stands() bool { return c.added != nil }

// All are those who may follow at a position, by name. They must not be changed.
func (s *State) All(at uint64) []*feedv1.Consumer {
	standing := map[string]*feedv1.Consumer{}
	for _, c := range s.changes {
		if c.position > at {
			break
		}
		delete(standing, c.name)
		if c.stands() {
			standing[c.name] = c.added
		}
	}
	all := make([]*feedv1.Consumer, 0, len(standing))
	for _, name := range slices.Sorted(maps.Keys(standing)) {
		all = append(all, standing[name])
	}
	return all
}

// AnyCloudEvents reports whether anybody was ever let follow the stream of CloudEvents, up to
// a position: where nobody was, there is none.
func (s *State) AnyCloudEvents(at uint64) bool {
	return slices.ContainsFunc(s.changes, func(c change) bool { return c.position <= at && c.added.GetCloudEvents() })
}

// Add decides a ConsumerAdded. The name must be free and the key new, also to those who
// were removed: one that got about is never let in again.
func Add(s *State, req *feedv1.AddConsumerRequest) (*ledgerv1.ConsumerAdded, error) {
	if err := fact.CheckBasis(req.GetBasis()); err != nil {
		return nil, err
	}
	if s.find(req.GetName()).stands() {
		return nil, fault.New(fault.Refused, "CONSUMER_EXISTS", "name", "There is a consumer %q already.", req.GetName())
	}
	for _, c := range s.changes {
		if c.stands() && c.added.GetPublicKey() == req.GetPublicKey() {
			return nil, fault.New(fault.Refused, "CONSUMER_KEY_USED", "public_key", "The key was given to consumer %q: make a new one.", c.name)
		}
	}
	return &ledgerv1.ConsumerAdded{
		Name: req.GetName(), PublicKey: req.GetPublicKey(), Contexts: slices.Sorted(slices.Values(req.GetContexts())), CloudEvents: req.GetCloudEvents(),
	}, nil
}

// Remove decides a ConsumerRemoved.
func Remove(s *State, req *feedv1.RemoveConsumerRequest) (*ledgerv1.ConsumerRemoved, error) {
	if err := fact.CheckBasis(req.GetBasis()); err != nil {
		return nil, err
	}
	switch last := s.find(req.GetName()); {
	case last.position == 0:
		return nil, fault.New(fault.NotFound, "CONSUMER_UNKNOWN", "name", "No consumer is called %q.", req.GetName())
	case !last.stands():
		return nil, fault.New(fault.Refused, "CONSUMER_REMOVED", "name", "Consumer %q was removed already.", req.GetName())
	}
	return &ledgerv1.ConsumerRemoved{Name: req.GetName(), Reason: req.GetReason()}, nil
}

// Subject is the one that facts about a consumer stand under.
func Subject(name string) string { return "registry.ledger.consumer." + name }

// Fold adds to the state what a record says of consumers, if anything: for who reads the
// log and wants nothing else of it.
func (s *State) Fold(position uint64, subject string, body []byte) error {
	if !strings.HasPrefix(subject, Subject("")) {
		return nil
	}
	var e ledgerv1.Event
	if err := proto.Unmarshal(body, &e); err != nil {
		return fmt.Errorf("position %d: %w: %w", position, fact.ErrUnreadable, err)
	}
	return s.Evolve(position, &e)
}

package audit

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"sort"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"maillage/proto/checkpoint"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/eventlog"
	"maillage/services/fact"
	"maillage/services/fault"
	"maillage/services/labelling"
)

// Story chooses, of a log read from its beginning, the records of the bundle of a label or an
// act, by its id: those that name it or rest on it, and what it takes to tell them whole. Those
// are the other labels of the holder and what they went on from or go on as, their offices,
// what sources say of them, who holds them (centre, network, filière, platform) and where
// (establishments), and every act and cycle, since a list that leaves a label out decides
// about it without naming it. ENTITY_UNKNOWN where there is no such label or act. log is read several times, until nothing more is found.
func Story(scope string, log func() iter.Seq2[eventlog.Record, error]) (positions map[uint64]bool, err error) {
	s := story{scope: scope, wanted: map[string]bool{scope: true}, taken: map[uint64]bool{}, settled: map[uint64]bool{}}
	for before := -1; before < s.size(); {
		before = s.size()
		for r, err := range log() {
			if err != nil {
				return nil, err
			}
			if err := s.look(r); err != nil {
				return nil, fmt.Errorf("position %d: %w: %w", r.Position, fact.ErrUnreadable, err)
			}
		}
	}
	if !s.found {
		return nil, fault.New(fault.NotFound, "ENTITY_UNKNOWN", "", "no record is of a label or an act %s", scope)
	}
	return s.taken, nil
}

// story is what is chosen so far.
type story struct {
	scope   string
	found   bool            // a record is of it
	wanted  map[string]bool // ids of which every record is taken
	taken   map[uint64]bool
	settled map[uint64]bool // positions that a settlement taken speaks of
}

func (s *story) size() int { return len(s.wanted) + len(s.taken) + len(s.settled) }

func (s *story) want(ids ...string) {
	for _, id := range ids {
		if id != "" {
			s.wanted[id] = true
		}
	}
}

func (s *story) wants(ids ...string) bool {
	for _, id := range ids {
		if s.wanted[id] {
			return true
		}
	}
	return false
}

// look takes a record, if it is part of the story.
func (s *story) look(r eventlog.Record) error {
	context, kind, id, err := parts(r.Subject)
	if err != nil {
		return err
	}
	take := bytes.Contains(r.Body, []byte(s.scope)) || s.settled[r.Position]
	switch context {
	case "labelling":
		e := &labellingv1.Event{}
		if err := proto.Unmarshal(r.Body, e); err != nil {
			return err
		}
		take = s.labelling(kind, id, e) || take
	case "topology":
		e := &topologyv1.Event{}
		if err := proto.Unmarshal(r.Body, e); err != nil {
			return err
		}
		take = s.topology(id, e) || take
	}
	if take {
		s.taken[r.Position] = true
	}
	return nil
}

// labelling says whether a fact about labels is part of the story, and wants what it leads to.
func (s *story) labelling(kind, id string, e *labellingv1.Event) bool {
	switch kind {
	case "act", "cycle":
		s.found = s.found || id == s.scope && kind == "act"
		return true
	case "label":
		granted, renewed := e.GetLabelGranted(), e.GetLabelRenewed()
		s.found = s.found || id == s.scope || renewed.GetSuccessorId() == s.scope
		holder := granted.GetHolder()
		if renewed != nil {
			holder = renewed.GetHolder()
		}
		if !s.wants(id, renewed.GetSuccessorId(), labelling.HolderID(holder)) && e.GetMeta().GetBasis().GetActId() != s.scope {
			return false
		}
		site := holder.GetSite()
		s.want(id, renewed.GetSuccessorId(), labelling.HolderID(holder), site.GetCentreId(), site.GetNetworkId())
		return true
	case "office":
		taken := e.GetOfficeTaken()
		if !s.wants(id, taken.GetHolderId()) {
			return false
		}
		s.want(id, taken.GetPredecessorId())
		return true
	}
	if settled := e.GetAssertionSettled(); settled != nil {
		if !s.wants(settled.GetEntityId(), settled.GetLabelId()) {
			return false
		}
		s.settled[settled.GetPosition()] = true
		return true
	}
	if erased := e.GetPersonErased(); erased != nil {
		return s.wants(erased.GetLabelIds()...) || s.wants(erased.GetOfficeIds()...) || s.wants(erased.GetEntityIds()...)
	}
	return (kind == "assertion" || kind == "day") && s.wants(id)
}

// topology says whether a fact about who exists is part of the story, and wants what it leads
// to: those that a fact about one of them names.
func (s *story) topology(id string, e *topologyv1.Event) bool {
	m := e.ProtoReflect()
	fd := m.WhichOneof(m.Descriptor().Oneofs().ByName("fact"))
	if fd == nil {
		return false
	}
	named, closing := idsOf(m.Get(fd).Message())
	if !s.wants(id) && !s.wants(closing...) && e.GetMeta().GetBasis().GetActId() != s.scope {
		return false
	}
	s.want(id)
	s.want(named...)
	s.want(closing...)
	return true
}

// idsOf are the ids that a fact names, and apart from them those on both sides of a succession,
// each of which it is about.
func idsOf(m protoreflect.Message) (named, closing []string) {
	m.Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		name := string(field.Name())
		switch {
		case field.Kind() != protoreflect.StringKind:
		case name == "predecessor_ids", name == "successor_ids":
			for i := range v.List().Len() {
				closing = append(closing, v.List().Get(i).String())
			}
		case field.IsList() && strings.HasSuffix(name, "_ids"):
			for i := range v.List().Len() {
				named = append(named, v.List().Get(i).String())
			}
		case !field.IsList() && strings.HasSuffix(name, "_id"):
			named = append(named, v.String())
		}
		return true
	})
	return named, closing
}

// parts are those of a subject, registry.<context>.<kind>.<id>.
func parts(subject string) (context, kind, id string, err error) {
	all := strings.SplitN(subject, ".", 4)
	if len(all) < 4 {
		return "", "", "", fmt.Errorf("its subject is %q", subject)
	}
	return all[1], all[2], all[3], nil
}

// ReplayPart folds the records of a bundle, whether it has all or, as [Story] chose them,
// those of a label or an act: then it tells of that alone. What a record follows and the
// bundle has not leaves it out of the fold: BUNDLE_INCOMPLETE where that is one of a label or
// an act. Like Replay it verifies nothing.
func (b *Bundle) ReplayPart() (*Replica, error) {
	if b.Scope == Whole {
		return b.Replay()
	}
	under, err := b.size()
	if err != nil {
		return nil, err
	}
	r := &Replica{scope: b.Scope, head: under, opened: b.opened}
	for leaf, err := range b.leaves() {
		if err != nil {
			return nil, err
		}
		record, err := recordOf(leaf)
		if err != nil {
			return nil, err
		}
		if record.Position <= r.state.Position() || record.Position > under {
			return nil, bad("ENTRY_MISSING", record.Position, "position %d comes after %d, of %d", record.Position, r.state.Position(), under)
		}
		r.state.Pass(record.Position - 1)
		meta, err := r.state.Evolve(record)
		switch {
		case errors.Is(err, fact.ErrUnreadable):
			return nil, bad("EVENT_UNREADABLE", record.Position, "position %d cannot be folded: %v", record.Position, err)
		case err != nil && essential(record.Subject):
			return nil, bad("BUNDLE_INCOMPLETE", record.Position, "the bundle of %s has not what position %d follows: %v", b.Scope, record.Position, err)
		case err != nil:
			r.state.Pass(record.Position)
			continue // it is not told
		}
		r.state.Settle(record.Position)
		r.add(record, meta)
	}
	r.state.Pass(under)
	r.enterNames()
	return r, nil
}

// essential says whether a record is of a label or an act.
func essential(subject string) bool {
	context, kind, _, err := parts(subject)
	return err == nil && context == "labelling" && (kind == "label" || kind == "act")
}

// Tells refuses what the replica of a part cannot tell whole: BUNDLE_INCOMPLETE, of any other
// id than its own.
func (r *Replica) Tells(id string) error {
	if r.scope == Whole || r.scope == id {
		return nil
	}
	return bad("BUNDLE_INCOMPLETE", 0, "the bundle is of %s, and holds of %s what concerns it alone", r.scope, id)
}

// Under are the records that stand under a subject, in order.
func (r *Replica) Under(subject string) (all []eventlog.Record) {
	for _, one := range r.records {
		if one.Subject == subject {
			all = append(all, one)
		}
	}
	return all
}

// Erased is the position at which a value of the vault was erased, 0 where it was not.
func (r *Replica) Erased(value string) uint64 {
	for _, one := range r.records {
		if value == "" || !strings.HasPrefix(one.Subject, "registry.labelling.") || !bytes.Contains(one.Body, []byte(value)) {
			continue
		}
		e := &labellingv1.Event{}
		if err := proto.Unmarshal(one.Body, e); err != nil || e.GetPersonErased() == nil {
			continue
		}
		return one.Position
	}
	return 0
}

// find is where a record is among those there are.
func (r *Replica) find(position uint64) (i int, ok bool) {
	i = sort.Search(len(r.records), func(i int) bool { return r.records[i].Position >= position })
	return i, i < len(r.records) && r.records[i].Position == position
}

// add notes a record that was folded. Where a commit ends it says itself: the others of it may
// not be there.
func (r *Replica) add(record eventlog.Record, meta *eventv1.Meta) {
	r.records = append(r.records, record)
	c := commit{record.Position, meta.GetRecordTime().AsTime()}
	if size, index := meta.GetCommitSize(), meta.GetCommitIndex(); index < size {
		c.end += uint64(size - 1 - index)
	}
	if n := len(r.ends); n > 0 {
		if r.ends[n-1].end == c.end {
			return
		}
		if c.known.Before(r.ends[n-1].known) {
			c.known = r.ends[n-1].known
		}
	}
	r.ends = append(r.ends, c)
}

// size is that of the checkpoint.
func (b *Bundle) size() (uint64, error) {
	c, err := checkpoint.Parse(string(b.checkpoint))
	if err != nil {
		return 0, unreadable("part %s: %v", checkpointPart, err)
	}
	return c.Size, nil
}

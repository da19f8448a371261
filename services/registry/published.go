package registry

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"google.golang.org/protobuf/proto"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/eventlog"
	"maillage/services/fact"
	"maillage/services/labelling"
)

// Published folds records, from position 1, into the register as if of all acts only
// those certainly published by a day had been recorded. Its law:
//
//   - An act is kept if one of its publications is dated, at any precision, and its
//     last possible day is not after the day. An act none of whose publications is
//     dated is left out and its id returned in undated; one published later, or
//     perhaps later, is left out.
//   - A fact that rests on an act left out is left out; one that rests on no act, or
//     on an act kept, is kept at its position.
//   - A kept renewal of a label that is not there grants its successor, and a kept
//     confirmation of one grants it as the fact left out had: those acts print the label.
//   - Any other kept fact about what is not there is left out too.
//
// Positions are those of the log, so that what is known at one can still be asked for.
// An error of the records, or an event that this binary cannot read, ends the replay.
func Published(records iter.Seq2[eventlog.Record, error], by bitemporal.Date) (s *State, undated []string, err error) {
	p := publication{by: by, out: make(map[string]bool), labels: make(map[string]*labellingv1.Event)}
	var commit []eventlog.Record
	for r, err := range records {
		if err != nil {
			return nil, nil, err
		}
		if next := p.state.position + uint64(len(commit)) + 1; r.Position != next {
			return nil, nil, &eventlog.HoleError{Position: next}
		}
		commit = append(commit, r)
		whole, err := p.look(r)
		if err != nil {
			return nil, nil, fmt.Errorf("position %d: %w", r.Position, err)
		}
		if !whole {
			continue
		}
		if err := p.foldAll(commit); err != nil {
			return nil, nil, err
		}
		commit = commit[:0]
	}
	if err := p.foldAll(commit); err != nil {
		return nil, nil, err
	}
	slices.Sort(p.undated)
	return &p.state, p.undated, nil
}

// look notes the act that a record records, before any fact of its commit is folded: what
// an act does to topology stands before it. whole says that the commit ends here.
func (p *publication) look(r eventlog.Record) (whole bool, err error) {
	context, err := contextOf(r.Subject)
	if err != nil {
		return false, err
	}
	e, event := &labellingv1.Event{}, fact.Event(nil)
	switch context {
	case "labelling":
		event = e
	case "topology":
		event = &topologyv1.Event{}
	default:
		return true, nil // no commit of activity, or of the log about itself, records an act
	}
	if err := decode(r.Body, event); err != nil {
		return false, err
	}
	if act := labelling.ActOf(e); act != nil {
		p.record(act)
	}
	return event.GetMeta().GetCommitIndex()+1 >= event.GetMeta().GetCommitSize(), nil
}

func (p *publication) foldAll(records []eventlog.Record) error {
	for _, r := range records {
		if err := p.fold(r); err != nil {
			return fmt.Errorf("position %d: %w", r.Position, err)
		}
		p.state.Settle(p.state.position)
	}
	return nil
}

// record notes whether an act is left out.
func (p *publication) record(act *labellingv1.ActRecorded) {
	published, dated := publishedBy(act.GetPublications(), p.by)
	p.undated = slices.DeleteFunc(p.undated, func(id string) bool { return id == act.GetActId() }) // as it was cited
	if published {
		delete(p.out, act.GetActId())
		return
	}
	p.out[act.GetActId()] = true
	if !dated {
		p.undated = append(p.undated, act.GetActId())
	}
}

type publication struct {
	state   State
	by      bitemporal.Date
	out     map[string]bool               // acts left out
	labels  map[string]*labellingv1.Event // the facts left out that began a label, by its id
	undated []string
}

func (p *publication) fold(r eventlog.Record) error {
	keep := true
	context, err := contextOf(r.Subject)
	if err != nil {
		return err
	}
	switch context {
	case "labelling":
		e := &labellingv1.Event{}
		if err := decode(r.Body, e); err != nil {
			return err
		}
		if err := fact.Readable(e, labelling.Schema); err != nil {
			return err
		}
		if keep = p.keeps(e); !keep {
			break
		}
		var fitted *labellingv1.Event
		if fitted, keep = p.fit(e); keep && fitted != e {
			if r.Body, err = proto.Marshal(fitted); err != nil {
				return err
			}
		}
	case "topology":
		e := &topologyv1.Event{}
		if err := decode(r.Body, e); err != nil {
			return err
		}
		keep = !p.out[e.GetMeta().GetBasis().GetActId()]
	case "activity":
		if len(p.out) == 0 {
			break
		}
		e := &activityv1.Event{}
		if err := decode(r.Body, e); err != nil {
			return err
		}
		keep = !p.out[e.GetMeta().GetBasis().GetActId()]
	}
	if keep {
		if _, err = p.state.Evolve(r); errors.Is(err, fact.ErrUnreadable) {
			return err // any other is about what was left out
		}
	}
	p.state.position = r.Position
	return nil
}

// keeps tells whether a fact of labelling is kept, and remembers what is left out.
func (p *publication) keeps(e *labellingv1.Event) bool {
	if act := labelling.ActOf(e); act != nil {
		return !p.out[act.GetActId()]
	}
	if !p.out[e.GetMeta().GetBasis().GetActId()] {
		return true
	}
	if id := begins(e); id != "" {
		p.labels[id] = e
	}
	return false
}

// fit makes of a kept fact about a label, or of the list of an act that was cited before,
// what it says where that label, or that act, was left out.
func (p *publication) fit(e *labellingv1.Event) (*labellingv1.Event, bool) {
	there := func(id string) bool {
		_, ok := p.state.Labelling.Label(id, bitemporal.Latest)
		return ok
	}
	if act := e.GetActListed().GetAct(); act != nil {
		if _, cited := p.state.Labelling.Acts.Last(act.GetActId(), bitemporal.Latest); !cited {
			return &labellingv1.Event{Meta: e.GetMeta(), Fact: &labellingv1.Event_ActRecorded{ActRecorded: act}}, true
		}
	}
	if id := e.GetLabelConfirmed().GetLabelId(); id != "" && !there(id) {
		first, leftOut := p.labels[id]
		if !leftOut {
			return nil, false
		}
		e = &labellingv1.Event{Meta: e.GetMeta(), Fact: first.GetFact()}
	}
	if r := e.GetLabelRenewed(); r != nil && !there(r.GetLabelId()) {
		e = &labellingv1.Event{Meta: e.GetMeta(), Fact: &labellingv1.Event_LabelGranted{LabelGranted: &labellingv1.LabelGranted{
			LabelId: r.GetSuccessorId(), Holder: r.GetHolder(), Role: r.GetRole(), RoleAsPrinted: r.GetRoleAsPrinted(),
			CycleId: r.GetCycleId(), Period: r.GetPeriod(), Head: r.GetHead(),
		}}}
	}
	return e, true
}

// begins is the label that a fact begins, empty for none.
func begins(e *labellingv1.Event) string {
	if r := e.GetLabelRenewed(); r != nil {
		return r.GetSuccessorId()
	}
	return e.GetLabelGranted().GetLabelId()
}

// publishedBy tells whether an act was certainly published by a day, and whether any day
// of its publication is known.
func publishedBy(publications []*labellingv1.Publication, by bitemporal.Date) (published, dated bool) {
	for _, one := range publications {
		if one.GetDate() == "" {
			continue
		}
		dated = true
		if _, last, err := bitemporal.Span(one.GetDate()); err == nil && last <= by {
			published = true
		}
	}
	return published, dated
}

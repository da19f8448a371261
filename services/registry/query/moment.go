package query

import (
	"cmp"
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/bitemporal"
	"maillage/services/fault"
	"maillage/services/registry"
	"maillage/services/registry/lens"
)

// moment is what an AsOf comes down to.
type moment struct {
	valid       bitemporal.Date
	known       uint64 // the end of a commit, at most head
	head        uint64
	provisional bool
	window      registryv1.Window
	replay      *replay // of the acts published by a day, nil for all
}

// resolve settles the moment a question is about, or goes on with that of an
// earlier page.
func (q *Queries) resolve(ctx context.Context, asOf *registryv1.AsOf, page *pageToken) (moment, error) {
	m, err := q.settle(ctx, asOf, page)
	if err != nil {
		return moment{}, err
	}
	m.window = cmp.Or(asOf.GetWindow(), registryv1.Window_WINDOW_LEGAL)
	if day := asOf.GetPublishedBy(); day != "" {
		by, err := bitemporal.ParseDate(day)
		if err != nil {
			return moment{}, fault.New(fault.Invalid, "DATE_INVALID", "as_of.published_by", "%v", err)
		}
		if m.replay, err = q.replays.of(ctx, &q.src, m.known, by); err != nil {
			return moment{}, err
		}
	}
	return m, nil
}

// settle finds the day and the position. A position after the head is unavailable
// rather than invalid: it may exist already and be announced here in a moment.
func (q *Queries) settle(ctx context.Context, asOf *registryv1.AsOf, page *pageToken) (moment, error) {
	var m moment
	head, err := q.src.Head(ctx, asOf.GetMinPosition())
	if err != nil {
		return moment{}, err
	}
	m.head = head
	if page != nil {
		m.valid, m.known, m.provisional = page.valid, page.known, page.provisional
		return m, m.reached()
	}
	m.valid = bitemporal.Today(q.src.Now())
	if v := asOf.GetValidAt(); v != "" {
		day, err := bitemporal.ParseDate(v)
		if err != nil {
			return moment{}, fault.New(fault.Invalid, "DATE_INVALID", "as_of.valid_at", "%v", err)
		}
		m.valid = day
	}
	switch known := asOf.GetKnownAt().(type) {
	case *registryv1.AsOf_KnownPosition:
		m.known = known.KnownPosition
		if err := m.reached(); err != nil {
			return moment{}, err
		}
		m.known = q.src.CommitEnd(m.known)
	case *registryv1.AsOf_KnownTime:
		if err := known.KnownTime.CheckValid(); err != nil {
			return moment{}, fault.New(fault.Invalid, "TIME_INVALID", "as_of.known_time", "%v", err)
		}
		t := known.KnownTime.AsTime()
		m.known, m.provisional = m.head, !t.Before(q.src.KnownTime(m.head))
		if !m.provisional {
			m.known = q.src.CommitEnd(min(m.head, q.src.KnownAt(t)))
		}
	default: // no moment is asked for, only the latest: its position stands, so it is not provisional
		m.known = m.head
	}
	return m, nil
}

func (m moment) reached() error {
	if m.known <= m.head {
		return nil
	}
	err := fault.New(fault.Unavailable, "POSITION_NOT_REACHED", "as_of.known_position",
		"position %d cannot be read yet, the last one that can is %d", m.known, m.head)
	err.Position = m.known
	return err
}

// resolved is the moment as answers carry it.
func (q *Queries) resolved(m moment) *registryv1.Resolved {
	r := &registryv1.Resolved{
		ValidAt:       m.valid.String(),
		KnownPosition: m.known,
		HeadPosition:  m.head,
		Provisional:   m.provisional,
		Window:        m.window,
	}
	if m.replay != nil {
		r.PublishedBy, r.UndatedActIds = m.replay.by.String(), m.replay.undated
	}
	if t := q.src.KnownTime(m.known); !t.IsZero() {
		r.KnownTime = timestamppb.New(t)
	}
	return r
}

// view runs f over what it needs of the register as it was known at a moment, while it
// cannot change.
func (q *Queries) view(ctx context.Context, m moment, need Need, f func(lens.Lens) error) error {
	if m.replay != nil {
		need = small // what is named is looked up at the head
	}
	var inner error
	need.Known = append(need.Known, m.known)
	if err := q.src.View(ctx, need, func(s, latest *registry.State) { inner = f(q.look(m, s, latest)) }); err != nil {
		return err
	}
	return inner
}

// look looks at a state, or at that of the moment's replay, which is a part of it.
func (q *Queries) look(m moment, s, latest *registry.State) lens.Lens {
	if m.replay != nil {
		s = m.replay.state
	}
	return lens.At(s, latest, m.valid, m.known, m.head, m.window, &q.snapshots)
}

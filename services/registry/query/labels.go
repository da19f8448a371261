package query

import (
	"context"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/registry/lens"
)

// GetLabel finds a label by its id, with its status on the day asked for.
func (q *Queries) GetLabel(ctx context.Context, req *registryv1.GetLabelRequest) (*registryv1.GetLabelResponse, error) {
	m, err := q.resolve(ctx, req.GetAsOf(), nil)
	if err != nil {
		return nil, err
	}
	var entry *registryv1.LabelEntry
	err = q.view(ctx, m, Need{Part: &Part{Labels: []string{req.GetLabelId()}}}, func(l lens.Lens) (err error) {
		entry, err = l.Label(req.GetLabelId())
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := q.name(ctx, labelled(entry)); err != nil {
		return nil, err
	}
	return &registryv1.GetLabelResponse{Entry: entry, Resolved: q.resolved(m)}, nil
}

// ListLabels finds the labels that match, by filière, network, role and place; those
// without filière come last. In the operational window they are those that work, or
// may, whatever their status, unless statuses are asked for besides. A filter that names
// nothing known at the head is an error (FILIERE_UNKNOWN and the like); one that names
// what became known after the moment asked about finds nothing.
func (q *Queries) ListLabels(ctx context.Context, req *registryv1.ListLabelsRequest) (*registryv1.ListLabelsResponse, error) {
	p, err := pagingOf(ctx, q, "LABEL", req)
	if err != nil {
		return nil, err
	}
	var filter *lens.LabelFilter
	need := everything
	err = q.view(ctx, p.moment, small, func(l lens.Lens) (err error) {
		if filter, err = l.LabelFilter(req); err != nil {
			return err
		}
		if b := l.Bounds(filter); b != nil {
			need = Need{Part: &Part{Bounds: b}}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	resp := &registryv1.ListLabelsResponse{}
	find := func(l lens.Lens) error {
		resp.Entries = l.FindLabels(filter, p.pager(&resp.TotalSize, &resp.NextPageToken))
		return nil
	}
	err = q.view(ctx, p.moment, need, find)
	if err == nil && resp.GetTotalSize() == 0 && filter.HasText() {
		err = q.view(ctx, p.moment, everything, func(l lens.Lens) error {
			if l.Forgive(filter) {
				return find(l)
			}
			return nil
		})
	}
	if err != nil {
		return nil, err
	}
	if err := q.name(ctx, labelled(resp.GetEntries()...)); err != nil {
		return nil, err
	}
	resp.Resolved = q.resolved(p.moment)
	return resp, nil
}

// names are the places of an answer that texts of the vault are put into.
type names struct {
	ids []string
	to  []*string
}

func (n *names) add(v *eventv1.PersonalValue, to *string) {
	if id := v.GetValueId(); id != "" {
		n.ids, n.to = append(n.ids, id), append(n.to, to)
	}
}

func (n *names) addOffices(offices []*registryv1.OfficeEntry) {
	for _, o := range offices {
		n.add(o.GetOffice().GetName(), &o.Name)
	}
}

// labelled are the names in entries.
func labelled(entries ...*registryv1.LabelEntry) names {
	var n names
	for _, e := range entries {
		n.add(e.GetLabel().GetHead(), &e.HeadName)
		n.addOffices(e.GetOffices())
	}
	return n
}

// name puts names into an answer: all at once, since that is one access.
func (q *Queries) name(ctx context.Context, n names) error {
	if len(n.ids) == 0 {
		return nil
	}
	texts, err := q.src.Personal(ctx, n.ids)
	if err != nil {
		return err
	}
	for i, text := range texts {
		*n.to[i] = text
	}
	return nil
}

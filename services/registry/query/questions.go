package query

import (
	"cmp"
	"context"
	"slices"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/bitemporal"
	"maillage/services/fault"
	"maillage/services/labelling"
	"maillage/services/registry"
	"maillage/services/registry/lens"
)

// DiffRegister compares two moments (V1, K1) and (V2, K2) by way of (V1, K2): what
// differs up to there we learned better, what differs from there on changed in the
// world. Both lists empty, nothing differs. What entities rest on is not compared.
func (q *Queries) DiffRegister(ctx context.Context, req *registryv1.DiffRegisterRequest) (*registryv1.DiffRegisterResponse, error) {
	from, err := q.resolve(ctx, req.GetFrom(), nil)
	if err != nil {
		return nil, err
	}
	to, err := q.resolve(ctx, req.GetTo(), nil)
	if err != nil {
		return nil, err
	}
	if from.window != to.window {
		return nil, fault.New(fault.Invalid, "WINDOW_DIFFERS", "to.window", "Both moments must look for labels in the same window.")
	}
	resp := &registryv1.DiffRegisterResponse{From: q.resolved(from), To: q.resolved(to)}
	need := Need{Known: []uint64{from.known, to.known}, From: min(from.known, to.known), To: max(from.known, to.known)}
	var inner error
	err = q.src.View(ctx, Need{Known: need.Known, Part: &Part{}}, func(s, latest *registry.State) {
		need.Known = append(need.Known, lens.Listed(q.look(from, s, latest), q.look(to, s, latest))...)
	})
	if err != nil {
		return nil, err
	}
	err = q.src.View(ctx, need, func(s, latest *registry.State) {
		resp.Learned, resp.World, inner = lens.Diff(q.look(from, s, latest), q.look(to, s, latest), req.GetFiliere(), req.GetNetwork())
	})
	if err := cmp.Or(err, inner); err != nil {
		return nil, err
	}
	return resp, nil
}

// GetCoverage finds, of the holders who held a label before the day, those who hold
// none for sure on it: their last label, its status and since when they go without. A
// holder whose label goes on at another one is not without. It also finds the labels
// that end within days, and the gaps that an extension signed late has bridged.
func (q *Queries) GetCoverage(ctx context.Context, req *registryv1.GetCoverageRequest) (*registryv1.GetCoverageResponse, error) {
	m, err := q.resolve(ctx, req.GetAsOf(), nil)
	if err != nil {
		return nil, err
	}
	var resp *registryv1.GetCoverageResponse
	var need Need
	err = q.view(ctx, m, need, func(l lens.Lens) error {
		need.Past = l.Extended()
		return nil
	})
	if err != nil {
		return nil, err
	}
	var bridges []lens.Bridge
	err = q.view(ctx, m, need, func(l lens.Lens) (err error) {
		resp, bridges, err = l.Coverage(req.GetFiliere(), req.GetWithinDays())
		return err
	})
	if err != nil {
		return nil, err
	}
	resp.Resolved = q.resolved(m)
	for _, b := range bridges {
		if entry := b.Entry(q.src.KnownTime(b.Recorded)); entry != nil {
			resp.Bridged = append(resp.Bridged, entry)
		}
	}
	var entries []*registryv1.LabelEntry
	for _, e := range slices.Concat(resp.GetUncovered(), resp.GetEnding(), resp.GetBridged()) {
		entries = append(entries, e.GetEntry())
	}
	if err := q.name(ctx, labelled(entries...)); err != nil {
		return nil, err
	}
	return resp, nil
}

// CountEntities counts one unit, as a whole and by one property. A row counts what
// ListLabels finds by the same filter, each unit once; so rows may add up to more than
// the total, which counts each once as well. CRC (resources and competence centres) are
// neither reference nor competence centres: they count only where they are asked for.
func (q *Queries) CountEntities(ctx context.Context, req *registryv1.CountEntitiesRequest) (*registryv1.CountEntitiesResponse, error) {
	m, err := q.resolve(ctx, req.GetAsOf(), nil)
	if err != nil {
		return nil, err
	}
	resp := &registryv1.CountEntitiesResponse{Unit: req.GetUnit(), WithCrc: req.GetWithCrc(), Resolved: q.resolved(m)}
	err = q.view(ctx, m, everything, func(l lens.Lens) error {
		resp.Total, resp.Rows = l.Count(req)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// ListActEffects finds what an act did, on the day of its effect unless another one is
// asked for: to labels, by the lines of its annex and then those it states to be left
// out, and to topology. It is read from the facts that rest on the act; what a list
// leaves out unsaid is a status, not an effect.
func (q *Queries) ListActEffects(ctx context.Context, req *registryv1.ListActEffectsRequest) (*registryv1.ListActEffectsResponse, error) {
	m, err := q.resolve(ctx, req.GetAsOf(), nil)
	if err != nil {
		return nil, err
	}
	var act *labellingv1.Act
	err = q.view(ctx, m, small, func(l lens.Lens) (err error) {
		act, err = lens.Acts.Get(l, req.GetActId())
		return err
	})
	if err != nil {
		return nil, err
	}
	if day, dated := labelling.EffectOf(act); dated && req.GetAsOf().GetValidAt() == "" {
		m.valid = day
	}
	var resp *registryv1.ListActEffectsResponse
	var topology []uint64
	need := Need{Act: req.GetActId(), Part: &Part{}}
	err = q.view(ctx, m, need, func(l lens.Lens) error {
		if lens.LeavesToDecide(act) {
			need.Known, need.Part = []uint64{l.Before(act)}, nil
			return nil
		}
		resp, topology = l.Effects(act)
		return nil
	})
	if err == nil && need.Part == nil {
		err = q.view(ctx, m, need, func(l lens.Lens) error {
			resp, topology = l.Effects(act)
			return nil
		})
	}
	if err != nil {
		return nil, err
	}
	if resp.Topology, err = q.facts(ctx, m, topology, ""); err != nil {
		return nil, err
	}
	entries := slices.Clone(resp.GetToDecide())
	for _, e := range resp.GetEffects() {
		entries = append(entries, e.GetEntry())
	}
	if err := q.name(ctx, labelled(entries...)); err != nil {
		return nil, err
	}
	resp.Resolved = q.resolved(m)
	return resp, nil
}

// ListTodo finds what waits for an officer on the day: identities that stayed
// undetermined, posts vacant or held without approval, seats unlike their act, labels in
// force on what is closed or in abeyance, and drafts and reports waiting for another person.
func (q *Queries) ListTodo(ctx context.Context, req *registryv1.ListTodoRequest) (*registryv1.ListTodoResponse, error) {
	m, err := q.resolve(ctx, req.GetAsOf(), nil)
	if err != nil {
		return nil, err
	}
	resp := &registryv1.ListTodoResponse{Resolved: q.resolved(m)}
	var waiting map[string]uint64
	err = q.view(ctx, m, activities, func(l lens.Lens) error {
		resp.Items, waiting = l.Todo()
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, i := range resp.GetItems() {
		if since, waits := waiting[i.GetEntityId()]; waits {
			i.Since = bitemporal.Today(q.src.KnownTime(since)).String()
		}
	}
	return resp, nil
}

// ListOffices finds who held the posts of a site, network, filière or platform on any
// day, by post and first day.
func (q *Queries) ListOffices(ctx context.Context, req *registryv1.ListOfficesRequest) (*registryv1.ListOfficesResponse, error) {
	m, err := q.resolve(ctx, req.GetAsOf(), nil)
	if err != nil {
		return nil, err
	}
	resp := &registryv1.ListOfficesResponse{Resolved: q.resolved(m)}
	err = q.view(ctx, m, Need{Part: &Part{About: []string{req.GetHolderId()}}}, func(l lens.Lens) error {
		offices, err := l.Offices(req.GetHolderId())
		for _, o := range offices {
			resp.Offices = append(resp.Offices, &registryv1.OfficeEntry{Office: o})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var n names
	n.addOffices(resp.GetOffices())
	if err := q.name(ctx, n); err != nil {
		return nil, err
	}
	return resp, nil
}

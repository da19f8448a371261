package query

import (
	"cmp"
	"context"

	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/fault"
	"maillage/services/registry"
	"maillage/services/registry/lens"
)

// GetMap finds the centres with a label on the day and those that collaborate with a
// network, with their links and how many there are under each role.
func (q *Queries) GetMap(ctx context.Context, req *registryv1.GetMapRequest) (*registryv1.GetMapResponse, error) {
	m, err := q.resolve(ctx, req.GetAsOf(), nil)
	if err != nil {
		return nil, err
	}
	var resp *registryv1.GetMapResponse
	err = q.view(ctx, m, everything, func(l lens.Lens) (err error) {
		resp, err = l.Map(req)
		return err
	})
	if err != nil {
		return nil, err
	}
	resp.Resolved = q.resolved(m)
	return resp, nil
}

// CompareMaps finds what appeared, moved and vanished between two moments.
func (q *Queries) CompareMaps(ctx context.Context, req *registryv1.CompareMapsRequest) (*registryv1.CompareMapsResponse, error) {
	from, err1 := q.resolve(ctx, req.GetFrom(), nil)
	to, err2 := q.resolve(ctx, req.GetTo(), nil)
	if err := cmp.Or(err1, err2); err != nil {
		return nil, err
	}
	if from.window != to.window {
		return nil, fault.New(fault.Invalid, "WINDOW_DIFFERS", "to.window", "Both moments must look for labels in the same window.")
	}
	filter := &registryv1.GetMapRequest{Filiere: req.GetFiliere(), Network: req.GetNetwork(), Roles: req.GetRoles(), Region: req.GetRegion(), Text: req.GetText()}
	resp := &registryv1.CompareMapsResponse{From: q.resolved(from), To: q.resolved(to)}
	var inner error
	err := q.src.View(ctx, Need{Known: []uint64{from.known, to.known}}, func(s, latest *registry.State) {
		resp.Changes, inner = lens.CompareMaps(q.look(from, s, latest), q.look(to, s, latest), filter)
	})
	if err := cmp.Or(err, inner); err != nil {
		return nil, err
	}
	return resp, nil
}

// GetDirectory finds the platforms that serve a territory, with the names of those who
// hold their posts and how they are reached.
func (q *Queries) GetDirectory(ctx context.Context, req *registryv1.GetDirectoryRequest) (*registryv1.GetDirectoryResponse, error) {
	m, err := q.resolve(ctx, req.GetAsOf(), nil)
	if err != nil {
		return nil, err
	}
	var resp *registryv1.GetDirectoryResponse
	err = q.view(ctx, m, everything, func(l lens.Lens) (err error) {
		resp, err = l.Directory(req.GetTerritory())
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := q.name(ctx, reached(resp.GetEntries())); err != nil {
		return nil, err
	}
	resp.Resolved = q.resolved(m)
	return resp, nil
}

// reached are what of a directory is in the vault.
func reached(entries []*registryv1.DirectoryEntry) names {
	var n names
	for _, e := range entries {
		n.add(e.GetPlatform().GetContact().GetEmail(), &e.Email)
		n.add(e.GetPlatform().GetContact().GetPhone(), &e.Phone)
		n.addOffices(e.GetOffices())
	}
	return n
}

// FindCentres finds the centres for a disease, nearest first.
func (q *Queries) FindCentres(ctx context.Context, req *registryv1.FindCentresRequest) (*registryv1.FindCentresResponse, error) {
	p, err := pagingOf(ctx, q, "FOUND", req)
	if err != nil {
		return nil, err
	}
	resp := &registryv1.FindCentresResponse{}
	err = q.view(ctx, p.moment, everything, func(l lens.Lens) (err error) {
		resp.Centres, resp.OrphaRelease, err = l.FindCentres(req)
		return err
	})
	if err != nil {
		return nil, err
	}
	from, to, next := p.span(len(resp.GetCentres()))
	resp.TotalSize, resp.NextPageToken = uint32(len(resp.GetCentres())), next
	resp.Centres, resp.Resolved = resp.GetCentres()[from:to], q.resolved(p.moment)
	return resp, nil
}

// GetRegion finds the centres of a region and the platforms that serve it.
func (q *Queries) GetRegion(ctx context.Context, req *registryv1.GetRegionRequest) (*registryv1.GetRegionResponse, error) {
	m, err := q.resolve(ctx, req.GetAsOf(), nil)
	if err != nil {
		return nil, err
	}
	var resp *registryv1.GetRegionResponse
	err = q.view(ctx, m, everything, func(l lens.Lens) (err error) {
		resp, err = l.Region(req.GetRegion())
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := q.name(ctx, reached(resp.GetPlatforms())); err != nil {
		return nil, err
	}
	resp.Resolved = q.resolved(m)
	return resp, nil
}

// ListLinks finds the links of an entity, or of all, by kind and ends.
func (q *Queries) ListLinks(ctx context.Context, req *registryv1.ListLinksRequest) (*registryv1.ListLinksResponse, error) {
	p, err := pagingOf(ctx, q, "LINK", req)
	if err != nil {
		return nil, err
	}
	need := everything
	if id := req.GetEntityId(); id != "" {
		need = Need{Part: &Part{About: []string{id}}}
	}
	resp := &registryv1.ListLinksResponse{}
	err = q.view(ctx, p.moment, need, func(l lens.Lens) (err error) {
		resp.Entries, err = l.Links(req)
		return err
	})
	if err != nil {
		return nil, err
	}
	from, to, next := p.span(len(resp.GetEntries()))
	resp.TotalSize, resp.NextPageToken = uint32(len(resp.GetEntries())), next
	resp.Entries, resp.Resolved = resp.GetEntries()[from:to], q.resolved(p.moment)
	return resp, nil
}

// GetSuccession finds the chain that an entity stands in, and who is in its place.
func (q *Queries) GetSuccession(ctx context.Context, req *registryv1.GetSuccessionRequest) (*registryv1.GetSuccessionResponse, error) {
	m, err := q.resolve(ctx, req.GetAsOf(), nil)
	if err != nil {
		return nil, err
	}
	var resp *registryv1.GetSuccessionResponse
	err = q.view(ctx, m, everything, func(l lens.Lens) (err error) {
		resp, err = l.Succession(req.GetEntityId())
		return err
	})
	if err != nil {
		return nil, err
	}
	resp.Resolved = q.resolved(m)
	return resp, nil
}

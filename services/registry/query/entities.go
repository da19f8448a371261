package query

import (
	"context"

	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/identifier"
	"maillage/services/registry/lens"
)

// get finds an entity by its id.
func get[V any](ctx context.Context, q *Queries, k lens.Kind[V], need Need, id string, asOf *registryv1.AsOf) (v V, r *registryv1.Resolved, err error) {
	m, err := q.resolve(ctx, asOf, nil)
	if err != nil {
		return v, nil, err
	}
	err = q.view(ctx, m, need, func(l lens.Lens) (err error) {
		v, err = k.Get(l, id)
		return err
	})
	return v, q.resolved(m), err
}

// only is a need of one centre or campaign.
func only(id string) Need { return Need{Part: &Part{Entities: []string{id}}} }

// listed is a page of a list.
type listed[V any] struct {
	page     []V
	next     string
	total    uint32
	resolved *registryv1.Resolved
}

// list finds the entities that match a text, by their sort key and id.
func list[V any](ctx context.Context, q *Queries, k lens.Kind[V], need Need, req paged, text string) (listed[V], error) {
	query, err := digest(k.String(), req.GetAsOf(), text)
	if err != nil {
		return listed[V]{}, err
	}
	page, err := pageOf(req, query)
	if err != nil {
		return listed[V]{}, err
	}
	m, err := q.resolve(ctx, req.GetAsOf(), page)
	if err != nil {
		return listed[V]{}, err
	}
	need = withAlias(need, text)
	var found []V
	err = q.view(ctx, m, need, func(l lens.Lens) error {
		found = k.Find(l, text)
		return nil
	})
	if err != nil {
		return listed[V]{}, err
	}
	from, to, next := span(req, page, query, m, len(found))
	return listed[V]{page: found[from:to], next: next, total: uint32(len(found)), resolved: q.resolved(m)}, nil
}

// withAlias is a need and the aliases that a text may be.
func withAlias(need Need, text string) Need {
	if need.Part != nil {
		part := *need.Part
		part.Alias = identifier.Fold(text)
		need.Part = &part
	}
	return need
}

// GetEstablishment finds a hospital by its id.
func (q *Queries) GetEstablishment(ctx context.Context, req *registryv1.GetEstablishmentRequest) (*registryv1.GetEstablishmentResponse, error) {
	v, resolved, err := get(ctx, q, lens.Establishments, small, req.GetEstablishmentId(), req.GetAsOf())
	if err != nil {
		return nil, err
	}
	return &registryv1.GetEstablishmentResponse{Establishment: v, Resolved: resolved}, nil
}

// ListEstablishments finds the hospitals that match, by name.
func (q *Queries) ListEstablishments(ctx context.Context, req *registryv1.ListEstablishmentsRequest) (*registryv1.ListEstablishmentsResponse, error) {
	l, err := list(ctx, q, lens.Establishments, small, req, req.GetText())
	if err != nil {
		return nil, err
	}
	return &registryv1.ListEstablishmentsResponse{Establishments: l.page, NextPageToken: l.next, TotalSize: l.total, Resolved: l.resolved}, nil
}

// GetCentre finds a team by its id.
func (q *Queries) GetCentre(ctx context.Context, req *registryv1.GetCentreRequest) (*registryv1.GetCentreResponse, error) {
	v, resolved, err := get(ctx, q, lens.Centres, only(req.GetCentreId()), req.GetCentreId(), req.GetAsOf())
	if err != nil {
		return nil, err
	}
	return &registryv1.GetCentreResponse{Centre: v, Resolved: resolved}, nil
}

// ListCentres finds the teams that match, by name.
func (q *Queries) ListCentres(ctx context.Context, req *registryv1.ListCentresRequest) (*registryv1.ListCentresResponse, error) {
	l, err := list(ctx, q, lens.Centres, everything, req, req.GetText())
	if err != nil {
		return nil, err
	}
	return &registryv1.ListCentresResponse{Centres: l.page, NextPageToken: l.next, TotalSize: l.total, Resolved: l.resolved}, nil
}

// GetNetwork finds a network by its id.
func (q *Queries) GetNetwork(ctx context.Context, req *registryv1.GetNetworkRequest) (*registryv1.GetNetworkResponse, error) {
	v, resolved, err := get(ctx, q, lens.Networks, small, req.GetNetworkId(), req.GetAsOf())
	if err != nil {
		return nil, err
	}
	return &registryv1.GetNetworkResponse{Network: v, Resolved: resolved}, nil
}

// ListNetworks finds the networks that match, by name.
func (q *Queries) ListNetworks(ctx context.Context, req *registryv1.ListNetworksRequest) (*registryv1.ListNetworksResponse, error) {
	l, err := list(ctx, q, lens.Networks, small, req, req.GetText())
	if err != nil {
		return nil, err
	}
	return &registryv1.ListNetworksResponse{Networks: l.page, NextPageToken: l.next, TotalSize: l.total, Resolved: l.resolved}, nil
}

// GetFiliere finds a filière by its id.
func (q *Queries) GetFiliere(ctx context.Context, req *registryv1.GetFiliereRequest) (*registryv1.GetFiliereResponse, error) {
	v, resolved, err := get(ctx, q, lens.Filieres, small, req.GetFiliereId(), req.GetAsOf())
	if err != nil {
		return nil, err
	}
	return &registryv1.GetFiliereResponse{Filiere: v, Resolved: resolved}, nil
}

// ListFilieres finds the filières that match, by name.
func (q *Queries) ListFilieres(ctx context.Context, req *registryv1.ListFilieresRequest) (*registryv1.ListFilieresResponse, error) {
	l, err := list(ctx, q, lens.Filieres, small, req, req.GetText())
	if err != nil {
		return nil, err
	}
	return &registryv1.ListFilieresResponse{Filieres: l.page, NextPageToken: l.next, TotalSize: l.total, Resolved: l.resolved}, nil
}

// GetPlatform finds a platform by its id.
func (q *Queries) GetPlatform(ctx context.Context, req *registryv1.GetPlatformRequest) (*registryv1.GetPlatformResponse, error) {
	v, resolved, err := get(ctx, q, lens.Platforms, small, req.GetPlatformId(), req.GetAsOf())
	if err != nil {
		return nil, err
	}
	return &registryv1.GetPlatformResponse{Platform: v, Resolved: resolved}, nil
}

// ListPlatforms finds the platforms that match, by name.
func (q *Queries) ListPlatforms(ctx context.Context, req *registryv1.ListPlatformsRequest) (*registryv1.ListPlatformsResponse, error) {
	l, err := list(ctx, q, lens.Platforms, small, req, req.GetText())
	if err != nil {
		return nil, err
	}
	return &registryv1.ListPlatformsResponse{Platforms: l.page, NextPageToken: l.next, TotalSize: l.total, Resolved: l.resolved}, nil
}

// GetCycle finds a cycle by its id.
func (q *Queries) GetCycle(ctx context.Context, req *registryv1.GetCycleRequest) (*registryv1.GetCycleResponse, error) {
	v, resolved, err := get(ctx, q, lens.Cycles, small, req.GetCycleId(), req.GetAsOf())
	if err != nil {
		return nil, err
	}
	return &registryv1.GetCycleResponse{Cycle: v, Resolved: resolved}, nil
}

// ListCycles finds the cycles that match, by name.
func (q *Queries) ListCycles(ctx context.Context, req *registryv1.ListCyclesRequest) (*registryv1.ListCyclesResponse, error) {
	l, err := list(ctx, q, lens.Cycles, small, req, req.GetText())
	if err != nil {
		return nil, err
	}
	return &registryv1.ListCyclesResponse{Cycles: l.page, NextPageToken: l.next, TotalSize: l.total, Resolved: l.resolved}, nil
}

// GetAct finds an act by its id.
func (q *Queries) GetAct(ctx context.Context, req *registryv1.GetActRequest) (*registryv1.GetActResponse, error) {
	v, resolved, err := get(ctx, q, lens.Acts, small, req.GetActId(), req.GetAsOf())
	if err != nil {
		return nil, err
	}
	return &registryv1.GetActResponse{Act: v, Resolved: resolved}, nil
}

// ListActs finds the acts that match, by name.
func (q *Queries) ListActs(ctx context.Context, req *registryv1.ListActsRequest) (*registryv1.ListActsResponse, error) {
	l, err := list(ctx, q, lens.Acts, small, req, req.GetText())
	if err != nil {
		return nil, err
	}
	return &registryv1.ListActsResponse{Acts: l.page, NextPageToken: l.next, TotalSize: l.total, Resolved: l.resolved}, nil
}

// GetCampaign finds a campaign by its id.
func (q *Queries) GetCampaign(ctx context.Context, req *registryv1.GetCampaignRequest) (*registryv1.GetCampaignResponse, error) {
	v, resolved, err := get(ctx, q, lens.Campaigns, only(req.GetCampaignId()), req.GetCampaignId(), req.GetAsOf())
	if err != nil {
		return nil, err
	}
	return &registryv1.GetCampaignResponse{Campaign: v, Resolved: resolved}, nil
}

// ListCampaigns finds the campaigns that match, by name.
func (q *Queries) ListCampaigns(ctx context.Context, req *registryv1.ListCampaignsRequest) (*registryv1.ListCampaignsResponse, error) {
	l, err := list(ctx, q, lens.Campaigns, everything, req, req.GetText())
	if err != nil {
		return nil, err
	}
	return &registryv1.ListCampaignsResponse{Campaigns: l.page, NextPageToken: l.next, TotalSize: l.total, Resolved: l.resolved}, nil
}

// GetPlan finds a plan by its id.
func (q *Queries) GetPlan(ctx context.Context, req *registryv1.GetPlanRequest) (*registryv1.GetPlanResponse, error) {
	v, resolved, err := get(ctx, q, lens.Plans, small, req.GetPlanId(), req.GetAsOf())
	if err != nil {
		return nil, err
	}
	return &registryv1.GetPlanResponse{Plan: v, Resolved: resolved}, nil
}

// ListPlans finds the plans that match, by code.
func (q *Queries) ListPlans(ctx context.Context, req *registryv1.ListPlansRequest) (*registryv1.ListPlansResponse, error) {
	l, err := list(ctx, q, lens.Plans, small, req, req.GetText())
	if err != nil {
		return nil, err
	}
	return &registryv1.ListPlansResponse{Plans: l.page, NextPageToken: l.next, TotalSize: l.total, Resolved: l.resolved}, nil
}

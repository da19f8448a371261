package memory

import (
	"cmp"
	"context"
	"slices"
	"strings"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/fault"
	"maillage/services/registry"
)

// kind is what Get and List need to know of a kind of entity.
type kind[V any] struct {
	name   string // begins the reasons of its errors
	table  func(*registry.State) *bitemporal.Table[V]
	sorted func(V) string         // what a list is sorted by, before the id
	words  func(lens, V) []string // what words are looked for in; an id must be given whole
}

var (
	establishments = kind[*topologyv1.Establishment]{
		"ESTABLISHMENT",
		func(s *registry.State) *bitemporal.Table[*topologyv1.Establishment] {
			return &s.Topology.Establishments
		},
		(*topologyv1.Establishment).GetName,
		func(_ lens, e *topologyv1.Establishment) []string {
			return append(placeWords(e.GetPlace()), e.GetName(), e.GetFiness(), e.GetSiret())
		},
	}
	centres = kind[*topologyv1.Centre]{
		"CENTRE",
		func(s *registry.State) *bitemporal.Table[*topologyv1.Centre] { return &s.Topology.Centres },
		func(c *topologyv1.Centre) string { return cmp.Or(c.GetName(), c.GetPlace().GetCity()) },
		func(l lens, c *topologyv1.Centre) []string {
			return append(l.hospitals(c.GetEstablishmentIds(), c.GetPlace()), c.GetName())
		},
	}
	networks = kind[*topologyv1.Network]{
		"NETWORK",
		func(s *registry.State) *bitemporal.Table[*topologyv1.Network] { return &s.Topology.Networks },
		func(n *topologyv1.Network) string { return cmp.Or(n.GetAcronym(), n.GetTitle()) },
		func(_ lens, n *topologyv1.Network) []string { return []string{n.GetAcronym(), n.GetTitle()} },
	}
	filieres = kind[*topologyv1.Filiere]{
		"FILIERE",
		func(s *registry.State) *bitemporal.Table[*topologyv1.Filiere] { return &s.Topology.Filieres },
		(*topologyv1.Filiere).GetAcronym,
		func(_ lens, f *topologyv1.Filiere) []string {
			return []string{f.GetAcronym(), f.GetName(), f.GetWebsite()}
		},
	}
	platforms = kind[*topologyv1.Platform]{
		"PLATFORM",
		func(s *registry.State) *bitemporal.Table[*topologyv1.Platform] { return &s.Topology.Platforms },
		(*topologyv1.Platform).GetName,
		func(l lens, p *topologyv1.Platform) []string {
			return append(l.hospitals(p.GetEstablishmentIds(), p.GetPlace()), p.GetName())
		},
	}
	cycles = kind[*labellingv1.Cycle]{
		"CYCLE",
		func(s *registry.State) *bitemporal.Table[*labellingv1.Cycle] { return &s.Labelling.Cycles },
		(*labellingv1.Cycle).GetCode,
		func(_ lens, c *labellingv1.Cycle) []string { return append(slices.Clone(c.GetAliases()), c.GetCode()) },
	}
	acts = kind[*labellingv1.Act]{
		"ACT",
		func(s *registry.State) *bitemporal.Table[*labellingv1.Act] { return &s.Labelling.Acts },
		(*labellingv1.Act).GetTitle,
		func(_ lens, a *labellingv1.Act) []string { return []string{a.GetTitle(), a.GetNor(), a.GetAuthority()} },
	}
	campaigns = kind[*labellingv1.Campaign]{
		"CAMPAIGN",
		func(s *registry.State) *bitemporal.Table[*labellingv1.Campaign] { return &s.Labelling.Campaigns },
		(*labellingv1.Campaign).GetName,
		func(_ lens, c *labellingv1.Campaign) []string { return []string{c.GetName()} },
	}
)

func placeWords(p *topologyv1.Place) []string {
	return []string{p.GetCity(), p.GetTerritory(), p.GetCommuneCode(), p.GetDepartmentCode()}
}

// unknown says that no entity of the kind has that id, as far as known.
func unknown(kind, id string, m moment) error {
	return fault.New(fault.NotFound, kind+"_UNKNOWN", strings.ToLower(kind)+"_id",
		"no %s %s is known at position %d", strings.ToLower(kind), id, m.known)
}

// get finds an entity. One that is known but holds only from a later day on is not
// found either, and the error says from when.
func get[V any](ctx context.Context, q *Queries, k kind[V], id string, asOf *registryv1.AsOf) (v V, r *registryv1.Resolved, err error) {
	m, err := q.resolve(ctx, asOf, nil)
	if err != nil {
		return v, nil, err
	}
	err = q.view(ctx, m, func(s *registry.State) error {
		t := k.table(s)
		var held bool
		if v, held = t.At(id, m.valid, m.known); held {
			return nil
		}
		versions := t.Versions(id, m.known)
		if len(versions) == 0 {
			return unknown(k.name, id, m)
		}
		name := strings.ToLower(k.name)
		if i := slices.IndexFunc(versions, func(o bitemporal.Version[V]) bool { return o.Valid.From > m.valid }); i >= 0 {
			return fault.New(fault.NotFound, k.name+"_NOT_YET", "as_of.valid_at",
				"%s %s is known from %s on, not on %s", name, id, versions[i].Valid.From, m.valid)
		}
		return fault.New(fault.NotFound, k.name+"_NO_LONGER", "as_of.valid_at",
			"%s %s is known until %s, not on %s", name, id, versions[len(versions)-1].Valid.To, m.valid)
	})
	return v, q.resolved(m), err
}

// listed is a page of a list.
type listed[V any] struct {
	page     []V
	next     string
	total    uint32
	resolved *registryv1.Resolved
}

// list finds the entities in whose words every word of the text is found, by their
// sort key and id.
func list[V any](ctx context.Context, q *Queries, k kind[V], req listRequest) (listed[V], error) {
	query, err := digest(k.name, req.GetAsOf(), req.GetText())
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
	type row struct {
		key, id string
		value   V
	}
	var rows []row
	folds := folder{}
	sought := strings.Fields(folds.fold(req.GetText()))
	err = q.view(ctx, m, func(s *registry.State) error {
		l, t := lens{s, m}, k.table(s)
		for id := range t.IDs() {
			v, held := t.At(id, m.valid, m.known)
			if !held {
				continue
			}
			if matches(sought, folds.all(k.words(l, v)), folds.fold(id)) {
				rows = append(rows, row{folds.fold(k.sorted(v)), id, v})
			}
		}
		return nil
	})
	if err != nil {
		return listed[V]{}, err
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Or(strings.Compare(a.key, b.key), strings.Compare(a.id, b.id)) })
	from, to, next := span(req, page, query, m, len(rows))
	out := listed[V]{next: next, total: uint32(len(rows)), resolved: q.resolved(m)}
	for _, r := range rows[from:to] {
		out.page = append(out.page, r.value)
	}
	return out, nil
}

// GetEstablishment finds a hospital by its id.
func (q *Queries) GetEstablishment(ctx context.Context, req *registryv1.GetEstablishmentRequest) (*registryv1.GetEstablishmentResponse, error) {
	v, resolved, err := get(ctx, q, establishments, req.GetEstablishmentId(), req.GetAsOf())
	if err != nil {
		return nil, err
	}
	return &registryv1.GetEstablishmentResponse{Establishment: v, Resolved: resolved}, nil
}

// ListEstablishments finds the hospitals that match, by name.
func (q *Queries) ListEstablishments(ctx context.Context, req *registryv1.ListEstablishmentsRequest) (*registryv1.ListEstablishmentsResponse, error) {
	l, err := list(ctx, q, establishments, req)
	if err != nil {
		return nil, err
	}
	return &registryv1.ListEstablishmentsResponse{Establishments: l.page, NextPageToken: l.next, TotalSize: l.total, Resolved: l.resolved}, nil
}

// GetCentre finds a team by its id.
func (q *Queries) GetCentre(ctx context.Context, req *registryv1.GetCentreRequest) (*registryv1.GetCentreResponse, error) {
	v, resolved, err := get(ctx, q, centres, req.GetCentreId(), req.GetAsOf())
	if err != nil {
		return nil, err
	}
	return &registryv1.GetCentreResponse{Centre: v, Resolved: resolved}, nil
}

// ListCentres finds the teams that match, by name.
func (q *Queries) ListCentres(ctx context.Context, req *registryv1.ListCentresRequest) (*registryv1.ListCentresResponse, error) {
	l, err := list(ctx, q, centres, req)
	if err != nil {
		return nil, err
	}
	return &registryv1.ListCentresResponse{Centres: l.page, NextPageToken: l.next, TotalSize: l.total, Resolved: l.resolved}, nil
}

// GetNetwork finds a network by its id.
func (q *Queries) GetNetwork(ctx context.Context, req *registryv1.GetNetworkRequest) (*registryv1.GetNetworkResponse, error) {
	v, resolved, err := get(ctx, q, networks, req.GetNetworkId(), req.GetAsOf())
	if err != nil {
		return nil, err
	}
	return &registryv1.GetNetworkResponse{Network: v, Resolved: resolved}, nil
}

// ListNetworks finds the networks that match, by name.
func (q *Queries) ListNetworks(ctx context.Context, req *registryv1.ListNetworksRequest) (*registryv1.ListNetworksResponse, error) {
	l, err := list(ctx, q, networks, req)
	if err != nil {
		return nil, err
	}
	return &registryv1.ListNetworksResponse{Networks: l.page, NextPageToken: l.next, TotalSize: l.total, Resolved: l.resolved}, nil
}

// GetFiliere finds a filière by its id.
func (q *Queries) GetFiliere(ctx context.Context, req *registryv1.GetFiliereRequest) (*registryv1.GetFiliereResponse, error) {
	v, resolved, err := get(ctx, q, filieres, req.GetFiliereId(), req.GetAsOf())
	if err != nil {
		return nil, err
	}
	return &registryv1.GetFiliereResponse{Filiere: v, Resolved: resolved}, nil
}

// ListFilieres finds the filières that match, by name.
func (q *Queries) ListFilieres(ctx context.Context, req *registryv1.ListFilieresRequest) (*registryv1.ListFilieresResponse, error) {
	l, err := list(ctx, q, filieres, req)
	if err != nil {
		return nil, err
	}
	return &registryv1.ListFilieresResponse{Filieres: l.page, NextPageToken: l.next, TotalSize: l.total, Resolved: l.resolved}, nil
}

// GetPlatform finds a platform by its id.
func (q *Queries) GetPlatform(ctx context.Context, req *registryv1.GetPlatformRequest) (*registryv1.GetPlatformResponse, error) {
	v, resolved, err := get(ctx, q, platforms, req.GetPlatformId(), req.GetAsOf())
	if err != nil {
		return nil, err
	}
	return &registryv1.GetPlatformResponse{Platform: v, Resolved: resolved}, nil
}

// ListPlatforms finds the platforms that match, by name.
func (q *Queries) ListPlatforms(ctx context.Context, req *registryv1.ListPlatformsRequest) (*registryv1.ListPlatformsResponse, error) {
	l, err := list(ctx, q, platforms, req)
	if err != nil {
		return nil, err
	}
	return &registryv1.ListPlatformsResponse{Platforms: l.page, NextPageToken: l.next, TotalSize: l.total, Resolved: l.resolved}, nil
}

// GetCycle finds a cycle by its id.
func (q *Queries) GetCycle(ctx context.Context, req *registryv1.GetCycleRequest) (*registryv1.GetCycleResponse, error) {
	v, resolved, err := get(ctx, q, cycles, req.GetCycleId(), req.GetAsOf())
	if err != nil {
		return nil, err
	}
	return &registryv1.GetCycleResponse{Cycle: v, Resolved: resolved}, nil
}

// ListCycles finds the cycles that match, by name.
func (q *Queries) ListCycles(ctx context.Context, req *registryv1.ListCyclesRequest) (*registryv1.ListCyclesResponse, error) {
	l, err := list(ctx, q, cycles, req)
	if err != nil {
		return nil, err
	}
	return &registryv1.ListCyclesResponse{Cycles: l.page, NextPageToken: l.next, TotalSize: l.total, Resolved: l.resolved}, nil
}

// GetAct finds an act by its id.
func (q *Queries) GetAct(ctx context.Context, req *registryv1.GetActRequest) (*registryv1.GetActResponse, error) {
	v, resolved, err := get(ctx, q, acts, req.GetActId(), req.GetAsOf())
	if err != nil {
		return nil, err
	}
	return &registryv1.GetActResponse{Act: v, Resolved: resolved}, nil
}

// ListActs finds the acts that match, by name.
func (q *Queries) ListActs(ctx context.Context, req *registryv1.ListActsRequest) (*registryv1.ListActsResponse, error) {
	l, err := list(ctx, q, acts, req)
	if err != nil {
		return nil, err
	}
	return &registryv1.ListActsResponse{Acts: l.page, NextPageToken: l.next, TotalSize: l.total, Resolved: l.resolved}, nil
}

// GetCampaign finds a campaign by its id.
func (q *Queries) GetCampaign(ctx context.Context, req *registryv1.GetCampaignRequest) (*registryv1.GetCampaignResponse, error) {
	v, resolved, err := get(ctx, q, campaigns, req.GetCampaignId(), req.GetAsOf())
	if err != nil {
		return nil, err
	}
	return &registryv1.GetCampaignResponse{Campaign: v, Resolved: resolved}, nil
}

// ListCampaigns finds the campaigns that match, by name.
func (q *Queries) ListCampaigns(ctx context.Context, req *registryv1.ListCampaignsRequest) (*registryv1.ListCampaignsResponse, error) {
	l, err := list(ctx, q, campaigns, req)
	if err != nil {
		return nil, err
	}
	return &registryv1.ListCampaignsResponse{Campaigns: l.page, NextPageToken: l.next, TotalSize: l.total, Resolved: l.resolved}, nil
}

package query

import (
	"context"
	"slices"

	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/identifier"
	"maillage/services/registry/lens"
)

// ResolveAlias finds every entity that has an id of another system or had it, and who is in
// its place.
func (q *Queries) ResolveAlias(ctx context.Context, req *registryv1.ResolveAliasRequest) (*registryv1.ResolveAliasResponse, error) {
	m, err := q.resolve(ctx, req.GetAsOf(), nil)
	if err != nil {
		return nil, err
	}
	resp := &registryv1.ResolveAliasResponse{}
	need := Need{Part: &Part{Alias: identifier.Fold(req.GetValue())}}
	for more := true; more && err == nil; { // what it leads to leads on
		more = false
		err = q.view(ctx, m, need, func(l lens.Lens) error {
			entries, seen, err := l.Aliased(req.GetSystem(), req.GetValue())
			for _, id := range seen {
				if !slices.Contains(need.Part.About, id) {
					need.Part.About, more = append(need.Part.About, id), true
				}
			}
			resp.Entries = entries
			return err
		})
	}
	if err != nil {
		return nil, err
	}
	resp.Resolved = q.resolved(m)
	return resp, nil
}

// ListAliases finds the aliases of an entity or of a system, by system and value.
func (q *Queries) ListAliases(ctx context.Context, req *registryv1.ListAliasesRequest) (*registryv1.ListAliasesResponse, error) {
	p, err := pagingOf(ctx, q, "ALIAS", req)
	if err != nil {
		return nil, err
	}
	need := everything
	if id := req.GetEntityId(); id != "" {
		need = Need{Part: &Part{About: []string{id}}}
	}
	resp := &registryv1.ListAliasesResponse{}
	err = q.view(ctx, p.moment, need, func(l lens.Lens) (err error) {
		resp.Entries, err = l.Aliases(req)
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

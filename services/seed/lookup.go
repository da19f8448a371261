package seed

import (
	"context"

	registryv1 "maillage/proto/gen/maillage/registry/v1"
)

// lookUp learns the ids of what the register holds already under the natural keys
// of a plan. A key that two entities share is left out: the request_id then
// decides.
func (l *loader) lookUp(ctx context.Context) error {
	asOf := &registryv1.AsOf{MinPosition: l.head}
	for _, list := range []func(ctx context.Context, asOf *registryv1.AsOf, token string) (next string, err error){
		l.establishments, l.filieres, l.cycles, l.networks, l.platforms, l.plans,
	} {
		for token := ""; ; {
			next, err := list(ctx, asOf, token)
			if err != nil {
				return err
			}
			if next == "" {
				break
			}
			token = next
		}
	}
	return nil
}

// rename lets a network that the register still holds under a former name be known by
// its name of today, which the keys of a plan have, and a hospital by its first name.
func (l *loader) rename(f *files) {
	for was := range f.renamed {
		before, today := join(network, was), join(network, f.today(was))
		if l.ids[today] == "" && l.ids[before] != "" {
			l.ids[today] = l.ids[before]
			l.attached[today] = l.attached[before]
		}
	}
	for _, r := range f.rows["changes.csv"] {
		if r.get("change") != hospitalRenamed {
			continue
		}
		first := join(establishment, key(r.get("establishment"), r.get("city")))
		if id := l.ids[join(establishment, key(r.get("other"), r.get("city")))]; l.ids[first] == "" && id != "" {
			l.ids[first] = id
		}
	}
}

func (l *loader) known(k, id string) {
	if held, there := l.ids[k]; there && held != id {
		id = ""
	}
	l.ids[k] = id
}

func (l *loader) establishments(ctx context.Context, asOf *registryv1.AsOf, token string) (string, error) {
	page, err := l.registry.ListEstablishments(ctx, &registryv1.ListEstablishmentsRequest{AsOf: asOf, PageSize: pageSize, PageToken: token})
	for _, e := range page.GetEstablishments() {
		l.known(join(establishment, key(e.GetName(), e.GetPlace().GetCity())), e.GetEstablishmentId())
	}
	return page.GetNextPageToken(), err
}

func (l *loader) filieres(ctx context.Context, asOf *registryv1.AsOf, token string) (string, error) {
	page, err := l.registry.ListFilieres(ctx, &registryv1.ListFilieresRequest{AsOf: asOf, PageSize: pageSize, PageToken: token})
	for _, f := range page.GetFilieres() {
		l.known(join(filiere, key(f.GetAcronym())), f.GetFiliereId())
	}
	return page.GetNextPageToken(), err
}

func (l *loader) cycles(ctx context.Context, asOf *registryv1.AsOf, token string) (string, error) {
	page, err := l.registry.ListCycles(ctx, &registryv1.ListCyclesRequest{AsOf: asOf, PageSize: pageSize, PageToken: token})
	for _, c := range page.GetCycles() {
		for _, name := range append([]string{c.GetCode()}, c.GetAliases()...) {
			l.known(join(cycle, key(name)), c.GetCycleId())
			l.spans[join(cycle, key(name))] = c.GetPeriod()
		}
	}
	return page.GetNextPageToken(), err
}

func (l *loader) networks(ctx context.Context, asOf *registryv1.AsOf, token string) (string, error) {
	page, err := l.registry.ListNetworks(ctx, &registryv1.ListNetworksRequest{AsOf: asOf, PageSize: pageSize, PageToken: token})
	for _, n := range page.GetNetworks() {
		k := join(network, key(n.GetTitle(), n.GetAcronym()))
		l.known(k, n.GetNetworkId())
		l.attached[k] = l.attached[k] || n.GetFiliereId() != ""
	}
	return page.GetNextPageToken(), err
}

func (l *loader) platforms(ctx context.Context, asOf *registryv1.AsOf, token string) (string, error) {
	page, err := l.registry.ListPlatforms(ctx, &registryv1.ListPlatformsRequest{AsOf: asOf, PageSize: pageSize, PageToken: token})
	for _, p := range page.GetPlatforms() {
		l.known(join(platform, key(p.GetName())), p.GetPlatformId())
	}
	return page.GetNextPageToken(), err
}

func (l *loader) plans(ctx context.Context, asOf *registryv1.AsOf, token string) (string, error) {
	page, err := l.registry.ListPlans(ctx, &registryv1.ListPlansRequest{AsOf: asOf, PageSize: pageSize, PageToken: token})
	for _, p := range page.GetPlans() {
		l.known(join(nationalPlan, key(p.GetCode())), p.GetPlanId())
	}
	return page.GetNextPageToken(), err
}

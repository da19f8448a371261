package seed

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/bitemporal"
)

// recall learns which of the steps were recorded before, under whichever account:
// what has no natural key in the register (centres, labels, offices, acts, what sources
// say) is known again by the request_id in its events. It reads the histories of what
// the plan's networks and platforms hold, of the acts and of what the steps are about.
func (l *loader) recall(ctx context.Context, f *files, steps []step) error {
	var networks, about []string
	acts, campaigns := false, false
	sources := map[string]bool{}
	for _, s := range steps {
		if r, is := s.req.(interface{ GetBasis() *eventv1.Basis }); is {
			sources[r.GetBasis().GetSource()] = true
		}
		acts, campaigns = acts || s.kind == act, campaigns || s.kind == campaign
		if id := l.ids[s.key]; id != "" && (s.kind == network || s.kind == platform) {
			about = append(about, id)
			if s.kind == network {
				networks = append(networks, id)
			}
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(inFlight)
	for _, n := range networks {
		g.Go(func() error {
			found, err := l.holders(gctx, n, sources)
			l.mu.Lock()
			defer l.mu.Unlock()
			about = append(about, found...)
			return err
		})
	}
	if acts {
		g.Go(func() error {
			found, err := l.acts(gctx)
			l.mu.Lock()
			defer l.mu.Unlock()
			about = append(about, found...)
			return err
		})
	}
	if campaigns {
		g.Go(func() error { return l.campaigns(gctx) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := l.histories(ctx, about); err != nil {
		return err
	}
	if err := l.recallUnlabelled(ctx, f, steps); err != nil {
		return err
	}
	if err := l.recallMissions(ctx, steps); err != nil {
		return err
	}
	return l.recallReferred(ctx, steps)
}

// recallReferred reads the histories of what the steps that are still to be done refer
// to, and of what those show, until nothing more is known: an office is found with its
// site, and the site with its first label.
func (l *loader) recallReferred(ctx context.Context, steps []step) error {
	read := map[string]bool{}
	for {
		var about []string
		for _, s := range steps {
			m, had := l.had(s)
			if had {
				l.keep(s, m)
				continue
			}
			if natural[s.kind] {
				continue
			}
			err := replaceRefs(proto.Clone(s.req), func(k string) (string, error) {
				if id := l.ids[k]; id != "" && !read[id] {
					read[id] = true
					about = append(about, id)
				}
				return "", nil
			})
			if err != nil {
				return err
			}
		}
		if len(about) == 0 {
			return nil
		}
		if err := l.histories(ctx, about); err != nil {
			return err
		}
	}
}

// natural is the kinds that a natural key tells whether they were recorded, and centres,
// which others lead to.
var natural = map[string]bool{
	establishment: true, filiere: true, cycle: true, platform: true, network: true, attachment: true, act: true, campaign: true, centre: true,
	nationalPlan: true,
}

// recallUnlabelled does the same for centres without any label, which no label
// leads to: those at the same place as a centre still to be registered in a network
// that the register had, or like it at none.
func (l *loader) recallUnlabelled(ctx context.Context, f *files, steps []step) error {
	places := map[string]bool{}
	for _, s := range steps {
		if _, had := l.had(s); s.kind != centre || had || l.ids[join(network, f.network(s.about))] == "" {
			continue
		}
		places[cmp.Or(s.about.get("establishment"), s.about.get("city"), territory(s.about), s.about.get("department_code"))] = true
	}
	var about []string
	for where := range places {
		req := &registryv1.ListCentresRequest{AsOf: &registryv1.AsOf{MinPosition: l.head}, Text: where, PageSize: pageSize}
		for more := true; more; more = req.PageToken != "" {
			page, err := l.registry.ListCentres(ctx, req)
			if err != nil {
				return err
			}
			for _, c := range page.GetCentres() {
				if where != "" || c.GetPlace() == nil && len(c.GetEstablishmentIds()) == 0 {
					about = append(about, c.GetCentreId())
				}
			}
			req.PageToken = page.GetNextPageToken()
		}
	}
	return l.histories(ctx, about)
}

// recallMissions learns which missions need not be stated: whoever stated those of an
// audience from the same first day on, and however, it is left as it is. Missions are
// stated from a day on where that day has others than the day before, which at the least
// rest on something else.
func (l *loader) recallMissions(ctx context.Context, steps []step) error {
	for _, s := range steps {
		req, is := s.req.(*activityv1.StateMissionsRequest)
		if !is {
			continue
		}
		from, _, err := bitemporal.Span(req.GetValidFrom())
		if err != nil {
			return err
		}
		day, before := earliestDay, ""
		if from > bitemporal.Past {
			day, before = from.String(), (from - 1).String()
		}
		now, err := l.missionsOn(ctx, req.GetAudience(), day)
		if err != nil {
			return err
		}
		var was *activityv1.MissionSet
		if before != "" {
			if was, err = l.missionsOn(ctx, req.GetAudience(), before); err != nil {
				return err
			}
		}
		if now != nil && !proto.Equal(now, was) {
			l.before[req.GetRequestId()] = made{}
		}
	}
	return nil
}

// earliestDay is a day on which only what holds since ever does.
const earliestDay = "0001-01-01"

// missionsOn returns the missions of an audience on a day, nil for none.
func (l *loader) missionsOn(ctx context.Context, audience activityv1.Audience, day string) (*activityv1.MissionSet, error) {
	page, err := l.queries.ListMissions(ctx, &registryv1.ListMissionsRequest{AsOf: &registryv1.AsOf{MinPosition: l.head, ValidAt: day}})
	i := slices.IndexFunc(page.GetSets(), func(m *activityv1.MissionSet) bool { return m.GetAudience() == audience })
	if err != nil || i < 0 {
		return nil, err
	}
	return page.GetSets()[i], nil
}

func (l *loader) histories(ctx context.Context, about []string) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(inFlight)
	for _, id := range about {
		g.Go(func() error { return l.history(gctx, id) })
	}
	return g.Wait()
}

// holders returns the centres that hold or held a label in a network, and the sites
// that hold one which rests on one of the sources: what others recorded there, thousands
// of lines of an act, need not be read back.
func (l *loader) holders(ctx context.Context, network string, sources map[string]bool) ([]string, error) {
	req := &registryv1.ListLabelsRequest{AsOf: &registryv1.AsOf{MinPosition: l.head}, Network: network, PageSize: pageSize}
	for n := range labellingv1.Status_name {
		if n != 0 {
			req.Statuses = append(req.Statuses, labellingv1.Status(n))
		}
	}
	seen := map[string]bool{}
	var out []string
	for {
		page, err := l.registry.ListLabels(ctx, req)
		if err != nil {
			return nil, err
		}
		for _, e := range page.GetEntries() {
			site := e.GetLabel().GetHolder().GetSite()
			ids := []string{site.GetCentreId()}
			if slices.ContainsFunc(e.GetLabel().GetBasis(), func(b *eventv1.Basis) bool { return sources[b.GetSource()] }) {
				ids = append(ids, site.GetSiteId())
			}
			for _, id := range ids {
				if id != "" && !seen[id] {
					seen[id] = true
					out = append(out, id)
				}
			}
		}
		if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
			return out, nil
		}
	}
}

func (l *loader) acts(ctx context.Context) ([]string, error) {
	var out []string
	for token := ""; ; {
		page, err := l.registry.ListActs(ctx, &registryv1.ListActsRequest{AsOf: &registryv1.AsOf{MinPosition: l.head}, PageSize: pageSize, PageToken: token})
		if err != nil {
			return nil, err
		}
		for _, a := range page.GetActs() {
			out = append(out, a.GetActId())
		}
		if token = page.GetNextPageToken(); token == "" {
			return out, nil
		}
	}
}

// campaigns learns the ids of campaigns by their name.
func (l *loader) campaigns(ctx context.Context) error {
	for token := ""; ; {
		page, err := l.registry.ListCampaigns(ctx, &registryv1.ListCampaignsRequest{AsOf: &registryv1.AsOf{MinPosition: l.head}, PageSize: pageSize, PageToken: token})
		if err != nil {
			return err
		}
		l.mu.Lock()
		for _, c := range page.GetCampaigns() {
			l.known(join(campaign, key(c.GetName())), c.GetCampaignId())
		}
		l.mu.Unlock()
		if token = page.GetNextPageToken(); token == "" {
			return nil
		}
	}
}

// history notes the requests that made and changed an entity.
func (l *loader) history(ctx context.Context, id string) error {
	r, err := l.registry.ListHistory(ctx, &registryv1.ListHistoryRequest{EntityId: id, AsOf: &registryv1.AsOf{MinPosition: l.head}})
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range r.GetFacts() {
		request, m := madeBy(f)
		if strings.HasPrefix(request, requestPrefix) {
			l.before[request] = m
		}
	}
	return nil
}

// madeBy returns the request that recorded a fact, and the ids of what it made where
// a later step may refer to it.
func madeBy(f *registryv1.Fact) (request string, m made) {
	if e := f.GetTopology(); e != nil {
		return e.GetMeta().GetRequestId(), made{id: e.GetCentreRegistered().GetCentreId()}
	}
	e := f.GetLabelling()
	request = e.GetMeta().GetRequestId()
	switch {
	case e.GetLabelGranted() != nil:
		m = made{id: e.GetLabelGranted().GetLabelId(), site: e.GetLabelGranted().GetHolder().GetSite().GetSiteId()}
	case e.GetLabelRenewed() != nil:
		m.id = e.GetLabelRenewed().GetSuccessorId()
	case e.GetActRecorded() != nil:
		m.id = e.GetActRecorded().GetActId()
	case e.GetOfficeTaken() != nil:
		m.id = e.GetOfficeTaken().GetOfficeId()
	}
	return request, m
}

package memory

import (
	"cmp"
	"context"
	"slices"
	"strings"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/bitemporal"
	"maillage/services/fault"
	"maillage/services/registry"
)

// ListOffices finds who held the posts of a site, network, filière or platform on any
// day, by post and first day.
func (q *Queries) ListOffices(ctx context.Context, req *registryv1.ListOfficesRequest) (*registryv1.ListOfficesResponse, error) {
	m, err := q.resolve(ctx, req.GetAsOf(), nil)
	if err != nil {
		return nil, err
	}
	resp := &registryv1.ListOfficesResponse{Resolved: q.resolved(m)}
	err = q.view(ctx, m, func(s *registry.State) error {
		l := lens{s, m}
		for _, o := range l.offices(req.GetHolderId()) {
			resp.Offices = append(resp.Offices, &registryv1.OfficeEntry{Office: o})
		}
		if len(resp.GetOffices()) == 0 && len(l.touching(req.GetHolderId())) == 0 {
			return fault.New(fault.NotFound, "ENTITY_UNKNOWN", "holder_id",
				"nothing with the id %s is known at position %d", req.GetHolderId(), m.known)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	q.nameOffices(resp.GetOffices())
	return resp, nil
}

// offices is the offices of a holder, by post and first day.
func (l lens) offices(holder string) []*labellingv1.Office {
	if holder == "" {
		return nil
	}
	all := slices.Collect(l.s.Labelling.OfficesOf(holder, l.m.known))
	slices.SortFunc(all, func(a, b *labellingv1.Office) int {
		return cmp.Or(
			int(a.GetKind()-b.GetKind()),
			strings.Compare(a.GetPeriod().GetStart(), b.GetPeriod().GetStart()),
			strings.Compare(a.GetOfficeId(), b.GetOfficeId()),
		)
	})
	return all
}

// heldOn tells whether a day may be one of a period: an unknown end is not past.
func heldOn(p *eventv1.Period, day bitemporal.Date) bool {
	from, _, err := bitemporal.Span(p.GetStart())
	if err != nil || day < from {
		return false
	}
	_, last, err := bitemporal.Span(p.GetEnd())
	return err == nil && (day < last || day == last && len(p.GetEnd()) < len("2006-01-02"))
}

package query

import (
	"context"
	"slices"

	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/registry/lens"
)

// ListMissions finds the missions of each audience on the day.
func (q *Queries) ListMissions(ctx context.Context, req *registryv1.ListMissionsRequest) (*registryv1.ListMissionsResponse, error) {
	m, err := q.resolve(ctx, req.GetAsOf(), nil)
	if err != nil {
		return nil, err
	}
	resp := &registryv1.ListMissionsResponse{Resolved: q.resolved(m)}
	return resp, q.view(ctx, m, small, func(l lens.Lens) error {
		resp.Sets = l.Missions()
		return nil
	})
}

// ListPeriods finds the reporting periods, latest first.
func (q *Queries) ListPeriods(ctx context.Context, req *registryv1.ListPeriodsRequest) (*registryv1.ListPeriodsResponse, error) {
	m, err := q.resolve(ctx, req.GetAsOf(), nil)
	if err != nil {
		return nil, err
	}
	resp := &registryv1.ListPeriodsResponse{Resolved: q.resolved(m)}
	return resp, q.view(ctx, m, small, func(l lens.Lens) error {
		resp.Periods = l.Periods()
		return nil
	})
}

// ListReports finds the reports that match, by period and reporter, and on the first page
// of one period the platforms labelled in it that have not reported.
func (q *Queries) ListReports(ctx context.Context, req *registryv1.ListReportsRequest) (*registryv1.ListReportsResponse, error) {
	p, err := pagingOf(ctx, q, "REPORT", req)
	if err != nil {
		return nil, err
	}
	var total uint32
	var next string
	var resp *registryv1.ListReportsResponse
	err = q.view(ctx, p.moment, activities, func(l lens.Lens) (err error) {
		resp, err = l.Reports(req, p.pager(&total, &next))
		return err
	})
	if err != nil {
		return nil, err
	}
	resp.TotalSize, resp.NextPageToken, resp.Resolved = total, next, q.resolved(p.moment)
	return resp, nil
}

// GetReport finds a report in a revision, with the labels and territory of its period as
// known when it was frozen and, where that is asked for, as known at the moment.
func (q *Queries) GetReport(ctx context.Context, req *registryv1.GetReportRequest) (*registryv1.GetReportResponse, error) {
	m, err := q.resolve(ctx, req.GetAsOf(), nil)
	if err != nil {
		return nil, err
	}
	need := Need{Past: []string{req.GetReportId()}, Part: &Part{}}
	err = q.view(ctx, m, need, func(l lens.Lens) (err error) {
		frozen, err := l.Frozen(req)
		need.Known, need.Activity, need.Part = []uint64{frozen}, true, nil
		return err
	})
	if err != nil {
		return nil, err
	}
	var resp *registryv1.GetReportResponse
	err = q.view(ctx, m, need, func(l lens.Lens) (err error) {
		resp, err = l.Report(req)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := q.name(ctx, labelled(slices.Concat(resp.GetFrozen().GetLabels(), resp.GetRestated().GetLabels())...)); err != nil {
		return nil, err
	}
	resp.Resolved = q.resolved(m)
	return resp, nil
}

// ListUndertakings finds the projects, trainings and actions that match, latest first.
func (q *Queries) ListUndertakings(ctx context.Context, req *registryv1.ListUndertakingsRequest) (*registryv1.ListUndertakingsResponse, error) {
	p, err := pagingOf(ctx, q, "UNDERTAKING", req)
	if err != nil {
		return nil, err
	}
	resp := &registryv1.ListUndertakingsResponse{Resolved: q.resolved(p.moment)}
	err = q.view(ctx, p.moment, activities, func(l lens.Lens) (err error) {
		resp.Entries, err = l.Undertakings(req, p.pager(&resp.TotalSize, &resp.NextPageToken))
		return err
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// ListMeasures finds the activity of sites, by site, year and unit.
func (q *Queries) ListMeasures(ctx context.Context, req *registryv1.ListMeasuresRequest) (*registryv1.ListMeasuresResponse, error) {
	p, err := pagingOf(ctx, q, "MEASURE", req)
	if err != nil {
		return nil, err
	}
	resp := &registryv1.ListMeasuresResponse{Resolved: q.resolved(p.moment)}
	return resp, q.view(ctx, p.moment, activities, func(l lens.Lens) error {
		resp.Entries = l.Measures(req, p.pager(&resp.TotalSize, &resp.NextPageToken))
		return nil
	})
}

// CheckThresholds sets the activity of sites in a year beside the thresholds of their
// roles.
func (q *Queries) CheckThresholds(ctx context.Context, req *registryv1.CheckThresholdsRequest) (*registryv1.CheckThresholdsResponse, error) {
	p, err := pagingOf(ctx, q, "THRESHOLD", req)
	if err != nil {
		return nil, err
	}
	var total uint32
	var next string
	var resp *registryv1.CheckThresholdsResponse
	err = q.view(ctx, p.moment, activities, func(l lens.Lens) (err error) {
		resp, err = l.Thresholds(req, p.pager(&total, &next))
		return err
	})
	if err != nil {
		return nil, err
	}
	resp.TotalSize, resp.NextPageToken, resp.Resolved = total, next, q.resolved(p.moment)
	return resp, nil
}

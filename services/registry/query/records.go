package query

import (
	"context"
	"strings"

	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/eventlog"
	"maillage/services/registry/lens"
)

// ListHistory reads back every event that made or changed an entity or a label that it
// held, and what sources said of it, in the order recorded.
func (q *Queries) ListHistory(ctx context.Context, req *registryv1.ListHistoryRequest) (*registryv1.ListHistoryResponse, error) {
	m, err := q.resolve(ctx, req.GetAsOf(), nil)
	if err != nil {
		return nil, err
	}
	var positions []uint64
	err = q.view(ctx, m, Need{Part: &Part{About: []string{req.GetEntityId()}}}, func(l lens.Lens) (err error) {
		positions, err = l.Touching(req.GetEntityId())
		return err
	})
	if err != nil {
		return nil, err
	}
	facts, err := q.facts(ctx, m, positions, req.GetEntityId())
	if err != nil {
		return nil, err
	}
	return &registryv1.ListHistoryResponse{Resolved: q.resolved(m), Facts: facts}, nil
}

// facts reads events back, by ascending positions, with what each of them changed.
func (q *Queries) facts(ctx context.Context, m moment, positions []uint64, about string) ([]*registryv1.Fact, error) {
	records, err := q.records(ctx, positions)
	if err != nil {
		return nil, err
	}
	need := Need{Past: []string{about}, Part: &Part{}}
	for _, r := range records {
		need.Past = append(need.Past, r.Subject[strings.LastIndexByte(r.Subject, '.')+1:])
	}
	facts := make([]*registryv1.Fact, len(records))
	err = q.view(ctx, m, need, func(l lens.Lens) (err error) {
		for i, r := range records {
			if facts[i], err = l.Fact(r, about); err != nil {
				return err
			}
		}
		return nil
	})
	return facts, err
}

// bulk is how many records in a row are read at once rather than one by one.
const bulk = 16

// records reads records back, by ascending positions.
func (q *Queries) records(ctx context.Context, positions []uint64) ([]eventlog.Record, error) {
	if q.src.Recorded != nil {
		return q.src.Recorded(ctx, positions)
	}
	all := make([]eventlog.Record, 0, len(positions))
	for len(positions) > 0 {
		row := 1
		for row < len(positions) && positions[row] == positions[0]+uint64(row) {
			row++
		}
		if row < bulk {
			r, err := q.src.Record(ctx, positions[0])
			if err != nil {
				return nil, err
			}
			all, positions = append(all, r), positions[1:]
			continue
		}
		for r, err := range q.src.Records(ctx, positions[0]-1, positions[row-1]) {
			if err == nil && r.Position != positions[0] {
				err = &eventlog.HoleError{Position: positions[0]}
			}
			if err != nil {
				return nil, err
			}
			all, positions, row = append(all, r), positions[1:], row-1
		}
		if row > 0 {
			return nil, &eventlog.HoleError{Position: positions[0]}
		}
	}
	return all, nil
}

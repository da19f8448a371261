package feed

import (
	"context"
	"iter"

	feedv1 "maillage/proto/gen/maillage/feed/v1"
)

// Commits yields the commits after a position up to another, both the end of one that can
// be read, as they are handed on: each with its cursor.
func (f *Feed) Commits(ctx context.Context, after, to uint64) iter.Seq2[*feedv1.Commit, error] {
	return func(yield func(*feedv1.Commit, error) bool) {
		for c, err := range f.commits(f.src.Records(ctx, after, to)) {
			if err != nil {
				yield(nil, broken(err))
				return
			}
			m, err := f.message(ctx, c, filter{})
			if !yield(m, err) || err != nil {
				return
			}
		}
	}
}

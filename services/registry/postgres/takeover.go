package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

const lockPatience = "200ms" // with analysts who read the views while these are replaced

// takeOver has a schema read in place of the one that is, which is kept. Nothing is written
// to that one meanwhile, so that no position is lost; readers go on. It waits for those who
// read the views, and lets rows and other readers by meanwhile.
func (f *filler) takeOver(ctx context.Context) error {
	for {
		err := f.tryTakeOver(ctx)
		if code(err) != lockNotAvailable {
			return err
		}
		f.logger.InfoContext(ctx, "the takeover waits for a reader of the views", "schema", f.Schema)
		if pause(ctx, lockRetry); ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

func (f *filler) tryTakeOver(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.catchUp(ctx, 1); err != nil {
		return err
	}
	at := f.at
	err := pgx.BeginFunc(ctx, f.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local lock_timeout = '"+lockPatience+"'"); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "update maillage.model set state = 'KEPT' where state = 'LIVE'"); err != nil {
			return err
		}
		taken, err := tx.Exec(ctx, "update maillage.model set state = 'LIVE', phase = '' where schema = $1 and state = 'FILLING' and position = $2", at.schema, int64(at.position))
		if err != nil {
			return err
		}
		if taken.RowsAffected() != 1 {
			return errStopped
		}
		if _, err := tx.Exec(ctx, "delete from maillage.filled where schema = $1", at.schema); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, views(at.schema)); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "select pg_notify($1, '')", channel)
		return err
	})
	if err != nil {
		return fmt.Errorf("have %s read: %w", at.schema, err)
	}
	f.live = &at
	f.held.give()
	f.update(func(n *seen) { n.halted = nil })
	f.logger.InfoContext(ctx, "the read model was taken over", "schema", at.schema, "position", at.position)
	return nil
}

// give makes what was held for the schema that was filled held for the one that is read.
func (h *held) give() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.live = h.filling
}

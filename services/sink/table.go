package sink

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"maillage/proto/follow"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
)

// table is the table maillage_event of a database, and in maillage_follower how far it is
// good.
type table struct{ conn *pgx.Conn }

// Only one follower keeps a copy: the lock is held while it is connected. It is another one
// than that of the read model, which may be kept in the same database.
const followerLock = 0x666f6c6c6f776572 // "follower"

const schema = `
CREATE TABLE IF NOT EXISTS maillage_event (
	position   bigint PRIMARY KEY CHECK (position > 0),
	subject    text NOT NULL,
	body       bytea NOT NULL,
	commit_end bigint NOT NULL,
	known_time timestamptz NOT NULL
);
COMMENT ON TABLE maillage_event IS 'The records of the register, as they are stored there';
COMMENT ON COLUMN maillage_event.position IS 'Place in the log, from 1; dense without a filter';
COMMENT ON COLUMN maillage_event.subject IS 'registry.CONTEXT.KIND.ID: what the event is about';
COMMENT ON COLUMN maillage_event.body IS 'The encoded Event of the context, in protocol buffers';
COMMENT ON COLUMN maillage_event.commit_end IS 'Position of the last record of its commit that is here: they hold together';
COMMENT ON COLUMN maillage_event.known_time IS 'Since when it is known';
CREATE TABLE IF NOT EXISTS maillage_follower (
	one     boolean PRIMARY KEY DEFAULT true CHECK (one),
	place   text NOT NULL,
	records bigint NOT NULL
);
COMMENT ON TABLE maillage_follower IS 'How far the copy is good; written with it';
COMMENT ON COLUMN maillage_follower.one IS 'There is one follower';
COMMENT ON COLUMN maillage_follower.place IS 'Its place, for maillage follow';
COMMENT ON COLUMN maillage_follower.records IS 'How many records it has taken';`

// patience is how long the lock is waited for: a follower that was killed may hold it for a
// moment more.
const patience = "2s"

const lockNotAvailable = "55P03"

func openTable(ctx context.Context, url string) (*table, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	_, err = conn.Exec(ctx, "SET lock_timeout = '"+patience+"'")
	if err == nil {
		_, err = conn.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(followerLock))
	}
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code == lockNotAvailable {
		err = fmt.Errorf("the database is being written to by another follower: %w", ErrTaken)
	}
	if err == nil {
		_, err = conn.Exec(ctx, schema)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close(ctx))
	}
	return &table{conn}, nil
}

// Place implements Sink. Of the whole log it reads every record again.
func (t *table) Place(ctx context.Context) (place follow.Place, err error) {
	var text string
	var taken int
	err = t.conn.QueryRow(ctx, "SELECT place, records FROM maillage_follower").Scan(&text, &taken)
	if errors.Is(err, pgx.ErrNoRows) {
		err = nil
	}
	if err == nil {
		err = place.UnmarshalText([]byte(text))
	}
	if err != nil {
		return place, err
	}
	return place, check(place, taken, func(yield func(*feedv1.Commit, error) bool) {
		rows, err := t.conn.Query(ctx, "SELECT position, subject, body FROM maillage_event ORDER BY position")
		if err != nil {
			yield(nil, err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			r := &feedv1.Record{}
			if err := rows.Scan(&r.Position, &r.Subject, &r.Body); err != nil {
				yield(nil, err)
				return
			}
			if !yield(&feedv1.Commit{Records: []*feedv1.Record{r}}, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(nil, err)
		}
	})
}

// Take implements Sink.
func (t *table) Take(ctx context.Context, b follow.Batch) error {
	text, err := b.After.MarshalText()
	if err != nil {
		return err
	}
	var rows [][]any
	for _, c := range b.Commits {
		records := c.GetRecords()
		for _, r := range records {
			rows = append(rows, []any{r.GetPosition(), r.GetSubject(), r.GetBody(), records[len(records)-1].GetPosition(), c.GetKnownTime().AsTime()})
		}
	}
	return pgx.BeginFunc(ctx, t.conn, func(tx pgx.Tx) error {
		if len(rows) > 0 {
			columns := []string{"position", "subject", "body", "commit_end", "known_time"}
			if _, err := tx.CopyFrom(ctx, pgx.Identifier{"maillage_event"}, columns, pgx.CopyFromRows(rows)); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, `INSERT INTO maillage_follower (place, records) VALUES ($1, $2)
			ON CONFLICT (one) DO UPDATE SET place = excluded.place, records = maillage_follower.records + excluded.records`, string(text), len(rows))
		return err
	})
}

// Close implements Sink.
func (t *table) Close() error { return t.conn.Close(context.Background()) }

package postgres

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/tlog"

	"maillage/services/bitemporal"
	"maillage/services/eventlog"
	"maillage/services/registry"
)

// drained is what one transaction brings into a schema.
type drained struct {
	logID   string
	closed  []registry.Row // that are there already
	opened  []registry.Row
	effects []effect
	loads   []load // all but closed, encoded
	leaf    tlog.Hash
}

// effect is a fact that rests on an act.
type effect struct {
	act string
	registry.Resting
}

// load is rows for one table as COPY takes them.
type load struct {
	into string // table and columns
	body []byte
	rows int
}

const (
	eventColumns  = "event (position, subject, body, known_time, commit_end)"
	effectColumns = "act_effect (act_id, position, line, context, disposition, label_id)"
)

func (d *drained) take(s *registry.State, after, to uint64) {
	changes := s.Changes(after, to)
	d.logID, d.effects = s.Identity().LogID, effectsOf(changes)
	for r := range changes.All() {
		if r.Version.KnownFrom <= after {
			d.closed = append(d.closed, r)
		} else {
			d.opened = append(d.opened, r)
		}
	}
}

func effectsOf(c registry.Changes) (all []effect) {
	for act, fact := range c.Effects() {
		all = append(all, effect{act, fact})
	}
	return all
}

// pack encodes what was taken, with the records.
func (s *Store) pack(ctx context.Context, d *drained, after, to uint64) error {
	slices.SortStableFunc(d.opened, byID)
	if err := d.packRows(); err != nil {
		return err
	}
	d.packEffects()
	return s.packRecords(ctx, d, after, to)
}

// byID keeps rows of one table together, and those of neighbouring ids: the indexes of large
// tables are then met page by page, which takes a quarter off what they cost.
func byID(a, b registry.Row) int {
	return cmp.Or(rank[a.Table]-rank[b.Table], strings.Compare(a.ID, b.ID))
}

// packRows encodes the rows opened, of which those of one table stand together.
func (d *drained) packRows() (err error) {
	for i := range d.opened {
		r := &d.opened[i]
		if i == 0 || r.Table != d.opened[i-1].Table {
			t := byName[r.Table]
			if t == nil {
				return fmt.Errorf("%w: table %s has no place in schema version %d", errUnfit, r.Table, schemaVersion)
			}
			d.loads = append(d.loads, load{into: t.name + " (" + t.list() + ")", body: []byte(copyHeader)})
		}
		l := &d.loads[len(d.loads)-1]
		if l.body, err = appendRow(l.body, r); err != nil {
			return err
		}
		l.rows++
	}
	return nil
}

func (d *drained) packEffects() {
	if len(d.effects) == 0 {
		return
	}
	l := load{into: effectColumns, body: []byte(copyHeader), rows: len(d.effects)}
	for _, e := range d.effects {
		context := "labelling"
		if e.Topology {
			context = "topology"
		} else if e.Activity {
			context = "activity"
		}
		disposition := ""
		if e.Disposition != 0 {
			disposition = strings.TrimPrefix(e.Disposition.String(), "DISPOSITION_")
		}
		b := appendText(appendCount(l.body, 6), e.act)
		b = appendInt4(appendInt8(b, int64(e.Position)), int32(e.Line))
		l.body = appendKnownText(appendKnownText(appendText(b, context), disposition), e.LabelID)
	}
	d.loads = append(d.loads, l)
}

// packRecords encodes the records after a position up to another, and keeps the leaf of the
// last.
func (s *Store) packRecords(ctx context.Context, d *drained, after, to uint64) error {
	l := load{into: eventColumns, body: []byte(copyHeader)}
	var end uint64
	var known time.Time
	var last eventlog.Record
	for r, err := range s.register.Records(ctx, after, to) {
		if err != nil {
			return fmt.Errorf("read the log after %d: %w", after, err)
		}
		if want := after + uint64(l.rows) + 1; r.Position != want {
			return &eventlog.HoleError{Position: want}
		}
		if r.Position > end {
			end = s.commitOf(r.Position)
			known = s.register.KnownTime(end)
		}
		b := appendText(appendInt8(appendCount(l.body, 5), int64(r.Position)), r.Subject)
		l.body = appendInt8(appendTime(appendBytes(b, r.Body), known), int64(end))
		l.rows++
		last = r
	}
	if last.Position != to {
		return &eventlog.HoleError{Position: last.Position + 1}
	}
	d.leaf = eventlog.LeafHash(last)
	d.loads = append(d.loads, l)
	return nil
}

// apply writes all of it and moves the cursor, or nothing.
func (d *drained) apply(ctx context.Context, conn *pgx.Conn, from, to cursor) error {
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		moved, err := tx.Exec(ctx, "update maillage.model set position = $3, leaf = $4, log_id = $5 where schema = $1 and position = $2 and state in ('LIVE', 'FILLING')",
			from.schema, int64(from.position), int64(to.position), d.leaf[:], d.logID)
		if err != nil {
			return err
		}
		if moved.RowsAffected() != 1 {
			return errTaken
		}
		if err := d.close(ctx, tx, from.schema); err != nil {
			return err
		}
		if err := copyAll(ctx, tx, from.schema, d.loads); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "select pg_notify($1, $2)", channel, fmt.Sprint(from.schema, " ", to.position))
		return err
	})
	if err != nil {
		return fmt.Errorf("bring positions %d to %d into %s: %w", from.position+1, to.position, from.schema, err)
	}
	return nil
}

func copyAll(ctx context.Context, tx pgx.Tx, schema string, loads []load) error {
	for _, l := range loads {
		done, err := tx.Conn().PgConn().CopyFrom(ctx, bytes.NewReader(append(l.body, copyTrailer...)), "copy "+schema+"."+l.into+" from stdin (format binary)")
		if err != nil {
			return err
		}
		if int(done.RowsAffected()) != l.rows {
			return fmt.Errorf("%w: %d of %d came into %s", errUnfit, done.RowsAffected(), l.rows, l.into)
		}
	}
	return nil
}

// close ends the known time of rows that are there already.
func (d *drained) close(ctx context.Context, tx pgx.Tx, schema string) error {
	slices.SortStableFunc(d.closed, byID)
	for len(d.closed) > 0 {
		n := slices.IndexFunc(d.closed, func(r registry.Row) bool { return r.Table != d.closed[0].Table })
		if n < 0 {
			n = len(d.closed)
		}
		if err := closeIn(ctx, tx, schema, d.closed[:n]); err != nil {
			return err
		}
		d.closed = d.closed[n:]
	}
	return nil
}

func closeIn(ctx context.Context, tx pgx.Tx, schema string, rows []registry.Row) error {
	var (
		ids      = make([]string, len(rows))
		from, to = make([]int64, len(rows)), make([]int64, len(rows))
		days     = make([]int32, len(rows)) // from 1970-01-01; the least is no first day
	)
	for i, r := range rows {
		ids[i], from[i], to[i], days[i] = r.ID, int64(r.Version.KnownFrom), int64(r.Version.KnownTo), int32(r.Version.Valid.From)
		if r.Version.Valid.From == bitemporal.Past {
			days[i] = math.MinInt32
		}
	}
	name := schema + "." + rows[0].Table
	done, err := tx.Exec(ctx, "update "+name+` t set known = int8range(c.known_from, c.known_to)
		from unnest($1::text[], $2::bigint[], $3::bigint[], $4::integer[]) as c (id, known_from, known_to, days)
		where t.id = c.id and `+lasting+` = 9223372036854775807 and lower(t.known) = c.known_from
		and lower(t.valid) is not distinct from date '1970-01-01' + nullif(c.days, -2147483648)`, ids, from, to, days)
	if err != nil {
		return err
	}
	if n := int(done.RowsAffected()); n != len(rows) {
		return fmt.Errorf("%w: %d of %d that end are not in %s as they were, of those from %s to %s", errUnfit, len(rows)-n, len(rows), name, rows[0].ID, rows[len(rows)-1].ID)
	}
	return nil
}

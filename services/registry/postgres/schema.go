package postgres

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"maillage/services/registry"
)

// schemaVersion is that of all that is written here: tables, columns, what stands in them,
// and indexes. A binary of another version fills a schema of its own.
const schemaVersion = 4

// lasting is the position at which a version is no longer believed, the highest there is
// while it still is. As an index has it after an id, it leads past all versions of before
// a position.
const lasting = "coalesce(upper(known), 9223372036854775807)"

// room is left in the pages of indexes by ids, which come in at random: what they would leave
// in the long run. Without it nearly every page is split soon after a rebuild, by a tenth more
// rows, which takes a fifth of the time of their commits.
const room = " with (fillfactor = 70)"

// modelDDL makes what is never rebuilt: which schemas there are, and how far they have come.
const modelDDL = `
create schema if not exists maillage;
comment on schema maillage is 'Which schemas hold the register, and how far they have come';
create extension if not exists btree_gist with schema maillage;
create sequence if not exists maillage.number;
comment on sequence maillage.number is 'Numbers of the schemas maillage_1, maillage_2...: none is used again';
create table if not exists maillage.model (
	schema text primary key,
	version integer not null,
	state text not null check (state in ('LIVE', 'FILLING', 'STOPPED', 'KEPT')),
	log_id text not null default '',
	position bigint not null default 0,
	leaf bytea not null default '',
	target bigint not null default 0,
	phase text not null default '',
	failed text
);
comment on table maillage.model is 'A schema that holds the register, or is being filled with it';
comment on column maillage.model.schema is 'Its name';
comment on column maillage.model.version is 'Version of its tables and columns';
comment on column maillage.model.state is 'LIVE: it is read; FILLING, STOPPED: not yet; KEPT: no longer';
comment on column maillage.model.log_id is 'The log that it comes from';
comment on column maillage.model.position is 'Position of the log up to which its rows are complete';
comment on column maillage.model.leaf is 'Leaf hash of the record at that position';
comment on column maillage.model.target is 'Position that it is filled at before it catches up; 0 before that is settled';
comment on column maillage.model.phase is 'What is being done while it is filled';
comment on column maillage.model.failed is 'Why its filling failed';
create unique index if not exists model_live on maillage.model (state) where state = 'LIVE';
create unique index if not exists model_filling on maillage.model ((true)) where state in ('FILLING', 'STOPPED');
create table if not exists maillage.filled (
	schema text references maillage.model on delete cascade,
	part text,
	done bigint not null default 0,
	total bigint not null,
	primary key (schema, part)
);
comment on table maillage.filled is 'How far the filling of a schema has come';
comment on column maillage.filled.schema is 'The schema';
comment on column maillage.filled.part is 'rows, records, indexes';
comment on column maillage.filled.done is 'So many of them are in';
comment on column maillage.filled.total is 'So many there are';
`

// table is a two-time table: what every row has, then columns of its own.
type table struct {
	name, comment string
	columns       []column
	indexes       []string // what follows the name of the table in CREATE INDEX; each has a name after its place
}

// column is derived from the value of a row alone (or its id), so that analysts need not
// decode it and rows can be found by it. Nothing is answered from it.
type column struct {
	name, kind, comment string
	put                 func(b []byte, id string, value proto.Message) []byte // as COPY takes it
}

// Columns that every two-time table has.
const common = "id, key, valid, known, since, value"

var comments = map[string]string{
	"id":    "Id of the entity; one has a row for each version of it",
	"key":   "The id as a number, where it is one that the register mints",
	"valid": "Days on which this version holds, in Europe/Paris",
	"known": "Positions of the log at which it is believed; without an end while it still is",
	"since": "Position of the log at which the first version of its entity was recorded",
	"value": "The version itself, a message encoded deterministically: what the other columns are derived from",
}

// tableNames are all tables of a schema.
func tableNames() []string {
	names := []string{"event", "act_effect"}
	for i := range tables {
		names = append(names, tables[i].name)
	}
	return names
}

// tables by name.
var byName = func() map[string]*table {
	all := make(map[string]*table, len(tables))
	for i := range tables {
		all[tables[i].name] = &tables[i]
	}
	return all
}()

func (t *table) list() string {
	names := []string{common}
	for _, c := range t.columns {
		names = append(names, c.name)
	}
	return strings.Join(names, ", ")
}

// creation makes the tables of a schema, without any index. Ranges are stored as they are
// worked with, in indexes too: GiST looks at some hundreds of them for each row that comes in,
// and to copy each, as it must where they are stored with a short header, takes a fifth of
// the time of a commit.
func creation(schema string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "create schema %s; comment on schema %[1]s is 'The register, version %d of the tables; made from the log, and made anew at will';\n", schema, schemaVersion)
	for i := range tables {
		t := &tables[i]
		fmt.Fprintf(&b, "create table %s.%s (id text collate \"C\" not null, key bigint, valid daterange not null check (not isempty(valid)), known int8range not null check (not isempty(known)), since bigint not null, value bytea not null", schema, t.name)
		for _, c := range t.columns {
			fmt.Fprintf(&b, ", %s %s", c.name, c.kind)
		}
		fmt.Fprintf(&b, ");\nalter table %s.%s alter valid set storage plain, alter known set storage plain;\n", schema, t.name)
		fmt.Fprintf(&b, "comment on table %s.%s is %s;\n", schema, t.name, quoted(t.comment))
		for name := range strings.SplitSeq(common, ", ") {
			fmt.Fprintf(&b, "comment on column %s.%s.%s is %s;\n", schema, t.name, name, quoted(comments[name]))
		}
		for _, c := range t.columns {
			fmt.Fprintf(&b, "comment on column %s.%s.%s is %s;\n", schema, t.name, c.name, quoted(c.comment))
		}
	}
	b.WriteString(strings.ReplaceAll(othersDDL, "SCHEMA", schema))
	return b.String()
}

const othersDDL = `
create table SCHEMA.act_effect (act_id text collate "C" not null, position bigint not null, line integer not null, context text not null, disposition text, label_id text collate "C");
comment on table SCHEMA.act_effect is 'A fact that rests on an act';
comment on column SCHEMA.act_effect.act_id is 'The act';
comment on column SCHEMA.act_effect.position is 'Position of the fact in the log';
comment on column SCHEMA.act_effect.line is 'Line of the annex of the act; 0 for none';
comment on column SCHEMA.act_effect.context is 'What it is a fact of: labelling, topology, activity';
comment on column SCHEMA.act_effect.disposition is 'What is done to the label';
comment on column SCHEMA.act_effect.label_id is 'The label that something is done to';
create table SCHEMA.event (position bigint not null, subject text collate "C" not null, body bytea not null, known_time timestamptz not null, commit_end bigint not null);
comment on table SCHEMA.event is 'The records of the log as they are';
comment on column SCHEMA.event.position is 'Place in the log, from 1';
comment on column SCHEMA.event.subject is 'registry.<context>.<kind>.<id>';
comment on column SCHEMA.event.body is 'The event, encoded';
comment on column SCHEMA.event.known_time is 'When it became known';
comment on column SCHEMA.event.commit_end is 'Last position of the commit that it is part of';
`

// An indexing is a step of making a schema fast and guarded once it is filled.
type indexing struct {
	table, do  string
	constraint string // that it adds, which cannot be said to be added only where missing
}

// indexings of a schema whose tables hold so many rows. Constraints come first, those that
// take longest at the head: meanwhile nothing else is done to their table, so its indexes
// come at the end. They compare ids as numbers where they can: GiST takes six times as long
// over texts. Two rows of one entity that begin on the same day and position overlap: no index
// need be unique.
func indexings(schema string, rows map[string]int) (all []indexing) {
	exclude := func(t table, by, where string) string {
		return fmt.Sprintf("add constraint %s_%s_once exclude using gist (%[2]s with =, valid with &&, known with &&)%[4]s where (%[3]s)", t.name, by, where, room)
	}
	index := func(table string, n int, unique, on string) {
		all = append(all, indexing{table, fmt.Sprintf("create %sindex if not exists %s_%d on %s.%[2]s %[5]s", unique, table, n, schema, on), ""})
	}
	large := slices.Clone(tables)
	slices.SortStableFunc(large, func(a, b table) int { return rows[b.name] - rows[a.name] })
	for _, t := range large {
		both := exclude(t, "key", "key is not null") + ", " + exclude(t, "id", "key is null")
		all = append(all, indexing{t.name, fmt.Sprintf("alter table %s.%s %s", schema, t.name, both), t.name + "_key_once"})
	}
	index("event", 1, "unique ", "(position)")
	index("act_effect", 1, "unique ", "(act_id, position)")
	for _, t := range slices.Backward(large) {
		index(t.name, 1, "", believing("id"))
		for n, on := range t.indexes {
			index(t.name, 2+n, "", on)
		}
		if slices.Contains(smallTables, t.name) {
			index(t.name, 2+len(t.indexes), "", "(lower(known))")
			index(t.name, 3+len(t.indexes), "", "(upper(known)) where not upper_inf(known)")
		}
	}
	return all
}

func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// rank is the place of a row's table in the order in which tables are filled.
var rank = func() map[string]int {
	all := make(map[string]int, len(tables))
	for i := range tables {
		all[tables[i].name] = i
	}
	return all
}()

// appendRow appends a row of one of the tables as COPY takes it.
func appendRow(b []byte, r *registry.Row) ([]byte, error) {
	t := byName[r.Table]
	b = appendCount(b, 6+len(t.columns))
	b = appendText(b, r.ID)
	b = appendKey(b, r.ID)
	b = appendDays(b, r.Version.Valid)
	b = appendPositions(b, r.Version.KnownFrom, r.Version.KnownTo)
	b = appendInt8(b, int64(r.Since))
	value := r.Value()
	b, err := appendSized(b, func(b []byte) ([]byte, error) { return registry.AppendValue(b, value) })
	if err != nil {
		return nil, fmt.Errorf("%w: %s of %s: %w", errUnfit, r.ID, r.Table, err)
	}
	for i := range t.columns {
		b = t.columns[i].put(b, r.ID, value)
	}
	return b, nil
}

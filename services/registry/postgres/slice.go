package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/labelling"
	"maillage/services/registry"
	"maillage/services/registry/lens"
	"maillage/services/registry/query"
)

// Tables by how they are read. What is in a small one is brought with all its versions
// and kept until something changes in one of them; of the others a part is brought.
var (
	smallTables = []string{
		"establishments", "networks", "filieres", "platforms", "continuities", "plans",
		"cycles", "acts", "missions", "periods",
	}
	largeTables    = []string{"centres", "links", "aliases", "labels", "assertions", "offices", "campaigns", "drafts"}
	activityTables = []string{"reports", "undertakings", "measures"}
)

// A slice is the part of the register that is brought for a question, in rounds: what one
// brings says what the next one is to look for. All its statements read rows of positions
// that do not change any more, so that they need no snapshot in common.
type slice struct {
	schema string
	need   query.Need
	latest int64 // position looked at
	known  []int64

	rows    map[rowKey]registry.Row
	first   map[entityKey]uint64           // position at which it was first recorded, where versions were left out
	values  map[entityKey]map[uint64][]any // by hash: a value that goes on is one value
	effects []onAct
	shown   map[string]bool // labels
	stale   bool            // the small tables changed since they were kept
}

type entityKey struct{ table, id string }

type rowKey struct {
	entityKey
	from  bitemporal.Date
	known uint64
}

// onAct is a fact that rests on an act.
type onAct struct {
	act     string
	resting registry.Resting
}

func newSlice(schema string, need query.Need) *slice {
	s := &slice{
		schema: schema, need: need, latest: int64(max(slices.Max(need.Known), need.To)),
		rows: map[rowKey]registry.Row{}, first: map[entityKey]uint64{}, values: map[entityKey]map[uint64][]any{}, shown: map[string]bool{},
	}
	for _, known := range need.Known {
		s.known = append(s.known, int64(known))
	}
	slices.Sort(s.known)
	s.known = slices.Compact(s.known)
	return s
}

// A statement is one of a round; take is given its rows, as they come.
type statement struct {
	sql  string
	args []any
	take func(pgx.Rows) error
}

// believed says that a row is looked at as believed at one of the positions: it goes into
// the place of a condition, for which the first five arguments are. What comes before the
// brackets follows from what is in them: indexes lead there.
const believed = lasting + ` > $1 and lower(t.known) <= $2 and (t.known @> any($3::int8[]) or t.known && int8range($4, $5))`

func (s *slice) positions(more ...any) []any {
	earliest, from, to := s.known[0], int64(s.need.From), int64(s.need.To)
	if to > 0 {
		earliest = min(earliest, from)
		to++ // else an empty range, which nothing overlaps
	}
	return append([]any{earliest, s.latest, s.known, from, to}, more...)
}

// at asks for rows of a table believed at the positions, t, and for when each entity was
// first recorded. A condition is about t, with more arguments from $6 on.
func (s *slice) at(table, where string, more ...any) statement {
	return statement{
		sql:  s.in(`select t.id, t.valid, t.known, t.value, t.since from $S.` + table + ` t where ` + believed + ` and (` + where + `)`),
		args: s.positions(more...),
		take: s.taker(table),
	}
}

// ever asks for all versions of a table for which a condition holds.
func (s *slice) ever(table, where string, args ...any) statement {
	return statement{
		sql:  s.in(`select t.id, t.valid, t.known, t.value, null::int8 from $S.` + table + ` t where ` + where),
		args: args,
		take: s.taker(table),
	}
}

// effectsOf asks for the facts that rest on an act.
func (s *slice) effectsOf(act string) statement {
	return statement{
		sql:  s.in(`select act_id, position, line, context, coalesce(disposition, ''), coalesce(label_id, '') from $S.act_effect where act_id = $1`),
		args: []any{act},
		take: func(rows pgx.Rows) error {
			var e onAct
			var position, line int64
			var context, disposition string
			if err := rows.Scan(&e.act, &position, &line, &context, &disposition, &e.resting.LabelID); err != nil {
				return err
			}
			e.resting.Position, e.resting.Line = uint64(position), uint32(line)
			e.resting.Topology, e.resting.Activity = context == "topology", context == "activity"
			e.resting.Disposition = labellingv1.Disposition(labellingv1.Disposition_value["DISPOSITION_"+disposition])
			s.effects = append(s.effects, e)
			return nil
		},
	}
}

// in names the schema.
func (s *slice) in(sql string) string { return strings.ReplaceAll(sql, "$S", s.schema) }

// taker decodes rows of a table, as known at the position looked at.
func (s *slice) taker(table string) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		raw := rows.RawValues()
		valid, err := days(raw[1])
		if err != nil {
			return err
		}
		from, to, err := positions(raw[2])
		if err != nil {
			return err
		}
		if from > uint64(s.latest) {
			return nil
		}
		if to > uint64(s.latest) {
			to = registry.StillKnown
		}
		entity := entityKey{table, string(raw[0])}
		key := rowKey{entity, valid.From, from}
		if _, there := s.rows[key]; there {
			return nil
		}
		value, err := s.value(entity, raw[3])
		if err != nil {
			return fmt.Errorf("row %s of %s: %w", entity.id, table, err)
		}
		if len(raw[4]) == 8 {
			s.first[entity] = binary.BigEndian.Uint64(raw[4])
		}
		s.rows[key] = registry.Row{Table: table, ID: entity.id, Version: bitemporal.Version[any]{Valid: valid, KnownFrom: from, KnownTo: to, Value: value}}
		return nil
	}
}

// value decodes a value, or finds it among those of the entity: what goes on as it was,
// beside what changed, is compared as one.
func (s *slice) value(entity entityKey, encoded []byte) (any, error) {
	hash := hashOf(encoded)
	met := s.values[entity]
	v, err := registry.Decode(entity.table, encoded)
	if err != nil {
		return nil, err
	}
	one, is := v.(proto.Message)
	if !is {
		return v, nil
	}
	for _, other := range met[hash] {
		if proto.Equal(one, other.(proto.Message)) {
			return other, nil
		}
	}
	if met == nil {
		met = map[uint64][]any{}
		s.values[entity] = met
	}
	met[hash] = append(met[hash], v)
	return v, nil
}

// all yields the rows and, of an entity whose first version was left out, one believed
// nowhere that says only when that was recorded: labels of one holder are ordered by it.
func (s *slice) all() iter.Seq[registry.Row] {
	return func(yield func(registry.Row) bool) {
		for key, row := range s.rows {
			if row.Version.KnownFrom == s.first[key.entityKey] {
				delete(s.first, key.entityKey)
			}
		}
		for key, row := range s.rows {
			if first, left := s.first[key.entityKey]; left {
				before := row
				before.Version.KnownFrom, before.Version.KnownTo = first, first
				delete(s.first, key.entityKey)
				if !yield(before) {
					return
				}
			}
			if !yield(row) {
				return
			}
		}
	}
}

func (s *slice) resting() iter.Seq2[string, registry.Resting] {
	return func(yield func(string, registry.Resting) bool) {
		for _, e := range s.effects {
			if !yield(e.act, e.resting) {
				return
			}
		}
	}
}

// rounds brings what is needed.
func (s *slice) rounds(ctx context.Context, ask func(context.Context, ...statement) error) error {
	first := s.past(s.need.Past)
	if s.need.Act != "" {
		first = append(first, s.effectsOf(s.need.Act), s.ever("assertions", `t.act_id = any($1)`, []string{s.need.Act}))
	}
	part := s.need.Part
	if part == nil {
		if err := ask(ctx, append(first, s.whole()...)...); err != nil {
			return err
		}
		return ask(ctx, s.done()...)
	}
	first = slices.Concat(first, s.entities(part.Entities), s.about(part.About))
	if part.Bounds != nil {
		first = append(first, s.matching(part.Bounds)...)
	}
	first = append(first, s.called(part.Alias)...)
	if len(part.Labels) > 0 {
		if first = append(first, s.labels(part.Labels)); len(first) == 1 {
			return ask(ctx, first...)
		}
	}
	if err := ask(ctx, first...); err != nil {
		return err
	}
	if s.need.Act != "" {
		if err := ask(ctx, s.done()...); err != nil {
			return err
		}
	}
	second := s.beside()
	if len(part.About) > 0 {
		second = append(second, s.held(part.About)...)
	}
	if err := ask(ctx, second...); err != nil || len(part.About) == 0 {
		return err
	}
	return ask(ctx, s.said()...)
}

// whole asks for all that is believed at the positions.
func (s *slice) whole() (all []statement) {
	for _, table := range largeTables {
		all = append(all, s.at(table, "true"))
	}
	if s.need.Activity {
		for _, table := range activityTables {
			all = append(all, s.at(table, "true"))
		}
	}
	return all
}

// past asks for every version of what is under ids.
func (s *slice) past(ids []string) (all []statement) {
	if len(ids) == 0 {
		return nil
	}
	for _, table := range slices.Concat(largeTables, activityTables) {
		switch table {
		case "labels":
			all = append(all, s.labelsEver(ids)...)
		case "measures":
			all = append(all, s.ever(table, `t.site_id = any($1)`, ids))
		default:
			all = append(all, s.ever(table, `t.id = any($1)`, ids))
		}
	}
	return all
}

// labelsEver asks for every version of labels and of those that go on from them.
func (s *slice) labelsEver(ids []string) []statement {
	if len(ids) == 0 {
		return nil
	}
	return []statement{s.ever("labels", `t.id = any($1 || array(select n.successor_id from $S.labels n where n.id = any($1) and n.successor_id is not null))`, ids)}
}

func (s *slice) entities(ids []string) []statement {
	if len(ids) == 0 {
		return nil
	}
	return []statement{s.at("centres", `t.id = any($6)`, ids), s.at("campaigns", `t.id = any($6)`, ids)}
}

// called asks for every version of the aliases of a value.
func (s *slice) called(folded string) []statement {
	if folded == "" {
		return nil
	}
	return []statement{s.ever("aliases", `t.folded = $1`, folded)}
}

// showing notes which labels a statement brings: those that are shown.
func (s *slice) showing(one statement) statement {
	take := one.take
	one.take = func(rows pgx.Rows) error {
		s.shown[string(rows.RawValues()[0])] = true
		return take(rows)
	}
	return one
}

// matching asks for the labels that are within the bounds of a list.
func (s *slice) matching(b *lens.Bounds) (all []statement) {
	var roles []string
	for _, r := range b.Roles {
		if r == labellingv1.Role_ROLE_UNSPECIFIED { // it stands as NULL
			roles = nil
			break
		}
		roles = append(roles, strings.TrimPrefix(r.String(), "ROLE_"))
	}
	within := func(where string, ids []string) {
		if len(ids) > 0 {
			where += ` and ($7::text[] is null or t.cycle_id = any($7)) and ($8::text[] is null or t.role = any($8))`
			all = append(all, s.showing(s.at("labels", where, ids, b.Cycles, roles)))
		}
	}
	within(`t.network_id = any($6)`, b.Networks)
	within(`t.holder_id = any($6)`, b.Holders)
	within(`t.centre_id = any(array(select t.id from $S.centres t where t.establishment_ids && $6::text[] and `+believed+`))`, b.Establishments)
	return all
}

// done asks for every version of the labels that something is done to by the facts that
// were met, which are shown.
func (s *slice) done() []statement {
	var labels []string
	for _, e := range s.effects {
		if id := e.resting.LabelID; id != "" {
			labels = append(labels, id)
		}
	}
	all := s.labelsEver(labels)
	for i := range all {
		all[i] = s.showing(all[i])
	}
	return all
}

// labels asks for labels that are shown and, at once, for what beside would ask for of them.
func (s *slice) labels(ids []string) statement {
	takes := make([]func(pgx.Rows) error, len(labelTables))
	for i, table := range labelTables {
		takes[i] = s.taker(table)
	}
	takes[0] = s.showing(statement{take: takes[0]}).take
	return statement{
		sql:  s.in(labelSQL),
		args: s.positions(ids),
		take: func(rows pgx.Rows) error { return takes[binary.BigEndian.Uint32(rows.RawValues()[5])](rows) },
	}
}

// labelTables are the tables that labelSQL reads, in its order, and columns of rows.
var labelTables = []string{"labels", "labels", "labels", "centres", "offices", "assertions"}

// labelSQL is one statement, for each takes as long to begin as to answer.
var labelSQL = func() string {
	const row = "t.id, t.valid, t.known, t.value, t.since"
	var sql strings.Builder
	sql.WriteString(`with shown as materialized (select ` + row + `, t.holder_id, t.centre_id, t.successor_id from $S.labels t where ` + believed + ` and t.id = any($6))
		select ` + row + `, 0 from shown t`)
	for i, where := range []string{
		`t.id = any(array(select successor_id from shown))`,
		`t.holder_id = any(array(select holder_id from shown))`,
		`t.id = any(array(select centre_id from shown))`,
		`t.holder_id = any(array(select holder_id from shown))`,
		`t.entity_id = any($6 || array(select holder_id from shown))`,
	} {
		fmt.Fprintf(&sql, "\n\t\tunion all select %s, %d from $S.%s t where %s and %s", row, i+1, labelTables[i+1], believed, where)
	}
	return sql.String()
}()

// beside asks for all that the status of the labels that are shown, and what is printed of
// them, hang on: the labels of their holders and those that go on from them, whatever the
// position of the version that says so.
func (s *slice) beside() []statement {
	if len(s.shown) == 0 {
		return nil
	}
	ids := slices.Collect(maps.Keys(s.shown))
	holders, centres, successors := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for key, row := range s.rows {
		l, is := row.Version.Value.(*labellingv1.Label)
		if is && s.shown[key.id] {
			holders[labelling.HolderID(l.GetHolder())], centres[l.GetHolder().GetSite().GetCentreId()] = true, true
			successors[l.GetSuccessorId()] = true
		}
	}
	for _, of := range []map[string]bool{holders, centres, successors} {
		delete(of, "")
	}
	about := slices.AppendSeq(slices.Clone(ids), maps.Keys(holders))
	of := func(ids map[string]bool) []string { return slices.Collect(maps.Keys(ids)) }
	return slices.DeleteFunc([]statement{
		s.at("labels", `t.id = any($6)`, of(successors)),
		s.at("labels", `t.holder_id = any($6)`, of(holders)),
		s.at("centres", `t.id = any($6)`, of(centres)),
		s.at("offices", `t.holder_id = any($6)`, of(holders)),
		s.at("assertions", `t.entity_id = any($6)`, about),
	}, func(one statement) bool { return len(one.args[5].([]string)) == 0 })
}

// about asks for every version of what is under ids or names them.
func (s *slice) about(ids []string) []statement {
	if len(ids) == 0 {
		return nil
	}
	all := []statement{
		s.ever("labels", `t.holder_id = any($1)`, ids),
		s.ever("labels", `t.centre_id = any($1)`, ids),
		s.ever("offices", `t.holder_id = any($1)`, ids),
		s.ever("links", `t.from_id = any($1) or t.to_id = any($1) or t.network_id = any($1)`, ids),
		s.ever("aliases", `t.entity_id = any($1)`, ids),
		s.ever("reports", `t.reporter_id = any($1)`, ids),
		s.ever("undertakings", `t.holder_id = any($1)`, ids),
		s.ever("campaigns", `t.network_ids && $1`, ids),
	}
	for _, id := range ids {
		all = append(all, s.effectsOf(id))
	}
	return slices.Concat(all, s.past(ids))
}

// held asks for what the sites hold and do of the centres that are asked about.
func (s *slice) held(about []string) []statement {
	sites := map[string]bool{}
	for _, row := range s.rows {
		l, _ := row.Version.Value.(*labellingv1.Label)
		if site := l.GetHolder().GetSite(); slices.Contains(about, site.GetCentreId()) {
			sites[site.GetSiteId()] = true
		}
	}
	of := slices.Collect(maps.Keys(sites))
	return []statement{
		s.ever("labels", `t.holder_id = any($1)`, of),
		s.ever("offices", `t.holder_id = any($1)`, of),
		s.ever("reports", `t.reporter_id = any($1)`, of),
		s.ever("undertakings", `t.holder_id = any($1)`, of),
		s.ever("measures", `t.site_id = any($1)`, of),
		s.ever("aliases", `t.entity_id = any($1)`, of),
	}
}

// said asks for what sources say of all that was met, or was settled to be about it, for
// the versions of it that say something else, and for what names the ends of the links.
func (s *slice) said() []statement {
	ids, ends := slices.Clone(s.need.Part.About), []string{}
	for key, row := range s.rows {
		ids = append(ids, key.id)
		switch v := row.Version.Value.(type) {
		case *labellingv1.Label:
			ids = append(ids, v.GetHolder().GetSite().GetSiteId())
		case *topologyv1.Link:
			ends = append(ends, v.GetFromId(), v.GetToId())
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	return []statement{
		s.ever("labels", `t.id = any($1)`, ids),
		s.ever("offices", `t.id = any($1)`, ids),
		s.ever("reports", `t.id = any($1)`, ids),
		s.ever("undertakings", `t.id = any($1)`, ids),
		s.ever("assertions", `t.entity_id = any($1)`, ids),
		s.ever("assertions", `t.settled_label_id = any($1)`, ids),
		s.ever("assertions", `t.act_id = any($1)`, ids),
		s.at("labels", `t.holder_id = any($6)`, ends),
		s.at("centres", `t.id = any($6::text[] || array(select t.centre_id from $S.labels t where t.holder_id = any($6) and `+believed+` and t.centre_id is not null))`, ends),
	}
}

var errRange = errors.New("not a range as PostgreSQL sends it")

// bounds reads a range: each bound is nil where there is none.
func bounds(b []byte) (lower, upper []byte, err error) {
	if len(b) == 0 || b[0]&rangeEmpty != 0 {
		return nil, nil, errRange
	}
	flags, b := b[0], b[1:]
	next := func(unbounded byte) (one []byte) {
		if flags&unbounded != 0 || err != nil {
			return nil
		}
		if len(b) < 4 || len(b) < 4+int(binary.BigEndian.Uint32(b)) {
			err = errRange
			return nil
		}
		n := 4 + int(binary.BigEndian.Uint32(b))
		one, b = b[4:n], b[n:]
		return one
	}
	return next(lowerUnbounded), next(upperUnbounded), err
}

const rangeEmpty = 0x01

func days(b []byte) (v bitemporal.Interval, err error) {
	lower, upper, err := bounds(b)
	v = bitemporal.Interval{From: bitemporal.Past, To: bitemporal.Future}
	if len(lower) == 4 {
		v.From = bitemporal.Date(int32(binary.BigEndian.Uint32(lower)) + daysTo2000)
	}
	if len(upper) == 4 {
		v.To = bitemporal.Date(int32(binary.BigEndian.Uint32(upper)) + daysTo2000)
	}
	return v, err
}

func positions(b []byte) (from, to uint64, err error) {
	lower, upper, err := bounds(b)
	if err != nil || len(lower) != 8 {
		return 0, 0, errRange
	}
	from, to = binary.BigEndian.Uint64(lower), registry.StillKnown
	if len(upper) == 8 {
		to = binary.BigEndian.Uint64(upper)
	}
	return from, to, nil
}

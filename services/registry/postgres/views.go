package postgres

import (
	"crypto/sha256"
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"maillage/services/identifier"
)

var (
	//go:embed views.sql
	viewsSQL string
	//go:embed views_label.sql
	labelsSQL string
)

const (
	// today is the day it is for the register.
	today = "(now() at time zone 'Europe/Paris')::date"
	// head is the position up to which all rows are there.
	head = "(select position from maillage.model where state = 'LIVE')"
)

// shown are the tables that analysts see as they are, as views with the names of one of
// their entities. Drafts are not yet part of the register.
var shown = []struct{ table, view, id string }{
	{"establishments", "establishment", "establishment_id"},
	{"centres", "centre", "centre_id"},
	{"networks", "network", "network_id"},
	{"filieres", "filiere", "filiere_id"},
	{"platforms", "platform", "platform_id"},
	{"links", "link", "link_id"},
	{"continuities", "continuity", "continuity_id"},
	{"plans", "plan", "plan_id"},
	{"aliases", "alias", "alias_id"},
	{"cycles", "cycle", "cycle_id"},
	{"acts", "act", "act_id"},
	{"labels", "label_history", "label_id"},
	{"assertions", "assertion", "assertion_id"},
	{"offices", "office", "office_id"},
	{"campaigns", "campaign", "campaign_id"},
	{"missions", "mission_set", "mission_set_id"},
	{"periods", "reporting_period", "reporting_period_id"},
	{"reports", "report", "report_id"},
	{"undertakings", "undertaking", "undertaking_id"},
	{"measures", "measure", "measure_id"},
}

// hidden are columns that no analyst needs: what persons go by, and what search does.
var hidden = []string{"person_id", "folded"}

// views is the SQL that shows a schema to analysts, in the schema register, and to the role
// maillage_reader, which is made where that is allowed. Where the views are still those
// that a former schema was shown by, they are only turned to the new one, so that what
// analysts built upon them stays; else they are made anew.
func views(schema string) string {
	var b strings.Builder
	for _, one := range shown {
		t := byName[one.table]
		name := "register." + one.view
		list, said := fmt.Sprintf("id as %s, valid, known, coalesce(upper_inf(known) and valid @> TODAY, false) as current", one.id), ""
		comment := func(column, text string) {
			said += fmt.Sprintf("comment on column %s.%s is %s;\n", name, column, quoted(text))
		}
		comment(one.id, "Its id; one has a row for each version of it that was ever believed")
		comment("valid", comments["valid"])
		comment("known", comments["known"])
		comment("current", "This version holds today and is still believed")
		for _, c := range t.columns {
			if !slices.Contains(hidden, c.name) {
				list += ", " + c.name
				comment(c.name, c.comment)
			}
		}
		fmt.Fprintf(&b, "create or replace view %s as select %s from SCHEMA.%s;\ncomment on view %[1]s is %[4]s;\n%[5]s", name, list, one.table, quoted(t.comment), said)
	}
	b.WriteString(viewsSQL)
	var departments []string
	for d := range identifier.Departments() {
		departments = append(departments, fmt.Sprintf("(%s, %s, %s, %s)", quoted(d.Code), quoted(d.Name), quoted(d.RegionCode), quoted(d.Region)))
	}
	all := labelsCall.ReplaceAllStringFunc(b.String(), func(call string) string {
		of := labelsCall.FindStringSubmatch(call)
		return strings.NewReplacer("VALID", of[1], "KNOWN", of[2]).Replace(strings.TrimSpace(labelsSQL))
	})
	all = strings.NewReplacer("TODAY", today, "HEAD", head, "DEPARTMENTS", strings.Join(departments, ", ")).Replace(all)
	mark := fmt.Sprintf("%x", sha256.Sum256([]byte(all)))[:12]
	return fmt.Sprintf(viewsBegin, mark) + strings.ReplaceAll(all, "SCHEMA", schema) + readerRole
}

// labelsCall is where the labels of a day, as known at a position, are asked for.
var labelsCall = regexp.MustCompile(`LABELS\(([^,()]+), ([^,()]+)\)`)

const viewsBegin = `
do $do$ begin
	if coalesce(obj_description(to_regnamespace('register'), 'pg_namespace'), '') not like '%%[%[1]s]' then
		drop schema if exists register cascade;
	end if;
end $do$;
create schema if not exists register;
comment on schema register is 'The register for analysts: views and functions to read, with comments on every column; they move with the tables behind them [%[1]s]';
`

// readerRole makes the role that may read the views and nothing else. A login is given it
// by whoever runs the database: grant maillage_reader to somebody.
const readerRole = `
do $do$ begin
	if to_regrole('maillage_reader') is null then
		begin
			create role maillage_reader nologin;
		exception
			when duplicate_object or unique_violation then null; -- by another process
			when insufficient_privilege then raise warning 'the role maillage_reader is missing and cannot be made: nobody but the owner may read the schema register';
		end;
	end if;
	if to_regrole('maillage_reader') is not null then
		grant usage on schema register to maillage_reader;
		grant select on all tables in schema register to maillage_reader;
		grant execute on all functions in schema register to maillage_reader;
	end if;
end $do$;
`

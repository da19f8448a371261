-- What analysts read, but for the views of single tables, which stand before this. What is
-- written in capitals is put there by views.go.

create or replace view register.head as
select m.position, e.known_time, m.schema, m.version, m.log_id
from maillage.model m left join SCHEMA.event e on e.position = m.position
where m.state = 'LIVE';
comment on view register.head is 'How far the register is here: one row';
comment on column register.head.position is 'Position of the log up to which everything shown is complete; cite it with what you publish';
comment on column register.head.known_time is 'When that position became known';
comment on column register.head.schema is 'The schema that is read, made from the log and replaced as a whole';
comment on column register.head.version is 'Version of its tables';
comment on column register.head.log_id is 'The log that it comes from';

create or replace view register.record as
select position, known_time, commit_end, subject from SCHEMA.event;
comment on view register.record is 'What was recorded, in order: one row for each event of the log';
comment on column register.record.position is 'Place in the log, from 1';
comment on column register.record.known_time is 'When it became known';
comment on column register.record.commit_end is 'Last position of what was recorded together with it';
comment on column register.record.subject is 'What it is about: registry.<context>.<kind>.<id>';

create or replace function register.position_at(at timestamptz) returns bigint
language sql stable parallel safe as $$
	select coalesce((select e.position from register.record e where e.known_time <= $1 and e.position = e.commit_end order by e.position desc limit 1), 0)
$$;
comment on function register.position_at(timestamptz) is
'The last position that was whole at a time, 0 for none: label_at(day, position_at(time)) is what the register knew then. Of a time to come it is the head, and moves.';

create or replace view register.department as
select * from (values DEPARTMENTS) as d (department_code, department_name, region_code, region_name);
comment on view register.department is 'Departments and overseas collectivities, of 2026, with their regions; a collectivity without a region stands as its own';
comment on column register.department.department_code is 'INSEE code';
comment on column register.department.department_name is 'Name';
comment on column register.department.region_code is 'INSEE code of its region';
comment on column register.department.region_name is 'Name of its region';

create or replace view register.current_label as LABELS(TODAY, HEAD);
comment on view register.current_label is
'Labels that may be held today, as believed at the head: label_at(today in Paris, head). A label past its term of which nothing was decided is in abeyance and not here.';
comment on column register.current_label.label_id is 'The label';
comment on column register.current_label.role is 'Its role; none where no source states it';
comment on column register.current_label.role_as_printed is 'The role as printed beside';
comment on column register.current_label.valid is 'Days on which it may be held: to the latest end where that is not sure, cut by a repeal, an annulment or the label that goes on';
comment on column register.current_label.known is 'Positions at which this version is believed';
comment on column register.current_label.period_start is 'First day, as stated: YYYY-MM-DD, YYYY-MM or YYYY; none where nobody states it';
comment on column register.current_label.period_end is 'First day after the last, as stated';
comment on column register.current_label.extended_from is 'Its end before it was first extended';
comment on column register.current_label.suspended is 'It is or was suspended, on some days';
comment on column register.current_label.lapsed_from is 'Day from which it is stated that a complete list left it out; what lists leave out without that is not told here';
comment on column register.current_label.cycle_code is 'The cycle it belongs to';
comment on column register.current_label.holder_id is 'Who holds it: a site, a network, a filière or a platform';
comment on column register.current_label.holder_name is 'Name of the network, filière or platform that holds it; none of a site';
comment on column register.current_label.site_id is 'The site that holds it';
comment on column register.current_label.centre_id is 'The centre of the site';
comment on column register.current_label.network_id is 'The network of the site, or that holds it';
comment on column register.current_label.network_acronym is 'Its acronym on the day';
comment on column register.current_label.network_title is 'Its title on the day';
comment on column register.current_label.filiere_id is 'The filière that it belongs to on the day, or that holds it';
comment on column register.current_label.filiere_acronym is 'Its acronym on the day';
comment on column register.current_label.platform_id is 'The platform that holds it';
comment on column register.current_label.establishment_ids is 'Hospitals of its centre, filière or platform, in their order';
comment on column register.current_label.establishment_names is 'Their names on the day; one of which nothing is known on it is left out';
comment on column register.current_label.finess is 'FINESS numbers of those that have one';
comment on column register.current_label.city is 'Town of the centre, or of the first hospital of which it is known';
comment on column register.current_label.department_code is 'INSEE code of the department, found in the same way';
comment on column register.current_label.region_code is 'INSEE code of its region';
comment on column register.current_label.act_id is 'The act it rests on, the latest of several';
comment on column register.current_label.act_nor is 'NOR number of that act';
comment on column register.current_label.evidence is 'How well that is known';

create or replace function register.label_at(valid date, known bigint) returns setof register.current_label
language sql stable parallel safe as $$ LABELS($1, $2) $$;
comment on function register.label_at(date, bigint) is
'Labels that may be held on a day (Europe/Paris), as known at a position of the log; the columns are those of current_label. Voided, withdrawn and annulled labels are left out. Up to the head it answers the same for ever; known beyond the head is the head.';

create or replace view register.act_effect as
select a.act_id, t.title as act_title, t.nor as act_nor, a.line, a.position, e.known_time, a.context, a.disposition, a.label_id, l.role, l.network_id
from SCHEMA.act_effect a
left join SCHEMA.acts t on t.id = a.act_id and upper_inf(t.known)
left join SCHEMA.event e on e.position = a.position
left join SCHEMA.labels l on l.id = a.label_id and l.known @> a.position;
comment on view register.act_effect is 'Every fact that rests on an act, one row each';
comment on column register.act_effect.act_id is 'The act';
comment on column register.act_effect.act_title is 'Its title, as believed at the head';
comment on column register.act_effect.act_nor is 'Its NOR number, as believed at the head';
comment on column register.act_effect.line is 'Line of the annex of the act; 0 for none';
comment on column register.act_effect.position is 'Position of the fact in the log';
comment on column register.act_effect.known_time is 'When it became known';
comment on column register.act_effect.context is 'What it is a fact of: labelling, topology, activity';
comment on column register.act_effect.disposition is 'What is done to the label, where it is about one';
comment on column register.act_effect.label_id is 'That label';
comment on column register.act_effect.role is 'Role of the label, as believed once that was recorded';
comment on column register.act_effect.network_id is 'Network of the label, as believed then';

create or replace view register.collaborator_map as
select k.id as link_id, k.from_id as centre_id, c.name as centre_name, h.establishment_ids, h.establishment_names,
	coalesce(c.city, h.city) as city, coalesce(c.department_code, h.department_code) as department_code, d.region_code,
	coalesce(h.latitude, c.latitude) as latitude, coalesce(h.longitude, c.longitude) as longitude,
	k.to_id as network_id, n.acronym as network_acronym, n.title as network_title, n.filiere_id, f.acronym as filiere_acronym,
	k.confirmed, k.period_start, k.period_end, coalesce(c.closed, false) as centre_closed, coalesce(n.closed, false) as network_closed,
	exists (select from SCHEMA.labels l where l.centre_id = k.from_id and l.network_id = k.to_id and l.valid @> TODAY and upper_inf(l.known)
		and not (l.voided or l.withdrawn or l.annulled and l.annulled_from is null)) as labelled,
	k.act_id, k.evidence
from SCHEMA.links k
left join SCHEMA.centres c on c.id = k.from_id and c.valid @> TODAY and upper_inf(c.known)
left join SCHEMA.networks n on n.id = k.to_id and n.valid @> TODAY and upper_inf(n.known)
left join SCHEMA.filieres f on f.id = n.filiere_id and f.valid @> TODAY and upper_inf(f.known)
left join lateral (
	select array_agg(e.id order by o.nth) as establishment_ids, array_agg(e.name order by o.nth) as establishment_names,
		(array_agg(e.city order by o.nth) filter (where e.city is not null))[1] as city,
		(array_agg(e.department_code order by o.nth) filter (where e.department_code is not null))[1] as department_code,
		(array_agg(e.latitude order by o.nth) filter (where e.latitude is not null))[1] as latitude,
		(array_agg(e.longitude order by o.nth) filter (where e.latitude is not null))[1] as longitude
	from unnest(c.establishment_ids) with ordinality o (id, nth)
	join SCHEMA.establishments e on e.id = o.id and e.valid @> TODAY and upper_inf(e.known)
) h on true
left join register.department d on d.department_code = coalesce(c.department_code, h.department_code)
where k.kind = 'COLLABORATES' and k.valid @> TODAY and upper_inf(k.known)
	and (left(k.period_end || '-01-01', 10)::date > TODAY or k.period_end is null and not k.ended);
comment on view register.collaborator_map is 'Centres that collaborate with a network today, as believed at the head, with a label in it or without, and where they are';
comment on column register.collaborator_map.link_id is 'The collaboration';
comment on column register.collaborator_map.centre_id is 'The centre';
comment on column register.collaborator_map.centre_name is 'Its name, where it has one';
comment on column register.collaborator_map.establishment_ids is 'Hospitals it works in';
comment on column register.collaborator_map.establishment_names is 'Their names';
comment on column register.collaborator_map.city is 'Its town, or that of the first hospital of which it is known';
comment on column register.collaborator_map.department_code is 'INSEE code of the department, found in the same way';
comment on column register.collaborator_map.region_code is 'INSEE code of its region';
comment on column register.collaborator_map.latitude is 'Degrees, WGS 84, of the first hospital that has a point, else its own; none is made up from the town or department';
comment on column register.collaborator_map.longitude is 'Degrees, WGS 84, of the same point';
comment on column register.collaborator_map.network_id is 'The network it collaborates with';
comment on column register.collaborator_map.network_acronym is 'Its acronym';
comment on column register.collaborator_map.network_title is 'Its title';
comment on column register.collaborator_map.filiere_id is 'The filière of the network';
comment on column register.collaborator_map.filiere_acronym is 'Its acronym';
comment on column register.collaborator_map.confirmed is 'Both sides say so';
comment on column register.collaborator_map.period_start is 'First day, as stated: YYYY-MM-DD, YYYY-MM or YYYY';
comment on column register.collaborator_map.period_end is 'First day after the last, as stated: of a month or year, its first day';
comment on column register.collaborator_map.centre_closed is 'The centre is closed, or will be: the register no longer shows the collaboration from then on';
comment on column register.collaborator_map.network_closed is 'The same of the network';
comment on column register.collaborator_map.labelled is 'The centre may hold a label in that network today';
comment on column register.collaborator_map.act_id is 'The act it rests on, the latest of several';
comment on column register.collaborator_map.evidence is 'How well that is known';

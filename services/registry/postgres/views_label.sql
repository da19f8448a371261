select l.label_id, l.role, l.role_as_printed, l.valid, l.known, l.period_start, l.period_end,
	l.extended_from, l.suspended, l.lapsed_from, y.code as cycle_code,
	l.holder_id, case when l.site_id is null then coalesce(p.name, n.title, f.name) end as holder_name, l.site_id, l.centre_id,
	l.network_id, n.acronym as network_acronym, n.title as network_title,
	coalesce(l.filiere_id, n.filiere_id) as filiere_id, f.acronym as filiere_acronym, l.platform_id,
	h.establishment_ids, h.establishment_names, h.finess,
	coalesce(c.city, p.city, h.city) as city, coalesce(c.department_code, p.department_code, h.department_code) as department_code, d.region_code,
	l.act_id, t.nor as act_nor, l.evidence
from register.label_history l
left join register.network n on n.network_id = l.network_id and n.valid @> VALID and n.known @> KNOWN
left join register.filiere f on f.filiere_id = coalesce(l.filiere_id, n.filiere_id) and f.valid @> VALID and f.known @> KNOWN
left join register.centre c on c.centre_id = l.centre_id and c.valid @> VALID and c.known @> KNOWN
left join register.platform p on p.platform_id = l.platform_id and p.valid @> VALID and p.known @> KNOWN
left join register.cycle y on y.cycle_id = l.cycle_id and y.valid @> VALID and y.known @> KNOWN
left join register.act t on t.act_id = l.act_id and t.valid @> VALID and t.known @> KNOWN
left join lateral (
	select array_agg(e.establishment_id order by o.nth) as establishment_ids, array_agg(e.name order by o.nth) as establishment_names,
		array_agg(e.finess order by o.nth) filter (where e.finess is not null) as finess,
		(array_agg(e.city order by o.nth) filter (where e.city is not null))[1] as city,
		(array_agg(e.department_code order by o.nth) filter (where e.department_code is not null))[1] as department_code
	from unnest(coalesce(c.establishment_ids, p.establishment_ids, case when l.filiere_id is not null then array[f.establishment_id] end)) with ordinality o (id, nth)
	join register.establishment e on e.establishment_id = o.id and e.valid @> VALID and e.known @> KNOWN
) h on true
left join register.department d on d.department_code = coalesce(c.department_code, p.department_code, h.department_code)
where l.valid @> VALID and l.known @> KNOWN and not (l.voided or l.withdrawn or l.annulled and l.annulled_from is null)

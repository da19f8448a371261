package postgres

import (
	"cmp"
	"strings"

	"google.golang.org/protobuf/proto"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/identifier"
	"maillage/services/labelling"
)

// tables of a schema, by the names that they have in the state digest.
var tables = []table{
	{
		"establishments", "Hospitals",
		columns(
			text("name", "Name in use", (*topologyv1.Establishment).GetName),
			text("finess", "FINESS number; not a key", (*topologyv1.Establishment).GetFiness),
			enum("finess_kind", "What the FINESS number names", "FINESS_KIND_", (*topologyv1.Establishment).GetFinessKind),
			text("siret", "SIRET number", (*topologyv1.Establishment).GetSiret),
			texts("legal_entity_ids", "Establishments that are its legal entity", (*topologyv1.Establishment).GetLegalEntityIds),
			folded((*topologyv1.Establishment).GetName, (*topologyv1.Establishment).GetFiness),
		).and(place[*topologyv1.Establishment]()).and(succession[*topologyv1.Establishment]()).and(rests[*topologyv1.Establishment]()),
		[]string{"(finess) where finess is not null"},
	},
	{
		"centres", "Teams, in one or more places",
		columns(
			text("name", "Name, where it has one", (*topologyv1.Centre).GetName),
			enum("population", "Whom it follows", "POPULATION_", (*topologyv1.Centre).GetPopulation),
			texts("establishment_ids", "Hospitals it works in", (*topologyv1.Centre).GetEstablishmentIds),
			folded((*topologyv1.Centre).GetName),
		).and(place[*topologyv1.Centre]()).and(succession[*topologyv1.Centre]()).and(rests[*topologyv1.Centre]()),
		[]string{"using gin (establishment_ids)"},
	},
	{
		"networks", "Networks of one coordinating reference centre and the centres around it",
		columns(
			text("title", "Title in use", (*topologyv1.Network).GetTitle),
			text("acronym", "Acronym in use", (*topologyv1.Network).GetAcronym),
			text("filiere_id", "The filière it belongs to", (*topologyv1.Network).GetFiliereId),
			text("orpha_release", "Release of the ORPHA nomenclature", (*topologyv1.Network).GetOrphaRelease),
			numbers("orpha_codes", "ORPHA codes of its diseases", (*topologyv1.Network).GetOrphaCodes),
			folded((*topologyv1.Network).GetTitle, (*topologyv1.Network).GetAcronym),
		).and(succession[*topologyv1.Network]()).and(rests[*topologyv1.Network]()),
		[]string{"(filiere_id)"},
	},
	{
		"filieres", "National networks of networks",
		columns(
			text("acronym", "Acronym in use", (*topologyv1.Filiere).GetAcronym),
			text("name", "Name in use", (*topologyv1.Filiere).GetName),
			text("establishment_id", "Coordinating establishment", (*topologyv1.Filiere).GetEstablishmentId),
			text("website", "Address of its site", (*topologyv1.Filiere).GetWebsite),
			folded((*topologyv1.Filiere).GetAcronym, (*topologyv1.Filiere).GetName),
		).and(succession[*topologyv1.Filiere]()).and(rests[*topologyv1.Filiere]()),
		nil,
	},
	{
		"platforms", "Expertise platforms and overseas coordination platforms",
		columns(
			text("name", "Name in use", (*topologyv1.Platform).GetName),
			enum("kind", "Which of the two", "PLATFORM_KIND_", (*topologyv1.Platform).GetKind),
			texts("establishment_ids", "Hospitals that host it", (*topologyv1.Platform).GetEstablishmentIds),
			texts("region_codes", "INSEE codes of the regions it serves whole", (*topologyv1.Platform).GetRegionCodes),
			texts("department_codes", "INSEE codes of the departments it serves besides", (*topologyv1.Platform).GetDepartmentCodes),
			folded((*topologyv1.Platform).GetName),
		).and(place[*topologyv1.Platform]()).and(succession[*topologyv1.Platform]()).and(rests[*topologyv1.Platform]()),
		[]string{"using gin (establishment_ids)"},
	},
	{
		"links", "Two of the register that hold together for a while",
		columns(
			enum("kind", "What holds them together", "LINK_KIND_", (*topologyv1.Link).GetKind),
			text("from_id", "Who collaborates, serves, is hosted, is attached or is a member", (*topologyv1.Link).GetFromId),
			text("to_id", "The other one", (*topologyv1.Link).GetToId),
			text("code", "The European reference network", (*topologyv1.Link).GetCode),
			text("network_id", "The network in which a competence centre is attached", (*topologyv1.Link).GetNetworkId),
			flag("confirmed", "Both sides say so", (*topologyv1.Link).GetConfirmed),
			flag("ended", "It was ended, though the day may be unknown", (*topologyv1.Link).GetEnded),
		).and(period((*topologyv1.Link).GetPeriod)).and(rests[*topologyv1.Link]()),
		[]string{"(from_id)", "(to_id)", "(network_id)"},
	},
	{
		"continuities", "Two ids that are one and the same",
		columns(
			text("kept_id", "The id to go by", (*topologyv1.Continuity).GetKeptId),
			text("other_id", "The id that was the same all along", (*topologyv1.Continuity).GetOtherId),
		).and(rests[*topologyv1.Continuity]()),
		[]string{"(kept_id)", "(other_id)"},
	},
	{
		"plans", "National plans",
		columns(
			text("code", "Code, such as PNMR4", (*topologyv1.Plan).GetCode),
			text("name", "Title", (*topologyv1.Plan).GetName),
		).and(period((*topologyv1.Plan).GetPeriod)).and(rests[*topologyv1.Plan]()),
		nil,
	},
	{
		"aliases", "Ids that other systems use, for sites and what else has an id here",
		columns(
			text("entity_id", "The entity", (*topologyv1.Alias).GetEntityId),
			enum("entity_kind", "What it is", "ENTITY_KIND_", (*topologyv1.Alias).GetEntityKind),
			text("system", "Short code of the system", (*topologyv1.Alias).GetSystem),
			text("code", "The id that it uses; not a key", (*topologyv1.Alias).GetValue),
			flag("ended", "It was ended, though the day may be unknown", (*topologyv1.Alias).GetEnded),
			flag("shared", "The system is known to use it for another entity as well", (*topologyv1.Alias).GetShared),
			folded((*topologyv1.Alias).GetValue),
		).and(period((*topologyv1.Alias).GetPeriod)).and(rests[*topologyv1.Alias]()),
		[]string{"(entity_id)", "(folded)"},
	},
	{
		"cycles", "Rounds of labelling",
		columns(
			text("code", "Short name, unique", (*labellingv1.Cycle).GetCode),
			texts("aliases", "Other names in use", (*labellingv1.Cycle).GetAliases),
		).and(period((*labellingv1.Cycle).GetPeriod)).and(rests[*labellingv1.Cycle]()),
		nil,
	},
	{
		"acts", "Decisions and texts about labels",
		columns(
			enum("kind", "What kind of text it is", "ACT_KIND_", (*labellingv1.Act).GetKind),
			text("title", "Official title", (*labellingv1.Act).GetTitle),
			text("nor", "NOR number; not a key", (*labellingv1.Act).GetNor),
			text("authority", "Who decided", (*labellingv1.Act).GetAuthority),
			text("announced_date", "Day on which the result was announced; precision as stated", (*labellingv1.Act).GetAnnouncedDate),
			text("signed_date", "Day of signature; precision as stated", (*labellingv1.Act).GetSignedDate),
			text("effective_date", "Day from which it has effect; precision as stated", (*labellingv1.Act).GetEffectiveDate),
			texts("published_dates", "Days of its publications; precision as stated", published),
			text("cycle_id", "The cycle it belongs to", (*labellingv1.Act).GetCycleId),
			number("line_count", "Number of its lines that were recorded with it", func(a *labellingv1.Act) int64 { return int64(a.GetLineCount()) }),
			text("amends_act_id", "The act that this one amends", (*labellingv1.Act).GetAmendsActId),
			flag("absences_stated", "What its complete cells leave out is stated label by label", (*labellingv1.Act).GetAbsencesStated),
			folded((*labellingv1.Act).GetTitle, (*labellingv1.Act).GetNor),
		),
		[]string{"(nor) where nor is not null"},
	},
	{"labels", "Periods of a holder under a role", labelColumns, []string{believing("holder_id"), believing("network_id"), believing("centre_id"), "(filiere_id) where filiere_id is not null"}},
	{
		"assertions", "What a source says against or beside the record: shown, never counted",
		columns(
			text("entity_id", "The entity it is about", (*labellingv1.Assertion).GetEntityId),
			text("field", "The attribute", (*labellingv1.Assertion).GetField),
			text("says", "What the source says", (*labellingv1.Assertion).GetValue),
			text("act_id", "The act it rests on", func(a *labellingv1.Assertion) string { return a.GetBasis().GetActId() }),
			text("source", "The source", func(a *labellingv1.Assertion) string { return a.GetBasis().GetSource() }),
			enum("settlement", "How it is settled", "SETTLEMENT_", (*labellingv1.Assertion).GetSettlement),
			text("settled_label_id", "The label it was settled to be about", (*labellingv1.Assertion).GetSettledLabelId),
		),
		[]string{believing("entity_id"), "(act_id) where act_id is not null", "(settled_label_id) where settled_label_id is not null"},
	},
	{
		"offices", "One person's time in one post; names are in the vault",
		columns(
			text("holder_id", "A site, a network, a filière or a platform", (*labellingv1.Office).GetHolderId),
			enum("kind", "The post", "OFFICE_KIND_", (*labellingv1.Office).GetKind),
			flag("interim", "Held in the meantime only", (*labellingv1.Office).GetInterim),
			text("person_id", "Opaque id of the person", (*labellingv1.Office).GetPersonId),
			enum("approval", "Where the approval stands", "APPROVAL_", (*labellingv1.Office).GetApproval),
			text("approval_date", "Day of the approval or refusal; precision as stated", (*labellingv1.Office).GetApprovalDate),
		).and(period((*labellingv1.Office).GetPeriod)).and(rests[*labellingv1.Office]()),
		[]string{believing("holder_id"), "(person_id)"},
	},
	{
		"campaigns", "Campaigns of labelling",
		columns(
			text("name", "Its name", (*labellingv1.Campaign).GetName),
			text("cycle_id", "The cycle its labels belong to", (*labellingv1.Campaign).GetCycleId),
			texts("outcome_ids", "Its outcomes", outcomes((*labellingv1.Outcome).GetOutcomeId)),
			texts("network_ids", "The networks of its outcomes, where registered", outcomes((*labellingv1.Outcome).GetNetworkId)),
		).and(rests[*labellingv1.Campaign]()),
		nil,
	},
	{
		"drafts", "Acts that were prepared; their text is in the vault",
		columns(
			enum("state", "Where it stands", "DRAFT_STATE_", (*labellingv1.Draft).GetState),
			number("planned_at", "Position of the state its effects were reckoned on", func(d *labellingv1.Draft) int64 { return int64(d.GetPlannedAt()) }),
			text("act_id", "The act it became", (*labellingv1.Draft).GetActId),
		),
		nil,
	},
	{
		"missions", "Missions of an audience",
		columns(
			enum("audience", "Whose missions", "AUDIENCE_", (*activityv1.MissionSet).GetAudience),
			texts("codes", "Their codes, in order", func(s *activityv1.MissionSet) (codes []string) {
				for _, m := range s.GetMissions() {
					codes = append(codes, m.GetCode())
				}
				return codes
			}),
		).and(rests[*activityv1.MissionSet]()),
		nil,
	},
	{
		"periods", "Reporting periods",
		columns(
			text("code", "Code, such as 2025", (*activityv1.Period).GetCode),
			text("due_date", "Last day for reports", (*activityv1.Period).GetDueDate),
			flag("open", "Reports are taken", (*activityv1.Period).GetOpen),
			text("closed_date", "Day on which it was closed", (*activityv1.Period).GetClosedDate),
		).and(period((*activityv1.Period).GetSpan)).and(rests[*activityv1.Period]()),
		nil,
	},
	{
		"reports", "What a platform or site reports of a period, in its latest revision",
		columns(
			text("period_id", "The period", (*activityv1.Report).GetPeriodId),
			text("reporter_id", "Who reports: a platform or a site", func(r *activityv1.Report) string { return labelling.HolderID(r.GetReporter()) }),
			number("revision", "Number of the revision, from 1", func(r *activityv1.Report) int64 { return int64(r.GetRevision()) }),
			enum("state", "Where it stands", "REPORT_STATE_", (*activityv1.Report).GetState),
			number("frozen_position", "Position of the register as known to which it was frozen", func(r *activityv1.Report) int64 { return int64(r.GetFrozenPosition()) }),
		).and(rests[*activityv1.Report]()),
		[]string{"(reporter_id)", "(period_id)"},
	},
	{
		"undertakings", "Projects, trainings and actions",
		columns(
			enum("kind", "Which of the three", "UNDERTAKING_KIND_", (*activityv1.Undertaking).GetKind),
			text("title", "Title", (*activityv1.Undertaking).GetTitle),
			text("holder_id", "Who leads it: a platform, site, network or filière", func(u *activityv1.Undertaking) string { return labelling.HolderID(u.GetHolder()) }),
			texts("mission_codes", "Codes of the missions it serves", (*activityv1.Undertaking).GetMissionCodes),
			flag("cancelled", "It came to nothing: it counts no more", (*activityv1.Undertaking).GetCancelled),
			folded((*activityv1.Undertaking).GetTitle),
		).and(period((*activityv1.Undertaking).GetSpan)).and(rests[*activityv1.Undertaking]()),
		[]string{"(holder_id)"},
	},
	{
		"measures", "Activity of a site in a year, which is what it holds on",
		columns(
			column{"site_id", idKind, "The site", func(b []byte, id string, _ proto.Message) []byte {
				site, _, _ := strings.Cut(id, ".")
				return appendText(b, site)
			}},
			column{"unit", "text", "What is counted: PATIENTS or VISITS", func(b []byte, id string, _ proto.Message) []byte {
				_, unit, _ := strings.Cut(id, ".")
				return appendKnownText(b, units[unit])
			}},
			number("count", "So many in the year", func(m *activityv1.Measure) int64 { return int64(m.GetCount()) }),
		).and(rests[*activityv1.Measure]()),
		[]string{"(site_id)"},
	},
}

var labelColumns = columns(
	enum("role", "Its role", "ROLE_", (*labellingv1.Label).GetRole),
	text("role_as_printed", "The role as printed beside", (*labellingv1.Label).GetRoleAsPrinted),
	text("holder_id", "Who holds it: a site, a network, a filière or a platform", func(l *labellingv1.Label) string { return labelling.HolderID(l.GetHolder()) }),
	text("site_id", "The site that holds it", func(l *labellingv1.Label) string { return l.GetHolder().GetSite().GetSiteId() }),
	text("centre_id", "The centre of the site", func(l *labellingv1.Label) string { return l.GetHolder().GetSite().GetCentreId() }),
	text("network_id", "The network of the site, or that holds it", func(l *labellingv1.Label) string {
		return cmp.Or(l.GetHolder().GetSite().GetNetworkId(), l.GetHolder().GetNetworkId())
	}),
	text("filiere_id", "The filière that holds it", func(l *labellingv1.Label) string { return l.GetHolder().GetFiliereId() }),
	text("platform_id", "The platform that holds it", func(l *labellingv1.Label) string { return l.GetHolder().GetPlatformId() }),
	text("cycle_id", "The cycle it belongs to", (*labellingv1.Label).GetCycleId),
	text("predecessor_id", "The label it goes on from", (*labellingv1.Label).GetPredecessorId),
	text("successor_id", "The label that goes on from it", (*labellingv1.Label).GetSuccessorId),
	text("repealed_from", "First day from which it is repealed; precision as stated, as of all days here", (*labellingv1.Label).GetRepealedFrom),
	text("extended_from", "Its end before it was first extended", (*labellingv1.Label).GetExtendedFrom),
	text("lapsed_from", "Day from which a complete list left it out", (*labellingv1.Label).GetLapsedFrom),
	flag("suspended", "It is or was suspended", func(l *labellingv1.Label) bool { return len(l.GetSuspensions()) > 0 }),
	flag("withdrawn", "Withdrawn from its start", (*labellingv1.Label).GetWithdrawn),
	flag("annulled", "Annulled by a court", (*labellingv1.Label).GetAnnulled),
	text("annulled_from", "First day of the annulment; from its start where there is none", (*labellingv1.Label).GetAnnulledFrom),
	flag("voided", "It should never have been recorded", (*labellingv1.Label).GetVoided),
	text("opened_from", "First day it works in fact, where stated", func(l *labellingv1.Label) string { return l.GetOperation().GetOpenedFrom() }),
	text("maintained_from", "First day from which it is stated to go on whatever the term", func(l *labellingv1.Label) string { return l.GetOperation().GetMaintainedFrom() }),
	text("closed_from", "First day on which it no longer works", func(l *labellingv1.Label) string { return l.GetOperation().GetClosedFrom() }),
).and(period((*labellingv1.Label).GetPeriod)).and(rests[*labellingv1.Label]())

// believing is an index of what is believed of an id at a position.
func believing(id string) string { return "(" + id + ", (" + lasting + "), lower(known))" + room }

// idKind is the type of columns that hold ids: compared by bytes.
const idKind = `text collate "C"`

var units = map[string]string{"1": "PATIENTS", "2": "VISITS"}

type columnList []column

func columns(all ...column) columnList { return all }

func (c columnList) and(more columnList) columnList { return append(c, more...) }

// text is a text that is NULL where it is empty.
func text[M proto.Message](name, comment string, get func(M) string) column {
	kind := "text"
	if strings.HasSuffix(name, "_id") {
		kind = idKind
	}
	return column{name, kind, comment, func(b []byte, _ string, v proto.Message) []byte { return appendKnownText(b, get(v.(M))) }}
}

func texts[M proto.Message](name, comment string, get func(M) []string) column {
	return column{name, "text[] not null", comment, func(b []byte, _ string, v proto.Message) []byte { return appendTexts(b, get(v.(M))) }}
}

func numbers[M proto.Message](name, comment string, get func(M) []uint32) column {
	return column{name, "integer[] not null", comment, func(b []byte, _ string, v proto.Message) []byte { return appendInts(b, get(v.(M))) }}
}

func number[M proto.Message](name, comment string, get func(M) int64) column {
	return column{name, "bigint not null", comment, func(b []byte, _ string, v proto.Message) []byte { return appendInt8(b, get(v.(M))) }}
}

func flag[M proto.Message](name, comment string, get func(M) bool) column {
	return column{name, "boolean not null", comment, func(b []byte, _ string, v proto.Message) []byte { return appendBool(b, get(v.(M))) }}
}

// enum is the name of a value without its prefix, NULL where it is not stated.
func enum[M proto.Message, E interface {
	~int32
	String() string
}](name, comment, prefix string, get func(M) E,
) column {
	return text(name, comment, func(v M) string {
		if e := get(v); e != 0 {
			return strings.TrimPrefix(e.String(), prefix)
		}
		return ""
	})
}

// folded is the names of an entity without case, accents and marks, one after the other.
func folded[M proto.Message](names ...func(M) string) column {
	return text("folded", "Its names without case, accents and marks, as they are searched", func(v M) string {
		var all []string
		for _, name := range names {
			if s := name(v); s != "" {
				all = append(all, identifier.Fold(s))
			}
		}
		return strings.Join(all, " ")
	})
}

func period[M proto.Message](get func(M) *eventv1.Period) columnList {
	return columns(
		text("period_start", "First day, as stated: YYYY-MM-DD, YYYY-MM or YYYY", func(v M) string { return get(v).GetStart() }),
		text("period_end", "First day after the last, as stated", func(v M) string { return get(v).GetEnd() }),
	)
}

func place[M interface {
	proto.Message
	GetPlace() *topologyv1.Place
}]() columnList {
	degrees := func(name, comment string, get func(*topologyv1.Place) float64) column {
		return column{name, "double precision", comment, func(b []byte, _ string, v proto.Message) []byte {
			p := v.(M).GetPlace()
			if p.GetLatitude() == 0 && p.GetLongitude() == 0 {
				return appendNull(b)
			}
			return appendFloat8(b, get(p))
		}}
	}
	return columns(
		text("city", "Town as written", func(v M) string { return v.GetPlace().GetCity() }),
		text("commune_code", "INSEE code of the commune", func(v M) string { return v.GetPlace().GetCommuneCode() }),
		text("department_code", "INSEE code of the department", func(v M) string { return v.GetPlace().GetDepartmentCode() }),
		text("territory", "A territory where no department is known, as written", func(v M) string { return v.GetPlace().GetTerritory() }),
		degrees("latitude", "Degrees, WGS 84", (*topologyv1.Place).GetLatitude),
		degrees("longitude", "Degrees, WGS 84", (*topologyv1.Place).GetLongitude),
	)
}

func succession[M interface {
	proto.Message
	GetPredecessorIds() []string
	GetSuccessorIds() []string
	GetClosedFrom() string
	GetClosed() bool
}]() columnList {
	return columns(
		texts("predecessor_ids", "Those whose place it took", M.GetPredecessorIds),
		texts("successor_ids", "Those that took its place", M.GetSuccessorIds),
		flag("closed", "It is closed, though its first day may be unknown", M.GetClosed),
		text("closed_from", "First day on which it is closed; precision as stated", M.GetClosedFrom),
	)
}

// rests is what a version rests on, of which there may be several: the latest.
func rests[M interface {
	proto.Message
	GetBasis() []*eventv1.Basis
}]() columnList {
	latest := func(v M) *eventv1.Basis {
		if all := v.GetBasis(); len(all) > 0 {
			return all[len(all)-1]
		}
		return nil
	}
	return columns(
		text("act_id", "The act it rests on, the latest of several", func(v M) string { return latest(v).GetActId() }),
		enum("evidence", "How well that is known", "EVIDENCE_", func(v M) eventv1.Evidence { return latest(v).GetEvidence() }),
	)
}

func published(a *labellingv1.Act) (dates []string) {
	for _, p := range a.GetPublications() {
		dates = append(dates, p.GetDate())
	}
	return dates
}

func outcomes(get func(*labellingv1.Outcome) string) func(*labellingv1.Campaign) []string {
	return func(c *labellingv1.Campaign) (all []string) {
		for _, o := range c.GetOutcomes() {
			if s := get(o); s != "" {
				all = append(all, s)
			}
		}
		return all
	}
}

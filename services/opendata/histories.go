package opendata

import (
	"encoding/hex"
	"slices"
	"strconv"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

// asOf is said of every history.
const asOf = " Une ligne par version : ce qui était tenu pour vrai du jour V à la position K est aux lignes où valid_from <= V < valid_to et known_from <= K < known_to, une borne vide n'en étant pas une."

// histories are the files of the full history.
var histories = []History{
	historyOf("labels", about{
		title: "Historique des labels", text: "Qui a détenu quel label, par quel acte." + asOf,
		foreign: []foreign{
			{"centre_id", "centres_history", "centre_id"},
			{"network_id", "networks_history", "network_id"},
			{"holder_filiere_id", "filieres_history", "filiere_id"},
			{"platform_id", "platforms_history", "platform_id"},
			{"cycle_id", "cycles_history", "cycle_id"},
			{"act_id", "acts_history", "act_id"},
		},
	}, "label_id", (*labellingv1.Label).GetBasis, labelColumns(func(l *labellingv1.Label) *labellingv1.Label { return l })...),
	historyOf("centres", about{
		title: "Historique des centres", text: "Les équipes, labellisées ou non, dans un ou plusieurs lieux." + asOf,
		foreign: []foreign{{"act_id", "acts_history", "act_id"}},
	}, "centre_id", (*topologyv1.Centre).GetBasis, slices.Concat([]column[*topologyv1.Centre]{
		{"name", "Nom", "Nom de l'équipe, où elle en a un.", text, (*topologyv1.Centre).GetName},
		{"population", "Population", "child, enfants ; adult, adultes ; mixed, les deux ; vide : non dit.", oneOf(topologyv1.Population(0)), func(c *topologyv1.Centre) string { return word(c.GetPopulation()) }},
		{"establishment_ids", "Établissements", "Identifiants des établissements où elle travaille, séparés par |.", someIDs, func(c *topologyv1.Centre) string { return joined(c.GetEstablishmentIds()) }},
	}, placeColumns((*topologyv1.Centre).GetPlace), lineageColumns[*topologyv1.Centre]())...),
	historyOf("establishments", about{
		title: "Historique des établissements", text: "Les établissements de santé et leurs entités juridiques." + asOf,
		foreign: []foreign{{"act_id", "acts_history", "act_id"}},
	}, "establishment_id", (*topologyv1.Establishment).GetBasis, slices.Concat([]column[*topologyv1.Establishment]{
		{"name", "Nom", "Nom en usage.", text, (*topologyv1.Establishment).GetName},
		{"finess", "FINESS", "Numéro FINESS, où il est connu ; ce n'est pas une clé : un site et son entité juridique peuvent le partager.", aFINESS, (*topologyv1.Establishment).GetFiness},
		{"finess_kind", "Nature du FINESS", "site, entité géographique (ET) ; legal_entity, entité juridique (EJ).", oneOf(topologyv1.FinessKind(0)), func(e *topologyv1.Establishment) string { return word(e.GetFinessKind()) }},
		{"siret", "SIRET", "Numéro SIRET, où il est connu.", content{kind: "string", pattern: "[0-9]{14}"}, (*topologyv1.Establishment).GetSiret},
		{"legal_entity_ids", "Entités juridiques", "Identifiants des établissements qui sont ses entités juridiques, séparés par |.", someIDs, func(e *topologyv1.Establishment) string { return joined(e.GetLegalEntityIds()) }},
	}, placeColumns((*topologyv1.Establishment).GetPlace), lineageColumns[*topologyv1.Establishment]())...),
	historyOf("networks", about{
		title: "Historique des réseaux", text: "Les réseaux CRMR : un centre coordonnateur et les centres autour de lui." + asOf,
		foreign: []foreign{{"filiere_id", "filieres_history", "filiere_id"}, {"act_id", "acts_history", "act_id"}},
	}, "network_id", (*topologyv1.Network).GetBasis, slices.Concat([]column[*topologyv1.Network]{
		{"title", "Intitulé", "Intitulé en usage.", text, (*topologyv1.Network).GetTitle},
		{"acronym", "Sigle", "Sigle en usage.", text, (*topologyv1.Network).GetAcronym},
		{"filiere_id", "Filière", "Identifiant de la filière dont il relève ; vide avant 2014 et où elle n'est pas connue.", anID, (*topologyv1.Network).GetFiliereId},
		{"orpha_codes", "Codes ORPHA", "Codes ORPHA des maladies prises en charge, séparés par |.", several("[0-9]+"), orpha},
		{"orpha_release", "Édition ORPHA", "Édition de la nomenclature ORPHA de ces codes, AAAA-MM.", date, (*topologyv1.Network).GetOrphaRelease},
	}, lineageColumns[*topologyv1.Network]())...),
	historyOf("filieres", about{
		title: "Historique des filières", text: "Les filières de santé maladies rares (FSMR)." + asOf,
		foreign: []foreign{{"establishment_id", "establishments_history", "establishment_id"}, {"act_id", "acts_history", "act_id"}},
	}, "filiere_id", (*topologyv1.Filiere).GetBasis, slices.Concat([]column[*topologyv1.Filiere]{
		{"acronym", "Sigle", "Sigle en usage.", text, (*topologyv1.Filiere).GetAcronym},
		{"name", "Nom", "Nom en usage.", text, (*topologyv1.Filiere).GetName},
		{"establishment_id", "Établissement", "Identifiant de l'établissement coordonnateur, où il est connu.", anID, (*topologyv1.Filiere).GetEstablishmentId},
		{"website", "Site internet", "Adresse, sans https://.", text, (*topologyv1.Filiere).GetWebsite},
	}, lineageColumns[*topologyv1.Filiere]())...),
	historyOf("platforms", about{
		title: "Historique des plateformes", text: "Les plateformes d'expertise (PEMR) et de coordination outre-mer (PCOM)." + asOf,
		foreign: []foreign{{"act_id", "acts_history", "act_id"}},
	}, "platform_id", (*topologyv1.Platform).GetBasis, slices.Concat([]column[*topologyv1.Platform]{
		{"name", "Nom", "Nom en usage.", text, (*topologyv1.Platform).GetName},
		{"kind", "Nature", "pemr ou pcom.", oneOf(topologyv1.PlatformKind(0)), func(p *topologyv1.Platform) string { return word(p.GetKind()) }},
		{"establishment_ids", "Établissements", "Identifiants des établissements qui l'hébergent, séparés par |.", someIDs, func(p *topologyv1.Platform) string { return joined(p.GetEstablishmentIds()) }},
		{"region_codes", "Régions", "Codes INSEE des régions desservies en entier, séparés par |.", several(region.pattern), func(p *topologyv1.Platform) string { return joined(p.GetRegionCodes()) }},
		{"department_codes", "Départements", "Codes INSEE des départements et collectivités desservis en plus, séparés par |.", several(dept.pattern), func(p *topologyv1.Platform) string { return joined(p.GetDepartmentCodes()) }},
		{"website", "Site internet", "Adresse, sans https://.", text, func(p *topologyv1.Platform) string { return p.GetContact().GetWebsite() }},
	}, placeColumns((*topologyv1.Platform).GetPlace), lineageColumns[*topologyv1.Platform]())...),
	historyOf("links", about{
		title: "Historique des liens", text: "Ce qui tient deux entités ensemble, dont les centres collaborateurs, sans label." + asOf,
		foreign: []foreign{{"network_id", "networks_history", "network_id"}, {"act_id", "acts_history", "act_id"}},
	}, "link_id", (*topologyv1.Link).GetBasis,
		column[*topologyv1.Link]{"kind", "Nature", "collaborates, un centre est collaborateur d'un réseau sans y être labellisé ; serves, un centre dessert une filière ; hosted, un centre est aidé par une plateforme ; attached, un centre de compétence est rattaché à un centre de référence ; ern, membre d'un réseau européen.", oneOf(topologyv1.LinkKind(0)), func(l *topologyv1.Link) string { return word(l.GetKind()) }},
		column[*topologyv1.Link]{"from_id", "De", "Identifiant de qui est collaborateur, dessert, est aidé, rattaché ou membre.", anID, (*topologyv1.Link).GetFromId},
		column[*topologyv1.Link]{"to_id", "À", "Identifiant de l'autre ; vide où un code le nomme.", anID, (*topologyv1.Link).GetToId},
		column[*topologyv1.Link]{"code", "Code", "Nom du réseau européen (ERN) ; vide pour les autres natures.", text, (*topologyv1.Link).GetCode},
		column[*topologyv1.Link]{"network_id", "Réseau", "Réseau dans lequel un centre est rattaché ; vide pour les autres natures.", anID, (*topologyv1.Link).GetNetworkId},
		column[*topologyv1.Link]{"start", "Début", "Premier jour, au mois ou à l'année près.", date, func(l *topologyv1.Link) string { return l.GetPeriod().GetStart() }},
		column[*topologyv1.Link]{"end", "Fin (exclue)", "Premier jour d'après, au mois ou à l'année près.", date, func(l *topologyv1.Link) string { return l.GetPeriod().GetEnd() }},
		column[*topologyv1.Link]{"confirmed", "Confirmé", "true : dit des deux côtés.", yesNo.always(), func(l *topologyv1.Link) string { return flag(l.GetConfirmed()) }},
		column[*topologyv1.Link]{"ended", "Terminé", "true : terminé, même si le jour n'est pas connu.", yesNo.always(), func(l *topologyv1.Link) string { return flag(l.GetEnded()) }},
	),
	historyOf("cycles", about{
		title: "Historique des cycles", text: "Les cycles de labellisation. Aucune date ne se déduit d'un nom." + asOf,
		foreign: []foreign{{"act_id", "acts_history", "act_id"}},
	}, "cycle_id", (*labellingv1.Cycle).GetBasis,
		column[*labellingv1.Cycle]{"code", "Code", "Nom court.", text, (*labellingv1.Cycle).GetCode},
		column[*labellingv1.Cycle]{"aliases", "Autres noms", "Séparés par |.", text, func(c *labellingv1.Cycle) string { return joined(c.GetAliases()) }},
		column[*labellingv1.Cycle]{"start", "Début", "Premier jour, au mois ou à l'année près.", date, func(c *labellingv1.Cycle) string { return c.GetPeriod().GetStart() }},
		column[*labellingv1.Cycle]{"end", "Fin (exclue)", "Premier jour d'après, au mois ou à l'année près.", date, func(c *labellingv1.Cycle) string { return c.GetPeriod().GetEnd() }},
	),
	historyOf("acts", about{
		title: "Historique des actes", text: "Les arrêtés et autres textes qui décident des labels." + asOf,
		foreign: []foreign{{"cycle_id", "cycles_history", "cycle_id"}},
	}, "act_id", nil,
		column[*labellingv1.Act]{"kind", "Nature", "arrete, circulaire, instruction, note, decret, call (appel à projets), letter (lettre), ruling (décision de justice), decision.", oneOf(labellingv1.ActKind(0)), func(a *labellingv1.Act) string { return word(a.GetKind()) }},
		column[*labellingv1.Act]{"title", "Titre", "Titre officiel, tel que connu.", text, (*labellingv1.Act).GetTitle},
		column[*labellingv1.Act]{"nor", "NOR", "Numéro NOR ; ce n'est pas une clé : il y a eu des doublons.", aNOR, (*labellingv1.Act).GetNor},
		column[*labellingv1.Act]{"authority", "Autorité", "Qui décide.", text, (*labellingv1.Act).GetAuthority},
		column[*labellingv1.Act]{"signed_date", "Signé le", "Jour de signature, au mois ou à l'année près.", date, (*labellingv1.Act).GetSignedDate},
		column[*labellingv1.Act]{"published_date", "Publié le", "Premier jour connu de publication, au mois ou à l'année près.", date, published},
		column[*labellingv1.Act]{"publications", "Publications", "Bulletin, numéro, pages et jour de chacune, séparées par |.", text, func(a *labellingv1.Act) string {
			all := make([]string, len(a.GetPublications()))
			for i, p := range a.GetPublications() {
				all[i] = publicationText(p)
			}
			return joined(all)
		}},
		column[*labellingv1.Act]{"effective_date", "Prend effet le", "Jour d'effet, au mois ou à l'année près.", date, (*labellingv1.Act).GetEffectiveDate},
		column[*labellingv1.Act]{"announced_date", "Annoncé le", "Jour d'annonce du résultat, au mois ou à l'année près.", date, (*labellingv1.Act).GetAnnouncedDate},
		column[*labellingv1.Act]{"cycle_id", "Cycle", "Identifiant du cycle, où il est connu.", anID, (*labellingv1.Act).GetCycleId},
		column[*labellingv1.Act]{"amends_act_id", "Modifie l'acte", "Identifiant de l'acte qu'il modifie.", anID, (*labellingv1.Act).GetAmendsActId},
		column[*labellingv1.Act]{"line_count", "Lignes", "Nombre de lignes de son annexe qui ont été enregistrées avec lui.", integer, func(a *labellingv1.Act) string { return strconv.FormatUint(uint64(a.GetLineCount()), 10) }},
		column[*labellingv1.Act]{"file_sha256", "Empreinte", "SHA-256 du fichier lu, en hexadécimal ; vide où aucun ne l'a été.", hexadec, func(a *labellingv1.Act) string { return hex.EncodeToString(a.GetFileSha256()) }},
		column[*labellingv1.Act]{"evidence", "Preuve", "D'où l'on tient l'acte : voir labels_history.", evidence, func(a *labellingv1.Act) string { return word(latest(a.GetBasis()).GetEvidence()) }},
		column[*labellingv1.Act]{"source", "Source", "Adresse ou référence.", text, func(a *labellingv1.Act) string { return latest(a.GetBasis()).GetSource() }},
	),
}

// labelColumns are what a label is, whatever is said of it besides.
func labelColumns[T any](of func(T) *labellingv1.Label) []column[T] {
	columns := []column[*labellingv1.Label]{
		{"site_id", "Site", "Identifiant du site titulaire : un centre dans un réseau ; il reste le même pour toujours. Vide où le titulaire n'est pas un site.", anID, func(l *labellingv1.Label) string { return l.GetHolder().GetSite().GetSiteId() }},
		{"centre_id", "Centre", "Identifiant du centre de ce site.", anID, func(l *labellingv1.Label) string { return l.GetHolder().GetSite().GetCentreId() }},
		{"network_id", "Réseau", "Identifiant du réseau de ce site, ou du réseau titulaire.", anID, networkOf},
		{"holder_filiere_id", "Filière titulaire", "Identifiant de la filière titulaire (label FSMR).", anID, func(l *labellingv1.Label) string { return l.GetHolder().GetFiliereId() }},
		{"platform_id", "Plateforme titulaire", "Identifiant de la plateforme titulaire (labels PEMR et PCOM).", anID, func(l *labellingv1.Label) string { return l.GetHolder().GetPlatformId() }},
		{"role", "Rôle", "coordinator, centre de référence coordonnateur ; constitutive, constitutif ; reference, de référence sans autre précision ; competence, de compétence ; resource_and_competence, de ressources et de compétences ; fsmr, filière ; pemr et pcom, plateformes ; vide : non dit.", oneOf(labellingv1.Role(0)), func(l *labellingv1.Label) string { return word(l.GetRole()) }},
		{"role_as_printed", "Rôle imprimé", "Le rôle tel qu'imprimé, s'il diffère.", text, (*labellingv1.Label).GetRoleAsPrinted},
		{"cycle_id", "Cycle", "Identifiant du cycle, où il est connu.", anID, (*labellingv1.Label).GetCycleId},
		{"start", "Début", "Premier jour de la période légale, au mois ou à l'année près ; vide : inconnu.", date, func(l *labellingv1.Label) string { return l.GetPeriod().GetStart() }},
		{"end", "Terme (exclu)", "Premier jour d'après, au mois ou à l'année près ; vide : inconnu, ce qui n'est ni ouvert ni passé.", date, func(l *labellingv1.Label) string { return l.GetPeriod().GetEnd() }},
		{"extended_from", "Premier terme", "Terme avant la première prorogation ; vide où il n'y en a pas eu.", date, (*labellingv1.Label).GetExtendedFrom},
		{"repealed_from", "Abrogé à compter du", "Premier jour de l'abrogation.", date, (*labellingv1.Label).GetRepealedFrom},
		{"lapsed_from", "Perdu à compter du", "Jour à compter duquel une liste complète ne le porte plus.", date, (*labellingv1.Label).GetLapsedFrom},
		{"suspensions", "Suspensions", "Périodes DÉBUT/FIN, séparées par | ; la fin de la dernière est vide tant qu'elle dure.", text, func(l *labellingv1.Label) string { return spans(l.GetSuspensions()) }},
		{"withdrawn", "Retiré", "true : retiré depuis son début.", yesNo.always(), func(l *labellingv1.Label) string { return flag(l.GetWithdrawn()) }},
		{"annulled", "Annulé", "true : annulé par un juge.", yesNo.always(), func(l *labellingv1.Label) string { return flag(l.GetAnnulled()) }},
		{"annulled_from", "Annulé à compter du", "Premier jour de l'annulation ; vide : depuis le début.", date, (*labellingv1.Label).GetAnnulledFrom},
		{"voided", "Nul", "true : n'aurait jamais dû être enregistré.", yesNo.always(), func(l *labellingv1.Label) string { return flag(l.GetVoided()) }},
		{"opened_from", "Ouvert du", "Premier jour de travail, où il est dit.", date, func(l *labellingv1.Label) string { return l.GetOperation().GetOpenedFrom() }},
		{"maintained_from", "Maintenu du", "Premier jour à partir duquel on dit qu'il travaille, quel que soit le terme.", date, func(l *labellingv1.Label) string { return l.GetOperation().GetMaintainedFrom() }},
		{"ceased_from", "Cessé du", "Premier jour où il ne travaille plus.", date, func(l *labellingv1.Label) string { return l.GetOperation().GetClosedFrom() }},
		{"predecessor_id", "Label précédent", "Identifiant du label dont il prend la suite.", anID, (*labellingv1.Label).GetPredecessorId},
		{"successor_id", "Label suivant", "Identifiant du label qui prend la suite.", anID, (*labellingv1.Label).GetSuccessorId},
	}
	all := make([]column[T], len(columns))
	for i, c := range columns {
		all[i] = column[T]{c.name, c.title, c.about, c.holds, func(v T) string { return c.cell(of(v)) }}
	}
	return all
}

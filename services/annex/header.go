package annex

import (
	"slices"
	"strings"
	"unicode"

	"maillage/services/identifier"
)

// field is what a column says.
type field uint8

const (
	unknown field = iota
	number
	filiere
	network
	acronym
	role
	establishment
	site // within the establishment, where both have a column
	city
	department
	region
	population
	head
	headFirst // first name
	headTitle // Pr, Dr
	finess
	start
	date    // alone: of what, the kind of the table says
	tenure  // from which a head is head
	lastDay // the last day itself
	end     // the first day after
	cycle
	effect
	note
	source
	other    // of use to people, kept as printed only
	personal // of persons, and of no use here
	seats    // hospitals or towns, under the name of their role
	crosses  // under the name of the role of the line

	// Of successions.
	outgoing
	incoming
	opinion

	// Of resolutions.
	rowNumber
	sheetName
	subject
	printed
	candidates
	decision
	id
)

// named says that a column holds names of persons, or what leads to one.
func (f field) named() bool {
	switch f {
	case head, headFirst, headTitle, personal, outgoing, incoming:
		return true
	}
	return false
}

// Headers of columns, French and English, as [key] writes them. They are words in use on
// published lists, not a standard: there is none.
var headerNames = map[field]string{
	number: "N°|No|Nº|Num|Numéro|Number|Line|Ligne|N° ligne|N° de ligne|Numéro de ligne|N° d'ordre|Numéro d'ordre|Rang",
	filiere: "Filière|FSMR|Filière de santé|Filière de santé maladies rares|Filière FSMR|Nom de la filière|Filière de rattachement|" +
		"Intitulé de la filière|Filières de santé maladies rares|Healthcare network",
	network: "Réseau|Intitulé|Intitulé du réseau|Nom du réseau|Titre du réseau|Libellé du réseau|Dénomination du réseau|Réseau CRMR|" +
		"Intitulé du réseau CRMR|Réseau maladies rares|Centre de référence|Centre de référence maladies rares|CRMR|Nom du CRMR|" +
		"Intitulé du CRMR|Nom du centre|Intitulé du centre|Intitulé du centre de référence|Nom du centre de référence|" +
		"Libellé du centre de référence|Intitulé du centre de référence maladies rares|Maladie ou groupe de maladies|" +
		"Network|Network name|Network title|Name of the network|Title of the network|Reference network|Reference centre",
	acronym: "Acronyme|Sigle|Acronyme du réseau|Acronyme du CRMR|Acronyme du centre|Sigle du réseau|Nom court|Nom abrégé|Acronym|Short name",
	role: "Type de label|Type|Label|Labellisation|Type de labellisation|Nature de la labellisation|Nature du label|Type de centre|" +
		"Type du centre|Type de site|Rôle|Role|Rôle du site|Qualité|Statut|Statut du centre|Statut du site|Catégorie|" +
		"Catégorie de centre|Niveau de labellisation|Label type|Type of label|Centre type|Type of centre|Role as printed",
	establishment: "Établissement|Établissement de santé|Nom de l'établissement|Nom de l'établissement de santé|Établissement de rattachement|" +
		"Établissement d'implantation|Établissement d'accueil|Établissement hospitalier|Établissement siège|CHU|CH|CHU CH|Raison sociale|" +
		"Structure|Institution|Establishment|Health establishment|Name of the establishment",
	site: "Site|Hôpital|Hôpital site|Site hospitalier|Nom du site|Nom de l'hôpital|Établissement géographique|Site géographique|" +
		"Site d'implantation|Hospital|Hospital site",
	city:       "Ville|Commune|Localité|Ville d'implantation|Commune d'implantation|City|Town",
	department: "Département|Dép|Dépt|Dpt|Code département|N° département|N° de département|Numéro de département|Department|Department code|Department_code",
	region:     "Région|Région administrative|Region|ARS",
	population: "Enfants Adultes|Adultes Enfants|Enfant Adulte|Adulte Enfant|Population|Population prise en charge|Public|Public accueilli|" +
		"Âge|Adulte Pédiatrique|Adultes Pédiatrie|Pédiatrie Adultes|Pédiatrique Adulte|Children Adults|Adults Children",
	head: "Responsable|Responsable médical|Responsables médicaux|Nom du responsable|Nom du responsable médical|Médecin responsable|" +
		"Nom du médecin responsable|Médecin coordonnateur|Coordonnateur|Coordinateur|Coordonnateur médical|Nom du coordonnateur|" +
		"Nom et prénom du responsable|Nom prénom du responsable|Prénom et nom du responsable|Nom et prénom du responsable médical|" +
		"Responsable du centre|Responsable du site|Responsable du réseau|Nom du responsable du site|Nom du responsable du centre|" +
		"Responsable scientifique|Nom|Nom et prénom|Nom prénom|Prénom nom|Prénom et nom|Responsable adulte|Responsable enfant|" +
		"Responsable adultes|Responsable enfants|Responsable pédiatrique|Référent adulte|Référent enfant|Référent pédiatrique|Co responsable|" +
		"Chef de service|Head|Head of centre|Medical head|Name of the head|Responsible|Responsible physician|Medical lead|Lead|Coordinator",
	headFirst: "Prénom|Prénom du responsable|First name",
	headTitle: "Civilité|Titre|Titre du responsable|Civilité du responsable|Grade",
	personal: "RPPS|N° RPPS|Numéro RPPS|Mail|E mail|Email|Courriel|Adresse mail|Adresse e mail|Adresse électronique|Adresse courriel|" +
		"Téléphone|Tél|Tel|Phone|Contact|Contacts|Secrétariat",
	finess: "FINESS|N° FINESS|Numéro FINESS|Code FINESS|FINESS ET|N° FINESS ET|FINESS géographique|N° FINESS géographique|FINESS site|FINESS number",
	start:  "Début|Date de début|Date d'effet|Début de labellisation|Date de début de labellisation|Prise d'effet|À compter du|Start|Start date|From|Date of effect|Effective date|Date de prise d'effet",
	date:   "Date",
	tenure: "Date de prise de fonction|Date de prise de fonctions|Date de prise de poste|Date d'entrée en fonction|Date de nomination|" +
		"Date du changement|Date de changement|Date de succession|Date de la succession",
	lastDay: "Fin|Date de fin|Échéance|Date d'échéance|Fin de labellisation|Date de fin de labellisation|Jusqu'au|Terme|Until|Last day",
	end:     "End|End date",
	cycle:   "Cycle|Campagne|Campagne de labellisation|Période|Période de labellisation|Vague|Campaign",
	effect:  "Effet|Disposition|Effet ou disposition|Effet Disposition|Nature de la décision|Mouvement|Évolution|Modification|Effect",
	note:    "Note|Notes|Observation|Observations|Remarque|Remarques|Commentaire|Commentaires|Comment|Comments|Remark|Remarks",
	source:  "Source|Sources|URL|Lien",
	other: "fsmr_evidence|cycle_evidence|SIRET|N° SIRET|SIREN|N° SIREN|Adresse|Code postal|CP|Service|Unité|Pôle|FINESS EJ|N° FINESS EJ|" +
		"FINESS juridique|N° FINESS juridique|ERN|Code INSEE|Code commune|Pays",

	outgoing: "Responsable sortant|Sortant|Ancien responsable|Responsable précédent|Responsable actuel|Responsable médical sortant|" +
		"Responsable médical actuel|Outgoing|Outgoing head|Previous head|Former head",
	incoming: "Responsable entrant|Entrant|Nouveau responsable|Successeur|Responsable proposé|Responsable médical entrant|" +
		"Nouveau responsable médical|Incoming|Incoming head|New head|Successor",
	opinion: "Avis|Avis du CSL|Avis CSL|Avis du comité|Avis du comité de suivi|Avis rendu|Sens de l'avis|Opinion",

	rowNumber:  "Rangée|Row",
	sheetName:  "Feuille|Onglet|Sheet",
	subject:    "Objet|Subject",
	printed:    "Imprimé|Printed",
	candidates: "Candidats|Candidates",
	decision:   "Décision|Decision",
	id:         "Id|Identifiant",
}

var headers = func() map[string]field {
	m := map[string]field{}
	for f, names := range headerNames {
		for name := range strings.SplitSeq(names, "|") {
			m[key(name)] = f
		}
	}
	return m
}()

// key writes a text so that variants of one wording are the same: folded, letters and
// digits only, each word in the singular.
func key(s string) string {
	words := strings.FieldsFunc(identifier.Fold(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for i, w := range words {
		switch {
		case len(w) <= 3:
		case strings.HasSuffix(w, "eaux"), strings.HasSuffix(w, "s"):
			words[i] = w[:len(w)-1]
		}
	}
	return strings.Join(words, " ")
}

// fieldOf reads a header. What stands in brackets explains it, and digits at its end
// call a footnote.
func fieldOf(text string) field {
	if len(text) > 200 {
		return unknown
	}
	if f, ok := headers[key(text)]; ok {
		return f
	}
	if !strings.ContainsAny(text, "([0123456789") {
		return unknown
	}
	k := key(brackets.ReplaceAllString(text, " "))
	return headers[strings.TrimRight(k, " 0123456789")]
}

// Words of headers, as [key] writes them, that tell a column where no known header does.
// The first that is among a header's words counts.
var headerWords = []struct {
	words string
	field field
}{
	{"mail courriel telephone tel rpps", personal},
	{"sortant entrant ancien nouveau precedent actuel successeur proposition propose type nombre nb date annee", unknown},
	{"responsable medecin", head},
	{"fines", finess},
	{"etablissement hopital hospitalier hospitaliere", establishment},
	{"labellisation label", role},
	{"filiere fsmr", filiere},
	{"intitule denomination libelle reseau crmr", network},
	{"ville commune", city},
	{"departement", department},
	{"region", region},
}

// presumedField reads a header that is none of those known by its words.
func presumedField(text string) field {
	if len(text) > 200 {
		return unknown
	}
	words := strings.Fields(key(text))
	has := func(some string) bool {
		return slices.ContainsFunc(strings.Fields(some), func(w string) bool { return slices.Contains(words, w) })
	}
	if has("type nature statut") && has("centre site label labellisation structure") && !has("etablissement") {
		return role
	}
	for _, h := range headerWords {
		if has(h.words) {
			if h.field == finess && has("juridique ej") {
				return other
			}
			return h.field
		}
	}
	return unknown
}

// recognised counts the different columns whose headers are known, or is 0 where too
// few of a row's cells are headers.
func recognised(texts []string, fieldOf func(string) field) int {
	seen := map[field]bool{}
	known, filled := 0, 0
	for _, t := range texts {
		if blank(t) {
			continue
		}
		filled++
		if f := fieldOf(t); f != unknown {
			known++
			seen[f] = true
		}
	}
	if len(seen) < 2 || known*2 < filled {
		return 0
	}
	return len(seen)
}

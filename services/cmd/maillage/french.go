package main

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/identifier"
)

// word is a value of an enum in French, and what else it may be typed as.
type word[E ~int32] struct {
	value  E
	french string
	typed  []string
}

var roleWords = []word[labellingv1.Role]{
	{labellingv1.Role_ROLE_UNSPECIFIED, "non précisé", []string{"unspecified"}},
	{labellingv1.Role_ROLE_COORDINATOR, "coordonnateur", []string{"coordinator"}},
	{labellingv1.Role_ROLE_CONSTITUTIVE, "constitutif", []string{"constitutive"}},
	{labellingv1.Role_ROLE_REFERENCE, "référence", []string{"reference", "CRMR"}},
	{labellingv1.Role_ROLE_COMPETENCE, "compétence", []string{"competence", "CCMR"}},
	{labellingv1.Role_ROLE_RESOURCE_AND_COMPETENCE, "ressources et compétences", []string{"CRC", "CRCM", "resource and competence", "resource_and_competence"}},
	{labellingv1.Role_ROLE_FSMR, "FSMR", []string{"filière"}},
	{labellingv1.Role_ROLE_PEMR, "PEMR", nil},
	{labellingv1.Role_ROLE_PCOM, "PCOM", nil},
}

var statusWords = []word[labellingv1.Status]{
	{labellingv1.Status_STATUS_PLANNED, "à venir", []string{"planned", "prévu"}},
	{labellingv1.Status_STATUS_IN_FORCE, "en vigueur", []string{"in force", "in_force"}},
	{labellingv1.Status_STATUS_IN_ABEYANCE, "en suspens", []string{"in abeyance", "in_abeyance", "échu sans décision"}},
	{labellingv1.Status_STATUS_EXPIRED, "expiré", []string{"expired"}},
	{labellingv1.Status_STATUS_REPEALED, "abrogé", []string{"repealed"}},
	{labellingv1.Status_STATUS_SUPERSEDED, "remplacé", []string{"superseded"}},
	{labellingv1.Status_STATUS_UNDETERMINED, "indéterminé", []string{"undetermined"}},
	{labellingv1.Status_STATUS_LAPSED, "perdu par absence", []string{"lapsed", "caduc", "perdu"}},
	{labellingv1.Status_STATUS_EXTENDED, "prorogé", []string{"extended"}},
	{labellingv1.Status_STATUS_SUSPENDED, "suspendu", []string{"suspended"}},
	{labellingv1.Status_STATUS_WITHDRAWN, "retiré", []string{"withdrawn"}},
	{labellingv1.Status_STATUS_ANNULLED, "annulé", []string{"annulled"}},
	{labellingv1.Status_STATUS_VOIDED, "enregistré à tort", []string{"voided", "nul"}},
}

var operationWords = []word[labellingv1.OperationState]{
	{labellingv1.OperationState_OPERATION_STATE_PLANNED, "pas encore ouvert", nil},
	{labellingv1.OperationState_OPERATION_STATE_OPEN, "ouvert", nil},
	{labellingv1.OperationState_OPERATION_STATE_MAINTAINED, "maintenu", nil},
	{labellingv1.OperationState_OPERATION_STATE_CLOSED, "fermé", nil},
}

var windowWords = []word[registryv1.Window]{
	{registryv1.Window_WINDOW_LEGAL, "légale", []string{"legal"}},
	{registryv1.Window_WINDOW_OPERATIONAL, "opérationnelle", []string{"operational"}},
}

var officeWords = []word[labellingv1.OfficeKind]{
	{labellingv1.OfficeKind_OFFICE_KIND_HEAD, "responsable", []string{"head", "responsable médical"}},
	{labellingv1.OfficeKind_OFFICE_KIND_CO_HEAD, "coresponsable", []string{"co-head", "co_head", "co head"}},
	{labellingv1.OfficeKind_OFFICE_KIND_CHILD_REFERENT, "référent enfant", []string{"child referent"}},
	{labellingv1.OfficeKind_OFFICE_KIND_ADULT_REFERENT, "référent adulte", []string{"adult referent"}},
	{labellingv1.OfficeKind_OFFICE_KIND_COORDINATOR, "coordonnateur", []string{"coordinator", "coordonnatrice"}},
}

var approvalWords = []word[labellingv1.Approval]{
	{labellingv1.Approval_APPROVAL_APPROVED, "approuvé", []string{"approved"}},
	{labellingv1.Approval_APPROVAL_REFUSED, "refusé", []string{"refused"}},
}

var outcomeWords = []word[labellingv1.OutcomeKind]{
	{labellingv1.OutcomeKind_OUTCOME_KIND_FAVOURABLE, "favorable", []string{"favourable"}},
	{labellingv1.OutcomeKind_OUTCOME_KIND_ADJUSTED, "à ajuster", []string{"adjusted", "ajusté"}},
	{labellingv1.OutcomeKind_OUTCOME_KIND_DEFERRED, "différé", []string{"deferred"}},
	{labellingv1.OutcomeKind_OUTCOME_KIND_REFUSED, "refusé", []string{"refused"}},
	{labellingv1.OutcomeKind_OUTCOME_KIND_SET_ASIDE, "écarté", []string{"set aside", "set_aside"}},
}

var dispositionWords = []word[labellingv1.Disposition]{
	{labellingv1.Disposition_DISPOSITION_GRANTED, "accordé", []string{"octroi", "ajout", "ajouté", "granted", "nouveau"}},
	{labellingv1.Disposition_DISPOSITION_RENEWED, "renouvelé", []string{"renouvellement", "renewed"}},
	{labellingv1.Disposition_DISPOSITION_CONFIRMED, "confirmé", []string{"confirmation", "confirmed"}},
	{labellingv1.Disposition_DISPOSITION_LAPSED, "perdu par absence", nil},
	{labellingv1.Disposition_DISPOSITION_EXPIRED, "expiré, non repris", nil},
	{labellingv1.Disposition_DISPOSITION_REPEALED, "abrogé", []string{"abrogation", "repealed"}},
	{labellingv1.Disposition_DISPOSITION_EXTENDED, "prorogé", []string{"prorogation", "extended"}},
	{labellingv1.Disposition_DISPOSITION_WITHDRAWN, "retiré", []string{"retrait", "supprimé", "suppression", "withdrawn"}},
	{labellingv1.Disposition_DISPOSITION_AMENDED, "rectifié", []string{"modifié", "remplacé", "modification", "amended"}},
	{labellingv1.Disposition_DISPOSITION_UNDETERMINED, "indéterminé", nil},
	{labellingv1.Disposition_DISPOSITION_TO_DECIDE, "hors filière, à décider", nil},
	{labellingv1.Disposition_DISPOSITION_SUCCEEDED, "succession", nil},
	{labellingv1.Disposition_DISPOSITION_SUSPENDED, "suspendu", nil},
	{labellingv1.Disposition_DISPOSITION_ANNULLED, "annulé", nil},
}

var topologyWords = []word[labellingv1.TopologyEffectKind]{
	{labellingv1.TopologyEffectKind_TOPOLOGY_EFFECT_KIND_CREATED, "créé", nil},
	{labellingv1.TopologyEffectKind_TOPOLOGY_EFFECT_KIND_RENAMED, "renommé", nil},
	{labellingv1.TopologyEffectKind_TOPOLOGY_EFFECT_KIND_SUCCEEDED, "prend la suite", nil},
	{labellingv1.TopologyEffectKind_TOPOLOGY_EFFECT_KIND_ATTACHED, "change de filière", nil},
	{labellingv1.TopologyEffectKind_TOPOLOGY_EFFECT_KIND_COLLABORATES, "devient collaborateur", nil},
	{labellingv1.TopologyEffectKind_TOPOLOGY_EFFECT_KIND_LINK_MOVED, "se poursuit avec un autre", nil},
	{labellingv1.TopologyEffectKind_TOPOLOGY_EFFECT_KIND_LINK_ENDED, "prend fin", nil},
}

var identityWords = []word[labellingv1.Identity]{
	{labellingv1.Identity_IDENTITY_SAME, "identique", []string{"same", "même"}},
	{labellingv1.Identity_IDENTITY_NEW, "nouveau", []string{"new"}},
	{labellingv1.Identity_IDENTITY_SUCCESSOR, "successeur de", []string{"successor", "successeur", "successor of"}},
	{labellingv1.Identity_IDENTITY_UNDETERMINED, "indéterminé", []string{"undetermined"}},
	{labellingv1.Identity_IDENTITY_PRESUMED, "présumé", []string{"presumed"}},
}

var subjectWords = []word[labellingv1.Subject]{
	{labellingv1.Subject_SUBJECT_NETWORK, "réseau", []string{"network"}},
	{labellingv1.Subject_SUBJECT_CENTRE, "centre", nil},
	{labellingv1.Subject_SUBJECT_LABEL, "label", nil},
	{labellingv1.Subject_SUBJECT_ESTABLISHMENT, "établissement", []string{"establishment"}},
}

var draftWords = []word[labellingv1.DraftState]{
	{labellingv1.DraftState_DRAFT_STATE_PREPARED, "préparé", []string{"prepared"}},
	{labellingv1.DraftState_DRAFT_STATE_APPROVED, "approuvé", []string{"approved"}},
	{labellingv1.DraftState_DRAFT_STATE_REJECTED, "rejeté", []string{"rejected"}},
}

var differenceWords = []word[registryv1.DifferenceKind]{
	{registryv1.DifferenceKind_DIFFERENCE_KIND_APPEARED, "apparu", nil},
	{registryv1.DifferenceKind_DIFFERENCE_KIND_DISAPPEARED, "disparu", nil},
	{registryv1.DifferenceKind_DIFFERENCE_KIND_CHANGED, "changé", nil},
}

var countUnitWords = []word[registryv1.CountUnit]{
	{registryv1.CountUnit_COUNT_UNIT_NETWORK, "réseaux", []string{"network", "réseau"}},
	{registryv1.CountUnit_COUNT_UNIT_REFERENCE_SITE, "sites de référence", []string{"reference site", "reference_site", "site de référence", "référence"}},
	{registryv1.CountUnit_COUNT_UNIT_LABEL, "labels", []string{"label"}},
	{registryv1.CountUnit_COUNT_UNIT_CENTRE, "centres", []string{"centre"}},
	{registryv1.CountUnit_COUNT_UNIT_ESTABLISHMENT, "établissements", []string{"establishment", "établissement"}},
}

var countByWords = []word[registryv1.CountBy]{
	{registryv1.CountBy_COUNT_BY_ROLE, "rôle", []string{"role"}},
	{registryv1.CountBy_COUNT_BY_FILIERE, "filière", []string{"filiere"}},
	{registryv1.CountBy_COUNT_BY_REGION, "région", []string{"region"}},
	{registryv1.CountBy_COUNT_BY_DEPARTMENT, "département", []string{"department"}},
	{registryv1.CountBy_COUNT_BY_CYCLE, "cycle", nil},
}

var todoWords = []word[registryv1.TodoKind]{
	{registryv1.TodoKind_TODO_KIND_IDENTITY, "identité indéterminée", nil},
	{registryv1.TodoKind_TODO_KIND_VACANCY, "poste vacant", nil},
	{registryv1.TodoKind_TODO_KIND_APPROVAL, "succession sans approbation", nil},
	{registryv1.TodoKind_TODO_KIND_SEAT, "siège autre que dans l'acte", nil},
	{registryv1.TodoKind_TODO_KIND_CLOSED, "label d'un centre ou réseau fermé", nil},
	{registryv1.TodoKind_TODO_KIND_DRAFT, "acte préparé, à approuver", nil},
	{registryv1.TodoKind_TODO_KIND_ABEYANCE, "terme atteint, rien de décidé", nil},
	{registryv1.TodoKind_TODO_KIND_REPORT, "rapport d'activité à valider", nil},
}

var settlementWords = []word[labellingv1.Settlement]{
	{labellingv1.Settlement_SETTLEMENT_SAME_LABEL, "même label", []string{"same label", "même"}},
	{labellingv1.Settlement_SETTLEMENT_NEW_LABEL, "nouveau label", []string{"new label", "nouveau"}},
	{labellingv1.Settlement_SETTLEMENT_LEFT_OUT, "laissé de côté", []string{"left out", "écarté"}},
	{labellingv1.Settlement_SETTLEMENT_SOURCE_REFUTED, "source réfutée", []string{"source refuted", "réfuté"}},
}

// entityWords and changeWords are the words of a diff.
var (
	entityWords = map[string]string{
		"label": "label", "site": "site", "value": "valeur du coffre", "person": "personne", "establishment": "établissement", "centre": "centre", "network": "réseau", "filiere": "filière",
		"platform": "plateforme", "office": "poste", "link": "lien", "continuity": "continuité", "plan": "plan", "alias": "alias",
	}
	changeWords = map[string]string{
		"role": "rôle", "holder": "titulaire", "head": "responsable", "title": "intitulé", "acronym": "sigle", "filiere": "filière",
		"network": "réseau", "place": "lieu", "population": "population", "period": "période", "status": "statut",
		"operation": "activité", "cycle": "cycle", "name": "nom", "establishment": "établissement", "successor": "successeur",
		"predecessor": "prédécesseur", "start": "début", "end": "fin", "approval": "approbation", "role_as_printed": "rôle imprimé",
		"lapsed_from": "non repris à compter du", "repealed_from": "abrogé à compter du", "extended_from": "prorogé depuis",
		"suspensions": "suspensions", "withdrawn": "retiré", "annulled": "annulé", "annulled_from": "annulé à compter du", "voided": "enregistré à tort",
		"opened_from": "ouvert depuis", "maintained_from": "maintenu depuis", "closed_from": "fermé depuis", "finess": "FINESS", "siret": "SIRET",
		"ended":   "terminé",
		"website": "site", "legal_entities": "entités juridiques", "interim": "intérim", "kind": "nature", "person": "personne", "basis": "fondement",
		"opinions": "avis", "approval_date": "décidé le", "thresholds": "seuils", "code": "code", "aliases": "autres noms", "finess_kind": "nature du FINESS",
		"centre": "centre", "state": "état", "reason": "motif", "act": "acte", "email": "adresse électronique", "phone": "téléphone",
		"revision": "révision", "indicators": "indicateurs", "open": "ouverte", "closed_date": "close le", "missions": "missions", "description": "objet",
		"cancelled": "annulé", "count": "nombre",
		"territory": "territoire", "confirmed": "confirmé", "axes": "axes", "orpha_release": "édition ORPHA", "orpha_codes": "codes ORPHA",
	}
)

// candidateWords are the reasons for which something may be what a line names, where
// changeWords has no word or another.
var candidateWords = map[string]string{"former name": "ancien nom", "sites": "sites", "group": "même groupe hospitalier", "other network": "autre réseau"}

var evidenceWords = []word[eventv1.Evidence]{
	{eventv1.Evidence_EVIDENCE_ACT_READ, "lu dans l'acte", []string{"acte lu", "act read", "act_read"}},
	{eventv1.Evidence_EVIDENCE_ACT_CITED, "acte cité", []string{"act cited", "act_cited"}},
	{eventv1.Evidence_EVIDENCE_STATED, "énoncé", []string{"stated"}},
	{eventv1.Evidence_EVIDENCE_INFERRED, "déduit", []string{"inferred"}},
	{eventv1.Evidence_EVIDENCE_PROPOSED, "proposé", []string{"proposed"}},
}

var actKindWords = []word[labellingv1.ActKind]{
	{labellingv1.ActKind_ACT_KIND_ARRETE, "arrêté", nil},
	{labellingv1.ActKind_ACT_KIND_CIRCULAIRE, "circulaire", nil},
	{labellingv1.ActKind_ACT_KIND_INSTRUCTION, "instruction", nil},
	{labellingv1.ActKind_ACT_KIND_NOTE, "note", nil},
	{labellingv1.ActKind_ACT_KIND_DECRET, "décret", nil},
	{labellingv1.ActKind_ACT_KIND_CALL, "appel à projets", []string{"call"}},
	{labellingv1.ActKind_ACT_KIND_LETTER, "lettre", []string{"letter"}},
	{labellingv1.ActKind_ACT_KIND_RULING, "décision de justice", []string{"ruling"}},
	{labellingv1.ActKind_ACT_KIND_DECISION, "décision", []string{"decision"}},
}

var finessWords = []word[topologyv1.FinessKind]{
	{topologyv1.FinessKind_FINESS_KIND_LEGAL_ENTITY, "entité juridique", []string{"EJ", "legal entity", "legal_entity"}},
	{topologyv1.FinessKind_FINESS_KIND_SITE, "entité géographique", []string{"ET", "site"}},
}

var populationWords = []word[topologyv1.Population]{
	{topologyv1.Population_POPULATION_CHILD, "enfants", []string{"child", "enfant"}},
	{topologyv1.Population_POPULATION_ADULT, "adultes", []string{"adult", "adulte"}},
	{topologyv1.Population_POPULATION_MIXED, "mixte", []string{"mixed"}},
}

var platformWords = []word[topologyv1.PlatformKind]{
	{topologyv1.PlatformKind_PLATFORM_KIND_PEMR, "PEMR", nil},
	{topologyv1.PlatformKind_PLATFORM_KIND_PCOM, "PCOM", nil},
}

var linkWords = []word[topologyv1.LinkKind]{
	{topologyv1.LinkKind_LINK_KIND_COLLABORATES, "collaborateur", []string{"collaborates", "collaboration"}},
	{topologyv1.LinkKind_LINK_KIND_SERVES, "dessert", []string{"serves"}},
	{topologyv1.LinkKind_LINK_KIND_HOSTED, "hébergé", []string{"hosted", "hébergement"}},
	{topologyv1.LinkKind_LINK_KIND_ATTACHED, "rattaché", []string{"attached", "rattachement"}},
	{topologyv1.LinkKind_LINK_KIND_ERN, "ERN", []string{"réseau européen"}},
}

var kindWords = []word[topologyv1.EntityKind]{
	{topologyv1.EntityKind_ENTITY_KIND_ESTABLISHMENT, "établissement", []string{"establishment"}},
	{topologyv1.EntityKind_ENTITY_KIND_CENTRE, "centre", nil},
	{topologyv1.EntityKind_ENTITY_KIND_NETWORK, "réseau", []string{"network"}},
	{topologyv1.EntityKind_ENTITY_KIND_FILIERE, "filière", []string{"filiere"}},
	{topologyv1.EntityKind_ENTITY_KIND_PLATFORM, "plateforme", []string{"platform"}},
	{topologyv1.EntityKind_ENTITY_KIND_SITE, "site", nil},
}

var erasureWords = []word[labellingv1.ErasureReason]{
	{labellingv1.ErasureReason_ERASURE_REASON_REQUESTED, "demandé", []string{"requested", "demande"}},
	{labellingv1.ErasureReason_ERASURE_REASON_EXPIRED, "échu", []string{"expired"}},
	{labellingv1.ErasureReason_ERASURE_REASON_ORDERED, "ordonné", []string{"ordered"}},
	{labellingv1.ErasureReason_ERASURE_REASON_UNNEEDED, "inutile", []string{"unneeded"}},
}

var noticeWords = []word[feedv1.NoticeKind]{
	{feedv1.NoticeKind_NOTICE_KIND_VOIDED, "enregistré à tort", []string{"voided"}},
	{feedv1.NoticeKind_NOTICE_KIND_WITHDRAWN, "retrait", []string{"withdrawn"}},
	{feedv1.NoticeKind_NOTICE_KIND_ANNULLED, "annulation", []string{"annulled"}},
	{feedv1.NoticeKind_NOTICE_KIND_CORRECTED, "correction", []string{"corrected"}},
	{feedv1.NoticeKind_NOTICE_KIND_AMENDED, "rectification", []string{"amended"}},
	{feedv1.NoticeKind_NOTICE_KIND_IDENTITY_JOINED, "identités réunies", []string{"identity joined", "identity_joined"}},
	{feedv1.NoticeKind_NOTICE_KIND_IDENTITY_PARTED, "identités séparées", []string{"identity parted", "identity_parted"}},
	{feedv1.NoticeKind_NOTICE_KIND_ERASED, "effacement", []string{"erased"}},
	{feedv1.NoticeKind_NOTICE_KIND_EPOCH_OPENED, "époque", []string{"epoch opened", "epoch_opened"}},
}

var noticeActions = []word[feedv1.NoticeAction]{
	{feedv1.NoticeAction_NOTICE_ACTION_UNDO, "défaire ce qui l'a été d'après ce fait", nil},
	{feedv1.NoticeAction_NOTICE_ACTION_COMPARE, "comparer avec ce que le registre dit maintenant", nil},
	{feedv1.NoticeAction_NOTICE_ACTION_JOIN, "réunir ce qui est tenu sous les deux identifiants", nil},
	{feedv1.NoticeAction_NOTICE_ACTION_PART, "séparer ce qui a été réuni", nil},
	{feedv1.NoticeAction_NOTICE_ACTION_FORGET, "oublier la personne", nil},
	{feedv1.NoticeAction_NOTICE_ACTION_CHECK_CURSOR, "ne rien garder à partir de cette position", nil},
}

var childWords = []word[topologyv1.ChildOutcome]{
	{topologyv1.ChildOutcome_CHILD_OUTCOME_MOVES, "va", []string{"moves", "passe"}},
	{topologyv1.ChildOutcome_CHILD_OUTCOME_STAYS, "reste", []string{"stays"}},
	{topologyv1.ChildOutcome_CHILD_OUTCOME_CLOSES, "ferme", []string{"closes", "finit"}},
}

var coverageWords = []word[labellingv1.Coverage]{
	{labellingv1.Coverage_COVERAGE_COMPLETE, "liste complète", []string{"complete", "complète"}},
	{labellingv1.Coverage_COVERAGE_PARTIAL, "liste partielle", []string{"partial", "partielle"}},
	{labellingv1.Coverage_COVERAGE_EXCLUDED, "exclue", []string{"excluded"}},
}

var unitWords = []word[labellingv1.ThresholdUnit]{
	{labellingv1.ThresholdUnit_THRESHOLD_UNIT_PATIENTS, "patients par an", []string{"patients"}},
	{labellingv1.ThresholdUnit_THRESHOLD_UNIT_VISITS, "venues par an", []string{"venues", "visits"}},
}

var audienceWords = []word[activityv1.Audience]{
	{activityv1.Audience_AUDIENCE_PEMR, "PEMR", nil},
	{activityv1.Audience_AUDIENCE_PCOM, "PCOM", nil},
	{activityv1.Audience_AUDIENCE_SITE, "site", []string{"sites"}},
}

var valueTypeWords = []word[activityv1.ValueType]{
	{activityv1.ValueType_VALUE_TYPE_COUNT, "nombre", []string{"count"}},
	{activityv1.ValueType_VALUE_TYPE_QUANTITY, "quantité", []string{"quantity"}},
	{activityv1.ValueType_VALUE_TYPE_EUROS, "euros", nil},
	{activityv1.ValueType_VALUE_TYPE_FLAG, "oui ou non", []string{"flag"}},
	{activityv1.ValueType_VALUE_TYPE_TEXT, "texte", []string{"text"}},
}

var reportStateWords = []word[activityv1.ReportState]{
	{activityv1.ReportState_REPORT_STATE_SUBMITTED, "soumis", []string{"submitted"}},
	{activityv1.ReportState_REPORT_STATE_RETURNED, "renvoyé", []string{"returned"}},
	{activityv1.ReportState_REPORT_STATE_VALIDATED, "validé", []string{"validated"}},
}

var undertakingWords = []word[activityv1.UndertakingKind]{
	{activityv1.UndertakingKind_UNDERTAKING_KIND_PROJECT, "projet", []string{"project"}},
	{activityv1.UndertakingKind_UNDERTAKING_KIND_TRAINING, "formation", []string{"training"}},
	{activityv1.UndertakingKind_UNDERTAKING_KIND_ACTION, "action", nil},
}

var assuranceWords = []word[eventv1.Assurance]{
	{eventv1.Assurance_ASSURANCE_DEVELOPMENT, "identité de développement", nil},
	{eventv1.Assurance_ASSURANCE_OIDC, "OpenID Connect", nil},
}

// inFrench is the French word for a value, empty where it says nothing.
func inFrench[E ~int32](words []word[E], v E) string {
	for _, w := range words {
		if w.value == v {
			return w.french
		}
	}
	return ""
}

// named is an enum of the contract: its names are those of our JSON.
type named interface {
	~int32
	fmt.Stringer
}

// parseWord reads a word as typed, in French, in English or as our JSON has it,
// without accents and case.
func parseWord[E named](words []word[E], text []byte) (E, error) {
	var known []string
	for _, w := range words {
		for _, s := range append([]string{w.french, w.value.String()}, w.typed...) {
			if identifier.Fold(s) == identifier.Fold(string(text)) {
				return w.value, nil
			}
		}
		known = append(known, w.french)
	}
	return 0, fmt.Errorf("« %s » n'est pas l'un de : %s", text, strings.Join(known, ", "))
}

type (
	roleFlag       labellingv1.Role
	statusFlag     labellingv1.Status
	evidenceFlag   eventv1.Evidence
	finessFlag     topologyv1.FinessKind
	populationFlag topologyv1.Population
	platformFlag   topologyv1.PlatformKind
	linkFlag       topologyv1.LinkKind
	erasureFlag    labellingv1.ErasureReason
	noticeFlag     feedv1.NoticeKind
	windowFlag     registryv1.Window
	officeFlag     labellingv1.OfficeKind
	outcomeFlag    labellingv1.OutcomeKind
	actKindFlag    labellingv1.ActKind
	draftFlag      labellingv1.DraftState
	settlementFlag labellingv1.Settlement
	unitFlag       registryv1.CountUnit
	byFlag         registryv1.CountBy

	undertakingFlag activityv1.UndertakingKind
	measureFlag     labellingv1.ThresholdUnit
)

func (f *roleFlag) UnmarshalText(b []byte) error { return parseInto(f, roleWords, b) }

func (f *statusFlag) UnmarshalText(b []byte) error { return parseInto(f, statusWords, b) }

func (f *evidenceFlag) UnmarshalText(b []byte) error { return parseInto(f, evidenceWords, b) }

func (f *finessFlag) UnmarshalText(b []byte) error { return parseInto(f, finessWords, b) }

func (f *populationFlag) UnmarshalText(b []byte) error { return parseInto(f, populationWords, b) }

func (f *linkFlag) UnmarshalText(b []byte) error { return parseInto(f, linkWords, b) }

func (f *erasureFlag) UnmarshalText(b []byte) error { return parseInto(f, erasureWords, b) }

func (f *noticeFlag) UnmarshalText(b []byte) error { return parseInto(f, noticeWords, b) }

func (f *platformFlag) UnmarshalText(b []byte) error { return parseInto(f, platformWords, b) }

func (f *windowFlag) UnmarshalText(b []byte) error { return parseInto(f, windowWords, b) }

func (f *officeFlag) UnmarshalText(b []byte) error { return parseInto(f, officeWords, b) }

func (f *outcomeFlag) UnmarshalText(b []byte) error { return parseInto(f, outcomeWords, b) }

func (f *actKindFlag) UnmarshalText(b []byte) error { return parseInto(f, actKindWords, b) }

func (f *draftFlag) UnmarshalText(b []byte) error { return parseInto(f, draftWords, b) }

func (f *settlementFlag) UnmarshalText(b []byte) error { return parseInto(f, settlementWords, b) }

func (f *unitFlag) UnmarshalText(b []byte) error { return parseInto(f, countUnitWords, b) }

func (f *byFlag) UnmarshalText(b []byte) error { return parseInto(f, countByWords, b) }

func (f *undertakingFlag) UnmarshalText(b []byte) error { return parseInto(f, undertakingWords, b) }

func (f *measureFlag) UnmarshalText(b []byte) error { return parseInto(f, unitWords, b) }

func parseInto[F ~int32, E named](f *F, words []word[E], text []byte) error {
	v, err := parseWord(words, text)
	*f = F(v)
	return err
}

var paris = func() *time.Location {
	l, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		return time.UTC
	}
	return l
}()

// frDate is a date of reduced precision as an officer reads it: 17/05/2022, 05/2022,
// 2022.
func frDate(s string) string {
	parts := strings.Split(s, "-")
	for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
		parts[i], parts[j] = parts[j], parts[i]
	}
	return strings.Join(parts, "/")
}

// frPeriod is a period as an officer reads it. The end of a period is the first day
// after it; where it is a full date, its last day is shown.
func frPeriod(p *eventv1.Period) string {
	start, end := "début inconnu", "fin inconnue"
	if p.GetStart() != "" {
		start = "depuis " + frDate(p.GetStart())
	}
	if p.GetEnd() != "" {
		end = "jusqu'en " + frDate(p.GetEnd())
		if d, err := bitemporal.ParseDate(p.GetEnd()); err == nil {
			end = "jusqu'au " + frDate((d - 1).String()) + " inclus"
		}
	}
	return start + ", " + end
}

// frSpan is a period in the width of a table: its first and its last day, as far as
// they are known.
func frSpan(p *eventv1.Period) string {
	start, end := "?", "?"
	if p.GetStart() != "" {
		start = frDate(p.GetStart())
	}
	if p.GetEnd() != "" {
		end = frDate(p.GetEnd())
		if d, err := bitemporal.ParseDate(p.GetEnd()); err == nil {
			end = frDate((d - 1).String())
		}
	}
	return start + " – " + end
}

// moment says for which moment an answer speaks.
func moment(r *registryv1.Resolved) string {
	out := fmt.Sprintf("Valable au %s, connu à la position %d", frDate(r.GetValidAt()), r.GetKnownPosition())
	switch {
	case r.GetKnownPosition() == 0:
		out = fmt.Sprintf("Valable au %s, connu avant l'ouverture du registre", frDate(r.GetValidAt()))
	case r.GetKnownTime() != nil:
		out += " (" + frTime(r.GetKnownTime()) + ")"
	}
	if r.GetProvisional() {
		out += ", à titre provisoire"
	}
	if r.GetWindow() == registryv1.Window_WINDOW_OPERATIONAL {
		out += ", fenêtre opérationnelle"
	}
	if r.GetPublishedBy() != "" {
		out += ", d'après les seuls actes publiés au " + frDate(r.GetPublishedBy())
		if n := len(r.GetUndatedActIds()); n > 0 {
			out += fmt.Sprintf(" (sans %s dont la publication n'est pas datée : %s)", counted(n, "acte(s)"), strings.Join(r.GetUndatedActIds(), ", "))
		}
	}
	return out
}

// counted is a number with what it counts, in whose words (s) is what several have:
// « ligne(s) relue(s) ».
func counted[N int | int64 | uint32 | uint64](n N, words string) string {
	several := "s"
	if n < 2 {
		several = ""
	}
	return fmt.Sprintf("%d %s", n, strings.ReplaceAll(words, "(s)", several))
}

// frTime is a moment as an officer reads it, in Paris: 17/05/2022 14:03:59.
func frTime(t *timestamppb.Timestamp) string {
	return t.AsTime().In(paris).Format("02/01/2006 15:04:05")
}

package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/labelling"
)

// detail is one line of what is shown of an entity or fact.
type detail struct{ name, value string }

// names is what an officer reads for the fields of entities and facts. A field
// that is not here is shown under its own name.
var names = map[protoreflect.Name]string{ //nolint:gosec // G101 takes page_token for a credential
	"near": "--near", "axis": "--axis", "orpha_code": "--orpha", "kinds": "--kind", "with_ended": "--with-ended", "without_links": "Sans les liens",
	"account": "Compte", "act_id": "Acte", "acronym": "Sigle", "aliases": "Autres noms", "announced_date": "Annoncé le",
	"announced_totals": "Totaux annoncés", "assertions": "Dit aussi", "authority": "Autorité", "basis": "Fondement",
	"contact": "Coordonnées", "email": "Adresse électronique", "phone": "Téléphone", "region_codes": "Régions", "department_codes": "Départements",
	"orpha_release": "Édition ORPHA", "orpha_codes": "Codes ORPHA", "release": "Édition ORPHA", "closed": "Fermé", "axes": "Axes", "plan_id": "Plan",
	"link_id": "Lien", "from_id": "Qui", "to_id": "Avec", "confirmed": "Confirmé", "ended": "Terminé", "continuity_id": "Continuité",
	"kept_id": "Identifiant à suivre", "other_id": "Le même que", "children": "--child", "child_id": "Rattaché", "outcome": "Devenir", "to_ids": "Où",
	"centre_id": "Centre", "city": "Ville", "code": "Code", "cycle_code": "Cycle", "cycle_id": "Cycle (id)",
	"department_code": "Département", "effective_date": "Prend effet le", "entity_id": "Objet", "establishment_id": "Établissement",
	"establishment_ids": "Établissements", "establishment_names": "Lieux d'exercice", "field": "Attribut", "filiere_acronym": "Filière",
	"filiere_id": "Filière (id)", "file_sha256": "Empreinte du fichier", "finess": "FINESS", "finess_kind": "Nature du FINESS",
	"folded_position": "Position lue", "halted": "Arrêté parce que", "head": "Responsable", "head_name": "Responsable médical",
	"holder": "Titulaire", "holder_name": "Nom du titulaire", "kind": "Nature", "label_id": "Label", "legal_entity_id": "Entité juridique",
	"legal_entity_ids": "Entités juridiques", "line_count": "Lignes enregistrées", "log_id": "Registre", "name": "Nom",
	"network_acronym": "Sigle du réseau", "network_id": "Réseau (id)", "network_title": "Réseau", "nor": "NOR", "period": "Période",
	"place": "Lieu", "platform_id": "Plateforme", "population": "Population", "predecessor_id": "Fait suite à",
	"publications": "Publié", "region_code": "Région", "repealed_from": "Abrogé à compter du", "role": "Rôle",
	"role_as_printed": "Rôle tel qu'imprimé", "scope": "Portée", "signed_date": "Signé le", "siret": "SIRET", "status": "Statut",
	"successor_id": "Remplacé par le label", "thresholds": "Seuils", "title": "Intitulé", "valid_from": "À compter du", "value": "Valeur",
	"website": "Site", "extended_from": "Prorogé depuis", "suspensions": "Suspensions", "withdrawn": "Retiré", "annulled": "Annulé",
	"annulled_from": "Annulé à compter du", "lapsed_from": "Non repris à compter du", "voided": "Enregistré à tort", "operation": "Activité",
	"operation_state": "État d'activité", "offices": "Postes", "opened_from": "Ouvert depuis", "maintained_from": "Maintenu depuis",
	"closed_from": "Fermé depuis", "predecessor_ids": "Fait suite à", "successor_ids": "Remplacé par", "amends_act_id": "Modifie l'acte",
	"absences_stated": "Absences énoncées", "office_id": "Poste", "holder_id": "Titulaire", "interim": "Par intérim", "person_id": "Personne",
	"start": "Début", "end": "Fin", "body": "Instance", "favourable": "Favorable", "date": "Date", "campaign_id": "Campagne",
	"calls": "Appels à projets", "outcomes": "Issues", "outcome_id": "Issue", "candidate": "Candidature", "draft_id": "Brouillon",
	"reason": "Motif", "annex": "Annexe", "effects_sha256": "Empreinte des effets", "suspended_from": "Suspendu à compter du",
	"suspended_until": "Suspendu jusqu'au", "reinstated_from": "Rétabli à compter du", "position": "Position", "opinions": "Avis",
	"approval": "Décision", "approval_date": "Décidé le", "preparer": "Préparé par", "state": "État", "planned_at": "Calculé à la position",
	"rpps": "RPPS", "accepted_lapses": "--accept-lapses", "territory": "Territoire", "commune_code": "Commune", "latitude": "Latitude",
	"longitude": "Longitude", "network": "Réseau", "filiere": "Filière", "cycle": "Cycle", "text": "--text", "corrects": "--corrects",
	"known_position": "--known-at", "known_time": "--known-at", "valid_at": "--valid-at", "min_position": "--min-position", "region": "Région",
	"department": "Département", "establishment": "Établissement", "settlement": "Réglé",
	"settled_label_id": "Label retenu", "settled_basis": "Réglé d'après", "request_id": "--request-id", "source": "--source",
	"act_line": "--act-line", "evidence": "--evidence", "seen_date": "--seen", "note": "--note", "as_printed": "Tel qu'imprimé", "unit": "Unité",
	"minimum": "Minimum", "count": "Nombre", "bulletin": "Bulletin", "number": "Numéro", "pages": "Pages", "coverage": "Liste", "lines": "Ligne",
	"line": "Ligne", "granted": "Accordé", "renewed": "Renouvelé", "extended": "Prorogé", "suspended": "Suspendu", "reinstated": "Rétabli",
	"amended": "Rectifié", "confirmed_label_id": "Label confirmé", "repealed_label_id": "Label abrogé", "withdrawn_label_id": "Label retiré",
	"lapsed_label_id": "Label non repris", "disposition": "Effet", "site": "Site", "site_id": "Site", "grant": "Label accordé",
	"renewal": "Renouvellement", "reference": "Référence", "label_period": "Période des labels", "scope_decision": "--extend-until ou --repeal-from",
	"scope_date": "--extend-until ou --repeal-from", "sheet": "Feuille", "row": "Rangée", "heads": "Responsables", "successions": "Succession",
	"outgoing": "Responsable sortant", "incoming": "Responsable entrant", "opinion_body": "Instance", "opinion_favourable": "Avis",
	"resolutions": "Réponse", "collaborator_label_ids": "--collaborator", "subject": "Sujet", "identity": "Décision", "states": "--state", "point_source": "--point-source", "as_of": "Moment",
	"published_by": "--published-by", "window": "--window", "page_size": "Taille de la page", "page_token": "Suite de la liste", "roles": "--role",
	"statuses": "--status", "from": "--from", "to": "--to", "by": "--by", "with_crc": "--with-crc", "within_days": "--within",
	"value_id": "Valeur au coffre", "commitment": "Engagement",

	"audience": "Public", "audiences": "Demandé à", "missions": "Missions", "mission_code": "Mission", "mission_codes": "Missions",
	"period_id": "Période", "span": "Dates", "due_date": "À rendre le", "closed_date": "Close le", "indicators": "Indicateurs", "heading": "Rubrique",
	"definition": "Définition", "type": "Type", "required": "Obligatoire", "report_id": "Rapport", "reporter": "Rendu par",
	"revision": "Révision", "values": "Valeurs", "undertaking": "Description", "undertaking_id": "Projet, formation ou action",
	"description": "Objet", "measure": "Mesure", "year": "Année", "axis_code": "Axe", "cancelled": "Annulé",
	"measures": "Mesures",

	"alias_id": "Énoncé", "entity_kind": "Nature", "system": "Système", "shared": "Partagé", "new_system": "--new-system",
	"with_others": "--with-others", "dry_run": "--yes", "value_ids": "Valeurs du coffre", "person_ids": "Personnes", "label_ids": "Labels", "office_ids": "Postes",
	"entity_ids": "Objets", "draft_ids": "Brouillons",
}

// details is the fields of a message with a value, in the order of the schema. A
// label within an entry is shown as part of it.
func details(m protoreflect.Message) []detail {
	var out []detail
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if !m.Has(fd) {
			continue
		}
		v := m.Get(fd)
		if label, is := v.Interface().(protoreflect.Message); is && label.Descriptor().Name() == "Label" {
			out = append(out, details(label)...)
			continue
		}
		name, known := names[fd.Name()]
		if !known {
			name = string(fd.Name())
		}
		if fd.IsList() {
			var lines []string
			for j := range v.List().Len() {
				lines = append(lines, text(fd, v.List().Get(j)))
			}
			out = append(out, detail{name, strings.Join(lines, "\n")})
			continue
		}
		value := text(fd, v)
		if value == "" { // said to be empty, not left out
			value = "(vide)"
		}
		out = append(out, detail{name, value})
	}
	return out
}

// text is one value as an officer reads it.
func text(fd protoreflect.FieldDescriptor, v protoreflect.Value) string {
	switch fd.Kind() {
	case protoreflect.EnumKind:
		return enumText(fd.Enum().Name(), v.Enum())
	case protoreflect.MessageKind:
		return messageText(v.Message())
	case protoreflect.BoolKind:
		return yesNo(v.Bool())
	case protoreflect.BytesKind:
		return fmt.Sprintf("%x", v.Bytes())
	case protoreflect.StringKind:
		if fd.FullName() == "maillage.labelling.v1.AssertionRecorded.field" {
			return attributeText(v.String())
		}
		if n := fd.Name(); strings.HasSuffix(string(n), "_date") || strings.HasSuffix(string(n), "_from") || n == "date" || n == "start" || n == "end" || n == "suspended_until" {
			return frDate(v.String())
		}
	}
	return v.String()
}

func enumText(enum protoreflect.Name, v protoreflect.EnumNumber) string {
	switch enum {
	case "Role":
		return inFrench(roleWords, labellingv1.Role(v))
	case "Status":
		return inFrench(statusWords, labellingv1.Status(v))
	case "Evidence":
		return inFrench(evidenceWords, eventv1.Evidence(v))
	case "ActKind":
		return inFrench(actKindWords, labellingv1.ActKind(v))
	case "FinessKind":
		return inFrench(finessWords, topologyv1.FinessKind(v))
	case "Population":
		return inFrench(populationWords, topologyv1.Population(v))
	case "PlatformKind":
		return inFrench(platformWords, topologyv1.PlatformKind(v))
	case "ErasureReason":
		return inFrench(erasureWords, labellingv1.ErasureReason(v))
	case "EntityKind":
		return inFrench(kindWords, topologyv1.EntityKind(v))
	case "LinkKind":
		return inFrench(linkWords, topologyv1.LinkKind(v))
	case "Coverage":
		return inFrench(coverageWords, labellingv1.Coverage(v))
	case "ThresholdUnit":
		return inFrench(unitWords, labellingv1.ThresholdUnit(v))
	case "OperationState":
		return inFrench(operationWords, labellingv1.OperationState(v))
	case "OfficeKind":
		return inFrench(officeWords, labellingv1.OfficeKind(v))
	case "Approval":
		return inFrench(approvalWords, labellingv1.Approval(v))
	case "OutcomeKind":
		return inFrench(outcomeWords, labellingv1.OutcomeKind(v))
	case "Disposition":
		return inFrench(dispositionWords, labellingv1.Disposition(v))
	case "DraftState":
		return inFrench(draftWords, labellingv1.DraftState(v))
	case "Subject":
		return inFrench(subjectWords, labellingv1.Subject(v))
	case "Settlement":
		return inFrench(settlementWords, labellingv1.Settlement(v))
	case "Audience":
		return inFrench(audienceWords, activityv1.Audience(v))
	case "ValueType":
		return inFrench(valueTypeWords, activityv1.ValueType(v))
	case "ReportState":
		return inFrench(reportStateWords, activityv1.ReportState(v))
	case "UndertakingKind":
		return inFrench(undertakingWords, activityv1.UndertakingKind(v))
	case "Assurance":
		return inFrench(assuranceWords, eventv1.Assurance(v))
	default:
		return strconv.Itoa(int(v))
	}
}

const inVault = "au coffre, n° "

func messageText(m protoreflect.Message) string {
	switch v := m.Interface().(type) {
	case *eventv1.Actor:
		role := v.GetRole()
		if role == "officer" { // the one role there is yet
			role = "agent"
		}
		return joined(", ", v.GetAccount(), role, inFrench(assuranceWords, v.GetAssurance()))
	case *eventv1.Period:
		return frPeriod(v)
	case *eventv1.Basis:
		return basisText(v)
	case *eventv1.PersonalValue:
		return inVault + v.GetValueId()
	case *timestamppb.Timestamp:
		return frTime(v)
	case *topologyv1.Place:
		return placeText(v)
	case *topologyv1.Axis:
		return joined(" ", v.GetCode(), v.GetTitle())
	case *labellingv1.Holder:
		return holderText(v)
	case *labellingv1.Publication:
		return joined(" ", v.GetBulletin(), prefixed("n° ", v.GetNumber()), prefixed("p. ", v.GetPages()), prefixed("le ", frDate(v.GetDate())))
	case *labellingv1.AnnouncedTotal:
		return fmt.Sprintf("%d %s", v.GetCount(), v.GetUnit())
	case *labellingv1.Threshold:
		return fmt.Sprintf("%s : %d %s", inFrench(roleWords, v.GetRole()), v.GetMinimum(), inFrench(unitWords, v.GetUnit()))
	case *labellingv1.ScopeCell:
		filiere, role := "toutes les filières", "tous les rôles"
		if v.GetFiliereId() != "" {
			filiere = "filière " + v.GetFiliereId()
		}
		if v.GetRole() != 0 {
			role = inFrench(roleWords, v.GetRole())
		}
		return joined(", ", filiere, role, inFrench(coverageWords, v.GetCoverage()))
	case *labellingv1.Opinion:
		return opinionText(v)
	case *labellingv1.Call:
		return joined(", ", v.GetTitle(), v.GetReference(), frDate(v.GetDate()))
	case *labellingv1.Outcome:
		return joined(" ", v.GetCandidate(), ":", inFrench(outcomeWords, v.GetKind()), prefixed("le ", frDate(v.GetDate())))
	case *registryv1.OfficeEntry:
		return joined(", ", inFrench(officeWords, v.GetOffice().GetKind()), v.GetName(), frPeriod(v.GetOffice().GetPeriod()))
	case *activityv1.Value:
		return joined(" ", v.GetIndicatorCode()+" :", valueText(v), prefixedSuffixed("(", v.GetNote(), ")"))
	case *activityv1.Mission:
		return v.GetCode() + " : " + v.GetTitle()
	case *activityv1.AxisCited:
		return v.GetPlanId() + "/" + v.GetAxisCode()
	case *labellingv1.Assertion:
		return assertionText(v)
	default:
		var parts []string
		for _, d := range details(m) {
			parts = append(parts, d.name+" "+d.value)
		}
		return strings.Join(parts, ", ")
	}
}

// attributeText is what a source speaks of.
func attributeText(field string) string {
	if field == labelling.UndeterminedLine {
		return "ligne non identifiée"
	}
	return cmp.Or(changeWords[field], field)
}

// assertionText is what a source says beside the record, and what came of it.
func assertionText(v *labellingv1.Assertion) string {
	settled := ""
	if v.GetSettlement() != labellingv1.Settlement_SETTLEMENT_UNSPECIFIED {
		settled = " — réglé : " + joined(" ", inFrench(settlementWords, v.GetSettlement()), v.GetSettledLabelId())
	}
	return fmt.Sprintf("%s = %s — %s — position %d%s", attributeText(v.GetField()), v.GetValue(), basisText(v.GetBasis()), v.GetPosition(), settled)
}

func holderText(h *labellingv1.Holder) string {
	if s := h.GetSite(); s != nil {
		return joined(", ", "site "+s.GetSiteId(), "centre "+s.GetCentreId(), "réseau "+s.GetNetworkId())
	}
	return joined("", prefixed("réseau ", h.GetNetworkId()), prefixed("filière ", h.GetFiliereId()), prefixed("plateforme ", h.GetPlatformId()))
}

// valueText is the value of an indicator, without its unit.
func valueText(v *activityv1.Value) string {
	switch x := v.GetValue().(type) {
	case *activityv1.Value_Count:
		return strconv.FormatUint(x.Count, 10)
	case *activityv1.Value_Milli:
		return strings.TrimRight(strings.TrimRight(fmt.Sprintf("%d,%03d", x.Milli/1000, x.Milli%1000), "0"), ",")
	case *activityv1.Value_Cents:
		return fmt.Sprintf("%d,%02d €", x.Cents/100, x.Cents%100)
	case *activityv1.Value_Flag:
		return yesNo(x.Flag)
	case *activityv1.Value_Text:
		return x.Text
	}
	return ""
}

func placeText(p *topologyv1.Place) string {
	out := joined(", ", p.GetCity(), p.GetTerritory())
	return joined(" ", out, prefixedSuffixed("(", p.GetDepartmentCode(), ")"))
}

func prefixedSuffixed(before, s, after string) string {
	if s == "" {
		return ""
	}
	return before + s + after
}

func basisText(b *eventv1.Basis) string {
	var out strings.Builder
	out.WriteString(joined(", ", prefixed("acte ", b.GetActId()), lineText(b.GetActLine()), sourceText(b)))
	for _, p := range b.GetAsPrinted() {
		out.WriteString("\n  " + p.GetField() + " : " + p.GetValue())
	}
	return out.String()
}

// sourceText is a basis but for its act and what is printed there.
func sourceText(b *eventv1.Basis) string {
	return joined(", ", b.GetSource(), prefixed("vu le ", frDate(b.GetSeenDate())), inFrench(evidenceWords, b.GetEvidence())) +
		prefixed(" — ", b.GetNote())
}

func lineText(n uint32) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("ligne %d", n)
}

// joined joins the parts that are not empty.
func joined(sep string, parts ...string) string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, sep)
}

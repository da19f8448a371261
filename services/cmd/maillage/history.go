package main

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/reflect/protoreflect"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
)

// HistoryCmd tells every fact about an entity of any kind.
type HistoryCmd struct {
	ID id `arg:"" help:"Identifiant."`
	Moment
}

// factNames is what an officer reads for each kind of fact.
var factNames = map[protoreflect.Name]string{
	"establishment_registered": "Établissement enregistré", "establishment_renamed": "Établissement renommé",
	"establishment_attached": "Établissement rattaché", "centre_registered": "Centre enregistré", "centre_renamed": "Centre renommé",
	"centre_attached": "Centre rattaché", "network_registered": "Réseau enregistré", "network_renamed": "Réseau renommé",
	"network_attached": "Réseau rattaché", "filiere_registered": "Filière enregistrée", "filiere_renamed": "Filière renommée",
	"filiere_attached": "Filière rattachée", "platform_registered": "Plateforme enregistrée", "platform_renamed": "Plateforme renommée",
	"establishment_moved": "Établissement déplacé", "legal_entity_changed": "Entité juridique changée",
	"establishment_identified": "Numéros de l'établissement", "establishment_succeeded": "Succession d'établissements",
	"filiere_succeeded": "Succession de filières", "platform_moved": "Plateforme déplacée", "platform_succeeded": "Succession de plateformes",
	"territory_stated": "Territoire énoncé", "contact_stated": "Coordonnées énoncées", "network_scoped": "Maladies du réseau",
	"link_declared": "Lien déclaré", "link_confirmed": "Lien confirmé", "link_ended": "Fin d'un lien",
	"continuity_declared": "Continuité déclarée", "continuity_revoked": "Continuité révoquée",
	"alias_stated": "Identifiant chez d'autres", "alias_ended": "Fin d'un identifiant chez d'autres", "alias_voided": "Identifiant énoncé à tort",
	"plan_registered": "Plan enregistré", "plan_extended": "Plan prolongé", "plan_axes_stated": "Axes du plan",
	"platform_attached": "Plateforme rattachée", "cycle_registered": "Cycle enregistré", "thresholds_stated": "Seuils du cycle", "act_listed": "Liste d'un acte cité", "act_recorded": "Acte enregistré",
	"label_granted": "Label accordé", "label_renewed": "Label renouvelé", "label_confirmed": "Label confirmé",
	"label_repealed": "Label abrogé", "label_corrected": "Label corrigé", "assertion_recorded": "Autre dire d'une source",
	"label_extended": "Label prorogé", "label_suspended": "Label suspendu", "label_reinstated": "Label rétabli", "label_withdrawn": "Label retiré",
	"label_annulled": "Label annulé", "label_lapsed": "Label non repris", "label_amended": "Label rectifié", "label_voided": "Label enregistré à tort",
	"label_opened": "Activité ouverte", "label_maintained": "Activité maintenue", "label_closed": "Activité fermée",
	"office_taken": "Poste pris", "office_left": "Poste quitté", "office_reviewed": "Avis rendu", "office_approved": "Poste approuvé",
	"office_refused": "Poste refusé", "campaign_opened": "Campagne ouverte", "outcome_recorded": "Issue d'une candidature",
	"term_reached": "Terme atteint", "day_reached": "Jour venu", "draft_prepared": "Acte préparé", "draft_rejected": "Acte rejeté",
	"draft_approved": "Acte approuvé", "centre_moved": "Centre déplacé", "centre_succeeded": "Succession de centres",
	"network_succeeded": "Succession de réseaux", "assertion_settled": "Autre dire réglé",
	"person_erased": "Personne effacée",
	"log_opened":    "Journal ouvert", "epoch_opened": "Époque ouverte", "vault_bound": "Coffre lié",
	"consumer_added": "Abonné ajouté", "consumer_removed": "Abonné retiré",
	"missions_stated": "Missions énoncées", "period_opened": "Période de rapport ouverte", "indicators_stated": "Indicateurs énoncés",
	"period_closed": "Période de rapport close", "period_reopened": "Période de rapport rouverte", "report_submitted": "Rapport soumis",
	"report_amended": "Rapport rectifié", "report_validated": "Rapport validé", "report_returned": "Rapport renvoyé",
	"undertaking_recorded": "Projet, formation ou action enregistré", "undertaking_revised": "Projet, formation ou action révisé",
	"undertaking_cancelled": "Projet, formation ou action annulé", "measure_recorded": "Activité mesurée", "measure_withdrawn": "Mesure reprise",
}

// unknownFact is what an officer reads for a fact of a newer register.
const unknownFact = "Fait inconnu de cette version"

var historyColumns = []column[*registryv1.Fact]{
	{"Position", whole, func(f *registryv1.Fact) string { return fmt.Sprint(f.GetPosition()) }},
	{"Enregistré le", whole, func(f *registryv1.Fact) string { return frTime(metaOf(f).GetRecordTime()) }},
	{"Par", whole, func(f *registryv1.Fact) string {
		return joined(" puis ", metaOf(f).GetActor().GetAccount(), metaOf(f).GetApprover().GetAccount())
	}},
	{"Fait", texts, func(f *registryv1.Fact) string { name, _ := factOf(f); return name }},
	{"Ce qui change", texts, func(f *registryv1.Fact) string { return changesText(f.GetChanges()) }},
	{"Contenu", texts, func(f *registryv1.Fact) string { _, content := factOf(f); return content }},
	{"Acte", whole, func(f *registryv1.Fact) string {
		b := metaOf(f).GetBasis()
		return joined(", ", b.GetActId(), f.GetActTitle(), lineText(b.GetActLine()))
	}},
	{"Fondement", texts, func(f *registryv1.Fact) string { return sourceText(metaOf(f).GetBasis()) }},
}

// Run prints the history.
func (c *HistoryCmd) Run(a *app) error {
	return list(a, table[*registryv1.Fact]{columns: historyColumns}, func(ctx context.Context, conn grpc.ClientConnInterface, _ string) (page[*registryv1.Fact], error) {
		r, err := registryv1.NewRegistryServiceClient(conn).ListHistory(ctx, &registryv1.ListHistoryRequest{EntityId: string(c.ID), AsOf: c.asOf()})
		return page[*registryv1.Fact]{items: r.GetFacts(), resolved: r.GetResolved()}, err
	})
}

func metaOf(f *registryv1.Fact) *eventv1.Meta {
	if e := f.GetTopology(); e != nil {
		return e.GetMeta()
	}
	if e := f.GetActivity(); e != nil {
		return e.GetMeta()
	}
	return f.GetLabelling().GetMeta()
}

// factOf is what happened and its values, first the position it corrects.
func factOf(f *registryv1.Fact) (name, content string) {
	m := f.GetLabelling().ProtoReflect()
	if e := f.GetTopology(); e != nil {
		m = e.ProtoReflect()
	}
	if e := f.GetActivity(); e != nil {
		m = e.ProtoReflect()
	}
	fd := m.WhichOneof(m.Descriptor().Oneofs().ByName("fact"))
	if fd == nil {
		return unknownFact, ""
	}
	var parts []string
	if n := metaOf(f).GetCorrects(); n != 0 {
		parts = append(parts, fmt.Sprintf("corrige la position %d", n))
	}
	for _, d := range details(m.Get(fd).Message()) {
		parts = append(parts, d.name+" : "+d.value)
	}
	return factNames[fd.Name()], strings.Join(parts, " ; ")
}

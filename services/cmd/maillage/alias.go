package main

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"google.golang.org/grpc"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

// AliasCmd is the verbs about the ids that others use.
type AliasCmd struct {
	Client
	Find  AliasFindCmd  `cmd:"" help:"Retrouver par un identifiant, présent ou passé, qui le porte ou l'a porté, et qui est à sa place."`
	List  AliasListCmd  `cmd:"" help:"Lister ceux d'un objet, d'un système, ou tous."`
	State AliasStateCmd `cmd:"" help:"Énoncer qu'un autre système nomme ainsi un objet."`
	End   AliasEndCmd   `cmd:"" help:"Énoncer qu'il ne le nomme plus ainsi : l'identifiant continue d'y mener."`
	Void  AliasVoidCmd  `cmd:"" help:"Revenir sur un identifiant énoncé à tort ; énoncez ensuite le bon."`
}

// AliasStateCmd states an alias.
type AliasStateCmd struct {
	Entity    id     `arg:"" help:"Site (la clé des banques de données), établissement, centre, réseau, filière ou plateforme."`
	System    string `arg:"" name:"system" help:"Le système, par un code court : bamara, orphanet, e-cars, ou un autre déjà employé."`
	Value     string `arg:"" name:"value" help:"L'identifiant tel que le système l'écrit : ni espace, ni accent, ni @, car aucun nom de personne n'a sa place ici."`
	Start     string `placeholder:"DATE" help:"Premier jour : AAAA-MM-JJ, AAAA-MM ou AAAA ; vide si inconnu."`
	End       string `placeholder:"DATE" help:"Premier jour où il n'est plus employé ; vide tant qu'il l'est."`
	Shared    bool   `help:"Le système nomme ainsi plusieurs objets de même nature à la fois."`
	NewSystem bool   `name:"new-system" help:"Ce système n'a encore jamais été nommé."`
	Grounds
}

// Run states it.
func (c *AliasStateCmd) Run(a *app) error {
	return command(a, topologyv1.NewTopologyServiceClient, topologyv1.TopologyServiceClient.StateAlias, &topologyv1.StateAliasRequest{
		RequestId: a.request(c.RequestID), Basis: c.basis(), EntityId: string(c.Entity), System: c.System, Value: c.Value,
		Period: &eventv1.Period{Start: c.Start, End: c.End}, Shared: c.Shared, NewSystem: c.NewSystem,
	}, "Identifiant énoncé", (*topologyv1.StateAliasResponse).GetAliasId)
}

// AliasEndCmd ends an alias.
type AliasEndCmd struct {
	ID  id     `arg:"" help:"Numéro de l'énoncé (voir « maillage alias list »)."`
	End string `placeholder:"DATE" help:"Premier jour où il n'est plus employé ; vide si inconnu."`
	Grounds
}

// Run ends it.
func (c *AliasEndCmd) Run(a *app) error {
	return change(a, topologyv1.TopologyServiceClient.EndAlias,
		&topologyv1.EndAliasRequest{RequestId: a.request(c.RequestID), Basis: c.basis(), AliasId: string(c.ID), End: c.End}, "Fin de l'identifiant", c.ID)
}

// AliasVoidCmd voids an alias.
type AliasVoidCmd struct {
	ID id `arg:"" help:"Numéro de l'énoncé (voir « maillage alias list »)."`
	Grounds
}

// Run voids it.
func (c *AliasVoidCmd) Run(a *app) error {
	return change(a, topologyv1.TopologyServiceClient.VoidAlias,
		&topologyv1.VoidAliasRequest{RequestId: a.request(c.RequestID), Basis: c.basis(), AliasId: string(c.ID)}, "Identifiant énoncé à tort", c.ID)
}

// AliasListCmd lists aliases.
type AliasListCmd struct {
	Entity    id     `arg:"" optional:"" help:"Site, établissement, centre, réseau, filière ou plateforme."`
	System    string `placeholder:"CODE" help:"Ceux d'un système : bamara, orphanet, e-cars ou un autre."`
	WithEnded bool   `name:"with-ended" help:"Lister aussi ceux qui ne sont pas employés ce jour-là."`
	Moment
}

// Run prints the list.
func (c *AliasListCmd) Run(a *app) error {
	return list(a, table[*registryv1.AliasEntry]{columns: aliasColumns}, func(ctx context.Context, conn grpc.ClientConnInterface, token string) (page[*registryv1.AliasEntry], error) {
		r, err := registryv1.NewAliasServiceClient(conn).ListAliases(ctx, &registryv1.ListAliasesRequest{
			AsOf: c.asOf(), EntityId: string(c.Entity), System: c.System, WithEnded: c.WithEnded, PageSize: pageSize, PageToken: token,
		})
		return page[*registryv1.AliasEntry]{items: r.GetEntries(), next: r.GetNextPageToken(), resolved: r.GetResolved()}, err
	})
}

// AliasFindCmd finds who has an alias or had it.
type AliasFindCmd struct {
	Value  string `arg:"" name:"value" help:"L'identifiant, entier."`
	System string `placeholder:"CODE" help:"Le système : bamara, orphanet, e-cars ou un autre ; tous par défaut."`
	Moment
}

// Run prints them.
func (c *AliasFindCmd) Run(a *app) error {
	columns := append(slices.Clip(aliasColumns), column[*registryv1.AliasEntry]{"À sa place", whole, func(e *registryv1.AliasEntry) string {
		return cmp.Or(strings.Join(e.GetPresentIds(), ", "), "personne")
	}})
	return list(a, table[*registryv1.AliasEntry]{columns: columns}, func(ctx context.Context, conn grpc.ClientConnInterface, _ string) (page[*registryv1.AliasEntry], error) {
		r, err := registryv1.NewAliasServiceClient(conn).ResolveAlias(ctx, &registryv1.ResolveAliasRequest{System: c.System, Value: c.Value, AsOf: c.asOf()})
		return page[*registryv1.AliasEntry]{items: r.GetEntries(), resolved: r.GetResolved()}, err
	})
}

var aliasColumns = []column[*registryv1.AliasEntry]{
	{"Énoncé", whole, func(e *registryv1.AliasEntry) string { return e.GetAlias().GetAliasId() }},
	{"Système", whole, func(e *registryv1.AliasEntry) string { return e.GetAlias().GetSystem() }},
	{"Identifiant", whole, func(e *registryv1.AliasEntry) string { return e.GetAlias().GetValue() }},
	{"Nature", whole, func(e *registryv1.AliasEntry) string { return inFrench(kindWords, e.GetAlias().GetEntityKind()) }},
	{"Objet", whole, func(e *registryv1.AliasEntry) string { return e.GetAlias().GetEntityId() }},
	{"Nom", texts, (*registryv1.AliasEntry).GetEntityName},
	{"Période", whole, func(e *registryv1.AliasEntry) string { return frSpan(e.GetAlias().GetPeriod()) }},
	{"Employé", whole, func(e *registryv1.AliasEntry) string { return yesNo(e.GetHolds()) }},
	{"Preuve", whole, func(e *registryv1.AliasEntry) string { return latestEvidence(e.GetAlias().GetBasis()) }},
}

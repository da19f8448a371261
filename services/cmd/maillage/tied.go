package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"google.golang.org/grpc"

	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

// LinkListCmd lists links.
type LinkListCmd struct {
	ID        id         `arg:"" optional:"" help:"Centre, établissement, réseau, filière ou plateforme à l'un des bouts."`
	Kind      []linkFlag `help:"collaborateur, dessert, hébergé, rattaché, ERN."`
	WithEnded bool       `name:"with-ended" help:"Lister aussi ceux qui ne tiennent pas ce jour-là."`
	Moment
}

// Run prints the list.
func (c *LinkListCmd) Run(a *app) error {
	var kinds []topologyv1.LinkKind
	for _, k := range c.Kind {
		kinds = append(kinds, topologyv1.LinkKind(k))
	}
	return listOf(a, table[*registryv1.LinkEntry]{columns: linkColumns}, registryv1.RegistryServiceClient.ListLinks,
		func(token string) *registryv1.ListLinksRequest {
			return &registryv1.ListLinksRequest{
				AsOf: c.asOf(), EntityId: string(c.ID), Kinds: kinds, WithEnded: c.WithEnded, PageSize: pageSize, PageToken: token,
			}
		}, (*registryv1.ListLinksResponse).GetEntries)
}

var linkColumns = []column[*registryv1.LinkEntry]{
	{"Lien", whole, func(e *registryv1.LinkEntry) string { return e.GetLink().GetLinkId() }},
	{"Nature", whole, func(e *registryv1.LinkEntry) string { return inFrench(linkWords, e.GetLink().GetKind()) }},
	{"Qui", texts, func(e *registryv1.LinkEntry) string { return cmp.Or(e.GetFromName(), e.GetLink().GetFromId()) }},
	{"Avec", texts, func(e *registryv1.LinkEntry) string { return cmp.Or(e.GetToName(), e.GetLink().GetToId()) }},
	{"Dans le réseau", texts, (*registryv1.LinkEntry).GetNetworkAcronym},
	{"Période", whole, func(e *registryv1.LinkEntry) string { return frSpan(e.GetLink().GetPeriod()) }},
	{"Tient", whole, func(e *registryv1.LinkEntry) string { return yesNo(e.GetHolds()) }},
	{"Confirmé", whole, func(e *registryv1.LinkEntry) string { return yesNo(e.GetLink().GetConfirmed()) }},
	{"Preuve", whole, func(e *registryv1.LinkEntry) string { return latestEvidence(e.GetLink().GetBasis()) }},
}

// ChainCmd shows the chain that an entity stands in.
type ChainCmd struct {
	Client
	Lookup
}

// Run prints it.
func (c *ChainCmd) Run(a *app) error {
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		r, err := registryv1.NewRegistryServiceClient(conn).GetSuccession(ctx, &registryv1.GetSuccessionRequest{EntityId: string(c.ID), AsOf: c.asOf()})
		if err != nil {
			return err
		}
		if a.json {
			return printEach(a, page[*registryv1.SuccessionNode]{items: r.GetNodes(), resolved: r.GetResolved()})
		}
		rows, cut := table[*registryv1.SuccessionNode]{columns: chainColumns}.rows(r.GetNodes())
		present := cmp.Or(strings.Join(r.GetPresentIds(), ", "), "personne")
		return a.printTable(rows, cut, fmt.Sprintf("À la place de %s ce jour-là : %s.\n%s.", c.ID, present, moment(r.GetResolved())))
	})
}

var chainColumns = []column[*registryv1.SuccessionNode]{
	{"Identifiant", whole, (*registryv1.SuccessionNode).GetEntityId},
	{"Nom", texts, (*registryv1.SuccessionNode).GetName},
	{"Fermé depuis", whole, func(n *registryv1.SuccessionNode) string {
		if !n.GetClosed() {
			return ""
		}
		return cmp.Or(frDate(n.GetClosedFrom()), "jour inconnu")
	}},
	{"Fait suite à", whole, func(n *registryv1.SuccessionNode) string { return strings.Join(n.GetPredecessorIds(), ", ") }},
	{"Remplacé par", whole, func(n *registryv1.SuccessionNode) string { return strings.Join(n.GetSuccessorIds(), ", ") }},
	{"Le même que", whole, func(n *registryv1.SuccessionNode) string {
		var same []string
		for _, c := range n.GetContinuities() {
			for _, other := range []string{c.GetKeptId(), c.GetOtherId()} {
				if other != n.GetEntityId() {
					same = append(same, other)
				}
			}
		}
		return strings.Join(same, ", ")
	}},
}

// PlanListCmd lists plans.
type PlanListCmd struct{ Search }

// Run prints the list.
func (c *PlanListCmd) Run(a *app) error {
	return listOf(a, table[*topologyv1.Plan]{columns: []column[*topologyv1.Plan]{
		{"Plan", whole, (*topologyv1.Plan).GetPlanId},
		{"Code", whole, (*topologyv1.Plan).GetCode},
		{"Nom", texts, (*topologyv1.Plan).GetName},
		{"Période", whole, func(p *topologyv1.Plan) string { return frSpan(p.GetPeriod()) }},
		{"Axes", texts, func(p *topologyv1.Plan) string {
			var axes []string
			for _, x := range p.GetAxes() {
				axes = append(axes, joined(" ", x.GetCode(), x.GetTitle()))
			}
			return strings.Join(axes, " ; ")
		}},
		evidence[*topologyv1.Plan](),
	}}, registryv1.RegistryServiceClient.ListPlans, func(token string) *registryv1.ListPlansRequest {
		return &registryv1.ListPlansRequest{AsOf: c.asOf(), Text: c.Text, PageSize: pageSize, PageToken: token}
	}, (*registryv1.ListPlansResponse).GetPlans)
}

// PlanGetCmd shows one.
type PlanGetCmd struct {
	Plan string `arg:"" placeholder:"ID|CODE" help:"Identifiant ou code."`
	Moment
}

// Run shows it.
func (c *PlanGetCmd) Run(a *app) error {
	plan, err := a.planID(c.Plan, c.asOf())
	if err != nil {
		return err
	}
	return getOf(a, registryv1.RegistryServiceClient.GetPlan,
		&registryv1.GetPlanRequest{PlanId: plan, AsOf: c.asOf()}, (*registryv1.GetPlanResponse).GetPlan)
}

package main

import (
	"context"
	"fmt"

	"google.golang.org/grpc"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
)

// CampaignCmd is the verbs about campaigns of labelling.
type CampaignCmd struct {
	Client
	List    CampaignListCmd    `cmd:"" help:"Lister."`
	Get     CampaignGetCmd     `cmd:"" help:"Montrer une campagne et l'issue de ses candidatures."`
	History HistoryCmd         `cmd:"" help:"Tous les faits enregistrés."`
	Open    CampaignOpenCmd    `cmd:"" help:"Enregistrer une campagne et ses appels à projets."`
	Outcome CampaignOutcomeCmd `cmd:"" help:"Enregistrer l'issue d'une candidature."`
}

// CampaignListCmd lists campaigns.
type CampaignListCmd struct{ Search }

// Run prints the list.
func (c *CampaignListCmd) Run(a *app) error {
	return listOf(a, table[*labellingv1.Campaign]{columns: []column[*labellingv1.Campaign]{
		{"Campagne", whole, (*labellingv1.Campaign).GetCampaignId},
		{"Nom", texts, (*labellingv1.Campaign).GetName},
		{"Appels", whole, func(x *labellingv1.Campaign) string { return fmt.Sprint(len(x.GetCalls())) }},
		{"Issues", whole, func(x *labellingv1.Campaign) string { return fmt.Sprint(len(x.GetOutcomes())) }},
		evidence[*labellingv1.Campaign](),
	}}, registryv1.RegistryServiceClient.ListCampaigns, func(token string) *registryv1.ListCampaignsRequest {
		return &registryv1.ListCampaignsRequest{AsOf: c.asOf(), Text: c.Text, PageSize: pageSize, PageToken: token}
	}, (*registryv1.ListCampaignsResponse).GetCampaigns)
}

// CampaignGetCmd shows one.
type CampaignGetCmd struct{ Lookup }

// Run shows it.
func (c *CampaignGetCmd) Run(a *app) error {
	return getOf(a, registryv1.RegistryServiceClient.GetCampaign,
		&registryv1.GetCampaignRequest{CampaignId: string(c.ID), AsOf: c.asOf()}, (*registryv1.GetCampaignResponse).GetCampaign)
}

// CampaignOpenCmd records a campaign.
type CampaignOpenCmd struct {
	Name  string   `arg:"" help:"Nom, unique."`
	Cycle string   `help:"Cycle : code, autre nom ou identifiant."`
	Call  []string `sep:"none" placeholder:"INTITULÉ|RÉFÉRENCE|DATE" help:"Appel à projets ; référence et date peuvent manquer. À répéter."`
	Grounds
}

// Run records it.
func (c *CampaignOpenCmd) Run(a *app) error {
	request := &labellingv1.OpenCampaignRequest{RequestId: a.request(c.RequestID), Basis: c.basis(), Name: c.Name}
	for _, text := range c.Call {
		parts := split(text, 3)
		request.Calls = append(request.Calls, &labellingv1.Call{Title: parts[0], Reference: parts[1], Date: parts[2]})
	}
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		var err error
		if request.CycleId, err = cycleID(ctx, conn, c.Cycle); err != nil {
			return err
		}
		r, err := labellingv1.NewLabellingServiceClient(conn).OpenCampaign(ctx, request)
		if err != nil {
			return err
		}
		return a.recorded(r, "Campagne", r.GetCampaignId())
	})
}

// CampaignOutcomeCmd records the outcome of a candidate.
type CampaignOutcomeCmd struct {
	ID        id          `arg:"" help:"Campagne."`
	Candidate string      `arg:"" help:"Réseau candidat, tel que nommé."`
	Kind      outcomeFlag `required:"" help:"favorable, à ajuster, différé, refusé, écarté."`
	Network   id          `placeholder:"ID" help:"Le réseau du registre, s'il y est."`
	Date      string      `placeholder:"DATE" help:"Jour, ou mois, ou année."`
	Grounds
}

// Run records it.
func (c *CampaignOutcomeCmd) Run(a *app) error {
	return command(a, labellingv1.NewLabellingServiceClient, labellingv1.LabellingServiceClient.RecordOutcome, &labellingv1.RecordOutcomeRequest{
		RequestId: a.request(c.RequestID), Basis: c.basis(), CampaignId: string(c.ID), Candidate: c.Candidate,
		NetworkId: string(c.Network), Kind: labellingv1.OutcomeKind(c.Kind), Date: c.Date,
	}, "Issue", (*labellingv1.RecordOutcomeResponse).GetOutcomeId)
}

package main

import (
	"cmp"
	"context"

	"google.golang.org/grpc"

	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

// NetworkCmd is the verbs about networks.
type NetworkCmd struct {
	Client
	List     NetworkListCmd     `cmd:"" help:"Lister."`
	Get      NetworkGetCmd      `cmd:"" help:"Montrer un réseau et ses sources."`
	History  HistoryCmd         `cmd:"" help:"Tous les faits enregistrés."`
	Register NetworkRegisterCmd `cmd:"" help:"Enregistrer un réseau."`
	Rename   NetworkRenameCmd   `cmd:"" help:"Donner un autre intitulé et sigle à compter d'un jour."`
	Attach   NetworkAttachCmd   `cmd:"" help:"Rattacher à une filière."`
	Succeed  NetworkSucceedCmd  `cmd:"" help:"Fusionner, scinder ou fermer : des réseaux ferment, d'autres prennent leur suite, ou aucun."`
	Scope    NetworkScopeCmd    `cmd:"" help:"Dire les maladies suivies, par leurs codes ORPHA, à compter d'un jour."`
}

// NetworkListCmd lists networks.
type NetworkListCmd struct{ Search }

// Run prints the list.
func (c *NetworkListCmd) Run(a *app) error {
	filieres := acronyms{}
	return listOf(a, table[*topologyv1.Network]{names: filieres.fetch, columns: []column[*topologyv1.Network]{
		{"Réseau", whole, (*topologyv1.Network).GetNetworkId},
		{"Sigle", texts, (*topologyv1.Network).GetAcronym},
		{"Intitulé", texts, (*topologyv1.Network).GetTitle},
		{"Filière", texts, func(x *topologyv1.Network) string { return cmp.Or(filieres[x.GetFiliereId()], x.GetFiliereId()) }},
		evidence[*topologyv1.Network](),
	}}, registryv1.RegistryServiceClient.ListNetworks, func(token string) *registryv1.ListNetworksRequest {
		return &registryv1.ListNetworksRequest{AsOf: c.asOf(), Text: c.Text, PageSize: pageSize, PageToken: token}
	}, (*registryv1.ListNetworksResponse).GetNetworks)
}

// NetworkGetCmd shows one.
type NetworkGetCmd struct{ Lookup }

// Run shows it.
func (c *NetworkGetCmd) Run(a *app) error {
	return getOf(a, registryv1.RegistryServiceClient.GetNetwork,
		&registryv1.GetNetworkRequest{NetworkId: string(c.ID), AsOf: c.asOf()}, (*registryv1.GetNetworkResponse).GetNetwork)
}

// NetworkRegisterCmd registers a network.
type NetworkRegisterCmd struct {
	Title   string `arg:"" help:"Intitulé."`
	Acronym string `help:"Sigle."`
	Filiere id     `placeholder:"ID" help:"Filière."`
	Since
	Grounds
}

// Run registers it.
func (c *NetworkRegisterCmd) Run(a *app) error {
	return command(a, topologyv1.NewTopologyServiceClient, topologyv1.TopologyServiceClient.RegisterNetwork,
		&topologyv1.RegisterNetworkRequest{
			RequestId: a.request(c.RequestID), Basis: c.basis(), ValidFrom: c.ValidFrom,
			Title: c.Title, Acronym: c.Acronym, FiliereId: string(c.Filiere),
		}, "Réseau", (*topologyv1.RegisterNetworkResponse).GetNetworkId)
}

// NetworkRenameCmd renames one.
type NetworkRenameCmd struct {
	ID      id      `arg:"" help:"Réseau."`
	Title   string  `arg:"" help:"Nouvel intitulé."`
	Acronym *string `help:"Sigle ; sans mention il reste, vide il n'y en a plus."`
	Since
	Grounds
}

// Run renames it.
func (c *NetworkRenameCmd) Run(a *app) error {
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		request := &topologyv1.RenameNetworkRequest{
			RequestId: a.request(c.RequestID), Basis: c.basis(), ValidFrom: c.ValidFrom, NetworkId: string(c.ID), Title: c.Title,
		}
		if c.Acronym != nil {
			request.Acronym = *c.Acronym
		} else {
			now, err := registryv1.NewRegistryServiceClient(conn).GetNetwork(ctx, &registryv1.GetNetworkRequest{NetworkId: string(c.ID), AsOf: c.asOf()})
			if err != nil {
				return err
			}
			request.Acronym = now.GetNetwork().GetAcronym()
		}
		r, err := topologyv1.NewTopologyServiceClient(conn).RenameNetwork(ctx, request)
		if err != nil {
			return err
		}
		return a.recorded(r, "Nouvel intitulé du réseau", r.GetNetworkId())
	})
}

// NetworkAttachCmd attaches one to a filière.
type NetworkAttachCmd struct {
	ID      id `arg:"" help:"Réseau."`
	Filiere id `arg:"" help:"Filière."`
	Since
	Grounds
}

// Run attaches it.
func (c *NetworkAttachCmd) Run(a *app) error {
	return command(a, topologyv1.NewTopologyServiceClient, topologyv1.TopologyServiceClient.AttachNetwork,
		&topologyv1.AttachNetworkRequest{
			RequestId: a.request(c.RequestID), Basis: c.basis(), ValidFrom: c.ValidFrom,
			NetworkId: string(c.ID), FiliereId: string(c.Filiere),
		}, "Rattachement du réseau", (*topologyv1.AttachNetworkResponse).GetNetworkId)
}

package main

import (
	"context"

	"google.golang.org/grpc"

	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

// FiliereCmd is the verbs about filières.
type FiliereCmd struct {
	Client
	List     FiliereListCmd     `cmd:"" help:"Lister."`
	Get      FiliereGetCmd      `cmd:"" help:"Montrer une filière et ses sources."`
	History  HistoryCmd         `cmd:"" help:"Tous les faits enregistrés."`
	Register FiliereRegisterCmd `cmd:"" help:"Enregistrer une filière."`
	Rename   FiliereRenameCmd   `cmd:"" help:"Donner un autre sigle et nom à compter d'un jour."`
	Attach   FiliereAttachCmd   `cmd:"" help:"Déplacer la coordination vers un établissement."`
	Contact  ContactCmd         `cmd:"" help:"Dire comment la joindre à compter d'un jour."`
	Succeed  FiliereSucceedCmd  `cmd:"" help:"Fusionner, scinder ou fermer, avec ses réseaux."`
}

// FiliereListCmd lists filières.
type FiliereListCmd struct{ Search }

// Run prints the list.
func (c *FiliereListCmd) Run(a *app) error {
	places := hospitals{}
	return listOf(a, table[*topologyv1.Filiere]{names: places.fetch, columns: []column[*topologyv1.Filiere]{
		{"Filière", whole, (*topologyv1.Filiere).GetFiliereId},
		{"Sigle", texts, (*topologyv1.Filiere).GetAcronym},
		{"Nom", texts, (*topologyv1.Filiere).GetName},
		{"Établissement", texts, func(x *topologyv1.Filiere) string { return places.names(x.GetEstablishmentId()) }},
		{"Site", texts, (*topologyv1.Filiere).GetWebsite},
		evidence[*topologyv1.Filiere](),
	}}, registryv1.RegistryServiceClient.ListFilieres, func(token string) *registryv1.ListFilieresRequest {
		return &registryv1.ListFilieresRequest{AsOf: c.asOf(), Text: c.Text, PageSize: pageSize, PageToken: token}
	}, (*registryv1.ListFilieresResponse).GetFilieres)
}

// FiliereGetCmd shows one.
type FiliereGetCmd struct{ Lookup }

// Run shows it.
func (c *FiliereGetCmd) Run(a *app) error {
	return getOf(a, registryv1.RegistryServiceClient.GetFiliere,
		&registryv1.GetFiliereRequest{FiliereId: string(c.ID), AsOf: c.asOf()}, (*registryv1.GetFiliereResponse).GetFiliere)
}

// FiliereRegisterCmd registers a filière.
type FiliereRegisterCmd struct {
	Acronym       string `arg:"" help:"Sigle."`
	Name          string `help:"Nom."`
	Establishment id     `placeholder:"ID" help:"Établissement coordonnateur."`
	Website       string `help:"Adresse du site, sans https://."`
	Since
	Grounds
}

// Run registers it.
func (c *FiliereRegisterCmd) Run(a *app) error {
	return command(a, topologyv1.NewTopologyServiceClient, topologyv1.TopologyServiceClient.RegisterFiliere,
		&topologyv1.RegisterFiliereRequest{
			RequestId: a.request(c.RequestID), Basis: c.basis(), ValidFrom: c.ValidFrom, Acronym: c.Acronym, Name: c.Name,
			EstablishmentId: string(c.Establishment), Website: c.Website,
		}, "Filière", (*topologyv1.RegisterFiliereResponse).GetFiliereId)
}

// FiliereRenameCmd renames one.
type FiliereRenameCmd struct {
	ID      id      `arg:"" help:"Filière."`
	Acronym string  `arg:"" help:"Nouveau sigle."`
	Name    *string `help:"Nom ; sans mention il reste, vide il est inconnu."`
	Since
	Grounds
}

// Run renames it.
func (c *FiliereRenameCmd) Run(a *app) error {
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		request := &topologyv1.RenameFiliereRequest{
			RequestId: a.request(c.RequestID), Basis: c.basis(), ValidFrom: c.ValidFrom, FiliereId: string(c.ID), Acronym: c.Acronym,
		}
		if c.Name != nil {
			request.Name = *c.Name
		} else {
			now, err := registryv1.NewRegistryServiceClient(conn).GetFiliere(ctx, &registryv1.GetFiliereRequest{FiliereId: string(c.ID), AsOf: c.asOf()})
			if err != nil {
				return err
			}
			request.Name = now.GetFiliere().GetName()
		}
		r, err := topologyv1.NewTopologyServiceClient(conn).RenameFiliere(ctx, request)
		if err != nil {
			return err
		}
		return a.recorded(r, "Nouveau sigle de la filière", r.GetFiliereId())
	})
}

// FiliereAttachCmd moves the coordination of one.
type FiliereAttachCmd struct {
	ID            id `arg:"" help:"Filière."`
	Establishment id `arg:"" help:"Établissement coordonnateur."`
	Since
	Grounds
}

// Run moves it.
func (c *FiliereAttachCmd) Run(a *app) error {
	return command(a, topologyv1.NewTopologyServiceClient, topologyv1.TopologyServiceClient.AttachFiliere,
		&topologyv1.AttachFiliereRequest{
			RequestId: a.request(c.RequestID), Basis: c.basis(), ValidFrom: c.ValidFrom,
			FiliereId: string(c.ID), EstablishmentId: string(c.Establishment),
		}, "Rattachement de la filière", (*topologyv1.AttachFiliereResponse).GetFiliereId)
}

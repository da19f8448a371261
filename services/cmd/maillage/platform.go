package main

import (
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

// PlatformCmd is the verbs about platforms.
type PlatformCmd struct {
	Client
	List     PlatformListCmd     `cmd:"" help:"Lister."`
	Get      PlatformGetCmd      `cmd:"" help:"Montrer une plateforme et ses sources."`
	History  HistoryCmd          `cmd:"" help:"Tous les faits enregistrés."`
	Register PlatformRegisterCmd `cmd:"" help:"Enregistrer une plateforme."`
	Rename   PlatformRenameCmd   `cmd:"" help:"Renommer à compter d'un jour."`
	Attach   PlatformAttachCmd   `cmd:"" help:"Ajouter un établissement d'accueil."`

	Move      PlatformMoveCmd      `cmd:"" help:"Déplacer : elle est accueillie ailleurs à compter d'un jour."`
	Territory PlatformTerritoryCmd `cmd:"" help:"Dire le territoire qu'elle sert à compter d'un jour."`
	Contact   ContactCmd           `cmd:"" help:"Dire comment la joindre à compter d'un jour."`
	Succeed   PlatformSucceedCmd   `cmd:"" help:"Fusionner, scinder ou fermer, avec ses liens."`
}

// PlatformListCmd lists platforms.
type PlatformListCmd struct{ Search }

// Run prints the list.
func (c *PlatformListCmd) Run(a *app) error {
	places := hospitals{}
	return listOf(a, table[*topologyv1.Platform]{names: places.fetch, columns: []column[*topologyv1.Platform]{
		{"Plateforme", whole, (*topologyv1.Platform).GetPlatformId},
		{"Nature", whole, func(p *topologyv1.Platform) string { return inFrench(platformWords, p.GetKind()) }},
		{"Nom", texts, (*topologyv1.Platform).GetName},
		{"Établissements", texts, func(p *topologyv1.Platform) string { return places.names(p.GetEstablishmentIds()...) }},
		{"Lieu", texts, func(p *topologyv1.Platform) string { return places.place(p.GetPlace(), p.GetEstablishmentIds()) }},
		evidence[*topologyv1.Platform](),
	}}, registryv1.RegistryServiceClient.ListPlatforms, func(token string) *registryv1.ListPlatformsRequest {
		return &registryv1.ListPlatformsRequest{AsOf: c.asOf(), Text: c.Text, PageSize: pageSize, PageToken: token}
	}, (*registryv1.ListPlatformsResponse).GetPlatforms)
}

// PlatformGetCmd shows one.
type PlatformGetCmd struct{ Lookup }

// Run shows it.
func (c *PlatformGetCmd) Run(a *app) error {
	return getOf(a, registryv1.RegistryServiceClient.GetPlatform,
		&registryv1.GetPlatformRequest{PlatformId: string(c.ID), AsOf: c.asOf()}, (*registryv1.GetPlatformResponse).GetPlatform)
}

// PlatformRegisterCmd registers a platform.
type PlatformRegisterCmd struct {
	Name          string       `arg:"" help:"Nom."`
	Kind          platformFlag `required:"" help:"PEMR ou PCOM."`
	Establishment []id         `placeholder:"ID" help:"Établissements d'accueil."`
	Where
	Since
	Grounds
}

// Run registers it.
func (c *PlatformRegisterCmd) Run(a *app) error {
	return command(a, topologyv1.NewTopologyServiceClient, topologyv1.TopologyServiceClient.RegisterPlatform,
		&topologyv1.RegisterPlatformRequest{
			RequestId: a.request(c.RequestID), Basis: c.basis(), ValidFrom: c.ValidFrom, Name: c.Name,
			Kind: topologyv1.PlatformKind(c.Kind), EstablishmentIds: plain(c.Establishment), Place: c.place(),
		}, "Plateforme", (*topologyv1.RegisterPlatformResponse).GetPlatformId)
}

// PlatformRenameCmd renames one.
type PlatformRenameCmd struct {
	ID   id     `arg:"" help:"Plateforme."`
	Name string `arg:"" help:"Nouveau nom."`
	Since
	Grounds
}

// Run renames it.
func (c *PlatformRenameCmd) Run(a *app) error {
	return command(a, topologyv1.NewTopologyServiceClient, topologyv1.TopologyServiceClient.RenamePlatform,
		&topologyv1.RenamePlatformRequest{
			RequestId: a.request(c.RequestID), Basis: c.basis(), ValidFrom: c.ValidFrom, PlatformId: string(c.ID), Name: c.Name,
		}, "Nouveau nom de la plateforme", (*topologyv1.RenamePlatformResponse).GetPlatformId)
}

// PlatformAttachCmd adds a hospital that hosts one.
type PlatformAttachCmd struct {
	ID            id `arg:"" help:"Plateforme."`
	Establishment id `arg:"" help:"Établissement."`
	Since
	Grounds
}

// Run attaches it.
func (c *PlatformAttachCmd) Run(a *app) error {
	return command(a, topologyv1.NewTopologyServiceClient, topologyv1.TopologyServiceClient.AttachPlatform,
		&topologyv1.AttachPlatformRequest{
			RequestId: a.request(c.RequestID), Basis: c.basis(), ValidFrom: c.ValidFrom,
			PlatformId: string(c.ID), EstablishmentId: string(c.Establishment),
		}, "Rattachement de la plateforme", (*topologyv1.AttachPlatformResponse).GetPlatformId)
}

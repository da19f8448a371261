package main

import (
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/fault"
)

// CentreCmd is the verbs about teams.
type CentreCmd struct {
	Client
	List     CentreListCmd     `cmd:"" help:"Lister."`
	Get      CentreGetCmd      `cmd:"" help:"Montrer un centre et ses sources."`
	History  HistoryCmd        `cmd:"" help:"Tous les faits enregistrés."`
	Register CentreRegisterCmd `cmd:"" help:"Enregistrer un centre."`
	Rename   CentreRenameCmd   `cmd:"" help:"Renommer à compter d'un jour."`
	Attach   CentreAttachCmd   `cmd:"" help:"Ajouter un établissement d'exercice."`
	Move     CentreMoveCmd     `cmd:"" help:"Déplacer : il exerce ailleurs à compter d'un jour."`
	Succeed  CentreSucceedCmd  `cmd:"" help:"Fusionner, scinder ou fermer : des centres ferment, d'autres prennent leur suite, ou aucun."`
}

// CentreListCmd lists teams, or those on the map for a disease and near a department.
type CentreListCmd struct {
	Orpha   uint32     `placeholder:"CODE" help:"Code ORPHA : centres des réseaux qui prennent en charge cette maladie."`
	Near    string     `placeholder:"DÉPARTEMENT" help:"Code INSEE ou nom : les plus proches d'abord, à vol d'oiseau."`
	Filiere string     `help:"Sigle ou identifiant."`
	Network string     `help:"Sigle, intitulé ou identifiant."`
	Role    []roleFlag `help:"coordonnateur, constitutif, référence, compétence (CCMR), CRC, non-précisé ; un collaborateur n'en a pas."`
	Region  string     `help:"Code INSEE ou nom."`
	Search
}

// Run prints the list.
func (c *CentreListCmd) Run(a *app) error {
	if c.Orpha != 0 || c.Near != "" || c.Filiere != "" || c.Network != "" || len(c.Role) > 0 || c.Region != "" {
		return c.find(a)
	}
	places := hospitals{}
	return listOf(a, table[*topologyv1.Centre]{names: places.fetch, columns: []column[*topologyv1.Centre]{
		{"Centre", whole, (*topologyv1.Centre).GetCentreId},
		{"Nom", texts, (*topologyv1.Centre).GetName},
		{"Population", texts, func(x *topologyv1.Centre) string { return inFrench(populationWords, x.GetPopulation()) }},
		{"Établissements", texts, func(x *topologyv1.Centre) string { return places.names(x.GetEstablishmentIds()...) }},
		{"Lieu", texts, func(x *topologyv1.Centre) string { return places.place(x.GetPlace(), x.GetEstablishmentIds()) }},
		evidence[*topologyv1.Centre](),
	}}, registryv1.RegistryServiceClient.ListCentres, func(token string) *registryv1.ListCentresRequest {
		return &registryv1.ListCentresRequest{AsOf: c.asOf(), Text: c.Text, PageSize: pageSize, PageToken: token}
	}, (*registryv1.ListCentresResponse).GetCentres)
}

// CentreGetCmd shows one.
type CentreGetCmd struct{ Lookup }

// Run shows it.
func (c *CentreGetCmd) Run(a *app) error {
	return getOf(a, registryv1.RegistryServiceClient.GetCentre,
		&registryv1.GetCentreRequest{CentreId: string(c.ID), AsOf: c.asOf()}, (*registryv1.GetCentreResponse).GetCentre)
}

// CentreRegisterCmd registers a team.
type CentreRegisterCmd struct {
	Name          string         `help:"Nom de l'équipe, si elle en a un."`
	Population    populationFlag `help:"enfants, adultes ou mixte."`
	Establishment []id           `placeholder:"ID" help:"Établissements d'exercice."`
	Where
	Since
	Grounds
}

// Run registers it.
func (c *CentreRegisterCmd) Run(a *app) error {
	if c.Name == "" && len(c.Establishment) == 0 && c.place() == nil {
		return fault.New(fault.Refused, "CENTRE_UNNAMED", "", "")
	}
	return command(a, topologyv1.NewTopologyServiceClient, topologyv1.TopologyServiceClient.RegisterCentre,
		&topologyv1.RegisterCentreRequest{
			RequestId: a.request(c.RequestID), Basis: c.basis(), ValidFrom: c.ValidFrom, Name: c.Name,
			Population: topologyv1.Population(c.Population), EstablishmentIds: plain(c.Establishment), Place: c.place(),
		}, "Centre", (*topologyv1.RegisterCentreResponse).GetCentreId)
}

func plain(ids []id) []string {
	var out []string
	for _, i := range ids {
		out = append(out, string(i))
	}
	return out
}

// CentreRenameCmd renames one.
type CentreRenameCmd struct {
	ID   id     `arg:"" help:"Centre."`
	Name string `arg:"" help:"Nouveau nom."`
	Since
	Grounds
}

// Run renames it.
func (c *CentreRenameCmd) Run(a *app) error {
	return command(a, topologyv1.NewTopologyServiceClient, topologyv1.TopologyServiceClient.RenameCentre,
		&topologyv1.RenameCentreRequest{
			RequestId: a.request(c.RequestID), Basis: c.basis(), ValidFrom: c.ValidFrom, CentreId: string(c.ID), Name: c.Name,
		}, "Nouveau nom du centre", (*topologyv1.RenameCentreResponse).GetCentreId)
}

// CentreAttachCmd adds a hospital to those one works in.
type CentreAttachCmd struct {
	ID            id `arg:"" help:"Centre."`
	Establishment id `arg:"" help:"Établissement."`
	Since
	Grounds
}

// Run attaches it.
func (c *CentreAttachCmd) Run(a *app) error {
	return command(a, topologyv1.NewTopologyServiceClient, topologyv1.TopologyServiceClient.AttachCentre,
		&topologyv1.AttachCentreRequest{
			RequestId: a.request(c.RequestID), Basis: c.basis(), ValidFrom: c.ValidFrom,
			CentreId: string(c.ID), EstablishmentId: string(c.Establishment),
		}, "Rattachement du centre", (*topologyv1.AttachCentreResponse).GetCentreId)
}

// CentreMoveCmd moves one.
type CentreMoveCmd struct {
	ID            id   `arg:"" help:"Centre."`
	Establishment []id `placeholder:"ID" help:"Établissements d'exercice, désormais."`
	Where
	Since
	Grounds
}

// Run moves it.
func (c *CentreMoveCmd) Run(a *app) error {
	return command(a, topologyv1.NewTopologyServiceClient, topologyv1.TopologyServiceClient.MoveCentre,
		&topologyv1.MoveCentreRequest{
			RequestId: a.request(c.RequestID), Basis: c.basis(), ValidFrom: c.ValidFrom,
			CentreId: string(c.ID), EstablishmentIds: plain(c.Establishment), Place: c.place(),
		}, "Déplacement du centre", func(*topologyv1.MoveCentreResponse) string { return string(c.ID) })
}

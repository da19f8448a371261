package main

import (
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
)

// EstablishmentCmd is the verbs about hospitals.
type EstablishmentCmd struct {
	Client
	List     EstablishmentListCmd     `cmd:"" help:"Lister."`
	Get      EstablishmentGetCmd      `cmd:"" help:"Montrer un établissement et ses sources."`
	History  HistoryCmd               `cmd:"" help:"Tous les faits enregistrés."`
	Register EstablishmentRegisterCmd `cmd:"" help:"Enregistrer un établissement."`
	Rename   EstablishmentRenameCmd   `cmd:"" help:"Renommer à compter d'un jour."`
	Attach   EstablishmentAttachCmd   `cmd:"" help:"Rattacher à une entité juridique."`

	Move        EstablishmentMoveCmd        `cmd:"" help:"Déplacer : il est ailleurs à compter d'un jour."`
	LegalEntity EstablishmentLegalEntityCmd `cmd:"" name:"legal-entity" help:"Changer d'entité juridique, sans fusion, à compter d'un jour."`
	Identify    EstablishmentIdentifyCmd    `cmd:"" help:"Donner d'autres numéros FINESS et SIRET à compter d'un jour."`
	Succeed     EstablishmentSucceedCmd     `cmd:"" help:"Fusionner, scinder ou fermer, avec tout ce qui en dépend."`
}

// EstablishmentListCmd lists hospitals.
type EstablishmentListCmd struct{ Search }

// Run prints the list.
func (c *EstablishmentListCmd) Run(a *app) error {
	return listOf(a, table[*topologyv1.Establishment]{columns: []column[*topologyv1.Establishment]{
		{"Établissement", whole, (*topologyv1.Establishment).GetEstablishmentId},
		{"Nom", texts, (*topologyv1.Establishment).GetName},
		{"FINESS", whole, (*topologyv1.Establishment).GetFiness},
		{"Nature", texts, func(e *topologyv1.Establishment) string { return inFrench(finessWords, e.GetFinessKind()) }},
		{"Lieu", texts, func(e *topologyv1.Establishment) string { return placeText(e.GetPlace()) }},
		evidence[*topologyv1.Establishment](),
	}}, registryv1.RegistryServiceClient.ListEstablishments, func(token string) *registryv1.ListEstablishmentsRequest {
		return &registryv1.ListEstablishmentsRequest{AsOf: c.asOf(), Text: c.Text, PageSize: pageSize, PageToken: token}
	}, (*registryv1.ListEstablishmentsResponse).GetEstablishments)
}

// EstablishmentGetCmd shows one.
type EstablishmentGetCmd struct{ Lookup }

// Run shows it.
func (c *EstablishmentGetCmd) Run(a *app) error {
	return getOf(a, registryv1.RegistryServiceClient.GetEstablishment,
		&registryv1.GetEstablishmentRequest{EstablishmentId: string(c.ID), AsOf: c.asOf()}, (*registryv1.GetEstablishmentResponse).GetEstablishment)
}

// Since is the flag of facts that hold from a day on.
type Since struct {
	ValidFrom string `name:"valid-from" placeholder:"DATE" help:"À compter de : AAAA-MM-JJ, AAAA-MM ou AAAA ; vide si inconnu."`
}

// asOf is the day from which a fact holds, to read what stands then; today where it is
// not known to the day.
func (s Since) asOf() *registryv1.AsOf {
	if _, err := bitemporal.ParseDate(s.ValidFrom); err != nil {
		return nil
	}
	return &registryv1.AsOf{ValidAt: s.ValidFrom}
}

// Where is the flags of a place.
type Where struct {
	City       string  `help:"Ville."`
	Commune    string  `help:"Code INSEE de la commune."`
	Department string  `help:"Code INSEE du département ou de la collectivité."`
	Territory  string  `help:"Territoire, faute de département connu."`
	Latitude   float64 `help:"Degrés, WGS 84."`
	Longitude  float64 `help:"Degrés, WGS 84."`
	PointFrom  string  `name:"point-source" help:"Ce qu'est le point et d'où il vient."`
}

func (w Where) place() *topologyv1.Place {
	if w == (Where{}) {
		return nil
	}
	return &topologyv1.Place{
		City: w.City, CommuneCode: w.Commune, DepartmentCode: w.Department, Territory: w.Territory,
		Latitude: w.Latitude, Longitude: w.Longitude, PointSource: w.PointFrom,
	}
}

// EstablishmentRegisterCmd registers a hospital.
type EstablishmentRegisterCmd struct {
	Name       string `arg:"" help:"Nom."`
	Finess     string
	FinessKind finessFlag `name:"finess-kind" help:"entité juridique (EJ) ou entité géographique (ET)."`
	Siret      string
	Where
	Since
	Grounds
}

// Run registers it.
func (c *EstablishmentRegisterCmd) Run(a *app) error {
	return command(a, topologyv1.NewTopologyServiceClient, topologyv1.TopologyServiceClient.RegisterEstablishment,
		&topologyv1.RegisterEstablishmentRequest{
			RequestId: a.request(c.RequestID), Basis: c.basis(), ValidFrom: c.ValidFrom, Name: c.Name,
			Finess: c.Finess, FinessKind: topologyv1.FinessKind(c.FinessKind), Siret: c.Siret, Place: c.place(),
		}, "Établissement", (*topologyv1.RegisterEstablishmentResponse).GetEstablishmentId)
}

// EstablishmentRenameCmd renames one.
type EstablishmentRenameCmd struct {
	ID   id     `arg:"" help:"Établissement."`
	Name string `arg:"" help:"Nouveau nom."`
	Since
	Grounds
}

// Run renames it.
func (c *EstablishmentRenameCmd) Run(a *app) error {
	return command(a, topologyv1.NewTopologyServiceClient, topologyv1.TopologyServiceClient.RenameEstablishment,
		&topologyv1.RenameEstablishmentRequest{
			RequestId: a.request(c.RequestID), Basis: c.basis(), ValidFrom: c.ValidFrom, EstablishmentId: string(c.ID), Name: c.Name,
		}, "Nouveau nom de l'établissement", (*topologyv1.RenameEstablishmentResponse).GetEstablishmentId)
}

// EstablishmentAttachCmd attaches one to its legal entity.
type EstablishmentAttachCmd struct {
	ID          id `arg:"" help:"Établissement."`
	LegalEntity id `arg:"" help:"Établissement qui est son entité juridique."`
	Since
	Grounds
}

// Run attaches it.
func (c *EstablishmentAttachCmd) Run(a *app) error {
	return command(a, topologyv1.NewTopologyServiceClient, topologyv1.TopologyServiceClient.AttachEstablishment,
		&topologyv1.AttachEstablishmentRequest{
			RequestId: a.request(c.RequestID), Basis: c.basis(), ValidFrom: c.ValidFrom,
			EstablishmentId: string(c.ID), LegalEntityId: string(c.LegalEntity),
		}, "Rattachement de l'établissement", (*topologyv1.AttachEstablishmentResponse).GetEstablishmentId)
}

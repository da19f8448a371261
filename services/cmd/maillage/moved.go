package main

import (
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

// EstablishmentMoveCmd moves a hospital.
type EstablishmentMoveCmd struct {
	ID id `arg:"" help:"Établissement."`
	Where
	Since
	Grounds
}

// Run moves it.
func (c *EstablishmentMoveCmd) Run(a *app) error {
	return change(a, topologyv1.TopologyServiceClient.MoveEstablishment, &topologyv1.MoveEstablishmentRequest{
		RequestId: a.request(c.RequestID), Basis: c.basis(), ValidFrom: c.ValidFrom, EstablishmentId: string(c.ID), Place: c.place(),
	}, "Déplacement de l'établissement", c.ID)
}

// EstablishmentLegalEntityCmd gives a hospital other legal entities.
type EstablishmentLegalEntityCmd struct {
	ID id   `arg:"" help:"Établissement, qui garde son identité et ses labels."`
	To []id `placeholder:"ID" help:"Ses entités juridiques, désormais ; sans mention, aucune n'est connue."`
	Since
	Grounds
}

// Run records it.
func (c *EstablishmentLegalEntityCmd) Run(a *app) error {
	return change(a, topologyv1.TopologyServiceClient.ChangeLegalEntity, &topologyv1.ChangeLegalEntityRequest{
		RequestId: a.request(c.RequestID), Basis: c.basis(), ValidFrom: c.ValidFrom, EstablishmentId: string(c.ID), LegalEntityIds: plain(c.To),
	}, "Changement d'entité juridique de l'établissement", c.ID)
}

// EstablishmentIdentifyCmd gives a hospital other numbers.
type EstablishmentIdentifyCmd struct {
	ID         id         `arg:"" help:"Établissement."`
	Finess     string     `help:"Numéro FINESS, désormais ; sans mention, aucun n'est connu."`
	FinessKind finessFlag `name:"finess-kind" help:"entité juridique (EJ) ou entité géographique (ET)."`
	Siret      string     `help:"Numéro SIRET, désormais ; sans mention, aucun n'est connu."`
	Since
	Grounds
}

// Run records it.
func (c *EstablishmentIdentifyCmd) Run(a *app) error {
	return change(a, topologyv1.TopologyServiceClient.IdentifyEstablishment, &topologyv1.IdentifyEstablishmentRequest{
		RequestId: a.request(c.RequestID), Basis: c.basis(), ValidFrom: c.ValidFrom, EstablishmentId: string(c.ID),
		Finess: c.Finess, FinessKind: topologyv1.FinessKind(c.FinessKind), Siret: c.Siret,
	}, "Numéros de l'établissement", c.ID)
}

// PlatformMoveCmd moves a platform.
type PlatformMoveCmd struct {
	ID            id   `arg:"" help:"Plateforme."`
	Establishment []id `placeholder:"ID" help:"Établissements d'accueil, désormais, le porteur d'abord."`
	Where
	Since
	Grounds
}

// Run moves it.
func (c *PlatformMoveCmd) Run(a *app) error {
	return change(a, topologyv1.TopologyServiceClient.MovePlatform, &topologyv1.MovePlatformRequest{
		RequestId: a.request(c.RequestID), Basis: c.basis(), ValidFrom: c.ValidFrom, PlatformId: string(c.ID),
		EstablishmentIds: plain(c.Establishment), Place: c.place(),
	}, "Déplacement de la plateforme", c.ID)
}

// PlatformTerritoryCmd says which territory a platform serves.
type PlatformTerritoryCmd struct {
	ID         id       `arg:"" help:"Plateforme."`
	Region     []string `placeholder:"CODE" help:"Codes INSEE des régions qu'elle sert tout entières, désormais."`
	Department []string `placeholder:"CODE" help:"Codes INSEE des départements ou collectivités qu'elle sert en plus."`
	Since
	Grounds
}

// Run records it.
func (c *PlatformTerritoryCmd) Run(a *app) error {
	return change(a, topologyv1.TopologyServiceClient.StateTerritory, &topologyv1.StateTerritoryRequest{
		RequestId: a.request(c.RequestID), Basis: c.basis(), ValidFrom: c.ValidFrom, PlatformId: string(c.ID),
		RegionCodes: c.Region, DepartmentCodes: c.Department,
	}, "Territoire de la plateforme", c.ID)
}

// ContactCmd says how a platform or a filière is reached.
type ContactCmd struct {
	ID      id     `arg:"" help:"Plateforme ou filière."`
	Website string `help:"Adresse du site, sans https:// ; sans mention, aucune."`
	Email   string `help:"Adresse électronique, gardée au coffre ; sans mention, aucune."`
	Phone   string `help:"Téléphone, gardé au coffre ; sans mention, aucun."`
	Since
	Grounds
}

// Run records it.
func (c *ContactCmd) Run(a *app) error {
	return change(a, topologyv1.TopologyServiceClient.StateContact, &topologyv1.StateContactRequest{
		RequestId: a.request(c.RequestID), Basis: c.basis(), ValidFrom: c.ValidFrom, EntityId: string(c.ID),
		Website: c.Website, Email: c.Email, Phone: c.Phone,
	}, "Coordonnées enregistrées", c.ID)
}

// NetworkScopeCmd says which diseases a network takes care of.
type NetworkScopeCmd struct {
	ID      id       `arg:"" help:"Réseau."`
	Release string   `required:"" placeholder:"AAAA-MM" help:"Édition de la nomenclature ORPHA où les codes ont été lus."`
	Orpha   []uint32 `placeholder:"CODE" help:"Codes ORPHA des maladies suivies, désormais ; sans mention, aucune."`
	Since
	Grounds
}

// Run records it.
func (c *NetworkScopeCmd) Run(a *app) error {
	return change(a, topologyv1.TopologyServiceClient.ScopeNetwork, &topologyv1.ScopeNetworkRequest{
		RequestId: a.request(c.RequestID), Basis: c.basis(), ValidFrom: c.ValidFrom, NetworkId: string(c.ID), Release: c.Release, OrphaCodes: c.Orpha,
	}, "Maladies du réseau", c.ID)
}

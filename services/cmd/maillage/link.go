package main

import (
	eventv1 "maillage/proto/gen/maillage/event/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

// LinkCmd is the verbs about links.
type LinkCmd struct {
	Client
	List    LinkListCmd    `cmd:"" help:"Lister les liens, tous ou ceux d'un objet."`
	Declare LinkDeclareCmd `cmd:"" help:"Déclarer un lien."`
	Confirm LinkConfirmCmd `cmd:"" help:"Confirmer : les deux côtés le disent."`
	End     LinkEndCmd     `cmd:"" help:"Mettre fin à un lien."`
}

// LinkDeclareCmd declares a link.
type LinkDeclareCmd struct {
	Kind    linkFlag `arg:"" help:"collaborateur (centre et réseau), dessert (centre et filière), hébergé (centre et plateforme), rattaché (centre et centre de référence, dans un réseau) ou ERN."`
	Holder  id       `arg:"" help:"Qui est collaborateur, dessert, est hébergé, rattaché ou membre."`
	To      id       `placeholder:"ID" help:"Réseau, filière, plateforme ou centre de référence."`
	Code    string   `help:"Réseau européen de référence (ERN), par son nom."`
	Network id       `placeholder:"ID" help:"Réseau où le centre est rattaché."`
	Start   string   `placeholder:"DATE" help:"Premier jour : AAAA-MM-JJ, AAAA-MM ou AAAA ; vide si inconnu."`
	End     string   `placeholder:"DATE" help:"Premier jour où il ne tient plus ; vide s'il n'est pas dit."`
	Grounds
}

// Run declares it.
func (c *LinkDeclareCmd) Run(a *app) error {
	return command(a, topologyv1.NewTopologyServiceClient, topologyv1.TopologyServiceClient.DeclareLink, &topologyv1.DeclareLinkRequest{
		RequestId: a.request(c.RequestID), Basis: c.basis(), Kind: topologyv1.LinkKind(c.Kind), FromId: string(c.Holder), ToId: string(c.To),
		Code: c.Code, NetworkId: string(c.Network), Period: &eventv1.Period{Start: c.Start, End: c.End},
	}, "Lien", (*topologyv1.DeclareLinkResponse).GetLinkId)
}

// LinkConfirmCmd confirms a link.
type LinkConfirmCmd struct {
	ID   id     `arg:"" help:"Lien."`
	Date string `placeholder:"DATE" help:"Jour de la confirmation ; vide si inconnu."`
	Grounds
}

// Run confirms it.
func (c *LinkConfirmCmd) Run(a *app) error {
	return change(a, topologyv1.TopologyServiceClient.ConfirmLink,
		&topologyv1.ConfirmLinkRequest{RequestId: a.request(c.RequestID), Basis: c.basis(), LinkId: string(c.ID), Date: c.Date}, "Lien confirmé", c.ID)
}

// LinkEndCmd ends a link.
type LinkEndCmd struct {
	ID  id     `arg:"" help:"Lien."`
	End string `placeholder:"DATE" help:"Premier jour où il ne tient plus ; vide si inconnu."`
	Grounds
}

// Run ends it.
func (c *LinkEndCmd) Run(a *app) error {
	return change(a, topologyv1.TopologyServiceClient.EndLink,
		&topologyv1.EndLinkRequest{RequestId: a.request(c.RequestID), Basis: c.basis(), LinkId: string(c.ID), End: c.End}, "Fin du lien", c.ID)
}

// ContinuityCmd is the verbs about ids that are one.
type ContinuityCmd struct {
	Client
	Declare ContinuityDeclareCmd `cmd:"" help:"Déclarer que deux identifiants n'en font qu'un : les deux restent valables."`
	Revoke  ContinuityRevokeCmd  `cmd:"" help:"Revenir sur une continuité déclarée à tort."`
}

// ContinuityDeclareCmd declares that two ids are one.
type ContinuityDeclareCmd struct {
	ID   id `arg:"" help:"Identifiant à suivre désormais."`
	Same id `required:"" placeholder:"ID" help:"Celui qui était le même depuis toujours, de même nature."`
	Grounds
}

// Run declares it.
func (c *ContinuityDeclareCmd) Run(a *app) error {
	return command(a, topologyv1.NewTopologyServiceClient, topologyv1.TopologyServiceClient.DeclareContinuity, &topologyv1.DeclareContinuityRequest{
		RequestId: a.request(c.RequestID), Basis: c.basis(), KeptId: string(c.ID), OtherId: string(c.Same),
	}, "Continuité", (*topologyv1.DeclareContinuityResponse).GetContinuityId)
}

// ContinuityRevokeCmd revokes such a declaration.
type ContinuityRevokeCmd struct {
	ID id `arg:"" help:"Continuité."`
	Grounds
}

// Run revokes it.
func (c *ContinuityRevokeCmd) Run(a *app) error {
	return change(a, topologyv1.TopologyServiceClient.RevokeContinuity,
		&topologyv1.RevokeContinuityRequest{RequestId: a.request(c.RequestID), Basis: c.basis(), ContinuityId: string(c.ID)}, "Continuité révoquée", c.ID)
}

package main

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

// Closing is the flags of a succession: what closes, what takes its place, and what
// becomes of all that depends on it.
type Closing struct {
	Closed []id    `required:"" placeholder:"ID" help:"Ceux qui ferment."`
	By     []id    `placeholder:"ID" help:"Ceux qui prennent leur suite, déjà enregistrés ; sans mention, personne : c'est une fermeture."`
	Child  []child `placeholder:"ID=DEVENIR" sep:"none" help:"Ce que devient un rattaché (centre, plateforme, filière, réseau, établissement ou lien) : ID=va:ID,ID (ou moves), ID=reste (stays) ou ID=ferme (closes). Un par option ; tous doivent être décidés."`
	Since
	Grounds
}

// child is what becomes of one that depends on what closes.
type child struct{ *topologyv1.Child }

func (c *child) UnmarshalText(text []byte) error {
	who, becomes, said := strings.Cut(string(text), "=")
	if !said {
		return fmt.Errorf("« %s » : un rattaché s'écrit ID=va:ID,ID, ID=reste ou ID=ferme", text)
	}
	word, to, _ := strings.Cut(becomes, ":")
	outcome, err := parseWord(childWords, []byte(word))
	if err != nil {
		return err
	}
	c.Child = &topologyv1.Child{Outcome: outcome}
	var one id
	if err := one.UnmarshalText([]byte(who)); err != nil {
		return err
	}
	c.ChildId = string(one)
	for _, next := range strings.FieldsFunc(to, func(r rune) bool { return r == ',' }) {
		if err := one.UnmarshalText([]byte(next)); err != nil {
			return err
		}
		c.ToIds = append(c.ToIds, string(one))
	}
	return nil
}

func (c Closing) children() []*topologyv1.Child {
	var all []*topologyv1.Child
	for _, one := range c.Child {
		all = append(all, one.Child)
	}
	return all
}

// change sends one command to topology, and says that it is recorded of an entity, empty
// for several.
func change[Req any, Res interface {
	proto.Message
	GetPosition() uint64
}](a *app, method func(topologyv1.TopologyServiceClient, context.Context, Req, ...grpc.CallOption) (Res, error), request Req, what string, entity id,
) error {
	return command(a, topologyv1.NewTopologyServiceClient, method, request, what, func(Res) string { return string(entity) })
}

// EstablishmentSucceedCmd closes hospitals.
type EstablishmentSucceedCmd struct{ Closing }

// Run records it.
func (c *EstablishmentSucceedCmd) Run(a *app) error {
	return change(a, topologyv1.TopologyServiceClient.SucceedEstablishments, &topologyv1.SucceedEstablishmentsRequest{
		RequestId: a.request(c.RequestID), Basis: c.basis(), ValidFrom: c.ValidFrom,
		PredecessorIds: plain(c.Closed), SuccessorIds: plain(c.By), Children: c.children(),
	}, "Succession d'établissements", "")
}

// CentreSucceedCmd closes teams.
type CentreSucceedCmd struct{ Closing }

// Run records it.
func (c *CentreSucceedCmd) Run(a *app) error {
	return change(a, topologyv1.TopologyServiceClient.SucceedCentres, &topologyv1.SucceedCentresRequest{
		RequestId: a.request(c.RequestID), Basis: c.basis(), ValidFrom: c.ValidFrom,
		PredecessorIds: plain(c.Closed), SuccessorIds: plain(c.By), Children: c.children(),
	}, "Succession de centres", "")
}

// NetworkSucceedCmd closes networks.
type NetworkSucceedCmd struct{ Closing }

// Run records it.
func (c *NetworkSucceedCmd) Run(a *app) error {
	return change(a, topologyv1.TopologyServiceClient.SucceedNetworks, &topologyv1.SucceedNetworksRequest{
		RequestId: a.request(c.RequestID), Basis: c.basis(), ValidFrom: c.ValidFrom,
		PredecessorIds: plain(c.Closed), SuccessorIds: plain(c.By), Children: c.children(),
	}, "Succession de réseaux", "")
}

// FiliereSucceedCmd closes filières.
type FiliereSucceedCmd struct{ Closing }

// Run records it.
func (c *FiliereSucceedCmd) Run(a *app) error {
	return change(a, topologyv1.TopologyServiceClient.SucceedFilieres, &topologyv1.SucceedFilieresRequest{
		RequestId: a.request(c.RequestID), Basis: c.basis(), ValidFrom: c.ValidFrom,
		PredecessorIds: plain(c.Closed), SuccessorIds: plain(c.By), Children: c.children(),
	}, "Succession de filières", "")
}

// PlatformSucceedCmd closes platforms.
type PlatformSucceedCmd struct{ Closing }

// Run records it.
func (c *PlatformSucceedCmd) Run(a *app) error {
	return change(a, topologyv1.TopologyServiceClient.SucceedPlatforms, &topologyv1.SucceedPlatformsRequest{
		RequestId: a.request(c.RequestID), Basis: c.basis(), ValidFrom: c.ValidFrom,
		PredecessorIds: plain(c.Closed), SuccessorIds: plain(c.By), Children: c.children(),
	}, "Succession de plateformes", "")
}

package main

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
)

// fate sends one command about a label and says that it is recorded.
func fate[Req any, Res interface {
	proto.Message
	GetPosition() uint64
}](a *app, method func(labellingv1.LabellingServiceClient, context.Context, Req, ...grpc.CallOption) (Res, error), request Req, what string, label id,
) error {
	return command(a, labellingv1.NewLabellingServiceClient, method, request, what, func(Res) string { return string(label) })
}

// LabelExtendCmd moves the end of a label later.
type LabelExtendCmd struct {
	ID  id  `arg:"" help:"Label."`
	End day `required:"" placeholder:"AAAA-MM-JJ" help:"Premier jour où il n'est plus tenu, par la prorogation."`
	Grounds
}

// Run extends it.
func (c *LabelExtendCmd) Run(a *app) error {
	return fate(a, labellingv1.LabellingServiceClient.ExtendLabel,
		&labellingv1.ExtendLabelRequest{RequestId: a.request(c.RequestID), Basis: c.basis(), LabelId: string(c.ID), End: string(c.End)}, "Label prorogé", c.ID)
}

// LabelSuspendCmd suspends a label.
type LabelSuspendCmd struct {
	ID    id  `arg:"" help:"Label."`
	From  day `required:"" placeholder:"AAAA-MM-JJ" help:"Premier jour de la suspension."`
	Until day `placeholder:"AAAA-MM-JJ" help:"Premier jour d'après ; vide jusqu'au rétablissement."`
	Grounds
}

// Run suspends it.
func (c *LabelSuspendCmd) Run(a *app) error {
	return fate(a, labellingv1.LabellingServiceClient.SuspendLabel, &labellingv1.SuspendLabelRequest{
		RequestId: a.request(c.RequestID), Basis: c.basis(), LabelId: string(c.ID), SuspendedFrom: string(c.From), SuspendedUntil: string(c.Until),
	}, "Label suspendu", c.ID)
}

// LabelReinstateCmd ends the suspension of a label.
type LabelReinstateCmd struct {
	ID   id  `arg:"" help:"Label."`
	From day `required:"" placeholder:"AAAA-MM-JJ" help:"Premier jour où il est de nouveau en vigueur."`
	Grounds
}

// Run reinstates it.
func (c *LabelReinstateCmd) Run(a *app) error {
	return fate(a, labellingv1.LabellingServiceClient.ReinstateLabel,
		&labellingv1.ReinstateLabelRequest{RequestId: a.request(c.RequestID), Basis: c.basis(), LabelId: string(c.ID), ReinstatedFrom: string(c.From)}, "Label rétabli", c.ID)
}

// LabelWithdrawCmd withdraws a label from its start.
type LabelWithdrawCmd struct {
	ID id `arg:"" help:"Label."`
	Grounds
}

// Run withdraws it.
func (c *LabelWithdrawCmd) Run(a *app) error {
	return fate(a, labellingv1.LabellingServiceClient.WithdrawLabel,
		&labellingv1.WithdrawLabelRequest{RequestId: a.request(c.RequestID), Basis: c.basis(), LabelId: string(c.ID)}, "Label retiré depuis son début", c.ID)
}

// LabelAnnulCmd records that a court annulled a label.
type LabelAnnulCmd struct {
	ID   id  `arg:"" help:"Label."`
	From day `placeholder:"AAAA-MM-JJ" help:"Premier jour, si la décision en diffère l'effet ; sinon depuis son début."`
	Grounds
}

// Run records it.
func (c *LabelAnnulCmd) Run(a *app) error {
	return fate(a, labellingv1.LabellingServiceClient.AnnulLabel,
		&labellingv1.AnnulLabelRequest{RequestId: a.request(c.RequestID), Basis: c.basis(), LabelId: string(c.ID), AnnulledFrom: string(c.From)}, "Label annulé", c.ID)
}

// LabelVoidCmd records that a label should never have been recorded.
type LabelVoidCmd struct {
	ID id `arg:"" help:"Label."`
	Grounds
}

// Run records it.
func (c *LabelVoidCmd) Run(a *app) error {
	return fate(a, labellingv1.LabellingServiceClient.VoidLabel,
		&labellingv1.VoidLabelRequest{RequestId: a.request(c.RequestID), Basis: c.basis(), LabelId: string(c.ID)}, "Enregistrement du label déclaré nul", c.ID)
}

// LabelOpenCmd records from when the holder of a label works under it.
type LabelOpenCmd struct {
	ID   id  `arg:"" help:"Label."`
	From day `required:"" placeholder:"AAAA-MM-JJ" help:"Premier jour d'activité."`
	Grounds
}

// Run records it.
func (c *LabelOpenCmd) Run(a *app) error {
	return fate(a, labellingv1.LabellingServiceClient.OpenLabel,
		&labellingv1.OpenLabelRequest{RequestId: a.request(c.RequestID), Basis: c.basis(), LabelId: string(c.ID), OpenedFrom: string(c.From)}, "Ouverture enregistrée, label", c.ID)
}

// LabelMaintainCmd records that the holder of a label goes on working, whatever its term.
type LabelMaintainCmd struct {
	ID   id  `arg:"" help:"Label."`
	From day `required:"" placeholder:"AAAA-MM-JJ" help:"Jour depuis lequel c'est dit."`
	Grounds
}

// Run records it.
func (c *LabelMaintainCmd) Run(a *app) error {
	return fate(a, labellingv1.LabellingServiceClient.MaintainLabel,
		&labellingv1.MaintainLabelRequest{RequestId: a.request(c.RequestID), Basis: c.basis(), LabelId: string(c.ID), MaintainedFrom: string(c.From)}, "Maintien enregistré, label", c.ID)
}

// LabelCloseCmd records that the holder of a label ceased to work under it.
type LabelCloseCmd struct {
	ID   id  `arg:"" help:"Label."`
	From day `required:"" placeholder:"AAAA-MM-JJ" help:"Premier jour sans activité."`
	Grounds
}

// Run records it.
func (c *LabelCloseCmd) Run(a *app) error {
	return fate(a, labellingv1.LabellingServiceClient.CloseLabel,
		&labellingv1.CloseLabelRequest{RequestId: a.request(c.RequestID), Basis: c.basis(), LabelId: string(c.ID), ClosedFrom: string(c.From)}, "Fermeture enregistrée, label", c.ID)
}

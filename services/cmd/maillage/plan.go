package main

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/grpc"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/fault"
	"maillage/services/identifier"
)

// PlanCmd is the verbs about national plans.
type PlanCmd struct {
	Client
	List     PlanListCmd     `cmd:"" help:"Lister."`
	Get      PlanGetCmd      `cmd:"" help:"Montrer un plan, ses axes et ses sources."`
	Register PlanRegisterCmd `cmd:"" help:"Enregistrer un plan national."`
	Extend   PlanExtendCmd   `cmd:"" help:"Prolonger un plan."`
	Axes     PlanAxesCmd     `cmd:"" help:"Donner les axes d'un plan."`
}

// planID is the id of a plan that was typed by its id or its code: PLAN_UNKNOWN.
func (a *app) planID(typed string, at *registryv1.AsOf) (found string, err error) {
	if canonical, err := identifier.ParseID(typed); err == nil {
		return canonical, nil
	}
	err = a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		r, err := registryv1.NewRegistryServiceClient(conn).ListPlans(ctx, &registryv1.ListPlansRequest{AsOf: at, Text: typed, PageSize: pageSize})
		if err != nil {
			return err
		}
		for _, p := range r.GetPlans() {
			if identifier.Fold(p.GetCode()) == identifier.Fold(typed) {
				found = p.GetPlanId()
				return nil
			}
		}
		return fault.New(fault.NotFound, "PLAN_UNKNOWN", "", "no plan is known as %q", typed)
	})
	return found, err
}

// axis is an axis of a plan as typed.
type axis struct{ *topologyv1.Axis }

func (x *axis) UnmarshalText(text []byte) error {
	code, title, _ := strings.Cut(string(text), "=")
	if code = strings.TrimSpace(code); code == "" {
		return fmt.Errorf("« %s » : un axe s'écrit CODE=INTITULÉ", text)
	}
	x.Axis = &topologyv1.Axis{Code: code, Title: strings.TrimSpace(title)}
	return nil
}

func axesOf(typed []axis) []*topologyv1.Axis {
	var all []*topologyv1.Axis
	for _, x := range typed {
		all = append(all, x.Axis)
	}
	return all
}

// PlanRegisterCmd registers a plan.
type PlanRegisterCmd struct {
	Code  string `arg:"" help:"Code, tel PNMR4."`
	Name  string `arg:"" help:"Intitulé."`
	Start string `placeholder:"DATE" help:"Premier jour ou première année ; vide si inconnu."`
	End   string `placeholder:"DATE" help:"Premier jour ou année d'après, telle que décidée d'abord ; vide si inconnu."`
	Axis  []axis `placeholder:"CODE=INTITULÉ" sep:"none" help:"Un axe par option."`
	Grounds
}

// Run registers it.
func (c *PlanRegisterCmd) Run(a *app) error {
	return command(a, topologyv1.NewTopologyServiceClient, topologyv1.TopologyServiceClient.RegisterPlan, &topologyv1.RegisterPlanRequest{
		RequestId: a.request(c.RequestID), Basis: c.basis(), Code: c.Code, Name: c.Name,
		Period: &eventv1.Period{Start: c.Start, End: c.End}, Axes: axesOf(c.Axis),
	}, "Plan", (*topologyv1.RegisterPlanResponse).GetPlanId)
}

// PlanExtendCmd extends a plan.
type PlanExtendCmd struct {
	Plan string `arg:"" placeholder:"ID|CODE" help:"Plan, par son identifiant ou son code."`
	End  string `required:"" placeholder:"DATE" help:"Premier jour ou année d'après, désormais."`
	Grounds
}

// Run extends it.
func (c *PlanExtendCmd) Run(a *app) error {
	plan, err := a.planID(c.Plan, nil)
	if err != nil {
		return err
	}
	return change(a, topologyv1.TopologyServiceClient.ExtendPlan,
		&topologyv1.ExtendPlanRequest{RequestId: a.request(c.RequestID), Basis: c.basis(), PlanId: plan, End: c.End}, "Plan prolongé", id(plan))
}

// PlanAxesCmd gives a plan its axes.
type PlanAxesCmd struct {
	Plan string `arg:"" placeholder:"ID|CODE" help:"Plan, par son identifiant ou son code."`
	Axis []axis `required:"" placeholder:"CODE=INTITULÉ" sep:"none" help:"Un axe par option ; ils remplacent ceux d'avant."`
	Grounds
}

// Run records them.
func (c *PlanAxesCmd) Run(a *app) error {
	plan, err := a.planID(c.Plan, nil)
	if err != nil {
		return err
	}
	return change(a, topologyv1.TopologyServiceClient.StatePlanAxes,
		&topologyv1.StatePlanAxesRequest{RequestId: a.request(c.RequestID), Basis: c.basis(), PlanId: plan, Axes: axesOf(c.Axis)}, "Axes du plan", id(plan))
}

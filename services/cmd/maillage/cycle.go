package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/grpc"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/fault"
	"maillage/services/identifier"
)

// CycleCmd is the verbs about cycles.
type CycleCmd struct {
	Client
	List     CycleListCmd     `cmd:"" help:"Lister."`
	Get      CycleGetCmd      `cmd:"" help:"Montrer un cycle et ses sources."`
	History  HistoryCmd       `cmd:"" help:"Tous les faits enregistrés."`
	Register CycleRegisterCmd `cmd:"" help:"Enregistrer un cycle."`

	Threshold CycleThresholdCmd `cmd:"" help:"Dire les seuils d'un cycle, ou d'autres ; les autres rôles et unités restent."`
}

// CycleListCmd lists cycles.
type CycleListCmd struct{ Search }

// Run prints the list.
func (c *CycleListCmd) Run(a *app) error {
	return listOf(a, table[*labellingv1.Cycle]{columns: []column[*labellingv1.Cycle]{
		{"Cycle", whole, (*labellingv1.Cycle).GetCycleId},
		{"Code", whole, (*labellingv1.Cycle).GetCode},
		{"Autres noms", texts, func(x *labellingv1.Cycle) string { return strings.Join(x.GetAliases(), ", ") }},
		{"Période", whole, func(x *labellingv1.Cycle) string { return frPeriod(x.GetPeriod()) }},
		evidence[*labellingv1.Cycle](),
	}}, registryv1.RegistryServiceClient.ListCycles, func(token string) *registryv1.ListCyclesRequest {
		return &registryv1.ListCyclesRequest{AsOf: c.asOf(), Text: c.Text, PageSize: pageSize, PageToken: token}
	}, (*registryv1.ListCyclesResponse).GetCycles)
}

// CycleGetCmd shows one.
type CycleGetCmd struct{ Lookup }

// Run shows it.
func (c *CycleGetCmd) Run(a *app) error {
	return getOf(a, registryv1.RegistryServiceClient.GetCycle,
		&registryv1.GetCycleRequest{CycleId: string(c.ID), AsOf: c.asOf()}, (*registryv1.GetCycleResponse).GetCycle)
}

// CycleRegisterCmd registers a cycle.
type CycleRegisterCmd struct {
	Code      string      `arg:"" help:"Code, unique."`
	Alias     []string    `help:"Autres noms."`
	Start     string      `placeholder:"DATE" help:"Premier jour, ou mois, ou année."`
	End       string      `placeholder:"DATE" help:"Premier jour d'après, ou mois, ou année."`
	Threshold []threshold `placeholder:"RÔLE=NOMBRE UNITÉ" sep:"none" help:"Activité qu'un rôle doit atteindre chaque année : « coordonnateur=150 patients » ou « … venues ». Un par option."`
	Grounds
}

// threshold is the activity asked of a role, as typed.
type threshold struct{ *labellingv1.Threshold }

func (t *threshold) UnmarshalText(text []byte) error {
	role, rest, _ := strings.Cut(string(text), "=")
	number, unit, said := strings.Cut(strings.TrimSpace(rest), " ")
	minimum, err := strconv.ParseUint(number, 10, 32)
	if !said || err != nil || minimum == 0 {
		return fmt.Errorf("« %s » : un seuil s'écrit RÔLE=NOMBRE UNITÉ, tel « coordonnateur=150 patients »", text)
	}
	t.Threshold = &labellingv1.Threshold{Minimum: uint32(minimum)}
	if t.Role, err = parseWord(roleWords, []byte(role)); err != nil {
		return err
	}
	t.Unit, err = parseWord(unitWords, []byte(unit))
	return err
}

// Run registers it.
func (c *CycleRegisterCmd) Run(a *app) error {
	return command(a, labellingv1.NewLabellingServiceClient, labellingv1.LabellingServiceClient.RegisterCycle,
		&labellingv1.RegisterCycleRequest{
			RequestId: a.request(c.RequestID), Basis: c.basis(), Code: c.Code, Aliases: c.Alias, Period: period(c.Start, c.End),
			Thresholds: thresholdsOf(c.Threshold),
		}, "Cycle", (*labellingv1.RegisterCycleResponse).GetCycleId)
}

func thresholdsOf(typed []threshold) (all []*labellingv1.Threshold) {
	for _, t := range typed {
		all = append(all, t.Threshold)
	}
	return all
}

// CycleThresholdCmd states thresholds of a cycle.
type CycleThresholdCmd struct {
	Cycle     string      `arg:"" placeholder:"CYCLE" help:"Code, autre nom ou identifiant."`
	Threshold []threshold `arg:"" placeholder:"RÔLE=NOMBRE UNITÉ" sep:"none" help:"« compétence=25 patients » ou « … venues ». Un par mot, entre guillemets."`
	Grounds
}

// Run states them.
func (c *CycleThresholdCmd) Run(a *app) error {
	request := &labellingv1.StateThresholdsRequest{RequestId: a.request(c.RequestID), Basis: c.basis(), Thresholds: thresholdsOf(c.Threshold)}
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) (err error) {
		if request.CycleId, err = cycleID(ctx, conn, c.Cycle); err != nil {
			return err
		}
		r, err := labellingv1.NewLabellingServiceClient(conn).StateThresholds(ctx, request)
		if err != nil {
			return err
		}
		return a.recorded(r, "Seuils du cycle", request.GetCycleId())
	})
}

func period(start, end string) *eventv1.Period {
	if start == "" && end == "" {
		return nil
	}
	return &eventv1.Period{Start: start, End: end}
}

// cycleID is the id of a cycle that is named by its id, code or another name.
func cycleID(ctx context.Context, conn grpc.ClientConnInterface, name string) (string, error) {
	if canonical, err := identifier.ParseID(name); name == "" || err == nil {
		return canonical, nil
	}
	registry := registryv1.NewRegistryServiceClient(conn)
	for token := ""; ; {
		r, err := registry.ListCycles(ctx, &registryv1.ListCyclesRequest{PageSize: pageSize, PageToken: token})
		if err != nil {
			return "", err
		}
		for _, c := range r.GetCycles() {
			if slices.ContainsFunc(append(c.GetAliases(), c.GetCode()), func(s string) bool { return identifier.Fold(s) == identifier.Fold(name) }) {
				return c.GetCycleId(), nil
			}
		}
		if token = r.GetNextPageToken(); token == "" {
			return "", fault.New(fault.NotFound, "CYCLE_UNKNOWN", "cycle", "« %s »", name)
		}
	}
}

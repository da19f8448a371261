package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
)

// listDone lists what teams and platforms do, as listOf lists entities.
func listDone[Req any, Res listing, T proto.Message](a *app, columns []column[T],
	method func(registryv1.ActivityQueryServiceClient, context.Context, Req, ...grpc.CallOption) (Res, error),
	request func(token string) Req, items func(Res) []T,
) error {
	return list(a, table[T]{columns: columns}, func(ctx context.Context, conn grpc.ClientConnInterface, token string) (page[T], error) {
		r, err := method(registryv1.NewActivityQueryServiceClient(conn), ctx, request(token))
		if err != nil {
			return page[T]{}, err
		}
		return page[T]{items: items(r), next: r.GetNextPageToken(), resolved: r.GetResolved()}, nil
	})
}

var missionColumns = []column[*activityv1.MissionSet]{
	{"Public", whole, func(s *activityv1.MissionSet) string { return inFrench(audienceWords, s.GetAudience()) }},
	{"Mission", whole, func(s *activityv1.MissionSet) string { return s.GetMissions()[0].GetCode() }},
	{"Intitulé", texts, func(s *activityv1.MissionSet) string { return s.GetMissions()[0].GetTitle() }},
}

// list prints the missions of a day, one a line.
func (c *ActivityMissionsCmd) list(a *app) error {
	return list(a, table[*activityv1.MissionSet]{columns: missionColumns}, func(ctx context.Context, conn grpc.ClientConnInterface, _ string) (page[*activityv1.MissionSet], error) {
		r, err := registryv1.NewActivityQueryServiceClient(conn).ListMissions(ctx, &registryv1.ListMissionsRequest{AsOf: c.asOf()})
		var items []*activityv1.MissionSet
		for _, set := range r.GetSets() {
			for _, m := range set.GetMissions() {
				items = append(items, &activityv1.MissionSet{Audience: set.GetAudience(), Missions: []*activityv1.Mission{m}, Basis: set.GetBasis()})
			}
		}
		return page[*activityv1.MissionSet]{items: items, resolved: r.GetResolved()}, err
	})
}

// ActivityPeriodsCmd lists reporting periods.
type ActivityPeriodsCmd struct{ Moment }

var periodColumns = []column[*activityv1.Period]{
	{"Période", whole, (*activityv1.Period).GetPeriodId},
	{"Code", whole, (*activityv1.Period).GetCode},
	{"Dates", whole, func(p *activityv1.Period) string { return frPeriod(p.GetSpan()) }},
	{"À rendre le", whole, func(p *activityv1.Period) string { return frDate(p.GetDueDate()) }},
	{"État", whole, func(p *activityv1.Period) string {
		if p.GetOpen() {
			return "ouverte"
		}
		return joined(" ", "close le", frDate(p.GetClosedDate()))
	}},
	{"Indicateurs", whole, func(p *activityv1.Period) string { return fmt.Sprint(len(p.GetIndicators())) }},
}

// Run prints the list.
func (c *ActivityPeriodsCmd) Run(a *app) error {
	return list(a, table[*activityv1.Period]{columns: periodColumns}, func(ctx context.Context, conn grpc.ClientConnInterface, _ string) (page[*activityv1.Period], error) {
		r, err := registryv1.NewActivityQueryServiceClient(conn).ListPeriods(ctx, &registryv1.ListPeriodsRequest{AsOf: c.asOf()})
		return page[*activityv1.Period]{items: r.GetPeriods(), resolved: r.GetResolved()}, err
	})
}

// ActivityReportListCmd lists reports.
type ActivityReportListCmd struct {
	Period string            `placeholder:"PÉRIODE" help:"Période : identifiant ou code. Les plateformes labellisées qui n'ont pas rendu compte sont listées aussi."`
	By     id                `placeholder:"ID" help:"Plateforme, site ou centre qui rend compte."`
	State  []reportStateFlag `help:"soumis, renvoyé ou validé."`
	Moment
}

var reportColumns = []column[*registryv1.ReportEntry]{
	{"Rapport", whole, func(e *registryv1.ReportEntry) string { return e.GetReport().GetReportId() }},
	{"Période", whole, (*registryv1.ReportEntry).GetPeriodCode},
	{"Rendu par", texts, (*registryv1.ReportEntry).GetReporterName},
	{"État", whole, func(e *registryv1.ReportEntry) string {
		if e.GetReport().GetReportId() == "" {
			return "non rendu"
		}
		return inFrench(reportStateWords, e.GetReport().GetState())
	}},
	{"Révision", whole, func(e *registryv1.ReportEntry) string { return numberText(e.GetReport().GetRevision()) }},
	{"Figé à la position", whole, func(e *registryv1.ReportEntry) string { return numberText(e.GetReport().GetFrozenPosition()) }},
	{"Motif", texts, func(e *registryv1.ReportEntry) string { return e.GetReport().GetReason() }},
}

func numberText[N uint32 | uint64](n N) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

// Run prints the list and, of a period whose states are not chosen, who has not reported.
func (c *ActivityReportListCmd) Run(a *app) error {
	req := &registryv1.ListReportsRequest{AsOf: c.asOf(), Period: c.Period, ReporterId: string(c.By), PageSize: pageSize}
	for _, s := range c.State {
		req.States = append(req.States, activityv1.ReportState(s))
	}
	var silent []*registryv1.ReportEntry
	return listDone(a, reportColumns, registryv1.ActivityQueryServiceClient.ListReports, func(token string) *registryv1.ListReportsRequest {
		req.PageToken = token
		return req
	}, func(r *registryv1.ListReportsResponse) []*registryv1.ReportEntry {
		if len(req.GetStates()) > 0 {
			return r.GetEntries()
		}
		for i, h := range r.GetMissing() {
			silent = append(silent, &registryv1.ReportEntry{Report: &activityv1.Report{Reporter: h}, ReporterName: r.GetMissingNames()[i], PeriodCode: c.Period})
		}
		if r.GetNextPageToken() != "" {
			return r.GetEntries()
		}
		return append(r.GetEntries(), silent...)
	})
}

// ActivityReportGetCmd shows a report.
type ActivityReportGetCmd struct {
	ID       id     `arg:"" help:"Rapport."`
	Revision uint32 `help:"Révision ; la dernière par défaut."`
	Restated bool   `help:"Montrer aussi les labels et le territoire tels que connus à présent."`
	Labels   bool   `help:"Lister les labels, et pas seulement leur nombre."`
	Moment
}

// Run shows it.
func (c *ActivityReportGetCmd) Run(a *app) error {
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		r, err := registryv1.NewActivityQueryServiceClient(conn).GetReport(ctx, &registryv1.GetReportRequest{
			ReportId: string(c.ID), Revision: c.Revision, Restated: c.Restated, AsOf: c.asOf(),
		})
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(r)
		}
		return c.print(a, r)
	})
}

func (c *ActivityReportGetCmd) print(a *app, r *registryv1.GetReportResponse) error {
	e := r.GetEntry()
	state := inFrench(reportStateWords, e.GetReport().GetState())
	_, err := fmt.Fprintf(a.stdout, "Rapport %s, période %s (%s)\nRendu par %s\nRévision %d sur %d : %s\n", e.GetReport().GetReportId(), harmless(e.GetPeriodCode()),
		frPeriod(r.GetPeriod().GetSpan()), harmless(e.GetReporterName()), e.GetReport().GetRevision(), e.GetRevisions(), harmless(joined(" — ", state, e.GetReport().GetReason())))
	if err != nil {
		return err
	}
	if err := a.printRows(valueRows(r.GetPeriod(), e.GetReport().GetValues())); err != nil {
		return err
	}
	if err := c.printContext(a, "Figé", r.GetFrozen()); err != nil {
		return err
	}
	if r.GetRestated() != nil {
		if err := c.printContext(a, "Recalculé", r.GetRestated()); err != nil {
			return err
		}
		_, err := fmt.Fprintf(a.stdout, "Labels en plus depuis : %s\nLabels en moins depuis : %s\n",
			noneOr(labelsText(r.GetRestated(), r.GetGainedLabelIds())), noneOr(labelsText(r.GetFrozen(), r.GetLostLabelIds())))
		if err != nil {
			return err
		}
	}
	_, err = io.WriteString(a.stdout, moment(r.GetResolved())+".\n")
	return err
}

// valueRows is the values of a report with what was asked.
func valueRows(p *activityv1.Period, values []*activityv1.Value) ([][]string, []cutting) {
	asked := make(map[string]*activityv1.Indicator, len(p.GetIndicators()))
	for _, x := range p.GetIndicators() {
		asked[x.GetCode()] = x
	}
	return table[*activityv1.Value]{columns: []column[*activityv1.Value]{
		{"Indicateur", whole, (*activityv1.Value).GetIndicatorCode},
		{"Intitulé", texts, func(v *activityv1.Value) string { return asked[v.GetIndicatorCode()].GetTitle() }},
		{"Valeur", whole, func(v *activityv1.Value) string {
			if _, euros := v.GetValue().(*activityv1.Value_Cents); euros {
				return valueText(v)
			}
			return joined(" ", valueText(v), asked[v.GetIndicatorCode()].GetUnit())
		}},
		{"Remarque", texts, (*activityv1.Value).GetNote},
	}}.rows(values)
}

// printContext prints the labels and territory that a report speaks of.
func (c *ActivityReportGetCmd) printContext(a *app, word string, x *registryv1.ReportContext) error {
	var counts []string
	for _, n := range x.GetCounts() {
		counts = append(counts, fmt.Sprintf("%s : %d (centres : %d)", inFrench(roleWords, n.GetRole()), n.GetLabels(), n.GetCentres()))
	}
	_, err := fmt.Fprintf(a.stdout, "%s à la position %d%s : labels %d%s\n", word, x.GetKnownPosition(), harmless(prefixed(", territoire ", strings.Join(x.GetTerritoryNames(), ", "))),
		len(x.GetLabels()), prefixed(" ; ", strings.Join(counts, " ; ")))
	if err != nil || !c.Labels || len(x.GetLabels()) == 0 {
		return err
	}
	return a.printRows(table[*registryv1.LabelEntry]{columns: labelColumns}.rows(x.GetLabels()))
}

// labelsText is labels of a context by their ids, roles and networks.
func labelsText(x *registryv1.ReportContext, ids []string) string {
	var out []string
	for _, id := range ids {
		for _, e := range x.GetLabels() {
			if e.GetLabel().GetLabelId() == id {
				out = append(out, harmless(joined(", ", id, inFrench(roleWords, e.GetLabel().GetRole()), joined(" – ", e.GetNetworkAcronym(), e.GetNetworkTitle()))))
			}
		}
	}
	return strings.Join(out, " ; ")
}

func noneOr(text string) string {
	if text == "" {
		return "aucun"
	}
	return text
}

// ActivityListCmd lists undertakings.
type ActivityListCmd struct {
	Kind      []undertakingFlag `help:"projet, formation ou action."`
	Holder    id                `placeholder:"ID" help:"Plateforme, site, réseau ou filière qui les mène."`
	Mission   string            `placeholder:"CODE" help:"Mission servie."`
	Axis      string            `placeholder:"PLAN[/AXE]" help:"Axe de plan servi : code ou identifiant du plan, barre, code de l'axe ; le plan seul pour tous ses axes."`
	Year      uint32            `placeholder:"ANNÉE" help:"Année où ils ont lieu, ou peuvent avoir lieu."`
	Cancelled bool              `help:"Ceux qui n'ont pas eu lieu aussi."`
	Search
}

var undertakingColumns = []column[*registryv1.UndertakingEntry]{
	{"Identifiant", whole, func(e *registryv1.UndertakingEntry) string { return e.GetUndertaking().GetUndertakingId() }},
	{"Nature", whole, func(e *registryv1.UndertakingEntry) string {
		return inFrench(undertakingWords, e.GetUndertaking().GetKind())
	}},
	{"Intitulé", texts, func(e *registryv1.UndertakingEntry) string {
		if e.GetUndertaking().GetCancelled() {
			return e.GetUndertaking().GetTitle() + " (n'a pas eu lieu)"
		}
		return e.GetUndertaking().GetTitle()
	}},
	{"Mené par", texts, (*registryv1.UndertakingEntry).GetHolderName},
	{"Dates", whole, func(e *registryv1.UndertakingEntry) string { return frPeriod(e.GetUndertaking().GetSpan()) }},
	{"Missions", texts, func(e *registryv1.UndertakingEntry) string { return strings.Join(e.GetMissionTitles(), " ; ") }},
	{"Axes", texts, func(e *registryv1.UndertakingEntry) string { return strings.Join(e.GetAxisTitles(), " ; ") }},
}

// Run prints the list.
func (c *ActivityListCmd) Run(a *app) error {
	req := &registryv1.ListUndertakingsRequest{
		AsOf: c.asOf(), HolderId: string(c.Holder), Mission: c.Mission, Axis: c.Axis, Year: c.Year, Text: c.Text, WithCancelled: c.Cancelled, PageSize: pageSize,
	}
	for _, k := range c.Kind {
		req.Kinds = append(req.Kinds, activityv1.UndertakingKind(k))
	}
	return listDone(a, undertakingColumns, registryv1.ActivityQueryServiceClient.ListUndertakings, func(token string) *registryv1.ListUndertakingsRequest {
		req.PageToken = token
		return req
	}, (*registryv1.ListUndertakingsResponse).GetEntries)
}

// ActivityMeasuresListCmd lists measures.
type ActivityMeasuresListCmd struct {
	Site id     `placeholder:"ID" help:"Site ; tous par défaut."`
	Year uint32 `placeholder:"ANNÉE" help:"Année ; toutes par défaut."`
	Moment
}

var measureColumns = []column[*registryv1.MeasureEntry]{
	{"Site", whole, func(e *registryv1.MeasureEntry) string { return e.GetMeasure().GetSiteId() }},
	{"Réseau et lieu", texts, (*registryv1.MeasureEntry).GetSiteName},
	{"Année", whole, func(e *registryv1.MeasureEntry) string { return fmt.Sprint(e.GetMeasure().GetYear()) }},
	{"Nombre", whole, func(e *registryv1.MeasureEntry) string { return fmt.Sprint(e.GetMeasure().GetCount()) }},
	{"Unité", whole, func(e *registryv1.MeasureEntry) string { return inFrench(unitWords, e.GetMeasure().GetUnit()) }},
	{"Preuve", whole, func(e *registryv1.MeasureEntry) string { return latestEvidence(e.GetMeasure().GetBasis()) }},
}

// Run prints the list.
func (c *ActivityMeasuresListCmd) Run(a *app) error {
	return listDone(a, measureColumns, registryv1.ActivityQueryServiceClient.ListMeasures, func(token string) *registryv1.ListMeasuresRequest {
		return &registryv1.ListMeasuresRequest{AsOf: c.asOf(), SiteId: string(c.Site), Year: c.Year, PageSize: pageSize, PageToken: token}
	}, (*registryv1.ListMeasuresResponse).GetEntries)
}

// ActivityThresholdsCmd sets the activity of sites beside the thresholds of their roles.
type ActivityThresholdsCmd struct {
	Year    uint32 `required:"" placeholder:"ANNÉE" help:"Année civile."`
	All     bool   `help:"Ceux qui atteignent leur seuil, et ceux dont l'activité n'est pas connue, aussi."`
	Filiere string `help:"Sigle ou identifiant."`
	Moment
}

var thresholdWords = map[registryv1.ThresholdState]string{
	registryv1.ThresholdState_THRESHOLD_STATE_REACHED:    "atteint",
	registryv1.ThresholdState_THRESHOLD_STATE_UNDER:      "sous le seuil",
	registryv1.ThresholdState_THRESHOLD_STATE_UNMEASURED: "non mesuré",
}

var thresholdColumns = []column[*registryv1.ThresholdEntry]{
	{"Site", whole, (*registryv1.ThresholdEntry).GetSiteId},
	{"Réseau et lieu", texts, (*registryv1.ThresholdEntry).GetSiteName},
	{"Rôle", texts, func(e *registryv1.ThresholdEntry) string { return inFrench(roleWords, e.GetRole()) }},
	{"Seuil", whole, func(e *registryv1.ThresholdEntry) string {
		return fmt.Sprintf("%d %s", e.GetMinimum(), inFrench(unitWords, e.GetUnit()))
	}},
	{"Années", whole, func(e *registryv1.ThresholdEntry) string {
		var out []string
		for _, y := range e.GetYears() {
			count := "?"
			if y.GetKnown() {
				count = fmt.Sprint(y.GetCount())
			}
			out = append(out, fmt.Sprintf("%d : %s", y.GetYear(), count))
		}
		return strings.Join(out, ", ")
	}},
	{"État", whole, func(e *registryv1.ThresholdEntry) string {
		if e.GetThreeYears() {
			return thresholdWords[e.GetState()] + ", trois ans de suite"
		}
		return thresholdWords[e.GetState()]
	}},
	{"Label", whole, (*registryv1.ThresholdEntry).GetLabelId},
}

// Run prints the sites and how many stand how.
func (c *ActivityThresholdsCmd) Run(a *app) error {
	var last *registryv1.CheckThresholdsResponse
	err := listDone(a, thresholdColumns, registryv1.ActivityQueryServiceClient.CheckThresholds, func(token string) *registryv1.CheckThresholdsRequest {
		return &registryv1.CheckThresholdsRequest{AsOf: c.asOf(), Year: c.Year, All: c.All, Filiere: c.Filiere, PageSize: pageSize, PageToken: token}
	}, func(r *registryv1.CheckThresholdsResponse) []*registryv1.ThresholdEntry {
		last = r
		return r.GetEntries()
	})
	if err != nil || a.json {
		return err
	}
	if last.GetUnder()+last.GetReached()+last.GetUnmeasured() == 0 {
		_, err = fmt.Fprintln(a.stdout, "Aucun label de cette année n'est d'un cycle dont les seuils soient connus : ils se disent avec le cycle (« cycle register --threshold »), ou plus tard (« cycle threshold »).")
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "Sous le seuil : %d ; seuil atteint : %d ; non mesuré : %d. Un seuil non atteint est signalé, le label demeure.\n",
		last.GetUnder(), last.GetReached(), last.GetUnmeasured())
	return err
}

// reportStateFlag is where a report stands, in French.
type reportStateFlag activityv1.ReportState

// UnmarshalText reads it.
func (f *reportStateFlag) UnmarshalText(b []byte) error { return parseInto(f, reportStateWords, b) }

package main

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/grpc"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/fault"
	"maillage/services/identifier"
)

// ActivityCmd is the verbs about what labelled teams and platforms do.
type ActivityCmd struct {
	Client
	List       ActivityListCmd       `cmd:"" help:"Lister les projets, formations et actions."`
	Missions   ActivityMissionsCmd   `cmd:"" help:"Lister les missions des plateformes et des sites, ou les dire d'après un fichier."`
	Periods    ActivityPeriodsCmd    `cmd:"" help:"Lister les périodes de rapport."`
	Period     ActivityPeriodCmd     `cmd:"" help:"Périodes de rapport : ouvrir, changer ce qui est demandé, clore, rouvrir."`
	Report     ActivityReportCmd     `cmd:"" help:"Rapports d'activité : lister, montrer, soumettre, rectifier, valider, renvoyer."`
	Record     ActivityRecordCmd     `cmd:"" help:"Enregistrer un projet, une formation ou une action."`
	Revise     ActivityReviseCmd     `cmd:"" help:"Décrire autrement, en entier, un projet, une formation ou une action."`
	Cancel     ActivityCancelCmd     `cmd:"" help:"Dire qu'un projet, une formation ou une action n'a pas eu lieu."`
	Measures   ActivityMeasuresCmd   `cmd:"" help:"Files actives et venues : enregistrer celles d'un fichier, en une fois, ou lister."`
	Withdraw   ActivityWithdrawCmd   `cmd:"" help:"Reprendre une mesure : rien n'est connu finalement."`
	Thresholds ActivityThresholdsCmd `cmd:"" help:"Les sites dont l'activité est sous le seuil de leur rôle."`
	History    HistoryCmd            `cmd:"" help:"Tous les faits enregistrés d'une période, d'un rapport, d'un projet, d'une plateforme ou d'un site."`
}

// ActivityMissionsCmd lists the missions of audiences, or states them.
type ActivityMissionsCmd struct {
	File string `placeholder:"FICHIER" help:"CSV des missions à dire : audience, code, title, valid_from, source (voir seeds/missions.csv). Sans fichier, celles du registre sont listées."`
	Moment
	Grounds
}

// Run lists them or states those of a file: a command for each audience and first day.
// What is recorded already is passed over, so that the file can be given again.
func (c *ActivityMissionsCmd) Run(a *app) error {
	switch {
	case c.File == "" && c.Grounds != (Grounds{}):
		return usage("--file : sans fichier, rien n'est dit et il n'y a pas de fondement à donner")
	case c.File == "":
		return c.list(a)
	case c.Moment != (Moment{}):
		return usage("--file : ce qui est dit par un fichier l'est maintenant ; un moment ne se donne que pour lister")
	}
	sets, err := a.readMissions(c.File)
	if err != nil {
		return err
	}
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		for i, set := range sets {
			key := c.RequestID
			if key != "" && len(sets) > 1 {
				key = fmt.Sprintf("%s-%d", key, i+1)
			}
			set.request.RequestId, set.request.Basis = a.request(key), c.basisOr(set.sources)
			audience := inFrench(audienceWords, set.request.GetAudience())
			r, err := activityv1.NewActivityServiceClient(conn).StateMissions(ctx, set.request)
			if f, is := fault.FromStatus(err); is && f.Reason == "MISSIONS_UNCHANGED" {
				fmt.Fprintf(a.stderr, "Missions (%s) : déjà au registre.\n", audience)
				continue
			}
			if err != nil {
				return a.inFile(err, c.File, set.rows)
			}
			if err := a.recorded(r, fmt.Sprintf("Missions (%s)", audience), ""); err != nil {
				return err
			}
		}
		return nil
	})
}

// basisOr is the basis given or, where none is, the sources that a file names.
func (g Grounds) basisOr(sources []string) *eventv1.Basis {
	if g.Source == "" && g.ByAct == "" {
		g.Source = strings.Join(sources, " ; ")
	}
	return g.basis()
}

// ActivityPeriodCmd is the verbs about reporting periods.
type ActivityPeriodCmd struct {
	Open       ActivityPeriodOpenCmd       `cmd:"" help:"Ouvrir une période."`
	Indicators ActivityPeriodIndicatorsCmd `cmd:"" help:"Changer ce qu'une période ouverte demande."`
	Close      ActivityPeriodCloseCmd      `cmd:"" help:"Clore une période : seules les rectifications sont reçues."`
	Reopen     ActivityPeriodReopenCmd     `cmd:"" help:"Rouvrir une période close."`
}

// ActivityPeriodOpenCmd opens a period.
type ActivityPeriodOpenCmd struct {
	Code       string `required:"" help:"Code, unique, comme 2025."`
	Start      day    `required:"" placeholder:"AAAA-MM-JJ" help:"Premier jour."`
	End        day    `required:"" placeholder:"AAAA-MM-JJ" help:"Premier jour d'après."`
	Due        day    `placeholder:"AAAA-MM-JJ" help:"Dernier jour pour rendre les rapports."`
	Indicators string `required:"" placeholder:"FICHIER" help:"CSV des indicateurs demandés (voir seeds/indicators.csv)."`
	Grounds
}

// Run opens it.
func (c *ActivityPeriodOpenCmd) Run(a *app) error {
	asked, err := a.readIndicators(c.Indicators)
	if err != nil {
		return err
	}
	err = command(a, activityv1.NewActivityServiceClient, activityv1.ActivityServiceClient.OpenPeriod, &activityv1.OpenPeriodRequest{
		RequestId: a.request(c.RequestID), Basis: c.basisOr(asked.sources), Code: c.Code, Span: period(string(c.Start), string(c.End)),
		DueDate: string(c.Due), Indicators: asked.indicators,
	}, "Période", (*activityv1.OpenPeriodResponse).GetPeriodId)
	return a.inFile(err, c.Indicators, asked.rows)
}

// ActivityPeriodIndicatorsCmd changes what a period asks.
type ActivityPeriodIndicatorsCmd struct {
	Period string `arg:"" help:"Période : identifiant ou code."`
	File   string `required:"" placeholder:"FICHIER" help:"CSV de tous les indicateurs demandés désormais."`
	Grounds
}

// Run states them.
func (c *ActivityPeriodIndicatorsCmd) Run(a *app) error {
	asked, err := a.readIndicators(c.File)
	if err != nil {
		return err
	}
	err = a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		id, err := periodID(ctx, conn, c.Period)
		if err != nil {
			return err
		}
		r, err := activityv1.NewActivityServiceClient(conn).StateIndicators(ctx, &activityv1.StateIndicatorsRequest{
			RequestId: a.request(c.RequestID), Basis: c.basisOr(asked.sources), PeriodId: id, Indicators: asked.indicators,
		})
		if err != nil {
			return err
		}
		return a.recorded(r, "Indicateurs changés, période", id)
	})
	return a.inFile(err, c.File, asked.rows)
}

// periodID is the id of a period that is named by its id or code.
func periodID(ctx context.Context, conn grpc.ClientConnInterface, name string) (string, error) {
	if canonical, err := identifier.ParseID(name); err == nil {
		return canonical, nil
	}
	r, err := registryv1.NewActivityQueryServiceClient(conn).ListPeriods(ctx, &registryv1.ListPeriodsRequest{})
	if err != nil {
		return "", err
	}
	for _, p := range r.GetPeriods() {
		if p.GetCode() == name {
			return p.GetPeriodId(), nil
		}
	}
	return "", fault.New(fault.NotFound, "PERIOD_UNKNOWN", "period_id", "« %s »", name)
}

// ActivityPeriodCloseCmd closes a period.
type ActivityPeriodCloseCmd struct {
	Period string `arg:"" help:"Période : identifiant ou code."`
	Date   day    `required:"" placeholder:"AAAA-MM-JJ" help:"Jour de la clôture."`
	Grounds
}

// Run closes it.
func (c *ActivityPeriodCloseCmd) Run(a *app) error {
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		id, err := periodID(ctx, conn, c.Period)
		if err != nil {
			return err
		}
		r, err := activityv1.NewActivityServiceClient(conn).ClosePeriod(ctx, &activityv1.ClosePeriodRequest{
			RequestId: a.request(c.RequestID), Basis: c.basis(), PeriodId: id, ClosedDate: string(c.Date),
		})
		if err != nil {
			return err
		}
		return a.recorded(r, "Période close", id)
	})
}

// ActivityPeriodReopenCmd reopens a period.
type ActivityPeriodReopenCmd struct {
	Period string `arg:"" help:"Période : identifiant ou code."`
	Grounds
}

// Run reopens it.
func (c *ActivityPeriodReopenCmd) Run(a *app) error {
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		id, err := periodID(ctx, conn, c.Period)
		if err != nil {
			return err
		}
		r, err := activityv1.NewActivityServiceClient(conn).ReopenPeriod(ctx, &activityv1.ReopenPeriodRequest{
			RequestId: a.request(c.RequestID), Basis: c.basis(), PeriodId: id,
		})
		if err != nil {
			return err
		}
		return a.recorded(r, "Période rouverte", id)
	})
}

// ActivityReportCmd is the verbs about reports.
type ActivityReportCmd struct {
	List     ActivityReportListCmd     `cmd:"" help:"Lister les rapports, et qui n'a pas rendu compte d'une période."`
	Get      ActivityReportGetCmd      `cmd:"" help:"Montrer un rapport, les labels et le territoire dont il parle."`
	Submit   ActivityReportSubmitCmd   `cmd:"" help:"Soumettre un rapport, ou de nouveau après son renvoi."`
	Amend    ActivityReportAmendCmd    `cmd:"" help:"Rectifier un rapport validé, même après la clôture."`
	Validate ActivityReportValidateCmd `cmd:"" help:"Valider un rapport qu'un autre a soumis."`
	Return   ActivityReportReturnCmd   `cmd:"" help:"Renvoyer un rapport à qui l'a soumis."`
}

// ActivityReportSubmitCmd submits a report.
type ActivityReportSubmitCmd struct {
	Period   string `required:"" placeholder:"PÉRIODE" help:"Période : identifiant ou code."`
	Platform id     `xor:"who" required:"" placeholder:"ID" help:"Plateforme qui rend compte."`
	Site     id     `xor:"who" required:"" placeholder:"ID" help:"Site qui rend compte."`
	Values   string `required:"" placeholder:"FICHIER" help:"CSV : code, type, value, note (le fichier des indicateurs, deux colonnes en plus), ou JSON ; « - » lit l'entrée."`
	Grounds
}

// Run submits it.
func (c *ActivityReportSubmitCmd) Run(a *app) error {
	given, err := a.readValues(c.Values)
	if err != nil {
		return err
	}
	err = a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		period, err := periodID(ctx, conn, c.Period)
		if err != nil {
			return err
		}
		r, err := activityv1.NewActivityServiceClient(conn).SubmitReport(ctx, &activityv1.SubmitReportRequest{
			RequestId: a.request(c.RequestID), Basis: c.basis(), PeriodId: period, Reporter: Led{Platform: c.Platform, Site: c.Site}.holder(), Values: given.values,
		})
		if err != nil {
			return err
		}
		return a.recorded(r, fmt.Sprintf("Rapport soumis (révision %d)", r.GetRevision()), r.GetReportId())
	})
	return a.inFile(err, c.Values, given.rows)
}

// ActivityReportAmendCmd amends a report.
type ActivityReportAmendCmd struct {
	ID       id     `arg:"" help:"Rapport."`
	Revision uint32 `required:"" help:"Révision que celle-ci remplace."`
	Values   string `required:"" placeholder:"FICHIER" help:"Toutes les valeurs, dans un fichier comme pour submit."`
	Reason   string `required:"" placeholder:"MOTIF" help:"Pourquoi, sans aucun nom de personne."`
	Grounds
}

// Run amends it.
func (c *ActivityReportAmendCmd) Run(a *app) error {
	given, err := a.readValues(c.Values)
	if err != nil {
		return err
	}
	err = a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		r, err := activityv1.NewActivityServiceClient(conn).AmendReport(ctx, &activityv1.AmendReportRequest{
			RequestId: a.request(c.RequestID), Basis: c.basis(), ReportId: string(c.ID), Revision: c.Revision, Values: given.values, Reason: c.Reason,
		})
		if err != nil {
			return err
		}
		return a.recorded(r, fmt.Sprintf("Rapport rectifié, à valider (révision %d)", r.GetRevision()), string(c.ID))
	})
	return a.inFile(err, c.Values, given.rows)
}

// ActivityReportValidateCmd validates a report.
type ActivityReportValidateCmd struct {
	ID       id     `arg:"" help:"Rapport."`
	Revision uint32 `required:"" help:"Révision qui a été lue."`
	Grounds
}

// Run validates it.
func (c *ActivityReportValidateCmd) Run(a *app) error {
	return command(a, activityv1.NewActivityServiceClient, activityv1.ActivityServiceClient.ValidateReport, &activityv1.ValidateReportRequest{
		RequestId: a.request(c.RequestID), Basis: c.basis(), ReportId: string(c.ID), Revision: c.Revision,
	}, "Rapport validé", func(*activityv1.ValidateReportResponse) string { return string(c.ID) })
}

// ActivityReportReturnCmd sends a report back.
type ActivityReportReturnCmd struct {
	ID       id     `arg:"" help:"Rapport."`
	Revision uint32 `required:"" help:"Révision qui a été lue."`
	Reason   string `required:"" placeholder:"MOTIF" help:"Pourquoi, sans aucun nom de personne."`
	Grounds
}

// Run sends it back.
func (c *ActivityReportReturnCmd) Run(a *app) error {
	return command(a, activityv1.NewActivityServiceClient, activityv1.ActivityServiceClient.ReturnReport, &activityv1.ReturnReportRequest{
		RequestId: a.request(c.RequestID), Basis: c.basis(), ReportId: string(c.ID), Revision: c.Revision, Reason: c.Reason,
	}, "Rapport renvoyé", func(*activityv1.ReturnReportResponse) string { return string(c.ID) })
}

// Led is the flags that say who leads an undertaking.
type Led struct {
	Platform id `xor:"who" required:"" placeholder:"ID" help:"Plateforme qui le mène."`
	Site     id `xor:"who" required:"" placeholder:"ID" help:"Site qui le mène."`
	Network  id `xor:"who" required:"" placeholder:"ID" help:"Réseau qui le mène."`
	Filiere  id `xor:"who" required:"" placeholder:"ID" help:"Filière qui le mène."`
}

func (l Led) holder() *labellingv1.Holder {
	switch {
	case l.Platform != "":
		return &labellingv1.Holder{Holder: &labellingv1.Holder_PlatformId{PlatformId: string(l.Platform)}}
	case l.Site != "":
		return &labellingv1.Holder{Holder: &labellingv1.Holder_Site{Site: &labellingv1.Site{SiteId: string(l.Site)}}}
	case l.Network != "":
		return &labellingv1.Holder{Holder: &labellingv1.Holder_NetworkId{NetworkId: string(l.Network)}}
	}
	return &labellingv1.Holder{Holder: &labellingv1.Holder_FiliereId{FiliereId: string(l.Filiere)}}
}

// Described is the flags that describe an undertaking.
type Described struct {
	Led
	Kind        undertakingFlag `required:"" help:"projet, formation ou action."`
	Start       string          `placeholder:"DATE" help:"Premier jour, ou mois, ou année."`
	End         string          `placeholder:"DATE" help:"Premier jour d'après, ou mois, ou année."`
	Mission     []string        `placeholder:"CODE" help:"Missions servies. À répéter."`
	Axis        []string        `sep:"none" placeholder:"PLAN/AXE" help:"Axes de plans servis : code ou identifiant du plan, barre, code de l'axe. À répéter."`
	Description string          `help:"De quoi il s'agit, sans aucun nom de personne."`
}

func (d Described) axes(a *app) ([]*activityv1.AxisCited, error) {
	var out []*activityv1.AxisCited
	for _, text := range d.Axis {
		plan, code, cut := strings.Cut(text, "/")
		if !cut {
			return nil, usage(fmt.Sprintf("--axis %s : un axe s'écrit PLAN/AXE, avec le code ou l'identifiant du plan, que donne « plan list »", text))
		}
		known, err := a.planID(plan, nil)
		if err != nil {
			return nil, err
		}
		out = append(out, &activityv1.AxisCited{PlanId: known, AxisCode: strings.TrimSpace(code)})
	}
	return out, nil
}

// ActivityRecordCmd records an undertaking.
type ActivityRecordCmd struct {
	Title string `arg:"" help:"Intitulé."`
	Described
	Grounds
}

// Run records it.
func (c *ActivityRecordCmd) Run(a *app) error {
	axes, err := c.axes(a)
	if err != nil {
		return err
	}
	return command(a, activityv1.NewActivityServiceClient, activityv1.ActivityServiceClient.RecordUndertaking, &activityv1.RecordUndertakingRequest{
		RequestId: a.request(c.RequestID), Basis: c.basis(), Kind: activityv1.UndertakingKind(c.Kind), Title: c.Title, Holder: c.holder(),
		Span: period(c.Start, c.End), MissionCodes: c.Mission, Axes: axes, Description: c.Description,
	}, "Enregistré :", (*activityv1.RecordUndertakingResponse).GetUndertakingId)
}

// ActivityReviseCmd describes an undertaking otherwise.
type ActivityReviseCmd struct {
	ID    id     `arg:"" help:"Projet, formation ou action."`
	Title string `arg:"" help:"Intitulé."`
	Described
	Grounds
}

// Run records it.
func (c *ActivityReviseCmd) Run(a *app) error {
	axes, err := c.axes(a)
	if err != nil {
		return err
	}
	return command(a, activityv1.NewActivityServiceClient, activityv1.ActivityServiceClient.ReviseUndertaking, &activityv1.ReviseUndertakingRequest{
		RequestId: a.request(c.RequestID), Basis: c.basis(), UndertakingId: string(c.ID), Kind: activityv1.UndertakingKind(c.Kind), Title: c.Title,
		Holder: c.holder(), Span: period(c.Start, c.End), MissionCodes: c.Mission, Axes: axes, Description: c.Description,
	}, "Révisé :", func(*activityv1.ReviseUndertakingResponse) string { return string(c.ID) })
}

// ActivityCancelCmd cancels an undertaking.
type ActivityCancelCmd struct {
	ID     id     `arg:"" help:"Projet, formation ou action."`
	Reason string `required:"" placeholder:"MOTIF" help:"Pourquoi, sans aucun nom de personne."`
	Grounds
}

// Run cancels it.
func (c *ActivityCancelCmd) Run(a *app) error {
	return command(a, activityv1.NewActivityServiceClient, activityv1.ActivityServiceClient.CancelUndertaking, &activityv1.CancelUndertakingRequest{
		RequestId: a.request(c.RequestID), Basis: c.basis(), UndertakingId: string(c.ID), Reason: c.Reason,
	}, "Annulé :", func(*activityv1.CancelUndertakingResponse) string { return string(c.ID) })
}

// ActivityMeasuresCmd is the verbs about measures: a file is recorded unless they are to
// be listed.
type ActivityMeasuresCmd struct {
	Record ActivityMeasuresRecordCmd `cmd:"" default:"withargs" help:"Enregistrer les files actives et venues d'un fichier, en une fois."`
	List   ActivityMeasuresListCmd   `cmd:"" help:"Lister."`
}

// ActivityMeasuresRecordCmd records the measures of a file.
type ActivityMeasuresRecordCmd struct {
	File string `arg:"" help:"CSV : site, year, unit (patients ou venues), count ; « - » lit l'entrée."`
	Grounds
}

// Run records them, all or none. What is recorded the same already is left as it is.
func (c *ActivityMeasuresRecordCmd) Run(a *app) error {
	given, err := a.readMeasures(c.File)
	if err != nil {
		return err
	}
	err = a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		r, err := activityv1.NewActivityServiceClient(conn).RecordMeasures(ctx, &activityv1.RecordMeasuresRequest{
			RequestId: a.request(c.RequestID), Basis: c.basis(), Measures: given.measures,
		})
		if err != nil {
			return err
		}
		return a.recorded(r, "Mesures : "+counted(r.GetRecorded(), "enregistrée(s)")+", "+counted(r.GetUnchanged(), "inchangée(s)"), "")
	})
	return a.inFile(err, c.File, given.rows)
}

// ActivityWithdrawCmd takes a measure back.
type ActivityWithdrawCmd struct {
	Site id          `required:"" placeholder:"ID" help:"Site."`
	Year uint32      `required:"" help:"Année."`
	Unit measureFlag `required:"" help:"patients ou venues."`
	Grounds
}

// Run takes it back.
func (c *ActivityWithdrawCmd) Run(a *app) error {
	return command(a, activityv1.NewActivityServiceClient, activityv1.ActivityServiceClient.WithdrawMeasure, &activityv1.WithdrawMeasureRequest{
		RequestId: a.request(c.RequestID), Basis: c.basis(), SiteId: string(c.Site), Year: c.Year, Unit: labellingv1.ThresholdUnit(c.Unit),
	}, "Mesure reprise, site", func(*activityv1.WithdrawMeasureResponse) string { return string(c.Site) })
}

package main

import (
	"context"
	"strings"

	"google.golang.org/grpc"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
)

// LabelCmd is the verbs about labels.
type LabelCmd struct {
	Client
	List      LabelListCmd      `cmd:"" help:"Lister : en vigueur, en suspens et indéterminés, sauf --status."`
	Get       LabelGetCmd       `cmd:"" help:"Montrer un label, son statut et ses sources."`
	History   HistoryCmd        `cmd:"" help:"Tous les faits enregistrés."`
	Grant     LabelGrantCmd     `cmd:"" help:"Accorder un label."`
	Renew     LabelRenewCmd     `cmd:"" help:"Renouveler : un label finit, son successeur commence."`
	Confirm   LabelConfirmCmd   `cmd:"" help:"Ajouter un fondement à un label."`
	Repeal    LabelRepealCmd    `cmd:"" help:"Abroger à compter d'un jour."`
	Extend    LabelExtendCmd    `cmd:"" help:"Proroger : la fin est repoussée."`
	Suspend   LabelSuspendCmd   `cmd:"" help:"Suspendre à compter d'un jour."`
	Reinstate LabelReinstateCmd `cmd:"" help:"Rétablir : la suspension finit."`
	Withdraw  LabelWithdrawCmd  `cmd:"" help:"Retirer depuis son début."`
	Annul     LabelAnnulCmd     `cmd:"" help:"Enregistrer l'annulation par un juge."`
	Open      LabelOpenCmd      `cmd:"" help:"Dire depuis quand le titulaire travaille."`
	Maintain  LabelMaintainCmd  `cmd:"" help:"Dire que le titulaire travaille encore, quel que soit le terme."`
	Close     LabelCloseCmd     `cmd:"" help:"Dire que le titulaire ne travaille plus."`
	Correct   LabelCorrectCmd   `cmd:"" help:"Corriger une saisie, sans effet de droit."`
	Void      LabelVoidCmd      `cmd:"" help:"Dire qu'il n'aurait pas dû être enregistré, sans effet de droit."`
}

// LabelListCmd lists labels.
type LabelListCmd struct {
	Role          []roleFlag   `help:"coordonnateur, constitutif, référence, compétence (CCMR), CRC, FSMR, PEMR, PCOM, non-précisé."`
	Cycle         string       `help:"Code, autre nom ou identifiant."`
	Filiere       string       `help:"Sigle ou identifiant."`
	Network       string       `help:"Sigle ou identifiant."`
	Establishment string       `help:"Nom, FINESS ou identifiant."`
	Region        string       `help:"Code INSEE ou nom."`
	Department    string       `help:"Code INSEE."`
	Status        []statusFlag `help:"à venir, en vigueur, prorogé, suspendu, en suspens, expiré, perdu, abrogé, retiré, annulé, remplacé, indéterminé, nul."`
	Search
}

// Run prints the list.
func (c *LabelListCmd) Run(a *app) error {
	request := &registryv1.ListLabelsRequest{
		AsOf: c.asOf(), Cycle: c.Cycle, Filiere: c.Filiere, Network: c.Network, Establishment: c.Establishment,
		Region: c.Region, Department: c.Department, Text: c.Text, PageSize: pageSize,
	}
	for _, r := range c.Role {
		request.Roles = append(request.Roles, labellingv1.Role(r))
	}
	for _, s := range c.Status {
		request.Statuses = append(request.Statuses, labellingv1.Status(s))
	}
	return listOf(a, table[*registryv1.LabelEntry]{columns: labelColumns}, registryv1.RegistryServiceClient.ListLabels, func(token string) *registryv1.ListLabelsRequest {
		request.PageToken = token
		return request
	}, (*registryv1.ListLabelsResponse).GetEntries)
}

var labelColumns = []column[*registryv1.LabelEntry]{
	{"Label", whole, func(e *registryv1.LabelEntry) string { return e.GetLabel().GetLabelId() }},
	{"Statut", texts, func(e *registryv1.LabelEntry) string { return inFrench(statusWords, e.GetStatus()) }},
	{"Rôle", texts, func(e *registryv1.LabelEntry) string { return inFrench(roleWords, e.GetLabel().GetRole()) }},
	{"Filière", texts, (*registryv1.LabelEntry).GetFiliereAcronym},
	{"Réseau ou titulaire", texts, func(e *registryv1.LabelEntry) string {
		if e.GetNetworkAcronym() == e.GetNetworkTitle() {
			return joined(" – ", e.GetNetworkTitle(), e.GetHolderName())
		}
		return joined(" – ", e.GetNetworkAcronym(), e.GetNetworkTitle(), e.GetHolderName())
	}},
	{"Établissement", texts, func(e *registryv1.LabelEntry) string { return strings.Join(e.GetEstablishmentNames(), ", ") }},
	{"Ville", texts, (*registryv1.LabelEntry).GetCity},
	{"Dép.", whole, (*registryv1.LabelEntry).GetDepartmentCode},
	{"Cycle", whole, (*registryv1.LabelEntry).GetCycleCode},
	{"Période", whole, func(e *registryv1.LabelEntry) string { return frSpan(e.GetLabel().GetPeriod()) }},
	{"Preuve", whole, func(e *registryv1.LabelEntry) string { return latestEvidence(e.GetLabel().GetBasis()) }},
}

// LabelGetCmd shows one.
type LabelGetCmd struct{ Lookup }

// Run shows it.
func (c *LabelGetCmd) Run(a *app) error {
	return getOf(a, registryv1.RegistryServiceClient.GetLabel,
		&registryv1.GetLabelRequest{LabelId: string(c.ID), AsOf: c.asOf()}, (*registryv1.GetLabelResponse).GetEntry)
}

// Granted is the flags of a label to be granted.
type Granted struct {
	Site     id `placeholder:"ID" help:"Titulaire : un site déjà labellisé."`
	Centre   id `placeholder:"ID" help:"Titulaire : le site de ce centre dans le réseau --network."`
	Network  id `placeholder:"ID" help:"Réseau ; sans --centre, titulaire lui-même."`
	Filiere  id `placeholder:"ID" help:"Titulaire : une filière."`
	Platform id `placeholder:"ID" help:"Titulaire : une plateforme."`

	Role          roleFlag `help:"coordonnateur, constitutif, référence, compétence (CCMR), CRC, FSMR, PEMR, PCOM, non-précisé."`
	RoleAsPrinted string   `name:"role-as-printed" help:"Rôle tel qu'imprimé, s'il diffère."`
	Cycle         string   `help:"Cycle : code, autre nom ou identifiant."`
	Start         string   `placeholder:"DATE" help:"Premier jour, ou mois, ou année."`
	End           string   `placeholder:"DATE" help:"Premier jour d'après, ou mois, ou année ; vide si inconnu."`
	Head          string   `placeholder:"NOM" help:"Responsable médical tel qu'imprimé ; gardé au coffre."`
}

// check refuses what no label can be held by. Without a holder, held is false.
func (g Granted) check() (held bool, err error) {
	site, network := g.Site != "" || g.Centre != "", g.Network != "" && g.Site == "" && g.Centre == ""
	holders := 0
	for _, given := range []bool{site, network, g.Filiere != "", g.Platform != ""} {
		if given {
			holders++
		}
	}
	switch {
	case g.Centre != "" && g.Network == "":
		return true, usage("un centre détient un label dans un réseau : ajoutez --network ID à --centre")
	case g.Site != "" && g.Centre != "":
		return true, usage("--site dit déjà le centre et le réseau : donnez --site seul, ou --centre et --network")
	case holders > 1:
		return true, usage("un label a un seul titulaire : " + holderAsked)
	}
	return holders == 1, nil
}

func (g Granted) grant(ctx context.Context, conn grpc.ClientConnInterface) (*labellingv1.Grant, error) {
	cycle, err := cycleID(ctx, conn, g.Cycle)
	if err != nil {
		return nil, err
	}
	out := &labellingv1.Grant{
		Role: labellingv1.Role(g.Role), RoleAsPrinted: g.RoleAsPrinted, CycleId: cycle, Period: period(g.Start, g.End), HeadName: g.Head,
	}
	switch {
	case g.Site != "" || g.Centre != "":
		out.Holder = &labellingv1.Grant_Site{Site: &labellingv1.SiteRef{SiteId: string(g.Site), CentreId: string(g.Centre), NetworkId: string(g.Network)}}
	case g.Network != "":
		out.Holder = &labellingv1.Grant_NetworkId{NetworkId: string(g.Network)}
	case g.Filiere != "":
		out.Holder = &labellingv1.Grant_FiliereId{FiliereId: string(g.Filiere)}
	case g.Platform != "":
		out.Holder = &labellingv1.Grant_PlatformId{PlatformId: string(g.Platform)}
	}
	return out, nil
}

// LabelGrantCmd grants a label.
type LabelGrantCmd struct {
	Granted
	Grounds
}

// Run grants it.
func (c *LabelGrantCmd) Run(a *app) error {
	if held, err := c.check(); err != nil {
		return err
	} else if !held {
		return usage(holderAsked + " (--site, --centre et --network, --network, --filiere ou --platform)")
	}
	if err := c.unnamed(c.Head); err != nil {
		return err
	}
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		grant, err := c.grant(ctx, conn)
		if err != nil {
			return err
		}
		r, err := labellingv1.NewLabellingServiceClient(conn).GrantLabel(ctx,
			&labellingv1.GrantLabelRequest{RequestId: a.request(c.RequestID), Basis: c.basis(), Grant: grant})
		if err != nil {
			return err
		}
		return a.recorded(r, "Label accordé", joined(", site ", r.GetLabelId(), r.GetSiteId()))
	})
}

// LabelRenewCmd renews a label.
type LabelRenewCmd struct {
	ID id `arg:"" help:"Label qui finit ; sans autre titulaire, son successeur a le même."`
	Granted
	Grounds
}

// Run renews it.
func (c *LabelRenewCmd) Run(a *app) error {
	if _, err := c.check(); err != nil {
		return err
	}
	if err := c.unnamed(c.Head); err != nil {
		return err
	}
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		grant, err := c.grant(ctx, conn)
		if err != nil {
			return err
		}
		if grant.Holder == nil {
			old, err := registryv1.NewRegistryServiceClient(conn).GetLabel(ctx, &registryv1.GetLabelRequest{LabelId: string(c.ID)})
			if err != nil {
				return err
			}
			sameHolder(grant, old.GetEntry().GetLabel().GetHolder())
		}
		r, err := labellingv1.NewLabellingServiceClient(conn).RenewLabel(ctx, &labellingv1.RenewLabelRequest{
			RequestId: a.request(c.RequestID), Basis: c.basis(), Renewal: &labellingv1.Renewal{LabelId: string(c.ID), Grant: grant},
		})
		if err != nil {
			return err
		}
		return a.recorded(r, "Label renouvelé, successeur", r.GetLabelId())
	})
}

func sameHolder(g *labellingv1.Grant, h *labellingv1.Holder) {
	switch {
	case h.GetSite() != nil:
		g.Holder = &labellingv1.Grant_Site{Site: &labellingv1.SiteRef{SiteId: h.GetSite().GetSiteId()}}
	case h.GetNetworkId() != "":
		g.Holder = &labellingv1.Grant_NetworkId{NetworkId: h.GetNetworkId()}
	case h.GetFiliereId() != "":
		g.Holder = &labellingv1.Grant_FiliereId{FiliereId: h.GetFiliereId()}
	case h.GetPlatformId() != "":
		g.Holder = &labellingv1.Grant_PlatformId{PlatformId: h.GetPlatformId()}
	}
}

// LabelConfirmCmd adds a basis to a label.
type LabelConfirmCmd struct {
	ID id `arg:"" help:"Label."`
	Grounds
}

// Run confirms it.
func (c *LabelConfirmCmd) Run(a *app) error {
	return command(a, labellingv1.NewLabellingServiceClient, labellingv1.LabellingServiceClient.ConfirmLabel,
		&labellingv1.ConfirmLabelRequest{RequestId: a.request(c.RequestID), Basis: c.basis(), LabelId: string(c.ID)},
		"Label confirmé", func(*labellingv1.ConfirmLabelResponse) string { return string(c.ID) })
}

// LabelRepealCmd ends a label early.
type LabelRepealCmd struct {
	ID   id     `arg:"" help:"Label."`
	From string `required:"" placeholder:"AAAA-MM-JJ" help:"Premier jour où il n'est plus tenu."`
	Grounds
}

// Run repeals it.
func (c *LabelRepealCmd) Run(a *app) error {
	return command(a, labellingv1.NewLabellingServiceClient, labellingv1.LabellingServiceClient.RepealLabel,
		&labellingv1.RepealLabelRequest{RequestId: a.request(c.RequestID), Basis: c.basis(), LabelId: string(c.ID), RepealedFrom: c.From},
		"Label abrogé", func(*labellingv1.RepealLabelResponse) string { return string(c.ID) })
}

// LabelCorrectCmd mends what was keyed wrongly. Flags left out leave what stands.
type LabelCorrectCmd struct {
	ID            id        `arg:"" help:"Label."`
	Corrects      uint64    `required:"" placeholder:"POSITION" help:"Position du fait mal saisi (voir history)."`
	Role          *roleFlag `help:"Rôle juste."`
	RoleAsPrinted *string   `name:"role-as-printed" help:"Rôle juste tel qu'imprimé."`
	Cycle         *string   `help:"Cycle juste ; vide pour aucun."`
	Start         *string   `placeholder:"DATE" help:"Début juste ; vide si inconnu."`
	End           *string   `placeholder:"DATE" help:"Fin juste (premier jour d'après) ; vide si inconnue."`
	Head          *string   `placeholder:"NOM" help:"Responsable médical juste ; gardé au coffre."`
	Grounds
}

// Run corrects it.
func (c *LabelCorrectCmd) Run(a *app) error {
	if c.Head != nil {
		if err := c.unnamed(*c.Head); err != nil {
			return err
		}
	}
	request := &labellingv1.CorrectLabelRequest{
		RequestId: a.request(c.RequestID), Basis: c.basis(), LabelId: string(c.ID), Corrects: c.Corrects,
		Role: (*labellingv1.Role)(c.Role), RoleAsPrinted: c.RoleAsPrinted, HeadName: c.Head,
	}
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		if err := c.complete(ctx, conn, request); err != nil {
			return err
		}
		r, err := labellingv1.NewLabellingServiceClient(conn).CorrectLabel(ctx, request)
		if err != nil {
			return err
		}
		return a.recorded(r, "Label corrigé", string(c.ID))
	})
}

// complete fills in what the server must be asked for first: the cycle's id, and
// the end of the window that stays.
func (c *LabelCorrectCmd) complete(ctx context.Context, conn grpc.ClientConnInterface, request *labellingv1.CorrectLabelRequest) error {
	if c.Cycle != nil {
		cycle, err := cycleID(ctx, conn, *c.Cycle)
		if err != nil {
			return err
		}
		request.CycleId = &cycle
	}
	if c.Start == nil && c.End == nil {
		return nil
	}
	old, err := registryv1.NewRegistryServiceClient(conn).GetLabel(ctx, &registryv1.GetLabelRequest{LabelId: string(c.ID)})
	if err != nil {
		return err
	}
	request.Period = old.GetEntry().GetLabel().GetPeriod()
	if request.Period == nil {
		request.Period = &eventv1.Period{}
	}
	if c.Start != nil {
		request.Period.Start = *c.Start
	}
	if c.End != nil {
		request.Period.End = *c.End
	}
	return nil
}

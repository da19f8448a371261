package main

import (
	"context"

	"google.golang.org/grpc"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/bitemporal"
	"maillage/services/fault"
	"maillage/services/identifier"
)

// OfficeCmd is the verbs about posts: who heads a site, who coordinates.
type OfficeCmd struct {
	Client
	List    OfficeListCmd    `cmd:"" help:"Qui a tenu les postes d'un site, d'un réseau, d'une filière ou d'une plateforme."`
	History HistoryCmd       `cmd:"" help:"Tous les faits enregistrés."`
	Take    OfficeTakeCmd    `cmd:"" help:"Une personne prend un poste, à la date de fait."`
	Leave   OfficeLeaveCmd   `cmd:"" help:"Une personne quitte un poste."`
	Review  OfficeReviewCmd  `cmd:"" help:"Une instance donne son avis."`
	Approve OfficeApproveCmd `cmd:"" help:"Le ministère approuve."`
	Refuse  OfficeRefuseCmd  `cmd:"" help:"Le ministère refuse."`
}

// OfficeListCmd lists who held the posts of one holder.
type OfficeListCmd struct{ Lookup }

// Run prints the list.
func (c *OfficeListCmd) Run(a *app) error {
	return list(a, table[*registryv1.OfficeEntry]{columns: []column[*registryv1.OfficeEntry]{
		{"Poste", whole, func(x *registryv1.OfficeEntry) string { return x.GetOffice().GetOfficeId() }},
		{"Fonction", texts, func(x *registryv1.OfficeEntry) string {
			interim := ""
			if x.GetOffice().GetInterim() {
				interim = "par intérim"
			}
			return joined(" ", inFrench(officeWords, x.GetOffice().GetKind()), interim)
		}},
		{"Nom", texts, (*registryv1.OfficeEntry).GetName},
		{"Période", whole, func(x *registryv1.OfficeEntry) string { return frSpan(x.GetOffice().GetPeriod()) }},
		{"Avis", texts, func(x *registryv1.OfficeEntry) string {
			var out []string
			for _, o := range x.GetOffice().GetOpinions() {
				out = append(out, opinionText(o))
			}
			return joined(" ; ", out...)
		}},
		{"Décision", texts, func(x *registryv1.OfficeEntry) string {
			return joined(" le ", inFrench(approvalWords, x.GetOffice().GetApproval()), frDate(x.GetOffice().GetApprovalDate()))
		}},
	}}, func(ctx context.Context, conn grpc.ClientConnInterface, _ string) (page[*registryv1.OfficeEntry], error) {
		r, err := registryv1.NewRegistryServiceClient(conn).ListOffices(ctx, &registryv1.ListOfficesRequest{HolderId: string(c.ID), AsOf: c.asOf()})
		return page[*registryv1.OfficeEntry]{items: r.GetOffices(), resolved: r.GetResolved()}, err
	})
}

func opinionText(o *labellingv1.Opinion) string {
	opinion := "défavorable"
	if o.GetFavourable() {
		opinion = "favorable"
	}
	return joined(" ", o.GetBody(), ":", opinion, prefixed("le ", frDate(o.GetDate())))
}

// OfficeTakeCmd records that a person takes an office.
type OfficeTakeCmd struct {
	Holder      id         `arg:"" placeholder:"ID" help:"Site, réseau, filière ou plateforme."`
	Kind        officeFlag `required:"" help:"responsable, coresponsable, référent enfant, référent adulte, coordonnateur."`
	Name        string     `placeholder:"NOM" help:"Nom tel qu'imprimé ; gardé au coffre."`
	RPPS        string     `name:"rpps" placeholder:"NUMÉRO" help:"Numéro RPPS : dit qui est la personne ; il n'est pas gardé."`
	Interim     bool       `help:"Par intérim."`
	Start       string     `placeholder:"DATE" help:"Premier jour de fait, ou mois, ou année."`
	Predecessor id         `placeholder:"ID" help:"Poste auquel il succède, qui finit ce jour-là."`
	Grounds
}

// Run records it.
func (c *OfficeTakeCmd) Run(a *app) error {
	if err := c.unnamed(c.Name); err != nil {
		return err
	}
	if c.Name == "" && c.RPPS == "" { // a source may leave the name out; an officer knows who it is
		return fault.New(fault.Refused, "NAME_MISSING", "name", "")
	}
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		if c.Name != "" && c.RPPS == "" && c.RequestID == "" { // else it may be the same request again
			// An unknown holder is refused below.
			r, err := registryv1.NewRegistryServiceClient(conn).ListOffices(ctx, &registryv1.ListOfficesRequest{HolderId: string(c.Holder)})
			if o := c.held(r.GetOffices()); err == nil && o != nil {
				return fault.New(fault.Refused, "OFFICE_TWICE", "name", "« %s », %s", o.GetOfficeId(), frPeriod(o.GetPeriod()))
			}
		}
		r, err := labellingv1.NewLabellingServiceClient(conn).TakeOffice(ctx, &labellingv1.TakeOfficeRequest{
			RequestId: a.request(c.RequestID), Basis: c.basis(), HolderId: string(c.Holder), Kind: labellingv1.OfficeKind(c.Kind), Interim: c.Interim,
			Name: c.Name, Rpps: c.RPPS, Start: c.Start, PredecessorId: string(c.Predecessor),
		})
		if err != nil {
			return err
		}
		return a.recorded(r, "Poste", r.GetOfficeId())
	})
}

// held is the office of the same name in the same post on the first day, nil for none. A
// name makes no known person, so the register lets it pass; whoever types one name twice
// for one post and time has keyed it twice, or gives the RPPS number that tells two apart.
func (c *OfficeTakeCmd) held(offices []*registryv1.OfficeEntry) *labellingv1.Office {
	from, by, err := bitemporal.Span(c.Start)
	if err != nil {
		return nil // refused by the register
	}
	for _, e := range offices {
		o := e.GetOffice()
		if o.GetKind() != labellingv1.OfficeKind(c.Kind) || o.GetOfficeId() == string(c.Predecessor) || identifier.Fold(e.GetName()) != identifier.Fold(c.Name) {
			continue
		}
		_, begun, err := bitemporal.Span(o.GetPeriod().GetStart())
		ends, _, err2 := bitemporal.Span(o.GetPeriod().GetEnd())
		open := o.GetPeriod().GetEnd() == "" || err2 == nil && by < ends
		if err == nil && open && (begun <= from || o.GetPeriod().GetStart() == c.Start) {
			return o
		}
	}
	return nil
}

// OfficeLeaveCmd records that a person leaves an office.
type OfficeLeaveCmd struct {
	ID  id     `arg:"" help:"Poste."`
	End string `placeholder:"DATE" help:"Premier jour où il n'est plus tenu, ou mois, ou année."`
	Grounds
}

// Run records it.
func (c *OfficeLeaveCmd) Run(a *app) error {
	return fate(a, labellingv1.LabellingServiceClient.LeaveOffice,
		&labellingv1.LeaveOfficeRequest{RequestId: a.request(c.RequestID), Basis: c.basis(), OfficeId: string(c.ID), End: c.End}, "Départ enregistré, poste", c.ID)
}

// OfficeReviewCmd records an opinion.
type OfficeReviewCmd struct {
	ID           id     `arg:"" help:"Poste."`
	Body         string `required:"" placeholder:"INSTANCE" help:"Instance : filière, direction, comité de suivi..."`
	Unfavourable bool   `help:"L'avis est défavorable."`
	Date         string `placeholder:"DATE" help:"Jour de l'avis, ou mois, ou année."`
	Grounds
}

// Run records it.
func (c *OfficeReviewCmd) Run(a *app) error {
	return fate(a, labellingv1.LabellingServiceClient.ReviewOffice, &labellingv1.ReviewOfficeRequest{
		RequestId: a.request(c.RequestID), Basis: c.basis(), OfficeId: string(c.ID), Body: c.Body, Favourable: !c.Unfavourable, Date: c.Date,
	}, "Avis enregistré, poste", c.ID)
}

// OfficeApproveCmd records an approval.
type OfficeApproveCmd struct {
	ID   id     `arg:"" help:"Poste."`
	Date string `placeholder:"DATE" help:"Jour de l'approbation, ou mois, ou année."`
	Grounds
}

// Run records it.
func (c *OfficeApproveCmd) Run(a *app) error {
	return fate(a, labellingv1.LabellingServiceClient.ApproveOffice,
		&labellingv1.ApproveOfficeRequest{RequestId: a.request(c.RequestID), Basis: c.basis(), OfficeId: string(c.ID), Date: c.Date}, "Approbation enregistrée, poste", c.ID)
}

// OfficeRefuseCmd records a refusal.
type OfficeRefuseCmd struct {
	ID   id     `arg:"" help:"Poste."`
	Date string `placeholder:"DATE" help:"Jour du refus, ou mois, ou année."`
	Grounds
}

// Run records it.
func (c *OfficeRefuseCmd) Run(a *app) error {
	return fate(a, labellingv1.LabellingServiceClient.RefuseOffice,
		&labellingv1.RefuseOfficeRequest{RequestId: a.request(c.RequestID), Basis: c.basis(), OfficeId: string(c.ID), Date: c.Date}, "Refus enregistré, poste", c.ID)
}

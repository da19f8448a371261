package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
)

// PersonCmd is the verbs about persons.
type PersonCmd struct {
	Client
	Erase    PersonEraseCmd    `cmd:"" help:"Effacer une personne du coffre, pour toujours ; montre d'abord ce qui le serait."`
	Accesses PersonAccessesCmd `cmd:"" help:"Qui a lu quelles valeurs du coffre, et quand."`
}

// PersonEraseCmd erases a person.
type PersonEraseCmd struct {
	Value      id          `xor:"who" required:"" placeholder:"ID" help:"Par une valeur du coffre : elle et toutes celles de même nature et de même texte."`
	Person     id          `xor:"who" required:"" placeholder:"ID" help:"Par l'identifiant opaque d'une personne."`
	Name       string      `xor:"who" required:"" placeholder:"NOM" help:"Par le nom d'un responsable ; il n'est pas enregistré."`
	Reason     erasureFlag `required:"" placeholder:"MOTIF" help:"demandé, échu, ordonné ou inutile."`
	WithOthers bool        `name:"with-others" help:"Effacer aussi les valeurs qui contiennent autre chose que ce nom : un titre (Pr, Dr), un second responsable."`
	Yes        bool        `help:"Effacer ; sans cela, rien n'est effacé."`
	Grounds
}

// Run shows what would be erased or, with --yes, erases it.
func (c *PersonEraseCmd) Run(a *app) error {
	req := &labellingv1.ErasePersonRequest{
		RequestId: a.request(c.RequestID), Basis: c.basis(), Reason: labellingv1.ErasureReason(c.Reason), WithOthers: c.WithOthers, DryRun: !c.Yes,
	}
	switch {
	case c.Value != "":
		req.Who = &labellingv1.ErasePersonRequest_ValueId{ValueId: string(c.Value)}
	case c.Person != "":
		req.Who = &labellingv1.ErasePersonRequest_PersonId{PersonId: string(c.Person)}
	default:
		if err := c.unnamed(c.Name); err != nil {
			return err
		}
		req.Who = &labellingv1.ErasePersonRequest_Name{Name: c.Name}
	}
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		r, err := labellingv1.NewLabellingServiceClient(conn).ErasePerson(ctx, req)
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(r)
		}
		rows, cut := table[*labellingv1.ErasedValue]{columns: erasedColumns}.rows(r.GetValues())
		if err := a.printTable(rows, cut, erasedSummary(r)); err != nil {
			return err
		}
		if unread := r.GetUnreadValueIds(); len(unread) > 0 {
			_, err := fmt.Fprintf(a.stdout, "Illisibles, car abîmées, et laissées : %s. Si l'une est de cette personne, effacez-la par --value.\n", strings.Join(unread, ", "))
			if err != nil {
				return err
			}
		}
		if c.Yes {
			return nil
		}
		flags := "--yes"
		if !c.WithOthers && slices.ContainsFunc(r.GetValues(), (*labellingv1.ErasedValue).GetWithOthers) {
			flags = "--yes --with-others"
		}
		_, err = fmt.Fprintln(a.stdout, "Rien n'est effacé : ajoutez "+flags+" pour effacer tout cela, pour toujours.")
		return err
	})
}

var erasedColumns = []column[*labellingv1.ErasedValue]{
	{"Valeur", whole, (*labellingv1.ErasedValue).GetValueId},
	{"Nature", whole, func(v *labellingv1.ErasedValue) string {
		if word := valueWords[v.GetKind()]; word != "" {
			return word
		}
		return v.GetKind()
	}},
	{"Texte", texts, (*labellingv1.ErasedValue).GetText},
	{"Avec d'autres", whole, func(v *labellingv1.ErasedValue) string { return yesNo(v.GetWithOthers()) }},
}

// valueWords are the types of the values of the vault.
var valueWords = map[string]string{
	"": "illisible", "head": "responsable", "contact_email": "adresse électronique", "contact_phone": "téléphone", "account": "RPPS", "draft": "brouillon approuvé",
}

// erasedSummary says where what is erased stood.
func erasedSummary(r *labellingv1.ErasePersonResponse) string {
	e := r.GetErased()
	var parts []string
	for _, p := range []struct {
		word string
		ids  []string
	}{{"labels", e.GetLabelIds()}, {"postes", e.GetOfficeIds()}, {"plateformes et filières", e.GetEntityIds()}, {"brouillons", e.GetDraftIds()}} {
		if len(p.ids) > 0 {
			parts = append(parts, p.word+" : "+strings.Join(p.ids, ", "))
		}
	}
	out := strings.Join(parts, " ; ")
	if r.GetPosition() > 0 {
		out = joined(" ", prefixedSuffixed("", out, "."), fmt.Sprintf("Effacé (position %d).", r.GetPosition()))
	}
	return out
}

package main

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
)

// PersonAccessesCmd lists who was given which values of the vault.
type PersonAccessesCmd struct {
	Value  []id    `placeholder:"ID,…" help:"Ces valeurs du coffre seulement."`
	Person id      `placeholder:"ID" help:"Les valeurs d'une personne, par son identifiant opaque : son RPPS et ses noms dans les postes."`
	Since  knownAt `placeholder:"DATE" help:"Depuis ce jour (AAAA-MM-JJ, 0 h à Paris), ou cet instant (RFC 3339)."`
}

// Run lists them.
func (c *PersonAccessesCmd) Run(a *app) error {
	req := &labellingv1.ListAccessesRequest{PersonId: string(c.Person), PageSize: pageSize}
	for _, v := range c.Value {
		req.ValueIds = append(req.ValueIds, string(v))
	}
	if c.Since.set {
		if c.Since.time.IsZero() {
			return usage("--since : un jour s'écrit AAAA-MM-JJ, un instant 2026-01-31T12:00:00+01:00")
		}
		req.Since = timestamppb.New(c.Since.time)
	}
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		client := labellingv1.NewVaultServiceClient(conn)
		var all []*labellingv1.Access
		calls, damaged := map[string]*labellingv1.Access{}, uint32(0)
		for more := true; more; more = req.GetPageToken() != "" {
			r, err := client.ListAccesses(ctx, req)
			if err != nil {
				return err
			}
			for _, one := range r.GetAccesses() {
				if call := calls[one.GetCall()]; call != nil { // another part of it
					call.ValueIds = append(call.ValueIds, one.GetValueIds()...)
					continue
				}
				calls[one.GetCall()], all = one, append(all, one)
			}
			req.PageToken, damaged = r.GetNextPageToken(), damaged+r.GetDamaged()
		}
		if a.json {
			for _, one := range all {
				if err := a.printJSON(one); err != nil {
					return err
				}
			}
			return nil
		}
		footer := counted(len(all), "ligne(s)") + "."
		if damaged > 0 {
			footer += fmt.Sprintf(" Lignes du relevé abîmées, illisibles : %d.", damaged)
		}
		rows, cut := table[*labellingv1.Access]{columns: accessColumns}.rows(all)
		return a.printTable(rows, cut, footer)
	})
}

var accessColumns = []column[*labellingv1.Access]{
	{"Quand (heure de Paris)", whole, func(x *labellingv1.Access) string {
		return frTime(x.GetTime())
	}},
	{"Compte", whole, func(x *labellingv1.Access) string {
		if x.GetAccount() == "" {
			return "sans nom"
		}
		return x.GetAccount()
	}},
	{"Lecture", whole, func(x *labellingv1.Access) string { return x.GetMethod()[strings.LastIndex(x.GetMethod(), ".")+1:] }},
	{"Valeurs", texts, func(x *labellingv1.Access) string {
		const shown = 5
		ids := x.GetValueIds()
		if len(ids) > shown {
			return strings.Join(ids[:shown], ", ") + fmt.Sprintf(" et %d autres", len(ids)-shown)
		}
		return strings.Join(ids, ", ")
	}},
}

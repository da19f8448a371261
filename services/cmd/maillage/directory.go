package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"google.golang.org/grpc"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
)

// DirectoryCmd says which platforms serve a territory.
type DirectoryCmd struct {
	Client
	Territory string `placeholder:"NOM|CODE" help:"Département ou collectivité : code INSEE ou nom ; région : nom."`
	Moment
}

// Run prints the directory.
func (c *DirectoryCmd) Run(a *app) error {
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		r, err := registryv1.NewMapServiceClient(conn).GetDirectory(ctx, &registryv1.GetDirectoryRequest{AsOf: c.asOf(), Territory: c.Territory})
		if err != nil {
			return err
		}
		if a.json {
			return printEach(a, page[*registryv1.DirectoryEntry]{items: r.GetEntries(), resolved: r.GetResolved()})
		}
		rows, cut := table[*registryv1.DirectoryEntry]{columns: directoryColumns}.rows(r.GetEntries())
		return a.printTable(rows, cut, fmt.Sprintf("Labellisées ce jour-là, en tout : %d PEMR et %d PCOM. %s, %s.",
			r.GetPemrTotal(), r.GetPcomTotal(), moment(r.GetResolved()), counted(len(r.GetEntries()), "ligne(s)")))
	})
}

var directoryColumns = []column[*registryv1.DirectoryEntry]{
	{"Nature", whole, func(e *registryv1.DirectoryEntry) string { return inFrench(platformWords, e.GetPlatform().GetKind()) }},
	{"Plateforme", whole, func(e *registryv1.DirectoryEntry) string { return e.GetPlatform().GetPlatformId() }},
	{"Nom", texts, func(e *registryv1.DirectoryEntry) string { return e.GetPlatform().GetName() }},
	{"Établissements", texts, func(e *registryv1.DirectoryEntry) string { return strings.Join(e.GetHostNames(), ", ") }},
	{"Territoire", texts, func(e *registryv1.DirectoryEntry) string {
		out := strings.Join(e.GetTerritoryNames(), ", ")
		if e.GetTerritoryInferred() {
			out += " (par son siège)"
		}
		return out
	}},
	{"Coordination", texts, func(e *registryv1.DirectoryEntry) string {
		var names []string
		for _, o := range e.GetOffices() {
			names = append(names, cmp.Or(o.GetName(), inFrench(officeWords, o.GetOffice().GetKind())))
		}
		return strings.Join(names, ", ")
	}},
	{"Contact", texts, func(e *registryv1.DirectoryEntry) string {
		return joined(", ", e.GetWebsite(), e.GetEmail(), e.GetPhone())
	}},
	{"Statut", whole, func(e *registryv1.DirectoryEntry) string {
		if e.GetLabelId() == "" {
			return "sans label"
		}
		return inFrench(statusWords, e.GetLabelStatus())
	}},
	{"Depuis", whole, func(e *registryv1.DirectoryEntry) string { return frDate(e.GetSince()) }},
	{"Ouverte le", whole, func(e *registryv1.DirectoryEntry) string { return frDate(e.GetOpenedDate()) }},
}

// RegionCmd shows the centres and platforms of a region.
type RegionCmd struct {
	Client
	Name string `arg:"" help:"Code INSEE ou nom."`
	Moment
}

// Run prints them.
func (c *RegionCmd) Run(a *app) error {
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		r, err := registryv1.NewMapServiceClient(conn).GetRegion(ctx, &registryv1.GetRegionRequest{AsOf: c.asOf(), Region: c.Name})
		if err != nil {
			return err
		}
		if a.json {
			if err := printEach(a, page[*registryv1.MapCentre]{items: r.GetCentres(), resolved: r.GetResolved()}); err != nil {
				return err
			}
			return printEach(a, page[*registryv1.DirectoryEntry]{items: r.GetPlatforms(), resolved: r.GetResolved()})
		}
		if _, err := fmt.Fprintf(a.stdout, "%s (%s)\n", r.GetRegionName(), r.GetRegionCode()); err != nil {
			return err
		}
		rows, cut := table[mapRow]{columns: mapColumns}.rows(mapRows(r.GetCentres()))
		if err := a.printTable(rows, cut, mapLegend(r.GetCounts())+"Plateformes :"); err != nil {
			return err
		}
		rows, cut = table[*registryv1.DirectoryEntry]{columns: directoryColumns}.rows(r.GetPlatforms())
		return a.printTable(rows, cut, fmt.Sprintf("%s, %s. %s.",
			counted(len(r.GetCentres()), "centre(s)"), counted(len(r.GetPlatforms()), "plateforme(s)"), moment(r.GetResolved())))
	})
}

// find lists the centres on the map for a disease, nearest first.
func (c *CentreListCmd) find(a *app) error {
	var roles []labellingv1.Role
	for _, r := range c.Role {
		roles = append(roles, labellingv1.Role(r))
	}
	found := 0
	err := list(a, table[*registryv1.FoundCentre]{columns: foundColumns}, func(ctx context.Context, conn grpc.ClientConnInterface, token string) (page[*registryv1.FoundCentre], error) {
		r, err := registryv1.NewMapServiceClient(conn).FindCentres(ctx, &registryv1.FindCentresRequest{
			AsOf: c.asOf(), OrphaCode: c.Orpha, Near: c.Near, Text: c.Text, Filiere: c.Filiere, Network: c.Network, Roles: roles, Region: c.Region,
			PageSize: pageSize, PageToken: token,
		})
		found += len(r.GetCentres())
		return page[*registryv1.FoundCentre]{items: r.GetCentres(), next: r.GetNextPageToken(), resolved: r.GetResolved()}, err
	})
	if err == nil && found == 0 && c.Orpha != 0 {
		_, err = fmt.Fprintln(a.stderr, "maillage : aucun centre trouvé ; un réseau ne répond à un code ORPHA que si ses maladies sont dites : « network scope »")
	}
	return err
}

var foundColumns = []column[*registryv1.FoundCentre]{
	{"Km", whole, func(f *registryv1.FoundCentre) string {
		if f.GetDistanceKm() < 0 {
			return ""
		}
		return fmt.Sprintf("%.0f", f.GetDistanceKm())
	}},
	{"Dép.", whole, func(f *registryv1.FoundCentre) string { return f.GetCentre().GetDepartmentCode() }},
	{"Ville", texts, func(f *registryv1.FoundCentre) string { return f.GetCentre().GetCity() }},
	{"Hôpital", texts, func(f *registryv1.FoundCentre) string {
		return strings.Join(f.GetCentre().GetEstablishmentNames(), ", ")
	}},
	{"Centre", whole, func(f *registryv1.FoundCentre) string { return f.GetCentre().GetCentreId() }},
	{"Rôles et réseaux", texts, func(f *registryv1.FoundCentre) string { return rolesText(f.GetCentre()) }},
}

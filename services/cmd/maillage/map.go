package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"google.golang.org/grpc"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/atlas"
)

// MapCmd is the map of the centres: as a table, as a picture, for a GIS, or against
// another day's.
type MapCmd struct {
	Client
	Filiere string     `help:"Sigle ou identifiant."`
	Network string     `help:"Sigle, intitulé ou identifiant."`
	Role    []roleFlag `help:"coordonnateur, constitutif, référence, compétence (CCMR), CRC, non-précisé ; un collaborateur n'en a pas."`
	Region  string     `help:"Code INSEE ou nom."`
	Text    string     `placeholder:"MOTS" help:"Mots de l'intitulé ou du sigle du réseau, de l'hôpital ou de la ville ; un mot mal écrit vaut pour le plus ressemblant."`
	SVG     string     `name:"svg" placeholder:"FICHIER|-" help:"Écrire l'image (SVG)."`
	GeoJSON string     `name:"geojson" placeholder:"FICHIER|-" help:"Écrire les centres et leurs liens pour un SIG (GeoJSON)."`
	From    day        `placeholder:"AAAA-MM-JJ" help:"Lister ce qui est apparu, a bougé et a disparu depuis ce jour."`
	Moment
}

// Run prints the map.
func (c *MapCmd) Run(a *app) error {
	drawn := c.SVG != "" || c.GeoJSON != ""
	switch {
	case drawn && c.From != "":
		return usage("--from liste ce qui a changé : cela ne va pas avec --svg ni --geojson")
	case drawn && a.json:
		return usage("--json imprime un centre par ligne : cela ne va pas avec --svg ni --geojson")
	case c.SVG == "-" && c.GeoJSON == "-":
		return usage("--svg et --geojson ne peuvent pas aller tous deux à la sortie : donnez un fichier à l'un")
	}
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		service := registryv1.NewMapServiceClient(conn)
		if c.From != "" {
			r, err := service.CompareMaps(ctx, c.comparison())
			if err != nil {
				return err
			}
			return a.printMapChanges(r)
		}
		r, err := service.GetMap(ctx, &registryv1.GetMapRequest{
			AsOf: c.asOf(), Filiere: c.Filiere, Network: c.Network, Roles: c.roles(), Region: c.Region, Text: c.Text, WithoutLinks: !drawn,
		})
		switch {
		case err != nil:
			return err
		case drawn:
			return c.draw(a, r)
		case a.json:
			return printEach(a, page[*registryv1.MapCentre]{items: r.GetCentres(), resolved: r.GetResolved()})
		}
		return a.printMap(r)
	})
}

// comparison asks for what differs between the day of --from and the moment; both are
// looked at with the same knowledge.
func (c *MapCmd) comparison() *registryv1.CompareMapsRequest {
	before := c.Moment
	before.ValidAt = c.From
	return &registryv1.CompareMapsRequest{
		From: before.asOf(), To: c.asOf(), Filiere: c.Filiere, Network: c.Network, Roles: c.roles(), Region: c.Region, Text: c.Text,
	}
}

func (c *MapCmd) roles() []labellingv1.Role {
	var out []labellingv1.Role
	for _, r := range c.Role {
		out = append(out, labellingv1.Role(r))
	}
	return out
}

// draw writes the picture and the features where they are asked for.
func (c *MapCmd) draw(a *app, r *registryv1.GetMapResponse) error {
	for _, file := range []struct {
		name    string
		content func() []byte
	}{
		{c.SVG, func() []byte { return atlas.SVG(r, atlas.Options{Filter: c.filter()}) }},
		{c.GeoJSON, func() []byte { return atlas.GeoJSON(r) }},
	} {
		switch file.name {
		case "":
		case "-":
			if _, err := a.stdout.Write(file.content()); err != nil {
				return err
			}
		default:
			if err := os.WriteFile(file.name, file.content(), 0o644); err != nil {
				return fmt.Errorf("%s ne peut pas être écrit : %s", file.name, whyNotWritten(err))
			}
			// The other one may go to stdout, so this goes where no file goes.
			if _, err := fmt.Fprintf(a.stderr, "%s : %s. %s.\n", file.name, centreCount(r), moment(r.GetResolved())); err != nil {
				return err
			}
		}
	}
	return nil
}

// filter is what was asked for, in words for the picture.
func (c *MapCmd) filter() string {
	roles := make([]string, len(c.Role))
	for i, r := range c.Role {
		roles[i] = inFrench(roleWords, labellingv1.Role(r))
	}
	var out []string
	for _, f := range []struct{ name, value string }{
		{"filière", c.Filiere},
		{"réseau", c.Network},
		{"rôle", strings.Join(roles, " ou ")},
		{"région", c.Region},
		{"mots", c.Text},
	} {
		if f.value != "" {
			out = append(out, f.name+" : "+f.value)
		}
	}
	return strings.Join(out, " ; ")
}

// centreCount says how many centres are on a map and how many of them have no point.
func centreCount(r *registryv1.GetMapResponse) string {
	out := counted(len(r.GetCentres()), "centre(s)")
	if n := int(r.GetUnplaced()); n > 0 {
		out += ", dont " + fmt.Sprint(n) + " sans lieu connu"
	}
	return out
}

// mapRow is a label or a collaboration of a centre on the map.
type mapRow struct {
	centre        *registryv1.MapCentre
	label         *registryv1.MapLabel         // nil for a collaboration
	collaboration *registryv1.MapCollaboration // nil for a label
}

// mapRows are the labels of each centre and then its collaborations.
func mapRows(centres []*registryv1.MapCentre) []mapRow {
	var out []mapRow
	for _, c := range centres {
		for _, l := range c.GetLabels() {
			out = append(out, mapRow{centre: c, label: l})
		}
		for _, l := range c.GetCollaborations() {
			out = append(out, mapRow{centre: c, collaboration: l})
		}
	}
	return out
}

func (r mapRow) role() string {
	if r.collaboration != nil {
		return "collaborateur"
	}
	return inFrench(roleWords, r.label.GetRole())
}

func (r mapRow) status() string {
	out := inFrench(statusWords, r.label.GetStatus())
	if r.collaboration.GetConfirmed() {
		out = "dit des deux côtés"
	}
	if r.centre.GetClosed() {
		out = joined(", ", out, "centre fermé")
	}
	return out
}

func (r mapRow) network() string {
	if l := r.collaboration; l != nil {
		return cmp.Or(l.GetNetworkAcronym(), l.GetNetworkTitle(), l.GetNetworkId())
	}
	return cmp.Or(r.label.GetNetworkAcronym(), r.label.GetNetworkTitle(), r.label.GetNetworkId())
}

var mapColumns = []column[mapRow]{
	{"Dép.", whole, func(r mapRow) string { return r.centre.GetDepartmentCode() }},
	{"Ville", texts, func(r mapRow) string { return r.centre.GetCity() }},
	{"Hôpital", texts, func(r mapRow) string { return strings.Join(r.centre.GetEstablishmentNames(), ", ") }},
	{"Centre", whole, func(r mapRow) string { return r.centre.GetCentreId() }},
	{"Rôle", texts, mapRow.role},
	{"Statut", texts, mapRow.status},
	{"Réseau", texts, mapRow.network},
	{"Filière", texts, func(r mapRow) string {
		return cmp.Or(r.label.GetFiliereAcronym(), r.collaboration.GetFiliereAcronym())
	}},
	{"Point", texts, func(r mapRow) string { return inFrench(precisionWords, r.centre.GetPointPrecision()) }},
}

var precisionWords = []word[registryv1.PointPrecision]{
	{registryv1.PointPrecision_POINT_PRECISION_UNSPECIFIED, "aucun", nil},
	{registryv1.PointPrecision_POINT_PRECISION_PLACE, "lieu", nil},
	{registryv1.PointPrecision_POINT_PRECISION_TOWN, "ville", nil},
	{registryv1.PointPrecision_POINT_PRECISION_DEPARTMENT, "département", nil},
}

// printMap prints the map as a table that says what the picture shows, and its legend.
func (a *app) printMap(r *registryv1.GetMapResponse) error {
	rows, cut := table[mapRow]{columns: mapColumns}.rows(mapRows(r.GetCentres()))
	return a.printTable(rows, cut, fmt.Sprintf("%s%s. %s.", mapLegend(r.GetCounts()), centreCount(r), moment(r.GetResolved())))
}

// mapLegend is how many centres there are under each role, one a line.
func mapLegend(counts []*registryv1.MapCount) string {
	var legend strings.Builder
	for _, n := range counts {
		role := inFrench(roleWords, n.GetRole())
		if n.GetCollaborators() {
			role = "collaborateur, sans label dans le réseau"
		}
		fmt.Fprintf(&legend, "%s – %s\n", counted(int(n.GetCentres()), "centre(s)"), role)
	}
	return legend.String()
}

var mapChangeWords = []word[registryv1.MapChangeKind]{
	{registryv1.MapChangeKind_MAP_CHANGE_KIND_APPEARED, "apparu", nil},
	{registryv1.MapChangeKind_MAP_CHANGE_KIND_MOVED, "déplacé", nil},
	{registryv1.MapChangeKind_MAP_CHANGE_KIND_VANISHED, "disparu", nil},
}

var mapChangeColumns = []column[*registryv1.MapChange]{
	{"Changement", whole, func(c *registryv1.MapChange) string { return inFrench(mapChangeWords, c.GetKind()) }},
	{"Dép.", whole, beforeAfter((*registryv1.MapCentre).GetDepartmentCode)},
	{"Ville", texts, beforeAfter((*registryv1.MapCentre).GetCity)},
	{"Hôpital", texts, beforeAfter(func(c *registryv1.MapCentre) string { return strings.Join(c.GetEstablishmentNames(), ", ") })},
	{"Centre", whole, beforeAfter((*registryv1.MapCentre).GetCentreId)},
	{"Rôles et réseaux", texts, beforeAfter(rolesText)},
	{"Suite", whole, func(c *registryv1.MapChange) string { return strings.Join(c.GetSuccessorIds(), ", ") }},
}

// beforeAfter is a value of a centre that differs between two maps: both where they
// differ, the one there is where it is on one map alone.
func beforeAfter(value func(*registryv1.MapCentre) string) func(*registryv1.MapChange) string {
	return func(c *registryv1.MapChange) string {
		switch {
		case c.GetBefore() == nil:
			return value(c.GetAfter())
		case c.GetAfter() == nil:
			return value(c.GetBefore())
		}
		before, after := value(c.GetBefore()), value(c.GetAfter())
		if before == after {
			return before
		}
		return cmp.Or(before, "∅") + " → " + cmp.Or(after, "∅")
	}
}

// rolesText is the roles of a centre with the networks, each once.
func rolesText(c *registryv1.MapCentre) string {
	var out []string
	for _, r := range mapRows([]*registryv1.MapCentre{c}) {
		if s := joined(" ", r.role(), r.network()); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return strings.Join(out, ", ")
}

// printMapChanges prints what appeared, moved and vanished.
func (a *app) printMapChanges(r *registryv1.CompareMapsResponse) error {
	if a.json {
		return printEach(a, page[*registryv1.MapChange]{items: r.GetChanges(), resolved: r.GetTo()})
	}
	rows, cut := table[*registryv1.MapChange]{columns: mapChangeColumns}.rows(r.GetChanges())
	kinds := map[registryv1.MapChangeKind]int{}
	for _, c := range r.GetChanges() {
		kinds[c.GetKind()]++
	}
	return a.printTable(rows, cut, fmt.Sprintf("%s, %s, %s.\nDe : %s.\nÀ : %s.",
		counted(kinds[registryv1.MapChangeKind_MAP_CHANGE_KIND_APPEARED], "centre(s) apparu(s)"),
		counted(kinds[registryv1.MapChangeKind_MAP_CHANGE_KIND_MOVED], "déplacé(s)"),
		counted(kinds[registryv1.MapChangeKind_MAP_CHANGE_KIND_VANISHED], "disparu(s)"),
		moment(r.GetFrom()), moment(r.GetTo())))
}

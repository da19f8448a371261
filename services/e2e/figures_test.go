package e2e

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
)

// figureRoles is what each kind of published figure is a count of, as far as it is one of
// labels in stated roles.
var figureRoles = map[string][]labellingv1.Role{
	"CRMR": {
		labellingv1.Role_ROLE_COORDINATOR, labellingv1.Role_ROLE_CONSTITUTIVE, labellingv1.Role_ROLE_REFERENCE,
	},
	"CRMR coordinator":  {labellingv1.Role_ROLE_COORDINATOR},
	"CRMR constitutive": {labellingv1.Role_ROLE_CONSTITUTIVE},
	"CCMR":              {labellingv1.Role_ROLE_COMPETENCE},
	"CRC":               {labellingv1.Role_ROLE_RESOURCE_AND_COMPETENCE},
	"FSMR":              {labellingv1.Role_ROLE_FSMR},
	"PEMR":              {labellingv1.Role_ROLE_PEMR},
	"PCOM":              {labellingv1.Role_ROLE_PCOM},
}

// TestFiguresBesideCounts keeps what the seeds hold beside what is published, year by
// year: how much of the real lists is known. No published figure is preferred.
func TestFiguresBesideCounts(t *testing.T) {
	s := up(t, t.TempDir())
	seedOnce(t, s)
	registry := registryv1.NewRegistryServiceClient(s.dial())
	filieres, err := registry.ListFilieres(t.Context(), &registryv1.ListFilieresRequest{PageSize: 100})
	must(t, err)
	known := map[string]bool{}
	for _, f := range filieres.GetFilieres() {
		known[f.GetAcronym()] = true
	}
	f, err := os.Open(filepath.Join(seeds, "figures.csv"))
	must(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	must(t, err)
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "day\tkind\tscope\tpublished\tcounted")
	for _, r := range rows[1:] {
		req := &registryv1.ListLabelsRequest{AsOf: &registryv1.AsOf{ValidAt: lastDay(r[0])}, Roles: figureRoles[r[1]], PageSize: 1}
		whole, network, one := strings.Cut(r[2], " / ")
		switch {
		case one:
			req.Network = network
		case known[whole]:
			req.Filiere = whole
		case whole != "France":
			continue
		}
		if req.GetRoles() == nil || req.GetAsOf().GetValidAt() == "" {
			continue
		}
		page, err := registry.ListLabels(t.Context(), req)
		must(t, err)
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\n", req.GetAsOf().GetValidAt(), r[1], r[2], r[3], page.GetTotalSize())
	}
	must(t, table.Flush())
	golden := filepath.Join("testdata", "figures.txt")
	if *update {
		must(t, os.WriteFile(golden, []byte(out.String()), 0o600))
	}
	want, err := os.ReadFile(golden)
	must(t, err)
	if out.String() != string(want) {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

// lastDay is the last day of a year, of a month or of the later of two years, empty where
// a figure has none.
func lastDay(year string) string {
	if first, last, two := strings.Cut(year, "-"); two && len(last) == len(first) {
		year = last
	}
	for layout, months := range map[string]int{"2006": 12, "2006-01": 1} {
		if day, err := time.Parse(layout, year); err == nil {
			return day.AddDate(0, months, -1).Format(time.DateOnly)
		}
	}
	return ""
}

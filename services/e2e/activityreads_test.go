package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

// read runs a verb of activity that only reads, and returns what it prints.
func (c clerk) read(args ...string) string {
	c.t.Helper()
	out, errs, code := verb(c.t, append(append([]string{"activity"}, args...), "--server", c.grpc, "--as", c.who)...)
	if code != 0 {
		c.t.Fatalf("%v: exit code %d\n%s", args, code, errs)
	}
	return out
}

// tells checks that a verb prints all of some words, and none of those after "not".
func (c clerk) tells(words []string, args ...string) {
	c.t.Helper()
	out, not := c.read(args...), false
	for _, word := range words {
		if word == "not" {
			not = true
			continue
		}
		if strings.Contains(out, word) == not {
			c.t.Errorf("%v: %q is missing, or is there and should not, in:\n%s", args, word, out)
		}
	}
}

// A year of a platform: its period is opened, it reports, another person validates, it
// amends, and the report is restated after labels were corrected late.
func TestReportOfAYear(t *testing.T) {
	d := newDesk(t)
	ministry, platform := clerk{d, "ministry"}, clerk{d, "platform"}
	filiere := d.filiere("OSCAR")
	network := d.network("Maladies osseuses", "MOC", filiere)
	bordeaux, lyon := d.hospital("CHU de Bordeaux", "Bordeaux", "33"), d.hospital("HCL", "Lyon", "69")
	cycle := d.cycle("2023-2028", "2023-12-26", "2028-12-26")
	label := func(hospital string, role labellingv1.Role) string {
		id, _ := d.granted(grant(d.centre("C", hospital), network, role, cycle, "2023-12-26", "2028-12-26"))
		return id
	}
	kept, mistaken := label(bordeaux, coordinator), label(bordeaux, competence)
	label(lyon, competence)
	registered := func(name, hospital string) string {
		p, err := d.topology.RegisterPlatform(d.ctx, &topologyv1.RegisterPlatformRequest{
			Basis: stated, Name: name, Kind: topologyv1.PlatformKind_PLATFORM_KIND_PEMR, EstablishmentIds: []string{hospital},
		})
		must(t, err)
		_, err = d.labelling.GrantLabel(d.ctx, &labellingv1.GrantLabelRequest{Basis: stated, Grant: &labellingv1.Grant{
			Holder: &labellingv1.Grant_PlatformId{PlatformId: p.GetPlatformId()}, Role: labellingv1.Role_ROLE_PEMR, Period: &eventv1.Period{Start: "2020-01-01", End: "2030-01-01"},
		}})
		must(t, err)
		return p.GetPlatformId()
	}
	pemr := registered("BexMaRa", bordeaux)
	registered("PEMR de Lyon", lyon)

	ministry.must("missions", "--file", filepath.Join(seeds, "missions.csv"))
	ministry.tells([]string{"PEMR", "bndmr", "PCOM", "25 lignes"}, "missions")
	ministry.tells([]string{"0 ligne"}, "missions", "--valid-at", "1990-01-01")
	ministry.must("period", "open", "--code", "2025", "--start", "2025-01-01", "--end", "2026-01-01", "--indicators", filepath.Join(seeds, "indicators.csv"))
	ministry.tells([]string{"2025", "ouverte", "1 ligne"}, "periods")
	ministry.tells([]string{"BexMaRa", "PEMR de Lyon", "non rendu", "2 lignes"}, "report", "list", "--period", "2025")

	form := platform.file("form.csv", "code,type,value,note\ntrainings,count,12,\ntraining-hours,quantity,\"84,5\",préparation exclue\nbudget-used,euros,240000,\n")
	report := platform.must("report", "submit", "--period", "2025", "--platform", pemr, "--values", form)["reportId"].(string)
	platform.refused("SAME_PERSON", "report", "validate", report, "--revision", "1")
	ministry.must("report", "validate", report, "--revision", "1")
	frozen := []string{"territoire Nouvelle-Aquitaine", "labels 2", "coordonnateur : 1 (centres : 1)", "84,5 heures", "240000,00 €", "Révision 1 sur 1 : validé", "not", "Recalculé", kept}
	ministry.tells(frozen, "report", "get", report)
	ministry.tells([]string{report, "validé", "PEMR de Lyon", "non rendu", "not", "BexMaRa  non rendu"}, "report", "list", "--period", "2025")

	// late: one label should never have been recorded, another one was forgotten
	_, err := d.labelling.VoidLabel(d.ctx, &labellingv1.VoidLabelRequest{Basis: stated, LabelId: mistaken})
	must(t, err)
	forgotten := label(bordeaux, constitutive)
	ministry.tells(frozen, "report", "get", report)
	ministry.tells([]string{"Figé", "Recalculé", "Labels en plus depuis : " + forgotten + ", constitutif", "Labels en moins depuis : " + mistaken, kept}, "report", "get", report, "--restated", "--labels")

	better := platform.file("better.json", `[{"indicatorCode": "trainings", "count": "13"}]`)
	platform.must("report", "amend", report, "--revision", "1", "--values", better, "--reason", "une de plus")
	ministry.must("report", "validate", report, "--revision", "2")
	ministry.tells([]string{"Révision 2 sur 2 : validé", "Labels en plus depuis : aucun", "Labels en moins depuis : aucun"}, "report", "get", report, "--restated")
	ministry.tells([]string{"Révision 1 sur 2 : validé", "Labels en plus depuis : " + forgotten}, "report", "get", report, "--restated", "--revision", "1")
	all := lines(t, ministry.read("report", "get", report, "--revision", "1", "--json"))
	if n := len(all[0]["frozen"].(map[string]any)["labels"].([]any)); n != 2 {
		t.Errorf("frozen with %d labels", n)
	}
	ministry.tells([]string{"Rapport soumis", "Rapport validé", "Rapport rectifié", "révision : 1 → 2", "trainings : 12 → 13"}, "history", report)

	plan, err := d.topology.RegisterPlan(d.ctx, &topologyv1.RegisterPlanRequest{Basis: stated, Code: "PNMR4", Name: "Plan national", Axes: []*topologyv1.Axis{{Code: "1", Title: "Parcours"}, {Code: "2", Title: "Soins"}}})
	must(t, err)
	platform.refused("AXIS_UNKNOWN", "record", "Journée", "--kind", "formation", "--platform", pemr, "--axis", plan.GetPlanId()+"/9")
	d.even()
	platform.refused("PLAN_UNKNOWN", "record", "Journée", "--kind", "formation", "--platform", pemr, "--axis", "PNMR/1")
	platform.must("record", "Journée des centres", "--kind", "formation", "--platform", pemr, "--start", "2025-10", "--mission", "training", "--axis", "pnmr4/1", "--axis", plan.GetPlanId()+"/2")
	ministry.tells([]string{"Journée des centres", "BexMaRa", "PNMR4/1 Parcours ; PNMR4/2 Soins", "1 ligne"}, "list", "--axis", "pnmr4/1", "--year", "2025", "--kind", "formation")
	for _, typed := range []string{"PNMR4", "pnmr4", plan.GetPlanId()} {
		if out, errs, code := d.cli("plan", "get", typed); code != 0 || !strings.Contains(out, plan.GetPlanId()) {
			t.Errorf("plan get %s: exit code %d\n%s%s", typed, code, out, errs)
		}
	}
	if _, _, code := d.cli("plan", "get", "PNMR9"); code != 4 {
		t.Errorf("a plan that nobody knows: exit code %d, want 4", code)
	}
	ministry.tells([]string{"0 ligne"}, "list", "--mission", "bndmr")
	ministry.tells([]string{"Projet, formation ou action enregistré", "Rapport soumis"}, "history", pemr)
}

// A site under its threshold three years in a row is shown as such, one not measured as
// neither under nor over.
func TestThresholdsOfThreeYears(t *testing.T) {
	d := newDesk(t)
	ministry := clerk{d, "ministry"}
	network := d.network("Chiari", "C-MAVEM", d.filiere("NeuroSphinx"))
	cycle, err := d.labelling.RegisterCycle(d.ctx, &labellingv1.RegisterCycleRequest{
		Basis: stated, Code: "2022-2028", Period: &eventv1.Period{Start: "2022-01-01", End: "2028-01-01"},
		Thresholds: []*labellingv1.Threshold{
			{Role: competence, Unit: labellingv1.ThresholdUnit_THRESHOLD_UNIT_PATIENTS, Minimum: 25},
			{Role: crc, Unit: labellingv1.ThresholdUnit_THRESHOLD_UNIT_PATIENTS, Minimum: 100},
			{Role: crc, Unit: labellingv1.ThresholdUnit_THRESHOLD_UNIT_VISITS, Minimum: 150},
		},
	})
	must(t, err)
	sites := map[string]string{}
	for city, role := range map[string]labellingv1.Role{"Brest": competence, "Nantes": competence, "Tours": crc} {
		_, sites[city] = d.granted(grant(d.centre(city, d.hospital("CHU de "+city, city, "29")), network, role, cycle.GetCycleId(), "2022-01-01", "2028-01-01"))
	}
	var file strings.Builder
	file.WriteString("site,year,unit,count\n")
	for year, n := range map[int]int{2022: 24, 2023: 10, 2024: 3} {
		fmt.Fprintf(&file, "%s,%d,patients,%d\n", sites["Brest"], year, n)
	}
	fmt.Fprintf(&file, "%s,2024,patients,100\n", sites["Tours"])
	ministry.must("measures", ministry.file("measures.csv", file.String()))
	ministry.tells([]string{"CHU de Brest", "25 patients par an", "2024 : 3, 2023 : 10, 2022 : 24", "sous le seuil, trois ans de suite", "1 ligne", "Sous le seuil : 1 ; seuil atteint : 1 ; non mesuré : 2", "not", "Nantes"}, "thresholds", "--year", "2024")
	ministry.tells([]string{"CHU de Nantes", "non mesuré", "atteint", "150 venues par an", "4 lignes"}, "thresholds", "--year", "2024", "--all", "--filiere", "neurosphinx")
	ministry.tells([]string{"sous le seuil", "not", "trois ans de suite"}, "thresholds", "--year", "2023")
	if all := lines(t, ministry.read("thresholds", "--year", "2024", "--json")); len(all) != 1 || all[0]["threeYears"] != true || all[0]["siteId"] != sites["Brest"] {
		t.Errorf("as JSON %v", all)
	}
	ministry.tells([]string{"CHU de Tours", "100", "4 lignes"}, "measures", "list")
	ministry.tells([]string{"CHU de Brest", "1 ligne", "not", "Tours"}, "measures", "list", "--site", sites["Brest"], "--year", "2023")
	ministry.must("withdraw", "--site", sites["Brest"], "--year", "2023", "--unit", "patients")
	ministry.tells([]string{"2023 : ?", "not", "trois ans de suite"}, "thresholds", "--year", "2024")
}

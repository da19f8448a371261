package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// clerk runs verbs of activity as someone.
type clerk struct {
	*desk
	who string
}

// must runs a verb that is done, and returns its answer.
func (c clerk) must(args ...string) map[string]any {
	c.t.Helper()
	out, errs, code := verb(c.t, append(append([]string{"activity"}, args...), "--server", c.grpc, "--as", c.who, "--source", "example.org", "--json")...)
	if code != 0 {
		c.t.Fatalf("%v: exit code %d\n%s", args, code, errs)
	}
	all := lines(c.t, out)
	return all[len(all)-1]
}

// refused runs a verb that is refused in these words.
func (c clerk) refused(words string, args ...string) {
	c.t.Helper()
	out, errs, code := verb(c.t, append(append([]string{"activity"}, args...), "--server", c.grpc, "--as", c.who, "--source", "example.org")...)
	if code != 3 && code != 4 || !strings.Contains(errs, words) {
		c.t.Errorf("%v: exit code %d, no %q in:\n%s%s", args, code, words, out, errs)
	}
}

func (c clerk) file(name, text string) string {
	c.t.Helper()
	path := filepath.Join(c.t.TempDir(), name)
	must(c.t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// TestActivity goes through a year of a platform and of a site with the verbs, on the
// missions and indicators of the seeds.
func TestActivity(t *testing.T) {
	d := deskOf(t, start(t, t.TempDir()))
	ministry, platform := clerk{d, "ministry"}, clerk{d, "platform"}
	out, errs, code := d.cli("platform", "register", "BexMaRa", "--kind", "PEMR", "--source", "example.org", "--json")
	if code != 0 {
		t.Fatal(errs)
	}
	pemr := lines(t, out)[0]["platformId"].(string)
	network := d.network("Chiari", "C-MAVEM", d.filiere("NeuroSphinx"))
	_, site := d.granted(grant(d.centre("Bordeaux", d.hospital("CHU de Bordeaux", "Bordeaux", "33")), network, competence, "", "2023-12-26", ""))

	ministry.must("missions", "--file", filepath.Join(seeds, "missions.csv"))
	if _, errs, code := verb(t, "activity", "missions", "--file", filepath.Join(seeds, "missions.csv"), "--server", d.grpc, "--as", "ministry"); code != 0 || strings.Count(errs, "déjà") != 3 {
		t.Errorf("the missions again: exit code %d\n%s", code, errs)
	}
	period := ministry.must("period", "open", "--code", "2025", "--start", "2025-01-01", "--end", "2026-01-01", "--due", "2026-03-31",
		"--indicators", filepath.Join(seeds, "indicators.csv"))["periodId"].(string)
	ministry.refused("PERIOD_CODE_TAKEN", "period", "open", "--code", "2025", "--start", "2025-01-01", "--end", "2026-01-01", "--indicators", filepath.Join(seeds, "indicators.csv"))

	form := platform.file("form.csv", "code,type,value,note\ntrainings,count,12,\ntraining-hours,quantity,\"84,5\",préparation exclue\nbudget-used,euros,240000,\n")
	report := platform.must("report", "submit", "--period", period, "--platform", pemr, "--values", form)["reportId"].(string)
	platform.refused("REPORT_PENDING", "report", "submit", "--period", period, "--platform", pemr, "--values", form)
	platform.refused("SAME_PERSON", "report", "validate", report, "--revision", "1")
	wrong := platform.file("wrong.csv", "code,type,value\ntrainings,count,12\nbamara,count,3\n")
	ministry.must("report", "return", report, "--revision", "1", "--reason", "des heures manquent")
	platform.refused("ligne 3", "report", "submit", "--period", period, "--platform", pemr, "--values", wrong)
	if again := platform.must("report", "submit", "--period", period, "--platform", pemr, "--values", form); again["reportId"] != report || again["revision"] != 2.0 {
		t.Errorf("submitted again as %v", again)
	}
	ministry.refused("REVISION_STALE", "report", "validate", report, "--revision", "1")
	ministry.must("report", "validate", report, "--revision", "2")
	ministry.must("period", "close", period, "--date", "2026-04-15")
	platform.refused("PERIOD_CLOSED", "report", "submit", "--period", period, "--site", site, "--values", form)
	better := platform.file("better.json", `[{"indicatorCode": "trainings", "count": "13"}]`)
	if got := platform.must("report", "amend", report, "--revision", "2", "--values", better, "--reason", "une de plus"); got["revision"] != 3.0 {
		t.Errorf("amended as %v", got)
	}
	ministry.must("report", "validate", report, "--revision", "3")
	ministry.must("period", "reopen", period)
	ministry.refused("INDICATOR_USED", "period", "indicators", period, "--file", ministry.file("few.csv", "code,type,title,audiences\nstaff,quantity,ETP,PEMR\n"))

	undertaking := platform.must("record", "Journée des centres", "--kind", "formation", "--platform", pemr, "--start", "2025-10", "--mission", "training")["undertakingId"].(string)
	platform.refused("MISSION_UNKNOWN", "record", "Évacuations", "--kind", "action", "--platform", pemr, "--mission", "evacuations")
	platform.must("revise", undertaking, "Deux journées des centres", "--kind", "formation", "--platform", pemr, "--mission", "training")
	platform.must("cancel", undertaking, "--reason", "pas de salle")

	file := func(patients int, of string) string {
		return ministry.file("measures.csv", fmt.Sprintf("site;year;unit;count\n%s;2025;patients;%d\n%s;2025;venues;150\n", site, patients, of))
	}
	if got := ministry.must("measures", file(24, site)); got["recorded"] != 2.0 {
		t.Errorf("measured as %v", got)
	}
	if got := ministry.must("measures", file(25, site)); got["recorded"] != 1.0 || got["unchanged"] != 1.0 {
		t.Errorf("measured again as %v", got)
	}
	ministry.refused("MEASURES_UNCHANGED", "measures", file(25, site))
	ministry.refused("ligne 3, colonne site : ce site n'est pas au registre — « "+pemr+" » (SITE_UNKNOWN)", "measures", file(26, pemr))
	ministry.must("withdraw", "--site", site, "--year", "2025", "--unit", "venues")
	ministry.refused("MEASURE_UNKNOWN", "withdraw", "--site", site, "--year", "2025", "--unit", "venues")
}

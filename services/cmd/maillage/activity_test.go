package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	"maillage/services/activity"
	"maillage/services/fault"
	"maillage/services/labelling"
	"maillage/services/topology"
)

// Every reason for which activity refuses has its French.
func TestActivityRefusesInFrench(t *testing.T) {
	files, err := filepath.Glob("../../activity/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	given := regexp.MustCompile(`fault\.New\(fault\.\w+, "([A-Z_]+)"`)
	found := 0
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range given.FindAllSubmatch(text, -1) {
			if found++; reasons[string(m[1])] == "" {
				t.Errorf("%s has no French for %s", filepath.Base(name), m[1])
			}
		}
	}
	if found < 40 {
		t.Errorf("only %d reasons were found", found)
	}
}

// The seeds are missions and indicators that the register takes.
func TestSeedsOfActivity(t *testing.T) {
	a := &app{}
	sets, err := a.readMissions("../../../seeds/missions.csv")
	if err != nil {
		t.Fatal(err)
	}
	w := activity.States{Activity: new(activity.State), Labelling: new(labelling.State), Topology: new(topology.State)}
	position := uint64(0)
	fold := func(events []*activityv1.Event, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			position++
			e.Meta.Schema = 1
			if err := w.Activity.Evolve(position, e); err != nil {
				t.Fatal(err)
			}
		}
	}
	var got []string
	for _, set := range sets {
		set.request.Basis = Grounds{}.basisOr(set.sources)
		fold(activity.StateMissions(w, set.request))
		got = append(got, fmt.Sprint(set.request.GetAudience(), len(set.request.GetMissions())))
	}
	if want := "AUDIENCE_PEMR 8, AUDIENCE_PCOM 12, AUDIENCE_SITE 5"; strings.Join(got, ", ") != want {
		t.Errorf("the seeds have missions %q, want %q", got, want)
	}
	asked, err := a.readIndicators("../../../seeds/indicators.csv")
	if err != nil {
		t.Fatal(err)
	}
	fold(activity.OpenPeriod(w, "T", &activityv1.OpenPeriodRequest{
		Basis: Grounds{}.basisOr(asked.sources), Code: "2025", Span: &eventv1.Period{Start: "2025-01-01", End: "2026-01-01"}, Indicators: asked.indicators,
	}))
}

func TestFilesOfActivity(t *testing.T) {
	const header = "site,year,unit,count\n"
	measures := func(a *app, name string) (proto.Message, error) {
		f, err := a.readMeasures(name)
		return &activityv1.RecordMeasuresRequest{Measures: f.measures}, err
	}
	values := func(a *app, name string) (proto.Message, error) {
		f, err := a.readValues(name)
		return &activityv1.SubmitReportRequest{Values: f.values}, err
	}
	indicators := func(a *app, name string) (proto.Message, error) {
		f, err := a.readIndicators(name)
		return &activityv1.OpenPeriodRequest{Indicators: f.indicators}, err
	}
	missions := func(a *app, name string) (proto.Message, error) {
		sets, err := a.readMissions(name)
		if err != nil {
			return nil, err
		}
		return sets[0].request, nil
	}
	for given, tc := range map[string]struct {
		read func(*app, string) (proto.Message, error)
		text string
		want []string // in the message as JSON, or in what is said of the file
	}{
		"measures":                 {measures, header + "0000000000,2025,patients,1 234\n", []string{`"siteId":"0000000000"`, `"year":2025`, `"unit":"THRESHOLD_UNIT_PATIENTS"`, `"count":1234`}},
		"semicolons and a BOM":     {measures, "\ufeffsite;year;unit;count\r\n0000000000;2025;Venues;0\r\n", []string{`"unit":"THRESHOLD_UNIT_VISITS"`}},
		"several faults":           {measures, header + "0000000000,2025,patients,3\n0000000001,20x5,lits,-3\n\n,2025,patients,\n", []string{"ligne 3, colonne site", "ligne 3, colonne year", "ligne 3, colonne unit", "ligne 3, colonne count", "ligne 4, colonne site : elle est vide", "ligne 4, colonne count : elle est vide"}},
		"half a patient":           {measures, header + "0000000000,2025,patients,2.5\n", []string{"« 2.5 » n'est pas un nombre entier"}},
		"too many":                 {measures, header + "0000000000,2025,patients,4294967296\n", []string{"trop grand"}},
		"an unknown column":        {measures, "site,year,unit,count,nombre\n", []string{"colonne inconnue « nombre »"}},
		"a column twice":           {measures, "site,year,unit,count,count\n", []string{"« count » y est deux fois"}},
		"a missing column":         {measures, "site,year,unit\n", []string{"il manque la colonne « count »"}},
		"no rows":                  {measures, header, []string{"pas de ligne"}},
		"a short row":              {measures, header + "0000000000,2025\n", []string{"ligne 2 du fichier"}},
		"an open quote":            {measures, header + "\"0000000000,2025\n", []string{"guillemets"}},
		"Latin-1":                  {measures, header + "\xe9,2025,patients,3\n", []string{"UTF-8"}},
		"values":                   {values, "code,type,value,note\na,nombre,12,\nb,quantité,\"1 234,5\",environ\nc,euros,\"12,5 €\",\nd,flag,oui,\ne,texte,portes ouvertes,\nf,nombre,,\n", []string{`"count":"12"`, `"milli":"1234500"`, `"note":"environ"`, `"cents":"1250"`, `"flag":true`, `"text":"portes ouvertes"`}},
		"values in JSON":           {values, `[{"indicatorCode":"a","count":"3"}]`, []string{`"indicatorCode":"a"`, `"count":"3"`}},
		"values within an object":  {values, `{"values":[{"indicatorCode":"a","flag":false}]}`, []string{`"flag":false`}},
		"no such field":            {values, `[{"code":"a"}]`, []string{"le champ « code » n'existe pas"}},
		"values that are none":     {values, "code,type,value\na,nombre,douze\nb,oui ou non,2\nc,euros,\"1,234\"\nd,prose,x\n", []string{"ligne 2, colonne value", "ligne 3, colonne value", "ligne 4, colonne value : « 1,234 » a plus de 2 décimales", "ligne 5, colonne type"}},
		"a note on nothing":        {values, "code,type,value,note\na,nombre,,plus tard\n", []string{"ligne 2, colonne value"}},
		"indicators":               {indicators, "code,type,title,audiences,required\na,euros,A,PEMR|site,oui\n", []string{`"VALUE_TYPE_EUROS"`, `["AUDIENCE_PEMR","AUDIENCE_SITE"]`, `"required":true`}},
		"indicators of nobody":     {indicators, "code,type,title,audiences,required\na,euros,A,,peut-être\n", []string{"ligne 2, colonne audiences", "ligne 2, colonne required"}},
		"missions":                 {missions, "audience,code,title,valid_from\nPEMR,a,A,2020\nPEMR,b,B,2020\nPCOM,c,C,\n", []string{`"validFrom":"2020"`, `{"code":"a","title":"A"},{"code":"b","title":"B"}`}},
		"missions without a title": {missions, "audience,code,title\nPEMR,a,\nARS,b,B\n", []string{"ligne 2, colonne title", "ligne 3, colonne audience"}},
	} {
		t.Run(given, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "f.csv")
			if err := os.WriteFile(name, []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			m, err := tc.read(&app{}, name)
			var said string
			if err != nil {
				said = err.Error()
				if !strings.HasPrefix(said, name) {
					t.Errorf("%q does not name the file", said)
				}
			} else {
				line, err := compactJSON(m)
				if err != nil {
					t.Fatal(err)
				}
				said = string(line)
			}
			for _, want := range tc.want {
				if !strings.Contains(said, want) {
					t.Errorf("no %q in:\n%s", want, said)
				}
			}
			if ours := strings.HasPrefix(tc.want[0], `"`) || strings.HasPrefix(tc.want[0], "["); ours != (err == nil) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// What the register refuses of a row is said of that row.
func TestRefusalsInFiles(t *testing.T) {
	a := &app{}
	for _, tc := range []struct {
		given *fault.Error
		want  string
	}{
		{fault.New(fault.NotFound, "SITE_UNKNOWN", "measures[1].site_id", "No such site %q.", "S1"), "f.csv : rien n'a été enregistré : ligne 7, colonne site : ce site n'est pas au registre — « S1 » (SITE_UNKNOWN)"},
		{fault.New(fault.Invalid, "VALUE_TWICE", "values[0]", "m"), "f.csv : rien n'a été enregistré : ligne 2 : cet indicateur a déjà une valeur plus haut (VALUE_TWICE)"},
		{fault.New(fault.Invalid, "REQUEST_INVALID", "measures[0].year", "must be greater than or equal to 1990 and less than or equal to 2200"), "ligne 2, colonne year : un nombre de 1990 à 2200"},
		{fault.New(fault.Refused, "PERIOD_CLOSED", "period_id", "m"), "PERIOD_CLOSED: period_id: m"},
		{fault.New(fault.NotFound, "SITE_UNKNOWN", "measures[2].site_id", "m"), "SITE_UNKNOWN: measures[2].site_id: m"},
	} {
		if got := a.inFile(tc.given, "f.csv", []int{2, 7}).Error(); !strings.Contains(got, tc.want) {
			t.Errorf("%v is told as %q, want %q", tc.given, got, tc.want)
		}
	}
	if err := a.inFile(nil, "f.csv", nil); err != nil {
		t.Error(err)
	}
	if _, is := errors.AsType[fileError](a.inFile(fault.New(fault.Refused, "X", "values[9]", "m"), "f.csv", []int{2})); is {
		t.Error("a row that is not there is at fault")
	}
}

func TestValuesAreShown(t *testing.T) {
	for want, v := range map[string]*activityv1.Value{
		"12":       {Value: &activityv1.Value_Count{Count: 12}},
		"14,5":     {Value: &activityv1.Value_Milli{Milli: 14500}},
		"0,025":    {Value: &activityv1.Value_Milli{Milli: 25}},
		"30":       {Value: &activityv1.Value_Milli{Milli: 30000}},
		"240,05 €": {Value: &activityv1.Value_Cents{Cents: 24005}},
		"oui":      {Value: &activityv1.Value_Flag{Flag: true}},
		"x":        {Value: &activityv1.Value_Text{Text: "x"}},
	} {
		if got := valueText(v); got != want {
			t.Errorf("%v is shown as %q, want %q", v, got, want)
		}
	}
	var out bytes.Buffer
	a := &app{stdout: &out}
	if err := a.show(&activityv1.ReportSubmitted{ReportId: "R", Values: []*activityv1.Value{{IndicatorCode: "fte", Value: &activityv1.Value_Milli{Milli: 2500}, Note: "sans vacations"}}}, nil); err != nil || !strings.Contains(out.String(), "fte : 2,5 (sans vacations)") {
		t.Errorf("shown as %q, %v", out.String(), err)
	}
}

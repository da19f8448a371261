package seed

import (
	"errors"
	"slices"
	"strings"
	"testing"

	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

func TestPlansAndMissions(t *testing.T) {
	f, err := read(dir(
		"plans.csv", "code,name,start_year,end_year,note,source\nP1,First,2005,2008,,s\nP2,Second,2011,,,s\nP3,Third,,,,s\n",
		"plan_axes.csv", "plan,code,title,source\np1,A,One,s\nP2,A,Other,u\nP1,B,Two,t\nP1,C,Three,s\n",
		"missions.csv", "audience,code,title,valid_from,source\nPEMR,a,A,,s\nPCOM,a,A,2020,s\nPEMR,b,B,,t\nPEMR,a,A bis,2022,t\n",
	))
	if err != nil {
		t.Fatal(err)
	}
	steps, err := plan(f, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate(steps); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range steps {
		got = append(got, asked(t, s))
	}
	want := strings.Join([]string{
		`RegisterPlan code:"P1" name:"First" period:{start:"2005" end:"2009-01-01"}`,
		`RegisterPlan code:"P2" name:"Second" period:{start:"2011"}`,
		`RegisterPlan code:"P3" name:"Third"`,
		`StateMissions audience:AUDIENCE_PEMR missions:{code:"a" title:"A"} missions:{code:"b" title:"B"}`,
		`StateMissions valid_from:"2020" audience:AUDIENCE_PCOM missions:{code:"a" title:"A"}`,
		`StateMissions valid_from:"2022" audience:AUDIENCE_PEMR missions:{code:"a" title:"A bis"}`,
		`StatePlanAxes plan_id:"plan" axes:{code:"A" title:"One"} axes:{code:"B" title:"Two"} axes:{code:"C" title:"Three"}`,
		`StatePlanAxes plan_id:"plan" axes:{code:"A" title:"Other"}`,
	}, "\n")
	if strings.Join(got, "\n") != want {
		t.Errorf("plan\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
	i := slices.IndexFunc(steps, func(s step) bool { return s.kind == axes })
	if got := steps[i].req.(*topologyv1.StatePlanAxesRequest).GetBasis().GetSource(); got != "s; t" {
		t.Errorf("the axes rest on %q, want each source once", got)
	}
}

// What is wrong in one of these files is said with its row and column, before anything
// is written.
func TestPlansAndMissionsRefused(t *testing.T) {
	const plans, axes, audience = "code,name,start_year,end_year,note,source\n", "plan,code,title,source\n", "audience,code,title,valid_from,source\n"
	for _, tc := range []struct {
		given, file, content string
		want                 Problem
	}{
		{"a plan that ends before it starts", "plans.csv", plans + "P,N,2005,2004,,s\n", Problem{Row: 2, Column: "end_year", Fault: WrongValue}},
		{"a plan without a name", "plans.csv", plans + "P,,2005,2008,,s\n", Problem{Row: 2, Column: "name", Fault: MissingValue}},
		{"two plans of a code", "plans.csv", plans + "P,N,,,,s\np,M,,,,s\n", Problem{Row: 3, Column: "code", Fault: Duplicate}},
		{"an axis of no plan", "plan_axes.csv", axes + "P,A,One,s\n", Problem{Row: 2, Column: "plan", Fault: NoMatch}},
		{"an axis twice", "plan_axes.csv", axes + "P,A,One,s\nP,a,Two,s\n", Problem{Row: 3, Column: "plan", Fault: Duplicate}},
		{"an axis without a source", "plan_axes.csv", axes + "P,A,One,\n", Problem{Row: 2, Column: "source", Fault: MissingValue}},
		{"missions of nobody", "missions.csv", audience + "FSMR,a,A,,s\n", Problem{Row: 2, Column: "audience", Fault: WrongValue}},
		{"a mission twice", "missions.csv", audience + "PEMR,a,A,,s\nPEMR,a,B,,s\n", Problem{Row: 3, Column: "audience", Fault: Duplicate}},
		{"a mission from no day", "missions.csv", audience + "PEMR,a,A,soon,s\n", Problem{Row: 2, Column: "valid_from", Fault: WrongValue}},
	} {
		t.Run(tc.given, func(t *testing.T) {
			f, err := read(dir(tc.file, tc.content))
			if err == nil {
				_, err = plan(f, nil)
			}
			ps, _ := errors.AsType[Problems](err)
			if len(ps) != 1 || ps[0].File != tc.file || ps[0].Row != tc.want.Row || ps[0].Column != tc.want.Column || ps[0].Fault != tc.want.Fault {
				t.Errorf("%v, want %v", err, tc.want)
			}
		})
	}
}

// An ERN of a filière's row is a link of the filière, and its own source stands on it.
func TestERN(t *testing.T) {
	f, err := read(dir("fsmr.csv", "acronym,name,coordinating_establishment,city,website,european_reference_network,created_year,note,source\nF,,,,,ERN-LUNG,,,s\nG,,,,,,,,s\n"))
	if err != nil {
		t.Fatal(err)
	}
	steps, err := plan(f, nil)
	if err != nil || len(steps) != 3 {
		t.Fatalf("%d steps, want 3: %v", len(steps), err)
	}
	if got, want := asked(t, steps[2]), `DeclareLink kind:LINK_KIND_ERN from_id:"filiere" code:"ERN-LUNG"`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// A hospital that was renamed is known by its first name, so that it is not registered
// again.
func TestHospitalKnownByItsFirstName(t *testing.T) {
	f, err := read(dir(
		"establishments.csv", "name,city,insee_commune,department_code,region,finess,finess_kind,finess_source,latitude,longitude,coordinates_source,valid_from,source\nH,Paris,,,,,,,,,,2024-07-29,s\n",
		"changes.csv", changesHeader+"establishment_renamed,2025-05,,,,,,,H,Paris,75,K,,,,,s\nestablishment_renamed,2025-06,,,,,,,H,Paris,75,L,,,,,s\n",
	))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"H", "K", "L"} {
		l := &loader{ids: map[string]string{join(establishment, key(name, "Paris")): "0000000001"}}
		l.rename(f)
		if got := l.ids[join(establishment, key("H", "Paris"))]; got != "0000000001" {
			t.Errorf("named %s today: known by the id %q", name, got)
		}
	}
	steps, err := plan(f, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := asked(t, steps[0]), `RegisterEstablishment valid_from:"2024-07-29" name:"H" place:{city:"Paris"}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if len(steps) != 3 || steps[1].level >= steps[2].level {
		t.Error("the renamings are not one after the other: the later first would be overwritten")
	}
}

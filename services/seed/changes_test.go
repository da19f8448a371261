package seed

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

const (
	changesHeader   = "change,date,network,acronym,filiere,platform,cycle,role,establishment,city,department_code,other,person,act,evidence,note,source\n"
	platformsHeader = "name,kind,host_establishment,city,region,wave_year,note,source\n"
	figuresHeader   = "year,kind,scope,count,note,source\n"
)

// history is a network renamed, one with a team that moves, and a filière, to which the
// changes of a test are added.
func history(changes string, figures ...string) ([]step, error) {
	f, err := read(dir(
		"cycles.csv", cyclesFile+"2017-2022,Call,2017,2022,instruction,Instruction I,,2016-10-25,,,s\n2019-FSMR,,2019,2022,,,,,,,s\n",
		"platforms.csv", platformsHeader+"P,PEMR,,,,2020,,s\n",
		"plans.csv", "code,name,start_year,end_year,note,source\nP2,Second,2011,2014,,s\n",
		"figures.csv", figuresHeader+strings.Join(figures, "\n")+"\n",
		"centres.csv", centresHeader+strings.Join([]string{
			"Old,O,F,source,2004-2007,stated,COORDINATOR,H,Paris,75,,,a",
			"New,N,F,source,2017-2022,stated,COORDINATOR,H,Paris,75,,,b",
			"New,N,F,source,2017-2022,stated,COMPETENCE,H,Paris,75,,,b",
			"Moving,M,F,source,2017-2022,stated,COORDINATOR,J,Lyon,69,,,b",
			"Moving,M,F,source,2004-2007,stated,COORDINATOR,I,Paris,75,,,a",
			"Moving,M,F,source,2004-2007,stated,COMPETENCE,,,972,,territory: Martinique,a",
		}, "\n")+"\n",
		"changes.csv", changesHeader+changes,
	))
	if err != nil {
		return nil, err
	}
	return plan(f, nil)
}

const (
	oldBecomesNew = "network_renamed,2017-11,Old,O,,,,,,,,New|N,,,,,s\n"
	teamMoves     = "centre_moved,2019-09-01,Moving,M,,,,,I,Paris,75,J|Lyon,,,,,s\n"
)

func TestChanges(t *testing.T) {
	for _, tc := range []struct {
		given, rows string
		then        string // the requests of the changes but their bases, references as kinds
	}{
		{"a network renamed", oldBecomesNew, `RenameNetwork valid_from:"2017-11" network_id:"network" title:"New" acronym:"N"`},
		{"a team moved", teamMoves, `MoveCentre centre_id:"centre" valid_from:"2019-09-01" establishment_ids:"establishment"`},
		{"a network succeeded", "network_succeeded,2017,Old,O,,,,,,,,New|N,,,,,s\n", `SucceedNetworks predecessor_ids:"network" successor_ids:"network" valid_from:"2017"`},
		{"a filière labelled", "label_granted,2019-07,,,F,,2019-FSMR,,,,,,,,,,s\n", `GrantLabel grant:{filiere_id:"filiere" role:ROLE_FSMR cycle_id:"cycle" period:{start:"2019-07" end:"2022"}}`},
		{"a platform opened", "label_opened,2021-02-01,,,,P,,,,,,,,,,,s\n", `OpenLabel label_id:"grant" opened_from:"2021-02-01"`},
		{
			"a coordinator, then another", "head_taken,,New,N,,,,,,,,,Pr A B,,,,s\nhead_taken,2023-04,New,N,,,,,,,,,Pr C D,,,,s\n",
			`TakeOffice holder_id:"network" kind:OFFICE_KIND_COORDINATOR name:"Pr A B"; ` +
				`TakeOffice holder_id:"network" kind:OFFICE_KIND_COORDINATOR name:"Pr C D" start:"2023-04" predecessor_id:"office"`,
		},
		{
			"the head of a site, who leaves", "head_taken,2020,Moving,M,,,,,,,972,,Pr A B,,,territory: Martinique,s\nhead_left,2021,Moving,M,,,,COMPETENCE,,,,,Pr A B,,,,s\n" +
				"head_taken,2022,Moving,M,,,,COMPETENCE,,,,,,,,,s\n",
			`TakeOffice holder_id:"site" kind:OFFICE_KIND_HEAD name:"Pr A B" start:"2020"; ` +
				`TakeOffice holder_id:"site" kind:OFFICE_KIND_HEAD start:"2022"; LeaveOffice office_id:"office" end:"2021"`,
		},
		{
			"a head approved", "head_taken,2020,,,F,,,,,,,,Pr A B,,,,s\nhead_approved,2022,,,F,,,,,,,,Pr A B,,,,s\n",
			`TakeOffice holder_id:"filiere" kind:OFFICE_KIND_COORDINATOR name:"Pr A B" start:"2020"; ApproveOffice office_id:"office" date:"2022"`,
		},
		{
			"a campaign and an outcome before it", "outcome_recorded,2017,Unheard-of,,,,2017-2022,,,,,SET_ASIDE,,,,,s\ncampaign_opened,2016,,,,,2017-2022,,,,,Second,,,,,s\n",
			`OpenCampaign name:"Second" cycle_id:"cycle" calls:{title:"Call" reference:"Instruction I" date:"2016-10-25"}; ` +
				`RecordOutcome campaign_id:"campaign" candidate:"Unheard-of" kind:OUTCOME_KIND_SET_ASIDE date:"2017"`,
		},
		{
			"an outcome of a network", "campaign_opened,2016,,,,,2017-2022,,,,,Second,,,,,s\noutcome_recorded,2017,New,N,,,2017-2022,,,,,REFUSED,,,,,s\n",
			`OpenCampaign name:"Second" cycle_id:"cycle" calls:{title:"Call" reference:"Instruction I" date:"2016-10-25"}; ` +
				`RecordOutcome campaign_id:"campaign" candidate:"New" network_id:"network" kind:OUTCOME_KIND_REFUSED date:"2017"`,
		},
		{"what a source says of a site", "assertion,,New,N,,,,COMPETENCE,H,Paris,75,seat|elsewhere,,,,,s\n", `RecordAssertion entity_id:"site" field:"seat" value:"elsewhere"`},
		{
			"a hospital renamed twice, which rows name as it was first", "establishment_renamed,2025-05,,,,,,,H,Paris,75,K,,,,,s\nestablishment_renamed,2025-06,,,,,,,H,Paris,75,L,,,,,s\n",
			`RenameEstablishment valid_from:"2025-05" establishment_id:"establishment" name:"K"; RenameEstablishment valid_from:"2025-06" establishment_id:"establishment" name:"L"`,
		},
		{"a legal entity", "legal_entity_changed,2025,,,,,,,H,Paris,75,J|Lyon,,,,,s\n", `ChangeLegalEntity valid_from:"2025" establishment_id:"establishment" legal_entity_ids:"establishment"`},
		{"one more host", "host_added,2022,,,,P,,,J,Lyon,69,,,,,,s\n", `AttachPlatform valid_from:"2022" platform_id:"platform" establishment_id:"establishment"`},
		{"a region and two departments served", "territory_stated,,,,,P,,,,,,94|06 2A,,,,,s\n", `StateTerritory platform_id:"platform" region_codes:"94" department_codes:"06" department_codes:"2A"`},
		{"a website", "website_stated,,,,,P,,,,,,p.fr,,,,,s\n", `StateContact entity_id:"platform" website:"p.fr"`},
		{"another filière served", "filiere_served,2020,Old,O,F,,,,H,Paris,75,,,,,,s\n", `DeclareLink kind:LINK_KIND_SERVES from_id:"centre" to_id:"filiere" period:{start:"2020"}`},
		{"a plan extended", "plan_extended,2015,,,,,,,,,,p2|2017-01-01,,,,,s\n", `ExtendPlan plan_id:"plan" end:"2017-01-01"`},
		{"of a hospital", "assertion,,,,,,,,H,Paris,75,beds|3,,,,,s\n", `RecordAssertion entity_id:"establishment" field:"beds" value:"3"`},
	} {
		t.Run(tc.given, func(t *testing.T) {
			steps, err := history(tc.rows)
			if err != nil {
				t.Fatal(err)
			}
			if err := validate(steps); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range steps {
				if s.about.file == "changes.csv" {
					got = append(got, asked(t, s))
				}
			}
			if text := strings.Join(got, "; "); text != tc.then {
				t.Errorf("plan\n%s\nwant\n%s", text, tc.then)
			}
		})
	}
}

// asked is a request in text, without its id and basis, references as the kind of their
// step.
func asked(t *testing.T, s step) string {
	t.Helper()
	req := proto.Clone(s.req)
	m := req.ProtoReflect()
	m.Clear(requestID(m))
	m.Clear(m.Descriptor().Fields().ByName("basis"))
	if err := replaceRefs(req, func(k string) (string, error) { kind, _, _ := strings.Cut(k, "\x1f"); return kind, nil }); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(prototext.MarshalOptions{EmitASCII: false}.Format(req)), " ")
	return strings.TrimSuffix(string(m.Descriptor().Name()), "Request") + " " + text
}

// A name that nothing in the files bears is a problem that says where, and no person.
func TestChangesRefused(t *testing.T) {
	for _, tc := range []struct {
		given, rows string
		want        Problem
	}{
		{"no such change", "head_hired,,New,N,,,,,,,,,,,,,s\n", Problem{Row: 2, Column: "change", Fault: WrongValue}},
		{"no source", "assertion,,New,N,,,,,,,,a|b,,,,,\n", Problem{Row: 2, Column: "source", Fault: MissingValue}},
		{"no such network", "assertion,,None,,,,,,,,,a|b,,,,,s\n", Problem{Row: 2, Column: "network", Fault: NoMatch}},
		{"no such filière", "label_granted,2019,,,X,,2019-FSMR,,,,,,,,,,s\n", Problem{Row: 2, Column: "filiere", Fault: NoMatch}},
		{"no such cycle", "label_granted,2019,,,F,,2030,,,,,,,,,,s\n", Problem{Row: 2, Column: "cycle", Fault: NoMatch}},
		{"no such platform", "label_opened,2021-02-01,,,,X,,,,,,,,,,,s\n", Problem{Row: 2, Column: "platform", Fault: NoMatch}},
		{"no such hospital in the network", "assertion,,New,N,,,,,I,Paris,75,a|b,,,,,s\n", Problem{Row: 2, Column: "establishment", Fault: NoMatch}},
		{"two sites of the hospital", "assertion,,New,N,,,,,H,Paris,75,a|b,,,,,s\n", Problem{Row: 2, Column: "establishment", Fault: SeveralMatch}},
		{"no such act", "assertion,,New,N,,,,,,,,a|b,,Arrêté X,,,s\n", Problem{Row: 2, Column: "act", Fault: NoMatch}},
		{"several acts", "assertion,,New,N,,,,,,,,a|b,,Arrêté,,,s\n", Problem{Row: 2, Column: "act", Fault: SeveralMatch}},
		{"nowhere to move to", "centre_moved,2019,Moving,M,,,,,I,Paris,75,X|Lyon,,,,,s\n", Problem{Row: 2, Column: "other", Fault: NoMatch}},
		{"moved back", teamMoves + "centre_moved,2020,Moving,M,,,,,J,Lyon,69,I|Paris,,,,,s\n", Problem{Row: 3, Column: "other", Fault: Duplicate}},
		{"renamed back", oldBecomesNew + "network_renamed,2018,New,N,,,,,,,,Old|O,,,,,s\n", Problem{Row: 2, Column: "other", Fault: Duplicate}},
		{"renamed twice at once", oldBecomesNew + "network_renamed,2018,Old,O,,,,,,,,Newer|R,,,,,s\n", Problem{Row: 3, Column: "other", Fault: Duplicate}},
		{"succeeded by none", "network_succeeded,2018,Old,O,,,,,,,,Newer|R,,,,,s\n", Problem{Row: 2, Column: "other", Fault: NoMatch}},
		{"left by who never came", "head_left,2018,New,N,,,,,,,,,Pr A B,,,,s\n", Problem{Row: 2, Column: "person", Fault: NoMatch}},
		{"left twice", "head_taken,2017,New,N,,,,,,,,,,,,,s\nhead_left,2018,New,N,,,,,,,,,,,,,s\nhead_left,2019,New,N,,,,,,,,,,,,,s\n", Problem{Row: 4, Column: "date", Fault: Duplicate}},
		{"follows on no day", "head_taken,2017,New,N,,,,,,,,,,,,,s\nhead_taken,,New,N,,,,,,,,,,,,,s\n", Problem{Row: 3, Column: "date", Fault: MissingValue}},
		{"an outcome of no campaign", "outcome_recorded,2017,New,N,,,2017-2022,,,,,REFUSED,,,,,s\n", Problem{Row: 2, Column: "cycle", Fault: NoMatch}},
		{"no outcome", "campaign_opened,2016,,,,,2017-2022,,,,,Second,,,,,s\noutcome_recorded,2017,New,N,,,2017-2022,,,,,LOST,,,,,s\n", Problem{Row: 3, Column: "other", Fault: WrongValue}},
		{"two campaigns of a cycle", "campaign_opened,2016,,,,,2017-2022,,,,,A,,,,,s\ncampaign_opened,2016,,,,,2017-2022,,,,,B,,,,,s\n", Problem{Row: 3, Column: "cycle", Fault: Duplicate}},
		{"no such hospital to rename", "establishment_renamed,2025,,,,,,,X,Paris,75,K,,,,,s\n", Problem{Row: 2, Column: "establishment", Fault: NoMatch}},
		{"no such legal entity", "legal_entity_changed,2025,,,,,,,H,Paris,75,X|Lyon,,,,,s\n", Problem{Row: 2, Column: "other", Fault: NoMatch}},
		{"a host that is not there", "host_added,,,,,P,,,X,,,,,,,,s\n", Problem{Row: 2, Column: "establishment", Fault: NoMatch}},
		{"no such region", "territory_stated,,,,,P,,,,,,Bretagne,,,,,s\n", Problem{Row: 2, Column: "other", Fault: WrongValue}},
		{"no such department", "territory_stated,,,,,P,,,,,,|96,,,,,s\n", Problem{Row: 2, Column: "other", Fault: WrongValue}},
		{"a website of nothing", "website_stated,,,,,,,,,,,p.fr,,,,,s\n", Problem{Row: 2, Column: "platform", Fault: MissingValue}},
		{"no such filière to serve", "filiere_served,2020,Old,O,X,,,,H,Paris,75,,,,,,s\n", Problem{Row: 2, Column: "filiere", Fault: NoMatch}},
		{"no such plan", "plan_extended,2015,,,,,,,,,,P9|2017,,,,,s\n", Problem{Row: 2, Column: "other", Fault: NoMatch}},
		{"extended to no day", "plan_extended,2015,,,,,,,,,,P2|soon,,,,,s\n", Problem{Row: 2, Column: "other", Fault: WrongValue}},
		{"nothing said", "assertion,,New,N,,,,,,,,a,,,,,s\n", Problem{Row: 2, Column: "other", Fault: WrongValue}},
		{"of nothing", "assertion,,,,,,,,,,,a|b,,,,,s\n", Problem{Row: 2, Column: "network", Fault: MissingValue}},
	} {
		t.Run(tc.given, func(t *testing.T) {
			_, err := history(tc.rows)
			ps, is := errors.AsType[Problems](err)
			if !is {
				t.Fatalf("plan: %v, want Problems", err)
			}
			if !slices.ContainsFunc(ps, func(p Problem) bool {
				return p.File == "changes.csv" && p.Row == tc.want.Row && p.Column == tc.want.Column && p.Fault == tc.want.Fault
			}) {
				t.Errorf("problems\n%v\nwant %v", ps, tc.want)
			}
			if strings.Contains(ps.Error(), "Pr A B") {
				t.Errorf("%v shows a person", ps)
			}
		})
	}
}

// A network renamed is one network, registered under its first name, and its labels go
// on; a team that moves is one site, registered where it was first.
func TestOneNetworkAndOneSite(t *testing.T) {
	apart, err := history("")
	if err != nil {
		t.Fatal(err)
	}
	steps, err := history(oldBecomesNew + teamMoves)
	if err != nil {
		t.Fatal(err)
	}
	n := countKinds(steps)
	if n[network] != 2 || n[centre] != 4 || n[renewal] != 2 {
		t.Errorf("%v, want 2 networks, 4 centres, 2 renewals", n)
	}
	if was := countKinds(apart); was[network] != 3 || was[centre] != 6 || was[renewal] != 0 {
		t.Errorf("without the changes: %v", was)
	}
	for _, s := range steps {
		switch r := s.req.(type) {
		case *topologyv1.RegisterNetworkRequest:
			if r.GetTitle() == "New" {
				t.Errorf("registered under its later name: %v", r)
			}
		case *topologyv1.RegisterCentreRequest:
			if slices.Contains(r.GetEstablishmentIds(), ref(join(establishment, key("J", "Lyon")))) {
				t.Errorf("registered where it moved to: %v", r)
			}
		}
	}
}

// A row that cites an act rests on it: cited, or inferred where the row only dates the
// label.
func TestLabelsCiteTheirAct(t *testing.T) {
	header := strings.TrimSpace(centresHeader) + ",act,act_evidence\n"
	for _, tc := range []struct {
		act, how string
		evidence eventv1.Evidence
		cites    bool
	}{
		{"", "", eventv1.Evidence_EVIDENCE_STATED, false},
		{"Arrêté E", "", eventv1.Evidence_EVIDENCE_ACT_CITED, true},
		{"arrete e", "cited", eventv1.Evidence_EVIDENCE_ACT_CITED, true},
		{"Arrêté p", "inferred", eventv1.Evidence_EVIDENCE_INFERRED, true},
	} {
		f, err := read(dir("cycles.csv", cyclesFile, "centres.csv", header+"N,,,,2017-2022,stated,COMPETENCE,H,Lyon,69,,,a,"+tc.act+","+tc.how+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		steps, err := plan(f, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range steps {
			if r, is := s.req.(*labellingv1.GrantLabelRequest); is && (r.GetBasis().GetEvidence() != tc.evidence || (r.GetBasis().GetActId() != "") != tc.cites) {
				t.Errorf("%q %s: basis %v", tc.act, tc.how, r.GetBasis())
			}
			if r, is := s.req.(*topologyv1.RegisterCentreRequest); is && r.GetBasis().GetActId() != "" {
				t.Errorf("the act is said to register a centre: %v", r)
			}
		}
	}
}

// A figure stands by what it counts in, those that contradict each other side by side.
func TestFigures(t *testing.T) {
	steps, err := history("",
		"2017-05,CRMR,France,98,,a", "2018,CRMR,France,387,,a", "2018,CRMR,France,363,,b", "2004,CRMR,France,67,,a",
		"2030,CRMR,France,1,,a", "undated,CRMR,France,2,,a", "2019,FSMR,France,23,,a",
		"undated,CRMR,F,19,,a", "2023,CCMR,F / N,28,,a", "2023,CCMR,F / X,29,,a", "2017,CRMR,h,11,,a", "2017,CRMR,Elsewhere,12,,a")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range steps {
		if r, is := s.req.(*labellingv1.RecordAssertionRequest); is {
			about := strings.ReplaceAll(strings.TrimPrefix(r.GetEntityId(), refMark), "\x1f", " ")
			got = append(got, about+": "+strings.TrimPrefix(r.GetField(), "count: ")+" "+r.GetValue())
		}
	}
	want := []string{
		"cycle 2017 2022: CRMR 98", "cycle 2017 2022: CRMR 387", "cycle 2017 2022: CRMR 363", "cycle 2004 2007: CRMR 67",
		"cycle 2019 fsmr: FSMR 23", "filiere f: CRMR 19", "network new n: CCMR 28", "establishment h paris: CRMR 11",
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// What the real files must hold, and what they must not say.
func TestHistoryInTheSeeds(t *testing.T) {
	f, err := read(os.DirFS("../../seeds"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan(f, nil)
	if err != nil {
		t.Fatal(err)
	}
	cites := map[string]int{}
	titles := map[string]string{}
	for _, s := range p {
		switch r := s.req.(type) {
		case *labellingv1.RecordActRequest:
			titles[ref(s.key)] = r.GetTitle()
			for _, c := range r.GetScope() {
				if c.GetCoverage() != labellingv1.Coverage_COVERAGE_PARTIAL {
					t.Errorf("%s is said to be held whole", r.GetTitle())
				}
			}
		case interface{ GetBasis() *eventv1.Basis }:
			if act := r.GetBasis().GetActId(); act != "" && s.about.file == "centres.csv" {
				cites[titles[act]]++
			}
		}
		if m, is := s.req.(*topologyv1.MoveCentreRequest); is && m.GetValidFrom() != "2019-09-01" {
			t.Errorf("a move that no source dates: %v", m)
		}
	}
	for title, n := range map[string]int{"Arrêté du 9 mai 2017": 48, "Arrêté du 12 juillet 2006 portant": 6, "Arrêté du 26 décembre 2023,": 16} {
		found := 0
		for cited, k := range cites {
			if strings.HasPrefix(cited, title) {
				found += k
			}
		}
		if found != n {
			t.Errorf("%d lines known of %s, want %d", found, title, n)
		}
	}
}

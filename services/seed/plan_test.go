package seed

import (
	"os"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

func planSeeds(t *testing.T) []step {
	t.Helper()
	f, err := read(os.DirFS("../../seeds"))
	if err != nil {
		t.Fatal(err)
	}
	steps, err := plan(f, nil)
	if err != nil {
		t.Fatal(err)
	}
	return steps
}

func countKinds(steps []step) map[string]int {
	n := map[string]int{}
	for _, s := range steps {
		n[s.kind]++
	}
	return n
}

func TestPlanSeeds(t *testing.T) {
	steps := planSeeds(t)
	if err := validate(steps); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{
		establishment: 83, filiere: 23, cycle: 8, platform: 18, network: 98, attachment: 54, rename: 2 + 2, act: 21,
		centre: 265, move: 1, grant: 271 + 18 + 23, renewal: 7, confirmation: 2, opening: 2,
		host: 15, territories: 12, contact: 7, legalEntity: 3, link: 7 + 2, nationalPlan: 4, axes: 4, extension: 2, missions: 3,
		office: 7, departure: 1, campaign: 2, outcome: 1, assertion: 1 + 32 + 85,
	}
	got := countKinds(steps)
	for _, k := range kinds {
		if got[k] != want[k] {
			t.Errorf("%s: %d steps, want %d", k, got[k], want[k])
		}
	}
	again := planSeeds(t)
	for i, s := range steps {
		if s.key != again[i].key || !proto.Equal(s.req, again[i].req) {
			t.Fatalf("step %d is not the same twice", i)
		}
	}
}

// The ids are what makes a second load, also by a later version, add nothing.
func TestRequestIDsStay(t *testing.T) {
	ids := map[string]bool{}
	for _, s := range planSeeds(t) {
		id := s.req.ProtoReflect().Get(requestID(s.req.ProtoReflect())).String()
		if len(id) > 64 || ids[id] {
			t.Errorf("request_id %q of %q is too long or there twice", id, s.key)
		}
		ids[id] = true
	}
	const pinned = "seed-5ddf688ee6753af5b41bb58430bd6aa3f36f7c45"
	if !ids[pinned] {
		t.Errorf("no request has the id %s of AP-HM's registration any more: register it under a new key only on purpose", pinned)
	}
}

// Only head_name and the name of who takes an office may hold a person's name.
func TestNoNamesOfPersonsOutsideTheHead(t *testing.T) {
	f, err := read(os.DirFS("../../seeds"))
	if err != nil {
		t.Fatal(err)
	}
	persons := []string{
		"Charron", "Hachulla", "Belot", "Crétolle", "Clément", "Humbert", "Leboulanger", "Linglart",
		"Elenga", "Etienne-Julan", "Bellance", "Jacquemont", "Paquis", "Deybach",
	}
	for _, r := range slices.Concat(f.rows["centres.csv"], f.rows["changes.csv"]) {
		for p := range strings.SplitSeq(r.get("responsible")+";"+r.get("person"), ";") {
			if words := strings.Fields(p); len(words) > 1 {
				persons = append(persons, strings.Join(words[len(words)-2:], " "))
			}
		}
	}
	for _, s := range planSeeds(t) {
		req := proto.Clone(s.req)
		switch r := req.(type) {
		case *labellingv1.GrantLabelRequest:
			r.Grant.HeadName = ""
		case *labellingv1.RenewLabelRequest:
			r.Renewal.Grant.HeadName = ""
		case *labellingv1.TakeOfficeRequest:
			r.Name = ""
		}
		text := prototext.MarshalOptions{EmitASCII: false}.Format(req)
		for _, p := range persons {
			if strings.Contains(text, p) {
				t.Errorf("%s, row %d: %q in %s", s.about.file, s.about.num, p, text)
			}
		}
	}
}

func TestNamesRemoved(t *testing.T) {
	n := &names{known: strings.NewReplacer()}
	for given, want := range map[string]string{
		"coordinators Pr Eric Hachulla and Pr Alexandre Belot; ERN": "coordinators [name withheld] and [name withheld]; ERN",
		"Dr C. Crétolle; 2014":                "[name withheld]; 2014",
		"led by Mme Anne-Marie de la Tour":    "led by [name withheld]",
		"project of 12 networks, DrX, Prague": "project of 12 networks, DrX, Prague",
	} {
		if got := n.removed(given); got != want {
			t.Errorf("removed(%q) = %q, want %q", given, got, want)
		}
	}
}

// cyclesFile gives two cycles with years, one without an end, and an alias.
const cyclesFile = `cycle,label,start_year,end_year,legal_kind,legal_title,nor,signed,published,note,source
2004-2007,,2004,,arrêté,Arrêté A,,,,,s
2017-2022,,2017,2022,arrêté,Arrêté portant création du comité,,,,,s
2023-2028,Framework,2022,,décret,Décret D,,2022-05-16,2022-05-17; 2022-05-18,label for five years,s
2023-2028,List,2023,2028,arrêté,Arrêté E,,2023-12-26,2023-12-29,"sources write the period 2022-2027, 2023-2027 or 2023-2028",s
`

func planCentres(t *testing.T, lines ...string) []step {
	t.Helper()
	f, err := read(dir("cycles.csv", cyclesFile, "centres.csv", centresHeader+strings.Join(lines, "\n")+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	steps, err := plan(f, nil)
	if err != nil {
		t.Fatal(err)
	}
	return steps
}

func TestCentreIdentity(t *testing.T) {
	for _, tc := range []struct {
		given string
		rows  []string
		want  string // kinds of the steps about sites, in order
	}{
		{"one row", []string{"N,,,,2017-2022,stated,COMPETENCE,H,Lyon,69,,,a"}, "centre grant"},
		{"a later cycle", []string{"N,,,,2023-2028,stated,COORDINATOR,H,Lyon,69,,,a", "N,,,,2017-2022,stated,CONSTITUTIVE,H,Lyon,69,,,b"}, "centre grant renewal"},
		{"a later cycle, promoted", []string{"N,,,,2023-2028,stated,CONSTITUTIVE,H,Lyon,69,,,a", "N,,,,2017-2022,stated,COMPETENCE,H,Lyon,69,,,b"}, "centre grant grant"},
		{"a later cycle, another family", []string{"N,,,,2023-2028,stated,COMPETENCE,H,Lyon,69,,,a", "N,,,,2017-2022,stated,RESOURCE_AND_COMPETENCE,H,Lyon,69,,,b"}, "centre grant grant"},
		{"a later cycle without a role", []string{"N,,,,2023-2028,stated,,H,Lyon,69,,,a", "N,,,,2017-2022,stated,COMPETENCE,H,Lyon,69,,,b"}, "centre grant grant"},
		{"no role, then one", []string{"N,,,,2023-2028,stated,COMPETENCE,H,Lyon,69,,,a", "N,,,,2017-2022,stated,,H,Lyon,69,,,b"}, "centre grant grant"},
		{"two cycles without a role", []string{"N,,,,2023-2028,stated,,H,Lyon,69,,,a", "N,,,,2017-2022,stated,,H,Lyon,69,,,b"}, "centre grant grant"},
		{"another source, same role", []string{"N,,,,2017-2022,stated,COMPETENCE,H,Lyon,69,,,a", "N,,,,2017-2022,stated,COMPETENCE,H,Lyon,69,,,b"}, "centre grant confirmation"},
		{"another source, another role", []string{"N,,,,2017-2022,stated,COMPETENCE,H,Lyon,69,,,a", "N,,,,2017-2022,stated,CONSTITUTIVE,H,Lyon,69,,,b"}, "centre grant assertion"},
		{"the role in the second source", []string{"N,,,,2017-2022,stated,,H,Lyon,69,,,a", "N,,,,2017-2022,stated,CONSTITUTIVE,H,Lyon,69,,,b"}, "centre grant confirmation"},
		{"one source, one cycle, twice", []string{"N,,,,2017-2022,stated,COMPETENCE,H,Lyon,69,,,a", "N,,,,2017-2022,stated,COMPETENCE,H,Lyon,69,,,a"}, "centre centre grant grant"},
		{"a town is not a hospital", []string{"N,,,,2017-2022,stated,COMPETENCE,H,Lyon,69,,,a", "N,,,,2017-2022,stated,COMPETENCE,,Lyon,69,,,b"}, "centre centre grant grant"},
		{"a town in two departments", []string{"N,,,,,,,,Saint-Denis,93,,,a", "N,,,,,,,,Saint-Denis,974,,,b"}, "centre centre grant grant"},
		{"no place at all", []string{"N,,,,,,,,,,,,a", "N,,,,,,,,,,,,b"}, "centre centre grant grant"},
		{"another network", []string{"N,L,,,,,,H,Lyon,69,,,a", "N,M,,,,,,H,Lyon,69,,,b"}, "centre centre grant grant"},
		{"the only acronym of the title left out", []string{"N,M,,,,,,H,Lyon,69,,,a", "n,,,,,,,H,Lyon,69,,,b"}, "centre grant confirmation"},
		{"the acronym left out, in one list", []string{"N,M,,,,,,H,Lyon,69,,,a", "N,,,,,,,H,Lyon,69,,,a"}, "centre centre grant grant"},
		{"the acronym left out, another role", []string{"N,M,,,2017-2022,stated,COMPETENCE,H,Lyon,69,,,a", "N,,,,2017-2022,stated,CONSTITUTIVE,H,Lyon,69,,,b"}, "centre grant assertion"},
		{"one of two acronyms left out", []string{"N,M,,,,,,H,Lyon,69,,,a", "N,,,,,,,H,Lyon,69,,,b", "N,L,,,,,,H,Lyon,69,,,c"}, "centre centre centre grant grant grant"},
		{"a collaborator", []string{"N,,,,,,COLLABORATOR,H,Lyon,69,,,a"}, "centre assertion"},
		{"an alias of the cycle", []string{"N,,,,2023-2028,stated,COMPETENCE,H,Lyon,69,,,a", "N,,,,2022-2027,stated,COMPETENCE,H,Lyon,69,,,b"}, "centre grant confirmation"},
		{"no cycle beside one", []string{"N,,,,,unknown,COMPETENCE,H,Lyon,69,,,a", "N,,,,2017-2022,stated,COMPETENCE,H,Lyon,69,,,b"}, "centre grant confirmation"},
		{"no cycle, other role", []string{"N,,,,,unknown,COMPETENCE,H,Lyon,69,,,a", "N,,,,2017-2022,stated,CONSTITUTIVE,H,Lyon,69,,,b"}, "centre grant assertion"},
		{"no cycle twice", []string{"N,,,,,unknown,COMPETENCE,H,Lyon,69,,,a", "N,,,,,unknown,COMPETENCE,H,Lyon,69,,,b"}, "centre grant confirmation"},
	} {
		t.Run(tc.given, func(t *testing.T) {
			var got []string
			for _, s := range planCentres(t, tc.rows...) {
				if slices.Contains([]string{centre, grant, renewal, confirmation, assertion}, s.kind) {
					got = append(got, s.kind)
				}
			}
			if strings.Join(got, " ") != tc.want {
				t.Errorf("plan = %v, want %s", got, tc.want)
			}
		})
	}
}

// A hospital with a reference and a competence centre of one network keeps them
// apart by role in the next list.
func TestCentreIdentityFollowsTheRole(t *testing.T) {
	steps := planCentres(t,
		"N,,,,2017-2022,stated,CONSTITUTIVE,H,Paris,75,,,a", "N,,,,2017-2022,stated,COMPETENCE,H,Paris,75,,,a",
		"N,,,,2023-2028,stated,COMPETENCE,H,Paris,75,,,b")
	held := map[string]labellingv1.Role{}
	for _, s := range steps {
		switch r := s.req.(type) {
		case *labellingv1.GrantLabelRequest:
			held[s.key] = r.GetGrant().GetRole()
		case *labellingv1.RenewLabelRequest:
			if from := held[strings.TrimPrefix(r.GetRenewal().GetLabelId(), refMark)]; from != labellingv1.Role_ROLE_COMPETENCE {
				t.Errorf("the competence label goes on from %v", from)
			}
			return
		}
	}
	t.Error("nothing was renewed")
}

func TestLabelPeriodAndEvidence(t *testing.T) {
	for _, tc := range []struct {
		row      string
		period   *eventv1.Period
		evidence eventv1.Evidence
	}{
		{"N,,,,2004-2007,stated,,H,Lyon,69,,,a", nil, eventv1.Evidence_EVIDENCE_STATED},
		{"N,,,,2017-2022,inferred from page,,H,Lyon,69,,,a", &eventv1.Period{Start: "2017", End: "2022"}, eventv1.Evidence_EVIDENCE_INFERRED},
		{"N,,,,2022-2027,stated,,H,Lyon,69,,,a", &eventv1.Period{Start: "2023", End: "2028"}, eventv1.Evidence_EVIDENCE_STATED},
		{"N,,,,,unknown,,H,Lyon,69,,,a", nil, eventv1.Evidence_EVIDENCE_STATED},
		{"N,,,,2030-2035,stated,,H,Lyon,69,,,a", nil, eventv1.Evidence_EVIDENCE_STATED},
	} {
		for _, s := range planCentres(t, tc.row) {
			if r, is := s.req.(*labellingv1.GrantLabelRequest); is {
				if !proto.Equal(r.GetGrant().GetPeriod(), tc.period) || r.GetBasis().GetEvidence() != tc.evidence {
					t.Errorf("%s: %v", tc.row, r)
				}
			}
		}
	}
}

// The columns start and end, at the end of a line here, override the cycle's years.
func TestStartAndEnd(t *testing.T) {
	for _, tc := range []struct {
		cycle, start, end string
		then              *eventv1.Period
	}{
		{"2017-2022", "", "", &eventv1.Period{Start: "2017", End: "2022"}},
		{"2017-2022", "2019-09-01", "", &eventv1.Period{Start: "2019-09-01", End: "2022"}},
		{"2017-2022", "", "2019-09", &eventv1.Period{Start: "2017", End: "2019-09"}},
		{"2017-2022", "2018", "2019", &eventv1.Period{Start: "2018", End: "2019"}},
		{"2017-2022", "2023", "", &eventv1.Period{Start: "2023"}},
		{"2017-2022", "", "2016", &eventv1.Period{End: "2016"}},
		{"2004-2007", "2007-07", "", &eventv1.Period{Start: "2007-07"}},
		{"2004-2007", "", "2019-09-01", &eventv1.Period{End: "2019-09-01"}},
		{"", "2006", "", &eventv1.Period{Start: "2006"}},
	} {
		header := strings.TrimSpace(centresHeader) + ",start,end\n"
		f, err := read(dir("cycles.csv", cyclesFile, "centres.csv", header+"N,,,,"+tc.cycle+",stated,,H,Lyon,69,,,a,"+tc.start+","+tc.end+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		steps, err := plan(f, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range steps {
			if r, is := s.req.(*labellingv1.GrantLabelRequest); is && !proto.Equal(r.GetGrant().GetPeriod(), tc.then) {
				t.Errorf("%q, start %q, end %q: %v, want %v", tc.cycle, tc.start, tc.end, r.GetGrant().GetPeriod(), tc.then)
			}
		}
	}
}

// A row without acronym belongs to the network of its title, which is registered with
// the acronym, and its basis says what it printed.
func TestAcronymLeftOut(t *testing.T) {
	for _, s := range planCentres(t, "N,,,,,,,H,Lyon,69,,,a", "N,M,,,,,,I,Lyon,69,,,b") {
		switch r := s.req.(type) {
		case *topologyv1.RegisterNetworkRequest:
			if r.GetAcronym() != "M" {
				t.Errorf("network %v", r)
			}
		case *labellingv1.GrantLabelRequest:
			says := slices.ContainsFunc(r.GetBasis().GetAsPrinted(), func(p *eventv1.Printed) bool { return p.GetField() == "acronym" })
			if says != (r.GetBasis().GetSource() == "b") {
				t.Errorf("basis %v", r.GetBasis())
			}
		}
	}
}

func TestActsAndCycles(t *testing.T) {
	var scopes []int
	for _, s := range planCentres(t) {
		switch r := s.req.(type) {
		case *labellingv1.RegisterCycleRequest:
			if r.GetCode() == "2023-2028" && strings.Join(r.GetAliases(), " ") != "2022-2027 2023-2027" {
				t.Errorf("aliases = %v", r.GetAliases())
			}
		case *labellingv1.RecordActRequest:
			scopes = append(scopes, len(r.GetScope()))
			if r.GetTitle() == "Décret D" && len(r.GetPublications()) != 2 {
				t.Errorf("publications = %v, want 2", r.GetPublications())
			}
		}
	}
	if !slices.Equal(scopes, []int{1, 0, 0, 1}) {
		t.Errorf("scopes = %v, want a cell for the arrêtés that list centres", scopes)
	}
}

func TestNetworkTakesTheSourcesFiliere(t *testing.T) {
	for _, tc := range []struct {
		given string
		rows  []string
		want  string
	}{
		{"stated", []string{"N,,F,source,,,,,,,,,a"}, "network F"},
		{"assigned", []string{"N,,F,assigned by the compiler,,,,,,,,,a"}, "network, attachment F"},
		{"stated later", []string{"N,,F,assigned by the compiler,,,,,,,,,a", "N,,G,source,,,,,,,,,b"}, "network G, assertion F"},
		{"none", []string{"N,,,,,,,,,,,,a"}, "network"},
	} {
		t.Run(tc.given, func(t *testing.T) {
			filieres := map[string]string{}
			var got []string
			for _, s := range planCentres(t, tc.rows...) {
				switch r := s.req.(type) {
				case *topologyv1.RegisterFiliereRequest:
					filieres[ref(s.key)] = " " + r.GetAcronym()
				case *topologyv1.RegisterNetworkRequest:
					got = append(got, "network"+filieres[r.GetFiliereId()])
				case *topologyv1.AttachNetworkRequest:
					got = append(got, "attachment"+filieres[r.GetFiliereId()])
				case *labellingv1.RecordAssertionRequest:
					got = append(got, "assertion "+r.GetValue())
				}
			}
			if strings.Join(got, ", ") != tc.want {
				t.Errorf("plan = %v, want %s", got, tc.want)
			}
		})
	}
}

// Whatever the rows, each one is accounted for once, no list's rows share a centre,
// and every step comes after those it needs.
func TestPlanAccountsForEveryRow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pick := func(label string, of ...string) string { return rapid.SampledFrom(of).Draw(t, label) }
		n := rapid.IntRange(1, 25).Draw(t, "rows")
		var text strings.Builder
		text.WriteString(strings.TrimSpace(centresHeader) + ",start,end\n")
		collaborators := 0
		for range n {
			role := pick("role", "", "COORDINATOR", "COMPETENCE", collaborator)
			if role == collaborator {
				collaborators++
			}
			text.WriteString(strings.Join([]string{
				pick("network", "N", "O"), pick("acronym", "", "M", "L"), "", "", pick("cycle", "", "2004-2007", "2017-2022", "2022-2027", "2099"), "stated", role,
				pick("establishment", "", "H", "I"), pick("city", "", "Lyon", "Paris"), pick("department", "", "69"), "", "", pick("source", "a", "b"),
				pick("start", "", "2005", "2019-09-01"), pick("end", "", "2020", "2026-01"),
			}, ",") + "\n")
		}
		f, err := read(dir("cycles.csv", cyclesFile, "centres.csv", text.String()))
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
		k := countKinds(steps)
		if got := k[grant] + k[renewal] + k[confirmation] + k[assertion]; got > n || got < n-collaborators {
			t.Fatalf("%d rows, %d steps about labels: %v", n, got, k)
		}
		done := map[string]int{}
		for _, s := range steps {
			for _, need := range s.after {
				if at, there := done[need]; !there || at >= s.level {
					t.Fatalf("%q is not done before %q", need, s.key)
				}
			}
			done[s.key] = s.level
		}
	})
}

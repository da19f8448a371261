package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/fault"
	"maillage/services/labelling"
	"maillage/services/labelling/plan"
	"maillage/services/topology"
)

// TestEveryReasonIsInFrench looks in the code for the reasons of refusals and, of a plan,
// for what makes a candidate one.
func TestEveryReasonIsInFrench(t *testing.T) {
	given := regexp.MustCompile(`fault\.New\([^"]*"([A-Z][A-Z_]+)"|\.(?:warn|refuse)\([^"]*"([A-Z][A-Z_]+)"|Reason: +"([A-Z][A-Z_]+)"`)
	because := regexp.MustCompile(`(?m)^\tby[A-Z]\w* += "([^"]+)"`)
	found, candidates := 0, 0
	err := filepath.WalkDir("../..", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		code, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for _, m := range given.FindAllStringSubmatch(string(code), -1) {
			reason := m[1] + m[2] + m[3]
			if reasons[reason] == "" && annexReasons[reason] == "" && !strings.HasPrefix(reason, "_") {
				t.Errorf("%s gives the reason %s, which has no French", name, reason)
			}
			found++
		}
		if filepath.Base(filepath.Dir(name)) == "plan" {
			for _, m := range because.FindAllStringSubmatch(string(code), -1) {
				if candidateWords[m[1]] == "" && changeWords[m[1]] == "" {
					t.Errorf("%s gives %q for a candidate, which has no French", name, m[1])
				}
				candidates++
			}
		}
		return nil
	})
	if err != nil || found < 100 || candidates < 10 {
		t.Errorf("found %d reasons and %d of candidates, %v", found, candidates, err)
	}
}

// An officer reads French alone; a program all that the register says.
func TestDetailsAreInFrench(t *testing.T) {
	for given, want := range map[string]string{
		`No label is recorded under "0000000000".`:                                                                 "« 0000000000 »",
		"lines[3] has the number 7 already.":                                                                       "ligne n° 4",
		"3 labels are lost by absence from the act; 2 were accepted.":                                              "perdus : 3, acceptés : 2",
		`no network is known as "MDS"; near it: MDSR, MD`:                                                          "« MDS » ; noms voisins : MDSR, MD",
		`no network is known as "MDS"`:                                                                             "« MDS »",
		"2030-01-01 is not a day within the term of label A, 2017-08-08 to 2022":                                   "le label va du 08/08/2017 au 2022",
		"Label 01YHKRYSPF goes on in label QRHN0PR668.":                                                            "il se poursuit dans le label QRHN0PR668",
		"Its holder holds label 01YHKRYSPF for the same days: renew it.":                                           "01YHKRYSPF",
		"No holder of this kind can have the role ROLE_PEMR.":                                                      "PEMR",
		`Opened from "2019-07-01", maintained from "", closed from "1990-01-01": these do not follow one another.`: "ouvert : 01/07/2019, maintenu : ?, fermé : 01/01/1990",
		`"labels" is no kind of entity; those are act, label`:                                                      "« labels » n'est aucune de celles-ci : act, label",
		`The name "" is no name, "x" is.`:                                                                          "« x »",
		"It is attached there from that day on already.":                                                           "",
		"centre 0000000000 is known from 2020-01-01 on, not on 2019-01-01":                                         "à compter du 01/01/2020",
	} {
		if got := toldInFrench(strings.TrimSuffix(given, ".")); got != want {
			t.Errorf("%q is told as %q, want %q", given, got, want)
		}
	}
	for said, want := range map[string]string{
		"Lines 3 and 7 of the list are about one site, or go on from one label: an act has one line for it.": "lignes 3 et 7",
		"Line 12 of the list answers otherwise for the same printed network.":                                "ligne 12",
		"The list has no line 40 that this would be an answer about.":                                        "ligne 40",
		"3 labels begin without a stated end.":                                                               "3",
		`publications[0].date: "2023-13-01" is no date of the calendar`:                                      "« 2023-13-01 » — champ",
		"The window 2023 to 2028-12-29 is not that of the cycle, 2023 to 2027.":                              "du 2023 au 29/12/2028, et le cycle du 2023 au 2027",
		"Nothing is asked of the line about SUBJECT_CENTRE: the answer changes nothing.":                     ": centre",
		"The centre of the answer has no site in the network.":                                               "n'existe pas",
	} {
		if got := remarkText(&labellingv1.Remark{Reason: "RESOLUTION_UNKNOWN", Message: said}); !strings.Contains(got, want) {
			t.Errorf("%q is remarked as %q, want %q in it", said, got, want)
		}
	}
	wire := fault.New(fault.NotFound, "LABEL_UNKNOWN", "label_id", "No label is recorded under %q.", "0000000000").GRPCStatus().Err()
	officer := &app{client: Client{Server: "x"}}
	if text, _ := officer.explain(wire); text != "ce label n'est pas au registre — « 0000000000 » — champ « Label » (LABEL_UNKNOWN)" {
		t.Errorf("an officer is told %s", text)
	}
	program := &app{client: Client{Server: "x"}, json: true}
	if text, _ := program.explain(wire); !strings.Contains(text, `[No label is recorded under "0000000000"]`) {
		t.Errorf("a program is told %s", text)
	}
	if text, _ := officer.explain(fault.New(fault.Refused, "LAPSES_NOT_ACCEPTED", "", "--accept-lapses 3")); !strings.Contains(text, " — --accept-lapses 3") {
		t.Errorf("of a verb's own an officer is told %s", text)
	}
	for given, want := range map[*fault.Error]string{
		fault.New(fault.Damaged, "LEDGER_MISSING", "", "no ledger in data"):                                                                          " [no ledger in data] (",
		fault.New(fault.Refused, "LEDGER_TAKEN", "", "another process keeps the ledger of this log; a second one follows it (serve)"):                "le suit) (LEDGER_TAKEN)",
		fault.New(fault.Refused, "KEY_MISSING", "", "checkpoints of this log were signed, and there is no key in data/key/checkpoint"):               "ledger key --new », et annoncez la nouvelle clé publique à qui suit le registre — data/key/checkpoint (KEY_MISSING)",
		fault.New(fault.Damaged, "LEDGER_MISSING", "", "the stream holds 7 positions and there is no ledger in data/x: position 1 is missing there"): " — le journal a 7 positions, et data/x n'en a aucune (",
	} {
		if text, _ := (&app{}).explain(given); !strings.Contains(text, want) {
			t.Errorf("who runs the process is told %s, want %s", text, want)
		}
	}
}

// TestRemarksAreInFrench plans acts that are odd in every way a list can be that does not
// take a whole register, and asks for the French of all that is remarked of them.
func TestRemarksAreInFrench(t *testing.T) {
	source := &eventv1.Basis{Source: "https://example.org/list", Evidence: eventv1.Evidence_EVIDENCE_ACT_READ}
	const filiere, label = "F000000001", "A000000001"
	topo, s := new(topology.State), new(labelling.State)
	registered, err := topology.RegisterFiliere(topo, filiere, &topologyv1.RegisterFiliereRequest{Basis: source, Acronym: "FIL"})
	if err != nil {
		t.Fatal(err)
	}
	registered[0].Meta.Schema = 1
	if err := topo.Evolve(1, registered[0]); err != nil {
		t.Fatal(err)
	}
	granted, err := labelling.GrantLabel(s, topo, labelling.IDs{Label: label}, &labellingv1.GrantLabelRequest{Basis: source, Grant: &labellingv1.Grant{
		Holder: &labellingv1.Grant_FiliereId{FiliereId: filiere}, Role: labellingv1.Role_ROLE_FSMR,
		Period: &eventv1.Period{Start: "2019-01-01", End: "2024-01-01"},
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	granted[0].Meta.Schema = 1
	if err := s.Evolve(2, granted[0]); err != nil {
		t.Fatal(err)
	}

	whole := []*labellingv1.ScopeCell{{Coverage: labellingv1.Coverage_COVERAGE_COMPLETE}}
	filiereLine := func(does labellingv1.Disposition, p *eventv1.Period) *labellingv1.AnnexLine {
		return &labellingv1.AnnexLine{Role: labellingv1.Role_ROLE_FSMR, Filiere: "FIL", Disposition: does, Period: p}
	}
	site := func(role labellingv1.Role, hospital, finess string, heads ...string) *labellingv1.AnnexLine {
		return &labellingv1.AnnexLine{NetworkTitle: "Maladies du sein", Filiere: "AUTRE", Role: role, Establishment: hospital, City: "Dijon", Finess: finess, Heads: heads}
	}
	seen := make(map[string]bool)
	for _, annex := range []*labellingv1.Annex{
		{ScopeDecision: labellingv1.ScopeDecision_SCOPE_DECISION_REPEAL, ScopeDate: "2018-01-01", Scope: whole},
		{ScopeDecision: labellingv1.ScopeDecision_SCOPE_DECISION_EXTEND},
		{ScopeDecision: labellingv1.ScopeDecision_SCOPE_DECISION_EXTEND, Lines: []*labellingv1.AnnexLine{filiereLine(0, nil)}},
		{Lines: []*labellingv1.AnnexLine{filiereLine(labellingv1.Disposition_DISPOSITION_SUSPENDED, &eventv1.Period{Start: "2018-01-01"})}},
		{Lines: []*labellingv1.AnnexLine{filiereLine(labellingv1.Disposition_DISPOSITION_EXTENDED, &eventv1.Period{End: "2023-12-31"})}},
		{Lines: []*labellingv1.AnnexLine{filiereLine(labellingv1.Disposition_DISPOSITION_EXTENDED, nil)}},
		{Lines: []*labellingv1.AnnexLine{filiereLine(labellingv1.Disposition_DISPOSITION_GRANTED, nil), filiereLine(0, nil)}},
		{Lines: []*labellingv1.AnnexLine{filiereLine(labellingv1.Disposition_DISPOSITION_TO_DECIDE, nil)}},
		{Lines: []*labellingv1.AnnexLine{
			site(labellingv1.Role_ROLE_COORDINATOR, "CHU de Dijon", "210780581", "Dr Un", "Dr Deux"), site(0, "Clinique", "210780581"),
			site(labellingv1.Role_ROLE_COORDINATOR, "Hospice", "210780582"),
		}},
		{Lines: []*labellingv1.AnnexLine{site(labellingv1.Role_ROLE_COMPETENCE, "CHU de Dijon", "")}, Nor: "NOR", CycleId: "X", AmendsActId: "X"},
	} {
		annex.Basis, annex.SignedDate = source, "2023-12-26"
		annex.Publications = []*labellingv1.Publication{{Date: "2023-12-25"}}
		p := plan.Reckon(s, topo, bitemporal.Latest, annex, func(string) string { return "" }).Plan
		for _, m := range append(p.GetWarnings(), p.GetRefusals()...) {
			seen[m.GetReason()] = true
			if reasons[m.GetReason()] == "" {
				t.Errorf("%s has no French: %s", m.GetReason(), m.GetMessage())
			}
		}
	}
	for _, reason := range []string{"SCOPE_DATE_OUTSIDE_TERM", "SCOPE_EMPTY", "DAY_OUTSIDE_TERM", "FINESS_PRINTED_TWICE"} {
		if !seen[reason] {
			t.Errorf("nothing was remarked as %s", reason)
		}
	}
}

package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/annex"
	"maillage/services/identifier"
)

// TestAnswersStay: a question asked again keeps what the officer answered before, however
// wrong, beside its new candidates; the other answers stay as they are.
func TestAnswersStay(t *testing.T) {
	file := filepath.Join(t.TempDir(), "answers.csv")
	given := []annex.Resolution{
		{Line: 1, Subject: labellingv1.Subject_SUBJECT_CENTRE, Printed: "before", Decision: labellingv1.Identity_IDENTITY_SAME, ID: "0000000000"},
		{Line: 2, Subject: labellingv1.Subject_SUBJECT_NETWORK, Printed: "other", Decision: labellingv1.Identity_IDENTITY_NEW},
	}
	asked := []*labellingv1.Question{
		{Line: 1, Subject: labellingv1.Subject_SUBJECT_CENTRE, Printed: "after", Candidates: []*labellingv1.Candidate{{EntityId: "1111111111", Label: "a team"}}},
		{Line: 3, Subject: labellingv1.Subject_SUBJECT_CENTRE, Printed: "new"},
	}
	a := &app{stderr: &bytes.Buffer{}}
	p := Particulars{Answers: file}
	if err := p.writeAnswers(a, answers{identities: given}, nil, &labellingv1.Plan{Questions: asked}); err != nil {
		t.Fatal(err)
	}
	answered, err := p.readAnswers()
	if err != nil {
		t.Fatal(err)
	}
	read := answered.identities
	var got []string
	for _, r := range read {
		got = append(got, strings.Join([]string{r.Printed, r.Decision.String(), r.ID}, " "))
	}
	want := "after IDENTITY_SAME 0000000000, other IDENTITY_NEW , new IDENTITY_UNSPECIFIED "
	if s := strings.Join(got, ", "); s != want || len(read[0].Candidates) != 1 {
		t.Errorf("%q, candidates %q; want %q", s, read[0].Candidates, want)
	}
}

// TestLossesAreAnswered: a plan's losses are listed once, to be answered; what is answered
// stays, also where the plan takes no such label any longer; one that a flag names is
// named once.
func TestLossesAreAnswered(t *testing.T) {
	const one, two = "0000000000", "000000001Y"
	three := identifier.NewID()
	lost := func(label string, does labellingv1.Disposition, site string) *labellingv1.Effect {
		return &labellingv1.Effect{LabelId: label, SiteId: site, Disposition: does, NetworkTitle: "MDS", Role: labellingv1.Role_ROLE_COMPETENCE, City: "Dijon"}
	}
	plan := &labellingv1.Plan{Effects: []*labellingv1.Effect{
		lost(one, labellingv1.Disposition_DISPOSITION_EXPIRED, "S"), lost(two, labellingv1.Disposition_DISPOSITION_WITHDRAWN, "S"),
		lost("F", labellingv1.Disposition_DISPOSITION_LAPSED, ""), lost("R", labellingv1.Disposition_DISPOSITION_RENEWED, "S"),
	}}
	var told bytes.Buffer
	a, p := &app{stderr: &told}, Particulars{Answers: filepath.Join(t.TempDir(), "answers.csv"), Collaborator: []id{two, one}}
	given := answers{losses: []annex.Loss{{LabelID: two, Collaborates: true}, {LabelID: three, Printed: "gone", Collaborates: true}, {LabelID: "unchosen"}}}
	act := &labellingv1.Annex{}
	given.into(act, p.Collaborator[:1])
	if got := strings.Join(act.GetCollaboratorLabelIds(), " "); got != two+" "+three {
		t.Errorf("named are %s", got)
	}
	if err := p.writeAnswers(a, given, act, plan); err != nil {
		t.Fatal(err)
	}
	read, err := p.readAnswers()
	if err != nil {
		t.Fatal(err)
	}
	if want := "[{0000000000 MDS / compétence / Dijon false} {000000001Y MDS / compétence / Dijon true} {" + three + " gone true}]"; fmt.Sprint(read.losses) != want {
		t.Errorf("read back are %v", read.losses)
	}
	if !strings.Contains(told.String(), "maillage : 1 label perdu par des centres") || strings.Count(told.String(), "\n") != 1 {
		t.Errorf("told is %q", told.String())
	}
	told.Reset()
	given.into(act, p.Collaborator)
	if err := p.writeAnswers(a, given, act, plan); err != nil || told.Len() > 0 {
		t.Errorf("where all are answered, %v, %q", err, told.String())
	}
	if err := (Particulars{File: "-"}).writeAnswers(a, answers{}, nil, plan); err != nil || !strings.Contains(told.String(), "2 labels perdus") || strings.Contains(told.String(), "colonne") {
		t.Errorf("without a file, %v, %q", err, told.String())
	}
}

package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/annex"
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
	if err := (Particulars{Answers: file}).writeAnswers(a, given, asked); err != nil {
		t.Fatal(err)
	}
	read, err := Particulars{Answers: file}.readAnswers()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range read {
		got = append(got, strings.Join([]string{r.Printed, r.Decision.String(), r.ID}, " "))
	}
	want := "after IDENTITY_SAME 0000000000, other IDENTITY_NEW , new IDENTITY_UNSPECIFIED "
	if s := strings.Join(got, ", "); s != want || len(read[0].Candidates) != 1 {
		t.Errorf("%q, candidates %q; want %q", s, read[0].Candidates, want)
	}
}

package e2e

import (
	"bytes"
	"encoding/csv"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/charmap"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
)

// told runs a verb that must be accepted, and reads the one message it answers with.
func told[M proto.Message](s *server, answer M, args ...string) M {
	s.t.Helper()
	out, errs, code := s.as("preparer", append(args, "--json")...)
	if code != 0 {
		s.t.Fatalf("%v: exit code %d\n%s", args, code, errs)
	}
	must(s.t, protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal([]byte(out), answer))
	return answer
}

// turnedAway runs a verb that a rule must refuse, saying why, and returns what it showed.
func (s *server) turnedAway(who, why string, args ...string) string {
	s.t.Helper()
	before := root(s.t, s)
	out, errs, code := s.as(who, args...)
	if code != 3 || !strings.Contains(errs, why) {
		s.t.Errorf("%v as %s: exit code %d, no %s in %s", args, who, code, why, errs)
	}
	if after := root(s.t, s); after != before {
		s.t.Errorf("%v was refused and wrote: head %s, was %s", args, after, before)
	}
	return out
}

var annexRows = [][]any{
	{"ANNEXE : centres labellisés"},
	{"Intitulé du réseau", "Acronyme", "Type de label", "Établissement de santé", "Ville", "Responsable médical"},
	{"Filière de santé maladies rares RespiFIL"},
	{"Maladies pulmonaires rares", "OrphaLung", "CRMR coordonnateur", "Hospices civils de Lyon", "Lyon", "Dr TÉMOIN UN"},
	{nil, nil, "CCMR", "CHU de Rennes", "Rennes", "Dr TÉMOIN DEUX"},
	{nil, nil, "CCMR", "CHU de Brest", "Brest", "Dr TÉMOIN TROIS"},
	{nil, nil, "CRMR constitutif", "CHU de Nice", "Nice", "Dr TÉMOIN QUATRE"},
}

// asCSV is the annex as a French spreadsheet program saves it: semicolons, Windows-1252.
// A merged cell keeps its text in every row.
func asCSV(t *testing.T) []byte {
	var text bytes.Buffer
	w := csv.NewWriter(&text)
	w.Comma, w.UseCRLF = ';', true
	above := make([]string, len(annexRows[1]))
	for _, row := range annexRows {
		cells := make([]string, len(annexRows[1]))
		for i, v := range row {
			if cells[i], _ = v.(string); v == nil {
				cells[i] = above[i]
			}
		}
		above = cells
		must(t, w.Write(cells))
	}
	w.Flush()
	out, err := charmap.Windows1252.NewEncoder().Bytes(text.Bytes())
	must(t, err)
	return out
}

// asXLSX is the annex as a workbook, laid out for people.
func asXLSX(t *testing.T) []byte {
	f := excelize.NewFile()
	for i, row := range annexRows {
		at, err := excelize.CoordinatesToCellName(1, i+1)
		must(t, err)
		must(t, f.SetSheetRow("Sheet1", at, &row))
	}
	for _, merged := range []string{"A1:F1", "A3:F3", "A4:A7", "B4:B7"} {
		from, to, _ := strings.Cut(merged, ":")
		must(t, f.MergeCell("Sheet1", from, to))
	}
	var out bytes.Buffer
	must(t, f.Write(&out))
	return out.Bytes()
}

// TestTwoPeople takes an act from its annex to the register through the public verbs: one
// officer plans, answers and prepares, the register moves, another one approves.
func TestTwoPeople(t *testing.T) {
	for name, file := range map[string]func(*testing.T) []byte{"annexe.csv": asCSV, "annexe.xlsx": asXLSX} {
		t.Run(name, func(t *testing.T) {
			annex, data := filepath.Join(t.TempDir(), name), t.TempDir()
			must(t, os.WriteFile(annex, file(t), 0o600))
			d := deskOf(t, start(t, data))
			twoPeople(d, annex)
			d.stop()
			if found := filesWith(t, data, "TÉMOIN"); len(found) == 0 || slices.ContainsFunc(found, func(f string) bool { return !strings.HasPrefix(f, "vault"+string(filepath.Separator)) }) {
				t.Errorf("names of persons stand in %v, and belong in the vault alone", found)
			}
		})
	}
}

// filesWith are the files below a directory that hold a text.
func filesWith(t *testing.T, dir, text string) (found []string) {
	t.Helper()
	must(t, fs.WalkDir(os.DirFS(dir), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		content, err := os.ReadFile(filepath.Join(dir, path))
		if bytes.Contains(content, []byte(text)) {
			found = append(found, path)
		}
		return err
	}))
	return found
}

func twoPeople(d *desk, annex string) {
	t := d.t
	t.Helper()
	moving := registerBefore(d)
	act := func(verb, file, title, signed string) []string {
		return []string{
			"act", verb, file, "--title", title, "--signed", signed, "--published", "BO Santé|2023/24|121-122|2023-12-29", "--cycle", "2023-2028",
			"--start", "2023-12-29", "--end", "2028-12-29", "--scope", "RespiFIL||complète", "--source", "https://example.org/bulletin",
		}
	}
	first := func(verb string) []string { return act(verb, annex, "Arrêté du 26 décembre 2023", "2023-12-26") }

	// One plans, and is asked.
	plan := told(d.server, &labellingv1.Plan{}, first("plan")...)
	checkCounts(t, plan, 4)
	if len(plan.GetQuestions()) == 0 {
		t.Fatal("two teams of Brest, and nothing is asked")
	}
	d.turnedAway("preparer", "PLAN_OPEN", first("prepare")...)
	answer(t, annex+".identites.csv")
	plan = told(d.server, &labellingv1.Plan{}, first("plan")...)
	checkCounts(t, plan, 4)
	if len(plan.GetQuestions())+len(plan.GetRefusals()) > 0 || lostOf(plan) != 2 {
		t.Fatalf("after the answers: questions %v, refusals %v, %d lost", plan.GetQuestions(), plan.GetRefusals(), lostOf(plan))
	}
	draft := told(d.server, &labellingv1.PrepareActResponse{}, first("prepare")...).GetDraftId()
	d.turnedAway("preparer", "SAME_PERSON", "act", "approve", draft)
	d.turnedAway("approver", "LAPSES_NOT_ACCEPTED", "act", "approve", draft)

	// The register moves.
	if _, errs, code := d.as("somebody", "label", "repeal", moving, "--from", "2022-01-01", "--source", "https://example.org/decision"); code != 0 {
		t.Fatalf("repeal: exit code %d\n%s", code, errs)
	}
	shown := d.turnedAway("approver", "PLAN_CHANGED", "act", "approve", draft, "--accept-lapses", "2")
	if !strings.Contains(shown, "Effets en moins") || !strings.Contains(shown, moving) {
		t.Errorf("the difference is not shown: %s", shown)
	}
	var same labellingv1.GetDraftResponse
	inJSON := d.turnedAway("approver", "PLAN_CHANGED", "act", "approve", draft, "--accept-lapses", "2", "--json")
	must(t, protojson.Unmarshal([]byte(inJSON), &same))
	now := told(d.server, &labellingv1.GetDraftResponse{}, "act", "drafts", draft)
	if !proto.Equal(&same, now) {
		t.Errorf("in JSON the difference is %s", inJSON)
	}
	if lostOf(now.GetPlan()) != 1 || len(now.GetRemoved()) != 1 || now.GetRemoved()[0].GetLabelId() != moving {
		t.Errorf("now %d are lost, and the difference is +%v -%v", lostOf(now.GetPlan()), now.GetAdded(), now.GetRemoved())
	}
	effects := hex.EncodeToString(now.GetPlan().GetEffectsSha256())
	d.turnedAway("approver", "LAPSES_NOT_ACCEPTED", "act", "approve", draft, "--effects", effects, "--accept-lapses", "2")
	if _, errs, code := d.as("approver", "act", "approve", draft, "--effects", effects, "--accept-lapses", "1"); code != 0 {
		t.Fatalf("approve: exit code %d\n%s", code, errs)
	}
	d.turnedAway("approver", "DRAFT_CLOSED", "act", "approve", draft, "--accept-lapses", "1")
	id := told(d.server, &labellingv1.GetDraftResponse{}, "act", "drafts", draft).GetDraft().GetActId()
	checkSignatures(d, id, draft)
	checkReadBack(d, id, func(file string) []string { return act("plan", file, "Arrêté du 10 janvier 2024", "2024-01-10") })
}

// registerBefore registers what the annex is about, and returns the label of Nancy.
func registerBefore(d *desk) string {
	filiere, c2017 := d.filiere("RespiFIL"), d.cycle("2017-2022", "2017", "2022")
	d.cycle("2023-2028", "2023", "2028")
	network := d.network("Maladies pulmonaires rares", "OrphaLung", filiere)
	d.hospital("CHU de Nice", "Nice", "06")
	brest := d.hospital("CHU de Brest", "Brest", "29")
	for centre, role := range map[string]labellingv1.Role{
		d.centre("Pneumologie", d.hospital("Hospices civils de Lyon", "Lyon", "69")): coordinator,
		d.centre("", d.hospital("CHU de Rennes", "Rennes", "35")):                    competence,
		d.centre("Équipe une", brest):                                                competence,
		d.centre("Équipe deux", brest):                                               competence,
	} {
		d.granted(in2017(centre, network, role, c2017))
	}
	nancy, _ := d.granted(in2017(d.centre("", d.hospital("CHU de Nancy", "Nancy", "54")), network, competence, c2017))
	return nancy
}

// checkCounts checks that what a plan counts of its lines adds up to them.
func checkCounts(t *testing.T, p *labellingv1.Plan, lines uint32) {
	t.Helper()
	sum := uint32(0)
	for _, n := range p.GetCounts() {
		if n.GetOfLines() {
			sum += n.GetLabels()
		}
	}
	if sum != lines {
		t.Errorf("%d lines are counted, of %d: %v", sum, lines, p.GetCounts())
	}
}

func lostOf(p *labellingv1.Plan) (n int) {
	for _, e := range p.GetEffects() {
		if d := e.GetDisposition(); d == labellingv1.Disposition_DISPOSITION_LAPSED || d == labellingv1.Disposition_DISPOSITION_EXPIRED {
			n++
		}
	}
	return n
}

// answer fills in the file of questions, as an officer does: the first candidate, or new.
func answer(t *testing.T, file string) {
	t.Helper()
	fillIn(t, file, func(cell func(column string) *string) {
		if *cell("objet") == "perte" {
			return
		}
		*cell("décision") = "nouveau"
		if first, _, _ := strings.Cut(*cell("candidats"), " "); first != "" {
			*cell("décision"), *cell("id") = "identique", first
		}
	})
}

// fillIn fills in each row of the file of answers, and saves it as a spreadsheet program
// does.
func fillIn(t *testing.T, file string, fill func(cell func(column string) *string)) {
	t.Helper()
	text, err := os.ReadFile(file)
	must(t, err)
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	r.Comma = ';'
	rows, err := r.ReadAll()
	must(t, err)
	for _, row := range rows[1:] {
		fill(func(column string) *string { return &row[slices.Index(rows[0], column)] })
	}
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	w.Comma = ';'
	must(t, w.WriteAll(rows))
	must(t, os.WriteFile(file, out.Bytes(), 0o600))
}

// checkSignatures checks that history tells who prepared and who approved.
func checkSignatures(d *desk, act, draft string) {
	d.t.Helper()
	_, facts := d.facts(act)
	_, prepared := d.facts(draft)
	preparer := prepared[0].GetLabelling().GetMeta().GetActor().GetAccount()
	if preparer == "" || prepared[0].GetLabelling().GetMeta().GetApprover() != nil {
		d.t.Errorf("prepared by %v", prepared[0].GetLabelling().GetMeta())
	}
	if len(facts) < 6 { // the act, its four lines, the one it left out
		d.t.Errorf("%d facts rest on the act", len(facts))
	}
	size := metaOf(facts[0]).GetCommitSize()
	for _, f := range facts {
		m := metaOf(f)
		if m.GetActor().GetAccount() != preparer || m.GetApprover().GetAccount() == "" || m.GetApprover().GetAccount() == preparer || m.GetCommitSize() != size {
			d.t.Errorf("position %d: actor %v, approver %v, commit of %d", f.GetPosition(), m.GetActor(), m.GetApprover(), m.GetCommitSize())
		}
	}
}

// checkReadBack reads an act's effects, annex and memo back, and plans the annex again.
func checkReadBack(d *desk, act string, again func(file string) []string) {
	t, dir := d.t, d.t.TempDir()
	t.Helper()
	out, errs, code := d.cli("act", "effects", act, "--json")
	if code != 0 {
		t.Fatalf("effects: %s", errs)
	}
	did := map[labellingv1.Disposition]int{}
	for line := range strings.Lines(out) {
		e := &registryv1.ActEffect{}
		must(t, protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal([]byte(line), e))
		did[e.GetDisposition()]++
	}
	if did[labellingv1.Disposition_DISPOSITION_RENEWED] != 3 || did[labellingv1.Disposition_DISPOSITION_GRANTED] != 1 || did[labellingv1.Disposition_DISPOSITION_EXPIRED] != 1 {
		t.Errorf("it did %v", did)
	}
	list, book, memo := filepath.Join(dir, "liste.csv"), filepath.Join(dir, "liste.xlsx"), filepath.Join(dir, "note.md")
	if _, errs, code := d.cli("act", "annex", act, "--csv", list, "--xlsx", book, "--memo", memo); code != 0 {
		t.Fatalf("annex: %s", errs)
	}
	text, err := os.ReadFile(memo)
	must(t, err)
	for _, said := range []string{"Nice", "Brest", "renouvelé"} {
		if !strings.Contains(string(text), said) {
			t.Errorf("no %q in the memo:\n%s", said, text)
		}
	}
	for _, file := range []string{list, book} {
		p := told(d.server, &labellingv1.Plan{}, again(file)...)
		checkCounts(t, p, 4)
		for _, e := range p.GetEffects() {
			if e.GetDisposition() != labellingv1.Disposition_DISPOSITION_CONFIRMED || len(e.GetChanges()) > 0 {
				t.Errorf("%s planned again: %v", filepath.Base(file), e)
			}
		}
		if len(p.GetTopology())+len(p.GetQuestions())+len(p.GetRefusals()) > 0 {
			t.Errorf("%s planned again: topology %v, questions %v, refusals %v", filepath.Base(file), p.GetTopology(), p.GetQuestions(), p.GetRefusals())
		}
	}
}

// TestBatchOfSuccessions takes a batch of changes of heads, as the ministry's committee
// examined them in 2020 for the years since 2017, through the public verbs.
func TestBatchOfSuccessions(t *testing.T) {
	d := newDesk(t)
	network := d.network("Maladies pulmonaires rares", "OrphaLung", d.filiere("RespiFIL"))
	c2017 := d.cycle("2017-2022", "2017", "2022")
	var sites []string
	for _, place := range [][3]string{{"CHU de Lyon", "Lyon", "69"}, {"CHU de Brest", "Brest", "29"}} {
		g := in2017(d.centre("", d.hospital(place[0], place[1], place[2])), network, competence, c2017)
		g.HeadName = "Dr AVANT " + place[1]
		_, site := d.granted(g)
		sites = append(sites, site)
	}
	file := filepath.Join(t.TempDir(), "successions.csv")
	must(t, os.WriteFile(file, []byte("Réseau;Établissement;Ville;Responsable sortant;Responsable entrant;Date;Avis du CSL\n"+
		"OrphaLung;CHU de Lyon;Lyon;Dr AVANT Lyon;Dr APRÈS Lyon;01/03/2018;Favorable\n"+
		"OrphaLung;CHU de Brest;Brest;Dr AVANT Brest;;01/09/2019;\n"), 0o600))
	args := func(verb string) []string {
		return []string{"act", verb, file, "--source", "https://example.org/csl-2020"}
	}
	plan := told(d.server, &labellingv1.Plan{}, args("plan")...)
	if len(plan.GetQuestions())+len(plan.GetRefusals()) > 0 || len(plan.GetEffects()) != 2 {
		t.Fatalf("effects %v, questions %v, refusals %v", plan.GetEffects(), plan.GetQuestions(), plan.GetRefusals())
	}
	rejected := told(d.server, &labellingv1.PrepareActResponse{}, args("prepare")...).GetDraftId()
	if _, errs, code := d.as("approver", "act", "reject", rejected, "--reason", "liste incomplète"); code != 0 {
		t.Fatalf("reject: exit code %d\n%s", code, errs)
	}
	d.turnedAway("approver", "DRAFT_CLOSED", "act", "approve", rejected)
	if r := told(d.server, &labellingv1.GetDraftResponse{}, "act", "drafts", rejected); r.GetDraft().GetReason() != "liste incomplète" || r.GetAnnex() != nil {
		t.Errorf("once rejected: %v", r)
	}
	draft := told(d.server, &labellingv1.PrepareActResponse{}, args("prepare")...).GetDraftId()
	d.turnedAway("preparer", "SAME_PERSON", "act", "approve", draft)
	if _, errs, code := d.as("approver", "act", "approve", draft); code != 0 {
		t.Fatalf("approve: exit code %d\n%s", code, errs)
	}
	for _, tc := range []struct{ day, town, head string }{
		{"2020-05-22", "Lyon", "Dr APRÈS Lyon"},
		{"2017-12-01", "Brest", "Dr AVANT Brest"}, // known by the label alone, until the post is vacant
		{"2020-05-22", "Brest", ""},
	} {
		var held []string
		for _, o := range d.labels(&registryv1.ListLabelsRequest{AsOf: on(tc.day), Text: tc.town})[0].GetOffices() {
			held = append(held, o.GetName())
		}
		if got := strings.Join(held, ", "); got != tc.head {
			t.Errorf("at %s on %s the heads are %q, want %q", tc.town, tc.day, got, tc.head)
		}
	}
	if !d.todo("2020-05-22", registryv1.TodoKind_TODO_KIND_VACANCY, sites[1]) {
		t.Error("the vacancy of Brest waits for nobody")
	}
}

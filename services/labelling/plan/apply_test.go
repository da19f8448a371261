package plan

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/fact"
	"maillage/services/labelling"
)

// factsOf are the names of events, in order.
func factsOf(events []fact.Event) string {
	var names []string
	for _, e := range events {
		m := e.ProtoReflect()
		names = append(names, string(m.WhichOneof(m.Descriptor().Oneofs().ByName("fact")).Name()))
	}
	return strings.Join(names, " ")
}

// TestAListOfCentresIsAboutThemAlone: the label of a filière, which comes by acts of its
// own, is in abeyance after its term, whatever list of centres has had effect since.
func TestAListOfCentresIsAboutThemAlone(t *testing.T) {
	w := newWorld(t)
	dijon(w)
	w.labelling(labelling.GrantLabel(w.s, w.topo, labelling.IDs{Label: id("AF")}, &labellingv1.GrantLabelRequest{Basis: source, Grant: &labellingv1.Grant{
		Holder: &labellingv1.Grant_FiliereId{FiliereId: id("FIL1")}, Role: labellingv1.Role_ROLE_FSMR, CycleId: id("OLD"),
		Period: &eventv1.Period{Start: "2017", End: "2022"},
	}}, nil))
	w.apply(act(everything(), row("MDS", coordinator, "CHU de Dijon", "Dijon")))
	day, err := bitemporal.ParseDate("2024-06-01")
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := w.s.StatusAt(id("AF"), day, bitemporal.Latest, w.topo); got != labellingv1.Status_STATUS_IN_ABEYANCE {
		t.Errorf("beside a list of centres it is %v", got)
	}
}

func TestApply(t *testing.T) {
	w := newWorld(t)
	dijon(w)
	w.network("NET2", "Maladies du cou", "", "FIL1")
	w.team("CN", "HB", "")
	w.label("N", "CN", "NET2", coordinator, "")
	annex := answered(act(everything(),
		lineWith(row("Cancers du sein", coordinator, "CHU de Dijon", "Dijon", "Dr Anne Martin"), func(l *labellingv1.AnnexLine) {
			l.NetworkAcronym, l.Filiere, l.Number, l.RoleAsPrinted = "MDS", "FIL2", 71, "coordonnateur"
			l.AsPrinted = []*eventv1.Printed{{Field: "ville", Value: "DIJON"}}
		}),
		lineWith(row("Cou et tête", coordinator, "Hôpital neuf", "Nancy"), func(l *labellingv1.AnnexLine) { l.Finess, l.DepartmentCode = "210780582", "54" }),
		row("Cou et tête", competence, "", "Metz"),
		row("Oreille", coordinator, "", "Metz"),
	), answer(2, aboutNetwork, isSuccessor, "NET2"), answer(4, aboutNetwork, isUnknown, ""), answer(3, aboutCentre, isSuccessor, "CN"))
	events := w.apply(annex)
	want := "establishment_registered network_registered network_renamed network_attached centre_registered centre_registered network_succeeded centre_succeeded " +
		"act_recorded label_renewed label_granted label_renewed assertion_recorded label_lapsed"
	if got := factsOf(events); got != want {
		t.Errorf("the facts are\n%s\nwant\n%s", got, want)
	}
	var recorded *labellingv1.ActRecorded
	for _, e := range events {
		if e, ok := e.(*labellingv1.Event); ok && e.GetActRecorded() != nil {
			recorded = e.GetActRecorded()
		}
	}
	if !recorded.GetAbsencesStated() || recorded.GetLineCount() != 4 || recorded.GetEffectiveDate() != "" {
		t.Errorf("the act is %v", recorded)
	}
	for _, e := range events {
		if b := e.GetMeta().GetBasis(); e != events[8] && (b.GetActId() != recorded.GetActId() || b.GetSource() != source.GetSource()) {
			t.Errorf("%v rests on %v", e, b)
		}
	}
	if b := events[9].GetMeta().GetBasis(); b.GetActLine() != 71 || b.GetAsPrinted()[0].GetValue() != "DIJON" {
		t.Errorf("line 1 rests on %v", b)
	}
	if b := events[10].GetMeta().GetBasis(); b.GetActLine() != 2 || b.GetAsPrinted()[0].GetValue() != "210780582" {
		t.Errorf("a bad FINESS number is kept as %v", b)
	}
	if h := events[0].(*topologyv1.Event).GetEstablishmentRegistered(); h.GetFiness() != "" || h.GetPlace().GetDepartmentCode() != "54" {
		t.Errorf("the new hospital is %v", h)
	}
	l := events[9].(*labellingv1.Event).GetLabelRenewed()
	if l.GetLabelId() != id("A") || l.GetRoleAsPrinted() != "coordonnateur" || l.GetCycleId() != id("NEW") || w.vault[l.GetHead().GetValueId()] != "Dr Anne Martin" {
		t.Errorf("line 1 is %v", l)
	}
	if a := events[12].(*labellingv1.Event).GetAssertionRecorded(); a.GetEntityId() != recorded.GetActId() || !strings.Contains(a.GetValue(), "Oreille") {
		t.Errorf("line 4 is kept as %v", a)
	}
	if f := events[13].(*labellingv1.Event).GetLabelLapsed(); f.GetLabelId() != id("B") || f.GetLapsedFrom() != "2023-12-29" {
		t.Errorf("what is left out is %v", f)
	}
}

// TestASplitClosesOnce: what is split leads to each of those that take its place.
func TestASplitClosesOnce(t *testing.T) {
	population := func(p topologyv1.Population) func(*labellingv1.AnnexLine) {
		return func(l *labellingv1.AnnexLine) { l.Population = p }
	}
	for name, annex := range map[string]*labellingv1.Annex{
		"a team": answered(act(nil,
			lineWith(row("MDS", coordinator, "CHU de Dijon", "Dijon"), population(adult)),
			lineWith(row("MDS", competence, "CHU de Dijon", "Dijon"), population(child))),
			answer(1, aboutCentre, isSuccessor, "CD"), answer(2, aboutCentre, isSuccessor, "CD"), answer(2, aboutLabel, isNew, "")),
		"a network": answered(act(nil, row("Sein", coordinator, "CHU de Dijon", "Dijon"), row("Cou", coordinator, "CHU de Besançon", "Besançon")),
			answer(1, aboutNetwork, isSuccessor, "NET"), answer(2, aboutNetwork, isSuccessor, "NET")),
	} {
		w := newWorld(t)
		dijon(w)
		w.apply(annex)
		centre, _ := w.topo.Centres.Last(id("CD"), bitemporal.Latest)
		network, _ := w.topo.Networks.Last(id("NET"), bitemporal.Latest)
		if after := append(centre.GetSuccessorIds(), network.GetSuccessorIds()...); len(after) != 2 {
			t.Errorf("%s is succeeded by %v", name, after)
		}
	}
}

func TestApplyRefuses(t *testing.T) {
	w := newWorld(t)
	dijon(w)
	for reason, annex := range map[string]*labellingv1.Annex{
		"PLAN_OPEN":      act(nil, row("MDS", coordinator, "", "")),
		"ACT_NOT_SIGNED": edited(act(nil, row("MDS", coordinator, "CHU de Dijon", "Dijon")), func(a *labellingv1.Annex) { a.SignedDate = "" }),
	} {
		_, err := w.reckon(annex).Apply(w.mint, func(int) *eventv1.PersonalValue { return nil })
		mustRefuse(t, err, reason)
	}
}

func TestEachDispositionIsItsEvent(t *testing.T) {
	for stated, want := range map[labellingv1.Disposition]string{
		granted: "label_granted", renewed: "label_renewed", confirmed: "label_confirmed", lapsed: "label_lapsed", expired: "label_lapsed",
		repealed: "label_repealed", extended: "label_extended", withdrawn: "label_withdrawn", amended: "label_amended",
		undetermined: "assertion_recorded", suspended: "label_suspended", annulled: "label_annulled",
	} {
		w := newWorld(t)
		dijon(w)
		annex := act(nil, lineWith(row("MDS", coordinator, "CHU de Dijon", "Dijon"), func(l *labellingv1.AnnexLine) {
			l.Disposition, l.Period = stated, &eventv1.Period{Start: "2024-01-01", End: "2028-06-30"}
		}))
		if got := factsOf(w.apply(annex)); got != "act_recorded "+want {
			t.Errorf("%s: the facts are %q", stated, got)
		}
	}
}

func TestSuccessions(t *testing.T) {
	w := newWorld(t)
	twins()(w)
	w.hospital("HB", "CHU de Besançon", "Besançon")
	w.team("CB", "HB", "")
	w.label("K", "CB", "NET", constitutive, "Dr Eve Noir")
	annex := &labellingv1.Annex{Basis: source, SignedDate: "2024-02-01", Successions: []*labellingv1.Succession{
		{Network: "mds", Establishment: "CHU de Besançon", Outgoing: "Dr Luc Blanc", Incoming: "Pr Zoé Gris", Date: "2023-09", OpinionBody: "CSL", OpinionFavourable: true, Approval: labellingv1.Approval_APPROVAL_APPROVED},
		{Network: "MDS", Establishment: "CHU de Dijon", Outgoing: "Durand Paul", Incoming: "Dr Ida Vert", Date: "2023"},
		{Network: "MDS", Establishment: "CHU de Dijon", Role: coordinator, Outgoing: "Dr Anne Martin", Date: "2023"},
	}}
	r := w.reckon(annex)
	w.checkPlan(annex, r.Plan)
	want := `1 succeeded K000000000 constitutive CB00000000 in NET0000000 head
2 succeeded B000000000 competence C200000000 in NET0000000 head
3 succeeded A000000000 coordinator C100000000 in NET0000000 head
1 warns OUTGOING_OTHER
`
	if got := said(r.Plan); got != want {
		t.Errorf("the plan is\n%s\nwant\n%s", got, want)
	}
	events, err := r.Apply(w.mint, func(i int) *eventv1.PersonalValue { return w.head(annex.GetSuccessions()[i].GetIncoming()) })
	if err != nil {
		t.Fatal(err)
	}
	if got := factsOf(events); got != "office_taken office_reviewed office_approved office_taken office_taken office_left" {
		t.Errorf("the facts are %q", got)
	}
	undated := &labellingv1.Annex{Basis: source, Successions: []*labellingv1.Succession{{Network: "MDS", Establishment: "CHU de Besançon", Outgoing: "Dr Eve Noir"}}}
	if got := said(w.reckon(undated).Plan); !strings.Contains(got, "1 refuses DATE_MISSING") {
		t.Errorf("a vacancy of no day: %s", got)
	}
	asked := &labellingv1.Annex{Basis: source, Successions: []*labellingv1.Succession{
		{Network: "MDS", Establishment: "CHU de Dijon", Incoming: "Dr Ida Vert"}, {Network: "nobody"}, {Network: "MDS", City: "Brest"},
	}}
	want = `1 unspecified unspecified in NET0000000
2 unspecified unspecified in
3 unspecified unspecified in NET0000000
1 asks centre C100000000 (place) C200000000 (place)
2 asks network
3 asks centre C100000000 () C200000000 () CB00000000 ()
`
	if got := said(w.reckon(asked).Plan); got != want {
		t.Errorf("the plan is\n%s\nwant\n%s", got, want)
	}
	hospital := &labellingv1.Annex{Basis: source, Successions: []*labellingv1.Succession{{Network: "MDS", Establishment: "Clinique", City: "Dijon", Role: coordinator, Incoming: "Dr Ida Vert"}}}
	w.hospital("H2", "Clinique", "Dijon")
	w.hospital("H3", "Clinique", "Dijon")
	if got := said(w.reckon(hospital).Plan); !strings.Contains(got, "1 asks establishment H200000000 (name) H300000000 (name)") {
		t.Errorf("of two hospitals the plan is\n%s", got)
	}
	if got := said(w.reckon(answered(hospital, answer(1, aboutHospital, isSame, "H2"))).Plan); strings.Contains(got, "establishment") || strings.Contains(got, "RESOLUTION") {
		t.Errorf("answered which hospital, the plan is\n%s", got)
	}
}

// TestHeadsFollowOneAnother: of several successions of one site in a batch, each ends the
// office that the one before it began, and none ends before it began.
func TestHeadsFollowOneAnother(t *testing.T) {
	passing := func(incoming, date string) *labellingv1.Succession {
		return &labellingv1.Succession{Network: "MDS", Establishment: "CHU de Dijon", Incoming: incoming, Date: date}
	}
	batch := func(all ...*labellingv1.Succession) *labellingv1.Annex {
		return &labellingv1.Annex{Basis: source, Successions: all}
	}
	w := newWorld(t)
	dijon(w)
	w.apply(batch(passing("Dr Luc Blanc", "2019")))
	w.apply(batch(passing("Dr Ida Vert", "2023-04"), passing("Pr Zoé Gris", "2023-07-01"), passing("", "2024")))
	var got []string
	for id := range w.s.Offices.IDs() {
		o, _ := w.s.Offices.Last(id, bitemporal.Latest)
		got = append(got, o.GetPeriod().GetStart()+" to "+o.GetPeriod().GetEnd())
	}
	if want := []string{"2019 to 2023-04", "2023-04 to 2023-07-01", "2023-07-01 to 2024"}; !slices.Equal(got, want) {
		t.Errorf("the offices are %q, want %q", got, want)
	}

	w = newWorld(t)
	dijon(w)
	w.apply(batch(passing("Dr Luc Blanc", "2019")))
	for reason, annex := range map[string]*labellingv1.Annex{
		"DATE_MISSING": batch(passing("Dr Ida Vert", "")),
		"PERIOD_EMPTY": batch(passing("Dr Ida Vert", "2018")),
	} {
		if got := said(w.reckon(annex).Plan); !strings.Contains(got, "1 refuses "+reason) {
			t.Errorf("want %s:\n%s", reason, got)
		}
	}
	if got := said(w.reckon(batch(passing("Dr Ida Vert", "2023"), passing("Pr Zoé Gris", "2022"))).Plan); !strings.Contains(got, "2 refuses PERIOD_EMPTY") {
		t.Errorf("want PERIOD_EMPTY:\n%s", got)
	}
}

func TestDigestIsOfWhatIsDone(t *testing.T) {
	annex := act(everything(), row("MDS", coordinator, "CHU de Dijon", "Dijon", "Dr Luc Blanc"), row("Cou", coordinator, "", "Metz"))
	w := newWorld(t)
	dijon(w)
	plan := w.reckon(annex).Plan
	w.ids += 500 // other ids are minted, and the log has moved
	w.network("NET2", "Maladies de Parme", "", "")
	moved := w.reckon(annex).Plan
	moved.Position = 12
	w.vault = map[string]string{} // whoever it was is erased
	erased := w.reckon(annex).Plan
	if !bytes.Equal(Digest(plan), Digest(moved)) {
		t.Error("moved: the digest is another")
	}
	if len(plan.GetEffects()[0].GetChanges()) == 0 || len(erased.GetEffects()[0].GetChanges()) != 0 {
		t.Error("the head is no change, or still one where nobody knows who it was")
	}
	if len(plan.GetEffectsSha256()) != 32 || !bytes.Equal(Digest(plan), plan.GetEffectsSha256()) {
		t.Error("the plan bears another digest")
	}
	for name, edit := range map[string]func(*labellingv1.Plan){
		"role":     func(p *labellingv1.Plan) { p.Effects[0].Role = competence },
		"period":   func(p *labellingv1.Plan) { p.Effects[0].Period = nil },
		"order":    func(p *labellingv1.Plan) { slices.Reverse(p.Effects) },
		"head":     func(p *labellingv1.Plan) { p.Effects[0].Changes = nil },
		"change":   func(p *labellingv1.Plan) { p.Effects[0].Changes = []*labellingv1.Change{{Field: "role"}} },
		"topology": func(p *labellingv1.Plan) { p.Topology = nil },
		"fewer":    func(p *labellingv1.Plan) { p.Effects = p.Effects[:1] },
	} {
		p := proto.CloneOf(plan)
		edit(p)
		if bytes.Equal(Digest(plan), Digest(p)) {
			t.Errorf("%s: the digest is the same", name)
		}
	}
	later := proto.CloneOf(plan)
	later.Effects[0].Role, later.Topology = competence, nil
	added, removed := Difference(plan, later)
	if e := added.GetEffects(); len(e) != 1 || e[0].GetRole() != competence || len(added.GetTopology()) != 0 {
		t.Errorf("added %v", added)
	}
	if e := removed.GetEffects(); len(e) != 1 || e[0].GetRole() != coordinator || len(removed.GetTopology()) != len(plan.GetTopology()) {
		t.Errorf("removed %v", removed)
	}
	if added, removed := Difference(plan, moved); len(added.GetEffects())+len(removed.GetEffects())+len(added.GetTopology())+len(removed.GetTopology()) != 0 {
		t.Errorf("added %v, removed %v", added, removed)
	}
}

// TestWhatIsAppliedIsWhatWasPrinted: whatever the register, the dispositions of an act
// add up to its lines, its events fold, and then every line's label is open with the
// role printed.
func TestWhatIsAppliedIsWhatWasPrinted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, annex := drawn(t)
		settle(t, w, annex)
		w.apply(annex)
		open := w.openLabels("2024-01-15")
		var held, printed []string
		for _, labels := range open {
			for _, l := range labels {
				act, _ := w.s.Acts.Last(l.GetBasis()[len(l.GetBasis())-1].GetActId(), bitemporal.Latest)
				if act != nil {
					n, _ := w.topo.Networks.Last(l.GetHolder().GetSite().GetNetworkId(), bitemporal.Latest)
					held = append(held, n.GetTitle()+" "+l.GetRole().String())
				}
			}
		}
		for _, l := range annex.GetLines() {
			printed = append(printed, l.GetNetworkTitle()+" "+l.GetRole().String())
		}
		slices.Sort(held)
		slices.Sort(printed)
		if !slices.Equal(held, printed) {
			t.Errorf("held\n%s\nprinted\n%s", strings.Join(held, "\n"), strings.Join(printed, "\n"))
		}
	})
}

// settle answers what is asked: the likeliest candidate that no other line took, else
// new.
func settle(t *rapid.T, w *world, annex *labellingv1.Annex) {
	taken := make(map[string]bool)
	for range 100 {
		p := w.reckon(annex).Plan
		w.checkPlan(annex, p)
		if len(p.GetRefusals()) > 0 {
			t.Fatalf("refused: %v", p.GetRefusals())
		}
		if len(p.GetQuestions()) == 0 {
			return
		}
		q := p.GetQuestions()[0]
		a := &labellingv1.Resolution{Line: q.GetLine(), Subject: q.GetSubject(), Identity: isNew}
		for _, c := range q.GetCandidates() {
			if !taken[c.GetEntityId()] {
				a.Identity, a.EntityId = isSame, c.GetEntityId()
				taken[c.GetEntityId()] = true
				break
			}
		}
		annex.Resolutions = append(annex.Resolutions, a)
	}
	t.Fatalf("there is no end to the questions")
}

// TestWhateverIsAnswered: no answer, however mad, takes a line out of the plan, nor lets
// one through that is still open.
func TestWhateverIsAnswered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, annex := drawn(t)
		for range rapid.IntRange(0, 12).Draw(t, "answers") {
			annex.Resolutions = append(annex.Resolutions, answer(
				uint32(rapid.IntRange(0, len(annex.GetLines())+1).Draw(t, "line")),
				labellingv1.Subject(rapid.IntRange(1, 4).Draw(t, "subject")),
				labellingv1.Identity(rapid.IntRange(1, 5).Draw(t, "identity")),
				rapid.SampledFrom([]string{"", "N0", "N1", "C00", "C01", "C10", "AC00", "AC10", "H0", "X"}).Draw(t, "entity"),
			))
		}
		for _, l := range annex.GetLines() {
			l.Disposition = labellingv1.Disposition(rapid.SampledFrom([]int{0, 0, 0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 13, 14}).Draw(t, "disposition"))
		}
		r := w.reckon(annex)
		w.checkPlan(annex, r.Plan)
		events, err := r.Apply(w.mint, func(int) *eventv1.PersonalValue { return nil })
		if open := len(r.Plan.GetQuestions())+len(r.Plan.GetRefusals()) > 0; open != (err != nil) {
			t.Fatalf("open: %t, but %v", open, err)
		}
		for _, e := range events {
			w.fold(e)
		}
	})
}

// drawn is a register and an act about some of it.
func drawn(t *rapid.T) (*world, *labellingv1.Annex) {
	towns := []string{"Dijon", "Nancy", "Metz"}
	roles := []labellingv1.Role{coordinator, constitutive, competence, labellingv1.Role_ROLE_RESOURCE_AND_COMPETENCE}
	w := newWorld(t)
	for i, town := range towns {
		w.hospital(fmt.Sprintf("H%d", i), "CHU de "+town, town)
	}
	for n := range rapid.IntRange(0, 3).Draw(t, "networks") {
		network := fmt.Sprintf("N%d", n)
		w.network(network, "Maladie "+network, "", rapid.SampledFrom([]string{"FIL1", "FIL2", ""}).Draw(t, "filiere"))
		for c := range rapid.IntRange(0, 3).Draw(t, "teams") {
			team := fmt.Sprintf("C%d%d", n, c)
			w.team(team, fmt.Sprintf("H%d", rapid.IntRange(0, 2).Draw(t, "hospital")), "")
			period := rapid.SampledFrom([][]string{{"2017-08-08", "2022-08-08", "OLD"}, {"2006", "2011", "OLD"}, {"2022-01-01", "2027-01-01", "NEW"}, {"2017", "", "OLD"}}).Draw(t, "period")
			w.label("A"+team, team, network, rapid.SampledFrom(roles).Draw(t, "role"), "Dr "+team, period...)
		}
	}
	var lines []*labellingv1.AnnexLine
	for range rapid.IntRange(0, 8).Draw(t, "lines") {
		town := rapid.SampledFrom(towns).Draw(t, "town")
		l := row(fmt.Sprintf("Maladie N%d", rapid.IntRange(0, 4).Draw(t, "network")), rapid.SampledFrom(roles).Draw(t, "role"), "CHU de "+town, town,
			fmt.Sprintf("Pr C%d%d", rapid.IntRange(0, 2).Draw(t, "n"), rapid.IntRange(0, 2).Draw(t, "c")))
		lines = append(lines, l)
	}
	return w, act(rapid.SampledFrom([][]*labellingv1.ScopeCell{everything(), nil, {cell("FIL1", 0, "", complete)}}).Draw(t, "scope"), lines...)
}

// TestTheListOfACitedActIsItsOwn: the act keeps the id by which it is cited.
func TestTheListOfACitedActIsItsOwn(t *testing.T) {
	w := newWorld(t)
	dijon(w)
	w.apply(act(nil))
	cited := slices.Collect(w.s.Acts.IDs())
	w.apply(act(nil, row("MDS", competence, "CHU de Besançon", "Besançon")))
	if got := slices.Collect(w.s.Acts.IDs()); !slices.Equal(got, cited) {
		t.Fatalf("acts %v, cited %v", got, cited)
	}
	a, _ := w.s.Acts.Last(cited[len(cited)-1], bitemporal.Latest)
	next, _ := w.s.Label(id("B"), bitemporal.Latest)
	l, _ := w.s.Label(next.GetSuccessorId(), bitemporal.Latest)
	if a.GetLineCount() != 1 || !a.GetAbsencesStated() || len(l.GetBasis()) != 1 || l.GetBasis()[0].GetActId() != a.GetActId() {
		t.Errorf("act %v, label %v", a, l)
	}
}

package plan

import (
	"fmt"
	"strings"
	"testing"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/bitemporal"
)

// remarked holds what a plan warns of and refuses to what is wanted, a line and reason
// each.
func remarked(t *testing.T, w *world, annex *labellingv1.Annex, want ...string) {
	t.Helper()
	p := w.reckon(annex).Plan
	w.checkPlan(annex, p)
	var got []string
	for _, m := range append(p.GetWarnings(), p.GetRefusals()...) {
		got = append(got, fmt.Sprintf("%d %s", m.GetLine(), m.GetReason()))
	}
	if g, w := strings.Join(got, ", "), strings.Join(want, ", "); g != w {
		t.Errorf("remarks are %q, want %q", g, w)
	}
}

func TestWhatIsOddStands(t *testing.T) {
	first := func() *labellingv1.AnnexLine { return row("MDS", coordinator, "CHU de Dijon", "Dijon") }
	second := func() *labellingv1.AnnexLine { return row("MDS", competence, "CHU de Besançon", "Besançon") }
	for name, c := range map[string]struct {
		when *labellingv1.Annex
		want []string
	}{
		"nothing":               {act(everything(), first(), second()), nil},
		"two coordinators":      {act(nil, first(), row("MDS", coordinator, "CHU de Besançon", "Besançon")), []string{"2 COORDINATORS_SEVERAL"}},
		"another act's":         {act(nil, row("MDS", coordinator, "CHU de Besançon", "Besançon")), []string{"1 COORDINATORS_SEVERAL"}},
		"no coordinator":        {act(everything(), row("MDS", constitutive, "CHU de Dijon", "Dijon"), second()), []string{"1 COORDINATOR_MISSING"}},
		"unattached":            {act(everything(), second()), []string{"1 COORDINATOR_MISSING", "1 COMPETENCE_UNATTACHED"}},
		"attached by another":   {act(nil, second()), nil},
		"role not printed":      {act(nil, row("MDS", 0, "CHU de Dijon", "Dijon")), []string{"1 ROLE_NOT_PRINTED"}},
		"reference":             {act(nil, row("MDS", labellingv1.Role_ROLE_REFERENCE, "CHU de Dijon", "Dijon")), []string{"1 ROLE_NOT_PRINTED"}},
		"several heads":         {act(nil, row("MDS", coordinator, "CHU de Dijon", "Dijon", "Dr Un", "Dr Deux")), []string{"1 HEADS_SEVERAL"}},
		"a bad FINESS":          {act(nil, lineWith(first(), func(l *labellingv1.AnnexLine) { l.Finess = "210780582" })), []string{"1 FINESS_PRINTED_WRONG"}},
		"published too early":   {edited(act(nil, first()), func(a *labellingv1.Annex) { a.SignedDate = "2024-01-02" }), []string{"0 PUBLISHED_BEFORE_SIGNED"}},
		"another window":        {edited(act(nil, first()), func(a *labellingv1.Annex) { a.LabelPeriod.End = "2027" }), []string{"0 WINDOW_OTHER"}},
		"no end":                {edited(act(nil, first()), func(a *labellingv1.Annex) { a.LabelPeriod.End = "" }), []string{"0 END_NOT_STATED"}},
		"an end before a start": {edited(act(nil, first()), func(a *labellingv1.Annex) { a.LabelPeriod.End = "2023-12-29" }), []string{"0 PERIOD_EMPTY"}},
		"of a line":             {act(nil, lineWith(first(), func(l *labellingv1.AnnexLine) { l.Period = &eventv1.Period{Start: "2024", End: "2023"} })), []string{"1 PERIOD_EMPTY"}},
		"no such day":           {edited(act(nil, first()), func(a *labellingv1.Annex) { a.SignedDate = "2023-02-30" }), []string{"0 DATE_INVALID"}},
		"suspended for a month": {act(nil, lineWith(first(), func(l *labellingv1.AnnexLine) {
			l.Disposition, l.Period = suspended, &eventv1.Period{Start: "2022-01", End: "2022-06-30"}
		})), []string{"1 DATE_INVALID"}},
		"extended for ever":      {act(nil, lineWith(first(), func(l *labellingv1.AnnexLine) { l.Disposition = extended })), []string{"1 END_MISSING"}},
		"one number twice":       {act(nil, lineWith(first(), func(l *labellingv1.AnnexLine) { l.Number = 2 }), second()), []string{"2 LINE_NUMBER_TWICE"}},
		"no such cycle":          {edited(act(nil, first()), func(a *labellingv1.Annex) { a.CycleId = id("X") }), []string{"0 CYCLE_UNKNOWN"}},
		"no such filière":        {act([]*labellingv1.ScopeCell{cell("X", 0, "", complete)}, first(), second()), []string{"0 FILIERE_UNKNOWN"}},
		"no such act":            {edited(act(nil, first()), func(a *labellingv1.Annex) { a.AmendsActId = id("X") }), []string{"0 ACT_UNKNOWN"}},
		"no NOR":                 {edited(act(nil, first()), func(a *labellingv1.Annex) { a.Nor = "NOR" }), []string{"0 NOR_INVALID"}},
		"no basis":               {edited(act(nil, first()), func(a *labellingv1.Annex) { a.Basis = nil }), []string{"0 BASIS_MISSING"}},
		"recorded already":       {edited(act(nil, first()), func(a *labellingv1.Annex) { a.Title = "arrêté du 2 mai" }), []string{"0 ACT_KNOWN"}},
		"known without its list": {edited(act(nil, first()), func(a *labellingv1.Annex) { a.Title = "arrêté du 1er mai" }), []string{"0 ACT_CITED"}},
		"an answer about nobody": {answered(act(nil, first()), answer(1, aboutCentre, isSame, "X")), []string{"1 RESOLUTION_UNKNOWN"}},
		"an answer to what is not asked": {
			answered(act(nil, &labellingv1.AnnexLine{Role: labellingv1.Role_ROLE_FSMR, Filiere: "FIL1"}, first()), answer(1, aboutCentre, isNew, ""), answer(2, aboutCentre, isSame, "CD")),
			[]string{"1 RESOLUTION_NOT_ASKED"},
		},
		"an answer beside one that nobody knows": {answered(act(nil, first()), answer(1, aboutCentre, isUnknown, ""), answer(1, aboutLabel, isNew, "")), []string{"1 RESOLUTION_NOT_ASKED"}},
		"an answer to what may yet be asked":     {answered(act(nil, row("", coordinator, "CHU de Dijon", "Dijon")), answer(1, aboutCentre, isSame, "CD")), nil},
		"two answers":                            {answered(act(nil, first()), answer(1, aboutCentre, isSame, "CD"), answer(1, aboutCentre, isNew, "")), []string{"1 RESOLUTION_CONTRADICTORY"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			dijon(w)
			w.apply(edited(act(nil), func(a *labellingv1.Annex) { a.Title = "Arrêté du 1er mai" }))
			w.apply(edited(act(nil, &labellingv1.AnnexLine{Role: labellingv1.Role_ROLE_FSMR, Filiere: "FIL2"}), func(a *labellingv1.Annex) { a.Title = "Arrêté du 2 mai" }))
			remarked(t, w, c.when, c.want...)
		})
	}
}

func TestTotals(t *testing.T) {
	w := newWorld(t)
	dijon(w)
	under := func(filiere string, l *labellingv1.AnnexLine) *labellingv1.AnnexLine {
		l.Filiere = filiere
		return l
	}
	annex := act(nil,
		under("FIL1", row("MDS", coordinator, "CHU de Dijon", "Dijon")), under("FIL1", row("MDS", constitutive, "CHU de Besançon", "Besançon")),
		under("FIL2", row("Cou", coordinator, "CHU de Dijon", "Dijon")), under("FIL2", row("Cou", competence, "CHU de Besançon", "Besançon")),
		under("FIL2", row("Cou", labellingv1.Role_ROLE_RESOURCE_AND_COMPETENCE, "CHU de Nancy", "Nancy")),
	)
	want := map[string]int{
		"centres de référence":                 3,
		"coordonnateurs":                       2,
		"CRMR constitutifs":                    1,
		"centres de compétence":                1,
		"centres de ressources et compétences": 1,
		"CRC":                                  1,
		"réseaux":                              2,
		"filières de santé":                    2,
		"centres de référence de la filière FIL2": 1,
		"réseaux FIL1":                     1,
		"Total sites":                      5,
		"sites labellisés (FIL1)":          2,
		"lignes":                           5,
		"Total général réseaux":            2,
		"TOTAL GÉNÉRAL: Nombre de réseaux": 2,
		"dont constitutifs":                1,
		"Au total, réseaux":                2,
		"Soit centres de ressources et de compétences": 1,
		"sites CRMR":                        -1,
		"centres":                           -1,
		"Total":                             -1,
		"Total du réseau sites":             -1,
		"sites et réseaux":                  -1,
		"CRMR":                              -1, // has three meanings
		"centres de référence et CRC":       -1,
		"lits":                              -1,
		"sites coordonnateurs hors Mayotte": -1,
	}
	for u := range want {
		annex.AnnouncedTotals = append(annex.AnnouncedTotals, &labellingv1.AnnouncedTotal{Unit: u, Count: 7})
	}
	p, warned := w.reckon(annex).Plan, make(map[string]bool)
	for _, m := range p.GetWarnings() {
		if m.GetReason() == "TOTAL_NOT_UNDERSTOOD" {
			warned[m.GetMessage()] = true
		}
	}
	for _, c := range p.GetTotals() {
		if sentence := fmt.Sprintf("What %q counts is not certain.", c.GetUnit()); warned[sentence] != (want[c.GetUnit()] < 0) {
			t.Errorf("%q: warned %t", c.GetUnit(), warned[sentence])
		}
		got := -1
		if c.Counted != nil {
			got = int(c.GetCounted())
		}
		if got != want[c.GetUnit()] || c.GetAnnounced() != 7 {
			t.Errorf("%q: counted %d, want %d", c.GetUnit(), got, want[c.GetUnit()])
		}
	}
}

// TestANumberPrintedTwice: no two hospitals are registered with one FINESS number, and
// what is printed is kept.
func TestANumberPrintedTwice(t *testing.T) {
	const number = "210780581"
	numbered := func(l *labellingv1.AnnexLine) { l.Finess = number }
	w := newWorld(t)
	dijon(w)
	annex := act(nil, lineWith(row("Cou", coordinator, "Clinique neuve", "Dijon"), numbered), lineWith(row("Cou", competence, "Hôpital neuf", "Dijon"), numbered))
	if got := said(w.reckon(annex).Plan); !strings.Contains(got, "2 warns FINESS_PRINTED_TWICE") {
		t.Errorf("the plan is\n%s", got)
	}
	kept := 0
	for _, e := range w.apply(annex) {
		for _, p := range e.GetMeta().GetBasis().GetAsPrinted() {
			if p.GetValue() == number && e.GetMeta().GetBasis().GetActLine() == 2 {
				kept++
			}
		}
	}
	if got := w.topo.ByFINESS(number, bitemporal.Latest); len(got) != 1 || kept == 0 {
		t.Errorf("the number is that of %v, and printed %d times", got, kept)
	}
}

// TestDaysOutsideTheTerm: the label is of 2017-08-08 to 2022-08-08, and the act of the
// end of 2023 where it says nothing else.
func TestDaysOutsideTheTerm(t *testing.T) {
	for _, c := range []struct {
		name       string
		does       labellingv1.Disposition
		effect     string
		start, end string
		outside    bool
	}{
		{name: "suspended within", does: suspended, start: "2017-08-08", end: "2022-08-08"},
		{name: "suspended before", does: suspended, start: "2017-08-07", end: "2018-01-01", outside: true},
		{name: "suspended beyond", does: suspended, start: "2022-01-01", end: "2022-08-09", outside: true},
		{name: "suspended after", does: suspended, start: "2022-08-08", outside: true},
		{name: "suspended for good from the day of the act", does: suspended, outside: true},
		{name: "suspended for good from the day of an act within", does: suspended, effect: "2022-08-07"},
		{name: "annulled from the beginning", does: annulled},
		{name: "annulled within", does: annulled, end: "2017-08-09"},
		{name: "annulled on its first day", does: annulled, end: "2017-08-08", outside: true},
		{name: "annulled at its end", does: annulled, end: "2022-08-08", outside: true},
		{name: "repealed within", does: repealed, effect: "2017-08-09"},
		{name: "repealed at its end", does: repealed, effect: "2022-08-08"},
		{name: "repealed after", does: repealed, effect: "2022-08-09", outside: true},
		{name: "withdrawn", does: withdrawn},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			dijon(w)
			l := row("MDS", coordinator, "CHU de Dijon", "Dijon")
			l.Disposition, l.Period = c.does, &eventv1.Period{Start: c.start, End: c.end}
			annex := edited(act(nil, l), func(a *labellingv1.Annex) { a.EffectiveDate = c.effect })
			p := w.reckon(annex).Plan
			if got := strings.Contains(said(p), "1 warns DAY_OUTSIDE_TERM"); got != c.outside || p.GetEffects()[0].GetDisposition() != c.does {
				t.Errorf("the plan is\n%s", said(p))
			}
			w.apply(annex)
		})
	}
}

// TestSeveralHeads: those of one cell are kept together, as one head of the label, and
// none of them is another head when the next act prints them again.
func TestSeveralHeads(t *testing.T) {
	printed := []string{"Pr Anne Martin", "Dr Luc Blanc"}
	w := newWorld(t)
	w.network("NET", "Maladies du sein", "MDS", "FIL1")
	w.hospital("HD", "CHU de Dijon", "Dijon")
	w.team("CD", "HD", "")
	w.label("N", "CD", "NET", coordinator, strings.Join(printed, "; "))
	for name, c := range map[string]struct {
		heads   []string
		changes int
	}{
		"again":                   {printed, 0},
		"in another order":        {[]string{"BLANC Luc (Dr)", "MARTIN Anne (Pr)"}, 0},
		"none":                    {nil, 0},
		"one of them":             {printed[1:], 1},
		"one more":                {append([]string{"Dr Ida Vert"}, printed...), 1},
		"another in one's place":  {[]string{"Pr Anne Martin", "Dr Ida Vert"}, 1},
		"another in their places": {[]string{"Dr Ida Vert"}, 1},
	} {
		if got := w.reckon(act(nil, row("MDS", coordinator, "CHU de Dijon", "Dijon", c.heads...))).Plan.GetEffects()[0].GetChanges(); len(got) != c.changes {
			t.Errorf("%s: the changes are %v", name, got)
		}
	}
	p := w.reckon(act(nil, row("MDS", coordinator, "CHU de Dijon", "Dijon", printed...))).Plan
	if m := p.GetWarnings(); len(m) == 0 || m[0].GetReason() != "HEADS_SEVERAL" || !strings.Contains(m[0].GetMessage(), "together") {
		t.Errorf("the warnings are %v", m)
	}
}

// TestAnEndThatCannotBe: what a spreadsheet writes for no end is kept as printed, warned
// of and unknown, not a day of another age.
func TestAnEndThatCannotBe(t *testing.T) {
	const far, near = "9999-12-31", "2098-12-31"
	line := func(end string, does labellingv1.Disposition) *labellingv1.AnnexLine {
		return lineWith(row("MDS", coordinator, "CHU de Dijon", "Dijon"), func(l *labellingv1.AnnexLine) {
			l.Disposition, l.Period = does, &eventv1.Period{Start: "2023-12-29", End: end}
		})
	}
	for _, c := range []struct {
		name    string
		when    *labellingv1.Annex
		end     string
		remarks string
	}{
		{"of a line", act(nil, line(far, unstated)), "", "1 DATE_FAR, 0 END_NOT_STATED"},
		{"of a year", act(nil, line("2999", unstated)), "", "1 DATE_FAR, 0 END_NOT_STATED"},
		{"long, and possible", act(nil, line(near, unstated)), near, "1 WINDOW_OTHER"},
		{"of the act", edited(act(nil, row("MDS", coordinator, "CHU de Dijon", "Dijon")), func(a *labellingv1.Annex) { a.LabelPeriod.End = far }), "", "0 DATE_FAR, 0 END_NOT_STATED"},
		{"until which to extend", act(nil, line(far, extended)), "", "1 DATE_FAR, 1 END_MISSING"},
		{"of a suspension", act(nil, lineWith(line(far, suspended), func(l *labellingv1.AnnexLine) { l.Period.Start = "2022-01-01" })), "2022-08-08", "1 DATE_FAR"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			dijon(w)
			remarked(t, w, c.when, strings.Split(c.remarks, ", ")...)
			e := w.reckon(c.when).Plan.GetEffects()[0]
			if e.GetPeriod().GetEnd() != c.end {
				t.Errorf("the effect is %v", e)
			}
			if strings.Contains(c.remarks, "MISSING") {
				return
			}
			var kept bool
			for _, e := range w.apply(c.when) {
				if l, is := e.(*labellingv1.Event); is && l.GetLabelSuspended().GetSuspendedUntil() != "" {
					t.Errorf("suspended is %v", l)
				}
				for _, p := range e.GetMeta().GetBasis().GetAsPrinted() {
					kept = kept || p.GetValue() == c.when.GetLines()[0].GetPeriod().GetEnd()
				}
			}
			if len(c.when.GetLines()[0].GetPeriod().GetEnd()) > 0 && c.end != near && !kept {
				t.Error("what is printed is not kept")
			}
		})
	}
}

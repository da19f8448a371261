package e2e

import (
	"slices"
	"strings"
	"testing"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
)

// officer runs a verb and checks how it ends and what is said, in French.
func (d *desk) officer(code int, say string, args ...string) (stdout string) {
	d.t.Helper()
	out, errs, got := d.cli(args...)
	if got != code || !strings.Contains(out+errs, say) {
		d.t.Errorf("%v: exit code %d, want %d, with %q in\n%s%s", args, got, code, say, out, errs)
	}
	return out
}

// TestRenamingKeepsWhatIsNotSaid: an acronym or a name that the officer does not give is
// left as it is, and taken away where it is given empty.
func TestRenamingKeepsWhatIsNotSaid(t *testing.T) {
	d := newDesk(t)
	network := d.network("Maladies du sein", "MDS", d.filiere("FIL1"))
	acronym := func(id string) string {
		r, err := d.registry.GetNetwork(d.ctx, &registryv1.GetNetworkRequest{NetworkId: id})
		must(t, err)
		return r.GetNetwork().GetAcronym()
	}
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"Maladies rares du sein"}, "MDS"},
		{[]string{"Sein", "--valid-from", "2024-01-01"}, "MDS"},
		{[]string{"Sein", "--acronym", "SEIN"}, "SEIN"},
		{[]string{"Seins", "--acronym", ""}, ""},
		{[]string{"Seins rares"}, ""},
	} {
		d.officer(0, "", append([]string{"network", "rename", network, "--source", "s"}, tc.args...)...)
		if got := acronym(network); got != tc.want {
			t.Errorf("renamed with %v the acronym is %q, want %q", tc.args, got, tc.want)
		}
	}
	d.officer(0, "Filière", "filiere", "register", "FIL2", "--name", "Filière deux", "--source", "s")
	r, err := d.registry.ListFilieres(d.ctx, &registryv1.ListFilieresRequest{Text: "FIL2"})
	must(t, err)
	id := r.GetFilieres()[0].GetFiliereId()
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"FIL3"}, "Filière deux"},
		{[]string{"FIL4", "--name", ""}, ""},
	} {
		d.officer(0, "", append([]string{"filiere", "rename", id, "--source", "s"}, tc.args...)...)
		r, err := d.registry.GetFiliere(d.ctx, &registryv1.GetFiliereRequest{FiliereId: id})
		must(t, err)
		if got := r.GetFiliere().GetName(); got != tc.want {
			t.Errorf("renamed with %v the name is %q, want %q", tc.args, got, tc.want)
		}
	}
	d.officer(4, "NETWORK_UNKNOWN", "network", "rename", "0000000000", "X", "--source", "s")
}

// TestWhatCanOnlyBeAKeyingFault is refused, with the field at fault, and nothing is written.
func TestWhatCanOnlyBeAKeyingFault(t *testing.T) {
	d := newDesk(t)
	network := d.network("Réseau", "R", d.filiere("FIL1"))
	d.turnedAway("officer", "CENTRE_UNNAMED", "centre", "register", "--source", "s")
	d.turnedAway("officer", "CENTRE_UNNAMED", "centre", "register", "--population", "enfants", "--source", "s")
	d.officer(0, "Centre", "centre", "register", "--city", "Dijon", "--source", "s")

	take := func(args ...string) []string {
		return append([]string{"office", "take", network, "--kind", "coordonnateur", "--source", "s"}, args...)
	}
	d.turnedAway("officer", "NAME_MISSING", take("--start", "2020")...)
	d.turnedAway("officer", "NAME_MISSING", take("--start", "2020", "--interim")...)
	d.officer(0, "Poste", take("--start", "2020", "--name", "Dr Élise TÉMOIN", "--request-id", "once")...)
	d.officer(0, "Poste", take("--start", "2020", "--name", "Dr Élise TÉMOIN", "--request-id", "once")...)
	for _, again := range [][]string{
		{"--start", "2020", "--name", "Dr Élise TÉMOIN"}, {"--start", "2022", "--name", "dr elise temoin"},
	} {
		d.turnedAway("officer", "OFFICE_TWICE", take(again...)...)
	}
	d.officer(0, "Poste", take("--start", "2012", "--name", "Dr Élise TÉMOIN")...) // an earlier time, learnt late
	d.officer(0, "Poste", take("--start", "2020", "--name", "Dr AUTRE")...)
}

// TestAnUndeterminedLineIsSettled takes a line that nobody can identify from the list to
// the officer's settlement of it.
func TestAnUndeterminedLineIsSettled(t *testing.T) {
	d := newDesk(t)
	cycle := d.cycle("2023-2028", "2023", "2028")
	network := d.network("Maladies du sein", "MDS", d.filiere("FIL1"))
	label, _ := d.granted(grant(d.centre("A", d.hospital("CHU de Dijon", "Dijon", "21")), network, coordinator, cycle, "2023-01-01", "2028-01-01"))
	annex := act2023(cycle, of("", partial), row("Maladies du sein", competence, "Hôpital inconnu", "Nulle part"))
	annex.Resolutions = []*labellingv1.Resolution{resolved(1, labellingv1.Subject_SUBJECT_CENTRE, labellingv1.Identity_IDENTITY_UNDETERMINED, "")}
	act, _ := d.enact(annex)
	before := d.count("2024-06-01", registryv1.CountUnit_COUNT_UNIT_LABEL, true)

	waiting := func() (position string) {
		for line := range strings.SplitSeq(d.officer(0, "", "todo"), "\n") {
			if _, after, found := strings.Cut(line, "act settle "); found {
				position, _, _ = strings.Cut(after, " ")
			}
		}
		return position
	}
	position := waiting()
	if position == "" {
		t.Fatal("the line waits for nobody")
	}
	settle := func(args ...string) []string {
		return append([]string{"act", "settle", position, "--source", "s"}, args...)
	}
	d.officer(2, "--outcome", settle()...)
	d.turnedAway("officer", "LABEL_MISSING", settle("--outcome", "même label")...)
	d.turnedAway("officer", "LABEL_MISPLACED", settle("--outcome", "laissé de côté", "--label", label)...)
	d.officer(4, "ASSERTION_UNKNOWN", "act", "settle", "1", "--outcome", "écarté", "--source", "s")
	d.officer(0, "Réglé", settle("--outcome", "même label", "--label", label)...)
	if again := waiting(); again != "" {
		t.Errorf("settled, it waits at position %s", again)
	}
	for verb, id := range map[string]string{"act": act, "label": label, "network": network} {
		d.officer(0, "même label", verb, "history", id)
	}
	d.officer(0, "ligne non identifiée", "network", "history", network)
	if after := d.count("2024-06-01", registryv1.CountUnit_COUNT_UNIT_LABEL, true); after != before {
		t.Errorf("%d labels are counted, %d before the settlement", after, before)
	}
}

// TestDaysOutsideATermAreToldOfTheirLine: what a signed act prints is not refused; the
// warning names the line, and the act does as it prints.
func TestDaysOutsideATermAreToldOfTheirLine(t *testing.T) {
	d := newDesk(t)
	for _, acronym := range []string{"FIL1", "FIL2"} {
		d.granted(&labellingv1.Grant{
			Holder: &labellingv1.Grant_FiliereId{FiliereId: d.filiere(acronym)}, Role: fsmr, Period: &eventv1.Period{Start: "2019-01-01", End: "2025-01-01"},
		})
	}
	suspended := func(acronym, from string) *labellingv1.AnnexLine {
		return &labellingv1.AnnexLine{
			Role: fsmr, Filiere: acronym, Disposition: labellingv1.Disposition_DISPOSITION_SUSPENDED, Period: &eventv1.Period{Start: from},
		}
	}
	p, err := d.labelling.PlanAct(d.ctx, &labellingv1.PlanActRequest{Annex: &labellingv1.Annex{
		Basis: stated, Kind: labellingv1.ActKind_ACT_KIND_ARRETE, Title: "Arrêté", SignedDate: "2023-12-26",
		Lines: []*labellingv1.AnnexLine{suspended("FIL1", "2024-02-01"), suspended("FIL2", "2018-01-01")},
	}})
	must(t, err)
	var warned, done []uint32
	for _, w := range p.GetPlan().GetWarnings() {
		if w.GetReason() == "DAY_OUTSIDE_TERM" {
			warned = append(warned, w.GetLine())
		}
	}
	for _, e := range p.GetPlan().GetEffects() {
		if e.GetDisposition() == labellingv1.Disposition_DISPOSITION_SUSPENDED {
			done = append(done, e.GetLine())
		}
	}
	if !slices.Equal(warned, []uint32{2}) || !slices.Equal(done, []uint32{1, 2}) || len(p.GetPlan().GetRefusals()) > 0 {
		t.Errorf("planned %v", p.GetPlan())
	}
}

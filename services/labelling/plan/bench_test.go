package plan

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/labelling"
)

// large is a register of 120 networks with some 2,500 sites and four labels for each
// site, and an act that restates it all.
func large(t tester) (*world, *labellingv1.Annex) {
	w := newWorld(t)
	for h := range 150 {
		w.hospital(fmt.Sprintf("H%03d", h), fmt.Sprintf("CHU de Villeneuve, hôpital n° %d", h), fmt.Sprintf("Villeneuve %d", h%60))
	}
	var lines []*labellingv1.AnnexLine
	for n := range 120 {
		network := fmt.Sprintf("N%03d", n)
		title := fmt.Sprintf("Centre de référence des maladies héréditaires du métabolisme n° %d", n)
		w.network(network, title, "MHM"+network, []string{"FIL1", "FIL2"}[n%2])
		for i := range 21 {
			h := (n*7 + i*5) % 150
			team := fmt.Sprintf("C%03dX%02d", n, i)
			w.team(team, fmt.Sprintf("H%03d", h), "")
			role := competence
			switch {
			case i == 0:
				role = coordinator
			case i < 5:
				role = constitutive
			}
			head := fmt.Sprintf("Dr Prénom%d Nom%d", n, i)
			w.label("A"+team, team, network, role, head, "2006", "2012", "OLD")
			last := "A" + team
			for c, p := range [][2]string{{"2012", "2017-01-01"}, {"2017-08-08", "2022-08-08"}, {"2022-08-08", "2023-08-08"}} {
				next := string(rune('B'+c)) + team
				w.labelling(labelling.RenewLabel(w.s, w.topo, labelling.IDs{Label: id(next)}, &labellingv1.RenewLabelRequest{Basis: source, Renewal: &labellingv1.Renewal{
					LabelId: id(last), Grant: &labellingv1.Grant{
						Holder: &labellingv1.Grant_Site{Site: &labellingv1.SiteRef{CentreId: id(team), NetworkId: id(network)}},
						Role:   role, Period: &eventv1.Period{Start: p[0], End: p[1]},
					},
				}}, w.head(head)))
				last = next
			}
			lines = append(lines, row(title, role, fmt.Sprintf("CHU de Villeneuve - hôpital n° %d", h), fmt.Sprintf("VILLENEUVE %d", h%60), head))
		}
	}
	return w, act(everything(), lines...)
}

func BenchmarkReckon(b *testing.B) {
	w, annex := large(b)
	renamed := proto.CloneOf(annex)
	for _, l := range renamed.GetLines() {
		l.NetworkTitle = "Filière de " + l.GetNetworkTitle()
	}
	moved := proto.CloneOf(annex) // each site into another network
	for i, l := range moved.GetLines() {
		l.NetworkTitle = annex.GetLines()[(i+21*(1+i%21))%len(annex.GetLines())].GetNetworkTitle()
	}
	for name, a := range map[string]*labellingv1.Annex{"restated": annex, "renamed": renamed, "moved": moved} {
		b.Run(name, func(b *testing.B) {
			p := w.reckon(a).Plan
			b.Logf("%d lines, %d labels, %d questions", len(a.GetLines()), w.s.Labels.Len(), len(p.GetQuestions()))
			for b.Loop() {
				w.reckon(a)
			}
		})
	}
}

func BenchmarkApply(b *testing.B) {
	w, annex := large(b)
	for b.Loop() {
		b.StopTimer()
		r := w.reckon(annex)
		b.StartTimer()
		if _, err := r.Apply(w.mint, func(int) *eventv1.PersonalValue { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

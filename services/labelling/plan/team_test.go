package plan

import (
	"testing"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/topology"
)

const (
	child = topologyv1.Population_POPULATION_CHILD
	adult = topologyv1.Population_POPULATION_ADULT
)

// twins is a network with two teams in one hospital.
func twins(populations ...topologyv1.Population) func(*world) {
	return func(w *world) {
		w.network("NET", "Maladies du sein", "MDS", "FIL1")
		w.hospital("HD", "CHU de Dijon", "Dijon")
		if len(populations) == 0 {
			populations = make([]topologyv1.Population, 2)
		}
		w.team("C1", "HD", "", populations[0])
		w.team("C2", "HD", "", populations[1])
		w.label("A", "C1", "NET", coordinator, "Dr Anne Martin")
		w.label("B", "C2", "NET", competence, "Pr Paul Durand")
	}
}

func TestTeamsAreIdentified(t *testing.T) {
	pair := func() []*labellingv1.AnnexLine {
		return []*labellingv1.AnnexLine{row("MDS", coordinator, "CHU de Dijon", "Dijon"), row("MDS", competence, "CHU de Dijon", "Dijon")}
	}
	for _, p := range []planned{
		{
			name: "two lines that may be two teams", given: twins(),
			when: act(everything(), pair()...),
			then: `
				1 unspecified coordinator in NET0000000
				2 unspecified competence in NET0000000
				1 asks centre C100000000 (place,role) C200000000 (place)
				2 asks centre C200000000 (place,role) C100000000 (place)`,
		},
		{
			name: "populations tell them apart", given: twins(child, adult),
			when: act(everything(), lineWith(row("MDS", coordinator, "CHU de Dijon", "Dijon"), func(l *labellingv1.AnnexLine) { l.Population = adult }),
				lineWith(row("MDS", competence, "CHU de Dijon", "Dijon"), func(l *labellingv1.AnnexLine) { l.Population = child })),
			then: `
				1 renewed B000000000 coordinator C200000000 in NET0000000 role
				2 renewed A000000000 competence C100000000 in NET0000000 role`,
		},
		{
			name: "a head tells them apart, whatever the title and the order of names", given: twins(),
			when: act(everything(), row("MDS", coordinator, "CHU de Dijon", "Dijon", "MARTIN Anne (Pr)"), row("MDS", competence, "CHU de Dijon", "Dijon", "Dr Luc Blanc")),
			then: `
				1 renewed A000000000 coordinator C100000000 in NET0000000
				2 renewed B000000000 competence C200000000 in NET0000000 head`,
		},
		{
			name: "two lines for one team", given: dijon,
			when: act(everything(), append(pair(), row("MDS", constitutive, "CHU de Besançon", "Besançon"))...),
			then: `
				1 unspecified coordinator in NET0000000
				2 unspecified competence in NET0000000
				3 renewed B000000000 constitutive CB00000000 in NET0000000 role
				1 asks centre CD00000000 (place,role)
				2 asks centre CD00000000 (place)`,
		},
		{
			name: "two lines for one team, answered", given: dijon,
			when: answered(act(everything(), append(pair(), row("MDS", constitutive, "CHU de Besançon", "Besançon"))...),
				answer(1, aboutCentre, isSame, "CD"), answer(2, aboutCentre, isNew, "")),
			then: `
				1 renewed A000000000 coordinator CD00000000 in NET0000000
				2 granted competence new-centre-1 in NET0000000
				3 renewed B000000000 constitutive CB00000000 in NET0000000 role
				created new-centre-1 as CHU de Dijon, Dijon`,
		},
		{
			name: "nobody knows: neither new nor lost", given: twins(),
			when: answered(act(everything(), row("MDS", coordinator, "CHU de Dijon", "Dijon")), answer(1, aboutCentre, isUnknown, "")),
			then: `
				1 undetermined coordinator in NET0000000`,
		},
		{
			name: "a successor", given: dijon,
			when: answered(act(nil, row("MDS", coordinator, "CHU de Dijon", "Dijon")), answer(1, aboutCentre, isSuccessor, "CD")),
			then: `
				1 renewed A000000000 coordinator new-centre-1 in NET0000000 holder
				created new-centre-1 as CHU de Dijon, Dijon
				succeeded new-centre-1 as CD00000000`,
		},
		{
			name: "one team on two lines", given: dijon,
			when: answered(act(nil, pair()...), answer(1, aboutCentre, isSame, "CD"), answer(2, aboutCentre, isSame, "CD")),
			then: `
				1 renewed A000000000 coordinator CD00000000 in NET0000000
				2 renewed A000000000 competence CD00000000 in NET0000000 role
				2 refuses LINES_SAME_SITE`,
		},
		{
			name: "no place is printed", given: dijon,
			when: act(nil, row("MDS", coordinator, "", "")),
			then: `
				1 unspecified coordinator in NET0000000
				1 asks centre CD00000000 (role) CB00000000 ()`,
		},
		{
			name: "a town alone is a place, and no hospital",
			given: func(w *world) {
				w.network("NET", "Maladies du sein", "MDS", "FIL1")
				w.team("CD", "", "Dijon")
				w.label("A", "CD", "NET", coordinator, "")
			},
			when: act(nil, row("MDS", coordinator, "CHU de Dijon", "DIJON")),
			then: `
				1 renewed A000000000 coordinator CD00000000 in NET0000000 place
				created new-establishment-1 as CHU de Dijon
				attached CD00000000 as CHU de Dijon`,
		},
		{
			name: "the team of another network in the same hospital is another team",
			given: func(w *world) {
				dijon(w)
				w.network("NET2", "Maladies du cou", "", "FIL1")
				w.team("CN", "HB", "")
				w.label("N", "CN", "NET2", coordinator, "")
			},
			when: act(nil, row("Maladies du cou", coordinator, "CHU de Dijon", "Dijon")),
			then: `
				1 granted coordinator new-centre-1 in NET2000000
				created new-centre-1 as CHU de Dijon, Dijon
				1 warns COORDINATORS_SEVERAL`,
		},
		{
			name: "a hospital that the register does not know, in the town of a team", given: dijon,
			when: act(nil, row("MDS", coordinator, "Hôpital du Bocage", "Dijon")),
			then: `
				1 unspecified coordinator in NET0000000
				1 asks centre CD00000000 (role)`,
		},
	} {
		t.Run(p.name, p.run)
	}
}

// paris is three hospitals, and one team in the last of them.
func paris(w *world) {
	w.network("NET", "Maladies du sein", "MDS", "FIL1")
	register := func(name, called, city, finess string, kind topologyv1.FinessKind) {
		w.topology(topology.RegisterEstablishment(w.topo, id(name), &topologyv1.RegisterEstablishmentRequest{
			Basis: source, Name: called, Finess: finess, FinessKind: kind, Place: &topologyv1.Place{City: city},
		}))
	}
	register("HP", "AP-HP", "Paris", "750712184", topologyv1.FinessKind_FINESS_KIND_LEGAL_ENTITY)
	register("HS", "AP-HP Hôpital Pitié-Salpêtrière", "Paris", "750100125", topologyv1.FinessKind_FINESS_KIND_SITE)
	register("HK", "AP-HP Hôpital Saint-Louis", "Paris", "", 0)
	register("HR", "Hôpital Saint-Louis", "La Rochelle", "", 0)
	register("HE", "CHU de Brest, Hôpital Morvan", "Brest", "", 0)
	for _, h := range []string{"HP", "HS", "HK", "HR", "HE"} {
		w.team("C"+h, h, "")
		w.label("A"+h, "C"+h, "NET", coordinator, "")
	}
}

func TestHospitalsAreIdentified(t *testing.T) {
	with := func(finess string, l *labellingv1.AnnexLine) *labellingv1.AnnexLine {
		l.Finess = finess
		return l
	}
	for _, p := range []struct {
		name, want string
		line       *labellingv1.AnnexLine
	}{
		{"whole name", "CHS", row("MDS", coordinator, "ap-hp hopital Pitié Salpêtrière", "PARIS")},
		{"without its group", "CHS", row("MDS", coordinator, "Hôpital Pitié-Salpêtrière", "Paris CEDEX 13")},
		{"without its group, the other side", "CHR", row("MDS", coordinator, "CHR Hôpital Saint-Louis", "La Rochelle")},
		{"after its group", "CHE", row("MDS", coordinator, "Hôpital Morvan", "Brest")},
		{"the town tells", "CHK", row("MDS", coordinator, "Hôpital Saint-Louis", "Paris")},
		{"by FINESS", "CHS", with("750100125", row("MDS", coordinator, "GHU Est", "Paris"))},
		{"a site under the FINESS of its legal entity", "CHK", with("750712184", row("MDS", coordinator, "Hôpital Saint-Louis", "Paris"))},
		{"a FINESS that cannot be right names nothing", "CHK", with("750100126", row("MDS", coordinator, "Hôpital Saint-Louis", "Paris"))},
	} {
		t.Run(p.name, func(t *testing.T) {
			w := newWorld(t)
			paris(w)
			r := w.reckon(act(nil, p.line))
			if got := r.Plan.GetEffects()[0].GetCentre(); got != id(p.want) {
				t.Errorf("the centre is %q, want %q\n%s", got, id(p.want), said(r.Plan))
			}
		})
	}
	for _, p := range []planned{
		{
			name: "several", given: paris, when: act(nil, row("MDS", coordinator, "Hôpital Saint-Louis", "")),
			// The whole name is that of La Rochelle.
			then: `
				1 renewed AHR0000000 coordinator CHR0000000 in NET0000000
				1 warns COORDINATORS_SEVERAL`,
		},
		{
			name: "a site that nobody knows, under the FINESS of its legal entity, is none of its own", given: paris,
			when: act(nil, with("750712184", row("Cou", coordinator, "AP-HP Hôpital Tenon", "Paris")), with("750712184", row("Cou", competence, "AP-HP", "Paris"))),
			then: `
				1 granted coordinator new-centre-1 in new-network-1
				2 granted competence new-centre-2 in new-network-1
				created new-establishment-1 as AP-HP Hôpital Tenon
				created new-network-1 as Cou
				created new-centre-1 as AP-HP Hôpital Tenon, Paris
				created new-centre-2 as AP-HP, Paris`,
		},
		{
			name: "several by the name without group", given: paris,
			when: act([]*labellingv1.ScopeCell{cell("", coordinator, "OLD", complete)}, row("MDS", coordinator, "CHU Hôpital Saint-Louis", ""), row("MDS", competence, "CHU Hôpital Saint-Louis", "")),
			then: `
				1 unspecified coordinator in NET0000000
				2 unspecified competence in NET0000000
				0 expired AHP0000000 coordinator CHP0000000 in NET0000000
				0 expired AHS0000000 coordinator CHS0000000 in NET0000000
				0 expired AHE0000000 coordinator CHE0000000 in NET0000000
				1 asks establishment HK00000000 (name) HR00000000 (name)`,
		},
		{
			name: "several, answered", given: paris,
			when: answered(act(nil, row("MDS", coordinator, "CHU Hôpital Saint-Louis", "")), answer(1, aboutHospital, isSame, "HK")),
			then: `
				1 renewed AHK0000000 coordinator CHK0000000 in NET0000000
				1 warns COORDINATORS_SEVERAL`,
		},
	} {
		t.Run(p.name, p.run)
	}
}

// TestAPastPlanKnowsNoLaterHospital: a plan as it was prepared is shown beside that of
// today, whatever was registered since.
func TestAPastPlanKnowsNoLaterHospital(t *testing.T) {
	const number = "210780581"
	w := newWorld(t)
	dijon(w)
	annex := act(nil, lineWith(row("Cou", coordinator, "Clinique neuve", "Dijon"), func(l *labellingv1.AnnexLine) { l.Finess = number }))
	known, before := w.at, said(w.reckon(annex).Plan)
	w.topology(topology.RegisterEstablishment(w.topo, id("HN"), &topologyv1.RegisterEstablishmentRequest{Basis: source, Name: "Hôpital neuf", Finess: number}))
	if after := said(Reckon(w.s, w.topo, known, annex, func(string) string { return "" }).Plan); after != before {
		t.Errorf("the plan was\n%s\nand is\n%s", before, after)
	}
}

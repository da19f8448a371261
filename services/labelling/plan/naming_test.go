package plan

import (
	"testing"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/topology"
)

// national is hospitals as the register and lists call them, and one team in each.
func national(w *world) {
	w.network("NET", "Maladies respiratoires rares", "RespiRare", "FIL1")
	for name, h := range map[string][2]string{
		"HN": {"AP-HP Hôpital Necker-Enfants malades", "Paris"}, "HR": {"AP-HP Hôpital Robert-Debré", "Paris"}, "HB": {"AP-HP Hôpital Bichat", "Paris"},
		"HC": {"Centre hospitalier intercommunal de Créteil", "Créteil"}, "HL": {"CHU de Lille", "Lille"}, "HP": {"CHU de Bordeaux, Groupe hospitalier Pellegrin", "Bordeaux"},
		"HD": {"CH de Saint-Denis", "Saint-Denis"}, "HG": {"CHU de Grenoble", "Grenoble"}, "HM": {"AP-HP Hôpital Henri-Mondor", "Créteil"}, "HS": {"Hôpitaux universitaires de Strasbourg", "Strasbourg"}, "HH": {"Hospices civils de Lyon", "Lyon"},
	} {
		w.hospital(name, h[0], h[1])
		w.team("C"+name, name, "")
		w.label("A"+name, "C"+name, "NET", competence, "")
	}
}

func TestHospitalsAsListsCallThem(t *testing.T) {
	for _, c := range []struct{ printed, city, want string }{
		{"APHP - Hôpital Necker-Enfants Malades", "PARIS CEDEX 15", "CHN"},
		{"AP-HP Necker Enfants malades", "Paris (75)", "CHN"},
		{"AP-HP - Robert Debré", "PARIS 19e", "CHR"},
		{"Hôpital Robert Debré (AP-HP)", "Paris", ""}, // the group after the name is more words: asked
		{"CHI Créteil", "CRETEIL", "CHC"},
		{"CHRU de Lille", "LILLE", "CHL"},
		{"CHU", "Lille", "CHL"},
		{"Centre Hospitalier Universitaire de Bordeaux - Hôpital Pellegrin", "BORDEAUX", "CHP"},
		{"CH St-Denis", "ST DENIS", "CHD"},
		{"HCL", "LYON", "CHH"},
		{"AP-HP. Hôpitaux universitaires Henri-Mondor", "Créteil", "CHM"},
		{"CHU Strasbourg", "Strasbourg", "CHS"},
		{"AP-HP Robert-Debré, Paris", "", "CHR"},
		{"CHRU - Lille", "", "CHL"},
		{"CHU de Bordeaux (Hôpital Pellegrin)", "", "CHP"},
		{"CHU Grenoble Alpes", "La Tronche", ""},
		{"CHRU de Grenoble", "La Tronche", ""},
		{"CHU Lille Métropole", "Lille", ""},
	} {
		w := newWorld(t)
		national(w)
		p := w.reckon(act(nil, row("RespiRare", competence, c.printed, c.city))).Plan
		if got := p.GetEffects()[0].GetCentre(); c.want != "" && got != id(c.want) || c.want == "" && (got != "" || len(p.GetQuestions()) == 0) || len(p.GetTopology()) > 0 {
			t.Errorf("%s, %s: the plan is\n%s", c.printed, c.city, said(p))
		}
	}
	planned{
		name: "one that is named with more words is asked, not registered twice", given: national,
		when: act(nil, row("RespiRare", competence, "AP-HP Hôpital Bichat-Claude Bernard", "Paris"), row("RespiRare", constitutive, "CH de Lille", "Lille")),
		then: `
			1 unspecified competence in NET0000000
			2 unspecified constitutive in NET0000000
			1 asks establishment HB00000000 (name)
			2 asks centre CH10000000 ()
			1 warns COORDINATOR_MISSING`,
	}.run(t)
}

// TestTitlesAsListsPrintThem: that it is a centre of reference is no part of a title.
func TestTitlesAsListsPrintThem(t *testing.T) {
	for _, title := range []string{
		"CENTRE DE RÉFÉRENCE DES MALADIES RESPIRATOIRES RARES", "Réseau des maladies respiratoires rares", "Centre national de référence pour les maladies respiratoires rares",
		"CRMR : Maladies respiratoires rares", "Maladies respiratoires rares",
	} {
		w := newWorld(t)
		national(w)
		p := w.reckon(act(nil, row(title, competence, "CHU de Lille", "Lille"))).Plan
		if e := p.GetEffects()[0]; e.GetNetwork() != id("NET") || len(p.GetTopology())+len(e.GetChanges()) > 0 {
			t.Errorf("%s: the plan is\n%s", title, said(p))
		}
	}
}

func TestFilieresAsListsPrintThem(t *testing.T) {
	for printed, want := range map[string]string{
		"FIL1": "FIL1", "fil1 – Filière FIL1": "FIL1", "Maladies du souffle (FIL1)": "FIL1", "FIL1 et FIL2": "", "FIL3": "",
	} {
		w := newWorld(t)
		r := w.reckon(act(nil))
		if got, ok := r.reg.filieres.Of(printed); ok != (want != "") || ok && got != id(want) {
			t.Errorf("%q is %q, %t", printed, got, ok)
		}
	}
}

// TestATeamThatMovedWithinItsNetwork: a line that would be a new team is asked about where
// a team that nobody restates has its head, or works at the entity that its hospital is of.
func TestATeamThatMovedWithinItsNetwork(t *testing.T) {
	given := func(w *world) {
		w.network("NET", "Maladies du sein", "MDS", "FIL1")
		w.hospital("HL", "Hospices civils de Lyon", "Lyon")
		w.hospital("HF", "HCL Hôpital Femme Mère Enfant", "Bron")
		w.hospital("HD", "CHU de Dijon", "Dijon")
		w.team("CL", "HL", "")
		w.label("A", "CL", "NET", competence, "Dr Philippe Reix")
		w.team("CD", "HD", "")
		w.label("B", "CD", "NET", coordinator, "Dr Anne Martin")
	}
	group := func(seat string) func(*world) { // a team at a group, or at its clinic
		return func(w *world) {
			given(w)
			w.hospital("HC", "Clinique des Sources", "Mâcon")
			w.topology(topology.RegisterEstablishment(w.topo, id("HG"), &topologyv1.RegisterEstablishmentRequest{
				Basis: source, Name: "GHT du Val", Finess: "750712184", FinessKind: topologyv1.FinessKind_FINESS_KIND_LEGAL_ENTITY, Place: &topologyv1.Place{City: "Tournus"},
			}))
			w.topology(topology.AttachEstablishment(w.topo, &topologyv1.AttachEstablishmentRequest{Basis: source, EstablishmentId: id("HC"), LegalEntityId: id("HG")}))
			w.team("CG", seat, "")
			w.label("G", "CG", "NET", competence, "")
		}
	}
	dijonToo := row("MDS", coordinator, "CHU de Dijon", "Dijon")
	const renewedB = `
				2 renewed B000000000 coordinator CD00000000 in NET0000000
				`
	for _, p := range []planned{
		{
			name: "at a site of its entity", given: given, when: act(everything(), row("MDS", competence, "HCL - Hôpital Femme-Mère-Enfant", "BRON"), dijonToo),
			then: `
				1 unspecified competence in NET0000000` + renewedB + `1 asks centre C100000000 (group,role)`,
		},
		{
			name: "at a hospital of its group, whatever these are called", given: group("HG"), when: act(everything(), row("MDS", competence, "Clinique des Sources", "Mâcon"), dijonToo),
			then: `
				1 unspecified competence in NET0000000` + renewedB + `0 expired A000000000 competence C100000000 in NET0000000
				1 asks centre CG00000000 (group,role)`,
		},
		{
			name: "at the group of its hospital", given: group("HC"), when: act(everything(), row("MDS", constitutive, "GHT du Val", "Tournus"), dijonToo),
			then: `
				1 unspecified constitutive in NET0000000` + renewedB + `0 expired A000000000 competence C100000000 in NET0000000
				1 asks centre CG00000000 (group)`,
		},
		{
			name: "at a hospital that nobody knows, under the number of its group", given: group("HG"),
			when: act(everything(), lineWith(row("MDS", competence, "Maison neuve", "Cluny"), func(l *labellingv1.AnnexLine) { l.Finess = "750712184" }), dijonToo),
			then: `
				1 unspecified competence in NET0000000` + renewedB + `0 expired A000000000 competence C100000000 in NET0000000
				1 asks centre CG00000000 (group,role)`,
		},
		{
			name: "under its head", given: given, when: act(everything(), row("MDS", competence, "Clinique neuve", "Mâcon", "Pr REIX Philippe"), dijonToo),
			then: `
				1 unspecified competence in NET0000000` + renewedB + `1 asks centre C100000000 (head,role)`,
		},
		{
			name: "of its department",
			given: func(w *world) {
				given(w)
				w.topology(topology.RegisterCentre(w.topo, id("CR"), &topologyv1.RegisterCentreRequest{Basis: source, Place: &topologyv1.Place{DepartmentCode: "974"}}))
				w.label("R", "CR", "NET", competence, "")
			},
			when: act(nil, lineWith(row("MDS", competence, "", "Saint-Pierre"), func(l *labellingv1.AnnexLine) { l.DepartmentCode = "974" }), dijonToo),
			then: `
				1 unspecified competence in NET0000000` + renewedB + `1 asks centre CR00000000 (role)`,
		},
		{
			name: "elsewhere under another head", given: given, when: act(nil, row("MDS", competence, "Clinique neuve", "Mâcon", "Pr Luc Blanc"), dijonToo),
			then: `
				1 granted competence new-centre-1 in NET0000000` + renewedB + `created new-establishment-1 as Clinique neuve
				created new-centre-1 as Clinique neuve, Mâcon`,
		},
		{
			name: "a team that another line restates is no other", given: given,
			when: act(nil, row("MDS", competence, "Clinique neuve", "Mâcon", "Dr Anne Martin"), dijonToo),
			then: `
				1 granted competence new-centre-1 in NET0000000` + renewedB + `created new-establishment-1 as Clinique neuve
				created new-centre-1 as Clinique neuve, Mâcon`,
		},
		{
			name: "answered", given: given,
			when: answered(act(nil, row("MDS", competence, "HCL - Hôpital Femme-Mère-Enfant", "BRON"), dijonToo), answer(1, aboutCentre, isSame, "CL")),
			then: `
				1 renewed A000000000 competence C100000000 in NET0000000 place` + renewedB + `1 warns PLACE_OTHER`,
		},
	} {
		t.Run(p.name, p.run)
	}
}

// TestAHospitalInAnotherTownThanItsTeam: a team of which a town alone is known is found at
// the hospital of that town, whichever town its line prints.
func TestAHospitalInAnotherTownThanItsTeam(t *testing.T) {
	given := func(w *world) {
		w.network("NET", "Maladies du sein", "MDS", "FIL1")
		w.hospital("HN", "CHU de Nancy", "Nancy")
		w.team("CN", "", "Nancy")
		w.label("A", "CN", "NET", coordinator, "")
	}
	annex := func() *labellingv1.Annex {
		return act(everything(), row("MDS", coordinator, "CHRU de Nancy", "Vandœuvre-lès-Nancy"))
	}
	for _, p := range []planned{
		{
			name: "asked, and its label is no loss", given: given, when: annex(),
			then: `
				1 unspecified coordinator in NET0000000
				1 asks establishment HN00000000 (name)`,
		},
		{
			name: "answered", given: given, when: answered(annex(), answer(1, aboutHospital, isSame, "HN")),
			then: `
				1 renewed A000000000 coordinator CN00000000 in NET0000000 place
				attached CN00000000 as CHU de Nancy`,
		},
	} {
		t.Run(p.name, p.run)
	}
}

// TestTheNumberOfALegalEntityStaysIts: a site that is registered does not take it.
func TestTheNumberOfALegalEntityStaysIts(t *testing.T) {
	w := newWorld(t)
	paris(w)
	w.apply(act(nil, lineWith(row("Cou", coordinator, "AP-HP Hôpital Tenon", "Paris"), func(l *labellingv1.AnnexLine) { l.Finess = "750712184" })))
	if got := w.topo.ByFINESS("750712184", bitemporal.Latest); len(got) != 1 || got[0] != id("HP") {
		t.Errorf("the number is that of %v", got)
	}
}

// TestATownInPlaceOfTheHospital: what the register knows as a town is no new hospital.
func TestATownInPlaceOfTheHospital(t *testing.T) {
	w := newWorld(t)
	dijon(w)
	got := said(w.reckon(act(nil, row("MDS", competence, "Besançon", ""))).Plan)
	if want := "1 renewed B000000000 competence CB00000000 in NET0000000\n"; got != want {
		t.Errorf("the plan is\n%s\nwant\n%s", got, want)
	}
}

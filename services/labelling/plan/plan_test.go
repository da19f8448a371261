package plan

import (
	"strings"
	"testing"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/labelling"
	"maillage/services/topology"
)

// planned is one row: a register, an annex, and what the plan says.
type planned struct {
	name  string
	given func(*world)
	when  *labellingv1.Annex
	then  string
}

func (p planned) run(t *testing.T) {
	w := newWorld(t)
	if p.given != nil {
		p.given(w)
	}
	r := w.reckon(p.when)
	w.checkPlan(p.when, r.Plan)
	want := strings.ReplaceAll(strings.TrimSpace(p.then), "\t", "")
	if got := strings.TrimSpace(said(r.Plan)); got != want {
		t.Errorf("the plan is\n%s\nwant\n%s", got, want)
	}
}

// dijon is one network of two sites in two towns.
func dijon(w *world) {
	w.network("NET", "Maladies du sein", "MDS", "FIL1")
	w.hospital("HD", "CHU de Dijon", "Dijon")
	w.hospital("HB", "CHU de Besançon", "Besançon")
	w.team("CD", "HD", "")
	w.team("CB", "HB", "")
	w.label("A", "CD", "NET", coordinator, "Dr Anne Martin")
	w.label("B", "CB", "NET", competence, "Pr Paul Durand")
}

func answered(a *labellingv1.Annex, answers ...*labellingv1.Resolution) *labellingv1.Annex {
	a.Resolutions = answers
	return a
}

func answer(line uint32, subject labellingv1.Subject, identity labellingv1.Identity, entity string) *labellingv1.Resolution {
	if entity != "" {
		entity = id(entity)
	}
	return &labellingv1.Resolution{Line: line, Subject: subject, Identity: identity, EntityId: entity}
}

func edited(a *labellingv1.Annex, edit func(*labellingv1.Annex)) *labellingv1.Annex {
	edit(a)
	return a
}

func lineWith(l *labellingv1.AnnexLine, edit func(*labellingv1.AnnexLine)) *labellingv1.AnnexLine {
	edit(l)
	return l
}

const (
	aboutNetwork  = labellingv1.Subject_SUBJECT_NETWORK
	aboutCentre   = labellingv1.Subject_SUBJECT_CENTRE
	aboutLabel    = labellingv1.Subject_SUBJECT_LABEL
	aboutHospital = labellingv1.Subject_SUBJECT_ESTABLISHMENT
	isSame        = labellingv1.Identity_IDENTITY_SAME
	isNew         = labellingv1.Identity_IDENTITY_NEW
	isSuccessor   = labellingv1.Identity_IDENTITY_SUCCESSOR
	isUnknown     = labellingv1.Identity_IDENTITY_UNDETERMINED
)

func TestDispositions(t *testing.T) {
	for _, p := range []planned{
		{
			name: "an empty register",
			when: act(everything(), row("Maladies du sein", coordinator, "CHU de Dijon", "Dijon"), row("Maladies du sein", competence, "", "Besançon")),
			then: `
				1 granted coordinator new-centre-1 in new-network-1
				2 granted competence new-centre-2 in new-network-1
				created new-establishment-1 as CHU de Dijon
				created new-network-1 as Maladies du sein
				created new-centre-1 as CHU de Dijon, Dijon
				created new-centre-2 as Besançon`,
		},
		{
			name: "renewed, with a role and a head that change", given: dijon,
			when: act(everything(), row("Maladies du sein", coordinator, "CHU DIJON", "DIJON Cedex", "Martin Anne"), row("maladies du sein", constitutive, "CHU de Besançon", "Besançon", "Dr Claire Petit")),
			then: `
				1 renewed A000000000 coordinator CD00000000 in NET0000000
				2 renewed B000000000 constitutive CB00000000 in NET0000000 role,head`,
		},
		{
			name: "coordination moves", given: dijon,
			when: act(everything(), row("Maladies du sein", competence, "CHU de Dijon", "Dijon"), row("Maladies du sein", coordinator, "CHU de Besançon", "Besançon")),
			then: `
				1 renewed A000000000 competence CD00000000 in NET0000000 role
				2 renewed B000000000 coordinator CB00000000 in NET0000000 role`,
		},
		{
			name: "a label that ended before is not renewed",
			given: func(w *world) {
				dijon(w)
				w.labelling(labelling.RepealLabel(w.s, &labellingv1.RepealLabelRequest{Basis: source, LabelId: id("A"), RepealedFrom: "2020-01-01"}))
			},
			when: act(nil, row("MDS", coordinator, "CHU de Dijon", "Dijon")),
			then: `
				1 granted coordinator CD00000000 in NET0000000`,
		},
		{
			name: "the same campaign: confirmed, or reclassified",
			given: func(w *world) {
				dijon(w)
				w.label("N", "CD", "NET", coordinator, "Dr Anne Martin", "2023-05-09", "2028-05-09", "NEW")
				w.label("P", "CB", "NET", competence, "", "2023-05-09", "2028-05-09", "NEW")
			},
			when: act(everything(), row("MDS", coordinator, "CHU de Dijon", "Dijon", "Mme le Dr Léa Roux"), row("MDS", constitutive, "CHU de Besançon", "Besançon")),
			then: `
				1 confirmed N000000000 coordinator CD00000000 in NET0000000 head
				2 renewed P000000000 constitutive CB00000000 in NET0000000 role`,
		},
		{
			name: "a site with several open labels is asked about",
			given: func(w *world) {
				dijon(w)
				w.label("X", "CD", "NET", constitutive, "", "", "", "OLD")
			},
			when: act(everything(), row("MDS", coordinator, "CHU de Dijon", "Dijon"), row("MDS", competence, "CHU de Besançon", "Besançon")),
			then: `
				1 unspecified coordinator CD00000000 in NET0000000
				2 renewed B000000000 competence CB00000000 in NET0000000
				1 asks label A000000000 (role) X000000000 ()`,
		},
		{
			name: "what a line says it does wins", given: dijon,
			when: act(nil,
				lineWith(row("MDS", coordinator, "CHU de Dijon", "Dijon"), func(l *labellingv1.AnnexLine) { l.Disposition = confirmed }),
				lineWith(row("MDS", competence, "CHU de Besançon", "Besançon"), func(l *labellingv1.AnnexLine) { l.Disposition = withdrawn }),
				lineWith(row("MDS", competence, "CHU de Nancy", "Nancy"), func(l *labellingv1.AnnexLine) { l.Disposition = withdrawn }),
			),
			then: `
				1 confirmed A000000000 coordinator CD00000000 in NET0000000
				2 withdrawn B000000000 competence CB00000000 in NET0000000
				3 undetermined competence in NET0000000
				3 warns LABEL_NOT_FOUND`,
		},
		{
			name: "a filière",
			given: func(w *world) {
				w.labelling(labelling.GrantLabel(w.s, w.topo, labelling.IDs{Label: id("F")}, &labellingv1.GrantLabelRequest{Basis: source, Grant: &labellingv1.Grant{
					Holder: &labellingv1.Grant_FiliereId{FiliereId: id("FIL1")}, Role: labellingv1.Role_ROLE_FSMR, Period: &eventv1.Period{Start: "2019", End: "2022"},
				}}, nil))
			},
			when: act(everything(), &labellingv1.AnnexLine{Filiere: "fil1", Role: labellingv1.Role_ROLE_FSMR}, &labellingv1.AnnexLine{Filiere: "nobody", Role: labellingv1.Role_ROLE_FSMR}),
			then: `
				1 renewed F000000000 fsmr in
				2 unspecified fsmr in
				2 refuses HOLDER_UNKNOWN`,
		},
	} {
		t.Run(p.name, p.run)
	}
}

func TestNetworksAreIdentified(t *testing.T) {
	both := func(title string) []*labellingv1.AnnexLine {
		return []*labellingv1.AnnexLine{row(title, coordinator, "CHU de Dijon", "Dijon"), row(title, competence, "CHU de Besançon", "Besançon")}
	}
	for _, p := range []planned{
		{
			name: "by acronym, and renamed", given: dijon,
			when: act(everything(), lineWith(row("Cancers rares du sein", coordinator, "CHU de Dijon", "Dijon"), func(l *labellingv1.AnnexLine) { l.NetworkAcronym = "mds" }),
				lineWith(row("", competence, "CHU de Besançon", "Besançon"), func(l *labellingv1.AnnexLine) { l.NetworkAcronym = "MDS" })),
			then: `
				1 renewed A000000000 coordinator CD00000000 in NET0000000 title
				2 renewed B000000000 competence CB00000000 in NET0000000 title
				renamed NET0000000 as MDS - Cancers rares du sein MDS - Maladies du sein`,
		},
		{
			name: "by a former name",
			given: func(w *world) {
				dijon(w)
				w.topology(topology.RenameNetwork(w.topo, &topologyv1.RenameNetworkRequest{Basis: source, NetworkId: id("NET"), ValidFrom: "2020", Title: "Sénologie", Acronym: "SENO"}))
			},
			when: act(everything(), both("Maladies du sein")...),
			then: `
				1 renewed A000000000 coordinator CD00000000 in NET0000000 title
				2 renewed B000000000 competence CB00000000 in NET0000000 title
				renamed NET0000000 as SENO - Maladies du sein SENO - Sénologie`,
		},
		{
			name: "by the sites kept", given: dijon,
			when: act(everything(), both("Cancers rares")...),
			then: `
				1 renewed A000000000 coordinator CD00000000 in NET0000000 title
				2 renewed B000000000 competence CB00000000 in NET0000000 title
				renamed NET0000000 as MDS - Cancers rares MDS - Maladies du sein`,
		},
		{
			name: "by the sites kept, contested",
			given: func(w *world) {
				dijon(w)
				w.hospital("HN", "CHU de Nancy", "Nancy")
				w.hospital("HM", "CHR Metz", "Metz")
				w.team("CN", "HN", "")
				w.team("CM", "HM", "")
				w.label("N", "CN", "NET", competence, "")
				w.label("M", "CM", "NET", competence, "")
			},
			when: act(nil, append(both("Cancers rares"), row("Autres cancers", coordinator, "CHU de Nancy", "Nancy"), row("Autres cancers", competence, "CHR Metz", "Metz"))...),
			then: `
				1 unspecified coordinator in
				2 unspecified competence in
				3 unspecified coordinator in
				4 unspecified competence in
				1 asks network NET0000000 (sites)
				3 asks network NET0000000 (sites)`,
		},
		{
			name: "one site kept tells too little", given: dijon,
			when: act(everything(), row("Cancers rares", coordinator, "CHU de Dijon", "Dijon")),
			then: `
				1 unspecified coordinator in
				1 asks network NET0000000 (sites)`,
		},
		{
			name: "another filière is no loss", given: dijon,
			when: act([]*labellingv1.ScopeCell{{FiliereId: id("FIL1"), Coverage: labellingv1.Coverage_COVERAGE_COMPLETE}, {FiliereId: id("FIL2"), Coverage: labellingv1.Coverage_COVERAGE_COMPLETE}},
				lineWith(row("MDS", coordinator, "CHU de Dijon", "Dijon"), func(l *labellingv1.AnnexLine) { l.Filiere = "FIL2" }), row("MDS", competence, "CHU de Besançon", "Besançon")),
			then: `
				1 renewed A000000000 coordinator CD00000000 in NET0000000 filiere
				2 renewed B000000000 competence CB00000000 in NET0000000 filiere
				attached NET0000000 as FIL2 FIL1`,
		},
		{
			name: "contested", given: dijon,
			when: act(everything(), row("Maladies du sein", coordinator, "CHU de Dijon", "Dijon"),
				lineWith(row("Autre", coordinator, "CHU de Besançon", "Besançon"), func(l *labellingv1.AnnexLine) { l.NetworkAcronym = "MDS" })),
			then: `
				1 unspecified coordinator in
				2 unspecified coordinator in
				1 asks network NET0000000 (title)
				2 asks network NET0000000 (acronym)`,
		},
		{
			name: "contested, and answered", given: dijon,
			when: answered(act(everything(), row("Maladies du sein", coordinator, "CHU de Dijon", "Dijon"),
				lineWith(row("Autre", coordinator, "CHU de Besançon", "Besançon"), func(l *labellingv1.AnnexLine) { l.NetworkAcronym = "MDS" })),
				answer(2, aboutNetwork, isNew, "")),
			then: `
				1 renewed A000000000 coordinator CD00000000 in NET0000000
				2 granted coordinator new-centre-1 in new-network-1
				0 expired B000000000 competence CB00000000 in NET0000000
				created new-network-1 as MDS - Autre
				created new-centre-1 as CHU de Besançon, Besançon`,
		},
		{
			name: "two networks become one",
			given: func(w *world) {
				dijon(w)
				w.network("NET2", "Maladies du cou", "", "FIL1")
				w.team("CN", "HB", "")
				w.label("N", "CN", "NET2", coordinator, "")
			},
			when: answered(act(everything(), row("Sein et cou", coordinator, "CHU de Dijon", "Dijon"), row("Sein et cou", constitutive, "CHU de Besançon", "Besançon")),
				answer(1, aboutNetwork, isSuccessor, "NET"), answer(1, aboutNetwork, isSuccessor, "NET2"), answer(2, aboutCentre, isSame, "CN")),
			then: `
				1 renewed A000000000 coordinator CD00000000 in new-network-1 network
				2 renewed N000000000 constitutive CN00000000 in new-network-1 role,network
				0 expired B000000000 competence CB00000000 in NET0000000
				created new-network-1 as Sein et cou
				succeeded new-network-1 as Sein et cou MDS,Maladies du cou`,
		},
		{
			name: "undetermined: neither new nor lost", given: dijon,
			when: answered(act(everything(), row("MDS", coordinator, "CHU de Dijon", "Dijon")), answer(1, aboutNetwork, isUnknown, "")),
			then: `
				1 undetermined coordinator in`,
		},
		{
			name: "an unknown filière", given: dijon,
			when: act(nil, lineWith(row("MDS", coordinator, "CHU de Dijon", "Dijon"), func(l *labellingv1.AnnexLine) { l.Filiere = "FILX" })),
			then: `
				1 renewed A000000000 coordinator CD00000000 in NET0000000
				1 warns FILIERE_UNKNOWN_PRINTED`,
		},
	} {
		t.Run(p.name, p.run)
	}
}

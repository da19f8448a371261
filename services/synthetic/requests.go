package synthetic

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

// Kinds of step.
const (
	cycleStep         = "cycle"
	establishmentStep = "establishment"
	filiereStep       = "filiere"
	platformStep      = "platform"
	centreStep        = "centre"
	networkStep       = "network"
	attachmentStep    = "attachment"
	renamingStep      = "renaming"
	actStep           = "act"
)

// step is one request: the place of what it registers in the plan.
type step struct {
	kind  string
	wave  int // of an act
	index int
}

// stages are the steps in order; those of one stage do not depend on each other.
func (p *plan) stages() [][]step {
	of := func(kind string, wave, n int) []step {
		out := make([]step, n)
		for i := range out {
			out[i] = step{kind, wave, i}
		}
		return out
	}
	out := [][]step{
		of(cycleStep, 0, 1), // alone: it fails where another account loaded this plan
		of(cycleStep, 0, len(p.cycles))[1:],
		of(establishmentStep, 0, len(p.hospitals)),
		append(append(of(filiereStep, 0, len(p.filieres)), of(platformStep, 0, len(p.platforms))...), of(centreStep, 0, len(p.centres))...),
		of(networkStep, 0, len(p.networks)),
		of(attachmentStep, 0, len(p.attached)),
		of(renamingStep, 0, len(p.renamed)),
	}
	for wave, acts := range p.waves {
		out = append(out, of(actStep, wave, len(acts)))
	}
	return out
}

// ids are what the plan's places stand for in the register.
type ids struct{ cycles, establishments, filieres, platforms, centres, networks, labels []string }

func (p *plan) noIDs() *ids {
	return &ids{
		make([]string, len(p.cycles)), make([]string, len(p.hospitals)), make([]string, len(p.filieres)), make([]string, len(p.platforms)),
		make([]string, len(p.centres)), make([]string, len(p.networks)), make([]string, p.granted),
	}
}

// request makes the request of a step, given the ids of what earlier stages made.
func (p *plan) request(s step, known *ids) proto.Message {
	id := fmt.Sprintf("synth-%x-%d-%s-%d-%d", p.seed, p.labels, s.kind, s.wave, s.index)
	basis := &eventv1.Basis{Source: p.source(), Evidence: eventv1.Evidence_EVIDENCE_PROPOSED}
	switch s.kind {
	case cycleStep:
		c := p.cycles[s.index]
		return &labellingv1.RegisterCycleRequest{
			RequestId: id, Basis: basis, Code: "SYNTH " + c.code,
			Period: &eventv1.Period{Start: c.start, End: c.end},
		}
	case establishmentStep:
		h := p.hospitals[s.index]
		return &topologyv1.RegisterEstablishmentRequest{
			RequestId: id, Basis: basis, Name: h.name(), Finess: h.finess(), FinessKind: topologyv1.FinessKind_FINESS_KIND_SITE, Place: h.place(),
		}
	case filiereStep:
		f := p.filieres[s.index]
		return &topologyv1.RegisterFiliereRequest{
			RequestId: id, Basis: basis, ValidFrom: "2014", Acronym: "SYNTH " + f.acronym, Name: "SYNTH Filière de santé " + f.acronym,
			EstablishmentId: known.establishments[f.hospital],
		}
	case platformStep:
		return p.platform(s.index, id, basis, known)
	case centreStep:
		h := p.centres[s.index]
		return &topologyv1.RegisterCentreRequest{
			RequestId: id, Basis: basis, Name: fmt.Sprintf("SYNTH Équipe n° %d", s.index+1), Population: topologyv1.Population(1 + s.index%3),
			EstablishmentIds: []string{known.establishments[h]},
		}
	case networkStep:
		n := p.networks[s.index]
		title, acronym := networkName(s.index, "")
		req := &topologyv1.RegisterNetworkRequest{RequestId: id, Basis: basis, ValidFrom: n.since, Title: title, Acronym: acronym}
		if n.since != "2004" {
			req.FiliereId = known.filieres[n.filiere]
		}
		return req
	case attachmentStep:
		n := p.attached[s.index]
		return &topologyv1.AttachNetworkRequest{
			RequestId: id, Basis: basis, ValidFrom: "2014-01-01", NetworkId: known.networks[n], FiliereId: known.filieres[p.networks[n].filiere],
		}
	case renamingStep:
		r := p.renamed[s.index]
		title, acronym := networkName(int(r.network), r.day[:4])
		return &topologyv1.RenameNetworkRequest{RequestId: id, Basis: basis, ValidFrom: r.day, NetworkId: known.networks[r.network], Title: title, Acronym: acronym}
	default:
		return p.recordAct(&p.waves[s.wave][s.index], id, basis, known)
	}
}

func (p *plan) platform(i int, id string, basis *eventv1.Basis, known *ids) *topologyv1.RegisterPlatformRequest {
	pl := p.platforms[i]
	req := &topologyv1.RegisterPlatformRequest{
		RequestId: id, Basis: basis, ValidFrom: "2020", Name: fmt.Sprintf("SYNTH Plateforme d'expertise n° %d", i+1),
		Kind: topologyv1.PlatformKind_PLATFORM_KIND_PEMR, Place: p.hospitals[pl.hospitals[0]].place(),
	}
	if pl.overseas {
		req.Kind = topologyv1.PlatformKind_PLATFORM_KIND_PCOM
		req.Name = "SYNTH Plateforme de coordination, " + p.hospitals[pl.hospitals[0]].dept.Name
	}
	if pl.wave == 1 {
		req.ValidFrom = "2021"
	}
	for _, h := range pl.hospitals {
		req.EstablishmentIds = append(req.EstablishmentIds, known.establishments[h])
	}
	return req
}

func (p *plan) recordAct(a *act, id string, basis *eventv1.Basis, known *ids) *labellingv1.RecordActRequest {
	req := &labellingv1.RecordActRequest{
		RequestId: id, Basis: basis, Kind: labellingv1.ActKind_ACT_KIND_ARRETE, Authority: "SYNTH Ministère",
		Title:      fmt.Sprintf("SYNTH Arrêté du %s portant labellisation : %s", a.signed, a.title),
		SignedDate: a.signed, EffectiveDate: a.effective, Scope: a.scope(known),
		AnnouncedTotals: []*labellingv1.AnnouncedTotal{{Unit: "lignes", Count: uint32(len(a.lines))}},
		Lines:           make([]*labellingv1.ActLine, len(a.lines)),
	}
	if a.parts > 1 {
		req.Title += fmt.Sprintf(" (partie %d sur %d)", a.part, a.parts)
	}
	if a.byCall {
		req.Kind = labellingv1.ActKind_ACT_KIND_CALL
		req.Title = fmt.Sprintf("SYNTH Résultat de l'appel à projets, %s", a.title)
	}
	if a.published != "" {
		req.Publications = []*labellingv1.Publication{{Bulletin: a.bulletin, Number: a.number, Date: a.published}}
	}
	if a.cycle >= 0 {
		req.CycleId = known.cycles[a.cycle]
	}
	period := &eventv1.Period{Start: a.effective, End: a.end}
	for i := range a.lines {
		req.Lines[i] = p.line(&a.lines[i], period, known)
	}
	return req
}

// scope is one cell for each filière and role.
func (a *act) scope(known *ids) []*labellingv1.ScopeCell {
	coverage := labellingv1.Coverage_COVERAGE_PARTIAL
	if a.complete {
		coverage = labellingv1.Coverage_COVERAGE_COMPLETE
	}
	filieres := []string{""}
	if len(a.filieres) > 0 {
		filieres = filieres[:0]
		for _, f := range a.filieres {
			filieres = append(filieres, known.filieres[f])
		}
	}
	var out []*labellingv1.ScopeCell
	for _, f := range filieres {
		for _, r := range a.roles {
			out = append(out, &labellingv1.ScopeCell{FiliereId: f, Role: r, Coverage: coverage})
		}
	}
	return out
}

func (p *plan) line(l *line, period *eventv1.Period, known *ids) *labellingv1.ActLine {
	switch l.does {
	case confirms:
		return &labellingv1.ActLine{Disposition: &labellingv1.ActLine_ConfirmedLabelId{ConfirmedLabelId: known.labels[l.label]}}
	case repeals:
		return &labellingv1.ActLine{Disposition: &labellingv1.ActLine_RepealedLabelId{RepealedLabelId: known.labels[l.label]}}
	}
	g := &labellingv1.Grant{Role: l.role, Period: period, HeadName: p.person(l.head)}
	switch l.role {
	case labellingv1.Role_ROLE_FSMR:
		g.Holder = &labellingv1.Grant_FiliereId{FiliereId: known.filieres[l.holder]}
	case labellingv1.Role_ROLE_PEMR, labellingv1.Role_ROLE_PCOM:
		g.Holder = &labellingv1.Grant_PlatformId{PlatformId: known.platforms[l.holder]}
	default:
		g.Holder = &labellingv1.Grant_Site{Site: &labellingv1.SiteRef{CentreId: known.centres[l.centre], NetworkId: known.networks[l.net]}}
	}
	if l.role == resource && period.GetStart() < "2014" {
		g.RoleAsPrinted = "CRCM"
	}
	if l.does == renews {
		return &labellingv1.ActLine{Disposition: &labellingv1.ActLine_Renewed{Renewed: &labellingv1.Renewal{LabelId: known.labels[l.before], Grant: g}}}
	}
	return &labellingv1.ActLine{Disposition: &labellingv1.ActLine_Granted{Granted: g}}
}

func (h hospital) name() string {
	if h.number == 1 && teaching[h.dept.Code] > 0 {
		return fmt.Sprintf("SYNTH CHU (%s)", h.dept.Name)
	}
	return fmt.Sprintf("SYNTH Hôpital n° %d (%s)", h.number, h.dept.Name)
}

func (h hospital) place() *topologyv1.Place {
	return &topologyv1.Place{City: "SYNTH-Ville (" + h.dept.Name + ")", DepartmentCode: h.dept.Code}
}

// finess is a number in a series of its own: after the department (97 and the last
// figure of an overseas one, 98 for Mayotte) come 99, or 9 overseas, and the number of
// the hospital.
func (h hospital) finess() string {
	code := h.dept.Code
	switch {
	case code == "976":
		code = fmt.Sprintf("98059%03d", h.number)
	case len(code) == 3:
		code = fmt.Sprintf("970%c9%03d", code[2], h.number)
	default:
		code = fmt.Sprintf("%s99%04d", code, h.number)
	}
	return code + luhn(strings.NewReplacer("A", "1", "B", "2").Replace(code))
}

// luhn is the check digit that follows digits.
func luhn(digits string) string {
	sum := 0
	for i := range len(digits) {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return fmt.Sprint((10 - sum%10) % 10)
}

// networkName is the title and acronym of a network; the year of a new name tells it
// from the first.
func networkName(i int, year string) (title, acronym string) {
	kinds := [...]string{"Anomalies", "Dystrophies", "Maladies héréditaires", "Malformations", "Syndromes", "Déficits"}
	sites := [...]string{"de l'albe", "du corymbe", "de la voussure", "des trames", "du liseré", "de la nervure", "des spicules"}
	title = fmt.Sprintf("SYNTH %s %s n° %d", kinds[i%len(kinds)], sites[i/len(kinds)%len(sites)], i+1)
	acronym = fmt.Sprintf("SYNTH-R%03d", i+1)
	if year != "" {
		title += ", périmètre de " + year
		acronym += "-" + year[2:]
	}
	return title, acronym
}

// person is the name of a head of site, made of syllables.
func (p *plan) person(i int32) string {
	c := chance(p.seed ^ uint64(i+1)*0x9e3779b97f4a7c15)
	first := [...]string{"Avelle", "Brenn", "Cyrane", "Dorian", "Eliette", "Fantin", "Gaelane", "Hervine", "Isaure", "Jonas", "Katell", "Lorine", "Mahaut", "Noam", "Orlane", "Priam"}
	one := [...]string{"Bal", "Cor", "Dru", "Fer", "Gal", "Hor", "Jas", "Kel", "Lor", "Mar", "Nol", "Pel", "Quin", "Rev", "Sor", "Tal", "Val", "Zed"}
	two := [...]string{"a", "e", "i", "o", "ou", "an", "in", "on"}
	end := [...]string{"bert", "caze", "dier", "flot", "gnac", "lin", "mont", "net", "quet", "rand", "seau", "tier", "val", "vert", "zic"}
	title := [...]string{"Pr", "Dr"}
	return fmt.Sprintf("%s %s SYNTH-%s%s%s", title[c.below(2)], first[c.below(len(first))], one[c.below(len(one))], two[c.below(len(two))], end[c.below(len(end))])
}

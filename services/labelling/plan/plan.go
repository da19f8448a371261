// Package plan reckons what an act would change, before anyone signs it off, and then
// the events that change it.
//
// The annex of an act names no team and no label: it prints a filière, a network, a
// role, a hospital, a town and a head, line by line. What a line means is found against
// the whole register, in four steps: which network is printed, which hospital, which
// team of that network, and which label of that team. Identity is asked, not guessed:
// one candidate for one line and one line for it is presumed, and shown as such;
// anything else is a question to the officer, whose answer comes back with the annex.
//
// Then what the complete cells of the act's scope leave out is drawn: absence from
// them is loss, and each loss is shown, to be accepted.
//
// What a signed act prints is never refused: what is odd is warned of and stands.
// Refused is what can only be a fault of the file.
//
// The package is pure: the same state, annex and names give the same plan.
package plan

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/bitemporal"
	"maillage/services/labelling"
	"maillage/services/topology"
)

// Reckoning is a plan with what it was reckoned from, so that it can be applied to
// exactly that state. It must not be used once the state has moved.
type Reckoning struct {
	// Plan is what an officer is shown. Its position is left to the caller. No name of a
	// person is in it.
	Plan *labellingv1.Plan

	annex     *labellingv1.Annex
	name      func(valueID string) string
	reg       *register
	window    *eventv1.Period // of the labels that the act begins, where their lines print none
	day       bitemporal.Date // from which the act certainly has effect; Future where it states none
	answers   map[question][]*labellingv1.Resolution
	taken     map[*labellingv1.Resolution]bool // answers to what was asked
	lines     []*line
	networks  []*network // printed, in the order of their first line
	spots     map[spotKey]*spot
	hospitals map[spotKey]*labellingv1.Resolution // answered; nil before it is looked for
	hosts     map[string]*hospital                // the hospitals that would be registered, by core name and town
	fresh     map[string]int                      // how many entities of a kind would be registered
	heirs     []succession                        // teams that take the place of others
	learnt    []*line                             // that print the hospital of a team which had none
	kept      map[string]bool                     // labels that are no loss: restated, or perhaps so
	passed    []*passing                          // successions of heads
	cited     string                              // the act that is known without its list, which this is

	collaborators []*collaborator // that lose their label
}

// question is what an answer answers.
type question struct {
	line    uint32
	subject labellingv1.Subject
}

// line is one line of the list, as far as it was read.
type line struct {
	in      *labellingv1.AnnexLine
	at      uint32 // counted from 1
	number  uint32 // in the annex
	role    labellingv1.Role
	network *network
	spot    *spot
	holder  *labellingv1.Holder // of a label of a filière or platform
	team    *team               // who holds it after; nil while that is asked
	labels  []*held             // that the line may go on from
	known   labellingv1.Identity
	asked   bool // something must be answered first
	unsure  bool // answered: nobody knows

	label  *held // that the line does something to
	does   labellingv1.Disposition
	period *eventv1.Period
	effect *labellingv1.Effect
}

// Reckon reckons what an act would change in a state as known at a position: only what is
// reckoned at bitemporal.Latest can be applied. name reads a personal value of the vault,
// "" where it is not there: it is used to compare heads alone.
func Reckon(s *labelling.State, topo *topology.State, known uint64, annex *labellingv1.Annex, name func(valueID string) string) *Reckoning {
	r := &Reckoning{
		Plan:    &labellingv1.Plan{},
		annex:   annex,
		name:    name,
		answers: make(map[question][]*labellingv1.Resolution),
		taken:   make(map[*labellingv1.Resolution]bool),
		spots:   make(map[spotKey]*spot),
		hosts:   make(map[string]*hospital),
		fresh:   make(map[string]int),
		kept:    make(map[string]bool),
	}
	r.day = effectiveDay(annex)
	if r.day != bitemporal.Future {
		r.Plan.EffectiveDate = r.day.String()
	}
	r.reg = readRegister(s, topo, known, r.day)
	if r.window = annex.GetLabelPeriod(); far(r.window.GetEnd()) {
		r.window = &eventv1.Period{Start: r.window.GetStart()}
	}
	for _, a := range annex.GetResolutions() {
		q := question{a.GetLine(), a.GetSubject()}
		r.answers[q] = append(r.answers[q], a)
	}
	r.checkAct()
	if len(annex.GetSuccessions()) > 0 {
		r.succeed()
		r.readCollaborators(nil) // none of it takes a label
	} else {
		r.readLines()
		r.identifyNetworks()
		r.identifyTeams()
		for _, l := range r.lines {
			r.dispose(l)
		}
		r.learnHospitals()
		r.checkSites()
		r.checkEnds()
		r.checkClosings()
		r.topologyEffects()
		r.drawScope()
		r.linkEffects()
		r.checkNetworks()
		r.checkTotals()
	}
	r.checkAnswers()
	r.count()
	slices.SortStableFunc(r.Plan.Questions, func(a, b *labellingv1.Question) int {
		return cmp.Or(cmp.Compare(a.GetLine(), b.GetLine()), cmp.Compare(a.GetSubject(), b.GetSubject()))
	})
	r.Plan.EffectsSha256 = Digest(r.Plan)
	return r
}

// effectiveDay is the day from which an act certainly has effect: that it states or,
// failing that, the first it was published, or that it was signed.
func effectiveDay(annex *labellingv1.Annex) bitemporal.Date {
	if _, day, err := bitemporal.Span(annex.GetEffectiveDate()); err == nil && day != bitemporal.Future {
		return day
	}
	first := bitemporal.Future
	for _, p := range annex.GetPublications() {
		if _, day, err := bitemporal.Span(p.GetDate()); err == nil {
			first = min(first, day)
		}
	}
	if first != bitemporal.Future {
		return first
	}
	if _, day, err := bitemporal.Span(annex.GetSignedDate()); err == nil {
		return day
	}
	return bitemporal.Future
}

// readLines numbers the lines, and tells those of sites from those of filières and
// platforms.
func (r *Reckoning) readLines() {
	numbered := make(map[uint32]*line, len(r.annex.GetLines()))
	for i, in := range r.annex.GetLines() {
		l := &line{in: in, at: uint32(i + 1), number: in.GetNumber(), role: in.GetRole()}
		if l.number == 0 {
			l.number = l.at
		}
		if first, taken := numbered[l.number]; taken {
			r.refuse(l, "LINE_NUMBER_TWICE", "Line %d of the list has the number %d already.", first.at, l.number)
		}
		numbered[l.number] = l
		r.readPeriod(l)
		r.checkLine(l)
		r.lines = append(r.lines, l)
	}
}

// farAway is a day before which every label ends: a spreadsheet writes a later one, most
// often of the year 9999, for an end that is not known.
const farAway = "2099-01-01"

func far(end string) bool {
	first, _, err := bitemporal.Span(end)
	bound, _ := bitemporal.ParseDate(farAway)
	return err == nil && first >= bound
}

// readPeriod takes an end that cannot be for an unknown one, warns of it and keeps it as
// printed. The day up to which an annulled label stands is left as it is: without one it
// never was.
func (r *Reckoning) readPeriod(l *line) {
	end := l.in.GetPeriod().GetEnd()
	if !far(end) || l.in.GetDisposition() == annulled {
		return
	}
	r.warn(l, "DATE_FAR", "No label ends on %q: it is kept as printed, and the end is not known.", end)
	l.in = proto.CloneOf(l.in)
	l.in.Period.End = ""
	if year := end[:4]; !slices.ContainsFunc(l.in.GetAsPrinted(), func(p *eventv1.Printed) bool { return strings.Contains(p.GetValue(), year) }) {
		l.in.AsPrinted = append(l.in.AsPrinted, &eventv1.Printed{Field: "end", Value: end})
	}
}

// site reports whether a line is about a team in a network.
func (l *line) site() bool {
	switch l.role {
	case labellingv1.Role_ROLE_FSMR, labellingv1.Role_ROLE_PEMR, labellingv1.Role_ROLE_PCOM:
		return false
	}
	return true
}

// answer returns what the officer answered to a question about a line.
func (r *Reckoning) answer(l *line, subject labellingv1.Subject) []*labellingv1.Resolution {
	answers := r.answers[question{l.at, subject}]
	for _, a := range answers {
		r.taken[a] = true
	}
	return answers
}

// ask puts a question about a line.
func (r *Reckoning) ask(l *line, subject labellingv1.Subject, candidates []*labellingv1.Candidate) {
	l.asked = true
	r.Plan.Questions = append(r.Plan.Questions, &labellingv1.Question{
		Line: l.at, Sheet: l.in.GetSheet(), Row: l.in.GetRow(),
		Subject: subject, Printed: l.printed(), Candidates: candidates,
	})
}

// printed is a line as printed, for reading, without names of persons.
func (l *line) printed() string {
	role := l.in.GetRoleAsPrinted()
	return joined(" / ", l.in.GetFiliere(), cmp.Or(l.in.GetNetworkTitle(), l.in.GetNetworkAcronym()), role, l.in.GetEstablishment(), l.in.GetCity())
}

func joined(separator string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), separator)
}

// freshName names an entity that would be registered.
func (r *Reckoning) freshName(kind string) string {
	r.fresh[kind]++
	return "new-" + kind + "-" + strconv.Itoa(r.fresh[kind])
}

// count counts the effects of each kind. Those of lines add up to the lines.
func (r *Reckoning) count() {
	type kind struct {
		does    labellingv1.Disposition
		role    labellingv1.Role
		ofLines bool
	}
	counts := make(map[kind]*labellingv1.EffectCount)
	for _, e := range r.Plan.GetEffects() {
		k := kind{e.GetDisposition(), e.GetRole(), e.GetLine() != 0}
		c, ok := counts[k]
		if !ok {
			c = &labellingv1.EffectCount{Disposition: k.does, Role: k.role, OfLines: k.ofLines}
			counts[k] = c
			r.Plan.Counts = append(r.Plan.Counts, c)
		}
		c.Labels++
	}
	slices.SortFunc(r.Plan.Counts, func(a, b *labellingv1.EffectCount) int {
		if a.GetOfLines() != b.GetOfLines() {
			if a.GetOfLines() {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.GetDisposition(), b.GetDisposition()), cmp.Compare(a.GetRole(), b.GetRole()))
	})
}

package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/fact"
	"maillage/services/fault"
	"maillage/services/labelling"
	"maillage/services/topology"
)

const (
	coordinator  = labellingv1.Role_ROLE_COORDINATOR
	constitutive = labellingv1.Role_ROLE_CONSTITUTIVE
	competence   = labellingv1.Role_ROLE_COMPETENCE
)

var source = &eventv1.Basis{Source: "https://example.org/list", Evidence: eventv1.Evidence_EVIDENCE_ACT_READ}

// tester is what a test or a property reports to.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// world is a log, read into its folds, a mint and a vault. What is registered bears the
// name it is called by as its id, padded.
type world struct {
	t     tester
	topo  *topology.State
	s     *labelling.State
	at    uint64
	ids   int
	vault map[string]string
}

func newWorld(t tester) *world {
	w := &world{t: t, topo: new(topology.State), s: new(labelling.State), vault: make(map[string]string)}
	for _, f := range []string{"FIL1", "FIL2"} {
		w.topology(topology.RegisterFiliere(w.topo, id(f), &topologyv1.RegisterFiliereRequest{Basis: source, Acronym: f, Name: "Filière " + f}))
	}
	w.labelling(labelling.RegisterCycle(w.s, w.topo, id("OLD"), &labellingv1.RegisterCycleRequest{
		Basis: source, Code: "2017-2022", Period: &eventv1.Period{Start: "2017", End: "2022"},
	}))
	w.labelling(labelling.RegisterCycle(w.s, w.topo, id("NEW"), &labellingv1.RegisterCycleRequest{
		Basis: source, Code: "2023-2028", Period: &eventv1.Period{Start: "2023", End: "2028"},
	}))
	return w
}

// id pads a name to ten characters of the alphabet.
func id(name string) string {
	name = strings.NewReplacer("I", "1", "L", "1", "O", "0", "U", "V").Replace(strings.ToUpper(name))
	return name + strings.Repeat("0", 10-len(name))
}

func (w *world) topology(events []*topologyv1.Event, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	for _, e := range events {
		w.fold(e)
	}
}

func (w *world) labelling(events []*labellingv1.Event, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	for _, e := range events {
		w.fold(e)
	}
}

// fold appends an event. A fact that this binary has no fold for is passed over.
func (w *world) fold(e fact.Event) {
	w.t.Helper()
	w.at++
	e.GetMeta().Schema = 1
	var err error
	switch e := e.(type) {
	case *topologyv1.Event:
		err = w.topo.Evolve(w.at, e)
	case *labellingv1.Event:
		err = w.s.Evolve(w.at, e)
	}
	if err != nil && !errors.Is(err, fact.ErrUnreadable) {
		w.t.Fatalf("%v of %v", err, e)
	}
}

func (w *world) mint() string {
	w.ids++
	return fmt.Sprintf("M%09d", w.ids)
}

func (w *world) network(name, title, acronym, filiere string) {
	w.t.Helper()
	if filiere != "" {
		filiere = id(filiere)
	}
	w.topology(topology.RegisterNetwork(w.topo, id(name), &topologyv1.RegisterNetworkRequest{Basis: source, Title: title, Acronym: acronym, FiliereId: filiere}))
}

func (w *world) hospital(name, called, city string) {
	w.t.Helper()
	w.topology(topology.RegisterEstablishment(w.topo, id(name), &topologyv1.RegisterEstablishmentRequest{Basis: source, Name: called, Place: &topologyv1.Place{City: city}}))
}

// team registers a team in a hospital or, where there is none, a town.
func (w *world) team(name, hospital, city string, population ...topologyv1.Population) {
	w.t.Helper()
	r := &topologyv1.RegisterCentreRequest{Basis: source}
	if hospital != "" {
		r.EstablishmentIds = []string{id(hospital)}
	} else if city != "" {
		r.Place = &topologyv1.Place{City: city}
	}
	if len(population) > 0 {
		r.Population = population[0]
	}
	w.topology(topology.RegisterCentre(w.topo, id(name), r))
}

// label grants a label 2017 to 2022 of the old cycle, with a head.
func (w *world) label(name, team, network string, role labellingv1.Role, head string, period ...string) {
	w.t.Helper()
	g := &labellingv1.Grant{
		Holder:  &labellingv1.Grant_Site{Site: &labellingv1.SiteRef{CentreId: id(team), NetworkId: id(network)}},
		Role:    role,
		CycleId: id("OLD"),
		Period:  &eventv1.Period{Start: "2017-08-08", End: "2022-08-08"},
	}
	if len(period) > 0 {
		g.Period, g.CycleId = &eventv1.Period{Start: period[0], End: period[1]}, id(period[2])
	}
	w.labelling(labelling.GrantLabel(w.s, w.topo, labelling.IDs{Label: id(name), Site: w.mint()}, &labellingv1.GrantLabelRequest{Basis: source, Grant: g}, w.head(head)))
}

func (w *world) head(name string) *eventv1.PersonalValue {
	if name == "" {
		return nil
	}
	v := &eventv1.PersonalValue{ValueId: fmt.Sprintf("value-%d", len(w.vault))}
	w.vault[v.ValueId] = name
	return v
}

// act is an arrêté of the end of 2023 with a list, whole for what the scope says.
func act(scope []*labellingv1.ScopeCell, lines ...*labellingv1.AnnexLine) *labellingv1.Annex {
	return &labellingv1.Annex{
		Basis: source, Kind: labellingv1.ActKind_ACT_KIND_ARRETE, Title: "Arrêté du 26 décembre 2023",
		SignedDate:   "2023-12-26",
		Publications: []*labellingv1.Publication{{Bulletin: "BO Santé", Date: "2023-12-29"}},
		CycleId:      id("NEW"),
		LabelPeriod:  &eventv1.Period{Start: "2023-12-29", End: "2028-12-29"},
		Scope:        scope,
		Lines:        lines,
	}
}

func everything() []*labellingv1.ScopeCell {
	return []*labellingv1.ScopeCell{{Coverage: labellingv1.Coverage_COVERAGE_COMPLETE}}
}

// row is a line of the list.
func row(network string, role labellingv1.Role, hospital, city string, heads ...string) *labellingv1.AnnexLine {
	return &labellingv1.AnnexLine{NetworkTitle: network, Role: role, Establishment: hospital, City: city, Heads: heads}
}

func (w *world) reckon(annex *labellingv1.Annex) *Reckoning {
	return Reckon(w.s, w.topo, bitemporal.Latest, annex, func(id string) string { return w.vault[id] })
}

// apply applies an act and folds what it does.
func (w *world) apply(annex *labellingv1.Annex) []fact.Event {
	w.t.Helper()
	events, err := w.reckon(annex).Apply(w.mint, func(i int) *eventv1.PersonalValue {
		if i < len(annex.GetLines()) && len(annex.GetLines()[i].GetHeads()) > 0 {
			return w.head(annex.GetLines()[i].GetHeads()[0])
		}
		return nil
	})
	if err != nil {
		w.t.Fatalf("%v\n%s", err, said(w.reckon(annex).Plan))
	}
	for _, e := range events {
		w.fold(e)
	}
	return events
}

// said is a plan in few words, a line each: its effects, what it does to topology, its
// questions, warnings and refusals.
func said(p *labellingv1.Plan) string {
	short := func(s, prefix string) string { return strings.ToLower(strings.TrimPrefix(s, prefix)) }
	var out []string
	say := func(words ...string) { out = append(out, joined(" ", words...)) }
	for _, e := range p.GetEffects() {
		var changes []string
		for _, c := range e.GetChanges() {
			changes = append(changes, c.GetField())
		}
		say(fmt.Sprint(e.GetLine()), short(e.GetDisposition().String(), "DISPOSITION_"), e.GetLabelId(), short(e.GetRole().String(), "ROLE_"),
			e.GetCentre(), "in", e.GetNetwork(), strings.Join(changes, ","))
	}
	for _, e := range p.GetTopology() {
		say(short(e.GetKind().String(), "TOPOLOGY_EFFECT_KIND_"), e.GetEntity(), "as", e.GetName(), strings.Join(e.GetBefore(), ","))
	}
	for _, q := range p.GetQuestions() {
		var candidates []string
		for _, c := range q.GetCandidates() {
			candidates = append(candidates, fmt.Sprintf("%s (%s)", c.GetEntityId(), strings.Join(c.GetReasons(), ",")))
		}
		say(fmt.Sprint(q.GetLine()), "asks", short(q.GetSubject().String(), "SUBJECT_"), strings.Join(candidates, " "))
	}
	for _, m := range p.GetWarnings() {
		say(fmt.Sprint(m.GetLine()), "warns", m.GetReason())
	}
	for _, m := range p.GetRefusals() {
		say(fmt.Sprint(m.GetLine()), "refuses", m.GetReason())
	}
	return strings.Join(out, "\n") + "\n"
}

// checkPlan holds every plan to what is true of all.
func (w *world) checkPlan(annex *labellingv1.Annex, p *labellingv1.Plan) {
	w.t.Helper()
	lines := max(len(annex.GetLines()), len(annex.GetSuccessions()))
	var of uint32
	for _, c := range p.GetCounts() {
		if c.GetOfLines() {
			of += c.GetLabels()
		}
	}
	if int(of) != lines {
		w.t.Errorf("%d effects of lines, of %d lines", of, lines)
	}
	for i := range lines {
		if got := p.GetEffects()[i].GetLine(); int(got) != i+1 {
			w.t.Errorf("effect %d is of line %d", i, got)
		}
	}
	encoded, err := proto.Marshal(p)
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	names := make([]string, 0, len(w.vault))
	for _, name := range w.vault {
		names = append(names, name)
	}
	for _, l := range annex.GetLines() {
		names = append(names, l.GetHeads()...)
	}
	for _, s := range annex.GetSuccessions() {
		names = append(names, s.GetOutgoing(), s.GetIncoming())
	}
	for _, name := range names {
		if name != "" && strings.Contains(string(encoded), name) {
			w.t.Errorf("the plan names %q", name)
		}
	}
}

func mustRefuse(t testing.TB, err error, reason string) {
	t.Helper()
	if f, ok := errors.AsType[*fault.Error](err); !ok || f.Reason != reason {
		t.Errorf("got %v, want %s", err, reason)
	}
}

// openLabels are the labels of the register that nothing goes on from and that hold on a
// day, by site.
func (w *world) openLabels(day string) map[string][]*labellingv1.Label {
	d, err := bitemporal.ParseDate(day)
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	open := make(map[string][]*labellingv1.Label)
	for id := range w.s.Labels.IDs() {
		l, _ := w.s.Label(id, bitemporal.Latest)
		status, _ := w.s.StatusAt(id, d, bitemporal.Latest, w.topo)
		if slices.Contains([]labellingv1.Status{labellingv1.Status_STATUS_IN_FORCE, labellingv1.Status_STATUS_EXTENDED}, status) {
			site := l.GetHolder().GetSite()
			key := site.GetCentreId() + "." + site.GetNetworkId()
			open[key] = append(open[key], l)
		}
	}
	return open
}

package e2e

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
)

// TestTimelines builds each kind of change there is a dated example of, from the facts
// its sources give, and keeps what history then tells of it. Persons have made-up names.
func TestTimelines(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(timelines)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tl := &timeline{desk: newDesk(t), seen: map[string]string{}, numbers: map[string]int{}}
			timelines[name](tl)
			golden := filepath.Join("testdata", "timelines", name+".txt")
			if *update {
				must(t, os.MkdirAll(filepath.Dir(golden), 0o755))
				must(t, os.WriteFile(golden, []byte(tl.out.String()), 0o600))
			}
			want, err := os.ReadFile(golden)
			must(t, err)
			if tl.out.String() != string(want) {
				t.Errorf("got\n%s\nwant\n%s", tl.out.String(), want)
			}
		})
	}
}

// timeline is what is told of a change. Ids stand in it as names, or as numbers of their
// kind in the order met; positions and times do not.
type timeline struct {
	*desk
	out     strings.Builder
	seen    map[string]string
	numbers map[string]int
}

func (tl *timeline) say(format string, args ...any) { fmt.Fprintf(&tl.out, format, args...) }

// history tells every fact about an entity, as the public verb does. What the clock
// says is left out: it depends on the day of the test.
func (tl *timeline) history(verb, id string) {
	tl.t.Helper()
	out, errs, code := tl.cli(verb, "history", id, "--json")
	if code != 0 {
		tl.t.Fatalf("exit code %d: %s", code, errs)
	}
	tl.say("history of %s\n", tl.idName(verb, id))
	for line := range strings.Lines(out) {
		f := &registryv1.Fact{}
		must(tl.t, protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal([]byte(line), f))
		kind := kindOf(f)
		if kind == "term reached" || kind == "day reached" {
			continue
		}
		m, meta := f.GetLabelling().ProtoReflect(), metaOf(f)
		if e := f.GetTopology(); e != nil {
			m = e.ProtoReflect()
		}
		fact := m.Get(m.WhichOneof(m.Descriptor().Oneofs().ByName("fact"))).Message()
		tl.say("- %s: %s\n", kind, tl.values(fact))
		for _, c := range f.GetChanges() {
			kind := c.GetField()
			if kind == "holder" {
				kind = "site"
			}
			tl.say("    %s: %q -> %q\n", c.GetField(), tl.replaced(kind, c.GetBefore()), tl.replaced(kind, c.GetAfter()))
		}
		switch line := meta.GetBasis().GetActLine(); {
		case line != 0:
			tl.say("    by %s, line %d\n", f.GetActTitle(), line)
		case f.GetActTitle() != "":
			tl.say("    by %s\n", f.GetActTitle())
		}
		if meta.GetApprover() != nil {
			tl.say("    prepared by one person, approved by another: %v\n", meta.GetActor().GetAccount() != meta.GetApprover().GetAccount())
		}
	}
}

// values is the values of a message, in the order of its fields.
func (tl *timeline) values(m protoreflect.Message) string {
	var out []string
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if !m.Has(field) || field.Kind() == protoreflect.BytesKind || field.Name() == "position" {
			continue
		}
		var texts []string
		if field.IsList() {
			for j := range m.Get(field).List().Len() {
				texts = append(texts, tl.value(field, m.Get(field).List().Get(j)))
			}
		} else {
			texts = append(texts, tl.value(field, m.Get(field)))
		}
		out = append(out, string(field.Name())+" "+strings.Join(texts, " + "))
	}
	return strings.Join(out, ", ")
}

func (tl *timeline) value(field protoreflect.FieldDescriptor, v protoreflect.Value) string {
	switch field.Kind() {
	case protoreflect.EnumKind:
		return string(field.Enum().Values().ByNumber(v.Enum()).Name())
	case protoreflect.MessageKind:
		if field.Message().Name() == "PersonalValue" {
			return "(in the vault)"
		}
		return "{" + tl.values(v.Message()) + "}"
	case protoreflect.StringKind:
		if name := string(field.Name()); strings.HasSuffix(name, "_id") || strings.HasSuffix(name, "_ids") {
			return tl.idName(strings.TrimSuffix(strings.TrimSuffix(name, "s"), "_id"), v.String())
		}
	}
	return v.String()
}

// idName is what an id is called in the timeline.
func (tl *timeline) idName(kind, id string) string {
	if name := tl.names[id]; name != "" {
		return name
	}
	if _, met := tl.seen[id]; !met {
		if kind == "successor" {
			kind = "label"
		}
		tl.numbers[kind]++
		tl.seen[id] = fmt.Sprintf("%s %d", kind, tl.numbers[kind])
	}
	return tl.seen[id]
}

var anID = regexp.MustCompile(`\b[0-9A-HJKMNP-TV-Z]{10}\b`)

func (tl *timeline) replaced(kind, text string) string {
	return anID.ReplaceAllStringFunc(text, func(id string) string { return tl.idName(kind, id) })
}

// status tells how a label stands on some days.
func (tl *timeline) status(label string, days ...string) {
	tl.t.Helper()
	for _, day := range days {
		e := tl.label(label, day)
		tl.say("%s on %s: %s, %s\n", tl.idName("label", label), day, e.GetStatus(), e.GetOperationState())
	}
}

// coverage tells who had no label on a day, and which gaps an extension bridged.
func (tl *timeline) coverage(day string) {
	tl.t.Helper()
	r, err := tl.registry.GetCoverage(tl.ctx, &registryv1.GetCoverageRequest{AsOf: on(day)})
	must(tl.t, err)
	tl.say("coverage on %s: %d covered\n", day, r.GetCovered())
	for i, entries := range [][]*registryv1.CoverageEntry{r.GetUncovered(), r.GetBridged()} {
		for _, e := range entries {
			tl.say("- %s: %s, %s, %s to %s, %d days\n", [...]string{"without a label", "bridged"}[i], e.GetEntry().GetCity(), e.GetEntry().GetStatus(), e.GetGap().GetStart(), e.GetGap().GetEnd(), e.GetDays())
		}
	}
}

// effects tells how many labels an act did what to.
func (tl *timeline) effects(act string) {
	tl.t.Helper()
	r, err := tl.registry.ListActEffects(tl.ctx, &registryv1.ListActEffectsRequest{ActId: act})
	must(tl.t, err)
	tl.say("%s\n", r.GetAct().GetTitle())
	for _, n := range r.GetCounts() {
		of := "of no line"
		if n.GetOfLines() {
			of = "of its lines"
		}
		tl.say("- %s %s: %d, %s\n", n.GetDisposition(), n.GetRole(), n.GetLabels(), of)
	}
}

// answered answers the questions of identity as an officer would who knows no better than
// the register: the likeliest candidate is the same and, where there is none, it is new.
func (tl *timeline) answered(annex *labellingv1.Annex) *labellingv1.Annex {
	tl.t.Helper()
	for range 3 {
		r, err := tl.labelling.PlanAct(tl.ctx, &labellingv1.PlanActRequest{Annex: annex})
		must(tl.t, err)
		for _, q := range r.GetPlan().GetQuestions() {
			answer := resolved(q.GetLine(), q.GetSubject(), labellingv1.Identity_IDENTITY_NEW, "")
			if all := q.GetCandidates(); len(all) > 0 {
				answer.Identity, answer.EntityId = labellingv1.Identity_IDENTITY_SAME, all[0].GetEntityId()
			}
			annex.Resolutions = append(annex.Resolutions, answer)
		}
		if len(r.GetPlan().GetQuestions()) == 0 {
			break
		}
	}
	return annex
}

// cycles are those of the examples.
func (tl *timeline) cycles() (c2017, c2023 string) {
	return tl.cycle("2017-2022", "2017", "2022"), tl.cycle("2023-2028", "2023", "2028", "2022-2027", "2023-2027", "2024-2028")
}

// granted2023 is the labels of a network that began with the act of 2023, by place.
func (tl *timeline) granted2023(network string) (labels []string) {
	tl.t.Helper()
	all := []labellingv1.Status{inForce, labellingv1.Status_STATUS_WITHDRAWN}
	for _, e := range tl.labels(&registryv1.ListLabelsRequest{AsOf: on("2024-02-01"), Network: network, Statuses: all}) {
		tl.say("%s: %s, %s\n", tl.idName("label", e.GetLabel().GetLabelId()), e.GetCity(), e.GetLabel().GetRole())
		labels = append(labels, e.GetLabel().GetLabelId())
	}
	return labels
}

// team is a centre of a hospital of a town.
func (tl *timeline) team(hospital, city, department string) string {
	tl.t.Helper()
	return tl.centre(hospital, tl.hospital(hospital, city, department))
}

func in2017(centre, network string, role labellingv1.Role, cycle string) *labellingv1.Grant {
	return grant(centre, network, role, cycle, "2017-08-08", "2022-08-08")
}

// act2017 records the arrêté of 8 August 2017 with the labels it grants.
func (tl *timeline) act2017(cycle string, all ...*labellingv1.Grant) []string {
	tl.t.Helper()
	var lines []*labellingv1.ActLine
	for _, g := range all {
		lines = append(lines, grants(g))
	}
	_, labels := tl.record("Arrêté du 8 août 2017", "2017-08-08", "2017-09-15", cycle, lines...)
	return labels
}

var timelines = map[string]func(*timeline){
	"granted": func(tl *timeline) {
		_, c2023 := tl.cycles()
		tl.filiere("AnDDI-Rares")
		tl.hospital("CHU Dijon Bourgogne", "Dijon", "21")
		tl.hospital("CHU de Besançon", "Besançon", "25")
		var list []*labellingv1.AnnexLine
		for i := range 5 {
			list = append(list, row(fmt.Sprintf("Réseau de Dijon, n° %d", i+1), coordinator, "CHU Dijon Bourgogne", "Dijon"))
		}
		list = append(list, row("Réseau de Besançon", coordinator, "CHU de Besançon", "Besançon"))
		act, _ := tl.enact(tl.answered(act2023(c2023, of("", partial), list...)))
		tl.effects(act)
		found := tl.labels(&registryv1.ListLabelsRequest{AsOf: on("2024-01-23")})
		label := found[len(found)-1].GetLabel().GetLabelId()
		tl.history("label", label)
		tl.status(label, "2023-12-28", "2024-01-23")
	},
	"renewed": func(tl *timeline) {
		c2017, c2023 := tl.cycles()
		filiere, team := tl.filiere("RespiFIL"), [3]string{tl.team("CHU de Lyon", "Lyon", "69"), tl.team("Hôpital Bicêtre", "Le Kremlin-Bicêtre", "94"), tl.team("Hôpital Trousseau", "Paris", "75")}
		networks := []string{tl.network("Maladies pulmonaires rares", "OrphaLung", filiere), tl.network("Hypertension pulmonaire", "PulmoTension", filiere), tl.network("Maladies respiratoires rares", "RespiRare", filiere)}
		labels := tl.act2017(c2017, in2017(team[0], networks[0], coordinator, c2017), in2017(team[1], networks[1], coordinator, c2017), in2017(team[2], networks[2], coordinator, c2017))
		act, _ := tl.enact(act2023(c2023, of(filiere, complete), row("OrphaLung", coordinator, "CHU de Lyon", "Lyon"),
			row("PulmoTension", coordinator, "Hôpital Bicêtre", "Le Kremlin-Bicêtre"), row("RespiRare", coordinator, "Hôpital Trousseau", "Paris")))
		tl.effects(act)
		tl.history("label", labels[2])
		tl.status(labels[2], "2022-08-07", "2022-08-08", "2023-12-28", "2023-12-29")
		tl.status(tl.label(labels[2], "2024-01-01").GetLabel().GetSuccessorId(), "2023-12-28", "2023-12-29", "2028-12-29")
	},
	"refused": func(tl *timeline) {
		c2017, _ := tl.cycles()
		campaign := tl.campaign(c2017)
		for i := range 8 {
			tl.outcome(campaign, fmt.Sprintf("candidature n° %d", i+1), "", labellingv1.OutcomeKind_OUTCOME_KIND_REFUSED, "2017-05-09")
		}
		network := tl.network("Institut Jérôme-Lejeune – Saint-Joseph", "", "")
		tl.outcome(campaign, "Institut Jérôme-Lejeune – Saint-Joseph", network, labellingv1.OutcomeKind_OUTCOME_KIND_SET_ASIDE, "2017")
		tl.assert(network, "outcome", "labellisation corrigée comme une erreur matérielle, selon une question parlementaire, réponse du 26 novembre 2019", "https://questions.assemblee-nationale.fr/q15/15-7786QE.htm", "2019-11-26")
		tl.history("network", network)
		tl.outcomes(campaign)
	},
	"adjusted-deferred": func(tl *timeline) {
		c2017, _ := tl.cycles()
		campaign := tl.campaign(c2017)
		for i := range 62 {
			kind := labellingv1.OutcomeKind_OUTCOME_KIND_ADJUSTED
			if i >= 45 {
				kind = labellingv1.OutcomeKind_OUTCOME_KIND_DEFERRED
			}
			tl.outcome(campaign, fmt.Sprintf("candidature n° %d", i+1), "", kind, "2017-05-09")
		}
		network := tl.network("Réseau différé", "", "")
		tl.outcome(campaign, "Réseau différé", network, labellingv1.OutcomeKind_OUTCOME_KIND_DEFERRED, "2017-05-09")
		tl.outcome(campaign, "Réseau différé", network, labellingv1.OutcomeKind_OUTCOME_KIND_FAVOURABLE, "2017-08-08")
		tl.history("network", network)
		tl.outcomes(campaign)
	},
	"corrected-by-a-later-act": func(tl *timeline) {
		c2017, _ := tl.cycles()
		network := tl.network("Maladies rares", "", tl.filiere("MHEMO"))
		one, two := tl.team("CHU de Lyon", "Lyon", "69"), tl.team("CHU de Brest", "Brest", "29")
		may, labels := tl.record("Arrêté du 9 mai 2017", "2017-05-09", "", c2017,
			grants(grant(one, network, coordinator, c2017, "2017-05-09", "2022-05-09")), grants(grant(two, network, competence, c2017, "2017-05-09", "2022-05-09")))
		tl.amend("Arrêté du 8 août 2017", "2017-08-08", may, confirms(labels[0]), amends(labels[1], constitutive))
		tl.record("Arrêté du 25 novembre 2017", "2017-11-25", "2017-12-15", c2017, confirms(labels[0]), confirms(labels[1]))
		tl.history("label", labels[0])
		tl.history("label", labels[1])
		tl.status(labels[1], "2017-06-01", "2018-01-01")
		tl.say("role %s\n", tl.label(labels[1], "2017-06-01").GetLabel().GetRole())
	},
	"competence-to-constitutive": func(tl *timeline) {
		c2017, c2023 := tl.cycles()
		filiere := tl.filiere("RespiFIL")
		network := tl.network("Maladies pulmonaires rares", "OrphaLung", filiere)
		all, list := []*labellingv1.Grant{in2017(tl.team("CHU de Lyon", "Lyon", "69"), network, coordinator, c2017)}, []*labellingv1.AnnexLine{row("OrphaLung", coordinator, "CHU de Lyon", "Lyon")}
		for i := range 11 {
			name, city := fmt.Sprintf("CHU n° %d", i+1), fmt.Sprintf("Ville-%c", 'A'+i)
			all, list = append(all, in2017(tl.team(name, city, ""), network, competence, c2017)), append(list, row("OrphaLung", constitutive, name, city))
		}
		labels := tl.act2017(c2017, all...)
		act, _ := tl.enact(act2023(c2023, of(filiere, complete), list...))
		tl.effects(act)
		tl.history("label", labels[1])
		tl.status(labels[1], "2018-01-01", "2023-06-01", "2024-01-01")
	},
	"reference-role-lost": func(tl *timeline) {
		c2017, _ := tl.cycles()
		filiere := tl.filiere("MaRIH")
		network := tl.network("Microangiopathies thrombotiques", "CNR-MAT", filiere)
		paris, lead := tl.team("Hôpital Tenon", "Paris", "75"), tl.team("Hôpital Saint-Antoine", "Paris", "75")
		kept, _ := tl.granted(grant(lead, network, coordinator, "", "2007", "2017-08-08"))
		lost, _ := tl.granted(grant(paris, network, reference, "", "2007", "2017-08-08"))
		regional, _ := tl.granted(grant(tl.team("CHU de Lille", "Lille", "59"), network, competence, "", "2008", "2017-08-08"))
		annex := act2023(c2017, of(filiere, complete), row("CNR-MAT", coordinator, "Hôpital Saint-Antoine", "Paris"),
			row("CNR-MAT", competence, "Hôpital Tenon", "Paris"), row("CNR-MAT", constitutive, "CHU de Lille", "Lille"))
		annex.Title, annex.SignedDate, annex.LabelPeriod = "Arrêté du 8 août 2017", "2017-08-08", &eventv1.Period{Start: "2017-08-08", End: "2022-08-08"}
		annex.Publications = []*labellingv1.Publication{{Bulletin: "BO Santé", Date: "2017-09-15"}}
		act, _ := tl.enact(annex)
		tl.effects(act)
		for _, l := range []string{kept, lost, regional} {
			tl.history("label", l)
			tl.status(l, "2016-01-01", "2018-01-01")
		}
	},
	"constitutive-added": func(tl *timeline) {
		c2017, c2023 := tl.cycles()
		filiere := tl.filiere("FIRENDO")
		tl.hospital("CHU de Toulouse", "Toulouse", "31")
		network := tl.network("Maladies endocriniennes rares de la croissance", "CRESCENDO", filiere)
		tl.act2017(c2017, in2017(tl.team("Hôpital Robert-Debré", "Paris", "75"), network, coordinator, c2017))
		act, _ := tl.enact(tl.answered(act2023(c2023, of(filiere, partial), row("CRESCENDO", coordinator, "Hôpital Robert-Debré", "Paris"), row("CRESCENDO", constitutive, "CHU de Toulouse", "Toulouse"))))
		tl.effects(act)
		label := tl.labels(&registryv1.ListLabelsRequest{AsOf: on("2024-01-01"), Text: "Toulouse"})[0].GetLabel().GetLabelId()
		tl.history("label", label)
		tl.status(label, "2023-12-28", "2024-01-01")
	},
}

package main

import (
	"encoding/json"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/audit"
	"maillage/services/fault"
)

// AuditExplainCmd tells the whole story of a label, or of an act.
type AuditExplainCmd struct {
	ID   id     `arg:"" name:"label" help:"Identifiant du label, ou de l'acte."`
	File string `name:"from" required:"" type:"existingfile" placeholder:"PAQUET" help:"Le paquet : avec tous les événements, ou celui de ce label ou de cet acte seulement."`
	Trusted
	Moment
	HTML bool `name:"html" help:"Une page à imprimer, plutôt que du texte."`
}

// story is what is told: all of it is checked.
type story struct {
	Label    string    `json:"label,omitempty"` // one of both
	Act      string    `json:"act,omitempty"`
	Lines    []told    `json:"lines"`             // what it is
	Episodes []episode `json:"episodes"`          // what befell it, or what the act did
	Acts     []episode `json:"acts,omitempty"`    // the acts that the events rest on
	Persons  []told    `json:"persons,omitempty"` // whose names the events refer to, and which of them were erased
	Part     bool      `json:"part,omitempty"`    // told from the bundle of it alone
	Origin   string    `json:"origin"`
	Size     uint64    `json:"size,string"`
	Root     string    `json:"root"`
	SignedBy string    `json:"signedBy"`
	Day      string    `json:"day"`
	Opened   int       `json:"opened,omitempty"` // names that the bundle gives in clear
}

type told struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// episode is an event.
type episode struct {
	Position uint64 `json:"position,string"`
	Title    string `json:"title"`
	Lines    []told `json:"lines"`
	Leaf     string `json:"leaf"`
}

// Run tells it.
func (c *AuditExplainCmd) Run(a *app) error {
	b, verified, err := c.verified(c.File)
	if err != nil {
		return err
	}
	defer b.Close()
	replica, err := b.ReplayPart()
	if err != nil {
		return err
	}
	replica.Unnamed = unnamed
	if err := replica.Tells(string(c.ID)); err != nil {
		return err
	}
	conn, stop, err := reads(replica)
	if err != nil {
		return err
	}
	defer stop()
	s := &story{
		Part: b.Scope != audit.Whole, Origin: verified.Checkpoint.Origin, Size: verified.Checkpoint.Size,
		Root: verified.Checkpoint.Root.String(), SignedBy: strings.Join(verified.SignedBy, ", "),
		Opened: verified.Opened,
	}
	if err := s.gather(a, c, conn, replica); err != nil {
		return err
	}
	switch {
	case a.json:
		return json.NewEncoder(a.stdout).Encode(s)
	case c.HTML:
		return storyPage.Execute(a.stdout, s)
	}
	_, err = fmt.Fprint(a.stdout, harmless(s.text()))
	return err
}

func (s *story) gather(a *app, c *AuditExplainCmd, conn grpc.ClientConnInterface, replica *audit.Replica) error {
	client := registryv1.NewRegistryServiceClient(conn)
	label, err := client.GetLabel(a.ctx, &registryv1.GetLabelRequest{LabelId: string(c.ID), AsOf: c.asOf()})
	switch own, is := fault.FromStatus(err); {
	case err == nil:
		s.Label, s.Day, s.Lines = string(c.ID), frDate(label.GetResolved().GetValidAt()), tellColumns(labelColumns, label.GetEntry())
		s.Lines = appendTold(s.Lines, "Responsable", label.GetEntry().GetHeadName())
		for _, o := range label.GetEntry().GetOffices() {
			s.Lines = appendTold(s.Lines, "Poste", messageText(o.ProtoReflect()))
		}
	case is && own.Reason == "LABEL_UNKNOWN":
		act, other := client.GetAct(a.ctx, &registryv1.GetActRequest{ActId: string(c.ID), AsOf: c.asOf()})
		if other != nil {
			return err
		}
		s.Act, s.Day, s.Lines = string(c.ID), frDate(act.GetResolved().GetValidAt()), tellColumns(actColumns, act.GetAct())
	default:
		return err
	}
	history, err := client.ListHistory(a.ctx, &registryv1.ListHistoryRequest{EntityId: string(c.ID), AsOf: c.asOf()})
	if err != nil {
		return err
	}
	for _, fact := range history.GetFacts() {
		s.Episodes = append(s.Episodes, episodeOf(fact, replica))
	}
	if err := s.gatherActs(history.GetFacts(), label.GetEntry(), history.GetResolved().GetKnownPosition(), replica); err != nil {
		return err
	}
	s.gatherPersons(history.GetFacts(), label.GetEntry().GetOffices(), replica)
	return nil
}

func tellColumns[V any](columns []column[V], v V) (lines []told) {
	for _, column := range columns {
		lines = appendTold(lines, column.title, column.cell(v))
	}
	return lines
}

func episodeOf(fact *registryv1.Fact, replica *audit.Replica) episode {
	name, content := factOf(fact)
	m := metaOf(fact)
	one := episode{Position: fact.GetPosition(), Title: name, Leaf: replica.Leaf(fact.GetPosition()).String()}
	one.Lines = appendTold(one.Lines, "Enregistré", frTime(m.GetRecordTime())+" (heure de Paris)")
	one.Lines = appendTold(one.Lines, "Par", joined(" puis ", m.GetActor().GetAccount(), m.GetApprover().GetAccount()))
	one.Lines = appendTold(one.Lines, "Ce qui change", namedBy(replica, changesText(fact.GetChanges())))
	one.Lines = appendTold(one.Lines, "Contenu", namedBy(replica, content))
	one.Lines = appendTold(one.Lines, "Acte", joined(", ", fact.GetActTitle(), m.GetBasis().GetActId(), lineText(m.GetBasis().GetActLine())))
	one.Lines = appendTold(one.Lines, "Fondement", sourceText(m.GetBasis()))
	return one
}

// gatherActs tells the acts that the events rest on, with their own dates and proofs: as each
// was cited and, where it was read, listed.
func (s *story) gatherActs(facts []*registryv1.Fact, entry *registryv1.LabelEntry, known uint64, replica *audit.Replica) error {
	var acts []string
	rests := func(b *eventv1.Basis) {
		if id := b.GetActId(); id != "" && id != s.Act && !slices.Contains(acts, id) {
			acts = append(acts, id)
		}
	}
	for _, fact := range facts {
		rests(metaOf(fact).GetBasis())
	}
	for _, b := range entry.GetLabel().GetBasis() {
		rests(b)
	}
	for _, id := range acts {
		for _, r := range replica.Under("registry.labelling.act." + id) {
			e := &labellingv1.Event{}
			if err := proto.Unmarshal(r.Body, e); err != nil {
				return err
			}
			if r.Position <= known {
				s.Acts = append(s.Acts, episodeOf(&registryv1.Fact{Position: r.Position, Event: &registryv1.Fact_Labelling{Labelling: e}}, replica))
			}
		}
	}
	return nil
}

// gatherPersons tells of whom the events keep a name, which is in the vault alone, and whose
// was erased.
func (s *story) gatherPersons(facts []*registryv1.Fact, offices []*registryv1.OfficeEntry, replica *audit.Replica) {
	var met []string
	person := func(as string, v *eventv1.PersonalValue) {
		id := v.GetValueId()
		if id == "" || slices.Contains(met, id) {
			return
		}
		met = append(met, id)
		said := joined(", ", replica.Name(id), "n° "+id)
		if at := replica.Erased(id); at > 0 {
			said += fmt.Sprintf(", effacé à la position %d, feuille %s", at, replica.Leaf(at))
		}
		s.Persons = append(s.Persons, told{as, said})
	}
	for _, fact := range facts {
		e := fact.GetLabelling()
		for _, v := range []*eventv1.PersonalValue{e.GetLabelGranted().GetHead(), e.GetLabelRenewed().GetHead(), e.GetLabelCorrected().GetHead(), e.GetLabelAmended().GetHead()} {
			person("Responsable", v)
		}
	}
	for _, o := range offices {
		person(inFrench(officeWords, o.GetOffice().GetKind()), o.GetOffice().GetName())
	}
}

func appendTold(lines []told, name, value string) []told {
	if value == "" {
		return lines
	}
	return append(lines, told{name, value})
}

// beneath sets the lines of a value one under the other.
var beneath = strings.NewReplacer("\n", "\n"+strings.Repeat(" ", 23))

func (s *story) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", s.Title())
	for _, line := range s.Lines {
		fmt.Fprintf(&b, "  %-20s %s\n", line.Name, beneath.Replace(line.Value))
	}
	for i, c := range s.Episodes {
		fmt.Fprintf(&b, "\n%d. ", i+1)
		c.text(&b)
	}
	for _, c := range s.Acts {
		fmt.Fprint(&b, "\nActe. ")
		c.text(&b)
	}
	if len(s.Persons) > 0 {
		fmt.Fprint(&b, "\nPersonnes\n")
		for _, p := range s.Persons {
			fmt.Fprintf(&b, "  %-20s %s\n", p.Name, p.Value)
		}
	}
	fmt.Fprintf(&b, "\n%s\n", s.proof())
	return b.String()
}

func (c *episode) text(b *strings.Builder) {
	fmt.Fprintf(b, "%s (position %d)\n", c.Title, c.Position)
	for _, line := range c.Lines {
		fmt.Fprintf(b, "  %-20s %s\n", line.Name, beneath.Replace(line.Value))
	}
	fmt.Fprintf(b, "  %-20s feuille %s\n", "Preuve", c.Leaf)
}

// Title is what a story is of.
func (s *story) Title() string {
	if s.Act != "" {
		return fmt.Sprintf("Acte %s, au %s", s.Act, s.Day)
	}
	return fmt.Sprintf("Label %s, au %s", s.Label, s.Day)
}

func (s *story) proof() string {
	part, names := "", "."
	if s.Opened > 0 {
		names = " ; ceux qui se lisent ici sont ceux auxquels ses événements sont engagés."
	}
	if s.Part {
		part = " Le paquet ne contient que ce qui fait cette histoire : il ne prouve rien de ce qu'il ne contient pas."
	}
	return fmt.Sprintf("Chaque feuille est comprise sous le point de contrôle de %s, %s, empreinte %s, signé par %s : vérifié hors ligne le %s. Les noms de personnes ne sont pas au journal%s%s",
		s.Origin, counted(s.Size, "événement(s)"), s.Root, s.SignedBy, time.Now().In(paris).Format("02/01/2006"), names, part)
}

// Proof is what a page says of how it was verified.
func (s *story) Proof() string { return s.proof() }

var storyPage = template.Must(template.New("story").Parse(`<!DOCTYPE html>
<html lang="fr"><head><meta charset="utf-8"><title>{{.Title}}</title><style>
body { font: 11pt/1.4 Georgia, serif; margin: 2em auto; max-width: 45em; color: #111 }
h1 { font-size: 1.5em } h2 { font-size: 1.1em; margin: 1.5em 0 .3em; break-after: avoid }
section { break-inside: avoid } dl { display: grid; grid-template-columns: 11em 1fr; gap: .15em 1em; margin: 0 }
dt { color: #555 } dd { margin: 0; overflow-wrap: anywhere } code, footer { font-size: .85em; overflow-wrap: anywhere }
footer { border-top: 1px solid #999; margin-top: 2em; padding-top: .7em }
@page { margin: 2cm }
</style></head><body>
<h1>{{.Title}}</h1>
<dl>{{range .Lines}}<dt>{{.Name}}</dt><dd>{{.Value}}</dd>{{end}}</dl>
{{range $i, $c := .Episodes}}<section><h2>{{$c.Title}}, position {{$c.Position}}</h2>
<dl>{{range $c.Lines}}<dt>{{.Name}}</dt><dd>{{.Value}}</dd>{{end}}<dt>Preuve</dt><dd><code>{{$c.Leaf}}</code></dd></dl></section>
{{end}}{{range .Acts}}<section><h2>Acte : {{.Title}}, position {{.Position}}</h2>
<dl>{{range .Lines}}<dt>{{.Name}}</dt><dd>{{.Value}}</dd>{{end}}<dt>Preuve</dt><dd><code>{{.Leaf}}</code></dd></dl></section>
{{end}}{{if .Persons}}<section><h2>Personnes</h2><dl>{{range .Persons}}<dt>{{.Name}}</dt><dd>{{.Value}}</dd>{{end}}</dl></section>
{{end}}<footer>{{.Proof}}</footer></body></html>
`))

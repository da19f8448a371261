package main

import (
	"encoding/json"
	"fmt"
	"html/template"
	"strings"
	"time"

	"google.golang.org/grpc"

	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/audit"
)

// AuditExplainCmd tells the whole story of a label.
type AuditExplainCmd struct {
	Label id     `arg:"" help:"Identifiant du label."`
	File  string `name:"from" required:"" type:"existingfile" placeholder:"PAQUET" help:"Le paquet, avec tous les événements."`
	Trusted
	Moment
	HTML bool `name:"html" help:"Une page à imprimer, plutôt que du texte."`
}

// story is what is told: all of it is checked.
type story struct {
	Label    string    `json:"label"`
	Lines    []told    `json:"lines"` // what it is
	Episodes []episode `json:"episodes"`
	Origin   string    `json:"origin"`
	Size     uint64    `json:"size,string"`
	Root     string    `json:"root"`
	SignedBy string    `json:"signedBy"`
	Day      string    `json:"day"`
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
	replica, err := b.Replay()
	if err != nil {
		return err
	}
	conn, stop, err := replica.Dial(grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxReceive)))
	if err != nil {
		return err
	}
	defer stop()
	s := &story{
		Label: string(c.Label), Origin: verified.Checkpoint.Origin, Size: verified.Checkpoint.Size,
		Root: verified.Checkpoint.Root.String(), SignedBy: strings.Join(verified.SignedBy, ", "),
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
	label, err := client.GetLabel(a.ctx, &registryv1.GetLabelRequest{LabelId: string(c.Label), AsOf: c.asOf()})
	if err != nil {
		return err
	}
	history, err := client.ListHistory(a.ctx, &registryv1.ListHistoryRequest{EntityId: string(c.Label), AsOf: c.asOf()})
	if err != nil {
		return err
	}
	s.Day = frDate(label.GetResolved().GetValidAt())
	for _, column := range labelColumns {
		s.Lines = appendTold(s.Lines, column.title, column.cell(label.GetEntry()))
	}
	for _, fact := range history.GetFacts() {
		name, content := factOf(fact)
		m := metaOf(fact)
		one := episode{Position: fact.GetPosition(), Title: name, Leaf: replica.Leaf(fact.GetPosition()).String()}
		one.Lines = appendTold(one.Lines, "Enregistré", frTime(m.GetRecordTime())+" (heure de Paris)")
		one.Lines = appendTold(one.Lines, "Par", joined(" puis ", m.GetActor().GetAccount(), m.GetApprover().GetAccount()))
		one.Lines = appendTold(one.Lines, "Ce qui change", changesText(fact.GetChanges()))
		one.Lines = appendTold(one.Lines, "Contenu", content)
		one.Lines = appendTold(one.Lines, "Acte", joined(", ", fact.GetActTitle(), m.GetBasis().GetActId(), lineText(m.GetBasis().GetActLine())))
		one.Lines = appendTold(one.Lines, "Fondement", sourceText(m.GetBasis()))
		s.Episodes = append(s.Episodes, one)
	}
	return nil
}

func appendTold(lines []told, name, value string) []told {
	if value == "" {
		return lines
	}
	return append(lines, told{name, value})
}

func (s *story) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Label %s, au %s\n", s.Label, s.Day)
	for _, line := range s.Lines {
		fmt.Fprintf(&b, "  %-20s %s\n", line.Name, line.Value)
	}
	for i, c := range s.Episodes {
		fmt.Fprintf(&b, "\n%d. %s (position %d)\n", i+1, c.Title, c.Position)
		for _, line := range c.Lines {
			fmt.Fprintf(&b, "  %-20s %s\n", line.Name, line.Value)
		}
		fmt.Fprintf(&b, "  %-20s feuille %s\n", "Preuve", c.Leaf)
	}
	fmt.Fprintf(&b, "\n%s\n", s.proof())
	return b.String()
}

func (s *story) proof() string {
	return fmt.Sprintf("Chaque feuille est comprise sous le point de contrôle de %s, %s, empreinte %s, signé par %s : vérifié hors ligne le %s. Les noms de personnes ne sont pas au journal.",
		s.Origin, counted(s.Size, "événement(s)"), s.Root, s.SignedBy, time.Now().In(paris).Format("02/01/2006"))
}

// Proof is what a page says of how it was verified.
func (s *story) Proof() string { return s.proof() }

var storyPage = template.Must(template.New("story").Parse(`<!DOCTYPE html>
<html lang="fr"><head><meta charset="utf-8"><title>Label {{.Label}}</title><style>
body { font: 11pt/1.4 Georgia, serif; margin: 2em auto; max-width: 45em; color: #111 }
h1 { font-size: 1.5em } h2 { font-size: 1.1em; margin: 1.5em 0 .3em; break-after: avoid }
section { break-inside: avoid } dl { display: grid; grid-template-columns: 11em 1fr; gap: .15em 1em; margin: 0 }
dt { color: #555 } dd { margin: 0; overflow-wrap: anywhere } code, footer { font-size: .85em; overflow-wrap: anywhere }
footer { border-top: 1px solid #999; margin-top: 2em; padding-top: .7em }
@page { margin: 2cm }
</style></head><body>
<h1>Label {{.Label}}, au {{.Day}}</h1>
<dl>{{range .Lines}}<dt>{{.Name}}</dt><dd>{{.Value}}</dd>{{end}}</dl>
{{range $i, $c := .Episodes}}<section><h2>{{$c.Title}}, position {{$c.Position}}</h2>
<dl>{{range $c.Lines}}<dt>{{.Name}}</dt><dd>{{.Value}}</dd>{{end}}<dt>Preuve</dt><dd><code>{{$c.Leaf}}</code></dd></dl></section>
{{end}}<footer>{{.Proof}}</footer></body></html>
`))

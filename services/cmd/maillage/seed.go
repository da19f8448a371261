package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"maillage/services/seed"
)

// SeedCmd loads a directory of CSV files.
type SeedCmd struct {
	Client
	Dir string `arg:"" optional:"" default:"seeds" placeholder:"RÉPERTOIRE" help:"Répertoire de fichiers CSV dans la forme de seeds/ (voir seeds/README.md)."`
}

var seedKinds = map[string]string{
	"succession": "successions de réseaux", "move": "centres déplacés", "opening": "ouvertures",
	"office": "prises de fonctions", "departure": "fins de fonctions", "approval": "approbations de responsables",
	"campaign": "campagnes", "outcome": "issues de candidatures",
	"establishment": "établissements", "filiere": "filières", "cycle": "cycles", "platform": "plateformes", "network": "réseaux",
	"attachment": "rattachements proposés", "act": "actes", "centre": "centres", "grant": "labels accordés", "renewal": "labels renouvelés",
	"confirmation": "confirmations", "assertion": "autres dires des sources", "renaming": "changements de nom", "repeal": "abrogations",
}

// Run loads it and says what was recorded.
func (c *SeedCmd) Run(a *app) error {
	if info, err := os.Stat(c.Dir); err != nil || !info.IsDir() {
		return fmt.Errorf("%s n'est pas un répertoire lisible", c.Dir)
	}
	conn, err := a.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	return loadSeeds(a, conn, c.Dir)
}

// tellSeeded says what a load did.
func (a *app) tellSeeded(s seed.Summary) error {
	for _, name := range s.Ignored {
		fmt.Fprintf(a.stderr, "maillage : %s ignoré : ce n'est pas un fichier de la forme attendue\n", name)
	}
	if a.json {
		return a.seededJSON(s)
	}
	rows := [][]string{{"Faits", "Enregistrés", "Déjà là"}}
	for _, k := range s.Kinds {
		rows = append(rows, []string{seedKinds[k.Kind], fmt.Sprint(k.Recorded), fmt.Sprint(k.Present)})
	}
	return a.printTable(rows, nil, fmt.Sprintf("Lisible à partir de la position %d.", s.Position))
}

func (a *app) seededJSON(s seed.Summary) error {
	out := json.NewEncoder(a.stdout)
	for _, k := range s.Kinds {
		line := struct {
			Kind     string `json:"kind"`
			Recorded int    `json:"recorded"`
			Present  int    `json:"present"`
			Position string `json:"position"` // as the API's JSON writes a uint64
		}{k.Kind, k.Recorded, k.Present, fmt.Sprint(s.Position)}
		if err := out.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

// progressBar is a bar on stderr. Where that is no terminal nothing is drawn.
type progressBar struct {
	w     *os.File // nil for no terminal
	name  string
	drawn int // percent
}

func newProgress(w io.Writer, name string) *progressBar {
	f, is := w.(*os.File)
	if !is || !term.IsTerminal(int(f.Fd())) {
		f = nil
	}
	return &progressBar{w: f, name: name, drawn: -1}
}

// at draws how far it has come.
func (b *progressBar) at(done, total int) {
	const width = 40
	percent := 100 * done / max(total, 1)
	if b.w == nil || percent == b.drawn {
		return
	}
	b.drawn = percent
	full := width * percent / 100
	fmt.Fprintf(b.w, "\r%s %s%s %3d %%", b.name, strings.Repeat("█", full), strings.Repeat("░", width-full), percent)
}

// end leaves the bar's line.
func (b *progressBar) end() {
	if b.drawn >= 0 {
		fmt.Fprintln(b.w)
	}
}

package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"maillage/services/seed"
	"maillage/services/synthetic"
)

// SeedCmd loads a directory of CSV files, or a made-up register.
type SeedCmd struct {
	Client
	Dir           string  `arg:"" optional:"" placeholder:"RÉPERTOIRE" help:"Répertoire de fichiers CSV dans la forme de seeds/ (voir seeds/README.md) ; « seeds » par défaut."`
	Synthetic     bool    `group:"registre inventé" help:"Charger un registre national inventé, où tout porte la marque SYNTH, dans un registre vide : pour essais et démonstrations."`
	SyntheticSeed *uint64 `group:"registre inventé" placeholder:"N" help:"Graine du registre inventé : la même donne le même registre (par défaut 1)."`
	Labels        int     `group:"registre inventé" placeholder:"N" help:"Nombre approximatif de labels, tous cycles réunis, de 500 à 1 000 000 (par défaut la taille du registre réel)."`
}

var seedKinds = map[string]string{
	"succession": "successions de réseaux", "move": "centres déplacés", "opening": "ouvertures",
	"office": "prises de fonctions", "departure": "fins de fonctions", "approval": "approbations de responsables",
	"campaign": "campagnes", "outcome": "issues de candidatures",
	"establishment": "établissements", "filiere": "filières", "cycle": "cycles", "platform": "plateformes", "network": "réseaux",
	"attachment": "rattachements proposés", "act": "actes", "centre": "centres", "grant": "labels accordés", "renewal": "labels renouvelés",
	"confirmation": "confirmations", "assertion": "autres dires des sources", "renaming": "changements de nom", "repeal": "abrogations",
	"host": "hôpitaux d'appui de plateformes", "territory": "territoires de plateformes", "contact": "sites internet", "legal entity": "changements d'entité juridique", "link": "liens",
	"plan": "plans nationaux", "axes": "axes de plans", "extension": "plans prolongés", "missions": "missions énoncées",
}

// Run loads it and says what was recorded.
func (c *SeedCmd) Run(a *app) error {
	if c.Synthetic {
		return c.makeUp(a)
	}
	if c.SyntheticSeed != nil || c.Labels != 0 {
		return usage("--synthetic-seed et --labels ne vont qu'avec --synthetic")
	}
	dir := cmp.Or(c.Dir, "seeds")
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fmt.Errorf("%s n'est pas un répertoire lisible", dir)
	}
	conn, err := a.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	return loadSeeds(a, conn, dir)
}

// makeUp loads a synthetic register, under an account of its own unless told otherwise.
func (c *SeedCmd) makeUp(a *app) error {
	switch {
	case c.Dir != "":
		return usage("--synthetic ne va pas avec un répertoire : chargez l'un ou l'autre")
	case c.Labels != 0 && (c.Labels < synthetic.LeastLabels || c.Labels > synthetic.MostLabels):
		return usage(fmt.Sprintf("--labels va de %d à %d", synthetic.LeastLabels, synthetic.MostLabels))
	}
	options := synthetic.Options{Seed: 1, Labels: c.Labels}
	if c.SyntheticSeed != nil {
		options.Seed = *c.SyntheticSeed
	}
	a.client.As = cmp.Or(a.client.As, "synthetic")
	conn, err := a.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	bar := newProgress(a.stderr, "synthetic")
	options.Progress = bar.at
	summary, err := synthetic.Load(a.ctx, conn, options)
	bar.end()
	switch {
	case errors.Is(err, synthetic.ErrInUse):
		return usage("ce registre contient déjà des établissements qui ne sont pas de ce registre inventé : un registre inventé ne se charge que dans un registre vide")
	case errors.Is(err, synthetic.ErrOtherAccount):
		return usage("un registre inventé a déjà été chargé ici sous une autre identité ou avec une autre graine : reprenez-le sous la même (--as)")
	case err != nil:
		return err
	}
	return a.tellSeeded(summary)
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

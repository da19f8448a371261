package main

import (
	"errors"
	"fmt"
	"os"

	"maillage/proto/conformance"
)

// ConformanceCmd puts a consumer to the test.
type ConformanceCmd struct {
	List    bool     `help:"Dire seulement quelles épreuves il y a."`
	Only    []string `placeholder:"ÉPREUVE" help:"Ces épreuves seulement, séparées par des virgules."`
	Command []string `arg:"" optional:"" passthrough:"" placeholder:"-- COMMANDE" help:"Le consommateur : il trouve dans MAILLAGE_SERVER l'adresse gRPC à suivre et dans MAILLAGE_KEY la clé publique, et tient sa copie dans MAILLAGE_COPY."`
}

// Run implements the verb.
func (c *ConformanceCmd) Run(a *app) error {
	days := conformance.Scenarios()
	if len(c.Only) > 0 {
		days = nil
		for _, name := range c.Only {
			day, ok := conformance.Find(name)
			if !ok {
				return usage(fmt.Sprintf("aucune épreuve ne s'appelle « %s » : voyez « maillage conformance --list »", name))
			}
			days = append(days, day)
		}
	}
	command := c.Command
	if len(command) > 0 && command[0] == "--" {
		command = command[1:]
	}
	if !c.List && len(command) == 0 {
		return usage("donnez la commande qui lance le consommateur : maillage conformance -- COMMANDE")
	}
	failed := 0
	for _, day := range days {
		if c.List {
			fmt.Fprintf(a.stdout, "%-12s %s\n", day.Name, day.Story)
			continue
		}
		err := c.play(a, day, command)
		if errors.Is(err, conformance.ErrStart) {
			return usage(fmt.Sprintf("le consommateur ne se lance pas : %v", err))
		}
		if a.ctx.Err() != nil {
			return a.ctx.Err()
		}
		if err != nil {
			failed++
		}
		if err := a.tellDay(day, err); err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("épreuves non passées : %d sur %d", failed, len(days))
	}
	return nil
}

func (c *ConformanceCmd) play(a *app, day *conformance.Scenario, command []string) error {
	dir, err := os.MkdirTemp("", "maillage-conformance-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	return day.Run(a.ctx, dir, command...)
}

func (a *app) tellDay(day *conformance.Scenario, err error) error {
	if a.json {
		why := ""
		if err != nil {
			why = err.Error()
		}
		_, err = fmt.Fprintf(a.stdout, "{\"scenario\":%q,\"passed\":%t,\"why\":%q}\n", day.Name, err == nil, why)
		return err
	}
	if err == nil {
		_, err = fmt.Fprintf(a.stdout, "passée   %s\n", day.Name)
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "ÉCHOUÉE  %s : %s\n         %s\n", day.Name, harmless(err.Error()), day.Story)
	return err
}

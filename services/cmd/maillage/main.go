// Command maillage is the register of French rare-disease labels: the process that
// keeps it (up, serve, restore) and the verbs of those who use it.
//
// Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused by a rule, 4 not found,
// 5 damage found.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"google.golang.org/grpc"

	"github.com/alecthomas/kong"

	"maillage/services/serve"
)

// CLI is the verbs. Each has a method Run(*app) error.
type CLI struct {
	Globals

	// The process itself.
	Up      UpCmd      `cmd:"" help:"Tout démarrer dans un seul processus."`
	Serve   ServeCmd   `cmd:"" help:"Démarrer certains services, sur un courtier extérieur."`
	Restore RestoreCmd `cmd:"" help:"Reconstruire une copie de l'historique depuis l'autre, à l'arrêt."`
	Rebuild RebuildCmd `cmd:"" help:"Reconstruire les tables de PostgreSQL à côté de celles qui sont lues."`

	// What its clients do.

	Seed          SeedCmd          `cmd:"" help:"Charger un répertoire de fichiers CSV (les données de départ par défaut)."`
	Act           ActCmd           `cmd:"" help:"Actes : arrêtés, circulaires, appels à projets."`
	Label         LabelCmd         `cmd:"" help:"Labels : qui détient quoi, par quel acte."`
	Centre        CentreCmd        `cmd:"" help:"Centres : les équipes."`
	Network       NetworkCmd       `cmd:"" help:"Réseaux CRMR."`
	Establishment EstablishmentCmd `cmd:"" help:"Établissements de santé."`
	Filiere       FiliereCmd       `cmd:"" help:"Filières de santé maladies rares (FSMR)."`
	Platform      PlatformCmd      `cmd:"" help:"Plateformes : PEMR et PCOM."`
	Link          LinkCmd          `cmd:"" help:"Liens : qui est collaborateur, dessert, est hébergé, rattaché ou membre d'un réseau européen."`
	Continuity    ContinuityCmd    `cmd:"" help:"Identifiants qui n'en font qu'un."`
	Alias         AliasCmd         `cmd:"" help:"Identifiants qu'emploient d'autres : BaMaRa, Orphanet, e-CARS…"`
	Plan          PlanCmd          `cmd:"" help:"Plans nationaux maladies rares (PNMR)."`
	Cycle         CycleCmd         `cmd:"" help:"Cycles de labellisation."`
	Office        OfficeCmd        `cmd:"" help:"Postes : responsables de site, coordonnateurs, référents."`
	Person        PersonCmd        `cmd:"" help:"Personnes : les effacer."`
	Campaign      CampaignCmd      `cmd:"" help:"Campagnes de labellisation et issue des candidatures."`
	Activity      ActivityCmd      `cmd:"" help:"Activité : missions, rapports, projets et mesures."`
	Diff          DiffCmd          `cmd:"" help:"Comparer deux moments : le monde a changé, ou nous savons mieux."`
	Coverage      CoverageCmd      `cmd:"" help:"Qui était sans label un jour donné, et qui le sera."`
	Directory     DirectoryCmd     `cmd:"" help:"Annuaire des plateformes par territoire."`
	Region        RegionCmd        `cmd:"" help:"Centres et plateformes d'une région."`
	Chain         ChainCmd         `cmd:"" help:"Qui a précédé et qui a pris la suite d'un centre, établissement, réseau, filière ou plateforme."`
	Map           MapCmd           `cmd:"" help:"Carte des centres : tableau, image SVG, GeoJSON, ou ce qui a changé depuis un jour."`
	Count         CountCmd         `cmd:"" help:"Compter, l'unité toujours nommée."`
	Todo          TodoCmd          `cmd:"" help:"Ce qui attend un agent."`
	Follow        FollowCmd        `cmd:"" help:"Suivre le registre : chaque changement, dans l'ordre, sans en manquer aucun."`
	Conformance   ConformanceCmd   `cmd:"" help:"Mettre un consommateur du registre à l'épreuve, quel que soit son langage."`
	Audit         AuditCmd         `cmd:"" help:"Vérifier, rejouer et expliquer l'histoire sans se fier à personne."`
	Consumer      ConsumerCmd      `cmd:"" help:"Accès en lecture au flux NATS : ouvrir, fermer, lister."`
	Notice        NoticeCmd        `cmd:"" help:"Avis : ce qui oblige qui suit le registre à revenir sur ce qu'il a fait."`
	Snapshot      SnapshotCmd      `cmd:"" help:"Le registre entier en fichiers, à une position, ou ce qui a changé depuis une autre."`
	OpenData      OpenDataCmd      `cmd:"" name:"opendata" help:"Données ouvertes : liste en cours, historique, carte, schémas."`
	Ledger        LedgerCmd        `cmd:"" help:"Le grand livre du registre."`
}

// Globals are the flags of every verb.
type Globals struct {
	JSON bool `name:"json" help:"Répondre en JSON, un objet par ligne."`
}

// app is what a verb runs with.
type app struct {
	ctx            context.Context
	stdin          io.Reader
	stdout, stderr io.Writer
	json           bool
	verb           string // what was typed of it, to say where its help is
	client         Client
	replayed       grpc.ClientConnInterface // a bundle that answers in place of a server; nil for none
	requestID      string                   // of the command under way, to repeat it
	fieldsAsJSON   bool                     // the request under way was read from a file: name its fields as there
}

// Exit codes.
const (
	exitDone = iota
	exitFailed
	exitUsage
	exitRefused
	exitNotFound
	exitDamage
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run is the program: it parses args, runs their verb and returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var cli CLI
	a := &app{ctx: ctx, stdin: stdin, stdout: stdout, stderr: stderr}
	asked := false // help was printed
	parser, err := kong.New(&cli, kong.Name("maillage"),
		kong.Description("Le registre des labels maladies rares."),
		kong.Writers(stdout, stderr), kong.Exit(func(int) { asked = true }),
		kong.Vars{"parts": strings.Join(serve.Names(), ",")},
		kong.Bind(a), kong.ConfigureHelp(kong.HelpOptions{Compact: true}), kong.Help(frenchHelp))
	if err != nil {
		return a.fail(err)
	}
	if err := nameValues(parser.Model); err != nil {
		return a.fail(err)
	}
	if len(args) > 0 && args[0] == "help" { // « maillage help label list » as many type it
		args = append(slices.Clone(args[1:]), "--help")
	}
	verb, err := parser.Parse(args)
	if asked {
		return exitDone
	}
	if wrong := new(kong.ParseError); errors.As(err, &wrong) {
		verb = wrong.Context
	}
	if verb != nil {
		for _, p := range verb.Path {
			if p.Command != nil {
				a.verb = p.Command.FullPath()
			}
		}
	}
	if err != nil {
		return a.fail(usageError{err})
	}
	a.json = cli.JSON
	if err := verb.Run(); err != nil {
		return a.fail(err)
	}
	return exitDone
}

// usageError is a fault of the command line.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// usage is an error about what was typed.
func usage(text string) error { return usageError{errors.New(text)} }

// fail says on stderr what went wrong and returns the exit code for it.
func (a *app) fail(err error) int {
	text, code := a.explain(err)
	fmt.Fprintln(a.stderr, "maillage :", harmless(text))
	if code == exitUsage {
		fmt.Fprintf(a.stderr, "Voir « %s --help ».\n", cmp.Or(a.verb, "maillage"))
	}
	return code
}

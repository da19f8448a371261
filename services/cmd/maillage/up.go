package main

import (
	"cmp"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"maillage/services/notary"
	"maillage/services/restore"
	"maillage/services/seed"
	"maillage/services/serve"
	"maillage/services/submit"
	"maillage/services/vault"
)

// Process are the flags of a process that serves.
type Process struct {
	Data      string `default:"data" type:"path" help:"Répertoire des données (journal, coffre, grand livre)."`
	Ledger    string `type:"path" help:"Répertoire du grand livre ; sur un autre disque de préférence (par défaut DATA/ledger)."`
	Vault     string `type:"path" help:"Répertoire du coffre des données personnelles, le même pour tous les processus qui enregistrent (par défaut DATA/vault)."`
	HeadCopy  string `type:"path" placeholder:"FICHIER" help:"Fichier, en un troisième lieu, qui garde la dernière tête annoncée."`
	Key       string `type:"path" placeholder:"FICHIER" help:"Fichier des clés qui signent les points de contrôle du grand livre (par défaut DATA/key/checkpoint, créé avec un registre neuf ; sa clé publique est à côté, en .pub)."`
	Witnesses string `type:"existingfile" placeholder:"FICHIER" help:"Témoins à qui montrer chaque point de contrôle, et combien doivent le contresigner."`
	GRPC      string `name:"grpc" default:"127.0.0.1:9090" help:"Adresse gRPC."`
	HTTP      string `name:"http" default:"127.0.0.1:8080" help:"Adresse HTTP (lectures, /v1/events, /openapi.json, /readyz), ou « off »."`
	PublicURL string `placeholder:"URL" help:"Adresse publique de HTTP, https://hôte, qui figure dans les événements (par défaut celle de chaque requête)."`
	Postgres  string `default:"off" placeholder:"off|local|URL" help:"D'où répondre aux lectures : « off », de la mémoire ; « local », d'un PostgreSQL privé, sous DATA/postgres ; ou l'adresse d'une base, postgres://…"`
	Origin    string `default:"maillage" help:"Nom de qui tient le registre, inscrit à l'ouverture d'un journal neuf."`
}

func (p Process) config() (serve.Config, error) {
	if p.Postgres != serve.PostgresOff && p.Postgres != serve.PostgresLocal && !isURL(p.Postgres) {
		return serve.Config{}, usage("--postgres « " + p.Postgres + " » : écrivez off, local, ou l'adresse d'une base : postgres://compte@hôte/base")
	}
	if at, err := url.Parse(p.PublicURL); p.PublicURL != "" && (err != nil || !strings.HasPrefix(at.Scheme, "http") || at.Host == "" || strings.Trim(at.Path, "/") != "") {
		return serve.Config{}, usage("--public-url « " + p.PublicURL + " » : écrivez l'adresse sans chemin : https://hôte")
	}
	return serve.Config{
		PublicURL: p.PublicURL, Data: p.Data, Ledger: p.Ledger, Vault: p.Vault, HeadCopy: p.HeadCopy, Key: p.Key, Witnesses: p.Witnesses, GRPC: p.GRPC, HTTP: p.HTTP, Origin: p.Origin, Postgres: p.Postgres,
	}, nil
}

// UpCmd runs everything in one process.
type UpCmd struct {
	Process
	NATS string `name:"nats" default:"127.0.0.1:4222" help:"Adresse du courtier NATS embarqué, où n'entrent que les services du registre et les accès ouverts par « maillage consumer », « off » pour ne pas l'ouvrir aux autres, ou nats://… pour un courtier extérieur."`
	Seed string `type:"existingdir" placeholder:"REP" help:"Charger ce répertoire une fois prêt (sans effet s'il l'est déjà)."`
}

// Run implements the verb.
func (c *UpCmd) Run(a *app) error {
	config, err := c.config()
	if err != nil {
		return err
	}
	if isURL(c.NATS) {
		config.URL = c.NATS
	} else {
		config.NATS = c.NATS
	}
	if c.Seed != "" {
		config.Prepare = func(at serve.Addresses) error {
			err := c.load(a, at.GRPC)
			if err != nil {
				_ = a.fail(err)
			}
			return err
		}
	}
	return serve.Run(a.ctx, config, func(at serve.Addresses) {
		if a.ctx.Err() == nil {
			a.tellWhere(at)
		}
	})
}

// load loads the seeds through the public RPCs, as anyone would.
func (c *UpCmd) load(a *app, server string) error {
	conn, err := grpc.NewClient(server, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithUnaryInterceptor(submit.Connect("seed")))
	if err != nil {
		return err
	}
	defer conn.Close()
	return loadSeeds(a, conn, c.Seed)
}

func loadSeeds(a *app, conn grpc.ClientConnInterface, dir string) error {
	bar := newProgress(a.stderr, filepath.Base(dir))
	summary, err := seed.Load(a.ctx, conn, dir, bar.at)
	bar.end()
	if err != nil {
		return err
	}
	return a.tellSeeded(summary)
}

func (a *app) tellWhere(at serve.Addresses) {
	if a.json {
		fmt.Fprintf(a.stdout, "{\"grpc\":%q,\"http\":%q,\"nats\":%q}\n", at.GRPC, at.HTTP, at.NATS)
		return
	}
	fmt.Fprintf(a.stdout, "Le registre est ouvert.\n  gRPC  %s   (maillage label list --server %s)\n", at.GRPC, at.GRPC)
	if at.HTTP != "" {
		fmt.Fprintf(a.stdout, "  HTTP  http://%s/\n", at.HTTP)
	}
	fmt.Fprintf(a.stdout, "  NATS  %s\nCtrl-C pour arrêter.\n", at.NATS)
}

// ServeCmd runs some parts as a process of their own, on an outside broker.
type ServeCmd struct {
	Process
	Parts       []string `arg:"" enum:"${parts}" help:"Services à offrir : ${parts} (un seul grand livre fait foi, d'autres le suivent)."`
	Follow      bool     `help:"Suivre le grand livre qui fait foi : tenir le sien à côté, le vérifier à chaque tête annoncée, s'arrêter s'il en diffère. Sans cette option, il fait foi à son tour, s'il contient tout ce qui a été annoncé."`
	NATS        string   `name:"nats" required:"" env:"MAILLAGE_NATS" placeholder:"URL" help:"Courtier NATS : nats://hôte:port, plusieurs séparés par des virgules."`
	Credentials string   `type:"existingfile" help:"Fichier d'accréditation NATS, ou clé : celle du courtier d'un autre processus est DATA/nats/service.nk."`
}

// Run implements the verb.
func (c *ServeCmd) Run(a *app) error {
	config, err := c.config()
	if err != nil {
		return err
	}
	if c.Postgres != serve.PostgresOff && !slices.Contains(c.Parts, string(serve.Registry)) {
		return usage("--postgres ne va qu'avec le service registry, qui répond aux lectures")
	}
	config.URL, config.Credentials = c.NATS, c.Credentials
	config.Follow = c.Follow
	if c.Follow && !slices.Contains(c.Parts, string(serve.Ledger)) {
		return usage("--follow est pour le service du grand livre : maillage serve ledger --follow")
	}
	for _, p := range c.Parts {
		config.Parts = append(config.Parts, serve.Part(p))
	}
	return serve.Run(a.ctx, config, a.tellWhere)
}

// RestoreCmd rebuilds one store from the other, while nothing serves.
type RestoreCmd struct {
	Stream   bool   `xor:"what" required:"" help:"Reconstruire le flux du courtier depuis le grand livre."`
	LedgerIt bool   `name:"ledger" xor:"what" required:"" help:"Reconstruire le grand livre depuis le flux."`
	NewEpoch bool   `xor:"what" required:"" help:"Ouvrir une nouvelle époque : les deux magasins sont en retard sur la dernière tête annoncée."`
	NewVault bool   `xor:"what" required:"" help:"Lier au journal le coffre de DATA, l'ancien étant perdu : ses noms le sont aussi."`
	Reason   string `help:"Motif de la nouvelle époque ou du nouveau coffre, inscrit au journal."`

	Data      string `default:"data" type:"path" help:"Répertoire des données."`
	LedgerDir string `type:"path" help:"Répertoire du grand livre (par défaut DATA/ledger)."`
	Vault     string `type:"path" help:"Répertoire du coffre (par défaut DATA/vault)."`
	HeadCopy  string `type:"path" placeholder:"FICHIER" help:"Copie de la dernière tête annoncée."`
	Key       string `type:"path" placeholder:"FICHIER" help:"Fichier des clés qui signent les points de contrôle (par défaut DATA/key/checkpoint) : --new-epoch tient compte du dernier, qui est à côté."`
	NATS      string `name:"nats" placeholder:"URL" help:"Courtier extérieur, dont le flux doit être vide pour être reconstruit."`
}

// Run implements the verb.
func (c *RestoreCmd) Run(a *app) error {
	stores := restore.Stores{Broker: serve.BrokerDir(c.Data), URL: c.NATS, Ledger: c.LedgerDir, HeadCopy: c.HeadCopy}
	if stores.Ledger == "" {
		stores.Ledger = filepath.Join(c.Data, "ledger")
	}
	for _, file := range []string{cmp.Or(c.Key, filepath.Join(c.Data, "key", "checkpoint")) + ".last", filepath.Join(stores.Ledger, "signed")} {
		was := stores.Signed
		if h, _, ok := notary.LastSigned(file); ok && (h.Epoch > was.Epoch || h.Epoch == was.Epoch && h.Size > was.Size) {
			stores.Signed = h
		}
	}
	var r restore.Result
	var err error
	switch {
	case c.Stream:
		bar := newProgress(a.stderr, "flux")
		r, err = restore.Stream(a.ctx, stores, func(done, total uint64) { bar.at(int(done), int(total)) })
		bar.end()
	case c.LedgerIt:
		r, err = restore.Ledger(a.ctx, stores)
	case c.Reason == "":
		return usage("--new-epoch et --new-vault demandent un motif : --reason \"…\"")
	case c.NewEpoch:
		r, err = restore.NewEpoch(a.ctx, stores, c.Reason)
	default:
		v, openErr := vault.Open(cmp.Or(c.Vault, filepath.Join(c.Data, "vault")))
		if openErr != nil {
			return openErr
		}
		r, err = restore.NewVault(a.ctx, stores, v, c.Reason)
	}
	if err != nil {
		return serve.Damaged(err)
	}
	if a.json {
		fmt.Fprintf(a.stdout, "{\"epoch\":%d,\"size\":%d,\"root\":%q,\"aside\":%q}\n", r.Head.Epoch, r.Head.Size, r.Head.Root.String(), r.Aside)
		return nil
	}
	fmt.Fprintf(a.stdout, "Restauré : %s, époque %d, empreinte %s.\n", counted(r.Head.Size, "position(s)"), r.Head.Epoch, r.Head.Root)
	if r.Aside != "" {
		fmt.Fprintf(a.stdout, "L'ancien magasin est gardé dans %s.\n", r.Aside)
	}
	return nil
}

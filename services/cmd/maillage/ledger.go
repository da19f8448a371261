package main

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc"

	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	"maillage/services/notary"
	"maillage/services/serve"
)

// LedgerCmd is the verbs about the ledger.
type LedgerCmd struct {
	Client
	Status     LedgerStatusCmd     `cmd:"" help:"Jusqu'où va le registre, et sous quelle empreinte."`
	Checkpoint LedgerCheckpointCmd `cmd:"" help:"Le dernier point de contrôle signé, à garder pour « audit verify --kept »."`
	Recount    LedgerRecountCmd    `cmd:"" help:"Recalculer l'empreinte de chaque événement dans les deux copies, comme chaque nuit."`
	Key        LedgerKeyCmd        `cmd:"" help:"Clés publiques qui vérifient les points de contrôle ; --new en fait une nouvelle, à l'arrêt."`
	Digest     LedgerDigestCmd     `cmd:"" help:"Empreinte de tout ce que tient le registre, la même dans toutes ses copies."`
}

// LedgerStatusCmd tells how far the log has come.
type LedgerStatusCmd struct{}

// Run prints it.
func (c *LedgerStatusCmd) Run(a *app) error {
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		r, err := ledgerv1.NewLedgerServiceClient(conn).GetStatus(ctx, &ledgerv1.GetStatusRequest{})
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(r)
		}
		_, err = fmt.Fprintf(a.stdout, "Registre %s\nÉpoque %d, position %d dans les deux copies\nEmpreinte %s\nLu jusqu'à la position %d\n%s%s%s",
			r.GetLogId(), r.GetHead().GetEpoch(), r.GetHead().GetSize(), base64.StdEncoding.EncodeToString(r.GetHead().GetRoot()), r.GetFoldedPosition(),
			follows(r.GetKept()), unwitnessed(r.GetMissingWitnesses()), halted(r.GetHalted()))
		return err
	})
}

// follows tells of a ledger that follows another.
func follows(kept *ledgerv1.KeptLedger) string {
	if !kept.GetFollows() {
		return ""
	}
	return fmt.Sprintf("Ce grand livre suit celui qui fait foi : position %d sur son disque, retard %d\nSon empreinte %s\n",
		kept.GetHead().GetSize(), kept.GetLag(), base64.StdEncoding.EncodeToString(kept.GetHead().GetRoot()))
}

// unwitnessed names the witnesses who did not cosign yet.
func unwitnessed(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "Témoins qui n'ont pas encore contresigné, et sont redemandés : " + strings.Join(names, ", ") + "\n"
}

func halted(why string) string {
	if why == "" {
		return ""
	}
	return "ARRÊTÉ : " + why + "\n"
}

// LedgerDigestCmd tells the digest of the state.
type LedgerDigestCmd struct {
	At          uint64 `placeholder:"POSITION" help:"Tel que connu à cette position ; la dernière par défaut."`
	MinPosition uint64 `name:"min-position" placeholder:"N" help:"Attendre que cette position soit lisible."`
}

// Run prints it.
func (c *LedgerDigestCmd) Run(a *app) error {
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		r, err := ledgerv1.NewLedgerServiceClient(conn).GetStateDigest(ctx, &ledgerv1.GetStateDigestRequest{Position: c.At, MinPosition: c.MinPosition})
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(r)
		}
		_, err = fmt.Fprintf(a.stdout, "Position %d\n%s\nEmpreinte d1 %x\n", r.GetPosition(), counted(r.GetRowCount(), "ligne(s)"), r.GetDigest())
		return err
	})
}

// LedgerCheckpointCmd shows the last checkpoint.
type LedgerCheckpointCmd struct{}

// Run prints it.
func (c *LedgerCheckpointCmd) Run(a *app) error {
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		r, err := ledgerv1.NewProofServiceClient(conn).GetCheckpoint(ctx, &ledgerv1.GetCheckpointRequest{})
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(r)
		}
		_, err = a.stdout.Write(r.GetCheckpoint())
		return err
	})
}

// LedgerKeyCmd shows the keys that sign the checkpoints, or adds one. It is for whoever keeps
// the register, beside its data.
type LedgerKeyCmd struct {
	New       bool   `help:"Faire une nouvelle clé, l'ancienne étant perdue ou pour en changer : elle signera une fois le registre relancé, à côté de celles qui sont déjà là."`
	Data      string `default:"data" type:"path" help:"Répertoire des données."`
	LedgerDir string `name:"ledger" type:"path" help:"Répertoire du grand livre (par défaut DATA/ledger)."`
	File      string `name:"key" type:"path" placeholder:"FICHIER" help:"Fichier des clés (par défaut DATA/key/checkpoint)."`
}

// Run implements the verb.
func (c *LedgerKeyCmd) Run(a *app) error {
	file := cmp.Or(c.File, filepath.Join(c.Data, "key", "checkpoint"))
	read := notary.ReadKeys
	if c.New {
		read = func(file string) (notary.Keys, error) {
			return serve.NewKey(cmp.Or(c.LedgerDir, filepath.Join(c.Data, "ledger")), file)
		}
	}
	keys, err := read(file)
	if err != nil {
		a.client.Server = "" // it is of these files, not of a register that was asked
		return serve.Damaged(err)
	}
	public := keys.Public()
	if a.json {
		return a.printJSON(&ledgerv1.CheckpointKeysBound{Keys: public})
	}
	if c.New {
		if _, err := fmt.Fprintf(a.stderr, "La dernière de ces clés publiques est nouvelle. Elle signera une fois le registre relancé : annoncez-la à qui suit le registre, là où nul ne peut la changer sans que cela se voie (fichier %s.pub).\n", file); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(a.stdout, strings.Join(public, "\n"))
	return err
}

// LedgerRecountCmd hashes everything again.
type LedgerRecountCmd struct{}

// Run tells what came of it.
func (c *LedgerRecountCmd) Run(a *app) error {
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		r, err := ledgerv1.NewProofServiceClient(conn).RecountLog(ctx, &ledgerv1.RecountLogRequest{})
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(r)
		}
		_, err = fmt.Fprintf(a.stdout, "%s dans les deux copies en %s : rien n'y a changé.\nEmpreinte %s\n",
			counted(r.GetHead().GetSize(), "événement(s) relu(s)"), r.GetTook().AsDuration().Round(time.Millisecond), base64.StdEncoding.EncodeToString(r.GetHead().GetRoot()))
		return err
	})
}

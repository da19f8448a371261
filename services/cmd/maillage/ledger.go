package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"time"

	"google.golang.org/grpc"

	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
)

// LedgerCmd is the verbs about the ledger.
type LedgerCmd struct {
	Client
	Status     LedgerStatusCmd     `cmd:"" help:"Jusqu'où va le registre, et sous quelle empreinte."`
	Checkpoint LedgerCheckpointCmd `cmd:"" help:"Le dernier point de contrôle signé, à garder pour « audit verify --kept »."`
	Recount    LedgerRecountCmd    `cmd:"" help:"Recalculer l'empreinte de chaque événement dans les deux copies, comme chaque nuit."`
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
		_, err = fmt.Fprintf(a.stdout, "Registre %s\nÉpoque %d, position %d dans les deux copies\nEmpreinte %s\nLu jusqu'à la position %d\n%s%s",
			r.GetLogId(), r.GetHead().GetEpoch(), r.GetHead().GetSize(), base64.StdEncoding.EncodeToString(r.GetHead().GetRoot()), r.GetFoldedPosition(),
			follows(r.GetKept()), halted(r.GetHalted()))
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

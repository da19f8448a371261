package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/grpc"

	"maillage/proto/checkpoint"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/audit"
	"maillage/services/eventlog"
	"maillage/services/notary"
	"maillage/services/serve"
)

// AuditCmd is the verbs of whoever trusts nobody.
type AuditCmd struct {
	Bundle  AuditBundleCmd  `cmd:"" help:"Prendre du registre de quoi tout vérifier hors ligne."`
	Verify  AuditVerifyCmd  `cmd:"" help:"Vérifier un paquet hors ligne : chaque événement, la signature, la continuité."`
	Replay  AuditReplayCmd  `cmd:"" help:"Rejouer un paquet hors ligne et comparer l'empreinte de l'état à celle que le registre annonçait."`
	Explain AuditExplainCmd `cmd:"" help:"Toute l'histoire d'un label ou d'un acte, d'après un paquet vérifié hors ligne, chaque événement avec sa preuve."`
}

// AuditBundleCmd writes a bundle.
type AuditBundleCmd struct {
	Client
	Out   string `required:"" placeholder:"FICHIER" help:"Le paquet à écrire."`
	Label id     `xor:"scope" placeholder:"ID" help:"De quoi dire toute l'histoire de ce label seulement : ce qui le nomme, ses actes, son titulaire, ses lieux."`
	Act   id     `xor:"scope" placeholder:"ID" help:"Ce qui nomme cet acte, ou repose sur lui, seulement, avec de quoi le dire."`
	Since string `type:"existingfile" placeholder:"FICHIER" help:"Le point de contrôle vu la dernière fois : le paquet prouve que le journal le prolonge."`

	Open     []id `xor:"openings" placeholder:"ID,…" help:"Mettre dans le paquet ces valeurs du coffre en clair, chacune avec de quoi prouver que c'est elle ; l'accès est noté."`
	Openings bool `xor:"openings" help:"De même toutes celles auxquelles ses événements se rapportent, et que le coffre a encore."`
}

// Run writes it.
func (c *AuditBundleCmd) Run(a *app) error {
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		contents, size, err := c.contents(ctx, conn)
		if err != nil {
			return err
		}
		if err := writeWhole(c.Out, func(w io.Writer) error { return audit.Write(w, contents) }); err != nil {
			return err
		}
		if a.json {
			_, err = fmt.Fprintf(a.stdout, "{\"bundle\":%q,\"scope\":%q,\"size\":%d}\n", c.Out, contents.Scope, size)
			return err
		}
		personal := ""
		if contents.Openings != nil {
			personal = "Il contient des données personnelles : ne le confiez qu'à qui doit les lire.\n"
		}
		_, err = fmt.Fprintf(a.stdout, "Paquet écrit : %s, sous le point de contrôle %d.\n%sLe vérifier : maillage audit verify %[1]s --key CLÉ.pub\n", c.Out, size, personal)
		return err
	})
}

// writeWhole writes a file that is there whole or not at all. It is written beside its place:
// from another disk it could not be put there.
func writeWhole(name string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".maillage-")
	if err != nil {
		return err
	}
	if err := errors.Join(write(f), f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

func (c *AuditBundleCmd) contents(ctx context.Context, conn grpc.ClientConnInterface) (out audit.Contents, size uint64, err error) {
	out.Format, out.Scope, out.Made = 1, audit.Whole, time.Now().UTC().Truncate(time.Second)
	head, err := ledgerv1.NewLedgerServiceClient(conn).GetStatus(ctx, &ledgerv1.GetStatusRequest{})
	if err != nil {
		return out, 0, err
	}
	proofs := ledgerv1.NewProofServiceClient(conn)
	signed, err := proofs.GetCheckpoint(ctx, &ledgerv1.GetCheckpointRequest{MinSize: head.GetHead().GetSize()})
	if err != nil {
		return out, 0, err
	}
	out.Checkpoint = signed.GetCheckpoint()
	under, err := checkpoint.Parse(string(out.Checkpoint))
	if err != nil {
		return out, 0, err
	}
	size = under.Size
	if c.Since != "" {
		if err := c.consistency(ctx, proofs, size, &out); err != nil {
			return out, 0, err
		}
	}
	if only := string(c.Label + c.Act); only != "" {
		out.Scope = only
		chosen, err := audit.Story(only, func() iter.Seq2[eventlog.Record, error] { return records(ctx, conn, size) })
		if err != nil {
			return out, 0, err
		}
		out.Entries = entries(ctx, conn, size, chosen, func(position uint64) (tlog.RecordProof, error) {
			r, err := proofs.GetInclusionProof(ctx, &ledgerv1.GetInclusionProofRequest{Position: position, TreeSize: size})
			return hashesOf(r.GetHashes()), err
		})
		c.opens(ctx, conn, &out)
		return out, size, nil
	}
	digest, err := ledgerv1.NewLedgerServiceClient(conn).GetStateDigest(ctx, &ledgerv1.GetStateDigestRequest{Position: size})
	if err != nil {
		return out, 0, err
	}
	out.Digest = &audit.Digest{Position: digest.GetPosition(), D1: digest.GetDigest(), Rows: digest.GetRowCount()}
	out.Entries = entries(ctx, conn, size, nil, nil)
	c.opens(ctx, conn, &out)
	return out, size, nil
}

// consistency brings the proof that the log extends what was seen before.
func (c *AuditBundleCmd) consistency(ctx context.Context, proofs ledgerv1.ProofServiceClient, size uint64, out *audit.Contents) (err error) {
	if out.Older, err = os.ReadFile(c.Since); err != nil {
		return err
	}
	old, err := checkpoint.Parse(string(out.Older))
	if err != nil {
		return usage(fmt.Sprintf("--since %s n'est pas un point de contrôle [%v]", c.Since, err))
	}
	r, err := proofs.GetConsistencyProof(ctx, &ledgerv1.GetConsistencyProofRequest{OldSize: old.Size, TreeSize: size})
	out.Consistency = hashesOf(r.GetHashes())
	return err
}

func hashesOf(all [][]byte) (hashes []tlog.Hash) {
	for _, b := range all {
		var h tlog.Hash
		copy(h[:], b)
		hashes = append(hashes, h)
	}
	return hashes
}

// entries are the records up to a position: those chosen, each with its proof, or all where
// none are.
func entries(ctx context.Context, conn grpc.ClientConnInterface, size uint64, chosen map[uint64]bool, prove func(uint64) (tlog.RecordProof, error)) iter.Seq2[audit.Entry, error] {
	return func(yield func(audit.Entry, error) bool) {
		for r, err := range records(ctx, conn, size) {
			e := audit.Entry{Record: r}
			if err == nil && chosen != nil {
				if !chosen[r.Position] {
					continue
				}
				e.Proof, err = prove(r.Position)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// records are those up to a position.
func records(ctx context.Context, conn grpc.ClientConnInterface, size uint64) iter.Seq2[eventlog.Record, error] {
	client := feedv1.NewFeedServiceClient(conn)
	return func(yield func(eventlog.Record, error) bool) {
		for after := uint64(0); after < size; {
			page, err := client.ListEvents(ctx, &feedv1.ListEventsRequest{From: &feedv1.ListEventsRequest_After{After: after}, PageSize: 1000})
			if err != nil {
				yield(eventlog.Record{}, err)
				return
			}
			for _, commit := range page.GetCommits() {
				for _, r := range commit.GetRecords() {
					if r.GetPosition() > size || !yield(eventlog.Record{Position: r.GetPosition(), Subject: r.GetSubject(), Body: r.GetBody()}, nil) {
						return
					}
				}
			}
			if after = page.GetNextAfter(); !page.GetMore() {
				return
			}
		}
	}
}

// Trusted is what an auditor brings along.
type Trusted struct {
	Key       []string `required:"" type:"existingfile" placeholder:"CLÉ.pub" help:"Clé publique du registre ; plusieurs pendant un changement de clé."`
	Kept      string   `type:"existingfile" placeholder:"FICHIER" help:"Le point de contrôle gardé de la dernière fois : un journal qui ne le prolonge pas est refusé."`
	Witnesses string   `type:"existingfile" placeholder:"FICHIER" help:"Témoins, et combien d'entre eux doivent avoir contresigné."`
}

func (t Trusted) trust() (out audit.Trust, err error) {
	if out.Keys, err = verifiers(t.Key); err != nil {
		return out, err
	}
	if t.Kept != "" {
		if out.Kept, err = os.ReadFile(t.Kept); err != nil {
			return out, err
		}
	}
	if t.Witnesses != "" {
		policy, err := os.ReadFile(t.Witnesses)
		if err != nil {
			return out, err
		}
		witnesses, err := notary.NewWitnesses(policy, nil)
		if err != nil {
			return out, usage(fmt.Sprintf("--witnesses %s ne se lit pas [%v]", t.Witnesses, err))
		}
		out.Satisfied = witnesses.Satisfied
	}
	return out, nil
}

// verifiers reads files of public keys, one a line.
func verifiers(files []string) (keys []note.Verifier, err error) {
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			key, err := note.NewVerifier(line)
			if err != nil {
				return nil, usage(fmt.Sprintf("%s n'est pas une clé publique de point de contrôle [%v]", file, err))
			}
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// verified opens a bundle and verifies it.
func (t Trusted) verified(file string) (*audit.Bundle, audit.Report, error) {
	trust, err := t.trust()
	if err != nil {
		return nil, audit.Report{}, err
	}
	b, err := audit.Open(file)
	if err != nil {
		return nil, audit.Report{}, err
	}
	r, err := b.Verify(trust)
	if err != nil {
		return nil, r, errors.Join(err, b.Close())
	}
	return b, r, nil
}

// AuditVerifyCmd verifies one.
type AuditVerifyCmd struct {
	File string `arg:"" type:"existingfile" placeholder:"PAQUET" help:"Le paquet."`
	Trusted
	Keep string `placeholder:"FICHIER" help:"Garder là le point de contrôle vérifié, pour --kept la prochaine fois."`
}

// Run verifies it.
func (c *AuditVerifyCmd) Run(a *app) error {
	b, r, err := c.verified(c.File)
	if err != nil {
		return err
	}
	defer b.Close()
	if c.Keep != "" {
		err := writeWhole(c.Keep, func(w io.Writer) error { _, err := w.Write(b.Checkpoint()); return err })
		if err != nil {
			return err
		}
	}
	return a.tellVerified(b, r)
}

func (a *app) tellVerified(b *audit.Bundle, r audit.Report) error {
	if a.json {
		return json.NewEncoder(a.stdout).Encode(map[string]any{
			"scope": b.Scope, "origin": r.Checkpoint.Origin, "size": r.Checkpoint.Size, "root": base64.StdEncoding.EncodeToString(r.Checkpoint.Root[:]),
			"records": r.Records, "signedBy": r.SignedBy, "opened": r.Opened,
		})
	}
	var out strings.Builder
	fmt.Fprintf(&out, "Vérifié : %s, chacun sous le point de contrôle signé.\nJournal   %s\nPositions %d\nEmpreinte %v\nSigné par %s\n",
		counted(r.Records, "événement(s)"), r.Checkpoint.Origin, r.Checkpoint.Size, r.Checkpoint.Root, strings.Join(r.SignedBy, ", "))
	if r.Signatures > 0 {
		fmt.Fprintf(&out, "Autres signatures : %d\n", r.Signatures)
	}
	if r.Opened > 0 {
		fmt.Fprintf(&out, "Valeurs du coffre en clair : %d, chacune celle à laquelle des événements sont engagés.\n", r.Opened)
	}
	if r.Kept != nil {
		fmt.Fprintf(&out, "Il prolonge celui qui avait été gardé, de taille %d.\n", r.Kept.Size)
	}
	if b.Scope != audit.Whole {
		fmt.Fprintf(&out, "Ce paquet ne contient que ce qui fait l'histoire de %s : il ne prouve rien de ce qu'il ne contient pas.\n", b.Scope)
	}
	_, err := fmt.Fprint(a.stdout, harmless(out.String()))
	return err
}

// AuditReplayCmd replays one.
type AuditReplayCmd struct {
	File string `arg:"" type:"existingfile" placeholder:"PAQUET" help:"Le paquet, avec tous les événements."`
	Trusted
	Moment
	At uint64 `placeholder:"POSITION" help:"L'empreinte seule, de l'état tel que connu à cette position."`
}

// Run replays it: what the records add up to as known at a moment and, where one is asked for,
// the labels then.
func (c *AuditReplayCmd) Run(a *app) error {
	b, _, err := c.verified(c.File)
	if err != nil {
		return err
	}
	defer b.Close()
	replica, err := b.Replay()
	if err != nil {
		return err
	}
	if b.Digest != nil {
		if err := replica.Agrees(*b.Digest); err != nil {
			return err
		}
	}
	if !a.json { // there an absent name is none
		replica.Unnamed = unnamed
	}
	conn, stop, err := reads(replica)
	if err != nil {
		return err
	}
	defer stop()
	a.replayed = conn
	r, err := registryv1.NewRegistryServiceClient(conn).ListLabels(a.ctx, &registryv1.ListLabelsRequest{AsOf: c.asOf(), PageSize: 1})
	if err != nil {
		return err
	}
	at := r.GetResolved().GetKnownPosition()
	if c.At > 0 {
		at = min(c.At, replica.Head())
	}
	d, err := replica.Digest(at)
	if err != nil {
		return err
	}
	if err := c.tell(a, b, replica, d); err != nil || c.At > 0 || c.Moment == (Moment{}) {
		return err
	}
	return (&LabelListCmd{Search: Search{Moment: c.Moment}}).Run(a)
}

// tell tells what was replayed, up to the labels.
func (c *AuditReplayCmd) tell(a *app, b *audit.Bundle, replica *audit.Replica, d audit.Digest) error {
	if a.json {
		return json.NewEncoder(a.stdout).Encode(d)
	}
	same := "Le registre n'en avait annoncé aucune."
	if b.Digest != nil {
		same = fmt.Sprintf("À la position %d, c'est celle que le registre avait annoncée.", b.Digest.Position)
	}
	_, err := fmt.Fprintf(a.stdout, "Rejoué : %s.\nEmpreinte de l'état à la position %d : %x (%s)\n%s\nToute lecture se fait aussi hors ligne : maillage label list --valid-at AAAA-MM-JJ --bundle %s --bundle-key CLÉ.pub\n",
		counted(replica.Head(), "événement(s)"), d.Position, d.D1, counted(d.Rows, "ligne(s)"), same, c.File)
	return err
}

// offline lets use call the reads of a bundle, verified first.
func (a *app) offline(use func(ctx context.Context, conn grpc.ClientConnInterface) error) error {
	if len(a.client.BundleKey) == 0 {
		return usage("--bundle ne va qu'avec --bundle-key CLÉ.pub : sans clé, un paquet ne prouve rien")
	}
	b, _, err := Trusted{Key: a.client.BundleKey}.verified(a.client.Bundle)
	if err != nil {
		return err
	}
	defer b.Close()
	replica, err := b.Replay()
	if err != nil {
		return err
	}
	if !a.json { // there an absent name is none
		replica.Unnamed = unnamed
	}
	conn, stop, err := reads(replica, grpc.WithUnaryInterceptor(a.inTime))
	if err != nil {
		return err
	}
	defer stop()
	return use(a.ctx, conn)
}

// reads is a connection to the reads of a replica, guarded as those of a register are.
func reads(replica *audit.Replica, more ...grpc.DialOption) (conn *grpc.ClientConn, stop func(), err error) {
	server, err := serve.NewServer(nil)
	if err != nil {
		return nil, nil, err
	}
	return replica.Dial(server, append(more, grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(maxSend), grpc.MaxCallRecvMsgSize(maxReceive)))...)
}

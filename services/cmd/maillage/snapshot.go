package main

import (
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	"maillage/proto/follow"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	"maillage/services/fault"
	"maillage/services/snapshot"
)

// SnapshotCmd brings the register as files, or what changed between two positions.
type SnapshotCmd struct {
	Client
	Out  string `required:"" placeholder:"RÉPERTOIRE" help:"Où écrire les fichiers ; une réception interrompue y reprend."`
	At   uint64 `aliases:"to" placeholder:"N" help:"Le registre à cette position ; la dernière par défaut."`
	From uint64 `placeholder:"N" help:"Seulement ce qui a changé depuis cette position."`

	Key []string `type:"existingfile" placeholder:"CLÉ.pub" help:"Clé publique du registre : la signature du point de contrôle est vérifiée."`
}

// Run implements the verb.
func (c *SnapshotCmd) Run(a *app) error {
	at := c.At
	if begun := snapshot.Pending(c.Out); at == 0 && begun.GetValidAt() == "" && (begun.GetAfter() > 0) == (c.From > 0) {
		at = begun.GetPosition() // 0 where nothing was
	}
	keys, err := verifiers(c.Key)
	if err != nil {
		return err
	}
	err = a.fetchFiles(c.Out, at, func(ctx context.Context, client feedv1.SnapshotServiceClient, at uint64) (*feedv1.Manifest, error) {
		if c.From > 0 {
			r, err := client.GetDelta(ctx, &feedv1.GetDeltaRequest{After: c.From, Position: at})
			return r.GetManifest(), err
		}
		r, err := client.GetSnapshot(ctx, &feedv1.GetSnapshotRequest{Position: at})
		return r.GetManifest(), err
	})
	if err != nil {
		return err
	}
	return a.sign(c.Out, keys)
}

// OpenDataCmd brings what is published for everybody.
type OpenDataCmd struct {
	Client
	Out     string `required:"" placeholder:"RÉPERTOIRE" help:"Où écrire les fichiers ; une réception interrompue y reprend."`
	ValidAt day    `name:"valid-at" placeholder:"AAAA-MM-JJ" help:"Liste en cours et carte de ce jour (heure de Paris) ; aujourd'hui par défaut."`
	At      uint64 `placeholder:"N" help:"Tel que connu à cette position ; la dernière par défaut."`
}

// Run implements the verb.
func (c *OpenDataCmd) Run(a *app) error {
	at := c.At
	if begun := snapshot.Pending(c.Out); at == 0 && c.ValidAt != "" && begun.GetValidAt() == string(c.ValidAt) {
		at = begun.GetPosition()
	}
	return a.fetchFiles(c.Out, at, func(ctx context.Context, client feedv1.SnapshotServiceClient, at uint64) (*feedv1.Manifest, error) {
		r, err := client.GetOpenData(ctx, &feedv1.GetOpenDataRequest{Position: at, ValidAt: string(c.ValidAt)})
		return r.GetManifest(), err
	})
}

// fetchFiles asks for a set of files until it is made, brings it into a directory and
// proves it. ask is given the position, 0 for the head, and then the one that is being made.
func (a *app) fetchFiles(dir string, at uint64, ask func(ctx context.Context, client feedv1.SnapshotServiceClient, at uint64) (*feedv1.Manifest, error)) error {
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		client := feedv1.NewSnapshotServiceClient(conn)
		m, err := ask(ctx, client, at)
		for making, is := fault.FromStatus(err); is && making.Reason == "SNAPSHOT_MAKING"; making, is = fault.FromStatus(err) {
			fmt.Fprintln(a.stderr, "maillage : les fichiers sont en préparation…")
			if err := pause(ctx); err != nil {
				return err
			}
			at = cmp.Or(making.Position, at)
			m, err = ask(ctx, client, at)
		}
		if err != nil {
			return err
		}
		for tries := 0; ; tries++ {
			err = snapshot.Fetch(ctx, client, m, dir)
			if tries >= 5 || status.Code(err) != codes.Unavailable && status.Code(err) != codes.Internal {
				break
			}
			text, _ := a.explain(err)
			fmt.Fprintf(a.stderr, "maillage : %s ; reprise\n", harmless(text))
			if err := pause(ctx); err != nil {
				return err
			}
		}
		if err == nil {
			err = snapshot.Verify(dir, m)
		}
		if err != nil {
			return unwritten(dir, err)
		}
		return a.tellFiles(dir, m)
	})
}

// pause waits a moment before something is asked for again.
func pause(ctx context.Context) error {
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// unwritten says of an error of the file system where it is.
func unwritten(dir string, err error) error {
	if bad, is := errors.AsType[*fs.PathError](err); is {
		return fault.New(fault.Unavailable, "FILES_UNWRITTEN", "", "%s: %s", dir, whyNotWritten(bad))
	}
	return err
}

func (a *app) tellFiles(dir string, m *feedv1.Manifest) error {
	if a.json {
		return a.printJSON(m)
	}
	size := uint64(0)
	for _, f := range m.GetFiles() {
		size += f.GetBytes()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s : %s, %s.\n", dir, counted(len(m.GetFiles()), "fichier(s)"), byteCount(size))
	at := frTime(m.GetKnownTime())
	switch {
	case m.GetValidAt() != "":
		fmt.Fprintf(&b, "Données ouvertes du %s, telles que connues à la position %d (%s).\n", frDate(m.GetValidAt()), m.GetPosition(), at)
	case m.GetAfter() > 0:
		fmt.Fprintf(&b, "Ce qui a changé de la position %d à la position %d (%s).\n", m.GetAfter(), m.GetPosition(), at)
	default:
		fmt.Fprintf(&b, "Le registre à la position %d (%s) : %s, empreinte d'état %s, recalculée.\n", m.GetPosition(), at, counted(m.GetStateRows(), "ligne(s)"), m.GetStateDigest())
	}
	if root, err := snapshot.Root(m); err == nil {
		fmt.Fprintf(&b, "Racine du journal recalculée : %v.\nPour suivre la suite : curseur %s.\n", root, m.GetCursor())
	}
	_, err := io.WriteString(a.stdout, b.String())
	return err
}

// byteCount is a number of bytes as an officer reads it.
func byteCount(n uint64) string {
	switch {
	case n < 1_000:
		return counted(n, "octet(s)")
	case n < 1_000_000:
		return strings.Replace(fmt.Sprintf("%.1f ko", float64(n)/1e3), ".", ",", 1)
	}
	return strings.Replace(fmt.Sprintf("%.1f Mo", float64(n)/1e6), ".", ",", 1)
}

// replay fills a copy from the records of a snapshot, and returns where it then is.
func (c *FollowCmd) replay(a *app, take follow.Handler) (from follow.Place, err error) {
	m, events, err := c.records(a)
	if err != nil {
		return from, err
	}
	defer func() { err = errors.Join(err, events.Close()) }()
	if m.GetAfter() > 0 || m.GetCheckpoint() == "" {
		return from, usage("--from-snapshot : ce ne sont pas les fichiers d'un registre entier")
	}
	root, err := snapshot.Root(m)
	if err != nil {
		return from, err
	}
	content, err := gzip.NewReader(events)
	if err != nil {
		return from, differs(err)
	}
	for b, err := range follow.Replay(follow.ReadLines(content)) {
		if err != nil {
			return from, differs(err)
		}
		if err := take(a.ctx, b); err != nil {
			return from, err
		}
		from = b.After
	}
	if got, _ := from.Root(); from.Position != m.GetPosition() || got != root {
		return from, differs(fmt.Errorf("the root of the records up to position %d is %v, that of the checkpoint is %v", from.Position, got, root))
	}
	return from, nil
}

func differs(err error) error {
	return fault.New(fault.Damaged, "FILES_DIFFER", snapshot.EventsName, "%v", err)
}

// records opens the records of a snapshot, in a directory or at an address.
func (c *FollowCmd) records(a *app) (*feedv1.Manifest, io.ReadCloser, error) {
	if !isURL(c.FromSnapshot) {
		m, err := snapshot.Load(c.FromSnapshot)
		if err == nil {
			var f *os.File
			if f, err = os.Open(filepath.Join(c.FromSnapshot, snapshot.EventsName)); err == nil {
				return m, f, nil
			}
		}
		if _, is := errors.AsType[*fs.PathError](err); is {
			return nil, nil, usage(fmt.Sprintf("--from-snapshot : %s n'est pas un répertoire de « maillage snapshot »", c.FromSnapshot))
		}
		return nil, nil, err
	}
	where := strings.TrimSuffix(strings.TrimSuffix(c.FromSnapshot, "/"+snapshot.ManifestName), "/")
	described, at, err := get(a.ctx, where+"/"+snapshot.ManifestName)
	if err != nil {
		return nil, nil, err
	}
	text, err := io.ReadAll(io.LimitReader(described, 1<<20))
	if err := errors.Join(err, described.Close()); err != nil {
		return nil, nil, err
	}
	m := &feedv1.Manifest{}
	if err := protojson.Unmarshal(text, m); err != nil {
		return nil, nil, differs(err)
	}
	// The address may have led on to that of a position, whose records they are.
	events, _, err := get(a.ctx, strings.TrimSuffix(at, snapshot.ManifestName)+snapshot.EventsName)
	return m, events, err
}

// get asks for an address and says where it was found.
func get(ctx context.Context, url string) (body io.ReadCloser, at string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, "", usage("--from-snapshot : « " + url + " » n'est pas une adresse")
	}
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, "", fault.New(fault.Unavailable, "SNAPSHOT_UNREACHABLE", "", "%v", err)
	}
	if r.StatusCode != http.StatusOK {
		_ = r.Body.Close()
		return nil, "", fault.New(fault.Unavailable, "SNAPSHOT_UNREACHABLE", "", "%s: %s", url, r.Status)
	}
	return r.Body, r.Request.URL.String(), nil
}

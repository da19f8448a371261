package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"maillage/proto/conformance"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	"maillage/services/web"
)

// ConformanceCmd puts a consumer to the test.
type ConformanceCmd struct {
	List    bool     `help:"Dire seulement quelles épreuves il y a."`
	Only    []string `placeholder:"ÉPREUVE" help:"Ces épreuves seulement, séparées par des virgules."`
	Command []string `arg:"" optional:"" passthrough:"" placeholder:"-- COMMANDE" help:"Le consommateur : il suit, au choix, l'adresse gRPC de MAILLAGE_SERVER ou l'adresse HTTP de MAILLAGE_HTTP, trouve dans MAILLAGE_KEY la clé publique, et tient sa copie dans MAILLAGE_COPY."`
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
	day.Front = front
	return day.Run(a.ctx, dir, command...)
}

// front is the HTTP of the register before the one that is played.
func front(ctx context.Context, server string) (url string, stop func(), err error) {
	conn, err := grpc.NewClient(server, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return "", nil, err
	}
	proofs := ledgerv1.NewProofServiceClient(conn)
	handler, err := web.New(web.Config{GRPC: server, More: map[string]http.HandlerFunc{
		"/checkpoint": func(w http.ResponseWriter, r *http.Request) {
			last, err := proofs.GetCheckpoint(r.Context(), &ledgerv1.GetCheckpointRequest{})
			if err != nil {
				web.Problem(w, err)
				return
			}
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			_, _ = w.Write(last.GetCheckpoint()) // who asked has left
		},
	}})
	if err != nil {
		return "", nil, errors.Join(err, conn.Close())
	}
	lis, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, errors.Join(err, handler.Close(), conn.Close())
	}
	served := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	go served.Serve(lis) //nolint:errcheck // it ends when it is closed
	return "http://" + lis.Addr().String(), func() { _ = errors.Join(served.Close(), handler.Close(), conn.Close()) }, nil
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

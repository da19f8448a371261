package query_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/registry/query"
	"maillage/services/registry/server"
)

// versions is a register of labels with as many versions each, in networks of ten, whose
// ids are such as are minted.
func versions(b *testing.B, labels, each int) *world {
	b.Helper()
	w := newWorld(b)
	var events []proto.Message
	flush := func() {
		w.commit(events...)
		w.state.Settle(w.head)
		events = events[:0]
	}
	add := func(e proto.Message) {
		if events = append(events, e); len(events) == 1_000 {
			flush()
		}
	}
	for i := range 23 {
		add(filiere(numbered("F", i), "2014-01-01", fmt.Sprintf("FILIÈRE %d", i), "", ""))
	}
	for i := range 200 {
		add(establishment(numbered("E", i), "", fmt.Sprintf("Hôpital Sainte-Thérèse n° %d", i), "", "Saint-Étienne", "42"))
	}
	networks := min(labels/10, 2_500)
	for i := range networks {
		add(network(numbered("N", i), "", fmt.Sprintf("Anomalies de la %de espèce", i), fmt.Sprintf("AHE%d", i), numbered("F", i%23)))
	}
	add(cycle("Y000000000", "2023-2028", "2024-01-01", "2029-01-01"))
	for i := range labels {
		add(centre(numbered("C", i), numbered("E", i%200)))
		add(granted(numbered("B", i), site(numbered("S", i), numbered("C", i), numbered("N", i%networks)),
			labellingv1.Role(i%5+1), "Y000000000", "2024-01-01", "2029-01-01"))
	}
	flush()
	for version := range each - 1 {
		for i := range labels {
			add(correctedRole(numbered("B", i), 1, labellingv1.Role((i+version)%5+1)))
		}
	}
	if len(events) > 0 {
		flush()
	}
	return w
}

// Reads over gRPC from the rows in PostgreSQL, of random labels on random days as known at
// random positions.
func BenchmarkStored(b *testing.B) {
	if !onPostgres {
		b.Skip("it asks the rows")
	}
	for _, size := range []struct{ labels, each int }{{2_500, 3}, {2_500, 400}, {1_000_000, 1}} {
		b.Run(fmt.Sprintf("%dx%d", size.labels, size.each), func(b *testing.B) {
			w := versions(b, size.labels, size.each)
			client := dial(b, query.New(w.await(w.stored(w.memory()))))
			first := w.head - uint64(size.labels)*uint64(size.each-1)
			label := func() string { return numbered("B", rand.IntN(size.labels)) }
			asOf := func() *registryv1.AsOf {
				known := &registryv1.AsOf_KnownPosition{KnownPosition: first + rand.Uint64N(w.head-first+1)}
				return &registryv1.AsOf{ValidAt: fmt.Sprintf("20%d-06-01", 23+rand.IntN(5)), KnownAt: known}
			}
			head, whole := &registryv1.AsOf{}, 0
			for name, ask := range map[string]func() error{
				"label": func() error {
					_, err := client.GetLabel(b.Context(), &registryv1.GetLabelRequest{LabelId: label(), AsOf: asOf()})
					return err
				},
				"label at head": func() error {
					_, err := client.GetLabel(b.Context(), &registryv1.GetLabelRequest{LabelId: label(), AsOf: head})
					return err
				},
				"centre": func() error {
					_, err := client.GetCentre(b.Context(), &registryv1.GetCentreRequest{CentreId: numbered("C", rand.IntN(size.labels)), AsOf: asOf()})
					return err
				},
				"network": func() error {
					_, err := client.ListLabels(b.Context(), &registryv1.ListLabelsRequest{Network: numbered("N", rand.IntN(250)), AsOf: asOf()})
					return err
				},
				"history": func() error {
					_, err := client.ListHistory(b.Context(), &registryv1.ListHistoryRequest{EntityId: label()})
					return err
				},
				"whole": func() error {
					whole++ // a position of its own each time: it is kept
					known := &registryv1.AsOf_KnownPosition{KnownPosition: w.head - uint64(whole)*10_000%(w.head-first+1)}
					if size.each == 1 && whole > 1 {
						return nil
					}
					_, err := client.ListLabels(b.Context(), &registryv1.ListLabelsRequest{AsOf: &registryv1.AsOf{KnownAt: known}})
					return err
				},
			} {
				b.Run(name, func(b *testing.B) { timed(b, ask) })
			}
		})
	}
}

// timed reports percentiles of what is asked for.
func timed(b *testing.B, ask func() error) {
	b.Helper()
	if err := ask(); err != nil { // what is kept is there then
		b.Fatal(err)
	}
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		if err := ask(); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	for _, p := range []int{50, 99} {
		b.ReportMetric(float64(took[len(took)*p/100].Microseconds())/1000, fmt.Sprintf("p%d-ms", p))
	}
}

// dial serves queries over a socket.
func dial(b *testing.B, queries *query.Queries) registryv1.RegistryServiceClient {
	b.Helper()
	listener, err := new(net.ListenConfig).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := grpc.NewServer()
	registryv1.RegisterRegistryServiceServer(s, server.New(queries))
	done := make(chan error, 1)
	go func() { done <- s.Serve(listener) }()
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = conn.Close()
		s.GracefulStop()
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
	client := registryv1.NewRegistryServiceClient(conn)
	for {
		ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
		_, err := client.ListCycles(ctx, &registryv1.ListCyclesRequest{})
		cancel()
		if err == nil {
			return client
		}
		b.Log(err)
	}
}

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

// account is the development identity of the bench.
const account = "bench"

var basis = &eventv1.Basis{Source: "measurement", Evidence: eventv1.Evidence_EVIDENCE_STATED, SeenDate: "2026-01-01"}

// register is a process of Maillage and connections to it.
type register struct {
	*child
	conns []*grpc.ClientConn
}

// startRegister runs bin/maillage with arguments that make it serve gRPC on addr.
func startRegister(ctx context.Context, binary, addr string, connections int, args ...string) (*register, error) {
	c, err := start("maillage "+args[0], binary, args, nil)
	if err != nil {
		return nil, err
	}
	r := &register{child: c}
	for range connections {
		conn, err := dial(addr)
		if err != nil {
			r.Close()
			return nil, err
		}
		r.conns = append(r.conns, conn)
	}
	err = c.ready(ctx, 60*time.Second, func(ctx context.Context) error {
		answer, err := healthv1.NewHealthClient(r.conns[0]).Check(ctx, &healthv1.HealthCheckRequest{})
		if err == nil && answer.GetStatus() != healthv1.HealthCheckResponse_SERVING {
			err = fmt.Errorf("health: %v", answer.GetStatus())
		}
		return err
	})
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// startUp runs the whole register in one process, on the same disk as its peers.
func startUp(ctx context.Context, binary, dir string, connections int) (*register, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	web, err := freeAddr()
	if err != nil {
		return nil, err
	}
	return startRegister(ctx, binary, addr, connections, "up", "--data", dir, "--http", web, "--grpc", addr, "--nats", "off")
}

// startThree runs two services of topology and one of labelling as processes of
// their own over one NATS, with the ledger that gates them.
func startThree(ctx context.Context, binary, nats, dir string, connections int) (serving []*register, stop func(), err error) {
	var all []*register
	stop = func() {
		for _, r := range all {
			r.Close()
		}
	}
	for _, kind := range []string{"ledger", "topology", "topology", "labelling"} {
		addr, err := freeAddr()
		if err != nil {
			return nil, stop, err
		}
		web, err := freeAddr()
		if err != nil {
			return nil, stop, err
		}
		r, err := startRegister(ctx, binary, addr, connections, serveArgs(kind, nats, addr, web, dir)...)
		if err != nil {
			return nil, stop, err
		}
		all = append(all, r)
	}
	return all[1:], stop, nil
}

// serveArgs is the command line of one service. Those that write share a vault; the
// ledger has a directory of its own.
func serveArgs(kind, nats, grpcAddr, httpAddr, dir string) []string {
	data := filepath.Join(dir, "shared")
	if kind == "ledger" {
		data = filepath.Join(dir, "ledger")
	}
	return []string{"serve", kind, "--nats", nats, "--data", data, "--grpc", grpcAddr, "--http", httpAddr}
}

func (r *register) Close() {
	for _, c := range r.conns {
		_ = c.Close()
	}
	r.stop(syscall.SIGTERM)
}

func (r *register) conn(caller int) *grpc.ClientConn { return r.conns[caller%len(r.conns)] }

func as(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "maillage-as", account)
}

// registerCentre is a command of one event, about the size of payload.
func (r *register) registerCentre(ctx context.Context, caller, n int) error {
	_, err := r.newCentre(ctx, caller, n)
	return err
}

func (r *register) newCentre(ctx context.Context, caller, n int) (string, error) {
	answer, err := r.centre(ctx, caller, n)
	return answer.GetCentreId(), err
}

// centreAt registers a centre and returns its position.
func (r *register) centreAt(ctx context.Context, n int) (uint64, error) {
	answer, err := r.centre(ctx, n, n)
	return answer.GetPosition(), err
}

func (r *register) centre(ctx context.Context, caller, n int) (*topologyv1.RegisterCentreResponse, error) {
	answer, err := topologyv1.NewTopologyServiceClient(r.conn(caller)).RegisterCentre(as(ctx), &topologyv1.RegisterCentreRequest{
		RequestId: rand.Text(), Basis: basis, ValidFrom: "2023-01-01",
		Name:       fmt.Sprintf("Centre %d-%d", caller, n),
		Population: topologyv1.Population_POPULATION_CHILD,
		Place:      &topologyv1.Place{City: "Lyon", DepartmentCode: "69"},
	})
	if err == nil && answer.GetPosition() == 0 {
		err = errors.New("an answer without position")
	}
	return answer, err
}

// registerCycle is a command of labelling of one event.
func (r *register) registerCycle(ctx context.Context, caller, _ int) error {
	_, err := labellingv1.NewLabellingServiceClient(r.conn(caller)).RegisterCycle(as(ctx), &labellingv1.RegisterCycleRequest{
		RequestId: rand.Text(), Basis: basis, Code: rand.Text(), Period: &eventv1.Period{Start: "2023", End: "2028"},
	})
	return err
}

// territory is what an act needs to stand on.
type territory struct {
	filiere string
	cycle   string
	centres []string
}

// found registers a filière, a cycle and so many centres.
func (r *register) found(ctx context.Context, centres int) (*territory, error) {
	t := &territory{centres: make([]string, centres)}
	f, err := topologyv1.NewTopologyServiceClient(r.conn(0)).RegisterFiliere(as(ctx), &topologyv1.RegisterFiliereRequest{
		RequestId: rand.Text(), Basis: basis, ValidFrom: "2014", Acronym: "BenchFIL", Name: "Filière de mesure",
	})
	if err != nil {
		return nil, err
	}
	c, err := labellingv1.NewLabellingServiceClient(r.conn(0)).RegisterCycle(as(ctx), &labellingv1.RegisterCycleRequest{
		RequestId: rand.Text(), Basis: basis, Code: "bench", Period: &eventv1.Period{Start: "2023", End: "2028"},
	})
	if err != nil {
		return nil, err
	}
	t.filiere, t.cycle = f.GetFiliereId(), c.GetCycleId()
	const callers = 50
	errs := make(chan error, callers)
	for caller := range callers {
		go func() {
			for i := caller; i < centres; i += callers {
				id, err := r.newCentre(ctx, caller, i)
				if err != nil {
					errs <- err
					return
				}
				t.centres[i] = id
			}
			errs <- nil
		}()
	}
	for range callers {
		err = errors.Join(err, <-errs)
	}
	return t, err
}

// act records an act that labels every centre of the territory in a network of its
// own, and returns the time until it was answered, and until a read that asked for
// its position saw every line.
func (r *register) act(ctx context.Context, t *territory) (durable, readable time.Duration, err error) {
	acronym := rand.Text()[:12]
	n, err := topologyv1.NewTopologyServiceClient(r.conn(0)).RegisterNetwork(as(ctx), &topologyv1.RegisterNetworkRequest{
		RequestId: rand.Text(), Basis: basis, ValidFrom: "2023-01-01", Title: "Réseau " + acronym, Acronym: acronym, FiliereId: t.filiere,
	})
	if err != nil {
		return 0, 0, err
	}
	req := &labellingv1.RecordActRequest{
		RequestId: rand.Text(), Basis: basis, Kind: labellingv1.ActKind_ACT_KIND_ARRETE,
		Title: "Arrêté de mesure " + acronym, SignedDate: "2022-12-20", EffectiveDate: "2023-01-01", CycleId: t.cycle,
	}
	for _, centre := range t.centres {
		req.Lines = append(req.Lines, &labellingv1.ActLine{
			Disposition: &labellingv1.ActLine_Granted{Granted: &labellingv1.Grant{
				Holder:  &labellingv1.Grant_Site{Site: &labellingv1.SiteRef{CentreId: centre, NetworkId: n.GetNetworkId()}},
				Role:    labellingv1.Role_ROLE_COMPETENCE,
				CycleId: t.cycle,
				Period:  &eventv1.Period{Start: "2023-01-01", End: "2028-01-01"},
			}},
		})
	}
	start := time.Now()
	answer, err := labellingv1.NewLabellingServiceClient(r.conn(0)).RecordAct(as(ctx), req)
	if err != nil {
		return 0, 0, err
	}
	durable = time.Since(start)
	seen, err := registryv1.NewRegistryServiceClient(r.conn(0)).ListLabels(as(ctx), &registryv1.ListLabelsRequest{
		AsOf: &registryv1.AsOf{ValidAt: "2024-01-01", MinPosition: answer.GetPosition()}, Network: n.GetNetworkId(), PageSize: 1,
	})
	readable = time.Since(start)
	if err == nil && int(seen.GetTotalSize()) != len(t.centres) {
		err = fmt.Errorf("of an act of %d lines a read at its position %d saw %d", len(t.centres), answer.GetPosition(), seen.GetTotalSize())
	}
	return durable, readable, err
}

// built says whether the binary is there to be measured.
func built(binary string) bool {
	s, err := os.Stat(binary)
	return err == nil && s.Mode().IsRegular()
}

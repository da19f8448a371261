package serve_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/proto/merkle"
	"maillage/services/eventlog"
	"maillage/services/eventlog/jetstream"
	"maillage/services/fault"
	"maillage/services/identifier"
	"maillage/services/registry"
	"maillage/services/serve"
	"maillage/services/submit"
)

// TestRulesHoldInARace lets three services on one broker, one of which keeps the ledger,
// decide at the same time about the same codes, sites and numbers. Callers lose their
// patience and ask another. Then the log is read by itself: no rule is broken there,
// what was acknowledged stands once, where it was said to, and what was refused nowhere.
// MAILLAGE_RACE_SECONDS makes it last longer than its 900 commands.
func TestRulesHoldInARace(t *testing.T) {
	var until time.Time
	if n, err := strconv.Atoi(os.Getenv("MAILLAGE_RACE_SECONDS")); err == nil {
		until = time.Now().Add(time.Duration(n) * time.Second)
	}
	r := newRace(t)
	var wg sync.WaitGroup
	for range 18 {
		wg.Go(func() {
			for n := range r.commands() {
				if n > 900 && !time.Now().Before(until) || t.Failed() {
					return
				}
				r.command(n)
			}
		})
	}
	wg.Wait()
	r.check()
}

// race is what was asked of the services, and what they answered.
type race struct {
	t        *testing.T
	broker   string
	key      string // the file that it is reached with
	services []*grpc.ClientConn
	network  string
	centres  []string
	asked    atomic.Int64

	mu      sync.Mutex
	stands  map[string]answer // acknowledged, by request id
	refused map[string]string // reason, by request id
}

// answer is where an event stands and what it made.
type answer struct {
	position uint64
	id       string
}

func newRace(t *testing.T) *race {
	dir := t.TempDir()
	first := begin(t, serve.Config{Data: filepath.Join(dir, "1"), GRPC: "127.0.0.1:0", HTTP: "off", NATS: "127.0.0.1:0"})
	r := &race{t: t, broker: first.NATS, key: serviceKey(filepath.Join(dir, "1")), stands: map[string]answer{}, refused: map[string]string{}}
	at := []serve.Addresses{first}
	for i := range 2 {
		at = append(at, begin(t, serve.Config{
			Parts: []serve.Part{serve.Topology, serve.Labelling}, Data: filepath.Join(dir, fmt.Sprint(2+i)),
			Vault: filepath.Join(dir, "1", "vault"), GRPC: "127.0.0.1:0", HTTP: "off", URL: first.NATS, Credentials: serviceKey(filepath.Join(dir, "1")),
		}))
	}
	for _, a := range at {
		conn, err := grpc.NewClient(a.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithUnaryInterceptor(submit.Connect("officer")))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		r.services = append(r.services, conn)
	}
	topology := topologyv1.NewTopologyServiceClient(r.services[0])
	network, err := topology.RegisterNetwork(t.Context(), &topologyv1.RegisterNetworkRequest{Basis: because, Title: "N"})
	if err != nil {
		t.Fatal(err)
	}
	r.network = network.GetNetworkId()
	for range 50 {
		centre, err := topology.RegisterCentre(t.Context(), &topologyv1.RegisterCentreRequest{Basis: because})
		if err != nil {
			t.Fatal(err)
		}
		r.centres = append(r.centres, centre.GetCentreId())
	}
	return r
}

var because = &eventv1.Basis{Source: "test"}

// commands numbers the commands of all callers, from 1.
func (r *race) commands() func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for yield(int(r.asked.Add(1))) {
		}
	}
}

// command asks for what some others of about the same number want too, of any service,
// until it is answered for certain.
func (r *race) command(n int) {
	request := "r" + strconv.Itoa(n)
	ask := r.wish(request, n/12, rand.IntN(3))
	for {
		first, err := r.ask(ask, rand.IntN(8) == 0)
		e, _ := fault.FromStatus(err)
		switch {
		case err == nil:
			r.mu.Lock()
			r.stands[request] = first
			r.mu.Unlock()
			if rand.IntN(8) == 0 {
				if again, err := r.ask(ask, false); err == nil && again != first {
					r.t.Errorf("%s was answered with %v and then with %v", request, first, again)
				} else if err != nil && !passing(err) {
					r.t.Errorf("%s was answered with %v and then with %v", request, first, err)
				}
			}
			return
		case passing(err):
			continue
		case e != nil && (e.Reason == "CYCLE_CODE_TAKEN" || e.Reason == "LABEL_OVERLAPS" || e.Reason == "FINESS_TAKEN"):
			r.mu.Lock()
			r.refused[request] = e.Reason
			r.mu.Unlock()
		default:
			r.t.Errorf("%s: %v", request, err)
		}
		return
	}
}

// passing tells an answer that leaves the outcome open, or asks to try again.
func passing(err error) bool {
	switch status.Code(err) {
	case codes.Aborted, codes.Unavailable, codes.DeadlineExceeded, codes.Canceled:
		return true
	}
	return false
}

type wish func(ctx context.Context, at *grpc.ClientConn) (answer, error)

// ask asks one of the services, hastily with no time for the answer.
func (r *race) ask(w wish, hastily bool) (answer, error) {
	patience := 20 * time.Second
	if hastily {
		patience = time.Duration(rand.IntN(4000)) * time.Microsecond
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return w(ctx, r.services[rand.IntN(len(r.services))])
}

// wish is a command that most others with its key and kind exclude.
func (r *race) wish(request string, key, kind int) wish {
	switch kind {
	case 0: // the code of one may be the alias of another, in another case
		code, alias := fmt.Sprint("n", key), fmt.Sprint("N", key+rand.IntN(2))
		if code == strings.ToLower(alias) {
			alias = "own " + request
		}
		return func(ctx context.Context, at *grpc.ClientConn) (answer, error) {
			resp, err := labellingv1.NewLabellingServiceClient(at).RegisterCycle(ctx, &labellingv1.RegisterCycleRequest{
				RequestId: request, Basis: because, Code: code, Aliases: []string{alias},
			})
			return answer{resp.GetPosition(), resp.GetCycleId()}, err
		}
	case 1: // a few days of one site, whose first label opens it
		start := time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, key/len(r.centres)*4+rand.IntN(4))
		period := &eventv1.Period{Start: start.Format(time.DateOnly), End: start.AddDate(0, 0, 1+rand.IntN(6)).Format(time.DateOnly)}
		holder := &labellingv1.Grant_Site{Site: &labellingv1.SiteRef{CentreId: r.centres[key%len(r.centres)], NetworkId: r.network}}
		return func(ctx context.Context, at *grpc.ClientConn) (answer, error) {
			resp, err := labellingv1.NewLabellingServiceClient(at).GrantLabel(ctx, &labellingv1.GrantLabelRequest{
				RequestId: request, Basis: because, Grant: &labellingv1.Grant{Holder: holder, Role: labellingv1.Role_ROLE_COMPETENCE, Period: period},
			})
			return answer{resp.GetPosition(), resp.GetLabelId()}, err
		}
	default:
		number, what := finess(key), topologyv1.FinessKind(rand.IntN(3))
		return func(ctx context.Context, at *grpc.ClientConn) (answer, error) {
			resp, err := topologyv1.NewTopologyServiceClient(at).RegisterEstablishment(ctx, &topologyv1.RegisterEstablishmentRequest{
				RequestId: request, Basis: because, Name: request, Finess: number, FinessKind: what,
			})
			return answer{resp.GetPosition(), resp.GetEstablishmentId()}, err
		}
	}
}

// finess is the FINESS number of a key: some digits and the one that makes it right.
func finess(key int) string {
	for check := range 10 {
		if number, err := identifier.FINESS(fmt.Sprintf("75%06d%d", key%1e6, check)); err == nil {
			return number
		}
	}
	return ""
}

// check reads the log by itself and holds it against the rules and the answers.
func (r *race) check() {
	log, err := jetstream.Connect(r.t.Context(), r.broker, jetstream.ConnectOptions{Credentials: r.key})
	if err != nil {
		r.t.Fatal(err)
	}
	defer log.Close()
	var (
		fold  registry.State
		tree  merkle.Tree
		truth = &record{t: r.t, taken: map[string]string{}, windows: map[string][]*eventv1.Period{}, stands: map[string]answer{}}
	)
	for rec, err := range log.Read(r.t.Context(), 0) {
		if err != nil {
			r.t.Fatal(err)
		}
		meta, err := fold.Evolve(rec)
		if err != nil {
			r.t.Fatal(err)
		}
		tree.Append(eventlog.LeafHash(rec))
		id := truth.read(rec)
		if at, twice := truth.stands[meta.GetRequestId()]; twice {
			r.t.Errorf("%s stands at %d and at %d", meta.GetRequestId(), at.position, rec.Position)
		}
		truth.stands[meta.GetRequestId()] = answer{rec.Position, id}
	}
	for request, said := range r.stands {
		if truth.stands[request] != said {
			r.t.Errorf("%s was acknowledged as %v and stands as %v", request, said, truth.stands[request])
		}
	}
	reasons := map[string]int{}
	for request, reason := range r.refused {
		reasons[reason]++
		if at, there := truth.stands[request]; there {
			r.t.Errorf("%s was refused with %s and stands as %v", request, reason, at)
		}
	}
	if len(r.stands) < 100 || len(reasons) < 3 {
		r.t.Errorf("%d acknowledged, refused: %v; the race shows nothing", len(r.stands), reasons)
	}
	resp, err := ledgerv1.NewLedgerServiceClient(r.services[0]).GetStatus(r.t.Context(), &ledgerv1.GetStatusRequest{})
	if root := tree.Root(); err != nil || resp.GetHead().GetSize() != tree.Size() || string(resp.GetHead().GetRoot()) != string(root[:]) {
		r.t.Errorf("the ledger says %v, %v; the log has %d positions and root %v", resp.GetHead(), err, tree.Size(), root)
	}
	r.t.Logf("%d positions, %d acknowledged, refused: %v", tree.Size(), len(r.stands), reasons)
}

// record is what the log says, read without the decisions that wrote it.
type record struct {
	t       *testing.T
	taken   map[string]string            // who has a name, a number or a place
	windows map[string][]*eventv1.Period // of the labels of each site, in whole days
	stands  map[string]answer
}

// read holds an event against those before it and returns the id of what it makes.
func (l *record) read(rec eventlog.Record) string {
	if strings.HasPrefix(rec.Subject, "registry.topology.establishment.") {
		var e topologyv1.Event
		l.decode(rec, &e)
		f := e.GetEstablishmentRegistered()
		l.take(rec, f.GetEstablishmentId(), fmt.Sprint(f.GetFiness(), " ", f.GetFinessKind()))
		return f.GetEstablishmentId()
	}
	if !strings.HasPrefix(rec.Subject, "registry.labelling.") {
		return ""
	}
	var e labellingv1.Event
	l.decode(rec, &e)
	if f := e.GetCycleRegistered(); f != nil {
		for _, name := range append([]string{f.GetCode()}, f.GetAliases()...) {
			l.take(rec, f.GetCycleId(), strings.ToLower(name))
		}
		return f.GetCycleId()
	}
	f := e.GetLabelGranted()
	site := f.GetHolder().GetSite()
	l.take(rec, site.GetSiteId(), site.GetCentreId()+" "+site.GetNetworkId())
	for _, p := range l.windows[site.GetSiteId()] {
		if f.GetPeriod().GetStart() < p.GetEnd() && p.GetStart() < f.GetPeriod().GetEnd() {
			l.t.Errorf("position %d: site %s has labels in %v and in %v", rec.Position, site.GetSiteId(), p, f.GetPeriod())
		}
	}
	l.windows[site.GetSiteId()] = append(l.windows[site.GetSiteId()], f.GetPeriod())
	return f.GetLabelId()
}

func (l *record) decode(rec eventlog.Record, e proto.Message) {
	if err := proto.Unmarshal(rec.Body, e); err != nil {
		l.t.Fatal(err)
	}
}

func (l *record) take(rec eventlog.Record, id, what string) {
	if by, taken := l.taken[what]; taken && by != id {
		l.t.Errorf("position %d: %s has %q, and so has %s", rec.Position, id, what, by)
	}
	l.taken[what] = id
}

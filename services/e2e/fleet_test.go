package e2e

import (
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/fault"
	"maillage/services/route"
	"maillage/services/serve"
)

// retriable are the only codes that a caller may see while services are killed: the
// request is repeated as it is.
var retriable = map[codes.Code]bool{codes.Unavailable: true, codes.Aborted: true, codes.DeadlineExceeded: true}

// fleet is a register of two processes of each service, each at an address of its own that
// outlives it. One of the two ledgers follows the other.
type fleet struct {
	t         *testing.T
	nats      string
	data      string
	addresses []string
	parts     []string
	running   []*server
	gating    int // which of them keeps the ledger that gates
	conn      *route.Conn

	mu     sync.Mutex
	acks   int
	acked  chan struct{}     // closed and replaced with each ack
	errors map[string]int    // what callers saw, by code and reason
	centre map[string]string // what was acknowledged: name of a centre, its id
	label  map[string]string // centre id, its label
	action map[string]string // name of a centre, the action of its site
	digest map[uint64]string // what readers were shown: position, digest
	roots  map[uint64]string // size, root
}

// outside is an address beyond the ports that the system gives away, so that it is still
// free when a process comes back.
func outside(t *testing.T) string {
	t.Helper()
	for range 1000 {
		address := "127.0.0.1:" + strconv.Itoa(20000+rand.IntN(12000))
		if lis, err := net.Listen("tcp", address); err == nil {
			must(t, lis.Close())
			return address
		}
	}
	t.Fatal("no address is free")
	return ""
}

func newFleet(t *testing.T) *fleet {
	alone(t)
	data := t.TempDir()
	broker := startBroker(t, filepath.Join(data, "nats"), "127.0.0.1:0")
	t.Cleanup(broker.Shutdown)
	f := &fleet{
		t: t, nats: broker.URL(), data: data, acked: make(chan struct{}), errors: map[string]int{},
		centre: map[string]string{}, label: map[string]string{}, action: map[string]string{}, digest: map[uint64]string{}, roots: map[uint64]string{},
	}
	var routes []string
	for _, p := range serve.Parts {
		for range 2 {
			f.parts, f.addresses, f.running = append(f.parts, string(p)), append(f.addresses, outside(t)), append(f.running, nil)
			routes = append(routes, string(p)+"="+f.addresses[len(f.addresses)-1])
		}
	}
	s := &server{t: t}
	s.reachAt(strings.Join(routes, ","))
	f.conn = s.conn
	f.gating = slices.Index(f.parts, string(serve.Ledger))
	for _, n := range rand.Perm(len(f.parts)) {
		f.launch(n)
	}
	return f
}

// keepsLedger says whether the n-th process keeps a ledger.
func (f *fleet) keepsLedger(n int) bool { return f.parts[n] == string(serve.Ledger) }

// promote kills both ledgers, lets the one that followed gate, and the other one follow.
func (f *fleet) promote() {
	f.t.Helper()
	before, next := f.gating, 0
	for n := range f.running {
		if f.keepsLedger(n) && n != before {
			next = n
		}
	}
	f.running[next].await("msg=ready") // one that never had a copy could not gate
	f.running[before].kill()
	f.running[next].kill()
	f.gating = next
	f.launch(next)
	f.launch(before)
}

// launch starts the n-th process and does not wait.
func (f *fleet) launch(n int) {
	f.t.Helper()
	args := []string{"serve", f.parts[n], "--data", f.data, "--nats", f.nats, "--grpc", f.addresses[n], "--http", "off"}
	if f.keepsLedger(n) {
		args = append(args, "--ledger", filepath.Join(f.data, "ledger-"+strconv.Itoa(n)))
		if n != f.gating {
			args = append(args, "--follow")
		}
	}
	f.running[n] = launch(f.t, args...)
}

// ready waits until all are.
func (f *fleet) ready() {
	f.t.Helper()
	for _, s := range f.running {
		s.awaitReady()
	}
}

// ask repeats a call until it is answered. An error of another kind than those that invite
// to repeat it is a failure.
func (f *fleet) ask(ctx context.Context, what string, call func(context.Context) error) bool {
	for {
		timed, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := call(timed)
		cancel()
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		seen := status.Code(err).String()
		if own, ok := fault.FromStatus(err); ok {
			seen += " " + own.Reason
		}
		f.mu.Lock()
		f.errors[seen]++
		f.mu.Unlock()
		if !retriable[status.Code(err)] {
			f.t.Errorf("%s: %v", what, err)
			return false
		}
	}
}

// ack counts what was acknowledged.
func (f *fleet) ack(note func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	note()
	f.acks++
	close(f.acked)
	f.acked = make(chan struct{})
}

// await waits for so many more.
func (f *fleet) await(more int) {
	f.t.Helper()
	deadline := time.After(60 * time.Second)
	f.mu.Lock()
	until := f.acks + more
	f.mu.Unlock()
	for {
		f.mu.Lock()
		reached, acked := f.acks >= until, f.acked
		f.mu.Unlock()
		if reached {
			return
		}
		select {
		case <-acked:
		case <-deadline:
			f.t.Fatal("too little was acknowledged in 60 s")
		}
	}
}

// record registers centres, grants each a label and lets its site do something: commands
// of three services, each resting on the one before, read back at a fourth in between.
func (f *fleet) record(ctx context.Context, caller int, network string) {
	conn := acting{f.conn, "officer-" + strconv.Itoa(caller)}
	topology, labelling, registry := topologyv1.NewTopologyServiceClient(conn), labellingv1.NewLabellingServiceClient(conn), registryv1.NewRegistryServiceClient(conn)
	activity := activityv1.NewActivityServiceClient(conn)
	basis := &eventv1.Basis{Source: "kill test", Evidence: eventv1.Evidence_EVIDENCE_STATED}
	for n := 0; ctx.Err() == nil; n++ {
		name := fmt.Sprintf("c%d-n%d", caller, n)
		var centre, label string
		if !f.ask(ctx, "register "+name, func(ctx context.Context) error {
			r, err := topology.RegisterCentre(ctx, &topologyv1.RegisterCentreRequest{RequestId: name, Basis: basis, Name: name})
			centre = r.GetCentreId()
			return err
		}) {
			return
		}
		f.ack(func() { f.centre[name] = centre })
		if !f.ask(ctx, "grant "+name, func(ctx context.Context) error {
			r, err := labelling.GrantLabel(ctx, &labellingv1.GrantLabelRequest{RequestId: "label-of-" + name, Basis: basis, Grant: &labellingv1.Grant{
				Holder: &labellingv1.Grant_Site{Site: &labellingv1.SiteRef{CentreId: centre, NetworkId: network}},
				Role:   competence, Period: &eventv1.Period{Start: "2024-01-01", End: "2029-01-01"},
			}})
			label = r.GetLabelId()
			return err
		}) {
			return
		}
		f.ack(func() { f.label[centre] = label })
		var holder *labellingv1.Holder
		if !f.ask(ctx, "read "+label, func(ctx context.Context) error {
			r, err := registry.GetLabel(ctx, &registryv1.GetLabelRequest{LabelId: label, AsOf: on("2025-01-01")})
			holder = r.GetEntry().GetLabel().GetHolder()
			return err
		}) {
			return
		}
		var action string
		if !f.ask(ctx, "action of "+name, func(ctx context.Context) error {
			r, err := activity.RecordUndertaking(ctx, &activityv1.RecordUndertakingRequest{
				RequestId: "action-of-" + name, Basis: basis, Kind: activityv1.UndertakingKind_UNDERTAKING_KIND_ACTION, Title: name, Holder: holder,
			})
			action = r.GetUndertakingId()
			return err
		}) {
			return
		}
		f.ack(func() { f.action[name] = action })
	}
}

// watch asks each process what it shows: whatever position it names, all agree on it.
func (f *fleet) watch(ctx context.Context) {
	conns := make([]ledgerv1.LedgerServiceClient, len(f.addresses))
	for i, address := range f.addresses {
		s := &server{t: f.t}
		s.reachAt(address)
		conns[i] = ledgerv1.NewLedgerServiceClient(s.conn)
	}
	for i := 0; ctx.Err() == nil; i++ {
		client := conns[i%len(conns)]
		if head, err := client.GetStatus(ctx, &ledgerv1.GetStatusRequest{}); err == nil {
			f.same("root", f.roots, head.GetHead().GetSize(), base64.StdEncoding.EncodeToString(head.GetHead().GetRoot()))
			if head.GetHalted() != "" {
				f.t.Errorf("a %s halted: %s", f.parts[i%len(conns)], head.GetHalted())
				return
			}
		}
		if d, err := client.GetStateDigest(ctx, &ledgerv1.GetStateDigestRequest{}); err == nil {
			f.same("digest", f.digest, d.GetPosition(), fmt.Sprintf("%x", d.GetDigest()))
		} else if ctx.Err() == nil && !retriable[status.Code(err)] {
			f.t.Errorf("digest of a %s: %v", f.parts[i%len(conns)], err)
			return
		}
	}
}

func (f *fleet) same(what string, known map[uint64]string, position uint64, value string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if other, seen := known[position]; seen && other != value {
		f.t.Errorf("%s at position %d: %s to one reader and %s to another", what, position, other, value)
	}
	known[position] = value
}

// TestKillServices kills services that are apart, or ends them as an operator does, one at
// a time, at any moment under load, and starts them again. Callers see nothing but errors that invite to repeat a request;
// what was acknowledged is there, once; all processes come to hold the same, and what any
// of them ever showed is still so.
func TestKillServices(t *testing.T) {
	rounds := 10
	if testing.Short() {
		rounds = 3
	}
	if n, err := strconv.Atoi(os.Getenv("MAILLAGE_FAULT_ROUNDS")); err == nil {
		rounds = n
	}
	f := newFleet(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var network string
	f.ask(ctx, "register the network", func(ctx context.Context) error {
		r, err := topologyv1.NewTopologyServiceClient(acting{f.conn, "officer"}).RegisterNetwork(ctx, &topologyv1.RegisterNetworkRequest{
			RequestId: "network", Basis: stated, Title: "Maladies rares",
		})
		network = r.GetNetworkId()
		return err
	})
	var wg sync.WaitGroup
	for caller := range 6 {
		wg.Go(func() { f.record(ctx, caller, network) })
	}
	wg.Go(func() { f.watch(ctx) })
	kills := map[string]int{}
	for range rounds {
		f.await(5 + rand.IntN(40))
		n := rand.IntN(len(f.running))
		kills[f.parts[n]]++
		if f.keepsLedger(n) && rand.IntN(2) == 0 {
			kills["promoted"]++
			f.promote()
			continue
		}
		if rand.IntN(4) > 0 {
			f.running[n].kill()
		} else {
			f.running[n].await("msg=listening") // before it runs at all, nothing hears that it is to end
			if code := f.running[n].stop(); code != 0 {
				t.Errorf("%s: exit code %d", f.parts[n], code)
			}
		}
		if n != f.gating && rand.IntN(2) == 0 {
			f.await(rand.IntN(20)) // the other one does it all
		}
		f.launch(n)
	}
	f.ready()
	f.await(10)
	cancel()
	wg.Wait()
	f.check()
	t.Logf("killed %v; %d commands acknowledged; callers saw %v; %d digests and %d roots were shown", kills, f.acks, f.errors, len(f.digest), len(f.roots))
	for n, s := range f.running {
		if code := s.stop(); code != 0 {
			t.Errorf("%s: exit code %d", f.parts[n], code)
		}
	}
}

// check compares what all processes hold with what callers and readers were told.
func (f *fleet) check() {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), time.Minute)
	defer cancel()
	head, err := ledgerv1.NewLedgerServiceClient(f.conn).GetStatus(ctx, &ledgerv1.GetStatusRequest{})
	must(f.t, err)
	last := head.GetHead().GetSize()
	for n, s := range f.running {
		client := ledgerv1.NewLedgerServiceClient(s.conn)
		for _, at := range []uint64{last, 0} {
			d, err := client.GetStateDigest(ctx, &ledgerv1.GetStateDigestRequest{Position: at, MinPosition: last})
			must(f.t, err)
			f.same("final digest", f.digest, d.GetPosition(), fmt.Sprintf("%x", d.GetDigest()))
		}
		checked := 0
		for at, want := range f.digest {
			if at == 0 || at > last || checked > 50 {
				continue
			}
			checked++
			d, err := client.GetStateDigest(ctx, &ledgerv1.GetStateDigestRequest{Position: at})
			must(f.t, err)
			if got := fmt.Sprintf("%x", d.GetDigest()); got != want || d.GetPosition() != at {
				f.t.Errorf("%s shows digest %s at position %d, %d was shown as %s", f.parts[n], got, d.GetPosition(), at, want)
			}
		}
	}
	for n, s := range f.running {
		if f.keepsLedger(n) && n != f.gating {
			copied(f.t, s, last)
		}
	}
	for size := range f.roots {
		if size > last {
			f.t.Errorf("size %d was announced and the ledger stands at %d", size, last)
		}
	}
	f.checkAcknowledged(ctx, last)
}

// checkAcknowledged looks for every centre, label and action acknowledged: each is there,
// once.
// What was under way at the end may be there too.
func (f *fleet) checkAcknowledged(ctx context.Context, last uint64) {
	f.t.Helper()
	registry := registryv1.NewRegistryServiceClient(f.conn)
	held, labels := map[string]string{}, map[string]string{}
	for token := ""; ; {
		r, err := registry.ListCentres(ctx, &registryv1.ListCentresRequest{PageSize: 1000, PageToken: token, AsOf: &registryv1.AsOf{ValidAt: "2025-01-01", MinPosition: last}})
		must(f.t, err)
		for _, c := range r.GetCentres() {
			if other, twice := held[c.GetName()]; twice {
				f.t.Errorf("%s was applied twice: %s and %s", c.GetName(), other, c.GetCentreId())
			}
			held[c.GetName()] = c.GetCentreId()
		}
		if token = r.GetNextPageToken(); token == "" {
			break
		}
	}
	for token := ""; ; {
		r, err := registry.ListLabels(ctx, &registryv1.ListLabelsRequest{PageSize: 1000, PageToken: token, AsOf: &registryv1.AsOf{ValidAt: "2025-01-01", MinPosition: last}})
		must(f.t, err)
		for _, l := range r.GetEntries() {
			centre := l.GetLabel().GetHolder().GetSite().GetCentreId()
			if other, twice := labels[centre]; twice {
				f.t.Errorf("centre %s was granted two labels: %s and %s", centre, other, l.GetLabel().GetLabelId())
			}
			labels[centre] = l.GetLabel().GetLabelId()
		}
		if token = r.GetNextPageToken(); token == "" {
			break
		}
	}
	actions := map[string]string{}
	query := registryv1.NewActivityQueryServiceClient(f.conn)
	for token := ""; ; {
		r, err := query.ListUndertakings(ctx, &registryv1.ListUndertakingsRequest{PageSize: 1000, PageToken: token, AsOf: &registryv1.AsOf{ValidAt: "2025-01-01", MinPosition: last}})
		must(f.t, err)
		for _, e := range r.GetEntries() {
			u := e.GetUndertaking()
			if other, twice := actions[u.GetTitle()]; twice {
				f.t.Errorf("the action of %s was recorded twice: %s and %s", u.GetTitle(), other, u.GetUndertakingId())
			}
			actions[u.GetTitle()] = u.GetUndertakingId()
		}
		if token = r.GetNextPageToken(); token == "" {
			break
		}
	}
	for name, id := range f.action {
		if actions[name] != id {
			f.t.Errorf("action %s of %s was acknowledged and is %q", id, name, actions[name])
		}
	}
	for name, id := range f.centre {
		if held[name] != id {
			f.t.Errorf("%s was acknowledged as %s and is %q", name, id, held[name])
		}
	}
	for centre, id := range f.label {
		if labels[centre] != id {
			f.t.Errorf("label %s of centre %s was acknowledged and is %q", id, centre, labels[centre])
		}
	}
}

var _ grpc.ClientConnInterface = acting{}

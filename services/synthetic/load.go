package synthetic

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/fault"
	"maillage/services/seed"
)

const (
	inFlight      = 64
	actsInFlight  = 4 // each is some megabytes
	attempts      = 6
	pageSize      = 1000
	maxSend       = 16 << 20
	grantKind     = "grant"
	renewalKind   = "renewal"
	confirmKind   = "confirmation"
	repealKind    = "repeal"
	takenReason   = "CYCLE_CODE_TAKEN"
	maxRetryPause = 100 * time.Millisecond
)

// Errors of Load, which has then recorded nothing.
var (
	// ErrInUse says that the register holds other establishments than this seed's.
	ErrInUse = errors.New("the register holds establishments that are not of this synthetic register")
	// ErrOtherAccount says that the register holds a synthetic register that another
	// account loaded, or the beginning of another one: only that account can go on with it.
	ErrOtherAccount = errors.New("a synthetic register was loaded under another account")
)

// Options say which register to make up.
type Options struct {
	Seed uint64
	// Labels is about how many labels there shall be, all cycles together, from LeastLabels
	// to MostLabels, else the nearest of them; 0 for the size of the real register, some 5,500.
	Labels int
	// Progress, unless nil, is called as requests are answered; an act counts for its
	// lines and one more.
	Progress func(done, total int)
}

// Load makes up a register and records it through the services behind conn. What was
// recorded before under the same account, by a load that ended early too, is not
// recorded again. It refuses a register that is in use: ErrInUse, ErrOtherAccount.
func Load(ctx context.Context, conn grpc.ClientConnInterface, o Options) (seed.Summary, error) {
	p := newPlan(o.Seed, o.Labels)
	l := &loader{
		plan: p, known: p.noIDs(), topology: topologyv1.NewTopologyServiceClient(conn), labelling: labellingv1.NewLabellingServiceClient(conn),
		progress: o.Progress, recorded: map[string]int{}, present: map[string]int{},
	}
	status, err := ledgerv1.NewLedgerServiceClient(conn).GetStatus(ctx, &ledgerv1.GetStatusRequest{})
	if err != nil {
		return seed.Summary{}, err
	}
	l.head = status.GetHead().GetSize()
	l.position = l.head
	if err := l.checkUnused(ctx, registryv1.NewRegistryServiceClient(conn)); err != nil {
		return seed.Summary{}, err
	}
	err = l.run(ctx)
	return l.summary(), err
}

// loader sends the steps of a plan.
type loader struct {
	plan      *plan
	known     *ids // each place is written by one step, and read in later stages
	topology  topologyv1.TopologyServiceClient
	labelling labellingv1.LabellingServiceClient
	head      uint64 // of the log before the load
	total     int
	progress  func(done, total int)

	mu                sync.Mutex
	recorded, present map[string]int
	position          uint64
	done              int
}

// checkUnused refuses a register with establishments of another source.
func (l *loader) checkUnused(ctx context.Context, registry registryv1.RegistryServiceClient) error {
	req := &registryv1.ListEstablishmentsRequest{AsOf: &registryv1.AsOf{MinPosition: l.head}, PageSize: pageSize}
	for {
		page, err := registry.ListEstablishments(ctx, req)
		if err != nil {
			return err
		}
		for _, e := range page.GetEstablishments() {
			if len(e.GetBasis()) == 0 || e.GetBasis()[0].GetSource() != l.plan.source() {
				return fmt.Errorf("%w: %s", ErrInUse, e.GetName())
			}
		}
		if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
			return nil
		}
	}
}

// run sends the steps stage by stage.
func (l *loader) run(ctx context.Context) error {
	stages := l.plan.stages()
	for _, stage := range stages {
		for _, s := range stage {
			l.total += l.weight(s)
		}
	}
	for _, stage := range stages {
		g, gctx := errgroup.WithContext(ctx)
		g.SetLimit(inFlight)
		if len(stage) > 0 && stage[0].kind == actStep {
			g.SetLimit(actsInFlight)
		}
		for _, s := range stage {
			if gctx.Err() != nil {
				break
			}
			g.Go(func() error { return l.do(gctx, s) })
		}
		if err := g.Wait(); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// weight is what a step counts for.
func (l *loader) weight(s step) int {
	if s.kind == actStep {
		return 1 + len(l.plan.waves[s.wave][s.index].lines)
	}
	return 1
}

// do sends one step, again where the server could not take it.
func (l *loader) do(ctx context.Context, s step) error {
	req := l.plan.request(s, l.known)
	for try := 0; ; try++ {
		position, err := l.send(ctx, s, req)
		if err == nil {
			l.count(s, position)
			return nil
		}
		if own, is := fault.FromStatus(err); is && own.Reason == takenReason && s.index == 0 {
			return fmt.Errorf("%w: %w", ErrOtherAccount, err)
		}
		if c := status.Code(err); (c != codes.Aborted && c != codes.Unavailable) || try == attempts-1 {
			return fmt.Errorf("%s %d: %w", s.kind, s.index, err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Duration(rand.Int64N(int64(maxRetryPause) << try))):
		}
	}
}

func (l *loader) count(s step, position uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts := l.recorded
	if position <= l.head {
		counts = l.present
	}
	counts[s.kind]++
	if s.kind == actStep {
		for _, line := range l.plan.waves[s.wave][s.index].lines {
			counts[[...]string{grants: grantKind, renews: renewalKind, confirms: confirmKind, repeals: repealKind}[line.does]]++
		}
	}
	l.position = max(l.position, position)
	l.done += l.weight(s)
	if l.progress != nil {
		l.progress(l.done, l.total)
	}
}

func (l *loader) summary() seed.Summary {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := seed.Summary{Position: l.position}
	for _, k := range []string{
		establishmentStep, filiereStep, cycleStep, platformStep, networkStep, attachmentStep, renamingStep, centreStep, actStep,
		grantKind, renewalKind, confirmKind, repealKind,
	} {
		out.Kinds = append(out.Kinds, seed.KindSummary{Kind: k, Recorded: l.recorded[k], Present: l.present[k]})
	}
	return out
}

// send sends one request, notes the ids in the answer, and returns the position of its
// commit.
func (l *loader) send(ctx context.Context, s step, req proto.Message) (uint64, error) {
	switch r := req.(type) {
	case *labellingv1.RegisterCycleRequest:
		a, err := l.labelling.RegisterCycle(ctx, r)
		l.known.cycles[s.index] = a.GetCycleId()
		return a.GetPosition(), err
	case *topologyv1.RegisterEstablishmentRequest:
		a, err := l.topology.RegisterEstablishment(ctx, r)
		l.known.establishments[s.index] = a.GetEstablishmentId()
		return a.GetPosition(), err
	case *topologyv1.RegisterFiliereRequest:
		a, err := l.topology.RegisterFiliere(ctx, r)
		l.known.filieres[s.index] = a.GetFiliereId()
		return a.GetPosition(), err
	case *topologyv1.RegisterPlatformRequest:
		a, err := l.topology.RegisterPlatform(ctx, r)
		l.known.platforms[s.index] = a.GetPlatformId()
		return a.GetPosition(), err
	case *topologyv1.RegisterCentreRequest:
		a, err := l.topology.RegisterCentre(ctx, r)
		l.known.centres[s.index] = a.GetCentreId()
		return a.GetPosition(), err
	case *topologyv1.RegisterNetworkRequest:
		a, err := l.topology.RegisterNetwork(ctx, r)
		l.known.networks[s.index] = a.GetNetworkId()
		return a.GetPosition(), err
	case *topologyv1.AttachNetworkRequest:
		a, err := l.topology.AttachNetwork(ctx, r)
		return a.GetPosition(), err
	case *topologyv1.RenameNetworkRequest:
		a, err := l.topology.RenameNetwork(ctx, r)
		return a.GetPosition(), err
	case *labellingv1.RecordActRequest:
		a, err := l.labelling.RecordAct(ctx, r, grpc.MaxCallSendMsgSize(maxSend))
		lines := l.plan.waves[s.wave][s.index].lines
		if err == nil && len(a.GetLabelIds()) != len(lines) {
			return 0, fmt.Errorf("an act of %d lines was answered with %d labels", len(lines), len(a.GetLabelIds()))
		}
		for i, id := range a.GetLabelIds() {
			l.known.labels[lines[i].label] = id
		}
		return a.GetPosition(), err
	default:
		return 0, fmt.Errorf("no RPC takes a %T", req)
	}
}

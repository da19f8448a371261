package seed

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"time"

	"buf.build/go/protovalidate"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

const (
	inFlight = 8
	attempts = 6
	pageSize = 1000
)

// Summary is what a load did.
type Summary struct {
	Kinds    []KindSummary // every kind, in the order they are recorded
	Position uint64        // last position that the directory's facts stand at
	Ignored  []string      // CSV files of the directory that are not of the layout
}

// KindSummary counts the facts of one kind.
type KindSummary struct {
	Kind     string // establishment, filiere, cycle, ..., assertion
	Recorded int    // recorded by this load
	Present  int    // recorded before
}

// StepError is an error of the server about what a row gave.
type StepError struct {
	File string
	Row  int    // as a spreadsheet counts: the header is row 1
	Kind string // as in KindSummary
	Err  error
}

func (e *StepError) Error() string {
	return fmt.Sprintf("%s, row %d (%s): %v", e.File, e.Row, e.Kind, e.Err)
}

func (e *StepError) Unwrap() error { return e.Err }

// Load records what a directory says through the services behind conn, at most
// eight requests at a time, and calls progress, unless nil, as they are answered.
// It writes nothing and returns Problems where the files are at fault. After
// another error some of the facts may be recorded: loading again goes on from
// there.
func Load(ctx context.Context, conn grpc.ClientConnInterface, dir string, progress func(done, total int)) (Summary, error) {
	f, err := read(os.DirFS(dir))
	if err != nil {
		return Summary{}, err
	}
	l := &loader{
		topology: topologyv1.NewTopologyServiceClient(conn), labelling: labellingv1.NewLabellingServiceClient(conn),
		activity: activityv1.NewActivityServiceClient(conn),
		registry: registryv1.NewRegistryServiceClient(conn), queries: registryv1.NewActivityQueryServiceClient(conn), ids: map[string]string{}, attached: map[string]bool{}, spans: map[string]*eventv1.Period{}, before: map[string]made{},
		progress: progress, recorded: map[string]int{}, present: map[string]int{},
	}
	head, err := ledgerv1.NewLedgerServiceClient(conn).GetStatus(ctx, &ledgerv1.GetStatusRequest{})
	if err != nil {
		return Summary{}, err
	}
	l.head = head.GetHead().GetSize()
	l.position = l.head
	if err := l.lookUp(ctx); err != nil {
		return Summary{}, err
	}
	l.rename(f)
	steps, err := plan(f, l.spans)
	if err != nil {
		return Summary{}, err
	}
	if err := validate(steps); err != nil {
		return Summary{}, err
	}
	if err := l.recall(ctx, f, steps); err != nil {
		return Summary{}, err
	}
	l.total = len(steps)
	err = l.run(ctx, steps)
	out := Summary{Position: l.position, Ignored: f.ignored}
	for _, k := range kinds {
		out.Kinds = append(out.Kinds, KindSummary{k, l.recorded[k], l.present[k]})
	}
	return out, err
}

// validate holds every request against the schema's rules before any is sent.
func validate(steps []step) error {
	var problems Problems
	for _, s := range steps {
		req := proto.Clone(s.req)
		if err := replaceRefs(req, func(string) (string, error) { return "0000000000", nil }); err != nil {
			return err
		}
		err := protovalidate.Validate(req)
		bad, is := errors.AsType[*protovalidate.ValidationError](err)
		switch {
		case is:
			for _, v := range bad.Violations {
				problems = append(problems, Problem{
					File: s.about.file, Row: s.about.num, Fault: WrongValue, Why: v.String(),
				})
			}
		case err != nil:
			return err
		}
	}
	if len(problems) > 0 {
		return problems
	}
	return nil
}

// loader sends the steps of a plan.
type loader struct {
	topology  topologyv1.TopologyServiceClient
	labelling labellingv1.LabellingServiceClient
	activity  activityv1.ActivityServiceClient
	registry  registryv1.RegistryServiceClient
	queries   registryv1.ActivityQueryServiceClient // of activity
	head      uint64                                // of the log before the load
	spans     map[string]*eventv1.Period            // of the cycles the register held before, by step key
	total     int
	progress  func(done, total int)

	mu                sync.Mutex
	ids               map[string]string // by step key and by key of a site; empty where the register has several
	before            map[string]made   // what each request recorded before made, by request_id
	attached          map[string]bool   // keys of networks that had a filière before
	recorded, present map[string]int
	position          uint64
	done              int
}

// run sends the steps level by level.
func (l *loader) run(ctx context.Context, steps []step) error {
	for len(steps) > 0 {
		n := 0
		g, gctx := errgroup.WithContext(ctx)
		g.SetLimit(inFlight)
		for n < len(steps) && steps[n].level == steps[0].level {
			s := steps[n]
			g.Go(func() error {
				if err := l.do(gctx, s); err != nil {
					return &StepError{File: s.about.file, Row: s.about.num, Kind: s.kind, Err: err}
				}
				return nil
			})
			n++
		}
		if err := g.Wait(); err != nil {
			return err
		}
		steps = steps[n:]
	}
	return nil
}

// do sends one step, unless it was recorded before.
func (l *loader) do(ctx context.Context, s step) error {
	if m, had := l.had(s); had {
		l.count(s, m, 0)
		return nil
	}
	req := proto.Clone(s.req)
	if err := replaceRefs(req, l.id); err != nil {
		return err
	}
	for try := 0; ; try++ {
		m, position, err := l.send(ctx, req)
		if err == nil {
			l.count(s, m, position)
			return nil
		}
		if c := status.Code(err); (c != codes.Aborted && c != codes.Unavailable) || try == attempts-1 {
			return err
		}
		wait := time.Duration(rand.Int64N(int64(100*time.Millisecond) << try))
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait):
		}
	}
}

// had reports whether a step was recorded before the load, and what it made: the
// same request, an entity of that natural key or, for a proposed filière, any
// filière of the network.
func (l *loader) had(s step) (m made, had bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	req := s.req.ProtoReflect()
	if m, had = l.before[req.Get(requestID(req)).String()]; had {
		return m, true
	}
	if n, is := strings.CutPrefix(s.key, join(attachment, "")); is {
		return made{}, l.attached[join(network, n)]
	}
	return made{id: l.ids[s.key]}, l.ids[s.key] != ""
}

// keep notes the ids that a step made known.
func (l *loader) keep(s step, m made) {
	if m.id != "" {
		l.ids[s.key] = m.id
	}
	if m.site != "" && s.site != "" {
		l.ids[s.site] = m.site
	}
}

func (l *loader) id(k string) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if id := l.ids[k]; id != "" {
		return id, nil
	}
	return "", fmt.Errorf("no id of %q", k)
}

func (l *loader) count(s step, m made, position uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keep(s, m)
	if position > l.head {
		l.recorded[s.kind]++
	} else {
		l.present[s.kind]++
	}
	l.position = max(l.position, position)
	l.done++
	if l.progress != nil {
		l.progress(l.done, l.total)
	}
}

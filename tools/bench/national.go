package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
)

// Questions to a national register.
const (
	readOne    = "GetLabel, any day, any position"
	listOne    = "ListLabels of one filière"
	diffRandom = "DiffRegister, two random moments"
	diffCycle  = "DiffRegister across a cycle"
	coverage   = "GetCoverage within 365 days"
	counting   = "CountEntities by region"
	mapping    = "GetMap of a day"
	mapRandom  = "GetMap, random moment"
)

// goalsOfReads are the 99th percentiles that the register promises.
var goalsOfReads = map[string]time.Duration{
	readOne: time.Millisecond, diffRandom: 50 * time.Millisecond, diffCycle: 50 * time.Millisecond, coverage: 50 * time.Millisecond,
	mapping: 50 * time.Millisecond, mapRandom: 50 * time.Millisecond,
}

// anySize lets an answer be as large as the whole register.
var anySize = grpc.MaxCallRecvMsgSize(64 << 20)

// country is a register that holds a national register, made up.
type country struct {
	*register
	head   uint64 // of the log once loaded
	labels []*registryv1.LabelEntry
	known  []uint64 // position by which each label is known, in their order
}

// national measures questions to a register of the country's size, one caller at a
// time, then an act that restates it.
func (b *bench) national(ctx context.Context) error {
	c, err := b.startCountry(ctx, "national")
	if err != nil {
		return fmt.Errorf("national register: %w", err)
	}
	defer c.Close()
	fmt.Fprintf(b.out, "\na national register: %d labels, %d events; load average %s\n", len(c.labels), c.head, loadAverage())
	if err := b.questions(ctx, c); err != nil {
		return err
	}
	return b.campaign(ctx, c)
}

// loadAverage is what else the machine did in the last minute: figures of a busy one
// say little.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	minute, _, _ := strings.Cut(string(text), " ")
	if err != nil || minute == "" {
		return "unknown"
	}
	return minute
}

// startCountry starts a register in a directory of its own and loads it as an operator does.
func (b *bench) startCountry(ctx context.Context, name string) (*country, error) {
	dir, err := b.below(name)
	if err != nil {
		return nil, err
	}
	r, err := startUp(ctx, b.binary, dir, 1)
	if err != nil {
		return nil, err
	}
	c := &country{register: r}
	if out, err := exec.CommandContext(ctx, b.binary, "seed", "--synthetic", "--server", c.conns[0].Target()[len("passthrough:///"):]).CombinedOutput(); err != nil {
		c.Close()
		return nil, fmt.Errorf("load: %w\n%s", err, out)
	}
	if err := c.survey(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *country) reads() registryv1.RegistryServiceClient {
	return registryv1.NewRegistryServiceClient(c.conns[0])
}

// survey finds every label, and a position by which it is known.
func (c *country) survey(ctx context.Context) error {
	cycles, err := c.reads().ListCycles(as(ctx), &registryv1.ListCyclesRequest{PageSize: 1})
	if err != nil {
		return err
	}
	c.head = cycles.GetResolved().GetHeadPosition()
	first := map[string]uint64{}
	const marks = 32
	for i := range uint64(marks) {
		at := &registryv1.AsOf{ValidAt: "2026-01-01", KnownAt: &registryv1.AsOf_KnownPosition{KnownPosition: max(1, c.head*(i+1)/marks)}}
		if c.labels, err = c.list(ctx, &registryv1.ListLabelsRequest{AsOf: at, Statuses: everyStatus()}); err != nil {
			return err
		}
		for _, e := range c.labels {
			if id := e.GetLabel().GetLabelId(); first[id] == 0 {
				first[id] = at.GetKnownPosition()
			}
		}
	}
	for _, e := range c.labels {
		c.known = append(c.known, first[e.GetLabel().GetLabelId()])
	}
	return nil
}

func everyStatus() (all []labellingv1.Status) {
	for s := range labellingv1.Status_name {
		if s != 0 {
			all = append(all, labellingv1.Status(s))
		}
	}
	slices.Sort(all)
	return all
}

// list is all pages of a list of labels.
func (c *country) list(ctx context.Context, req *registryv1.ListLabelsRequest) (all []*registryv1.LabelEntry, err error) {
	req.PageSize = 1000
	for {
		page, err := c.reads().ListLabels(as(ctx), req, anySize)
		if err != nil {
			return nil, err
		}
		all = append(all, page.GetEntries()...)
		if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
			return all, nil
		}
	}
}

// moment is a random day of the history, as known at a random position from one on.
func (c *country) moment(from uint64) *registryv1.AsOf {
	day := time.Date(2005, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, rand.IntN(25*365))
	return &registryv1.AsOf{
		ValidAt: day.Format(time.DateOnly),
		KnownAt: &registryv1.AsOf_KnownPosition{KnownPosition: from + rand.Uint64N(c.head-from+1)},
	}
}

func (c *country) empty(ctx context.Context, _, _ int) error {
	_, err := healthv1.NewHealthClient(c.conns[0]).Check(ctx, &healthv1.HealthCheckRequest{})
	return err
}

func (c *country) readLabel(ctx context.Context, _, _ int) error {
	i := rand.IntN(len(c.labels))
	_, err := c.reads().GetLabel(as(ctx), &registryv1.GetLabelRequest{LabelId: c.labels[i].GetLabel().GetLabelId(), AsOf: c.moment(c.known[i])})
	return err
}

func (c *country) listFiliere(ctx context.Context, _, _ int) error {
	filiere := ""
	for filiere == "" {
		filiere = c.labels[rand.IntN(len(c.labels))].GetFiliereId()
	}
	_, err := c.reads().ListLabels(as(ctx), &registryv1.ListLabelsRequest{AsOf: &registryv1.AsOf{ValidAt: "2026-01-01"}, Filiere: filiere, PageSize: 1000}, anySize)
	return err
}

func (c *country) diffMoments(ctx context.Context, _, _ int) error {
	_, err := c.reads().DiffRegister(as(ctx), &registryv1.DiffRegisterRequest{From: c.moment(1), To: c.moment(1)}, anySize)
	return err
}

func (c *country) diffCycle(ctx context.Context, _, _ int) error {
	_, err := c.reads().DiffRegister(as(ctx), &registryv1.DiffRegisterRequest{From: &registryv1.AsOf{ValidAt: "2023-12-31"}, To: &registryv1.AsOf{ValidAt: "2024-01-01"}}, anySize)
	return err
}

func (c *country) cover(ctx context.Context, _, _ int) error {
	_, err := c.reads().GetCoverage(as(ctx), &registryv1.GetCoverageRequest{AsOf: &registryv1.AsOf{ValidAt: "2026-01-01"}, WithinDays: 365}, anySize)
	return err
}

func (c *country) count(ctx context.Context, _, _ int) error {
	_, err := c.reads().CountEntities(as(ctx), &registryv1.CountEntitiesRequest{
		AsOf: &registryv1.AsOf{ValidAt: "2026-01-01"}, Unit: registryv1.CountUnit_COUNT_UNIT_LABEL, By: registryv1.CountBy_COUNT_BY_REGION,
	})
	return err
}

func (c *country) mapDay(ctx context.Context, _, _ int) error {
	return c.mapAt(ctx, &registryv1.AsOf{ValidAt: "2026-01-01"})
}

func (c *country) mapMoment(ctx context.Context, _, _ int) error { return c.mapAt(ctx, c.moment(1)) }

func (c *country) mapAt(ctx context.Context, at *registryv1.AsOf) error {
	_, err := registryv1.NewMapServiceClient(c.conns[0]).GetMap(as(ctx), &registryv1.GetMapRequest{AsOf: at}, anySize)
	return err
}

// questions measures reads, beside an empty call over the same connection. The first
// answer to each is apart: later ones may be about a moment that was asked about.
func (b *bench) questions(ctx context.Context, c *country) error {
	var all []*contender
	first := map[string]time.Duration{}
	for _, q := range []struct {
		name string
		op   operation
	}{
		{calling, c.empty},
		{readOne, c.readLabel},
		{listOne, c.listFiliere},
		{diffRandom, c.diffMoments},
		{diffCycle, c.diffCycle},
		{coverage, c.cover},
		{counting, c.count},
		{mapping, c.mapDay},
		{mapRandom, c.mapMoment},
	} {
		start := time.Now()
		if err := q.op(ctx, 0, 0); err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
		first[q.name] = time.Since(start)
		all = append(all, &contender{q.name, q.op, []int{1}, map[int]series{}})
	}
	if err := b.measure(ctx, all); err != nil {
		return err
	}
	w := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tp50\t\tp99\t\tfirst\t")
	for _, q := range all {
		p99 := q.got[1].of(p99Of)
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t", q.name, q.got[1].of(p50Of).times(), p99.times(), short(first[q.name].Seconds()))
		if goal, is := goalsOfReads[q.name]; is {
			fmt.Fprintf(w, "goal p99 < %s: %s", short(goal.Seconds()), verdict(p99.median < goal.Seconds()))
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

// Command bench measures Maillage beside the two logs it might have been: raw
// JetStream and PostgreSQL, all on one disk, all flushing before they answer, in
// turns so that what the machine does meanwhile touches each alike; questions and an act
// of a national register; its labels read beside a million measures; the rows that it keeps
// in PostgreSQL beside the same rows copied plainly; and its feed beside a raw consumer and
// plain streams. Every figure is the median of the repetitions with their least and greatest.
//
//	go run . -maillage ../../bin/maillage        about 20 minutes
//	go run . -maillage ../../bin/maillage -quick about 4 minutes
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"
)

func main() {
	var err error
	if isChild, failed := beChild(os.Args[1:]); isChild {
		err = failed
	} else {
		var s settings
		if s, err = parse(os.Args[1:]); err == nil {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
			err = run(ctx, s, os.Stdout)
			stop()
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// settings is what a run measures and for how long.
type settings struct {
	binary     string
	dir        string
	repeat     int
	each       time.Duration // of one load of one contender in one repetition
	actLines   int
	acts       int
	events     int // of the replay
	measures   int // of activity
	three      bool
	only       string // part of the run, "" for all
	connection int    // connections that a contender's callers share
}

func parse(args []string) (settings, error) {
	var s settings
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&s.binary, "maillage", "../../bin/maillage", "the `binary` to measure")
	f.StringVar(&s.dir, "dir", "/var/tmp", "`directory` on the disk to measure; a private PostgreSQL must be able to enter it")
	f.IntVar(&s.repeat, "repeat", 5, "repetitions")
	f.DurationVar(&s.each, "each", 2*time.Second, "time of one load in one repetition")
	f.IntVar(&s.actLines, "lines", 2500, "lines of an act")
	f.IntVar(&s.events, "events", 1_000_000, "events to replay, and of the parts postgres and feed; 0: none of these")
	f.IntVar(&s.measures, "measures", 1_000_000, "measures beside the labels of the part activity")
	f.BoolVar(&s.three, "three", true, "measure three services over one NATS too")
	f.StringVar(&s.only, "only", "", "one `part`: load (with acts), three, national, activity, replay, proofs, postgres or feed")
	quick := f.Bool("quick", false, "about 4 minutes: 3 repetitions of 0.4 s, 100,000 events")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	if !slices.Contains([]string{"", "load", "three", "national", "activity", "replay", "proofs", "postgres", "feed"}, s.only) {
		return s, fmt.Errorf("-only %s: the parts are load, three, national, activity, replay, proofs, postgres and feed", s.only)
	}
	s.acts, s.connection = s.repeat, 8
	if *quick {
		s.repeat, s.each, s.acts = 3, 400*time.Millisecond, 2
		s.events, s.measures = min(s.events, 100_000), min(s.measures, 100_000)
	}
	return s, nil
}

// The numbers of concurrent callers.
var callers = []int{1, 32, 256}

// contender answers operations durably.
type contender struct {
	name string
	op   operation
	at   []int // numbers of callers it is measured at
	got  map[int]series
}

// bench is one run.
type bench struct {
	settings
	dir    string // emptied at the end
	out    io.Writer
	closes []func()
}

func run(ctx context.Context, s settings, out io.Writer) error {
	dir, err := os.MkdirTemp(s.dir, "maillage-bench-")
	if err != nil {
		return err
	}
	b := &bench{settings: s, dir: dir, out: out}
	defer func() {
		for _, f := range slices.Backward(b.closes) {
			f()
		}
		_ = os.RemoveAll(dir)
	}()
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s, %d CPUs, %s; %d repetitions of %v; %s\n", runtime.Version(), runtime.NumCPU(), runtime.GOARCH, s.repeat, s.each, time.Now().Format(time.DateOnly))
	if inMemory(dir) {
		fmt.Fprintf(out, "WARNING: %s is in memory: a flush costs nothing here; choose a disk with -dir\n", dir)
	}
	if b.wants("load") {
		if err := b.loads(ctx); err != nil {
			return err
		}
	}
	if s.three && b.wants("three") && built(s.binary) {
		if err := b.threeServices(ctx); err != nil {
			return err
		}
	}
	if b.wants("national") && built(s.binary) {
		if err := b.national(ctx); err != nil {
			return err
		}
	}
	if b.wants("activity") && built(s.binary) {
		if err := b.activity(ctx); err != nil {
			return err
		}
	}
	if b.wants("replay") {
		if err := b.replay(ctx); err != nil {
			return err
		}
	}
	if b.wants("proofs") && b.events > 0 {
		if err := b.proofs(ctx); err != nil {
			return fmt.Errorf("proofs: %w", err)
		}
	}
	if b.events == 0 || !built(s.binary) {
		return nil
	}
	if b.wants("postgres") {
		if err := b.readModel(ctx); err != nil {
			return fmt.Errorf("rows in PostgreSQL: %w", err)
		}
	}
	if b.wants("feed") {
		if err := b.feed(ctx); err != nil {
			return fmt.Errorf("feed: %w", err)
		}
	}
	return nil
}

// wants says whether a part of the run is asked for.
func (b *bench) wants(part string) bool { return b.only == "" || b.only == part }

// loads measures the contenders beside each other, then acts.
func (b *bench) loads(ctx context.Context) error {
	all, up, err := b.contenders(ctx)
	if err != nil {
		return err
	}
	if err := b.measure(ctx, all); err != nil {
		return err
	}
	b.report(all)
	if up == nil {
		fmt.Fprintf(b.out, "\nmaillage: not measured, %s is not built\n", b.binary)
		return nil
	}
	b.goals(all)
	return errors.Join(b.ledgerAdds(ctx), b.acting(ctx, up))
}

// below makes a directory of the run.
func (b *bench) below(name string) (string, error) {
	d := filepath.Join(b.dir, name)
	return d, os.Mkdir(d, 0o755)
}

// Names of the contenders.
const (
	flushing = "append 300 B + fdatasync"
	calling  = "empty gRPC call"
	raw      = "raw JetStream publish"
	barely   = "call, publish, flush: nothing else"
	followed = "the same beside a consumer"
	dense    = "PostgreSQL, dense position"
	batched  = "PostgreSQL, dense, coalesced"
	served   = "the same behind a gRPC call"
	free     = "PostgreSQL, no order"
	command  = "Maillage command"
)

// contenders starts every server; up is nil where the register is not built.
func (b *bench) contenders(ctx context.Context) (all []*contender, up *register, err error) {
	add := func(name string, op operation, at ...int) {
		all = append(all, &contender{name, op, at, map[int]series{}})
	}
	d, err := openDisk(b.dir)
	if err != nil {
		return nil, nil, err
	}
	add(flushing, d.flush, 1)
	e, err := startEmpty(ctx)
	if err != nil {
		return nil, nil, err
	}
	b.closes = append(b.closes, e.Close)
	add(calling, e.call, callers...)

	dir, err := b.below("jetstream")
	if err != nil {
		return nil, nil, err
	}
	js, err := startBroker(ctx, dir)
	if err != nil {
		return nil, nil, err
	}
	b.closes = append(b.closes, js.Close)
	if err := js.open(ctx, b.connection); err != nil {
		return nil, nil, err
	}
	add(raw, js.publish, callers...)
	peers, err := b.barePeers(ctx)
	if err != nil {
		return nil, nil, err
	}
	all = append(all, peers...)

	if dir, err = b.below("postgres"); err != nil {
		return nil, nil, err
	}
	pg, err := startDatabase(ctx, dir, postgresConnections)
	if err != nil && !errors.Is(err, errNoPostgres) {
		return nil, nil, err
	}
	if err == nil {
		b.closes = append(b.closes, pg.Close)
		add(dense, pg.insertDense, callers...)
		add(batched, pg.insertBatched, callers...)
		front, err := startCalls(ctx, "the gRPC server that inserts", "serve-inserts", pg.url)
		if err != nil {
			return nil, nil, err
		}
		b.closes = append(b.closes, front.Close)
		add(served, front.call, callers...)
		add(free, pg.insertFree, callers...)
		b.closes = append(b.closes, func() {
			if err := pg.check(context.WithoutCancel(ctx)); err != nil {
				fmt.Fprintln(b.out, "WARNING: PostgreSQL:", err)
			}
		})
	} else {
		fmt.Fprintf(b.out, "PostgreSQL: not measured: %v\n", err)
	}

	if !built(b.binary) {
		return all, nil, nil
	}
	if dir, err = b.below("maillage"); err != nil {
		return nil, nil, err
	}
	if up, err = startUp(ctx, b.binary, dir, b.connection); err != nil {
		return nil, nil, err
	}
	b.closes = append(b.closes, up.Close)
	add(command, up.registerCentre, callers...)
	return all, up, nil
}

// measure runs every load of every contender in turn, as often as asked, after one
// turn that does not count.
func (b *bench) measure(ctx context.Context, all []*contender) error {
	for turn := range b.repeat + 1 {
		for _, n := range callers {
			for _, c := range all {
				if !slices.Contains(c.at, n) {
					continue
				}
				d := b.each
				if turn == 0 {
					d = min(d, 300*time.Millisecond)
				}
				s, err := load(ctx, n, d, c.op)
				if err != nil {
					return fmt.Errorf("%s, %d callers: %w", c.name, n, err)
				}
				if turn > 0 {
					c.got[n] = append(c.got[n], s)
				}
			}
		}
	}
	return nil
}

func (b *bench) report(all []*contender) {
	for _, n := range callers {
		fmt.Fprintf(b.out, "\n%d at once\n", n)
		w := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "\ta second\t\tp50\t\tp99\t")
		for _, c := range all {
			if s := c.got[n]; s != nil {
				fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", c.name, s.of(rateOf).rates(), s.of(p50Of).times(), s.of(p99Of).times())
			}
		}
		_ = w.Flush()
	}
}

// goals prints how far the register is from what it promises.
func (b *bench) goals(all []*contender) {
	find := func(name string) map[int]series {
		for _, c := range all {
			if c.name == name {
				return c.got
			}
		}
		return nil
	}
	ours, theirs := find(command), find(raw)
	fmt.Fprintln(b.out, "\ngoals")
	for _, g := range []struct {
		n    int
		goal float64
	}{{256, 1.0}, {32, 0.8}} {
		r := ratios(ours[g.n], theirs[g.n])
		fmt.Fprintf(b.out, "  %3d at once: %.2f × raw JetStream [%.2f..%.2f], goal ≥ %.1f: %s\n", g.n, r.median, r.low, r.high, g.goal, verdict(r.median >= g.goal))
	}
	flush, call := find(flushing)[1], find(calling)[1]
	for _, name := range []string{command, barely, followed} {
		var v []float64
		for i, s := range find(name)[1] {
			v = append(v, p50Of(s)/(p50Of(theirs[1][i])+p50Of(flush[i])+p50Of(call[i])))
		}
		r := spreadOf(v)
		fmt.Fprintf(b.out, "  p50 of one:  %.2f × (raw publish + fdatasync + empty gRPC call) [%.2f..%.2f]", r.median, r.low, r.high)
		if name == command {
			fmt.Fprintf(b.out, ", goal ≤ 1.3: %s\n", verdict(r.median <= 1.3))
		} else {
			fmt.Fprintf(b.out, ": %s\n", name)
		}
	}
	for _, name := range []string{dense, batched, served, calling} {
		if peer := find(name); peer != nil {
			for _, n := range callers {
				r := ratios(ours[n], peer[n])
				fmt.Fprintf(b.out, "  %3d at once: %.2f × %s [%.2f..%.2f]\n", n, r.median, name, r.low, r.high)
			}
		}
	}
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "MISSED"
}

// acting measures acts, whole or not at all.
func (b *bench) acting(ctx context.Context, up *register) error {
	t, err := up.found(ctx, b.actLines)
	if err != nil {
		return fmt.Errorf("before the act: %w", err)
	}
	var durable, readable []float64
	for range b.acts {
		d, r, err := up.act(ctx, t)
		if err != nil {
			return fmt.Errorf("act of %d lines: %w", b.actLines, err)
		}
		durable, readable = append(durable, d.Seconds()), append(readable, r.Seconds())
	}
	fmt.Fprintf(b.out, "\nan act of %d lines\n", b.actLines)
	w := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "  durable\t%s\n  readable, every line\t%s\n", spreadOf(durable).times(), spreadOf(readable).times())
	return w.Flush()
}

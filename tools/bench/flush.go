package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"text/tabwriter"
	"time"

	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
)

// span is what is read of a span that the register writes as JSON.
type span struct {
	Name        string
	StartTime   time.Time
	EndTime     time.Time
	SpanContext struct{ TraceID string }
}

// parted is one command as its trace tells of it.
type parted struct{ begun, appending, appended, flushing, ahead, flushed time.Time }

// whole says whether the trace has all parts.
func (p parted) whole() bool {
	return !p.begun.IsZero() && !p.appended.IsZero() && !p.ahead.IsZero() && !p.flushed.IsZero()
}

// tracedShare is of how many commands of one caller the register writes a trace: few, so that
// writing them takes nothing from the others.
const tracedShare = "0.05"

// ledgerAdds measures what the ledger adds to the command of one caller. The product has no
// switch to do without the ledger, so that the register's own traces are read: when the broker
// answered the append, flushed, and when the ledger, which flushes the same record meanwhile,
// had it in its tree. What lies between the two is what a command waits for the ledger alone.
func (b *bench) ledgerAdds(ctx context.Context) error {
	dir, err := b.below("flush")
	if err != nil {
		return err
	}
	spans := filepath.Join(dir, "spans")
	up, err := b.startTraced(ctx, filepath.Join(dir, "data"), spans)
	if err != nil {
		return err
	}
	var wholes []float64
	var turns [][2]time.Time
	for turn := range b.repeat + 1 {
		begun := time.Now()
		s, err := load(ctx, 1, b.each, up.registerCentre)
		if err != nil {
			up.Close()
			return fmt.Errorf("%s, traced: %w", command, err)
		}
		if turn > 0 { // the first one does not count
			wholes, turns = append(wholes, p50Of(s)), append(turns, [2]time.Time{begun, time.Now()})
		}
	}
	up.Close() // which writes the last spans
	commands, err := readSpans(spans)
	if err != nil {
		return err
	}
	p50 := func(of func(parted) time.Duration) spread {
		var v []float64
		for _, turn := range turns {
			var took []time.Duration
			for _, c := range commands {
				if c.whole() && c.begun.After(turn[0]) && c.begun.Before(turn[1]) {
					took = append(took, of(c))
				}
			}
			slices.Sort(took)
			if len(took) > 0 {
				v = append(v, percentile(took, 0.50).Seconds())
			}
		}
		return spreadOf(v)
	}
	fmt.Fprintf(b.out, "\nwhat the ledger adds to the p50 of one (from the register's traces of %d commands)\n", len(commands))
	w := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', 0)
	adds := p50(func(c parted) time.Duration { return max(0, c.flushed.Sub(c.appended)) })
	fmt.Fprintf(w, "  the whole command, at its caller\t%s\n", spreadOf(wholes).times())
	fmt.Fprintf(w, "  append to the stream, flushed there\t%s\n", p50(func(c parted) time.Duration { return c.appended.Sub(c.appending) }).times())
	fmt.Fprintf(w, "  flush of the ledger, meanwhile\t%s\n", p50(func(c parted) time.Duration { return c.ahead.Sub(c.flushing) }).times())
	fmt.Fprintf(w, "  added: from the append's answer to the ledger's\t%s\n", adds.times())
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(b.out, "  %.0f %% of the whole\n", 100*adds.median/spreadOf(wholes).median)
	return nil
}

// startTraced runs the register with its traces written to a file.
func (b *bench) startTraced(ctx context.Context, data, spans string) (*register, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	c, err := start("maillage up, traced", "/bin/sh", []string{
		"-c", `exec env OTEL_TRACES_EXPORTER=console OTEL_TRACES_SAMPLER=traceidratio OTEL_TRACES_SAMPLER_ARG="$1" "$2" up --data "$3" --http off --grpc "$4" --nats off >"$0"`,
		spans, tracedShare, b.binary, data, addr,
	}, &syscall.SysProcAttr{})
	if err != nil {
		return nil, err
	}
	r := &register{child: c}
	conn, err := dial(addr)
	if err == nil {
		r.conns = []*grpc.ClientConn{conn}
		err = c.ready(ctx, 60*time.Second, func(ctx context.Context) error {
			answer, err := healthv1.NewHealthClient(conn).Check(ctx, &healthv1.HealthCheckRequest{})
			if err == nil && answer.GetStatus() != healthv1.HealthCheckResponse_SERVING {
				err = fmt.Errorf("health: %v", answer.GetStatus())
			}
			return err
		})
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// readSpans reads the commands of which a file has spans; lines that are none are passed over.
func readSpans(file string) (map[string]parted, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	commands := make(map[string]parted)
	for in := bufio.NewReaderSize(f, 1<<20); ; {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return commands, nil
		}
		if err != nil {
			return nil, err
		}
		var s span
		if json.Unmarshal(line, &s) != nil {
			continue
		}
		c := commands[s.SpanContext.TraceID]
		switch s.Name {
		case "maillage.topology.v1.TopologyService/RegisterCentre":
			c.begun = s.StartTime
		case "append":
			c.appending, c.appended = s.StartTime, s.EndTime
		case "ledger write ahead":
			c.flushing, c.ahead = s.StartTime, s.EndTime
		case "ledger append":
			c.flushed = s.EndTime
		default:
			continue
		}
		commands[s.SpanContext.TraceID] = c
	}
}

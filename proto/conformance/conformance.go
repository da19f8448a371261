// Package conformance puts a consumer of the register to the test, whatever it is written
// in: it plays a register that behaves as registers do on bad days, and judges by the copy
// that the consumer keeps.
//
// A consumer is a command. It is told by the environment where the register is
// (MAILLAGE_SERVER, the address of maillage.feed.v1.FeedService without TLS, and MAILLAGE_HTTP,
// the same over HTTP, where a [Scenario] has a Front: it follows through whichever it likes),
// which file to keep its copy in (MAILLAGE_COPY), and the key that the register signs with
// (MAILLAGE_KEY, a verifier key of a signed note). The copy is JSON, a line each: either a record, with
// its position, subject and body (base64), or a commit with its records, as
// maillage.feed.v1 has them in JSON. What a line holds must stay there. Beside that file the
// consumer may keep others, such as its cursor. It follows until it is killed, and may be at
// any moment; started again, it goes on. Where it must stop, it ends by itself with an exit
// code other than 0.
package conformance

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"time"

	feedv1 "maillage/proto/gen/maillage/feed/v1"
)

// Scenario is one bad day.
type Scenario struct {
	// Name is short, in lower case.
	Name string
	// Story is what happens and what the consumer must do.
	Story string
	// Front puts HTTP before the register that is played, given the address of that: it
	// returns where it is reached, http://host:port. Nil: it is played over gRPC alone.
	Front func(ctx context.Context, server string) (url string, stop func(), err error)

	turns []turn // one after the other; the last one for all calls that follow
	log   []*feedv1.Commit
	kills []uint64 // the consumer is killed once it was handed the first, and once it has written the others
	stops bool     // it must stop by itself
	keeps uint64   // it must have at least this position at the end, and none after log
}

// ErrStart says that the command cannot be started: no scenario can be played to it.
var ErrStart = errors.New("start the consumer")

// Limit is how long a scenario may take.
const Limit = time.Minute

// Run plays a scenario to a consumer, which it starts by a command; its copy, and what it
// keeps beside that, are in an empty directory. It returns nil where the consumer did what it must, and else what it did instead.
func (s *Scenario) Run(ctx context.Context, dir string, command ...string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, Limit, fmt.Errorf("it took longer than %v", Limit))
	defer cancel()
	lis, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server, err := newServer(s.turns)
	if err != nil {
		return err
	}
	r := &run{Scenario: s, dir: dir, command: command, server: server}
	defer r.server.serve(lis)()
	r.env = append(os.Environ(), "MAILLAGE_SERVER="+lis.Addr().String(), "MAILLAGE_COPY="+r.copy(), "MAILLAGE_KEY="+server.public)
	if s.Front != nil {
		url, stop, err := s.Front(ctx, lis.Addr().String())
		if err != nil {
			return err
		}
		defer stop()
		r.env = append(r.env, "MAILLAGE_HTTP="+url)
	}
	for i, position := range s.kills {
		if err := r.untilKilled(ctx, position, i > 0); err != nil {
			return err
		}
	}
	return r.toTheEnd(ctx)
}

// run is a scenario under way.
type run struct {
	*Scenario
	dir     string
	command []string
	env     []string
	server  *server
}

func (r *run) copy() string { return r.dir + "/copy.jsonl" }

// consumer is the command, started.
type consumer struct {
	cmd   *exec.Cmd
	said  bytes.Buffer
	ended chan struct{}
	err   error // once it ended
}

func (r *run) start() (*consumer, error) {
	c := &consumer{cmd: exec.Command(r.command[0], r.command[1:]...), ended: make(chan struct{})} //nolint:noctx // what the caller asked for; it is killed below
	c.cmd.Env, c.cmd.Stdout, c.cmd.Stderr = r.env, &c.said, &c.said
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStart, err)
	}
	go func() {
		c.err = c.cmd.Wait()
		close(c.ended)
	}()
	return c, nil
}

func (c *consumer) kill() {
	_ = c.cmd.Process.Kill()
	<-c.ended
}

// ending is how a consumer ended.
func (c *consumer) ending() error {
	if c.err == nil {
		return errors.New("exit code 0")
	}
	return c.err
}

// told is what a consumer that ended said last.
func (c *consumer) told() string {
	text := bytes.TrimSpace(c.said.Bytes())
	return string(text[max(0, len(text)-500):])
}

// untilKilled kills the consumer once it was handed a position, or once that is written.
func (r *run) untilKilled(ctx context.Context, position uint64, written bool) error {
	c, err := r.start()
	if err != nil {
		return err
	}
	defer func() {
		c.kill()
		r.server.over()
	}()
	handed := r.server.handed(position)
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-handed:
			if !written {
				return nil
			}
			handed = nil
		case <-look.C:
			if last, err := r.judge(); err != nil || written && last == position {
				return err
			}
		case <-c.ended:
			return fmt.Errorf("it ended (%w) before it was to be killed: %s", c.ending(), c.told())
		case <-ctx.Done():
			c.kill()
			return fmt.Errorf("its copy does not come to position %d: %w; it said: %s", position, context.Cause(ctx), c.told())
		}
	}
}

func (r *run) toTheEnd(ctx context.Context) error {
	c, err := r.start()
	if err != nil {
		return err
	}
	defer c.kill()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-look.C:
			last, err := r.judge()
			if err != nil || !r.stops && last == r.keeps {
				return err
			}
		case <-c.ended:
			last, err := r.judge()
			switch {
			case err != nil:
				return err
			case !r.stops:
				return fmt.Errorf("it ended (%w) with its copy at position %d: %s", c.ending(), last, c.told())
			case c.err == nil:
				return errors.New("it ended as if nothing were wrong, with exit code 0")
			case last < r.keeps:
				return fmt.Errorf("its copy ends at position %d, though it was right up to %d", last, r.keeps)
			}
			return nil
		case <-ctx.Done():
			c.kill()
			last, err := r.judge()
			if r.stops {
				err = errors.Join(errors.New("it goes on where it must stop"), err)
			}
			return fmt.Errorf("%w; its copy is at position %d; it said: %s", errors.Join(context.Cause(ctx), err), last, c.told())
		}
	}
}

// judge compares the copy with the log, and returns the last position in it.
func (r *run) judge() (last uint64, err error) {
	f, err := os.Open(r.copy())
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	want := recordsOf(r.log)
	for in := bufio.NewReaderSize(f, 1<<20); ; {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return last, nil // what has no end is being written
		}
		if err != nil {
			return last, err
		}
		records, err := recordsIn(line)
		if err != nil {
			return last, fmt.Errorf("after position %d its copy has a line that is neither a record nor a commit: %w", last, err)
		}
		for _, got := range records {
			if uint64(got.Position) != last+1 {
				return last, fmt.Errorf("position %d follows %d in its copy", got.Position, last)
			}
			if last++; last > uint64(len(want)) {
				return last, fmt.Errorf("its copy holds position %d, which was not to be taken", last)
			}
			if w := want[last-1]; got.Subject != w.GetSubject() || !bytes.Equal(got.Body, w.GetBody()) {
				return last, fmt.Errorf("position %d in its copy is not what was handed on", last)
			}
		}
	}
}

// record is one in a copy.
type record struct {
	Position number `json:"position"`
	Subject  string `json:"subject"`
	Body     []byte `json:"body"`
}

// number is written as such, or as protocol buffers write one of 64 bits in JSON: a text.
type number uint64

// UnmarshalJSON implements json.Unmarshaler.
func (n *number) UnmarshalJSON(b []byte) error {
	v, err := strconv.ParseUint(string(bytes.Trim(b, `"`)), 10, 64)
	*n = number(v)
	return err
}

func recordsIn(line []byte) ([]record, error) {
	var one struct {
		record

		Records []record `json:"records"`
	}
	if err := json.Unmarshal(line, &one); err != nil {
		return nil, err
	}
	if one.Records == nil {
		return []record{one.record}, nil
	}
	return one.Records, nil
}

func recordsOf(log []*feedv1.Commit) (all []*feedv1.Record) {
	for _, c := range log {
		all = append(all, c.GetRecords()...)
	}
	return all
}

// Find returns the scenario of a name.
func Find(name string) (*Scenario, bool) {
	all := Scenarios()
	i := slices.IndexFunc(all, func(s *Scenario) bool { return s.Name == name })
	if i < 0 {
		return nil, false
	}
	return all[i], true
}

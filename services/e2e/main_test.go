// Package e2e drives the whole system from outside, through the public binary.
package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"maillage/services/route"
	"maillage/services/serve"
	"maillage/services/submit"
)

var binary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

// run builds the binary that users get, once.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "maillage-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "maillage")
	build := exec.Command("go", "build", "-o", binary, "maillage/services/cmd/maillage")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// server is a running `maillage up` or `maillage serve`, or a register of several.
type server struct {
	t        *testing.T
	cmd      *exec.Cmd
	grpc     string // what clients are told with --server
	nats     string
	log      *output
	end      chan error
	conn     *route.Conn // one for all: who acts is said with each call
	services []*server   // the processes of a register, where it is several
}

// output collects what a process prints and wakes who waits for a line.
type output struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.changed)
	o.changed = make(chan struct{})
	return o.text.Write(p)
}

func (o *output) get() (string, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String(), o.changed
}

// sources looks at what the binary is built from, from within a test, so that no result for
// another binary is taken from the cache of tests.
var sources = sync.OnceValue(func() error {
	look := func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".go") {
			_, err = os.Stat(path)
		}
		return err
	}
	return errors.Join(filepath.WalkDir("..", look), filepath.WalkDir("../../proto/gen", look))
})

// launch starts the binary and does not wait.
func launch(t *testing.T, args ...string) *server {
	t.Helper()
	if err := sources(); err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, cmd: exec.Command(binary, args...), log: &output{changed: make(chan struct{})}, end: make(chan error, 1)}
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { s.end <- s.cmd.Wait() }()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		if t.Failed() {
			text, _ := s.log.get()
			t.Logf("maillage %s:\n%s", strings.Join(args, " "), tailOf(text, 4000))
		}
	})
	return s
}

func tailOf(s string, n int) string { return s[max(0, len(s)-n):] }

// up starts `maillage up` on free ports and waits until it is ready.
func up(t *testing.T, data string, more ...string) *server {
	t.Helper()
	alone(t)
	more = append(fromRows(t, data, more), more...)
	s := launch(t, append([]string{"up", "--data", data, "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--nats", "127.0.0.1:0"}, more...)...)
	s.awaitReady()
	return s
}

// awaitReady waits for the line of the log that says where to reach the process.
func (s *server) awaitReady() {
	s.t.Helper()
	line := s.await("msg=ready")
	s.reachAt(field(line, "grpc="))
	s.nats = field(line, "nats=")
}

// reachAt says where clients find the process, or the register.
func (s *server) reachAt(address string) {
	s.t.Helper()
	conn, err := route.Dial(address, serve.Names(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	s.grpc, s.conn = address, conn
}

// await waits for a line of the log that holds a text.
func (s *server) await(said string) string {
	s.t.Helper()
	deadline := time.After(60 * time.Second)
	for {
		text, changed := s.log.get()
		for line := range strings.Lines(text) {
			if strings.Contains(line, said) {
				return line
			}
		}
		select {
		case <-changed:
		case err := <-s.end:
			s.t.Fatalf("ended before it said %q: %v", said, err)
		case <-deadline:
			s.t.Fatalf("%q was not said in 60 s", said)
		}
	}
}

func field(line, key string) string {
	_, rest, _ := strings.Cut(line, key)
	value, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	return strings.Trim(value, `"`)
}

// stop ends the process as an operator does, kill as a power cut does.
func (s *server) stop() int { return s.signal(syscall.SIGTERM) }
func (s *server) kill()     { s.signal(syscall.SIGKILL) }

func (s *server) signal(sig syscall.Signal) int {
	s.t.Helper()
	if len(s.services) > 0 {
		worst := 0
		for _, one := range s.services {
			worst = max(worst, one.signal(sig))
		}
		return worst
	}
	if err := s.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.t.Fatal(err)
	}
	return s.exit()
}

// exit waits for the end and returns the exit code.
func (s *server) exit() int {
	s.t.Helper()
	select {
	case err := <-s.end:
		s.end <- err
		return s.cmd.ProcessState.ExitCode()
	case <-time.After(60 * time.Second):
		s.t.Fatal("still running after 60 s")
		return -1
	}
}

// dial returns a connection that acts as an officer.
func (s *server) dial() grpc.ClientConnInterface { return acting{s.conn, "officer"} }

// acting is a connection under somebody's name.
type acting struct {
	grpc.ClientConnInterface
	as string
}

func (a acting) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	return a.ClientConnInterface.Invoke(metadata.AppendToOutgoingContext(ctx, submit.IdentityKey, a.as), method, args, reply, opts...)
}

// cli runs a verb against a server and returns what it printed and its exit code.
func (s *server) cli(args ...string) (stdout, stderr string, code int) {
	s.t.Helper()
	return s.as("officer", args...)
}

// as runs a verb as somebody. Each verb is a client of its own, that knows of nothing the
// one before it was told: what is recorded must have come everywhere.
func (s *server) as(who string, args ...string) (stdout, stderr string, code int) {
	s.t.Helper()
	s.even()
	defer s.even()
	return verb(s.t, append(args, "--server", s.grpc, "--as", who)...)
}

// verb runs the binary to its end.
func verb(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatalf("maillage %s: %v", strings.Join(args, " "), err)
	} else if ok {
		code = exit.ExitCode()
	}
	return out.String(), errs.String(), code
}

// lines parses output of one JSON object a line.
func lines(t *testing.T, text string) []map[string]any {
	t.Helper()
	var out []map[string]any
	sc := bufio.NewScanner(strings.NewReader(text))
	sc.Buffer(nil, 16<<20)
	for sc.Scan() {
		var v map[string]any
		if err := json.Unmarshal(sc.Bytes(), &v); err != nil {
			t.Fatalf("not a JSON object: %q", sc.Text())
		}
		out = append(out, v)
	}
	return out
}

// copyTree copies a directory as a backup would.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// flip inverts one bit of a file.
func flip(t *testing.T, file string, offset int64) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], offset); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := f.WriteAt(b[:], offset); err != nil {
		t.Fatal(err)
	}
}

// compact rewrites output of one JSON object a line in one fixed way: the encoder of
// protobuf messages varies its spaces on purpose.
func compact(t *testing.T, text string) string {
	t.Helper()
	return compactAll(t, lines(t, text))
}

func compactAll(t *testing.T, objects []map[string]any) string {
	t.Helper()
	var out strings.Builder
	for _, v := range objects {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(append(b, '\n'))
	}
	return out.String()
}

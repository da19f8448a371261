package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// child is a process that serves while it is measured, in a process of its own so
// that every contender pays for its transport alike.
type child struct {
	name string
	cmd  *exec.Cmd
	out  *tail
	done chan struct{}
	err  error
}

// beChild does what a child process of the bench does, where the arguments are those of one.
func beChild(args []string) (is bool, err error) {
	one := map[string]func(addr string) error{"serve-empty": serveEmpty, "watch": watchFeed, "streams": watchPlain, "subscribe": subscribe}
	two := map[string]func(addr, more string) error{"serve-jetstream": serveJetStream, "serve-streams": serveStreams, "serve-inserts": serveInserts, "serve-bare": serveBare, "serve-following": serveFollowing, "follow": follower}
	switch {
	case len(args) == 2 && one[args[0]] != nil:
		return true, one[args[0]](args[1])
	case len(args) == 3 && two[args[0]] != nil:
		return true, two[args[0]](args[1], args[2])
	case len(args) == 4 && args[0] == "consume":
		return true, consumer(args[1], args[2], args[3])
	}
	return false, nil
}

// start runs a program that dies with this one.
func start(name, path string, args []string, attr *syscall.SysProcAttr) (*child, error) {
	c := &child{name: name, cmd: exec.CommandContext(context.Background(), path, args...), out: new(tail), done: make(chan struct{})}
	c.cmd.Stdout, c.cmd.Stderr = c.out, c.out
	if attr == nil {
		attr = &syscall.SysProcAttr{}
	}
	attr.Pdeathsig = syscall.SIGKILL
	c.cmd.SysProcAttr = attr
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the parent-death signal follows the thread that starts the child
		err := c.cmd.Start()
		started <- err
		if err == nil {
			c.err = c.cmd.Wait()
			close(c.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return c, nil
}

// ready calls try until it succeeds; it fails with what the child said where that
// ends first.
func (c *child) ready(ctx context.Context, limit time.Duration, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-c.done:
			return fmt.Errorf("%s ended: %w\n%s", c.name, errors.Join(c.err, err), c.out)
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready after %v: %w\n%s", c.name, limit, err, c.out)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (c *child) stop(s os.Signal) {
	_ = c.cmd.Process.Signal(s)
	select {
	case <-c.done:
	case <-time.After(15 * time.Second):
		_ = c.cmd.Process.Kill()
		<-c.done
	}
}

// tail keeps the last 8 KiB written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if len(t.b) > 8192 {
		t.b = bytes.Clone(t.b[len(t.b)-8192:])
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.b))
}

// freeAddr returns a loopback address nobody listens on.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// timed runs a mode of this program that prints how many seconds it took.
func timed(ctx context.Context, args ...string) (took float64, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	var said tail
	c := exec.CommandContext(ctx, self, args...)
	c.Stderr = &said
	out, err := c.Output()
	if err == nil {
		_, err = fmt.Sscan(string(out), &took)
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w\n%s", args[0], err, &said)
	}
	return took, nil
}

package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
)

// payload is the body of every raw message and row: 300 bytes, about an event.
var payload = bytes.Repeat([]byte("maillage! "), 30)

func subject(caller, n int) string {
	return fmt.Sprintf("registry.topology.centre.%05d%05d", caller, n%100000)
}

// disk appends to a file and flushes it, as a ledger must for every answer.
type disk struct{ f *os.File }

func openDisk(dir string) (*disk, error) {
	f, err := os.Create(filepath.Join(dir, "flushed"))
	return &disk{f}, err
}

func (d *disk) flush(context.Context, int, int) error {
	if _, err := d.f.Write(payload); err != nil {
		return err
	}
	return unix.Fdatasync(int(d.f.Fd()))
}

// inMemory says whether a directory lies on a file system without a disk, where a
// flush costs nothing and the figures mean nothing.
func inMemory(dir string) bool {
	var s unix.Statfs_t
	return unix.Statfs(dir, &s) == nil && (s.Type == unix.TMPFS_MAGIC || s.Type == unix.RAMFS_MAGIC)
}

// serveEmpty is the body of the child process that answers an empty gRPC call.
func serveEmpty(addr string) error { return serveCalls(addr, health.NewServer()) }

func serveCalls(addr string, answers healthv1.HealthServer) error {
	l, err := net.Listen("tcp", addr) //nolint:noctx // lives as long as the process
	if err != nil {
		return err
	}
	s := grpc.NewServer()
	healthv1.RegisterHealthServer(s, answers)
	return s.Serve(l)
}

// empty is a gRPC server that does nothing, or what a call of nothing stands for.
type empty struct {
	*child
	conn *grpc.ClientConn
}

func startEmpty(ctx context.Context) (*empty, error) {
	return startCalls(ctx, "the empty gRPC server", "serve-empty")
}

// startCalls starts a child process of the bench that answers calls: its arguments follow
// those that say which.
func startCalls(ctx context.Context, name, which string, more ...string) (*empty, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c, err := start(name, self, append([]string{which, addr}, more...), nil)
	if err != nil {
		return nil, err
	}
	e := &empty{child: c}
	if e.conn, err = dial(addr); err == nil {
		err = c.ready(ctx, 10*time.Second, func(ctx context.Context) error { return e.call(ctx, 0, 0) })
	}
	if err != nil {
		e.stop(syscall.SIGKILL)
		return nil, err
	}
	return e, nil
}

func dial(addr string) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
}

func (e *empty) call(ctx context.Context, _, _ int) error {
	_, err := healthv1.NewHealthClient(e.conn).Check(ctx, &healthv1.HealthCheckRequest{})
	return err
}

func (e *empty) Close() {
	_ = e.conn.Close()
	e.stop(syscall.SIGTERM)
}

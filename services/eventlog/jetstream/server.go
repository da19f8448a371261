// Package jetstream keeps the register's log in a NATS JetStream stream, on an
// embedded server or on a cluster. It is the only package that knows NATS.
package jetstream

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"golang.org/x/sys/unix"

	"maillage/services/eventlog"
)

// ErrDamaged says that the broker's store cannot be started from. The ledger holds
// the records: maillage restore --stream rebuilds the store from it.
var ErrDamaged = errors.New("the broker's store is damaged; rebuild it from the ledger with: maillage restore --stream")

// Options say how to run an embedded server.
type Options struct {
	// Dir holds the broker's store; it is created, and locked while the server runs.
	Dir string
	// Addr is host:port to listen on, for the register's own processes, which hold the
	// ServiceKey, and for the accounts admitted. "" chooses a free loopback port.
	Addr string
	// Anyone lets whoever connects do anything, as a broker does without settings: tests
	// that put it in the place of an outside one.
	Anyone bool
	// Ready is how long the server may take to start, 0 for 30 s.
	Ready time.Duration
	// Memory is by how many bytes the heap may grow while the server starts, 0 for
	// 2 GiB and twice the size of the store.
	Memory uint64
	// Logger gets the server's warnings and errors; nil for slog.Default().
	Logger *slog.Logger
}

// Server is an embedded NATS server with its store on disk, flushed on every write.
type Server struct {
	ns   *server.Server
	lock *os.File
	log  *slog.Logger
	gate *gate  // nil where anyone may connect
	seed string // of the service key
	url  string
}

// StartServer starts a server and waits until it takes connections. A store that it
// cannot start from within the time and memory allowed gives an error that wraps
// ErrDamaged; the process should then end, as the server may not stop reading it.
func StartServer(ctx context.Context, o Options) (*Server, error) {
	if o.Ready == 0 {
		o.Ready = 30 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	lock, err := lockDir(o.Dir)
	if err != nil {
		return nil, err
	}
	s := &Server{lock: lock, log: o.Logger}
	if err := s.start(ctx, o); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, o Options) error {
	opts := &server.Options{
		ServerName:      "maillage",
		JetStream:       true,
		StoreDir:        o.Dir,
		SyncAlways:      true,
		NoSigs:          true,
		MaxPayload:      maxMessage + 16<<10,
		JetStreamLimits: server.JSLimitOpts{MaxBatchSize: eventlog.MaxCommit},
	}
	if err := listen(opts, o.Addr); err != nil {
		return err
	}
	if !o.Anyone {
		seed, public, err := serviceSeed(o.Dir)
		if err != nil {
			return fmt.Errorf("key of the broker: %w", err)
		}
		s.seed, s.gate = seed, newGate(public)
		opts.CustomClientAuthentication, opts.AlwaysEnableNonce = s.gate, true
	}
	ns, err := server.NewServer(opts)
	if err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	s.ns = ns
	if s.gate != nil {
		s.gate.ns = ns
		if err := lend(ns); err != nil {
			return fmt.Errorf("broker: %w", err)
		}
	}
	out := &logger{log: s.log, fatal: make(chan string, 1)}
	ns.SetLoggerV2(out, false, false, false)
	go ns.Start()
	if err := s.awaitReady(ctx, o, out.fatal); err != nil {
		go s.stop() // may wait for a store that never finishes loading
		return err
	}
	s.url = "nats://" + ns.Addr().String()
	return nil
}

// listen sets where the server listens.
func listen(opts *server.Options, addr string) error {
	if addr == "" {
		opts.Host, opts.Port = "127.0.0.1", server.RANDOM_PORT
		return nil
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("broker's address: %w", err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return fmt.Errorf("broker's port: %w", err)
	}
	opts.Host, opts.Port = host, int(n)
	if n == 0 {
		opts.Port = server.RANDOM_PORT
	}
	return nil
}

// awaitReady polls each millisecond: the server's own wait sleeps 25 ms at a time.
func (s *Server) awaitReady(ctx context.Context, o Options, fatal <-chan string) error {
	limit := o.Memory
	if limit == 0 {
		limit = 2<<30 + 2*dirSize(o.Dir)
	}
	start, base := time.Now(), heap()
	checked := start
	for !s.ns.ReadyForConnections(time.Millisecond) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("broker not ready: %w", ctx.Err())
		case m := <-fatal:
			if strings.Contains(m, "JetStream") {
				return fmt.Errorf("%w (the server said: %s)", ErrDamaged, m)
			}
			return fmt.Errorf("broker: %s", m)
		default:
		}
		now := time.Now()
		if now.Sub(start) > o.Ready {
			return fmt.Errorf("%w (not ready after %s)", ErrDamaged, o.Ready)
		}
		if now.Sub(checked) > 50*time.Millisecond {
			checked = now
			if h := heap(); h > base+limit {
				return fmt.Errorf("%w (the heap grew by %d MiB while it started)", ErrDamaged, (h-base)>>20)
			}
		}
	}
	return nil
}

func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

func dirSize(dir string) (size uint64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil //nolint:nilerr // a file that went away meanwhile has no size
		}
		if info, err := d.Info(); err == nil {
			size += uint64(info.Size())
		}
		return nil
	})
	return size
}

// lockDir creates and locks the directory: two servers in one store would destroy it.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o711); err != nil {
		return nil, fmt.Errorf("broker's directory: %w", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("broker's directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("broker's directory: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("another process uses the broker's directory %s: %w", dir, err)
	}
	return f, nil
}

// URL is where the server takes connections of other processes.
func (s *Server) URL() string { return s.url }

// Shutdown stops the server and waits until its store is closed.
func (s *Server) Shutdown() {
	s.stop()
	s.ns.WaitForShutdown()
	_ = s.lock.Close()
}

func (s *Server) stop() {
	if s.gate != nil {
		s.gate.end()
	}
	s.ns.Shutdown()
}

// logger hands the server's log on.
type logger struct {
	log   *slog.Logger
	fatal chan string
}

func (l *logger) Noticef(f string, v ...any) { l.log.Debug("nats: " + fmt.Sprintf(f, v...)) }
func (l *logger) Warnf(f string, v ...any)   { l.log.Warn("nats: " + fmt.Sprintf(f, v...)) }
func (l *logger) Errorf(f string, v ...any)  { l.log.Error("nats: " + fmt.Sprintf(f, v...)) }
func (l *logger) Debugf(string, ...any)      {}
func (l *logger) Tracef(string, ...any)      {}

func (l *logger) Fatalf(f string, v ...any) {
	m := fmt.Sprintf(f, v...)
	l.log.Error("nats: " + m)
	select {
	case l.fatal <- m:
	default:
	}
}

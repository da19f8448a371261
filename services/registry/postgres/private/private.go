// Package private runs a PostgreSQL of the process's own from the programs installed on
// the machine. Nobody else can reach it: it listens on no address, and its socket lies in a
// directory that its own account alone may enter. It ends with the process, however that
// ends, and is started again where it ends before.
package private

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"maillage/services/fault"
)

// Database is the one that a server has from the start.
const Database = "maillage"

// owner owns the cluster. It needs no password: who can enter the socket's directory is it.
const owner = "maillage"

// socketFile is what a server calls its socket. A path to one holds about 100 bytes,
// whatever the system: maxSocket.
const (
	socketFile = ".s.PGSQL.5432"
	maxSocket  = 100
)

// patience is how long a start waits for a server of before to end, and how long a stop
// waits for an orderly end.
const patience = 20 * time.Second

// Options are the manual of a server.
type Options struct {
	// Dir keeps the cluster, one directory in it for each major version of PostgreSQL. As
	// root, where the account of the server cannot enter it, another one is taken, which
	// the log names.
	Dir string
	// Throwaway is for tests: nothing is flushed to the disk, little memory is taken, and
	// Dir is removed when the process ends, even by SIGKILL.
	Throwaway bool
	// Logger is told of starts and of ends that nobody asked for; slog's default where nil.
	Logger *slog.Logger
}

// Server is a private PostgreSQL that runs.
type Server struct {
	options  Options
	programs programs
	account  *syscall.Credential // to run as; nil where it is the process's own
	dir      string              // of the cluster
	socket   string              // directory
	stopping chan struct{}
	stop     sync.Once
	ended    chan struct{}
	remover  *exec.Cmd // of what is thrown away
	left     io.Closer // the remover waits for its end

	// Of the present run.
	ran   chan string    // how it ended
	order io.WriteCloser // names of signals, a line each; closed, it ends at once
}

// Start makes the cluster, where there is none yet, and starts its server. It waits, within
// ctx, until it can be asked: a server of a process that was just killed is given time to
// end, and what was not ended in order recovers.
func Start(ctx context.Context, o Options) (*Server, error) {
	s := &Server{options: o, stopping: make(chan struct{}), ended: make(chan struct{})}
	if o.Logger == nil {
		s.options.Logger = slog.Default()
	}
	var err error
	if s.programs, err = find(); err != nil {
		return nil, err
	}
	if s.account, err = unprivileged(); err != nil {
		return nil, err
	}
	if err := s.makeDirectories(); err != nil {
		return nil, err
	}
	if err := s.makeCluster(ctx); err != nil {
		return nil, err
	}
	if o.Throwaway {
		if err := s.removeInTheEnd(); err != nil {
			return nil, err
		}
	}
	if err := s.begin(ctx); err != nil {
		s.remove()
		return nil, err
	}
	go s.keep(context.WithoutCancel(ctx))
	return s, nil
}

// URL is where a database of the server is reached.
func (s *Server) URL(database string) string {
	where := url.Values{"host": {s.socket}, "user": {owner}}
	return (&url.URL{Scheme: "postgres", Path: "/" + database, RawQuery: where.Encode()}).String()
}

// PID is the process id of the server at the moment, 0 while there is none.
func (s *Server) PID() int {
	b, err := os.ReadFile(filepath.Join(s.dir, "postmaster.pid"))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(b), "\n")
	pid, _ := strconv.Atoi(first)
	return pid
}

// Close ends the server in order, and returns when it has ended.
func (s *Server) Close() {
	s.stop.Do(func() { close(s.stopping) })
	<-s.ended
	_ = os.Remove(s.socket) // where it is empty, and it is
	s.remove()
}

// removeInTheEnd has the directory removed once this process ends.
func (s *Server) removeInTheEnd() (err error) {
	const script = `while read -r _; do :; done; until rm -rf -- "$1" && sleep 0.1 && [ ! -e "$1" ]; do :; done`
	s.remover = exec.Command("/bin/sh", "-c", script, "maillage-remove", filepath.Dir(s.dir)) //nolint:noctx // it outlives every context
	s.remover.Dir, s.remover.SysProcAttr = "/", &syscall.SysProcAttr{Setpgid: true}
	if s.left, err = s.remover.StdinPipe(); err != nil {
		return err
	}
	return s.remover.Start()
}

// remove removes the directory now, where it is one to be thrown away.
func (s *Server) remove() {
	if s.remover != nil {
		_ = s.left.Close()
		_ = s.remover.Wait()
	}
}

// makeDirectories makes those of the cluster and of its socket.
func (s *Server) makeDirectories() error {
	if err := s.own(s.options.Dir, 0o711); err != nil {
		return err
	}
	base, err := filepath.Abs(s.options.Dir)
	if err != nil {
		return err
	}
	if closed := s.closed(base); closed != "" {
		base, err = s.standIn(base, closed)
		if err != nil {
			return err
		}
	}
	s.dir, s.socket = filepath.Join(base, strconv.Itoa(s.programs.major)), filepath.Join(base, "socket")
	if len(filepath.Join(s.socket, socketFile)) > maxSocket {
		if s.socket, err = s.standIn(base, "a path of this length"); err != nil {
			return err
		}
	}
	return s.own(s.socket, 0o700)
}

// standIn is the directory that is used in place of one. Its name follows from the other's,
// so that a cluster is found again. What anybody else put there is refused.
func (s *Server) standIn(dir, why string) (string, error) {
	other := filepath.Join(os.TempDir(), "maillage-"+short(dir))
	if closed := s.closed(other); closed != "" {
		return "", fault.New(fault.Unavailable, "POSTGRES_DIRECTORY", "", "PostgreSQL cannot be kept in %s: its account cannot use %s, nor %s", dir, why, closed)
	}
	if err := s.own(other, 0o700); err != nil {
		return "", err
	}
	s.options.Logger.Info("PostgreSQL: another directory is used, for its account cannot use the one given", "given", dir, "cannot use", why, "used", other)
	return other, nil
}

// makeCluster makes the cluster, once. What a killed attempt left is made anew.
func (s *Server) makeCluster(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(s.dir, "PG_VERSION")); err == nil {
		return nil
	}
	making := s.dir + ".new"
	if err := os.RemoveAll(making); err != nil {
		return err
	}
	args := []string{
		"-D", making, "-U", owner, "--auth-local=trust", "--auth-host=reject", "-E", "UTF8", "--no-instructions",
		"--locale=C", "--lc-ctype=" + letters, // sorts by bytes, for ever; and knows the letters that have accents
	}
	if s.options.Throwaway {
		args = append(args, "--no-sync")
	}
	if out, err := s.command(ctx, s.programs.initdb, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("initdb in %s: %w\n%s", making, err, out)
	}
	return os.Rename(making, s.dir)
}

// begin starts the server and waits until it can be asked.
func (s *Server) begin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*patience) // recovery may take its time
	defer cancel()
	for started := time.Now(); ; {
		err := s.launch()
		if err != nil {
			return err
		}
		if err = s.answers(ctx); err == nil {
			return nil
		}
		if !errors.Is(err, errBefore) || time.Since(started) > patience {
			return err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-s.stopping:
			return err
		case <-ctx.Done():
			return err
		}
	}
}

var errBefore = errors.New("a server of before still runs")

// answers waits until the server that was launched can be asked.
func (s *Server) answers(ctx context.Context) error {
	var last error
	for {
		if last = s.ready(ctx); last == nil {
			return nil
		}
		select {
		case end := <-s.ran:
			return s.failed(end)
		case <-s.stopping:
			return s.abandon(errors.New("stopped while it started"))
		case <-ctx.Done():
			return s.abandon(fmt.Errorf("it cannot be asked: %w", last))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// abandon ends a server that is not wanted any longer.
func (s *Server) abandon(why error) error {
	_ = s.order.Close()
	<-s.ran
	return fmt.Errorf("PostgreSQL in %s: %w", s.dir, why)
}

// ready connects to the server and makes the database where it is missing.
func (s *Server) ready(ctx context.Context) error {
	c, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	_, err = c.Exec(ctx, "CREATE DATABASE "+Database)
	if bad, ok := errors.AsType[*pgconn.PgError](err); ok && bad.Code == "42P04" { // it exists
		return nil
	}
	return err
}

// failed says why a server ended, from what it wrote.
func (s *Server) failed(end string) error {
	b, err := os.ReadFile(s.logFile())
	if err != nil {
		return fmt.Errorf("PostgreSQL in %s ended (%s) and left no log: %w", s.dir, end, err)
	}
	said := strings.TrimSpace(string(b[max(0, len(b)-2000):]))
	if strings.Contains(said, `lock file "`) || strings.Contains(said, "still in use") {
		return fmt.Errorf("PostgreSQL in %s: %w: %s", s.dir, errBefore, said)
	}
	return fault.New(fault.Unavailable, "POSTGRES_ENDED", "", "PostgreSQL in %s ended (%s); it holds nothing that the log of the register does not hold, and its directory can be removed: %s", s.dir, end, said)
}

// keep starts the server again when it ends, until it is to be ended.
func (s *Server) keep(ctx context.Context) {
	defer close(s.ended)
	for {
		select {
		case <-s.stopping:
			s.halt()
			return
		case end := <-s.ran:
			s.options.Logger.Warn("PostgreSQL ended and is started again", "directory", s.dir, "end", end)
		}
		for wait := 100 * time.Millisecond; ; wait = min(2*wait, 10*time.Second) {
			err := s.begin(ctx)
			if err == nil {
				break
			}
			select {
			case <-s.stopping:
				return
			default:
			}
			s.options.Logger.Error("PostgreSQL cannot be started", "err", err)
			select {
			case <-s.stopping:
				return
			case <-time.After(wait):
			}
		}
	}
}

// halt ends the server: in order, then at once.
func (s *Server) halt() {
	defer s.order.Close()
	if !s.options.Throwaway {
		_, _ = io.WriteString(s.order, "INT\n")
		select {
		case <-s.ran:
			return
		case <-time.After(patience):
		}
	}
	_, _ = io.WriteString(s.order, "QUIT\n")
	<-s.ran
}

// watch runs a server below a shell that waits for its end and passes on the signals
// that are named on its input. When that is closed, as it is when this process is killed,
// the server ends at once, and recovers when it is started the next time.
const watch = `
exec 3<&0 </dev/null
"$@" 3<&- &
server=$!
{ while read -r signal; do kill -s "$signal" "$server"; done; kill -s QUIT "$server"; } <&3 2>/dev/null &
watcher=$!
exec 3<&-
wait "$server"
end=$?
kill "$watcher" 2>/dev/null
exit "$end"
`

// launch starts the server, without waiting until it can be asked.
func (s *Server) launch() error {
	said, err := os.Create(s.logFile())
	if err != nil {
		return err
	}
	defer said.Close()
	args := append([]string{"-c", watch, "maillage-postgres", s.programs.postgres, "-D", s.dir, "-k", s.socket, "-p", "5432"}, settings(s.options.Throwaway)...)
	run := s.command(context.Background(), "/bin/sh", args...)
	run.Stdout, run.Stderr = said, said
	order, err := run.StdinPipe()
	if err != nil {
		return err
	}
	if err := run.Start(); err != nil {
		return err
	}
	ran := make(chan string, 1)
	go func() {
		_ = run.Wait()
		ran <- run.ProcessState.String()
	}()
	s.ran, s.order = ran, order
	return nil
}

// logFile is what the server writes, of its last start.
func (s *Server) logFile() string { return s.dir + ".log" }

// settings are those fit for rows that are written by one and can be computed again.
func settings(throwaway bool) []string {
	all := []string{
		"listen_addresses=", "max_connections=100", "timezone=UTC", "log_min_messages=warning",
		"wal_level=minimal", "max_wal_senders=0", "synchronous_commit=off",
		"max_wal_size=4GB", "checkpoint_timeout=15min", "maintenance_work_mem=256MB", "work_mem=32MB",
		"random_page_cost=1.1", "effective_cache_size=2GB", // most of it lies in the page cache
		"jit=off", "max_parallel_workers_per_gather=0", // a short question first, and plans that stay the same
	}
	if throwaway {
		all = append(all, "shared_buffers=64MB", "fsync=off", "full_page_writes=off")
	} else {
		all = append(all, "shared_buffers=512MB")
	}
	args := make([]string, 0, 2*len(all))
	for _, one := range all {
		args = append(args, "-c", one)
	}
	return args
}

// command is a program that runs as the account of the server, in a process group of its
// own: an interrupt from the keyboard is for this process, which ends it in order.
func (s *Server) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, program, args...)
	c.Dir = "/"
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: s.account}
	for _, v := range os.Environ() { // PGDATA and the like are for somebody else's server
		if !strings.HasPrefix(v, "PG") && !strings.HasPrefix(v, "LC_") && !strings.HasPrefix(v, "LANG") {
			c.Env = append(c.Env, v)
		}
	}
	return c
}

package private_test

import (
	"bufio"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"maillage/services/registry/postgres/postgrestest"
	"maillage/services/registry/postgres/private"
)

// parent is the variable that makes this binary a process that starts a server and waits
// to be killed.
const parent = "MAILLAGE_TEST_PARENT_OF"

func TestMain(m *testing.M) {
	if dir := os.Getenv(parent); dir != "" {
		s, err := private.Start(context.Background(), private.Options{Dir: dir, Throwaway: os.Getenv("THROWAWAY") != ""})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(s.PID())
		select {}
	}
	os.Exit(m.Run())
}

// directory is one that the account of a server can enter, and no longer than a socket's
// may be.
func directory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "private-") //nolint:usetesting // nobody else can enter the test's own
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func start(t *testing.T, dir string) *private.Server {
	t.Helper()
	s, err := private.Start(t.Context(), private.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func ask(t *testing.T, s *private.Server, statement string) (answer string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), s.URL(private.Database))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	rows, _ := c.Query(t.Context(), statement)
	answers, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return strings.Join(answers, ",")
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(30 * time.Second); !so(); {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

func alive(pid int) bool { return pid > 0 && syscall.Kill(pid, 0) == nil }

// What a server keeps is there when it is started again, and nobody else can reach it.
func TestServerIsPrivateAndKeeps(t *testing.T) {
	t.Parallel()
	dir := directory(t)
	s := start(t, dir)
	ask(t, s, "CREATE TABLE t AS SELECT 'Hôpital' AS name")
	for setting, want := range map[string]string{"listen_addresses": "", "fsync": "on", "server_encoding": "UTF8", "TimeZone": "UTC"} {
		if got := ask(t, s, "SHOW "+setting); got != want {
			t.Errorf("%s is %q, not %q", setting, got, want)
		}
	}
	if got := ask(t, s, "SELECT string_agg(w, ' ' ORDER BY w) || ' ' || lower('ÉÀ') FROM unnest(ARRAY['é','z','Z','a']) w"); got != "Z a z é éà" {
		t.Errorf("sorted and lowered: %q", got)
	}
	u, err := url.Parse(s.URL(private.Database))
	if err != nil {
		t.Fatal(err)
	}
	socket := u.Query().Get("host")
	is, err := os.Stat(socket)
	if err != nil {
		t.Fatal(err)
	}
	if is.Mode().Perm() != 0o700 {
		t.Errorf("others can enter the socket's directory: %v", is.Mode())
	}
	pid := s.PID()
	if of, ok := is.Sys().(*syscall.Stat_t); os.Geteuid() == 0 && (!ok || of.Uid == 0) {
		t.Error("the server runs as root")
	}
	s.Close()
	if alive(pid) {
		t.Error("it runs after Close")
	}
	if got := ask(t, start(t, dir), "SELECT name FROM t"); got != "Hôpital" {
		t.Errorf("kept: %q", got)
	}
}

func TestServerKilledIsStartedAgain(t *testing.T) {
	t.Parallel()
	s, err := private.Start(t.Context(), private.Options{Dir: directory(t), Throwaway: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	ask(t, s, "CREATE TABLE t AS SELECT 'kept' AS name")
	ask(t, s, "CHECKPOINT")
	pid := s.PID()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another server answers", func() bool {
		c, err := pgx.Connect(t.Context(), s.URL(private.Database))
		if err != nil {
			return false
		}
		return c.Close(t.Context()) == nil && s.PID() != pid
	})
	if got := ask(t, s, "SELECT name FROM t"); got != "kept" {
		t.Errorf("kept: %q", got)
	}
}

// A process that is killed takes its server with it, and the next one goes on.
func TestServerEndsWithItsParent(t *testing.T) {
	t.Parallel()
	for _, throwaway := range []string{"", "1"} {
		dir := directory(t)
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
		child.Env = append(os.Environ(), parent+"="+dir, "THROWAWAY="+throwaway)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		line, _ := bufio.NewReader(out).ReadString('\n')
		var pid int
		if _, err := fmt.Sscan(line, &pid); err != nil || !alive(pid) {
			t.Fatalf("started: %q", line)
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = child.Wait()
		if throwaway == "" {
			start(t, dir).Close() // it waits for the other's end
		}
		eventually(t, "the server ended", func() bool { return !alive(pid) })
		if throwaway != "" {
			eventually(t, "the directory went", func() bool { _, err := os.Stat(dir); return os.IsNotExist(err) })
		}
	}
}

// Where the account of the server cannot enter, or the path is too long for a socket,
// another directory is used, the same one each time.
func TestServerElsewhere(t *testing.T) {
	closed := directory(t) // of mode 0700, of this process's own account
	long := filepath.Join(directory(t), strings.Repeat("x", 120))
	if err := os.Chmod(filepath.Dir(long), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", "/tmp")
	for _, dir := range []string{filepath.Join(closed, "postgres"), long} {
		s := start(t, dir)
		ask(t, s, "CREATE TABLE t AS SELECT 'kept' AS name")
		at := s.URL("")
		if u, err := url.Parse(at); err == nil {
			t.Cleanup(func() { _ = os.RemoveAll(strings.TrimSuffix(u.Query().Get("host"), "/socket")) })
		}
		s.Close()
		again := start(t, dir)
		if got := ask(t, again, "SELECT name FROM t"); got != "kept" || again.URL("") != at {
			t.Errorf("%s: kept %q at %s", dir, got, again.URL(""))
		}
		again.Close()
	}
}

func TestServerOfNoInstallation(t *testing.T) {
	if dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin"); len(dirs) > 0 {
		t.Skip("it is installed where Debian keeps it")
	}
	t.Setenv("PATH", "")
	if _, err := private.Start(t.Context(), private.Options{Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "apt-get install postgresql") {
		t.Errorf("without programs: %v", err)
	}
}

func TestDatabasesOfTestsAreApart(t *testing.T) {
	for range 2 {
		c, err := pgx.Connect(t.Context(), postgrestest.Database(t))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Exec(t.Context(), "CREATE TABLE t (a int)"); err != nil {
			t.Error(err)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/fault"
	"maillage/services/registry/postgres/postgrestest"
)

// fromRows are the flags of a register that answers from PostgreSQL, with
// MAILLAGE_POSTGRES: from a database of its own for each directory of data, found again
// when it is started again. Without, or where a test says itself what to answer from, there
// are none.
func fromRows(t *testing.T, data string, more []string) []string {
	t.Helper()
	if os.Getenv("MAILLAGE_POSTGRES") == "" || slices.Contains(more, "--postgres") {
		return nil
	}
	databases.Lock()
	defer databases.Unlock()
	if databases.of == nil {
		databases.of = map[string]string{}
	}
	if databases.of[data] == "" {
		databases.of[data] = postgrestest.Database(t)
		t.Cleanup(func() {
			databases.Lock()
			defer databases.Unlock()
			delete(databases.of, data)
		})
	}
	return []string{"--postgres", databases.of[data]}
}

var databases struct {
	sync.Mutex
	of map[string]string // by the directory of the data
}

// ownRows skips a test that says itself what to answer from where others do.
func ownRows(t *testing.T) {
	t.Helper()
	alone(t)
	if os.Getenv("MAILLAGE_POSTGRES") != "" {
		t.Skip("it says itself what to answer from")
	}
}

// enterable is a directory that another account may enter, with a short path.
func enterable(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "maillage-") //nolint:usetesting // that one is closed to other accounts
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o711))
	return dir
}

// readyz asks the process whether it is ready: empty if it is, else what it waits for.
func (s *server) readyz() string {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+field(s.await("msg=listening"), "http=")+"/readyz", http.NoBody)
	must(s.t, err)
	resp, err := http.DefaultClient.Do(req)
	must(s.t, err)
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return ""
	}
	said, err := io.ReadAll(resp.Body)
	must(s.t, err)
	return strings.TrimSpace(string(said))
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(60 * time.Second); !so(); {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("not within 60 s: %s", what)
		}
	}
}

// model is how far the rows of a register have come.
func (s *server) model() *registryv1.GetReadModelResponse {
	s.t.Helper()
	m, err := registryv1.NewReadModelServiceClient(s.dial()).GetReadModel(s.t.Context(), &registryv1.GetReadModelRequest{})
	must(s.t, err)
	return m
}

// centres counts the centres at the head.
func (s *server) centres(at uint64) (int, error) {
	req := &registryv1.ListCentresRequest{PageSize: 1000, AsOf: &registryv1.AsOf{MinPosition: at}}
	resp, err := registryv1.NewRegistryServiceClient(s.dial()).ListCentres(s.t.Context(), req)
	return len(resp.GetCentres()), err
}

// questions are reads of all kinds; the moment of knowledge is that of the seeds.
var questions = [][]string{
	{"label", "list", "--valid-at", "2018-01-01"},
	{"label", "list", "--valid-at", "2024-06-01", "--filiere", "RespiFIL", "--known-at", "700"},
	{"label", "list", "--valid-at", "2020-06-01", "--text", "respirat"},
	{"centre", "list", "--valid-at", "2019-01-01"},
	{"network", "list"},
	{"establishment", "list"},
	{"act", "list"},
	{"cycle", "list"},
	{"plan", "list"},
	{"platform", "list"},
	{"filiere", "list"},
	{"campaign", "list"},
	{"link", "list"},
	{"diff", "--from", "2018-01-01", "--to", "2024-02-01"},
	{"coverage", "--valid-at", "2023-06-01", "--within", "180"},
	{"count", "--unit", "réseau", "--by", "filière", "--valid-at", "2018-01-01"},
	{"map", "--valid-at", "2024-02-01"},
	{"directory", "--territory", "Mayotte"},
	{"region", "Bretagne"},
	{"todo"},
}

// answers are those to the questions.
func answers(t *testing.T, s *server) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, q := range questions {
		out, errs, code := s.cli(append(slices.Clone(q), "--json")...)
		if code != 0 {
			t.Errorf("%v: exit code %d\n%s", q, code, errs)
		}
		all[strings.Join(q, " ")] = compact(t, out)
	}
	return all
}

func sameAnswers(t *testing.T, when string, got, want map[string]string) {
	t.Helper()
	for q, answer := range want {
		if got[q] != answer {
			t.Errorf("%s, %s answers\n%.600s\nwant\n%.600s", when, q, got[q], answer)
		}
	}
}

// TestPostgresLocal: a private PostgreSQL answers what memory does, over kills of the
// process and of the database, and over a rebuild.
func TestPostgresLocal(t *testing.T) {
	ownRows(t)
	data := filepath.Join(enterable(t), "data")
	s := up(t, data, "--postgres", "off")
	seedOnce(t, s)
	memory := answers(t, s)
	if _, errs, code := s.cli("rebuild", "--status"); code != 3 || !strings.Contains(errs, "READ_MODEL_OFF") {
		t.Errorf("of memory: exit code %d, %s", code, errs)
	}
	s.stop()

	s = up(t, data, "--postgres", "local")
	sameAnswers(t, "from rows", answers(t, s), memory)
	if said := s.readyz(); said != "" {
		t.Errorf("not ready: %s", said)
	}
	fill(t, s, "more-", 3)
	s.kill()
	s = up(t, data, "--postgres", "local")
	fill(t, s, "later-", 3)
	before := answers(t, s)

	killed := postmaster(t, data)
	must(t, syscall.Kill(killed, syscall.SIGKILL))
	fill(t, s, "meanwhile-", 1)
	eventually(t, "the database is back", func() bool { now := postmaster(t, data); return now != 0 && now != killed })
	eventually(t, "the rows are back", func() bool { return s.readyz() == "" && s.model().GetPosition() == s.model().GetHeadPosition() })
	if m := s.model(); m.GetSchema() != "maillage_1" || len(m.GetKeptSchemas()) > 0 {
		t.Errorf("after a kill it was made anew: %v", m)
	}

	out, errs, code := s.cli("rebuild", "--json")
	told := append([]map[string]any{{}}, lines(t, out)...)
	last := told[len(told)-1]
	if code != 0 || last["schema"] == "maillage_1" || fmt.Sprint(last["keptSchemas"]) != "[maillage_1]" {
		t.Errorf("rebuild: exit code %d\n%s%s", code, out, errs)
	}
	s.stop()
	memoryAgain := up(t, data, "--postgres", "off")
	want := answers(t, memoryAgain)
	memoryAgain.stop()
	s = up(t, data, "--postgres", "local")
	sameAnswers(t, "rebuilt", answers(t, s), want)
	if fmt.Sprint(want) == fmt.Sprint(before) {
		t.Error("nothing was recorded in between")
	}
	if out, errs, code := s.cli("rebuild", "--drop", "maillage_1"); code != 0 || !strings.Contains(out, "maillage_1") {
		t.Errorf("drop: exit code %d\n%s%s", code, out, errs)
	}
	eventually(t, "it is dropped", func() bool { return s.model().GetKeptSchemas() == nil })
	if _, errs, code := s.cli("rebuild", "--drop", s.model().GetSchema()); code != 4 || !strings.Contains(errs, "NOT_KEPT") {
		t.Errorf("drop of what is read: exit code %d\n%s", code, errs)
	}
	pid := postmaster(t, data)
	s.kill()
	eventually(t, "the database ended with its process", func() bool { return syscall.Kill(pid, 0) != nil })
}

// postmaster is the process of the private database of a directory of data, 0 for none.
func postmaster(t *testing.T, data string) (pid int) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(data, "postgres", "*", "postmaster.pid"))
	must(t, err)
	if len(files) == 0 {
		return 0
	}
	if text, err := os.ReadFile(files[0]); err == nil {
		_, _ = fmt.Sscan(string(text), &pid) // it is being written, or went
	}
	return pid
}

// sql runs a statement in a database.
func sql(t *testing.T, address, statement string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	c, err := pgx.Connect(ctx, address)
	must(t, err)
	defer c.Close(ctx)
	if _, err := c.Exec(ctx, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// another is the address of another database of the same server.
func another(t *testing.T, address, database string) (other, name string) {
	t.Helper()
	u, err := url.Parse(address)
	must(t, err)
	name = strings.TrimPrefix(u.Path, "/")
	u.Path = "/" + database
	return u.String(), name
}

// TestDatabaseDropped drops the database under load: commands go on, reads say what is
// wrong, and once there is a database again it is filled and reads go on.
func TestDatabaseDropped(t *testing.T) {
	ownRows(t)
	database := postgrestest.Database(t)
	admin, name := another(t, database, "postgres")
	s := up(t, t.TempDir(), "--postgres", database)
	fill(t, s, "before-", 5)

	loading, stop := context.WithCancel(t.Context())
	defer stop()
	recorded := make(chan int, 1)
	go func() {
		n := 0
		for ; loading.Err() == nil; n++ {
			if _, err := register(context.WithoutCancel(loading), s.dial(), fmt.Sprint("load-", n)); err != nil {
				t.Errorf("a command without the database: %v", err)
			}
		}
		recorded <- n
	}()
	sql(t, admin, "DROP DATABASE "+name+" WITH (FORCE)")
	eventually(t, "the process is unready", func() bool { return strings.HasPrefix(s.readyz(), "READ_MODEL_UNAVAILABLE") })
	_, err := s.centres(0)
	if e, is := fault.FromStatus(err); !is || e.Reason != "READ_MODEL_UNAVAILABLE" || e.Kind != fault.Unavailable {
		t.Errorf("a read without the database: %v", err)
	}
	if _, errs, code := s.cli("centre", "list"); code != 1 || !strings.Contains(errs, "la base PostgreSQL qui répond aux lectures") {
		t.Errorf("a verb without the database: exit code %d, %s", code, errs)
	}
	sql(t, admin, "CREATE DATABASE "+name)
	eventually(t, "the process is ready", func() bool { return s.readyz() == "" })
	stop()
	if n, err := s.centres(s.model().GetHeadPosition()); err != nil || n < 5 {
		t.Errorf("%d centres on return, %v", n, err)
	}
	want := 5 + <-recorded
	resp, err := register(t.Context(), s.dial(), "last")
	must(t, err)
	if n, err := s.centres(resp.GetPosition()); err != nil || n != min(want+1, 1000) {
		t.Errorf("%d centres in the end, want %d: %v", n, want+1, err)
	}
}

// TestTwoKeepOneDatabase: of two processes one keeps the rows and both answer; when it is
// killed the other one goes on.
func TestTwoKeepOneDatabase(t *testing.T) {
	ownRows(t)
	database := postgrestest.Database(t)
	broker := startBroker(t, filepath.Join(t.TempDir(), "nats"), "127.0.0.1:0")
	t.Cleanup(broker.Shutdown)
	data := t.TempDir()
	writer := part(t, broker.URL(), "ledger", "topology", "--data", data)
	var both []*server
	for range 2 {
		both = append(both, part(t, broker.URL(), "registry", "--data", data, "--postgres", database))
	}
	record := func(name string) uint64 {
		t.Helper()
		resp, err := register(t.Context(), writer.dial(), name)
		must(t, err)
		return resp.GetPosition()
	}
	at := record("one")
	for _, s := range both {
		if n, err := s.centres(at); err != nil || n != 1 {
			t.Errorf("%d centres, %v", n, err)
		}
	}
	keepers := func() (n int) {
		for _, s := range both {
			if s.model().GetProjects() {
				n++
			}
		}
		return n
	}
	eventually(t, "one of them keeps the rows", func() bool { return keepers() == 1 })
	if both[1].model().GetProjects() {
		slices.Reverse(both)
	}
	if out, errs, code := verb(t, "rebuild", "--server", both[1].grpc); code != 0 || !strings.Contains(out, "Schéma lu : maillage_2") {
		t.Errorf("a rebuild through the one that waits: exit code %d\n%s%s", code, out, errs)
	}
	both[0].kill()
	at = record("two")
	if n, err := both[1].centres(at); err != nil || n != 2 {
		t.Errorf("%d centres, %v", n, err)
	}
	if !both[1].model().GetProjects() {
		t.Error("nobody keeps the rows")
	}
}

// TestHaltedRowsGoOn: what cannot be brought into the rows stops them, skipping nothing; what
// there is can be read, what comes after says why not, and once it can be they go on.
func TestHaltedRowsGoOn(t *testing.T) {
	ownRows(t)
	database, data := postgrestest.Database(t), t.TempDir()
	s := up(t, data, "--postgres", database)
	fill(t, s, "before-", 2)
	if n, err := s.centres(s.model().GetHeadPosition()); err != nil || n != 2 {
		t.Errorf("before: %d centres, %v", n, err)
	}
	sql(t, database, "ALTER TABLE "+s.model().GetSchema()+".centres ADD CONSTRAINT refused CHECK (false) NOT VALID")
	resp, err := register(t.Context(), s.dial(), "refused")
	must(t, err)
	fill(t, s, "after-", 2)
	eventually(t, "the process is unready", func() bool { return strings.HasPrefix(s.readyz(), "READ_MODEL_HALTED") })
	if n, err := s.centres(0); err != nil || n != 2 {
		t.Errorf("of what there is: %d centres, %v", n, err)
	}
	_, err = s.centres(resp.GetPosition())
	if e, is := fault.FromStatus(err); !is || e.Reason != "POSITION_NOT_REACHED" || !strings.Contains(e.Message, "halted") {
		t.Errorf("of what comes after: %v", err)
	}
	if m := s.model(); m.GetHalted().GetPosition() != resp.GetPosition() || m.GetHeadPosition() < resp.GetPosition()+2 || m.GetPosition() >= resp.GetPosition() {
		t.Errorf("it is told as %v", m)
	}
	if out, _, code := s.cli("rebuild", "--status"); code != 0 || !strings.Contains(out, "ARRÊTÉ") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	sql(t, database, "ALTER TABLE maillage_1.centres DROP CONSTRAINT refused")
	s = up(t, data, "--postgres", database)
	if n, err := s.centres(resp.GetPosition() + 2); err != nil || n != 5 {
		t.Errorf("gone on: %d centres, %v", n, err)
	}
	if m := s.model(); m.GetSchema() != "maillage_1" || m.GetHalted() != nil {
		t.Errorf("gone on: %v", m)
	}
}

package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/registry"
	"maillage/services/registry/postgres"
	"maillage/services/registry/postgres/postgrestest"
)

// drill is a register whose stores a test takes away: the broker's and the ledger, the rows in
// PostgreSQL, and beside them, never lost here, the vault, the keys and the copy of the head.
type drill struct {
	t        *testing.T
	data     string
	copied   string // the copy of the head
	database string
	admin    string // of the server of the database
	name     string // of the database
	files    string // of the auditor
	head     uint64 // at which the auditor looked
	digest   string
	answers  map[string]string
	root     string
}

// TestRestoreDrills: any two of the stream, the ledger and PostgreSQL bring the register back,
// where one of the two logs is left: the same positions under the same root, the same state from
// memory, from the rows and from an auditor's bundle, which extends the one of before, the same
// answers to the byte, and new commands go on. Nothing is signed anew for what was signed.
func TestRestoreDrills(t *testing.T) {
	ownRows(t)
	base := baseOfDrills(t)
	for name, tc := range map[string]struct {
		kill    bool
		lose    []string
		restore string
	}{
		"the stream":                             {false, []string{"nats"}, "--stream"},
		"the stream after a kill":                {true, []string{"nats"}, "--stream"},
		"the ledger":                             {false, []string{"ledger"}, "--ledger"},
		"the ledger after a kill":                {true, []string{"ledger"}, "--ledger"},
		"PostgreSQL after a kill":                {true, []string{"postgres"}, ""},
		"the stream and PostgreSQL":              {false, []string{"nats", "postgres"}, "--stream"},
		"the stream and PostgreSQL after a kill": {true, []string{"nats", "postgres"}, "--stream"},
		"the ledger and PostgreSQL":              {false, []string{"ledger", "postgres"}, "--ledger"},
		"the ledger and PostgreSQL after a kill": {true, []string{"ledger", "postgres"}, "--ledger"},
		"PostgreSQL":                             {false, []string{"postgres"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDrill(t, base)
			s := d.up()
			acked := d.look(s, tc.kill)
			d.lose(tc.lose...)
			if tc.restore != "" {
				refused(t, d.data, "--head-copy", d.copied)
				succeeds(t, "restore", tc.restore, "--data", d.data, "--head-copy", d.copied)
			}
			s = d.up()
			d.same(s, tc.kill)
			for request, centre := range acked {
				if _, err := registryv1.NewRegistryServiceClient(s.dial()).GetCentre(t.Context(), &registryv1.GetCentreRequest{CentreId: centre}); err != nil {
					t.Errorf("%s was acknowledged as %s: %v", request, centre, err)
				}
			}
			d.goesOn(s)
			s.stop()
		})
	}
}

// TestBothLogsLost: rows in PostgreSQL hold the bytes of every record, and prove none: where
// both logs are lost nothing is restored from them, nothing new is begun over what was, and it
// is said what is lost. One log that comes back from a copy brings everything back.
func TestBothLogsLost(t *testing.T) {
	ownRows(t)
	d := newDrill(t, baseOfDrills(t))
	s := d.up()
	d.look(s, false)
	aside := filepath.Join(t.TempDir(), "ledger")
	copyTree(t, filepath.Join(d.data, "ledger"), aside)
	d.lose("nats", "ledger")
	for _, more := range [][]string{{"--head-copy", d.copied}, nil, {"--postgres", d.database}} { // the second time the stores are there, and empty
		s := launch(t, append([]string{"up", "--data", d.data, "--grpc", "127.0.0.1:0", "--http", "off", "--nats", "off"}, more...)...)
		text, code := "", s.exit()
		if text, _ = s.log.get(); code != exitDamage || !strings.Contains(text, "LOG_LOST") || !strings.Contains(text, fmt.Sprint(d.head, " positions")) {
			t.Errorf("%v: exit code %d\n%s", more, code, tailOf(text, 1000))
		}
	}
	for what, reason := range map[string]string{"--stream": "LEDGER_EMPTY", "--ledger": "STREAM_EMPTY", "--new-epoch": "LOG_EMPTY"} {
		_, errs, code := verb(t, "restore", what, "--reason", "essai", "--data", d.data, "--head-copy", d.copied)
		if code == 0 || !strings.Contains(errs, reason) {
			t.Errorf("restore %s: exit code %d, %s, want %s", what, code, errs, reason)
		}
	}
	must(t, os.RemoveAll(filepath.Join(d.data, "ledger")))
	copyTree(t, aside, filepath.Join(d.data, "ledger"))
	succeeds(t, "restore", "--stream", "--data", d.data, "--head-copy", d.copied)
	s = d.up()
	d.same(s, false)
	d.goesOn(s)
	s.stop()
}

// baseOfDrills is the data of a register with the seeds, and acts that name people.
func baseOfDrills(t *testing.T) string {
	t.Helper()
	data := t.TempDir()
	s := up(t, data)
	seedOnce(t, s)
	d := deskOf(t, s)
	network := d.network("Maladies de l'essai", "ESSAI", d.filiere("ESSAIS"))
	c2017, c2023 := d.cycle("essai 2017", "2017-08-08", "2022-08-08"), d.cycle("essai 2023", "2023-12-29", "2028-12-29")
	first := grant(d.centre("Équipe de l'essai", d.hospital("Hôpital de l'essai", "Brest", "29")), network, coordinator, c2017, "2017-08-08", "2022-08-08")
	first.HeadName = "Pr Personne Inventée"
	_, labels := d.record("Arrêté de l'essai, 2017", "2017-08-08", "2017-08-10", c2017, grants(first))
	next := grant("", "", coordinator, c2023, "2023-12-29", "2028-12-29")
	next.Holder = first.Holder
	next.HeadName = "Dr Autre Invention"
	d.record("Arrêté de l'essai, 2023", "2023-12-26", "2023-12-29", c2023, renews(labels[0], next))
	d.office(&labellingv1.TakeOfficeRequest{HolderId: network, Kind: labellingv1.OfficeKind_OFFICE_KIND_COORDINATOR, Name: "Pr Personne Inventée", Start: "2017-09-01"})
	s.stop()
	return data
}

func newDrill(t *testing.T, base string) *drill {
	t.Helper()
	d := &drill{t: t, data: t.TempDir(), files: t.TempDir(), copied: filepath.Join(t.TempDir(), "head"), database: postgrestest.Database(t)}
	d.admin, d.name = another(t, d.database, "postgres")
	copyTree(t, base, d.data)
	must(t, os.Chmod(filepath.Join(d.data, "key", "checkpoint"), 0o600))
	return d
}

func (d *drill) up() *server {
	d.t.Helper()
	return up(d.t, d.data, "--head-copy", d.copied, "--postgres", d.database)
}

func (d *drill) file(name string) string { return filepath.Join(d.files, name) }

// look records what there is, through an auditor's eyes too, and ends the process: as an
// operator does, or while it records. It returns the centres that were acknowledged then.
func (d *drill) look(s *server, kill bool) (acked map[string]string) {
	d.t.Helper()
	fill(d.t, s, "before-", 3)
	d.head, d.root = size(d.t, s), root(d.t, s)
	d.digest, d.answers = d.digestAt(s), d.asked(s)
	if rows := digestOfRows(d.t, d.database, d.head); rows != d.digest {
		d.t.Errorf("before: the rows have digest %s, memory %s", rows, d.digest)
	}
	s.succeeds("audit", "bundle", "--out", d.file("before"))
	succeeds(d.t, "audit", "verify", d.file("before"), "--key", publicKey(d.t, d.data), "--keep", d.file("kept"))
	if !kill {
		s.stop()
		return nil
	}
	acked, done := map[string]string{}, make(chan struct{})
	enough := make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			request := fmt.Sprint("load-", n)
			resp, err := register(d.t.Context(), s.dial(), request)
			if err != nil {
				return // it was killed
			}
			if acked[request] = resp.GetCentreId(); n == 20 {
				close(enough)
			}
		}
	}()
	select {
	case <-enough:
	case <-done:
		d.t.Fatal("what is recorded is not acknowledged")
	}
	s.kill()
	<-done
	return acked
}

// lose takes stores away, the directories of the logs or the database.
func (d *drill) lose(stores ...string) {
	d.t.Helper()
	for _, store := range stores {
		if store == "postgres" {
			sql(d.t, d.admin, "DROP DATABASE "+d.name+" WITH (FORCE)")
			sql(d.t, d.admin, "CREATE DATABASE "+d.name)
			continue
		}
		must(d.t, os.RemoveAll(filepath.Join(d.data, store)))
	}
}

// same compares what there is with what there was.
func (d *drill) same(s *server, more bool) {
	d.t.Helper()
	if now := root(d.t, s); !more && now != d.root {
		d.t.Errorf("head %s, was %s", now, d.root)
	}
	if now := d.digestAt(s); now != d.digest {
		d.t.Errorf("from memory the state has digest %s, had %s", now, d.digest)
	}
	if rows := digestOfRows(d.t, d.database, d.head); rows != d.digest {
		d.t.Errorf("from the rows the state has digest %s, had %s", rows, d.digest)
	}
	sameAnswers(d.t, "restored", d.asked(s), d.answers)
	key, kept := publicKey(d.t, d.data), d.file("kept")
	signed, err := os.ReadFile(kept)
	must(d.t, err)
	if now := s.succeeds("ledger", "checkpoint"); !more && now != string(signed) {
		d.t.Errorf("another checkpoint is signed:\n%s\nwas\n%s", now, signed)
	}
	d.audited(s, "after", key, kept)
}

// audited has an auditor compare what the register holds with what was kept.
func (d *drill) audited(s *server, name, key, kept string) {
	d.t.Helper()
	s.succeeds("audit", "bundle", "--out", d.file(name))
	succeeds(d.t, "audit", "verify", d.file(name), "--key", key, "--kept", kept)
	if out := succeeds(d.t, "audit", "replay", d.file(name), "--key", key, "--at", fmt.Sprint(d.head)); !strings.Contains(out, "Empreinte de l'état à la position "+fmt.Sprint(d.head)+" : "+d.digest) {
		d.t.Errorf("an auditor's replay says\n%s\nnot %s", out, d.digest)
	}
}

// goesOn records more, and signs what extends what was signed.
func (d *drill) goesOn(s *server) {
	d.t.Helper()
	before := size(d.t, s)
	fill(d.t, s, "after-", 3)
	if now := size(d.t, s); now < before+3 {
		d.t.Errorf("%d positions after 3 commands, %d before", now, before)
	}
	if n, err := s.centres(size(d.t, s)); err != nil || n < 3 {
		d.t.Errorf("%d centres, %v", n, err)
	}
	d.audited(s, "later", publicKey(d.t, d.data), d.file("kept"))
	eventually(d.t, "the rows have come as far", func() bool { return s.readyz() == "" })
}

// digestAt is the digest of the state at the head that was looked at, from memory.
func (d *drill) digestAt(s *server) string {
	d.t.Helper()
	r, err := ledgerv1.NewLedgerServiceClient(s.dial()).GetStateDigest(d.t.Context(), &ledgerv1.GetStateDigestRequest{Position: d.head})
	must(d.t, err)
	return fmt.Sprintf("%x", r.GetDigest())
}

// digestOfRows is the digest of the state at a position, as PostgreSQL computes it from its
// columns, beside the process that keeps them.
func digestOfRows(t *testing.T, database string, at uint64) (digest string) {
	t.Helper()
	none := postgres.Register{View: func(ctx context.Context, _ uint64, _ func(*registry.State, uint64)) error { // another process keeps them
		<-ctx.Done()
		return ctx.Err()
	}}
	store, err := postgres.Open(t.Context(), database, none, slog.New(slog.DiscardHandler))
	must(t, err)
	defer store.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- store.Run(ctx) }()
	defer func() { cancel(); must(t, <-done) }()
	eventually(t, "the rows can be read", func() bool {
		d, _, err := store.Digest(ctx, at)
		digest = fmt.Sprintf("%x", d)
		return err == nil
	})
	return digest
}

// asked are the answers to a small set of reads, with names, as known where it was looked at;
// without where the head is, which moves on.
func (d *drill) asked(s *server) map[string]string {
	d.t.Helper()
	label := field(strings.ReplaceAll(s.succeeds("label", "list", "--valid-at", "2018-01-01", "--text", "de l'essai", "--json"), ",", " "), `"labelId":`)
	all := map[string]string{}
	for _, q := range [][]string{
		{"label", "list", "--valid-at", "2018-01-01", "--filiere", "ESSAIS"},
		{"label", "list", "--valid-at", "2024-01-01", "--role", "coordinator"},
		{"label", "history", label, "--valid-at", "2024-01-01"},
		{"act", "list", "--valid-at", "2024-01-01"},
		{"coverage", "--valid-at", "2023-06-01"},
		{"count", "--unit", "label", "--by", "filière", "--valid-at", "2018-01-01"},
	} {
		answered := lines(d.t, s.succeeds(append(slices.Clone(q), "--known-at", fmt.Sprint(d.head), "--json")...))
		for _, one := range answered {
			if resolved, is := one["resolved"].(map[string]any); is {
				delete(resolved, "headPosition")
			}
		}
		all[strings.Join(q, " ")] = compactAll(d.t, answered)
	}
	if text := fmt.Sprint(all); !strings.Contains(text, "Personne Inventée") {
		d.t.Errorf("no name of a person in %.600s", text)
	}
	return all
}

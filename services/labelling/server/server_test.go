package server_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/eventlog"
	"maillage/services/labelling"
	"maillage/services/labelling/server"
	"maillage/services/ledger"
	"maillage/services/projection"
	"maillage/services/submit"
	"maillage/services/topology"
	topologyserver "maillage/services/topology/server"
	"maillage/services/vault"
)

// states are the two folds that the commands are decided on.
type states struct {
	labelling labelling.State
	topology  topology.State
}

func (s *states) evolve(r eventlog.Record) (*eventv1.Meta, error) {
	if strings.HasPrefix(r.Subject, "registry.labelling.") {
		e := &labellingv1.Event{}
		err := errors.Join(proto.Unmarshal(r.Body, e), s.labelling.Evolve(r.Position, e))
		return e.GetMeta(), err
	}
	e := &topologyv1.Event{}
	err := errors.Join(proto.Unmarshal(r.Body, e), s.topology.Evolve(r.Position, e))
	return e.GetMeta(), err
}

func (s *states) fold() projection.Fold {
	return projection.Fold{
		Evolve:   s.evolve,
		Rollback: func(to uint64) { s.labelling.Rollback(to); s.topology.Rollback(to) },
		Settle:   func(to uint64) { s.labelling.Settle(to); s.topology.Settle(to) },
	}
}

// desk takes commands over a log of one filière until the test ends.
func desk(t *testing.T) (*submit.Desk, *states, *eventlog.Memory) {
	t.Helper()
	log := eventlog.NewMemory()
	body, err := proto.Marshal(&topologyv1.Event{
		Meta: &eventv1.Meta{Schema: 1, CommitSize: 1},
		Fact: &topologyv1.Event_FiliereRegistered{FiliereRegistered: &topologyv1.FiliereRegistered{FiliereId: "F"}},
	})
	if err == nil {
		err = log.Append(t.Context(), 0, []eventlog.Record{{Subject: "registry.topology.filiere.F", Body: body}})
	}
	if err != nil {
		t.Fatal(err)
	}
	store, err := ledger.Open(filepath.Join(t.TempDir(), "ledger"), "")
	if err != nil {
		t.Fatal(err)
	}
	v, err := vault.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := new(states)
	d := &submit.Desk{Vault: v, Rights: projection.Rights{Own: "registry."}, Runner: projection.NewRunner(projection.Config{Log: log, Ledger: store, Fold: s.fold()})}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := d.Runner.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait(); _ = store.Close() })
	return d, s, log
}

// An RPPS number whose key is right tells who the person is, the same in every office
// and however it is written; one whose key is wrong tells nobody. Neither the number nor
// the name reaches the log.
func TestTakeOffice(t *testing.T) {
	d, s, log := desk(t)
	ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs(submit.IdentityKey, "officer"))
	basis := &eventv1.Basis{Source: "test"}
	offices := server.New(d, &s.labelling, &s.topology)
	var holders []string
	for _, title := range []string{"one", "two", "three"} {
		n, err := topologyserver.New(d, &s.topology, nil).RegisterNetwork(ctx, &topologyv1.RegisterNetworkRequest{Basis: basis, Title: title})
		if err != nil {
			t.Fatal(err)
		}
		holders = append(holders, n.GetNetworkId())
	}
	const name, number = "Jeanne Martin", "10100234565"
	var persons []string
	for i, rpps := range []string{number, "101 0023 4565", "10100234560"} {
		resp, err := offices.TakeOffice(ctx, &labellingv1.TakeOfficeRequest{
			Basis: basis, HolderId: holders[i], Kind: labellingv1.OfficeKind_OFFICE_KIND_COORDINATOR, Name: name, Rpps: rpps, Start: "2024",
		})
		if err != nil {
			t.Fatal(err)
		}
		rec, err := log.Get(ctx, resp.GetPosition())
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(rec.Body, []byte(rpps)) || bytes.Contains(rec.Body, []byte(name)) {
			t.Errorf("the log holds personal data: %q", rec.Body)
		}
		var e labellingv1.Event
		if err := proto.Unmarshal(rec.Body, &e); err != nil {
			t.Fatal(err)
		}
		if e.GetOfficeTaken().GetOfficeId() != resp.GetOfficeId() || e.GetOfficeTaken().GetName() == nil {
			t.Errorf("taken is %v", &e)
		}
		persons = append(persons, e.GetOfficeTaken().GetPersonId())
	}
	if persons[0] == "" || persons[1] != persons[0] || persons[2] != "" {
		t.Errorf("persons are %q", persons)
	}
}

// TestARefusedOfficeLeavesNothing: neither the name nor the number of a person whose office
// is refused stays in the vault; the number of one who has an office does.
func TestARefusedOfficeLeavesNothing(t *testing.T) {
	d, s, _ := desk(t)
	dir := t.TempDir()
	var err error
	if d.Vault, err = vault.Open(dir); err != nil {
		t.Fatal(err)
	}
	kept := func() (n int) {
		for _, pattern := range []string{"values/*/*", "accounts/*"} {
			files, err := filepath.Glob(filepath.Join(dir, pattern))
			if err != nil {
				t.Fatal(err)
			}
			n += len(files)
		}
		return n
	}
	ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs(submit.IdentityKey, "officer"))
	basis := &eventv1.Basis{Source: "test"}
	offices := server.New(d, &s.labelling, &s.topology)
	n, err := topologyserver.New(d, &s.topology, nil).RegisterNetwork(ctx, &topologyv1.RegisterNetworkRequest{Basis: basis, Title: "one"})
	if err != nil {
		t.Fatal(err)
	}
	take := func(holder, rpps string) error {
		_, err := offices.TakeOffice(ctx, &labellingv1.TakeOfficeRequest{
			Basis: basis, HolderId: holder, Kind: labellingv1.OfficeKind_OFFICE_KIND_COORDINATOR, Name: "Jeanne Martin", Rpps: rpps, Start: "2024",
		})
		return err
	}
	before := kept()
	if err := take("0000000000", "10100234565"); err == nil {
		t.Fatal("an office of nobody is taken")
	}
	if after := kept(); after != before {
		t.Errorf("the vault keeps %d files, and %d once the office is refused", before, after)
	}
	if err := take(n.GetNetworkId(), "10100234565"); err != nil {
		t.Fatal(err)
	}
	before = kept()
	if err := take("0000000000", "10100234565"); err == nil {
		t.Fatal("an office of nobody is taken")
	}
	if err := take(n.GetNetworkId(), "10100234565"); err == nil {
		t.Fatal("an office is taken twice by one person")
	}
	if after := kept(); after != before {
		t.Errorf("the vault keeps %d files, and %d once two offices are refused", before, after)
	}
}

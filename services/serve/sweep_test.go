package serve

import (
	"context"
	"errors"
	"iter"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/eventlog"
	"maillage/services/identifier"
	"maillage/services/submit"
	"maillage/services/vault"
)

// run runs a process and returns where it can be asked, and what ends it.
func run(t testing.TB, c Config) (conn *grpc.ClientConn, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	at, ended := make(chan Addresses, 1), make(chan error, 1)
	go func() { ended <- Run(ctx, c, func(a Addresses) { at <- a }) }()
	var a Addresses
	select {
	case a = <-at:
	case err := <-ended:
		cancel()
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(a.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithUnaryInterceptor(submit.Connect("officer")))
	if err != nil {
		t.Fatal(err)
	}
	var once bool
	stop = func() {
		if once {
			return
		}
		once = true
		_ = conn.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return conn, stop
}

// kept is the ids of the values of a vault, accounts left out.
func kept(t *testing.T, v *vault.Vault) []string {
	t.Helper()
	all, err := v.PutBefore(time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(all))
}

// TestSweep: what a process left in the vault when it was killed is erased at the next
// start, and nothing else: neither what an event refers to, nor what only the document of
// a draft does, nor what is young.
func TestSweep(t *testing.T) {
	c := Config{Data: t.TempDir(), NATS: "off", GRPC: "127.0.0.1:0", HTTP: "off"}
	conn, stop := run(t, c)
	basis := &eventv1.Basis{Source: "test"}
	topology, labelling := topologyv1.NewTopologyServiceClient(conn), labellingv1.NewLabellingServiceClient(conn)
	network, err1 := topology.RegisterNetwork(t.Context(), &topologyv1.RegisterNetworkRequest{Basis: basis, Title: "N"})
	hospital, err0 := topology.RegisterEstablishment(t.Context(), &topologyv1.RegisterEstablishmentRequest{Basis: basis, Name: "CHU de Brest", Place: &topologyv1.Place{City: "Brest"}})
	centre, err2 := topology.RegisterCentre(t.Context(), &topologyv1.RegisterCentreRequest{Basis: basis, EstablishmentIds: []string{hospital.GetEstablishmentId()}})
	_, err3 := labelling.GrantLabel(t.Context(), &labellingv1.GrantLabelRequest{Basis: basis, Grant: &labellingv1.Grant{
		Holder: &labellingv1.Grant_Site{Site: &labellingv1.SiteRef{CentreId: centre.GetCentreId(), NetworkId: network.GetNetworkId()}},
		Role:   labellingv1.Role_ROLE_COMPETENCE, Period: &eventv1.Period{Start: "2024-01-01", End: "2029-01-01"}, HeadName: "Dr TÉMOIN",
	}})
	_, err4 := labelling.PrepareAct(t.Context(), &labellingv1.PrepareActRequest{Annex: &labellingv1.Annex{
		Basis: basis, Successions: []*labellingv1.Succession{{Network: "N", Establishment: "CHU de Brest", City: "Brest", Incoming: "Dr NOUVELLE", Date: "2024-05-01"}},
	}})
	if err := errors.Join(err0, err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	stop()
	v, err := vault.Open(filepath.Join(c.Data, "vault"))
	if err != nil {
		t.Fatal(err)
	}
	want := kept(t, v)
	if len(want) != 3 {
		t.Fatalf("%d values: a head, a draft and the head it prints", len(want))
	}
	if _, err := v.Put(t.Context(), "head", "Dr ORPHELIN", "Dr ORPHELINE"); err != nil {
		t.Fatal(err)
	}
	for _, age := range []time.Duration{0, time.Nanosecond} { // as it is, and of any age
		c.orphanAge = age
		_, stop = run(t, c)
		deadline := time.Now().Add(10 * time.Second)
		for len(kept(t, v)) > 3 && age > 0 {
			if time.Now().After(deadline) {
				t.Fatal("the orphans are there")
			}
		}
		stop()
		if got := kept(t, v); age == 0 && len(got) != 5 || age > 0 && !slices.Equal(got, want) {
			t.Errorf("of an age of %v at least: %v are kept, of which %v are referred to", age, got, want)
		}
	}
}

// The log is read whole, what stood in the vault before it was the log's is none of its
// orphans, and where another log used the vault nothing is erased.
func TestSweepLeavesWhatIsNotTheLogs(t *testing.T) {
	check := [32]byte{1}
	day := time.Date(2026, 1, 10, 12, 0, 0, 0, time.UTC)
	id := identifier.NewID()
	record := func(position uint64, check []byte) eventlog.Record {
		body, err := proto.Marshal(&ledgerv1.Event{
			Meta: &eventv1.Meta{RecordTime: timestamppb.New(day)}, Fact: &ledgerv1.Event_VaultBound{VaultBound: &ledgerv1.VaultBound{Check: check, Reason: "not " + id + "X, but X" + id}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return eventlog.Record{Position: position, Subject: "registry.ledger.log.X", Body: body}
	}
	other, bound := record(1, []byte("other")), record(2, check[:])
	bare := identifier.NewID()
	for _, tc := range []struct {
		name    string
		records []eventlog.Record
		put     time.Duration // after the vault was bound
		fails   bool
		then    int // orphans
	}{
		{"put since", []eventlog.Record{other, bound}, time.Second, false, 1},
		{"put before", []eventlog.Record{other, bound}, -time.Second, false, 0},
		{"a log that ends early", []eventlog.Record{other}, time.Second, true, 2},
		{"a vault of another log", []eventlog.Record{other, record(2, []byte("other"))}, time.Second, true, 2},
	} {
		o := orphans{check: check, values: map[string]time.Time{id: day.Add(tc.put), bare: day.Add(tc.put)}}
		err := o.keepRecorded(sequence(tc.records), 2)
		if (err != nil) != tc.fails || !tc.fails && len(o.values) != tc.then {
			t.Errorf("%s: %v, %v", tc.name, o.values, err)
		}
		if _, orphan := o.values[id]; orphan && !tc.fails {
			t.Errorf("%s: what a record names is an orphan", tc.name)
		}
	}
	v, err := vault.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range []bool{true, true, false} {
		alone, err := v.Enrol([32]byte{byte(n / 2)})
		if err != nil || alone != want {
			t.Errorf("log %d: %v, %v", n/2, alone, err)
		}
	}
}

func sequence(records []eventlog.Record) iter.Seq2[eventlog.Record, error] {
	return func(yield func(eventlog.Record, error) bool) {
		for _, r := range records {
			if !yield(r, nil) {
				return
			}
		}
	}
}

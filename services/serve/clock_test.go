package serve

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/eventlog"
	"maillage/services/labelling"
	"maillage/services/ledger"
	"maillage/services/projection"
	"maillage/services/registry"
	"maillage/services/topology"
	"maillage/services/vault"
)

func TestUntilLook(t *testing.T) {
	for at, want := range map[string]time.Duration{
		"2027-01-15T12:00:00Z": time.Hour,
		"2027-01-15T22:59:59Z": time.Second,
		"2027-01-15T23:00:00Z": time.Hour,
		"2027-03-27T22:30:00Z": 30 * time.Minute, // the night before the day of 23 hours
		"2027-03-28T00:59:00Z": time.Hour,
		"2027-03-28T21:30:00Z": 30 * time.Minute, // and the night after it
		"2027-10-30T21:30:00Z": 30 * time.Minute, // the same of the day of 25 hours
		"2027-10-31T21:30:00Z": time.Hour,
		"2027-10-31T22:30:00Z": 30 * time.Minute,
	} {
		now, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := untilLook(now); got != want {
			t.Errorf("at %s: %v, want %v", at, got, want)
		}
	}
}

// replica is a process with a clock, on a log that others share.
type replica struct {
	*clock
	state registry.State
}

// world is a log with its first record and the replicas on it, the first of which keeps
// the ledger. All ends with the test.
type world struct {
	t     *testing.T
	log   *eventlog.Memory
	vault *vault.Vault
	all   []*replica
}

func newWorld(t *testing.T, replicas int) *world {
	w := &world{t: t, log: eventlog.NewMemory()}
	body, err := proto.Marshal(&ledgerv1.Event{
		Meta: &eventv1.Meta{Schema: 1, CommitSize: 1},
		Fact: &ledgerv1.Event_LogOpened{LogOpened: &ledgerv1.LogOpened{LogId: "LOG"}},
	})
	if err == nil {
		err = w.log.Append(t.Context(), 0, []eventlog.Record{{Subject: "registry.ledger.log.LOG", Body: body}})
	}
	if err != nil {
		t.Fatal(err)
	}
	store, err := ledger.Open(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	if w.vault, err = vault.Open(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	account, err := w.vault.Account("maillage", "clock")
	if err != nil {
		t.Fatal(err)
	}
	var others []*replica
	announce := func(h ledger.Head) {
		for _, r := range others {
			r.runner.Announced(h)
		}
	}
	for i := range replicas {
		r := &replica{}
		config := projection.Config{Log: w.log, Fold: projection.Fold{Evolve: r.state.Evolve, Rollback: r.state.Rollback, Settle: r.state.Settle}}
		if i == 0 {
			config.Ledger, config.Announce = store, announce
		} else {
			others = append(others, r)
		}
		r.clock = &clock{
			runner: projection.NewRunner(config), state: &r.state, vault: w.vault, account: account,
			has: func(Part) bool { return true }, now: time.Now,
		}
		w.all = append(w.all, r)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, r := range slices.Backward(w.all) { // the ledger's last: it announces
		wg.Go(func() {
			if err := r.runner.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() { cancel(); wg.Wait(); _ = store.Close() })
	return w
}

// record records a label with an end and a network renamed on a day.
func (w *world) record(label, end, network, from string) {
	w.t.Helper()
	meta := func() *eventv1.Meta { return &eventv1.Meta{Basis: &eventv1.Basis{Source: "test"}} }
	do := func(id string, facts ...projection.Event) {
		for _, e := range facts {
			if _, err := w.all[0].runner.Do(w.t.Context(), projection.Command{
				Actor: &eventv1.Actor{Account: "officer"}, RequestID: id, Digest: []byte("d"), Rights: projection.Rights{Own: "registry."}, Decide: func() ([]projection.Event, error) { return []projection.Event{e}, nil },
			}); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	do(label, labellingEvents([]*labellingv1.Event{{Meta: meta(), Fact: &labellingv1.Event_LabelGranted{LabelGranted: &labellingv1.LabelGranted{
		LabelId: label, Holder: &labellingv1.Holder{Holder: &labellingv1.Holder_NetworkId{NetworkId: network}}, Period: &eventv1.Period{Start: "1999", End: end},
	}}}})...)
	do(network, topologyEvents([]*topologyv1.Event{{Meta: meta(), Fact: &topologyv1.Event_NetworkRegistered{NetworkRegistered: &topologyv1.NetworkRegistered{NetworkId: network, ValidFrom: from}}}})...)
}

// start runs the clocks of all replicas until the test ends.
func (w *world) start() {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, r := range w.all {
		wg.Go(func() { r.run(ctx) })
	}
	w.t.Cleanup(func() { cancel(); wg.Wait() })
}

// told is what the log tells, sorted.
func (w *world) told() (out []string) {
	w.t.Helper()
	synctest.Wait()
	for rec, err := range w.log.Read(w.t.Context(), 1) {
		if err != nil {
			w.t.Fatal(err)
		}
		var l labellingv1.Event
		var p topologyv1.Event
		if proto.Unmarshal(rec.Body, &l) == nil && l.GetTermReached() != nil && rec.Subject == labelling.Subject(&l) {
			out = append(out, "term "+l.GetTermReached().GetLabelId()+" "+l.GetTermReached().GetEnd())
		}
		if proto.Unmarshal(rec.Body, &p) == nil && p.GetDayReached() != nil && rec.Subject == topology.Subject(&p) {
			out = append(out, "day "+p.GetDayReached().GetEntityId()+" "+p.GetDayReached().GetDate())
		}
	}
	slices.Sort(out)
	return out
}

// sleepUntil lets the time of the test pass.
func sleepUntil(t *testing.T, instant string) {
	t.Helper()
	to, err := time.Parse(time.RFC3339, instant)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Until(to))
}

// A term is told when its day begins in Paris, in winter, and after the days of 23 and
// of 25 hours, once, whether one process runs or two. What was past when it was recorded
// is not told.
func TestClockTellsAtMidnight(t *testing.T) {
	for _, c := range []struct {
		name, from, end, before, at string
		replicas                    int
	}{
		{"winter", "2000-01-15T12:00:00Z", "2000-01-16", "2000-01-15T22:59:59Z", "2000-01-15T23:00:01Z", 1},
		{"after 23 hours", "2000-03-26T12:00:00Z", "2000-03-27", "2000-03-26T21:59:59Z", "2000-03-26T22:00:01Z", 1},
		{"after 25 hours", "2000-10-29T12:00:00Z", "2000-10-30", "2000-10-29T22:59:59Z", "2000-10-29T23:00:01Z", 1},
		{"two processes", "2000-03-26T12:00:00Z", "2000-03-27", "2000-03-26T21:59:59Z", "2000-03-26T22:00:05Z", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sleepUntil(t, c.from)
				w := newWorld(t, c.replicas)
				w.record("LABEL", c.end, "NETWORK", c.end)
				w.record("PAST", "1999-12-31", "OLD", "1990-01-01")
				w.start()
				sleepUntil(t, c.before)
				if got := w.told(); got != nil {
					t.Errorf("told before the day: %q", got)
				}
				sleepUntil(t, c.at)
				want := []string{"day NETWORK " + c.end, "term LABEL " + c.end}
				if got := w.told(); !slices.Equal(got, want) {
					t.Errorf("told %q, want %q", got, want)
				}
				time.Sleep(3 * time.Hour)
				if got := w.told(); !slices.Equal(got, want) {
					t.Errorf("hours later, told are %q, want %q", got, want)
				}
			})
		})
	}
}

// What came while no process ran is told when one starts.
func TestClockTellsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.record("LABEL", "2000-01-02", "NETWORK", "2000-01-02")
		sleepUntil(t, "2000-01-03T10:00:00Z") // no clock ran at midnight
		w.start()
		if got, want := w.told(), []string{"day NETWORK 2000-01-02", "term LABEL 2000-01-02"}; !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
	})
}

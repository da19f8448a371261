package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"maillage/services/serve"
)

// TestAccounts runs each service under its own account of deploy/nats/registry.conf: all
// they do there is permitted, a seat created by an act of labelling included, and what
// belongs to another is not.
func TestAccounts(t *testing.T) {
	alone(t)
	for _, p := range append([]serve.Part{"activity"}, serve.Parts...) {
		t.Setenv("MAILLAGE_"+strings.ToUpper(string(p))+"_PASSWORD", "pass-of-"+string(p))
	}
	options, err := natsserver.ProcessConfigFile("../../deploy/nats/registry.conf")
	must(t, err)
	options.Port, options.StoreDir, options.NoSigs, options.NoLog = natsserver.RANDOM_PORT, t.TempDir(), true, true
	broker, err := natsserver.NewServer(options)
	must(t, err)
	go broker.Start()
	defer broker.WaitForShutdown()
	defer broker.Shutdown()
	if !broker.ReadyForConnections(10 * time.Second) {
		t.Fatal("the broker is not ready")
	}
	url := func(p serve.Part) string { return fmt.Sprintf("nats://%s:pass-of-%s@%s", p, p, broker.Addr()) }

	d := deskOf(t, eachAlone(t, t.TempDir(), url))
	filiere := d.filiere("RespiFIL")
	cycle := d.cycle("2023-2028", "2023-12-29", "2028-12-29")
	_, plan := d.enact(act2023(cycle, of(filiere, complete), row("Maladies pulmonaires rares", coordinator, "Hospices civils de Lyon", "Lyon")))
	if len(plan.GetTopology()) == 0 {
		t.Error("the act creates nothing, so that labelling published nothing of topology")
	}
	for _, p := range d.services {
		if text, _ := p.log.get(); strings.Contains(text, "ermissions") || strings.Contains(text, "pass-of-") {
			t.Errorf("a service was not permitted something, or told its password:\n%s", text)
		}
	}
	before := root(t, d.server)
	for _, tc := range []struct {
		as      serve.Part
		subject string
	}{
		{serve.Topology, "registry.labelling.label.A000000001"},
		{serve.Topology, "registry.ledger.log.A000000001"},
		{serve.Topology, "ledger.head"},
		{serve.Topology, "$JS.API.STREAM.PURGE.REGISTRY"},
		{serve.Labelling, "registry.activity.report.A000000001"},
		{serve.Labelling, "registry.ledger.log.A000000001"},
		{serve.Registry, "registry.topology.centre.A000000001"},
		{serve.Registry, "ledger.bind"},
		{"activity", "registry.labelling.label.A000000001"},
		{serve.Ledger, "registry.labelling.label.A000000001"},
		{serve.Topology, "$JS.API.STREAM.DELETE.REGISTRY"},
	} {
		if said := publishAs(t, url(tc.as), tc.subject); !strings.Contains(strings.ToLower(said), "permissions violation") {
			t.Errorf("%s published %s: the broker said %q", tc.as, tc.subject, said)
		}
	}
	if said := publishAs(t, url(serve.Topology), "ledger.turn"); said != "" {
		t.Errorf("topology published ledger.turn: the broker said %q", said)
	}
	if after := root(t, d.server); after != before {
		t.Errorf("head %s, was %s", after, before)
	}
}

// publishAs publishes something and returns what the broker says against it.
func publishAs(t *testing.T, url, subject string) string {
	t.Helper()
	conn, err := nats.Connect(url)
	must(t, err)
	defer conn.Close()
	must(t, conn.Publish(subject, []byte("forged")))
	must(t, conn.Flush())
	if err := conn.LastError(); err != nil {
		return err.Error()
	}
	return ""
}

package projection_test

import (
	"testing"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/projection"
)

// A part publishes its own subjects alone; those of another part only in one commit with
// what gives it the right. Anything else is refused whole, and nothing is appended.
func TestRights(t *testing.T) {
	plain := projection.Rights{Own: "registry.topology."}
	acts := projection.Rights{Own: "registry.labelling.", Beside: "registry.topology.", With: []string{"registry.labelling.act."}}
	for name, tc := range map[string]struct {
		rights   projection.Rights
		subjects []string
		refused  bool
	}{
		"its own":                    {plain, []string{"registry.topology.centre.A", "registry.topology.network.B"}, false},
		"another's":                  {plain, []string{"registry.labelling.label.A"}, true},
		"another's among its own":    {plain, []string{"registry.topology.centre.A", "registry.labelling.label.A"}, true},
		"a name that begins alike":   {plain, []string{"registry.topologyx.centre.A"}, true},
		"beside an act":              {acts, []string{"registry.topology.centre.A", "registry.labelling.act.B"}, false},
		"beside no act":              {acts, []string{"registry.topology.centre.A", "registry.labelling.label.B"}, true},
		"a third part's, beside one": {acts, []string{"registry.ledger.log.A", "registry.labelling.act.B"}, true},
		"no rights":                  {projection.Rights{}, []string{"registry.topology.centre.A"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			log := opened(t)
			r := start(t, log, newStore(t, t.TempDir()), nil)
			before := end(log)
			cmd := r.take("a", "r", "unused")
			cmd.Rights = tc.rights
			cmd.Decide = func() ([]projection.Event, error) {
				var events []projection.Event
				for i, subject := range tc.subjects {
					m := &topologyv1.Event{Meta: &eventv1.Meta{Basis: &eventv1.Basis{Source: "test"}}, Fact: &topologyv1.Event_CentreRegistered{
						CentreRegistered: &topologyv1.CentreRegistered{CentreId: string(rune('A' + i)), Name: subject},
					}}
					events = append(events, projection.Event{Subject: subject, Message: m, Meta: m.GetMeta()})
				}
				return events, nil
			}
			_, err := r.Do(t.Context(), cmd)
			if refused := err != nil; refused != tc.refused {
				t.Errorf("error %v, want one: %v", err, tc.refused)
			}
			if wrote := end(log) > before; wrote == tc.refused {
				t.Errorf("the log went from %d to %d", before, end(log))
			}
		})
	}
}

package topology

import (
	"errors"
	"slices"
	"testing"

	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/fault"
)

// What facts say together must hold together: each decision looks at those before it,
// and at all that it decides itself.
func TestContradictionsAreRefused(t *testing.T) {
	for _, tc := range []struct {
		name   string
		given  []decision
		when   decision
		reason string
	}{
		{"one takes the place of what it is one with", []decision{same("Y1", "C1", "C2")}, sucCC("2020", "C1", "C2"), "SUCCEEDS_ITSELF"},
		{"the other way round", []decision{same("Y1", "C1", "C2")}, sucCC("2020", "C2", "C1"), "SUCCEEDS_ITSELF"},
		{
			"one comes before itself by way of one that is the same",
			[]decision{same("Y1", "C3", "C2"), sucCC("2022", "C3", "C1")},
			sucCC("2020", "C1", "C2"), "SUCCEEDS_ITSELF",
		},
		{
			"two are one, though one came after the other by way of two that are one",
			[]decision{regC("C4"), sucCC("2020", "C1", "C2"), same("Y1", "C3", "C2"), sucCC("2021", "C3", "C4")},
			same("Y2", "C4", "C1"), "CONTINUITY_CONTRADICTED",
		},
		{"a team works twice in one hospital", nil, movC("C1", "2020", "E2", "E2"), "NAMED_TWICE"},
		{"one takes the place and closes the same day", []decision{attE("E3", "", "E1")}, sucE("2020", "E1", "E3", "E3 closes"), "CHILD_DESTINATION"},
		{
			"one closes that is to be succeeded later",
			[]decision{attC("C1", "", "E1"), sucCC("2027", "C1", "C2")},
			sucE("2020", "E1", "", "C1 closes"), "CENTRE_CLOSED",
		},
		{
			"two become the legal entity of each other",
			[]decision{attE("E2", "", "E1"), attE("E3", "", "E1")},
			sucE("2020", "E1", "", "E2 moves E3", "E3 moves E2"), "LEGAL_ENTITY_SELF",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newPlain(t)
			for _, d := range tc.given {
				w.append(d(w.s))
			}
			events, err := tc.when(w.s)
			if f, ok := errors.AsType[*fault.Error](err); !ok || f.Reason != tc.reason {
				t.Errorf("%v, %d events; want %s", err, len(events), tc.reason)
			}
		})
	}
}

func newPlain(t testing.TB) *world {
	w := &world{t: t, s: new(State)}
	for _, d := range []decision{
		regE("E1", &topologyv1.RegisterEstablishmentRequest{Basis: source, Name: "E1"}),
		regE("E2", &topologyv1.RegisterEstablishmentRequest{Basis: source, Name: "E2"}),
		regE("E3", &topologyv1.RegisterEstablishmentRequest{Basis: source, Name: "E3"}),
		regC("C1"), regC("C2"), regC("C3"), regL("L1", ""), regN("N1", "L1"), regN("N2", "L1"),
	} {
		w.append(d(w.s))
	}
	return w
}

// A command that is decided again after others keeps the id it was given before: what is
// said in the order declared is so for whoever reads the log.
func TestOrderAfterRollback(t *testing.T) {
	w := newPlain(t)
	at := w.at
	first, second := declare("K1", collaborates, "C1", "N1", "", "2020"), declare("K2", collaborates, "C1", "N2", "", "2020")
	one, other := same("Y1", "C1", "C2"), same("Y2", "C1", "C3")
	here := identify("E1", "2020", "750712184", site, "")
	elsewhere := identify("E2", "2021", "750712184", topologyv1.FinessKind_FINESS_KIND_LEGAL_ENTITY, "")
	for _, d := range []decision{first, second, one, other, here, elsewhere} {
		w.append(d(w.s))
	}
	w.s.Rollback(at)
	w.at = at
	again := newPlain(t)
	for _, d := range []decision{second, first, other, one, elsewhere, here} {
		w.append(d(w.s))
		again.append(d(again.s))
	}
	if got, want := w.s.Ties("C1"), again.s.Ties("C1"); !slices.Equal(got, want) {
		t.Errorf("after a rollback C1 has %q; read from the log, %q", got, want)
	}
	if got, want := w.s.ByFINESS("750712184", bitemporal.Latest), again.s.ByFINESS("750712184", bitemporal.Latest); !slices.Equal(got, want) {
		t.Errorf("after a rollback the number is of %q; read from the log, of %q", got, want)
	}
}

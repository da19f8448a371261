package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/fault"
	"maillage/services/topology"
)

// What becomes of one that depends on what closes is typed in one word.
func TestChildren(t *testing.T) {
	const one, two = "0000000000", "000000001Y"
	for typed, want := range map[string]string{
		one + "=reste": "STAYS ", one + "=closes": "CLOSES ", one + "=va:" + two: "MOVES " + two, one + "=moves:" + two + "," + one: "MOVES " + two + " " + one,
		one + "=STAYS": "STAYS ", one: "", one + "=": "", one + "=part": "", "0000000001=reste": "", one + "=va:x": "",
	} {
		var c child
		err := c.UnmarshalText([]byte(typed))
		got := ""
		if err == nil {
			got = strings.TrimPrefix(c.GetOutcome().String(), "CHILD_OUTCOME_") + " " + strings.Join(c.GetToIds(), " ")
		}
		if got != want || err == nil && c.GetChildId() != one {
			t.Errorf("%q is read as %q of %s, %v; want %q", typed, got, c.GetChildId(), err, want)
		}
	}
}

// Every reason of a refusal of topology has its French, and so has every kind of link.
func TestTopologyInFrench(t *testing.T) {
	files, err := filepath.Glob("../../topology/*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]bool)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, reason := range regexp.MustCompile(`"[A-Z]+(?:_[A-Z]+)+"`).FindAllString(string(text), -1) {
			reason = strings.Trim(reason, `"`)
			if found[reason] = true; reasons[reason] == "" {
				t.Errorf("%s has no French (%s)", reason, file)
			}
		}
	}
	if len(found) < 40 {
		t.Errorf("only %d reasons found", len(found))
	}
	for n := range topologyv1.LinkKind_name {
		if n != 0 && inFrench(linkWords, topologyv1.LinkKind(n)) == "" {
			t.Errorf("no word for a link of kind %d", n)
		}
	}
	for n := range topologyv1.ChildOutcome_name {
		if n != 0 && inFrench(childWords, topologyv1.ChildOutcome(n)) == "" {
			t.Errorf("no word for the outcome %d", n)
		}
	}
}

// An axis is typed as its code and its title.
func TestAxes(t *testing.T) {
	var got []string
	for _, typed := range []string{"3.2 = Dépistage néonatal", "1", "=x"} {
		var x axis
		if err := x.UnmarshalText([]byte(typed)); err != nil {
			got = append(got, "refused")
			continue
		}
		got = append(got, x.GetCode()+"|"+x.GetTitle())
	}
	if want := []string{"3.2|Dépistage néonatal", "1|", "refused"}; !slices.Equal(got, want) {
		t.Errorf("axes %q, want %q", got, want)
	}
}

// TestUndecidedAreCounted: of what depends on something that closes, the first that nothing
// is decided of is named, and how many more there are.
func TestUndecidedAreCounted(t *testing.T) {
	const hospital, network, one, two, link = "H000000001", "N000000001", "C000000001", "C000000002", "K000000001"
	basis := &eventv1.Basis{Source: "https://example.org", Evidence: eventv1.Evidence_EVIDENCE_STATED}
	s, at := new(topology.State), uint64(0)
	happens := func(events []*topologyv1.Event, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			at++
			e.Meta.Schema = 1
			if err := s.Evolve(at, e); err != nil {
				t.Fatal(err)
			}
		}
	}
	happens(topology.RegisterEstablishment(s, hospital, &topologyv1.RegisterEstablishmentRequest{Basis: basis, Name: `CHU "Nord"`}))
	happens(topology.RegisterNetwork(s, network, &topologyv1.RegisterNetworkRequest{Basis: basis, Title: "Sein"}))
	happens(topology.RegisterCentre(s, one, &topologyv1.RegisterCentreRequest{Basis: basis, Name: `Équipe "un"`, EstablishmentIds: []string{hospital}}))
	happens(topology.DeclareLink(s, link, &topologyv1.DeclareLinkRequest{
		Basis: basis, Kind: topologyv1.LinkKind_LINK_KIND_COLLABORATES, FromId: one, ToId: network,
	}))
	ask := func(closes func(*topology.State, func() string) ([]*topologyv1.Event, error)) string {
		t.Helper()
		_, err := closes(s, func() string { return "" })
		why, is := errors.AsType[*fault.Error](err)
		if !is || why.Reason != "CHILD_UNDECIDED" {
			t.Fatalf("it is %v", err)
		}
		return toldInFrench(strings.TrimSuffix(why.Message, "."))
	}
	closeHospital := func(s *topology.State, mint func() string) ([]*topologyv1.Event, error) {
		return topology.SucceedEstablishments(s, mint, &topologyv1.SucceedEstablishmentsRequest{Basis: basis, PredecessorIds: []string{hospital}, ValidFrom: "2024-01-01"})
	}
	closeNetwork := func(s *topology.State, mint func() string) ([]*topologyv1.Event, error) {
		return topology.SucceedNetworks(s, mint, &topologyv1.SucceedNetworksRequest{Basis: basis, PredecessorIds: []string{network}, ValidFrom: "2024-01-01"})
	}
	if got, want := ask(closeHospital), one+" « Équipe \"un\" »"; got != want {
		t.Errorf("alone it is told as %q, want %q", got, want)
	}
	if got, want := ask(closeNetwork), "lien "+link+" (collaborateur : « Équipe \"un\" » avec « Sein »)"; got != want {
		t.Errorf("a link is told as %q, want %q", got, want)
	}
	happens(topology.RegisterCentre(s, two, &topologyv1.RegisterCentreRequest{Basis: basis, Name: "Équipe deux", EstablishmentIds: []string{hospital}}))
	happens(topology.DeclareLink(s, "K000000002", &topologyv1.DeclareLinkRequest{
		Basis: basis, Kind: topologyv1.LinkKind_LINK_KIND_COLLABORATES, FromId: two, ToId: network,
	}))
	if got, want := ask(closeHospital), one+" « Équipe \"un\" », et encore 1 ("+two+")"; got != want {
		t.Errorf("it is told as %q, want %q", got, want)
	}
	if got, want := ask(closeNetwork), "lien "+link+" (collaborateur : « Équipe \"un\" » avec « Sein »), et encore 1 (K000000002)"; got != want {
		t.Errorf("a link is told as %q, want %q", got, want)
	}
}

// A team without a name is told by its id once, and a register that lists no others is
// understood all the same.
func TestUndecidedWithoutName(t *testing.T) {
	for said, want := range map[string]string{
		"Say what becomes of the centre C000000001, which depends on what closes: it moves, stays or closes. 0 more are undecided":             "C000000001",
		"Say what becomes of the centre C000000001, which depends on what closes: it moves, stays or closes. 2 more are undecided":             "C000000001, et encore 2",
		"Say what becomes of the centre C000000001, which depends on what closes: it moves, stays or closes. 1 more are undecided: C000000002": "C000000001, et encore 1 (C000000002)",
	} {
		if got := toldInFrench(said); got != want {
			t.Errorf("told as %q, want %q", got, want)
		}
	}
}

package topology

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/fault"
)

var source = &eventv1.Basis{Source: "https://example.org/list", Evidence: eventv1.Evidence_EVIDENCE_STATED}

type world struct {
	t  testing.TB
	s  *State
	at uint64

	log []*topologyv1.Event // from position 1 to at
}

// newWorld has two of each: E1, E2, C1 (working in E1), N1 (of L1), L1, L2 and P1.
func newWorld(t testing.TB) *world {
	w := &world{t: t, s: new(State)}
	for _, id := range []string{"E1", "E2"} {
		w.append(RegisterEstablishment(w.s, id, &topologyv1.RegisterEstablishmentRequest{Basis: source, Name: id}))
	}
	for _, id := range []string{"L1", "L2"} {
		w.append(RegisterFiliere(w.s, id, &topologyv1.RegisterFiliereRequest{Basis: source, Acronym: id, EstablishmentId: "E1"}))
	}
	w.append(RegisterCentre(w.s, "C1", &topologyv1.RegisterCentreRequest{Basis: source, Name: "C1", ValidFrom: "2007", EstablishmentIds: []string{"E1"}}))
	w.append(RegisterNetwork(w.s, "N1", &topologyv1.RegisterNetworkRequest{Basis: source, Title: "Syringomyélie", FiliereId: "L1"}))
	w.append(RegisterPlatform(w.s, "P1", &topologyv1.RegisterPlatformRequest{Basis: source, Name: "P1", Kind: topologyv1.PlatformKind_PLATFORM_KIND_PEMR, EstablishmentIds: []string{"E1"}}))
	return w
}

func (w *world) append(events []*topologyv1.Event, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range events {
		w.at++
		if e.Meta.GetBasis() == nil {
			w.t.Fatalf("%v rests on nothing", e)
		}
		e.Meta.Schema = 1
		w.log = append(w.log[:w.at-1], e)
		if err := w.s.Evolve(w.at, e); err != nil {
			w.t.Fatal(err)
		}
	}
}

func day(s string) bitemporal.Date {
	d, err := bitemporal.ParseDate(s)
	if err != nil {
		panic(err)
	}
	return d
}

type decision func(*State) ([]*topologyv1.Event, error)

func regE(id string, r *topologyv1.RegisterEstablishmentRequest) decision {
	return func(s *State) ([]*topologyv1.Event, error) { return RegisterEstablishment(s, id, r) }
}

func at(commune, department string) *topologyv1.RegisterEstablishmentRequest {
	return &topologyv1.RegisterEstablishmentRequest{Basis: source, Place: &topologyv1.Place{CommuneCode: commune, DepartmentCode: department}}
}

func renE(id, from, name string) decision {
	return func(s *State) ([]*topologyv1.Event, error) {
		return RenameEstablishment(s, &topologyv1.RenameEstablishmentRequest{Basis: source, EstablishmentId: id, ValidFrom: from, Name: name})
	}
}

func attE(id, from, to string) decision {
	return func(s *State) ([]*topologyv1.Event, error) {
		return AttachEstablishment(s, &topologyv1.AttachEstablishmentRequest{Basis: source, EstablishmentId: id, ValidFrom: from, LegalEntityId: to})
	}
}

func regC(id string, hospitals ...string) decision {
	return func(s *State) ([]*topologyv1.Event, error) {
		return RegisterCentre(s, id, &topologyv1.RegisterCentreRequest{Basis: source, EstablishmentIds: hospitals})
	}
}

func renC(id, from, name string) decision {
	return func(s *State) ([]*topologyv1.Event, error) {
		return RenameCentre(s, &topologyv1.RenameCentreRequest{Basis: source, CentreId: id, ValidFrom: from, Name: name})
	}
}

func attC(id, from, to string) decision {
	return func(s *State) ([]*topologyv1.Event, error) {
		return AttachCentre(s, &topologyv1.AttachCentreRequest{Basis: source, CentreId: id, ValidFrom: from, EstablishmentId: to})
	}
}

func regN(id, filiere string) decision {
	return func(s *State) ([]*topologyv1.Event, error) {
		return RegisterNetwork(s, id, &topologyv1.RegisterNetworkRequest{Basis: source, Title: id, FiliereId: filiere})
	}
}

func renN(id, from, title, acronym string) decision {
	return func(s *State) ([]*topologyv1.Event, error) {
		return RenameNetwork(s, &topologyv1.RenameNetworkRequest{Basis: source, NetworkId: id, ValidFrom: from, Title: title, Acronym: acronym})
	}
}

func attN(id, from, to string) decision {
	return func(s *State) ([]*topologyv1.Event, error) {
		return AttachNetwork(s, &topologyv1.AttachNetworkRequest{Basis: source, NetworkId: id, ValidFrom: from, FiliereId: to})
	}
}

func regL(id, hospital string) decision {
	return func(s *State) ([]*topologyv1.Event, error) {
		return RegisterFiliere(s, id, &topologyv1.RegisterFiliereRequest{Basis: source, Acronym: id, EstablishmentId: hospital})
	}
}

func renL(id, from, acronym, name string) decision {
	return func(s *State) ([]*topologyv1.Event, error) {
		return RenameFiliere(s, &topologyv1.RenameFiliereRequest{Basis: source, FiliereId: id, ValidFrom: from, Acronym: acronym, Name: name})
	}
}

func attL(id, from, to string) decision {
	return func(s *State) ([]*topologyv1.Event, error) {
		return AttachFiliere(s, &topologyv1.AttachFiliereRequest{Basis: source, FiliereId: id, ValidFrom: from, EstablishmentId: to})
	}
}

func regP(id string, hospitals ...string) decision {
	return func(s *State) ([]*topologyv1.Event, error) {
		return RegisterPlatform(s, id, &topologyv1.RegisterPlatformRequest{Basis: source, Name: id, EstablishmentIds: hospitals})
	}
}

func renP(id, from, name string) decision {
	return func(s *State) ([]*topologyv1.Event, error) {
		return RenamePlatform(s, &topologyv1.RenamePlatformRequest{Basis: source, PlatformId: id, ValidFrom: from, Name: name})
	}
}

func attP(id, from, to string) decision {
	return func(s *State) ([]*topologyv1.Event, error) {
		return AttachPlatform(s, &topologyv1.AttachPlatformRequest{Basis: source, PlatformId: id, ValidFrom: from, EstablishmentId: to})
	}
}

func movC(id, from string, hospitals ...string) decision {
	return func(s *State) ([]*topologyv1.Event, error) {
		return MoveCentre(s, &topologyv1.MoveCentreRequest{Basis: source, CentreId: id, ValidFrom: from, EstablishmentIds: hospitals})
	}
}

func sucC(from string, predecessors []string, successors ...string) decision {
	return func(s *State) ([]*topologyv1.Event, error) {
		return SucceedCentres(s, minting(s), &topologyv1.SucceedCentresRequest{Basis: source, ValidFrom: from, PredecessorIds: predecessors, SuccessorIds: successors})
	}
}

func sucN(from string, predecessors []string, successors ...string) decision {
	return func(s *State) ([]*topologyv1.Event, error) {
		return SucceedNetworks(s, minting(s), &topologyv1.SucceedNetworksRequest{Basis: source, ValidFrom: from, PredecessorIds: predecessors, SuccessorIds: successors})
	}
}

// minting mints the ids of links: K1, K2 and so on, but for those that are taken.
func minting(s *State) func() string {
	n := 0
	var mint func() string
	mint = func() string {
		n++
		if id := fmt.Sprintf("K%d", n); !s.Knows(id) {
			return id
		}
		return mint()
	}
	return mint
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name string
		when decision
		want string // reason and field
	}{
		{"a department that there is not", regE("X", at("", "20")), "DEPARTMENT_UNKNOWN place.department_code"},
		{"a department that there is not, whatever the commune", regE("X", at("20004", "20")), "DEPARTMENT_UNKNOWN place.department_code"},
		{"a commune of another department", regE("X", at("13055", "69")), "COMMUNE_ELSEWHERE place.commune_code"},
		{"a commune of the other Corsica", regE("X", at("2B033", "2A")), "COMMUNE_ELSEWHERE place.commune_code"},
		{"a commune of another overseas department", regE("X", at("97416", "971")), "COMMUNE_ELSEWHERE place.commune_code"},
		{"a centre in no department", func(s *State) ([]*topologyv1.Event, error) {
			return RegisterCentre(s, "X", &topologyv1.RegisterCentreRequest{Basis: source, Place: &topologyv1.Place{DepartmentCode: "99"}})
		}, "DEPARTMENT_UNKNOWN place.department_code"},
		{"a platform in no department", func(s *State) ([]*topologyv1.Event, error) {
			return RegisterPlatform(s, "X", &topologyv1.RegisterPlatformRequest{Basis: source, Place: &topologyv1.Place{DepartmentCode: "99"}})
		}, "DEPARTMENT_UNKNOWN place.department_code"},
		{"a FINESS number that fails its check", regE("X", &topologyv1.RegisterEstablishmentRequest{Basis: source, Finess: "750712185"}), "FINESS_INVALID finess"},
		{"a SIRET number that fails its check", regE("X", &topologyv1.RegisterEstablishmentRequest{Basis: source, Siret: "12345678901234"}), "SIRET_INVALID siret"},
		{"no basis", regE("X", &topologyv1.RegisterEstablishmentRequest{}), "BASIS_MISSING basis"},
		{"seen on no day", regE("X", &topologyv1.RegisterEstablishmentRequest{Basis: &eventv1.Basis{Source: "x", SeenDate: "2023-02-30"}}), "DATE_INVALID basis.seen_date"},
		{"from no day", regE("X", &topologyv1.RegisterEstablishmentRequest{Basis: source, ValidFrom: "2023-02-30"}), "DATE_INVALID valid_from"},
		{"an id of its kind", regE("E1", &topologyv1.RegisterEstablishmentRequest{Basis: source}), "ID_TAKEN"},
		{"an id of another kind", regC("N1"), "ID_TAKEN"},
		{"a network's id taken", regN("N1", ""), "ID_TAKEN"},
		{"a filière's id taken", regL("L1", ""), "ID_TAKEN"},
		{"a platform's id taken", regP("P1"), "ID_TAKEN"},
		{"rename an unknown establishment", renE("X", "", "n"), "ESTABLISHMENT_UNKNOWN establishment_id"},
		{"rename from no day", renE("E1", "2023-13", "n"), "DATE_INVALID valid_from"},
		{"the name it bears", renE("E1", "2020", "E1"), "NAME_UNCHANGED name"},
		{"attach an unknown establishment", attE("X", "", "E1"), "ESTABLISHMENT_UNKNOWN establishment_id"},
		{"attach to an unknown legal entity", attE("E1", "", "X"), "ESTABLISHMENT_UNKNOWN legal_entity_id"},
		{"its own legal entity", attE("E1", "", "E1"), "LEGAL_ENTITY_SELF legal_entity_id"},
		{"a centre in an unknown hospital", regC("X", "E1", "E9"), "ESTABLISHMENT_UNKNOWN establishment_ids[1]"},
		{"rename an unknown centre", renC("X", "", "n"), "CENTRE_UNKNOWN centre_id"},
		{"the name a centre bears", renC("C1", "", "C1"), "NAME_UNCHANGED name"},
		{"attach an unknown centre", attC("X", "", "E1"), "CENTRE_UNKNOWN centre_id"},
		{"attach a centre to an unknown hospital", attC("C1", "", "X"), "ESTABLISHMENT_UNKNOWN establishment_id"},
		{"attach a centre where it is", attC("C1", "2020", "E1"), "ALREADY_ATTACHED establishment_id"},
		{"a network of an unknown filière", regN("X", "L9"), "FILIERE_UNKNOWN filiere_id"},
		{"rename an unknown network", renN("X", "", "n", ""), "NETWORK_UNKNOWN network_id"},
		{"the title a network bears", renN("N1", "2017", "Syringomyélie", ""), "NAME_UNCHANGED title"},
		{"attach an unknown network", attN("X", "", "L1"), "NETWORK_UNKNOWN network_id"},
		{"attach a network to an unknown filière", attN("N1", "", "L9"), "FILIERE_UNKNOWN filiere_id"},
		{"attach a network where it is", attN("N1", "2020", "L1"), "ALREADY_ATTACHED filiere_id"},
		{"a filière of an unknown hospital", regL("X", "E9"), "ESTABLISHMENT_UNKNOWN establishment_id"},
		{"rename an unknown filière", renL("X", "", "n", ""), "FILIERE_UNKNOWN filiere_id"},
		{"the name a filière bears", renL("L1", "", "L1", ""), "NAME_UNCHANGED acronym"},
		{"attach an unknown filière", attL("X", "", "E1"), "FILIERE_UNKNOWN filiere_id"},
		{"attach a filière to an unknown hospital", attL("L1", "", "E9"), "ESTABLISHMENT_UNKNOWN establishment_id"},
		{"attach a filière where it is", attL("L1", "", "E1"), "ALREADY_ATTACHED establishment_id"},
		{"a platform of an unknown hospital", regP("X", "E9"), "ESTABLISHMENT_UNKNOWN establishment_ids[0]"},
		{"rename an unknown platform", renP("X", "", "n"), "PLATFORM_UNKNOWN platform_id"},
		{"the name a platform bears", renP("P1", "", "P1"), "NAME_UNCHANGED name"},
		{"attach an unknown platform", attP("X", "", "E1"), "PLATFORM_UNKNOWN platform_id"},
		{"attach a platform to an unknown hospital", attP("P1", "", "E9"), "ESTABLISHMENT_UNKNOWN establishment_id"},
		{"attach a platform where it is", attP("P1", "", "E1"), "ALREADY_ATTACHED establishment_id"},
		{"move an unknown centre", movC("X", "", "E2"), "CENTRE_UNKNOWN centre_id"},
		{"move to an unknown hospital", movC("C1", "", "E2", "E9"), "ESTABLISHMENT_UNKNOWN establishment_ids[1]"},
		{"move where it is", movC("C1", "2010", "E1"), "PLACE_UNCHANGED establishment_ids"},
		{"move nowhere", movC("C1", "2010"), "PLACE_MISSING establishment_ids"},
		{"succeed an unknown centre", sucC("", []string{"C1", "X"}, "C1"), "CENTRE_UNKNOWN predecessor_ids[1]"},
		{"be succeeded by an unknown centre", sucC("", []string{"C1"}, "X"), "CENTRE_UNKNOWN successor_ids[0]"},
		{"be succeeded by a network", sucC("", []string{"C1"}, "N1"), "CENTRE_UNKNOWN successor_ids[0]"},
		{"be succeeded by itself", sucC("2020", []string{"C1"}, "C1"), "SUCCEEDS_ITSELF successor_ids[0]"},
		{"a network succeeded by itself", sucN("2020", []string{"N1"}, "N1"), "SUCCEEDS_ITSELF successor_ids[0]"},
		{"close twice at once", sucC("2020", []string{"C1", "C1"}, "C1"), "NAMED_TWICE predecessor_ids[1]"},
		{"close on no day", sucN("2023-02-30", []string{"N1"}, "N1"), "DATE_INVALID valid_from"},
		{"succeed an unknown network", sucN("", []string{"X"}, "N1"), "NETWORK_UNKNOWN predecessor_ids[0]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			before := dump(t, w.s)
			events, err := c.when(w.s)
			var f *fault.Error
			if !errors.As(err, &f) {
				t.Fatalf("decided %v with error %v, want refusal %s", events, err, c.want)
			}
			if got := strings.TrimSpace(f.Reason + " " + f.Field); got != c.want {
				t.Errorf("refused with %q, want %q", got, c.want)
			}
			if dump(t, w.s) != before {
				t.Error("the decision changed the state")
			}
		})
	}
}

func TestDecisions(t *testing.T) {
	for _, c := range []struct {
		name        string
		when        decision
		on          string // a day
		wantWas     []string
		wantIs      []string
		wantSubject string
	}{
		{
			name: "an establishment enters", when: regE("X", &topologyv1.RegisterEstablishmentRequest{Basis: source, Name: "AP-HP", Finess: "750712184", Siret: "26750045200011", ValidFrom: "2010"}),
			on: "2010-01-01", wantIs: []string{"AP-HP", "750712184", "26750045200011", "1"}, wantSubject: "establishment.X",
		},
		{name: "an establishment is renamed", when: renE("E1", "2020", "GHU"), on: "2020-01-01", wantWas: []string{"E1", "", "", "1"}, wantIs: []string{"GHU", "", "", "2"}, wantSubject: "establishment.E1"},
		{name: "but not before that day", when: renE("E1", "2020", "GHU"), on: "2019-12-31", wantWas: []string{"E1", "", "", "1"}, wantIs: []string{"E1", "", "", "1"}, wantSubject: "establishment.E1"},
		{name: "an establishment has a legal entity", when: attE("E1", "2025", "E2"), on: "2025-06-01", wantWas: []string{"E1", "", "", "1"}, wantIs: []string{"E1", "", "", "2", "E2"}, wantSubject: "establishment.E1"},
		{name: "a centre enters", when: regC("X", "E1", "E2"), on: "2020-01-01", wantIs: []string{"", "1", "E1", "E2"}, wantSubject: "centre.X"},
		{name: "a centre is renamed", when: renC("C1", "", "Team"), on: "2007-01-01", wantWas: []string{"C1", "1", "E1"}, wantIs: []string{"Team", "2", "E1"}, wantSubject: "centre.C1"},
		{name: "a centre works elsewhere too", when: attC("C1", "2008", "E2"), on: "2020-01-01", wantWas: []string{"C1", "1", "E1"}, wantIs: []string{"C1", "2", "E1", "E2"}, wantSubject: "centre.C1"},
		{name: "nothing holds before a centre does", when: renC("C1", "", "Team"), on: "2006-12-31", wantSubject: "centre.C1"},
		{name: "a network enters", when: regN("X", "L2"), on: "2020-01-01", wantIs: []string{"X", "", "L2", "1"}, wantSubject: "network.X"},
		{name: "a network is renamed", when: renN("N1", "2017-11", "Chiari", "C-MAVEM"), on: "2017-11-01", wantWas: []string{"Syringomyélie", "", "L1", "1"}, wantIs: []string{"Chiari", "C-MAVEM", "L1", "2"}, wantSubject: "network.N1"},
		{name: "a network changes filière", when: attN("N1", "2019", "L2"), on: "2019-01-01", wantWas: []string{"Syringomyélie", "", "L1", "1"}, wantIs: []string{"Syringomyélie", "", "L2", "2"}, wantSubject: "network.N1"},
		{name: "a filière enters", when: regL("X", "E2"), on: "2020-01-01", wantIs: []string{"X", "", "E2", "1"}, wantSubject: "filiere.X"},
		{name: "a filière is renamed", when: renL("L1", "2020", "FIL", "Name"), on: "2020-01-01", wantWas: []string{"L1", "", "E1", "1"}, wantIs: []string{"FIL", "Name", "E1", "2"}, wantSubject: "filiere.L1"},
		{name: "a filière is coordinated elsewhere", when: attL("L1", "2020", "E2"), on: "2020-01-01", wantWas: []string{"L1", "", "E1", "1"}, wantIs: []string{"L1", "", "E2", "2"}, wantSubject: "filiere.L1"},
		{name: "a platform enters", when: regP("X", "E1"), on: "2020-01-01", wantIs: []string{"X", "1", "E1"}, wantSubject: "platform.X"},
		{name: "a platform is renamed", when: renP("P1", "2021", "ESMARA"), on: "2021-01-01", wantWas: []string{"P1", "1", "E1"}, wantIs: []string{"ESMARA", "2", "E1"}, wantSubject: "platform.P1"},
		{name: "a platform has one more host", when: attP("P1", "2021", "E2"), on: "2021-01-01", wantWas: []string{"P1", "1", "E1"}, wantIs: []string{"P1", "2", "E1", "E2"}, wantSubject: "platform.P1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			before := w.at
			events, err := c.when(w.s)
			if err != nil {
				t.Fatal(err)
			}
			if got := Subject(events[0]); got != "registry.topology."+c.wantSubject {
				t.Errorf("subject is %s", got)
			}
			w.append(events, nil)
			_, id, _ := strings.Cut(c.wantSubject, ".")
			if got := facts(w.s, id, day(c.on), before); !slices.Equal(got, c.wantWas) {
				t.Errorf("as known before: %q, want %q", got, c.wantWas)
			}
			if got := facts(w.s, id, day(c.on), w.at); !slices.Equal(got, c.wantIs) {
				t.Errorf("as known after: %q, want %q", got, c.wantIs)
			}
		})
	}
}

// facts writes what is known of an entity, the number of its bases among it.
func facts(s *State, id string, on bitemporal.Date, known uint64) []string {
	count := func(b []*eventv1.Basis) string { return string(rune('0' + len(b))) }
	if e, ok := s.Establishments.At(id, on, known); ok {
		return append([]string{e.GetName(), e.GetFiness(), e.GetSiret(), count(e.GetBasis())}, e.GetLegalEntityIds()...)
	}
	if c, ok := s.Centres.At(id, on, known); ok {
		return append([]string{c.GetName(), count(c.GetBasis())}, c.GetEstablishmentIds()...)
	}
	if n, ok := s.Networks.At(id, on, known); ok {
		return []string{n.GetTitle(), n.GetAcronym(), n.GetFiliereId(), count(n.GetBasis())}
	}
	if l, ok := s.Filieres.At(id, on, known); ok {
		return []string{l.GetAcronym(), l.GetName(), l.GetEstablishmentId(), count(l.GetBasis())}
	}
	if p, ok := s.Platforms.At(id, on, known); ok {
		return append([]string{p.GetName(), count(p.GetBasis())}, p.GetEstablishmentIds()...)
	}
	return nil
}

// A name that is learned late holds on its days, and what is attached later stays.
func TestLateFact(t *testing.T) {
	w := newWorld(t)
	w.append(attC("C1", "2017", "E2")(w.s))
	w.append(renC("C1", "2010", "Team")(w.s))
	for on, want := range map[string][]string{
		"2009-12-31": {"C1", "1", "E1"},
		"2010-01-01": {"Team", "2", "E1"},
		"2017-01-01": {"Team", "3", "E1", "E2"},
	} {
		if got := facts(w.s, "C1", day(on), w.at); !slices.Equal(got, want) {
			t.Errorf("on %s: %q, want %q", on, got, want)
		}
	}
}

// A number names one site and one legal entity, which may be the same hospital. What is
// rolled back takes no number.
func TestFINESSNumbersAreTakenOnce(t *testing.T) {
	const number = "750712184"
	const unspecified, entity, site = topologyv1.FinessKind_FINESS_KIND_UNSPECIFIED, topologyv1.FinessKind_FINESS_KIND_LEGAL_ENTITY, topologyv1.FinessKind_FINESS_KIND_SITE
	with := func(id string, kind topologyv1.FinessKind, printed string) decision {
		return regE(id, &topologyv1.RegisterEstablishmentRequest{Basis: source, Name: "AP-HP", ValidFrom: "2010", Finess: printed, FinessKind: kind})
	}
	taken := func(w *world, by string, when decision) {
		t.Helper()
		_, err := when(w.s)
		if e, _ := errors.AsType[*fault.Error](err); e == nil || e.Reason != "FINESS_TAKEN" || e.Field != "finess" || !strings.Contains(e.Message, by) {
			t.Errorf("error is %v, want FINESS_TAKEN by %s", err, by)
		}
	}
	w := newWorld(t)
	w.append(with("X", entity, number)(w.s))
	taken(w, "X", with("Y", entity, "75 071 2184"))
	before := w.at
	for id, kind := range map[string]topologyv1.FinessKind{"Y": site, "Z": unspecified} {
		w.append(with(id, kind, number)(w.s))
		taken(w, id, with("V", kind, number))
	}
	w.append(renE("Y", "2020", "Renamed")(w.s))
	taken(w, "Y", with("V", site, number))
	if got := w.s.ByFINESS(number, bitemporal.Latest); len(got) != 3 {
		t.Errorf("establishments are %v", got)
	}
	w.s.Rollback(before)
	w.at = before
	if got := w.s.ByFINESS(number, bitemporal.Latest); !slices.Equal(got, []string{"X"}) {
		t.Errorf("after a rollback, establishments are %v", got)
	}
	taken(w, "X", with("Y", entity, number))
	w.append(with("V", site, number)(w.s))
	taken(w, "V", with("Y", site, number))
}

// A place is what is known of it: a town, a department, a commune, or none of them.
func TestPlaces(t *testing.T) {
	for _, place := range [][2]string{{"13055", "13"}, {"2A004", "2A"}, {"2B033", "2B"}, {"97416", "974"}, {"98818", "988"}, {"69123", ""}, {"", "69"}, {"", ""}} {
		if _, err := RegisterEstablishment(new(State), "X", at(place[0], place[1])); err != nil {
			t.Errorf("commune %q, department %q: %v", place[0], place[1], err)
		}
	}
}

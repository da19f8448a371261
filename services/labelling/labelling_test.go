package labelling

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/fault"
	"maillage/services/topology"
)

// The world of these tests: two teams, two networks, two filières, one platform of each
// kind. NET1 belongs to FIL1, NET2 to FIL2.
const (
	centre1, centre2 = "CENTRE0001", "CENTRE0002"
	net1, net2       = "NETW000001", "NETW000002"
	fil1, fil2       = "F000000001", "F000000002"
	pemr, pcom       = "PEMR000001", "PC0M000001"
)

var source = &eventv1.Basis{Source: "https://example.org/list", Evidence: eventv1.Evidence_EVIDENCE_STATED}

// world is the log, read into its folds, and a mint.
type world struct {
	t    testing.TB
	topo *topology.State
	s    *State
	at   uint64
	ids  int
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, topo: new(topology.State), s: new(State)}
	for _, f := range []string{fil1, fil2} {
		w.registered(topology.RegisterFiliere(w.topo, f, &topologyv1.RegisterFiliereRequest{Basis: source, Acronym: f}))
	}
	for i, n := range []string{net1, net2} {
		w.registered(topology.RegisterNetwork(w.topo, n, &topologyv1.RegisterNetworkRequest{Basis: source, Title: n, FiliereId: []string{fil1, fil2}[i]}))
	}
	for _, c := range []string{centre1, centre2} {
		w.registered(topology.RegisterCentre(w.topo, c, &topologyv1.RegisterCentreRequest{Basis: source, Name: c}))
	}
	w.registered(topology.RegisterPlatform(w.topo, pemr, &topologyv1.RegisterPlatformRequest{Basis: source, Name: pemr, Kind: topologyv1.PlatformKind_PLATFORM_KIND_PEMR}))
	w.registered(topology.RegisterPlatform(w.topo, pcom, &topologyv1.RegisterPlatformRequest{Basis: source, Name: pcom, Kind: topologyv1.PlatformKind_PLATFORM_KIND_PCOM}))
	return w
}

func (w *world) registered(events []*topologyv1.Event, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range events {
		w.at++
		e.Meta.Schema = 1
		if err := w.topo.Evolve(w.at, e); err != nil {
			w.t.Fatal(err)
		}
	}
}

// append appends what was decided, and returns the position of its last event.
func (w *world) append(events []*labellingv1.Event, err error) uint64 {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	for i, e := range events {
		w.at++
		e.Meta.Schema, e.Meta.CommitIndex, e.Meta.CommitSize = 1, uint32(i), uint32(len(events))
		if err := w.s.Evolve(w.at, e); err != nil {
			w.t.Fatal(err)
		}
	}
	return w.at
}

func (w *world) mint() string {
	w.ids++
	return fmt.Sprintf("M%09d", w.ids)
}

func period(start, end string) *eventv1.Period { return &eventv1.Period{Start: start, End: end} }

func site(centre, network string) *labellingv1.Grant {
	return &labellingv1.Grant{
		Holder: &labellingv1.Grant_Site{Site: &labellingv1.SiteRef{CentreId: centre, NetworkId: network}},
		Role:   labellingv1.Role_ROLE_CONSTITUTIVE,
	}
}

func filiere(id string) *labellingv1.Grant {
	return &labellingv1.Grant{Holder: &labellingv1.Grant_FiliereId{FiliereId: id}, Role: labellingv1.Role_ROLE_FSMR}
}

func platform(id string, role labellingv1.Role) *labellingv1.Grant {
	return &labellingv1.Grant{Holder: &labellingv1.Grant_PlatformId{PlatformId: id}, Role: role}
}

func during(g *labellingv1.Grant, start, end string) *labellingv1.Grant {
	g.Period = period(start, end)
	return g
}

func in(g *labellingv1.Grant, cycle string) *labellingv1.Grant {
	g.CycleId = cycle
	return g
}

func as(g *labellingv1.Grant, role labellingv1.Role) *labellingv1.Grant {
	g.Role = role
	return g
}

// grant grants a label under an id, opening the site S+id.
func (w *world) grant(id string, g *labellingv1.Grant) uint64 {
	w.t.Helper()
	return w.append(w.granting(id, g))
}

func (w *world) granting(id string, g *labellingv1.Grant) ([]*labellingv1.Event, error) {
	return GrantLabel(w.s, w.topo, IDs{Label: id, Site: "S" + id}, &labellingv1.GrantLabelRequest{Basis: source, Grant: g}, nil)
}

func (w *world) renew(id, successor string, g *labellingv1.Grant) uint64 {
	w.t.Helper()
	return w.append(w.renewing(id, successor, g))
}

func (w *world) renewing(id, successor string, g *labellingv1.Grant) ([]*labellingv1.Event, error) {
	return RenewLabel(w.s, w.topo, IDs{Label: successor, Site: "S" + successor}, &labellingv1.RenewLabelRequest{Basis: source, Renewal: &labellingv1.Renewal{LabelId: id, Grant: g}}, nil)
}

func (w *world) repealing(id, from string) ([]*labellingv1.Event, error) {
	return RepealLabel(w.s, &labellingv1.RepealLabelRequest{Basis: source, LabelId: id, RepealedFrom: from})
}

func (w *world) confirming(id string, b *eventv1.Basis) ([]*labellingv1.Event, error) {
	return ConfirmLabel(w.s, &labellingv1.ConfirmLabelRequest{Basis: b, LabelId: id})
}

func (w *world) correcting(id string, corrects uint64, edit func(*labellingv1.CorrectLabelRequest)) ([]*labellingv1.Event, error) {
	r := &labellingv1.CorrectLabelRequest{Basis: source, LabelId: id, Corrects: corrects}
	edit(r)
	return CorrectLabel(w.s, w.topo, r, nil)
}

func (w *world) cycle(id, code, start, end string) uint64 {
	w.t.Helper()
	return w.append(w.registering(id, &labellingv1.RegisterCycleRequest{Basis: source, Code: code, Period: period(start, end)}))
}

func (w *world) registering(id string, r *labellingv1.RegisterCycleRequest) ([]*labellingv1.Event, error) {
	return RegisterCycle(w.s, w.topo, id, r)
}

func act(lines ...*labellingv1.ActLine) *labellingv1.RecordActRequest {
	return &labellingv1.RecordActRequest{
		Basis:      source,
		Kind:       labellingv1.ActKind_ACT_KIND_ARRETE,
		Title:      "Arrêté portant labellisation",
		SignedDate: "2023-12-26",
		Lines:      lines,
	}
}

func granted(g *labellingv1.Grant) *labellingv1.ActLine {
	return &labellingv1.ActLine{Disposition: &labellingv1.ActLine_Granted{Granted: g}}
}

func renewed(id string, g *labellingv1.Grant) *labellingv1.ActLine {
	return &labellingv1.ActLine{Disposition: &labellingv1.ActLine_Renewed{Renewed: &labellingv1.Renewal{LabelId: id, Grant: g}}}
}

func confirmed(id string) *labellingv1.ActLine {
	return &labellingv1.ActLine{Disposition: &labellingv1.ActLine_ConfirmedLabelId{ConfirmedLabelId: id}}
}

func repealed(id string) *labellingv1.ActLine {
	return &labellingv1.ActLine{Disposition: &labellingv1.ActLine_RepealedLabelId{RepealedLabelId: id}}
}

func (w *world) recording(r *labellingv1.RecordActRequest) ([]*labellingv1.Event, error) {
	return RecordAct(w.s, w.topo, w.mint, r, func(int) *eventv1.PersonalValue { return nil })
}

func (w *world) label(id string) *labellingv1.Label {
	w.t.Helper()
	l, ok := w.s.Label(id, bitemporal.Latest)
	if !ok {
		w.t.Fatalf("label %s is unknown", id)
	}
	return l
}

func day(s string) bitemporal.Date {
	d, err := bitemporal.ParseDate(s)
	if err != nil {
		panic(err)
	}
	return d
}

type decided struct {
	name  string
	given func(*world)
	when  func(*world) ([]*labellingv1.Event, error)
	then  func(*testing.T, *world) // after the events were appended
	fault string                   // or: the reason and field of the refusal
}

func (d decided) run(t *testing.T) {
	w := newWorld(t)
	if d.given != nil {
		d.given(w)
	}
	events, err := d.when(w)
	if d.fault != "" {
		var f *fault.Error
		if !errors.As(err, &f) {
			t.Fatalf("decided %v with error %v, want refusal %s", events, err, d.fault)
		}
		if got := strings.TrimSpace(f.Reason + " " + f.Field); got != d.fault {
			t.Fatalf("refused with %q, want %q", got, d.fault)
		}
		return
	}
	w.append(events, err)
	d.then(t, w)
}

func given2017(w *world) { w.grant("A", during(site(centre1, net1), "2017", "2022")) }

func givenAliases(w *world) {
	w.append(w.registering("C", &labellingv1.RegisterCycleRequest{Basis: source, Code: "2023-2028", Aliases: []string{"2022-2027", "PNMR4"}}))
}

func TestRegisterCycle(t *testing.T) {
	for _, d := range []decided{
		{
			name: "a cycle is known",
			when: func(w *world) ([]*labellingv1.Event, error) {
				return w.registering("C", &labellingv1.RegisterCycleRequest{Basis: source, Code: "2023-2028", Aliases: []string{"2022-2027"}, Period: period("2023", "2028")})
			},
			then: func(t *testing.T, w *world) {
				c, ok := w.s.Cycles.At("C", 0, w.at)
				if !ok || c.GetCode() != "2023-2028" || c.GetAliases()[0] != "2022-2027" || len(c.GetBasis()) != 1 {
					t.Errorf("cycle is %v", c)
				}
			},
		},
		{
			name:  "its code is taken, whatever the case",
			given: func(w *world) { w.cycle("C", "2014-FSMR", "", "") },
			when: func(w *world) ([]*labellingv1.Event, error) {
				return w.registering("D", &labellingv1.RegisterCycleRequest{Basis: source, Code: "2014-fsmr"})
			},
			fault: "CYCLE_CODE_TAKEN code",
		},
		{
			name: "its code is an alias of another", given: givenAliases,
			when: func(w *world) ([]*labellingv1.Event, error) {
				return w.registering("D", &labellingv1.RegisterCycleRequest{Basis: source, Code: "Pnmr4"})
			},
			fault: "CYCLE_CODE_TAKEN code",
		},
		{
			name: "an alias is the code of another", given: givenAliases,
			when: func(w *world) ([]*labellingv1.Event, error) {
				return w.registering("D", &labellingv1.RegisterCycleRequest{Basis: source, Code: "x", Aliases: []string{"y", "2023‐2028"}})
			},
			fault: "CYCLE_CODE_TAKEN aliases[1]",
		},
		{
			name: "an alias is one of another", given: givenAliases,
			when: func(w *world) ([]*labellingv1.Event, error) {
				return w.registering("D", &labellingv1.RegisterCycleRequest{Basis: source, Code: "x", Aliases: []string{"2022-2027"}})
			},
			fault: "CYCLE_CODE_TAKEN aliases[0]",
		},
		{
			name: "an alias is its own code", given: givenAliases,
			when: func(w *world) ([]*labellingv1.Event, error) {
				return w.registering("D", &labellingv1.RegisterCycleRequest{Basis: source, Code: "x", Aliases: []string{"X"}})
			},
			then: func(t *testing.T, w *world) {
				if n := w.s.Cycles.Len(); n != 2 {
					t.Errorf("%d cycles, want 2", n)
				}
			},
		},
		{
			name:  "its id is taken",
			given: func(w *world) { w.cycle("C", "2014-FSMR", "", "") },
			when: func(w *world) ([]*labellingv1.Event, error) {
				return w.registering("C", &labellingv1.RegisterCycleRequest{Basis: source, Code: "other"})
			},
			fault: "ID_TAKEN",
		},
		{
			name: "its id is taken in topology",
			when: func(w *world) ([]*labellingv1.Event, error) {
				return w.registering(net1, &labellingv1.RegisterCycleRequest{Basis: source, Code: "other"})
			},
			fault: "ID_TAKEN",
		},
		{
			name: "it ends before it starts",
			when: func(w *world) ([]*labellingv1.Event, error) {
				return w.registering("C", &labellingv1.RegisterCycleRequest{Basis: source, Code: "x", Period: period("2028", "2023")})
			},
			fault: "PERIOD_EMPTY period.end",
		},
		{
			name: "it rests on nothing",
			when: func(w *world) ([]*labellingv1.Event, error) {
				return w.registering("C", &labellingv1.RegisterCycleRequest{Basis: &eventv1.Basis{Note: "trust me"}, Code: "x"})
			},
			fault: "BASIS_MISSING basis",
		},
		{
			name: "its source was seen on no day",
			when: func(w *world) ([]*labellingv1.Event, error) {
				return w.registering("C", &labellingv1.RegisterCycleRequest{Basis: &eventv1.Basis{Source: "x", SeenDate: "2023-02-30"}, Code: "x"})
			},
			fault: "DATE_INVALID basis.seen_date",
		},
	} {
		t.Run(d.name, d.run)
	}
}

func asks(role labellingv1.Role, unit labellingv1.ThresholdUnit, minimum uint32) *labellingv1.Threshold {
	return &labellingv1.Threshold{Role: role, Unit: unit, Minimum: minimum}
}

func TestStateThresholds(t *testing.T) {
	const patients, visits = labellingv1.ThresholdUnit_THRESHOLD_UNIT_PATIENTS, labellingv1.ThresholdUnit_THRESHOLD_UNIT_VISITS
	given := func(w *world) {
		w.append(w.registering("C", &labellingv1.RegisterCycleRequest{Basis: source, Code: "2023-2028", Thresholds: []*labellingv1.Threshold{asks(labellingv1.Role_ROLE_COMPETENCE, patients, 25)}}))
	}
	stating := func(cycle string, all ...*labellingv1.Threshold) func(*world) ([]*labellingv1.Event, error) {
		return func(w *world) ([]*labellingv1.Event, error) {
			return StateThresholds(w.s, &labellingv1.StateThresholdsRequest{Basis: source, CycleId: cycle, Thresholds: all})
		}
	}
	asked := func(want string, basis int) func(*testing.T, *world) {
		return func(t *testing.T, w *world) {
			c, _ := w.s.Cycles.At("C", 0, w.at)
			var got []string
			for _, th := range c.GetThresholds() {
				got = append(got, fmt.Sprintf("%d %d %d", th.GetRole(), th.GetUnit(), th.GetMinimum()))
			}
			if s := strings.Join(got, ", "); s != want || len(c.GetBasis()) != basis || c.GetCode() != "2023-2028" {
				t.Errorf("the cycle asks %s, want %s: %v", s, want, c)
			}
			before, _ := w.s.Cycles.At("C", 0, w.at-1)
			if len(before.GetThresholds()) != 1 || before.GetThresholds()[0].GetMinimum() != 25 {
				t.Errorf("before, it asked %v", before)
			}
		}
	}
	for _, d := range []decided{
		{name: "of another role", given: given, when: stating("C", asks(labellingv1.Role_ROLE_CONSTITUTIVE, visits, 150)), then: asked("4 1 25, 2 2 150", 2)},
		{name: "of the same role, in another unit", given: given, when: stating("C", asks(labellingv1.Role_ROLE_COMPETENCE, visits, 50)), then: asked("4 1 25, 4 2 50", 2)},
		{name: "another one", given: given, when: stating("C", asks(labellingv1.Role_ROLE_COMPETENCE, patients, 30)), then: asked("4 1 30", 2)},
		{name: "the same", given: given, when: stating("C", asks(labellingv1.Role_ROLE_COMPETENCE, patients, 25)), fault: "THRESHOLDS_UNCHANGED thresholds"},
		{name: "twice", given: given, when: stating("C", asks(labellingv1.Role_ROLE_CONSTITUTIVE, visits, 150), asks(labellingv1.Role_ROLE_CONSTITUTIVE, visits, 100)), fault: "THRESHOLD_TWICE thresholds[1]"},
		{name: "of no cycle", when: stating("C", asks(labellingv1.Role_ROLE_CONSTITUTIVE, visits, 150)), fault: "CYCLE_UNKNOWN cycle_id"},
		{name: "of nothing", given: given, when: func(w *world) ([]*labellingv1.Event, error) {
			return StateThresholds(w.s, &labellingv1.StateThresholdsRequest{Basis: &eventv1.Basis{}, CycleId: "C", Thresholds: []*labellingv1.Threshold{asks(labellingv1.Role_ROLE_CONSTITUTIVE, visits, 150)}})
		}, fault: "BASIS_MISSING basis"},
		{name: "twice with the cycle", when: func(w *world) ([]*labellingv1.Event, error) {
			return w.registering("C", &labellingv1.RegisterCycleRequest{Basis: source, Code: "x", Thresholds: []*labellingv1.Threshold{asks(labellingv1.Role_ROLE_COMPETENCE, patients, 25), asks(labellingv1.Role_ROLE_COMPETENCE, patients, 25)}})
		}, fault: "THRESHOLD_TWICE thresholds[1]"},
	} {
		t.Run(d.name, d.run)
	}
}

func granting(g *labellingv1.Grant) func(*world) ([]*labellingv1.Event, error) {
	return func(w *world) ([]*labellingv1.Event, error) { return w.granting("B", g) }
}

func TestGrantLabel(t *testing.T) {
	stands := func(_ *testing.T, w *world) { w.label("B") }
	for _, d := range []decided{
		{
			name: "the first label of a centre in a network opens their site",
			when: granting(during(site(centre1, net1), "2017-05-09", "2022")),
			then: func(t *testing.T, w *world) {
				l := w.label("B")
				if l.GetHolder().GetSite().GetSiteId() != "SB" || l.GetRole() != labellingv1.Role_ROLE_CONSTITUTIVE {
					t.Errorf("label is %v", l)
				}
				v := w.s.Labels.Versions("B", w.at)[0].Valid
				if want := (bitemporal.Interval{From: day("2017-05-09"), To: day("2023-01-01")}); v != want {
					t.Errorf("valid %v, want %v", v, want)
				}
			},
		},
		{
			name:  "the next one is on the same site",
			given: given2017,
			when:  granting(during(site(centre1, net1), "2024", "2028")),
			then: func(t *testing.T, w *world) {
				if id := w.label("B").GetHolder().GetSite().GetSiteId(); id != "SA" {
					t.Errorf("site is %s, want SA", id)
				}
			},
		},
		{
			name:  "a site is named by its id",
			given: given2017,
			when: granting(during(&labellingv1.Grant{
				Holder: &labellingv1.Grant_Site{Site: &labellingv1.SiteRef{SiteId: "SA"}},
			}, "2024", "2028")),
			then: func(t *testing.T, w *world) {
				if s := w.label("B").GetHolder().GetSite(); s.GetCentreId() != centre1 || s.GetNetworkId() != net1 {
					t.Errorf("site is %v", s)
				}
			},
		},
		{
			name:  "a team in two networks holds two labels",
			given: given2017,
			when:  granting(during(as(site(centre1, net2), labellingv1.Role_ROLE_COMPETENCE), "2017", "2022")),
			then:  stands,
		},
		{
			name: "a start nobody states is not before the cycle",
			given: func(w *world) {
				w.cycle("C", "2017-2022", "2017", "2022")
			},
			when: granting(in(site(centre1, net1), "C")),
			then: func(t *testing.T, w *world) {
				v := w.s.Labels.Versions("B", w.at)[0].Valid
				if want := (bitemporal.Interval{From: day("2017-01-01"), To: bitemporal.Future}); v != want {
					t.Errorf("valid %v, want %v", v, want)
				}
			},
		},
		{name: "a filière holds a label", when: granting(filiere(fil1)), then: stands},
		{name: "a network holds a label", when: granting(&labellingv1.Grant{Holder: &labellingv1.Grant_NetworkId{NetworkId: net1}}), then: stands},
		{name: "a platform holds a label", when: granting(platform(pemr, labellingv1.Role_ROLE_PEMR)), then: stands},
		{name: "a year that ends in its own year may hold", when: granting(during(site(centre1, net1), "2022", "2022")), then: stands},
		{
			name:  "a label whose end is unknown may have ended",
			given: func(w *world) { w.grant("A", during(site(centre1, net1), "2007", "")) },
			when:  granting(during(site(centre1, net1), "2017", "2022")),
			then:  stands,
		},
	} {
		t.Run(d.name, d.run)
	}
}

func TestGrantLabelRefuses(t *testing.T) {
	for _, d := range []decided{
		{name: "unknown centre", when: granting(site("X", net1)), fault: "CENTRE_UNKNOWN grant.site.centre_id"},
		{name: "unknown network of a site", when: granting(site(centre1, "X")), fault: "NETWORK_UNKNOWN grant.site.network_id"},
		{name: "unknown site", when: granting(&labellingv1.Grant{Holder: &labellingv1.Grant_Site{Site: &labellingv1.SiteRef{SiteId: "X"}}}), fault: "SITE_UNKNOWN grant.site.site_id"},
		{
			name:  "a site that is not that of the centre beside it",
			given: given2017,
			when:  granting(&labellingv1.Grant{Holder: &labellingv1.Grant_Site{Site: &labellingv1.SiteRef{SiteId: "SA", CentreId: centre2}}}),
			fault: "SITE_UNKNOWN grant.site.site_id",
		},
		{name: "unknown network", when: granting(&labellingv1.Grant{Holder: &labellingv1.Grant_NetworkId{NetworkId: "X"}}), fault: "NETWORK_UNKNOWN grant.network_id"},
		{name: "unknown filière", when: granting(filiere("X")), fault: "FILIERE_UNKNOWN grant.filiere_id"},
		{name: "unknown platform", when: granting(platform("X", labellingv1.Role_ROLE_PEMR)), fault: "PLATFORM_UNKNOWN grant.platform_id"},
		{name: "unknown cycle", when: granting(in(site(centre1, net1), "X")), fault: "CYCLE_UNKNOWN grant.cycle_id"},
		{name: "no holder", when: granting(&labellingv1.Grant{}), fault: "HOLDER_MISSING grant"},
		{name: "FSMR on a site", when: granting(as(site(centre1, net1), labellingv1.Role_ROLE_FSMR)), fault: "ROLE_HOLDER_MISMATCH grant.role"},
		{name: "PEMR on a PCOM", when: granting(platform(pcom, labellingv1.Role_ROLE_PEMR)), fault: "ROLE_HOLDER_MISMATCH grant.role"},
		{name: "PCOM on a site", when: granting(as(site(centre1, net1), labellingv1.Role_ROLE_PCOM)), fault: "ROLE_HOLDER_MISMATCH grant.role"},
		{name: "CCMR on a filière", when: granting(as(filiere(fil1), labellingv1.Role_ROLE_COMPETENCE)), fault: "ROLE_HOLDER_MISMATCH grant.role"},
		{name: "a day that does not exist", when: granting(during(site(centre1, net1), "2023-02-30", "")), fault: "DATE_INVALID grant.period.start"},
		{name: "an end that does not exist", when: granting(during(site(centre1, net1), "", "2023-13")), fault: "DATE_INVALID grant.period.end"},
		{name: "an end before the start", when: granting(during(site(centre1, net1), "2023", "2022")), fault: "PERIOD_EMPTY grant.period.end"},
		{name: "an end on the start", when: granting(during(site(centre1, net1), "2023-05-01", "2023-05-01")), fault: "PERIOD_EMPTY grant.period.end"},
		{name: "certain windows overlap", given: given2017, when: granting(during(site(centre1, net1), "2020", "2025")), fault: "LABEL_OVERLAPS grant.period"},
		{
			name:  "the same first day overlaps, whatever the end",
			given: func(w *world) { w.grant("A", during(filiere(fil1), "2014-06-01", "")) },
			when:  granting(during(filiere(fil1), "2014-06-01", "")),
			fault: "LABEL_OVERLAPS grant.period",
		},
		{name: "the id of a label is taken", given: func(w *world) { w.grant("B", filiere(fil1)) }, when: granting(filiere(fil2)), fault: "ID_TAKEN"},
		{
			name: "the id of a site is taken",
			when: func(w *world) ([]*labellingv1.Event, error) {
				return GrantLabel(w.s, w.topo, IDs{Label: "B", Site: net1}, &labellingv1.GrantLabelRequest{Basis: source, Grant: site(centre1, net1)}, nil)
			},
			fault: "ID_TAKEN",
		},
		{
			name: "an unknown act",
			when: func(w *world) ([]*labellingv1.Event, error) {
				return GrantLabel(w.s, w.topo, IDs{Label: "B"}, &labellingv1.GrantLabelRequest{Basis: &eventv1.Basis{ActId: "X"}, Grant: filiere(fil1)}, nil)
			},
			fault: "BASIS_ACT_UNKNOWN basis.act_id",
		},
		{
			name: "nothing it rests on",
			when: func(w *world) ([]*labellingv1.Event, error) {
				return GrantLabel(w.s, w.topo, IDs{Label: "B"}, &labellingv1.GrantLabelRequest{Grant: filiere(fil1)}, nil)
			},
			fault: "BASIS_MISSING basis",
		},
	} {
		t.Run(d.name, d.run)
	}
}

func TestRenewLabel(t *testing.T) {
	renewing := func(g *labellingv1.Grant) func(*world) ([]*labellingv1.Event, error) {
		return func(w *world) ([]*labellingv1.Event, error) { return w.renewing("A", "B", g) }
	}
	for _, d := range []decided{
		{
			name:  "promoted, in another network, after a gap that stays",
			given: given2017,
			when:  renewing(during(as(site(centre1, net2), labellingv1.Role_ROLE_COORDINATOR), "2023-12-29", "2028")),
			then: func(t *testing.T, w *world) {
				a, b := w.label("A"), w.label("B")
				if a.GetSuccessorId() != "B" || b.GetPredecessorId() != "A" || b.GetRole() != labellingv1.Role_ROLE_COORDINATOR || b.GetHolder().GetSite().GetSiteId() != "SB" {
					t.Errorf("labels are %v and %v", a, b)
				}
				if a.GetPeriod().GetEnd() != "2022" || len(a.GetBasis()) != 2 || len(b.GetBasis()) != 1 {
					t.Errorf("the old label is %v", a)
				}
			},
		},
		{
			name:  "the old window is cut where it went beyond",
			given: func(w *world) { w.grant("A", during(site(centre1, net1), "2017", "2027-06-01")) },
			when:  renewing(during(site(centre1, net1), "2023-12-29", "2028")),
			then: func(t *testing.T, w *world) {
				if end := w.label("A").GetPeriod().GetEnd(); end != "2023-12-29" {
					t.Errorf("the old label ends %s", end)
				}
				if _, ok := w.s.Labels.At("A", day("2023-12-29"), w.at); ok {
					t.Error("the old label is held when its successor is")
				}
				if _, ok := w.s.Labels.At("A", day("2024-01-01"), w.at-1); !ok {
					t.Error("what was believed before is forgotten")
				}
			},
		},
		{
			name:  "the old label may be held until its successor has certainly begun",
			given: func(w *world) { w.grant("A", during(site(centre1, net1), "2017", "2027")) },
			when:  renewing(during(site(centre1, net1), "2023", "2028")),
			then: func(t *testing.T, w *world) {
				if v := w.s.Labels.Versions("A", w.at); len(v) != 1 || v[0].Valid.To != day("2023-12-31") {
					t.Errorf("valid %v", v)
				}
			},
		},
		{
			name:  "an unknown end is known by the renewal",
			given: func(w *world) { w.grant("A", during(site(centre1, net1), "2007", "")) },
			when:  renewing(during(site(centre1, net1), "2017-05", "2022")),
			then: func(t *testing.T, w *world) {
				if end := w.label("A").GetPeriod().GetEnd(); end != "2017-05" {
					t.Errorf("the old label ends %q", end)
				}
			},
		},
		{name: "unknown label", when: renewing(site(centre1, net1)), fault: "LABEL_UNKNOWN renewal.label_id"},
		{
			name:  "it goes on already",
			given: func(w *world) { given2017(w); w.renew("A", "Z", during(site(centre1, net1), "2023", "2028")) },
			when:  renewing(during(site(centre1, net1), "2024", "2028")),
			fault: "LABEL_ENDED renewal.label_id",
		},
		{
			name:  "it was repealed",
			given: func(w *world) { given2017(w); w.append(w.repealing("A", "2019-01-01")) },
			when:  renewing(during(site(centre1, net1), "2024", "2028")),
			fault: "LABEL_ENDED renewal.label_id",
		},
		{name: "the successor begins before it", given: given2017, when: renewing(during(site(centre1, net1), "2016", "2028")), fault: "PERIOD_EMPTY renewal.grant.period.start"},
		{name: "an unknown network", given: given2017, when: renewing(site(centre1, "X")), fault: "NETWORK_UNKNOWN renewal.grant.site.network_id"},
		{
			name: "the new holder holds another",
			given: func(w *world) {
				given2017(w)
				w.grant("Z", during(site(centre2, net2), "2023", "2028"))
			},
			when:  renewing(during(site(centre2, net2), "2024", "2028")),
			fault: "LABEL_OVERLAPS renewal.grant.period",
		},
		{name: "its id is taken", given: given2017, when: func(w *world) ([]*labellingv1.Event, error) {
			return w.renewing("A", "A", during(site(centre1, net1), "2024", "2028"))
		}, fault: "ID_TAKEN"},
		{name: "it rests on nothing", given: given2017, when: func(w *world) ([]*labellingv1.Event, error) {
			return RenewLabel(w.s, w.topo, IDs{Label: "B"}, &labellingv1.RenewLabelRequest{}, nil)
		}, fault: "BASIS_MISSING basis"},
	} {
		t.Run(d.name, d.run)
	}
}

func TestConfirmLabel(t *testing.T) {
	for _, d := range []decided{
		{
			name:  "one more basis, nothing else",
			given: given2017,
			when: func(w *world) ([]*labellingv1.Event, error) {
				return w.confirming("A", &eventv1.Basis{Source: "page 2"})
			},
			then: func(t *testing.T, w *world) {
				now := w.label("A")
				before, _ := w.s.Label("A", w.at-1)
				if len(now.GetBasis()) != 2 || now.GetBasis()[1].GetSource() != "page 2" || len(before.GetBasis()) != 1 {
					t.Errorf("bases are %v, were %v", now.GetBasis(), before.GetBasis())
				}
				now = proto.CloneOf(now)
				now.Basis = before.GetBasis()
				if !proto.Equal(now, before) {
					t.Errorf("label is %v, was %v", now, before)
				}
			},
		},
		{name: "unknown label", when: func(w *world) ([]*labellingv1.Event, error) { return w.confirming("X", source) }, fault: "LABEL_UNKNOWN label_id"},
		{name: "unknown act", given: given2017, when: func(w *world) ([]*labellingv1.Event, error) {
			return w.confirming("A", &eventv1.Basis{ActId: "X"})
		}, fault: "BASIS_ACT_UNKNOWN basis.act_id"},
	} {
		t.Run(d.name, d.run)
	}
}

func TestRepealLabel(t *testing.T) {
	repealing := func(from string) func(*world) ([]*labellingv1.Event, error) {
		return func(w *world) ([]*labellingv1.Event, error) { return w.repealing("A", from) }
	}
	for _, d := range []decided{
		{
			name: "held until that day", given: given2017, when: repealing("2019-03-01"),
			then: func(t *testing.T, w *world) {
				if l := w.label("A"); l.GetRepealedFrom() != "2019-03-01" || l.GetPeriod().GetEnd() != "2022" || len(l.GetBasis()) != 2 {
					t.Errorf("label is %v", l)
				}
				if _, ok := w.s.Labels.At("A", day("2019-03-01"), w.at); ok {
					t.Error("held on the day it is repealed from")
				}
				if _, ok := w.s.Labels.At("A", day("2019-02-28"), w.at); !ok {
					t.Error("not held on the day before")
				}
			},
		},
		{name: "unknown label", when: repealing("2019-03-01"), fault: "LABEL_UNKNOWN label_id"},
		{name: "no day", given: given2017, when: repealing("2019-02-29"), fault: "DATE_INVALID repealed_from"},
		{name: "before it began", given: given2017, when: repealing("2017-01-01"), fault: "REPEAL_OUTSIDE_TERM repealed_from"},
		{name: "after it ended", given: given2017, when: repealing("2023-01-02"), fault: "REPEAL_OUTSIDE_TERM repealed_from"},
		{
			name:  "twice",
			given: func(w *world) { given2017(w); w.append(w.repealing("A", "2019-03-01")) },
			when:  repealing("2019-03-01"), fault: "LABEL_ENDED label_id",
		},
		{
			name:  "it goes on in another",
			given: func(w *world) { given2017(w); w.renew("A", "Z", during(site(centre1, net1), "2021", "2028")) },
			when:  repealing("2019-03-01"), fault: "LABEL_ENDED label_id",
		},
	} {
		t.Run(d.name, d.run)
	}
}

func TestCorrectLabel(t *testing.T) {
	var first uint64
	given := func(w *world) {
		first = w.grant("A", during(site(centre1, net1), "2017", "2022"))
		w.grant("Z", filiere(fil1))
	}
	correcting := func(edit func(*labellingv1.CorrectLabelRequest)) func(*world) ([]*labellingv1.Event, error) {
		return func(w *world) ([]*labellingv1.Event, error) { return w.correcting("A", first, edit) }
	}
	for _, d := range []decided{
		{
			name: "window and role, over its whole time", given: given,
			when: correcting(func(r *labellingv1.CorrectLabelRequest) {
				r.Role, r.RoleAsPrinted = labellingv1.Role_ROLE_COORDINATOR.Enum(), new("CRMR")
				r.Period = period("2018", "2021")
			}),
			then: func(t *testing.T, w *world) {
				l := w.label("A")
				if l.GetRole() != labellingv1.Role_ROLE_COORDINATOR || l.GetRoleAsPrinted() != "CRMR" || len(l.GetBasis()) != 2 {
					t.Errorf("label is %v", l)
				}
				if v := w.s.Labels.Versions("A", w.at); len(v) != 1 || v[0].Valid != (bitemporal.Interval{From: day("2018-01-01"), To: day("2022-01-01")}) {
					t.Errorf("valid %v", v)
				}
				if old, ok := w.s.Labels.At("A", day("2017-06-01"), w.at-1); !ok || old.GetRole() != labellingv1.Role_ROLE_CONSTITUTIVE {
					t.Errorf("what was believed before is %v", old)
				}
			},
		},
		{
			name: "the start of a successor: the label before ends there", given: func(w *world) {
				w.grant("Y", during(site(centre1, net1), "2017", ""))
				first = w.renew("Y", "A", during(site(centre1, net1), "2022", "2028"))
			},
			when: correcting(func(r *labellingv1.CorrectLabelRequest) { r.Period = period("2023-12-29", "2028") }),
			then: func(t *testing.T, w *world) {
				if end := w.label("Y").GetPeriod().GetEnd(); end != "2023-12-29" {
					t.Errorf("the label before ends %s", end)
				}
				if _, ok := w.s.Labels.At("Y", day("2023-12-28"), w.at); !ok {
					t.Error("the label before is not held until its successor is")
				}
			},
		},
		{
			name: "a cycle", given: func(w *world) { given(w); w.cycle("C", "2017-2022", "2017", "2022") },
			when: correcting(func(r *labellingv1.CorrectLabelRequest) { r.CycleId = new("C") }),
			then: func(t *testing.T, w *world) {
				if w.label("A").GetCycleId() != "C" {
					t.Errorf("label is %v", w.label("A"))
				}
			},
		},
		{
			name: "a head", given: given,
			when: func(w *world) ([]*labellingv1.Event, error) {
				return CorrectLabel(w.s, w.topo, &labellingv1.CorrectLabelRequest{Basis: source, LabelId: "A", Corrects: first}, &eventv1.PersonalValue{ValueId: "v"})
			},
			then: func(t *testing.T, w *world) {
				if w.label("A").GetHead().GetValueId() != "v" {
					t.Errorf("label is %v", w.label("A"))
				}
			},
		},
		{name: "an event of another label", given: given, when: func(w *world) ([]*labellingv1.Event, error) {
			return w.correcting("A", w.at, func(r *labellingv1.CorrectLabelRequest) { r.Period = period("2018", "") })
		}, fault: "CORRECTS_OTHER corrects"},
		{name: "nothing", given: given, when: correcting(func(*labellingv1.CorrectLabelRequest) {}), fault: "NOTHING_TO_CORRECT"},
		{name: "what is right already", given: given, when: correcting(func(r *labellingv1.CorrectLabelRequest) {
			r.Period = period("2017", "2022")
		}), fault: "NOTHING_TO_CORRECT"},
		{name: "unknown cycle", given: given, when: correcting(func(r *labellingv1.CorrectLabelRequest) { r.CycleId = new("X") }), fault: "CYCLE_UNKNOWN cycle_id"},
		{name: "a role it cannot have", given: given, when: correcting(func(r *labellingv1.CorrectLabelRequest) {
			r.Role = labellingv1.Role_ROLE_PEMR.Enum()
		}), fault: "ROLE_HOLDER_MISMATCH role"},
		{name: "an empty window", given: given, when: correcting(func(r *labellingv1.CorrectLabelRequest) { r.Period = period("2018", "2017") }), fault: "PERIOD_EMPTY period.end"},
		{name: "a day that does not exist", given: given, when: correcting(func(r *labellingv1.CorrectLabelRequest) { r.Period = period("2018-06-31", "") }), fault: "DATE_INVALID period.start"},
		{name: "unknown label", when: func(w *world) ([]*labellingv1.Event, error) {
			return w.correcting("X", 1, func(*labellingv1.CorrectLabelRequest) {})
		}, fault: "LABEL_UNKNOWN label_id"},
	} {
		t.Run(d.name, d.run)
	}
}

func TestRecordAssertion(t *testing.T) {
	asserting := func(id string) func(*world) ([]*labellingv1.Event, error) {
		return func(w *world) ([]*labellingv1.Event, error) {
			return RecordAssertion(w.s, w.topo, &labellingv1.RecordAssertionRequest{Basis: source, EntityId: id, Field: "role", Value: "CCMR"})
		}
	}
	for _, id := range []string{"A", "SA", net1, centre1, "C"} {
		decided{
			given: func(w *world) { given2017(w); w.cycle("C", "x", "", ""); w.append(asserting(id)(w)) },
			when:  asserting(id),
			then: func(t *testing.T, w *world) {
				if got := w.s.AssertionsAbout(id, w.at); len(got) != 2 || got[1].GetValue() != "CCMR" || got[1].GetBasis().GetSource() == "" {
					t.Errorf("assertions about %s are %v", id, got)
				}
				if got := w.s.AssertionsAbout(id, w.at-1); len(got) != 1 {
					t.Errorf("assertions about %s were %v", id, got)
				}
			},
		}.run(t)
	}
	decided{when: asserting("X"), fault: "ENTITY_UNKNOWN entity_id"}.run(t)
}

func TestSettleAssertion(t *testing.T) {
	const same, fresh, out = labellingv1.Settlement_SETTLEMENT_SAME_LABEL, labellingv1.Settlement_SETTLEMENT_NEW_LABEL, labellingv1.Settlement_SETTLEMENT_LEFT_OUT
	var at uint64 // of the assertion
	given := func(w *world) {
		given2017(w)
		w.append(RecordAssertion(w.s, w.topo, &labellingv1.RecordAssertionRequest{Basis: source, EntityId: net1, Field: UndeterminedLine, Value: "12 | CHU"}))
		at = w.at
	}
	settling := func(outcome labellingv1.Settlement, label string) func(*world) ([]*labellingv1.Event, error) {
		return func(w *world) ([]*labellingv1.Event, error) {
			return SettleAssertion(w.s, &labellingv1.SettleAssertionRequest{Basis: source, Position: at, Outcome: outcome, LabelId: label})
		}
	}
	after := func(when func(*world) ([]*labellingv1.Event, error)) func(*world) {
		return func(w *world) { given(w); w.append(when(w)) }
	}
	settled := func(outcome labellingv1.Settlement, label string) func(*testing.T, *world) {
		return func(t *testing.T, w *world) {
			now := w.s.AssertionsAbout(net1, w.at)
			if len(now) != 1 || now[0].GetSettlement() != outcome || now[0].GetSettledLabelId() != label || now[0].GetSettledBasis().GetSource() == "" || now[0].GetPosition() != at {
				t.Errorf("settled as %v", now)
			}
			if then := w.s.AssertionsAbout(net1, at); len(then) != 1 || then[0].GetSettlement() != 0 {
				t.Errorf("known before as %v", then)
			}
			if got := w.s.SettledOf(label); label != "" && !slices.Equal(got, []uint64{w.at}) {
				t.Errorf("label %s has settlements at %v, want %d", label, got, w.at)
			}
			if about := w.s.AssertionsAbout("A", w.at); about != nil {
				t.Errorf("of the label it is said: %v", about)
			}
		}
	}
	for _, d := range []decided{
		{name: "as a label held already", given: given, when: settling(same, "A"), then: settled(same, "A")},
		{name: "as a label recorded since", given: given, when: settling(fresh, "A"), then: settled(fresh, "A")},
		{name: "as left out", given: given, when: settling(out, ""), then: settled(out, "")},
		{name: "as the error of the source", given: given, when: settling(labellingv1.Settlement_SETTLEMENT_SOURCE_REFUTED, ""), then: settled(labellingv1.Settlement_SETTLEMENT_SOURCE_REFUTED, "")},
		{name: "again, otherwise", given: after(settling(out, "")), when: settling(same, "A"), then: settled(same, "A")},
		{name: "again, the same", given: after(settling(out, "")), when: settling(out, ""), fault: "ALREADY_SETTLED outcome"},
		{name: "as no label", given: given, when: settling(same, ""), fault: "LABEL_MISSING label_id"},
		{name: "as a label that is none", given: given, when: settling(fresh, "X"), fault: "LABEL_UNKNOWN label_id"},
		{name: "as left out, and a label", given: given, when: settling(out, "A"), fault: "LABEL_MISPLACED label_id"},
		{name: "what is no assertion", given: func(w *world) { given2017(w); at = w.at }, when: settling(out, ""), fault: "ASSERTION_UNKNOWN position"},
		{name: "on no ground", given: given, when: func(w *world) ([]*labellingv1.Event, error) {
			return SettleAssertion(w.s, &labellingv1.SettleAssertionRequest{Position: at, Outcome: out})
		}, fault: "BASIS_MISSING basis"},
	} {
		t.Run(d.name, d.run)
	}
}

func TestSubject(t *testing.T) {
	for want, e := range map[string]*labellingv1.Event{
		"registry.labelling.label.A":     renew("A", &labellingv1.LabelGranted{LabelId: "B"}),
		"registry.labelling.assertion.N": {Fact: &labellingv1.Event_AssertionRecorded{AssertionRecorded: &labellingv1.AssertionRecorded{EntityId: "N"}}},
		"registry.labelling.assertion.M": {Fact: &labellingv1.Event_AssertionSettled{AssertionSettled: &labellingv1.AssertionSettled{EntityId: "M", Position: 4}}},
		"registry.labelling.act.Z":       {Fact: &labellingv1.Event_ActRecorded{ActRecorded: &labellingv1.ActRecorded{ActId: "Z"}}},
		"registry.labelling.cycle.C":     {Fact: &labellingv1.Event_CycleRegistered{CycleRegistered: &labellingv1.CycleRegistered{CycleId: "C"}}},
		"registry.labelling.act.Y":       {Fact: &labellingv1.Event_ActListed{ActListed: &labellingv1.ActListed{Act: &labellingv1.ActRecorded{ActId: "Y"}}}},
		"registry.labelling.cycle.D":     {Fact: &labellingv1.Event_ThresholdsStated{ThresholdsStated: &labellingv1.ThresholdsStated{CycleId: "D"}}},
		"":                               {},
	} {
		if got := Subject(e); got != want {
			t.Errorf("subject is %q, want %q", got, want)
		}
	}
}

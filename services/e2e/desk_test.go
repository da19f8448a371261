package e2e

import (
	"context"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/fault"
)

const (
	coordinator  = labellingv1.Role_ROLE_COORDINATOR
	constitutive = labellingv1.Role_ROLE_CONSTITUTIVE
	reference    = labellingv1.Role_ROLE_REFERENCE
	competence   = labellingv1.Role_ROLE_COMPETENCE
	crc          = labellingv1.Role_ROLE_RESOURCE_AND_COMPETENCE
	fsmr         = labellingv1.Role_ROLE_FSMR

	complete = labellingv1.Coverage_COVERAGE_COMPLETE
	partial  = labellingv1.Coverage_COVERAGE_PARTIAL

	inForce    = labellingv1.Status_STATUS_IN_FORCE
	abeyance   = labellingv1.Status_STATUS_IN_ABEYANCE
	expired    = labellingv1.Status_STATUS_EXPIRED
	lapsed     = labellingv1.Status_STATUS_LAPSED
	superseded = labellingv1.Status_STATUS_SUPERSEDED
)

var stated = &eventv1.Basis{Source: "https://example.org/source", Evidence: eventv1.Evidence_EVIDENCE_STATED, SeenDate: "2026-11"}

// by is the basis of a fact that an act states.
func by(act string) *eventv1.Basis {
	return &eventv1.Basis{ActId: act, Source: "https://example.org/act", Evidence: eventv1.Evidence_EVIDENCE_ACT_CITED}
}

// desk is an officer's: what is recorded there must be accepted.
type desk struct {
	*server
	ctx       context.Context
	topology  topologyv1.TopologyServiceClient
	labelling labellingv1.LabellingServiceClient
	approver  labellingv1.LabellingServiceClient // another person
	registry  registryv1.RegistryServiceClient
	names     map[string]string // of what was recorded, by id
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	return deskOf(t, start(t, t.TempDir()))
}

func deskOf(t *testing.T, s *server) *desk {
	t.Helper()
	own := *s
	own.t = t
	conn := own.dial()
	return &desk{
		server: &own, ctx: t.Context(), names: map[string]string{},
		topology: topologyv1.NewTopologyServiceClient(conn), labelling: labellingv1.NewLabellingServiceClient(conn),
		approver: labellingv1.NewLabellingServiceClient(own.dialAs("approver")), registry: registryv1.NewRegistryServiceClient(conn),
	}
}

func (s *server) dialAs(who string) grpc.ClientConnInterface { return acting{s.conn, who} }

func (d *desk) named(id, name string) string {
	d.names[id] = name
	return id
}

func (d *desk) filiere(acronym string) string {
	d.t.Helper()
	r, err := d.topology.RegisterFiliere(d.ctx, &topologyv1.RegisterFiliereRequest{Basis: stated, Acronym: acronym})
	must(d.t, err)
	return d.named(r.GetFiliereId(), "filière "+acronym)
}

func (d *desk) network(title, acronym, filiere string) string {
	d.t.Helper()
	r, err := d.topology.RegisterNetwork(d.ctx, &topologyv1.RegisterNetworkRequest{Basis: stated, Title: title, Acronym: acronym, FiliereId: filiere})
	must(d.t, err)
	name := acronym
	if name == "" {
		name = title
	}
	return d.named(r.GetNetworkId(), "réseau "+name)
}

func (d *desk) hospital(name, city, department string) string {
	d.t.Helper()
	r, err := d.topology.RegisterEstablishment(d.ctx, &topologyv1.RegisterEstablishmentRequest{
		Basis: stated, Name: name, Place: &topologyv1.Place{City: city, DepartmentCode: department},
	})
	must(d.t, err)
	return d.named(r.GetEstablishmentId(), name)
}

// centre registers a team in hospitals.
func (d *desk) centre(name string, hospitals ...string) string {
	d.t.Helper()
	r, err := d.topology.RegisterCentre(d.ctx, &topologyv1.RegisterCentreRequest{Basis: stated, Name: name, EstablishmentIds: hospitals})
	must(d.t, err)
	return d.named(r.GetCentreId(), "centre "+name)
}

func (d *desk) cycle(code, start, end string, aliases ...string) string {
	d.t.Helper()
	r, err := d.labelling.RegisterCycle(d.ctx, &labellingv1.RegisterCycleRequest{Basis: stated, Code: code, Aliases: aliases, Period: &eventv1.Period{Start: start, End: end}})
	must(d.t, err)
	return d.named(r.GetCycleId(), "cycle "+code)
}

// grant is a label of a team in a network.
func grant(centre, network string, role labellingv1.Role, cycle, start, end string) *labellingv1.Grant {
	return &labellingv1.Grant{
		Holder: &labellingv1.Grant_Site{Site: &labellingv1.SiteRef{CentreId: centre, NetworkId: network}},
		Role:   role, CycleId: cycle, Period: &eventv1.Period{Start: start, End: end},
	}
}

// granted records a label that a source states.
func (d *desk) granted(g *labellingv1.Grant) (label, site string) {
	d.t.Helper()
	r, err := d.labelling.GrantLabel(d.ctx, &labellingv1.GrantLabelRequest{Basis: stated, Grant: g})
	must(d.t, err)
	return r.GetLabelId(), r.GetSiteId()
}

// record records an arrêté with its lines, signed and published on two days.
func (d *desk) record(title, signed, published, cycle string, lines ...*labellingv1.ActLine) (act string, labels []string) {
	d.t.Helper()
	request := &labellingv1.RecordActRequest{
		Basis: stated, Kind: labellingv1.ActKind_ACT_KIND_ARRETE, Title: title, SignedDate: signed, EffectiveDate: published, CycleId: cycle,
		Scope: []*labellingv1.ScopeCell{{Coverage: partial}}, Lines: lines,
	}
	if published != "" {
		request.Publications = []*labellingv1.Publication{{Bulletin: "BO Santé", Date: published}}
	}
	r, err := d.labelling.RecordAct(d.ctx, request)
	must(d.t, err)
	return d.named(r.GetActId(), title), r.GetLabelIds()
}

func grants(g *labellingv1.Grant) *labellingv1.ActLine {
	return &labellingv1.ActLine{Disposition: &labellingv1.ActLine_Granted{Granted: g}}
}

func renews(label string, g *labellingv1.Grant) *labellingv1.ActLine {
	return &labellingv1.ActLine{Disposition: &labellingv1.ActLine_Renewed{Renewed: &labellingv1.Renewal{LabelId: label, Grant: g}}}
}

func confirms(label string) *labellingv1.ActLine {
	return &labellingv1.ActLine{Disposition: &labellingv1.ActLine_ConfirmedLabelId{ConfirmedLabelId: label}}
}

// row is a line of an annex as printed.
func row(network string, role labellingv1.Role, hospital, city string, heads ...string) *labellingv1.AnnexLine {
	return &labellingv1.AnnexLine{NetworkTitle: network, Role: role, Establishment: hospital, City: city, Heads: heads}
}

// act2023 is the arrêté of 26 December 2023 with a list.
func act2023(cycle string, scope []*labellingv1.ScopeCell, lines ...*labellingv1.AnnexLine) *labellingv1.Annex {
	return &labellingv1.Annex{
		Basis: stated, Kind: labellingv1.ActKind_ACT_KIND_ARRETE, Title: "Arrêté du 26 décembre 2023", SignedDate: "2023-12-26",
		Publications: []*labellingv1.Publication{{Bulletin: "BO Santé", Number: "2023/24", Date: "2023-12-29"}},
		CycleId:      cycle, LabelPeriod: &eventv1.Period{Start: "2023-12-29", End: "2028-12-29"}, Scope: scope, Lines: lines,
	}
}

func of(filiere string, coverage labellingv1.Coverage) []*labellingv1.ScopeCell {
	return []*labellingv1.ScopeCell{{FiliereId: filiere, Coverage: coverage}}
}

// enact has one officer prepare an act and another approve it, with as many labels lost
// by absence as the plan says.
func (d *desk) enact(annex *labellingv1.Annex) (act string, plan *labellingv1.Plan) {
	d.t.Helper()
	draft, err := d.labelling.PrepareAct(d.ctx, &labellingv1.PrepareActRequest{Annex: annex})
	if err != nil {
		p, _ := d.labelling.PlanAct(d.ctx, &labellingv1.PlanActRequest{Annex: annex})
		d.t.Fatalf("%v\nquestions %v\nrefusals %v", err, p.GetPlan().GetQuestions(), p.GetPlan().GetRefusals())
	}
	lost := uint32(0)
	for _, e := range draft.GetPlan().GetEffects() {
		if e.GetDisposition() == labellingv1.Disposition_DISPOSITION_LAPSED || e.GetDisposition() == labellingv1.Disposition_DISPOSITION_EXPIRED {
			lost++
		}
	}
	r, err := d.approver.ApproveAct(d.ctx, &labellingv1.ApproveActRequest{
		DraftId: draft.GetDraftId(), EffectsSha256: draft.GetPlan().GetEffectsSha256(), AcceptedLapses: lost,
	})
	must(d.t, err)
	return d.named(r.GetActId(), annex.GetTitle()), draft.GetPlan()
}

// office records that a person takes a post.
func (d *desk) office(r *labellingv1.TakeOfficeRequest) string {
	d.t.Helper()
	r.Basis = stated
	a, err := d.labelling.TakeOffice(d.ctx, r)
	must(d.t, err)
	return a.GetOfficeId()
}

func on(day string) *registryv1.AsOf { return &registryv1.AsOf{ValidAt: day} }

// label is a label as it stands on a day.
func (d *desk) label(id, day string) *registryv1.LabelEntry {
	d.t.Helper()
	r, err := d.registry.GetLabel(d.ctx, &registryv1.GetLabelRequest{LabelId: id, AsOf: on(day)})
	must(d.t, err)
	return r.GetEntry()
}

// stands checks the status of a label on a day.
func (d *desk) stands(id, day string, want labellingv1.Status) {
	d.t.Helper()
	if got := d.label(id, day).GetStatus(); got != want {
		d.t.Errorf("on %s label %s is %v, want %v", day, id, got, want)
	}
}

// labels are those that match, in force, in abeyance or undetermined on the day.
func (d *desk) labels(r *registryv1.ListLabelsRequest) []*registryv1.LabelEntry {
	d.t.Helper()
	a, err := d.registry.ListLabels(d.ctx, r)
	must(d.t, err)
	return a.GetEntries()
}

// count is how many of a unit are in force on a day.
func (d *desk) count(day string, unit registryv1.CountUnit, withCRC bool) uint32 {
	d.t.Helper()
	r, err := d.registry.CountEntities(d.ctx, &registryv1.CountEntitiesRequest{AsOf: on(day), Unit: unit, WithCrc: withCRC})
	must(d.t, err)
	if r.GetUnit() != unit || r.GetWithCrc() != withCRC {
		d.t.Errorf("the count names the unit %v, CRC %v; asked were %v, %v", r.GetUnit(), r.GetWithCrc(), unit, withCRC)
	}
	return r.GetTotal().GetInForce()
}

// facts are those of an entity, by the name of their kind.
func (d *desk) facts(id string) (kinds []string, all []*registryv1.Fact) {
	d.t.Helper()
	r, err := d.registry.ListHistory(d.ctx, &registryv1.ListHistoryRequest{EntityId: id})
	must(d.t, err)
	for _, f := range r.GetFacts() {
		kinds = append(kinds, kindOf(f))
	}
	return kinds, r.GetFacts()
}

// happened checks which kinds of facts an entity has, in the order recorded.
func (d *desk) happened(id string, want ...string) {
	d.t.Helper()
	if got, _ := d.facts(id); !slices.Equal(got, want) {
		d.t.Errorf("of %s it is told: %v, want %v", id, got, want)
	}
}

// assert keeps what a source says beside the record.
func (d *desk) assert(id, field, value, source, seen string) {
	d.t.Helper()
	_, err := d.labelling.RecordAssertion(d.ctx, &labellingv1.RecordAssertionRequest{
		Basis: &eventv1.Basis{Source: source, Evidence: eventv1.Evidence_EVIDENCE_STATED, SeenDate: seen}, EntityId: id, Field: field, Value: value,
	})
	must(d.t, err)
}

// todo is whether an entity waits for an officer, by a kind of work.
func (d *desk) todo(day string, kind registryv1.TodoKind, id string) bool {
	d.t.Helper()
	r, err := d.registry.ListTodo(d.ctx, &registryv1.ListTodoRequest{AsOf: on(day)})
	must(d.t, err)
	return slices.ContainsFunc(r.GetItems(), func(i *registryv1.TodoItem) bool { return i.GetKind() == kind && i.GetEntityId() == id })
}

// refusedFor checks that a call was refused for a reason.
func refusedFor(t *testing.T, err error, reason string) {
	t.Helper()
	if got, told := fault.FromStatus(err); err == nil || !told || got.Reason != reason {
		t.Errorf("answered with %v, want %s", err, reason)
	}
}

// kindOf is the kind of a fact, as the contract names it.
func kindOf(f *registryv1.Fact) string {
	m := f.GetLabelling().ProtoReflect()
	if e := f.GetTopology(); e != nil {
		m = e.ProtoReflect()
	}
	field := m.WhichOneof(m.Descriptor().Oneofs().ByName("fact"))
	return strings.ReplaceAll(string(field.Name()), "_", " ")
}

// metaOf is who recorded a fact, when and why.
func metaOf(f *registryv1.Fact) *eventv1.Meta {
	if e := f.GetTopology(); e != nil {
		return e.GetMeta()
	}
	return f.GetLabelling().GetMeta()
}

package server_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/activity"
	"maillage/services/activity/server"
	"maillage/services/bitemporal"
	"maillage/services/eventlog"
	"maillage/services/fault"
	"maillage/services/labelling"
	"maillage/services/ledger"
	"maillage/services/projection"
	"maillage/services/submit"
	"maillage/services/topology"
	"maillage/services/vault"
)

const (
	pemr, centre, net = "P000000001", "C000000001", "N000000001"
	site              = "S000000001"
)

var basis = &eventv1.Basis{Source: "example.org", Evidence: eventv1.Evidence_EVIDENCE_STATED}

// world is the folds of the three contexts, and a server of commands on a log with a PEMR
// and a site.
type world struct {
	activity.States
	server *server.Server
	log    *eventlog.Memory
	runner *projection.Runner
}

// look reads the states while the runner changes nothing.
func (w *world) look(t *testing.T, read func()) {
	t.Helper()
	if err := w.runner.View(t.Context(), 0, func(uint64) error { read(); return nil }); err != nil {
		t.Fatal(err)
	}
}

func (w *world) evolve(r eventlog.Record) (*eventv1.Meta, error) {
	switch strings.Split(r.Subject, ".")[1] {
	case "activity":
		e := &activityv1.Event{}
		err := errors.Join(proto.Unmarshal(r.Body, e), w.Activity.Evolve(r.Position, e))
		return e.GetMeta(), err
	case "labelling":
		e := &labellingv1.Event{}
		err := errors.Join(proto.Unmarshal(r.Body, e), w.Labelling.Evolve(r.Position, e))
		return e.GetMeta(), err
	}
	e := &topologyv1.Event{}
	err := errors.Join(proto.Unmarshal(r.Body, e), w.Topology.Evolve(r.Position, e))
	return e.GetMeta(), err
}

func (w *world) fold() projection.Fold {
	return projection.Fold{
		Evolve:   w.evolve,
		Rollback: func(to uint64) { w.Topology.Rollback(to); w.Labelling.Rollback(to); w.Activity.Rollback(to) },
		Settle:   func(to uint64) { w.Topology.Settle(to); w.Labelling.Settle(to); w.Activity.Settle(to) },
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{States: activity.States{Activity: new(activity.State), Labelling: new(labelling.State), Topology: new(topology.State)}, log: eventlog.NewMemory()}
	meta := &eventv1.Meta{Schema: 1, CommitSize: 1, Basis: basis}
	for i, r := range []struct {
		subject string
		event   proto.Message
	}{
		{"registry.topology.platform." + pemr, &topologyv1.Event{Meta: meta, Fact: &topologyv1.Event_PlatformRegistered{PlatformRegistered: &topologyv1.PlatformRegistered{
			PlatformId: pemr, Kind: topologyv1.PlatformKind_PLATFORM_KIND_PEMR,
		}}}},
		{"registry.labelling.label.L000000001", &labellingv1.Event{Meta: meta, Fact: &labellingv1.Event_LabelGranted{LabelGranted: &labellingv1.LabelGranted{
			LabelId: "L000000001", Role: labellingv1.Role_ROLE_COMPETENCE,
			Holder: &labellingv1.Holder{Holder: &labellingv1.Holder_Site{Site: &labellingv1.Site{SiteId: site, CentreId: centre, NetworkId: net}}},
		}}}},
	} {
		body, err := proto.Marshal(r.event)
		if err == nil {
			err = w.log.Append(t.Context(), uint64(i), []eventlog.Record{{Subject: r.subject, Body: body}})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	store, err := ledger.Open(filepath.Join(t.TempDir(), "ledger"), "")
	if err != nil {
		t.Fatal(err)
	}
	v, err := vault.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	d := &submit.Desk{Vault: v, Rights: projection.Rights{Own: "registry.activity."}, Runner: projection.NewRunner(projection.Config{Log: w.log, Ledger: store, Fold: w.fold()})}
	w.server, w.runner = server.New(d, w.States), d.Runner
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := d.Runner.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait(); _ = store.Close() })
	return w
}

func as(t *testing.T, who string) context.Context {
	t.Helper()
	return metadata.NewIncomingContext(t.Context(), metadata.Pairs(submit.IdentityKey, who))
}

func reason(err error) string {
	f, _ := fault.FromStatus(err)
	if f == nil {
		return ""
	}
	return f.Reason
}

func (w *world) openPeriod(t *testing.T) string {
	t.Helper()
	p, err := w.server.OpenPeriod(as(t, "ministry"), &activityv1.OpenPeriodRequest{
		Basis: basis, Code: "2025", Span: &eventv1.Period{Start: "2025-01-01", End: "2026-01-01"},
		Indicators: []*activityv1.Indicator{{Code: "calls", Title: "Calls", Type: activityv1.ValueType_VALUE_TYPE_COUNT, Audiences: []activityv1.Audience{activityv1.Audience_AUDIENCE_PEMR}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p.GetPeriodId()
}

func calls(n uint64) []*activityv1.Value {
	return []*activityv1.Value{{IndicatorCode: "calls", Value: &activityv1.Value_Count{Count: n}}}
}

// Whoever submitted a revision does not validate it; the event names both. What was
// answered is answered again, also once the report has gone on.
func TestTwoPeopleSignOff(t *testing.T) {
	w := newWorld(t)
	period := w.openPeriod(t)
	submitted, err := w.server.SubmitReport(as(t, "platform"), &activityv1.SubmitReportRequest{
		Basis: basis, PeriodId: period, Reporter: &labellingv1.Holder{Holder: &labellingv1.Holder_PlatformId{PlatformId: pemr}}, Values: calls(7),
	})
	if err != nil {
		t.Fatal(err)
	}
	id := submitted.GetReportId()
	var r *activityv1.Report
	w.look(t, func() { r, _ = w.Activity.Reports.Last(id, bitemporal.Latest) })
	if r.GetFrozenPosition() != submitted.GetPosition()-1 || submitted.GetRevision() != 1 {
		t.Errorf("report %v of position %d, revision %d", r, submitted.GetPosition(), submitted.GetRevision())
	}
	validation := &activityv1.ValidateReportRequest{RequestId: "v1", Basis: basis, ReportId: id, Revision: 1}
	if _, err := w.server.ValidateReport(as(t, "platform"), validation); reason(err) != "SAME_PERSON" {
		t.Errorf("its own report: %v", err)
	}
	for name, c := range map[string]struct {
		id       string
		revision uint32
		want     string
	}{"no report": {"X", 1, "REPORT_UNKNOWN"}, "no revision": {id, 2, "REVISION_STALE"}} {
		if _, err := w.server.ValidateReport(as(t, "ministry"), &activityv1.ValidateReportRequest{Basis: basis, ReportId: c.id, Revision: c.revision}); reason(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	first, err := w.server.ValidateReport(as(t, "ministry"), validation)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := w.log.Get(t.Context(), first.GetPosition())
	if err != nil {
		t.Fatal(err)
	}
	e := &activityv1.Event{}
	if err := proto.Unmarshal(rec.Body, e); err != nil {
		t.Fatal(err)
	}
	if m := e.GetMeta(); m.GetActor().GetAccount() == "" || m.GetActor().GetAccount() != r.GetSubmitter().GetAccount() || m.GetApprover().GetAccount() == m.GetActor().GetAccount() {
		t.Errorf("the validation names %v and %v", m.GetActor(), m.GetApprover())
	}
	amended, err := w.server.AmendReport(as(t, "ministry"), &activityv1.AmendReportRequest{Basis: basis, ReportId: id, Revision: 1, Values: calls(8), Reason: "one more"})
	if err != nil || amended.GetRevision() != 2 {
		t.Fatal(amended, err)
	}
	if again, err := w.server.ValidateReport(as(t, "ministry"), validation); err != nil || again.GetPosition() != first.GetPosition() {
		t.Errorf("asked again: %v, %v", again, err)
	}
	if _, err := w.server.ValidateReport(as(t, "ministry"), &activityv1.ValidateReportRequest{Basis: basis, ReportId: id, Revision: 2}); reason(err) != "SAME_PERSON" {
		t.Errorf("its own amendment: %v", err)
	}
	if _, err := w.server.ReturnReport(as(t, "ministry"), &activityv1.ReturnReportRequest{Basis: basis, ReportId: id, Revision: 2, Reason: "which one?"}); err != nil {
		t.Errorf("taking it back: %v", err)
	}
}

// A file of measures is one commit; sent again with one of them changed, it is
// another of one event.
func TestMeasuresOfAFile(t *testing.T) {
	w := newWorld(t)
	req := &activityv1.RecordMeasuresRequest{Basis: basis, RequestId: "m1"}
	for i := range uint32(422) { // the years of the schema, twice: no site has more
		req.Measures = append(req.Measures, &activityv1.Measure{SiteId: site, Year: 1990 + i/2, Unit: labellingv1.ThresholdUnit(1 + i%2), Count: i})
	}
	first, err := w.server.RecordMeasures(as(t, "ministry"), req)
	if err != nil || first.GetRecorded() != 422 || first.GetUnchanged() != 0 {
		t.Fatal(first, err)
	}
	if again, err := w.server.RecordMeasures(as(t, "ministry"), req); err != nil || !proto.Equal(first, again) {
		t.Errorf("the request repeated: %v, %v", again, err)
	}
	next := proto.CloneOf(req)
	next.RequestId, next.Measures[7].Count = "m2", 1000
	if got, err := w.server.RecordMeasures(as(t, "ministry"), next); err != nil || got.GetRecorded() != 1 || got.GetUnchanged() != 421 || got.GetPosition() != first.GetPosition()+1 {
		t.Errorf("one of them changed: %v, %v", got, err)
	}
	next.RequestId = "m3"
	if _, err := w.server.RecordMeasures(as(t, "ministry"), next); reason(err) != "MEASURES_UNCHANGED" {
		t.Errorf("nothing changed: %v", err)
	}
	if _, err := w.server.WithdrawMeasure(as(t, "ministry"), &activityv1.WithdrawMeasureRequest{Basis: basis, SiteId: site, Year: 1990, Unit: 1}); err != nil {
		t.Error(err)
	}
}

// Every command reaches its decision.
func TestCommands(t *testing.T) {
	w := newWorld(t)
	ctx := as(t, "ministry")
	if _, err := w.server.StateMissions(ctx, &activityv1.StateMissionsRequest{
		Basis: basis, Audience: activityv1.Audience_AUDIENCE_PEMR, Missions: []*activityv1.Mission{{Code: "training", Title: "Training"}},
	}); err != nil {
		t.Error(err)
	}
	period := w.openPeriod(t)
	for i, do := range []func() error{
		func() error {
			_, err := w.server.StateIndicators(ctx, &activityv1.StateIndicatorsRequest{Basis: basis, PeriodId: period})
			return err
		},
		func() error {
			_, err := w.server.ClosePeriod(ctx, &activityv1.ClosePeriodRequest{Basis: basis, PeriodId: period, ClosedDate: "2026-03-31"})
			return err
		},
		func() error {
			_, err := w.server.ReopenPeriod(ctx, &activityv1.ReopenPeriodRequest{Basis: basis, PeriodId: period})
			return err
		},
	} {
		if err := do(); err != nil {
			t.Errorf("command %d: %v", i, err)
		}
	}
	var p *activityv1.Period
	w.look(t, func() { p, _ = w.Activity.PeriodByCode("2025", bitemporal.Latest) })
	if p.GetPeriodId() != period || len(p.GetIndicators()) != 0 || len(p.GetBasis()) != 4 {
		t.Errorf("period is %v", p)
	}
	holder := &labellingv1.Holder{Holder: &labellingv1.Holder_PlatformId{PlatformId: pemr}}
	u, err := w.server.RecordUndertaking(ctx, &activityv1.RecordUndertakingRequest{Basis: basis, Kind: 1, Title: "One", Holder: holder, MissionCodes: []string{"training"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.server.ReviseUndertaking(ctx, &activityv1.ReviseUndertakingRequest{Basis: basis, UndertakingId: u.GetUndertakingId(), Kind: 1, Title: "Two", Holder: holder}); err != nil {
		t.Error(err)
	}
	if _, err := w.server.CancelUndertaking(ctx, &activityv1.CancelUndertakingRequest{Basis: basis, UndertakingId: u.GetUndertakingId(), Reason: "none"}); err != nil {
		t.Error(err)
	}
	w.look(t, func() {
		for got := range w.Activity.UndertakingsOf(pemr, bitemporal.Latest) {
			if got.GetTitle() != "Two" || !got.GetCancelled() {
				t.Errorf("undertaking is %v", got)
			}
		}
	})
}

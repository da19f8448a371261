package e2e

import (
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/fault"
	"maillage/services/identifier"
)

// TestBadInput sends what must be refused: each gets an error that names the field,
// and nothing is written.
func TestBadInput(t *testing.T) {
	s := start(t, t.TempDir())
	conn := s.dial()
	topology, labelling := topologyv1.NewTopologyServiceClient(conn), labellingv1.NewLabellingServiceClient(conn)
	ctx := t.Context()
	basis := &eventv1.Basis{Source: "test", Evidence: eventv1.Evidence_EVIDENCE_STATED}
	filiere, err := topology.RegisterFiliere(ctx, &topologyv1.RegisterFiliereRequest{RequestId: "once", Basis: basis, Acronym: "RespiFIL"})
	if err != nil {
		t.Fatal(err)
	}
	before := root(t, s)
	unknown := identifier.NewID()
	grant := &labellingv1.Grant{
		Holder: &labellingv1.Grant_FiliereId{FiliereId: filiere.GetFiliereId()}, Role: labellingv1.Role_ROLE_FSMR,
		Period: &eventv1.Period{Start: "2019", End: "2018"},
	}
	act := &labellingv1.RecordActRequest{Basis: basis, Kind: labellingv1.ActKind_ACT_KIND_ARRETE, Title: "t"}
	for range 10001 {
		act.Lines = append(act.Lines, &labellingv1.ActLine{Disposition: &labellingv1.ActLine_ConfirmedLabelId{ConfirmedLabelId: unknown}})
	}
	for name, tc := range map[string]struct {
		call   func() error
		code   codes.Code
		reason string
		field  string
	}{
		"unknown id": {func() error {
			_, err := topology.RenameNetwork(ctx, &topologyv1.RenameNetworkRequest{Basis: basis, NetworkId: unknown, Title: "t"})
			return err
		}, codes.NotFound, "NETWORK_UNKNOWN", "network_id"},
		"wrong FINESS": {func() error {
			_, err := topology.RegisterEstablishment(ctx, &topologyv1.RegisterEstablishmentRequest{Basis: basis, Name: "h", Finess: "130786048"})
			return err
		}, codes.InvalidArgument, "FINESS_INVALID", "finess"},
		"end before start": {func() error {
			_, err := labelling.GrantLabel(ctx, &labellingv1.GrantLabelRequest{Basis: basis, Grant: grant})
			return err
		}, codes.InvalidArgument, "PERIOD_EMPTY", "grant.period.end"},
		"10,001 lines": {func() error { _, err := labelling.RecordAct(ctx, act); return err }, codes.InvalidArgument, "REQUEST_INVALID", "lines"},
		"20 MiB": {func() error {
			_, err := topology.RegisterCentre(ctx, &topologyv1.RegisterCentreRequest{Basis: basis, Name: strings.Repeat("x", 20<<20)}, grpc.MaxCallSendMsgSize(32<<20))
			return err
		}, codes.ResourceExhausted, "", ""},
		"request id used twice": {func() error {
			_, err := topology.RegisterFiliere(ctx, &topologyv1.RegisterFiliereRequest{RequestId: "once", Basis: basis, Acronym: "OSCAR"})
			return err
		}, codes.FailedPrecondition, "REQUEST_ID_REUSED", "request_id"},
		"dot in an id": {func() error {
			_, err := topology.RenameNetwork(ctx, &topologyv1.RenameNetworkRequest{Basis: basis, NetworkId: "a.b.c.d.ef", Title: "t"})
			return err
		}, codes.InvalidArgument, "REQUEST_INVALID", "network_id"},
		"dot in a request id": {func() error { _, err := register(ctx, conn, "a.b"); return err }, codes.InvalidArgument, "REQUEST_INVALID", "request_id"},
		"no basis": {func() error {
			_, err := topology.RegisterCentre(ctx, &topologyv1.RegisterCentreRequest{Name: "x"})
			return err
		}, codes.InvalidArgument, "REQUEST_INVALID", "basis"},
	} {
		t.Run(name, func(t *testing.T) {
			err := tc.call()
			if status.Code(err) != tc.code {
				t.Fatalf("got %v, want %v", err, tc.code)
			}
			e, ok := fault.FromStatus(err)
			if tc.reason != "" && (!ok || e.Reason != tc.reason || e.Field != tc.field) {
				t.Errorf("got %+v, want reason %s at %s", e, tc.reason, tc.field)
			}
		})
	}
	if after := root(t, s); after != before {
		t.Errorf("head %s, was %s: something refused was written", after, before)
	}
	if _, err := ledgerv1.NewLedgerServiceClient(conn).GetStatus(ctx, &ledgerv1.GetStatusRequest{}); err != nil {
		t.Errorf("the process does not answer any more: %v", err)
	}
}

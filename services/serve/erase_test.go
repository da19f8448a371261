package serve

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/proto/merkle"
	"maillage/services/fault"
	"maillage/services/registry/postgres/postgrestest"
	"maillage/services/submit"
)

const (
	erasedName = "Pr Élodie TÉMOIN-MARTIN"
	otherName  = "Dr Paul RESTANT"
	rppsNumber = "10100234565"
)

// TestErasePerson: who is erased is nowhere on the disk any more, neither as a text nor as a
// base64 of one, nor in the rows; the log stays as it was and its root with it. A vault
// restored from before forgets the person again when the process starts.
func TestErasePerson(t *testing.T) {
	url := postgrestest.Database(t)
	c := Config{Data: t.TempDir(), NATS: "off", GRPC: "127.0.0.1:0", HTTP: "off", Postgres: url}
	conn, stop := run(t, c)
	label, other := recordHeads(t, conn)
	labelling := labellingv1.NewLabellingServiceClient(conn)
	basis := &eventv1.Basis{Source: "a letter of the hospital"}
	byName := func(name string, dry, others bool) (*labellingv1.ErasePersonResponse, error) {
		return labelling.ErasePerson(t.Context(), &labellingv1.ErasePersonRequest{
			RequestId: fmt.Sprintf("erase-%t-%t", dry, others), Basis: basis, Who: &labellingv1.ErasePersonRequest_Name{Name: name},
			Reason: labellingv1.ErasureReason_ERASURE_REASON_REQUESTED, DryRun: dry, WithOthers: others,
		})
	}
	before, head := digest(t, conn), statusOf(t, conn)
	plan, err := byName("pr elodie témoin-martin", true, false)
	if err != nil || len(plan.GetErased().GetLabelIds()) != 1 || len(plan.GetErased().GetOfficeIds()) != 2 || len(plan.GetErased().GetPersonIds()) != 1 || len(plan.GetErased().GetDraftIds()) != 1 {
		t.Fatalf("a dry run says %v, %v", plan, err)
	}
	if after := statusOf(t, conn); after.GetHead().GetSize() != head.GetHead().GetSize() || headOf(t, conn, label) != erasedName {
		t.Fatal("a dry run erased something")
	}
	if _, err := byName(erasedName, false, false); !isReason(err, "NAMED_WITH_OTHERS") {
		t.Fatalf("a value with another name in it is erased unasked: %v", err)
	}
	copied := filepath.Join(t.TempDir(), "vault")
	if err := os.CopyFS(copied, os.DirFS(filepath.Join(c.Data, "vault"))); err != nil {
		t.Fatal(err)
	}
	if !holds(t, copied, "TÉMOIN") || !holds(t, copied, "CHU de Brest") { // which the draft alone says
		t.Fatal("nothing would be found in the vault")
	}
	done, err := byName(erasedName, false, true)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := byName(erasedName, false, true); err != nil || again.GetPosition() != done.GetPosition() {
		t.Errorf("the same again is answered %v, %v", again, err)
	}
	if _, err := labelling.ErasePerson(t.Context(), &labellingv1.ErasePersonRequest{
		Basis: basis, Who: &labellingv1.ErasePersonRequest_Name{Name: erasedName}, Reason: labellingv1.ErasureReason_ERASURE_REASON_REQUESTED,
	}); !isReason(err, "PERSON_UNKNOWN") {
		t.Errorf("erased twice: %v", err)
	}
	if headOf(t, conn, label) != "" || headOf(t, conn, other) != otherName {
		t.Errorf("the heads are %q and %q", headOf(t, conn, label), headOf(t, conn, other))
	}
	notices, err := feedv1.NewNoticeServiceClient(conn).ListNotices(t.Context(), &feedv1.ListNoticesRequest{})
	if err != nil || len(notices.GetNotices()) != 1 || notices.GetNotices()[0].GetKind() != feedv1.NoticeKind_NOTICE_KIND_ERASED ||
		!slices.ContainsFunc(notices.GetNotices()[0].GetConcerned(), func(c *feedv1.Concerned) bool { return c.GetKind() == "label" && c.GetId() == label }) {
		t.Errorf("notices are %v, %v", notices, err)
	}
	if now := digest(t, conn); now != before {
		t.Error("the digest of the state changed")
	}
	if rows := postgrestest.Holding(t, url, "TÉMOIN"); rows != 0 || postgrestest.Holding(t, url, "CHU de Brest") == 0 {
		t.Errorf("%d rows hold it", rows)
	}
	if root := rootOf(t, conn); !bytes.Equal(root, statusOf(t, conn).GetHead().GetRoot()) {
		t.Error("the records do not have the root announced")
	}
	stop()
	nowhere(t, c.Data)

	if err := errors.Join(os.RemoveAll(filepath.Join(c.Data, "vault")), os.CopyFS(filepath.Join(c.Data, "vault"), os.DirFS(copied))); err != nil {
		t.Fatal(err)
	}
	conn, stop = run(t, c)
	if headOf(t, conn, label) != "" || headOf(t, conn, other) != otherName {
		t.Errorf("with an older vault the heads are %q and %q", headOf(t, conn, label), headOf(t, conn, other))
	}
	stop()
	nowhere(t, c.Data)
}

// TestErasePersonInDraft: a draft that waits names the person: it is decided on before.
func TestErasePersonInDraft(t *testing.T) {
	conn, _ := run(t, Config{Data: t.TempDir(), NATS: "off", GRPC: "127.0.0.1:0", HTTP: "off"})
	recordHeads(t, conn)
	labelling := labellingv1.NewLabellingServiceClient(conn)
	basis := &eventv1.Basis{Source: "test"}
	draft, err := labelling.PrepareAct(t.Context(), &labellingv1.PrepareActRequest{Annex: &labellingv1.Annex{
		Basis: basis, Successions: []*labellingv1.Succession{{Network: "N", Establishment: "CHU de Brest", City: "Brest", Outgoing: otherName, Incoming: "Mme Zoé ATTEND", Date: "2025-05-01"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	erase := func() error {
		_, err := labelling.ErasePerson(t.Context(), &labellingv1.ErasePersonRequest{
			Basis: basis, Who: &labellingv1.ErasePersonRequest_Name{Name: "Mme Zoé ATTEND"}, Reason: labellingv1.ErasureReason_ERASURE_REASON_UNNEEDED,
		})
		return err
	}
	if err := erase(); !isReason(err, "DRAFT_NAMES_PERSON") {
		t.Errorf("while a draft waits: %v", err)
	}
	if _, err := labelling.RejectAct(t.Context(), &labellingv1.RejectActRequest{DraftId: draft.GetDraftId(), Reason: "no"}); err != nil {
		t.Fatal(err)
	}
	if err := erase(); !isReason(err, "PERSON_UNKNOWN") {
		t.Errorf("once it is rejected: %v", err)
	}
}

// recordHeads records a person as the head of a label, in two offices, one beside the RPPS
// number and one beside another name, and in an act that two people signed off; and another
// person. It returns the labels of both.
func recordHeads(t *testing.T, conn *grpc.ClientConn) (label, other string) {
	t.Helper()
	basis := &eventv1.Basis{Source: "test"}
	topology, labelling := topologyv1.NewTopologyServiceClient(conn), labellingv1.NewLabellingServiceClient(conn)
	network, err1 := topology.RegisterNetwork(t.Context(), &topologyv1.RegisterNetworkRequest{Basis: basis, Title: "N"})
	hospital, err2 := topology.RegisterEstablishment(t.Context(), &topologyv1.RegisterEstablishmentRequest{Basis: basis, Name: "CHU de Brest", Place: &topologyv1.Place{City: "Brest"}})
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	var labels []string
	for i, name := range []string{erasedName, otherName} {
		centre, err := topology.RegisterCentre(t.Context(), &topologyv1.RegisterCentreRequest{Basis: basis, EstablishmentIds: []string{hospital.GetEstablishmentId()}})
		if err != nil {
			t.Fatal(err)
		}
		granted, err := labelling.GrantLabel(t.Context(), &labellingv1.GrantLabelRequest{Basis: basis, Grant: &labellingv1.Grant{
			Holder: &labellingv1.Grant_Site{Site: &labellingv1.SiteRef{CentreId: centre.GetCentreId(), NetworkId: network.GetNetworkId()}},
			Role:   []labellingv1.Role{labellingv1.Role_ROLE_COORDINATOR, labellingv1.Role_ROLE_COMPETENCE}[i], Period: &eventv1.Period{Start: "2024-01-01", End: "2029-01-01"}, HeadName: name,
		}})
		if err != nil {
			t.Fatal(err)
		}
		labels = append(labels, granted.GetLabelId())
	}
	_, err3 := labelling.TakeOffice(t.Context(), &labellingv1.TakeOfficeRequest{
		Basis: basis, HolderId: network.GetNetworkId(), Kind: labellingv1.OfficeKind_OFFICE_KIND_COORDINATOR, Name: erasedName, Rpps: rppsNumber, Start: "2024",
	})
	filiere, err4 := topology.RegisterFiliere(t.Context(), &topologyv1.RegisterFiliereRequest{Basis: basis, Acronym: "F", Name: "F"})
	_, err5 := labelling.TakeOffice(t.Context(), &labellingv1.TakeOfficeRequest{
		Basis: basis, HolderId: filiere.GetFiliereId(), Kind: labellingv1.OfficeKind_OFFICE_KIND_COORDINATOR, Name: "Dr X et " + erasedName, Start: "2024",
	})
	draft, err6 := labelling.PrepareAct(t.Context(), &labellingv1.PrepareActRequest{Annex: &labellingv1.Annex{
		Basis: basis, Successions: []*labellingv1.Succession{{Network: "N", Establishment: "CHU de Brest", City: "Brest", Outgoing: erasedName, Incoming: "Dr SUIVANT", Date: "2025-05-01"}},
	}})
	if err := errors.Join(err3, err4, err5, err6); err != nil {
		t.Fatal(err)
	}
	approver := metadata.NewOutgoingContext(context.Background(), metadata.Pairs(submit.IdentityKey, "approver"))
	second, err := grpc.NewClient(conn.Target(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if _, err := labellingv1.NewLabellingServiceClient(second).ApproveAct(approver, &labellingv1.ApproveActRequest{DraftId: draft.GetDraftId(), EffectsSha256: draft.GetPlan().GetEffectsSha256()}); err != nil {
		t.Fatal(err)
	}
	return labels[0], labels[1]
}

func isReason(err error, reason string) bool {
	f, is := fault.FromStatus(err)
	return is && f.Reason == reason
}

func headOf(t *testing.T, conn *grpc.ClientConn, label string) string {
	t.Helper()
	r, err := registryv1.NewRegistryServiceClient(conn).GetLabel(t.Context(), &registryv1.GetLabelRequest{LabelId: label, AsOf: &registryv1.AsOf{ValidAt: "2025-01-01"}})
	if err != nil {
		t.Fatal(err)
	}
	return r.GetEntry().GetHeadName()
}

func statusOf(t *testing.T, conn *grpc.ClientConn) *ledgerv1.GetStatusResponse {
	t.Helper()
	r, err := ledgerv1.NewLedgerServiceClient(conn).GetStatus(t.Context(), &ledgerv1.GetStatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func digest(t *testing.T, conn *grpc.ClientConn) string {
	t.Helper()
	r, err := ledgerv1.NewLedgerServiceClient(conn).GetStateDigest(t.Context(), &ledgerv1.GetStateDigestRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(r.GetDigest())
}

// rootOf is the root of all records as the feed hands them on.
func rootOf(t *testing.T, conn *grpc.ClientConn) []byte {
	t.Helper()
	r, err := feedv1.NewFeedServiceClient(conn).ListEvents(t.Context(), &feedv1.ListEventsRequest{PageSize: 10000})
	if err != nil || r.GetMore() {
		t.Fatal(r.GetMore(), err)
	}
	var tree merkle.Tree
	for _, c := range r.GetCommits() {
		for _, rec := range c.GetRecords() {
			tree.Append(tlog.RecordHash(merkle.AppendLeaf(nil, rec.GetPosition(), rec.GetSubject(), rec.GetBody())))
		}
	}
	root := tree.Root()
	return root[:]
}

// nowhere looks for the person in every file of a directory.
func nowhere(t *testing.T, dir string) {
	t.Helper()
	for _, text := range []string{"TÉMOIN", "TEMOIN", rppsNumber} {
		if holds(t, dir, text) {
			t.Errorf("%q is still there", text)
		}
	}
}

// holds tells whether a file below a directory has a text, or a base64 with it.
func holds(t *testing.T, dir, text string) (found bool) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(text)) || strings.Contains(path, text) {
			found = true
		}
		if i := bytes.LastIndex(content, []byte("draft")); i >= 0 && strings.Contains(path, "values") {
			encoded := content[min(len(content), i+len("draft")+64):] // a salt and a commitment before it
			if plain, err := base64.StdEncoding.DecodeString(string(encoded)); err == nil && bytes.Contains(plain, []byte(text)) {
				found = true
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

package serve

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/vault"
)

// accesses are all that a register recorded about some values, or about all.
func accesses(t *testing.T, conn *grpc.ClientConn, req *labellingv1.ListAccessesRequest) []*labellingv1.Access {
	t.Helper()
	var all []*labellingv1.Access
	for req.PageSize = 2; ; {
		r, err := labellingv1.NewVaultServiceClient(conn).ListAccesses(t.Context(), req)
		if err != nil || r.GetDamaged() > 0 {
			t.Fatal(r, err)
		}
		all = append(all, r.GetAccesses()...)
		if req.PageToken = r.GetNextPageToken(); req.GetPageToken() == "" {
			return all
		}
	}
}

// TestAccesses: whoever is given a text of the vault is written down, by ids alone; what gives
// none is not.
func TestAccesses(t *testing.T) {
	c := Config{Data: t.TempDir(), NATS: "off", GRPC: "127.0.0.1:0", HTTP: "off"}
	conn, _ := run(t, c)
	label, _ := recordHeads(t, conn)
	stranger, err := grpc.NewClient(conn.Target(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	ctx, basis, at := t.Context(), &eventv1.Basis{Source: "test"}, &registryv1.AsOf{ValidAt: "2025-01-01"}
	reads, labelling := registryv1.NewRegistryServiceClient(conn), labellingv1.NewLabellingServiceClient(conn)
	drafts, err := labelling.ListDrafts(ctx, &labellingv1.ListDraftsRequest{States: []labellingv1.DraftState{labellingv1.DraftState_DRAFT_STATE_APPROVED}})
	if err != nil || len(drafts.GetDrafts()) != 1 {
		t.Fatal(drafts, err)
	}
	draft := drafts.GetDrafts()[0].GetDraft()
	found, err := reads.GetLabel(ctx, &registryv1.GetLabelRequest{LabelId: label, AsOf: at})
	if err != nil {
		t.Fatal(err)
	}
	head, network := found.GetEntry().GetLabel().GetHead().GetValueId(), found.GetEntry().GetLabel().GetHolder().GetSite().GetNetworkId()
	posts, err := reads.ListOffices(ctx, &registryv1.ListOfficesRequest{HolderId: network, AsOf: at})
	if err != nil || len(posts.GetOffices()) != 1 || posts.GetOffices()[0].GetName() != erasedName {
		t.Fatal(posts, err)
	}
	post := posts.GetOffices()[0].GetOffice()
	officer := accesses(t, conn, &labellingv1.ListAccessesRequest{})[0].GetAccount()
	byName := &labellingv1.ErasePersonRequest{Basis: basis, Who: &labellingv1.ErasePersonRequest_Name{Name: erasedName}, Reason: labellingv1.ErasureReason_ERASURE_REASON_REQUESTED, DryRun: true}
	for name, tc := range map[string]struct {
		call  func() error
		given []string // values that are among those given; none where no access is recorded
	}{
		"GetLabel": {func() error {
			_, err := reads.GetLabel(ctx, &registryv1.GetLabelRequest{LabelId: label, AsOf: at})
			return err
		}, []string{head}},
		"GetLabel, by nobody": {func() error {
			_, err := registryv1.NewRegistryServiceClient(stranger).GetLabel(ctx, &registryv1.GetLabelRequest{LabelId: label, AsOf: at})
			return err
		}, []string{head}},
		"ListLabels": {func() error {
			_, err := reads.ListLabels(ctx, &registryv1.ListLabelsRequest{AsOf: at})
			return err
		}, []string{head}},
		"GetCoverage": {func() error {
			_, err := reads.GetCoverage(ctx, &registryv1.GetCoverageRequest{AsOf: &registryv1.AsOf{ValidAt: "2030-01-01"}})
			return err
		}, []string{head}},
		"ListOffices": {func() error {
			_, err := reads.ListOffices(ctx, &registryv1.ListOfficesRequest{HolderId: network, AsOf: at})
			return err
		}, []string{post.GetName().GetValueId()}},
		"ListDrafts": {func() error {
			_, err := labelling.ListDrafts(ctx, &labellingv1.ListDraftsRequest{States: []labellingv1.DraftState{labellingv1.DraftState_DRAFT_STATE_APPROVED}})
			return err
		}, []string{draft.GetAnnex().GetValueId()}},
		"GetDraft": {func() error {
			_, err := labelling.GetDraft(ctx, &labellingv1.GetDraftRequest{DraftId: draft.GetDraftId()})
			return err
		}, []string{draft.GetAnnex().GetValueId()}},
		"ErasePerson": {func() error { _, err := labelling.ErasePerson(ctx, byName); return err }, []string{head, post.GetName().GetValueId(), post.GetPersonId()}},
		"OpenValues": {func() error {
			r, err := labellingv1.NewVaultServiceClient(conn).OpenValues(ctx, &labellingv1.OpenValuesRequest{ValueIds: []string{head, officer, "0000000000"}})
			if o := r.GetOpenings(); err == nil && (len(o) != 1 || r.GetLookedUp() != 3 || o[0].GetText() != erasedName ||
				!vault.Opening{Kind: o[0].GetKind(), Salt: o[0].GetSalt(), Text: o[0].GetText()}.Opens(found.GetEntry().GetLabel().GetHead().GetCommitment())) {
				t.Errorf("opened: %v", r)
			}
			return err
		}, []string{head}},
		"a history": {func() error {
			_, err := reads.ListHistory(ctx, &registryv1.ListHistoryRequest{EntityId: label})
			return err
		}, nil},
		"the feed": {func() error {
			_, err := feedv1.NewFeedServiceClient(conn).ListEvents(ctx, &feedv1.ListEventsRequest{PageSize: 100})
			return err
		}, nil},
		"a plan that compares heads": {func() error {
			_, err := labelling.PlanAct(ctx, &labellingv1.PlanActRequest{Annex: &labellingv1.Annex{
				Basis: basis, Successions: []*labellingv1.Succession{{Network: "N", Establishment: "CHU de Brest", City: "Brest", Outgoing: erasedName, Incoming: "Dr AUTRE", Date: "2025-05-01"}},
			}})
			return err
		}, nil},
		"a search that finds nobody": {func() error {
			_, err := labelling.ErasePerson(ctx, &labellingv1.ErasePersonRequest{Basis: basis, Who: &labellingv1.ErasePersonRequest_Name{Name: "Dr PERSONNE"}, Reason: 1, DryRun: true})
			if isReason(err, "PERSON_UNKNOWN") {
				return nil
			}
			return errors.Join(errors.New("somebody is found"), err)
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(accesses(t, conn, &labellingv1.ListAccessesRequest{}))
			if err := tc.call(); err != nil {
				t.Fatal(err)
			}
			fresh := accesses(t, conn, &labellingv1.ListAccessesRequest{})[before:]
			if len(fresh) != min(1, len(tc.given)) {
				t.Fatalf("recorded: %v", fresh)
			}
			method, nobody, _ := strings.Cut(name, ",")
			for _, a := range fresh {
				if !strings.HasSuffix(a.GetMethod(), "/"+method) || a.GetAccount() != map[bool]string{true: "", false: officer}[nobody != ""] || time.Since(a.GetTime().AsTime()) > time.Minute {
					t.Errorf("recorded: %v", a)
				}
				for _, id := range tc.given {
					if !slices.Contains(a.GetValueIds(), id) {
						t.Errorf("of %s nothing is said: %v", id, a)
					}
				}
			}
		})
	}
	for _, a := range accesses(t, conn, &labellingv1.ListAccessesRequest{PersonId: post.GetPersonId()}) {
		if slices.ContainsFunc(a.GetValueIds(), func(id string) bool { return id != post.GetPersonId() && id != post.GetName().GetValueId() }) {
			t.Errorf("about a person: %v", a)
		}
	}
	if some := accesses(t, conn, &labellingv1.ListAccessesRequest{ValueIds: []string{head}}); len(some) < 5 {
		t.Errorf("about the head: %v", some)
	}
	if none := accesses(t, conn, &labellingv1.ListAccessesRequest{Since: timestamppb.New(time.Now().Add(time.Hour))}); len(none) > 0 {
		t.Errorf("in an hour: %v", none)
	}
	_, err1 := labellingv1.NewVaultServiceClient(stranger).ListAccesses(ctx, &labellingv1.ListAccessesRequest{})
	_, err2 := labellingv1.NewVaultServiceClient(stranger).OpenValues(ctx, &labellingv1.OpenValuesRequest{ValueIds: []string{head}})
	_, err3 := labellingv1.NewVaultServiceClient(conn).ListAccesses(ctx, &labellingv1.ListAccessesRequest{PageToken: "x"})
	if !isReason(err1, "IDENTITY_MISSING") || !isReason(err2, "IDENTITY_MISSING") || !isReason(err3, "PAGE_TOKEN_INVALID") {
		t.Error(err1, err2, err3)
	}
	unrecorded(t, filepath.Join(c.Data, "vault", "access"), conn, label)
}

// unrecorded takes away where accesses are recorded: no name is given any more, and all else is.
func unrecorded(t *testing.T, dir string, conn *grpc.ClientConn, label string) {
	t.Helper()
	for _, text := range []string{"TÉMOIN", rppsNumber, "officer"} {
		if holds(t, dir, text) {
			t.Errorf("the record holds %q", text)
		}
	}
	if err := errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	r, err := registryv1.NewRegistryServiceClient(conn).GetLabel(t.Context(), &registryv1.GetLabelRequest{LabelId: label, AsOf: &registryv1.AsOf{ValidAt: "2025-01-01"}})
	if !isReason(err, "ACCESS_UNRECORDED") || status.Code(err) != codes.Unavailable || r != nil {
		t.Errorf("an access that cannot be recorded: %v, %v", r, err)
	}
	drafts, err := labellingv1.NewLabellingServiceClient(conn).ListDrafts(t.Context(), &labellingv1.ListDraftsRequest{States: []labellingv1.DraftState{labellingv1.DraftState_DRAFT_STATE_APPROVED}})
	if !isReason(err, "ACCESS_UNRECORDED") || drafts != nil {
		t.Errorf("drafts: %v, %v", drafts, err)
	}
	if _, err := registryv1.NewRegistryServiceClient(conn).ListEstablishments(t.Context(), &registryv1.ListEstablishmentsRequest{}); err != nil {
		t.Errorf("what names nobody: %v", err)
	}
}

// TestErasePersonDamaged: values that cannot be read do not keep a person from being erased:
// one that an office has beside the person goes too, the others are told of.
func TestErasePersonDamaged(t *testing.T) {
	c := Config{Data: t.TempDir(), NATS: "off", GRPC: "127.0.0.1:0", HTTP: "off"}
	conn, _ := run(t, c)
	label, other := recordHeads(t, conn)
	ctx, basis, at := t.Context(), &eventv1.Basis{Source: "test"}, &registryv1.AsOf{ValidAt: "2025-01-01"}
	reads, labelling := registryv1.NewRegistryServiceClient(conn), labellingv1.NewLabellingServiceClient(conn)
	second, err1 := topologyv1.NewTopologyServiceClient(conn).RegisterFiliere(ctx, &topologyv1.RegisterFiliereRequest{Basis: basis, Acronym: "G", Name: "G"})
	_, err2 := labelling.TakeOffice(ctx, &labellingv1.TakeOfficeRequest{Basis: basis, HolderId: second.GetFiliereId(), Kind: labellingv1.OfficeKind_OFFICE_KIND_COORDINATOR, Name: erasedName, Rpps: rppsNumber, Start: "2024"})
	post, err3 := reads.ListOffices(ctx, &registryv1.ListOfficesRequest{HolderId: second.GetFiliereId(), AsOf: at})
	his, err4 := reads.GetLabel(ctx, &registryv1.GetLabelRequest{LabelId: other, AsOf: at})
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	file := func(id string) string { return filepath.Join(c.Data, "vault", "values", id[:1], id) }
	beside, apart := post.GetOffices()[0].GetOffice().GetName().GetValueId(), his.GetEntry().GetLabel().GetHead().GetValueId()
	for _, id := range []string{beside, apart} {
		whole, err := os.ReadFile(file(id))
		if err == nil {
			whole[len(whole)-1] ^= 1
			err = os.WriteFile(file(id), whole, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	erase := func(dry bool) (*labellingv1.ErasePersonResponse, error) {
		return labelling.ErasePerson(ctx, &labellingv1.ErasePersonRequest{
			Basis: basis, Who: &labellingv1.ErasePersonRequest_Name{Name: erasedName}, Reason: labellingv1.ErasureReason_ERASURE_REASON_REQUESTED, WithOthers: true, DryRun: dry,
		})
	}
	for _, dry := range []bool{true, false} {
		r, err := erase(dry)
		if err != nil || !slices.Equal(r.GetUnreadValueIds(), []string{apart}) || len(r.GetErased().GetPersonIds()) != 1 || len(r.GetErased().GetLabelIds()) != 1 ||
			!slices.ContainsFunc(r.GetValues(), func(v *labellingv1.ErasedValue) bool {
				return v.GetValueId() == beside && v.GetKind() == "" && v.GetText() == ""
			}) {
			t.Fatalf("dry run %t: %v, %v", dry, r, err)
		}
	}
	if headOf(t, conn, label) != "" {
		t.Error("the label still names the person")
	}
	if _, err := os.Stat(file(beside)); !errors.Is(err, os.ErrNotExist) {
		t.Error("what cannot be read stays, though it is the person's", err)
	}
	if _, err := os.Stat(file(apart)); err != nil {
		t.Error("what cannot be read is erased, though nobody knows whose it is", err)
	}
	r, err := labelling.ErasePerson(ctx, &labellingv1.ErasePersonRequest{Basis: basis, Who: &labellingv1.ErasePersonRequest_ValueId{ValueId: apart}, Reason: labellingv1.ErasureReason_ERASURE_REASON_ORDERED})
	if err != nil || !slices.Equal(r.GetErased().GetValueIds(), []string{apart}) || !slices.Equal(r.GetErased().GetLabelIds(), []string{other}) {
		t.Errorf("by its id: %v, %v", r, err)
	}
	if _, err := os.Stat(file(apart)); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// BenchmarkListLabels lists 2,500 labels with their heads over gRPC, page by page.
func BenchmarkListLabels(b *testing.B) {
	const labels = 2500
	conn, _ := run(b, Config{Data: b.TempDir(), NATS: "off", GRPC: "127.0.0.1:0", HTTP: "off"})
	basis := &eventv1.Basis{Source: "test"}
	topology := topologyv1.NewTopologyServiceClient(conn)
	network, err := topology.RegisterNetwork(b.Context(), &topologyv1.RegisterNetworkRequest{Basis: basis, Title: "N"})
	if err != nil {
		b.Fatal(err)
	}
	act := &labellingv1.RecordActRequest{Basis: basis, Title: "A", Kind: labellingv1.ActKind_ACT_KIND_ARRETE, Lines: make([]*labellingv1.ActLine, labels)}
	var group errgroup.Group
	group.SetLimit(64)
	for i := range act.GetLines() {
		group.Go(func() error {
			centre, err := topology.RegisterCentre(b.Context(), &topologyv1.RegisterCentreRequest{Basis: basis, Name: fmt.Sprint("Équipe ", i)})
			act.Lines[i] = &labellingv1.ActLine{Disposition: &labellingv1.ActLine_Granted{Granted: &labellingv1.Grant{
				Holder: &labellingv1.Grant_Site{Site: &labellingv1.SiteRef{CentreId: centre.GetCentreId(), NetworkId: network.GetNetworkId()}},
				Role:   labellingv1.Role_ROLE_COMPETENCE, Period: &eventv1.Period{Start: "2024-01-01", End: "2029-01-01"}, HeadName: fmt.Sprintf("Pr Prénom NOM-%d", i),
			}}}
			return err
		})
	}
	err = group.Wait()
	if err == nil {
		_, err = labellingv1.NewLabellingServiceClient(conn).RecordAct(b.Context(), act)
	}
	if err != nil {
		b.Fatal(err)
	}
	reads := registryv1.NewRegistryServiceClient(conn)
	for b.Loop() {
		named := 0
		for req := (&registryv1.ListLabelsRequest{PageSize: 1000, AsOf: &registryv1.AsOf{ValidAt: "2025-01-01"}}); ; {
			r, err := reads.ListLabels(b.Context(), req)
			if err != nil {
				b.Fatal(err)
			}
			for _, e := range r.GetEntries() {
				if e.GetHeadName() != "" {
					named++
				}
			}
			if req.PageToken = r.GetNextPageToken(); req.GetPageToken() == "" {
				break
			}
		}
		if named != labels {
			b.Fatalf("%d names", named)
		}
	}
}

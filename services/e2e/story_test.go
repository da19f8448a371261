package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/audit"
	"maillage/services/serve"
)

// TestStoryFromItsBundle: the bundle of one label, or of one act, tells its whole story, word
// for word what the bundle of everything tells of it, and says that it proves nothing else.
func TestStoryFromItsBundle(t *testing.T) {
	data, files := t.TempDir(), t.TempDir()
	s := start(t, data)
	seedOnce(t, s)
	chosen := storied(deskOf(t, s))
	if _, errs, code := s.cli("person", "erase", "--name", "Pr Personne Inventée", "--reason", "demandé", "--source", "un essai", "--yes"); code != 0 {
		t.Fatal(errs)
	}
	listed := lines(t, s.succeeds("label", "list", "--valid-at", "2018-01-01", "--json"))
	for i := 0; i < len(listed); i += len(listed)/3 + 1 {
		chosen["label "+fmt.Sprint(i)] = listed[i]["label"].(map[string]any)["labelId"].(string)
	}
	moved := lines(t, s.succeeds("label", "list", "--valid-at", "2020-01-01", "--network", "Wilson", "--role", "coordinator", "--json"))
	chosen["label of a team that moved"] = moved[0]["label"].(map[string]any)["labelId"].(string)
	acts := lines(t, s.succeeds("act", "list", "--text", "9 mai 2017", "--json"))
	chosen["act of the seeds"] = acts[0]["actId"].(string)

	all, key := filepath.Join(files, "all"), publicKey(t, data)
	s.succeeds("audit", "bundle", "--out", all)
	whole, err := os.Stat(all)
	must(t, err)
	for what, id := range chosen {
		scope, _, _ := strings.Cut(what, " ")
		one := filepath.Join(files, id)
		s.succeeds("audit", "bundle", "--"+scope, id, "--out", one)
		if out := succeeds(t, "audit", "verify", one, "--key", key); !strings.Contains(out, "il ne prouve rien de ce qu'il ne contient pas") {
			t.Error(out)
		}
		part, is := storyIn(t, one, key, id)["part"].(bool)
		if !part || !is {
			t.Errorf("%s: it is not said that the bundle is of it alone", what)
		}
		for _, moment := range [][]string{nil, {"--valid-at", "2023-06-01", "--known-at", fmt.Sprint(size(t, s) - 2)}} {
			want, got := storyIn(t, all, key, id, moment...), storyIn(t, one, key, id, moment...)
			delete(got, "part")
			if told := compactOne(t, got); told != compactOne(t, want) {
				t.Errorf("%s, %v: the bundle of it alone tells\n%s\nthat of everything\n%s", what, moment, told, compactOne(t, want))
			}
		}
		if info, err := os.Stat(one); err != nil || info.Size() > whole.Size() {
			t.Errorf("%s: its bundle has %d bytes, that of everything %d", what, info.Size(), whole.Size())
		}
	}
	story := fmt.Sprint(storyIn(t, filepath.Join(files, chosen["label of a person erased"]), key, chosen["label of a person erased"]))
	for _, told := range []string{"ESSAI", "Hôpital de l'essai", "Arrêté de l'essai, 2017", "effacé à la position", "Brest"} {
		if !strings.Contains(story, told) {
			t.Errorf("%q is not told:\n%s", told, story)
		}
	}
	if _, errs, code := s.cli("audit", "bundle", "--act", "0TC3HWGBC8", "--out", filepath.Join(files, "none")); code != 4 || !strings.Contains(errs, "ENTITY_UNKNOWN") {
		t.Errorf("of an act that is none: exit code %d, %s", code, errs)
	}
	other, of := filepath.Join(files, chosen["act of the essay"]), chosen["label of a person erased"]
	if _, errs, code := verb(t, "audit", "explain", of, "--from", other, "--key", key); code != exitDamage || !strings.Contains(errs, "BUNDLE_INCOMPLETE") {
		t.Errorf("a label from the bundle of an act: exit code %d, %s", code, errs)
	}
	if _, errs, code := verb(t, "audit", "explain", of, "--published-by", "2020-01-01", "--from", filepath.Join(files, of), "--key", key); code != exitDamage || !strings.Contains(errs, "BUNDLE_INCOMPLETE") {
		t.Errorf("by what was published, from a part: exit code %d, %s", code, errs)
	}
}

// storied records labels with a story, and returns ids by what they are of.
func storied(d *desk) map[string]string {
	filiere := d.filiere("ESSAIS")
	network := d.network("Maladies de l'essai", "ESSAI", filiere)
	c2017, c2023 := d.cycle("essai 2017", "2017-08-08", "2022-08-08"), d.cycle("essai 2023", "2023-12-29", "2028-12-29")
	hospital := d.hospital("Hôpital de l'essai", "Brest", "29")
	grantOf := func(centre string, role labellingv1.Role, head string) *labellingv1.Grant {
		g := grant(centre, network, role, c2017, "2017-08-08", "2022-08-08")
		g.HeadName = head
		return g
	}
	one, two := d.centre("Équipe une", hospital), d.centre("Équipe deux", d.hospital("Autre hôpital", "Rennes", "35"))
	act, labels := d.record("Arrêté de l'essai, 2017", "2017-08-08", "2017-08-10", c2017,
		grants(grantOf(one, coordinator, "Pr Personne Inventée")), grants(grantOf(two, competence, "Dr Autre Invention")))
	entry := d.label(labels[0], "2018-01-01")
	next := &labellingv1.Grant{
		Holder: &labellingv1.Grant_Site{Site: &labellingv1.SiteRef{SiteId: entry.GetLabel().GetHolder().GetSite().GetSiteId()}},
		Role:   coordinator, CycleId: c2023, Period: grant("", "", 0, "", "2023-12-29", "2028-12-29").GetPeriod(),
	}
	later, renewed := d.record("Arrêté de l'essai, 2023", "2023-12-26", "2023-12-29", c2023, renews(labels[0], next))
	d.enact(act2023(c2023, of(filiere, complete))) // of the filière it lists nobody: the others are lost
	d.office(&labellingv1.TakeOfficeRequest{
		HolderId: entry.GetLabel().GetHolder().GetSite().GetSiteId(), Kind: labellingv1.OfficeKind_OFFICE_KIND_HEAD, Name: "Pr Personne Inventée", Start: "2017-09-01",
	})
	d.assert(labels[1], "role", "constitutif", "https://example.org/autre", "2026-11")
	return map[string]string{
		"label of a person erased": labels[0], "label that goes on": renewed[0], "label that was left out": labels[1],
		"act of the essay": act, "act that renews": later,
	}
}

// storyIn is the story that a bundle tells.
func storyIn(t *testing.T, bundle, key, id string, more ...string) map[string]any {
	t.Helper()
	var v map[string]any
	must(t, json.Unmarshal([]byte(succeeds(t, append([]string{"audit", "explain", id, "--from", bundle, "--key", key, "--json"}, more...)...)), &v))
	return v
}

// TestOfflineRefusals: what a register refuses to answer the replica of its bundle refuses in
// the same words.
func TestOfflineRefusals(t *testing.T) {
	data, file := t.TempDir(), filepath.Join(t.TempDir(), "all")
	s := start(t, data)
	fill(t, s, "centre-", 3)
	s.succeeds("audit", "bundle", "--out", file)
	bundle, err := audit.Open(file)
	must(t, err)
	defer bundle.Close()
	replica, err := bundle.Replay()
	must(t, err)
	server, err := serve.NewServer(nil)
	must(t, err)
	offline, stop, err := replica.Dial(server)
	must(t, err)
	defer stop()
	ask := func(conn grpc.ClientConnInterface) (said []string) {
		c, aliases := registryv1.NewRegistryServiceClient(conn), registryv1.NewAliasServiceClient(conn)
		say := func(err error) { said = append(said, fmt.Sprint(status.Convert(err).Proto())) }
		_, err := c.GetLabel(t.Context(), &registryv1.GetLabelRequest{LabelId: "nothing"})
		say(err)
		_, err = c.GetLabel(t.Context(), &registryv1.GetLabelRequest{LabelId: "0000000000"})
		say(err)
		_, err = c.ListLabels(t.Context(), &registryv1.ListLabelsRequest{PageSize: 1 << 30})
		say(err)
		_, err = c.ListLabels(t.Context(), &registryv1.ListLabelsRequest{Text: "a\x01b"})
		say(err)
		_, err = c.ListCentres(t.Context(), &registryv1.ListCentresRequest{PageToken: "none"})
		say(err)
		_, err = c.ListCentres(t.Context(), &registryv1.ListCentresRequest{AsOf: &registryv1.AsOf{ValidAt: "2018-13-01"}})
		say(err)
		_, err = c.CountEntities(t.Context(), &registryv1.CountEntitiesRequest{Unit: 77})
		say(err)
		_, err = aliases.ResolveAlias(t.Context(), &registryv1.ResolveAliasRequest{})
		say(err)
		return said
	}
	online, there := ask(s.dial()), ask(offline)
	if !slices.Equal(online, there) {
		t.Errorf("online\n%s\noffline\n%s", strings.Join(online, "\n"), strings.Join(there, "\n"))
	}
	for _, said := range online {
		if !strings.Contains(said, "reason") {
			t.Errorf("a refusal without a reason: %s", said)
		}
	}
}

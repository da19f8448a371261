package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// An officer states by which ids others know what is in the register, a data bank finds by
// those of the past, and both are told of what was stated by mistake and of who was erased,
// after a kill as before.
func TestAliasesAndNotices(t *testing.T) {
	data := t.TempDir()
	s := up(t, data)
	s.awaitReady()
	do := func(s *server, want int, args ...string) string {
		t.Helper()
		out, errs, code := s.cli(args...)
		if code != want {
			t.Fatalf("%q ended with %d: %s%s", args, code, out, errs)
		}
		return out + errs
	}
	id := func(out, key string) string {
		t.Helper()
		all := lines(t, out)
		if len(all) != 1 || all[0][key] == nil {
			t.Fatalf("no %s in %s", key, out)
		}
		return fmt.Sprint(all[0][key])
	}
	because := []string{"--source", "https://bamara.example", "--json"}
	with := func(args ...string) []string { return append(args, because...) }

	hospital := id(do(s, 0, with("establishment", "register", "CHU de Brest", "--city", "Brest")...), "establishmentId")
	centre := id(do(s, 0, with("centre", "register", "--name", "Équipe", "--establishment", hospital)...), "centreId")
	network := id(do(s, 0, with("network", "register", "Maladies de Brest", "--acronym", "MDB")...), "networkId")
	granted := do(s, 0, with("label", "grant", "--centre", centre, "--network", network, "--role", "coordonnateur", "--start", "2024-01-01", "--end", "2029-01-01", "--head", "Pr Anne EFFACÉE")...)
	label, site := id(granted, "labelId"), id(granted, "siteId")

	if out := do(s, 3, with("alias", "state", site, "bamra", "1042")...); !strings.Contains(out, "ALIAS_SYSTEM_NEW") {
		t.Errorf("a system mistyped: %s", out)
	}
	wrong := id(do(s, 0, with("alias", "state", site, "bamara", "1024", "--start", "2024-01-01")...), "aliasId")
	do(s, 0, with("alias", "void", wrong)...)
	first := id(do(s, 0, with("alias", "state", site, "bamara", "1042", "--start", "2024-01-01")...), "aliasId")
	do(s, 0, with("alias", "end", first, "--end", "2025-01-01")...)
	do(s, 0, with("alias", "state", site, "bamara", "B-77", "--start", "2025-01-01")...)
	do(s, 0, with("label", "void", label)...)
	if out := do(s, 0, "person", "erase", "--name", "Pr Anne EFFACÉE", "--reason", "demandé", "--source", "a letter"); !strings.Contains(out, "Rien n'est effacé") || !strings.Contains(out, label) {
		t.Errorf("without --yes: %s", out)
	}
	do(s, 0, "person", "erase", "--name", "Pr Anne EFFACÉE", "--reason", "demandé", "--source", "a letter", "--yes")

	look := func(s *server) string {
		t.Helper()
		return do(s, 0, "alias", "find", "1042") + do(s, 0, "alias", "list", site) + do(s, 4, "alias", "find", "1024") + do(s, 0, "notice", "list")
	}
	before := look(s)
	for _, want := range []string{first, site, "B-77", "ALIAS_UNKNOWN", "enregistré à tort", "effacement", "site " + site} {
		if !strings.Contains(before, want) {
			t.Errorf("no %q in\n%s", want, before)
		}
	}
	kinds := do(s, 0, "notice", "list", "--json")
	if got := strings.Count(kinds, "NOTICE_KIND_VOIDED"); got != 2 || strings.Count(kinds, "NOTICE_KIND_ERASED") != 1 || strings.Contains(kinds, "EFFACÉE") {
		t.Errorf("notices are %s", kinds)
	}
	s.kill()
	s = up(t, data)
	s.awaitReady()
	if after := look(s); after != before {
		t.Errorf("after a kill it is\n%s\nnot\n%s", after, before)
	}
	if again := do(s, 0, "notice", "list", "--json"); again != kinds {
		t.Errorf("after a kill notices are\n%s\nnot\n%s", again, kinds)
	}
	s.stop()
}

package e2e

import (
	"archive/zip"
	"encoding/csv"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"maillage/proto/merkle"
	"maillage/services/eventlog"
	"maillage/services/ledger"
)

var generation = flag.String("generation", "", "a new generation of golden replays, beside those there are")

const goldens = "testdata/golden-replay"

// answered is a question and what was answered to it.
type answered struct {
	Question string           `json:"question"`
	Answers  []map[string]any `json:"answers"`
}

// TestGoldenReplay: what the register once recorded it verifies, replays and answers as it did,
// offline from the bundle of then, and as a register that goes on from it. See the README beside
// the generations.
func TestGoldenReplay(t *testing.T) {
	if *generation != "" {
		newGeneration(t, filepath.Join(goldens, *generation))
	}
	all, err := filepath.Glob(filepath.Join(goldens, "*", "register.bundle"))
	must(t, err)
	if len(all) == 0 {
		t.Fatal("there is no generation")
	}
	for _, bundle := range all {
		dir := filepath.Dir(bundle)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			key := filepath.Join(dir, "checkpoint.pub")
			succeeds(t, "audit", "verify", bundle, "--key", key)
			if out := succeeds(t, "audit", "replay", bundle, "--key", key); !strings.Contains(out, "c'est celle que le registre avait annoncée") {
				t.Error(out)
			}
			golden, grown := goldenAnswers(t, dir), grownSince(t, dir)
			for _, want := range golden {
				compareAnswers(t, "offline", answersTo(t, bundle, key, want.Question), want, grown)
			}
			if apart() {
				return
			}
			s := goneOnFrom(t, bundle)
			for _, want := range golden {
				if strings.HasPrefix(want.Question, "audit ") {
					continue
				}
				got := answered{want.Question, lines(t, s.succeeds(append(strings.Fields(want.Question), "--json")...))}
				compareAnswers(t, "gone on", headless(got), headless(want), grown)
			}
			fill(t, s, "goes-on-", 2)
		})
	}
}

// compareAnswers compares what is answered with what was.
func compareAnswers(t *testing.T, how string, got, want answered, grown map[string]bool) {
	t.Helper()
	now, then := compactAll(t, got.Answers), compactAll(t, want.Answers)
	if now == then {
		return
	}
	same := len(got.Answers) == len(want.Answers)
	for i := 0; same && i < len(want.Answers); i++ {
		same = holds(any(got.Answers[i]), any(want.Answers[i]), grown)
	}
	if !same {
		t.Errorf("%s, %s answers\n%.2000s\nand answered\n%.2000s", how, want.Question, now, then)
	}
}

// answersTo asks a bundle, offline.
func answersTo(t *testing.T, bundle, key, question string) answered {
	t.Helper()
	args := strings.Fields(question)
	if args[0] == "audit" {
		args = append(slices.Concat(args[:2], []string{bundle, "--key", key}, args[2:]), "--json")
	} else {
		args = append(args, "--json", "--bundle", bundle, "--bundle-key", key)
	}
	return answered{question, lines(t, succeeds(t, args...))}
}

// headless leaves out how far the register is by now.
func headless(a answered) answered {
	for _, one := range a.Answers {
		for _, field := range []string{"resolved", "from", "to"} {
			if moment, is := one[field].(map[string]any); is {
				delete(moment, "headPosition")
			}
		}
	}
	return a
}

func goldenAnswers(t *testing.T, dir string) (all []answered) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "answers.jsonl"))
	must(t, err)
	for line := range strings.Lines(string(text)) {
		var one answered
		must(t, json.Unmarshal([]byte(line), &one))
		all = append(all, one)
	}
	return all
}

// grownSince is the fields that the contract has got since a generation.
func grownSince(t *testing.T, dir string) map[string]bool {
	t.Helper()
	grown := map[string]bool{}
	text, err := os.ReadFile(filepath.Join(dir, "grown"))
	if os.IsNotExist(err) {
		return grown
	}
	must(t, err)
	for line := range strings.Lines(string(text)) {
		if name := strings.Fields(line); len(name) > 0 {
			grown[name[0]] = true
		}
	}
	return grown
}

// goneOnFrom starts a register whose log is what a bundle holds: a ledger is made of its
// entries, the stream is restored from it, and the vault, of which a bundle has nothing, is a
// new one.
func goneOnFrom(t *testing.T, bundle string) *server {
	t.Helper()
	data := t.TempDir()
	_, err := ledger.RebuildFrom(each(entriesOf(t, bundle)), filepath.Join(data, "ledger"))
	must(t, err)
	succeeds(t, "restore", "--stream", "--data", data)
	succeeds(t, "restore", "--new-vault", "--reason", "what a bundle holds", "--data", data)
	return up(t, data)
}

// entriesOf reads the entries of a bundle with all records: leaves, each after its length.
func entriesOf(t *testing.T, bundle string) (all []eventlog.Record) {
	t.Helper()
	parts, err := zip.OpenReader(bundle)
	must(t, err)
	defer parts.Close()
	part, err := parts.Open("entries")
	must(t, err)
	defer part.Close()
	b, err := io.ReadAll(part)
	must(t, err)
	for len(b) > 0 {
		n := 2 + (int(b[0])<<8 | int(b[1]))
		position, subject, body, err := merkle.ParseLeaf(b[2:n])
		must(t, err)
		all = append(all, eventlog.Record{Position: position, Subject: subject, Body: slices.Clone(body)})
		b = b[n:]
	}
	return all
}

// newGeneration records a register and keeps what it answers, in a directory that must not be
// there.
func newGeneration(t *testing.T, dir string) {
	t.Helper()
	alone(t)
	must(t, os.Mkdir(dir, 0o755))
	data := t.TempDir()
	s := up(t, data, "--postgres", "off")
	s.succeeds("seed", someSeeds(t))
	seeded := size(t, s)
	ids := storied(deskOf(t, s))
	recorded := size(t, s)
	label := ids["label that was left out"]
	s.succeeds("person", "erase", "--name", "Pr Personne Inventée", "--reason", "demandé", "--source", "https://example.org/demande", "--yes")
	bundle, key := filepath.Join(dir, "register.bundle"), filepath.Join(dir, "checkpoint.pub")
	s.succeeds("audit", "bundle", "--out", bundle)
	public, err := os.ReadFile(publicKey(t, data))
	must(t, err)
	must(t, os.WriteFile(key, public, 0o644))
	head := size(t, s)
	var out strings.Builder
	encode := json.NewEncoder(&out)
	encode.SetEscapeHTML(false)
	for _, question := range questionsOf(label, ids["label of a person erased"], seeded, recorded, head) {
		offline := answersTo(t, bundle, key, question)
		if !strings.HasPrefix(question, "audit ") {
			online := answered{question, lines(t, s.succeeds(append(strings.Fields(question), "--json")...))}
			for _, one := range online.Answers {
				nameless(one)
			}
			compareAnswers(t, "offline", headless(answered{question, offline.Answers}), headless(online), nil)
		}
		must(t, encode.Encode(answersTo(t, bundle, key, question)))
	}
	must(t, os.WriteFile(filepath.Join(dir, "answers.jsonl"), []byte(out.String()), 0o644))
	s.stop()
}

// questionsOf are those of a generation: about two labels, at the positions at which the seeds
// were recorded, the acts were, and the last.
func questionsOf(lost, erased string, seeded, recorded, head uint64) (all []string) {
	ask := func(known uint64, question string) {
		all = append(all, fmt.Sprintf("%s --known-at %d", question, known))
	}
	ask(seeded, "label list --valid-at 2018-01-01 --role constitutive")
	ask(seeded, "coverage --valid-at 2023-06-01 --within 400")
	ask(recorded, "label list --valid-at 2023-06-01 --filiere ESSAIS")
	ask(recorded, "label get "+lost+" --valid-at 2023-06-01")
	ask(recorded, "label get "+erased+" --valid-at 2018-01-01")
	ask(head, "label list --valid-at 2016-01-01 --role coordinator")
	ask(head, "label list --valid-at 2024-06-01 --role coordinator")
	ask(head, "label list --valid-at 2024-06-01 --filiere ESSAIS")
	for _, day := range []string{"2018-01-01", "2023-06-01", "2024-06-01"} {
		ask(head, "count --unit label --by filière --valid-at "+day)
		ask(head, "count --unit réseau --valid-at "+day)
		ask(head, "label get "+lost+" --valid-at "+day)
		ask(head, "label get "+erased+" --valid-at "+day)
	}
	ask(head, "label history "+lost+" --valid-at 2024-06-01")
	ask(head, "label history "+erased+" --valid-at 2024-06-01")
	ask(head, "act list --valid-at 2024-06-01")
	for _, known := range []uint64{seeded, recorded, head} {
		all = append(all, fmt.Sprintf("audit replay --at %d", known))
	}
	return append(all,
		fmt.Sprintf("diff --from 2018-01-01,%d --to 2024-06-01,%d --filiere ESSAIS", head, head),
		fmt.Sprintf("diff --from 2018-01-01,%d --to 2018-01-01,%d --filiere RespiFIL", 2, seeded),
	)
}

// someSeeds is a directory with a handful of the real seeds: the labels of one filière.
func someSeeds(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, file := range []string{"establishments.csv", "fsmr.csv", "cycles.csv", "centres.csv"} {
		text, err := os.ReadFile(filepath.Join(seeds, file))
		must(t, err)
		rows, err := csv.NewReader(strings.NewReader(string(text))).ReadAll()
		must(t, err)
		if file == "centres.csv" {
			column := slices.Index(rows[0], "fsmr")
			rows = append(rows[:1], slices.DeleteFunc(rows[1:], func(row []string) bool { return row[column] != "RespiFIL" })...)
		}
		var out strings.Builder
		must(t, csv.NewWriter(&out).WriteAll(rows))
		must(t, os.WriteFile(filepath.Join(dir, file), []byte(out.String()), 0o600))
	}
	return dir
}

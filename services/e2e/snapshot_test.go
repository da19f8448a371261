package e2e

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	feedv1 "maillage/proto/gen/maillage/feed/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
)

// run runs a verb that must succeed.
func (s *server) run(args ...string) string {
	s.t.Helper()
	out, errs, code := s.cli(args...)
	if code != 0 {
		s.t.Fatalf("maillage %s: exit code %d\n%s", strings.Join(args, " "), code, errs)
	}
	return out
}

func content(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	must(t, err)
	return b
}

// proves brings a snapshot again, with the key of the register, and checks by other code that
// what is signed extends it.
func proves(t *testing.T, s *server, dir, key string) {
	t.Helper()
	if out := s.run("snapshot", "--out", dir, "--at", "10", "--key", key); !strings.Contains(out, "signature vérifiée") {
		t.Errorf("%s", out)
	}
	verifier, err := note.NewVerifier(strings.TrimSpace(string(content(t, key))))
	must(t, err)
	signed, err := note.Open(content(t, filepath.Join(dir, "checkpoint")), note.VerifierList(verifier))
	must(t, err)
	now, err := tlog.ParseTree([]byte("go.sum database tree\n" + strings.SplitN(signed.Text, "\n", 2)[1]))
	must(t, err)
	var manifest struct{ Checkpoint string }
	must(t, json.Unmarshal(content(t, filepath.Join(dir, "snapshot.json")), &manifest))
	old, err := tlog.ParseTree([]byte("go.sum database tree\n" + strings.SplitN(manifest.Checkpoint, "\n", 2)[1]))
	must(t, err)
	var proof tlog.TreeProof
	for line := range strings.Lines(string(content(t, filepath.Join(dir, "checkpoint.proof")))) {
		h, err := tlog.ParseHash(strings.TrimSpace(line))
		must(t, err)
		proof = append(proof, h)
	}
	if err := tlog.CheckTree(proof, now.N, now.Hash, old.N, old.Hash); err != nil || old.N != 10 || now.N <= old.N {
		t.Errorf("the signed checkpoint of size %d does not extend the snapshot of %d: %v", now.N, old.N, err)
	}
	stranger := filepath.Join(t.TempDir(), "stranger.pub")
	_, public, err := note.GenerateKey(rand.Reader, "stranger")
	must(t, err)
	must(t, os.WriteFile(stranger, []byte(public+"\n"), 0o600))
	if _, errs, code := s.cli("snapshot", "--out", dir, "--at", "10", "--key", stranger); code != 5 || !strings.Contains(errs, "SIGNATURE_UNKNOWN") {
		t.Errorf("a key that signed nothing: exit code %d, %s", code, errs)
	}
}

// TestSnapshot: a copy that begins from a snapshot is the copy that began at position 1,
// to the byte; a transfer goes on where it was interrupted; a process that starts anew
// hands out the same bytes; nobody is named.
func TestSnapshot(t *testing.T) {
	data, dir := t.TempDir(), t.TempDir()
	s := up(t, data)
	seedOnce(t, s)
	name(t, s)
	in := func(name string) string { return filepath.Join(dir, name) }
	s.run("follow", "--sink", "jsonl:"+in("whole"), "--until-up-to-date")
	client := feedv1.NewSnapshotServiceClient(s.dial())
	head, err := client.GetSnapshot(t.Context(), &feedv1.GetSnapshotRequest{})
	must(t, err)
	half := head.GetManifest().GetPosition() / 2

	s.run("snapshot", "--out", in("half"), "--at", strconv.FormatUint(half, 10))
	out := s.run("follow", "--sink", "jsonl:"+in("begun"), "--from-snapshot", in("half"), "--until-up-to-date")
	web := "http://" + field(s.await("msg=ready"), "http=")
	s.run("follow", "--sink", "jsonl:"+in("web"), "--from-snapshot", web+"/v1/snapshots/"+strconv.FormatUint(half, 10), "--until-up-to-date")
	s.run("follow", "--sink", "jsonl:"+in("web"), "--from-snapshot", web+"/v1/snapshots/latest", "--until-up-to-date") // it is begun
	for _, name := range []string{"begun", "web"} {
		if !bytes.Equal(content(t, in("whole")), content(t, in(name))) || !bytes.Equal(content(t, in("whole.place")), content(t, in(name+".place"))) {
			t.Errorf("the copy %s is not the one begun at position 1\n%s", name, out)
		}
	}
	if _, errs, code := s.cli("follow", "--sink", "jsonl:"+in("other"), "--from-snapshot", in("half"), "--kind", "label"); code != 2 || !strings.Contains(errs, "--from-snapshot") {
		t.Errorf("a snapshot and a filter: exit code %d, %s", code, errs)
	}

	proves(t, s, in("ten"), filepath.Join(data, "key", "checkpoint.pub"))

	// A file of which a part is there goes on from it; one that is another begins anew.
	s.run("snapshot", "--out", in("again"))
	m := head.GetManifest()
	events := content(t, filepath.Join(in("again"), "events.jsonl.gz"))
	must(t, os.Remove(filepath.Join(in("again"), "events.jsonl.gz")))
	sum := sha256.Sum256(events)
	part := filepath.Join(in("again"), "events.jsonl.gz."+hex.EncodeToString(sum[:4])+".part")
	must(t, os.WriteFile(part, events[:len(events)/3], 0o644))
	s.run("snapshot", "--out", in("again"))
	if !bytes.Equal(content(t, filepath.Join(in("again"), "events.jsonl.gz")), events) {
		t.Error("what was gone on with is another file")
	}
	must(t, os.Remove(filepath.Join(in("again"), "events.jsonl.gz")))
	must(t, os.WriteFile(part, []byte("altered"), 0o644))
	if _, errs, code := s.cli("snapshot", "--out", in("again")); code != 5 || !strings.Contains(errs, "FILES_DIFFER") {
		t.Errorf("a part that was altered: exit code %d, %s", code, errs)
	}
	s.run("snapshot", "--out", in("again")) // it is not there any more

	// Ranges over HTTP give the same file.
	url := fmt.Sprintf("%s/v1/%s/events.jsonl.gz", web, m.GetSet())
	first, etag := part1(t, url, "bytes=0-999", "")
	rest, _ := part1(t, url, "bytes=1000-", etag)
	if !bytes.Equal(append(first, rest...), events) || etag != `"`+hex.EncodeToString(sum[:])+`"` {
		t.Errorf("in ranges it has %d bytes and the tag %s", len(first)+len(rest), etag)
	}

	s.run("snapshot", "--out", in("delta"), "--from", strconv.FormatUint(half, 10))
	before, after := content(t, filepath.Join(in("half"), "snapshot.json")), content(t, filepath.Join(in("again"), "snapshot.json"))
	joint := append(unzip(t, filepath.Join(in("half"), "events.jsonl.gz")), unzip(t, filepath.Join(in("delta"), "events.jsonl.gz"))...)
	if !bytes.Equal(joint, content(t, in("whole"))) {
		t.Error("the records of a snapshot and of a delta are not the copy")
	}
	nobody(t, dir)

	// What was interrupted is gone on with at its position, though there is more by now.
	must(t, os.Mkdir(in("cut"), 0o755))
	must(t, os.WriteFile(filepath.Join(in("cut"), "snapshot.json.part"), before, 0o644))
	s.run("snapshot", "--out", in("cut"))
	if !bytes.Equal(before, content(t, filepath.Join(in("cut"), "snapshot.json"))) {
		t.Error("another position was brought than the one begun with")
	}

	s.stop()
	s = up(t, data)
	s.run("snapshot", "--out", in("half2"), "--at", strconv.FormatUint(half, 10))
	s.run("snapshot", "--out", in("again2"), "--at", strconv.FormatUint(m.GetPosition(), 10))
	if !bytes.Equal(before, content(t, filepath.Join(in("half2"), "snapshot.json"))) || !bytes.Equal(after, content(t, filepath.Join(in("again2"), "snapshot.json"))) {
		t.Error("after a restart the files are others")
	}
}

// somebody is a name that no file may have.
const somebody = "Élise Nommée"

// name has the head of a label be somebody, whose name the vault gets.
func name(t *testing.T, s *server) {
	t.Helper()
	id := lines(t, s.run("filiere", "register", "SOMEBODYS", "--source", "test", "--json"))[0]["filiereId"].(string)
	s.run("label", "grant", "--filiere", id, "--role", "FSMR", "--start", "2019-01-01", "--end", "2030-01-01", "--head", somebody, "--source", "test")
	if out := s.run("label", "list", "--filiere", id, "--valid-at", "2020-01-01", "--json"); !strings.Contains(out, somebody) {
		t.Fatalf("nobody is named: %s", out)
	}
}

// nobody looks for the name in all files below a directory.
func nobody(t *testing.T, dir string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text := content(t, path)
		if strings.HasSuffix(path, ".gz") {
			text = unzip(t, path)
		}
		if bytes.Contains(text, []byte(somebody)) {
			t.Errorf("%s names somebody", path)
		}
		return nil
	}))
}

func unzip(t *testing.T, name string) []byte {
	t.Helper()
	zip, err := gzip.NewReader(bytes.NewReader(content(t, name)))
	must(t, err)
	b, err := io.ReadAll(zip)
	must(t, err)
	return b
}

// part1 reads a range of a file, if it still is the one with a tag.
func part1(t *testing.T, url, span, tag string) (body []byte, etag string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	must(t, err)
	req.Header.Set("Range", span)
	if tag != "" {
		req.Header.Set("If-Range", tag)
	}
	r, err := http.DefaultClient.Do(req)
	must(t, err)
	defer r.Body.Close()
	body, err = io.ReadAll(r.Body)
	must(t, err)
	if r.StatusCode != http.StatusPartialContent {
		t.Errorf("%s of %s: %s %s", span, url, r.Status, body)
	}
	return body, r.Header.Get("Etag")
}

// dataset is a Data Package as a stranger reads it.
type dataset struct {
	Created, ValidAt string
	Position         uint64
	Licenses         []struct{ Name, Path string }
	Resources        []struct {
		Name, Path, Format, Mediatype, Encoding, Hash string
		Bytes                                         int
		Schema                                        *tableSchema
	}
}

type tableSchema struct {
	Fields []struct {
		Name, Title, Description, Type string
		Constraints                    struct {
			Required, Unique bool
			Pattern          string
			Enum             []string
		}
	}
	PrimaryKey  string
	ForeignKeys []struct {
		Fields    string
		Reference struct{ Resource, Fields string }
	}
	MissingValues []string
}

// TestOpenData checks the files of the seeds against what is published of them.
func TestOpenData(t *testing.T) {
	s := up(t, t.TempDir())
	seedOnce(t, s)
	name(t, s)
	dir := t.TempDir()
	s.run("opendata", "--out", dir, "--valid-at", "2019-01-01")
	var p dataset
	must(t, json.Unmarshal(content(t, filepath.Join(dir, "datapackage.json")), &p))
	if _, err := time.Parse(time.RFC3339, p.Created); err != nil || p.ValidAt != "2019-01-01" || len(p.Licenses) != 1 || p.Licenses[0].Name != "etalab-2.0" {
		t.Errorf("the package says %+v", p)
	}
	tables := map[string][]map[string]string{}
	for _, r := range p.Resources {
		text := content(t, filepath.Join(dir, r.Path))
		if sum := sha256.Sum256(text); r.Hash != "sha256:"+hex.EncodeToString(sum[:]) || r.Bytes != len(text) {
			t.Errorf("%s has %d bytes and another hash than stated", r.Path, len(text))
		}
		if r.Schema == nil {
			if r.Name != "map" {
				t.Errorf("%s has no schema", r.Name)
			}
			continue
		}
		tables[r.Name] = satisfies(t, r.Name, text, r.Schema)
		var alone, within any
		must(t, json.Unmarshal(content(t, filepath.Join(dir, "schema_"+r.Name+".json")), &alone))
		raw, err := json.Marshal(r.Schema.Fields)
		must(t, err)
		var published tableSchema
		must(t, json.Unmarshal(content(t, filepath.Join(dir, "schema_"+r.Name+".json")), &published))
		again, err := json.Marshal(published.Fields)
		must(t, err)
		if within = string(raw); within != string(again) {
			t.Errorf("%s: the schema of the package is not the one published", r.Name)
		}
	}
	for _, r := range p.Resources {
		if r.Schema == nil {
			continue
		}
		for _, key := range r.Schema.ForeignKeys {
			there := map[string]bool{}
			for _, line := range tables[key.Reference.Resource] {
				there[line[key.Reference.Fields]] = true
			}
			for _, line := range tables[r.Name] {
				if v := line[key.Fields]; v != "" && !there[v] {
					t.Errorf("%s: %s %s is not in %s", r.Name, key.Fields, v, key.Reference.Resource)
				}
			}
		}
	}
	if chart := s.run("map", "--geojson", "-", "--valid-at", "2019-01-01", "--known-at", strconv.FormatUint(p.Position, 10)); chart != string(content(t, filepath.Join(dir, "map.geojson"))) || len(chart) < 50_000 {
		t.Errorf("the map is another one than the one that is read, of %d bytes", len(chart))
	}
	// The list is the one that is read.
	want := map[string]bool{}
	for token := ""; ; {
		l, err := registryv1.NewRegistryServiceClient(s.dial()).ListLabels(t.Context(), &registryv1.ListLabelsRequest{AsOf: &registryv1.AsOf{ValidAt: "2019-01-01"}, PageSize: 1000, PageToken: token})
		must(t, err)
		for _, e := range l.GetEntries() {
			status := strings.ToLower(strings.TrimPrefix(e.GetStatus().String(), "STATUS_"))
			want[strings.Join([]string{e.GetLabel().GetLabelId(), status, e.GetNetworkTitle(), e.GetFiliereAcronym(), e.GetCity(), e.GetDepartmentCode(), e.GetRegionCode(), strings.Join(e.GetEstablishmentNames(), "|")}, ";")] = true
		}
		if token = l.GetNextPageToken(); token == "" {
			break
		}
	}
	if len(want) < 100 || len(want) != len(tables["labels_current"]) {
		t.Errorf("%d labels in the file, %d are listed", len(tables["labels_current"]), len(want))
	}
	finess := 0
	for _, l := range tables["labels_current"] {
		if !want[strings.Join([]string{l["label_id"], l["status"], l["network_title"], l["filiere_acronym"], l["city"], l["department_code"], l["region_code"], l["establishment_names"]}, ";")] {
			t.Errorf("not listed so: %v", l)
		}
		if l["finess"] != "" {
			finess++
		}
	}
	if finess < 50 || len(tables["labels_history"]) < 278 {
		t.Errorf("%d with a FINESS number, %d versions", finess, len(tables["labels_history"]))
	}
	nobody(t, dir)
}

// satisfies checks a CSV file against its schema and returns its lines.
func satisfies(t *testing.T, name string, text []byte, schema *tableSchema) (lines []map[string]string) {
	t.Helper()
	if !slices.Equal(schema.MissingValues, []string{""}) || bytes.HasPrefix(text, []byte("\ufeff")) {
		t.Errorf("%s: missing values are %q", name, schema.MissingValues)
	}
	all, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	must(t, err)
	header := make([]string, len(schema.Fields))
	for i, f := range schema.Fields {
		header[i] = f.Name
		if f.Title == "" || len(f.Description) < 8 || !regexp.MustCompile(`^[a-z][a-z0-9_]*$`).MatchString(f.Name) {
			t.Errorf("%s: the column %q is not described", name, f.Name)
		}
	}
	if !slices.Equal(all[0], header) {
		t.Errorf("%s: the header is %q, the schema has %q", name, all[0], header)
	}
	seen := map[string]bool{}
	for n, line := range all[1:] {
		row := map[string]string{}
		for i, f := range schema.Fields {
			row[f.Name] = line[i]
			if why := misfit(line[i], f.Type, f.Constraints.Pattern, f.Constraints.Enum, f.Constraints.Required); why != "" {
				t.Errorf("%s, line %d: %s is %q: %s", name, n+2, f.Name, line[i], why)
			}
			if (f.Constraints.Unique || f.Name == schema.PrimaryKey) && line[i] != "" {
				if seen[f.Name+"="+line[i]] {
					t.Errorf("%s, line %d: %s %s is there twice", name, n+2, f.Name, line[i])
				}
				seen[f.Name+"="+line[i]] = true
			}
		}
		if row[schema.PrimaryKey] == "" {
			t.Errorf("%s, line %d has no %s", name, n+2, schema.PrimaryKey)
		}
		lines = append(lines, row)
	}
	return lines
}

// misfit says why a value is none of its column.
func misfit(v, kind, pattern string, enum []string, required bool) string {
	if v == "" {
		if required {
			return "it is required"
		}
		return ""
	}
	var err error
	switch kind {
	case "string":
	case "integer":
		_, err = strconv.ParseInt(v, 10, 64)
	case "number":
		_, err = strconv.ParseFloat(v, 64)
	case "boolean":
		if v != "true" && v != "false" {
			return "it is no boolean"
		}
	case "date":
		_, err = time.Parse(time.DateOnly, v)
	case "datetime":
		_, err = time.Parse("2006-01-02T15:04:05Z", v)
	default:
		return "its type is unknown: " + kind
	}
	switch {
	case err != nil:
		return err.Error()
	case pattern != "" && !regexp.MustCompile(pattern).MatchString(v):
		return "it is not " + pattern
	case enum != nil && !slices.Contains(enum, v):
		return fmt.Sprintf("it is none of %q", enum)
	}
	return ""
}

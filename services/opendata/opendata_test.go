package opendata_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"maillage/services/bitemporal"
	"maillage/services/opendata"
	"maillage/services/registry"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The schemas are a contract: what changes in them changes their version (schemaVersion).
// An empty register has all files, of which the tables have but their headers.
func TestSchemas(t *testing.T) {
	e := opendata.New(opendata.Register{
		View:      func(f func(*registry.State)) error { f(new(registry.State)); return nil },
		Rows:      func(string) ([]registry.Row, error) { return nil, nil },
		KnownTime: func(uint64) time.Time { return time.Unix(0, 0) },
	}, 1, bitemporal.Date(20_000))
	headers, schemas := map[string]string{}, 0
	for _, f := range e.Files() {
		var out bytes.Buffer
		rows, err := f.Write(&out)
		if err != nil || rows != 0 {
			t.Fatalf("%s: %d rows, %v", f.Name, rows, err)
		}
		if table, is := strings.CutSuffix(f.Name, ".csv"); is {
			headers[table] = strings.TrimSuffix(out.String(), "\r\n")
		}
		if f.MediaType != opendata.JSON {
			continue
		}
		schemas++
		golden := filepath.Join("testdata", f.Name)
		if *update {
			if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil || !bytes.Equal(out.Bytes(), want) {
			t.Errorf("%s differs (%v); if the change is meant, give it another version, run with -update and look at it", f.Name, err)
		}
		var schema struct{ Fields []struct{ Name string } }
		if err := json.Unmarshal(out.Bytes(), &schema); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, f := range schema.Fields {
			names = append(names, f.Name)
		}
		table := strings.TrimSuffix(strings.TrimPrefix(f.Name, "schema_"), ".json")
		if headers[table] != strings.Join(names, ",") {
			t.Errorf("%s: the header is %s, the schema has %s", table, headers[table], names)
		}
		slices.Sort(names)
		if len(slices.Compact(names)) != len(schema.Fields) {
			t.Errorf("%s has two columns of one name", table)
		}
	}
	if schemas != len(headers) || schemas != 10 {
		t.Errorf("%d schemas, %d tables", schemas, len(headers))
	}
}

// Every file of a history is of a table that there is, and of no other.
func TestHistoriesAreOfTables(t *testing.T) {
	found := 0
	for table := range registry.Tables() {
		if h, ok := opendata.HistoryOf(table); ok {
			found++
			if h.Name() != table+"_history" {
				t.Errorf("%s is called %s", table, h.Name())
			}
		}
	}
	if found != 9 {
		t.Errorf("%d histories of tables", found)
	}
}

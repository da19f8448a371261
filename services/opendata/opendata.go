// Package opendata makes the files that the register publishes for everybody: the current
// list of labels and the full history as CSV, the map as GeoJSON, and the Data Package
// that says what is in them. Each file is a function of the register at a position and of a day.
// A column is declared once: its header, its cells and its field in the Table Schema come
// from there.
//
// Names of persons are not in the state, and so in no file.
package opendata

import (
	"cmp"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/atlas"
	"maillage/services/bitemporal"
	"maillage/services/registry"
	"maillage/services/registry/lens"
)

// Register is what editions are made of.
type Register struct {
	// View runs f over a state that holds the position of the edition, and does not change
	// meanwhile; it may hold more.
	View func(f func(*registry.State)) error
	// Rows are those of a table as known at that position, by id and then as recorded.
	Rows func(table string) ([]registry.Row, error)
	// KnownTime is since when a position is known.
	KnownTime func(position uint64) time.Time
}

// Edition is what is published of a position and a day.
type Edition struct {
	from     Register
	position uint64
	day      bitemporal.Date
}

// New returns the edition of a position and of a day in Europe/Paris.
func New(from Register, position uint64, day bitemporal.Date) *Edition {
	return &Edition{from: from, position: position, day: day}
}

// look lets f look at the register as it was known at the position, on the day.
func (e *Edition) look(f func(*registry.State, lens.Lens) error) (err error) {
	seen := e.from.View(func(s *registry.State) {
		err = f(s, e.lens(s))
	})
	return cmp.Or(seen, err)
}

func (e *Edition) lens(s *registry.State) lens.Lens {
	return lens.At(s, s, e.day, e.position, e.position, registryv1.Window_WINDOW_LEGAL, &lens.Snapshots{})
}

// File is a file of an edition.
type File struct {
	Name, MediaType string
	// Write writes it and returns how many lines of data it has.
	Write func(io.Writer) (rows int, err error)

	title  string
	schema *schema // nil where it is no table
	text   string
}

// Media types of the files.
const (
	CSV     = "text/csv; charset=utf-8"
	JSON    = "application/json"
	GeoJSON = "application/geo+json"
)

// Files are the files but for that of [Edition.Package].
func (e *Edition) Files() []File {
	tables := []File{table(current, fieldsOf(currentColumns), e.list)}
	for _, h := range histories {
		tables = append(tables, table(h.about, h.fields, func(w io.Writer) (int, error) {
			rows, err := e.from.Rows(h.table)
			if err != nil {
				return 0, err
			}
			return h.Write(w, slices.Values(rows), e.from.KnownTime)
		}))
	}
	files := append(tables, File{
		Name: "map.geojson", MediaType: GeoJSON, title: "Carte des centres",
		text:  "Les centres labellisés du jour dit par le paquet (validAt), ceux qui collaborent avec un réseau sans label, et leurs liens. Coordonnées WGS 84 ; les centres sans lieu connu sont comptés (unplaced).",
		Write: e.chart,
	})
	for _, a := range abouts() {
		files = append(files, File{Name: "schema_" + a.name + ".json", MediaType: JSON, Write: func(w io.Writer) (int, error) {
			return 0, writeJSON(w, a.alone(a.fields))
		}})
	}
	return files
}

type described struct {
	about
	fields []field
}

// abouts is every CSV file with its fields.
func abouts() []described {
	all := []described{{current, fieldsOf(currentColumns)}}
	for _, h := range histories {
		all = append(all, described{h.about, h.fields})
	}
	return all
}

func table(a about, fields []field, write func(io.Writer) (int, error)) File {
	s := a.inPackage(fields)
	return File{Name: a.name + ".csv", MediaType: CSV, Write: write, title: a.title, text: a.text, schema: &s}
}

// chart writes the map. It is reckoned at once from a state of its own, so that the one
// that goes on is not held meanwhile.
func (e *Edition) chart(w io.Writer) (int, error) {
	s, err := e.believed()
	if err != nil {
		return 0, err
	}
	m, err := e.lens(s).Map(&registryv1.GetMapRequest{})
	if err != nil {
		return 0, err
	}
	m.Resolved = &registryv1.Resolved{ValidAt: e.day.String(), KnownPosition: e.position, Window: registryv1.Window_WINDOW_LEGAL}
	_, err = w.Write(atlas.GeoJSON(m))
	return len(m.GetCentres()), err
}

// charted are the tables that a map is made of: all but those of activity.
var charted = []string{
	"establishments", "centres", "networks", "filieres", "platforms", "links", "continuities", "plans",
	"cycles", "acts", "labels", "assertions", "offices", "campaigns",
}

// believed is a state that answers what the register believed at the position. Of what it
// had believed before, only what tells since when an entity is known is in it.
func (e *Edition) believed() (*registry.State, error) {
	var wrong error
	rows := func(yield func(registry.Row) bool) {
		for _, table := range charted {
			all, err := e.from.Rows(table)
			if err != nil {
				wrong = err
				return
			}
			var first registry.Row // of its id: they come by id, then as they were recorded
			for _, r := range all {
				if r.ID != first.ID {
					first = r
				}
				if (r.Version.KnownTo == registry.StillKnown || r.Version.KnownFrom == first.Version.KnownFrom) && !yield(r) {
					return
				}
			}
		}
	}
	s, err := registry.Restore(nil, rows, func(func(string, registry.Resting) bool) {}, e.position)
	return s, cmp.Or(wrong, err)
}

func writeJSON(w io.Writer, v any) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	return out.Encode(v)
}

// Written says what became of a file.
type Written struct {
	Name   string
	Bytes  int64
	SHA256 string // in lower-case hexadecimal
}

// PackageName is the name of the file that describes the others.
const PackageName = "datapackage.json"

// Package writes the Data Package of the files that were written.
func (e *Edition) Package(w io.Writer, written []Written) error {
	known := e.from.KnownTime(e.position)
	p := dataPackage{
		Schema: "https://datapackage.org/profiles/2.0/datapackage.json",
		Name:   "maillage-maladies-rares", Title: "Labels maladies rares : centres, réseaux, filières et plateformes",
		Description: "Qui détient quel label maladies rares, par quel acte, depuis quand et jusqu'à quand, et depuis quand le registre le sait. Identifiants stables. Aucun nom de personne. Un nom peut commencer par =, +, - ou @ : un tableur ne doit pas en faire une formule.",
		Version:     "1.0." + strconv.FormatUint(e.position, 10),
		Created:     timeText(known), Modified: timeText(known),
		Position: e.position, ValidAt: e.day.String(),
		Licenses: []license{{"etalab-2.0", "https://www.etalab.gouv.fr/licence-ouverte-open-licence/", "Licence Ouverte / Open Licence version 2.0"}},
		Sources:  []source{{Title: "Actes du ministère chargé de la santé, et les sources que chaque ligne cite (colonnes act_id, evidence et source)"}},
		Keywords: []string{"maladies rares", "labels", "CRMR", "CCMR", "FSMR", "santé"},
	}
	for _, f := range e.Files() {
		i := slices.IndexFunc(written, func(o Written) bool { return o.Name == f.Name })
		if i < 0 || f.title == "" {
			continue
		}
		name, format, _ := strings.Cut(f.Name, ".")
		r := resource{
			Name: name, Path: f.Name, Title: f.title, Description: f.text,
			Format: format, MediaType: GeoJSON, Encoding: "utf-8",
			Bytes: written[i].Bytes, Hash: "sha256:" + written[i].SHA256, Schema: f.schema,
		}
		if f.schema != nil {
			r.Type, r.MediaType = "table", "text/csv"
			r.Dialect = &dialect{Delimiter: ",", LineTerminator: "\r\n", QuoteChar: `"`, DoubleQuote: true, Header: true}
		}
		p.Resources = append(p.Resources, r)
	}
	return writeJSON(w, p)
}

// dataPackage is a Data Package (https://datapackage.org), version 2, with the moment it
// speaks for besides.
type dataPackage struct {
	Schema      string     `json:"$schema"`
	Name        string     `json:"name"`
	Title       string     `json:"title"`
	Description string     `json:"description"`
	Version     string     `json:"version"`
	Created     string     `json:"created"`
	Modified    string     `json:"modified"`
	Position    uint64     `json:"position"`
	ValidAt     string     `json:"validAt"`
	Licenses    []license  `json:"licenses"`
	Sources     []source   `json:"sources"`
	Keywords    []string   `json:"keywords"`
	Resources   []resource `json:"resources"`
}

type license struct {
	Name  string `json:"name"`
	Path  string `json:"path"`
	Title string `json:"title"`
}

type source struct {
	Title string `json:"title"`
}

type resource struct {
	Name        string   `json:"name"`
	Type        string   `json:"type,omitempty"`
	Path        string   `json:"path"`
	Title       string   `json:"title"`
	Description string   `json:"description"`
	Format      string   `json:"format"`
	MediaType   string   `json:"mediatype"`
	Encoding    string   `json:"encoding"`
	Bytes       int64    `json:"bytes"`
	Hash        string   `json:"hash"`
	Dialect     *dialect `json:"dialect,omitempty"`
	Schema      *schema  `json:"schema,omitempty"`
}

type dialect struct {
	Delimiter      string `json:"delimiter"`
	LineTerminator string `json:"lineTerminator"`
	QuoteChar      string `json:"quoteChar"`
	DoubleQuote    bool   `json:"doubleQuote"`
	Header         bool   `json:"header"`
}

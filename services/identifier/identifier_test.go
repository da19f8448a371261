package identifier

import (
	"encoding/csv"
	"errors"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// readers are those that return (canonical, error).
var readers = map[string]func(string) (string, error){
	"FINESS": FINESS, "RPPS": RPPS, "SIREN": SIREN, "SIRET": SIRET, "ORPHA": ORPHA, "NOR": NOR, "id": ParseID,
}

const good = Kind(0)

var readings = []struct {
	reader, in, want string
	kind             Kind
}{
	// Of the Journal officiel of 2015, where it stands as legal entity and as site.
	{"FINESS", "330780495", "330780495", good},
	{"FINESS", "33 078 049 5", "330780495", good},
	{"FINESS", " 330780495\u00a0", "330780495", good},
	{"FINESS", "330780496", "330780496", BadCheck},
	{"FINESS", "330780945", "330780945", BadCheck},
	{"FINESS", "970211207", "970211207", good}, // CHU de Martinique
	// Constructed: a right check digit behind a department or none.
	{"FINESS", "980000004", "980000004", good},
	{"FINESS", "980000005", "980000005", BadCheck},
	{"FINESS", "000000000", "000000000", BadCheck},
	{"FINESS", "200000006", "200000006", BadCheck},
	{"FINESS", "960000008", "960000008", BadCheck},
	{"FINESS", "990000002", "990000002", BadCheck},
	// Constructed Corsican numbers: right as 21 and 22.
	{"FINESS", "2A0000014", "2A0000014", good},
	{"FINESS", "2a0000014", "2A0000014", good},
	{"FINESS", "2B0000012", "2B0000012", good},
	{"FINESS", "2A0000012", "2A0000012", BadCheck},
	{"FINESS", "2B0000014", "2B0000014", BadCheck},
	{"FINESS", "2A0000015", "2A0000015", BadCheck},
	// Constructed: letters elsewhere, of which nothing is promised.
	{"FINESS", "75ab00001", "75AB00001", good},
	{"FINESS", "2A000000C", "2A000000C", good},
	{"FINESS", "2C0000014", "2C0000014", good},
	{"FINESS", "", "", Malformed},
	{"FINESS", "33078049", "", Malformed},
	{"FINESS", "3307804950", "", Malformed},
	{"FINESS", "33-078049", "", Malformed},
	{"FINESS", "33078049é", "", Malformed},
	{"FINESS", "3307804\uff19\uff15", "", Malformed},
	{"FINESS", "33078049\xff", "", Malformed},
	{"FINESS", "330780495\xff", "", Malformed},
	{"FINESS", "ſ30780495", "", Malformed},

	// Constructed.
	{"RPPS", "10000000008", "10000000008", BadCheck},
	{"RPPS", "10000000009", "10000000009", good},
	{"RPPS", "10 000 000 009", "10000000009", good},
	{"RPPS", "1000000000", "", Malformed},
	{"RPPS", "810000000009", "", Malformed}, // the national form, with its 8
	{"RPPS", "1000000000A", "", Malformed},
	{"RPPS", "10000000009\x80", "", Malformed},

	{"SIREN", "732829320", "732829320", good},
	{"SIREN", "732 829 320", "732829320", good},
	{"SIREN", "356000000", "356000000", good}, // La Poste
	{"SIREN", "732829321", "732829321", BadCheck},
	{"SIREN", "7328-2932", "", Malformed},
	{"SIREN", "73282932A", "", Malformed},

	{"SIRET", "73282932000074", "73282932000074", good},
	{"SIRET", "732 829 320 00074", "73282932000074", good},
	{"SIRET", "73282932000075", "73282932000075", BadCheck},
	{"SIRET", "35600000000048", "35600000000048", good}, // the seat of La Poste, by Luhn
	{"SIRET", "35600000049837", "35600000049837", good}, // another, by the sum of 45
	{"SIRET", "35600000049838", "35600000049838", BadCheck},
	{"SIRET", "35600000000049", "35600000000049", BadCheck},
	{"SIRET", "73282932100072", "73282932100072", BadCheck}, // constructed: the whole checks, the SIREN does not
	{"SIRET", "73282932000073", "73282932000073", BadCheck},
	{"SIRET", "7328293200007", "", Malformed},
	{"SIRET", "\xff3282932000074", "", Malformed},

	{"ORPHA", "558", "ORPHA:558", good},
	{"ORPHA", "ORPHA:558", "ORPHA:558", good},
	{"ORPHA", "orpha:558", "ORPHA:558", good},
	{"ORPHA", "Orpha 558", "ORPHA:558", good},
	{"ORPHA", "ORPHA558", "ORPHA:558", good},
	{"ORPHA", "ORPHA: 558", "ORPHA:558", good},
	{"ORPHA", "1234567", "ORPHA:1234567", good},
	{"ORPHA", "12345678", "", Malformed},
	{"ORPHA", "", "", Malformed},
	{"ORPHA", "ORPHA", "", Malformed},
	{"ORPHA", "ORPHA:", "", Malformed},
	{"ORPHA", "ORPHA::558", "", Malformed},
	{"ORPHA", ":558", "", Malformed},
	{"ORPHA", "0", "", Malformed},
	{"ORPHA", "ORPHA:0558", "", Malformed},
	{"ORPHA", "-558", "", Malformed},
	{"ORPHA", "5e8", "", Malformed},
	{"ORPHA", "OMIM:558", "", Malformed},
	{"ORPHA", "558\xc3", "", Malformed},

	{"NOR", "SSAH2213795D", "SSAH2213795D", good},
	{"NOR", "AFSH1320145J", "AFSH1320145J", good},
	{"NOR", "AFSH1506177A", "AFSH1506177A", good},
	{"NOR", "AFSH1600905J", "AFSH1600905J", good},
	{"NOR", "SANH0422828A", "SANH0422828A", good},
	{"NOR", "SANH0530108C", "SANH0530108C", good},
	{"NOR", "SASX1030250S", "SASX1030250S", good},
	{"NOR", "SSAH1717778J", "SSAH1717778J", good},
	{"NOR", "ssah2213795d", "SSAH2213795D", good},
	{"NOR", "SSAH 22 13795 D", "SSAH2213795D", good},
	{"NOR", "SSAH2213795", "", Malformed},
	{"NOR", "SSAH22137955", "", Malformed},
	{"NOR", "SSA12213795D", "", Malformed},
	{"NOR", "SSAH22I3795D", "", Malformed},
	{"NOR", "NOR SSAH2213795D", "", Malformed},
	{"NOR", "ſSAH2213795D", "", Malformed},
	{"NOR", "SSAH2213795\xff", "", Malformed},

	// Worked by hand: 0+...+2×1 lacks 30 of 32, and 2×16 is 10 in base 32.
	{"id", "0000000000", "0000000000", good},
	{"id", "000000001Y", "000000001Y", good},
	{"id", "000000001y", "000000001Y", good},
	{"id", "OoOoOoOoiY", "000000001Y", good},
	{"id", "00000000LY", "000000001Y", good},
	{"id", "00000000GZ", "00000000GZ", good},
	{"id", "00000001GY", "00000001GY", good},
	{"id", "0000000001", "0000000001", BadCheck},
	{"id", "000000010Y", "000000010Y", BadCheck},
	{"id", "", "", Malformed},
	{"id", "00000001Y", "", Malformed},
	{"id", "0000000001Y", "", Malformed},
	{"id", "00000000UY", "", Malformed},
	{"id", " 00000001Y", "", Malformed},
	{"id", "00000000éY", "", Malformed},
	{"id", "00000000\xffY", "", Malformed},
}

func TestReaders(t *testing.T) {
	for _, c := range readings {
		got, err := readers[c.reader](c.in)
		kind := good
		if e := (*Error)(nil); errors.As(err, &e) {
			kind = e.Kind
			if e.Value != c.in || !strings.HasSuffix(e.Why, ".") || (len(c.in) > 6 && strings.Contains(err.Error(), c.in)) {
				t.Errorf("%s(%q): error %+v", c.reader, c.in, *e)
			}
		}
		if got != c.want || kind != c.kind || (err == nil) != (c.kind == good) {
			t.Errorf("%s(%q) = %q, %v; want %q, kind %d", c.reader, c.in, got, err, c.want, c.kind)
		}
	}
}

func TestRealFINESS(t *testing.T) {
	n := 0
	for _, row := range seed(t, "establishments.csv") {
		number := row["finess"]
		if number == "" {
			continue
		}
		n++
		if got, err := FINESS(number); err != nil || got != number {
			t.Errorf("%s: FINESS(%q) = %q, %v", row["name"], number, got, err)
		}
		if dept, ok := Department(row["department_code"]); !ok || dept.Region != row["region"] {
			t.Errorf("%s: department %q is %+v", row["name"], row["department_code"], dept)
		}
	}
	if n < 26 {
		t.Errorf("only %d real numbers", n)
	}
}

// What Luhn promises: every wrong digit, and every exchange of neighbours but 0 with 9.
func TestLuhnDetects(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		name := rapid.SampledFrom([]string{"RPPS", "SIREN"}).Draw(r, "reader")
		length := map[string]int{"RPPS": 11, "SIREN": 9}[name]
		digits := []byte(rapid.StringOfN(rapid.RuneFrom([]rune("0123456789")), length, length, -1).Draw(r, "digits"))
		for c := byte('0'); c <= '9'; c++ {
			if digits[length-1] = c; luhn(string(digits)) {
				break
			}
		}
		detects(r, readers[name], string(digits), "0123456789", "09")
	})
}

func TestIDDetects(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		payload := rapid.StringOfN(rapid.RuneFrom([]rune(alphabet)), idLength-1, idLength-1, -1).Draw(r, "payload")
		detects(r, ParseID, payload+string(checkCharacter(payload)), alphabet, "0Z")
	})
}

// detects tries every substitution and exchange in a valid text; blind is the one pair
// of neighbours whose exchange is not promised to be seen, and indeed never is.
func detects(r *rapid.T, read func(string) (string, error), valid, alphabet, blind string) {
	if got, err := read(valid); err != nil || got != valid {
		r.Fatalf("%q: %q, %v", valid, got, err)
	}
	for i := range valid {
		for _, c := range []byte(alphabet) {
			wrong := valid[:i] + string(c) + valid[i+1:]
			if _, err := read(wrong); (err == nil) != (wrong == valid) {
				r.Fatalf("%q for %q: %v", wrong, valid, err)
			}
		}
		if i == 0 || valid[i] == valid[i-1] {
			continue
		}
		wrong := valid[:i-1] + string(valid[i]) + string(valid[i-1]) + valid[i+1:]
		pair := wrong[i-1 : i+1]
		isBlind := pair == blind || pair == string(blind[1])+string(blind[0])
		if _, err := read(wrong); (err == nil) != isBlind {
			r.Fatalf("%q for %q: %v", wrong, valid, err)
		}
	}
}

func TestNewID(t *testing.T) {
	seen := map[string]bool{}
	used := map[rune]bool{}
	for range 10_000 {
		id := NewID()
		if got, err := ParseID(id); err != nil || got != id || seen[id] {
			t.Fatalf("%q: %q, %v, seen %v", id, got, err, seen[id])
		}
		if got, err := ParseID(strings.ToLower(id)); err != nil || got != id {
			t.Fatalf("%q in lower case: %q, %v", id, got, err)
		}
		seen[id] = true
		for _, c := range id[:idLength-1] {
			used[c] = true
		}
	}
	if len(used) != len(alphabet) {
		t.Errorf("%d characters used of %d", len(used), len(alphabet))
	}
}

func fuzzReader(f *testing.F, name string, seeds ...string) {
	read := readers[name]
	for _, s := range append(seeds, "", " ", "\xff", "\u202f1", "ORPHA", strings.Repeat("9", 40)) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := read(s)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Value != s || (e.Kind == Malformed) != (got == "") {
				t.Fatalf("%q: %q, %v", s, got, err)
			}
			if e.Kind == Malformed {
				return
			}
		}
		again, errAgain := read(got)
		if again != got || (err == nil) != (errAgain == nil) || !utf8.ValidString(s) || got == "" {
			t.Errorf("%q gives %q, %v, which gives %q, %v", s, got, err, again, errAgain)
		}
	})
}

func FuzzFINESS(f *testing.F) { fuzzReader(f, "FINESS", "330780495", "2a0000014") }
func FuzzRPPS(f *testing.F)   { fuzzReader(f, "RPPS", "10000000009", "10 000 000 008") }
func FuzzSIREN(f *testing.F)  { fuzzReader(f, "SIREN", "732829320", "356 000 000") }
func FuzzSIRET(f *testing.F)  { fuzzReader(f, "SIRET", "73282932000074", "35600000049837") }
func FuzzORPHA(f *testing.F)  { fuzzReader(f, "ORPHA", "orpha: 558", "558") }
func FuzzNOR(f *testing.F)    { fuzzReader(f, "NOR", "SSAH2213795D", "ssah 22 13795 d") }
func FuzzID(f *testing.F)     { fuzzReader(f, "id", "000000001Y", "oooooooolY") }

// seed reads a file of the repository's seeds, a map by column for each row.
func seed(t *testing.T, name string) []map[string]string {
	t.Helper()
	f, err := os.Open("../../seeds/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]string
	for _, row := range rows[1:] {
		m := map[string]string{}
		for i, column := range rows[0] {
			m[column] = row[i]
		}
		out = append(out, m)
	}
	return out
}

package seed

import (
	"errors"
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

const centresHeader = "network,acronym,fsmr,fsmr_evidence,cycle,cycle_evidence,role,establishment,city,department_code,responsible,note,source\n"

func dir(pairs ...string) fstest.MapFS {
	out := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return out
}

func TestReadRefuses(t *testing.T) {
	const fsmr = "acronym,name,coordinating_establishment,city,website,european_reference_network,created_year,note,source\n"
	const establishments = "name,city,insee_commune,department_code,region,finess,finess_kind,finess_source,latitude,longitude,coordinates_source,source\n"
	for _, tc := range []struct {
		given string
		dir   fstest.MapFS
		want  Problem
	}{
		{"no file of the layout", dir("README.md", "x"), Problem{File: ".", Fault: NoFiles}},
		{"an unknown column", dir("fsmr.csv", strings.Replace(fsmr, "name", "nom", 1)), Problem{File: "fsmr.csv", Row: 1, Column: "nom", Fault: UnknownColumn}},
		{"a missing column", dir("fsmr.csv", strings.Replace(fsmr, ",note", "", 1)), Problem{File: "fsmr.csv", Row: 1, Column: "note", Fault: MissingColumn}},
		{"a column twice", dir("fsmr.csv", strings.TrimSpace(fsmr)+",note\n"), Problem{File: "fsmr.csv", Row: 1, Column: "note", Fault: Duplicate}},
		{"Latin-1", dir("fsmr.csv", fsmr+"A,,,,,,,,s\nB,Fili\xe8re,,,,,,,s\n"), Problem{File: "fsmr.csv", Line: 3, Fault: NotUTF8}},
		{"an empty file", dir("fsmr.csv", ""), Problem{File: "fsmr.csv", Line: 1, Fault: NotCSV}},
		{"a short row", dir("fsmr.csv", fsmr+"A,b\n"), Problem{File: "fsmr.csv", Line: 2, Fault: NotCSV}},
		{"an open quote", dir("fsmr.csv", fsmr+"\"A,,,,,,,,s\n"), Problem{File: "fsmr.csv", Line: 2, Fault: NotCSV}},
		{"a control character", dir("fsmr.csv", fsmr+"A\x00,,,,,,,,s\n"), Problem{File: "fsmr.csv", Row: 2, Column: "acronym", Fault: WrongValue}},
		{"a name of two lines", dir("fsmr.csv", fsmr+"\"A\nB\",,,,,,,,s\n"), Problem{File: "fsmr.csv", Row: 2, Column: "acronym", Fault: WrongValue}},
		{"no source", dir("fsmr.csv", fsmr+"A,,,,,,,,\n"), Problem{File: "fsmr.csv", Row: 2, Column: "source", Fault: MissingValue}},
		{"the same filière twice", dir("fsmr.csv", fsmr+"A,,,,,,,,s\na,,,,,,,,s\n"), Problem{File: "fsmr.csv", Row: 3, Column: "acronym", Fault: Duplicate}},
		{"no department", dir("centres.csv", centresHeader+"N,,,,,,,,,99,,,s\n"), Problem{File: "centres.csv", Row: 2, Column: "department_code", Fault: WrongValue}},
		{"no date", dir("centres.csv", strings.TrimSpace(centresHeader)+",start\nN,,,,,,,,,,,,s,2019-02-30\n"), Problem{File: "centres.csv", Row: 2, Column: "start", Fault: WrongValue}},
		{"a label over before it begins", dir("centres.csv", strings.TrimSpace(centresHeader)+",start,end\nN,,,,,,,,,,,,s,2019-09-01,2019-09-01\n"), Problem{File: "centres.csv", Row: 2, Column: "end", Fault: WrongValue}},
		{"no role", dir("centres.csv", centresHeader+"N,,,,,,CHIEF,,,,,,s\n"), Problem{File: "centres.csv", Row: 2, Column: "role", Fault: WrongValue}},
		{"a FINESS of a wrong check digit", dir("establishments.csv", establishments+"H,,,,,750712185,legal entity,,,,,s\n"), Problem{File: "establishments.csv", Row: 2, Column: "finess", Fault: WrongValue}},
		{"a FINESS of two hospitals of a kind", dir("establishments.csv", establishments+"H,,,,,750712184,legal entity,,,,,s\nI,,,,,750712184,site,,,,,s\nJ,,,,,75 071 2184,geographic,,,,,s\n"), Problem{File: "establishments.csv", Row: 4, Column: "finess", Fault: Duplicate}},
		{"half a point", dir("establishments.csv", establishments+"H,,,,,,,,48.1,,,s\n"), Problem{File: "establishments.csv", Row: 2, Column: "longitude", Fault: MissingValue}},
		{"no place on Earth", dir("establishments.csv", establishments+"H,,,,,,,,NaN,2,,s\n"), Problem{File: "establishments.csv", Row: 2, Column: "latitude", Fault: WrongValue}},
		{"an end before the start", dir("cycles.csv", "cycle,label,start_year,end_year,legal_kind,legal_title,nor,signed,published,note,source\nC,,2022,2017,,,,,,,s\n"), Problem{File: "cycles.csv", Row: 2, Column: "end_year", Fault: WrongValue}},
		{"a day that is none", dir("cycles.csv", "cycle,label,start_year,end_year,legal_kind,legal_title,nor,signed,published,note,source\nC,,,,arrêté,A,,2017-02-30,,,s\n"), Problem{File: "cycles.csv", Row: 2, Column: "signed", Fault: WrongValue}},
	} {
		t.Run(tc.given, func(t *testing.T) {
			_, err := read(tc.dir)
			ps, is := errors.AsType[Problems](err)
			if !is {
				t.Fatalf("read = %v, want Problems", err)
			}
			for _, p := range ps {
				if p.File == tc.want.File && p.Row == tc.want.Row && p.Line == tc.want.Line && p.Column == tc.want.Column && p.Fault == tc.want.Fault {
					return
				}
			}
			t.Errorf("read = %v, want %v", err, tc.want)
		})
	}
}

func TestReadNamesEveryProblem(t *testing.T) {
	_, err := read(dir("centres.csv", centresHeader+"N,,,,,,CHIEF,,,99,,,s\n,,,,,,,,,,,,s\n"))
	ps, _ := errors.AsType[Problems](err)
	if len(ps) != 3 || ps[2].Row != 3 {
		t.Errorf("read = %v, want two problems in row 2 and one in row 3", err)
	}
}

func TestReadAcceptsLineEndsAndMark(t *testing.T) {
	lf := centresHeader + "N,,,,,,,,,2A,,\"two\nlines\",s\n\n,,,,,,,,,,,,\n"
	for _, text := range []string{lf, strings.ReplaceAll(lf, "\n", "\r\n"), "\xef\xbb\xbf" + lf} {
		f, err := read(dir("centres.csv", text, "other.csv", "x"))
		if err != nil {
			t.Fatal(err)
		}
		rows := f.rows["centres.csv"]
		if len(rows) != 1 || rows[0].get("note") != "two\nlines" || rows[0].get("department_code") != "2A" {
			t.Errorf("read = %v", rows)
		}
		if len(f.ignored) != 1 {
			t.Errorf("ignored = %v, want other.csv", f.ignored)
		}
	}
}

func TestReadSeeds(t *testing.T) {
	f, err := read(os.DirFS("../../seeds"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{
		"establishments.csv": 83, "fsmr.csv": 23, "cycles.csv": 21, "centres.csv": 281, "platforms.csv": 18,
		"changes.csv": 114, "plans.csv": 4, "plan_axes.csv": 28, "missions.csv": 25, "indicators.csv": 23, "figures.csv": 108, "regions.csv": 26, "departments.csv": 109,
	}
	for file, n := range want {
		if got := len(f.rows[file]); got != n {
			t.Errorf("%s: %d rows, want %d", file, got, n)
		}
	}
}

// FuzzRead: whatever the bytes, reading ends in rows or in problems that say where,
// and what it accepts can be planned.
func FuzzRead(f *testing.F) {
	f.Add([]byte(centresHeader + "N,A,F,source,2017-2022,stated,COMPETENCE,H,Lyon,69,Pr X Y,territory: Z,s\n"))
	f.Add([]byte(centresHeader + "\"N\n"))
	f.Add([]byte("network\xff\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		files, err := read(fstest.MapFS{"centres.csv": &fstest.MapFile{Data: data}})
		if err != nil {
			ps, is := errors.AsType[Problems](err)
			if !is {
				t.Fatalf("read: %v", err)
			}
			for _, p := range ps {
				if p.File == "" || p.Row == 0 && p.Line == 0 {
					t.Errorf("%v does not say where", p)
				}
			}
			return
		}
		_, err = plan(files, nil)
		if _, is := errors.AsType[Problems](err); err != nil && !is {
			t.Errorf("plan: %v", err)
		}
	})
}

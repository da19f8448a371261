package seed

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/identifier"
)

// rule says what a column's non-empty values must be.
type rule struct {
	file, column string
	required     bool
	ok           func(string) error
}

var rules = []rule{
	{"establishments.csv", "name", true, nil},
	{"establishments.csv", "source", true, nil},
	{"establishments.csv", "valid_from", false, date},
	{"establishments.csv", "insee_commune", false, commune},
	{"establishments.csv", "department_code", false, department},
	{"establishments.csv", "finess", false, finess},
	{"establishments.csv", "finess_kind", false, oneOf("legal entity", "geographic", "site")},
	{"establishments.csv", "latitude", false, degrees(90)},
	{"establishments.csv", "longitude", false, degrees(180)},
	{"fsmr.csv", "acronym", true, nil},
	{"fsmr.csv", "source", true, nil},
	{"fsmr.csv", "created_year", false, date},
	{"cycles.csv", "cycle", true, nil},
	{"cycles.csv", "source", true, nil},
	{"cycles.csv", "start_year", false, year},
	{"cycles.csv", "end_year", false, year},
	{"cycles.csv", "legal_kind", false, legalKind},
	{"cycles.csv", "nor", false, nor},
	{"cycles.csv", "signed", false, date},
	{"cycles.csv", "published", false, dates},
	{"centres.csv", "network", true, nil},
	{"centres.csv", "source", true, nil},
	{"centres.csv", "fsmr_evidence", false, oneOf("source", assigned)},
	{"centres.csv", "cycle_evidence", false, oneOf("stated", "inferred from page", "unknown")},
	{"centres.csv", "role", false, role},
	{"centres.csv", "department_code", false, department},
	{"centres.csv", "start", false, date},
	{"centres.csv", "end", false, date},
	{"centres.csv", "act_evidence", false, oneOf("cited", "inferred")},
	{"cycles.csv", "evidence", false, oneOf("stated", "inferred")},
	{"changes.csv", "change", true, changeName},
	{"changes.csv", "source", true, nil},
	{"changes.csv", "date", false, date},
	{"changes.csv", "role", false, role},
	{"changes.csv", "department_code", false, department},
	{"changes.csv", "evidence", false, evidenceName},
	{"platforms.csv", "name", true, nil},
	{"platforms.csv", "source", true, nil},
	{"platforms.csv", "kind", true, oneOf("PEMR", "PCOM")},
	{"platforms.csv", "wave_year", false, date},
	{"plans.csv", "code", true, nil},
	{"plans.csv", "name", true, nil},
	{"plans.csv", "source", true, nil},
	{"plans.csv", "start_year", false, year},
	{"plans.csv", "end_year", false, year},
	{"plan_axes.csv", "plan", true, nil},
	{"plan_axes.csv", "code", true, nil},
	{"plan_axes.csv", "title", true, nil},
	{"plan_axes.csv", "source", true, nil},
	{"missions.csv", "audience", true, oneOf("PEMR", "PCOM", "SITE")},
	{"missions.csv", "code", true, nil},
	{"missions.csv", "title", true, nil},
	{"missions.csv", "valid_from", false, date},
	{"missions.csv", "source", true, nil},
	{"figures.csv", "kind", true, nil},
	{"figures.csv", "count", true, count},
	{"figures.csv", "source", true, nil},
	{"regions.csv", "insee_code", true, nil},
	{"regions.csv", "name", true, nil},
	{"regions.csv", "latitude", false, degrees(90)},
	{"regions.csv", "longitude", false, degrees(180)},
	{"departments.csv", "insee_code", true, department},
	{"departments.csv", "name", true, nil},
	{"departments.csv", "latitude", false, degrees(90)},
	{"departments.csv", "longitude", false, degrees(180)},
}

// keys are the columns that together name a row of a file.
var keys = map[string][]string{
	"establishments.csv": {"name", "city"},
	"fsmr.csv":           {"acronym"},
	"platforms.csv":      {"name"},
	"plans.csv":          {"code"},
	"plan_axes.csv":      {"plan", "code"},
	"missions.csv":       {"audience", "valid_from", "code"},
	"regions.csv":        {"insee_code"},
	"departments.csv":    {"insee_code"},
}

// check holds every value against its column's rule and rows against each other.
func check(f *files) Problems {
	var problems Problems
	for _, r := range rules {
		for _, line := range f.rows[r.file] {
			v := line.get(r.column)
			switch {
			case v == "" && r.required:
				problems = append(problems, line.problem(r.column, MissingValue, ""))
			case v != "" && r.ok != nil:
				if err := r.ok(v); err != nil {
					problems = append(problems, line.problem(r.column, WrongValue, "%v", err))
				}
			}
		}
	}
	for _, l := range layout {
		problems = append(problems, checkKeys(f.rows[l.file], keys[l.file])...)
	}
	problems = append(problems, checkPairs(f)...)
	problems = append(problems, checkFINESS(f)...)
	slices.SortStableFunc(problems, func(a, b Problem) int {
		if c := strings.Compare(a.File, b.File); c != 0 {
			return c
		}
		return a.Row - b.Row
	})
	return problems
}

func checkKeys(rows []row, columns []string) Problems {
	var problems Problems
	first := map[string]int{}
	for _, r := range rows {
		if len(columns) == 0 {
			return nil
		}
		var parts []string
		for _, c := range columns {
			parts = append(parts, r.get(c))
		}
		k := key(parts...)
		if n, twice := first[k]; twice {
			problems = append(problems, r.problem(columns[0], Duplicate, "row %d is about the same", n))
			continue
		}
		first[k] = r.num
	}
	return problems
}

// checkPairs checks values that need one another.
func checkPairs(f *files) Problems {
	var problems Problems
	for _, r := range f.rows["establishments.csv"] {
		if (r.get("latitude") == "") != (r.get("longitude") == "") {
			problems = append(problems, r.problem("longitude", MissingValue, "a point needs a latitude and a longitude"))
		}
	}
	for _, r := range f.rows["cycles.csv"] {
		if (r.get("legal_kind") == "") != (r.get("legal_title") == "") {
			problems = append(problems, r.problem("legal_title", MissingValue, "an act needs a legal_kind and a legal_title"))
		}
	}
	for _, r := range slices.Concat(f.rows["cycles.csv"], f.rows["plans.csv"]) {
		if s, e := r.get("start_year"), r.get("end_year"); s != "" && e != "" && e < s {
			problems = append(problems, r.problem("end_year", WrongValue, "ends before start_year %s", s))
		}
	}
	for _, r := range f.rows["centres.csv"] {
		if emptyPeriod(r.get("start"), r.get("end")) {
			problems = append(problems, r.problem("end", WrongValue, "is not after start %s", r.get("start")))
		}
	}
	return problems
}

// checkFINESS checks that no two hospitals of a kind have one number: the register
// would refuse the second when the first rows were recorded already.
func checkFINESS(f *files) Problems {
	type taken struct {
		number string
		kind   topologyv1.FinessKind
	}
	var problems Problems
	first := map[taken]int{}
	for _, r := range f.rows["establishments.csv"] {
		number, err := identifier.FINESS(r.get("finess"))
		if err != nil {
			continue // none, or refused by its own rule
		}
		k := taken{number, finessKind(r)}
		if n, twice := first[k]; twice {
			problems = append(problems, r.problem("finess", Duplicate, "row %d has this number for the same kind", n))
			continue
		}
		first[k] = r.num
	}
	return problems
}

func department(v string) error {
	if _, ok := identifier.Department(v); !ok {
		return errors.New("no INSEE code of a department or overseas collectivity")
	}
	return nil
}

func finess(v string) error { _, err := identifier.FINESS(v); return err }

func nor(v string) error { _, err := identifier.NOR(v); return err }

func date(v string) error { _, _, err := bitemporal.Span(v); return err }

func dates(v string) error {
	for d := range strings.SplitSeq(v, ";") {
		if err := date(strings.TrimSpace(d)); err != nil {
			return err
		}
	}
	return nil
}

// emptyPeriod tells whether an end, the first day after, is certainly not after a
// start. Dates that are unknown or none at all are no such case.
func emptyPeriod(start, end string) bool {
	from, _, err := bitemporal.Span(start)
	first, last, err2 := bitemporal.Span(end)
	return start != "" && end != "" && err == nil && err2 == nil && (last < from || last == from && first == last)
}

func year(v string) error {
	if len(v) != 4 {
		return errors.New("no year of four digits")
	}
	return date(v)
}

func count(v string) error {
	if _, err := strconv.ParseUint(v, 10, 32); err != nil {
		return errors.New("no whole number")
	}
	return nil
}

var communeCode = regexp.MustCompile(`^[0-9][0-9AB][0-9]{3}$`)

func commune(v string) error {
	if !communeCode.MatchString(v) {
		return errors.New("no INSEE code of a commune")
	}
	return nil
}

func degrees(most float64) func(string) error {
	return func(v string) error {
		d, err := strconv.ParseFloat(v, 64)
		if err != nil || !(d >= -most && d <= most) {
			return errors.New("no number of degrees within ±" + strconv.FormatFloat(most, 'f', -1, 64))
		}
		return nil
	}
}

func oneOf(values ...string) func(string) error {
	return func(v string) error {
		if !slices.Contains(values, v) {
			return errors.New("not one of " + strings.Join(values, ", "))
		}
		return nil
	}
}

func role(v string) error {
	if _, ok := roles[v]; !ok && v != collaborator {
		return errors.New("no role of a centre")
	}
	return nil
}

func changeName(v string) error {
	if _, ok := changes[v]; !ok {
		return errors.New("not one of " + strings.Join(slices.Sorted(maps.Keys(changes)), ", "))
	}
	return nil
}

func evidenceName(v string) error {
	if _, ok := evidences[v]; !ok {
		return errors.New("not one of " + strings.Join(slices.Sorted(maps.Keys(evidences)), ", "))
	}
	return nil
}

func legalKind(v string) error {
	if _, ok := actKinds[v]; !ok {
		return errors.New("no kind of text")
	}
	return nil
}

package annex

import (
	"cmp"
	"errors"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/xuri/excelize/v2"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/identifier"
)

var (
	brackets = regexp.MustCompile(`\([^()]*\)|\[[^\[\]]*\]`)
	// A title and a capital, as before a name. "Centre hospitalier Dr Schaffner" is
	// taken for a person too, which costs its verbatim cell and no more.
	person = regexp.MustCompile(`(?:^|[^\pL])(?i:pr|prof|professeure?|dre?|docteure?|mme|m\.|mr)\.?\s+\p{Lu}`)
)

// tidy runs white space together and drops what cannot be seen.
func tidy(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unseen(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
	return strings.Join(strings.Fields(s), " ")
}

func unseen(r rune) bool {
	return unicode.IsControl(r) || r == '\ufeff' || r == '\u200b' || r == '\ufffe' || r == '\uffff'
}

// blank says that nothing is left of a text when it is [tidy].
func blank(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return !unicode.IsSpace(r) && !unseen(r) }) < 0
}

// clean is a cell's text as it can be kept: valid UTF-8 without control characters but
// those of white space, and empty for the error of a formula.
func clean(s string) string {
	if formulaError(s) {
		return ""
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && !unicode.IsSpace(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
}

// formulaError says that a formula had failed when the workbook was saved.
func formulaError(s string) bool {
	switch s {
	case "#REF!", "#N/A", "#NAME?", "#VALUE!", "#DIV/0!", "#NULL!", "#NUM!", "#SPILL!", "#CALC!":
		return true
	}
	return false
}

// dash says that a cell is filled in with a stroke for nothing.
func dash(s string) bool { return strings.Trim(s, "-–—−./ ") == "" }

// Words of a printed role that tell it, and words that may stand beside them.
var (
	telling = map[string]labellingv1.Role{
		"coordonnateur": labellingv1.Role_ROLE_COORDINATOR, "coordonateur": labellingv1.Role_ROLE_COORDINATOR,
		"coordinateur": labellingv1.Role_ROLE_COORDINATOR, "coordonnatrice": labellingv1.Role_ROLE_COORDINATOR,
		"coordinatrice": labellingv1.Role_ROLE_COORDINATOR, "coordinator": labellingv1.Role_ROLE_COORDINATOR,
		"coordinating": labellingv1.Role_ROLE_COORDINATOR, "coordination": labellingv1.Role_ROLE_COORDINATOR,
		"coord": labellingv1.Role_ROLE_COORDINATOR, "coordo": labellingv1.Role_ROLE_COORDINATOR,
		"constitutif": labellingv1.Role_ROLE_CONSTITUTIVE, "constitutive": labellingv1.Role_ROLE_CONSTITUTIVE,
		"constituent": labellingv1.Role_ROLE_CONSTITUTIVE, "constit": labellingv1.Role_ROLE_CONSTITUTIVE,
		"const": labellingv1.Role_ROLE_CONSTITUTIVE,
		"ccmr":  labellingv1.Role_ROLE_COMPETENCE, "competence": labellingv1.Role_ROLE_COMPETENCE,
		"crc": labellingv1.Role_ROLE_RESOURCE_AND_COMPETENCE, "crcm": labellingv1.Role_ROLE_RESOURCE_AND_COMPETENCE,
		"ressource": labellingv1.Role_ROLE_RESOURCE_AND_COMPETENCE, "resource": labellingv1.Role_ROLE_RESOURCE_AND_COMPETENCE,
		"crmr": labellingv1.Role_ROLE_REFERENCE, "reference": labellingv1.Role_ROLE_REFERENCE,
		"cr": labellingv1.Role_ROLE_REFERENCE, "ref": labellingv1.Role_ROLE_REFERENCE, "cc": labellingv1.Role_ROLE_COMPETENCE,
		"fsmr": labellingv1.Role_ROLE_FSMR, "pemr": labellingv1.Role_ROLE_PEMR, "pcom": labellingv1.Role_ROLE_PCOM,
	}
	beside = strings.Fields("centre center site seat role reseau network label labellise maladie rare disease rare de des du d la le les l of for et and a the " +
		"mhc muco mhemo filslan sla mucoviscidose hemophilie hemorragique constitutionnelle sclerose laterale amyotrophique " +
		"autre neurone moteur motoneurone mnd multisite multi n no " +
		"adulte adult enfant child children pediatrique paediatric pediatric mixte mixed")
)

// readRole reads a role as printed. "Centre de référence" and CRMR alone do not say
// whether the site coordinates: the reference role. Not stated is understood too.
func readRole(printed string) (r labellingv1.Role, understood bool) {
	words := strings.Fields(key(strings.ReplaceAll(printed, "_", " ")))
	if dash(printed) || slices.Contains([]string{"non precise", "non renseigne", "nc", "not stated"}, strings.Join(words, " ")) {
		return labellingv1.Role_ROLE_UNSPECIFIED, true
	}
	var told []labellingv1.Role
	for _, w := range words {
		role, ok := telling[w]
		if !ok && !slices.Contains(beside, w) && strings.Trim(w, "0123456789") != "" { // a footnote, or a rank
			return labellingv1.Role_ROLE_UNSPECIFIED, false
		}
		if ok && !slices.Contains(told, role) {
			told = append(told, role)
		}
	}
	slices.Sort(told)
	switch {
	case len(told) == 1:
		return told[0], true
	case len(told) == 2 && told[0] <= labellingv1.Role_ROLE_CONSTITUTIVE && told[1] == labellingv1.Role_ROLE_REFERENCE:
		return told[0], true // CRMR coordonnateur
	case len(told) == 2 && told[0] == labellingv1.Role_ROLE_COMPETENCE && told[1] == labellingv1.Role_ROLE_RESOURCE_AND_COMPETENCE:
		return told[1], true // ressources et compétences
	}
	return labellingv1.Role_ROLE_UNSPECIFIED, false
}

// readPopulation reads who is cared for, as "Enfants/Adultes", "A+E" or "mixte".
func readPopulation(printed string) (p topologyv1.Population, understood bool) {
	if dash(printed) {
		return topologyv1.Population_POPULATION_UNSPECIFIED, true
	}
	child, adult := false, false
	for w := range strings.FieldsSeq(key(strings.ReplaceAll(printed, "_", " "))) {
		switch w {
		case "enfant", "e", "child", "children", "pediatrie", "pediatrique", "paediatric", "pediatric", "ped":
			child = true
		case "adulte", "a", "adult":
			adult = true
		case "mixte", "mixed", "tout", "age", "ea", "ae":
			child, adult = true, true
		case "et", "and", "population", "only", "seulement", "centre":
		default:
			return topologyv1.Population_POPULATION_UNSPECIFIED, false
		}
	}
	switch {
	case child && adult:
		return topologyv1.Population_POPULATION_MIXED, true
	case child:
		return topologyv1.Population_POPULATION_CHILD, true
	case adult:
		return topologyv1.Population_POPULATION_ADULT, true
	}
	return topologyv1.Population_POPULATION_UNSPECIFIED, false
}

var departmentByName = func() map[string]string {
	m := map[string]string{}
	for d := range identifier.Departments() {
		m[identifier.Fold(d.Name)] = d.Code
	}
	return m
}()

// readDepartment reads a code, a name, or both ("Rhône (69)", "69 - Rhône", and 1 for
// 01), and returns the INSEE code.
func readDepartment(printed string) (code string, understood bool) {
	if dash(printed) {
		return "", true
	}
	if c, ok := departmentByName[identifier.Fold(printed)]; ok {
		return c, true
	}
	isCode := func(w string) string {
		if len(w) == 1 {
			w = "0" + w
		}
		d, _ := identifier.Department(strings.ToUpper(w))
		return d.Code
	}
	words := strings.FieldsFunc(printed, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if len(words) == 0 {
		return "", false
	}
	code = cmp.Or(isCode(words[0]), isCode(words[len(words)-1]))
	return code, code != ""
}

// readFiness reads a FINESS number, of which a spreadsheet may have dropped the zero it
// begins with. The reason is that of a problem, if any.
func readFiness(printed string) (finess, reason string) {
	if dash(printed) {
		return "", ""
	}
	if v, err := strconv.ParseFloat(printed, 64); err == nil && strings.ContainsAny(printed, ".eE") && v == math.Trunc(v) {
		printed = strconv.FormatFloat(v, 'f', -1, 64) // 7.50712184E8
	}
	finess, err := identifier.FINESS(printed)
	if err == nil {
		return finess, ""
	}
	if padded, err := identifier.FINESS("0" + printed); err == nil {
		return padded, finessZeroLost
	}
	if e, ok := errors.AsType[*identifier.Error](err); ok && e.Kind == identifier.BadCheck {
		return finess, finessBadCheck
	}
	return "", finessUnreadable
}

var (
	months = strings.Fields("janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre " +
		"january february march april may june july august september october november december")
	slashed = regexp.MustCompile(`^(?:(\d{1,2})[/.-])?(\d{1,2})[/.-](\d{4})$`)
	spelled = regexp.MustCompile(`^(?:(?:le )?(\d{1,2})(?:er|st|nd|rd|th)? )?([a-z]+) (\d{4})$`)
	timed   = regexp.MustCompile(`^(\d{4}-\d\d-\d\d)[T ]00:00(?::00(?:\.0+)?)?Z?$`)
)

// readDate reads a date of reduced precision into ISO 8601: ISO itself, 26/12/2023,
// 12/2023, "26 décembre 2023", "1er janvier 2024", or the day's number of a spreadsheet.
// Days come before months; years have four digits.
func readDate(printed string, date1904 bool) (iso string, understood bool) {
	if dash(printed) {
		return "", true
	}
	iso = printed
	folded := identifier.Fold(printed)
	if m := timed.FindStringSubmatch(printed); m != nil {
		iso = m[1]
	} else if m := slashed.FindStringSubmatch(printed); m != nil {
		iso = dateOf(m[3], m[2], m[1])
	} else if m := spelled.FindStringSubmatch(folded); m != nil {
		iso = dateOf(m[3], strconv.Itoa(slices.Index(months, m[2])%12+1), m[1])
		if !slices.Contains(months, m[2]) {
			return "", false
		}
	} else if v, err := strconv.ParseFloat(printed, 64); err == nil && v > 9999 && v < 100_000 {
		t, err := excelize.ExcelDateToTime(math.Trunc(v), date1904)
		if err != nil {
			return "", false
		}
		iso = t.Format(time.DateOnly)
	}
	if _, _, err := bitemporal.Span(iso); err != nil {
		return "", false
	}
	return iso, true
}

func dateOf(year, month, day string) string {
	iso := year + "-" + strings.Repeat("0", 2-len(month)) + month
	if day != "" {
		iso += "-" + strings.Repeat("0", 2-len(day)) + day
	}
	return iso
}

// dayAfter is the first day after a last one. What ends on some day of a month or a year
// is over by the end of it: that month or year stands for the day after too. The last day
// that can be written, which a spreadsheet prints for no end, stays as it is.
func dayAfter(iso string) string {
	day, err := bitemporal.ParseDate(iso)
	if err != nil || iso == "9999-12-31" {
		return iso
	}
	return (day + 1).String()
}

// period is nil where neither end is known.
func period(start, end string) *eventv1.Period {
	if start == "" && end == "" {
		return nil
	}
	return &eventv1.Period{Start: start, End: end}
}

// reversed says that no day of the one precision can be before any of the other.
func reversed(p *eventv1.Period) bool {
	if p.GetStart() == "" || p.GetEnd() == "" {
		return false
	}
	first, _, err1 := bitemporal.Span(p.GetStart())
	_, last, err2 := bitemporal.Span(p.GetEnd())
	return err1 == nil && err2 == nil && last <= first
}

var between = regexp.MustCompile(`[;\n\r/|&+]|(?:^|\s)(?:et|and)\s|,\s*(?i:(?:pr|prof|professeure?|dre?|docteure?|mme|m)\.?\s)`)

var nobody = regexp.MustCompile(`^\(?(?:(?:poste )?(?:vacant|a pourvoir)|en cours\b.*|en attente\b.*|a (?:designer|nommer|definir|preciser|confirmer|completer)|non (?:designe|nomme|connu|precise|renseigne)e?|` +
	`nc|neant|aucun|inconnu|(?:responsable )?(?:designation|nomination) en cours)\)?$`)

// readHeads splits the names in a cell: one a line, or with a slash, a semicolon or "et"
// between them. A comma divides only before a title, for it also stands between a name
// and a first name. Words for nobody are no name.
func readHeads(verbatim string) (heads []string) {
	rest := verbatim
	for rest != "" {
		at := between.FindStringIndex(rest)
		part := rest
		if at == nil {
			rest = ""
		} else {
			part = rest[:at[0]]
			if rest[at[0]] == ',' {
				at[1] = at[0] + 1 // the title belongs to the next name
			}
			rest = rest[at[1]:]
		}
		if part = tidy(part); !dash(part) && !nobody.MatchString(identifier.Fold(part)) {
			heads = append(heads, part)
		}
	}
	return heads
}

package annex

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/identifier"
)

var (
	totalHeading = regexp.MustCompile(`^(?:(?:au |en )?(?:sou total|total|tout)|nombre (?:de|total)|soit \d+|number of|subtotal|grand total)(?: |$)`)
	// These begin a total where a number follows at once, beside them or in their cell.
	otherTotal = regexp.MustCompile(`^(?:totaux|t o t a l|somme|ensemble|cumul|s total|nb de [a-z]+|recapitulatif|dont|soit un total|effectif)(?: (?:general|generaux|de [a-z]+|total))?(?: \d.*)?$|^\d.* (?:au|en) total$`)
	partTotal  = regexp.MustCompile(`^(?:sou total|subtotal|total (?:de la )?(?:filiere|fsmr))`)
	// A sum that stands alone begins with its number and says at once of what it is.
	bareTotal = regexp.MustCompile(`^\d+(?: \d{3})* (?:site|centre|reseau|reseaux|label|ligne|coordonnateur|constitutif|ccmr|crmr|crc)(?: |$)`)
	counted   = regexp.MustCompile(`\d+(?:[ \x{00a0}\x{202f}]\d{3})*`)
	letters   = regexp.MustCompile(`\pL`)
)

// total reads a row that announces totals: a text that begins as one, and numbers in it or
// in the cells beside. What a number counts must stand with it, or the row is not read.
func (s *sheetReader) total(row int) bool {
	_, first := s.own(row)
	text := tidy(s.at(row, first).text)
	if !strings.ContainsRune("TtSsNnGgAaEeCcRrDd0123456789", []rune(text)[0]) {
		return false
	}
	k := key(text)
	bare := s.head >= 0 && s.single(row) && text[0] >= '0' && text[0] <= '9' && bareTotal.MatchString(k) && !strings.Contains(text, ":") // else a footnote
	if !bare && !totalHeading.MatchString(k) && !otherTotal.MatchString(k) {
		return false
	}
	var totals []*labellingv1.AnnouncedTotal
	for i, c := range s.rows[row] {
		cell := tidy(c.text)
		if i <= first || c.filled || dash(cell) {
			continue
		}
		if cell[0] < '0' || cell[0] > '9' {
			return false // a line whose network is called so
		}
		said := sums(cell)
		if len(said) == 1 && said[0].GetUnit() == "" && i < len(s.columns) {
			said[0].Unit = s.columns[i].header
		}
		for _, t := range said {
			t.Unit = strings.TrimSuffix(text+": "+t.GetUnit(), ": ")
		}
		if totals = append(totals, said...); len(said) == 0 {
			return false
		}
	}
	if len(totals) == 0 {
		totals = sums(text)
	}
	whole := !partTotal.MatchString(k)
	if whole && s.lineFollows(row) && !strings.Contains(k, "general") && !s.names(text) {
		whole = false
		if !s.filiereFollows(row) {
			totals = nil // of a network, or of nobody knows what
		}
	}
	if len(totals) == 0 {
		s.ignore(row, totalUnreadable)
	}
	for _, t := range totals {
		if !whole && s.filiere != "" && !s.names(text) {
			t.Unit += " (" + s.filiere + ")"
		}
		t.Unit = cut(t.GetUnit(), 200)
	}
	s.Totals = append(s.Totals, totals...)
	return true
}

// figures says that a row holds a text and, beside it, numbers alone where a line has
// words: a sum in words of its own, or what is no line.
func (s *sheetReader) figures(row int) bool {
	_, first := s.own(row)
	found := false
	for i, c := range s.rows[row] {
		text := tidy(c.text)
		if i <= first || c.filled || dash(text) {
			continue
		}
		if !numeric.MatchString(text) {
			return false
		}
		if i < len(s.columns) {
			switch s.columns[i].field {
			case network, acronym, role, establishment, site, city, region, seats:
				found = true
			}
		}
	}
	return found
}

// sums reads the numbers of a text, each with the words after it or, where it is the only
// one, those before it too; none where that leaves one without words, as a year would be.
func sums(text string) []*labellingv1.AnnouncedTotal {
	var all []*labellingv1.AnnouncedTotal
	found := slices.DeleteFunc(counted.FindAllStringIndex(text, -1), func(n []int) bool { // those of a name, as G2M
		before, _ := utf8.DecodeLastRuneInString(text[:n[0]])
		after, _ := utf8.DecodeRuneInString(text[n[1]:])
		return unicode.IsLetter(before) || unicode.IsLetter(after)
	})
	for i, n := range found {
		end := len(text)
		if i+1 < len(found) {
			end = found[i+1][0]
		}
		after := strings.Trim(text[n[1]:end], " ,;:=.()")
		join := ""
		for again := i+1 < len(found); again; { // "dont" is of the next number
			again = false
			for _, word := range []string{"dont", "et", "soit"} {
				if rest, ok := strings.CutSuffix(" "+after, " "+word); ok {
					after, again = strings.Trim(rest, " ,;:=.()"), true
				}
			}
		}
		if i == 0 {
			join = strings.TrimRight(text[:n[0]], " :=(")
		} else if before := strings.Trim(text[found[i-1][1]:n[0]], " ,;:=.()"); before == "dont" || strings.HasSuffix(before, " dont") {
			join = "dont"
		}
		digits := strings.Join(strings.FieldsFunc(text[n[0]:n[1]], func(r rune) bool { return r < '0' || r > '9' }), "")
		count, err := strconv.ParseUint(digits, 10, 32)
		if unit := tidy(join + " " + after); err == nil && (len(found) == 1 || letters.MatchString(after) || i == 0 && letters.MatchString(join)) {
			all = append(all, &labellingv1.AnnouncedTotal{Unit: unit, Count: uint32(count)})
		}
	}
	if len(all) < len(found) {
		return nil
	}
	return all
}

// names says that a text names the filière in force.
func (s *sheetReader) names(text string) bool {
	return s.filiere != "" && strings.Contains(identifier.Fold(text), identifier.Fold(s.filiere))
}

// lineFollows says that a line may follow a row, further down the sheet.
func (s *sheetReader) lineFollows(row int) bool {
	for next := row + 1; next < len(s.rows); next++ {
		if n, _ := s.own(next); n > 1 && s.columnsOf(next) == nil && !totalHeading.MatchString(key(s.firstText(next))) {
			return true
		}
	}
	return false
}

// filiereFollows says that the lines after a row are under the heading of a filière.
func (s *sheetReader) filiereFollows(row int) bool {
	for next := row + 1; next < len(s.rows); next++ {
		if s.empty(next) || s.columnsOf(next) != nil {
			continue
		}
		return s.single(next) && filiereHeading.MatchString(tidy(s.firstText(next)))
	}
	return false
}

package identifier

import (
	"iter"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Dept is a department or an overseas collectivity. Codes are INSEE's; a collectivity
// without a region bears its own code and name as the region's. Its middle is in degrees,
// WGS 84: both zero where it is not known.
type Dept struct {
	Code, Name, RegionCode, Region string
	Latitude, Longitude            float64
}

// By code, by region code and by folded region name.
var byCode, byRegion = func() (map[string]Dept, map[string]Dept) {
	codes, regions := map[string]Dept{}, map[string]Dept{}
	for _, d := range departments {
		codes[d.Code] = d
		regions[d.RegionCode] = d
		regions[Fold(d.Region)] = d
	}
	return codes, regions
}()

// Department finds a department by its INSEE code: 01 to 95, 2A, 2B, 971 and so on.
func Department(code string) (Dept, bool) {
	d, ok := byCode[strings.ToUpper(code)]
	return d, ok
}

// Departments yields every department and overseas collectivity, by INSEE code.
func Departments() iter.Seq[Dept] { return slices.Values(departments) }

// Region finds a region by its INSEE code, or by its name as [Fold] compares names.
func Region(codeOrName string) (code, name string, ok bool) {
	d, ok := byRegion[codeOrName]
	if !ok {
		d, ok = byRegion[Fold(codeOrName)]
	}
	return d.RegionCode, d.Region, ok
}

// Fold brings a text to a form in which names are compared and searched: lower case
// without accents, ligatures spelled out, hyphens and apostrophes of any kind as spaces,
// and single spaces. It is not for display. Bytes that are not UTF-8 become U+FFFD,
// which no name contains.
func Fold(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	gap := false // a space is due before the next letter
	for _, r := range norm.NFKD.String(s) {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Cf): // accents, and what has no width
			continue
		case unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) || strings.ContainsRune("'’‘ʼ`´′\u2212", r):
			gap = b.Len() > 0
			continue
		}
		if gap {
			b.WriteByte(' ')
			gap = false
		}
		switch r = unicode.ToLower(r); r {
		case 'œ':
			b.WriteString("oe")
		case 'æ':
			b.WriteString("ae")
		case 'ß':
			b.WriteString("ss")
		case 'ø':
			b.WriteByte('o')
		case 'ł':
			b.WriteByte('l')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

var punctuation = strings.NewReplacer(",", " ", "(", " ", ")", " ", ".", " ", ";", " ", ":", " ", "/", " ", "–", " ", "—", " ", "*", " ", "†", " ", "‡", " ")

// Words is a text folded, without punctuation: its words, one space between two.
func Words(s string) string {
	return strings.Join(strings.Fields(punctuation.Replace(Fold(s))), " ")
}

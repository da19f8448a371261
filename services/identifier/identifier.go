// Package identifier reads and checks the identifiers of the register: the ids it mints
// itself, and the numbers others give, which it keeps as attributes and never as keys.
//
// Every reader takes what a person may type or an act may print (lower case, spaces
// between groups), returns the one canonical form, and is the identity on that form.
// Text that is not valid UTF-8 is refused.
package identifier

import "strings"

// Kind tells an identifier that cannot be read from one that reads but cannot be right.
type Kind uint8

// The kinds. A reader returns "" with a Malformed error, and the canonical form with a
// BadCheck error, so that a caller may warn and keep what was printed.
const (
	Malformed Kind = iota + 1 // wrong length or characters, or not UTF-8
	BadCheck                  // the check digit or character fails, or a FINESS number begins with no department
)

// Error says why a text is not the identifier it should be.
type Error struct {
	Kind  Kind
	Value string // as given; may be personal data (RPPS)
	Why   string // English sentence
}

// Error is Why alone: errors reach logs, which the value must not.
func (e *Error) Error() string { return e.Why }

// FINESS reads the number of an establishment or legal entity: 9 letters or digits, in
// capitals. The published schema promises no more than that, so a number with letters
// is accepted as it is, except that a number all of digits, or of digits after 2A or 2B
// (Corsica), begins with a department (97 for overseas ones, 98 for Mayotte) and has a
// Luhn check digit, reckoned with A as 1 and B as 2.
func FINESS(s string) (string, error) {
	n, err := alphanumeric(s, 9, "a FINESS number", "9 letters or digits")
	if err != nil {
		return "", err
	}
	prefix := n[:2]
	digits := n
	if prefix == "2A" || prefix == "2B" {
		digits = "2" + string(n[1]-'A'+'1') + n[2:]
	}
	if !numeric(digits) {
		return n, nil
	}
	if !luhn(digits) {
		return n, &Error{BadCheck, s, "The check digit of the FINESS number does not match."}
	}
	if _, ok := Department(prefix); !ok && prefix != "97" && prefix != "98" {
		return n, &Error{BadCheck, s, "The FINESS number begins with no department."}
	}
	return n, nil
}

// RPPS reads the lifelong number of a health professional: 11 digits, the last by Luhn.
// That the check holds of every number issued is not published, so a BadCheck error
// here is to be warned of, not refused. The number is personal data.
func RPPS(s string) (string, error) {
	return checkedDigits(s, 11, "an RPPS number", "11 digits", luhn)
}

// SIREN reads the number of a legal unit: 9 digits, the last by Luhn.
func SIREN(s string) (string, error) {
	return checkedDigits(s, 9, "a SIREN number", "9 digits", luhn)
}

// SIRET reads the number of an establishment of a legal unit: its SIREN and 5 digits.
// The SIREN and the whole both check by Luhn, but for the establishments of La Poste
// (SIREN 356000000) other than its seat: the sum of their digits is a multiple of 5.
func SIRET(s string) (string, error) {
	return checkedDigits(s, 14, "a SIRET number", "14 digits", func(n string) bool {
		const laPoste, seat = "356000000", "00048"
		if strings.HasPrefix(n, laPoste) && n[9:] != seat {
			sum := 0
			for i := range len(n) {
				sum += int(n[i] - '0')
			}
			return sum%5 == 0
		}
		return luhn(n[:9]) && luhn(n)
	})
}

// ORPHA reads an ORPHAcode, with or without its prefix ("558", "ORPHA558", "orpha:558",
// "ORPHA: 558"), and returns it as ORPHA:558. It is an integer of up to 7 digits without
// leading zero; there is no check digit, and that the code exists is not looked up.
func ORPHA(s string) (string, error) {
	malformed := &Error{Malformed, s, "An ORPHAcode is a number, as ORPHA:558."}
	n := compact(s)
	if rest, prefixed := strings.CutPrefix(n, "ORPHA"); prefixed {
		n = strings.TrimPrefix(rest, ":")
	}
	if len(n) == 0 || len(n) > 7 || n[0] == '0' || !numeric(n) {
		return "", malformed
	}
	return "ORPHA:" + n, nil
}

// NOR reads the number that the State's offices give an act: 4 letters for ministry and
// office, 2 digits of the year, 5 of a series, and a letter for the kind of act, as
// SSAH2213795D. There is no check digit, and it has had duplicates.
func NOR(s string) (string, error) {
	n, err := alphanumeric(s, 12, "a NOR number", "4 letters, 7 digits and a letter")
	if err != nil {
		return "", err
	}
	if !letters(n[:4]) || !numeric(n[4:11]) || !letters(n[11:]) {
		return "", &Error{Malformed, s, "A NOR number is 4 letters, 7 digits and a letter."}
	}
	return n, nil
}

func checkedDigits(s string, length int, what, shape string, check func(string) bool) (string, error) {
	n, err := alphanumeric(s, length, what, shape)
	if err != nil {
		return "", err
	}
	if !numeric(n) {
		return "", malformed(s, what, shape)
	}
	if !check(n) {
		return n, &Error{BadCheck, s, "The check digit of " + what + " does not match."}
	}
	return n, nil
}

// alphanumeric reads exactly length ASCII letters or digits, in capitals.
func alphanumeric(s string, length int, what, shape string) (string, error) {
	n := compact(s)
	if len(n) != length {
		return "", malformed(s, what, shape)
	}
	for i := range len(n) {
		if !isDigit(n[i]) && !isLetter(n[i]) {
			return "", malformed(s, what, shape)
		}
	}
	return n, nil
}

func malformed(s, what, shape string) *Error {
	return &Error{Malformed, s, "Expected " + what + ": " + shape + "."}
}

// compact drops spaces, the unbreakable ones of French typography too, and puts ASCII
// letters in capitals; other letters are left alone, since some have ASCII capitals.
// Bytes that are not UTF-8 become U+FFFD, which no reader accepts.
func compact(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ' || r == '\u00a0' || r == '\u202f' || r == '\u2009':
			return -1
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		}
		return r
	}, s)
}

// luhn checks a text of digits by ISO/IEC 7812-1.
func luhn(digits string) bool {
	sum := 0
	for i := range len(digits) {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

func numeric(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return true
}

func letters(s string) bool {
	for i := range len(s) {
		if !isLetter(s[i]) {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isLetter(c byte) bool { return 'A' <= c && c <= 'Z' }

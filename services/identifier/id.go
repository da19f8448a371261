package identifier

import (
	"crypto/rand"
	"strings"
)

// Crockford's base 32: no I, L, O or U.
const (
	alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	idLength = 10
)

// NewID mints an id: 9 random characters of Crockford's base 32 (45 bits) and a check
// character, Luhn's in base 32. Among a million ids one pair is alike about once in 70
// registers, so whoever mints one makes sure that it is not taken.
//
// The check character detects every substitution of one character by another, and every
// exchange of two different adjacent characters except 0 with Z. It does not detect the
// exchange of characters two apart. Typing O for 0, or I or L for 1, is read as meant.
func NewID() string {
	var b [idLength]byte
	_, _ = rand.Read(b[:]) // never fails: the program would have been stopped
	for i := range b {
		b[i] = alphabet[b[i]%32]
	}
	b[idLength-1] = checkCharacter(string(b[:idLength-1]))
	return string(b[:])
}

// ParseID reads an id in either case, O as 0, I and L as 1, and checks it.
func ParseID(s string) (string, error) {
	if len(s) != idLength {
		return "", &Error{Malformed, s, "An id is 10 characters, letters and digits without U."}
	}
	var b [idLength]byte
	for i := range b {
		c := s[i]
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		switch c {
		case 'O':
			c = '0'
		case 'I', 'L':
			c = '1'
		}
		if strings.IndexByte(alphabet, c) < 0 {
			return "", &Error{Malformed, s, "An id is 10 characters, letters and digits without U."}
		}
		b[i] = c
	}
	id := string(b[:])
	if checkCharacter(id[:idLength-1]) != id[idLength-1] {
		return id, &Error{BadCheck, s, "The last character of the id does not match the others: it was mistyped."}
	}
	return id, nil
}

// checkCharacter is Luhn's algorithm in base 32: from the right, every other digit is
// doubled and its two base 32 digits added, the last of the payload first.
func checkCharacter(payload string) byte {
	sum := 0
	for i := range len(payload) {
		d := strings.IndexByte(alphabet, payload[len(payload)-1-i])
		if i%2 == 0 {
			d *= 2
			d = d/32 + d%32
		}
		sum += d
	}
	return alphabet[(32-sum%32)%32]
}

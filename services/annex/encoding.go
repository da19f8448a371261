package annex

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	utf16 "golang.org/x/text/encoding/unicode"
)

// decode reads a CSV file as text. One that is no Unicode is in Windows-1252 or, from a
// Macintosh, in Mac Roman: whichever makes more of it French. One that neither does is
// refused at the first byte that stands for no letter known.
func decode(raw []byte) ([]byte, error) {
	switch {
	case bytes.HasPrefix(raw, []byte("\xef\xbb\xbf")):
		raw = raw[3:]
		if at, _ := notUTF8(raw); at >= 0 {
			return nil, badByte(raw, at, 3)
		}
		return raw, nil
	case bytes.HasPrefix(raw, []byte("\xff\xfe")), bytes.HasPrefix(raw, []byte("\xfe\xff")):
		return utf16.UTF16(utf16.LittleEndian, utf16.ExpectBOM).NewDecoder().Bytes(raw)
	}
	at, damaged := notUTF8(raw)
	switch {
	case at < 0:
		return raw, nil
	case damaged:
		return nil, badByte(raw, at, 0)
	}
	windows, mac := likeness(raw, charmap.Windows1252), likeness(raw, charmap.Macintosh)
	page := charmap.Windows1252
	if mac > windows {
		page = charmap.Macintosh
	}
	if max(mac, windows) < 0 {
		return nil, badByte(raw, bytes.IndexFunc(raw, func(r rune) bool { return r >= utf8.RuneSelf }), 0)
	}
	for i, b := range raw {
		if page.DecodeByte(b) == utf8.RuneError {
			return nil, badByte(raw, i, 0)
		}
	}
	return page.NewDecoder().Bytes(raw)
}

// badByte is the error of the byte at a place, from 0, of a text that begins so many bytes
// into its file.
func badByte(raw []byte, at, skipped int) *Error {
	before := bytes.ReplaceAll(raw[:at], []byte("\r\n"), []byte("\n"))
	line := 1 + bytes.Count(before, []byte("\n")) + bytes.Count(before, []byte("\r"))
	return &Error{Place: Place{Row: line}, Byte: skipped + at + 1, Reason: encodingUnknown}
}

// notUTF8 is the place of the first byte that is not UTF-8, -1 for none, and whether the
// rest is: more characters of several bytes than bytes that are none.
func notUTF8(raw []byte) (at int, damaged bool) {
	at = -1
	several, none := 0, 0
	for i := 0; i < len(raw); {
		r, size := utf8.DecodeRune(raw[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			if none++; at < 0 {
				at = i
			}
		case size > 1:
			several++
		}
		i += size
	}
	return at, several > none
}

// likeness is how French a text is in a code page: more for each letter and sign that
// French prints, where it prints them, and less for each that it hardly can.
func likeness(raw []byte, page *charmap.Charmap) (score int) {
	for i, b := range raw {
		if b < utf8.RuneSelf {
			continue
		}
		before, after := byte(' '), byte(' ')
		if i > 0 {
			before = raw[i-1]
		}
		if i+1 < len(raw) {
			after = raw[i+1]
		}
		score += fits(page.DecodeByte(b), rune(before), rune(after))
	}
	return score
}

func fits(r, before, after rune) int {
	isLower := func(r rune) bool { return 'a' <= r && r <= 'z' }
	isUpper := func(r rune) bool { return 'A' <= r && r <= 'Z' }
	inWord := (isLower(before) || isUpper(before)) && (isLower(after) || isUpper(after))
	switch {
	case r == utf8.RuneError:
		return -2
	case strings.ContainsRune("àâäçéèêëîïôöùûüÿœæ", r):
		return 2
	case unicode.IsUpper(r):
		switch {
		case isLower(before), isUpper(before) && isLower(after):
			return -1
		case strings.ContainsRune("ÀÂÄÇÉÈÊËÎÏÔÖÙÛÜŸŒÆ", r):
			return 1
		}
		return 0
	case r == 'ƒ':
		return -1
	case unicode.IsLower(r):
		return 1
	case r == '’' || r == '‘':
		return 1
	case inWord:
		return -1
	case strings.ContainsRune("«»–—…°“”•²³€\u00a0", r):
		return 1
	}
	return 0
}
